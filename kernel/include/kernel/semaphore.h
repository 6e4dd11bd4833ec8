#ifndef KERNEL_SEMAPHORE_H
#define KERNEL_SEMAPHORE_H

/*
 * Counting semaphores: a number that is never negative. Who has the highest priority is first,
 * of equals who waits longest. They have no owner: one may take what another gives. Waiting is not
 * interruptible.
 */

#include <kernel/spinlock.h>
#include <kernel/types.h>
#include <kernel/waitq.h>

struct semaphore {
    struct spinlock guard;
    unsigned value;       /* guard */
    struct waitq waiters; /* guard: nobody waits while value > 0 */
};

void semaphore_init(struct semaphore *semaphore, const char *name, unsigned value);

/* Waits until the value is above 0 and takes 1. No spinlock is held, interrupts are on. */
void semaphore_down(struct semaphore *semaphore);

/* Takes 1 if the value is above 0; whether it was. Any context that may take LOCK_RANK_WAIT. */
bool semaphore_try_down(struct semaphore *semaphore) MUST_CHECK;

/*
 * Adds 1, or gives it to the first who waits. Same context; never sleeps, but with interrupts on a
 * waiter of higher priority may run before it returns.
 */
void semaphore_up(struct semaphore *semaphore);

#endif
