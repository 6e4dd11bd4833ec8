/*
 * EEVDF: the lag bound against an ideal CPU, the order among the eligible, fairness to tickets and
 * niceness, and what sleeping, ending, yielding and new weights may not change.
 */

#include "sched_driver.h"

#define MS       NSEC_PER_MSEC
#define SLICE_NS (3 * MS)

static struct driver_queue *new_queue(void)
{
    driver_reset(0);
    return driver_queue_new(driver_class("eevdf"));
}

static struct driver_entity *spawn_nice(struct driver_queue *dq, int8_t nice)
{
    return driver_spawn_params(
        dq, &(struct sched_params){.tickets = SCHED_TICKETS_DEFAULT, .nice = nice});
}

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("eevdf"));
}

/*
 * By hand, in slices. Deadlines are first at virtual times 1/3, 1/2 and 1. After A's turn, A is at
 * 1/3, the mean at 1/6: so B is next, although A's new deadline is as early as any, then A.
 */
static void three_two_one(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 3);
    struct driver_entity *b = driver_spawn_tickets(dq, 2);
    struct driver_entity *c = driver_spawn_tickets(dq, 1);
    struct driver_entity *const expected[] = {a, b, a, c, b, a};

    for (unsigned i = 0; i < ARRAY_LEN(expected); i++)
        assert_ptr_equal(driver_run_slice(dq), expected[i]);
    for (unsigned i = 6; i < 600; i++)
        driver_run_slice(dq);
    assert_in_range(a->ran_ns, 299 * SLICE_NS, 301 * SLICE_NS);
    assert_in_range(b->ran_ns, 199 * SLICE_NS, 201 * SLICE_NS);
    assert_in_range(c->ran_ns, 99 * SLICE_NS, 101 * SLICE_NS);
    driver_queue_end(dq);
}

/* ---- The theorem ---------------------------------------------------------------------------- */

#define FLUID_MAX 40

/* An ideal CPU that serves everybody at once, by tickets. */
struct fluid {
    struct driver_entity *de[FLUID_MAX];
    double served_ns[FLUID_MAX];
    double tickets;
    unsigned nr;
};

static void fluid_run(struct fluid *fluid, uint64_t ns)
{
    for (unsigned i = 0; i < fluid->nr; i++)
        fluid->served_ns[i] += (double)ns * fluid->de[i]->entity.params.tickets / fluid->tickets;
}

static double fluid_lag_ns(const struct fluid *fluid, unsigned i)
{
    return fluid->served_ns[i] - (double)fluid->de[i]->ran_ns;
}

/* A nanosecond for each charge that was rounded would be far too much; a microsecond is for all. */
static void check_lags(const struct fluid *fluid)
{
    for (unsigned i = 0; i < fluid->nr; i++) {
        double lag_ns = fluid_lag_ns(fluid, i);

        if (lag_ns < -(double)SLICE_NS - 1000 || lag_ns > (double)SLICE_NS + 1000)
            fail_msg("lag %.0f ns of one with %u tickets", lag_ns,
                     fluid->de[i]->entity.params.tickets);
    }
}

static void fluid_add(struct fluid *fluid, struct driver_queue *dq, uint32_t tickets)
{
    fluid->de[fluid->nr++] = driver_spawn_tickets(dq, tickets);
    fluid->tickets += tickets;
}

/* Runs to the end of the slice, or is preempted from outside before. */
static void fluid_step(struct fluid *fluid, struct driver_queue *dq, struct rng *rng)
{
    uint64_t ns;

    driver_decide(dq);
    ns = driver_slice_ns(dq);
    if (rng_one_in(rng, 3))
        ns = rng_between(rng, 0, ns);
    driver_charge(dq, ns);
    fluid_run(fluid, ns);
    check_lags(fluid);
    if (rng_one_in(rng, 4))
        driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
}

