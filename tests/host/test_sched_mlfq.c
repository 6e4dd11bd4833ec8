/*
 * The multi-level feedback queue: the five rules of OSTEP chapter 8 one by one, tries to cheat
 * them, and anything at random. Initial tunables: 3 levels, quanta of 5, 10 and 20 ms, allotments
 * of 20 and 40 ms, a boost every 200 ms.
 */

#include "sched_driver.h"

#define MS NSEC_PER_MSEC

/* Boosts are due at multiples of 200 ms: a queue that starts just after one. */
static struct driver_queue *new_queue(void)
{
    driver_reset(0);
    driver_now_ns = 1000 * MS;
    return driver_queue_new(driver_class("mlfq"));
}

/* The same, where boosts would only be in the way. */
static struct driver_queue *new_queue_without_boosts(void)
{
    struct driver_queue *dq = new_queue();

    driver_tune(dq, "boost", 0);
    return dq;
}

/* An entity that has run alone until it came down to `level`. It is running. */
static struct driver_entity *spawn_at_level(struct driver_queue *dq, int level)
{
    struct driver_entity *de = driver_spawn(dq);

    driver_decide(dq);
    while (driver_level(de) < level)
        driver_charge(dq, MS);
    return de;
}

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("mlfq"));
}

static void a_new_entity_starts_at_level_0(void **state)
{
    struct driver_queue *dq = new_queue();

    assert_int_equal(driver_level(driver_spawn(dq)), 0);
    driver_queue_end(dq);
}

static void a_higher_level_preempts_at_once(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *low = spawn_at_level(dq, 1);
    struct driver_entity *high;

    high = driver_spawn(dq);
    assert_ptr_equal(driver_running(dq), high);
    assert_int_equal(low->place, DRIVER_WAITING);
    driver_queue_end(dq);
}

static void an_equal_or_lower_level_does_not_preempt(void **state)
{
    struct driver_queue *dq = new_queue_without_boosts();
    struct driver_entity *low = spawn_at_level(dq, 2);
    struct driver_entity *running, *equal;

    driver_block(dq);
    running = driver_spawn(dq);
    driver_decide(dq);
    equal = driver_spawn(dq);
    driver_wake(low);
    assert_ptr_equal(driver_running(dq), running);
    assert_false(driver_preempts(equal));
    assert_false(driver_preempts(low));
    driver_queue_end(dq);
}

static void a_lower_level_runs_only_when_no_higher_one_waits(void **state)
{
    struct driver_queue *dq = new_queue_without_boosts();
    struct driver_entity *low = spawn_at_level(dq, 2);
    struct driver_entity *high = driver_spawn(dq);
    uint64_t low_ran_ns = low->ran_ns;

    driver_run_for(dq, 59 * MS);
    assert_int_equal(low->ran_ns, low_ran_ns);
    assert_ptr_equal(driver_running(dq), high);
    driver_run_for(dq, MS);
    assert_ptr_equal(driver_running(dq), low);
    driver_queue_end(dq);
}

static void a_level_runs_round_robin_with_its_own_quantum(void **state)
{
    static const uint64_t quantum_ns[] = {5 * MS, 10 * MS, 20 * MS};

    for (int level = 0; level < 3; level++) {
        struct driver_queue *dq = new_queue_without_boosts();
        struct driver_entity *de[3];

        for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
            de[i] = spawn_at_level(dq, level);
            driver_block(dq);
        }
        for (unsigned i = 0; i < ARRAY_LEN(de); i++)
            driver_wake(de[i]);
        for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
            driver_decide(dq);
            assert_int_equal(driver_slice_ns(dq), quantum_ns[level]);
            assert_ptr_equal(driver_run_slice(dq), de[i]);
        }
        assert_ptr_equal(driver_running(dq), de[0]);
        driver_queue_end(dq);
    }
}

static void a_preempted_entity_keeps_its_place_and_the_rest_of_its_quantum(void **state)
{
    struct driver_queue *dq = new_queue_without_boosts();
    struct driver_entity *a = spawn_at_level(dq, 1);
    struct driver_entity *b = driver_spawn(dq);
    struct driver_entity *high;

    driver_run_for(dq, 20 * MS);
    assert_int_equal(driver_level(b), 1);
    assert_ptr_equal(driver_running(dq), a);
    driver_charge(dq, 3 * MS);
    high = driver_spawn(dq);
    assert_ptr_equal(driver_running(dq), high);
    driver_exit(dq);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), a);
    assert_int_equal(driver_slice_ns(dq), 7 * MS);
    driver_queue_end(dq);
}

