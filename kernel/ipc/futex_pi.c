/*
 * Futexes that inherit priorities: locks (futex(2); the words are those of Linux's
 * Documentation/locking/pi-futex.rst).
 *
 * While nobody waits, a lock is its word and nothing else, and the kernel knows nothing of it.
 * Where somebody waits, there is also a `struct pi_lock` in the bucket of the word's key: it is
 * made with the first waiter and goes with the last, and says who the owner is. Its waiters hang in
 * it (in the graph of donations), no longer in the bucket, and lend their priority to the owner.
 *
 *     word                                    pi_lock
 *     0                                       none     free
 *     OWNER_DIED                              none     free; the last owner has died with it
 *     tid [| OWNER_DIED]                      none     taken
 *     tid | WAITERS [| OWNER_DIED]            there    taken, and somebody waits
 *     tid | WAITERS                           none     taken; who waited has given up
 *     WAITERS | OWNER_DIED                    there    for a moment: the owner is about to end
 *
 * Words are changed by programs, too, so each change here is a compare-and-swap, under the bucket's
 * lock. Whoever waits is given the lock, never woken to compete for it: the one that leaves it
 * writes the next owner's tid into the word. So it is enough that this one can access the word, and
 * a waiter that was given the lock has it, whatever else happens to it.
 *
 * Finding the owner. The first waiter looks for the LWP whose tid is in the word. That has to stay
 * until it is in the graph, so it is kept (user_lwp_keep()) by locks that come before the bucket's.
 * So the first attempt is made without, and if it needs the owner, everything is unlocked and
 * attempted again with it.
 *
 * An LWP that ends, or replaces its program, first says that it gets no more of these locks, and
 * then looks through all buckets for those it has. Whoever makes it an owner says so first and then
 * looks whether it may. One of the two sees the other. (Most LWPs never have a lock that somebody
 * waits for: they need not look.)
 *
 * A word in memory of one address space has an owner there: an LWP that leaves writes the words of
 * its own space only, and those in shared memory through their frames.
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <linux/futex.h>
#include <mm/frame.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <sched/sched.h>

#include "futex_impl.h"

/* Locked by the bucket. */
struct pi_lock {
    struct list_node link;
    struct futex_key key;
    struct donation_lock waiters;
    unsigned nr_waiters; /* never 0 */
};

/* What an attempt to take a lock may come to, besides an error. */
enum { PI_TAKEN = 0, PI_WAITS, PI_NEEDS_OWNER };

struct attempt {
    vaddr_t word_at;
    struct futex_bucket *bucket;
    const struct futex_key *key;
    struct futex_waiter *waiter; /* who wants the lock */
    bool may_wait;
    int owner_tid;          /* whom the last attempt needed; 0: nobody */
    struct user_lwp *owner; /* that one, kept; NULL: there is none */
};

static struct user_lwp *user_lwp_of(struct lwp *lwp)
{
    return container_of(lwp, struct user_lwp, lwp);
}

static uint32_t tid_of(struct lwp *lwp)
{
    return (uint32_t)user_lwp_of(lwp)->tid;
}

struct pi_lock *futex_pi_find(const struct futex_bucket *bucket, const struct futex_key *key)
{
    struct pi_lock *pi;

    list_for_each_entry (pi, &bucket->pi_locks, link) {
        if (futex_key_equals(&pi->key, key))
            return pi;
    }
    return NULL;
}

/* ---- Locks that somebody waits for. The bucket is locked ------------------------------------ */

static struct pi_lock *pi_lock_new(struct futex_bucket *bucket, const struct futex_key *key)
{
    struct pi_lock *pi = kmalloc_user(sizeof(*pi));

    if (pi == NULL)
        return NULL;
    pi->key = *key;
    futex_key_ref(key);
    pi->nr_waiters = 0;
    donation_lock_init(&pi->waiters);
    list_push_back(&bucket->pi_locks, &pi->link);
    return pi;
}

