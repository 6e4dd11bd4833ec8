#ifndef KERNEL_INIT_H
#define KERNEL_INIT_H

#include <kernel/types.h>

/*
 * The kernel proper, from where the architecture has a stack, a console and boot_info. Boot CPU,
 * interrupts off.
 */
__attribute__((noreturn)) void kernel_main(void);

/* clock_now_ns() at the first user instruction; 0 before. */
extern uint64_t first_user_instruction_ns;

/* `trace=` and `trace_kib=` of the command line. Once, when all CPUs run. */
void trace_apply_options(void);

#endif
