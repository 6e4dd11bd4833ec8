/* The start of a user program (arch/program.h). */

#include <arch/program.h>
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
