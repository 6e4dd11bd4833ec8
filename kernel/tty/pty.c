/*
 * Pseudo-terminals: a terminal whose line ends at a file, the *master*, in place of a device.
 *
 * Opening /dev/ptmx makes one; its file is the master. /dev/pts/N, or TIOCGPTPEER, opens the
 * terminal itself, the *slave*. What programs write to the slave and what is echoed waits in the
 * line discipline's output ring until the master reads it; what the master writes goes to
 * tty_receive(), as if typed, as far as there is room. So one lock, the terminal's, guards both
 * sides, and neither side has a buffer of its own.
 *
 * The master's file keeps the pseudo-terminal alive, and so does each of the slave's. Its number is
 * free again when all are closed. Once the master is closed the slave is hung up, and cannot be
 * opened any more. When all the slave's files are closed, the master reads what is left, and then
 * -EIO until it is opened again.
 *
 * In packet mode (TIOCPKT) each read of the master gives one byte that says what happened to the
 * slave, or 0 and then data.
 *
 * Locks: table_lock guards the table of numbers. It is never held together with another one.
 */

#include <asm/ioctls.h>
#include <asm/signal.h>
#include <kernel/credentials.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/signal.h>
#include <sched/sched.h>

#include "tty.h"

#define PIECE_BYTES 256

/* Locks: c constant, t tty.lock, b table_lock. */
struct pty {
    struct tty tty;                   /* the slave */
    int number;                       /* c */
    struct pty_attributes attributes; /* b; but for `id`, which is c */
    bool is_open;                     /* b  the master is */

    struct tty_file master;         /* c */
    bool is_locked;                 /* t  the slave cannot be opened: unlockpt() */
    bool slave_was_open;            /* t */
    bool has_packets;               /* t  TIOCPKT */
    unsigned char note;             /* t  TIOCPKT_... to be read by the master in packet mode */
    struct waitq master_waits;      /* t */
    struct poll_queue master_polls; /* t */
};

static struct spinlock table_lock = SPINLOCK_INIT("pty table", LOCK_RANK_TTY_CONTROL);
static struct pty *table[PTYS_MAX]; /* table_lock */
static uint64_t last_id;            /* table_lock */

static struct pty *pty_of(const struct file *master)
{
    return container_of((struct tty_file *)master->private, struct pty, master);
}

static bool is_nonblocking(const struct file *file)
{
    return atomic_load(&file->flags) & O_NONBLOCK;
}

/* ---- The slave's side ----------------------------------------------------------------------- */

static bool slave_is_closed(const struct pty *pty)
{
    return pty->slave_was_open && pty->tty.nr_files == 0;
}

static void wake_master(struct tty *tty)
{
    struct pty *pty = container_of(tty, struct pty, tty);

    waitq_wake_all(&pty->master_waits);
    poll_notify(&pty->master_polls);
}

