/*
 * The local APIC: interrupts of the CPU's own timer, messages between CPUs (Intel SDM vol. 3A,
 * chapter 11), and the table of device interrupts.
 *
 * Registers are memory-mapped, or MSRs when the firmware left the CPU in x2APIC mode. Device
 * interrupts come through the I/O APICs (ioapic.c). A machine without a local APIC, or without a
 * MADT that names an I/O APIC, has the pair of 8259 PICs (pic.c); one without a local APIC has one
 * CPU and the PIT (pit.c) as its timer.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/irq.h>
#include <arch/mmu.h>
#include <arch/smp.h>
#include <arch/trap.h>
#include <drivers/acpi.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <mm/kmap.h>
#include <x86/apic.h>
#include <x86/cpu.h>
#include <x86/regs.h>

/* Register offsets; in x2APIC mode the MSR is MSR_X2APIC + offset / 16. */
enum lapic_register {
    LAPIC_ID = 0x20,
    LAPIC_TASK_PRIORITY = 0x80,
    LAPIC_EOI = 0xb0,
    LAPIC_SPURIOUS = 0xf0,
    LAPIC_IN_SERVICE = 0x100, /* 8 words of 32 vectors each */
    LAPIC_ICR_LOW = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0,
};

#define APIC_BASE_ENABLED (1ull << 11)
#define APIC_BASE_X2APIC  (1ull << 10)
#define SPURIOUS_ENABLE   (1u << 8)
#define LVT_MASKED        (1u << 16)
#define LVT_TSC_DEADLINE  (2u << 17)
#define DIVIDE_BY_1       0xbu
#define ICR_NMI           (4u << 8)
#define ICR_INIT          (5u << 8)
#define ICR_STARTUP       (6u << 8)
#define ICR_ASSERT        (1u << 14)
#define ICR_PENDING       (1u << 12)

#define NR_LINES 16

/*
 * How long to wait for a CPU to stop, at a panic: one that a busy host does not let run is not
 * dead. In rounds too, should the clock stand still.
 */
#define STOP_WAIT_NS     (10 * NSEC_PER_SEC)
#define STOP_WAIT_ROUNDS 100000000

struct irq_line {
    irq_handler_fn handler;
    void *context;
};

#define NO_CPU (~0u)

static volatile uint32_t *lapic; /* NULL in x2APIC mode */
static bool has_lapic, is_x2apic, has_ioapic;
static uint64_t timer_ticks_per_us_q16; /* local APIC timer ticks a microsecond, times 65536 */
static struct irq_line lines[NR_LINES];
static atomic_uint nr_unknown_nmis;       /* not reported yet */
static atomic_uint stopping_cpu = NO_CPU; /* that stops all others */
static bool is_report_wanted;             /* by irq_stop_others() */
static atomic_uint nr_stopped;            /* CPUs that have obeyed it */

uint32_t apic_id_of_cpu[CPUS_MAX];

static uint32_t lapic_read(enum lapic_register reg)
{
    return is_x2apic ? (uint32_t)x86_read_msr(MSR_X2APIC + reg / 16) : lapic[reg / 4];
}

static void lapic_write(enum lapic_register reg, uint32_t value)
{
    if (is_x2apic)
        x86_write_msr(MSR_X2APIC + reg / 16, value);
    else
        lapic[reg / 4] = value;
}

uint32_t apic_id(void)
{
    if (!has_lapic)
        return 0;
    return is_x2apic ? lapic_read(LAPIC_ID) : lapic_read(LAPIC_ID) >> 24;
}

/* Acknowledges what the firmware or the boot loader left in service; at most one for each vector.
 */
static void clear_in_service(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint32_t in_service = 0;

        for (unsigned word = 0; word < 8; word++)
            in_service |= lapic_read(LAPIC_IN_SERVICE + word * 0x10);
        if (in_service == 0)
            return;
        lapic_write(LAPIC_EOI, 0);
    }
}

static uint64_t apic_base_bits(void)
{
    return APIC_BASE_ENABLED | (is_x2apic ? APIC_BASE_X2APIC : 0);
}

void apic_init_cpu(void)
{
    if (!has_lapic)
        return;
    x86_write_msr(MSR_APIC_BASE, x86_read_msr(MSR_APIC_BASE) | apic_base_bits());
    lapic_write(LAPIC_TASK_PRIORITY, 0);
    lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, ICR_NMI);
    lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER,
                VECTOR_TIMER | (x86_features.has_tsc_deadline ? LVT_TSC_DEADLINE : 0));
    clear_in_service();
}

