#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include <kernel/types.h>

/*
 * Nanoseconds since the kernel's first instruction. Any context; monotonic on each CPU; 0 before
 * the clock is up.
 */
uint64_t clock_now_ns(void);

#endif
