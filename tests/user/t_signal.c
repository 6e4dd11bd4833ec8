/*
 * Signals as a program sees them: actions, masks, what is pending, who gets it, what a handler is
 * told, and what becomes of the system call that it interrupted. t_sigprocess has what they do to
 * processes.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/poll.h>
#include <linux/signalfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "signals.h"

#define REALTIME 40 /* some real-time signal */

/* Handlers and what they are told. */

static bool handler_runs_at_once(void)
{
    handle(SIGUSR1, 0);
    kill(getpid(), SIGUSR1);
    return KTAP_EQUAL(nr_calls, 1) && KTAP_EQUAL(last.si_signo, SIGUSR1) &&
           KTAP_EQUAL(last.si_code, SI_USER) && KTAP_EQUAL(last.si_pid, getpid()) &&
           KTAP_EQUAL(last.si_uid, 0);
}

static bool handler_knows_who_sent(void)
{
    union sigval value = {.sival_int = 4711};

    handle(SIGUSR1, 0);
    tgkill(getpid(), gettid(), SIGUSR1);
    if (!KTAP_EQUAL(nr_calls, 1) || !KTAP_EQUAL(last.si_code, SI_TKILL))
        return false;
    sigqueue(getpid(), SIGUSR1, value);
    return KTAP_EQUAL(nr_calls, 2) && KTAP_EQUAL(last.si_code, SI_QUEUE) &&
           KTAP_EQUAL(last.si_value.sival_int, 4711);
}

static bool masks_while_it_runs(void)
{
    sigset_t before, after, both = signal_bit(SIGUSR1) | signal_bit(SIGUSR2);
    struct sigaction action, old;

    sigprocmask(SIG_BLOCK, NULL, &before);
    handle(SIGUSR1, 0);
    sigaction(SIGUSR1, NULL, &action);
    action.sa_mask = signal_bit(SIGUSR2);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR1, NULL, &old);
    raise(SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &after);
    return KTAP_EQUAL(mask_in_handler, before | both) && KTAP_EQUAL(after, before) &&
           KTAP_EQUAL(old.sa_mask, signal_bit(SIGUSR2)) &&
           KTAP_TRUE(old.sa_handler == (__sighandler_t)(void *)note) &&
           KTAP_EQUAL(old.sa_flags, SA_SIGINFO | SA_RESTORER);
}

static bool nodefer_leaves_it_open(void)
{
    handle(SIGUSR1, SA_NODEFER);
    raise(SIGUSR1);
    return KTAP_EQUAL(mask_in_handler & signal_bit(SIGUSR1), 0);
}

