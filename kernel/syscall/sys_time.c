/* Times that system calls take and give, and sleeping. */

#include <kernel/clock.h>
#include <kernel/errno.h>
#include <linux/time_types.h>
#include <mm/user_copy.h>
#include <proc/signal.h>
#include <sched/sched.h>

#include "sys.h"

#define TIME_MAX_NS ((uint64_t)INT64_MAX)

int syscall_read_time(vaddr_t at, uint64_t *ns)
{
    struct __kernel_timespec t;

    if (user_copy_from(&t, at, sizeof(t)) != 0)
        return -EFAULT;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= (int64_t)NSEC_PER_SEC)
        return -EINVAL;
    if ((uint64_t)t.tv_sec >= TIME_MAX_NS / NSEC_PER_SEC / 2)
        *ns = TIME_MAX_NS / 2;
    else
        *ns = (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
    return 0;
}

int syscall_write_time(vaddr_t at, uint64_t ns)
{
    struct __kernel_timespec t = {
        .tv_sec = (int64_t)(ns / NSEC_PER_SEC),
        .tv_nsec = (int64_t)(ns % NSEC_PER_SEC),
    };

    return user_copy_to(at, &t, sizeof(t));
}

/* args: the deadline, and where to store what is left of the time (0: nowhere). */
static int64_t sleep_on(const uint64_t args[RESTART_ARGS])
{
    uint64_t deadline_ns = args[0], now_ns;
    int error = sched_sleep_until(deadline_ns);

    if (error == 0)
        return 0;
    now_ns = clock_now_ns();
    if (args[1] != 0 &&
        syscall_write_time(args[1], deadline_ns > now_ns ? deadline_ns - now_ns : 0) != 0)
        return -EFAULT;
    return signal_restart_by(sleep_on, args);
}

int64_t sys_nanosleep(vaddr_t request_at, vaddr_t rest_at)
{
    uint64_t sleep_ns;
    int error = syscall_read_time(request_at, &sleep_ns);

    if (error != 0)
        return error;
    return sleep_on((uint64_t[RESTART_ARGS]){clock_now_ns() + sleep_ns, rest_at});
}
