#ifndef SCHED_CLASS_H
#define SCHED_CLASS_H

/*
 * The one interface between scheduling mechanism and scheduling policy.
 *
 * A *class* is a policy: one const table of functions in one file of sched/classes/. It orders the
 * *entities* of a *queue*. An entity is an LWP or a group; a group is itself a queue under some
 * class, so policies nest. Every CPU has its own tree of queues.
 *
 * A class is pure. It is told the time, and never reads a clock, takes a lock, allocates, or knows
 * what a CPU is. Its calls on one queue never overlap: the caller holds the lock of the tree, with
 * interrupts off. So the same object code runs in the kernel, in the simulator and under property
 * tests. A class includes this header, <kernel/list.h>, <kernel/rbtree.h> and <kernel/types.h>, and
 * nothing else.
 *
 * An entity of a queue is in one of three states:
 *
 *     away ---enqueue(NEW, WAKE, MOVED_IN)---> waiting ---pick---> running
 *      ^                                        |  ^                |  |
 *      +---------dequeue(MOVED_OUT)-------------+  +--enqueue-------+  |
 *      |                                   (PREEMPTED, EXPIRED, YIELD) |
 *      +----------------dequeue(BLOCKED, EXITED, MOVED_OUT)------------+
 *
 * A queue has at most one running entity. A running entity is in none of the class's structures of
 * waiting ones. When the whole group is preempted from outside, its running entity stays running,
 * with what is left of its quantum: the class hears nothing of it.
 *
 * A class that lets nobody run although somebody waits is *throttling*: its group counts as empty
 * until next_event_ns(), or until somebody is enqueued.
 *
 * The core keeps the fields above the line "of the class" itself; a class only reads them.
 */

#include <kernel/errno.h>
#include <kernel/list.h>
#include <kernel/types.h>

#define SCHED_NAME_MAX           16
#define SCHED_TUNABLES_MAX       24
#define SCHED_ENTITY_STATE_BYTES 96
#define SCHED_TIME_NEVER         UINT64_MAX

/* Tickets of an entity that asked for nothing, and of a share of one percent of a CPU. */
#define SCHED_TICKETS_DEFAULT     100
#define SCHED_TICKETS_PER_PERCENT 100

struct sched_class;
struct sched_queue;

/* What a user may ask for an entity. A class uses what it understands of it. */
struct sched_params {
    uint32_t tickets;       /* proportional classes: weight, >= 1 */
    int8_t nice;            /* -20 (favoured) ... 19 */
    uint8_t priority;       /* fixed-priority classes: 0 (lowest) ... 63 */
    uint8_t boost_priority; /* the highest priority donated to it, 0 when none */
    uint64_t runtime_ns;    /* deadline classes: runtime_ns in every period_ns, */
    uint64_t deadline_ns;   /* done deadline_ns after the period's start */
    uint64_t period_ns;
};

struct sched_entity {
    struct sched_queue *queue;     /* the queue that it belongs to, also while away; NULL: none */
    struct sched_queue *group;     /* the queue that it stands for; NULL: an LWP */
    struct list_node present_link; /* on queue->present exactly while it is */
    bool is_present;               /* waiting or running; not away */
    uint64_t waits_since_ns;       /* while waiting: queue->granted_ns when that began */
    struct sched_params params;

    /*
     * Of `class`: all zero when the entity joins it, kept when it moves to another CPU's queue of
     * the same class, or sleeps while its queue has another class for a time: so nothing in it that
     * is used after enqueue(WAKE) may point into a queue's state. NULL: of none; it joins when it
     * is enqueued next.
     */
    const struct sched_class *class;
    alignas(16) unsigned char state[SCHED_ENTITY_STATE_BYTES];
};

