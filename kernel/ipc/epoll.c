/*
 * epoll: a set of files, and the list of those that may be ready.
 *
 * An *item* is one descriptor in a set. It has a watcher on its file's poll queue. A notification
 * puts the item on the epoll's list of ready ones, if it is not there yet, and wakes one LWP that
 * waits: so waiting costs by what happens, not by how many files there are. "Ready" is a hint.
 * Whoever collects events takes items off the list one by one and asks each file. An item whose
 * file has nothing is forgotten until the next notification; a level-triggered one that had
 * something goes to the end of the list, to be asked again next time; an edge-triggered one does
 * not; a one-shot one is switched off.
 *
 * A collector looks at no more items than were on the list at its start, so it ends although it
 * puts some back. When it leaves items on the list it wakes the next LWP that waits.
 *
 * An item has no reference to its file: the file's last file_put() removes the file's items. So an
 * item is in two sets, its epoll's tree and its file's list, and one mutex guards them all.
 *
 * An epoll is a file itself, readable when it has events, and may be in others' sets. There is no
 * circle, and no chain of more than MAX_CHAIN epolls: both are looked for, with `structure` held,
 * before an epoll is put into another. One notification passes through any epoll at most once: it
 * has a number, which the epolls that it came through remember.
 *
 * Locks: `structure` (sets and lists change), then an epoll's mutex (its items stay; events are
 * collected), outer epolls before the inner ones; then a file's guard, then an epoll's lock (rank
 * LOCK_RANK_POLL), inner epolls before the outer ones, as notifications go.
 */

#include <stdatomic.h>

#include <kernel/epoll.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/poll.h>
#include <kernel/rbtree.h>
#include <kernel/string.h>
#include <kernel/waitq.h>
#include <linux/fcntl.h>
#include <mm/slab.h>
#include <mm/user_copy.h>

#define MAX_CHAIN 5 /* of epolls, as Linux: EP_MAX_NESTS + 1 */

/* Bits of an item's events that are how, not what; with none but them it is switched off. */
#define HOW ((uint32_t)(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP))

/* What may go with EPOLLEXCLUSIVE. */
#define EXCLUSIVE_OK                                                                               \
    ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLET | EPOLLWAKEUP | EPOLLEXCLUSIVE))

/* Locks: c constant, s structure, m mutex, l lock. */
struct epoll {
    struct mutex mutex;
    struct spinlock lock;
    struct rb_tree items;     /* s, and m to change it */
    struct list ready;        /* l: items */
    size_t nr_ready;          /* l */
    bool is_asking;           /* l: somebody has taken items off `ready`, and may put them back */
    struct waitq waiting;     /* l: who waits for events */
    struct poll_queue polled; /* l: who watches the epoll itself */
    uint64_t notification;    /* l: the last one that came through */
    struct file *file;        /* c: the epoll's own; no reference */
    struct list_node search_link; /* s: while chains are measured */
};

/* In its file's list, with the link that points at it (s). */
struct epoll_item {
    struct poll_watcher watcher;
    struct rb_node node;                     /* s */
    struct list_node ready_link;             /* epoll's lock */
    struct epoll *epoll;                     /* c */
    struct file *file;                       /* c: no reference */
    int fd;                                  /* c */
    uint32_t events;                         /* epoll's mutex and lock to change it */
    uint64_t data;                           /* epoll's mutex */
    struct epoll_item *_Atomic next_of_file; /* s */
    struct epoll_item *_Atomic *link_of;     /* s: what points at this item */
};

static struct mutex structure;
static _Atomic uint64_t nr_notifications;
static struct slab_cache *item_cache;
static const struct file_ops epoll_ops;

void epoll_init(void)
{
    mutex_init(&structure, "epolls");
    item_cache = slab_cache_create("epoll item", sizeof(struct epoll_item), 0, SLAB_USER);
}

/* ---- Notifications -------------------------------------------------------------------------- */

