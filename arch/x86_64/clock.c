/*
 * The clock is the CPU's time stamp counter, whose rate is measured once against a clock of known
 * rate: CPUID's own word for it, the HPET, the ACPI PM timer, or the PIT, whichever is there.
 *
 * Times are nanoseconds since the first instruction: (tsc - boot_tsc) * mult >> 32, in 128 bits. The
 * counters of all CPUs are taken to run in step, as they do on every CPU with an invariant TSC.
 */

#include <arch/clock.h>
#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/mmu.h>
#include <drivers/acpi.h>
#include <kernel/clock.h>
#include <kernel/log.h>
#include <mm/kmap.h>
#include <x86/apic.h>
#include <x86/cpu.h>
#include <x86/pit.h>
#include <x86/regs.h>

#define CALIBRATION_NS (5 * NSEC_PER_MSEC)

/* HPET registers (IA-PC HPET specification 1.0a, 2.3.3). */
#define HPET_CAPABILITIES   0x00
#define HPET_CONFIGURATION  0x10
#define HPET_COUNTER        0xf0
#define HPET_PERIOD_FS_MAX  100000000u
#define FEMTOSEC_PER_NSEC   1000000ull

/* ACPI 6.4, 4.8.3.3 */
#define PM_TIMER_HZ 3579545ull

/* PIT channel 2 is gated by port 0x61 and makes no interrupt. */
#define PIT_CHANNEL2      0x42
#define PIT_COMMAND       0x43
#define COMMAND_CH2_MODE0 0xb0
#define COMMAND_CH2_LATCH 0x80
#define PORT_61           0x61
#define PORT_61_GATE2     0x01
#define PORT_61_SPEAKER   0x02

extern uint64_t boot_tsc; /* entry.asm */

static uint64_t mult_q32; /* nanoseconds a tick, times 2^32; 0: the clock is not up */
static uint64_t tsc_hz;

/* A counter of known rate that wraps at `mask`. */
struct reference {
    const char *name;
    uint64_t (*read)(void);
    uint64_t mask;
    uint64_t period_fs;
};

static volatile uint64_t *hpet;
static uint16_t pm_timer_port;

uint64_t clock_now_ns(void)
{
    return (uint64_t)((unsigned __int128)(x86_read_tsc() - boot_tsc) * mult_q32 >> 32);
}

uint64_t clock_tsc_at(uint64_t ns)
{
    /* tsc_hz < 2^40 and ns < 2^60: no overflow in 128 bits; one part in 10^9 is kept by splitting. */
    return boot_tsc + ns / NSEC_PER_SEC * tsc_hz + ns % NSEC_PER_SEC * tsc_hz / NSEC_PER_SEC;
}

static uint64_t hpet_read(void)
{
    return hpet[HPET_COUNTER / 8] & UINT32_MAX;
}

static uint64_t pm_timer_read(void)
{
    return io_in32(pm_timer_port) & 0xffffff;
}

/* Counts down; turned round, so that it looks like the others. */
static uint64_t pit_read(void)
{
    unsigned low;

    io_out8(PIT_COMMAND, COMMAND_CH2_LATCH);
    low = io_in8(PIT_CHANNEL2);
    return 0xffff - (low | (unsigned)io_in8(PIT_CHANNEL2) << 8);
}

static bool find_hpet(struct reference *ref)
{
    uint64_t base;
    uint32_t period_fs;

    if (acpi_find_hpet(&base) != 0)
        return false;
    hpet = kmap_phys(base, PAGE_SIZE, MMU_WRITE | MMU_UNCACHED);
    if (hpet == NULL)
        return false;
    period_fs = (uint32_t)(hpet[HPET_CAPABILITIES / 8] >> 32);
    if (period_fs == 0 || period_fs > HPET_PERIOD_FS_MAX)
        return false;
    hpet[HPET_CONFIGURATION / 8] |= 1;
    *ref = (struct reference){"HPET", hpet_read, UINT32_MAX, period_fs};
    return true;
}

