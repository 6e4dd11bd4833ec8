/*
 * Futexes that inherit priorities: who gets the lock and in which order, deadlocks, times, and what
 * wrong use gets. That a waiter lends its priority shows only with `sched=prio`. Owners that end
 * are in t_pi_owner.c, moving waiters from a condition to a lock in t_requeue_pi.c.
 */

#include <errno.h>
#include <stdatomic.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ktap.h"
#include "pi_lock.h"

#define PAGE        4096ul
#define KERNEL_HALF 0xffff800000000000ul
#define UNMAPPED    0x1000ul
#define NOBODY      0x3ffffffe
#define MSEC_NS     1000000ull
#define SEC_NS      1000000000ull

static _Atomic uint32_t word, other_word, third_word;

/* ---- Locking and unlocking ------------------------------------------------------------------ */

static bool free_lock_is_taken_and_left(void)
{
    atomic_store(&word, 0);
    return KTAP_EQUAL(lock(&word), 0) && KTAP_EQUAL(word, tid()) && KTAP_EQUAL(unlock(&word), 0) &&
           KTAP_EQUAL(word, 0) && KTAP_EQUAL(try_lock(&word), 0) && KTAP_EQUAL(word, tid()) &&
           KTAP_EQUAL(unlock(&word), 0) && KTAP_EQUAL(word, 0);
}

static bool unlock_gives_the_lock_to_a_waiter(void)
{
    struct waiter waiter = {.word = &word, .keeps = true};
    bool is_right;

    atomic_store(&word, tid());
    is_right = start_waiter(&waiter) && KTAP_EQUAL(word, tid() | FUTEX_WAITERS) &&
               KTAP_EQUAL(unlock(&word), 0) && KTAP_EQUAL(word, (uint32_t)waiter.lwp);
    thread_join(waiter.lwp, NULL);
    return is_right && KTAP_EQUAL(waiter.result, 0) &&
           KTAP_EQUAL(waiter.word_seen, (uint32_t)waiter.lwp);
}

#define NR_QUEUED 8

static bool waiters_of_one_priority_are_served_in_order(void)
{
    struct waiter waiters[NR_QUEUED];
    bool is_right = true;

    atomic_store(&word, tid());
    atomic_store(&last_place, 0);
    for (int i = 0; i < NR_QUEUED; i++) {
        waiters[i] = (struct waiter){.word = &word};
        is_right &= start_waiter(&waiters[i]);
    }
    is_right &= KTAP_EQUAL(unlock(&word), 0);
    for (int i = 0; i < NR_QUEUED; i++) {
        thread_join(waiters[i].lwp, NULL);
        is_right &=
            KTAP_EQUAL(waiters[i].place, i + 1) && KTAP_EQUAL(waiters[i].result, 0) &&
            KTAP_EQUAL(waiters[i].word_seen, (uint32_t)waiters[i].lwp |
                                                 (i < NR_QUEUED - 1 ? (uint32_t)FUTEX_WAITERS : 0));
    }
    return is_right && KTAP_EQUAL(word, 0);
}

static bool try_of_a_taken_lock_is_eagain(void)
{
    struct waiter waiter = {.word = &word, .operation = FUTEX_LOCK_PI, .held = &other_word};
    bool is_right;

    atomic_store(&word, tid());
    atomic_store(&other_word, 0);
    is_right = start_waiter(&waiter) && KTAP_EQUAL(try_lock(&other_word), -EAGAIN);
    is_right &= KTAP_EQUAL(unlock(&word), 0);
    thread_join(waiter.lwp, NULL);
    return is_right && KTAP_EQUAL(try_lock(&other_word), 0);
}

struct counter {
    uint64_t count;
    size_t nr_rounds;
};

static struct counter counter;

/* As a library would: without the kernel where nobody waits. */
static void lock_fast(_Atomic uint32_t *at, const struct timespec *deadline)
{
    uint32_t expected = 0;

    if (!atomic_compare_exchange_strong(at, &expected, tid())) {
        while (futex((const void *)at, FUTEX_LOCK_PI2, 0, deadline, NULL, 0) != 0)
            deadline = NULL;
    }
}

static void unlock_fast(_Atomic uint32_t *at)
{
    uint32_t expected = tid();

    if (!atomic_compare_exchange_strong(at, &expected, 0))
        unlock(at);
}

