/*
 * Job control: whose controlling terminal a terminal is, and who may use it.
 *
 * A session is a number (proc/process.c), which lives as long as a process is in it. What belongs
 * to it, the controlling terminal and the foreground group, is with the terminal: so there is one
 * place to look, and nothing to copy in fork(). `control_lock` guards it and the list of terminals
 * that have a session; it comes before the terminals' locks and after the family's. The answers of
 * process_...() may be old when they are used; POSIX allows no program to tell.
 *
 * The foreground group may be one that has ended, whose number names another group now, or a number
 * that no group has had yet: that of a process that leads none. So a signal goes to it only if a
 * group of that number is in the terminal's session.
 *
 * The session's leader alone can get the session a terminal. When it ends, the session loses it
 * (process_session_ends()), and what runs in the foreground gets SIGHUP. When the line is gone, it
 * is the leader who gets SIGHUP, and the foreground once the leader has ended
 * (process.hung_up_group); a leader may want to live on.
 */

#include <asm/signal.h>
#include <kernel/errno.h>
#include <proc/process.h>
#include <proc/report.h>
#include <proc/signal.h>

#include "tty.h"

static struct spinlock control_lock = SPINLOCK_INIT("tty control", LOCK_RANK_TTY_CONTROL);
static struct list controlling = LIST_INIT(controlling); /* control_lock */

/* The terminal of a session; NULL: it has none. Locked. */
static struct tty *find(int session)
{
    struct tty *tty;

    list_for_each_entry (tty, &controlling, session_link) {
        if (tty->session == session)
            return tty;
    }
    return NULL;
}

/* Sets the session and the foreground group. Locked. */
static void set_session(struct tty *tty, int session, int foreground)
{
    list_remove(&tty->session_link);
    if (session != 0)
        list_push_back(&controlling, &tty->session_link);
    tty->session = session;
    tty->foreground = foreground;
}

struct tty *tty_of_caller(void)
{
    int session = process_get_session(0);
    struct tty *tty = NULL;
    irq_state_t irq;

    if (atomic_load(&process_current()->has_left_terminal))
        return NULL;
    irq = spin_lock_irq(&control_lock);
    tty = find(session);
    if (tty != NULL && !tty_try_get(tty))
        tty = NULL;
    spin_unlock_irq(&control_lock, irq);
    return tty;
}

/* What a terminal's job control is at one moment. */
struct control {
    int session, foreground;
};

static struct control control_of(struct tty *tty)
{
    irq_state_t irq = spin_lock_irq(&control_lock);
    struct control control = {tty->session, tty->foreground};

    spin_unlock_irq(&control_lock, irq);
    return control;
}

/* Whether a terminal with that control is the caller's. */
static bool is_of_caller(const struct control *control)
{
    return control->session != 0 && control->session == process_get_session(0) &&
           !atomic_load(&process_current()->has_left_terminal);
}

int tty_check_background(struct tty *tty, int signal)
{
    struct control control = control_of(tty);
    int group = process_get_group(0);

    if (!is_of_caller(&control) || control.foreground == 0 || control.foreground == group)
        return 0;
    if (signal_is_held_off(signal))
        return signal == SIGTTIN ? -EIO : 0;
    if (process_group_is_orphaned(group))
        return -EIO;
    signal_send_group(group, signal);
    /* It may be pending already, for another LWP to take. */
    signal_interrupt_self();
    return -ERESTARTSYS;
}

static void send(const struct control *control, int signal)
{
    if (control->foreground != 0 && process_group_session(control->foreground) == control->session)
        signal_send_group(control->foreground, signal);
}

void tty_signal_foreground(struct tty *tty, uint32_t signals)
{
    struct control control;

    if (signals == 0)
        return;
    control = control_of(tty);
    for (int signal = 1; signal < 32; signal++) {
        if (signals >> signal & 1)
            send(&control, signal);
    }
}

/* The terminal is nobody's controlling one any more. Whose it was. */
static struct control leave_session(struct tty *tty)
{
    irq_state_t irq = spin_lock_irq(&control_lock);
    struct control control = {tty->session, tty->foreground};

