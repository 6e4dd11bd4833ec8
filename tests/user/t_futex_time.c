/*
 * Waits for futexes until a calendar time, while that clock is set: they end when it is that time,
 * and keep their places. Waits by the other clock do not care.
 */

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "common.h"
#include "ktap.h"
#include "pi_lock.h"

#define SEC_NS  1000000000l
#define MSEC_NS 1000000l

static _Atomic uint32_t word, condition_word;

static long now_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * SEC_NS + t.tv_nsec;
}

static struct timespec time_of(long ns)
{
    return (struct timespec){ns / SEC_NS, ns % SEC_NS};
}

static void shift_calendar(long seconds)
{
    struct timespec time = time_of(now_of(CLOCK_REALTIME) + seconds * SEC_NS);

    syscall6(__NR_clock_settime, CLOCK_REALTIME, (long)&time, 0, 0, 0, 0);
}

/* The ways to wait until a calendar time. The last has been moved to a lock. */
enum way { WAIT_BITSET, LOCK_PI, LOCK_PI2, WAIT_REQUEUE_PI, REQUEUED_PI, NR_WAYS };

struct sleeper {
    enum way way;
    int clock; /* FUTEX_CLOCK_REALTIME or 0; of LOCK_PI always the calendar's */
    struct timespec until;
    thread_t lwp;
    atomic_bool is_over;
    long result;
};

static long sleep_in(const struct sleeper *self)
{
    switch (self->way) {
    case WAIT_BITSET:
        return futex((void *)&word, FUTEX_WAIT_BITSET | self->clock, (long)word, &self->until, NULL,
                     FUTEX_BITSET_MATCH_ANY);
    case LOCK_PI:
        return futex((void *)&word, FUTEX_LOCK_PI, 0, &self->until, NULL, 0);
    case LOCK_PI2:
        return futex((void *)&word, FUTEX_LOCK_PI2 | self->clock, 0, &self->until, NULL, 0);
    default:
        return futex((void *)&condition_word, FUTEX_WAIT_REQUEUE_PI | self->clock, 0, &self->until,
                     (void *)&word, 0);
    }
}

static void *run_sleeper(void *arg)
{
    struct sleeper *self = arg;

    self->result = sleep_in(self);
    if (self->result == 0 && self->way != WAIT_BITSET)
        unlock(&word);
    atomic_store(&self->is_over, true);
    return NULL;
}

static bool has_requeued(void *arg)
{
    (void)arg;
    return futex((void *)&condition_word, FUTEX_CMP_REQUEUE_PI, 1, NULL, (void *)&word, 0) == 1;
}

static bool is_over(void *sleeper)
{
    return atomic_load(&((struct sleeper *)sleeper)->is_over);
}

static bool waits_or_is_over(void *sleeper)
{
    return is_over(sleeper) || is_in_wait(((struct sleeper *)sleeper)->lwp);
}

static bool is_requeued_or_over(void *sleeper)
{
    return is_over(sleeper) || has_requeued(NULL);
}

/* One that waits for `word`, which is the caller's; unless its time comes before. */
static bool start_sleeper(struct sleeper *s)
{
    atomic_store(&word, tid());
    atomic_store(&s->is_over, false);
    return KTAP_EQUAL(thread_create(&s->lwp, run_sleeper, s), 0) &&
           KTAP_TRUE(ktap_wait_for(waits_or_is_over, s)) &&
           (s->way != REQUEUED_PI || KTAP_TRUE(ktap_wait_for(is_requeued_or_over, s)));
}

/* It ends by itself. What is left of the lock is for the next to overwrite. */
static bool ends_with(struct sleeper *s, long expected)
{
    return KTAP_TRUE(ktap_wait_for(is_over, s)) && KTAP_EQUAL(thread_join(s->lwp, NULL), 0) &&
           KTAP_EQUAL(s->result, expected);
}

