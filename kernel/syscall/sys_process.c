/* System calls about processes. */

#include <arch/context.h>
#include <asm/prctl.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/limits.h>
#include <linux/resource.h>
#include <linux/wait.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/signal.h>

#include "sys.h"

int64_t sys_getpid(void)
{
    return process_current()->pid;
}

int64_t sys_getppid(void)
{
    return process_parent_pid();
}

int64_t sys_gettid(void)
{
    return user_lwp_current()->tid;
}

int64_t sys_exit(int code)
{
    process_set_exit_code(code);
    user_lwp_exit((uint64_t)(int64_t)code);
}

int64_t sys_exit_group(int code)
{
    process_end(process_current(), status_of_exit(code));
    return 0;
}

static int store_usage(vaddr_t usage_at, uint64_t run_ns)
{
    struct rusage usage;

    memset(&usage, 0, sizeof(usage));
    usage.ru_utime.tv_sec = (__kernel_old_time_t)(run_ns / NSEC_PER_SEC);
    usage.ru_utime.tv_usec = (__kernel_suseconds_t)(run_ns % NSEC_PER_SEC / NSEC_PER_USEC);
    return user_copy_to(usage_at, &usage, sizeof(usage));
}

int64_t sys_wait4(int pid, vaddr_t status_at, int options, vaddr_t usage_at)
{
    struct process_end_info info;
    int result;

    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WALL | (int)__WCLONE))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    result = process_wait(pid, options & WNOHANG ? PROCESS_WAIT_NO_HANG : 0, &info);
    if (result <= 0)
        return result;
    if (status_at != 0 && user_copy_to(status_at, &info.status, sizeof(info.status)) != 0)
        return -EFAULT;
    if (usage_at != 0 && store_usage(usage_at, info.run_ns) != 0)
        return -EFAULT;
    return result;
}

/* What waitid() names by `which` and `id`, as process_wait() takes it; INT32_MIN: nothing. */
static int waitid_target(int which, int id)
{
    switch (which) {
    case P_ALL:
        return -1;
    case P_PID:
        return id > 0 ? id : INT32_MIN;
    case P_PGID:
        return id > 1 ? -id : id == 0 ? 0 : INT32_MIN;
    default:
        return INT32_MIN;
    }
}

static int store_siginfo(vaddr_t info_at, int pid, int status)
{
    siginfo_t si;
    bool is_exit = (status & 0x7f) == 0;

    memset(&si, 0, sizeof(si));
    if (pid != 0) {
        si.si_signo = SIGCHLD;
        si.si_code = is_exit ? CLD_EXITED : CLD_KILLED;
        si.si_pid = pid;
        si.si_status = is_exit ? status >> 8 : status & 0x7f;
    }
    return user_copy_to(info_at, &si, sizeof(si));
}

int64_t sys_waitid(int which, int id, vaddr_t info_at, int options, vaddr_t usage_at)
{
    struct process_end_info info = {0};
    unsigned flags = (options & WNOHANG ? PROCESS_WAIT_NO_HANG : 0u) |
                     (options & WNOWAIT ? PROCESS_WAIT_NO_REAP : 0u);
    int target = waitid_target(which, id), result;

    if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WALL |
                    (int)__WCLONE) ||
        !(options & (WEXITED | WSTOPPED | WCONTINUED)) || target == INT32_MIN)
        return -EINVAL;
    /* Nothing stops or continues yet: who does not wait for an end waits in vain. */
    if (!(options & WEXITED))
        return -ECHILD;
    result = process_wait(target, flags, &info);
    if (result < 0)
        return result;
    if (info_at != 0 && store_siginfo(info_at, result, info.status) != 0)
        return -EFAULT;
    if (result > 0 && usage_at != 0 && store_usage(usage_at, info.run_ns) != 0)
        return -EFAULT;
    return 0;
}

int64_t sys_arch_prctl(int code, vaddr_t address)
{
    struct lwp *self = lwp_current();
    uint64_t tls;

    switch (code) {
    case ARCH_SET_FS:
        if (address >= USER_END)
            return -EPERM;
        context_set_tls(&self->context, address);
        return 0;
    case ARCH_GET_FS:
        tls = context_get_tls(&self->context);
        return user_copy_to(address, &tls, sizeof(tls));
    default:
        return -EINVAL;
    }
}

