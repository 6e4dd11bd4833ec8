/*
 * Finding the ACPI tables.
 *
 * The boot loader hands over a copy of the root pointer (RSDP); when it does not, the places are
 * searched where a BIOS puts it. The root pointer names a table of tables: the XSDT with 64-bit
 * addresses, or the older RSDT with 32-bit ones. Every table is mapped once, for ever, while
 * booting, and is listed only if its checksum is right; later look-ups just walk the list.
 *
 * An address in a table may be any number. kmap_phys() refuses what the CPU cannot address, and
 * sizes are limited, so a wild pointer costs a warning.
 */

#include <drivers/acpi.h>
#include <kernel/bootinfo.h>
#include <kernel/bytes.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/string.h>
#include <mm/kmap.h>

#include "tables.h"

#define TABLES_MAX      64
#define TABLE_BYTES_MAX MIB(4)

/* Where a BIOS may put the RSDP: the first KiB of the extended BIOS data area, and the BIOS. */
#define BDA_EBDA_SEGMENT 0x40e
#define EBDA_BYTES       KIB(1)
#define BIOS_START       0xe0000
#define BIOS_BYTES       KIB(128)

static const struct acpi_header *tables[TABLES_MAX];
static size_t nr_tables;
static struct acpi_fadt_info fadt;
static bool has_fadt;

/* Maps the table at `base` and checks it; NULL, with a warning, when it is no good. */
static const struct acpi_header *map_table(paddr_t base)
{
    const struct acpi_header *table = kmap_phys(base, sizeof(*table), 0);
    char name[5] = "";
    uint32_t nr_bytes;

    if (table == NULL)
        goto unreachable;
    memcpy(name, table->signature, sizeof(table->signature));
    nr_bytes = table->nr_bytes;
    if (nr_bytes < sizeof(*table) || nr_bytes > TABLE_BYTES_MAX) {
        log_warn("acpi: the table at %#llx has %u bytes; ignored", (unsigned long long)base,
                 nr_bytes);
        return NULL;
    }
    table = kmap_phys(base, nr_bytes, 0);
    if (table == NULL)
        goto unreachable;
    if (!acpi_checksum_is_right(table, nr_bytes)) {
        log_warn("acpi: the table %s at %#llx has a wrong checksum; ignored", name,
                 (unsigned long long)base);
        return NULL;
    }
    log_debug("acpi: %s at %#llx, %u bytes", name, (unsigned long long)base, nr_bytes);
    return table;

unreachable:
    log_warn("acpi: cannot map a table at %#llx", (unsigned long long)base);
    return NULL;
}

static void add_table(paddr_t base)
{
    const struct acpi_header *table;

    if (base == 0)
        return;
    if (nr_tables == TABLES_MAX) {
        log_warn("acpi: more than %d tables; ignoring the one at %#llx", TABLES_MAX,
                 (unsigned long long)base);
        return;
    }
    table = map_table(base);
    if (table != NULL)
        tables[nr_tables++] = table;
}

/* Adds what an RSDT or XSDT lists: addresses of entry_bytes each. */
static void add_listed_tables(const struct acpi_header *root, size_t entry_bytes)
{
    const uint8_t *entry = (const uint8_t *)(root + 1);
    size_t left = root->nr_bytes - sizeof(*root);

    for (; left >= entry_bytes; left -= entry_bytes, entry += entry_bytes)
        add_table(entry_bytes == 8 ? load_le64(entry) : load_le32(entry));
}

static bool add_tables_of_root(paddr_t base, const char signature[4], size_t entry_bytes)
{
    const struct acpi_header *root;

    if (base == 0)
        return false;
    root = map_table(base);
    if (root == NULL || memcmp(root->signature, signature, 4) != 0)
        return false;
    add_listed_tables(root, entry_bytes);
    return nr_tables > 0;
}

