#ifndef SIGNAL_H
#define SIGNAL_H

#include <linux/signal.h>
#include <sys/types.h>

/*
 * Sends a signal to a process, to the caller's group (0), to all processes but the first and the
 * caller (-1), or to group -pid; signal 0 only asks whether there is one. -1 with `errno` EINVAL
 * (no such signal) or ESRCH (nobody).
 */
int kill(pid_t pid, int signal);

#endif
