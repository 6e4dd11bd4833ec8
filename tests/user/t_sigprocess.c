/*
 * What signals do to processes: what each does by default, what a child and a new program inherit,
 * and what a parent is told when a child ends.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clone_asm.h"
#include "common.h"
#include "ktap.h"
#include "signals.h"

/* What signals do by default. */

/* In a session of its own. */
static void send_self(void *arg)
{
    int signal = *(int *)arg;

    setsid();
    set_default(signal, SIG_DFL);
    raise(signal);
    _exit(CHILD_IS_WELL);
}

static bool default_is_right(int signal)
{
    bool is_ignored =
        signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
    bool stops = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    int status = -1;
    pid_t child;

    child = start_child(send_self, &signal);
    if (stops) {
        /* An orphaned group, as the child's is, is stopped by SIGSTOP only. */
        if (signal != SIGSTOP)
            return KTAP_EQUAL(waitpid(child, &status, WUNTRACED), child) &&
                   KTAP_EQUAL(status, CHILD_IS_WELL << 8);
        if (!KTAP_EQUAL(waitpid(child, &status, WUNTRACED), child) ||
            !KTAP_EQUAL(status, signal << 8 | 0x7f))
            return false;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return KTAP_EQUAL(status, SIGKILL);
    }
    waitpid(child, &status, 0);
    return is_ignored ? KTAP_EQUAL(status, CHILD_IS_WELL << 8) : KTAP_EQUAL(status, signal);
}

static bool defaults_are_right(void)
{
    bool is_right = true;

    for (int signal = 1; signal <= 64; signal++) {
        if (!default_is_right(signal)) {
            ktap_diag("signal %d", signal);
            is_right = false;
        }
    }
    return is_right;
}

static void write_into_nothing(void *arg)
{
    int ends[2];

    (void)arg;
    pipe(ends);
    close(ends[0]);
    write(ends[1], "x", 1);
    _exit(CHILD_IS_WELL);
}

static bool sigpipe_ends_a_writer(void)
{
    int status = -1, ends[2];
    bool is_right;

    set_default(SIGPIPE, SIG_DFL);
    waitpid(start_child(write_into_nothing, NULL), &status, 0);
    is_right = KTAP_EQUAL(status, SIGPIPE);
    handle(SIGPIPE, 0);
    pipe(ends);
    close(ends[0]);
    is_right &= FAILS(write(ends[1], "x", 1), EPIPE) && KTAP_EQUAL(nr_calls, 1);
    set_default(SIGPIPE, SIG_IGN);
    is_right &= FAILS(write(ends[1], "x", 1), EPIPE);
    close(ends[1]);
    set_default(SIGPIPE, SIG_DFL);
    return is_right;
}

static bool init_is_immune(void)
{
    /* For these three it has handlers: they are requests. */
    const sigset_t handled = signal_bit(SIGTERM) | signal_bit(SIGUSR1) | signal_bit(SIGUSR2);
    bool is_right = true;

    for (int signal = 1; signal <= 64; signal++)
        is_right &= handled & signal_bit(signal) || KTAP_EQUAL(kill(1, signal), 0);
    return is_right && KTAP_EQUAL(kill(1, 0), 0);
}

/* Fork and exec. */

static void check_inherited(void *arg)
{
    sigset_t mask;
    struct sigaction usr1, usr2;

    (void)arg;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigaction(SIGUSR1, NULL, &usr1);
    sigaction(SIGUSR2, NULL, &usr2);
    _exit(mask == signal_bit(SIGHUP) && usr1.sa_handler == (__sighandler_t)(void *)note &&
                  usr2.sa_handler == SIG_IGN && pending() == 0
              ? CHILD_IS_WELL
              : 1);
}

static int after_exec(int argc, char **argv)
{
    sigset_t mask;
    struct sigaction usr1, usr2;

    (void)argc, (void)argv;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigaction(SIGUSR1, NULL, &usr1);
    sigaction(SIGUSR2, NULL, &usr2);
    return mask == signal_bit(SIGHUP) && usr1.sa_handler == SIG_DFL && usr1.sa_flags == 0 &&
                   usr2.sa_handler == SIG_IGN && pending() == signal_bit(SIGHUP)
               ? CHILD_IS_WELL
               : 1;
}

static void exec_after(void *arg)
{
    char *argv[] = {"t_sigprocess", "after-exec", NULL};

    (void)arg;
    raise(SIGHUP);
    execv(ktap_program(), argv);
}

static bool child_inherits(void)
{
    int status = -1;
    bool is_right;

    handle(SIGUSR1, 0);
    set_default(SIGUSR2, SIG_IGN);
    handle(SIGHUP, 0);
    block(SIGHUP);
    raise(SIGHUP);
    waitpid(start_child(check_inherited, NULL), &status, 0);
    is_right = KTAP_EQUAL(status, CHILD_IS_WELL << 8);
    waitpid(start_child(exec_after, NULL), &status, 0);
    is_right &= KTAP_EQUAL(status, CHILD_IS_WELL << 8);
    unblock(SIGHUP);
    set_default(SIGUSR2, SIG_DFL);
    return is_right;
}

