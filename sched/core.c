/*
 * The scheduler's mechanism: who has a CPU, who waits for one, who waits for something else.
 *
 * Every CPU has a run queue: a tree of queues (tree.h) under one lock, whose root is a stride queue.
 * The root's entities are the default group, in which LWPs live unless they asked for something else,
 * and the LWPs with a guaranteed share. A CPU with nothing to run runs its idle LWP, which is in no
 * queue.
 *
 * Switching. schedule() puts the running LWP back or takes it out, picks, and switches, all under the
 * run queue's lock. The lock is held across the switch and released by whoever runs next
 * (finish_switch()), so no other CPU can see, wake or move an LWP that has not wholly left its stack.
 * An LWP that ends is handed to lwp_ops.exited() there, and one that is to go to another CPU is put
 * into that CPU's queue there.
 *
 * Preemption. `need_resched` is a flag per CPU. Whoever enqueues something that should run at once
 * sets it; it is looked at when an interrupt returns and before user mode is entered. Spinlocks are
 * held with interrupts off, so whatever an interrupt hits may be preempted.
 *
 * Time is charged when something is about to change: at a switch, a tick, an enqueue. A running LWP
 * that nobody waits behind has no end of slice, and the timer is not armed for it.
 *
 * Placement. A woken LWP goes back to its CPU if that is idle or no other is; else to an idle one. A
 * new LWP goes to an idle CPU or the one with the least to do. A CPU that is about to idle first
 * takes a waiting LWP from the CPU that has most.
 */

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/percpu.h>
#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/cmdline.h>
#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <mm/kstack.h>
#include <mm/slab.h>
#include <sched/core.h>
#include <sched/sched.h>
#include <sched/timer.h>

/* Locks: l `lock`; o only the CPU itself, with interrupts off. */
struct runqueue {
    struct spinlock lock;
    unsigned cpu;
    struct sched_queue root;            /* l */
    struct sched_queue default_queue;   /* l */
    struct sched_entity default_entity; /* l  the default group in the root */
    struct lwp *current;                /* l */
    struct lwp *previous;               /* o  who is being switched away from */
    struct lwp idle;
    uint64_t charged_until_ns;    /* l  the current LWP's time is charged up to here */
    uint64_t slice_end_ns;        /* l  when the timer is to look at the current slice */
    atomic_uint promised_percent; /* l to write; sum of guaranteed shares */
    atomic_uint nr_runnable;      /* l to write */
};

static PERCPU(struct runqueue, runqueue);
static PERCPU(unsigned, need_resched);
PERCPU(struct lwp *, current_lwp);

/* CPUs that run their idle LWP and that nobody has yet sent anything to: bit n is CPU n. */
static _Atomic uint64_t idle_cpus;

static const struct sched_class *default_class;

static struct lwp *lwp_of(struct sched_entity *e)
{
    return container_of(e, struct lwp, entity);
}

/* ---- Asking a CPU to look again ------------------------------------------------------------- */

static void kick(unsigned cpu)
{
    __atomic_store_n(cpu_ptr(need_resched, cpu), 1, __ATOMIC_RELEASE);
    if (cpu == cpu_id())
        this_cpu_write(return_work, 1);
    else
        irq_send_ipi(cpu, IPI_RESCHEDULE);
}

/* ---- Time ----------------------------------------------------------------------------------- */

/* Charges the current LWP for its time up to now; returns now. The lock is held. */
static uint64_t charge_current(struct runqueue *rq)
{
    /* Clocks of two CPUs that are not quite in step must not make time run backwards. */
    uint64_t now = clock_now_ns(), now_ns = MAX(now, rq->charged_until_ns);
    uint64_t ran_ns = now_ns - rq->charged_until_ns;

    rq->charged_until_ns = now_ns;
    rq->current->run_ns += ran_ns;
    if (rq->current != &rq->idle)
        tree_charge(&rq->root, ran_ns, now_ns);
    return now_ns;
}

/* When somebody has to look at the current slice; SCHED_TIME_NEVER: not at all. The lock is held. */
static uint64_t find_slice_end(const struct runqueue *rq, uint64_t now_ns)
{
    uint64_t slice_ns = tree_slice_ns(&rq->root, now_ns);

    return slice_ns == SCHED_TIME_NEVER ? SCHED_TIME_NEVER : now_ns + slice_ns;
}

