/*
 * Futexes.
 *
 * Whoever waits for a word hangs in the bucket that the word's *key* hashes to. The key of a word
 * in memory that address spaces share is its frame and its place in it; of any other word, its
 * address space and address. A key has a reference to its frame, so that the frame is not given to
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
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/futex.h>
#include <kernel/list.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>
#include <linux/futex.h>
#include <mm/frame.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define NR_BUCKETS 256

struct bucket {
    struct spinlock lock;
    struct list waiters; /* struct futex_waiter.link; oldest first */
};

struct key {
    paddr_t frame;  /* PADDR_NONE: the word is not in shared memory */
    uint64_t space; /* struct space.id; 0: it is */
    uint64_t place; /* in the frame or in the space */
};

/* On its LWP's stack. Locked by the bucket that it is in. */
struct futex_waiter {
    struct list_node link;
    struct bucket *_Atomic bucket;
    struct key key;
    uint32_t bits;
    bool is_woken;
    struct lwp *lwp;
    struct timer timer;
};

static struct bucket buckets[NR_BUCKETS];

void futex_init(void)
{
    for (unsigned i = 0; i < NR_BUCKETS; i++) {
        spin_init(&buckets[i].lock, "futex bucket", LOCK_RANK_WAIT);
        list_init(&buckets[i].waiters);
    }
}

/* ---- Keys and buckets ----------------------------------------------------------------------- */

/* To be given back by key_put(). 0 or -EFAULT. */
static int key_get(struct futex futex, struct key *key)
{
    struct space *space = process_current()->space;

    if (futex.word_at >= USER_END)
        return -EFAULT;
    key->frame = futex.is_shared ? space_shared_frame(space, futex.word_at) : PADDR_NONE;
    key->space = key->frame == PADDR_NONE ? space->id : 0;
    key->place = key->frame == PADDR_NONE ? futex.word_at : futex.word_at % PAGE_SIZE;
    return 0;
}

static void key_put(const struct key *key)
{
    if (key->frame != PADDR_NONE)
        frame_unref(key->frame);
}

static bool key_equals(const struct key *a, const struct key *b)
{
    return a->frame == b->frame && a->space == b->space && a->place == b->place;
}

/* Two keys, or none. */
static int key_get_two(struct futex a, struct futex b, struct key *key_a, struct key *key_b)
{
    int error = key_get(a, key_a);

    if (error != 0)
        return error;
    error = key_get(b, key_b);
    if (error != 0)
        key_put(key_a);
    return error;
}

/* Multiplicative hashing (Knuth, TAOCP vol. 3, 6.4) by 2^64 / golden ratio. */
static struct bucket *bucket_of(const struct key *key)
{
    uint64_t hash = (key->frame >> PAGE_SHIFT << 10) ^ (key->space << 40) ^ (key->place >> 2);

    return &buckets[hash * 0x9e3779b97f4a7c15 >> 56];
}

static irq_state_t lock_two(struct bucket *a, struct bucket *b)
{
    irq_state_t irq = spin_lock_irq(a < b ? &a->lock : &b->lock);

    if (a != b)
        spin_lock_nested(a < b ? &b->lock : &a->lock);
    return irq;
}

static void unlock_two(struct bucket *a, struct bucket *b, irq_state_t irq)
{
    if (a != b)
        spin_unlock(a < b ? &b->lock : &a->lock);
    spin_unlock_irq(a < b ? &a->lock : &b->lock, irq);
}

/* Locks the bucket that the waiter is in by now. Interrupts are off. */
static struct bucket *lock_bucket_of(struct futex_waiter *waiter)
{
    for (;;) {
        struct bucket *bucket = atomic_load(&waiter->bucket);

        spin_lock(&bucket->lock);
        if (bucket == atomic_load(&waiter->bucket))
            return bucket;
        spin_unlock(&bucket->lock);
    }
}

/* ---- Waiting -------------------------------------------------------------------------------- */

/* Makes sure that the word can be read. 0 or -EFAULT. */
static int fault_in(vaddr_t word_at)
{
    uint32_t unused;

    return user_load(&unused, word_at);
}

/* Makes sure that the word can be written. 0 or -EFAULT. */
static int fault_in_to_write(vaddr_t word_at)
{
    uint32_t value = 0;
    int error = user_compare_exchange(word_at, &value, value);

    return error == -EAGAIN ? 0 : error;
}

/* 0, or -EAGAIN when the word is another; -EFAULT: the page is not there (any more). Locked. */
static int compare(vaddr_t word_at, uint32_t expected)
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

/* Called with the bucket locked, returns with the one locked that the waiter is in then. */
static int sleep(struct futex_waiter *self, struct bucket **bucket, uint64_t deadline_ns)
{
    enum wake_reason reason;

    list_push_back(&(*bucket)->waiters, &self->link);
    if (deadline_ns != WAITQ_FOREVER)
        timer_start(&self->timer, deadline_ns, timed_out);
    reason = sched_block(&(*bucket)->lock, true);
    if (deadline_ns != WAITQ_FOREVER)
        timer_cancel(&self->timer);
    *bucket = lock_bucket_of(self);
    if (self->is_woken)
        return 0;
    list_remove(&self->link);
    return reason == WAKE_TIMEOUT ? -ETIMEDOUT : -EINTR;
}