/* Every other round its time is over at once, or soon. */
static void *count_with_lock(void *arg)
{
    for (size_t i = 0; i < counter.nr_rounds; i++) {
        struct timespec deadline;
        uint64_t seen;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        lock_fast(&word, i % 2 == 0 ? &deadline : NULL);
        seen = counter.count;
        if (i % 8 == 0)
            yield();
        counter.count = seen + 1;
        unlock_fast(&word);
    }
    return arg;
}

#define NR_COUNTERS 6

static bool count_is_exact(void)
{
    thread_t lwps[NR_COUNTERS];

    atomic_store(&word, 0);
    counter = (struct counter){0, ktap_times(5000)};
    for (int i = 0; i < NR_COUNTERS; i++)
        thread_create(&lwps[i], count_with_lock, NULL);
    for (int i = 0; i < NR_COUNTERS; i++)
        thread_join(lwps[i], NULL);
    return KTAP_EQUAL(counter.count, NR_COUNTERS * counter.nr_rounds) &&
           KTAP_EQUAL(lock(&word), 0) && KTAP_EQUAL(unlock(&word), 0) && KTAP_EQUAL(word, 0);
}

/* ---- Deadlocks and wrong owners ------------------------------------------------------------- */

static bool lock_of_ones_own_is_edeadlk(void)
{
    atomic_store(&word, tid());
    return KTAP_EQUAL(lock(&word), -EDEADLK) && KTAP_EQUAL(try_lock(&word), -EDEADLK) &&
           KTAP_EQUAL(unlock(&word), 0);
}

/* One holds `third_word` and waits for `other_word`, whose owner waits for `word`, which is ours.
 */
static bool circle_is_edeadlk(void)
{
    struct waiter second = {.word = &word, .held = &other_word};
    struct waiter third = {.word = &other_word, .held = &third_word};
    bool is_right;

    atomic_store(&word, tid());
    atomic_store(&other_word, 0);
    atomic_store(&third_word, 0);
    is_right = start_waiter(&second) && KTAP_EQUAL(lock(&other_word), -EDEADLK);
    is_right &= start_waiter(&third) && KTAP_EQUAL(lock(&third_word), -EDEADLK);
    is_right &= KTAP_EQUAL(unlock(&word), 0);
    thread_join(second.lwp, NULL);
    thread_join(third.lwp, NULL);
    return is_right && KTAP_EQUAL(second.result, 0) && KTAP_EQUAL(third.result, 0) &&
           KTAP_EQUAL(lock(&third_word), 0) && KTAP_EQUAL(lock(&other_word), 0);
}

static bool unknown_owner_is_esrch(void)
{
    atomic_store(&word, NOBODY);
    return KTAP_EQUAL(lock(&word), -ESRCH) && KTAP_EQUAL(try_lock(&word), -ESRCH) &&
           KTAP_EQUAL(unlock(&word), -EPERM) && KTAP_EQUAL(word, NOBODY);
}

static void *do_nothing_in_lwp(void *arg)
{
    return arg;
}

static bool owner_that_has_ended_is_esrch(void)
{
    thread_t lwp;

    thread_create(&lwp, do_nothing_in_lwp, NULL);
    thread_join(lwp, NULL);
    atomic_store(&word, (uint32_t)lwp);
    return KTAP_EQUAL(lock(&word), -ESRCH);
}

static bool owner_of_another_process_is_eperm(void)
{
    atomic_store(&word, (uint32_t)getppid());
    return KTAP_EQUAL(lock(&word), -EPERM) && KTAP_EQUAL(unlock(&word), -EPERM);
}

/* It has left its memory before its number is gone. */
static bool owner_that_is_ending_is_no_owner(void)
{
    bool is_right = true;

    for (size_t round = 0; round < 20 + ktap_times(200) && is_right; round++) {
        pid_t child = fork();
        long result;

        if (child == 0)
            _exit(0);
        atomic_store(&word, (uint32_t)child);
        do
            result = try_lock(&word);
        while (result == -EPERM);
        is_right = KTAP_EQUAL(result, -ESRCH);
        waitpid(child, NULL, 0);
    }
    return is_right;
}

static bool unlock_by_another_is_eperm(void)
{
    struct waiter waiter = {.word = &word, .held = &other_word};
    bool is_right;

    atomic_store(&word, tid());
    atomic_store(&other_word, 0);
    is_right = start_waiter(&waiter) && KTAP_EQUAL(unlock(&other_word), -EPERM);
    is_right &= KTAP_EQUAL(unlock(&word), 0);
    thread_join(waiter.lwp, NULL);
    return is_right && KTAP_EQUAL(unlock(&word), -EPERM) && KTAP_EQUAL(word, 0);
}

