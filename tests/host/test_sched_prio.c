/*
 * Fixed priorities: the rules of POSIX 2.8.4 one by one, the sequences of Pintos's priority tests
 * as a class sees them (a lock's donation is a change of boost_priority), and anything at random.
 */

#include "sched_driver.h"

#define MS         NSEC_PER_MSEC
#define QUANTUM_NS (10 * MS)

static struct driver_queue *new_queue(void)
{
    driver_reset(0);
    return driver_queue_new(driver_class("prio"));
}

static struct driver_entity *spawn(struct driver_queue *dq, uint8_t priority)
{
    return driver_spawn_params(dq, &(struct sched_params){.tickets = 1, .priority = priority});
}

static void set_priority(struct driver_entity *de, uint8_t priority)
{
    struct sched_params params = de->entity.params;

    params.priority = priority;
    driver_set_params(de, &params);
}

/* The highest priority donated to it is `priority` from now on; 0: none. */
static void donate(struct driver_entity *de, uint8_t priority)
{
    struct sched_params params = de->entity.params;

    params.boost_priority = priority;
    driver_set_params(de, &params);
}

static uint32_t effective(const struct driver_entity *de)
{
    return MAX(de->entity.params.priority, de->entity.params.boost_priority);
}

/* Whoever runs ends, and the next ones are these. */
static void check_order(struct driver_queue *dq, struct driver_entity *const expected[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        driver_decide(dq);
        assert_ptr_equal(driver_running(dq), expected[i]);
        driver_exit(dq);
    }
}

#define CHECK_ORDER(dq, ...)                                                                       \
    check_order(dq, (struct driver_entity *const[]){__VA_ARGS__},                                  \
                sizeof((struct driver_entity *const[]){__VA_ARGS__}) /                             \
                    sizeof(struct driver_entity *))

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("prio"));
}

static void all_64_levels_run_from_the_highest_to_the_lowest(void **state)
{
    struct driver_queue *dq = new_queue();

    /* 37 and 64 have no common factor: every level comes once. */
    for (unsigned i = 0; i < 64; i++)
        spawn(dq, (uint8_t)(i * 37 % 64));
    for (unsigned i = 0; i < 64; i++) {
        driver_decide(dq);
        assert_int_equal(effective(driver_running(dq)), 63 - i);
        driver_exit(dq);
    }
    driver_queue_end(dq);
}

static void a_priority_beyond_63_counts_as_63(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 63);
    struct driver_entity *b;

    driver_decide(dq);
    b = spawn(dq, 255);
    assert_false(driver_preempts(b));
    CHECK_ORDER(dq, a, b);
    driver_queue_end(dq);
}

static void a_higher_priority_preempts_at_once(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *low = spawn(dq, 31);
    struct driver_entity *high;

    driver_decide(dq);
    high = spawn(dq, 32);
    assert_ptr_equal(driver_running(dq), high);
    assert_int_equal(low->place, DRIVER_WAITING);
    driver_queue_end(dq);
}

static void an_equal_or_lower_priority_does_not_preempt(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *running = spawn(dq, 31);

    driver_decide(dq);
    assert_false(driver_preempts(spawn(dq, 31)));
    assert_false(driver_preempts(spawn(dq, 30)));
    assert_ptr_equal(driver_running(dq), running);
    driver_queue_end(dq);
}

static void who_waits_below_starves(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *low = spawn(dq, 30);
    struct driver_entity *high = spawn(dq, 31);

    driver_run_for(dq, 3600 * NSEC_PER_SEC);
    assert_int_equal(low->ran_ns, 0);
    assert_ptr_equal(driver_running(dq), high);
    assert_null(dq->q.class->starvation_limit_ns);
    driver_queue_end(dq);
}

