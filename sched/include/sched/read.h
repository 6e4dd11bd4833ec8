#ifndef SCHED_READ_H
#define SCHED_READ_H

/*
 * Reading what scheduling knows, as programs see it (abi/thrum.h). Any context; locks below
 * LOCK_RANK_RUNQUEUE may be held. Records are zeroed by the caller.
 *
 * Those of a list are numbered from 0; false: there is none with that number. Two reads are two
 * moments: a list may change between them.
 */

#include <abi/thrum.h>
#include <sched/lwp.h>

/* Everything but `tid` and `pid`. The caller keeps the LWP from going away. */
void sched_read_lwp(struct lwp *lwp, struct thrum_sched_lwp *record);

bool sched_read_cpu(uint64_t cpu, struct thrum_sched_cpu *record);

/* Groups in the order of their numbers, which have gaps. */
bool sched_read_group(uint64_t n, struct thrum_sched_group *record);
bool sched_read_class(uint64_t n, struct thrum_sched_class *record);
bool sched_read_tunable(uint64_t n, struct thrum_sched_tunable *record);
bool sched_read_preset(uint64_t n, struct thrum_sched_preset *record);

/* Time that the LWP has run up to now. The caller keeps it from going away. */
uint64_t sched_run_ns_of(struct lwp *lwp);

/* How long a turn in the group is; 0: for ever, or its class does not say. */
uint64_t sched_read_turn_ns(int group);

struct thrum_sched_params sched_params_to_abi(const struct sched_params *params);

#endif
