/* The firmware's tables: hand-made ones are understood, damaged ones do no harm. */

#include "host_test.h"

#include <errno.h>

#include "tables.h"

#define TABLE_MAX 1024

struct table {
    uint8_t bytes[TABLE_MAX];
    size_t nr_bytes;
};

static void put(struct table *t, size_t offset, uint64_t value, size_t nr_bytes)
{
    assert_true(offset + nr_bytes <= TABLE_MAX);
    memcpy(t->bytes + offset, &value, nr_bytes);
    t->nr_bytes = MAX(t->nr_bytes, offset + nr_bytes);
}

static void append(struct table *t, const void *bytes, size_t nr_bytes)
{
    assert_true(t->nr_bytes + nr_bytes <= TABLE_MAX);
    memcpy(t->bytes + t->nr_bytes, bytes, nr_bytes);
    t->nr_bytes += nr_bytes;
}

/* Makes the first nr_bytes add up to 0 through the byte at `offset`. */
static void fix_checksum(struct table *t, size_t offset, size_t nr_bytes)
{
    uint8_t sum = 0;

    t->bytes[offset] = 0;
    for (size_t i = 0; i < nr_bytes; i++)
        sum = (uint8_t)(sum + t->bytes[i]);
    t->bytes[offset] = (uint8_t)-sum;
}

/* --- RSDP ------------------------------------------------------------------------------------- */

static struct table make_rsdp(uint8_t revision)
{
    struct table t = {.nr_bytes = 0};

    append(&t, "RSD PTR \0OEMID.", 15);
    put(&t, 15, revision, 1);
    put(&t, 16, 0x7fe1234, 4);
    put(&t, 20, 36, 4);
    put(&t, 24, 0x17fe5678, 8);
    put(&t, 32, 0, 4);
    fix_checksum(&t, 8, 20);
    fix_checksum(&t, 32, 36);
    return t;
}

static void old_and_new_root_pointers_are_read(void **state)
{
    struct table old = make_rsdp(0), new = make_rsdp(2);
    struct acpi_rsdp_info info;

    assert_int_equal(acpi_parse_rsdp(old.bytes, 20, &info), 0);
    assert_int_equal(info.rsdt, 0x7fe1234);
    assert_int_equal(info.xsdt, 0);
    assert_int_equal(acpi_parse_rsdp(new.bytes, 36, &info), 0);
    assert_int_equal(info.rsdt, 0x7fe1234);
    assert_int_equal(info.xsdt, 0x17fe5678);
}

static void a_new_root_pointer_with_a_wrong_long_checksum_serves_as_an_old_one(void **state)
{
    struct table t = make_rsdp(2);
    struct acpi_rsdp_info info;

    t.bytes[30] ^= 1;
    assert_int_equal(acpi_parse_rsdp(t.bytes, 36, &info), 0);
    assert_int_equal(info.xsdt, 0);
    t.bytes[16] ^= 1;
    assert_int_equal(acpi_parse_rsdp(t.bytes, 36, &info), -EINVAL);
}

static void the_scan_finds_it_at_multiples_of_sixteen_only(void **state)
{
    static uint8_t area[1024];
    struct table t = make_rsdp(2);

    memcpy(area + 24, t.bytes, 36);
    assert_int_equal(acpi_scan_rsdp(area, sizeof(area)), -ENOENT);
    memcpy(area + 512, t.bytes, 36);
    assert_int_equal(acpi_scan_rsdp(area, sizeof(area)), 512);
    assert_int_equal(acpi_scan_rsdp(area, 512 + 19), -ENOENT);
}

/* --- MADT ------------------------------------------------------------------------------------- */

static struct acpi_madt_info madt_info;

