/*
 * Changing where units belong and what they ask for.
 *
 * A change is made to a unit's attributes as a whole: affinity, share or group, parameters. Some of
 * them are *claims*, which one CPU has to grant: a share of it, or a promise of the group's class.
 * A claim binds the unit to its CPU, and its sum is kept there.
 *
 * A change first withdraws what the unit holds, so that this does not count against what is asked
 * for, then claims what is wanted, and if that fails, claims again what was held. That cannot fail:
 * sched_control_lock keeps everybody else from claiming, and from giving back. Between the two the
 * unit holds nothing and may be scheduled, moved, or end as it likes; if it has ended, what was
 * claimed is given back.
 */

#include <arch/cpu.h>
#include <arch/smp.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <sched/team.h>
#include <sched/runqueue_impl.h>

struct spinlock sched_control_lock =
    SPINLOCK_INIT("scheduling attributes", LOCK_RANK_SCHED_CONTROL);

struct attributes {
    uint64_t affinity;
    unsigned share_percent, group;
    struct sched_params params; /* tickets: what was asked for, not those of a share */
};

struct change {
    struct lwp *lwp;
    struct sched_unit *unit;
    struct attributes held, wanted;
    unsigned cpu; /* that has granted what is held */
    irq_state_t irq;
};

/* ---- Claims. sched_control_lock is held, and no run queue's lock ---------------------------- */

static bool promise(struct runqueue *rq, unsigned percent)
{
    bool fits;

    spin_lock(&rq->lock);
    fits = rq->promised_percent + percent <= SCHED_PROMISE_MAX_PERCENT;
    if (fits) {
        rq->promised_percent += percent;
        group_reweigh_default(rq, rq_charge(rq));
    }
    spin_unlock(&rq->lock);
    return fits;
}

static void give_back_promise(struct runqueue *rq, unsigned percent)
{
    spin_lock(&rq->lock);
    rq->promised_percent -= percent;
    group_reweigh_default(rq, rq_charge(rq));
    spin_unlock(&rq->lock);
}

/* The allowed CPU that has promised least, `here` if it is one of them. */
static unsigned least_promised_cpu(uint64_t allowed, unsigned here)
{
    unsigned best = LWP_CPU_NOWHERE, least = UINT32_MAX;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        unsigned promised = cpu_ptr(runqueue, cpu)->promised_percent;

        if (!(allowed >> cpu & 1) || promised > least)
            continue;
        if (promised < least || cpu == here)
            best = cpu;
        least = promised;
    }
    return best;
}

static int claim_share(const struct attributes *a, unsigned here)
{
    unsigned cpu = least_promised_cpu(a->affinity, here);

    return promise(cpu_ptr(runqueue, cpu), a->share_percent) ? (int)cpu : -EAGAIN;
}

static int admit(const struct attributes *a, unsigned cpu)
{
    struct runqueue *rq = cpu_ptr(runqueue, cpu);
    struct sched_queue *q = &rq->groups[a->group].queue;
    int error = 0;

    spin_lock(&rq->lock);
    rq_charge(rq);
    if (q->class->admit != NULL)
        error = q->class->admit(q, &a->params);
    spin_unlock(&rq->lock);
    return error;
}

static int claim_admission(const struct attributes *a, unsigned here)
{
    int error = -EBUSY;

    if ((a->affinity >> here & 1) && (error = admit(a, here)) == 0)
        return (int)here;
    for (unsigned cpu = 0; cpu < nr_cpus_online && error == -EBUSY; cpu++) {
        if (cpu != here && (a->affinity >> cpu & 1) && (error = admit(a, cpu)) == 0)
            return (int)cpu;
    }
    return error;
}

static bool is_admitting(const struct attributes *a)
{
    return a->share_percent == 0 && sched_class_of_group((int)a->group)->admit != NULL;
}

/* On which CPU the unit may have that, `here` if possible; or -errno. */
static int claim(const struct attributes *a, unsigned here)
{
    if (a->share_percent > 0)
        return claim_share(a, here);
    if (is_admitting(a))
        return claim_admission(a, here);
    return (int)balance_allowed_cpu(a->affinity, here);
}

static void give_back(const struct attributes *a, unsigned cpu, bool is_admitted)
{
    struct runqueue *rq = cpu_ptr(runqueue, cpu);
    struct sched_queue *q = &rq->groups[a->group].queue;

    if (a->share_percent > 0)
        give_back_promise(rq, a->share_percent);
    if (!is_admitted)
        return;
    spin_lock(&rq->lock);
    if (q->class->release != NULL)
        q->class->release(q, &a->params);
    spin_unlock(&rq->lock);
}

/* ---- A change ------------------------------------------------------------------------------- */

static struct attributes attributes_of(const struct sched_unit *unit)
{
    struct attributes a = {
        .affinity = unit->affinity,
        .share_percent = unit->share_percent,
        .group = unit->group,
        .params = unit->entity.params,
    };

