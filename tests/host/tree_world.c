/* See tree_world.h. */

#include "tree_world.h"

#define MS        NSEC_PER_MSEC
#define NR_LEAVES 12
#define NR_TEAMS  2

/* A group that moves from tree to tree with all that is in it. */
struct team {
    struct sched_entity entity;
    struct sched_queue queue;
    bool is_out; /* taken out of one tree, and not yet put into the other */
};

struct state {
    const struct world *world;
    struct dtree *tree[2];
    struct leaf *leaf[NR_LEAVES]; /* NULL: none */
    struct team team[NR_TEAMS];   /* the first nr_teams of them */
    unsigned nr_teams;
    struct rng rng;
};

void random_tunables(const struct sched_class *class, struct rng *rng,
                     uint64_t tunables[SCHED_TUNABLES_MAX])
{
    const struct sched_preset *preset = class->presets;

    for (unsigned i = 0; i < class->nr_tunables; i++) {
        const struct sched_tunable *t = &class->tunables[i];

        tunables[i] = t->initial;
        if (rng_one_in(rng, 2))
            tunables[i] = rng_between(rng, t->min, MIN(t->max, MAX(4 * t->initial, t->min)));
    }
    if (!preset || rng_one_in(rng, 2))
        return;
    while (preset[1].name && rng_one_in(rng, 2))
        preset++;
    memcpy(tunables, preset->value, sizeof(preset->value));
}

/* ---- Who is where --------------------------------------------------------------------------- */

static struct dtree *other_tree(const struct state *s, const struct dtree *t)
{
    return t == s->tree[0] ? s->tree[1] : s->tree[0];
}

/* The team whose queue that is; NULL: a tree's own. */
static struct team *team_of(struct state *s, const struct sched_queue *q)
{
    for (unsigned i = 0; i < s->nr_teams; i++)
        if (q == &s->team[i].queue)
            return &s->team[i];
    return NULL;
}

static struct dtree *tree_of_queue(const struct state *s, const struct sched_queue *q)
{
    const struct dtree *first = s->tree[0];

    return q >= first->queue && q < first->queue + DTREE_QUEUES_MAX ? s->tree[0] : s->tree[1];
}

static struct dtree *home_of(struct state *s, const struct leaf *leaf)
{
    const struct team *team = team_of(s, leaf->entity.queue);

    return tree_of_queue(s, team ? team->entity.queue : leaf->entity.queue);
}

static struct sched_queue *random_queue(struct state *s)
{
    struct dtree *t = s->tree[rng_below(&s->rng, 2)];

    return &t->queue[rng_below(&s->rng, t->nr_queues)];
}

/* The queue of the other tree that corresponds to this one. */
static struct sched_queue *twin(struct state *s, const struct sched_queue *q)
{
    struct dtree *t = tree_of_queue(s, q);

    return &other_tree(s, t)->queue[q - t->queue];
}

static struct sched_params random_params(struct rng *rng)
{
    struct sched_params params = {.nice = 0};

    params.tickets = (uint32_t)rng_between(rng, 1, rng_one_in(rng, 4) ? 10000 : 1000);
    params.nice = (int8_t)((int)rng_below(rng, 40) - 20);
    params.priority = (uint8_t)rng_below(rng, 64);
    params.boost_priority = rng_one_in(rng, 4) ? (uint8_t)rng_below(rng, 64) : 0;
    return params;
}

/* ---- The mechanism, for leaves of trees, of teams, and of teams that are between two trees ----
 */

/*
 * After something became waiting. When the current leaf has to go for it, its slice is over; it
 * goes at once or, as on a CPU that is told by an interrupt, a little later.
 */
static void arrived(struct state *s, struct dtree *t, bool preempts)
{
    if (!t->current) {
        dtree_pick(t);
        return;
    }
    assert_true(!preempts || dtree_slice_ns(t) == 0);
    if (preempts && rng_one_in(&s->rng, 2))
        dtree_reschedule(t, false);
}

static void enqueue(struct state *s, struct leaf *leaf, enum sched_enqueue why)
{
    struct team *team = team_of(s, leaf->entity.queue);
    struct dtree *t = home_of(s, leaf);

    /* The first one to come takes its team in. */
    if (team && team->is_out) {
        t->nr_present += queue_count_leaves(&team->queue);
        team->is_out = false;
    }
    arrived(s, t, dtree_enqueue(t, leaf, why));
}

