/* The multiboot2 information: what a loader says is understood, and lies do no harm. */

#include "host_test.h"

#include <errno.h>

#include <kernel/bootinfo.h>
#include <kernel/log.h>

#define INFO_PADDR 0x10000
#define INFO_MAX   8192

static unsigned nr_warnings;

void log_write(enum log_level level, const char *fmt, ...)
{
    nr_warnings += level == LOG_WARN;
}

/* An information structure that is being built. */
struct builder {
    uint8_t bytes[INFO_MAX];
    size_t nr_bytes;
};

static struct boot_info info;

static void put(struct builder *b, const void *bytes, size_t nr_bytes)
{
    assert_true(b->nr_bytes + nr_bytes <= INFO_MAX);
    memcpy(b->bytes + b->nr_bytes, bytes, nr_bytes);
    b->nr_bytes += nr_bytes;
}

static void put32(struct builder *b, uint32_t value)
{
    put(b, &value, 4);
}

static void put64(struct builder *b, uint64_t value)
{
    put(b, &value, 8);
}

static void begin(struct builder *b)
{
    memset(b, 0, sizeof(*b));
    b->nr_bytes = 8;
}

static void put_tag(struct builder *b, uint32_t type, const void *contents, size_t nr_bytes)
{
    put32(b, type);
    put32(b, (uint32_t)nr_bytes + 8);
    put(b, contents, nr_bytes);
    b->nr_bytes = ROUND_UP(b->nr_bytes, 8);
}

static void put_string(struct builder *b, uint32_t type, const char *string)
{
    put_tag(b, type, string, strlen(string) + 1);
}

static void put_module(struct builder *b, uint32_t start, uint32_t end, const char *words)
{
    struct builder c = {.nr_bytes = 0};

    put32(&c, start);
    put32(&c, end);
    put(&c, words, strlen(words) + 1);
    put_tag(b, 3, c.bytes, c.nr_bytes);
}

static void put_map_entry(struct builder *b, uint64_t base, uint64_t nr_bytes, uint32_t type)
{
    put64(b, base);
    put64(b, nr_bytes);
    put32(b, type);
    put32(b, 0);
}

static void put_framebuffer(struct builder *b, uint64_t base, uint32_t pitch, uint32_t width,
                            uint32_t height, uint8_t bits, uint8_t type)
{
    static const uint8_t masks[] = {16, 8, 8, 8, 0, 8, 0, 0};
    struct builder c = {.nr_bytes = 0};
    uint8_t kind[4] = {bits, type, 0, 0};

    put64(&c, base);
    put32(&c, pitch);
    put32(&c, width);
    put32(&c, height);
    put(&c, kind, sizeof(kind));
    put(&c, masks, sizeof(masks));
    put_tag(b, 8, c.bytes, c.nr_bytes);
}

struct section {
    uint32_t type;
    uint64_t start, nr_bytes;
    uint32_t link; /* index of another section */
};

enum { SECTION_PROGBITS = 1, SECTION_SYMTAB = 2, SECTION_STRTAB = 3 };

/* The tag says that there are `nr` sections, each of `entry_bytes`; the table has nr_there. */
static void put_sections(struct builder *b, uint32_t nr, uint32_t entry_bytes,
                         const struct section *sections, size_t nr_there)
{
    struct builder c = {.nr_bytes = 0};

    put32(&c, nr);
    put32(&c, entry_bytes);
    put32(&c, 0);
    for (size_t i = 0; i < nr_there; i++) {
        put32(&c, 0); /* name */
        put32(&c, sections[i].type);
        put64(&c, 0); /* flags */
        put64(&c, sections[i].start);
        put64(&c, 0); /* offset in the file */
        put64(&c, sections[i].nr_bytes);
        put32(&c, sections[i].link);
        put32(&c, 0);  /* info */
        put64(&c, 8);  /* alignment */
        put64(&c, 24); /* bytes of an entry */
    }
    put_tag(b, 9, c.bytes, c.nr_bytes);
}

/* Adds the end tag and the total size. */
static void finish(struct builder *b)
{
    uint32_t total;

    put_tag(b, 0, "", 0);
    total = (uint32_t)b->nr_bytes;
    memcpy(b->bytes, &total, 4);
}

