#ifndef PROC_SIGNAL_H
#define PROC_SIGNAL_H

/*
 * Signals, and what happens to a system call that is interrupted. docs/signals.md has the overview,
 * proc/signal/send.c the theory.
 *
 * A call that waits interruptibly gives up with -ERESTARTSYS (kernel/errno.h) and passes it on, if
 * POSIX has it restarted by SA_RESTART; if not, it returns -ERESTARTNOHAND. A call that must not
 * begin again from its beginning returns what signal_restart_by() says.
 */

#include <stdatomic.h>

#include <arch/signal.h>
#include <arch/trap.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <kernel/list.h>
#include <kernel/spinlock.h>
#include <kernel/types.h>
#include <kernel/waitq.h>
#include <sched/timer.h>

struct process;
struct user_lwp;

/* Signals are numbered from 1; from the first of these on they are queued, each one. */
#define SIGNAL_MAX            64
#define SIGNAL_REALTIME_FIRST 32

/* RLIMIT_SIGPENDING, unless it is changed: of records, and of timers. */
#define SIGNALS_QUEUED_MAX 1024

static inline signal_set signal_bit(int signal)
{
    return 1ull << (signal - 1);
}

/* As rt_sigaction() has it: struct sigaction of <asm/signal.h>. */
struct signal_action {
    vaddr_t handler; /* or SIG_DFL, SIG_IGN */
    uint64_t flags;  /* SA_* */
    vaddr_t restorer;
    signal_set mask;
};

/* What a process does on signals. Processes made by CLONE_SIGHAND have one table. */
struct signal_actions;

/* Signals that have been sent and not taken. The process's lock guards it. */
struct pending_signals {
    signal_set set;
    struct list records; /* what is known about them, in order of arrival: struct signal_record */
};

/* Of an LWP. Locks: p the process's, o only the LWP itself. */
struct lwp_signals {
    signal_set blocked;             /* p to write, by the LWP itself */
    signal_set saved_mask;          /* o  what `blocked` is to be again, */
    bool has_saved_mask;            /* o  after sigsuspend() and its kin */
    bool must_stop;                 /* p  it is counted in nr_to_stop */
    bool is_leaving;                /* p  it takes no signals any more */
    struct pending_signals pending; /* p */
    struct signal_stack stack;      /* o  sigaltstack() */
    struct trap_fault fault;        /* o  the last one */
};

struct signal_timers;
struct signal_watch;
struct poll_watcher;

/* Of a process. Locks: p the process's, c constant while an LWP is alive. */
struct process_signals {
    struct signal_actions *actions; /* c, but for exec */
    struct pending_signals pending; /* p */
    struct waitq arrived;           /* p  for sigtimedwait(): something has become pending */
    struct signal_watch *watch;     /* p  for poll(); NULL: nobody ever did */
    atomic_uint nr_queued;          /* a  records, of the process and its LWPs */

    struct waitq resumed;  /* p  those that stop, and those in vfork(), wait here */
    int stop_signal;       /* p  0, or the signal that stops the process */
    unsigned nr_to_stop;   /* p  LWPs that have not come to their stop yet */
    bool may_stop;         /* p  no SIGCONT has come since a stop signal was taken */
    bool stop_is_news;     /* p  wait4() has not reported the stop yet, */
    bool continue_is_news; /* p  or that it goes on */
    atomic_bool is_heir;   /* a  it wants the orphans below it (PR_SET_CHILD_SUBREAPER) */
    int tell_parent; /* p  0, or CLD_STOPPED, CLD_CONTINUED: what the parent gets SIGCHLD for */

    struct signal_timers *timers; /* p  NULL: there never was one */
    struct timer cpu_limit;    /* p  for RLIMIT_CPU: until its time has been used, at the least */
    bool cpu_limit_is_watched; /* p  that timer runs */

    struct list being_made;     /* p  children that nobody can find yet, by made_link */
    struct process *maker;      /* o  whose child this is, while it is being made; else NULL */
    struct list_node made_link; /* the maker's p */
    signal_set sent_while_made; /* the maker's p  what it was sent as one of several */
};

/*
 * Which signals a process ignores, and which it has handlers for. It has an LWP that has not ended;
 * its lock is held.
 */