static void exit_with_9(void *arg)
{
    (void)arg;
    _exit(9);
}

/* Waits for it, and what it says becomes `last`. */
static bool is_sent_sigchld(void)
{
    sigset_t set = signal_bit(SIGCHLD);

    return KTAP_EQUAL(syscall6(__NR_rt_sigtimedwait, (long)&set, (long)&last, 0, 8, 0, 0), SIGCHLD);
}

static void pause_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        syscall6(__NR_pause, 0, 0, 0, 0, 0, 0);
}

static bool parent_gets_sigchld(void)
{
    pid_t child;
    int status;

    handle(SIGCHLD, 0);
    block(SIGCHLD);
    child = start_child(exit_with_9, NULL);
    bool is_right = is_sent_sigchld() && KTAP_EQUAL(last.si_code, CLD_EXITED) &&
                    KTAP_EQUAL(last.si_pid, child) && KTAP_EQUAL(last.si_status, 9) &&
                    KTAP_EQUAL(waitpid(child, &status, 0), child);
    child = start_child(pause_for_ever, NULL);
    kill(child, SIGTERM);
    is_right &= is_sent_sigchld() && KTAP_EQUAL(last.si_code, CLD_KILLED) &&
                KTAP_EQUAL(last.si_pid, child) && KTAP_EQUAL(last.si_status, SIGTERM) &&
                KTAP_EQUAL(waitpid(child, &status, 0), child);
    unblock(SIGCHLD);
    set_default(SIGCHLD, SIG_DFL);
    return is_right;
}

static bool ignored_children_go(void)
{
    struct counts before;
    bool is_right;

    thrum_stat(&before.wanted);
    set_default(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 5; i++)
        start_child(exit_with_9, NULL);
    is_right = FAILS(wait(NULL), ECHILD) && ktap_wait_for(has_counts, &before);
    handle(SIGCHLD, SA_NOCLDWAIT);
    start_child(exit_with_9, NULL);
    while (nr_calls == 0)
        yield();
    is_right &= FAILS(wait(NULL), ECHILD) && ktap_wait_for(has_counts, &before);
    set_default(SIGCHLD, SIG_DFL);
    return is_right;
}

static int ignore_usr1(void *arg)
{
    (void)arg;
    set_default(SIGUSR1, SIG_IGN);
    return 0;
}

/* Whether SIGUSR1 has a handler after a child that shares memory, and more, has ignored it. */
static bool has_handler_after(unsigned long flags)
{
    static char stack[16384] __attribute__((aligned(16)));
    struct sigaction now;
    long child = clone_call(flags | CLONE_VM | CLONE_VFORK | SIGCHLD, stack + sizeof(stack), NULL,
                            NULL, 0, ignore_usr1, NULL);

    waitpid((pid_t)child, NULL, 0);
    sigaction(SIGUSR1, NULL, &now);
    return now.sa_handler == (__sighandler_t)(void *)note;
}

static long clone_process(unsigned long flags)
{
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};

    return syscall6(__NR_clone3, (long)&args, sizeof(args), 0, 0, 0, 0);
}

static bool clone_may_share_actions(void)
{
    struct sigaction now;
    int status = -1;

    handle(SIGUSR1, 0);
    if (!KTAP_TRUE(has_handler_after(0)) || !KTAP_TRUE(!has_handler_after(CLONE_SIGHAND)))
        return false;
    handle(SIGUSR1, 0);
    long child = clone_process(CLONE_CLEAR_SIGHAND);
    if (child == 0) {
        sigaction(SIGUSR1, NULL, &now);
        _exit(now.sa_handler == SIG_DFL ? CHILD_IS_WELL : 1);
    }
    waitpid((pid_t)child, &status, 0);
    return KTAP_EQUAL(status, CHILD_IS_WELL << 8) &&
           KTAP_EQUAL(clone_process(CLONE_VM | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND), -EINVAL);
}

static const struct ktap_test tests[] = {
    {"every signal does by default what POSIX says", defaults_are_right},
    {"SIGPIPE ends who writes into a pipe that nobody reads", sigpipe_ends_a_writer},
    {"the first process is immune", init_is_immune},
    {"fork keeps handlers and mask, exec the mask and what is ignored", child_inherits},
    {"SIGCHLD says how a child ended", parent_gets_sigchld},
    {"children that nobody wants to wait for go by themselves", ignored_children_go},
    {"clone may share the actions, or clear them", clone_may_share_actions},
};

static const struct ktap_role roles[] = {{"after-exec", after_exec}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
