#ifndef ERRNO_H
#define ERRNO_H

/* Linux's numbers. Each LWP has an `errno` of its own. */

#include <asm-generic/errno.h>

extern _Thread_local int errno;
#define errno errno

#endif
