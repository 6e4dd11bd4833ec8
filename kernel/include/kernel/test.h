#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

/*
 * Test suites inside the kernel (tests/kernel/). With `test=NAME` on the command line, a kernel
 * thread runs the suite of that name instead of starting a first process, and the machine is
 * switched off.
 */

#include <kernel/types.h>

struct kernel_test_suite {
    const char *name;
    bool (*run)(void); /* reports by KTAP on the console; whether all is well */
};

/* Registers a suite: a pointer in a linker section, so that a new one is one new file. */
#define KERNEL_TEST_REGISTER(suite)                                                                \
    static const struct kernel_test_suite *const kernel_test_entry_##suite                         \
        __attribute__((used, section("kernel_tests"))) = &suite

/* All of them, from start up to (not including) stop; none in a kernel built without. */
extern const struct kernel_test_suite *const __start_kernel_tests[];
extern const struct kernel_test_suite *const __stop_kernel_tests[];

#endif
