#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

/*
 * Processes and their LWPs (proc/process.c and proc/lwp.c have the theory).
 */

#include <kernel/credentials.h>
#include <kernel/list.h>
#include <kernel/spinlock.h>
#include <kernel/types.h>
#include <kernel/waitq.h>
#include <mm/space.h>
#include <proc/settings.h>
#include <proc/signal.h>
#include <sched/lwp.h>

#include <linux/resource.h>

struct process;
struct fd_table;
struct inode;

/* A user stack that the kernel made (proc/ustack.h). */
struct ustack {
    vaddr_t low;     /* of its guard page; 0: there is none */
    size_t nr_bytes; /* with the guard page */
};

/* The program that a process runs: its file, with a reference, and where its strings are. */
struct process_image {
    struct inode *file; /* NULL: none */
    vaddr_t args, environment, strings_end, auxv, auxv_end;
};

/* Since a process began, of all LWPs that it has and had (proc/report.c). */
struct process_usage {
    uint64_t run_ns;
    uint64_t nr_faults;    /* pages that were made accessible when they were touched */
    uint64_t nr_waits;     /* how often its LWPs gave a CPU up to wait, */
    uint64_t nr_switches;  /* and how often they got one */
    uint64_t resident_max; /* the most pages it had in memory at once; of several, the largest */
};

/* How many of them a process keeps for its next LWPs. */
#define USTACKS_KEPT_MAX 32

/* Locks: p the process's lock, f family_lock, c constant after creation, o only the LWP itself. */
struct user_lwp {
    struct lwp lwp;
    struct process *process;     /* c */
    int tid;                     /* c */
    struct list_node link;       /* p  on process->lwps */
    bool is_detached;            /* p  nobody will join it: it goes away at its end */
    atomic_bool is_cancelled;    /* a  it is to leave when it may */
    bool is_zombie;              /* p  it has ended, and is off its stack */
    uint64_t value;              /* p  what it ended with */
    struct user_lwp *joiner;     /* p  who is joining it */
    struct user_lwp *joining;    /* p  whom it is joining */
    struct waitq ended;          /* p  the joiner waits here */
    uint64_t started_ns;         /* c  clock_now_ns() */
    uint64_t nr_faults;          /* o to write */
    struct ustack stack;         /* c  the user stack that the kernel made for it */
    vaddr_t clear_tid_address;   /* o  set_tid_address(): see user_lwp_leaves_space() */
    vaddr_t set_tid_address;     /* o  0, or where it stores its number before it is in user mode */
    _Atomic vaddr_t robust_list; /* o to write; set_robust_list() */
    atomic_bool has_pi_locks;    /* a  others may have waited for PI futexes of its */
    atomic_bool gets_no_pi_locks;  /* o to write; it is leaving its address space */
    struct lwp_signals signals;    /* (its own) */
    struct signal_restart restart; /* o  how an interrupted system call goes on */
    bool is_in_vfork;              /* p  it waits for its child to call exec or end */
};

struct process {
    int pid;                 /* c */
    struct space *space;     /* c while an LWP is alive */
    char name[LWP_NAME_MAX]; /* p to write; who reads it without may see half of each */

    struct spinlock lock;
    struct list lwps;                 /* p  all that have not been reaped */
    unsigned nr_live;                 /* p  those that have not begun to end */
    unsigned nr_present;              /* p  those that are not off their stack for good */
    struct waitq others_gone;         /* p  the last one waits here for the others */
    atomic_bool is_ending;            /* p to write; no LWP may go back to user mode */
    struct user_lwp *_Atomic exec_by; /* p to write; the only LWP that may, while it is in exec */
    int status;                       /* p  as wait4() reports it */
    vaddr_t kept_stacks[USTACKS_KEPT_MAX]; /* p  user stacks of LWPs that have ended */
    unsigned nr_kept_stacks;               /* p */
    struct fd_table *files;                /* c while an LWP is alive */
    struct inode *cwd;                     /* p  the current folder; a reference */
    struct inode *_Atomic root;            /* p to write  where paths begin; NULL: root_inode */
    atomic_uint umask;                     /* a */
    struct credentials credentials;        /* its own lock */
    struct rlimit limits[RLIM_NLIMITS];    /* p to write; see process_limit() */
    bool has_too_many_lwps; /* its user had, when he became its user: process_note_user() */
    struct process_settings settings;

