/* See sched_driver.h. The comments of sched/class.h say why each call is made as it is. */

#include "sched_driver.h"

uint64_t driver_now_ns;
static bool fields_change_first;

void driver_reset(uint64_t seed)
{
    driver_now_ns = 1000000 + seed * 12345677;
    fields_change_first = seed % 2 == 0;
}

const struct sched_class *driver_class(const char *name)
{
    const struct sched_class *const *class;

    for (class = __start_sched_classes; class < __stop_sched_classes; class ++)
        if (strcmp((*class)->name, name) == 0)
            return *class;
    fail_msg("no class %s", name);
    return NULL;
}

static struct driver_entity *driver_of(struct sched_entity *e)
{
    return (struct driver_entity *)e;
}

/* The class owns the first entity_bytes of the state and nothing behind them. */
static void check_state_bytes(const struct sched_class *class, const struct sched_entity *e)
{
    for (size_t i = class->entity_bytes; i < SCHED_ENTITY_STATE_BYTES; i++)
        assert_int_equal(e->state[i], 0);
}

static void check_queue(const struct driver_queue *dq)
{
    const struct sched_entity *e;
    uint32_t nr_present = 0;

    list_for_each_entry (e, &dq->q.present, present_link) {
        assert_ptr_equal(e->queue, &dq->q);
        check_state_bytes(dq->q.class, e);
        nr_present++;
    }
    assert_int_equal(nr_present, dq->q.nr_waiting + (dq->q.running != NULL));
}

struct driver_queue *driver_queue_new(const struct sched_class *class)
{
    struct driver_queue *dq = calloc(1, sizeof(*dq));

    dq->q.class = class;
    list_init(&dq->q.present);
    for (unsigned i = 0; i < class->nr_tunables; i++)
        dq->q.tunable[i] = class->tunables[i].initial;
    dq->q.state = calloc(1, class->queue_bytes);
    if (class->queue_init)
        class->queue_init(&dq->q, driver_now_ns);
    return dq;
}

/* When something may happen to the queue by the passing of time alone. */
static uint64_t next_event_ns(const struct sched_queue *q)
{
    return q->class->next_event_ns ? q->class->next_event_ns(q, driver_now_ns) : SCHED_TIME_NEVER;
}

/* Time passes while all of the queue are throttled, but no more than max_ns; answers how much. */
static uint64_t sleep_while_throttled(struct driver_queue *dq, uint64_t max_ns)
{
    uint64_t ns = 0;

    while (ns < max_ns && !dq->q.running && dq->q.nr_waiting > 0) {
        uint64_t piece_ns = MIN(max_ns - ns, next_event_ns(&dq->q) - driver_now_ns);

        driver_now_ns += piece_ns;
        ns += piece_ns;
        driver_pick(dq);
    }
    return ns;
}

void driver_queue_end(struct driver_queue *dq)
{
    uint32_t nr_left = dq->q.nr_waiting;

    if (dq->q.running)
        driver_exit(dq);
    for (; nr_left > 0; nr_left--) {
        if (!driver_pick(dq))
            sleep_while_throttled(dq, SCHED_TIME_NEVER);
        driver_exit(dq);
    }
    assert_null(dq->q.class->pick(&dq->q, driver_now_ns));
    assert_true(list_is_empty(&dq->q.present));
    free(dq->q.state);
    free(dq);
}

static void retuned(struct driver_queue *dq)
{
    if (dq->q.class->retuned)
        dq->q.class->retuned(&dq->q, driver_now_ns);
    check_queue(dq);
}

void driver_tune(struct driver_queue *dq, const char *name, uint64_t value)
{
    const struct sched_class *class = dq->q.class;

    for (unsigned i = 0; i < class->nr_tunables; i++) {
        if (strcmp(class->tunables[i].name, name) != 0)
            continue;
        assert_in_range(value, class->tunables[i].min, class->tunables[i].max);
        dq->q.tunable[i] = value;
        retuned(dq);
        return;
    }
    fail_msg("no tunable %s", name);
}

