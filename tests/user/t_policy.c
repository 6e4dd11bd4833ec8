/*
 * Linux's calls about scheduling: policies, priorities, affinity, niceness, as their manual pages
 * have them (sched(7), section 2), where Thrum can do that (docs/schedctl.md).
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thrum/sched.h>

#include "common.h"
#include "ktap.h"

#define PRIORITY_MAX 63

/* ---- The calls, which answer as the kernel does ---------------------------------------------- */

static long set_scheduler(pid_t tid, int policy, int priority)
{
    struct sched_param param = {priority};

    return syscall6(__NR_sched_setscheduler, tid, policy, (long)&param, 0, 0, 0);
}

static long get_scheduler(pid_t tid)
{
    return syscall6(__NR_sched_getscheduler, tid, 0, 0, 0, 0, 0);
}

static long set_param(pid_t tid, int priority)
{
    struct sched_param param = {priority};

    return syscall6(__NR_sched_setparam, tid, (long)&param, 0, 0, 0, 0);
}

/* The priority, or -errno. */
static long get_param(pid_t tid)
{
    struct sched_param param = {-1};
    long error = syscall6(__NR_sched_getparam, tid, (long)&param, 0, 0, 0, 0);

    return error < 0 ? error : param.sched_priority;
}

static long set_attr(pid_t tid, const struct sched_attr *attr)
{
    return syscall6(__NR_sched_setattr, tid, (long)attr, 0, 0, 0, 0);
}

static long get_attr(pid_t tid, struct sched_attr *attr)
{
    return syscall6(__NR_sched_getattr, tid, (long)attr, sizeof(*attr), 0, 0, 0);
}

static long set_nice(int which, int who, int nice)
{
    return syscall6(__NR_setpriority, which, who, nice, 0, 0, 0);
}

/* As the kernel answers: 20 less the niceness. */
static long get_nice(int which, int who)
{
    return syscall6(__NR_getpriority, which, who, 0, 0, 0, 0);
}

static bool has_class(const char *name)
{
    struct thrum_sched_class class;

    for (uint64_t i = 0; sched_list(THRUM_LIST_CLASSES, i, &class, 1, sizeof(class)) == 1; i++)
        if (strcmp(class.name, name) == 0)
            return true;
    return false;
}

/* The number of the group that an LWP is in. */
static long group_of(pid_t tid)
{
    struct thrum_sched_lwp lwp;

    if (sched_list(THRUM_LIST_LWPS, (uint64_t)(tid ? tid : gettid()), &lwp, 1, sizeof(lwp)) != 1)
        return -1;
    return lwp.group;
}

/* ---- Policies -------------------------------------------------------------------------------- */

static bool everybody_begins_with_sched_other(void)
{
    return KTAP_EQUAL(get_scheduler(0), SCHED_NORMAL) && KTAP_EQUAL(get_param(0), 0) &&
           KTAP_EQUAL(get_scheduler(1), SCHED_NORMAL);
}

static bool policies_without_priorities_are_the_default_group(void)
{
    static const int policies[] = {SCHED_BATCH, SCHED_IDLE, SCHED_NORMAL};
    int group = sched_group_create("rr", 10);
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(policies); i++)
        is_right = KTAP_EQUAL(sched_join_group(group, 0), 0) &&
                   KTAP_EQUAL(set_scheduler(0, policies[i], 1), -EINVAL) &&
                   KTAP_EQUAL(group_of(0), group) &&
                   KTAP_EQUAL(set_scheduler(0, policies[i], 0), 0) && KTAP_EQUAL(group_of(0), 0) &&
                   KTAP_EQUAL(get_scheduler(0), SCHED_NORMAL) && is_right;
    return KTAP_EQUAL(sched_group_destroy(group), 0) && is_right;
}

static bool choosing_a_policy_gives_back_a_share(void)
{
    struct thrum_sched_lwp lwp;

    return KTAP_EQUAL(sched_set_share_of(0, 10), 0) && KTAP_EQUAL(get_scheduler(0), SCHED_NORMAL) &&
           KTAP_EQUAL(set_scheduler(0, SCHED_NORMAL, 0), 0) &&
           KTAP_EQUAL(sched_list(THRUM_LIST_LWPS, (uint64_t)gettid(), &lwp, 1, sizeof(lwp)), 1) &&
           KTAP_EQUAL(lwp.share_percent, 0);
}

