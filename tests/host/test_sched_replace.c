/*
 * Changes of a whole queue while it is in use: another class, other tunables, another place in
 * another tree.
 */

#include "gate_class.h"
#include "tree_world.h"

#define MS NSEC_PER_MSEC

static const uint64_t *initial_tunables(const struct sched_class *class)
{
    static uint64_t tunables[SCHED_TUNABLES_MAX];

    for (unsigned i = 0; i < class->nr_tunables; i++)
        tunables[i] = class->tunables[i].initial;
    return tunables;
}

static bool replace(struct sched_queue *q, const struct sched_class *class,
                    const uint64_t *tunables)
{
    void *old_state = q->state;
    bool preempts;

    preempts = tree_replace_class(q, class, calloc(1, class->queue_bytes), tunables, driver_now_ns);
    free(old_state);
    return preempts;
}

static bool replace_by(struct sched_queue *q, const char *name)
{
    const struct sched_class *class = driver_class(name);

    return replace(q, class, initial_tunables(class));
}

static struct sched_queue *add_group(struct dtree *t, const char *class_name)
{
    return dtree_add_group(t, &t->queue[0], driver_class(class_name), PERCENT(50));
}

/* ---- Another class -------------------------------------------------------------------------- */

static void the_running_one_goes_on(void **state)
{
    struct leaf *running, *waiting;
    struct sched_queue *q;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    q = add_group(t, "rr");
    running = dtree_spawn(t, q, 100);
    waiting = dtree_spawn(t, q, 100);
    dtree_pick(t);
    driver_now_ns += 9 * MS;
    dtree_charge(t);
    assert_false(replace_by(q, "mlfq"));
    dtree_check(t);
    assert_ptr_equal(q->running, &running->entity);
    assert_int_equal(q->nr_waiting, 1);
    assert_int_equal(dtree_slice_ns(t), 5 * MS); /* a new turn, under the new class */
    driver_now_ns += 5 * MS;
    dtree_reschedule(t, false);
    assert_ptr_equal(t->current, waiting);
    dtree_end(t);
}

static void who_sleeps_joins_the_new_class_when_it_wakes(void **state)
{
    struct leaf *awake, *asleep;
    struct sched_queue *q;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    q = add_group(t, "mlfq");
    asleep = dtree_spawn(t, q, 100);
    dtree_pick(t);
    driver_now_ns += 70 * MS; /* to level 2 */
    dtree_block(t);
    awake = dtree_spawn(t, q, 100);
    dtree_pick(t);
    replace_by(q, "stride");
    assert_ptr_equal(asleep->entity.class, driver_class("mlfq"));
    dtree_wake(t, asleep);
    assert_ptr_equal(asleep->entity.class, driver_class("stride"));
    dtree_check(t);
    dtree_dequeue(t, asleep, SCHED_DEQUEUE_MOVED_OUT);

    replace_by(q, "mlfq");
    dtree_wake(t, asleep);
    assert_int_equal(q->class->level(q, &asleep->entity), 0); /* as one that is new */
    dtree_check(t);
    dtree_run_for(t, NSEC_PER_SEC);
    assert_true(awake->ran_ns > 400 * MS && asleep->ran_ns > 400 * MS);
    dtree_end(t);
}

/* Its running member, and that it runs, outlast the class. */
static void a_group_that_is_preempted_from_outside_keeps_its_running_one(void **state)
{
    struct leaf *inside[2], *outside;
    struct sched_queue *q;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    q = add_group(t, "rr");
    for (unsigned i = 0; i < 2; i++)
        inside[i] = dtree_spawn(t, q, 100);
    outside = dtree_spawn(t, &t->queue[0], PERCENT(50));
    dtree_run_for(t, 6 * MS);
    assert_ptr_equal(t->current, outside);
    assert_ptr_equal(q->running, &inside[0]->entity);
    assert_false(replace_by(q, "stride"));
    dtree_check(t);
    assert_ptr_equal(t->current, outside);
    assert_ptr_equal(q->running, &inside[0]->entity);
    dtree_block(t);
    assert_ptr_equal(t->current, inside[0]);
    free(outside);
    dtree_end(t);
}

