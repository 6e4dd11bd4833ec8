/*
 * The multi-level feedback queue against what is written about it: the figures of Arpaci-Dusseau,
 * Operating Systems: Three Easy Pieces, chapter 8, the two presets of courses, and the longest wait
 * that the class promises.
 */

#include "sched_driver.h"

#define MS NSEC_PER_MSEC

/* A multiple of every preset's boost period. */
#define START_NS (2000 * NSEC_PER_SEC)

static struct driver_queue *new_queue(void)
{
    driver_reset(0);
    driver_now_ns = START_NS;
    return driver_queue_new(driver_class("mlfq"));
}

/* Three levels; times in milliseconds; boost 0: never. */
static struct driver_queue *new_queue_of(const uint64_t quantum_ms[3],
                                         const uint64_t allotment_ms[2], uint64_t boost_ms)
{
    struct driver_queue *dq = new_queue();

    driver_tune(dq, "quantum0", quantum_ms[0]);
    driver_tune(dq, "quantum1", quantum_ms[1]);
    driver_tune(dq, "quantum2", quantum_ms[2]);
    driver_tune(dq, "allotment0", allotment_ms[0]);
    driver_tune(dq, "allotment1", allotment_ms[1]);
    driver_tune(dq, "boost", boost_ms);
    return dq;
}

/* ---- OSTEP, chapter 8 -------------------------------------------------------------------- */

/* Figure 8.2: a job that runs on and on, slices of 10 ms. */
static void a_long_running_job_over_time(void **state)
{
    struct driver_queue *dq = new_queue_of((uint64_t[]){10, 10, 10}, (uint64_t[]){10, 10}, 0);
    struct driver_entity *job = driver_spawn(dq);

    for (unsigned ms = 0; ms < 200; ms++) {
        assert_int_equal(driver_level(job), ms < 10 ? 0 : ms < 20 ? 1 : 2);
        driver_run_for(dq, MS);
    }
    driver_queue_end(dq);
}

/* Figure 8.3: slices of 10 ms; A has run for long when B comes at 100 ms, which needs 20 ms. */
static void along_came_an_interactive_job(void **state)
{
    struct driver_queue *dq = new_queue_of((uint64_t[]){10, 10, 10}, (uint64_t[]){10, 10}, 0);
    struct driver_entity *a = driver_spawn(dq), *b;

    driver_run_for(dq, 100 * MS);
    assert_int_equal(driver_level(a), 2);
    b = driver_spawn(dq);
    driver_run_for(dq, 10 * MS);
    assert_int_equal(driver_level(b), 1);
    driver_run_for(dq, 10 * MS);
    assert_int_equal(b->ran_ns, 20 * MS);
    assert_ptr_equal(driver_running(dq), a);
    driver_queue_end(dq);
}

/*
 * Figure 8.4: B runs for 1 ms, then waits for a device; A computes. B stays on top, where it never
 * waits, as it uses less than its allotment from boost to boost.
 */
static void a_mixed_workload(void **state)
{
    struct driver_queue *dq = new_queue_of((uint64_t[]){10, 10, 10}, (uint64_t[]){20, 40}, 200);
    struct driver_entity *a = driver_spawn(dq), *b;

    driver_run_for(dq, 150 * MS);
    b = driver_spawn(dq);
    for (unsigned i = 0; i < 1000; i++) {
        driver_decide(dq);
        while (driver_running(dq) != b)
            driver_run_slice(dq);
        assert_int_equal(driver_level(b), 0);
        driver_charge(dq, MS);
        driver_block(dq);
        driver_run_for(dq, 10 * MS);
        driver_wake(b);
    }
    assert_true(b->longest_wait_ns <= 10 * MS);
    assert_true(a->ran_ns >= 10000 * MS);
    driver_queue_end(dq);
}

/* Short jobs, one after the other, for `total_ns`: a new one as soon as one ends. */
static void run_short_jobs(struct driver_queue *dq, uint64_t total_ns)
{
    uint64_t end_ns = driver_now_ns + total_ns;
    struct driver_entity *job = driver_spawn(dq);

    while (driver_now_ns < end_ns) {
        driver_run_for(dq, MS);
        if (driver_running(dq) != job)
            continue;
        driver_exit(dq);
        job = driver_spawn(dq);
    }
}

