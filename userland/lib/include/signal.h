#ifndef SIGNAL_H
#define SIGNAL_H

#include <linux/signal.h>
#include <sys/types.h>

/*
 * Sends a signal to a process, to the caller's group (0), to all processes but the first and the
 * caller (-1), or to group -pid; signal 0 only asks whether there is one. -1 with `errno` EINVAL
 * (no such signal) or ESRCH (nobody).
 */
int kill(pid_t pid, int signal);

/* To the calling LWP. */
int raise(int signal);

/* As POSIX has them; a sigset_t is a word, bit n - 1 is signal n. */
static inline sigset_t signal_bit(int signal)
{
    return 1ul << (signal - 1);
}

int sigaction(int signal, const struct sigaction *action, struct sigaction *old);
int sigprocmask(int how, const sigset_t *set, sigset_t *old);
int sigpending(sigset_t *set);
int sigsuspend(const sigset_t *mask);
int sigaltstack(const stack_t *stack, stack_t *old);

/* The signal's number; timeout may be NULL. */
struct timespec;
int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);

/* Sends a signal with a value to a process. */
int sigqueue(pid_t pid, int signal, union sigval value);

typedef void (*signal_handler)(int signal, siginfo_t *info, void *context);

/* What sigaction() does: flags is a set of SA_*, SA_SIGINFO is not needed. */
int signal_handle(int signal, signal_handler handler, unsigned long flags);

#endif
