/*
 * Groups: queues under the root that have a class and, all but the default group, a share of every
 * CPU. A group is a queue on each CPU; this file keeps what those have in common.
 *
 * The class of the default group can be replaced while the system runs: each CPU's queue goes over
 * with everything in it under that CPU's lock (tree_replace_class()), one CPU after the other. What
 * sleeps goes over when it wakes. All memory is there before the first CPU changes.
 *
 * The watchdog. People write classes, and a class that is wrong must not stop the machine. One that
 * lets nobody run and does not say until when is noticed when it is asked; one that lets an entity
 * wait longer than it promised, when a CPU looks, every WATCH_PERIOD_NS. It is named in the log and
 * replaced by rr on all CPUs, each by itself. A queue's state is always big enough for rr's.
 */

#include <arch/cpu.h>
#include <arch/smp.h>
#include <kernel/cmdline.h>
#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/mutex.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <sched/sched.h>
#include <sched/team.h>
#include <sched/runqueue_impl.h>

#define WATCH_PERIOD_NS (256 * NSEC_PER_MSEC)

/* The only state that is no number of members. */
#define IS_FREE (-1)

/* Locks: m `control_mutex`, also to read; a atomic. */
struct group {
    const struct sched_class *_Atomic class;     /* a */
    const struct sched_class *_Atomic condemned; /* a  has broken its promises: rr instead of it */
    uint64_t tunable[SCHED_TUNABLES_MAX];        /* m */
    atomic_int nr_members;                       /* a  units; IS_FREE: there is no such group */
    atomic_uint share_percent;                   /* a  of every CPU; 0: the default group */
};

static struct group groups[SCHED_GROUPS_MAX];
static struct mutex control_mutex;
static const struct sched_class *root_class, *team_class;
static uint64_t root_quantum_us, team_quantum_us; /* 0: the class's own */
static uint64_t fallback_tunable[SCHED_TUNABLES_MAX];

bool sched_new_processes_are_teams;

