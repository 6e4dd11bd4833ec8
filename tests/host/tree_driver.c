/* See tree_driver.h. The comments of sched/core.c say why each call is made as it is. */

#include "tree_driver.h"

static void init_queue(struct dtree *t, unsigned i, const struct sched_class *class,
                       struct sched_entity *self)
{
    sched_queue_init(&t->queue[i], class, self, calloc(1, class->queue_bytes), driver_now_ns);
}

struct dtree *dtree_new(void)
{
    struct dtree *t = calloc(1, sizeof(*t));

    init_queue(t, 0, driver_class("stride"), NULL);
    t->nr_queues = 1;
    t->charged_until_ns = driver_now_ns;
    t->slice_end_ns = SCHED_TIME_NEVER;
    return t;
}

struct sched_queue *dtree_add_group(struct dtree *t, struct sched_queue *parent,
                                    const struct sched_class *class, uint32_t tickets)
{
    unsigned i = t->nr_queues++;

    t->group[i].params.tickets = tickets;
    tree_join(parent, &t->group[i]);
    init_queue(t, i, class, &t->group[i]);
    return &t->queue[i];
}

static struct leaf *leaf_of(struct sched_entity *e)
{
    return (struct leaf *)e;
}

bool queue_is_throttled(const struct sched_queue *q)
{
    return list_is_linked(&q->throttled_link);
}

unsigned queue_count_leaves(const struct sched_queue *q)
{
    const struct sched_entity *e;
    unsigned nr = 0;

    list_for_each_entry (e, &q->present, present_link)
        nr += e->group ? queue_count_leaves(e->group) : 1;
    return nr;
}

/* ---- Playing the core ----------------------------------------------------------------------- */

/* The time since the last charge, for the current leaf. */
static struct tree_time pass_time(struct dtree *t)
{
    uint64_t ran_ns = driver_now_ns - t->charged_until_ns, late_ns = 0;

    if (driver_now_ns > t->slice_end_ns)
        late_ns = MIN(ran_ns, driver_now_ns - t->slice_end_ns);
    t->charged_until_ns = driver_now_ns;
    if (t->current)
        t->current->ran_ns += ran_ns;
    return (struct tree_time){ran_ns, ran_ns - late_ns, driver_now_ns};
}

void dtree_charge(struct dtree *t)
{
    struct tree_time time = pass_time(t);

    if (t->current)
        tree_charge(&t->current->entity, time);
}

uint64_t dtree_slice_ns(const struct dtree *t)
{
    return tree_slice_ns(&t->queue[0], driver_now_ns);
}

static uint64_t slice_end(uint64_t slice_ns)
{
    return slice_ns == SCHED_TIME_NEVER ? SCHED_TIME_NEVER : driver_now_ns + slice_ns;
}

static uint64_t find_slice_end(const struct dtree *t)
{
    return slice_end(dtree_slice_ns(t));
}

void dtree_tick(struct dtree *t)
{
    dtree_charge(t);
    if (dtree_slice_ns(t) > 0)
        t->slice_end_ns = find_slice_end(t);
}

/* `e` and the slice are what tree_pick() or tree_pick_again() has answered. */
static void picked(struct dtree *t, struct sched_entity *e, uint64_t slice_ns)
{
    unsigned nr_reachable = queue_count_leaves(&t->queue[0]);

    t->current = e ? leaf_of(e) : NULL;
    if ((e != NULL) != (nr_reachable > 0))
        fail_msg("%u can run, and pick answers %p", nr_reachable, (void *)e);
    if (e)
        assert_int_equal(slice_ns, dtree_slice_ns(t));
    t->slice_end_ns = e ? find_slice_end(t) : SCHED_TIME_NEVER;
}

void dtree_pick(struct dtree *t)
{
    uint64_t slice_ns = 0;
    struct sched_entity *e = tree_pick(&t->queue[0], driver_now_ns, &slice_ns);

    picked(t, e, slice_ns);
}

void dtree_reschedule(struct dtree *t, bool is_yield)
{
    struct tree_time time = pass_time(t);
    struct sched_entity *e = NULL;
    uint64_t slice_ns = 0;

    /* The short way where it can be gone, as in the core. */
    if (t->current && is_yield && tree_may_hand_on(&t->queue[0], &t->current->entity, true))
        e = tree_hand_on(&t->current->entity, true, time, &slice_ns);
    if (e != NULL)
        return picked(t, e, slice_ns);
    if (t->current)
        e = tree_pick_again(&t->queue[0], &t->current->entity, is_yield, time, &slice_ns);
    else
        e = tree_pick(&t->queue[0], driver_now_ns, &slice_ns);
    picked(t, e, slice_ns);
}

void dtree_changed(struct dtree *t)
{
    if (t->current)
        t->slice_end_ns = MIN(t->slice_end_ns, find_slice_end(t));
}

