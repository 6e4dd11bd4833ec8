#ifndef SYS_MMAN_H
#define SYS_MMAN_H

#include <linux/mman.h>
#include <sys/types.h>

#define MAP_FAILED ((void *)-1)

/* As POSIX: MAP_FAILED, or -1, with `errno` set on an error. */
void *mmap(void *address, size_t nr_bytes, int protection, int flags, int fd, off_t offset);
int munmap(void *address, size_t nr_bytes);
int mprotect(void *address, size_t nr_bytes, int protection);

#endif
