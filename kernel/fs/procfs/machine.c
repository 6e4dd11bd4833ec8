/* What the machine is and does: cpuinfo, interrupts, stat. */

#include <arch/describe.h>
#include <arch/irq.h>
#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/interrupts.h>
#include <kernel/loadavg.h>
#include <kernel/realtime.h>
#include <mm/slab.h>
#include <proc/process.h>
#include <sched/read.h>

#include "procfs.h"

static void show_features(struct procfs_text *text)
{
    char name[ARCH_FEATURE_MAX];

    procfs_print(text, "flags\t\t:");
    for (unsigned i = 0; arch_cpu_feature(i, name); i++)
        procfs_print(text, " %s", name);
    procfs_print(text, "\n");
}

int procfs_show_cpuinfo(struct procfs_text *text, const struct procfs_node *node)
{
    struct arch_cpu_description d;

    (void)node;
    arch_describe_cpu(&d);
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        procfs_print(text, "processor\t: %u\nvendor_id\t: %s\n", cpu, d.vendor);
        procfs_print(text, "cpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
                     d.family, d.model, d.brand, d.stepping);
        procfs_print(text, "cpu MHz\t\t: %lu.%03lu\napicid\t\t: %u\n", d.khz / 1000, d.khz % 1000,
                     arch_hardware_id(cpu));
        show_features(text);
        procfs_print(text, "clflush size\t: %u\n", d.line_bytes);
        procfs_print(text, "address sizes\t: %u bits physical, %u bits virtual\n\n", d.paddr_bits,
                     d.vaddr_bits);
    }
    return 0;
}

/* ---- Interrupts ----------------------------------------------------------------------------- */

/* Of all CPUs. */
static uint64_t nr_of(unsigned source)
{
    uint64_t nr = 0;

    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++)
        nr += interrupts_count(source, cpu);
    return nr;
}

static void show_source(struct procfs_text *text, unsigned source, const char *label,
                        const char *what)
{
    if (label != NULL)
        procfs_print(text, "%3s: ", label);
    else
        procfs_print(text, "%3u: ", source);
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++)
        procfs_print(text, "%10lu ", interrupts_count(source, cpu));
    procfs_print(text, "  %s\n", what);
}

/* Lines of which none has come are left out. */
int procfs_show_interrupts(struct procfs_text *text, const struct procfs_node *node)
{
    (void)node;
    procfs_print(text, "    ");
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++)
        procfs_print(text, " %7s%-3u", "CPU", cpu);
    procfs_print(text, "\n");
    for (unsigned line = 0; line < IRQ_SOURCE_TIMER; line++) {
        if (nr_of(line) > 0)
            show_source(text, line, NULL, "ISA");
    }
    show_source(text, IRQ_SOURCE_TIMER, "LOC", "Local timer interrupts");
    show_source(text, IRQ_SOURCE_IPI + IPI_RESCHEDULE, "RES", "Rescheduling interrupts");
    show_source(text, IRQ_SOURCE_IPI + IPI_TLB, "TLB", "TLB shootdowns");
    show_source(text, IRQ_SOURCE_IPI + IPI_RECLAIM, "CAL", "Requests to give memory back");
    return 0;
}

/* ---- stat ----------------------------------------------------------------------------------- */

/* user nice system idle iowait irq softirq steal guest guest_nice: all that is not idle is user. */
static void show_cpu_times(struct procfs_text *text, uint64_t busy_ns, uint64_t idle_ns)
{
    procfs_print(text, " %lu 0 0 %lu 0 0 0 0 0 0\n", procfs_ticks(busy_ns), procfs_ticks(idle_ns));
}

static uint64_t busy_ns(const struct thrum_sched_cpu *record)
{
    return record->now_ns - MIN(record->idle_ns, record->now_ns);
}

static void show_interrupt_sums(struct procfs_text *text)
{
    uint64_t sum = 0;

    for (unsigned source = 0; source < NR_IRQ_SOURCES; source++)
        sum += nr_of(source);
    procfs_print(text, "intr %lu", sum);
    for (unsigned line = 0; line < IRQ_SOURCE_TIMER; line++)
        procfs_print(text, " %lu", nr_of(line));
    procfs_print(text, "\n");
}

int procfs_show_system_stat(struct procfs_text *text, const struct procfs_node *node)
{
    /* All are read first: time goes on, and the first line is the sum of those that follow. */
    struct thrum_sched_cpu *records = kmalloc_user(nr_cpus_online * sizeof(*records));
    uint64_t all_busy_ns = 0, all_idle_ns = 0, nr_switches = 0, nr_cpus = 0;

    (void)node;
    if (records == NULL)
        return -ENOMEM;
    for (; sched_read_cpu(nr_cpus, &records[nr_cpus]); nr_cpus++) {
        all_busy_ns += busy_ns(&records[nr_cpus]);
        all_idle_ns += records[nr_cpus].idle_ns;
        nr_switches += records[nr_cpus].nr_switches;
    }
    procfs_print(text, "cpu ");
    show_cpu_times(text, all_busy_ns, all_idle_ns);
    for (uint64_t cpu = 0; cpu < nr_cpus; cpu++) {
        procfs_print(text, "cpu%lu", cpu);
        show_cpu_times(text, busy_ns(&records[cpu]), records[cpu].idle_ns);
    }
    kfree(records);
    show_interrupt_sums(text);
    procfs_print(text, "ctxt %lu\nbtime %lu\nprocesses %u\nprocs_running %u\nprocs_blocked 0\n",
                 nr_switches, realtime_at_boot_ns() / NSEC_PER_SEC, atomic_load(&nr_processes_ever),
                 load_nr_runnable());
    return 0;
}
