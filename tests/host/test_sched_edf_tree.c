/*
 * EDF in the real tree: what a group gets that is guaranteed 30 percent of a CPU under stride, with
 * and without others beside it.
 */

#include "tree_driver.h"

#define MS        NSEC_PER_MSEC
#define STRIDE_NS (5 * MS) /* the root's quantum */

static struct dtree *new_tree(void)
{
    driver_reset(0);
    return dtree_new();
}

static struct sched_queue *add_edf(struct dtree *t)
{
    struct sched_queue *q = dtree_add_group(t, &t->queue[0], driver_class("edf"), PERCENT(30));

    q->guaranteed_percent = 30;
    return q;
}

/* One that would run for ever, in a group beside. */
static struct leaf *spawn_hog(struct dtree *t)
{
    struct sched_queue *q = dtree_add_group(t, &t->queue[0], driver_class("mlfq"), PERCENT(70));

    return dtree_spawn(t, q, SCHED_TICKETS_DEFAULT);
}

/* One that would run for ever, too, were it not for its budget. */
static struct leaf *spawn_promised(struct dtree *t, struct sched_queue *q, uint64_t runtime_ns,
                                   uint64_t period_ns)
{
    struct leaf *leaf = calloc(1, sizeof(*leaf));

    leaf->entity.params = (struct sched_params){
        .runtime_ns = runtime_ns, .deadline_ns = period_ns, .period_ns = period_ns};
    assert_int_equal(q->class->admit(q, &leaf->entity.params), 0);
    leaf->is_admitted = true;
    tree_join(q, &leaf->entity);
    if (dtree_enqueue(t, leaf, SCHED_ENQUEUE_NEW) || !t->current)
        dtree_reschedule(t, false);
    return leaf;
}

/* All 30 percent are promised. Stride gives the group its time within two quanta. */
static void a_promised_runtime_is_had_beside_a_hog(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *edf = add_edf(t);
    struct leaf *hog = spawn_hog(t);
    struct leaf *fast = spawn_promised(t, edf, 5 * MS, 50 * MS);
    struct leaf *slow = spawn_promised(t, edf, 20 * MS, 100 * MS);

    for (uint64_t i = 1; i <= 200; i++) {
        dtree_run_for(t, 100 * MS);
        dtree_check(t);
        assert_in_range(fast->ran_ns, 10 * i * MS - 5 * MS, 10 * i * MS);
        assert_in_range(slow->ran_ns, 20 * i * MS - 2 * STRIDE_NS, 20 * i * MS);
        assert_true(hog->ran_ns >= 70 * i * MS);
    }
    dtree_end(t);
}

/* The group is throttled most of the time. Its rest, and no more, is the hog's. */
static void what_is_not_promised_is_left_to_the_others(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *edf = add_edf(t);
    struct leaf *promised = spawn_promised(t, edf, 3 * MS, 100 * MS);
    struct leaf *hog = spawn_hog(t);

    for (uint64_t i = 1; i <= 100; i++) {
        dtree_run_for(t, 100 * MS);
        assert_int_equal(promised->ran_ns, 3 * i * MS);
        assert_int_equal(hog->ran_ns, 97 * i * MS);
    }
    dtree_end(t);
}

static void a_group_that_is_alone_leaves_the_cpu_idle(void **state)
{
    struct dtree *t = new_tree();
    struct leaf *promised = spawn_promised(t, add_edf(t), 3 * MS, 10 * MS);
    uint64_t begin_ns = driver_now_ns;

    dtree_run_for(t, 4 * MS);
    assert_null(t->current);
    assert_int_equal(promised->ran_ns, 3 * MS);
    assert_int_equal(tree_next_event_ns(&t->queue[0], driver_now_ns), begin_ns + 10 * MS);
    dtree_run_for(t, 6 * MS);
    assert_ptr_equal(t->current, promised);
    dtree_run_for(t, 990 * MS);
    assert_int_equal(promised->ran_ns, 300 * MS);
    dtree_end(t);
}

static void one_who_joins_a_throttled_group_runs_at_once(void **state)
{
    struct dtree *t = new_tree();
    struct sched_queue *edf = add_edf(t);
    struct leaf *other;

    spawn_promised(t, edf, 10 * MS, 100 * MS);
    dtree_run_for(t, 20 * MS);
    assert_true(queue_is_throttled(edf));
    other = spawn_promised(t, edf, 10 * MS, 50 * MS);
    assert_ptr_equal(t->current, other);
    dtree_run_for(t, 20 * MS);
    assert_int_equal(other->ran_ns, 10 * MS);
    assert_true(queue_is_throttled(edf));
    dtree_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promised_runtime_is_had_beside_a_hog),
        cmocka_unit_test(what_is_not_promised_is_left_to_the_others),
        cmocka_unit_test(a_group_that_is_alone_leaves_the_cpu_idle),
        cmocka_unit_test(one_who_joins_a_throttled_group_runs_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
