/* System calls about files that count: events, and the expiries of timers. */

#include <kernel/errno.h>
#include <kernel/eventfd.h>
#include <kernel/file.h>
#include <linux/fcntl.h>
#include <linux/time.h>
#include <linux/timerfd.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

#define EFD_SEMAPHORE 1u /* in no header of Linux's ABI */

int64_t sys_eventfd2(unsigned count, unsigned flags)
{
    struct file *file;

    if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    file = eventfd_create(count, flags & EFD_SEMAPHORE, flags & O_NONBLOCK);
    return file != NULL ? syscall_install(file, flags & O_CLOEXEC) : -ENOMEM;
}

int64_t sys_eventfd(unsigned count)
{
    return sys_eventfd2(count, 0);
}

/* ---- Timers --------------------------------------------------------------------------------- */

int64_t sys_timerfd_create(int clock, unsigned flags)
{
    bool is_realtime = false;
    struct file *file;

    if (flags & ~(unsigned)(TFD_CLOEXEC | TFD_NONBLOCK))
        return -EINVAL;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM: /* the machine never sleeps, so there is nothing to wake it from */
        is_realtime = true;
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        break;
    default:
        return -EINVAL;
    }
    file = timerfd_create(is_realtime, flags & O_NONBLOCK);
    return file != NULL ? syscall_install(file, flags & O_CLOEXEC) : -ENOMEM;
}

/* Both as in a struct itimerspec. */
static int read_time(vaddr_t at, struct timerfd_time *time)
{
    int error = syscall_read_time(at + offsetof(struct itimerspec, it_value), &time->value_ns);

    if (error != 0)
        return error;
    return syscall_read_time(at + offsetof(struct itimerspec, it_interval), &time->interval_ns);
}

static int write_time(vaddr_t at, const struct timerfd_time *time)
{
    int error = syscall_write_time(at + offsetof(struct itimerspec, it_value), time->value_ns);

    if (error != 0)
        return error;
    return syscall_write_time(at + offsetof(struct itimerspec, it_interval), time->interval_ns);
}

int64_t sys_timerfd_settime(int fd, unsigned flags, vaddr_t time_at, vaddr_t old_at)
{
    struct timerfd_time time, old;
    struct file *file;
    int error;

    if (flags & ~(unsigned)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
        return -EINVAL;
    error = read_time(time_at, &time);
    if (error != 0)
        return error;
    file = fd_get(process_current()->files, fd);
    if (file == NULL)
        return -EBADF;
    error = timerfd_set(file, &time, flags, &old);
    file_put(file);
    if (error == 0 && old_at != 0)
        error = write_time(old_at, &old);
    return error;
}

int64_t sys_timerfd_gettime(int fd, vaddr_t time_at)
{
    struct file *file = fd_get(process_current()->files, fd);
    struct timerfd_time time;
    int error;

    if (file == NULL)
        return -EBADF;
    error = timerfd_get(file, &time);
    file_put(file);
    return error == 0 ? write_time(time_at, &time) : error;
}
