/*
 * EDF: what is admitted and what is not; that everybody who keeps to its promise meets every
 * deadline, whatever the others do; and that nobody gets more than it was promised.
 */

#include "sched_driver.h"

#include <kernel/errno.h>

#define MS NSEC_PER_MSEC
#define US NSEC_PER_USEC

static struct driver_queue *new_queue(void)
{
    struct driver_queue *dq = driver_queue_new(driver_class("edf"));

    dq->q.guaranteed_percent = 100;
    return dq;
}

static struct sched_params promise(uint64_t runtime_ns, uint64_t deadline_ns, uint64_t period_ns)
{
    return (struct sched_params){
        .runtime_ns = runtime_ns, .deadline_ns = deadline_ns, .period_ns = period_ns};
}

static int admit(struct driver_queue *dq, const struct sched_params *wanted)
{
    return dq->q.class->admit(&dq->q, wanted);
}

static void release(struct driver_queue *dq, const struct sched_params *held)
{
    dq->q.class->release(&dq->q, held);
}

/* As the core does it: what is held is given back first, and claimed again if that does not help.
 */
static int admit_in_place(struct driver_queue *dq, const struct sched_params *wanted,
                          const struct sched_params *held)
{
    int error;

    release(dq, held);
    error = admit(dq, wanted);
    if (error != 0)
        assert_int_equal(admit(dq, held), 0);
    return error;
}

/* A new member with an admitted promise. It runs if that is the most urgent one. */
static struct driver_entity *spawn(struct driver_queue *dq, uint64_t runtime_ns, uint64_t period_ns)
{
    struct sched_params params = promise(runtime_ns, period_ns, period_ns);

    assert_int_equal(admit(dq, &params), 0);
    return driver_spawn_params(dq, &params);
}

static void the_tables_are_in_order(void **state)
{
    driver_check_tables(driver_class("edf"));
}

/* ---- Admission ------------------------------------------------------------------------------ */

static void nonsense_is_not_admitted(void **state)
{
    const struct sched_params nonsense[] = {
        promise(0, 0, 0),
        promise(0, 10 * MS, 10 * MS),
        promise(MS, 0, 10 * MS),
        promise(MS, 10 * MS, 0),
        promise(11 * MS, 10 * MS, 20 * MS),              /* longer than the deadline */
        promise(MS, 21 * MS, 20 * MS),                   /* due after the period */
        promise(999, 10 * MS, 10 * MS),                  /* less than 1 us */
        promise(50 * US, 99 * US, 10 * MS),              /* sooner than 100 us */
        promise(MS, 5 * NSEC_PER_SEC, 5 * NSEC_PER_SEC), /* more than 4 s */
        promise(UINT64_MAX, UINT64_MAX, UINT64_MAX),
    };
    struct sched_params all = promise(10 * MS, 10 * MS, 10 * MS);
    struct driver_queue *dq = new_queue();

    for (unsigned i = 0; i < ARRAY_LEN(nonsense); i++)
        assert_int_equal(admit(dq, &nonsense[i]), -EINVAL);
    assert_int_equal(admit(dq, &all), 0);
    for (unsigned i = 0; i < ARRAY_LEN(nonsense); i++)
        assert_int_equal(admit_in_place(dq, &nonsense[i], &all), -EINVAL);
    release(dq, &all);
    assert_int_equal(admit(dq, &all), 0);
    driver_queue_end(dq);
}

static void promises_fit_to_the_last_millionth(void **state)
{
    struct sched_params third = promise(10 * MS, 30 * MS, 30 * MS);
    struct sched_params ppm = promise(4 * US, 4 * NSEC_PER_SEC, 4 * NSEC_PER_SEC);
    struct sched_params most = promise(999998 * US, NSEC_PER_SEC, NSEC_PER_SEC);
    struct driver_queue *dq = new_queue();

    for (int i = 0; i < 3; i++)
        assert_int_equal(admit(dq, &third), 0);
    assert_int_equal(admit(dq, &ppm), -EBUSY);
    for (int i = 0; i < 3; i++)
        release(dq, &third);
    assert_int_equal(admit(dq, &most), 0);
    assert_int_equal(admit(dq, &ppm), 0);
    assert_int_equal(admit(dq, &ppm), 0);
    assert_int_equal(admit(dq, &ppm), -EBUSY);
    release(dq, &ppm);
    assert_int_equal(admit(dq, &ppm), 0);
    driver_queue_end(dq);
}

