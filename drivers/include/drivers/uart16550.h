#ifndef DRIVERS_UART16550_H
#define DRIVERS_UART16550_H

#include <kernel/types.h>

/*
 * Finds the serial port COM1, sets it to 115200 baud, 8 data bits, no parity, one stop bit, and
 * makes it a console sink. A machine without one is fine. Needs no memory, no interrupts and no
 * clock: may be the first thing that the kernel does. Once.
 */
void uart16550_init(void);

#define UART16550_RECEIVE_BYTES 64 /* the most that receive() is given */

/* Who gets what is received. Called with interrupts off and no lock held; never at the same time by
 * two CPUs. */
struct uart_client {
    void (*receive)(const uint8_t *bytes, size_t nr_bytes);
    void (*receive_bad)(uint8_t byte,
                        bool is_break); /* a break, or an error of parity or framing */
    void (*has_room)(void);             /* the transmitter is empty */
};

/*
 * From now on the client gets what is received. 0; -EBUSY: there is no interrupt, and
 * uart16550_poll() is to be called every few milliseconds; -ENODEV: there is no port. Once, while
 * booting, after interrupts have been set up.
 */
int uart16550_listen(const struct uart_client *client) MUST_CHECK;

/* Does what the interrupt does. Interrupts are off. */
void uart16550_poll(void);

/*
 * Whether has_room() is to be called as soon as there is room; and whether received bytes are left
 * where they are, so that a sender that minds it waits, and receive() is not called. The callers of
 * both exclude each other.
 */
void uart16550_want_room(bool is_wanted);
void uart16550_hold_input(bool is_held);

/* Throws away what has been received and left there. Input is held. */
void uart16550_drop_input(void);

/* Begins or ends a break on the line. */
void uart16550_set_break(bool is_sent);

/* Only ever rising; read without a lock. */
struct uart_counts {
    uint64_t received, sent, interrupts;
    uint64_t overruns, breaks, parity_errors, framing_errors;
};
const struct uart_counts *uart16550_counts(void);

#endif
