/*
 * kill, process groups and sessions: what a signal does to a process whatever its LWPs are doing,
 * who is meant by a number, and what may not be done.
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define NR_SIBLINGS 3

static long raw_kill(long pid, long signal)
{
    return syscall6(__NR_kill, pid, signal, 0, 0, 0, 0);
}

static long raw_wait4(long pid, int *status, long options)
{
    return syscall6(__NR_wait4, pid, (long)status, options, 0, 0, 0);
}

static long raw_setpgid(long pid, long group)
{
    return syscall6(__NR_setpgid, pid, group, 0, 0, 0, 0);
}

/* What LWPs do when the signal comes. */

static void *spawn_for_ever(void *arg)
{
    for (;;) {
        char *argv[] = {"good", NULL};
        long child = syscall6(THRUM_SYS_spawn, (long)"/test/broken/good", (long)argv,
                              (long)(argv + 1), 0, 0, 0);
        raw_wait4(child, NULL, 0);
    }
    return arg;
}

static void *wait_for_children(void *arg)
{
    if (fork() == 0)
        sleep_ns(50000000), _exit(0);
    raw_wait4(-1, NULL, 0);
    return sleep_for_ever(arg);
}

static void *wait_in_vfork(void *arg)
{
    if (vfork() == 0) {
        sleep_ns(50000000);
        _exit(0);
    }
    return sleep_for_ever(arg);
}

static void *exec_for_ever(void *arg)
{
    char *argv[] = {"t_kill", "exec-for-ever", NULL};

    execv(ktap_program(), argv);
    return arg;
}

static int play_exec_for_ever(int argc, char **argv)
{
    (void)argc, (void)argv;
    exec_for_ever(NULL);
    return 1;
}

struct victim {
    const char *what;
    void *(*function)(void *);
};

static const struct victim victims[] = {
    {"compute", compute},
    {"sleep", sleep_for_ever},
    {"wait in futex", wait_in_futex},
    {"join", join_the_first},
    {"have ended and were not joined", return_argument},
    {"fault pages in", fault_for_ever},
    {"create LWPs", create_for_ever},
    {"fork", fork_for_ever},
    {"spawn", spawn_for_ever},
    {"wait for children", wait_for_children},
    {"wait in vfork", wait_in_vfork},
    {"exec", exec_for_ever},
};

static void be_victim(void *arg)
{
    const struct victim *victim = arg;
    thread_t lwp;

    for (int i = 0; i < NR_SIBLINGS; i++)
        thread_create(&lwp, victim->function, NULL);
    victim->function(NULL);
    sleep_for_ever(NULL);
}

/* Kills after a time that differs from round to round, so that it meets all states. */
static bool kill_ends(const struct victim *victim)
{
    size_t nr_rounds = 3 + ktap_times(50);
    struct counts counts;
    bool is_right = true;

    thrum_stat(&counts.wanted);
    for (size_t i = 0; i < nr_rounds && is_right; i++) {
        pid_t child = start_child(be_victim, (void *)victim);
        sleep_ns(i % 7 * 400000);
        is_right = KTAP_EQUAL(raw_kill(child, SIGKILL), 0) && dies(child, SIGKILL);
    }
    return is_right && KTAP_TRUE(ktap_wait_for(has_counts, &counts));
}

/* One process. */

static void sleep_in_child(void *arg)
{
    sleep_for_ever(arg);
}

static pid_t start_sleeper(void)
{
    return start_child(sleep_in_child, NULL);
}

static bool status_has_the_signal(void)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGPIPE, SIGALRM, 64};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(signals); i++) {
        pid_t child = start_sleeper();
        is_right &= KTAP_EQUAL(raw_kill(child, signals[i]), 0) && dies(child, signals[i]);
    }
    return is_right;
}

static void kill_self(void *arg)
{
    raw_kill(getpid(), (long)arg);
    _exit(CHILD_IS_WELL);
}

static bool kill_of_the_caller_does_not_return(void)
{
    return dies(start_child(kill_self, (void *)SIGTERM), SIGTERM);
}