static bool spoiled_word_is_einval(void)
{
    struct waiter waiter = {.word = &word, .held = &other_word};
    bool is_right;

    atomic_store(&word, tid());
    atomic_store(&other_word, 0);
    is_right = start_waiter(&waiter);
    atomic_store(&word, (uint32_t)waiter.lwp);
    is_right &= KTAP_EQUAL(lock(&word), -EINVAL) && KTAP_EQUAL(try_lock(&word), -EINVAL);
    atomic_store(&word, 0);
    is_right &= KTAP_EQUAL(lock(&word), -EINVAL) && KTAP_EQUAL(unlock(&word), -EPERM);
    atomic_store(&word, tid());
    is_right &= KTAP_EQUAL(unlock(&word), 0);
    thread_join(waiter.lwp, NULL);
    return is_right && KTAP_EQUAL(waiter.result, 0);
}

static bool wake_and_requeue_of_a_lock_are_einval(void)
{
    struct waiter waiter = {.word = &word};
    bool is_right;

    atomic_store(&word, tid());
    atomic_store(&other_word, 0);
    is_right = start_waiter(&waiter) &&
               KTAP_EQUAL(futex((void *)&word, FUTEX_WAKE, 1, NULL, NULL, 0), -EINVAL) &&
               KTAP_EQUAL(futex((void *)&word, FUTEX_REQUEUE, 0, (void *)1, (void *)&other_word, 0),
                          -EINVAL) &&
               KTAP_EQUAL(futex((void *)&other_word, FUTEX_REQUEUE, 0, (void *)1, (void *)&word, 0),
                          -EINVAL);
    is_right &= KTAP_EQUAL(unlock(&word), 0);
    thread_join(waiter.lwp, NULL);
    return is_right;
}

/* ---- Times ---------------------------------------------------------------------------------- */

static struct timespec time_in(clockid_t clock, uint64_t nsec)
{
    struct timespec t;

    clock_gettime(clock, &t);
    nsec += (uint64_t)t.tv_nsec;
    t.tv_sec += (time_t)(nsec / SEC_NS);
    t.tv_nsec = (long)(nsec % SEC_NS);
    return t;
}

/* With the lock taken, and left afterwards. */
static bool times_out(int operation, clockid_t clock)
{
    struct timespec past = {0}, soon = time_in(clock, 30 * MSEC_NS), now;
    struct waiter early = {.word = &word, .operation = operation, .deadline = &past};
    struct waiter late = {.word = &word, .operation = operation, .deadline = &soon};
    struct waiter patient = {.word = &word};
    bool is_right;

    atomic_store(&word, tid());
    is_right = start_waiter(&early) && start_waiter(&late) && start_waiter(&patient);
    thread_join(early.lwp, NULL);
    thread_join(late.lwp, NULL);
    clock_gettime(clock, &now);
    is_right &= KTAP_EQUAL(early.result, -ETIMEDOUT) && KTAP_EQUAL(late.result, -ETIMEDOUT) &&
                KTAP_TRUE(now.tv_sec > soon.tv_sec ||
                          (now.tv_sec == soon.tv_sec && now.tv_nsec >= soon.tv_nsec)) &&
                KTAP_EQUAL(unlock(&word), 0);
    thread_join(patient.lwp, NULL);
    return is_right && KTAP_EQUAL(patient.result, 0) && KTAP_EQUAL(word, 0);
}

static bool lock_ends_at_a_time(void)
{
    return times_out(FUTEX_LOCK_PI, CLOCK_REALTIME) && times_out(FUTEX_LOCK_PI2, CLOCK_MONOTONIC) &&
           times_out(FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME);
}

/* ---- Wrong arguments ------------------------------------------------------------------------ */

static const uint32_t constant = 0;
static const struct timespec no_time = {0, -1};

