#ifndef ARCH_DESCRIBE_H
#define ARCH_DESCRIBE_H

/* What there is to say about the CPUs, which are all alike. */

#include <kernel/types.h>

struct arch_cpu_description {
    char vendor[13];
    char brand[49]; /* without blanks in front */
    unsigned family, model, stepping;
    uint64_t khz;
    unsigned line_bytes; /* of the cache; 0: unknown */
    unsigned paddr_bits, vaddr_bits;
};

void arch_describe_cpu(struct arch_cpu_description *description);

/* The n-th feature that the CPUs have, as Linux's /proc/cpuinfo calls it. False: no more. */
#define ARCH_FEATURE_MAX 24
bool arch_cpu_feature(unsigned n, char name[ARCH_FEATURE_MAX]);

/* The number by which the interrupt controller knows a CPU. */
unsigned arch_hardware_id(unsigned cpu);

#endif