static void free_if_unused(struct pi_lock *pi)
{
    if (pi->nr_waiters > 0)
        return;
    list_remove(&pi->link);
    futex_key_put(&pi->key);
    kfree(pi);
}

void futex_pi_give_up(struct futex_waiter *waiter)
{
    struct pi_lock *pi = waiter->pi;

    donation_give_up(&waiter->donation);
    waiter->pi = NULL;
    pi->nr_waiters--;
    free_if_unused(pi);
}

static void wake_owner(struct futex_waiter *waiter)
{
    atomic_store(&user_lwp_of(waiter->lwp)->has_pi_locks, true);
    waiter->is_woken = true;
    sched_wake(waiter->lwp, WAKE_EVENT);
}

/* The lock is the waiter's; the word says so already. */
static void hand_over(struct pi_lock *pi, struct futex_waiter *waiter)
{
    donation_hand_over(&waiter->donation);
    waiter->pi = NULL;
    pi->nr_waiters--;
    free_if_unused(pi);
    wake_owner(waiter);
}

static struct futex_waiter *first_waiter(const struct pi_lock *pi)
{
    return container_of(donation_first(&pi->waiters), struct futex_waiter, donation);
}

/* What the word is when the first waiter has been given the lock. */
static uint32_t word_of_next(const struct pi_lock *pi, const struct futex_waiter *first)
{
    return tid_of(first->lwp) | (pi->nr_waiters > 1 ? FUTEX_WAITERS : 0);
}

/* ---- Taking --------------------------------------------------------------------------------- */

/* Whether the owner, whose tid is in the word, can be one. PI_WAITS, or why not. */
static int check_owner(struct attempt *a, uint32_t word)
{
    const struct space *space;
    uint32_t again;

    if (a->owner_tid != (int)(word & FUTEX_TID_MASK)) {
        a->owner_tid = (int)(word & FUTEX_TID_MASK);
        return PI_NEEDS_OWNER;
    }
    if (a->owner == NULL)
        return -ESRCH;
    /*
     * Its process is locked (user_lwp_keep()), or it is a waiter for a lock in this very space: the
     * space stays. NULL: it has left that behind already.
     */
    space = a->owner->process->space;
    if (a->key->space != FUTEX_SHARED && space != NULL && space->id != a->key->space)
        return -EPERM;
    atomic_store(&a->owner->has_pi_locks, true);
    if (!atomic_load(&a->owner->gets_no_pi_locks))
        return PI_WAITS;
    /* It has left behind by now what it had to. Is this lock among it? */
    if (user_load(&again, a->word_at) != 0)
        return -EFAULT;
    if (again == word)
        return -ESRCH;
    a->owner_tid = 0;
    return PI_NEEDS_OWNER;
}

/* Whether one can wait for a lock with this word. PI_WAITS, or why not. */
static int check_wait(struct attempt *a, const struct pi_lock *pi, uint32_t word)
{
    uint32_t tid = word & FUTEX_TID_MASK;
    int result = PI_WAITS;

    if (pi == NULL)
        result = check_owner(a, word);
    else if (tid != tid_of(pi->waiters.owner) && !(tid == 0 && word & FUTEX_OWNER_DIED))
        result = -EINVAL;
    return result == PI_WAITS && !a->may_wait ? -EAGAIN : result;
}

static int begin_to_wait(struct attempt *a, struct pi_lock *pi)
{
    struct lwp *owner = pi != NULL ? pi->waiters.owner : &a->owner->lwp;
    int error;

    if (pi == NULL)
        pi = pi_lock_new(a->bucket, a->key);
    if (pi == NULL)
        return -ENOMEM;
    a->waiter->donation.lwp = a->waiter->lwp;
    error = donation_wait(&a->waiter->donation, &pi->waiters, owner);
    if (error == 0) {
        a->waiter->pi = pi;
        pi->nr_waiters++;
        atomic_store(&a->waiter->bucket, a->bucket);
    }
    free_if_unused(pi);
    return error != 0 ? error : PI_WAITS;
}