/* Puts an item on the list of ready ones, and wakes who waits. Locked. Whether somebody did. */
static bool make_ready(struct epoll_item *item)
{
    struct epoll *epoll = item->epoll;

    if (!list_is_linked(&item->ready_link)) {
        list_push_back(&epoll->ready, &item->ready_link);
        epoll->nr_ready++;
    }
    return waitq_wake_first(&epoll->waiting) != NULL;
}

/* The number of the notification that is on its way through `queue`. */
static uint64_t number_of(const struct file *file)
{
    const struct epoll *inner = file->private;

    if (file->ops != &epoll_ops)
        return atomic_fetch_add_explicit(&nr_notifications, 1, memory_order_relaxed) + 1;
    return inner->notification;
}

static bool item_notified(struct poll_watcher *watcher, unsigned events)
{
    struct epoll_item *item = container_of(watcher, struct epoll_item, watcher);
    struct epoll *epoll = item->epoll;
    uint64_t number = number_of(item->file);
    bool is_taken = false;

    spin_lock_nested(&epoll->lock);
    if (item->events & ~HOW & events) {
        is_taken = make_ready(item);
        if (epoll->notification != number) {
            epoll->notification = number;
            poll_notify_events(&epoll->polled, EPOLLIN | EPOLLRDNORM);
        }
    }
    spin_unlock(&epoll->lock);
    return is_taken;
}

/* ---- Collecting events ---------------------------------------------------------------------- */

/* The caller takes no more items. What is left is for the next LWP that waits. */
static void end_asking(struct epoll *epoll)
{
    irq_state_t irq = spin_lock_irq(&epoll->lock);

    epoll->is_asking = false;
    if (epoll->nr_ready > 0)
        waitq_wake_first(&epoll->waiting);
    spin_unlock_irq(&epoll->lock, irq);
}

static size_t count_ready(struct epoll *epoll)
{
    irq_state_t irq = spin_lock_irq(&epoll->lock);
    size_t nr = epoll->nr_ready;

    spin_unlock_irq(&epoll->lock, irq);
    return nr;
}

/* The first of the list, taken off it; NULL: none. The mutex is held. */
static struct epoll_item *take_ready(struct epoll *epoll)
{
    irq_state_t irq = spin_lock_irq(&epoll->lock);
    struct list_node *link = list_pop_front(&epoll->ready);

    if (link != NULL) {
        epoll->nr_ready--;
        epoll->is_asking = true;
    }
    spin_unlock_irq(&epoll->lock, irq);
    return link != NULL ? list_entry(link, struct epoll_item, ready_link) : NULL;
}

/* Puts an item back on the list, at its front or end, unless a notification has. */
static void put_ready(struct epoll_item *item, bool is_first)
{
    struct epoll *epoll = item->epoll;
    irq_state_t irq = spin_lock_irq(&epoll->lock);

    if (!list_is_linked(&item->ready_link)) {
        if (is_first)
            list_push_front(&epoll->ready, &item->ready_link);
        else
            list_push_back(&epoll->ready, &item->ready_link);
        epoll->nr_ready++;
    }
    spin_unlock_irq(&epoll->lock, irq);
}

/* Which of the events that an item wants hold. The mutex is held. */
static uint32_t ask(struct epoll_item *item, struct poll_watcher *watcher)
{
    return file_poll(item->file, watcher) & item->events & ~HOW;
}

/* An event of this item has been delivered. */
static void settle(struct epoll_item *item)
{
    irq_state_t irq;

    if (item->events & EPOLLONESHOT) {
        irq = spin_lock_irq(&item->epoll->lock);
        item->events &= HOW;
        spin_unlock_irq(&item->epoll->lock, irq);
    } else if (!(item->events & EPOLLET)) {
        put_ready(item, false);
    }
}

