/* RDSEED and RDRAND (Intel SDM vol. 1, section 7.3.17), and the TSC. */

#include <arch/random.h>
#include <x86/cpu.h>
#include <x86/regs.h>

/* RDRAND fails ten times in a row only if it is broken (there); RDSEED may run dry. */
#define NR_TRIES 10

uint64_t arch_cycles(void)
{
    return x86_read_tsc();
}

bool arch_random_word(uint64_t *word)
{
    bool is_valid = false;

    if (x86_features.has_rdseed)
        __asm__ volatile("rdseed %0" : "=r"(*word), "=@ccc"(is_valid));
    for (unsigned i = 0; x86_features.has_rdrand && !is_valid && i < NR_TRIES; i++)
        __asm__ volatile("rdrand %0" : "=r"(*word), "=@ccc"(is_valid));
    return is_valid;
}
