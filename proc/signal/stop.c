/*
 * Stopping and going on.
 *
 *                  signal_stop_begin()                  the last LWP comes to its stop
 *        running ----------------------> coming to stop ----------------------------> stopped
 *           ^                                  |                                         |
 *           +---------- SIGCONT ---------------+------------------- SIGCONT -------------+
 *
 * "Stopped" is no state of an LWP: one that is blocked is interrupted, gives its wait up with
 * -ERESTARTSYS, and comes to its stop where it would go back to user mode; when the process goes
 * on, the system call is made again. Each LWP that has to come there is counted (nr_to_stop), also
 * one that is made meanwhile. When all have, no instruction of the program is executed any more,
 * and only then the parent hears of it. What cannot be interrupted comes to its stop later; so does
 * who waits in vfork().
 *
 * The parent is told by an LWP of the process itself, on its way to or from its stop, since whoever
 * posts a signal may not take the family's lock: tell_parent says what. What wait4() sees is up to
 * date at once.
 *
 * What ends an LWP goes before: is_ending and exec_by wake those that are stopped.
 */

#include <kernel/errno.h>
#include <kernel/string.h>
#include <proc/process_impl.h>
#include <proc/signal_impl.h>
#include <sched/sched.h>

/* Processes that are stopped or about to be: if there are none, nobody has to look for them. */
static atomic_uint nr_stopping;

/* The last LWP has come to its stop. Locked. */
static void stopped(struct process_signals *signals)
{
    signals->stop_is_news = true;
    signals->continue_is_news = false;
    signals->tell_parent = CLD_STOPPED;
    waitq_wake_all(&signals->resumed); /* it may have been one that ends; another one tells */
}

void signal_stop_begin(struct process *process, int signal)
{
    struct process_signals *signals = &process->signals;
    struct user_lwp *lwp;

    if (signals->stop_signal != 0)
        return;
    signals->stop_signal = signal;
    atomic_fetch_add(&nr_stopping, 1);
    list_for_each_entry (lwp, &process->lwps, link) {
        if (lwp->signals.is_leaving)
            continue;
        lwp->signals.must_stop = true;
        signals->nr_to_stop++;
        signal_interrupt(lwp);
    }
}

void signal_stop_settle(struct user_lwp *lwp)
{
    struct process_signals *signals = &lwp->process->signals;

    if (!lwp->signals.must_stop)
        return;
    lwp->signals.must_stop = false;
    if (--signals->nr_to_stop == 0)
        stopped(signals);
}

/* Whether the LWP has something else to do than to be stopped. */
static bool has_to_go(const struct user_lwp *self)
{
    const struct process *process = self->process;
    const struct user_lwp *exec_by = atomic_load(&process->exec_by);

    return process->is_ending || (exec_by != NULL && exec_by != self);
}

void signal_stop_here(struct user_lwp *self)
{
    struct process *process = self->process;
    struct process_signals *signals = &process->signals;

    while (!has_to_go(self)) {
        /* It may go on and be stopped again before this LWP sees it: so it is counted again. */
        signal_stop_settle(self);
        if (signals->tell_parent != 0) {
            spin_unlock(&process->lock);
            irq_enable();
            signal_tell_parent(process);
            irq_disable();
            spin_lock(&process->lock);
        } else if (signals->stop_signal != 0) {
            int error = waitq_sleep(&signals->resumed, &process->lock, WAITQ_FOREVER, false);

            assert(error == 0);
        } else {
            return;
        }
    }
}

/* Ends the stop, or the way there. Locked. */
static void go_on(struct process *process)
{
    struct process_signals *signals = &process->signals;
    struct user_lwp *lwp;

    if (signals->stop_signal == 0)
        return;
    atomic_fetch_sub(&nr_stopping, 1);
    signals->continue_is_news = signals->nr_to_stop == 0;
    signals->tell_parent = signals->nr_to_stop == 0 ? CLD_CONTINUED : 0;
    signals->stop_is_news = false;
    signals->stop_signal = 0;
    signals->nr_to_stop = 0;
    list_for_each_entry (lwp, &process->lwps, link)
        lwp->signals.must_stop = false;
    waitq_wake_all(&signals->resumed);
}

void signal_stop_or_continue(struct process *process, int signal)
{
    if (signal == SIGCONT) {
        pending_drop_everywhere(process, SIGNALS_STOP);
        process->signals.may_stop = false;
        go_on(process);
    } else if (SIGNALS_STOP & signal_bit(signal)) {
        pending_drop_everywhere(process, signal_bit(SIGCONT));
    }
}

