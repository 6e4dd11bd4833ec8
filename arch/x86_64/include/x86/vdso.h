#ifndef X86_VDSO_H
#define X86_VDSO_H

/* What the kernel and the code in the vDSO (arch/x86_64/vdso) know together. */

#include <stdatomic.h>

#include <kernel/types.h>

/* Offsets in the page; vdso/vdso.ld has them, too. */
#define VDSO_TIMES_OFFSET 0x180
#define VDSO_EXIT_OFFSET  0x1c0

/* The limit of this segment is the number of the CPU; any program may ask for it (LSL). */
#define SELECTOR_CPU_NUMBER 0x3b

/*
 * Nanoseconds on the kernel's clock are (tsc - boot_tsc) * mult_q32 >> 32. Only realtime_at_boot_ns
 * changes once programs run, and a single word needs no sequence counter to be read whole.
 */
struct vdso_times {
    uint64_t boot_tsc, mult_q32;
    _Atomic uint64_t realtime_at_boot_ns;
};

/* arch/x86_64/clock.c: the parameters of clock_now_ns(). */
void x86_clock_describe(struct vdso_times *times);

#endif