static bool harmless_signals_change_nothing(void)
{
    return exits(start_child(kill_self, (void *)SIGCHLD), CHILD_IS_WELL) &&
           exits(start_child(kill_self, (void *)SIGWINCH), CHILD_IS_WELL) &&
           exits(start_child(kill_self, (void *)SIGURG), CHILD_IS_WELL) &&
           exits(start_child(kill_self, (void *)SIGCONT), CHILD_IS_WELL);
}

static void abort_in_child(void *arg)
{
    (void)arg;
    abort();
}

static bool abort_is_sigabrt(void)
{
    return dies(start_child(abort_in_child, NULL), SIGABRT);
}

static bool signal_0_only_asks(void)
{
    pid_t child = start_sleeper();
    bool is_right =
        KTAP_EQUAL(raw_kill(child, 0), 0) && KTAP_EQUAL(raw_wait4(child, NULL, WNOHANG), 0);

    raw_kill(child, SIGKILL);
    return dies(child, SIGKILL) && is_right && KTAP_EQUAL(raw_kill(child, 0), -ESRCH);
}

static bool nobody_is_esrch(void)
{
    return KTAP_EQUAL(raw_kill(NOBODY, SIGTERM), -ESRCH) &&
           KTAP_EQUAL(raw_kill(-NOBODY, SIGTERM), -ESRCH) &&
           KTAP_EQUAL(raw_kill(INT32_MIN, SIGTERM), -ESRCH);
}

static bool no_signal_is_einval(void)
{
    return KTAP_EQUAL(raw_kill(getpid(), 65), -EINVAL) &&
           KTAP_EQUAL(raw_kill(getpid(), -1), -EINVAL) &&
           KTAP_EQUAL(raw_kill(NOBODY, 1000), -EINVAL);
}

static bool init_stays(void)
{
    return KTAP_EQUAL(raw_kill(1, SIGINT), 0) && KTAP_EQUAL(raw_kill(1, SIGKILL), 0) &&
           KTAP_EQUAL(raw_kill(1, 0), 0);
}

static bool zombie_can_be_killed(void)
{
    pid_t child = start_child(kill_self, (void *)SIGCHLD);

    return KTAP_TRUE(child_comes_to_end(child)) && KTAP_EQUAL(raw_kill(child, SIGKILL), 0) &&
           exits(child, CHILD_IS_WELL);
}

static bool first_signal_counts(void)
{
    pid_t child = start_sleeper();

    raw_kill(child, SIGTERM);
    raw_kill(child, SIGKILL);
    return dies(child, SIGTERM);
}

static void kill_own_lwp(void *arg)
{
    thread_t lwp;

    (void)arg;
    thread_create(&lwp, sleep_for_ever, NULL);
    if (syscall6(__NR_tgkill, getpid(), NOBODY, SIGTERM, 0, 0, 0) != -ESRCH ||
        syscall6(__NR_tgkill, getppid(), lwp, SIGTERM, 0, 0, 0) != -ESRCH ||
        syscall6(__NR_tgkill, getpid(), 0, SIGTERM, 0, 0, 0) != -EINVAL ||
        syscall6(__NR_tgkill, 0, lwp, SIGTERM, 0, 0, 0) != -EINVAL ||
        syscall6(__NR_tkill, -1, SIGTERM, 0, 0, 0, 0) != -EINVAL ||
        syscall6(__NR_tkill, lwp, 65, 0, 0, 0, 0) != -EINVAL ||
        syscall6(__NR_tkill, NOBODY, SIGTERM, 0, 0, 0, 0) != -ESRCH)
        _exit(1);
    syscall6(__NR_tgkill, getpid(), lwp, SIGUSR2, 0, 0, 0);
    sleep_for_ever(NULL);
}

static bool tgkill_ends_the_process(void)
{
    return dies(start_child(kill_own_lwp, NULL), SIGUSR2);
}

