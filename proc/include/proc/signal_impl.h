#ifndef PROC_SIGNAL_IMPL_H
#define PROC_SIGNAL_IMPL_H

/* Within proc/signal/ only. */

#include <proc/process.h>
#include <proc/signal.h>

#define SIGNALS_STOP                                                                               \
    (signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU))
#define SIGNALS_UNBLOCKABLE (signal_bit(SIGKILL) | signal_bit(SIGSTOP))

/* What a signal does where there is no handler (POSIX, signal.h). */
enum signal_default { SIGNAL_ENDS, SIGNAL_IGNORED, SIGNAL_STOPS };

static inline enum signal_default signal_default(int signal)
{
    const signal_set ignored =
        signal_bit(SIGCHLD) | signal_bit(SIGURG) | signal_bit(SIGWINCH) | signal_bit(SIGCONT);

    if (SIGNALS_STOP & signal_bit(signal))
        return SIGNAL_STOPS;
    return ignored & signal_bit(signal) ? SIGNAL_IGNORED : SIGNAL_ENDS;
}

/* ---- queue.c -------------------------------------------------------------------------------- */

/* What has been sent. */
struct signal_record {
    struct list_node link;
    struct pending_signals *pending; /* whose list it is on */
    siginfo_t info;
    struct signal_timer *timer; /* whose it is, kept by it; NULL: to be freed when it is taken */
};

void signal_queue_init(void);

/*
 * Adds a signal. A real-time signal is queued, unless too many are: -EAGAIN where it is a program's
 * and carries a value; otherwise the signal comes, and nothing is known about it. Locked.
 */
int pending_add(struct process *process, struct pending_signals *pending, const siginfo_t *info);

/* Adds a record that the caller owns. Locked. */
void pending_add_record(struct pending_signals *pending, struct signal_record *record);

/* Takes a record off its list, if it is on one. Locked. */
void pending_withdraw(struct signal_record *record);

/*
 * Takes the first signal of `set`, *info filled: those that a fault raised first, then the one with
 * the smallest number. 0: there is none. Locked.
 */
int pending_take(struct process *process, struct pending_signals *pending, signal_set set,
                 siginfo_t *info);

/* Takes all of `set` and forgets them. Locked. */
void pending_drop(struct process *process, struct pending_signals *pending, signal_set set);

/* The same, of the process and all its LWPs. Locked. */
void pending_drop_everywhere(struct process *process, signal_set set);

/* ---- action.c ------------------------------------------------------------------------------- */

struct signal_action signal_get_action(const struct process *process, int signal);

/* Back to the default. */
void signal_reset_action(const struct process *process, int signal);

/* ---- timers.c ------------------------------------------------------------------------------- */

/* The record of a timer has been taken; *info, unless it is NULL, is what was in it. Locked. */
void signal_timer_taken(struct signal_timer *timer, siginfo_t *info);

/* ---- cpu_limit.c ----------------------------------------------------------------------------- */

/* The process ends, or never started: it is not watched any more. May wait. */
void signal_cpu_limit_forget(struct process *process);

/* The CPU time that a process, or if `tid` is not 0 that LWP of it, has used. Locked. */
uint64_t signal_used_ns(const struct process *process, int tid);

/* ---- watch.c -------------------------------------------------------------------------------- */

/* A signal has become pending. Locked. */
void signal_watch_notify(struct process *process);

/* ---- send.c --------------------------------------------------------------------------------- */

/*
 * As signal_post(), with a record of the caller's; whether that is pending now, so that the record
 * will be taken, or the process ends. Locked.
 */
bool signal_post_record(struct process *process, struct user_lwp *lwp,
                        struct signal_record *record);

/* As signal_post() to the process, as one of several; so it is for its children, too. Locked. */
int signal_post_member(struct process *process, const siginfo_t *info);

/* Whether the LWP has signals to take. Locked. */
static inline signal_set signal_ready(const struct user_lwp *lwp)
{
    return (lwp->signals.pending.set | lwp->process->signals.pending.set) & ~lwp->signals.blocked;
}

/* Somebody else is to take what is pending for the process and in `set`. Locked. */
void signal_pass_on(struct process *process, const struct user_lwp *but, signal_set set);

/* Whether a signal's default is of no concern to the process: the first one is not to be ended. */
static inline bool signal_is_immune(const struct process *process)
{
    return process->pid == FIRST_PID;
}

/* A new signal: what is pending against it goes; a stopped process may go on. Locked. */
void signal_stop_or_continue(struct process *process, int signal);

/* ---- deliver.c ------------------------------------------------------------------------------ */

/*
 * Whether the calling LWP may have something to do before it is in user mode. What is not seen
 * without the lock comes with another interrupt, if lwp->interrupt was cleared before.
 */
bool signal_has_work(const struct user_lwp *self);

/* ---- stop.c --------------------------------------------------------------------------------- */

/* All LWPs are to stop, because of `signal`. Locked. */
void signal_stop_begin(struct process *process, int signal);

/* The calling LWP has come to its stop. Returns when it may go on, or has to end. Locked. */
void signal_stop_here(struct user_lwp *self);

/* The LWP is not waited for any more: it has come to its stop, or ends. Locked. */
void signal_stop_settle(struct user_lwp *lwp);

/* As process_group_is_orphaned(), as if `but` were not there. family_lock is held. */
bool signal_group_is_orphaned(int group, const struct process *but);

#endif