static void a_group_promises_no_more_than_it_is_guaranteed(void **state)
{
    struct sched_params tenth = promise(10 * MS, 100 * MS, 100 * MS);
    struct driver_queue *dq = new_queue();

    for (uint32_t percent = 0; percent < 100; percent += 7) {
        dq->q.guaranteed_percent = percent;
        for (uint32_t i = 0; i < percent / 10; i++)
            assert_int_equal(admit(dq, &tenth), 0);
        assert_int_equal(admit(dq, &tenth), -EBUSY);
        for (uint32_t i = 0; i < percent / 10; i++)
            release(dq, &tenth);
    }
    driver_queue_end(dq);
}

/* What counts is how much is due until the deadline, not until the end of the period. */
static void an_early_deadline_takes_more_room(void **state)
{
    struct sched_params early = promise(10 * MS, 20 * MS, 100 * MS);
    struct driver_queue *dq = new_queue();

    assert_int_equal(admit(dq, &early), 0);
    assert_int_equal(admit(dq, &early), 0);
    assert_int_equal(admit(dq, &early), -EBUSY);
    driver_queue_end(dq);
}

static void a_promise_is_replaced_or_kept(void **state)
{
    struct sched_params small = promise(10 * MS, 100 * MS, 100 * MS);
    struct sched_params large = promise(91 * MS, 100 * MS, 100 * MS);
    struct sched_params fits = promise(90 * MS, 100 * MS, 100 * MS);
    struct driver_queue *dq = new_queue();

    assert_int_equal(admit(dq, &small), 0);
    assert_int_equal(admit(dq, &small), 0);
    assert_int_equal(admit_in_place(dq, &large, &small), -EBUSY);
    assert_int_equal(admit_in_place(dq, &fits, &small), 0);
    assert_int_equal(admit(dq, &small), -EBUSY);
    assert_int_equal(admit_in_place(dq, &small, &fits), 0);
    assert_int_equal(admit(dq, &small), 0);
    driver_queue_end(dq);
}

/* ---- Jobs and deadlines --------------------------------------------------------------------- */

#define TASKS_MAX 12

/* Has a job at the beginning of each period, or somewhat later, or behaves badly. */
struct task {
    struct driver_entity *de;
    struct sched_params params;
    bool is_bad;          /* sleeps, wakes, yields, ends at random, and never has enough */
    uint64_t released_ns; /* its job */
    uint64_t next_ns;     /* its next job; it is away */
    uint64_t left_ns;     /* of its job; of a bad one: until it does something */
    uint64_t joined_ns;
    unsigned nr_jobs;
};

struct world {
    struct driver_queue *dq;
    struct rng rng;
    struct task task[TASKS_MAX];
    unsigned nr_tasks;
    bool is_early; /* whether deadlines are shorter than periods */
    unsigned nr_jobs;
};

/* What fits into the rest of the CPU, and exactly the rest for the last one. */
static struct sched_params random_task(struct world *w, double *rest, bool is_last)
{
    uint64_t period_ns = rng_between(&w->rng, 500, 50000) * US;
    uint64_t deadline_ns = period_ns;
    double density = is_last ? *rest : *rest * (double)rng_between(&w->rng, 200, 600) / 1000;
    uint64_t runtime_ns;

    if (w->is_early)
        deadline_ns = rng_between(&w->rng, period_ns / 4, period_ns);
    runtime_ns = (uint64_t)(density * (double)deadline_ns);
    *rest -= (double)runtime_ns / (double)deadline_ns;
    return promise(runtime_ns, deadline_ns, period_ns);
}

