/*
 * Whose children are when their parent has ended: the first process's, or those of the nearest one
 * above them that asked for them (PR_SET_CHILD_SUBREAPER), as supervisors of services do.
 */

#include <proc/process_impl.h>
#include <proc/signal_impl.h>

/* One that ends may have given its children away already, so that nobody would pass these on. */
static struct process *find_heir(struct process *process, struct process *first)
{
    struct process *above = process->parent;

    while (above != NULL && above != first && (!above->signals.is_heir || above->is_ending))
        above = above->parent;
    return above != NULL ? above : first;
}

struct process *signal_parent_ends(struct process *process, struct process *first)
{
    struct process *heir = process != first ? find_heir(process, first) : NULL, *child, *next;

    list_for_each_entry (child, &process->children, sibling_link) {
        child->parent = heir;
        child->exit_signal = SIGCHLD; /* as on Linux: wait() without flags is to find it */
    }
    signal_orphan_groups(process, &process->children);
    if (heir == NULL || heir == first) /* which waits for whatever comes */
        return heir;
    list_for_each_entry_safe (child, next, &process->children, sibling_link) {
        if (!child->is_zombie || !signal_parent_of_end(child))
            continue;
        /* One that does not wait for its children gets none that have ended. */
        child->parent = first;
        list_remove(&child->sibling_link);
        list_push_back(&first->children, &child->sibling_link);
        waitq_wake_all(&first->child_ended);
    }
    return heir;
}
