/*
 * ioctl() of terminals: termios(3), window size, job control (ioctl_tty(2)). On the master of a
 * pseudo-terminal most requests are about its slave.
 */

#include <asm/ioctls.h>
#include <asm/signal.h>
#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/signal.h>

#include "tty.h"

/* tcsendbreak(): a break takes between a quarter and half a second; or tenths, as wanted. */
#define BREAK_NS        (NSEC_PER_SEC / 4)
#define BREAK_UNIT_NS   (NSEC_PER_SEC / 10)
#define BREAK_UNITS_MAX 100

_Static_assert(sizeof(struct termios) == offsetof(struct termios2, c_ispeed),
               "termios2 starts as termios");

/* ---- Speeds --------------------------------------------------------------------------------- */

/* What the codes B0 to B38400, and from BOTHER + 1 on B57600 to B4000000, stand for. */
static const unsigned slow_speeds[] = {0,   50,   75,   110,  134,  150,  200,   300,
                                       600, 1200, 1800, 2400, 4800, 9600, 19200, 38400};
static const unsigned fast_speeds[] = {57600,   115200,  230400,  460800,  500000,
                                       576000,  921600,  1000000, 1152000, 1500000,
                                       2000000, 2500000, 3000000, 3500000, 4000000};

/* The speed of a code; `other` if it is BOTHER, or none. */
static unsigned speed_of(tcflag_t code, unsigned other)
{
    if (code < ARRAY_LEN(slow_speeds))
        return slow_speeds[code];
    code -= BOTHER + 1;
    return code < ARRAY_LEN(fast_speeds) ? fast_speeds[code] : other;
}

/* Sets the numbers to what the codes in c_cflag say. */
static void set_speeds(struct termios2 *termios)
{
    tcflag_t input = termios->c_cflag >> IBSHIFT & CBAUD;

    termios->c_ospeed = speed_of(termios->c_cflag & CBAUD, termios->c_ospeed);
    termios->c_ispeed = input == 0 ? termios->c_ospeed : speed_of(input, termios->c_ispeed);
}

/* ---- termios -------------------------------------------------------------------------------- */

static struct termios2 get_termios(struct tty *tty)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);
    struct termios2 termios = tty->ldisc.termios;

    spin_unlock_irq(&tty->lock, irq);
    return termios;
}

/* Whether Ctrl-S and Ctrl-Q stop and start the output: in packet mode the master is told. */
static bool has_usual_flow(const struct termios2 *termios)
{
    return (termios->c_iflag & IXON) && termios->c_cc[VSTOP] == ('S' & 0x1f) &&
           termios->c_cc[VSTART] == ('Q' & 0x1f);
}

static void set_termios(struct tty *tty, const struct termios2 *wanted)
{
    struct ldisc_events events = {0};
    struct termios2 termios = *wanted;
    tcflag_t fixed = tty->ops->fixed_cflags;
    irq_state_t irq = spin_lock_irq(&tty->lock);
    struct ldisc *l = &tty->ldisc;
    bool was_stopped = l->is_stopped;

    termios.c_cflag = (termios.c_cflag & ~fixed) | (l->termios.c_cflag & fixed);
    termios.c_line = l->termios.c_line;
    if (fixed & CBAUD) {
        termios.c_ispeed = l->termios.c_ispeed;
        termios.c_ospeed = l->termios.c_ospeed;
    } else {
        set_speeds(&termios);
    }
    if (tty->ops->note != NULL && has_usual_flow(&termios) != has_usual_flow(&l->termios))
        tty->ops->note(tty, has_usual_flow(&termios) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP);
    ldisc_set_termios(l, &termios);
    events.was_started = was_stopped && !l->is_stopped;
    tty_handle(tty, &events);
    tty_wake(tty);
    spin_unlock_irq(&tty->lock, irq);
}

