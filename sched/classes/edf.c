/*
 * Earliest deadline first, with promises that are kept, and a budget for each that nobody exceeds.
 *
 * An entity is promised `runtime_ns` of the CPU in every period of `period_ns`, within the first
 * `deadline_ns` of it. Of those with a deadline, the earliest one runs, and preempts at once. On
 * one CPU that is optimal: whatever any order can do in time is done in time. (C. L. Liu, J. W.
 * Layland: Scheduling Algorithms for Multiprogramming in a Hard-Real-Time Environment, J. ACM
 * 20(1), 1973, section 7.)
 *
 * Admission. The *density* of a promise is runtime / deadline. If all densities add up to no more
 * than the fraction of the CPU that the queue is guaranteed, every deadline is met (where deadline
 * and period are the same, that is Liu and Layland's theorem 7, and exact; otherwise it is
 * sufficient). What does not fit is refused.
 *
 * Constant bandwidth. Nobody is trusted to stay within its promise: each has a *budget*, runtime_ns
 * at the beginning of a period, that running uses up. When it is spent, the entity is *throttled*
 * until its next period, though the CPU be idle. What it ran beyond its budget, because the end of
 * its slice came late, is taken from the next one. So whoever needs too much hurts only itself. Who
 * yields is done with its job: it waits for its next period.
 *
 * Who wakes goes on with the budget and deadline that it left, unless that would be more than its
 * density: budget > (deadline - now) * density. Then its next period begins now (L. Abeni, G.
 * Buttazzo: Integrating Multimedia Applications in Hard Real-Time Systems, IEEE RTSS 1998, rule for
 * arriving jobs of the constant bandwidth server). That could be before its period is over. With a
 * deadline shorter than the period, it would then get more than its runtime per period; so there
 * the budget is cut down to the density (L. Abeni, G. Lipari, J. Lelli: Constant Bandwidth Server
 * Revisited, ACM SIGBED Review 11(4), 2015), and after the deadline it waits for its next period.
 *
 * A promise that ends still holds its part of the CPU until its *zero-lag time*, deadline - budget
 * / density, when it would have used its budget at an even pace. Newcomers, and new params, begin
 * no earlier. Otherwise a chain of promises, each with a budget that is spent at once, would starve
 * those whose deadlines are later.
 *
 * Who is promised nothing runs *in the background*, in turn, while nobody with a promise can run.
 * So nobody who joins such a group is lost, and even an LWP without a promise can be ended.
 *
 * Times of the waiting: the *ready* have a budget and are ordered by deadline; the *throttled* are
 * ordered by when their next period begins. pick() moves over those whose time has come.
 *
 * Densities have 32 bits of fraction, rounded down: n promises can exceed the fraction by n *
 * 2^-32. No period is longer than 2^32 ns, so that all products fit 64 bits.
 */

#include <kernel/rbtree.h>
#include <sched/class.h>

enum { BACKGROUND_US, NR_TUNABLES };

static const struct sched_tunable tunables[NR_TUNABLES] = {
    [BACKGROUND_US] = {"background_us", "turn of one without a promise, in microseconds", 10000, 10,
                       10000000},
};

/* Periods that begin more often keep the CPU busy with nothing else; Linux has such limits, too. */
#define RUNTIME_MIN_NS  NSEC_PER_USEC
#define DEADLINE_MIN_NS (100 * NSEC_PER_USEC)
#define PERIOD_MAX_NS   (4 * NSEC_PER_SEC)

#define DENSITY_BITS        32
#define PERIODS_SKIPPED_MAX 1000

/* Where it waits; while running and away, where it did. */
enum edf_line {
    LINE_NONE, /* nowhere yet */
    LINE_READY,
    LINE_THROTTLED, /* begins_ns is when the next one begins, and the budget is still to be added */
    LINE_BACKGROUND,
};

struct edf_queue {
    struct rb_tree ready;     /* by deadline */
    struct rb_tree throttled; /* by the beginning of the next period */
    struct list background;   /* in turn */
    uint64_t promised;        /* the sum of the densities */
    uint64_t free_from_ns;    /* the latest zero-lag time of promises that have ended */
};

struct edf_entity {
    union {
        struct rb_node node;   /* ready or throttled */
        struct list_node link; /* in the background */
    };
    uint64_t begins_ns; /* its period */
    uint64_t deadline_ns;
    int64_t budget_ns; /* negative: overrun */
    uint64_t density;  /* at which its period began; 0: never had one */
    uint64_t turn_ns;  /* of its turn in the background, used */
    enum edf_line line;
};

