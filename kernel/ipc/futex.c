/*
 * Futexes.
 *
 * Whoever waits for a word hangs in the bucket that the word's *key* hashes to. The key of a word
 * in memory that address spaces share is its physical address; of any other word, its address space
 * and address. A key has a reference to the frame of shared memory, so that it is not given to
 * somebody else under the same key; address spaces have numbers, which are not used again.
 *
 * Looking at the word and going to sleep must not be divided by a wake-up, so both happen under the
 * bucket's lock, which a waker takes too. The word is read with interrupts off: if its page is not
 * there, the read fails instead of faulting it in, and is tried again after an ordinary access.
 *
 * A waiter may be moved to another key, and so to another bucket, while it sleeps: both buckets are
 * locked then. So whoever was woken has to look where it is by now (lock_bucket_of()); that is why
 * this is no wait queue, which has one lock for ever. Of two buckets, the one at the lower address
 * is locked first.
 *
 * Whoever waits until a calendar time reckons with what that is on the kernel's clock; when it is
 * set, he is woken, reckons anew and sleeps on, in his place. He reads the time with his bucket
 * locked, and whoever sets it comes by with that locked and looks whether he sleeps. So he has
 * either seen the new time or is found asleep.
 */

#include <arch/mmu.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/futex.h>
#include <linux/futex.h>
#include <mm/frame.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <sched/sched.h>

#include "futex_impl.h"

struct futex_bucket futex_buckets[FUTEX_NR_BUCKETS];

void futex_init(void)
{
    for (unsigned i = 0; i < FUTEX_NR_BUCKETS; i++) {
        spin_init(&futex_buckets[i].lock, "futex bucket", LOCK_RANK_WAIT);
        list_init(&futex_buckets[i].waiters);
        list_init(&futex_buckets[i].pi_locks);
    }
}

/* ---- Keys and buckets ----------------------------------------------------------------------- */

int futex_key_get(struct futex futex, struct futex_key *key)
{
    struct space *space = process_current()->space;
    paddr_t frame = PADDR_NONE;

    if (futex.word_at >= USER_END)
        return -EFAULT;
    if (unlikely(futex.is_shared))
        frame = space_shared_frame(space, futex.word_at);
    if (likely(frame == PADDR_NONE))
        *key = (struct futex_key){space->id, futex.word_at};
    else
        *key = (struct futex_key){FUTEX_SHARED, frame + futex.word_at % PAGE_SIZE};
    return 0;
}

static paddr_t frame_of(const struct futex_key *key)
{
    return key->place - key->place % PAGE_SIZE;
}

void futex_key_ref(const struct futex_key *key)
{
    if (key->space == FUTEX_SHARED)
        frame_ref(frame_of(key));
}

void futex_key_put(const struct futex_key *key)
{
    if (unlikely(key->space == FUTEX_SHARED))
        frame_unref(frame_of(key));
}

bool futex_key_equals(const struct futex_key *a, const struct futex_key *b)
{
    return a->space == b->space && a->place == b->place;
}

int futex_key_get_two(struct futex a, struct futex b, struct futex_key *key_a,
                      struct futex_key *key_b)
{
    int error = futex_key_get(a, key_a);

    if (error != 0)
        return error;
    error = futex_key_get(b, key_b);
    if (error != 0)
        futex_key_put(key_a);
    return error;
}

/* Multiplicative hashing (Knuth, TAOCP vol. 3, 6.4) by 2^64 / golden ratio. */
struct futex_bucket *futex_bucket_of(const struct futex_key *key)
{
    uint64_t hash = (key->space << 40) ^ (key->place >> 2);

    return &futex_buckets[hash * 0x9e3779b97f4a7c15 >> 56];
}

irq_state_t futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    irq_state_t irq = spin_lock_irq(a < b ? &a->lock : &b->lock);

    if (a != b)
        spin_lock_nested(a < b ? &b->lock : &a->lock);
    return irq;
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b, irq_state_t irq)
{
    if (a != b)
        spin_unlock(a < b ? &b->lock : &a->lock);
    spin_unlock_irq(a < b ? &a->lock : &b->lock, irq);
}

/* Locks the bucket that the waiter is in by now. Interrupts are off. */
static struct futex_bucket *lock_bucket_of(struct futex_waiter *waiter)
{
    for (;;) {
        struct futex_bucket *bucket = atomic_load(&waiter->bucket);

        spin_lock(&bucket->lock);
        if (bucket == atomic_load(&waiter->bucket))
            return bucket;
        spin_unlock(&bucket->lock);
    }
}

/* ---- Waiting -------------------------------------------------------------------------------- */

int futex_fault_in(vaddr_t word_at)
{
    uint32_t unused;

    return user_load(&unused, word_at);
}

