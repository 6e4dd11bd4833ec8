/*
 * Priority donation through mutexes, and the order in which waiters are served. Run with
 * `sched=prio`. What is shown resembles the priority tests of Pintos (Pfaff, Romano, Back 2009,
 * "The Pintos Instructional Operating System Kernel"), for any number of CPUs.
 */

#include <stdatomic.h>

#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/condition.h>
#include <kernel/mutex.h>
#include <kernel/semaphore.h>
#include <sched/control.h>
#include <sched/kthread.h>
#include <sched/sched.h>
#include <sched/team.h>

#include "ktap.h"

#define PATIENCE_NS (20000 * NSEC_PER_MSEC)
#define OWN         KTHREAD_PRIORITY_DEFAULT /* the suite's */
#define CHAIN       8

static struct mutex mutexes[CHAIN + 1];

/* Who came when: each notes its number. */
static atomic_uint nr_served;
static unsigned served[16];

static void start_anew(void)
{
    for (size_t i = 0; i < ARRAY_LEN(mutexes); i++)
        mutex_init(&mutexes[i], "test");
    atomic_store(&nr_served, 0);
}

static void note(unsigned who)
{
    served[atomic_fetch_add(&nr_served, 1)] = who;
}

static struct kthread *start(int priority, kthread_fn fn, uintptr_t number)
{
    struct kthread *thread = kthread_create("test", priority, fn, (void *)number);

    assert(thread != NULL);
    return thread;
}

static void set_priority(struct lwp *lwp, uint8_t priority)
{
    struct sched_params params;
    int error;

    sched_get_params(lwp, &params);
    params.priority = priority;
    error = sched_set_params(lwp, &params);
    assert(error == 0);
}

static void set_own_priority(uint8_t priority)
{
    set_priority(lwp_current(), priority);
}

/* Whether, in time, the LWP has this priority. */
static bool comes_to(const struct lwp *lwp, unsigned priority)
{
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

    while (lwp_priority(lwp) != priority && clock_now_ns() < deadline_ns)
        kthread_sleep_ns(NSEC_PER_MSEC / 10);
    return KTAP_EQUAL(lwp_priority(lwp), priority);
}

static bool own_priority_comes_to(unsigned priority)
{
    return comes_to(lwp_current(), priority);
}

static bool own_priority_is(unsigned priority)
{
    return KTAP_EQUAL(lwp_priority(lwp_current()), priority);
}

/* Takes and leaves a mutex. */
static uint64_t visit(void *number)
{
    mutex_lock(&mutexes[(uintptr_t)number]);
    note(lwp_current()->own.entity.params.priority);
    mutex_unlock(&mutexes[(uintptr_t)number]);
    return 0;
}

/* ---- Lending --------------------------------------------------------------------------------- */

static bool waiters_lend_to_the_owner(void)
{
    struct kthread *a, *b;
    bool is_right;

    start_anew();
    mutex_lock(&mutexes[0]);
    a = start(OWN + 1, visit, 0);
    is_right = own_priority_comes_to(OWN + 1);
    b = start(OWN + 2, visit, 0);
    is_right &= own_priority_comes_to(OWN + 2);
    mutex_unlock(&mutexes[0]);
    is_right &= own_priority_is(OWN);
    kthread_join(a);
    kthread_join(b);
    return is_right && KTAP_EQUAL(served[0], OWN + 2) && KTAP_EQUAL(served[1], OWN + 1);
}

/* Unlocks first the mutex that the highest waits for, or the other. */
static bool lending_through_two(bool is_highest_first)
{
    struct kthread *a, *b;
    bool is_right;

    start_anew();
    mutex_lock(&mutexes[0]);
    mutex_lock(&mutexes[1]);
    a = start(OWN + 3, visit, 0);
    is_right = own_priority_comes_to(OWN + 3);
    b = start(OWN + 5, visit, 1);
    is_right &= own_priority_comes_to(OWN + 5);
    mutex_unlock(&mutexes[is_highest_first]);
    is_right &= own_priority_is(is_highest_first ? OWN + 3 : OWN + 5);
    mutex_unlock(&mutexes[!is_highest_first]);
    is_right &= own_priority_is(OWN);
    kthread_join(a);
    kthread_join(b);
    return is_right;
}

static bool what_another_lock_brings_stays(void)
{
    return lending_through_two(true) && lending_through_two(false);
}

/* With the mutex of its number locked, waits for the one before. */
static uint64_t be_a_link(void *number)
{
    uintptr_t i = (uintptr_t)number;

    mutex_lock(&mutexes[i]);
    visit((void *)(i - 1));
    mutex_unlock(&mutexes[i]);
    return lwp_current()->donation.lent;
}

