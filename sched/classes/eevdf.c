/*
 * Earliest eligible virtual deadline first: time in proportion to weight, and for each turn a time
 * by which it is due.
 *
 * I. Stoica, H. Abdel-Wahab: Earliest Eligible Virtual Deadline First: A Flexible and Accurate
 * Mechanism for Proportional Share Resource Allocation, Old Dominion University, TR-95-22, 1995.
 * Linux has had a variant since 6.6; where the two differ, it is said below which one this follows.
 *
 * Everybody present (waiting or running) has a *weight*, and a *vruntime*, which advances while it
 * runs by 1/weight for every nanosecond. *Virtual time* is where each vruntime would be if the CPU
 * could be divided at will: the mean of the vruntimes, weighted by weight. The distance between
 * the two is the entity's *lag*: positive if it is owed time, negative if it is ahead. All lags,
 * times weight, sum up to zero.
 *
 * An entity asks for a slice at a time. Such a request is
 *   - *eligible* while the lag is not negative, vruntime <= virtual time (as in Linux; in the
 * paper, a request that has become eligible remains it), so nobody is served too early;
 *   - due at its *deadline*, vruntime + slice/weight: when an ideal CPU would have it done.
 * Of the eligible, the one with the earliest deadline runs. There always is one, since not
 * everybody can be above the mean. When vruntime reaches the deadline, the request is done and the
 * turn over, and the next request begins.
 *
 * The theorem: while nobody comes or goes, every lag is at most a slice, either way, at any time.
 * Stride scheduling bounds only the difference of each pair: summed up over many light entities, a
 * heavy one's error is much more than a quantum there.
 *
 * Coming and going. Who leaves with a lag comes back with it, at most a slice. Because it is itself
 * a part of the mean, it must be put (all weights)/(weights of the others) times as far from the
 * mean of the others, as in Linux. So nobody wins by sleeping, or loses. Who ends in debt leaves it
 * to the queue, and newcomers pay it off, a slice each at most: otherwise a chain of short lives,
 * each of them served at once, could keep a long one waiting for ever.
 *
 * A yield gives up the rest of the request, and as much more as it takes to be ineligible: so
 * somebody else runs next.
 *
 * The tree is ordered by deadline, and each node knows the least vruntime of its subtree: the
 * search for the first eligible one goes down once, left whenever somebody eligible is there.
 * Virtual time may move as it likes, also back when somebody leaves who was ahead, without a node
 * being touched.
 *
 * Numbers. Weights are 1 to WEIGHT_MAX. A vruntime counts 2^-28 ns of an entity with weight 1, in
 * 64 bits that wrap. A charge, limited to 2^34 ns (17 s), moves it by at most 2^62; only who is
 * alone, and thus is the mean, is charged for so long at once. Virtual time is kept exactly: the
 * mean rounded down, and the remainder, in weights. All products fit 64 bits with up to 2^19
 * entities.
 */

#include <kernel/rbtree.h>
#include <sched/class.h>

enum { SLICE_US, NR_TUNABLES };

static const struct sched_tunable tunables[NR_TUNABLES] = {
    [SLICE_US] = {"slice_us", "running time of a request, in microseconds", 3000, 100, 100000},
};

#define VIRTUAL_BITS  28
#define CHARGE_MAX_NS (1ull << 34)
#define TICKETS_MAX   (1u << 16)

/*
 * 16 for each ticket: those of the most tickets at nice 0, and of fewer with a lower nice. More
 * counts as this.
 */
#define WEIGHT_MAX (1u << 22)

/*
 * 1024 * 1.25^-nice, rounded: between two that differ by one in nice, the CPU is shared 5 to 4.
 */
#define NICE_MIN        (-20)
#define NICE_MAX        19
#define NICE_0_WEIGHT   1024
#define TICKET_FRACTION 64 /* tickets * nice weight are divided by it, to keep them small */

static const uint32_t weight_of_nice[NICE_MAX - NICE_MIN + 1] = {
    88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, /* -20 ... */
    14901, 11921, 9537,  7629,  6104,  4883,  3906,  3125,  /* -12 ... */
    2500,  2000,  1600,  1280,  1024,  819,   655,   524,   /* -4 ... */
    419,   336,   268,   215,   172,   137,   110,   88,    /* 4 ... */
    70,    56,    45,    36,    29,    23,    18,    15,    /* 12 ... */
};

