/*
 * Futexes: who is woken and in which order, moving waiters, bit sets, time-outs, races, and what
 * wrong arguments get. Words that processes share are in t_robust.c.
 */

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "ktap.h"

#define PAGE        4096ul
#define KERNEL_HALF 0xffff800000000000ul
#define UNMAPPED    0x1000ul
#define MSEC_NS     1000000ull

static long futex(const void *word, int operation, long value, long timeout_or_value2,
                  const void *word2, long value3)
{
    return syscall6(__NR_futex, (long)word, operation, value, timeout_or_value2, (long)word2,
                    value3);
}

static long wake(const void *word, long nr)
{
    return futex(word, FUTEX_WAKE_PRIVATE, nr, 0, NULL, 0);
}

static long requeue(const void *from, const void *to, long nr_wake, long nr_move)
{
    return futex(from, FUTEX_REQUEUE_PRIVATE, nr_wake, nr_move, to, 0);
}

/* Two words on which LWPs wait, and two for start_waiters() and nr_waiting(). Always 0. */
static _Atomic uint32_t word, other_word, first_word, counting_word;

/* How many wait: moves them away and back, behind whoever came meanwhile. */
static long nr_waiting(const void *at)
{
    long nr = requeue(at, &counting_word, 0, INT_MAX);

    requeue(&counting_word, at, 0, INT_MAX);
    return nr;
}

struct waiter {
    thread_t lwp;
    _Atomic uint32_t *word;
    uint32_t bits;
    const struct timespec *deadline;
    _Atomic int place; /* 0, or when it was woken: 1 is first */
    long result;
};

static _Atomic int last_place, nr_back;

static void *wait_once(void *arg)
{
    struct waiter *self = arg;

    self->result =
        futex(self->word, FUTEX_WAIT_BITSET_PRIVATE, 0, (long)self->deadline, NULL, self->bits);
    atomic_store(&self->place, atomic_fetch_add(&last_place, 1) + 1);
    atomic_fetch_add(&nr_back, 1); /* whoever counts on this looks at the place */
    return NULL;
}

struct wanted {
    const void *word;
    long nr;
};

static bool has_waiters(void *arg)
{
    const struct wanted *wanted = arg;

    return nr_waiting(wanted->word) == wanted->nr;
}

static bool is_back(void *arg)
{
    return atomic_load(&nr_back) >= (int)(long)arg;
}

static bool all_have_waited; /* whom start_waiters() has started */

/*
 * Starts nr LWPs that wait for `word`, one after the other, each for its bits. Each waits elsewhere
 * first and is moved here, so that counting it cannot change the order.
 */
static void start_waiters(struct waiter *waiters, long nr, const uint32_t *bits)
{
    atomic_store(&last_place, 0);
    atomic_store(&nr_back, 0);
    all_have_waited = true;
    for (long i = 0; i < nr; i++) {
        waiters[i] = (struct waiter){
            .word = &first_word,
            .bits = bits != NULL ? bits[i] : FUTEX_BITSET_MATCH_ANY,
        };
        thread_create(&waiters[i].lwp, wait_once, &waiters[i]);
        all_have_waited &=
            KTAP_TRUE(ktap_wait_for(has_waiters, &(struct wanted){&first_word, 1})) &&
            KTAP_EQUAL(requeue(&first_word, &word, 0, 1), 1);
    }
}

/* Wakes and joins whoever is left; whether all have waited, and `is_right`. */
static bool end_waiters(struct waiter *waiters, long nr, bool is_right)
{
    wake(&word, INT_MAX);
    wake(&other_word, INT_MAX);
    for (long i = 0; i < nr; i++)
        thread_join(waiters[i].lwp, NULL);
    return is_right && all_have_waited;
}

/* Waking. */

static bool oldest_is_woken_first(void)
{
    struct waiter w[4];
    bool is_right = true;

    start_waiters(w, 4, NULL);
    for (int i = 0; i < 4; i++) {
        is_right &= KTAP_EQUAL(wake(&word, 1), 1) &&
                    ktap_wait_for(is_back, (void *)(long)(i + 1)) && KTAP_EQUAL(w[i].place, i + 1);
    }
    return end_waiters(w, 4, is_right);
}

