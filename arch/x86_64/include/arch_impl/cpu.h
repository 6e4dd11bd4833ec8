#ifndef ARCH_IMPL_CPU_H
#define ARCH_IMPL_CPU_H

#include <arch/percpu.h>

#define RFLAGS_IF (1ull << 9)

DECLARE_PERCPU(unsigned, cpu_number);

static inline unsigned cpu_id(void)
{
    return this_cpu_read(cpu_number);
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline irq_state_t irq_save(void)
{
    irq_state_t flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    return flags;
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline void irq_restore(irq_state_t flags)
{
    if (flags & RFLAGS_IF)
        irq_enable();
}

static inline bool irq_is_enabled(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags & RFLAGS_IF;
}

/* STI takes effect after the next instruction (Intel SDM vol. 2, STI), so none slips in between. */
static inline void cpu_wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt" ::: "memory");
}

static inline NORETURN void cpu_halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

#endif
