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

/* As syslog(3) numbers them; programs use the others, too. */
enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

#define LOG_LEVEL_MASK 7

#define LOG_LINE_MAX 240

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/*
 * A message of a program: `priority` is its facility (never 0, the kernel's) times 8, and its
 * level. What is longer than LOG_LINE_MAX is cut.
 */
void log_write_program(unsigned priority, const char *text, size_t nr_bytes);

/*
 * Messages above this level stay in the ring and are not shown (`log=` on the command line); -1:
 * none are. log_set_level() returns what it was.
 */
int log_set_level(int level);

/* ---- Reading the ring ------------------------------------------------------------------------ */

struct log_message {
    uint64_t sequence; /* counts all messages that ever were, from 0 */
    uint64_t time_ns;
    uint16_t priority; /* facility times 8, and level */
    uint8_t text_bytes;
    char text[LOG_LINE_MAX + 1]; /* a NUL may follow */
};

/* Where a reader is; zeroes: before the first message. */
struct log_cursor {
    uint64_t sequence, position;
};

/*
 * Copies the message at the cursor, or the oldest there is if that one has been pushed out, and
 * moves the cursor behind it. False: there is none yet. Any context.
 */
bool log_read(struct log_cursor *cursor, struct log_message *message);

/* Behind the last message; its sequence is the number that the next one gets. */
struct log_cursor log_end(void);

/* The sequence of the oldest message. */
uint64_t log_oldest(void);

/* "[    0.001234] " and the text; the seconds of 64-bit nanoseconds have up to 11 digits. */
#define LOG_STAMP_MAX 24
#define LOG_SHOWN_MAX (LOG_STAMP_MAX + LOG_LINE_MAX)

/* The line as the console shows it, without its end; its length. */
size_t log_format(char line[LOG_SHOWN_MAX], const struct log_message *message);

#define LOG_RING_BYTES KIB(64)

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
#define CONSOLE_SEQUENCE_NS NSEC_PER_SEC

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