static const struct refusal {
    const char *what;
    long argument[6];
    long error;
} refusals[] = {
    {"LOCK_PI of an unmapped word", {UNMAPPED, FUTEX_LOCK_PI}, -EFAULT},
    {"LOCK_PI of a kernel address", {(long)KERNEL_HALF, FUTEX_LOCK_PI}, -EFAULT},
    {"LOCK_PI of a constant", {(long)&constant, FUTEX_LOCK_PI}, -EFAULT},
    {"LOCK_PI of a word that is not aligned", {(long)&word + 1, FUTEX_LOCK_PI}, -EINVAL},
    {"LOCK_PI with a time that is none", {(long)&word, FUTEX_LOCK_PI, 0, (long)&no_time}, -EINVAL},
    {"LOCK_PI with a wild time", {(long)&word, FUTEX_LOCK_PI, 0, UNMAPPED}, -EFAULT},
    {"LOCK_PI with a clock", {(long)&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME}, -ENOSYS},
    {"TRYLOCK_PI of an unmapped word", {UNMAPPED, FUTEX_TRYLOCK_PI}, -EFAULT},
    {"UNLOCK_PI of an unmapped word", {UNMAPPED, FUTEX_UNLOCK_PI}, -EFAULT},
    {"UNLOCK_PI of a constant", {(long)&constant, FUTEX_UNLOCK_PI}, -EFAULT},
    {"UNLOCK_PI of a free lock", {(long)&word, FUTEX_UNLOCK_PI}, -EPERM},
};

static bool is_refused(const struct refusal *r)
{
    const long *a = r->argument;

    atomic_store(&word, 0);
    atomic_store(&other_word, 0);
    return KTAP_EQUAL(syscall6(__NR_futex, a[0], a[1], a[2], a[3], a[4], a[5]), r->error) &&
           KTAP_EQUAL(word, 0) && KTAP_EQUAL(other_word, 0);
}

/* ---- Priorities ----------------------------------------------------------------------------- */

static bool set_own_priority(uint32_t priority)
{
    struct thrum_sched_params params;

    if (syscall6(THRUM_SYS_sched_get_params, gettid(), (long)&params, 0, 0, 0, 0) != 0)
        return false;
    params.priority = priority;
    return syscall6(THRUM_SYS_sched_set_params, gettid(), (long)&params, 0, 0, 0, 0) == 0;
}

#define DEFAULT_PRIORITY 31
#define NR_RANKED        8

struct ranked {
    struct waiter waiter;
    uint32_t priority;
};

static void *wait_with_priority(void *arg)
{
    struct ranked *self = arg;

    if (!set_own_priority(self->priority))
        return NULL;
    return wait_for_lock(&self->waiter);
}

static bool highest_priority_is_served_first(void)
{
    struct ranked ranked[NR_RANKED] = {0};
    bool is_right = true;

    atomic_store(&word, tid());
    atomic_store(&last_place, 0);
    for (uint32_t i = 0; i < NR_RANKED; i++) {
        ranked[i].waiter = (struct waiter){.word = &word, .operation = FUTEX_LOCK_PI};
        ranked[i].priority = 1 + (i * 3 + 1) % NR_RANKED;
        atomic_fetch_and(&word, ~FUTEX_WAITERS);
        thread_create(&ranked[i].waiter.lwp, wait_with_priority, &ranked[i]);
        is_right &= KTAP_TRUE(ktap_wait_for(has_waiters_bit, (void *)&word));
    }
    is_right &= KTAP_EQUAL(unlock(&word), 0);
    for (int i = 0; i < NR_RANKED; i++) {
        thread_join(ranked[i].waiter.lwp, NULL);
        is_right &= KTAP_EQUAL(ranked[i].waiter.place, NR_RANKED + 1 - (int)ranked[i].priority);
    }
    return is_right;
}

#define HOGS_A_CPU 2
#define HOGS_MAX   (HOGS_A_CPU * 64)
#define HOG_NS     (3 * KTAP_PATIENCE_NS)
#define WORK_NS    (5 * MSEC_NS)

static _Atomic int nr_tired_hogs, nr_hogs;
static _Atomic bool is_locked, is_urgent, is_served;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SEC_NS + (uint64_t)t.tv_nsec;
}

/* Keeps a CPU from all that is lower, until the urgent one has got what it wants, or for long. */
static void *hog(void *arg)
{
    uint64_t deadline_ns;

    set_own_priority(20);
    deadline_ns = now_ns(CLOCK_MONOTONIC) + HOG_NS;
    atomic_fetch_add(&nr_hogs, 1);
    while (!atomic_load(&is_served) && now_ns(CLOCK_MONOTONIC) < deadline_ns)
        continue;
    if (!atomic_load(&is_served))
        atomic_fetch_add(&nr_tired_hogs, 1);
    return arg;
}