    set_session(tty, 0, 0);
    spin_unlock_irq(&control_lock, irq);
    return control;
}

void tty_leave_session(struct tty *tty)
{
    struct control control = leave_session(tty);

    if (control.session != 0 && !signal_send_hang_up(control.session, control.foreground))
        send(&control, SIGHUP);
}

void process_session_ends(int session)
{
    irq_state_t irq = spin_lock_irq(&control_lock);
    struct tty *tty = find(session);

    if (tty != NULL && !tty_try_get(tty))
        tty = NULL;
    spin_unlock_irq(&control_lock, irq);
    if (tty == NULL) {
        struct control lost = {session, process_current()->hung_up_group};

        send(&lost, SIGHUP);
        send(&lost, SIGCONT);
        return;
    }
    /* The master of a pseudo-terminal decides when that hangs up; a line has nobody else. */
    if (tty->ops->sends_by_itself)
        tty_hang_up(tty, false);
    else
        tty_leave_session(tty);
    tty_put(tty);
}

int tty_make_controlling(struct tty *tty, bool is_stolen)
{
    struct process *self = process_current();
    int session = process_get_session(0), group = process_get_group(0), error = 0;
    irq_state_t irq = spin_lock_irq(&control_lock);
    struct tty *old = find(session);
    bool is_gone;

    /* Whoever hangs it up makes it leave its session afterwards: it does not get one any more. */
    spin_lock(&tty->lock);
    is_gone = tty->is_gone;
    spin_unlock(&tty->lock);
    if (is_gone)
        error = -EIO;
    else if (old == tty && session == self->pid)
        error = 0;
    else if (session != self->pid || old != NULL || (tty->session != 0 && !is_stolen))
        error = -EPERM;
    else
        set_session(tty, session, group);
    if (error == 0)
        self->hung_up_group = 0;
    spin_unlock_irq(&control_lock, irq);
    return error;
}

int tty_give_up_controlling(struct tty *tty)
{
    struct control control = control_of(tty);

    if (!is_of_caller(&control))
        return -ENOTTY;
    if (control.session != process_current()->pid) {
        atomic_store(&process_current()->has_left_terminal, true);
        return 0;
    }
    control = leave_session(tty);
    /* Is of an earlier terminal, whose hang-up was told when this one had been taken. */
    if (control.session != 0)
        process_current()->hung_up_group = 0;
    send(&control, SIGHUP);
    send(&control, SIGCONT);
    return 0;
}

int tty_get_foreground(struct tty *tty, bool is_master)
{
    struct control control = control_of(tty);

    return is_master || is_of_caller(&control) ? control.foreground : -ENOTTY;
}

int tty_set_foreground(struct tty *tty, int group)
{
    int session = process_get_session(0), error = tty_check_background(tty, SIGTTOU);
    int group_session;
    struct control control = control_of(tty);
    irq_state_t irq;

    if (error != 0)
        return error == -EIO ? -ENOTTY : error;
    if (group < 0)
        return -EINVAL;
    if (!is_of_caller(&control))
        return -ENOTTY;
    group_session = process_group_session(group);
    /* As on Linux, a process that does not lead a group yet will do. */
    if (group_session < 0 && group > 0)
        group_session = process_get_session(group);
    if (group_session < 0)
        return group_session;
    if (group_session != session)
        return -EPERM;
    irq = spin_lock_irq(&control_lock);
    if (tty->session == session)
        tty->foreground = group;
    spin_unlock_irq(&control_lock, irq);
    return 0;
}

int tty_get_session(struct tty *tty, bool is_master)
{
    struct control control = control_of(tty);

    if (!is_master && !is_of_caller(&control))
        return -ENOTTY;
    return control.session != 0 ? control.session : -ENOTTY;
}

void process_terminal_of_session(int session, unsigned *device, int *group)
{
    irq_state_t irq = spin_lock_irq(&control_lock);
    const struct tty *tty = find(session);

    *device = tty != NULL ? tty->device : 0;
    *group = tty != NULL && tty->foreground != 0 ? tty->foreground : -1;
    spin_unlock_irq(&control_lock, irq);
}
