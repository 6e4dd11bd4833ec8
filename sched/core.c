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
 * to idle first takes a waiting LWP from another. While LWPs wait, their CPU looks every
 * BALANCE_PERIOD_NS whether another has less to do.
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

/* The time since the current LWP was last charged, which is now charged to it, but not to its
 * groups. The lock is held. */
static struct tree_time pass_time(struct runqueue *rq, struct lwp *self)
{
    /* Clocks of two CPUs that are not quite in step must not make time run backwards. */
    uint64_t now = clock_now_ns(), now_ns = MAX(now, rq->charged_until_ns);
    uint64_t ran_ns = now_ns - rq->charged_until_ns, granted_ns = ran_ns;

    rq->charged_until_ns = now_ns;
    self->run_ns += ran_ns;
    if (unlikely(now_ns > rq->late_from_ns))
        granted_ns -= MIN(ran_ns, now_ns - rq->late_from_ns);
    return (struct tree_time){ran_ns, granted_ns, now_ns};
}

uint64_t rq_charge(struct runqueue *rq)
{
    struct lwp *self = rq->current;
    struct tree_time time = pass_time(rq, self);

    if (likely(self->own.entity.is_present))
        tree_charge(&self->own.entity, time);
    return time.now_ns;
}

/* When a slice ends that begins now; SCHED_TIME_NEVER: not at all. */
static uint64_t slice_end(uint64_t slice_ns, uint64_t now_ns)
{
    return slice_ns == SCHED_TIME_NEVER ? SCHED_TIME_NEVER : now_ns + slice_ns;
}

/* When to look, if the slice ends then: while LWPs wait, also for a CPU that could take one. */
static uint64_t find_look(const struct runqueue *rq, uint64_t slice_end_ns)
{
    return rq->nr_runnable > 1 ? MIN(slice_end_ns, rq->next_balance_ns) : slice_end_ns;
}

/* Arms the calling CPU's timer for the current slice, or to look sooner. The lock is held. */
static ALWAYS_INLINE void arm_look(struct runqueue *rq, uint64_t slice_end_ns, uint64_t look_ns)
{
    rq->slice_end_ns = rq->late_from_ns = slice_end_ns;
    rq->look_ns = look_ns;
    timer_want(look_ns);
}

static void arm_slice(struct runqueue *rq, uint64_t slice_ns, uint64_t now_ns)
{
    uint64_t end_ns = slice_end(slice_ns, now_ns);

    arm_look(rq, end_ns, find_look(rq, end_ns));
}

/* Arms it for a CPU that has nobody to run now. */
static void arm_idle(struct runqueue *rq, uint64_t now_ns)
{
    rq->slice_end_ns = rq->late_from_ns = SCHED_TIME_NEVER;
    rq->look_ns = tree_next_event_ns(&rq->root, now_ns);
    if (rq->look_ns != SCHED_TIME_NEVER)
        timer_want(rq->look_ns);
}

void rq_changed(struct runqueue *rq, uint64_t slice_ns, uint64_t now_ns)
{
    uint64_t end_ns = MIN(rq->late_from_ns, slice_end(slice_ns, now_ns));
    uint64_t look_ns = find_look(rq, end_ns);

    /* Another CPU may not hear of it for long: a virtual one whose host is busy. */
    rq->late_from_ns = end_ns;
    if (slice_ns == 0 || rq->current == &rq->idle)
        rq_kick(rq->cpu);
    else if (look_ns < rq->look_ns && rq->cpu == cpu_id())
        arm_look(rq, end_ns, look_ns);
    else if (look_ns < rq->look_ns)
        irq_send_ipi(rq->cpu, IPI_RESCHEDULE);
}

void sched_tick(void)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    uint64_t now_ns, slice_ns;

    spin_lock(&rq->lock);
    now_ns = rq_charge(rq);
    if (rq->nr_runnable > 1 && now_ns >= rq->next_balance_ns) {
        balance_push(rq, now_ns);
        group_watchdog(rq, now_ns);
    }
    slice_ns = tree_slice_ns(&rq->root, now_ns);
    if (slice_ns == 0)
        rq_kick(rq->cpu);
    else
        arm_slice(rq, slice_ns, now_ns);
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

static void set_state(struct lwp *lwp, enum lwp_state state, uint64_t now_ns)
{
    lwp->state = state;
    lwp->since_ns = now_ns;
}

