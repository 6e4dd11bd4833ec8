/*
 * Sleeping locks.
 *
 * Uncontended, a compare-and-swap of the owner word does. The first LWP that has to wait sets bit
 * 0, which sends the owner's unlock to the slow path: under the guard, the lock is freed and the
 * first waiter woken, which competes for it again. (Handing it over always would make every
 * contended lock cost a switch.) A waiter leaves bit 0 set when it takes the lock, so that whoever
 * still waits is not forgotten; at worst one unlock looks in vain.
 *
 * A waiter that was woken and came too late could lose like that for ever to an owner that takes
 * the lock again at once. So it makes the next unlock hand the lock over to the first waiter.
 *
 * While bit 0 is set the owner word changes under the guard only, so the graph of donations is told
 * of every owner that somebody waits for.
 */

#include <kernel/mutex.h>
#include <sched/lwp.h>
#include <sched/sched.h>

#define HAS_WAITERS 1ul

struct mutex_waiter {
    struct donation_waiter donation;
    bool is_woken; /* guard */
};

void mutex_init(struct mutex *mutex, const char *name)
{
    atomic_init(&mutex->owner, 0);
    spin_init(&mutex->guard, name, LOCK_RANK_WAIT);
    donation_lock_init(&mutex->waiters);
    mutex->is_promised = false;
}

static struct lwp *owner_of(const struct mutex *mutex)
{
    return (struct lwp *)(atomic_load_explicit(&mutex->owner, memory_order_relaxed) & ~HAS_WAITERS);
}

bool mutex_is_held(const struct mutex *mutex)
{
    return owner_of(mutex) == lwp_current();
}

/* Takes the lock if it is free, else leaves bit 0 set. The guard is held. */
static bool take_or_mark(struct mutex *mutex)
{
    uintptr_t seen = atomic_load_explicit(&mutex->owner, memory_order_relaxed), wanted;
    bool is_free;

    do {
        is_free = (seen & ~HAS_WAITERS) == 0;
        wanted = is_free ? (uintptr_t)lwp_current() | HAS_WAITERS : seen | HAS_WAITERS;
    } while (!atomic_compare_exchange_weak_explicit(&mutex->owner, &seen, wanted,
                                                    memory_order_acquire, memory_order_relaxed));
    if (is_free)
        donation_take(&mutex->waiters, lwp_current());
    return is_free;
}

/* Until somebody unlocks it. Bit 0 is set; the guard is held. */
static void sleep(struct mutex *mutex)
{
    struct mutex_waiter self = {.donation.lwp = lwp_current()};

    if (donation_wait(&self.donation, &mutex->waiters, owner_of(mutex)) != 0)
        panic("mutex %s: its owner, %s, waits for the caller", mutex->guard.name,
              owner_of(mutex)->name);
    while (!self.is_woken) {
        sched_block(&mutex->guard, false);
        spin_lock(&mutex->guard);
    }
}

static RARELY_CALLED void lock_contended(struct mutex *mutex)
{
    irq_state_t irq = spin_lock_irq(&mutex->guard);
    bool was_woken = false;

    while (!take_or_mark(mutex)) {
        if (was_woken)
            mutex->is_promised = true;
        sleep(mutex);
        if (mutex_is_held(mutex))
            break;
        was_woken = true;
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
    uintptr_t expected = 0;
    irq_state_t irq;
    bool is_taken;

    debug_assert(!mutex_is_held(mutex));
    if (atomic_compare_exchange_strong_explicit(&mutex->owner, &expected, (uintptr_t)lwp_current(),
                                                memory_order_acquire, memory_order_relaxed))
        return true;
    if (expected != HAS_WAITERS)
        return false;
    irq = spin_lock_irq(&mutex->guard);
    is_taken = owner_of(mutex) == NULL && take_or_mark(mutex);
    spin_unlock_irq(&mutex->guard, irq);
    return is_taken;
}

static RARELY_CALLED void unlock_contended(struct mutex *mutex)
{
    irq_state_t irq = spin_lock_irq(&mutex->guard);
    struct donation_waiter *first = donation_release(&mutex->waiters, mutex->is_promised);
    uintptr_t next_owner = 0;

    if (first != NULL && mutex->is_promised)
        next_owner = (uintptr_t)first->lwp;
    if (donation_is_waited_for(&mutex->waiters))
        next_owner |= HAS_WAITERS;
    mutex->is_promised = false;
    atomic_store_explicit(&mutex->owner, next_owner, memory_order_release);
    if (first != NULL) {
        container_of(first, struct mutex_waiter, donation)->is_woken = true;
        sched_wake(first->lwp, WAKE_EVENT);
    }
    spin_unlock_irq(&mutex->guard, irq);
    sched_preempt_point();
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
