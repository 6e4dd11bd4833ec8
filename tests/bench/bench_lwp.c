/* Rows about LWPs in one process: create and join, futexes, condition variables, yield. */

#include <limits.h>
#include <stdbool.h>
#include <thread.h>
#include <thrum.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "bench.h"

#define NR_YIELDERS 8
#define RING_SIZE   8
#define FEW         10
#define THOUSANDS   10000
#define MANY        100000
#define NR_WEIGHED  1000 /* LWPs whose memory is measured */
#define CACHE_LINE  64

/* How often somebody looks whether all yielders are asleep. */
#define ALL_SLEEP_NS 1000000

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall6(__NR_futex, (long)word, FUTEX_WAIT_PRIVATE, expected, 0, 0, 0);
}

static void futex_wake(_Atomic uint32_t *word, int nr_lwps)
{
    syscall6(__NR_futex, (long)word, FUTEX_WAKE_PRIVATE, nr_lwps, 0, 0, 0);
}

static void *return_at_once(void *arg)
{
    return arg;
}

static uint64_t create_join(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++) {
        thread_t thread;
        BENCH_CHECK(thread_create(&thread, return_at_once, NULL) == 0);
        BENCH_CHECK(thread_join(thread, NULL) == 0);
    }
    return monotonic_ns() - start_ns;
}

/* LWPs that sleep in a futex until the gate is opened; each has used its stack once by then. */
static _Atomic uint32_t gate, nr_at_gate;
static thread_t sleepers[MANY];

static void *sleep_at_gate(void *arg)
{
    nr_at_gate++;
    while (gate == 0)
        futex_wait(&gate, 0);
    return arg;
}

static void start_sleepers(unsigned nr_lwps)
{
    struct thrum_stat before, after;

    BENCH_CHECK(thrum_stat(&before) == 0);
    gate = nr_at_gate = 0;
    for (unsigned i = 0; i < nr_lwps; i++)
        BENCH_CHECK(thread_create(&sleepers[i], sleep_at_gate, NULL) == 0);
    while (nr_at_gate < nr_lwps)
        yield();
    yield(); /* the last one falls asleep: there is one CPU */
    BENCH_CHECK(thrum_stat(&after) == 0);
    BENCH_CHECK(after.lwps == before.lwps + nr_lwps);
}

static void end_sleepers(unsigned nr_lwps)
{
    gate = 1;
    futex_wake(&gate, INT_MAX);
    for (unsigned i = 0; i < nr_lwps; i++)
        BENCH_CHECK(thread_join(sleepers[i], NULL) == 0);
}

/* The sleepers stay for all rounds of a row. */
static uint64_t create_join_beside(unsigned nr_sleepers, unsigned nr_ops)
{
    static bool are_there;

    if (!are_there)
        start_sleepers(nr_sleepers);
    are_there = true;
    return create_join(nr_ops);
}

static uint64_t create_join_beside_few(unsigned nr_ops)
{
    return create_join_beside(FEW, nr_ops);
}

static uint64_t create_join_beside_many(unsigned nr_ops)
{
    return create_join_beside(MANY, nr_ops);
}

/*
 * Frames, whatever for: user stack, kernel stack, page tables, objects of the kernel heap with what
 * their slabs waste, and this program's share of them (TLS is on the user stack).
 */
static uint64_t memory_of_sleepers(unsigned nr_ops)
{
    struct thrum_stat before, after;

    for (unsigned i = 0; i < nr_ops; i++)
        sleepers[i] = 0; /* so that the array itself is not weighed */
    BENCH_CHECK(thrum_stat(&before) == 0);
    start_sleepers(nr_ops);
    BENCH_CHECK(thrum_stat(&after) == 0);
    end_sleepers(nr_ops);
    return (before.frames_free - before.heap_frames - (after.frames_free - after.heap_frames)) *
           BENCH_PAGE;
}

static uint64_t wake_nobody(unsigned nr_ops)
{
    static _Atomic uint32_t word;
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++)
        futex_wake(&word, 1);
    return monotonic_ns() - start_ns;
}

/* One word says whose turn it is. */
static _Atomic uint32_t turn;
static unsigned nr_rounds;

static void take_turns(uint32_t me)
{
    for (unsigned i = 0; i < nr_rounds; i++) {
        while (turn != me)
            futex_wait(&turn, !me);
        turn = !me;
        futex_wake(&turn, 1);
    }
}

static void *second_player(void *arg)
{
    take_turns(1);
    return arg;
}

static uint64_t futex_ping_pong(unsigned nr_ops)
{
    thread_t other;

    turn = 0;
    nr_rounds = nr_ops;
    BENCH_CHECK(thread_create(&other, second_player, NULL) == 0);
    uint64_t start_ns = monotonic_ns();
    take_turns(0);
    BENCH_CHECK(thread_join(other, NULL) == 0);
    return monotonic_ns() - start_ns;
}

static thread_mutex_t turn_mutex;
static thread_cond_t turn_changed;

static void take_turns_by_condition(uint32_t me)
{
    for (unsigned i = 0; i < nr_rounds; i++) {
        thread_mutex_lock(&turn_mutex);
        while (turn != me)
            thread_cond_wait(&turn_changed, &turn_mutex);
        turn = !me;
        thread_cond_signal(&turn_changed);
        thread_mutex_unlock(&turn_mutex);
    }
}

static void *second_by_condition(void *arg)
{
    take_turns_by_condition(1);
    return arg;
}

static uint64_t cond_ping_pong(unsigned nr_ops)
{
    thread_t other;

    turn = 0;
    nr_rounds = nr_ops;
    BENCH_CHECK(thread_create(&other, second_by_condition, NULL) == 0);
    uint64_t start_ns = monotonic_ns();
    take_turns_by_condition(0);
    BENCH_CHECK(thread_join(other, NULL) == 0);
    return monotonic_ns() - start_ns;
}