/* The waiter takes the lock, or waits for it. The bucket is locked. PI_..., or -errno. */
static int take_or_wait(struct attempt *a)
{
    struct pi_lock *pi = futex_pi_find(a->bucket, a->key);
    uint32_t tid = tid_of(a->waiter->lwp), word, wanted;
    int result, error = user_load(&word, a->word_at);

    if (error != 0)
        return error;
    do {
        if ((word & FUTEX_TID_MASK) == tid)
            return -EDEADLK;
        if (pi == NULL && (word & FUTEX_TID_MASK) == 0) {
            result = PI_TAKEN;
            wanted = tid | (word & FUTEX_OWNER_DIED);
        } else {
            result = check_wait(a, pi, word);
            if (result != PI_WAITS)
                return result;
            wanted = word | FUTEX_WAITERS;
        }
        error = user_compare_exchange(a->word_at, &word, wanted);
    } while (error == -EAGAIN);
    if (error != 0 || result == PI_TAKEN)
        return error;
    return begin_to_wait(a, pi);
}

/* Keeps the owner that the last attempt needed. Before a bucket is locked; interrupts are off. */
static struct user_lwp *keep_owner(struct attempt *a)
{
    a->owner = a->owner_tid != 0 ? user_lwp_keep(a->owner_tid) : NULL;
    return a->owner;
}

static void let_go(struct user_lwp *kept)
{
    if (kept != NULL)
        user_lwp_let_go(kept);
}

/* -EAGAIN instead of waiting, unless `may_wait`. */
static int lock(struct futex futex, bool may_wait, struct futex_deadline *until)
{
    struct futex_waiter self;
    struct attempt a = {.word_at = futex.word_at, .waiter = &self, .may_wait = may_wait};
    struct futex_bucket *bucket;
    struct user_lwp *kept;
    irq_state_t irq;
    int result = futex_key_get(futex, &self.key);

    if (result != 0)
        return result;
    a.key = &self.key;
    a.bucket = bucket = futex_bucket_of(&self.key);
    futex_waiter_init(&self, bucket, 0, NULL);
    futex_begin_wait(&self, until);
    do {
        result = futex_fault_in_to_write(futex.word_at);
        if (result != 0)
            break;
        irq = irq_save();
        kept = keep_owner(&a);
        spin_lock(&bucket->lock);
        result = take_or_wait(&a);
        let_go(kept);
        if (result == PI_WAITS)
            result = futex_sleep(&self, &bucket, until);
        spin_unlock_irq(&bucket->lock, irq);
    } while (result == -EFAULT || result == PI_NEEDS_OWNER);
    futex_end_wait(until);
    futex_key_put(&self.key);
    return result;
}

int futex_lock_pi(struct futex futex, struct futex_deadline *until)
{
    return lock(futex, true, until);
}

int futex_try_lock_pi(struct futex futex)
{
    return lock(futex, false, NULL);
}

/* ---- Leaving -------------------------------------------------------------------------------- */

/* The bucket is locked. 0, -EPERM, -EINVAL; -EFAULT: the page is not there. */
static int unlock(struct pi_lock *pi, vaddr_t word_at)
{
    struct futex_waiter *first = pi != NULL ? first_waiter(pi) : NULL;
    uint32_t word;
    int error = user_load(&word, word_at);

    if (error != 0)
        return error;
    do {
        if ((word & FUTEX_TID_MASK) != tid_of(lwp_current()))
            return -EPERM;
        if (pi != NULL && pi->waiters.owner != lwp_current())
            return -EINVAL;
        error = user_compare_exchange(word_at, &word, pi != NULL ? word_of_next(pi, first) : 0);
    } while (error == -EAGAIN);
    if (error == 0 && pi != NULL)
        hand_over(pi, first);
    return error;
}

