/* KTAP version 1, see the kernel's Documentation/dev-tools/ktap.rst for the format. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <time.h>

#include <linux/auxvec.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include "ktap.h"

#define SENTENCE_BYTES 160
#define STATUS_NO_ROLE 125
#define SEVERAL_CPUS   50 /* times less often there */
#define POLL_NS        1000000ull
#define START_FAILED   (-1)

#define NR_WARM_UP_ROUNDS 3
#define NR_ROUNDS_MAX     20
#define SETTLE_NS         5000000ull /* what ends by itself has ended after some of these */
#define NR_SETTLES_MAX    100

static size_t nr_planned, nr_run, nr_failed;
static const char *skip_reason; /* of the test that runs; NULL: it is not skipped */
static bool has_waited_in_vain; /* the test that runs */

void ktap_start(size_t nr_tests)
{
    nr_planned = nr_tests;
    printf("KTAP version 1\n1..%zu\n", nr_tests);
}

void ktap_need_thrum(void)
{
    struct thrum_stat stat;

    if (thrum_stat(&stat) == 0)
        return;
    printf("Bail out! This suite is for Thrum.\n");
    exit(EXIT_FAILURE);
}

bool ktap_ok(bool is_ok, const char *sentence, ...)
{
    char text[SENTENCE_BYTES];
    va_list args;

    va_start(args, sentence);
    vsnprintf(text, sizeof(text), sentence, args);
    va_end(args);

    is_ok = is_ok && !has_waited_in_vain;
    has_waited_in_vain = false;
    nr_run++;
    nr_failed += !is_ok;
    printf("%s %zu %s%s%s\n", is_ok ? "ok" : "not ok", nr_run, text, skip_reason ? " # SKIP " : "",
           skip_reason ? skip_reason : "");
    skip_reason = NULL;
    return is_ok;
}

void ktap_run(const struct ktap_test *tests, size_t nr_tests)
{
    for (size_t i = 0; i < nr_tests; i++)
        ktap_ok(tests[i].run(), "%s", tests[i].sentence);
}

int ktap_finish(void)
{
    if (nr_run != nr_planned)
        ktap_diag("%zu tests were planned, %zu have run", nr_planned, nr_run);
    ktap_diag("%zu passed, %zu failed", nr_run - nr_failed, nr_failed);
    return nr_failed == 0 && nr_run == nr_planned ? EXIT_SUCCESS : EXIT_FAILURE;
}

int ktap_main(const struct ktap_test *tests, size_t nr_tests)
{
    ktap_start(nr_tests);
    ktap_run(tests, nr_tests);
    return ktap_finish();
}

void ktap_diag(const char *fmt, ...)
{
    char text[SENTENCE_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printf("# %s\n", text);
}

bool ktap_skip(const char *reason)
{
    skip_reason = reason;
    return true;
}

bool ktap_check_true(bool is_true, const char *text, const char *file, int line)
{
    if (!is_true)
        ktap_diag("%s:%d: not so: %s", file, line, text);
    return is_true;
}

bool ktap_check_equal(long seen, long want, const char *text, const char *file, int line)
{
    if (seen != want)
        ktap_diag("%s:%d: %s is %ld, not %ld", file, line, text, seen, want);
    return seen == want;
}

int ktap_play_role(const struct ktap_role *roles, size_t nr_roles, int argc, char **argv)
{
    for (size_t i = 0; i < nr_roles; i++)
        if (strcmp(roles[i].name, argv[1]) == 0)
            return roles[i].run(argc, argv);
    fprintf(stderr, "%s: no role %s\n", argv[0], argv[1]);
    return STATUS_NO_ROLE;
}

const char *ktap_program(void)
{
    return (const char *)getauxval(AT_EXECFN);
}

pid_t ktap_spawn_role(const char *role, const char *argument)
{
    char *argv[] = {(char *)ktap_program(), (char *)role, (char *)argument, NULL};
    pid_t pid = spawn(argv[0], argv, environ);

    if (pid < 0)
        perror("# cannot start a child");
    return pid;
}

int ktap_role_status(const char *role, const char *argument)
{
    pid_t pid = ktap_spawn_role(role, argument);
    int status;

    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return START_FAILED;
    return status;
}

static bool has_status(int status, int want, const char *file, int line)
{
    if (status == want)
        return true;
    if (status == START_FAILED)
        ktap_diag("%s:%d: the child could not be started or waited for", file, line);
    else if (WIFSIGNALED(status))
        ktap_diag("%s:%d: the child was ended by signal %d", file, line, WTERMSIG(status));
    else
        ktap_diag("%s:%d: the child has exited with status %d", file, line, WEXITSTATUS(status));
    return false;
}

bool ktap_check_exits(int status, int exit_status, const char *file, int line)
{
    return has_status(status, exit_status << 8, file, line);
}

/* The flag "has dumped core" is not looked at. */
bool ktap_check_dies(int status, int signal, const char *file, int line)
{
    return has_status(status == START_FAILED ? status : status & ~0x80, signal, file, line);
}

size_t ktap_cpus(void)
{
    struct thrum_stat stat = {.nr_cpus = 1};

    thrum_stat(&stat);
    return stat.nr_cpus;
}

size_t ktap_times(size_t full)
{
    const char *fraction = getenv("ktap_fraction");
    size_t times = fraction          ? full / strtoul(fraction, NULL, 10)
                   : ktap_cpus() > 1 ? full / SEVERAL_CPUS
                                     : full;

    return times > 0 ? times : 1;
}

bool ktap_wait_for(bool (*is_there)(void *arg), void *arg)
{
    uint64_t deadline_ns = monotonic_ns() + KTAP_PATIENCE_NS;

    while (!is_there(arg)) {
        if (monotonic_ns() >= deadline_ns) {
            has_waited_in_vain = true;
            ktap_diag("what had to come has not come in time");
            return false;
        }
        sleep_ns(POLL_NS);
    }
    return true;
}

static bool counts_are_equal(const struct thrum_stat *a, const struct thrum_stat *b)
{
    return a->frames_free == b->frames_free && a->heap_objects == b->heap_objects &&
           a->processes == b->processes && a->lwps == b->lwps;
}

bool ktap_leaves_nothing(void (*activity)(void))
{
    struct thrum_stat before = {0}, after = {0};

    for (int i = 0; i < NR_WARM_UP_ROUNDS; i++)
        activity();
    sleep_ns(4 * SETTLE_NS);
    for (int round = 0; round < NR_ROUNDS_MAX; round++) {
        thrum_stat(&before);
        activity();
        for (int i = 0; i < NR_SETTLES_MAX; i++) {
            thrum_stat(&after);
            if (counts_are_equal(&before, &after))
                return true;
            sleep_ns(SETTLE_NS);
        }
    }
    ktap_diag("the last round has cost %ld frames, %ld heap objects, %ld processes, %ld LWPs",
              (long)(before.frames_free - after.frames_free),
              (long)(after.heap_objects - before.heap_objects),
              (long)(after.processes - before.processes), (long)(after.lwps - before.lwps));
    return false;
}
