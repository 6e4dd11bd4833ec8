/*
 * What changes a queue of the tree at run time: another class, and other tunables; and the watch
 * over classes that starve somebody. (sched/tree.c has the theory; this is as pure as it.)
 */

#include <sched/tree.h>

static void set_tunables(struct sched_queue *q, const uint64_t *tunables)
{
    for (unsigned i = 0; i < q->class->nr_tunables; i++)
        q->tunable[i] = tunables[i];
    q->watched_since_ns = q->granted_ns;
}

bool tree_replace_class(struct sched_queue *q, const struct sched_class *class, void *state,
                        const uint64_t *tunables, uint64_t now_ns)
{
    struct sched_entity *running = q->running, *picked;
    bool was_throttled = list_is_linked(&q->throttled_link), preempts = false;
    struct list present;
    struct list_node *node;

    list_init(&present);
    list_splice_back(&present, &q->present);
    q->nr_waiting = 0;
    q->running = NULL;
    q->is_preempted = false;
    q->class = class;
    q->state = state;
    set_tunables(q, tunables);
    if (class->queue_init != NULL)
        class->queue_init(q, now_ns);
    if (running != NULL) {
        running->class = NULL;
        list_remove(&running->present_link);
        tree_arrive(q, running, SCHED_ENQUEUE_NEW, now_ns);
        picked = class->pick(q, now_ns);
        if (likely(picked != NULL)) {
            q->running = picked;
            q->nr_waiting--;
        } else {
            preempts = true; /* the class has lied: that comes out when it has to pick again */
        }
    }
    while ((node = list_pop_front(&present)) != NULL) {
        struct sched_entity *e = list_entry(node, struct sched_entity, present_link);

        e->class = NULL;
        tree_arrive(q, e, SCHED_ENQUEUE_NEW, now_ns);
        if (q->running != NULL && class->preempts != NULL &&
            class->preempts(q, e, q->running, now_ns))
            q->is_preempted = preempts = true;
    }
    if (was_throttled) {
        list_remove(&q->throttled_link);
        return tree_enqueue(q->self, SCHED_ENQUEUE_WAKE, now_ns) == 0;
    }
    return preempts && tree_is_on_running_path(q);
}

void tree_tune(struct sched_queue *q, const uint64_t *tunables, uint64_t now_ns)
{
    set_tunables(q, tunables);
    if (q->class->retuned != NULL)
        q->class->retuned(q, now_ns);
}

/* ---- The watchdog --------------------------------------------------------------------------- */

const struct sched_entity *tree_find_starved(const struct sched_queue *q)
{
    const struct sched_entity *e;
    uint64_t limit_ns;

    if (q->class->starvation_limit_ns == NULL)
        return NULL;
    limit_ns = q->class->starvation_limit_ns(q);
    list_for_each_entry (e, &q->present, present_link) {
        if (e != q->running &&
            q->granted_ns - MAX(e->waits_since_ns, q->watched_since_ns) > limit_ns)
            return e;
    }
    return NULL;
}
