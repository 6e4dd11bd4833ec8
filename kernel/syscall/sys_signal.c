/* System calls about signals. */

#include <arch/context.h>
#include <asm/siginfo.h>
#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/signalfd.h>
#include <kernel/string.h>
#include <linux/fcntl.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/signal.h>

#include "sys.h"

static bool is_valid_signal(int signal)
{
    return signal >= 0 && signal <= SIGNAL_MAX;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static siginfo_t info_of_caller(int signal, int code)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = signal;
    info.si_code = code;
    info.si_pid = process_current()->pid;
    info.si_uid = atomic_load(&credentials_current()->uid);
    return info;
}

int64_t sys_kill(int pid, int signal)
{
    siginfo_t info = info_of_caller(signal, SI_USER);

    if (!is_valid_signal(signal))
        return -EINVAL;
    return pid == INT32_MIN ? -ESRCH : signal_kill(pid, &info);
}

int64_t sys_tkill(int tid, int signal)
{
    siginfo_t info = info_of_caller(signal, SI_TKILL);

    if (!is_valid_signal(signal) || tid <= 0)
        return -EINVAL;
    return signal_kill_lwp(0, tid, &info);
}

int64_t sys_tgkill(int pid, int tid, int signal)
{
    siginfo_t info = info_of_caller(signal, SI_TKILL);

    if (!is_valid_signal(signal) || pid <= 0 || tid <= 0)
        return -EINVAL;
    return signal_kill_lwp(pid, tid, &info);
}

/* What a program says comes with its signal; only to itself it may pretend to be the kernel. */
static int read_info(siginfo_t *info, vaddr_t info_at, int signal, int pid)
{
    if (user_copy_from(info, info_at, sizeof(*info)) != 0)
        return -EFAULT;
    info->si_signo = signal;
    if ((info->si_code >= 0 || info->si_code == SI_TKILL) && pid != process_current()->pid)
        return -EPERM;
    return is_valid_signal(signal) ? 0 : -EINVAL;
}

int64_t sys_rt_sigqueueinfo(int pid, int signal, vaddr_t info_at)
{
    siginfo_t info;
    int error = read_info(&info, info_at, signal, pid);

    if (error != 0)
        return error;
    return pid > 0 ? signal_kill(pid, &info) : -ESRCH;
}

int64_t sys_rt_tgsigqueueinfo(int pid, int tid, int signal, vaddr_t info_at)
{
    siginfo_t info;
    int error;

    if (pid <= 0 || tid <= 0)
        return -EINVAL;
    error = read_info(&info, info_at, signal, pid);
    return error != 0 ? error : signal_kill_lwp(pid, tid, &info);
}

/* ---- Actions and masks ----------------------------------------------------------------------- */

_Static_assert(sizeof(struct signal_action) == sizeof(struct sigaction), "as user mode has it");
_Static_assert(sizeof(signal_set) == sizeof(sigset_t), "as user mode has it");

