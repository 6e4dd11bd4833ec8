/*
 * The scheduler of 4.4BSD against published figures: those of Pintos's tests
 * src/tests/threads/mlfqs-* (what they expect is in their comments) and the formulas of its manual,
 * here once more in floating point; then the rules one by one, and anything at random.
 */

#include "sched_driver.h"

/* Its load_avg and recent_cpu are nobody else's business, and yet what the figures are about. */
#include "../../sched/classes/bsd.c"

#include <math.h>

#define MS  NSEC_PER_MSEC
#define SEC NSEC_PER_SEC

/* When a test's time begins: at a whole second. */
#define START_NS (1000 * SEC)

static struct driver_queue *new_queue(void)
{
    driver_reset(0);
    driver_now_ns = START_NS;
    return driver_queue_new(driver_class("bsd"));
}

static struct driver_entity *spawn(struct driver_queue *dq, int nice)
{
    return driver_spawn_params(dq, &(struct sched_params){.tickets = 1, .nice = (int8_t)nice});
}

static void set_nice(struct driver_entity *de, int nice)
{
    struct sched_params params = de->entity.params;

    params.nice = (int8_t)nice;
    driver_set_params(de, &params);
}

static double load_avg(const struct driver_queue *dq)
{
    return (double)queue_of(&dq->q)->load_avg / ONE;
}

static double recent_cpu(const struct driver_entity *de)
{
    return (double)state_of(&de->entity)->recent_cpu / ONE;
}

static int level(const struct driver_entity *de)
{
    return (int)state_of(&de->entity)->level;
}

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

static void assert_near(double value, double expected, double margin)
{
    if (fabs(value - expected) > margin)
        fail_msg("%f, but should be within %f of %f", value, margin, expected);
}

/* Somebody calls the queue, as happens all the time: seconds that have begun are noticed. */
static void let_it_notice(struct driver_queue *dq)
{
    assert_null(driver_running(dq));
    if (dq->q.nr_waiting == 0)
        assert_null(driver_pick(dq));
}

/* ---- The formulas, in floating point ----------------------------------------------------- */

static double reference_load(double load, unsigned nr_ready)
{
    return load * 59 / 60 + nr_ready / 60.0;
}

static double reference_decay(double recent, double load, int nice)
{
    return recent * (2 * load) / (2 * load + 1) + nice;
}

static int reference_level(double recent, int nice)
{
    int value = (int)(63 - recent / 4 - nice * 2);

    return MAX(MIN(value, 63), 0);
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

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("bsd"));
}

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

struct published {
    unsigned second;
    double value;
};

/* Values that the Pintos test publishes with two digits; -1 marks nothing to compare at t. */
static double published_at(const struct published *table, unsigned n, unsigned second)
{
    for (unsigned i = 0; i < n; i++)
        if (table[i].second == second)
            return table[i].value;
    return -1;
}

/* A tenth of a percent, and half of a last digit: that of Pintos is 3.5, and 2.5 for load-avg. */
static void check_load(const struct driver_queue *dq, double reference,
                       const struct published *table, unsigned n, unsigned second)
{
    double value = published_at(table, n, second);

    assert_near(load_avg(dq), reference, 0.005);
    if (value >= 0)
        assert_near(load_avg(dq), value, 0.01);
}

/* mlfqs-load-60: 60 run for a minute, at niceness 20 (here 19), and nobody for two more. */
static void pintos_load_60(void **state)
{
    static const struct published table[] = {
        {0, 1.00},    {2, 2.95},   {10, 10.13},  {20, 17.84},  {30, 24.37},
        {40, 29.88},  {50, 34.54}, {58, 37.74},  {60, 37.48},  {70, 31.68},
        {80, 26.78},  {90, 22.64}, {100, 19.13}, {110, 16.17}, {120, 13.67},
        {130, 11.56}, {140, 9.77}, {150, 8.26},  {160, 6.98},  {178, 5.16},
    };
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
        check_load(dq, reference, table, ARRAY_LEN(table), t);
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
    static const struct published table[] = {
        {0, 0.00},    {2, 0.05},    {10, 0.87},   {20, 3.16},   {30, 6.63},
        {40, 11.12},  {50, 16.46},  {60, 22.52},  {70, 27.45},  {80, 30.06},
        {88, 30.74},  {90, 30.73},  {100, 29.74}, {110, 27.36}, {120, 23.81},
        {130, 20.12}, {140, 17.01}, {150, 14.38}, {160, 12.15}, {178, 8.98},
    };
    struct driver_queue *dq = new_queue();
    struct driver_queue *elsewhere = driver_queue_new(dq->q.class);
    struct driver_entity *de[60];
    double reference = 0;

    for (unsigned t = 0; t < 180; t++) {
        driver_run_for(dq, SEC);
        reference = reference_load(reference, t < 60 ? t : t < 120 ? 120 - t : 0);
        if (!driver_running(dq))
            let_it_notice(dq);
        check_load(dq, reference, table, ARRAY_LEN(table), t);
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
    static const struct published table[] = {
        {2, 6.40},     {4, 12.60},    {6, 18.61},    {8, 24.44},    {10, 30.08},   {20, 55.73},
        {30, 77.60},   {40, 96.20},   {50, 112.02},  {60, 125.46},  {70, 136.86},  {80, 146.54},
        {90, 154.75},  {100, 161.70}, {110, 167.59}, {120, 172.58}, {130, 176.81}, {140, 180.38},
        {150, 183.41}, {160, 185.97}, {170, 188.14}, {180, 189.97},
    };
    struct driver_queue *dq = new_queue();
    struct driver_entity *de = spawn(dq, 0);
    double load = 0, recent = 0;

    for (unsigned t = 1; t <= 180; t++) {
        double value = published_at(table, ARRAY_LEN(table), t);

        driver_run_for(dq, SEC);
        load = reference_load(load, 1);
        recent = reference_decay(recent + 100, load, 0);
        assert_near(load_avg(dq), load, 0.005);
        /* What truncation costs: 2^-14 of 200 ticks a second, of which a third is forgotten. */
        assert_near(recent_cpu(de), recent, 0.1);
        if (value >= 0)
            assert_near(recent_cpu(de), value, 0.1);
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

/* ---- Rules ------------------------------------------------------------------------------- */

static void a_level_follows_from_recent_cpu_and_niceness(void **state)
{
    static const struct {
        int recent, nice, level;
    } row[] = {
        {0, 0, 63},    {3, 0, 62},     {4, 0, 62},   {5, 0, 61},    {40, 0, 53},    {200, 0, 13},
        {0, 1, 61},    {40, 5, 43},    {0, 19, 25},  {100, 19, 0},  {99999, 0, 0},  {0, -20, 63},
        {80, -20, 63}, {240, -20, 43}, {-40, 0, 63}, {-40, 10, 53}, {99999, 19, 0},
    };

    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct bsd_entity be = {.recent_cpu = row[i].recent * ONE};

        assert_int_equal(level_of(&be, row[i].nice), row[i].level);
        assert_int_equal(reference_level(row[i].recent, row[i].nice), row[i].level);
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
        cmocka_unit_test(pintos_load_1),
        cmocka_unit_test(pintos_load_60),
        cmocka_unit_test(pintos_load_avg),
        cmocka_unit_test(pintos_recent_1),
        cmocka_unit_test(pintos_fair_2),
        cmocka_unit_test(pintos_fair_20),
        cmocka_unit_test(pintos_nice_2),
        cmocka_unit_test(pintos_nice_10),
        cmocka_unit_test(pintos_block),
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
