#ifndef SCHED_LWP_H
#define SCHED_LWP_H

/*
 * What runs. struct lwp is the part that scheduling knows; whoever makes LWPs (proc/ for user
 * processes, sched/kthread.c for kernel threads) embeds it in a structure of its own.
 *
 *     NEW ----sched_start---> READY <---------+
 *                              | ^            |
 *                 (picked)     | | (put back) | sched_wake
 *                              v |            |
 *                            RUNNING ------> BLOCKED
 *                              |      sched_block
 *                              | sched_exit
 *                              v
 *                            ZOMBIE
 *
 * sched/core.c makes each of these transitions, in one place each, under the lock of the run queue
 * of unit->cpu. The run queue's lock is held across a switch, so whoever holds it sees an LWP
 * either running or wholly switched out.
 */

#include <stdatomic.h>

#include <arch/context.h>
#include <arch/mmu.h>
#include <kernel/donation.h>
#include <kernel/list.h>
#include <kernel/types.h>
#include <sched/class.h>

enum lwp_state { LWP_NEW, LWP_READY, LWP_RUNNING, LWP_BLOCKED, LWP_ZOMBIE };

/* Why a blocked LWP goes on. */
enum wake_reason {
    WAKE_EVENT,     /* what it waited for has happened */
    WAKE_TIMEOUT,   /* its time is over */
    WAKE_INTERRUPT, /* something else wants its attention (lwp->interrupt) */
};

struct lwp;

struct lwp_ops {
    /*
     * The LWP has ended and is off its CPU and its stack for good. Called by whoever runs next
     * there, with interrupts off and no lock held: may take spinlocks, must not sleep.
     */
    void (*exited)(struct lwp *lwp);
};

/* What the trace said last about an LWP (sched/control/watch.c). */
struct watched {
    const struct sched_class *class;
    int level;
    unsigned generation; /* of the trace, when that was; 0: never */
};

#define LWP_NAME_MAX    16
#define LWP_CPU_NOWHERE (~0u)

/*
 * What has a place of its own among a CPU's queues: an LWP, or a *team*, which is all LWPs of a
 * process of scope `process` (team.h). It is on one CPU at a time.
 *
 * Locks: q run queue of `cpu`, x sched_control_lock and q to write.
 */
struct sched_unit {
    atomic_uint cpu;            /* q  where it runs, ran last, or is to run */
    unsigned target_cpu;        /* q  where to go from there; LWP_CPU_NOWHERE: stay */
    struct sched_entity entity; /* q */
    uint64_t affinity;          /* x  bit n: may run on CPU n */
    uint32_t tickets;           /* x  what was asked for; a share has its own */
    uint8_t group;              /* x  number of its group */
    uint8_t share_percent;      /* x  guaranteed share of one CPU, outside of its group; 0: none */
    bool is_admitted;           /* x  its group's class has promised it something on this CPU */
    atomic_uint nr_carriers;    /* a  CPUs that have taken it out and are about to put it in */
};

/*
 * Locks: q run queue of unit->cpu, c constant after creation, o only the LWP itself, a atomic,
 * d that of kernel/sync/donation.c.
 */
struct lwp {
    struct arch_context context;     /* o, or whoever switches */
    struct mmu_context *mmu;         /* o  address space; NULL: kernel thread */
    enum lwp_state state;            /* q */
    enum wake_reason wake_reason;    /* q  of the last sched_block() */
    bool is_interruptible;           /* q  while blocked */
    struct sched_unit *_Atomic unit; /* q  what it is scheduled as: `own`, or its team's */
    struct sched_unit *next_unit;    /* q  what it becomes at the next switch; NULL: stays that */
    struct sched_unit own;           /* q  own.entity is its place, in a team, too */
    struct donation donation;        /* d */
    unsigned last_cpu;               /* q  where it was last given a CPU */
    atomic_bool interrupt;           /* a  to be looked at before returning to user mode */
    const struct lwp_ops *ops;       /* c */
    char name[LWP_NAME_MAX];         /* o */

    int trace_id;           /* c  its tid; below 0: a kernel thread; 0: an idle LWP */
    struct watched watched; /* q */

    uint64_t since_ns;      /* q  when it entered `state` */
    uint64_t run_ns;        /* q  time on a CPU, */
    uint64_t wait_ns;       /* q  and time waiting for one */
    uint64_t nr_waits;      /* q  times it gave it up to wait */
    uint64_t nr_switches;   /* q  times it was given a CPU, */
    uint64_t nr_migrations; /* q  and times that was another one than before */
};

/*
 * Its own priority, or a higher one that is lent to it. In a team it keeps what it had before. Any
 * context; without a lock, a moment old.
 */
static inline uint8_t lwp_priority(const struct lwp *lwp)
{
    uint8_t own = __atomic_load_n(&lwp->own.entity.params.priority, __ATOMIC_RELAXED);
    uint8_t lent = __atomic_load_n(&lwp->donation.lent, __ATOMIC_RELAXED);

    return MAX(own, lent);
}

/* The LWP that runs on the calling CPU. Any context; not NULL once the scheduler is up. */
DECLARE_PERCPU(struct lwp *, current_lwp);

static inline struct lwp *lwp_current(void)
{
    return this_cpu_read(current_lwp);
}

#endif