/* Arms the calling CPU's timer for the end of the current slice. The lock is held. */
static void arm_slice(struct runqueue *rq, uint64_t now_ns)
{
    rq->slice_end_ns = find_slice_end(rq, now_ns);
    timer_want(rq->slice_end_ns);
}

/* Something came to a queue of `rq`, behind whoever runs: its slice may end sooner now. Locked. */
static void slice_may_have_shrunk(struct runqueue *rq, uint64_t now_ns)
{
    if (find_slice_end(rq, now_ns) >= rq->slice_end_ns)
        return;
    if (rq->cpu == cpu_id())
        arm_slice(rq, now_ns);
    else
        irq_send_ipi(rq->cpu, IPI_RESCHEDULE);
}

void sched_tick(void)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    uint64_t now_ns;

    spin_lock(&rq->lock);
    now_ns = charge_current(rq);
    if (tree_slice_ns(&rq->root, now_ns) == 0)
        kick(rq->cpu);
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

/* ---- Switching ------------------------------------------------------------------------------ */

static void set_state(struct lwp *lwp, enum lwp_state state, uint64_t now_ns)
{
    if (lwp->state == LWP_READY && now_ns > lwp->since_ns)
        lwp->wait_ns += now_ns - lwp->since_ns;
    lwp->state = state;
    lwp->since_ns = now_ns;
}

/* The queue of CPU `rq` that an LWP of this kind belongs to. */
static struct sched_queue *home_queue(struct runqueue *rq, const struct lwp *lwp)
{
    return lwp->share_percent > 0 ? &rq->root : &rq->default_queue;
}

/* Puts a READY LWP, which is in no queue's structures, into this one. The lock is held. */
static void enqueue(struct runqueue *rq, struct lwp *lwp, enum sched_enqueue why)
{
    uint64_t now_ns = charge_current(rq);
    struct sched_queue *q = home_queue(rq, lwp);
    bool preempts;

    if (why == SCHED_ENQUEUE_NEW)
        tree_join(q, &lwp->entity, NULL, now_ns);
    lwp->entity.queue = q;
    preempts = tree_enqueue(&lwp->entity, why, now_ns);
    atomic_fetch_add_explicit(&rq->nr_runnable, 1, memory_order_relaxed);
    if (rq->current == &rq->idle || preempts)
        kick(rq->cpu);
    else
        slice_may_have_shrunk(rq, now_ns);
}

/* Takes an LWP that is waiting or running out. The lock is held; its time has been charged. */
static void dequeue(struct runqueue *rq, struct lwp *lwp, enum sched_dequeue why, uint64_t now_ns)
{
    tree_dequeue(&lwp->entity, why, now_ns);
    atomic_fetch_sub_explicit(&rq->nr_runnable, 1, memory_order_relaxed);
}

/* Enqueues a READY LWP on a CPU, which may be another one than before. */
static void place(struct lwp *lwp, unsigned cpu, enum sched_enqueue why)
{
    struct runqueue *rq = cpu_ptr(runqueue, cpu);

    spin_lock(&rq->lock);
    enqueue(rq, lwp, why);
    spin_unlock(&rq->lock);
}

/* What is left to do for the LWP that was switched away from. The lock is held, and released. */
static void finish_switch(void)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct lwp *previous = rq->previous;
    bool has_ended = previous->state == LWP_ZOMBIE;
    unsigned move_to = previous->move_to;

    previous->move_to = LWP_CPU_NOWHERE;
    spin_unlock(&rq->lock);
    if (has_ended)
        previous->ops->exited(previous);
    else if (move_to != LWP_CPU_NOWHERE)
        place(previous, move_to, SCHED_ENQUEUE_NEW);
}

void context_started(void)
{
    finish_switch();
}

