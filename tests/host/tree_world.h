#ifndef TREE_WORLD_H
#define TREE_WORLD_H

/*
 * Random sequences of everything that can happen to two trees of the same shape, two CPUs so to
 * speak: leaves come, sleep, wake, yield, move and end; whole groups move (teams, as sched/unit.c
 * does it); tickets and tunables change; classes are replaced. After every step, all invariants
 * hold, and nobody starves. In the end, everybody comes out, once.
 */

#include "tree_driver.h"

struct world {
    const struct sched_class *const *classes; /* what groups are of, */
    unsigned nr_classes;                      /* and are replaced by if they work-conserve */
    bool replaces_classes;
    bool has_teams;
    bool retunes;
};

/* Steps from the seed on, repeatable. */
void world_run(const struct world *world, uint64_t seed, unsigned nr_steps);

/* Values for all tunables: the initial ones, a preset's, or random ones. */
void random_tunables(const struct sched_class *class, struct rng *rng,
                     uint64_t tunables[SCHED_TUNABLES_MAX]);

#endif
