/*
 * inotify(7): programs watch files and folders, and read what happens to them.
 *
 * An *instance* is what inotify_init() opens. It has *watches*, each of which is of one inode, and
 * a queue, a ring of bytes in which records lie as read() gives them. A record that is the same as
 * the last one is left out; when there is no room, the last one says so (IN_Q_OVERFLOW).
 *
 * Watches are found by their inode in a hash table. So an inode knows nothing of them, and who
 * changes one looks at one counter, inotify_nr_watches, to see that nobody watches anything. While
 * somebody does, each change of any file is looked up, and that of its folder, for which the file
 * is asked where it is: what has no name, or several, is in one folder at most.
 *
 * A watch has no reference to its inode: that would keep the file from going away, and its file
 * system from being unmounted. When the last reference is put, inotify_inode_gone() ends its
 * watches. Only where a file system makes an inode anew each time it is looked up, as /proc does,
 * it is kept: it would be gone at once; nothing ever happens to it.
 *
 * One spinlock guards it all. What is to be freed is collected, and freed without it.
 */

#include <asm/ioctls.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/inotify.h>
#include <kernel/list.h>
#include <kernel/poll.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <kernel/waitq.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <mm/slab.h>
#include <mm/user_copy.h>

#define RING_BYTES         KIB(32) /* a power of two */
#define INSTANCES_MAX      128     /* of a user, and ... */
#define WATCHES_MAX        8192    /* ... of an instance, as Linux has them */
#define NR_BUCKETS         256
#define READ_BYTES_AT_ONCE 512 /* at least the longest record */

#define EVENTS (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED)

/* Locked by `lock`, as is the next one, but for what is constant. */
struct instance {
    struct list_node link; /* on `instances` */
    uint32_t uid;          /* constant: who made it */
    struct list watches;
    unsigned nr_watches;
    int last_number;
    char *ring;             /* constant */
    size_t first, nr_bytes; /* what is in the ring; counted on past its end */
    size_t last;            /* the last record, if there are any */
    struct waitq readers;
    struct poll_queue polled;
};

struct watch {
    struct list_node bucket_link;   /* in the table; or on a list of what is to be freed */
    struct list_node instance_link; /* on instance->watches */
    struct instance *instance;
    struct inode *inode; /* without a reference */
    struct inode *kept;  /* the same, with one; or NULL */
    int number;
    uint32_t mask;
};

atomic_uint inotify_nr_watches;

/* Guards all of this, but what is constant. */
static struct spinlock lock = SPINLOCK_INIT("inotify", LOCK_RANK_WAIT);
static struct list instances = LIST_INIT(instances);
static struct list buckets[NR_BUCKETS]; /* made with the first watch */
static uint32_t last_cookie;

static struct list *bucket_of(const struct inode *inode)
{
    return &buckets[((uintptr_t)inode * 0x9e3779b97f4a7c15ull >> 40) % NR_BUCKETS];
}

/* ---- The queue. Locked. ---------------------------------------------------------------------- */

static void ring_write(struct instance *in, const void *bytes, size_t nr)
{
    size_t at = (in->first + in->nr_bytes) % RING_BYTES, until_end = MIN(nr, RING_BYTES - at);

    memcpy(in->ring + at, bytes, until_end);
    memcpy(in->ring, (const char *)bytes + until_end, nr - until_end);
    in->nr_bytes += nr;
}

static void ring_copy(const struct instance *in, size_t from, void *to, size_t nr)
{
    size_t at = from % RING_BYTES, until_end = MIN(nr, RING_BYTES - at);

    memcpy(to, in->ring + at, until_end);
    memcpy((char *)to + until_end, in->ring, nr - until_end);
}

/* Records are padded to a multiple of their head, so that a head is always in one piece. */
static const struct inotify_event *record_at(const struct instance *in, size_t at)
{
    return (const struct inotify_event *)(in->ring + at % RING_BYTES);
}

static size_t padded_name_bytes(size_t length)
{
    return length == 0 ? 0 : ROUND_UP(length + 1, sizeof(struct inotify_event));
}

/* Whether the last record says the same: as on Linux, whatever its cookie. */
static bool is_last(const struct instance *in, const struct inotify_event *event, const char *name)
{
    const struct inotify_event *last;
    char last_name[NAME_BYTES_MAX + 1 + sizeof(*event)];

    if (in->nr_bytes == 0)
        return false;
    last = record_at(in, in->last);
    if (last->wd != event->wd || last->mask != event->mask || last->len != event->len)
        return false;
    ring_copy(in, in->last + sizeof(*last), last_name, last->len);
    return memcmp(last_name, name, event->len) == 0;
}