void driver_use_preset(struct driver_queue *dq, const char *name)
{
    const struct sched_preset *preset = dq->q.class->presets;

    while (preset->name && strcmp(preset->name, name) != 0)
        preset++;
    assert_non_null(preset->name);
    memcpy(dq->q.tunable, preset->value, sizeof(dq->q.tunable));
    retuned(dq);
}

/* The core's fields, when `e` becomes waiting. */
static void become_waiting(struct sched_queue *q, struct sched_entity *e)
{
    if (q->running == e)
        q->running = NULL;
    if (!e->is_present)
        list_push_back(&q->present, &e->present_link);
    q->nr_waiting++;
    e->is_present = true;
    driver_of(e)->place = DRIVER_WAITING;
    driver_of(e)->waiting_since_ns = driver_now_ns;
}

/* The core's fields, when `e` goes away or becomes running. */
static void stop_waiting(struct sched_queue *q, struct sched_entity *e)
{
    struct driver_entity *de = driver_of(e);

    q->nr_waiting--;
    de->longest_wait_ns = MAX(de->longest_wait_ns, driver_now_ns - de->waiting_since_ns);
}

static void enqueue(struct driver_queue *dq, struct sched_entity *e, enum sched_enqueue why)
{
    struct sched_queue *q = &dq->q;

    if (fields_change_first)
        become_waiting(q, e);
    q->class->enqueue(q, e, why, driver_now_ns);
    if (!fields_change_first)
        become_waiting(q, e);
    check_queue(dq);
}

static void dequeue(struct driver_queue *dq, struct sched_entity *e, enum sched_dequeue why)
{
    struct sched_queue *q = &dq->q;

    q->class->dequeue(q, e, why, driver_now_ns);
    if (q->running == e)
        q->running = NULL;
    else
        stop_waiting(q, e);
    list_remove(&e->present_link);
    e->is_present = false;
    driver_of(e)->place = DRIVER_AWAY;
    driver_of(e)->epoch++;
    check_queue(dq);
}

/* `e` comes from away: it may take the CPU. */
static void arrive(struct driver_queue *dq, struct sched_entity *e, enum sched_enqueue why)
{
    driver_of(e)->epoch++;
    enqueue(dq, e, why);
    if (dq->q.running && driver_preempts(driver_of(e))) {
        driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
        driver_pick(dq);
    }
}

struct driver_entity *driver_spawn_params(struct driver_queue *dq,
                                          const struct sched_params *params)
{
    struct driver_entity *de = calloc(1, sizeof(*de));

    de->entity.queue = &dq->q;
    de->entity.params = *params;
    list_node_init(&de->entity.present_link);
    if (dq->q.class->join)
        dq->q.class->join(&dq->q, &de->entity, driver_now_ns);
    arrive(dq, &de->entity, SCHED_ENQUEUE_NEW);
    return de;
}

struct driver_entity *driver_spawn_tickets(struct driver_queue *dq, uint32_t tickets)
{
    return driver_spawn_params(dq, &(struct sched_params){.tickets = tickets});
}

struct driver_entity *driver_spawn(struct driver_queue *dq)
{
    return driver_spawn_tickets(dq, SCHED_TICKETS_DEFAULT);
}

static struct driver_queue *home_of(const struct driver_entity *de)
{
    return container_of(de->entity.queue, struct driver_queue, q);
}

void driver_wake(struct driver_entity *de)
{
    assert_int_equal(de->place, DRIVER_AWAY);
    arrive(home_of(de), &de->entity, SCHED_ENQUEUE_WAKE);
}

void driver_move(struct driver_entity *de, struct driver_queue *to)
{
    assert_int_not_equal(de->place, DRIVER_AWAY);
    dequeue(home_of(de), &de->entity, SCHED_DEQUEUE_MOVED_OUT);
    de->entity.queue = &to->q;
    arrive(to, &de->entity, SCHED_ENQUEUE_MOVED_IN);
}

