#ifndef TREE_DRIVER_H
#define TREE_DRIVER_H

/*
 * Drives the tree of queues of one CPU as the core does, without the core: it charges, arms the end
 * of slices, puts back and picks in the order of sched/core.c, under sched_driver.h's clock, and
 * checks the invariants of sched/tree.c.
 */

#include "sched_driver.h"

#include <sched/tree.h>

#define DTREE_QUEUES_MAX 6
#define PERCENT(n)       ((n)*SCHED_TICKETS_PER_PERCENT)

/* An LWP, as far as a tree knows. */
struct leaf {
    struct sched_entity entity; /* first, so that a sched_entity pointer is one to this */
    bool is_present;            /* what the test expects: waiting or running */
    bool is_admitted;           /* its queue's class has promised it something */
    uint64_t ran_ns;
};

/*
 * A CPU's queues: [0] is the root, and each other one has its group in an earlier one. Groups that
 * are not among these, as teams, may be members, too.
 */
struct dtree {
    struct sched_queue queue[DTREE_QUEUES_MAX];
    struct sched_entity group[DTREE_QUEUES_MAX]; /* stands for queue[i], for i > 0 */
    unsigned nr_queues;
    struct leaf *current; /* whom the last tree_pick() answered, until it goes away */
    unsigned nr_present;  /* leaves */
    uint64_t charged_until_ns;
    uint64_t slice_end_ns; /* what the timer is armed for */
};

/* A tree that is only its root, under stride; and its end: everybody who is runnable comes out,
 * once, and then nothing is left. The leaves are freed. */
struct dtree *dtree_new(void);
void dtree_end(struct dtree *t);

/* A new group within `parent`, empty. */
struct sched_queue *dtree_add_group(struct dtree *t, struct sched_queue *parent,
                                    const struct sched_class *class, uint32_t tickets);

/* Charges the current leaf up to now. */
void dtree_charge(struct dtree *t);

/* The timer's interrupt: charges, and arms the timer again if the slice is not over. */
void dtree_tick(struct dtree *t);

/* Who runs next; nobody exactly when all that are present are throttled, or none is. */
void dtree_pick(struct dtree *t);

/* What the core does when the current leaf may have to go, but stays runnable. */
void dtree_reschedule(struct dtree *t, bool is_yield);

/* From away to waiting. Whether the current leaf has to make way, which it does not yet. */
bool dtree_enqueue(struct dtree *t, struct leaf *leaf, enum sched_enqueue why);

/* From waiting or running to away. */
void dtree_dequeue(struct dtree *t, struct leaf *leaf, enum sched_dequeue why);

/* Anything may have changed: the core's rq_changed(). */
void dtree_changed(struct dtree *t);

/*
 * The same, after tree_enqueue() has said how long the current leaf may go on: that, and what was
 * known before, is all there is to know. Whether the leaf has to make way.
 */
bool dtree_arrived(struct dtree *t, uint64_t slice_ns);

/* A new leaf of `q`, waiting. It preempts nobody at once. */
struct leaf *dtree_spawn(struct dtree *t, struct sched_queue *q, uint32_t tickets);

/* Wakes the leaf, and lets it have the CPU if it is to have it at once. */
void dtree_wake(struct dtree *t, struct leaf *leaf);

/* The current leaf blocks; somebody else goes on. */
void dtree_block(struct dtree *t);

/* How long the current leaf may go on. */
uint64_t dtree_slice_ns(const struct dtree *t);

/* Time passes in which nothing happens but the end of slices and of throttling. */
void dtree_run_for(struct dtree *t, uint64_t ns);

/* Whether somebody is to take over on a level of the running path. */
bool dtree_is_preempted(const struct dtree *t);

bool queue_is_throttled(const struct sched_queue *q);

/* Running and waiting members of `q` that are leaves, or in groups below. */
unsigned queue_count_leaves(const struct sched_queue *q);

/* All invariants of sched/tree.c. */
void dtree_check(const struct dtree *t);

#endif
