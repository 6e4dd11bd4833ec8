#ifndef SYS_WAIT_H
#define SYS_WAIT_H

#include <linux/wait.h>
#include <sys/types.h>

#define WTERMSIG(status)    ((status)&0x7f)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)
#define WIFEXITED(status)   (WTERMSIG(status) == 0)
#define WIFSIGNALED(status) (WTERMSIG(status) != 0 && WTERMSIG(status) != 0x7f)

/* As POSIX: the number of the process that ended, 0 with WNOHANG, -1 with `errno` set. */
pid_t wait(int *status);
pid_t waitpid(pid_t pid, int *status, int options);

#endif