static void exit_soon(void *arg)
{
    for (long i = 0; i < (long)arg; i++)
        yield();
    _exit(CHILD_IS_WELL);
}

static bool kill_races_with_exit(void)
{
    size_t nr_rounds = 10 + ktap_times(200);
    struct counts counts;

    thrum_stat(&counts.wanted);
    for (size_t i = 0; i < nr_rounds; i++) {
        int status = -1;
        pid_t child = start_child(exit_soon, (void *)(long)(i % 5));
        if (raw_kill(child, SIGTERM) != 0 || raw_wait4(child, &status, 0) != child ||
            (status != SIGTERM && status != CHILD_IS_WELL << 8))
            return KTAP_EQUAL(status, SIGTERM);
    }
    return KTAP_TRUE(ktap_wait_for(has_counts, &counts));
}

static void *kill_process(void *arg)
{
    raw_kill((long)arg, SIGKILL);
    return arg;
}

static bool several_lwps_kill_one_process(void)
{
    pid_t child = start_sleeper();
    thread_t lwp[NR_SIBLINGS];

    for (int i = 0; i < NR_SIBLINGS; i++)
        thread_create(&lwp[i], kill_process, (void *)(long)child);
    for (int i = 0; i < NR_SIBLINGS; i++)
        thread_join(lwp[i], NULL);
    return dies(child, SIGKILL);
}

/* Groups and sessions. */

static bool child_is_in_its_parents_group(void)
{
    pid_t child = start_sleeper();
    bool is_right = KTAP_EQUAL(getpgid(child), getpgrp()) && KTAP_EQUAL(getsid(child), getsid(0));

    raw_kill(child, SIGKILL);
    return dies(child, SIGKILL) && is_right;
}

/* In a session of its own, so that the suite is not meant. */
static void play_group(void *arg)
{
    bool (*play)(void) = (bool (*)(void))arg;

    setsid();
    _exit(play() ? CHILD_IS_WELL : 1);
}

static bool in_session(bool (*play)(void))
{
    return exits(start_child(play_group, (void *)play), CHILD_IS_WELL);
}

static bool play_setsid(void)
{
    return KTAP_EQUAL(getsid(0), getpid()) && KTAP_EQUAL(getpgrp(), getpid()) &&
           KTAP_EQUAL(syscall6(__NR_setsid, 0, 0, 0, 0, 0, 0), -EPERM);
}

static bool play_setpgid_errors(void)
{
    return KTAP_EQUAL(raw_setpgid(0, -1), -EINVAL) && KTAP_EQUAL(raw_setpgid(-1, 0), -EINVAL) &&
           KTAP_EQUAL(raw_setpgid(NOBODY, 0), -ESRCH) && KTAP_EQUAL(raw_setpgid(1, 0), -ESRCH) &&
           KTAP_EQUAL(raw_setpgid(0, 0), -EPERM);
}

static bool play_child_in_group_of_nobody(void)
{
    pid_t child = start_sleeper();
    bool is_right =
        KTAP_EQUAL(raw_setpgid(child, NOBODY), -EPERM) && KTAP_EQUAL(raw_setpgid(child, 1), -EPERM);

    raw_kill(child, SIGKILL);
    return dies(child, SIGKILL) && is_right;
}

static bool play_child_after_exec(void)
{
    char *argv[] = {"t_kill", "sleep", NULL};
    pid_t child = vfork();

    if (child == 0) {
        execv(ktap_program(), argv);
        _exit(1);
    }
    bool is_right = KTAP_EQUAL(raw_setpgid(child, child), -EACCES);
    raw_kill(child, SIGKILL);
    return dies(child, SIGKILL) && is_right;
}

/* As in a pipeline whose first program has ended before the shell makes the group. */
static bool play_zombie_leads_a_group(void)
{
    pid_t first = start_child(kill_self, (void *)SIGTERM), second = start_sleeper();
    siginfo_t info;
    bool is_right =
        KTAP_EQUAL(syscall(__NR_waitid, P_PID, first, &info, WEXITED | WNOWAIT, NULL), 0) &&
        KTAP_EQUAL(raw_setpgid(first, 0), 0) && KTAP_EQUAL(raw_setpgid(second, first), 0) &&
        dies(first, SIGTERM) && KTAP_EQUAL(raw_kill(-first, SIGKILL), 0);

    return dies(second, SIGKILL) && is_right;
}

