/* The start of a user program (arch/program.h). */

#include <arch/program.h>
#include <kernel/clock.h>
#include <x86/cpu.h>
#include <x86/regs.h>

#define HWCAP2_FSGSBASE 2 /* Linux, arch/x86/include/uapi/asm/hwcap2.h */

uint64_t arch_hwcap(void)
{
    return x86_cpuid(1, 0).edx;
}

uint64_t arch_hwcap2(void)
{
    return x86_features.has_fsgsbase ? HWCAP2_FSGSBASE : 0;
}

static uint64_t random_word(void)
{
    uint64_t word = x86_read_tsc();

    for (unsigned i = 0; x86_features.has_rdrand && i < 10; i++) {
        bool is_valid;

        __asm__ volatile("rdrand %0" : "=r"(word), "=@ccc"(is_valid));
        if (is_valid)
            break;
    }
    /* The finaliser of SplitMix64 (Steele, Lea, Flood 2014) spreads the clock's few changing bits.
     */
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

void arch_random(unsigned char *to, size_t nr_bytes)
{
    uint64_t word = 0;

    for (size_t i = 0; i < nr_bytes; i++, word >>= 8) {
        if (i % 8 == 0)
            word = random_word();
        to[i] = (unsigned char)word;
    }
}
