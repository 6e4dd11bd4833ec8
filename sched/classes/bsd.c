/*
 * The scheduler of 4.4BSD: who has used little of the CPU lately comes first.
 *
 * (McKusick, Bostic, Karels, Quarterman: The Design and Implementation of the 4.4BSD Operating
 * System, 1996, section 4.4. The figures are those of the Pintos manual, appendix B "4.4BSD
 * Scheduler", whose tests publish what comes of them.)
 *
 * There are 64 levels. The highest level that anybody waits at runs, equals in turn, for a quantum
 * of four ticks of 10 ms. An entity's level follows from what it has used:
 *
 *     level      = 63 - recent_cpu / 4 - 2 * nice               cut to 0 ... 63
 *     recent_cpu + 1 for every tick that the entity runs; and with every second, for everybody,
 *     recent_cpu = recent_cpu * 2 * load_avg / (2 * load_avg + 1) + nice
 *     load_avg   = load_avg * 59/60 + ready * 1/60              with every second, before that
 *
 * `ready` counts who waits and who runs. So the CPU used is forgotten the faster, the fewer compete
 * for it; and whoever sleeps for a while comes back above those who computed meanwhile. load_avg is
 * that of this queue, of one CPU. Numbers with a fraction have 17 bits before and 14 bits behind
 * the point (Pintos manual, B.6), and stay at the highest or lowest such number rather than wrap.
 *
 * A level is computed anew with every second, with a new niceness, when a quantum is over, and when
 * an entity begins to wait, unless it still has a rest of its quantum.
 *
 * Ticks are not sampled: running time is counted in nanoseconds, to the 2^-14th part of a tick,
 * with what is less than that carried on. So there is no tick to hide from, and the published
 * series come out all the same, as they are of LWPs that run for whole ticks.
 *
 * Seconds begin at whole seconds of the clock, the same for all queues. There is no timer: the
 * first call in a new second does what the seconds since the last call should have done. For the
 * load that is exact, as `ready` changes with calls only. (It stops moving after LOAD_SETTLES
 * seconds without one, so more need not be gone through.) The factors by which each of the last
 * HISTORY seconds decayed recent_cpu are kept: a sleeper that wakes, or one that ran for long
 * without a call, goes through them one by one, exactly as if it had been there, in this queue and
 * with the niceness that it has by then. Whoever has been away for longer starts that long ago with
 * nothing used (as in 4.4BSD's updatepri(): what was used before is forgotten), and for one that
 * ran alone it makes no difference by then.
 *
 * With every second all who wait are sorted anew, as schedcpu() does: once a second, time
 * proportional to their number, and a kilobyte a queue. All else takes constant time. Order is
 * kept among those who come to the same level; of two who waited at different ones, the higher one
 * goes first.
 *
 * Nothing is promised to those who wait: niceness keeps some of them at the bottom for good.
 */

#include <sched/class.h>

#define NR_LEVELS     64
#define TICK_NS       (10 * NSEC_PER_MSEC)
#define FRACTION_BITS 14
#define ONE           (1 << FRACTION_BITS)

/* In seconds. */
#define HISTORY 256

/* 59/60 to this power, times the largest load, is less than the smallest step. */
#define LOAD_SETTLES 1300

enum { QUANTUM_US, NR_TUNABLES };

static const struct sched_tunable tunables[NR_TUNABLES] = {
    [QUANTUM_US] = {"quantum_us", "time of a turn among equals, in microseconds", 40000, 10,
                    1000000},
};

struct bsd_queue {
    uint64_t occupied; /* bit i: somebody waits at level i */
    struct list level[NR_LEVELS];
    uint64_t second;         /* the one that has begun, as far as the queue knows */
    uint64_t next_second_ns; /* when the next one begins */
    uint32_t nr_present;     /* waiting or running */
    int32_t load_avg;
    int32_t factor[HISTORY]; /* second s began with factor[s % HISTORY] */
};

struct bsd_entity {
    struct list_node link; /* in its level's line, while waiting */
    uint64_t second;       /* the last one that has decayed recent_cpu */
    uint64_t used_ns;      /* of its quantum */
    uint64_t carry;        /* used, and too little to count: parts of 2^-14 ns, less than TICK_NS */
    int32_t recent_cpu;    /* in ticks */
    uint32_t level;
};

_Static_assert(sizeof(struct bsd_entity) <= SCHED_ENTITY_STATE_BYTES, "state does not fit");

static struct bsd_queue *queue_of(const struct sched_queue *q)
{
    return q->state;
}

static struct bsd_entity *state_of(const struct sched_entity *e)
{
    return (struct bsd_entity *)e->state;
}

static struct sched_entity *entity_of(struct bsd_entity *be)
{
    return container_of(be, struct sched_entity, state);
}

static uint64_t level_bit(uint32_t level)
{
    return (uint64_t)1 << level;
}

static uint64_t quantum_ns(const struct sched_queue *q)
{
    return q->tunable[QUANTUM_US] * NSEC_PER_USEC;
}

