/*
 * The rings of the trace: what is read is what was written, in order, and what is lost is counted,
 * also while writers write, and while one is interrupted by another.
 */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "host_test.h"

#include <arch/percpu.h>
#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/trace.h>

#define NR_SLOTS 64

unsigned nr_cpus_online = 2;

static _Atomic uint64_t clock_ns;
static char logged[64][LOG_LINE_MAX];
static unsigned nr_logged;

uint64_t clock_now_ns(void)
{
    return atomic_fetch_add(&clock_ns, 1);
}

/* Instead of the one that is silent. */
void log_write(enum log_level level, const char *fmt, ...)
{
    va_list args;

    assert_true(nr_logged < ARRAY_LEN(logged));
    va_start(args, fmt);
    vsnprintf(logged[nr_logged++], LOG_LINE_MAX, fmt, args);
    va_end(args);
}

static alignas(TRACE_SLOT_BYTES) unsigned char memory[2][NR_SLOTS * TRACE_SLOT_BYTES];

static void start(size_t nr_bytes)
{
    host_reset();
    memset(memory, 0, sizeof(memory));
    nr_logged = 0;
    trace_give_ring(0, memory[0], nr_bytes);
    trace_give_ring(1, memory[1], nr_bytes);
    trace_set_events(THRUM_TRACE_ALL);
}

/* Record number n of a CPU says so in all its fields. */
static void write_nth(uint64_t n)
{
    trace_write(THRUM_TRACE_WAKE, (int)n, n, ~n, n * n);
}

static bool is_nth(const struct thrum_trace_record *record, uint64_t n)
{
    return record->tid == (int)n && record->argument[0] == n && record->argument[1] == ~n &&
           record->argument[2] == n * n && record->kind == THRUM_TRACE_WAKE;
}

static void records_are_read_as_they_were_written(void **state)
{
    struct thrum_trace_cursor cursor = {0};
    struct thrum_trace_record records[NR_SLOTS];

    start(sizeof(memory[0]));
    assert_int_equal(trace_read(0, &cursor, records, NR_SLOTS), 0);
    for (uint64_t n = 0; n < 10; n++)
        write_nth(n);
    host_set_cpu(1);
    write_nth(77);
    assert_int_equal(trace_read(0, &cursor, records, 4), 4);
    assert_int_equal(trace_read(0, &cursor, records + 4, NR_SLOTS - 4), 6);
    for (uint64_t n = 0; n < 10; n++) {
        assert_true(is_nth(&records[n], n));
        assert_int_equal(records[n].cpu, 0);
        assert_true(n == 0 || records[n].time_ns > records[n - 1].time_ns);
    }
    assert_int_equal(cursor.next, 10);
    assert_int_equal(cursor.nr_lost, 0);
    assert_int_equal(trace_read(0, &cursor, records, NR_SLOTS), 0);

    cursor = (struct thrum_trace_cursor){0};
    assert_int_equal(trace_read(1, &cursor, records, NR_SLOTS), 1);
    assert_true(is_nth(&records[0], 77));
    assert_int_equal(records[0].cpu, 1);
}

static void old_records_give_way_and_are_counted(void **state)
{
    struct thrum_trace_record records[NR_SLOTS];

    for (uint64_t nr_written = 0; nr_written < 4 * NR_SLOTS; nr_written++) {
        struct thrum_trace_cursor cursor = {0};
        uint64_t nr_lost = nr_written > NR_SLOTS ? nr_written - NR_SLOTS : 0;

        start(sizeof(memory[0]));
        for (uint64_t n = 0; n < nr_written; n++)
            write_nth(n);
        assert_int_equal(trace_read(0, &cursor, records, NR_SLOTS), nr_written - nr_lost);
        for (uint64_t n = nr_lost; n < nr_written; n++)
            assert_true(is_nth(&records[n - nr_lost], n));
        assert_int_equal(cursor.nr_lost, nr_lost);
        assert_int_equal(cursor.next, nr_written);
    }
}

