/*
 * Units: what belongs to which CPU's queues, and how it gets from one to another.
 *
 * A unit is an LWP or a team, and everything that is decided about places is decided about units:
 * its CPU, its group or its share, what CPUs it may use. An LWP of a team has a place only within
 * the team's queue, which moves with the team.
 *
 * `unit->cpu` says whose lock guards the unit. It changes only with that lock held and while no LWP
 * of the unit is on a CPU or in the queues of the old one, so a unit that is being moved is in
 * nobody's structures, and whoever took it out puts it in (rq_place(), rq_place_unit()); meanwhile
 * it may be sent on to yet another CPU, and whoever puts it in looks where it belongs by then. An
 * LWP does not run meanwhile, so it is still there. The LWPs of a team may, and end: so the team
 * counts who carries it.
 *
 * What runs cannot be moved. It is marked as sent (`target_cpu`, or `next_unit` of the LWP) and its
 * CPU asked to schedule: there, lwp_leave_queue() takes it out before the next one is picked, and
 * once the LWP is off its stack, lwp_arrive() sends it on its way. Until then it is an ordinary
 * member of its old queue: it may block there, end, or yield.
 */

#include <arch/cpu.h>
#include <kernel/string.h>
#include <sched/team.h>
#include <sched/runqueue_impl.h>

void unit_init(struct sched_unit *unit, const struct sched_unit *from)
{
    memset(unit, 0, sizeof(*unit));
    unit->target_cpu = LWP_CPU_NOWHERE;
    unit->tickets = SCHED_TICKETS_DEFAULT;
    unit->affinity = UINT64_MAX;
    if (from != NULL) {
        unit->entity.params = from->entity.params;
        unit->entity.params.boost_priority = 0;
        unit->affinity = from->affinity;
        unit->group = from->group;
    }
    unit->entity.params.tickets = SCHED_TICKETS_DEFAULT;
}

/* Who sends a unit here holds another lock: what was written under that comes with the place. */
struct runqueue *rq_lock_unit(struct sched_unit *unit)
{
    for (;;) {
        unsigned cpu = atomic_load_explicit(&unit->cpu, memory_order_relaxed);
        struct runqueue *rq = cpu_ptr(runqueue, cpu);

        spin_lock(&rq->lock);
        if (likely(atomic_load_explicit(&unit->cpu, memory_order_acquire) == cpu))
            return rq;
        spin_unlock(&rq->lock);
    }
}

struct runqueue *rq_lock_home(struct lwp *lwp)
{
    for (;;) {
        struct sched_unit *unit = atomic_load_explicit(&lwp->unit, memory_order_relaxed);
        struct runqueue *rq = rq_lock_unit(unit);

        if (likely(atomic_load_explicit(&lwp->unit, memory_order_acquire) == unit))
            return rq;
        spin_unlock(&rq->lock);
    }
}

static struct sched_queue *home_queue(struct runqueue *rq, const struct sched_unit *unit)
{
    return unit->share_percent > 0 ? &rq->root : &rq->groups[unit->group].queue;
}

/* The unit, which is away, becomes a member of its queue on this CPU. */
static void enter_queue(struct runqueue *rq, struct sched_unit *unit)
{
    struct sched_queue *q = home_queue(rq, unit);
    const struct sched_queue *old = unit->entity.queue;

    if (likely(old == q))
        return;
    if (old == NULL || old->number != q->number)
        tree_join(q, &unit->entity);
    unit->entity.queue = q;
}

/* Running and waiting LWPs of a unit that is present, or has been taken out. */
static unsigned nr_runnable_of(const struct sched_unit *unit)
{
    const struct sched_queue *q = unit->entity.group;

    return q == NULL ? 1 : q->nr_waiting + (q->running != NULL);
}

void rq_enqueue(struct runqueue *rq, struct lwp *lwp, enum sched_enqueue why, uint64_t now_ns)
{
    struct sched_unit *unit = lwp->unit;
    bool was_present = unit->entity.is_present;
    uint64_t slice_ns;

    debug_assert(!lwp->own.entity.is_present && lwp->state == LWP_READY);
    if (!was_present)
        enter_queue(rq, unit);
    if (unlikely(unit != &lwp->own && lwp->own.entity.queue != unit->entity.group))
        tree_join(unit->entity.group, &lwp->own.entity);
    slice_ns = tree_enqueue(&lwp->own.entity, why, now_ns);
    rq_add_runnable(rq, was_present ? 1 : nr_runnable_of(unit));
    rq_changed(rq, slice_ns, now_ns);
}

#ifdef THRUM_DEBUG
/* Whether the entity is in a queue of this CPU's tree. */
static bool is_in_tree(const struct runqueue *rq, const struct sched_entity *e)
{
    const struct sched_queue *q = e->queue;

    while (q != NULL && q->self != NULL)
        q = q->self->queue;
    return q == &rq->root && e->is_present;
}
#endif

