/*
 * The scheduler's mechanism: who has a CPU, who waits for one, who waits for something else.
 *
 * Every CPU has a run queue: a tree of queues (tree.h) under one lock, whose root is a stride
 * queue. The root's entities are the default group, in which LWPs live unless they asked for
 * something else, and the LWPs with a guaranteed share. A CPU with nothing to run runs its idle
 * LWP, which is in no queue.
 *
 * Switching. schedule() puts the running LWP back or takes it out, picks, and switches, all under
 * the run queue's lock. The lock is held across the switch and released by whoever runs next
 * (finish_switch()), so no other CPU can see, wake or move an LWP that has not wholly left its
 * stack. An LWP that ends is handed to lwp_ops.exited() there, and one that is to go to another CPU
 * is put into that CPU's queue there.
 *
 * Preemption. `need_resched` is a flag per CPU. Whoever enqueues something that should run at once
 * sets it; it is looked at when an interrupt returns and before user mode is entered. Spinlocks are
 * held with interrupts off, so whatever an interrupt hits may be preempted.
 *
 * Time is charged when something is about to change: at a switch, a tick, an enqueue. A running LWP
 * that nobody waits behind has no end of slice, and the timer is not armed for it.
 *
 * Placement is balance.c's: a woken LWP goes back to its CPU if that is idle or no other is, else
 * to an idle one; a new LWP to an idle CPU or the one with the least to do; and a CPU that is about
 * to idle first takes a waiting LWP from another.
 */

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/percpu.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <sched/runqueue_impl.h>

PERCPU(struct runqueue, runqueue);
PERCPU(unsigned, need_resched);
PERCPU(struct lwp *, current_lwp);

/* ---- Asking a CPU to look again -----------------------------------------------------------------
 */

void rq_kick(unsigned cpu)
{
    __atomic_store_n(cpu_ptr(need_resched, cpu), 1, __ATOMIC_RELEASE);
    if (cpu == cpu_id())
        this_cpu_write(return_work, 1);
    else
        irq_send_ipi(cpu, IPI_RESCHEDULE);
}

/* ---- Time ---------------------------------------------------------------------------------------
 */

/* Charges the current LWP for its time up to now; returns now. The lock is held. */
uint64_t rq_charge(struct runqueue *rq)
{
    /* Clocks of two CPUs that are not quite in step must not make time run backwards. */
    uint64_t now = clock_now_ns(), now_ns = MAX(now, rq->charged_until_ns);
    uint64_t ran_ns = now_ns - rq->charged_until_ns;
    uint64_t late_ns = now_ns > rq->slice_end_ns ? MIN(ran_ns, now_ns - rq->slice_end_ns) : 0;

    rq->charged_until_ns = now_ns;
    rq->current->run_ns += ran_ns;
    if (rq->current != &rq->idle)
        tree_charge(&rq->root, ran_ns, late_ns, now_ns);
    return now_ns;
}

/* When somebody has to look at the current slice; SCHED_TIME_NEVER: not at all. The lock is held.
 */
static uint64_t find_slice_end(const struct runqueue *rq, uint64_t now_ns)
{
    uint64_t slice_ns = tree_slice_ns(&rq->root, now_ns);

    return slice_ns == SCHED_TIME_NEVER ? SCHED_TIME_NEVER : now_ns + slice_ns;
}

/* When to look, if the slice ends then: while LWPs wait, also for a CPU that could take one. */
static uint64_t find_look(const struct runqueue *rq, uint64_t slice_end_ns)
{
    return rq->nr_runnable > 1 ? MIN(slice_end_ns, rq->next_balance_ns) : slice_end_ns;
}

/* Arms the calling CPU's timer for the end of the current slice. The lock is held. */
static void arm_slice(struct runqueue *rq, uint64_t now_ns)
{
    rq->slice_end_ns = find_slice_end(rq, now_ns);
    rq->look_ns = find_look(rq, rq->slice_end_ns);
    timer_want(rq->look_ns);
}