static bool is_away(const struct task *task)
{
    return !task->de || task->de->place == DRIVER_AWAY;
}

static void begin_job(struct world *w, struct task *task)
{
    task->released_ns = driver_now_ns;
    if (task->is_bad)
        task->left_ns = rng_between(&w->rng, 1, 3 * task->params.runtime_ns);
    else if (rng_one_in(&w->rng, 2))
        task->left_ns = task->params.runtime_ns;
    else
        task->left_ns = rng_between(&w->rng, 1, task->params.runtime_ns);
    if (task->de) {
        driver_wake(task->de);
        return;
    }
    task->joined_ns = driver_now_ns;
    assert_int_equal(admit(w->dq, &task->params), 0);
    task->de = driver_spawn_params(w->dq, &task->params);
}

static void end_job(struct world *w, struct task *task)
{
    uint64_t late_ns = driver_now_ns - task->released_ns;

    if (late_ns > task->params.deadline_ns)
        fail_msg("job %u took %lu us, not %lu", task->nr_jobs, late_ns / US,
                 task->params.deadline_ns / US);
    task->nr_jobs++;
    w->nr_jobs++;
    task->next_ns = task->released_ns + task->params.period_ns;
    if (rng_one_in(&w->rng, 3))
        task->next_ns += rng_below(&w->rng, task->params.period_ns);
    driver_block(w->dq);
}

static void misbehave(struct world *w, struct task *task)
{
    task->left_ns = rng_between(&w->rng, 1, 3 * task->params.runtime_ns);
    switch (rng_below(&w->rng, 4)) {
    case 0:
        driver_put_back(w->dq, SCHED_ENQUEUE_YIELD);
        break;
    case 1:
        task->next_ns = driver_now_ns + rng_below(&w->rng, task->params.period_ns / 10);
        driver_block(w->dq);
        break;
    case 2:
        task->next_ns = driver_now_ns + rng_below(&w->rng, 3 * task->params.period_ns);
        driver_block(w->dq);
        break;
    default:
        /* Ends, and another takes the place of its promise, which may be at once. */
        task->next_ns = driver_now_ns;
        if (rng_one_in(&w->rng, 2))
            task->next_ns += rng_below(&w->rng, task->params.period_ns);
        release(w->dq, &task->params);
        driver_exit(w->dq);
        task->de = NULL;
    }
}

static struct task *running_task(struct world *w)
{
    for (unsigned i = 0; i < w->nr_tasks; i++)
        if (w->task[i].de && w->task[i].de->place == DRIVER_RUNNING)
            return &w->task[i];
    return NULL;
}

/* Up to the next thing to happen: a job begins or ends, a slice ends, a period begins. */
static void world_step(struct world *w)
{
    struct task *running;
    uint64_t until_ns = SCHED_TIME_NEVER;

    for (unsigned i = 0; i < w->nr_tasks; i++) {
        struct task *task = &w->task[i];

        if (is_away(task) && task->next_ns <= driver_now_ns)
            begin_job(w, task);
        if (is_away(task))
            until_ns = MIN(until_ns, task->next_ns - driver_now_ns);
    }
    driver_decide(w->dq);
    running = running_task(w);
    if (!running) {
        uint64_t event_ns = w->dq->q.class->next_event_ns(&w->dq->q, driver_now_ns);

        driver_sleep(MIN(until_ns, event_ns - driver_now_ns));
        return;
    }
    until_ns = MIN(until_ns, driver_slice_ns(w->dq));
    until_ns = MIN(until_ns, running->left_ns);
    driver_charge(w->dq, until_ns);
    running->left_ns -= until_ns;
    if (running->left_ns > 0)
        return;
    if (running->is_bad)
        misbehave(w, running);
    else
        end_job(w, running);
}

