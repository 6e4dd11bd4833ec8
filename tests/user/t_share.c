/*
 * Guaranteed shares, measured: 10, 20 and 50 % of a CPU, while the rest of the machine is full.
 *
 *     t_share [MILLISECONDS [POINTS [TRIES]]]
 *
 * MILLISECONDS is how long the first measurement lasts (the other a third of that), POINTS how many
 * hundredths of a CPU what was got may differ from what was promised. Both sides of that are
 * nanoseconds of the guest: what an LWP is charged with (CLOCK_THREAD_CPUTIME_ID), and what passes
 * meanwhile. One of so many TRIES has to be right.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>

#include <thrum/sched.h>

#include "ktap.h"

#define NSEC_PER_MSEC  1000000ull
#define NSEC_PER_SEC   1000000000ull
#define HUNDREDTHS     100 /* of a point */
#define NR_SHARES      3
#define CPUS_MAX       64
#define HOGS_PER_CPU   2
#define GROUP_SHARE    30
#define NR_CHUNK_STEPS 20000

static uint64_t duration_ns = 3000 * NSEC_PER_MSEC;
static long points = 3, nr_tries = 1;

static const int shares[NR_SHARES] = {10, 20, 50};

/* One that computes all the time, and how much it got of the time that is measured. */
struct worker {
    thread_t tid;
    int share;               /* 0: none */
    uint64_t run_ns, all_ns; /* while the gate was open */
};

static struct worker favoured[CPUS_MAX], hogs[HOGS_PER_CPU * CPUS_MAX];
static _Atomic uint64_t begin_ns, end_ns;
static _Atomic size_t nr_ready;

static uint64_t cpu_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* Computes until that moment; when it is over. */
static uint64_t compute_until(_Atomic uint64_t *moment_ns)
{
    uint64_t now_ns;

    do {
        for (volatile int i = 0; i < NR_CHUNK_STEPS; i++)
            ;
        now_ns = monotonic_ns();
    } while (now_ns < atomic_load(moment_ns));
    return now_ns;
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    if (worker->share != 0 && set_cpu_share(worker->share) != 0)
        perror("# set_cpu_share");
    atomic_fetch_add(&nr_ready, 1);
    uint64_t start_ns = compute_until(&begin_ns), start_cpu_ns = cpu_time_ns();
    worker->all_ns = compute_until(&end_ns) - start_ns;
    worker->run_ns = cpu_time_ns() - start_cpu_ns;
    return NULL;
}

static bool start_workers(struct worker *worker, size_t nr, int group)
{
    for (size_t i = 0; i < nr; i++)
        if (!KTAP_EQUAL(thread_create(&worker[i].tid, work, &worker[i]), 0) ||
            (group != 0 && !KTAP_EQUAL(sched_join_group(group, worker[i].tid), 0)))
            return false;
    return true;
}

static bool are_ready(void *nr)
{
    return atomic_load(&nr_ready) == *(size_t *)nr;
}

/* Measures for that long what they get who have been started, and waits for their end. */
static bool measure(size_t nr_favoured, size_t nr_hogs, uint64_t for_ns)
{
    size_t nr = nr_favoured + nr_hogs;
    bool is_right = KTAP_TRUE(ktap_wait_for(are_ready, &nr));

    atomic_store(&end_ns, monotonic_ns() + 100 * NSEC_PER_MSEC + for_ns);
    atomic_store(&begin_ns, atomic_load(&end_ns) - for_ns);
    for (size_t i = 0; i < nr_favoured; i++)
        is_right = KTAP_EQUAL(thread_join(favoured[i].tid, NULL), 0) && is_right;
    for (size_t i = 0; i < nr_hogs; i++)
        is_right = KTAP_EQUAL(thread_join(hogs[i].tid, NULL), 0) && is_right;
    return is_right;
}