static void an_allotment_used_up_means_one_level_down(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de = driver_spawn(dq);

    driver_decide(dq);
    driver_charge(dq, 20 * MS - 1);
    assert_int_equal(driver_level(de), 0);
    driver_charge(dq, 1);
    assert_int_equal(driver_level(de), 1);
    driver_charge(dq, 40 * MS - 1);
    assert_int_equal(driver_level(de), 1);
    driver_charge(dq, 1);
    assert_int_equal(driver_level(de), 2);
    driver_queue_end(dq);
}

static void the_lowest_level_has_no_allotment(void **state)
{
    struct driver_queue *dq = new_queue_without_boosts();
    struct driver_entity *de = driver_spawn(dq);

    driver_decide(dq);
    driver_charge(dq, 3600 * NSEC_PER_SEC);
    assert_int_equal(driver_level(de), 2);
    driver_queue_end(dq);
}

static void a_demotion_ends_the_turn(void **state)
{
    struct driver_queue *dq = new_queue_without_boosts();
    struct driver_entity *waiting = spawn_at_level(dq, 1);
    struct driver_entity *demoted;

    demoted = driver_spawn(dq);
    driver_run_for(dq, 20 * MS);
    assert_int_equal(driver_level(demoted), 1);
    assert_ptr_equal(driver_running(dq), waiting);
    driver_queue_end(dq);
}

/* Even if the core has not asked preempts(). */
static void a_slice_is_over_when_a_higher_level_waits(void **state)
{
    struct driver_queue *dq = new_queue();
    const struct sched_class *class = dq->q.class;
    struct driver_entity *high = driver_spawn(dq);
    struct driver_entity *low;

    driver_decide(dq);
    driver_block(dq);
    low = spawn_at_level(dq, 1);
    driver_put_back(dq, SCHED_ENQUEUE_EXPIRED);
    driver_pick(dq);
    assert_int_not_equal(class->slice_ns(&dq->q, &low->entity, driver_now_ns), 0);
    class->enqueue(&dq->q, &high->entity, SCHED_ENQUEUE_WAKE, driver_now_ns);
    assert_int_equal(class->slice_ns(&dq->q, &low->entity, driver_now_ns), 0);
    class->dequeue(&dq->q, &high->entity, SCHED_DEQUEUE_MOVED_OUT, driver_now_ns);
    driver_wake(high);
    driver_queue_end(dq);
}

/* With an allotment that is not a multiple of the quantum. */
static void a_slice_ends_when_the_allotment_does(void **state)
{
    struct driver_queue *dq = new_queue();

    driver_tune(dq, "allotment0", 7);
    driver_spawn(dq);
    driver_decide(dq);
    driver_charge(dq, 5 * MS);
    driver_spawn(dq);
    driver_run_slice(dq);
    driver_decide(dq);
    assert_int_equal(driver_slice_ns(dq), 2 * MS);
    driver_queue_end(dq);
}

static void yielding_early_does_not_save_the_allotment(void **state)
{
    struct driver_queue *dq = new_queue_without_boosts();
    struct driver_entity *cheat = driver_spawn(dq);

    for (int i = 0; i < 5; i++) {
        assert_int_equal(driver_level(cheat), 0);
        driver_decide(dq);
        driver_charge(dq, 4 * MS);
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    }
    assert_int_equal(driver_level(cheat), 1);
    driver_queue_end(dq);
}

static void sleeping_early_does_not_save_the_allotment(void **state)
{
    struct driver_queue *dq = new_queue_without_boosts();
    struct driver_entity *cheat = driver_spawn(dq);

    for (int i = 0; i < 5; i++) {
        assert_int_equal(driver_level(cheat), 0);
        driver_decide(dq);
        driver_charge(dq, 4 * MS);
        driver_block(dq);
        driver_sleep(MS);
        driver_wake(cheat);
    }
    assert_int_equal(driver_level(cheat), 1);
    driver_queue_end(dq);
}

/* The cheat of OSTEP figure 8.5 sleeps for a moment just before its quantum is over. */
static void a_cheat_gets_no_more_than_an_honest_hog(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *hog = driver_spawn(dq);
    struct driver_entity *cheat = driver_spawn(dq);
    uint64_t end_ns = driver_now_ns + 20 * NSEC_PER_SEC;

    driver_decide(dq);
    while (driver_now_ns < end_ns) {
        struct driver_entity *running = driver_running(dq);
        uint64_t slice_ns = driver_slice_ns(dq);

        if (running == hog) {
            driver_run_slice(dq);
            continue;
        }
        driver_charge(dq, slice_ns - slice_ns / 100);
        driver_block(dq);
        driver_decide(dq);
        driver_run_for(dq, 10000);
        driver_wake(cheat);
        driver_decide(dq);
    }
    assert_in_range(cheat->ran_ns, hog->ran_ns / 2, hog->ran_ns * 102 / 100);
    driver_queue_end(dq);
}