static void world_init(struct world *w, uint64_t seed, unsigned nr_bad)
{
    double rest = 1;

    *w = (struct world){.rng = {seed}};
    driver_reset(seed);
    w->dq = new_queue();
    w->is_early = rng_one_in(&w->rng, 2);
    w->nr_tasks = (unsigned)rng_between(&w->rng, nr_bad + 1, TASKS_MAX);
    for (unsigned i = 0; i < w->nr_tasks; i++) {
        struct task *task = &w->task[i];

        if (rest < 0.05)
            w->nr_tasks = i + 1;
        task->is_bad = i > 0 && i <= nr_bad;
        task->params = random_task(w, &rest, i + 1 == w->nr_tasks);
        task->next_ns = driver_now_ns;
        /* Newcomers may have to wait for the promises of bad ones who have ended. */
        if ((nr_bad == 0 || task->is_bad) && rng_one_in(&w->rng, 2))
            task->next_ns += rng_below(&w->rng, 50 * MS);
    }
}

static void world_end(struct world *w)
{
    for (unsigned i = 0; i < w->nr_tasks; i++)
        if (w->task[i].de && w->task[i].de->place == DRIVER_AWAY)
            driver_wake(w->task[i].de);
    driver_queue_end(w->dq);
}

/* A job that is not yet done has not missed its deadline either. */
static void check_unfinished(const struct world *w)
{
    for (unsigned i = 0; i < w->nr_tasks; i++)
        if (!w->task[i].is_bad && !is_away(&w->task[i]))
            assert_true(driver_now_ns - w->task[i].released_ns <= w->task[i].params.deadline_ns);
}

static void run_world(uint64_t seed, unsigned nr_bad, unsigned nr_steps)
{
    struct world w;

    world_init(&w, seed, nr_bad);
    for (unsigned step = 0; step < nr_steps; step++)
        world_step(&w);
    check_unfinished(&w);
    assert_true(w.nr_jobs > 0);
    world_end(&w);
}

static void every_deadline_is_met_when_the_cpu_is_promised_to_the_last(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++)
        run_world(seed, 0, 1000);
}

static void whoever_behaves_badly_makes_nobody_else_late(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++)
        run_world(seed, 1 + seed % 3, 1000);
}

/* ---- Budgets -------------------------------------------------------------------------------- */

static void nobody_gets_more_than_it_was_promised(void **state)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct world w;

        world_init(&w, seed, TASKS_MAX - 1);
        for (unsigned step = 0; step < 1000; step++) {
            world_step(&w);
            for (unsigned i = 0; i < w.nr_tasks; i++) {
                const struct task *task = &w.task[i];
                const struct sched_params *params = &task->params;
                double nr_periods;

                if (!task->de)
                    continue;
                nr_periods = (double)(driver_now_ns - task->joined_ns) / (double)params->period_ns;
                assert_true((double)task->de->ran_ns <=
                            (nr_periods + 1) * (double)params->runtime_ns + 1);
            }
        }
        world_end(&w);
    }
}

static void one_who_never_has_enough_gets_its_budget_and_no_more(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *hog;

    driver_reset(0);
    dq = new_queue();
    hog = spawn(dq, 3 * MS, 10 * MS);
    driver_run_for(dq, 3 * MS);
    assert_null(driver_running(dq));
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(hog->ran_ns, 3 * i * MS);
        assert_null(driver_pick(dq));
        assert_int_equal(dq->q.class->next_event_ns(&dq->q, driver_now_ns), driver_now_ns + 7 * MS);
        driver_sleep(7 * MS - 1);
        assert_null(driver_pick(dq));
        driver_sleep(1);
        assert_ptr_equal(driver_pick(dq), hog);
        assert_int_equal(driver_slice_ns(dq), 3 * MS);
        driver_run_for(dq, 3 * MS);
    }
    driver_queue_end(dq);
}

