/* See gate_class.h. */

#include "gate_class.h"

static const struct sched_tunable tunables[] = {
    [GATE_PERIOD_US] = {"period_us", "length of a period, in microseconds", 10000, 1000, 1000000},
    [GATE_OPEN_US] = {"open_us", "open at the start of each, in microseconds", 4000, 1, 1000000},
    [GATE_LIE] = {"lie", "what it says of its next event (an enum gate_lie)", 0, 0, 3},
};

struct gate_queue {
    struct list line;
};

struct gate_entity {
    struct list_node link; /* in the line, while waiting */
};

static struct list *line_of(const struct sched_queue *q)
{
    return &((struct gate_queue *)q->state)->line;
}

static struct gate_entity *state_of(const struct sched_entity *e)
{
    return (struct gate_entity *)e->state;
}

static uint64_t period_ns(const struct sched_queue *q)
{
    return q->tunable[GATE_PERIOD_US] * NSEC_PER_USEC;
}

static uint64_t open_ns(const struct sched_queue *q)
{
    return q->tunable[GATE_OPEN_US] * NSEC_PER_USEC;
}

static bool is_open(const struct sched_queue *q, uint64_t now_ns)
{
    return now_ns % period_ns(q) < open_ns(q);
}

static void gate_queue_init(struct sched_queue *q, uint64_t now_ns)
{
    (void)now_ns;
    list_init(line_of(q));
}

static void gate_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                         uint64_t now_ns)
{
    (void)why;
    (void)now_ns;
    list_push_back(line_of(q), &state_of(e)->link);
}

static void gate_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                         uint64_t now_ns)
{
    (void)why;
    (void)now_ns;
    if (q->running != e)
        list_remove(&state_of(e)->link);
}

static struct sched_entity *gate_pick(struct sched_queue *q, uint64_t now_ns)
{
    struct list_node *node = is_open(q, now_ns) ? list_pop_front(line_of(q)) : NULL;

    if (!node)
        return NULL;
    return container_of(list_entry(node, struct gate_entity, link), struct sched_entity, state);
}

static uint64_t gate_slice_ns(const struct sched_queue *q, const struct sched_entity *e,
                              uint64_t now_ns)
{
    (void)e;
    if (open_ns(q) >= period_ns(q))
        return SCHED_TIME_NEVER;
    return is_open(q, now_ns) ? open_ns(q) - now_ns % period_ns(q) : 0;
}

static uint64_t gate_next_event_ns(const struct sched_queue *q, uint64_t now_ns)
{
    if (is_open(q, now_ns))
        return SCHED_TIME_NEVER;
    switch ((enum gate_lie)q->tunable[GATE_LIE]) {
    case GATE_SAYS_NEVER:
        return SCHED_TIME_NEVER;
    case GATE_SAYS_NOW:
        return now_ns;
    case GATE_SAYS_BEFORE:
        return now_ns - 1;
    case GATE_HONEST:
        break;
    }
    return now_ns - now_ns % period_ns(q) + period_ns(q);
}

static const struct sched_class gate = {
    .name = "gate",
    .help = "for tests: open for a part of each period",
    .entity_bytes = sizeof(struct gate_entity),
    .queue_bytes = sizeof(struct gate_queue),
    .tunables = tunables,
    .nr_tunables = 3,
    .queue_init = gate_queue_init,
    .enqueue = gate_enqueue,
    .dequeue = gate_dequeue,
    .pick = gate_pick,
    .slice_ns = gate_slice_ns,
    .next_event_ns = gate_next_event_ns,
};

SCHED_CLASS_REGISTER(gate);
