/*
 * Condition variables (the rules are in condition.h).
 *
 * A waiter has to be on the list before it releases the mutex, and a mutex cannot be released with
 * the spinlock held under which one goes to sleep. So entering the list and sleeping are two steps:
 * each waiter has a wait queue of its own, and a mark for the wake-up that comes in between.
 */

#include <kernel/condition.h>
#include <kernel/errno.h>

struct condition_waiter {
    struct list_node link;
    struct waitq self;
    bool is_woken; /* set by who takes it off the list */
};

void condition_init(struct condition *condition, const char *name)
{
    spin_init(&condition->guard, name, LOCK_RANK_WAIT);
    list_init(&condition->waiters);
}

int condition_wait_until(struct condition *condition, struct mutex *mutex, uint64_t deadline_ns)
{
    struct condition_waiter waiter = {.is_woken = false};
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

/* Whether there was one. The guard is held. */
static bool wake_first(struct condition *condition)
{
    struct condition_waiter *waiter =
        list_first_entry(&condition->waiters, struct condition_waiter, link);

    if (waiter == NULL)
        return false;
    list_remove(&waiter->link);
    waiter->is_woken = true;
    waitq_wake_all(&waiter->self);
    return true;
}

void condition_signal(struct condition *condition)
{
    irq_state_t irq = spin_lock_irq(&condition->guard);

    wake_first(condition);
    spin_unlock_irq(&condition->guard, irq);
}

void condition_broadcast(struct condition *condition)
{
    irq_state_t irq = spin_lock_irq(&condition->guard);

    while (wake_first(condition))
        continue;
    spin_unlock_irq(&condition->guard, irq);
}
