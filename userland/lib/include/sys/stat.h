#ifndef SYS_STAT_H
#define SYS_STAT_H

#include <asm/stat.h>
#include <linux/stat.h>
#include <sys/types.h>

/* As POSIX: 0, or -1 with `errno` set. */
int stat(const char *path, struct stat *out);
int fstat(int fd, struct stat *out);
int fstatat(int dir_fd, const char *path, struct stat *out, int flags);
int mkdir(const char *path, mode_t mode);
int mkdirat(int dir_fd, const char *path, mode_t mode);

#endif
