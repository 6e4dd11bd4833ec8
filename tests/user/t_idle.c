/*
 * No CPU idles for over 4 ms while another has two LWPs to run.
 *
 *     t_idle [MILLISECONDS [LIMIT_US]]
 *
 * As many LWPs as there are CPUs compute all the time. So while any CPU idles, another has two of
 * them, and the trace must show no idle time that is longer. Others come, sleep and go, and upset
 * who runs where. LIMIT_US is the limit, where the emulator adds to it.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <thread.h>
#include <thrum.h>

#include <sys/syscall.h>
#include <thrum/sched.h>

#include "ktap.h"

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define CPUS_MAX      64
#define RECORDS_MAX   256
#define READ_EVERY_NS (20 * NSEC_PER_MSEC)
#define NR_STEPS      2000
#define WATCHES_MAX   10

static uint64_t duration_ns = 2000 * NSEC_PER_MSEC, limit_ns = 4 * NSEC_PER_MSEC;

static thread_t hog[CPUS_MAX], guest[2 * CPUS_MAX];
static _Atomic int stop;

/* What the trace says of a CPU. */
static struct {
    struct thrum_trace_cursor cursor;
    uint64_t idle_since_ns; /* 0: it is not idle */
} cpus[CPUS_MAX];

static uint64_t from_ns, longest_ns, total_ns;
static size_t nr_idle_times;

static void compute_steps(size_t nr)
{
    for (volatile size_t i = 0; i < nr; i++)
        ;
}

static void *compute_until_stop(void *arg)
{
    while (!atomic_load(&stop))
        compute_steps(NR_STEPS);
    return arg;
}

/* Computes and sleeps, both for times of its own. */
static void *come_and_go(void *arg)
{
    size_t number = (size_t)((thread_t *)arg - guest);

    for (size_t i = 0; !atomic_load(&stop); i++) {
        compute_steps((1 + (i + number) % 7) * 40 * NR_STEPS);
        sleep_ns((1 + (i + 3 * number) % 11) * NSEC_PER_MSEC);
    }
    return arg;
}

static void end_of_idle_time(size_t cpu, uint64_t now_ns)
{
    uint64_t since_ns = cpus[cpu].idle_since_ns < from_ns ? from_ns : cpus[cpu].idle_since_ns;

    if (cpus[cpu].idle_since_ns == 0 || now_ns < since_ns)
        return;
    nr_idle_times++;
    total_ns += now_ns - since_ns;
    if (now_ns - since_ns > longest_ns)
        longest_ns = now_ns - since_ns;
}

static void read_cpu(size_t cpu)
{
    static struct thrum_trace_record record[RECORDS_MAX];
    long nr;

    while ((nr = syscall6(THRUM_SYS_trace_read, (long)cpu, (long)&cpus[cpu].cursor, (long)record,
                          RECORDS_MAX, 0, 0)) > 0)
        for (long i = 0; i < nr; i++) {
            if (record[i].tid == 0)
                end_of_idle_time(cpu, record[i].time_ns);
            cpus[cpu].idle_since_ns = record[i].argument[0] == 0 ? record[i].time_ns : 0;
        }
}

/* Watches for that long; whether it has seen all. CPUs that idle now count from now on, those that
 * idle then until then. */
static bool watch(void)
{
    uint64_t end_ns = monotonic_ns() + duration_ns;
    bool is_right = true;

    from_ns = monotonic_ns();
    longest_ns = total_ns = nr_idle_times = 0;
    while (monotonic_ns() < end_ns) {
        sleep_ns(READ_EVERY_NS);
        for (size_t cpu = 0; cpu < ktap_cpus(); cpu++)
            read_cpu(cpu);
    }
    uint64_t now_ns = monotonic_ns();
    syscall6(THRUM_SYS_trace_control, THRUM_TRACE_SET, 0, 0, 0, 0, 0);
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        read_cpu(cpu);
        end_of_idle_time(cpu, now_ns);
        is_right = KTAP_EQUAL((long)cpus[cpu].cursor.nr_lost, 0) && is_right;
    }
    ktap_diag("idle %zu times, %lu us in all, the longest %lu us", nr_idle_times,
              (unsigned long)(total_ns / NSEC_PER_USEC),
              (unsigned long)(longest_ns / NSEC_PER_USEC));
    return is_right;
}

