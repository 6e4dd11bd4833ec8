/*
 * Looking at LWPs by number, and at those of other processes.
 *
 * A number may belong to somebody else as soon as no lock is held. The family's lock keeps a
 * process that has been found, and the process's lock its LWPs. A *visitor* is called with both, so
 * it never sleeps, and whom it visits exists until it returns. Who has to take further locks in
 * between keeps an LWP instead, and lets it go.
 */

#include <kernel/errno.h>
#include <proc/id.h>
#include <proc/process.h>
#include <proc/process_impl.h>

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

/* The LWP may be NULL. Both are locked. */
static int visit_one(struct process *process, struct user_lwp *lwp, unsigned flags,
                     user_lwp_visitor visit, void *arg)
{
    if ((flags & VISIT_TO_CONTROL) && !may_control(process))
        return -EPERM;
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
        struct id_owner owner;

        spin_lock(&process->lock);
        owner = id_lookup(tid); /* which may have changed up to now */
        error = visit_one(process, owner.process == process ? owner.lwp : NULL, flags, visit, arg);
        spin_unlock(&process->lock);
    }
    spin_unlock_irq(&family_lock, irq);
    return error;
}

/* All LWPs of the process. The family is locked. */
static void visit_process(struct process *process, user_lwp_visitor visit, void *arg, int *error)
{
    struct user_lwp *lwp;

    spin_lock(&process->lock);
    list_for_each_entry (lwp, &process->lwps, link) {
        int result = visit_one(process, lwp, 0, visit, arg);

        if (*error == -ESRCH || (result != 0 && result != -ESRCH))
            *error = result;
    }
    spin_unlock(&process->lock);
}

void user_lwp_visit_group(int group, user_lwp_visitor visit, void *arg, int *error)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;

    list_for_each_entry (process, &all_processes, all_link) {
        if (process->group == group)
            visit_process(process, visit, arg, error);
    }
    spin_unlock_irq(&family_lock, irq);
}

void user_lwp_visit_user(uint32_t uid, user_lwp_visitor visit, void *arg, int *error)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;

    list_for_each_entry (process, &all_processes, all_link) {
        if (process->credentials.uid == uid)
            visit_process(process, visit, arg, error);
    }
    spin_unlock_irq(&family_lock, irq);
}

int process_visit(int pid, int (*visit)(struct process *process, void *arg), void *arg)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process = pid == 0 ? process_current() : id_lookup(pid).process;
    int error = -ESRCH;

    if (process != NULL && process->pid != 0 && !process->is_zombie)
        error = may_control(process) ? visit(process, arg) : -EPERM;
    spin_unlock_irq(&family_lock, irq);
    return error;
}

int process_group_session(int group)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;
    int session = -ESRCH;

    list_for_each_entry (process, &all_processes, all_link) {
        if (process->group == group)
            session = process->session;
    }
    spin_unlock_irq(&family_lock, irq);
    return session;
}

struct user_lwp *user_lwp_keep(int tid)
{
    struct process *process;
    struct id_owner owner;

    /* The family's lock keeps the process, the process's lock its LWPs. */
    spin_lock(&family_lock);
    process = id_lookup(tid).process;
    if (process != NULL) {
        spin_lock(&process->lock);
        owner = id_lookup(tid);
        if (owner.process == process && owner.lwp != NULL)
            return owner.lwp;
        spin_unlock(&process->lock);
    }
    spin_unlock(&family_lock);
    return NULL;
}

void user_lwp_let_go(struct user_lwp *lwp)
{
    spin_unlock(&lwp->process->lock);
    spin_unlock(&family_lock);
}
