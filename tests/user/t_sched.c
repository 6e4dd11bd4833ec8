/*
 * Scheduling as programs see it: yielding, sleeping, pre-emption, levels and guaranteed shares.
 * Nothing here measures time closely: the machine may be emulated and its host busy.
 */

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "common.h"
#include "ktap.h"

#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull
#define CPUS_MAX      64
#define SHARE_MAX     80 /* percent of a CPU: the default group keeps the rest */
#define LEVEL_LAST    2  /* of three */

static size_t current_cpu(void)
{
    struct thrum_stat stat = {0};

    thrum_stat(&stat);
    return stat.cpu;
}

static long raw_set_share(long percent)
{
    return syscall6(THRUM_SYS_sched_set_share, percent, 0, 0, 0, 0, 0);
}

static bool is_mlfq(void)
{
    return getlev() >= 0;
}

static bool flag_is_set(void *arg)
{
    return atomic_load((_Atomic int *)arg) != 0;
}

/* Yield. */

static bool yield_alone_succeeds(void)
{
    return KTAP_EQUAL(yield(), 0);
}

enum { NR_TURNS = 200, NR_TRIES = 10 };

struct turns {
    _Atomic int nr_ready;
    _Atomic size_t nr_taken;
    char who[2 * NR_TURNS];
};

struct turn_taker {
    struct turns *turns;
    char name;
};

static void *take_turns(void *arg)
{
    const struct turn_taker *taker = arg;
    struct turns *turns = taker->turns;

    atomic_fetch_add(&turns->nr_ready, 1);
    while (atomic_load(&turns->nr_ready) < 2)
        yield();
    for (int i = 0; i < NR_TURNS; i++) {
        turns->who[atomic_fetch_add(&turns->nr_taken, 1)] = taker->name;
        yield();
    }
    return NULL;
}

/* How often the turn changes hands between two LWPs that yield after each turn. */
static long count_changes(void)
{
    static struct turns turns;
    struct turn_taker a = {&turns, 'a'}, b = {&turns, 'b'};
    long nr_changes = 0;

    turns = (struct turns){0};
    thread_t first = start_lwp(take_turns, &a), second = start_lwp(take_turns, &b);
    thread_join(first, NULL);
    thread_join(second, NULL);
    for (int i = 1; i < 2 * NR_TURNS; i++)
        nr_changes += turns.who[i] != turns.who[i - 1];
    return nr_changes;
}

/*
 * Where the emulator itself has to wait for a CPU, one of the two is charged for that time and may
 * drop a level below the other, which then yields to nobody: so one round of several has to do.
 * With perturb= one yield in eight counts twice.
 */
static bool yield_takes_turns(void)
{
    enum { NR_ENOUGH = 2 * NR_TURNS * 3 / 4 };
    long most = 0;

    if (ktap_cpus() > 1)
        return ktap_skip("for one CPU");
    for (int round = 0; round < NR_TRIES && most <= NR_ENOUGH; round++) {
        long nr_changes = count_changes();

        most = nr_changes > most ? nr_changes : most;
    }
    return KTAP_TRUE(most > NR_ENOUGH);
}

/* Sleep and clocks. */

enum { NR_SLEEPERS = 5, SLEEP_STEP_MS = 60, SLEEP_STEP_MAX_MS = 1000 };

static unsigned sleep_step_ms;
static _Atomic int nr_awake;
static long woke_as[NR_SLEEPERS];

static void *sleep_and_count(void *arg)
{
    uintptr_t number = (uintptr_t)arg;
    uint64_t duration_ns = (number + 1) * sleep_step_ms * NSEC_PER_MSEC;
    uint64_t start_ns = monotonic_ns();

    sleep_ns(duration_ns);
    woke_as[number] = atomic_fetch_add(&nr_awake, 1);
    return (void *)(uintptr_t)(monotonic_ns() - start_ns >= duration_ns);
}

/* One round; *is_in_order says whether the shorter sleep ended first each time. False: one was
 * early. */