/* ---- The formulas --------------------------------------------------------------------------- */

static int32_t saturated(int64_t value)
{
    return (int32_t)MAX(MIN(value, INT32_MAX), -INT32_MAX);
}

/* Rounded to the nearest: errors of one direction would add up to 60 times as much. */
static int32_t next_load_avg(int32_t load_avg, uint32_t nr_ready)
{
    return saturated(((int64_t)load_avg * 59 + (int64_t)nr_ready * ONE + 30) / 60);
}

static int32_t factor_of_load(int32_t load_avg)
{
    int64_t twice = (int64_t)load_avg * 2;

    return (int32_t)(twice * ONE / (twice + ONE));
}

static uint32_t level_of(const struct bsd_entity *be, int nice)
{
    int64_t level = ((int64_t)(63 - 2 * nice) * ONE - be->recent_cpu / 4) / ONE;

    return (uint32_t)MAX(MIN(level, NR_LEVELS - 1), 0);
}

/* The next second begins for an entity. */
static void decay(const struct bsd_queue *bq, struct bsd_entity *be, int nice)
{
    int64_t factor;

    be->second++;
    factor = bq->factor[be->second % HISTORY];
    be->recent_cpu = saturated(factor * be->recent_cpu / ONE + (int64_t)nice * ONE);
}

static void count_running(struct bsd_entity *be, uint64_t ran_ns)
{
    uint64_t parts = (ran_ns << FRACTION_BITS) + be->carry;

    be->recent_cpu = saturated(be->recent_cpu + (int64_t)(parts / TICK_NS));
    be->carry = parts % TICK_NS;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

static void put_first(struct bsd_queue *bq, struct bsd_entity *be)
{
    list_push_front(&bq->level[be->level], &be->link);
    bq->occupied |= level_bit(be->level);
}

static void put_last(struct bsd_queue *bq, struct bsd_entity *be)
{
    list_push_back(&bq->level[be->level], &be->link);
    bq->occupied |= level_bit(be->level);
}

static void take_out(struct bsd_queue *bq, struct bsd_entity *be)
{
    list_remove(&be->link);
    if (list_is_empty(&bq->level[be->level]))
        bq->occupied &= ~level_bit(be->level);
}

/* ---- Seconds -------------------------------------------------------------------------------- */

/* Who has been away for longer than anybody remembers starts there, with nothing used. */
static void forget_what_is_too_old(const struct bsd_queue *bq, struct bsd_entity *be)
{
    if (likely(be->second + HISTORY >= bq->second))
        return;
    be->second = bq->second - HISTORY;
    be->recent_cpu = 0;
}

/* Decay, and a new level, for one that has not run in the seconds since it was last seen. */
static void bring_up_to_date(const struct bsd_queue *bq, struct sched_entity *e)
{
    struct bsd_entity *be = state_of(e);

    if (be->second >= bq->second)
        return;
    forget_what_is_too_old(bq, be);
    while (be->second < bq->second)
        decay(bq, be, e->params.nice);
    be->level = level_of(be, e->params.nice);
}

static void sort_waiting(struct bsd_queue *bq)
{
    struct list_node *node;
    struct list all;

    list_init(&all);
    for (uint32_t level = NR_LEVELS; level-- > 0;)
        list_splice_back(&all, &bq->level[level]);
    bq->occupied = 0;
    while ((node = list_pop_front(&all)) != NULL) {
        struct bsd_entity *be = list_entry(node, struct bsd_entity, link);

        bring_up_to_date(bq, entity_of(be));
        put_last(bq, be);
    }
}

static void begin_seconds(struct bsd_queue *bq, uint64_t now_ns)
{
    uint64_t now_second = now_ns / NSEC_PER_SEC;

    if (now_second - bq->second > LOAD_SETTLES)
        bq->second = now_second - LOAD_SETTLES;
    while (bq->second < now_second) {
        bq->second++;
        bq->load_avg = next_load_avg(bq->load_avg, bq->nr_present);
        bq->factor[bq->second % HISTORY] = factor_of_load(bq->load_avg);
    }
    bq->next_second_ns = (now_second + 1) * NSEC_PER_SEC;
    if (bq->occupied != 0)
        sort_waiting(bq);
}

static inline void catch_up(struct bsd_queue *bq, uint64_t now_ns)
{
    if (unlikely(now_ns >= bq->next_second_ns))
        begin_seconds(bq, now_ns);
}

/* ---- The class ------------------------------------------------------------------------------ */

static void bsd_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    struct bsd_queue *bq = queue_of(q);

    for (uint32_t level = 0; level < NR_LEVELS; level++)
        list_init(&bq->level[level]);
    bq->second = now_ns / NSEC_PER_SEC;
    bq->next_second_ns = (bq->second + 1) * NSEC_PER_SEC;
}

