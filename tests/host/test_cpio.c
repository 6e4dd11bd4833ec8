/* The cpio reader: archives of real shape are read, broken ones are refused with a reason. */

#include "host_test.h"

#include <errno.h>

#include <kernel/cpio.h>

#define ARCHIVE_MAX 8192

struct archive {
    uint8_t bytes[ARCHIVE_MAX];
    size_t nr_bytes;
    size_t start; /* of the archive that is being written */
};

static void pad(struct archive *a)
{
    while ((a->nr_bytes - a->start) % 4 != 0)
        a->bytes[a->nr_bytes++] = 0;
}

static void put_entry(struct archive *a, const char *magic, const char *name, unsigned mode,
                      const char *data, unsigned sum)
{
    size_t data_bytes = strlen(data);

    a->nr_bytes += (size_t)sprintf(
        (char *)a->bytes + a->nr_bytes, "%s%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08X",
        magic, 7, mode, 1, 2, 1, 0x5eadbeef, data_bytes, 0, 0, 4, 64, strlen(name) + 1, sum);
    strcpy((char *)a->bytes + a->nr_bytes, name);
    a->nr_bytes += strlen(name) + 1;
    pad(a);
    memcpy(a->bytes + a->nr_bytes, data, data_bytes);
    a->nr_bytes += data_bytes;
    pad(a);
}

static void put_file(struct archive *a, const char *name, const char *data)
{
    put_entry(a, "070701", name, 0100644, data, 0);
}

static void put_trailer(struct archive *a)
{
    put_file(a, "TRAILER!!!", "");
}

static void build(struct archive *a)
{
    memset(a, 0, sizeof(*a));
    put_entry(a, "070701", ".", 040755, "", 0);
    put_file(a, "init", "hello");
    put_file(a, "./bin/sh", "four");
    put_file(a, "/etc/motd", "");
    put_trailer(a);
}

static void assert_entry(struct cpio_reader *r, const char *name, const char *data)
{
    struct cpio_entry entry;

    assert_int_equal(cpio_next(r, &entry), 1);
    assert_string_equal(entry.name, name);
    assert_int_equal(entry.nr_bytes, strlen(data));
    assert_memory_equal(entry.data, data, strlen(data));
}

static void assert_end(struct cpio_reader *r)
{
    struct cpio_entry entry;

    assert_int_equal(cpio_next(r, &entry), 0);
    assert_int_equal(cpio_next(r, &entry), 0);
}

static void assert_refused(struct cpio_reader *r, const char *reason)
{
    struct cpio_entry entry;

    assert_int_equal(cpio_next(r, &entry), -EINVAL);
    assert_non_null(strstr(r->reason, reason));
}

static void entries_come_in_order_with_relative_names(void **state)
{
    struct archive a;
    struct cpio_reader r;

    build(&a);
    cpio_open(&r, a.bytes, a.nr_bytes);
    assert_entry(&r, ".", "");
    assert_entry(&r, "init", "hello");
    assert_entry(&r, "bin/sh", "four");
    assert_entry(&r, "etc/motd", "");
    assert_end(&r);
}

static void all_fields_are_reported(void **state)
{
    struct archive a = {.nr_bytes = 0};
    struct cpio_reader r;
    struct cpio_entry entry;

    put_entry(&a, "070701", "tty", 020666, "", 0);
    put_trailer(&a);
    cpio_open(&r, a.bytes, a.nr_bytes);
    assert_int_equal(cpio_next(&r, &entry), 1);
    assert_int_equal(entry.mode, 020666);
    assert_int_equal(entry.uid, 1);
    assert_int_equal(entry.gid, 2);
    assert_int_equal(entry.inode, 7);
    assert_int_equal(entry.nr_links, 1);
    assert_int_equal(entry.mtime_s, 0x5eadbeef);
    assert_int_equal(entry.device_major, 4);
    assert_int_equal(entry.device_minor, 64);
}

static void archives_follow_each_other_with_zeroes_between(void **state)
{
    for (size_t nr_zeroes = 0; nr_zeroes < 600; nr_zeroes++) {
        struct archive a;
        struct cpio_reader r;

        build(&a);
        a.nr_bytes += nr_zeroes; /* also to a place that is no multiple of four */
        a.start = a.nr_bytes;
        put_file(&a, "second", "x");
        put_trailer(&a);
        a.nr_bytes += nr_zeroes;
        cpio_open(&r, a.bytes, a.nr_bytes);
        for (int i = 0; i < 4; i++) {
            struct cpio_entry entry;

            assert_int_equal(cpio_next(&r, &entry), 1);
        }
        assert_entry(&r, "second", "x");
        assert_end(&r);
    }
}

