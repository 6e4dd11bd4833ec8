#ifndef KERNEL_DONATION_H
#define KERNEL_DONATION_H

/*
 * Priority donation: who waits for a lock lends its priority to the owner (kernel/sync/donation.c
 * has the theory). Whatever kind of lock it is: mutexes and PI futexes build upon this.
 *
 * All functions: any context; locks up to LOCK_RANK_WAIT may be held. Calls about one lock do not
 * overlap: its user has a spinlock for that. The LWPs named do not go away meanwhile.
 */

#include <kernel/list.h>
#include <kernel/types.h>

struct lwp;

/* A PI futex may not wait where it would be further than this from an owner that waits for none. */
#define DONATION_CHAIN_MAX 1024

struct donation_lock {
    struct lwp *owner;              /* NULL: nobody, or nobody waits */
    struct list waiters;            /* struct donation_waiter.link; highest priority first */
    struct donation_lock *next;     /* of those that `owner` holds, */
    struct donation_lock **link_at; /* and the pointer to this one */
};

/* An LWP that waits for a lock: usually on its stack. */
struct donation_waiter {
    struct list_node link;
    struct lwp *lwp; /* set by the user */
    struct donation_lock *lock;
    uint8_t priority; /* lent to the lock's owner */
};

/* An LWP's part of it. All zero to begin with. */
struct donation {
    struct donation_waiter *waiting; /* NULL: it waits for no lock */
    struct donation_lock *held;      /* those of its locks for which somebody waits */
    uint8_t lent;                    /* the highest priority lent to it; 0: none */
};

static inline void donation_lock_init(struct donation_lock *lock)
{
    lock->owner = NULL;
    list_init(&lock->waiters);
}

/* Whether somebody waits for it. */
bool donation_is_waited_for(const struct donation_lock *lock);

/*
 * waiter->lwp, which waits for no other lock, waits for this one, which `owner` has (NULL: nobody).
 * -EDEADLK, and nothing has changed: the owner waits for it, however indirectly, or the chain would
 * be too long.
 */
int donation_wait(struct donation_waiter *waiter, struct donation_lock *lock,
                  struct lwp *owner) MUST_CHECK;

/* It waits no longer, and has not got the lock. */
void donation_give_up(struct donation_waiter *waiter);

/* `owner` has taken the lock, for which nobody or somebody waits. */
void donation_take(struct donation_lock *lock, struct lwp *owner);

/*
 * The owner leaves the lock; the first of the waiters, which is returned (NULL: there is none),
 * waits no longer. With `is_handed_over` it is the next owner, else nobody is.
 */
struct donation_waiter *donation_release(struct donation_lock *lock, bool is_handed_over);

/* The first of the waiters; NULL: there is none. */
struct donation_waiter *donation_first(const struct donation_lock *lock);

/* The owner leaves the lock, and this waiter has it. */
void donation_hand_over(struct donation_waiter *waiter);

/* The LWP's own priority has been changed: if it waits for a lock, it lends another one. */
void donation_priority_changed(struct lwp *lwp);

#endif
