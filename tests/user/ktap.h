#ifndef KTAP_H
#define KTAP_H

/*
 * A guest test suite: a native program that prints KTAP version 1 (the kernel's dialect of the Test
 * Anything Protocol). One test is one sentence that says what is so, and one check of it.
 *
 *     static bool value_reaches_joiner(void) { ...do this...; return KTAP_EQUAL(value, 42); }
 *
 *     static const struct ktap_test tests[] = {
 *         {"a joiner gets the value that the LWP left with", value_reaches_joiner},
 *     };
 *     static const struct ktap_role roles[] = {{"crash", crash}};
 *
 *     int main(int argc, char **argv)
 *     {
 *         if (argc > 1)
 *             return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
 *         return ktap_main(tests, KTAP_LEN(tests));
 *     }
 *
 * What would end the process is done in a child: the suite starts itself with the name of a *role*.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#define KTAP_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* How long a test may wait for an event that has to come. */
#define KTAP_PATIENCE_NS 20000000000ull

/* Of a function whose answer is a test's: who does not look at it has checked nothing. */
#define KTAP_NOT_IGNORED __attribute__((warn_unused_result))

struct ktap_test {
    const char *sentence;
    bool (*run)(void); /* whether the sentence is true */
};

struct ktap_role {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[1] is the name; returns the exit status */
};

/* A whole suite of these tests. Its exit status. */
int ktap_main(const struct ktap_test *tests, size_t nr_tests);

/* A suite in pieces. Prints the header and the plan: how many tests there will be. */
void ktap_start(size_t nr_tests);

/* Stops the suite unless it runs on Thrum. */
void ktap_need_thrum(void);

void ktap_run(const struct ktap_test *tests, size_t nr_tests);

/* One test's result. Returns `is_ok`. */
bool ktap_ok(bool is_ok, const char *sentence, ...) __attribute__((format(printf, 2, 3)));

/* The suite's exit status: 0 when all tests that were planned have run and were right, else 1. */
int ktap_finish(void);

/* A line that explains something. */
void ktap_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* return ktap_skip("why"): the test that runs makes no sense here. Returns true. */
bool ktap_skip(const char *reason);

/* Whether the condition, or the equality, holds; where it does not, a line says what was seen. */
#define KTAP_TRUE(condition)   ktap_check_true((condition), #condition, __FILE__, __LINE__)
#define KTAP_EQUAL(seen, want) ktap_check_equal((seen), (want), #seen, __FILE__, __LINE__)

KTAP_NOT_IGNORED
bool ktap_check_true(bool is_true, const char *text, const char *file, int line);
KTAP_NOT_IGNORED
bool ktap_check_equal(long seen, long want, const char *text, const char *file, int line);

/* In a child: plays the role argv[1]. */
int ktap_play_role(const struct ktap_role *roles, size_t nr_roles, int argc, char **argv);

/* The path of this program. */
const char *ktap_program(void);

/*
 * Starts this program in the given role, with one more argument unless that is NULL; returns the
 * pid, or a negative number when that failed.
 */
pid_t ktap_spawn_role(const char *role, const char *argument);

/* The same, and waits for the end: the wait status, or a negative number. */
int ktap_role_status(const char *role, const char *argument);

/* Whether a child in that role exits with `exit_status`, or is ended by `signal`. */
#define KTAP_ROLE_EXITS(role, exit_status)                                                         \
    ktap_check_exits(ktap_role_status((role), NULL), (exit_status), __FILE__, __LINE__)
#define KTAP_ROLE_DIES(role, signal)                                                               \
    ktap_check_dies(ktap_role_status((role), NULL), (signal), __FILE__, __LINE__)

KTAP_NOT_IGNORED
bool ktap_check_exits(int status, int exit_status, const char *file, int line);
KTAP_NOT_IGNORED
bool ktap_check_dies(int status, int signal, const char *file, int line);

/*
 * How often to repeat something that takes `full` times on one CPU. On several it is a fiftieth:
 * there the emulator needs milliseconds for what one CPU tells another. `ktap_fraction=N` on the
 * kernel's command line makes it the Nth part anywhere.
 */
size_t ktap_times(size_t full);

/* The number of CPUs. */
size_t ktap_cpus(void);

/*
 * Sleeps until is_there(arg); whether that came within KTAP_PATIENCE_NS. Where it did not, the test
 * that runs has failed, whether or not it looks at the answer.
 */
bool ktap_wait_for(bool (*is_there)(void *arg), void *arg);

/*
 * Whether `activity` leaves the numbers of free frames, heap objects, processes and LWPs as they
 * are.
 *
 * The kernel's caches keep some of what is freed, on several CPUs in an order that chance decides;
 * so a count may differ after one round and not after the next. What leaks does so in every round:
 * one round among many has to leave exactly what it found.
 */
KTAP_NOT_IGNORED
bool ktap_leaves_nothing(void (*activity)(void));

#endif
