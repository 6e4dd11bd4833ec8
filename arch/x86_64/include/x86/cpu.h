#ifndef X86_CPU_H
#define X86_CPU_H

/* Setting up a CPU: descriptor tables, features, entry points. Inside arch/x86_64 only. */

#include <kernel/types.h>

/* What this machine's CPUs offer and the kernel uses; the boot CPU's word counts for all. */
struct x86_features {
    bool has_smep, has_smap, has_umip, has_fsgsbase, has_xsave, has_apic, has_tsc_deadline;
    bool has_rdrand, has_rdseed, has_mce, has_tsc_adjust, has_invariant_tsc;
    uint8_t paddr_bits;      /* MAXPHYADDR */
    uint64_t xsave_mask;     /* XCR0: state components in use */
    uint32_t fpu_area_bytes; /* size of an area that holds them */
    char brand[49];
};

extern struct x86_features x86_features;

/* Reads CPUID, on the boot CPU. */
void x86_detect_features(void);

/*
 * GDT, TSS, IDT, control registers, system call entry, PAT and FPU of the calling CPU. On the boot
 * CPU it is called first of all, before memory management.
 */
void x86_cpu_init(unsigned cpu);

/*
 * Gives CPU `cpu` its exception and interrupt stacks with guard pages. 0 or -ENOMEM. The boot CPU
 * makes do with static ones until then.
 */
int x86_alloc_stacks(unsigned cpu) MUST_CHECK;

/* Loads the TSS with the stacks of x86_alloc_stacks() for the calling CPU. */
void x86_use_stacks(void);

/* The stack on which the CPU enters the kernel from user mode. */
void x86_set_kernel_stack(uint64_t stack_top);

/* arch/x86_64/idt.c */
void x86_idt_init(void);
void x86_idt_load(void);

/* arch/x86_64/fpu.c */
void x86_fpu_detect(void);
void x86_fpu_init_cpu(void);

/* arch/x86_64/clock.c: TSC ticks in that time; an hour at most. */
uint64_t clock_ns_to_tsc(uint64_t ns);

/* Interrupt vectors. 32 ... 47: the legacy interrupt lines. */
#define VECTOR_IRQ_BASE 0x20
#define VECTOR_IPI_BASE 0xf0
#define VECTOR_TIMER    0xef
#define VECTOR_SPURIOUS 0xff

#endif
