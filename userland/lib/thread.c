/* Threads: thin covers of the kernel's LWPs, and the C half of a new thread's start. */

#include <thread.h>

#include <sys/syscall.h>

#include "runtime.h"

/* thread_entry.asm: runs on the new thread, with its thread-local storage in place. */
_Noreturn void thread_run(void *(*function)(void *), void *arg);

void thread_run(void *(*function)(void *), void *arg)
{
    thread_exit(function(arg));
}

int thread_create(thread_t *thread, void *(*function)(void *), void *arg)
{
    struct thrum_lwp_attr attr = {.size_bytes = sizeof(attr), .arg2 = (uint64_t)function};
    long tid = syscall_result(
        syscall6(THRUM_SYS_lwp_create, (long)thread_entry, (long)arg, (long)&attr, 0, 0, 0));

    if (tid < 0)
        return -1;
    *thread = (thread_t)tid;
    return 0;
}

void thread_exit(void *value)
{
    for (;;)
        syscall6(THRUM_SYS_lwp_exit, (long)value, 0, 0, 0, 0, 0);
}

int thread_join(thread_t thread, void **value)
{
    return (int)syscall_result(syscall6(THRUM_SYS_lwp_join, thread, (long)value, 0, 0, 0, 0));
}

int thread_detach(thread_t thread)
{
    return (int)syscall_result(syscall6(THRUM_SYS_lwp_detach, thread, 0, 0, 0, 0, 0));
}

int thread_exit_target(thread_t thread)
{
    return (int)syscall_result(syscall6(THRUM_SYS_lwp_cancel, thread, 0, 0, 0, 0, 0));
}

int yield(void)
{
    return (int)syscall_result(syscall0(__NR_sched_yield));
}

int set_cpu_share(int percent)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_set_share, percent, 0, 0, 0, 0, 0));
}

/* -1 is an answer here, not an error. */
int getlev(void)
{
    return (int)syscall0(THRUM_SYS_sched_getlev);
}