static struct table make_madt(void)
{
    static const uint8_t entries[] = {
        0, 8,  0,    0,   1,    0,    0,    0, /* CPU with APIC id 0, usable */
        0, 8,  1,    4,   1,    0,    0,    0, /* 4, usable */
        0, 8,  2,    6,   2,    0,    0,    0, /* 6, may come later */
        0, 8,  3,    255, 0,    0,    0,    0, /* an empty socket */
        9, 16, 0,    0,   0x34, 0x12, 0,    0,    1,    0, 0, 0, 9, 0, 0, 0, /* x2APIC id 0x1234 */
        9, 16, 0,    0,   4,    0,    0,    0,    1,    0, 0, 0, 1, 0, 0, 0, /* 4 once more */
        1, 12, 7,    0,   0,    0,    0xc0, 0xfe, 0,    0, 0, 0,             /* I/O APIC 7 */
        2, 10, 0,    0,   2,    0,    0,    0,    0,    0,                   /* IRQ 0 is GSI 2 */
        2, 10, 0,    9,   9,    0,    0,    0,    0x0f, 0,                   /* IRQ 9: low, level */
        4, 6,  0xff, 0,   0,    1,                                           /* NMI: not ours */
        5, 12, 0,    0,   0,    0,    0xe0, 0xfe, 1,    0, 0, 0, /* the local APICs' address is
                                                                    higher up */
    };
    struct table t = {.nr_bytes = 0};

    append(&t, "APIC", 4);
    put(&t, 36, 0xfee00000, 4);
    put(&t, 40, 1, 4);
    append(&t, entries, sizeof(entries));
    return t;
}

static void the_madt_lists_cpus_and_interrupt_controllers(void **state)
{
    struct table t = make_madt();

    assert_int_equal(acpi_parse_madt(t.bytes, t.nr_bytes, &madt_info), 0);
    assert_true(madt_info.has_8259);
    assert_int_equal(madt_info.lapic_base, 0x1fee00000);
    assert_int_equal(madt_info.nr_cpus, 4);
    assert_int_equal(madt_info.cpus[0].apic_id, 0);
    assert_int_equal(madt_info.cpus[1].apic_id, 4);
    assert_true(madt_info.cpus[1].is_usable);
    assert_int_equal(madt_info.cpus[2].apic_id, 6);
    assert_false(madt_info.cpus[2].is_usable);
    assert_int_equal(madt_info.cpus[3].apic_id, 0x1234);
    assert_int_equal(madt_info.nr_ioapics, 1);
    assert_int_equal(madt_info.ioapics[0].id, 7);
    assert_int_equal(madt_info.ioapics[0].address, 0xfec00000);
    assert_int_equal(madt_info.nr_overrides, 2);
    assert_int_equal(madt_info.overrides[0].gsi, 2);
    assert_int_equal(madt_info.overrides[0].flags, 0);
    assert_int_equal(madt_info.overrides[1].isa_irq, 9);
    assert_int_equal(madt_info.overrides[1].flags, 0x0f);
}

static void more_cpus_than_have_room_are_left_out(void **state)
{
    static uint8_t big[44 + 16 * (ACPI_CPUS_MAX + 50)];

    for (size_t i = 0; i < ACPI_CPUS_MAX + 50; i++) {
        uint8_t *entry = big + 44 + 16 * i;

        entry[0] = 9;
        entry[1] = 16;
        memcpy(entry + 4, &(uint32_t){(uint32_t)i}, 4);
        entry[8] = 1;
    }
    assert_int_equal(acpi_parse_madt(big, sizeof(big), &madt_info), 0);
    assert_int_equal(madt_info.nr_cpus, ACPI_CPUS_MAX);
}

/* --- HPET and FADT ---------------------------------------------------------------------------- */

static void the_hpet_must_lie_in_memory(void **state)
{
    struct table t = {.nr_bytes = 0};

    put(&t, 44, 0xfed00000, 8);
    put(&t, 52, 0, 4);
    assert_int_equal(acpi_parse_hpet(t.bytes, t.nr_bytes), 0xfed00000);
    put(&t, 40, 1, 1);
    assert_int_equal(acpi_parse_hpet(t.bytes, t.nr_bytes), 0);
    assert_int_equal(acpi_parse_hpet(t.bytes, 51), 0);
}