static void switch_to(struct runqueue *rq, struct lwp *next)
{
    struct lwp *previous = rq->current;

    next->nr_switches++;
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

static bool pull(struct runqueue *rq);
static void reweigh_default_group(struct runqueue *rq, uint64_t now_ns);

/*
 * Picks who runs next and goes there. The lock is held, the time charged, and the current LWP put
 * back or taken out if it has to be; the lock is released. Returns when the caller has the CPU again.
 */
static void run_next(struct runqueue *rq, uint64_t now_ns)
{
    struct sched_entity *e;
    struct lwp *next;

    this_cpu_write(need_resched, 0);
    e = tree_pick(&rq->root, now_ns);
    if (e == NULL) {
        /* First tell wakers, then look: one that has not seen the bit has enqueued where pull() looks. */
        atomic_fetch_or(&idle_cpus, 1ull << rq->cpu);
        if (pull(rq))
            e = tree_pick(&rq->root, rq->charged_until_ns);
    }
    next = e != NULL ? lwp_of(e) : &rq->idle;
    if (next != &rq->idle) {
        atomic_fetch_and(&idle_cpus, ~(1ull << rq->cpu));
        arm_slice(rq, now_ns);
    }
    set_state(next, LWP_RUNNING, now_ns);
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
    now_ns = charge_current(rq);
    if (rq->current != &rq->idle) {
        tree_put_back(&rq->root, is_yield, now_ns);
        set_state(rq->current, LWP_READY, now_ns);
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
    now_ns = charge_current(rq);
    dequeue(rq, self, SCHED_DEQUEUE_BLOCKED, now_ns);
    self->is_interruptible = is_interruptible;
    set_state(self, LWP_BLOCKED, now_ns);
    run_next(rq, now_ns);
    return self->wake_reason;
}

void sched_exit(void)
{
    struct runqueue *rq;
    struct lwp *self;
    uint64_t now_ns;

    irq_disable();
    rq = this_cpu_ptr(runqueue);
    self = rq->current;
    spin_lock(&rq->lock);
    now_ns = charge_current(rq);
    dequeue(rq, self, SCHED_DEQUEUE_EXITED, now_ns);
    if (self->share_percent > 0) {
        rq->promised_percent -= self->share_percent;
        reweigh_default_group(rq, now_ns);
    }
    set_state(self, LWP_ZOMBIE, now_ns);
    run_next(rq, now_ns);
    panic("sched: an LWP that has ended runs again");
}

/* ---- Waking and placing --------------------------------------------------------------------- */

/* Locks the run queue of the CPU that `lwp` belongs to. Interrupts are off. */
static struct runqueue *lock_home(struct lwp *lwp)
{
    for (;;) {
        unsigned cpu = atomic_load(&lwp->cpu);
        struct runqueue *rq = cpu_ptr(runqueue, cpu);

        spin_lock(&rq->lock);
        if (atomic_load(&lwp->cpu) == cpu)
            return rq;
        spin_unlock(&rq->lock);
    }
}

/* An idle CPU of `allowed`, claimed for one LWP; LWP_CPU_NOWHERE: there is none. */
static unsigned claim_idle_cpu(uint64_t allowed)
{
    uint64_t seen = atomic_load_explicit(&idle_cpus, memory_order_relaxed);

    while ((seen & allowed) != 0) {
        unsigned cpu = (unsigned)__builtin_ctzll(seen & allowed);

        if (atomic_compare_exchange_weak_explicit(&idle_cpus, &seen, seen & ~(1ull << cpu),
                                                  memory_order_relaxed, memory_order_relaxed))
            return cpu;
    }
    return LWP_CPU_NOWHERE;
}

static unsigned least_loaded_cpu(uint64_t allowed)
{
    unsigned best = (unsigned)__builtin_ctzll(allowed), best_nr = UINT32_MAX;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        unsigned nr = atomic_load_explicit(&cpu_ptr(runqueue, cpu)->nr_runnable,
                                           memory_order_relaxed);

        if ((allowed >> cpu & 1) && nr < best_nr) {
            best = cpu;
            best_nr = nr;
        }
    }
    return best;
}

/* Where a woken LWP is to go on. Its share, if it has one, is promised by one CPU: it stays there. */
static unsigned choose_wake_cpu(const struct lwp *lwp)
{
    unsigned last = atomic_load_explicit(&lwp->cpu, memory_order_relaxed), idle;
    uint64_t last_bit = 1ull << last;

    if (lwp->share_percent > 0 || atomic_load(&idle_cpus) == 0)
        return last;
    /* Claimed for this LWP: others that are woken meanwhile go elsewhere. */
    if (atomic_fetch_and(&idle_cpus, ~last_bit) & last_bit)
        return last;
    idle = claim_idle_cpu(lwp->affinity);
    return idle != LWP_CPU_NOWHERE ? idle : last;
}

bool sched_wake(struct lwp *lwp, enum wake_reason reason)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = lock_home(lwp);
    unsigned target;

    if (lwp->state != LWP_BLOCKED || (reason == WAKE_INTERRUPT && !lwp->is_interruptible)) {
        spin_unlock(&rq->lock);
        irq_restore(irq);
        return false;
    }
    lwp->wake_reason = reason;
    set_state(lwp, LWP_READY, clock_now_ns());
    target = choose_wake_cpu(lwp);
    if (target == rq->cpu) {
        enqueue(rq, lwp, SCHED_ENQUEUE_WAKE);
        spin_unlock(&rq->lock);
    } else {
        /* READY and in no queue: until it is placed, nobody else will touch it. */
        atomic_store(&lwp->cpu, target);
        lwp->nr_migrations++;
        spin_unlock(&rq->lock);
        place(lwp, target, SCHED_ENQUEUE_WAKE);
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
    rq = lock_home(lwp);
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
    lwp->move_to = LWP_CPU_NOWHERE;
    lwp->affinity = creator->affinity;
    lwp->entity.params = creator->entity.params;
    lwp->entity.params.tickets = SCHED_TICKETS_DEFAULT;
    lwp->since_ns = clock_now_ns();
}

void sched_start(struct lwp *lwp)
{
    irq_state_t irq = irq_save();
    unsigned cpu = claim_idle_cpu(lwp->affinity);

    if (cpu == LWP_CPU_NOWHERE)
        cpu = least_loaded_cpu(lwp->affinity);
    atomic_store(&lwp->cpu, cpu);
    set_state(lwp, LWP_READY, clock_now_ns());
    place(lwp, cpu, SCHED_ENQUEUE_NEW);
    irq_restore(irq);
}

/* ---- Idle CPUs ------------------------------------------------------------------------------ */

/* The CPU where the most LWPs wait that could be moved; LWP_CPU_NOWHERE: none has any. */
static unsigned busiest_cpu(unsigned self)
{
    unsigned busiest = LWP_CPU_NOWHERE, most = 0;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        /* Read without the lock: it is only a hint. */
        unsigned nr = __atomic_load_n(&cpu_ptr(runqueue, cpu)->default_queue.nr_waiting,
                                      __ATOMIC_SEQ_CST);

        if (cpu != self && nr > most) {
            busiest = cpu;
            most = nr;
        }
    }
    return busiest;
}