static void nothing_and_zeroes_are_empty_archives(void **state)
{
    static const uint8_t zeroes[512];
    struct cpio_reader r;

    cpio_open(&r, zeroes, 0);
    assert_end(&r);
    cpio_open(&r, zeroes, sizeof(zeroes));
    assert_end(&r);
}

static void names_that_climb_out_are_refused_one_by_one(void **state)
{
    static const char *const names[] = {"..", "../x", "a/../b", "a/..", "/..", "./../x"};
    struct archive a = {.nr_bytes = 0};
    struct cpio_reader r;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put_file(&a, names[i], "evil");
    put_file(&a, "..a/b../...", "good");
    put_trailer(&a);
    cpio_open(&r, a.bytes, a.nr_bytes);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_refused(&r, "..");
    assert_entry(&r, "..a/b../...", "good");
    assert_end(&r);
}

static void corruption_is_named_and_ends_the_archive(void **state)
{
    struct archive a;
    struct cpio_reader r;

    build(&a);
    a.bytes[0] = 0x1f; /* gzip */
    a.bytes[1] = 0x8b;
    cpio_open(&r, a.bytes, a.nr_bytes);
    assert_refused(&r, "compressed");
    assert_end(&r);

    build(&a);
    a.bytes[20] = 'g';
    cpio_open(&r, a.bytes, a.nr_bytes);
    assert_refused(&r, "hexadecimal");

    memset(&a, 0, sizeof(a));
    put_file(&a, "init", "data");
    cpio_open(&r, a.bytes, a.nr_bytes);
    assert_entry(&r, "init", "data");
    assert_refused(&r, "trailer");
    assert_end(&r);
}

static void checksums_count_where_the_magic_says_so(void **state)
{
    for (unsigned sum = 0; sum < 200; sum++) {
        struct archive a = {.nr_bytes = 0};
        struct cpio_reader r;
        struct cpio_entry entry;

        put_entry(&a, "070702", "a", 0100644, "\1\2\100", sum);
        put_trailer(&a);
        cpio_open(&r, a.bytes, a.nr_bytes);
        assert_int_equal(cpio_next(&r, &entry), sum == 1 + 2 + 64 ? 1 : -EINVAL);
    }
}

/* Reads all of it from a copy of exactly this size, touching every byte that is handed out. */
static void read_all(const uint8_t *bytes, size_t nr_bytes)
{
    uint8_t *copy = malloc(nr_bytes);
    struct cpio_reader r;
    struct cpio_entry entry;
    unsigned nr_entries = 0;
    unsigned sum = 0;
    int result;

    memcpy(copy, bytes, nr_bytes);
    cpio_open(&r, copy, nr_bytes);
    while ((result = cpio_next(&r, &entry)) != 0) {
        assert_true(nr_entries++ < nr_bytes);
        if (result != 1) {
            assert_non_null(r.reason);
            continue;
        }
        assert_true(strlen(entry.name) > 0);
        assert_true(entry.name[0] != '/');
        for (size_t i = 0; i < entry.nr_bytes; i++)
            sum += ((const uint8_t *)entry.data)[i];
    }
    assert_true(sum <= 255 * nr_bytes);
    free(copy);
}

static void it_survives_being_cut_anywhere(void **state)
{
    struct archive a;

    build(&a);
    for (size_t nr_bytes = 0; nr_bytes <= a.nr_bytes; nr_bytes++)
        read_all(a.bytes, nr_bytes);
}

static void it_survives_any_bytes(void **state)
{
    struct archive original, a;

    build(&original);
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng rng = {seed};

        a = original;
        for (uint64_t n = rng_between(&rng, 1, 6); n > 0; n--) {
            static const char digits[] = "0123456789abcdefABCDEF./";
            size_t at = rng_below(&rng, a.nr_bytes);

            a.bytes[at] = rng_one_in(&rng, 4) ? (uint8_t)rng_next(&rng)
                                              : (uint8_t)digits[rng_below(&rng, 24)];
        }
        read_all(a.bytes, a.nr_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_in_order_with_relative_names),
        cmocka_unit_test(all_fields_are_reported),
        cmocka_unit_test(archives_follow_each_other_with_zeroes_between),
        cmocka_unit_test(nothing_and_zeroes_are_empty_archives),
        cmocka_unit_test(names_that_climb_out_are_refused_one_by_one),
        cmocka_unit_test(corruption_is_named_and_ends_the_archive),
        cmocka_unit_test(checksums_count_where_the_magic_says_so),
        cmocka_unit_test(it_survives_being_cut_anywhere),
        cmocka_unit_test(it_survives_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
