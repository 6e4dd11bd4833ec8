/* Round robin: its rules one by one, then anything at random. */

#include "sched_driver.h"

#define QUANTUM_NS (10 * NSEC_PER_MSEC)

static struct driver_queue *new_queue(void)
{
    driver_reset(0);
    return driver_queue_new(driver_class("rr"));
}

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("rr"));
}

static void everybody_runs_in_turn_for_a_quantum(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[5];

    for (unsigned i = 0; i < ARRAY_LEN(de); i++)
        de[i] = driver_spawn(dq);
    for (unsigned turn = 0; turn < 23; turn++) {
        struct driver_entity *ran = driver_run_slice(dq);

        assert_ptr_equal(ran, de[turn % ARRAY_LEN(de)]);
        assert_int_equal(ran->ran_ns, (turn / ARRAY_LEN(de) + 1) * QUANTUM_NS);
    }
    driver_queue_end(dq);
}

/*
 * Silberschatz, Galvin, Gagne: Operating System Concepts, section "Round-Robin Scheduling": bursts
 * of 24, 3 and 3 ms, a quantum of 4 ms. They wait for 6, 4 and 7 ms.
 */
static void the_example_of_silberschatz(void **state)
{
    static const uint64_t burst_ms[] = {24, 3, 3}, waits_ms[] = {6, 4, 7};
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[3];
    uint64_t start_ns = driver_now_ns;

    driver_tune(dq, "quantum_us", 4000);
    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        de[i] = driver_spawn(dq);
        de[i]->slot = i;
    }
    for (driver_decide(dq); driver_running(dq); driver_decide(dq)) {
        struct driver_entity *running = driver_running(dq);
        uint64_t burst_ns = burst_ms[running->slot] * NSEC_PER_MSEC;

        driver_charge(dq, MIN(driver_slice_ns(dq), burst_ns - running->ran_ns));
        if (running->ran_ns < burst_ns)
            continue;
        assert_int_equal(driver_now_ns - start_ns - burst_ns,
                         waits_ms[running->slot] * NSEC_PER_MSEC);
        driver_exit(dq);
    }
    driver_queue_end(dq);
}

static void a_preempted_entity_goes_on_with_the_rest_of_its_quantum(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq);

    driver_spawn(dq);
    driver_pick(dq);
    driver_charge(dq, 3 * NSEC_PER_MSEC);
    driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
    assert_ptr_equal(driver_pick(dq), a);
    assert_int_equal(driver_slice_ns(dq), QUANTUM_NS - 3 * NSEC_PER_MSEC);
    driver_queue_end(dq);
}

static void a_quantum_used_up_is_over_even_when_preempted(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *b;

    driver_spawn(dq);
    b = driver_spawn(dq);
    driver_pick(dq);
    driver_charge(dq, QUANTUM_NS);
    driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
    assert_ptr_equal(driver_pick(dq), b);
    driver_queue_end(dq);
}

static void a_yield_goes_to_the_tail_and_a_new_quantum_follows(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq);
    struct driver_entity *b = driver_spawn(dq);

    driver_pick(dq);
    driver_charge(dq, NSEC_PER_MSEC);
    driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    assert_ptr_equal(driver_run_slice(dq), b);
    assert_ptr_equal(driver_running(dq), a);
    assert_int_equal(driver_slice_ns(dq), QUANTUM_NS);
    driver_queue_end(dq);
}

static void a_sleeper_comes_back_at_the_tail_with_a_new_quantum(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *a = driver_spawn(dq);
    struct driver_entity *b = driver_spawn(dq);
    struct driver_entity *c = driver_spawn(dq);

    driver_pick(dq);
    driver_charge(dq, NSEC_PER_MSEC);
    driver_block(dq);
    driver_wake(a);
    assert_ptr_equal(driver_run_slice(dq), b);
    assert_ptr_equal(driver_run_slice(dq), c);
    assert_ptr_equal(driver_running(dq), a);
    assert_int_equal(driver_slice_ns(dq), QUANTUM_NS);
    driver_queue_end(dq);
}

static void a_new_quantum_holds_at_once(void **state)
{
    struct driver_queue *dq = new_queue();

    driver_spawn(dq);
    driver_spawn(dq);
    driver_pick(dq);
    driver_charge(dq, 3 * NSEC_PER_MSEC);
    driver_tune(dq, "quantum_us", 4000);
    assert_int_equal(driver_slice_ns(dq), NSEC_PER_MSEC);
    driver_tune(dq, "quantum_us", 2000);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_queue_end(dq);
}

static void nobody_waits_longer_than_the_limit_among_a_hundred(void **state)
{
    struct driver_queue *dq = new_queue();
    struct driver_entity *de[100];

    for (unsigned i = 0; i < ARRAY_LEN(de); i++)
        de[i] = driver_spawn(dq);
    driver_run_for(dq, 10 * NSEC_PER_SEC);
    for (unsigned i = 0; i < ARRAY_LEN(de); i++) {
        assert_true(de[i]->ran_ns > 0);
        assert_true(de[i]->longest_wait_ns <= dq->q.class->starvation_limit_ns(&dq->q));
    }
    driver_queue_end(dq);
}

/* Outer preemptions at random times: they must not cost or win anything. */
static void running_times_differ_by_at_most_a_quantum_whatever_preempts(void **state)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct rng rng = {seed};
        struct driver_entity *de[6];
        struct driver_queue *dq;

        driver_reset(seed);
        dq = driver_queue_new(driver_class("rr"));
        for (unsigned i = 0; i < ARRAY_LEN(de); i++)
            de[i] = driver_spawn(dq);
        for (unsigned step = 0; step < 100; step++) {
            driver_decide(dq);
            driver_charge(dq, rng_between(&rng, 1, driver_slice_ns(dq)));
            if (rng_one_in(&rng, 3))
                driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
            for (unsigned i = 0; i < ARRAY_LEN(de); i++)
                for (unsigned j = 0; j < ARRAY_LEN(de); j++)
                    assert_true(de[i]->ran_ns <= de[j]->ran_ns + QUANTUM_NS);
        }
        driver_queue_end(dq);
    }
}

static void nobody_is_lost_or_doubled_by_any_sequence_of_calls(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++)
        driver_random(&(struct driver_random){
            .class = driver_class("rr"), .seed = seed, .nr_steps = 300, .retunes = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_in_order),
        cmocka_unit_test(everybody_runs_in_turn_for_a_quantum),
        cmocka_unit_test(the_example_of_silberschatz),
        cmocka_unit_test(a_preempted_entity_goes_on_with_the_rest_of_its_quantum),
        cmocka_unit_test(a_quantum_used_up_is_over_even_when_preempted),
        cmocka_unit_test(a_yield_goes_to_the_tail_and_a_new_quantum_follows),
        cmocka_unit_test(a_sleeper_comes_back_at_the_tail_with_a_new_quantum),
        cmocka_unit_test(a_new_quantum_holds_at_once),
        cmocka_unit_test(nobody_waits_longer_than_the_limit_among_a_hundred),
        cmocka_unit_test(running_times_differ_by_at_most_a_quantum_whatever_preempts),
        cmocka_unit_test(nobody_is_lost_or_doubled_by_any_sequence_of_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
