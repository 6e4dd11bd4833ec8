/*
 * Condition variables (the rules are in condition.h).
 *
 * A waiter has to be on the list before it releases the mutex, and a mutex cannot be released with
 * the spinlock held under which one goes to sleep. So entering the list and sleeping are two steps:
 * each waiter has a wait queue of its own, and a mark for the wake-up that comes in between.
 */

#include <kernel/condition.h>
#include <kernel/errno.h>
#include <kernel/waitq.h>
#include <sched/lwp.h>
#include <sched/sched.h>

struct condition_waiter {
    struct list_node link;
    struct waitq self;
    struct lwp *lwp;
    bool is_woken; /* set by who takes it off the list */
};

void condition_init(struct condition *condition, const char *name)
{
    spin_init(&condition->guard, name, LOCK_RANK_WAIT);
    list_init(&condition->waiters);
}

int condition_wait_until(struct condition *condition, struct mutex *mutex, uint64_t deadline_ns)
{
    struct condition_waiter waiter = {.lwp = lwp_current()};
    irq_state_t irq;
    int error = 0;

    debug_assert(irq_is_enabled());
    debug_assert(mutex_is_held(mutex));
    waitq_init(&waiter.self);
    irq = spin_lock_irq(&condition->guard);
    list_push_back(&condition->waiters, &waiter.link);
    spin_unlock_irq(&condition->guard, irq);
    mutex_unlock(mutex);

    irq = spin_lock_irq(&condition->guard);
    while (!waiter.is_woken && error == 0)
        error = waitq_sleep(&waiter.self, &condition->guard, deadline_ns, false);
    if (!waiter.is_woken)
        list_remove(&waiter.link);
    spin_unlock_irq(&condition->guard, irq);
    mutex_lock(mutex);
    return waiter.is_woken ? 0 : error;
}

void condition_wait(struct condition *condition, struct mutex *mutex)
{
    int error = condition_wait_until(condition, mutex, WAITQ_FOREVER);

    assert(error == 0);
}

/* The guard is held. */
static void wake(struct condition_waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->is_woken = true;
    waitq_wake_all(&waiter->self);
}

void condition_signal(struct condition *condition)
{
    irq_state_t irq = spin_lock_irq(&condition->guard);
    struct condition_waiter *waiter, *first = NULL;

    list_for_each_entry (waiter, &condition->waiters, link) {
        if (first == NULL || lwp_priority(waiter->lwp) > lwp_priority(first->lwp))
            first = waiter;
    }
    if (first != NULL)
        wake(first);
    spin_unlock_irq(&condition->guard, irq);
    sched_preempt_point();
}

void condition_broadcast(struct condition *condition)
{
    irq_state_t irq = spin_lock_irq(&condition->guard);
    struct condition_waiter *waiter, *next;

    list_for_each_entry_safe (waiter, next, &condition->waiters, link)
        wake(waiter);
    spin_unlock_irq(&condition->guard, irq);
    sched_preempt_point();
}