/* Figure 8.5: without boosts a long job starves for as long as short ones come; with them, not. */
static void boosts_end_starvation(void **state)
{
    static const uint64_t quantum_ms[] = {10, 10, 10}, allotment_ms[] = {10, 10};
    struct driver_queue *dq = new_queue_of(quantum_ms, allotment_ms, 0);
    struct driver_entity *job = driver_spawn(dq);

    driver_run_for(dq, 100 * MS);
    run_short_jobs(dq, 10 * NSEC_PER_SEC);
    assert_int_equal(job->ran_ns, 100 * MS);
    driver_queue_end(dq);

    dq = new_queue_of(quantum_ms, allotment_ms, 100);
    job = driver_spawn(dq);
    driver_run_for(dq, 100 * MS);
    run_short_jobs(dq, 10 * NSEC_PER_SEC);
    assert_in_range(job->ran_ns, (100 + 99 * 10) * MS, (100 + 101 * 10) * MS);
    assert_true(job->longest_wait_ns <= (100 + 10) * MS);
    driver_queue_end(dq);

    dq = new_queue_of((uint64_t[]){1, 1, 1}, (uint64_t[]){1, 1}, 1000);
    job = driver_spawn(dq);
    driver_run_for(dq, 100 * MS);
    run_short_jobs(dq, 10 * NSEC_PER_SEC);
    assert_in_range(job->longest_wait_ns, 900 * MS, dq->q.class->starvation_limit_ns(&dq->q));
    driver_queue_end(dq);
}

/* Figure 8.7: lower priority, longer quanta. 20 ms each on top, 40 ms each in the middle. */
static void lower_priority_longer_quanta(void **state)
{
    static const uint64_t turn_ms[] = {10, 10, 10, 10, 20, 20, 20, 20, 40, 40, 40, 40};
    struct driver_queue *dq = new_queue_of((uint64_t[]){10, 20, 40}, (uint64_t[]){20, 40}, 0);
    struct driver_entity *de[2];

    for (unsigned i = 0; i < 2; i++)
        de[i] = driver_spawn(dq);
    for (unsigned i = 0; i < ARRAY_LEN(turn_ms); i++) {
        uint64_t before_ns = driver_now_ns;

        assert_ptr_equal(driver_run_slice(dq), de[i % 2]);
        assert_int_equal(driver_now_ns - before_ns, turn_ms[i] * MS);
    }
    driver_queue_end(dq);
}

/* ---- Presets ----------------------------------------------------------------------------- */

struct preset {
    const char *name;
    uint64_t quantum_ms[3], allotment_ms[2], boost_ms;
    bool is_scope_process;
    uint64_t team_quantum_us, root_quantum_us;
};

/* In ticks of 10 ms: quanta 1/2/4, allotments 5/10, boost 100; and 5/10/20, 20/40, 200. */
static const struct preset presets[] = {
    {"process", {10, 20, 40}, {50, 100}, 1000, false, 0, 0},
    {"lwp", {50, 100, 200}, {200, 400}, 2000, true, 10000, 50000},
};

static void presets_have_their_allotments_and_boosts(void **state)
{
    for (unsigned i = 0; i < ARRAY_LEN(presets); i++) {
        const struct preset *preset = &presets[i];
        struct driver_queue *dq = new_queue();
        struct driver_entity *de;

        driver_use_preset(dq, preset->name);
        de = driver_spawn(dq);
        driver_decide(dq);
        for (int level = 0; level < 2; level++) {
            driver_charge(dq, preset->allotment_ms[level] * MS - 1);
            assert_int_equal(driver_level(de), level);
            driver_charge(dq, 1);
            assert_int_equal(driver_level(de), level + 1);
        }
        driver_charge(dq, START_NS + preset->boost_ms * MS - 1 - driver_now_ns);
        assert_int_equal(driver_level(de), 2);
        driver_charge(dq, 1);
        assert_int_equal(driver_level(de), 0);
        driver_queue_end(dq);
    }
}

static void presets_have_their_quanta(void **state)
{
    for (unsigned i = 0; i < ARRAY_LEN(presets); i++) {
        struct driver_queue *dq = new_queue();
        struct driver_entity *de;

        driver_use_preset(dq, presets[i].name);
        driver_tune(dq, "boost", 0);
        de = driver_spawn(dq);
        driver_spawn(dq);
        for (int level = 0; level < 3; level++) {
            while (driver_level(de) < level)
                driver_run_slice(dq);
            driver_decide(dq);
            while (driver_running(dq) != de || driver_level(de) < level)
                driver_run_slice(dq);
            assert_int_equal(driver_slice_ns(dq), presets[i].quantum_ms[level] * MS);
        }
        driver_queue_end(dq);
    }
}

static void presets_set_what_is_around_the_class(void **state)
{
    const struct sched_preset *preset = driver_class("mlfq")->presets;

    for (unsigned i = 0; i < ARRAY_LEN(presets); i++, preset++) {
        assert_string_equal(preset->name, presets[i].name);
        assert_int_equal(preset->is_scope_process, presets[i].is_scope_process);
        assert_int_equal(preset->team_quantum_us, presets[i].team_quantum_us);
        assert_int_equal(preset->root_quantum_us, presets[i].root_quantum_us);
    }
    assert_null(preset->name);
}

