/*
 * Starting the other CPUs (Intel SDM vol. 3A, 8.4.4).
 *
 * Everything a CPU needs (its copy of the per-CPU section, its stacks, its idle LWP) is made by the
 * boot CPU before. Then all of them get INIT, and after 10 ms the start-up message that names the
 * trampoline's page; each finds its slot by its APIC ID and comes to x86_ap_main(). CPU numbers
 * follow the order of the MADT; a CPU that does not come leaves no hole, because numbers are given
 * out only to those that answered: a CPU waits in its slot until it is told its number.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/mmu.h>
#include <arch/percpu.h>
#include <arch/smp.h>
#include <drivers/acpi.h>
#include <kernel/clock.h>
#include <kernel/log.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <x86/apic.h>
#include <x86/cpu.h>
#include <x86/regs.h>

#define INIT_WAIT_NS   (10 * NSEC_PER_MSEC)
#define ANSWER_WAIT_NS (10 * NSEC_PER_SEC) /* a virtual CPU starts when the host lets it run */
#define RETRY_NS       (200 * NSEC_PER_MSEC)

/* Read by trampoline.asm; lives as long as the CPU may still come. */
struct slot {
    uint64_t apic_id;
    uint64_t stack_top;
};

enum { AP_SILENT, AP_ARRIVED, AP_GO };

unsigned nr_cpus_online = 1;

/* What software added to the boot CPU's TSC: the same for all keeps them in step. */
static uint64_t boot_tsc_adjust;

static struct slot slots[CPUS_MAX + 1];
static _Atomic unsigned ap_state[CPUS_MAX];
static atomic_uint nr_running = 1;

extern const unsigned char trampoline_start[], trampoline_end[], trampoline_root[],
    trampoline_slots[];

/* Called from trampoline.asm, on the CPU's own stack. */
NORETURN void x86_ap_main(struct slot *slot);

static void wait_until(uint64_t deadline_ns)
{
    while (clock_now_ns() < deadline_ns)
        cpu_relax();
}

NORETURN void x86_ap_main(struct slot *slot)
{
    unsigned cpu = (unsigned)(slot - slots) + 1;

    x86_write_msr(MSR_GS_BASE, percpu_distances[cpu]);
    atomic_store(&ap_state[cpu], AP_ARRIVED);
    while (atomic_load(&ap_state[cpu]) != AP_GO)
        cpu_relax();
    if (x86_features.has_tsc_adjust)
        x86_write_msr(MSR_TSC_ADJUST, boot_tsc_adjust);
    x86_cpu_init(cpu);
    mmu_switch(&mmu_kernel_context);
    mmu_flush_local_all(); /* of the trampoline's page, which was mapped like a kernel page */
    apic_init_cpu();
    atomic_fetch_add(&nr_running, 1);
    smp_cpu_main();
}

static bool alloc_percpu(unsigned cpu)
{
    char *copy = kzalloc((size_t)(__percpu_end - __percpu_start));

    if (copy == NULL)
        return false;
    percpu_distances[cpu] = (uint64_t)(copy - __percpu_start);
    *cpu_ptr(cpu_number, cpu) = cpu;
    return true;
}

/* Makes all that CPU number `cpu` needs. False: out of memory; what was made stays unused. */
static bool prepare(unsigned cpu, uint32_t id)
{
    struct slot *slot = &slots[cpu - 1];

    if (!alloc_percpu(cpu) || x86_alloc_stacks(cpu) != 0)
        return false;
    slot->apic_id = id;
    slot->stack_top = smp_prepare_cpu(cpu);
    apic_id_of_cpu[cpu] = id;
    return slot->stack_top != 0;
}

