/*
 * Groups whose class lets nobody run for a while, and classes that break their promises.
 */

#include "gate_class.h"
#include "tree_world.h"

#define MS NSEC_PER_MSEC

/* The time is 1 ms by then. The gate is open until 4 ms, and again from 10 ms to 14 ms. */
static struct dtree *new_tree(void)
{
    driver_reset(0);
    assert_int_equal(driver_now_ns, MS);
    return dtree_new();
}

static struct sched_queue *add_gate(struct dtree *t, struct sched_queue *parent)
{
    return dtree_add_group(t, parent, driver_class("gate"), PERCENT(50));
}

static void sleep_until(uint64_t ns)
{
    assert_true(ns >= driver_now_ns);
    driver_now_ns = ns;
}

static uint64_t next_event_ns(const struct dtree *t)
{
    return tree_next_event_ns(&t->queue[0], driver_now_ns);
}

/* The tree's end, where the gate may have been told to say anything. */
static void end(struct dtree *t)
{
    for (unsigned i = 0; i < t->nr_queues; i++)
        if (t->queue[i].class == driver_class("gate"))
            t->queue[i].tunable[GATE_LIE] = GATE_HONEST;
    t->queue[0].broken = NULL;
    dtree_end(t);
}

/* ---- Throttled groups ----------------------------------------------------------------------- */

static void a_throttled_group_does_not_hide_the_others(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *gate = add_gate(t, &t->queue[0]);
    struct leaf *inside, *outside;

    sleep_until(5 * MS);
    inside = dtree_spawn(t, gate, 100);
    outside = dtree_spawn(t, &t->queue[0], 100);
    dtree_pick(t);
    dtree_check(t);
    assert_ptr_equal(t->current, outside);
    assert_true(queue_is_throttled(gate));
    assert_false(gate->self->is_present);
    assert_true(inside->entity.is_present);
    assert_int_equal(next_event_ns(t), 10 * MS);
    assert_int_equal(dtree_slice_ns(t), 5 * MS);
    end(t);
}

static void it_comes_back_when_its_class_has_said(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *gate = add_gate(t, &t->queue[0]);
    struct leaf *inside, *outside;

    sleep_until(5 * MS);
    inside = dtree_spawn(t, gate, 100);
    outside = dtree_spawn(t, &t->queue[0], 1);
    dtree_pick(t);
    sleep_until(10 * MS - 1);
    dtree_reschedule(t, false);
    assert_true(queue_is_throttled(gate));
    assert_int_equal(dtree_slice_ns(t), 1);
    sleep_until(10 * MS);
    assert_int_equal(dtree_slice_ns(t), 0);
    dtree_reschedule(t, false);
    dtree_check(t);
    assert_false(queue_is_throttled(gate));
    assert_true(gate->self->is_present);
    assert_int_equal(next_event_ns(t), SCHED_TIME_NEVER);
    dtree_run_for(t, 90 * MS);
    assert_true(inside->ran_ns >= 9 * 4 * MS - 5 * MS); /* nearly all tickets: all it may */
    assert_int_equal(inside->ran_ns + outside->ran_ns, 95 * MS);
    end(t);
}

static void where_all_are_throttled_the_cpu_idles_until_the_event(void **state)
{
    struct dtree *t = new_tree();
    struct leaf *leaf = dtree_spawn(t, add_gate(t, &t->queue[0]), 100);

    sleep_until(7 * MS);
    dtree_pick(t);
    assert_null(t->current);
    assert_int_equal(next_event_ns(t), 10 * MS);
    sleep_until(10 * MS);
    dtree_pick(t);
    assert_ptr_equal(t->current, leaf);
    dtree_check(t);
    end(t);
}

static void one_that_is_alone_is_throttled_too(void **state)
{
    struct dtree *t = new_tree();
    struct leaf *leaf = dtree_spawn(t, add_gate(t, &t->queue[0]), 100);

    dtree_pick(t);
    assert_ptr_equal(t->current, leaf);
    assert_int_equal(dtree_slice_ns(t), 3 * MS);
    sleep_until(4 * MS);
    dtree_reschedule(t, false);
    assert_null(t->current);
    dtree_check(t);
    dtree_run_for(t, 996 * MS);
    assert_int_equal(leaf->ran_ns, 3 * MS + 99 * 4 * MS);
    end(t);
}

