/*
 * Kernel threads (the rules are in kthread.h).
 *
 * The end of a thread and the end of its handle come in any order. Whoever is second, told by one
 * exchange of `fate`, frees the structure; a joiner, who has to wait anyway, always does. The end
 * itself is the semaphore `ended`, which is raised from off the thread's stack, when the stack has
 * been given back: so a joiner finds all the memory returned. Who gets the semaphore also knows
 * that the end does not touch the structure any more.
 */

#include <arch/cpu.h>
#include <kernel/clock.h>
#include <kernel/semaphore.h>
#include <kernel/trace.h>
#include <mm/kstack.h>
#include <mm/slab.h>
#include <sched/kthread.h>
#include <sched/sched.h>

enum fate { RUNS, IS_DETACHED, HAS_ENDED };

struct kthread {
    struct lwp lwp;
    kthread_fn fn;
    void *arg;
    uint64_t value; /* the thread's own until its end */
    struct semaphore ended;
    _Atomic enum fate fate;
    atomic_bool is_claimed; /* somebody has used the handle up */
};

atomic_uint nr_kthreads;
static atomic_int last_trace_id;

static void kthread_exited(struct lwp *lwp)
{
    struct kthread *thread = container_of(lwp, struct kthread, lwp);

    kstack_free(lwp->context.stack_top);
    atomic_fetch_sub(&nr_kthreads, 1);
    if (atomic_exchange(&thread->fate, HAS_ENDED) == IS_DETACHED)
        kfree(thread);
    else
        semaphore_up(&thread->ended);
}

static const struct lwp_ops kthread_ops = {.exited = kthread_exited};

static void kthread_main(void *arg)
{
    struct kthread *self = arg;

    kthread_exit(self->fn(self->arg));
}

struct kthread *kthread_create(const char *name, int priority, kthread_fn fn, void *arg)
{
    struct kthread *thread = kmalloc(sizeof(*thread));
    uint64_t stack_top = kstack_alloc();

    debug_assert(priority >= KTHREAD_PRIORITY_MIN && priority <= KTHREAD_PRIORITY_MAX);
    if (thread == NULL || stack_top == 0) {
        if (stack_top != 0)
            kstack_free(stack_top);
        kfree(thread);
        return NULL;
    }
    sched_lwp_init(&thread->lwp, name, &kthread_ops);
    thread->lwp.own.entity.params.priority = (uint8_t)priority;
    thread->lwp.trace_id = atomic_fetch_sub(&last_trace_id, 1) - 1;
    thread->fn = fn;
    thread->arg = arg;
    semaphore_init(&thread->ended, "kernel thread's end", 0);
    atomic_init(&thread->fate, RUNS);
    atomic_init(&thread->is_claimed, false);
    context_init_kernel(&thread->lwp.context, stack_top, kthread_main, thread);
    atomic_fetch_add(&nr_kthreads, 1);
    trace_event(THRUM_TRACE_CREATE, thread->lwp.trace_id, lwp_current()->trace_id, 0, 0);
    sched_start(&thread->lwp);
    return thread;
}

void kthread_exit(uint64_t value)
{
    struct lwp *lwp = lwp_current();

    debug_assert(lwp->ops == &kthread_ops);
    container_of(lwp, struct kthread, lwp)->value = value;
    trace_event(THRUM_TRACE_EXIT, lwp->trace_id, 0, value, 0);
    sched_exit();
}

static void claim(struct kthread *thread)
{
    bool was_claimed = atomic_exchange(&thread->is_claimed, true);

    assert(!was_claimed);
}

uint64_t kthread_join(struct kthread *thread)
{
    uint64_t value;

    debug_assert(&thread->lwp != lwp_current());
    claim(thread);
    semaphore_down(&thread->ended);
    value = thread->value;
    kfree(thread);
    return value;
}

void kthread_detach(struct kthread *thread)
{
    claim(thread);
    if (atomic_exchange(&thread->fate, IS_DETACHED) != HAS_ENDED)
        return;
    /* With interrupts off, another CPU is about to raise it, or has. */
    while (!semaphore_try_down(&thread->ended))
        cpu_relax();
    kfree(thread);
}

void kthread_sleep_ns(uint64_t duration_ns)
{
    uint64_t now_ns = clock_now_ns();
    int error = sched_sleep_until(MIN(duration_ns, UINT64_MAX - 1 - now_ns) + now_ns);

    debug_assert(error == 0);
    (void)error;
}