static bool as_many_as_asked_are_woken(void)
{
    struct waiter w[4];

    start_waiters(w, 4, NULL);
    return end_waiters(w, 4,
                       KTAP_EQUAL(wake(&word, 0), 0) && KTAP_EQUAL(wake(&word, 3), 3) &&
                           KTAP_EQUAL(nr_waiting(&word), 1) && KTAP_EQUAL(wake(&word, 5), 1) &&
                           KTAP_EQUAL(wake(&word, 1), 0));
}

static bool other_words_are_left_alone(void)
{
    struct waiter w[1];

    start_waiters(w, 1, NULL);
    return end_waiters(w, 1,
                       KTAP_EQUAL(wake(&other_word, 1), 0) && KTAP_EQUAL(nr_waiting(&word), 1));
}

static bool shared_calls_find_private_waiters(void)
{
    struct waiter w[1];

    start_waiters(w, 1, NULL);
    return end_waiters(w, 1, KTAP_EQUAL(futex(&word, FUTEX_WAKE, 1, 0, NULL, 0), 1));
}

/* Moving. */

static bool requeue_wakes_and_moves(void)
{
    struct waiter w[5];

    start_waiters(w, 5, NULL);
    bool is_right = KTAP_EQUAL(requeue(&word, &other_word, 1, 2), 3) &&
                    ktap_wait_for(is_back, (void *)1) && KTAP_EQUAL(w[0].place, 1) &&
                    KTAP_EQUAL(nr_waiting(&word), 2) && KTAP_EQUAL(nr_waiting(&other_word), 2);
    return end_waiters(w, 5, is_right && KTAP_EQUAL(nr_back, 1));
}

static bool moved_waiters_wait_at_the_new_word(void)
{
    struct waiter w[2];

    start_waiters(w, 2, NULL);
    requeue(&word, &other_word, 0, 1);
    bool is_right = KTAP_EQUAL(wake(&word, INT_MAX), 1) && ktap_wait_for(is_back, (void *)1) &&
                    KTAP_EQUAL(w[1].place, 1) && KTAP_EQUAL(wake(&other_word, INT_MAX), 1) &&
                    ktap_wait_for(is_back, (void *)2) && KTAP_EQUAL(w[0].result, 0);
    return end_waiters(w, 2, is_right);
}

static bool cmp_requeue_compares(void)
{
    struct waiter w[2];

    start_waiters(w, 2, NULL);
    bool is_right =
        KTAP_EQUAL(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &other_word, 1), -EAGAIN) &&
        KTAP_EQUAL(nr_waiting(&word), 2) && KTAP_EQUAL(nr_waiting(&other_word), 0) &&
        KTAP_EQUAL(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 2, &other_word, 0), 2) &&
        KTAP_EQUAL(nr_waiting(&other_word), 2);
    return end_waiters(w, 2, is_right);
}

static struct timespec time_in(clockid_t clock, uint64_t ns)
{
    struct timespec t;

    clock_gettime(clock, &t);
    ns += (uint64_t)t.tv_nsec;
    return (struct timespec){t.tv_sec + (time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

/* Moves who waits for `word`; or it is back already. */
static bool has_moved_or_is_back(void *has_moved)
{
    *(bool *)has_moved = requeue(&word, &other_word, 0, 1) == 1;
    return *(bool *)has_moved || is_back((void *)1);
}

/* When the machine is slow, the time may come before the move: then once more, with twice the time.
 */
static bool moved_waiter_times_out(void)
{
    bool has_moved = false, is_right = true;

    for (uint64_t time_ns = 50 * MSEC_NS; is_right && !has_moved; time_ns *= 2) {
        const struct timespec deadline = time_in(CLOCK_MONOTONIC, time_ns);
        struct waiter w = {.word = &word, .bits = FUTEX_BITSET_MATCH_ANY, .deadline = &deadline};

        atomic_store(&nr_back, 0);
        thread_create(&w.lwp, wait_once, &w);
        is_right = KTAP_TRUE(ktap_wait_for(has_moved_or_is_back, &has_moved)) &&
                   KTAP_TRUE(ktap_wait_for(is_back, (void *)1)) &&
                   KTAP_EQUAL(w.result, -ETIMEDOUT) && KTAP_EQUAL(nr_waiting(&other_word), 0);
        wake(&word, INT_MAX);
        wake(&other_word, INT_MAX);
        thread_join(w.lwp, NULL);
    }
    return is_right;
}

/* Bit sets. */

static bool bits_choose_who_is_woken(void)
{
    static const uint32_t bits[] = {1, 2, 4, 3};
    struct waiter w[4];

    start_waiters(w, 4, bits);
    bool is_right = KTAP_EQUAL(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, 0, NULL, 8), 0) &&
                    KTAP_EQUAL(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, 0, NULL, 2), 2) &&
                    ktap_wait_for(is_back, (void *)2) &&
                    KTAP_TRUE(w[1].place != 0 && w[3].place != 0) &&
                    KTAP_EQUAL(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, 0, NULL, 5), 1) &&
                    ktap_wait_for(is_back, (void *)3) && KTAP_EQUAL(w[0].place, 3);
    return end_waiters(w, 4, is_right);
}