/* Rules of SCHED_RR: equals. */
static void equals_run_in_turn_for_a_quantum(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[5];

    spawn(dq, 3);
    for (unsigned i = 0; i < ARRAY_LEN(de); i++)
        de[i] = spawn(dq, 7);
    for (unsigned turn = 0; turn < 23; turn++) {
        struct driver_entity *ran = driver_run_slice(dq);

        assert_ptr_equal(ran, de[turn % ARRAY_LEN(de)]);
        assert_int_equal(ran->ran_ns, (turn / ARRAY_LEN(de) + 1) * QUANTUM_NS);
    }
    driver_queue_end(dq);
}

static void without_a_quantum_equals_run_to_the_end(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 7);

    driver_tune(dq, "quantum_us", 0);
    driver_run_for(dq, 3600 * NSEC_PER_SEC);
    assert_int_equal(a->ran_ns, 3600 * NSEC_PER_SEC);
    CHECK_ORDER(dq, a, b);
    driver_queue_end(dq);
}

static void a_new_quantum_holds_at_once(void **state)
{
    struct driver_queue *dq = new_queue();

    spawn(dq, 7);
    spawn(dq, 7);
    driver_decide(dq);
    driver_charge(dq, 3 * MS);
    driver_tune(dq, "quantum_us", 4000);
    assert_int_equal(driver_slice_ns(dq), MS);
    driver_tune(dq, "quantum_us", 2000);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_tune(dq, "quantum_us", 0);
    assert_int_equal(driver_slice_ns(dq), SCHED_TIME_NEVER);
    driver_queue_end(dq);
}

/* Rule 1. */
static void a_preempted_entity_goes_to_the_head_with_the_rest_of_its_quantum(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 7);
    struct driver_entity *high;

    driver_decide(dq);
    driver_charge(dq, 3 * MS);
    high = spawn(dq, 8);
    assert_ptr_equal(driver_running(dq), high);
    driver_exit(dq);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), a);
    assert_int_equal(driver_slice_ns(dq), 7 * MS);
    CHECK_ORDER(dq, a, b);
    driver_queue_end(dq);
}

/* The same, when the core only finds that the slice is over. */
static void a_slice_is_over_when_a_higher_priority_waits(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 7);
    struct driver_entity *riser = spawn(dq, 0);

    driver_decide(dq);
    driver_charge(dq, 3 * MS);
    set_priority(riser, 8);
    assert_int_equal(driver_slice_ns(dq), 0);
    CHECK_ORDER(dq, riser);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), a);
    assert_int_equal(driver_slice_ns(dq), 7 * MS);
    CHECK_ORDER(dq, a, b);
    driver_queue_end(dq);
}

/* Rule 2. */
static void who_wakes_goes_to_the_tail_with_a_new_quantum(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 7);

    driver_decide(dq);
    driver_charge(dq, 3 * MS);
    driver_block(dq);
    driver_wake(a);
    CHECK_ORDER(dq, b);
    driver_decide(dq);
    spawn(dq, 7);
    assert_int_equal(driver_slice_ns(dq), QUANTUM_NS);
    driver_queue_end(dq);
}

/* Rule 9. */
static void a_yield_is_for_equals_only(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 7);
    struct driver_entity *low = spawn(dq, 6);

    driver_decide(dq);
    driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    CHECK_ORDER(dq, b);
    driver_decide(dq);
    driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    CHECK_ORDER(dq, a, low);
    driver_queue_end(dq);
}

/* Rule 7, for one that waits: in either direction. */
static void a_new_priority_means_the_tail_of_its_level(void **state)
{
    static const uint8_t before[] = {0, 20};

    for (unsigned i = 0; i < ARRAY_LEN(before); i++) {
        struct driver_queue *dq = new_queue();
        struct driver_entity *a = spawn(dq, 63);
        struct driver_entity *moved = spawn(dq, before[i]);
        struct driver_entity *b = spawn(dq, 7);
        struct driver_entity *c = spawn(dq, 7);

        driver_decide(dq);
        set_priority(moved, 7);
        CHECK_ORDER(dq, a, b, c, moved);
        driver_queue_end(dq);
    }
}

