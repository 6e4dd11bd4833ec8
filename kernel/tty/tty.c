/*
 * Terminals.
 *
 * A terminal is a line discipline (ldisc.h) with something at the other end of its line: the
 * console's sinks and serial port (console.c), or the master of a pseudo-terminal (pty.c). Programs
 * have files open on it (file.c).
 *
 *     interrupt, or master's write --> tty_receive() --> ldisc --> readers
 *     line, or master's read <-- ops->start() and ldisc_take() <-- ldisc <-- writers, echo
 *
 * Each terminal has one spinlock, of LOCK_RANK_WAIT: it guards the line discipline, and is the
 * guard of the queues where readers, writers and poll() wait. It is taken by interrupt handlers.
 * What a device does under it (ops->start) is to move bytes and to wake.
 *
 * Signals are sent without it, because the family's lock comes before: so what the line discipline
 * asks for is noted while locked, and done afterwards. In between, the foreground group may change;
 * the signal then goes to the new one, as if the key had been typed later.
 *
 * One reader and one writer at a time have the *turn* (is_reading, is_writing), so that a line goes
 * to one reader, and what one write() writes is together. They touch user memory with no lock held.
 *
 * Hanging up: a terminal whose master is closed is gone for good. The console's line stays; when
 * its session ends, only files that are open then lose it (nr_hang_ups), but for those of
 * /dev/console.
 *
 * A terminal is the controlling one of at most one session, and a session has at most one: jobs.c.
 */

#include <kernel/string.h>
#include <kernel/tty.h>
#include <linux/eventpoll.h>

#include "tty.h"

void tty_setup(struct tty *tty, const struct tty_ops *ops, uint32_t device)
{
    memset(tty, 0, sizeof(*tty));
    tty->ops = ops;
    tty->device = device;
    atomic_init(&tty->nr_refs, 1);
    spin_init(&tty->lock, "tty", LOCK_RANK_WAIT);
    ldisc_init(&tty->ldisc);
    waitq_init(&tty->readable);
    waitq_init(&tty->writable);
    poll_queue_init(&tty->polls, &tty->lock);
    list_node_init(&tty->session_link);
}

struct tty *tty_get(struct tty *tty)
{
    atomic_fetch_add_explicit(&tty->nr_refs, 1, memory_order_relaxed);
    return tty;
}

bool tty_try_get(struct tty *tty)
{
    unsigned nr = atomic_load(&tty->nr_refs);

    while (nr != 0 && !atomic_compare_exchange_weak(&tty->nr_refs, &nr, nr + 1))
        continue;
    return nr != 0;
}

void tty_put(struct tty *tty)
{
    if (tty != NULL && atomic_fetch_sub(&tty->nr_refs, 1) == 1 && tty->ops->free != NULL)
        tty->ops->free(tty);
}

void tty_wake(struct tty *tty)
{
    waitq_wake_all(&tty->readable);
    waitq_wake_all(&tty->writable);
    poll_notify(&tty->polls);
}

void tty_handle(struct tty *tty, const struct ldisc_events *events)
{
    unsigned bits = 0;

    if (events->has_flushed)
        bits |= TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE;
    if (events->was_started)
        bits |= TIOCPKT_START;
    else if (events->was_stopped)
        bits |= TIOCPKT_STOP;
    if (bits != 0 && tty->ops->note != NULL)
        tty->ops->note(tty, bits);
    if (ldisc_can_take(&tty->ldisc))
        tty->ops->start(tty);
    if (ldisc_can_read(&tty->ldisc, 1)) {
        waitq_wake_all(&tty->readable);
        poll_notify_events(&tty->polls, EPOLLIN | EPOLLRDNORM);
    }
    if (events->has_flushed) {
        tty->ops->start(tty);
        waitq_wake_all(&tty->writable);
        poll_notify_events(&tty->polls, EPOLLOUT | EPOLLWRNORM);
    }
}

size_t tty_take_in(struct tty *tty, const unsigned char *bytes, size_t nr_bytes,
                   struct ldisc_events *events)
{
    size_t done = 0;

    while (done < nr_bytes && ldisc_has_room_for(&tty->ldisc, bytes[done]))
        ldisc_receive(&tty->ldisc, &bytes[done++], 1, events);
    tty_handle(tty, events);
    return done;
}

size_t tty_receive(struct tty *tty, const unsigned char *bytes, size_t nr_bytes, bool is_patient)
{
    struct ldisc_events events = {0};
    irq_state_t irq = spin_lock_irq(&tty->lock);
    size_t done = nr_bytes;

    if (is_patient) {
        done = tty_take_in(tty, bytes, nr_bytes, &events);
    } else {
        ldisc_receive(&tty->ldisc, bytes, nr_bytes, &events);
        tty_handle(tty, &events);
    }
    spin_unlock_irq(&tty->lock, irq);
    tty_signal_foreground(tty, events.signals);
    return done;
}

void tty_receive_event(struct tty *tty, unsigned char byte, enum ldisc_line_event what)
{
    struct ldisc_events events = {0};
    irq_state_t irq = spin_lock_irq(&tty->lock);

    ldisc_receive_event(&tty->ldisc, byte, what, &events);
    tty_handle(tty, &events);
    spin_unlock_irq(&tty->lock, irq);
    tty_signal_foreground(tty, events.signals);
}

void tty_flush_input(struct tty *tty)
{
    ldisc_flush_input(&tty->ldisc);
    if (tty->ops->drop_input != NULL)
        tty->ops->drop_input(tty);
}

void tty_hang_up(struct tty *tty, bool is_for_good)
{
    irq_state_t irq = spin_lock_irq(&tty->lock);

    tty->nr_hang_ups++;
    tty->is_gone |= is_for_good;
    tty->is_exclusive = false;
    tty_flush_input(tty);
    ldisc_flush_output(&tty->ldisc);
    tty_wake(tty);
    spin_unlock_irq(&tty->lock, irq);
    tty_leave_session(tty);
}

void tty_init(void)
{
    tty_console_init();
    pty_init();
}
