/*
 * Priority donation (priority inheritance: Sha, Rajkumar, Lehoczky 1990, "Priority Inheritance
 * Protocols: An Approach to Real-Time Synchronization", section III).
 *
 * Who waits for a lock must not be kept waiting by LWPs of lower priority that keep the lock's
 * owner from running. So an owner runs at the highest of its own priority and those of all who wait
 * for its locks. If it waits for a lock itself, it lends that on. Where the LWP's class has no
 * priorities, it has no effect.
 *
 * The graph. An LWP waits for at most one lock, and a lock has at most one owner: seen from a
 * waiter, it is a chain of owners, and as a whole a forest whose roots wait for nothing. That is an
 * invariant: a wait that would close a circle, a deadlock, is refused. Only locks that somebody
 * waits for are in the graph: a lock that nobody has to wait for costs nothing here.
 *
 *     for each lock:    waiters are ordered by priority, who came first is first among equals;
 *                       it is on its owner's list exactly while it has an owner and a waiter
 *     for each waiter:  priority == lwp_priority(lwp)
 *     for each LWP:     lent == MAX of the first waiters of its locks, and the scheduler knows
 *
 * Every function changes the graph at one place, and then sets right whom that concerns, from there
 * towards the root, until something is right already. Nothing is remembered of what was lent
 * before: the end of a donation, by whatever cause, is the same computation as its beginning, so
 * nothing of it can be left behind. Each step looks at the LWP's own priority as it is by then; so
 * an LWP that is given a lower priority keeps what is lent to it.
 *
 * One spinlock guards the graph. It is taken only where an LWP has to sleep for a lock or to wake
 * one, under the spinlock of that lock's wait queue, and before those of run queues. A chain may
 * lead through any locks in any order; with a spinlock for each, there were no order to take them
 * in. How long it is held is bounded by the number of LWPs that wait for locks: each of them is
 * passed at most once.
 */

#include <kernel/donation.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <sched/control.h>
#include <sched/lwp.h>

static struct spinlock graph_lock = SPINLOCK_INIT("donation", LOCK_RANK_DONATION);

static struct donation_waiter *first_of(const struct donation_lock *lock)
{
    return list_first_entry(&lock->waiters, struct donation_waiter, link);
}

/* Behind those of the same priority. */
static void insert(struct donation_waiter *waiter)
{
    struct list *waiters = &waiter->lock->waiters;
    struct list_node *before = waiters->head.prev;

    while (before != &waiters->head &&
           list_entry(before, struct donation_waiter, link)->priority < waiter->priority)
        before = before->prev;
    list_insert_after(before, &waiter->link);
}

static uint8_t highest_lent_to(const struct lwp *lwp)
{
    uint8_t highest = 0;

    for (const struct donation_lock *lock = lwp->donation.held; lock != NULL; lock = lock->next)
        highest = MAX(highest, first_of(lock)->priority);
    return highest;
}

/* The LWP's priority may have changed. To whom it lends another one by that; NULL: to nobody. */
static struct lwp *lend(struct lwp *lwp)
{
    struct donation_waiter *waiter = lwp->donation.waiting;
    uint8_t priority = lwp_priority(lwp);

    if (waiter == NULL || waiter->priority == priority)
        return NULL;
    waiter->priority = priority;
    list_remove(&waiter->link);
    insert(waiter);
    return waiter->lock->owner;
}

/* What is lent to the LWP (NULL: to nobody) may have changed. */
static void set_right(struct lwp *lwp)
{
    while (lwp != NULL) {
        uint8_t lent = highest_lent_to(lwp);

        if (lent == lwp->donation.lent)
            return;
        lwp->donation.lent = lent;
        sched_set_boost(lwp, lent);
        lwp = lend(lwp);
    }
}

/* The graph is locked: while a waiter gets another place among the others, it is on no list. */
static bool is_waited_for(const struct donation_lock *lock)
{
    return !list_is_empty(&lock->waiters);
}

bool donation_is_waited_for(const struct donation_lock *lock)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);
    bool is_one_waiting = is_waited_for(lock);

    spin_unlock_irq(&graph_lock, irq);
    return is_one_waiting;
}

/* On or off the list of the owner's locks, as the invariant wants it. */
static void set_owner(struct donation_lock *lock, struct lwp *owner)
{
    if (lock->owner != NULL) {
        *lock->link_at = lock->next;
        if (lock->next != NULL)
            lock->next->link_at = lock->link_at;
    }
    lock->owner = is_waited_for(lock) ? owner : NULL;
    if (lock->owner != NULL) {
        lock->next = owner->donation.held;
        lock->link_at = &owner->donation.held;
        if (lock->next != NULL)
            lock->next->link_at = &lock->next;
        owner->donation.held = lock;
    }
}

static void change_owner(struct donation_lock *lock, struct lwp *owner)
{
    struct lwp *previous = lock->owner;

    set_owner(lock, owner);
    set_right(previous);
    set_right(lock->owner);
}

static void remove(struct donation_waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->lwp->donation.waiting = NULL;
}

/* Whether `lwp` would wait for itself, or too far from the root, where `owner` has the lock. */
static bool closes_circle(const struct lwp *lwp, const struct lwp *owner)
{
    for (unsigned length = 0; owner != NULL; length++) {
        const struct donation_waiter *waiter = owner->donation.waiting;

        if (owner == lwp || length == DONATION_CHAIN_MAX)
            return true;
        owner = waiter != NULL ? waiter->lock->owner : NULL;
    }
    return false;
}

int donation_wait(struct donation_waiter *waiter, struct donation_lock *lock, struct lwp *owner)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);
    bool is_refused = closes_circle(waiter->lwp, owner);

    debug_assert(waiter->lwp->donation.waiting == NULL);
    if (!is_refused) {
        waiter->lock = lock;
        waiter->priority = lwp_priority(waiter->lwp);
        waiter->lwp->donation.waiting = waiter;
        insert(waiter);
        change_owner(lock, owner);
    }
    spin_unlock_irq(&graph_lock, irq);
    return is_refused ? -EDEADLK : 0;
}

void donation_give_up(struct donation_waiter *waiter)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);
    struct donation_lock *lock = waiter->lock;

    remove(waiter);
    change_owner(lock, lock->owner);
    spin_unlock_irq(&graph_lock, irq);
}

void donation_take(struct donation_lock *lock, struct lwp *owner)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);

    change_owner(lock, owner);
    spin_unlock_irq(&graph_lock, irq);
}

struct donation_waiter *donation_first(const struct donation_lock *lock)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);
    struct donation_waiter *first = first_of(lock);

    spin_unlock_irq(&graph_lock, irq);
    return first;
}

void donation_hand_over(struct donation_waiter *waiter)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);

    remove(waiter);
    change_owner(waiter->lock, waiter->lwp);
    spin_unlock_irq(&graph_lock, irq);
}

struct donation_waiter *donation_release(struct donation_lock *lock, bool is_handed_over)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);
    struct donation_waiter *first = first_of(lock);

    if (first != NULL) {
        remove(first);
        change_owner(lock, is_handed_over ? first->lwp : NULL);
    }
    spin_unlock_irq(&graph_lock, irq);
    return first;
}

void donation_priority_changed(struct lwp *lwp)
{
    irq_state_t irq = spin_lock_irq(&graph_lock);

    set_right(lend(lwp));
    spin_unlock_irq(&graph_lock, irq);
}
