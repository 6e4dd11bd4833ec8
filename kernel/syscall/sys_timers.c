/* System calls about timers that send signals. */

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <mm/user_copy.h>
#include <proc/timers.h>

#include "sys.h"

#define SECONDS_MAX (INT64_MAX / (int64_t)NSEC_PER_SEC / 4)

static uint64_t capped_ns(int64_t seconds, int64_t ns)
{
    return (uint64_t)MIN(seconds, SECONDS_MAX) * NSEC_PER_SEC + (uint64_t)ns;
}

/* ---- Interval timers ------------------------------------------------------------------------- */

static struct __kernel_old_timeval timeval_of(uint64_t ns)
{
    /* What is set is never shown as 0, which says that it is not. */
    uint64_t us = (ns + NSEC_PER_USEC - 1) / NSEC_PER_USEC;

    return (struct __kernel_old_timeval){
        .tv_sec = (__kernel_long_t)(us / 1000000),
        .tv_usec = (__kernel_long_t)(us % 1000000),
    };
}

static int store_itimer(vaddr_t at, const struct timer_times *times)
{
    struct __kernel_old_itimerval value = {
        .it_interval = timeval_of(times->interval_ns),
        .it_value = timeval_of(times->value_ns),
    };

    return user_copy_to(at, &value, sizeof(value));
}

static bool is_timeval(const struct __kernel_old_timeval *t)
{
    return t->tv_sec >= 0 && t->tv_usec >= 0 && t->tv_usec < 1000000;
}

int64_t sys_setitimer(int which, vaddr_t value_at, vaddr_t old_at)
{
    struct __kernel_old_itimerval value;
    struct timer_times times, old;
    int error;

    memset(&value, 0, sizeof(value)); /* as in Linux, no value is that of a timer that is not set */
    if (value_at != 0 && user_copy_from(&value, value_at, sizeof(value)) != 0)
        return -EFAULT;
    if (!is_timeval(&value.it_value) || !is_timeval(&value.it_interval))
        return -EINVAL;
    times.value_ns =
        capped_ns(value.it_value.tv_sec, value.it_value.tv_usec * (int64_t)NSEC_PER_USEC);
    times.interval_ns =
        capped_ns(value.it_interval.tv_sec, value.it_interval.tv_usec * (int64_t)NSEC_PER_USEC);
    error = signal_set_itimer(which, &times, &old);
    if (error != 0 || old_at == 0)
        return error;
    return store_itimer(old_at, &old);
}

int64_t sys_getitimer(int which, vaddr_t value_at)
{
    struct timer_times times;
    int error = signal_set_itimer(which, NULL, &times);

    return error != 0 ? error : store_itimer(value_at, &times);
}

/* What was left is in whole seconds, and never 0 where there was something. */
int64_t sys_alarm(unsigned seconds)
{
    struct timer_times times = {.value_ns = seconds * (uint64_t)NSEC_PER_SEC}, old;
    int error = signal_set_itimer(ITIMER_REAL, &times, &old);

    if (error != 0)
        return error;
    if (old.value_ns != 0 && old.value_ns < NSEC_PER_SEC)
        return 1;
    return (int64_t)((old.value_ns + NSEC_PER_SEC / 2) / NSEC_PER_SEC);
}

/* ---- timer_create() and its kin -----------------------------------------------------------------
 */

static int store_times(vaddr_t at, const struct timer_times *times)
{
    struct __kernel_itimerspec value = {
        .it_interval = {.tv_sec = (int64_t)(times->interval_ns / NSEC_PER_SEC),
                        .tv_nsec = (int64_t)(times->interval_ns % NSEC_PER_SEC)},
        .it_value = {.tv_sec = (int64_t)(times->value_ns / NSEC_PER_SEC),
                     .tv_nsec = (int64_t)(times->value_ns % NSEC_PER_SEC)},
    };

    return user_copy_to(at, &value, sizeof(value));
}

static bool is_timespec(const struct __kernel_timespec *t)
{
    return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < (int64_t)NSEC_PER_SEC;
}

int64_t sys_timer_create(int clock, vaddr_t event_at, vaddr_t id_at)
{
    struct signal_timer_attr attr = {.clock = clock, .notify = SIGEV_SIGNAL, .signal = SIGALRM};
    struct sigevent event;
    int id;

    if (event_at != 0) {
        if (user_copy_from(&event, event_at, sizeof(event)) != 0)
            return -EFAULT;
        attr.notify = event.sigev_notify;
        attr.signal = event.sigev_signo;
        attr.tid = event.sigev_notify_thread_id;
        attr.value = event.sigev_value;
        attr.has_value = true;
    }
    id = signal_timer_create(&attr);
    if (id < 0)
        return id;
    if (user_copy_to(id_at, &id, sizeof(id)) != 0) {
        int error = signal_timer_delete(id);

        (void)error; /* another LWP of the program may have guessed the number */
        return -EFAULT;
    }
    return 0;
}

int64_t sys_timer_settime(int id, int flags, vaddr_t value_at, vaddr_t old_at)
{
    struct __kernel_itimerspec value;
    struct timer_times times, old;
    int error;

    if (user_copy_from(&value, value_at, sizeof(value)) != 0)
        return -EFAULT;
    if (!is_timespec(&value.it_value) || !is_timespec(&value.it_interval))
        return -EINVAL;
    times.value_ns = capped_ns(value.it_value.tv_sec, value.it_value.tv_nsec);
    times.interval_ns = capped_ns(value.it_interval.tv_sec, value.it_interval.tv_nsec);
    error = signal_timer_set(id, &times, flags & TIMER_ABSTIME, &old);
    if (error != 0 || old_at == 0)
        return error;
    return store_times(old_at, &old);
}

int64_t sys_timer_gettime(int id, vaddr_t value_at)
{
    struct timer_times times;
    int error = signal_timer_get(id, &times);

    return error != 0 ? error : store_times(value_at, &times);
}

int64_t sys_timer_getoverrun(int id)
{
    return signal_timer_overruns(id);
}

int64_t sys_timer_delete(int id)
{
    return signal_timer_delete(id);
}
