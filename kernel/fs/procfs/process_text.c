/* What a process or an LWP is doing: stat, status, and what is short. The formats are proc(5)'s. */

#include <asm/resource.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/sched.h>
#include <mm/frame.h>
#include <sched/read.h>

#include "procfs.h"

#define PRIORITY_OF_NICE_0 20 /* stat: 20 + nice, or -1 - priority of those with a fixed one */
#define FDS_OF_A_TABLE     64 /* status: FDSize is a multiple of it */

uint64_t procfs_ticks(uint64_t duration_ns)
{
    return duration_ns / (NSEC_PER_SEC / 100);
}

/* proc(5): the letter, and what it means. */
static const char *state_name(const struct process_report *report)
{
    if (report->state == LWP_ZOMBIE)
        return "Z (zombie)";
    if (report->is_stopped)
        return "T (stopped)";
    return report->state == LWP_BLOCKED || report->state == LWP_NEW ? "S (sleeping)"
                                                                    : "R (running)";
}

/* An LWP's policy; that of a process is its first LWP's. */
static int policy_of(const struct thrum_sched_lwp *record)
{
    if (strcmp(record->class, "edf") == 0)
        return SCHED_DEADLINE;
    if (strcmp(record->class, "prio") != 0)
        return SCHED_NORMAL;
    return sched_read_turn_ns((int)record->group) != 0 ? SCHED_RR : SCHED_FIFO;
}

static int priority_of(const struct thrum_sched_lwp *record, int policy)
{
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return -1 - (int)record->params.priority;
    return policy == SCHED_DEADLINE ? -101 : PRIORITY_OF_NICE_0 + record->params.nice;
}

/* A name may be anything: it is not to end the line, or look as if it did. */
static void show_name(struct procfs_text *text, const char *name)
{
    for (; *name != '\0'; name++) {
        if (*name == '\n')
            procfs_append(text, "\\n", 2);
        else if (*name == '\\')
            procfs_append(text, "\\\\", 2);
        else
            procfs_append(text, name, 1);
    }
}

int procfs_show_stat(struct procfs_text *text, const struct procfs_node *node)
{
    struct thrum_sched_lwp sched = {.params.nice = 0};
    struct process_report r;
    struct procfs_memory memory;
    int error = process_report(procfs_pid(node), procfs_tid(node), &r), tid = procfs_tid(node),
        policy;

    if (error != 0)
        return error;
    if (process_read_lwp(r.pid, tid != 0 ? tid : r.pid, &sched) != 0)
        sched.params.nice = r.nice;
    policy = policy_of(&sched);
    procfs_read_memory(r.pid, &memory);
    /* pid (comm) state ppid pgrp session tty_nr tpgid flags */
    procfs_print(text, "%d (", tid != 0 ? tid : r.pid);
    show_name(text, r.name);
    procfs_print(text, ") %c %d %d %d %u %d 0 ", state_name(&r)[0], r.parent, r.group, r.session,
                 r.terminal, r.terminal_group);
    /* minflt cminflt majflt cmajflt utime stime cutime cstime */
    procfs_print(text, "%lu %lu 0 0 %lu 0 %lu 0 ", r.usage.nr_faults, r.children.nr_faults,
                 procfs_ticks(r.usage.run_ns), procfs_ticks(r.children.run_ns));
    /* priority nice num_threads itrealvalue starttime vsize rss rsslim */
    procfs_print(text, "%d %d %u 0 %lu %lu %lu %lu ", priority_of(&sched, policy),
                 (int)sched.params.nice, r.nr_lwps, procfs_ticks(r.started_ns),
                 (uint64_t)(memory.nr_pages * PAGE_SIZE), memory.nr_resident, RLIM_INFINITY);
    /* startcode endcode startstack kstkesp kstkeip: not told; signal blocked sigignore sigcatch */
    procfs_print(text, "0 0 0 0 0 %lu %lu %lu %lu ", r.pending & INT32_MAX, r.blocked & INT32_MAX,
                 r.ignored & INT32_MAX, r.caught & INT32_MAX);
    /* wchan nswap cnswap exit_signal processor rt_priority policy delayacct guest cguest */
    procfs_print(text, "0 0 0 %d %u %u %d 0 0 0 ", r.exit_signal, r.cpu,
                 policy == SCHED_FIFO || policy == SCHED_RR ? (unsigned)sched.params.priority : 0,
                 policy);
    /* start_data end_data start_brk arg_start arg_end env_start env_end exit_code */
    procfs_print(text, "0 0 %lu %lu %lu %lu %lu %d\n", memory.brk_start, r.args, r.environment,
                 r.environment, r.strings_end, r.state == LWP_ZOMBIE ? r.status : 0);
    return 0;
}

