/*
 * The serial port of a PC: a 16550 UART, or an older one without FIFO.
 *
 * Output is polled: the console must work before there are interrupts and after a panic. When the
 * line status says that the transmitter is empty, its whole FIFO is free, so one look at the status
 * pays for up to 16 bytes. Who would rather not wait asks for an interrupt when that is so.
 *
 * Input comes by interrupt: the handler empties the receiver and hands over what was there. Where
 * no interrupt can be had, uart16550_poll() does the same. ISA interrupts are edges: the handler
 * goes on until the port has no reason left for one. Reading the line status clears the errors in
 * it, so they are kept until the receiver is looked at; a break or an error that is seen by a
 * writer belongs to one of the next few bytes.
 *
 * Nothing here waits for ever. An absent port is told apart by its scratch register and by a byte
 * sent to itself in loop-back mode. If a port that was there stops taking bytes (its line is held
 * up at the other end), one write waits for long and gives up; from then on each write looks only
 * once, until the port takes bytes again.
 *
 * Source: National Semiconductor PC16550D data sheet, section 8 (registers).
 */

#include <stdatomic.h>

#include <arch/io.h>
#include <arch/irq.h>
#include <drivers/uart16550.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/spinlock.h>

#define COM1_BASE 0x3f8
#define COM1_LINE 4

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
    LCR_BREAK = 0x40,
    FCR_ENABLE_AND_CLEAR = 0x07, /* an interrupt at each byte */
    IER_RECEIVED = 0x01,
    IER_TRANSMITTER_EMPTY = 0x02,
    IER_LINE_STATUS = 0x04,
    IIR_NONE = 0x01,
    IIR_FIFO_WORKS = 0xc0,
    MCR_DTR_RTS = 0x03,
    MCR_OUT2 = 0x08, /* lets the interrupt line out of the chip on a PC */
    MCR_LOOPBACK = 0x10,
    LSR_DATA_READY = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_PARITY_ERROR = 0x04,
    LSR_FRAMING_ERROR = 0x08,
    LSR_BREAK = 0x10,
    LSR_ERRORS = LSR_OVERRUN | LSR_PARITY_ERROR | LSR_FRAMING_ERROR | LSR_BREAK,
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

/* Who does not poll waits so long for a port that takes no bytes before they are lost. */
#define STUCK_NS (10 * NSEC_PER_SEC)

/* Bytes that the handler takes at once, and how often before it has to be called anew. */
#define INTERRUPT_ROUNDS 256

struct uart {
    struct console_sink sink;
    uint16_t base;
    unsigned fifo_bytes;                /* what the transmitter takes at once */
    bool is_stuck;                      /* the last wait for the transmitter was in vain */
    uint64_t full_since_ns;             /* since when there is no room; 0: there is */
    atomic_uint errors;                 /* LSR_ERRORS that were seen and are not dealt with yet */
    const struct uart_client *client;   /* NULL: nobody listens */
    struct spinlock lock;               /* the enabled interrupts, and what they follow: */
    bool is_room_wanted, is_input_held; /* the client's: see uart16550_want_room() */
    atomic_flag is_serviced;            /* somebody is in service() */
    struct uart_counts counts;
};

static uint8_t reg_read(const struct uart *uart, unsigned reg)
{
    return io_in8((uint16_t)(uart->base + reg));
}

static void reg_write(const struct uart *uart, unsigned reg, uint8_t value)
{
    io_out8((uint16_t)(uart->base + reg), value);
}

static uint8_t line_status(struct uart *uart)
{
    uint8_t status = reg_read(uart, REG_LINE_STATUS);

    if (unlikely(status & LSR_ERRORS))
        atomic_fetch_or_explicit(&uart->errors, status & LSR_ERRORS, memory_order_relaxed);
    return status;
}