/* As a FADT of revision 1, whose 116 bytes end before the reset register. */
static struct table make_old_fadt(void)
{
    struct table t = {.nr_bytes = 0};

    append(&t, "FACP", 4);
    put(&t, 40, 0x7fe0000, 4);
    put(&t, 48, 0xb2, 4);
    put(&t, 52, 0xf1, 1);
    put(&t, 64, 0x604, 4);
    put(&t, 76, 0x608, 4);
    put(&t, 112, 1 << 10, 4);
    return t;
}

static void an_old_fadt_has_ports_and_no_reset_register(void **state)
{
    struct table t = make_old_fadt();
    struct acpi_fadt_info info;

    assert_int_equal(acpi_parse_fadt(t.bytes, t.nr_bytes, &info), 0);
    assert_int_equal(info.dsdt, 0x7fe0000);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_int_equal(info.pm1a_control_port, 0x604);
    assert_int_equal(info.pm1b_control_port, 0);
    assert_int_equal(info.smi_command_port, 0xb2);
    assert_int_equal(info.acpi_enable, 0xf1);
    assert_int_equal(info.reset_space, ACPI_SPACE_NONE);
    assert_int_equal(acpi_parse_fadt(t.bytes, 115, &info), -EINVAL);
}

static struct table make_new_fadt(void)
{
    struct table t = make_old_fadt();

    put(&t, 112, 1 << 10, 4);
    put(&t, 116, 1, 1); /* reset register: a port */
    put(&t, 120, 0xcf9, 8);
    put(&t, 128, 0x0f, 1);
    put(&t, 140, 0x123456789, 8);
    put(&t, 172, 1, 1); /* extended PM1a control block: a port */
    put(&t, 176, 0xb004, 8);
    put(&t, 208, 0, 1); /* extended timer: in memory, of no use */
    put(&t, 212, 0xfed0, 8);
    return t;
}

static void extended_fields_are_preferred(void **state)
{
    struct table t = make_new_fadt();
    struct acpi_fadt_info info;

    assert_int_equal(acpi_parse_fadt(t.bytes, t.nr_bytes, &info), 0);
    assert_int_equal(info.dsdt, 0x123456789);
    assert_int_equal(info.pm1a_control_port, 0xb004);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_int_equal(info.reset_space, ACPI_SPACE_PORT);
    assert_int_equal(info.reset_address, 0xcf9);
    assert_int_equal(info.reset_value, 0x0f);
}

/* --- _S5_ ------------------------------------------------------------------------------------- */

static int parse_aml(const void *aml, size_t nr_bytes, struct acpi_sleep_type *type)
{
    uint8_t *table = calloc(1, sizeof(struct acpi_header) + nr_bytes);
    int result;

    memcpy(table + sizeof(struct acpi_header), aml, nr_bytes);
    result = acpi_parse_s5(table, sizeof(struct acpi_header) + nr_bytes, type);
    free(table);
    return result;
}

static void all_spellings_of_s5_are_read(void **state)
{
    static const struct {
        uint8_t aml[24];
        size_t nr_bytes;
        unsigned pm1a, pm1b;
    } cases[] = {
        {{0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0}, 12, 0, 0},
        {{0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 6, 0, 0}, 14, 5, 6},
        {{0x08, '\\', '_', 'S', '5', '_', 0x12, 6, 2, 1, 0x0a, 7}, 12, 1, 7},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x48, 0, 4, 0x0b, 3, 0, 0x0c, 2, 0, 0, 0}, 17, 3, 2},
        {{0x10, '_', 'S', '5', '_', 0, 0x08, '_', 'S', '5', '_', 0x12, 4, 2, 1, 1}, 16, 1, 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acpi_sleep_type type;

        assert_int_equal(parse_aml(cases[i].aml, cases[i].nr_bytes, &type), 0);
        assert_int_equal(type.pm1a, cases[i].pm1a);
        assert_int_equal(type.pm1b, cases[i].pm1b);
    }
}

