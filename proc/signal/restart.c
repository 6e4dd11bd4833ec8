/*
 * What becomes of a system call that was interrupted: it is made again, or fails with -EINTR.
 *
 * A wait is interrupted only while lwp->interrupt is set, and nobody but trap_user_work() clears
 * that. So the call's way back to user mode leads through here, where its frame says that a system
 * call made it and still has the result. An LWP comes here for other reasons too, from an interrupt
 * or an exception: then the frame says that, and whatever is in the result's register is the
 * program's.
 */

#include <arch/trap.h>
#include <asm/unistd_64.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <proc/process.h>
#include <proc/signal.h>

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

void signal_deliver(struct trap_frame *frame)
{
    if (!trap_is_syscall(frame))
        return;
    switch (trap_result(frame)) {
    case -ERESTARTSYS:
    case -ERESTARTNOINTR:
    case -ERESTARTNOHAND:
        trap_restart_syscall(frame, trap_syscall_number(frame));
        break;
    case -ERESTART_RESTARTBLOCK:
        trap_restart_syscall(frame, __NR_restart_syscall);
        break;
    default:
        break;
    }
}