_Static_assert(sizeof(struct edf_entity) <= SCHED_ENTITY_STATE_BYTES, "state does not fit");
_Static_assert(PERIOD_MAX_NS < 1ull << 32, "products overflow");

static struct edf_queue *queue_of(const struct sched_queue *q)
{
    return q->state;
}

static struct edf_entity *state_of(const struct sched_entity *e)
{
    return (struct edf_entity *)e->state;
}

static struct edf_entity *of_node(const struct rb_node *node)
{
    return rb_entry(node, struct edf_entity, node);
}

/* NULL: the tree is empty. */
static struct edf_entity *first_of(const struct rb_tree *tree)
{
    return rb_is_empty(tree) ? NULL : of_node(rb_first(tree));
}

static struct sched_entity *entity_of(struct edf_entity *ee)
{
    return container_of(ee, struct sched_entity, state);
}

static bool has_earlier_deadline(const struct rb_node *a, const struct rb_node *b)
{
    return of_node(a)->deadline_ns < of_node(b)->deadline_ns;
}

static bool begins_earlier(const struct rb_node *a, const struct rb_node *b)
{
    return of_node(a)->begins_ns < of_node(b)->begins_ns;
}

/* ---- Promises ------------------------------------------------------------------------------- */

static bool is_promise(const struct sched_params *params)
{
    return params->runtime_ns >= RUNTIME_MIN_NS && params->runtime_ns <= params->deadline_ns &&
           params->deadline_ns >= DEADLINE_MIN_NS && params->deadline_ns <= params->period_ns &&
           params->period_ns <= PERIOD_MAX_NS;
}

/* 0: no promise. */
static uint64_t density_of(const struct sched_params *params)
{
    return is_promise(params) ? (params->runtime_ns << DENSITY_BITS) / params->deadline_ns : 0;
}

static int edf_admit(struct sched_queue *q, const struct sched_params *wanted)
{
    struct edf_queue *eq = queue_of(q);
    uint64_t limit = ((uint64_t)q->guaranteed_percent << DENSITY_BITS) / 100;
    uint64_t promised = eq->promised + density_of(wanted);

    if (!is_promise(wanted))
        return -EINVAL;
    if (promised > limit)
        return -EBUSY;
    eq->promised = promised;
    return 0;
}

static void edf_release(struct sched_queue *q, const struct sched_params *held)
{
    queue_of(q)->promised -= density_of(held);
}

/* ---- Periods -------------------------------------------------------------------------------- */

/* With a full budget, less what it owes. */
static void begin_period(struct sched_entity *e, uint64_t begins_ns)
{
    struct edf_entity *ee = state_of(e);

    ee->line = LINE_READY;
    ee->begins_ns = begins_ns;
    ee->deadline_ns = begins_ns + e->params.deadline_ns;
    ee->budget_ns = MIN(ee->budget_ns, 0) + (int64_t)e->params.runtime_ns;
    ee->density = density_of(&e->params);
}

/* The budget is spent: the next period is the first whose budget makes up for the overrun. */
static void throttle(struct sched_entity *e)
{
    struct edf_entity *ee = state_of(e);
    uint64_t overrun_ns = (uint64_t)-ee->budget_ns;
    uint64_t nr_skipped = MIN(overrun_ns / e->params.runtime_ns, (uint64_t)PERIODS_SKIPPED_MAX);

    ee->line = LINE_THROTTLED;
    ee->begins_ns += (1 + nr_skipped) * e->params.period_ns;
    ee->budget_ns = -(int64_t)(overrun_ns % e->params.runtime_ns);
}

/*
 * Makes one with a promise ready or throttled, as is right now. It has waited all the time: its
 * periods follow each other, unless it could not even begin one in time.
 */
static void settle(struct sched_entity *e, uint64_t now_ns)
{
    struct edf_entity *ee = state_of(e);

    while (ee->line == LINE_THROTTLED || ee->budget_ns <= 0) {
        if (ee->line != LINE_THROTTLED)
            throttle(e);
        if (ee->begins_ns > now_ns)
            return;
        begin_period(e, now_ns - ee->begins_ns < e->params.period_ns ? ee->begins_ns : now_ns);
    }
}

