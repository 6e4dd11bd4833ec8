#ifndef SCHED_TREE_H
#define SCHED_TREE_H

/*
 * Nested queues: the mechanism between the core and the classes (sched/tree.c has the theory).
 * Pure, like the classes: the caller holds the lock of the tree and tells the time. A *leaf* is an
 * entity that stands for an LWP; a group that is moved as a whole is treated like one.
 */

#include <sched/class.h>

/* Prepares a queue; `state` is class->queue_bytes long and zeroed, and tunables get their initial
 * values. `self`: see struct sched_queue. */
void sched_queue_init(struct sched_queue *q, const struct sched_class *class,
                      struct sched_entity *self, void *state, uint64_t now_ns);

/* Makes `e`, which is away, a member of `q`: what it was elsewhere is forgotten. */
void tree_join(struct sched_queue *q, struct sched_entity *e);

/*
 * The leaf, which was away, becomes waiting, and so do the groups above it that were empty. How
 * long the running path may go on because of that (0: the running leaf is to be preempted;
 * SCHED_TIME_NEVER: it makes no difference); what was known about its slice before still holds.
 */
uint64_t tree_enqueue(struct sched_entity *leaf, enum sched_enqueue why, uint64_t now_ns);

/* The leaf, waiting or running, goes away, and so do the groups above it that become empty. */
void tree_dequeue(struct sched_entity *leaf, enum sched_dequeue why, uint64_t now_ns);

/*
 * The leaf to run, which is running then, with what tree_slice_ns() says for it; NULL: nothing is
 * to run, before tree_next_event_ns(). Sets root->broken when a class has let nobody run, and has
 * not said until when.
 */
struct sched_entity *tree_pick(struct sched_queue *root, uint64_t now_ns, uint64_t *slice_ns);

/* When a throttled queue is to be tried again; SCHED_TIME_NEVER: there is none. */
uint64_t tree_next_event_ns(const struct sched_queue *root, uint64_t now_ns);

/* Time that has passed for the running path. */
struct tree_time {
    uint64_t ran_ns;
    uint64_t granted_ns; /* of it, but for what was after the end of its slice */
    uint64_t now_ns;
};

/* Charges the leaf, and the groups above it. Nothing happens if it is not running. */
void tree_charge(struct sched_entity *leaf, struct tree_time time);

/*
 * As tree_charge() for the current leaf, and then tree_pick(), after putting back what
 * has to go: on every level of the running path, an entity whose slice is over or that is
 * preempted, and with `is_yield` the leaf.
 */
struct sched_entity *tree_pick_again(struct sched_queue *root, struct sched_entity *leaf,
                                     bool is_yield, struct tree_time time, uint64_t *slice_ns);

/*
 * The short way of a yield, or of one that blocks: the next entity of the same queue takes over
 * from the current leaf, and nothing changes above. tree_may_hand_on() says whether it can be gone.
 * Then tree_hand_on() charges the leaf, puts it back (`is_yield`) or lets it go away, and returns
 * who is to run, with its slice; NULL: tree_pick() has to say that, since the next one is a group,
 * or the class has broken its promise.
 */
bool tree_may_hand_on(const struct sched_queue *root, const struct sched_entity *leaf,
                      bool is_yield);
struct sched_entity *tree_hand_on(struct sched_entity *leaf, bool is_yield, struct tree_time time,
                                  uint64_t *slice_ns);

/*
 * How long the running path may go on before tree_pick_again() has work: the least of its levels'
 * slices and next events; 0: at once; SCHED_TIME_NEVER: until something else changes.
 */
uint64_t tree_slice_ns(const struct sched_queue *root, uint64_t now_ns);

/*
 * Gives `q` another class, which is work-conserving, with `state` as for sched_queue_init() and
 * values for all of its tunables; nothing of the old one's is used any more. Its members stay,
 * present or away, and what runs goes on. All time up to now_ns has been charged. Whether the
 * running leaf of the tree is to be preempted.
 */
bool tree_replace_class(struct sched_queue *q, const struct sched_class *class, void *state,
                        const uint64_t *tunables, uint64_t now_ns);

/* Sets all tunables of `q`. All time up to now_ns has been charged; slices may be over by it. */
void tree_tune(struct sched_queue *q, const uint64_t *tunables, uint64_t now_ns);

/* A member that has waited for longer than the class of `q` promised; NULL: none. */
const struct sched_entity *tree_find_starved(const struct sched_queue *q);

/* ---- Between tree.c and control/tree_change.c ------------------------------------------------ */

/* `e`, which is away, becomes waiting in `q`; nothing happens above. */
void tree_arrive(struct sched_queue *q, struct sched_entity *e, enum sched_enqueue why,
                 uint64_t now_ns);

/* Whether the running leaf of the tree is in `q` or below it. */
bool tree_is_on_running_path(const struct sched_queue *q);

#endif
