/*
 * Scheduling that is changed while it works: groups, shares, affinity, teams, the default class,
 * all of it at once on threads in every state; and classes that break their promises.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/semaphore.h>
#include <kernel/string.h>
#include <sched/control.h>
#include <sched/kthread.h>
#include <sched/sched.h>
#include <sched/team.h>

#include "ktap.h"

#define NR_WORKERS     16
#define NR_CONTROLLERS 3
#define PATIENCE_NS    (20000 * NSEC_PER_MSEC)

static struct kthread *start(kthread_fn fn, uintptr_t number)
{
    struct kthread *thread = kthread_create("test", KTHREAD_PRIORITY_DEFAULT, fn, (void *)number);

    assert(thread != NULL);
    return thread;
}

/* xorshift64 (Marsaglia 2003, "Xorshift RNGs"). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- One thread that others change ------------------------------------------------------------
 */

static struct lwp *_Atomic subject;
static atomic_bool is_over;
static atomic_uint nr_turns;
static struct semaphore go_on;

static uint64_t spin(void *arg)
{
    (void)arg;
    atomic_store(&subject, lwp_current());
    while (!atomic_load(&is_over)) {
        atomic_fetch_add(&nr_turns, 1);
        sched_yield();
    }
    return 0;
}

static uint64_t wait_and_go(void *arg)
{
    (void)arg;
    atomic_store(&subject, lwp_current());
    semaphore_down(&go_on);
    return lwp_current()->last_cpu;
}

static struct kthread *start_subject(kthread_fn fn)
{
    struct kthread *thread;

    semaphore_init(&go_on, "test", 0);
    atomic_store(&is_over, false);
    atomic_store(&nr_turns, 0);
    atomic_store(&subject, NULL);
    thread = start(fn, 0);
    while (atomic_load(&subject) == NULL)
        sched_yield();
    return thread;
}

static uint64_t end_subject(struct kthread *thread)
{
    atomic_store(&is_over, true);
    semaphore_up(&go_on);
    return kthread_join(thread);
}

/* Whether it is given the CPU at least once more. */
static bool goes_on(void)
{
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
    unsigned before = atomic_load(&nr_turns);

    while (atomic_load(&nr_turns) == before && clock_now_ns() < deadline_ns)
        sched_yield();
    return KTAP_TRUE(atomic_load(&nr_turns) != before);
}

static bool joins_and_leaves_a_group(void)
{
    int group = sched_group_create("rr", 20);
    struct kthread *thread = start_subject(spin);
    bool is_right = KTAP_TRUE(group > 0);

    is_right &= KTAP_EQUAL(sched_join_group(subject, group), 0) && goes_on();
    is_right &= KTAP_EQUAL(sched_group_of(subject), group);
    is_right &= KTAP_EQUAL(sched_group_destroy(group), -EBUSY);
    is_right &= KTAP_EQUAL(sched_join_group(subject, SCHED_GROUP_DEFAULT), 0) && goes_on();
    is_right &= KTAP_EQUAL(sched_group_destroy(group), 0);
    is_right &= KTAP_EQUAL(sched_join_group(subject, group), -EINVAL) && goes_on();
    end_subject(thread);
    return is_right;
}

static bool an_end_leaves_the_group_empty(void)
{
    int group = sched_group_create("stride", 30);
    struct kthread *thread = start_subject(wait_and_go);
    bool is_right = KTAP_EQUAL(sched_join_group(subject, group), 0);

    end_subject(thread);
    return is_right && KTAP_EQUAL(sched_group_destroy(group), 0);
}

static bool groups_are_refused_that_cannot_be(void)
{
    int first = sched_group_create("rr", 50);
    bool is_right = KTAP_TRUE(first > 0);

    is_right &= KTAP_EQUAL(sched_group_create("rr", 31), -EAGAIN);
    is_right &= KTAP_EQUAL(sched_group_create("rr", 0), -EINVAL);
    is_right &= KTAP_EQUAL(sched_group_create("rr", 81), -EINVAL);
    is_right &= KTAP_EQUAL(sched_group_create("no such class", 10), -EINVAL);
    is_right &= KTAP_EQUAL(sched_group_destroy(SCHED_GROUP_DEFAULT), -EINVAL);
    is_right &= KTAP_EQUAL(sched_group_destroy(SCHED_GROUPS_MAX), -EINVAL);
    is_right &= KTAP_EQUAL(sched_group_destroy(-1), -EINVAL);
    is_right &= KTAP_EQUAL(sched_group_destroy(first), 0);
    is_right &= KTAP_EQUAL(sched_group_destroy(first), -EINVAL);
    return is_right;
}