void rq_changed(struct runqueue *rq, bool preempts, uint64_t now_ns)
{
    if (rq->current == &rq->idle || preempts)
        rq_kick(rq->cpu);
    else if (find_look(rq, find_slice_end(rq, now_ns)) >= rq->look_ns)
        return;
    else if (rq->cpu == cpu_id())
        arm_slice(rq, now_ns);
    else
        irq_send_ipi(rq->cpu, IPI_RESCHEDULE);
}

void sched_tick(void)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    uint64_t now_ns;

    spin_lock(&rq->lock);
    now_ns = rq_charge(rq);
    if (rq->nr_runnable > 1 && now_ns >= rq->next_balance_ns) {
        balance_push(rq, now_ns);
        group_watchdog(rq, now_ns);
    }
    if (tree_slice_ns(&rq->root, now_ns) == 0)
        rq_kick(rq->cpu);
    else
        arm_slice(rq, now_ns);
    spin_unlock(&rq->lock);
}

void sched_asked_to_look(void)
{
    this_cpu_write(return_work, 1);
    if (!this_cpu_read(need_resched))
        sched_tick();
}

/* ---- Switching ----------------------------------------------------------------------------------
 */

void rq_set_state(struct lwp *lwp, enum lwp_state state, uint64_t now_ns)
{
    if (lwp->state == LWP_READY && now_ns > lwp->since_ns)
        lwp->wait_ns += now_ns - lwp->since_ns;
    lwp->state = state;
    lwp->since_ns = now_ns;
}

/* What is left to do for the LWP that was switched away from. The lock is held, and released. */
static void finish_switch(void)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct lwp *previous = rq->previous;
    bool has_ended = previous->state == LWP_ZOMBIE;

    if (unlikely(lwp_is_sent(previous)))
        lwp_arrive(rq, previous);
    else
        spin_unlock(&rq->lock);
    if (has_ended)
        previous->ops->exited(previous);
}

void context_started(void)
{
    finish_switch();
}

static void switch_to(struct runqueue *rq, struct lwp *next)
{
    struct lwp *previous = rq->current;

    next->nr_switches++;
    rq->nr_switches++;
    if (next->last_cpu != rq->cpu) {
        next->last_cpu = rq->cpu;
        next->nr_migrations++;
    }
    rq->current = next;
    rq->previous = previous;
    this_cpu_write(current_lwp, next);
    if (next->mmu != NULL)
        mmu_switch(next->mmu);
    else
        mmu_be_lazy();
    if (atomic_load_explicit(&next->interrupt, memory_order_relaxed))
        this_cpu_write(return_work, 1);
    context_switch(&previous->context, &next->context);
    finish_switch();
}

/* The LWP that is to run; NULL: none. */
static struct lwp *pick(struct runqueue *rq, uint64_t now_ns)
{
    struct sched_entity *e = tree_pick(&rq->root, now_ns);

    while (unlikely(rq->root.broken != NULL)) {
        group_replace_broken(rq, now_ns);
        e = tree_pick(&rq->root, now_ns);
    }
    return e != NULL ? lwp_of(e) : NULL;
}

/* The LWP to run on a CPU that has none: another CPU's, or the idle LWP. */
static struct lwp *look_elsewhere(struct runqueue *rq, uint64_t now_ns)
{
    struct lwp *next = NULL;

    /* First tell wakers, then look: one that has not seen the bit has enqueued where
     * balance_pull() looks. */
    atomic_fetch_or(&idle_cpus, 1ull << rq->cpu);
    if (balance_pull(rq))
        next = pick(rq, rq->charged_until_ns);
    if (next != NULL)
        return next;
    rq->slice_end_ns = SCHED_TIME_NEVER;
    rq->look_ns = tree_next_event_ns(&rq->root, now_ns);
    if (rq->look_ns != SCHED_TIME_NEVER)
        timer_want(rq->look_ns);
    return &rq->idle;
}

/*
 * Picks who runs next and goes there. The lock is held, the time charged, and the current LWP put
 * back or taken out if it has to be; the lock is released. Returns when the caller has the CPU
 * again.
 */