static void every_lag_is_at_most_a_slice_at_any_time(void **state)
{
    static const uint32_t tickets[] = {1, 2, 3, 10, 50, 100, 100, 100, 1000, 10000, 65536};

    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct driver_queue *dq = new_queue();
        struct rng rng = {seed};
        struct fluid fluid = {.nr = 0};
        unsigned nr = (unsigned)rng_between(&rng, 2, FLUID_MAX);

        while (fluid.nr < nr)
            fluid_add(&fluid, dq, tickets[rng_below(&rng, ARRAY_LEN(tickets))]);
        for (int step = 0; step < 400; step++)
            fluid_step(&fluid, dq, &rng);
        driver_queue_end(dq);
    }
}

/* Under stride scheduling it is one pairwise bound for each of the light ones. */
static void a_heavy_one_among_many_light_ones_is_served_evenly(void **state)
{
    struct driver_queue *dq = new_queue();
    struct rng rng = {1};
    struct fluid fluid = {.nr = 0};

    for (int i = 0; i < 30; i++)
        fluid_add(&fluid, dq, 10);
    fluid_add(&fluid, dq, 300);
    for (int step = 0; step < 100000; step++)
        fluid_step(&fluid, dq, &rng);
    driver_queue_end(dq);
}

/* ---- Any sequence of calls ------------------------------------------------------------------ */

/*
 * With comers and goers there is still a bound, for each pair. Let M wait from before X was picked
 * until X's turn ends. If M is eligible, X's deadline is not after M's, which is at most M's own
 * slice from where M is. If it is not, X began behind it. So X ends at most one slice, its own or
 * M's, beyond M.
 */
struct turns {
    struct seen {
        unsigned epoch;
        enum driver_place place;
        int64_t slice; /* in passes */
    } last[DRIVER_SLOTS];
    bool waits_since_pick[DRIVER_SLOTS][DRIVER_SLOTS]; /* of the running one; who waits */
};

static uint64_t pass_of(const struct driver_entity *de)
{
    return driver_class("eevdf")->pass(de->entity.queue, &de->entity);
}

/* How far a slice moves the pass of one with such params, by experiment. */
static int64_t slice_in_passes(const struct sched_params *params)
{
    const uint64_t now_ns = driver_now_ns;
    struct driver_queue *dq = driver_queue_new(driver_class("eevdf"));
    struct driver_entity *de = driver_spawn_params(dq, params);
    uint64_t pass;

    pass = pass_of(de);
    driver_decide(dq);
    driver_charge(dq, SLICE_NS);
    pass = pass_of(de) - pass;
    driver_queue_end(dq);
    driver_now_ns = now_ns;
    return (int64_t)pass;
}

static void note_turn(struct turns *turns, const struct driver_entity *x,
                      const struct driver_entity *m)
{
    const struct seen *last_x = &turns->last[x->slot], *last_m = &turns->last[m->slot];
    bool *waits = &turns->waits_since_pick[x->slot][m->slot];

    if (last_x->epoch != x->epoch || last_m->epoch != m->epoch || m->place != DRIVER_WAITING ||
        x->place != DRIVER_RUNNING || x->entity.queue != m->entity.queue)
        *waits = false;
    else if (last_x->place == DRIVER_WAITING && last_m->place == DRIVER_WAITING)
        *waits = true;
    if (*waits) {
        int64_t ahead = (int64_t)(pass_of(x) - pass_of(m));
        int64_t bound = MAX(last_x->slice, last_m->slice);

        assert_true(ahead <= bound + bound / 1000);
    }
}

static struct seen see(const struct driver_entity *de, const struct seen *last)
{
    return (struct seen){de->epoch, de->place,
                         de->epoch == last->epoch ? last->slice
                                                  : slice_in_passes(&de->entity.params)};
}

static void check_turns(struct driver_entity *const slots[DRIVER_SLOTS], void *context)
{
    struct turns *turns = context;

    for (unsigned i = 0; i < DRIVER_SLOTS; i++)
        for (unsigned j = 0; j < DRIVER_SLOTS; j++)
            if (i != j && slots[i] && slots[j])
                note_turn(turns, slots[i], slots[j]);
    for (unsigned i = 0; i < DRIVER_SLOTS; i++)
        turns->last[i] = slots[i] ? see(slots[i], &turns->last[i]) : (struct seen){0};
}

