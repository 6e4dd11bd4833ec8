/*
 * Nested queues: what each level may see of the others, whatever classes they have; and any
 * sequence of calls on two whole trees, with all invariants of sched/tree.c after every step.
 */

#include "sched_driver.h"

#include <sched/tree.h>

#define MS         NSEC_PER_MSEC
#define STRIDE_NS  (5 * MS)  /* quanta: of stride, */
#define RR_NS      (10 * MS) /* of rr, */
#define MLFQ0_NS   (5 * MS)  /* and of mlfq's level 0 */
#define QUEUES_MAX 6
#define NR_LEAVES  12
#define PERCENT(n) ((n)*SCHED_TICKETS_PER_PERCENT)

/* An LWP, as far as a tree knows. */
struct leaf {
    struct sched_entity entity; /* first, so that a sched_entity pointer is one to this */
    bool is_present;            /* what the test expects: waiting or running */
    uint64_t ran_ns;
};

/* A CPU's queues: [0] is the root, and each other one has its group in an earlier one. */
struct tree {
    struct sched_queue queue[QUEUES_MAX];
    struct sched_entity group[QUEUES_MAX]; /* stands for queue[i], for i > 0 */
    unsigned nr_queues;
    struct leaf *current; /* whom the last tree_pick() answered, until it goes away */
    unsigned nr_present;  /* leaves */
    uint64_t charged_until_ns;
};

/* ---- Playing the core ----------------------------------------------------------------------- */

static void init_queue(struct tree *t, unsigned i, const char *class_name,
                       struct sched_entity *self)
{
    const struct sched_class *class = driver_class(class_name);

    sched_queue_init(&t->queue[i], class, self, calloc(1, class->queue_bytes), driver_now_ns);
}

/* A tree that is only its root. */
static struct tree *tree_new(void)
{
    struct tree *t = calloc(1, sizeof(*t));

    init_queue(t, 0, "stride", NULL);
    t->nr_queues = 1;
    t->charged_until_ns = driver_now_ns;
    return t;
}

/* A new group within `parent`, empty. */
static struct sched_queue *add_group(struct tree *t, struct sched_queue *parent,
                                     const char *class_name, uint32_t tickets)
{
    unsigned i = t->nr_queues++;

    t->group[i].params.tickets = tickets;
    tree_join(parent, &t->group[i]);
    init_queue(t, i, class_name, &t->group[i]);
    return &t->queue[i];
}

static struct leaf *leaf_of(struct sched_entity *e)
{
    return (struct leaf *)e;
}

/* Charges the current leaf up to now. */
static void charge(struct tree *t)
{
    uint64_t ran_ns = driver_now_ns - t->charged_until_ns;

    t->charged_until_ns = driver_now_ns;
    if (!t->current)
        return;
    t->current->ran_ns += ran_ns;
    tree_charge(&t->queue[0], ran_ns, 0, driver_now_ns);
}

static void pick(struct tree *t)
{
    struct sched_entity *e = tree_pick(&t->queue[0], driver_now_ns);

    t->current = e ? leaf_of(e) : NULL;
    if ((e != NULL) != (t->nr_present > 0))
        fail_msg("%u are runnable, and pick answers %p", t->nr_present, (void *)e);
}

/* What the core does when the current leaf may have to go, but stays runnable. */
static void reschedule(struct tree *t, bool is_yield)
{
    charge(t);
    tree_put_back(&t->queue[0], is_yield, driver_now_ns);
    pick(t);
}

/* From away to waiting. Whether the current leaf has to make way, which it does not yet. */
static bool enqueue(struct tree *t, struct leaf *leaf, enum sched_enqueue why)
{
    assert_false(leaf->is_present);
    charge(t);
    leaf->is_present = true;
    t->nr_present++;
    return tree_enqueue(&leaf->entity, why, driver_now_ns);
}

/* From waiting or running to away. */
static void dequeue(struct tree *t, struct leaf *leaf, enum sched_dequeue why)
{
    assert_true(leaf->is_present);
    charge(t);
    leaf->is_present = false;
    t->nr_present--;
    tree_dequeue(&leaf->entity, why, driver_now_ns);
    if (t->current == leaf)
        t->current = NULL;
}

/* A new leaf of `q`, waiting. It preempts nobody at once. */
static struct leaf *spawn(struct tree *t, struct sched_queue *q, uint32_t tickets)
{
    struct leaf *leaf = calloc(1, sizeof(*leaf));

