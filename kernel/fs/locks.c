/*
 * Locks on files.
 *
 * An inode has two lists, made when the first lock is set: one of ranges, for both kinds of
 * fcntl(), and one for flock(). An owner's ranges do not overlap each other, and those of one type
 * that touch are one. Setting a lock cuts what the owner has there: at most one range becomes two,
 * so that two pieces of memory, had before, are enough, and nothing fails half done.
 *
 * Who has to wait is on the inode's queue, and looks again whenever a lock goes. Before a process
 * waits for another it is looked whether that waits, perhaps over several, for the process
 * (-EDEADLK, as POSIX has it). That is asked of processes only: who opened a file is not who waits
 * for its lock. Of a process several of whose LWPs wait, each is followed.
 *
 * locks_lock guards all of it. It is a spinlock for everything there is, because hardly anything
 * is ever done with it held.
 */

#include <kernel/errno.h>
#include <kernel/file_lock.h>
#include <kernel/list.h>
#include <kernel/mount.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>
#include <mm/slab.h>

/* How far, and how long, a circle of waiting processes is looked for. */
#define CHAIN_MAX  32
#define LOOKED_MAX 4096

/* On a list of its file: locks_lock. */
struct lock {
    struct list_node link;
    struct file_lock_request is;
};

struct file_locks {
    struct list ranges, wholes; /* locks_lock */
    struct waitq waiting;       /* locks_lock */
    struct inode *inode;        /* constant; without a reference: it ends when that goes */
    struct list_node link;      /* locks_lock: on all_locks */
};

/* A process's LWP that waits for a lock: on its stack, on blocked_list. locks_lock. */
struct blocked {
    struct list_node link;
    const void *owner, *by; /* descriptor tables */
};

static struct spinlock locks_lock = SPINLOCK_INIT("file locks", LOCK_RANK_WAIT);
static struct list blocked_list = LIST_INIT(blocked_list); /* locks_lock */
static struct list all_locks = LIST_INIT(all_locks);       /* locks_lock */

static struct list *list_for(struct file_locks *locks, enum file_lock_kind kind)
{
    return kind == FILE_LOCK_WHOLE ? &locks->wholes : &locks->ranges;
}

static bool is_owner(const struct lock *lock, const struct file_lock_request *request)
{
    return lock->is.owner == request->owner && lock->is.kind == request->kind;
}