/* Rule 7, for the one that runs: its equals come first, whatever is left of its quantum. */
static void a_new_priority_ends_the_turn_among_equals(void **state)
{
    static const uint8_t before[] = {7, 20};

    for (unsigned i = 0; i < ARRAY_LEN(before); i++) {
        struct driver_queue *dq = new_queue();
        struct driver_entity *running = spawn(dq, before[i]);
        struct driver_entity *a, *b;

        driver_decide(dq);
        a = spawn(dq, 7);
        b = spawn(dq, 7);
        set_priority(running, before[i] == 7 ? 8 : 7);
        if (before[i] == 7)
            CHECK_ORDER(dq, running, a, b);
        else
            CHECK_ORDER(dq, a, b, running);
        driver_queue_end(dq);
    }
}

static void the_same_priority_again_changes_nothing(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 7);
    struct driver_entity *c = spawn(dq, 7);

    driver_decide(dq);
    driver_charge(dq, MS);
    set_priority(a, 7);
    set_priority(b, 7);
    assert_int_equal(driver_slice_ns(dq), 9 * MS);
    CHECK_ORDER(dq, a, b, c);
    driver_queue_end(dq);
}

/* Rule 8a. */
static void a_donation_raises_to_the_tail(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 63);
    struct driver_entity *owner = spawn(dq, 1);
    struct driver_entity *b = spawn(dq, 7);

    driver_decide(dq);
    donate(owner, 7);
    CHECK_ORDER(dq, a, b, owner);
    driver_queue_end(dq);
}

/* Rule 8c, for one that waits. */
static void the_end_of_a_donation_lowers_to_the_head(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 63);
    struct driver_entity *b = spawn(dq, 7);
    struct driver_entity *owner = spawn(dq, 7);

    donate(owner, 20);
    driver_decide(dq);
    donate(owner, 0);
    CHECK_ORDER(dq, a, owner, b);
    driver_queue_end(dq);
}

/* Rule 8c, for the one that runs. */
static void the_end_of_a_donation_does_not_end_the_turn_among_equals(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *owner = spawn(dq, 7);
    struct driver_entity *a, *high;

    donate(owner, 20);
    driver_decide(dq);
    a = spawn(dq, 7);
    high = spawn(dq, 9);
    driver_charge(dq, MS);
    donate(owner, 0);
    CHECK_ORDER(dq, high);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), owner);
    assert_int_equal(driver_slice_ns(dq), 9 * MS);
    CHECK_ORDER(dq, owner, a);
    driver_queue_end(dq);
}

static void a_lower_donation_than_its_own_priority_changes_nothing(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 7);

    donate(a, 6);
    CHECK_ORDER(dq, a, b);
    driver_queue_end(dq);
}

static void a_sleeper_wakes_with_the_priority_that_it_has_by_then(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = spawn(dq, 7);
    struct driver_entity *b = spawn(dq, 6);

    driver_decide(dq);
    driver_block(dq);
    set_priority(a, 5);
    driver_decide(dq);
    driver_wake(a);
    assert_ptr_equal(driver_running(dq), b);
    driver_block(dq);
    donate(b, 9);
    driver_decide(dq);
    driver_wake(b);
    assert_ptr_equal(driver_running(dq), b);
    driver_queue_end(dq);
}

static void an_entity_keeps_its_priority_when_it_moves(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_queue *other = driver_queue_new(dq->q.class);
    struct driver_entity *de = spawn(dq, 7);

    donate(de, 20);
    spawn(other, 8);
    driver_decide(other);
    driver_move(de, other);
    assert_ptr_equal(driver_running(other), de);
    driver_queue_end(dq);
    driver_queue_end(other);
}

/* ---- Silberschatz, Galvin, Gagne: Operating System Concepts, chapter "CPU Scheduling" ---- */

struct job {
    uint8_t priority; /* as the book has it: 1 is the highest */
    uint64_t burst_ms;
    uint64_t end_ms;
};