    leaf->entity.params.tickets = tickets;
    tree_join(q, &leaf->entity);
    enqueue(t, leaf, SCHED_ENQUEUE_NEW);
    return leaf;
}

/* Wakes the leaf, and lets it have the CPU if it is to have it at once. */
static void wake(struct tree *t, struct leaf *leaf)
{
    if (enqueue(t, leaf, SCHED_ENQUEUE_WAKE))
        reschedule(t, false);
}

/* The current leaf blocks; somebody else goes on. */
static void block(struct tree *t)
{
    dequeue(t, t->current, SCHED_DEQUEUE_BLOCKED);
    pick(t);
}

static uint64_t slice_ns(const struct tree *t)
{
    return tree_slice_ns(&t->queue[0], driver_now_ns);
}

/* Time passes in which nothing happens but the end of slices. */
static void run_for(struct tree *t, uint64_t ns)
{
    uint64_t end_ns = driver_now_ns + ns;

    reschedule(t, false);
    while (driver_now_ns < end_ns) {
        driver_now_ns += MIN(slice_ns(t), end_ns - driver_now_ns);
        reschedule(t, false);
    }
}

/* Everybody who is runnable comes out, once, and then nothing is left. */
static void tree_end(struct tree *t)
{
    charge(t);
    for (unsigned nr_left = t->nr_present; nr_left > 0; nr_left--) {
        struct leaf *leaf;

        pick(t);
        leaf = t->current;
        dequeue(t, leaf, SCHED_DEQUEUE_EXITED);
        free(leaf);
    }
    assert_null(tree_pick(&t->queue[0], driver_now_ns));
    for (unsigned i = 0; i < t->nr_queues; i++) {
        assert_null(t->queue[i].running);
        assert_true(list_is_empty(&t->queue[i].waiting));
        free(t->queue[i].state);
    }
    free(t);
}

/* ---- The invariants ------------------------------------------------------------------------- */

static bool is_waiting(const struct sched_entity *e)
{
    const struct sched_entity *other;

    list_for_each_entry (other, &e->queue->waiting, waiting_link)
        if (other == e)
            return true;
    return false;
}

/* The fields that the mechanism keeps; answers how many leaves are in the queue itself. */
static unsigned check_queue(const struct sched_queue *q)
{
    unsigned nr_waiting = 0, nr_leaves = 0;
    const struct sched_entity *e;

    list_for_each_entry (e, &q->waiting, waiting_link) {
        assert_ptr_equal(e->queue, q);
        assert_ptr_not_equal(e, q->running);
        assert_true(e->group || ((const struct leaf *)e)->is_present);
        for (size_t i = q->class->entity_bytes; i < SCHED_ENTITY_STATE_BYTES; i++)
            assert_int_equal(e->state[i], 0);
        nr_leaves += e->group == NULL;
        nr_waiting++;
    }
    assert_int_equal(nr_waiting, q->nr_waiting);
    if (q->running) {
        assert_ptr_equal(q->running->queue, q);
        assert_true(q->running->group || leaf_of(q->running)->is_present);
        nr_leaves += q->running->group == NULL;
    }
    assert_true(q->running || !q->is_preempted);
    return nr_leaves;
}

/* A group is in its parent's queue, once, exactly while somebody is in its own. */
static void check_group(const struct sched_entity *group)
{
    const struct sched_queue *q = group->group;
    bool is_empty = q->nr_waiting == 0 && !q->running;
    unsigned nr_places = is_waiting(group) + (group->queue->running == group);

    assert_int_equal(nr_places, is_empty ? 0 : 1);
}

/* The least of the slices on the way from the current leaf up to the root. */
static uint64_t expected_slice_ns(const struct tree *t)
{
    uint64_t least_ns = SCHED_TIME_NEVER;
    const struct sched_entity *e;

    for (e = &t->current->entity; e; e = e->queue->self) {
        const struct sched_queue *q = e->queue;

        if (q->nr_waiting > 0)
            least_ns = MIN(least_ns, q->is_preempted ? 0 : q->class->slice_ns(q, e, driver_now_ns));
    }
    return least_ns;
}

/* The running path leads from the root to the current leaf. */
static void check_path(const struct tree *t)
{
    const struct sched_entity *e;

    for (e = &t->current->entity; e; e = e->queue->self)
        assert_ptr_equal(e->queue->running, e);
    assert_int_equal(slice_ns(t), expected_slice_ns(t));
}

