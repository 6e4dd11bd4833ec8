/* Kernel threads. */

#include <kernel/errno.h>
#include <mm/kstack.h>
#include <mm/slab.h>
#include <sched/kthread.h>
#include <sched/sched.h>

atomic_uint nr_kthreads;

struct kthread {
    struct lwp lwp;
    void (*fn)(void *);
    void *arg;
};

static void kthread_exited(struct lwp *lwp)
{
    struct kthread *thread = container_of(lwp, struct kthread, lwp);

    kstack_free(lwp->context.stack_top);
    kfree(thread);
    atomic_fetch_sub(&nr_kthreads, 1);
}

static const struct lwp_ops kthread_ops = {.exited = kthread_exited};

static void kthread_main(void *arg)
{
    struct kthread *self = arg;

    self->fn(self->arg);
    sched_exit();
}

int kthread_start(const char *name, void (*fn)(void *), void *arg)
{
    struct kthread *thread = kmalloc(sizeof(*thread));
    uint64_t stack_top = kstack_alloc();

    if (thread == NULL || stack_top == 0) {
        if (stack_top != 0)
            kstack_free(stack_top);
        kfree(thread);
        return -ENOMEM;
    }
    sched_lwp_init(&thread->lwp, name, &kthread_ops);
    thread->fn = fn;
    thread->arg = arg;
    context_init_kernel(&thread->lwp.context, stack_top, kthread_main, thread);
    atomic_fetch_add(&nr_kthreads, 1);
    sched_start(&thread->lwp);
    return 0;
}
