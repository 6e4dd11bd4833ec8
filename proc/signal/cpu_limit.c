/*
 * RLIMIT_CPU: a process that has used its soft limit of CPU time gets SIGXCPU, and again after each
 * further second; for this its soft limit grows, as on Linux. At the hard limit it is killed.
 *
 * While there is a limit a timer of the kernel runs, for as long as it takes at least until the
 * limit can be reached, with all CPUs running the process. Then what was used is looked at. It
 * never runs for long, because the timer cannot be set anew when the limit is lowered.
 */

#include <arch/smp.h>
#include <kernel/clock.h>
#include <linux/resource.h>
#include <proc/process_impl.h>
#include <proc/signal_impl.h>

/* How often what was used is looked at, and how seldom. */
#define STEP_NS_MIN NSEC_PER_MSEC
#define STEP_NS_MAX (100 * NSEC_PER_MSEC)

static void look(struct timer *timer);

/* The seconds at which something happens next; RLIM_INFINITY: there is no limit. Locked. */
static uint64_t next_s(const struct process *process)
{
    const struct rlimit *limit = &process->limits[RLIMIT_CPU];

    return MIN(limit->rlim_cur, limit->rlim_max);
}

void signal_cpu_limit_watch(struct process *process)
{
    uint64_t limit_s = next_s(process), used_ns, next_ns, step_ns;

    if (limit_s == RLIM_INFINITY || process->signals.cpu_limit_is_watched || process->is_ending)
        return;
    used_ns = signal_used_ns(process, 0);
    next_ns = MIN(limit_s, used_ns / NSEC_PER_SEC + 1) * NSEC_PER_SEC;
    step_ns = next_ns > used_ns ? (next_ns - used_ns) / nr_cpus_online : 0;
    step_ns = MIN(MAX(step_ns, STEP_NS_MIN), STEP_NS_MAX);
    process->signals.cpu_limit_is_watched = true;
    timer_start(&process->signals.cpu_limit, clock_now_ns() + step_ns, look);
}

/* What it has used is compared with the limits. Locked. */
static void enforce(struct process *process)
{
    struct rlimit *limit = &process->limits[RLIMIT_CPU];
    uint64_t used_s = signal_used_ns(process, 0) / NSEC_PER_SEC;
    siginfo_t info = {.si_code = SI_KERNEL};

    if (used_s >= limit->rlim_max)
        info.si_signo = SIGKILL;
    else if (used_s >= MAX(limit->rlim_cur, 1ul))
        info.si_signo = SIGXCPU;
    else
        return;
    __atomic_store_n(&limit->rlim_cur, MIN(used_s + 1, limit->rlim_max), __ATOMIC_RELAXED);
    signal_post(process, NULL, &info);
}

static void look(struct timer *timer)
{
    struct process *process = container_of(timer, struct process, signals.cpu_limit);
    irq_state_t irq = spin_lock_irq(&process->lock);

    process->signals.cpu_limit_is_watched = false;
    if (!process->is_ending)
        enforce(process);
    signal_cpu_limit_watch(process);
    spin_unlock_irq(&process->lock, irq);
}

void signal_cpu_limit_forget(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);

    process->is_ending = true;
    spin_unlock_irq(&process->lock, irq);
    timer_cancel(&process->signals.cpu_limit);
}
