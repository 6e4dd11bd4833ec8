#ifndef SYS_REBOOT_H
#define SYS_REBOOT_H

#include <linux/reboot.h>

/* Powers off, restarts or halts the machine (LINUX_REBOOT_CMD_*). Root only: EPERM. */
int reboot(unsigned command);

#endif
