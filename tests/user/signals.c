/* What suites of signals do (signals.h). */

#include <string.h>
#include <thrum.h>

#include <sys/syscall.h>

#include "ktap.h"
#include "signals.h"

atomic_int nr_calls;
siginfo_t last;
sigset_t mask_in_handler;
int order[NR_ORDER];

void note(int signal, siginfo_t *info, void *context)
{
    (void)context;
    last = *info;
    sigprocmask(SIG_BLOCK, NULL, &mask_in_handler);
    order[atomic_fetch_add(&nr_calls, 1) % NR_ORDER] = signal;
}

void handle(int signal, unsigned long flags)
{
    nr_calls = 0;
    memset(&last, 0, sizeof(last));
    signal_handle(signal, note, flags);
}

void set_default(int signal, __sighandler_t what)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = what;
    sigaction(signal, &action, NULL);
}

void block(int signal)
{
    sigset_t set = signal_bit(signal);

    sigprocmask(SIG_BLOCK, &set, NULL);
}

void unblock(int signal)
{
    sigset_t set = signal_bit(signal);

    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

sigset_t pending(void)
{
    sigset_t set = 0;

    sigpending(&set);
    return set;
}

long tgkill(pid_t pid, pid_t tid, int signal)
{
    return syscall6(__NR_tgkill, pid, tid, signal, 0, 0, 0);
}
