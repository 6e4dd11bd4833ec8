#ifndef ARCH_VDSO_H
#define ARCH_VDSO_H

/*
 * The page that every program has mapped, read-only and executable, one frame for all: a shared
 * object (vdso(7)) that tells the time without a system call. It also holds what runs when a
 * function started by lwp_create() returns; that calls lwp_exit() with the function's result.
 */

#include <stdatomic.h>

#include <kernel/types.h>

/* Makes the page in `frame`, which it keeps. Once, after clock_init(). */
void arch_vdso_init(paddr_t frame);

paddr_t arch_vdso_frame(void);

/* Where in the page such a function returns to. */
size_t arch_vdso_exit_offset(void);

/*
 * The word of the page that says what clock_now_ns() 0 is in calendar time: in nanoseconds since
 * 1970. There is no other copy, so that programs and kernel agree at every moment.
 */
_Atomic uint64_t *arch_vdso_realtime(void);

#endif