/* Writes the events that there are to user memory. How many, or -EFAULT. */
static int64_t collect(struct epoll *epoll, vaddr_t events_at, int nr_max)
{
    struct epoll_item *item;
    int64_t nr = 0, error = 0;

    mutex_lock(&epoll->mutex);
    for (size_t nr_left = count_ready(epoll); nr_left > 0 && nr < nr_max && error == 0; nr_left--) {
        struct epoll_event event;

        item = take_ready(epoll);
        if (item == NULL)
            break;
        event = (struct epoll_event){.events = ask(item, NULL), .data = item->data};
        if (event.events == 0)
            continue;
        error = user_copy_to(events_at + (size_t)nr * sizeof(event), &event, sizeof(event));
        if (error != 0) {
            put_ready(item, true);
        } else {
            settle(item);
            nr++;
        }
    }
    end_asking(epoll);
    mutex_unlock(&epoll->mutex);
    return nr > 0 ? nr : error;
}

static bool may_be_ready(const struct epoll *epoll)
{
    return epoll->nr_ready > 0 || epoll->is_asking;
}

/* Sleeps until an item may be ready. 0, -ETIMEDOUT or -EINTR. */
static int wait_for_ready(struct epoll *epoll, uint64_t deadline_ns)
{
    irq_state_t irq = spin_lock_irq(&epoll->lock);
    int error = 0;

    while (!may_be_ready(epoll) && error == 0)
        error = deadline_ns != 0 ? waitq_sleep(&epoll->waiting, &epoll->lock, deadline_ns, true)
                                 : -ETIMEDOUT;
    if (may_be_ready(epoll))
        error = 0;
    spin_unlock_irq(&epoll->lock, irq);
    return error == 0 || error == -ETIMEDOUT ? error : -EINTR;
}

int64_t epoll_wait_until(struct file *file, vaddr_t events_at, int nr_max, uint64_t deadline_ns)
{
    struct epoll *epoll = file->private;
    int64_t result;

    if (file->ops != &epoll_ops)
        return -EINVAL;
    do {
        result = wait_for_ready(epoll, deadline_ns);
        if (result != 0)
            return result == -ETIMEDOUT ? 0 : result;
        result = collect(epoll, events_at, nr_max);
    } while (result == 0 && deadline_ns != 0);
    return result;
}

/* An epoll is readable when one of its items is ready. */
static unsigned epoll_poll(struct file *file, struct poll_watcher *watcher)
{
    struct epoll *epoll = file->private;
    irq_state_t irq = spin_lock_irq(&epoll->lock);
    bool is_ready = false;

    poll_watch(&epoll->polled, watcher);
    spin_unlock_irq(&epoll->lock, irq);
    mutex_lock(&epoll->mutex);
    for (size_t nr_left = count_ready(epoll); nr_left > 0 && !is_ready; nr_left--) {
        struct epoll_item *item = take_ready(epoll);

        is_ready = item != NULL && ask(item, NULL) != 0;
        if (is_ready)
            put_ready(item, true);
    }
    end_asking(epoll);
    mutex_unlock(&epoll->mutex);
    return is_ready ? EPOLLIN | EPOLLRDNORM : 0;
}

/* ---- Sets ----------------------------------------------------------------------------------- */

static bool item_before(const struct rb_node *a, const struct rb_node *b)
{
    const struct epoll_item *x = rb_entry(a, struct epoll_item, node);
    const struct epoll_item *y = rb_entry(b, struct epoll_item, node);

    return x->file != y->file ? (uintptr_t)x->file < (uintptr_t)y->file : x->fd < y->fd;
}

/* The item of a descriptor, or NULL. The mutex is held. */
static struct epoll_item *find(struct epoll *epoll, struct file *file, int fd)
{
    struct epoll_item key = {.file = file, .fd = fd};
    struct rb_node *node = epoll->items.root;

    while (node != NULL) {
        if (item_before(&key.node, node))
            node = node->child[0];
        else if (item_before(node, &key.node))
            node = node->child[1];
        else
            return rb_entry(node, struct epoll_item, node);
    }
    return NULL;
}

/* Adds the epolls that are in this one's set to a list; each has one place on one list. */
static void add_inner(struct epoll *epoll, struct list *list)
{
    struct rb_node *node;

    for (node = rb_first(&epoll->items); node != NULL; node = rb_next(node)) {
        struct file *file = rb_entry(node, struct epoll_item, node)->file;
        struct epoll *inner = file->private;

        if (file->ops != &epoll_ops)
            continue;
        list_remove(&inner->search_link);
        list_push_back(list, &inner->search_link);
    }
}

