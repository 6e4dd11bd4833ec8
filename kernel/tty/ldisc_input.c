/*
 * The line discipline's way in: editing, echo, signals and flow control (ldisc.h).
 *
 * How far the cursor has to go back over something that is erased is computed from the text of the
 * line and the column where it began, by walking it. One walk erases any number of characters, so
 * the longest line costs a few microseconds, with the terminal's lock held.
 */

#include <asm/signal.h>
#include <kernel/string.h>

#include "ldisc.h"

#define TAB_COLUMNS 8u

/* IXOFF: when the peer is to be quiet, and when it may go on. */
#define HIGH_WATER_BYTES (LDISC_INPUT_BYTES - 1024)
#define LOW_WATER_BYTES  1024u

#define CONTROL(letter) ((letter)&0x1f)

void ldisc_init(struct ldisc *l)
{
    static const unsigned char control_chars[NCCS] = {
        [VINTR] = CONTROL('C'),
        [VQUIT] = CONTROL('\\'),
        [VERASE] = 0x7f,
        [VKILL] = CONTROL('U'),
        [VEOF] = CONTROL('D'),
        [VTIME] = 0,
        [VMIN] = 1,
        [VSTART] = CONTROL('Q'),
        [VSTOP] = CONTROL('S'),
        [VSUSP] = CONTROL('Z'),
        [VREPRINT] = CONTROL('R'),
        [VDISCARD] = CONTROL('O'),
        [VWERASE] = CONTROL('W'),
        [VLNEXT] = CONTROL('V'),
    };

    memset(l, 0, sizeof(*l));
    l->termios.c_iflag = ICRNL | IXON | IMAXBEL | IUTF8;
    l->termios.c_oflag = OPOST | ONLCR;
    l->termios.c_cflag = B115200 | B115200 << IBSHIFT | CS8 | CREAD | HUPCL | CLOCAL;
    l->termios.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
    l->termios.c_ispeed = l->termios.c_ospeed = 115200;
    memcpy(l->termios.c_cc, control_chars, sizeof(control_chars));
}

/* ---- The input ring ------------------------------------------------------------------------- */

static size_t nr_stored(const struct ldisc *l)
{
    return l->nr_received - l->nr_read;
}

static size_t line_bytes(const struct ldisc *l)
{
    return l->nr_received - l->nr_ready;
}

static unsigned char byte_at(const struct ldisc *l, uint32_t at)
{
    return l->input[at % LDISC_INPUT_BYTES];
}

static bool is_end(const struct ldisc *l, uint32_t at)
{
    at %= LDISC_INPUT_BYTES;
    return l->ends[at / 64] >> at % 64 & 1;
}

static void store(struct ldisc *l, unsigned char byte, bool ends_line)
{
    uint32_t at = l->nr_received++ % LDISC_INPUT_BYTES;
    uint64_t bit = (uint64_t)1 << at % 64;

    l->input[at] = byte;
    if (ends_line)
        l->ends[at / 64] |= bit;
    else
        l->ends[at / 64] &= ~bit;
    if (ends_line || !ldisc_is_canonical(l))
        l->nr_ready = l->nr_received;
}

/* Whether the ring takes one more. A line keeps room for its end. */
static bool has_room(const struct ldisc *l, bool ends_line)
{
    return nr_stored(l) < LDISC_INPUT_BYTES - (ldisc_is_canonical(l) && !ends_line);
}

static void refuse(struct ldisc *l)
{
    l->nr_dropped++;
    if (l->termios.c_iflag & IMAXBEL)
        ldisc_echo(l, '\a');
}

/* IXOFF: tells the other end of the line whether it may send. */
static void hold_peer(struct ldisc *l)
{
    bool wants_hold =
        l->is_holding_peer ? nr_stored(l) > LOW_WATER_BYTES : nr_stored(l) > HIGH_WATER_BYTES;

    wants_hold &= (l->termios.c_iflag & IXOFF) != 0;
    if (wants_hold == l->is_holding_peer)
        return;
    l->is_holding_peer = wants_hold;
    l->urgent = l->termios.c_cc[wants_hold ? VSTOP : VSTART];
}

void ldisc_flush_input(struct ldisc *l)
{
    l->nr_read = l->nr_ready = l->nr_received;
    l->is_quoting = false;
    l->is_erasing = false;
    hold_peer(l);
}

size_t ldisc_nr_readable(const struct ldisc *l)
{
    size_t nr = l->nr_ready - l->nr_read;

    if (!ldisc_is_canonical(l))
        return nr;
    for (uint32_t at = l->nr_read; at != l->nr_ready; at++)
        nr -= is_end(l, at) && byte_at(l, at) == 0;
    return nr;
}

