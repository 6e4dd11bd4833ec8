#ifndef SCHED_CONTROL_H
#define SCHED_CONTROL_H

/*
 * Changing the scheduling of a running system: groups, classes, and what single LWPs ask for.
 *
 * Functions that take an LWP never sleep: any context, and locks below LOCK_RANK_SCHED_CONTROL may
 * be held, by which the caller keeps the LWP from going away. (sched_set_boost() and those that
 * only read: below LOCK_RANK_RUNQUEUE.) What they decide about an LWP that is running takes effect
 * when its CPU schedules next, which is asked for: before it is in user mode again. Those that only
 * read see it at once. Functions that take a group or a class may sleep.
 *
 * What fails has changed nothing. -ESRCH: the LWP has ended meanwhile, or has not been started.
 */

#include <sched/lwp.h>

#define SCHED_GROUPS_MAX          16
#define SCHED_GROUP_DEFAULT       0
#define SCHED_PROMISE_MAX_PERCENT 80

/* Ranges of struct sched_params. */
#define SCHED_TICKETS_MAX  65536
#define SCHED_NICE_MIN     (-20)
#define SCHED_NICE_MAX     19
#define SCHED_PRIORITY_MAX 63

/*
 * A group under the class of that name with a share of every CPU, 1 ... SCHED_PROMISE_MAX_PERCENT.
 * Its number, or -EINVAL: no such class or share, -EAGAIN: some CPU has not that much left,
 * -ENOSPC: too many groups, -ENOMEM.
 */
int sched_group_create(const char *class_name, int share_percent) MUST_CHECK;

/* -EINVAL: no such group, or the default group; -EBUSY: it has members. */
int sched_group_destroy(int group) MUST_CHECK;

/*
 * The default group goes over to another class, with everything in it, CPU by CPU. -EINVAL: no such
 * class, or one that is not work-conserving or makes promises to its entities; -ENOMEM.
 */
int sched_set_default_class(const char *class_name) MUST_CHECK;

/* Whether sched_set_default_class() takes it. */
bool sched_class_can_be_default(const struct sched_class *class);

/* -EINVAL: no such group, no such tunable of its class, or the value is out of range. */
int sched_tune(int group, const char *name, uint64_t value) MUST_CHECK;
int sched_use_preset(int group, const char *name) MUST_CHECK;

/*
 * The LWP leaves its group or its share. -EINVAL: no such group, or params that its class does not
 * take; -EBUSY: its class has no room.
 */
int sched_join_group(struct lwp *lwp, int group) MUST_CHECK;

/* Everything but boost_priority. -EINVAL: out of range; -EBUSY: the class cannot promise that. */
int sched_set_params(struct lwp *lwp, const struct sched_params *params) MUST_CHECK;
void sched_get_params(struct lwp *lwp, struct sched_params *params);

/* params.boost_priority: the highest priority lent to the LWP; 0: none. For kernel/sync/donation.c.
 */
void sched_set_boost(struct lwp *lwp, uint8_t priority);

/*
 * A guaranteed share of one CPU, in percent, outside of all groups; 0 gives it back, and the LWP is
 * in the default group. -EINVAL outside 0...100, -EAGAIN when no CPU of its affinity can promise
 * that much (SCHED_PROMISE_MAX_PERCENT in all, on each).
 */
int sched_set_share(struct lwp *lwp, int percent) MUST_CHECK;
unsigned sched_share(struct lwp *lwp);

/*
 * Bit n: the LWP may run on CPU n. -EINVAL: none of them exists; -EAGAIN: it has a share, and
 * -EBUSY: a promise, that none of them can give it.
 */
int sched_set_affinity(struct lwp *lwp, uint64_t cpus) MUST_CHECK;
uint64_t sched_affinity(struct lwp *lwp);

int sched_group_of(struct lwp *lwp);

/* NULL: there is no such group. */
const struct sched_class *sched_class_of_group(int group);

#endif
