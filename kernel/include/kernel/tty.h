#ifndef KERNEL_TTY_H
#define KERNEL_TTY_H

/* Terminals; kernel/tty/tty.c has the theory. docs/terminal.md is about their use. */

/* The terminals' devices. Once, while booting, after the interrupts; needs memory. */
void tty_init(void);

/*
 * Waits until the console has sent what programs have written, for a second at most: before the
 * machine is switched off. May sleep.
 */
void tty_console_drain(void);

#endif