/* Also a yield, and a sleep, ask the class again. */
static void one_that_yields_too_late_is_throttled(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *gate = add_gate(t, &t->queue[0]);

    dtree_spawn(t, gate, 100);
    dtree_spawn(t, gate, 100);
    dtree_pick(t);
    sleep_until(5 * MS);
    dtree_reschedule(t, true);
    assert_null(t->current);
    assert_int_equal(gate->nr_waiting, 2);
    dtree_check(t);
    end(t);
}

static void an_arrival_gives_it_another_try(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *gate = add_gate(t, &t->queue[0]);
    struct leaf *first;

    sleep_until(5 * MS);
    first = dtree_spawn(t, gate, 100);
    dtree_pick(t);
    assert_null(t->current);

    dtree_spawn(t, gate, 100);
    assert_false(queue_is_throttled(gate));
    assert_true(gate->self->is_present);
    dtree_check(t);
    dtree_pick(t); /* it is still closed */
    assert_null(t->current);
    assert_true(queue_is_throttled(gate));
    assert_int_equal(next_event_ns(t), 10 * MS);

    gate->tunable[GATE_OPEN_US] = 9000;
    dtree_spawn(t, gate, 100);
    dtree_pick(t);
    assert_ptr_equal(t->current, first);
    dtree_check(t);
    end(t);
}

static void the_last_to_leave_a_throttled_group_ends_that(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *gate = add_gate(t, &t->queue[0]);
    struct leaf *leaf[2];

    sleep_until(5 * MS);
    for (unsigned i = 0; i < 2; i++)
        leaf[i] = dtree_spawn(t, gate, 100);
    dtree_pick(t);
    dtree_dequeue(t, leaf[0], SCHED_DEQUEUE_MOVED_OUT);
    assert_true(queue_is_throttled(gate));
    dtree_check(t);
    dtree_dequeue(t, leaf[1], SCHED_DEQUEUE_MOVED_OUT);
    assert_false(queue_is_throttled(gate));
    assert_int_equal(next_event_ns(t), SCHED_TIME_NEVER);
    dtree_check(t);
    dtree_pick(t);
    assert_null(t->current);

    sleep_until(11 * MS);
    dtree_wake(t, leaf[1]);
    dtree_wake(t, leaf[0]);
    dtree_pick(t);
    assert_ptr_equal(t->current, leaf[1]);
    dtree_check(t);
    end(t);
}

/* The class may change its mind without time passing: by a tunable, or a member's parameters. */
static void one_whose_class_no_longer_says_until_when_is_tried_at_once(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *gate = add_gate(t, &t->queue[0]);
    struct leaf *inside, *outside;

    sleep_until(5 * MS);
    inside = dtree_spawn(t, gate, 100);
    outside = dtree_spawn(t, &t->queue[0], 100);
    dtree_pick(t);
    assert_ptr_equal(t->current, outside);
    tree_tune(gate, (uint64_t[SCHED_TUNABLES_MAX]){10000, 10000, GATE_HONEST}, driver_now_ns);
    assert_int_equal(dtree_slice_ns(t), 0);
    dtree_reschedule(t, false);
    dtree_check(t);
    assert_false(queue_is_throttled(gate));
    dtree_block(t);
    dtree_pick(t);
    assert_null(t->queue[0].broken);
    assert_ptr_equal(t->current, outside->is_present ? outside : inside);
    free(outside->is_present ? inside : outside);
    end(t);
}

/* ---- Nested ones ---------------------------------------------------------------------------- */

