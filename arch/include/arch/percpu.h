#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

/*
 * Per-CPU variables. `PERCPU(type, name)` defines one instance a CPU, all zero at start (what must
 * not be zero is set by its subsystem's init, for each CPU).
 *
 * The `this_cpu_*` accessors are single instructions, so they are right even where the caller could
 * be moved to another CPU between two of them. A *pointer* from this_cpu_ptr() is only good while
 * the caller cannot move: with preemption or interrupts off.
 *
 * arch/<cpu>/include/arch_impl/percpu.h supplies the accessors:
 *     this_cpu_read(name)  this_cpu_write(name, value)  this_cpu_add(name, n)   scalars
 *     this_cpu_ptr(name)                    the calling CPU's instance
 *     cpu_ptr(name, cpu)                    the instance of CPU number `cpu`
 */

#include <kernel/types.h>

/* The most CPUs that one kernel drives; further ones stay off. */
#define CPUS_MAX 64

#define PERCPU(type, name)         __attribute__((section(".percpu"))) type name
#define DECLARE_PERCPU(type, name) extern type name

#include <arch_impl/percpu.h>

#endif