/* Every CPU in turn, and whichever it runs on must be that. */
static bool affinity_is_obeyed(void)
{
    struct kthread *thread = start_subject(spin);
    bool is_right = true;

    for (unsigned round = 0; round < 20; round++) {
        unsigned cpu = round % nr_cpus_online;

        is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1ull << cpu), 0);
        is_right &= goes_on() && goes_on();
        is_right &= KTAP_EQUAL(atomic_load(&subject)->last_cpu, cpu);
    }
    is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1ull << 63), -EINVAL);
    is_right &= KTAP_EQUAL(sched_set_affinity(subject, 0), -EINVAL);
    end_subject(thread);
    return is_right;
}

static bool somebody_waits(struct semaphore *s)
{
    irq_state_t irq = spin_lock_irq(&s->guard);
    bool is_there = !list_is_empty(&s->waiters.waiters);

    spin_unlock_irq(&s->guard, irq);
    return is_there;
}

static bool a_sleeper_wakes_where_it_is_sent(void)
{
    bool is_right = true;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        struct kthread *thread = start_subject(wait_and_go);

        while (!somebody_waits(&go_on))
            sched_yield();
        is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1ull << cpu), 0);
        is_right &= KTAP_EQUAL(end_subject(thread), cpu);
    }
    return is_right;
}

/* With all CPUs but one full, a share can only be had there, whatever ran where. */
static bool shares_of_others_are_given_and_taken(void)
{
    struct kthread *thread = start_subject(spin);
    bool is_right = KTAP_EQUAL(sched_set_share(subject, 50), 0) && goes_on();

    is_right &= KTAP_EQUAL(sched_set_share(subject, 80), 0) && goes_on();
    is_right &= KTAP_EQUAL(sched_set_share(subject, 81), -EAGAIN) && goes_on();
    is_right &= KTAP_EQUAL(sched_set_share(subject, 101), -EINVAL);
    is_right &= KTAP_EQUAL(sched_set_share(subject, -1), -EINVAL);
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1ull << cpu), 0);
        is_right &= goes_on() && goes_on();
        is_right &= KTAP_EQUAL(atomic_load(&subject)->last_cpu, cpu);
    }
    is_right &= KTAP_EQUAL(sched_group_create("rr", 30), -EAGAIN);
    is_right &= KTAP_EQUAL(sched_set_share(subject, 0), 0) && goes_on();
    end_subject(thread);
    return is_right;
}

static bool who_has_not_been_started_is_not_changed(void)
{
    static struct lwp lwp;
    struct sched_params params;

    sched_lwp_init(&lwp, "test", NULL);
    sched_get_params(&lwp, &params);
    return KTAP_EQUAL(sched_join_group(&lwp, SCHED_GROUP_DEFAULT), -ESRCH) &&
           KTAP_EQUAL(sched_set_share(&lwp, 10), -ESRCH) &&
           KTAP_EQUAL(sched_set_affinity(&lwp, 1), -ESRCH) &&
           KTAP_EQUAL(sched_set_params(&lwp, &params), -ESRCH);
}

/* ---- Everything at once ------------------------------------------------------------------------
 */

static struct lwp *_Atomic workers[NR_WORKERS];
static atomic_uint nr_present; /* workers, which may be changed */
static struct sched_team *team;
static int a_group, another_group;
static uint64_t fight_rounds;

/* Computes, yields, sleeps; its value is how many rounds it has done. */
static uint64_t work(void *arg)
{
    uint64_t random = 88172645463325252 + (uintptr_t)arg, nr_done;

    atomic_store(&workers[(uintptr_t)arg], lwp_current());
    atomic_fetch_add(&nr_present, 1);
    for (nr_done = 0; !atomic_load(&is_over) || nr_done < fight_rounds; nr_done++) {
        switch (next_random(&random) % 4) {
        case 0:
            kthread_sleep_ns(next_random(&random) % NSEC_PER_MSEC);
            break;
        case 1:
            for (unsigned i = 0; i < 10000; i++)
                cpu_relax();
            break;
        default:
            sched_yield();
        }
    }
    atomic_fetch_sub(&nr_present, 1);
    return nr_done;
}

