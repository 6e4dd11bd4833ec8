#ifndef KERNEL_KTAP_H
#define KERNEL_KTAP_H

/*
 * A test suite inside the kernel, run by `test=NAME` (kernel/test.h). As in tests/user: one test is
 * one sentence that says what is so, and one check of it.
 *
 *     static bool value_reaches_joiner(void) { ...do this...; return KTAP_EQUAL(value, 42); }
 *
 *     static const struct ktap_test tests[] = {
 *         {"a joiner gets the value that the thread left with", value_reaches_joiner},
 *     };
 *     static bool run(void) { return ktap_run(tests, ARRAY_LEN(tests)); }
 *
 *     static const struct kernel_test_suite example = {.name = "example", .run = run};
 *     KERNEL_TEST_REGISTER(example);
 */

#include <kernel/test.h>
#include <kernel/types.h>

struct ktap_test {
    const char *sentence;
    bool (*run)(void); /* whether the sentence is true */
};

/* Runs all of them and reports; whether all were right. */
bool ktap_run(const struct ktap_test *tests, size_t nr_tests);

/* A line that explains something. */
void ktap_diag(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Whether the condition, or the equality, holds; where it does not, a line says what was seen. */
#define KTAP_TRUE(condition) ktap_check_true((condition), #condition, __FILE__, __LINE__)
#define KTAP_EQUAL(seen, want)                                                                     \
    ktap_check_equal((int64_t)(seen), (int64_t)(want), #seen, __FILE__, __LINE__)

bool ktap_check_true(bool is_true, const char *text, const char *file, int line) MUST_CHECK;
bool ktap_check_equal(int64_t seen, int64_t want, const char *text, const char *file,
                      int line) MUST_CHECK;

/* What costs `full` rounds on one CPU is done a tenth as often on several: they are emulated. */
size_t ktap_times(size_t full);

#endif
