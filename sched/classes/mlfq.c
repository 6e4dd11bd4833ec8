/*
 * The multi-level feedback queue: short work first, without being told what is short.
 *
 * There are a few levels, each a line of its own. The rules are those of Arpaci-Dusseau, Operating
 * Systems: Three Easy Pieces, chapter 8 (after Corbato et al., CTSS, 1962):
 *
 *   1. A higher level (a smaller number) runs before a lower one, and preempts it at once.
 *   2. Within a level, round robin, with the level's quantum.
 *   3. A new entity starts at level 0.
 *   4. Who has used up its allotment at a level, however often it slept or yielded on the way, goes
 *      down one level. The lowest level has no allotment.
 *   5. Every boost period, everybody goes back to level 0 with a full allotment.
 *
 * Rule 4 is what makes gaming useless: time is charged in nanoseconds, so there is no tick to hide
 * from. The demotion happens in the charge that reaches the allotment, and ends the slice.
 *
 * Rule 5 costs no timer and no walk over the entities. The queue remembers the time of the last
 * boost. The first call after a boost was due splices the lower lines onto level 0, in order; each
 * entity carries the time of the last boost that it has seen, and one that lags behind the queue's
 * is at level 0 with nothing used, whatever its other fields say. They are put right when it is
 * next touched. Sleepers catch up in the same way when they wake. Boosts fall on whole multiples of
 * the period, so an entity that moves to another CPU's queue gains nothing and loses nothing.
 *
 * A running entity may be alone for hours and then be charged for them at once: only what it ran
 * since the last boost counts against its allotment, and it may go down several levels in one
 * charge, exactly as if it had been charged often. Its turn is not made longer by a boost: else,
 * with boosts as often as turns end, it would never end.
 *
 * Nobody starves: a waiting entity is on level 0 after at most one boost period; there, nobody is
 * put in front of it, and those who are get one quantum each.
 *
 * Invariants, for the waiting: level[i] holds the entities whose current level is i, and bit i of
 * `occupied` says whether there are any.
 */

#include <sched/class.h>

#define LEVELS_MAX 8

enum {
    LEVELS,
    TICK_US,
    QUANTUM0,
    ALLOTMENT0 = QUANTUM0 + LEVELS_MAX,
    BOOST = ALLOTMENT0 + LEVELS_MAX,
    NR_TUNABLES
};

_Static_assert(NR_TUNABLES <= SCHED_TUNABLES_MAX, "too many tunables");

/* Quanta, allotments and the boost period are in ticks, as textbooks give them. */
#define TICKS_MAX      1000000
#define QUANTUM_HELP   "turn at this level, in ticks"
#define ALLOTMENT_HELP "running time before leaving this level, in ticks; not for the lowest"

static const struct sched_tunable tunables[NR_TUNABLES] = {
    [LEVELS] = {"levels", "number of levels", 3, 1, LEVELS_MAX},
    [TICK_US] = {"tick_us", "length of a tick, in microseconds", 1000, 1, 1000000},
    [QUANTUM0] = {"quantum0", QUANTUM_HELP, 5, 1, TICKS_MAX},
    [QUANTUM0 + 1] = {"quantum1", QUANTUM_HELP, 10, 1, TICKS_MAX},
    [QUANTUM0 + 2] = {"quantum2", QUANTUM_HELP, 20, 1, TICKS_MAX},
    [QUANTUM0 + 3] = {"quantum3", QUANTUM_HELP, 20, 1, TICKS_MAX},
    [QUANTUM0 + 4] = {"quantum4", QUANTUM_HELP, 20, 1, TICKS_MAX},
    [QUANTUM0 + 5] = {"quantum5", QUANTUM_HELP, 20, 1, TICKS_MAX},
    [QUANTUM0 + 6] = {"quantum6", QUANTUM_HELP, 20, 1, TICKS_MAX},
    [QUANTUM0 + 7] = {"quantum7", QUANTUM_HELP, 20, 1, TICKS_MAX},
    [ALLOTMENT0] = {"allotment0", ALLOTMENT_HELP, 20, 1, TICKS_MAX},
    [ALLOTMENT0 + 1] = {"allotment1", ALLOTMENT_HELP, 40, 1, TICKS_MAX},
    [ALLOTMENT0 + 2] = {"allotment2", ALLOTMENT_HELP, 80, 1, TICKS_MAX},
    [ALLOTMENT0 + 3] = {"allotment3", ALLOTMENT_HELP, 80, 1, TICKS_MAX},
    [ALLOTMENT0 + 4] = {"allotment4", ALLOTMENT_HELP, 80, 1, TICKS_MAX},
    [ALLOTMENT0 + 5] = {"allotment5", ALLOTMENT_HELP, 80, 1, TICKS_MAX},
    [ALLOTMENT0 + 6] = {"allotment6", ALLOTMENT_HELP, 80, 1, TICKS_MAX},
    [ALLOTMENT0 + 7] = {"allotment7", ALLOTMENT_HELP, 80, 1, TICKS_MAX},
    [BOOST] = {"boost", "boost period, in ticks; 0: never", 200, 0, TICKS_MAX},
};

