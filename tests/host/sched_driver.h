#ifndef SCHED_DRIVER_H
#define SCHED_DRIVER_H

/*
 * Drives a scheduling class as the core does, without the core: it keeps the fields that class.h
 * says the core keeps, makes the calls of the protocol in the order of the protocol, lets virtual
 * time pass, and checks with every call what must hold for any class:
 *
 *   - pick() answers with somebody who waits in that queue, and with NULL only when nobody waits
 * (of a class that says it is work-conserving), otherwise with a next event that is to come;
 *   - a class writes only the bytes of state that it asked for;
 *   - when a queue is emptied in the end, everybody who was waiting comes out, once.
 *
 * Entities are freed when they exit, so a class that still holds one is caught by ASan.
 *
 * The contract leaves open whether the core's fields change just before or just after enqueue() is
 * called; driver_reset() chooses by its seed.
 */

#include "host_test.h"

#include <sched/class.h>

enum driver_place { DRIVER_AWAY, DRIVER_WAITING, DRIVER_RUNNING };

struct driver_queue {
    struct sched_queue q;
};

struct driver_entity {
    struct sched_entity entity; /* first, so that a sched_entity pointer is one to this */
    enum driver_place place;
    unsigned slot;             /* driver_random(): its number there */
    unsigned epoch;            /* goes up when it joins, leaves, moves, yields, or changes params */
    uint64_t ran_ns;           /* all charges */
    uint64_t waiting_since_ns; /* while it waits */
    uint64_t longest_wait_ns;  /* as far as waits have ended */
};

/* The time that classes are told. One clock for all queues. */
extern uint64_t driver_now_ns;

/* Starts the clock anew. */
void driver_reset(uint64_t seed);

/* A class linked into the test. Fails when there is none of that name. */
const struct sched_class *driver_class(const char *name);

/* A queue with the class's initial tunables, and its end, which empties it and checks. */
struct driver_queue *driver_queue_new(const struct sched_class *class);
void driver_queue_end(struct driver_queue *dq);

/* New values for one tunable, or for all. */
void driver_tune(struct driver_queue *dq, const char *name, uint64_t value);
void driver_use_preset(struct driver_queue *dq, const char *name);

/* A new member of the queue, waiting, or running if it preempts. */
struct driver_entity *driver_spawn(struct driver_queue *dq);
struct driver_entity *driver_spawn_tickets(struct driver_queue *dq, uint32_t tickets);
struct driver_entity *driver_spawn_params(struct driver_queue *dq,
                                          const struct sched_params *params);

/* What happens to an entity. The first is for one that is away, the others for one that is not. */
void driver_wake(struct driver_entity *de);
void driver_move(struct driver_entity *de, struct driver_queue *to);
void driver_set_tickets(struct driver_entity *de, uint32_t tickets);

/* For one in any place; one that is away joins or wakes with them. */
void driver_set_params(struct driver_entity *de, const struct sched_params *params);

/* What happens to the running entity. None runs afterwards. */
void driver_block(struct driver_queue *dq);
void driver_exit(struct driver_queue *dq);
void driver_put_back(struct driver_queue *dq, enum sched_enqueue why);

/* Picks, and answers who runs now; NULL: nobody. */
struct driver_entity *driver_pick(struct driver_queue *dq);
struct driver_entity *driver_running(const struct driver_queue *dq);

/*
 * How much longer the running one may run, until its slice ends or the class's next event is due;
 * SCHED_TIME_NEVER when nobody waits, unless the class is not work-conserving.
 */
uint64_t driver_slice_ns(const struct driver_queue *dq);

/* The running one runs and is charged. No decision is taken. */
void driver_charge(struct driver_queue *dq, uint64_t ran_ns);

/* As the core does at its decision points: ends a slice that is over, picks when nobody runs. */
void driver_decide(struct driver_queue *dq);

/* Time passes in which nothing happens but the end of slices, and next events. */
void driver_run_for(struct driver_queue *dq, uint64_t ns);

/* Runs the running one to the end of its slice, and answers who that was. */
struct driver_entity *driver_run_slice(struct driver_queue *dq);

/* Whether the class would have a waiting entity take the CPU from the running one. */
bool driver_preempts(const struct driver_entity *woken);

int driver_level(const struct driver_entity *de);

/* Time passes while nothing of the queues runs. */
void driver_sleep(uint64_t ns);

/*
 * A random sequence of everything above on two queues and up to DRIVER_SLOTS entities, repeatable
 * by its seed. `after_step` (may be NULL) is called after every step with all slots, empty ones
 * NULL.
 */
#define DRIVER_SLOTS 12

struct driver_random {
    const struct sched_class *class;
    uint64_t seed;
    unsigned nr_steps;
    bool retunes;           /* whether tunables change on the way */
    bool varies_priorities; /* whether niceness, priorities and donations change, too */
    bool varies_promises; /* whether there are runtimes, deadlines and periods; none is admitted */
    void (*after_step)(struct driver_entity *const slots[DRIVER_SLOTS], void *context);
    void *context;
};

void driver_random(const struct driver_random *random);

/* Whether a class's tables are in order: names, ranges, presets, sizes. */
void driver_check_tables(const struct sched_class *class);

#endif