static bool policies_without_a_group_are_einval(void)
{
    struct sched_attr deadline = {.size = sizeof(deadline),
                                  .sched_policy = SCHED_DEADLINE,
                                  .sched_runtime = 1000000,
                                  .sched_deadline = 10000000,
                                  .sched_period = 10000000};

    return KTAP_EQUAL(set_scheduler(0, SCHED_FIFO, 1), -EINVAL) &&
           KTAP_EQUAL(set_scheduler(0, SCHED_RR, 1), -EINVAL) &&
           KTAP_EQUAL(set_attr(0, &deadline), -EINVAL) &&
           KTAP_EQUAL(get_scheduler(0), SCHED_NORMAL);
}

static bool wrong_arguments_are_einval(void)
{
    return KTAP_EQUAL(set_scheduler(0, -1, 0), -EINVAL) &&
           KTAP_EQUAL(set_scheduler(0, 4, 0), -EINVAL) &&
           KTAP_EQUAL(set_scheduler(0, 7, 0), -EINVAL) &&
           KTAP_EQUAL(set_scheduler(0, INT_MAX, 0), -EINVAL) &&
           KTAP_EQUAL(set_scheduler(0, SCHED_NORMAL | SCHED_RESET_ON_FORK, 0), -EINVAL) &&
           KTAP_EQUAL(set_scheduler(-1, SCHED_NORMAL, 0), -EINVAL) &&
           KTAP_EQUAL(set_scheduler(0, SCHED_NORMAL, -1), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_sched_setscheduler, 0, SCHED_NORMAL, 0, 0, 0, 0), -EINVAL) &&
           KTAP_EQUAL(get_scheduler(-1), -EINVAL) && KTAP_EQUAL(get_param(-1), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_sched_getparam, 0, 0, 0, 0, 0, 0), -EINVAL) &&
           KTAP_EQUAL(set_param(0, 1), -EINVAL) && KTAP_EQUAL(set_param(0, 0), 0) &&
           KTAP_EQUAL(set_param(-1, 0), -EINVAL);
}

static bool numbers_of_nobody_are_esrch(void)
{
    struct sched_attr attr = {.size = sizeof(attr)};
    struct timespec interval;
    uint64_t cpus = 1;

    return KTAP_EQUAL(set_scheduler(NOBODY, SCHED_NORMAL, 0), -ESRCH) &&
           KTAP_EQUAL(get_scheduler(NOBODY), -ESRCH) && KTAP_EQUAL(set_param(NOBODY, 0), -ESRCH) &&
           KTAP_EQUAL(get_param(NOBODY), -ESRCH) && KTAP_EQUAL(set_attr(NOBODY, &attr), -ESRCH) &&
           KTAP_EQUAL(get_attr(NOBODY, &attr), -ESRCH) &&
           KTAP_EQUAL(syscall6(__NR_sched_rr_get_interval, NOBODY, (long)&interval, 0, 0, 0, 0),
                      -ESRCH) &&
           KTAP_EQUAL(syscall6(__NR_sched_setaffinity, NOBODY, 8, (long)&cpus, 0, 0, 0), -ESRCH) &&
           KTAP_EQUAL(syscall6(__NR_sched_getaffinity, NOBODY, 8, (long)&cpus, 0, 0, 0), -ESRCH);
}

static bool priorities_have_limits(void)
{
    static const int without[] = {SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE};
    bool is_right = true;

    for (int policy = SCHED_FIFO; policy <= SCHED_RR; policy++)
        is_right = KTAP_EQUAL(syscall6(__NR_sched_get_priority_min, policy, 0, 0, 0, 0, 0), 1) &&
                   KTAP_EQUAL(syscall6(__NR_sched_get_priority_max, policy, 0, 0, 0, 0, 0),
                              PRIORITY_MAX) &&
                   is_right;
    for (size_t i = 0; i < KTAP_LEN(without); i++)
        is_right =
            KTAP_EQUAL(syscall6(__NR_sched_get_priority_min, without[i], 0, 0, 0, 0, 0), 0) &&
            KTAP_EQUAL(syscall6(__NR_sched_get_priority_max, without[i], 0, 0, 0, 0, 0), 0) &&
            is_right;
    return KTAP_EQUAL(syscall6(__NR_sched_get_priority_min, 4, 0, 0, 0, 0, 0), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_sched_get_priority_max, -1, 0, 0, 0, 0, 0), -EINVAL) &&
           is_right;
}