struct eevdf_queue {
    struct rb_tree waiting;  /* by deadline, with the least vruntimes */
    uint64_t weight;         /* of all present */
    uint64_t virtual_time;   /* the mean of the vruntimes of all present, rounded down */
    uint64_t mean_remainder; /* what the rounding left out, times `weight`; less than `weight` */
    uint64_t debt_ns;        /* running time that newcomers are to pay off */
};

struct eevdf_entity {
    struct rb_node node;     /* in the tree, while waiting */
    uint64_t least_vruntime; /* in the node's subtree */
    union {
        uint64_t vruntime; /* while present */
        int64_t lag;       /* while away: virtual time - vruntime, as it left */
    };
    uint64_t deadline; /* while present */
    uint32_t weight;   /* 0: not yet made from the params */
};

_Static_assert(sizeof(struct eevdf_entity) <= SCHED_ENTITY_STATE_BYTES, "state does not fit");

static struct eevdf_queue *queue_of(const struct sched_queue *q)
{
    return q->state;
}

static struct eevdf_entity *state_of(const struct sched_entity *e)
{
    return (struct eevdf_entity *)e->state;
}

static struct eevdf_entity *of_node(const struct rb_node *node)
{
    return rb_entry(node, struct eevdf_entity, node);
}

static uint64_t slice_of_queue_ns(const struct sched_queue *q)
{
    return q->tunable[SLICE_US] * NSEC_PER_USEC;
}

