#ifndef PROC_USTACK_H
#define PROC_USTACK_H

/* The user stacks that the kernel makes for LWPs (proc/ustack.c). May sleep. */

#include <proc/process.h>

/*
 * A stack of nr_bytes (0: the default size) in the calling process. 0, or what space_map() says. It
 * may hold what an LWP of the process that has ended left there.
 */
int ustack_alloc(size_t nr_bytes, struct ustack *stack) MUST_CHECK;

/*
 * `child`, a copy of `parent` that does not run yet, keeps the stacks that the parent keeps and
 * that are in its address space.
 */
void ustack_inherit(struct process *child, struct process *parent);

/* Gives a stack back; or drops it for good, because it turned out to be unusable. */
void ustack_free(const struct ustack *stack);
void ustack_drop(const struct ustack *stack);

/* `process` is about to leave its address space: if others stay there, the stacks that it keeps go.
 */
void ustack_leave_space(struct process *process);

#endif
