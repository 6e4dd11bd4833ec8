/*
 * Timers (the theory is in timer.h).
 *
 * `armed_ns` is what the hardware will do. Reprogramming it costs more than an interrupt too many
 * now and then, so it is only ever pulled nearer: a deadline that has become obsolete fires once,
 * finds nothing to do, and the next one is programmed then.
 */

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/percpu.h>
#include <kernel/clock.h>
#include <kernel/spinlock.h>
#include <sched/timer.h>
#include <sched/runqueue_impl.h>

struct timer_queue {
    struct spinlock lock;
    struct rb_tree tree;   /* lock: by deadline */
    struct timer *running; /* lock: whose function this CPU is calling; NULL: none */
};

static PERCPU(struct timer_queue, timer_queue);
static PERCPU(uint64_t, armed_ns); /* UINT64_MAX: not armed */

static bool timer_before(const struct rb_node *a, const struct rb_node *b)
{
    return rb_entry(a, struct timer, node)->deadline_ns <
           rb_entry(b, struct timer, node)->deadline_ns;
}

void timer_init_cpu(void)
{
    struct timer_queue *tq = this_cpu_ptr(timer_queue);

    spin_init(&tq->lock, "timers", LOCK_RANK_TIMER);
    rb_init(&tq->tree);
    this_cpu_write(armed_ns, UINT64_MAX);
}

void timer_want(uint64_t deadline_ns)
{
    if (unlikely(deadline_ns < this_cpu_read(armed_ns))) {
        this_cpu_write(armed_ns, deadline_ns);
        irq_arm_timer(deadline_ns);
    }
}

void timer_start(struct timer *timer, uint64_t deadline_ns, timer_fn fn)
{
    struct timer_queue *tq = this_cpu_ptr(timer_queue);

    timer->deadline_ns = deadline_ns;
    timer->fn = fn;
    timer->cpu = cpu_id();
    spin_lock(&tq->lock);
    timer->is_armed = true;
    rb_insert(&tq->tree, &timer->node, timer_before);
    spin_unlock(&tq->lock);
    timer_want(deadline_ns);
}

void timer_cancel(struct timer *timer)
{
    struct timer_queue *tq = cpu_ptr(timer_queue, timer->cpu);
    bool is_running;

    do {
        irq_state_t irq = spin_lock_irq(&tq->lock);

        if (timer->is_armed) {
            timer->is_armed = false;
            rb_remove(&tq->tree, &timer->node);
        }
        is_running = tq->running == timer;
        spin_unlock_irq(&tq->lock, irq);
        if (is_running)
            cpu_relax();
    } while (is_running);
}

/* Runs what is due by now, and not what becomes due meanwhile; returns the next deadline. */
static uint64_t run_due(struct timer_queue *tq)
{
    uint64_t now_ns = clock_now_ns(), next_ns = UINT64_MAX;
    struct rb_node *node;

    spin_lock(&tq->lock);
    while ((node = rb_first(&tq->tree)) != NULL) {
        struct timer *timer = rb_entry(node, struct timer, node);

        if (timer->deadline_ns > now_ns) {
            next_ns = timer->deadline_ns;
            break;
        }
        timer->is_armed = false;
        rb_remove(&tq->tree, node);
        tq->running = timer;
        spin_unlock(&tq->lock);
        timer->fn(timer);
        spin_lock(&tq->lock);
        tq->running = NULL;
    }
    spin_unlock(&tq->lock);
    return next_ns;
}

void irq_timer_fired(void)
{
    struct timer_queue *tq = this_cpu_ptr(timer_queue);
    uint64_t next_ns;

    this_cpu_write(armed_ns, UINT64_MAX);
    next_ns = run_due(tq);
    sched_tick();
    timer_want(next_ns);
}
