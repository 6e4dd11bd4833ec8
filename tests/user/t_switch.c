/*
 * The scheduler is changed under 200 busy LWPs, and nobody is lost.
 *
 *     t_switch [NR_SWITCHES]
 *
 * Every 10 ms the default group goes over to the next of the work-conserving classes. Meanwhile
 * LWPs compute, yield, sleep, wait for each other, create and join. After that each has to get on
 * by itself, to end when it is asked to, and what the kernel has handed out has to be back.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>

#include <thrum/sched.h>

#include "common.h"
#include "ktap.h"

#define NSEC_PER_MSEC    1000000ull
#define SWITCH_PERIOD_NS (10 * NSEC_PER_MSEC)
#define NR_BUSY          200
#define CLASSES_MAX      32
#define RECORDS_MAX      256
#define SHARE_OF_CHANGER 10 /* percent: it has to come in time among 200 */
#define NR_GROUP_MEMBERS 5
#define PATIENCE_NS      120000000000ull /* for all 200 on CPUs that the host may not have */

static size_t nr_switches = 200;

static char class_name[CLASSES_MAX][THRUM_SCHED_NAME_MAX];
static size_t nr_classes;

/* ---- Who is busy ----------------------------------------------------------------------------- */

struct busy {
    thread_t tid;
    _Atomic uint64_t nr_rounds;
    thread_sem_t turn; /* of one who waits */
    struct busy *partner;
};

static struct busy busy[NR_BUSY];
static _Atomic int stop;

static bool goes_on(struct busy *self)
{
    atomic_fetch_add(&self->nr_rounds, 1);
    return !atomic_load(&stop);
}

static void *compute_busily(void *arg)
{
    while (goes_on(arg))
        for (volatile int i = 0; i < 10000; i++)
            ;
    return arg;
}

static void *yield_busily(void *arg)
{
    while (goes_on(arg))
        yield();
    return arg;
}

static void *sleep_busily(void *arg)
{
    struct busy *self = arg;

    while (goes_on(self))
        sleep_ns((uint64_t)(self - busy) % 7 * NSEC_PER_MSEC + 10000);
    return arg;
}

/* Two neighbours pass one turn to and fro: a futex wait each time. */
static void *take_turns(void *arg)
{
    struct busy *self = arg;

    do {
        thread_sem_wait(&self->turn);
        thread_sem_post(&self->partner->turn);
    } while (goes_on(self));
    thread_sem_post(&self->partner->turn); /* who may wait once more */
    return arg;
}

static void *create_and_join(void *arg)
{
    while (goes_on(arg)) {
        thread_t lwp;
        void *value = NULL;

        if (thread_create(&lwp, return_argument, arg) != 0 || thread_join(lwp, &value) != 0 ||
            value != arg)
            return NULL;
    }
    return arg;
}

static bool start_all(void)
{
    static void *(*const kinds[])(void *arg) = {
        take_turns,   take_turns, compute_busily, yield_busily,   sleep_busily,
        sleep_busily, take_turns, take_turns,     compute_busily, create_and_join,
    };
    bool is_right = true;

    atomic_store(&stop, 0);
    for (size_t i = 0; i < NR_BUSY; i++) {
        bool is_first = kinds[i % KTAP_LEN(kinds)] == take_turns && i % 2 == 0;

        busy[i] = (struct busy){.partner = &busy[i % 2 == 0 ? i + 1 : i - 1]};
        thread_sem_init(&busy[i].turn, is_first);
    }
    for (size_t i = 0; i < NR_BUSY; i++)
        is_right =
            KTAP_EQUAL(thread_create(&busy[i].tid, kinds[i % KTAP_LEN(kinds)], &busy[i]), 0) &&
            is_right;
    return is_right;
}

/* Says of one that does not get on where it is. */
static void show(size_t number)
{
    static const char *const states[] = {"new", "ready", "running", "blocked", "zombie"};
    struct thrum_sched_lwp lwp = {0};

    sched_list(THRUM_LIST_LWPS, (uint64_t)busy[number].tid, &lwp, 1, sizeof(lwp));
    ktap_diag("LWP %d, number %zu, of %s, in group %u, is %s on CPU %u, after %lu ms of running, "
              "%lu of waiting",
              lwp.tid, number, lwp.class, lwp.group, states[lwp.state % KTAP_LEN(states)], lwp.cpu,
              (unsigned long)(lwp.run_ns / NSEC_PER_MSEC),
              (unsigned long)(lwp.wait_ns / NSEC_PER_MSEC));
}

/* All stop; whether each ends in the right way. */
static bool stop_all(void)
{
    bool is_right = true;

    atomic_store(&stop, 1);
    for (size_t i = 0; i < NR_BUSY; i++) {
        void *value = NULL;
        is_right = KTAP_EQUAL(thread_join(busy[i].tid, &value), 0) &&
                   KTAP_TRUE(value == &busy[i]) && is_right;
    }
    return is_right;
}

/* Whether everybody gets on from here. */
static bool all_go_on(void)
{
    static uint64_t before[NR_BUSY];
    uint64_t deadline_ns = monotonic_ns() + PATIENCE_NS;
    bool is_right = true;

    for (size_t i = 0; i < NR_BUSY; i++)
        before[i] = atomic_load(&busy[i].nr_rounds);
    for (size_t i = 0; i < NR_BUSY; i++) {
        while (atomic_load(&busy[i].nr_rounds) < before[i] + 2 && monotonic_ns() < deadline_ns)
            sleep_ns(NSEC_PER_MSEC);
        if (!KTAP_TRUE(atomic_load(&busy[i].nr_rounds) >= before[i] + 2)) {
            show(i);
            is_right = false;
        }
    }
    return is_right;
}