static void check_tree(const struct tree *t)
{
    unsigned nr_leaves = 0;

    for (unsigned i = 0; i < t->nr_queues; i++)
        nr_leaves += check_queue(&t->queue[i]);
    assert_int_equal(nr_leaves, t->nr_present);
    for (unsigned i = 1; i < t->nr_queues; i++)
        check_group(&t->group[i]);
    if (t->current)
        check_path(t);
}

/* ---- One level and the others --------------------------------------------------------------- */

static void groups_come_and_go_with_their_only_leaf(void **state)
{
    struct sched_queue *outer, *middle, *inner;
    struct leaf *leaf;
    struct tree *t;

    driver_reset(0);
    t = tree_new();
    outer = add_group(t, &t->queue[0], "rr", 100);
    middle = add_group(t, outer, "mlfq", 100);
    inner = add_group(t, middle, "stride", 100);
    assert_null(tree_pick(&t->queue[0], driver_now_ns));

    leaf = spawn(t, inner, 100);
    check_tree(t);
    pick(t);
    assert_ptr_equal(t->current, leaf);
    check_tree(t);
    block(t);
    assert_null(t->current);
    check_tree(t);
    wake(t, leaf);
    dequeue(t, leaf, SCHED_DEQUEUE_MOVED_OUT);
    check_tree(t);
    wake(t, leaf);
    tree_end(t);
}

static void an_outer_preemption_keeps_quantum_and_place(void **state)
{
    struct leaf *a, *b, *outsider[2];
    struct sched_queue *rr;
    struct tree *t;

    driver_reset(0);
    t = tree_new();
    rr = add_group(t, &t->queue[0], "rr", PERCENT(50));
    a = spawn(t, rr, 100);
    b = spawn(t, rr, 100);
    outsider[0] = spawn(t, &t->queue[0], PERCENT(20));
    pick(t);
    assert_ptr_equal(t->current, a);
    driver_now_ns += 3 * MS;
    outsider[1] = spawn(t, &t->queue[0], PERCENT(20));
    assert_int_equal(slice_ns(t), 0); /* the group is ahead of both outsiders by now */
    reschedule(t, false);
    assert_ptr_equal(t->current->entity.queue, &t->queue[0]);
    assert_ptr_equal(rr->running, &a->entity);
    check_tree(t);

    driver_now_ns += MS;
    block(t);
    block(t);
    assert_ptr_equal(t->current, a);
    assert_int_equal(slice_ns(t), RR_NS - 3 * MS);
    driver_now_ns += RR_NS - 3 * MS;
    reschedule(t, false);
    assert_ptr_equal(t->current, b);
    free(outsider[0]);
    free(outsider[1]);
    tree_end(t);
}

static void the_slice_is_the_least_of_all_levels_where_somebody_waits(void **state)
{
    struct sched_queue *mlfq, *rr;
    struct leaf *outsider, *neighbour;
    struct tree *t;

    driver_reset(0);
    t = tree_new();
    mlfq = add_group(t, &t->queue[0], "mlfq", PERCENT(50));
    rr = add_group(t, mlfq, "rr", 100);
    spawn(t, rr, 100);
    pick(t);
    assert_int_equal(slice_ns(t), SCHED_TIME_NEVER);
    spawn(t, rr, 100);
    assert_int_equal(slice_ns(t), RR_NS);
    driver_now_ns += 2 * MS;
    charge(t);
    assert_int_equal(slice_ns(t), RR_NS - 2 * MS);
    neighbour = spawn(t, mlfq, 100);
    assert_int_equal(slice_ns(t), MLFQ0_NS - 2 * MS);
    outsider = spawn(t, &t->queue[0], PERCENT(50));
    driver_now_ns += MS;
    charge(t);
    assert_int_equal(slice_ns(t), MLFQ0_NS - 3 * MS);
    dequeue(t, neighbour, SCHED_DEQUEUE_MOVED_OUT);
    assert_int_equal(slice_ns(t), STRIDE_NS - MS); /* at the root, nobody waited before */
    dequeue(t, outsider, SCHED_DEQUEUE_MOVED_OUT);
    assert_int_equal(slice_ns(t), RR_NS - 3 * MS);
    free(neighbour);
    free(outsider);
    tree_end(t);
}

