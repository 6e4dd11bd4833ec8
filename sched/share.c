/*
 * Guaranteed shares of a CPU.
 *
 * An LWP with a share is an entity of its CPU's root queue, beside the default group. Tickets are
 * percentages: the LWP's share, and what all shares leave for the default group, which is at least
 * 100 - SCHED_PROMISE_MAX_PERCENT. A share is promised by the CPU that has promised least so far,
 * and its LWP stays there.
 */

#include <arch/cpu.h>
#include <arch/smp.h>
#include <kernel/errno.h>
#include <sched/sched.h>

#include "runqueue.h"

void share_reweigh_default_group(struct runqueue *rq, uint64_t now_ns)
{
    struct sched_entity *e = &rq->default_entity;
    struct sched_params old = e->params;
    bool is_away = rq->default_queue.nr_waiting == 0 && rq->default_queue.running == NULL;

    e->params.tickets = (100 - rq->promised_percent) * SCHED_TICKETS_PER_PERCENT;
    if (!is_away && rq->root.class->params_changed != NULL)
        rq->root.class->params_changed(&rq->root, e, &old, now_ns);
}

static bool promise(struct runqueue *rq, unsigned percent)
{
    bool fits;

    spin_lock(&rq->lock);
    fits = rq->promised_percent + percent <= SCHED_PROMISE_MAX_PERCENT;
    if (fits) {
        uint64_t now_ns = rq_charge(rq);

        rq->promised_percent += percent;
        share_reweigh_default_group(rq, now_ns);
    }
    spin_unlock(&rq->lock);
    return fits;
}

static void give_back_promise(struct runqueue *rq, unsigned percent)
{
    uint64_t now_ns;

    spin_lock(&rq->lock);
    now_ns = rq_charge(rq);
    rq->promised_percent -= percent;
    share_reweigh_default_group(rq, now_ns);
    spin_unlock(&rq->lock);
}

/* Promises `percent` on the allowed CPU that has promised least; LWP_CPU_NOWHERE: on none. */
static unsigned promise_somewhere(uint64_t allowed, unsigned percent)
{
    while (percent <= SCHED_PROMISE_MAX_PERCENT) {
        unsigned best = LWP_CPU_NOWHERE, least = SCHED_PROMISE_MAX_PERCENT + 1 - percent;

        for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
            unsigned promised = cpu_ptr(runqueue, cpu)->promised_percent;

            if ((allowed >> cpu & 1) && promised < least) {
                best = cpu;
                least = promised;
            }
        }
        if (best == LWP_CPU_NOWHERE || promise(cpu_ptr(runqueue, best), percent))
            return best;
    }
    return LWP_CPU_NOWHERE;
}

/*
 * The current LWP leaves its queue and, off this CPU, joins the one that its new share names, on
 * CPU `cpu`. Interrupts are off.
 */
static void move_self(unsigned cpu, unsigned share_percent)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct lwp *self = rq->current;
    uint64_t now_ns;

    spin_lock(&rq->lock);
    now_ns = rq_charge(rq);
    rq_dequeue(rq, self, SCHED_DEQUEUE_MOVED_OUT, now_ns);
    self->share_percent = share_percent;
    self->entity.params.tickets =
        share_percent > 0 ? share_percent * SCHED_TICKETS_PER_PERCENT : SCHED_TICKETS_DEFAULT;
    self->move_to = cpu;
    atomic_store(&self->cpu, cpu);
    rq_set_state(self, LWP_READY, now_ns);
    rq_run_next(rq, now_ns);
}

int sched_set_share(int percent)
{
    struct lwp *self = lwp_current();
    unsigned old_percent = self->share_percent;
    unsigned old_cpu, cpu;

    if (percent < 0 || percent > 100)
        return -EINVAL;
    irq_disable();
    old_cpu = cpu_id();
    /* What it has now does not count against what it asks for. */
    if (old_percent > 0)
        give_back_promise(cpu_ptr(runqueue, old_cpu), old_percent);
    cpu = old_cpu;
    if (percent > 0)
        cpu = promise_somewhere(self->affinity, (unsigned)percent);
    if (cpu == LWP_CPU_NOWHERE) {
        bool is_restored = old_percent == 0 || promise(cpu_ptr(runqueue, old_cpu), old_percent);

        /* Somebody else took it meanwhile: then the caller is back in the default group. */
        if (!is_restored)
            move_self(old_cpu, 0);
        irq_enable();
        return -EAGAIN;
    }
    if (percent > 0 || old_percent > 0)
        move_self(cpu, (unsigned)percent);
    irq_enable();
    return 0;
}
