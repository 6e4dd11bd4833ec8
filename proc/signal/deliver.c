/*
 * Taking signals: what an LWP does on its way to user mode when its lwp->interrupt was set.
 *
 * In this order, again until there is nothing left: it ends, if it has to; it stops, if it has to;
 * it takes a signal. What the signal does is decided when it is taken. If that is a handler, the
 * registers of user mode go onto its stack and it returns into the handler; further signals then
 * interrupt that one before its first instruction.
 *
 * A system call that was interrupted is made again, or fails with -EINTR. A wait is interrupted
 * only while lwp->interrupt is set, and nobody but trap_user_work() clears that. So the call's way
 * back to user mode leads through here, where its frame says that a system call made it and still
 * has the result. That is decided once, for the first handler, or when there is none; from then on
 * the frame is that of no system call any more. After an interrupt or an exception the frame says
 * so, and whatever is in the result's register is the program's.
 */

#include <abi/thrum.h>
#include <arch/context.h>
#include <arch/trap.h>
#include <asm/unistd_64.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <proc/process_impl.h>
#include <proc/signal_impl.h>
#include <sched/sched.h>

/* ---- Interrupted system calls ---------------------------------------------------------------- */

int64_t signal_restart_by(restart_fn fn, const uint64_t args[RESTART_ARGS])
{
    struct signal_restart *restart = &user_lwp_current()->restart;

    restart->fn = fn;
    memcpy(restart->args, args, sizeof(restart->args));
    return -ERESTART_RESTARTBLOCK;
}

int64_t signal_restart_now(void)
{
    struct signal_restart restart = user_lwp_current()->restart;

    user_lwp_current()->restart.fn = NULL;
    return restart.fn != NULL ? restart.fn(restart.args) : -EINTR;
}

/* `action`: of the handler that is about to run; NULL: none is. */
static void finish_system_call(struct trap_frame *frame, const struct signal_action *action)
{
    bool is_again = action == NULL, is_done = false;

    if (!trap_is_syscall(frame))
        return;
    switch (trap_result(frame)) {
    case -ERESTARTNOINTR:
        is_again = true;
        break;
    case -ERESTARTSYS:
        is_again = is_again || action->flags & SA_RESTART;
        break;
    case -ERESTARTNOHAND:
        break;
    case -ERESTART_RESTARTBLOCK:
        if (is_again) {
            trap_restart_syscall(frame, __NR_restart_syscall);
            is_done = true;
        }
        break;
    default:
        is_done = true;
    }
    if (is_again && !is_done)
        trap_restart_syscall(frame, trap_syscall_number(frame));
    else if (!is_done)
        trap_set_result(frame, -EINTR);
    trap_forget_syscall(frame);
}

/* ---- Taking --------------------------------------------------------------------------------- */

/* Stops the process, unless that was an orphan's or SIGCONT comes meanwhile. The lock is let go. */
static void stop_by(struct process *process, int signal)
{
    process->signals.may_stop = true;
    if (signal != SIGSTOP) {
        bool is_orphaned;

        spin_unlock(&process->lock);
        irq_enable();
        is_orphaned = process_group_is_orphaned(process_get_group(0));
        irq_disable();
        spin_lock(&process->lock);
        if (is_orphaned)
            return;
    }
    if (process->signals.may_stop && !process->is_ending)
        signal_stop_begin(process, signal);
}

bool signal_has_work(const struct user_lwp *self)
{
    const struct process *process = self->process;

    return signal_ready(self) != 0 || process->signals.stop_signal != 0 ||
           process->signals.tell_parent != 0 || process->is_ending ||
           atomic_load_explicit(&process->exec_by, memory_order_relaxed) != NULL;
}

/*
 * Does what signals do without a handler. The first one for which one is to run, with *info and
 * *action filled; 0: there is none.
 */