void signal_read_actions(struct process *process, signal_set *ignored, signal_set *caught);

/* ---- Sending -------------------------------------------------------------------------------- */

/*
 * Sends a signal of the kernel to all processes of a group (0: nobody). Any context, with no lock
 * of LOCK_RANK_FAMILY or above held.
 */
void signal_send_group(int group, int signal);

/* The same to the calling LWP: SIGPIPE, SIGXFSZ. */
void signal_send_self(int signal);

/*
 * The terminal of a session is gone: SIGHUP and SIGCONT for its leader, whose hung_up_group becomes
 * `foreground`. False if the leader is ending or has ended: nothing was done. Locks as for a group.
 */
bool signal_send_hang_up(int session, int foreground);

/*
 * The calling LWP is to look for what it has to do before it is in user mode again. A call that
 * gives up with -ERESTARTSYS for another reason than that a wait was interrupted needs that.
 */
void signal_interrupt_self(void);

/* Whether the calling LWP blocks the signal, or its process ignores it. */
bool signal_is_held_off(int signal);

/*
 * Whether no process of the group has a parent that is in the same session and not in the group, so
 * that nobody is there to continue what stops (POSIX, "orphaned process group"). Locks as above.
 */
bool process_group_is_orphaned(int group);

/*
 * Sends the signal info->si_signo (0: only asks whether it could) to `pid` (> 0: that process, or
 * the one whose LWP has that number; 0: the caller's group; -1: all but the first and the caller;
 * < -1: group -pid). 0, -ESRCH, -EPERM; -EAGAIN: too many are queued.
 */
int signal_kill(int pid, const siginfo_t *info) MUST_CHECK;

/* The same to one LWP, `tid` of process `pid` (0: any). */
int signal_kill_lwp(int pid, int tid, const siginfo_t *info) MUST_CHECK;

/*
 * Sends it to a process, or if `lwp` is not NULL to that LWP of it. process->lock is held. 0;
 * -EAGAIN: a real-time signal that is not the kernel's, and too many are queued.
 */
int signal_post(struct process *process, struct user_lwp *lwp, const siginfo_t *info);

/*
 * The calling LWP did something that it must not (arch/trap.h); the signal cannot be held off:
 * where there is no handler, or it is blocked, it ends the process, which is returned. Interrupts
 * are in any state.
 */
bool signal_fault(const siginfo_t *info);

/* ---- What a program says about signals ------------------------------------------------------- */

/* Both may be NULL. 0 or -EINVAL. */
int signal_set_action(int signal, const struct signal_action *action,
                      struct signal_action *old) MUST_CHECK;

/* The calling LWP's mask. SIGKILL and SIGSTOP stay out of it. */
signal_set signal_get_mask(void);
void signal_set_mask(signal_set mask);

/*
 * For calls that wait with another mask (sigsuspend, ppoll): signal_wait_with() sets it, and
 * signal_wait_done() has the old one back: at once, or, if the wait was interrupted, after the
 * handler of the signal that interrupted it.
 */
void signal_wait_with(signal_set mask);
void signal_wait_done(bool is_interrupted);

/* What is pending for the calling LWP and blocked. */
signal_set signal_get_pending(void);

/*
 * Takes a signal of the set, which is blocked, when one is pending. The signal, with *info filled;
 * -EAGAIN: none was until deadline_ns; -ERESTARTSYS. May sleep.
 */
int signal_wait_for(signal_set set, uint64_t deadline_ns, siginfo_t *info) MUST_CHECK;

/*
 * For poll(): whether a signal of the set is pending for the caller. `watcher` is put on the queue
 * of `watch` (both may be NULL), which is told when one has come.
 */
bool signal_poll(signal_set set, struct signal_watch *watch, struct poll_watcher *watcher);

/* The calling process's, with a reference; NULL: out of memory. NULL may be put. */
struct signal_watch *signal_watch_get(void);
void signal_watch_put(struct signal_watch *watch);

/* Who polls for the calling process is to look again. */
void signal_watch_changed(void);

/* Sleeps until the calling LWP is interrupted, as by a signal that it does not block. */
void signal_wait_for_any(void);

