/*
 * Nested queues.
 *
 * A tree is a root queue whose entities are leaves (LWPs) and groups, that is, queues again. The
 * running entities of nested queues make up the *running path*: from the root's running entity, if
 * that is a group to the group's running entity, and so on to the leaf that has the CPU.
 *
 * Invariants:
 *   - a group's entity is away exactly while its queue is empty (nothing waits, nothing runs) or
 *     throttled (somebody waits, and its class lets nobody run); a throttled queue is on the root's
 *     list, until its class's next event is due or somebody is enqueued;
 *   - a queue may have a running entity without being on the running path: the group was preempted
 *     from outside. Its inner order, and what is left of its quantum, stay as they are until the
 *     group has its turn again. That is why levels are put back each on its own;
 *   - q->is_preempted is set when a class said that a waiting entity is to take over from
 *     q->running; it is acted upon when the group is picked next.
 *
 * An entity carries the state of one class. When it is enqueued in a queue of another, it joins
 * that: so a queue's class can be replaced while members of it sleep, and nobody looks for them.
 *
 * Classes are watched, because people write them. One that lets nobody run and does not say until
 * when, or that keeps an entity waiting for longer than it promised, is put down as `broken` at the
 * root; whoever holds the tree then replaces it.
 */

#include <sched/tree.h>

/* Classes declare their starvation limits for so many. Time in which there are more does not count.
 */
#define STARVATION_ENTITIES_MAX 100

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

static void join(struct sched_queue *q, struct sched_entity *e, uint64_t now_ns)
{
    for (unsigned i = 0; i < sizeof(e->state); i++)
        e->state[i] = 0;
    e->class = q->class;
    if (q->class->join != NULL)
        q->class->join(q, e, now_ns);
}

static void make_waiting(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                         uint64_t now_ns)
{
    if (unlikely(e->class != q->class)) {
        join(q, e, now_ns);
        why = SCHED_ENQUEUE_NEW;
    }
    list_push_back(&q->waiting, &e->waiting_link);
    q->nr_waiting++;
    e->is_present = true;
    e->waits_since_ns = q->granted_ns;
    q->class->enqueue(q, e, why, now_ns);
}

static void make_running(struct sched_queue *q, struct sched_entity *e)
{
    list_remove(&e->waiting_link);
    q->nr_waiting--;
    q->running = e;
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
    list_init(&q->throttled);
    list_node_init(&q->throttled_link);
    for (unsigned i = 0; i < class->nr_tunables; i++)
        q->tunable[i] = class->tunables[i].initial;
    if (self != NULL)
        self->group = q;
    if (class->queue_init != NULL)
        class->queue_init(q, now_ns);
}

void tree_join(struct sched_queue *q, struct sched_entity *e)
{
    e->queue = q;
    e->class = NULL;
}

/* ---- Throttled queues ----------------------------------------------------------------------- */

static bool is_throttled(const struct sched_queue *q)
{
    return list_is_linked(&q->throttled_link);
}

/* SCHED_TIME_NEVER: its class says nothing. */
static uint64_t next_event_ns(const struct sched_queue *q, uint64_t now_ns)
{
    return q->class->next_event_ns != NULL ? q->class->next_event_ns(q, now_ns) : SCHED_TIME_NEVER;
}

/* The class of `q`, which has just been given the CPU, lets nobody run. */
static void throttle(struct sched_queue *root, struct sched_queue *q, uint64_t now_ns)
{
    uint64_t event_ns = next_event_ns(q, now_ns);

    if (event_ns == SCHED_TIME_NEVER || event_ns <= now_ns)
        root->broken = q;
    tree_dequeue(q->self, SCHED_DEQUEUE_BLOCKED, now_ns);
    list_push_back(&root->throttled, &q->throttled_link);
}

/*
 * When a throttled queue is to be tried again. At once, if its class no longer says when: it may
 * have changed its mind, by a tunable or a member's parameters, or else is found broken again.
 */
static uint64_t retry_ns(const struct sched_queue *q, uint64_t now_ns)
{
    uint64_t event_ns = next_event_ns(q, now_ns);

    return event_ns != SCHED_TIME_NEVER ? event_ns : now_ns;
}

