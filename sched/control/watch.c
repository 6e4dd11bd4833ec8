/*
 * What the trace tells of scheduling decisions.
 *
 * A class is pure and records nothing. So its decisions are seen from outside: whenever a CPU
 * chooses whom to run, the class and the level of whom it leaves and of whom it takes are compared
 * with those of the last time. A level that has become greater is a demotion, one that has become
 * smaller is a boost. What happens to an LWP while it waits is therefore recorded when it next
 * runs. Every change counts from the moment on when the trace was last switched: what was before is
 * not known.
 */

#include <kernel/string.h>

#include <sched/runqueue_impl.h>

_Static_assert(THRUM_WAKE_EVENT == WAKE_EVENT && THRUM_WAKE_TIMEOUT == WAKE_TIMEOUT &&
                   THRUM_WAKE_INTERRUPT == WAKE_INTERRUPT,
               "the reasons of the ABI");

/* Why the current LWP leaves the CPU: its time has been charged, and it has its new state. */
static unsigned leave_reason(const struct runqueue *rq, uint64_t now_ns)
{
    if (rq->current == &rq->idle)
        return THRUM_SWITCH_IDLE;
    if (rq->current->state == LWP_BLOCKED)
        return THRUM_SWITCH_BLOCKED;
    if (rq->current->state == LWP_ZOMBIE)
        return THRUM_SWITCH_EXIT;
    if (rq->is_yield)
        return THRUM_SWITCH_YIELD;
    return now_ns >= rq->slice_end_ns ? THRUM_SWITCH_SLICE : THRUM_SWITCH_PREEMPTED;
}

/* The level of an entity, or of the innermost group around it that has one; -1: none has. */
static int level_of(const struct sched_entity *e)
{
    for (; e != NULL && e->queue != NULL; e = e->queue->self) {
        const struct sched_class *class = e->queue->class;

        if (class->level != NULL && e->class == class)
            return class->level(e->queue, e);
    }
    return -1;
}

static void record_class(const struct lwp *lwp, const struct sched_class *class)
{
    uint64_t name[2] = {0};

    _Static_assert(SCHED_NAME_MAX <= sizeof(name), "a class's name fits into two arguments");
    strlcpy((char *)name, class->name, sizeof(name));
    trace_event(THRUM_TRACE_CLASS, lwp->trace_id, name[0], name[1], 0);
}

static void watch(struct lwp *lwp)
{
    const struct sched_queue *q = lwp->own.entity.queue;
    struct watched *old = &lwp->watched;
    struct watched now = {
        .class = q != NULL ? q->class : NULL,
        .level = level_of(&lwp->own.entity),
        .generation = trace_generation(),
    };

    if (old->generation == now.generation) {
        if (now.class != NULL && now.class != old->class)
            record_class(lwp, now.class);
        else if (now.level > old->level)
            trace_event(THRUM_TRACE_LEVEL, lwp->trace_id, old->level, now.level, 0);
        else if (now.level < old->level)
            trace_event(THRUM_TRACE_BOOST, lwp->trace_id, old->level, now.level, 0);
    }
    *old = now;
}

void watch_run_next(struct runqueue *rq, struct lwp *next, uint64_t now_ns)
{
    if (rq->current != &rq->idle && rq->current->state != LWP_ZOMBIE)
        watch(rq->current);
    if (next != rq->current)
        trace_event(THRUM_TRACE_SWITCH, rq->current->trace_id, next->trace_id,
                    leave_reason(rq, now_ns), 0);
    if (next->last_cpu != rq->cpu)
        trace_event(THRUM_TRACE_MIGRATE, next->trace_id, next->last_cpu, rq->cpu, 0);
    if (next != &rq->idle && next != rq->current)
        watch(next);
}