    int group, session;            /* f  numbers of the process group and the session */
    atomic_bool has_left_terminal; /* the session's controlling terminal is not its own */
    atomic_int hung_up_group;      /* a  foreground of the terminal that its session has lost */
    struct list_node all_link;     /* f  on the list of all processes */
    bool has_started_anew;         /* f  it has called exec since it was forked */
    struct process *parent;        /* f  NULL: the kernel */
    struct list children;          /* f */
    struct list_node sibling_link; /* f  on parent->children */
    bool is_zombie;                /* f  all that is left is the status */
    struct waitq child_ended;      /* f  wait4() waits here */
    uint64_t started_ns;           /* c  clock_now_ns() */
    struct process_image image;    /* p */
    uint64_t run_ns;               /* p  of LWPs that are gone; so are these: */
    uint64_t nr_faults, nr_waits, nr_switches;
    uint64_t resident_max;               /* p  of address spaces that it has left */
    struct process_usage children_usage; /* p  of children that have been waited for */

    struct process_signals signals;    /* (its own) */
    int exit_signal;                   /* f  what the parent gets when it ends; 0: nothing */
    struct user_lwp *creator_in_vfork; /* f  NULL: nobody waits for it to call exec or end */

    struct sched_team *team; /* p  kept once it has been made; NULL: never was */
    bool is_team;            /* p  contention scope `process`: the LWPs are of the team */
};

/* The number of the first process, which waits for every orphan and must not end. */
#define FIRST_PID 1

#define PROCESS_ANY INT32_MIN /* where a pid is 0 or minus a number for a group */

/* Counts for struct thrum_stat. */
extern atomic_uint nr_processes, nr_user_lwps;
extern atomic_uint nr_processes_ever;

/* The calling LWP and its process; only in an LWP of a user process. */
static inline struct user_lwp *user_lwp_current(void)
{
    return container_of(lwp_current(), struct user_lwp, lwp);
}

static inline struct process *process_current(void)
{
    return user_lwp_current()->process;
}

/* Whether the calling LWP is the only one of its process; it is until it makes another. */
static inline bool process_has_one_lwp(const struct process *process)
{
    return __atomic_load_n(&process->nr_present, __ATOMIC_ACQUIRE) == 1;
}

/* Once, while booting. 0 or -ENOMEM. */
int process_init(unsigned tid_max) MUST_CHECK;

/*
 * A program's arguments in kernel memory: argc + envc strings one after the other, each with its
 * NUL, arguments first.
 */
struct program_args {
    char *strings;
    size_t nr_bytes;
    unsigned argc, envc;
};

/*
 * Starts the program in the file at `path` as a new child of `parent` (NULL: of the kernel, for the
 * first process). Returns its pid, or -ENOENT, -ENOTDIR, -EACCES, -ENOEXEC, -ENOMEM, -EAGAIN;
 * nothing is left behind then. May sleep.
 */
int process_spawn(struct process *parent, const char *path,
                  const struct program_args *args) MUST_CHECK;

enum process_fork_flags {
    PROCESS_FORK_SHARE_SPACE = 1,   /* the child has the same address space, not a copy */
    PROCESS_FORK_WAIT = 2,          /* return when the child has called exec or ended, as vfork() */
    PROCESS_FORK_SHARE_ACTIONS = 4, /* the child's signal actions are the same, not a copy */
    PROCESS_FORK_CLEAR_ACTIONS = 8, /* they are the default, or ignored where the caller's are */
};

struct lwp_start;

/*
 * A copy of the calling process with one LWP, which starts so (a copy of the caller); its parent
 * gets exit_signal (0: nothing) when it ends. Returns its pid, -EAGAIN or -ENOMEM. May sleep.
 */