/* `name` is padded. */
static void enqueue(struct instance *in, struct inotify_event event, const char *name)
{
    size_t nr_free = RING_BYTES - in->nr_bytes;

    /* There is always room left for the record that says that there is none. */
    if (sizeof(event) + event.len + sizeof(event) > nr_free)
        event = (struct inotify_event){.wd = -1, .mask = IN_Q_OVERFLOW};
    if (is_last(in, &event, name) || nr_free < sizeof(event))
        return;
    in->last = in->first + in->nr_bytes;
    ring_write(in, &event, sizeof(event));
    ring_write(in, name, event.len);
    waitq_wake_first(&in->readers);
    poll_notify_events(&in->polled, EPOLLIN | EPOLLRDNORM);
}

/* ---- Watches. Locked, but for free_watches(). -------------------------------------------------
 */

/* Ends a watch, and tells so; it goes to `ended`. */
static void end_watch(struct watch *watch, struct list *ended)
{
    struct instance *in = watch->instance;

    enqueue(in, (struct inotify_event){.wd = watch->number, .mask = IN_IGNORED}, "");
    list_remove(&watch->bucket_link);
    list_remove(&watch->instance_link);
    in->nr_watches--;
    atomic_fetch_sub(&inotify_nr_watches, 1);
    list_push_back(ended, &watch->bucket_link);
}

static void free_watches(struct list *ended)
{
    struct watch *watch, *next;

    list_for_each_entry_safe (watch, next, ended, bucket_link) {
        inode_put(watch->kept);
        kfree(watch);
    }
}

/* What happens to an inode. `name` is padded. */
struct happening {
    uint32_t mask, cookie;
    size_t length;
    char name[NAME_BYTES_MAX + 1 + sizeof(struct inotify_event)];
};

static void set_name(struct happening *what, const char *name, size_t length)
{
    memset(what->name, 0, sizeof(what->name));
    memcpy(what->name, name, length);
    what->length = length;
}

/* Tells those who watch the inode. */
static void tell(const struct inode *inode, const struct happening *what, struct list *ended)
{
    struct watch *watch, *next;

    list_for_each_entry_safe (watch, next, bucket_of(inode), bucket_link) {
        struct inotify_event event = {.wd = watch->number,
                                      .mask = what->mask,
                                      .cookie = what->cookie,
                                      .len = (uint32_t)padded_name_bytes(what->length)};

        if (watch->inode != inode || !(watch->mask & what->mask & EVENTS))
            continue;
        enqueue(watch->instance, event, what->name);
        if (watch->mask & IN_ONESHOT)
            end_watch(watch, ended);
    }
}

static void tell_one(const struct inode *inode, const struct happening *what)
{
    struct list ended = LIST_INIT(ended);
    irq_state_t irq = spin_lock_irq(&lock);

    if (atomic_load(&inotify_nr_watches) > 0)
        tell(inode, what, &ended);
    spin_unlock_irq(&lock, irq);
    free_watches(&ended);
}

/* ---- What happens ---------------------------------------------------------------------------- */

static uint32_t dir_bit(const struct inode *inode)
{
    return inode_is_dir(inode) ? IN_ISDIR : 0;
}

/* The folder that the inode is in, with a reference, and its name there; NULL: it is in none. */
static struct inode *find_place(struct inode *inode, struct happening *what)
{
    char name[NAME_BYTES_MAX + 1];
    struct inode *dir;

    if (inode->ops->parent == NULL || inode->ops->own_name == NULL)
        return NULL;
    dir = inode->ops->parent(inode);
    if (dir != NULL && dir != inode && inode->ops->own_name(inode, dir, name) == 0) {
        set_name(what, name, strlen(name));
        return dir;
    }
    inode_put(dir);
    return NULL;
}

RARELY_CALLED void inotify_happened_slow(struct inode *inode, uint32_t mask)
{
    struct happening what = {.mask = mask | dir_bit(inode)};
    struct inode *dir = find_place(inode, &what);

    if (dir != NULL)
        tell_one(dir, &what);
    inode_put(dir);
    inotify_happened_to(inode, mask);
}

void inotify_happened_to(struct inode *inode, uint32_t mask)
{
    struct happening what = {.mask = mask | dir_bit(inode)};

    tell_one(inode, &what);
}

RARELY_CALLED void inotify_happened_in_slow(struct inode *dir, const char *name, size_t length,
                                            uint32_t mask)
{
    struct happening what = {.mask = mask};

    set_name(&what, name, length);
    tell_one(dir, &what);
}

