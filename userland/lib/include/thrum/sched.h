#ifndef THRUM_SCHED_H
#define THRUM_SCHED_H

/*
 * Changing how LWPs are scheduled, and reading it: Thrum's own system calls. <abi/thrum.h> says
 * what each does, and which errors there are. A `tid` of 0 is the caller, a `pid` of 0 its process.
 * All return 0 or what is said below, or -1 with `errno` set.
 */

#include <stddef.h>
#include <stdint.h>

#include <abi/thrum.h>
#include <sys/types.h>

int sched_group_create(const char *class_name, int share_percent); /* the group's number */
int sched_group_destroy(int group);
int sched_join_group(int group, pid_t tid);

int sched_set_params(pid_t tid, const struct thrum_sched_params *params);
int sched_get_params(pid_t tid, struct thrum_sched_params *params);
int sched_set_share_of(pid_t tid, int percent);
int sched_set_scope(pid_t pid, int scope); /* THRUM_SCOPE_* */

/* The CPUs that an LWP may run on: bit n is CPU n. */
int sched_set_cpus(pid_t tid, uint64_t cpus);
int sched_get_cpus(pid_t tid, uint64_t *cpus);

int sched_set_class(const char *class_name); /* of the default group */
int sched_tune(int group, const char *name, uint64_t value);
int sched_use_preset(int group, const char *name);

/*
 * Records `first` and later of the list `what` (THRUM_LIST_*), at most nr_max of them; how many, 0:
 * there are no more. `record_bytes` is the size of one.
 */
int sched_list(unsigned what, uint64_t first, void *records, unsigned nr_max, size_t record_bytes);

/*
 * The whole list in memory of malloc(), and its length in *nr. NULL with `errno` set: it could not
 * be read.
 */
void *sched_list_all(unsigned what, size_t record_bytes, size_t *nr);

#endif
