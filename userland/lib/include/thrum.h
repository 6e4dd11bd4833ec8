#ifndef THRUM_H
#define THRUM_H

/* Thrum's own system calls that are not about threads. */

#include <abi/thrum.h>
#include <sys/types.h>

/*
 * Starts the program at `path` as a child of the calling process, with these arguments and this
 * environment (both ended by NULL). Returns its pid; -1 with `errno` set, and no child, on an
 * error: that of finding, reading and loading the program too.
 */
pid_t spawn(const char *path, char *const argv[], char *const envp[]);

/* What the kernel has handed out at this moment. 0, or -1 with `errno` set. */
int thrum_stat(struct thrum_stat *out);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t monotonic_ns(void);

/* Only the caller sleeps, at least that long. */
void sleep_ns(uint64_t duration_ns);

#endif
