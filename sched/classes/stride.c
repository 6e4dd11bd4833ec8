/*
 * Stride scheduling: time in proportion to tickets, exactly and not on average.
 *
 * Every entity has a *pass*, a virtual time that advances while it runs: by its *stride* for every
 * nanosecond, and the stride is inversely proportional to its tickets. The waiting entity with the
 * lowest pass runs next, for at most a quantum. So passes stay close together, which is to say that
 * running times stay proportional to tickets. (C. A. Waldspurger, W. E. Weihl: Stride Scheduling:
 * Deterministic Proportional-Share Resource Management, MIT/LCS/TM-528, 1995.)
 *
 * As in that paper, a *global pass* says where an entity that is neither ahead nor behind would be.
 * Who joins starts there. Who leaves remembers its distance from it, its *remain*, and when it
 * comes back, starts that far from where the global pass is by then; so nobody can win by sleeping,
 * or lose. New tickets scale the remain, so that it stands for the same running time.
 *
 * The paper advances the global pass by the clock, in proportion to 1/(all tickets). Entities that
 * end while they are ahead would then let it run away from those who stay, a little each, for ever.
 * So here the global pass *is* the mean of the passes of those present (waiting or running),
 * weighted by tickets: running moves it just as in the paper, and joining and leaving move it to
 * the new mean. A remain is the distance from the mean of the others.
 *
 * The invariant: of two entities present, neither is ahead by more than its own quantum,
 *
 *     pass(a) - pass(b) <= quantum * stride(a)        for all a, b present,
 *
 * and from it follows the guarantee: over any time in which both are present with the same tickets,
 * neither got more than one quantum beyond its share of what the two got together. Running keeps
 * the invariant, because only the lowest is picked and it runs for a quantum. Joining keeps it,
 * because the place of a joiner is limited: not below the *floor*, which is the highest
 * pass - quantum * stride that there has been, and not above the lowest pass by more than its own
 * quantum. Whoever joins below the running one's pass preempts it.
 *
 * A yield gives up the time up to the pass of the next in line: the yielder's pass becomes that.
 *
 * Numbers. A pass counts 2^-20 ns of one ticket's time in 64 bits that wrap, so passes are compared
 * by the sign of their difference: right as long as that is less than 2^63, and a charge, limited
 * to 2^42 ns (73 minutes), moves a pass by at most 2^62. Strides have 32 more bits of fraction. All
 * products fit 128 bits and all divisions are of 64 bits.
 */

#include <kernel/rbtree.h>
#include <sched/class.h>

enum { QUANTUM_US, NR_TUNABLES };

static const struct sched_tunable tunables[NR_TUNABLES] = {
    [QUANTUM_US] = {"quantum_us", "longest turn, in microseconds", 5000, 10, 100000},
};

#define STRIDE_FRACTION_BITS 32
#define STRIDE_OF_ONE_TICKET (1ull << (20 + STRIDE_FRACTION_BITS))
#define TICKETS_MAX          (1u << 16)
#define CHARGE_MAX_NS        (1ull << 42)

/* Remains are cut to this: far beyond any place where a joiner may start, and far from wrapping. */
#define REMAIN_MAX (INT64_C(1) << 60)

struct stride_queue {
    struct rb_tree waiting; /* by pass */
    uint64_t tickets;       /* of all present */
    uint64_t global_pass;
    uint64_t global_stride;
    uint64_t floor_pass;
};

struct stride_entity {
    struct rb_node node; /* in the tree, while waiting */
    union {
        uint64_t pass;  /* while present */
        int64_t remain; /* while away */
    };
    uint64_t stride;
    uint64_t used_ns; /* of its quantum, while running */
    uint32_t tickets; /* that the stride was made from; 0: not yet made */
};

_Static_assert(sizeof(struct stride_entity) <= SCHED_ENTITY_STATE_BYTES, "state does not fit");

static struct stride_queue *queue_of(const struct sched_queue *q)
{
    return q->state;
}

static struct stride_entity *state_of(const struct sched_entity *e)
{
    return (struct stride_entity *)e->state;
}

static uint64_t quantum_ns(const struct sched_queue *q)
{
    return q->tunable[QUANTUM_US] * NSEC_PER_USEC;
}

