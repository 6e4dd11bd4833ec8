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
    struct waiter self = {.lwp = lwp_current()};
    enum wake_reason reason;

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
    return reason == WAKE_INTERRUPT ? -EINTR : 0;
}

struct lwp *waitq_wake_first(struct waitq *q)
{
    struct waiter *waiter = list_first_entry(&q->waiters, struct waiter, link);

    if (waiter == NULL)
        return NULL;
    list_remove(&waiter->link);
    waiter->is_woken = true;
    sched_wake(waiter->lwp, WAKE_EVENT);
    return waiter->lwp;
}

unsigned waitq_wake(struct waitq *q, unsigned nr)
{
    unsigned nr_woken = 0;

    while (nr_woken < nr && waitq_wake_first(q) != NULL)
        nr_woken++;
    return nr_woken;
}
