#ifndef KERNEL_EVENTFD_H
#define KERNEL_EVENTFD_H

/* Files that count: events (kernel/ipc/eventfd.c) and the expiries of a timer (timerfd.c). */

#include <kernel/types.h>

struct file;

/* A file with a counter, as eventfd(); `flags`: O_NONBLOCK or 0. NULL: out of memory. */
struct file *eventfd_create(uint64_t count, bool is_semaphore, unsigned flags);

/* What a timer is set to, or how much is left of it: nanoseconds. */
struct timerfd_time {
    uint64_t value_ns; /* until it expires; 0: it does not */
    uint64_t interval_ns;
};

/* Its times are calendar time, or the kernel's clock's. NULL: out of memory. May sleep. */
struct file *timerfd_create(bool is_realtime, unsigned flags);

/*
 * As timerfd_settime(), with its flags; tells what the timer was. 0; -EINVAL: the file is no timer;
 * -ECANCELED: the timer is set, and the clock was set since somebody asked. May sleep.
 */
int timerfd_set(struct file *file, const struct timerfd_time *time, unsigned flags,
                struct timerfd_time *old) MUST_CHECK;
int timerfd_get(struct file *file, struct timerfd_time *time) MUST_CHECK;

#endif