static void a_yield_gives_way_within_the_own_group_only(void **state)
{
    struct leaf *a, *b, *outsider;
    struct sched_queue *rr;
    struct tree *t;

    driver_reset(0);
    t = tree_new();
    rr = add_group(t, &t->queue[0], "rr", PERCENT(50));
    a = spawn(t, rr, 100);
    b = spawn(t, rr, 100);
    outsider = spawn(t, &t->queue[0], PERCENT(50));
    pick(t);
    assert_ptr_equal(t->current, a);
    reschedule(t, true);
    assert_ptr_equal(t->current, b);
    reschedule(t, true);
    assert_ptr_equal(t->current, a);
    assert_int_equal(outsider->ran_ns, 0);
    tree_end(t);
}

/* Somebody who should preempt within a group that waits does so when the group has its turn. */
static void a_preemption_in_a_waiting_group_waits_with_the_group(void **state)
{
    struct leaf *slow, *quick, *outsider;
    struct sched_queue *mlfq;
    struct tree *t;

    driver_reset(0);
    t = tree_new();
    mlfq = add_group(t, &t->queue[0], "mlfq", PERCENT(50));
    quick = spawn(t, mlfq, 100);
    pick(t);
    block(t);
    slow = spawn(t, mlfq, 100);
    run_for(t, 30 * MS); /* to level 1 */
    outsider = spawn(t, &t->queue[0], PERCENT(50));
    while (t->current != outsider)
        run_for(t, MS);

    assert_ptr_equal(mlfq->running, &slow->entity);
    assert_false(enqueue(t, quick, SCHED_ENQUEUE_WAKE));
    assert_ptr_equal(t->current, outsider);
    check_tree(t);
    block(t);
    assert_ptr_equal(t->current, quick);
    check_tree(t);
    free(outsider);
    tree_end(t);
}

/* ---- An inner queue does not notice what goes on outside ------------------------------------ */

#define NR_TURNS 200

/* Who ran within a group, one after the other, and for how long each. */
struct turns {
    const struct leaf *last;
    unsigned nr, who[NR_TURNS];
    uint64_t ran_ns[NR_TURNS];
};

/* The current leaf, number `who`, is about to run for `ns`. */
static void note_turn(struct turns *turns, const struct leaf *leaf, unsigned who, uint64_t ns)
{
    if (turns->last != leaf) {
        turns->last = leaf;
        turns->who[turns->nr] = who;
        turns->ran_ns[turns->nr] = 0;
        turns->nr++;
    }
    turns->ran_ns[turns->nr - 1] += ns;
}

/*
 * Three leaves in a group of `class_name`, in company of two leaves outside that block and wake at
 * random times; or alone, when `seed` is 0. Notes the group's first NR_TURNS turns. What depends on
 * more than the time that the group gets is left out: boosts of mlfq, which go by the clock, and
 * tickets whose strides are rounded with every charge.
 */
