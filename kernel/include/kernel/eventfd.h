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

/* Clock times are those of clock_now_ns() + offset_ns. NULL: out of memory. */
struct file *timerfd_create(uint64_t offset_ns, unsigned flags);

/*
 * Sets a timer, to a time of its clock or (is_relative) from now on, and tells what it was. 0, or
 * -EINVAL: the file is no timer. May sleep.
 */
int timerfd_set(struct file *file, const struct timerfd_time *time, bool is_relative,
                struct timerfd_time *old) MUST_CHECK;
int timerfd_get(struct file *file, struct timerfd_time *time) MUST_CHECK;

#endif
