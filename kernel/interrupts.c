/* What is noted of every interrupt: that it was, for /proc/interrupts, and when. */

#include <stdatomic.h>

#include <arch/irq.h>
#include <arch/percpu.h>
#include <kernel/interrupts.h>
#include <kernel/random.h>

/* Written by their own CPU only. */
struct interrupt_counts {
    _Atomic uint64_t of[NR_IRQ_SOURCES];
};

static PERCPU(struct interrupt_counts, interrupt_counts);

void irq_note(unsigned source)
{
    _Atomic uint64_t *count = &this_cpu_ptr(interrupt_counts)->of[source];

    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    random_note_interrupt();
}

uint64_t interrupts_count(unsigned source, unsigned cpu)
{
    return atomic_load_explicit(&cpu_ptr(interrupt_counts, cpu)->of[source], memory_order_relaxed);
}