static bool fixed_priorities_are_a_group_under_prio(void)
{
    if (!has_class("prio"))
        return ktap_skip("there is no class prio");
    int group = sched_group_create("prio", 10);
    /* Above everybody, it may be alone on its CPU: the priorities are for ourselves. */
    bool is_right = KTAP_EQUAL(set_scheduler(0, SCHED_RR, 0), -EINVAL) &&
                    KTAP_EQUAL(set_scheduler(0, SCHED_RR, PRIORITY_MAX + 1), -EINVAL) &&
                    KTAP_EQUAL(group_of(0), 0) &&
                    KTAP_EQUAL(set_scheduler(0, SCHED_RR, PRIORITY_MAX), 0) &&
                    KTAP_EQUAL(group_of(0), group) && KTAP_EQUAL(get_param(0), PRIORITY_MAX) &&
                    KTAP_TRUE(get_scheduler(0) == SCHED_RR || get_scheduler(0) == SCHED_FIFO) &&
                    KTAP_EQUAL(set_param(0, 5), 0) && KTAP_EQUAL(get_param(0), 5) &&
                    KTAP_EQUAL(set_param(0, 0), -EINVAL) && KTAP_EQUAL(get_param(0), 5) &&
                    KTAP_EQUAL(set_scheduler(0, SCHED_FIFO, 7), 0) &&
                    KTAP_EQUAL(group_of(0), group) && KTAP_EQUAL(get_param(0), 7);

    return KTAP_EQUAL(set_scheduler(0, SCHED_NORMAL, 0), 0) && KTAP_EQUAL(group_of(0), 0) &&
           KTAP_EQUAL(get_param(0), 0) && KTAP_EQUAL(sched_group_destroy(group), 0) && is_right;
}

static bool deadlines_are_a_group_under_edf(void)
{
    struct sched_attr attr = {.size = sizeof(attr),
                              .sched_policy = SCHED_DEADLINE,
                              .sched_runtime = 1000000,
                              .sched_deadline = 10000000};
    struct sched_attr too_much = attr, seen;

    if (!has_class("edf"))
        return ktap_skip("there is no class edf");
    too_much.sched_runtime = 9000000;
    int group = sched_group_create("edf", 20);
    bool is_right =
        KTAP_EQUAL(set_attr(0, &too_much), -EBUSY) && KTAP_EQUAL(group_of(0), 0) &&
        KTAP_EQUAL(set_attr(0, &attr), 0) && KTAP_EQUAL(group_of(0), group) &&
        KTAP_EQUAL(get_scheduler(0), SCHED_DEADLINE) && KTAP_EQUAL(get_attr(0, &seen), 0) &&
        KTAP_EQUAL(seen.sched_runtime, 1000000) && KTAP_EQUAL(seen.sched_period, 10000000) &&
        KTAP_EQUAL(set_attr(0, &too_much), -EBUSY) && KTAP_EQUAL(get_scheduler(0), SCHED_DEADLINE);

    return KTAP_EQUAL(set_scheduler(0, SCHED_NORMAL, 0), 0) &&
           KTAP_EQUAL(sched_group_destroy(group), 0) && is_right;
}

/* ---- sched_attr ------------------------------------------------------------------------------ */

static bool attributes_are_set_and_read(void)
{
    struct sched_attr attr = {.size = sizeof(attr), .sched_nice = 7}, seen = {0};
    bool is_right = KTAP_EQUAL(set_attr(0, &attr), 0) && KTAP_EQUAL(get_attr(0, &seen), 0) &&
                    KTAP_EQUAL(seen.size, sizeof(seen)) && KTAP_EQUAL(seen.sched_nice, 7) &&
                    KTAP_EQUAL(seen.sched_policy, SCHED_NORMAL) &&
                    KTAP_EQUAL(seen.sched_priority, 0) && KTAP_EQUAL(seen.sched_flags, 0);

    attr.sched_flags = SCHED_FLAG_KEEP_PARAMS;
    attr.sched_nice = 3;
    is_right = KTAP_EQUAL(set_attr(0, &attr), 0) && KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 20 - 7) &&
               is_right;
    attr.sched_flags = SCHED_FLAG_KEEP_POLICY;
    attr.sched_policy = SCHED_FIFO;
    is_right = KTAP_EQUAL(set_attr(0, &attr), 0) && KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 20 - 3) &&
               is_right;
    return KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 0), 0) && is_right;
}