/*
 * `cheat` yields when `part` percent of its slice are over, and so keeps its place in its level for
 * as long as it can; the other one computes.
 */
static void check_yielding_cheat(const char *preset, uint64_t part)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *hog, *cheat;

    driver_use_preset(dq, preset);
    hog = driver_spawn(dq);
    cheat = driver_spawn(dq);
    driver_decide(dq);
    while (driver_now_ns < START_NS + 60 * NSEC_PER_SEC) {
        if (driver_running(dq) == hog) {
            driver_run_slice(dq);
            continue;
        }
        driver_charge(dq, MAX(driver_slice_ns(dq) * part / 100, NSEC_PER_USEC)); /* of the call */
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
        driver_decide(dq);
    }
    assert_in_range(cheat->ran_ns, 1, hog->ran_ns * 102 / 100);
    driver_queue_end(dq);
}

static void yields_game_no_preset(void **state)
{
    static const uint64_t parts[] = {1, 10, 50, 90, 99};

    for (unsigned i = 0; i < ARRAY_LEN(presets); i++)
        for (unsigned j = 0; j < ARRAY_LEN(parts); j++)
            check_yielding_cheat(presets[i].name, parts[j]);
}

/* ---- The promise ------------------------------------------------------------------------- */

static void tune_at_random(struct driver_queue *dq, struct rng *rng)
{
    char name[] = "quantum0", other[] = "allotment0";

    driver_tune(dq, "levels", rng_between(rng, 1, 8));
    driver_tune(dq, "boost", rng_between(rng, 1, 300));
    for (char digit = '0'; digit < '8'; digit++) {
        name[sizeof(name) - 2] = digit;
        other[sizeof(other) - 2] = digit;
        driver_tune(dq, name, rng_between(rng, 1, 30));
        driver_tune(dq, other, rng_between(rng, 1, 50));
    }
}

/*
 * A hundred: hogs, who need the boost, and others who sleep at any time and wake at once, and would
 * keep level 0 busy for ever.
 */
static void check_longest_wait(struct driver_queue *dq, unsigned nr_hogs, struct rng *rng)
{
    uint64_t limit_ns = dq->q.class->starvation_limit_ns(&dq->q);
    uint64_t end_ns = driver_now_ns + 3 * limit_ns;
    struct driver_entity *de[100];

    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        de[i] = driver_spawn(dq);
        de[i]->slot = i;
    }
    driver_decide(dq);
    while (driver_now_ns < end_ns) {
        struct driver_entity *running = driver_running(dq);

        if (running->slot < nr_hogs) {
            driver_run_slice(dq);
            continue;
        }
        driver_charge(dq, rng_between(rng, 1, driver_slice_ns(dq)));
        driver_block(dq);
        driver_wake(running);
        driver_decide(dq);
    }
    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        assert_true(de[i]->ran_ns > 0);
        assert_true(de[i]->longest_wait_ns <= limit_ns);
        if (de[i]->place == DRIVER_WAITING)
            assert_true(driver_now_ns - de[i]->waiting_since_ns <= limit_ns);
    }
}

static void nobody_waits_longer_than_the_limit_among_a_hundred(void **state)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rng rng = {seed};
        struct driver_queue *dq = new_queue();

        if (seed % 4 < 2)
            driver_use_preset(dq, presets[seed % 4].name);
        else if (seed % 4 == 2)
            tune_at_random(dq, &rng);
        check_longest_wait(dq, rng_one_in(&rng, 2) ? 1 : (unsigned)rng_between(&rng, 1, 100), &rng);
        driver_queue_end(dq);
    }
}

static void without_boosts_nothing_is_promised(void **state)
{
    struct driver_queue *dq = new_queue();

    driver_tune(dq, "boost", 0);
    assert_int_equal(dq->q.class->starvation_limit_ns(&dq->q), SCHED_TIME_NEVER);
    driver_queue_end(dq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_running_job_over_time),
        cmocka_unit_test(along_came_an_interactive_job),
        cmocka_unit_test(a_mixed_workload),
        cmocka_unit_test(boosts_end_starvation),
        cmocka_unit_test(lower_priority_longer_quanta),
        cmocka_unit_test(presets_have_their_allotments_and_boosts),
        cmocka_unit_test(presets_have_their_quanta),
        cmocka_unit_test(presets_set_what_is_around_the_class),
        cmocka_unit_test(yields_game_no_preset),
        cmocka_unit_test(nobody_waits_longer_than_the_limit_among_a_hundred),
        cmocka_unit_test(without_boosts_nothing_is_promised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
