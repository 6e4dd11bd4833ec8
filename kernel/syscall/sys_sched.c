/* System calls about scheduling: Thrum's own. sys_policy.c has Linux's. */

#include <kernel/errno.h>
#include <kernel/string.h>
#include <mm/user_copy.h>
#include <proc/id.h>
#include <proc/process.h>
#include <proc/report.h>
#include <sched/control.h>
#include <sched/read.h>
#include <sched/sched.h>
#include <sched/team.h>

#include "sys.h"

int64_t sys_sched_yield(void)
{
    sched_yield();
    return 0;
}

int64_t sys_sched_getlev(void)
{
    return sched_level();
}

/* A name of a class, tunable or preset. Nothing has a longer name: -EINVAL then. 0, -EFAULT. */
static int read_name(char name[THRUM_SCHED_NAME_MAX], vaddr_t at)
{
    int64_t length = user_copy_string(name, at, THRUM_SCHED_NAME_MAX);

    if (length == -ENAMETOOLONG)
        return -EINVAL;
    return length < 0 ? (int)length : 0;
}

/* ---- Single LWPs and processes -------------------------------------------------------------- */

static int visit_set_share(struct user_lwp *lwp, void *percent)
{
    return sched_set_share(&lwp->lwp, *(int *)percent);
}

int64_t sys_sched_set_share_of(int tid, int percent)
{
    return user_lwp_visit(tid, VISIT_TO_CONTROL, visit_set_share, &percent);
}

int64_t sys_sched_set_share(int percent)
{
    return sys_sched_set_share_of(0, percent);
}

static int visit_join_group(struct user_lwp *lwp, void *group)
{
    return sched_join_group(&lwp->lwp, *(int *)group);
}

int64_t sys_sched_join_group(int group, int tid)
{
    return user_lwp_visit(tid, VISIT_TO_CONTROL, visit_join_group, &group);
}

static int visit_set_params(struct user_lwp *lwp, void *params)
{
    return sched_set_params(&lwp->lwp, params);
}

int64_t sys_sched_set_params(int tid, vaddr_t params_at)
{
    struct thrum_sched_params wanted;
    struct sched_params params;

    if (user_copy_from(&wanted, params_at, sizeof(wanted)) != 0)
        return -EFAULT;
    /* sched_set_params() looks at the rest; these do not fit its structure. */
    if (wanted.nice < INT8_MIN || wanted.nice > INT8_MAX || wanted.priority > UINT8_MAX ||
        wanted.reserved != 0)
        return -EINVAL;
    params = (struct sched_params){
        .tickets = wanted.tickets,
        .nice = (int8_t)wanted.nice,
        .priority = (uint8_t)wanted.priority,
        .runtime_ns = wanted.runtime_ns,
        .deadline_ns = wanted.deadline_ns,
        .period_ns = wanted.period_ns,
    };
    return user_lwp_visit(tid, VISIT_TO_CONTROL, visit_set_params, &params);
}

static int visit_get_params(struct user_lwp *lwp, void *params)
{
    sched_get_params(&lwp->lwp, params);
    return 0;
}

int64_t sys_sched_get_params(int tid, vaddr_t params_at)
{
    struct sched_params params;
    struct thrum_sched_params result;
    int error = user_lwp_visit(tid, 0, visit_get_params, &params);

    if (error != 0)
        return error;
    result = sched_params_to_abi(&params);
    return user_copy_to(params_at, &result, sizeof(result));
}

static int visit_set_team(struct process *process, void *team)
{
    bool is_alive;

    spin_lock(&process->lock);
    is_alive = process->nr_live > 0;
    if (is_alive)
        process_set_team(process, team);
    spin_unlock(&process->lock);
    return is_alive ? 0 : -ESRCH;
}

int64_t sys_sched_set_scope(int pid, int scope)
{
    struct sched_team *team = NULL;
    int error;

    if (scope != THRUM_SCOPE_SYSTEM && scope != THRUM_SCOPE_PROCESS)
        return -EINVAL;
    if (scope == THRUM_SCOPE_PROCESS && (team = sched_team_new()) == NULL)
        return -ENOMEM;
    error = process_visit(pid, visit_set_team, &team);
    sched_team_free(team); /* unless the process has it now */
    return error;
}

/* ---- Groups and classes --------------------------------------------------------------------- */

