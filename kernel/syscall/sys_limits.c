/*
 * System calls about what a process may use, and has used.
 *
 * What is enforced, and where:
 *     NOFILE           kernel/fs/fdtable.c; of poll() sys_poll.c, of fcntl() sys_file.c, of
 *                      descriptors in messages kernel/net/rights.c
 *     FSIZE            kernel/fs
 *     SIGPENDING, CPU  proc/signal
 *     AS, DATA         sys_memory.c
 *     MEMLOCK          sys_memory_more.c
 *     STACK            of exec's arguments sys_process.c, of the first stack proc/image.c
 *     NPROC            proc/report.c
 *     NICE, RTPRIO     sys_policy.c
 * and, when an area grows downward, STACK, AS and MEMLOCK in mm/file_map_calls.c. CORE, RSS, LOCKS,
 * MSGQUEUE and RTTIME are only remembered.
 *
 * Time is not divided between a program and the kernel on its behalf: all of it is user time.
 */

#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/string.h>
#include <linux/resource.h>
#include <linux/times.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/report.h>
#include <sched/read.h>
#include <sched/sched.h>

#include "sys.h"

/* ---- Limits --------------------------------------------------------------------------------- */

struct limit_request {
    unsigned resource;
    const struct rlimit *wanted; /* NULL: only ask */
    struct rlimit old;
};

/* 0; -EPERM: the caller may not change this process's, or not so. */
static int change_limit(struct user_lwp *lwp, void *arg)
{
    struct limit_request *request = arg;
    struct process *process = lwp->process;
    struct rlimit *limit = &process->limits[request->resource];
    const struct rlimit *wanted = request->wanted;
    struct credentials *caller = credentials_current();

    if (process != process_current() && !credentials_are_root(caller) &&
        (caller->uid != process->credentials.uid || caller->uid != process->credentials.euid))
        return -EPERM;
    request->old = *limit;
    if (wanted == NULL)
        return 0;
    if (wanted->rlim_max > limit->rlim_max && !credentials_are_root(caller))
        return -EPERM;
    __atomic_store_n(&limit->rlim_cur, wanted->rlim_cur, __ATOMIC_RELAXED);
    __atomic_store_n(&limit->rlim_max, wanted->rlim_max, __ATOMIC_RELAXED);
    if (request->resource == RLIMIT_CPU)
        signal_cpu_limit_watch(process);
    return 0;
}

int64_t sys_prlimit64(int pid, unsigned resource, vaddr_t new_at, vaddr_t old_at)
{
    struct limit_request request = {.resource = resource};
    struct rlimit wanted;
    int error;

    if (resource >= RLIM_NLIMITS)
        return -EINVAL;
    if (new_at != 0) {
        if (user_copy_from(&wanted, new_at, sizeof(wanted)) != 0)
            return -EFAULT;
        if (wanted.rlim_cur > wanted.rlim_max)
            return -EINVAL;
        if (resource == RLIMIT_NOFILE && wanted.rlim_max > FDS_MAX)
            return -EPERM;
        request.wanted = &wanted;
    }
    error = user_lwp_visit(pid, VISIT_ENDED, change_limit, &request);
    if (error == 0 && old_at != 0)
        error = user_copy_to(old_at, &request.old, sizeof(request.old));
    return error;
}

int64_t sys_getrlimit(unsigned resource, vaddr_t limit_at)
{
    return limit_at != 0 ? sys_prlimit64(0, resource, 0, limit_at) : -EFAULT;
}

int64_t sys_setrlimit(unsigned resource, vaddr_t limit_at)
{
    return limit_at != 0 ? sys_prlimit64(0, resource, limit_at, 0) : -EFAULT;
}

/* ---- What has been used --------------------------------------------------------------------- */

static void read_self(struct process_usage *usage)
{
    struct user_lwp *self = user_lwp_current();
    struct thrum_sched_lwp record = {0};
    struct process_usage whole;

    process_usage(self->process, &whole);
    sched_read_lwp(&self->lwp, &record);
    *usage = (struct process_usage){
        .run_ns = sched_run_ns(),
        .nr_faults = self->nr_faults,
        .nr_waits = __atomic_load_n(&self->lwp.nr_waits, __ATOMIC_RELAXED),
        .nr_switches = record.nr_switches,
        .resident_max = whole.resident_max,
    };
}

int syscall_write_usage(vaddr_t usage_at, const struct process_usage *used)
{
    struct rusage usage;

    memset(&usage, 0, sizeof(usage));
    usage.ru_utime.tv_sec = (__kernel_old_time_t)(used->run_ns / NSEC_PER_SEC);
    usage.ru_utime.tv_usec = (__kernel_suseconds_t)(used->run_ns % NSEC_PER_SEC / NSEC_PER_USEC);
    usage.ru_maxrss = (__kernel_long_t)(used->resident_max * (PAGE_SIZE / 1024));
    usage.ru_minflt = (__kernel_long_t)used->nr_faults;
    usage.ru_nvcsw = (__kernel_long_t)used->nr_waits;
    usage.ru_nivcsw =
        (__kernel_long_t)(used->nr_switches > used->nr_waits ? used->nr_switches - used->nr_waits
                                                             : 0);
    return user_copy_to(usage_at, &usage, sizeof(usage));
}

int64_t sys_getrusage(int who, vaddr_t usage_at)
{
    struct process_usage used;

    switch (who) {
    case RUSAGE_SELF:
        process_usage(process_current(), &used);
        break;
    case RUSAGE_CHILDREN:
        process_children_usage(process_current(), &used);
        break;
    case RUSAGE_THREAD:
        read_self(&used);
        break;
    default:
        return -EINVAL;
    }
    return syscall_write_usage(usage_at, &used);
}

#define NS_PER_TICK (NSEC_PER_SEC / 100) /* sysconf(_SC_CLK_TCK) is AT_CLKTCK */

int64_t sys_times(vaddr_t times_at)
{
    struct process_usage own, children;
    struct tms times;

    if (times_at != 0) {
        process_usage(process_current(), &own);
        process_children_usage(process_current(), &children);
        memset(&times, 0, sizeof(times));
        times.tms_utime = (__kernel_clock_t)(own.run_ns / NS_PER_TICK);
        times.tms_cutime = (__kernel_clock_t)(children.run_ns / NS_PER_TICK);
        if (user_copy_to(times_at, &times, sizeof(times)) != 0)
            return -EFAULT;
    }
    return (int64_t)(clock_now_ns() / NS_PER_TICK);
}