/* The MADT's usable CPUs but this one; returns how many CPUs there will be. */
static unsigned prepare_all(const struct acpi_madt_info *madt, unsigned max_cpus)
{
    unsigned nr = 1;

    for (unsigned i = 0; i < madt->nr_cpus && nr < MIN(max_cpus, (unsigned)CPUS_MAX); i++) {
        uint32_t id = madt->cpus[i].apic_id;

        if (!madt->cpus[i].is_usable || id == apic_id())
            continue;
        if (id > 0xfe) {
            log_warn("smp: CPU with APIC ID %u left off: only 8-bit IDs are supported", id);
        } else if (!prepare(nr, id)) {
            log_warn("smp: no memory for more than %u CPUs", nr);
            break;
        } else {
            nr++;
        }
    }
    return nr;
}

/* Copies the trampoline to `page` and maps the page one to one in a root of its own. */
static paddr_t install_trampoline(paddr_t page)
{
    unsigned char *to = phys_to_virt(page);
    paddr_t root = mmu_root_create();
    const struct slot *first = slots;

    if (root == PADDR_NONE || root > UINT32_MAX || mmu_map(root, page, page, MMU_EXEC) != 0)
        return PADDR_NONE;
    memcpy(to, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    memcpy(to + (trampoline_root - trampoline_start), &root, sizeof(uint32_t));
    memcpy(to + (trampoline_slots - trampoline_start), &first, sizeof(first));
    return root;
}

static bool all_arrived(unsigned nr)
{
    for (unsigned cpu = 1; cpu < nr; cpu++) {
        if (atomic_load(&ap_state[cpu]) == AP_SILENT)
            return false;
    }
    return true;
}

static void start_and_wait(unsigned nr, paddr_t page)
{
    uint64_t give_up, retry;

    for (unsigned cpu = 1; cpu < nr; cpu++)
        apic_send_init(apic_id_of_cpu[cpu]);
    wait_until(clock_now_ns() + INIT_WAIT_NS);
    give_up = clock_now_ns() + ANSWER_WAIT_NS;
    while (!all_arrived(nr) && clock_now_ns() < give_up) {
        for (unsigned cpu = 1; cpu < nr; cpu++) {
            if (atomic_load(&ap_state[cpu]) == AP_SILENT)
                apic_send_startup(apic_id_of_cpu[cpu], page);
        }
        retry = clock_now_ns() + RETRY_NS;
        while (!all_arrived(nr) && clock_now_ns() < retry)
            cpu_relax();
    }
}

/*
 * CPUs behind one that did not come are left out too: numbers have no holes. (That a listed CPU
 * is dead is rare enough.)
 */
static void release(unsigned nr)
{
    for (unsigned cpu = 1; cpu < nr; cpu++) {
        if (atomic_load(&ap_state[cpu]) == AP_SILENT) {
            log_warn("smp: CPU with APIC ID %u does not answer; going on with %u CPUs",
                     apic_id_of_cpu[cpu], cpu);
            return;
        }
        nr_cpus_online = cpu + 1;
    }
}

void smp_start(unsigned max_cpus)
{
    struct acpi_madt_info madt;
    paddr_t page = smp_low_page(), root;
    unsigned nr;

    if (!apic_timer_is_present() || acpi_read_madt(&madt) != 0 || max_cpus < 2)
        return;
    if (page == PADDR_NONE) {
        log_warn("smp: no free page below 1 MiB to start other CPUs from");
        return;
    }
    if (x86_features.has_tsc_adjust)
        boot_tsc_adjust = x86_read_msr(MSR_TSC_ADJUST);
    nr = prepare_all(&madt, max_cpus);
    if (nr == 1)
        return;
    root = install_trampoline(page);
    if (root == PADDR_NONE) {
        log_warn("smp: no memory for the trampoline");
        return;
    }
    start_and_wait(nr, page);
    release(nr);
    for (unsigned cpu = 1; cpu < nr_cpus_online; cpu++)
        atomic_store(&ap_state[cpu], AP_GO);
    while (atomic_load(&nr_running) < nr_cpus_online)
        cpu_relax();
    /* A CPU that is late must still find its way: then the page and the tables stay. */
    if (nr_cpus_online == nr) {
        mmu_unmap(root, page);
        mmu_root_destroy(root);
    }
}