static void nobody_runs_a_slice_ahead_of_one_who_waits(void **state)
{
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct turns turns = {.last = {{0}}};

        driver_random(&(struct driver_random){.class = driver_class("eevdf"),
                                              .seed = seed,
                                              .nr_steps = 400,
                                              .varies_priorities = seed % 2 == 0,
                                              .after_step = check_turns,
                                              .context = &turns});
    }
}

static void nobody_is_lost_or_doubled_by_any_sequence_of_calls(void **state)
{
    for (uint64_t seed = 0; seed < 4000; seed++)
        driver_random(&(struct driver_random){.class = driver_class("eevdf"),
                                              .seed = seed,
                                              .nr_steps = 300,
                                              .retunes = true,
                                              .varies_priorities = true});
}

/* ---- Weights -------------------------------------------------------------------------------- */

static void a_thousand_seconds_are_shared_by_tickets(void **state)
{
    static const uint32_t tickets[] = {1, 7, 100, 333, 10000};
    struct driver_entity *de[ARRAY_LEN(tickets)];
    struct driver_queue *dq = new_queue();
    uint64_t all = 0;

    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        de[i] = driver_spawn_tickets(dq, tickets[i]);
        all += tickets[i];
    }
    driver_run_for(dq, 1000 * NSEC_PER_SEC);
    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        uint64_t due_ns = 1000 * NSEC_PER_SEC / all * tickets[i];

        assert_in_range(de[i]->ran_ns + SLICE_NS, due_ns, due_ns + 2 * SLICE_NS);
    }
    driver_queue_end(dq);
}

/* 1.25^5 = 3.0518, 1.25^10 = 9.3132: 1/13.365 of the time, three and nine times that. */
static void each_step_of_nice_is_a_quarter_more(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *low = spawn_nice(dq, 5), *normal = spawn_nice(dq, 0);
    struct driver_entity *high = spawn_nice(dq, -5);

    driver_run_for(dq, 1000 * NSEC_PER_SEC);
    assert_in_range(low->ran_ns, 74500 * MS, 75100 * MS);
    assert_in_range(normal->ran_ns, 228000 * MS, 228700 * MS);
    assert_in_range(high->ran_ns, 696500 * MS, 697300 * MS);
    driver_queue_end(dq);
}

static void neighbours_in_nice_share_five_to_four(void **state)
{
    for (int8_t nice = -20; nice < 19; nice++) {
        struct driver_queue *dq = new_queue();
        struct driver_entity *higher = spawn_nice(dq, nice);
        double ratio;

        spawn_nice(dq, (int8_t)(nice + 1));
        driver_run_for(dq, 90 * NSEC_PER_SEC);
        ratio = (double)higher->ran_ns / (90.0 * NSEC_PER_SEC - (double)higher->ran_ns);
        assert_true(ratio > 1.17 && ratio < 1.33);
        driver_queue_end(dq);
    }
}

static void new_tickets_hold_at_once(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq), *b = driver_spawn(dq);
    uint64_t before_ns;

    driver_run_for(dq, 100 * MS);
    driver_set_tickets(a, 300);
    before_ns = b->ran_ns;
    driver_run_for(dq, 4 * NSEC_PER_SEC);
    assert_in_range(b->ran_ns - before_ns, NSEC_PER_SEC - 2 * SLICE_NS,
                    NSEC_PER_SEC + 2 * SLICE_NS);
    driver_queue_end(dq);
}