void rq_dequeue(struct runqueue *rq, struct lwp *lwp, enum sched_dequeue why, uint64_t now_ns)
{
    /* A team that is being moved takes nobody's CPU: its LWPs are not counted anywhere. */
    bool is_counted = lwp->unit->entity.is_present;

    debug_assert(!is_counted || is_in_tree(rq, &lwp->own.entity));
    tree_dequeue(&lwp->own.entity, why, now_ns);
    if (is_counted)
        rq_add_runnable(rq, -1u);
}

void rq_take_out(struct runqueue *rq, struct sched_unit *unit, uint64_t now_ns)
{
    debug_assert(is_in_tree(rq, &unit->entity));
    rq_add_runnable(rq, -nr_runnable_of(unit));
    tree_dequeue(&unit->entity, SCHED_DEQUEUE_MOVED_OUT, now_ns);
}

void rq_put_in(struct runqueue *rq, struct sched_unit *unit, uint64_t now_ns)
{
    debug_assert(!unit->entity.is_present);
    enter_queue(rq, unit);
    rq_add_runnable(rq, nr_runnable_of(unit));
    rq_changed(rq, tree_enqueue(&unit->entity, SCHED_ENQUEUE_MOVED_IN, now_ns), now_ns);
}

void rq_place(struct lwp *lwp, enum sched_enqueue why)
{
    struct runqueue *rq = rq_lock_home(lwp);

    rq_enqueue(rq, lwp, why, rq_charge(rq));
    spin_unlock(&rq->lock);
}

void rq_place_unit(struct sched_unit *unit)
{
    struct runqueue *rq;

    if (!unit_is_team(unit)) {
        /* By now, it may be of a team. */
        rq_place(container_of(unit, struct lwp, own), SCHED_ENQUEUE_MOVED_IN);
        return;
    }
    rq = rq_lock_unit(unit);
    /* Meanwhile, an LWP that was woken may have taken the whole team in, or all may have left. */
    if (!unit->entity.is_present && nr_runnable_of(unit) > 0)
        rq_put_in(rq, unit, rq_charge(rq));
    spin_unlock(&rq->lock);
    atomic_fetch_sub(&unit->nr_carriers, 1);
}

/* The unit is away, and sent to another queue: its old one may cease to exist. */
static void forget_old_queue(struct sched_unit *unit)
{
    const struct sched_queue *old = unit->entity.queue;
    unsigned home = unit->share_percent > 0 ? SCHED_GROUPS_MAX : unit->group;

    if (old != NULL && old->number != home)
        tree_join(NULL, &unit->entity);
}

bool unit_send(struct runqueue *rq, struct sched_unit *unit, unsigned cpu, uint64_t now_ns)
{
    bool was_present = unit->entity.is_present;

    if (rq->current->unit == unit) {
        unit->target_cpu = cpu;
        rq->is_sent = true;
        rq_kick(rq->cpu);
        return false;
    }
    if (was_present)
        rq_take_out(rq, unit, now_ns);
    forget_old_queue(unit);
    unit->target_cpu = LWP_CPU_NOWHERE;
    atomic_fetch_add(&unit->nr_carriers, was_present && unit_is_team(unit));
    atomic_store(&unit->cpu, cpu);
    return was_present;
}

bool lwp_send(struct runqueue *rq, struct lwp *lwp, struct sched_unit *unit, uint64_t now_ns)
{
    bool was_present = lwp->own.entity.is_present;

    if (rq->current == lwp) {
        lwp->next_unit = unit;
        rq->is_sent = true;
        rq_kick(rq->cpu);
        return false;
    }
    if (was_present)
        rq_dequeue(rq, lwp, SCHED_DEQUEUE_MOVED_OUT, now_ns);
    tree_join(NULL, &lwp->own.entity);
    atomic_store(&lwp->unit, unit);
    return was_present;
}

void lwp_leave_queue(struct runqueue *rq, struct lwp *lwp, uint64_t now_ns)
{
    if (lwp->next_unit != NULL && lwp->own.entity.is_present)
        rq_dequeue(rq, lwp, SCHED_DEQUEUE_MOVED_OUT, now_ns);
    if (lwp->unit->target_cpu != LWP_CPU_NOWHERE && lwp->unit->entity.is_present)
        rq_take_out(rq, lwp->unit, now_ns);
}

void lwp_arrive(struct runqueue *rq, struct lwp *lwp)
{
    struct sched_unit *unit = lwp->unit;
    bool places_team = false, places_lwp;

    if (unit->target_cpu != LWP_CPU_NOWHERE) {
        forget_old_queue(unit);
        places_team = unit_is_team(unit) && nr_runnable_of(unit) > 0;
        atomic_fetch_add(&unit->nr_carriers, places_team);
        atomic_store(&unit->cpu, unit->target_cpu);
        unit->target_cpu = LWP_CPU_NOWHERE;
    }
    if (lwp->next_unit != NULL) {
        tree_join(NULL, &lwp->own.entity);
        atomic_store(&lwp->unit, lwp->next_unit);
        lwp->next_unit = NULL;
    }
    places_lwp = lwp->state == LWP_READY && !lwp->own.entity.is_present;
    spin_unlock(&rq->lock);
    if (places_team)
        rq_place_unit(unit);
    if (places_lwp)
        rq_place(lwp, SCHED_ENQUEUE_MOVED_IN);
}