static void what_ran_over_is_taken_from_the_next_budgets(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *hog;

    driver_reset(0);
    dq = new_queue();
    hog = spawn(dq, 3 * MS, 10 * MS);
    driver_decide(dq);
    driver_charge(dq, 4 * MS);
    driver_decide(dq);
    driver_sleep(6 * MS);
    assert_ptr_equal(driver_pick(dq), hog);
    assert_int_equal(driver_slice_ns(dq), 2 * MS);
    /* 9 ms too much are three budgets. */
    driver_charge(dq, 11 * MS);
    driver_decide(dq);
    driver_sleep(29 * MS - 1);
    assert_null(driver_pick(dq));
    driver_sleep(1);
    assert_ptr_equal(driver_pick(dq), hog);
    assert_int_equal(driver_slice_ns(dq), 3 * MS);
    driver_queue_end(dq);
}

/* Periods follow each other, unless the queue was not even asked for a whole one. */
static void a_late_beginning_does_not_shift_the_next_period(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *hog;

    driver_reset(0);
    dq = new_queue();
    hog = spawn(dq, 3 * MS, 10 * MS);
    driver_run_for(dq, 3 * MS);
    driver_sleep(9 * MS);
    assert_ptr_equal(driver_pick(dq), hog);
    driver_run_for(dq, 3 * MS);
    assert_int_equal(dq->q.class->next_event_ns(&dq->q, driver_now_ns), driver_now_ns + 5 * MS);
    driver_sleep(5 * MS + 25 * MS);
    assert_ptr_equal(driver_pick(dq), hog);
    driver_run_for(dq, 3 * MS);
    assert_int_equal(dq->q.class->next_event_ns(&dq->q, driver_now_ns), driver_now_ns + 7 * MS);
    driver_queue_end(dq);
}

static void a_yield_waits_for_the_next_period(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *a;

    driver_reset(0);
    dq = new_queue();
    a = spawn(dq, 3 * MS, 10 * MS);
    driver_decide(dq);
    driver_charge(dq, MS);
    driver_put_back(dq, SCHED_ENQUEUE_YIELD);
    driver_sleep(9 * MS - 1);
    assert_null(driver_pick(dq));
    driver_sleep(1);
    assert_ptr_equal(driver_pick(dq), a);
    assert_int_equal(driver_slice_ns(dq), 3 * MS);
    driver_queue_end(dq);
}

/*
 * 6 ms in 10 ms. After 2 ms of its own, 4 ms are left. When 7 ms are left of the period, that is
 * less than 6 in 10; when 6 ms are left, it is more, and a new period begins.
 */
static void a_short_sleep_keeps_the_budget_and_a_longer_one_begins_a_period(void **state)
{
    for (int is_longer = 0; is_longer < 2; is_longer++) {
        struct driver_queue *dq;
        struct driver_entity *a;

        driver_reset(0);
        dq = new_queue();
        a = spawn(dq, 6 * MS, 10 * MS);
        driver_decide(dq);
        driver_charge(dq, 2 * MS);
        driver_block(dq);
        driver_sleep((is_longer ? 2 : 1) * MS);
        driver_wake(a);
        driver_decide(dq);
        assert_int_equal(driver_slice_ns(dq), (is_longer ? 6 : 4) * MS);
        driver_run_for(dq, (is_longer ? 6 : 4) * MS);
        assert_int_equal(dq->q.class->next_event_ns(&dq->q, driver_now_ns),
                         driver_now_ns + (is_longer ? 4 : 3) * MS);
        driver_queue_end(dq);
    }
}

/* 4 ms in 20 ms, due after 8 ms: never more than 4 ms in any 20 ms, however it sleeps. */
static void with_an_early_deadline_the_period_is_kept_all_the_same(void **state)
{
    struct sched_params early = promise(4 * MS, 8 * MS, 20 * MS);
    struct driver_queue *dq;
    struct driver_entity *a;

    driver_reset(0);
    dq = new_queue();
    assert_int_equal(admit(dq, &early), 0);
    a = driver_spawn_params(dq, &early);
    driver_decide(dq);
    driver_charge(dq, MS);
    driver_block(dq);
    driver_sleep(5 * MS);
    driver_wake(a);
    driver_decide(dq);
    assert_int_equal(driver_slice_ns(dq), MS); /* 2 ms are left, and half of them are its own */
    driver_block(dq);
    driver_sleep(3 * MS);
    driver_wake(a);
    assert_null(driver_pick(dq));
    driver_sleep(11 * MS - 1);
    assert_null(driver_pick(dq));
    driver_sleep(1);
    assert_ptr_equal(driver_pick(dq), a);
    assert_int_equal(driver_slice_ns(dq), 4 * MS);
    driver_queue_end(dq);
}

