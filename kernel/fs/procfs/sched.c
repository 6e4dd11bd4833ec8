/*
 * /proc/sched: what scheduling knows of CPUs, groups and LWPs, as tables; and /proc/[pid]/sched,
 * the same of one LWP. docs/procfs.md has the columns.
 *
 * Each line is of one moment, the table is not.
 */

#include <kernel/errno.h>
#include <sched/read.h>

#include "procfs.h"

static void show_cpus(struct procfs_text *text)
{
    struct thrum_sched_cpu r;

    procfs_print(text, "%3s %8s %8s %8s %12s %12s %10s\n", "CPU", "RUNNABLE", "PROMISED", "TID",
                 "BUSY_MS", "IDLE_MS", "SWITCHES");
    for (uint64_t cpu = 0; sched_read_cpu(cpu, &r); cpu++)
        procfs_print(text, "%3lu %8u %7u%% %8d %12lu %12lu %10lu\n", cpu, r.nr_runnable,
                     r.promised_percent, r.tid,
                     (r.now_ns - MIN(r.idle_ns, r.now_ns)) / NSEC_PER_MSEC,
                     r.idle_ns / NSEC_PER_MSEC, r.nr_switches);
}

static void show_groups(struct procfs_text *text)
{
    procfs_print(text, "\n%5s %-8s %7s %6s\n", "GROUP", "CLASS", "MEMBERS", "SHARE");
    for (uint64_t n = 0;; n++) {
        struct thrum_sched_group r = {0};

        if (!sched_read_group(n, &r))
            break;
        procfs_print(text, "%5u %-8s %7u %5u%%%s\n", r.group, r.class, r.nr_members,
                     r.share_percent, r.was_replaced ? " replaced" : "");
    }
}

static const char *state_name(uint32_t state)
{
    static const char *const names[] = {"new", "ready", "running", "blocked", "zombie"};

    return state < ARRAY_LEN(names) ? names[state] : "?";
}

static void show_lwp(struct procfs_text *text, const struct thrum_sched_lwp *r)
{
    procfs_print(text, "%7d %7d %-15s %-7s %3u %5u %-8s ", r->tid, r->pid, r->name,
                 state_name(r->state), r->cpu, r->group, r->class);
    if (r->level >= 0)
        procfs_print(text, "%5d ", r->level);
    else
        procfs_print(text, "%5s ", "-");
    procfs_print(text, "%20lu %4d %4u %5u%% %10lu %10lu %10lu %6lu\n", r->pass, r->params.nice,
                 r->params.priority, r->share_percent, r->run_ns / NSEC_PER_MSEC,
                 r->wait_ns / NSEC_PER_MSEC, r->nr_switches, r->nr_migrations);
}

int procfs_show_sched(struct procfs_text *text, const struct procfs_node *node)
{
    struct thrum_sched_lwp record;

    (void)node;
    show_cpus(text);
    show_groups(text);
    procfs_print(text, "\n%7s %7s %-15s %-7s %3s %5s %-8s %5s %20s %4s %4s %6s ", "TID", "PID",
                 "NAME", "STATE", "CPU", "GROUP", "CLASS", "LEVEL", "PASS", "NICE", "PRIO",
                 "SHARE");
    procfs_print(text, "%10s %10s %10s %6s\n", "RUN_MS", "WAIT_MS", "SWITCHES", "MIGR");
    for (int pid = process_next(1); pid != 0 && !text->is_full; pid = process_next(pid + 1)) {
        for (int tid = process_next_lwp(pid, 1); tid != 0; tid = process_next_lwp(pid, tid + 1)) {
            if (process_read_lwp(pid, tid, &record) == 0)
                show_lwp(text, &record);
        }
    }
    return 0;
}

int procfs_show_lwp_sched(struct procfs_text *text, const struct procfs_node *node)
{
    int pid = procfs_pid(node), tid = procfs_tid(node) != 0 ? procfs_tid(node) : pid;
    struct thrum_sched_lwp r;
    int error = process_read_lwp(pid, tid, &r);

    if (error != 0)
        return error;
    procfs_print(text, "%s (%d)\n", r.name, tid);
    procfs_print(text, "state : %s\ncpu : %u\ngroup : %u\nclass : %s\nlevel : %d\npass : %lu\n",
                 state_name(r.state), r.cpu, r.group, r.class, r.level, r.pass);
    procfs_print(text, "nice : %d\npriority : %u\ntickets : %u\nshare_percent : %u\n",
                 r.params.nice, r.params.priority, r.params.tickets, r.share_percent);
    procfs_print(text, "run_ns : %lu\nwait_ns : %lu\nnr_switches : %lu\nnr_migrations : %lu\n",
                 r.run_ns, r.wait_ns, r.nr_switches, r.nr_migrations);
    return 0;
}