static int take(struct user_lwp *self, siginfo_t *info, struct signal_action *action)
{
    struct process *process = self->process;
    struct user_lwp *exec_by;
    irq_state_t irq = spin_lock_irq(&process->lock);
    int signal = 0;

    for (;;) {
        exec_by = atomic_load(&process->exec_by);
        if (process->is_ending || (exec_by != NULL && exec_by != self)) {
            spin_unlock_irq(&process->lock, irq);
            user_lwp_exit(THRUM_LWP_CANCELED);
        }
        if (process->signals.stop_signal != 0 || process->signals.tell_parent != 0) {
            signal_stop_here(self);
            continue;
        }
        signal = pending_take(process, &self->signals.pending, ~self->signals.blocked, info);
        if (signal == 0)
            signal = pending_take(process, &process->signals.pending, ~self->signals.blocked, info);
        if (signal == 0)
            break;
        *action = signal_get_action(process, signal);
        if (action->handler == (vaddr_t)SIG_IGN)
            continue;
        if (action->handler != (vaddr_t)SIG_DFL) {
            if (action->flags & SA_RESETHAND)
                signal_reset_action(process, signal);
            break;
        }
        if (signal_is_immune(process) || signal_default(signal) == SIGNAL_IGNORED)
            continue;
        if (signal_default(signal) == SIGNAL_STOPS)
            stop_by(process, signal);
        else
            process_end_locked(process, status_of_signal(signal));
    }
    spin_unlock_irq(&process->lock, irq);
    return signal;
}

/* A handler cannot be called, or not be returned from. */
static void die_of_bad_frame(int signal)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = SIGSEGV;
    info.si_code = SI_KERNEL;
    /* A handler of SIGSEGV would fare no better than the one that was to be called for it. */
    if (signal == SIGSEGV)
        process_end(process_current(), status_of_signal(SIGSEGV));
    else
        signal_fault(&info);
}

static void call_handler(struct user_lwp *self, struct trap_frame *frame, int signal,
                         const siginfo_t *info, const struct signal_action *action)
{
    struct lwp_signals *signals = &self->signals;
    struct signal_call call = {
        .signal = signal,
        .info = info,
        .handler = action->handler,
        .restorer = action->flags & SA_RESTORER ? action->restorer : 0,
        .stack = &signals->stack,
        .switches_stack = action->flags & SA_ONSTACK && signals->stack.nr_bytes != 0,
        .mask = signals->has_saved_mask ? signals->saved_mask : signals->blocked,
        .fault = &signals->fault,
    };
    signal_set blocked = signals->blocked | action->mask;

    if (signal_frame_push(frame, &call) != 0) {
        die_of_bad_frame(signal);
        return;
    }
    signals->has_saved_mask = false;
    if (signals->stack.flags & SS_AUTODISARM)
        signals->stack = (struct signal_stack){0};
    if (!(action->flags & SA_NODEFER))
        blocked |= signal_bit(signal);
    if (blocked != signals->blocked)
        signal_set_mask(blocked);
}

void signal_deliver(struct trap_frame *frame)
{
    struct user_lwp *self = user_lwp_current();
    struct signal_action action;
    siginfo_t info;
    int signal;

    while (signal_has_work(self) && (signal = take(self, &info, &action)) != 0) {
        finish_system_call(frame, &action);
        call_handler(self, frame, signal, &info, &action);
    }
    finish_system_call(frame, NULL);
    signal_wait_done(false);
}

int64_t signal_return(void)
{
    struct user_lwp *self = user_lwp_current();
    struct trap_frame *frame = context_user_frame(&self->lwp.context);
    struct signal_stack stack;
    signal_set mask;

    self->restart.fn = NULL;
    if (signal_frame_pop(frame, &mask, &stack) != 0) {
        die_of_bad_frame(0); /* with the registers of this call, which is one as any other */
        return 0;
    }
    trap_forget_syscall(frame);
    signal_set_mask(mask);
    if (stack.nr_bytes == 0 || stack.nr_bytes >= MINSIGSTKSZ)
        self->signals.stack = stack;
    /* User mode gets every register back: by trap_user_work(), not the short way. */
    signal_interrupt_self();
    return trap_result(frame);
}

/* ---- Waiting for a signal -------------------------------------------------------------------- */

int signal_wait_for(signal_set set, uint64_t deadline_ns, siginfo_t *info)
{
    struct user_lwp *self = user_lwp_current();
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    int signal, error = 0;

    for (;;) {
        signal = pending_take(process, &self->signals.pending, set, info);
        if (signal == 0)
            signal = pending_take(process, &process->signals.pending, set, info);
        if (signal != 0 || error != 0)
            break;
        error = waitq_sleep(&process->signals.arrived, &process->lock, deadline_ns, true);
    }
    spin_unlock_irq(&process->lock, irq);
    if (signal != 0)
        return signal;
    return error == -ETIMEDOUT ? -EAGAIN : error;
}

void signal_wait_for_any(void)
{
    irq_disable();
    sched_block(NULL, true);
    irq_enable();
}