/* The promise ends that `e` has had. */
static void end_promise(struct edf_queue *eq, struct edf_entity *ee)
{
    uint64_t zero_lag_ns = ee->deadline_ns;

    if (ee->density == 0)
        return;
    /* Who has overrun begins later, at its own cost; others do not wait longer for it. */
    if (ee->line == LINE_THROTTLED)
        zero_lag_ns = MIN(ee->begins_ns, ee->deadline_ns);
    else if (ee->budget_ns > 0)
        zero_lag_ns -= ((uint64_t)ee->budget_ns << DENSITY_BITS) / ee->density;
    eq->free_from_ns = MAX(eq->free_from_ns, zero_lag_ns);
    ee->density = 0;
}

/* A new promise begins, as soon as those that have ended make room. */
static void begin_promise(struct edf_queue *eq, struct edf_entity *ee, uint64_t now_ns)
{
    ee->line = LINE_THROTTLED;
    ee->begins_ns = MAX(now_ns, eq->free_from_ns);
    ee->budget_ns = 0;
}

/* One with a promise has a job to do after a sleep. */
static void begin_job(struct sched_entity *e, uint64_t now_ns)
{
    const struct sched_params *params = &e->params;
    struct edf_entity *ee = state_of(e);
    uint64_t left_ns = now_ns < ee->deadline_ns ? ee->deadline_ns - now_ns : 0;

    if (ee->line != LINE_THROTTLED && ee->budget_ns <= 0)
        throttle(e);
    if (ee->line == LINE_THROTTLED) {
        if (ee->begins_ns <= now_ns)
            begin_period(e, now_ns);
        return;
    }
    if ((uint64_t)ee->budget_ns * params->deadline_ns <= params->runtime_ns * left_ns)
        return;
    if (params->deadline_ns == params->period_ns || now_ns - ee->begins_ns >= params->period_ns) {
        ee->budget_ns = 0;
        begin_period(e, now_ns);
    } else {
        ee->budget_ns = (int64_t)(params->runtime_ns * left_ns / params->deadline_ns);
    }
}

/* ---- Lines ---------------------------------------------------------------------------------- */

static uint64_t turn_left_ns(const struct sched_queue *q, const struct edf_entity *ee)
{
    uint64_t background_ns = q->tunable[BACKGROUND_US] * NSEC_PER_USEC;

    return ee->turn_ns < background_ns ? background_ns - ee->turn_ns : 0;
}

/* Whoever was interrupted in its turn goes on with it. */
static void put_in_background(struct sched_queue *q, struct edf_entity *ee)
{
    struct list *background = &queue_of(q)->background;

    ee->line = LINE_BACKGROUND;
    if (ee->turn_ns > 0 && turn_left_ns(q, ee) > 0) {
        list_push_front(background, &ee->link);
        return;
    }
    ee->turn_ns = 0;
    list_push_back(background, &ee->link);
}

static void put_into_line(struct sched_queue *q, struct sched_entity *e, uint64_t now_ns)
{
    struct edf_queue *eq = queue_of(q);
    struct edf_entity *ee = state_of(e);

    if (!is_promise(&e->params)) {
        put_in_background(q, ee);
        return;
    }
    settle(e, now_ns);
    if (ee->line == LINE_READY)
        rb_insert(&eq->ready, &ee->node, has_earlier_deadline);
    else
        rb_insert(&eq->throttled, &ee->node, begins_earlier);
}

static void take_from_line(struct edf_queue *eq, struct edf_entity *ee)
{
    if (ee->line == LINE_READY)
        rb_remove(&eq->ready, &ee->node);
    else if (ee->line == LINE_THROTTLED)
        rb_remove(&eq->throttled, &ee->node);
    else
        list_remove(&ee->link);
}

/* The next period of somebody throttled is to begin. */
static bool is_period_due(const struct edf_queue *eq, uint64_t now_ns)
{
    const struct edf_entity *first = first_of(&eq->throttled);

    return first && first->begins_ns <= now_ns;
}

/* ---- The class ------------------------------------------------------------------------------ */

static void edf_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    (void)now_ns;
    list_init(&queue_of(q)->background);
}

static void edf_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                        uint64_t now_ns)
{
    struct edf_queue *eq = queue_of(q);
    struct edf_entity *ee = state_of(e);

    if (why != SCHED_ENQUEUE_PREEMPTED && why != SCHED_ENQUEUE_EXPIRED)
        ee->turn_ns = 0;
    if (density_of(&e->params) != ee->density) {
        end_promise(eq, ee);
        begin_promise(eq, ee, now_ns);
    } else if (why == SCHED_ENQUEUE_YIELD) {
        ee->budget_ns = MIN(ee->budget_ns, 0);
    } else if (why == SCHED_ENQUEUE_WAKE && ee->density != 0) {
        begin_job(e, now_ns);
    }
    put_into_line(q, e, now_ns);
}

