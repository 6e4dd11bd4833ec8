/*
 * Descriptor tables.
 *
 * A slot is free, reserved (an LWP is about to open a file and has the number already, so that
 * nothing can fail afterwards), or a descriptor. The array starts small and doubles. The spinlock
 * guards it; files are closed after it is released, because that may sleep.
 *
 * Getting a descriptor's file takes a reference under the lock. So a close by another LWP frees the
 * number at once, and the file when whoever is using it is done. An LWP that has no siblings needs
 * neither lock nor reference while a system call lasts (fd_look()): the table has the reference,
 * only the process's own LWPs change the table, and only the LWP itself could make another. (The
 * others that look, for /proc, have locks and references of their own.)
 */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/file_lock.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <linux/fcntl.h>
#include <mm/slab.h>

#define FDS_AT_FIRST 16

/* Locked by the table. */
struct slot {
    struct file *file; /* NULL: free or reserved */
    bool is_taken;
    bool close_on_exec;
};

struct fd_table {
    struct spinlock lock;
    struct slot *slots; /* lock */
    int nr_slots;       /* lock */
    int first_free;     /* lock: all below are taken */
};

static struct fd_table *create(int nr_slots)
{
    struct fd_table *table = kzalloc_user(sizeof(*table));

    if (table == NULL)
        return NULL;
    table->slots = kzalloc_user((size_t)nr_slots * sizeof(struct slot));
    if (table->slots == NULL) {
        kfree(table);
        return NULL;
    }
    spin_init(&table->lock, "descriptors", LOCK_RANK_FILES);
    table->nr_slots = nr_slots;
    return table;
}

struct fd_table *fd_table_create(void)
{
    return create(FDS_AT_FIRST);
}

/* The number of slots. It never becomes smaller. */
static int size_of(struct fd_table *table)
{
    irq_state_t irq = spin_lock_irq(&table->lock);
    int nr_slots = table->nr_slots;

    spin_unlock_irq(&table->lock, irq);
    return nr_slots;
}

/* Copies descriptors, with references; false: the table has become larger than its copy. */
static bool copy_slots(struct fd_table *copy, struct fd_table *table)
{
    irq_state_t irq = spin_lock_irq(&table->lock);
    bool fits = table->nr_slots <= copy->nr_slots;

    for (int fd = 0; fits && fd < table->nr_slots; fd++) {
        if (table->slots[fd].file == NULL)
            continue;
        copy->slots[fd] = table->slots[fd];
        file_get(copy->slots[fd].file);
    }
    spin_unlock_irq(&table->lock, irq);
    return fits;
}

struct fd_table *fd_table_clone(struct fd_table *table)
{
    for (;;) {
        struct fd_table *copy = create(size_of(table));

        if (copy == NULL || copy_slots(copy, table))
            return copy;
        fd_table_release(copy);
    }
}

/* Puts a file that a descriptor of the table has stood for; NULL is allowed. */
static void put_closed(const struct fd_table *table, struct file *file)
{
    if (file == NULL)
        return;
    if (file->inode != NULL && unlikely(atomic_load(&file->inode->file_locks) != NULL))
        file_locks_closed(file->inode, table);
    file_put(file);
}

void fd_table_release(struct fd_table *table)
{
    if (table == NULL)
        return;
    for (int fd = 0; fd < table->nr_slots; fd++)
        put_closed(table, table->slots[fd].file);
    kfree(table->slots);
    kfree(table);
}

/* The slot of a descriptor, or NULL. Locked. */
static struct slot *slot_of(struct fd_table *table, int fd)
{
    if (fd < 0 || fd >= table->nr_slots || table->slots[fd].file == NULL)
        return NULL;
    return &table->slots[fd];
}

static void free_slot(struct fd_table *table, int fd)
{
    table->slots[fd] = (struct slot){0};
    table->first_free = MIN(table->first_free, fd);
}

/* Takes descriptor `fd` out of the table; its file, or NULL. */
static struct file *take(struct fd_table *table, int fd, bool only_close_on_exec)
{
    irq_state_t irq = spin_lock_irq(&table->lock);
    struct slot *slot = slot_of(table, fd);
    struct file *file = NULL;

    if (slot != NULL && (slot->close_on_exec || !only_close_on_exec)) {
        file = slot->file;
        free_slot(table, fd);
    }
    spin_unlock_irq(&table->lock, irq);
    return file;
}

void fd_table_close_on_exec(struct fd_table *table)
{
    for (int fd = 0; fd < size_of(table); fd++)
        put_closed(table, take(table, fd, true));
}

void fd_close_range(struct fd_table *table, unsigned first, unsigned last, bool only_on_exec)
{
    for (unsigned fd = first; fd <= last && fd < (unsigned)size_of(table); fd++) {
        if (only_on_exec)
            (void)fd_set_close_on_exec(table, (int)fd, true);
        else
            (void)fd_close(table, (int)fd);
    }
}

int fd_close(struct fd_table *table, int fd)
{
    struct file *file = take(table, fd, false);

    put_closed(table, file);
    return file != NULL ? 0 : -EBADF;
}

