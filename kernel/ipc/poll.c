/*
 * Poll queues (the rules are in poll.h).
 *
 * A queue's owner knows nothing of who watches it, and a watcher nothing of the file but its queue:
 * poll() wakes a sleeper in its watchers' function, an epoll moves an entry to its list of ready
 * ones. Lock order: the guard, then what the watcher's function takes.
 */

#include <kernel/poll.h>

void poll_watch(struct poll_queue *queue, struct poll_watcher *watcher)
{
    if (watcher == NULL)
        return;
    watcher->queue = queue;
    if (watcher->is_exclusive)
        list_push_back(&queue->watchers, &watcher->link);
    else
        list_push_front(&queue->watchers, &watcher->link);
}

void poll_unwatch(struct poll_watcher *watcher)
{
    struct poll_queue *queue = watcher->queue;
    irq_state_t irq;

    if (queue == NULL)
        return;
    irq = spin_lock_irq(queue->guard);
    list_remove(&watcher->link);
    watcher->queue = NULL;
    spin_unlock_irq(queue->guard, irq);
}

void poll_notify_watchers(struct poll_queue *queue, unsigned events)
{
    struct poll_watcher *watcher, *next;
    bool is_taken = false;

    list_for_each_entry_safe (watcher, next, &queue->watchers, link) {
        if (watcher->is_exclusive && is_taken)
            break;
        if (watcher->notify(watcher, events) && watcher->is_exclusive)
            is_taken = true;
    }
}
