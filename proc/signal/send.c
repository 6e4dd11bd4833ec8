/*
 * Signals.
 *
 * A signal is *posted* to a process or to one of its LWPs, by anybody who holds the process's lock:
 *
 *     posted --> dropped            it is ignored, or there already and a standard signal
 *        |   --> the process ends   it does that by default, and somebody would take it
 *        v
 *     pending                       in the set of the process, or of the LWP (queue.c)
 *        |
 *        v
 *     taken                         by the LWP itself, on its way to user mode (deliver.c), by
 *                                   sigtimedwait(), or by a signalfd
 *
 * One who posts never does anything to an LWP but to ask for its attention (lwp->interrupt, as
 * everything that ends an LWP does: process.c). Of a process's LWPs one that does not block the
 * signal is asked, the calling one if it is such an LWP; one that blocks it is left alone, so
 * its system calls are not interrupted. If the one that was asked blocks the signal before it
 * looks, or ends, it passes the signal on (signal_pass_on()). So as long as a signal is pending for
 * the process and not every LWP blocks it, one of those that do not has been asked.
 *
 * A signal whose default is to end the process does so when it is posted: is_ending is set then,
 * and whatever the LWPs do, they come to their end. SIGCONT lets a stopped process go on when it is
 * posted, even if it is blocked or ignored; the other stop signals stop when they are taken
 * (stop.c).
 *
 * The first process does not know the default actions: what it has no handler for is dropped, but
 * for what its own faults raise.
 *
 * Locks: family_lock, to find a process and to keep it; process->lock for all that is pending,
 * masks, and the stop; the table of actions has one of its own. A signal's sender never takes two
 * processes' locks at once. Nothing here sleeps, and all of it may be called by an interrupt
 * handler.
 */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <proc/id.h>
#include <proc/process_impl.h>
#include <proc/signal_impl.h>
#include <sched/sched.h>

void signal_interrupt(struct user_lwp *lwp)
{
    bool was_set = atomic_exchange(&lwp->lwp.interrupt, true);

    /* Whoever has set it before has woken the LWP, or is about to: which is too late for itself. */
    if (&lwp->lwp == lwp_current())
        this_cpu_write(return_work, 1);
    else if (!was_set)
        sched_interrupt(&lwp->lwp);
}

void signal_interrupt_self(void)
{
    irq_state_t irq = irq_save();

    signal_interrupt(user_lwp_current());
    irq_restore(irq);
}

/* ---- Posting -------------------------------------------------------------------------------- */

static bool takes(const struct user_lwp *lwp, int signal)
{
    return !lwp->signals.is_leaving && !(lwp->signals.blocked & signal_bit(signal));
}

/* An LWP of the process, but not `but`, that takes the signal; NULL: all block it. Locked. */
static struct user_lwp *choose(struct process *process, const struct user_lwp *but, int signal)
{
    struct user_lwp *lwp = user_lwp_running();
    int but_tid = but != NULL ? but->tid : 0;

    if (lwp != NULL && lwp->process == process && lwp->tid != but_tid && takes(lwp, signal))
        return lwp;
    list_for_each_entry (lwp, &process->lwps, link) {
        if (lwp->tid != but_tid && takes(lwp, signal))
            return lwp;
    }
    return NULL;
}

void signal_pass_on(struct process *process, const struct user_lwp *but, signal_set set)
{
    for (set &= process->signals.pending.set; set != 0; set &= set - 1) {
        struct user_lwp *lwp = choose(process, but, __builtin_ctzll(set) + 1);

        if (lwp != NULL)
            signal_interrupt(lwp);
    }
}

/* What happens to a signal that is taken: as its action says, a default's meaning included. */
static bool is_ignored(const struct process *process, int signal, vaddr_t handler)
{
    if (handler == (vaddr_t)SIG_DFL)
        return signal_is_immune(process) || signal_default(signal) == SIGNAL_IGNORED;
    return handler == (vaddr_t)SIG_IGN;
}

/* What has become of a signal that was posted. */
enum outcome { DROPPED, PENDING, DEADLY };