void signal_process_gone(struct process *process)
{
    if (process->signals.stop_signal != 0)
        atomic_fetch_sub(&nr_stopping, 1);
    process->signals.stop_signal = 0;
}

/* ---- What the parent hears ------------------------------------------------------------------ */

#define NR_TICKS_PER_SEC 100 /* of times() and its kin: Linux's USER_HZ */

/* SIGCHLD's siginfo about a child; `status` as waitid() has it. */
static siginfo_t info_of_child(const struct process *child, int code, int status)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = SIGCHLD;
    info.si_code = code;
    info.si_pid = child->pid;
    info.si_uid = atomic_load(&child->credentials.uid);
    info.si_status = status;
    info.si_utime = (__kernel_clock_t)(child->run_ns / (NSEC_PER_SEC / NR_TICKS_PER_SEC));
    return info;
}

void signal_tell_parent(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *parent = process->parent;
    siginfo_t info;
    int code;

    spin_lock(&process->lock);
    code = process->signals.tell_parent;
    process->signals.tell_parent = 0;
    info = info_of_child(process, code,
                         code == CLD_CONTINUED ? SIGCONT : process->signals.stop_signal);
    spin_unlock(&process->lock);
    if (code != 0 && parent != NULL) {
        spin_lock(&parent->lock);
        if (!(signal_get_action(parent, SIGCHLD).flags & SA_NOCLDSTOP))
            signal_post(parent, NULL, &info);
        spin_unlock(&parent->lock);
        waitq_wake_all(&parent->child_ended);
    }
    spin_unlock_irq(&family_lock, irq);
}

bool signal_parent_of_end(struct process *process)
{
    struct process *parent = process->parent;
    int status = process->status;
    bool is_exit = (status & 0x7f) == 0, is_unwanted = false;
    siginfo_t info = info_of_child(process, is_exit ? CLD_EXITED : CLD_KILLED,
                                   is_exit ? status >> 8 & 0xff : status & 0x7f);

    if (parent == NULL)
        return false;
    spin_lock(&parent->lock);
    if (!parent->is_ending && process->exit_signal == SIGCHLD) {
        struct signal_action action = signal_get_action(parent, SIGCHLD);

        is_unwanted = action.handler == (vaddr_t)SIG_IGN || action.flags & SA_NOCLDWAIT;
    }
    info.si_signo = process->exit_signal;
    if (info.si_signo != 0)
        signal_post(parent, NULL, &info);
    spin_unlock(&parent->lock);
    waitq_wake_all(&parent->child_ended);
    return is_unwanted;
}

/* ---- Orphaned groups ------------------------------------------------------------------------ */

bool signal_group_is_orphaned(int group, const struct process *but)
{
    const struct process *process;

    list_for_each_entry (process, &all_processes, all_link) {
        const struct process *parent = process->parent;

        if (process->group == group && process != but && !process->is_zombie && parent != NULL &&
            parent->pid != FIRST_PID && parent->group != group &&
            parent->session == process->session)
            return false;
    }
    return true;
}

bool process_group_is_orphaned(int group)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    bool is_orphaned = signal_group_is_orphaned(group, NULL);

    spin_unlock_irq(&family_lock, irq);
    return is_orphaned;
}

/* Whether a process of the group is stopped. The family is locked. */
static bool has_stopped(int group)
{
    struct process *process;

    list_for_each_entry (process, &all_processes, all_link) {
        bool is_stopped;

        if (process->group != group)
            continue;
        spin_lock(&process->lock);
        is_stopped = process->signals.stop_signal != 0;
        spin_unlock(&process->lock);
        if (is_stopped)
            return true;
    }
    return false;
}

/* The family is locked. */
static void send_to_orphans(int group, const struct process *but)
{
    static const int signals[] = {SIGHUP, SIGCONT};
    struct process *process;

    if (!signal_group_is_orphaned(group, but) || !has_stopped(group))
        return;
    list_for_each_entry (process, &all_processes, all_link) {
        if (process->group != group)
            continue;
        spin_lock(&process->lock);
        for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
            siginfo_t info;

            memset(&info, 0, sizeof(info));
            info.si_signo = signals[i];
            info.si_code = SI_KERNEL;
            signal_post_member(process, &info);
        }
        spin_unlock(&process->lock);
    }
}

void signal_orphan_groups(struct process *process, struct list *children)
{
    const struct process *parent = process->parent, *child;

    if (atomic_load(&nr_stopping) == 0)
        return;
    list_for_each_entry (child, children, sibling_link) {
        if (child->group != process->group && child->session == process->session)
            send_to_orphans(child->group, process);
    }
    if (parent != NULL && parent->group != process->group && parent->session == process->session)
        send_to_orphans(process->group, process);
}
