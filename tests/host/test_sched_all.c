/*
 * What has to hold for every class there is. All files of sched/classes are linked in, so a new one
 * is tested without a line here.
 */

#include "tree_world.h"

/* All that are linked in. */
#define NR_CLASSES ((unsigned)(__stop_sched_classes - __start_sched_classes))

static void all_tables_are_in_order(void **state)
{
    assert_true(NR_CLASSES >= 3);
    for (unsigned c = 0; c < NR_CLASSES; c++) {
        const struct sched_class *class = __start_sched_classes[c];

        assert_ptr_equal(driver_class(class->name), class); /* no other one has its name */
        driver_check_tables(class);
    }
}

/* A queue by itself. Who has to be admitted is in the trees below. */
static void no_sequence_of_calls_loses_or_doubles_anybody(void **state)
{
    for (unsigned c = 0; c < NR_CLASSES; c++) {
        struct driver_random random = {.class = __start_sched_classes[c],
                                       .nr_steps = 300,
                                       .retunes = true,
                                       .varies_priorities = true};

        for (; random.seed < 2000 && !random.class->admit; random.seed++)
            driver_random(&random);
    }
}

static void no_sequence_of_calls_breaks_an_invariant_of_a_tree(void **state)
{
    struct world world = {
        .classes = __start_sched_classes,
        .nr_classes = NR_CLASSES,
        .has_teams = true,
        .retunes = true,
    };

    for (uint64_t seed = 0; seed < 10000; seed++)
        world_run(&world, seed, 400);
}

/* ---- Starvation limits ---------------------------------------------------------------------- */

#define CROWD_MAX 100 /* for so many, limits are declared */

struct crowd {
    struct dtree *tree;
    struct sched_queue *q;
    struct leaf *leaf[CROWD_MAX];
    unsigned nr;
};

static void crowd_init(struct crowd *crowd, const struct sched_class *class, struct rng *rng)
{
    uint64_t tunables[SCHED_TUNABLES_MAX];

    *crowd = (struct crowd){.tree = dtree_new()};
    crowd->nr = (unsigned)(rng_one_in(rng, 2) ? CROWD_MAX : rng_between(rng, 2, CROWD_MAX));
    crowd->q = dtree_add_group(crowd->tree, &crowd->tree->queue[0], class, PERCENT(50));
    random_tunables(class, rng, tunables);
    tree_tune(crowd->q, tunables, driver_now_ns);
    for (unsigned i = 0; i < crowd->nr; i++)
        crowd->leaf[i] = dtree_spawn(crowd->tree, crowd->q, SCHED_TICKETS_DEFAULT);
    dtree_pick(crowd->tree);
}

/* Sleepers wake, so that ending the tree ends everybody. */
static void crowd_end(struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->nr; i++)
        if (!crowd->leaf[i]->is_present)
            dtree_wake(crowd->tree, crowd->leaf[i]);
    dtree_end(crowd->tree);
}

/* Some run to the end of their slices and beyond, some yield or sleep before, and wake again. */
static void crowd_step(struct crowd *crowd, struct rng *rng)
{
    struct dtree *t = crowd->tree;
    struct leaf *leaf = crowd->leaf[rng_below(rng, crowd->nr)];
    uint64_t slice_ns = dtree_slice_ns(t);

    if (slice_ns == SCHED_TIME_NEVER)
        slice_ns = 50 * NSEC_PER_MSEC;
    if (rng_one_in(rng, 4))
        slice_ns = rng_between(rng, 0, slice_ns + (rng_one_in(rng, 4) ? NSEC_PER_SEC : 0));
    driver_now_ns += slice_ns;
    if (!leaf->is_present)
        dtree_wake(t, leaf);
    if (t->current && rng_one_in(rng, 8))
        dtree_block(t);
    else
        dtree_reschedule(t, t->current && rng_one_in(rng, 8));
}

static void run_crowd(const struct sched_class *class, uint64_t seed)
{
    struct rng rng = {seed};
    struct crowd crowd;

    driver_reset(seed);
    crowd_init(&crowd, class, &rng);
    for (unsigned i = 0; i < 2000; i++) {
        crowd_step(&crowd, &rng);
        if (i % 8 == 0 && tree_find_starved(crowd.q))
            fail_msg("%s starves somebody, seed %lu", class->name, (unsigned long)seed);
    }
    crowd_end(&crowd);
}

static void nobody_waits_for_longer_than_the_class_says(void **state)
{
    for (unsigned c = 0; c < NR_CLASSES; c++) {
        const struct sched_class *class = __start_sched_classes[c];

        for (uint64_t seed = 0; seed < 1000 && class->starvation_limit_ns && !class->admit; seed++)
            run_crowd(class, seed);
    }
}

/* ---- hand_on() ------------------------------------------------------------------------------ */

#define TWIN_MEMBERS 6