static bool overlap(const struct file_lock_range *a, const struct file_lock_range *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Whether they overlap, or one begins where the other ends. */
static bool touch(const struct file_lock_range *a, const struct file_lock_range *b)
{
    return a->first <= b->last + 1 && b->first <= a->last + 1;
}

/* Somebody else's lock that is in the way; NULL: none. Locked. */
static struct lock *find_conflict(struct file_locks *locks, const struct file_lock_request *request)
{
    struct lock *lock;

    list_for_each_entry (lock, list_for(locks, request->kind), link) {
        if (is_owner(lock, request) || !overlap(&lock->is.range, &request->range))
            continue;
        if (lock->is.type == FILE_LOCK_EXCLUSIVE || request->type == FILE_LOCK_EXCLUSIVE)
            return lock;
    }
    return NULL;
}

/* An inode's locks; made, if need be. NULL: out of memory. */
static struct file_locks *locks_of(struct inode *inode)
{
    struct file_locks *locks = inode->file_locks, *expected = NULL;
    irq_state_t irq;

    if (locks != NULL)
        return locks;
    locks = kzalloc_user(sizeof(*locks));
    if (locks == NULL)
        return NULL;
    list_init(&locks->ranges);
    list_init(&locks->wholes);
    waitq_init(&locks->waiting);
    locks->inode = inode;
    irq = spin_lock_irq(&locks_lock);
    if (atomic_compare_exchange_strong(&inode->file_locks, &expected, locks))
        list_push_back(&all_locks, &locks->link);
    spin_unlock_irq(&locks_lock, irq);
    if (expected == NULL)
        return locks;
    kfree(locks);
    return expected;
}

/* ---- Changing ------------------------------------------------------------------------------- */

/* Memory for a change, and what a change gives back. */
struct spares {
    struct lock *locks[2];
    struct list gone;
};

static struct lock *take_spare(struct spares *spares)
{
    unsigned i = spares->locks[0] == NULL;
    struct lock *lock = spares->locks[i];

    spares->locks[i] = NULL;
    return lock;
}

static bool get_spares(struct spares *spares)
{
    list_init(&spares->gone);
    spares->locks[0] = kmalloc_user(sizeof(struct lock));
    spares->locks[1] = kmalloc_user(sizeof(struct lock));
    return spares->locks[0] != NULL && spares->locks[1] != NULL;
}

static void put_spares(struct spares *spares)
{
    struct lock *lock, *next;

    list_for_each_entry_safe (lock, next, &spares->gone, link)
        kfree(lock);
    kfree(spares->locks[0]);
    kfree(spares->locks[1]);
}

static void drop(struct lock *lock, struct spares *spares)
{
    list_remove(&lock->link);
    list_push_back(&spares->gone, &lock->link);
}

/* Takes `range` out of a lock. Locked. */
static void cut(struct lock *lock, const struct file_lock_range *range, struct list *list,
                struct spares *spares)
{
    bool has_left = lock->is.range.first < range->first;
    bool has_right = lock->is.range.last > range->last;

    if (has_left && has_right) {
        struct lock *right = take_spare(spares);

        right->is = lock->is;
        right->is.range.first = range->last + 1;
        list_push_back(list, &right->link);
    }
    if (has_left)
        lock->is.range.last = range->first - 1;
    else if (has_right)
        lock->is.range.first = range->last + 1;
    else
        drop(lock, spares);
}

/* Does what is asked for; nothing is in the way. Locked. */
static void apply(struct file_locks *locks, const struct file_lock_request *request,
                  struct spares *spares)
{
    struct list *list = list_for(locks, request->kind);
    struct file_lock_range range = request->range;
    struct lock *lock, *next;
    bool has_freed = false;

    list_for_each_entry_safe (lock, next, list, link) {
        if (!is_owner(lock, request))
            continue;
        if (lock->is.type == request->type && touch(&lock->is.range, &request->range)) {
            range.first = MIN(range.first, lock->is.range.first);
            range.last = MAX(range.last, lock->is.range.last);
            drop(lock, spares);
        } else if (lock->is.type != request->type && overlap(&lock->is.range, &request->range)) {
            cut(lock, &request->range, list, spares);
            has_freed = true;
        }
    }
    if (request->type != FILE_UNLOCK) {
        lock = take_spare(spares);
        lock->is = *request;
        lock->is.range = range;
        list_push_back(list, &lock->link);
    }
    /* Only then: two that wait and look again would wake each other for ever. */
    if (has_freed)
        waitq_wake_all(&locks->waiting);
}

/* Whether `owner` waits for `self`, perhaps over others. Locked; not deep. */
static bool waits_for(const void *owner, const void *self, unsigned depth, unsigned *nr_looked)
{
    const struct blocked *blocked;

    if (owner == self)
        return true;
    if (depth == CHAIN_MAX)
        return false;
    list_for_each_entry (blocked, &blocked_list, link) {
        if (++*nr_looked > LOOKED_MAX)
            return false;
        if (blocked->owner == owner && waits_for(blocked->by, self, depth + 1, nr_looked))
            return true;
    }
    return false;
}

/* Waits until the lock that is in the way has changed. 0 or -errno. Locked. */
static int wait_for(struct file_locks *locks, const struct lock *conflict,
                    const struct file_lock_request *request)
{
    bool is_process = request->kind == FILE_LOCK_PROCESS;
    struct blocked blocked = {.owner = request->owner, .by = conflict->is.owner};
    unsigned nr_looked = 0;
    int error;

    if (is_process && conflict->is.kind == FILE_LOCK_PROCESS) {
        if (waits_for(conflict->is.owner, request->owner, 0, &nr_looked))
            return -EDEADLK;
        list_push_back(&blocked_list, &blocked.link);
        error = waitq_sleep(&locks->waiting, &locks_lock, WAITQ_FOREVER, true);
        list_remove(&blocked.link);
        return error;
    }
    return waitq_sleep(&locks->waiting, &locks_lock, WAITQ_FOREVER, true);
}

int file_lock_set(struct inode *inode, const struct file_lock_request *request, bool waits)
{
    struct file_locks *locks =
        request->type != FILE_UNLOCK ? locks_of(inode) : atomic_load(&inode->file_locks);
    struct spares spares;
    struct lock *conflict;
    irq_state_t irq;
    int error = 0;

    if (locks == NULL)
        return request->type != FILE_UNLOCK ? -ENOLCK : 0;
    if (!get_spares(&spares)) {
        put_spares(&spares);
        return -ENOLCK;
    }
    irq = spin_lock_irq(&locks_lock);
    while (error == 0 && request->type != FILE_UNLOCK &&
           (conflict = find_conflict(locks, request)) != NULL) {
        if (request->kind == FILE_LOCK_WHOLE) {
            /* flock() gives up what it has before it waits for another type, as on Linux. */
            struct file_lock_request unlock = *request;

            unlock.type = FILE_UNLOCK;
            apply(locks, &unlock, &spares);
        }
        error = waits ? wait_for(locks, conflict, request) : -EAGAIN;
    }
    if (error == 0)
        apply(locks, request, &spares);
    spin_unlock_irq(&locks_lock, irq);
    put_spares(&spares);
    return error;
}

void file_lock_test(struct inode *inode, struct file_lock_request *request)
{
    struct file_locks *locks = atomic_load(&inode->file_locks);
    const struct lock *conflict = NULL;
    irq_state_t irq = spin_lock_irq(&locks_lock);

    if (locks != NULL)
        conflict = find_conflict(locks, request);
    if (conflict != NULL)
        *request = conflict->is;
    else
        request->type = FILE_UNLOCK;
    spin_unlock_irq(&locks_lock, irq);
}

/* ---- Ends ----------------------------------------------------------------------------------- */

/* Drops all of an owner's locks of a list. Locked. */
static void drop_all(struct list *list, const void *owner, struct spares *spares)
{
    struct lock *lock, *next;

    list_for_each_entry_safe (lock, next, list, link) {
        if (lock->is.owner == owner)
            drop(lock, spares);
    }
}

static void owner_has_gone(struct inode *inode, const void *owner)
{
    struct file_locks *locks = inode->file_locks;
    struct spares spares = {{NULL, NULL}, LIST_INIT(spares.gone)};
    irq_state_t irq;

    if (locks == NULL)
        return;
    irq = spin_lock_irq(&locks_lock);
    drop_all(&locks->ranges, owner, &spares);
    drop_all(&locks->wholes, owner, &spares);
    waitq_wake_all(&locks->waiting);
    spin_unlock_irq(&locks_lock, irq);
    put_spares(&spares);
}

void file_locks_closed(struct inode *inode, const struct fd_table *table)
{
    owner_has_gone(inode, table);
}

void file_locks_released(struct inode *inode, const struct file *file)
{
    owner_has_gone(inode, file);
}

void file_locks_free(struct inode *inode)
{
    struct file_locks *locks = inode->file_locks;
    irq_state_t irq = spin_lock_irq(&locks_lock);

    list_remove(&locks->link);
    spin_unlock_irq(&locks_lock, irq);
    kfree(locks);
}

bool file_lock_at(size_t n, struct file_lock_request *found, uint64_t *device, uint64_t *number)
{
    irq_state_t irq = spin_lock_irq(&locks_lock);
    struct file_locks *locks;
    bool is_found = false;

    list_for_each_entry (locks, &all_locks, link) {
        struct list *lists[] = {&locks->ranges, &locks->wholes};

        for (unsigned i = 0; i < 2 && !is_found; i++) {
            struct lock *lock;

            list_for_each_entry (lock, lists[i], link) {
                if (n-- > 0)
                    continue;
                is_found = true;
                *found = lock->is;
                *device = locks->inode->mount->device;
                *number = locks->inode->number;
                break;
            }
        }
        if (is_found)
            break;
    }
    spin_unlock_irq(&locks_lock, irq);
    return is_found;
}
