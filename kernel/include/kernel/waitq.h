#ifndef KERNEL_WAITQ_H
#define KERNEL_WAITQ_H

/*
 * Wait queues: where LWPs wait for a condition that a spinlock of the caller's guards (the same one
 * at every call on a queue). Like condition variables: hold the guard, look at the condition, sleep
 * while it does not hold, look again.
 *
 *     irq = spin_lock_irq(&guard);
 *     while (!condition && error == 0)
 *         error = waitq_sleep(&queue, &guard, WAITQ_FOREVER, true);
 *     spin_unlock_irq(&guard, irq);
 */

#include <kernel/list.h>
#include <kernel/spinlock.h>
#include <kernel/types.h>

#define WAITQ_FOREVER UINT64_MAX

struct lwp;

struct waitq {
    struct list waiters; /* who came first is first */
};

static inline void waitq_init(struct waitq *q)
{
    list_init(&q->waiters);
}

static inline bool waitq_is_empty(const struct waitq *q)
{
    return list_is_empty(&q->waiters);
}

/*
 * Sleeps until woken. `guard` is held and is held again on return. 0: woken; -ETIMEDOUT:
 * deadline_ns (clock_now_ns()) has passed; -ERESTARTSYS: interrupted (only if is_interruptible).
 */
int waitq_sleep(struct waitq *q, struct spinlock *guard, uint64_t deadline_ns,
                bool is_interruptible) MUST_CHECK;

/*
 * Wakes the LWP of the highest priority (lwp_priority()), of equals the one that has waited
 * longest; returns it, or NULL when none waits. The guard is held.
 */
struct lwp *waitq_wake_first(struct waitq *q);

/* Wakes all. The guard is held. */
void waitq_wake_all(struct waitq *q);

#endif