static void a_group_with_nothing_but_throttled_ones_is_away(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *rr = dtree_add_group(t, &t->queue[0], driver_class("rr"), PERCENT(50));
    struct sched_queue *gate[2] = {add_gate(t, rr), add_gate(t, rr)};
    struct leaf *leaf[2];

    sleep_until(5 * MS);
    gate[1]->tunable[GATE_PERIOD_US] = 12000;
    for (unsigned i = 0; i < 2; i++)
        leaf[i] = dtree_spawn(t, gate[i], 100);
    dtree_pick(t);
    assert_null(t->current);
    assert_false(rr->self->is_present);
    assert_int_equal(rr->nr_waiting, 0);
    assert_int_equal(next_event_ns(t), 10 * MS);
    dtree_check(t);
    sleep_until(10 * MS);
    dtree_pick(t);
    assert_ptr_equal(t->current, leaf[0]);
    assert_true(queue_is_throttled(gate[1]));
    assert_int_equal(dtree_slice_ns(t), 2 * MS);
    dtree_check(t);
    end(t);
}

/* One gate within another: the leaf runs while both are open, exactly. */
static void nested_gates_let_one_run_while_all_are_open(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *outer = add_gate(t, &t->queue[0]), *inner = add_gate(t, outer);
    struct leaf *leaf = dtree_spawn(t, inner, 100);
    uint64_t expected_ns = 0;

    inner->tunable[GATE_PERIOD_US] = 15000;
    inner->tunable[GATE_OPEN_US] = 9000;
    for (uint64_t ms = 1; ms < 3001; ms++)
        expected_ns += ms % 10 < 4 && ms % 15 < 9 ? MS : 0;
    dtree_run_for(t, 3000 * MS);
    assert_int_equal(leaf->ran_ns, expected_ns);
    dtree_check(t);
    end(t);
}

/* ---- Classes that break their promise ------------------------------------------------------- */

static void a_class_that_says_when_is_not_broken(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *gate = add_gate(t, &t->queue[0]);

    dtree_spawn(t, gate, 100);
    dtree_spawn(t, gate, 100);
    for (unsigned i = 0; i < 1000; i++) {
        dtree_run_for(t, 300 * NSEC_PER_USEC);
        assert_null(t->queue[0].broken);
    }
    end(t);
}

/* Runs until a class is put down as broken, for at most so long; the queue. NULL: none. */
static struct sched_queue *run_until_broken(struct dtree *t, uint64_t ns)
{
    uint64_t end_ns = driver_now_ns + ns;

    dtree_reschedule(t, false);
    while (!t->queue[0].broken && driver_now_ns < end_ns) {
        driver_now_ns += MIN(dtree_slice_ns(t), end_ns - driver_now_ns);
        dtree_reschedule(t, false);
    }
    return t->queue[0].broken;
}

static void rr_takes_over(struct dtree *t, struct sched_queue *q)
{
    const struct sched_class *rr = driver_class("rr");
    void *old_state = q->state;

    t->queue[0].broken = NULL;
    tree_replace_class(q, rr, calloc(1, rr->queue_bytes),
                       (uint64_t[SCHED_TUNABLES_MAX]){rr->tunables[0].initial}, driver_now_ns);
    free(old_state);
}

static void one_that_does_not_is_found_and_nobody_is_lost(void **state)
{
    for (uint64_t lie = GATE_SAYS_NEVER; lie <= GATE_SAYS_BEFORE; lie++) {
        struct dtree *t = new_tree();
        struct sched_queue *gate = add_gate(t, &t->queue[0]);
        struct leaf *inside, *outside;

        gate->tunable[GATE_LIE] = lie;
        inside = dtree_spawn(t, gate, 100);
        outside = dtree_spawn(t, &t->queue[0], 1);
        assert_null(run_until_broken(t, 3 * MS - 1)); /* not as long as it lets somebody run */
        assert_ptr_equal(run_until_broken(t, 20 * MS), gate);
        assert_ptr_equal(t->current, outside);

        rr_takes_over(t, gate);
        dtree_check(t);
        dtree_run_for(t, NSEC_PER_SEC);
        dtree_check(t);
        assert_true(inside->ran_ns > 900 * MS);
        end(t);
    }
}

