#ifndef PROC_SIGNAL_H
#define PROC_SIGNAL_H

/*
 * Signals, and what happens to a system call that is interrupted.
 *
 * A call that waits interruptibly gives up with -ERESTARTSYS (kernel/errno.h) and passes it on, if
 * POSIX has it restarted by SA_RESTART; if not, it returns -ERESTARTNOHAND. A call that must not
 * begin again from its beginning returns what signal_restart_by() says.
 */

#include <kernel/types.h>

struct trap_frame;

/*
 * Sends a signal of the kernel to all processes of a group (0: nobody). Any context, with no lock
 * of LOCK_RANK_FAMILY or above held.
 */
void signal_send_group(int group, int signal);

/* The same to the calling LWP: SIGPIPE, SIGXFSZ. */
void signal_send_self(int signal);

/* Whether the calling LWP blocks the signal, or its process ignores it. */
bool signal_is_held_off(int signal);

/*
 * Whether no process of the group has a parent that is in the same session and not in the group, so
 * that nobody is there to continue what stops (POSIX, "orphaned process group"). Locks as above.
 */
bool process_group_is_orphaned(int group);

/*
 * Sends `signal` (0: only asks whether it could) to `pid` (> 0: that process, or the one whose LWP
 * has that number; 0: the caller's group; -1: all but the first and the caller; < -1: group -pid).
 * 0, -ESRCH.
 */
int signal_kill(int pid, int signal) MUST_CHECK;

/* The same to one LWP, `tid` of process `pid` (0: any). */
int signal_kill_lwp(int pid, int tid, int signal) MUST_CHECK;

/* ---- Interrupted system calls --------------------------------------------------------------- */

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
 * The last stop before user mode of an LWP whose lwp->interrupt was set: what becomes of a system
 * call that was interrupted. Interrupts are on.
 */
void signal_deliver(struct trap_frame *frame);

#endif