/* Otherwise, one could run for ever by being nice to itself twice in a slice. */
static void new_weights_do_not_prolong_a_turn(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq), *b = driver_spawn(dq);

    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), a);
    for (unsigned i = 0; i < 10 && driver_running(dq) == a; i++) {
        driver_charge(dq, MIN(MS, driver_slice_ns(dq)));
        driver_set_tickets(a, i % 2 == 0 ? 99 : 100);
        driver_decide(dq);
    }
    assert_ptr_equal(driver_running(dq), b);
    assert_in_range(a->ran_ns, SLICE_NS - 1000, SLICE_NS + 1000);
    driver_queue_end(dq);
}

static void one_that_is_preempted_goes_on_with_its_slice(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq), *b = driver_spawn(dq);

    driver_decide(dq);
    driver_charge(dq, MS);
    driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
    assert_ptr_equal(driver_run_slice(dq), b);
    assert_ptr_equal(driver_running(dq), a);
    assert_in_range(driver_slice_ns(dq), 2 * MS, 2 * MS + 1);
    driver_queue_end(dq);
}

/* ---- Sleepers ------------------------------------------------------------------------------- */

/* `sleeper` runs for run_ns at each turn, as far as its slice goes, and then sleeps for a moment.
 */
static void run_with_sleeper(struct driver_queue *dq, struct driver_entity *sleeper,
                             uint64_t run_ns, uint64_t total_ns)
{
    uint64_t end_ns = driver_now_ns + total_ns;

    driver_decide(dq);
    while (driver_now_ns < end_ns) {
        if (driver_running(dq) != sleeper) {
            driver_run_slice(dq);
            continue;
        }
        driver_charge(dq, MIN(run_ns, driver_slice_ns(dq)));
        driver_block(dq);
        driver_run_for(dq, 1000);
        driver_wake(sleeper);
        driver_decide(dq);
    }
}

static void naps_neither_win_nor_lose_time(void **state)
{
    static const uint64_t run_ns[] = {MS / 10, MS, 2 * MS, 3 * MS};
    static const uint32_t tickets[] = {50, 100, 300, 600};

    for (unsigned i = 0; i < ARRAY_LEN(run_ns); i++) {
        for (unsigned j = 0; j < ARRAY_LEN(tickets); j++) {
            struct driver_queue *dq = new_queue();
            struct driver_entity *sleeper = driver_spawn_tickets(dq, tickets[j]);
            uint64_t due_ns = 100 * NSEC_PER_SEC * tickets[j] / (tickets[j] + 400);

            driver_spawn_tickets(dq, 300);
            driver_spawn_tickets(dq, 100);
            run_with_sleeper(dq, sleeper, run_ns[i], 100 * NSEC_PER_SEC);
            assert_in_range(sleeper->ran_ns, due_ns * 95 / 100, due_ns * 105 / 100);
            driver_queue_end(dq);
        }
    }
}

static void a_long_sleep_earns_nothing_and_costs_nothing(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *sleeper = driver_spawn(dq);
    uint64_t before_ns;

    driver_spawn(dq);
    driver_spawn(dq);
    driver_decide(dq);
    driver_charge(dq, MS);
    driver_block(dq);
    driver_run_for(dq, 3600 * NSEC_PER_SEC);
    driver_wake(sleeper);
    before_ns = sleeper->ran_ns;
    driver_run_for(dq, 3 * NSEC_PER_SEC);
    assert_in_range(sleeper->ran_ns - before_ns, NSEC_PER_SEC - 2 * SLICE_NS,
                    NSEC_PER_SEC + 2 * SLICE_NS);
    driver_queue_end(dq);
}

/*
 * A has 2.7 ms before anybody else has anything, and sleeps. Back with so many tickets, it runs so
 * long after it woke.
 */
static uint64_t delay_of_one_who_was_ahead_ns(uint32_t tickets)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq);
    uint64_t woken_ns;

    for (int i = 0; i < 10; i++)
        driver_spawn(dq);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), a);
    driver_charge(dq, 2700 * NSEC_PER_USEC);
    driver_block(dq);
    driver_run_for(dq, 30 * NSEC_PER_SEC);
    driver_set_tickets(a, tickets);
    driver_wake(a);
    woken_ns = driver_now_ns;
    while (driver_running(dq) != a)
        driver_run_slice(dq);
    driver_queue_end(dq);
    return driver_now_ns - woken_ns;
}