#define PRESET_LEVEL(level, quantum, allotment)                                                    \
    [QUANTUM0 + (level)] = (quantum), [ALLOTMENT0 + (level)] = (allotment)

/*
 * Two common settings of courses, with 10 ms ticks: for processes of one LWP, and for processes of
 * several, which share quantum and allotment and take turns every tick.
 */
static const struct sched_preset presets[] = {
    {.name = "process",
     .help = "quanta 1/2/4, allotments 5/10, boost every 100 ticks of 10 ms",
     .value = {[LEVELS] = 3,
               [TICK_US] = 10000,
               [BOOST] = 100,
               PRESET_LEVEL(0, 1, 5),
               PRESET_LEVEL(1, 2, 10),
               PRESET_LEVEL(2, 4, 20),
               PRESET_LEVEL(3, 4, 20),
               PRESET_LEVEL(4, 4, 20),
               PRESET_LEVEL(5, 4, 20),
               PRESET_LEVEL(6, 4, 20),
               PRESET_LEVEL(7, 4, 20)}},
    {.name = "lwp",
     .help = "quanta 5/10/20, allotments 20/40, boost every 200 ticks of 10 ms; scope `process`",
     .is_scope_process = true,
     .team_quantum_us = 10000,
     .root_quantum_us = 50000,
     .value = {[LEVELS] = 3,
               [TICK_US] = 10000,
               [BOOST] = 200,
               PRESET_LEVEL(0, 5, 20),
               PRESET_LEVEL(1, 10, 40),
               PRESET_LEVEL(2, 20, 80),
               PRESET_LEVEL(3, 20, 80),
               PRESET_LEVEL(4, 20, 80),
               PRESET_LEVEL(5, 20, 80),
               PRESET_LEVEL(6, 20, 80),
               PRESET_LEVEL(7, 20, 80)}},
    {.name = NULL},
};

struct mlfq_queue {
    uint32_t occupied;      /* bit i: somebody waits at level i */
    uint32_t lowest;        /* the number of the lowest level */
    uint64_t boosted_ns;    /* when the last boost was due */
    uint64_t next_boost_ns; /* SCHED_TIME_NEVER: boosts are off */
    struct list level[LEVELS_MAX];

    /* The tunables, in nanoseconds. */
    uint64_t boost_period_ns; /* 0: never */
    uint64_t quantum_ns[LEVELS_MAX];
    uint64_t allotment_ns[LEVELS_MAX]; /* of the lowest level: SCHED_TIME_NEVER */
};

struct mlfq_entity {
    struct list_node link; /* in its level's line, while waiting */
    uint64_t boosted_ns;   /* mlfq_queue's at the time of the last boost that it has seen */
    uint64_t quantum_used_ns;
    uint64_t allotment_used_ns;
    uint32_t level;
};

/* quantum_used_ns of one that was demoted: that ends the turn. More than any quantum. */
#define TURN_USED_UP_NS (SCHED_TIME_NEVER / 2)

_Static_assert(sizeof(struct mlfq_entity) <= SCHED_ENTITY_STATE_BYTES, "state does not fit");

static struct mlfq_queue *queue_of(const struct sched_queue *q)
{
    return q->state;
}

static struct mlfq_entity *state_of(const struct sched_entity *e)
{
    return (struct mlfq_entity *)e->state;
}

static uint32_t level_bit(uint32_t level)
{
    return (uint32_t)1 << level;
}

static bool is_boost_due(const struct mlfq_queue *mq, const struct mlfq_entity *me)
{
    return me->boosted_ns < mq->boosted_ns;
}

