/* The log: every line reaches every sink once, whole, and in order. */

#include "host_test.h"

#include <arch/cpu.h>
#include <kernel/clock.h>
#include <kernel/log.h>

static uint64_t now_ns;

uint64_t clock_now_ns(void)
{
    return now_ns;
}

/* A sink that remembers. It never goes away again, so each is static. */
struct memory_sink {
    struct console_sink sink;
    char *text;
    size_t nr_bytes, nr_writes, nr_returns, room;
};

static void memory_write(struct console_sink *sink, const char *bytes, size_t nr_bytes)
{
    struct memory_sink *memory = container_of(sink, struct memory_sink, sink);

    assert_false(irq_is_enabled());
    /* Without carriage returns, so that what is expected is easier to read. */
    for (size_t i = 0; i < nr_bytes; i++) {
        if (bytes[i] != '\r')
            memory->text[memory->nr_bytes++] = bytes[i];
    }
    memory->nr_returns += nr_bytes > 1 && bytes[nr_bytes - 2] == '\r';
    memory->text[memory->nr_bytes] = '\0';
    memory->nr_writes++;
}

static void add_sink(struct memory_sink *memory)
{
    static char texts[8][1 << 20];
    static unsigned nr_sinks;

    memory->sink.write = memory_write;
    memory->text = texts[nr_sinks++];
    console_add_sink(&memory->sink);
    assert_true(irq_is_enabled());
}

static void forget(struct memory_sink *memory)
{
    memory->nr_bytes = 0;
    memory->nr_writes = 0;
    memory->text[0] = '\0';
}

static struct memory_sink first;

static void early_lines_are_replayed_and_later_ones_follow(void **state)
{
    log_info("boot: first");
    log_debug("boot: hidden");
    now_ns = 1234567;
    log_warn("boot: %d is less than %s", 1, "two");
    add_sink(&first);
    now_ns = 75 * NSEC_PER_SEC + 1000;
    log_error("late: third");
    assert_string_equal(first.text, "[    0.000000] boot: first\n"
                                    "[    0.001234] boot: 1 is less than two\n"
                                    "[   75.000001] late: third\n");
}

static void the_level_decides_what_is_shown(void **state)
{
    static struct memory_sink second;

    forget(&first);
    log_set_level(LOG_ERROR);
    log_warn("not this");
    log_error("this");
    assert_non_null(strstr(first.text, "this\n"));
    assert_null(strstr(first.text, "not"));
    log_set_level(LOG_DEBUG);
    log_debug("and this");
    assert_non_null(strstr(first.text, "and this\n"));
    /* All was kept, and the level of today decides what a new sink sees. */
    add_sink(&second);
    assert_non_null(strstr(second.text, "boot: hidden\n"));
    assert_non_null(strstr(second.text, "not this\n"));
    log_set_level(LOG_INFO);
}

static void a_line_starts_on_a_line_of_its_own(void **state)
{
    forget(&first);
    now_ns = 0;
    console_write("$ ls", 4);
    log_info("a: b");
    log_info("c: d");
    console_write("x\n", 2);
    log_info("e: f");
    console_write("", 0);
    assert_string_equal(first.text, "$ ls\n[    0.000000] a: b\n[    0.000000] c: d\nx\n"
                                    "[    0.000000] e: f\n");
}

static void a_line_ends_with_carriage_return_and_newline(void **state)
{
    size_t nr_returns = first.nr_returns;

    log_info("a");
    assert_int_equal(first.nr_returns, nr_returns + 1);
    console_write("x\n", 2);
    assert_int_equal(first.nr_returns, nr_returns + 1);
}

static void a_line_waits_for_the_end_of_a_sequence(void **state)
{
    static const char *const parts[][2] = {
        {"\033", "[1;31m"}, {"\033[", "m"}, {"\033]0;title\033", "\\"},
        {"\033_x", "\a"},   {"\033(", "B"}, {"\xe2\x82", "\xac"}};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char expected[80];

        forget(&first);
        console_write(parts[i][0], strlen(parts[i][0]));
        log_info("a: b");
        log_info("c: d");
        console_write(parts[i][1], strlen(parts[i][1]));
        snprintf(expected, sizeof(expected), "%s%s\n[    0.000000] a: b\n[    0.000000] c: d\n",
                 parts[i][0], parts[i][1]);
        assert_string_equal(first.text, expected);
    }
}

static void but_not_for_ever(void **state)
{
    forget(&first);
    console_write("\033[", 2);
    log_info("a: b");
    assert_string_equal(first.text, "\033[");
    assert_true(console_is_within_sequence());
    now_ns += CONSOLE_SEQUENCE_NS;
    log_show_pending();
    assert_string_equal(first.text, "\033[\030\n[    0.000000] a: b\n");
    now_ns = 0;
}

static size_t memory_room(struct console_sink *sink)
{
    return container_of(sink, struct memory_sink, sink)->room;
}

static void the_room_is_that_of_the_fullest_sink(void **state)
{
    assert_int_equal(console_room(), SIZE_MAX);
    first.sink.room = memory_room;
    first.room = 2;
    assert_int_equal(console_room(), 2);
    first.sink.room = NULL;
}

static void a_piece_reaches_a_sink_whole(void **state)
{
    forget(&first);
    log_info("one");
    console_write("two\nlines\n", 10);
    assert_int_equal(first.nr_writes, 2);
}