/* All jobs come at time 0, and end when the book's Gantt chart says so. */
static void check_gantt_chart(const struct job job[], unsigned n, uint64_t quantum_us)
{
    struct driver_queue *dq = new_queue();
    uint64_t start_ns = driver_now_ns;

    driver_tune(dq, "quantum_us", quantum_us);
    for (unsigned i = 0; i < n; i++)
        spawn(dq, (uint8_t)(10 - job[i].priority))->slot = i;
    for (driver_decide(dq); driver_running(dq); driver_decide(dq)) {
        struct driver_entity *running = driver_running(dq);
        uint64_t burst_ns = job[running->slot].burst_ms * MS;

        driver_charge(dq, MIN(driver_slice_ns(dq), burst_ns - running->ran_ns));
        if (running->ran_ns < burst_ns)
            continue;
        assert_int_equal(driver_now_ns - start_ns, job[running->slot].end_ms * MS);
        driver_exit(dq);
    }
    driver_queue_end(dq);
}

/* First come, first served: waits of 0, 24 and 27. Priority: 6, 0, 16, 18 and 1. Both: a quantum.
 */
static void the_examples_of_silberschatz(void **state)
{
    static const struct job fcfs[] = {{1, 24, 24}, {1, 3, 27}, {1, 3, 30}};
    static const struct job by_priority[] = {
        {3, 10, 16}, {1, 1, 1}, {4, 2, 18}, {5, 1, 19}, {2, 5, 6}};
    static const struct job in_turn[] = {{3, 4, 26}, {2, 5, 16}, {2, 8, 20}, {1, 7, 7}, {3, 3, 27}};

    check_gantt_chart(fcfs, ARRAY_LEN(fcfs), 0);
    check_gantt_chart(by_priority, ARRAY_LEN(by_priority), 0);
    check_gantt_chart(in_turn, ARRAY_LEN(in_turn), 2000);
}

/* ---- Pintos, src/tests/threads ----------------------------------------------------------- */

/* priority-change: main, at 31, makes one of 32, which lowers itself to 30; then main to 29. */
static void pintos_priority_change(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *main_thread = spawn(dq, 31);
    struct driver_entity *other;

    driver_decide(dq);
    other = spawn(dq, 32);
    assert_ptr_equal(driver_running(dq), other);
    set_priority(other, 30);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), main_thread);
    set_priority(main_thread, 29);
    CHECK_ORDER(dq, other, main_thread);
    driver_queue_end(dq);
}

/* priority-fifo: 16 equals that yield in every one of 16 rounds run in one and the same order. */
static void pintos_priority_fifo(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[16];

    for (unsigned i = 0; i < ARRAY_LEN(de); i++)
        de[i] = spawn(dq, 33);
    for (unsigned i = 0; i < 16 * ARRAY_LEN(de); i++) {
        assert_ptr_equal(driver_pick(dq), de[i % ARRAY_LEN(de)]);
        driver_charge(dq, 1000);
        driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    }
    driver_queue_end(dq);
}

/* `donor` comes, finds a lock taken, and sleeps, having donated to its owner. */
static struct driver_entity *spawn_donor(struct driver_queue *dq, uint8_t priority,
                                         struct driver_entity *owner)
{
    struct driver_entity *donor = spawn(dq, priority);

    assert_ptr_equal(driver_running(dq), donor);
    driver_block(dq);
    donate(owner, (uint8_t)MAX(effective(owner), effective(donor)));
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), owner);
    return donor;
}

/* priority-donate-one: two want main's lock; the higher one gets it first. */
static void pintos_priority_donate_one(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *main_thread = spawn(dq, 31);
    struct driver_entity *acquire1, *acquire2;

    driver_decide(dq);
    acquire1 = spawn_donor(dq, 32, main_thread);
    acquire2 = spawn_donor(dq, 33, main_thread);
    assert_false(driver_preempts(spawn(dq, 33)));

    donate(main_thread, 0);
    driver_wake(acquire2);
    donate(acquire2, 32);
    driver_decide(dq);
    assert_int_equal(effective(driver_running(dq)), 33);
    driver_exit(dq);
    CHECK_ORDER(dq, acquire2);
    driver_wake(acquire1);
    CHECK_ORDER(dq, acquire1, main_thread);
    driver_queue_end(dq);
}

