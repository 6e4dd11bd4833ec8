#ifndef KERNEL_SYSCALL_SYS_H
#define KERNEL_SYSCALL_SYS_H

/* The functions behind the system calls: sys_NAME(), declared by the list in syscalls.h. */

#include <abi/thrum.h>
#include <asm/unistd_64.h>
#include <kernel/types.h>

#define SYSCALL(number, name, parameters, help) int64_t sys_##name parameters;
#include "syscalls.h"
#undef SYSCALL

/*
 * A relative time, or one since a beginning, from user memory in nanoseconds, capped where it
 * cannot matter any more. 0, -EFAULT or -EINVAL.
 */
int syscall_read_time(vaddr_t at, uint64_t *ns);

/* Nanoseconds as a struct timespec in user memory. 0 or -EFAULT. */
int syscall_write_time(vaddr_t at, uint64_t ns) MUST_CHECK;

/* After trace_set_events(): dispatch.c looks whether calls are to be recorded. */
void syscall_trace_changed(void);

#endif
