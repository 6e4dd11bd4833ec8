#ifndef ARCH_IMPL_CPU_H
#define ARCH_IMPL_CPU_H

/*
 * The host's fake CPUs. A thread acts as one CPU, or as several in turn: host_set_cpu() says which.
 * Each has an interrupt flag of its own.
 */

#include <stdlib.h>

#define FAKE_CPUS_MAX 64

extern _Thread_local unsigned fake_cpu;
extern bool fake_irq_is_off[FAKE_CPUS_MAX];

static inline unsigned cpu_id(void)
{
    return fake_cpu;
}

static inline void cpu_relax(void)
{
}

static inline irq_state_t irq_save(void)
{
    irq_state_t was_off = fake_irq_is_off[fake_cpu];

    fake_irq_is_off[fake_cpu] = true;
    return was_off;
}

static inline void irq_restore(irq_state_t was_off)
{
    fake_irq_is_off[fake_cpu] = was_off;
}

static inline void irq_enable(void)
{
    fake_irq_is_off[fake_cpu] = false;
}

static inline void irq_disable(void)
{
    fake_irq_is_off[fake_cpu] = true;
}

static inline bool irq_is_enabled(void)
{
    return !fake_irq_is_off[fake_cpu];
}

static inline void cpu_wait_for_interrupt(void)
{
    irq_enable();
}

static inline NORETURN void cpu_halt_forever(void)
{
    abort();
}

#endif