static void the_earlier_deadline_preempts_at_once(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *slow, *fast;

    driver_reset(0);
    dq = new_queue();
    slow = spawn(dq, 50 * MS, 100 * MS);
    driver_decide(dq);
    driver_charge(dq, MS);
    fast = spawn(dq, 2 * MS, 10 * MS);
    assert_ptr_equal(driver_running(dq), fast);
    assert_ptr_equal(driver_run_slice(dq), fast);
    assert_ptr_equal(driver_running(dq), slow);
    assert_int_equal(driver_slice_ns(dq), 8 * MS); /* then the other's period begins */
    driver_run_for(dq, 8 * MS);
    assert_ptr_equal(driver_running(dq), fast);
    driver_queue_end(dq);
}

static void one_without_a_budget_preempts_nobody(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *fast;

    driver_reset(0);
    dq = new_queue();
    fast = spawn(dq, 2 * MS, 10 * MS);
    spawn(dq, 50 * MS, 100 * MS);
    driver_decide(dq);
    driver_charge(dq, 2 * MS);
    driver_block(dq);
    driver_decide(dq);
    driver_wake(fast);
    assert_int_equal(fast->place, DRIVER_WAITING);
    assert_false(driver_preempts(fast));
    assert_int_equal(driver_slice_ns(dq), 8 * MS);
    driver_queue_end(dq);
}

/* As when a new promise makes a waiting one the most urgent: there is no wake-up to preempt. */
static void the_slice_ends_when_another_becomes_more_urgent(void **state)
{
    const struct sched_params late = promise(MS, 100 * MS, 100 * MS);
    const struct sched_params early = promise(MS, 10 * MS, 10 * MS);
    struct driver_queue *dq;
    struct driver_entity *a, *b;

    driver_reset(0);
    dq = new_queue();
    a = spawn(dq, 40 * MS, 50 * MS);
    b = driver_spawn_params(dq, &late);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), a);
    driver_charge(dq, MS);
    driver_set_params(b, &early);
    assert_int_equal(driver_slice_ns(dq), 0);
    driver_decide(dq);
    assert_ptr_equal(driver_running(dq), b);
    driver_queue_end(dq);
}

/* Otherwise, new params again and again would be a new budget each time. */
static void a_new_promise_is_no_second_budget(void **state)
{
    struct sched_params params[2] = {promise(5 * MS, 10 * MS, 10 * MS),
                                     promise(4 * MS, 10 * MS, 10 * MS)};
    struct driver_queue *dq;
    struct driver_entity *a;

    driver_reset(0);
    dq = new_queue();
    a = spawn(dq, 5 * MS, 10 * MS);
    driver_run_for(dq, MS);
    for (unsigned i = 1; i <= 1000; i++) {
        assert_int_equal(admit_in_place(dq, &params[i % 2], &params[(i + 1) % 2]), 0);
        driver_set_params(a, &params[i % 2]);
        driver_run_for(dq, MS);
    }
    assert_in_range(a->ran_ns, 300 * MS, 505 * MS);
    driver_queue_end(dq);
}

/* ---- The background ------------------------------------------------------------------------- */

static void who_is_promised_nothing_runs_while_nobody_else_can(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *promised, *a, *b;

    driver_reset(0);
    dq = new_queue();
    promised = spawn(dq, 7 * MS, 10 * MS);
    a = driver_spawn(dq);
    b = driver_spawn(dq);
    driver_run_for(dq, 1000 * MS);
    assert_int_equal(promised->ran_ns, 700 * MS);
    assert_int_equal(a->ran_ns + b->ran_ns, 300 * MS);
    assert_in_range(a->ran_ns, 140 * MS, 160 * MS);
    driver_queue_end(dq);
}