static void close_gate(void)
{
    atomic_store(&nr_ready, 0);
    atomic_store(&begin_ns, UINT64_MAX);
    atomic_store(&end_ns, UINT64_MAX);
    for (size_t i = 0; i < KTAP_LEN(favoured); i++)
        favoured[i] = (struct worker){0};
    for (size_t i = 0; i < KTAP_LEN(hogs); i++)
        hogs[i] = (struct worker){0};
}

/* What they got of one CPU, all together, in hundredths of a percent. */
static long sum_of(const struct worker *worker, size_t nr)
{
    long sum = 0;

    for (size_t i = 0; i < nr; i++)
        sum += (long)(worker[i].run_ns * 100 * HUNDREDTHS / worker[i].all_ns);
    return sum;
}

/* Whether it is `percent` of a CPU, `slack` points more or less. */
static bool is_about(const char *who, long hundredths, long percent, long slack)
{
    long error = hundredths - percent * HUNDREDTHS;

    ktap_diag("%s: promised %ld %%, got %ld.%02ld %%", who, percent, hundredths / HUNDREDTHS,
              hundredths % HUNDREDTHS);
    return KTAP_TRUE(error <= slack * HUNDREDTHS && -error <= slack * HUNDREDTHS);
}

/*
 * A CPU that stands still because its host is busy counts for whom it runs. That is made up for,
 * but not what comes at the end of a measurement: so one of several tries has to be right. Where
 * time is counted in instructions, one try is enough.
 */
static bool comes_to_be(bool (*is_right)(void))
{
    bool is_so = false;

    for (int i = 0; i < nr_tries && !is_so; i++)
        is_so = is_right();
    return is_so;
}

static bool shares_are_right(void)
{
    size_t nr_hogs = HOGS_PER_CPU * ktap_cpus();
    long rest = 100 * (long)ktap_cpus();
    bool is_right;

    close_gate();
    for (size_t i = 0; i < NR_SHARES; i++) {
        favoured[i].share = shares[i];
        rest -= shares[i];
    }
    is_right = start_workers(favoured, NR_SHARES, 0) && start_workers(hogs, nr_hogs, 0) &&
               measure(NR_SHARES, nr_hogs, duration_ns);
    for (size_t i = 0; i < NR_SHARES && is_right; i++)
        is_right = is_about("one", sum_of(&favoured[i], 1), shares[i], points);
    return is_right && is_about("the rest", sum_of(hogs, nr_hogs), rest, points * NR_SHARES);
}

static bool shares_are_what_was_promised(void)
{
    return comes_to_be(shares_are_right);
}

/* A group is promised its share on each CPU, and has one member there. */
static bool group_has_its_share(void)
{
    size_t nr_cpus = ktap_cpus(), nr_hogs = HOGS_PER_CPU * nr_cpus;
    int group = sched_group_create("rr", GROUP_SHARE);
    bool is_right = KTAP_TRUE(group > 0);

    close_gate();
    is_right =
        is_right && start_workers(favoured, nr_cpus, group) && start_workers(hogs, nr_hogs, 0);
    for (size_t i = 0; i < nr_cpus && is_right; i++)
        is_right = KTAP_EQUAL(sched_set_cpus(favoured[i].tid, 1ull << i), 0);
    is_right = is_right && measure(nr_cpus, nr_hogs, duration_ns / 3);
    for (size_t i = 0; i < nr_cpus && is_right; i++)
        is_right = is_about("a member", sum_of(&favoured[i], 1), GROUP_SHARE, points);
    return KTAP_EQUAL(sched_group_destroy(group), 0) && is_right;
}

static bool group_has_its_share_of_every_cpu(void)
{
    return comes_to_be(group_has_its_share);
}

static const struct ktap_test tests[] = {
    {"10, 20 and 50 % of a CPU are got beside hogs", shares_are_what_was_promised},
    {"a group gets its share of every CPU", group_has_its_share_of_every_cpu},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        duration_ns = strtoul(argv[1], NULL, 10) * NSEC_PER_MSEC;
    if (argc > 2)
        points = (long)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        nr_tries = (long)strtoul(argv[3], NULL, 10);
    return ktap_main(tests, KTAP_LEN(tests));
}