static void a_throttled_group_takes_part_again_and_may_preempt(void **state)
{
    struct leaf *inside, *outside;
    struct sched_queue *mlfq, *gate;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    mlfq = add_group(t, "mlfq");
    gate = dtree_add_group(t, mlfq, driver_class("gate"), 100);
    gate->tunable[GATE_PERIOD_US] = 100000;
    driver_now_ns += 4 * MS; /* the gate is closed */
    inside = dtree_spawn(t, gate, 100);
    outside = dtree_spawn(t, mlfq, 100);
    dtree_run_for(t, 30 * MS); /* to level 1 */
    assert_ptr_equal(t->current, outside);
    assert_true(queue_is_throttled(gate));

    assert_true(replace_by(gate, "rr"));
    assert_false(queue_is_throttled(gate));
    assert_int_equal(tree_next_event_ns(&t->queue[0], driver_now_ns), SCHED_TIME_NEVER);
    dtree_check(t);
    assert_int_equal(dtree_slice_ns(t), 0);
    dtree_reschedule(t, false);
    assert_ptr_equal(t->current, inside);
    dtree_end(t);
}

/* rr, under which is noted who joins and why entities come. */
static struct {
    struct sched_class class;
    unsigned nr_joined, nr_new;
} spy;

static void spy_join(struct sched_queue *q, struct sched_entity *e, uint64_t now_ns)
{
    spy.nr_joined++;
    for (unsigned i = 0; i < SCHED_ENTITY_STATE_BYTES; i++)
        assert_int_equal(e->state[i], 0);
}

static void spy_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                        uint64_t now_ns)
{
    spy.nr_new += why == SCHED_ENQUEUE_NEW;
    driver_class("rr")->enqueue(q, e, why, now_ns);
}

static void expect_joined_as_new(unsigned nr)
{
    assert_int_equal(spy.nr_joined, nr);
    assert_int_equal(spy.nr_new, nr);
    spy.nr_joined = spy.nr_new = 0;
}

static void everybody_joins_once_and_as_new(void **state)
{
    struct sched_queue *q;
    struct leaf *asleep;
    struct dtree *t;

    driver_reset(0);
    spy.class = *driver_class("rr");
    spy.class.join = spy_join;
    spy.class.enqueue = spy_enqueue;
    t = dtree_new();
    q = add_group(t, "mlfq");
    asleep = dtree_spawn(t, q, 100);
    dtree_pick(t);
    dtree_block(t);
    for (unsigned i = 0; i < 3; i++)
        dtree_spawn(t, q, 100);
    dtree_run_for(t, 7 * MS);
    replace(q, &spy.class, initial_tunables(&spy.class));
    expect_joined_as_new(3);
    dtree_wake(t, asleep);
    expect_joined_as_new(1);
    dtree_run_for(t, NSEC_PER_SEC);
    while (t->current != asleep)
        dtree_reschedule(t, true);
    dtree_block(t);
    dtree_wake(t, asleep);
    expect_joined_as_new(0);
    replace(q, &spy.class, initial_tunables(&spy.class)); /* what they had is forgotten */
    expect_joined_as_new(4);
    dtree_check(t);
    dtree_end(t);
}

static void an_empty_queue_can_be_replaced(void **state)
{
    struct sched_queue *q;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    q = add_group(t, "mlfq");
    assert_false(replace_by(q, "rr"));
    dtree_check(t);
    dtree_spawn(t, q, 100);
    dtree_pick(t);
    dtree_check(t);
    dtree_end(t);
}

/* ---- From each class to each ---------------------------------------------------------------- */

#define NR_MEMBERS 8

static bool can_take_over(const struct sched_class *class)
{
    return class->is_work_conserving && !class->admit;
}

