/*
 * Reading single ACPI tables. Each reader is told how many bytes there are and believes nothing:
 * fields that lie beyond the end are absent, since old firmware has shorter tables.
 */

#include <kernel/bytes.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/string.h>

#include "tables.h"

bool acpi_checksum_is_right(const void *bytes, size_t nr_bytes)
{
    const uint8_t *p = bytes;
    uint8_t sum = 0;

    for (size_t i = 0; i < nr_bytes; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

/* --- RSDP (5.2.5) ----------------------------------------------------------------------------- */

enum {
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_XSDT = 24,
    RSDP_ALIGN = 16,
};

int acpi_parse_rsdp(const void *bytes, size_t nr_bytes, struct acpi_rsdp_info *info)
{
    const uint8_t *rsdp = bytes;

    if (nr_bytes < ACPI_RSDP_OLD_BYTES || memcmp(rsdp, "RSD PTR ", 8) != 0 ||
        !acpi_checksum_is_right(rsdp, ACPI_RSDP_OLD_BYTES))
        return -EINVAL;
    *info = (struct acpi_rsdp_info){.rsdt = load_le32(rsdp + RSDP_RSDT)};
    if (rsdp[RSDP_REVISION] >= 2 && nr_bytes >= ACPI_RSDP_NEW_BYTES &&
        acpi_checksum_is_right(rsdp, ACPI_RSDP_NEW_BYTES))
        info->xsdt = load_le64(rsdp + RSDP_XSDT);
    return info->rsdt != 0 || info->xsdt != 0 ? 0 : -EINVAL;
}

ssize_t acpi_scan_rsdp(const void *bytes, size_t nr_bytes)
{
    const uint8_t *p = bytes;
    struct acpi_rsdp_info info;

    for (size_t offset = 0; offset < nr_bytes; offset += RSDP_ALIGN) {
        if (acpi_parse_rsdp(p + offset, nr_bytes - offset, &info) == 0)
            return (ssize_t)offset;
    }
    return -ENOENT;
}

/* --- MADT (5.2.12) ---------------------------------------------------------------------------- */

enum {
    MADT_LAPIC_BASE = 36,
    MADT_FLAGS = 40,
    MADT_ENTRIES = 44,
    MADT_FLAG_8259 = 1,

    ENTRY_LAPIC = 0,
    ENTRY_IOAPIC = 1,
    ENTRY_OVERRIDE = 2,
    ENTRY_LAPIC_ADDRESS = 5,
    ENTRY_X2APIC = 9,

    CPU_FLAG_ENABLED = 1,
    CPU_FLAG_CAN_COME = 2, /* not there yet, but may be plugged in */
};

/* A machine may list a CPU both in the short form and in the x2APIC form: it is one CPU. */
static void add_cpu(struct acpi_madt_info *info, uint32_t apic_id, uint32_t flags)
{
    bool is_usable = flags & CPU_FLAG_ENABLED;

    if (!(flags & (CPU_FLAG_ENABLED | CPU_FLAG_CAN_COME)))
        return; /* an empty socket */
    for (size_t i = 0; i < info->nr_cpus; i++) {
        if (info->cpus[i].apic_id == apic_id) {
            info->cpus[i].is_usable |= is_usable;
            return;
        }
    }
    if (info->nr_cpus == ACPI_CPUS_MAX)
        log_warn("acpi: the CPU with APIC ID %u is one too many: it stays off", apic_id);
    else
        info->cpus[info->nr_cpus++] = (struct acpi_cpu){apic_id, is_usable};
}

static void add_ioapic(struct acpi_madt_info *info, const uint8_t *entry)
{
    if (info->nr_ioapics == ACPI_IOAPICS_MAX || load_le32(entry + 4) == 0)
        return;
    info->ioapics[info->nr_ioapics++] = (struct acpi_ioapic){
        .id = entry[2],
        .address = load_le32(entry + 4),
        .gsi_base = load_le32(entry + 8),
    };
}

static void add_override(struct acpi_madt_info *info, const uint8_t *entry)
{
    if (info->nr_overrides == ACPI_OVERRIDES_MAX || entry[2] != 0) /* another bus than ISA */
        return;
    info->overrides[info->nr_overrides++] = (struct acpi_irq_override){
        .isa_irq = entry[3],
        .gsi = load_le32(entry + 4),
        .flags = load_le16(entry + 8),
    };
}

static void read_madt_entry(struct acpi_madt_info *info, const uint8_t *entry, size_t nr_bytes)
{
    switch (entry[0]) {
    case ENTRY_LAPIC:
        if (nr_bytes >= 8)
            add_cpu(info, entry[3], load_le32(entry + 4));
        break;
    case ENTRY_X2APIC:
        if (nr_bytes >= 16)
            add_cpu(info, load_le32(entry + 4), load_le32(entry + 8));
        break;
    case ENTRY_IOAPIC:
        if (nr_bytes >= 12)
            add_ioapic(info, entry);
        break;
    case ENTRY_OVERRIDE:
        if (nr_bytes >= 10)
            add_override(info, entry);
        break;
    case ENTRY_LAPIC_ADDRESS:
        if (nr_bytes >= 12)
            info->lapic_base = load_le64(entry + 4);
        break;
    }
}

int acpi_parse_madt(const void *table, size_t nr_bytes, struct acpi_madt_info *info)
{
    const uint8_t *madt = table;
    size_t position = MADT_ENTRIES;

    memset(info, 0, sizeof(*info));
    if (nr_bytes < MADT_ENTRIES)
        return -EINVAL;
    info->lapic_base = load_le32(madt + MADT_LAPIC_BASE);
    info->has_8259 = load_le32(madt + MADT_FLAGS) & MADT_FLAG_8259;
    while (nr_bytes - position >= 2) {
        size_t entry_bytes = madt[position + 1];

        if (entry_bytes < 2 || entry_bytes > nr_bytes - position) {
            log_warn("acpi: the MADT has an entry of %zu bytes at %zu; ignoring the rest",
                     entry_bytes, position);
            break;
        }
        read_madt_entry(info, madt + position, entry_bytes);
        position += entry_bytes;
    }
    return 0;
}

/* --- Generic addresses (5.2.3.2) and the HPET (IA-PC HPET Specification 1.0a, 3.2.4) ---------- */

enum {
    GAS_BYTES = 12,
    GAS_SPACE = 0,
    GAS_ADDRESS = 4,
    HPET_ADDRESS = 40,
};

static bool is_absent(size_t offset, size_t len_bytes, size_t nr_bytes)
{
    return nr_bytes < offset + len_bytes;
}

/* The port of a generic address at `offset`; 0 when it is absent or no port. */
static uint16_t generic_port(const uint8_t *table, size_t nr_bytes, size_t offset)
{
    uint64_t address;

    if (is_absent(offset, GAS_BYTES, nr_bytes) || table[offset + GAS_SPACE] != ACPI_SPACE_PORT)
        return 0;
    address = load_le64(table + offset + GAS_ADDRESS);
    return address <= UINT16_MAX ? (uint16_t)address : 0;
}

paddr_t acpi_parse_hpet(const void *table, size_t nr_bytes)
{
    const uint8_t *hpet = table;

    if (is_absent(HPET_ADDRESS, GAS_BYTES, nr_bytes) ||
        hpet[HPET_ADDRESS + GAS_SPACE] != ACPI_SPACE_MEMORY)
        return 0;
    return load_le64(hpet + HPET_ADDRESS + GAS_ADDRESS);
}

/* --- FADT (5.2.9) ----------------------------------------------------------------------------- */

enum {
    FADT_DSDT = 40,
    FADT_SMI_COMMAND = 48,
    FADT_ACPI_ENABLE = 52,
    FADT_PM1A_CONTROL = 64,
    FADT_PM1B_CONTROL = 68,
    FADT_PM_TIMER = 76,
    FADT_FLAGS = 112,
    FADT_RESET = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CONTROL = 172,
    FADT_X_PM1B_CONTROL = 184,
    FADT_X_PM_TIMER = 208,

    FADT_FLAG_HAS_RESET = 1 << 10,

    FADT_V1_BYTES = 116, /* revision 1.0: the shortest */
};

/* A port by its extended field, or by the old one. */
static uint16_t fadt_port(const uint8_t *fadt, size_t nr_bytes, size_t extended, size_t old)
{
    uint16_t port = generic_port(fadt, nr_bytes, extended);
    uint32_t old_port = load_le32(fadt + old);

    if (port == 0 && old_port <= UINT16_MAX)
        port = (uint16_t)old_port;
    return port;
}

static void read_reset_register(const uint8_t *fadt, size_t nr_bytes, struct acpi_fadt_info *info)
{
    info->reset_space = ACPI_SPACE_NONE;
    if (is_absent(FADT_RESET_VALUE, 1, nr_bytes) ||
        !(load_le32(fadt + FADT_FLAGS) & FADT_FLAG_HAS_RESET))
        return;
    info->reset_address = load_le64(fadt + FADT_RESET + GAS_ADDRESS);
    info->reset_value = fadt[FADT_RESET_VALUE];
    if (info->reset_address == 0)
        return;
    if (fadt[FADT_RESET + GAS_SPACE] == ACPI_SPACE_MEMORY)
        info->reset_space = ACPI_SPACE_MEMORY;
    else if (fadt[FADT_RESET + GAS_SPACE] == ACPI_SPACE_PORT && info->reset_address <= UINT16_MAX)
        info->reset_space = ACPI_SPACE_PORT;
}

int acpi_parse_fadt(const void *table, size_t nr_bytes, struct acpi_fadt_info *info)
{
    const uint8_t *fadt = table;
    uint32_t smi_command;

    memset(info, 0, sizeof(*info));
    if (nr_bytes < FADT_V1_BYTES)
        return -EINVAL;
    if (!is_absent(FADT_X_DSDT, 8, nr_bytes))
        info->dsdt = load_le64(fadt + FADT_X_DSDT);
    if (info->dsdt == 0)
        info->dsdt = load_le32(fadt + FADT_DSDT);
    info->pm_timer_port = fadt_port(fadt, nr_bytes, FADT_X_PM_TIMER, FADT_PM_TIMER);
    info->pm1a_control_port = fadt_port(fadt, nr_bytes, FADT_X_PM1A_CONTROL, FADT_PM1A_CONTROL);
    info->pm1b_control_port = fadt_port(fadt, nr_bytes, FADT_X_PM1B_CONTROL, FADT_PM1B_CONTROL);
    smi_command = load_le32(fadt + FADT_SMI_COMMAND);
    if (smi_command <= UINT16_MAX)
        info->smi_command_port = (uint16_t)smi_command;
    info->acpi_enable = fadt[FADT_ACPI_ENABLE];
    read_reset_register(fadt, nr_bytes, info);
    return 0;
}