/* rq->leaver is off its stack. The lock is held, and released. */
static RARELY_CALLED void see_off(struct runqueue *rq)
{
    struct lwp *leaver = rq->leaver;
    bool has_ended = leaver->state == LWP_ZOMBIE;

    rq->leaver = NULL;
    rq->is_sent = false;
    if (lwp_is_sent(leaver))
        lwp_arrive(rq, leaver);
    else
        spin_unlock(&rq->lock);
    if (has_ended)
        leaver->ops->exited(leaver);
}

/* What is left to do after a switch. The lock is held, and released. */
static void finish_switch(void)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);

    if (unlikely(rq->leaver != NULL))
        see_off(rq);
    else
        spin_unlock(&rq->lock);
}

void context_started(void)
{
    finish_switch();
}

static ALWAYS_INLINE void switch_to(struct runqueue *rq, struct lwp *previous, struct lwp *next)
{
    next->nr_switches++;
    rq->nr_switches++;
    if (next->last_cpu != rq->cpu) {
        next->last_cpu = rq->cpu;
        next->nr_migrations++;
    }
    rq->current = next;
    this_cpu_write(current_lwp, next);
    if (likely(next->mmu != NULL))
        mmu_switch(next->mmu);
    else
        mmu_be_lazy();
    if (atomic_load_explicit(&next->interrupt, memory_order_relaxed))
        this_cpu_write(return_work, 1);
    context_switch(&previous->context, &next->context);
    finish_switch();
}

static void stop_being_idle(struct runqueue *rq)
{
    atomic_fetch_and(&idle_cpus, ~(1ull << rq->cpu));
}

/* The LWP to run on a CPU that has none: another CPU's, or the idle LWP. */
static struct lwp *look_elsewhere(struct runqueue *rq, uint64_t *slice_ns)
{
    struct sched_entity *e = NULL;

    /* First tell wakers, then look: so hardly anything can be missed (balance.c). */
    atomic_fetch_or(&idle_cpus, 1ull << rq->cpu);
    if (balance_pull(rq))
        e = tree_pick(&rq->root, rq->charged_until_ns, slice_ns);
    if (e == NULL)
        return &rq->idle;
    stop_being_idle(rq);
    return lwp_of(e);
}

/* Why the current LWP calls schedule(). The first two leave it runnable. */
enum leave { LEAVE_PREEMPTED, LEAVE_YIELD, LEAVE_BLOCKED, LEAVE_EXITED };

/* The current LWP goes. */
static void leave(struct runqueue *rq, enum leave why, uint64_t now_ns)
{
    struct lwp *self = rq->current;

    if (why == LEAVE_BLOCKED) {
        if (likely(self->own.entity.is_present)) /* or hand_on() has done that */
            rq_dequeue(rq, self, SCHED_DEQUEUE_BLOCKED, now_ns);
        set_state(self, LWP_BLOCKED, now_ns);
        self->nr_waits++;
    } else if (why == LEAVE_EXITED) {
        rq_dequeue(rq, self, SCHED_DEQUEUE_EXITED, now_ns);
        set_state(self, LWP_ZOMBIE, now_ns);
        rq->leaver = self;
        if (self->unit == &self->own)
            group_leave(self->own.group);
    } else if (self != &rq->idle) {
        set_state(self, LWP_READY, now_ns);
    }
    if (rq->is_sent) {
        rq->leaver = self;
        lwp_leave_queue(rq, self, now_ns);
    }
}

/* An LWP that has waited is given the CPU. */
static void begin_turn(struct lwp *next, uint64_t now_ns)
{
    if (likely(now_ns > next->since_ns))
        next->wait_ns += now_ns - next->since_ns;
    set_state(next, LWP_RUNNING, now_ns);
}

/*
 * The current LWP leaves, or may have to. Picks who runs next and goes there. The lock is held, and
 * released. Returns when the caller has the CPU again.
 */
static void schedule(struct runqueue *rq, enum leave why)
{
    struct lwp *self = rq->current, *next;
    struct tree_time time = pass_time(rq, self);
    struct sched_entity *e;
    uint64_t slice_ns;

    this_cpu_write(need_resched, 0);
    if (why <= LEAVE_YIELD && !rq->is_sent && self != &rq->idle) {
        set_state(self, LWP_READY, time.now_ns);
        e = tree_pick_again(&rq->root, &self->own.entity, why == LEAVE_YIELD, time, &slice_ns);
    } else {
        if (self != &rq->idle)
            tree_charge(&self->own.entity, time);
        leave(rq, why, time.now_ns);
        e = tree_pick(&rq->root, time.now_ns, &slice_ns);
    }
    while (unlikely(rq->root.broken != NULL)) {
        group_replace_broken(rq, time.now_ns);
        e = tree_pick(&rq->root, time.now_ns, &slice_ns);
    }
    next = likely(e != NULL) ? lwp_of(e) : look_elsewhere(rq, &slice_ns);
    if (trace_is_on(WATCH_EVENTS)) {
        rq->is_yield = why == LEAVE_YIELD;
        watch_run_next(rq, next, time.now_ns);
    }
    if (likely(next != &rq->idle)) {
        if (unlikely(self == &rq->idle))
            stop_being_idle(rq);
        begin_turn(next, time.now_ns);
        arm_slice(rq, slice_ns, time.now_ns);
    } else {
        arm_idle(rq, time.now_ns);
        set_state(next, LWP_RUNNING, time.now_ns);
    }
    if (likely(next != self))
        switch_to(rq, self, next);
    else
        spin_unlock(&rq->lock);
}