static void start_trace(void)
{
    for (size_t cpu = 0; cpu < ktap_cpus(); cpu++) {
        cpus[cpu].cursor = (struct thrum_trace_cursor){.next = THRUM_TRACE_NOW};
        cpus[cpu].idle_since_ns = monotonic_ns(); /* unless its first record says otherwise */
        syscall6(THRUM_SYS_trace_read, (long)cpu, (long)&cpus[cpu].cursor, 0, 0, 0, 0);
    }
    syscall6(THRUM_SYS_trace_control, THRUM_TRACE_SET, 1 << THRUM_TRACE_SWITCH, 0, 0, 0, 0);
}

/* From CPU 0, where all are until then, when `is_crowd`. */
static bool watch_who_idles(size_t nr_guests, bool is_crowd)
{
    uint64_t all = ktap_cpus() < CPUS_MAX ? (1ull << ktap_cpus()) - 1 : UINT64_MAX;
    bool is_right = !is_crowd || KTAP_EQUAL(sched_set_cpus(0, 1), 0);

    atomic_store(&stop, 0);
    start_trace();
    for (size_t i = 0; i < ktap_cpus(); i++)
        is_right = KTAP_EQUAL(thread_create(&hog[i], compute_until_stop, &hog[i]), 0) && is_right;
    for (size_t i = 0; i < nr_guests; i++)
        is_right = KTAP_EQUAL(thread_create(&guest[i], come_and_go, &guest[i]), 0) && is_right;
    sleep_ns(10 * NSEC_PER_MSEC);
    for (size_t i = 0; i < ktap_cpus() && is_crowd; i++)
        is_right = KTAP_EQUAL(sched_set_cpus(hog[i], all), 0) && is_right;
    is_right = watch() && is_right;
    atomic_store(&stop, 1);
    for (size_t i = 0; i < ktap_cpus(); i++)
        is_right = KTAP_EQUAL(thread_join(hog[i], NULL), 0) && is_right;
    for (size_t i = 0; i < nr_guests; i++)
        is_right = KTAP_EQUAL(thread_join(guest[i], NULL), 0) && is_right;
    return KTAP_EQUAL(sched_set_cpus(0, all), 0) && is_right;
}

/* An idle CPU that stands still because its host is busy idles for as long: not each time, though.
 */
static bool nobody_idles(size_t nr_guests, bool is_crowd)
{
    bool is_right = true;

    longest_ns = UINT64_MAX;
    for (int i = 0; i < WATCHES_MAX && longest_ns > limit_ns; i++)
        is_right = watch_who_idles(nr_guests, is_crowd) && is_right;
    return KTAP_TRUE(longest_ns <= limit_ns) && is_right;
}

static bool as_many_as_cpus_keep_all_busy(void)
{
    return nobody_idles(0, false);
}

static bool sleepers_leave_no_cpu_idle(void)
{
    return nobody_idles(2 * ktap_cpus(), false);
}

static bool crowd_on_one_cpu_spreads_at_once(void)
{
    return nobody_idles(0, true);
}

static const struct ktap_test tests[] = {
    {"as many LWPs as CPUs keep all busy", as_many_as_cpus_keep_all_busy},
    {"nor does a CPU idle while others come, sleep and go", sleepers_leave_no_cpu_idle},
    {"who had to be on one CPU, and may go, goes at once", crowd_on_one_cpu_spreads_at_once},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        duration_ns = strtoul(argv[1], NULL, 10) * NSEC_PER_MSEC;
    if (argc > 2)
        limit_ns = strtoul(argv[2], NULL, 10) * NSEC_PER_USEC;
    return ktap_main(tests, KTAP_LEN(tests));
}