static void edf_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                        uint64_t now_ns)
{
    (void)now_ns;
    if (q->running != e)
        take_from_line(queue_of(q), state_of(e));
    if (why != SCHED_DEQUEUE_BLOCKED)
        end_promise(queue_of(q), state_of(e));
}

static struct sched_entity *edf_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct edf_queue *eq = queue_of(q);
    struct edf_entity *ee;
    struct list_node *node;

    while (is_period_due(eq, now_ns)) {
        ee = first_of(&eq->throttled);
        rb_remove(&eq->throttled, &ee->node);
        put_into_line(q, entity_of(ee), now_ns);
    }
    ee = first_of(&eq->ready);
    if (ee) {
        rb_remove(&eq->ready, &ee->node);
        return entity_of(ee);
    }
    node = list_pop_front(&eq->background);
    if (!node)
        return NULL;
    return entity_of(list_entry(node, struct edf_entity, link));
}

static void edf_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                       uint64_t now_ns)
{
    struct edf_entity *ee = state_of(e);

    (void)q;
    (void)now_ns;
    if (ee->line == LINE_BACKGROUND)
        ee->turn_ns += ran_ns;
    else
        ee->budget_ns -= (int64_t)ran_ns;
}

/* Whether ready `a` is to run rather than running `b`. */
static bool is_more_urgent(const struct edf_entity *a, const struct edf_entity *b)
{
    return b->line == LINE_BACKGROUND || a->deadline_ns < b->deadline_ns;
}

static uint64_t edf_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                             uint64_t now_ns)
{
    const struct edf_queue *eq = queue_of(q);
    const struct edf_entity *ee = state_of(e), *first = first_of(&eq->ready);

    if (is_period_due(eq, now_ns) || (first && is_more_urgent(first, ee)))
        return 0;
    if (ee->line == LINE_BACKGROUND)
        return list_is_empty(&eq->background) ? SCHED_TIME_NEVER : turn_left_ns(q, ee);
    return (uint64_t)MAX(ee->budget_ns, 0);
}

static bool edf_preempts(const struct sched_queue *q, const struct sched_entity *woken,
                         const struct sched_entity *running, uint64_t now_ns)
{
    (void)q;
    (void)now_ns;
    return state_of(woken)->line == LINE_READY &&
           is_more_urgent(state_of(woken), state_of(running));
}

static uint64_t edf_next_event_ns(const struct sched_queue *q, uint64_t now_ns)
{
    const struct edf_entity *first = first_of(&queue_of(q)->throttled);

    (void)now_ns;
    return first ? first->begins_ns : SCHED_TIME_NEVER;
}

/* The end of one promise and the beginning of another: so nobody has two budgets for one period. */
static void edf_params_changed(struct sched_queue *q, struct sched_entity *e,
                               const struct sched_params *old, uint64_t now_ns)
{
    struct edf_queue *eq = queue_of(q);
    struct edf_entity *ee = state_of(e);

    if (density_of(&e->params) == density_of(old))
        return;
    if (q->running != e)
        take_from_line(eq, ee);
    end_promise(eq, ee);
    if (is_promise(&e->params))
        begin_promise(eq, ee, now_ns);
    else
        ee->line = LINE_BACKGROUND;
    if (q->running != e)
        put_into_line(q, e, now_ns);
}

static const struct sched_class edf = {
    .name = "edf",
    .help = "earliest deadline first: so much in each period, promised and not exceeded",
    .entity_bytes = sizeof(struct edf_entity),
    .queue_bytes = sizeof(struct edf_queue),
    .tunables = tunables,
    .nr_tunables = NR_TUNABLES,
    .queue_init = edf_queue_init,
    .admit = edf_admit,
    .release = edf_release,
    .enqueue = edf_enqueue,
    .dequeue = edf_dequeue,
    .pick = edf_pick,
    .charge = edf_charge,
    .slice_ns = edf_slice_ns,
    .preempts = edf_preempts,
    .next_event_ns = edf_next_event_ns,
    .params_changed = edf_params_changed,
};

SCHED_CLASS_REGISTER(edf);
