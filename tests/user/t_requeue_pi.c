/*
 * Futexes that inherit priorities: waiting for a condition and being moved to the lock
 * (FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI). The locks themselves are in t_futex_pi.c.
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "ktap.h"
#include "pi_lock.h"

#define UNMAPPED 0x1000ul
#define MSEC_NS  1000000ull
#define SEC_NS   1000000000ull

static _Atomic uint32_t word, other_word, condition_word;

static struct timespec time_in(clockid_t clock, uint64_t nsec)
{
    struct timespec t;

    clock_gettime(clock, &t);
    nsec += (uint64_t)t.tv_nsec;
    t.tv_sec += (time_t)(nsec / SEC_NS);
    t.tv_nsec = (long)(nsec % SEC_NS);
    return t;
}

static void note(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
}

/* ---- Waiting for a condition ---------------------------------------------------------------- */

struct sleeper {
    thread_t lwp;
    uint32_t word_seen;
    const struct timespec *deadline;
    _Atomic uint32_t *lock;
    long result;
    atomic_bool is_over;
};

static void *wait_for_condition(void *arg)
{
    struct sleeper *self = arg;

    self->result = futex((void *)&condition_word, FUTEX_WAIT_REQUEUE_PI, 0, self->deadline,
                         (void *)self->lock, 0);
    self->word_seen = atomic_load(self->lock);
    if (self->result == 0)
        unlock(self->lock);
    atomic_store(&self->is_over, true);
    return NULL;
}

/* Nobody is woken: that is not the way. */
static bool somebody_waits(void *arg)
{
    return futex((void *)&condition_word, FUTEX_WAKE, INT_MAX, NULL, arg, 0) == -EINVAL;
}

static long requeue(long nr_wake, long nr_move, _Atomic uint32_t *to, long expected)
{
    return futex((void *)&condition_word, FUTEX_CMP_REQUEUE_PI, nr_wake, (void *)nr_move,
                 (void *)to, expected);
}

static bool start_sleeper(struct sleeper *sleeper)
{
    sleeper->lock = &word;
    return KTAP_EQUAL(thread_create(&sleeper->lwp, wait_for_condition, sleeper), 0) &&
           KTAP_TRUE(ktap_wait_for(somebody_waits, NULL));
}

static bool requeue_gives_a_free_lock(void)
{
    struct sleeper sleeper = {0};
    bool is_right;

    atomic_store(&word, 0);
    is_right = start_sleeper(&sleeper) && KTAP_EQUAL(requeue(1, 0, &word, 0), 1);
    thread_join(sleeper.lwp, NULL);
    return is_right && KTAP_EQUAL(sleeper.result, 0) &&
           KTAP_EQUAL(sleeper.word_seen, (uint32_t)sleeper.lwp) && KTAP_EQUAL(word, 0);
}

#define NR_SLEEPERS 6

struct requeued {
    _Atomic uint32_t *to;
    long nr, nr_wanted;
    bool is_wrong;
};

static bool all_are_requeued(void *arg)
{
    struct requeued *requeued = arg;
    long nr = requeue(1, INT_MAX, requeued->to, 0);

    requeued->is_wrong |= nr < 0;
    requeued->nr += nr;
    return requeued->is_wrong || requeued->nr == requeued->nr_wanted;
}

/* Each gets the lock when the one before it leaves it. */
static bool all_come_through(bool is_locked)
{
    struct sleeper sleepers[NR_SLEEPERS] = {0};
    struct requeued requeued = {&word, 0, NR_SLEEPERS, false};
    bool is_right = true;

    atomic_store(&word, is_locked ? tid() : 0);
    for (int i = 0; i < NR_SLEEPERS; i++)
        is_right &= start_sleeper(&sleepers[i]);
    is_right &=
        KTAP_TRUE(ktap_wait_for(all_are_requeued, &requeued)) && KTAP_TRUE(!requeued.is_wrong);
    if (is_locked)
        is_right &= KTAP_EQUAL(word, tid() | FUTEX_WAITERS) && KTAP_EQUAL(unlock(&word), 0);
    for (int i = 0; i < NR_SLEEPERS; i++) {
        thread_join(sleepers[i].lwp, NULL);
        is_right &= KTAP_EQUAL(sleepers[i].result, 0) &&
                    KTAP_EQUAL(sleepers[i].word_seen & FUTEX_TID_MASK, (uint32_t)sleepers[i].lwp);
    }
    return is_right && KTAP_EQUAL(word, 0);
}