int64_t sys_rt_sigaction(int signal, vaddr_t action_at, vaddr_t old_at, size_t nr_set_bytes)
{
    struct signal_action action, old;
    int error;

    if (nr_set_bytes != sizeof(signal_set))
        return -EINVAL;
    if (action_at != 0 && user_copy_from(&action, action_at, sizeof(action)) != 0)
        return -EFAULT;
    error = signal_set_action(signal, action_at != 0 ? &action : NULL, &old);
    if (error != 0)
        return error;
    return old_at != 0 ? user_copy_to(old_at, &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigprocmask(int how, vaddr_t set_at, vaddr_t old_at, size_t nr_set_bytes)
{
    signal_set old = signal_get_mask(), set;

    if (nr_set_bytes != sizeof(signal_set))
        return -EINVAL;
    if (set_at != 0) {
        if (user_copy_from(&set, set_at, sizeof(set)) != 0)
            return -EFAULT;
        switch (how) {
        case SIG_BLOCK:
            signal_set_mask(old | set);
            break;
        case SIG_UNBLOCK:
            signal_set_mask(old & ~set);
            break;
        case SIG_SETMASK:
            signal_set_mask(set);
            break;
        default:
            return -EINVAL;
        }
    }
    return old_at != 0 ? user_copy_to(old_at, &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigpending(vaddr_t set_at, size_t nr_set_bytes)
{
    signal_set set = signal_get_pending();

    if (nr_set_bytes > sizeof(set))
        return -EINVAL;
    return user_copy_to(set_at, &set, nr_set_bytes);
}

int64_t sys_sigaltstack(vaddr_t stack_at, vaddr_t old_at)
{
    vaddr_t sp = trap_sp(context_user_frame(&lwp_current()->context));
    struct signal_stack stack, old;
    stack_t s;
    int error;

    memset(&s, 0, sizeof(s));
    if (stack_at != 0) {
        unsigned flags;

        if (user_copy_from(&s, stack_at, sizeof(s)) != 0)
            return -EFAULT;
        flags = (unsigned)s.ss_flags;
        if ((flags & ~(SS_AUTODISARM | SS_ONSTACK)) != 0 && (flags & ~SS_AUTODISARM) != SS_DISABLE)
            return -EINVAL;
        stack = (struct signal_stack){
            .base = flags & SS_DISABLE ? 0 : (vaddr_t)s.ss_sp,
            .nr_bytes = flags & SS_DISABLE ? 0 : s.ss_size,
            .flags = flags & SS_AUTODISARM,
        };
        if (!(flags & SS_DISABLE) && s.ss_size < MINSIGSTKSZ)
            return -ENOMEM;
    }
    error = signal_set_stack(stack_at != 0 ? &stack : NULL, &old);
    if (error != 0 || old_at == 0)
        return error;
    memset(&s, 0, sizeof(s));
    s.ss_sp = (void *)old.base;
    s.ss_size = old.nr_bytes;
    s.ss_flags = (int)signal_stack_flags(&old, sp);
    return user_copy_to(old_at, &s, sizeof(s));
}

int64_t sys_rt_sigreturn(void)
{
    return signal_return();
}

/* ---- Waiting -------------------------------------------------------------------------------- */

int64_t sys_pause(void)
{
    signal_wait_for_any();
    return -ERESTARTNOHAND;
}

int64_t sys_rt_sigsuspend(vaddr_t set_at, size_t nr_set_bytes)
{
    signal_set set;

    if (nr_set_bytes != sizeof(set))
        return -EINVAL;
    if (user_copy_from(&set, set_at, sizeof(set)) != 0)
        return -EFAULT;
    signal_wait_with(set);
    signal_wait_for_any();
    signal_wait_done(true);
    return -ERESTARTNOHAND;
}

int64_t sys_rt_sigtimedwait(vaddr_t set_at, vaddr_t info_at, vaddr_t timeout_at,
                            size_t nr_set_bytes)
{
    uint64_t timeout_ns, deadline_ns = WAITQ_FOREVER;
    signal_set set;
    siginfo_t info;
    int result;

    if (nr_set_bytes != sizeof(set))
        return -EINVAL;
    if (user_copy_from(&set, set_at, sizeof(set)) != 0)
        return -EFAULT;
    if (timeout_at != 0) {
        result = syscall_read_time(timeout_at, &timeout_ns);
        if (result != 0)
            return result;
        deadline_ns = clock_now_ns() + timeout_ns;
    }
    result = signal_wait_for(set, deadline_ns, &info);
    if (result == -ERESTARTSYS)
        return -EINTR; /* as in Linux, even if no handler runs */
    if (result > 0 && info_at != 0 && user_copy_to(info_at, &info, sizeof(info)) != 0)
        return -EFAULT;
    return result;
}

/* ---- Files of signals ------------------------------------------------------------------------ */

int64_t sys_signalfd4(int fd, vaddr_t mask_at, size_t nr_set_bytes, unsigned flags)
{
    struct file *file;
    signal_set mask;
    int error;

    if (nr_set_bytes != sizeof(mask) || flags & ~(unsigned)(SFD_CLOEXEC | SFD_NONBLOCK))
        return -EINVAL;
    if (user_copy_from(&mask, mask_at, sizeof(mask)) != 0)
        return -EFAULT;
    mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    if (fd == -1) {
        file = signalfd_create(mask, flags & O_NONBLOCK);
        return file != NULL ? syscall_install(file, flags & O_CLOEXEC) : -ENOMEM;
    }
    file = fd_get(process_current()->files, fd);
    if (file == NULL)
        return -EBADF;
    error = signalfd_set(file, mask);
    file_put(file);
    return error != 0 ? error : fd;
}

int64_t sys_signalfd(int fd, vaddr_t mask_at, size_t nr_set_bytes)
{
    return sys_signalfd4(fd, mask_at, nr_set_bytes, 0);
}

int64_t sys_restart_syscall(void)
{
    return signal_restart_now();
}
