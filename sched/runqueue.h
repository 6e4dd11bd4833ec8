#ifndef SCHED_RUNQUEUE_H
#define SCHED_RUNQUEUE_H

/* A CPU's run queue, between the files of sched/ only. core.c has the theory. */

#include <arch/percpu.h>
#include <kernel/spinlock.h>
#include <sched/lwp.h>
#include <sched/tree.h>

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

DECLARE_PERCPU(struct runqueue, runqueue);
DECLARE_PERCPU(unsigned, need_resched);

/* CPUs that run their idle LWP and that nobody has yet sent anything to: bit n is CPU n. */
extern _Atomic uint64_t idle_cpus;

static inline struct lwp *lwp_of(struct sched_entity *e)
{
    return container_of(e, struct lwp, entity);
}

/* ---- core.c. Interrupts are off; rq->lock is held unless said otherwise --------------------- */

/* Charges the current LWP for its time up to now; returns now. */
uint64_t rq_charge(struct runqueue *rq);

/* Makes CPU `cpu` look again at who is to run. */
void rq_kick(unsigned cpu);

void rq_set_state(struct lwp *lwp, enum lwp_state state, uint64_t now_ns);

/* Puts a READY LWP, which is in no queue's structures, into this one. */
void rq_enqueue(struct runqueue *rq, struct lwp *lwp, enum sched_enqueue why);

/* Takes an LWP that is waiting or running out; its time has been charged. */
void rq_dequeue(struct runqueue *rq, struct lwp *lwp, enum sched_dequeue why, uint64_t now_ns);

/* Enqueues a READY LWP on a CPU, which may be another one than before. No run queue lock is held.
 */
void rq_place(struct lwp *lwp, unsigned cpu, enum sched_enqueue why);

/*
 * Picks who runs next and goes there; the current LWP has been put back or taken out if it has to
 * be. The lock is released. Returns when the caller has the CPU again.
 */
void rq_run_next(struct runqueue *rq, uint64_t now_ns);

/* Charges the running LWP and looks whether its slice is over. From the timer; takes the lock. */
void sched_tick(void);

/* ---- balance.c ------------------------------------------------------------------------------ */

/* An idle CPU of `allowed`, claimed for one LWP; LWP_CPU_NOWHERE: there is none. Any context. */
unsigned balance_claim_idle_cpu(uint64_t allowed);

/* The CPU of `allowed` with the fewest runnable LWPs. Any context. */
unsigned balance_least_loaded_cpu(uint64_t allowed);

/* Where a woken LWP is to go on. Its run queue's lock is held. */
unsigned balance_choose_wake_cpu(const struct lwp *lwp);

/* Takes a waiting LWP from another CPU to `rq`, the calling CPU's; whether there was one. Locked.
 */
bool balance_pull(struct runqueue *rq);

/* ---- share.c -------------------------------------------------------------------------------- */

/* Tells the root what the default group is left with, after rq->promised_percent changed. Locked.
 */
void share_reweigh_default_group(struct runqueue *rq, uint64_t now_ns);

#endif