static const char *const class_names[] = {"rr", "mlfq", "stride", "prio", "bsd"};

static void change_something(struct lwp *lwp, uint64_t *random)
{
    struct sched_params params;
    int result = 0;

    switch (next_random(random) % 9) {
    case 0:
        result = sched_join_group(lwp, a_group);
        break;
    case 1:
        result = sched_join_group(lwp, another_group);
        break;
    case 2:
        result = sched_join_group(lwp, SCHED_GROUP_DEFAULT);
        break;
    case 3:
        result = sched_set_share(lwp, (int)(next_random(random) % 30));
        break;
    case 4:
        result = sched_set_affinity(lwp, next_random(random));
        break;
    case 5:
        sched_get_params(lwp, &params);
        /* No worker keeps those who control from running. */
        params.priority = next_random(random) % (KTHREAD_PRIORITY_DEFAULT + 1);
        params.nice = (int8_t)(next_random(random) % 20);
        params.tickets = 1 + next_random(random) % 1000;
        result = sched_set_params(lwp, &params);
        break;
    case 6:
        sched_lwp_set_team(lwp, team);
        break;
    case 7:
        sched_lwp_set_team(lwp, NULL);
        break;
    default:
        result = sched_set_default_class(class_names[next_random(random) % ARRAY_LEN(class_names)]);
        kthread_sleep_ns(NSEC_PER_MSEC);
    }
    if (result != 0 && result != -EAGAIN && result != -EINVAL)
        panic("a change came to %d", result);
}

static uint64_t control(void *arg)
{
    uint64_t random = 362436069 + (uintptr_t)arg;

    for (uint64_t round = 0; round < fight_rounds; round++) {
        change_something(workers[next_random(&random) % NR_WORKERS], &random);
        if (next_random(&random) % 4 == 0)
            sched_yield();
    }
    return 0;
}

static void back_to_normal(void)
{
    int error = sched_set_default_class("mlfq");

    assert(error == 0);
}

static bool nothing_is_lost_under_changes(void)
{
    struct kthread *threads[NR_WORKERS], *controllers[NR_CONTROLLERS];
    bool is_right = true;

    a_group = sched_group_create("rr", 20);
    another_group = sched_group_create("stride", 10);
    team = sched_team_new();
    fight_rounds = ktap_times(3000);
    atomic_store(&is_over, false);
    atomic_store(&nr_present, 0);
    for (uintptr_t i = 0; i < NR_WORKERS; i++)
        threads[i] = start(work, i);
    while (atomic_load(&nr_present) < NR_WORKERS)
        sched_yield();
    for (uintptr_t i = 0; i < NR_CONTROLLERS; i++)
        controllers[i] = start(control, i);
    for (unsigned i = 0; i < NR_CONTROLLERS; i++)
        kthread_join(controllers[i]);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < NR_WORKERS; i++)
        is_right &= KTAP_TRUE(kthread_join(threads[i]) >= fight_rounds);
    sched_team_close(team);
    sched_team_free(team);
    back_to_normal();
    is_right &= KTAP_EQUAL(sched_group_destroy(a_group), 0);
    is_right &= KTAP_EQUAL(sched_group_destroy(another_group), 0);
    /* What was promised to anybody has been given back: all of it can be had again. */
    a_group = sched_group_create("rr", SCHED_PROMISE_MAX_PERCENT);
    is_right &= KTAP_TRUE(a_group > 0);
    return is_right && KTAP_EQUAL(sched_group_destroy(a_group), 0);
}

/* ---- Groups are made while shares are given -----------------------------------------------------
 */

static uint64_t make_groups(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_over)) {
        int group = sched_group_create("rr", 50);

        if (group > 0 && sched_group_destroy(group) != 0)
            panic("an empty group cannot be destroyed");
    }
    return 0;
}

