#ifndef DRIVERS_ACPI_H
#define DRIVERS_ACPI_H

/*
 * The firmware's ACPI tables: which CPUs and interrupt controllers there are, where the clocks are,
 * how to switch off. Tables only: no AML is run. A machine without ACPI, or with broken tables, is
 * fine: the functions say -ENODEV.
 *
 * Source of all formats: ACPI Specification 6.5, chapters 4.8 (registers), 5.2 (tables), 7.4 (\_S5)
 * and 20.2 (AML encoding).
 */

#include <kernel/types.h>

/* What each table begins with; little-endian, and aligned to nothing. */
struct acpi_header {
    char signature[4];
    uint32_t nr_bytes; /* of the whole table */
    uint8_t revision;
    uint8_t checksum; /* all bytes add up to 0 */
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    uint32_t creator_id;
    uint32_t creator_revision;
} __attribute__((packed));

/*
 * Finds the tables, maps those whose checksum is right, and logs their names. Needs kmap_phys() and
 * boot_info. Returns 0, or -ENODEV. Once, while booting.
 */
int acpi_init(void);

/* The first table with this signature, of header->nr_bytes bytes, or NULL. Any context. */
const struct acpi_header *acpi_find(const char signature[4]);

/* --- MADT: CPUs and interrupt controllers ----------------------------------------------------- */

#define ACPI_CPUS_MAX      64
#define ACPI_IOAPICS_MAX   8
#define ACPI_OVERRIDES_MAX 16

struct acpi_cpu {
    uint32_t apic_id;
    bool is_usable; /* can be started now; others may be plugged in later */
};

struct acpi_ioapic {
    paddr_t address;
    uint32_t gsi_base; /* the global system interrupt of its input 0 */
    uint8_t id;
};

/* Interrupt `isa_irq` of the PC's ISA bus arrives elsewhere, or looks different. */
struct acpi_irq_override {
    uint32_t gsi;
    uint16_t
        flags; /* MPS INTI flags (5.2.12.5): bits 0-1 polarity, 3: low; 2-3 trigger, 3: level */
    uint8_t isa_irq;
};

/* Small enough for the stack; what finds no room in it is left out. */
struct acpi_madt_info {
    paddr_t lapic_base;
    bool has_8259;
    struct acpi_cpu cpus[ACPI_CPUS_MAX]; /* no APIC id twice */
    struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
    struct acpi_irq_override overrides[ACPI_OVERRIDES_MAX];
    uint8_t nr_cpus, nr_ioapics, nr_overrides;
};

/* 0, or -ENODEV when there is no MADT. */
int acpi_read_madt(struct acpi_madt_info *info) MUST_CHECK;

/* --- Clocks ----------------------------------------------------------------------------------- */

/* The physical address of the HPET's registers. 0, or -ENODEV. */
int acpi_find_hpet(paddr_t *base) MUST_CHECK;

/*
 * The port of the power management timer, which counts at 3.579545 MHz; 24 bits of it count on
 * every machine. 0, or -ENODEV.
 */
int acpi_pm_timer_port(uint16_t *port) MUST_CHECK;

/* --- Power ------------------------------------------------------------------------------------ */

/*
 * Switches the machine off: by ACPI, or else by the ports of well-known emulators. Interrupts are
 * off and other CPUs stopped. Returns only when nothing worked.
 */
void acpi_poweroff(void);

/*
 * Resets the machine: by the reset register, the keyboard controller, or the chip set. As above;
 * the caller can still cause a triple fault.
 */
void acpi_reboot(void);

#endif