/* Three children: two are in a group, the third is not. */
static bool play_kill_of_a_group(void)
{
    pid_t first = start_sleeper(), second = start_sleeper(), third = start_sleeper();
    bool is_right = KTAP_EQUAL(raw_setpgid(first, 0), 0) &&
                    KTAP_EQUAL(raw_setpgid(second, first), 0) &&
                    KTAP_EQUAL(getpgid(second), first) &&
                    KTAP_EQUAL(raw_kill(-first, SIGTERM), 0) && dies(first, SIGTERM) &&
                    dies(second, SIGTERM) && KTAP_EQUAL(raw_wait4(third, NULL, WNOHANG), 0);

    raw_kill(third, SIGKILL);
    return dies(third, SIGKILL) && is_right && KTAP_EQUAL(raw_kill(-first, 0), -ESRCH);
}

static bool play_wait_for_a_group(void)
{
    pid_t first = start_child(kill_self, (void *)SIGCHLD);
    pid_t second = start_sleeper();
    bool is_right = KTAP_EQUAL(raw_setpgid(second, 0), 0);

    raw_kill(second, SIGTERM);
    is_right = is_right && KTAP_EQUAL(raw_wait4(-second, NULL, 0), second) &&
               KTAP_EQUAL(raw_wait4(-second, NULL, 0), -ECHILD) &&
               KTAP_EQUAL(raw_wait4(0, NULL, 0), first) &&
               KTAP_EQUAL(raw_wait4(0, NULL, 0), -ECHILD);
    return is_right;
}

static void kill_own_group(void *arg)
{
    (void)arg;
    setsid();
    start_sleeper();
    start_sleeper();
    raw_kill(0, SIGTERM);
    _exit(CHILD_IS_WELL);
}

static bool kill_0_is_the_own_group(void)
{
    struct counts counts;

    thrum_stat(&counts.wanted);
    return dies(start_child(kill_own_group, NULL), SIGTERM) &&
           KTAP_TRUE(ktap_wait_for(has_counts, &counts));
}

static void *fork_sleepers(void *arg)
{
    for (int i = 0; i < 20; i++)
        if (syscall6(__NR_fork, 0, 0, 0, 0, 0, 0) == 0)
            sleep_for_ever(NULL);
    return sleep_for_ever(arg);
}

static void be_forking_group(void *arg)
{
    thread_t lwp;

    setsid();
    thread_create(&lwp, fork_sleepers, NULL);
    fork_sleepers(arg);
}

static bool killed_group_leaves_nobody(void)
{
    size_t nr_rounds = 20 + ktap_times(50);
    struct counts counts;
    bool is_right = true;

    thrum_stat(&counts.wanted);
    for (size_t i = 0; i < nr_rounds && is_right; i++) {
        pid_t leader = start_child(be_forking_group, NULL);
        while (getpgid(leader) != leader)
            yield();
        sleep_ns(i % 13 * 100000);
        is_right = KTAP_EQUAL(raw_kill(-leader, SIGKILL), 0) && dies(leader, SIGKILL) &&
                   KTAP_TRUE(ktap_wait_for(has_counts, &counts));
        raw_kill(-leader, SIGKILL); /* whoever has got away */
    }
    return is_right;
}

/* The group of a leader that has ended lives on in its child. */
static bool play_group_outlives_its_leader(void)
{
    pid_t leader = start_sleeper(), member = start_sleeper();

    setpgid(leader, 0);
    setpgid(member, leader);
    raw_kill(leader, SIGKILL);
    bool is_right = dies(leader, SIGKILL) && KTAP_EQUAL(raw_kill(-leader, 0), 0) &&
                    KTAP_EQUAL(raw_kill(-leader, SIGTERM), 0);
    return dies(member, SIGTERM) && is_right;
}

