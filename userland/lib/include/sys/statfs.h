#ifndef SYS_STATFS_H
#define SYS_STATFS_H

#include <asm/statfs.h>

/* As on Linux: 0, or -1 with `errno` set. */
int statfs(const char *path, struct statfs *out);
int fstatfs(int fd, struct statfs *out);

#endif
