/* Terminals as files: opening, reading, writing, poll. tty.c has the theory. */

#include <asm/signal.h>
#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <sched/sched.h>

#include "tty.h"

/* What is moved between two looks at the world; on the stack. */
#define PIECE_BYTES 256

/* VTIME counts tenths of a second. */
#define VTIME_UNIT_NS (NSEC_PER_SEC / 10)

static bool is_nonblocking(const struct file *file)
{
    return atomic_load(&file->flags) & O_NONBLOCK;
}

static struct tty *tty_of(const struct file *file)
{
    return ((struct tty_file *)file->private)->tty;
}

bool tty_is_hung_up(const struct file *file)
{
    const struct tty_file *open = file->private;

    return open->tty->is_gone || (!open->is_immune && open->nr_hang_ups != open->tty->nr_hang_ups);
}

/* ---- Opening and closing -------------------------------------------------------------------- */

int tty_open(struct tty *tty, struct file *file, bool is_immune)
{
    struct tty_file *open = kmalloc_user(sizeof(*open));
    bool wants_control = !(atomic_load(&file->flags) & O_NOCTTY) && !is_immune;
    irq_state_t irq;
    int error = 0;

    if (open == NULL)
        return -ENOMEM;
    irq = spin_lock_irq(&tty->lock);
    if (tty->is_gone)
        error = -EIO;
    else if (tty->is_exclusive && !credentials_are_root(credentials_current()))
        error = -EBUSY;
    else
        tty->nr_files++;
    *open = (struct tty_file){tty, tty->nr_hang_ups, is_immune, false};
    spin_unlock_irq(&tty->lock, irq);
    if (error != 0) {
        kfree(open);
        return error;
    }
    file->private = open;
    if (wants_control) {
        /* Who is no session leader, or has a terminal, just opens it. */
        error = tty_make_controlling(tty, false);
        (void)error;
    }
    return 0;
}

static void tty_release(struct file *file)
{
    struct tty_file *open = file->private;
    struct tty *tty = open->tty;
    irq_state_t irq = spin_lock_irq(&tty->lock);

    if (--tty->nr_files == 0) {
        tty->is_exclusive = false;
        if (tty->ops->closed != NULL)
            tty->ops->closed(tty);
    }
    spin_unlock_irq(&tty->lock, irq);
    kfree(open);
    tty_put(tty);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* What a read that is to wait has found so far. */
struct input_wait {
    size_t nr_seen; /* bytes that were there at the last look */
    uint64_t deadline_ns;
};

/*
 * Outside canonical mode: 1, a read is to take what is there; 0, it is to wait until
 * wait->deadline_ns; -EAGAIN; or *is_empty: it is to return nothing.
 */
static int look_at_raw(const struct ldisc *l, size_t nr_bytes, bool is_nonblock,
                       struct input_wait *wait, bool *is_empty)
{
    size_t least = l->termios.c_cc[VMIN], nr = ldisc_nr_readable(l);
    uint64_t time_ns = l->termios.c_cc[VTIME] * VTIME_UNIT_NS;

    if (nr >= MIN(MAX(least, (size_t)1), nr_bytes))
        return 1;
    if (least == 0 && time_ns == 0) {
        *is_empty = true;
        return 0;
    }
    if (is_nonblock)
        return nr > 0 ? 1 : -EAGAIN;
    /* The time is that of the whole read, or, with VMIN, that between two bytes. */
    if (time_ns == 0)
        wait->deadline_ns = WAITQ_FOREVER;
    else if (least == 0 ? wait->deadline_ns == WAITQ_FOREVER : nr > 0 && nr != wait->nr_seen)
        wait->deadline_ns = clock_now_ns() + time_ns;
    wait->nr_seen = nr;
    return 0;
}

/* The same in any mode, for a read of that file; *until_ns is how long it is to wait. Locked. */
static int look_for_input(const struct file *file, const struct tty *tty, size_t nr_bytes,
                          struct input_wait *wait, uint64_t *until_ns, bool *is_empty)
{
    bool is_nonblock = is_nonblocking(file);
    int result;

    *until_ns = WAITQ_FOREVER;
    if (!tty->is_reading && !ldisc_is_canonical(&tty->ldisc)) {
        result = look_at_raw(&tty->ldisc, nr_bytes, is_nonblock, wait, is_empty);
        *until_ns = wait->deadline_ns;
        return result;
    }
    if (!tty->is_reading && ldisc_can_read(&tty->ldisc, 1))
        return 1;
    return is_nonblock ? -EAGAIN : 0;
}

/* Whether a wait that is given up finds fewer bytes than VMIN: then no more are waited for. */
static bool has_some(const struct tty *tty)
{
    return !tty->is_reading && !ldisc_is_canonical(&tty->ldisc) &&
           ldisc_nr_readable(&tty->ldisc) > 0;
}

/* Waits until there is something to read. 1; 0: the end of the file; -errno. Locked. */
static int wait_for_input(const struct file *file, struct tty *tty, size_t nr_bytes)
{
    struct input_wait wait = {0, WAITQ_FOREVER};

    while (!tty_is_hung_up(file)) {
        bool is_empty = false;
        uint64_t until_ns;
        int result = look_for_input(file, tty, nr_bytes, &wait, &until_ns, &is_empty);

        if (result != 0 || is_empty)
            return result;
        result = waitq_sleep(&tty->readable, &tty->lock, until_ns, true);
        if (result != 0 && has_some(tty))
            return 1;
        if (result != 0)
            return result == -ETIMEDOUT ? 0 : result;
    }
    return 0;
}

/* Reads what is there, up to the end of a line. The caller has the turn. */
static int64_t read_pieces(struct tty *tty, vaddr_t to, size_t nr_bytes)
{
    unsigned char piece[PIECE_BYTES];
    bool is_end = false;
    size_t done = 0;

    while (done < nr_bytes && !is_end) {
        irq_state_t irq = spin_lock_irq(&tty->lock);
        size_t nr = ldisc_read(&tty->ldisc, piece, MIN(nr_bytes - done, sizeof(piece)), &is_end);

        tty->ops->start(tty); /* there is room, and perhaps a VSTART to be sent */
        spin_unlock_irq(&tty->lock, irq);
        if (nr == 0)
            break;
        if (user_copy_to(to + done, piece, nr) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += nr;
    }
    return (int64_t)done;
}

static int64_t tty_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct tty *tty = tty_of(file);
    int64_t result = tty_check_background(tty, SIGTTIN);
    irq_state_t irq;

    (void)offset;
    if (result != 0 || nr_bytes == 0)
        return result;
    irq = spin_lock_irq(&tty->lock);
    result = wait_for_input(file, tty, nr_bytes);
    tty->is_reading |= result > 0;
    spin_unlock_irq(&tty->lock, irq);
    if (result <= 0)
        return result;
    result = read_pieces(tty, to, nr_bytes);
    irq = spin_lock_irq(&tty->lock);
    tty->is_reading = false;
    waitq_wake_all(&tty->readable);
    spin_unlock_irq(&tty->lock, irq);
    return result;
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Waits for the turn. 0 or -errno. */
static int begin_write(const struct file *file, struct tty *tty)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);
    int error = 0;

    while (error == 0 && tty->is_writing && !tty_is_hung_up(file)) {
        if (is_nonblocking(file))
            error = -EAGAIN;
        else
            error = waitq_sleep(&tty->writable, &tty->lock, WAITQ_FOREVER, true);
    }
    if (error == 0 && tty_is_hung_up(file))
        error = -EIO;
    tty->is_writing |= error == 0;
    spin_unlock_irq(&tty->lock, irq);
    return error;
}

