/*
 * Stride scheduling: the textbooks' tables, the error bound in any sequence of calls, and what
 * sleeping, leaving and new tickets may not change.
 */

#include "sched_driver.h"

#define MS         NSEC_PER_MSEC
#define QUANTUM_NS (5 * MS)

static struct driver_queue *new_queue(void)
{
    driver_reset(0);
    return driver_queue_new(driver_class("stride"));
}

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("stride"));
}

/* OSTEP chapter 9: A, B and C with 100, 50 and 250 tickets; strides 100, 200 and 40. */
static void the_table_of_ostep(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 100);
    struct driver_entity *b = driver_spawn_tickets(dq, 50);
    struct driver_entity *c = driver_spawn_tickets(dq, 250);
    struct driver_entity *const expected[] = {a, b, c, c, c, a, c, c};

    for (unsigned i = 0; i < ARRAY_LEN(expected); i++)
        assert_ptr_equal(driver_run_slice(dq), expected[i]);
    for (unsigned i = ARRAY_LEN(expected); i < 40; i++)
        driver_run_slice(dq);
    assert_int_equal(a->ran_ns, 10 * QUANTUM_NS);
    assert_int_equal(b->ran_ns, 5 * QUANTUM_NS);
    assert_int_equal(c->ran_ns, 25 * QUANTUM_NS);
    driver_queue_end(dq);
}

/*
 * Waldspurger and Weihl, section 2: 3:2:1. (There, all start one stride ahead, which changes the
 * order within a round, not the round.)
 */
static void the_table_of_waldspurger(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 3);
    struct driver_entity *b = driver_spawn_tickets(dq, 2);
    struct driver_entity *c = driver_spawn_tickets(dq, 1);
    struct driver_entity *const expected[] = {a, b, c, a, b, a};

    for (unsigned round = 1; round <= 100; round++) {
        for (unsigned i = 0; i < ARRAY_LEN(expected); i++) {
            struct driver_entity *ran = driver_run_slice(dq);

            if (round == 1)
                assert_ptr_equal(ran, expected[i]);
        }
        assert_int_equal(a->ran_ns, 3 * round * QUANTUM_NS);
        assert_int_equal(b->ran_ns, 2 * round * QUANTUM_NS);
        assert_int_equal(c->ran_ns, round * QUANTUM_NS);
    }
    driver_queue_end(dq);
}

/*
 * The guarantee, literally: take any two entities and any time in which both were present with the
 * same tickets. Of what the two got together, neither got more than a quantum beyond its part,
 * which is to say that |ran_i * tickets_j - ran_j * tickets_i| <= quantum * (tickets_i +
 * tickets_j). Over *any* time, if it holds for the difference of the highest and the lowest value
 * so far.
 */
struct pair {
    unsigned epoch_i, epoch_j;
    int64_t from_ran_i, from_ran_j;
    int64_t lowest, highest;
};

struct pairs {
    struct pair of[DRIVER_SLOTS][DRIVER_SLOTS];
    int64_t quantum_ns;
};

static void check_pair(struct pair *pair, const struct driver_entity *i,
                       const struct driver_entity *j, int64_t quantum_ns)
{
    int64_t tickets_i = i->entity.params.tickets, tickets_j = j->entity.params.tickets;
    int64_t weighted;

    if (pair->epoch_i != i->epoch || pair->epoch_j != j->epoch)
        *pair = (struct pair){i->epoch, j->epoch, (int64_t)i->ran_ns, (int64_t)j->ran_ns, 0, 0};
    weighted = ((int64_t)i->ran_ns - pair->from_ran_i) * tickets_j -
               ((int64_t)j->ran_ns - pair->from_ran_j) * tickets_i;
    pair->lowest = MIN(pair->lowest, weighted);
    pair->highest = MAX(pair->highest, weighted);
    /* A microsecond for what the fixed point rounds away. */
    assert_true(pair->highest - pair->lowest <= (quantum_ns + 1000) * (tickets_i + tickets_j));
}

static void check_pairs(struct driver_entity *const slots[DRIVER_SLOTS], void *context)
{
    struct pairs *pairs = context;

    for (unsigned i = 0; i < DRIVER_SLOTS; i++) {
        for (unsigned j = 0; j < i; j++) {
            struct pair *pair = &pairs->of[i][j];

            if (slots[i] && slots[j] && slots[i]->place != DRIVER_AWAY &&
                slots[j]->place != DRIVER_AWAY && slots[i]->entity.queue == slots[j]->entity.queue)
                check_pair(pair, slots[i], slots[j], pairs->quantum_ns);
            else
                pair->epoch_i = 0;
        }
    }
}

