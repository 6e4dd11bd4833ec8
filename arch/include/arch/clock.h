#ifndef ARCH_CLOCK_H
#define ARCH_CLOCK_H

/* The hardware behind clock_now_ns() (kernel/clock.h). */

#include <kernel/types.h>

/* Measures the rates of the clock and of the timer. Boot CPU, once; takes about 10 ms. */
void clock_init(void);

#endif
