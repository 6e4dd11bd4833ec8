/* Scheduling: thin functions over Thrum's system calls. */

#include <errno.h>
#include <stdlib.h>

#include <sys/syscall.h>
#include <thrum/sched.h>

#include "runtime.h"

int sched_group_create(const char *class_name, int share_percent)
{
    return (int)syscall_result(
        syscall6(THRUM_SYS_sched_group_create, (long)class_name, share_percent, 0, 0, 0, 0));
}

int sched_group_destroy(int group)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_group_destroy, group, 0, 0, 0, 0, 0));
}

int sched_join_group(int group, pid_t tid)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_join_group, group, tid, 0, 0, 0, 0));
}

int sched_set_params(pid_t tid, const struct thrum_sched_params *params)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_set_params, tid, (long)params, 0, 0, 0, 0));
}

int sched_get_params(pid_t tid, struct thrum_sched_params *params)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_get_params, tid, (long)params, 0, 0, 0, 0));
}

int sched_set_share_of(pid_t tid, int percent)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_set_share_of, tid, percent, 0, 0, 0, 0));
}

int sched_set_scope(pid_t pid, int scope)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_set_scope, pid, scope, 0, 0, 0, 0));
}

int sched_set_cpus(pid_t tid, uint64_t cpus)
{
    return (int)syscall_result(
        syscall6(__NR_sched_setaffinity, tid, sizeof(cpus), (long)&cpus, 0, 0, 0));
}

/* The system call returns how many bytes it has stored. */
int sched_get_cpus(pid_t tid, uint64_t *cpus)
{
    long answer =
        syscall_result(syscall6(__NR_sched_getaffinity, tid, sizeof(*cpus), (long)cpus, 0, 0, 0));

    return answer < 0 ? -1 : 0;
}

int sched_set_class(const char *class_name)
{
    return (int)syscall_result(
        syscall6(THRUM_SYS_sched_set_class, (long)class_name, 0, 0, 0, 0, 0));
}

int sched_tune(int group, const char *name, uint64_t value)
{
    return (int)syscall_result(
        syscall6(THRUM_SYS_sched_tune, group, (long)name, (long)value, 0, 0, 0));
}

int sched_use_preset(int group, const char *name)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_use_preset, group, (long)name, 0, 0, 0, 0));
}

int sched_list(unsigned what, uint64_t first, void *records, unsigned nr_max, size_t record_bytes)
{
    return (int)syscall_result(syscall6(THRUM_SYS_sched_list, what, (long)first, (long)records,
                                        nr_max, (long)record_bytes, 0));
}

/* The number of the record that follows this one. */
static uint64_t number_after(unsigned what, const void *last, uint64_t nr)
{
    const struct thrum_sched_lwp *lwp = last;

    return what == THRUM_LIST_LWPS ? (uint64_t)lwp->tid + 1 : nr;
}

void *sched_list_all(unsigned what, size_t record_bytes, size_t *nr)
{
    size_t nr_room = 32;
    uint64_t first = 0;
    char *records = NULL;

    for (*nr = 0;;) {
        char *larger = realloc(records, nr_room * record_bytes);
        if (!larger) {
            free(records);
            return NULL;
        }
        records = larger;
        int nr_read = sched_list(what, first, records + *nr * record_bytes,
                                 (unsigned)(nr_room - *nr), record_bytes);
        if (nr_read < 0) {
            free(records);
            return NULL;
        }
        *nr += (size_t)nr_read;
        if (*nr < nr_room)
            return records;
        first = number_after(what, records + (*nr - 1) * record_bytes, *nr);
        nr_room *= 2;
    }
}