/* A share is kept when more is refused, whoever else wants that part of the CPU. */
static bool refused_shares_leave_what_was_held(void)
{
    struct kthread *thread = start_subject(wait_and_go), *rival = start(make_groups, 0);
    bool is_right = true;

    for (uint64_t round = 0; round < ktap_times(3000); round++) {
        int error = sched_set_share(subject, 50);

        is_right &= KTAP_TRUE(error == 0 || error == -EAGAIN);
        is_right &= KTAP_EQUAL(sched_set_share(subject, 100), -EAGAIN);
        is_right &= KTAP_EQUAL(sched_set_share(subject, 0), 0);
    }
    end_subject(thread);
    kthread_join(rival);
    return is_right;
}

/* ---- Places ------------------------------------------------------------------------------------
 */

static uint64_t compute(void *arg)
{
    (void)arg;
    atomic_fetch_add(&nr_turns, 1);
    while (!atomic_load(&is_over))
        cpu_relax();
    return 0;
}

static uint64_t compute_as_subject(void *arg)
{
    atomic_store(&subject, lwp_current());
    return compute(arg);
}

/* Counts as a turn that it is about to go there. */
static uint64_t compute_on_cpu_1(void *arg)
{
    int error;

    atomic_fetch_add(&nr_turns, 1);
    error = sched_set_affinity(lwp_current(), 2);
    assert(error == 0);
    return compute(arg);
}

/* Whether, in time, the subject runs there. */
static bool comes_to_cpu(unsigned cpu)
{
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

    while (atomic_load(&subject)->last_cpu != cpu) {
        if (clock_now_ns() >= deadline_ns)
            return KTAP_EQUAL(atomic_load(&subject)->last_cpu, cpu);
        kthread_sleep_ns(NSEC_PER_MSEC);
    }
    return true;
}

/* Two are bound to one CPU. When one may go to the last one, too, it does, whoever else idles. */
static bool nobody_waits_beside_an_idle_cpu(void)
{
    unsigned last = nr_cpus_online - 1;
    struct kthread *thread = start_subject(compute_as_subject), *other;
    bool is_right = KTAP_EQUAL(sched_set_affinity(subject, 1), 0);

    other = start(compute_as_subject, 0);
    while (atomic_load(&nr_turns) < 2)
        sched_yield();
    is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1), 0) && comes_to_cpu(0);
    kthread_sleep_ns(20 * NSEC_PER_MSEC);
    is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1 | 1ull << last), 0);
    is_right &= comes_to_cpu(last);
    end_subject(thread);
    kthread_join(other);
    return is_right;
}

/* The only one of its group, and preempted by somebody with a share of that CPU, who stays. */
static bool nobody_waits_beside_a_share(void)
{
    unsigned last = nr_cpus_online - 1;
    struct kthread *thread = start_subject(compute_as_subject), *other;
    bool is_right = KTAP_EQUAL(sched_set_affinity(subject, 1), 0);

    is_right &= KTAP_EQUAL(sched_set_share(subject, 50), 0);
    other = start(compute_as_subject, 0);
    while (atomic_load(&nr_turns) < 2)
        sched_yield();
    is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1), 0) && comes_to_cpu(0);
    kthread_sleep_ns(50 * NSEC_PER_MSEC);
    is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1 | 1ull << last), 0);
    is_right &= comes_to_cpu(last);
    end_subject(thread);
    kthread_join(other);
    return is_right;
}

static atomic_bool may_hear;

/* On CPU 1, as a member of the team, if any; cannot be interrupted until `may_hear`. */
static uint64_t be_deaf(void *members)
{
    int error = 0;

    if (members != NULL)
        sched_lwp_set_team(lwp_current(), members);
    sched_yield();
    error = sched_set_affinity(lwp_current(), 2);
    assert(error == 0);
    sched_yield();
    irq_disable();
    atomic_store(&subject, lwp_current());
    while (!atomic_load(&may_hear))
        cpu_relax();
    irq_enable();
    return spin(NULL);
}

static struct kthread *start_deaf(struct sched_team *members)
{
    struct kthread *thread;

    atomic_store(&is_over, false);
    atomic_store(&may_hear, false);
    atomic_store(&nr_turns, 0);
    atomic_store(&subject, NULL);
    thread = start(be_deaf, (uintptr_t)members);
    while (atomic_load(&subject) == NULL)
        sched_yield();
    return thread;
}