static bool requeued_waiters_get_the_lock_in_turn(void)
{
    return all_come_through(true) && all_come_through(false);
}

static bool time_before_a_requeue_ends(void)
{
    const struct timespec soon = time_in(CLOCK_MONOTONIC, 20 * MSEC_NS);
    struct sleeper sleeper = {.deadline = &soon, .lock = &word};

    atomic_store(&word, tid());
    thread_create(&sleeper.lwp, wait_for_condition, &sleeper);
    thread_join(sleeper.lwp, NULL);
    return KTAP_EQUAL(sleeper.result, -ETIMEDOUT) && KTAP_EQUAL(unlock(&word), 0) &&
           KTAP_EQUAL(word, 0);
}

struct timed_sleeper {
    struct sleeper sleeper;
    bool is_requeued;
};

/* Requeues who waits for the condition; or its time is over already. */
static bool is_requeued_or_over(void *arg)
{
    struct timed_sleeper *timed = arg;

    timed->is_requeued = requeue(1, 0, &word, 0) == 1;
    return timed->is_requeued || atomic_load(&timed->sleeper.is_over);
}

/* When the machine is slow, the time may come before the requeue: then once more, with twice the
 * time. */
static bool time_after_a_requeue_ends(void)
{
    bool is_right = true, is_requeued = false;

    for (uint64_t time_ns = 50 * MSEC_NS; is_right && !is_requeued; time_ns *= 2) {
        const struct timespec soon = time_in(CLOCK_MONOTONIC, time_ns);
        struct timed_sleeper timed = {.sleeper = {.deadline = &soon, .lock = &word}};

        atomic_store(&word, tid());
        thread_create(&timed.sleeper.lwp, wait_for_condition, &timed.sleeper);
        is_right = KTAP_TRUE(ktap_wait_for(is_requeued_or_over, &timed));
        is_requeued = timed.is_requeued;
        thread_join(timed.sleeper.lwp, NULL);
        is_right = is_right && KTAP_EQUAL(timed.sleeper.result, -ETIMEDOUT) &&
                   KTAP_EQUAL(unlock(&word), 0) && KTAP_EQUAL(word, 0);
    }
    return is_right;
}

/* It has been told: to wait for the condition again could be to wait for ever. */
static bool signal_after_the_requeue_is_eagain(void)
{
    struct sleeper sleeper = {0};
    bool is_right;

    signal_handle(SIGUSR1, note, SA_RESTART);
    atomic_store(&word, tid());
    is_right = start_sleeper(&sleeper) && KTAP_EQUAL(requeue(1, 0, &word, 0), 1);
    is_right &= KTAP_EQUAL(syscall6(__NR_tkill, sleeper.lwp, SIGUSR1, 0, 0, 0, 0), 0);
    thread_join(sleeper.lwp, NULL);
    return is_right && KTAP_EQUAL(sleeper.result, -EAGAIN) && KTAP_EQUAL(unlock(&word), 0) &&
           KTAP_EQUAL(word, 0);
}

static bool requeue_to_what_nobody_wants_is_einval(void)
{
    struct sleeper sleeper = {0};
    bool is_right;

    atomic_store(&word, 0);
    atomic_store(&other_word, 0);
    is_right = start_sleeper(&sleeper) && KTAP_EQUAL(requeue(1, 0, &other_word, 0), -EINVAL) &&
               KTAP_EQUAL(other_word, 0) && KTAP_EQUAL(requeue(1, 0, &word, 7), -EAGAIN) &&
               KTAP_EQUAL(futex((void *)&condition_word, FUTEX_REQUEUE, 0, (void *)1,
                                (void *)&other_word, 0),
                          -EINVAL) &&
               KTAP_EQUAL(requeue(1, 0, &word, 0), 1);
    thread_join(sleeper.lwp, NULL);
    return is_right;
}

