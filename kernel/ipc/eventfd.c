/*
 * Event counters: a 64-bit number that writing adds to and reading takes away, all of it or, from a
 * semaphore, one. Readers wait while it is 0, writers while their number would take it past
 * COUNT_MAX.
 *
 * A change wakes one reader. Whoever leaves more than 0 behind wakes the next. Writers need room of
 * different size, so all of them look.
 */

#include <kernel/errno.h>
#include <kernel/eventfd.h>
#include <kernel/file.h>
#include <kernel/poll.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <mm/slab.h>
#include <mm/user_copy.h>

#define COUNT_MAX (UINT64_MAX - 1)

struct eventfd {
    struct spinlock lock;
    bool is_semaphore;             /* constant */
    uint64_t count;                /* lock */
    struct waitq readers, writers; /* lock */
    struct poll_queue polled;      /* lock */
};

/* Waits until the count, which is locked, is not 0, or has room. 0 or -errno. */
static int wait(struct file *file, struct waitq *q, uint64_t value)
{
    struct eventfd *event = file->private;
    bool is_nonblocking = atomic_load(&file->flags) & O_NONBLOCK;
    int error = 0;

    while (error == 0 &&
           (q == &event->readers ? event->count == 0 : COUNT_MAX - event->count < value))
        error = is_nonblocking ? -EAGAIN : waitq_sleep(q, &event->lock, WAITQ_FOREVER, true);
    return error;
}

static int64_t eventfd_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct eventfd *event = file->private;
    uint64_t value = 0;
    irq_state_t irq;
    int error;

    (void)offset;
    if (nr_bytes < sizeof(value))
        return -EINVAL;
    irq = spin_lock_irq(&event->lock);
    error = wait(file, &event->readers, 0);
    if (error == 0) {
        value = event->is_semaphore ? 1 : event->count;
        event->count -= value;
        if (event->count > 0)
            waitq_wake_first(&event->readers);
        waitq_wake_all(&event->writers);
        poll_notify_events(&event->polled, EPOLLOUT);
    }
    spin_unlock_irq(&event->lock, irq);
    if (error == 0)
        error = user_copy_to(to, &value, sizeof(value));
    return error != 0 ? error : (int64_t)sizeof(value);
}

static int64_t eventfd_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    struct eventfd *event = file->private;
    irq_state_t irq;
    uint64_t value;
    int error;

    (void)offset;
    if (nr_bytes < sizeof(value))
        return -EINVAL;
    if (user_copy_from(&value, from, sizeof(value)) != 0)
        return -EFAULT;
    if (value > COUNT_MAX)
        return -EINVAL;
    irq = spin_lock_irq(&event->lock);
    error = wait(file, &event->writers, value);
    if (error == 0) {
        event->count += value;
        if (event->count > 0) {
            waitq_wake_first(&event->readers);
            poll_notify_events(&event->polled, EPOLLIN);
        }
    }
    spin_unlock_irq(&event->lock, irq);
    return error != 0 ? error : (int64_t)sizeof(value);
}

static unsigned eventfd_poll(struct file *file, struct poll_watcher *watcher)
{
    struct eventfd *event = file->private;
    irq_state_t irq = spin_lock_irq(&event->lock);
    unsigned events = event->count > 0 ? EPOLLIN : 0;

    if (event->count < COUNT_MAX)
        events |= EPOLLOUT;
    poll_watch(&event->polled, watcher);
    spin_unlock_irq(&event->lock, irq);
    return events;
}

static void eventfd_release(struct file *file)
{
    kfree(file->private);
}

static const struct file_ops eventfd_ops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
};

struct file *eventfd_create(uint64_t count, bool is_semaphore, unsigned flags)
{
    struct eventfd *event = kzalloc_user(sizeof(*event));
    struct file *file = NULL;

    if (event != NULL)
        file = file_create(&eventfd_ops, O_RDWR | flags, NULL, event);
    if (file == NULL) {
        kfree(event);
        return NULL;
    }
    spin_init(&event->lock, "eventfd", LOCK_RANK_WAIT);
    event->is_semaphore = is_semaphore;
    event->count = count;
    waitq_init(&event->readers);
    waitq_init(&event->writers);
    poll_queue_init(&event->polled, &event->lock);
    return file;
}