/* struct termio of System V has the low 16 bits of the flags, and 8 characters. */
static int64_t get_termio(struct tty *tty, vaddr_t to)
{
    struct termios2 termios = get_termios(tty);
    struct termio termio = {
        .c_iflag = (unsigned short)termios.c_iflag,
        .c_oflag = (unsigned short)termios.c_oflag,
        .c_cflag = (unsigned short)termios.c_cflag,
        .c_lflag = (unsigned short)termios.c_lflag,
        .c_line = termios.c_line,
    };

    memcpy(termio.c_cc, termios.c_cc, NCC);
    return user_copy_to(to, &termio, sizeof(termio));
}

static void from_termio(struct termios2 *termios, const struct termio *termio)
{
    termios->c_iflag = (termios->c_iflag & ~0xffffu) | termio->c_iflag;
    termios->c_oflag = (termios->c_oflag & ~0xffffu) | termio->c_oflag;
    termios->c_cflag = (termios->c_cflag & ~0xffffu) | termio->c_cflag;
    termios->c_lflag = (termios->c_lflag & ~0xffffu) | termio->c_lflag;
    memcpy(termios->c_cc, termio->c_cc, NCC);
}

int tty_drain(struct tty *tty, uint64_t deadline_ns)
{
    irq_state_t irq;
    int error = 0;

    if (!tty->ops->sends_by_itself)
        return 0;
    irq = spin_lock_irq(&tty->lock);
    while (error == 0 && ldisc_nr_output(&tty->ldisc) > 0)
        error = waitq_sleep(&tty->writable, &tty->lock, deadline_ns, true);
    spin_unlock_irq(&tty->lock, irq);
    return error;
}

/* What the slave's end flushes is told to a master in packet mode; what it flushed itself is not.
 */
static void flush(struct tty *tty, bool input, bool output, bool by_master)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);
    unsigned bits = (input ? TIOCPKT_FLUSHREAD : 0u) | (output ? TIOCPKT_FLUSHWRITE : 0u);

    if (input)
        tty_flush_input(tty);
    if (output)
        ldisc_flush_output(&tty->ldisc);
    if (tty->ops->note != NULL && !by_master)
        tty->ops->note(tty, bits);
    tty->ops->start(tty);
    tty_wake(tty);
    spin_unlock_irq(&tty->lock, irq);
}

/* When tcsetattr() is to act: the requests of one kind are numbered in this order. */
enum when { NOW, AFTER_OUTPUT, AFTER_OUTPUT_AND_FLUSH };

/* The new settings as they are at `from`, over the old ones. 0 or -EFAULT. */
static int read_termios(unsigned request, vaddr_t from, struct termios2 *termios)
{
    struct termio termio;

    if (request >= TCSETS && request <= TCSETSF)
        return user_copy_from(termios, from, sizeof(struct termios));
    if (request >= TCSETS2 && request <= TCSETSF2)
        return user_copy_from(termios, from, sizeof(*termios));
    if (user_copy_from(&termio, from, sizeof(termio)) != 0)
        return -EFAULT;
    from_termio(termios, &termio);
    return 0;
}

static int64_t set_attributes(struct tty *tty, unsigned request, enum when when, vaddr_t from)
{
    struct termios2 termios = get_termios(tty);
    int error = tty_check_background(tty, SIGTTOU);

    if (error == 0)
        error = read_termios(request, from, &termios);
    if (error == 0 && when != NOW)
        error = tty_drain(tty, WAITQ_FOREVER);
    if (error != 0)
        return error;
    if (when == AFTER_OUTPUT_AND_FLUSH)
        flush(tty, true, false, false);
    set_termios(tty, &termios);
    return 0;
}

static int64_t termios_ioctl(struct tty *tty, unsigned request, vaddr_t arg)
{
    struct termios2 termios;

    switch (request) {
    case TCGETS:
        termios = get_termios(tty);
        return user_copy_to(arg, &termios, sizeof(struct termios));
    case TCGETS2:
        termios = get_termios(tty);
        return user_copy_to(arg, &termios, sizeof(termios));
    case TCGETA:
        return get_termio(tty, arg);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_attributes(tty, request, (enum when)(request - TCSETS), arg);
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
        return set_attributes(tty, request, (enum when)(request - TCSETA), arg);
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
        return set_attributes(tty, request, (enum when)(request - TCSETS2), arg);
    default:
        return -ENOIOCTLCMD;
    }
}

