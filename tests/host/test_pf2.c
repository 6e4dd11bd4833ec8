/* GRUB's fonts: the real one draws letters, broken ones draw nothing and do no harm. */

#include "host_test.h"

#include <errno.h>

#include "pf2.h"

static uint8_t *real;
static size_t real_bytes;

/* The distribution's font; tests that need it are skipped where it is missing. */
static int load_real(void **state)
{
    FILE *file = fopen(FONT_PATH, "rb");

    if (file == NULL)
        return 0;
    real = malloc(1 << 20);
    real_bytes = fread(real, 1, 1 << 20, file);
    fclose(file);
    return 0;
}

static int free_real(void **state)
{
    free(real);
    return 0;
}

static void the_real_font_draws_an_upright_letter(void **state)
{
    /* The letter L: a bar on the left, and a foot that is wider. */
    struct pf2_font font;
    uint8_t rows[PF2_CELL_HEIGHT];
    int first = -1, last = -1;

    if (real == NULL)
        skip();
    assert_int_equal(pf2_open(&font, real, real_bytes), 0);
    assert_true(pf2_draw(&font, 'L', rows));
    for (int row = 0; row < PF2_CELL_HEIGHT; row++) {
        if (rows[row] == 0)
            continue;
        if (first < 0)
            first = row;
        last = row;
    }
    assert_true(first > 0 && last > first + 5 && last < PF2_CELL_HEIGHT - 1);
    for (int row = first; row < last; row++)
        assert_int_equal(rows[row], rows[first]);
    assert_true(rows[last] != rows[first] && (rows[last] & rows[first]) == rows[first]);
}

static void the_real_font_has_all_of_ascii(void **state)
{
    struct pf2_font font;
    uint8_t rows[PF2_CELL_HEIGHT], blank[PF2_CELL_HEIGHT] = {0};

    if (real == NULL)
        skip();
    assert_int_equal(pf2_open(&font, real, real_bytes), 0);
    for (uint32_t c = ' '; c <= '~'; c++) {
        assert_true(pf2_draw(&font, c, rows));
        assert_int_equal(memcmp(rows, blank, sizeof(rows)) == 0, c == ' ');
    }
    assert_false(pf2_draw(&font, 0x10ffff, rows));
    assert_memory_equal(rows, blank, sizeof(rows));
}

/* A font with one glyph, "A", of 2x2 pixels whose corner is at (1, 0): bits 1 0 / 0 1. */
static const uint8_t tiny[] = {
    'F',  'I',  'L', 'E', 0, 0, 0,  4,   'P', 'F', 'F', '2', 'A',  'S',  'C',
    'E',  0,    0,   0,   2, 0, 14, 'C', 'H', 'I', 'X', 0,   0,    0,    9,
    0,    0,    0,   'A', 0, 0, 0,  0,   47,  'D', 'A', 'T', 'A',  0xff, 0xff,
    0xff, 0xff, 0,   2,   0, 2, 0,  1,   0,   0,   0,   8,   0x90,
};

static void a_glyph_stands_on_the_base_line(void **state)
{
    struct pf2_font font;
    uint8_t rows[PF2_CELL_HEIGHT];

    assert_int_equal(pf2_open(&font, tiny, sizeof(tiny)), 0);
    assert_true(pf2_draw(&font, 'A', rows));
    for (int row = 0; row < PF2_CELL_HEIGHT; row++)
        assert_int_equal(rows[row], row == 12 ? 0x40 : row == 13 ? 0x20 : 0);
    assert_false(pf2_draw(&font, 'B', rows));
}

static void what_is_no_font_is_refused(void **state)
{
    struct pf2_font font;
    uint8_t broken[sizeof(tiny)];

    memcpy(broken, tiny, sizeof(tiny));
    broken[11] = '3';
    assert_int_equal(pf2_open(&font, broken, sizeof(broken)), -EINVAL);
    assert_int_equal(pf2_open(&font, "FILE", 4), -EINVAL);
    assert_int_equal(pf2_open(&font, tiny, 22), -EINVAL); /* no index */
}

/* Opens a copy of exactly this size and draws everything that might be in it. */
static void exercise(const uint8_t *bytes, size_t nr_bytes, uint32_t last)
{
    uint8_t *copy = malloc(nr_bytes);
    uint8_t rows[PF2_CELL_HEIGHT];
    struct pf2_font font;

    memcpy(copy, bytes, nr_bytes);
    if (pf2_open(&font, copy, nr_bytes) == 0) {
        for (uint32_t c = 0; c < last; c++)
            pf2_draw(&font, c, rows);
        pf2_draw(&font, 0x2500, rows);
    }
    free(copy);
}

static void mutate(const uint8_t *bytes, size_t nr_bytes, unsigned nr_seeds, uint32_t last)
{
    uint8_t *copy = malloc(nr_bytes);

    for (uint64_t seed = 0; seed < nr_seeds; seed++) {
        struct rng rng = {seed};

        memcpy(copy, bytes, nr_bytes);
        for (uint64_t n = rng_between(&rng, 1, 8); n > 0; n--)
            copy[rng_below(&rng, nr_bytes)] = rng_one_in(&rng, 3) ? 0xff : (uint8_t)rng_next(&rng);
        exercise(copy, rng_one_in(&rng, 4) ? rng_below(&rng, nr_bytes) : nr_bytes, last);
    }
    free(copy);
}

static void it_survives_any_bytes(void **state)
{
    for (size_t nr_bytes = 0; nr_bytes <= sizeof(tiny); nr_bytes++)
        exercise(tiny, nr_bytes, 128);
    mutate(tiny, sizeof(tiny), 20000, 128);
}

static void it_survives_a_damaged_real_font(void **state)
{
    if (real == NULL)
        skip();
    mutate(real, MIN(real_bytes, (size_t)8192), 2000, 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_font_draws_an_upright_letter),
        cmocka_unit_test(the_real_font_has_all_of_ascii),
        cmocka_unit_test(a_glyph_stands_on_the_base_line),
        cmocka_unit_test(what_is_no_font_is_refused),
        cmocka_unit_test(it_survives_any_bytes),
        cmocka_unit_test(it_survives_a_damaged_real_font),
    };
    return cmocka_run_group_tests(tests, load_real, free_real);
}
