/* System calls about the machine. */

#include <arch/irq.h>
#include <arch/cpu.h>
#include <drivers/acpi.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/tty.h>
#include <linux/reboot.h>
#include <proc/process.h>

#include "sys.h"

/*
 * Only root may, and says so twice. The first process has told the world outside how its job ended
 * (docs/serial-protocol.md); whoever does without it has not, and nothing has failed.
 */
int64_t sys_reboot(unsigned magic1, unsigned magic2, unsigned command)
{
    if (!credentials_are_root(credentials_current()))
        return -EPERM;
    if (magic1 != LINUX_REBOOT_MAGIC1 ||
        (magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
         magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
        return -EINVAL;
    if (command != LINUX_REBOOT_CMD_POWER_OFF && command != LINUX_REBOOT_CMD_RESTART &&
        command != LINUX_REBOOT_CMD_HALT)
        return -EINVAL;
    if (process_current()->pid != FIRST_PID)
        console_marker("exit", "0");
    tty_console_drain();
    irq_disable();
    irq_stop_others(false);
    if (command == LINUX_REBOOT_CMD_POWER_OFF)
        acpi_poweroff();
    else if (command == LINUX_REBOOT_CMD_RESTART)
        acpi_reboot();
    log_info("halted: the machine can be switched off");
    cpu_halt_forever();
}