struct sched_queue {
    const struct sched_class *class;
    struct sched_entity *self;    /* the entity that stands for this queue; NULL: the root */
    uint32_t number;              /* the core's: the same for a group's queues on all CPUs */
    struct sched_entity *running; /* NULL: none */
    struct list present;          /* all waiting entities and the running one, in no useful order */
    uint32_t nr_waiting;
    bool is_preempted;               /* a waiting entity is to take over from `running` */
    uint32_t guaranteed_percent;     /* of the CPU, whatever else there is to run; 0: nothing */
    uint64_t granted_ns;             /* time that its entities have had, less what ends of slices
                                        came late */
    uint64_t watched_since_ns;       /* granted_ns since which its starvation limit has held */
    struct list_node throttled_link; /* on the root's list, while its class lets nobody run */
    struct list throttled;           /* of a root: the queues below it that are throttled */
    struct sched_queue *broken;      /* of a root: a queue whose class breaks its promises */
    uint64_t tunable[SCHED_TUNABLES_MAX]; /* values of class->tunables, same index */

    /* Of the class: class->queue_bytes, all zero before queue_init(). */
    void *state;
};

/* Why an entity becomes waiting. */
enum sched_enqueue {
    /* It was away. */
    SCHED_ENQUEUE_NEW,      /* for the first time in this class */
    SCHED_ENQUEUE_WAKE,     /* after it was blocked */
    SCHED_ENQUEUE_MOVED_IN, /* from another queue of the same class (another CPU) */
    /* It was running. */
    SCHED_ENQUEUE_PREEMPTED, /* before its slice was over: it keeps its place where that has a sense
                              */
    SCHED_ENQUEUE_EXPIRED,   /* slice_ns() said 0 */
    SCHED_ENQUEUE_YIELD,     /* it asked for it */
};

/* Why an entity goes away. */
enum sched_dequeue {
    SCHED_DEQUEUE_BLOCKED,   /* was running */
    SCHED_DEQUEUE_EXITED,    /* was running; never comes back */
    SCHED_DEQUEUE_MOVED_OUT, /* was waiting or running; to another CPU, or to another class */
};

/* A number that can be set at run time: `CLASS.NAME=VALUE` on the kernel command line. */
struct sched_tunable {
    const char *name;
    const char *help; /* one line; names the unit */
    uint64_t initial, min, max;
};

/*
 * Named values for all tunables at once: `CLASS.preset=NAME`. It may also set what is around the
 * class.
 */
struct sched_preset {
    const char *name; /* NULL ends a list of presets */
    uint64_t value[SCHED_TUNABLES_MAX];
    const char *help;         /* one line */
    bool is_scope_process;    /* new processes have the scope `process` */
    uint64_t team_quantum_us; /* a turn within such a process; 0: as it was */
    uint64_t root_quantum_us; /* a turn at the root of the tree; 0: as it was */
};

struct sched_class {
    const char *name; /* unique; shorter than SCHED_NAME_MAX */
    const char *help; /* one line */

    /* Sizes of the private blocks. entity_bytes <= SCHED_ENTITY_STATE_BYTES. */
    size_t entity_bytes;
    size_t queue_bytes;

    /* Whether pick() never returns NULL while entities wait. */
    bool is_work_conserving;

    /*
     * With the tunables of `q` and up to 100 entities, no entity waits while others of the queue
     * run for longer than this, in all. NULL: the class makes no such promise. The watchdog holds a
     * class to it.
     */
    uint64_t (*starvation_limit_ns)(const struct sched_queue *q);

    const struct sched_tunable *tunables; /* nr_tunables of them; may be NULL when 0 */
    unsigned nr_tunables;
    const struct sched_preset *presets; /* ended by a NULL name; NULL: none */

    /* Prepares q->state, which is zeroed. NULL: zeroes are right. */
    void (*queue_init)(struct sched_queue *q, uint64_t now_ns);

    /*
     * Tunables of `q` have just been changed; it may hold entities. Values are within min..max.
     * NULL: nothing to do.
     */
    void (*retuned)(struct sched_queue *q, uint64_t now_ns);

    /*
     * For a class that promises its entities something (deadline classes): whether it can promise
     * `wanted` in `q`, beside what it has promised. If so, it has. 0, -EINVAL: such params make no
     * sense, or -EBUSY: there is no room. What has just been released fits again. Who is promised
     * something stays on its CPU. NULL: the class promises nothing.
     */
    int (*admit)(struct sched_queue *q, const struct sched_params *wanted);

    /* The end of a promise of admit(). Must be there when admit is. */
    void (*release)(struct sched_queue *q, const struct sched_params *held);

