#ifndef DRIVERS_ACPI_TABLES_H
#define DRIVERS_ACPI_TABLES_H

/*
 * The readers of single tables. Pure: bytes in, facts out; they survive any bytes and touch nothing
 * outside [table, table + nr_bytes).
 */

#include <drivers/acpi.h>

#define ACPI_RSDP_OLD_BYTES 20
#define ACPI_RSDP_NEW_BYTES 36

/* The ACPI root pointer. Either address may be 0. */
struct acpi_rsdp_info {
    paddr_t rsdt;
    paddr_t xsdt;
};

bool acpi_checksum_is_right(const void *bytes, size_t nr_bytes);

/* 0, or -EINVAL: no RSDP, or a wrong checksum. */
int acpi_parse_rsdp(const void *bytes, size_t nr_bytes, struct acpi_rsdp_info *info) MUST_CHECK;

/* The offset of the first valid RSDP at a multiple of 16 bytes, or -ENOENT. */
ssize_t acpi_scan_rsdp(const void *bytes, size_t nr_bytes);

/* 0, or -EINVAL when the table is too short to have a header. Nonsense in it is left out. */
int acpi_parse_madt(const void *table, size_t nr_bytes, struct acpi_madt_info *info) MUST_CHECK;

/* The address of the HPET's registers, or 0. */
paddr_t acpi_parse_hpet(const void *table, size_t nr_bytes);

enum acpi_space {
    ACPI_SPACE_NONE = -1,
    ACPI_SPACE_MEMORY = 0,
    ACPI_SPACE_PORT = 1,
};

/* The fixed hardware. Ports that are 0 are absent. */
struct acpi_fadt_info {
    paddr_t dsdt;
    uint16_t pm_timer_port;
    uint16_t pm1a_control_port;
    uint16_t pm1b_control_port;
    uint16_t smi_command_port; /* takes acpi_enable: the firmware hands the hardware over */
    uint8_t acpi_enable;
    enum acpi_space reset_space;
    uint64_t reset_address;
    uint8_t reset_value;
};

/* 0, or -EINVAL when the table is too short to be a FADT. */
int acpi_parse_fadt(const void *table, size_t nr_bytes, struct acpi_fadt_info *info) MUST_CHECK;

/* What goes into the SLP_TYP fields of PM1a and PM1b to switch off. */
struct acpi_sleep_type {
    uint8_t pm1a;
    uint8_t pm1b;
};

/* Looks for the package `_S5_` in the AML of a DSDT or SSDT. 0, or -ENOENT. */
int acpi_parse_s5(const void *table, size_t nr_bytes, struct acpi_sleep_type *type) MUST_CHECK;

/* --- For acpi/ only: what acpi.c found -------------------------------------------------------- */

/* The FADT's facts, or NULL. */
const struct acpi_fadt_info *acpi_fadt(void);

/* The sleep type of state S5. 0, or -ENODEV. */
int acpi_s5_type(struct acpi_sleep_type *type) MUST_CHECK;

/* Maps a reset register that lies in memory: acpi_reboot() must not need to. */
void acpi_power_init(void);

#endif