static bool moved_waiters_keep_their_bits(void)
{
    static const uint32_t bits[] = {1, 2};
    struct waiter w[2];

    start_waiters(w, 2, bits);
    requeue(&word, &other_word, 0, 2);
    bool is_right =
        KTAP_EQUAL(futex(&other_word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, 0, NULL, 2), 1) &&
        ktap_wait_for(is_back, (void *)1) && KTAP_EQUAL(w[1].place, 1);
    return end_waiters(w, 2, is_right);
}

/* Time-outs. */

static bool waits_about(int operation, const struct timespec *t, uint64_t at_least_ns)
{
    uint64_t start_ns = monotonic_ns();
    long result = futex(&word, operation, 0, (long)t, NULL, FUTEX_BITSET_MATCH_ANY);

    return KTAP_EQUAL(result, -ETIMEDOUT) && KTAP_TRUE(monotonic_ns() - start_ns >= at_least_ns) &&
           KTAP_EQUAL(nr_waiting(&word), 0);
}

static bool wait_takes_a_duration(void)
{
    return waits_about(FUTEX_WAIT_PRIVATE, &(struct timespec){.tv_nsec = 30 * MSEC_NS},
                       30 * MSEC_NS);
}

static bool wait_bitset_takes_a_time(void)
{
    const struct timespec t = time_in(CLOCK_MONOTONIC, 30 * MSEC_NS);

    return waits_about(FUTEX_WAIT_BITSET_PRIVATE, &t, 20 * MSEC_NS);
}

static bool clocks_can_be_chosen(void)
{
    const struct timespec t = time_in(CLOCK_REALTIME, 30 * MSEC_NS);

    return waits_about(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, &t, 20 * MSEC_NS);
}

static bool time_that_has_passed_is_over(void)
{
    const struct timespec begin = {.tv_nsec = 1};

    return waits_about(FUTEX_WAIT_BITSET_PRIVATE, &begin, 0) &&
           waits_about(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, &begin, 0) &&
           waits_about(FUTEX_WAIT_PRIVATE, &(struct timespec){0}, 0);
}

/* FUTEX_WAKE_OP */

static bool wake_op_changes_the_word(void)
{
    static const struct {
        int op;
        uint32_t old, arg, result;
    } rows[] = {
        {FUTEX_OP_SET, 5, 7, 7},
        {FUTEX_OP_ADD, 5, 7, 12},
        {FUTEX_OP_ADD, 5, 0xfff, 4},
        {FUTEX_OP_OR, 5, 3, 7},
        {FUTEX_OP_ANDN, 7, 2, 5},
        {FUTEX_OP_XOR, 7, 5, 2},
        {FUTEX_OP_SET | 8, 0, 31, 1u << 31},
    };
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(rows); i++) {
        _Atomic uint32_t changed = rows[i].old;
        uint32_t code = (uint32_t)rows[i].op << 28 | rows[i].arg << 12;
        is_right &= KTAP_EQUAL(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &changed, code), 0) &&
                    KTAP_EQUAL(changed, rows[i].result);
    }
    return is_right;
}