int64_t sys_sched_group_create(vaddr_t class_at, int percent)
{
    char name[THRUM_SCHED_NAME_MAX];
    int error = read_name(name, class_at);

    return error != 0 ? error : sched_group_create(name, percent);
}

int64_t sys_sched_group_destroy(int group)
{
    return sched_group_destroy(group);
}

int64_t sys_sched_set_class(vaddr_t class_at)
{
    char name[THRUM_SCHED_NAME_MAX];
    int error = read_name(name, class_at);

    return error != 0 ? error : sched_set_default_class(name);
}

int64_t sys_sched_tune(int group, vaddr_t name_at, uint64_t value)
{
    char name[THRUM_SCHED_NAME_MAX];
    int error = read_name(name, name_at);

    return error != 0 ? error : sched_tune(group, name, value);
}

int64_t sys_sched_use_preset(int group, vaddr_t name_at)
{
    char name[THRUM_SCHED_NAME_MAX];
    int error = read_name(name, name_at);

    return error != 0 ? error : sched_use_preset(group, name);
}

/* ---- Lists ---------------------------------------------------------------------------------- */

union record {
    struct thrum_sched_lwp lwp;
    struct thrum_sched_cpu cpu;
    struct thrum_sched_group group;
    struct thrum_sched_class class;
    struct thrum_sched_tunable tunable;
    struct thrum_sched_preset preset;
};

static int visit_read_lwp(struct user_lwp *lwp, void *out)
{
    user_lwp_read(lwp, out);
    return 0;
}

/* Record number *n, or the one after it that there is; its number is in *n then. */
typedef bool (*record_reader)(union record *record, uint64_t *n);

/* Whom a number names may have gone before it is visited: then the next one. */
static bool read_lwp(union record *record, uint64_t *n)
{
    int tid = (int)MIN(*n, (uint64_t)INT32_MAX), error = -ESRCH;

    for (; error == -ESRCH && (tid = id_next_lwp(tid)) != 0; tid++) {
        *n = (uint64_t)tid;
        error = user_lwp_visit(tid, VISIT_ENDED, visit_read_lwp, &record->lwp);
    }
    return error == 0;
}

static bool read_cpu(union record *record, uint64_t *n)
{
    return sched_read_cpu(*n, &record->cpu);
}

static bool read_group(union record *record, uint64_t *n)
{
    return sched_read_group(*n, &record->group);
}

static bool read_class(union record *record, uint64_t *n)
{
    return sched_read_class(*n, &record->class);
}

static bool read_tunable(union record *record, uint64_t *n)
{
    return sched_read_tunable(*n, &record->tunable);
}

static bool read_preset(union record *record, uint64_t *n)
{
    return sched_read_preset(*n, &record->preset);
}

static const struct {
    record_reader read;
    size_t nr_bytes;
} lists[] = {
    [THRUM_LIST_LWPS] = {read_lwp, sizeof(struct thrum_sched_lwp)},
    [THRUM_LIST_CPUS] = {read_cpu, sizeof(struct thrum_sched_cpu)},
    [THRUM_LIST_GROUPS] = {read_group, sizeof(struct thrum_sched_group)},
    [THRUM_LIST_CLASSES] = {read_class, sizeof(struct thrum_sched_class)},
    [THRUM_LIST_TUNABLES] = {read_tunable, sizeof(struct thrum_sched_tunable)},
    [THRUM_LIST_PRESETS] = {read_preset, sizeof(struct thrum_sched_preset)},
};

/*
 * A program that knows a shorter record than ours is older: it gets the beginning. One that knows a
 * longer one asks for what we do not have.
 */
int64_t sys_sched_list(unsigned what, uint64_t first, vaddr_t records_at, unsigned nr_max,
                       size_t record_bytes)
{
    union record record;
    unsigned nr = 0;

    if (what >= ARRAY_LEN(lists) || record_bytes == 0 || record_bytes > lists[what].nr_bytes)
        return -EINVAL;
    for (uint64_t n = first; nr < nr_max; n++, nr++, records_at += record_bytes) {
        memset(&record, 0, sizeof(record));
        if (!lists[what].read(&record, &n))
            break;
        if (user_copy_to(records_at, &record, record_bytes) != 0)
            return -EFAULT;
    }
    return nr;
}