int futex_unlock_pi(struct futex futex)
{
    struct futex_bucket *bucket;
    struct futex_key key;
    irq_state_t irq;
    int error = futex_key_get(futex, &key);

    if (error != 0)
        return error;
    bucket = futex_bucket_of(&key);
    do {
        error = futex_fault_in_to_write(futex.word_at);
        if (error != 0)
            break;
        irq = spin_lock_irq(&bucket->lock);
        error = unlock(futex_pi_find(bucket, &key), futex.word_at);
        spin_unlock_irq(&bucket->lock, irq);
    } while (error == -EFAULT);
    futex_key_put(&key);
    return error;
}

/* Writes the word of a lock of this space, or in shared memory. 0; -EFAULT: it is not there. */
static int store_word(const struct futex_key *key, uint32_t value)
{
    uint32_t word;
    int error;

    if (key->space == FUTEX_SHARED) {
        atomic_store((_Atomic uint32_t *)phys_to_virt(key->place), value);
        return 0;
    }
    error = user_load(&word, key->place);
    while (error == 0) {
        error = user_compare_exchange(key->place, &word, value);
        if (error != -EAGAIN)
            return error;
        error = 0;
    }
    return error;
}

static struct pi_lock *find_own(const struct futex_bucket *bucket)
{
    struct pi_lock *pi;

    list_for_each_entry (pi, &bucket->pi_locks, link) {
        if (pi->waiters.owner == lwp_current())
            return pi;
    }
    return NULL;
}

/*
 * Leaves one lock of the bucket behind; whether there was one. A word that is not there any more is
 * left as it is: nobody can read it either.
 */
static bool leave_one(struct futex_bucket *bucket)
{
    irq_state_t irq = spin_lock_irq(&bucket->lock);
    vaddr_t not_there_at = USER_END;
    struct pi_lock *pi;
    bool is_left = false;

    while (!is_left && (pi = find_own(bucket)) != NULL) {
        struct futex_waiter *first = first_waiter(pi);
        vaddr_t place = pi->key.place;

        if (store_word(&pi->key, word_of_next(pi, first) | FUTEX_OWNER_DIED) == 0 ||
            place == not_there_at) {
            hand_over(pi, first);
            is_left = true;
            continue;
        }
        spin_unlock_irq(&bucket->lock, irq);
        if (futex_fault_in_to_write(place) != 0)
            not_there_at = place;
        irq = spin_lock_irq(&bucket->lock);
    }
    spin_unlock_irq(&bucket->lock, irq);
    return is_left;
}

void futex_pi_leave_space(void)
{
    struct user_lwp *self = user_lwp_current();

    atomic_store(&self->gets_no_pi_locks, true);
    if (!atomic_load(&self->has_pi_locks))
        return;
    for (unsigned i = 0; i < FUTEX_NR_BUCKETS; i++) {
        while (leave_one(&futex_buckets[i]))
            continue;
    }
    atomic_store(&self->has_pi_locks, false);
}

/* ---- Requeueing ----------------------------------------------------------------------------- */

int futex_wait_requeue_pi(struct futex futex, uint32_t expected, struct futex_deadline *until,
                          struct futex to)
{
    struct futex_key to_key;
    struct futex_waiter self;
    struct futex_bucket *bucket;
    irq_state_t irq;
    int error = futex_key_get_two(futex, to, &self.key, &to_key);

    if (error != 0)
        return error;
    bucket = futex_bucket_of(&self.key);
    futex_waiter_init(&self, bucket, FUTEX_ANY, &to_key);
    futex_begin_wait(&self, until);
    do {
        error = futex_key_equals(&self.key, &to_key) ? -EINVAL : futex_fault_in(futex.word_at);
        if (error != 0)
            break;
        irq = spin_lock_irq(&bucket->lock);
        error = futex_compare(futex.word_at, expected);
        if (error == 0) {
            list_push_back(&bucket->waiters, &self.link);
            error = futex_sleep(&self, &bucket, until);
        }
        spin_unlock_irq(&bucket->lock, irq);
    } while (error == -EFAULT);
    futex_end_wait(until);
    /* Who has waited for the lock does not wait for the word again: the caller looks at that. */
    if (error == -ERESTARTSYS)
        error = self.requeue_to == NULL ? -EAGAIN : -ERESTARTNOINTR;
    futex_key_put(&self.key);
    futex_key_put(&to_key);
    return error;
}

