/* From the firmware's memory map to clean free ranges: checked byte by byte against a model. */

#include "host_test.h"

#include <kernel/bootinfo.h>

#define OUT_MAX 64

static struct boot_range out[OUT_MAX];

static void assert_range(size_t i, paddr_t start, paddr_t end)
{
    assert_int_equal(out[i].start, start);
    assert_int_equal(out[i].end, end);
}

static void ram_is_sorted_and_merged(void **state)
{
    const struct boot_range ram[] = {
        {0x8000, 0xa000}, {0x1000, 0x3000}, {0x2000, 0x5000}, {0xa000, 0xb000}};
    size_t n = physmap_build(ram, ARRAY_LEN(ram), NULL, 0, GIB(1), out, OUT_MAX);

    assert_int_equal(n, 2);
    assert_range(0, 0x1000, 0x5000);
    assert_range(1, 0x8000, 0xb000);
}

static void a_page_with_one_reserved_byte_is_not_free(void **state)
{
    const struct boot_range ram[] = {{0, 0x10000}};
    const struct boot_range reserved[] = {{0x5fff, 0x6001}, {0x8800, 0x8801}};
    size_t n = physmap_build(ram, 1, reserved, 2, GIB(1), out, OUT_MAX);

    assert_int_equal(n, 3);
    assert_range(0, 0, 0x5000);
    assert_range(1, 0x7000, 0x8000);
    assert_range(2, 0x9000, 0x10000);
}

static void pieces_that_meet_inside_a_page_make_it_whole(void **state)
{
    const struct boot_range ram[] = {{0x1000, 0x1800}, {0x1800, 0x2900}};
    size_t n = physmap_build(ram, 2, NULL, 0, GIB(1), out, OUT_MAX);

    assert_int_equal(n, 1);
    assert_range(0, 0x1000, 0x2000);
}

static void nonsense_is_dropped_and_the_top_is_clipped(void **state)
{
    const struct boot_range ram[] = {
        {0x5000, 0x5000}, {0x9000, 0x8000}, {GIB(2), GIB(3)}, {0x1000, UINT64_MAX}};
    const struct boot_range reserved[] = {{0x7000, 0x7000}, {MIB(512), 0x1000}};
    size_t n = physmap_build(ram, ARRAY_LEN(ram), reserved, 2, GIB(1), out, OUT_MAX);

    /* The reservation that wraps takes everything from its start up. */
    assert_int_equal(n, 1);
    assert_range(0, 0x1000, MIB(512));
}

static void the_smallest_ranges_are_dropped_when_there_is_no_room(void **state)
{
    const struct boot_range ram[] = {
        {0x1000, 0x5000}, {0x10000, 0x11000}, {0x20000, 0x28000}, {0x30000, 0x33000}};
    size_t n = physmap_build(ram, ARRAY_LEN(ram), NULL, 0, GIB(1), out, 2);

    assert_int_equal(n, 2);
    assert_range(0, 0x1000, 0x5000);
    assert_range(1, 0x20000, 0x28000);
    assert_int_equal(physmap_build(ram, ARRAY_LEN(ram), NULL, 0, GIB(1), out, 0), 0);
}

/* The model: one flag for each quarter of a page. */
#define UNIT       1024
#define NR_UNITS   256
#define UNITS_PAGE (PAGE_SIZE / UNIT)

static void mark(bool *units, const struct boot_range *ranges, size_t nr, bool value)
{
    for (size_t i = 0; i < nr; i++) {
        for (paddr_t p = ranges[i].start; p < ranges[i].end && p / UNIT < NR_UNITS; p += UNIT)
            units[p / UNIT] = value;
    }
}

static void random_ranges(struct rng *rng, struct boot_range *ranges, size_t nr)
{
    for (size_t i = 0; i < nr; i++) {
        ranges[i].start = rng_below(rng, NR_UNITS) * UNIT;
        ranges[i].end = ranges[i].start + rng_below(rng, NR_UNITS / 6) * UNIT;
    }
}

static void random_maps_agree_with_the_model(void **state)
{
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng rng = {seed};
        struct boot_range ram[8], reserved[8];
        size_t nr_ram = rng_below(&rng, 9), nr_reserved = rng_below(&rng, 9);
        paddr_t max_paddr = rng_between(&rng, NR_UNITS / 2, NR_UNITS) * UNIT;
        bool units[NR_UNITS] = {false}, pages[NR_UNITS / UNITS_PAGE] = {false};
        size_t n;

        random_ranges(&rng, ram, nr_ram);
        random_ranges(&rng, reserved, nr_reserved);
        mark(units, ram, nr_ram, true);
        mark(units, reserved, nr_reserved, false);
        n = physmap_build(ram, nr_ram, reserved, nr_reserved, max_paddr, out, OUT_MAX);

        for (size_t i = 0; i < n; i++) {
            assert_true(out[i].start < out[i].end && out[i].end <= max_paddr);
            assert_true(IS_ALIGNED(out[i].start | out[i].end, PAGE_SIZE));
            assert_true(i == 0 || out[i - 1].end < out[i].start);
            for (paddr_t p = out[i].start; p < out[i].end; p += PAGE_SIZE)
                pages[p / PAGE_SIZE] = true;
        }
        for (size_t page = 0; page < ARRAY_LEN(pages); page++) {
            bool is_free = (page + 1) * PAGE_SIZE <= max_paddr;

            for (size_t u = 0; u < UNITS_PAGE; u++)
                is_free &= units[page * UNITS_PAGE + u];
            assert_int_equal(pages[page], is_free);
        }
    }
}

static void any_numbers_terminate(void **state)
{
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct rng rng = {seed};
        struct boot_range ram[32], reserved[32];
        size_t n;

        for (size_t i = 0; i < 32; i++) {
            ram[i] = (struct boot_range){rng_next(&rng), rng_next(&rng)};
            reserved[i] = (struct boot_range){rng_next(&rng), rng_next(&rng)};
        }
        n = physmap_build(ram, 32, reserved, rng_below(&rng, 33), UINT64_MAX, out, OUT_MAX);
        for (size_t i = 0; i < n; i++)
            assert_true(out[i].start < out[i].end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ram_is_sorted_and_merged),
        cmocka_unit_test(a_page_with_one_reserved_byte_is_not_free),
        cmocka_unit_test(pieces_that_meet_inside_a_page_make_it_whole),
        cmocka_unit_test(nonsense_is_dropped_and_the_top_is_clipped),
        cmocka_unit_test(the_smallest_ranges_are_dropped_when_there_is_no_room),
        cmocka_unit_test(random_maps_agree_with_the_model),
        cmocka_unit_test(any_numbers_terminate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
