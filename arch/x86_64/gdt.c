/*
 * Segments, task state and the per-CPU set-up of the processor.
 *
 * Long mode ignores most of segmentation. What remains: the code selectors decide the privilege
 * level; SYSCALL and SYSRET expect the order kernel code, kernel data, user data, user code (AMD
 * APM vol. 2, 6.1.1); and the TSS names the stacks. Each CPU has its own GDT and TSS.
 *
 * Stacks of a CPU besides those of LWPs: one for interrupts, and one each for double fault, NMI,
 * machine check and debug exceptions (IST 1...4), which may strike at any instruction, also where
 * the stack pointer or the GS base is not the kernel's. The topmost word of an IST stack holds the
 * CPU's GS base, so that the entry code need not guess it (trap_entry.asm).
 */

#include <arch/cpu.h>
#include <arch/mmu.h>
#include <arch/percpu.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <mm/kstack.h>
#include <x86/cpu.h>
#include <x86/regs.h>
#include <x86/vdso.h>

#define NR_IST           4
#define BOOT_STACK_BYTES 4096

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t iomap_offset;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "Intel SDM vol. 3A, figure 8-11");

struct cpu_tables {
    uint64_t gdt[8]; /* null, kernel code, kernel data, user data, user code, TSS (two words), CPU
                        number */
    struct tss tss;
    uint64_t stack_top[NR_IST];
};

static PERCPU(struct cpu_tables, cpu_tables);
PERCPU(unsigned, cpu_number);
PERCPU(uint64_t, percpu_distance);
PERCPU(uint64_t, kernel_stack_top); /* read by syscall_entry.asm */
PERCPU(uint64_t, irq_stack_top);    /* read by trap_entry.asm */
PERCPU(uint64_t, syscall_user_rsp); /* written by syscall_entry.asm */
PERCPU(unsigned, return_work);
uint64_t percpu_distances[CPUS_MAX];

/* Until memory management is up, the boot CPU's exceptions and interrupts use these. */
static alignas(16) unsigned char boot_stacks[NR_IST + 1][BOOT_STACK_BYTES];

void syscall_entry(void);

static void ist_set(struct cpu_tables *tables, unsigned i, uint64_t stack_top, uint64_t distance)
{
    uint64_t *top = (uint64_t *)stack_top - 2; /* keeps the stack aligned to 16 bytes */

    *top = distance;
    tables->tss.ist[i] = (uint64_t)top;
}

static void gdt_load(struct cpu_tables *tables, unsigned cpu)
{
    uint64_t tss = (uint64_t)&tables->tss;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(tables->gdt) - 1, (uint64_t)tables->gdt};

    tables->gdt[1] = 0x00af9b000000ffff;
    tables->gdt[2] = 0x00cf93000000ffff;
    tables->gdt[3] = 0x00cff3000000ffff;
    tables->gdt[4] = 0x00affb000000ffff;
    tables->gdt[5] = 0x0000890000000000 | (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 |
                     (tss >> 24 & 0xff) << 56;
    tables->gdt[6] = tss >> 32;
    tables->gdt[SELECTOR_CPU_NUMBER / 8] = 0x0000f10000000000 | cpu; /* read-only data, of bytes */
    tables->tss.iomap_offset = sizeof(struct tss);

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movw %w2, %%ss\n\t"
                     "movw %w2, %%ds\n\t"
                     "movw %w2, %%es\n\t"
                     "ltr %w3\n\t"
                     "lldt %w4" ::"m"(pointer), /* after reset, there is an LDT at address 0 */
                     "i"(SELECTOR_KERNEL_CODE), "r"(SELECTOR_KERNEL_DATA), "r"(SELECTOR_TSS), "r"(0)
                     : "rax", "memory");
}

/* FS and GS selectors are left alone: loading them would clear their bases. */
static void syscall_init(void)
{
    x86_write_msr(MSR_EFER, x86_read_msr(MSR_EFER) | EFER_SCE | EFER_NXE);
    x86_write_msr(MSR_STAR, (uint64_t)(SELECTOR_KERNEL_DATA | 3) << 48 |
                                (uint64_t)SELECTOR_KERNEL_CODE << 32);
    x86_write_msr(MSR_LSTAR, (uint64_t)syscall_entry);
    x86_write_msr(MSR_SFMASK,
                  RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC);
}

static void control_registers_init(void)
{
    uint64_t cr4 = x86_read_cr4() | CR4_DE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    if (x86_features.has_mce)
        cr4 |= CR4_MCE;
    if (x86_features.has_umip)
        cr4 |= CR4_UMIP;
    if (x86_features.has_smep)
        cr4 |= CR4_SMEP;
    if (x86_features.has_smap)
        cr4 |= CR4_SMAP;
    if (x86_features.has_fsgsbase)
        cr4 |= CR4_FSGSBASE;
    if (x86_features.has_xsave)
        cr4 |= CR4_OSXSAVE;
    x86_write_cr4(cr4);
    x86_write_cr0((x86_read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP);

    /* Entries 0...3 as after reset, entry 4 (the PAT bit alone) is write-combining. */
    x86_write_msr(MSR_PAT, 0x0007040100070406);
}

void x86_cpu_init(unsigned cpu)
{
    struct cpu_tables *tables;

    x86_write_msr(MSR_GS_BASE, percpu_distances[cpu]);
    this_cpu_write(percpu_distance, percpu_distances[cpu]);
    this_cpu_write(cpu_number, cpu);

    tables = this_cpu_ptr(cpu_tables);
    if (cpu == 0) {
        for (unsigned i = 0; i < NR_IST; i++)
            ist_set(tables, i, (uint64_t)boot_stacks[i + 1], 0);
        this_cpu_write(irq_stack_top, (uint64_t)boot_stacks[NR_IST + 1]);
    }
    gdt_load(tables, cpu);
    x86_write_msr(MSR_GS_BASE, percpu_distances[cpu]);
    x86_idt_load();
    control_registers_init();
    syscall_init();
    x86_fpu_init_cpu();
    if (cpu != 0)
        x86_use_stacks();
}

int x86_alloc_stacks(unsigned cpu)
{
    struct cpu_tables *tables = cpu_ptr(cpu_tables, cpu);

    for (unsigned i = 0; i < NR_IST; i++) {
        tables->stack_top[i] = kstack_alloc();
        if (tables->stack_top[i] == 0)
            return -ENOMEM;
    }
    *cpu_ptr(irq_stack_top, cpu) = kstack_alloc();
    return *cpu_ptr(irq_stack_top, cpu) == 0 ? -ENOMEM : 0;
}

void x86_use_stacks(void)
{
    struct cpu_tables *tables = this_cpu_ptr(cpu_tables);

    for (unsigned i = 0; i < NR_IST; i++)
        ist_set(tables, i, tables->stack_top[i], this_cpu_read(percpu_distance));
}

void x86_set_kernel_stack(uint64_t stack_top)
{
    this_cpu_write(kernel_stack_top, stack_top);
    PERCPU_GS(cpu_tables).tss.rsp[0] = stack_top;
}
