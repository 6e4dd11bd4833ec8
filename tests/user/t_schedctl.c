/*
 * Scheduling under control: the sched_* calls of abi/thrum.h. What each changes, what it refuses,
 * and that a refusal changes nothing. t_policy has Linux's calls, t_schedtools the programs.
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/wait.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thrum/sched.h>

#include "common.h"
#include "ktap.h"

#define NSEC_PER_MSEC 1000000ull
#define SHARE_MAX     80
#define CPUS_MAX      64

/* ---- What is there --------------------------------------------------------------------------- */

/* What is known of an LWP; false: there is no such LWP. */
static bool read_lwp(pid_t tid, struct thrum_sched_lwp *lwp)
{
    if (tid == 0)
        tid = gettid();
    return sched_list(THRUM_LIST_LWPS, (uint64_t)tid, lwp, 1, sizeof(*lwp)) == 1 && lwp->tid == tid;
}

static struct thrum_sched_params params_of(pid_t tid)
{
    struct thrum_sched_params params = {0};

    sched_get_params(tid, &params);
    return params;
}

static bool has_class(const char *name, struct thrum_sched_class *class)
{
    for (uint64_t i = 0; sched_list(THRUM_LIST_CLASSES, i, class, 1, sizeof(*class)) == 1; i++)
        if (strcmp(class->name, name) == 0)
            return true;
    return false;
}

/* The group with that number; false: there is none. */
static bool read_group(int number, struct thrum_sched_group *group)
{
    for (uint64_t i = 0; sched_list(THRUM_LIST_GROUPS, i, group, 1, sizeof(*group)) == 1; i++)
        if (group->group == (uint32_t)number)
            return true;
    return false;
}

static unsigned promised_on(uint64_t cpu)
{
    struct thrum_sched_cpu record = {0};

    sched_list(THRUM_LIST_CPUS, cpu, &record, 1, sizeof(record));
    return record.promised_percent;
}

/* Whether nobody on any CPU is promised anything, and only the default group is there. */
static bool nothing_is_promised(void)
{
    struct thrum_sched_group group;
    bool is_right = KTAP_EQUAL(sched_list(THRUM_LIST_GROUPS, 1, &group, 1, sizeof(group)), 0);

    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++)
        is_right = KTAP_EQUAL(promised_on(cpu), 0) && is_right;
    return is_right;
}

static size_t current_cpu(void)
{
    struct thrum_stat stat = {0};

    thrum_stat(&stat);
    return stat.cpu;
}

/* ---- LWPs that are controlled ---------------------------------------------------------------- */

/* One that computes, and counts and notes where, until it is to stop. */
struct worker {
    thread_t tid;
    _Atomic int stop;
    _Atomic uint64_t nr_rounds;
    _Atomic uint64_t cpus_seen;
};

static void *work(void *arg)
{
    struct worker *worker = arg;

    while (!atomic_load(&worker->stop)) {
        atomic_fetch_or(&worker->cpus_seen, 1ull << current_cpu() % CPUS_MAX);
        atomic_fetch_add(&worker->nr_rounds, 1);
    }
    return NULL;
}

static void start_worker(struct worker *worker)
{
    *worker = (struct worker){0};
    if (thread_create(&worker->tid, work, worker) != 0)
        exit(EXIT_FAILURE);
}

static bool stop_worker(struct worker *worker)
{
    atomic_store(&worker->stop, 1);
    return KTAP_EQUAL(thread_join(worker->tid, NULL), 0);
}

static bool has_worked(void *arg)
{
    return atomic_load(&((struct worker *)arg)->nr_rounds) >= 3;
}

