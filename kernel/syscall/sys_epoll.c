/* System calls about epolls. */

#include <kernel/clock.h>
#include <kernel/epoll.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/waitq.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

int64_t sys_epoll_create1(unsigned flags)
{
    struct file *file;

    if (flags & ~(unsigned)EPOLL_CLOEXEC)
        return -EINVAL;
    file = epoll_create();
    return file != NULL ? syscall_install(file, flags & EPOLL_CLOEXEC) : -ENOMEM;
}

/* The size was a hint once. */
int64_t sys_epoll_create(int size)
{
    return size > 0 ? sys_epoll_create1(0) : -EINVAL;
}

int64_t sys_epoll_ctl(int epoll_fd, int operation, int fd, vaddr_t event_at)
{
    struct fd_table *files = process_current()->files;
    struct epoll_event event = {0};
    struct file *epoll, *target;
    int64_t result = -EBADF;

    if (operation != EPOLL_CTL_DEL && user_copy_from(&event, event_at, sizeof(event)) != 0)
        return -EFAULT;
    epoll = fd_get(files, epoll_fd);
    target = fd_get(files, fd);
    if (epoll != NULL && target != NULL)
        result = epoll_control(epoll, operation, target, fd, &event);
    file_put(target);
    file_put(epoll);
    return result;
}

static int64_t wait_until(int fd, vaddr_t events_at, int nr_max, uint64_t deadline_ns)
{
    struct file *file;
    int64_t result;

    if (nr_max <= 0 || (unsigned)nr_max > INT32_MAX / sizeof(struct epoll_event))
        return -EINVAL;
    file = fd_get(process_current()->files, fd);
    if (file == NULL)
        return -EBADF;
    result = epoll_wait_until(file, events_at, nr_max, deadline_ns);
    file_put(file);
    return result;
}

int64_t sys_epoll_wait(int fd, vaddr_t events_at, int nr_max, int timeout_ms)
{
    return wait_until(fd, events_at, nr_max, syscall_deadline_ms(timeout_ms));
}

int64_t sys_epoll_pwait(int fd, vaddr_t events_at, int nr_max, int timeout_ms, vaddr_t mask_at,
                        size_t mask_bytes)
{
    int64_t result = syscall_set_mask(mask_at, mask_bytes);

    if (result != 0)
        return result;
    return syscall_restore_mask(mask_at, sys_epoll_wait(fd, events_at, nr_max, timeout_ms));
}

int64_t sys_epoll_pwait2(int fd, vaddr_t events_at, int nr_max, vaddr_t timeout_at, vaddr_t mask_at,
                         size_t mask_bytes)
{
    uint64_t deadline_ns;
    int64_t result = syscall_read_timeout(timeout_at, &deadline_ns);

    if (result == 0)
        result = syscall_set_mask(mask_at, mask_bytes);
    if (result != 0)
        return result;
    return syscall_restore_mask(mask_at, wait_until(fd, events_at, nr_max, deadline_ns));
}