static void take_note(struct tty *tty, unsigned bits)
{
    struct pty *pty = container_of(tty, struct pty, tty);
    unsigned note = pty->note;

    if (!pty->has_packets)
        return;
    /* Of two opposites, the last counts. */
    if (bits & (TIOCPKT_START | TIOCPKT_STOP))
        note &= ~(unsigned)(TIOCPKT_START | TIOCPKT_STOP);
    if (bits & (TIOCPKT_DOSTOP | TIOCPKT_NOSTOP))
        note &= ~(unsigned)(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
    pty->note = (unsigned char)(note | bits);
    wake_master(tty);
}

static void pty_free(struct tty *tty)
{
    struct pty *pty = container_of(tty, struct pty, tty);
    irq_state_t irq = spin_lock_irq(&table_lock);

    table[pty->number] = NULL;
    spin_unlock_irq(&table_lock, irq);
    kfree(pty);
}

static const struct tty_ops pty_ops = {
    .start = wake_master,
    .note = take_note,
    .closed = wake_master,
    .free = pty_free,
    .fixed_cflags = CSIZE | PARENB | CREAD,
};

/* The slave can be opened: with a reference; or -EIO. */
static int find_slave(unsigned number, struct pty **found)
{
    irq_state_t irq = spin_lock_irq(&table_lock);
    struct pty *pty = number < PTYS_MAX ? table[number] : NULL;
    int error = pty != NULL && pty->is_open && tty_try_get(&pty->tty) ? 0 : -EIO;

    *found = pty;
    spin_unlock_irq(&table_lock, irq);
    return error;
}

/* Takes over the reference if it works. The file's inode may be of one that is gone. */
static int open_slave_of(struct pty *pty, struct file *file)
{
    irq_state_t irq = spin_lock_irq(&pty->tty.lock);
    int error = pty->is_locked || !devpts_is_of(file->inode, pty->attributes.id) ? -EIO : 0;

    spin_unlock_irq(&pty->tty.lock, irq);
    if (error == 0)
        error = tty_open(&pty->tty, file, false);
    if (error != 0)
        return error;
    irq = spin_lock_irq(&pty->tty.lock);
    pty->slave_was_open = true;
    spin_unlock_irq(&pty->tty.lock, irq);
    return 0;
}

static int open_slave(struct file *file, uint32_t device)
{
    struct pty *pty;
    int error = find_slave(device_minor(device), &pty);

    if (error != 0)
        return error;
    error = open_slave_of(pty, file);
    if (error != 0)
        tty_put(&pty->tty);
    return error;
}

int pty_next(int number, struct pty_attributes *attributes)
{
    irq_state_t irq = spin_lock_irq(&table_lock);

    while (number < PTYS_MAX && (table[number] == NULL || !table[number]->is_open))
        number++;
    if (number < PTYS_MAX)
        *attributes = table[number]->attributes;
    spin_unlock_irq(&table_lock, irq);
    return number < PTYS_MAX ? number : -1;
}

/* table_lock is held. */
static void merge_attributes(struct pty_attributes *to, const struct pty_attributes *from,
                             unsigned changed)
{
    if (changed & ATTRIBUTE_MODE)
        to->mode = from->mode;
    if (changed & ATTRIBUTE_UID)
        to->uid = from->uid;
    if (changed & ATTRIBUTE_GID) {
        to->gid = from->gid;
        to->has_own_gid = true;
    }
}

void pty_set_attributes(int number, const struct pty_attributes *attributes, unsigned changed)
{
    irq_state_t irq = spin_lock_irq(&table_lock);

    if (table[number] != NULL && table[number]->attributes.id == attributes->id)
        merge_attributes(&table[number]->attributes, attributes, changed);
    spin_unlock_irq(&table_lock, irq);
}

/* ---- The master's side ---------------------------------------------------------------------- */

/*
 * Waits until there is something for the master to read, and takes it: data, or a note. Its length,
 * 0: nothing without waiting; -errno. `first` says whether it may wait.
 */
static int64_t take(const struct file *file, unsigned char *piece, size_t nr_bytes, bool is_first)
{
    struct pty *pty = pty_of(file);
    struct tty *tty = &pty->tty;
    irq_state_t irq = spin_lock_irq(&tty->lock);
    int64_t result = 0;

    while (result == 0) {
        if (pty->has_packets && pty->note != 0 && is_first) {
            piece[0] = pty->note;
            pty->note = 0;
            result = 1;
        } else if (pty->note == 0 && ldisc_can_take(&tty->ldisc)) {
            /* In packet mode a 0 comes before data. */
            size_t nr_head = pty->has_packets && is_first;

            piece[0] = 0;
            result =
                (int64_t)(nr_head + ldisc_take(&tty->ldisc, piece + nr_head, nr_bytes - nr_head));
            waitq_wake_all(&tty->writable);
            poll_notify_events(&tty->polls, EPOLLOUT | EPOLLWRNORM);
        } else if (!is_first) {
            break;
        } else if (slave_is_closed(pty)) {
            result = -EIO;
        } else if (is_nonblocking(file)) {
            result = -EAGAIN;
        } else {
            result = waitq_sleep(&pty->master_waits, &tty->lock, WAITQ_FOREVER, true);
        }
    }
    spin_unlock_irq(&tty->lock, irq);
    return result;
}

static int64_t master_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    unsigned char piece[PIECE_BYTES];
    size_t done = 0;

    (void)offset;
    while (done < nr_bytes) {
        int64_t result = take(file, piece, MIN(nr_bytes - done, sizeof(piece)), done == 0);

        if (result <= 0)
            return done > 0 ? (int64_t)done : result;
        if (user_copy_to(to + done, piece, (size_t)result) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += (size_t)result;
        if (result == 1 && done == 1 && pty_of(file)->has_packets)
            break; /* a note is read alone */
    }
    return (int64_t)done;
}

/* Waits until the slave takes `byte`. 0 or -errno. */
static int wait_for_room(const struct file *file, unsigned char byte)
{
    struct pty *pty = pty_of(file);
    irq_state_t irq = spin_lock_irq(&pty->tty.lock);
    int error = 0;

    while (error == 0 && !ldisc_has_room_for(&pty->tty.ldisc, byte)) {
        if (is_nonblocking(file))
            error = -EAGAIN;
        else
            error = waitq_sleep(&pty->master_waits, &pty->tty.lock, WAITQ_FOREVER, true);
    }
    spin_unlock_irq(&pty->tty.lock, irq);
    return error;
}

static int64_t master_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    unsigned char piece[PIECE_BYTES];
    size_t done = 0;
    int error = 0;

    (void)offset;
    while (error == 0 && done < nr_bytes && !(done > 0 && sched_is_interrupted())) {
        size_t nr = MIN(nr_bytes - done, sizeof(piece)), nr_taken = 0;

        if (user_copy_from(piece, from + done, nr) != 0)
            error = -EFAULT;
        while (error == 0 && nr_taken < nr) {
            nr_taken += tty_receive(&pty_of(file)->tty, piece + nr_taken, nr - nr_taken, true);
            if (nr_taken < nr)
                error = wait_for_room(file, piece[nr_taken]);
        }
        done += nr_taken;
    }
    return done > 0 ? (int64_t)done : error;
}

