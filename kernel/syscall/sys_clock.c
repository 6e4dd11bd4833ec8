/*
 * System calls about clocks (linux/time.h). The monotonic ones are the kernel's clock; calendar
 * time is a distance from it, which can be set (kernel/realtime.c).
 */

#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/realtime.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/timex.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/report.h>
#include <proc/signal.h>
#include <sched/read.h>
#include <sched/sched.h>

#include "sys.h"

/* Numbers below 0 are the CPU clock of a process or LWP (linux/posix-timers.h). */
#define CPU_CLOCK_KIND     3
#define CPU_CLOCK_OF_LWP   4
#define CPU_CLOCK_NR_KINDS 3 /* which are the same here: no time is only the kernel's */

static int add_run_ns(struct user_lwp *lwp, void *arg)
{
    struct process_usage *usage = arg;
    struct thrum_sched_lwp record = {0};

    sched_read_lwp(&lwp->lwp, &record);
    usage->run_ns = record.run_ns;
    return 0;
}

static int read_cpu_clock(int clock, uint64_t *now_ns)
{
    struct process_report report;
    int id = ~(clock >> 3), error;

    if ((clock & CPU_CLOCK_KIND) == CPU_CLOCK_NR_KINDS || id < 0)
        return -EINVAL;
    if (clock & CPU_CLOCK_OF_LWP) {
        struct process_usage usage = {0};

        error = user_lwp_visit(id, 0, add_run_ns, &usage);
        *now_ns = usage.run_ns;
    } else {
        error = process_report(id != 0 ? id : process_current()->pid, 0, &report);
        *now_ns = report.usage.run_ns;
    }
    return error == 0 ? 0 : -EINVAL;
}

/* The time of any clock. 0 or -EINVAL. */
static int read_clock(int clock, uint64_t *now_ns)
{
    struct process_usage usage;

    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: /* nobody has told how many leap seconds there are */
        *now_ns = realtime_at_boot_ns() + clock_now_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        *now_ns = clock_now_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        process_usage(process_current(), &usage);
        *now_ns = usage.run_ns;
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        *now_ns = sched_run_ns();
        return 0;
    default:
        return clock < 0 ? read_cpu_clock(clock, now_ns) : -EINVAL;
    }
}

int64_t sys_clock_gettime(int clock, vaddr_t time_at)
{
    uint64_t now_ns;
    int error = read_clock(clock, &now_ns);

    return error != 0 ? error : syscall_write_time(time_at, now_ns);
}

int64_t sys_clock_getres(int clock, vaddr_t resolution_at)
{
    uint64_t now_ns;
    int error = read_clock(clock, &now_ns);

    if (error != 0 || resolution_at == 0)
        return error;
    return syscall_write_time(resolution_at, 1);
}

static int set_realtime(uint64_t time_ns)
{
    if (!credentials_are_root(credentials_current()))
        return -EPERM;
    if (time_ns < clock_now_ns() + NSEC_PER_SEC) /* a time before the machine was started */
        return -EINVAL;
    realtime_set(time_ns);
    return 0;
}

int64_t sys_clock_settime(int clock, vaddr_t time_at)
{
    uint64_t time_ns, now_ns;
    int error = syscall_read_time(time_at, &time_ns);

    if (error != 0)
        return error;
    if (clock == CLOCK_REALTIME)
        return set_realtime(time_ns);
    error = read_clock(clock, &now_ns);
    return error != 0 || clock < 0                                                 ? -EINVAL
           : clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID ? -EPERM
                                                                                   : -EINVAL;
}

/* ---- adjtimex() ----------------------------------------------------------------------------- */

#define WORST_ERROR_US 16000000 /* Linux's NTP_PHASE_LIMIT */

/* The offset that ADJ_SETOFFSET adds; its fraction is never negative. */
static int step_realtime(const struct __kernel_timex *t)
{
    int64_t fraction = t->modes & ADJ_NANO ? t->time.tv_usec : t->time.tv_usec * 1000;
    int64_t offset_ns;

    if (t->time.tv_usec < 0 ||
        t->time.tv_usec >=
            (int64_t)(t->modes & ADJ_NANO ? NSEC_PER_SEC : NSEC_PER_SEC / NSEC_PER_USEC) ||
        __builtin_mul_overflow(t->time.tv_sec, (int64_t)NSEC_PER_SEC, &offset_ns) ||
        __builtin_add_overflow(offset_ns, fraction, &offset_ns) ||
        __builtin_add_overflow(offset_ns, (int64_t)(realtime_at_boot_ns() + clock_now_ns()),
                               &offset_ns) ||
        offset_ns < 0)
        return -EINVAL;
    return set_realtime((uint64_t)offset_ns);
}