static void several_that_are_broken_at_once_are_all_found(void **state)
{
    for (uint64_t lie = GATE_SAYS_NEVER; lie <= GATE_SAYS_BEFORE; lie++) {
        struct dtree *t = new_tree();
        struct sched_queue *broken;
        unsigned nr_found = 0;

        sleep_until(5 * MS);
        for (unsigned i = 0; i < 3; i++) {
            struct sched_queue *gate = add_gate(t, &t->queue[0]);

            gate->tunable[GATE_PERIOD_US] = 100000;
            gate->tunable[GATE_LIE] = lie;
            dtree_spawn(t, gate, 100);
        }
        while ((broken = run_until_broken(t, 50 * MS)) != NULL) {
            assert_ptr_equal(broken->class, driver_class("gate"));
            rr_takes_over(t, broken);
            nr_found++;
        }
        assert_int_equal(nr_found, 3);
        dtree_check(t);
        end(t);
    }
}

/* ---- Any sequence of calls ------------------------------------------------------------------ */

static void no_sequence_of_calls_breaks_an_invariant_of_throttled_groups(void **state)
{
    const struct sched_class *gate = driver_class("gate");
    const struct sched_class *classes[] = {gate, gate, driver_class("rr"), driver_class("mlfq")};
    struct world world = {
        .classes = classes, .nr_classes = ARRAY_LEN(classes), .has_teams = true, .retunes = true};

    for (uint64_t seed = 0; seed < 5000; seed++)
        world_run(&world, seed, 400);
}

/* ---- Starvation ----------------------------------------------------------------------------- */

/*
 * `hog`: who has the CPU keeps it, and the class claims that nobody waits for longer than
 * HOG_LIMIT_NS.
 */
#define HOG_LIMIT_NS (50 * MS)

static struct list_node *hog_link(const struct sched_entity *e)
{
    return (struct list_node *)e->state;
}

static void hog_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    list_init(q->state);
}

static void hog_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                        uint64_t now_ns)
{
    list_push_back(q->state, hog_link(e));
}

static void hog_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                        uint64_t now_ns)
{
    if (q->running != e)
        list_remove(hog_link(e));
}

static struct sched_entity *hog_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct list_node *node = list_pop_front(q->state);

    return node ? container_of((void *)node, struct sched_entity, state) : NULL;
}

static uint64_t hog_starvation_limit_ns(const struct sched_queue *q)
{
    return HOG_LIMIT_NS;
}

static const struct sched_class hog = {
    .name = "hog",
    .entity_bytes = sizeof(struct list_node),
    .queue_bytes = sizeof(struct list),
    .is_work_conserving = true,
    .starvation_limit_ns = hog_starvation_limit_ns,
    .queue_init = hog_queue_init,
    .enqueue = hog_enqueue,
    .dequeue = hog_dequeue,
    .pick = hog_pick,
};

SCHED_CLASS_REGISTER(hog);

static struct sched_queue *add_hog(struct dtree *t)
{
    return dtree_add_group(t, &t->queue[0], &hog, PERCENT(50));
}

static void who_waits_for_longer_than_the_limit_is_found(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *q = add_hog(t);
    struct leaf *first, *second;

    first = dtree_spawn(t, q, 100);
    dtree_run_for(t, 10 * HOG_LIMIT_NS); /* alone: nobody waits */
    second = dtree_spawn(t, q, 100);
    dtree_run_for(t, HOG_LIMIT_NS / 2);
    dtree_spawn(t, q, 100);
    dtree_run_for(t, HOG_LIMIT_NS / 2);
    assert_null(tree_find_starved(q));
    dtree_run_for(t, 1);
    assert_ptr_equal(tree_find_starved(q), &second->entity);
    dtree_block(t);
    assert_null(tree_find_starved(q)); /* it runs, and the third waits for half as long */
    free(first);
    dtree_end(t);
}

/* Its group's time is what counts, not that of others, and not what comes late. */
static void waiting_with_the_whole_group_is_no_starvation(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *q = add_hog(t);

    dtree_spawn(t, q, 100);
    dtree_spawn(t, q, 100);
    dtree_spawn(t, &t->queue[0], PERCENT(50));
    dtree_run_for(t, 2 * HOG_LIMIT_NS - 10 * MS); /* about half of it each */
    assert_null(tree_find_starved(q));
    dtree_run_for(t, 20 * MS);
    assert_non_null(tree_find_starved(q));
    dtree_end(t);
}