static void the_error_is_at_most_one_quantum_per_pair_at_any_time(void **state)
{
    for (uint64_t seed = 0; seed < 6000; seed++) {
        struct pairs pairs = {.quantum_ns = QUANTUM_NS};

        driver_random(&(struct driver_random){.class = driver_class("stride"),
                                              .seed = seed,
                                              .nr_steps = 400,
                                              .after_step = check_pairs,
                                              .context = &pairs});
    }
}

static void nobody_is_lost_or_doubled_by_any_sequence_of_calls(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++)
        driver_random(&(struct driver_random){
            .class = driver_class("stride"), .seed = seed, .nr_steps = 300, .retunes = true});
}

static void a_thousand_seconds_are_shared_exactly(void **state)
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

        /* At most a quantum to each of the four others. */
        assert_in_range(de[i]->ran_ns + 4 * QUANTUM_NS, due_ns, due_ns + 8 * QUANTUM_NS);
    }
    driver_queue_end(dq);
}

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
    static const uint64_t run_ns[] = {MS / 10, MS, 4 * MS, 5 * MS};
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
    assert_in_range(sleeper->ran_ns - before_ns, NSEC_PER_SEC - QUANTUM_NS,
                    NSEC_PER_SEC + QUANTUM_NS);
    driver_queue_end(dq);
}

/*
 * Of two, one sleeps now and then. Over all the time that both are there, whatever is between:
 * neither gets more than a quantum beyond its part.
 */
static void sleep_between_does_not_add_to_the_error(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct rng rng = {seed};
        int64_t tickets_a = (int64_t)rng_between(&rng, 1, 1000);
        int64_t tickets_b = (int64_t)rng_between(&rng, 1, 1000);
        int64_t error = 0, lowest = 0, highest = 0;
        struct driver_entity *a, *b;
        struct driver_queue *dq;

        driver_reset(seed);
        dq = driver_queue_new(driver_class("stride"));
        a = driver_spawn_tickets(dq, (uint32_t)tickets_a);
        b = driver_spawn_tickets(dq, (uint32_t)tickets_b);
        for (unsigned step = 0; step < 300; step++) {
            uint64_t ran_ns;

            driver_decide(dq);
            ran_ns = rng_one_in(&rng, 2) ? driver_slice_ns(dq)
                                         : rng_between(&rng, 0, driver_slice_ns(dq));
            driver_charge(dq, ran_ns);
            error += (int64_t)ran_ns * (driver_running(dq) == a ? tickets_b : -tickets_a);
            lowest = MIN(lowest, error);
            highest = MAX(highest, error);
            /* A microsecond for what the fixed point rounds away, which adds up. */
            assert_true(highest - lowest <= (int64_t)(QUANTUM_NS + 1000) * (tickets_a + tickets_b));
            if (driver_running(dq) == b || rng_one_in(&rng, 2))
                continue;
            driver_block(dq);
            driver_run_for(dq, rng_below(&rng, 100 * MS));
            driver_wake(a);
        }
        driver_queue_end(dq);
    }
}

/* 0.95 quanta ahead of one with ten times the tickets: that one has its tenth turn, then `a`. */
static void check_lead_of_nine_and_a_half_quanta(struct driver_queue *dq,
                                                 const struct driver_entity *a,
                                                 const struct driver_entity *b)
{
    driver_decide(dq);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(driver_run_slice(dq), b);
    assert_ptr_equal(driver_run_slice(dq), a);
    driver_queue_end(dq);
}

static void who_leaves_with_a_debt_comes_back_with_it(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 100);
    struct driver_entity *b = driver_spawn_tickets(dq, 1000);

    driver_decide(dq);
    driver_charge(dq, QUANTUM_NS * 95 / 100);
    driver_block(dq);
    driver_run_for(dq, 30 * NSEC_PER_SEC);
    driver_wake(a);
    check_lead_of_nine_and_a_half_quanta(dq, a, b);
}

static void new_tickets_scale_a_lead_to_the_same_running_time(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 100);
    struct driver_entity *b = driver_spawn_tickets(dq, 100);

    driver_decide(dq);
    driver_charge(dq, QUANTUM_NS * 95 / 100);
    driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
    driver_set_tickets(a, 10);
    check_lead_of_nine_and_a_half_quanta(dq, a, b);
}