/* Parses a copy of exactly the right size, so that ASan sees every byte read beyond it. */
static int parse(const uint8_t *bytes, size_t nr_bytes)
{
    uint8_t *copy = malloc(nr_bytes + 1);
    int error;

    nr_warnings = 0;
    memcpy(copy + 1, bytes, nr_bytes); /* at an odd address */
    error = multiboot2_parse(copy + 1, nr_bytes, INFO_PADDR, &info);
    free(copy);
    return error;
}

static const struct section typical_sections[] = {
    {0, 0, 0, 0},
    {SECTION_PROGBITS, 0x100000, 0x8000, 0},
    {SECTION_SYMTAB, 0x110000, 0x3000, 3},
    {SECTION_STRTAB, 0x113000, 0x1234, 0},
};

/* What GRUB hands over on a PC, more or less. */
static void build_typical(struct builder *b)
{
    static const uint8_t rsdp[36] = "RSD PTR ";
    struct builder map = {.nr_bytes = 0};
    uint32_t basic[2] = {639, 64512};

    begin(b);
    put_string(b, 1, "sched=mlfq \"init=/bin/a b\" quiet");
    put_string(b, 2, "GRUB 2.06");
    put_module(b, 0x200000, 0x345678, "initrd.cpio extra words");
    put_tag(b, 4, basic, sizeof(basic));
    put32(&map, 24);
    put32(&map, 0);
    put_map_entry(&map, 0, 0x9fc00, 1);
    put_map_entry(&map, 0x9f000, 0x61000, 2);
    put_map_entry(&map, 0x100000, 0x7ee0000, 1);
    put_map_entry(&map, 0x7fe0000, 0x20000, 3);
    put_map_entry(&map, 0xfffc0000, 0x40000, 2);
    put_tag(b, 6, map.bytes, map.nr_bytes);
    put_framebuffer(b, 0xfd000000, 1024 * 4, 1024, 768, 32, 1);
    put_tag(b, 14, rsdp, 20);
    put_tag(b, 15, rsdp, 36);
    put_sections(b, 4, 64, typical_sections, ARRAY_LEN(typical_sections));
    finish(b);
}

static bool is_reserved(paddr_t start, paddr_t end)
{
    for (size_t i = 0; i < info.nr_reserved; i++) {
        if (info.reserved[i].start <= start && end <= info.reserved[i].end)
            return true;
    }
    return false;
}