/* A throttled queue for which it is time; NULL: there is none. */
static struct sched_queue *find_due(const struct sched_queue *root, uint64_t now_ns)
{
    struct sched_queue *q;

    list_for_each_entry (q, &root->throttled, throttled_link) {
        if (retry_ns(q, now_ns) <= now_ns)
            return q;
    }
    return NULL;
}

/* Gives those another try. That is an arrival for the queues above, which may be throttled, too. */
static void end_throttling(struct sched_queue *root, uint64_t now_ns)
{
    struct sched_queue *q;

    while ((q = find_due(root, now_ns)) != NULL) {
        list_remove(&q->throttled_link);
        tree_enqueue(q->self, SCHED_ENQUEUE_WAKE, now_ns);
    }
}

uint64_t tree_next_event_ns(const struct sched_queue *root, uint64_t now_ns)
{
    const struct sched_queue *q;
    uint64_t first_ns = SCHED_TIME_NEVER;

    list_for_each_entry (q, &root->throttled, throttled_link)
        first_ns = MIN(first_ns, retry_ns(q, now_ns));
    return first_ns;
}

/* ---- Going, coming, and picking ------------------------------------------------------------- */

bool tree_enqueue(struct sched_entity *leaf, enum sched_enqueue why, uint64_t now_ns)
{
    struct sched_entity *e = leaf;

    for (;;) {
        struct sched_queue *q = e->queue;

        make_waiting(q, e, why, now_ns);
        if (q->running != NULL && q->class->preempts != NULL &&
            q->class->preempts(q, e, q->running, now_ns)) {
            q->is_preempted = true;
            return is_on_running_path(q);
        }
        if (q->self == NULL || q->self->is_present)
            return false;
        if (is_throttled(q))
            list_remove(&q->throttled_link);
        e = q->self;
        why = SCHED_ENQUEUE_WAKE;
    }
}

void tree_dequeue(struct sched_entity *leaf, enum sched_dequeue why, uint64_t now_ns)
{
    for (struct sched_entity *e = leaf; e != NULL; e = e->queue->self) {
        struct sched_queue *q = e->queue;

        /* A group that leaves as a whole leaves with nobody running in it. */
        if (unlikely(e->group != NULL && e->group->running != NULL))
            put_back(e->group, SCHED_ENQUEUE_PREEMPTED, now_ns);
        q->class->dequeue(q, e, why, now_ns);
        e->is_present = false;
        if (q->running == e) {
            q->running = NULL;
            q->is_preempted = false;
        } else {
            list_remove(&e->waiting_link);
            q->nr_waiting--;
        }
        if (!is_empty(q))
            return;
        if (is_throttled(q))
            list_remove(&q->throttled_link);
        if (q->self == NULL || !q->self->is_present)
            return;
        /* An empty group leaves its queue; if that waited, it is as if it had moved out. */
        why = q->self->queue->running == q->self ? SCHED_DEQUEUE_BLOCKED : SCHED_DEQUEUE_MOVED_OUT;
    }
}

struct sched_entity *tree_pick(struct sched_queue *root, uint64_t now_ns)
{
    struct sched_queue *q = root;

