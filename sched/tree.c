/*
 * Nested queues.
 *
 * A tree is a root queue whose entities are leaves (LWPs) and groups, that is, queues again. The
 * running entities of nested queues make up the *running path*: from the root's running entity, if
 * that is a group to the group's running entity, and so on to the leaf that has the CPU.
 *
 * Invariants:
 *   - a group's entity is away exactly while its queue is empty (nothing waits, nothing runs);
 *   - a queue may have a running entity without being on the running path: the group was preempted
 *     from outside. Its inner order, and what is left of its quantum, stay as they are until the
 *     group has its turn again. That is why levels are put back each on its own;
 *   - q->is_preempted is set when a class said that a waiting entity is to take over from
 *     q->running; it is acted upon when the path is put back, or when the group is picked again.
 */

#include <sched/tree.h>

static bool is_empty(const struct sched_queue *q)
{
    return q->nr_waiting == 0 && q->running == NULL;
}

static bool is_on_running_path(const struct sched_queue *q)
{
    while (q->self != NULL) {
        if (q->self->queue->running != q->self)
            return false;
        q = q->self->queue;
    }
    return true;
}

static void make_waiting(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                         uint64_t now_ns)
{
    list_push_back(&q->waiting, &e->waiting_link);
    q->nr_waiting++;
    q->class->enqueue(q, e, why, now_ns);
}

static void put_back(struct sched_queue *q, enum sched_enqueue why, uint64_t now_ns)
{
    struct sched_entity *e = q->running;

    q->running = NULL;
    q->is_preempted = false;
    make_waiting(q, e, why, now_ns);
}

void sched_queue_init(struct sched_queue *q, const struct sched_class *class,
                      struct sched_entity *self, void *state, uint64_t now_ns)
{
    *q = (struct sched_queue){.class = class, .self = self, .state = state};
    list_init(&q->waiting);
    for (unsigned i = 0; i < class->nr_tunables; i++)
        q->tunable[i] = class->tunables[i].initial;
    if (self != NULL)
        self->group = q;
    if (class->queue_init != NULL)
        class->queue_init(q, now_ns);
}

void tree_join(struct sched_queue *q, struct sched_entity *e, const struct sched_entity *creator,
               uint64_t now_ns)
{
    list_node_init(&e->waiting_link);
    e->queue = q;
    for (unsigned i = 0; i < sizeof(e->state); i++)
        e->state[i] = 0;
    if (q->class->join != NULL)
        q->class->join(q, e, creator, now_ns);
}

bool tree_enqueue(struct sched_entity *leaf, enum sched_enqueue why, uint64_t now_ns)
{
    struct sched_entity *e = leaf;

    for (;;) {
        struct sched_queue *q = e->queue;
        bool was_empty = is_empty(q);

        make_waiting(q, e, why, now_ns);
        if (q->running != NULL && q->class->preempts != NULL &&
            q->class->preempts(q, e, q->running, now_ns)) {
            q->is_preempted = true;
            return is_on_running_path(q);
        }
        if (q->self == NULL || !was_empty)
            return false;
        e = q->self;
        why = SCHED_ENQUEUE_WAKE;
    }
}

void tree_dequeue(struct sched_entity *leaf, enum sched_dequeue why, uint64_t now_ns)
{
    for (struct sched_entity *e = leaf; e != NULL; e = e->queue->self) {
        struct sched_queue *q = e->queue;

        q->class->dequeue(q, e, why, now_ns);
        if (q->running == e) {
            q->running = NULL;
            q->is_preempted = false;
        } else {
            list_remove(&e->waiting_link);
            q->nr_waiting--;
        }
        if (!is_empty(q))
            return;
        /* An empty group leaves its queue; if that waited, it is as if it had moved out. */
        if (q->self != NULL)
            why = q->self->queue->running == q->self ? SCHED_DEQUEUE_BLOCKED
                                                     : SCHED_DEQUEUE_MOVED_OUT;
    }
}

struct sched_entity *tree_pick(struct sched_queue *root, uint64_t now_ns)
{
    struct sched_queue *q = root;

    for (;;) {
        struct sched_entity *e;

        if (q->running != NULL && q->is_preempted)
            put_back(q, SCHED_ENQUEUE_PREEMPTED, now_ns);
        e = q->running;
        if (e == NULL) {
            if (q->nr_waiting == 0)
                return NULL;
            e = q->class->pick(q, now_ns);
            if (e == NULL)
                return NULL;
            list_remove(&e->waiting_link);
            q->nr_waiting--;
            q->running = e;
        }
        if (e->group == NULL)
            return e;
        q = e->group;
    }
}

/*
 * The queue below `q` on the running path; NULL: `q` has the leaf, or nothing runs.
 */
static struct sched_queue *next_on_path(const struct sched_queue *q)
{
    return q->running != NULL ? q->running->group : NULL;
}

void tree_charge(struct sched_queue *root, uint64_t ran_ns, uint64_t now_ns)
{
    for (struct sched_queue *q = root; q != NULL && q->running != NULL; q = next_on_path(q)) {
        /* Whoever is alone at the root competes with nobody: stride may as well stand still. */
        if (q->self == NULL && q->nr_waiting == 0 && q->running->group != NULL)
            continue;
        if (q->class->charge != NULL)
            q->class->charge(q, q->running, ran_ns, now_ns);
    }
}

void tree_put_back(struct sched_queue *root, bool is_yield, uint64_t now_ns)
{
    struct sched_queue *q = root, *next;

    for (; q != NULL && q->running != NULL; q = next) {
        next = next_on_path(q);
        if (is_yield && next == NULL)
            put_back(q, SCHED_ENQUEUE_YIELD, now_ns);
        else if (q->nr_waiting == 0)
            continue;
        else if (q->class->slice_ns != NULL && q->class->slice_ns(q, q->running, now_ns) == 0)
            put_back(q, SCHED_ENQUEUE_EXPIRED, now_ns);
        else if (q->is_preempted)
            put_back(q, SCHED_ENQUEUE_PREEMPTED, now_ns);
    }
}

static uint64_t slice_of_level(const struct sched_queue *q, uint64_t now_ns)
{
    uint64_t slice_ns = SCHED_TIME_NEVER;

    if (q->nr_waiting == 0)
        return SCHED_TIME_NEVER;
    if (q->is_preempted)
        return 0;
    if (q->class->slice_ns != NULL)
        slice_ns = q->class->slice_ns(q, q->running, now_ns);
    if (q->class->next_event_ns != NULL) {
        uint64_t event_ns = q->class->next_event_ns(q, now_ns);

        if (event_ns != SCHED_TIME_NEVER)
            slice_ns = MIN(slice_ns, event_ns > now_ns ? event_ns - now_ns : 0);
    }
    return slice_ns;
}

uint64_t tree_slice_ns(const struct sched_queue *root, uint64_t now_ns)
{
    uint64_t slice_ns = SCHED_TIME_NEVER;

    for (const struct sched_queue *q = root; q != NULL && q->running != NULL; q = next_on_path(q))
        slice_ns = MIN(slice_ns, slice_of_level(q, now_ns));
    return slice_ns;
}