/* priority-donate-multiple: two locks of main, which gives back the one that donates most. */
static void pintos_priority_donate_multiple(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *main_thread = spawn(dq, 31);
    struct driver_entity *a, *b;

    driver_decide(dq);
    a = spawn_donor(dq, 32, main_thread);
    b = spawn_donor(dq, 33, main_thread);
    donate(main_thread, 32);
    driver_wake(b);
    CHECK_ORDER(dq, b);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), main_thread);
    donate(main_thread, 0);
    driver_wake(a);
    CHECK_ORDER(dq, a, main_thread);
    driver_queue_end(dq);
}

/* priority-donate-nest: high waits for medium, which waits for low. */
static void pintos_priority_donate_nest(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *low = spawn(dq, 31);
    struct driver_entity *medium, *high, *between;

    driver_decide(dq);
    medium = spawn_donor(dq, 32, low);
    high = spawn(dq, 33);
    driver_block(dq);
    donate(medium, 33);
    donate(low, 33);
    driver_decide(dq);
    between = spawn(dq, 32);
    assert_ptr_equal(driver_running(dq), low);

    donate(low, 0);
    driver_wake(medium);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), medium);
    donate(medium, 0);
    driver_wake(high);
    CHECK_ORDER(dq, high, medium, between, low);
    driver_queue_end(dq);
}

/*
 * priority-donate-chain: thread i of priority 3i waits for thread i - 1, and that for main; and one
 * of priority 3i - 1, who must not run before thread i is done. When main lets go, everybody but
 * the last has the last one's priority, until it is its turn.
 */
static void pintos_priority_donate_chain(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *chain[8], *interloper[8];

    chain[0] = spawn(dq, 0);
    driver_decide(dq);
    for (unsigned i = 1; i < 8; i++) {
        chain[i] = spawn(dq, (uint8_t)(3 * i));
        driver_block(dq);
        for (unsigned j = 0; j < i; j++)
            donate(chain[j], (uint8_t)(3 * i));
        driver_decide(dq);
        interloper[i] = spawn(dq, (uint8_t)(3 * i - 1));
        assert_ptr_equal(driver_running(dq), chain[0]);
    }
    for (unsigned i = 1; i < 8; i++) {
        donate(chain[i - 1], 0);
        driver_wake(chain[i]);
        driver_decide(dq);
        assert_ptr_equal(driver_running(dq), chain[i]);
    }
    for (unsigned i = 7; i > 0; i--)
        CHECK_ORDER(dq, chain[i], interloper[i]);
    CHECK_ORDER(dq, chain[0]);
    driver_queue_end(dq);
}

/* priority-donate-lower: while a donation lasts, a lower priority of its own makes no difference.
 */
static void pintos_priority_donate_lower(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *main_thread = spawn(dq, 31);
    struct driver_entity *acquire, *between;

    driver_decide(dq);
    acquire = spawn_donor(dq, 41, main_thread);
    driver_charge(dq, MS);
    set_priority(main_thread, 21);
    between = spawn(dq, 25);
    assert_int_equal(driver_slice_ns(dq), 9 * MS);
    donate(main_thread, 0);
    driver_wake(acquire);
    CHECK_ORDER(dq, acquire, between, main_thread);
    driver_queue_end(dq);
}

/* ---- Anything ---------------------------------------------------------------------------- */

/* Nobody runs on while somebody waits in its queue at a higher level. */
static void check_highest_runs(struct driver_entity *const slots[DRIVER_SLOTS], void *context)
{
    for (unsigned i = 0; i < DRIVER_SLOTS; i++) {
        const struct sched_queue *q;

        if (!slots[i] || slots[i]->place != DRIVER_RUNNING)
            continue;
        q = slots[i]->entity.queue;
        if (q->class->slice_ns(q, &slots[i]->entity, driver_now_ns) == 0)
            continue;
        for (unsigned j = 0; j < DRIVER_SLOTS; j++)
            if (slots[j] && slots[j]->place == DRIVER_WAITING && slots[j]->entity.queue == q)
                assert_true(effective(slots[i]) >= effective(slots[j]));
    }
}