static bool numbers_of_nobody_are_esrch(void)
{
    return KTAP_EQUAL(syscall6(__NR_getpgid, NOBODY, 0, 0, 0, 0, 0), -ESRCH) &&
           KTAP_EQUAL(syscall6(__NR_getsid, NOBODY, 0, 0, 0, 0, 0), -ESRCH) &&
           KTAP_EQUAL(syscall6(__NR_getpgid, -1, 0, 0, 0, 0, 0), -ESRCH);
}

/* As on Linux, where the number of any LWP stands for its process, except to setpgid(). */
static bool number_of_an_lwp_finds_its_process(void)
{
    thread_t lwp;

    thread_create(&lwp, sleep_for_ever, NULL);
    bool is_right = KTAP_EQUAL(getpgid((pid_t)lwp), getpgrp()) &&
                    KTAP_EQUAL(getsid((pid_t)lwp), getsid(0)) &&
                    KTAP_EQUAL(raw_setpgid((long)lwp, 0), -EINVAL);
    thread_exit_target(lwp);
    thread_join(lwp, NULL);
    return is_right;
}

struct session_test {
    const char *sentence;
    bool (*play)(void);
};

static const struct session_test session_tests[] = {
    {"setsid begins a session and a group, and a leader may not call it", play_setsid},
    {"setpgid refuses what is no number, nobody, a stranger and a leader", play_setpgid_errors},
    {"a child cannot join a group of another session, or of nobody", play_child_in_group_of_nobody},
    {"after its exec a child cannot be moved", play_child_after_exec},
    {"a child that has ended can still lead a group", play_zombie_leads_a_group},
    {"kill of a group ends its members only", play_kill_of_a_group},
    {"wait takes a group, and 0 is the own one", play_wait_for_a_group},
    {"a group outlives its leader", play_group_outlives_its_leader},
};

static const struct ktap_test tests[] = {
    {"the parent hears which signal it was", status_has_the_signal},
    {"a process that kills itself does not go on", kill_of_the_caller_does_not_return},
    {"signals that are ignored by default change nothing", harmless_signals_change_nothing},
    {"abort is SIGABRT", abort_is_sigabrt},
    {"signal 0 only asks", signal_0_only_asks},
    {"kill of nobody is ESRCH", nobody_is_esrch},
    {"a signal that does not exist is EINVAL", no_signal_is_einval},
    {"init cannot be killed", init_stays},
    {"a zombie can be killed, and keeps its status", zombie_can_be_killed},
    {"of two signals the first counts", first_signal_counts},
    {"tkill and tgkill check their numbers, and end the process", tgkill_ends_the_process},
    {"kill that meets exit leaves one status of the two", kill_races_with_exit},
    {"several LWPs may kill one process", several_lwps_kill_one_process},
    {"a child is in its parent's group and session", child_is_in_its_parents_group},
    {"kill of 0 ends the own group", kill_0_is_the_own_group},
    {"a group that is killed while its members fork leaves nobody", killed_group_leaves_nobody},
    {"an LWP's number finds group and session of its process", number_of_an_lwp_finds_its_process},
    {"group and session of nobody are ESRCH", numbers_of_nobody_are_esrch},
};

static int play_sleep(int argc, char **argv)
{
    (void)argc, (void)argv;
    sleep_for_ever(NULL);
    return 1;
}

static const struct ktap_role roles[] = {
    {"exec-for-ever", play_exec_for_ever},
    {"sleep", play_sleep},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(victims) + KTAP_LEN(session_tests));
    ktap_run(tests, KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(session_tests); i++)
        ktap_ok(in_session(session_tests[i].play), "%s", session_tests[i].sentence);
    for (size_t i = 0; i < KTAP_LEN(victims); i++)
        ktap_ok(kill_ends(&victims[i]), "kill ends a process whose LWPs %s", victims[i].what);
    return ktap_finish();
}
