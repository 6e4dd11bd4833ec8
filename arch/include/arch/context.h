#ifndef ARCH_CONTEXT_H
#define ARCH_CONTEXT_H

/*
 * What the CPU holds of an LWP, and the switch from one to the next.
 *
 * arch_impl/context.h defines struct arch_context.
 */

#include <arch/trap.h>
#include <kernel/types.h>

#include <arch_impl/context.h>

/* Once, when the kernel heap is up. */
void context_setup(void);

/*
 * A context that starts fn(arg) in the kernel, on the stack that ends at `stack_top`. fn must not
 * return. Before fn, context_started() is called.
 */
void context_init_kernel(struct arch_context *context, uint64_t stack_top, void (*fn)(void *),
                         void *arg);

/*
 * A context that, after context_started(), goes to user mode with the registers in
 * *context_user_frame(context), which the caller fills. `tls`: the thread pointer. 0 or -ENOMEM.
 */
int context_init_user(struct arch_context *context, uint64_t stack_top, uint64_t tls) MUST_CHECK;

/*
 * A context that goes on in user mode where the calling LWP is in its system call, with the same
 * registers, but sees the result 0, and has another stack pointer and another thread pointer where
 * these are not NULL. `self` is the caller's context. 0 or -ENOMEM.
 */
int context_init_copy(struct arch_context *context, uint64_t stack_top,
                      const struct arch_context *self, const uint64_t *sp,
                      const uint64_t *tls) MUST_CHECK;

/*
 * The calling LWP starts anew in user mode: clean extended registers and bases; the caller fills
 * context_user_frame().
 */
void context_restart(struct arch_context *self);

/* Gives back what context_init_user() took. */
void context_destroy(struct arch_context *context);

/* The registers of user mode, at the top of the kernel stack. */
struct trap_frame *context_user_frame(struct arch_context *context);

/* The thread pointer of user mode (FS base on x86-64) of the calling LWP. */
void context_set_tls(struct arch_context *context, uint64_t tls);

/* Saves the calling LWP in `from` and continues `to`. Interrupts are off. */
void context_switch(struct arch_context *from, struct arch_context *to);

/* As context_set_tls() or the program itself set it. */
uint64_t context_get_tls(const struct arch_context *context);

/* ---- Supplied by the kernel ----------------------------------------------------------------- */

/* The first thing that a new context runs: finishes the switch that brought it here. */
void context_started(void);

#endif
