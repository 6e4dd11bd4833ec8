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
 * root; whoever holds the tree then replaces it. The root's own class is work-conserving.
 */

#include <sched/tree.h>

/* Classes declare their starvation limits for so many. Time in which there are more does not count.
 */
#define STARVATION_ENTITIES_MAX 100

static bool is_empty(const struct sched_queue *q)
{
    return q->nr_waiting == 0 && q->running == NULL;
}

bool tree_is_on_running_path(const struct sched_queue *q)
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

/* `e` is about to be enqueued: it is away or running, and is waiting then. */
static void make_waiting(struct sched_queue *q, struct sched_entity *e)
{
    q->nr_waiting++;
    e->waits_since_ns = q->granted_ns;
}

static void make_away(struct sched_entity *e)
{
    list_remove(&e->present_link);
    e->is_present = false;
}

static void make_running(struct sched_queue *q, struct sched_entity *e)
{
    q->nr_waiting--;
    q->running = e;
}

void tree_arrive(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                 uint64_t now_ns)
{
    if (unlikely(e->class != q->class)) {
        join(q, e, now_ns);
        why = SCHED_ENQUEUE_NEW;
    }
    list_push_back(&q->present, &e->present_link);
    e->is_present = true;
    make_waiting(q, e);
    q->class->enqueue(q, e, why, now_ns);
}

/* `e`, which is running, is put back. */
static void put_back(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                     uint64_t now_ns)
{
    q->running = NULL;
    q->is_preempted = false;
    make_waiting(q, e);
    q->class->enqueue(q, e, why, now_ns);
}