int process_fork(const struct lwp_start *start, unsigned flags, int exit_signal) MUST_CHECK;

/*
 * The calling process runs the program at `path` instead: the new image is built, then all other
 * LWPs end, then the caller becomes the first LWP and, returning from its system call, starts the
 * program. On failure (as process_spawn(); -EINTR when another LWP ends or replaces the process)
 * nothing has changed. May sleep.
 */
int process_exec(const char *path, const struct program_args *args) MUST_CHECK;

/*
 * The process's LWPs become *team (sched/team.h), or, if that is NULL, go on each alone; what they
 * were promised is given back. process->lock is held. *team is what the caller has to free then.
 */
void process_set_team(struct process *process, struct sched_team **team);

/* Process groups and sessions (POSIX): what the functions of these names do, pid 0 is the caller.
 */
int process_get_group(int pid) MUST_CHECK;
int process_get_session(int pid) MUST_CHECK;
int process_set_group(int pid, int group) MUST_CHECK;
int process_set_session(void) MUST_CHECK;

/*
 * All LWPs of `process` end, wherever they are, before they are in user mode again; unless it is
 * ending already, its status is `status`. Any context; locks below LOCK_RANK_PROCESS may be held.
 */
void process_end(struct process *process, int status);

/* Status words of wait4() (POSIX; the bits are Linux's). */
static inline int status_of_exit(int code)
{
    return (code & 0xff) << 8;
}

static inline int status_of_signal(int signal)
{
    return signal & 0x7f;
}

static inline int status_of_stop(int signal)
{
    return signal << 8 | 0x7f;
}

#define STATUS_CONTINUED 0xffff

enum process_wait_flags {
    PROCESS_WAIT_NO_HANG = 1,     /* return 0 instead of waiting */
    PROCESS_WAIT_NO_REAP = 2,     /* leave what was found to be waited for again */
    PROCESS_WAIT_END = 4,         /* for a child that has ended, */
    PROCESS_WAIT_STOP = 8,        /* has stopped, */
    PROCESS_WAIT_CONTINUE = 16,   /* or goes on after that */
    PROCESS_WAIT_ANY_SIGNAL = 32, /* whatever the child's exit_signal is, */
    PROCESS_WAIT_CLONES = 64,     /* or if it is not SIGCHLD; else: if it is */
};

/* What there is to say about a child. */
struct process_wait_info {
    int status;                 /* as wait4() reports it */
    int code;                   /* CLD_* */
    struct process_usage usage; /* its own, and that of the children it has waited for */
};

/*
 * Waits for a child (pid > 0: that one; PROCESS_ANY; 0: of the caller's group; < 0: of group -pid);
 * of one that has ended it takes what is left. The child's pid, 0, -ECHILD or -ERESTARTSYS. May
 * sleep.
 */
int process_wait(int pid, unsigned flags, struct process_wait_info *info) MUST_CHECK;

/* The calling process's parent's number; 0: it has none. */
int process_parent_pid(void);

/* The current folder, with a reference; and the caller's becomes `dir`, whose reference is taken
 * over. */
struct inode *process_get_cwd(struct process *process);
void process_set_cwd(struct inode *dir);

/* What setrlimit() has set last, the soft limit: RLIM_INFINITY, or a number. Any context. */
static inline uint64_t process_limit(const struct process *process, unsigned which)
{
    return __atomic_load_n(&process->limits[which].rlim_cur, __ATOMIC_RELAXED);
}

/* chroot(): takes over the reference. */
void process_set_root(struct inode *dir);

/* If the calling LWP is the first one: what the process's status is when the last LWP has left. */
void process_set_exit_code(int code);

/* ---- LWPs ----------------------------------------------------------------------------------- */

