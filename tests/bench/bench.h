#ifndef BENCH_H
#define BENCH_H

/*
 * The benchmark: what an operation costs, row by row. docs/benchmarks.md says how it is run and
 * what the rows are. Loop counts and sizes are fixed: counts of instructions depend on them.
 */

#include <stddef.h>
#include <stdint.h>

#define BENCH_PAGE 4096

/* Does `nr_ops` operations and returns how long they took, in nanoseconds; ends in bench_die(). */
typedef uint64_t bench_function(unsigned nr_ops);

struct bench_row {
    const char *name;
    unsigned nr_ops;       /* in a round */
    bench_function *round; /* the result is nanoseconds an operation ... */
    enum bench_unit {
        BENCH_NS,    /* ... in all rows but these: */
        BENCH_MB_S,  /* operations are bytes, the result is megabytes a second */
        BENCH_BYTES, /* the round returns bytes, the result is bytes an operation */
    } unit;
    enum {
        BENCH_ORDINARY,
        BENCH_BIG, /* runs only when asked for by name: needs 6 GiB of memory */
    } size;
};

/* The rows of a file, ended by one without a name. */
extern const struct bench_row lwp_rows[], process_rows[], memory_rows[], file_rows[];

/* Prints why the row cannot be measured, and ends the process. */
_Noreturn void bench_die(const char *what);

/* Dies unless `is_ok`: for system calls, all of which are expected to work. */
#define BENCH_CHECK(is_ok) ((is_ok) ? (void)0 : bench_die(#is_ok))

/* The program's own file, and that of the rows upon musl. */
#define BENCH_PATH       "/bin/bench"
#define BENCH_LINUX_PATH "/bin/bench_linux"

/*
 * Half of process_rows' exec: started with {BENCH_PATH, BENCH_EXEC_CHAIN, LEFT, START_NS, FD}, the
 * program runs itself LEFT times more and then writes to FD how long it has been since START_NS.
 */
#define BENCH_EXEC_CHAIN "--exec-chain"
_Noreturn void bench_exec_chain(char *const argv[]);

/* Started with this argument the program returns at once. */
#define BENCH_RETURN "--return"

#endif