int futex_wait(struct futex futex, uint32_t expected, uint32_t bits, uint64_t deadline_ns)
{
    struct futex_waiter self = {.bits = bits, .lwp = lwp_current()};
    struct bucket *bucket;
    irq_state_t irq;
    int error = key_get(futex, &self.key);

    if (error != 0)
        return error;
    bucket = bucket_of(&self.key);
    atomic_init(&self.bucket, bucket);
    do {
        error = fault_in(futex.word_at);
        if (error != 0)
            break;
        irq = spin_lock_irq(&bucket->lock);
        error = compare(futex.word_at, expected);
        if (error == 0)
            error = sleep(&self, &bucket, deadline_ns);
        spin_unlock_irq(&bucket->lock, irq);
    } while (error == -EFAULT);
    key_put(&self.key);
    return error;
}

/* ---- Waking --------------------------------------------------------------------------------- */

/* The waiter may be gone as soon as its bucket is unlocked. */
static void wake(struct futex_waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->is_woken = true;
    sched_wake(waiter->lwp, WAKE_EVENT);
}

/* Locked. How many. */
static uint32_t wake_some(struct bucket *bucket, const struct key *key, uint32_t nr, uint32_t bits)
{
    struct futex_waiter *waiter, *next;
    uint32_t nr_woken = 0;

    list_for_each_entry_safe (waiter, next, &bucket->waiters, link) {
        if (nr_woken == nr)
            break;
        if (!key_equals(&waiter->key, key) || !(waiter->bits & bits))
            continue;
        wake(waiter);
        nr_woken++;
    }
    return nr_woken;
}

int futex_wake(struct futex futex, uint32_t nr, uint32_t bits)
{
    struct bucket *bucket;
    uint32_t nr_woken;
    irq_state_t irq;
    struct key key;
    int error = key_get(futex, &key);

    if (error != 0)
        return error;
    bucket = bucket_of(&key);
    irq = spin_lock_irq(&bucket->lock);
    nr_woken = wake_some(bucket, &key, nr, bits);
    spin_unlock_irq(&bucket->lock, irq);
    key_put(&key);
    return (int)nr_woken;
}

/* Both buckets are locked. */
static void move(struct futex_waiter *waiter, const struct key *to, struct bucket *bucket)
{
    struct key from = waiter->key;

    list_remove(&waiter->link);
    list_push_back(&bucket->waiters, &waiter->link);
    waiter->key = *to;
    if (to->frame != PADDR_NONE)
        frame_ref(to->frame);
    atomic_store(&waiter->bucket, bucket);
    key_put(&from); /* never the last reference: the caller has one */
}

/* Both buckets are locked. How many. */
static uint32_t move_some(struct bucket *bucket, const struct key *from, struct bucket *to_bucket,
                          const struct key *to, uint32_t nr)
{
    struct futex_waiter *waiter, *next;
    uint32_t nr_moved = 0;

    if (key_equals(from, to))
        return 0;
    list_for_each_entry_safe (waiter, next, &bucket->waiters, link) {
        if (nr_moved == nr)
            break;
        if (!key_equals(&waiter->key, from))
            continue;
        move(waiter, to, to_bucket);
        nr_moved++;
    }
    return nr_moved;
}

int futex_requeue(struct futex from, struct futex to, uint32_t nr_wake, uint32_t nr_move,
                  const uint32_t *expected)
{
    struct bucket *bucket, *to_bucket;
    struct key key, to_key;
    irq_state_t irq;
    int result = key_get_two(from, to, &key, &to_key);

    if (result != 0)
        return result;
    bucket = bucket_of(&key);
    to_bucket = bucket_of(&to_key);
    do {
        result = expected != NULL ? fault_in(from.word_at) : 0;
        if (result != 0)
            break;
        irq = lock_two(bucket, to_bucket);
        if (expected != NULL)
            result = compare(from.word_at, *expected);
        if (result == 0) {
            result = (int)wake_some(bucket, &key, nr_wake, FUTEX_ANY);
            result += (int)move_some(bucket, &key, to_bucket, &to_key, nr_move);
        }
        unlock_two(bucket, to_bucket, irq);
    } while (result == -EFAULT);
    key_put(&key);
    key_put(&to_key);
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
    struct bucket *bucket, *to_bucket;
    struct key key, to_key;
    struct word_op op;
    irq_state_t irq;
    uint32_t old;
    int result = decode(operation, &op);

    if (result == 0)
        result = key_get_two(from, to, &key, &to_key);
    if (result != 0)
        return result;
    bucket = bucket_of(&key);
    to_bucket = bucket_of(&to_key);
    do {
        result = fault_in_to_write(to.word_at);
        if (result != 0)
            break;
        irq = lock_two(bucket, to_bucket);
        result = change_word(&op, to.word_at, &old);
        if (result == 0) {
            result = (int)wake_some(bucket, &key, nr_wake, FUTEX_ANY);
            if (word_compares(&op, (int32_t)old))
                result += (int)wake_some(to_bucket, &to_key, nr_wake_to, FUTEX_ANY);
        }
        unlock_two(bucket, to_bucket, irq);
    } while (result == -EFAULT);
    key_put(&key);
    key_put(&to_key);
    return result;
}