static unsigned master_poll(struct file *file, struct poll_watcher *watcher)
{
    struct pty *pty = pty_of(file);
    irq_state_t irq = spin_lock_irq(&pty->tty.lock);
    unsigned events = 0;

    if (ldisc_can_take(&pty->tty.ldisc))
        events |= EPOLLIN | EPOLLRDNORM;
    if (pty->note != 0)
        events |= EPOLLIN | EPOLLRDNORM | EPOLLPRI;
    if (slave_is_closed(pty))
        events |= EPOLLHUP;
    if (ldisc_has_room_for(&pty->tty.ldisc, ' '))
        events |= EPOLLOUT | EPOLLWRNORM;
    poll_watch(&pty->master_polls, watcher);
    spin_unlock_irq(&pty->tty.lock, irq);
    return events;
}

static void master_release(struct file *file)
{
    struct pty *pty = pty_of(file);
    irq_state_t irq = spin_lock_irq(&table_lock);

    pty->is_open = false;
    spin_unlock_irq(&table_lock, irq);
    tty_hang_up(&pty->tty, true);
    tty_put(&pty->tty);
}

static const struct file_ops master_ops = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = tty_ioctl,
    .release = master_release,
};

/* Puts it into the table. 0; -ENOSPC: all numbers are taken. */
static int give_number(struct pty *pty)
{
    irq_state_t irq = spin_lock_irq(&table_lock);
    int number = 0;

    while (number < PTYS_MAX && table[number] != NULL)
        number++;
    if (number < PTYS_MAX) {
        pty->number = number;
        pty->attributes.id = ++last_id;
        pty->tty.device = DEVICE(SLAVE_MAJOR, number);
        pty->is_open = true;
        table[number] = pty;
    }
    spin_unlock_irq(&table_lock, irq);
    return number < PTYS_MAX ? 0 : -ENOSPC;
}

static int open_master(struct file *file, uint32_t device)
{
    struct pty *pty = kmalloc_user(sizeof(*pty));
    int error;

    (void)device;
    if (pty == NULL)
        return -ENOMEM;
    memset(pty, 0, sizeof(*pty));
    tty_setup(&pty->tty, &pty_ops, 0);
    pty->master = (struct tty_file){.tty = &pty->tty, .is_master = true};
    pty->is_locked = true;
    pty->attributes.uid = credentials_current()->fsuid;
    pty->attributes.gid = credentials_current()->fsgid;
    pty->tty.ldisc.termios.c_cflag = B38400 | CS8 | CREAD;
    pty->tty.ldisc.termios.c_ispeed = pty->tty.ldisc.termios.c_ospeed = 38400;
    waitq_init(&pty->master_waits);
    poll_queue_init(&pty->master_polls, &pty->tty.lock);
    error = give_number(pty);
    if (error != 0) {
        kfree(pty);
        return error;
    }
    file->private = &pty->master;
    file->ops = &master_ops;
    return 0;
}

