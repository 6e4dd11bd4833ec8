/*
 * LWPs that come and end, block and are woken by others, and hold mutexes, while groups come and
 * go, are joined and left, and everything else about the LWPs is changed. Nothing may be lost, and
 * in the end nothing be promised, or counted, any more.
 */

#include <stdatomic.h>

#include <kernel/errno.h>
#include <kernel/mutex.h>
#include <kernel/panic.h>
#include <kernel/semaphore.h>
#include <sched/control.h>
#include <sched/kthread.h>
#include <sched/sched.h>
#include <sched/team.h>

#include "ktap.h"

#define NR_PLACES      12
#define NR_CONTROLLERS 3
#define NR_TOKENS      3
#define NR_GROUPS      3
#define GROUP_PERCENT  20

/* xorshift64 (Marsaglia 2003, "Xorshift RNGs"). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- Workers ----------------------------------------------------------------------------------
 */

/* Where one worker after the other lives. While it is locked, this one is not taken away. */
static struct place {
    struct mutex mutex;
    struct kthread *worker;
    struct lwp *_Atomic lwp; /* the worker's; NULL: it has not begun */
    uint64_t seed;
} places[NR_PLACES];

static struct mutex mutex;      /* what workers compete for */
static struct semaphore tokens; /* fewer than workers: they wait for each other */
static struct sched_team *team;
static atomic_uint nr_worked;

static void work_with_token(void)
{
    semaphore_down(&tokens);
    sched_yield();
    semaphore_up(&tokens);
}

static void work_with_mutex(void)
{
    mutex_lock(&mutex);
    sched_yield();
    mutex_unlock(&mutex);
}

static uint64_t work(void *its_place)
{
    struct place *place = its_place;
    uint64_t random = 88172645463325252 + place->seed;
    uint64_t nr_rounds = next_random(&random) % 50;

    atomic_store(&place->lwp, lwp_current());
    for (uint64_t round = 0; round < nr_rounds; round++) {
        switch (next_random(&random) % 4) {
        case 0:
            kthread_sleep_ns(next_random(&random) % NSEC_PER_MSEC);
            break;
        case 1:
            work_with_token();
            break;
        case 2:
            work_with_mutex();
            break;
        default:
            sched_yield();
        }
    }
    atomic_fetch_add(&nr_worked, 1);
    return 0;
}

static void start_worker(struct place *place, uint64_t seed)
{
    place->seed = seed;
    atomic_store(&place->lwp, NULL);
    place->worker = kthread_create("worker", KTHREAD_PRIORITY_DEFAULT, work, place);
    assert(place->worker != NULL);
    while (atomic_load(&place->lwp) == NULL)
        sched_yield();
}

/* ---- Changes ----------------------------------------------------------------------------------
 */

static struct mutex groups_mutex;
static int groups[NR_GROUPS]; /* groups_mutex to write; 0: none */

static const char *const group_classes[] = {"edf", "eevdf", "mlfq", "edf", "prio"};
static const char *const default_classes[] = {"rr", "mlfq", "stride", "prio", "bsd", "eevdf"};

#define ANY_OF(list, random) ((list)[next_random(random) % ARRAY_LEN(list)])

static void make_or_destroy_group(uint64_t *random)
{
    int *group = &ANY_OF(groups, random), result;

    mutex_lock(&groups_mutex);
    if (*group == 0) {
        result = sched_group_create(ANY_OF(group_classes, random), GROUP_PERCENT);
        if (result > 0)
            *group = result;
    } else {
        result = sched_group_destroy(*group);
        if (result == 0)
            *group = 0;
    }
    mutex_unlock(&groups_mutex);
    if (result < 0 && result != -EBUSY && result != -EAGAIN)
        panic("a group: %d", result);
}

static int change_params(struct lwp *lwp, uint64_t *random)
{
    struct sched_params params;

    sched_get_params(lwp, &params);
    /* No worker keeps those who control from running. */
    params.priority = next_random(random) % (KTHREAD_PRIORITY_DEFAULT + 1);
    params.nice = (int8_t)(next_random(random) % 20);
    params.tickets = 1 + next_random(random) % 1000;
    params.period_ns = params.deadline_ns = (5 + next_random(random) % 20) * NSEC_PER_MSEC;
    params.runtime_ns = NSEC_PER_MSEC / 2 + next_random(random) % NSEC_PER_MSEC;
    return sched_set_params(lwp, &params);
}