void driver_set_params(struct driver_entity *de, const struct sched_params *params)
{
    struct driver_queue *dq = home_of(de);
    struct sched_params old = de->entity.params;

    de->entity.params = *params;
    de->epoch++;
    if (de->place != DRIVER_AWAY && dq->q.class->params_changed)
        dq->q.class->params_changed(&dq->q, &de->entity, &old, driver_now_ns);
    check_queue(dq);
}

void driver_set_tickets(struct driver_entity *de, uint32_t tickets)
{
    struct sched_params params = de->entity.params;

    params.tickets = tickets;
    driver_set_params(de, &params);
}

void driver_block(struct driver_queue *dq)
{
    dequeue(dq, dq->q.running, SCHED_DEQUEUE_BLOCKED);
}

void driver_exit(struct driver_queue *dq)
{
    struct sched_entity *e = dq->q.running;

    dequeue(dq, e, SCHED_DEQUEUE_EXITED);
    free(driver_of(e));
}

void driver_put_back(struct driver_queue *dq, enum sched_enqueue why)
{
    if (why == SCHED_ENQUEUE_YIELD)
        driver_running(dq)->epoch++;
    enqueue(dq, dq->q.running, why);
}

struct driver_entity *driver_pick(struct driver_queue *dq)
{
    struct sched_queue *q = &dq->q;
    struct sched_entity *e;

    assert_null(q->running);
    e = q->class->pick(q, driver_now_ns);
    if (!e) {
        if (q->nr_waiting > 0) {
            assert_false(q->class->is_work_conserving);
            assert_int_not_equal(next_event_ns(q), SCHED_TIME_NEVER);
            assert_true(next_event_ns(q) > driver_now_ns);
        }
        return NULL;
    }
    assert_ptr_equal(e->queue, q);
    assert_int_equal(driver_of(e)->place, DRIVER_WAITING);
    stop_waiting(q, e);
    q->running = e;
    driver_of(e)->place = DRIVER_RUNNING;
    check_queue(dq);
    return driver_of(e);
}

struct driver_entity *driver_running(const struct driver_queue *dq)
{
    return dq->q.running ? driver_of(dq->q.running) : NULL;
}

uint64_t driver_slice_ns(const struct driver_queue *dq)
{
    const struct sched_queue *q = &dq->q;
    uint64_t slice_ns = SCHED_TIME_NEVER, event_ns;

    if (q->nr_waiting == 0 && q->class->is_work_conserving)
        return SCHED_TIME_NEVER;
    if (q->class->slice_ns)
        slice_ns = q->class->slice_ns(q, q->running, driver_now_ns);
    event_ns = next_event_ns(q);
    if (event_ns != SCHED_TIME_NEVER)
        slice_ns = MIN(slice_ns, event_ns > driver_now_ns ? event_ns - driver_now_ns : 0);
    return slice_ns;
}

void driver_charge(struct driver_queue *dq, uint64_t ran_ns)
{
    driver_now_ns += ran_ns;
    driver_running(dq)->ran_ns += ran_ns;
    if (dq->q.class->charge)
        dq->q.class->charge(&dq->q, dq->q.running, ran_ns, driver_now_ns);
}

void driver_decide(struct driver_queue *dq)
{
    const struct sched_queue *q = &dq->q;

    if (q->running && driver_slice_ns(dq) == 0) {
        bool is_slice_over =
            q->class->slice_ns && q->class->slice_ns(q, q->running, driver_now_ns) == 0;

        driver_put_back(dq, is_slice_over ? SCHED_ENQUEUE_EXPIRED : SCHED_ENQUEUE_PREEMPTED);
    }
    if (!q->running)
        driver_pick(dq);
}

