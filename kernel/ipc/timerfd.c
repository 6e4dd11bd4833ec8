/*
 * Timers that are files: reading gives how often one has expired since it was last read or set.
 *
 * Expiries are counted from the clock (catch_up()), when somebody looks. The kernel's timer is only
 * there to wake who waits: it runs for the next expiry until that has come, and for the one after
 * it when the file has been read. So however short the interval is, one that nobody reads costs one
 * interrupt.
 *
 * The kernel's timer takes the lock, so it cannot be cancelled with that held: who sets the timer
 * makes `is_set` false first, which leaves nothing to be done for the others, and has the mutex, so
 * that there is only one who sets.
 *
 * A timer that was set to a calendar time is set anew when that clock is (kernel/realtime.h). With
 * TFD_TIMER_CANCEL_ON_SET whoever reads it is told that, once, by -ECANCELED; and so is who sets
 * it, if nobody has read it meanwhile.
 */

#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/eventfd.h>
#include <kernel/file.h>
#include <kernel/mutex.h>
#include <kernel/poll.h>
#include <kernel/realtime.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/timerfd.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <sched/timer.h>

struct timerfd {
    struct mutex setting;
    struct spinlock lock;
    struct timer timer;       /* lock, and `setting` to cancel it */
    bool is_running;          /* lock: the timer is */
    bool is_set;              /* lock: it will expire, at next_ns */
    uint64_t next_ns;         /* lock: clock_now_ns() */
    uint64_t interval_ns;     /* lock; 0: it expires once */
    uint64_t nr_expired;      /* lock */
    bool is_realtime;         /* constant: its clock is the calendar's, and `follower` is used */
    bool is_absolute;         /* lock: it was set to a time of that clock, ... */
    bool is_cancelled_by_set; /* lock: ... and who reads is to know when that clock is set, ... */
    bool was_cancelled;       /* lock: ... which it was, and nobody knows yet */
    uint64_t at_boot_ns;      /* lock: the calendar's time at boot that next_ns reckons with */
    struct realtime_follower follower;
    struct waitq readers;     /* lock */
    struct poll_queue polled; /* lock */
};

/* Counts what has expired until now. Locked. */
static void catch_up(struct timerfd *t)
{
    uint64_t now_ns = clock_now_ns(), nr;

    if (!t->is_set || now_ns < t->next_ns)
        return;
    if (t->interval_ns == 0) {
        t->is_set = false;
        t->nr_expired++;
        return;
    }
    nr = (now_ns - t->next_ns) / t->interval_ns + 1;
    t->nr_expired += nr;
    t->next_ns += nr * t->interval_ns;
}

static void expired(struct timer *timer);

/* Lets the kernel's timer run for the next expiry. Locked. */
static void run(struct timerfd *t)
{
    if (!t->is_set || t->is_running)
        return;
    t->is_running = true;
    timer_start(&t->timer, t->next_ns, expired);
}

static void expired(struct timer *timer)
{
    struct timerfd *t = container_of(timer, struct timerfd, timer);
    irq_state_t irq = spin_lock_irq(&t->lock);

    t->is_running = false;
    catch_up(t);
    if (t->nr_expired > 0) {
        waitq_wake_first(&t->readers);
        poll_notify_events(&t->polled, EPOLLIN);
    } else {
        run(t); /* somebody has read what it was to tell */
    }
    spin_unlock_irq(&t->lock, irq);
}

static int64_t timerfd_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    bool is_nonblocking = atomic_load(&file->flags) & O_NONBLOCK;
    struct timerfd *t = file->private;
    irq_state_t irq;
    uint64_t value;
    int error = 0;

    (void)offset;
    if (nr_bytes < sizeof(value))
        return -EINVAL;
    irq = spin_lock_irq(&t->lock);
    for (catch_up(t); t->nr_expired == 0 && !t->was_cancelled && error == 0; catch_up(t))
        error = is_nonblocking ? -EAGAIN : waitq_sleep(&t->readers, &t->lock, WAITQ_FOREVER, true);
    value = t->nr_expired;
    if (t->was_cancelled) {
        error = -ECANCELED;
        t->was_cancelled = false;
        t->nr_expired = 0;
        run(t);
    } else if (value > 0) {
        error = 0;
        t->nr_expired = 0;
        run(t);
    }
    spin_unlock_irq(&t->lock, irq);
    if (error == 0)
        error = user_copy_to(to, &value, sizeof(value));
    return error != 0 ? error : (int64_t)sizeof(value);
}

static unsigned timerfd_poll(struct file *file, struct poll_watcher *watcher)
{
    struct timerfd *t = file->private;
    irq_state_t irq = spin_lock_irq(&t->lock);
    unsigned events;

    catch_up(t);
    events = t->nr_expired > 0 || t->was_cancelled ? EPOLLIN : 0;
    poll_watch(&t->polled, watcher);
    spin_unlock_irq(&t->lock, irq);
    return events;
}

/* What is left. Locked, and caught up. */
static struct timerfd_time rest_of(const struct timerfd *t)
{
    struct timerfd_time time = {.interval_ns = t->interval_ns};
    uint64_t now_ns = clock_now_ns();

