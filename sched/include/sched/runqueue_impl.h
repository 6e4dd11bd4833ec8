#ifndef SCHED_RUNQUEUE_IMPL_H
#define SCHED_RUNQUEUE_IMPL_H

/* A CPU's run queue, between the files of sched/ only. core.c has the theory. */

#include <arch/percpu.h>
#include <kernel/spinlock.h>
#include <kernel/trace.h>
#include <sched/control.h>
#include <sched/lwp.h>
#include <sched/tree.h>

/* A group on one CPU. Locked by the run queue. */
struct group_queue {
    struct sched_queue queue;
    struct sched_entity entity; /* the group, in the root */
};

/* Locks: l `lock`; o only the CPU itself, with interrupts off. */
struct runqueue {
    struct spinlock lock;
    unsigned cpu;
    struct sched_queue root;                     /* l */
    struct group_queue groups[SCHED_GROUPS_MAX]; /* l  those that exist */
    struct lwp *current;                         /* l */
    struct lwp *leaver;                          /* l  current until the last switch, and has ended
                                                       or is sent elsewhere; NULL: nobody */
    bool is_sent;                                /* l  lwp_is_sent(current) */
    struct lwp idle;
    uint64_t charged_until_ns;    /* l  the current LWP's time is charged up to here */
    uint64_t slice_end_ns;        /* l  the end of the current slice, as the CPU knows it */
    uint64_t late_from_ns;        /* l  whatever runs beyond this is late to leave */
    bool is_yield;                /* l  why `current` was put back last: it asked for it */
    uint64_t look_ns;             /* l  when the timer is to look at the queue, at the latest */
    uint64_t next_balance_ns;     /* l */
    uint64_t next_watch_ns;       /* l */
    uint64_t nr_switches;         /* l */
    atomic_uint promised_percent; /* l to write; sum of guaranteed shares */
    atomic_uint nr_runnable;      /* l to write; running and waiting LWPs */
};

DECLARE_PERCPU(struct runqueue, runqueue);
DECLARE_PERCPU(unsigned, need_resched);

/* CPUs that run their idle LWP and that nobody has yet sent anything to: bit n is CPU n. */
extern _Atomic uint64_t idle_cpus;

static inline struct lwp *lwp_of(struct sched_entity *e)
{
    return container_of(e, struct lwp, own.entity);
}

static inline struct sched_unit *unit_of(struct sched_entity *e)
{
    return container_of(e, struct sched_unit, entity);
}

/* ---- core.c. Interrupts are off; rq->lock is held unless said otherwise --------------------- */

/* Charges the current LWP for its time up to now; returns now. */
uint64_t rq_charge(struct runqueue *rq);

/* Makes CPU `cpu` look again at who is to run. */
void rq_kick(unsigned cpu);

/*
 * Something came to a queue of `rq`, or changed there: the running LWP has slice_ns left, if it had
 * not less before; 0: it is to make way.
 */
void rq_changed(struct runqueue *rq, uint64_t slice_ns, uint64_t now_ns);

/* Charges the running LWP and looks whether its slice is over. From the timer; takes the lock. */
void sched_tick(void);

/* ---- unit.c ---------------------------------------------------------------------------------
 */

/* Prepares a unit that is on no CPU yet, with what it inherits from `from` (may be NULL). */
void unit_init(struct sched_unit *unit, const struct sched_unit *from);

/* Locks the run queue of the CPU that the LWP, or the unit, belongs to. Interrupts are off. */
struct runqueue *rq_lock_home(struct lwp *lwp);
struct runqueue *rq_lock_unit(struct sched_unit *unit);

/* Puts a READY LWP, which is in no queue's structures, into this one. */
void rq_enqueue(struct runqueue *rq, struct lwp *lwp, enum sched_enqueue why, uint64_t now_ns);

/* So many more, or fewer, running and waiting LWPs. */
static inline void rq_add_runnable(struct runqueue *rq, unsigned nr)
{
    atomic_store_explicit(&rq->nr_runnable, rq->nr_runnable + nr, memory_order_relaxed);
}

/* Takes an LWP that is waiting or running out; its time has been charged. */
void rq_dequeue(struct runqueue *rq, struct lwp *lwp, enum sched_dequeue why, uint64_t now_ns);

/* A whole unit, which is not on the CPU, goes out, and into the queue of the CPU that it has been
 * given. */
void rq_take_out(struct runqueue *rq, struct sched_unit *unit, uint64_t now_ns);
void rq_put_in(struct runqueue *rq, struct sched_unit *unit, uint64_t now_ns);

/* Enqueues a READY LWP, or a unit that has been taken out, where it belongs by now. No run queue
 * lock is held. */
void rq_place(struct lwp *lwp, enum sched_enqueue why);
void rq_place_unit(struct sched_unit *unit);

/*
 * `unit` no longer belongs where it is, but on CPU `cpu`, and perhaps in another queue. At once, or
 * when its running LWP leaves the CPU, which is asked for. Whether it has been taken out: then the
 * caller releases the lock and calls rq_place_unit().
 */