/* ---- status --------------------------------------------------------------------------------- */

static void show_credentials(struct procfs_text *text, const struct process_report *r)
{
    procfs_print(text, "Uid:\t%u\t%u\t%u\t%u\n", r->uid[0], r->uid[1], r->uid[2], r->uid[3]);
    procfs_print(text, "Gid:\t%u\t%u\t%u\t%u\n", r->gid[0], r->gid[1], r->gid[2], r->gid[3]);
}

static void show_groups(struct procfs_text *text, const struct process_report *r)
{
    procfs_print(text, "Groups:\t");
    for (unsigned i = 0; i < r->nr_groups; i++)
        procfs_print(text, "%u ", r->groups[i]);
    procfs_print(text, "\n");
}

static void show_memory(struct procfs_text *text, const struct process_report *r)
{
    static const uint64_t kib = PAGE_SIZE / 1024;
    struct procfs_memory m;

    procfs_read_memory(r->pid, &m);
    if (m.nr_pages == 0)
        return;
    procfs_print(text, "VmSize:\t%8lu kB\nVmLck:\t%8lu kB\n", m.nr_pages * kib, m.nr_locked * kib);
    procfs_print(text, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n",
                 MAX(r->space_resident_max, m.nr_resident) * kib, m.nr_resident * kib);
    procfs_print(text, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\n", m.nr_data * kib,
                 m.nr_stack * kib, m.nr_text * kib);
}

static void show_signals(struct procfs_text *text, const struct process_report *r)
{
    procfs_print(text, "SigPnd:\t%016lx\nShdPnd:\t%016lx\n", r->pending, r->pending_shared);
    procfs_print(text, "SigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", r->blocked,
                 r->ignored, r->caught);
}

static unsigned size_of_fd_table(int pid)
{
    int last = -1;

    for (int fd = process_next_fd(pid, 0); fd >= 0; fd = process_next_fd(pid, fd + 1))
        last = fd;
    return (unsigned)ROUND_UP((uint64_t)last + 1, FDS_OF_A_TABLE);
}

int procfs_show_status(struct procfs_text *text, const struct procfs_node *node)
{
    struct process_report r;
    int tid = procfs_tid(node), error = process_report(procfs_pid(node), tid, &r);

    if (error != 0)
        return error;
    procfs_print(text, "Name:\t");
    show_name(text, r.name);
    procfs_print(text, "\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\n", r.umask, state_name(&r),
                 r.pid);
    procfs_print(text, "Pid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", tid != 0 ? tid : r.pid, r.parent);
    show_credentials(text, &r);
    procfs_print(text, "FDSize:\t%u\n", size_of_fd_table(r.pid));
    show_groups(text, &r);
    show_memory(text, &r);
    procfs_print(text, "Threads:\t%u\n", r.nr_lwps);
    show_signals(text, &r);
    procfs_print(text, "NoNewPrivs:\t%d\nSeccomp:\t0\n", r.settings.gains_nothing);
    procfs_print(text, "Cpus_allowed:\t");
    procfs_print_mask(text, r.affinity);
    procfs_print(text, "\nCpus_allowed_list:\t");
    procfs_print_list(text, r.affinity);
    procfs_print(text, "\nvoluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
                 r.usage.nr_waits,
                 r.usage.nr_switches - MIN(r.usage.nr_waits, r.usage.nr_switches));
    return 0;
}

/* ---- What is short -------------------------------------------------------------------------- */

int procfs_show_comm(struct procfs_text *text, const struct procfs_node *node)
{
    struct process_report r;
    int error = process_report(procfs_pid(node), procfs_tid(node), &r);

    procfs_print(text, "%s\n", r.name);
    return error;
}

/* A process names its own LWPs only (proc(5)). */
int procfs_write_comm(const struct procfs_node *node, const char *name)
{
    int pid = procfs_pid(node), tid = procfs_tid(node);

    if (pid != process_current()->pid)
        return -EINVAL;
    return process_set_lwp_name(pid, tid != 0 ? tid : pid, name);
}

