/*
 * The scheduler of 4.4BSD: its rules one by one, what it does after times in which nobody called
 * it, and anything at random.
 */

#include "bsd_formulas.h"

/* As if it had used so many ticks; if it waits, it goes to the tail of the level that this means.
 */
static void pretend_recent_cpu(struct driver_entity *de, int ticks)
{
    int nice = de->entity.params.nice;

    state_of(&de->entity)->recent_cpu = ticks * ONE;
    if (de->place == DRIVER_WAITING) {
        set_nice(de, nice < 0 ? 19 : -20);
        set_nice(de, nice);
    }
}

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("bsd"));
}

/* ---- Rules ------------------------------------------------------------------------------- */

static void a_level_follows_from_recent_cpu_and_niceness(void **state)
{
    /* recent_cpu, niceness, level */
    static const int row[][3] = {{0, 0, 63},     {3, 0, 62},    {4, 0, 62},    {5, 0, 61},
                                 {200, 0, 13},   {0, 1, 61},    {40, 5, 43},   {0, 19, 25},
                                 {100, 19, 0},   {99999, 0, 0}, {0, -20, 63},  {80, -20, 63},
                                 {240, -20, 43}, {-40, 0, 63},  {-40, 10, 53}, {99999, 19, 0}};

    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct bsd_entity be = {.recent_cpu = row[i][0] * ONE};

        assert_int_equal(level_of(&be, row[i][1]), row[i][2]);
        assert_int_equal(reference_level(row[i][0], row[i][1]), row[i][2]);
    }
}

static void a_new_entity_has_used_nothing(void **state)
{
    struct driver_queue *dq = new_queue();

    driver_sleep(10 * SEC);
    assert_near(recent_cpu(spawn(dq, 5)), 0, 0);
    assert_int_equal(level(spawn(dq, 5)), 53);
    assert_int_equal(level(spawn(dq, -20)), 63);
    driver_queue_end(dq);
}

static void a_higher_level_preempts_at_once(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *nice = spawn(dq, 5);
    struct driver_entity *equal, *higher;

    driver_decide(dq);
    equal = spawn(dq, 5);
    assert_false(driver_preempts(equal));
    driver_charge(dq, 10 * MS);
    higher = spawn(dq, 0);
    assert_ptr_equal(driver_running(dq), higher);
    driver_exit(dq);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), nice);
    assert_int_equal(driver_slice_ns(dq), 30 * MS);
    driver_queue_end(dq);
}

static void a_slice_is_over_when_a_higher_level_waits(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = spawn(dq, 5);
    struct driver_entity *waiting = spawn(dq, 5);

    driver_decide(dq);
    driver_charge(dq, MS);
    set_nice(waiting, 4);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), waiting);
    set_nice(waiting, 6);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), running);
    assert_int_equal(driver_slice_ns(dq), 39 * MS);
    driver_queue_end(dq);
}

static void equals_run_in_turn_for_four_ticks(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[3];

    for (unsigned i = 0; i < ARRAY_LEN(de); i++)
        de[i] = spawn(dq, 0);
    for (unsigned turn = 0; turn < 6; turn++) {
        assert_ptr_equal(driver_run_slice(dq), de[turn % 3]);
        assert_int_equal(de[turn % 3]->ran_ns, (turn / 3 + 1) * 4 * TICK_NS);
    }
    driver_queue_end(dq);
}

static void niceness_counts_while_one_waits_and_keeps_the_place_otherwise(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = spawn(dq, -20);
    struct driver_entity *a = spawn(dq, -10);
    struct driver_entity *b = spawn(dq, -10);
    struct driver_entity *c = spawn(dq, 0);

    driver_decide(dq);
    set_nice(a, -9); /* still at level 63 */
    assert_int_equal(level(a), 63);
    set_nice(b, 10);
    assert_int_equal(level(b), 43);
    assert_ptr_equal(driver_running(dq), running);
    driver_exit(dq);
    assert_ptr_equal(driver_pick(dq), a);
    driver_exit(dq);
    assert_ptr_equal(driver_pick(dq), c);
    driver_queue_end(dq);
}

/* A thousand turns of 10.1 us and a yield are a tick and 1 %, though each is less than a tick. */
static void there_is_no_tick_to_hide_from(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de = spawn(dq, 0);

    for (unsigned i = 0; i < 1000; i++) {
        driver_decide(dq);
        driver_charge(dq, 101 * NSEC_PER_USEC / 10);
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    }
    assert_near(recent_cpu(de), 1.01, 1.0 / ONE);
    driver_queue_end(dq);
}