static bool sleep_once(bool *is_in_order)
{
    thread_t lwp[NR_SLEEPERS];
    bool is_right = true;

    atomic_store(&nr_awake, 0);
    *is_in_order = true;

    /* The one that sleeps longest begins first. */
    for (uintptr_t i = NR_SLEEPERS; i > 0; i--)
        lwp[i - 1] = start_lwp(sleep_and_count, (void *)(i - 1));
    for (int i = 0; i < NR_SLEEPERS; i++) {
        void *is_late_enough = NULL;
        thread_join(lwp[i], &is_late_enough);
        is_right = KTAP_TRUE(is_late_enough != NULL) && is_right;
        *is_in_order = woke_as[i] == i && *is_in_order;
    }
    return is_right;
}

/*
 * Nobody may ever be early; the order can suffer where the emulator waits for a CPU itself: so from
 * one round to the next there is more time.
 */
static bool sleepers_wake_in_order_and_not_early(void)
{
    bool is_in_order = false, is_right = true;

    for (sleep_step_ms = SLEEP_STEP_MS;
         sleep_step_ms <= SLEEP_STEP_MAX_MS && is_right && !is_in_order;
         sleep_step_ms += sleep_step_ms / 2)
        is_right = sleep_once(&is_in_order);
    return is_right && KTAP_TRUE(is_in_order);
}

static bool sleep_checks_its_arguments(void)
{
    static const struct timespec bad[] = {{-1, 0}, {0, -1}, {0, NSEC_PER_SEC}};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(bad); i++)
        is_right =
            KTAP_EQUAL(syscall6(__NR_nanosleep, (long)&bad[i], 0, 0, 0, 0, 0), -EINVAL) && is_right;
    return is_right;
}

static bool sleep_of_nothing_returns(void)
{
    static const struct timespec nothing = {0, 0};

    return KTAP_EQUAL(nanosleep(&nothing, NULL), 0);
}

static bool clock_checks_its_number(void)
{
    struct timespec now;

    return KTAP_EQUAL(syscall6(__NR_clock_gettime, 12345, (long)&now, 0, 0, 0, 0), -EINVAL);
}

static bool real_time_is_in_this_century(void)
{
    enum { YEAR_2020 = 1577836800 };
    struct timespec now;

    return KTAP_EQUAL(clock_gettime(CLOCK_REALTIME, &now), 0) &&
           KTAP_TRUE(now.tv_sec > YEAR_2020 && (uint64_t)now.tv_nsec < NSEC_PER_SEC);
}

static thread_mutex_t clock_lock;
static uint64_t latest_ns;

static void *read_clock(void *arg)
{
    size_t nr_reads = *(size_t *)arg;
    long nr_backwards = 0;

    for (size_t i = 0; i < nr_reads; i++) {
        thread_mutex_lock(&clock_lock);
        uint64_t now_ns = monotonic_ns();
        nr_backwards += now_ns < latest_ns;
        latest_ns = now_ns;
        thread_mutex_unlock(&clock_lock);
    }
    return (void *)nr_backwards;
}

static bool clock_never_goes_back(void)
{
    size_t nr_lwps = 2 * ktap_cpus(), nr_reads = ktap_times(20000);
    thread_t *lwp = calloc(nr_lwps, sizeof(*lwp));
    long nr_backwards = 0;

    for (size_t i = 0; i < nr_lwps; i++)
        lwp[i] = start_lwp(read_clock, &nr_reads);
    for (size_t i = 0; i < nr_lwps; i++) {
        void *value = NULL;
        thread_join(lwp[i], &value);
        nr_backwards += (long)value;
    }
    free(lwp);
    return KTAP_EQUAL(nr_backwards, 0);
}

/* Pre-emption and CPUs. */

static void *spin_until_set(void *arg)
{
    while (!atomic_load((_Atomic int *)arg))
        __builtin_ia32_pause();
    return NULL;
}

static bool spinning_stops_nobody(void)
{
    _Atomic int stop = 0;
    size_t nr_lwps = 2 * ktap_cpus() + 1;
    thread_t *lwp = calloc(nr_lwps, sizeof(*lwp));

    for (size_t i = 0; i < nr_lwps; i++)
        lwp[i] = start_lwp(spin_until_set, &stop);
    sleep_ns(20 * NSEC_PER_MSEC); /* we are woken although nobody gives up a CPU */
    atomic_store(&stop, 1);
    for (size_t i = 0; i < nr_lwps; i++)
        thread_join(lwp[i], NULL);
    free(lwp);
    return true;
}

