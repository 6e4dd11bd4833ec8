#ifndef SCHED_KTHREAD_H
#define SCHED_KTHREAD_H

/* Kernel threads: LWPs without a user half. */

#include <stdatomic.h>

#include <kernel/types.h>

/*
 * Starts fn(arg) as a kernel thread called `name`. When fn returns, the thread ends and everything
 * it had is given back. 0 or -ENOMEM. Not from interrupt handlers.
 */
int kthread_start(const char *name, void (*fn)(void *), void *arg) MUST_CHECK;

/* How many there are. */
extern atomic_uint nr_kthreads;

#endif
