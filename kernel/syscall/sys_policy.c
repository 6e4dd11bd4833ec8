/*
 * Linux's system calls about scheduling, in terms of groups, classes and parameters.
 *
 * A policy is read off an LWP's group: SCHED_DEADLINE in one under `edf`; SCHED_RR in one under
 * `prio`, or SCHED_FIFO where turns have no end; else SCHED_OTHER. Setting a policy is joining such
 * a group: the one with the least number, unless the LWP is in one already. SCHED_OTHER, _BATCH and
 * _IDLE are the default group. Where there is no group that fits, a policy is -EINVAL, as one that
 * the kernel does not know. Priorities are those of `prio` but for 0, which is left to those who
 * have asked for nothing.
 *
 * Numbers name LWPs, and who may change something depends on users and limits, as in Linux; for
 * Thrum's own calls that is another matter (abi/thrum.h). What each call does and which error comes
 * first: sched(7) and the pages of section 2.
 */

#include <arch/smp.h>
#include <asm/posix_types.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/time_types.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <sched/control.h>
#include <sched/read.h>

#include "sys.h"

#define PRIORITY_MIN 1
#define PRIORITY_MAX 63

#define NICE_MIN (-20)
#define NICE_MAX 19

/* ---- Who may what --------------------------------------------------------------------------- */

/* Whether the caller may change how the LWP is scheduled. */
static bool may_schedule(const struct user_lwp *lwp)
{
    const struct credentials *caller = credentials_current(), *owner = &lwp->process->credentials;

    return credentials_are_root(caller) || caller->euid == owner->uid ||
           caller->euid == owner->euid;
}

/* Whether it may get so little nice, being nicer now: RLIMIT_NICE counts down from a nice of 20. */
static bool may_be_as_nice(const struct user_lwp *lwp, int nice)
{
    return credentials_are_root(credentials_current()) ||
           (uint64_t)(20 - nice) <= process_limit(lwp->process, RLIMIT_NICE);
}

/* ---- Policies ------------------------------------------------------------------------------- */

static bool is_class(int group, const char *name)
{
    const struct sched_class *class = sched_class_of_group(group);

    return class != NULL && strcmp(class->name, name) == 0;
}

