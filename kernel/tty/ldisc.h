#ifndef KERNEL_TTY_LDISC_H
#define KERNEL_TTY_LDISC_H

/*
 * The line discipline N_TTY: what happens to bytes between a line and the programs that read and
 * write it. Pure: a structure with two rings, and functions that move bytes into and out of it. It
 * takes no lock, wakes nobody and knows no device; tty.c does that, and the host's tests drive it
 * alone.
 *
 *     line --- ldisc_receive() ---> input ring ---> ldisc_read() ---> program
 *                    | echo
 *                    v
 *     line <--- ldisc_take() ------ output ring <--- ldisc_write() --- program
 *
 * The behaviour is that of POSIX (XBD chapter 11, "General Terminal Interface") and, where that
 * leaves it open, of Linux's termios(3).
 */

#include <asm/termbits.h>
#include <kernel/types.h>

#define LDISC_INPUT_BYTES  4096u
#define LDISC_OUTPUT_BYTES 8192u

/* Programs leave so much of the output ring to the echo. */
#define LDISC_ECHO_BYTES 1024u

/*
 * The counters only rise (modulo 2^32); byte n is at n modulo the ring's size.
 *
 *     nr_read <= nr_ready <= nr_received <= nr_read + LDISC_INPUT_BYTES
 *
 * Bytes up to nr_ready may be read. In canonical mode these are whole lines, and what follows is
 * the line being edited; otherwise nr_ready is nr_received.
 */
struct ldisc {
    struct termios2 termios;

    uint32_t nr_read, nr_ready, nr_received;
    unsigned char input[LDISC_INPUT_BYTES];
    /* One bit a byte of `input`: ends a line. Such a byte that is 0 is an end of file: not read. */
    uint64_t ends[LDISC_INPUT_BYTES / 64];
    bool is_quoting;      /* VLNEXT was typed */
    bool is_erasing;      /* ECHOPRT: between the backslash and the slash */
    unsigned line_column; /* where the echo of the line being edited began */
    uint64_t nr_dropped;  /* bytes that the input ring had no room for */

    uint32_t nr_taken, nr_written;
    unsigned char output[LDISC_OUTPUT_BYTES];
    unsigned column;      /* where the line's cursor is, as far as is known */
    bool is_stopped;      /* by VSTOP or tcflow(): nothing is taken */
    bool is_holding_peer; /* IXOFF: VSTOP was sent, the input ring was nearly full */
    unsigned char urgent; /* 0, or the VSTART or VSTOP to be sent before all else */
};

/* What came of received bytes. */
struct ldisc_events {
    uint32_t signals; /* bit n: signal n for the foreground group */
    bool has_flushed; /* a signal's character threw away both rings */
    bool was_stopped; /* output was stopped, */
    bool was_started; /* or may go on */
};

/* What a byte from the line may be besides itself. */
enum ldisc_line_event { LDISC_BREAK, LDISC_PARITY_ERROR };

/* As a terminal is at first (stty sane, 115200 baud). */
void ldisc_init(struct ldisc *l);

/* tcsetattr(). What has been received and not read stays. */
void ldisc_set_termios(struct ldisc *l, const struct termios2 *termios);

/* ---- Input ---------------------------------------------------------------------------------- */

/*
 * Bytes from the line, edited, echoed and put into the input ring; adds to *events. What does not
 * fit is dropped.
 */
void ldisc_receive(struct ldisc *l, const unsigned char *bytes, size_t nr_bytes,
                   struct ldisc_events *events);

/* A break, or a byte that came with a parity or framing error. */
void ldisc_receive_event(struct ldisc *l, unsigned char byte, enum ldisc_line_event what,
                         struct ldisc_events *events);

/*
 * Whether `byte` would be taken now rather than dropped for want of a reader; signals always are. A
 * line that is too long is no reason to wait, since nobody can read it before its end.
 */
bool ldisc_has_room_for(const struct ldisc *l, unsigned char byte);

/* How many bytes may be read now: FIONREAD. An end of file counts for none. */
size_t ldisc_nr_readable(const struct ldisc *l);

/* Whether a read would return: in canonical mode a line or an end of file is there, otherwise at
 * least `least` bytes. */
bool ldisc_can_read(const struct ldisc *l, size_t least);

/*
 * Reads up to nr_bytes, in canonical mode up to the end of a line, whose end of file is not copied;
 * *is_end says that that end was reached.
 */
size_t ldisc_read(struct ldisc *l, unsigned char *to, size_t nr_bytes, bool *is_end);

void ldisc_flush_input(struct ldisc *l);

/* ---- Output --------------------------------------------------------------------------------- */

/* Bytes of a program, processed as c_oflag says. How many of them there was room for. */
size_t ldisc_write(struct ldisc *l, const unsigned char *bytes, size_t nr_bytes);

/* How many bytes ldisc_write() takes at least; 0 when it is full. */
size_t ldisc_room(const struct ldisc *l);

/* How many bytes wait to be taken, also while stopped: TIOCOUTQ. */
size_t ldisc_nr_output(const struct ldisc *l);

/* Takes up to nr_bytes for the line; none while output is stopped, but for VSTART and VSTOP. */
size_t ldisc_take(struct ldisc *l, unsigned char *to, size_t nr_bytes);

/* Whether ldisc_take() would give something. */
bool ldisc_can_take(const struct ldisc *l);

void ldisc_flush_output(struct ldisc *l);

/* tcflow(): TCOOFF, TCOON, TCIOFF, TCION. */
void ldisc_flow(struct ldisc *l, int action, struct ldisc_events *events);

/* ---- Between the two halves (ldisc_input.c and ldisc_output.c) ------------------------------- */

/* One byte of echo, processed as output is; lost if there is no room. */
void ldisc_echo(struct ldisc *l, unsigned char byte);

static inline bool ldisc_is_canonical(const struct ldisc *l)
{
    return l->termios.c_lflag & ICANON;
}

static inline bool ldisc_is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* Whether the byte goes on with a character of UTF-8 that others began, and the line is of UTF-8.
 */
static inline bool ldisc_is_continuation(const struct ldisc *l, unsigned char byte)
{
    return (l->termios.c_iflag & IUTF8) && (byte & 0xc0) == 0x80;
}

#endif