/* `leaf` is not the current one of its tree. */
static void dequeue_waiting(struct state *s, struct leaf *leaf)
{
    const struct team *team = team_of(s, leaf->entity.queue);

    if (!team || !team->is_out) {
        dtree_dequeue(home_of(s, leaf), leaf, SCHED_DEQUEUE_MOVED_OUT);
        return;
    }
    leaf->is_present = false;
    tree_dequeue(&leaf->entity, SCHED_DEQUEUE_MOVED_OUT, driver_now_ns);
}

/* ---- Steps of leaves ------------------------------------------------------------------------ */

/* Whether the class of `q` lets the leaf in; it may have to promise it something first. */
static bool admit(struct sched_queue *q, struct leaf *leaf, struct rng *rng)
{
    struct sched_params *params = &leaf->entity.params;

    if (!q->class->admit)
        return true;
    params->period_ns = rng_between(rng, 10, 1000) * MS;
    params->deadline_ns = params->period_ns;
    params->runtime_ns = params->period_ns / rng_between(rng, 4, 40);
    leaf->is_admitted = q->class->admit(q, params) == 0;
    return leaf->is_admitted;
}

static void step_spawn(struct state *s, struct leaf **slot)
{
    struct sched_queue *q = random_queue(s);
    struct leaf *leaf;

    if (*slot)
        return;
    if (s->nr_teams > 0 && rng_one_in(&s->rng, 2))
        q = &s->team[rng_below(&s->rng, s->nr_teams)].queue;
    leaf = calloc(1, sizeof(*leaf));
    leaf->entity.params = random_params(&s->rng);
    if (!admit(q, leaf, &s->rng)) {
        free(leaf);
        return;
    }
    *slot = leaf;
    tree_join(q, &leaf->entity);
    enqueue(s, leaf, SCHED_ENQUEUE_NEW);
}

/* A sleeper wakes, on its CPU or on the other one, where nothing of its unit has to stay. */
static void step_wake(struct state *s, struct leaf *leaf)
{
    struct sched_entity *unit;
    struct team *team;

    if (!leaf || leaf->is_present)
        return;
    team = team_of(s, leaf->entity.queue);
    unit = team ? &team->entity : &leaf->entity;
    if (rng_one_in(&s->rng, 3) && !unit->is_present && !leaf->is_admitted)
        unit->queue = twin(s, unit->queue);
    enqueue(s, leaf, SCHED_ENQUEUE_WAKE);
}

/*
 * A leaf that is not on a CPU goes elsewhere: to the other CPU's queue of its group, or into
 * another group or team. It may well be the running one of its queue.
 */
static void step_move(struct state *s, struct leaf *leaf)
{
    struct sched_queue *to;

    if (!leaf || !leaf->is_present || leaf->is_admitted || leaf == home_of(s, leaf)->current)
        return;
    if (rng_one_in(&s->rng, 2) && !team_of(s, leaf->entity.queue)) {
        dequeue_waiting(s, leaf);
        leaf->entity.queue = twin(s, leaf->entity.queue);
    } else {
        to = s->nr_teams > 0 && rng_one_in(&s->rng, 2) ? &s->team[0].queue : random_queue(s);
        if (to->class->admit)
            return;
        dequeue_waiting(s, leaf);
        tree_join(to, &leaf->entity);
    }
    enqueue(s, leaf, SCHED_ENQUEUE_MOVED_IN);
}

/* New parameters for any entity that is present, as sched/control/change.c gives them. */
static void step_params(struct state *s, struct leaf *leaf)
{
    struct dtree *t = s->tree[rng_below(&s->rng, 2)];
    struct sched_entity *e = &t->group[rng_below(&s->rng, t->nr_queues)];
    struct sched_params old, wanted = random_params(&s->rng);

    if (leaf && leaf->is_present && !leaf->is_admitted && rng_one_in(&s->rng, 2)) {
        e = &leaf->entity;
        t = home_of(s, leaf);
    }
    if (!e->queue)
        return;
    dtree_charge(t);
    old = e->params;
    e->params = wanted;
    if (e->queue->class->params_changed && e->is_present)
        e->queue->class->params_changed(e->queue, e, &old, driver_now_ns);
    dtree_changed(t);
}

static void end_leaf(struct state *s, struct leaf *leaf)
{
    struct sched_queue *q = leaf->entity.queue;

    if (leaf->is_admitted && q->class->release)
        q->class->release(q, &leaf->entity.params);
    for (unsigned i = 0; i < NR_LEAVES; i++)
        if (s->leaf[i] == leaf)
            s->leaf[i] = NULL;
    free(leaf);
}