static void s5_that_is_cut_or_something_else_is_not_found(void **state)
{
    static const uint8_t aml[] = {0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 6};
    static const uint8_t method[] = {0x14, '_', 'S', '5', '_', 0x12, 8, 4, 1, 1};
    struct acpi_sleep_type type;

    for (size_t nr_bytes = 0; nr_bytes < sizeof(aml); nr_bytes++)
        assert_int_equal(parse_aml(aml, nr_bytes, &type), -ENOENT);
    assert_int_equal(parse_aml(method, sizeof(method), &type), -ENOENT);
}

/* --- Any bytes -------------------------------------------------------------------------------- */

/* Gives a copy of exactly this size to every reader. */
static void read_as_everything(const uint8_t *bytes, size_t nr_bytes)
{
    uint8_t *copy = malloc(nr_bytes);
    struct acpi_rsdp_info rsdp;
    struct acpi_fadt_info fadt;
    struct acpi_sleep_type type;

    memcpy(copy, bytes, nr_bytes);
    (void)!acpi_parse_rsdp(copy, nr_bytes, &rsdp);
    acpi_scan_rsdp(copy, nr_bytes);
    if (acpi_parse_madt(copy, nr_bytes, &madt_info) == 0) {
        assert_true(madt_info.nr_cpus <= ACPI_CPUS_MAX);
        assert_true(madt_info.nr_ioapics <= ACPI_IOAPICS_MAX);
        assert_true(madt_info.nr_overrides <= ACPI_OVERRIDES_MAX);
    }
    acpi_parse_hpet(copy, nr_bytes);
    (void)!acpi_parse_fadt(copy, nr_bytes, &fadt);
    (void)!acpi_parse_s5(copy, nr_bytes, &type);
    free(copy);
}

static void mutate(const struct table *original)
{
    for (size_t nr_bytes = 0; nr_bytes <= original->nr_bytes; nr_bytes++)
        read_as_everything(original->bytes, nr_bytes);
    for (uint64_t seed = 0; seed < 5000; seed++) {
        struct rng rng = {seed};
        struct table t = *original;

        for (uint64_t n = rng_between(&rng, 1, 10); n > 0; n--)
            t.bytes[rng_below(&rng, t.nr_bytes)] =
                rng_one_in(&rng, 3) ? 0xff : (uint8_t)rng_next(&rng);
        read_as_everything(t.bytes, t.nr_bytes);
    }
}

static void the_readers_survive_any_bytes(void **state)
{
    struct table tables[] = {make_rsdp(2), make_madt(), make_old_fadt(), make_new_fadt()};
    struct table aml = {.nr_bytes = 0};

    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        mutate(&tables[i]);
    put(&aml, 35, 0, 1);
    for (int i = 0; i < 8; i++)
        append(&aml, "\x08_S5_\x12\x08\x04\x0a\x05\x0a\x06", 12);
    mutate(&aml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_and_new_root_pointers_are_read),
        cmocka_unit_test(a_new_root_pointer_with_a_wrong_long_checksum_serves_as_an_old_one),
        cmocka_unit_test(the_scan_finds_it_at_multiples_of_sixteen_only),
        cmocka_unit_test(the_madt_lists_cpus_and_interrupt_controllers),
        cmocka_unit_test(more_cpus_than_have_room_are_left_out),
        cmocka_unit_test(the_hpet_must_lie_in_memory),
        cmocka_unit_test(an_old_fadt_has_ports_and_no_reset_register),
        cmocka_unit_test(extended_fields_are_preferred),
        cmocka_unit_test(all_spellings_of_s5_are_read),
        cmocka_unit_test(s5_that_is_cut_or_something_else_is_not_found),
        cmocka_unit_test(the_readers_survive_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
