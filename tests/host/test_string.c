/*
 * kernel/lib/string.c against the C library's functions, over random strings. Each string ends
 * right before the end of a heap block, so that ASan sees any read past it.
 */

#include "host_test.h"

size_t thrum_strlen(const char *s);
size_t thrum_strnlen(const char *s, size_t max);
int thrum_strcmp(const char *a, const char *b);
int thrum_strncmp(const char *a, const char *b, size_t max);
char *thrum_strchr(const char *s, int c);
size_t thrum_strlcpy(char *to, const char *from, size_t size);

#define LENGTH_MAX 20

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* A few different bytes, so that strings often share a beginning; 0xff tells signed from not. */
static char *random_string(struct rng *rng)
{
    size_t length = rng_below(rng, LENGTH_MAX + 1);
    char *s = malloc(length + 1);

    for (size_t i = 0; i < length; i++)
        s[i] = "ab\xff"[rng_below(rng, 3)];
    s[length] = '\0';
    return s;
}

static void agrees_with_the_c_library(void **state)
{
    struct rng rng = {1};

    for (int i = 0; i < 20000; i++) {
        char *a = random_string(&rng);
        char *b = random_string(&rng);
        size_t max = rng_below(&rng, LENGTH_MAX + 3);
        int c = "ab\xff\0x"[rng_below(&rng, 5)];

        assert_int_equal(thrum_strlen(a), strlen(a));
        assert_int_equal(thrum_strnlen(a, max), strnlen(a, max));
        assert_int_equal(sign(thrum_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(thrum_strncmp(a, b, max)), sign(strncmp(a, b, max)));
        assert_ptr_equal(thrum_strchr(a, c), strchr(a, c));
        free(a);
        free(b);
    }
}

static void strnlen_reads_no_further_than_told(void **state)
{
    char *bytes = malloc(4);

    memset(bytes, 'x', 4);
    assert_int_equal(thrum_strnlen(bytes, 4), 4);
    assert_int_equal(thrum_strncmp(bytes, bytes, 4), 0);
    free(bytes);
}

static void strlcpy_cuts_and_says_so(void **state)
{
    char to[6];

    for (size_t size = 1; size <= sizeof(to); size++) {
        memset(to, '#', sizeof(to));
        assert_int_equal(thrum_strlcpy(to, "four", size), 4);
        assert_int_equal(strlen(to), MIN(size - 1, 4u));
        assert_memory_equal(to, "four", strlen(to));
        for (size_t i = strlen(to) + 1; i < sizeof(to); i++)
            assert_int_equal(to[i], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(strnlen_reads_no_further_than_told),
        cmocka_unit_test(strlcpy_cuts_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