static bool setscheduler_keeps_niceness(void)
{
    return KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 4), 0) &&
           KTAP_EQUAL(set_scheduler(0, SCHED_BATCH, 0), 0) &&
           KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 20 - 4) &&
           KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 0), 0);
}

static bool attributes_come_in_several_sizes(void)
{
    struct {
        struct sched_attr attr;
        uint64_t later;
    } newer = {.attr.size = sizeof(newer)};
    struct sched_attr old = {.size = SCHED_ATTR_SIZE_VER0, .sched_nice = 1}, seen;
    bool is_right = KTAP_EQUAL(set_attr(0, &old), 0) && KTAP_EQUAL(set_attr(0, &newer.attr), 0);

    newer.later = 1;
    is_right = KTAP_EQUAL(set_attr(0, &newer.attr), -E2BIG) &&
               KTAP_EQUAL(newer.attr.size, sizeof(old)) && is_right;
    old.size = SCHED_ATTR_SIZE_VER0 - 1;
    is_right =
        KTAP_EQUAL(set_attr(0, &old), -E2BIG) && KTAP_EQUAL(old.size, sizeof(old)) && is_right;
    old.size = 0; /* the first version of all */
    old.sched_nice = 0;
    return KTAP_EQUAL(set_attr(0, &old), 0) &&
           KTAP_EQUAL(syscall6(__NR_sched_getattr, 0, (long)&seen, SCHED_ATTR_SIZE_VER0, 0, 0, 0),
                      0) &&
           KTAP_EQUAL(seen.size, SCHED_ATTR_SIZE_VER0) && is_right;
}

static bool wrong_attributes_are_refused(void)
{
    struct sched_attr attr = {.size = sizeof(attr), .sched_flags = SCHED_FLAG_RESET_ON_FORK};
    bool is_right = KTAP_EQUAL(set_attr(0, &attr), -EINVAL);

    attr.sched_flags = 0;
    attr.sched_policy = UINT_MAX;
    is_right = KTAP_EQUAL(set_attr(0, &attr), -EINVAL) && is_right;
    attr.sched_policy = SCHED_NORMAL;
    attr.sched_priority = 1;
    is_right = KTAP_EQUAL(set_attr(0, &attr), -EINVAL) && is_right;
    attr.sched_priority = 0;
    return KTAP_EQUAL(set_attr(-1, &attr), -EINVAL) && KTAP_EQUAL(set_attr(0, NULL), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_sched_setattr, 0, (long)&attr, 1, 0, 0, 0), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_sched_getattr, 0, (long)&attr, 47, 0, 0, 0), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_sched_getattr, 0, (long)&attr, 4097, 0, 0, 0), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_sched_getattr, 0, (long)&attr, sizeof(attr), 1, 0, 0),
                      -EINVAL) &&
           is_right;
}

/* ---- Turns and affinity ---------------------------------------------------------------------- */

static bool interval_is_the_turn_of_the_group(void)
{
    struct timespec interval = {-1, -1};
    int group = sched_group_create("rr", 10);
    bool is_right =
        KTAP_EQUAL(sched_tune(group, "quantum_us", 7000), 0) &&
        KTAP_EQUAL(sched_join_group(group, 0), 0) &&
        KTAP_EQUAL(syscall6(__NR_sched_rr_get_interval, 0, (long)&interval, 0, 0, 0, 0), 0) &&
        KTAP_EQUAL(interval.tv_sec, 0) && KTAP_EQUAL(interval.tv_nsec, 7000000) &&
        KTAP_EQUAL(syscall6(__NR_sched_rr_get_interval, -1, (long)&interval, 0, 0, 0, 0), -EINVAL);

    return KTAP_EQUAL(sched_join_group(0, 0), 0) && KTAP_EQUAL(sched_group_destroy(group), 0) &&
           is_right;
}

static long raw_affinity(long number, size_t nr_bytes, void *cpus)
{
    return syscall6(number, 0, (long)nr_bytes, (long)cpus, 0, 0, 0);
}