int futex_fault_in_to_write(vaddr_t word_at)
{
    uint32_t value = 0;
    int error = user_compare_exchange(word_at, &value, value);

    return error == -EAGAIN ? 0 : error;
}

int futex_compare(vaddr_t word_at, uint32_t expected)
{
    uint32_t value;
    int error = user_load(&value, word_at);

    if (error != 0)
        return error;
    return value == expected ? 0 : -EAGAIN;
}

static void timed_out(struct timer *timer)
{
    sched_wake(container_of(timer, struct futex_waiter, timer)->lwp, WAKE_TIMEOUT);
}

static uint64_t clock_ns(const struct futex_deadline *until)
{
    return until->is_calendar ? realtime_to_clock_ns(until->time_ns, realtime_at_boot_ns())
                              : until->time_ns;
}

/*
 * A waiter until a calendar time has gone on: whether it sleeps again, in *bucket, which is locked
 * then. Otherwise nothing is.
 */
static bool sleeps_on(struct futex_waiter *self, struct futex_deadline *until,
                      enum wake_reason reason, struct futex_bucket **bucket)
{
    *bucket = lock_bucket_of(self);
    until->is_blocked = false;
    if (reason == WAKE_TIMEOUT && !self->is_woken && clock_now_ns() < clock_ns(until))
        return true;
    spin_unlock(&(*bucket)->lock);
    return false;
}

/* As block(). */
static __attribute__((noinline)) enum wake_reason
block_until(struct futex_waiter *self, struct futex_bucket *bucket, struct futex_deadline *until)
{
    enum wake_reason reason;

    do {
        until->is_blocked = true;
        timer_start(&self->timer, clock_ns(until), timed_out);
        reason = sched_block(&bucket->lock, true);
        timer_cancel(&self->timer);
    } while (until->is_calendar && sleeps_on(self, until, reason, &bucket));
    return reason;
}

/* The bucket is locked, and is not afterwards. */
static enum wake_reason block(struct futex_waiter *self, struct futex_bucket *bucket,
                              struct futex_deadline *until)
{
    if (until != NULL)
        return block_until(self, bucket, until);
    return sched_block(&bucket->lock, true);
}

/* The calendar's clock was set. */
static void clock_moved(struct realtime_follower *follower)
{
    struct futex_deadline *until = container_of(follower, struct futex_deadline, follower);
    irq_state_t irq = irq_save();
    struct futex_bucket *bucket = lock_bucket_of(until->waiter);

    if (until->is_blocked && !until->waiter->is_woken)
        sched_wake(until->waiter->lwp, WAKE_TIMEOUT);
    spin_unlock_irq(&bucket->lock, irq);
}

void futex_begin_wait(struct futex_waiter *self, struct futex_deadline *until)
{
    if (until == NULL || !until->is_calendar)
        return;
    until->waiter = self;
    until->is_blocked = false;
    realtime_follow(&until->follower, clock_moved);
}

void futex_end_wait(struct futex_deadline *until)
{
    if (until != NULL && until->is_calendar)
        realtime_unfollow(&until->follower);
}

/* After that: 0, or why it has left, which it has then. Its bucket is locked. */
static int leave(struct futex_waiter *self, enum wake_reason reason)
{
    if (self->is_woken)
        return 0;
    if (self->pi != NULL)
        futex_pi_give_up(self);
    else
        list_remove(&self->link);
    return reason == WAKE_TIMEOUT ? -ETIMEDOUT : -ERESTARTSYS;
}

int futex_sleep(struct futex_waiter *self, struct futex_bucket **bucket,
                struct futex_deadline *until)
{
    enum wake_reason reason = block(self, *bucket, until);

    *bucket = lock_bucket_of(self);
    return leave(self, reason);
}

/*
 * The same for an ordinary wait, where nothing is locked afterwards. Whoever wakes such a waiter
 * has done everything else before, so one that was woken need not look at its bucket.
 */
static int sleep(struct futex_waiter *self, struct futex_bucket *bucket,
                 struct futex_deadline *until)
{
    enum wake_reason reason = block(self, bucket, until);
    int error;

    if (likely(reason == WAKE_EVENT))
        return 0;
    bucket = lock_bucket_of(self);
    error = leave(self, reason);
    spin_unlock(&bucket->lock);
    return error;
}

/* Locks the bucket if the word is `expected` then. 0, -EAGAIN, -EFAULT. */
static int lock_if_equal(struct futex_bucket *bucket, vaddr_t word_at, uint32_t expected,
                         irq_state_t *irq)
{
    int error;

    do {
        *irq = spin_lock_irq(&bucket->lock);
        error = futex_compare(word_at, expected);
        if (likely(error == 0))
            return 0;
        spin_unlock_irq(&bucket->lock, *irq);
        if (error == -EFAULT)
            error = futex_fault_in(word_at);
    } while (error == 0);
    return error;
}