struct hog {
    _Atomic int *stop;
    _Atomic uint64_t nr_rounds;
};

static void *count_rounds(void *arg)
{
    struct hog *hog = arg;

    while (!atomic_load(hog->stop)) {
        for (int i = 0; i < 100; i++)
            __builtin_ia32_pause();
        atomic_fetch_add(&hog->nr_rounds, 1);
    }
    return NULL;
}

struct hogs {
    struct hog *hog;
    size_t nr_hogs;
};

static bool all_hogs_have_run(void *arg)
{
    const struct hogs *hogs = arg;

    for (size_t i = 0; i < hogs->nr_hogs; i++)
        if (atomic_load(&hogs->hog[i].nr_rounds) < 100)
            return false;
    return true;
}

static bool every_hog_gets_its_turn(void)
{
    _Atomic int stop = 0;
    struct hogs hogs = {.nr_hogs = 3 * ktap_cpus()};
    thread_t *lwp = calloc(hogs.nr_hogs, sizeof(*lwp));

    hogs.hog = calloc(hogs.nr_hogs, sizeof(*hogs.hog));
    for (size_t i = 0; i < hogs.nr_hogs; i++) {
        hogs.hog[i].stop = &stop;
        lwp[i] = start_lwp(count_rounds, &hogs.hog[i]);
    }
    bool have_all_run = ktap_wait_for(all_hogs_have_run, &hogs);
    atomic_store(&stop, 1);
    for (size_t i = 0; i < hogs.nr_hogs; i++)
        thread_join(lwp[i], NULL);
    free(hogs.hog);
    free(lwp);
    return KTAP_TRUE(have_all_run);
}

struct cpus_seen {
    _Atomic int stop;
    _Atomic uint64_t mask;
    uint64_t want;
};

static void *note_cpus(void *arg)
{
    struct cpus_seen *seen = arg;

    while (!atomic_load(&seen->stop)) {
        atomic_fetch_or(&seen->mask, 1ull << current_cpu() % CPUS_MAX);
        for (int i = 0; i < 100; i++)
            __builtin_ia32_pause();
    }
    return NULL;
}

static bool all_cpus_are_seen(void *arg)
{
    struct cpus_seen *seen = arg;

    return atomic_load(&seen->mask) == seen->want;
}

static bool lwps_spread_over_cpus(void)
{
    size_t nr_cpus = ktap_cpus();
    struct cpus_seen seen = {.want = nr_cpus < CPUS_MAX ? (1ull << nr_cpus) - 1 : UINT64_MAX};
    thread_t *lwp = calloc(2 * nr_cpus, sizeof(*lwp));

    for (size_t i = 0; i < 2 * nr_cpus; i++)
        lwp[i] = start_lwp(note_cpus, &seen);
    bool are_all_seen = ktap_wait_for(all_cpus_are_seen, &seen);
    atomic_store(&seen.stop, 1);
    for (size_t i = 0; i < 2 * nr_cpus; i++)
        thread_join(lwp[i], NULL);
    free(lwp);
    return KTAP_TRUE(are_all_seen);
}

/*
 * LWPs that last ran on the same CPU and are woken together. They get there because hogs keep all
 * other CPUs busy while they fall asleep.
 */

struct sleepers {
    _Atomic uint32_t go; /* the futex: 0 until they are woken */
    _Atomic size_t nr_asleep, nr_awake;
    _Atomic uint64_t cpus; /* on which they woke */
    size_t nr_sleepers;
};

/* Keeps the CPU until all are awake: who shares it has to wait, and finds itself on the same one.
 */
