/*
 * The end of a process with many LWPs: by the last of them, by exit() in one, by a fault.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

/* An LWP that stays until its semaphore is posted. */
static void *wait_for_semaphore(void *sem)
{
    thread_sem_wait(sem);
    return sem;
}

static void *join_argument(void *arg)
{
    void *value = NULL;

    if (thread_join((thread_t)(intptr_t)arg, &value) != 0)
        return (void *)(intptr_t)-errno;
    return value;
}

static void *exit_process(void *arg)
{
    exit((int)(intptr_t)arg);
}

static int leave_first(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_lwp(exit_process, (void *)7);
    thread_exit(NULL);
}

static void *join_then_exit(void *arg)
{
    void *value = NULL;

    if (thread_join((thread_t)(intptr_t)arg, &value) != 0)
        exit(errno);
    exit((int)(intptr_t)value);
}

static int leave_and_be_joined(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_lwp(join_then_exit, (void *)(intptr_t)gettid());
    thread_exit((void *)55);
}

static int leave_one_by_one(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (intptr_t i = 0; i < 8; i++)
        start_lwp(return_argument, (void *)(i + 1));
    thread_exit((void *)9);
}

/* LWPs in every state there is. */
static void start_busy_siblings(void)
{
    static thread_sem_t never;
    thread_t sleeper = start_lwp(sleep_for_ever, NULL);

    thread_t joiner = start_lwp(join_argument, (void *)(intptr_t)sleeper);
    thread_t waiter = start_lwp(wait_for_semaphore, &never);
    thread_t zombie = start_lwp(return_argument, NULL);

    comes_to_wait(sleeper);
    comes_to_wait(joiner);
    comes_to_wait(waiter);
    comes_to_end(zombie);
    start_lwp(fault_for_ever, NULL);
    start_lwp(create_for_ever, NULL);
    for (size_t i = 0; i < ktap_cpus(); i++)
        start_lwp(compute, NULL);
}

static int exit_with_siblings(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_busy_siblings();
    return 3;
}

static int exit_from_another(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_busy_siblings();
    thread_join(start_lwp(exit_process, (void *)4), NULL);
    return 5;
}

static void *fault(void *arg)
{
    *(volatile int *)arg = 1;
    return NULL;
}

static int fault_with_siblings(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_busy_siblings();
    thread_join(start_lwp(fault, NULL), NULL);
    return 5;
}

/* More than could be written while anybody waits. Lazily backed: it costs what has been written. */
static void *write_for_ages(void *has_begun)
{
    enum { NR_BYTES = 256 << 20 };
    char *zeroes = mmap(NULL, NR_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    atomic_store((_Atomic int *)has_begun, 1);
    write(STDOUT_FILENO, zeroes, NR_BYTES);
    return NULL;
}

static int exit_during_write(int argc, char **argv)
{
    static _Atomic int has_begun;

    (void)argc, (void)argv;
    start_lwp(write_for_ages, &has_begun);
    while (!atomic_load(&has_begun))
        yield();
    return 8;
}

static int exit_all_at_once(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (intptr_t i = 0; i < 16; i++)
        start_lwp(exit_process, (void *)6);
    thread_exit(NULL);
}

static bool first_lwp_may_leave_first(void)
{
    return KTAP_ROLE_EXITS("leave-first", 7);
}

static bool first_lwp_can_be_joined(void)
{
    return KTAP_ROLE_EXITS("leave-and-be-joined", 55);
}

static bool last_lwp_ends_the_process(void)
{
    return KTAP_ROLE_EXITS("leave-one-by-one", 0);
}

static bool exit_ends_all(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_EXITS("exit-with-siblings", 3) && lwps_come_back_to(nr_lwps);
}

static bool exit_of_another_ends_all(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_EXITS("exit-from-another", 4) && lwps_come_back_to(nr_lwps);
}

struct child {
    pid_t pid;
    int status;
};

static bool child_has_ended(void *arg)
{
    struct child *child = arg;

    return waitpid(child->pid, &child->status, WNOHANG) == child->pid;
}

static bool exit_ends_a_long_write(void)
{
    struct child child = {.pid = ktap_spawn_role("exit-during-write", NULL)};
    bool has_ended = ktap_wait_for(child_has_ended, &child);

    ktap_diag("some zero bytes have been written"); /* ends their line */
    return KTAP_TRUE(has_ended) && ktap_check_exits(child.status, 8, __FILE__, __LINE__);
}

static bool exit_of_all_at_once_is_one_exit(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_EXITS("exit-all-at-once", 6) && lwps_come_back_to(nr_lwps);
}

static bool fault_ends_all(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_DIES("fault-with-siblings", SIGSEGV) && lwps_come_back_to(nr_lwps);
}

static const struct ktap_test tests[] = {
    {"the first LWP may leave before the others", first_lwp_may_leave_first},
    {"the first LWP can be joined", first_lwp_can_be_joined},
    {"the process ends with status 0 when the last LWP leaves", last_lwp_ends_the_process},
    {"exit ends siblings that run, sleep, join, wait, map and create", exit_ends_all},
    {"exit from another LWP ends the process", exit_of_another_ends_all},
    {"exit ends a sibling in the middle of a long write", exit_ends_a_long_write},
    {"an exit from all LWPs at once is one exit", exit_of_all_at_once_is_one_exit},
    {"a fault in one LWP ends the process", fault_ends_all},
    {"no LWP of these tests is left", no_lwp_is_left},
};

static const struct ktap_role roles[] = {
    {"leave-first", leave_first},
    {"leave-and-be-joined", leave_and_be_joined},
    {"leave-one-by-one", leave_one_by_one},
    {"exit-with-siblings", exit_with_siblings},
    {"exit-from-another", exit_from_another},
    {"exit-during-write", exit_during_write},
    {"exit-all-at-once", exit_all_at_once},
    {"fault-with-siblings", fault_with_siblings},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