/* Whether it goes on from here. */
static bool worker_goes_on(struct worker *worker)
{
    atomic_store(&worker->nr_rounds, 0);
    return KTAP_TRUE(ktap_wait_for(has_worked, worker));
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static bool parameters_are_read_back(void)
{
    struct thrum_sched_params old = params_of(0), wanted = old;
    struct thrum_sched_lwp lwp;
    struct worker worker;

    wanted.nice = -7;
    wanted.tickets = 12345;
    wanted.priority = 63;
    start_worker(&worker);
    bool is_right = KTAP_EQUAL(sched_set_params(worker.tid, &wanted), 0) &&
                    worker_goes_on(&worker) && KTAP_TRUE(read_lwp(worker.tid, &lwp)) &&
                    KTAP_EQUAL(memcmp(&lwp.params, &wanted, sizeof(wanted)), 0);
    wanted = params_of(worker.tid);
    is_right = KTAP_EQUAL(wanted.nice, -7) && KTAP_EQUAL(wanted.tickets, 12345) &&
               KTAP_EQUAL(wanted.priority, 63) && is_right;
    wanted = params_of(0);
    return stop_worker(&worker) && KTAP_EQUAL(memcmp(&wanted, &old, sizeof(old)), 0) && is_right;
}

static bool parameters_out_of_range_are_einval(void)
{
    const struct thrum_sched_params good = params_of(0);
    struct thrum_sched_params bad[] = {good, good, good, good, good, good, good,
                                       good, good, good, good, good, good};
    bool is_right = true;

    bad[0].tickets = 0;
    bad[1].tickets = 65537;
    bad[2].nice = -21;
    bad[3].nice = 20;
    bad[4].nice = INT_MIN;
    bad[5].nice = 256;
    bad[6].priority = 64;
    bad[7].priority = 256;
    bad[8].priority = UINT_MAX;
    bad[9].reserved = 1;
    bad[10].runtime_ns = 1000;
    bad[11].deadline_ns = bad[11].period_ns = 1000;
    bad[12].runtime_ns = 2000, bad[12].deadline_ns = 1000, bad[12].period_ns = 3000;
    for (size_t i = 0; i < KTAP_LEN(bad); i++) {
        if (!FAILS(sched_set_params(0, &bad[i]), EINVAL)) {
            ktap_diag("row %zu", i);
            is_right = false;
        }
        struct thrum_sched_params now = params_of(0);
        is_right = KTAP_EQUAL(memcmp(&now, &good, sizeof(good)), 0) && is_right;
    }
    return is_right;
}

static void have_nice_9(void *arg)
{
    (void)arg;
    if (params_of(0).nice == 9)
        _exit(CHILD_IS_WELL);
}

static void *own_nice(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)params_of(0).nice;
}

static bool niceness_is_inherited(void)
{
    struct thrum_sched_params old = params_of(0), wanted = old;
    void *nice = NULL;
    thread_t lwp;
    int status;

    wanted.nice = 9;
    bool is_right = KTAP_EQUAL(sched_set_params(0, &wanted), 0) &&
                    KTAP_EQUAL(thread_create(&lwp, own_nice, NULL), 0) &&
                    KTAP_EQUAL(thread_join(lwp, &nice), 0) && KTAP_EQUAL((long)nice, 9);
    waitpid(start_child(have_nice_9, NULL), &status, 0);
    return KTAP_EQUAL(sched_set_params(0, &old), 0) && KTAP_EQUAL(status, CHILD_IS_WELL << 8) &&
           is_right;
}

/* ---- Shares ---------------------------------------------------------------------------------- */

static bool share_is_given_to_another_lwp(void)
{
    struct thrum_sched_lwp lwp;
    struct worker worker;

    start_worker(&worker);
    bool is_right = KTAP_EQUAL(sched_set_share_of(worker.tid, 30), 0) && worker_goes_on(&worker) &&
                    KTAP_TRUE(read_lwp(worker.tid, &lwp)) && KTAP_EQUAL(lwp.share_percent, 30) &&
                    KTAP_EQUAL(promised_on(lwp.cpu), 30) && KTAP_EQUAL(lwp.level, -1);
    is_right = KTAP_EQUAL(sched_set_share_of(worker.tid, 45), 0) && worker_goes_on(&worker) &&
               KTAP_TRUE(read_lwp(worker.tid, &lwp)) && KTAP_EQUAL(lwp.share_percent, 45) &&
               KTAP_EQUAL(promised_on(lwp.cpu), 45) && is_right;
    is_right = KTAP_EQUAL(sched_set_share_of(worker.tid, 0), 0) && worker_goes_on(&worker) &&
               KTAP_TRUE(read_lwp(worker.tid, &lwp)) && KTAP_EQUAL(lwp.share_percent, 0) &&
               KTAP_EQUAL(lwp.group, 0) && is_right;
    return stop_worker(&worker) && nothing_is_promised() && is_right;
}

static bool share_of_a_sleeper_is_changed_and_given_back_at_its_end(void)
{
    struct thrum_sched_lwp lwp;
    thread_t sleeper;
    bool is_right = KTAP_EQUAL(thread_create(&sleeper, sleep_for_ever, NULL), 0) &&
                    KTAP_TRUE(comes_to_wait(sleeper)) &&
                    KTAP_EQUAL(sched_set_share_of(sleeper, 20), 0) &&
                    KTAP_TRUE(read_lwp(sleeper, &lwp)) && KTAP_EQUAL(lwp.share_percent, 20);

    return KTAP_EQUAL(thread_exit_target(sleeper), 0) &&
           KTAP_EQUAL(thread_join(sleeper, NULL), 0) && nothing_is_promised() && is_right;
}

