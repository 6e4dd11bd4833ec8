#ifndef KERNEL_POLL_H
#define KERNEL_POLL_H

/*
 * Waiting for one of several files.
 *
 * What a file is open on, if it is not always ready, has a *poll queue*, guarded by the spinlock
 * that guards its state (as with a wait queue). Who waits puts one *watcher* on the queue of each
 * file; whoever changes the state so that the file may have become ready calls poll_notify(), which
 * calls each watcher's function. Whoever has a watcher on a queue has a reference to the file, or
 * takes it off before the file's release().
 */

#include <kernel/list.h>
#include <kernel/spinlock.h>
#include <kernel/types.h>

#define POLL_ANY UINT32_MAX /* a notification for every event */

struct poll_queue {
    struct spinlock *guard; /* c */
    struct list watchers;   /* guard: the exclusive ones are last */
};

struct poll_watcher {
    struct poll_queue *queue; /* guard; NULL: on none; set by who registers it */
    struct list_node link;    /* guard */
    bool is_exclusive;        /* c  of all such, a notification is for the first that takes it */
    /*
     * `events` (EPOLLIN...) may have begun to hold. The guard is held, interrupts are off: may take
     * spinlocks of LOCK_RANK_POLL and above. Whether somebody was there to take it.
     */
    bool (*notify)(struct poll_watcher *watcher, unsigned events);
};

/* An empty queue of something whose state `guard` guards. */
static inline void poll_queue_init(struct poll_queue *queue, struct spinlock *guard)
{
    queue->guard = guard;
    list_init(&queue->watchers);
}

/* Puts a watcher on the queue; NULL is allowed and does nothing. The guard is held. */
void poll_watch(struct poll_queue *queue, struct poll_watcher *watcher);

/* Takes it off again, if it is on one. No lock of LOCK_RANK_WAIT or above is held. */
void poll_unwatch(struct poll_watcher *watcher);

/* poll_notify_events() for a queue that somebody watches. */
void poll_notify_watchers(struct poll_queue *queue, unsigned events);

/* `events` may have begun to hold, and nothing else has. The guard is held. */
static inline void poll_notify_events(struct poll_queue *queue, unsigned events)
{
    if (unlikely(!list_is_empty(&queue->watchers)))
        poll_notify_watchers(queue, events);
}

/* The state may have become what somebody waits for. The guard is held. */
static inline void poll_notify(struct poll_queue *queue)
{
    poll_notify_events(queue, POLL_ANY);
}

#endif