static bool is_fixed_priority(int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* Whether an LWP of `group` has that policy. */
static bool group_fits(int group, int policy)
{
    switch (policy) {
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return group == SCHED_GROUP_DEFAULT;
    case SCHED_FIFO:
        return is_class(group, "prio") && sched_read_turn_ns(group) == 0;
    case SCHED_RR:
        return is_class(group, "prio");
    case SCHED_DEADLINE:
        return is_class(group, "edf");
    default:
        return false;
    }
}

static int policy_of(struct lwp *lwp)
{
    static const int policies[] = {SCHED_DEADLINE, SCHED_FIFO, SCHED_RR};

    for (unsigned i = 0; i < ARRAY_LEN(policies) && sched_share(lwp) == 0; i++) {
        if (group_fits(sched_group_of(lwp), policies[i]))
            return policies[i];
    }
    return SCHED_NORMAL;
}

/* The LWP's own group if it fits, or else the first that does; -EINVAL: there is none. */
static int find_group(struct lwp *lwp, int policy)
{
    if (group_fits(sched_group_of(lwp), policy))
        return sched_group_of(lwp);
    for (int group = 0; group < SCHED_GROUPS_MAX; group++) {
        if (group_fits(group, policy))
            return group;
    }
    return -EINVAL;
}

/* The group that an LWP goes to for a policy; -EINVAL: there is none. */
static int group_for(struct lwp *lwp, int policy)
{
    int group = find_group(lwp, policy);

    /* Turns that end are better than no fixed priorities at all. */
    if (group < 0 && policy == SCHED_FIFO)
        group = find_group(lwp, SCHED_RR);
    return group;
}

/*
 * Puts the LWP into the group, with these parameters. The parameters come first, because a class
 * that promises something looks at them.
 */
static int join(struct lwp *lwp, int group, const struct sched_params *params)
{
    struct sched_params old;
    int error, undone;

    sched_get_params(lwp, &old);
    error = sched_set_params(lwp, params);
    if (error != 0 || (group == sched_group_of(lwp) && sched_share(lwp) == 0))
        return error;
    error = sched_join_group(lwp, group);
    if (error != 0) {
        undone = sched_set_params(lwp, &old);
        (void)undone; /* what was right before is right still */
    }
    return error;
}

#define POLICY_KEPT (-1)

/* What a program asks for. */
struct policy_request {
    int policy; /* or POLICY_KEPT */
    bool keeps_params, keeps_nice;
    int64_t priority; /* 0, or of the policies with fixed priorities */
    int nice;
    uint64_t runtime_ns, deadline_ns, period_ns; /* of SCHED_DEADLINE */
};

/* What `params` become by the request. 0 or -EINVAL. */
static int change_params(struct sched_params *params, int policy,
                         const struct policy_request *request)
{
    if (is_fixed_priority(policy)) {
        if (request->priority < PRIORITY_MIN || request->priority > PRIORITY_MAX)
            return -EINVAL;
        params->priority = (uint8_t)request->priority;
        return 0;
    }
    if (request->priority != 0)
        return -EINVAL;
    if (policy == SCHED_DEADLINE) {
        if (request->runtime_ns == 0)
            return -EINVAL;
        params->runtime_ns = request->runtime_ns;
        params->deadline_ns = request->deadline_ns;
        params->period_ns = request->period_ns != 0 ? request->period_ns : request->deadline_ns;
    } else if (!request->keeps_nice) {
        params->nice = (int8_t)request->nice;
    }
    return 0;
}

/*
 * Whether the LWP may have that policy with these parameters. Who is not root may go down, and up
 * as far as RLIMIT_RTPRIO and RLIMIT_NICE say; SCHED_DEADLINE is root's.
 */
static bool may_have_policy(struct user_lwp *lwp, int policy, const struct sched_params *params)
{
    uint64_t limit = process_limit(lwp->process, RLIMIT_RTPRIO);
    int old_policy = policy_of(&lwp->lwp);
    struct sched_params old;

    if (credentials_are_root(credentials_current()))
        return true;
    if (!may_schedule(lwp) || policy == SCHED_DEADLINE)
        return false;
    sched_get_params(&lwp->lwp, &old);
    if (!is_fixed_priority(policy))
        return params->nice >= old.nice || may_be_as_nice(lwp, params->nice);
    if (policy != old_policy && limit == 0)
        return false;
    return params->priority <= limit ||
           (is_fixed_priority(old_policy) && params->priority <= old.priority);
}

static int visit_set_policy(struct user_lwp *user_lwp, void *arg)
{
    const struct policy_request *request = arg;
    struct lwp *lwp = &user_lwp->lwp;
    bool keeps_policy = request->policy == POLICY_KEPT;
    int policy = keeps_policy ? policy_of(lwp) : request->policy;
    struct sched_params params;
    int group = keeps_policy ? sched_group_of(lwp) : group_for(lwp, policy);
    int error = group < 0 ? group : 0;

    sched_get_params(lwp, &params);
    if (error == 0 && !request->keeps_params)
        error = change_params(&params, policy, request);
    if (error == 0 && !may_have_policy(user_lwp, policy, &params))
        error = -EPERM;
    if (error != 0)
        return error;
    return keeps_policy ? sched_set_params(lwp, &params) : join(lwp, group, &params);
}

/* What there is to say about an LWP's policy. */
static int visit_get_policy(struct user_lwp *lwp, void *arg)
{
    struct sched_attr *attr = arg;
    struct sched_params params;

    sched_get_params(&lwp->lwp, &params);
    attr->sched_policy = (uint32_t)policy_of(&lwp->lwp);
    attr->sched_nice = params.nice;
    if (is_fixed_priority((int)attr->sched_policy))
        attr->sched_priority = params.priority;
    if (attr->sched_policy == SCHED_DEADLINE) {
        attr->sched_runtime = params.runtime_ns;
        attr->sched_deadline = params.deadline_ns;
        attr->sched_period = params.period_ns;
    }
    return 0;
}

static int set_policy(int tid, struct policy_request *request)
{
    return user_lwp_visit(tid, 0, visit_set_policy, request);
}

static int get_policy(int tid, struct sched_attr *attr)
{
    memset(attr, 0, sizeof(*attr));
    return tid < 0 ? -EINVAL : user_lwp_visit(tid, 0, visit_get_policy, attr);
}

static int set_policy_and_priority(int tid, int policy, vaddr_t param_at)
{
    struct policy_request request = {.policy = policy, .keeps_nice = true};
    struct sched_param param;

    if (tid < 0 || param_at == 0)
        return -EINVAL;
    if (user_copy_from(&param, param_at, sizeof(param)) != 0)
        return -EFAULT;
    request.priority = param.sched_priority;
    return set_policy(tid, &request);
}

/* SCHED_RESET_ON_FORK is a bit of `policy`, and refused with it: what a child inherits is fixed. */
int64_t sys_sched_setscheduler(int tid, int policy, vaddr_t param_at)
{
    return policy < 0 ? -EINVAL : set_policy_and_priority(tid, policy, param_at);
}

int64_t sys_sched_setparam(int tid, vaddr_t param_at)
{
    return set_policy_and_priority(tid, POLICY_KEPT, param_at);
}

int64_t sys_sched_getscheduler(int tid)
{
    struct sched_attr attr;
    int error = get_policy(tid, &attr);

    return error != 0 ? error : (int64_t)attr.sched_policy;
}

int64_t sys_sched_getparam(int tid, vaddr_t param_at)
{
    struct sched_attr attr;
    struct sched_param param;
    int error = param_at == 0 ? -EINVAL : get_policy(tid, &attr);

    if (error != 0)
        return error;
    param.sched_priority = (int)attr.sched_priority;
    return user_copy_to(param_at, &param, sizeof(param));
}

/* ---- sched_attr ----------------------------------------------------------------------------- */

#define ATTR_BYTES_MAX 4096

/*
 * Attributes as the program knows them: an older program's are shorter, and a newer one's longer,
 * where what we do not know has to be 0. -E2BIG otherwise, and our size is stored.
 */
static int read_attr(vaddr_t attr_at, struct sched_attr *attr)
{
    uint32_t size, our_size = sizeof(*attr);
    int error = 0;

    memset(attr, 0, sizeof(*attr));
    if (user_copy_from(&size, attr_at, sizeof(size)) != 0)
        return -EFAULT;
    if (size == 0)
        size = SCHED_ATTR_SIZE_VER0;
    if (size < SCHED_ATTR_SIZE_VER0 || size > ATTR_BYTES_MAX)
        error = -E2BIG;
    for (uint32_t at = our_size; at < size && error == 0; at++) {
        char byte = 0;

        if (user_copy_from(&byte, attr_at + at, 1) != 0)
            return -EFAULT;
        if (byte != 0)
            error = -E2BIG;
    }
    if (error != 0)
        return user_copy_to(attr_at, &our_size, sizeof(our_size)) != 0 ? -EFAULT : error;
    return user_copy_from(attr, attr_at, MIN(size, our_size));
}

int64_t sys_sched_setattr(int tid, vaddr_t attr_at, unsigned flags)
{
    struct policy_request request;
    struct sched_attr attr;
    int error;

    if (tid < 0 || attr_at == 0 || flags != 0)
        return -EINVAL;
    error = read_attr(attr_at, &attr);
    if (error != 0)
        return error;
    if ((int)attr.sched_policy < 0 ||
        attr.sched_flags & ~(uint64_t)(SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS))
        return -EINVAL;
    request = (struct policy_request){
        .policy = attr.sched_flags & SCHED_FLAG_KEEP_POLICY ? POLICY_KEPT : (int)attr.sched_policy,
        .keeps_params = attr.sched_flags & SCHED_FLAG_KEEP_PARAMS,
        .priority = attr.sched_priority,
        .nice = MAX(NICE_MIN, MIN(NICE_MAX, attr.sched_nice)),
        .runtime_ns = attr.sched_runtime,
        .deadline_ns = attr.sched_deadline,
        .period_ns = attr.sched_period,
    };
    return set_policy(tid, &request);
}

int64_t sys_sched_getattr(int tid, vaddr_t attr_at, unsigned nr_bytes, unsigned flags)
{
    struct sched_attr attr;
    int error;

    if (tid < 0 || attr_at == 0 || nr_bytes < SCHED_ATTR_SIZE_VER0 || nr_bytes > ATTR_BYTES_MAX ||
        flags != 0)
        return -EINVAL;
    error = get_policy(tid, &attr);
    if (error != 0)
        return error;
    attr.size = MIN(nr_bytes, (unsigned)sizeof(attr));
    return user_copy_to(attr_at, &attr, attr.size);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

/* 0, `of_fixed` for a policy with fixed priorities, or -EINVAL: not a policy. */
static int priority_limit(int policy, int of_fixed)
{
    switch (policy) {
    case SCHED_FIFO:
    case SCHED_RR:
        return of_fixed;
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
    case SCHED_DEADLINE:
        return 0;
    default:
        return -EINVAL;
    }
}

int64_t sys_sched_get_priority_max(int policy)
{
    return priority_limit(policy, PRIORITY_MAX);
}

int64_t sys_sched_get_priority_min(int policy)
{
    return priority_limit(policy, PRIORITY_MIN);
}

static int visit_get_turn(struct user_lwp *lwp, void *turn_ns)
{
    *(uint64_t *)turn_ns =
        sched_share(&lwp->lwp) > 0 ? 0 : sched_read_turn_ns(sched_group_of(&lwp->lwp));
    return 0;
}

int64_t sys_sched_rr_get_interval(int tid, vaddr_t interval_at)
{
    struct __kernel_timespec interval;
    uint64_t turn_ns;
    int error = tid < 0 ? -EINVAL : user_lwp_visit(tid, 0, visit_get_turn, &turn_ns);

    if (error != 0)
        return error;
    interval.tv_sec = (int64_t)(turn_ns / NSEC_PER_SEC);
    interval.tv_nsec = (int64_t)(turn_ns % NSEC_PER_SEC);
    return user_copy_to(interval_at, &interval, sizeof(interval));
}

/* ---- Affinity ------------------------------------------------------------------------------- */

static int visit_set_affinity(struct user_lwp *lwp, void *cpus)
{
    return may_schedule(lwp) ? sched_set_affinity(&lwp->lwp, *(uint64_t *)cpus) : -EPERM;
}

static int visit_get_affinity(struct user_lwp *lwp, void *cpus)
{
    *(uint64_t *)cpus = sched_affinity(&lwp->lwp) & cpus_online();
    return 0;
}

/* Who knows of fewer CPUs than we do does not want the others; CPUs beyond ours do not exist. */
int64_t sys_sched_setaffinity(int tid, unsigned nr_bytes, vaddr_t cpus_at)
{
    uint64_t cpus = 0;

    if (user_copy_from(&cpus, cpus_at, MIN(nr_bytes, (unsigned)sizeof(cpus))) != 0)
        return -EFAULT;
    return tid < 0 ? -ESRCH : user_lwp_visit(tid, 0, visit_set_affinity, &cpus);
}

int64_t sys_sched_getaffinity(int tid, unsigned nr_bytes, vaddr_t cpus_at)
{
    uint64_t cpus;
    int error;

    if (nr_bytes < sizeof(cpus) || nr_bytes % sizeof(uint64_t) != 0)
        return -EINVAL;
    error = tid < 0 ? -ESRCH : user_lwp_visit(tid, 0, visit_get_affinity, &cpus);
    if (error != 0)
        return error;
    return user_copy_to(cpus_at, &cpus, sizeof(cpus)) != 0 ? -EFAULT : (int64_t)sizeof(cpus);
}

/* ---- Niceness ------------------------------------------------------------------------------- */

/* All LWPs that `which` and `who` name, as getpriority() takes them. 0 or -errno. */
static int visit_named(int which, int who, user_lwp_visitor visit, void *arg)
{
    int error = -ESRCH;

    if (which < PRIO_PROCESS || which > PRIO_USER)
        return -EINVAL;
    if (which == PRIO_PROCESS)
        return user_lwp_visit(who, 0, visit, arg);
    if (which == PRIO_USER)
        user_lwp_visit_user(who != 0 ? (uint32_t)who : credentials_current()->uid, visit, arg,
                            &error);
    if (which == PRIO_PGRP && who == 0)
        who = process_get_group(0);
    if (which == PRIO_PGRP && who > 0)
        user_lwp_visit_group(who, visit, arg, &error);
    return error;
}

static int visit_get_nice(struct user_lwp *lwp, void *least)
{
    struct sched_params params;

    sched_get_params(&lwp->lwp, &params);
    *(int *)least = MIN(*(int *)least, (int)params.nice);
    return 0;
}

/* An answer below 0 would be an error: the library takes it from 20. */
int64_t sys_getpriority(int which, int who)
{
    int least = NICE_MAX;
    int error = visit_named(which, who, visit_get_nice, &least);

    return error != 0 ? error : 20 - least;
}

static int visit_set_nice(struct user_lwp *lwp, void *arg)
{
    int nice = *(int *)arg;
    struct sched_params params;

    if (!may_schedule(lwp))
        return -EPERM;
    sched_get_params(&lwp->lwp, &params);
    if (nice < params.nice && !may_be_as_nice(lwp, nice))
        return -EACCES;
    params.nice = (int8_t)nice;
    return sched_set_params(&lwp->lwp, &params);
}

int64_t sys_setpriority(int which, int who, int nice)
{
    nice = MAX(NICE_MIN, MIN(NICE_MAX, nice));
    return visit_named(which, who, visit_set_nice, &nice);
}
