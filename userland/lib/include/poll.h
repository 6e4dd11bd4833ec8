#ifndef POLL_H
#define POLL_H

#include <linux/poll.h>
#include <linux/time.h>

typedef unsigned long nfds_t;

/* As POSIX: how many descriptors have something to tell, or -1 with `errno` set. */
int poll(struct pollfd *polled, nfds_t nr, int timeout_ms);
int ppoll(struct pollfd *polled, nfds_t nr, const struct timespec *timeout, const void *mask);

#endif
