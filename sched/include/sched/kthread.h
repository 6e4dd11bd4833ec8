#ifndef SCHED_KTHREAD_H
#define SCHED_KTHREAD_H

/* Kernel threads: LWPs without a user half. */

/*
 * Starts fn(arg) as a kernel thread called `name`. When fn returns, the thread ends and everything
 * it had is given back. 0 or -ENOMEM. Not from interrupt handlers.
 */
int kthread_start(const char *name, void (*fn)(void *), void *arg) __attribute__((warn_unused_result));

#endif
