#ifndef PROC_REPORT_H
#define PROC_REPORT_H

/*
 * What is known of any process and LWP, for whoever lists them (proc/report.c). A process may end
 * at any time: each function says so by -ESRCH or NULL. Any context that may sleep, no lock held.
 */

#include <kernel/credentials.h>
#include <proc/process.h>

struct file;

/* What a process has used up to now. */
void process_usage(struct process *process, struct process_usage *usage);

/* What its children have that it has waited for, and theirs. */
void process_children_usage(struct process *process, struct process_usage *usage);

/* Of the LWPs' states, the one that says most: running, ready, blocked, in this order. */
struct process_report {
    int pid, parent, group, session; /* parent 0: the kernel */
    char name[LWP_NAME_MAX];
    enum lwp_state state; /* LWP_ZOMBIE: only the status is left */
    int status;
    unsigned nr_lwps;
    unsigned cpu;
    int nice;
    uint64_t affinity;
    uint64_t started_ns;
    uint32_t uid[4], gid[4]; /* real, effective, saved, files' */
    unsigned nr_groups;
    uint32_t groups[GROUPS_MAX];
    uint32_t umask;
    bool is_stopped;
    int exit_signal;
    signal_set pending, pending_shared, blocked, ignored, caught; /* of the LWP, or the first one */
    unsigned terminal;  /* number of the controlling terminal; 0: none */
    int terminal_group; /* the group in its foreground; -1: none */
    vaddr_t args, environment, strings_end, auxv, auxv_end;
    struct process_settings settings;
    uint64_t space_resident_max; /* of its address space, in pages */
    struct process_usage usage;
    struct process_usage children; /* that have been waited for */
};

/* The least number from `from` on of a process, also of one that has ended; 0: there is none. */
int process_next(int from);

/* Whether the calling process's user may have one LWP more (RLIMIT_NPROC). 0 or -EAGAIN. */
int process_check_nr_lwps(void) MUST_CHECK;

/*
 * The calling process has another real user now, who may have too many LWPs by that: setuid()
 * succeeds, because programs do not look, and the next exec() fails if he still has.
 */
void process_note_user(void);

/* 0, or -EAGAIN: exec() is to fail for that reason. */
int process_check_exec(void) MUST_CHECK;

/* With tid != 0, state, name and the like, and usage, are that LWP's. 0 or -ESRCH. */
int process_report(int pid, int tid, struct process_report *report) MUST_CHECK;

/* The least number from `from` on of an LWP of the process; 0: there is none. */
int process_next_lwp(int pid, int from);

struct thrum_sched_lwp;

/*
 * What there is to know of an LWP. One that has left its CPU for good but has not ended yet, so
 * that a join or a wait would not find it, is running still. The process is locked.
 */
void user_lwp_read(struct user_lwp *lwp, struct thrum_sched_lwp *record);

/* The same, of whom the numbers name. 0 or -ESRCH. */
int process_read_lwp(int pid, int tid, struct thrum_sched_lwp *record) MUST_CHECK;

struct rlimit;
int process_read_limits(int pid, struct rlimit limits[]) MUST_CHECK;

/* Gives an LWP another name. 0 or -ESRCH. */
int process_set_lwp_name(int pid, int tid, const char *name) MUST_CHECK;

/* Things of the process's, with a reference; NULL: it has none any more. */
struct space *process_get_space(int pid);
struct file *process_get_file(int pid, int fd);
struct inode *process_get_program(int pid);
struct inode *process_get_folder(int pid, bool is_root);

/* The least open descriptor from `fd` on; -1: there is none. */
int process_next_fd(int pid, int fd);

/* Supplied by kernel/tty/jobs.c: both as in a report. A process's lock may be held. */
void process_terminal_of_session(int session, unsigned *device, int *group);

#endif
