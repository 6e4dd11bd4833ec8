/*
 * The scheduler of 4.4BSD against published figures: those of Pintos's tests
 * src/tests/threads/mlfqs-*, and the formulas.
 */

#include "bsd_formulas.h"

/* Somebody calls the queue, as happens all the time: seconds that have begun are noticed. */
static void let_it_notice(struct driver_queue *dq)
{
    assert_null(driver_running(dq));
    if (dq->q.nr_waiting == 0)
        assert_null(driver_pick(dq));
}

/* As Pintos's test computes it: there, the fraction is cut from what is subtracted. */
static int reference_level_of_test(double recent, int nice)
{
    return 63 - MAX(MIN((int)(recent / 4 + nice * 2), 63), 0);
}

/*
 * What n entities get in 30 s, in ticks: turns of four ticks, who has waited for longest first of
 * the highest level. The first second has a turn less: so Pintos's test has it.
 */
static void reference_ticks(const int nice[], unsigned n, unsigned ticks[])
{
    double load = 0, recent[20] = {0};
    unsigned last_turn[20] = {0};

    memset(ticks, 0, n * sizeof(*ticks));
    for (unsigned turn = 0; turn < 750; turn++) {
        unsigned first = 0;

        if ((turn + 1) % 25 == 0) {
            load = reference_load(load, n);
            for (unsigned i = 0; i < n; i++)
                recent[i] = reference_decay(recent[i], load, nice[i]);
        }
        for (unsigned i = 1; i < n; i++) {
            int best = reference_level_of_test(recent[first], nice[first]);
            int mine = reference_level_of_test(recent[i], nice[i]);

            if (mine > best || (mine == best && last_turn[i] < last_turn[first]))
                first = i;
        }
        last_turn[first] = turn + 1;
        recent[first] += 4;
        ticks[first] += 4;
    }
}

/* ---- load_avg ---------------------------------------------------------------------------- */

/* mlfqs-load-1: above 0.5 after 42 s of one that runs; ten seconds of nobody, and it is below. */
static void pintos_load_1(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de = spawn(dq, 0);
    unsigned seconds = 0;

    for (; load_avg(dq) <= 0.5; seconds++)
        driver_run_for(dq, SEC);
    assert_int_equal(seconds, 42);
    driver_block(dq);
    driver_sleep(10 * SEC);
    let_it_notice(dq);
    assert_near(load_avg(dq), 0.506 * pow(59 / 60.0, 10), 0.002);
    assert_true(load_avg(dq) < 0.5);
    driver_sleep(30 * 24 * 3600 * SEC);
    let_it_notice(dq);
    assert_near(load_avg(dq), 0, 0.002);
    driver_wake(de);
    driver_queue_end(dq);
}

/* The test publishes a value, with two digits, for every other second; these are of every tenth. */
static void check_load(const struct driver_queue *dq, double reference, const double published[],
                       unsigned second)
{
    assert_near(load_avg(dq), reference, 0.005);
    if (second % 10 == 0)
        assert_near(load_avg(dq), published[second / 10], 0.01);
}

/* mlfqs-load-60: 60 run for a minute, at niceness 20 (here 19), and nobody for two more. */
static void pintos_load_60(void **state)
{
    static const double published[] = {1.00,  10.13, 17.84, 24.37, 29.88, 34.54,
                                       37.48, 31.68, 26.78, 22.64, 19.13, 16.17,
                                       13.67, 11.56, 9.77,  8.26,  6.98,  5.90};
    struct driver_queue *dq = new_queue();
    double reference = 0;

    for (unsigned i = 0; i < 60; i++)
        spawn(dq, 19);
    for (unsigned t = 0; t < 180; t++) {
        if (t < 60) {
            driver_run_for(dq, SEC);
        } else {
            driver_sleep(SEC);
            let_it_notice(dq);
        }
        reference = reference_load(reference, t < 60 ? 60 : 0);
        check_load(dq, reference, published, t);
        for (unsigned i = 0; t == 59 && i < 60; i++) {
            driver_decide(dq);
            driver_exit(dq);
        }
    }
    driver_queue_end(dq);
}