/*
 * The short way of schedule() for one that yields, or else blocks, while others wait, without what
 * cannot be the matter then. False: it takes the long one. The lock is held, and released if true.
 */
static ALWAYS_INLINE bool hand_on(struct runqueue *rq, bool is_yield)
{
    struct lwp *self = rq->current, *next;
    struct sched_entity *e = &self->own.entity;
    struct tree_time time;
    uint64_t slice_ns, end_ns;

    if (unlikely(rq->is_sent || trace_is_on(WATCH_EVENTS) ||
                 !tree_may_hand_on(&rq->root, e, is_yield)))
        return false;
    time = pass_time(rq, self);
    e = tree_hand_on(e, is_yield, time, &slice_ns);
    if (!is_yield)
        rq_add_runnable(rq, -1u);
    if (unlikely(e == NULL))
        return false;
    this_cpu_write(need_resched, 0);
    set_state(self, is_yield ? LWP_READY : LWP_BLOCKED, time.now_ns);
    self->nr_waits += is_yield ? 0 : 1;
    next = lwp_of(e);
    begin_turn(next, time.now_ns);
    end_ns = slice_end(slice_ns, time.now_ns);
    /* After a yield, somebody waits. */
    arm_look(rq, end_ns, is_yield ? MIN(end_ns, rq->next_balance_ns) : find_look(rq, end_ns));
    if (likely(next != self))
        switch_to(rq, self, next);
    else
        spin_unlock(&rq->lock);
    return true;
}

/* Part of the system call in a kernel that is linked as a whole. */
__attribute__((always_inline)) void sched_yield(void)
{
    struct runqueue *rq;

    irq_disable();
    rq = this_cpu_ptr(runqueue);
    spin_lock(&rq->lock);
    if (unlikely(!hand_on(rq, true)))
        schedule(rq, LEAVE_YIELD);
    irq_enable();
}

/* The current LWP stays runnable; it may or may not stay on the CPU. Interrupts are off. */
static void reschedule(void)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);

    spin_lock(&rq->lock);
    schedule(rq, LEAVE_PREEMPTED);
}

void sched_preempt(void)
{
    if (this_cpu_read(need_resched))
        reschedule();
}

void irq_preempt(void)
{
    sched_preempt();
}

enum wake_reason sched_block(struct spinlock *guard, bool is_interruptible)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct lwp *self = rq->current;

    debug_assert(self != &rq->idle);
    spin_lock(&rq->lock);
    if (guard != NULL)
        spin_unlock(guard);
    if (is_interruptible && atomic_load(&self->interrupt)) {
        this_cpu_write(return_work, 1); /* the IPI of whoever set it may still be on its way */
        spin_unlock(&rq->lock);
        return WAKE_INTERRUPT;
    }
    self->is_interruptible = is_interruptible;
    if (!hand_on(rq, false))
        schedule(rq, LEAVE_BLOCKED);
    return self->wake_reason;
}

void sched_exit(void)
{
    struct runqueue *rq;
    struct lwp *self;

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
    schedule(rq, LEAVE_EXITED);
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

        set_state(lwp, LWP_READY, now_ns);
        rq_enqueue(rq, lwp, SCHED_ENQUEUE_WAKE, now_ns);
        spin_unlock(&rq->lock);
    } else {
        /* READY and in no queue: until it is placed, nobody else will let it run. */
        set_state(lwp, LWP_READY, clock_now_ns());
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

bool sched_is_interrupted(void)
{
    if (!atomic_load_explicit(&lwp_current()->interrupt, memory_order_relaxed))
        return false;
    this_cpu_write(return_work, 1); /* as in sched_block(); switch_to() repeats it elsewhere */
    return true;
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
    set_state(lwp, LWP_READY, clock_now_ns());
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
            reschedule();
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
    return reason == WAKE_INTERRUPT ? -ERESTARTSYS : 0;
}