static bool resethand_is_once(void)
{
    struct sigaction old;

    handle(SIGUSR1, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    return KTAP_EQUAL(nr_calls, 1) && KTAP_TRUE(old.sa_handler == SIG_DFL);
}

static int depth, deepest;

static void nest(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (depth < 20)
        raise(signal);
    depth--;
}

static bool handlers_nest(void)
{
    depth = deepest = 0;
    signal_handle(SIGUSR1, nest, SA_NODEFER);
    raise(SIGUSR1);
    return KTAP_EQUAL(deepest, 20) && KTAP_EQUAL(depth, 0);
}

/* Pending. */

static bool blocked_signal_waits(void)
{
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    kill(getpid(), SIGUSR1);
    raise(SIGUSR1);
    kill(getpid(), SIGUSR1);
    bool is_right = KTAP_EQUAL(nr_calls, 0) && KTAP_EQUAL(pending(), signal_bit(SIGUSR1));
    unblock(SIGUSR1);
    /* One was the process's, one the LWP's. */
    return is_right && KTAP_EQUAL(nr_calls, 2) && KTAP_EQUAL(pending(), 0);
}

static bool realtime_signals_queue(void)
{
    bool is_right;

    handle(REALTIME, 0);
    handle(REALTIME + 1, 0);
    block(REALTIME), block(REALTIME + 1);
    for (int i = 0; i < 5; i++) {
        sigqueue(getpid(), REALTIME + 1, (union sigval){.sival_int = i});
        sigqueue(getpid(), REALTIME, (union sigval){.sival_int = i});
    }
    is_right = KTAP_EQUAL(pending(), signal_bit(REALTIME) | signal_bit(REALTIME + 1));
    for (int i = 0; i < 10; i++) {
        siginfo_t info;
        sigset_t both = signal_bit(REALTIME) | signal_bit(REALTIME + 1);

        is_right &= KTAP_EQUAL(sigtimedwait(&both, &info, NULL), i < 5 ? REALTIME : REALTIME + 1) &&
                    KTAP_EQUAL(info.si_value.sival_int, i % 5);
    }
    unblock(REALTIME), unblock(REALTIME + 1);
    return is_right && KTAP_EQUAL(nr_calls, 0);
}

static bool lowest_number_comes_first(void)
{
    sigset_t all =
        signal_bit(SIGUSR1) | signal_bit(SIGUSR2) | signal_bit(REALTIME) | signal_bit(SIGHUP);

    handle(SIGHUP, 0), handle(SIGUSR1, 0), handle(SIGUSR2, 0), handle(REALTIME, 0);
    sigprocmask(SIG_BLOCK, &all, NULL);
    raise(REALTIME), raise(SIGUSR2), raise(SIGHUP), raise(SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    /* Each interrupts the one before it, so the first to be taken is the last to run. */
    return KTAP_EQUAL(nr_calls, 4) && KTAP_EQUAL(order[3], SIGHUP) &&
           KTAP_EQUAL(order[2], SIGUSR1) && KTAP_EQUAL(order[1], SIGUSR2) &&
           KTAP_EQUAL(order[0], REALTIME);
}

static bool queue_is_limited(void)
{
    long result = 0, nr = 0;
    siginfo_t info;

    block(REALTIME);
    memset(&info, 0, sizeof(info));
    info.si_code = SI_QUEUE;
    while (nr < 1000000 && result == 0) {
        result = syscall6(__NR_rt_sigqueueinfo, getpid(), REALTIME, (long)&info, 0, 0, 0);
        nr += result == 0;
    }
    set_default(REALTIME, SIG_IGN); /* which forgets them */
    bool is_right = KTAP_EQUAL(result, -EAGAIN) && KTAP_TRUE(nr >= 32) && KTAP_EQUAL(pending(), 0);
    handle(REALTIME, 0);
    unblock(REALTIME);
    sigqueue(getpid(), REALTIME, (union sigval){.sival_int = 1});
    return is_right && KTAP_EQUAL(nr_calls, 1);
}

static bool ignored_signal_is_gone(void)
{
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    set_default(SIGUSR1, SIG_IGN);
    handle(SIGUSR1, 0);
    unblock(SIGUSR1);
    return KTAP_EQUAL(nr_calls, 0);
}

/* Interrupted calls. */

static int ends[2];
static atomic_long call_result;

static void *read_one(void *arg)
{
    char c;
    long result;

    (void)arg;
    result = syscall6(__NR_read, ends[0], (long)&c, 1, 0, 0, 0);
    call_result = result;
    return NULL;
}

/* What read() returns when the signal comes, with or without SA_RESTART. */
static bool read_interrupted(unsigned long flags, long wanted)
{
    thread_t lwp;

    pipe(ends);
    handle(SIGUSR1, flags);
    thread_create(&lwp, read_one, NULL);
    comes_to_wait(lwp);
    tgkill(getpid(), lwp, SIGUSR1);
    while (nr_calls == 0)
        yield();
    if (flags & SA_RESTART)
        comes_to_wait(lwp);
    write(ends[1], "x", 1);
    thread_join(lwp, NULL);
    close(ends[0]), close(ends[1]);
    return KTAP_EQUAL(call_result, wanted) && KTAP_EQUAL(nr_calls, 1);
}

static bool read_is_eintr(void)
{
    return read_interrupted(0, -EINTR);
}

static bool read_is_restarted(void)
{
    return read_interrupted(SA_RESTART, 1);
}

static struct timespec rest;

static void *sleep_long(void *arg)
{
    struct timespec request = {.tv_sec = 1000};

    (void)arg;
    call_result = syscall6(__NR_nanosleep, (long)&request, (long)&rest, 0, 0, 0, 0);
    return NULL;
}

static bool sleep_says_what_is_left(void)
{
    thread_t lwp;

    memset(&rest, 0, sizeof(rest));
    handle(SIGUSR1, SA_RESTART);
    thread_create(&lwp, sleep_long, NULL);
    comes_to_wait(lwp);
    tgkill(getpid(), lwp, SIGUSR1);
    thread_join(lwp, NULL);
    return KTAP_EQUAL(call_result, -EINTR) && KTAP_TRUE(rest.tv_sec >= 900) &&
           KTAP_TRUE(rest.tv_sec < 1000);
}

static void *pause_once(void *arg)
{
    call_result = syscall6(__NR_pause, 0, 0, 0, 0, 0, 0);
    return arg;
}

static bool pause_ends_after_a_handler(void)
{
    thread_t lwp;

    handle(SIGUSR1, SA_RESTART);
    set_default(SIGURG, SIG_DFL);
    thread_create(&lwp, pause_once, NULL);
    comes_to_wait(lwp);
    tgkill(getpid(), lwp, SIGURG); /* ignored: it does not end it */
    comes_to_wait(lwp);
    tgkill(getpid(), lwp, SIGUSR1);
    thread_join(lwp, NULL);
    return KTAP_EQUAL(call_result, -EINTR) && KTAP_EQUAL(nr_calls, 1);
}

static bool sigsuspend_lets_one_in(void)
{
    sigset_t none = 0, mask;

    handle(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    bool is_right = FAILS(sigsuspend(&none), EINTR) && KTAP_EQUAL(nr_calls, 1) &&
                    KTAP_EQUAL(mask_in_handler, signal_bit(SIGUSR1));
    sigprocmask(SIG_BLOCK, NULL, &mask);
    unblock(SIGUSR1);
    return is_right && KTAP_EQUAL(mask, signal_bit(SIGUSR1));
}

/* Whom it meets. */

static void *read_blocking_usr1(void *arg)
{
    block(SIGUSR1);
    return read_one(arg);
}

static bool blocking_lwp_is_left_alone(void)
{
    thread_t lwp;

    pipe(ends);
    handle(SIGUSR1, 0);
    thread_create(&lwp, read_blocking_usr1, NULL);
    comes_to_wait(lwp);
    for (int i = 0; i < 10; i++)
        kill(getpid(), SIGUSR1);
    bool is_right = KTAP_EQUAL(nr_calls, 10);
    tgkill(getpid(), lwp, SIGUSR1);
    comes_to_wait(lwp);
    write(ends[1], "x", 1);
    thread_join(lwp, NULL);
    close(ends[0]), close(ends[1]);
    return is_right && KTAP_EQUAL(call_result, 1) && KTAP_EQUAL(nr_calls, 10);
}

static atomic_int taker_tid;

static void note_who(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    taker_tid = gettid();
}

static bool lwp_that_does_not_block_takes_it(void)
{
    thread_t lwp;

    pipe(ends);
    taker_tid = 0;
    signal_handle(SIGUSR1, note_who, SA_RESTART);
    thread_create(&lwp, read_one, NULL);
    comes_to_wait(lwp);
    block(SIGUSR1);
    kill(getpid(), SIGUSR1);
    while (taker_tid == 0)
        yield();
    write(ends[1], "x", 1);
    thread_join(lwp, NULL);
    unblock(SIGUSR1);
    close(ends[0]), close(ends[1]);
    return KTAP_EQUAL(taker_tid, lwp) && KTAP_EQUAL(call_result, 1);
}

static void *unblock_and_leave(void *arg)
{
    return arg;
}

static bool nobody_else_is_asked_in_vain(void)
{
    /* All block it, one leaves, one is made: it stays pending for the process. */
    thread_t lwp;

    handle(SIGUSR1, 0);
    block(SIGUSR1);
    kill(getpid(), SIGUSR1);
    thread_create(&lwp, unblock_and_leave, NULL);
    thread_join(lwp, NULL);
    bool is_right = KTAP_EQUAL(nr_calls, 0) && KTAP_EQUAL(pending(), signal_bit(SIGUSR1));
    unblock(SIGUSR1);
    return is_right && KTAP_EQUAL(nr_calls, 1);
}

static void *wait_for_usr1(void *arg)
{
    sigset_t set = signal_bit(SIGUSR1);
    siginfo_t info;

    (void)arg;
    call_result = syscall6(__NR_rt_sigtimedwait, (long)&set, (long)&info, 0, 8, 0, 0);
    return NULL;
}

static bool sigwait_takes_it(void)
{
    thread_t lwp;

    handle(SIGUSR1, 0);
    block(SIGUSR1);
    thread_create(&lwp, wait_for_usr1, NULL);
    comes_to_wait(lwp);
    kill(getpid(), SIGUSR1);
    thread_join(lwp, NULL);
    bool is_right = KTAP_EQUAL(call_result, SIGUSR1) && KTAP_EQUAL(pending(), 0);
    unblock(SIGUSR1);
    return is_right && KTAP_EQUAL(nr_calls, 0);
}

static bool sigwait_is_interrupted(void)
{
    thread_t lwp;

    handle(SIGUSR2, SA_RESTART);
    block(SIGUSR1);
    thread_create(&lwp, wait_for_usr1, NULL);
    comes_to_wait(lwp);
    tgkill(getpid(), lwp, SIGUSR2);
    thread_join(lwp, NULL);
    unblock(SIGUSR1);
    return KTAP_EQUAL(call_result, -EINTR) && KTAP_EQUAL(nr_calls, 1);
}

static bool sigtimedwait_has_a_time(void)
{
    struct timespec none = {0}, short_time = {.tv_nsec = 1000000}, bad = {.tv_nsec = -1};
    sigset_t set = signal_bit(SIGUSR1);

    return FAILS(sigtimedwait(&set, NULL, &none), EAGAIN) &&
           FAILS(sigtimedwait(&set, NULL, &short_time), EAGAIN) &&
           FAILS(sigtimedwait(&set, NULL, &bad), EINVAL);
}

/* Signals from a file. */

static long open_signals(sigset_t set, unsigned flags)
{
    return syscall6(__NR_signalfd4, -1, (long)&set, sizeof(set), flags, 0, 0);
}

static bool signals_are_read(void)
{
    struct signalfd_siginfo infos[3];
    sigset_t set = signal_bit(REALTIME) | signal_bit(SIGUSR1);
    int fd = (int)open_signals(set, O_NONBLOCK);
    bool is_right = KTAP_TRUE(fd >= 0);

    handle(SIGUSR1, 0), handle(REALTIME, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
    is_right &=
        FAILS(read(fd, infos, sizeof(infos)), EAGAIN) && FAILS(read(fd, infos, 127), EINVAL);
    raise(SIGUSR1);
    sigqueue(getpid(), REALTIME, (union sigval){.sival_int = 5});
    is_right &= KTAP_EQUAL(read(fd, infos, sizeof(infos)), 2 * sizeof(infos[0])) &&
                KTAP_EQUAL(infos[0].ssi_signo, SIGUSR1) &&
                KTAP_EQUAL(infos[0].ssi_code, SI_TKILL) && KTAP_EQUAL(infos[0].ssi_pid, getpid()) &&
                KTAP_EQUAL(infos[1].ssi_signo, REALTIME) && KTAP_EQUAL(infos[1].ssi_int, 5) &&
                KTAP_EQUAL(pending(), 0);
    set = signal_bit(SIGUSR2);
    is_right &= KTAP_EQUAL(syscall6(__NR_signalfd, fd, (long)&set, 8, 0, 0, 0), fd) &&
                KTAP_EQUAL(syscall6(__NR_signalfd, 1, (long)&set, 8, 0, 0, 0), -EINVAL) &&
                KTAP_EQUAL(syscall6(__NR_signalfd, 99, (long)&set, 8, 0, 0, 0), -EBADF) &&
                KTAP_EQUAL(open_signals(set, 1), -EINVAL);
    raise(SIGUSR1);
    is_right &= FAILS(read(fd, infos, sizeof(infos)), EAGAIN);
    unblock(SIGUSR1), unblock(REALTIME);
    close(fd);
    return is_right && KTAP_EQUAL(nr_calls, 1);
}

static void *poll_signals(void *arg)
{
    struct pollfd one = {.fd = *(int *)arg, .events = POLLIN};

    call_result = syscall6(__NR_poll, (long)&one, 1, -1, 0, 0, 0);
    return NULL;
}

static bool signals_are_polled(void)
{
    struct signalfd_siginfo info;
    int fd = (int)open_signals(signal_bit(SIGUSR1), 0);
    thread_t lwp;

    handle(SIGUSR1, 0);
    block(SIGUSR1);
    thread_create(&lwp, poll_signals, &fd);
    comes_to_wait(lwp);
    kill(getpid(), SIGUSR1);
    thread_join(lwp, NULL);
    bool is_right = KTAP_EQUAL(call_result, 1) && KTAP_EQUAL(read(fd, &info, sizeof(info)), 128) &&
                    KTAP_EQUAL(info.ssi_signo, SIGUSR1);
    unblock(SIGUSR1);
    close(fd);
    return is_right && KTAP_EQUAL(nr_calls, 0);
}

/* What is refused. */

static bool wrong_is_refused(void)
{
    struct sigaction action;
    siginfo_t info;
    pid_t child = start_child((void (*)(void *))(void *)pause_once, NULL);
    bool is_right;

    memset(&action, 0, sizeof(action));
    memset(&info, 0, sizeof(info));
    action.sa_handler = SIG_IGN;
    is_right = FAILS(sigaction(SIGKILL, &action, NULL), EINVAL) &&
               FAILS(sigaction(SIGSTOP, &action, NULL), EINVAL) &&
               FAILS(sigaction(0, NULL, NULL), EINVAL) &&
               FAILS(sigaction(65, NULL, NULL), EINVAL) &&
               KTAP_EQUAL(sigaction(SIGKILL, NULL, &action), 0) &&
               FAILS(sigprocmask(3, &action.sa_mask, NULL), EINVAL) &&
               FAILS(kill(getpid(), 65), EINVAL) && FAILS(kill(NOBODY, 0), ESRCH) &&
               FAILS(sigqueue(NOBODY, SIGUSR1, (union sigval){0}), ESRCH) &&
               FAILS(sigqueue(getpid(), 65, (union sigval){0}), EINVAL) &&
               KTAP_EQUAL(tgkill(getpid(), child, SIGUSR1), -ESRCH);
    info.si_code = SI_USER;
    is_right &=
        KTAP_EQUAL(syscall6(__NR_rt_sigqueueinfo, child, SIGURG, (long)&info, 0, 0, 0), -EPERM);
    info.si_code = SI_TKILL;
    is_right &= KTAP_EQUAL(
        syscall6(__NR_rt_tgsigqueueinfo, child, child, SIGURG, (long)&info, 0, 0), -EPERM);
    is_right &= KTAP_EQUAL(syscall6(__NR_rt_sigaction, SIGUSR1, 0, 0, 4, 0, 0), -EINVAL) &&
                KTAP_EQUAL(syscall6(__NR_rt_sigprocmask, 0, 0, 0, 16, 0, 0), -EINVAL);
    kill(child, SIGKILL);
    return waitpid(child, NULL, 0) == child && is_right;
}

static bool nothing_blocks_kill(void)
{
    sigset_t all = ~0ul, mask;

    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    all = 0;
    sigprocmask(SIG_SETMASK, &all, NULL);
    return KTAP_EQUAL(mask, ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP)));
}

/* Many at once. */

static atomic_bool is_over;
static atomic_long nr_handled;

static void count(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    atomic_fetch_add(&nr_handled, 1);
}

static void *use_the_pipe(void *arg)
{
    char c;

    (void)arg;
    while (!is_over) {
        if (syscall6(__NR_read, ends[0], (long)&c, 1, 0, 0, 0) == 1)
            syscall6(__NR_write, ends[1], (long)&c, 1, 0, 0, 0);
    }
    syscall6(__NR_write, ends[1], (long)&c, 1, 0, 0, 0);
    return NULL;
}

static bool none_is_lost(void)
{
    size_t nr = ktap_times(2000);
    thread_t lwps[4];

    pipe(ends);
    is_over = false;
    nr_handled = 0;
    signal_handle(REALTIME, count, 0);
    for (int i = 0; i < 4; i++)
        thread_create(&lwps[i], use_the_pipe, NULL);
    write(ends[1], "xx", 2);
    block(REALTIME);
    for (size_t i = 0; i < nr; i++) {
        while (sigqueue(getpid(), REALTIME, (union sigval){0}) != 0)
            yield();
    }
    is_over = true;
    write(ends[1], "x", 1);
    for (int i = 0; i < 4; i++)
        thread_join(lwps[i], NULL);
    unblock(REALTIME);
    close(ends[0]), close(ends[1]);
    return KTAP_EQUAL(nr_handled, (long)nr);
}

static const struct ktap_test tests[] = {
    {"a signal to oneself is handled before kill() returns", handler_runs_at_once},
    {"a handler knows who sent the signal, and the value", handler_knows_who_sent},
    {"while a handler runs, its signal and its mask are blocked", masks_while_it_runs},
    {"with SA_NODEFER its signal is not", nodefer_leaves_it_open},
    {"with SA_RESETHAND it runs once", resethand_is_once},
    {"handlers nest", handlers_nest},
    {"a blocked signal waits, and comes once", blocked_signal_waits},
    {"real-time signals are queued in order, with their values", realtime_signals_queue},
    {"the signal with the lowest number is taken first", lowest_number_comes_first},
    {"there is a limit to what is queued", queue_is_limited},
    {"ignoring a signal forgets it", ignored_signal_is_gone},
    {"an interrupted read fails with EINTR", read_is_eintr},
    {"or is made again, with SA_RESTART", read_is_restarted},
    {"an interrupted sleep says how much is left", sleep_says_what_is_left},
    {"pause ends after a handler only", pause_ends_after_a_handler},
    {"sigsuspend lets a signal in, and the mask is as before", sigsuspend_lets_one_in},
    {"an LWP that blocks the signal is left alone", blocking_lwp_is_left_alone},
    {"one that does not block it takes it", lwp_that_does_not_block_takes_it},
    {"a signal that all block stays with the process", nobody_else_is_asked_in_vain},
    {"sigtimedwait takes it before any handler", sigwait_takes_it},
    {"sigtimedwait is interrupted by other signals", sigwait_is_interrupted},
    {"sigtimedwait ends in time", sigtimedwait_has_a_time},
    {"signals are read from a file", signals_are_read},
    {"and who polls that is told", signals_are_polled},
    {"what makes no sense is refused", wrong_is_refused},
    {"SIGKILL and SIGSTOP cannot be blocked", nothing_blocks_kill},
    {"of many signals to many LWPs none is lost", none_is_lost},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
