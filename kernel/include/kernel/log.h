#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

/*
 * The kernel log: lines in a ring buffer, handed to every registered sink (serial line, screen).
 * Callable in any context, also in interrupts and with spinlocks held; a message is at most
 * LOG_LINE_MAX bytes, longer ones are cut. A message ends a line by itself: write no "\n"; control
 * characters in it are shown as "?".
 * Messages read `subsystem: what happened`.
 */

#include <stdarg.h>

#include <kernel/list.h>
#include <kernel/types.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX 240

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/* Messages above this level stay in the ring and are not shown (`log=` on the command line). */
void log_set_level(enum log_level level);

/*
 * A place where characters go. Its functions are called with the console lock held and interrupts
 * off, and must neither sleep nor log.
 */
struct console_sink {
    const char *name;
    /* All bytes, as they are: lines end in "\r\n". May wait for the hardware. */
    void (*write)(struct console_sink *self, const char *bytes, size_t nr_bytes);
    /* How many bytes it takes without waiting. NULL: any number. */
    size_t (*room)(struct console_sink *self);
    struct list_node link; /* owned by the console */
};

/* Adds a sink; what is in the ring already is replayed to it, so that no message is lost. */
void console_add_sink(struct console_sink *sink);

/*
 * Writes bytes to every sink, in one piece. Any context. Interrupts stay off until the slowest sink
 * has them all: hand over a few hundred bytes at a time.
 */
void console_write(const char *bytes, size_t nr_bytes);

/*
 * For the console's terminal (kernel/tty/console.c). How many bytes all sinks take without waiting;
 * and whether what was written last is the beginning of an escape sequence. Any context.
 */
size_t console_room(void);
bool console_is_within_sequence(void);

/* So long the log's lines wait for the end of an escape sequence that a program has begun. */
#define CONSOLE_SEQUENCE_NS (100 * NSEC_PER_MSEC)

/* Shows lines that waited for that. Whoever left the console within a sequence, or when it is over.
 * Any context. */
void log_show_pending(void);

/*
 * Writes `ESC _ thrum:KEY=VALUE ESC \` to every sink: how the front door `./thrum run` learns what
 * became of the guest (docs/serial-protocol.md). Terminals, and our own screen, show nothing of it.
 */
void console_marker(const char *key, const char *value);

/* From here on (panic) no lock is taken: the CPU that calls is the only one that still writes. */
void console_break_locks(void);

#endif
