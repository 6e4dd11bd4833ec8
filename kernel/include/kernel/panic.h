#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

/* Panic is for bugs of the kernel: bad input from anywhere else is an error code. */

#include <kernel/types.h>

struct trap_frame;

/* Stops every CPU; prints the message, registers and backtraces; tells the front door; halts. */
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* As panic(), for a trap: `frame` holds the registers of the place that is to blame. */
NORETURN void panic_at(const struct trap_frame *frame, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Checked in every build: what it says is relied upon. */
#define assert(condition)                                                                          \
    do {                                                                                           \
        if (unlikely(!(condition)))                                                                \
            panic("%s:%d: %s: assertion failed: %s", __FILE__, __LINE__, __func__, #condition);    \
    } while (0)

/* Checked in debug builds only: for what costs too much on hot paths. */
#ifdef THRUM_DEBUG
#define debug_assert(condition) assert(condition)
#else
#define debug_assert(condition) ((void)0)
#endif

#endif
