#ifndef SYS_STAT_H
#define SYS_STAT_H

#include <asm/stat.h>
#include <linux/stat.h>
#include <sys/types.h>
#include <time.h>

#define UTIME_NOW  ((1l << 30) - 1l)
#define UTIME_OMIT ((1l << 30) - 2l)

/* As POSIX: 0, or -1 with `errno` set. */
int stat(const char *path, struct stat *out);
int fstat(int fd, struct stat *out);
int fstatat(int dir_fd, const char *path, struct stat *out, int flags);
int lstat(const char *path, struct stat *out);
int chmod(const char *path, mode_t mode);
int fchmod(int fd, mode_t mode);
mode_t umask(mode_t mask);
int mknod(const char *path, mode_t mode, dev_t device);
int mkfifo(const char *path, mode_t mode);
int utimensat(int dir_fd, const char *path, const struct timespec times[2], int flags);
int futimens(int fd, const struct timespec times[2]);
int mkdir(const char *path, mode_t mode);
int mkdirat(int dir_fd, const char *path, mode_t mode);

#endif