bool dtree_arrived(struct dtree *t, uint64_t slice_ns)
{
    uint64_t end_ns = MIN(t->slice_end_ns, slice_end(slice_ns));

    dtree_changed(t);
    if (t->current)
        assert_int_equal(end_ns, t->slice_end_ns);
    return slice_ns == 0;
}

bool dtree_enqueue(struct dtree *t, struct leaf *leaf, enum sched_enqueue why)
{
    bool was_over = t->current && dtree_slice_ns(t) == 0, preempts;

    assert_false(leaf->is_present);
    dtree_charge(t);
    leaf->is_present = true;
    t->nr_present++;
    preempts = dtree_arrived(t, tree_enqueue(&leaf->entity, why, driver_now_ns));
    if (t->current && !was_over)
        assert_int_equal(preempts, dtree_slice_ns(t) == 0);
    return preempts;
}

void dtree_dequeue(struct dtree *t, struct leaf *leaf, enum sched_dequeue why)
{
    assert_true(leaf->is_present);
    dtree_charge(t);
    leaf->is_present = false;
    t->nr_present--;
    tree_dequeue(&leaf->entity, why, driver_now_ns);
    if (t->current == leaf)
        t->current = NULL;
}

struct leaf *dtree_spawn(struct dtree *t, struct sched_queue *q, uint32_t tickets)
{
    struct leaf *leaf = calloc(1, sizeof(*leaf));

    leaf->entity.params.tickets = tickets;
    tree_join(q, &leaf->entity);
    dtree_enqueue(t, leaf, SCHED_ENQUEUE_NEW);
    return leaf;
}

void dtree_wake(struct dtree *t, struct leaf *leaf)
{
    if (dtree_enqueue(t, leaf, SCHED_ENQUEUE_WAKE))
        dtree_reschedule(t, false);
}

void dtree_block(struct dtree *t)
{
    struct leaf *leaf = t->current;
    struct sched_entity *e;
    uint64_t slice_ns;

    /* The short way where it can be gone, as in the core. */
    if (tree_may_hand_on(&t->queue[0], &leaf->entity, false)) {
        leaf->is_present = false;
        t->nr_present--;
        e = tree_hand_on(&leaf->entity, false, pass_time(t), &slice_ns);
        if (e != NULL)
            return picked(t, e, slice_ns);
    } else {
        dtree_dequeue(t, leaf, SCHED_DEQUEUE_BLOCKED);
    }
    dtree_pick(t);
}

void dtree_run_for(struct dtree *t, uint64_t ns)
{
    uint64_t end_ns = driver_now_ns + ns;

    dtree_reschedule(t, false);
    while (driver_now_ns < end_ns) {
        driver_now_ns += MIN(dtree_slice_ns(t), end_ns - driver_now_ns);
        dtree_reschedule(t, false);
    }
}

void dtree_end(struct dtree *t)
{
    uint64_t slice_ns;

    dtree_charge(t);
    while (t->nr_present > 0) {
        struct leaf *leaf;

        dtree_pick(t);
        if (!t->current) {
            uint64_t event_ns = tree_next_event_ns(&t->queue[0], driver_now_ns);

            assert_in_range(event_ns, driver_now_ns + 1, SCHED_TIME_NEVER - 1);
            driver_now_ns = event_ns;
            continue;
        }
        leaf = t->current;
        dtree_dequeue(t, leaf, SCHED_DEQUEUE_EXITED);
        free(leaf);
    }
    assert_null(tree_pick(&t->queue[0], driver_now_ns, &slice_ns));
    for (unsigned i = 0; i < t->nr_queues; i++) {
        assert_null(t->queue[i].running);
        assert_true(list_is_empty(&t->queue[i].present));
        assert_true(list_is_empty(&t->queue[i].throttled));
        free(t->queue[i].state);
    }
    free(t);
}

/* ---- The invariants ------------------------------------------------------------------------- */

bool dtree_is_preempted(const struct dtree *t)
{
    const struct sched_queue *q = &t->queue[0];

    for (; q && q->running; q = q->running->group)
        if (q->is_preempted)
            return true;
    return false;
}

static bool is_waiting(const struct sched_entity *e)
{
    const struct sched_entity *other;

    list_for_each_entry (other, &e->queue->present, present_link)
        if (other == e)
            return e->queue->running != e;
    return false;
}

static bool is_on_throttled_list(const struct sched_queue *q)
{
    const struct sched_queue *root = q, *other;

    while (root->self)
        root = root->self->queue;
    list_for_each_entry (other, &root->throttled, throttled_link)
        if (other == q)
            return true;
    return false;
}