const struct sched_class *sched_class_find(const char *name)
{
    for (const struct sched_class *const *c = __start_sched_classes; c < __stop_sched_classes;
         c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

/* A class that is on its way out, CPU by CPU, may still be found broken: that is not its
 * successor's fault. */
static bool is_condemned(unsigned group)
{
    return groups[group].condemned == groups[group].class;
}

const struct sched_class *sched_class_of_group(int group)
{
    if (group < 0 || group >= SCHED_GROUPS_MAX || groups[group].nr_members == IS_FREE)
        return NULL;
    return is_condemned((unsigned)group) ? team_class : groups[group].class;
}

bool group_enter(unsigned group)
{
    int nr;

    if (group >= SCHED_GROUPS_MAX)
        return false;
    nr = atomic_load(&groups[group].nr_members);
    while (nr != IS_FREE) {
        if (atomic_compare_exchange_weak(&groups[group].nr_members, &nr, nr + 1))
            return true;
    }
    return false;
}

void group_enter_or_default(struct sched_unit *unit)
{
    const struct sched_class *class = sched_class_of_group(unit->group);

    if (class != NULL && class->admit == NULL && group_enter(unit->group))
        return;
    unit->group = SCHED_GROUP_DEFAULT;
    if (!group_enter(SCHED_GROUP_DEFAULT))
        panic("sched: the default group is gone");
}

void group_leave(unsigned group)
{
    atomic_fetch_sub(&groups[group].nr_members, 1);
}

void group_read(unsigned group, unsigned *nr_members, unsigned *share_percent, bool *was_replaced)
{
    int nr = groups[group].nr_members;

    *nr_members = nr == IS_FREE ? 0 : (unsigned)nr;
    *share_percent = groups[group].share_percent;
    *was_replaced = is_condemned(group);
}

/* ---- Tunables ------------------------------------------------------------------------------- */

/* The index of the class's tunable of that name, or -EINVAL. */
static int find_tunable(const struct sched_class *class, const char *name)
{
    for (unsigned i = 0; i < class->nr_tunables; i++) {
        if (strcmp(class->tunables[i].name, name) == 0)
            return (int)i;
    }
    return -EINVAL;
}

static const struct sched_preset *find_preset(const struct sched_class *class, const char *name)
{
    for (const struct sched_preset *p = class->presets; p != NULL && p->name != NULL; p++) {
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

static void set_initial(const struct sched_class *class, uint64_t *tunables)
{
    for (unsigned i = 0; i < class->nr_tunables; i++)
        tunables[i] = class->tunables[i].initial;
}

/* What a preset wants of the tree around the class. */
static void note_surroundings(const struct sched_preset *preset)
{
    sched_new_processes_are_teams = preset->is_scope_process;
    if (preset->root_quantum_us != 0)
        root_quantum_us = preset->root_quantum_us;
    if (preset->team_quantum_us != 0)
        team_quantum_us = preset->team_quantum_us;
}

/* Initial values, as far as the command line does not say otherwise: `CLASS.TUNABLE=VALUE` and
 * `CLASS.preset=NAME`. */
static void read_cmdline(const struct sched_class *class, uint64_t *tunables)
{
    const struct sched_preset *preset;
    const char *name;
    char key[64];

    set_initial(class, tunables);
    snprintf(key, sizeof(key), "%s.preset", class->name);
    name = cmdline_get(key);
    if (name != NULL) {
        preset = find_preset(class, name);
        if (preset == NULL) {
            log_warn("sched: %s has no preset '%s'", class->name, name);
        } else {
            memcpy(tunables, preset->value, sizeof(preset->value));
            note_surroundings(preset);
        }
    }
    for (unsigned i = 0; i < class->nr_tunables; i++) {
        snprintf(key, sizeof(key), "%s.%s", class->name, class->tunables[i].name);
        cmdline_u64(key, class->tunables[i].min, class->tunables[i].max, &tunables[i]);
    }
}

/* The classes of the root and of teams, stride and rr, have one tunable: their quantum. */
static void set_quantum(struct sched_queue *q, uint64_t quantum_us, uint64_t now_ns)
{
    int i = find_tunable(q->class, "quantum_us");

    if (quantum_us == 0 || i < 0)
        return;
    q->tunable[i] = quantum_us;
    tree_tune(q, q->tunable, now_ns);
}

void group_set_team_quantum(struct sched_queue *q)
{
    set_quantum(q, team_quantum_us, 0);
}

/* Tells every CPU's queue of the group. */
static void spread_tunables(int group)
{
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        struct runqueue *rq = cpu_ptr(runqueue, cpu);
        irq_state_t irq = spin_lock_irq(&rq->lock);
        struct sched_queue *q = &rq->groups[group].queue;
        uint64_t now_ns = rq_charge(rq);

        if (q->class == groups[group].class)
            tree_tune(q, groups[group].tunable, now_ns);
        set_quantum(&rq->root, root_quantum_us, now_ns);
        rq_changed(rq, tree_slice_ns(&rq->root, now_ns), now_ns);
        spin_unlock_irq(&rq->lock, irq);
    }
}

int sched_tune(int group, const char *name, uint64_t value)
{
    const struct sched_class *class;
    int i = -EINVAL;

    mutex_lock(&control_mutex);
    class = sched_class_of_group(group);
    if (class != NULL)
        i = find_tunable(class, name);
    if (i >= 0 && is_condemned((unsigned)group))
        i = -EINVAL;
    if (i >= 0 && (value < class->tunables[i].min || value > class->tunables[i].max))
        i = -EINVAL;
    if (i >= 0) {
        groups[group].tunable[i] = value;
        spread_tunables(group);
    }
    mutex_unlock(&control_mutex);
    return MIN(i, 0);
}

int sched_use_preset(int group, const char *name)
{
    const struct sched_preset *preset = NULL;
    const struct sched_class *class;

    mutex_lock(&control_mutex);
    class = sched_class_of_group(group);
    if (class != NULL)
        preset = find_preset(class, name);
    if (preset != NULL && !is_condemned((unsigned)group)) {
        memcpy(groups[group].tunable, preset->value, sizeof(preset->value));
        note_surroundings(preset);
        spread_tunables(group);
    }
    mutex_unlock(&control_mutex);
    return preset != NULL ? 0 : -EINVAL;
}

uint64_t group_tunable(unsigned group, unsigned i)
{
    return is_condemned(group) ? fallback_tunable[i] : groups[group].tunable[i];
}

/* ---- A group's queues ----------------------------------------------------------------------- */

static void *queue_state(const struct sched_class *class)
{
    return kzalloc(MAX(class->queue_bytes, team_class->queue_bytes));
}

/* Makes an empty queue of the group a member of the root, which has promised its share. The lock is
 * held, or nobody else is there. */
static void init_queue(struct runqueue *rq, unsigned group, void *state, uint64_t now_ns)
{
    struct group_queue *gq = &rq->groups[group];
    unsigned percent = groups[group].share_percent;

    memset(&gq->entity, 0, sizeof(gq->entity));
    gq->entity.params.tickets =
        (percent != 0 ? percent : 100 - rq->promised_percent) * SCHED_TICKETS_PER_PERCENT;
    tree_join(&rq->root, &gq->entity);
    sched_queue_init(&gq->queue, groups[group].class, &gq->entity, state, now_ns);
    gq->queue.number = group;
    gq->queue.guaranteed_percent = percent;
    tree_tune(&gq->queue, groups[group].tunable, now_ns);
}

bool group_init(const char *class_name)
{
    struct group *g = &groups[SCHED_GROUP_DEFAULT];

    root_class = sched_class_find("stride");
    team_class = sched_class_find("rr");
    set_initial(team_class, fallback_tunable);
    mutex_init(&control_mutex, "scheduling control");
    for (unsigned i = 0; i < SCHED_GROUPS_MAX; i++)
        groups[i].nr_members = IS_FREE;
    g->class = sched_class_find(class_name);
    if (g->class == NULL || !sched_class_can_be_default(g->class))
        return false;
    g->nr_members = 0;
    read_cmdline(g->class, g->tunable);
    return true;
}

bool group_init_cpu(struct runqueue *rq)
{
    void *root_state = kzalloc(root_class->queue_bytes);
    void *state = queue_state(groups[SCHED_GROUP_DEFAULT].class);

    if (root_state == NULL || state == NULL) {
        kfree(root_state);
        kfree(state);
        return false;
    }
    sched_queue_init(&rq->root, root_class, NULL, root_state, 0);
    rq->root.number = SCHED_GROUPS_MAX;
    set_quantum(&rq->root, root_quantum_us, 0);
    init_queue(rq, SCHED_GROUP_DEFAULT, state, 0);
    return true;
}

void group_reweigh_default(struct runqueue *rq, uint64_t now_ns)
{
    struct sched_entity *e = &rq->groups[SCHED_GROUP_DEFAULT].entity;
    struct sched_params old = e->params;

    e->params.tickets = (100 - rq->promised_percent) * SCHED_TICKETS_PER_PERCENT;
    if (e->is_present && rq->root.class->params_changed != NULL)
        rq->root.class->params_changed(&rq->root, e, &old, now_ns);
}

/* ---- Making and ending groups. control_mutex is held ---------------------------------------- */

/* One state for each CPU's queue; NULL: out of memory. */
static void **alloc_states(const struct sched_class *class)
{
    void **states = kzalloc(nr_cpus_online * sizeof(*states));

    for (unsigned cpu = 0; states != NULL && cpu < nr_cpus_online; cpu++) {
        states[cpu] = queue_state(class);
        if (states[cpu] != NULL)
            continue;
        while (cpu-- > 0)
            kfree(states[cpu]);
        kfree(states);
        return NULL;
    }
    return states;
}

static void free_states(void **states)
{
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++)
        kfree(states[cpu]);
    kfree(states);
}

/* One CPU promises `percent` more, or fewer; whether it has so much left. Locked, also against
 * other claims. */
static bool promise_on_cpu(struct runqueue *rq, int percent)
{
    int promised = (int)rq->promised_percent + percent;

    if (promised > SCHED_PROMISE_MAX_PERCENT)
        return false;
    rq->promised_percent = (unsigned)promised;
    group_reweigh_default(rq, rq_charge(rq));
    return true;
}

/*
 * The same on CPUs 0 ... nr_cpus - 1. The first that has not so much left, or nr_cpus. Not between
 * a change's withdrawal of a share and its claiming it again (change.c): it must be there then.
 */
static unsigned promise_on_cpus(unsigned nr_cpus, int percent)
{
    irq_state_t irq = spin_lock_irq(&sched_control_lock);
    bool fits = true;
    unsigned cpu = 0;

    while (cpu < nr_cpus && fits) {
        struct runqueue *rq = cpu_ptr(runqueue, cpu);

        spin_lock(&rq->lock);
        fits = promise_on_cpu(rq, percent);
        spin_unlock(&rq->lock);
        if (fits)
            cpu++;
    }
    spin_unlock_irq(&sched_control_lock, irq);
    return cpu;
}

static int find_free_group(void)
{
    for (int i = 0; i < SCHED_GROUPS_MAX; i++) {
        if (groups[i].nr_members == IS_FREE)
            return i;
    }
    return -ENOSPC;
}

static int group_create(const struct sched_class *class, unsigned percent)
{
    int group = find_free_group();
    void **states;
    unsigned nr_promised;

    if (group < 0)
        return group;
    states = alloc_states(class);
    if (states == NULL)
        return -ENOMEM;
    nr_promised = promise_on_cpus(nr_cpus_online, (int)percent);
    if (nr_promised < nr_cpus_online) {
        promise_on_cpus(nr_promised, -(int)percent);
        free_states(states);
        return -EAGAIN;
    }
    groups[group].class = class;
    groups[group].share_percent = percent;
    groups[group].condemned = NULL;
    read_cmdline(class, groups[group].tunable);
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        struct runqueue *rq = cpu_ptr(runqueue, cpu);
        irq_state_t irq = spin_lock_irq(&rq->lock);

        init_queue(rq, (unsigned)group, states[cpu], rq_charge(rq));
        spin_unlock_irq(&rq->lock, irq);
    }
    kfree(states);
    atomic_store(&groups[group].nr_members, 0);
    return group;
}

int sched_group_create(const char *class_name, int share_percent)
{
    const struct sched_class *class = sched_class_find(class_name);
    int group;

    if (class == NULL || share_percent < 1 || share_percent > SCHED_PROMISE_MAX_PERCENT)
        return -EINVAL;
    mutex_lock(&control_mutex);
    group = group_create(class, (unsigned)share_percent);
    mutex_unlock(&control_mutex);
    return group;
}

/* Takes the CPU's queue out of existence; its state. NULL: somebody is still in it. */
static void *end_queue(struct runqueue *rq, int group)
{
    struct group_queue *gq = &rq->groups[group];
    irq_state_t irq = spin_lock_irq(&rq->lock);
    void *state = NULL;

    if (gq->queue.nr_waiting == 0 && gq->queue.running == NULL) {
        state = gq->queue.state;
        gq->queue.class = NULL;
    }
    spin_unlock_irq(&rq->lock, irq);
    return state;
}

int sched_group_destroy(int group)
{
    int expected = 0, error = 0;

    if (group <= SCHED_GROUP_DEFAULT || group >= SCHED_GROUPS_MAX)
        return -EINVAL;
    mutex_lock(&control_mutex);
    if (groups[group].nr_members == IS_FREE)
        error = -EINVAL;
    else if (!atomic_compare_exchange_strong(&groups[group].nr_members, &expected, IS_FREE))
        error = -EBUSY;
    /* Who has left by word may still run there; it leaves when its CPU schedules. */
    for (unsigned cpu = 0; cpu < nr_cpus_online && error == 0; cpu++) {
        struct runqueue *rq = cpu_ptr(runqueue, cpu);
        void *state;

        while ((state = end_queue(rq, group)) == NULL)
            sched_yield();
        kfree(state);
    }
    if (error == 0)
        promise_on_cpus(nr_cpus_online, -(int)groups[group].share_percent);
    mutex_unlock(&control_mutex);
    return error;
}

/* ---- Another class for the default group ---------------------------------------------------- */

bool sched_class_can_be_default(const struct sched_class *class)
{
    return class->is_work_conserving && class->admit == NULL;
}

int sched_set_default_class(const char *class_name)
{
    const struct sched_class *class = sched_class_find(class_name);
    struct group *g = &groups[SCHED_GROUP_DEFAULT];
    void **states;

    if (class == NULL || !sched_class_can_be_default(class))
        return -EINVAL;
    mutex_lock(&control_mutex);
    states = alloc_states(class);
    if (states == NULL) {
        mutex_unlock(&control_mutex);
        return -ENOMEM;
    }
    g->class = class;
    g->condemned = NULL;
    read_cmdline(class, g->tunable);
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        struct runqueue *rq = cpu_ptr(runqueue, cpu);
        irq_state_t irq = spin_lock_irq(&rq->lock);
        void *old_state = rq->groups[SCHED_GROUP_DEFAULT].queue.state;
        struct sched_queue *q = &rq->groups[SCHED_GROUP_DEFAULT].queue;
        uint64_t now_ns = rq_charge(rq);
        bool preempts = tree_replace_class(q, class, states[cpu], g->tunable, now_ns);

        rq_changed(rq, preempts ? 0 : tree_slice_ns(&rq->root, now_ns), now_ns);
        spin_unlock_irq(&rq->lock, irq);
        states[cpu] = old_state;
    }
    free_states(states);
    mutex_unlock(&control_mutex);
    return 0;
}