/* A queue that has been in use for a while: some members sleep, and others have used up turns. */
static void use_for_a_while(struct dtree *t, struct leaf *leaf[NR_MEMBERS], struct rng *rng)
{
    for (unsigned i = 0; i < 40; i++) {
        struct leaf *sleeper = leaf[rng_below(rng, NR_MEMBERS)];

        dtree_run_for(t, rng_below(rng, 30 * MS));
        if (rng_one_in(rng, 2) && t->nr_present > 1)
            dtree_block(t);
        if (rng_one_in(rng, 2) && !sleeper->is_present)
            dtree_wake(t, sleeper);
    }
}

static void replace_in_use(const struct sched_class *from, const struct sched_class *to,
                           uint64_t seed)
{
    struct rng rng = {seed};
    struct leaf *leaf[NR_MEMBERS];
    uint64_t tunables[SCHED_TUNABLES_MAX];
    struct sched_queue *q;
    struct dtree *t;
    struct leaf *current;

    driver_reset(seed);
    t = dtree_new();
    q = dtree_add_group(t, &t->queue[0], from, PERCENT(50));
    for (unsigned i = 0; i < NR_MEMBERS; i++)
        leaf[i] = dtree_spawn(t, q, (uint32_t)rng_between(&rng, 1, 1000));
    use_for_a_while(t, leaf, &rng);
    current = t->current;

    random_tunables(to, &rng, tunables);
    dtree_charge(t);
    replace(q, to, tunables);
    dtree_check(t);
    assert_memory_equal(q->tunable, tunables, to->nr_tunables * sizeof(tunables[0]));
    assert_ptr_equal(t->current, current);
    use_for_a_while(t, leaf, &rng);
    for (unsigned i = 0; i < NR_MEMBERS; i++)
        if (!leaf[i]->is_present)
            dtree_wake(t, leaf[i]);
    dtree_check(t);
    dtree_end(t);
}

static void each_class_takes_over_from_each_other(void **state)
{
    const struct sched_class *const *from, *const *to;

    for (from = __start_sched_classes; from < __stop_sched_classes; from++)
        for (to = __start_sched_classes; to < __stop_sched_classes; to++)
            for (uint64_t seed = 0; seed < 200 && can_take_over(*from) && can_take_over(*to);
                 seed++)
                replace_in_use(*from, *to, seed);
}

/* With nested groups, teams, and throttled groups (every second group is a gate). */
static void no_sequence_of_replacements_breaks_an_invariant(void **state)
{
    unsigned nr = (unsigned)(__stop_sched_classes - __start_sched_classes);
    const struct sched_class **classes = calloc(2 * nr, sizeof(*classes));
    struct world world = {.classes = classes,
                          .nr_classes = 2 * nr,
                          .replaces_classes = true,
                          .has_teams = true,
                          .retunes = true};

    for (unsigned i = 0; i < nr; i++) {
        classes[2 * i] = __start_sched_classes[i];
        classes[2 * i + 1] = driver_class("gate");
    }
    for (uint64_t seed = 0; seed < 6000; seed++)
        world_run(&world, seed, 400);
    free(classes);
}

/* ---- Other tunables ------------------------------------------------------------------------- */

static void a_shorter_quantum_holds_at_once(void **state)
{
    struct sched_queue *q;
    struct dtree *t;
    struct leaf *a, *b;

    driver_reset(0);
    t = dtree_new();
    q = add_group(t, "rr");
    a = dtree_spawn(t, q, 100);
    b = dtree_spawn(t, q, 100);
    dtree_pick(t);
    driver_now_ns += 6 * MS;
    dtree_charge(t);
    assert_ptr_equal(t->current, a);
    assert_int_equal(dtree_slice_ns(t), 4 * MS);
    tree_tune(q, (uint64_t[]){7000}, driver_now_ns);
    assert_int_equal(dtree_slice_ns(t), MS);
    tree_tune(q, (uint64_t[]){6000}, driver_now_ns);
    assert_int_equal(dtree_slice_ns(t), 0);
    dtree_reschedule(t, false);
    assert_ptr_equal(t->current, b);
    dtree_check(t);
    dtree_end(t);
}