static bool wake_op_compares(void)
{
    static const struct {
        int compare;
        uint32_t old, arg;
        int nr_woken;
    } rows[] = {
        {FUTEX_OP_CMP_EQ, 3, 3, 1}, {FUTEX_OP_CMP_EQ, 3, 4, 0},     {FUTEX_OP_CMP_NE, 3, 4, 1},
        {FUTEX_OP_CMP_LT, 3, 4, 1}, {FUTEX_OP_CMP_LT, 4, 4, 0},     {FUTEX_OP_CMP_LE, 4, 4, 1},
        {FUTEX_OP_CMP_GT, 5, 4, 1}, {FUTEX_OP_CMP_GT, 4, 0xfff, 1}, {FUTEX_OP_CMP_GE, 3, 4, 0},
    };
    struct waiter w[KTAP_LEN(rows)];
    long nr = KTAP_LEN(rows);
    bool is_right = true;

    start_waiters(w, nr, NULL);
    requeue(&word, &other_word, 0, INT_MAX);
    for (size_t i = 0; i < KTAP_LEN(rows); i++) {
        uint32_t code =
            (uint32_t)FUTEX_OP_SET << 28 | (uint32_t)rows[i].compare << 24 | rows[i].arg;
        atomic_store(&other_word, rows[i].old);
        is_right &= KTAP_EQUAL(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &other_word, code),
                               rows[i].nr_woken);
    }
    atomic_store(&other_word, 0);
    return end_waiters(w, nr, is_right);
}

/* Races: whoever goes to sleep is woken, whatever moves beside it. */

static _Atomic uint32_t race_words[3];
static _Atomic long nr_passed;
static atomic_bool must_stop;

static void *pass_when_word_changes(void *arg)
{
    size_t nr_rounds = (size_t)arg;

    for (size_t round = 0; round < nr_rounds; round++) {
        uint32_t value = atomic_load(&race_words[0]);
        futex(&race_words[0], FUTEX_WAIT_PRIVATE, value, 0, NULL, 0);
        atomic_fetch_add(&nr_passed, 1);
    }
    return NULL;
}

static void *move_round_and_round(void *arg)
{
    while (!atomic_load(&must_stop)) {
        for (int i = 0; i < 3; i++)
            requeue(&race_words[i], &race_words[(i + 1) % 3], 0, 2);
        yield();
    }
    return arg;
}

static bool no_wake_up_is_lost(void)
{
    enum { NR_WAITERS = 6 };
    size_t nr_rounds = 20 + ktap_times(2000);
    thread_t waiters[NR_WAITERS], movers[2];
    uint64_t give_up_ns = monotonic_ns() + 4 * KTAP_PATIENCE_NS;

    atomic_store(&nr_passed, 0);
    atomic_store(&must_stop, false);
    for (int i = 0; i < NR_WAITERS; i++)
        thread_create(&waiters[i], pass_when_word_changes, (void *)nr_rounds);
    for (int i = 0; i < 2; i++)
        thread_create(&movers[i], move_round_and_round, NULL);
    while (nr_passed < (long)nr_rounds * NR_WAITERS && monotonic_ns() < give_up_ns) {
        atomic_fetch_add(&race_words[0], 1);
        for (int i = 0; i < 3; i++)
            wake(&race_words[i], 1);
        yield();
    }
    bool is_right = KTAP_EQUAL(nr_passed, (long)nr_rounds * NR_WAITERS);
    atomic_store(&must_stop, true);
    for (int i = 0; i < 2; i++)
        thread_join(movers[i], NULL);
    for (int i = 0; is_right && i < NR_WAITERS; i++)
        thread_join(waiters[i], NULL);
    return is_right;
}

static void *time_out_or_be_woken(void *arg)
{
    const struct timespec t = {.tv_nsec = 50000};
    long nr_wrong = 0;

    for (long round = 0; round < (long)arg; round++) {
        long result = futex(&race_words[0], FUTEX_WAIT_PRIVATE, race_words[0], (long)&t, NULL, 0);
        nr_wrong += result != 0 && result != -ETIMEDOUT && result != -EAGAIN;
    }
    return (void *)nr_wrong;
}

static bool time_outs_race_with_moves(void)
{
    enum { NR_WAITERS = 4 };
    long nr_rounds = 20 + (long)ktap_times(1000), nr_wrong = 0;
    thread_t waiters[NR_WAITERS], mover;

    atomic_store(&must_stop, false);
    thread_create(&mover, move_round_and_round, NULL);
    for (int i = 0; i < NR_WAITERS; i++)
        thread_create(&waiters[i], time_out_or_be_woken, (void *)nr_rounds);
    for (int i = 0; i < NR_WAITERS; i++) {
        void *value = NULL;
        thread_join(waiters[i], &value);
        nr_wrong += (long)value;
    }
    atomic_store(&must_stop, true);
    thread_join(mover, NULL);
    return KTAP_EQUAL(nr_wrong, 0) && KTAP_EQUAL(wake(&race_words[0], INT_MAX), 0) &&
           KTAP_EQUAL(wake(&race_words[1], INT_MAX), 0) &&
           KTAP_EQUAL(wake(&race_words[2], INT_MAX), 0);
}