/* ---- Flow, breaks, flushing ----------------------------------------------------------------- */

static int64_t set_flow(struct tty *tty, int action)
{
    struct ldisc_events events = {0};
    int error = tty_check_background(tty, SIGTTOU);
    irq_state_t irq;

    if (error != 0)
        return error;
    if (action < TCOOFF || action > TCION)
        return -EINVAL;
    irq = spin_lock_irq(&tty->lock);
    ldisc_flow(&tty->ldisc, action, &events);
    tty_handle(tty, &events);
    spin_unlock_irq(&tty->lock, irq);
    return 0;
}

static int64_t flush_queues(struct tty *tty, int which, bool is_master)
{
    int error = is_master ? 0 : tty_check_background(tty, SIGTTOU);

    if (error != 0)
        return error;
    if (which != TCIFLUSH && which != TCOFLUSH && which != TCIOFLUSH)
        return -EINVAL;
    /* What the master reads is what the slave has written. */
    if (is_master && which != TCIOFLUSH)
        which = which == TCIFLUSH ? TCOFLUSH : TCIFLUSH;
    flush(tty, which != TCOFLUSH, which != TCIFLUSH, is_master);
    return 0;
}

static int64_t set_break(struct tty *tty, bool is_sent)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);

    if (tty->ops->set_break != NULL)
        tty->ops->set_break(tty, is_sent);
    spin_unlock_irq(&tty->lock, irq);
    return 0;
}

/* Sends what is to be sent, and then a break, if it lasts. */
static int64_t drain_and_break(struct tty *tty, uint64_t duration_ns)
{
    int error = tty_check_background(tty, SIGTTOU);
    uint64_t end_ns;
    irq_state_t irq;

    if (error == 0)
        error = tty_drain(tty, WAITQ_FOREVER);
    if (error != 0 || duration_ns == 0 || tty->ops->set_break == NULL)
        return error;
    end_ns = clock_now_ns() + duration_ns;
    set_break(tty, true);
    irq = spin_lock_irq(&tty->lock);
    while (error == 0)
        error = waitq_sleep(&tty->writable, &tty->lock, end_ns, true);
    spin_unlock_irq(&tty->lock, irq);
    set_break(tty, false);
    return error == -ETIMEDOUT ? 0 : error;
}

/* ---- Window size and the rest --------------------------------------------------------------- */

static int64_t get_size(struct tty *tty, vaddr_t to)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);
    struct winsize size = tty->size;

    spin_unlock_irq(&tty->lock, irq);
    return user_copy_to(to, &size, sizeof(size));
}

static int64_t set_size(struct tty *tty, vaddr_t from)
{
    struct winsize size;
    bool has_changed;
    irq_state_t irq;

    if (user_copy_from(&size, from, sizeof(size)) != 0)
        return -EFAULT;
    irq = spin_lock_irq(&tty->lock);
    has_changed = memcmp(&tty->size, &size, sizeof(size)) != 0;
    tty->size = size;
    spin_unlock_irq(&tty->lock, irq);
    if (has_changed)
        tty_signal_foreground(tty, (uint32_t)1 << SIGWINCH);
    return 0;
}

/* A number of bytes, or of a process: as an int at `to`. */
static int64_t put_int(vaddr_t to, int64_t value)
{
    int number = (int)value;

    return value < 0 ? value : user_copy_to(to, &number, sizeof(number));
}

/* 0 or -EFAULT. */
static int get_int(vaddr_t from, int *value)
{
    return user_copy_from(value, from, sizeof(*value));
}

static int64_t count(struct tty *tty, size_t (*function)(const struct ldisc *l), vaddr_t to)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);
    size_t nr = function(&tty->ldisc);

    spin_unlock_irq(&tty->lock, irq);
    return put_int(to, (int64_t)nr);
}

/* As if the byte had been typed: on one's own terminal; root may on any. */
static int64_t type_byte(struct tty *tty, vaddr_t from)
{
    struct tty *own = tty_of_caller();
    unsigned char byte;

    tty_put(own);
    if (own != tty && !credentials_are_root(credentials_current()))
        return -EPERM;
    if (user_copy_from(&byte, from, 1) != 0)
        return -EFAULT;
    tty_receive(tty, &byte, 1, false);
    return 0;
}

