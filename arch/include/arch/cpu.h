#ifndef ARCH_CPU_H
#define ARCH_CPU_H

/*
 * What the kernel asks of the CPU that it runs on. arch_impl/cpu.h supplies, as inline functions:
 *
 *     unsigned cpu_id(void)             number of the calling CPU, 0 ... CPUS_MAX - 1
 *     void cpu_relax(void)              inside every loop that waits for another CPU
 *     irq_state_t irq_save(void)        interrupts off; returns how they were
 *     void irq_restore(irq_state_t)     back to that
 *     void irq_enable(void), irq_disable(void)
 *     bool irq_is_enabled(void)
 *     void cpu_wait_for_interrupt(void) enables interrupts and sleeps, with no gap between; returns
 *                                       with interrupts enabled, after one was handled
 *     NORETURN void cpu_halt_forever(void)
 */

#include <kernel/types.h>

typedef uint64_t irq_state_t;

#include <arch_impl/cpu.h>

#endif