/* `record`: the signal's, if it has one; otherwise one is made. An outcome, or -EAGAIN. Locked. */
static int post(struct process *process, struct user_lwp *lwp, const siginfo_t *info,
                struct signal_record *record)
{
    struct pending_signals *pending =
        lwp != NULL ? &lwp->signals.pending : &process->signals.pending;
    int signal = info->si_signo, error = 0;
    struct user_lwp *taker;
    vaddr_t handler;

    if (process->is_ending || (lwp != NULL && lwp->signals.is_leaving))
        return DEADLY;
    signal_stop_or_continue(process, signal);
    taker = lwp == NULL ? choose(process, NULL, signal) : takes(lwp, signal) ? lwp : NULL;
    if (taker != NULL) {
        /* Blocked signals are kept in any case: the action may be another by then. */
        handler = signal_get_action(process, signal).handler;
        if (is_ignored(process, signal, handler))
            return DROPPED;
        /* Only SIGKILL is taken while the process is stopped. */
        if (handler == (vaddr_t)SIG_DFL && signal_default(signal) == SIGNAL_ENDS &&
            (process->signals.stop_signal == 0 || signal == SIGKILL)) {
            process_end_locked(process, status_of_signal(signal));
            return DEADLY;
        }
    }
    if (signal < SIGNAL_REALTIME_FIRST && pending->set & signal_bit(signal))
        return DROPPED;
    if (record != NULL)
        pending_add_record(pending, record);
    else
        error = pending_add(process, pending, info);
    if (error != 0)
        return error;
    if (taker != NULL)
        signal_interrupt(taker);
    waitq_wake_all(&process->signals.arrived);
    signal_watch_notify(process);
    return PENDING;
}

int signal_post(struct process *process, struct user_lwp *lwp, const siginfo_t *info)
{
    return MIN(post(process, lwp, info, NULL), 0);
}

int signal_post_member(struct process *process, const siginfo_t *info)
{
    struct process *child;

    list_for_each_entry (child, &process->signals.being_made, signals.made_link) {
        signal_set *sent = &child->signals.sent_while_made;

        if (info->si_signo == SIGCONT)
            *sent &= ~SIGNALS_STOP;
        else if (signal_bit(info->si_signo) & SIGNALS_STOP)
            *sent &= ~signal_bit(SIGCONT);
        *sent |= signal_bit(info->si_signo);
    }
    return signal_post(process, NULL, info);
}

bool signal_post_record(struct process *process, struct user_lwp *lwp, struct signal_record *record)
{
    return post(process, lwp, &record->info, record) != DROPPED;
}

bool signal_fault(const siginfo_t *info)
{
    struct user_lwp *self = user_lwp_current();
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    signal_set bit = signal_bit(info->si_signo);
    vaddr_t handler = signal_get_action(process, info->si_signo).handler;

    bool is_deadly =
        self->signals.blocked & bit || handler == (vaddr_t)SIG_IGN || handler == (vaddr_t)SIG_DFL;

    if (is_deadly) {
        process_end_locked(process, status_of_signal(info->si_signo));
    } else {
        pending_drop(process, &self->signals.pending, bit);
        pending_add(process, &self->signals.pending, info);
        signal_interrupt(self);
    }
    spin_unlock_irq(&process->lock, irq);
    return is_deadly;
}

/* ---- To whom -------------------------------------------------------------------------------- */

/* Whether the calling process may. The family is locked. */
static bool may_send(struct process *process, int signal)
{
    struct process *self = process_current();

    return process == self || (signal == SIGCONT && process->session == self->session) ||
           credentials_may_signal(credentials_current(), &process->credentials);
}

/* The family is locked. 0, -EAGAIN. */
static int send(struct process *process, const siginfo_t *info, bool is_one_of_several)
{
    int error = 0;

    if (info->si_signo == 0)
        return 0;
    spin_lock(&process->lock);
    error =
        is_one_of_several ? signal_post_member(process, info) : signal_post(process, NULL, info);
    spin_unlock(&process->lock);
    return error;
}