static void *yield_often(void *arg)
{
    while (gate == 0)
        futex_wait(&gate, 0);
    for (unsigned i = 0; i < nr_rounds; i++)
        yield();
    return arg;
}

/* An operation is one yield. */
static uint64_t yield_among_eight(unsigned nr_ops)
{
    thread_t threads[NR_YIELDERS];

    gate = 0;
    nr_rounds = nr_ops / NR_YIELDERS;
    for (int i = 0; i < NR_YIELDERS; i++)
        BENCH_CHECK(thread_create(&threads[i], yield_often, NULL) == 0);
    for (int i = 0; i < NR_YIELDERS; i++)
        yield();
    uint64_t start_ns = monotonic_ns();
    gate = 1;
    futex_wake(&gate, INT_MAX);
    for (int i = 0; i < NR_YIELDERS; i++)
        BENCH_CHECK(thread_join(threads[i], NULL) == 0);
    return monotonic_ns() - start_ns;
}

/*
 * These yield while the gate is open, and sleep while it is closed. They take the time themselves:
 * a class that is fair would let all of them catch up with whoever else did before it ran again.
 */
static uint64_t nr_yields, nr_yields_first, nr_yields_last; /* there is one CPU */
static uint64_t first_yield_ns, last_yield_ns;

static void count_yield(void)
{
    nr_yields++;
    if (nr_yields == nr_yields_first) {
        first_yield_ns = monotonic_ns();
    } else if (nr_yields == nr_yields_last) {
        last_yield_ns = monotonic_ns();
        gate = 0;
    }
}

static void *yield_while_open(void *arg)
{
    for (;;) {
        nr_at_gate++;
        while (gate == 0)
            futex_wait(&gate, 0);
        for (; gate != 0; count_yield())
            yield();
    }
    return arg;
}

/*
 * The yielders stay for all rounds of a row. An operation is one yield, of whomever, after each has
 * had a turn.
 */
static uint64_t yield_among(unsigned nr_lwps, unsigned nr_ops)
{
    static bool are_there;

    for (unsigned i = 0; i < nr_lwps && !are_there; i++)
        BENCH_CHECK(thread_create(&sleepers[i], yield_while_open, NULL) == 0);
    are_there = true;
    while (nr_at_gate < nr_lwps)
        sleep_ns(ALL_SLEEP_NS);
    nr_yields = 0;
    nr_at_gate = 0;
    nr_yields_first = 2 * nr_lwps;
    nr_yields_last = nr_yields_first + nr_ops;
    gate = 1;
    futex_wake(&gate, INT_MAX);
    while (gate != 0)
        sleep_ns(ALL_SLEEP_NS);
    return last_yield_ns - first_yield_ns;
}

static uint64_t yield_among_few(unsigned nr_ops)
{
    return yield_among(FEW, nr_ops);
}

static uint64_t yield_among_thousands(unsigned nr_ops)
{
    return yield_among(THOUSANDS, nr_ops);
}

/* Each LWP sleeps on a word of its own and hands a token to the next. */
static struct {
    _Alignas(CACHE_LINE) _Atomic uint32_t has_token;
} ring[RING_SIZE];

static void *pass_on(void *arg)
{
    uintptr_t me = (uintptr_t)arg, next = (me + 1) % RING_SIZE;

    for (unsigned i = 0; i < nr_rounds; i++) {
        while (!ring[me].has_token)
            futex_wait(&ring[me].has_token, 0);
        ring[me].has_token = 0;
        ring[next].has_token = 1;
        futex_wake(&ring[next].has_token, 1);
    }
    return NULL;
}

/* An operation is one hop. */
static uint64_t futex_ring(unsigned nr_ops)
{
    thread_t threads[RING_SIZE];

    nr_rounds = nr_ops / RING_SIZE;
    for (uintptr_t i = 0; i < RING_SIZE; i++) {
        ring[i].has_token = 0;
        BENCH_CHECK(thread_create(&threads[i], pass_on, (void *)i) == 0);
    }
    for (int i = 0; i < RING_SIZE; i++)
        yield();
    uint64_t start_ns = monotonic_ns();
    ring[0].has_token = 1;
    futex_wake(&ring[0].has_token, 1);
    for (int i = 0; i < RING_SIZE; i++)
        BENCH_CHECK(thread_join(threads[i], NULL) == 0);
    return monotonic_ns() - start_ns;
}

const struct bench_row lwp_rows[] = {
    {"lwp_create_join", 1000, create_join, BENCH_NS, BENCH_ORDINARY},
    {"lwp_create_join_10", 1000, create_join_beside_few, BENCH_NS, BENCH_ORDINARY},
    {"lwp_create_join_100000", 1000, create_join_beside_many, BENCH_NS, BENCH_BIG},
    {"lwp_memory", NR_WEIGHED, memory_of_sleepers, BENCH_BYTES, BENCH_ORDINARY},
    {"futex_wake_nobody", 50000, wake_nobody, BENCH_NS, BENCH_ORDINARY},
    {"futex_ping_pong", 5000, futex_ping_pong, BENCH_NS, BENCH_ORDINARY},
    {"futex_ring", 4000, futex_ring, BENCH_NS, BENCH_ORDINARY},
    {"cond_ping_pong", 5000, cond_ping_pong, BENCH_NS, BENCH_ORDINARY},
    {"yield", NR_YIELDERS * 5000, yield_among_eight, BENCH_NS, BENCH_ORDINARY},
    {"yield_10", 100000, yield_among_few, BENCH_NS, BENCH_ORDINARY},
    {"yield_10000", 100000, yield_among_thousands, BENCH_NS, BENCH_ORDINARY},
    {0},
};