    a.params.tickets = unit->tickets;
    return a;
}

/* The LWP's unit, or the one that it is about to become. Its run queue's lock is held. */
static struct sched_unit *unit_to_change(struct lwp *lwp)
{
    return lwp->next_unit != NULL ? lwp->next_unit : lwp->unit;
}

/* Whether the LWP is still of a team, in whose queue its entity is, and about to go on alone. */
static bool is_pending(const struct change *c)
{
    return c->unit == c->lwp->next_unit && c->unit == &c->lwp->own;
}

/* Locks the run queue that guards the unit: that of the team while the LWP is in it. */
static struct runqueue *lock_unit(const struct change *c)
{
    return c->unit == &c->lwp->own ? rq_lock_home(c->lwp) : rq_lock_unit(c->unit);
}

/* 0, with sched_control_lock held; or -ESRCH: it has ended, or not been started. */
static int change_begin(struct change *c, struct lwp *lwp)
{
    struct runqueue *rq;
    bool is_there;

    c->irq = spin_lock_irq(&sched_control_lock);
    rq = rq_lock_home(lwp);
    c->lwp = lwp;
    c->unit = unit_to_change(lwp);
    is_there = lwp->state != LWP_NEW && lwp->state != LWP_ZOMBIE && !unit_is_closed(c->unit);
    spin_unlock(&rq->lock);
    if (!is_there) {
        spin_unlock_irq(&sched_control_lock, c->irq);
        return -ESRCH;
    }
    rq = lock_unit(c);
    c->held = attributes_of(c->unit);
    c->cpu = unit_destination(c->unit);
    spin_unlock(&rq->lock);
    c->wanted = c->held;
    return 0;
}

static void withdraw(struct sched_unit *unit, const struct attributes *held, unsigned cpu)
{
    struct runqueue *rq = rq_lock_unit(unit);
    bool was_admitted = unit->is_admitted;

    unit->share_percent = 0;
    unit->is_admitted = false;
    spin_unlock(&rq->lock);
    give_back(held, cpu, was_admitted);
}

/* The unit goes on where it is, with other parameters. The lock is held. */
static void change_params(struct runqueue *rq, struct sched_unit *unit,
                          const struct sched_params *old)
{
    struct sched_queue *q = unit->entity.queue;
    uint64_t now_ns = rq_charge(rq);

    if (!unit->entity.is_present || unit->entity.class != q->class)
        return;
    debug_assert(q->number == SCHED_GROUPS_MAX ? q == &rq->root
                                               : q == &rq->groups[q->number].queue);
    if (q->class->params_changed != NULL)
        q->class->params_changed(q, &unit->entity, old, now_ns);
    rq_changed(rq, tree_slice_ns(&rq->root, now_ns), now_ns);
}

/* Gives the unit its attributes, granted by `cpu`. Whether it still lives. */
static bool apply(const struct change *c, const struct attributes *a, unsigned cpu)
{
    struct sched_unit *unit = c->unit;
    struct runqueue *rq = lock_unit(c);
    struct sched_params old = unit->entity.params;
    unsigned home = a->share_percent > 0 ? SCHED_GROUPS_MAX : a->group;
    const struct sched_queue *q = unit->entity.queue;
    bool is_taken_out = false;

    if (unit == &c->lwp->own && c->lwp->state == LWP_ZOMBIE) {
        spin_unlock(&rq->lock);
        return false;
    }
    unit->affinity = a->affinity;
    unit->share_percent = (uint8_t)a->share_percent;
    unit->group = (uint8_t)a->group;
    unit->is_admitted = is_admitting(a);
    unit->tickets = a->params.tickets;
    unit->entity.params = a->params;
    if (a->share_percent > 0)
        unit->entity.params.tickets = a->share_percent * SCHED_TICKETS_PER_PERCENT;
    unit->entity.params.boost_priority = old.boost_priority;
    if (is_pending(c))
        atomic_store(&unit->cpu, cpu);
    else if (rq->cpu == cpu && unit->target_cpu == LWP_CPU_NOWHERE && q != NULL &&
             q->number == home)
        change_params(rq, unit, &old);
    else
        is_taken_out = unit_send(rq, unit, cpu, rq_charge(rq));
    spin_unlock(&rq->lock);
    if (is_taken_out)
        rq_place_unit(unit);
    return true;
}

/* 0, or why nothing has changed. Releases sched_control_lock. */
static int change_end(struct change *c)
{
    int cpu;

    withdraw(c->unit, &c->held, c->cpu);
    cpu = claim(&c->wanted, c->cpu);
    if (cpu < 0) {
        struct attributes held = c->held;
        int again;

        held.affinity = 1ull << c->cpu;
        again = claim(&held, c->cpu);
        assert(again == (int)c->cpu);
        if (!apply(c, &c->held, c->cpu))
            give_back(&c->held, c->cpu, is_admitting(&c->held));
    } else if (!apply(c, &c->wanted, (unsigned)cpu)) {
        give_back(&c->wanted, (unsigned)cpu, is_admitting(&c->wanted));
        cpu = -ESRCH;
    }
    spin_unlock_irq(&sched_control_lock, c->irq);
    return cpu < 0 ? cpu : 0;
}