static bool wait_for_status(struct uart *uart, uint8_t bit, unsigned max_polls)
{
    for (unsigned i = 0; i < max_polls; i++) {
        if (line_status(uart) & bit)
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
static bool loopback_works(struct uart *uart)
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

/* The sink's write. What a stuck port does not take is lost. */
static void uart_write(struct console_sink *sink, const char *bytes, size_t nr_bytes)
{
    struct uart *uart = container_of(sink, struct uart, sink);
    size_t i = 0;

    while (i < nr_bytes) {
        if (!transmitter_is_ready(uart))
            return;
        for (unsigned room = uart->fifo_bytes; room > 0 && i < nr_bytes; room--)
            reg_write(uart, REG_DATA, (uint8_t)bytes[i++]);
    }
    uart->counts.sent += nr_bytes;
}

/* The sink's room. */
static size_t uart_room(struct console_sink *sink)
{
    struct uart *uart = container_of(sink, struct uart, sink);

    if (line_status(uart) & LSR_TRANSMITTER_EMPTY) {
        uart->full_since_ns = 0;
        return uart->fifo_bytes;
    }
    if (uart->full_since_ns == 0)
        uart->full_since_ns = MAX(clock_now_ns(), (uint64_t)1);
    if (uart->is_stuck || clock_now_ns() - uart->full_since_ns > STUCK_NS)
        return uart->fifo_bytes; /* uart_write() drops them */
    return 0;
}

static struct uart com1 = {
    .sink = {.name = "ttyS0", .write = uart_write, .room = uart_room},
    .base = COM1_BASE,
    .lock = SPINLOCK_INIT("serial port", LOCK_RANK_SERIAL),
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

/* ---- Input ---------------------------------------------------------------------------------- */

/* Counts what went wrong, and tells the client of a break or of a byte that is not right. */
static void report_errors(struct uart *uart, uint8_t byte)
{
    unsigned errors = atomic_exchange_explicit(&uart->errors, 0, memory_order_relaxed);

    uart->counts.overruns += (errors & LSR_OVERRUN) != 0;
    uart->counts.parity_errors += (errors & LSR_PARITY_ERROR) != 0;
    uart->counts.framing_errors += (errors & LSR_FRAMING_ERROR) != 0;
    uart->counts.breaks += (errors & LSR_BREAK) != 0;
    if (errors & LSR_BREAK)
        uart->client->receive_bad(byte, true);
    else if (errors & (LSR_PARITY_ERROR | LSR_FRAMING_ERROR))
        uart->client->receive_bad(byte, false);
    else
        uart->client->receive(&byte, 1);
}

/*
 * Hands over what has been received, and tells of room in the transmitter; unless another CPU is at
 * it: a port whose interrupts come after all may still be polled.
 */
static void service(struct uart *uart)
{
    uint8_t bytes[UART16550_RECEIVE_BYTES];
    size_t nr_bytes = 0;
    uint8_t status;

    if (atomic_flag_test_and_set(&uart->is_serviced))
        return;
    status = line_status(uart);
    while (!uart->is_input_held && (status & LSR_DATA_READY) && nr_bytes < sizeof(bytes)) {
        bool has_errors = atomic_load_explicit(&uart->errors, memory_order_relaxed) != 0;

        if (unlikely(has_errors && nr_bytes > 0))
            break; /* what came before goes first, and may be the last that is wanted */
        if (unlikely(has_errors)) {
            uart->counts.received++;
            report_errors(uart, reg_read(uart, REG_DATA));
        } else {
            bytes[nr_bytes++] = reg_read(uart, REG_DATA);
        }
        status = line_status(uart);
    }
    uart->counts.received += nr_bytes;
    if (nr_bytes > 0)
        uart->client->receive(bytes, nr_bytes);
    if (status & LSR_TRANSMITTER_EMPTY)
        uart->client->has_room();
    atomic_flag_clear(&uart->is_serviced);
}

/* Asks for the interrupts that are wanted. With data there, the one for it comes at once. Locked.
 */
static void enable_interrupts(const struct uart *uart)
{
    uint8_t enabled = uart->is_input_held ? 0 : IER_RECEIVED | IER_LINE_STATUS;

    if (uart->is_room_wanted)
        enabled |= IER_TRANSMITTER_EMPTY;
    if (uart->fifo_bytes != 0)
        reg_write(uart, REG_INTERRUPT_ENABLE, enabled);
}

static void uart_interrupt(void *context)
{
    struct uart *uart = context;

    uart->counts.interrupts++;
    for (unsigned i = 0; i < INTERRUPT_ROUNDS; i++) {
        if (reg_read(uart, REG_INTERRUPT_ID) & IIR_NONE)
            return;
        service(uart);
    }
    /* The port always has a reason. It gets a new edge, and others get a turn. */
    spin_lock(&uart->lock);
    reg_write(uart, REG_INTERRUPT_ENABLE, 0);
    enable_interrupts(uart);
    spin_unlock(&uart->lock);
}

int uart16550_listen(const struct uart_client *client)
{
    int error;

    if (com1.fifo_bytes == 0)
        return -ENODEV;
    com1.client = client;
    error = irq_request(COM1_LINE, uart_interrupt, &com1);
    if (error == 0)
        uart16550_want_room(false);
    return error;
}

void uart16550_poll(void)
{
    if (com1.client != NULL)
        service(&com1);
}

void uart16550_want_room(bool is_wanted)
{
    irq_state_t irq = spin_lock_irq(&com1.lock);

    com1.is_room_wanted = is_wanted;
    enable_interrupts(&com1);
    spin_unlock_irq(&com1.lock, irq);
}

void uart16550_hold_input(bool is_held)
{
    irq_state_t irq = spin_lock_irq(&com1.lock);

    com1.is_input_held = is_held;
    enable_interrupts(&com1);
    spin_unlock_irq(&com1.lock, irq);
}

/* A FIFO is not deeper than that; what comes meanwhile may stay. */
void uart16550_drop_input(void)
{
    irq_state_t irq = spin_lock_irq(&com1.lock);

    for (unsigned i = 0; i < com1.fifo_bytes && (line_status(&com1) & LSR_DATA_READY); i++)
        (void)reg_read(&com1, REG_DATA);
    atomic_store_explicit(&com1.errors, 0, memory_order_relaxed);
    spin_unlock_irq(&com1.lock, irq);
}

void uart16550_set_break(bool is_sent)
{
    if (com1.fifo_bytes != 0)
        reg_write(&com1, REG_LINE_CONTROL, is_sent ? LCR_8N1 | LCR_BREAK : LCR_8N1);
}

const struct uart_counts *uart16550_counts(void)
{
    return &com1.counts;
}
