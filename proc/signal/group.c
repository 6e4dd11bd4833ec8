/*
 * Process groups and sessions (POSIX): names under which several processes are sent signals, and
 * the rules of who may give a process which. family_lock guards them.
 */

#include <kernel/errno.h>
#include <proc/id.h>
#include <proc/process_impl.h>
#include <proc/signal_impl.h>

/* The process with this number or an LWP of that (0: the caller's); NULL: there is none. Locked. */
static struct process *find_process(int pid)
{
    struct process *process = pid == 0 ? process_current() : id_lookup(pid).process;

    return process != NULL && process->pid != 0 ? process : NULL;
}

int process_get_group(int pid)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process = find_process(pid);
    int result = process != NULL ? process->group : -ESRCH;

    spin_unlock_irq(&family_lock, irq);
    return result;
}

int process_get_session(int pid)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process = find_process(pid);
    int result = process != NULL ? process->session : -ESRCH;

    spin_unlock_irq(&family_lock, irq);
    return result;
}

/* Whether there is a group of that number in the session. Locked. */
static bool group_exists(int group, int session)
{
    struct process *process;

    list_for_each_entry (process, &all_processes, all_link) {
        if (process->group == group && process->session == session)
            return true;
    }
    return false;
}

/* What POSIX says of setpgid(), in the order of its errors. Locked. */
static int check_set_group(struct process *process, int group)
{
    struct process *self = process_current();

    if (process == NULL || (process != self && process->parent != self))
        return -ESRCH;
    if (process != self && process->has_started_anew)
        return -EACCES;
    if (process->session != self->session || process->session == process->pid)
        return -EPERM;
    if (group != process->pid && !group_exists(group, self->session))
        return -EPERM;
    return 0;
}

int process_set_group(int pid, int group)
{
    struct process *process;
    irq_state_t irq;
    int error;

    if (group < 0)
        return -EINVAL;
    irq = spin_lock_irq(&family_lock);
    process = find_process(pid);
    if (process != NULL && group == 0)
        group = process->pid;
    if (process != NULL && pid != 0 && pid != process->pid)
        error = -EINVAL;
    else
        error = check_set_group(process, group);
    if (error == 0)
        process_set_name(&process->group, group);
    spin_unlock_irq(&family_lock, irq);
    return error;
}

int process_set_session(void)
{
    struct process *self = process_current(), *process;
    irq_state_t irq = spin_lock_irq(&family_lock);
    int result = self->pid;

    list_for_each_entry (process, &all_processes, all_link) {
        if (process->group == self->pid)
            result = -EPERM;
    }
    if (result > 0) {
        process_set_name(&self->group, self->pid);
        process_set_name(&self->session, self->pid);
        atomic_store(&self->has_left_terminal, false);
    }
    spin_unlock_irq(&family_lock, irq);
    return result;
}