static int change_worker(struct lwp *lwp, uint64_t *random)
{
    switch (next_random(random) % 8) {
    case 0:
        return sched_join_group(lwp, SCHED_GROUP_DEFAULT);
    case 1:
        return sched_set_share(lwp, (int)(next_random(random) % 40));
    case 2:
        return sched_set_affinity(lwp, next_random(random));
    case 3:
        return change_params(lwp, random);
    case 4:
        sched_lwp_set_team(lwp, team);
        return 0;
    case 5:
        sched_lwp_set_team(lwp, NULL);
        return 0;
    default:
        return sched_join_group(lwp, ANY_OF(groups, random));
    }
}

/* Now and then its worker is waited for, and another one comes. */
static void change_place(struct place *place, uint64_t *random)
{
    int result = 0;

    mutex_lock(&place->mutex);
    if (next_random(random) % 16 == 0) {
        kthread_join(place->worker);
        start_worker(place, next_random(random));
    } else {
        result = change_worker(atomic_load(&place->lwp), random);
    }
    mutex_unlock(&place->mutex);
    if (result != 0 && result != -EAGAIN && result != -EINVAL && result != -EBUSY &&
        result != -ESRCH)
        panic("a change came to %d", result);
}

static void change_default_class(uint64_t *random)
{
    int result = sched_set_default_class(ANY_OF(default_classes, random));

    if (result != 0)
        panic("another class: %d", result);
}

static uint64_t control(void *seed)
{
    uint64_t random = 362436069 + (uintptr_t)seed, nr_rounds = ktap_times(30000);

    for (uint64_t round = 0; round < nr_rounds; round++) {
        if (round % 32 == 0)
            change_default_class(&random);
        else if (round % 8 == 0)
            make_or_destroy_group(&random);
        else
            change_place(&ANY_OF(places, &random), &random);
    }
    return 0;
}

static bool nothing_is_left_behind(void)
{
    struct kthread *controllers[NR_CONTROLLERS];
    bool is_right = true;
    int group, error;

    mutex_init(&mutex, "test");
    mutex_init(&groups_mutex, "test groups");
    semaphore_init(&tokens, "test", NR_TOKENS);
    team = sched_team_new();
    for (unsigned i = 0; i < NR_PLACES; i++) {
        mutex_init(&places[i].mutex, "test place");
        start_worker(&places[i], i);
    }
    for (uintptr_t i = 0; i < NR_CONTROLLERS; i++) {
        controllers[i] = kthread_create("control", KTHREAD_PRIORITY_DEFAULT, control, (void *)i);
        assert(controllers[i] != NULL);
    }
    for (unsigned i = 0; i < NR_CONTROLLERS; i++)
        kthread_join(controllers[i]);
    for (unsigned i = 0; i < NR_PLACES; i++)
        kthread_join(places[i].worker);
    sched_team_close(team);
    sched_team_free(team);
    error = sched_set_default_class("mlfq");
    is_right &= KTAP_EQUAL(error, 0) && KTAP_TRUE(atomic_load(&nr_worked) > NR_PLACES);
    for (unsigned i = 0; i < NR_GROUPS; i++)
        is_right &= groups[i] == 0 || KTAP_EQUAL(sched_group_destroy(groups[i]), 0);
    group = sched_group_create("rr", SCHED_PROMISE_MAX_PERCENT);
    is_right &= KTAP_TRUE(group > 0);
    return is_right && KTAP_EQUAL(sched_group_destroy(group), 0);
}

static const struct ktap_test tests[] = {
    {"nothing is lost or left behind in a turmoil", nothing_is_left_behind},
};

static bool run(void)
{
    return ktap_run(tests, ARRAY_LEN(tests));
}

static const struct kernel_test_suite turmoil_suite = {.name = "turmoil", .run = run};
KERNEL_TEST_REGISTER(turmoil_suite);
