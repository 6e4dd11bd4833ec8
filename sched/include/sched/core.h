#ifndef SCHED_CORE_H
#define SCHED_CORE_H

/* Between the files of sched/ only. */

#include <sched/lwp.h>
#include <sched/tree.h>

/* Charges the running LWP and looks whether its slice is over. From the timer; interrupts are off. */
void sched_tick(void);

#endif
