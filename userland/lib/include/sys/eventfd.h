#ifndef SYS_EVENTFD_H
#define SYS_EVENTFD_H

#include <fcntl.h>
#include <stdint.h>

#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC   O_CLOEXEC
#define EFD_NONBLOCK  O_NONBLOCK

typedef uint64_t eventfd_t;

/* As Linux: a descriptor, or -1 with `errno` set. */
int eventfd(unsigned count, int flags);

#endif
