/*
 * The serial port of a PC: a 16550 UART, or an older one without FIFO.
 *
 * Output is polled: the console must work before there are interrupts and after a panic. When the
 * line status says that the transmitter is empty, its whole FIFO is free, so one look at the status
 * pays for up to 16 bytes.
 *
 * Nothing here waits for ever. An absent port is told apart by its scratch register and by a byte
 * sent to itself in loop-back mode. If a port that was there stops taking bytes (its line is held
 * up at the other end), one write waits for long and gives up; from then on each write looks only
 * once, until the port takes bytes again.
 *
 * Source: National Semiconductor PC16550D data sheet, section 8 (registers).
 */

#include <arch/io.h>
#include <drivers/uart16550.h>
#include <kernel/log.h>

#define COM1_BASE 0x3f8

/* Registers, as offsets from the base. */
enum {
    REG_DATA = 0,
    REG_DIVISOR_LOW = 0, /* while LCR_DIVISOR_LATCH is set */
    REG_DIVISOR_HIGH = 1,
    REG_INTERRUPT_ENABLE = 1,
    REG_INTERRUPT_ID = 2, /* when read */
    REG_FIFO_CONTROL = 2, /* when written */
    REG_LINE_CONTROL = 3,
    REG_MODEM_CONTROL = 4,
    REG_LINE_STATUS = 5,
    REG_SCRATCH = 7,
};

enum {
    LCR_8N1 = 0x03,
    LCR_DIVISOR_LATCH = 0x80,
    FCR_ENABLE_AND_CLEAR = 0x07,
    IIR_FIFO_WORKS = 0xc0,
    MCR_DTR_RTS = 0x03,
    MCR_OUT2 = 0x08, /* lets the interrupt line out of the chip on a PC */
    MCR_LOOPBACK = 0x10,
    LSR_DATA_READY = 0x01,
    LSR_TRANSMITTER_EMPTY = 0x20,
};

/* 115200 baud is the chip's clock of 1.8432 MHz / 16, divided by one. */
#define DIVISOR_115200 1

#define FIFO_BYTES 16

/*
 * How often a status is looked at before giving up. A look is a port read: about a microsecond of
 * real hardware. A byte takes 87 microseconds at 115200 baud.
 */
#define POLLS_LOOPBACK 100000
#define POLLS_TRANSMIT 1000000

struct uart {
    struct console_sink sink;
    uint16_t base;
    unsigned fifo_bytes; /* what the transmitter takes at once */
    bool is_stuck;       /* the last wait for the transmitter was in vain */
};

static uint8_t reg_read(const struct uart *uart, unsigned reg)
{
    return io_in8((uint16_t)(uart->base + reg));
}

static void reg_write(const struct uart *uart, unsigned reg, uint8_t value)
{
    io_out8((uint16_t)(uart->base + reg), value);
}

static bool wait_for_status(const struct uart *uart, uint8_t bit, unsigned max_polls)
{
    for (unsigned i = 0; i < max_polls; i++) {
        if (reg_read(uart, REG_LINE_STATUS) & bit)
            return true;
    }
    return false;
}

static bool scratch_holds(const struct uart *uart, uint8_t value)
{
    reg_write(uart, REG_SCRATCH, value);
    return reg_read(uart, REG_SCRATCH) == value;
}

static void set_line(const struct uart *uart)
{
    reg_write(uart, REG_INTERRUPT_ENABLE, 0);
    reg_write(uart, REG_LINE_CONTROL, LCR_8N1 | LCR_DIVISOR_LATCH);
    reg_write(uart, REG_DIVISOR_LOW, DIVISOR_115200);
    reg_write(uart, REG_DIVISOR_HIGH, 0);
    reg_write(uart, REG_LINE_CONTROL, LCR_8N1);
}

/* Sends a byte to the port itself. The FIFO is off, so that old chips do the same as new ones. */
static bool loopback_works(const struct uart *uart)
{
    const uint8_t probe = 0xa6;
    bool is_back;

    reg_write(uart, REG_FIFO_CONTROL, 0);
    reg_write(uart, REG_MODEM_CONTROL, MCR_LOOPBACK);
    if (reg_read(uart, REG_LINE_STATUS) & LSR_DATA_READY)
        reg_read(uart, REG_DATA);
    reg_write(uart, REG_DATA, probe);
    is_back =
        wait_for_status(uart, LSR_DATA_READY, POLLS_LOOPBACK) && reg_read(uart, REG_DATA) == probe;
    reg_write(uart, REG_MODEM_CONTROL, MCR_DTR_RTS | MCR_OUT2);
    return is_back;
}

static unsigned enable_fifo(const struct uart *uart)
{
    reg_write(uart, REG_FIFO_CONTROL, FCR_ENABLE_AND_CLEAR);
    if ((reg_read(uart, REG_INTERRUPT_ID) & IIR_FIFO_WORKS) == IIR_FIFO_WORKS)
        return FIFO_BYTES;
    reg_write(uart, REG_FIFO_CONTROL, 0);
    return 1;
}

static bool transmitter_is_ready(struct uart *uart)
{
    unsigned max_polls = uart->is_stuck ? 1 : POLLS_TRANSMIT;

    uart->is_stuck = !wait_for_status(uart, LSR_TRANSMITTER_EMPTY, max_polls);
    return !uart->is_stuck;
}

/* The sink's write: "\n" goes out as "\r\n". What a stuck port does not take is lost. */
static void uart_write(struct console_sink *sink, const char *bytes, size_t nr_bytes)
{
    struct uart *uart = container_of(sink, struct uart, sink);
    bool return_sent = false; /* the "\r" of the "\n" that is next */
    size_t i = 0;

    while (i < nr_bytes) {
        if (!transmitter_is_ready(uart))
            return;
        for (unsigned room = uart->fifo_bytes; room > 0 && i < nr_bytes; room--) {
            if (bytes[i] == '\n' && !return_sent) {
                reg_write(uart, REG_DATA, '\r');
                return_sent = true;
                continue;
            }
            return_sent = false;
            reg_write(uart, REG_DATA, (uint8_t)bytes[i++]);
        }
    }
}

static struct uart com1 = {
    .sink = {.name = "ttyS0", .write = uart_write},
    .base = COM1_BASE,
};

void uart16550_init(void)
{
    if (!scratch_holds(&com1, 0x5a) || !scratch_holds(&com1, 0xa5)) {
        log_info("serial: no port at %#x", com1.base);
        return;
    }
    set_line(&com1);
    if (!loopback_works(&com1)) {
        log_warn("serial: the port at %#x fails its loop-back test; not used", com1.base);
        return;
    }
    com1.fifo_bytes = enable_fifo(&com1);
    console_add_sink(&com1.sink);
    log_info("serial: COM1 at %#x, 115200 8N1, FIFO of %u", com1.base, com1.fifo_bytes);
}
