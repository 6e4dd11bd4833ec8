/*
 * Whoever polls for signals of a process is told by its *watch*, which outlives the process for as
 * long as somebody may be on its queue. It is made when it is first needed.
 */

#include <kernel/poll.h>
#include <linux/eventpoll.h>
#include <mm/slab.h>
#include <proc/signal_impl.h>

struct signal_watch {
    struct spinlock lock;
    struct poll_queue queue; /* lock */
    atomic_uint nr_users;    /* a */
};

struct signal_watch *signal_watch_get(void)
{
    struct process *process = process_current();
    struct signal_watch *made = kmalloc_user(sizeof(*made)), *watch;
    irq_state_t irq;

    if (made == NULL)
        return NULL;
    spin_init(&made->lock, "signal watch", LOCK_RANK_WAIT);
    poll_queue_init(&made->queue, &made->lock);
    atomic_init(&made->nr_users, 1);
    irq = spin_lock_irq(&process->lock);
    watch = process->signals.watch;
    if (watch == NULL)
        watch = process->signals.watch = made;
    atomic_fetch_add(&watch->nr_users, 1);
    spin_unlock_irq(&process->lock, irq);
    if (watch != made)
        kfree(made);
    return watch;
}

void signal_watch_put(struct signal_watch *watch)
{
    if (watch != NULL && atomic_fetch_sub(&watch->nr_users, 1) == 1)
        kfree(watch);
}

void signal_watch_notify(struct process *process)
{
    struct signal_watch *watch = process->signals.watch;

    if (watch == NULL)
        return;
    spin_lock(&watch->lock);
    poll_notify_events(&watch->queue, EPOLLIN);
    spin_unlock(&watch->lock);
}

void signal_watch_changed(void)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);

    signal_watch_notify(process);
    spin_unlock_irq(&process->lock, irq);
}

bool signal_poll(signal_set set, struct signal_watch *watch, struct poll_watcher *watcher)
{
    struct user_lwp *self = user_lwp_current();
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    bool is_there = (self->signals.pending.set | process->signals.pending.set) & set;

    if (watch != NULL) {
        spin_lock(&watch->lock);
        poll_watch(&watch->queue, watcher);
        spin_unlock(&watch->lock);
    }
    spin_unlock_irq(&process->lock, irq);
    return is_there;
}