/* The current leaf goes away, for a while or for good. */
static void step_leave(struct state *s, struct dtree *t)
{
    struct leaf *leaf = t->current;

    if (!leaf)
        return;
    if (rng_one_in(&s->rng, 3)) {
        dtree_dequeue(t, leaf, SCHED_DEQUEUE_EXITED);
        end_leaf(s, leaf);
        dtree_pick(t);
    } else {
        dtree_block(t);
    }
}

/* ---- Steps of teams, classes, and time ------------------------------------------------------ */

/* The team leaves its tree. If it has the CPU, that is when its CPU schedules (sched/unit.c). */
static void take_out(struct dtree *t, struct team *team)
{
    bool has_cpu = t->current && t->current->entity.queue == &team->queue;

    dtree_charge(t);
    t->nr_present -= queue_count_leaves(&team->queue);
    tree_dequeue(&team->entity, SCHED_DEQUEUE_MOVED_OUT, driver_now_ns);
    team->is_out = true;
    assert_null(team->queue.running);
    if (has_cpu)
        dtree_pick(t);
}

static void put_in(struct state *s, struct team *team)
{
    struct dtree *t = tree_of_queue(s, team->entity.queue);
    bool preempts;

    dtree_charge(t);
    t->nr_present += queue_count_leaves(&team->queue);
    preempts = dtree_arrived(t, tree_enqueue(&team->entity, SCHED_ENQUEUE_MOVED_IN, driver_now_ns));
    team->is_out = false;
    arrived(s, t, preempts);
}

static void step_team(struct state *s)
{
    struct team *team = &s->team[rng_below(&s->rng, NR_TEAMS)];
    struct sched_queue *to;

    if (s->nr_teams == 0)
        return;
    if (team->entity.is_present) {
        take_out(tree_of_queue(s, team->entity.queue), team);
        return;
    }
    if (team->is_out && queue_count_leaves(&team->queue) == 0)
        team->is_out = false; /* everybody in it went away meanwhile */
    if (!team->is_out)
        return;
    to = random_queue(s);
    if (rng_one_in(&s->rng, 2) || to->class->admit)
        team->entity.queue = twin(s, team->entity.queue);
    else
        tree_join(to, &team->entity);
    put_in(s, team);
}

static const struct sched_class *random_class(struct state *s)
{
    return s->world->classes[rng_below(&s->rng, s->world->nr_classes)];
}

static void step_replace(struct state *s, struct dtree *t)
{
    struct sched_queue *q = &t->queue[rng_between(&s->rng, 1, t->nr_queues - 1)];
    const struct sched_entity *running = q->running;
    const struct sched_class *class = random_class(s);
    bool was_preempted = dtree_is_preempted(t), preempts;
    uint64_t tunables[SCHED_TUNABLES_MAX];
    uint32_t nr_waiting = q->nr_waiting;
    void *old_state = q->state;

    if (!s->world->replaces_classes || q->class->admit || class->admit ||
        !class->is_work_conserving)
        return;
    random_tunables(class, &s->rng, tunables);
    dtree_charge(t);
    preempts = tree_replace_class(q, class, calloc(1, class->queue_bytes), tunables, driver_now_ns);
    free(old_state);
    assert_ptr_equal(q->running, running);
    assert_int_equal(q->nr_waiting, nr_waiting);
    assert_false(queue_is_throttled(q));
    if (!was_preempted && !preempts)
        assert_false(dtree_is_preempted(t));
    dtree_changed(t);
    arrived(s, t, preempts);
}

static void step_tune(struct state *s, struct dtree *t)
{
    struct sched_queue *q = &t->queue[rng_below(&s->rng, t->nr_queues)];
    uint64_t tunables[SCHED_TUNABLES_MAX];

    if (!s->world->retunes)
        return;
    random_tunables(q->class, &s->rng, tunables);
    dtree_charge(t);
    tree_tune(q, tunables, driver_now_ns);
    dtree_changed(t);
    arrived(s, t, false);
}

/*
 * Time passes: up to the end of a slice on either CPU, often exactly, and sometimes beyond, as when
 * the timer's interrupt is late. An idle CPU waits for the end of throttling.
 */
static void step_run(struct state *s)
{
    uint64_t ns = SCHED_TIME_NEVER;

    for (unsigned i = 0; i < 2; i++)
        ns = MIN(ns, dtree_slice_ns(s->tree[i]));
    if (ns == SCHED_TIME_NEVER)
        ns = rng_below(&s->rng, rng_one_in(&s->rng, 20) ? 3600 * NSEC_PER_SEC : 50 * MS);
    else if (rng_one_in(&s->rng, 2))
        ns = rng_between(&s->rng, 0, ns + (rng_one_in(&s->rng, 8) ? 3 * MS : 0));
    driver_now_ns += ns;
    for (unsigned i = 0; i < 2; i++)
        dtree_tick(s->tree[i]);
}

