/*
 * Nested queues: what each level may see of the others, whatever classes they have. (Any sequence
 * of calls: test_sched_all.c.)
 */

#include "tree_driver.h"

#define MS        NSEC_PER_MSEC
#define STRIDE_NS (5 * MS)  /* quanta: of stride, */
#define RR_NS     (10 * MS) /* of rr, */
#define MLFQ0_NS  (5 * MS)  /* and of mlfq's level 0 */
#define NR_LEAVES 12

/* ---- One level and the others --------------------------------------------------------------- */

static void groups_come_and_go_with_their_only_leaf(void **state)
{
    struct sched_queue *outer, *middle, *inner;
    struct leaf *leaf;
    struct dtree *t;
    uint64_t slice_ns;

    driver_reset(0);
    t = dtree_new();
    outer = dtree_add_group(t, &t->queue[0], driver_class("rr"), 100);
    middle = dtree_add_group(t, outer, driver_class("mlfq"), 100);
    inner = dtree_add_group(t, middle, driver_class("stride"), 100);
    assert_null(tree_pick(&t->queue[0], driver_now_ns, &slice_ns));

    leaf = dtree_spawn(t, inner, 100);
    dtree_check(t);
    dtree_pick(t);
    assert_ptr_equal(t->current, leaf);
    dtree_check(t);
    dtree_block(t);
    assert_null(t->current);
    dtree_check(t);
    dtree_wake(t, leaf);
    dtree_dequeue(t, leaf, SCHED_DEQUEUE_MOVED_OUT);
    dtree_check(t);
    dtree_wake(t, leaf);
    dtree_end(t);
}

static void an_outer_preemption_keeps_quantum_and_place(void **state)
{
    struct leaf *a, *b, *outsider[2];
    struct sched_queue *rr;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    rr = dtree_add_group(t, &t->queue[0], driver_class("rr"), PERCENT(50));
    a = dtree_spawn(t, rr, 100);
    b = dtree_spawn(t, rr, 100);
    outsider[0] = dtree_spawn(t, &t->queue[0], PERCENT(20));
    dtree_pick(t);
    assert_ptr_equal(t->current, a);
    driver_now_ns += 3 * MS;
    outsider[1] = dtree_spawn(t, &t->queue[0], PERCENT(20));
    assert_int_equal(dtree_slice_ns(t), 0); /* the group is ahead of both outsiders by now */
    dtree_reschedule(t, false);
    assert_ptr_equal(t->current->entity.queue, &t->queue[0]);
    assert_ptr_equal(rr->running, &a->entity);
    dtree_check(t);

    driver_now_ns += MS;
    dtree_block(t);
    dtree_block(t);
    assert_ptr_equal(t->current, a);
    assert_int_equal(dtree_slice_ns(t), RR_NS - 3 * MS);
    driver_now_ns += RR_NS - 3 * MS;
    dtree_reschedule(t, false);
    assert_ptr_equal(t->current, b);
    free(outsider[0]);
    free(outsider[1]);
    dtree_end(t);
}

static void the_slice_is_the_least_of_all_levels_where_somebody_waits(void **state)
{
    struct sched_queue *mlfq, *rr;
    struct leaf *outsider, *neighbour;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    mlfq = dtree_add_group(t, &t->queue[0], driver_class("mlfq"), PERCENT(50));
    rr = dtree_add_group(t, mlfq, driver_class("rr"), 100);
    dtree_spawn(t, rr, 100);
    dtree_pick(t);
    assert_int_equal(dtree_slice_ns(t), SCHED_TIME_NEVER);
    dtree_spawn(t, rr, 100);
    assert_int_equal(dtree_slice_ns(t), RR_NS);
    driver_now_ns += 2 * MS;
    dtree_charge(t);
    assert_int_equal(dtree_slice_ns(t), RR_NS - 2 * MS);
    neighbour = dtree_spawn(t, mlfq, 100);
    assert_int_equal(dtree_slice_ns(t), MLFQ0_NS - 2 * MS);
    outsider = dtree_spawn(t, &t->queue[0], PERCENT(50));
    driver_now_ns += MS;
    dtree_charge(t);
    assert_int_equal(dtree_slice_ns(t), MLFQ0_NS - 3 * MS);
    dtree_dequeue(t, neighbour, SCHED_DEQUEUE_MOVED_OUT);
    assert_int_equal(dtree_slice_ns(t), STRIDE_NS - MS); /* at the root, nobody waited before */
    dtree_dequeue(t, outsider, SCHED_DEQUEUE_MOVED_OUT);
    assert_int_equal(dtree_slice_ns(t), RR_NS - 3 * MS);
    free(neighbour);
    free(outsider);
    dtree_end(t);
}