static bool find_pm_timer(struct reference *ref)
{
    uint64_t before;

    if (acpi_pm_timer_port(&pm_timer_port) != 0)
        return false;
    before = pm_timer_read();
    for (unsigned i = 0; i < 100; i++)
        io_delay();
    *ref = (struct reference){"ACPI PM timer", pm_timer_read, 0xffffff,
                              NSEC_PER_SEC * FEMTOSEC_PER_NSEC / PM_TIMER_HZ};
    return pm_timer_read() != before;
}

static bool find_pit(struct reference *ref)
{
    uint64_t before;

    io_out8(PORT_61, (uint8_t)((io_in8(PORT_61) & ~PORT_61_SPEAKER) | PORT_61_GATE2));
    io_out8(PIT_COMMAND, COMMAND_CH2_MODE0);
    io_out8(PIT_CHANNEL2, 0xff);
    io_out8(PIT_CHANNEL2, 0xff);
    before = pit_read();
    for (unsigned i = 0; i < 100; i++)
        io_delay();
    *ref = (struct reference){"PIT", pit_read, 0xffff,
                              NSEC_PER_SEC * FEMTOSEC_PER_NSEC / PIT_HZ};
    return pit_read() != before;
}

/* Reads both counters at about the same moment: the closest of a few attempts. */
static uint64_t read_together(const struct reference *ref, uint64_t *tsc)
{
    uint64_t best = UINT64_MAX, value = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t before = x86_read_tsc();
        uint64_t v = ref->read();
        uint64_t after = x86_read_tsc();

        if (after - before < best) {
            best = after - before;
            *tsc = before + (after - before) / 2;
            value = v;
        }
    }
    return value;
}

static uint64_t measure_tsc_hz(const struct reference *ref)
{
    uint64_t tsc0 = 0, tsc1 = 0, elapsed_ns, start = read_together(ref, &tsc0), end = start;
    uint64_t wanted = CALIBRATION_NS * FEMTOSEC_PER_NSEC / ref->period_fs;

    /* Bounded by the TSC too (2^36 ticks are over ten seconds): a counter may stop. */
    while (((end - start) & ref->mask) < wanted && x86_read_tsc() - tsc0 < 1ull << 36)
        end = read_together(ref, &tsc1);
    elapsed_ns = ((end - start) & ref->mask) * ref->period_fs / FEMTOSEC_PER_NSEC;
    return elapsed_ns == 0 ? 0 : (tsc1 - tsc0) * NSEC_PER_SEC / elapsed_ns;
}

/* CPUID's word for the TSC's rate (Intel SDM vol. 3B, 19.7.3); 0: none. */
static uint64_t cpuid_tsc_hz(void)
{
    uint32_t max_leaf = x86_cpuid(0, 0).eax;
    struct cpuid_result r;

    if (max_leaf < 0x15)
        return 0;
    r = x86_cpuid(0x15, 0);
    if (r.eax == 0 || r.ebx == 0)
        return 0;
    if (r.ecx != 0)
        return (uint64_t)r.ecx * r.ebx / r.eax;
    return max_leaf < 0x16 ? 0 : (x86_cpuid(0x16, 0).eax & 0xffff) * 1000000ull;
}

static void measure_apic_timer(void)
{
    uint64_t start, end;

    if (!apic_timer_is_present())
        return;
    apic_timer_measure_start();
    start = clock_now_ns();
    do {
        end = clock_now_ns();
    } while (end - start < CALIBRATION_NS);
    apic_timer_measure_end(end - start);
}

void clock_init(void)
{
    struct reference ref = {.name = "CPUID"};

    tsc_hz = cpuid_tsc_hz();
    if (tsc_hz == 0 && (find_hpet(&ref) || find_pm_timer(&ref) || find_pit(&ref)))
        tsc_hz = measure_tsc_hz(&ref);
    if (tsc_hz < 1000000) {
        log_warn("clock: nothing to measure the TSC against; taking 1 GHz");
        ref.name = "guess";
        tsc_hz = NSEC_PER_SEC;
    }
    mult_q32 = (NSEC_PER_SEC << 32) / tsc_hz;
    measure_apic_timer();
    log_info("clock: TSC at %lu.%03lu MHz (%s)", tsc_hz / 1000000, tsc_hz / 1000 % 1000, ref.name);
}
