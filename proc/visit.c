/*
 * Looking at LWPs by number, and at those of other processes.
 *
 * A number may belong to somebody else as soon as no lock is held. The family's lock keeps a
 * process that has been found, and the process's lock its LWPs. A *visitor* is called with both, so
 * it never sleeps, and whom it visits exists until it returns.
 */

#include <kernel/errno.h>
#include <proc/id.h>
#include <proc/process.h>

#include "process_impl.h"

/* Whether the calling process may control `target`. The family is locked. */
static bool may_control(const struct process *target)
{
    const struct process *self = process_current();

    if (target->session == self->session)
        return true;
    for (; target != NULL; target = target->parent) {
        if (target == self)
            return true;
    }
    return false;
}

/* 0, or -EPERM where `flags` ask for a right that the caller has not. The family is locked. */
static int check_right(const struct process *process, unsigned flags)
{
    return (flags & VISIT_TO_CONTROL) && !may_control(process) ? -EPERM : 0;
}

/* Both are locked. */
static int visit_one(struct user_lwp *lwp, unsigned flags, user_lwp_visitor visit, void *arg)
{
    if (lwp == NULL || (lwp->is_zombie && !(flags & VISIT_ENDED)))
        return -ESRCH;
    return visit(lwp, arg);
}

int user_lwp_visit(int tid, unsigned flags, user_lwp_visitor visit, void *arg)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;
    int error = -ESRCH;

    if (tid == 0)
        tid = user_lwp_current()->tid;
    process = id_lookup(tid).process;
    /* One that is being made has no number of its own yet. */
    if (process != NULL && process->pid != 0) {
        spin_lock(&process->lock);
        error = check_right(process, flags);
        if (error == 0)
            error = visit_one(id_lookup(tid).lwp, flags, visit, arg);
        spin_unlock(&process->lock);
    }
    spin_unlock_irq(&family_lock, irq);
    return error;
}

int user_lwp_visit_next(int *tid, user_lwp_visitor visit, void *arg)
{
    int error = -ESRCH;

    /* What the number named may have gone before it is visited: then take the one after it. */
    for (int id = *tid; error == -ESRCH && (id = id_next_lwp(id)) != 0; id++) {
        *tid = id;
        error = user_lwp_visit(id, VISIT_ENDED, visit, arg);
    }
    return error;
}

void user_lwp_visit_group(int group, unsigned flags, user_lwp_visitor visit, void *arg, int *error)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;
    struct user_lwp *lwp;

    list_for_each_entry (process, &all_processes, all_link) {
        if (group != PROCESS_GROUP_ALL && process->group != group)
            continue;
        spin_lock(&process->lock);
        list_for_each_entry (lwp, &process->lwps, link) {
            int result = check_right(process, flags);

            if (result == 0)
                result = visit_one(lwp, flags, visit, arg);
            if (*error == -ESRCH || (result != 0 && result != -ESRCH))
                *error = result;
        }
        spin_unlock(&process->lock);
    }
    spin_unlock_irq(&family_lock, irq);
}

int process_visit(int pid, int (*visit)(struct process *process, void *arg), void *arg)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process = pid == 0 ? process_current() : id_lookup(pid).process;
    int error = -ESRCH;

    if (process != NULL && process->pid != 0 && !process->is_zombie) {
        error = check_right(process, VISIT_TO_CONTROL);
        if (error == 0)
            error = visit(process, arg);
    }
    spin_unlock_irq(&family_lock, irq);
    return error;
}
