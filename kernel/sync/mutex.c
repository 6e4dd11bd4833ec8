/*
 * Sleeping locks.
 *
 * Uncontended, a compare-and-swap of the owner word does. The first LWP that has to wait sets bit
 * 0, which sends the owner's unlock to the slow path: under the guard, the lock is freed and the
 * oldest waiter woken, which competes for it again. (Handing it over always would make every
 * contended lock cost a switch.) A waiter leaves bit 0 set when it takes the lock, so that whoever
 * still waits is not forgotten; at worst one unlock looks in vain.
 *
 * A waiter that was woken and came too late could lose like that for ever to an owner that takes
 * the lock again at once. So it makes the next unlock hand the lock over to the oldest waiter.
 */

#include <kernel/mutex.h>
#include <sched/lwp.h>

#define HAS_WAITERS 1ul

void mutex_init(struct mutex *mutex, const char *name)
{
    atomic_init(&mutex->owner, 0);
    spin_init(&mutex->guard, name, LOCK_RANK_WAIT);
    waitq_init(&mutex->waiters);
    mutex->is_promised = false;
}

bool mutex_is_held(const struct mutex *mutex)
{
    return (atomic_load_explicit(&mutex->owner, memory_order_relaxed) & ~HAS_WAITERS) ==
           (uintptr_t)lwp_current();
}

/* Takes the lock if it is free, else leaves bit 0 set. The guard is held. */
static bool take_or_mark(struct mutex *mutex)
{
    uintptr_t seen = atomic_load_explicit(&mutex->owner, memory_order_relaxed);

    for (;;) {
        bool is_free = (seen & ~HAS_WAITERS) == 0;
        uintptr_t wanted = is_free ? (uintptr_t)lwp_current() | HAS_WAITERS : seen | HAS_WAITERS;

        if (atomic_compare_exchange_weak_explicit(&mutex->owner, &seen, wanted,
                                                  memory_order_acquire, memory_order_relaxed))
            return is_free;
    }
}

static void lock_contended(struct mutex *mutex)
{
    irq_state_t irq = spin_lock_irq(&mutex->guard);

    while (!take_or_mark(mutex)) {
        int error = waitq_sleep(&mutex->waiters, &mutex->guard, WAITQ_FOREVER, false);

        assert(error == 0);
        if (mutex_is_held(mutex))
            break;
        mutex->is_promised = true;
    }
    spin_unlock_irq(&mutex->guard, irq);
}

void mutex_lock(struct mutex *mutex)
{
    uintptr_t expected = 0;

    debug_assert(irq_is_enabled());
    debug_assert(!mutex_is_held(mutex));
    if (!atomic_compare_exchange_strong_explicit(&mutex->owner, &expected, (uintptr_t)lwp_current(),
                                                 memory_order_acquire, memory_order_relaxed))
        lock_contended(mutex);
}

bool mutex_try_lock(struct mutex *mutex)
{
    uintptr_t seen = atomic_load_explicit(&mutex->owner, memory_order_relaxed);

    debug_assert(!mutex_is_held(mutex));
    while ((seen & ~HAS_WAITERS) == 0) {
        if (atomic_compare_exchange_weak_explicit(&mutex->owner, &seen,
                                                  (uintptr_t)lwp_current() | seen,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

static void unlock_contended(struct mutex *mutex)
{
    irq_state_t irq = spin_lock_irq(&mutex->guard);
    struct lwp *first = waitq_wake_first(&mutex->waiters);
    uintptr_t next_owner = mutex->is_promised ? (uintptr_t)first : 0;

    if (!list_is_empty(&mutex->waiters.waiters))
        next_owner |= HAS_WAITERS;
    mutex->is_promised = false;
    atomic_store_explicit(&mutex->owner, next_owner, memory_order_release);
    spin_unlock_irq(&mutex->guard, irq);
}

void mutex_unlock(struct mutex *mutex)
{
    uintptr_t expected = (uintptr_t)lwp_current();

    debug_assert(mutex_is_held(mutex));
    if (!atomic_compare_exchange_strong_explicit(&mutex->owner, &expected, 0, memory_order_release,
                                                 memory_order_relaxed))
        unlock_contended(mutex);
    perturb_point();
}
