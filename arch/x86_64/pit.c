/*
 * The 8254 programmable interval timer, channel 0 in one-shot mode (Intel 8254 data sheet, mode 0),
 * as the timer of a machine without a local APIC.
 */

#include <arch/io.h>
#include <arch/irq.h>
#include <x86/apic.h>
#include <x86/pit.h>

#define PIT_LINE     0
#define PIT_CHANNEL0 0x40
#define PIT_COMMAND  0x43

#define COMMAND_CH0_MODE0 0x30

static void pit_interrupt(void *context)
{
    (void)context;
    irq_timer_fired();
}

int pit_timer_init(void)
{
    io_out8(PIT_COMMAND, COMMAND_CH0_MODE0);
    return irq_request(PIT_LINE, pit_interrupt, NULL);
}

/* At most 55 ms, the counter's range: a far deadline comes nearer in steps. */
void pit_arm(uint64_t delay_ns)
{
    uint64_t ticks = MIN(delay_ns, NSEC_PER_SEC) * PIT_HZ / NSEC_PER_SEC;
    uint16_t count = (uint16_t)MIN(MAX(ticks, 1ull), 0xffffull);

    io_out8(PIT_COMMAND, COMMAND_CH0_MODE0);
    io_out8(PIT_CHANNEL0, (uint8_t)count);
    io_out8(PIT_CHANNEL0, (uint8_t)(count >> 8));
}
