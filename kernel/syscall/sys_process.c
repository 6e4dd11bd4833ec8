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
#include <proc/report.h>

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

#define WAIT_COMMON (WNOHANG | WCONTINUED | __WNOTHREAD | __WALL | (int)__WCLONE)

/* Which children are meant, and what about them, as process_wait() takes it. */
static unsigned wait_flags(int options)
{
    return (options & WNOHANG ? PROCESS_WAIT_NO_HANG : 0u) |
           (options & WNOWAIT ? PROCESS_WAIT_NO_REAP : 0u) |
           (options & WEXITED ? PROCESS_WAIT_END : 0u) |
           (options & WSTOPPED ? PROCESS_WAIT_STOP : 0u) |
           (options & WCONTINUED ? PROCESS_WAIT_CONTINUE : 0u) |
           (options & __WALL ? PROCESS_WAIT_ANY_SIGNAL : 0u) |
           (options & (int)__WCLONE ? PROCESS_WAIT_CLONES : 0u);
}

int64_t sys_wait4(int pid, vaddr_t status_at, int options, vaddr_t usage_at)
{
    struct process_wait_info info;
    int result;

    if (options & ~(WAIT_COMMON | WUNTRACED))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    result = process_wait(pid == -1 ? PROCESS_ANY : pid, wait_flags(options | WEXITED), &info);
    if (result <= 0)
        return result;
    if (status_at != 0 && user_copy_to(status_at, &info.status, sizeof(info.status)) != 0)
        return -EFAULT;
    if (usage_at != 0 && syscall_write_usage(usage_at, &info.usage) != 0)
        return -EFAULT;
    return result;
}

/* What waitid() names by `which` and `id`, as process_wait() takes it. 0 or -EINVAL. */
static int waitid_target(int which, int id, int *target)
{
    *target = which == P_ALL ? PROCESS_ANY : which == P_PID ? id : -id;
    if (which == P_ALL || (which == P_PID && id > 0) || (which == P_PGID && id >= 0))
        return 0;
    return -EINVAL;
}

static int store_siginfo(vaddr_t info_at, int pid, const struct process_wait_info *info)
{
    siginfo_t si;

    memset(&si, 0, sizeof(si));
    if (pid != 0) {
        bool is_whole = info->code == CLD_KILLED;

        si.si_signo = SIGCHLD;
        si.si_code = info->code;
        si.si_pid = pid;
        si.si_status = is_whole ? info->status & 0x7f : info->status >> 8 & 0xff;
        if (info->code == CLD_CONTINUED)
            si.si_status = SIGCONT;
    }
    return user_copy_to(info_at, &si, sizeof(si));
}

int64_t sys_waitid(int which, int id, vaddr_t info_at, int options, vaddr_t usage_at)
{
    struct process_wait_info info = {0};
    int target, result = waitid_target(which, id, &target);

    if (options & ~(WAIT_COMMON | WNOWAIT | WEXITED | WSTOPPED) ||
        !(options & (WEXITED | WSTOPPED | WCONTINUED)) || result != 0)
        return -EINVAL;
    result = process_wait(target, wait_flags(options), &info);
    if (result < 0)
        return result;
    if (info_at != 0 && store_siginfo(info_at, result, &info) != 0)
        return -EFAULT;
    if (result > 0 && usage_at != 0 && syscall_write_usage(usage_at, &info.usage) != 0)
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

/* What spawn() and execve() are given, in kernel memory. */
struct exec_request {
    char *path;
    struct program_args args;
    size_t nr_room; /* at args.strings */
    size_t nr_bytes_max;
};

#define STRING_BYTES_MAX KIB(128) /* of one string, with its NUL (Linux: MAX_ARG_STRLEN) */

#define STRINGS_BYTES_MAX MIB(6) /* of all, however large the stack may be */

/* Strings and pointers to them may take a quarter of the stack (execve(2)). */
static size_t strings_max(void)
{
    uint64_t stack = process_limit(process_current(), RLIMIT_STACK);

    return MAX(MIN(stack / 4, STRINGS_BYTES_MAX), STRING_BYTES_MAX);
}

/* Makes room for one more string, so that most programs need little and some much. */
static int make_room(struct exec_request *request)
{
    struct program_args *args = &request->args;
    size_t nr_wanted = args->nr_bytes + STRING_BYTES_MAX;
    char *larger;

    if (nr_wanted <= request->nr_room)
        return 0;
    larger = kmalloc_user(2 * nr_wanted);
    if (larger == NULL)
        return -ENOMEM;
    memcpy(larger, args->strings, args->nr_bytes);
    kfree(args->strings);
    args->strings = larger;
    request->nr_room = 2 * nr_wanted;
    return 0;
}

/*
 * Appends the strings of a NULL-terminated array of pointers in user memory. A NULL array is empty.
 * 0, -EFAULT, -E2BIG, -ENOMEM.
 */
static int copy_strings(struct exec_request *request, vaddr_t array_at, unsigned *nr)
{
    struct program_args *args = &request->args;

    for (; array_at != 0; array_at += sizeof(vaddr_t)) {
        int error = make_room(request);
        vaddr_t string_at;
        int64_t length;

        if (error != 0)
            return error;
        if (user_copy_from(&string_at, array_at, sizeof(string_at)) != 0)
            return -EFAULT;
        if (string_at == 0)
            return 0;
        length = user_copy_string(args->strings + args->nr_bytes, string_at, STRING_BYTES_MAX);
        if (length == -ENAMETOOLONG)
            return -E2BIG;
        if (length < 0)
            return (int)length;
        args->nr_bytes += (size_t)length + 1;
        (*nr)++;
        if (args->nr_bytes + (args->argc + args->envc) * sizeof(vaddr_t) > request->nr_bytes_max)
            return -E2BIG;
    }
    return 0;
}

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
        .args.strings = kmalloc_user(STRING_BYTES_MAX),
        .nr_room = STRING_BYTES_MAX,
        .nr_bytes_max = strings_max(),
    };
    if (request->path != NULL && request->args.strings != NULL) {
        result = user_copy_string(request->path, path_at, PATH_MAX);
        if (result >= 0)
            result = copy_strings(request, argv_at, &request->args.argc);
        if (result == 0)
            result = copy_strings(request, envp_at, &request->args.envc);
    }
    if (result != 0)
        exec_request_free(request);
    return (int)result;
}

int64_t sys_spawn(vaddr_t path_at, vaddr_t argv_at, vaddr_t envp_at)
{
    struct exec_request request;
    int result = process_check_nr_lwps();

    if (result == 0)
        result = exec_request_read(&request, path_at, argv_at, envp_at);
    if (result != 0)
        return result;
    result = process_spawn(process_current(), request.path, &request.args);
    exec_request_free(&request);
    return result;
}

int64_t sys_execve(vaddr_t path_at, vaddr_t argv_at, vaddr_t envp_at)
{
    struct exec_request request;
    int result = process_check_exec();

    if (result == 0)
        result = exec_request_read(&request, path_at, argv_at, envp_at);
    if (result != 0)
        return result;
    result = process_exec(request.path, &request.args);
    exec_request_free(&request);
    return result;
}

/* ---- Groups and sessions -----------------------------------------------------------------------
 */

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
