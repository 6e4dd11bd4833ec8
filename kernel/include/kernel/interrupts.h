#ifndef KERNEL_INTERRUPTS_H
#define KERNEL_INTERRUPTS_H

#include <kernel/types.h>

/* How many interrupts of a source (arch/irq.h) CPU `cpu` has had. Any context. */
uint64_t interrupts_count(unsigned source, unsigned cpu);

#endif
