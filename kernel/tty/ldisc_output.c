/*
 * The line discipline's way out: what programs write and what is echoed, in one ring, so that both
 * reach the line in the order in which they were done.
 *
 * The column is followed as far as plain text goes, for tabs, and so that the echo of an erased tab
 * goes back far enough. Escape sequences are not understood; who uses them has tabs and echo off.
 */

#include <kernel/string.h>

#include "ldisc.h"

/* The most that one byte becomes: a tab of eight spaces. */
#define EXPANSION_MAX 8u
#define TAB_COLUMNS   8u

size_t ldisc_nr_output(const struct ldisc *l)
{
    return l->nr_written - l->nr_taken;
}

static size_t free_bytes(const struct ldisc *l)
{
    return LDISC_OUTPUT_BYTES - ldisc_nr_output(l);
}

static void put(struct ldisc *l, unsigned char byte)
{
    l->output[l->nr_written++ % LDISC_OUTPUT_BYTES] = byte;
}

static void put_tab(struct ldisc *l)
{
    unsigned nr_columns = TAB_COLUMNS - l->column % TAB_COLUMNS;

    l->column += nr_columns;
    if ((l->termios.c_oflag & TABDLY) != XTABS) {
        put(l, '\t');
        return;
    }
    while (nr_columns-- > 0)
        put(l, ' ');
}

static void put_return(struct ldisc *l)
{
    tcflag_t flags = l->termios.c_oflag;

    if ((flags & ONOCR) && l->column == 0)
        return;
    put(l, flags & OCRNL ? '\n' : '\r');
    if (!(flags & OCRNL) || (flags & ONLRET))
        l->column = 0;
}

static void put_newline(struct ldisc *l)
{
    tcflag_t flags = l->termios.c_oflag;

    if (flags & ONLCR)
        put(l, '\r');
    put(l, '\n');
    if (flags & (ONLCR | ONLRET))
        l->column = 0;
}

/* One byte as c_oflag wants it. There is room for EXPANSION_MAX. */
static void put_processed(struct ldisc *l, unsigned char byte)
{
    if (!(l->termios.c_oflag & OPOST)) {
        put(l, byte);
        return;
    }
    switch (byte) {
    case '\n':
        put_newline(l);
        return;
    case '\r':
        put_return(l);
        return;
    case '\t':
        put_tab(l);
        return;
    case '\b':
        if (l->column > 0)
            l->column--;
        break;
    default:
        if ((l->termios.c_oflag & OLCUC) && byte >= 'a' && byte <= 'z')
            byte = (unsigned char)(byte - 'a' + 'A');
        if (!ldisc_is_control(byte) && !ldisc_is_continuation(l, byte))
            l->column++;
        break;
    }
    put(l, byte);
}

size_t ldisc_room(const struct ldisc *l)
{
    size_t nr_free = free_bytes(l), per_byte = l->termios.c_oflag & OPOST ? EXPANSION_MAX : 1;

    if (nr_free < LDISC_ECHO_BYTES + EXPANSION_MAX)
        return 0;
    return (nr_free - LDISC_ECHO_BYTES) / per_byte;
}

size_t ldisc_write(struct ldisc *l, const unsigned char *bytes, size_t nr_bytes)
{
    size_t done = 0;

    while (done < nr_bytes && free_bytes(l) >= LDISC_ECHO_BYTES + EXPANSION_MAX)
        put_processed(l, bytes[done++]);
    return done;
}

void ldisc_echo(struct ldisc *l, unsigned char byte)
{
    if (free_bytes(l) >= EXPANSION_MAX)
        put_processed(l, byte);
}

bool ldisc_can_take(const struct ldisc *l)
{
    return l->urgent != 0 || (!l->is_stopped && ldisc_nr_output(l) > 0);
}

size_t ldisc_take(struct ldisc *l, unsigned char *to, size_t nr_bytes)
{
    size_t done = 0;

    if (l->urgent != 0 && nr_bytes > 0) {
        to[done++] = l->urgent;
        l->urgent = 0;
    }
    while (!l->is_stopped && done < nr_bytes && ldisc_nr_output(l) > 0)
        to[done++] = l->output[l->nr_taken++ % LDISC_OUTPUT_BYTES];
    return done;
}

void ldisc_flush_output(struct ldisc *l)
{
    l->nr_taken = l->nr_written;
}

void ldisc_flow(struct ldisc *l, int action, struct ldisc_events *events)
{
    switch (action) {
    case TCOOFF:
        events->was_stopped |= !l->is_stopped;
        l->is_stopped = true;
        break;
    case TCOON:
        events->was_started |= l->is_stopped;
        l->is_stopped = false;
        break;
    case TCIOFF:
        l->urgent = l->termios.c_cc[VSTOP];
        break;
    case TCION:
        l->urgent = l->termios.c_cc[VSTART];
        break;
    }
}