/* sigaltstack(); either may be NULL. 0, -EPERM, -EINVAL, -ENOMEM. */
int signal_set_stack(const struct signal_stack *stack, struct signal_stack *old) MUST_CHECK;

/* rt_sigreturn(): what user mode finds in the result's register. */
int64_t signal_return(void);

/* ---- Interrupted system calls ---------------------------------------------------------------- */

#define RESTART_ARGS 4

/* Goes on with an interrupted call: its result, or again -ERESTART_RESTARTBLOCK. */
typedef int64_t (*restart_fn)(const uint64_t args[RESTART_ARGS]);

struct signal_restart {
    restart_fn fn;
    uint64_t args[RESTART_ARGS];
};

/*
 * The calling LWP's system call has been interrupted: if no handler runs it is to go on by
 * fn(args), otherwise it fails with -EINTR. Returns -ERESTART_RESTARTBLOCK, for the call to return.
 */
int64_t signal_restart_by(restart_fn fn, const uint64_t args[RESTART_ARGS]);

/* restart_syscall(): goes on. */
int64_t signal_restart_now(void);

/*
 * The last stop before user mode of an LWP whose lwp->interrupt was set: takes signals, stops,
 * makes a handler run, and decides what becomes of a system call that was interrupted. Interrupts
 * are on, no lock is held. May not return.
 */
void signal_deliver(struct trap_frame *frame);

/* ---- For proc/ --------------------------------------------------------------------------------
 */

/* Once, while booting. */
void signal_init(void);

enum signal_inherit { SIGNAL_INHERIT_COPY, SIGNAL_INHERIT_SHARE, SIGNAL_INHERIT_IGNORED };

/*
 * A new process, with nothing in it yet; its actions are the parent's (NULL: the kernel's), the
 * same table, or as after exec. What has been sent before is the parent's, which takes it before it
 * makes a child: then -ERESTARTNOINTR. What is sent to a whole group from now on is the child's,
 * too. 0, -ERESTARTNOINTR, -ENOMEM.
 */
int signal_process_init(struct process *process, struct process *parent,
                        enum signal_inherit how) MUST_CHECK;
/* It has its first LWP, and is in its group, from when on others find it. family_lock is held. */
void signal_process_adopted(struct process *process);
/* Gives back all of it; also after signal_process_init() has failed. */
void signal_process_free(struct process *process);

/* exec: a table of its own in time (0 or -ENOMEM), and then what handlers did is default again. */
int signal_exec_prepare(struct process *process) MUST_CHECK;
void signal_exec(struct user_lwp *self);

/* The timers end: those of timer_create(), at exec; all, at the end of a process. May sleep. */
void signal_timers_exec(struct process *process);
void signal_timers_free(struct process *process);

/*
 * From now on a process's limit of CPU time is watched, if it has one, until the process ends or is
 * freed. process->lock is held.
 */
void signal_cpu_limit_watch(struct process *process);

/* A new LWP; creator: NULL, or whose mask it has. And its end. process->lock is held. */
void signal_lwp_init(struct user_lwp *lwp, const struct user_lwp *creator);
void signal_lwp_link(struct user_lwp *lwp);
void signal_lwp_leaves(struct user_lwp *lwp);
void signal_lwp_free(struct user_lwp *lwp);

/* The LWP is to look for what it has to do. process->lock is held. */
void signal_interrupt(struct user_lwp *lwp);

/* The process is about to be a zombie: it does not count as stopped. process->lock is held. */
void signal_process_gone(struct process *process);

/* If the parent is to hear of a stop, it does now. No lock is held. */
void signal_tell_parent(struct process *process);

/*
 * The process has ended: its parent hears of it. Whether the parent does not want to wait for it.
 * family_lock is held.
 */
bool signal_parent_of_end(struct process *process);

/*
 * Groups that have nobody to continue them any more, because `process` ends or has children no
 * more, are sent SIGHUP and SIGCONT if some process there is stopped. family_lock is held.
 */
void signal_orphan_groups(struct process *process, struct list *children);

/*
 * A process ends: whose its children are now, and what the new parent has to know of them. Returns
 * that one, onto whose list the caller puts them: one above that is_heir, or `first`;
 * NULL: `process` is the first. family_lock is held.
 */
struct process *signal_parent_ends(struct process *process, struct process *first);

#endif