/*
 * A decision settles: whoever has been picked may run for a while. Not always at once: a group that
 * has its turn again may find that the slice of its running one has ended meanwhile, by time that
 * its class had not yet seen, or by new parameters.
 */
static void step_reschedule(struct state *s, struct dtree *t)
{
    dtree_reschedule(t, t->current && rng_one_in(&s->rng, 3));
    dtree_charge(t);
    for (unsigned i = 0; i < DTREE_QUEUES_MAX && t->current && dtree_slice_ns(t) == 0; i++)
        dtree_reschedule(t, false);
    assert_true(!t->current || dtree_slice_ns(t) > 0);
}

static void step(struct state *s)
{
    struct dtree *t = s->tree[rng_below(&s->rng, 2)];
    struct leaf **slot = &s->leaf[rng_below(&s->rng, NR_LEAVES)];

    switch (rng_below(&s->rng, 15)) {
    case 0:
    case 1:
        step_spawn(s, slot);
        break;
    case 2:
    case 3:
        step_wake(s, *slot);
        break;
    case 4:
        step_move(s, *slot);
        break;
    case 5:
        step_params(s, *slot);
        break;
    case 6:
        step_leave(s, t);
        break;
    case 7:
    case 8:
        step_reschedule(s, t);
        break;
    case 9:
        step_replace(s, t);
        break;
    case 10:
        step_tune(s, t);
        break;
    case 11:
        step_team(s);
        break;
    default:
        step_run(s);
    }
}

/* ---- The whole run -------------------------------------------------------------------------- */

static void check(const struct state *s)
{
    for (unsigned i = 0; i < 2; i++) {
        dtree_check(s->tree[i]);
        for (unsigned k = 0; k < s->tree[i]->nr_queues; k++)
            assert_null(tree_find_starved(&s->tree[i]->queue[k]));
    }
    for (unsigned i = 0; i < NR_LEAVES; i++)
        if (s->leaf[i])
            assert_int_equal(s->leaf[i]->entity.is_present, s->leaf[i]->is_present);
}

static void add_groups(struct state *s)
{
    uint64_t nr_queues = rng_between(&s->rng, 2, DTREE_QUEUES_MAX);

    for (unsigned i = 1; i < nr_queues; i++) {
        const struct sched_class *class = random_class(s);
        uint64_t parent = rng_below(&s->rng, i);

        /* Nobody asks a class to admit a group. */
        if (s->tree[0]->queue[parent].class->admit)
            parent = 0;
        for (unsigned k = 0; k < 2; k++)
            dtree_add_group(s->tree[k], &s->tree[k]->queue[parent], class, PERCENT(20));
    }
}

static void add_teams(struct state *s)
{
    const struct sched_class *rr = driver_class("rr");

    s->nr_teams = NR_TEAMS;
    for (unsigned i = 0; i < NR_TEAMS; i++) {
        struct team *team = &s->team[i];

        team->entity.params.tickets = SCHED_TICKETS_DEFAULT;
        tree_join(&s->tree[0]->queue[0], &team->entity);
        sched_queue_init(&team->queue, rr, &team->entity, calloc(1, rr->queue_bytes),
                         driver_now_ns);
    }
}

/* Whoever sleeps wakes, so that ending the trees ends everybody. */
static void end(struct state *s)
{
    for (unsigned i = 0; i < s->nr_teams; i++)
        if (s->team[i].is_out && queue_count_leaves(&s->team[i].queue) > 0)
            put_in(s, &s->team[i]);
    for (unsigned i = 0; i < NR_LEAVES; i++)
        if (s->leaf[i] && !s->leaf[i]->is_present)
            enqueue(s, s->leaf[i], SCHED_ENQUEUE_WAKE);
    check(s);
    dtree_end(s->tree[0]);
    dtree_end(s->tree[1]);
    for (unsigned i = 0; i < s->nr_teams; i++)
        free(s->team[i].queue.state);
}

void world_run(const struct world *world, uint64_t seed, unsigned nr_steps)
{
    struct state s = {.world = world, .rng = {seed}};

    driver_reset(seed);
    for (unsigned i = 0; i < 2; i++)
        s.tree[i] = dtree_new();
    add_groups(&s);
    if (world->has_teams)
        add_teams(&s);
    for (unsigned i = 0; i < nr_steps; i++) {
        step(&s);
        check(&s);
    }
    end(&s);
}