/* mlfqs-load-avg: 60 that run for a minute each; each begins a second after the one before. */
static void pintos_load_avg(void **state)
{
    static const double published[] = {0.00,  0.87,  3.16,  6.63,  11.12, 16.46,
                                       22.52, 27.45, 30.06, 30.73, 29.74, 27.36,
                                       23.81, 20.12, 17.01, 14.38, 12.15, 10.27};
    struct driver_queue *dq = new_queue();
    struct driver_queue *elsewhere = driver_queue_new(dq->q.class);
    struct driver_entity *de[60];
    double reference = 0;

    for (unsigned t = 0; t < 180; t++) {
        driver_run_for(dq, SEC);
        reference = reference_load(reference, t < 60 ? t : t < 120 ? 120 - t : 0);
        if (!driver_running(dq))
            let_it_notice(dq);
        check_load(dq, reference, published, t);
        if (t >= 60 && t < 120)
            driver_move(de[t - 60], elsewhere);
        if (t < 60)
            de[t] = spawn(dq, 0);
    }
    driver_queue_end(dq);
    driver_queue_end(elsewhere);
}

/* ---- recent_cpu -------------------------------------------------------------------------- */

/* mlfqs-recent-1: one that runs for three minutes. */
static void pintos_recent_1(void **state)
{
    static const double published[] = {0.00,   30.08,  55.73,  77.60,  96.20,  112.02, 125.46,
                                       136.86, 146.54, 154.75, 161.70, 167.59, 172.58, 176.81,
                                       180.38, 183.41, 185.97, 188.14, 189.97};
    struct driver_queue *dq = new_queue();
    struct driver_entity *de = spawn(dq, 0);
    double load = 0, recent = 0;

    for (unsigned t = 1; t <= 180; t++) {
        driver_run_for(dq, SEC);
        load = reference_load(load, 1);
        recent = reference_decay(recent + 100, load, 0);
        assert_near(load_avg(dq), load, 0.005);
        /* What 14 bits cost: the load is off by up to 0.002, so the factor by as much, of 200
         * ticks. */
        assert_near(recent_cpu(de), recent, 0.1);
        if (t % 10 == 0)
            assert_near(recent_cpu(de), published[t / 10], 0.1);
    }
    driver_queue_end(dq);
}

/* ---- Who gets how much ------------------------------------------------------------------- */

static void check_ticks(const int nice[], unsigned n, const unsigned published[], unsigned margin)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[20];
    unsigned reference[20];

    reference_ticks(nice, n, reference);
    for (unsigned i = 0; i < n; i++)
        de[i] = spawn(dq, nice[i]);
    driver_run_for(dq, 30 * SEC);
    for (unsigned i = 0; i < n; i++) {
        double ticks = (double)de[i]->ran_ns / TICK_NS;

        assert_near(reference[i], published[i], 2);
        assert_near(ticks, published[i], margin);
    }
    driver_queue_end(dq);
}

/* mlfqs-fair-2, -fair-20, -nice-2, -nice-10, with Pintos's margins. */
static void pintos_fair_2(void **state)
{
    check_ticks((int[]){0, 0}, 2, (unsigned[]){1500, 1500}, 50);
}

static void pintos_fair_20(void **state)
{
    static const int nice[20];
    unsigned published[20];

    for (unsigned i = 0; i < 20; i++)
        published[i] = 150;
    check_ticks(nice, 20, published, 20);
}

static void pintos_nice_2(void **state)
{
    check_ticks((int[]){0, 5}, 2, (unsigned[]){1904, 1096}, 50);
}

static void pintos_nice_10(void **state)
{
    check_ticks((int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 10,
                (unsigned[]){672, 588, 492, 408, 316, 232, 152, 92, 40, 8}, 25);
}

/*
 * mlfqs-block: "block" runs for 20 s, and then waits for a lock of "main", which has slept for 25 s
 * and runs for 5 s. When main lets go, "block" has been asleep for 10 s, and comes first.
 */
static void pintos_block(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *main_thread = spawn(dq, 0);
    struct driver_entity *block;

    driver_decide(dq);
    driver_block(dq);
    block = spawn(dq, 0);
    driver_run_for(dq, 20 * SEC);
    driver_block(dq);
    driver_sleep(5 * SEC);
    driver_wake(main_thread);
    driver_run_for(dq, 5 * SEC);
    driver_wake(block);
    assert_ptr_equal(driver_running(dq), block);
    driver_queue_end(dq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pintos_load_1),   cmocka_unit_test(pintos_load_60),
        cmocka_unit_test(pintos_load_avg), cmocka_unit_test(pintos_recent_1),
        cmocka_unit_test(pintos_fair_2),   cmocka_unit_test(pintos_fair_20),
        cmocka_unit_test(pintos_nice_2),   cmocka_unit_test(pintos_nice_10),
        cmocka_unit_test(pintos_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
