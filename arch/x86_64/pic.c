/*
 * The pair of 8259A interrupt controllers (Intel 8259A data sheet), for machines without an I/O
 * APIC; on all others they are masked for good.
 */

#include <arch/io.h>
#include <x86/apic.h>
#include <x86/cpu.h>

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

#define ICW1_INIT_ICW4 0x11
#define ICW4_8086      0x01
#define OCW2_EOI       0x20
#define OCW3_READ_ISR  0x0b
#define CASCADE_LINE   2

static uint16_t masked = 0xffff;

static void write_masks(void)
{
    io_out8(PIC1_DATA, (uint8_t)masked);
    io_out8(PIC2_DATA, (uint8_t)(masked >> 8));
}

static void command(uint16_t port, uint8_t value)
{
    io_out8(port, value);
    io_delay();
}

void pic_init(void)
{
    command(PIC1_COMMAND, ICW1_INIT_ICW4);
    command(PIC2_COMMAND, ICW1_INIT_ICW4);
    command(PIC1_DATA, VECTOR_IRQ_BASE);
    command(PIC2_DATA, VECTOR_IRQ_BASE + 8);
    command(PIC1_DATA, 1 << CASCADE_LINE);
    command(PIC2_DATA, CASCADE_LINE);
    command(PIC1_DATA, ICW4_8086);
    command(PIC2_DATA, ICW4_8086);
    write_masks();
}

void pic_unmask(unsigned line)
{
    masked &= (uint16_t) ~(1u << line | (line >= 8 ? 1u << CASCADE_LINE : 0));
    write_masks();
}

/* A line that drops too early shows up as the lowest of its controller without its ISR bit. */
bool pic_acknowledge(unsigned line)
{
    uint16_t port = line < 8 ? PIC1_COMMAND : PIC2_COMMAND;

    io_out8(port, OCW3_READ_ISR);
    if ((line & 7) == 7 && !(io_in8(port) & 0x80)) {
        if (line >= 8)
            io_out8(PIC1_COMMAND, OCW2_EOI);
        return false;
    }
    if (line >= 8)
        io_out8(PIC2_COMMAND, OCW2_EOI);
    io_out8(PIC1_COMMAND, OCW2_EOI);
    return true;
}
