/*
 * The clock is the CPU's time stamp counter, whose rate is measured once against a clock of known
 * rate: CPUID's own word for it, the HPET, the ACPI PM timer, or the PIT, whichever is there.
 *
 * Times are nanoseconds since the first instruction: (tsc - boot_tsc) * mult >> 32, in 128 bits.
 * The counters of all CPUs are taken to run in step, as they do on every CPU with an invariant TSC.
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
#include <x86/vdso.h>

#define CALIBRATION_NS (2 * NSEC_PER_MSEC)
#define TSC_HZ_MIN     1000000u

/* HPET registers (IA-PC HPET specification 1.0a, 2.3.3). */
#define HPET_CAPABILITIES  0x00
#define HPET_CONFIGURATION 0x10
#define HPET_COUNTER       0xf0
#define HPET_PERIOD_FS_MAX 100000000u
#define FEMTOSEC_PER_NSEC  1000000ull

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

static uint64_t tsc_to_ns(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * mult_q32 >> 32);
}

uint64_t clock_now_ns(void)
{
    return tsc_to_ns(x86_read_tsc() - boot_tsc);
}

void x86_clock_describe(struct vdso_times *times)
{
    times->boot_tsc = boot_tsc;
    times->mult_q32 = mult_q32;
}

uint64_t clock_ns_to_tsc(uint64_t ns)
{
    ns = MIN(ns, 3600 * NSEC_PER_SEC);
    return ns / NSEC_PER_SEC * tsc_hz + ns % NSEC_PER_SEC * tsc_hz / NSEC_PER_SEC;
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

/* Whether the counter counts: within some 100 us. */
static bool is_moving(const struct reference *ref)
{
    uint64_t before = ref->read();

    for (unsigned i = 0; i < 100; i++)
        io_delay();
    return ref->read() != before;
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
    return is_moving(ref);
}

static bool find_pm_timer(struct reference *ref)
{
    if (acpi_pm_timer_port(&pm_timer_port) != 0)
        return false;
    *ref = (struct reference){"ACPI PM timer", pm_timer_read, 0xffffff,
                              NSEC_PER_SEC * FEMTOSEC_PER_NSEC / PM_TIMER_HZ};
    return is_moving(ref);
}

static bool find_pit(struct reference *ref)
{
    io_out8(PORT_61, (uint8_t)((io_in8(PORT_61) & ~PORT_61_SPEAKER) | PORT_61_GATE2));
    io_out8(PIT_COMMAND, COMMAND_CH2_MODE0);
    io_out8(PIT_CHANNEL2, 0xff);
    io_out8(PIT_CHANNEL2, 0xff);
    *ref = (struct reference){"PIT", pit_read, 0xffff, NSEC_PER_SEC * FEMTOSEC_PER_NSEC / PIT_HZ};
    return is_moving(ref);
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

    /* Bounded by the TSC too (2^32 ticks are over half a second): a counter may stop. */
    while (((end - start) & ref->mask) < wanted && x86_read_tsc() - tsc0 < 1ull << 32)
        end = read_together(ref, &tsc1);
    elapsed_ns = ((end - start) & ref->mask) * ref->period_fs / FEMTOSEC_PER_NSEC;
    return elapsed_ns == 0 ? 0 : (tsc1 - tsc0) * NSEC_PER_SEC / elapsed_ns;
}

/*
 * The least of three measurements: one is too high when the counter wrapped meanwhile, because a
 * hypervisor stopped this CPU for longer than the counter's range.
 */
static uint64_t measure_best(const struct reference *ref)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < 3; i++) {
        uint64_t hz = measure_tsc_hz(ref);

        best = MIN(best, hz);
    }
    return best;
}

/* Measures against the first clock that works. 0: none does. */
static uint64_t measure_against_any(struct reference *ref)
{
    static bool (*const finders[])(struct reference *) = {find_hpet, find_pm_timer, find_pit};

    for (unsigned i = 0; i < ARRAY_LEN(finders); i++) {
        uint64_t hz = finders[i](ref) ? measure_best(ref) : 0;

        if (hz >= TSC_HZ_MIN)
            return hz;
    }
    return 0;
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

/* Both counters are read together each time: a hypervisor may stop this CPU between two reads. */
static void measure_apic_timer(void)
{
    const struct reference timer = {.read = apic_timer_elapsed};
    uint64_t tsc0 = 0, tsc1 = 0, start, end;

    if (!apic_timer_is_present())
        return;
    apic_timer_measure_start();
    start = read_together(&timer, &tsc0);
    do {
        end = read_together(&timer, &tsc1);
    } while (tsc_to_ns(tsc1 - tsc0) < CALIBRATION_NS);
    apic_timer_measure_end(end - start, tsc_to_ns(tsc1 - tsc0));
}

void clock_init(void)
{
    struct reference ref = {.name = "CPUID"};

    tsc_hz = cpuid_tsc_hz();
    if (tsc_hz < TSC_HZ_MIN)
        tsc_hz = measure_against_any(&ref);
    if (tsc_hz == 0) {
        log_warn("clock: nothing to measure the TSC against; taking 1 GHz");
        ref.name = "guess";
        tsc_hz = NSEC_PER_SEC;
    }
    mult_q32 = (NSEC_PER_SEC << 32) / tsc_hz;
    measure_apic_timer();
    if (!x86_features.has_invariant_tsc)
        log_debug("clock: the CPU does not promise a constant rate of its TSC");
    log_info("clock: TSC at %lu.%03lu MHz (%s)", tsc_hz / 1000000, tsc_hz / 1000 % 1000, ref.name);
}
