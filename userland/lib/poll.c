/* Waiting for descriptors, and those made to be waited for (poll.h, sys/epoll.h...). */

#include <poll.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "runtime.h"

int poll(struct pollfd *polled, nfds_t nr, int timeout_ms)
{
    return (int)syscall_result(syscall6(__NR_poll, (long)polled, (long)nr, timeout_ms, 0, 0, 0));
}

/* The kernel tells what is left of the time; POSIX has it constant. */
int ppoll(struct pollfd *polled, nfds_t nr, const struct timespec *timeout, const void *mask)
{
    struct timespec rest = timeout != NULL ? *timeout : (struct timespec){0};

    return (int)syscall_result(syscall6(__NR_ppoll, (long)polled, (long)nr,
                                        timeout != NULL ? (long)&rest : 0, (long)mask, 8, 0));
}

int select(int nr_fds, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout)
{
    return (int)syscall_result(
        syscall6(__NR_select, nr_fds, (long)read, (long)write, (long)except, (long)timeout, 0));
}

int epoll_create(int size)
{
    return (int)syscall_result(syscall6(__NR_epoll_create, size, 0, 0, 0, 0, 0));
}

int epoll_create1(int flags)
{
    return (int)syscall_result(syscall6(__NR_epoll_create1, flags, 0, 0, 0, 0, 0));
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return (int)syscall_result(syscall6(__NR_epoll_ctl, epoll, operation, fd, (long)event, 0, 0));
}

int epoll_wait(int epoll, struct epoll_event *events, int nr_max, int timeout_ms)
{
    return (int)syscall_result(
        syscall6(__NR_epoll_wait, epoll, (long)events, nr_max, timeout_ms, 0, 0));
}

int eventfd(unsigned count, int flags)
{
    return (int)syscall_result(syscall6(__NR_eventfd2, count, flags, 0, 0, 0, 0));
}

int timerfd_create(int clock, int flags)
{
    return (int)syscall_result(syscall6(__NR_timerfd_create, clock, flags, 0, 0, 0, 0));
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    return (int)syscall_result(
        syscall6(__NR_timerfd_settime, fd, flags, (long)value, (long)old, 0, 0));
}

int timerfd_gettime(int fd, struct itimerspec *value)
{
    return (int)syscall_result(syscall6(__NR_timerfd_gettime, fd, (long)value, 0, 0, 0, 0));
}
