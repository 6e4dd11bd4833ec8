#ifndef KERNEL_PIPE_H
#define KERNEL_PIPE_H

/* Pipes; kernel/ipc/pipe.c has the theory. */

#include <kernel/file.h>

/* Once, while booting. */
void pipe_init(void);

/*
 * A new pipe: its two ends, open files with one reference each. `flags`: O_NONBLOCK or 0. 0 or
 * -ENOMEM.
 */
int pipe_create(unsigned flags, struct file **reader, struct file **writer) MUST_CHECK;

/*
 * How many bytes a pipe holds, which is to be at least nr_bytes (fcntl(), F_SETPIPE_SZ); it is
 * always the same. -EPERM: that is less; -EBADF: no pipe.
 */
int64_t pipe_set_capacity(const struct file *file, uint64_t nr_bytes) MUST_CHECK;

#endif