static void a_boost_brings_everybody_to_level_0_with_a_full_allotment(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = spawn_at_level(dq, 2);
    struct driver_entity *waiting = driver_spawn(dq);
    struct driver_entity *asleep;

    driver_run_for(dq, 60 * MS);
    assert_int_equal(driver_level(waiting), 2);
    asleep = driver_spawn(dq);
    driver_charge(dq, 20 * MS);
    assert_int_equal(driver_level(asleep), 1);
    driver_block(dq);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), running);

    driver_charge(dq, 1200 * MS - driver_now_ns);
    assert_int_equal(driver_level(running), 0);
    assert_int_equal(driver_level(waiting), 0);
    driver_wake(asleep);
    assert_int_equal(driver_level(asleep), 0);
    driver_run_for(dq, 3 * 20 * MS - 1);
    assert_int_equal(driver_level(running) + driver_level(waiting) + driver_level(asleep), 2);
    driver_queue_end(dq);
}

static void no_boost_comes_before_its_time(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = spawn_at_level(dq, 2);
    struct driver_entity *asleep = driver_spawn(dq);

    driver_charge(dq, 20 * MS);
    driver_block(dq);
    driver_decide(dq);
    driver_charge(dq, 1200 * MS - 1 - driver_now_ns);
    driver_wake(asleep);
    assert_int_equal(driver_level(running), 2);
    assert_int_equal(driver_level(asleep), 1);
    driver_queue_end(dq);
}

static void a_boost_does_not_take_the_turn_from_the_running_one(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn_at_level(dq, 2);
    struct driver_entity *b = driver_spawn(dq);

    driver_run_for(dq, 60 * MS);
    driver_block(dq);
    driver_decide(dq);
    driver_charge(dq, 1199 * MS - driver_now_ns);
    driver_wake(a->place == DRIVER_AWAY ? a : b);
    driver_decide(dq);
    driver_charge(dq, 2 * MS);
    assert_int_equal(driver_slice_ns(dq), 3 * MS);
    driver_queue_end(dq);
}

/* Boosts that come exactly when turns end, and more often. */
static void boosts_do_not_make_a_turn_longer(void **state)
{
    for (unsigned boost = 1; boost <= 5; boost++) {
        struct driver_queue *dq = new_queue();
        struct driver_entity *de;

        driver_tune(dq, "boost", boost);
        driver_sleep(boost * MS - driver_now_ns % (boost * MS)); /* one has just been */
        driver_spawn(dq);
        driver_spawn(dq);
        driver_decide(dq);
        de = driver_running(dq);
        driver_run_for(dq, 5 * MS);
        assert_ptr_not_equal(driver_running(dq), de);
        driver_queue_end(dq);
    }
}

static void only_the_time_after_a_boost_counts_against_the_new_allotment(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de = driver_spawn(dq);

    driver_decide(dq);
    driver_charge(dq, 1000 * MS + 19 * MS);
    assert_int_equal(driver_level(de), 0);
    driver_charge(dq, MS);
    assert_int_equal(driver_level(de), 1);
    driver_queue_end(dq);
}

static void one_long_charge_does_what_many_short_ones_do(void **state)
{
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct rng rng = {seed};
        uint64_t total_ns = rng_below(&rng, 900 * MS);
        uint64_t left_ns = total_ns;
        struct driver_queue *dq = new_queue();
        struct driver_entity *de = driver_spawn(dq);
        int level;

        driver_decide(dq);
        driver_charge(dq, total_ns);
        level = driver_level(de);
        driver_queue_end(dq);

        dq = new_queue();
        de = driver_spawn(dq);
        driver_decide(dq);
        while (left_ns > 0) {
            uint64_t piece_ns = MIN(left_ns, rng_between(&rng, 1, 30 * MS));

            driver_charge(dq, piece_ns);
            left_ns -= piece_ns;
        }
        assert_int_equal(driver_level(de), level);
        driver_queue_end(dq);
    }
}

static void moving_to_another_cpu_keeps_level_and_allotment(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_queue *other = driver_queue_new(dq->q.class);
    struct driver_entity *de = spawn_at_level(dq, 1);

    driver_charge(dq, 39 * MS);
    driver_move(de, other);
    assert_int_equal(driver_level(de), 1);
    driver_decide(other);
    driver_charge(other, MS);
    assert_int_equal(driver_level(de), 2);
    driver_queue_end(dq);
    driver_queue_end(other);
}

static void moving_between_cpus_does_not_bring_a_boost_forward(void **state)
{
    struct driver_queue *older = new_queue();
    struct driver_queue *newer;
    struct driver_entity *de;

    driver_sleep(250 * MS);
    newer = driver_queue_new(older->q.class);
    driver_spawn(older);
    de = spawn_at_level(newer, 1);
    driver_move(de, older);
    assert_int_equal(driver_level(de), 1);
    driver_queue_end(older);
    driver_queue_end(newer);
}