static bool affinity_has_a_length(void)
{
    uint64_t cpus[3] = {0, ~0ull, ~0ull};
    uint8_t first = 1;

    /* Bits of CPUs that there cannot be are of no interest. */
    return KTAP_EQUAL(raw_affinity(__NR_sched_setaffinity, sizeof(cpus), cpus), -EINVAL) &&
           KTAP_EQUAL(raw_affinity(__NR_sched_setaffinity, 0, cpus), -EINVAL) &&
           KTAP_EQUAL(raw_affinity(__NR_sched_setaffinity, 1, &first), 0) &&
           KTAP_EQUAL(raw_affinity(__NR_sched_getaffinity, sizeof(cpus), cpus), sizeof(cpus[0])) &&
           KTAP_EQUAL(cpus[0], 1) && KTAP_EQUAL(cpus[1], ~0ull) &&
           KTAP_EQUAL(raw_affinity(__NR_sched_getaffinity, 7, cpus), -EINVAL) &&
           KTAP_EQUAL(raw_affinity(__NR_sched_getaffinity, 9, cpus), -EINVAL) &&
           KTAP_EQUAL(raw_affinity(__NR_sched_setaffinity, sizeof(cpus[1]), &cpus[1]), 0) &&
           KTAP_EQUAL(raw_affinity(__NR_sched_getaffinity, 8, cpus), 8) &&
           KTAP_EQUAL(__builtin_popcountll(cpus[0]), ktap_cpus());
}

/* ---- Niceness -------------------------------------------------------------------------------- */

static bool niceness_is_kept_within_its_range(void)
{
    bool is_right = KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 20) &&
                    KTAP_EQUAL(set_nice(PRIO_PROCESS, gettid(), 19), 0) &&
                    KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 1) &&
                    KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 1000), 0) &&
                    KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 1) &&
                    KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, INT_MIN), 0) &&
                    KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 40);

    return KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 0), 0) && is_right;
}

static bool niceness_names_processes_groups_and_users(void)
{
    return KTAP_EQUAL(set_nice(3, 0, 0), -EINVAL) && KTAP_EQUAL(set_nice(-1, 0, 0), -EINVAL) &&
           KTAP_EQUAL(get_nice(3, 0), -EINVAL) &&
           KTAP_EQUAL(set_nice(PRIO_PROCESS, NOBODY, 0), -ESRCH) &&
           KTAP_EQUAL(set_nice(PRIO_PROCESS, -1, 0), -ESRCH) &&
           KTAP_EQUAL(get_nice(PRIO_PGRP, NOBODY), -ESRCH) &&
           KTAP_EQUAL(get_nice(PRIO_PGRP, -1), -ESRCH) &&
           KTAP_EQUAL(get_nice(PRIO_USER, 12345), -ESRCH) &&
           KTAP_EQUAL(get_nice(PRIO_PGRP, getpgrp()), get_nice(PRIO_PGRP, 0)) &&
           KTAP_TRUE(get_nice(PRIO_USER, 0) >= get_nice(PRIO_PROCESS, 0));
}

/* A group of its own, of two processes, the other of which has two LWPs. */
static void set_niceness_of_own_group(void *arg)
{
    thread_t lwp;
    pid_t child;

    (void)arg;
    setpgid(0, 0);
    thread_create(&lwp, sleep_for_ever, NULL);
    child = fork();
    if (child == 0) {
        sleep_for_ever(NULL);
    }
    bool is_right =
        KTAP_EQUAL(set_nice(PRIO_PROCESS, child, -3), 0) &&
        KTAP_EQUAL(get_nice(PRIO_PROCESS, lwp), 20) && KTAP_EQUAL(get_nice(PRIO_PGRP, 0), 23) &&
        KTAP_EQUAL(set_nice(PRIO_PGRP, 0, 11), 0) && KTAP_EQUAL(get_nice(PRIO_PROCESS, lwp), 9) &&
        KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 9) && KTAP_EQUAL(get_nice(PRIO_PROCESS, child), 9);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (is_right)
        _exit(CHILD_IS_WELL);
}

static bool niceness_of_a_group_is_that_of_all_its_lwps(void)
{
    int status;

    waitpid(start_child(set_niceness_of_own_group, NULL), &status, 0);
    return KTAP_EQUAL(status, CHILD_IS_WELL << 8) && KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 20);
}

/* ---- Who may what ---------------------------------------------------------------------------- */

#define USER 4711

static bool become_user(void)
{
    return KTAP_EQUAL(syscall6(__NR_setresuid, USER, USER, USER, 0, 0, 0), 0);
}