static void run_group(const char *class_name, uint64_t seed, struct turns *turns)
{
    struct rng rng = {seed};
    struct leaf *inside[3], *outside[2] = {NULL};
    struct sched_queue *group;
    struct tree *t;

    driver_reset(0);
    t = tree_new();
    group = add_group(t, &t->queue[0], class_name, PERCENT(50));
    for (unsigned i = 0; i < group->class->nr_tunables; i++) {
        if (strcmp(group->class->tunables[i].name, "boost") == 0) {
            group->tunable[i] = 0;
            group->class->retuned(group, driver_now_ns);
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(inside); i++)
        inside[i] = spawn(t, group, 64u << i);
    for (unsigned i = 0; i < ARRAY_LEN(outside) && seed != 0; i++)
        outside[i] = spawn(t, &t->queue[0], PERCENT(20));
    pick(t);

    *turns = (struct turns){.nr = 0};
    while (turns->nr < NR_TURNS) {
        uint64_t ns = slice_ns(t);

        if (seed != 0 && rng_one_in(&rng, 2))
            ns = rng_between(&rng, 0, ns);
        for (unsigned i = 0; i < ARRAY_LEN(inside); i++)
            if (t->current == inside[i] && ns > 0)
                note_turn(turns, inside[i], i, ns);
        driver_now_ns += ns;
        reschedule(t, false);
        if (seed == 0)
            continue;
        if (rng_one_in(&rng, 4) && t->current->entity.queue == &t->queue[0])
            block(t);
        for (unsigned i = 0; i < ARRAY_LEN(outside); i++)
            if (!outside[i]->is_present && rng_one_in(&rng, 4))
                wake(t, outside[i]);
    }
    for (unsigned i = 0; i < ARRAY_LEN(outside) && seed != 0; i++)
        if (!outside[i]->is_present)
            wake(t, outside[i]);
    tree_end(t);
}

static void the_order_and_turns_within_a_group_are_as_if_it_were_alone(void **state)
{
    static const char *const classes[] = {"rr", "mlfq", "stride"};

    for (unsigned c = 0; c < ARRAY_LEN(classes); c++) {
        struct turns alone, disturbed;

        run_group(classes[c], 0, &alone);
        for (uint64_t seed = 1; seed <= 200; seed++) {
            run_group(classes[c], seed, &disturbed);
            for (unsigned i = 0; i < NR_TURNS - 1; i++) {
                assert_int_equal(disturbed.who[i], alone.who[i]);
                assert_int_equal(disturbed.ran_ns[i], alone.ran_ns[i]);
            }
        }
    }
}

/* ---- Shares --------------------------------------------------------------------------------- */

static void thirty_percent_of_the_tickets_are_thirty_percent_of_the_time(void **state)
{
    struct sched_queue *def;
    struct leaf *leaf;
    struct tree *t;
    uint64_t start_ns;

    driver_reset(0);
    t = tree_new();
    def = add_group(t, &t->queue[0], "mlfq", PERCENT(70));
    for (unsigned i = 0; i < 7; i++)
        spawn(t, def, SCHED_TICKETS_DEFAULT);
    leaf = spawn(t, &t->queue[0], PERCENT(30));
    start_ns = driver_now_ns;
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t due_ns;

        run_for(t, 7 * MS);
        due_ns = (driver_now_ns - start_ns) * 30 / 100;
        assert_in_range(leaf->ran_ns + STRIDE_NS, due_ns, due_ns + 2 * STRIDE_NS);
    }
    tree_end(t);
}

/* Half of the CPU, a quarter of that, and a turn among two. */
static void shares_multiply_down_the_tree(void **state)
{
    struct sched_queue *half, *quarter;
    struct leaf *leaf;
    struct tree *t;

    driver_reset(0);
    t = tree_new();
    half = add_group(t, &t->queue[0], "stride", PERCENT(50));
    quarter = add_group(t, half, "rr", 100);
    spawn(t, &t->queue[0], PERCENT(50));
    spawn(t, half, 300);
    spawn(t, quarter, 100);
    leaf = spawn(t, quarter, 100);
    run_for(t, 80 * NSEC_PER_SEC);
    assert_in_range(leaf->ran_ns, 5 * NSEC_PER_SEC - RR_NS - 2 * STRIDE_NS,
                    5 * NSEC_PER_SEC + RR_NS + 2 * STRIDE_NS);
    tree_end(t);
}

/* One step of what goes on in the default group: never all of them sleep. */
static void disturb(struct tree *t, struct leaf *inside[4], struct rng *rng)
{
    struct leaf *sleeper = inside[rng_below(rng, 3)];

    if (!sleeper->is_present)
        wake(t, sleeper);
    else if (sleeper == t->current)
        block(t);
    else if (t->current->entity.queue == inside[3]->entity.queue)
        reschedule(t, true);
}

/* Whatever the default group's members do: two leaves with shares get those, at any time. */
static void shares_hold_at_any_time_whatever_the_others_do(void **state)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct rng rng = {seed};
        unsigned percent[2] = {(unsigned)rng_between(&rng, 1, 40),
                               (unsigned)rng_between(&rng, 1, 40)};
        struct leaf *inside[4], *leaf[2];
        struct sched_queue *def;
        struct tree *t;
        uint64_t start_ns;

        driver_reset(seed);
        t = tree_new();
        def = add_group(t, &t->queue[0], "mlfq", PERCENT(100 - percent[0] - percent[1]));
        for (unsigned i = 0; i < ARRAY_LEN(inside); i++)
            inside[i] = spawn(t, def, SCHED_TICKETS_DEFAULT);
        for (unsigned i = 0; i < ARRAY_LEN(leaf); i++)
            leaf[i] = spawn(t, &t->queue[0], PERCENT(percent[i]));
        start_ns = driver_now_ns;
        for (unsigned step = 0; step < 1000; step++) {
            run_for(t, rng_below(&rng, 4 * MS));
            disturb(t, inside, &rng);
            for (unsigned i = 0; i < ARRAY_LEN(leaf); i++) {
                uint64_t due_ns = (driver_now_ns - start_ns) * percent[i] / 100;

                /* At most a quantum to each of the two others. */
                assert_in_range(leaf[i]->ran_ns + 2 * STRIDE_NS, due_ns, due_ns + 4 * STRIDE_NS);
            }
        }
        for (unsigned i = 0; i < 3; i++)
            if (!inside[i]->is_present)
                wake(t, inside[i]);
        tree_end(t);
    }
}