static void a_yield_gives_way_within_the_own_group_only(void **state)
{
    struct leaf *a, *b, *outsider;
    struct sched_queue *rr;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    rr = dtree_add_group(t, &t->queue[0], driver_class("rr"), PERCENT(50));
    a = dtree_spawn(t, rr, 100);
    b = dtree_spawn(t, rr, 100);
    outsider = dtree_spawn(t, &t->queue[0], PERCENT(50));
    dtree_pick(t);
    assert_ptr_equal(t->current, a);
    dtree_reschedule(t, true);
    assert_ptr_equal(t->current, b);
    dtree_reschedule(t, true);
    assert_ptr_equal(t->current, a);
    assert_int_equal(outsider->ran_ns, 0);
    dtree_end(t);
}

/* Somebody who should preempt within a group that waits does so when the group has its turn. */
static void a_preemption_in_a_waiting_group_waits_with_the_group(void **state)
{
    struct leaf *slow, *quick, *outsider;
    struct sched_queue *mlfq;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    mlfq = dtree_add_group(t, &t->queue[0], driver_class("mlfq"), PERCENT(50));
    quick = dtree_spawn(t, mlfq, 100);
    dtree_pick(t);
    dtree_block(t);
    slow = dtree_spawn(t, mlfq, 100);
    dtree_run_for(t, 30 * MS); /* to level 1 */
    outsider = dtree_spawn(t, &t->queue[0], PERCENT(50));
    while (t->current != outsider)
        dtree_run_for(t, MS);

    assert_ptr_equal(mlfq->running, &slow->entity);
    assert_false(dtree_enqueue(t, quick, SCHED_ENQUEUE_WAKE));
    assert_ptr_equal(t->current, outsider);
    dtree_check(t);
    dtree_block(t);
    assert_ptr_equal(t->current, quick);
    dtree_check(t);
    free(outsider);
    dtree_end(t);
}

/* ---- An inner queue does not notice what goes on outside ------------------------------------ */

#define NR_TURNS 200

/* Who ran within a group, one after the other, and for how long each. */
struct turns {
    const struct leaf *last;
    unsigned nr, who[NR_TURNS];
    uint64_t ran_ns[NR_TURNS];
};

/* The current leaf, number `who`, is about to run for `ns`. */
static void note_turn(struct turns *turns, const struct leaf *leaf, unsigned who, uint64_t ns)
{
    if (turns->last != leaf) {
        turns->last = leaf;
        turns->who[turns->nr] = who;
        turns->ran_ns[turns->nr] = 0;
        turns->nr++;
    }
    turns->ran_ns[turns->nr - 1] += ns;
}

/*
 * Three leaves in a group of `class_name`, in company of two leaves outside that block and wake at
 * random times; or alone, when `seed` is 0. Notes the group's first NR_TURNS turns. What depends on
 * more than the time that the group gets is left out: boosts of mlfq, which go by the clock, and
 * tickets whose strides are rounded with every charge.
 */
static void run_group(const char *class_name, uint64_t seed, struct turns *turns)
{
    struct rng rng = {seed};
    struct leaf *inside[3], *outside[2] = {NULL};
    struct sched_queue *group;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    group = dtree_add_group(t, &t->queue[0], driver_class(class_name), PERCENT(50));
    for (unsigned i = 0; i < group->class->nr_tunables; i++) {
        if (strcmp(group->class->tunables[i].name, "boost") == 0) {
            group->tunable[i] = 0;
            group->class->retuned(group, driver_now_ns);
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(inside); i++)
        inside[i] = dtree_spawn(t, group, 64u << i);
    for (unsigned i = 0; i < ARRAY_LEN(outside) && seed != 0; i++)
        outside[i] = dtree_spawn(t, &t->queue[0], PERCENT(20));
    dtree_pick(t);

    *turns = (struct turns){.nr = 0};
    while (turns->nr < NR_TURNS) {
        uint64_t ns = dtree_slice_ns(t);

        if (seed != 0 && rng_one_in(&rng, 2))
            ns = rng_between(&rng, 0, ns);
        for (unsigned i = 0; i < ARRAY_LEN(inside); i++)
            if (t->current == inside[i] && ns > 0)
                note_turn(turns, inside[i], i, ns);
        driver_now_ns += ns;
        dtree_reschedule(t, false);
        if (seed == 0)
            continue;
        if (rng_one_in(&rng, 4) && t->current->entity.queue == &t->queue[0])
            dtree_block(t);
        for (unsigned i = 0; i < ARRAY_LEN(outside); i++)
            if (!outside[i]->is_present && rng_one_in(&rng, 4))
                dtree_wake(t, outside[i]);
    }
    for (unsigned i = 0; i < ARRAY_LEN(outside) && seed != 0; i++)
        if (!outside[i]->is_present)
            dtree_wake(t, outside[i]);
    dtree_end(t);
}

static void the_order_and_turns_within_a_group_are_as_if_it_were_alone(void **state)
{
    static const char *const classes[] = {"rr", "mlfq", "stride"};

    for (unsigned c = 0; c < ARRAY_LEN(classes); c++) {
        struct turns alone, disturbed;

        run_group(classes[c], 0, &alone);
        for (uint64_t seed = 1; seed <= 200; seed++) {
            run_group(classes[c], seed, &disturbed);
            for (unsigned i = 0; i < NR_TURNS - 1; i++) {
                assert_int_equal(disturbed.who[i], alone.who[i]);
                assert_int_equal(disturbed.ran_ns[i], alone.ran_ns[i]);
            }
        }
    }
}

/* ---- Shares --------------------------------------------------------------------------------- */

static void thirty_percent_of_the_tickets_are_thirty_percent_of_the_time(void **state)
{
    struct sched_queue *def;
    struct leaf *leaf;
    struct dtree *t;
    uint64_t start_ns;

    driver_reset(0);
    t = dtree_new();
    def = dtree_add_group(t, &t->queue[0], driver_class("mlfq"), PERCENT(70));
    for (unsigned i = 0; i < 7; i++)
        dtree_spawn(t, def, SCHED_TICKETS_DEFAULT);
    leaf = dtree_spawn(t, &t->queue[0], PERCENT(30));
    start_ns = driver_now_ns;
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t due_ns;

        dtree_run_for(t, 7 * MS);
        due_ns = (driver_now_ns - start_ns) * 30 / 100;
        assert_in_range(leaf->ran_ns + STRIDE_NS, due_ns, due_ns + 2 * STRIDE_NS);
    }
    dtree_end(t);
}