/* A turn of 10 ms takes four pieces of 3 ms, less 2 ms. */
static void an_interrupted_turn_in_the_background_goes_on(void **state)
{
    struct driver_queue *dq;
    struct driver_entity *a;

    driver_reset(0);
    dq = new_queue();
    spawn(dq, 7 * MS, 10 * MS);
    a = driver_spawn(dq);
    driver_spawn(dq);
    driver_run_for(dq, 40 * MS);
    assert_int_equal(a->ran_ns, 10 * MS);
    driver_queue_end(dq);
}

static void a_promise_may_come_and_go(void **state)
{
    const struct sched_params none = {.tickets = 100}, some = promise(MS, 10 * MS, 10 * MS);
    struct driver_queue *dq;
    struct driver_entity *a, *hog;
    uint64_t before_ns;

    driver_reset(0);
    dq = new_queue();
    hog = spawn(dq, 80 * MS, 100 * MS);
    a = driver_spawn_params(dq, &none);
    driver_run_for(dq, 80 * MS);
    assert_int_equal(a->ran_ns, 0);
    driver_run_for(dq, MS);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(admit(dq, &some), 0);
        driver_set_params(a, &some);
        driver_run_for(dq, 10 * MS);
        before_ns = a->ran_ns;
        driver_run_for(dq, 1000 * MS);
        assert_in_range(a->ran_ns - before_ns, 99 * MS, 101 * MS);
        release(dq, &some);
        driver_set_params(a, &none);
        before_ns = a->ran_ns;
        driver_run_for(dq, 1000 * MS);
        assert_in_range(a->ran_ns - before_ns, 190 * MS, 210 * MS);
    }
    assert_true(hog->ran_ns >= 4800 * MS);
    driver_queue_end(dq);
}

static void nobody_is_lost_or_doubled_by_any_sequence_of_calls(void **state)
{
    for (uint64_t seed = 0; seed < 4000; seed++)
        driver_random(&(struct driver_random){.class = driver_class("edf"),
                                              .seed = seed,
                                              .nr_steps = 300,
                                              .retunes = true,
                                              .varies_promises = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_in_order),
        cmocka_unit_test(nonsense_is_not_admitted),
        cmocka_unit_test(promises_fit_to_the_last_millionth),
        cmocka_unit_test(a_group_promises_no_more_than_it_is_guaranteed),
        cmocka_unit_test(an_early_deadline_takes_more_room),
        cmocka_unit_test(a_promise_is_replaced_or_kept),
        cmocka_unit_test(every_deadline_is_met_when_the_cpu_is_promised_to_the_last),
        cmocka_unit_test(whoever_behaves_badly_makes_nobody_else_late),
        cmocka_unit_test(nobody_gets_more_than_it_was_promised),
        cmocka_unit_test(one_who_never_has_enough_gets_its_budget_and_no_more),
        cmocka_unit_test(what_ran_over_is_taken_from_the_next_budgets),
        cmocka_unit_test(a_late_beginning_does_not_shift_the_next_period),
        cmocka_unit_test(a_yield_waits_for_the_next_period),
        cmocka_unit_test(a_short_sleep_keeps_the_budget_and_a_longer_one_begins_a_period),
        cmocka_unit_test(with_an_early_deadline_the_period_is_kept_all_the_same),
        cmocka_unit_test(the_earlier_deadline_preempts_at_once),
        cmocka_unit_test(one_without_a_budget_preempts_nobody),
        cmocka_unit_test(the_slice_ends_when_another_becomes_more_urgent),
        cmocka_unit_test(a_new_promise_is_no_second_budget),
        cmocka_unit_test(who_is_promised_nothing_runs_while_nobody_else_can),
        cmocka_unit_test(an_interrupted_turn_in_the_background_goes_on),
        cmocka_unit_test(a_promise_may_come_and_go),
        cmocka_unit_test(nobody_is_lost_or_doubled_by_any_sequence_of_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