/* How far virtual time `a` is after `b`; negative: before. */
static int64_t distance(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

/* By how much running for `ns`, at most CHARGE_MAX_NS, advances a vruntime. */
static uint64_t virtual_of_ns(const struct eevdf_entity *ee, uint64_t ns)
{
    return (ns << VIRTUAL_BITS) / ee->weight;
}

/*
 * value * multiplier / divisor, without forming the product: (divisor - 1) * multiplier and the
 * result must fit.
 */
static int64_t scale(int64_t value, int64_t multiplier, int64_t divisor)
{
    return value / divisor * multiplier + value % divisor * multiplier / divisor;
}

/* ---- Virtual time --------------------------------------------------------------------------- */

/* Adds weight * moved, divided by all weights, to the mean. Exact. */
static void move_mean(struct eevdf_queue *eq, int64_t weight, int64_t moved)
{
    int64_t all = (int64_t)eq->weight;
    int64_t rest = moved % all * weight + (int64_t)eq->mean_remainder;
    int64_t steps = rest / all;

    if (rest % all < 0)
        steps--;
    eq->virtual_time += (uint64_t)(moved / all * weight + steps);
    eq->mean_remainder = (uint64_t)(rest - steps * all);
}

static void advance(struct eevdf_queue *eq, struct eevdf_entity *ee, uint64_t by)
{
    ee->vruntime += by;
    move_mean(eq, ee->weight, (int64_t)by);
}

/* `ee`, which has its vruntime, becomes a part of the mean. */
static void add_to_mean(struct eevdf_queue *eq, const struct eevdf_entity *ee)
{
    eq->weight += ee->weight;
    move_mean(eq, ee->weight, distance(ee->vruntime, eq->virtual_time));
}

/* When the last one leaves, virtual time stays where it is. */
static void take_from_mean(struct eevdf_queue *eq, const struct eevdf_entity *ee)
{
    eq->weight -= ee->weight;
    if (eq->weight > 0)
        move_mean(eq, -(int64_t)ee->weight, distance(ee->vruntime, eq->virtual_time));
}

static bool is_eligible(const struct eevdf_queue *eq, uint64_t vruntime)
{
    return distance(vruntime, eq->virtual_time) <= 0;
}

/* ---- Coming and going ----------------------------------------------------------------------- */

static void begin_request(const struct sched_queue *q, struct eevdf_entity *ee)
{
    ee->deadline = ee->vruntime + virtual_of_ns(ee, slice_of_queue_ns(q));
}

/* From away to present. The caller puts it into the tree, unless it is running. */
static void become_present(const struct sched_queue *q, struct eevdf_entity *ee)
{
    struct eevdf_queue *eq = queue_of(q);
    int64_t lag = ee->lag;

    /* Alone, it is the mean: nobody owes it anything. */
    if (eq->weight == 0)
        lag = 0;
    else
        lag += scale(lag, ee->weight, (int64_t)eq->weight);
    ee->vruntime = eq->virtual_time - (uint64_t)lag;
    add_to_mean(eq, ee);
    begin_request(q, ee);
}

/* From present to away. The caller has taken it from the tree, unless it was running. */
static void become_away(const struct sched_queue *q, struct eevdf_entity *ee)
{
    struct eevdf_queue *eq = queue_of(q);
    int64_t lag_max = (int64_t)virtual_of_ns(ee, slice_of_queue_ns(q));
    int64_t lag = distance(eq->virtual_time, ee->vruntime);

    take_from_mean(eq, ee);
    ee->lag = MIN(MAX(lag, -lag_max), lag_max);
}

/* A newcomer pays off debts. There are none where it is alone. */
static void pay_debt(const struct sched_queue *q, struct eevdf_entity *ee)
{
    struct eevdf_queue *eq = queue_of(q);
    uint64_t paid_ns;

    if (eq->weight == 0)
        eq->debt_ns = 0;
    paid_ns = MIN(eq->debt_ns, slice_of_queue_ns(q));
    eq->debt_ns -= paid_ns;
    ee->lag = -(int64_t)virtual_of_ns(ee, paid_ns);
}

static void leave_debt(struct eevdf_queue *eq, const struct eevdf_entity *ee)
{
    if (ee->lag < 0)
        eq->debt_ns += ((uint64_t)-ee->lag * ee->weight) >> VIRTUAL_BITS;
}

static uint32_t weight_of(const struct sched_params *params)
{
    uint32_t tickets = MIN(MAX(params->tickets, 1u), TICKETS_MAX);
    int nice = MIN(MAX(params->nice, NICE_MIN), NICE_MAX);
    uint64_t weight = (uint64_t)tickets * weight_of_nice[nice - NICE_MIN] / TICKET_FRACTION;

    return (uint32_t)MIN(MAX(weight, 1u), WEIGHT_MAX);
}

/* Takes over the weight of an entity that is away. The lag stands for the same running time. */
static void set_weight(struct eevdf_entity *ee, const struct sched_params *params)
{
    uint32_t weight = weight_of(params);

    if (likely(weight == ee->weight))
        return;
    if (ee->weight != 0)
        ee->lag = scale(ee->lag, ee->weight, weight);
    ee->weight = weight;
}

/* Puts the running one, about to wait, to the end of its request, and above the mean of the others.
 */
static void give_up_turn(struct eevdf_queue *eq, struct eevdf_entity *ee)
{
    if (eq->weight == ee->weight)
        return;
    if (distance(ee->deadline, ee->vruntime) > 0)
        advance(eq, ee, ee->deadline - ee->vruntime);
    if (!is_eligible(eq, ee->vruntime))
        return;
    take_from_mean(eq, ee);
    ee->vruntime = eq->virtual_time + 1;
    add_to_mean(eq, ee);
}

/* ---- The tree ------------------------------------------------------------------------------- */

static bool comes_before(const struct rb_node *a, const struct rb_node *b)
{
    return distance(of_node(a)->deadline, of_node(b)->deadline) < 0;
}

static void update_least_vruntime(struct rb_node *node)
{
    uint64_t least = of_node(node)->vruntime;

    for (int side = 0; side < 2; side++) {
        const struct rb_node *child = node->child[side];

        if (child && distance(of_node(child)->least_vruntime, least) < 0)
            least = of_node(child)->least_vruntime;
    }
    of_node(node)->least_vruntime = least;
}

static struct eevdf_entity *earliest_eligible(const struct eevdf_queue *eq)
{
    const struct rb_node *node = eq->waiting.root;

    while (node) {
        const struct rb_node *left = node->child[0];

        if (left && is_eligible(eq, of_node(left)->least_vruntime))
            node = left;
        else if (is_eligible(eq, of_node(node)->vruntime))
            return of_node(node);
        else
            node = node->child[1];
    }
    return NULL;
}

static void put_into_tree(const struct sched_queue *q, struct eevdf_entity *ee)
{
    rb_insert(&queue_of(q)->waiting, &ee->node, comes_before);
}

static void take_from_tree(const struct sched_queue *q, struct eevdf_entity *ee)
{
    rb_remove(&queue_of(q)->waiting, &ee->node);
}

/* ---- The class ------------------------------------------------------------------------------ */

static void eevdf_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    (void)now_ns;
    rb_init_augmented(&queue_of(q)->waiting, update_least_vruntime);
}

