#ifndef KERNEL_SIGNALFD_H
#define KERNEL_SIGNALFD_H

/* Files from which signals are read (kernel/ipc/signalfd.c). */

#include <kernel/types.h>

struct file;

/* For the signals of `mask`; `flags`: O_NONBLOCK or 0. NULL: out of memory. */
struct file *signalfd_create(uint64_t mask, unsigned flags);

/* 0, or -EINVAL: the file is none of these. */
int signalfd_set(struct file *file, uint64_t mask) MUST_CHECK;

#endif
