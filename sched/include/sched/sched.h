#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

/* Who runs next, and where: the mechanism (sched/core.c has the theory). */

#include <kernel/spinlock.h>
#include <kernel/types.h>
#include <sched/lwp.h>

/*
 * Makes the boot CPU's queue, with the default group under the class of that name (one that does
 * not exist: a warning, and mlfq), and turns the caller into its idle LWP. Once.
 */
void sched_init(const char *class_name);

/* Turns the calling CPU's boot context into its idle LWP. Never returns. */
NORETURN void sched_idle(void);

/* Fills the scheduler's part of a new LWP with what it inherits from the caller. */
void sched_lwp_init(struct lwp *lwp, const char *name, const struct lwp_ops *ops);

/* Lets a NEW LWP run, on the CPU that has the least to do. Any context; locks below
 * LOCK_RANK_SCHED_CONTROL may be held. */
void sched_start(struct lwp *lwp);

/*
 * Blocks the caller until sched_wake(). Interrupts are off; `guard` (may be NULL) is held and is
 * released once the caller counts as blocked, so a waker that takes `guard` first is never missed.
 * With `is_interruptible`, returns WAKE_INTERRUPT at once when lwp->interrupt is set. Returns with
 * interrupts off and `guard` not held.
 */
enum wake_reason sched_block(struct spinlock *guard, bool is_interruptible);

/*
 * Makes a blocked LWP ready; whether it was blocked (and, for WAKE_INTERRUPT, interruptible). The
 * caller keeps the LWP from going away. Any context; locks below LOCK_RANK_RUNQUEUE may be held.
 */
bool sched_wake(struct lwp *lwp, enum wake_reason reason);

/*
 * Makes `lwp` look at its lwp->interrupt, which the caller has set: wakes it from an interruptible
 * wait, or gets it out of user mode on another CPU. Same context as sched_wake().
 */
void sched_interrupt(struct lwp *lwp);

/*
 * Whether the caller, which is about to go on for long, is to return to user mode first: it has
 * been interrupted (-ERESTARTSYS, if nothing has been done yet).
 */
bool sched_is_interrupted(void);

/* Lets others run that are ready. Interrupts are on. */
void sched_yield(void);

/* Switches if the scheduler wants to. Interrupts are off, and stay off. */
void sched_preempt(void);

/*
 * The same, if interrupts are on: where an LWP may just have been woken, or the caller's priority
 * lowered, and the kernel would go on for long before it returns to user mode. Any context.
 */
static inline void sched_preempt_point(void)
{
    if (!irq_is_enabled())
        return;
    irq_disable();
    sched_preempt();
    irq_enable();
}

/* Another CPU sent IPI_RESCHEDULE. Interrupt handler. */
void sched_asked_to_look(void);

/* Ends the caller: it becomes a ZOMBIE, and lwp_ops.exited() is called off its stack. */
NORETURN void sched_exit(void);

/* The caller's level in its class; -1 where there are none. */
int sched_level(void);

/* Time that the caller has run, in nanoseconds. */
uint64_t sched_run_ns(void);

/* Blocks the caller until `deadline_ns` of clock_now_ns(). 0, or -ERESTARTSYS. Interrupts are on.
 */
int sched_sleep_until(uint64_t deadline_ns) MUST_CHECK;

#endif