static void eevdf_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                          uint64_t now_ns)
{
    struct eevdf_entity *ee = state_of(e);

    (void)now_ns;
    switch (why) {
    case SCHED_ENQUEUE_NEW:
        set_weight(ee, &e->params);
        pay_debt(q, ee);
        become_present(q, ee);
        break;
    case SCHED_ENQUEUE_WAKE:
    case SCHED_ENQUEUE_MOVED_IN:
        set_weight(ee, &e->params);
        become_present(q, ee);
        break;
    case SCHED_ENQUEUE_YIELD:
        give_up_turn(queue_of(q), ee);
        break;
    case SCHED_ENQUEUE_PREEMPTED:
    case SCHED_ENQUEUE_EXPIRED:
        break;
    }
    if (distance(ee->vruntime, ee->deadline) >= 0)
        begin_request(q, ee);
    put_into_tree(q, ee);
}

static void eevdf_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                          uint64_t now_ns)
{
    struct eevdf_entity *ee = state_of(e);

    (void)now_ns;
    if (q->running != e)
        take_from_tree(q, ee);
    become_away(q, ee);
    if (why == SCHED_DEQUEUE_EXITED)
        leave_debt(queue_of(q), ee);
}

static struct sched_entity *eevdf_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct eevdf_entity *ee = earliest_eligible(queue_of(q));

    (void)now_ns;
    if (!ee)
        return NULL;
    take_from_tree(q, ee);
    return container_of(ee, struct sched_entity, state);
}

static void eevdf_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                         uint64_t now_ns)
{
    struct eevdf_entity *ee = state_of(e);

    (void)now_ns;
    advance(queue_of(q), ee, virtual_of_ns(ee, MIN(ran_ns, CHARGE_MAX_NS)));
}

/* What is left of the request, rounded up. */
static uint64_t eevdf_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                               uint64_t now_ns)
{
    const struct eevdf_entity *ee = state_of(e);
    int64_t left = distance(ee->deadline, ee->vruntime);

    (void)q;
    (void)now_ns;
    if (left <= 0)
        return 0;
    return ((uint64_t)left * ee->weight + (1u << VIRTUAL_BITS) - 1) >> VIRTUAL_BITS;
}

static bool eevdf_preempts(const struct sched_queue *q, const struct sched_entity *woken,
                           const struct sched_entity *running, uint64_t now_ns)
{
    const struct eevdf_entity *ee = state_of(woken);

    (void)now_ns;
    return is_eligible(queue_of(q), ee->vruntime) &&
           distance(ee->deadline, state_of(running)->deadline) < 0;
}

/*
 * The same as leaving, and joining with the new weight; but what is left of the request remains.
 * Otherwise, changing its weight again and again would keep a request from ever being done.
 */
static void eevdf_params_changed(struct sched_queue *q, struct sched_entity *e,
                                 const struct sched_params *old, uint64_t now_ns)
{
    struct eevdf_entity *ee = state_of(e);
    uint32_t old_weight = ee->weight;
    int64_t left = distance(ee->deadline, ee->vruntime);

    (void)old;
    (void)now_ns;
    if (weight_of(&e->params) == old_weight)
        return;
    if (q->running != e)
        take_from_tree(q, ee);
    become_away(q, ee);
    set_weight(ee, &e->params);
    become_present(q, ee);
    ee->deadline = ee->vruntime + (uint64_t)scale(left, old_weight, ee->weight);
    if (q->running != e)
        put_into_tree(q, ee);
}

static uint64_t eevdf_pass(const struct sched_queue *q, const struct sched_entity *e)
{
    const struct eevdf_entity *ee = state_of(e);

    return e->is_present ? ee->vruntime : queue_of(q)->virtual_time - (uint64_t)ee->lag;
}

/* No limit to waiting: who has little weight waits for long, that is what weights say. */
static const struct sched_class eevdf = {
    .name = "eevdf",
    .help = "earliest eligible virtual deadline first: time by weight, each turn in due time",
    .entity_bytes = sizeof(struct eevdf_entity),
    .queue_bytes = sizeof(struct eevdf_queue),
    .is_work_conserving = true,
    .tunables = tunables,
    .nr_tunables = NR_TUNABLES,
    .queue_init = eevdf_queue_init,
    .enqueue = eevdf_enqueue,
    .dequeue = eevdf_dequeue,
    .pick = eevdf_pick,
    .charge = eevdf_charge,
    .slice_ns = eevdf_slice_ns,
    .preempts = eevdf_preempts,
    .params_changed = eevdf_params_changed,
    .pass = eevdf_pass,
};

SCHED_CLASS_REGISTER(eevdf);