static void *flip_all_bits(void *unused)
{
    (void)unused;
    while (!atomic_load(&must_stop))
        atomic_fetch_xor(&race_words[0], UINT32_MAX);
    return NULL;
}

static bool word_is_read_at_once(void)
{
    /* What the word never is, but its bytes are, if they are read one after the other. */
    static const uint32_t mixed[] = {0xff, 0xffff, 0xffffff, 0xff000000, 0xffff0000, 0xffffff00};
    static const struct timespec t = {0};
    long nr_rounds = 20000 + (long)ktap_times(100000), nr_wrong = 0;
    thread_t flipper;

    atomic_store(&must_stop, false);
    atomic_store(&race_words[0], 0);
    thread_create(&flipper, flip_all_bits, NULL);
    for (long i = 0; i < nr_rounds; i++)
        nr_wrong += futex(&race_words[0], FUTEX_WAIT_PRIVATE, mixed[i % KTAP_LEN(mixed)], (long)&t,
                          NULL, 0) != -EAGAIN;
    atomic_store(&must_stop, true);
    thread_join(flipper, NULL);
    atomic_store(&race_words[0], 0);
    return KTAP_EQUAL(nr_wrong, 0);
}

/* Wrong arguments. */

static const struct timespec negative = {.tv_sec = -1}, too_fine = {.tv_nsec = 1000000000},
                             no_time = {0};

#define WAKE_OP_CODE(op, compare) ((op) << 28 | (compare) << 24)

static const struct refusal {
    const char *what;
    long number;
    long argument[6];
    long error;
} refusals[] = {
    {"WAIT at an odd address", __NR_futex, {(long)&word + 2, FUTEX_WAIT}, -EINVAL},
    {"WAKE at an odd address", __NR_futex, {(long)&word + 1, FUTEX_WAKE, 1}, -EINVAL},
    {"WAIT at an unmapped address", __NR_futex, {UNMAPPED, FUTEX_WAIT}, -EFAULT},
    {"private WAIT at an unmapped address", __NR_futex, {UNMAPPED, FUTEX_WAIT_PRIVATE}, -EFAULT},
    {"WAIT in the kernel", __NR_futex, {(long)KERNEL_HALF, FUTEX_WAIT}, -EFAULT},
    {"WAKE in the kernel", __NR_futex, {(long)KERNEL_HALF, FUTEX_WAKE, 1}, -EFAULT},
    {"WAIT for another value", __NR_futex, {(long)&word, FUTEX_WAIT, 1}, -EAGAIN},
    {"WAIT_BITSET for another value",
     __NR_futex,
     {(long)&word, FUTEX_WAIT_BITSET, 1, 0, 0, -1},
     -EAGAIN},
    {"WAIT with a time-out in the kernel",
     __NR_futex,
     {(long)&word, FUTEX_WAIT, 0, (long)KERNEL_HALF},
     -EFAULT},
    {"WAIT with a negative time-out",
     __NR_futex,
     {(long)&word, FUTEX_WAIT, 0, (long)&negative},
     -EINVAL},
    {"WAIT_BITSET with a negative time-out",
     __NR_futex,
     {(long)&word, FUTEX_WAIT_BITSET, 0, (long)&negative, 0, -1},
     -EINVAL},
    {"WAIT with too many nanoseconds",
     __NR_futex,
     {(long)&word, FUTEX_WAIT, 0, (long)&too_fine},
     -EINVAL},
    {"WAIT with the real-time clock",
     __NR_futex,
     {(long)&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, (long)&no_time},
     -ENOSYS},
    {"WAKE with a clock", __NR_futex, {(long)&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1}, -ENOSYS},
    {"WAIT_BITSET for no bit", __NR_futex, {(long)&word, FUTEX_WAIT_BITSET}, -EINVAL},
    {"WAKE_BITSET of no bit", __NR_futex, {(long)&word, FUTEX_WAKE_BITSET, 1}, -EINVAL},
    {"REQUEUE to an odd address",
     __NR_futex,
     {(long)&word, FUTEX_REQUEUE, 1, 1, (long)&other_word + 1},
     -EINVAL},
    {"REQUEUE into the kernel",
     __NR_futex,
     {(long)&word, FUTEX_REQUEUE, 1, 1, (long)KERNEL_HALF},
     -EFAULT},
    {"REQUEUE that wakes -1",
     __NR_futex,
     {(long)&word, FUTEX_REQUEUE, -1, 1, (long)&other_word},
     -EINVAL},
    {"REQUEUE that moves -1",
     __NR_futex,
     {(long)&word, FUTEX_REQUEUE, 1, -1, (long)&other_word},
     -EINVAL},
    {"CMP_REQUEUE from an unmapped address",
     __NR_futex,
     {UNMAPPED, FUTEX_CMP_REQUEUE, 1, 1, (long)&other_word},
     -EFAULT},
    {"CMP_REQUEUE with another value",
     __NR_futex,
     {(long)&word, FUTEX_CMP_REQUEUE, 1, 1, (long)&other_word, 1},
     -EAGAIN},
    {"WAKE_OP on an odd address",
     __NR_futex,
     {(long)&word, FUTEX_WAKE_OP, 1, 1, (long)&other_word + 2},
     -EINVAL},
    {"WAKE_OP on an unmapped address",
     __NR_futex,
     {(long)&word, FUTEX_WAKE_OP, 1, 1, UNMAPPED},
     -EFAULT},
    {"WAKE_OP on constants",
     __NR_futex,
     {(long)&word, FUTEX_WAKE_OP, 1, 1, (long)&negative},
     -EFAULT},
    {"WAKE_OP with an unknown change",
     __NR_futex,
     {(long)&word, FUTEX_WAKE_OP, 1, 1, (long)&other_word, WAKE_OP_CODE(5, 0)},
     -ENOSYS},
    {"WAKE_OP with an unknown comparison",
     __NR_futex,
     {(long)&word, FUTEX_WAKE_OP, 1, 1, (long)&other_word, WAKE_OP_CODE(0, 6)},
     -ENOSYS},
    {"an unknown operation", __NR_futex, {(long)&word, 99}, -ENOSYS},
};

