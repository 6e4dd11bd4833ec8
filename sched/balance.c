/*
 * On which CPU an LWP runs.
 *
 * `idle_cpus` is how an idle CPU offers itself. Whoever sends an LWP there claims it by clearing
 * its bit, so that LWPs that are woken together go to different CPUs. A CPU sets its bit before it
 * looks for work at others (balance_pull()), and a waker looks at the bits before it enqueues: so
 * either the waker sees the idle CPU, or the CPU sees what the waker has enqueued.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/smp.h>

#include "runqueue.h"

_Atomic uint64_t idle_cpus;

unsigned balance_claim_idle_cpu(uint64_t allowed)
{
    uint64_t seen = atomic_load_explicit(&idle_cpus, memory_order_relaxed);

    while ((seen & allowed) != 0) {
        unsigned cpu = (unsigned)__builtin_ctzll(seen & allowed);

        if (atomic_compare_exchange_weak_explicit(&idle_cpus, &seen, seen & ~(1ull << cpu),
                                                  memory_order_relaxed, memory_order_relaxed))
            return cpu;
    }
    return LWP_CPU_NOWHERE;
}

unsigned balance_least_loaded_cpu(uint64_t allowed)
{
    unsigned best = (unsigned)__builtin_ctzll(allowed), best_nr = UINT32_MAX;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        unsigned nr =
            atomic_load_explicit(&cpu_ptr(runqueue, cpu)->nr_runnable, memory_order_relaxed);

        if ((allowed >> cpu & 1) && nr < best_nr) {
            best = cpu;
            best_nr = nr;
        }
    }
    return best;
}

/* Where a woken LWP is to go on. Its share, if it has one, is promised by one CPU: it stays there.
 */
unsigned balance_choose_wake_cpu(const struct lwp *lwp)
{
    unsigned last = atomic_load_explicit(&lwp->cpu, memory_order_relaxed), idle;
    uint64_t last_bit = 1ull << last;

    if (lwp->share_percent > 0 || atomic_load(&idle_cpus) == 0)
        return last;
    /* Claimed for this LWP: others that are woken meanwhile go elsewhere. */
    if (atomic_fetch_and(&idle_cpus, ~last_bit) & last_bit)
        return last;
    idle = balance_claim_idle_cpu(lwp->affinity);
    return idle != LWP_CPU_NOWHERE ? idle : last;
}

/* The CPU where the most LWPs wait that could be moved; LWP_CPU_NOWHERE: none has any. */
static unsigned busiest_cpu(unsigned self)
{
    unsigned busiest = LWP_CPU_NOWHERE, most = 0;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        /* Read without the lock: it is only a hint. */
        unsigned nr =
            __atomic_load_n(&cpu_ptr(runqueue, cpu)->default_queue.nr_waiting, __ATOMIC_SEQ_CST);

        if (cpu != self && nr > most) {
            busiest = cpu;
            most = nr;
        }
    }
    return busiest;
}

/* A waiting LWP of `from` that may run on `cpu`. Both locks are held. */
static struct lwp *find_movable(struct runqueue *from, unsigned cpu)
{
    struct sched_entity *e;

    list_for_each_entry (e, &from->default_queue.waiting, waiting_link) {
        if (e->group == NULL && (lwp_of(e)->affinity >> cpu & 1))
            return lwp_of(e);
    }
    return NULL;
}

/*
 * Takes a waiting LWP from the busiest CPU; whether there was one. The lock is held. Run queue
 * locks are taken in the order of CPU numbers; against the order only a try is allowed, and when
 * that fails this CPU looks again at once instead of idling.
 */
bool balance_pull(struct runqueue *rq)
{
    unsigned busiest = busiest_cpu(rq->cpu);
    struct runqueue *from;
    struct lwp *lwp;

    if (busiest == LWP_CPU_NOWHERE)
        return false;
    from = cpu_ptr(runqueue, busiest);
    if (busiest > rq->cpu) {
        spin_lock_nested(&from->lock);
    } else if (!spin_try_lock(&from->lock)) {
        this_cpu_write(need_resched, 1);
        cpu_relax();
        return false;
    }
    lwp = find_movable(from, rq->cpu);
    if (lwp != NULL) {
        rq_dequeue(from, lwp, SCHED_DEQUEUE_MOVED_OUT, rq_charge(from));
        rq->charged_until_ns = MAX(rq->charged_until_ns, from->charged_until_ns);
        atomic_store(&lwp->cpu, rq->cpu);
        lwp->nr_migrations++;
        lwp->entity.queue = &rq->default_queue;
        tree_enqueue(&lwp->entity, SCHED_ENQUEUE_MOVED_IN, rq->charged_until_ns);
        atomic_fetch_add_explicit(&rq->nr_runnable, 1, memory_order_relaxed);
    }
    spin_unlock(&from->lock);
    return lwp != NULL;
}