void inotify_moved(struct inode *inode, const struct dir_name *from, const struct dir_name *to)
{
    struct happening what = {.mask = IN_MOVED_FROM | dir_bit(inode)};
    irq_state_t irq = spin_lock_irq(&lock);

    what.cookie = ++last_cookie;
    spin_unlock_irq(&lock, irq);
    set_name(&what, from->text, from->length);
    tell_one(from->dir, &what);
    what.mask = IN_MOVED_TO | dir_bit(inode);
    set_name(&what, to->text, to->length);
    tell_one(to->dir, &what);
    what = (struct happening){.mask = IN_MOVE_SELF};
    tell_one(inode, &what);
}

void inotify_inode_gone(struct inode *inode)
{
    struct happening what = {.mask = inode->nr_links == 0 ? IN_DELETE_SELF : IN_UNMOUNT};
    struct list ended = LIST_INIT(ended);
    irq_state_t irq = spin_lock_irq(&lock);
    struct watch *watch, *next;

    if (atomic_load(&inotify_nr_watches) == 0) {
        spin_unlock_irq(&lock, irq);
        return;
    }
    list_for_each_entry_safe (watch, next, bucket_of(inode), bucket_link) {
        if (watch->inode != inode)
            continue;
        if (what.mask & (watch->mask | IN_UNMOUNT))
            enqueue(watch->instance, (struct inotify_event){.wd = watch->number, .mask = what.mask},
                    "");
        end_watch(watch, &ended);
    }
    spin_unlock_irq(&lock, irq);
    free_watches(&ended);
}

/* ---- Instances ------------------------------------------------------------------------------- */

/* Takes whole records out of the queue, as many as fit. Bytes. Locked. */
static size_t take_records(struct instance *in, char *to, size_t nr_bytes)
{
    size_t nr = 0;

    while (in->nr_bytes > 0) {
        size_t record_bytes = sizeof(struct inotify_event) + record_at(in, in->first)->len;

        if (nr + record_bytes > nr_bytes)
            break;
        ring_copy(in, in->first, to + nr, record_bytes);
        in->first += record_bytes;
        in->nr_bytes -= record_bytes;
        nr += record_bytes;
    }
    return nr;
}

/* Waits for a record. 0 or -errno. Locked. */
static int wait_for_record(struct file *file)
{
    struct instance *in = file->private;
    int error = 0;

    while (in->nr_bytes == 0 && error == 0) {
        if (atomic_load(&file->flags) & O_NONBLOCK)
            error = -EAGAIN;
        else
            error = waitq_sleep(&in->readers, &lock, WAITQ_FOREVER, true);
    }
    return in->nr_bytes > 0 ? 0 : error;
}

static int64_t inotify_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    char records[READ_BYTES_AT_ONCE];
    struct instance *in = file->private;
    irq_state_t irq = spin_lock_irq(&lock);
    int error = wait_for_record(file);
    size_t done = 0, nr;

    (void)offset;
    while (error == 0) {
        nr = take_records(in, records, MIN(nr_bytes - done, sizeof(records)));
        if (nr == 0)
            break;
        spin_unlock_irq(&lock, irq);
        error = user_copy_to(to + done, records, nr);
        done += nr;
        irq = spin_lock_irq(&lock);
    }
    if (in->nr_bytes > 0)
        waitq_wake_first(&in->readers);
    spin_unlock_irq(&lock, irq);
    if (error != 0)
        return error;
    return done > 0 ? (int64_t)done : -EINVAL;
}

static unsigned inotify_poll(struct file *file, struct poll_watcher *watcher)
{
    struct instance *in = file->private;
    irq_state_t irq = spin_lock_irq(&lock);
    unsigned events = in->nr_bytes > 0 ? EPOLLIN | EPOLLRDNORM : 0;

    poll_watch(&in->polled, watcher);
    spin_unlock_irq(&lock, irq);
    return events;
}

static int64_t inotify_ioctl(struct file *file, unsigned request, uint64_t arg)
{
    struct instance *in = file->private;
    irq_state_t irq;
    int nr_bytes;

    if (request != FIONREAD)
        return -ENOTTY;
    irq = spin_lock_irq(&lock);
    nr_bytes = (int)in->nr_bytes;
    spin_unlock_irq(&lock, irq);
    return user_copy_to(arg, &nr_bytes, sizeof(nr_bytes));
}

static void free_instance(struct instance *in)
{
    kfree(in->ring);
    kfree(in);
}

