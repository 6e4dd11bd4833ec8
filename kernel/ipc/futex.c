/*
 * Futexes.
 *
 * Whoever waits for a word hangs in the bucket that the word's address space and address hash to.
 * Looking at the word and going to sleep must not be divided by a wake-up, so both happen under the
 * bucket's lock, which a waker takes too. The word is read with interrupts off: if its page is not
 * there, the read fails instead of faulting it in, and is tried again after an ordinary read.
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/futex.h>
#include <kernel/spinlock.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#define NR_BUCKETS 256

struct bucket {
    struct spinlock lock;
    struct list waiters; /* struct futex_waiter.link */
};

struct futex_waiter {
    struct list_node link;
    const struct space *space;
    vaddr_t word_at;
    struct waitq queue; /* the one LWP */
};

static struct bucket buckets[NR_BUCKETS];

void futex_init(void)
{
    for (unsigned i = 0; i < NR_BUCKETS; i++) {
        spin_init(&buckets[i].lock, "futex bucket", LOCK_RANK_WAIT);
        list_init(&buckets[i].waiters);
    }
}

/* Multiplicative hashing (Knuth, TAOCP vol. 3, 6.4) by 2^64 / golden ratio. */
static struct bucket *bucket_of(const struct space *space, vaddr_t word_at)
{
    uint64_t key = ((uintptr_t)space >> 6) ^ (word_at >> 2);

    return &buckets[key * 0x9e3779b97f4a7c15 >> 56];
}

/* Makes sure that the word can be read. 0 or -EFAULT. */
static int fault_in(vaddr_t word_at)
{
    uint32_t unused;

    return user_copy_from(&unused, word_at, sizeof(unused));
}

/* Waits if the word is `expected`. Locked. -EFAULT: the page is not there (any more). */
static int wait_locked(struct bucket *bucket, struct futex_waiter *self, uint32_t expected,
                       uint64_t deadline_ns)
{
    uint32_t value;
    int error = user_copy_from(&value, self->word_at, sizeof(value));

    if (error != 0)
        return error;
    if (value != expected)
        return -EAGAIN;
    waitq_init(&self->queue);
    list_push_back(&bucket->waiters, &self->link);
    error = waitq_sleep(&self->queue, &bucket->lock, deadline_ns, true);
    list_remove(&self->link);
    return error;
}

int futex_wait(vaddr_t word_at, uint32_t expected, uint64_t deadline_ns)
{
    struct futex_waiter self = {.space = process_current()->space, .word_at = word_at};
    struct bucket *bucket = bucket_of(self.space, word_at);
    int error;

    do {
        irq_state_t irq;

        error = fault_in(word_at);
        if (error != 0)
            return error;
        irq = spin_lock_irq(&bucket->lock);
        error = wait_locked(bucket, &self, expected, deadline_ns);
        spin_unlock_irq(&bucket->lock, irq);
    } while (error == -EFAULT);
    return error;
}

int futex_wake(vaddr_t word_at, uint32_t nr)
{
    const struct space *space = process_current()->space;
    struct bucket *bucket = bucket_of(space, word_at);
    struct futex_waiter *waiter, *next;
    uint32_t nr_woken = 0;
    irq_state_t irq;

    if (word_at >= USER_END)
        return -EFAULT;
    irq = spin_lock_irq(&bucket->lock);
    list_for_each_entry_safe (waiter, next, &bucket->waiters, link) {
        if (nr_woken >= nr)
            break;
        if (waiter->space != space || waiter->word_at != word_at)
            continue;
        list_remove(&waiter->link);
        nr_woken += waitq_wake(&waiter->queue, 1);
    }
    spin_unlock_irq(&bucket->lock, irq);
    return (int)nr_woken;
}
