/*
 * On which CPU an LWP runs.
 *
 * `idle_cpus` is how an idle CPU offers itself. Whoever sends an LWP there claims it by clearing
 * its bit, so that LWPs that are woken together go to different CPUs.
 *
 * A CPU sets its bit and then looks for work at others (balance_pull()); a waker looks at the bits
 * and then enqueues. So the two may just miss each other: the waker looks before the bit is set,
 * and enqueues after the CPU has looked. To see to that at every wake-up would cost more than it is
 * worth: an LWP that was missed like that waits until its CPU next looks who has less to do, for
 * BALANCE_PERIOD_NS at most (balance_push()).
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/smp.h>
#include <sched/runqueue_impl.h>

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

unsigned balance_allowed_cpu(uint64_t allowed, unsigned here)
{
    return allowed >> here & 1 ? here : balance_least_loaded_cpu(allowed);
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

/* Where a woken unit is to go on. What one CPU has promised, only that CPU can give. */
unsigned balance_choose_wake_cpu(const struct sched_unit *unit)
{
    unsigned last = atomic_load_explicit(&unit->cpu, memory_order_relaxed), idle;
    uint64_t last_bit = 1ull << last;

    if (atomic_load(&idle_cpus) == 0 || unit_has_claims(unit))
        return last;
    /* Claimed for this LWP: others that are woken meanwhile go elsewhere. */
    if (atomic_fetch_and(&idle_cpus, ~last_bit) & last_bit)
        return last;
    idle = balance_claim_idle_cpu(unit->affinity);
    return idle != LWP_CPU_NOWHERE ? idle : last;
}

/* Running and waiting LWPs. Without the lock it is only a hint. */
static unsigned nr_runnable(unsigned cpu)
{
    return atomic_load(&cpu_ptr(runqueue, cpu)->nr_runnable);
}

/* The CPU of `candidates` with the most runnable LWPs, two at least; LWP_CPU_NOWHERE: none. */
static unsigned busiest_cpu(uint64_t candidates)
{
    unsigned busiest = LWP_CPU_NOWHERE, most = 1;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        unsigned nr = nr_runnable(cpu);

        if ((candidates >> cpu & 1) && nr > most) {
            busiest = cpu;
            most = nr;
        }
    }
    return busiest;
}

/*
 * A unit of `from` that may run on `cpu`, and does not run: it waits, or its group was preempted.
 * Both locks are held.
 */
static struct sched_unit *find_movable(struct runqueue *from, unsigned cpu)
{
    struct sched_entity *e;

    for (unsigned group = 0; group < SCHED_GROUPS_MAX; group++) {
        if (from->groups[group].queue.class == NULL)
            continue;
        list_for_each_entry (e, &from->groups[group].queue.present, present_link) {
            struct sched_unit *unit = unit_of(e);

            if ((unit->affinity >> cpu & 1) && !unit_has_claims(unit) &&
                from->current->unit != unit)
                return unit;
        }
    }
    return NULL;
}

/* Moves a waiting unit; whether there was one. Both locks are held. */
static bool move_one(struct runqueue *from, struct runqueue *to)
{
    struct sched_unit *unit = find_movable(from, to->cpu);

    if (unit == NULL)
        return false;
    rq_take_out(from, unit, rq_charge(from));
    atomic_store(&unit->cpu, to->cpu);
    rq_put_in(to, unit, rq_charge(to));
    return true;
}

/*
 * Locks another CPU's run queue beside the own one. Locks are taken in the order of CPU numbers;
 * against the order only a try is allowed.
 */
static bool lock_other(struct runqueue *own, struct runqueue *other)
{
    if (other->cpu < own->cpu)
        return spin_try_lock(&other->lock);
    spin_lock_nested(&other->lock);
    return true;
}

/*
 * Takes a waiting unit from the busiest CPU that has one to give. When one cannot be locked, this
 * CPU looks again at once instead of idling; between two looks its own queue is not locked.
 */
bool balance_pull(struct runqueue *rq)
{
    uint64_t candidates = ~(1ull << rq->cpu);
    bool has_pulled = false;

    while (!has_pulled) {
        unsigned busiest = busiest_cpu(candidates);
        struct runqueue *from;

        if (busiest == LWP_CPU_NOWHERE)
            return false;
        from = cpu_ptr(runqueue, busiest);
        candidates &= ~(1ull << busiest);
        if (!lock_other(rq, from)) {
            this_cpu_write(need_resched, 1);
            return false;
        }
        has_pulled = move_one(from, rq);
        spin_unlock(&from->lock);
    }
    return true;
}

/* To each such CPU for which there is one: so none idles until the time after this. */
void balance_push(struct runqueue *rq, uint64_t now_ns)
{
    uint64_t candidates = cpus_online() & ~(1ull << rq->cpu);

    rq->next_balance_ns = now_ns + BALANCE_PERIOD_NS;
    while (candidates != 0) {
        unsigned cpu = balance_least_loaded_cpu(candidates);
        struct runqueue *to = cpu_ptr(runqueue, cpu);

        candidates &= ~(1ull << cpu);
        if (nr_runnable(cpu) + 2 > rq->nr_runnable)
            return;
        if (!lock_other(rq, to))
            continue;
        move_one(rq, to);
        spin_unlock(&to->lock);
    }
}
