/*
 * The extended registers (x87, SSE, AVX, AVX-512) belong to user mode: the kernel is compiled
 * without them. They are saved when a user LWP leaves a CPU and loaded when it comes back, at once:
 * programs use SSE all the time, so a lazy scheme would only add a trap.
 *
 * With XSAVE the area's size depends on the enabled components (Intel SDM vol. 1, 13.1); without,
 * FXSAVE's 512 bytes do.
 */

#include <arch/context.h>
#include <arch/cpu.h>
#include <kernel/string.h>
#include <x86/cpu.h>
#include <x86/fpu.h>
#include <x86/regs.h>

#define FXSAVE_BYTES 512

/* Components that the kernel lets programs use: x87, SSE, AVX, and AVX-512's three. */
#define XCR0_X87_SSE 0x03ull
#define XCR0_AVX     0x04ull
#define XCR0_AVX512  0xe0ull

/* After reset: all exceptions masked (Intel SDM vol. 1, 8.1.5 and 10.2.3). */
#define FCW_INITIAL   0x037f
#define MXCSR_INITIAL 0x1f80

void x86_fpu_detect(void)
{
    uint64_t offered;
    bool has_leaf = x86_cpuid(0, 0).eax >= 0xd; /* firmware may hide it: "limit CPUID maximum" */

    offered = has_leaf ? x86_cpuid(0xd, 0).eax : 0;
    x86_features.has_xsave =
        (x86_cpuid(1, 0).ecx >> 26 & 1) && (offered & XCR0_X87_SSE) == XCR0_X87_SSE;
    if (!x86_features.has_xsave) {
        x86_features.fpu_area_bytes = FXSAVE_BYTES;
        return;
    }
    x86_features.xsave_mask = XCR0_X87_SSE | (offered & XCR0_AVX);
    if ((offered & XCR0_AVX) && (offered & XCR0_AVX512) == XCR0_AVX512)
        x86_features.xsave_mask |= XCR0_AVX512;
}

void x86_fpu_init_cpu(void)
{
    if (!x86_features.has_xsave)
        return;
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)x86_features.xsave_mask),
                     "d"((uint32_t)(x86_features.xsave_mask >> 32)));
    x86_features.fpu_area_bytes = x86_cpuid(0xd, 0).ebx;
}

static void xsave(void *area)
{
    __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)x86_features.xsave_mask),
                     "d"((uint32_t)(x86_features.xsave_mask >> 32))
                     : "memory");
}

static void xrstor(const void *area)
{
    __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)x86_features.xsave_mask),
                     "d"((uint32_t)(x86_features.xsave_mask >> 32))
                     : "memory");
}

static void fxsave(void *area)
{
    __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static void fxrstor(const void *area)
{
    __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

void x86_fpu_save(void *area)
{
    x86_features.has_xsave ? xsave(area) : fxsave(area);
}

void x86_fpu_load(const void *area)
{
    x86_features.has_xsave ? xrstor(area) : fxrstor(area);
}

void x86_fpu_switch(void *from, const void *to)
{
    if (unlikely(from == NULL || to == NULL)) {
        if (from != NULL)
            x86_fpu_save(from);
        if (to != NULL)
            x86_fpu_load(to);
    } else if (x86_features.has_xsave) {
        xsave(from);
        xrstor(to);
    } else {
        fxsave(from);
        fxrstor(to);
    }
}

/*
 * A cleared area is the initial state but for two words: XSTATE_BV says "initial" for every
 * component, so XRSTOR looks at MXCSR only; FXRSTOR also loads the x87 control word.
 */
void x86_fpu_clear(void *area)
{
    memset(area, 0, x86_features.fpu_area_bytes);
    *(uint16_t *)area = FCW_INITIAL;
    *(uint32_t *)((char *)area + 24) = MXCSR_INITIAL;
}