    if (unlikely(!list_is_empty(&root->throttled)))
        end_throttling(root, now_ns);
    for (;;) {
        struct sched_entity *e;

        if (q->running != NULL && q->is_preempted)
            put_back(q, SCHED_ENQUEUE_PREEMPTED, now_ns);
        e = q->running;
        if (e == NULL) {
            if (q->nr_waiting == 0)
                return NULL;
            e = q->class->pick(q, now_ns);
            if (unlikely(e == NULL)) {
                throttle(root, q, now_ns);
                q = root;
                continue;
            }
            make_running(q, e);
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

void tree_charge(struct sched_queue *root, uint64_t ran_ns, uint64_t late_ns, uint64_t now_ns)
{
    for (struct sched_queue *q = root; q != NULL && q->running != NULL; q = next_on_path(q)) {
        q->granted_ns += ran_ns - late_ns;
        if (unlikely(q->nr_waiting >= STARVATION_ENTITIES_MAX))
            q->watched_since_ns = q->granted_ns;
        /* Whoever is alone at the root competes with nobody: stride may as well stand still. */
        if (q->self == NULL && q->nr_waiting == 0 && q->running->group != NULL)
            continue;
        if (q->class->charge != NULL)
            q->class->charge(q, q->running, ran_ns, now_ns);
    }
}

/* Whether nobody is to take over from the running entity of `q`, however long it runs. */
static bool has_no_rival(const struct sched_queue *q)
{
    return q->nr_waiting == 0 && q->class->is_work_conserving;
}

void tree_put_back(struct sched_queue *root, bool is_yield, uint64_t now_ns)
{
    struct sched_queue *q = root, *next;

    for (; q != NULL && q->running != NULL; q = next) {
        next = next_on_path(q);
        if (is_yield && next == NULL)
            put_back(q, SCHED_ENQUEUE_YIELD, now_ns);
        else if (has_no_rival(q))
            continue;
        else if (q->class->slice_ns != NULL && q->class->slice_ns(q, q->running, now_ns) == 0)
            put_back(q, SCHED_ENQUEUE_EXPIRED, now_ns);
        else if (next_event_ns(q, now_ns) <= now_ns)
            put_back(q, SCHED_ENQUEUE_PREEMPTED, now_ns);
    }
}

static uint64_t slice_of_level(const struct sched_queue *q, uint64_t now_ns)
{
    uint64_t slice_ns = SCHED_TIME_NEVER, event_ns;

    if (has_no_rival(q))
        return SCHED_TIME_NEVER;
    if (q->is_preempted)
        return 0;
    if (q->class->slice_ns != NULL)
        slice_ns = q->class->slice_ns(q, q->running, now_ns);
    event_ns = next_event_ns(q, now_ns);
    if (event_ns != SCHED_TIME_NEVER)
        slice_ns = MIN(slice_ns, event_ns > now_ns ? event_ns - now_ns : 0);
    return slice_ns;
}

uint64_t tree_slice_ns(const struct sched_queue *root, uint64_t now_ns)
{
    uint64_t slice_ns = SCHED_TIME_NEVER, event_ns;

    for (const struct sched_queue *q = root; q != NULL && q->running != NULL; q = next_on_path(q))
        slice_ns = MIN(slice_ns, slice_of_level(q, now_ns));
    if (unlikely(!list_is_empty(&root->throttled))) {
        event_ns = tree_next_event_ns(root, now_ns);
        if (event_ns != SCHED_TIME_NEVER)
            slice_ns = MIN(slice_ns, event_ns > now_ns ? event_ns - now_ns : 0);
    }
    return slice_ns;
}

/* ---- Another class -------------------------------------------------------------------------- */

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
    bool was_throttled = is_throttled(q), preempts = false;
    struct list waiting;
    struct list_node *node;

    list_init(&waiting);
    list_splice_back(&waiting, &q->waiting);
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
        make_waiting(q, running, SCHED_ENQUEUE_NEW, now_ns);
        picked = class->pick(q, now_ns);
        if (likely(picked != NULL))
            make_running(q, picked);
        else
            preempts = true; /* the class has lied: that comes out when it has to pick again */
    }
    while ((node = list_pop_front(&waiting)) != NULL) {
        struct sched_entity *e = list_entry(node, struct sched_entity, waiting_link);

        e->class = NULL;
        make_waiting(q, e, SCHED_ENQUEUE_NEW, now_ns);
        if (q->running != NULL && class->preempts != NULL &&
            class->preempts(q, e, q->running, now_ns))
            q->is_preempted = preempts = true;
    }
    if (was_throttled) {
        list_remove(&q->throttled_link);
        return tree_enqueue(q->self, SCHED_ENQUEUE_WAKE, now_ns);
    }
    return preempts && is_on_running_path(q);
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
    list_for_each_entry (e, &q->waiting, waiting_link) {
        if (q->granted_ns - MAX(e->waits_since_ns, q->watched_since_ns) > limit_ns)
            return e;
    }
    return NULL;
}
