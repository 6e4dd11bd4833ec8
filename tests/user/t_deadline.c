/*
 * Deadlines are met beside hogs that fill the machine, and an overrun hurts only who overruns.
 *
 *     t_deadline [PERIODS [LATE]]
 *
 * A group under edf is promised 40 % of every CPU. A task in it needs 10 ms of CPU time in every
 * 50 ms. PERIODS is for how long; LATE how many of them may be late in each test: none, unless the
 * machine is emulated by a host that gives the CPU to others.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>

#include <thrum/sched.h>

#include "ktap.h"

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull
#define GROUP_SHARE   40
#define HOGS_PER_CPU  2
#define CPUS_MAX      64
#define NR_STEPS      2000
#define PERIOD_NS     (50 * NSEC_PER_MSEC)
#define WORK_NS       (10 * NSEC_PER_MSEC)
#define RUNTIME_NS    (WORK_NS + 500 * NSEC_PER_USEC) /* going to sleep and waking up, too */

static size_t nr_periods = 40, nr_late_allowed;

static _Atomic int stop;

static uint64_t cpu_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void compute_a_little(void)
{
    for (volatile int i = 0; i < NR_STEPS; i++)
        ;
}

static void *compute_until_stop(void *arg)
{
    while (!atomic_load(&stop))
        compute_a_little();
    return arg;
}

/* Does its work once in each period, from a start of its own on. */
struct task {
    thread_t tid;
    int group;
    uint64_t runtime_ns; /* what it is promised, */
    uint64_t work_ns;    /* what it needs */
    bool is_admitted;
    size_t nr_late;
    uint64_t latest_ns; /* the longest that a job took from the beginning of its period */
    uint64_t run_ns, all_ns;
};

static void *work_in_periods(void *arg)
{
    struct task *task = arg;
    struct thrum_sched_params params;

    sched_get_params(0, &params);
    params.runtime_ns = task->runtime_ns;
    params.deadline_ns = params.period_ns = PERIOD_NS;
    task->is_admitted = sched_set_params(0, &params) == 0 && sched_join_group(task->group, 0) == 0;
    if (!task->is_admitted)
        return NULL;
    sleep_ns(PERIOD_NS);

    uint64_t start_ns = monotonic_ns(), start_run_ns = cpu_time_ns(), begin_ns = start_ns;
    for (size_t i = 0; i < nr_periods; i++, begin_ns += PERIOD_NS) {
        uint64_t now_ns = monotonic_ns();
        if (now_ns < begin_ns)
            sleep_ns(begin_ns - now_ns);
        for (uint64_t run_ns = cpu_time_ns(); cpu_time_ns() - run_ns < task->work_ns;)
            compute_a_little();
        uint64_t took_ns = monotonic_ns() - begin_ns;
        task->nr_late += took_ns > PERIOD_NS;
        if (took_ns > task->latest_ns)
            task->latest_ns = took_ns;
    }
    task->run_ns = cpu_time_ns() - start_run_ns;
    task->all_ns = monotonic_ns() - start_ns;
    return NULL;
}

/* Runs those tasks beside hogs; whether there was room for them. */
static bool run_beside_hogs(struct task *task, size_t nr_tasks)
{
    static thread_t hog[HOGS_PER_CPU * CPUS_MAX];
    size_t nr_hogs = HOGS_PER_CPU * ktap_cpus();
    int group = sched_group_create("edf", GROUP_SHARE);
    bool is_right = KTAP_TRUE(group > 0);

    atomic_store(&stop, 0);
    for (size_t i = 0; i < nr_tasks; i++) {
        task[i].group = group;
        is_right =
            KTAP_EQUAL(thread_create(&task[i].tid, work_in_periods, &task[i]), 0) && is_right;
    }
    for (size_t i = 0; i < nr_hogs; i++)
        is_right = KTAP_EQUAL(thread_create(&hog[i], compute_until_stop, NULL), 0) && is_right;
    for (size_t i = 0; i < nr_tasks; i++) {
        is_right = KTAP_EQUAL(thread_join(task[i].tid, NULL), 0) &&
                   KTAP_TRUE(task[i].is_admitted) && is_right;
        ktap_diag("%lu us of work in 50000: %zu of %zu late, the longest took %lu us",
                  (unsigned long)(task[i].work_ns / NSEC_PER_USEC), task[i].nr_late, nr_periods,
                  (unsigned long)(task[i].latest_ns / NSEC_PER_USEC));
    }
    atomic_store(&stop, 1);
    for (size_t i = 0; i < nr_hogs; i++)
        is_right = KTAP_EQUAL(thread_join(hog[i], NULL), 0) && is_right;
    return KTAP_EQUAL(sched_group_destroy(group), 0) && is_right;
}

static bool deadlines_are_met(void)
{
    struct task task = {.runtime_ns = RUNTIME_NS, .work_ns = WORK_NS};

    return run_beside_hogs(&task, 1) && KTAP_TRUE(task.nr_late <= nr_late_allowed);
}

/* Both are on one CPU: that is where it would hurt. The one that needs twice what it is promised
 * gets what it is promised, and no more. */
static bool overrun_hurts_only_itself(void)
{
    struct task task[] = {
        {.runtime_ns = RUNTIME_NS, .work_ns = WORK_NS},
        {.runtime_ns = 8 * NSEC_PER_MSEC, .work_ns = 16 * NSEC_PER_MSEC},
    };
    bool is_right = KTAP_EQUAL(sched_set_cpus(0, 1), 0) && run_beside_hogs(task, KTAP_LEN(task));
    long permille = (long)(task[1].run_ns * 1000 / task[1].all_ns);

    ktap_diag("the one that overruns: promised 16 %%, got %ld.%ld %%", permille / 10,
              permille % 10);
    sched_set_cpus(0, ktap_cpus() < CPUS_MAX ? (1ull << ktap_cpus()) - 1 : UINT64_MAX);
    return KTAP_TRUE(task[0].nr_late <= nr_late_allowed) &&
           KTAP_TRUE(task[1].nr_late > nr_periods / 2) &&
           KTAP_TRUE(permille >= 140 && permille <= 170) && is_right;
}

static const struct ktap_test tests[] = {
    {"10 ms of work in every 50 are done in time, beside hogs", deadlines_are_met},
    {"who overruns hurts only itself", overrun_hurts_only_itself},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        nr_periods = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        nr_late_allowed = strtoul(argv[2], NULL, 10);
    return ktap_main(tests, KTAP_LEN(tests));
}