static void a_second_puts_a_waiting_one_above_the_running_one(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *favoured = spawn(dq, -20);
    struct driver_entity *hog = spawn(dq, 0);

    driver_run_for(dq, 999 * MS);
    /* As if they had used the same, and the favoured one had been made to wait below. */
    driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    pretend_recent_cpu(favoured, 900);
    driver_decide(dq);
    driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), hog);
    assert_int_equal(driver_slice_ns(dq), MS);
    driver_charge(dq, MS);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), favoured);
    driver_queue_end(dq);
}

/* The rest of a turn that a second, or a call after it, cuts short is kept. */
static void a_second_does_not_take_the_turn_from_the_running_one(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 19);
    struct driver_entity *b = spawn(dq, 19);

    driver_sleep(20 * MS);
    driver_run_for(dq, 970 * MS);
    if (driver_running(dq) == b)
        b = a;
    a = driver_running(dq);
    pretend_recent_cpu(a, 50);
    pretend_recent_cpu(b, 50);
    driver_charge(dq, 10 * MS);
    assert_int_equal(driver_slice_ns(dq), 20 * MS);
    assert_ptr_equal(driver_running(dq), a);
    driver_queue_end(dq);
}

/* As in a group that has had no CPU since: nobody has called the class in the new second. */
static void a_second_that_nobody_noticed_ends_the_slice_and_not_the_turn(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = spawn(dq, 0);

    driver_decide(dq);
    spawn(dq, 0);
    driver_charge(dq, 10 * MS);
    driver_sleep(10 * SEC);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), running);
    assert_int_equal(driver_slice_ns(dq), 30 * MS);
    driver_queue_end(dq);
}

/* They wait at levels 56 and 57, alternately; load_avg is 0.15, and after a second all are at 61.
 */
static void the_order_is_kept_among_those_who_come_to_the_same_level(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[8];

    spawn(dq, -20);
    driver_decide(dq);
    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        de[i] = spawn(dq, 0);
        pretend_recent_cpu(de[i], i % 2 == 0 ? 25 : 23);
    }
    assert_int_equal(level(de[0]), 56);
    assert_int_equal(level(de[1]), 57);
    driver_charge(dq, SEC);
    driver_exit(dq);
    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        struct driver_entity *expected = de[i < 4 ? 2 * i + 1 : 2 * (i - 4)];

        assert_int_equal(level(expected), 61);
        assert_ptr_equal(driver_pick(dq), expected);
        driver_exit(dq);
    }
    driver_queue_end(dq);
}

static void a_new_quantum_holds_at_once(void **state)
{
    struct driver_queue *dq = new_queue();

    spawn(dq, 0);
    spawn(dq, 0);
    driver_decide(dq);
    driver_charge(dq, 3 * MS);
    driver_tune(dq, "quantum_us", 4000);
    assert_int_equal(driver_slice_ns(dq), MS);
    driver_tune(dq, "quantum_us", 2000);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_queue_end(dq);
}

/* ---- Catching up ------------------------------------------------------------------------- */

/*
 * Two of the same niceness and use of the CPU: one waits below, one sleeps, while others come and
 * go. To the last bit the same, up to HISTORY seconds.
 */
static void a_sleeper_decays_exactly_as_one_who_waits(void **state)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct rng rng = {seed};
        struct driver_queue *dq = new_queue();
        struct driver_entity *sleeper = spawn(dq, (int)rng_between(&rng, 10, 19));
        int ticks = (int)rng_below(&rng, 3000);
        uint64_t seconds = rng_between(&rng, 0, HISTORY);
        struct driver_entity *waiter;

        driver_decide(dq);
        driver_block(dq);
        for (unsigned i = 0; i < 4; i++)
            spawn(dq, -20);
        driver_run_for(dq, rng_below(&rng, 20) * SEC);
        driver_decide(dq);
        waiter = spawn(dq, sleeper->entity.params.nice);
        pretend_recent_cpu(waiter, ticks);
        pretend_recent_cpu(sleeper, ticks);
        state_of(&sleeper->entity)->second = queue_of(&dq->q)->second;

        while (seconds > 0) {
            uint64_t some = MIN(seconds, rng_between(&rng, 1, 30));

            driver_run_for(dq, some * SEC);
            seconds -= some;
            if (rng_one_in(&rng, 2))
                spawn(dq, -20);
        }
        driver_wake(sleeper);
        assert_int_equal(waiter->ran_ns, 0);
        assert_int_equal(state_of(&sleeper->entity)->recent_cpu,
                         state_of(&waiter->entity)->recent_cpu);
        assert_int_equal(level(sleeper), level(waiter));
        driver_queue_end(dq);
    }
}