void driver_run_for(struct driver_queue *dq, uint64_t ns)
{
    driver_decide(dq);
    for (;;) {
        uint64_t piece_ns;

        ns -= sleep_while_throttled(dq, ns);
        if (ns == 0 || !dq->q.running)
            break;
        piece_ns = MIN(ns, driver_slice_ns(dq));
        assert_true(piece_ns > 0);
        driver_charge(dq, piece_ns);
        driver_decide(dq);
        ns -= piece_ns;
    }
    driver_now_ns += ns;
}

struct driver_entity *driver_run_slice(struct driver_queue *dq)
{
    struct driver_entity *de;
    uint64_t slice_ns;

    driver_decide(dq);
    de = driver_running(dq);
    slice_ns = driver_slice_ns(dq);
    assert_int_not_equal(slice_ns, SCHED_TIME_NEVER);
    driver_run_for(dq, slice_ns);
    return de;
}

bool driver_preempts(const struct driver_entity *woken)
{
    const struct sched_queue *q = woken->entity.queue;

    return q->class->preempts && q->class->preempts(q, &woken->entity, q->running, driver_now_ns);
}

int driver_level(const struct driver_entity *de)
{
    const struct sched_queue *q = de->entity.queue;

    return q->class->level ? q->class->level(q, &de->entity) : -1;
}

void driver_sleep(uint64_t ns)
{
    driver_now_ns += ns;
}

/* Mostly within the slice, often exactly to its end, and for long when nobody waits. */
static void random_run(struct driver_queue *dq, struct rng *rng)
{
    uint64_t slice_ns;

    driver_decide(dq);
    if (!dq->q.running)
        return;
    slice_ns = driver_slice_ns(dq);
    if (slice_ns == SCHED_TIME_NEVER)
        driver_charge(dq, rng_below(rng, rng_one_in(rng, 20) ? 3600 * NSEC_PER_SEC : 50000000));
    else
        driver_charge(dq, rng_one_in(rng, 2) ? slice_ns : rng_between(rng, 0, slice_ns));
}

static void random_retune(struct driver_queue *dq, struct rng *rng)
{
    const struct sched_tunable *tunable;

    if (dq->q.class->nr_tunables == 0)
        return;
    tunable = &dq->q.class->tunables[rng_below(rng, dq->q.class->nr_tunables)];
    if (rng_one_in(rng, 3))
        driver_tune(dq, tunable->name, tunable->initial);
    else
        driver_tune(dq, tunable->name,
                    rng_between(rng, tunable->min, MIN(tunable->max, 4 * tunable->initial)));
}

static uint32_t random_tickets(struct rng *rng)
{
    static const uint32_t tickets[] = {1, 2, 3, 7, 100, 100, 100, 1000, 8000, 10000};

    return tickets[rng_below(rng, ARRAY_LEN(tickets))];
}

/* Few different priorities, so that there are equals. */
static void random_priority(struct sched_params *params, struct rng *rng)
{
    params->nice = (int8_t)((int)rng_below(rng, 40) - 20);
    if (rng_one_in(rng, 2))
        params->priority = (uint8_t)(rng_below(rng, 4) * 21);
    else
        params->boost_priority = (uint8_t)(rng_below(rng, 4) * 21);
}

/* Mostly promises that make sense; none, and some that do not. */
static void random_promise(struct sched_params *params, struct rng *rng)
{
    params->runtime_ns = rng_one_in(rng, 4) ? 0 : rng_between(rng, 1, 20) * NSEC_PER_MSEC;
    params->deadline_ns = params->runtime_ns * rng_between(rng, 1, 5);
    params->period_ns = params->deadline_ns * rng_between(rng, 1, 3);
    if (rng_one_in(rng, 20))
        params->period_ns = 0;
}

static struct sched_params random_params(const struct driver_random *random,
                                         const struct driver_entity *de, struct rng *rng)
{
    struct sched_params params = de ? de->entity.params : (struct sched_params){.tickets = 0};

    params.tickets = random_tickets(rng);
    if (random->varies_priorities)
        random_priority(&params, rng);
    if (random->varies_promises)
        random_promise(&params, rng);
    return params;
}