/* The same of those that have this one in their sets. */
static void add_outer(struct epoll *epoll, struct list *list)
{
    struct epoll_item *item = atomic_load(&epoll->file->epoll_items);

    for (; item != NULL; item = item->next_of_file) {
        list_remove(&item->epoll->search_link);
        list_push_back(list, &item->epoll->search_link);
    }
}

/*
 * The length of the longest chain from an epoll in one direction, itself included; UINT32_MAX if
 * `unwanted` is in one. Goes step by step: what is met again later on is looked at then only.
 * `structure` is held.
 */
static unsigned measure_chain(struct epoll *from, void (*add)(struct epoll *, struct list *),
                              const struct epoll *unwanted)
{
    struct list step = LIST_INIT(step), next = LIST_INIT(next);
    bool is_met = false;
    unsigned length = 0;
    struct list_node *node;

    list_push_back(&step, &from->search_link);
    while (!list_is_empty(&step)) {
        length++;
        while ((node = list_pop_front(&step)) != NULL) {
            struct epoll *epoll = list_entry(node, struct epoll, search_link);

            is_met |= epoll == unwanted;
            add(epoll, &next);
        }
        list_splice_back(&step, &next);
    }
    return is_met ? UINT32_MAX : length;
}

/*
 * Whether one epoll may be put into another's set: that closes no circle, and makes no chain that
 * is too long. `structure` is held.
 */
static bool may_nest(struct epoll *outer, struct epoll *inner)
{
    unsigned below = measure_chain(inner, add_inner, outer);

    return below <= MAX_CHAIN && below + measure_chain(outer, add_outer, NULL) <= MAX_CHAIN;
}

/* Asks the item's file whether it is ready already, beginning to watch it with a watcher. */
static void ask_first(struct epoll_item *item, struct poll_watcher *watcher)
{
    struct epoll *epoll = item->epoll;
    bool is_ready = ask(item, watcher) != 0;
    irq_state_t irq = spin_lock_irq(&epoll->lock);

    if (is_ready) {
        make_ready(item);
        poll_notify_events(&epoll->polled, EPOLLIN | EPOLLRDNORM);
    }
    spin_unlock_irq(&epoll->lock, irq);
}

/* `structure` and the mutex are held. */
static int add(struct epoll *epoll, struct file *file, int fd, const struct epoll_event *event)
{
    struct epoll_item *item, *first = atomic_load(&file->epoll_items);

    if (find(epoll, file, fd) != NULL)
        return -EEXIST;
    item = slab_alloc(item_cache);
    if (item == NULL)
        return -ENOMEM;
    *item = (struct epoll_item){
        .watcher = {.notify = item_notified, .is_exclusive = event->events & EPOLLEXCLUSIVE},
        .epoll = epoll,
        .file = file,
        .fd = fd,
        .events = event->events | EPOLLERR | EPOLLHUP,
        .data = event->data,
        .next_of_file = first,
        .link_of = &file->epoll_items,
    };
    list_node_init(&item->ready_link);
    if (first != NULL)
        first->link_of = &item->next_of_file;
    atomic_store(&file->epoll_items, item);
    rb_insert(&epoll->items, &item->node, item_before);
    ask_first(item, &item->watcher);
    return 0;
}

/* The mutex is held. */
static int change(struct epoll *epoll, struct file *file, int fd, const struct epoll_event *event)
{
    struct epoll_item *item = find(epoll, file, fd);
    irq_state_t irq;

    if (item == NULL)
        return -ENOENT;
    if ((item->events | event->events) & EPOLLEXCLUSIVE)
        return -EINVAL;
    irq = spin_lock_irq(&epoll->lock);
    item->events = event->events | EPOLLERR | EPOLLHUP;
    item->data = event->data;
    spin_unlock_irq(&epoll->lock, irq);
    ask_first(item, NULL);
    return 0;
}

/*
 * `structure` and the mutex are held. The file may be gone as soon as its list is without the item,
 * so that is the last thing to be done with it.
 */