static void what_was_used_long_ago_is_forgotten(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *sleeper = spawn(dq, 3);
    double expected = 0;

    driver_run_for(dq, 10 * SEC);
    driver_block(dq);
    for (unsigned i = 0; i < 300; i++)
        spawn(dq, 0);
    driver_run_for(dq, (HISTORY + 1) * SEC);
    driver_wake(sleeper);
    for (unsigned i = 0; i < HISTORY; i++)
        expected = reference_decay(expected, 300 - 300 * pow(59 / 60.0, i + 2),
                                   sleeper->entity.params.nice);
    assert_near(recent_cpu(sleeper), expected, expected / 100);
    driver_queue_end(dq);
}

/* Under a load so high that little decays. */
static void what_was_run_long_ago_is_forgotten(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de = spawn(dq, 0);

    driver_decide(dq);
    queue_of(&dq->q)->load_avg = INT32_MAX;
    driver_charge(dq, (HISTORY + 200) * SEC);
    assert_in_range(recent_cpu(de), HISTORY * 50, HISTORY * 100);
    driver_queue_end(dq);
}

static void one_long_charge_does_what_many_short_ones_do(void **state)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct rng rng = {seed};
        uint64_t total_ns = rng_below(&rng, 400 * SEC), left_ns = total_ns;
        uint64_t from_ns = START_NS + rng_below(&rng, 3 * SEC);
        int nice = (int)rng_below(&rng, 40) - 20;
        struct driver_queue *dq[2];
        struct driver_entity *de[2];

        for (unsigned i = 0; i < 2; i++) {
            dq[i] = new_queue();
            driver_now_ns = from_ns;
            de[i] = spawn(dq[i], nice);
            driver_decide(dq[i]);
        }
        driver_charge(dq[0], total_ns);
        driver_now_ns = from_ns;
        while (left_ns > 0) {
            uint64_t piece_ns = MIN(left_ns, rng_between(&rng, 1, 3 * SEC));

            driver_charge(dq[1], piece_ns);
            left_ns -= piece_ns;
        }
        /* One who runs for longer than HISTORY begins that long ago with nothing. */
        assert_near(recent_cpu(de[0]), recent_cpu(de[1]), total_ns > HISTORY * SEC ? 0.01 : 0);
        assert_near(load_avg(dq[0]), load_avg(dq[1]), 0);
        driver_queue_end(dq[0]);
        driver_queue_end(dq[1]);
    }
}

/* Nothing overflows: a month alone, at every niceness, beside a load that is beyond 17 bits. */
static void extremes_stay_within_their_range(void **state)
{
    for (int nice = -20; nice < 20; nice += 39) {
        struct driver_queue *dq = new_queue();
        struct driver_entity *de = spawn(dq, nice);
        struct bsd_queue *bq = queue_of(&dq->q);

        driver_decide(dq);
        driver_charge(dq, 30 * 24 * 3600 * SEC);
        /* Of what one uses in a second, a third is forgotten, and of the sum of nicenesses. */
        assert_near(recent_cpu(de), 200 + 3 * nice, 1);
        bq->load_avg = INT32_MAX;
        for (unsigned i = 0; i < 100000; i++)
            driver_charge(dq, SEC / 10);
        assert_in_range(level(de), 0, 63);
        state_of(&de->entity)->recent_cpu = INT32_MAX;
        driver_charge(dq, SEC);
        assert_true(recent_cpu(de) > 0);
        driver_queue_end(dq);
    }
    assert_int_equal(next_load_avg(INT32_MAX, UINT32_MAX), INT32_MAX);
    assert_int_equal(next_load_avg(0, 60), ONE);
    assert_int_equal(factor_of_load(0), 0);
    assert_int_equal(factor_of_load(ONE), 2 * ONE / 3);
    assert_in_range(factor_of_load(INT32_MAX), ONE - 1, ONE);
}