/* ---- Groups that move as a whole ------------------------------------------------------------ */

struct team {
    struct sched_entity entity;
    struct sched_queue queue;
};

/* A team of rr, a member of `q`, and away. */
static struct team *new_team(struct sched_queue *q)
{
    const struct sched_class *rr = driver_class("rr");
    struct team *team = calloc(1, sizeof(*team));

    team->entity.params.tickets = SCHED_TICKETS_DEFAULT;
    tree_join(q, &team->entity);
    sched_queue_init(&team->queue, rr, &team->entity, calloc(1, rr->queue_bytes), driver_now_ns);
    return team;
}

static void end_team(struct team *team)
{
    free(team->queue.state);
    free(team);
}

static void take_out(struct dtree *t, struct team *team)
{
    dtree_charge(t);
    t->nr_present -= queue_count_leaves(&team->queue);
    tree_dequeue(&team->entity, SCHED_DEQUEUE_MOVED_OUT, driver_now_ns);
    if (t->current && t->current->entity.queue == &team->queue)
        t->current = NULL;
}

static void put_in(struct dtree *t, struct team *team, struct sched_queue *q)
{
    dtree_charge(t);
    team->entity.queue = q;
    t->nr_present += queue_count_leaves(&team->queue);
    tree_enqueue(&team->entity, SCHED_ENQUEUE_MOVED_IN, driver_now_ns);
}

/* Two trees, each with a group of mlfq; a team of two in the first one's. */
struct move {
    struct dtree *tree[2];
    struct sched_queue *mlfq[2];
    struct team *team;
    struct leaf *leaf[2];
};

static void move_init(struct move *m)
{
    driver_reset(0);
    for (unsigned i = 0; i < 2; i++) {
        m->tree[i] = dtree_new();
        m->mlfq[i] = add_group(m->tree[i], "mlfq");
    }
    m->team = new_team(m->mlfq[0]);
    for (unsigned i = 0; i < 2; i++)
        m->leaf[i] = dtree_spawn(m->tree[0], &m->team->queue, 100);
}

static void move_end(struct move *m)
{
    dtree_end(m->tree[0]);
    dtree_end(m->tree[1]);
    end_team(m->team);
}

static void a_team_moves_with_its_running_one_which_keeps_its_turn(void **state)
{
    struct move m;

    move_init(&m);
    dtree_pick(m.tree[0]);
    assert_ptr_equal(m.tree[0]->current, m.leaf[0]);
    driver_now_ns += 3 * MS;
    take_out(m.tree[0], m.team);
    assert_null(m.team->queue.running);
    assert_int_equal(m.team->queue.nr_waiting, 2);
    assert_false(m.team->entity.is_present);
    assert_false(m.mlfq[0]->self->is_present);
    dtree_pick(m.tree[0]);
    assert_null(m.tree[0]->current);
    dtree_check(m.tree[0]);

    put_in(m.tree[1], m.team, m.mlfq[1]);
    dtree_pick(m.tree[1]);
    assert_ptr_equal(m.tree[1]->current, m.leaf[0]);
    assert_int_equal(dtree_slice_ns(m.tree[1]), 7 * MS);
    dtree_check(m.tree[1]);
    move_end(&m);
}

static void a_leaf_may_leave_a_team_that_has_been_taken_out(void **state)
{
    struct move m;

    move_init(&m);
    dtree_pick(m.tree[0]);
    take_out(m.tree[0], m.team);
    m.leaf[0]->is_present = false;
    tree_dequeue(&m.leaf[0]->entity, SCHED_DEQUEUE_MOVED_OUT, driver_now_ns);
    assert_false(m.team->entity.is_present);
    assert_int_equal(m.team->queue.nr_waiting, 1);
    dtree_check(m.tree[0]);

    put_in(m.tree[1], m.team, m.mlfq[1]);
    dtree_pick(m.tree[1]);
    assert_ptr_equal(m.tree[1]->current, m.leaf[1]);
    dtree_check(m.tree[1]);
    tree_join(m.mlfq[0], &m.leaf[0]->entity);
    dtree_wake(m.tree[0], m.leaf[0]);
    dtree_pick(m.tree[0]);
    dtree_check(m.tree[0]);
    move_end(&m);
}