int64_t sys_set_tid_address(vaddr_t address)
{
    user_lwp_current()->clear_tid_address = address;
    return user_lwp_current()->tid;
}

/* ---- spawn ---------------------------------------------------------------------------------- */

/*
 * Appends the strings of a NULL-terminated array of pointers in user memory. A NULL array is empty.
 * 0, -EFAULT, or -E2BIG.
 */
static int copy_strings(struct program_args *args, vaddr_t array_at, unsigned *nr)
{
    for (; array_at != 0; array_at += sizeof(vaddr_t)) {
        size_t room = PROGRAM_ARGS_BYTES_MAX - args->nr_bytes;
        vaddr_t string_at;
        int64_t length;

        if (user_copy_from(&string_at, array_at, sizeof(string_at)) != 0)
            return -EFAULT;
        if (string_at == 0)
            return 0;
        length = user_copy_string(args->strings + args->nr_bytes, string_at, room);
        if (length == -ENAMETOOLONG)
            return -E2BIG;
        if (length < 0)
            return (int)length;
        args->nr_bytes += (size_t)length + 1;
        (*nr)++;
    }
    return 0;
}

/* What spawn() and execve() are given, in kernel memory. */
struct exec_request {
    char *path;
    struct program_args args;
};

static void exec_request_free(struct exec_request *request)
{
    kfree(request->path);
    kfree(request->args.strings);
}

/* 0, or -errno and nothing is to be freed. */
static int exec_request_read(struct exec_request *request, vaddr_t path_at, vaddr_t argv_at,
                             vaddr_t envp_at)
{
    int64_t result = -ENOMEM;

    *request = (struct exec_request){
        .path = kmalloc_user(PATH_MAX),
        .args.strings = kmalloc_user(PROGRAM_ARGS_BYTES_MAX),
    };
    if (request->path != NULL && request->args.strings != NULL) {
        result = user_copy_string(request->path, path_at, PATH_MAX);
        if (result >= 0)
            result = copy_strings(&request->args, argv_at, &request->args.argc);
        if (result == 0)
            result = copy_strings(&request->args, envp_at, &request->args.envc);
    }
    if (result != 0)
        exec_request_free(request);
    return (int)result;
}

int64_t sys_spawn(vaddr_t path_at, vaddr_t argv_at, vaddr_t envp_at)
{
    struct exec_request request;
    int result = exec_request_read(&request, path_at, argv_at, envp_at);

    if (result != 0)
        return result;
    result = process_spawn(process_current(), request.path, &request.args);
    exec_request_free(&request);
    return result;
}

int64_t sys_execve(vaddr_t path_at, vaddr_t argv_at, vaddr_t envp_at)
{
    struct exec_request request;
    int result = exec_request_read(&request, path_at, argv_at, envp_at);

    if (result != 0)
        return result;
    result = process_exec(request.path, &request.args);
    exec_request_free(&request);
    return result;
}

/* ---- Signals, groups, sessions -------------------------------------------------------------- */

#define SIGNAL_MAX 64

static bool is_valid_signal(int signal)
{
    return signal >= 0 && signal <= SIGNAL_MAX;
}

int64_t sys_kill(int pid, int signal)
{
    if (!is_valid_signal(signal))
        return -EINVAL;
    return pid == INT32_MIN ? -ESRCH : signal_kill(pid, signal);
}

int64_t sys_tkill(int tid, int signal)
{
    if (!is_valid_signal(signal) || tid <= 0)
        return -EINVAL;
    return signal_kill_lwp(0, tid, signal);
}

int64_t sys_tgkill(int pid, int tid, int signal)
{
    if (!is_valid_signal(signal) || pid <= 0 || tid <= 0)
        return -EINVAL;
    return signal_kill_lwp(pid, tid, signal);
}

int64_t sys_restart_syscall(void)
{
    return signal_restart_now();
}

int64_t sys_setpgid(int pid, int group)
{
    return pid < 0 ? -EINVAL : process_set_group(pid, group);
}

int64_t sys_getpgid(int pid)
{
    return process_get_group(pid);
}

int64_t sys_getpgrp(void)
{
    return process_get_group(0);
}

int64_t sys_setsid(void)
{
    return process_set_session();
}

int64_t sys_getsid(int pid)
{
    return process_get_session(pid);
}