#define OOM_SCORE_MAX 1000

/* Thousandths of all memory that it has, and what was added; as proc(5) has it, from 0 up. */
int procfs_show_oom_score(struct procfs_text *text, const struct procfs_node *node)
{
    struct procfs_memory memory;
    struct process_report r;
    int error = process_report(procfs_pid(node), 0, &r);
    int64_t score;

    if (error != 0)
        return error;
    procfs_read_memory(procfs_pid(node), &memory);
    score = (int64_t)(memory.nr_resident * OOM_SCORE_MAX / frame_get_stats().nr_total) +
            r.settings.oom_score_adj;
    procfs_print(text, "%lu\n", (uint64_t)MAX(score, 0l));
    return 0;
}

int procfs_show_oom_score_adj(struct procfs_text *text, const struct procfs_node *node)
{
    struct process_report r;
    int error = process_report(procfs_pid(node), 0, &r);

    if (error == 0)
        procfs_print(text, "%d\n", r.settings.oom_score_adj);
    return error;
}

int procfs_write_oom_score_adj(const struct procfs_node *node, const char *text)
{
    bool is_negative = *text == '-';
    int score = 0;

    text += is_negative;
    if (*text == '\0')
        return -EINVAL;
    for (; *text >= '0' && *text <= '9' && score <= OOM_SCORE_MAX; text++)
        score = score * 10 + (*text - '0');
    if (*text != '\0' || score > OOM_SCORE_MAX)
        return -EINVAL;
    return process_set_oom_score_adj(procfs_pid(node), is_negative ? -score : score);
}

int procfs_show_personality(struct procfs_text *text, const struct procfs_node *node)
{
    struct process_report r;
    int error = process_report(procfs_pid(node), 0, &r);

    if (error == 0)
        procfs_print(text, "%08x\n", r.settings.personality);
    return error;
}

/* Where in the kernel it waits is told to nobody: as Linux to who may not know. */
int procfs_show_wchan(struct procfs_text *text, const struct procfs_node *node)
{
    (void)node;
    procfs_print(text, "0");
    return 0;
}

int procfs_show_schedstat(struct procfs_text *text, const struct procfs_node *node)
{
    int pid = procfs_pid(node), tid = procfs_tid(node);
    struct thrum_sched_lwp record;
    int error = process_read_lwp(pid, tid != 0 ? tid : pid, &record);

    if (error == 0)
        procfs_print(text, "%lu %lu %lu\n", record.run_ns, record.wait_ns, record.nr_switches);
    return error;
}

static void show_limit(struct procfs_text *text, uint64_t limit)
{
    if (limit == RLIM_INFINITY)
        procfs_print(text, "%-20s ", "unlimited");
    else
        procfs_print(text, "%-20lu ", limit);
}

int procfs_show_limits(struct procfs_text *text, const struct procfs_node *node)
{
    static const struct {
        const char *name, *unit;
    } limits[RLIM_NLIMITS] = {
        [RLIMIT_CPU] = {"Max cpu time", "seconds"},
        [RLIMIT_FSIZE] = {"Max file size", "bytes"},
        [RLIMIT_DATA] = {"Max data size", "bytes"},
        [RLIMIT_STACK] = {"Max stack size", "bytes"},
        [RLIMIT_CORE] = {"Max core file size", "bytes"},
        [RLIMIT_RSS] = {"Max resident set", "bytes"},
        [RLIMIT_NPROC] = {"Max processes", "processes"},
        [RLIMIT_NOFILE] = {"Max open files", "files"},
        [RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
        [RLIMIT_AS] = {"Max address space", "bytes"},
        [RLIMIT_LOCKS] = {"Max file locks", "locks"},
        [RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
        [RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
        [RLIMIT_NICE] = {"Max nice priority", ""},
        [RLIMIT_RTPRIO] = {"Max realtime priority", ""},
        [RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
    };
    struct rlimit values[RLIM_NLIMITS];
    int error = process_read_limits(procfs_pid(node), values);

    if (error != 0)
        return error;
    procfs_print(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
        procfs_print(text, "%-25s ", limits[i].name);
        show_limit(text, values[i].rlim_cur);
        show_limit(text, values[i].rlim_max);
        procfs_print(text, "%-10s\n", limits[i].unit);
    }
    return 0;
}