/* Is not done before somebody needs it. */
static void *work_with_lock(void *arg)
{
    uint64_t end_ns;

    lock(&word);
    set_own_priority(10);
    atomic_store(&is_locked, true);
    while (!atomic_load(&is_urgent))
        continue;
    end_ns = now_ns(CLOCK_MONOTONIC) + WORK_NS;
    while (now_ns(CLOCK_MONOTONIC) < end_ns)
        continue;
    unlock(&word);
    return arg;
}

static void *wait_between(void *arg)
{
    lock(&other_word);
    set_own_priority(12);
    lock(&word);
    unlock(&word);
    unlock(&other_word);
    return arg;
}

static void *be_urgent(void *arg)
{
    set_own_priority(40);
    atomic_store(&is_urgent, true);
    lock(&other_word);
    atomic_store(&is_served, true);
    unlock(&other_word);
    return arg;
}

/* The caller sleeps meanwhile: it is higher than who it waits for. */
static bool is_true(void *flag)
{
    return atomic_load((_Atomic bool *)flag);
}

/*
 * The urgent one waits for a lock whose owner waits for another, whose owner is lower than LWPs
 * that keep all CPUs busy. These give up only after thousands of times what that owner has left to
 * do.
 */
static bool inversion_is_bounded(void)
{
    static thread_t hogs[HOGS_MAX];
    thread_t owner, between, urgent;
    size_t nr = ktap_cpus() * HOGS_A_CPU;

    atomic_store(&word, 0);
    atomic_store(&other_word, 0);
    atomic_store(&nr_tired_hogs, 0);
    atomic_store(&nr_hogs, 0);
    atomic_store(&is_locked, false);
    atomic_store(&is_urgent, false);
    atomic_store(&is_served, false);
    thread_create(&owner, work_with_lock, NULL);
    ktap_wait_for(is_true, (void *)&is_locked);
    thread_create(&between, wait_between, NULL);
    ktap_wait_for(has_waiters_bit, (void *)&word);
    for (size_t i = 0; i < nr; i++)
        thread_create(&hogs[i], hog, NULL);
    thread_create(&urgent, be_urgent, NULL);
    thread_join(urgent, NULL);
    thread_join(owner, NULL);
    thread_join(between, NULL);
    for (size_t i = 0; i < nr; i++)
        thread_join(hogs[i], NULL);
    return KTAP_EQUAL(nr_hogs, (long)nr) && KTAP_EQUAL(nr_tired_hogs, 0);
}

/* ---- What is left --------------------------------------------------------------------------- */

static void wait_and_be_refused(void)
{
    unlock_gives_the_lock_to_a_waiter();
    circle_is_edeadlk();
}

static bool nothing_is_left(void)
{
    return ktap_leaves_nothing(wait_and_be_refused);
}

static const struct ktap_test tests[] = {
    {"a free lock is taken and left", free_lock_is_taken_and_left},
    {"an unlock gives the lock to a waiter", unlock_gives_the_lock_to_a_waiter},
    {"waiters of one priority are served in order", waiters_of_one_priority_are_served_in_order},
    {"a try of a taken lock is EAGAIN", try_of_a_taken_lock_is_eagain},
    {"a count under a lock is exact, with time-outs", count_is_exact},
    {"a lock of one's own is EDEADLK", lock_of_ones_own_is_edeadlk},
    {"a circle of two, or three, is EDEADLK", circle_is_edeadlk},
    {"an owner that does not exist is ESRCH", unknown_owner_is_esrch},
    {"so is one that has ended", owner_that_has_ended_is_esrch},
    {"an owner of another process is EPERM in private memory", owner_of_another_process_is_eperm},
    {"one that is ending is no owner", owner_that_is_ending_is_no_owner},
    {"an unlock by another is EPERM", unlock_by_another_is_eperm},
    {"a word that was spoiled is EINVAL", spoiled_word_is_einval},
    {"wake and requeue of a lock are EINVAL", wake_and_requeue_of_a_lock_are_einval},
    {"a lock ends at a time, by either clock", lock_ends_at_a_time},
    {"the highest priority is served first", highest_priority_is_served_first},
    {"who waits for a lock does not wait for lower priorities", inversion_is_bounded},
};

static const struct ktap_test last_test = {"frames, heap, LWPs and processes are as before",
                                           nothing_is_left};

int main(void)
{
    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(refusals) + 1);
    ktap_run(tests, KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(refusals); i++)
        ktap_ok(is_refused(&refusals[i]), "%s is refused", refusals[i].what);
    ktap_run(&last_test, 1);
    return ktap_finish();
}
