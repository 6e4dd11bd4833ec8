#ifndef XV6_USER_H
#define XV6_USER_H

/*
 * The user library of xv6 (x86) over Thrum's runtime, and the thread calls of the courses' "LWP"
 * assignments. docs/xv6.md says what is different. A program may have functions of its own with
 * any of these names: its own ones win.
 *
 * Functions that return int return -1 on an error, unless said otherwise.
 */

#include "types.h"

struct stat;

/* Processes. */
int fork(void);
int exit(void) __attribute__((noreturn)); /* of the whole process; its status is 0 */
int wait(void);                           /* the pid of the child that has ended */
int kill(int pid);
int exec(const char *path, char **argv); /* of a mere name: here, beside this program, in /bin */
int getpid(void);
char *sbrk(int delta); /* where the end was; (char *)-1 on an error */
int sleep(int ticks);  /* of 10 ms; only the caller sleeps */
int uptime(void);      /* in ticks of 10 ms */

/* Threads: each is an LWP of the process. 0, or -1, unless said otherwise. */
int thread_create(thread_t *thread, void *(*function)(void *), void *arg);
void thread_exit(void *value) __attribute__((noreturn));
int thread_join(thread_t thread, void **value);
int thread_exit_target(thread_t thread);
int gettid(void);
int yield(void);
int getlev(void); /* level in the feedback queue; -1 outside it */
int set_cpu_share(int percent);

/* Files. */
int open(const char *path, int mode);
int read(int fd, void *to, int nr_bytes);
int write(int fd, const void *from, int nr_bytes);
int close(int fd);
int dup(int fd);
int pipe(int *fds);
int fstat(int fd, struct stat *out);
int stat(const char *path, struct stat *out);
int mkdir(const char *path);
int chdir(const char *path);
int unlink(const char *path);
int link(const char *from, const char *to);                  /* -1: there are no hard links */
int mknod(const char *path, short major_nr, short minor_nr); /* -1: devices are in /dev */

/* Input and output. printf() writes at once; what one call prints stays together. */
void printf(int fd, const char *fmt, ...);
char *gets(char *to, int size);

/* Memory and text. */
void *malloc(uint nr_bytes);
void free(void *block);
void *memset(void *to, int value, uint nr_bytes);
void *memmove(void *to, const void *from, int nr_bytes);
char *strcpy(char *to, const char *from);
char *strchr(const char *s, char c);
int strcmp(const char *a, const char *b);
uint strlen(const char *s);
int atoi(const char *s);

#endif
