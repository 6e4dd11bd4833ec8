#ifndef UNISTD_H
#define UNISTD_H

#include <sys/types.h>

#define STDIN_FILENO  0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

/* As POSIX: -1 with `errno` set on an error. */
ssize_t write(int fd, const void *from, size_t nr_bytes);
pid_t getpid(void);

/* The number of the calling LWP; that of a process's first LWP is the process's number. */
pid_t gettid(void);

/* Only the caller sleeps. Both return 0. */
unsigned sleep(unsigned seconds);
int usleep(unsigned microseconds);

/*
 * The end of the data segment: brk() sets it (0, or -1 with ENOMEM); sbrk() moves it by `delta`
 * bytes and returns where it was, or (void *)-1. Several LWPs may call sbrk() at once.
 */
int brk(void *end);
void *sbrk(intptr_t delta);

_Noreturn void _exit(int status);

/* A system call by its number: see <sys/syscall.h>. */
long syscall(long number, ...);

#endif