static void *sleep_and_note_cpu(void *arg)
{
    struct sleepers *sleepers = arg;

    atomic_fetch_add(&sleepers->nr_asleep, 1);
    while (atomic_load(&sleepers->go) == 0)
        syscall6(__NR_futex, (long)&sleepers->go, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
    atomic_fetch_or(&sleepers->cpus, 1ull << current_cpu() % CPUS_MAX);
    atomic_fetch_add(&sleepers->nr_awake, 1);
    while (atomic_load(&sleepers->nr_awake) < sleepers->nr_sleepers)
        __builtin_ia32_pause();
    return NULL;
}

/* Waits without giving up the CPU. */
static void keep_cpu_until(_Atomic size_t *count, size_t wanted)
{
    while (atomic_load(count) < wanted)
        __builtin_ia32_pause();
}

static void keep_cpu_until_blocked(thread_t tid)
{
    while (!is_in_wait(tid))
        __builtin_ia32_pause();
}

struct cpu_keeper {
    _Atomic int *stop;
    _Atomic size_t *nr_running;
};

static void *keep_cpu(void *arg)
{
    const struct cpu_keeper *keeper = arg;

    atomic_fetch_add(keeper->nr_running, 1);
    return spin_until_set(keeper->stop);
}

/* One sleeper for each CPU but ours: on how many CPUs did they wake? */
static size_t count_cpus_of_woken(thread_t *lwp)
{
    size_t nr_cpus = ktap_cpus(), nr_keepers = nr_cpus - 2;
    struct sleepers sleepers = {.nr_sleepers = nr_cpus - 1};
    thread_t *keeper_lwp = lwp + sleepers.nr_sleepers;
    _Atomic int stop = 0;
    _Atomic size_t nr_keeping = 0;
    struct cpu_keeper keeper = {&stop, &nr_keeping};

    for (size_t i = 0; i < nr_keepers; i++) {
        keeper_lwp[i] = start_lwp(keep_cpu, &keeper);
        keep_cpu_until(&nr_keeping, i + 1);
    }
    for (size_t i = 0; i < sleepers.nr_sleepers; i++) {
        lwp[i] = start_lwp(sleep_and_note_cpu, &sleepers);
        keep_cpu_until(&sleepers.nr_asleep, i + 1);
        keep_cpu_until_blocked(lwp[i]);
    }
    atomic_store(&stop, 1);
    for (size_t i = 0; i < nr_keepers; i++)
        thread_join(keeper_lwp[i], NULL);
    sleep_ns(5 * NSEC_PER_MSEC); /* until the other CPUs idle */

    atomic_store(&sleepers.go, 1);
    syscall6(__NR_futex, (long)&sleepers.go, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
    for (size_t i = 0; i < sleepers.nr_sleepers; i++)
        thread_join(lwp[i], NULL);
    return (size_t)__builtin_popcountll(sleepers.cpus);
}

static bool lwps_woken_together_spread(void)
{
    enum { NR_ROUNDS = 100 }; /* a CPU that its host keeps from idling is not chosen */
    size_t nr_cpus = ktap_cpus(), nr_most = 0;

    if (nr_cpus < 3 || nr_cpus > CPUS_MAX)
        return ktap_skip("for three CPUs or more");
    thread_t *lwp = calloc(2 * nr_cpus, sizeof(*lwp));
    for (int round = 0; round < NR_ROUNDS && nr_most < nr_cpus - 1; round++) {
        size_t nr_used = count_cpus_of_woken(lwp);
        if (nr_used > nr_most)
            nr_most = nr_used;
    }
    free(lwp);
    return KTAP_EQUAL((long)nr_most, (long)nr_cpus - 1);
}

/* Levels. */

static void *own_level(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)getlev();
}

/*
 * Whether one of several new LWPs is at level 0 in the end. Where the emulator has to wait for a
 * CPU, an LWP may be charged for a whole allotment at any moment.
 */
static bool is_at_level_0(void *(*function)(void *))
{
    void *level = (void *)-1;

    if (!is_mlfq())
        return ktap_skip("for sched=mlfq");
    for (int round = 0; round < NR_TRIES && level != NULL; round++)
        thread_join(start_lwp(function, NULL), &level);
    return KTAP_EQUAL((long)level, 0);
}

static bool new_lwps_start_at_level_0(void)
{
    return is_at_level_0(own_level);
}

/* Computes until it is at the last level, or patience is over; returns its level then. */
static void *sink(void *arg)
{
    uint64_t deadline_ns = monotonic_ns() + KTAP_PATIENCE_NS;
    int level;

    (void)arg;
    while ((level = getlev()) < LEVEL_LAST && monotonic_ns() < deadline_ns)
        for (int i = 0; i < 100; i++)
            __builtin_ia32_pause();
    return (void *)(intptr_t)level;
}

static bool hog_sinks_to_the_last_level(void)
{
    void *level = NULL;

    if (!is_mlfq())
        return ktap_skip("for sched=mlfq");
    thread_join(start_lwp(sink, NULL), &level);
    return KTAP_EQUAL((long)level, LEVEL_LAST);
}

static void *sleep_in_short_bursts(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        sleep_ns(2 * NSEC_PER_MSEC);
    return (void *)(intptr_t)getlev();
}

static bool sleeper_stays_at_level_0(void)
{
    return is_at_level_0(sleep_in_short_bursts);
}

/* Shares. */

static bool impossible_shares_are_einval(void)
{
    return KTAP_EQUAL(raw_set_share(-1), -EINVAL) && KTAP_EQUAL(raw_set_share(101), -EINVAL) &&
           KTAP_EQUAL(raw_set_share(INT32_MIN), -EINVAL) &&
           KTAP_EQUAL(raw_set_share(INT32_MAX), -EINVAL);
}

static bool share_above_the_limit_is_eagain(void)
{
    return KTAP_EQUAL(raw_set_share(SHARE_MAX + 1), -EAGAIN) &&
           KTAP_EQUAL(raw_set_share(100), -EAGAIN);
}

static void *take_share_and_tell_level(void *arg)
{
    if (set_cpu_share((int)(intptr_t)arg) != 0)
        return (void *)(intptr_t)-errno;
    return (void *)(intptr_t)getlev();
}

static bool largest_share_is_given(void)
{
    return KTAP_EQUAL(raw_set_share(SHARE_MAX), 0) && KTAP_EQUAL(raw_set_share(0), 0);
}

static bool level_is_minus_1_with_a_share(void)
{
    void *level = NULL;

    thread_join(start_lwp(take_share_and_tell_level, (void *)10), &level);
    return KTAP_EQUAL((long)level, -1);
}

static bool share_of_0_goes_back_to_the_default_group(void)
{
    if (!is_mlfq())
        return ktap_skip("for sched=mlfq");
    raw_set_share(20);
    raw_set_share(0);
    return KTAP_TRUE(getlev() >= 0);
}

static bool giving_back_nothing_succeeds(void)
{
    return KTAP_EQUAL(raw_set_share(0), 0);
}

static bool share_can_be_changed(void)
{
    bool is_right = KTAP_EQUAL(raw_set_share(60), 0) && KTAP_EQUAL(raw_set_share(70), 0) &&
                    KTAP_EQUAL(raw_set_share(10), 0);

    raw_set_share(0);
    return is_right;
}

struct share_keeper {
    long error; /* of set_cpu_share; 0: it has the share */
    _Atomic int has_asked;
    thread_sem_t leave;
};

static void *keep_half_a_cpu(void *arg)
{
    struct share_keeper *keeper = arg;

    keeper->error = -raw_set_share(50);
    atomic_store(&keeper->has_asked, 1);
    thread_sem_wait(&keeper->leave);
    return NULL;
}

static bool sum_of_shares_is_limited(void)
{
    size_t nr_cpus = ktap_cpus();
    struct share_keeper *keepers = calloc(nr_cpus + 1, sizeof(*keepers));
    thread_t *lwp = calloc(nr_cpus + 1, sizeof(*lwp));
    bool is_right = true;

    /* One half fits on each CPU. */
    for (size_t i = 0; i <= nr_cpus; i++) {
        lwp[i] = start_lwp(keep_half_a_cpu, &keepers[i]);
        ktap_wait_for(flag_is_set, &keepers[i].has_asked);
        is_right = KTAP_EQUAL(keepers[i].error, i < nr_cpus ? 0 : EAGAIN) && is_right;
    }
    for (size_t i = 0; i <= nr_cpus; i++) {
        thread_sem_post(&keepers[i].leave);
        thread_join(lwp[i], NULL);
    }
    free(lwp);
    free(keepers);
    return is_right;
}

static bool refused_share_changes_nothing(void)
{
    int level = getlev();

    raw_set_share(SHARE_MAX + 1);
    bool is_right = KTAP_TRUE((getlev() < 0) == (level < 0));
    raw_set_share(30);
    raw_set_share(SHARE_MAX + 1);
    is_right = KTAP_EQUAL(getlev(), -1) && is_right; /* still has its 30 % */
    raw_set_share(0);
    return is_right;
}

static bool exit_gives_the_share_back(void)
{
    long nr_refused = 0;

    for (size_t i = 0; i < 4 * ktap_cpus(); i++) {
        void *level = NULL;
        thread_join(start_lwp(take_share_and_tell_level, (void *)SHARE_MAX), &level);
        nr_refused += (long)level != -1;
    }
    return KTAP_EQUAL(nr_refused, 0);
}

static bool share_is_not_inherited(void)
{
    void *level = NULL;

    if (!is_mlfq())
        return ktap_skip("for sched=mlfq");
    raw_set_share(30);
    thread_join(start_lwp(own_level, NULL), &level);
    raw_set_share(0);
    return KTAP_TRUE((long)level >= 0);
}

static void *spin_with_share(void *arg)
{
    struct hog *hog = arg;

    raw_set_share(SHARE_MAX);
    return count_rounds(hog);
}

static bool shares_starve_nobody(void)
{
    _Atomic int stop = 0;
    size_t nr_cpus = ktap_cpus();
    struct hogs hogs = {.nr_hogs = 2 * nr_cpus};
    thread_t *lwp = calloc(hogs.nr_hogs, sizeof(*lwp));

    hogs.hog = calloc(hogs.nr_hogs, sizeof(*hogs.hog));
    for (size_t i = 0; i < hogs.nr_hogs; i++) {
        hogs.hog[i].stop = &stop;
        lwp[i] = start_lwp(i < nr_cpus ? spin_with_share : count_rounds, &hogs.hog[i]);
    }
    bool have_all_run = ktap_wait_for(all_hogs_have_run, &hogs);
    atomic_store(&stop, 1);
    for (size_t i = 0; i < hogs.nr_hogs; i++)
        thread_join(lwp[i], NULL);
    free(hogs.hog);
    free(lwp);
    return KTAP_TRUE(have_all_run);
}

static const struct ktap_test tests[] = {
    {"yield with nobody else to run returns", yield_alone_succeeds},
    {"two LWPs that yield take turns", yield_takes_turns},
    {"sleepers wake in the order of their times and none is early",
     sleepers_wake_in_order_and_not_early},
    {"a sleep of no possible length is EINVAL", sleep_checks_its_arguments},
    {"a sleep of no time returns", sleep_of_nothing_returns},
    {"an unknown clock is EINVAL", clock_checks_its_number},
    {"the real-time clock is in this century", real_time_is_in_this_century},
    {"the monotonic clock never goes back, on whatever CPU", clock_never_goes_back},
    {"LWPs that spin on every CPU do not stop another one", spinning_stops_nobody},
    {"every one of many LWPs that compute gets its turn", every_hog_gets_its_turn},
    {"LWPs spread over all CPUs", lwps_spread_over_cpus},
    {"LWPs that are woken together spread over idle CPUs", lwps_woken_together_spread},
    {"a new LWP starts at level 0", new_lwps_start_at_level_0},
    {"an LWP that computes sinks to the last level", hog_sinks_to_the_last_level},
    {"an LWP that mostly sleeps stays at level 0", sleeper_stays_at_level_0},
    {"a share below 0 % or above 100 % is EINVAL", impossible_shares_are_einval},
    {"a share above 80 % is EAGAIN", share_above_the_limit_is_eagain},
    {"a share of 80 % is given", largest_share_is_given},
    {"the level with a share is -1", level_is_minus_1_with_a_share},
    {"a share of 0 leads back to the default group", share_of_0_goes_back_to_the_default_group},
    {"giving back a share that one does not have succeeds", giving_back_nothing_succeeds},
    {"a share can be changed", share_can_be_changed},
    {"the sum of shares on a CPU is limited", sum_of_shares_is_limited},
    {"a share that is refused changes nothing", refused_share_changes_nothing},
    {"an exit gives the share back", exit_gives_the_share_back},
    {"a share is not inherited by a new LWP", share_is_not_inherited},
    {"LWPs with shares leave time for those without", shares_starve_nobody},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