static void run_next(struct runqueue *rq, uint64_t now_ns)
{
    struct lwp *next;

    this_cpu_write(need_resched, 0);
    if (unlikely(lwp_is_sent(rq->current)))
        lwp_leave_queue(rq, rq->current, now_ns);
    next = pick(rq, now_ns);
    if (next == NULL)
        next = look_elsewhere(rq, now_ns);
    if (trace_is_on(WATCH_EVENTS))
        watch_run_next(rq, next, now_ns);
    if (next != &rq->idle) {
        atomic_fetch_and(&idle_cpus, ~(1ull << rq->cpu));
        arm_slice(rq, now_ns);
    }
    rq_set_state(next, LWP_RUNNING, now_ns);
    if (next != rq->current)
        switch_to(rq, next);
    else
        spin_unlock(&rq->lock);
}

/* The current LWP stays runnable; it may or may not stay on the CPU. Interrupts are off. */
static void reschedule(bool is_yield)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    uint64_t now_ns;

    spin_lock(&rq->lock);
    rq->is_yield = is_yield;
    now_ns = rq_charge(rq);
    if (rq->current != &rq->idle) {
        tree_put_back(&rq->root, is_yield, now_ns);
        rq_set_state(rq->current, LWP_READY, now_ns);
    }
    run_next(rq, now_ns);
}

void sched_yield(void)
{
    irq_disable();
    reschedule(true);
    irq_enable();
}

void sched_preempt(void)
{
    if (this_cpu_read(need_resched))
        reschedule(false);
}

void irq_preempt(void)
{
    sched_preempt();
}

enum wake_reason sched_block(struct spinlock *guard, bool is_interruptible)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct lwp *self = rq->current;
    uint64_t now_ns;

    debug_assert(self != &rq->idle);
    spin_lock(&rq->lock);
    if (guard != NULL)
        spin_unlock(guard);
    if (is_interruptible && atomic_load(&self->interrupt)) {
        spin_unlock(&rq->lock);
        return WAKE_INTERRUPT;
    }
    now_ns = rq_charge(rq);
    rq_dequeue(rq, self, SCHED_DEQUEUE_BLOCKED, now_ns);
    self->is_interruptible = is_interruptible;
    rq_set_state(self, LWP_BLOCKED, now_ns);
    run_next(rq, now_ns);
    return self->wake_reason;
}

void sched_exit(void)
{
    struct runqueue *rq;
    struct lwp *self;
    uint64_t now_ns;

    irq_disable();
    for (;;) {
        rq = this_cpu_ptr(runqueue);
        self = rq->current;
        spin_lock(&rq->lock);
        if (!unit_has_claims(&self->own) && self->next_unit == NULL)
            break;
        spin_unlock(&rq->lock);
        lwp_settle(self);
    }
    now_ns = rq_charge(rq);
    rq_dequeue(rq, self, SCHED_DEQUEUE_EXITED, now_ns);
    if (self->unit == &self->own)
        group_leave(self->own.group);
    rq_set_state(self, LWP_ZOMBIE, now_ns);
    run_next(rq, now_ns);
    panic("sched: an LWP that has ended runs again");
}

/* ---- Waking -------------------------------------------------------------------------------------
 */

bool sched_wake(struct lwp *lwp, enum wake_reason reason)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = rq_lock_home(lwp);
    struct sched_unit *unit = lwp->unit;
    unsigned target;

    if (lwp->state != LWP_BLOCKED || (reason == WAKE_INTERRUPT && !lwp->is_interruptible)) {
        spin_unlock(&rq->lock);
        irq_restore(irq);
        return false;
    }
    lwp->wake_reason = reason;
    target = unit->entity.is_present ? rq->cpu : balance_choose_wake_cpu(unit);
    trace_event(THRUM_TRACE_WAKE, lwp->trace_id, target, reason, lwp_current()->trace_id);
    if (target == rq->cpu) {
        uint64_t now_ns = rq_charge(rq);

        rq_set_state(lwp, LWP_READY, now_ns);
        rq_enqueue(rq, lwp, SCHED_ENQUEUE_WAKE, now_ns);
        spin_unlock(&rq->lock);
    } else {
        /* READY and in no queue: until it is placed, nobody else will let it run. */
        rq_set_state(lwp, LWP_READY, clock_now_ns());
        atomic_store(&unit->cpu, target);
        spin_unlock(&rq->lock);
        rq_place(lwp, SCHED_ENQUEUE_WAKE);
    }
    irq_restore(irq);
    return true;
}