static bool requeue_of_the_owner_is_edeadlk(void)
{
    struct sleeper sleeper = {0};
    bool is_right;

    atomic_store(&word, 0);
    is_right = start_sleeper(&sleeper);
    atomic_store(&word, (uint32_t)sleeper.lwp);
    is_right &= KTAP_EQUAL(requeue(1, 0, &word, 0), -EDEADLK);
    atomic_store(&word, 0);
    is_right &= KTAP_EQUAL(requeue(1, 0, &word, 0), 1);
    thread_join(sleeper.lwp, NULL);
    return is_right;
}

static bool requeue_with_nobody_there_is_0(void)
{
    atomic_store(&word, 0);
    return KTAP_EQUAL(requeue(1, INT_MAX, &word, 0), 0) && KTAP_EQUAL(word, 0);
}

/* ---- Wrong arguments ------------------------------------------------------------------------ */

static const uint32_t constant = 0;

static const struct refusal {
    const char *what;
    long argument[6];
    long error;
} refusals[] = {
    {"WAIT_REQUEUE_PI of another value",
     {(long)&word, FUTEX_WAIT_REQUEUE_PI, 1, 0, (long)&other_word},
     -EAGAIN},
    {"WAIT_REQUEUE_PI to the same word",
     {(long)&word, FUTEX_WAIT_REQUEUE_PI, 0, 0, (long)&word},
     -EINVAL},
    {"WAIT_REQUEUE_PI to a word that is not aligned",
     {(long)&word, FUTEX_WAIT_REQUEUE_PI, 0, 0, (long)&other_word + 2},
     -EINVAL},
    {"WAIT_REQUEUE_PI of an unmapped word",
     {UNMAPPED, FUTEX_WAIT_REQUEUE_PI, 0, 0, (long)&other_word},
     -EFAULT},
    {"CMP_REQUEUE_PI that wakes two",
     {(long)&word, FUTEX_CMP_REQUEUE_PI, 2, 0, (long)&other_word, 0},
     -EINVAL},
    {"CMP_REQUEUE_PI of less than nobody",
     {(long)&word, FUTEX_CMP_REQUEUE_PI, 1, -1, (long)&other_word, 0},
     -EINVAL},
    {"CMP_REQUEUE_PI to the same word",
     {(long)&word, FUTEX_CMP_REQUEUE_PI, 1, 0, (long)&word, 0},
     -EINVAL},
    {"CMP_REQUEUE_PI to an unmapped word",
     {(long)&word, FUTEX_CMP_REQUEUE_PI, 1, 0, UNMAPPED, 0},
     -EFAULT},
    {"CMP_REQUEUE_PI to a constant",
     {(long)&word, FUTEX_CMP_REQUEUE_PI, 1, 0, (long)&constant, 0},
     -EFAULT},
    {"CMP_REQUEUE_PI of another value",
     {(long)&word, FUTEX_CMP_REQUEUE_PI, 1, 0, (long)&other_word, 1},
     -EAGAIN},
};

static bool is_refused(const struct refusal *r)
{
    const long *a = r->argument;

    atomic_store(&word, 0);
    atomic_store(&other_word, 0);
    return KTAP_EQUAL(syscall6(__NR_futex, a[0], a[1], a[2], a[3], a[4], a[5]), r->error) &&
           KTAP_EQUAL(word, 0) && KTAP_EQUAL(other_word, 0);
}

static void requeue_and_be_refused(void)
{
    all_come_through(true);
    all_come_through(false);
    requeue_of_the_owner_is_edeadlk();
}

static bool nothing_is_left(void)
{
    return ktap_leaves_nothing(requeue_and_be_refused);
}

static const struct ktap_test tests[] = {
    {"a requeue gives a free lock", requeue_gives_a_free_lock},
    {"requeued waiters get the lock in turn", requeued_waiters_get_the_lock_in_turn},
    {"the time of a waiter ends before a requeue", time_before_a_requeue_ends},
    {"and after it", time_after_a_requeue_ends},
    {"a signal after the requeue ends the wait", signal_after_the_requeue_is_eagain},
    {"a requeue to what nobody wants is EINVAL", requeue_to_what_nobody_wants_is_einval},
    {"a requeue of the owner is EDEADLK", requeue_of_the_owner_is_edeadlk},
    {"a requeue with nobody there is 0", requeue_with_nobody_there_is_0},
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
