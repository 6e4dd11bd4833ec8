/* What scheduling knows, for programs to read. */

#include <arch/cpu.h>
#include <arch/smp.h>
#include <kernel/string.h>
#include <sched/read.h>
#include <sched/runqueue_impl.h>
#include <sched/team.h>

struct thrum_sched_params sched_params_to_abi(const struct sched_params *params)
{
    return (struct thrum_sched_params){
        .tickets = params->tickets,
        .nice = params->nice,
        .priority = params->priority,
        .runtime_ns = params->runtime_ns,
        .deadline_ns = params->deadline_ns,
        .period_ns = params->period_ns,
    };
}

/* ---- LWPs and CPUs -------------------------------------------------------------------------- */

/* The place of the LWP, or of its team, among its CPU's queues. */
static void read_place(const struct runqueue *rq, const struct sched_unit *unit,
                       struct thrum_sched_lwp *record)
{
    const struct sched_entity *e = &unit->entity;
    const struct sched_queue *q = e->queue;
    const struct sched_class *class = q != NULL ? q->class : NULL;

    /* Who sleeps while its group changes its class learns of it at its wake-up. */
    if (class != NULL && class == e->class) {
        record->level = class->level != NULL ? class->level(q, e) : -1;
        record->pass = class->pass != NULL ? class->pass(q, e) : 0;
    }
    class = unit->share_percent > 0 ? rq->root.class : sched_class_of_group(unit->group);
    if (class != NULL)
        strlcpy(record->class, class->name, sizeof(record->class));
}

uint64_t sched_run_ns_of(struct lwp *lwp)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = rq_lock_home(lwp);
    uint64_t run_ns;

    rq_charge(rq);
    run_ns = lwp->run_ns;
    spin_unlock(&rq->lock);
    irq_restore(irq);
    return run_ns;
}

void sched_read_lwp(struct lwp *lwp, struct thrum_sched_lwp *record)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = rq_lock_home(lwp);
    const struct sched_unit *unit = lwp->unit;
    uint64_t now_ns = rq_charge(rq);

    strlcpy(record->name, lwp->name, sizeof(record->name));
    record->state = lwp->state;
    record->is_interruptible = lwp->is_interruptible;
    record->cpu = rq->cpu;
    record->group = unit->group;
    record->scope = unit_is_team(unit) ? THRUM_SCOPE_PROCESS : THRUM_SCOPE_SYSTEM;
    record->share_percent = unit->share_percent;
    record->affinity = unit->affinity & cpus_online();
    record->params = sched_params_to_abi(&unit->entity.params);
    record->params.tickets = unit->tickets;
    record->donated_priority = unit->entity.params.boost_priority;
    record->run_ns = lwp->run_ns;
    record->wait_ns = lwp->wait_ns;
    if (lwp->state == LWP_READY && now_ns > lwp->since_ns)
        record->wait_ns += now_ns - lwp->since_ns;
    record->nr_switches = lwp->nr_switches;
    record->nr_migrations = lwp->nr_migrations;
    record->level = -1;
    if (lwp->state != LWP_ZOMBIE)
        read_place(rq, unit, record);
    spin_unlock(&rq->lock);
    irq_restore(irq);
}

bool sched_read_cpu(uint64_t cpu, struct thrum_sched_cpu *record)
{
    struct runqueue *rq;
    irq_state_t irq;

    if (cpu >= nr_cpus_online)
        return false;
    rq = cpu_ptr(runqueue, (unsigned)cpu);
    irq = spin_lock_irq(&rq->lock);
    record->cpu = rq->cpu;
    record->now_ns = rq_charge(rq);
    record->nr_runnable = rq->nr_runnable;
    record->promised_percent = rq->promised_percent;
    record->tid = MAX(rq->current->trace_id, 0);
    record->idle_ns = rq->idle.run_ns;
    record->nr_switches = rq->nr_switches;
    spin_unlock_irq(&rq->lock, irq);
    return true;
}

/* ---- Groups --------------------------------------------------------------------------------- */

static unsigned least_left_for_default_group(void)
{
    unsigned most_promised = 0;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++)
        most_promised = MAX(most_promised, cpu_ptr(runqueue, cpu)->promised_percent);
    return 100 - most_promised;
}

bool sched_read_group(uint64_t n, struct thrum_sched_group *record)
{
    for (unsigned group = 0; group < SCHED_GROUPS_MAX; group++) {
        const struct sched_class *class = sched_class_of_group((int)group);
        bool was_replaced;

        if (class == NULL || n-- > 0)
            continue;
        group_read(group, &record->nr_members, &record->share_percent, &was_replaced);
        if (group == SCHED_GROUP_DEFAULT)
            record->share_percent = least_left_for_default_group();
        record->group = group;
        record->was_replaced = was_replaced;
        strlcpy(record->class, class->name, sizeof(record->class));
        return true;
    }
    return false;
}

static void read_tunable(unsigned group, const struct sched_class *class, unsigned i,
                         struct thrum_sched_tunable *record)
{
    const struct sched_tunable *tunable = &class->tunables[i];

    record->group = group;
    strlcpy(record->class, class->name, sizeof(record->class));
    strlcpy(record->name, tunable->name, sizeof(record->name));
    strlcpy(record->help, tunable->help, sizeof(record->help));
    record->value = group_tunable(group, i);
    record->initial = tunable->initial;
    record->min = tunable->min;
    record->max = tunable->max;
}

bool sched_read_tunable(uint64_t n, struct thrum_sched_tunable *record)
{
    for (unsigned group = 0; group < SCHED_GROUPS_MAX; group++) {
        const struct sched_class *class = sched_class_of_group((int)group);

        if (class == NULL)
            continue;
        if (n < class->nr_tunables) {
            read_tunable(group, class, (unsigned)n, record);
            return true;
        }
        n -= class->nr_tunables;
    }
    return false;
}

uint64_t sched_read_turn_ns(int group)
{
    const struct sched_class *class = sched_class_of_group(group);

    for (unsigned i = 0; class != NULL && i < class->nr_tunables; i++) {
        if (strcmp(class->tunables[i].name, "quantum_us") == 0)
            return group_tunable((unsigned)group, i) * NSEC_PER_USEC;
    }
    return 0;
}

/* ---- Classes -------------------------------------------------------------------------------- */

bool sched_read_class(uint64_t n, struct thrum_sched_class *record)
{
    const struct sched_class *class;

    if (n >= (uint64_t)(__stop_sched_classes - __start_sched_classes))
        return false;
    class = __start_sched_classes[n];
    strlcpy(record->name, class->name, sizeof(record->name));
    strlcpy(record->help, class->help, sizeof(record->help));
    record->is_work_conserving = class->is_work_conserving;
    record->can_be_default = sched_class_can_be_default(class);
    return true;
}

bool sched_read_preset(uint64_t n, struct thrum_sched_preset *record)
{
    for (const struct sched_class *const *c = __start_sched_classes; c < __stop_sched_classes;
         c++) {
        for (const struct sched_preset *p = (*c)->presets; p != NULL && p->name != NULL; p++) {
            if (n-- > 0)
                continue;
            strlcpy(record->class, (*c)->name, sizeof(record->class));
            strlcpy(record->name, p->name, sizeof(record->name));
            if (p->help != NULL)
                strlcpy(record->help, p->help, sizeof(record->help));
            return true;
        }
    }
    return false;
}
