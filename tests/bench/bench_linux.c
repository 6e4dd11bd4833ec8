/*
 * The rows of the benchmark that are about an ordinary program upon musl: /bin/bench_linux, which
 * bench starts for them as it starts itself:
 *
 *     bench_linux --measure ROW [--short]
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NR_ROUNDS      5
#define SHORT_FRACTION 50
#define SETTLE_NS      250000000 /* as bench.c's */

#define CHECK(is_ok) ((is_ok) ? (void)0 : die(#is_ok))

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_linux: %s (errno %d)\n", what, errno);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *return_at_once(void *arg)
{
    return arg;
}

static void pthread_create_join(unsigned nr_ops)
{
    for (unsigned i = 0; i < nr_ops; i++) {
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, return_at_once, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

static void read_clock(unsigned nr_ops)
{
    struct timespec now;

    for (unsigned i = 0; i < nr_ops; i++)
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
}

static volatile unsigned nr_signals;

static void count_signal(int signal)
{
    (void)signal;
    nr_signals++;
}

static void signal_self(unsigned nr_ops)
{
    unsigned before = nr_signals;

    for (unsigned i = 0; i < nr_ops; i++)
        raise(SIGUSR1);
    CHECK(nr_signals == before + nr_ops);
}

static const struct row {
    const char *name;
    unsigned nr_ops;
    void (*round)(unsigned nr_ops);
} rows[] = {
    {"pthread_create_join", 1000, pthread_create_join},
    {"clock_gettime", 50000, read_clock},
    {"raise", 20000, signal_self},
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void measure(const struct row *row, unsigned nr_ops)
{
    const struct timespec settle = {0, SETTLE_NS};
    uint64_t taken[NR_ROUNDS + 1];

    for (int i = 0; i <= NR_ROUNDS; i++) {
        nanosleep(&settle, NULL);
        uint64_t start_ns = now_ns();
        row->round(nr_ops);
        taken[i] = now_ns() - start_ns;
    }
    qsort(taken + 1, NR_ROUNDS, sizeof(taken[0]), compare); /* the first was to warm up */
    printf("bench: %s %lu\n", row->name, (taken[1 + NR_ROUNDS / 2] + nr_ops / 2) / nr_ops);
}

int main(int argc, char **argv)
{
    signal(SIGUSR1, count_signal);
    for (size_t i = 0; argc > 2 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(argv[2], rows[i].name) == 0) {
            measure(&rows[i], argc > 3 ? rows[i].nr_ops / SHORT_FRACTION : rows[i].nr_ops);
            return 0;
        }
    }
    fprintf(stderr, "bench_linux is started by bench\n");
    return 2;
}
