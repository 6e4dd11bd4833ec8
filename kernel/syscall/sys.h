#ifndef KERNEL_SYSCALL_SYS_H
#define KERNEL_SYSCALL_SYS_H

/* The functions behind the system calls: sys_NAME(), declared by the list in syscalls.h. */

#include <abi/thrum.h>
#include <asm/unistd_64.h>
#include <kernel/types.h>

#define SYSCALL(number, name, parameters, help) int64_t sys_##name parameters;
#include "syscalls.h"
#undef SYSCALL

/* The calling LWP ends with `value`: user_lwp_exit(), and what the ABI wants done before. */
NORETURN void syscall_leave(uint64_t value);

#endif