static void an_entity_takes_its_use_of_the_cpu_along(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_queue *other = driver_queue_new(dq->q.class);
    struct driver_entity *de = spawn(dq, 0);

    driver_run_for(dq, 500 * MS);
    driver_move(de, other);
    assert_near(recent_cpu(de), 50, 0);
    assert_int_equal(level(de), reference_level(50, 0));
    driver_run_for(other, 500 * MS);
    assert_near(recent_cpu(de), reference_decay(100, 1 / 60.0, 0), 0.01);
    driver_queue_end(dq);
    driver_queue_end(other);
}

/* ---- Anything ---------------------------------------------------------------------------- */

/* Nobody runs on while somebody waits in its queue at a higher level, in the second that it knows.
 */
static void check_highest_runs(struct driver_entity *const slots[DRIVER_SLOTS], void *context)
{
    for (unsigned i = 0; i < DRIVER_SLOTS; i++) {
        const struct sched_queue *q;

        if (!slots[i] || slots[i]->place != DRIVER_RUNNING)
            continue;
        q = slots[i]->entity.queue;
        if (q->class->slice_ns(q, &slots[i]->entity, driver_now_ns) == 0)
            continue;
        for (unsigned j = 0; j < DRIVER_SLOTS; j++) {
            const struct driver_entity *other = slots[j];

            if (!other || other->place != DRIVER_WAITING || other->entity.queue != q)
                continue;
            assert_true(level(slots[i]) >= level(other));
            assert_int_equal(state_of(&other->entity)->second, queue_of(q)->second);
        }
    }
}

static void nobody_runs_while_a_higher_level_waits(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++)
        driver_random(&(struct driver_random){.class = driver_class("bsd"),
                                              .seed = seed,
                                              .nr_steps = 300,
                                              .retunes = seed % 3 != 0,
                                              .varies_priorities = seed % 4 != 0,
                                              .after_step = check_highest_runs});
}

/* `ready` is who waits and who runs, whatever has happened. */
static void check_ready(struct driver_entity *const slots[DRIVER_SLOTS], void *context)
{
    for (unsigned i = 0; i < DRIVER_SLOTS; i++) {
        const struct sched_queue *q;

        if (!slots[i])
            continue;
        q = slots[i]->entity.queue;
        assert_int_equal(queue_of(q)->nr_present, q->nr_waiting + (q->running != NULL));
    }
}

static void the_load_counts_everybody_once(void **state)
{
    for (uint64_t seed = 0; seed < 1000; seed++)
        driver_random(&(struct driver_random){.class = driver_class("bsd"),
                                              .seed = seed,
                                              .nr_steps = 300,
                                              .after_step = check_ready});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_in_order),
        cmocka_unit_test(a_level_follows_from_recent_cpu_and_niceness),
        cmocka_unit_test(a_new_entity_has_used_nothing),
        cmocka_unit_test(a_higher_level_preempts_at_once),
        cmocka_unit_test(a_slice_is_over_when_a_higher_level_waits),
        cmocka_unit_test(equals_run_in_turn_for_four_ticks),
        cmocka_unit_test(niceness_counts_while_one_waits_and_keeps_the_place_otherwise),
        cmocka_unit_test(there_is_no_tick_to_hide_from),
        cmocka_unit_test(a_second_puts_a_waiting_one_above_the_running_one),
        cmocka_unit_test(a_second_does_not_take_the_turn_from_the_running_one),
        cmocka_unit_test(a_second_that_nobody_noticed_ends_the_slice_and_not_the_turn),
        cmocka_unit_test(the_order_is_kept_among_those_who_come_to_the_same_level),
        cmocka_unit_test(a_new_quantum_holds_at_once),
        cmocka_unit_test(a_sleeper_decays_exactly_as_one_who_waits),
        cmocka_unit_test(what_was_used_long_ago_is_forgotten),
        cmocka_unit_test(what_was_run_long_ago_is_forgotten),
        cmocka_unit_test(one_long_charge_does_what_many_short_ones_do),
        cmocka_unit_test(extremes_stay_within_their_range),
        cmocka_unit_test(an_entity_takes_its_use_of_the_cpu_along),
        cmocka_unit_test(nobody_runs_while_a_higher_level_waits),
        cmocka_unit_test(the_load_counts_everybody_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
