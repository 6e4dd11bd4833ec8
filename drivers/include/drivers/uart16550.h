#ifndef DRIVERS_UART16550_H
#define DRIVERS_UART16550_H

/*
 * Finds the serial port COM1, sets it to 115200 baud, 8 data bits, no parity, one stop bit, and
 * makes it a console sink. A machine without one is fine. Needs no memory, no interrupts and no
 * clock: may be the first thing that the kernel does. Once.
 */
void uart16550_init(void);

#endif
