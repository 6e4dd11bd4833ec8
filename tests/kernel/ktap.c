/* KTAP version 1 on the console, a line in one piece. */

#include <stdarg.h>

#include <arch/smp.h>
#include <kernel/format.h>
#include <kernel/log.h>

#include "ktap.h"

#define LINE_BYTES   200
#define SEVERAL_CPUS 10 /* times less often there */

static void print(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void print(const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list args;
    int length;

    va_start(args, fmt);
    length = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    length = MIN(length, (int)sizeof(line) - 1);
    if (length > 0 && line[length - 1] == '\n') {
        console_write(line, (size_t)length - 1);
        console_write("\r\n", 2);
    } else {
        console_write(line, (size_t)length);
    }
}

bool ktap_run(const struct ktap_test *tests, size_t nr_tests)
{
    size_t nr_failed = 0;

    print("KTAP version 1\n1..%zu\n", nr_tests);
    for (size_t i = 0; i < nr_tests; i++) {
        bool is_ok = tests[i].run();

        nr_failed += !is_ok;
        print("%s %zu %s\n", is_ok ? "ok" : "not ok", i + 1, tests[i].sentence);
    }
    print("# %zu passed, %zu failed\n", nr_tests - nr_failed, nr_failed);
    return nr_failed == 0;
}

void ktap_diag(const char *fmt, ...)
{
    char text[LINE_BYTES - 4];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    print("# %s\n", text);
}

bool ktap_check_true(bool is_true, const char *text, const char *file, int line)
{
    if (!is_true)
        ktap_diag("%s:%d: not so: %s", file, line, text);
    return is_true;
}

bool ktap_check_equal(int64_t seen, int64_t want, const char *text, const char *file, int line)
{
    if (seen != want)
        ktap_diag("%s:%d: %s is %lld, not %lld", file, line, text, (long long)seen,
                  (long long)want);
    return seen == want;
}

size_t ktap_times(size_t full)
{
    return nr_cpus_online == 1 ? full : MAX(full / SEVERAL_CPUS, (size_t)1);
}