/* It is eligible when the ten others have had 27 ms, and due when they have had 30 ms more. */
static void who_leaves_ahead_comes_back_ahead(void **state)
{
    assert_in_range(delay_of_one_who_was_ahead_ns(100), 27 * MS - SLICE_NS, 57 * MS + SLICE_NS);
}

/* What it had is the same running time, which stands for ten times the virtual time. */
static void new_tickets_of_a_sleeper_scale_its_lag(void **state)
{
    assert_in_range(delay_of_one_who_was_ahead_ns(10), 245 * MS - SLICE_NS, 570 * MS);
}

/*
 * A sleeps when it has had 1 ms and B 3 ms. When it wakes, B has had 4 ms and is due at 6 ms; A,
 * still 2 ms behind B, at 5 ms.
 */
static void one_who_is_owed_time_preempts_when_it_wakes(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq), *b = driver_spawn(dq);

    driver_decide(dq);
    driver_charge(dq, MS);
    driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
    assert_ptr_equal(driver_run_slice(dq), b);
    assert_ptr_equal(driver_running(dq), a);
    driver_block(dq);
    driver_decide(dq);
    driver_charge(dq, MS);
    driver_wake(a);
    assert_ptr_equal(driver_running(dq), a);
    assert_int_equal(driver_slice_ns(dq), SLICE_NS);
    driver_queue_end(dq);
}

static void one_who_is_ahead_does_not_preempt_when_it_wakes(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq);

    driver_spawn(dq);
    driver_decide(dq);
    driver_charge(dq, MS);
    driver_block(dq);
    driver_decide(dq);
    driver_charge(dq, MS / 2);
    driver_wake(a);
    assert_int_equal(a->place, DRIVER_WAITING);
    assert_false(driver_preempts(a));
    driver_queue_end(dq);
}

/* Its slice is the same, but at ten times the weight it is due ten times as early. */
static void a_heavier_one_is_due_earlier_and_preempts(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *heavy = driver_spawn_tickets(dq, 1000);
    struct driver_entity *light = driver_spawn_tickets(dq, 100);

    driver_decide(dq);
    driver_block(dq);
    driver_decide(dq);
    driver_charge(dq, MS / 10);
    driver_wake(heavy);
    assert_ptr_equal(driver_running(dq), heavy);
    assert_int_equal(light->place, DRIVER_WAITING);
    driver_queue_end(dq);
}

static void a_heavier_one_that_is_ahead_does_not_preempt(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *heavy = driver_spawn_tickets(dq, 1000);

    driver_spawn_tickets(dq, 100);
    driver_decide(dq);
    driver_charge(dq, SLICE_NS - MS / 10);
    driver_block(dq);
    driver_decide(dq);
    driver_wake(heavy);
    assert_int_equal(heavy->place, DRIVER_WAITING);
    assert_false(driver_preempts(heavy));
    driver_queue_end(dq);
}

/* ---- Newcomers ------------------------------------------------------------------------------ */

/* Each one runs for a millisecond, makes the next (then its `slot` says so), and ends. */
static void a_chain_of_short_lives_starves_nobody(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *hog = driver_spawn_tickets(dq, 100);
    uint64_t end_ns;

    driver_run_for(dq, SLICE_NS);
    driver_spawn_tickets(dq, 1000);
    end_ns = driver_now_ns + 11 * NSEC_PER_SEC;
    driver_decide(dq);
    while (driver_now_ns < end_ns) {
        struct driver_entity *running = driver_running(dq);

        if (running == hog) {
            driver_run_slice(dq);
        } else if (running->slot == 1) {
            driver_exit(dq);
        } else {
            driver_charge(dq, MS);
            running->slot = 1;
            driver_spawn_tickets(dq, 1000);
        }
        driver_decide(dq);
    }
    assert_true(hog->ran_ns >= 900 * MS);
    driver_queue_end(dq);
}

