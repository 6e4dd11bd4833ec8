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

/* What was used, as a struct rusage in user memory. 0 or -EFAULT. */
struct process_usage;
int syscall_write_usage(vaddr_t usage_at, const struct process_usage *used) MUST_CHECK;

/* Nanoseconds as a struct timespec in user memory. 0 or -EFAULT. */
int syscall_write_time(vaddr_t at, uint64_t ns) MUST_CHECK;

/*
 * When a time-out ends that begins now: so many milliseconds, or a struct timespec in user memory.
 * UINT64_MAX (WAITQ_FOREVER): never, for a negative number and a NULL; 0: at once. The second gives
 * 0, -EFAULT or -EINVAL.
 */
uint64_t syscall_deadline_ms(int timeout_ms);
int syscall_read_timeout(vaddr_t timeout_at, uint64_t *deadline_ns) MUST_CHECK;

/*
 * Changes the caller's signal mask for a wait, unless mask_at is 0: 0, -EINVAL or -EFAULT. And, if
 * that worked, has it back when the wait has ended with `result`, which is returned.
 */
int syscall_set_mask(vaddr_t mask_at, size_t mask_bytes) MUST_CHECK;
int64_t syscall_restore_mask(vaddr_t mask_at, int64_t result);

/* Gives an open file a descriptor; takes over the reference. Its number, -EMFILE, -ENOMEM. */
struct file;
int64_t syscall_install(struct file *file, bool close_on_exec) MUST_CHECK;

/* fcntl()'s commands about locks (sys_lock.c). `file` is what `fd` stands for. */
int64_t syscall_lock(struct file *file, int fd, int command, vaddr_t lock_at);

/* The same for two, whose numbers are written to user memory. 0 or -errno. */
int64_t syscall_install_pair(struct file *pair[2], vaddr_t fds_at, bool close_on_exec) MUST_CHECK;

/* Whether the caller may have so much more memory locked, or any at all (RLIMIT_MEMLOCK). */
bool syscall_may_lock(size_t nr_bytes);
bool syscall_may_lock_any(void);

/* Whether something of [va, end) of the caller's memory is locked. */
bool syscall_is_locked(vaddr_t va, vaddr_t end);

/*
 * Makes present what is mapped of [va, end). What cannot be, such as what may not be accessed,
 * comes when it is touched; so does, as on Linux, what is locked only then (AREA_LOCK_LATER).
 */
void syscall_populate(vaddr_t va, vaddr_t end);

/* After trace_set_events(): dispatch.c looks whether calls are to be recorded. */
void syscall_trace_changed(void);

#endif