/*
 * The clock runs at the rate that was found while booting. It can be moved by a step, and a program
 * may ask; nothing makes it faster or slower, so nobody takes it to be synchronised.
 */
int64_t sys_adjtimex(vaddr_t timex_at)
{
    struct __kernel_timex t;
    uint64_t now_ns;
    int error;

    if (user_copy_from(&t, timex_at, sizeof(t)) != 0)
        return -EFAULT;
    if (t.modes != 0 && t.modes != ADJ_OFFSET_SS_READ &&
        !credentials_are_root(credentials_current()))
        return -EPERM;
    if (t.modes & ADJ_SETOFFSET && !(t.modes & ~(unsigned)(ADJ_SETOFFSET | ADJ_NANO)))
        error = step_realtime(&t);
    else
        error = t.modes == 0 || t.modes == ADJ_OFFSET_SS_READ ? 0 : -EINVAL;
    if (error != 0)
        return error;
    now_ns = realtime_at_boot_ns() + clock_now_ns();
    t = (struct __kernel_timex){
        .modes = t.modes,
        .maxerror = WORST_ERROR_US,
        .esterror = WORST_ERROR_US,
        .status = STA_UNSYNC,
        .precision = 1,
        .tick = 10000, /* microseconds that a hundredth of a second has */
        .time = {.tv_sec = (int64_t)(now_ns / NSEC_PER_SEC),
                 .tv_usec = (int64_t)(now_ns % NSEC_PER_SEC / NSEC_PER_USEC)},
    };
    return user_copy_to(timex_at, &t, sizeof(t)) != 0 ? -EFAULT : TIME_ERROR;
}

int64_t sys_clock_adjtime(int clock, vaddr_t timex_at)
{
    uint64_t now_ns;

    if (clock == CLOCK_REALTIME)
        return sys_adjtimex(timex_at);
    return clock >= 0 && read_clock(clock, &now_ns) == 0 ? -EOPNOTSUPP : -EINVAL;
}

/* ---- In microseconds and seconds ------------------------------------------------------------ */

int64_t sys_gettimeofday(vaddr_t time_at, vaddr_t zone_at)
{
    static const struct timezone utc = {0, 0};
    uint64_t now_ns = realtime_at_boot_ns() + clock_now_ns();
    struct __kernel_old_timeval now = {
        .tv_sec = (__kernel_long_t)(now_ns / NSEC_PER_SEC),
        .tv_usec = (__kernel_long_t)(now_ns % NSEC_PER_SEC / NSEC_PER_USEC),
    };

    if (time_at != 0 && user_copy_to(time_at, &now, sizeof(now)) != 0)
        return -EFAULT;
    return zone_at != 0 ? user_copy_to(zone_at, &utc, sizeof(utc)) : 0;
}

/* There is no time zone but UTC: that is the C library's affair. */
int64_t sys_settimeofday(vaddr_t time_at, vaddr_t zone_at)
{
    struct __kernel_old_timeval time;
    struct timezone zone;

    if (zone_at != 0) {
        if (user_copy_from(&zone, zone_at, sizeof(zone)) != 0)
            return -EFAULT;
        if (zone.tz_minuteswest != 0 || zone.tz_dsttime != 0)
            return -EINVAL;
    }
    if (time_at == 0)
        return 0;
    if (user_copy_from(&time, time_at, sizeof(time)) != 0)
        return -EFAULT;
    if (time.tv_sec < 0 || time.tv_sec > (int64_t)(INT64_MAX / NSEC_PER_SEC / 2) ||
        time.tv_usec < 0 || time.tv_usec >= 1000000)
        return -EINVAL;
    return set_realtime((uint64_t)time.tv_sec * NSEC_PER_SEC +
                        (uint64_t)time.tv_usec * NSEC_PER_USEC);
}

int64_t sys_time(vaddr_t time_at)
{
    int64_t seconds = (int64_t)((realtime_at_boot_ns() + clock_now_ns()) / NSEC_PER_SEC);

    if (time_at != 0 && user_copy_to(time_at, &seconds, sizeof(seconds)) != 0)
        return -EFAULT;
    return seconds;
}

/* ---- Sleeping ------------------------------------------------------------------------------- */

int64_t sys_clock_nanosleep(int clock, int flags, vaddr_t request_at, vaddr_t rest_at)
{
    bool is_realtime = false;
    uint64_t time_ns;
    int error;

    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        is_realtime = true;
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        break;
    case CLOCK_PROCESS_CPUTIME_ID:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
    if (!(flags & TIMER_ABSTIME))
        return sys_nanosleep(request_at, rest_at);
    error = syscall_read_time(request_at, &time_ns);
    if (error != 0)
        return error;
    error = is_realtime ? realtime_sleep_until(time_ns) : sched_sleep_until(time_ns);
    return error == -ERESTARTSYS ? -ERESTARTNOHAND : error;
}
