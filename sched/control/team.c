/*
 * Teams (the rules are in sched/team.h): a unit with a queue of its own, under rr.
 *
 * An LWP enters and leaves a team under sched_control_lock and the lock of the run queue where it
 * belongs by then. If it runs at that moment, it changes when its CPU schedules next (unit.c).
 */

#include <arch/cpu.h>
#include <kernel/errno.h>
#include <mm/slab.h>
#include <sched/sched.h>
#include <sched/team.h>
#include <sched/runqueue_impl.h>

struct sched_team {
    struct sched_unit unit;
    struct sched_queue queue; /* its LWPs; locked by the run queue of unit.cpu */
    bool is_closed;           /* locked by sched_control_lock */
    alignas(16) unsigned char queue_state[];
};

bool unit_is_closed(const struct sched_unit *unit)
{
    return unit_is_team(unit) && container_of(unit, struct sched_team, unit)->is_closed;
}

struct sched_team *sched_team_new(void)
{
    const struct sched_class *rr = sched_class_find("rr");
    const struct sched_unit *creator = lwp_current()->unit;
    struct sched_team *team = kzalloc(sizeof(*team) + rr->queue_bytes);

    if (team == NULL)
        return NULL;
    unit_init(&team->unit, creator);
    atomic_init(&team->unit.cpu, unit_destination(creator));
    sched_queue_init(&team->queue, rr, &team->unit.entity, team->queue_state, 0);
    group_set_team_quantum(&team->queue);
    group_enter_or_default(&team->unit);
    return team;
}

/* The unit, which has no claims, asks for what `from` does. Both are locked against changes. */
static void be_like(struct sched_unit *unit, const struct sched_unit *from)
{
    unsigned old_group = unit->group;
    uint8_t boost_priority = unit->entity.params.boost_priority;

    unit->affinity = from->affinity;
    unit->tickets = from->tickets;
    unit->entity.params = from->entity.params;
    unit->entity.params.tickets = from->tickets; /* not those of a share */
    unit->entity.params.boost_priority = boost_priority;
    unit->group = from->group;
    group_enter_or_default(unit);
    group_leave(old_group);
}

void sched_team_be_like(struct sched_team *team, struct lwp *lwp)
{
    irq_state_t irq = spin_lock_irq(&sched_control_lock);
    struct runqueue *rq = rq_lock_unit(&team->unit);
    bool is_taken_out;

    be_like(&team->unit, &lwp->own);
    /* LWPs may still be about to leave it. */
    is_taken_out = unit_send(rq, &team->unit, unit_destination(&lwp->own), rq_charge(rq));
    spin_unlock(&rq->lock);
    if (is_taken_out)
        rq_place_unit(&team->unit);
    spin_unlock_irq(&sched_control_lock, irq);
}

void sched_team_give_back(struct sched_team *team)
{
    irq_state_t irq = spin_lock_irq(&sched_control_lock);

    unit_withdraw(&team->unit);
    spin_unlock_irq(&sched_control_lock, irq);
}

void sched_team_close(struct sched_team *team)
{
    irq_state_t irq = spin_lock_irq(&sched_control_lock);

    team->is_closed = true;
    unit_withdraw(&team->unit);
    spin_unlock_irq(&sched_control_lock, irq);
}

void sched_team_free(struct sched_team *team)
{
    if (team == NULL)
        return;
    while (atomic_load(&team->unit.nr_carriers) > 0)
        cpu_relax(); /* with interrupts off, another CPU is about to look for it, or has */
    group_leave(team->unit.group);
    kfree(team);
}

/* The LWP asks on its own for what the team did. */
static void leave_team(struct lwp *lwp, const struct sched_unit *team)
{
    group_enter_or_default(&lwp->own);
    be_like(&lwp->own, team);
}

/*
 * The LWP, which is running, stays what it is, after all. If that is not a member of the team, it
 * has been one for everybody else: it leaves it like one that was there, with what has been asked
 * for meanwhile, and belongs to another queue than it is in. Its run queue and sched_control_lock
 * are locked.
 */
static void take_back(struct runqueue *rq, struct lwp *lwp)
{
    const struct sched_unit *next = lwp->next_unit;

    if (next == &lwp->own) {
        group_leave(lwp->own.group);
    } else {
        leave_team(lwp, next);
        unit_send(rq, &lwp->own,
                  balance_allowed_cpu(lwp->own.affinity, unit_destination(&lwp->own)),
                  rq_charge(rq));
    }
    lwp->next_unit = NULL;
    rq->is_sent = lwp_is_sent(lwp);
}

/* Whether it has been taken out, and is to be placed. Locked so, too. */
static bool become(struct runqueue *rq, struct lwp *lwp, struct sched_unit *to)
{
    if (to == &lwp->own) {
        leave_team(lwp, lwp->unit);
        atomic_store(&lwp->own.cpu, unit_destination(lwp->unit));
    } else {
        group_leave(lwp->own.group);
    }
    return lwp_send(rq, lwp, to, rq_charge(rq));
}

void sched_lwp_set_team(struct lwp *lwp, struct sched_team *team)
{
    struct sched_unit *to = team != NULL ? &team->unit : &lwp->own;
    irq_state_t irq = spin_lock_irq(&sched_control_lock);
    bool is_taken_out = false;
    struct runqueue *rq;

    if (team != NULL)
        unit_withdraw(&lwp->own);
    rq = rq_lock_home(lwp);
    if (lwp->state == LWP_NEW)
        atomic_store(&lwp->unit, to);
    else if (lwp->state != LWP_ZOMBIE && lwp->next_unit != NULL && lwp->unit == to)
        take_back(rq, lwp);
    else if (lwp->state != LWP_ZOMBIE && lwp->next_unit == NULL && lwp->unit != to)
        is_taken_out = become(rq, lwp, to);
    spin_unlock(&rq->lock);
    if (is_taken_out)
        rq_place(lwp, SCHED_ENQUEUE_MOVED_IN);
    spin_unlock_irq(&sched_control_lock, irq);
    donation_priority_changed(lwp);
}

void lwp_settle(struct lwp *lwp)
{
    irq_state_t irq = spin_lock_irq(&sched_control_lock);
    struct runqueue *rq = rq_lock_home(lwp);

    if (lwp->next_unit != NULL)
        take_back(rq, lwp);
    spin_unlock(&rq->lock);
    unit_withdraw(&lwp->own);
    spin_unlock_irq(&sched_control_lock, irq);
}
