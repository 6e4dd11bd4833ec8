/*
 * kernel/lib/format.c against the C library's snprintf, over random formats. Only what the C
 * standard defines is tried: flags that a conversion does not know are left out.
 */

#include "host_test.h"

int thrum_snprintf(char *to, size_t size, const char *fmt, ...);

#pragma clang diagnostic ignored "-Wformat-nonliteral"
#pragma clang diagnostic ignored "-Wformat-security"

#define OUTPUT_MAX 300

/* Formats with both, into a buffer of random size; what they write and return must be the same. */
#define assert_same_output(rng, fmt, ...)                                                          \
    do {                                                                                           \
        char ours[OUTPUT_MAX], theirs[OUTPUT_MAX];                                                 \
        size_t size = rng_one_in(rng, 4) ? rng_below(rng, 20) : OUTPUT_MAX;                        \
        int nr_ours, nr_theirs;                                                                    \
                                                                                                   \
        memset(ours, '#', sizeof(ours));                                                           \
        memset(theirs, '#', sizeof(theirs));                                                       \
        nr_ours = thrum_snprintf(ours, size, fmt, __VA_ARGS__);                                    \
        nr_theirs = snprintf(theirs, size, fmt, __VA_ARGS__);                                      \
        if (nr_ours != nr_theirs || memcmp(ours, theirs, sizeof(ours)) != 0)                       \
            fail_msg("\"%s\" in %zu bytes: %d \"%.*s\", not %d \"%.*s\"", fmt, size, nr_ours,      \
                     OUTPUT_MAX, ours, nr_theirs, OUTPUT_MAX, theirs);                             \
    } while (0)

struct random_format {
    char text[80];
    char length[3];
    char conversion;
    bool has_star_width, has_star_precision;
};

static void append(char *to, const char *what)
{
    strcpy(to + strlen(to), what);
}

static void append_number(char *to, unsigned n)
{
    sprintf(to + strlen(to), "%u", n);
}

static const char *flags_of(char conversion)
{
    switch (conversion) {
    case 'd':
    case 'i':
        return "-0+ ";
    case 'u':
        return "-0";
    case 'o':
    case 'x':
    case 'X':
        return "-0#";
    default:
        return "-";
    }
}

static void make_format(struct rng *rng, struct random_format *format)
{
    static const char *const lengths[] = {"hh", "h", "", "l", "ll", "z", "t", "j"};
    const char *flags;

    *format = (struct random_format){.conversion = "diuoxXscp"[rng_below(rng, 9)]};
    append(format->text, rng_one_in(rng, 2) ? "100%% [%" : "%");
    flags = flags_of(format->conversion);
    for (uint64_t i = rng_below(rng, 4); i > 0; i--)
        strncat(format->text, &flags[rng_below(rng, strlen(flags))], 1);
    if (rng_one_in(rng, 5)) {
        format->has_star_width = true;
        append(format->text, "*");
    } else if (rng_one_in(rng, 2)) {
        append_number(format->text, (unsigned)rng_between(rng, 1, 40));
    }
    if (!strchr("cp", format->conversion) && rng_one_in(rng, 2)) {
        append(format->text, ".");
        if (rng_one_in(rng, 5)) {
            format->has_star_precision = true;
            append(format->text, "*");
        } else if (!rng_one_in(rng, 4)) {
            append_number(format->text, (unsigned)rng_below(rng, 40));
        }
    }
    if (!strchr("cps", format->conversion)) {
        strcpy(format->length, lengths[rng_below(rng, ARRAY_LEN(lengths))]);
        append(format->text, format->length);
    }
    strncat(format->text, &format->conversion, 1);
    append(format->text, rng_one_in(rng, 2) ? "]" : "");
}

/* Small and huge numbers alike, and those at the edges. */
static uint64_t random_value(struct rng *rng)
{
    static const uint64_t edges[] = {0,         1,         INT8_MAX,   INT16_MAX,
                                     INT32_MAX, INT64_MAX, UINT32_MAX, UINT64_MAX};

    if (rng_one_in(rng, 3))
        return edges[rng_below(rng, ARRAY_LEN(edges))] + rng_below(rng, 2);
    return rng_next(rng) >> rng_below(rng, 64);
}

#define assert_same_for(rng, format, width, precision, value)                                      \
    do {                                                                                           \
        if ((format)->has_star_width && (format)->has_star_precision)                              \
            assert_same_output(rng, (format)->text, width, precision, value);                      \
        else if ((format)->has_star_width)                                                         \
            assert_same_output(rng, (format)->text, width, value);                                 \
        else if ((format)->has_star_precision)                                                     \
            assert_same_output(rng, (format)->text, precision, value);                             \
        else                                                                                       \
            assert_same_output(rng, (format)->text, value);                                        \
    } while (0)

static void random_formats_agree_with_the_c_library(void **state)
{
    struct rng rng = {7};

    for (int i = 0; i < 100000; i++) {
        struct random_format format;
        uint64_t value = random_value(&rng);
        int width = (int)rng_below(&rng, 60) - 30;
        int precision = (int)rng_below(&rng, 40) - 10;
        char text[24];

        make_format(&rng, &format);
        switch (format.conversion) {
        case 's':
            thrum_snprintf(text, sizeof(text), "%lx", value);
            assert_same_for(&rng, &format, width, precision, text);
            break;
        case 'c':
            assert_same_for(&rng, &format, width, precision, (int)(' ' + value % 90));
            break;
        case 'p': /* libraries differ about NULL */
            assert_same_for(&rng, &format, width, precision, (void *)(value | 1));
            break;
        default:
            if (format.length[0] == 'h' || format.length[0] == '\0')
                assert_same_for(&rng, &format, width, precision, (int)value);
            else
                assert_same_for(&rng, &format, width, precision, value);
        }
    }
}

static void arguments_are_taken_in_order(void **state)
{
    struct rng rng = {1};

    for (int i = 0; i < 100; i++) {
        assert_same_output(&rng, "%d %s %lx %c %hhu %s %lld %5.2s|%-4u|", -1, "two", 3ul, '4',
                           (unsigned char)5, "six", 7ll, "eight", 9u);
    }
}

static void null_and_mistakes_are_shown(void **state)
{
    char text[40];

    thrum_snprintf(text, sizeof(text), "%s", NULL);
    assert_string_equal(text, "(null)");
    thrum_snprintf(text, sizeof(text), "%p", NULL);
    assert_string_equal(text, "0x0");
    thrum_snprintf(text, sizeof(text), "%y|%d", 5);
    assert_string_equal(text, "%y|5");
    thrum_snprintf(text, sizeof(text), "50%");
    assert_string_equal(text, "50%");
}

static void a_string_with_a_precision_needs_no_nul(void **state)
{
    char *bytes = malloc(3);
    char text[8];

    memcpy(bytes, "abc", 3);
    assert_int_equal(thrum_snprintf(text, sizeof(text), "%.3s", bytes), 3);
    assert_string_equal(text, "abc");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_formats_agree_with_the_c_library),
        cmocka_unit_test(arguments_are_taken_in_order),
        cmocka_unit_test(null_and_mistakes_are_shown),
        cmocka_unit_test(a_string_with_a_precision_needs_no_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
