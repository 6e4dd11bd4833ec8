/*
 * bench [--short] ROW...    measures these rows
 * bench [--short]           measures all ordinary ones
 *
 * Each row is measured in a process of its own, so that its result does not depend on which others
 * were chosen: one round to warm up, then NR_ROUNDS, of which the median counts. Prints for each
 *
 *     bench: NAME VALUE
 *
 * and ends with status 0 if all rows could be measured. --short does a fiftieth of the operations:
 * that shows that the rows work, not what they cost.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/wait.h>

#include "bench.h"

#define NR_ROUNDS      5
#define SHORT_FRACTION 50
/* Longer than the period after which the default class takes all LWPs back to its first level. */
#define SETTLE_NS 250000000

#define MEASURE "--measure"

/*
 * Brings the program to the size that fork is compared at, about 90 KiB: it is in the file, and
 * main() reads all of it.
 */
#define BALLAST_BYTES (64u << 10)
static const volatile char ballast[BALLAST_BYTES] = {1};

/* Measured by a program upon musl (bench_linux.c). */
static const struct bench_row linux_rows[] = {
    {.name = "pthread_create_join"}, {.name = "clock_gettime"}, {.name = "raise"}, {0}};

static const struct bench_row *const all_rows[] = {lwp_rows, process_rows, memory_rows, file_rows,
                                                   linux_rows};

#define NR_FILES (sizeof(all_rows) / sizeof(all_rows[0]))

void bench_die(const char *what)
{
    dprintf(STDERR_FILENO, "bench: %s (errno %d)\n", what, errno);
    _exit(1);
}

static const struct bench_row *find_row(const char *name)
{
    for (size_t i = 0; i < NR_FILES; i++)
        for (const struct bench_row *row = all_rows[i]; row->name; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

static uint64_t median(uint64_t values[NR_ROUNDS])
{
    for (int i = 1; i < NR_ROUNDS; i++) {
        uint64_t value = values[i];
        int at = i;
        for (; at > 0 && values[at - 1] > value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
    return values[NR_ROUNDS / 2];
}

static uint64_t divide_rounded(uint64_t a, uint64_t b)
{
    return (a + b / 2) / b;
}

/*
 * The kernel gets time before each round to finish what the one before left, and to forget how much
 * CPU time this process has used: who runs next depends on that, and so does the cost of a wake-up.
 */
static uint64_t run_round(const struct bench_row *row, unsigned nr_ops)
{
    sleep_ns(SETTLE_NS);
    return row->round(nr_ops);
}

static void measure(const struct bench_row *row, bool is_short)
{
    unsigned nr_ops = is_short ? row->nr_ops / SHORT_FRACTION : row->nr_ops;
    uint64_t taken[NR_ROUNDS];

    run_round(row, nr_ops);
    for (int i = 0; i < NR_ROUNDS; i++)
        taken[i] = run_round(row, nr_ops);

    uint64_t value = row->unit == BENCH_MB_S ? divide_rounded(nr_ops * 1000ull, median(taken))
                                             : divide_rounded(median(taken), nr_ops);
    printf("bench: %s %lu\n", row->name, value);
}

/* A process of its own; returns whether it ended well. */
static bool measure_in_child(const char *name, bool is_short)
{
    char *path = find_row(name)->round ? BENCH_PATH : BENCH_LINUX_PATH;
    char *argv[] = {path, MEASURE, (char *)name, is_short ? "--short" : NULL, NULL};
    char *envp[] = {NULL};
    int status = -1;

    pid_t pid = spawn(path, argv, envp);
    if (pid > 0)
        BENCH_CHECK(waitpid(pid, &status, 0) == pid);
    if (status == 0)
        return true;
    printf("bench: %s failed\n", name);
    return false;
}

static bool measure_ordinary(bool is_short)
{
    bool is_ok = true;

    for (size_t i = 0; i < NR_FILES; i++)
        for (const struct bench_row *row = all_rows[i]; row->name; row++)
            if (row->size == BENCH_ORDINARY)
                is_ok &= measure_in_child(row->name, is_short);
    return is_ok;
}

int main(int argc, char *argv[])
{
    bool is_ok = true;

    if (argc > 1 && strcmp(argv[1], BENCH_RETURN) == 0)
        return 0;
    if (argc == 5 && strcmp(argv[1], BENCH_EXEC_CHAIN) == 0)
        bench_exec_chain(argv);
    for (size_t i = 0; i < BALLAST_BYTES; i += BENCH_PAGE)
        (void)ballast[i];
    if (argc > 2 && strcmp(argv[1], MEASURE) == 0) {
        measure(find_row(argv[2]), argc > 3);
        return 0;
    }

    bool is_short = argc > 1 && strcmp(argv[1], "--short") == 0;
    int first = is_short ? 2 : 1;
    for (int i = first; i < argc; i++)
        if (!find_row(argv[i])) {
            printf("bench: there is no row '%s'\n", argv[i]);
            return 2;
        }
    if (first == argc)
        return !measure_ordinary(is_short);
    for (int i = first; i < argc; i++)
        is_ok &= measure_in_child(argv[i], is_short);
    return !is_ok;
}