    if (t->is_set)
        time.value_ns = t->next_ns > now_ns ? t->next_ns - now_ns : 1;
    return time;
}

/* The kernel's timer does not run, and nothing expires. */
static void stop(struct timerfd *t, struct timerfd_time *old)
{
    irq_state_t irq = spin_lock_irq(&t->lock);

    catch_up(t);
    *old = rest_of(t);
    t->is_set = false;
    t->nr_expired = 0;
    spin_unlock_irq(&t->lock, irq);
    timer_cancel(&t->timer);
}

static const struct file_ops timerfd_ops;

int timerfd_set(struct file *file, const struct timerfd_time *time, unsigned flags,
                struct timerfd_time *old)
{
    struct timerfd *t = file->private;
    bool was_cancelled;
    irq_state_t irq;

    if (file->ops != &timerfd_ops)
        return -EINVAL;
    mutex_lock(&t->setting);
    stop(t, old);
    irq = spin_lock_irq(&t->lock);
    t->is_running = false;
    t->is_set = time->value_ns != 0;
    t->interval_ns = time->interval_ns;
    t->is_absolute = flags & TFD_TIMER_ABSTIME;
    t->is_cancelled_by_set = t->is_realtime && t->is_absolute && (flags & TFD_TIMER_CANCEL_ON_SET);
    was_cancelled = t->was_cancelled && t->is_cancelled_by_set;
    t->was_cancelled = false;
    t->at_boot_ns = t->is_realtime ? realtime_at_boot_ns() : 0;
    if (t->is_absolute)
        t->next_ns = realtime_to_clock_ns(time->value_ns, t->at_boot_ns);
    else
        t->next_ns = clock_now_ns() + time->value_ns;
    run(t);
    spin_unlock_irq(&t->lock, irq);
    mutex_unlock(&t->setting);
    return was_cancelled ? -ECANCELED : 0;
}

static void wake_all(struct timerfd *t)
{
    waitq_wake_all(&t->readers);
    poll_notify_events(&t->polled, EPOLLIN);
}

/*
 * What next_ns was with another calendar time at boot, it is to be with this. Expiries that would
 * have been before that are counted here. Locked.
 */
static void move_next(struct timerfd *t, uint64_t at_boot_ns)
{
    uint64_t time_ns = t->next_ns + t->at_boot_ns, nr;

    if (time_ns < at_boot_ns && t->interval_ns != 0) {
        nr = (at_boot_ns - time_ns) / t->interval_ns + 1;
        t->nr_expired += nr;
        time_ns += nr * t->interval_ns;
    }
    t->next_ns = realtime_to_clock_ns(time_ns, at_boot_ns);
    t->at_boot_ns = at_boot_ns;
}

/* The calendar's clock was set. */
static void clock_moved(struct realtime_follower *follower)
{
    struct timerfd *t = container_of(follower, struct timerfd, follower);
    irq_state_t irq;
    bool is_set;

    mutex_lock(&t->setting);
    irq = spin_lock_irq(&t->lock);
    catch_up(t);
    is_set = t->is_set && t->is_absolute;
    if (is_set)
        t->is_set = false; /* until the kernel's timer has stopped */
    spin_unlock_irq(&t->lock, irq);
    if (is_set)
        timer_cancel(&t->timer);
    irq = spin_lock_irq(&t->lock);
    if (is_set) {
        t->is_set = true;
        t->is_running = false;
        move_next(t, realtime_at_boot_ns());
        if (t->nr_expired == 0)
            run(t);
        else
            wake_all(t); /* who reads lets it run on */
    }
    if (t->is_cancelled_by_set) {
        t->was_cancelled = true;
        wake_all(t);
    }
    spin_unlock_irq(&t->lock, irq);
    mutex_unlock(&t->setting);
}

int timerfd_get(struct file *file, struct timerfd_time *time)
{
    struct timerfd *t = file->private;
    irq_state_t irq;

    if (file->ops != &timerfd_ops)
        return -EINVAL;
    irq = spin_lock_irq(&t->lock);
    catch_up(t);
    *time = rest_of(t);
    spin_unlock_irq(&t->lock, irq);
    return 0;
}

static void timerfd_release(struct file *file)
{
    struct timerfd *t = file->private;
    struct timerfd_time old;

    if (t->is_realtime)
        realtime_unfollow(&t->follower);
    stop(t, &old);
    kfree(t);
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
};

struct file *timerfd_create(bool is_realtime, unsigned flags)
{
    struct timerfd *t = kzalloc_user(sizeof(*t));
    struct file *file = t != NULL ? file_create(&timerfd_ops, O_RDWR | flags, NULL, t) : NULL;

    if (file == NULL) {
        kfree(t);
        return NULL;
    }
    mutex_init(&t->setting, "timerfd");
    spin_init(&t->lock, "timerfd", LOCK_RANK_WAIT);
    t->is_realtime = is_realtime;
    waitq_init(&t->readers);
    poll_queue_init(&t->polled, &t->lock);
    if (is_realtime)
        realtime_follow(&t->follower, clock_moved);
    return file;
}