static ALWAYS_INLINE int wait(struct futex futex, uint32_t expected, uint32_t bits,
                              struct futex_deadline *until)
{
    struct futex_waiter self;
    struct futex_bucket *bucket;
    irq_state_t irq;
    int error = futex_key_get(futex, &self.key);

    if (error != 0)
        return error;
    bucket = futex_bucket_of(&self.key);
    futex_waiter_init(&self, bucket, bits, NULL);
    if (until != NULL)
        futex_begin_wait(&self, until);
    error = lock_if_equal(bucket, futex.word_at, expected, &irq);
    if (error == 0) {
        list_push_back(&bucket->waiters, &self.link);
        error = sleep(&self, bucket, until);
        irq_restore(irq);
    }
    if (until != NULL)
        futex_end_wait(until);
    futex_key_put(&self.key);
    return error;
}

int futex_wait(struct futex futex, uint32_t expected, uint32_t bits)
{
    return wait(futex, expected, bits, NULL);
}

int futex_wait_until(struct futex futex, uint32_t expected, uint32_t bits,
                     struct futex_deadline *until)
{
    return wait(futex, expected, bits, until);
}

/* ---- Waking --------------------------------------------------------------------------------- */

/* The waiter may be gone as soon as its bucket is unlocked. */
static void wake(struct futex_waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->is_woken = true;
    sched_wake(waiter->lwp, WAKE_EVENT);
}

/* Locked. How many; -EINVAL: they wait for a PI lock, which is not given by waking. */
static __attribute__((noinline)) int wake_those_there(struct futex_bucket *bucket,
                                                      const struct futex_key *key, uint32_t nr,
                                                      uint32_t bits)
{
    struct futex_waiter *waiter, *next;
    uint32_t nr_woken = 0;

    if (futex_is_pi(bucket, key))
        return -EINVAL;
    list_for_each_entry_safe (waiter, next, &bucket->waiters, link) {
        if (nr_woken == nr)
            break;
        if (!futex_key_equals(&waiter->key, key) || !(waiter->bits & bits))
            continue;
        if (waiter->requeue_to != NULL)
            return -EINVAL;
        wake(waiter);
        nr_woken++;
    }
    return (int)nr_woken;
}

static inline int wake_some(struct futex_bucket *bucket, const struct futex_key *key, uint32_t nr,
                            uint32_t bits)
{
    bool is_empty = list_is_empty(&bucket->waiters) && list_is_empty(&bucket->pi_locks);

    return is_empty ? 0 : wake_those_there(bucket, key, nr, bits);
}

int futex_wake(struct futex futex, uint32_t nr, uint32_t bits)
{
    struct futex_bucket *bucket;
    irq_state_t irq;
    struct futex_key key;
    int result = futex_key_get(futex, &key);

    if (result != 0)
        return result;
    bucket = futex_bucket_of(&key);
    irq = spin_lock_irq(&bucket->lock);
    result = wake_some(bucket, &key, nr, bits);
    spin_unlock_irq(&bucket->lock, irq);
    futex_key_put(&key);
    return result;
}

/* Both buckets are locked. */
static void move(struct futex_waiter *waiter, const struct futex_key *to,
                 struct futex_bucket *bucket)
{
    struct futex_key from = waiter->key;

    list_remove(&waiter->link);
    list_push_back(&bucket->waiters, &waiter->link);
    waiter->key = *to;
    futex_key_ref(to);
    atomic_store(&waiter->bucket, bucket);
    futex_key_put(&from); /* never the last reference: the caller has one */
}

/* Both buckets are locked. How many; -EINVAL, as wake_some(). */
static int move_some(struct futex_bucket *bucket, const struct futex_key *from,
                     struct futex_bucket *to_bucket, const struct futex_key *to, uint32_t nr)
{
    struct futex_waiter *waiter, *next;
    uint32_t nr_moved = 0;

    if (futex_is_pi(to_bucket, to))
        return -EINVAL;
    if (futex_key_equals(from, to))
        return 0;
    list_for_each_entry_safe (waiter, next, &bucket->waiters, link) {
        if (nr_moved == nr)
            break;
        if (!futex_key_equals(&waiter->key, from))
            continue;
        if (waiter->requeue_to != NULL)
            return -EINVAL;
        move(waiter, to, to_bucket);
        nr_moved++;
    }
    return (int)nr_moved;
}

/* How many more, or why not. */
static int add(int nr, int result)
{
    return result < 0 ? result : nr + result;
}