/* To every process that `pid` (0, -1, or minus a group) means. 0 if one could be; or why not. */
static int send_to_group(int pid, const siginfo_t *info)
{
    struct process *process;
    int result = -ESRCH;

    list_for_each_entry (process, &all_processes, all_link) {
        int error;

        if (!process_is_meant(process, pid == -1 ? PROCESS_ANY : pid) ||
            (pid == -1 && (process->pid == FIRST_PID || process == process_current())))
            continue;
        error = may_send(process, info->si_signo) ? send(process, info, true) : -EPERM;
        if (result != 0)
            result = error;
    }
    return result;
}

/* To oneself: nobody has to be looked for. */
static int send_to_self(struct process *self, const siginfo_t *info)
{
    irq_state_t irq = spin_lock_irq(&self->lock);
    int error = info->si_signo != 0 ? signal_post(self, NULL, info) : 0;

    spin_unlock_irq(&self->lock, irq);
    return error;
}

int signal_kill(int pid, const siginfo_t *info)
{
    irq_state_t irq;
    int result = -ESRCH;

    if (pid == process_current()->pid)
        return send_to_self(process_current(), info);
    irq = spin_lock_irq(&family_lock);
    if (pid > 0) {
        struct process *process = id_lookup(pid).process;

        /* One that is being made has no number of its own yet. */
        if (process != NULL && process->pid != 0)
            result = may_send(process, info->si_signo) ? send(process, info, false) : -EPERM;
    } else {
        result = send_to_group(pid, info);
    }
    spin_unlock_irq(&family_lock, irq);
    return result;
}

int signal_kill_lwp(int pid, int tid, const siginfo_t *info)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process = id_lookup(tid).process;
    int result = -ESRCH;

    if (process != NULL && process->pid != 0 && (pid == 0 || process->pid == pid)) {
        struct id_owner owner;

        spin_lock(&process->lock);
        owner = id_lookup(tid); /* it may have ended up to now */
        if (owner.process == process && owner.lwp != NULL) {
            result = may_send(process, info->si_signo) ? 0 : -EPERM;
            if (result == 0 && info->si_signo != 0)
                result = signal_post(process, owner.lwp, info);
        }
        spin_unlock(&process->lock);
    }
    spin_unlock_irq(&family_lock, irq);
    return result;
}

static siginfo_t info_of_kernel(int signal)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = signal;
    info.si_code = SI_KERNEL;
    return info;
}

void signal_send_group(int group, int signal)
{
    siginfo_t info = info_of_kernel(signal);
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;

    list_for_each_entry (process, &all_processes, all_link) {
        if (group != 0 && process->group == group)
            send(process, &info, true);
    }
    spin_unlock_irq(&family_lock, irq);
}

bool signal_send_hang_up(int session, int foreground)
{
    siginfo_t hang_up = info_of_kernel(SIGHUP), go_on = info_of_kernel(SIGCONT);
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *leader = id_lookup(session).process;
    bool is_there = false;

    if (leader != NULL && leader->session == session) {
        spin_lock(&leader->lock);
        is_there = !leader->is_ending;
        if (is_there)
            leader->hung_up_group = foreground;
        spin_unlock(&leader->lock);
    }
    if (is_there) {
        send(leader, &hang_up, true);
        send(leader, &go_on, true);
    }
    spin_unlock_irq(&family_lock, irq);
    return is_there;
}

void signal_send_self(int signal)
{
    siginfo_t info = info_of_kernel(signal);
    struct user_lwp *self = user_lwp_current();
    irq_state_t irq = spin_lock_irq(&self->process->lock);

    info.si_code = SI_USER; /* as Linux has it */
    info.si_pid = self->process->pid;
    signal_post(self->process, self, &info);
    spin_unlock_irq(&self->process->lock, irq);
}

bool signal_is_held_off(int signal)
{
    struct user_lwp *self = user_lwp_current();
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    bool is_held_off = self->signals.blocked & signal_bit(signal) ||
                       signal_get_action(process, signal).handler == (vaddr_t)SIG_IGN;

    spin_unlock_irq(&process->lock, irq);
    return is_held_off;
}
