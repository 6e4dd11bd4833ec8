/* The kernel command line: what people type is understood, or said to be nonsense. */

#include "host_test.h"

#include <kernel/cmdline.h>
#include <kernel/log.h>

static unsigned nr_warnings;
static char last_warning[512];

void log_write(enum log_level level, const char *fmt, ...)
{
    va_list args;

    if (level != LOG_WARN)
        return;
    nr_warnings++;
    va_start(args, fmt);
    vsnprintf(last_warning, sizeof(last_warning), fmt, args);
    va_end(args);
}

/* Starts over with this line; returns the number of warnings. */
static unsigned parse(const char *line)
{
    nr_warnings = 0;
    cmdline_init(line);
    return nr_warnings;
}

static void values_and_flags_are_found(void **state)
{
    assert_int_equal(parse("sched=mlfq  quiet\tlog=debug empty=\n"), 0);
    assert_string_equal(cmdline_get("sched"), "mlfq");
    assert_string_equal(cmdline_get("log"), "debug");
    assert_string_equal(cmdline_get("quiet"), "");
    assert_string_equal(cmdline_get("empty"), "");
    assert_null(cmdline_get("sche"));
    assert_null(cmdline_get("mlfq"));
}

static void quotes_keep_blanks_wherever_they_stand(void **state)
{
    assert_int_equal(parse("a=\"b c\" \"d=e f\" g=h\" \"i j=k=l"), 0);
    assert_string_equal(cmdline_get("a"), "b c");
    assert_string_equal(cmdline_get("d"), "e f");
    assert_string_equal(cmdline_get("g"), "h i");
    assert_string_equal(cmdline_get("j"), "k=l");
}

static void backslashes_as_grub_writes_them_are_taken_away(void **state)
{
    assert_int_equal(parse("\"a=say \\\"hello\\\"\" b=c:\\\\d e=f\\g"), 0);
    assert_string_equal(cmdline_get("a"), "say \"hello\"");
    assert_string_equal(cmdline_get("b"), "c:\\d");
    assert_string_equal(cmdline_get("e"), "f\\g");
}

static void the_last_one_counts_also_from_a_second_text(void **state)
{
    assert_int_equal(parse("cpus=1 cpus=2"), 0);
    assert_string_equal(cmdline_get("cpus"), "2");
    cmdline_append("cpus=4\n");
    assert_string_equal(cmdline_get("cpus"), "4");
}

static void nonsense_costs_one_warning_each_and_nothing_else(void **state)
{
    assert_int_equal(parse("a=1 =2 b=3"), 1);
    assert_non_null(strstr(last_warning, "=2"));
    assert_string_equal(cmdline_get("b"), "3");

    assert_int_equal(parse("a=1 b=\"2 c=3"), 1);
    assert_non_null(strstr(last_warning, "not closed"));
    assert_string_equal(cmdline_get("b"), "2 c=3");

    assert_int_equal(parse("\"\" \"\""), 0);
    assert_null(cmdline_option(0));
}

static void numbers_must_make_sense(void **state)
{
    uint64_t n = 77;

    parse("a=10 b=0x1F c=ten d=-1 e f= g=18446744073709551615 h=18446744073709551616 i=0x j=5k");
    assert_true(cmdline_u64("a", 0, 100, &n));
    assert_int_equal(n, 10);
    assert_true(cmdline_u64("b", 0, 100, &n));
    assert_int_equal(n, 31);
    assert_true(cmdline_u64("g", 0, UINT64_MAX, &n));
    assert_int_equal(n, UINT64_MAX);
    assert_int_equal(nr_warnings, 0);
    assert_false(cmdline_u64("absent", 0, 100, &n));
    assert_int_equal(nr_warnings, 0);
    n = 77;
    for (const char *key = "cdefhij"; *key; key++) {
        char name[2] = {*key, '\0'};

        nr_warnings = 0;
        assert_false(cmdline_u64(name, 0, UINT64_MAX, &n));
        assert_int_equal(nr_warnings, 1);
        assert_int_equal(n, 77);
    }
    nr_warnings = 0;
    assert_false(cmdline_u64("a", 11, 100, &n));
    assert_false(cmdline_u64("a", 0, 9, &n));
    assert_int_equal(nr_warnings, 2);
}

static void what_nobody_asked_for_can_be_listed(void **state)
{
    unsigned nr_unknown = 0;

    parse("sched=mlfq HOME=/root single sched=rr");
    cmdline_get("sched");
    for (size_t i = 0; cmdline_option(i) != NULL; i++)
        nr_unknown += !cmdline_option(i)->is_known;
    assert_int_equal(nr_unknown, 2);
    assert_string_equal(cmdline_option(1)->key, "HOME");
    assert_string_equal(cmdline_option(1)->value, "/root");
    assert_null(cmdline_option(2)->value);
    assert_null(cmdline_option(4));
}

static void too_much_is_cut_with_a_warning(void **state)
{
    static char line[3 * CMDLINE_TEXT_MAX];
    size_t len = 0;

    memset(line, 'x', CMDLINE_TEXT_MAX + 10);
    assert_int_equal(parse(line), 1);
    cmdline_append("a=1");
    assert_string_equal(cmdline_get("a"), "1");

    for (int i = 0; i < CMDLINE_OPTIONS_MAX + 1; i++)
        len += (size_t)sprintf(line + len, "k%d=1 ", i);
    assert_int_equal(parse(line), 1);
    assert_non_null(cmdline_option(CMDLINE_OPTIONS_MAX - 1));
    assert_null(cmdline_option(CMDLINE_OPTIONS_MAX));
}

static void it_survives_any_text(void **state)
{
    static const char alphabet[] = "ab= \"\\'\n\t0x\377";

    for (uint64_t seed = 0; seed < 5000; seed++) {
        struct rng rng = {seed};
        size_t len = rng_below(&rng, rng_one_in(&rng, 10) ? 6000 : 60);
        char *line = malloc(len + 1);
        uint64_t n = 0;

        for (size_t i = 0; i < len; i++)
            line[i] = alphabet[rng_below(&rng, sizeof(alphabet) - 1)];
        line[len] = '\0';
        parse(line);
        cmdline_append(line);
        free(line);
        cmdline_get("a");
        cmdline_u64("b", 0, 9, &n);
        assert_true(n <= 9);
        for (size_t i = 0; cmdline_option(i) != NULL; i++) {
            assert_true(strlen(cmdline_option(i)->key) > 0);
            assert_null(strchr(cmdline_option(i)->key, '='));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_flags_are_found),
        cmocka_unit_test(quotes_keep_blanks_wherever_they_stand),
        cmocka_unit_test(backslashes_as_grub_writes_them_are_taken_away),
        cmocka_unit_test(the_last_one_counts_also_from_a_second_text),
        cmocka_unit_test(nonsense_costs_one_warning_each_and_nothing_else),
        cmocka_unit_test(numbers_must_make_sense),
        cmocka_unit_test(what_nobody_asked_for_can_be_listed),
        cmocka_unit_test(too_much_is_cut_with_a_warning),
        cmocka_unit_test(it_survives_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
