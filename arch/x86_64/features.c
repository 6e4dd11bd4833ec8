/* What the CPU offers (CPUID: Intel SDM vol. 2, table 3-8; AMD APM vol. 3, appendix E). */

#include <kernel/string.h>
#include <x86/cpu.h>
#include <x86/regs.h>

struct x86_features x86_features;

/* user_copy.asm and trap_entry.asm read it as a byte at this offset. */
_Static_assert(offsetof(struct x86_features, has_smap) == 1, "see user_copy.asm");

static void read_brand(void)
{
    if (x86_cpuid(0x80000000, 0).eax < 0x80000004)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid_result r = x86_cpuid(0x80000002 + i, 0);

        memcpy(x86_features.brand + 16 * i, &r, sizeof(r));
    }
}

static void read_extended(void)
{
    uint32_t max_leaf = x86_cpuid(0x80000000, 0).eax;

    x86_features.paddr_bits = 36;
    if (max_leaf >= 0x80000008)
        x86_features.paddr_bits = (uint8_t)x86_cpuid(0x80000008, 0).eax;
    if (max_leaf >= 0x80000007)
        x86_features.has_invariant_tsc = x86_cpuid(0x80000007, 0).edx >> 8 & 1;
}

void x86_detect_features(void)
{
    struct cpuid_result leaf1 = x86_cpuid(1, 0), leaf7 = {0};

    if (x86_cpuid(0, 0).eax >= 7)
        leaf7 = x86_cpuid(7, 0);
    x86_features.has_apic = leaf1.edx >> 9 & 1;
    x86_features.has_tsc_deadline = leaf1.ecx >> 24 & 1;
    x86_features.has_rdrand = leaf1.ecx >> 30 & 1;
    x86_features.has_fsgsbase = leaf7.ebx >> 0 & 1;
    x86_features.has_rdseed = leaf7.ebx >> 18 & 1;
    x86_features.has_smep = leaf7.ebx >> 7 & 1;
    x86_features.has_smap = leaf7.ebx >> 20 & 1;
    x86_features.has_tsc_adjust = leaf7.ebx >> 1 & 1;
    x86_features.has_mce = leaf1.edx >> 7 & 1;
    x86_features.has_umip = leaf7.ecx >> 2 & 1;
    x86_fpu_detect();
    read_extended();
    read_brand();
}