struct file *fd_get_any(struct fd_table *table, int fd)
{
    irq_state_t irq = spin_lock_irq(&table->lock);
    struct slot *slot = slot_of(table, fd);
    struct file *file = slot != NULL ? file_get(slot->file) : NULL;

    spin_unlock_irq(&table->lock, irq);
    return file;
}

/* Whether it is open for anything but being a place in paths. */
static bool is_usable(const struct file *file)
{
    return !(atomic_load_explicit(&file->flags, memory_order_relaxed) & O_PATH);
}

struct file *fd_get(struct fd_table *table, int fd)
{
    struct file *file = fd_get_any(table, fd);

    if (file == NULL || is_usable(file))
        return file;
    file_put(file);
    return NULL;
}

struct file *fd_look(const struct fd_table *table, int fd)
{
    struct file *file = fd >= 0 && fd < table->nr_slots ? table->slots[fd].file : NULL;

    return file != NULL && is_usable(file) ? file : NULL;
}

int fd_next(struct fd_table *table, int from)
{
    irq_state_t irq = spin_lock_irq(&table->lock);
    int fd = MAX(from, 0);

    while (fd < table->nr_slots && table->slots[fd].file == NULL)
        fd++;
    if (fd >= table->nr_slots)
        fd = -1;
    spin_unlock_irq(&table->lock, irq);
    return fd;
}

/* ---- Taking numbers ------------------------------------------------------------------------- */

/* Makes room for number `fd` < FDS_MAX. 0 or -ENOMEM. Not locked. */
static int grow(struct fd_table *table, int fd)
{
    int nr_slots = size_of(table);
    struct slot *slots;
    irq_state_t irq;

    while (nr_slots <= fd)
        nr_slots *= 2;
    slots = kzalloc_user((size_t)nr_slots * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    irq = spin_lock_irq(&table->lock);
    if (nr_slots > table->nr_slots) {
        struct slot *old = table->slots;

        memcpy(slots, old, (size_t)table->nr_slots * sizeof(*slots));
        table->slots = slots;
        table->nr_slots = nr_slots;
        slots = old;
    }
    spin_unlock_irq(&table->lock, irq);
    kfree(slots);
    return 0;
}

/* The lowest free number that is at least `min`, maybe behind the last slot. Locked. */
static int find_free(const struct fd_table *table, int min)
{
    int fd = MAX(min, table->first_free);

    while (fd < table->nr_slots && table->slots[fd].is_taken)
        fd++;
    return fd;
}

int fd_reserve(struct fd_table *table, int min, bool close_on_exec)
{
    int limit = (int)fd_limit();

    for (;;) {
        irq_state_t irq = spin_lock_irq(&table->lock);
        int fd = find_free(table, min);
        bool fits = fd < MIN(table->nr_slots, limit);

        if (fits) {
            table->slots[fd].is_taken = true;
            table->slots[fd].close_on_exec = close_on_exec;
            if (min <= table->first_free)
                table->first_free = fd + 1;
        }
        spin_unlock_irq(&table->lock, irq);
        if (fits)
            return fd;
        if (fd >= limit)
            return -EMFILE;
        if (grow(table, fd) != 0)
            return -ENOMEM;
    }
}

void fd_install(struct fd_table *table, int fd, struct file *file)
{
    irq_state_t irq = spin_lock_irq(&table->lock);

    table->slots[fd].file = file;
    spin_unlock_irq(&table->lock, irq);
}

void fd_cancel(struct fd_table *table, int fd)
{
    irq_state_t irq = spin_lock_irq(&table->lock);

    free_slot(table, fd);
    spin_unlock_irq(&table->lock, irq);
}

int fd_replace(struct fd_table *table, int fd, struct file *file, bool close_on_exec)
{
    struct file *old = NULL;
    irq_state_t irq;
    int error = 0;

    if (fd < 0 || fd >= (int)fd_limit())
        return -EBADF;
    if (fd >= size_of(table) && grow(table, fd) != 0)
        return -ENOMEM;
    irq = spin_lock_irq(&table->lock);
    old = table->slots[fd].file;
    if (table->slots[fd].is_taken && old == NULL)
        error = -EBUSY;
    else
        table->slots[fd] = (struct slot){file, true, close_on_exec};
    spin_unlock_irq(&table->lock, irq);
    if (error == 0)
        put_closed(table, old);
    return error;
}

int fd_get_close_on_exec(struct fd_table *table, int fd)
{
    irq_state_t irq = spin_lock_irq(&table->lock);
    const struct slot *slot = slot_of(table, fd);
    int result = slot != NULL ? slot->close_on_exec : -EBADF;

    spin_unlock_irq(&table->lock, irq);
    return result;
}

int fd_set_close_on_exec(struct fd_table *table, int fd, bool close_on_exec)
{
    irq_state_t irq = spin_lock_irq(&table->lock);
    struct slot *slot = slot_of(table, fd);

    if (slot != NULL)
        slot->close_on_exec = close_on_exec;
    spin_unlock_irq(&table->lock, irq);
    return slot != NULL ? 0 : -EBADF;
}