/* ---- Anything ------------------------------------------------------------------------------- */

/* Two trees of the same random shape, two CPUs so to speak, and leaves that may be in either. */
struct world {
    struct tree *tree[2];
    struct leaf *leaf[NR_LEAVES]; /* NULL: none */
    struct rng rng;
};

static void world_init(struct world *w, uint64_t seed)
{
    static const char *const classes[] = {"rr", "mlfq", "stride"};

    *w = (struct world){.rng = {seed}};
    driver_reset(seed);
    for (unsigned i = 0; i < 2; i++)
        w->tree[i] = tree_new();
    for (unsigned i = 1; i < rng_between(&w->rng, 2, QUEUES_MAX); i++) {
        const char *class_name = classes[rng_below(&w->rng, ARRAY_LEN(classes))];
        uint64_t parent = rng_below(&w->rng, i);

        for (unsigned k = 0; k < 2; k++)
            add_group(w->tree[k], &w->tree[k]->queue[parent], class_name, PERCENT(20));
    }
}

static struct tree *home_of(const struct world *w, const struct leaf *leaf)
{
    const struct sched_queue *q = leaf->entity.queue;
    const struct tree *first = w->tree[0];

    return q >= first->queue && q < first->queue + QUEUES_MAX ? w->tree[0] : w->tree[1];
}

/*
 * After something became waiting. When the current leaf has to go for it, its slice is over; it
 * goes at once or, as on a CPU that is told by an interrupt, a little later.
 */
static void arrived(struct world *w, struct tree *t, bool preempts)
{
    if (!t->current) {
        pick(t);
        return;
    }
    assert_true(!preempts || slice_ns(t) == 0);
    if (preempts && rng_one_in(&w->rng, 2))
        reschedule(t, false);
}

static void step_spawn(struct world *w, struct tree *t, struct leaf **slot)
{
    struct sched_queue *q = &t->queue[rng_below(&w->rng, t->nr_queues)];

    if (*slot)
        return;
    *slot = spawn(t, q, (uint32_t)rng_between(&w->rng, 1, 1000));
    arrived(w, t, false);
}

/* A sleeper wakes, on its CPU or on the other one. */
static void step_wake(struct world *w, struct leaf *leaf)
{
    struct tree *t;

    if (!leaf || leaf->is_present)
        return;
    t = home_of(w, leaf);
    if (rng_one_in(&w->rng, 3)) {
        struct tree *other = t == w->tree[0] ? w->tree[1] : w->tree[0];

        leaf->entity.queue = &other->queue[leaf->entity.queue - t->queue];
        t = other;
    }
    arrived(w, t, enqueue(t, leaf, SCHED_ENQUEUE_WAKE));
}

/* The other CPU takes a leaf that is not on a CPU; it may well be the running one of its group. */
static void step_move(struct world *w, struct leaf *leaf)
{
    struct tree *from, *to;

    if (!leaf || !leaf->is_present)
        return;
    from = home_of(w, leaf);
    to = from == w->tree[0] ? w->tree[1] : w->tree[0];
    if (leaf == from->current)
        return;
    dequeue(from, leaf, SCHED_DEQUEUE_MOVED_OUT);
    leaf->entity.queue = &to->queue[leaf->entity.queue - from->queue];
    arrived(w, to, enqueue(to, leaf, SCHED_ENQUEUE_MOVED_IN));
}

/* New tickets for any entity that is present, as sched/core.c gives them. */
static void step_tickets(struct world *w, struct tree *t, struct leaf *leaf)
{
    struct sched_entity *e = &t->group[rng_below(&w->rng, t->nr_queues)];
    struct sched_params old;

    if (leaf && leaf->is_present && rng_one_in(&w->rng, 2)) {
        e = &leaf->entity;
        t = home_of(w, leaf);
    }
    if (!e->queue)
        return;
    charge(t);
    old = e->params;
    e->params.tickets = (uint32_t)rng_between(&w->rng, 1, 10000);
    if (e->queue->class->params_changed && (e->queue->running == e || is_waiting(e)))
        e->queue->class->params_changed(e->queue, e, &old, driver_now_ns);
}

