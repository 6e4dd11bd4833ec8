/*
 * The kernel log and the console.
 *
 * The log is a ring of records: a header and the text, both copied byte by byte around the end of
 * the ring. Two counters that only rise say where the oldest record starts and where the next one
 * goes; the place in the ring is the counter modulo its size. A new record pushes out as many of
 * the oldest as it needs.
 *
 * The console is the list of sinks. Log lines go there right away, and programs write there too
 * (console_write()). Two locks, taken in this order:
 *
 *   log_lock      the ring and the level
 *   console_lock  the sinks, their state, and is_line_open
 *
 * log_write() holds the log lock until the line is on the console. So the console shows lines in
 * the ring's order, and a sink that is added in between gets each line exactly once: either in its
 * replay or after it. The price is that a CPU with something to log waits while another one's line
 * goes over the wire.
 *
 * Each piece, a line or the bytes of one console_write(), reaches a sink whole. A log line that
 * comes while a program has a line open starts on a new one.
 *
 * A panic breaks the locks: their holder was perhaps stopped for good.
 */

#include <kernel/clock.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>

#define LOG_RING_BYTES KIB(64)

/* "[    0.001234] ", the text and "\n"; the seconds of 64-bit nanoseconds have up to 11 digits. */
#define LOG_STAMP_MAX 24
#define LOG_SHOWN_MAX (LOG_STAMP_MAX + LOG_LINE_MAX + 1)

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
static enum log_level shown = LOG_INFO; /* log_lock */

static struct spinlock console_lock = SPINLOCK_INIT("console", LOCK_RANK_CONSOLE);
static struct list sinks = LIST_INIT(sinks); /* console_lock */
static bool is_line_open;                    /* console_lock: the last byte was not "\n" */

static atomic_bool are_locks_broken;

/* Takes a lock unless the locks are broken; what it returns goes to unlock(). */
static bool lock(struct spinlock *spinlock)
{
    if (atomic_load_explicit(&are_locks_broken, memory_order_relaxed))
        return false;
    spin_lock(spinlock);
    return true;
}

static void unlock(struct spinlock *spinlock, bool was_taken)
{
    if (was_taken)
        spin_unlock(spinlock);
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
    line[nr_bytes++] = '\n';
    return nr_bytes;
}

/* The caller holds the console lock. */
static void write_to_sinks(const char *bytes, size_t nr_bytes)
{
    struct console_sink *sink;

    list_for_each_entry (sink, &sinks, link)
        sink->write(sink, bytes, nr_bytes);
}

/*
 * Text may come from firmware or from the command line: no byte of it may start an escape sequence
 * or a line of its own.
 */
static void replace_controls(char *text, size_t nr_bytes)
{
    for (size_t i = 0; i < nr_bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            text[i] = '?';
    }
}

static void show_record(const struct log_record *record, const char *text)
{
    char line[LOG_SHOWN_MAX];
    size_t nr_bytes = format_line(line, record, text);
    bool was_taken = lock(&console_lock);

    if (is_line_open)
        write_to_sinks("\n", 1);
    is_line_open = false;
    write_to_sinks(line, nr_bytes);
    unlock(&console_lock, was_taken);
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
    replace_controls(text, record.text_bytes);

    irq = irq_save();
    was_taken = lock(&log_lock);
    record.time_ns = clock_now_ns();
    ring_append(&record, text);
    if (level <= shown)
        show_record(&record, text);
    unlock(&log_lock, was_taken);
    irq_restore(irq);
}

void log_set_level(enum log_level level)
{
    irq_state_t irq = irq_save();
    bool was_taken = lock(&log_lock);

    shown = level;
    unlock(&log_lock, was_taken);
    irq_restore(irq);
}

/* Shows a sink what was logged before it came. The caller holds both locks. */
static void replay(struct console_sink *sink)
{
    uint64_t position = ring_first;

    while (position < ring_next) {
        struct log_record record;
        char text[LOG_LINE_MAX];
        char line[LOG_SHOWN_MAX];

        ring_get(position, &record, sizeof(record));
        ring_get(position + sizeof(record), text, record.text_bytes);
        position += sizeof(record) + record.text_bytes;
        if (record.level <= shown)
            sink->write(sink, line, format_line(line, &record, text));
    }
}

void console_add_sink(struct console_sink *sink)
{
    irq_state_t irq = irq_save();
    bool log_taken = lock(&log_lock);
    bool console_taken = lock(&console_lock);

    replay(sink);
    list_push_back(&sinks, &sink->link);
    unlock(&console_lock, console_taken);
    unlock(&log_lock, log_taken);
    irq_restore(irq);
}

void console_write(const char *bytes, size_t nr_bytes)
{
    irq_state_t irq;
    bool was_taken;

    if (nr_bytes == 0)
        return;
    irq = irq_save();
    was_taken = lock(&console_lock);
    write_to_sinks(bytes, nr_bytes);
    is_line_open = bytes[nr_bytes - 1] != '\n';
    unlock(&console_lock, was_taken);
    irq_restore(irq);
}

void console_marker(const char *key, const char *value)
{
    static const char head[] = "\033_thrum:";
    static const char tail[] = "\033\\";
    char text[LOG_LINE_MAX + 1];
    int length = snprintf(text, sizeof(text), "%s=%s", key, value);
    size_t nr_bytes = (size_t)MIN(MAX(length, 0), LOG_LINE_MAX);
    irq_state_t irq;
    bool was_taken;

    replace_controls(text, nr_bytes);
    irq = irq_save();
    was_taken = lock(&console_lock);
    write_to_sinks(head, sizeof(head) - 1);
    write_to_sinks(text, nr_bytes);
    write_to_sinks(tail, sizeof(tail) - 1);
    unlock(&console_lock, was_taken);
    irq_restore(irq);
}

void console_break_locks(void)
{
    atomic_store_explicit(&are_locks_broken, true, memory_order_relaxed);
}