static bool chain_lends_to_its_end(void)
{
    struct kthread *links[CHAIN];
    bool is_right = true;

    start_anew();
    mutex_lock(&mutexes[0]);
    for (unsigned i = 1; i <= CHAIN; i++) {
        links[i - 1] = start((int)(OWN + i), be_a_link, i);
        is_right &= own_priority_comes_to(OWN + i);
    }
    mutex_unlock(&mutexes[0]);
    is_right &= own_priority_is(OWN);
    for (unsigned i = 0; i < CHAIN; i++)
        is_right &= KTAP_EQUAL(kthread_join(links[i]), 0);
    for (unsigned i = 0; i < CHAIN; i++)
        is_right &= KTAP_EQUAL(served[i], OWN + 1 + i);
    return is_right;
}

static bool lowered_priority_waits(void)
{
    struct kthread *thread;
    bool is_right;

    start_anew();
    mutex_lock(&mutexes[0]);
    thread = start(OWN + 10, visit, 0);
    is_right = own_priority_comes_to(OWN + 10);
    set_own_priority(OWN - 10);
    is_right &= own_priority_is(OWN + 10);
    mutex_unlock(&mutexes[0]);
    is_right &= own_priority_is(OWN - 10);
    set_own_priority(OWN);
    kthread_join(thread);
    return is_right;
}

static struct lwp *_Atomic lender;

static uint64_t visit_by_name(void *number)
{
    atomic_store(&lender, lwp_current());
    return visit(number);
}

static bool changed_priority_reaches_the_owner(void)
{
    struct kthread *thread;
    bool is_right;

    start_anew();
    mutex_lock(&mutexes[0]);
    thread = start(OWN + 2, visit_by_name, 0);
    is_right = own_priority_comes_to(OWN + 2);
    set_priority(atomic_load(&lender), OWN + 20);
    is_right &= own_priority_is(OWN + 20);
    mutex_unlock(&mutexes[0]);
    kthread_join(thread);
    return is_right && own_priority_is(OWN);
}

/* ---- Who is served --------------------------------------------------------------------------- */

static struct semaphore semaphore;
static struct condition condition;

static uint64_t down(void *unused)
{
    (void)unused;
    semaphore_down(&semaphore);
    note(lwp_current()->own.entity.params.priority);
    return 0;
}

static uint64_t down_with_mutex(void *unused)
{
    mutex_lock(&mutexes[0]);
    atomic_store(&lender, lwp_current());
    down(unused);
    mutex_unlock(&mutexes[0]);
    return 0;
}

static unsigned nr_waiters(struct spinlock *guard, const struct list *list)
{
    irq_state_t irq = spin_lock_irq(guard);
    const struct list_node *node;
    unsigned nr = 0;

    for (node = list->head.next; node != &list->head; node = node->next)
        nr++;
    spin_unlock_irq(guard, irq);
    return nr;
}

static bool wait_for_waiters(struct spinlock *guard, const struct list *list, unsigned wanted)
{
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

    while (nr_waiters(guard, list) != wanted && clock_now_ns() < deadline_ns)
        kthread_sleep_ns(NSEC_PER_MSEC / 10);
    return KTAP_EQUAL(nr_waiters(guard, list), wanted);
}

/* An LWP of low priority, which waits for the semaphore, is lent one that is higher than all. */
static bool lent_priority_counts_at_a_semaphore(void)
{
    struct kthread *low, *medium, *high;
    bool is_right;

    start_anew();
    semaphore_init(&semaphore, "test", 0);
    low = start(OWN - 10, down_with_mutex, 0);
    is_right = wait_for_waiters(&semaphore.guard, &semaphore.waiters.waiters, 1);
    medium = start(OWN - 5, down, 0);
    is_right &= wait_for_waiters(&semaphore.guard, &semaphore.waiters.waiters, 2);
    high = start(OWN + 5, visit, 0);
    is_right &= comes_to(atomic_load(&lender), OWN + 5);
    semaphore_up(&semaphore);
    kthread_join(high);
    kthread_join(low);
    is_right &= KTAP_EQUAL(atomic_load(&nr_served), 2);
    semaphore_up(&semaphore);
    kthread_join(medium);
    return is_right && KTAP_EQUAL(served[0], OWN - 10) && KTAP_EQUAL(served[1], OWN + 5) &&
           KTAP_EQUAL(served[2], OWN - 5);
}

#define NR_ORDERED 10

/* A permutation of 0 ... 9. */
static unsigned shuffled(unsigned i)
{
    return (i * 7 + 3) % NR_ORDERED;
}