bool ldisc_can_read(const struct ldisc *l, size_t least)
{
    return l->nr_ready - l->nr_read >= (ldisc_is_canonical(l) ? 1 : MAX(least, (size_t)1));
}

size_t ldisc_read(struct ldisc *l, unsigned char *to, size_t nr_bytes, bool *is_end_reached)
{
    bool is_canonical = ldisc_is_canonical(l);
    size_t done = 0;

    *is_end_reached = false;
    while (l->nr_read != l->nr_ready && !*is_end_reached) {
        unsigned char byte = byte_at(l, l->nr_read);
        bool ends_line = is_canonical && is_end(l, l->nr_read);

        if (ends_line && byte == 0) {
            /* An end of file behind a full buffer goes with what was before it. */
            *is_end_reached = true;
        } else if (done == nr_bytes) {
            break;
        } else {
            to[done++] = byte;
            *is_end_reached = ends_line;
        }
        l->nr_read++;
    }
    hold_peer(l);
    return done;
}

/* What has been received is one line, unless it ends with 0: that would be an end of file. */
static void end_here(struct ldisc *l)
{
    uint32_t last = (l->nr_received - 1) % LDISC_INPUT_BYTES;

    memset(l->ends, 0, sizeof(l->ends));
    if (l->nr_received != l->nr_read && l->input[last] != 0)
        l->ends[last / 64] |= (uint64_t)1 << last % 64;
}

void ldisc_set_termios(struct ldisc *l, const struct termios2 *termios)
{
    bool was_canonical = ldisc_is_canonical(l);

    l->termios = *termios;
    if (was_canonical != ldisc_is_canonical(l)) {
        /* What is there can be read at once. To canonical mode it is a line of its own. */
        if (!was_canonical)
            end_here(l);
        l->nr_ready = l->nr_received;
        l->is_quoting = false;
        l->is_erasing = false;
    }
    if (!(termios->c_iflag & IXON))
        l->is_stopped = false;
    hold_peer(l);
}

/* ---- Echo ----------------------------------------------------------------------------------- */

static bool has_local(const struct ldisc *l, tcflag_t flag)
{
    return l->termios.c_lflag & flag;
}

static void echo_text(struct ldisc *l, const char *text)
{
    while (*text != '\0')
        ldisc_echo(l, (unsigned char)*text++);
}

static bool is_shown_as_two(const struct ldisc *l, unsigned char byte)
{
    return has_local(l, ECHOCTL) && ldisc_is_control(byte) && byte != '\t';
}

/* A byte as it is shown: a control character as ^X. */
static void echo_shown(struct ldisc *l, unsigned char byte)
{
    if (is_shown_as_two(l, byte)) {
        ldisc_echo(l, '^');
        ldisc_echo(l, byte ^ 0x40);
    } else {
        ldisc_echo(l, byte);
    }
}

static void finish_erasing(struct ldisc *l)
{
    if (l->is_erasing)
        ldisc_echo(l, '/');
    l->is_erasing = false;
}

static void echo_typed(struct ldisc *l, unsigned char byte)
{
    if (!has_local(l, ECHO))
        return;
    finish_erasing(l);
    if (line_bytes(l) == 0)
        l->line_column = l->column;
    if (byte == '\n' && !ldisc_is_canonical(l))
        ldisc_echo(l, '\n'); /* in a line that is edited it has been quoted */
    else
        echo_shown(l, byte);
}

/* The column behind the bytes of the edited line up to `end`. */
static unsigned column_at(const struct ldisc *l, uint32_t end)
{
    unsigned column = l->line_column;

    for (uint32_t at = l->nr_ready; at != end; at++) {
        unsigned char byte = byte_at(l, at);

        if (byte == '\t')
            column += TAB_COLUMNS - column % TAB_COLUMNS;
        else if (is_shown_as_two(l, byte))
            column += 2;
        else if (!ldisc_is_control(byte) && !ldisc_is_continuation(l, byte))
            column++;
    }
    return column;
}

/* ---- Editing -------------------------------------------------------------------------------- */

/* The start of the character that ends before `end`, and is not before `first`. */
static uint32_t char_before(const struct ldisc *l, uint32_t first, uint32_t end)
{
    do
        end--;
    while (end != first && ldisc_is_continuation(l, byte_at(l, end)));
    return end;
}

static bool is_of_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c >= 0x80;
}

/* The start of the last word, with what is between it and the line's end. */
static uint32_t word_before(const struct ldisc *l)
{
    uint32_t at = l->nr_received;

    while (at != l->nr_ready && !is_of_word(byte_at(l, at - 1)))
        at--;
    while (at != l->nr_ready && is_of_word(byte_at(l, at - 1)))
        at--;
    return at;
}