static bool impossible_shares_change_nothing(void)
{
    static const int einval[] = {-1, 101, INT_MIN, INT_MAX};
    static const int eagain[] = {SHARE_MAX + 1, 100};
    struct thrum_sched_lwp lwp;
    struct worker worker;

    start_worker(&worker);
    bool is_right = KTAP_EQUAL(sched_set_share_of(worker.tid, 10), 0);
    for (size_t i = 0; i < KTAP_LEN(einval); i++)
        is_right = FAILS(sched_set_share_of(worker.tid, einval[i]), EINVAL) && is_right;
    for (size_t i = 0; i < KTAP_LEN(eagain); i++)
        is_right = FAILS(sched_set_share_of(worker.tid, eagain[i]), EAGAIN) && is_right;
    is_right = worker_goes_on(&worker) && KTAP_TRUE(read_lwp(worker.tid, &lwp)) &&
               KTAP_EQUAL(lwp.share_percent, 10) && KTAP_EQUAL(promised_on(lwp.cpu), 10) &&
               is_right;
    return stop_worker(&worker) && nothing_is_promised() && is_right;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static bool lwp_goes_to_a_group_and_back(void)
{
    struct thrum_sched_group group;
    struct thrum_sched_lwp lwp;
    struct worker worker;
    int number = sched_group_create("rr", 25);

    if (!KTAP_TRUE(number > 0))
        return false;
    start_worker(&worker);
    bool is_right = KTAP_TRUE(read_group(number, &group)) && KTAP_EQUAL(group.nr_members, 0) &&
                    KTAP_EQUAL(group.share_percent, 25) &&
                    KTAP_EQUAL(strcmp(group.class, "rr"), 0) && KTAP_EQUAL(promised_on(0), 25);
    is_right = KTAP_EQUAL(sched_join_group(number, worker.tid), 0) && worker_goes_on(&worker) &&
               KTAP_TRUE(read_lwp(worker.tid, &lwp)) && KTAP_EQUAL(lwp.group, number) &&
               KTAP_EQUAL(strcmp(lwp.class, "rr"), 0) && KTAP_TRUE(read_group(number, &group)) &&
               KTAP_EQUAL(group.nr_members, 1) && FAILS(sched_group_destroy(number), EBUSY) &&
               is_right;
    is_right = KTAP_EQUAL(sched_join_group(0, worker.tid), 0) && worker_goes_on(&worker) &&
               KTAP_TRUE(read_lwp(worker.tid, &lwp)) && KTAP_EQUAL(lwp.group, 0) && is_right;
    is_right = KTAP_EQUAL(sched_group_destroy(number), 0) && worker_goes_on(&worker) &&
               FAILS(sched_group_destroy(number), EINVAL) && is_right;
    return stop_worker(&worker) && nothing_is_promised() && is_right;
}

static void *own_group(void *arg)
{
    struct thrum_sched_lwp lwp = {.group = UINT_MAX};

    (void)arg;
    read_lwp(0, &lwp);
    return (void *)(uintptr_t)lwp.group;
}

static bool group_is_inherited(void)
{
    int number = sched_group_create("rr", 10);
    void *group = NULL;
    thread_t lwp;
    bool is_right = KTAP_EQUAL(sched_join_group(number, 0), 0) &&
                    KTAP_EQUAL(thread_create(&lwp, own_group, NULL), 0) &&
                    KTAP_EQUAL(thread_join(lwp, &group), 0) && KTAP_EQUAL((long)group, number);

    return KTAP_EQUAL(sched_join_group(0, 0), 0) && KTAP_EQUAL(sched_group_destroy(number), 0) &&
           nothing_is_promised() && is_right;
}

static bool impossible_groups_are_refused(void)
{
    return FAILS(sched_group_create("nonsense", 10), EINVAL) &&
           FAILS(sched_group_create("", 10), EINVAL) &&
           FAILS(sched_group_create("a_name_far_too_long_for_a_class", 10), EINVAL) &&
           FAILS(sched_group_create("rr", 0), EINVAL) &&
           FAILS(sched_group_create("rr", -1), EINVAL) &&
           FAILS(sched_group_create("rr", SHARE_MAX + 1), EINVAL) &&
           FAILS(sched_group_create("rr", 101), EINVAL) && FAILS(sched_group_destroy(0), EINVAL) &&
           FAILS(sched_group_destroy(7), EINVAL) && FAILS(sched_group_destroy(-1), EINVAL) &&
           FAILS(sched_group_destroy(INT_MAX), EINVAL) && FAILS(sched_join_group(7, 0), EINVAL) &&
           FAILS(sched_join_group(-1, 0), EINVAL) && FAILS(sched_join_group(256, 0), EINVAL) &&
           nothing_is_promised();
}

static bool groups_and_their_shares_are_limited(void)
{
    int numbers[THRUM_SCHED_GROUPS_MAX], nr = 0;
    bool is_right = true;

    while (nr < THRUM_SCHED_GROUPS_MAX && (numbers[nr] = sched_group_create("rr", 1)) > 0)
        nr++;
    is_right = KTAP_EQUAL(nr, THRUM_SCHED_GROUPS_MAX - 1) && KTAP_EQUAL(errno, ENOSPC);
    while (nr > 1)
        is_right = KTAP_EQUAL(sched_group_destroy(numbers[--nr]), 0) && is_right;
    is_right = FAILS(sched_group_create("rr", SHARE_MAX), EAGAIN) &&
               KTAP_EQUAL(promised_on(0), 1) && FAILS(sched_set_share_of(0, SHARE_MAX), EAGAIN) &&
               is_right;
    return KTAP_EQUAL(sched_group_destroy(numbers[0]), 0) && nothing_is_promised() && is_right;
}

/* ---- Scope ----------------------------------------------------------------------------------- */

/* All of them may be sent to another CPU while one looks. */
static bool is_on_our_cpu(void *tid)
{
    struct thrum_sched_lwp before, lwp, after;

    return read_lwp(0, &before) && read_lwp(*(thread_t *)tid, &lwp) && read_lwp(0, &after) &&
           before.cpu == lwp.cpu && after.cpu == lwp.cpu;
}

static bool lwps_of_a_process_become_one_and_part_again(void)
{
    struct worker worker[3];
    struct thrum_sched_lwp lwp;
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        start_worker(&worker[i]);
    is_right = KTAP_EQUAL(sched_set_scope(0, THRUM_SCOPE_PROCESS), 0);
    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        is_right = worker_goes_on(&worker[i]) && KTAP_TRUE(read_lwp(worker[i].tid, &lwp)) &&
                   KTAP_EQUAL(lwp.scope, THRUM_SCOPE_PROCESS) && is_right;
    is_right = KTAP_TRUE(ktap_wait_for(is_on_our_cpu, &worker[0].tid)) && is_right;
    is_right = KTAP_EQUAL(sched_set_scope(getpid(), THRUM_SCOPE_SYSTEM), 0) && is_right;
    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        is_right = worker_goes_on(&worker[i]) && KTAP_TRUE(read_lwp(worker[i].tid, &lwp)) &&
                   KTAP_EQUAL(lwp.scope, THRUM_SCOPE_SYSTEM) && is_right;
    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        is_right = stop_worker(&worker[i]) && is_right;
    return is_right;
}

static bool change_of_scope_gives_back_shares(void)
{
    struct thrum_sched_lwp lwp;
    struct worker worker;

    start_worker(&worker);
    bool is_right = KTAP_EQUAL(sched_set_share_of(worker.tid, 5), 0) &&
                    KTAP_EQUAL(sched_set_scope(0, THRUM_SCOPE_PROCESS), 0) &&
                    worker_goes_on(&worker) && KTAP_TRUE(read_lwp(worker.tid, &lwp)) &&
                    KTAP_EQUAL(lwp.share_percent, 0) && nothing_is_promised();

    /* The share of one is that of all. */
    is_right = KTAP_EQUAL(sched_set_share_of(worker.tid, 6), 0) && KTAP_TRUE(read_lwp(0, &lwp)) &&
               KTAP_EQUAL(lwp.share_percent, 6) &&
               KTAP_EQUAL(sched_set_scope(0, THRUM_SCOPE_SYSTEM), 0) && worker_goes_on(&worker) &&
               is_right;
    return stop_worker(&worker) && nothing_is_promised() && is_right;
}

static bool impossible_scopes_are_refused(void)
{
    return FAILS(sched_set_scope(0, 2), EINVAL) && FAILS(sched_set_scope(0, -1), EINVAL) &&
           FAILS(sched_set_scope(NOBODY, THRUM_SCOPE_PROCESS), ESRCH) &&
           FAILS(sched_set_scope(-1, THRUM_SCOPE_SYSTEM), ESRCH);
}

/* ---- Classes and tunables -------------------------------------------------------------------- */

static bool default_class_changes_under_load(void)
{
    struct worker worker[5];
    struct thrum_sched_class class;
    struct thrum_sched_group group;
    char first[THRUM_SCHED_NAME_MAX];
    bool is_right = KTAP_TRUE(read_group(0, &group));

    strcpy(first, group.class);
    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        start_worker(&worker[i]);
    for (uint64_t n = 0; sched_list(THRUM_LIST_CLASSES, n, &class, 1, sizeof(class)) == 1; n++) {
        /* Classes that break their promises are replaced at any moment. */
        if (strncmp(class.help, "for tests", strlen("for tests")) == 0)
            continue;
        if (!class.can_be_default) {
            is_right = FAILS(sched_set_class(class.name), EINVAL) && is_right;
            continue;
        }
        /* A debug kernel has classes that are wrong, for the watchdog (tests/kernel). */
        if (strncmp(class.help, "for tests:", 10) == 0)
            continue;
        is_right = KTAP_EQUAL(sched_set_class(class.name), 0) && KTAP_TRUE(read_group(0, &group)) &&
                   KTAP_EQUAL(strcmp(group.class, class.name), 0) &&
                   KTAP_TRUE((getlev() >= 0) == (strcmp(class.name, "mlfq") == 0)) && is_right;
        /* Fixed priorities are no turn for each: who works must not keep us away. */
        for (size_t i = 0; i < KTAP_LEN(worker) && strcmp(class.name, "prio") != 0; i++)
            is_right = worker_goes_on(&worker[i]) && is_right;
    }
    is_right = KTAP_EQUAL(sched_set_class(first), 0) && is_right;
    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        is_right = stop_worker(&worker[i]) && is_right;
    return is_right;
}

static bool unknown_classes_change_nothing(void)
{
    struct thrum_sched_group before, after;

    return KTAP_TRUE(read_group(0, &before)) && FAILS(sched_set_class("nonsense"), EINVAL) &&
           FAILS(sched_set_class(""), EINVAL) &&
           FAILS(sched_set_class("a_name_far_too_long_for_a_class"), EINVAL) &&
           KTAP_TRUE(read_group(0, &after)) && KTAP_EQUAL(strcmp(before.class, after.class), 0);
}

/* The first tunable of a group; false: there is none. */
static bool read_tunable(int group, struct thrum_sched_tunable *t)
{
    for (uint64_t i = 0; sched_list(THRUM_LIST_TUNABLES, i, t, 1, sizeof(*t)) == 1; i++)
        if (t->group == (uint32_t)group)
            return true;
    return false;
}

static bool tunables_are_set_within_their_range(void)
{
    struct thrum_sched_tunable t, now;
    int number = sched_group_create("rr", 10);
    bool is_right = KTAP_TRUE(read_tunable(number, &t)) &&
                    KTAP_EQUAL(sched_tune(number, t.name, t.min), 0) &&
                    KTAP_TRUE(read_tunable(number, &now)) && KTAP_EQUAL(now.value, t.min) &&
                    KTAP_EQUAL(sched_tune(number, t.name, t.max), 0) &&
                    FAILS(sched_tune(number, t.name, t.min - 1), EINVAL) &&
                    FAILS(sched_tune(number, t.name, t.max + 1), EINVAL) &&
                    FAILS(sched_tune(number, t.name, UINT64_MAX), EINVAL) &&
                    FAILS(sched_tune(number, "nonsense", t.min), EINVAL) &&
                    FAILS(sched_tune(number, "a_name_far_too_long_for_it", 1), EINVAL) &&
                    FAILS(sched_use_preset(number, "nonsense"), EINVAL) &&
                    KTAP_TRUE(read_tunable(number, &now)) && KTAP_EQUAL(now.value, t.max);

    is_right = KTAP_EQUAL(sched_group_destroy(number), 0) && is_right;
    return FAILS(sched_tune(number, t.name, t.min), EINVAL) &&
           FAILS(sched_tune(-1, t.name, t.min), EINVAL) &&
           FAILS(sched_use_preset(number, "process"), EINVAL) && nothing_is_promised() && is_right;
}

/* ---- Affinity -------------------------------------------------------------------------------- */

static uint64_t all_cpus(void)
{
    return ktap_cpus() < CPUS_MAX ? (1ull << ktap_cpus()) - 1 : UINT64_MAX;
}

static bool own_affinity_is_obeyed_at_once(void)
{
    bool is_right = true;

    for (size_t round = 0; round < ktap_times(1000); round++) {
        size_t cpu = round % ktap_cpus();
        is_right = KTAP_EQUAL(sched_set_cpus(0, 1ull << cpu), 0) &&
                   KTAP_EQUAL(current_cpu(), cpu) && is_right;
        yield();
        is_right = KTAP_EQUAL(current_cpu(), cpu) && is_right;
    }
    return KTAP_EQUAL(sched_set_cpus(0, all_cpus()), 0) && is_right;
}

/* Who is moved may be in a system call that began elsewhere: what it notes counts from its next
 * round on. */
static bool others_affinity_is_obeyed(void)
{
    struct worker worker[3];
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        start_worker(&worker[i]);
    for (size_t round = 0; round < 2 * ktap_cpus(); round++) {
        uint64_t cpus = 1ull << round % ktap_cpus();
        for (size_t i = 0; i < KTAP_LEN(worker); i++) {
            is_right = KTAP_EQUAL(sched_set_cpus(worker[i].tid, cpus), 0) &&
                       worker_goes_on(&worker[i]) && is_right;
            atomic_store(&worker[i].cpus_seen, 0);
        }
        for (size_t i = 0; i < KTAP_LEN(worker); i++)
            is_right = worker_goes_on(&worker[i]) &&
                       KTAP_EQUAL(atomic_load(&worker[i].cpus_seen), cpus) && is_right;
    }
    for (size_t i = 0; i < KTAP_LEN(worker); i++)
        is_right = stop_worker(&worker[i]) && is_right;
    return is_right;
}

static bool affinity_to_no_cpu_is_einval(void)
{
    uint64_t cpus = 0;

    if (ktap_cpus() < CPUS_MAX && !FAILS(sched_set_cpus(0, ~all_cpus()), EINVAL))
        return false;
    return FAILS(sched_set_cpus(0, 0), EINVAL) && KTAP_EQUAL(sched_get_cpus(0, &cpus), 0) &&
           KTAP_EQUAL(cpus, all_cpus());
}

/* ---- Who may ----------------------------------------------------------------------------------
 */

/*
 * All that changes an LWP, or a process, but its affinity, which is Linux's call (t_policy.c). What
 * each answers is `error`, or 0.
 */
static bool all_controls_answer(pid_t tid, int error)
{
    struct thrum_sched_params params = params_of(0);
    bool is_right = KTAP_EQUAL(sched_set_params(tid, &params) < 0 ? errno : 0, error);

    is_right = KTAP_EQUAL(sched_set_share_of(tid, 0) < 0 ? errno : 0, error) && is_right;
    is_right = KTAP_EQUAL(sched_join_group(0, tid) < 0 ? errno : 0, error) && is_right;
    return KTAP_EQUAL(sched_set_scope(tid, THRUM_SCOPE_SYSTEM) < 0 ? errno : 0, error) && is_right;
}

static bool nobody_is_esrch(void)
{
    struct thrum_sched_params params;
    uint64_t cpus;

    return all_controls_answer(NOBODY, ESRCH) && all_controls_answer(-1, ESRCH) &&
           all_controls_answer(INT_MIN, ESRCH) && FAILS(sched_get_params(NOBODY, &params), ESRCH) &&
           FAILS(sched_get_cpus(NOBODY, &cpus), ESRCH) &&
           FAILS(sched_set_cpus(NOBODY, all_cpus()), ESRCH) &&
           FAILS(sched_set_cpus(-1, all_cpus()), ESRCH);
}

/* A session of its own: its parent is somebody else to it, and may be looked at only. */
static void control_parent(void *parent)
{
    pid_t pid = *(pid_t *)parent;
    struct thrum_sched_lwp lwp;

    setsid();
    if (all_controls_answer(pid, EPERM) && read_lwp(pid, &lwp) && params_of(pid).tickets != 0 &&
        all_controls_answer(getpid(), 0))
        _exit(CHILD_IS_WELL);
}

static bool somebody_elses_lwp_is_eperm(void)
{
    pid_t self = getpid();
    int status;

    waitpid(start_child(control_parent, &self), &status, 0);
    return KTAP_EQUAL(status, CHILD_IS_WELL << 8);
}

static void sleep_in_own_session(void *arg)
{
    setsid();
    atomic_store((_Atomic int *)arg, 1);
    sleep_for_ever(NULL);
}

static bool is_own_session(void *pid)
{
    return getsid(*(pid_t *)pid) == *(pid_t *)pid;
}

static bool descendants_are_ours_in_any_session(void)
{
    _Atomic int unused = 0;
    pid_t child = start_child(sleep_in_own_session, &unused);
    bool is_right = KTAP_TRUE(ktap_wait_for(is_own_session, &child)) &&
                    all_controls_answer(child, 0) && KTAP_EQUAL(kill(child, SIGKILL), 0);

    return KTAP_EQUAL(waitpid(child, NULL, 0), child) && is_right;
}

static void *exit_at_once(void *arg)
{
    return arg;
}

/* While it comes and goes, each answer is 0 or ESRCH. */
static bool control_of_one_that_ends_is_0_or_esrch(void)
{
    struct thrum_sched_params params = params_of(0);
    bool is_right = true;

    for (size_t round = 0; round < ktap_times(2000) && is_right; round++) {
        thread_t lwp;
        if (!KTAP_EQUAL(thread_create(&lwp, exit_at_once, NULL), 0))
            return false;
        for (int i = 0; i < 3 && is_right; i++) {
            bool is_set = sched_set_share_of(lwp, 1 + i) == 0;
            is_right = KTAP_TRUE(is_set || errno == ESRCH) && is_right;
            is_set = sched_set_params(lwp, &params) == 0;
            is_right = KTAP_TRUE(is_set || errno == ESRCH) && is_right;
            is_set = sched_set_cpus(lwp, 1ull << (round + (size_t)i) % ktap_cpus()) == 0;
            is_right = KTAP_TRUE(is_set || errno == ESRCH) && is_right;
        }
        is_right = KTAP_EQUAL(thread_join(lwp, NULL), 0) &&
                   FAILS(sched_join_group(0, lwp), ESRCH) && is_right;
    }
    return nothing_is_promised() && is_right;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static bool lists_refuse_what_they_do_not_have(void)
{
    struct thrum_sched_lwp lwp;
    uint32_t tid_and_pid[2] = {0};

    return FAILS(sched_list(6, 0, &lwp, 1, 8), EINVAL) &&
           FAILS(sched_list(UINT_MAX, 0, &lwp, 1, 8), EINVAL) &&
           FAILS(sched_list(THRUM_LIST_LWPS, 0, &lwp, 1, 0), EINVAL) &&
           FAILS(sched_list(THRUM_LIST_LWPS, 0, &lwp, 1, sizeof(lwp) + 1), EINVAL) &&
           FAILS(sched_list(THRUM_LIST_LWPS, 0, NULL, 1, sizeof(lwp)), EFAULT) &&
           KTAP_EQUAL(sched_list(THRUM_LIST_LWPS, 0, NULL, 0, sizeof(lwp)), 0) &&
           KTAP_EQUAL(sched_list(THRUM_LIST_LWPS, UINT64_MAX, &lwp, 1, sizeof(lwp)), 0) &&
           KTAP_EQUAL(sched_list(THRUM_LIST_CPUS, UINT64_MAX, &lwp, 1, 8), 0) &&
           /* An older program's record is shorter. */
           KTAP_EQUAL(sched_list(THRUM_LIST_LWPS, (uint64_t)gettid(), tid_and_pid, 1, 8), 1) &&
           KTAP_EQUAL(tid_and_pid[0], gettid()) && KTAP_EQUAL(tid_and_pid[1], getpid());
}

static bool lists_tell_what_is_there(void)
{
    struct thrum_sched_class class;
    struct thrum_sched_lwp self;
    size_t nr_cpus, nr_lwps;
    struct thrum_sched_cpu *cpus = sched_list_all(THRUM_LIST_CPUS, sizeof(*cpus), &nr_cpus);
    struct thrum_sched_lwp *lwps = sched_list_all(THRUM_LIST_LWPS, sizeof(*lwps), &nr_lwps);
    bool is_right = KTAP_EQUAL(nr_cpus, ktap_cpus()) && KTAP_TRUE(nr_lwps >= 2) &&
                    KTAP_EQUAL(lwps[0].tid, 1) && KTAP_TRUE(has_class("rr", &class)) &&
                    KTAP_TRUE(class.can_be_default && class.is_work_conserving) &&
                    KTAP_TRUE(has_class("stride", &class)) && KTAP_TRUE(has_class("mlfq", &class));

    for (size_t i = 0; i < nr_cpus; i++)
        is_right =
            KTAP_EQUAL(cpus[i].cpu, i) && KTAP_TRUE(cpus[i].now_ns >= cpus[i].idle_ns) && is_right;
    int level;
    bool is_read;
    do { /* until it has not gone down a level, or been boosted, meanwhile */
        level = getlev();
        is_read = read_lwp(0, &self);
    } while (is_read && level != getlev());
    is_right = KTAP_TRUE(is_read) && KTAP_EQUAL(self.pid, getpid()) &&
               KTAP_EQUAL(self.state, THRUM_LWP_STATE_RUNNING) && KTAP_TRUE(self.run_ns > 0) &&
               KTAP_TRUE(self.nr_switches > 0) && KTAP_EQUAL(self.affinity, all_cpus()) &&
               KTAP_EQUAL(self.level, level) && is_right;
    free(cpus);
    free(lwps);
    return is_right;
}

static bool has_ended(void *tid)
{
    struct thrum_sched_lwp lwp;

    return read_lwp(*(thread_t *)tid, &lwp) && lwp.state == THRUM_LWP_STATE_ZOMBIE;
}

/* Until it is joined it is there to be looked at, and not to be changed. */
static bool ended_lwp_is_in_the_list_until_it_is_joined(void)
{
    struct thrum_sched_lwp lwp;
    thread_t ended;
    bool is_right = KTAP_EQUAL(thread_create(&ended, exit_at_once, NULL), 0) &&
                    KTAP_TRUE(ktap_wait_for(has_ended, &ended)) &&
                    KTAP_TRUE(read_lwp(ended, &lwp)) && KTAP_EQUAL(lwp.level, -1) &&
                    KTAP_TRUE(lwp.run_ns > 0) && FAILS(sched_set_share_of(ended, 1), ESRCH);

    return KTAP_EQUAL(thread_join(ended, NULL), 0) && KTAP_TRUE(!read_lwp(ended, &lwp)) && is_right;
}

/* Enough LWPs that the list is read in pieces, while one comes and goes all the time. */
static bool changing_list_is_in_order_and_complete(void)
{
    enum { NR_SLEEPERS = 100 };
    thread_t sleeper[NR_SLEEPERS], creator;
    bool is_right = KTAP_EQUAL(thread_create(&creator, create_for_ever, NULL), 0);

    for (size_t i = 0; i < NR_SLEEPERS; i++)
        is_right = KTAP_EQUAL(thread_create(&sleeper[i], sleep_for_ever, NULL), 0) && is_right;
    for (size_t round = 0; round < ktap_times(200) && is_right; round++) {
        size_t nr, nr_found = 0;
        struct thrum_sched_lwp *lwps = sched_list_all(THRUM_LIST_LWPS, sizeof(*lwps), &nr);
        for (size_t i = 0; i < nr; i++) {
            is_right = KTAP_TRUE(i == 0 || lwps[i - 1].tid < lwps[i].tid) && is_right;
            for (size_t j = 0; j < NR_SLEEPERS; j++)
                nr_found += lwps[i].tid == sleeper[j];
        }
        is_right = KTAP_EQUAL(nr_found, NR_SLEEPERS) && is_right;
        free(lwps);
    }
    for (size_t i = 0; i < NR_SLEEPERS; i++) {
        thread_exit_target(sleeper[i]);
        is_right = KTAP_EQUAL(thread_join(sleeper[i], NULL), 0) && is_right;
    }
    thread_exit_target(creator);
    return KTAP_EQUAL(thread_join(creator, NULL), 0) && is_right;
}

static const struct ktap_test tests[] = {
    {"parameters that are set are read back", parameters_are_read_back},
    {"parameters out of range are EINVAL and change nothing", parameters_out_of_range_are_einval},
    {"LWPs and processes inherit their creator's niceness", niceness_is_inherited},
    {"another LWP is given a share, another one, and none", share_is_given_to_another_lwp},
    {"an LWP that sleeps is given a share, which comes back at its end",
     share_of_a_sleeper_is_changed_and_given_back_at_its_end},
    {"shares that cannot be change nothing", impossible_shares_change_nothing},
    {"an LWP goes to a group and back", lwp_goes_to_a_group_and_back},
    {"a new LWP is in its creator's group", group_is_inherited},
    {"groups that cannot be, or are not there, are EINVAL", impossible_groups_are_refused},
    {"there are only so many groups and shares", groups_and_their_shares_are_limited},
    {"a process's LWPs become one entity, and part again",
     lwps_of_a_process_become_one_and_part_again},
    {"a change of scope gives back shares", change_of_scope_gives_back_shares},
    {"scopes that cannot be are refused", impossible_scopes_are_refused},
    {"the default class changes under load, and nobody is lost", default_class_changes_under_load},
    {"unknown classes are EINVAL and change nothing", unknown_classes_change_nothing},
    {"tunables are set within their range", tunables_are_set_within_their_range},
    {"an LWP is on its CPU when it has set its affinity", own_affinity_is_obeyed_at_once},
    {"LWPs that run are moved to the CPUs of their affinity", others_affinity_is_obeyed},
    {"an affinity to no CPU that exists is EINVAL", affinity_to_no_cpu_is_einval},
    {"control of nobody is ESRCH", nobody_is_esrch},
    {"control of an LWP of another session is EPERM", somebody_elses_lwp_is_eperm},
    {"a descendant may be controlled in any session", descendants_are_ours_in_any_session},
    {"control of an LWP that ends is 0 or ESRCH", control_of_one_that_ends_is_0_or_esrch},
    {"lists refuse what they do not have", lists_refuse_what_they_do_not_have},
    {"lists tell what is there", lists_tell_what_is_there},
    {"an LWP that has ended is in the list until it is joined",
     ended_lwp_is_in_the_list_until_it_is_joined},
    {"a list that changes is read in order, and completely",
     changing_list_is_in_order_and_complete},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