static bool semaphore_serves_the_highest_first(void)
{
    struct kthread *threads[NR_ORDERED];
    bool is_right = true;

    start_anew();
    semaphore_init(&semaphore, "test", 0);
    for (unsigned i = 0; i < NR_ORDERED; i++) {
        threads[i] = start((int)(OWN - 1 - shuffled(i)), down, 0);
        is_right &= wait_for_waiters(&semaphore.guard, &semaphore.waiters.waiters, i + 1);
    }
    for (unsigned i = 0; i < NR_ORDERED; i++) {
        semaphore_up(&semaphore);
        is_right &=
            wait_for_waiters(&semaphore.guard, &semaphore.waiters.waiters, NR_ORDERED - 1 - i);
        while (atomic_load(&nr_served) != i + 1)
            kthread_sleep_ns(NSEC_PER_MSEC / 10);
        is_right &= KTAP_EQUAL(served[i], OWN - 1 - i);
    }
    for (unsigned i = 0; i < NR_ORDERED; i++)
        kthread_join(threads[i]);
    return is_right;
}

static uint64_t wait_for_signal(void *unused)
{
    (void)unused;
    mutex_lock(&mutexes[0]);
    condition_wait(&condition, &mutexes[0]);
    note(lwp_current()->own.entity.params.priority);
    mutex_unlock(&mutexes[0]);
    return 0;
}

static bool condition_wakes_the_highest_first(void)
{
    struct kthread *threads[NR_ORDERED];
    bool is_right = true;

    start_anew();
    condition_init(&condition, "test");
    for (unsigned i = 0; i < NR_ORDERED; i++) {
        threads[i] = start((int)(OWN - 1 - shuffled(i)), wait_for_signal, 0);
        is_right &= wait_for_waiters(&condition.guard, &condition.waiters, i + 1);
    }
    for (unsigned i = 0; i < NR_ORDERED; i++) {
        mutex_lock(&mutexes[0]);
        condition_signal(&condition);
        mutex_unlock(&mutexes[0]);
        while (atomic_load(&nr_served) != i + 1)
            kthread_sleep_ns(NSEC_PER_MSEC / 10);
        is_right &= KTAP_EQUAL(served[i], OWN - 1 - i);
    }
    for (unsigned i = 0; i < NR_ORDERED; i++)
        kthread_join(threads[i]);
    return is_right;
}

/* ---- What it is for ------------------------------------------------------------------------- */

#define WORK_NS      (5 * NSEC_PER_MSEC)
#define HOG_NS       (10000 * NSEC_PER_MSEC)
#define HOGS_A_CPU   3
#define HOGS_MAX     (HOGS_A_CPU * 64)
#define HOG_PRIORITY (OWN - 5)

static atomic_uint nr_tired_hogs;
static atomic_bool is_locked, is_urgent, is_served;

/* Keeps a CPU from all that is lower, until the urgent one has got what it wants, or for long. */
static uint64_t hog(void *unused)
{
    uint64_t deadline_ns = clock_now_ns() + HOG_NS;

    (void)unused;
    while (!atomic_load(&is_served) && clock_now_ns() < deadline_ns)
        cpu_relax();
    if (!atomic_load(&is_served))
        atomic_fetch_add(&nr_tired_hogs, 1);
    return 0;
}

static uint64_t work_with_mutex(void *unused)
{
    uint64_t end_ns;

    (void)unused;
    mutex_lock(&mutexes[0]);
    atomic_store(&is_locked, true);
    while (!atomic_load(&is_urgent))
        cpu_relax();
    end_ns = sched_run_ns() + WORK_NS;
    while (sched_run_ns() < end_ns)
        cpu_relax();
    mutex_unlock(&mutexes[0]);
    return 0;
}

static uint64_t be_urgent(void *unused)
{
    uint64_t since_ns = clock_now_ns();

    atomic_store(&is_urgent, true);
    visit(unused);
    atomic_store(&is_served, true);
    return clock_now_ns() - since_ns;
}

/*
 * The owner of the mutex is lower than LWPs that keep all CPUs busy, and these are lower than who
 * waits for the mutex. They give up only after two thousand times what the owner has left to do.
 */
static bool inversion_is_bounded(void)
{
    static struct kthread *hogs[HOGS_MAX];
    struct kthread *owner, *urgent;
    unsigned nr = MIN(nr_cpus_online * HOGS_A_CPU, (unsigned)HOGS_MAX);
    uint64_t waited_ns;

    start_anew();
    atomic_store(&nr_tired_hogs, 0);
    atomic_store(&is_locked, false);
    atomic_store(&is_urgent, false);
    atomic_store(&is_served, false);
    owner = start(OWN - 10, work_with_mutex, 0);
    while (!atomic_load(&is_locked))
        kthread_sleep_ns(NSEC_PER_MSEC / 10);
    for (unsigned i = 0; i < nr; i++)
        hogs[i] = start(HOG_PRIORITY, hog, 0);
    urgent = start(OWN + 10, be_urgent, 0);
    waited_ns = kthread_join(urgent);
    kthread_join(owner);
    for (unsigned i = 0; i < nr; i++)
        kthread_join(hogs[i]);
    ktap_diag("waited %llu us", (unsigned long long)(waited_ns / NSEC_PER_USEC));
    return KTAP_EQUAL(atomic_load(&nr_tired_hogs), 0);
}