/* ---- ioctl() of the master ------------------------------------------------------------------ */

/* A descriptor of the slave, without a path: TIOCGPTPEER. Its number or -errno. */
static int64_t open_peer(struct pty *pty, unsigned flags)
{
    struct fd_table *files = process_current()->files;
    struct file *file;
    int fd, error;

    if (flags & ~(unsigned)(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC))
        return -EINVAL;
    fd = fd_reserve(files, 0, flags & O_CLOEXEC);
    if (fd < 0)
        return fd;
    error = devpts_open(pty->number, flags, &file);
    if (error != 0) {
        fd_cancel(files, fd);
        return error;
    }
    fd_install(files, fd, file);
    return fd;
}

static int64_t set_locked(struct pty *pty, vaddr_t from)
{
    irq_state_t irq;
    int is_locked;

    if (user_copy_from(&is_locked, from, sizeof(is_locked)) != 0)
        return -EFAULT;
    irq = spin_lock_irq(&pty->tty.lock);
    pty->is_locked = is_locked != 0;
    spin_unlock_irq(&pty->tty.lock, irq);
    return 0;
}

static int64_t set_packets(struct pty *pty, vaddr_t from)
{
    irq_state_t irq;
    int has_packets;

    if (user_copy_from(&has_packets, from, sizeof(has_packets)) != 0)
        return -EFAULT;
    irq = spin_lock_irq(&pty->tty.lock);
    pty->has_packets = has_packets != 0;
    pty->note = 0;
    spin_unlock_irq(&pty->tty.lock, irq);
    return 0;
}

static int64_t put_int(vaddr_t to, int value)
{
    return user_copy_to(to, &value, sizeof(value));
}

static int64_t nr_readable(struct pty *pty, vaddr_t to)
{
    irq_state_t irq = spin_lock_irq(&pty->tty.lock);
    size_t nr = ldisc_can_take(&pty->tty.ldisc) ? ldisc_nr_output(&pty->tty.ldisc) : 0;

    spin_unlock_irq(&pty->tty.lock, irq);
    return put_int(to, (int)nr);
}

static int64_t send_signal(struct pty *pty, uint64_t signal)
{
    if (signal != SIGINT && signal != SIGQUIT && signal != SIGTSTP)
        return -EINVAL;
    tty_signal_foreground(&pty->tty, (uint32_t)1 << signal);
    return 0;
}

int64_t pty_master_ioctl(struct file *file, unsigned request, uint64_t arg)
{
    struct pty *pty = pty_of(file);

    switch (request) {
    case TIOCGPTN:
        return put_int(arg, pty->number);
    case TIOCSPTLCK:
        return set_locked(pty, arg);
    case TIOCGPTLCK:
        return put_int(arg, pty->is_locked);
    case TIOCGPTPEER:
        return open_peer(pty, (unsigned)arg);
    case TIOCPKT:
        return set_packets(pty, arg);
    case TIOCGPKT:
        return put_int(arg, pty->has_packets);
    case TIOCSIG:
        return send_signal(pty, arg);
    case FIONREAD:
        return nr_readable(pty, arg);
    default:
        return -ENOIOCTLCMD;
    }
}

/* ---- The devices ---------------------------------------------------------------------------- */

static const struct device_driver master_driver = {"/dev/ptmx", &master_ops, open_master};
static const struct device_driver slave_driver = {"pts", &tty_file_ops, open_slave};

void pty_init(void)
{
    device_register(DEVICE(PTMX_MAJOR, PTMX_MINOR), 1, &master_driver);
    device_add_node("ptmx", 0666, DEVICE(PTMX_MAJOR, PTMX_MINOR));
    device_register(DEVICE(SLAVE_MAJOR, 0), PTYS_MAX, &slave_driver);
    devpts_init();
}