static void a_ring_uses_the_power_of_two_within_its_memory(void **state)
{
    struct thrum_trace_cursor cursor = {0};
    struct thrum_trace_record records[NR_SLOTS];

    start(sizeof(memory[0]) - TRACE_SLOT_BYTES);
    for (uint64_t n = 0; n < NR_SLOTS; n++)
        write_nth(n);
    assert_int_equal(trace_read(0, &cursor, records, NR_SLOTS), NR_SLOTS / 2);
    assert_int_equal(cursor.nr_lost, NR_SLOTS / 2);
}

static void a_cursor_may_start_at_the_end_and_not_behind_it(void **state)
{
    struct thrum_trace_cursor cursor = {.next = THRUM_TRACE_NOW};
    struct thrum_trace_record record;

    start(sizeof(memory[0]));
    write_nth(0);
    assert_int_equal(trace_read(0, &cursor, &record, 1), 0);
    assert_int_equal(cursor.next, 1);
    write_nth(1);
    assert_int_equal(trace_read(0, &cursor, &record, 1), 1);
    assert_true(is_nth(&record, 1));
    cursor.next++;
    assert_int_equal(trace_read(0, &cursor, &record, 1), -EINVAL);
    assert_int_equal(cursor.next, 3);
}

static void without_rings_nothing_happens(void **state)
{
    struct thrum_trace_cursor cursor = {0};
    struct thrum_trace_record record;

    host_reset();
    trace_set_events(THRUM_TRACE_ALL);
    write_nth(0);
    assert_int_equal(trace_read(0, &cursor, &record, 1), 0);
    trace_print_last();
}

static void only_wanted_events_are_recorded(void **state)
{
    struct thrum_trace_cursor cursor = {0};
    struct thrum_trace_record records[4];
    unsigned generation;

    start(sizeof(memory[0]));
    assert_int_equal(trace_set_events(TRACE_BIT(THRUM_TRACE_EXIT)), THRUM_TRACE_ALL);
    trace_event(THRUM_TRACE_CREATE, 1, 0, 0, 0);
    trace_event(THRUM_TRACE_EXIT, 2, 0, 0, 0);
    generation = trace_generation();
    trace_set_events(0);
    trace_event(THRUM_TRACE_EXIT, 3, 0, 0, 0);
    assert_int_equal(trace_read(0, &cursor, records, 4), 1);
    assert_int_equal(records[0].tid, 2);
    assert_int_not_equal(trace_generation(), generation);
}

static void lists_of_events_are_understood(void **state)
{
    unsigned events = 99;

    assert_true(trace_parse_events("all", &events));
    assert_int_equal(events, THRUM_TRACE_ALL);
    assert_true(trace_parse_events("switch", &events));
    assert_int_equal(events, TRACE_BIT(THRUM_TRACE_SWITCH));
    assert_true(trace_parse_events("fault,wake,fault", &events));
    assert_int_equal(events, TRACE_BIT(THRUM_TRACE_FAULT) | TRACE_BIT(THRUM_TRACE_WAKE));
    events = 99;
    assert_false(trace_parse_events("", &events));
    assert_false(trace_parse_events("switch,", &events));
    assert_false(trace_parse_events(",switch", &events));
    assert_false(trace_parse_events("switc", &events));
    assert_false(trace_parse_events("switches", &events));
    assert_false(trace_parse_events("wake switch", &events));
    assert_int_equal(events, 99);
}

static void a_panic_shows_the_last_of_every_cpu(void **state)
{
    start(sizeof(memory[0]));
    for (uint64_t n = 0; n < 100; n++)
        write_nth(n);
    host_set_cpu(1);
    trace_write(THRUM_TRACE_SWITCH, 5, (uint64_t)-3, THRUM_SWITCH_BLOCKED, 0);
    trace_print_last();
    assert_int_equal(nr_logged, 1 + 16 + 1 + 1);
    assert_non_null(strstr(logged[0], "CPU 0"));
    assert_non_null(strstr(logged[1], "84 wake 84 "));
    assert_non_null(strstr(logged[16], "99 wake 99 "));
    assert_non_null(strstr(logged[17], "CPU 1"));
    assert_non_null(strstr(logged[18], "5 switch to -3, blocked"));
    assert_false(trace_is_on(THRUM_TRACE_ALL));
}

