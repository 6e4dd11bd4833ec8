/*
 * What becomes of children whose parent ends: whose they are then (PR_SET_CHILD_SUBREAPER), and the
 * signal that they may ask for (PR_SET_PDEATHSIG).
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define EXIT(code) ((code) << 8)

/* Shared with all children. */
static struct shared {
    atomic_int middle, orphan; /* their numbers, when they have got so far */
    atomic_int parent;         /* the orphan's, when it is no longer `middle` */
    atomic_int signal, sender; /* that the orphan has got */
    atomic_bool may_end;
} * shared;

static long prctl(int option, unsigned long argument)
{
    return syscall(__NR_prctl, option, argument, 0, 0, 0);
}

static int ask(int option)
{
    int value = -1;

    return syscall(__NR_prctl, option, &value, 0, 0, 0) == 0 ? value : -1;
}

/* Waits until it is not 0; false: that does not come. */
static bool comes(atomic_int *value)
{
    uint64_t give_up_ns = monotonic_ns() + KTAP_PATIENCE_NS;

    while (atomic_load(value) == 0) {
        if (monotonic_ns() > give_up_ns)
            return KTAP_TRUE(false);
        sleep_ns(1000000);
    }
    return true;
}

static void live_as_orphan(void *unused)
{
    int middle = getppid();

    (void)unused;
    atomic_store(&shared->orphan, getpid());
    while (getppid() == middle)
        sleep_ns(1000000);
    atomic_store(&shared->parent, getppid());
    while (!atomic_load(&shared->may_end))
        sleep_ns(1000000);
    _exit(7);
}

static void end_behind_child(void *child)
{
    atomic_store(&shared->middle, getpid());
    start_child((void (*)(void *))child, NULL);
    if (comes(&shared->orphan))
        _exit(3);
    _exit(1);
}

static bool waits_for(pid_t pid, int status)
{
    int found = -1;

    return KTAP_EQUAL(waitpid(pid, &found, 0), pid) && KTAP_EQUAL(found, status);
}

static bool has_gone(void *pid)
{
    return kill(*(atomic_int *)pid, 0) != 0;
}

static bool orphans_go_to_who_asked(void)
{
    pid_t middle;
    bool ok;

    memset(shared, 0, sizeof(*shared));
    ok = KTAP_EQUAL(ask(PR_GET_CHILD_SUBREAPER), 0) &&
         KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 2), 0) &&
         KTAP_EQUAL(ask(PR_GET_CHILD_SUBREAPER), 1);
    middle = start_child(end_behind_child, (void *)live_as_orphan);
    ok = ok && waits_for(middle, EXIT(3)) && comes(&shared->parent) &&
         KTAP_EQUAL(shared->parent, getpid());
    shared->may_end = true;
    ok = ok && waits_for(shared->orphan, EXIT(7)) && KTAP_EQUAL(waitpid(-1, NULL, 0), -1) &&
         KTAP_EQUAL(errno, ECHILD);
    return KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 0), 0) && ok;
}

static bool orphans_go_to_init_else(void)
{
    pid_t middle;
    bool ok;

    memset(shared, 0, sizeof(*shared));
    middle = start_child(end_behind_child, (void *)live_as_orphan);
    ok = waits_for(middle, EXIT(3)) && comes(&shared->parent) && KTAP_EQUAL(shared->parent, 1);
    shared->may_end = true;
    return KTAP_TRUE(ktap_wait_for(has_gone, &shared->orphan)) && ok;
}

/* A process that asked, between, with a child of its own that ends; it ends before that one. */
static void ask_and_have_child(void *unused)
{
    pid_t middle;

    (void)unused;
    if (ask(PR_GET_CHILD_SUBREAPER) != 0) /* it is not inherited */
        _exit(1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    middle = start_child(end_behind_child, (void *)live_as_orphan);
    if (waitpid(middle, NULL, 0) != middle || !comes(&shared->parent) || shared->parent != getpid())
        _exit(2);
    _exit(4);
}

static bool the_nearest_takes_them(void)
{
    bool ok = KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t between;

    memset(shared, 0, sizeof(*shared));
    between = start_child(ask_and_have_child, NULL);
    ok = ok && waits_for(between, EXIT(4));
    shared->may_end = true;
    ok = ok && waits_for(shared->orphan, EXIT(7));
    return KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 0), 0) && ok;
}

/* ---- Children that have ended before --------------------------------------------------------- */

static void end_at_once(void *unused)
{
    (void)unused;
    atomic_store(&shared->orphan, getpid());
    _exit(9);
}

static void end_behind_zombie(void *unused)
{
    siginfo_t info;
    pid_t child = start_child(end_at_once, NULL);

    (void)unused;
    if (syscall6(__NR_waitid, P_PID, child, (long)&info, WEXITED | WNOWAIT, 0, 0) != 0)
        _exit(1);
    _exit(3);
}

static atomic_int nr_sigchld;

static void note_child(int signal)
{
    (void)signal;
    nr_sigchld++;
}

