/*
 * The kernel log.
 *
 * A ring of records: a header and the text, both copied byte by byte around the end of the ring.
 * Three counters that only rise say where the oldest record starts, which is the first that has not
 * been shown, and where the next one goes; the place in the ring is the counter modulo its size. A
 * new record pushes out as many of the oldest as it needs.
 *
 * Lines go to the console right away, unless a program is just writing an escape sequence there
 * (console.c): then they are shown when that is over. Two locks, taken in this order:
 *
 *   ring_lock     the ring and the level
 *   console_lock  the sinks and their state (console.c)
 *
 * Who shows lines holds the ring's lock until they are on the console. So the console shows lines
 * in the ring's order, and a sink that is added in between gets each line exactly once: either in
 * its replay or after it. The price is that a CPU with something to log waits while another one's
 * line goes over the wire.
 *
 * A panic breaks the locks: their holder was perhaps stopped for good.
 */

#include <kernel/clock.h>
#include <kernel/console_impl.h>
#include <kernel/format.h>
#include <kernel/log_impl.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>

/* What precedes each text in the ring: the head of a message. */
#define HEAD_BYTES offsetof(struct log_message, text)

/* "\r\n" follows on the console. */
#define LINE_MAX (LOG_SHOWN_MAX + 2)

_Static_assert(LOG_LINE_MAX <= UINT8_MAX, "text_bytes is a byte");

static struct spinlock ring_lock = SPINLOCK_INIT("log", LOCK_RANK_LOG);
static char ring[LOG_RING_BYTES]; /* ring_lock */
struct log_ring log_ring;         /* ring_lock */
static int shown = LOG_INFO;      /* ring_lock */

/* log_ring.unshown may be less than log_ring.next. */
static atomic_bool has_pending;

static atomic_bool are_locks_broken;

bool log_lock_unless_broken(struct spinlock *spinlock)
{
    if (atomic_load_explicit(&are_locks_broken, memory_order_relaxed))
        return false;
    spin_lock(spinlock);
    return true;
}

struct log_locked log_lock(void)
{
    irq_state_t irq = irq_save();

    return (struct log_locked){irq, log_lock_unless_broken(&ring_lock)};
}

void log_unlock(struct log_locked locked)
{
    if (locked.was_taken)
        spin_unlock(&ring_lock);
    irq_restore(locked.irq);
}

static void ring_put(const void *from, size_t nr_bytes)
{
    const char *bytes = from;

    for (size_t i = 0; i < nr_bytes; i++)
        ring[log_ring.next++ % LOG_RING_BYTES] = bytes[i];
}

static void ring_get(uint64_t position, void *to, size_t nr_bytes)
{
    char *bytes = to;

    for (size_t i = 0; i < nr_bytes; i++)
        bytes[i] = ring[position++ % LOG_RING_BYTES];
}

uint64_t log_get_message(uint64_t position, struct log_message *message)
{
    ring_get(position, message, HEAD_BYTES);
    ring_get(position + HEAD_BYTES, message->text, message->text_bytes);
    return position + HEAD_BYTES + message->text_bytes;
}

/* Appends a message, dropping the oldest ones in its way. */
static void ring_append(struct log_message *message)
{
    uint64_t end = log_ring.next + HEAD_BYTES + message->text_bytes;

    while (end - log_ring.first > LOG_RING_BYTES) {
        uint8_t text_bytes;

        ring_get(log_ring.first + offsetof(struct log_message, text_bytes), &text_bytes, 1);
        log_ring.first += HEAD_BYTES + text_bytes;
        log_ring.first_sequence++;
    }
    log_ring.unshown = MAX(log_ring.unshown, log_ring.first);
    message->sequence = log_ring.next_sequence++;
    ring_put(message, HEAD_BYTES + message->text_bytes);
}

size_t log_format(char line[LOG_SHOWN_MAX], const struct log_message *message)
{
    uint64_t time_us = message->time_ns / NSEC_PER_USEC;
    size_t nr_bytes = (size_t)snprintf(line, LOG_STAMP_MAX, "[%5llu.%06llu] ",
                                       (unsigned long long)(time_us / 1000000),
                                       (unsigned long long)(time_us % 1000000));

    memcpy(line + nr_bytes, message->text, message->text_bytes);
    return nr_bytes + message->text_bytes;
}

/*
 * Text may come from firmware or from the command line: no byte of it may start an escape sequence
 * or a line of its own.
 */
void log_replace_controls(char *text, size_t nr_bytes)
{
    for (size_t i = 0; i < nr_bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            text[i] = '?';
    }
}

/*
 * Reads the message at *position, and moves that behind it. The line as it is shown, or 0: not at
 * this level.
 */
static size_t next_line(uint64_t *position, char line[LINE_MAX])
{
    struct log_message message;
    size_t nr_bytes;

    *position = log_get_message(*position, &message);
    if ((message.priority & LOG_LEVEL_MASK) > shown)
        return 0;
    nr_bytes = log_format(line, &message);
    line[nr_bytes++] = '\r';
    line[nr_bytes++] = '\n';
    return nr_bytes;
}

/* Shows what has not been shown yet, if the console is for the log now. The log is locked. */
static void show(void)
{
    bool was_taken = console_lock_take();
    char line[LINE_MAX];

    if (console_is_for_log() || !was_taken) {
        while (log_ring.unshown < log_ring.next) {
            size_t nr_bytes = next_line(&log_ring.unshown, line);

            if (nr_bytes > 0)
                console_write_line(line, nr_bytes);
        }
    }
    console_lock_release(was_taken);
    atomic_store_explicit(&has_pending, log_ring.unshown < log_ring.next, memory_order_relaxed);
}

void log_show_pending(void)
{
    struct log_locked locked;

    if (!atomic_load_explicit(&has_pending, memory_order_relaxed))
        return;
    locked = log_lock();
    show();
    log_unlock(locked);
}

void log_append(struct log_message *message)
{
    struct log_locked locked = log_lock();

    log_replace_controls(message->text, message->text_bytes);
    message->time_ns = clock_now_ns();
    ring_append(message);
    show();
    log_unlock(locked);
}

void log_write(enum log_level level, const char *fmt, ...)
{
    struct log_message message = {.priority = (uint16_t)level};
    va_list args;
    int length;

    va_start(args, fmt);
    length = vsnprintf(message.text, sizeof(message.text), fmt, args);
    va_end(args);
    message.text_bytes = (uint8_t)MIN(MAX(length, 0), LOG_LINE_MAX);
    log_append(&message);
}

int log_set_level(int level)
{
    struct log_locked locked = log_lock();
    int old = shown;

    shown = level;
    log_unlock(locked);
    return old;
}

void console_add_sink(struct console_sink *sink)
{
    struct log_locked locked = log_lock();
    bool console_taken = console_lock_take();
    uint64_t position = log_ring.first;
    char line[LINE_MAX];

    while (position < log_ring.unshown) {
        size_t nr_bytes = next_line(&position, line);

        if (nr_bytes > 0)
            sink->write(sink, line, nr_bytes);
    }
    console_list_sink(sink);
    console_lock_release(console_taken);
    log_unlock(locked);
}

void console_break_locks(void)
{
    atomic_store_explicit(&are_locks_broken, true, memory_order_relaxed);
}