static bool is_refused(const struct refusal *r)
{
    const long *a = r->argument;

    atomic_store(&word, 0);
    atomic_store(&other_word, 0);
    return KTAP_EQUAL(syscall6(r->number, a[0], a[1], a[2], a[3], a[4], a[5]), r->error) &&
           KTAP_EQUAL(other_word, 0);
}

/* What is left. */

static void requeue_and_time_out(void)
{
    requeue_wakes_and_moves();
    moved_waiter_times_out();
}

static bool nothing_is_left(void)
{
    return ktap_leaves_nothing(requeue_and_time_out);
}

static const struct ktap_test tests[] = {
    {"who waits longest is woken first", oldest_is_woken_first},
    {"as many are woken as asked for, and counted", as_many_as_asked_are_woken},
    {"who waits for another word is left alone", other_words_are_left_alone},
    {"calls for shared memory find waiters in private memory", shared_calls_find_private_waiters},
    {"requeue wakes one, moves two, leaves two", requeue_wakes_and_moves},
    {"who was moved is woken at the new word only", moved_waiters_wait_at_the_new_word},
    {"CMP_REQUEUE does nothing when the word is another", cmp_requeue_compares},
    {"who was moved times out as before", moved_waiter_times_out},
    {"bits choose who is woken", bits_choose_who_is_woken},
    {"who was moved keeps its bits", moved_waiters_keep_their_bits},
    {"WAIT takes a duration", wait_takes_a_duration},
    {"WAIT_BITSET takes a time", wait_bitset_takes_a_time},
    {"WAIT_BITSET takes a time of the real-time clock", clocks_can_be_chosen},
    {"a time that has passed is ETIMEDOUT at once", time_that_has_passed_is_over},
    {"WAKE_OP sets, adds, ors, clears, toggles and shifts", wake_op_changes_the_word},
    {"WAKE_OP wakes at the second word when the comparison holds", wake_op_compares},
    {"no wake-up is lost while waiters are moved about", no_wake_up_is_lost},
    {"a word that changes is read at once, not byte by byte", word_is_read_at_once},
    {"time-outs beside moves leave nobody on a queue", time_outs_race_with_moves},
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
