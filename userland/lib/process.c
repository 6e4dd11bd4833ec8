/*
 * Processes: fork and exec, signals, groups and sessions.
 *
 * fork() copies the memory of all LWPs, but only the LWP that calls it goes on in the child. A lock
 * that another LWP holds at that moment would never be released there, and what it covers might be
 * half changed. So fork() takes the runtime's own locks first, and both sides give them back.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/limits.h>
#include <sys/syscall.h>

#include "runtime.h"

#define DEFAULT_PATH "/bin"

static void lock_runtime(void)
{
    exit_lock();
    malloc_lock();
    sbrk_lock();
    stdio_lock();
}

static void unlock_runtime(void)
{
    stdio_unlock();
    sbrk_unlock();
    malloc_unlock();
    exit_unlock();
}

pid_t fork(void)
{
    lock_runtime();
    long answer = syscall0(__NR_fork);
    if (answer == 0)
        thread_block()->is_cancel_pending = 0; /* it was meant for the parent's LWP */
    unlock_runtime();
    return (pid_t)syscall_result(answer);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    return (int)syscall_result(syscall6(__NR_execve, (long)path, (long)argv, (long)envp, 0, 0, 0));
}

int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

/* Tries the folders in turn; what was found but may not be run is remembered, as POSIX has it. */
static void exec_in_folders(const char *folders, const char *name, char *const argv[])
{
    char path[PATH_MAX];
    size_t name_bytes = strlen(name) + 1;
    int error = ENOENT;

    for (;;) {
        size_t nr_bytes = strcspn(folders, ":");
        if (nr_bytes + 1 + name_bytes <= sizeof(path)) {
            memcpy(path, folders, nr_bytes);
            path[nr_bytes] = '/';
            memcpy(path + nr_bytes + (nr_bytes > 0), name, name_bytes);
            execv(path, argv);
            if (errno == EACCES)
                error = EACCES;
            else if (errno != ENOENT && errno != ENOTDIR)
                return;
        }
        if (folders[nr_bytes] == '\0')
            break;
        folders += nr_bytes + 1;
    }
    errno = error;
}

int execvp(const char *name, char *const argv[])
{
    const char *folders = getenv("PATH");

    if (strchr(name, '/'))
        return execv(name, argv);
    if (*name == '\0')
        errno = ENOENT;
    else
        exec_in_folders(folders ? folders : DEFAULT_PATH, name, argv);
    return -1;
}

pid_t getppid(void)
{
    return (pid_t)syscall0(__NR_getppid);
}

int kill(pid_t pid, int signal)
{
    return (int)syscall_result(syscall6(__NR_kill, pid, signal, 0, 0, 0, 0));
}

int setpgid(pid_t pid, pid_t group)
{
    return (int)syscall_result(syscall6(__NR_setpgid, pid, group, 0, 0, 0, 0));
}

pid_t getpgid(pid_t pid)
{
    return (pid_t)syscall_result(syscall6(__NR_getpgid, pid, 0, 0, 0, 0, 0));
}

pid_t getpgrp(void)
{
    return (pid_t)syscall0(__NR_getpgrp);
}

pid_t setsid(void)
{
    return (pid_t)syscall_result(syscall0(__NR_setsid));
}

pid_t getsid(pid_t pid)
{
    return (pid_t)syscall_result(syscall6(__NR_getsid, pid, 0, 0, 0, 0, 0));
}
