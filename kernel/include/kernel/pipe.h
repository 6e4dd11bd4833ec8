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

#endif