/* Never two of them at once: when one ends, virtual time falls back to where the hog is. */
static void short_lives_one_after_the_other_starve_nobody(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *hog = driver_spawn_tickets(dq, 100);

    for (int i = 0; i < 10000; i++) {
        struct driver_entity *child = driver_spawn_tickets(dq, 1000);

        driver_decide(dq);
        while (driver_running(dq) != child)
            driver_run_slice(dq);
        driver_charge(dq, MS);
        driver_exit(dq);
    }
    assert_true(hog->ran_ns >= 950 * MS);
    driver_queue_end(dq);
}

/* A hog, and many who end when they have had a slice: so they end in debt. */
static struct driver_queue *new_queue_with_debts(void)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *hog = driver_spawn_tickets(dq, 100);

    for (unsigned i = 0; i < 100; i++)
        driver_spawn_tickets(dq, 100);
    driver_decide(dq);
    for (unsigned nr_left = 100; nr_left > 0; driver_decide(dq)) {
        bool is_hog = driver_running(dq) == hog;

        driver_charge(dq, MIN(SLICE_NS, driver_slice_ns(dq)));
        if (is_hog)
            continue;
        driver_exit(dq);
        nr_left--;
    }
    return dq;
}

/* What the last of them left is a slice at most, for a newcomer. */
static void many_short_lives_do_not_delay_a_newcomer(void **state)
{
    struct driver_queue *dq = new_queue_with_debts();
    struct driver_entity *newcomer = driver_spawn_tickets(dq, 100);

    driver_run_for(dq, 20 * SLICE_NS);
    assert_in_range(newcomer->ran_ns, 9 * SLICE_NS, 11 * SLICE_NS);
    driver_queue_end(dq);
}

static void debts_are_forgotten_when_nobody_is_left_to_be_paid(void **state)
{
    struct driver_queue *dq = new_queue_with_debts();
    struct driver_entity *a, *b;

    driver_exit(dq);
    a = driver_spawn(dq);
    b = driver_spawn(dq);
    assert_ptr_equal(driver_run_slice(dq), a);
    assert_ptr_equal(driver_run_slice(dq), b);
    driver_queue_end(dq);
}

/* ---- Yields, and limits --------------------------------------------------------------------- */

static void a_yield_lets_somebody_else_run(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 10000);
    struct driver_entity *b = driver_spawn_tickets(dq, 1);

    assert_ptr_equal(driver_run_slice(dq), a);
    for (int i = 0; i < 1000; i++) {
        while (driver_running(dq) != a) {
            driver_charge(dq, driver_slice_ns(dq));
            driver_decide(dq);
        }
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
        assert_ptr_equal(driver_pick(dq), b);
    }
    driver_queue_end(dq);
}

static void a_yield_of_one_who_is_alone_costs_it_nothing(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq), *b;

    for (int i = 0; i < 1000; i++) {
        driver_decide(dq);
        driver_charge(dq, MS);
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    }
    b = driver_spawn(dq);
    driver_run_for(dq, NSEC_PER_SEC);
    assert_in_range(a->ran_ns, 1500 * MS - SLICE_NS, 1500 * MS + SLICE_NS);
    assert_in_range(b->ran_ns, 500 * MS - SLICE_NS, 500 * MS + SLICE_NS);
    driver_queue_end(dq);
}

/* With one ticket, or 16 of weight, a vruntime wraps after 2^40 ns, or 1099.5 s. */
static void vruntimes_may_wrap_round(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 1);
    struct driver_entity *b = driver_spawn_tickets(dq, 2);
    uint64_t before_ns = 0;

    for (unsigned i = 1; i <= 1200; i++) {
        driver_run_for(dq, 3 * NSEC_PER_SEC);
        assert_in_range(a->ran_ns - before_ns, NSEC_PER_SEC - 2 * SLICE_NS,
                        NSEC_PER_SEC + 2 * SLICE_NS);
        before_ns = a->ran_ns;
    }
    assert_in_range(b->ran_ns, 2400 * NSEC_PER_SEC - SLICE_NS, 2400 * NSEC_PER_SEC + SLICE_NS);
    driver_queue_end(dq);
}