/* Takes the end of the edited line away, from `start`, and off the screen. */
static void erase_from(struct ldisc *l, uint32_t start)
{
    unsigned nr_columns = column_at(l, l->nr_received) - column_at(l, start);
    bool is_one_tab = start + 1 == l->nr_received && byte_at(l, start) == '\t';

    /* Over a tab the cursor moves back; there is nothing to wipe out. */
    while (nr_columns-- > 0)
        echo_text(l, is_one_tab ? "\b" : "\b \b");
    l->nr_received = start;
}

/* The same on paper: what is erased is printed once more, backwards, between \ and /. */
static void erase_on_paper(struct ldisc *l, uint32_t start)
{
    if (!l->is_erasing)
        ldisc_echo(l, '\\');
    l->is_erasing = true;
    while (l->nr_received != start) {
        uint32_t from = char_before(l, start, l->nr_received);

        for (uint32_t at = from; at != l->nr_received; at++)
            echo_shown(l, byte_at(l, at));
        l->nr_received = from;
    }
}

/* VERASE, VWERASE, or VKILL (`key`): the end of the line goes, from `start`. As on Linux, ECHOE is
 * for VERASE alone: a word is always taken off the screen. */
static void erase(struct ldisc *l, uint32_t start, unsigned char key)
{
    if (!has_local(l, ECHO)) {
        l->nr_received = start;
    } else if (has_local(l, ECHOPRT)) {
        erase_on_paper(l, start);
    } else if (!has_local(l, ECHOE) && key == l->termios.c_cc[VERASE]) {
        echo_shown(l, key);
        l->nr_received = start;
    } else {
        erase_from(l, start);
    }
    if (line_bytes(l) == 0)
        finish_erasing(l);
}

static void kill_line(struct ldisc *l, unsigned char key)
{
    if (!has_local(l, ECHO)) {
        l->nr_received = l->nr_ready;
    } else if (has_local(l, ECHOK) && has_local(l, ECHOKE) && has_local(l, ECHOE)) {
        erase(l, l->nr_ready, key);
    } else {
        finish_erasing(l);
        echo_shown(l, key);
        if (has_local(l, ECHOK))
            ldisc_echo(l, '\n');
        l->nr_received = l->nr_ready;
    }
}

static void reprint(struct ldisc *l, unsigned char key)
{
    finish_erasing(l);
    echo_shown(l, key);
    ldisc_echo(l, '\n');
    l->line_column = l->column;
    for (uint32_t at = l->nr_ready; at != l->nr_received; at++)
        echo_shown(l, byte_at(l, at));
}

/* ---- Receiving ------------------------------------------------------------------------------ */

/* Whether the byte is the special character `which`; 0 there means that there is none. */
static bool is_char(const struct ldisc *l, unsigned which, unsigned char byte)
{
    return byte != 0 && l->termios.c_cc[which] == byte;
}

/* The signal that the byte stands for; 0: none. */
static int signal_of(const struct ldisc *l, unsigned char byte)
{
    if (!has_local(l, ISIG))
        return 0;
    if (is_char(l, VINTR, byte))
        return SIGINT;
    if (is_char(l, VQUIT, byte))
        return SIGQUIT;
    return is_char(l, VSUSP, byte) ? SIGTSTP : 0;
}

static void start(struct ldisc *l, struct ldisc_events *events)
{
    ldisc_flow(l, TCOON, events);
}

static void receive_signal(struct ldisc *l, int signal, struct ldisc_events *events)
{
    events->signals |= (uint32_t)1 << signal;
    if (!has_local(l, NOFLSH)) {
        ldisc_flush_input(l);
        ldisc_flush_output(l);
        events->has_flushed = true;
    }
    if (l->termios.c_iflag & IXON)
        start(l, events);
}

/* VSTART and VSTOP, and IXANY. Whether the byte is used up. */
static bool receive_flow(struct ldisc *l, unsigned char byte, struct ldisc_events *events)
{
    if (!(l->termios.c_iflag & IXON))
        return false;
    if (is_char(l, VSTOP, byte) && !(is_char(l, VSTART, byte) && l->is_stopped)) {
        ldisc_flow(l, TCOOFF, events);
        return true;
    }
    if (is_char(l, VSTART, byte)) {
        start(l, events);
        return true;
    }
    if (l->termios.c_iflag & IXANY)
        start(l, events);
    return false;
}

/* A byte that means itself. */
static void receive_plain(struct ldisc *l, unsigned char byte)
{
    bool is_doubled = byte == 0xff && (l->termios.c_iflag & PARMRK);

    if (!has_room(l, false)) {
        refuse(l);
        return;
    }
    echo_typed(l, byte);
    store(l, byte, false);
    if (is_doubled && has_room(l, false))
        store(l, byte, false);
}

