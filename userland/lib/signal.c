/*
 * Signals. A handler returns to restore_registers(), which makes the system call that lets the
 * program go on where it was; Linux for x86-64 has every program bring its own.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "runtime.h"

void restore_registers(void); /* syscall.asm */

int raise(int signal)
{
    return (int)syscall_result(
        syscall6(__NR_tgkill, getpid(), syscall0(__NR_gettid), signal, 0, 0, 0));
}

int sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction with_restorer;

    if (action != NULL) {
        with_restorer = *action;
        with_restorer.sa_flags |= SA_RESTORER;
        with_restorer.sa_restorer = restore_registers;
        action = &with_restorer;
    }
    return (int)syscall_result(
        syscall6(__NR_rt_sigaction, signal, (long)action, (long)old, sizeof(sigset_t), 0, 0));
}

int signal_handle(int signal, signal_handler handler, unsigned long flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = (__sighandler_t)(void *)handler;
    action.sa_flags = SA_SIGINFO | flags;
    return sigaction(signal, &action, NULL);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return (int)syscall_result(
        syscall6(__NR_rt_sigprocmask, how, (long)set, (long)old, sizeof(sigset_t), 0, 0));
}

int sigpending(sigset_t *set)
{
    return (int)syscall_result(
        syscall6(__NR_rt_sigpending, (long)set, sizeof(sigset_t), 0, 0, 0, 0));
}

int sigsuspend(const sigset_t *mask)
{
    return (int)syscall_result(
        syscall6(__NR_rt_sigsuspend, (long)mask, sizeof(sigset_t), 0, 0, 0, 0));
}

int sigaltstack(const stack_t *stack, stack_t *old)
{
    return (int)syscall_result(syscall6(__NR_sigaltstack, (long)stack, (long)old, 0, 0, 0, 0));
}

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    return (int)syscall_result(syscall6(__NR_rt_sigtimedwait, (long)set, (long)info, (long)timeout,
                                        sizeof(sigset_t), 0, 0));
}

int sigqueue(pid_t pid, int signal, union sigval value)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_value = value;
    return (int)syscall_result(syscall6(__NR_rt_sigqueueinfo, pid, signal, (long)&info, 0, 0, 0));
}
