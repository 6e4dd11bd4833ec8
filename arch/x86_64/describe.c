/* The CPUs' description (CPUID: Intel SDM vol. 2, table 3-8; AMD APM vol. 3, appendix E). */

#include <arch/describe.h>
#include <kernel/string.h>
#include <x86/apic.h>
#include <x86/cpu.h>
#include <x86/regs.h>

#define LEAF_EXTENDED 0x80000001

/* Bits that have names, bit 0 first, separated by blanks; "-" has none. */
struct feature_word {
    uint32_t leaf;
    enum { EBX, ECX, EDX } reg;
    const char *names;
};

static const struct feature_word words[] = {
    {1, EDX,
     "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts "
     "acpi mmx fxsr sse sse2 ss ht tm ia64 pbe"},
    {1, ECX,
     "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid "
     "dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand "
     "hypervisor"},
    {7, EBX,
     "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm - - - - avx512f avx512dq "
     "rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni "
     "avx512bw avx512vl"},
    {LEAF_EXTENDED, EDX,
     "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm "
     "3dnowext 3dnow"},
    {LEAF_EXTENDED, ECX,
     "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch"},
};

static uint32_t read_word(const struct feature_word *word)
{
    struct cpuid_result r;

    if (x86_cpuid(word->leaf & 0x80000000, 0).eax < word->leaf)
        return 0;
    r = x86_cpuid(word->leaf, 0);
    return word->reg == EBX ? r.ebx : word->reg == ECX ? r.ecx : r.edx;
}

/* The n-th name of a word whose bit is set, or NULL; *n becomes less by those there are. */
static const char *name_in_word(const struct feature_word *word, unsigned *n,
                                char name[ARCH_FEATURE_MAX])
{
    uint32_t bits = read_word(word);
    const char *at = word->names;

    for (; *at != '\0'; bits >>= 1) {
        const char *end = at;

        while (*end != '\0' && *end != ' ')
            end++;
        if ((bits & 1) && *at != '-' && (*n)-- == 0) {
            strlcpy(name, at, MIN((size_t)(end - at) + 1, ARCH_FEATURE_MAX));
            return name;
        }
        at = *end == ' ' ? end + 1 : end;
    }
    return NULL;
}

bool arch_cpu_feature(unsigned n, char name[ARCH_FEATURE_MAX])
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (name_in_word(&words[i], &n, name) != NULL)
            return true;
    }
    return false;
}

static void read_vendor(char vendor[13])
{
    struct cpuid_result r = x86_cpuid(0, 0);

    memcpy(vendor, &r.ebx, 4);
    memcpy(vendor + 4, &r.edx, 4);
    memcpy(vendor + 8, &r.ecx, 4);
    vendor[12] = '\0';
}

void arch_describe_cpu(struct arch_cpu_description *d)
{
    uint32_t signature = x86_cpuid(1, 0).eax, family = signature >> 8 & 15;
    const char *brand = x86_features.brand;

    memset(d, 0, sizeof(*d));
    read_vendor(d->vendor);
    while (*brand == ' ')
        brand++;
    strlcpy(d->brand, brand, sizeof(d->brand));
    d->family = family == 15 ? family + (signature >> 20 & 0xff) : family;
    d->model = signature >> 4 & 15;
    if (family == 6 || family == 15)
        d->model |= signature >> 12 & 0xf0;
    d->stepping = signature & 15;
    d->khz = clock_ns_to_tsc(NSEC_PER_MSEC);
    d->line_bytes = (x86_cpuid(1, 0).ebx >> 8 & 0xff) * 8;
    d->paddr_bits = x86_features.paddr_bits;
    d->vaddr_bits = 48;
}

unsigned arch_hardware_id(unsigned cpu)
{
    return apic_id_of_cpu[cpu];
}
