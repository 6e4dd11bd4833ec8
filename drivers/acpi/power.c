/*
 * Switching off and resetting, by every way that is known, the proper one first. A way that does
 * not work on this machine does nothing, and the next is tried.
 */

#include <arch/io.h>
#include <arch/mmu.h>
#include <drivers/acpi.h>
#include <mm/kmap.h>

#include "tables.h"

/* PM1 control register (ACPI 4.8.3.2.1). */
enum {
    PM1_SCI_ENABLED = 1 << 0,
    PM1_SLEEP_TYPE_SHIFT = 10,
    PM1_SLEEP_TYPE_MASK = 7 << PM1_SLEEP_TYPE_SHIFT,
    PM1_SLEEP_ENABLE = 1 << 13,
};

/* The keyboard controller's reset line, and the reset register of PC chip sets. */
enum {
    KBC_STATUS = 0x64,
    KBC_COMMAND = 0x64,
    KBC_INPUT_FULL = 1 << 1,
    KBC_PULSE_RESET = 0xfe,
    CHIPSET_RESET = 0xcf9,
    CHIPSET_RESET_PREPARE = 0x02,
    CHIPSET_RESET_NOW = 0x06,
};

/* About so many microseconds, by io_delay(). */
#define ENABLE_WAIT_US  300000
#define KBC_WAIT_US     10000
#define TAKES_EFFECT_US 100000

/* Emulators switch off when this is written there; on real machines nobody listens. */
static const struct {
    uint16_t port, value;
} emulator_poweroff[] = {
    {0x604, 0x2000},  /* QEMU */
    {0xb004, 0x2000}, /* Bochs, and QEMU before 2.0 */
    {0x4004, 0x3400}, /* VirtualBox */
};

static volatile uint8_t *reset_register; /* when it lies in memory */

void acpi_power_init(void)
{
    const struct acpi_fadt_info *fadt = acpi_fadt();

    if (fadt != NULL && fadt->reset_space == ACPI_SPACE_MEMORY)
        reset_register = kmap_phys(fadt->reset_address, 1, MMU_WRITE | MMU_UNCACHED);
}

static void delay_us(unsigned duration_us)
{
    for (unsigned i = 0; i < duration_us; i++)
        io_delay();
}

/* Asks the firmware to hand the power hardware over, as it does only when asked. */
static void enable_acpi_mode(const struct acpi_fadt_info *fadt)
{
    if (io_in16(fadt->pm1a_control_port) & PM1_SCI_ENABLED)
        return;
    if (fadt->smi_command_port == 0 || fadt->acpi_enable == 0)
        return;
    io_out8(fadt->smi_command_port, fadt->acpi_enable);
    for (unsigned i = 0; i < ENABLE_WAIT_US; i++) {
        if (io_in16(fadt->pm1a_control_port) & PM1_SCI_ENABLED)
            return;
        io_delay();
    }
}

static void enter_sleep(uint16_t port, uint8_t type)
{
    unsigned control;

    if (port == 0)
        return;
    control = io_in16(port) & ~(unsigned)(PM1_SLEEP_TYPE_MASK | PM1_SLEEP_ENABLE);
    control |= (unsigned)type << PM1_SLEEP_TYPE_SHIFT;
    io_out16(port, (uint16_t)(control | PM1_SLEEP_ENABLE));
}

static void enter_s5(void)
{
    const struct acpi_fadt_info *fadt = acpi_fadt();
    struct acpi_sleep_type type;

    if (fadt == NULL || fadt->pm1a_control_port == 0 || acpi_s5_type(&type) != 0)
        return;
    enable_acpi_mode(fadt);
    enter_sleep(fadt->pm1a_control_port, type.pm1a);
    enter_sleep(fadt->pm1b_control_port, type.pm1b);
    delay_us(TAKES_EFFECT_US);
}

void acpi_poweroff(void)
{
    enter_s5();
    for (size_t i = 0; i < ARRAY_LEN(emulator_poweroff); i++)
        io_out16(emulator_poweroff[i].port, emulator_poweroff[i].value);
    delay_us(TAKES_EFFECT_US);
}

static void write_reset_register(void)
{
    const struct acpi_fadt_info *fadt = acpi_fadt();

    if (fadt == NULL)
        return;
    if (fadt->reset_space == ACPI_SPACE_PORT)
        io_out8((uint16_t)fadt->reset_address, fadt->reset_value);
    else if (reset_register != NULL)
        *reset_register = fadt->reset_value;
    delay_us(TAKES_EFFECT_US);
}

static void pulse_keyboard_controller(void)
{
    for (unsigned i = 0; i < KBC_WAIT_US && (io_in8(KBC_STATUS) & KBC_INPUT_FULL) != 0; i++)
        io_delay();
    io_out8(KBC_COMMAND, KBC_PULSE_RESET);
    delay_us(TAKES_EFFECT_US);
}

void acpi_reboot(void)
{
    write_reset_register();
    pulse_keyboard_controller();
    io_out8(CHIPSET_RESET, CHIPSET_RESET_PREPARE);
    io_out8(CHIPSET_RESET, CHIPSET_RESET_NOW);
    delay_us(TAKES_EFFECT_US);
}