/* A waiting LWP of `from` that may run on `cpu`. Both locks are held. */
static struct lwp *find_movable(struct runqueue *from, unsigned cpu)
{
    struct sched_entity *e;

    list_for_each_entry(e, &from->default_queue.waiting, waiting_link) {
        if (e->group == NULL && (lwp_of(e)->affinity >> cpu & 1))
            return lwp_of(e);
    }
    return NULL;
}

/*
 * Takes a waiting LWP from the busiest CPU; whether there was one. The lock is held. Run queue locks
 * are taken in the order of CPU numbers; against the order only a try is allowed, and when that
 * fails this CPU looks again at once instead of idling.
 */
static bool pull(struct runqueue *rq)
{
    unsigned busiest = busiest_cpu(rq->cpu);
    struct runqueue *from;
    struct lwp *lwp;

    if (busiest == LWP_CPU_NOWHERE)
        return false;
    from = cpu_ptr(runqueue, busiest);
    if (busiest > rq->cpu) {
        spin_lock_nested(&from->lock);
    } else if (!spin_try_lock(&from->lock)) {
        this_cpu_write(need_resched, 1);
        cpu_relax();
        return false;
    }
    lwp = find_movable(from, rq->cpu);
    if (lwp != NULL) {
        dequeue(from, lwp, SCHED_DEQUEUE_MOVED_OUT, charge_current(from));
        rq->charged_until_ns = MAX(rq->charged_until_ns, from->charged_until_ns);
        atomic_store(&lwp->cpu, rq->cpu);
        lwp->nr_migrations++;
        lwp->entity.queue = &rq->default_queue;
        tree_enqueue(&lwp->entity, SCHED_ENQUEUE_MOVED_IN, rq->charged_until_ns);
        atomic_fetch_add_explicit(&rq->nr_runnable, 1, memory_order_relaxed);
    }
    spin_unlock(&from->lock);
    return lwp != NULL;
}