/* How far pass `a` is ahead of pass `b`; negative: behind. */
static int64_t pass_distance(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

static bool comes_before(const struct rb_node *a, const struct rb_node *b)
{
    uint64_t pass_a = rb_entry(a, struct stride_entity, node)->pass;
    uint64_t pass_b = rb_entry(b, struct stride_entity, node)->pass;

    return pass_distance(pass_a, pass_b) < 0;
}

static struct stride_entity *first_waiting(const struct stride_queue *sq)
{
    struct rb_node *node = rb_first(&sq->waiting);

    return node ? rb_entry(node, struct stride_entity, node) : NULL;
}

/* By how much running for `ns` advances a pass. */
static uint64_t pass_of_ns(uint64_t stride, uint64_t ns)
{
    return (uint64_t)(((unsigned __int128)ns * stride) >> STRIDE_FRACTION_BITS);
}

/*
 * value * multiplier / divisor, in 64 bits: the product is never formed. The divisor is less than
 * 2^46 and the multiplier at most TICKETS_MAX, and the result must fit.
 */
static int64_t scale(int64_t value, uint64_t multiplier, uint64_t divisor)
{
    int64_t whole = value / (int64_t)divisor;
    int64_t rest = value % (int64_t)divisor;

    return whole * (int64_t)multiplier + rest * (int64_t)multiplier / (int64_t)divisor;
}

static int64_t cut(int64_t value, int64_t limit)
{
    return MAX(MIN(value, limit), -limit);
}

/* Nobody present is to be more than its quantum above the floor. */
static void raise_floor(const struct sched_queue *q, const struct stride_entity *se)
{
    struct stride_queue *sq = queue_of(q);
    uint64_t quantum_before = se->pass - pass_of_ns(se->stride, quantum_ns(q));

    if (pass_distance(quantum_before, sq->floor_pass) > 0)
        sq->floor_pass = quantum_before;
}

/* The lowest pass of those present besides the joiner `se`; there is somebody. */
static uint64_t lowest_pass_besides(const struct sched_queue *q, const struct stride_entity *se)
{
    const struct stride_entity *first = first_waiting(queue_of(q));
    const struct stride_entity *running = q->running ? state_of(q->running) : NULL;

    if (!first)
        return running->pass; /* NOLINT(clang-analyzer-core.NullDereference): there is somebody */
    if (!running || running == se || pass_distance(first->pass, running->pass) < 0)
        return first->pass;
    return running->pass;
}

/* The place of a joiner: its remain beyond the global pass, as far as the invariant allows. */
static uint64_t joining_pass(const struct sched_queue *q, const struct stride_entity *se)
{
    const struct stride_queue *sq = queue_of(q);
    uint64_t highest = lowest_pass_besides(q, se) + pass_of_ns(se->stride, quantum_ns(q));
    uint64_t pass = sq->global_pass + (uint64_t)se->remain;

    if (pass_distance(pass, sq->floor_pass) < 0)
        pass = sq->floor_pass;
    if (pass_distance(pass, highest) > 0)
        pass = highest;
    return pass;
}

/* From away to present. The caller puts it into the tree, unless it is running. */
static void become_present(struct sched_queue *q, struct stride_entity *se)
{
    struct stride_queue *sq = queue_of(q);
    int64_t ahead;

    if (sq->tickets == 0) {
        /* Alone, it is the mean: there is nobody to be ahead of, or behind. */
        sq->tickets = se->tickets;
        sq->global_stride = se->stride;
        se->pass = sq->global_pass;
        raise_floor(q, se);
        return;
    }
    se->pass = joining_pass(q, se);
    ahead = pass_distance(se->pass, sq->global_pass);
    sq->tickets += se->tickets;
    sq->global_stride = STRIDE_OF_ONE_TICKET / sq->tickets;
    sq->global_pass += (uint64_t)scale(ahead, se->tickets, sq->tickets);
    raise_floor(q, se);
}

/* From present to away. The caller has taken it from the tree, unless it was running. */
static void become_away(struct sched_queue *q, struct stride_entity *se)
{
    struct stride_queue *sq = queue_of(q);
    int64_t ahead = pass_distance(se->pass, sq->global_pass);

    sq->tickets -= se->tickets;
    if (sq->tickets == 0) {
        sq->global_pass = se->pass;
        se->remain = 0;
        return;
    }
    sq->global_stride = STRIDE_OF_ONE_TICKET / sq->tickets;
    sq->global_pass -= (uint64_t)scale(ahead, se->tickets, sq->tickets);
    se->remain = cut(pass_distance(se->pass, sq->global_pass), REMAIN_MAX);
}

/* The same running time at another number of tickets. */
static int64_t convert_remain(int64_t remain, uint32_t from_tickets, uint32_t to_tickets)
{
    unsigned __int128 limit = (unsigned __int128)(REMAIN_MAX / from_tickets) * to_tickets;

    return scale(cut(remain, (int64_t)MIN(limit, REMAIN_MAX)), from_tickets, to_tickets);
}

/* Takes over the tickets of an entity that is away. */
static void set_tickets(struct stride_entity *se, const struct sched_params *params)
{
    uint32_t tickets = MIN(MAX(params->tickets, 1u), TICKETS_MAX);

    if (likely(tickets == se->tickets))
        return;
    if (se->tickets != 0)
        se->remain = convert_remain(se->remain, se->tickets, tickets);
    se->tickets = tickets;
    se->stride = STRIDE_OF_ONE_TICKET / tickets;
}

/* Puts the running one, about to wait, level with the next in line, if it is behind that. */
static void give_up_turn(struct sched_queue *q, struct stride_entity *se)
{
    struct stride_queue *sq = queue_of(q);
    const struct stride_entity *next = first_waiting(sq);
    int64_t behind = next ? pass_distance(next->pass, se->pass) : 0;

    if (behind <= 0)
        return;
    se->pass = next->pass;
    sq->global_pass += (uint64_t)scale(behind, se->tickets, sq->tickets);
    raise_floor(q, se);
}

static void stride_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                           uint64_t now_ns)
{
    struct stride_entity *se = state_of(e);

    (void)now_ns;
    switch (why) {
    case SCHED_ENQUEUE_NEW:
    case SCHED_ENQUEUE_WAKE:
    case SCHED_ENQUEUE_MOVED_IN:
        set_tickets(se, &e->params);
        become_present(q, se);
        break;
    case SCHED_ENQUEUE_YIELD:
        give_up_turn(q, se);
        break;
    case SCHED_ENQUEUE_PREEMPTED:
    case SCHED_ENQUEUE_EXPIRED:
        break;
    }
    rb_insert(&queue_of(q)->waiting, &se->node, comes_before);
}