static int read_rsdp(paddr_t base, struct acpi_rsdp_info *info)
{
    const void *rsdp = kmap_phys(base, ACPI_RSDP_NEW_BYTES, 0);

    return rsdp == NULL ? -ENODEV : acpi_parse_rsdp(rsdp, ACPI_RSDP_NEW_BYTES, info);
}

/* The address of an RSDP in [base, base + nr_bytes), or 0. */
static paddr_t scan_for_rsdp(paddr_t base, size_t nr_bytes)
{
    const void *bytes = kmap_phys(base, nr_bytes, 0);
    ssize_t offset;

    if (bytes == NULL)
        return 0;
    offset = acpi_scan_rsdp(bytes, nr_bytes);
    return offset < 0 ? 0 : base + (paddr_t)offset;
}

static paddr_t search_bios(void)
{
    const void *segment = kmap_phys(BDA_EBDA_SEGMENT, 2, 0);
    paddr_t ebda = segment == NULL ? 0 : (paddr_t)load_le16(segment) << 4;
    paddr_t rsdp = 0;

    if (ebda >= KIB(512) && ebda < KIB(640))
        rsdp = scan_for_rsdp(ebda, EBDA_BYTES);
    return rsdp != 0 ? rsdp : scan_for_rsdp(BIOS_START, BIOS_BYTES);
}

static void read_fadt(void)
{
    const struct acpi_header *table = acpi_find("FACP");

    if (table == NULL)
        return;
    has_fadt = acpi_parse_fadt(table, table->nr_bytes, &fadt) == 0;
    if (has_fadt)
        add_table(fadt.dsdt);
}

int acpi_init(void)
{
    struct acpi_rsdp_info rsdp;

    if (boot_info.rsdp == 0 || read_rsdp(boot_info.rsdp, &rsdp) != 0) {
        paddr_t base = search_bios();

        if (base == 0 || read_rsdp(base, &rsdp) != 0) {
            log_warn("acpi: this machine has no ACPI tables");
            return -ENODEV;
        }
    }
    if (!add_tables_of_root(rsdp.xsdt, "XSDT", 8) && !add_tables_of_root(rsdp.rsdt, "RSDT", 4)) {
        log_warn("acpi: no table can be read");
        return -ENODEV;
    }
    read_fadt();
    acpi_power_init();
    log_info("acpi: %zu tables", nr_tables);
    return 0;
}

const struct acpi_header *acpi_find(const char signature[4])
{
    for (size_t i = 0; i < nr_tables; i++) {
        if (memcmp(tables[i]->signature, signature, 4) == 0)
            return tables[i];
    }
    return NULL;
}

int acpi_read_madt(struct acpi_madt_info *info)
{
    const struct acpi_header *table = acpi_find("APIC");

    if (table == NULL || acpi_parse_madt(table, table->nr_bytes, info) != 0)
        return -ENODEV;
    return 0;
}

int acpi_find_hpet(paddr_t *base)
{
    const struct acpi_header *table = acpi_find("HPET");

    *base = table == NULL ? 0 : acpi_parse_hpet(table, table->nr_bytes);
    return *base == 0 ? -ENODEV : 0;
}

int acpi_pm_timer_port(uint16_t *port)
{
    *port = has_fadt ? fadt.pm_timer_port : 0;
    return *port == 0 ? -ENODEV : 0;
}

const struct acpi_fadt_info *acpi_fadt(void)
{
    return has_fadt ? &fadt : NULL;
}

int acpi_s5_type(struct acpi_sleep_type *type)
{
    for (size_t i = 0; i < nr_tables; i++) {
        const struct acpi_header *table = tables[i];
        bool has_aml =
            memcmp(table->signature, "DSDT", 4) == 0 || memcmp(table->signature, "SSDT", 4) == 0;

        if (has_aml && acpi_parse_s5(table, table->nr_bytes, type) == 0)
            return 0;
    }
    return -ENODEV;
}
