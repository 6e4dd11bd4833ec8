/*
 * Who is sent a signal, and what the signal does: as yet those that end a process by default end
 * it, and the others do nothing.
 */

#include <asm/signal.h>
#include <kernel/errno.h>
#include <proc/id.h>
#include <proc/process.h>
#include <proc/process_impl.h>
#include <proc/signal.h>

/* Signals that do not end a process by default (POSIX, signal.h): ignored, or they stop it. */
static bool is_harmless(int signal)
{
    switch (signal) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return true;
    default:
        return signal == 0;
    }
}

/* The first process has no use for a signal that would end it. */
static void send(struct process *process, int signal)
{
    if (process->pid != FIRST_PID && !is_harmless(signal))
        process_end(process, status_of_signal(signal));
}

/* To every process that `pid` (0, -1, or minus a group) means. Returns how many. Locked. */
static int send_to_group(int pid, int signal)
{
    struct process *process;
    int nr = 0;

    list_for_each_entry (process, &all_processes, all_link) {
        if (!process_is_meant(process, pid) ||
            (pid == -1 && (process->pid == FIRST_PID || process == process_current())))
            continue;
        send(process, signal);
        nr++;
    }
    return nr;
}

int signal_kill(int pid, int signal)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    int nr = 0;

    if (pid > 0) {
        struct process *process = id_lookup(pid).process;

        if (process != NULL) {
            send(process, signal);
            nr++;
        }
    } else {
        nr = send_to_group(pid, signal);
    }
    spin_unlock_irq(&family_lock, irq);
    return nr > 0 ? 0 : -ESRCH;
}

int signal_kill_lwp(int pid, int tid, int signal)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct id_owner owner = id_lookup(tid);
    bool is_right = owner.lwp != NULL && (pid == 0 || owner.process->pid == pid);

    if (is_right)
        send(owner.process, signal);
    spin_unlock_irq(&family_lock, irq);
    return is_right ? 0 : -ESRCH;
}

void signal_send_group(int group, int signal)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;

    list_for_each_entry (process, &all_processes, all_link) {
        if (group != 0 && process->group == group)
            send(process, signal);
    }
    spin_unlock_irq(&family_lock, irq);
}

void signal_send_self(int signal)
{
    send(process_current(), signal);
}

bool signal_is_held_off(int signal)
{
    return process_current()->pid == FIRST_PID || is_harmless(signal);
}

bool process_group_is_orphaned(int group)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    const struct process *process;
    bool is_orphaned = true;

    list_for_each_entry (process, &all_processes, all_link) {
        const struct process *parent = process->parent;

        if (process->group == group && !process->is_zombie && parent != NULL &&
            parent->group != group && parent->session == process->session)
            is_orphaned = false;
    }
    spin_unlock_irq(&family_lock, irq);
    return is_orphaned;
}
