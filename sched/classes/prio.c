/*
 * Fixed priorities: the highest runs, until it has had enough of it.
 *
 * There are 64 levels, 0 to 63. An entity's level is what its user asked for, or the highest
 * priority donated to it, whichever is higher. A higher level takes the CPU from a lower one at
 * once, and keeps it for as long as it likes: who waits below may starve.
 *
 * Within a level the order is that of IEEE Std 1003.1-2017 (POSIX), System Interfaces, section
 * 2.8.4, SCHED_FIFO; with a quantum, SCHED_RR. By the numbers of its list of rules:
 *
 *   1. Who is preempted goes to the head of its level, with the rest of its quantum.
 *   2. Who becomes runnable goes to the tail.
 *   7. Who is given another priority goes to the tail of its new level, also if it is running: then
 *      its turn is over, and its equals come first.
 *   8. But that is for setting a priority. When a donation changes it, then as
 *      pthread_setschedprio() does: raised, to the tail of the new level; lowered again, to the
 *      head. (The mutex that the donation came by has cost its owner enough:
 *      pthread_mutexattr_getprotocol() says that it shall not go to the tail for it.) For the same
 *      reason the running one keeps the CPU through both, unless a higher one waits.
 *   9. Who yields goes to the tail.
 *
 * At no other time does an entity's place change, so neither when its priority is set while a
 * donation hides it.
 *
 * Priority donation itself is the business of those who keep the locks: here, it is a change of
 * params.boost_priority like any other.
 *
 * Everything takes constant time: bit i of `occupied` says whether anybody waits at level i, and
 * the highest bit is found by one instruction.
 */

#include <sched/class.h>

#define NR_LEVELS 64

enum { QUANTUM_US, NR_TUNABLES };

static const struct sched_tunable tunables[NR_TUNABLES] = {
    [QUANTUM_US] = {"quantum_us", "turn among equals, in microseconds; 0: no end (FIFO)", 10000, 0,
                    10000000},
};

struct prio_queue {
    uint64_t occupied;
    struct list level[NR_LEVELS];
};

struct prio_entity {
    struct list_node link; /* in its level's line, while waiting */
    uint64_t used_ns;      /* of its quantum */
    uint32_t level;        /* while present */
    bool has_new_priority; /* since its last turn began: that ends the turn */
};

_Static_assert(sizeof(struct prio_entity) <= SCHED_ENTITY_STATE_BYTES, "state does not fit");

static struct prio_queue *queue_of(const struct sched_queue *q)
{
    return q->state;
}

static struct prio_entity *state_of(const struct sched_entity *e)
{
    return (struct prio_entity *)e->state;
}

static uint64_t level_bit(uint32_t level)
{
    return (uint64_t)1 << level;
}

static uint32_t level_of_params(const struct sched_params *params)
{
    return MIN(MAX(params->priority, params->boost_priority), NR_LEVELS - 1);
}

static uint64_t quantum_left_ns(const struct sched_queue *q, const struct prio_entity *pe)
{
    uint64_t quantum_ns = q->tunable[QUANTUM_US] * NSEC_PER_USEC;

    if (quantum_ns == 0)
        return SCHED_TIME_NEVER;
    return pe->used_ns < quantum_ns ? quantum_ns - pe->used_ns : 0;
}

static bool is_turn_over(const struct sched_queue *q, const struct prio_entity *pe)
{
    return pe->has_new_priority || quantum_left_ns(q, pe) == 0;
}

/* To finish its turn. */
static void put_first(struct prio_queue *pq, struct prio_entity *pe)
{
    list_push_front(&pq->level[pe->level], &pe->link);
    pq->occupied |= level_bit(pe->level);
}

/* With a new turn to come. */
static void put_last(struct prio_queue *pq, struct prio_entity *pe)
{
    pe->used_ns = 0;
    pe->has_new_priority = false;
    list_push_back(&pq->level[pe->level], &pe->link);
    pq->occupied |= level_bit(pe->level);
}