/* How a new LWP starts. */
struct lwp_start {
    bool is_copy;     /* of the caller: it returns 0 from the caller's system call */
    vaddr_t pc;       /* otherwise: where it starts, ... */
    uint64_t args[2]; /* ... and with which arguments */
    vaddr_t sp;       /* 0, for a copy: the caller's */
    bool has_tls;     /* a copy has the caller's thread pointer otherwise, others have 0 */
    uint64_t tls;
    bool is_detached;
    struct ustack stack;                 /* the LWP's own from now on, if it is created */
    vaddr_t parent_tid_at, child_tid_at; /* 0, or where the caller, the LWP store its number */
    vaddr_t clear_tid_address;
};

/*
 * A further LWP of `process`, or its first; not yet running (sched_start()). Every LWP comes from
 * here. NULL with *error set: -EAGAIN (no number, or the process is ending), -ENOMEM. May sleep.
 */
struct user_lwp *user_lwp_create(struct process *process, const struct lwp_start *start,
                                 int *error);

/*
 * The calling LWP ends with `value`, which user_lwp_join() gives. Interrupts are on.
 */
NORETURN void user_lwp_exit(uint64_t value);

/*
 * What the ABI says of lwp_join() and lwp_detach(). `value_at`: where in user memory to store the
 * value, 0: nowhere.
 */
int user_lwp_join(int tid, vaddr_t value_at) MUST_CHECK;
int user_lwp_detach(int tid) MUST_CHECK;

/* The LWP leaves as soon as it may (abi/thrum.h). 0 or -ESRCH. */
int user_lwp_cancel(int tid) MUST_CHECK;

/*
 * The LWP with this number, which stays until user_lwp_let_go(); NULL: there is none, and nothing
 * is to let go. Interrupts are off; locks up to LOCK_RANK_PROCESS are held meanwhile.
 */
struct user_lwp *user_lwp_keep(int tid);
void user_lwp_let_go(struct user_lwp *lwp);

/* ---- Visits (proc/visit.c) ------------------------------------------------------------------- */

/*
 * What is done to an LWP while the locks of its process and of the family are held: spinlocks, so
 * it does not sleep. 0 or -errno.
 */
typedef int (*user_lwp_visitor)(struct user_lwp *lwp, void *arg);

enum visit_flags {
    VISIT_TO_CONTROL = 1, /* only by its own process, an ancestor, or its session; else -EPERM */
    VISIT_ENDED = 2,      /* also one that has ended, and has not been reaped */
};

/* Calls visit() for the LWP `tid` (0: the caller). Its result, -ESRCH, -EPERM. No lock is held. */
int user_lwp_visit(int tid, unsigned flags, user_lwp_visitor visit, void *arg) MUST_CHECK;

/*
 * Calls visit() for every LWP of a process group that has not ended. *error, -ESRCH before, becomes
 * 0 when there was one, and anything else that went wrong for one of them. Interrupts are off all
 * the time. No lock is held.
 */
void user_lwp_visit_group(int group, user_lwp_visitor visit, void *arg, int *error);

/* The same of all processes whose real user that is. */
void user_lwp_visit_user(uint32_t uid, user_lwp_visitor visit, void *arg, int *error);

/*
 * Calls visit() for the process that has the number `pid` (0: the caller's), or an LWP of it, with
 * the family's lock held. Its result, -ESRCH, or -EPERM when the caller may not control it. No
 * other lock is held.
 */
int process_visit(int pid, int (*visit)(struct process *process, void *arg), void *arg) MUST_CHECK;

/*
 * The session that the process group `group` is in, or -ESRCH. No lock of LOCK_RANK_FAMILY or above
 * is held.
 */
int process_group_session(int group) MUST_CHECK;

/* ---- Supplied by the kernel (kernel/tty/jobs.c) --------------------------------------------- */

/* The leader of a session has ended. No lock is held. May sleep. */
void process_session_ends(int session);

/* ---- Supplied by the kernel (kernel/ipc/robust.c) ------------------------------------------- */

/*
 * The calling LWP is about to leave its address space, by its end or by exec: what it owes to
 * others there. Its memory is still there; no lock is held. May sleep.
 */
void user_lwp_leaves_space(void);

#endif
