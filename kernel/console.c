/*
 * The console: the list of sinks (serial line, screen), to which the kernel's log and the console
 * terminal write.
 *
 * Both share them. Each piece, a log line or the bytes of one console_write(), reaches a
 * sink whole; but a program's escape sequence, or its character of UTF-8, may be spread over
 * several pieces. So the console follows what programs write just far enough to know whether it is
 * *between* sequences. The log waits for that with its lines (log.c): for CONSOLE_SEQUENCE_NS at
 * most, because a sequence may never be ended; then CAN takes it back.
 *
 * A log line that comes while a program has a line open starts on a new one.
 */

#include <kernel/clock.h>
#include <kernel/console_impl.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>

#define ESC 0x1b
#define BEL 0x07
#define CAN 0x18
#define SUB 0x1a

/* Where programs are within an escape sequence (ECMA-48). */
enum sequence {
    SEQUENCE_NONE,
    SEQUENCE_ESCAPE,        /* after ESC, and bytes 0x20 to 0x2f behind it */
    SEQUENCE_CONTROL,       /* after ESC [ */
    SEQUENCE_STRING,        /* after ESC and one of ] P X ^ _ */
    SEQUENCE_STRING_ESCAPE, /* after ESC in a string */
};

static struct spinlock console_lock = SPINLOCK_INIT("console", LOCK_RANK_CONSOLE);
static struct list sinks = LIST_INIT(sinks); /* console_lock, and all below */
static bool is_line_open;                    /* the last byte was not "\n" */
static enum sequence sequence;
static unsigned utf8_left; /* bytes that the character still lacks */
static uint64_t sequence_began_ns;

bool console_lock_take(void)
{
    return log_lock_unless_broken(&console_lock);
}

void console_lock_release(bool was_taken)
{
    if (was_taken)
        spin_unlock(&console_lock);
}

static void write_to_sinks(const char *bytes, size_t nr_bytes)
{
    struct console_sink *sink;

    list_for_each_entry (sink, &sinks, link)
        sink->write(sink, bytes, nr_bytes);
}

/* ---- Sequences ------------------------------------------------------------------------------ */

static bool is_mid_sequence(void)
{
    return sequence != SEQUENCE_NONE || utf8_left > 0;
}

static enum sequence after_escape(unsigned char c)
{
    if (c == '[')
        return SEQUENCE_CONTROL;
    if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
        return SEQUENCE_STRING;
    return c == ESC || (c >= 0x20 && c < 0x30) ? SEQUENCE_ESCAPE : SEQUENCE_NONE;
}

static void follow_utf8(unsigned char c)
{
    if (c >= 0xc2 && c < 0xf5)
        utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    else
        utf8_left = utf8_left > 0 && (c & 0xc0) == 0x80 ? utf8_left - 1 : 0;
}

static void follow(unsigned char c)
{
    if (c == CAN || c == SUB) {
        sequence = SEQUENCE_NONE;
        return;
    }
    switch (sequence) {
    case SEQUENCE_NONE:
        follow_utf8(c);
        if (c == ESC)
            sequence = SEQUENCE_ESCAPE;
        break;
    case SEQUENCE_ESCAPE:
        sequence = after_escape(c);
        break;
    case SEQUENCE_CONTROL:
        if (c == ESC)
            sequence = SEQUENCE_ESCAPE;
        else if (c >= 0x40 && c < 0x7f)
            sequence = SEQUENCE_NONE;
        break;
    case SEQUENCE_STRING:
        if (c == ESC)
            sequence = SEQUENCE_STRING_ESCAPE;
        else if (c == BEL)
            sequence = SEQUENCE_NONE;
        break;
    case SEQUENCE_STRING_ESCAPE:
        sequence = c == '\\' ? SEQUENCE_NONE : after_escape(c);
        break;
    }
}

bool console_is_for_log(void)
{
    return !is_mid_sequence() || clock_now_ns() - sequence_began_ns >= CONSOLE_SEQUENCE_NS;
}

/* What programs write. */
static void write_and_follow(const char *bytes, size_t nr_bytes)
{
    bool was_mid_sequence = is_mid_sequence();

    write_to_sinks(bytes, nr_bytes);
    for (size_t i = 0; i < nr_bytes; i++)
        follow((unsigned char)bytes[i]);
    if (is_mid_sequence() && !was_mid_sequence)
        sequence_began_ns = clock_now_ns();
    is_line_open = bytes[nr_bytes - 1] != '\n';
}

/* ---- For the log ---------------------------------------------------------------------------- */

void console_write_line(const char *line, size_t nr_bytes)
{
    static const char cancel = CAN;

    if (is_mid_sequence())
        write_to_sinks(&cancel, 1);
    sequence = SEQUENCE_NONE;
    utf8_left = 0;
    if (is_line_open)
        write_to_sinks("\r\n", 2);
    is_line_open = false;
    write_to_sinks(line, nr_bytes);
}

void console_list_sink(struct console_sink *sink)
{
    list_push_back(&sinks, &sink->link);
}

/* ---- For others ----------------------------------------------------------------------------- */

void console_write(const char *bytes, size_t nr_bytes)
{
    irq_state_t irq;
    bool was_taken;

    if (nr_bytes == 0)
        return;
    irq = irq_save();
    was_taken = console_lock_take();
    write_and_follow(bytes, nr_bytes);
    console_lock_release(was_taken);
    irq_restore(irq);
    log_show_pending();
}

size_t console_room(void)
{
    irq_state_t irq = irq_save();
    bool was_taken = console_lock_take();
    size_t nr_bytes = SIZE_MAX;
    struct console_sink *sink;

    list_for_each_entry (sink, &sinks, link) {
        if (sink->room != NULL)
            nr_bytes = MIN(nr_bytes, sink->room(sink));
    }
    console_lock_release(was_taken);
    irq_restore(irq);
    return nr_bytes;
}

bool console_is_within_sequence(void)
{
    irq_state_t irq = irq_save();
    bool was_taken = console_lock_take(), result = is_mid_sequence();

    console_lock_release(was_taken);
    irq_restore(irq);
    return result;
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

    log_replace_controls(text, nr_bytes);
    irq = irq_save();
    was_taken = console_lock_take();
    write_to_sinks(head, sizeof(head) - 1);
    write_to_sinks(text, nr_bytes);
    write_to_sinks(tail, sizeof(tail) - 1);
    console_lock_release(was_taken);
    irq_restore(irq);
}
