#ifndef KERNEL_CONDITION_H
#define KERNEL_CONDITION_H

/*
 * Condition variables: where one waits, inside of a mutex, for what another does inside of the same
 * mutex. Once woken, a waiter takes the mutex again like anybody else, and others may have been
 * faster: look again.
 *
 *     mutex_lock(&mutex);
 *     while (!condition)
 *         condition_wait(&changed, &mutex);
 *     mutex_unlock(&mutex);
 *
 * Who has the highest priority is woken first, of equals who waits longest. Waiting is not
 * interruptible.
 */

#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/spinlock.h>
#include <kernel/types.h>

struct condition {
    struct spinlock guard;
    struct list waiters; /* guard */
};

void condition_init(struct condition *condition, const char *name);

/* Releases the mutex, which the caller holds, waits to be woken, and takes the mutex again. */
void condition_wait(struct condition *condition, struct mutex *mutex);

/*
 * The same, until `deadline_ns` of clock_now_ns() at the latest. 0, or -ETIMEDOUT; the mutex is
 * held in any case. A wake-up is never given to a waiter that returns -ETIMEDOUT.
 */
int condition_wait_until(struct condition *condition, struct mutex *mutex,
                         uint64_t deadline_ns) MUST_CHECK;

/*
 * Wakes the first who waits, or all. With the mutex held, or else a waiter that is about to look at
 * the condition may miss the change. Any context that may take LOCK_RANK_WAIT.
 */
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

#endif