    /* `e`, with zeroed state, becomes a member of `q`; it is away. NULL: zeroes are right. */
    void (*join)(struct sched_queue *q, struct sched_entity *e, uint64_t now_ns);

    /*
     * `e` becomes waiting. The time of the running entity up to now_ns has been charged, here and
     * before dequeue(), retuned() and params_changed(). e->params may differ from the last time,
     * and after SCHED_ENQUEUE_WAKE `q` may be another CPU's queue than the one it blocked in. Must
     * be there.
     */
    void (*enqueue)(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                    uint64_t now_ns);

    /* `e`, waiting or running (q->running == e), goes away. Must be there. */
    void (*dequeue)(struct sched_queue *q, struct sched_entity *e, enum sched_dequeue why,
                    uint64_t now_ns);

    /*
     * The entity to run next, which is then running (the core sets q->running). NULL: none is
     * waiting, or all are throttled until next_event_ns(). Must be there.
     */
    struct sched_entity *(*pick)(struct sched_queue *q, uint64_t now_ns);

    /* The running entity ran for ran_ns up to now_ns. Never called twice for the same time. NULL:
     * not counted. */
    void (*charge)(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns, uint64_t now_ns);

    /*
     * The running entity yields, or blocks, and others wait: what charge(),
     * enqueue(SCHED_ENQUEUE_YIELD) or dequeue(SCHED_DEQUEUE_BLOCKED), pick() and slice_ns() do one
     * after the other, in one call, since this is how a CPU is handed on most often. NULL: the core
     * calls those. A throttling class has none.
     */
    struct sched_entity *(*yield)(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                                  uint64_t now_ns, uint64_t *slice_ns);
    struct sched_entity *(*block)(struct sched_queue *q, struct sched_entity *e, uint64_t ran_ns,
                                  uint64_t now_ns, uint64_t *slice_ns);

    /*
     * How much longer the running entity may run while others wait; 0: its slice is over.
     * All time up to now_ns has been charged. NULL: for ever (SCHED_TIME_NEVER).
     */
    uint64_t (*slice_ns)(const struct sched_queue *q, const struct sched_entity *e,
                         uint64_t now_ns);

    /* Whether waiting `woken` is to take the CPU from q->running at once. NULL: never. */
    bool (*preempts)(const struct sched_queue *q, const struct sched_entity *woken,
                     const struct sched_entity *running, uint64_t now_ns);

    /*
     * When pick() may have something again, or some waiting entity may preempt, by the passing of
     * time alone; absolute. Once that time has come, it is still the answer, or SCHED_TIME_NEVER,
     * until pick() has been called: a time further on would be waited for. NULL: SCHED_TIME_NEVER.
     */
    uint64_t (*next_event_ns)(const struct sched_queue *q, uint64_t now_ns);

    /*
     * e->params have changed from `old` while e was waiting or running. Slices may be over by it:
     * the core asks slice_ns() again. NULL: nothing to do.
     */
    void (*params_changed)(struct sched_queue *q, struct sched_entity *e,
                           const struct sched_params *old, uint64_t now_ns);

    /* What getlev() answers for a member. NULL: -1. */
    int (*level)(const struct sched_queue *q, const struct sched_entity *e);

    /* The virtual time that a member has got to, for people to look at. NULL: the class has none.
     */
    uint64_t (*pass)(const struct sched_queue *q, const struct sched_entity *e);
};

/*
 * Registers a class: a pointer in a linker section, so that a new policy is one new file. The
 * symbol's name must be the class's name.
 */
#define SCHED_CLASS_REGISTER(symbol)                                                               \
    _Static_assert(sizeof(#symbol) <= SCHED_NAME_MAX, "class name too long");                      \
    static const struct sched_class *const sched_class_entry_##symbol                              \
        __attribute__((used, section("sched_classes"))) = &symbol

/* The class of that name; NULL: none. */
const struct sched_class *sched_class_find(const char *name);

/* All registered classes, from begin up to (not including) end. */
extern const struct sched_class *const __start_sched_classes[];
extern const struct sched_class *const __stop_sched_classes[];

#endif