static bool give(struct sleeper *s)
{
    if (s->way == WAIT_BITSET)
        return KTAP_EQUAL(futex((void *)&word, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
    return (s->way != WAIT_REQUEUE_PI || KTAP_TRUE(ktap_wait_for(has_requeued, NULL))) &&
           KTAP_EQUAL(unlock(&word), 0);
}

static bool for_all_ways(bool (*check)(struct sleeper *s))
{
    bool is_right = true;

    for (enum way way = 0; way < NR_WAYS && is_right; way++) {
        struct sleeper s = {.way = way, .clock = FUTEX_CLOCK_REALTIME};

        is_right = check(&s);
        if (!is_right)
            ktap_diag("it is way %d", (int)way);
    }
    return is_right;
}

static bool ends_when_it_is_set_on(struct sleeper *s)
{
    bool is_right;

    s->until = time_of(now_of(CLOCK_REALTIME) + 5000 * SEC_NS);
    is_right = start_sleeper(s);
    shift_calendar(-1000);
    shift_calendar(5000); /* 1000 are left */
    is_right = is_right && KTAP_TRUE(comes_to_wait(s->lwp)) && KTAP_TRUE(!s->is_over);
    shift_calendar(1001);
    is_right = is_right && ends_with(s, -ETIMEDOUT);
    shift_calendar(-5001);
    return is_right;
}

static bool set_on_ends_the_wait(void)
{
    return for_all_ways(ends_when_it_is_set_on);
}

/* When the machine is slow, the time may come before the clock is set: then once more, with twice
 * the time. */
static bool goes_on_when_it_is_set_back(struct sleeper *s)
{
    long soon_ns = 50 * MSEC_NS;
    bool is_right, is_late;

    do {
        long since = now_of(CLOCK_MONOTONIC);

        soon_ns *= 2;
        struct timespec pause = time_of(2 * soon_ns);
        s->until = time_of(now_of(CLOCK_REALTIME) + soon_ns);
        is_right = start_sleeper(s);
        shift_calendar(-1000);
        is_late = now_of(CLOCK_MONOTONIC) - since >= soon_ns;
        if (!is_late) {
            nanosleep(&pause, NULL);
            is_right = is_right && KTAP_TRUE(!s->is_over);
        }
        shift_calendar(1000);
        is_right = is_right && ends_with(s, -ETIMEDOUT) &&
                   KTAP_TRUE(now_of(CLOCK_MONOTONIC) - since >= soon_ns);
    } while (is_late && is_right);
    return is_right;
}

static bool set_back_prolongs_the_wait(void)
{
    return for_all_ways(goes_on_when_it_is_set_back);
}

static bool is_given_after_it_was_set(struct sleeper *s)
{
    bool is_right;

    s->until = time_of(now_of(CLOCK_REALTIME) + 5000 * SEC_NS);
    is_right = start_sleeper(s);
    shift_calendar(1000);
    is_right = is_right && KTAP_TRUE(comes_to_wait(s->lwp)) && give(s) && ends_with(s, 0);
    shift_calendar(-1000);
    return is_right;
}

static bool who_was_told_can_be_woken(void)
{
    return for_all_ways(is_given_after_it_was_set);
}

/* Of two that wait the first stays the first. */
static bool places_are_kept(void)
{
    struct sleeper s[2] = {{.clock = FUTEX_CLOCK_REALTIME}, {.clock = FUTEX_CLOCK_REALTIME}};
    bool is_right = true;

    for (int i = 0; i < 2; i++) {
        s[i].until = time_of(now_of(CLOCK_REALTIME) + 5000 * SEC_NS);
        is_right = start_sleeper(&s[i]) && is_right;
    }
    shift_calendar(1000);
    for (int i = 0; i < 2; i++)
        is_right = is_right && KTAP_TRUE(!s[i].is_over) && give(&s[i]) && ends_with(&s[i], 0);
    shift_calendar(-1000);
    return is_right;
}

static bool does_not_care(struct sleeper *s)
{
    bool is_right;

    if (s->way == LOCK_PI)
        return true;
    s->clock = 0;
    s->until = time_of(now_of(CLOCK_MONOTONIC) + 5000 * SEC_NS);
    is_right = start_sleeper(s);
    shift_calendar(10000);
    is_right = is_right && KTAP_TRUE(comes_to_wait(s->lwp)) && KTAP_TRUE(!s->is_over) && give(s) &&
               ends_with(s, 0);
    shift_calendar(-10000);
    return is_right;
}

static bool the_other_clock_is_left_alone(void)
{
    return for_all_ways(does_not_care);
}

/* ---- All the time --------------------------------------------------------------------------- */

#define NR_SLEEPERS 4

static atomic_bool must_stop;
static _Atomic int nr_wrong;

static void *set_calendar(void *arg)
{
    while (!must_stop)
        shift_calendar(0);
    return arg;
}

static void *wake_calendar_waiters(void *arg)
{
    while (!must_stop) {
        futex((void *)&word, FUTEX_WAKE, 1, NULL, NULL, 0);
        yield();
    }
    return arg;
}

/* No wait is longer than its time, or is woken for nothing, however it meets the setting. */
static void *wait_again_and_again(void *arg)
{
    for (size_t i = 0; i < ktap_times(300) + 30; i++) {
        struct sleeper s = {.way = (enum way)(i % 2 == 0 ? WAIT_BITSET : LOCK_PI),
                            .clock = FUTEX_CLOCK_REALTIME};
        long since = now_of(CLOCK_MONOTONIC), result;

        s.until = time_of(now_of(CLOCK_REALTIME) + MSEC_NS);
        result = sleep_in(&s);
        nr_wrong += s.way == WAIT_BITSET ? result != 0 && result != -ETIMEDOUT && result != -EAGAIN
                                         : result != -ETIMEDOUT;
        nr_wrong += now_of(CLOCK_MONOTONIC) - since > 20 * SEC_NS;
    }
    return arg;
}

static bool waits_end_while_the_calendar_is_set(void)
{
    thread_t setter, waker, lwps[NR_SLEEPERS];

    must_stop = false;
    nr_wrong = 0;
    atomic_store(&word, tid());
    thread_create(&setter, set_calendar, NULL);
    thread_create(&waker, wake_calendar_waiters, NULL);
    for (int i = 0; i < NR_SLEEPERS; i++)
        thread_create(&lwps[i], wait_again_and_again, NULL);
    for (int i = 0; i < NR_SLEEPERS; i++)
        thread_join(lwps[i], NULL);
    must_stop = true;
    thread_join(setter, NULL);
    thread_join(waker, NULL);
    return KTAP_EQUAL(nr_wrong, 0);
}

static void set_on_and_back(void)
{
    set_on_ends_the_wait();
    who_was_told_can_be_woken();
}

static bool nothing_is_left(void)
{
    return ktap_leaves_nothing(set_on_and_back);
}

static const struct ktap_test tests[] = {
    {"who waits until a time goes on when the clock is set to it", set_on_ends_the_wait},
    {"and waits longer when it is set back", set_back_prolongs_the_wait},
    {"who has been told of it can be woken as before", who_was_told_can_be_woken},
    {"and keeps his place", places_are_kept},
    {"waits by the other clock are left alone", the_other_clock_is_left_alone},
    {"waits end while the calendar is set all the time", waits_end_while_the_calendar_is_set},
    {"frames, heap, LWPs and processes are as before", nothing_is_left},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