static void new_tickets_of_a_sleeper_scale_its_lead_too(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 100);
    struct driver_entity *b = driver_spawn_tickets(dq, 100);

    driver_decide(dq);
    driver_charge(dq, QUANTUM_NS * 95 / 100);
    driver_block(dq);
    driver_set_tickets(a, 10);
    driver_wake(a);
    check_lead_of_nine_and_a_half_quanta(dq, a, b);
}

/*
 * A machine that stood still for 73 minutes: all that is charged to `a`, while `b` waited. However
 * much `b` is owed, it stays on the side of those who are owed, with any number of tickets.
 */
static void new_tickets_do_not_wrap_what_a_sleeper_is_owed(void **state)
{
    static const uint32_t tickets[] = {1, 2, 100, 65535, 65536};

    for (unsigned i = 0; i < ARRAY_LEN(tickets); i++) {
        for (unsigned j = 0; j < ARRAY_LEN(tickets); j++) {
            struct driver_queue *dq = new_queue();
            struct driver_entity *a = driver_spawn_tickets(dq, 1);
            struct driver_entity *b = driver_spawn_tickets(dq, tickets[i]);

            driver_decide(dq);
            assert_ptr_equal(driver_running(dq), a);
            driver_charge(dq, 4398000 * MS);
            driver_decide(dq);
            driver_charge(dq, MS);
            driver_block(dq);
            driver_decide(dq);
            driver_set_tickets(b, tickets[j]);
            driver_wake(b);
            assert_ptr_equal(driver_running(dq), b);
            driver_queue_end(dq);
        }
    }
}

/* The other way round: `a` ran too long, and sleeps. It waits for its turn, and not for ever. */
static void new_tickets_do_not_wrap_what_a_sleeper_owes(void **state)
{
    static const uint32_t tickets[] = {1, 2, 100, 65535, 65536};

    for (unsigned i = 0; i < ARRAY_LEN(tickets); i++) {
        for (unsigned j = 0; j < ARRAY_LEN(tickets); j++) {
            struct driver_queue *dq = new_queue();
            struct driver_entity *a = driver_spawn_tickets(dq, tickets[i]);
            struct driver_entity *b = driver_spawn_tickets(dq, 1);

            driver_decide(dq);
            assert_ptr_equal(driver_running(dq), a);
            driver_charge(dq, 4398000 * MS);
            driver_block(dq);
            driver_decide(dq);
            driver_charge(dq, MS);
            driver_set_tickets(a, tickets[j]);
            driver_wake(a);
            assert_ptr_equal(driver_running(dq), b);
            for (uint32_t turns = 0; driver_running(dq) != a; turns++) {
                assert_true(turns <= 2);
                driver_run_slice(dq);
            }
            driver_queue_end(dq);
        }
    }
}

static void new_tickets_end_the_turn(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 100);
    struct driver_entity *b = driver_spawn_tickets(dq, 100);

    driver_decide(dq);
    driver_charge(dq, MS);
    driver_set_tickets(a, 1);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), b);
    driver_queue_end(dq);
}

/* The fork loop of a shell script: without care, each short life would push later joiners back. */
static void many_short_lives_do_not_delay_a_newcomer(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *newcomer;

    driver_spawn_tickets(dq, 1000);
    for (int i = 0; i < 1000; i++) {
        struct driver_entity *child = driver_spawn_tickets(dq, 100);

        driver_decide(dq);
        while (driver_running(dq) != child)
            driver_run_slice(dq);
        driver_charge(dq, QUANTUM_NS);
        driver_exit(dq);
        driver_decide(dq);
    }
    newcomer = driver_spawn_tickets(dq, 100);
    driver_run_for(dq, 110 * QUANTUM_NS);
    assert_in_range(newcomer->ran_ns, 9 * QUANTUM_NS, 11 * QUANTUM_NS);
    driver_queue_end(dq);
}

/* Each one runs for a millisecond, makes the next (then its `slot` says so), and ends. */
static void a_chain_of_short_lives_starves_nobody(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *hog = driver_spawn_tickets(dq, 100);
    uint64_t end_ns;

    driver_run_for(dq, QUANTUM_NS);
    driver_spawn_tickets(dq, 1000);
    end_ns = driver_now_ns + 10 * NSEC_PER_SEC;
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
    assert_true(hog->ran_ns >= 800 * MS);
    driver_queue_end(dq);
}

