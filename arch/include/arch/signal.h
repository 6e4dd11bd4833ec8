#ifndef ARCH_SIGNAL_H
#define ARCH_SIGNAL_H

/*
 * Signal handlers: how the registers of a program get onto its stack and a handler is called, and
 * how they come back. What lies on the stack is the ABI's (Linux's for x86-64).
 */

#include <asm/siginfo.h>
#include <linux/signal.h>
#include <kernel/types.h>

struct trap_frame;
struct trap_fault;

typedef uint64_t signal_set; /* bit n - 1: signal n */

/* The stack of sigaltstack(). */
struct signal_stack {
    vaddr_t base;
    size_t nr_bytes; /* 0: there is none */
    unsigned flags;  /* SS_AUTODISARM */
};

/* Whether `sp` is on the stack. */
static inline bool signal_stack_has(const struct signal_stack *stack, vaddr_t sp)
{
    return !(stack->flags & SS_AUTODISARM) && sp > stack->base &&
           sp - stack->base <= stack->nr_bytes;
}

/* SS_*, as the ABI has them. */
static inline unsigned signal_stack_flags(const struct signal_stack *stack, vaddr_t sp)
{
    if (stack->nr_bytes == 0)
        return SS_DISABLE;
    return stack->flags | (signal_stack_has(stack, sp) ? SS_ONSTACK : 0u);
}

/* A handler to be called. */
struct signal_call {
    int signal;
    const siginfo_t *info;
    vaddr_t handler, restorer; /* the function, and where it returns to: rt_sigreturn() */
    const struct signal_stack *stack;
    bool switches_stack;            /* to *stack, unless the program is on it */
    signal_set mask;                /* to be had again after the handler */
    const struct trap_fault *fault; /* the program's last one */
};

/*
 * Makes user mode call the handler, with the registers in *frame saved on the stack. 0, or -EFAULT:
 * the stack or an address is not usable. May sleep.
 */
int signal_frame_push(struct trap_frame *frame, const struct signal_call *call) MUST_CHECK;

/*
 * The handler has returned: *frame has the registers again, and *mask and *stack are what the
 * program has left on its stack. 0, or -EFAULT: what is there cannot be. May sleep.
 */
int signal_frame_pop(struct trap_frame *frame, signal_set *mask,
                     struct signal_stack *stack) MUST_CHECK;

#endif