/* The current leaf goes away, for a while or for good. */
static void step_leave(struct world *w, struct tree *t)
{
    struct leaf *leaf = t->current;

    if (!leaf)
        return;
    if (rng_one_in(&w->rng, 3)) {
        dequeue(t, leaf, SCHED_DEQUEUE_EXITED);
        for (unsigned i = 0; i < NR_LEAVES; i++)
            if (w->leaf[i] == leaf)
                w->leaf[i] = NULL;
        free(leaf);
    } else {
        dequeue(t, leaf, SCHED_DEQUEUE_BLOCKED);
    }
    pick(t);
}

/*
 * Time passes: up to the end of a slice on either CPU, often exactly, and sometimes beyond, as when
 * the timer's interrupt is late.
 */
static void step_run(struct world *w)
{
    uint64_t ns = SCHED_TIME_NEVER;

    for (unsigned i = 0; i < 2; i++)
        if (w->tree[i]->current)
            ns = MIN(ns, slice_ns(w->tree[i]));
    if (ns == SCHED_TIME_NEVER)
        ns = rng_below(&w->rng, rng_one_in(&w->rng, 20) ? 3600 * NSEC_PER_SEC : 50 * MS);
    else if (rng_one_in(&w->rng, 2))
        ns = rng_between(&w->rng, 0, ns + (rng_one_in(&w->rng, 8) ? 3 * MS : 0));
    driver_now_ns += ns;
    charge(w->tree[0]);
    charge(w->tree[1]);
}

/* A decision settles: whoever has been picked may run for a while. */
static void step_reschedule(struct world *w, struct tree *t)
{
    reschedule(t, rng_one_in(&w->rng, 3));
    charge(t);
    if (t->current && slice_ns(t) == 0) /* its class has caught up with the time that has passed */
        reschedule(t, false);
    assert_true(!t->current || slice_ns(t) > 0);
}

static void step(struct world *w)
{
    struct tree *t = w->tree[rng_below(&w->rng, 2)];
    struct leaf **slot = &w->leaf[rng_below(&w->rng, NR_LEAVES)];

    switch (rng_below(&w->rng, 12)) {
    case 0:
    case 1:
        step_spawn(w, t, slot);
        break;
    case 2:
    case 3:
        step_wake(w, *slot);
        break;
    case 4:
        step_move(w, *slot);
        break;
    case 5:
        step_tickets(w, t, *slot);
        break;
    case 6:
        step_leave(w, t);
        break;
    case 7:
    case 8:
        step_reschedule(w, t);
        break;
    default:
        step_run(w);
    }
}

static void no_sequence_of_calls_breaks_an_invariant(void **state)
{
    for (uint64_t seed = 0; seed < 10000; seed++) {
        struct world w;

        world_init(&w, seed);
        for (unsigned i = 0; i < 400; i++) {
            step(&w);
            check_tree(w.tree[0]);
            check_tree(w.tree[1]);
        }
        for (unsigned i = 0; i < NR_LEAVES; i++)
            if (w.leaf[i] && !w.leaf[i]->is_present)
                enqueue(home_of(&w, w.leaf[i]), w.leaf[i], SCHED_ENQUEUE_WAKE);
        tree_end(w.tree[0]);
        tree_end(w.tree[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_come_and_go_with_their_only_leaf),
        cmocka_unit_test(an_outer_preemption_keeps_quantum_and_place),
        cmocka_unit_test(the_slice_is_the_least_of_all_levels_where_somebody_waits),
        cmocka_unit_test(a_yield_gives_way_within_the_own_group_only),
        cmocka_unit_test(a_preemption_in_a_waiting_group_waits_with_the_group),
        cmocka_unit_test(the_order_and_turns_within_a_group_are_as_if_it_were_alone),
        cmocka_unit_test(thirty_percent_of_the_tickets_are_thirty_percent_of_the_time),
        cmocka_unit_test(shares_multiply_down_the_tree),
        cmocka_unit_test(shares_hold_at_any_time_whatever_the_others_do),
        cmocka_unit_test(no_sequence_of_calls_breaks_an_invariant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