/* ---- What may be changed -------------------------------------------------------------------- */

int sched_set_share(struct lwp *lwp, int percent)
{
    struct change c;
    unsigned old_group;
    int error;

    if (percent < 0 || percent > 100)
        return -EINVAL;
    error = change_begin(&c, lwp);
    if (error != 0)
        return error;
    old_group = c.held.group;
    c.wanted.share_percent = (unsigned)percent;
    if (percent > 0 && !group_enter(SCHED_GROUP_DEFAULT))
        panic("sched: the default group is gone");
    if (percent > 0)
        c.wanted.group = SCHED_GROUP_DEFAULT;
    error = change_end(&c);
    if (percent > 0)
        group_leave(error == 0 ? old_group : SCHED_GROUP_DEFAULT);
    return error;
}

int sched_join_group(struct lwp *lwp, int group)
{
    struct change c;
    int error;

    if (group < 0 || !group_enter((unsigned)group))
        return -EINVAL;
    error = change_begin(&c, lwp);
    if (error == 0) {
        c.wanted.share_percent = 0;
        c.wanted.group = (unsigned)group;
        error = change_end(&c);
        if (error == 0)
            group = (int)c.held.group;
    }
    group_leave((unsigned)group);
    return error;
}

static bool is_in_range(const struct sched_params *p)
{
    bool has_no_deadline = p->runtime_ns == 0 && p->deadline_ns == 0 && p->period_ns == 0;

    return p->tickets >= 1 && p->tickets <= SCHED_TICKETS_MAX && p->nice >= SCHED_NICE_MIN &&
           p->nice <= SCHED_NICE_MAX && p->priority <= SCHED_PRIORITY_MAX &&
           (has_no_deadline || (p->runtime_ns > 0 && p->runtime_ns <= p->deadline_ns &&
                                p->deadline_ns <= p->period_ns));
}

int sched_set_params(struct lwp *lwp, const struct sched_params *params)
{
    struct change c;
    int error;

    if (!is_in_range(params))
        return -EINVAL;
    error = change_begin(&c, lwp);
    if (error != 0)
        return error;
    c.wanted.params = *params;
    error = change_end(&c);
    donation_priority_changed(lwp);
    return error;
}

void sched_set_boost(struct lwp *lwp, uint8_t priority)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = rq_lock_home(lwp);
    struct sched_params *params = &lwp->own.entity.params, old = *params;

    params->boost_priority = priority;
    /* Teams take turns without priorities. */
    if (lwp->unit == &lwp->own &&
        MAX(priority, params->priority) != MAX(old.boost_priority, params->priority))
        change_params(rq, &lwp->own, &old);
    spin_unlock(&rq->lock);
    irq_restore(irq);
}

/*
 * Where the LWP is about to enter or to leave a team: those that it is to have then. Who keeps the
 * LWP from going away keeps its team.
 */
static struct attributes attributes_of_lwp(struct lwp *lwp)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = rq_lock_home(lwp);
    struct sched_unit *unit = unit_to_change(lwp);
    struct attributes a;

    if (unit != lwp->unit && unit_is_team(unit)) {
        spin_unlock(&rq->lock);
        rq = rq_lock_unit(unit);
    }
    a = attributes_of(unit);
    spin_unlock(&rq->lock);
    irq_restore(irq);
    return a;
}

void sched_get_params(struct lwp *lwp, struct sched_params *params)
{
    *params = attributes_of_lwp(lwp).params;
}

int sched_set_affinity(struct lwp *lwp, uint64_t cpus)
{
    struct change c;
    int error;

    cpus &= cpus_online();
    if (cpus == 0)
        return -EINVAL;
    error = change_begin(&c, lwp);
    if (error != 0)
        return error;
    c.wanted.affinity = cpus;
    return change_end(&c);
}

uint64_t sched_affinity(struct lwp *lwp)
{
    return attributes_of_lwp(lwp).affinity;
}

int sched_group_of(struct lwp *lwp)
{
    return (int)attributes_of_lwp(lwp).group;
}

unsigned sched_share(struct lwp *lwp)
{
    return attributes_of_lwp(lwp).share_percent;
}

void unit_withdraw(struct sched_unit *unit)
{
    struct runqueue *rq = rq_lock_unit(unit);
    struct attributes held = attributes_of(unit);
    unsigned cpu = unit_destination(unit);

    spin_unlock(&rq->lock);
    if (unit_has_claims(unit))
        withdraw(unit, &held, cpu);
}
