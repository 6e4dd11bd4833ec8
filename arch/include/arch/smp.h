#ifndef ARCH_SMP_H
#define ARCH_SMP_H

/* Bringing the other CPUs up. */

#include <kernel/types.h>

/* CPUs that run, numbered 0 ... nr_cpus_online - 1. Fixed once booting is over. */
extern unsigned nr_cpus_online;

/* They as a set: bit n is CPU n. There are CPUS_MAX, 64, at most. */
static inline uint64_t cpus_online(void)
{
    return UINT64_MAX >> (64 - nr_cpus_online);
}

/*
 * Starts the CPUs that the firmware lists, `max_cpus` in all, with the boot CPU. One that does not
 * answer in time is left out, with a warning.
 */
void smp_start(unsigned max_cpus);

/* ---- Supplied by the kernel ----------------------------------------------------------------- */

/* A page below 1 MiB that nothing else uses, for the first instructions of a CPU; PADDR_NONE: none
 */
paddr_t smp_low_page(void);

/* Where a further CPU arrives, on its idle stack, interrupts off. */
NORETURN void smp_cpu_main(void);

/*
 * Prepares the idle LWP of CPU number `cpu`: returns the top of the stack on which that CPU starts,
 * or 0 when out of memory.
 */
uint64_t smp_prepare_cpu(unsigned cpu);

#endif
