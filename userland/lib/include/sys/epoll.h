#ifndef SYS_EPOLL_H
#define SYS_EPOLL_H

#include <linux/eventpoll.h> /* struct epoll_event, EPOLL... */

/* As Linux: a descriptor, 0, or a number of events; -1 with `errno` set. */
int epoll_create(int size);
int epoll_create1(int flags);
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int epoll_wait(int epoll, struct epoll_event *events, int nr_max, int timeout_ms);

#endif