static void end_write(struct tty *tty)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);

    tty->is_writing = false;
    waitq_wake_all(&tty->writable);
    spin_unlock_irq(&tty->lock, irq);
}

/* Writes a piece, waiting for room. How much of it, if not all then with *error set. */
static size_t write_piece(const struct file *file, struct tty *tty, const unsigned char *piece,
                          size_t nr_bytes, int *error)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);
    size_t done = 0;

    while (*error == 0 && done < nr_bytes) {
        if (tty_is_hung_up(file)) {
            *error = -EIO;
            break;
        }
        done += ldisc_write(&tty->ldisc, piece + done, nr_bytes - done);
        tty->ops->start(tty);
        if (done == nr_bytes || ldisc_room(&tty->ldisc) > 0)
            continue;
        if (is_nonblocking(file))
            *error = -EAGAIN;
        else
            *error = waitq_sleep(&tty->writable, &tty->lock, WAITQ_FOREVER, true);
    }
    spin_unlock_irq(&tty->lock, irq);
    return done;
}

static int64_t write_pieces(const struct file *file, struct tty *tty, vaddr_t from, size_t nr_bytes)
{
    unsigned char piece[PIECE_BYTES];
    size_t done = 0;
    int error = 0;

    while (error == 0 && done < nr_bytes && !(done > 0 && sched_is_interrupted())) {
        size_t nr = MIN(nr_bytes - done, sizeof(piece));

        if (user_copy_from(piece, from + done, nr) != 0)
            error = -EFAULT;
        else
            done += write_piece(file, tty, piece, nr, &error);
    }
    return done > 0 ? (int64_t)done : error;
}

static bool stops_background_writers(struct tty *tty)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);
    bool result = tty->ldisc.termios.c_lflag & TOSTOP;

    spin_unlock_irq(&tty->lock, irq);
    return result;
}

static int64_t tty_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    struct tty *tty = tty_of(file);
    int64_t result = 0;

    (void)offset;
    if (stops_background_writers(tty))
        result = tty_check_background(tty, SIGTTOU);
    if (result == 0)
        result = begin_write(file, tty);
    if (result != 0)
        return result;
    result = write_pieces(file, tty, from, nr_bytes);
    end_write(tty);
    return result;
}

/* ---- Poll ----------------------------------------------------------------------------------- */

static unsigned tty_poll(struct file *file, struct poll_watcher *watcher)
{
    struct tty *tty = tty_of(file);
    irq_state_t irq = spin_lock_irq(&tty->lock);
    const struct ldisc *l = &tty->ldisc;
    /* With VTIME a read returns after the first byte and a time. */
    size_t least = l->termios.c_cc[VTIME] == 0 ? l->termios.c_cc[VMIN] : 1;
    unsigned events = 0;

    if (tty_is_hung_up(file)) {
        events = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP;
    } else {
        if (ldisc_can_read(l, least))
            events |= EPOLLIN | EPOLLRDNORM;
        if (ldisc_room(l) > 0)
            events |= EPOLLOUT | EPOLLWRNORM;
    }
    poll_watch(&tty->polls, watcher);
    spin_unlock_irq(&tty->lock, irq);
    return events;
}

const struct file_ops tty_file_ops = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .release = tty_release,
};
