/* What a process is told to be. */

#include <proc/process_impl.h>
#include <proc/settings.h>
#include <proc/signal_impl.h>

void process_inherit_settings(struct process *child, const struct process *parent)
{
    child->settings = parent->settings;
    child->settings.signal_at_end_of_parent = 0;
}

/*
 * As Linux, not to a child that has become somebody else's by exec() since: the parent must be
 * allowed to send signals to it.
 */
void process_tell_children_of_end(struct process *process)
{
    siginfo_t info = {
        .si_code = SI_USER, .si_pid = process->pid, .si_uid = process->credentials.uid};
    struct process *child;

    list_for_each_entry (child, &process->children, sibling_link) {
        info.si_signo = child->settings.signal_at_end_of_parent;
        if (info.si_signo == 0 || child->is_zombie ||
            !credentials_may_signal(&process->credentials, &child->credentials))
            continue;
        spin_lock(&child->lock);
        (void)signal_post(child, NULL, &info); /* it is told as far as there is memory */
        spin_unlock(&child->lock);
    }
}

bool process_gains_nothing(void)
{
    return lwp_current()->mmu != NULL && process_current()->settings.gains_nothing;
}
