/* System calls about the console and the machine, until there are files. */

#include <arch/irq.h>
#include <arch/cpu.h>
#include <drivers/acpi.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <linux/reboot.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

/* Interrupts are off while a piece is written, which on a real serial line takes 87 us a byte. */
#define PIECE_BYTES 32

int64_t sys_write(int fd, vaddr_t from, size_t nr_bytes)
{
    char piece[PIECE_BYTES];
    size_t done = 0;

    if (fd != 1 && fd != 2)
        return -EBADF;
    nr_bytes = MIN(nr_bytes, (size_t)INT32_MAX & ~(PAGE_SIZE - 1));
    while (done < nr_bytes) {
        size_t nr = MIN(nr_bytes - done, sizeof(piece));

        if (atomic_load_explicit(&lwp_current()->interrupt, memory_order_relaxed))
            return done > 0 ? (int64_t)done : -EINTR;
        if (user_copy_from(piece, from + done, nr) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        console_write(piece, nr);
        done += nr;
    }
    return (int64_t)done;
}

/* Only the first process may, and it says so twice. */
int64_t sys_reboot(unsigned magic1, unsigned magic2, unsigned command)
{
    if (process_current()->pid != 1)
        return -EPERM;
    if (magic1 != LINUX_REBOOT_MAGIC1 ||
        (magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
         magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
        return -EINVAL;
    if (command != LINUX_REBOOT_CMD_POWER_OFF && command != LINUX_REBOOT_CMD_RESTART &&
        command != LINUX_REBOOT_CMD_HALT)
        return -EINVAL;
    irq_disable();
    irq_stop_others(false);
    if (command == LINUX_REBOOT_CMD_POWER_OFF)
        acpi_poweroff();
    else if (command == LINUX_REBOOT_CMD_RESTART)
        acpi_reboot();
    log_info("halted: the machine can be switched off");
    cpu_halt_forever();
}
