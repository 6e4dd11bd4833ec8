/* Classes that are wrong, each in one way, for the watchdog to find (control.c). */

#include <sched/class.h>

struct line {
    struct list entities;
};

struct place {
    struct list_node link;
};

static struct line *line_of(const struct sched_queue *q)
{
    return q->state;
}

static struct place *place_of(const struct sched_entity *e)
{
    return (struct place *)e->state;
}

static void broken_init(struct sched_queue *q, uint64_t now_ns)
{
    (void)now_ns;
    list_init(&line_of(q)->entities);
}

/* Last in, first out. */
static void broken_enqueue(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                           uint64_t now_ns)
{
    (void)why;
    (void)now_ns;
    list_push_front(&line_of(q)->entities, &place_of(e)->link);
}

static void broken_dequeue(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                           uint64_t now_ns)
{
    (void)why;
    (void)now_ns;
    if (q->running != e)
        list_remove(&place_of(e)->link);
}

static struct sched_entity *pick_first(struct sched_queue *q, uint64_t now_ns)
{
    struct list_node *node = list_pop_front(&line_of(q)->entities);

    (void)now_ns;
    if (node == NULL)
        return NULL;
    return container_of(list_entry(node, struct place, link), struct sched_entity, state);
}

static struct sched_entity *pick_nobody(struct sched_queue *q, uint64_t now_ns)
{
    (void)q;
    (void)now_ns;
    return NULL;
}

static uint64_t limit_ns(const struct sched_queue *q)
{
    (void)q;
    return 100 * NSEC_PER_MSEC;
}

static uint64_t always_now(const struct sched_queue *q, uint64_t now_ns)
{
    (void)q;
    return now_ns;
}

/* Whoever runs, runs on, whatever it promises. */
static const struct sched_class unfair = {
    .name = "unfair",
    .help = "for tests: the last to come runs for ever",
    .entity_bytes = sizeof(struct place),
    .queue_bytes = sizeof(struct line),
    .is_work_conserving = true,
    .starvation_limit_ns = limit_ns,
    .queue_init = broken_init,
    .enqueue = broken_enqueue,
    .dequeue = broken_dequeue,
    .pick = pick_first,
};
SCHED_CLASS_REGISTER(unfair);

static const struct sched_class nobody = {
    .name = "nobody",
    .help = "for tests: lets nobody run",
    .entity_bytes = sizeof(struct place),
    .queue_bytes = sizeof(struct line),
    .queue_init = broken_init,
    .enqueue = broken_enqueue,
    .dequeue = broken_dequeue,
    .pick = pick_nobody,
};
SCHED_CLASS_REGISTER(nobody);

static const struct sched_class never = {
    .name = "never",
    .help = "for tests: lets nobody run, and says that it will at once",
    .entity_bytes = sizeof(struct place),
    .queue_bytes = sizeof(struct line),
    .queue_init = broken_init,
    .enqueue = broken_enqueue,
    .dequeue = broken_dequeue,
    .pick = pick_nobody,
    .next_event_ns = always_now,
};
SCHED_CLASS_REGISTER(never);

static const struct sched_class liar = {
    .name = "liar",
    .help = "for tests: lets nobody run, and says that it always lets somebody",
    .entity_bytes = sizeof(struct place),
    .queue_bytes = sizeof(struct line),
    .is_work_conserving = true,
    .queue_init = broken_init,
    .enqueue = broken_enqueue,
    .dequeue = broken_dequeue,
    .pick = pick_nobody,
};
SCHED_CLASS_REGISTER(liar);
