/* Spinlocks: waiting, and in debug builds who holds what (the rules are in spinlock.h). */

#include <arch/percpu.h>
#include <kernel/spinlock.h>

void spin_lock_contended(struct spinlock *lock)
{
    unsigned expected;

    do {
        while (atomic_load_explicit(&lock->owner, memory_order_relaxed) != 0)
            cpu_relax();
        expected = 0;
    } while (!atomic_compare_exchange_weak_explicit(&lock->owner, &expected, cpu_id() + 1,
                                                    memory_order_acquire, memory_order_relaxed));
}

#ifdef THRUM_DEBUG

/* The lock that this CPU took last; the ones before it hang on held_below. */
static PERCPU(struct spinlock *, innermost);

void spin_debug_before(struct spinlock *lock, const void *where, bool may_equal)
{
    struct spinlock *held = this_cpu_read(innermost);

    if (irq_is_enabled())
        panic("lock %s taken with interrupts on, at %p", lock->name, where);
    if (spin_is_held(lock))
        panic("lock %s taken twice, at %p and at %p", lock->name, lock->taken_at, where);
    if (held != NULL && held->rank >= lock->rank + (may_equal ? 1 : 0))
        panic("lock order: %s (rank %u) at %p while holding %s (rank %u) from %p", lock->name,
              lock->rank, where, held->name, held->rank, held->taken_at);
}

void spin_debug_taken(struct spinlock *lock, const void *where)
{
    lock->taken_at = where;
    lock->held_below = this_cpu_read(innermost);
    this_cpu_write(innermost, lock);
}

void spin_debug_release(struct spinlock *lock)
{
    struct spinlock *held = this_cpu_read(innermost);

    if (!spin_is_held(lock))
        panic("lock %s released by CPU %u, which does not hold it", lock->name, cpu_id());
    if (held == lock) {
        this_cpu_write(innermost, lock->held_below);
        return;
    }
    while (held != NULL && held->held_below != lock)
        held = held->held_below;
    assert(held != NULL);
    held->held_below = lock->held_below;
}

#endif