static bool set_limit(unsigned resource, unsigned long soft)
{
    struct rlimit limit = {soft, 40};

    return KTAP_EQUAL(syscall6(__NR_setrlimit, resource, (long)&limit, 0, 0, 0, 0), 0);
}

/* The parent is root's. */
static bool check_parents_policy(void)
{
    pid_t pid = getppid();
    uint64_t cpus = 1;

    return become_user() && KTAP_EQUAL(set_scheduler(pid, SCHED_NORMAL, 0), -EPERM) &&
           KTAP_EQUAL(set_param(pid, 0), -EPERM) &&
           KTAP_EQUAL(set_nice(PRIO_PROCESS, pid, 5), -EPERM) &&
           KTAP_EQUAL(syscall6(__NR_sched_setaffinity, pid, 8, (long)&cpus, 0, 0, 0), -EPERM) &&
           KTAP_EQUAL(set_nice(PRIO_PGRP, getpgid(pid), 5), -EPERM) &&
           KTAP_EQUAL(set_nice(PRIO_USER, 0, 6), 0) && KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 14) &&
           KTAP_EQUAL(get_nice(PRIO_PROCESS, pid), 20) &&
           KTAP_EQUAL(get_scheduler(pid), SCHED_NORMAL);
}

static bool roots_lwps_are_eperm(void)
{
    return holds_in_child(check_parents_policy) && KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 20);
}

static void be_child_for_ever(void *arg)
{
    sleep_for_ever(arg);
}

static void be_user(void *pipe_end)
{
    setsid();
    if (become_user() && write(*(int *)pipe_end, "x", 1) == 1)
        sleep_for_ever(NULL);
}

/* Of no relation, as far as sessions go: that is no matter, other than to Thrum's own calls. */
static bool check_own_and_others(void)
{
    int ends[2] = {-1, -1};
    char byte;

    pipe(ends);
    pid_t one = start_child(be_user, &ends[1]), other;
    bool is_right =
        KTAP_EQUAL(read(ends[0], &byte, 1), 1) && KTAP_EQUAL(set_nice(PRIO_PROCESS, one, -1), 0);

    setsid();
    is_right = become_user() && is_right;
    other = start_child(be_child_for_ever, NULL);
    is_right = KTAP_EQUAL(set_nice(PRIO_PROCESS, one, 2), 0) &&
               KTAP_EQUAL(set_scheduler(one, SCHED_NORMAL, 0), 0) &&
               KTAP_EQUAL(set_nice(PRIO_PROCESS, other, 3), 0) &&
               KTAP_EQUAL(get_nice(PRIO_PROCESS, one), 18) && is_right;
    kill(one, SIGKILL);
    kill(other, SIGKILL);
    waitpid(one, NULL, 0);
    waitpid(other, NULL, 0);
    return is_right;
}

static bool lwps_are_their_users(void)
{
    return holds_in_child(check_own_and_others);
}

static bool check_nice_limit(void)
{
    struct sched_attr attr = {.size = sizeof(attr), .sched_nice = 4};
    bool is_right = set_limit(RLIMIT_NICE, 15) && KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 4), 0) &&
                    KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 8), 0) && become_user() &&
                    KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 10), 0) &&
                    KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 5), 0) &&
                    KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 4), -EACCES) &&
                    KTAP_EQUAL(set_attr(0, &attr), -EPERM) &&
                    KTAP_EQUAL(get_nice(PRIO_PROCESS, 0), 15);

    attr.sched_nice = 9;
    is_right = KTAP_EQUAL(set_attr(0, &attr), 0) && is_right;
    attr.sched_nice = 5;
    is_right = KTAP_EQUAL(set_attr(0, &attr), 0) && is_right;
    /* Less counts at once; who is there already may stay, and go down. */
    return set_limit(RLIMIT_NICE, 0) && KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 5), 0) &&
           KTAP_EQUAL(set_scheduler(0, SCHED_BATCH, 0), 0) &&
           KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 6), 0) &&
           KTAP_EQUAL(set_nice(PRIO_PROCESS, 0, 5), -EACCES) && is_right;
}

static bool niceness_is_bounded(void)
{
    return holds_in_child(check_nice_limit);
}