static void a_late_end_of_a_slice_is_no_starvation(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *q = dtree_add_group(t, &t->queue[0], driver_class("rr"), PERCENT(50));

    dtree_spawn(t, q, 100);
    dtree_spawn(t, q, 100);
    for (unsigned i = 0; i < 10; i++) {
        dtree_pick(t);
        driver_now_ns += 3600 * NSEC_PER_SEC;
        dtree_charge(t);
        assert_null(tree_find_starved(q));
        dtree_reschedule(t, false);
    }
    dtree_end(t);
}

static void new_tunables_begin_a_new_watch(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *q = add_hog(t);

    dtree_spawn(t, q, 100);
    dtree_spawn(t, q, 100);
    for (unsigned i = 0; i < 5; i++) {
        dtree_run_for(t, HOG_LIMIT_NS);
        assert_null(tree_find_starved(q));
        tree_tune(q, q->tunable, driver_now_ns);
    }
    dtree_run_for(t, HOG_LIMIT_NS + 1);
    assert_non_null(tree_find_starved(q));
    dtree_end(t);
}

static void with_more_than_a_hundred_nobody_is_watched(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *q = add_hog(t);
    struct leaf *last = NULL;

    for (unsigned i = 0; i < 101; i++)
        last = dtree_spawn(t, q, 100);
    for (unsigned i = 0; i < 20; i++) {
        dtree_run_for(t, HOG_LIMIT_NS);
        assert_null(tree_find_starved(q));
    }
    dtree_dequeue(t, last, SCHED_DEQUEUE_MOVED_OUT);
    dtree_run_for(t, HOG_LIMIT_NS);
    assert_null(tree_find_starved(q));
    dtree_run_for(t, 1);
    assert_non_null(tree_find_starved(q));
    free(last);
    dtree_end(t);
}

/* The last in line waits for longer than 100 turns, and nobody is put back meanwhile. */
static void time_with_more_than_a_hundred_does_not_count_later(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *q = dtree_add_group(t, &t->queue[0], driver_class("rr"), PERCENT(50));
    struct leaf *leaf[250];

    for (unsigned i = 0; i < ARRAY_LEN(leaf); i++)
        leaf[i] = dtree_spawn(t, q, 100);
    dtree_pick(t);
    for (unsigned i = 0; i < ARRAY_LEN(leaf); i++) {
        assert_ptr_equal(t->current, leaf[i]);
        driver_now_ns += MIN(dtree_slice_ns(t), 10 * MS);
        dtree_block(t);
        assert_null(tree_find_starved(q));
    }
    for (unsigned i = 0; i < ARRAY_LEN(leaf); i++)
        free(leaf[i]);
    dtree_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_throttled_group_does_not_hide_the_others),
        cmocka_unit_test(it_comes_back_when_its_class_has_said),
        cmocka_unit_test(where_all_are_throttled_the_cpu_idles_until_the_event),
        cmocka_unit_test(one_that_is_alone_is_throttled_too),
        cmocka_unit_test(one_that_yields_too_late_is_throttled),
        cmocka_unit_test(an_arrival_gives_it_another_try),
        cmocka_unit_test(the_last_to_leave_a_throttled_group_ends_that),
        cmocka_unit_test(one_whose_class_no_longer_says_until_when_is_tried_at_once),
        cmocka_unit_test(a_group_with_nothing_but_throttled_ones_is_away),
        cmocka_unit_test(nested_gates_let_one_run_while_all_are_open),
        cmocka_unit_test(a_class_that_says_when_is_not_broken),
        cmocka_unit_test(one_that_does_not_is_found_and_nobody_is_lost),
        cmocka_unit_test(several_that_are_broken_at_once_are_all_found),
        cmocka_unit_test(no_sequence_of_calls_breaks_an_invariant_of_throttled_groups),
        cmocka_unit_test(who_waits_for_longer_than_the_limit_is_found),
        cmocka_unit_test(waiting_with_the_whole_group_is_no_starvation),
        cmocka_unit_test(a_late_end_of_a_slice_is_no_starvation),
        cmocka_unit_test(new_tunables_begin_a_new_watch),
        cmocka_unit_test(with_more_than_a_hundred_nobody_is_watched),
        cmocka_unit_test(time_with_more_than_a_hundred_does_not_count_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