/* Sent to CPU 0, it leaves its team, or joins one and leaves it, all before it can react. */
static bool goes_where_it_is_sent(bool is_member)
{
    struct sched_team *members = sched_team_new();
    struct kthread *thread = start_deaf(is_member ? members : NULL);
    bool is_right = KTAP_EQUAL(atomic_load(&subject)->last_cpu, 1);

    is_right &= KTAP_EQUAL(sched_set_affinity(subject, 1), 0);
    if (!is_member)
        sched_lwp_set_team(subject, members);
    sched_lwp_set_team(subject, NULL);
    atomic_store(&may_hear, true);
    is_right &= goes_on() && goes_on();
    is_right &= KTAP_EQUAL(atomic_load(&subject)->last_cpu, 0);
    atomic_store(&is_over, true);
    kthread_join(thread);
    sched_team_close(members);
    sched_team_free(members);
    return is_right;
}

static bool who_changes_teams_goes_where_it_is_sent(void)
{
    uint64_t everywhere = sched_affinity(lwp_current());
    bool is_right;

    if (nr_cpus_online == 1)
        return true;
    is_right = KTAP_EQUAL(sched_set_affinity(lwp_current(), 1), 0);
    is_right &= goes_where_it_is_sent(true) && goes_where_it_is_sent(false);
    return is_right && KTAP_EQUAL(sched_set_affinity(lwp_current(), everywhere), 0);
}

/* Asked for by a member of the team, which leaves it before its CPU has made it one. */
static bool is_kept_beyond_team(struct sched_team *members, int group)
{
    unsigned last = nr_cpus_online - 1;
    struct lwp *self = lwp_current();
    struct sched_params wanted, params;
    irq_state_t irq = irq_save();
    bool is_right;

    sched_lwp_set_team(self, members);
    sched_get_params(self, &wanted);
    wanted.priority = 7;
    wanted.tickets = 700;
    is_right = KTAP_EQUAL(sched_join_group(self, group), 0);
    is_right &= KTAP_EQUAL(sched_group_of(self), group);
    is_right &= KTAP_EQUAL(sched_set_share(self, 10), 0) && KTAP_EQUAL(sched_share(self), 10);
    is_right &= KTAP_EQUAL(sched_set_share(self, 0), 0);
    is_right &= KTAP_EQUAL(sched_join_group(self, group), 0);
    is_right &= KTAP_EQUAL(sched_set_params(self, &wanted), 0);
    is_right &= KTAP_EQUAL(sched_set_affinity(self, 1ull << last), 0);
    is_right &= KTAP_EQUAL(sched_affinity(self), 1ull << last);
    sched_lwp_set_team(self, NULL);
    irq_restore(irq);
    sched_get_params(self, &params);
    is_right &= KTAP_EQUAL(params.priority, 7) && KTAP_EQUAL(params.tickets, 700);
    is_right &= KTAP_EQUAL(sched_group_of(self), group);
    is_right &= KTAP_EQUAL(sched_affinity(self), 1ull << last);
    sched_yield();
    return is_right && KTAP_EQUAL(self->last_cpu, last);
}

static bool who_passes_through_a_team_keeps_what_was_asked_for(void)
{
    uint64_t everywhere = sched_affinity(lwp_current());
    int group = sched_group_create("rr", 20);
    struct sched_team *members = sched_team_new();
    struct sched_params before;
    bool is_right = KTAP_TRUE(group > 0);

    sched_get_params(lwp_current(), &before);
    is_right &= is_kept_beyond_team(members, group);
    sched_team_close(members);
    sched_team_free(members);
    is_right &= KTAP_EQUAL(sched_join_group(lwp_current(), SCHED_GROUP_DEFAULT), 0);
    is_right &= KTAP_EQUAL(sched_set_params(lwp_current(), &before), 0);
    is_right &= KTAP_EQUAL(sched_set_affinity(lwp_current(), everywhere), 0);
    return is_right && KTAP_EQUAL(sched_group_destroy(group), 0);
}

