#ifndef KERNEL_MUTEX_H
#define KERNEL_MUTEX_H

/*
 * Sleeping locks, for what takes long or sleeps itself. Not in interrupt handlers, not with a
 * spinlock held. Not recursive. Waiting is not interruptible: owners never wait for user mode.
 *
 * Who waits lends its priority to the owner (kernel/donation.h). The LWP of the highest priority is
 * the next, and of equals the one that came first.
 */

#include <kernel/donation.h>
#include <kernel/spinlock.h>
#include <kernel/types.h>

struct lwp;

struct mutex {
    _Atomic uintptr_t owner; /* struct lwp *; bit 0: somebody waits; 0: free */
    struct spinlock guard;
    struct donation_lock waiters; /* guard */
    bool is_promised;             /* guard: the next unlock hands the lock to the first waiter */
};

void mutex_init(struct mutex *mutex, const char *name);
/* A circle of LWPs that wait for each other is a panic. */
void mutex_lock(struct mutex *mutex);
bool mutex_try_lock(struct mutex *mutex) MUST_CHECK; /* if it is free; never sleeps */
void mutex_unlock(struct mutex *mutex);
bool mutex_is_held(const struct mutex *mutex); /* by the caller */

#endif