/* ---- What changes ---------------------------------------------------------------------------- */

static void find_classes(void)
{
    struct thrum_sched_class class;

    for (uint64_t i = 0; sched_list(THRUM_LIST_CLASSES, i, &class, 1, sizeof(class)) == 1; i++)
        if (class.is_work_conserving && class.can_be_default && nr_classes < CLASSES_MAX)
            memcpy(class_name[nr_classes++], class.name, sizeof(class.name));
}

/* Switches nr_switches times; whether all succeeded. */
static bool switch_classes(void)
{
    uint64_t start_ns = monotonic_ns(), next_ns = start_ns, now_ns = start_ns;
    bool is_right = true;

    for (size_t i = 0; i < nr_switches; i++) {
        is_right = KTAP_EQUAL(sched_set_class(class_name[i % nr_classes]), 0) && is_right;
        next_ns += SWITCH_PERIOD_NS;
        now_ns = monotonic_ns();
        if (now_ns < next_ns)
            sleep_ns(next_ns - now_ns);
    }
    ktap_diag("%zu switches in %lu ms", nr_switches,
              (unsigned long)((monotonic_ns() - start_ns) / NSEC_PER_MSEC));
    return is_right;
}

/* One thing at random of what a system may be told. What does not fit meanwhile is refused. */
static bool is_well_answered(int result)
{
    return result >= 0 || errno == EINVAL || errno == EAGAIN || errno == EBUSY;
}

/* Sets each tunable of the default group to somewhere in its range, and back by a preset. */
static bool change_tunables(size_t round)
{
    struct thrum_sched_tunable t;
    struct thrum_sched_preset preset;
    bool is_right = true;

    for (uint64_t i = 0; sched_list(THRUM_LIST_TUNABLES, i, &t, 1, sizeof(t)) == 1; i++)
        if (t.group == 0)
            is_right = KTAP_TRUE(is_well_answered(
                           sched_tune(0, t.name, t.initial / (1 + round % 3) + t.min))) &&
                       is_right;
    if (sched_list(THRUM_LIST_PRESETS, round % 4, &preset, 1, sizeof(preset)) == 1)
        is_right = KTAP_TRUE(is_well_answered(sched_use_preset(0, preset.name))) && is_right;
    return is_right;
}

static bool can_be_destroyed(void *group)
{
    return sched_group_destroy(*(int *)group) == 0;
}

/* A group comes, some of the busy go there and back, and it goes. */
static bool group_comes_and_goes(size_t round)
{
    int group = sched_group_create(class_name[round % nr_classes], 1 + (int)(round % 20));
    bool is_right = KTAP_TRUE(group > 0);

    if (!is_right)
        return false;
    for (size_t i = 0; i < NR_GROUP_MEMBERS; i++)
        is_right = KTAP_EQUAL(sched_join_group(group, busy[(round * 13 + i) % NR_BUSY].tid), 0) &&
                   is_right;
    sleep_ns(SWITCH_PERIOD_NS);
    for (size_t i = 0; i < NR_GROUP_MEMBERS; i++)
        is_right =
            KTAP_EQUAL(sched_join_group(0, busy[(round * 13 + i) % NR_BUSY].tid), 0) && is_right;
    /* Who has been created by one of them meanwhile is a member until it ends. */
    return KTAP_TRUE(ktap_wait_for(can_be_destroyed, &group)) && is_right;
}

static _Atomic int changer_stops;

static void *change_on(void *is_right)
{
    size_t round = 0;

    while (!atomic_load(&changer_stops)) {
        *(bool *)is_right = change_tunables(round) && *(bool *)is_right;
        *(bool *)is_right = group_comes_and_goes(round) && *(bool *)is_right;
        round++;
    }
    ktap_diag("%zu groups", round);
    return is_right;
}

/* ---- The tests ------------------------------------------------------------------------------- */

/* Runs `change` while all are busy. */
static bool nothing_is_lost(bool (*change)(void))
{
    struct counts counts;
    bool is_right;

    thrum_stat(&counts.wanted);
    is_right = start_all() && KTAP_EQUAL(set_cpu_share(SHARE_OF_CHANGER), 0) && change();
    is_right = KTAP_EQUAL(sched_set_class(class_name[0]), 0) && is_right;
    is_right = all_go_on() && is_right;
    is_right = stop_all() && is_right;
    return KTAP_EQUAL(set_cpu_share(0), 0) && KTAP_TRUE(ktap_wait_for(has_counts, &counts)) &&
           is_right;
}

static bool switches_lose_nothing(void)
{
    return nothing_is_lost(switch_classes);
}

static bool switch_while_all_changes(void)
{
    bool is_right = true;
    thread_t changer;

    atomic_store(&changer_stops, 0);
    is_right = KTAP_EQUAL(thread_create(&changer, change_on, &is_right), 0) &&
               KTAP_EQUAL(sched_set_share_of(changer, SHARE_OF_CHANGER), 0);
    bool is_switched = switch_classes();
    atomic_store(&changer_stops, 1);
    return KTAP_EQUAL(thread_join(changer, NULL), 0) && is_switched && is_right;
}

static bool switches_while_all_changes_lose_nothing(void)
{
    return nothing_is_lost(switch_while_all_changes);
}

static const struct ktap_test tests[] = {
    {"200 busy LWPs go on through switches of the class", switches_lose_nothing},
    {"and while tunables change, and groups come and go", switches_while_all_changes_lose_nothing},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        nr_switches = strtoul(argv[1], NULL, 10);
    find_classes();
    ktap_start(KTAP_LEN(tests));
    ktap_diag("%zu classes", nr_classes);
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
