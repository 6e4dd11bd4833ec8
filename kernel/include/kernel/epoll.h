#ifndef KERNEL_EPOLL_H
#define KERNEL_EPOLL_H

/* epoll (kernel/ipc/epoll.c). Everything here may sleep. */

#include <kernel/types.h>
#include <linux/eventpoll.h>

struct file;

/* Once, while booting. */
void epoll_init(void);

/* A file that is a new epoll, or NULL: out of memory. */
struct file *epoll_create(void);

/*
 * As epoll_ctl(), of two files to which the caller has references; `fd` is the second one's number.
 * 0; -EINVAL (no epoll; the epoll itself; events that do not go together), -EEXIST, -ENOENT, -EPERM
 * (a file that is always ready), -ELOOP, -ENOMEM.
 */
int epoll_control(struct file *file, int operation, struct file *target, int fd,
                  const struct epoll_event *event) MUST_CHECK;

/*
 * Waits until there are events or the deadline is over (0: does not wait), and writes up to nr_max
 * of them to user memory. How many, -EINVAL (no epoll), -EFAULT, -EINTR.
 */
int64_t epoll_wait_until(struct file *file, vaddr_t events_at, int nr_max,
                         uint64_t deadline_ns) MUST_CHECK;

/* The last reference to a file that epolls watch is gone: they forget it. */
void epoll_forget(struct file *file);

#endif
