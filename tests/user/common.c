/* What several suites do (common.h). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <linux/wait.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thrum/sched.h>

#include "common.h"

#define PAGE 4096ul

static uint32_t futex_word;

pid_t start_child(void (*function)(void *arg), void *arg)
{
    pid_t child = fork();

    if (child == 0) {
        function(arg);
        _exit(1);
    }
    return child;
}

bool exits(pid_t child, int exit_status)
{
    int status = -1;

    return KTAP_TRUE(child > 0) && KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, exit_status, __FILE__, __LINE__);
}

bool dies(pid_t child, int signal)
{
    int status = -1;

    return KTAP_TRUE(child > 0) && KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_dies(status, signal, __FILE__, __LINE__);
}

bool holds_in_child(bool (*check)(void))
{
    pid_t child = fork();

    if (child == 0)
        _exit(check() ? CHILD_IS_WELL : 1);
    return exits(child, CHILD_IS_WELL);
}

thread_t start_lwp(void *(*function)(void *arg), void *arg)
{
    thread_t lwp;

    if (thread_create(&lwp, function, arg) != 0) {
        perror("# thread_create");
        exit(EXIT_FAILURE);
    }
    return lwp;
}

bool has_counts(void *arg)
{
    const struct counts *counts = arg;
    struct thrum_stat stat;

    thrum_stat(&stat);
    return stat.processes == counts->wanted.processes && stat.lwps == counts->wanted.lwps;
}

void *return_argument(void *arg)
{
    return arg;
}

void *join_the_first(void *arg)
{
    thread_join(getpid(), NULL);
    return arg;
}

void *compute(void *arg)
{
    for (volatile unsigned long i = 0;; i++)
        ;
    return arg;
}

void *sleep_for_ever(void *arg)
{
    for (;;)
        sleep(1000);
    return arg;
}

void *wait_in_futex(void *arg)
{
    for (;;)
        syscall6(__NR_futex, (long)&futex_word, 0, 0, 0, 0, 0);
    return arg;
}

void *fault_for_ever(void *arg)
{
    for (;;) {
        char *pages =
            mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(pages, 1, 16 * PAGE);
        munmap(pages, 16 * PAGE);
    }
    return arg;
}

void *create_for_ever(void *arg)
{
    for (;;) {
        thread_t lwp;
        if (thread_create(&lwp, return_argument, NULL) == 0)
            thread_join(lwp, NULL);
    }
    return arg;
}

void *fork_for_ever(void *arg)
{
    for (;;) {
        long child = syscall6(__NR_fork, 0, 0, 0, 0, 0, 0);
        if (child == 0)
            _exit(0);
        syscall6(__NR_wait4, child, 0, 0, 0, 0, 0);
    }
    return arg;
}

static bool find_lwp(pid_t tid, struct thrum_sched_lwp *lwp)
{
    return sched_list(THRUM_LIST_LWPS, tid, lwp, 1, sizeof(*lwp)) == 1 && lwp->tid == tid;
}

bool is_in_state(pid_t tid, unsigned state)
{
    struct thrum_sched_lwp lwp;

    return find_lwp(tid, &lwp) && lwp.state == state;
}

bool is_in_wait(pid_t tid)
{
    struct thrum_sched_lwp lwp;

    return find_lwp(tid, &lwp) && lwp.state == THRUM_LWP_STATE_BLOCKED && lwp.is_interruptible;
}

static bool is_waiting(void *tid)
{
    return is_in_wait(*(pid_t *)tid);
}

bool comes_to_wait(pid_t tid)
{
    return ktap_wait_for(is_waiting, &tid);
}

static bool has_ended(void *tid)
{
    return is_in_state(*(pid_t *)tid, THRUM_LWP_STATE_ZOMBIE);
}

bool comes_to_end(pid_t tid)
{
    return ktap_wait_for(has_ended, &tid);
}

bool child_comes_to_end(pid_t pid)
{
    return syscall6(__NR_waitid, P_PID, pid, 0, WEXITED | WNOWAIT, 0, 0) == 0;
}

uint64_t count_lwps(void)
{
    struct thrum_stat stat = {0};

    thrum_stat(&stat);
    return stat.lwps;
}

static bool are_as_many_lwps(void *nr_lwps)
{
    return count_lwps() == *(uint64_t *)nr_lwps;
}

bool lwps_come_back_to(uint64_t nr_lwps)
{
    return KTAP_TRUE(ktap_wait_for(are_as_many_lwps, &nr_lwps));
}

bool no_lwp_is_left(void)
{
    return lwps_come_back_to(2);
}