/* ---- A reader beside a writer --------------------------------------------------------------- */

/* Two slots: most records are overwritten just when they are read. */
#define NR_RACED 2000000ull

static atomic_bool is_writer_done;

static void *write_all(void *unused)
{
    host_set_cpu(1);
    for (uint64_t n = 0; n < NR_RACED; n++)
        write_nth(n);
    atomic_store(&is_writer_done, true);
    return NULL;
}

static void a_reader_beside_the_writer_sees_whole_records_in_order(void **state)
{
    struct thrum_trace_cursor cursor = {0};
    struct thrum_trace_record records[16];
    uint64_t nr_read = 0;
    pthread_t writer;
    bool is_done;

    start(2 * TRACE_SLOT_BYTES);
    atomic_store(&is_writer_done, false);
    assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
    do {
        uint64_t first = cursor.next;
        int nr;

        is_done = atomic_load(&is_writer_done);
        nr = trace_read(1, &cursor, records, 16);
        assert_true(nr >= 0);
        for (int i = 0; i < nr; i++) {
            assert_true(records[i].argument[0] >= first);
            assert_true(is_nth(&records[i], records[i].argument[0]));
            first = records[i].argument[0] + 1;
        }
        nr_read += (uint64_t)nr;
        assert_int_equal(nr_read + cursor.nr_lost, cursor.next);
        is_done = is_done && nr == 0;
    } while (!is_done);
    pthread_join(writer, NULL);
    assert_int_equal(cursor.next, NR_RACED);
    assert_true(nr_read > 0);
}

/* ---- A writer that is interrupted ----------------------------------------------------------- */

#define NR_INTERRUPTED 20000

static volatile sig_atomic_t nr_interrupts;

/* What an NMI does: it comes between any two instructions of a writer, and writes as well. */
static void interrupt(int signal)
{
    (void)signal;
    trace_write(THRUM_TRACE_FAULT, 0, (uint64_t)nr_interrupts++, 0, 0);
}

/* No record is lost, doubled or mixed with another one, and each writer's own stay in order. */
static void an_interrupted_writer_loses_nothing(void **state)
{
    struct thrum_trace_cursor cursor = {0};
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    uint64_t nr_written = 0, nr_seen = 0, nr_interrupts_seen = 0;

    start(sizeof(memory[0]));
    nr_interrupts = 0;
    assert_ptr_not_equal(signal(SIGALRM, interrupt), SIG_ERR);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    while (nr_interrupts < NR_INTERRUPTED || nr_seen < nr_written) {
        struct thrum_trace_record records[NR_SLOTS];
        int nr;

        for (unsigned i = 0; i < 8 && nr_interrupts < NR_INTERRUPTED; i++)
            write_nth(nr_written++);
        nr = trace_read(0, &cursor, records, NR_SLOTS);
        for (int i = 0; i < nr; i++) {
            if (records[i].kind == THRUM_TRACE_FAULT)
                assert_int_equal(records[i].argument[0], nr_interrupts_seen++);
            else
                assert_true(is_nth(&records[i], nr_seen++));
        }
    }
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    signal(SIGALRM, SIG_DFL);
    assert_int_equal(cursor.nr_lost, 0);
    assert_true(nr_interrupts_seen >= NR_INTERRUPTED - NR_SLOTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read_as_they_were_written),
        cmocka_unit_test(old_records_give_way_and_are_counted),
        cmocka_unit_test(a_ring_uses_the_power_of_two_within_its_memory),
        cmocka_unit_test(a_cursor_may_start_at_the_end_and_not_behind_it),
        cmocka_unit_test(without_rings_nothing_happens),
        cmocka_unit_test(only_wanted_events_are_recorded),
        cmocka_unit_test(lists_of_events_are_understood),
        cmocka_unit_test(a_panic_shows_the_last_of_every_cpu),
        cmocka_unit_test(a_reader_beside_the_writer_sees_whole_records_in_order),
        cmocka_unit_test(an_interrupted_writer_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
