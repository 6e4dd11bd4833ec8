#ifndef ARCH_IMPL_PERCPU_H
#define ARCH_IMPL_PERCPU_H

/*
 * On the host a per-CPU variable is an array. All of them lie in one section, which
 * host_reset() fills with zeroes.
 */

#include <arch/cpu.h>

#undef PERCPU
#undef DECLARE_PERCPU
#define PERCPU(type, name)         __attribute__((section("percpu"))) type name[CPUS_MAX]
#define DECLARE_PERCPU(type, name) extern type name[CPUS_MAX]

_Static_assert(FAKE_CPUS_MAX == CPUS_MAX, "as many fake CPUs as the kernel drives");

#define this_cpu_read(name)         (name[cpu_id()])
#define this_cpu_write(name, value) ((void)(name[cpu_id()] = (value)))
#define this_cpu_add(name, n)       ((void)(name[cpu_id()] += (n)))
#define this_cpu_ptr(name)          (&name[cpu_id()])
#define cpu_ptr(name, cpu)          (&name[cpu])

#endif