/* Also right for an entity that has slept, or waited, through boosts. */
static uint32_t level_of(const struct mlfq_queue *mq, const struct mlfq_entity *me)
{
    return is_boost_due(mq, me) ? 0 : me->level;
}

/* Boosts are due at whole multiples of the period. */
static uint64_t last_boost_ns(const struct mlfq_queue *mq, uint64_t now_ns)
{
    return now_ns - now_ns % mq->boost_period_ns;
}

/* Rule 5 for the queue. */
static RARELY_CALLED void boost_queue(struct mlfq_queue *mq, uint64_t now_ns)
{
    mq->boosted_ns = last_boost_ns(mq, now_ns);
    mq->next_boost_ns = mq->boosted_ns + mq->boost_period_ns;
    for (uint32_t level = 1; level < LEVELS_MAX; level++)
        list_splice_back(&mq->level[0], &mq->level[level]);
    mq->occupied = mq->occupied ? level_bit(0) : 0;
}

/* At most seven splices a boost period; otherwise a comparison. */
static inline void catch_up_boosts(struct mlfq_queue *mq, uint64_t now_ns)
{
    if (unlikely(now_ns >= mq->next_boost_ns))
        boost_queue(mq, now_ns);
}

/* Rule 5 for an entity. */
static RARELY_CALLED void boost(const struct mlfq_queue *mq, struct mlfq_entity *me)
{
    me->boosted_ns = mq->boosted_ns;
    me->level = 0;
    me->quantum_used_ns = 0;
    me->allotment_used_ns = 0;
}

static void boost_if_due(const struct mlfq_queue *mq, struct mlfq_entity *me)
{
    if (unlikely(is_boost_due(mq, me)))
        boost(mq, me);
}

static bool is_spent(const struct mlfq_queue *mq, const struct mlfq_entity *me)
{
    return me->allotment_used_ns >= mq->allotment_ns[me->level];
}

/* Rule 4. What was used beyond an allotment counts at the next level. */
static RARELY_CALLED void demote(const struct mlfq_queue *mq, struct mlfq_entity *me)
{
    while (is_spent(mq, me)) {
        me->allotment_used_ns -= mq->allotment_ns[me->level];
        me->level++;
        me->quantum_used_ns = TURN_USED_UP_NS;
    }
}

static void demote_if_spent(const struct mlfq_queue *mq, struct mlfq_entity *me)
{
    if (unlikely(is_spent(mq, me)))
        demote(mq, me);
}

/* Puts right what boosts and new tunables have changed since the entity was last touched. */
static void bring_up_to_date(const struct mlfq_queue *mq, struct mlfq_entity *me)
{
    boost_if_due(mq, me);
    if (unlikely(me->level > mq->lowest))
        me->level = mq->lowest;
    demote_if_spent(mq, me);
}

static bool is_turn_over(const struct mlfq_queue *mq, const struct mlfq_entity *me)
{
    return me->quantum_used_ns >= mq->quantum_ns[me->level];
}

/* At the head of its level's line, to finish its turn. */
static void put_first(struct mlfq_queue *mq, struct mlfq_entity *me)
{
    uint32_t level = me->level;

    list_push_front(&mq->level[level], &me->link);
    mq->occupied |= level_bit(level);
}

/* At the tail, with a new turn to come. */
static void put_last(struct mlfq_queue *mq, struct mlfq_entity *me)
{
    uint32_t level = me->level;

    me->quantum_used_ns = 0;
    list_push_back(&mq->level[level], &me->link);
    mq->occupied |= level_bit(level);
}

static void read_tunables(struct sched_queue *q, uint64_t now_ns)
{
    struct mlfq_queue *mq = queue_of(q);
    uint64_t tick_ns = q->tunable[TICK_US] * NSEC_PER_USEC;

    mq->lowest = (uint32_t)q->tunable[LEVELS] - 1;
    for (uint32_t level = 0; level < LEVELS_MAX; level++) {
        mq->quantum_ns[level] = q->tunable[QUANTUM0 + level] * tick_ns;
        mq->allotment_ns[level] = q->tunable[ALLOTMENT0 + level] * tick_ns;
    }
    mq->allotment_ns[mq->lowest] = SCHED_TIME_NEVER;
    mq->boost_period_ns = q->tunable[BOOST] * tick_ns;
    mq->next_boost_ns = SCHED_TIME_NEVER;
    if (mq->boost_period_ns != 0)
        mq->next_boost_ns = last_boost_ns(mq, now_ns) + mq->boost_period_ns;
}