void apic_init(void)
{
    struct acpi_madt_info madt;
    bool has_madt = acpi_read_madt(&madt) == 0;

    pic_init();
    has_lapic = x86_features.has_apic;
    if (has_lapic) {
        uint64_t base = x86_read_msr(MSR_APIC_BASE);

        is_x2apic = base & APIC_BASE_X2APIC;
        if (!is_x2apic)
            lapic = kmap_phys(base & 0x000ffffffffff000ull, PAGE_SIZE, MMU_WRITE | MMU_UNCACHED);
        has_lapic = is_x2apic || lapic != NULL;
    }
    apic_init_cpu();
    apic_id_of_cpu[0] = apic_id();
    has_ioapic = has_lapic && has_madt && ioapic_init(&madt) == 0;
    if (has_lapic && !has_ioapic)
        lapic_write(LAPIC_LVT_LINT0, 7u << 8); /* ExtINT: the 8259's line */
    log_info("irq: %s, %s", has_lapic ? (is_x2apic ? "x2APIC" : "local APIC") : "no local APIC",
             has_ioapic ? "I/O APIC" : "8259 PIC");
}

bool apic_timer_is_present(void)
{
    return has_lapic;
}

void apic_timer_measure_start(void)
{
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
}

uint64_t apic_timer_elapsed(void)
{
    return UINT32_MAX - lapic_read(LAPIC_TIMER_CURRENT);
}

void apic_timer_measure_end(uint64_t ticks, uint64_t elapsed_ns)
{
    uint64_t rate_q16 = (ticks << 16) * NSEC_PER_USEC / MAX(elapsed_ns, 1ull);

    lapic_write(LAPIC_TIMER_INITIAL, 0);
    timer_ticks_per_us_q16 = MAX(rate_q16, 1ull);
    lapic_write(LAPIC_LVT_TIMER,
                VECTOR_TIMER | (x86_features.has_tsc_deadline ? LVT_TSC_DEADLINE : 0));
}

static void lapic_timer_arm(uint64_t delay_ns)
{
    /* A second at most: the timer's interrupt arms it again for what is left. */
    uint64_t us_q10 = MIN(delay_ns, NSEC_PER_SEC) * 1024 / NSEC_PER_USEC;
    uint64_t ticks = us_q10 * timer_ticks_per_us_q16 >> 26;

    ticks = MAX(ticks, 1ull);
    lapic_write(LAPIC_TIMER_INITIAL, (uint32_t)MIN(ticks, (uint64_t)UINT32_MAX));
}

/*
 * The first write must come after the LVT write that chose this mode (Intel SDM vol. 3A, 11.5.4.1);
 * MFENCE orders the two where the local APIC is memory-mapped.
 */
static void tsc_deadline_arm(uint64_t delay_ns)
{
    atomic_thread_fence(memory_order_seq_cst);
    x86_write_msr(MSR_TSC_DEADLINE, x86_read_tsc() + clock_ns_to_tsc(delay_ns) + 1);
}

static void timer_disarm(void)
{
    if (x86_features.has_tsc_deadline)
        x86_write_msr(MSR_TSC_DEADLINE, 0);
    else
        lapic_write(LAPIC_TIMER_INITIAL, 0);
}

void irq_arm_timer(uint64_t deadline_ns)
{
    uint64_t now = clock_now_ns();
    uint64_t delay_ns = deadline_ns > now ? deadline_ns - now : 0;

    if (!has_lapic)
        pit_arm(delay_ns);
    else if (deadline_ns == UINT64_MAX)
        timer_disarm();
    else if (x86_features.has_tsc_deadline)
        tsc_deadline_arm(delay_ns);
    else
        lapic_timer_arm(delay_ns);
}

/* Two writes in xAPIC mode: the first only chooses the destination. Interrupts are off. */
static void send(uint32_t destination, uint32_t message)
{
    if (is_x2apic) {
        atomic_thread_fence(memory_order_seq_cst); /* the MSR write does not order stores */
        x86_write_msr(MSR_X2APIC + LAPIC_ICR_LOW / 16, (uint64_t)destination << 32 | message);
        return;
    }
    for (unsigned i = 0; i < 100000 && lapic_read(LAPIC_ICR_LOW) & ICR_PENDING; i++)
        cpu_relax();
    lapic_write(LAPIC_ICR_HIGH, destination << 24);
    lapic_write(LAPIC_ICR_LOW, message);
}

