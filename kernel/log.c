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
 *   log_lock      the ring and the level
 *   console_lock  the sinks and their state (console.c)
 *
 * Who shows lines holds the log lock until they are on the console. So the console shows lines in
 * the ring's order, and a sink that is added in between gets each line exactly once: either in its
 * replay or after it. The price is that a CPU with something to log waits while another one's line
 * goes over the wire.
 *
 * A panic breaks the locks: their holder was perhaps stopped for good.
 */

#include <kernel/clock.h>
#include <kernel/console_impl.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>

#define LOG_RING_BYTES KIB(64)

/* "[    0.001234] ", the text and "\r\n"; the seconds of 64-bit nanoseconds have up to 11 digits.
 */
#define LOG_STAMP_MAX 24
#define LOG_SHOWN_MAX (LOG_STAMP_MAX + LOG_LINE_MAX + 2)

/* What precedes each text in the ring. */
struct log_record {
    uint64_t time_ns;
    uint8_t level;
    uint8_t text_bytes;
};

_Static_assert(LOG_LINE_MAX <= UINT8_MAX, "text_bytes is a byte");

static struct spinlock log_lock = SPINLOCK_INIT("log", LOCK_RANK_LOG);
static char ring[LOG_RING_BYTES];       /* log_lock */
static uint64_t ring_first;             /* log_lock: where the oldest record starts */
static uint64_t ring_next;              /* log_lock: where the next one goes */
static uint64_t ring_unshown;           /* log_lock: where the first starts that is to be shown */
static enum log_level shown = LOG_INFO; /* log_lock */

/* ring_unshown may be less than ring_next. */
static atomic_bool has_pending;

static atomic_bool are_locks_broken;

bool log_lock_unless_broken(struct spinlock *spinlock)
{
    if (atomic_load_explicit(&are_locks_broken, memory_order_relaxed))
        return false;
    spin_lock(spinlock);
    return true;
}

static bool lock(void)
{
    return log_lock_unless_broken(&log_lock);
}

static void unlock(bool was_taken)
{
    if (was_taken)
        spin_unlock(&log_lock);
}

static void ring_put(const void *from, size_t nr_bytes)
{
    const char *bytes = from;

    for (size_t i = 0; i < nr_bytes; i++)
        ring[ring_next++ % LOG_RING_BYTES] = bytes[i];
}

static void ring_get(uint64_t position, void *to, size_t nr_bytes)
{
    char *bytes = to;

    for (size_t i = 0; i < nr_bytes; i++)
        bytes[i] = ring[position++ % LOG_RING_BYTES];
}

/* Appends a record, dropping the oldest ones in its way. */
static void ring_append(const struct log_record *record, const char *text)
{
    uint64_t end = ring_next + sizeof(*record) + record->text_bytes;

    while (end - ring_first > LOG_RING_BYTES) {
        struct log_record oldest;

        ring_get(ring_first, &oldest, sizeof(oldest));
        ring_first += sizeof(oldest) + oldest.text_bytes;
    }
    ring_unshown = MAX(ring_unshown, ring_first);
    ring_put(record, sizeof(*record));
    ring_put(text, record->text_bytes);
}

/* Builds the line as it is shown; returns its length. */
static size_t format_line(char line[LOG_SHOWN_MAX], const struct log_record *record,
                          const char *text)
{
    uint64_t time_us = record->time_ns / NSEC_PER_USEC;
    size_t nr_bytes = (size_t)snprintf(line, LOG_STAMP_MAX, "[%5llu.%06llu] ",
                                       (unsigned long long)(time_us / 1000000),
                                       (unsigned long long)(time_us % 1000000));

    memcpy(line + nr_bytes, text, record->text_bytes);
    nr_bytes += record->text_bytes;
    line[nr_bytes++] = '\r';
    line[nr_bytes++] = '\n';
    return nr_bytes;
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
 * Reads the record at *position, and moves that behind it. The line as it is shown, or 0: not at
 * this level.
 */
static size_t next_line(uint64_t *position, char line[LOG_SHOWN_MAX])
{
    struct log_record record;
    char text[LOG_LINE_MAX];

    ring_get(*position, &record, sizeof(record));
    ring_get(*position + sizeof(record), text, record.text_bytes);
    *position += sizeof(record) + record.text_bytes;
    return record.level <= shown ? format_line(line, &record, text) : 0;
}

/* Shows what has not been shown yet, if the console is for the log now. The log is locked. */
static void show(void)
{
    bool was_taken = console_lock_take();
    char line[LOG_SHOWN_MAX];

    if (console_is_for_log() || !was_taken) {
        while (ring_unshown < ring_next) {
            size_t nr_bytes = next_line(&ring_unshown, line);

            if (nr_bytes > 0)
                console_write_line(line, nr_bytes);
        }
    }
    console_lock_release(was_taken);
    atomic_store_explicit(&has_pending, ring_unshown < ring_next, memory_order_relaxed);
}

void log_show_pending(void)
{
    irq_state_t irq;
    bool was_taken;

    if (!atomic_load_explicit(&has_pending, memory_order_relaxed))
        return;
    irq = irq_save();
    was_taken = lock();
    show();
    unlock(was_taken);
    irq_restore(irq);
}

void log_write(enum log_level level, const char *fmt, ...)
{
    struct log_record record = {.level = (uint8_t)level};
    char text[LOG_LINE_MAX + 1];
    irq_state_t irq;
    bool was_taken;
    va_list args;
    int length;

    va_start(args, fmt);
    length = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    record.text_bytes = (uint8_t)MIN(MAX(length, 0), LOG_LINE_MAX);
    log_replace_controls(text, record.text_bytes);

    irq = irq_save();
    was_taken = lock();
    record.time_ns = clock_now_ns();
    ring_append(&record, text);
    show();
    unlock(was_taken);
    irq_restore(irq);
}

void log_set_level(enum log_level level)
{
    irq_state_t irq = irq_save();
    bool was_taken = lock();

    shown = level;
    unlock(was_taken);
    irq_restore(irq);
}

void console_add_sink(struct console_sink *sink)
{
    irq_state_t irq = irq_save();
    bool log_taken = lock(), console_taken = console_lock_take();
    uint64_t position = ring_first;
    char line[LOG_SHOWN_MAX];

    while (position < ring_unshown) {
        size_t nr_bytes = next_line(&position, line);

        if (nr_bytes > 0)
            sink->write(sink, line, nr_bytes);
    }
    console_list_sink(sink);
    console_lock_release(console_taken);
    unlock(log_taken);
    irq_restore(irq);
}

void console_break_locks(void)
{
    atomic_store_explicit(&are_locks_broken, true, memory_order_relaxed);
}
