/*
 * clone and its short forms, fork and vfork.
 *
 * clone makes LWPs (CLONE_THREAD) and processes. What the two share in Linux can be chosen bit by
 * bit; here an LWP shares all that belongs to its process, and a process nothing, or its address
 * space, and with that its signal actions. A choice that means something else is refused.
 * docs/lwps.md has the table.
 */

#include <asm/signal.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/sched.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/report.h>
#include <sched/sched.h>

#include "sys.h"

/* What an LWP shares with its process. */
#define LWP_SHARES (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND)

/* Where numbers are stored, and the thread pointer: both may choose. */
#define FOR_BOTH (CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)

/* What changes nothing here: nobody traces, and there are no System V semaphores. */
#define MEANS_NOTHING (CLONE_DETACHED | CLONE_UNTRACED | CLONE_PTRACE | CLONE_SYSVSEM)

#define FOR_LWPS (CLONE_THREAD | LWP_SHARES | FOR_BOTH | MEANS_NOTHING)
#define FOR_PROCESSES                                                                              \
    (CLONE_VM | CLONE_VFORK | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND | FOR_BOTH | MEANS_NOTHING)

struct clone_request {
    uint64_t flags; /* CLONE_* */
    uint64_t exit_signal;
    vaddr_t sp;
    vaddr_t parent_tid_at, child_tid_at;
    uint64_t tls;
};

static int check_request(const struct clone_request *request)
{
    uint64_t flags = request->flags;

    if (flags & CLONE_THREAD) {
        if ((flags & LWP_SHARES) != LWP_SHARES || flags & ~(uint64_t)FOR_LWPS)
            return -EINVAL;
    } else if (flags & ~(uint64_t)FOR_PROCESSES || request->exit_signal > SIGNAL_MAX ||
               (flags & CLONE_SIGHAND && (!(flags & CLONE_VM) || flags & CLONE_CLEAR_SIGHAND))) {
        return -EINVAL;
    }
    return flags & CLONE_SETTLS && request->tls >= USER_END ? -EPERM : 0;
}

static int64_t clone_lwp(const struct lwp_start *start)
{
    int error;
    struct user_lwp *lwp = user_lwp_create(process_current(), start, &error);

    if (lwp == NULL)
        return error;
    error = lwp->tid;
    sched_start(&lwp->lwp);
    return error;
}

static int64_t clone(const struct clone_request *request)
{
    uint64_t flags = request->flags;
    struct lwp_start start = {
        .is_copy = true,
        .sp = request->sp,
        .has_tls = flags & CLONE_SETTLS,
        .tls = request->tls,
        .is_detached = flags & CLONE_THREAD,
        .parent_tid_at = flags & CLONE_PARENT_SETTID ? request->parent_tid_at : 0,
        .child_tid_at = flags & CLONE_CHILD_SETTID ? request->child_tid_at : 0,
        .clear_tid_address = flags & CLONE_CHILD_CLEARTID ? request->child_tid_at : 0,
    };
    int error = check_request(request);

    if (error == 0)
        error = process_check_nr_lwps();
    if (error != 0)
        return error;
    if (flags & CLONE_THREAD)
        return clone_lwp(&start);
    /* The child that goes on where the caller is does so on its own copy of the caller's stack. */
    if (!(flags & CLONE_VM) && request->sp == 0)
        start.stack = user_lwp_current()->stack;
    return process_fork(&start,
                        (flags & CLONE_VM ? PROCESS_FORK_SHARE_SPACE : 0u) |
                            (flags & CLONE_VFORK ? PROCESS_FORK_WAIT : 0u) |
                            (flags & CLONE_SIGHAND ? PROCESS_FORK_SHARE_ACTIONS : 0u) |
                            (flags & CLONE_CLEAR_SIGHAND ? PROCESS_FORK_CLEAR_ACTIONS : 0u),
                        (int)request->exit_signal);
}

int64_t sys_clone(uint64_t flags, vaddr_t sp, vaddr_t parent_tid_at, vaddr_t child_tid_at,
                  uint64_t tls)
{
    return clone(&(struct clone_request){
        .flags = (uint32_t)flags & ~(uint32_t)CSIGNAL,
        .exit_signal = flags & CSIGNAL,
        .sp = sp,
        .parent_tid_at = parent_tid_at,
        .child_tid_at = child_tid_at,
        .tls = tls,
    });
}

/*
 * clone3()'s structure may be longer than ours, if the rest is 0; unlike clone's, its flags have no
 * room for a signal, and none that means nothing.
 */
static int read_args(vaddr_t args_at, size_t nr_bytes, struct clone_args *args)
{
    memset(args, 0, sizeof(*args));
    if (nr_bytes < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    if (nr_bytes > PAGE_SIZE)
        return -E2BIG;
    for (size_t at = sizeof(*args); at < nr_bytes; at++) {
        char rest;

        if (user_copy_from(&rest, args_at + at, 1) != 0)
            return -EFAULT;
        if (rest != 0)
            return -E2BIG;
    }
    return user_copy_from(args, args_at, MIN(nr_bytes, sizeof(*args)));
}

int64_t sys_clone3(vaddr_t args_at, size_t nr_bytes)
{
    struct clone_args args;
    int error = read_args(args_at, nr_bytes, &args);

    if (error != 0)
        return error;
    if (args.flags & (CSIGNAL | CLONE_DETACHED) || args.set_tid_size != 0 || args.set_tid != 0 ||
        (args.stack == 0) != (args.stack_size == 0) ||
        (args.flags & CLONE_THREAD && args.exit_signal != 0))
        return -EINVAL;
    return clone(&(struct clone_request){
        .flags = args.flags,
        .exit_signal = args.exit_signal,
        .sp = args.stack + args.stack_size,
        .parent_tid_at = args.parent_tid,
        .child_tid_at = args.child_tid,
        .tls = args.tls,
    });
}

int64_t sys_fork(void)
{
    return clone(&(struct clone_request){.exit_signal = SIGCHLD});
}

int64_t sys_vfork(void)
{
    return clone(&(struct clone_request){
        .flags = CLONE_VM | CLONE_VFORK,
        .exit_signal = SIGCHLD,
    });
}

/* What a process with one LWP has for itself. */
#define NOT_SHARED (CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_VM)

/* LWPs share all, whatever they want, and namespaces there are none. */
int64_t sys_unshare(uint64_t flags)
{
    if (flags & ~(uint64_t)(NOT_SHARED | CLONE_SYSVSEM))
        return -EINVAL;
    return flags & NOT_SHARED && process_current()->nr_live > 1 ? -EINVAL : 0;
}