/* The tickets of a team's share are not those of a member that goes on alone. */
static bool a_share_stays_with_its_team(void)
{
    struct lwp *self = lwp_current();
    struct sched_team *members = sched_team_new();
    bool is_right;

    sched_lwp_set_team(self, members);
    sched_yield();
    is_right = KTAP_EQUAL(sched_set_share(self, 10), 0);
    sched_lwp_set_team(self, NULL);
    sched_yield();
    is_right &= KTAP_EQUAL(sched_share(self), 0);
    is_right &= KTAP_EQUAL(self->own.entity.params.tickets, SCHED_TICKETS_DEFAULT);
    sched_team_close(members);
    sched_team_free(members);
    return is_right;
}

static atomic_bool was_here;

static uint64_t be_here(void *arg)
{
    int error = sched_set_affinity(lwp_current(), 2);

    (void)arg;
    assert(error == 0);
    sched_yield();
    atomic_store(&was_here, true);
    return lwp_current()->last_cpu;
}

/* A member of a team is to leave it, and is to stay after all, before it can react. */
static bool who_stays_in_a_team_gives_way_to_others(void)
{
    uint64_t everywhere = sched_affinity(lwp_current());
    struct sched_team *members;
    struct kthread *thread, *other;
    uint64_t deadline_ns;
    bool is_right;

    if (nr_cpus_online == 1)
        return true;
    is_right = KTAP_EQUAL(sched_set_affinity(lwp_current(), 1), 0);
    members = sched_team_new();
    thread = start_deaf(members);
    sched_lwp_set_team(subject, NULL);
    sched_lwp_set_team(subject, members);
    atomic_store(&may_hear, true);
    atomic_store(&was_here, false);
    other = start(be_here, 0);
    deadline_ns = clock_now_ns() + PATIENCE_NS;
    while (!atomic_load(&was_here) && clock_now_ns() < deadline_ns)
        kthread_sleep_ns(NSEC_PER_MSEC);
    is_right &= KTAP_TRUE(atomic_load(&was_here));
    atomic_store(&is_over, true);
    is_right &= KTAP_EQUAL(kthread_join(other), 1);
    kthread_join(thread);
    sched_team_close(members);
    sched_team_free(members);
    return is_right && KTAP_EQUAL(sched_set_affinity(lwp_current(), everywhere), 0);
}

/* ---- The watchdog ------------------------------------------------------------------------------
 */

/* A group under the class, of which the subject becomes a member: it runs all the same. */
static bool member_of_group_runs(const char *class_name)
{
    struct kthread *thread = start_subject(spin);
    int group = sched_group_create(class_name, 20);
    bool is_right = KTAP_TRUE(group > 0) && KTAP_EQUAL(sched_join_group(subject, group), 0);

    is_right &= goes_on() && goes_on();
    is_right &= KTAP_TRUE(strcmp(sched_class_of_group(group)->name, "rr") == 0);
    end_subject(thread);
    return is_right && KTAP_EQUAL(sched_group_destroy(group), 0);
}

static bool class_that_lets_nobody_run_is_replaced(void)
{
    return member_of_group_runs("nobody");
}

static bool class_whose_time_never_comes_is_replaced(void)
{
    return member_of_group_runs("never");
}

/*
 * It says that it is work-conserving, so everybody can be given to it. Who has had a turn under it
 * may have begun that before; who has had two has been chosen in between.
 */
static bool class_that_lies_is_replaced(void)
{
    struct kthread *thread = start_subject(spin);
    bool is_right = true;

    for (unsigned round = 0; round < 10; round++) {
        is_right &= KTAP_EQUAL(sched_set_default_class("liar"), 0);
        is_right &= goes_on() && goes_on();
        is_right &= KTAP_TRUE(strcmp(sched_class_of_group(SCHED_GROUP_DEFAULT)->name, "rr") == 0);
        back_to_normal();
    }
    end_subject(thread);
    return is_right;
}

/* More threads that compute than there are CPUs: under a class without slices, some would never be
 * seen. */