/* With one ticket, a pass wraps after 2^44 ns, or 17592.2 s. */
static void passes_may_wrap_round(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 1);
    struct driver_entity *b;
    uint64_t before_ns;

    driver_decide(dq);
    for (int i = 0; i < 4; i++)
        driver_charge(dq, 4397750 * MS);
    b = driver_spawn_tickets(dq, 2);
    before_ns = a->ran_ns;
    for (int i = 1; i <= 10; i++) {
        driver_run_for(dq, 3 * NSEC_PER_SEC);
        assert_in_range(a->ran_ns - before_ns, i * NSEC_PER_SEC - QUANTUM_NS,
                        i * NSEC_PER_SEC + QUANTUM_NS);
        assert_in_range(b->ran_ns, 2 * i * NSEC_PER_SEC - QUANTUM_NS,
                        2 * i * NSEC_PER_SEC + QUANTUM_NS);
    }
    driver_queue_end(dq);
}

static void a_yield_lets_somebody_else_run(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn_tickets(dq, 10000);
    struct driver_entity *b = driver_spawn_tickets(dq, 1);

    assert_ptr_equal(driver_run_slice(dq), a);
    assert_ptr_equal(driver_run_slice(dq), b);
    for (int i = 0; i < 5; i++) {
        driver_decide(dq);
        assert_ptr_equal(driver_running(dq), a);
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
        assert_ptr_equal(driver_pick(dq), b);
        driver_charge(dq, 1000);
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    }
    driver_queue_end(dq);
}

/*
 * Yields move the yielder forward, and the global pass, where newcomers start, with it. In the end,
 * B runs and is half a millisecond behind the global pass.
 */
static void yields_do_not_favour_a_newcomer(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq);

    driver_spawn(dq);
    for (int i = 0; i < 201; i++) {
        driver_charge(dq, driver_pick(dq) == a ? MS : MS / 10);
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    }
    driver_decide(dq);
    assert_int_equal(driver_spawn(dq)->place, DRIVER_WAITING);
    driver_queue_end(dq);
}

/* A newcomer starts at the mean, which is not below the lowest, who has just been picked. */
static void naps_do_not_favour_a_newcomer(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *sleeper = driver_spawn(dq);

    driver_spawn(dq);
    run_with_sleeper(dq, sleeper, QUANTUM_NS * 9 / 10, NSEC_PER_SEC);
    driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
    driver_pick(dq);
    assert_int_equal(driver_spawn(dq)->place, DRIVER_WAITING);
    driver_queue_end(dq);
}

/* It leaves with a pass behind the other's. */
static void one_who_is_owed_time_preempts_when_it_wakes(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq);

    driver_spawn(dq);
    driver_decide(dq);
    driver_charge(dq, MS);
    driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
    driver_run_slice(dq);
    assert_ptr_equal(driver_running(dq), a);
    driver_block(dq);
    driver_decide(dq);
    driver_charge(dq, MS);
    driver_wake(a);
    assert_ptr_equal(driver_running(dq), a);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_in_order),
        cmocka_unit_test(the_table_of_ostep),
        cmocka_unit_test(the_table_of_waldspurger),
        cmocka_unit_test(a_thousand_seconds_are_shared_exactly),
        cmocka_unit_test(naps_neither_win_nor_lose_time),
        cmocka_unit_test(sleep_between_does_not_add_to_the_error),
        cmocka_unit_test(a_long_sleep_earns_nothing_and_costs_nothing),
        cmocka_unit_test(who_leaves_with_a_debt_comes_back_with_it),
        cmocka_unit_test(new_tickets_scale_a_lead_to_the_same_running_time),
        cmocka_unit_test(new_tickets_of_a_sleeper_scale_its_lead_too),
        cmocka_unit_test(new_tickets_do_not_wrap_what_a_sleeper_is_owed),
        cmocka_unit_test(new_tickets_do_not_wrap_what_a_sleeper_owes),
        cmocka_unit_test(new_tickets_end_the_turn),
        cmocka_unit_test(many_short_lives_do_not_delay_a_newcomer),
        cmocka_unit_test(a_chain_of_short_lives_starves_nobody),
        cmocka_unit_test(passes_may_wrap_round),
        cmocka_unit_test(a_yield_lets_somebody_else_run),
        cmocka_unit_test(yields_do_not_favour_a_newcomer),
        cmocka_unit_test(naps_do_not_favour_a_newcomer),
        cmocka_unit_test(one_who_is_owed_time_preempts_when_it_wakes),
        cmocka_unit_test(one_who_is_ahead_does_not_preempt_when_it_wakes),
        cmocka_unit_test(the_error_is_at_most_one_quantum_per_pair_at_any_time),
        cmocka_unit_test(nobody_is_lost_or_doubled_by_any_sequence_of_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