/* One of two queues to which the same happens, but for the way in which a CPU is handed on. */
struct twin {
    struct sched_queue q;
    struct sched_entity member[TWIN_MEMBERS];
    void *state;
};

static void twin_init(struct twin *twin, const struct sched_class *class)
{
    *twin = (struct twin){.state = calloc(1, class->queue_bytes + 1)};
    sched_queue_init(&twin->q, class, NULL, twin->state, driver_now_ns);
    for (unsigned i = 0; i < TWIN_MEMBERS; i++) {
        twin->member[i].params = (struct sched_params){.tickets = 100 + 50 * i, .nice = (int8_t)i};
        tree_join(&twin->q, &twin->member[i]);
    }
}

/* The running member's number; TWIN_MEMBERS: nobody runs. */
static unsigned twin_running(const struct twin *twin)
{
    return twin->q.running ? (unsigned)(twin->q.running - twin->member) : TWIN_MEMBERS;
}

/* What the running member does: nothing but having its time looked at, or more. */
enum twin_step { TWIN_LOOK, TWIN_YIELD, TWIN_BLOCK, NR_TWIN_STEPS };

/* The slice of who runs then; 0: nobody. */
static uint64_t twin_go_on(struct twin *twin, struct tree_time time, enum twin_step step,
                           bool is_short)
{
    struct sched_entity *leaf = twin->q.running;
    uint64_t slice_ns = 0;

    if (step != TWIN_LOOK && is_short && tree_may_hand_on(&twin->q, leaf, step == TWIN_YIELD)) {
        assert_non_null(tree_hand_on(leaf, step == TWIN_YIELD, time, &slice_ns));
    } else if (step != TWIN_BLOCK) {
        assert_non_null(tree_pick_again(&twin->q, leaf, step == TWIN_YIELD, time, &slice_ns));
    } else {
        tree_charge(leaf, time);
        tree_dequeue(leaf, SCHED_DEQUEUE_BLOCKED, time.now_ns);
        if (tree_pick(&twin->q, time.now_ns, &slice_ns) == NULL)
            return 0;
    }
    return slice_ns;
}

/* Wakes a member, or takes it out; then somebody runs, if anybody can. */
static void twin_toggle(struct twin *twin, unsigned i)
{
    struct sched_entity *e = &twin->member[i];
    uint64_t slice_ns;

    if (!e->is_present)
        tree_enqueue(e, e->class ? SCHED_ENQUEUE_WAKE : SCHED_ENQUEUE_NEW, driver_now_ns);
    else
        tree_dequeue(e, twin->q.running == e ? SCHED_DEQUEUE_BLOCKED : SCHED_DEQUEUE_MOVED_OUT,
                     driver_now_ns);
    tree_pick(&twin->q, driver_now_ns, &slice_ns);
}

static void run_twins(const struct sched_class *class, uint64_t seed)
{
    struct twin by_steps, at_once;
    struct rng rng = {seed};

    driver_reset(seed);
    twin_init(&by_steps, class);
    twin_init(&at_once, class);
    for (unsigned step = 0; step < 400; step++) {
        uint64_t ran_ns = rng_below(&rng, 8 * NSEC_PER_MSEC);
        enum twin_step what = (enum twin_step)rng_below(&rng, NR_TWIN_STEPS);

        driver_now_ns += ran_ns;
        if (by_steps.q.running) {
            struct tree_time time = {ran_ns, ran_ns, driver_now_ns};

            assert_int_equal(twin_go_on(&by_steps, time, what, false),
                             twin_go_on(&at_once, time, what, true));
        }
        if (rng_one_in(&rng, 2)) {
            unsigned i = (unsigned)rng_below(&rng, TWIN_MEMBERS);

            twin_toggle(&by_steps, i);
            twin_toggle(&at_once, i);
        }
        assert_int_equal(twin_running(&by_steps), twin_running(&at_once));
        assert_int_equal(by_steps.q.nr_waiting, at_once.q.nr_waiting);
    }
    free(by_steps.state);
    free(at_once.state);
}

static void a_cpu_handed_on_in_one_call_goes_where_four_calls_take_it(void **state)
{
    unsigned nr_tried = 0;

    for (unsigned c = 0; c < NR_CLASSES; c++) {
        const struct sched_class *class = __start_sched_classes[c];

        for (uint64_t seed = 0; seed < 1000 && class->yield; seed++, nr_tried++)
            run_twins(class, seed);
    }
    assert_true(nr_tried > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tables_are_in_order),
        cmocka_unit_test(no_sequence_of_calls_loses_or_doubles_anybody),
        cmocka_unit_test(no_sequence_of_calls_breaks_an_invariant_of_a_tree),
        cmocka_unit_test(nobody_waits_for_longer_than_the_class_says),
        cmocka_unit_test(a_cpu_handed_on_in_one_call_goes_where_four_calls_take_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