static void stride_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                           uint64_t now_ns)
{
    struct stride_entity *se = state_of(e);

    (void)why;
    (void)now_ns;
    if (q->running != e)
        rb_remove(&queue_of(q)->waiting, &se->node);
    become_away(q, se);
}

static struct sched_entity *stride_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct stride_queue *sq = queue_of(q);
    struct stride_entity *se = first_waiting(sq);

    (void)now_ns;
    if (!se)
        return NULL;
    rb_remove(&sq->waiting, &se->node);
    se->used_ns = 0;
    return container_of(se, struct sched_entity, state);
}

static void stride_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                          uint64_t now_ns)
{
    struct stride_queue *sq = queue_of(q);
    struct stride_entity *se = state_of(e);

    (void)now_ns;
    ran_ns = MIN(ran_ns, CHARGE_MAX_NS);
    se->used_ns += ran_ns;
    se->pass += pass_of_ns(se->stride, ran_ns);
    sq->global_pass += pass_of_ns(sq->global_stride, ran_ns);
    raise_floor(q, se);
}

static uint64_t stride_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                                uint64_t now_ns)
{
    uint64_t used_ns = state_of(e)->used_ns;

    (void)now_ns;
    return used_ns < quantum_ns(q) ? quantum_ns(q) - used_ns : 0;
}

static bool stride_preempts(const struct sched_queue *q, const struct sched_entity *woken,
                            const struct sched_entity *running, uint64_t now_ns)
{
    (void)q;
    (void)now_ns;
    return pass_distance(state_of(woken)->pass, state_of(running)->pass) < 0;
}

/* The same as leaving, and joining with the new tickets. The order may change: that ends the turn.
 */
static void stride_params_changed(struct sched_queue *q, struct sched_entity *e,
                                  const struct sched_params *old, uint64_t now_ns)
{
    struct stride_queue *sq = queue_of(q);
    struct stride_entity *se = state_of(e);

    (void)now_ns;
    if (e->params.tickets == old->tickets)
        return;
    if (q->running != e)
        rb_remove(&sq->waiting, &se->node);
    become_away(q, se);
    set_tickets(se, &e->params);
    become_present(q, se);
    if (q->running != e)
        rb_insert(&sq->waiting, &se->node, comes_before);
    if (q->running)
        state_of(q->running)->used_ns = quantum_ns(q);
}

static uint64_t stride_pass(const struct sched_queue *q, const struct sched_entity *e)
{
    const struct stride_entity *se = state_of(e);

    return e->is_present ? se->pass : queue_of(q)->global_pass + (uint64_t)se->remain;
}

/* No limit to waiting: who has few tickets waits for long, that is what tickets say. */
static const struct sched_class stride = {
    .name = "stride",
    .help = "stride scheduling: time in proportion to tickets",
    .entity_bytes = sizeof(struct stride_entity),
    .queue_bytes = sizeof(struct stride_queue),
    .is_work_conserving = true,
    .pass = stride_pass,
    .tunables = tunables,
    .nr_tunables = NR_TUNABLES,
    .enqueue = stride_enqueue,
    .dequeue = stride_dequeue,
    .pick = stride_pick,
    .charge = stride_charge,
    .slice_ns = stride_slice_ns,
    .preempts = stride_preempts,
    .params_changed = stride_params_changed,
};

SCHED_CLASS_REGISTER(stride);
