#ifndef KERNEL_IPC_FUTEX_IMPL_H
#define KERNEL_IPC_FUTEX_IMPL_H

/* What futex.c and futex_pi.c share. futex.c has the theory. */

#include <kernel/donation.h>
#include <kernel/futex.h>
#include <kernel/list.h>
#include <kernel/spinlock.h>
#include <sched/lwp.h>
#include <sched/timer.h>

#define FUTEX_NR_BUCKETS 256

struct futex_bucket {
    struct spinlock lock;
    struct list waiters;  /* struct futex_waiter.link; oldest first */
    struct list pi_locks; /* struct pi_lock.link */
};

/* Two words: cheap to compare. */
struct futex_key {
    uint64_t space; /* struct space.id; FUTEX_SHARED: the word is in shared memory */
    uint64_t place; /* its address; in shared memory its physical address */
};

#define FUTEX_SHARED 0 /* no space has this number */

struct pi_lock;

/* On its LWP's stack. Locked by the bucket that it is in. */
struct futex_waiter {
    struct list_node link; /* in the bucket, unless it waits for a PI lock */
    struct futex_bucket *_Atomic bucket;
    struct futex_key key;
    uint32_t bits;
    bool is_woken;
    struct lwp *lwp;
    struct timer timer;
    const struct futex_key *requeue_to; /* FUTEX_WAIT_REQUEUE_PI, until it is; NULL: nowhere */
    struct pi_lock *pi;                 /* what it waits for; NULL: for a wake-up */
    struct donation_waiter donation;    /* with `pi` */
};

/* The caller, which has set `key`. (Zeroing all of it would cost more than the rest.) */
static inline void futex_waiter_init(struct futex_waiter *self, struct futex_bucket *bucket,
                                     uint32_t bits, const struct futex_key *requeue_to)
{
    atomic_init(&self->bucket, bucket);
    self->bits = bits;
    self->is_woken = false;
    self->lwp = lwp_current();
    self->requeue_to = requeue_to;
    self->pi = NULL;
}

extern struct futex_bucket futex_buckets[FUTEX_NR_BUCKETS];

/* To be given back by futex_key_put(). 0 or -EFAULT. */
int futex_key_get(struct futex futex, struct futex_key *key) MUST_CHECK;
void futex_key_ref(const struct futex_key *key);
void futex_key_put(const struct futex_key *key);
bool futex_key_equals(const struct futex_key *a, const struct futex_key *b);

/* Two keys, or none. */
int futex_key_get_two(struct futex a, struct futex b, struct futex_key *key_a,
                      struct futex_key *key_b) MUST_CHECK;

struct futex_bucket *futex_bucket_of(const struct futex_key *key);
irq_state_t futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b, irq_state_t irq);

/* Makes sure that the word can be read, or written. 0 or -EFAULT. */
int futex_fault_in(vaddr_t word_at) MUST_CHECK;
int futex_fault_in_to_write(vaddr_t word_at) MUST_CHECK;

/* 0, or -EAGAIN when the word is another; -EFAULT: the page is not there (any more). Locked. */
int futex_compare(vaddr_t word_at, uint32_t expected) MUST_CHECK;

/*
 * Around each wait, before and after its bucket is locked: if it is until a calendar time, it is to
 * know when that clock is set. May sleep. `until` may be NULL here and below: for ever.
 */
void futex_begin_wait(struct futex_waiter *self, struct futex_deadline *until);
void futex_end_wait(struct futex_deadline *until);

/*
 * Sleeps where the waiter has been put. Called with *bucket locked, returns with the one locked
 * that the waiter is in then. 0, or it has left: -ETIMEDOUT, -ERESTARTSYS.
 */
int futex_sleep(struct futex_waiter *self, struct futex_bucket **bucket,
                struct futex_deadline *until) MUST_CHECK;

/* It waits for its PI lock no longer. Locked. futex_pi.c */
void futex_pi_give_up(struct futex_waiter *waiter);

/* The PI lock with this word, if somebody waits for it; NULL: nobody does. Locked. futex_pi.c */
struct pi_lock *futex_pi_find(const struct futex_bucket *bucket, const struct futex_key *key);

static inline bool futex_is_pi(const struct futex_bucket *bucket, const struct futex_key *key)
{
    return unlikely(!list_is_empty(&bucket->pi_locks)) && futex_pi_find(bucket, key) != NULL;
}

#endif