static bool check_priority_limit(void)
{
    bool is_right = set_limit(RLIMIT_RTPRIO, 0) && become_user() &&
                    KTAP_EQUAL(set_scheduler(0, SCHED_RR, 1), -EPERM) &&
                    KTAP_EQUAL(set_scheduler(0, SCHED_RR, 0), -EINVAL) &&
                    set_limit(RLIMIT_RTPRIO, 10) &&
                    KTAP_EQUAL(set_scheduler(0, SCHED_RR, 11), -EPERM) &&
                    KTAP_EQUAL(set_scheduler(0, SCHED_RR, 10), 0) &&
                    KTAP_EQUAL(set_param(0, 11), -EPERM) && KTAP_EQUAL(set_param(0, 9), 0) &&
                    set_limit(RLIMIT_RTPRIO, 0) && KTAP_EQUAL(set_param(0, 10), -EPERM) &&
                    KTAP_EQUAL(set_param(0, 9), 0) && KTAP_EQUAL(set_param(0, 5), 0) &&
                    KTAP_EQUAL(set_param(0, 6), -EPERM) && KTAP_EQUAL(get_param(0), 5);

    return KTAP_EQUAL(set_scheduler(0, SCHED_NORMAL, 0), 0) &&
           KTAP_EQUAL(set_scheduler(0, SCHED_RR, 1), -EPERM) && is_right;
}

static bool priorities_are_bounded(void)
{
    if (!has_class("prio"))
        return ktap_skip("there is no class prio");
    int group = sched_group_create("prio", 10);
    bool is_right = KTAP_TRUE(group > 0) && holds_in_child(check_priority_limit);

    return KTAP_EQUAL(sched_group_destroy(group), 0) && is_right;
}

static bool check_deadline(void)
{
    struct sched_attr attr = {.size = sizeof(attr),
                              .sched_policy = SCHED_DEADLINE,
                              .sched_runtime = 1000000,
                              .sched_deadline = 10000000};

    return set_limit(RLIMIT_RTPRIO, 40) && become_user() && KTAP_EQUAL(set_attr(0, &attr), -EPERM);
}

static bool deadlines_are_roots(void)
{
    if (!has_class("edf"))
        return ktap_skip("there is no class edf");
    int group = sched_group_create("edf", 20);
    bool is_right = KTAP_TRUE(group > 0) && holds_in_child(check_deadline);

    return KTAP_EQUAL(sched_group_destroy(group), 0) && is_right;
}

static const struct ktap_test tests[] = {
    {"everybody begins with SCHED_OTHER", everybody_begins_with_sched_other},
    {"SCHED_OTHER, BATCH and IDLE are the default group",
     policies_without_priorities_are_the_default_group},
    {"who chooses a policy gives back a share", choosing_a_policy_gives_back_a_share},
    {"a policy that no group fits is EINVAL", policies_without_a_group_are_einval},
    {"policies and priorities that are none are EINVAL", wrong_arguments_are_einval},
    {"numbers of nobody are ESRCH", numbers_of_nobody_are_esrch},
    {"priorities go from 1 to 63 where there are any", priorities_have_limits},
    {"SCHED_FIFO and SCHED_RR are a group under prio", fixed_priorities_are_a_group_under_prio},
    {"SCHED_DEADLINE is a group under edf", deadlines_are_a_group_under_edf},
    {"attributes are set, kept and read", attributes_are_set_and_read},
    {"sched_setscheduler keeps the niceness", setscheduler_keeps_niceness},
    {"attributes come in several sizes", attributes_come_in_several_sizes},
    {"wrong attributes are refused", wrong_attributes_are_refused},
    {"sched_rr_get_interval gives the quantum of the group", interval_is_the_turn_of_the_group},
    {"an affinity has a length", affinity_has_a_length},
    {"niceness is kept within its range", niceness_is_kept_within_its_range},
    {"niceness names LWPs, process groups and users", niceness_names_processes_groups_and_users},
    {"the niceness of a process group is that of all its LWPs",
     niceness_of_a_group_is_that_of_all_its_lwps},
    {"root's LWPs are EPERM for others", roots_lwps_are_eperm},
    {"LWPs are their user's to change", lwps_are_their_users},
    {"RLIMIT_NICE bounds who is not root", niceness_is_bounded},
    {"RLIMIT_RTPRIO bounds who is not root", priorities_are_bounded},
    {"deadlines are root's", deadlines_are_roots},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