void sched_idle(void)
{
    irq_disable();
    for (;;) {
        if (this_cpu_read(need_resched))
            reschedule(false);
        else
            cpu_wait_for_interrupt();
        irq_enable(); /* let others' requests in, also when there is always something to do */
        irq_disable();
    }
}

/* ---- Shares --------------------------------------------------------------------------------- */

/* Tells the root what the default group is left with. The lock is held. */
static void reweigh_default_group(struct runqueue *rq, uint64_t now_ns)
{
    struct sched_entity *e = &rq->default_entity;
    struct sched_params old = e->params;
    bool is_away = rq->default_queue.nr_waiting == 0 && rq->default_queue.running == NULL;

    e->params.tickets = (100 - rq->promised_percent) * SCHED_TICKETS_PER_PERCENT;
    if (!is_away && rq->root.class->params_changed != NULL)
        rq->root.class->params_changed(&rq->root, e, &old, now_ns);
}

static bool promise(struct runqueue *rq, unsigned percent)
{
    bool fits;

    spin_lock(&rq->lock);
    fits = rq->promised_percent + percent <= SCHED_PROMISE_MAX_PERCENT;
    if (fits) {
        uint64_t now_ns = charge_current(rq);

        rq->promised_percent += percent;
        reweigh_default_group(rq, now_ns);
    }
    spin_unlock(&rq->lock);
    return fits;
}

static void give_back_promise(struct runqueue *rq, unsigned percent)
{
    uint64_t now_ns;

    spin_lock(&rq->lock);
    now_ns = charge_current(rq);
    rq->promised_percent -= percent;
    reweigh_default_group(rq, now_ns);
    spin_unlock(&rq->lock);
}

/* Promises `percent` on the allowed CPU that has promised least; LWP_CPU_NOWHERE: on none. */
static unsigned promise_somewhere(uint64_t allowed, unsigned percent)
{
    while (percent <= SCHED_PROMISE_MAX_PERCENT) {
        unsigned best = LWP_CPU_NOWHERE, least = SCHED_PROMISE_MAX_PERCENT + 1 - percent;

        for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
            unsigned promised = cpu_ptr(runqueue, cpu)->promised_percent;

            if ((allowed >> cpu & 1) && promised < least) {
                best = cpu;
                least = promised;
            }
        }
        if (best == LWP_CPU_NOWHERE || promise(cpu_ptr(runqueue, best), percent))
            return best;
    }
    return LWP_CPU_NOWHERE;
}

/*
 * The current LWP leaves its queue and, off this CPU, joins the one that its new share names, on CPU
 * `cpu`. Interrupts are off.
 */
static void move_self(unsigned cpu, unsigned share_percent)
{
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct lwp *self = rq->current;
    uint64_t now_ns;

    spin_lock(&rq->lock);
    now_ns = charge_current(rq);
    dequeue(rq, self, SCHED_DEQUEUE_MOVED_OUT, now_ns);
    self->share_percent = share_percent;
    self->entity.params.tickets =
        share_percent > 0 ? share_percent * SCHED_TICKETS_PER_PERCENT : SCHED_TICKETS_DEFAULT;
    self->move_to = cpu;
    atomic_store(&self->cpu, cpu);
    set_state(self, LWP_READY, now_ns);
    run_next(rq, now_ns);
}

int sched_set_share(int percent)
{
    struct lwp *self = lwp_current();
    unsigned old_percent = self->share_percent;
    unsigned old_cpu, cpu;

    if (percent < 0 || percent > 100)
        return -EINVAL;
    irq_disable();
    old_cpu = cpu_id();
    /* What it has now does not count against what it asks for. */
    if (old_percent > 0)
        give_back_promise(cpu_ptr(runqueue, old_cpu), old_percent);
    cpu = old_cpu;
    if (percent > 0)
        cpu = promise_somewhere(self->affinity, (unsigned)percent);
    if (cpu == LWP_CPU_NOWHERE) {
        bool is_restored = old_percent == 0 || promise(cpu_ptr(runqueue, old_cpu), old_percent);

        /* Somebody else took it meanwhile: then the caller is back in the default group. */
        if (!is_restored)
            move_self(old_cpu, 0);
        irq_enable();
        return -EAGAIN;
    }
    if (percent > 0 || old_percent > 0)
        move_self(cpu, (unsigned)percent);
    irq_enable();
    return 0;
}