static void mlfq_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    struct mlfq_queue *mq = queue_of(q);

    for (uint32_t level = 0; level < LEVELS_MAX; level++)
        list_init(&mq->level[level]);
    read_tunables(q, now_ns);
    if (mq->boost_period_ns != 0)
        mq->boosted_ns = last_boost_ns(mq, now_ns);
}

/* Everybody keeps its level, as far as there still is one, and begins a new turn. */
static void mlfq_retuned(struct sched_queue *q, uint64_t now_ns)
{
    struct mlfq_queue *mq = queue_of(q);
    struct list_node *node;
    struct list all;

    catch_up_boosts(mq, now_ns);
    read_tunables(q, now_ns);

    list_init(&all);
    for (uint32_t level = 0; level < LEVELS_MAX; level++)
        list_splice_back(&all, &mq->level[level]);
    mq->occupied = 0;
    while ((node = list_pop_front(&all)) != NULL) {
        struct mlfq_entity *me = list_entry(node, struct mlfq_entity, link);

        bring_up_to_date(mq, me);
        put_last(mq, me);
    }
    if (q->running)
        bring_up_to_date(mq, state_of(q->running));
}

/*
 * One that a higher level made give way (preempted, or expired because of it) goes on with its turn
 * afterwards; everybody else queues up.
 */
static void mlfq_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                         uint64_t now_ns)
{
    struct mlfq_queue *mq = queue_of(q);
    struct mlfq_entity *me = state_of(e);

    catch_up_boosts(mq, now_ns);
    if (why == SCHED_ENQUEUE_YIELD) {
        boost_if_due(mq, me); /* the rest has been done as it was charged */
        put_last(mq, me);
        return;
    }
    bring_up_to_date(mq, me);
    if ((why == SCHED_ENQUEUE_PREEMPTED || why == SCHED_ENQUEUE_EXPIRED) && !is_turn_over(mq, me))
        put_first(mq, me);
    else
        put_last(mq, me);
}

static void mlfq_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                         uint64_t now_ns)
{
    struct mlfq_queue *mq = queue_of(q);
    struct mlfq_entity *me = state_of(e);
    uint32_t level;

    (void)why;
    catch_up_boosts(mq, now_ns);
    if (q->running == e)
        return;
    level = level_of(mq, me);
    list_remove(&me->link);
    if (list_is_empty(&mq->level[level]))
        mq->occupied &= ~level_bit(level);
}

/* Rules 1 and 2. Somebody waits. */
static struct mlfq_entity *take_first(struct mlfq_queue *mq)
{
    uint32_t level = (uint32_t)__builtin_ctz(mq->occupied);
    struct list *line = &mq->level[level];
    struct mlfq_entity *me = list_entry(list_take_front(line), struct mlfq_entity, link);

    if (list_is_empty(line))
        mq->occupied &= ~level_bit(level);
    boost_if_due(mq, me);
    return me;
}

static struct sched_entity *mlfq_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct mlfq_queue *mq = queue_of(q);

    catch_up_boosts(mq, now_ns);
    if (mq->occupied == 0)
        return NULL;
    return container_of(take_first(mq), struct sched_entity, state);
}

/* Boosts until now; how much of the time that was run counts for the allotment: that since then. */
static uint64_t time_since_boost(struct mlfq_queue *mq, struct mlfq_entity *me, uint64_t ran_ns,
                                 uint64_t now_ns)
{
    catch_up_boosts(mq, now_ns);
    if (likely(!is_boost_due(mq, me)))
        return ran_ns;
    boost(mq, me);
    return MIN(ran_ns, now_ns - mq->boosted_ns);
}

static void mlfq_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                        uint64_t now_ns)
{
    struct mlfq_queue *mq = queue_of(q);
    struct mlfq_entity *me = state_of(e);
    uint64_t quantum_used_ns = me->quantum_used_ns + ran_ns;

    ran_ns = time_since_boost(mq, me, ran_ns, now_ns);
    me->quantum_used_ns = quantum_used_ns;
    me->allotment_used_ns += ran_ns;
    demote_if_spent(mq, me);
}