static void take_out(struct prio_queue *pq, struct prio_entity *pe)
{
    list_remove(&pe->link);
    if (list_is_empty(&pq->level[pe->level]))
        pq->occupied &= ~level_bit(pe->level);
}

static void prio_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    (void)now_ns;
    for (uint32_t level = 0; level < NR_LEVELS; level++)
        list_init(&queue_of(q)->level[level]);
}

/* A slice may also be over because a higher level waits; that is rule 1. */
static void prio_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                         uint64_t now_ns)
{
    struct prio_entity *pe = state_of(e);
    bool gave_way = why == SCHED_ENQUEUE_PREEMPTED || why == SCHED_ENQUEUE_EXPIRED;

    (void)now_ns;
    pe->level = level_of_params(&e->params);
    if (gave_way && !is_turn_over(q, pe))
        put_first(queue_of(q), pe);
    else
        put_last(queue_of(q), pe);
}

static void prio_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                         uint64_t now_ns)
{
    (void)why;
    (void)now_ns;
    if (q->running != e)
        take_out(queue_of(q), state_of(e));
}

static struct sched_entity *prio_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct prio_queue *pq = queue_of(q);
    struct prio_entity *pe;
    uint32_t highest;

    (void)now_ns;
    if (pq->occupied == 0)
        return NULL;
    highest = NR_LEVELS - 1 - (uint32_t)__builtin_clzll(pq->occupied);
    pe = list_first_entry(&pq->level[highest], struct prio_entity, link);
    take_out(pq, pe);
    return container_of(pe, struct sched_entity, state);
}

static void prio_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                        uint64_t now_ns)
{
    (void)q;
    (void)now_ns;
    state_of(e)->used_ns += ran_ns;
}

static uint64_t prio_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                              uint64_t now_ns)
{
    const struct prio_entity *pe = state_of(e);
    bool higher_waits = queue_of(q)->occupied >> pe->level > 1;

    (void)now_ns;
    if (higher_waits || is_turn_over(q, pe))
        return 0;
    return quantum_left_ns(q, pe);
}

static bool prio_preempts(const struct sched_queue *q, const struct sched_entity *woken,
                          const struct sched_entity *running, uint64_t now_ns)
{
    (void)q;
    (void)now_ns;
    return state_of(woken)->level > state_of(running)->level;
}

/* Rules 7 and 8. */
static void prio_params_changed(struct sched_queue *q, struct sched_entity *e,
                                const struct sched_params *old, uint64_t now_ns)
{
    struct prio_queue *pq = queue_of(q);
    struct prio_entity *pe = state_of(e);
    uint32_t level = level_of_params(&e->params);
    bool is_donation = e->params.priority == old->priority;
    bool is_raised = level > pe->level;

    (void)now_ns;
    if (level == pe->level)
        return;
    if (q->running == e) {
        pe->level = level;
        pe->has_new_priority |= !is_donation;
        return;
    }
    take_out(pq, pe);
    pe->level = level;
    if (is_donation && !is_raised)
        put_first(pq, pe);
    else
        put_last(pq, pe);
}

/* No limit to waiting: a high priority may keep the CPU for ever. */
static const struct sched_class prio = {
    .name = "prio",
    .help = "fixed priorities 0 to 63: the highest runs, equals in turn",
    .entity_bytes = sizeof(struct prio_entity),
    .queue_bytes = sizeof(struct prio_queue),
    .is_work_conserving = true,
    .tunables = tunables,
    .nr_tunables = NR_TUNABLES,
    .queue_init = prio_queue_init,
    .enqueue = prio_enqueue,
    .dequeue = prio_dequeue,
    .pick = prio_pick,
    .charge = prio_charge,
    .slice_ns = prio_slice_ns,
    .preempts = prio_preempts,
    .params_changed = prio_params_changed,
};

SCHED_CLASS_REGISTER(prio);