static void fewer_levels_put_everybody_on_those_that_are_left(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = spawn_at_level(dq, 2);
    struct driver_entity *waiting = driver_spawn(dq);
    struct driver_entity *asleep;

    driver_run_for(dq, 60 * MS);
    driver_block(dq);
    asleep = running->place == DRIVER_AWAY ? running : waiting;
    driver_tune(dq, "levels", 1);
    driver_wake(asleep);
    assert_int_equal(driver_level(running), 0);
    assert_int_equal(driver_level(waiting), 0);
    driver_tune(dq, "levels", 8);
    driver_run_for(dq, 50 * MS);
    driver_queue_end(dq);
}

static void a_smaller_allotment_holds_at_once(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = driver_spawn(dq);
    struct driver_entity *waiting = driver_spawn(dq);

    driver_run_for(dq, 18 * MS);
    driver_tune(dq, "allotment0", 5);
    assert_int_equal(driver_level(running), 1);
    assert_int_equal(driver_level(waiting), 1);
    driver_queue_end(dq);
}

static void nobody_is_lost_or_doubled_by_any_sequence_of_calls(void **state)
{
    for (uint64_t seed = 0; seed < 4000; seed++)
        driver_random(&(struct driver_random){.class = driver_class("mlfq"),
                                              .seed = seed,
                                              .nr_steps = 300,
                                              .retunes = seed % 3 != 0});
}

/* Rule 1 in any sequence: nobody runs while somebody waits at a higher level in its queue. */
static void check_rule_1(struct driver_entity *const slots[DRIVER_SLOTS], void *context)
{
    for (unsigned i = 0; i < DRIVER_SLOTS; i++) {
        if (!slots[i] || slots[i]->place != DRIVER_RUNNING)
            continue;
        if (slots[i]->entity.queue->class->slice_ns(slots[i]->entity.queue, &slots[i]->entity,
                                                    driver_now_ns) == 0)
            continue;
        for (unsigned j = 0; j < DRIVER_SLOTS; j++)
            if (slots[j] && slots[j]->place == DRIVER_WAITING &&
                slots[j]->entity.queue == slots[i]->entity.queue)
                assert_true(driver_level(slots[i]) <= driver_level(slots[j]));
    }
}

static void a_slice_lasts_only_while_no_higher_level_waits(void **state)
{
    for (uint64_t seed = 0; seed < 2000; seed++)
        driver_random(&(struct driver_random){.class = driver_class("mlfq"),
                                              .seed = seed,
                                              .nr_steps = 300,
                                              .retunes = true,
                                              .after_step = check_rule_1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_in_order),
        cmocka_unit_test(a_new_entity_starts_at_level_0),
        cmocka_unit_test(a_higher_level_preempts_at_once),
        cmocka_unit_test(an_equal_or_lower_level_does_not_preempt),
        cmocka_unit_test(a_lower_level_runs_only_when_no_higher_one_waits),
        cmocka_unit_test(a_level_runs_round_robin_with_its_own_quantum),
        cmocka_unit_test(a_preempted_entity_keeps_its_place_and_the_rest_of_its_quantum),
        cmocka_unit_test(an_allotment_used_up_means_one_level_down),
        cmocka_unit_test(the_lowest_level_has_no_allotment),
        cmocka_unit_test(a_demotion_ends_the_turn),
        cmocka_unit_test(a_slice_is_over_when_a_higher_level_waits),
        cmocka_unit_test(a_slice_ends_when_the_allotment_does),
        cmocka_unit_test(yielding_early_does_not_save_the_allotment),
        cmocka_unit_test(sleeping_early_does_not_save_the_allotment),
        cmocka_unit_test(a_cheat_gets_no_more_than_an_honest_hog),
        cmocka_unit_test(a_boost_brings_everybody_to_level_0_with_a_full_allotment),
        cmocka_unit_test(no_boost_comes_before_its_time),
        cmocka_unit_test(a_boost_does_not_take_the_turn_from_the_running_one),
        cmocka_unit_test(boosts_do_not_make_a_turn_longer),
        cmocka_unit_test(only_the_time_after_a_boost_counts_against_the_new_allotment),
        cmocka_unit_test(one_long_charge_does_what_many_short_ones_do),
        cmocka_unit_test(moving_to_another_cpu_keeps_level_and_allotment),
        cmocka_unit_test(moving_between_cpus_does_not_bring_a_boost_forward),
        cmocka_unit_test(fewer_levels_put_everybody_on_those_that_are_left),
        cmocka_unit_test(a_smaller_allotment_holds_at_once),
        cmocka_unit_test(nobody_is_lost_or_doubled_by_any_sequence_of_calls),
        cmocka_unit_test(a_slice_lasts_only_while_no_higher_level_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
