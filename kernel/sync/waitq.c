/*
 * Wait queues (the rules are in waitq.h).
 *
 * A waiter lives on its LWP's stack. Whoever wakes it takes it off the queue and marks it; when the
 * LWP goes on for another reason it takes itself off. Both happen under the guard, so a wake-up is
 * never given to an LWP that has already left: it stays for the next.
 */

#include <kernel/errno.h>
#include <kernel/waitq.h>
#include <sched/sched.h>
#include <sched/timer.h>

struct waiter {
    struct list_node link;
    struct lwp *lwp;
    struct timer timer;
    bool is_woken;
};

static void waiter_timed_out(struct timer *timer)
{
    sched_wake(container_of(timer, struct waiter, timer)->lwp, WAKE_TIMEOUT);
}

int waitq_sleep(struct waitq *q, struct spinlock *guard, uint64_t deadline_ns,
                bool is_interruptible)
{
    enum wake_reason reason;
    struct waiter self; /* the timer is for a deadline only */

    self.lwp = lwp_current();
    self.is_woken = false;
    list_push_back(&q->waiters, &self.link);
    if (deadline_ns != WAITQ_FOREVER)
        timer_start(&self.timer, deadline_ns, waiter_timed_out);
    reason = sched_block(guard, is_interruptible);
    if (deadline_ns != WAITQ_FOREVER)
        timer_cancel(&self.timer);
    spin_lock(guard);
    if (self.is_woken)
        return 0;
    list_remove(&self.link);
    if (reason == WAKE_TIMEOUT)
        return -ETIMEDOUT;
    return reason == WAKE_INTERRUPT ? -ERESTARTSYS : 0;
}

static void wake(struct waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->is_woken = true;
    sched_wake(waiter->lwp, WAKE_EVENT);
}

struct lwp *waitq_wake_first(struct waitq *q)
{
    struct waiter *waiter, *first = NULL;

    /* Priorities change while LWPs sleep, so it is decided now. */
    list_for_each_entry (waiter, &q->waiters, link) {
        if (first == NULL || lwp_priority(waiter->lwp) > lwp_priority(first->lwp))
            first = waiter;
    }
    if (first == NULL)
        return NULL;
    wake(first);
    return first->lwp;
}

void waitq_wake_all(struct waitq *q)
{
    struct waiter *waiter, *next;

    list_for_each_entry_safe (waiter, next, &q->waiters, link)
        wake(waiter);
}