/* Half of the CPU, a quarter of that, and a turn among two. */
static void shares_multiply_down_the_tree(void **state)
{
    struct sched_queue *half, *quarter;
    struct leaf *leaf;
    struct dtree *t;

    driver_reset(0);
    t = dtree_new();
    half = dtree_add_group(t, &t->queue[0], driver_class("stride"), PERCENT(50));
    quarter = dtree_add_group(t, half, driver_class("rr"), 100);
    dtree_spawn(t, &t->queue[0], PERCENT(50));
    dtree_spawn(t, half, 300);
    dtree_spawn(t, quarter, 100);
    leaf = dtree_spawn(t, quarter, 100);
    dtree_run_for(t, 80 * NSEC_PER_SEC);
    assert_in_range(leaf->ran_ns, 5 * NSEC_PER_SEC - RR_NS - 2 * STRIDE_NS,
                    5 * NSEC_PER_SEC + RR_NS + 2 * STRIDE_NS);
    dtree_end(t);
}

/* One step of what goes on in the default group: never all of them sleep. */
static void disturb(struct dtree *t, struct leaf *inside[4], struct rng *rng)
{
    struct leaf *sleeper = inside[rng_below(rng, 3)];

    if (!sleeper->is_present)
        dtree_wake(t, sleeper);
    else if (sleeper == t->current)
        dtree_block(t);
    else if (t->current->entity.queue == inside[3]->entity.queue)
        dtree_reschedule(t, true);
}

/* Whatever the default group's members do: two leaves with shares get those, at any time. */
static void shares_hold_at_any_time_whatever_the_others_do(void **state)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct rng rng = {seed};
        unsigned percent[2] = {(unsigned)rng_between(&rng, 1, 40),
                               (unsigned)rng_between(&rng, 1, 40)};
        struct leaf *inside[4], *leaf[2];
        struct sched_queue *def;
        struct dtree *t;
        uint64_t start_ns;

        driver_reset(seed);
        t = dtree_new();
        def = dtree_add_group(t, &t->queue[0], driver_class("mlfq"),
                              PERCENT(100 - percent[0] - percent[1]));
        for (unsigned i = 0; i < ARRAY_LEN(inside); i++)
            inside[i] = dtree_spawn(t, def, SCHED_TICKETS_DEFAULT);
        for (unsigned i = 0; i < ARRAY_LEN(leaf); i++)
            leaf[i] = dtree_spawn(t, &t->queue[0], PERCENT(percent[i]));
        start_ns = driver_now_ns;
        for (unsigned step = 0; step < 1000; step++) {
            dtree_run_for(t, rng_below(&rng, 4 * MS));
            disturb(t, inside, &rng);
            for (unsigned i = 0; i < ARRAY_LEN(leaf); i++) {
                uint64_t due_ns = (driver_now_ns - start_ns) * percent[i] / 100;

                /* At most a quantum to each of the two others. */
                assert_in_range(leaf[i]->ran_ns + 2 * STRIDE_NS, due_ns, due_ns + 4 * STRIDE_NS);
            }
        }
        for (unsigned i = 0; i < 3; i++)
            if (!inside[i]->is_present)
                dtree_wake(t, inside[i]);
        dtree_end(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_come_and_go_with_their_only_leaf),
        cmocka_unit_test(an_outer_preemption_keeps_quantum_and_place),
        cmocka_unit_test(the_slice_is_the_least_of_all_levels_where_somebody_waits),
        cmocka_unit_test(a_yield_gives_way_within_the_own_group_only),
        cmocka_unit_test(a_preemption_in_a_waiting_group_waits_with_the_group),
        cmocka_unit_test(the_order_and_turns_within_a_group_are_as_if_it_were_alone),
        cmocka_unit_test(thirty_percent_of_the_tickets_are_thirty_percent_of_the_time),
        cmocka_unit_test(shares_multiply_down_the_tree),
        cmocka_unit_test(shares_hold_at_any_time_whatever_the_others_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
