#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

/*
 * Interrupts: of devices, of the per-CPU timer, and between CPUs. Handlers run with interrupts off
 * on the CPU's interrupt stack; they may take spinlocks and wake LWPs, and must not sleep.
 */

#include <kernel/types.h>

typedef void (*irq_handler_fn)(void *context);

/*
 * Lets an ISA interrupt line (0...15) through to `handler`, on the boot CPU. While booting only.
 * 0 or -EBUSY when the line has a handler.
 */
int irq_request(unsigned isa_line, irq_handler_fn handler, void *context) MUST_CHECK;

/* Messages from one CPU to another. */
enum ipi {
    IPI_RESCHEDULE, /* look at need_resched */
    IPI_TLB,        /* look at the shootdown inbox */
    IPI_RECLAIM,    /* give back what is kept for reuse */
    NR_IPIS,
};

/* Any context. Messages to a CPU that has one of the same kind pending may merge. */
void irq_send_ipi(unsigned cpu, enum ipi kind);

/*
 * Stops all other CPUs for good, whatever they are doing (NMI). With `report`, they print where
 * they were.
 */
void irq_stop_others(bool report);

/*
 * Asks for one timer interrupt on the calling CPU at the time `deadline_ns` (clock_now_ns()), as
 * soon as possible when that has passed; replaces what was asked for before. UINT64_MAX: none.
 */
void irq_arm_timer(uint64_t deadline_ns);

/* ---- Supplied by the kernel ----------------------------------------------------------------- */

/* An interrupt has come from a device (its line), the CPU's timer, or another CPU: before all else.
 */
enum { IRQ_SOURCE_TIMER = 16, IRQ_SOURCE_IPI, NR_IRQ_SOURCES = IRQ_SOURCE_IPI + NR_IPIS };

void irq_note(unsigned source);

void irq_timer_fired(void);
void irq_ipi_received(enum ipi kind);

/* After each interrupt that came at preemptible code; interrupts are off. */
void irq_preempt(void);

#endif
