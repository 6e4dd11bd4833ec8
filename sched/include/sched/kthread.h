#ifndef SCHED_KTHREAD_H
#define SCHED_KTHREAD_H

/*
 * Kernel threads: LWPs without a user half. They wait for each other by joining, by semaphores
 * (kernel/semaphore.h), mutexes (kernel/mutex.h) and condition variables (kernel/condition.h).
 *
 * Who owns what. kthread_create() gives its caller a handle, which is good for one kthread_join()
 * or one kthread_detach(), by anybody, at any time; it is invalid afterwards. A thread that is
 * neither joined nor detached keeps its handle's memory after its end, and nothing else: the stack
 * is given back at the end. A detached thread gives everything back at its end.
 *
 * Nothing interrupts a kernel thread's waits, and nobody can end it but itself. Where not said
 * otherwise, callers are kernel threads or LWPs in the kernel, with interrupts on and no spinlock
 * held.
 */

#include <stdatomic.h>

#include <kernel/types.h>

/*
 * Priorities, which a class of fixed priorities goes by (struct sched_params); the classes that
 * share the CPU by time or by tickets do not look at them.
 */
#define KTHREAD_PRIORITY_MIN     0
#define KTHREAD_PRIORITY_DEFAULT 31
#define KTHREAD_PRIORITY_MAX     63

struct kthread;

typedef uint64_t (*kthread_fn)(void *arg);

/*
 * Starts fn(arg) as a kernel thread called `name`, which is copied; what fn returns is the thread's
 * value. It inherits class and affinity from the caller. NULL: out of memory. Not from interrupt
 * handlers; while booting, interrupts may be off.
 */
struct kthread *kthread_create(const char *name, int priority, kthread_fn fn, void *arg) MUST_CHECK;

/* Ends the calling kernel thread with this value, as if its function had returned it. */
NORETURN void kthread_exit(uint64_t value);

/*
 * Waits for the thread's end and returns its value. By then its stack and everything else are given
 * back. Nobody joins itself, and a cycle of threads that join each other waits for ever.
 */
uint64_t kthread_join(struct kthread *thread);

/* Nobody will join it. Same context as kthread_create(). */
void kthread_detach(struct kthread *thread);

/* Sleeps for at least so long. */
void kthread_sleep_ns(uint64_t duration_ns);

/* How many there are that have not ended. */
extern atomic_uint nr_kthreads;

#endif