static void bsd_join(struct sched_queue *q, struct sched_entity *e, uint64_t now_ns)
{
    (void)q;
    state_of(e)->second = now_ns / NSEC_PER_SEC;
}

/*
 * One that a higher level made give way (preempted, or expired because of it) goes on with its turn
 * afterwards, where it was; everybody else queues up.
 */
static void bsd_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                        uint64_t now_ns)
{
    struct bsd_queue *bq = queue_of(q);
    struct bsd_entity *be = state_of(e);
    bool gave_way = why == SCHED_ENQUEUE_PREEMPTED || why == SCHED_ENQUEUE_EXPIRED;

    catch_up(bq, now_ns);
    bring_up_to_date(bq, e);
    if (gave_way && be->used_ns < quantum_ns(q)) {
        put_first(bq, be);
        return;
    }
    if (!gave_way && why != SCHED_ENQUEUE_YIELD)
        bq->nr_present++;
    be->used_ns = 0;
    be->level = level_of(be, e->params.nice);
    put_last(bq, be);
}

static void bsd_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                        uint64_t now_ns)
{
    struct bsd_queue *bq = queue_of(q);

    (void)why;
    catch_up(bq, now_ns);
    if (q->running != e)
        take_out(bq, state_of(e));
    bq->nr_present--;
}

static struct sched_entity *bsd_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct bsd_queue *bq = queue_of(q);
    struct bsd_entity *be;
    uint32_t highest;

    catch_up(bq, now_ns);
    if (bq->occupied == 0)
        return NULL;
    highest = NR_LEVELS - 1 - (uint32_t)__builtin_clzll(bq->occupied);
    be = list_first_entry(&bq->level[highest], struct bsd_entity, link);
    take_out(bq, be);
    return entity_of(be);
}

/* Seconds may have begun on the way: what was used before one decays with it. */
static void bsd_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                       uint64_t now_ns)
{
    struct bsd_queue *bq = queue_of(q);
    struct bsd_entity *be = state_of(e);
    uint64_t from_ns = now_ns - ran_ns;
    bool is_new_second;

    catch_up(bq, now_ns);
    is_new_second = be->second < bq->second;
    forget_what_is_too_old(bq, be);
    from_ns = MIN(MAX(from_ns, be->second * NSEC_PER_SEC), now_ns);
    while (be->second < bq->second) {
        uint64_t next_ns = (be->second + 1) * NSEC_PER_SEC;

        if (from_ns < next_ns) {
            count_running(be, next_ns - from_ns);
            from_ns = next_ns;
        }
        decay(bq, be, e->params.nice);
    }
    count_running(be, now_ns - from_ns);
    be->used_ns += ran_ns;
    if (is_new_second || be->used_ns >= quantum_ns(q))
        be->level = level_of(be, e->params.nice);
}

/* Not beyond the end of the second: others may be higher then. */
static uint64_t bsd_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                             uint64_t now_ns)
{
    const struct bsd_queue *bq = queue_of(q);
    const struct bsd_entity *be = state_of(e);
    bool higher_waits = bq->occupied >> be->level > 1;

    if (higher_waits || be->used_ns >= quantum_ns(q) || now_ns >= bq->next_second_ns)
        return 0;
    return MIN(quantum_ns(q) - be->used_ns, bq->next_second_ns - now_ns);
}

static bool bsd_preempts(const struct sched_queue *q, const struct sched_entity *woken,
                         const struct sched_entity *running, uint64_t now_ns)
{
    (void)q;
    (void)now_ns;
    return state_of(woken)->level > state_of(running)->level;
}

/* A new niceness moves an entity at once, to the tail of its new level. */
static void bsd_params_changed(struct sched_queue *q, struct sched_entity *e,
                               const struct sched_params *old, uint64_t now_ns)
{
    struct bsd_queue *bq = queue_of(q);
    struct bsd_entity *be = state_of(e);
    uint32_t level;

    if (e->params.nice == old->nice)
        return;
    catch_up(bq, now_ns);
    bring_up_to_date(bq, e);
    level = level_of(be, e->params.nice);
    if (q->running == e) {
        be->level = level;
    } else if (level != be->level) {
        take_out(bq, be);
        be->level = level;
        put_last(bq, be);
    }
}

static const struct sched_class bsd = {
    .name = "bsd",
    .help = "4.4BSD: by recent use of the CPU, and niceness",
    .entity_bytes = sizeof(struct bsd_entity),
    .queue_bytes = sizeof(struct bsd_queue),
    .is_work_conserving = true,
    .tunables = tunables,
    .nr_tunables = NR_TUNABLES,
    .queue_init = bsd_queue_init,
    .join = bsd_join,
    .enqueue = bsd_enqueue,
    .dequeue = bsd_dequeue,
    .pick = bsd_pick,
    .charge = bsd_charge,
    .slice_ns = bsd_slice_ns,
    .preempts = bsd_preempts,
    .params_changed = bsd_params_changed,
};

SCHED_CLASS_REGISTER(bsd);