int futex_requeue(struct futex from, struct futex to, uint32_t nr_wake, uint32_t nr_move,
                  const uint32_t *expected)
{
    struct futex_bucket *bucket, *to_bucket;
    struct futex_key key, to_key;
    irq_state_t irq;
    int result = futex_key_get_two(from, to, &key, &to_key);

    if (result != 0)
        return result;
    bucket = futex_bucket_of(&key);
    to_bucket = futex_bucket_of(&to_key);
    do {
        result = expected != NULL ? futex_fault_in(from.word_at) : 0;
        if (result != 0)
            break;
        irq = futex_lock_two(bucket, to_bucket);
        if (expected != NULL)
            result = futex_compare(from.word_at, *expected);
        if (result == 0) {
            result = wake_some(bucket, &key, nr_wake, FUTEX_ANY);
            if (result >= 0)
                result = add(result, move_some(bucket, &key, to_bucket, &to_key, nr_move));
        }
        futex_unlock_two(bucket, to_bucket, irq);
    } while (result == -EFAULT);
    futex_key_put(&key);
    futex_key_put(&to_key);
    return result;
}

/* ---- FUTEX_WAKE_OP -------------------------------------------------------------------------- */

/* The fields of `operation`: what to do, how to compare, and two signed numbers of 12 bits. */
struct word_op {
    unsigned op, compare;
    int32_t arg, compare_arg;
};

static int32_t sign_extend_12(uint32_t value)
{
    return (int32_t)(value << 20) >> 20;
}

/* 0 or -ENOSYS. */
static int decode(uint32_t operation, struct word_op *op)
{
    *op = (struct word_op){
        .op = operation >> 28 & 7,
        .compare = operation >> 24 & 15,
        .arg = sign_extend_12(operation >> 12),
        .compare_arg = sign_extend_12(operation),
    };
    if (operation >> 28 & FUTEX_OP_OPARG_SHIFT)
        op->arg = (int32_t)(1u << (op->arg & 31));
    return op->op > FUTEX_OP_XOR || op->compare > FUTEX_OP_CMP_GE ? -ENOSYS : 0;
}

static uint32_t changed_word(const struct word_op *op, uint32_t old)
{
    uint32_t arg = (uint32_t)op->arg;

    switch (op->op) {
    case FUTEX_OP_ADD:
        return old + arg;
    case FUTEX_OP_OR:
        return old | arg;
    case FUTEX_OP_ANDN:
        return old & ~arg;
    case FUTEX_OP_XOR:
        return old ^ arg;
    default:
        return arg;
    }
}

static bool word_compares(const struct word_op *op, int32_t old)
{
    switch (op->compare) {
    case FUTEX_OP_CMP_EQ:
        return old == op->compare_arg;
    case FUTEX_OP_CMP_NE:
        return old != op->compare_arg;
    case FUTEX_OP_CMP_LT:
        return old < op->compare_arg;
    case FUTEX_OP_CMP_LE:
        return old <= op->compare_arg;
    case FUTEX_OP_CMP_GT:
        return old > op->compare_arg;
    default:
        return old >= op->compare_arg;
    }
}

/* Changes the word. Locked. 0; -EFAULT: the page is not there. */
static int change_word(const struct word_op *op, vaddr_t word_at, uint32_t *old)
{
    int error = user_load(old, word_at);

    while (error == 0) {
        error = user_compare_exchange(word_at, old, changed_word(op, *old));
        if (error != -EAGAIN)
            return error;
        error = 0;
    }
    return error;
}

int futex_wake_op(struct futex from, struct futex to, uint32_t nr_wake, uint32_t nr_wake_to,
                  uint32_t operation)
{
    struct futex_bucket *bucket, *to_bucket;
    struct futex_key key, to_key;
    struct word_op op;
    irq_state_t irq;
    uint32_t old;
    int result = decode(operation, &op);

    if (result == 0)
        result = futex_key_get_two(from, to, &key, &to_key);
    if (result != 0)
        return result;
    bucket = futex_bucket_of(&key);
    to_bucket = futex_bucket_of(&to_key);
    do {
        result = futex_fault_in_to_write(to.word_at);
        if (result != 0)
            break;
        irq = futex_lock_two(bucket, to_bucket);
        result = change_word(&op, to.word_at, &old);
        if (result == 0) {
            result = wake_some(bucket, &key, nr_wake, FUTEX_ANY);
            if (result >= 0 && word_compares(&op, (int32_t)old))
                result = add(result, wake_some(to_bucket, &to_key, nr_wake_to, FUTEX_ANY));
        }
        futex_unlock_two(bucket, to_bucket, irq);
    } while (result == -EFAULT);
    futex_key_put(&key);
    futex_key_put(&to_key);
    return result;
}