static bool class_that_starves_is_replaced(void)
{
    struct kthread *threads[2 * 8 + 2];
    unsigned nr_threads = MIN(2 * nr_cpus_online + 2, (unsigned)ARRAY_LEN(threads));
    bool is_right = KTAP_EQUAL(sched_set_default_class("unfair"), 0);

    atomic_store(&is_over, false);
    atomic_store(&nr_turns, 0);
    for (unsigned i = 0; i < nr_threads; i++)
        threads[i] = start(compute, i);
    while (atomic_load(&nr_turns) < nr_threads)
        sched_yield();
    is_right &= KTAP_TRUE(strcmp(sched_class_of_group(SCHED_GROUP_DEFAULT)->name, "rr") == 0);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < nr_threads; i++)
        kthread_join(threads[i]);
    back_to_normal();
    return is_right;
}

/* A CPU that does not react at once, because it is virtual and its host is busy, is no fault of the
 * class. The limit of mlfq is 720 ms. */
static bool class_is_not_blamed_for_a_late_cpu(void)
{
    uint64_t everywhere = sched_affinity(lwp_current());
    struct kthread *thread, *others[3];
    bool is_right;

    if (nr_cpus_online == 1)
        return true;
    is_right = KTAP_EQUAL(sched_set_affinity(lwp_current(), 1), 0);
    thread = start_deaf(NULL);
    for (unsigned i = 0; i < ARRAY_LEN(others); i++)
        others[i] = start(compute_on_cpu_1, 0);
    while (atomic_load(&nr_turns) < ARRAY_LEN(others))
        sched_yield();
    kthread_sleep_ns(NSEC_PER_SEC);
    atomic_store(&may_hear, true);
    kthread_sleep_ns(NSEC_PER_SEC);
    is_right &= KTAP_TRUE(strcmp(sched_class_of_group(SCHED_GROUP_DEFAULT)->name, "mlfq") == 0);
    atomic_store(&is_over, true);
    kthread_join(thread);
    for (unsigned i = 0; i < ARRAY_LEN(others); i++)
        kthread_join(others[i]);
    return is_right && KTAP_EQUAL(sched_set_affinity(lwp_current(), everywhere), 0);
}

static bool classes_not_for_everybody_are_refused(void)
{
    return KTAP_EQUAL(sched_set_default_class("nobody"), -EINVAL) &&
           KTAP_EQUAL(sched_set_default_class("no such class"), -EINVAL);
}

static const struct ktap_test tests[] = {
    {"a thread joins and leaves a group while it runs", joins_and_leaves_a_group},
    {"a thread that ends leaves its group empty", an_end_leaves_the_group_empty},
    {"groups are refused that cannot be", groups_are_refused_that_cannot_be},
    {"a running thread goes to the CPU that its affinity names", affinity_is_obeyed},
    {"a sleeper wakes on the CPU that its affinity names", a_sleeper_wakes_where_it_is_sent},
    {"shares of others are given, moved and taken", shares_of_others_are_given_and_taken},
    {"who has not been started is not changed", who_has_not_been_started_is_not_changed},
    {"nothing is lost while everything changes at once", nothing_is_lost_under_changes},
    {"refused shares leave what was held", refused_shares_leave_what_was_held},
    {"nobody waits beside an idle CPU", nobody_waits_beside_an_idle_cpu},
    {"nobody waits beside a share and an idle CPU", nobody_waits_beside_a_share},
    {"who changes teams goes where it is sent", who_changes_teams_goes_where_it_is_sent},
    {"who stays in a team gives way to others", who_stays_in_a_team_gives_way_to_others},
    {"who passes through a team keeps what was asked for",
     who_passes_through_a_team_keeps_what_was_asked_for},
    {"a share stays with its team", a_share_stays_with_its_team},
    {"a class that lets nobody run is replaced", class_that_lets_nobody_run_is_replaced},
    {"a class whose time never comes is replaced", class_whose_time_never_comes_is_replaced},
    {"a class that lies about itself is replaced", class_that_lies_is_replaced},
    {"a class that starves somebody is replaced", class_that_starves_is_replaced},
    {"a class is not blamed for a late CPU", class_is_not_blamed_for_a_late_cpu},
    {"classes that are not for everybody are refused", classes_not_for_everybody_are_refused},
};

static bool run(void)
{
    return ktap_run(tests, ARRAY_LEN(tests));
}

static const struct kernel_test_suite control_suite = {.name = "control", .run = run};
KERNEL_TEST_REGISTER(control_suite);