static void the_last_leaf_may_leave_it_too(void **state)
{
    struct move m;

    move_init(&m);
    take_out(m.tree[0], m.team);
    for (unsigned i = 0; i < 2; i++) {
        m.leaf[i]->is_present = false;
        tree_dequeue(&m.leaf[i]->entity, SCHED_DEQUEUE_MOVED_OUT, driver_now_ns);
    }
    assert_int_equal(queue_count_leaves(&m.team->queue), 0);
    assert_false(m.team->entity.is_present);
    m.team->entity.queue = m.mlfq[1];
    dtree_wake(m.tree[1], m.leaf[1]);
    assert_true(m.team->entity.is_present);
    dtree_pick(m.tree[1]);
    dtree_check(m.tree[0]);
    dtree_check(m.tree[1]);
    free(m.leaf[0]);
    move_end(&m);
}

/* One that wakes in a team that has been taken out takes everybody in it along. */
static void a_leaf_that_wakes_takes_its_team_in(void **state)
{
    struct move m;

    move_init(&m);
    dtree_pick(m.tree[0]);
    dtree_block(m.tree[0]);
    take_out(m.tree[0], m.team);
    m.team->entity.queue = m.mlfq[1];
    m.tree[1]->nr_present++; /* the other one, which waits */
    dtree_wake(m.tree[1], m.leaf[0]);
    dtree_pick(m.tree[1]);
    assert_ptr_equal(m.tree[1]->current, m.leaf[1]);
    dtree_check(m.tree[0]);
    dtree_check(m.tree[1]);
    move_end(&m);
}

/* A team that waits, and has a running one since it was preempted from outside. */
static void a_team_that_was_preempted_from_outside_moves(void **state)
{
    struct leaf *neighbour;
    struct move m;

    move_init(&m);
    neighbour = dtree_spawn(m.tree[0], m.mlfq[0], 100);
    dtree_run_for(m.tree[0], 6 * MS); /* a turn is 5 ms */
    assert_ptr_equal(m.tree[0]->current, neighbour);
    assert_ptr_equal(m.team->queue.running, &m.leaf[0]->entity);
    take_out(m.tree[0], m.team);
    put_in(m.tree[1], m.team, &m.tree[1]->queue[0]);
    dtree_pick(m.tree[1]);
    assert_ptr_equal(m.tree[1]->current, m.leaf[0]);
    assert_ptr_equal(m.tree[0]->current, neighbour);
    dtree_check(m.tree[0]);
    dtree_check(m.tree[1]);
    move_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_running_one_goes_on),
        cmocka_unit_test(who_sleeps_joins_the_new_class_when_it_wakes),
        cmocka_unit_test(a_group_that_is_preempted_from_outside_keeps_its_running_one),
        cmocka_unit_test(a_throttled_group_takes_part_again_and_may_preempt),
        cmocka_unit_test(everybody_joins_once_and_as_new),
        cmocka_unit_test(an_empty_queue_can_be_replaced),
        cmocka_unit_test(each_class_takes_over_from_each_other),
        cmocka_unit_test(no_sequence_of_replacements_breaks_an_invariant),
        cmocka_unit_test(a_shorter_quantum_holds_at_once),
        cmocka_unit_test(a_team_moves_with_its_running_one_which_keeps_its_turn),
        cmocka_unit_test(a_leaf_may_leave_a_team_that_has_been_taken_out),
        cmocka_unit_test(the_last_leaf_may_leave_it_too),
        cmocka_unit_test(a_leaf_that_wakes_takes_its_team_in),
        cmocka_unit_test(a_team_that_was_preempted_from_outside_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