static void hours_alone_are_no_advantage_and_no_debt(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 1), *b;
    uint64_t before_ns;

    driver_decide(dq);
    for (int i = 0; i < 5; i++)
        driver_charge(dq, 36000 * NSEC_PER_SEC);
    b = driver_spawn_tickets(dq, 1);
    before_ns = a->ran_ns;
    driver_run_for(dq, NSEC_PER_SEC);
    assert_in_range(b->ran_ns, 500 * MS - SLICE_NS, 500 * MS + SLICE_NS);
    assert_in_range(a->ran_ns - before_ns, 500 * MS - SLICE_NS, 500 * MS + SLICE_NS);
    driver_queue_end(dq);
}

/* All of the greatest weight: what is multiplied and divided on the way still fits. */
static void a_thousand_heavy_ones_have_a_turn_each(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[1000];

    for (unsigned i = 0; i < ARRAY_LEN(de); i++)
        de[i] = driver_spawn_params(dq, &(struct sched_params){.tickets = 65536, .nice = -20});
    driver_decide(dq);
    driver_run_for(dq, ARRAY_LEN(de) * SLICE_NS);
    for (unsigned i = 0; i < ARRAY_LEN(de); i++)
        assert_in_range(de[i]->ran_ns, SLICE_NS, SLICE_NS + 1);
    driver_queue_end(dq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_in_order),
        cmocka_unit_test(three_two_one),
        cmocka_unit_test(every_lag_is_at_most_a_slice_at_any_time),
        cmocka_unit_test(a_heavy_one_among_many_light_ones_is_served_evenly),
        cmocka_unit_test(a_thousand_seconds_are_shared_by_tickets),
        cmocka_unit_test(each_step_of_nice_is_a_quarter_more),
        cmocka_unit_test(neighbours_in_nice_share_five_to_four),
        cmocka_unit_test(new_tickets_hold_at_once),
        cmocka_unit_test(new_weights_do_not_prolong_a_turn),
        cmocka_unit_test(one_that_is_preempted_goes_on_with_its_slice),
        cmocka_unit_test(naps_neither_win_nor_lose_time),
        cmocka_unit_test(a_long_sleep_earns_nothing_and_costs_nothing),
        cmocka_unit_test(who_leaves_ahead_comes_back_ahead),
        cmocka_unit_test(new_tickets_of_a_sleeper_scale_its_lag),
        cmocka_unit_test(one_who_is_owed_time_preempts_when_it_wakes),
        cmocka_unit_test(one_who_is_ahead_does_not_preempt_when_it_wakes),
        cmocka_unit_test(a_heavier_one_is_due_earlier_and_preempts),
        cmocka_unit_test(a_heavier_one_that_is_ahead_does_not_preempt),
        cmocka_unit_test(a_chain_of_short_lives_starves_nobody),
        cmocka_unit_test(short_lives_one_after_the_other_starve_nobody),
        cmocka_unit_test(many_short_lives_do_not_delay_a_newcomer),
        cmocka_unit_test(debts_are_forgotten_when_nobody_is_left_to_be_paid),
        cmocka_unit_test(a_yield_lets_somebody_else_run),
        cmocka_unit_test(a_yield_of_one_who_is_alone_costs_it_nothing),
        cmocka_unit_test(vruntimes_may_wrap_round),
        cmocka_unit_test(hours_alone_are_no_advantage_and_no_debt),
        cmocka_unit_test(a_thousand_heavy_ones_have_a_turn_each),
        cmocka_unit_test(nobody_runs_a_slice_ahead_of_one_who_waits),
        cmocka_unit_test(nobody_is_lost_or_doubled_by_any_sequence_of_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