static void a_typical_structure_is_understood(void **state)
{
    struct builder b;

    build_typical(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
    assert_int_equal(nr_warnings, 0);
    assert_string_equal(info.cmdline, "sched=mlfq \"init=/bin/a b\" quiet");
    assert_string_equal(info.loader, "GRUB 2.06");
    assert_int_equal(info.nr_modules, 1);
    assert_string_equal(info.modules[0].name, "initrd.cpio");
    assert_int_equal(info.modules[0].range.end, 0x345678);
    assert_int_equal(info.nr_ram, 2);
    assert_int_equal(info.ram[1].start, 0x100000);
    assert_int_equal(info.ram[1].end, 0x7fe0000);
    assert_int_equal(info.framebuffer.kind, BOOT_FB_RGB);
    assert_int_equal(info.framebuffer.red_shift, 16);
    assert_int_equal(info.framebuffer.green_bits, 8);
}

static void modules_the_structure_and_overlaps_are_reserved_and_device_holes_are_not(void **state)
{
    struct builder b;

    build_typical(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
    assert_true(is_reserved(0x200000, 0x345678));
    assert_true(is_reserved(INFO_PADDR, INFO_PADDR + b.nr_bytes));
    assert_true(is_reserved(0x9f000, 0x100000));
    assert_true(is_reserved(0x110000, 0x113000));
    assert_true(is_reserved(0x113000, 0x114234));
    assert_int_equal(info.nr_reserved, 5);
}

static void the_kernels_symbols_are_found_among_its_sections(void **state)
{
    struct builder b;

    build_typical(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
    assert_int_equal(info.symbols.start, 0x110000);
    assert_int_equal(info.symbols.end, 0x113000);
    assert_int_equal(info.symbol_names.start, 0x113000);
    assert_int_equal(info.symbol_names.end, 0x114234);
}

/* Parses a structure that has these sections and nothing else. */
static void parse_sections(uint32_t nr, uint32_t entry_bytes, const struct section *sections,
                           size_t nr_there)
{
    struct builder b;

    begin(&b);
    put_sections(&b, nr, entry_bytes, sections, nr_there);
    finish(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
}

static void assert_no_symbols(void)
{
    assert_int_equal(info.symbols.end, 0);
    assert_int_equal(info.symbol_names.end, 0);
    assert_int_equal(info.nr_reserved, 1); /* the information itself */
}

static void section_tables_of_an_impossible_shape_are_passed_over(void **state)
{
    static const struct {
        uint32_t nr, entry_bytes;
    } shapes[] = {
        {4, 0},          {4, 1},  {4, 40}, {4, 63},        {4, 65},
        {4, UINT32_MAX}, {0, 64}, {5, 64}, {1u << 26, 64}, {UINT32_MAX, 64},
    };

    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        parse_sections(shapes[i].nr, shapes[i].entry_bytes, typical_sections,
                       ARRAY_LEN(typical_sections));
        assert_no_symbols();
    }
    parse_sections(0, 64, NULL, 0);
    assert_no_symbols();
}

static void a_tag_too_short_for_its_header_has_no_sections(void **state)
{
    for (size_t nr_bytes = 0; nr_bytes < 12; nr_bytes++) {
        struct builder b;

        begin(&b);
        put_tag(&b, 9, "\1\0\0\0\100\0\0\0\0\0\0", nr_bytes);
        finish(&b);
        assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
        assert_no_symbols();
    }
}

static void symbols_where_none_can_be_are_passed_over(void **state)
{
    static const struct section symbols[] = {
        {SECTION_SYMTAB, 0, 0x3000, 1},               /* not loaded */
        {SECTION_SYMTAB, 0x110000, 0, 1},             /* empty */
        {SECTION_SYMTAB, 0x110000, MIB(16) + 1, 1},   /* too large */
        {SECTION_SYMTAB, 0x110000, UINT64_MAX, 1},    /* wraps */
        {SECTION_SYMTAB, GIB(4) - 0x1000, 0x3000, 1}, /* beyond what the loader can reach */
        {SECTION_SYMTAB, UINT64_MAX - 0xfff, 0x3000, 1},
        {SECTION_PROGBITS, 0x110000, 0x3000, 1}, /* no symbols */
        {SECTION_SYMTAB, 0x110000, 0x3000, 2},   /* no such section for the names */
        {SECTION_SYMTAB, 0x110000, 0x3000, UINT32_MAX},
    };
    struct section table[2] = {[1] = {SECTION_STRTAB, 0x113000, 0x1000, 0}};

    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        table[0] = symbols[i];
        parse_sections(2, 64, table, 2);
        assert_no_symbols();
    }
    table[0] = (struct section){SECTION_SYMTAB, 0x110000, 0x3000, 1};
    for (size_t i = 0; i < 6; i++) { /* the same wrong places, for the names */
        table[1] = (struct section){SECTION_STRTAB, symbols[i].start, symbols[i].nr_bytes, 0};
        parse_sections(2, 64, table, 2);
        assert_no_symbols();
    }
}

static void the_new_rsdp_is_preferred_in_any_order(void **state)
{
    static const uint8_t rsdp[36] = "RSD PTR ";
    struct builder b;

    for (int new_first = 0; new_first < 2; new_first++) {
        size_t new_at, old_at;

        begin(&b);
        if (!new_first)
            put_tag(&b, 14, rsdp, 20);
        new_at = b.nr_bytes + 8;
        put_tag(&b, 15, rsdp, 36);
        old_at = b.nr_bytes + 8;
        if (new_first)
            put_tag(&b, 14, rsdp, 20);
        finish(&b);
        assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
        assert_int_equal(info.rsdp, INFO_PADDR + new_at);
        assert_int_not_equal(info.rsdp, INFO_PADDR + old_at);
    }
}

static void basic_sizes_serve_when_there_is_no_map(void **state)
{
    uint32_t basic[2] = {639, 64512};
    struct builder b;

    begin(&b);
    put_tag(&b, 4, basic, sizeof(basic));
    finish(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
    assert_int_equal(info.nr_ram, 2);
    assert_int_equal(info.ram[0].end, 639 * 1024);
    assert_int_equal(info.ram[1].end, MIB(64));
}

static void a_map_with_impossible_entries_is_not_used(void **state)
{
    static const uint32_t entry_bytes[] = {0, 1, 23, 4096, UINT32_MAX};

    for (size_t i = 0; i < ARRAY_LEN(entry_bytes); i++) {
        struct builder b, map = {.nr_bytes = 0};

        begin(&b);
        put32(&map, entry_bytes[i]);
        put32(&map, 0);
        put_map_entry(&map, 0, 0x9fc00, 1);
        put_tag(&b, 6, map.bytes, map.nr_bytes);
        finish(&b);
        assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
        assert_int_equal(info.nr_ram, 0);
        assert_int_equal(nr_warnings, 1);
    }
}

static void when_the_table_of_reservations_is_full_none_is_lost(void **state)
{
    static struct builder b;
    struct builder map = {.nr_bytes = 0};

    begin(&b);
    put32(&map, 24);
    put32(&map, 0);
    put_map_entry(&map, 0, GIB(1), 1);
    for (unsigned i = 0; i < 300; i++)
        put_map_entry(&map, MIB(1) + i * MIB(2), 4096, 2);
    put_tag(&b, 6, map.bytes, map.nr_bytes);
    finish(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
    assert_int_equal(info.nr_reserved, BOOT_RANGES_MAX);
    for (unsigned i = 0; i < 300; i++)
        assert_true(is_reserved(MIB(1) + i * MIB(2), MIB(1) + i * MIB(2) + 4096));
}

static void text_screens_are_known_and_odd_framebuffers_refused(void **state)
{
    static const struct {
        uint64_t base;
        uint32_t pitch, width, height;
        uint8_t bits, type;
        int kind;
    } cases[] = {
        {0xb8000, 160, 80, 25, 16, 2, BOOT_FB_TEXT},
        {0xa0000, 160, 80, 25, 16, 2, BOOT_FB_TEXT},
        {0xb8000, 264, 132, 50, 16, 2, BOOT_FB_TEXT},
        {0xbf060, 160, 80, 25, 16, 2, BOOT_FB_TEXT}, /* to the last byte of the window */
        {0xbf062, 160, 80, 25, 16, 2, BOOT_FB_NONE},
        {0xb8000, 159, 80, 25, 16, 2, BOOT_FB_NONE},
        {0xb8000, 131072, 80, 25, 16, 2, BOOT_FB_NONE},
        {0xb8000, UINT32_MAX, 80, 25, 16, 2, BOOT_FB_NONE},
        {0xb8000, 160, 80, 0, 16, 2, BOOT_FB_NONE},
        {0, 160, 80, 25, 16, 2, BOOT_FB_NONE},
        {0x9fffe, 160, 80, 25, 16, 2, BOOT_FB_NONE},
        {0x100000, 160, 80, 25, 16, 2, BOOT_FB_NONE},
        {0xfffffffffffff000, 160, 80, 25, 16, 2, BOOT_FB_NONE}, /* it would wrap */
        {0xfd000000, 4096, 1024, 768, 32, 1, BOOT_FB_RGB},
        {0xfd000000, 3072, 1024, 768, 24, 1, BOOT_FB_RGB},
        {0xfd000000, 131072, 16384, 768, 32, 1, BOOT_FB_RGB},
        {0xfd000000, 131073, 16384, 768, 32, 1, BOOT_FB_NONE},
        {0xfd000000, 131072, 16385, 768, 32, 1, BOOT_FB_NONE},
        {0xfd000000, 1024, 1024, 768, 8, 0, BOOT_FB_NONE},
        {0xfd000000, 100, 1024, 768, 32, 1, BOOT_FB_NONE},
        {0xfd000000, 4096, 0, 768, 32, 1, BOOT_FB_NONE},
        {0xfd000000, 4096, 1024, 0, 32, 1, BOOT_FB_NONE},
        {0xfd000000, 4096, 1024, 768, 64, 1, BOOT_FB_NONE},
        {0xfd000000, 2048, 1024, 768, 16, 1, BOOT_FB_NONE}, /* its masks are those of 24 bits */
        {0, 4096, 1024, 768, 32, 1, BOOT_FB_NONE},
        {0xfffffffffff00000, 4096, 1024, 768, 32, 1, BOOT_FB_NONE},
        {0xfd000000, UINT32_MAX, UINT32_MAX, UINT32_MAX, 32, 1, BOOT_FB_NONE},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct builder b;

        begin(&b);
        put_framebuffer(&b, cases[i].base, cases[i].pitch, cases[i].width, cases[i].height,
                        cases[i].bits, cases[i].type);
        finish(&b);
        assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
        assert_int_equal(info.framebuffer.kind, cases[i].kind);
    }
}

static void what_is_too_long_is_cut_with_a_warning(void **state)
{
    static char line[BOOT_CMDLINE_MAX + 100];
    struct builder b;

    memset(line, 'x', sizeof(line) - 1);
    begin(&b);
    put_string(&b, 1, line);
    finish(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
    assert_int_equal(strlen(info.cmdline), BOOT_CMDLINE_MAX - 1);
    assert_int_equal(nr_warnings, 1);
}

static void more_modules_than_have_room_are_still_reserved(void **state)
{
    struct builder b;

    begin(&b);
    for (uint32_t i = 0; i < 20; i++)
        put_module(&b, i << 20, (i << 20) + 100, "module");
    put_module(&b, 500, 400, "backwards");
    finish(&b);
    assert_int_equal(parse(b.bytes, b.nr_bytes), 0);
    assert_int_equal(info.nr_modules, BOOT_MODULES_MAX);
    for (uint32_t i = 0; i < 20; i++)
        assert_true(is_reserved(i << 20, (i << 20) + 100));
}

static void what_is_no_structure_at_all_is_refused(void **state)
{
    static const uint8_t zeroes[64];

    for (size_t nr_bytes = 0; nr_bytes < sizeof(zeroes); nr_bytes++)
        assert_int_equal(parse(zeroes, nr_bytes), -EINVAL);
}

/* What must hold whatever was parsed. */
static void assert_sane(void)
{
    assert_true(info.nr_ram <= BOOT_RANGES_MAX);
    assert_true(info.nr_reserved <= BOOT_RANGES_MAX);
    assert_true(info.nr_modules <= BOOT_MODULES_MAX);
    assert_true(strnlen(info.cmdline, BOOT_CMDLINE_MAX) < BOOT_CMDLINE_MAX);
    assert_true(strnlen(info.loader, BOOT_NAME_MAX) < BOOT_NAME_MAX);
    for (size_t i = 0; i < info.nr_ram; i++)
        assert_true(info.ram[i].start <= info.ram[i].end);
    assert_true(info.symbols.start <= info.symbols.end);
    assert_true(info.symbol_names.start <= info.symbol_names.end);
    assert_true((info.symbols.end == 0) == (info.symbol_names.end == 0));
    for (size_t i = 0; i < info.nr_modules; i++)
        assert_true(strnlen(info.modules[i].name, BOOT_NAME_MAX) < BOOT_NAME_MAX);
}

static void it_survives_being_cut_anywhere(void **state)
{
    struct builder b;

    build_typical(&b);
    for (size_t nr_bytes = 0; nr_bytes < b.nr_bytes; nr_bytes++) {
        if (parse(b.bytes, nr_bytes) == 0)
            assert_sane();
    }
}

static void it_survives_any_bytes(void **state)
{
    struct builder typical, b;

    build_typical(&typical);
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct rng rng = {seed};

        b = typical;
        for (uint64_t n = rng_between(&rng, 1, 12); n > 0; n--) {
            size_t at = rng_below(&rng, b.nr_bytes);

            b.bytes[at] = rng_one_in(&rng, 3) ? 0xff : (uint8_t)rng_next(&rng);
        }
        if (parse(b.bytes, b.nr_bytes) == 0)
            assert_sane();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_typical_structure_is_understood),
        cmocka_unit_test(modules_the_structure_and_overlaps_are_reserved_and_device_holes_are_not),
        cmocka_unit_test(the_kernels_symbols_are_found_among_its_sections),
        cmocka_unit_test(section_tables_of_an_impossible_shape_are_passed_over),
        cmocka_unit_test(a_tag_too_short_for_its_header_has_no_sections),
        cmocka_unit_test(symbols_where_none_can_be_are_passed_over),
        cmocka_unit_test(the_new_rsdp_is_preferred_in_any_order),
        cmocka_unit_test(basic_sizes_serve_when_there_is_no_map),
        cmocka_unit_test(a_map_with_impossible_entries_is_not_used),
        cmocka_unit_test(when_the_table_of_reservations_is_full_none_is_lost),
        cmocka_unit_test(text_screens_are_known_and_odd_framebuffers_refused),
        cmocka_unit_test(what_is_too_long_is_cut_with_a_warning),
        cmocka_unit_test(more_modules_than_have_room_are_still_reserved),
        cmocka_unit_test(what_is_no_structure_at_all_is_refused),
        cmocka_unit_test(it_survives_being_cut_anywhere),
        cmocka_unit_test(it_survives_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