static void long_messages_are_cut_and_controls_replaced(void **state)
{
    char message[2 * LOG_LINE_MAX], *text;

    memset(message, 'x', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    forget(&first);
    log_info("%s", message);
    assert_int_equal(strspn(strchr(first.text, 'x'), "x"), LOG_LINE_MAX);
    forget(&first);
    log_info("name: \033_thrum:result=pass\033\\\n\177.");
    text = strstr(first.text, "name: ");
    assert_string_equal(text, "name: ?_thrum:result=pass?\\??.\n");
}

static void markers_are_application_commands_and_open_no_line(void **state)
{
    forget(&first);
    console_marker("result", "pa\033ss");
    log_info("a");
    assert_string_equal(first.text, "\033_thrum:result=pa?ss\033\\[    0.000000] a\n");
}

static void a_full_ring_keeps_the_newest_lines(void **state)
{
    static struct memory_sink third;
    unsigned nr_lines = 5000, number, previous = 0;
    const char *line;

    for (unsigned i = 1; i <= nr_lines; i++) {
        first.nr_bytes = 0;
        log_info("line %u %.*s", i, (int)(i % 150),
                 "........................................"
                 "................................................................................"
                 "......................................");
    }
    add_sink(&third);
    assert_true(third.nr_bytes > KIB(40));
    for (line = third.text; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_int_equal(sscanf(line, "[ 0.000000] line %u", &number), 1);
        assert_true(previous == 0 || number == previous + 1);
        previous = number;
    }
    assert_int_equal(previous, nr_lines);
}

static void random_lines_survive_the_ring(void **state)
{
    static char text[LOG_LINE_MAX + 20];

    memset(text, 'y', sizeof(text) - 1);
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng rng = {seed};

        forget(&first);
        now_ns = rng_one_in(&rng, 10) ? rng_next(&rng) : seed;
        log_write((enum log_level)rng_below(&rng, 8), "%.*s", (int)rng_below(&rng, sizeof(text)),
                  text);
    }
    now_ns = 0;
}

static void readers_see_what_is_in_the_ring(void **state)
{
    struct log_cursor cursor = log_end(), start = {0}, behind;
    struct log_message message;
    uint64_t oldest = log_oldest(), nr_messages = 0;

    assert_false(log_read(&cursor, &message));
    now_ns = 77;
    log_warn("one %d", 1);
    log_write_program(9 * 8 + LOG_INFO, "two\n", 4);
    assert_true(log_read(&cursor, &message));
    assert_int_equal(message.priority, LOG_WARN);
    assert_int_equal(message.time_ns, 77);
    assert_int_equal(message.text_bytes, 5);
    assert_memory_equal(message.text, "one 1", 5);
    assert_true(log_read(&cursor, &message));
    assert_int_equal(message.priority, 9 * 8 + LOG_INFO);
    assert_memory_equal(message.text, "two?", 4);
    assert_false(log_read(&cursor, &message));
    assert_int_equal(message.sequence + 1, log_end().sequence);

    /* From the start: all there are, in order. */
    assert_true(log_oldest() >= oldest && oldest > 0);
    while (log_read(&start, &message)) {
        assert_int_equal(message.sequence, log_oldest() + nr_messages);
        nr_messages++;
    }
    assert_int_equal(log_oldest() + nr_messages, log_end().sequence);

    /* Who is too slow goes on with the oldest. */
    behind = log_end();
    for (unsigned i = 0; i < 10000; i++)
        log_debug("%u", i);
    assert_true(log_read(&behind, &message));
    assert_int_equal(message.sequence, log_oldest());
    now_ns = 0;
}

static void level_minus_one_shows_nothing(void **state)
{
    assert_int_equal(log_set_level(-1), LOG_INFO);
    forget(&first);
    log_error("nobody sees it");
    assert_int_equal(first.nr_bytes, 0);
    assert_int_equal(log_set_level(LOG_INFO), -1);
}

/* The last test: locks stay broken. */
static void a_panic_writes_although_the_locks_are_held(void **state)
{
    static struct memory_sink fourth;

    forget(&first);
    console_break_locks();
    host_set_cpu(3);
    log_error("panic: on CPU 3");
    console_write("trace\n", 6);
    add_sink(&fourth);
    assert_non_null(strstr(first.text, "panic: on CPU 3\ntrace\n"));
    assert_non_null(strstr(fourth.text, "panic: on CPU 3\n"));
    host_set_cpu(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_lines_are_replayed_and_later_ones_follow),
        cmocka_unit_test(the_level_decides_what_is_shown),
        cmocka_unit_test(a_line_starts_on_a_line_of_its_own),
        cmocka_unit_test(a_line_ends_with_carriage_return_and_newline),
        cmocka_unit_test(a_line_waits_for_the_end_of_a_sequence),
        cmocka_unit_test(but_not_for_ever),
        cmocka_unit_test(the_room_is_that_of_the_fullest_sink),
        cmocka_unit_test(a_piece_reaches_a_sink_whole),
        cmocka_unit_test(long_messages_are_cut_and_controls_replaced),
        cmocka_unit_test(markers_are_application_commands_and_open_no_line),
        cmocka_unit_test(a_full_ring_keeps_the_newest_lines),
        cmocka_unit_test(random_lines_survive_the_ring),
        cmocka_unit_test(readers_see_what_is_in_the_ring),
        cmocka_unit_test(level_minus_one_shows_nothing),
        cmocka_unit_test(a_panic_writes_although_the_locks_are_held),
    };
    host_reset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