static void nobody_runs_while_a_higher_priority_waits(void **state)
{
    for (uint64_t seed = 0; seed < 4000; seed++)
        driver_random(&(struct driver_random){.class = driver_class("prio"),
                                              .seed = seed,
                                              .nr_steps = 300,
                                              .retunes = seed % 3 != 0,
                                              .varies_priorities = true,
                                              .after_step = check_highest_runs});
}

/* A slice of 0 leads to somebody who may run on: never to 0 again without anything happening. */
static void a_decision_lasts(void **state)
{
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct rng rng = {seed};
        struct driver_entity *de[6];
        struct driver_queue *dq;

        driver_reset(seed);
        dq = driver_queue_new(driver_class("prio"));
        for (unsigned i = 0; i < ARRAY_LEN(de); i++)
            de[i] = spawn(dq, (uint8_t)rng_below(&rng, 64));
        for (unsigned step = 0; step < 100; step++) {
            struct driver_entity *changed = de[rng_below(&rng, ARRAY_LEN(de))];

            if (rng_one_in(&rng, 2))
                set_priority(changed, (uint8_t)rng_below(&rng, 4));
            else
                donate(changed, (uint8_t)rng_below(&rng, 4));
            driver_decide(dq);
            assert_int_not_equal(driver_slice_ns(dq), 0);
            for (unsigned i = 0; i < ARRAY_LEN(de); i++)
                assert_true(effective(driver_running(dq)) >= effective(de[i]));
            driver_charge(dq, rng_between(&rng, 0, driver_slice_ns(dq)));
        }
        driver_queue_end(dq);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_in_order),
        cmocka_unit_test(all_64_levels_run_from_the_highest_to_the_lowest),
        cmocka_unit_test(a_priority_beyond_63_counts_as_63),
        cmocka_unit_test(a_higher_priority_preempts_at_once),
        cmocka_unit_test(an_equal_or_lower_priority_does_not_preempt),
        cmocka_unit_test(who_waits_below_starves),
        cmocka_unit_test(equals_run_in_turn_for_a_quantum),
        cmocka_unit_test(without_a_quantum_equals_run_to_the_end),
        cmocka_unit_test(a_new_quantum_holds_at_once),
        cmocka_unit_test(a_preempted_entity_goes_to_the_head_with_the_rest_of_its_quantum),
        cmocka_unit_test(a_slice_is_over_when_a_higher_priority_waits),
        cmocka_unit_test(who_wakes_goes_to_the_tail_with_a_new_quantum),
        cmocka_unit_test(a_yield_is_for_equals_only),
        cmocka_unit_test(a_new_priority_means_the_tail_of_its_level),
        cmocka_unit_test(a_new_priority_ends_the_turn_among_equals),
        cmocka_unit_test(the_same_priority_again_changes_nothing),
        cmocka_unit_test(a_donation_raises_to_the_tail),
        cmocka_unit_test(the_end_of_a_donation_lowers_to_the_head),
        cmocka_unit_test(the_end_of_a_donation_does_not_end_the_turn_among_equals),
        cmocka_unit_test(a_lower_donation_than_its_own_priority_changes_nothing),
        cmocka_unit_test(a_sleeper_wakes_with_the_priority_that_it_has_by_then),
        cmocka_unit_test(an_entity_keeps_its_priority_when_it_moves),
        cmocka_unit_test(the_examples_of_silberschatz),
        cmocka_unit_test(pintos_priority_change),
        cmocka_unit_test(pintos_priority_fifo),
        cmocka_unit_test(pintos_priority_donate_one),
        cmocka_unit_test(pintos_priority_donate_multiple),
        cmocka_unit_test(pintos_priority_donate_nest),
        cmocka_unit_test(pintos_priority_donate_chain),
        cmocka_unit_test(pintos_priority_donate_lower),
        cmocka_unit_test(nobody_runs_while_a_higher_priority_waits),
        cmocka_unit_test(a_decision_lasts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