/* The waiter for `key` with the highest priority, of equals the oldest. Locked. */
static struct futex_waiter *highest_waiter(const struct futex_bucket *bucket,
                                           const struct futex_key *key)
{
    struct futex_waiter *waiter, *highest = NULL;

    list_for_each_entry (waiter, &bucket->waiters, link) {
        if (futex_key_equals(&waiter->key, key) &&
            (highest == NULL || lwp_priority(waiter->lwp) > lwp_priority(highest->lwp)))
            highest = waiter;
    }
    return highest;
}

/*
 * Gives the lock to one waiter, or lets it wait for it. Both buckets are locked. 0, PI_NEEDS_OWNER,
 * or -errno.
 */
static int requeue_one(struct attempt *a, struct futex_waiter *waiter)
{
    int result;

    if (waiter->requeue_to == NULL || !futex_key_equals(waiter->requeue_to, a->key))
        return -EINVAL;
    a->waiter = waiter;
    result = take_or_wait(a);
    if (result != PI_TAKEN && result != PI_WAITS)
        return result;
    list_remove(&waiter->link);
    waiter->requeue_to = NULL;
    if (result == PI_TAKEN) {
        /* It cannot go away while its bucket is locked, and the next one needs it. */
        a->owner = user_lwp_of(waiter->lwp);
        a->owner_tid = a->owner->tid;
        wake_owner(waiter);
    }
    return 0;
}

/*
 * The first is the highest; the others come in any order: the lock puts them into theirs. Both
 * buckets are locked. 0, PI_NEEDS_OWNER, or -errno; *nr_done is how many it was done for.
 */
static int requeue_some(struct attempt *a, struct futex_bucket *bucket, const struct futex_key *key,
                        uint32_t nr, uint32_t *nr_done)
{
    struct futex_waiter *waiter = highest_waiter(bucket, key), *next;
    int result = waiter != NULL ? requeue_one(a, waiter) : 0;

    if (waiter == NULL || result != 0)
        return result;
    *nr_done = 1;
    list_for_each_entry_safe (waiter, next, &bucket->waiters, link) {
        if (*nr_done == nr)
            break;
        if (!futex_key_equals(&waiter->key, key))
            continue;
        result = requeue_one(a, waiter);
        if (result != 0)
            return result;
        ++*nr_done;
    }
    return 0;
}

int futex_requeue_pi(struct futex from, struct futex to, uint32_t nr_move, uint32_t expected)
{
    struct futex_bucket *bucket;
    struct futex_key key, to_key;
    struct attempt a = {.word_at = to.word_at, .key = &to_key, .may_wait = true};
    struct user_lwp *kept;
    uint32_t nr_done = 0;
    irq_state_t irq;
    int result = futex_key_get_two(from, to, &key, &to_key);

    if (result != 0)
        return result;
    bucket = futex_bucket_of(&key);
    a.bucket = futex_bucket_of(&to_key);
    do {
        result = futex_key_equals(&key, &to_key) ? -EINVAL : futex_fault_in(from.word_at);
        if (result == 0)
            result = futex_fault_in_to_write(to.word_at);
        if (result != 0)
            break;
        irq = irq_save();
        kept = keep_owner(&a);
        futex_lock_two(bucket, a.bucket);
        result = futex_compare(from.word_at, expected);
        if (result == 0)
            result = requeue_some(&a, bucket, &key, nr_move + 1, &nr_done);
        let_go(kept);
        futex_unlock_two(bucket, a.bucket, irq);
    } while (nr_done == 0 && (result == -EFAULT || result == PI_NEEDS_OWNER));
    futex_key_put(&key);
    futex_key_put(&to_key);
    return result < 0 ? result : (int)nr_done;
}