/* ---- The watchdog. The run queue's lock is held --------------------------------------------- */

/* rr takes over, in the state of the class that is replaced. */
static void replace_by_rr(struct runqueue *rq, unsigned group, uint64_t now_ns)
{
    struct sched_queue *q = &rq->groups[group].queue;
    bool preempts;

    memset(q->state, 0, team_class->queue_bytes);
    preempts = tree_replace_class(q, team_class, q->state, fallback_tunable, now_ns);
    rq_changed(rq, preempts ? 0 : tree_slice_ns(&rq->root, now_ns), now_ns);
}

static void condemn(struct runqueue *rq, struct sched_queue *q, const char *offence,
                    uint64_t now_ns)
{
    log_error("sched: class %s of group %u %s on CPU %u, with %u waiting; rr takes over",
              q->class->name, q->number, offence, rq->cpu, q->nr_waiting);
    groups[q->number].condemned = q->class;
    replace_by_rr(rq, q->number, now_ns);
}

void group_replace_broken(struct runqueue *rq, uint64_t now_ns)
{
    struct sched_queue *q = rq->root.broken;

    rq->root.broken = NULL;
    condemn(rq, q, "lets nobody run and does not say until when", now_ns);
}

void group_watchdog(struct runqueue *rq, uint64_t now_ns)
{
    if (now_ns < rq->next_watch_ns)
        return;
    rq->next_watch_ns = now_ns + WATCH_PERIOD_NS;
    for (unsigned group = 0; group < SCHED_GROUPS_MAX; group++) {
        struct sched_queue *q = &rq->groups[group].queue;

        if (q->class == NULL || q->class == team_class)
            continue;
        if (is_condemned(group))
            replace_by_rr(rq, group, now_ns);
        else if (tree_find_starved(q) != NULL)
            condemn(rq, q, "starves somebody", now_ns);
    }
}