void irq_send_ipi(unsigned cpu, enum ipi kind)
{
    irq_state_t irq;

    if (!has_lapic)
        return;
    irq = irq_save();
    send(apic_id_of_cpu[cpu], ICR_ASSERT | (VECTOR_IPI_BASE + kind));
    irq_restore(irq);
}

void apic_send_init(uint32_t id)
{
    send(id, ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(uint32_t id, paddr_t page)
{
    send(id, ICR_ASSERT | ICR_STARTUP | (uint32_t)(page >> PAGE_SHIFT));
}

static void wait_for_stopped(unsigned nr)
{
    uint64_t start_ns = clock_now_ns();

    for (unsigned i = 0; i < STOP_WAIT_ROUNDS && atomic_load(&nr_stopped) < nr &&
                         clock_now_ns() - start_ns < STOP_WAIT_NS;
         i++) {
        cpu_relax(); /* an emulator that runs CPUs in turn goes on to the next one by it */
        io_delay();
    }
}

void irq_stop_others(bool report)
{
    irq_state_t irq = irq_save();
    unsigned nr_sent = 0, nobody = NO_CPU;

    is_report_wanted = report;
    if (atomic_compare_exchange_strong(&stopping_cpu, &nobody, cpu_id()) && has_lapic) {
        for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
            if (cpu == cpu_id())
                continue;
            send(apic_id_of_cpu[cpu], ICR_ASSERT | ICR_NMI);
            /* One after the other, so that what they print does not mix; a dead one is given up. */
            wait_for_stopped(++nr_sent);
        }
    }
    irq_restore(irq);
}

void apic_nmi_received(struct trap_frame *frame)
{
    unsigned stopping = atomic_load(&stopping_cpu);

    /* It may have struck while this CPU held the log's lock: counted here, reported later. One that
     * strikes who stops the others is not of those that are sent for it. */
    if (stopping == NO_CPU || stopping == cpu_id()) {
        atomic_fetch_add(&nr_unknown_nmis, 1);
        return;
    }
    if (is_report_wanted) {
        log_error("CPU %u was at", cpu_id());
        trap_print(frame);
    }
    atomic_fetch_add(&nr_stopped, 1);
    cpu_halt_forever();
}

static void line_interrupt(unsigned line)
{
    if (!has_ioapic && !pic_acknowledge(line))
        return;
    if (has_ioapic)
        lapic_write(LAPIC_EOI, 0);
    irq_note(line);
    if (lines[line].handler != NULL)
        lines[line].handler(lines[line].context);
}

static void report_unknown_nmis(void)
{
    unsigned nr = atomic_exchange(&nr_unknown_nmis, 0);

    if (unlikely(nr > 0))
        log_error("irq: %u non-maskable interrupt(s) for no known reason", nr);
}

void apic_interrupt(unsigned vector)
{
    if (vector >= VECTOR_IRQ_BASE && vector < VECTOR_IRQ_BASE + NR_LINES) {
        line_interrupt(vector - VECTOR_IRQ_BASE);
    } else if (vector == VECTOR_TIMER) {
        lapic_write(LAPIC_EOI, 0);
        irq_note(IRQ_SOURCE_TIMER);
        report_unknown_nmis();
        irq_timer_fired();
    } else if (vector >= VECTOR_IPI_BASE && vector < VECTOR_IPI_BASE + NR_IPIS) {
        lapic_write(LAPIC_EOI, 0);
        irq_note(IRQ_SOURCE_IPI + vector - VECTOR_IPI_BASE);
        irq_ipi_received((enum ipi)(vector - VECTOR_IPI_BASE));
    } else if (vector != VECTOR_SPURIOUS) {
        log_warn("irq: unexpected vector %u on CPU %u", vector, cpu_id());
        if (has_lapic)
            lapic_write(LAPIC_EOI, 0);
    }
}

int irq_request(unsigned line, irq_handler_fn handler, void *context)
{
    if (line >= NR_LINES || lines[line].handler != NULL)
        return -EBUSY;
    lines[line] = (struct irq_line){handler, context};
    if (has_ioapic)
        return ioapic_route(line, VECTOR_IRQ_BASE + line, apic_id_of_cpu[0]);
    pic_unmask(line);
    return 0;
}