void sched_queue_init(struct sched_queue *q, const struct sched_class *class,
                      struct sched_entity *self, void *state, uint64_t now_ns)
{
    *q = (struct sched_queue){.class = class, .self = self, .state = state};
    list_init(&q->present);
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
static RARELY_CALLED void throttle(struct sched_queue *root, struct sched_queue *q, uint64_t now_ns)
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
static RARELY_CALLED void end_throttling(struct sched_queue *root, uint64_t now_ns)
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

/* ---- Coming and going ------------------------------------------------------------------------ */

void tree_dequeue(struct sched_entity *leaf, enum sched_dequeue why, uint64_t now_ns)
{
    for (struct sched_entity *e = leaf; e != NULL; e = e->queue->self) {
        struct sched_queue *q = e->queue;

        /* A group that leaves as a whole leaves with nobody running in it. */
        if (unlikely(e->group != NULL && e->group->running != NULL))
            put_back(e->group, e->group->running, SCHED_ENQUEUE_PREEMPTED, now_ns);
        q->class->dequeue(q, e, why, now_ns);
        make_away(e);
        if (q->running == e) {
            q->running = NULL;
            q->is_preempted = false;
        } else {
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

/* ---- The running path ------------------------------------------------------------------------ */

/* The queue below `q` on the running path; NULL: `q` has the leaf, or nothing runs. */
static struct sched_queue *next_on_path(const struct sched_queue *q)
{
    return q->running != NULL ? q->running->group : NULL;
}

/* Whether nobody is to take over from the running entity of `q`, however long it runs. */
static bool has_no_rival(const struct sched_queue *q)
{
    return q->nr_waiting == 0 && q->class->is_work_conserving;
}

/*
 * Whoever is alone at the root competes with nobody: the root may as well stand still, and nothing
 * is to be decided there.
 */
static bool is_root_of_one(const struct sched_queue *q)
{
    return q->self == NULL && q->nr_waiting == 0;
}

/* Whether `q` is the root, or the only queue that competes there. */
static bool is_right_below(const struct sched_queue *q, const struct sched_queue *root)
{
    return q == root || (q->self->queue == root && root->nr_waiting == 0);
}

static void grant(struct sched_queue *q, uint64_t granted_ns)
{
    q->granted_ns += granted_ns;
    if (unlikely(q->nr_waiting >= STARVATION_ENTITIES_MAX))
        q->watched_since_ns = q->granted_ns;
}

static void charge_level(struct sched_queue *q, struct sched_entity *e, struct tree_time time)
{
    grant(q, time.granted_ns);
    if (q->class->charge != NULL)
        q->class->charge(q, e, time.ran_ns, time.now_ns);
}

void tree_charge(struct sched_entity *leaf, struct tree_time time)
{
    struct sched_queue *q = leaf->queue;

    if (unlikely(q->running != leaf))
        return;
    charge_level(q, leaf, time);
    while (q->self != NULL && !is_root_of_one(q->self->queue)) {
        charge_level(q->self->queue, q->self, time);
        q = q->self->queue;
    }
}

/* The time until an event that may be over or never come. */
static uint64_t time_until(uint64_t event_ns, uint64_t now_ns)
{
    if (event_ns == SCHED_TIME_NEVER)
        return SCHED_TIME_NEVER;
    return event_ns > now_ns ? event_ns - now_ns : 0;
}

/* `e` is running in `q`. */
static uint64_t slice_of(const struct sched_queue *q, const struct sched_entity *e, uint64_t now_ns)
{
    uint64_t slice_ns = SCHED_TIME_NEVER;

    if (has_no_rival(q))
        return SCHED_TIME_NEVER;
    if (q->class->slice_ns != NULL)
        slice_ns = q->class->slice_ns(q, e, now_ns);
    if (q->class->next_event_ns != NULL)
        slice_ns = MIN(slice_ns, time_until(q->class->next_event_ns(q, now_ns), now_ns));
    return slice_ns;
}

/* `e` has come to `q`, where somebody runs. What that leaves the running path: see tree_enqueue().
 */
static uint64_t make_way(struct sched_queue *q, struct sched_entity *e, uint64_t now_ns)
{
    if (q->class->preempts != NULL && q->class->preempts(q, e, q->running, now_ns))
        q->is_preempted = true;
    if (!tree_is_on_running_path(q))
        return SCHED_TIME_NEVER;
    return q->is_preempted ? 0 : slice_of(q, q->running, now_ns);
}

uint64_t tree_enqueue(struct sched_entity *leaf, enum sched_enqueue why, uint64_t now_ns)
{
    struct sched_entity *e = leaf;

    for (;;) {
        struct sched_queue *q = e->queue;

        tree_arrive(q, e, why, now_ns);
        if (q->running != NULL)
            return make_way(q, e, now_ns);
        if (q->self == NULL || q->self->is_present)
            return SCHED_TIME_NEVER;
        if (is_throttled(q))
            list_remove(&q->throttled_link);
        e = q->self;
        why = SCHED_ENQUEUE_WAKE;
    }
}

uint64_t tree_slice_ns(const struct sched_queue *root, uint64_t now_ns)
{
    uint64_t slice_ns = time_until(tree_next_event_ns(root, now_ns), now_ns);

    for (const struct sched_queue *q = root; q != NULL && q->running != NULL; q = next_on_path(q))
        slice_ns = MIN(slice_ns,
                       q->is_preempted && !has_no_rival(q) ? 0 : slice_of(q, q->running, now_ns));
    return slice_ns;
}

/* Who is running in `q`, after a pick if need be; NULL: it is empty or throttles. */
static struct sched_entity *fill(struct sched_queue *q, uint64_t now_ns)
{
    struct sched_entity *e = q->running;

    if (unlikely(q->is_preempted))
        put_back(q, e, SCHED_ENQUEUE_PREEMPTED, now_ns);
    else if (e != NULL)
        return e;
    if (q->nr_waiting == 0)
        return NULL;
    e = q->class->pick(q, now_ns);
    if (likely(e != NULL))
        make_running(q, e);
    return e;
}

/* As tree_pick(), where the levels above `q` stay as they are; they have a slice of `least_ns`. */
static ALWAYS_INLINE struct sched_entity *pick_below(struct sched_queue *root,
                                                     struct sched_queue *q, uint64_t least_ns,
                                                     uint64_t now_ns, uint64_t *slice_ns)
{
    if (unlikely(!list_is_empty(&root->throttled))) {
        end_throttling(root, now_ns);
        least_ns = time_until(tree_next_event_ns(root, now_ns), now_ns);
        q = root;
    }
    for (;;) {
        struct sched_entity *e = fill(q, now_ns);

        if (unlikely(e == NULL)) {
            if (q->nr_waiting == 0)
                return NULL;
            throttle(root, q, now_ns);
            least_ns = time_until(tree_next_event_ns(root, now_ns), now_ns);
            q = root;
            continue;
        }
        least_ns = MIN(least_ns, slice_of(q, e, now_ns));
        if (e->group == NULL) {
            *slice_ns = least_ns;
            return e;
        }
        q = e->group;
    }
}

struct sched_entity *tree_pick(struct sched_queue *root, uint64_t now_ns, uint64_t *slice_ns)
{
    return pick_below(root, root, SCHED_TIME_NEVER, now_ns, slice_ns);
}

/* Puts back `e`, which is running, if it has to go. What is left of its slice; 0: it went. */
static uint64_t put_back_if_over(struct sched_queue *q, struct sched_entity *e, uint64_t now_ns)
{
    uint64_t slice_ns = slice_of(q, e, now_ns);
    bool is_over;

    if (slice_ns > 0 && !q->is_preempted)
        return slice_ns;
    is_over = q->class->slice_ns != NULL && q->class->slice_ns(q, e, now_ns) == 0;
    put_back(q, e, is_over ? SCHED_ENQUEUE_EXPIRED : SCHED_ENQUEUE_PREEMPTED, now_ns);
    return 0;
}

struct sched_entity *tree_pick_again(struct sched_queue *root, struct sched_entity *leaf,
                                     bool is_yield, struct tree_time time, uint64_t *slice_ns)
{
    struct sched_queue *q = leaf->queue, *topmost = q;
    uint64_t least_ns = SCHED_TIME_NEVER, left_ns;

    /* Its class has been replaced by one that does not keep its word. */
    if (unlikely(q->running != leaf))
        return tree_pick(root, time.now_ns, slice_ns);
    /* Up to the root: on each level somebody may have to go ... */
    charge_level(q, leaf, time);
    if (is_yield)
        put_back(q, leaf, SCHED_ENQUEUE_YIELD, time.now_ns);
    else
        put_back_if_over(q, leaf, time.now_ns);
    for (struct sched_entity *e = q->self; e != NULL; e = q->self) {
        q = e->queue;
        if (likely(is_root_of_one(q)))
            break;
        charge_level(q, e, time);
        left_ns = put_back_if_over(q, e, time.now_ns);
        least_ns = left_ns > 0 ? MIN(least_ns, left_ns) : SCHED_TIME_NEVER;
        if (left_ns == 0)
            topmost = q;
    }
    /* ... and down again, from the topmost change. */
    return pick_below(root, topmost, least_ns, time.now_ns, slice_ns);
}

bool tree_may_hand_on(const struct sched_queue *root, const struct sched_entity *leaf,
                      bool is_yield)
{
    const struct sched_queue *q = leaf->queue;

    return (is_yield ? q->class->yield : q->class->block) != NULL && q->running == leaf &&
           q->nr_waiting > 0 && is_right_below(q, root) && list_is_empty(&root->throttled);
}

struct sched_entity *tree_hand_on(struct sched_entity *leaf, bool is_yield, struct tree_time time,
                                  uint64_t *slice_ns)
{
    struct sched_queue *q = leaf->queue;
    struct sched_entity *next;

    grant(q, time.granted_ns);
    q->is_preempted = false;
    if (is_yield) {
        leaf->waits_since_ns = q->granted_ns;
        next = q->class->yield(q, leaf, time.ran_ns, time.now_ns, slice_ns);
    } else {
        make_away(leaf);
        next = q->class->block(q, leaf, time.ran_ns, time.now_ns, slice_ns);
        if (--q->nr_waiting == 0)
            *slice_ns = SCHED_TIME_NEVER;
    }
    q->running = next;
    if (unlikely(next == NULL))
        q->nr_waiting++;
    return likely(next != NULL && next->group == NULL) ? next : NULL;
}
