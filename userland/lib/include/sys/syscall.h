#ifndef SYS_SYSCALL_H
#define SYS_SYSCALL_H

/*
 * The door to the kernel: Linux's numbers as __NR_*, Thrum's own as THRUM_SYS_*.
 */

#include <abi/thrum.h>
#include <asm/unistd_64.h>

/*
 * One system call, as the kernel answers it: an error comes back as -errno, and `errno` is not
 * touched. Needs no TLS.
 */
long syscall6(long number, long a1, long a2, long a3, long a4, long a5, long a6);

/* The same for calls without arguments. */
long syscall0(long number);

/* The same for a program: -1 with `errno` set on an error. */
long syscall(long number, ...);

#endif