#define NR_FIGHTERS 16

/* Takes some mutexes, in rising order; how much is still lent to it in the end. */
static uint64_t fight(void *number)
{
    uint64_t seed = (uintptr_t)number + 1;

    for (size_t round = ktap_times(3000); round > 0; round--) {
        unsigned wanted;

        seed = seed * 6364136223846793005 + 1442695040888963407; /* Knuth's MMIX */
        wanted = (unsigned)(seed >> 40) & 15;
        for (unsigned i = 0; i < 4; i++) {
            if (wanted >> i & 1)
                mutex_lock(&mutexes[i]);
        }
        if (round % 16 == 0)
            sched_yield();
        for (unsigned i = 0; i < 4; i++) {
            if (wanted >> i & 1)
                mutex_unlock(&mutexes[i]);
        }
    }
    return lwp_current()->donation.lent + (lwp_current()->donation.held != NULL ? 100 : 0);
}

static bool nothing_is_left_of_a_fight(void)
{
    struct kthread *threads[NR_FIGHTERS];
    bool is_right = true;

    start_anew();
    for (unsigned i = 0; i < NR_FIGHTERS; i++)
        threads[i] = start((int)(OWN - 8 + i), fight, i);
    for (unsigned i = 0; i < NR_FIGHTERS; i++)
        is_right &= KTAP_EQUAL(kthread_join(threads[i]), 0);
    return is_right && own_priority_is(OWN);
}

/* ---- Teams -------------------------------------------------------------------------------------
 */

static struct lwp *_Atomic member;

static uint64_t hold_in_team(void *team)
{
    sched_lwp_set_team(lwp_current(), (struct sched_team *)team);
    mutex_lock(&mutexes[0]);
    atomic_store(&member, lwp_current());
    mutex_lock(&mutexes[1]);
    mutex_unlock(&mutexes[1]);
    mutex_unlock(&mutexes[0]);
    return 0;
}

static uint64_t wait_for_member(void *arg)
{
    (void)arg;
    mutex_lock(&mutexes[0]);
    mutex_unlock(&mutexes[0]);
    return 0;
}

/*
 * A member of a team has a priority, too, though not for its turns there, and is lent others. It
 * leaves with the team's as its own.
 */
static bool members_of_teams_lend_and_borrow(void)
{
    struct sched_team *team = sched_team_new();
    struct kthread *holder, *waiter;
    bool is_right;

    start_anew();
    mutex_lock(&mutexes[1]);
    atomic_store(&member, NULL);
    holder = start(OWN, hold_in_team, (uintptr_t)team);
    while (atomic_load(&member) == NULL)
        sched_yield();
    waiter = start(OWN + 5, wait_for_member, 0);
    is_right = KTAP_TRUE(comes_to(member, OWN + 5) && comes_to(lwp_current(), OWN + 5));
    set_priority(member, OWN + 10);
    sched_lwp_set_team(member, NULL);
    is_right &= KTAP_TRUE(comes_to(member, OWN + 10) && comes_to(lwp_current(), OWN + 10));
    mutex_unlock(&mutexes[1]);
    kthread_join(holder);
    kthread_join(waiter);
    sched_team_close(team);
    sched_team_free(team);
    return is_right && own_priority_is(OWN);
}

static const struct ktap_test tests[] = {
    {"LWPs that wait for a mutex lend to its owner", waiters_lend_to_the_owner},
    {"what an LWP is lent through a mutex lasts as long as that", what_another_lock_brings_stays},
    {"a chain of eight lends to its end", chain_lends_to_its_end},
    {"a lowered priority waits for the end of the donation", lowered_priority_waits},
    {"a changed priority of who waits reaches the owner", changed_priority_reaches_the_owner},
    {"a lent priority counts at a semaphore", lent_priority_counts_at_a_semaphore},
    {"a semaphore serves the highest priority first", semaphore_serves_the_highest_first},
    {"a condition variable wakes the highest priority first", condition_wakes_the_highest_first},
    {"who waits for a mutex does not wait for lower priorities", inversion_is_bounded},
    {"members of teams lend and borrow priorities", members_of_teams_lend_and_borrow},
    {"nothing is left of a fight over four mutexes", nothing_is_left_of_a_fight},
};

static bool run(void)
{
    return ktap_run(tests, ARRAY_LEN(tests));
}

static const struct kernel_test_suite donation = {.name = "donation", .run = run};
KERNEL_TEST_REGISTER(donation);