/* The end of a line. `stored` is 0 for an end of file. */
static void receive_end(struct ldisc *l, unsigned char stored)
{
    if (!has_room(l, true)) {
        refuse(l);
        return;
    }
    finish_erasing(l);
    if (stored == '\n' && (has_local(l, ECHO) || has_local(l, ECHONL)))
        ldisc_echo(l, '\n');
    else if (stored != 0)
        echo_typed(l, stored);
    store(l, stored, true);
}

/* The keys of canonical mode. Whether the byte is one. */
static bool receive_key(struct ldisc *l, unsigned char byte)
{
    bool is_extended = has_local(l, IEXTEN), is_empty = line_bytes(l) == 0;

    if (is_char(l, VERASE, byte)) {
        if (!is_empty)
            erase(l, char_before(l, l->nr_ready, l->nr_received), byte);
    } else if (is_char(l, VKILL, byte)) {
        if (!is_empty)
            kill_line(l, byte);
    } else if (is_extended && is_char(l, VWERASE, byte)) {
        if (!is_empty)
            erase(l, word_before(l), byte);
    } else if (is_extended && is_char(l, VLNEXT, byte)) {
        l->is_quoting = true;
        if (has_local(l, ECHO) && has_local(l, ECHOCTL)) {
            finish_erasing(l);
            if (is_empty)
                l->line_column = l->column;
            echo_text(l, "^\b");
        }
    } else if (is_extended && has_local(l, ECHO) && is_char(l, VREPRINT, byte)) {
        reprint(l, byte);
    } else if (byte == '\n' || is_char(l, VEOL, byte) || (is_extended && is_char(l, VEOL2, byte))) {
        receive_end(l, byte);
    } else if (is_char(l, VEOF, byte)) {
        receive_end(l, 0);
    } else {
        return false;
    }
    return true;
}

static void receive_byte(struct ldisc *l, unsigned char byte, struct ldisc_events *events)
{
    tcflag_t flags = l->termios.c_iflag;
    int signal;

    if (flags & ISTRIP)
        byte &= 0x7f;
    if ((flags & IUCLC) && has_local(l, IEXTEN) && byte >= 'A' && byte <= 'Z')
        byte = (unsigned char)(byte - 'A' + 'a');
    if (l->is_quoting) {
        l->is_quoting = false;
        receive_plain(l, byte);
        return;
    }
    if (receive_flow(l, byte, events))
        return;
    signal = signal_of(l, byte);
    if (signal != 0) {
        receive_signal(l, signal, events);
        if (has_local(l, ECHO))
            echo_shown(l, byte);
        return;
    }
    if (byte == '\r') {
        if (flags & IGNCR)
            return;
        if (flags & ICRNL)
            byte = '\n';
    } else if (byte == '\n' && (flags & INLCR)) {
        byte = '\r';
    }
    if (!ldisc_is_canonical(l) || !receive_key(l, byte))
        receive_plain(l, byte);
}

void ldisc_receive(struct ldisc *l, const unsigned char *bytes, size_t nr_bytes,
                   struct ldisc_events *events)
{
    for (size_t i = 0; i < nr_bytes; i++)
        receive_byte(l, bytes[i], events);
    hold_peer(l);
}

/* PARMRK: 0xff, 0 and the byte. */
static void receive_marked(struct ldisc *l, unsigned char byte)
{
    if (nr_stored(l) + 3 >= LDISC_INPUT_BYTES) {
        refuse(l);
        return;
    }
    store(l, 0xff, false);
    store(l, 0, false);
    store(l, byte, false);
}

void ldisc_receive_event(struct ldisc *l, unsigned char byte, enum ldisc_line_event what,
                         struct ldisc_events *events)
{
    tcflag_t flags = l->termios.c_iflag;

    if (what == LDISC_BREAK) {
        if (flags & IGNBRK)
            return;
        if (flags & BRKINT) {
            receive_signal(l, SIGINT, events);
            return;
        }
        byte = 0;
    } else if (!(flags & INPCK)) {
        ldisc_receive(l, &byte, 1, events);
        return;
    } else if (flags & IGNPAR) {
        return;
    }
    if (flags & PARMRK)
        receive_marked(l, byte);
    else
        receive_plain(l, 0);
    hold_peer(l);
}

bool ldisc_has_room_for(const struct ldisc *l, unsigned char byte)
{
    if (nr_stored(l) < LDISC_INPUT_BYTES - 1)
        return true;
    if (ldisc_is_canonical(l) && l->nr_read == l->nr_ready)
        return true;
    if (signal_of(l, byte) != 0)
        return true;
    return (l->termios.c_iflag & IXON) && (is_char(l, VSTART, byte) || is_char(l, VSTOP, byte));
}
