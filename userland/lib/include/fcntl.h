#ifndef FCNTL_H
#define FCNTL_H

#include <linux/fcntl.h>
#include <sys/types.h>

/* As POSIX: a descriptor, or -1 with `errno` set. With O_CREAT, the permissions follow. */
int open(const char *path, int flags, ...);
int openat(int dir_fd, const char *path, int flags, ...);
int creat(const char *path, mode_t mode);

/* F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL. */
int fcntl(int fd, int command, ...);

#endif