static bool zombies_are_told_of(void)
{
    struct sigaction action = {.sa_handler = note_child}, old;
    pid_t middle;
    bool ok = KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0) &&
              KTAP_EQUAL(sigaction(SIGCHLD, &action, &old), 0);

    memset(shared, 0, sizeof(*shared));
    nr_sigchld = 0;
    middle = start_child(end_behind_zombie, NULL);
    ok = ok && comes(&nr_sigchld);
    while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
        ;
    ok = ok && waits_for(shared->orphan, EXIT(9));
    return KTAP_EQUAL(sigaction(SIGCHLD, &old, NULL), 0) &&
           KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 0), 0) && ok;
}

static bool who_waits_for_none_gets_none(void)
{
    struct sigaction ignored = {.sa_handler = SIG_IGN}, old;
    bool ok = KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0) &&
              KTAP_EQUAL(sigaction(SIGCHLD, &ignored, &old), 0);

    memset(shared, 0, sizeof(*shared));
    start_child(end_behind_zombie, NULL);
    ok = ok && KTAP_EQUAL(waitpid(-1, NULL, 0), -1) && KTAP_EQUAL(errno, ECHILD);
    ok = KTAP_TRUE(ktap_wait_for(has_gone, &shared->orphan)) && ok;
    ok = ok && KTAP_EQUAL(kill(shared->orphan, 0), -1) && KTAP_EQUAL(errno, ESRCH);
    return KTAP_EQUAL(sigaction(SIGCHLD, &old, NULL), 0) &&
           KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 0), 0) && ok;
}

/* ---- The signal ------------------------------------------------------------------------------ */

static void wait_for_signal(void *unused)
{
    sigset_t set = 1ul << (SIGUSR1 - 1);
    siginfo_t info;

    (void)unused;
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (ask(PR_GET_PDEATHSIG) != 0 || prctl(PR_SET_PDEATHSIG, SIGUSR1) != 0 ||
        ask(PR_GET_PDEATHSIG) != SIGUSR1)
        _exit(1);
    atomic_store(&shared->orphan, getpid());
    if (syscall6(__NR_rt_sigtimedwait, (long)&set, (long)&info, 0, 8, 0, 0) != SIGUSR1)
        _exit(2);
    shared->sender = info.si_pid;
    atomic_store(&shared->signal, info.si_signo);
    _exit(0);
}

static bool a_signal_comes_when_the_parent_ends(void)
{
    pid_t middle;

    memset(shared, 0, sizeof(*shared));
    middle = start_child(end_behind_child, (void *)wait_for_signal);
    return waits_for(middle, EXIT(3)) && comes(&shared->signal) &&
           KTAP_EQUAL(shared->signal, SIGUSR1) && KTAP_EQUAL(shared->sender, middle);
}

static void be_ended(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    atomic_store(&shared->orphan, getpid());
    for (;;)
        sleep_ns(1000000000);
}

static bool it_may_end_the_child(void)
{
    pid_t middle;
    bool ok = KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);

    memset(shared, 0, sizeof(*shared));
    middle = start_child(end_behind_child, (void *)be_ended);
    ok = ok && waits_for(middle, EXIT(3)) && waits_for(shared->orphan, SIGKILL);
    return KTAP_EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 0), 0) && ok;
}

/* The exit status says where it is not so. */
static void lose_the_signal(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    if (syscall(__NR_setresuid, 7, -1, -1) != 0 || ask(PR_GET_PDEATHSIG) != SIGUSR1)
        _exit(1); /* the real user does not matter */
    if (syscall(__NR_setresuid, -1, 7, -1) != 0 || ask(PR_GET_PDEATHSIG) != 0)
        _exit(2);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    syscall(__NR_setfsuid, 0);
    if (ask(PR_GET_PDEATHSIG) != 0)
        _exit(3);
    _exit(0);
}

static bool becoming_another_loses_the_signal(void)
{
    return waits_for(start_child(lose_the_signal, NULL), 0);
}

static int tell_signal(int argc, char **argv)
{
    (void)argc, (void)argv;
    return ask(PR_GET_PDEATHSIG);
}

static void exec_tell_signal(void *unused)
{
    char *argv[] = {(char *)ktap_program(), (char *)"tell_signal", NULL}, *none[] = {NULL};

    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    execve(ktap_program(), argv, none);
    _exit(99);
}

static bool exec_keeps_the_signal(void)
{
    return waits_for(start_child(exec_tell_signal, NULL), EXIT(SIGUSR2));
}

static const struct ktap_role roles[] = {{"tell_signal", tell_signal}};

static const struct ktap_test tests[] = {
    {"orphans go to the process above them that asked", orphans_go_to_who_asked},
    {"orphans go to the first process if none did", orphans_go_to_init_else},
    {"the nearest one takes them, and when it ends the next", the_nearest_takes_them},
    {"of those that have ended already it is told", zombies_are_told_of},
    {"one that ignores SIGCHLD does not have to wait for them", who_waits_for_none_gets_none},
    {"a signal comes when the parent ends", a_signal_comes_when_the_parent_ends},
    {"that may end the child", it_may_end_the_child},
    {"becoming another user loses the signal", becoming_another_loses_the_signal},
    {"exec keeps the signal", exec_keeps_the_signal},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return ktap_main(tests, KTAP_LEN(tests));
}
