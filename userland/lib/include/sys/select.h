#ifndef SYS_SELECT_H
#define SYS_SELECT_H

#include <linux/time.h>

#define FD_SETSIZE 1024

typedef struct {
    unsigned long words[FD_SETSIZE / 64];
} fd_set;

#define FD_ZERO(set)      (*(set) = (fd_set){{0}})
#define FD_SET(fd, set)   ((void)((set)->words[(fd) / 64] |= 1ul << (fd) % 64))
#define FD_CLR(fd, set)   ((void)((set)->words[(fd) / 64] &= ~(1ul << (fd) % 64)))
#define FD_ISSET(fd, set) ((int)((set)->words[(fd) / 64] >> (fd) % 64 & 1))

/* As POSIX: how many bits are set afterwards, or -1 with `errno` set. *timeout becomes the rest. */
int select(int nr_fds, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);

#endif