bool unit_send(struct runqueue *rq, struct sched_unit *unit, unsigned cpu, uint64_t now_ns);

/* The same for one LWP that is to belong to another unit. */
bool lwp_send(struct runqueue *rq, struct lwp *lwp, struct sched_unit *unit, uint64_t now_ns);

/* Whether a CPU or its group's class has promised it something. */
static inline bool unit_has_claims(const struct sched_unit *unit)
{
    return unit->share_percent > 0 || unit->is_admitted;
}

/* Whether the current LWP is to leave its CPU or its unit. */
static inline bool lwp_is_sent(const struct lwp *lwp)
{
    return lwp->unit->target_cpu != LWP_CPU_NOWHERE || lwp->next_unit != NULL;
}

/* The CPU that the unit is to belong to, or does. Its run queue's lock is held. */
static inline unsigned unit_destination(const struct sched_unit *unit)
{
    return unit->target_cpu != LWP_CPU_NOWHERE ? unit->target_cpu : unit->cpu;
}

/* Takes out what is sent, so that it is not picked again. */
void lwp_leave_queue(struct runqueue *rq, struct lwp *lwp, uint64_t now_ns);

/* lwp_is_sent() is true and the LWP is off its stack: it, or its unit, arrives. The lock is
 * released. */
void lwp_arrive(struct runqueue *rq, struct lwp *lwp);

/* ---- balance.c ------------------------------------------------------------------------------ */

/* An idle CPU of `allowed`, claimed for one LWP; LWP_CPU_NOWHERE: there is none. Any context. */
unsigned balance_claim_idle_cpu(uint64_t allowed);

/* The CPU of `allowed` with the fewest runnable LWPs. Any context. */
unsigned balance_least_loaded_cpu(uint64_t allowed);

/* CPU `here` if it is allowed, or else the one with the fewest. Any context. */
unsigned balance_allowed_cpu(uint64_t allowed, unsigned here);

/* Where a woken unit is to go on. Its run queue's lock is held. */
unsigned balance_choose_wake_cpu(const struct sched_unit *unit);

/* Takes a waiting unit from another CPU to `rq`, the calling CPU's; whether there was one. Locked.
 */
bool balance_pull(struct runqueue *rq);

/* Gives a waiting unit to every CPU that has at least two fewer LWPs. From the timer. Locked. */
void balance_push(struct runqueue *rq, uint64_t now_ns);

#define BALANCE_PERIOD_NS (4 * NSEC_PER_MSEC)

/* ---- group.c -------------------------------------------------------------------------------- */

/* Makes the default group under that class; once. False: there is no such class. */
bool group_init(const char *class_name);

/* Makes the queues of a new CPU. False: out of memory. */
bool group_init_cpu(struct runqueue *rq);

/* One more unit, and one fewer, belongs to the group. False: there is no such group. Any context.
 */
bool group_enter(unsigned group);
void group_leave(unsigned group);

/* Counts the unit in its group; or, when that has gone or is of a class that would have to admit
 * it, in the default group, which becomes its own. */
void group_enter_or_default(struct sched_unit *unit);

/* What is known of a group; its tunable number `i`, with control_mutex held or as a hint. */
void group_read(unsigned group, unsigned *nr_members, unsigned *share_percent, bool *was_replaced);
uint64_t group_tunable(unsigned group, unsigned i);

/* Gives a team's queue the turns that a preset has asked for. */
void group_set_team_quantum(struct sched_queue *q);

/* Tells the root what the default group is left with, after rq->promised_percent changed. */
void group_reweigh_default(struct runqueue *rq, uint64_t now_ns);

/* Replaces a class that has broken its promises. From where an LWP is picked, and from the timer.
 */
void group_replace_broken(struct runqueue *rq, uint64_t now_ns);
void group_watchdog(struct runqueue *rq, uint64_t now_ns);

/* ---- watch.c -------------------------------------------------------------------------------- */

/* Records that CPU `rq` goes over to `next`, and what has become of both. Before the timer is armed
 * for `next`. Locked. */
void watch_run_next(struct runqueue *rq, struct lwp *next, uint64_t now_ns);

#define WATCH_EVENTS                                                                               \
    (TRACE_BIT(THRUM_TRACE_SWITCH) | TRACE_BIT(THRUM_TRACE_MIGRATE) |                              \
     TRACE_BIT(THRUM_TRACE_LEVEL) | TRACE_BIT(THRUM_TRACE_BOOST) | TRACE_BIT(THRUM_TRACE_CLASS))

/* ---- change.c ------------------------------------------------------------------------------- */

/* Gives back what the unit was promised. sched_control_lock is held, no run queue's. */
void unit_withdraw(struct sched_unit *unit);

/* The LWP is about to end: it has no claims of its own, and becomes nothing else, unless somebody
 * changes that again meanwhile. */
void lwp_settle(struct lwp *lwp);

/* Guards the attributes of all units against each other's changes; taken before a run queue's lock.
 */
extern struct spinlock sched_control_lock;

#endif