int sched_level(void)
{
    irq_state_t irq = irq_save();
    struct runqueue *rq = this_cpu_ptr(runqueue);
    struct sched_queue *q;
    int level = -1;

    spin_lock(&rq->lock);
    charge_current(rq);
    q = rq->current->entity.queue;
    if (q->class->level != NULL)
        level = q->class->level(q, &rq->current->entity);
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
    charge_current(rq);
    run_ns = rq->current->run_ns;
    spin_unlock(&rq->lock);
    irq_restore(irq);
    return run_ns;
}

/* ---- Sleep ---------------------------------------------------------------------------------- */

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

/* ---- Start ---------------------------------------------------------------------------------- */

const struct sched_class *sched_class_find(const char *name)
{
    for (const struct sched_class *const *c = __start_sched_classes; c < __stop_sched_classes; c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

static void *queue_state(const struct sched_class *class)
{
    return class->queue_bytes == 0 ? NULL : kzalloc(class->queue_bytes);
}

/* `CLASS.TUNABLE=VALUE` and `CLASS.preset=NAME` of the command line. */
static void apply_cmdline(struct sched_queue *q)
{
    const struct sched_class *class = q->class;
    char key[64];
    const char *preset;

    snprintf(key, sizeof(key), "%s.preset", class->name);
    preset = cmdline_get(key);
    for (const struct sched_preset *p = class->presets; preset != NULL; p++) {
        if (p == NULL || p->name == NULL) {
            log_warn("sched: %s has no preset '%s'", class->name, preset);
            break;
        }
        if (strcmp(p->name, preset) == 0) {
            memcpy(q->tunable, p->value, sizeof(q->tunable));
            break;
        }
    }
    for (unsigned i = 0; i < class->nr_tunables; i++) {
        snprintf(key, sizeof(key), "%s.%s", class->name, class->tunables[i].name);
        cmdline_u64(key, class->tunables[i].min, class->tunables[i].max, &q->tunable[i]);
    }
    if (class->retuned != NULL)
        class->retuned(q, 0);
}

/* Prepares CPU `cpu`'s queues and idle LWP. False: out of memory. */
static bool init_cpu(unsigned cpu)
{
    struct runqueue *rq = cpu_ptr(runqueue, cpu);
    const struct sched_class *stride = sched_class_find("stride");
    void *root_state = queue_state(stride), *default_state = queue_state(default_class);

    if (root_state == NULL || (default_state == NULL && default_class->queue_bytes > 0)) {
        kfree(root_state);
        kfree(default_state);
        return false;
    }
    spin_init(&rq->lock, "run queue", LOCK_RANK_RUNQUEUE);
    rq->cpu = cpu;
    sched_queue_init(&rq->root, stride, NULL, root_state, 0);
    rq->default_entity.params.tickets = 100 * SCHED_TICKETS_PER_PERCENT;
    tree_join(&rq->root, &rq->default_entity, NULL, 0);
    sched_queue_init(&rq->default_queue, default_class, &rq->default_entity, default_state, 0);
    apply_cmdline(&rq->default_queue);

    rq->slice_end_ns = SCHED_TIME_NEVER;
    rq->current = &rq->idle;
    rq->idle.state = LWP_RUNNING;
    rq->idle.cpu = cpu;
    rq->idle.move_to = LWP_CPU_NOWHERE;
    rq->idle.affinity = UINT64_MAX;
    rq->idle.entity.params.tickets = SCHED_TICKETS_DEFAULT;
    snprintf(rq->idle.name, sizeof(rq->idle.name), "idle/%u", cpu);
    *cpu_ptr(current_lwp, cpu) = &rq->idle;
    return true;
}

void sched_init(const char *class_name)
{
    default_class = sched_class_find(class_name);
    if (default_class == NULL) {
        log_warn("sched: there is no class '%s'; taking mlfq", class_name);
        default_class = sched_class_find("mlfq");
    }
    if (!init_cpu(0))
        panic("sched: no memory for the first run queue");
    timer_init_cpu();
    log_info("sched: default class %s", default_class->name);
}

uint64_t smp_prepare_cpu(unsigned cpu)
{
    return init_cpu(cpu) ? kstack_alloc() : 0;
}

void smp_cpu_main(void)
{
    timer_init_cpu();
    atomic_fetch_or(&idle_cpus, 1ull << cpu_id());
    this_cpu_write(need_resched, 1);
    sched_idle();
}
