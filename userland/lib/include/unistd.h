#ifndef UNISTD_H
#define UNISTD_H

#include <sys/types.h>

#define STDIN_FILENO  0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

/* As POSIX: -1 with `errno` set on an error. */
ssize_t write(int fd, const void *from, size_t nr_bytes);
ssize_t read(int fd, void *to, size_t nr_bytes);
ssize_t pread(int fd, void *to, size_t nr_bytes, off_t offset);
ssize_t pwrite(int fd, const void *from, size_t nr_bytes, off_t offset);
off_t lseek(int fd, off_t offset, int whence);
int ftruncate(int fd, off_t nr_bytes);
int close(int fd);
int dup(int fd);
int dup2(int fd, int new_fd);
int dup3(int fd, int new_fd, int flags);
int pipe(int fds[2]);
int pipe2(int fds[2], int flags);
int unlink(const char *path);
int link(const char *from, const char *to);
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int symlink(const char *target, const char *path);
int symlinkat(const char *target, int dir_fd, const char *path);
ssize_t readlink(const char *path, char *to, size_t nr_bytes);
ssize_t readlinkat(int dir_fd, const char *path, char *to, size_t nr_bytes);
int chown(const char *path, uid_t uid, gid_t gid);
int lchown(const char *path, uid_t uid, gid_t gid);
int fchown(int fd, uid_t uid, gid_t gid);
int access(const char *path, int mode);
int faccessat(int dir_fd, const char *path, int mode, int flags);
int truncate(const char *path, off_t nr_bytes);
int chroot(const char *path);
int unlinkat(int dir_fd, const char *path, int flags);
int rmdir(const char *path);
int chdir(const char *path);
int fchdir(int fd);
char *getcwd(char *to, size_t nr_bytes); /* `to`, or NULL */
pid_t getpid(void);

pid_t getppid(void);

/*
 * Makes a copy of the process with one LWP, a copy of the caller: 0 in the child, the child's pid
 * in the parent. The runtime's own locks are free in the child; those of the program are as they
 * were at that moment, whoever held them. EAGAIN, ENOMEM.
 */
pid_t fork(void);

/*
 * A child that borrows the caller's memory, stack included, until it calls exec or _exit(), which
 * is all that it may do. Returns in the caller after that.
 */
pid_t vfork(void) __attribute__((returns_twice));

/*
 * Runs another program in this process; all other LWPs end. Returns only on an error, and
 * everything is as before then. execv() hands on `environ`; execvp() looks for a name without a
 * slash in the folders of PATH.
 */
int execve(const char *path, char *const argv[], char *const envp[]);
int execv(const char *path, char *const argv[]);
int execvp(const char *name, char *const argv[]);

/* Process groups and sessions; a `pid` of 0 is the caller's. */
int setpgid(pid_t pid, pid_t group);
pid_t getpgid(pid_t pid);
pid_t getpgrp(void);
pid_t setsid(void);
pid_t getsid(pid_t pid);

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