static void random_step(const struct driver_random *random, struct driver_queue *queues[2],
                        struct driver_entity **slot, struct rng *rng)
{
    struct driver_queue *dq = queues[rng_below(rng, 2)];
    struct driver_entity *running = driver_running(dq);
    struct driver_entity *de = *slot;
    struct sched_params params;

    switch (rng_below(rng, 16)) {
    case 0:
    case 1:
        if (!de) {
            params = random_params(random, NULL, rng);
            *slot = driver_spawn_params(dq, &params);
        }
        break;
    case 2:
    case 3:
    case 4:
        /* Where it slept, or on the other CPU. */
        if (de && de->place == DRIVER_AWAY) {
            de->entity.queue = &dq->q;
            driver_wake(de);
        }
        break;
    case 5:
        if (de && de->place != DRIVER_AWAY)
            driver_move(de, home_of(de) == queues[0] ? queues[1] : queues[0]);
        break;
    case 6:
        if (de) {
            params = random_params(random, de, rng);
            driver_set_params(de, &params);
        }
        break;
    case 7:
        if (random->retunes)
            random_retune(dq, rng);
        break;
    case 8:
    case 9:
        if (running)
            driver_block(dq);
        break;
    case 10:
        if (running && running == de) {
            *slot = NULL;
            driver_exit(dq);
        }
        break;
    case 11:
        if (running)
            driver_put_back(dq, SCHED_ENQUEUE_YIELD);
        break;
    case 12:
        if (running)
            driver_put_back(dq, SCHED_ENQUEUE_PREEMPTED);
        break;
    case 13:
        driver_sleep(rng_below(rng, 300 * NSEC_PER_MSEC));
        break;
    default:
        random_run(dq, rng);
    }
}

/* Sleepers wake, so that ending the queues ends everybody. */
static void end_all(struct driver_queue *queues[2], struct driver_entity *slots[DRIVER_SLOTS])
{
    for (unsigned i = 0; i < DRIVER_SLOTS; i++)
        if (slots[i] && slots[i]->place == DRIVER_AWAY)
            driver_wake(slots[i]);
    driver_queue_end(queues[0]);
    driver_queue_end(queues[1]);
}

void driver_random(const struct driver_random *random)
{
    struct rng rng = {random->seed};
    struct driver_entity *slots[DRIVER_SLOTS] = {NULL};
    struct driver_queue *queues[2];

    driver_reset(random->seed);
    for (int i = 0; i < 2; i++)
        queues[i] = driver_queue_new(random->class);
    for (unsigned step = 0; step < random->nr_steps; step++) {
        unsigned slot = (unsigned)rng_below(&rng, DRIVER_SLOTS);

        random_step(random, queues, &slots[slot], &rng);
        if (slots[slot])
            slots[slot]->slot = slot;
        if (random->after_step)
            random->after_step(slots, random->context);
    }
    end_all(queues, slots);
}

void driver_check_tables(const struct sched_class *class)
{
    const struct sched_preset *preset;

    assert_in_range(strlen(class->name), 1, SCHED_NAME_MAX - 1);
    assert_true(class->entity_bytes <= SCHED_ENTITY_STATE_BYTES);
    assert_true(class->nr_tunables <= SCHED_TUNABLES_MAX);
    for (unsigned i = 0; i < class->nr_tunables; i++) {
        const struct sched_tunable *t = &class->tunables[i];

        assert_non_null(t->name);
        assert_non_null(t->help);
        assert_in_range(t->initial, t->min, t->max);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(t->name, class->tunables[j].name);
    }
    for (preset = class->presets; preset && preset->name; preset++)
        for (unsigned i = 0; i < class->nr_tunables; i++)
            assert_in_range(preset->value[i], class->tunables[i].min, class->tunables[i].max);
}