static int64_t set_exclusive(struct tty *tty, bool is_exclusive)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);

    tty->is_exclusive = is_exclusive;
    spin_unlock_irq(&tty->lock, irq);
    return 0;
}

static int64_t set_discipline(vaddr_t from)
{
    int number, error = get_int(from, &number);

    if (error != 0)
        return error;
    return number == 0 ? 0 : -EINVAL; /* N_TTY; there is no other */
}

/* TIOCSCTTY. With 1 root takes it away from another session. */
static int64_t take_control(struct tty *tty, uint64_t arg)
{
    return tty_make_controlling(tty, arg == 1 && credentials_are_root(credentials_current()));
}

static int64_t job_ioctl(const struct tty_file *open, unsigned request, uint64_t arg)
{
    struct tty *tty = open->tty;
    int group, error;

    switch (request) {
    case TIOCSCTTY:
        return open->is_master ? -ENOTTY : take_control(tty, arg);
    case TIOCNOTTY:
        return open->is_master ? -ENOTTY : tty_give_up_controlling(tty);
    case TIOCGPGRP:
        return put_int(arg, tty_get_foreground(tty, open->is_master));
    case TIOCSPGRP:
        error = get_int(arg, &group);
        return error != 0 ? error : tty_set_foreground(tty, group);
    case TIOCGSID:
        return put_int(arg, tty_get_session(tty, open->is_master));
    default:
        return -ENOIOCTLCMD;
    }
}

static int64_t line_ioctl(const struct tty_file *open, unsigned request, uint64_t arg)
{
    struct tty *tty = open->tty;

    switch (request) {
    case TCXONC:
        return set_flow(tty, (int)arg);
    case TCFLSH:
        return flush_queues(tty, (int)arg, open->is_master);
    case TCSBRK:
        return drain_and_break(tty, (int)arg == 0 ? BREAK_NS : 0);
    case TCSBRKP:
        return drain_and_break(tty, arg == 0 ? BREAK_NS
                                             : MIN(arg, (uint64_t)BREAK_UNITS_MAX) * BREAK_UNIT_NS);
    case TIOCSBRK:
        return set_break(tty, true);
    case TIOCCBRK:
        return set_break(tty, false);
    case FIONREAD: /* of a master: pty.c */
        return count(tty, ldisc_nr_readable, arg);
    case TIOCOUTQ:
        return count(tty, ldisc_nr_output, arg);
    case TIOCGWINSZ:
        return get_size(tty, arg);
    case TIOCSWINSZ:
        return set_size(tty, arg);
    case TIOCSTI:
        return type_byte(tty, arg);
    case TIOCEXCL:
        return set_exclusive(tty, true);
    case TIOCNXCL:
        return set_exclusive(tty, false);
    case TIOCGEXCL:
        return put_int(arg, tty->is_exclusive);
    case TIOCGETD:
        return put_int(arg, 0);
    case TIOCSETD:
        return set_discipline(arg);
    case TIOCGDEV:
        return put_int(arg, tty->device);
    default:
        return -ENOTTY;
    }
}

int64_t tty_ioctl(struct file *file, unsigned request, uint64_t arg)
{
    const struct tty_file *open = file->private;
    irq_state_t irq = spin_lock_irq(&open->tty->lock);
    bool is_hung_up = !open->is_master && tty_is_hung_up(file);
    int64_t result;

    spin_unlock_irq(&open->tty->lock, irq);
    if (is_hung_up)
        return request == TIOCSPGRP ? -ENOTTY : -EIO;
    result = open->is_master ? pty_master_ioctl(file, request, arg) : -ENOIOCTLCMD;
    if (result == -ENOIOCTLCMD)
        result = termios_ioctl(open->tty, request, arg);
    if (result == -ENOIOCTLCMD)
        result = job_ioctl(open, request, arg);
    if (result == -ENOIOCTLCMD)
        result = line_ioctl(open, request, arg);
    return result;
}