void sched_interrupt(struct lwp *lwp)
{
    irq_state_t irq;
    struct runqueue *rq;

    if (sched_wake(lwp, WAKE_INTERRUPT))
        return;
    irq = irq_save();
    rq = rq_lock_home(lwp);
    if (rq->current == lwp && rq->cpu != cpu_id())
        irq_send_ipi(rq->cpu, IPI_RESCHEDULE);
    else if (rq->current == lwp)
        this_cpu_write(return_work, 1);
    spin_unlock(&rq->lock);
    irq_restore(irq);
}

void sched_lwp_init(struct lwp *lwp, const char *name, const struct lwp_ops *ops)
{
    const struct lwp *creator = lwp_current();

    memset(lwp, 0, sizeof(*lwp));
    strlcpy(lwp->name, name, sizeof(lwp->name));
    lwp->ops = ops;
    lwp->state = LWP_NEW;
    unit_init(&lwp->own, creator->unit);
    atomic_init(&lwp->unit, &lwp->own);
    lwp->since_ns = clock_now_ns();
}

void sched_start(struct lwp *lwp)
{
    irq_state_t irq =
        spin_lock_irq(&sched_control_lock); /* it stays NEW, and of its team, or not */
    struct sched_unit *unit = &lwp->own;
    struct runqueue *rq;
    unsigned cpu;

    if (lwp->unit == unit) {
        group_enter_or_default(unit);
        cpu = balance_claim_idle_cpu(unit->affinity);
        if (cpu == LWP_CPU_NOWHERE)
            cpu = balance_least_loaded_cpu(unit->affinity);
        atomic_store(&unit->cpu, cpu);
        lwp->last_cpu = cpu;
    }
    rq = rq_lock_home(lwp);
    trace_event(THRUM_TRACE_WAKE, lwp->trace_id, rq->cpu, THRUM_WAKE_NEW, lwp_current()->trace_id);
    rq_set_state(lwp, LWP_READY, clock_now_ns());
    rq_enqueue(rq, lwp, SCHED_ENQUEUE_NEW, rq_charge(rq));
    spin_unlock(&rq->lock);
    spin_unlock_irq(&sched_control_lock, irq);
}

/* ---- Idling, sleeping, and what an LWP can ask about itself -------------------------------------
 */
void sched_idle(void)
{
    irq_disable();
    for (;;) {
        if (this_cpu_read(need_resched))
            reschedule(false);
        else
            cpu_wait_for_interrupt();
        irq_enable(); /* let others' requests in, also when there is always something to do */
        cpu_relax();  /* and their turns at our queue's lock, which balance_pull() may be after */
        irq_disable();
    }
}

int sched_level(void)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct sched_entity *e;
    int level = -1;

    spin_lock(&rq->lock);
    rq_charge(rq);
    e = &rq->current->unit->entity;
    if (e->queue->class->level != NULL)
        level = e->queue->class->level(e->queue, e);
    spin_unlock(&rq->lock);
    irq_restore(irq);
    return level;
}

uint64_t sched_run_ns(void)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = this_cpu_ptr(runqueue);
    uint64_t run_ns;

    spin_lock(&rq->lock);
    rq_charge(rq);
    run_ns = rq->current->run_ns;
    spin_unlock(&rq->lock);
    irq_restore(irq);
    return run_ns;
}

struct sleeper {
    struct timer timer;
    struct lwp *lwp;
};

static void sleep_over(struct timer *timer)
{
    sched_wake(container_of(timer, struct sleeper, timer)->lwp, WAKE_TIMEOUT);
}

int sched_sleep_until(uint64_t deadline_ns)
{
    struct sleeper self = {.lwp = lwp_current()};
    enum wake_reason reason;

    irq_disable();
    timer_start(&self.timer, deadline_ns, sleep_over);
    reason = sched_block(NULL, true);
    irq_enable();
    timer_cancel(&self.timer);
    return reason == WAKE_INTERRUPT ? -EINTR : 0;
}
