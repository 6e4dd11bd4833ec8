/*
 * Round robin: everybody in turn, a quantum each.
 *
 * The waiting entities stand in one line. The head runs for at most a quantum and then goes to the
 * tail. With n entities, each gets 1/n of the time, and none waits longer than n - 1 quanta.
 * (Silberschatz, Galvin, Gagne: Operating System Concepts; the oldest policy of time-sharing.)
 *
 * An entity that is preempted from outside has been robbed of its turn, not had it: it goes back to
 * the head with what is left of its quantum. Whoever blocks or yields gives the rest away, and
 * begins a new quantum at its next turn.
 *
 * An entity's state is what it has used of its quantum, not what is left: so a new quantum, set at
 * run time, holds at once for everybody.
 */

#include <sched/class.h>

enum { QUANTUM_US, NR_TUNABLES };

static const struct sched_tunable tunables[NR_TUNABLES] = {
    [QUANTUM_US] = {"quantum_us", "time of a turn, in microseconds", 10000, 10, 10000000},
};

struct rr_queue {
    struct list line;
};

struct rr_entity {
    struct list_node link; /* in the line, while waiting */
    uint64_t used_ns;      /* of its quantum */
};

_Static_assert(sizeof(struct rr_entity) <= SCHED_ENTITY_STATE_BYTES, "state does not fit");

static struct list *line_of(const struct sched_queue *q)
{
    return &((struct rr_queue *)q->state)->line;
}

static struct rr_entity *state_of(const struct sched_entity *e)
{
    return (struct rr_entity *)e->state;
}

static uint64_t quantum_left_ns(const struct sched_queue *q, const struct rr_entity *re)
{
    uint64_t quantum_ns = q->tunable[QUANTUM_US] * NSEC_PER_USEC;

    return re->used_ns < quantum_ns ? quantum_ns - re->used_ns : 0;
}

static void rr_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    (void)now_ns;
    list_init(line_of(q));
}

static void rr_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                       uint64_t now_ns)
{
    struct rr_entity *re = state_of(e);

    (void)now_ns;
    if (why == SCHED_ENQUEUE_PREEMPTED && quantum_left_ns(q, re) > 0) {
        list_push_front(line_of(q), &re->link);
        return;
    }
    re->used_ns = 0;
    list_push_back(line_of(q), &re->link);
}

static void rr_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                       uint64_t now_ns)
{
    (void)why;
    (void)now_ns;
    if (q->running != e)
        list_remove(&state_of(e)->link);
}

static struct sched_entity *rr_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct list_node *node = list_pop_front(line_of(q));

    (void)now_ns;
    if (!node)
        return NULL;
    return container_of(list_entry(node, struct rr_entity, link), struct sched_entity, state);
}

static void rr_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                      uint64_t now_ns)
{
    (void)q;
    (void)now_ns;
    state_of(e)->used_ns += ran_ns;
}

static uint64_t rr_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                            uint64_t now_ns)
{
    (void)now_ns;
    return quantum_left_ns(q, state_of(e));
}

/* A turn for each of the others. */
static uint64_t rr_starvation_limit_ns(const struct sched_queue *q)
{
    return q->tunable[QUANTUM_US] * NSEC_PER_USEC * 100;
}

static const struct sched_class rr = {
    .name = "rr",
    .help = "round robin: everybody in turn, a quantum each",
    .entity_bytes = sizeof(struct rr_entity),
    .queue_bytes = sizeof(struct rr_queue),
    .is_work_conserving = true,
    .starvation_limit_ns = rr_starvation_limit_ns,
    .tunables = tunables,
    .nr_tunables = NR_TUNABLES,
    .queue_init = rr_queue_init,
    .enqueue = rr_enqueue,
    .dequeue = rr_dequeue,
    .pick = rr_pick,
    .charge = rr_charge,
    .slice_ns = rr_slice_ns,
};

SCHED_CLASS_REGISTER(rr);