/* How much longer its turn is, which is not over. */
static uint64_t left_of_turn_ns(const struct mlfq_queue *mq, const struct mlfq_entity *me)
{
    return MIN(mq->quantum_ns[me->level] - me->quantum_used_ns,
               mq->allotment_ns[me->level] - me->allotment_used_ns);
}

static uint64_t mlfq_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                              uint64_t now_ns)
{
    const struct mlfq_queue *mq = queue_of(q);
    const struct mlfq_entity *me = state_of(e);
    uint32_t higher_levels = level_bit(me->level) - 1;

    (void)now_ns;
    if (is_turn_over(mq, me) || (mq->occupied & higher_levels))
        return 0;
    return left_of_turn_ns(mq, me);
}

/* It gives up the rest of its turn: what it has used of its quantum does not matter any more. */
static void end_turn(struct mlfq_queue *mq, struct mlfq_entity *me, uint64_t ran_ns,
                     uint64_t now_ns)
{
    me->allotment_used_ns += time_since_boost(mq, me, ran_ns, now_ns);
    demote_if_spent(mq, me);
}

/* Who is first in the highest line: its turn is not over then. */
static struct sched_entity *begin_turn(struct mlfq_queue *mq, uint64_t *slice_ns)
{
    struct mlfq_entity *next = take_first(mq);

    *slice_ns = left_of_turn_ns(mq, next);
    return container_of(next, struct sched_entity, state);
}

static struct sched_entity *mlfq_yield(struct sched_queue *q, struct sched_entity *e,
                                       uint64_t ran_ns, uint64_t now_ns, uint64_t *slice_ns)
{
    end_turn(queue_of(q), state_of(e), ran_ns, now_ns);
    put_last(queue_of(q), state_of(e));
    return begin_turn(queue_of(q), slice_ns);
}

static struct sched_entity *mlfq_block(struct sched_queue *q, struct sched_entity *e,
                                       uint64_t ran_ns, uint64_t now_ns, uint64_t *slice_ns)
{
    end_turn(queue_of(q), state_of(e), ran_ns, now_ns);
    return begin_turn(queue_of(q), slice_ns);
}

static bool mlfq_preempts(const struct sched_queue *q, const struct sched_entity *woken,
                          const struct sched_entity *running, uint64_t now_ns)
{
    const struct mlfq_queue *mq = queue_of(q);

    (void)now_ns;
    return level_of(mq, state_of(woken)) < level_of(mq, state_of(running));
}

static int mlfq_level(const struct sched_queue *q, const struct sched_entity *e)
{
    const struct mlfq_queue *mq = queue_of(q);

    return (int)MIN(level_of(mq, state_of(e)), mq->lowest);
}

/*
 * A boost period, the longest quantum, which may be running at the boost, and a turn at level 0 for
 * everybody else. Without boosts, there is no limit.
 */
static uint64_t mlfq_starvation_limit_ns(const struct sched_queue *q)
{
    const struct mlfq_queue *mq = queue_of(q);
    uint64_t longest_ns = 0;

    if (mq->boost_period_ns == 0)
        return SCHED_TIME_NEVER;
    for (uint32_t level = 0; level <= mq->lowest; level++)
        longest_ns = MAX(longest_ns, mq->quantum_ns[level]);
    return mq->boost_period_ns + longest_ns + 100 * mq->quantum_ns[0];
}

static const struct sched_class mlfq = {
    .name = "mlfq",
    .help = "multi-level feedback queue: short work first",
    .entity_bytes = sizeof(struct mlfq_entity),
    .queue_bytes = sizeof(struct mlfq_queue),
    .is_work_conserving = true,
    .starvation_limit_ns = mlfq_starvation_limit_ns,
    .tunables = tunables,
    .nr_tunables = NR_TUNABLES,
    .presets = presets,
    .queue_init = mlfq_queue_init,
    .retuned = mlfq_retuned,
    .enqueue = mlfq_enqueue,
    .dequeue = mlfq_dequeue,
    .pick = mlfq_pick,
    .charge = mlfq_charge,
    .yield = mlfq_yield,
    .block = mlfq_block,
    .slice_ns = mlfq_slice_ns,
    .preempts = mlfq_preempts,
    .level = mlfq_level,
};

SCHED_CLASS_REGISTER(mlfq);