static void drop(struct epoll_item *item)
{
    struct epoll *epoll = item->epoll;
    irq_state_t irq;

    poll_unwatch(&item->watcher);
    irq = spin_lock_irq(&epoll->lock);
    if (list_is_linked(&item->ready_link)) {
        list_remove(&item->ready_link);
        epoll->nr_ready--;
    }
    spin_unlock_irq(&epoll->lock, irq);
    rb_remove(&epoll->items, &item->node);
    if (item->next_of_file != NULL)
        item->next_of_file->link_of = item->link_of;
    atomic_store(item->link_of, item->next_of_file);
    slab_free(item_cache, item);
}

static int control(struct epoll *epoll, int operation, struct file *target, int fd,
                   const struct epoll_event *event)
{
    struct epoll_item *item;

    switch (operation) {
    case EPOLL_CTL_ADD:
        return add(epoll, target, fd, event);
    case EPOLL_CTL_MOD:
        return change(epoll, target, fd, event);
    case EPOLL_CTL_DEL:
        item = find(epoll, target, fd);
        if (item == NULL)
            return -ENOENT;
        drop(item);
        return 0;
    default:
        return -EINVAL;
    }
}

int epoll_control(struct file *file, int operation, struct file *target, int fd,
                  const struct epoll_event *event)
{
    struct epoll *epoll = file->private;
    bool is_exclusive = event->events & EPOLLEXCLUSIVE, is_nested = target->ops == &epoll_ops;
    int error = 0;

    if (target->ops->poll == NULL)
        return -EPERM;
    if (file->ops != &epoll_ops || file == target)
        return -EINVAL;
    if (is_exclusive && operation != EPOLL_CTL_DEL &&
        (operation == EPOLL_CTL_MOD || is_nested || (event->events & ~EXCLUSIVE_OK)))
        return -EINVAL;
    if (operation != EPOLL_CTL_MOD)
        mutex_lock(&structure);
    if (operation == EPOLL_CTL_ADD && is_nested && !may_nest(epoll, target->private))
        error = -ELOOP;
    mutex_lock(&epoll->mutex);
    if (error == 0)
        error = control(epoll, operation, target, fd, event);
    mutex_unlock(&epoll->mutex);
    if (operation != EPOLL_CTL_MOD)
        mutex_unlock(&structure);
    return error;
}

void epoll_forget(struct file *file)
{
    struct epoll_item *item;

    mutex_lock(&structure);
    while ((item = atomic_load(&file->epoll_items)) != NULL) {
        struct epoll *epoll = item->epoll;

        mutex_lock(&epoll->mutex);
        drop(item);
        mutex_unlock(&epoll->mutex);
    }
    mutex_unlock(&structure);
}

/* ---- The file ------------------------------------------------------------------------------- */

static void epoll_release(struct file *file)
{
    struct epoll *epoll = file->private;
    struct rb_node *node;

    mutex_lock(&structure);
    while ((node = rb_first(&epoll->items)) != NULL)
        drop(rb_entry(node, struct epoll_item, node));
    mutex_unlock(&structure);
    kfree(epoll);
}

static int64_t refuse_read(struct file *file, vaddr_t at, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)at, (void)nr_bytes, (void)offset;
    return -EINVAL;
}

static const struct file_ops epoll_ops = {
    .read = refuse_read,
    .poll = epoll_poll,
    .release = epoll_release,
};

struct file *epoll_create(void)
{
    struct epoll *epoll = kzalloc_user(sizeof(*epoll));
    struct file *file = epoll != NULL ? file_create(&epoll_ops, O_RDWR, NULL, epoll) : NULL;

    if (file == NULL) {
        kfree(epoll);
        return NULL;
    }
    mutex_init(&epoll->mutex, "epoll");
    spin_init(&epoll->lock, "epoll", LOCK_RANK_POLL);
    rb_init(&epoll->items);
    list_init(&epoll->ready);
    waitq_init(&epoll->waiting);
    poll_queue_init(&epoll->polled, &epoll->lock);
    list_node_init(&epoll->search_link);
    epoll->file = file;
    return file;
}