/* A group is in its parent's queue, once, exactly while somebody is in its own and may run. */
static void check_group(const struct sched_entity *group)
{
    const struct sched_queue *q = group->group;
    bool is_empty = q->nr_waiting == 0 && !q->running, is_throttled = queue_is_throttled(q);
    unsigned nr_places = is_waiting(group) + (group->queue->running == group);

    assert_ptr_equal(q->self, group);
    assert_int_equal(nr_places, is_empty || is_throttled ? 0 : 1);
    assert_int_equal(group->is_present, nr_places);
    if (is_throttled) {
        assert_false(q->class->is_work_conserving);
        assert_true(q->nr_waiting > 0);
        assert_null(q->running);
        assert_true(is_on_throttled_list(q));
    }
}

static bool owns(const struct dtree *t, const struct sched_queue *q)
{
    return q >= t->queue && q < t->queue + DTREE_QUEUES_MAX;
}

static unsigned check_queue(const struct dtree *t, const struct sched_queue *q);

/* A present member of `q`; answers how many leaves it is that are in none of the tree's arrays. */
static unsigned check_member(const struct dtree *t, const struct sched_queue *q,
                             const struct sched_entity *e)
{
    assert_ptr_equal(e->queue, q);
    assert_ptr_equal(e->class, q->class);
    assert_true(e->is_present);
    for (size_t i = q->class->entity_bytes; i < SCHED_ENTITY_STATE_BYTES; i++)
        assert_int_equal(e->state[i], 0);
    if (!e->group) {
        assert_true(((const struct leaf *)e)->is_present);
        return 1;
    }
    if (owns(t, e->group))
        return 0;
    check_group(e);
    return check_queue(t, e->group);
}

/* The fields that the mechanism keeps; answers how many leaves are in the queue itself, and in
 * groups of it that the tree does not own. */
static unsigned check_queue(const struct dtree *t, const struct sched_queue *q)
{
    unsigned nr_present = 0, nr_running = 0, nr_leaves = 0;
    const struct sched_entity *e;

    list_for_each_entry (e, &q->present, present_link) {
        nr_leaves += check_member(t, q, e);
        nr_running += e == q->running;
        nr_present++;
    }
    assert_int_equal(nr_running, q->running != NULL);
    assert_int_equal(nr_present - nr_running, q->nr_waiting);
    assert_true(q->running || !q->is_preempted);
    return nr_leaves;
}

/* What the event leaves of a slice. */
static uint64_t until_event_ns(uint64_t event_ns, uint64_t slice_ns)
{
    if (event_ns == SCHED_TIME_NEVER)
        return slice_ns;
    return MIN(slice_ns, event_ns > driver_now_ns ? event_ns - driver_now_ns : 0);
}

static uint64_t expected_level_slice_ns(const struct sched_queue *q, const struct sched_entity *e)
{
    uint64_t slice_ns = SCHED_TIME_NEVER;

    if (q->nr_waiting == 0 && q->class->is_work_conserving)
        return SCHED_TIME_NEVER;
    if (q->is_preempted)
        return 0;
    if (q->class->slice_ns)
        slice_ns = q->class->slice_ns(q, e, driver_now_ns);
    if (q->class->next_event_ns)
        slice_ns = until_event_ns(q->class->next_event_ns(q, driver_now_ns), slice_ns);
    return slice_ns;
}

/* The least of the slices on the way from the current leaf up to the root, and of the times until a
 * throttled queue has to be looked at. */
static uint64_t expected_slice_ns(const struct dtree *t)
{
    uint64_t least_ns = SCHED_TIME_NEVER;
    const struct sched_entity *e;
    const struct sched_queue *q;

    for (e = &t->current->entity; e; e = e->queue->self)
        least_ns = MIN(least_ns, expected_level_slice_ns(e->queue, e));
    list_for_each_entry (q, &t->queue[0].throttled, throttled_link) {
        uint64_t event_ns = q->class->next_event_ns(q, driver_now_ns);

        least_ns = until_event_ns(event_ns != SCHED_TIME_NEVER ? event_ns : 0, least_ns);
    }
    return least_ns;
}

/* The running path leads from the root to the current leaf. */
static void check_path(const struct dtree *t)
{
    const struct sched_entity *e;

    for (e = &t->current->entity; e; e = e->queue->self)
        assert_ptr_equal(e->queue->running, e);
    assert_int_equal(dtree_slice_ns(t), expected_slice_ns(t));
}

void dtree_check(const struct dtree *t)
{
    unsigned nr_leaves = 0;

    for (unsigned i = 0; i < t->nr_queues; i++)
        nr_leaves += check_queue(t, &t->queue[i]);
    assert_int_equal(nr_leaves, t->nr_present);
    for (unsigned i = 1; i < t->nr_queues; i++)
        check_group(&t->group[i]);
    assert_null(t->queue[0].broken);
    if (t->current)
        check_path(t);
}
