#ifndef KERNEL_LOADAVG_H
#define KERNEL_LOADAVG_H

/* How many LWPs run or could run, on average over the last 1, 5 and 15 minutes (kernel/loadavg.c).
 */

#include <kernel/types.h>

/* Averages are in units of 1 / LOAD_ONE. */
#define LOAD_SHIFT 11
#define LOAD_ONE   (1ul << LOAD_SHIFT)

/* Starts counting. Once, while booting, when the scheduler is up. */
void load_init(void);

void load_average(uint64_t average[3]);

/* How many there are now. Any context. */
unsigned load_nr_runnable(void);

#endif
