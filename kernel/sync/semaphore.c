/*
 * Semaphores (the rules are in semaphore.h). semaphore_up() hands its 1 to the first waiter instead
 * of adding it, so that nobody who comes later takes it away.
 */

#include <kernel/semaphore.h>
#include <sched/sched.h>

void semaphore_init(struct semaphore *semaphore, const char *name, unsigned value)
{
    spin_init(&semaphore->guard, name, LOCK_RANK_WAIT);
    semaphore->value = value;
    waitq_init(&semaphore->waiters);
}

void semaphore_down(struct semaphore *semaphore)
{
    irq_state_t irq;
    int error;

    debug_assert(irq_is_enabled());
    irq = spin_lock_irq(&semaphore->guard);
    if (semaphore->value > 0) {
        semaphore->value--;
    } else {
        error = waitq_sleep(&semaphore->waiters, &semaphore->guard, WAITQ_FOREVER, false);
        assert(error == 0);
    }
    spin_unlock_irq(&semaphore->guard, irq);
}

bool semaphore_try_down(struct semaphore *semaphore)
{
    irq_state_t irq = spin_lock_irq(&semaphore->guard);
    bool is_taken = semaphore->value > 0;

    if (is_taken)
        semaphore->value--;
    spin_unlock_irq(&semaphore->guard, irq);
    return is_taken;
}

void semaphore_up(struct semaphore *semaphore)
{
    irq_state_t irq = spin_lock_irq(&semaphore->guard);

    if (waitq_wake_first(&semaphore->waiters) == NULL) {
        semaphore->value++;
        assert(semaphore->value != 0);
    }
    spin_unlock_irq(&semaphore->guard, irq);
    sched_preempt_point();
}
