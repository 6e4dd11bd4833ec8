#ifndef ARCH_IMPL_PERCPU_H
#define ARCH_IMPL_PERCPU_H

/*
 * x86-64: the GS base of a CPU is the distance from the original of the per-CPU section to the
 * CPU's own copy, so that an ordinary address with a GS prefix reaches the copy. The boot CPU's
 * copy is the original: distance 0.
 */

extern uint64_t percpu_distances[CPUS_MAX];
extern char __percpu_start[], __percpu_end[];

/* The calling CPU's own, which is its GS base, readable without an MSR access. */
DECLARE_PERCPU(uint64_t, percpu_distance);

#define PERCPU_GS(name) (*(__typeof__(name) __seg_gs *)(uintptr_t) & (name))

#define this_cpu_read(name)         (PERCPU_GS(name))
#define this_cpu_write(name, value) ((void)(PERCPU_GS(name) = (value)))
#define this_cpu_add(name, n)       ((void)(PERCPU_GS(name) += (n)))

#define this_cpu_ptr(name) ((__typeof__(name) *)((char *)&(name) + this_cpu_read(percpu_distance)))
#define cpu_ptr(name, cpu) ((__typeof__(name) *)((char *)&(name) + percpu_distances[cpu]))

#endif
