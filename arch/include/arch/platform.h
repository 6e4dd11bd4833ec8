#ifndef ARCH_PLATFORM_H
#define ARCH_PLATFORM_H

/* The machine around the CPU. */

#include <kernel/types.h>

/*
 * Interrupt controllers, and the boot CPU's stacks with guard pages. Boot CPU, once; memory and
 * ACPI are up.
 */
void platform_init(void);

#endif