static void inotify_release(struct file *file)
{
    struct instance *in = file->private;
    irq_state_t irq = spin_lock_irq(&lock);

    list_remove(&in->link);
    /* One at a time: there may be many, and interrupts are off while the lock is held. */
    while (!list_is_empty(&in->watches)) {
        struct list ended = LIST_INIT(ended);

        end_watch(list_first_entry(&in->watches, struct watch, instance_link), &ended);
        spin_unlock_irq(&lock, irq);
        free_watches(&ended);
        irq = spin_lock_irq(&lock);
    }
    spin_unlock_irq(&lock, irq);
    free_instance(in);
}

static const struct file_ops inotify_ops = {
    .read = inotify_read,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
};

bool inotify_is_instance(const struct file *file)
{
    return file->ops == &inotify_ops;
}

/* Puts it on the list, unless its user has too many. 0 or -EMFILE. */
static int enlist(struct instance *in)
{
    irq_state_t irq = spin_lock_irq(&lock);
    const struct instance *other;
    unsigned nr = 0;

    list_for_each_entry (other, &instances, link)
        nr += other->uid == in->uid;
    if (nr < INSTANCES_MAX)
        list_push_back(&instances, &in->link);
    spin_unlock_irq(&lock, irq);
    return nr < INSTANCES_MAX ? 0 : -EMFILE;
}

int inotify_create(unsigned flags, struct file **file)
{
    struct instance *in = kzalloc_user(sizeof(*in));
    int error = -ENOMEM;
    irq_state_t irq;

    if (in == NULL)
        return -ENOMEM;
    in->uid = credentials_current()->uid;
    list_init(&in->watches);
    waitq_init(&in->readers);
    poll_queue_init(&in->polled, &lock);
    in->ring = kmalloc_user(RING_BYTES);
    if (in->ring != NULL)
        error = enlist(in);
    if (error != 0) {
        free_instance(in);
        return error;
    }
    *file = file_create(&inotify_ops, O_RDONLY | flags, NULL, in);
    if (*file != NULL)
        return 0;
    irq = spin_lock_irq(&lock);
    list_remove(&in->link);
    spin_unlock_irq(&lock, irq);
    free_instance(in);
    return -ENOMEM;
}

static struct watch *find_watch(const struct instance *in, const struct inode *inode)
{
    struct watch *watch;

    list_for_each_entry (watch, bucket_of(inode), bucket_link) {
        if (watch->inode == inode && watch->instance == in)
            return watch;
    }
    return NULL;
}

/* `made` becomes a watch of the inode; true: it did, and there was none. *number or -errno. */
static bool set_watch(struct instance *in, struct inode *inode, uint32_t mask, struct watch *made,
                      int *number)
{
    struct watch *watch;

    if (buckets[0].head.next == NULL) {
        for (unsigned i = 0; i < NR_BUCKETS; i++)
            list_init(&buckets[i]);
    }
    watch = find_watch(in, inode);
    if (watch != NULL) {
        *number = mask & IN_MASK_CREATE ? -EEXIST : watch->number;
        if (!(mask & IN_MASK_CREATE))
            watch->mask = mask & IN_MASK_ADD ? watch->mask | mask : mask;
        return false;
    }
    if (in->nr_watches >= WATCHES_MAX || in->last_number == INT32_MAX) {
        *number = -ENOSPC;
        return false;
    }
    *made = (struct watch){.instance = in, .inode = inode, .mask = mask};
    if (inode->ops->has_fixed_attributes)
        made->kept = inode_get(inode);
    *number = made->number = ++in->last_number;
    in->nr_watches++;
    atomic_fetch_add(&inotify_nr_watches, 1);
    list_push_back(&in->watches, &made->instance_link);
    list_push_back(bucket_of(inode), &made->bucket_link);
    return true;
}

int inotify_add_watch(struct file *file, struct inode *inode, uint32_t mask)
{
    struct watch *made;
    irq_state_t irq;
    bool is_used;
    int number;

    made = kmalloc_user(sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    irq = spin_lock_irq(&lock);
    is_used = set_watch(file->private, inode, mask, made, &number);
    spin_unlock_irq(&lock, irq);
    if (!is_used)
        kfree(made);
    return number;
}

int inotify_remove_watch(struct file *file, int number)
{
    struct list ended = LIST_INIT(ended);
    struct watch *watch, *next;
    struct instance *in = file->private;
    bool is_there = false;
    irq_state_t irq;

    irq = spin_lock_irq(&lock);
    list_for_each_entry_safe (watch, next, &in->watches, instance_link) {
        if (watch->number != number)
            continue;
        end_watch(watch, &ended);
        is_there = true;
        break;
    }
    spin_unlock_irq(&lock, irq);
    free_watches(&ended);
    return is_there ? 0 : -EINVAL;
}
