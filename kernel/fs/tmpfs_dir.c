/* The folders of tmpfs; tmpfs.c has the theory. */

#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <mm/slab.h>

#include "tmpfs.h"

#define LINKS_MAX 65000 /* names of a file */

struct spinlock tmpfs_names_lock = SPINLOCK_INIT("names", LOCK_RANK_NAMES);

static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, MIN(a_length, b_length));

    return order != 0 ? order : (int)a_length - (int)b_length;
}

static bool name_before(const struct rb_node *a, const struct rb_node *b)
{
    const struct entry *left = rb_entry(a, struct entry, by_name);
    const struct entry *right = rb_entry(b, struct entry, by_name);

    return compare(left->name, left->length, right->name, right->length) < 0;
}

static bool position_before(const struct rb_node *a, const struct rb_node *b)
{
    return rb_entry(a, struct entry, by_position)->position <
           rb_entry(b, struct entry, by_position)->position;
}

/* The entry of that name, or NULL. Locked. */
static struct entry *find_name(const struct node *dir, const char *name, size_t length)
{
    struct rb_node *at = dir->by_name.root;

    while (at != NULL) {
        struct entry *entry = rb_entry(at, struct entry, by_name);
        int order = compare(name, length, entry->name, entry->length);

        if (order == 0)
            return entry;
        at = at->child[order > 0];
    }
    return NULL;
}

struct entry *tmpfs_find_position(const struct node *dir, uint64_t position)
{
    struct rb_node *at = dir->by_position.root;
    struct entry *found = NULL;

    while (at != NULL) {
        struct entry *entry = rb_entry(at, struct entry, by_position);

        if (entry->position >= position)
            found = entry;
        at = at->child[entry->position < position];
    }
    return found;
}

static int lookup(struct inode *inode, const char *name, size_t length, struct inode **found)
{
    struct entry *entry;

    mutex_lock(&inode->lock);
    entry = find_name(node_of(inode), name, length);
    if (entry != NULL)
        *found = inode_get(&entry->node->inode);
    mutex_unlock(&inode->lock);
    return entry != NULL ? 0 : -ENOENT;
}

/* ---- Entries -------------------------------------------------------------------------------- */

/* `node`, which is in `dir` by this entry, has it for its own name. Locked. */
static void set_place(struct node *node, struct node *dir, struct entry *entry)
{
    irq_state_t irq = spin_lock_irq(&tmpfs_names_lock);

    node->parent = dir;
    node->entry = entry;
    spin_unlock_irq(&tmpfs_names_lock, irq);
}

/* `entry` does not stand for `node` any more. The folder is locked. */
static void clear_place(struct node *node, const struct entry *entry)
{
    if (node->entry == entry)
        set_place(node, inode_is_dir(&node->inode) ? node->parent : NULL, NULL);
}

/* An entry for `node`, whose reference it takes over; NULL: out of memory. Locked. */
static struct entry *insert(struct node *dir, const char *name, size_t length, struct node *node)
{
    struct entry *entry = kmalloc_user(sizeof(*entry) + length);

    if (entry == NULL)
        return NULL;
    entry->node = node;
    entry->length = (uint8_t)length;
    memcpy(entry->name, name, length);
    entry->position = dir->next_position++;
    rb_insert(&dir->by_name, &entry->by_name, name_before);
    rb_insert(&dir->by_position, &entry->by_position, position_before);
    return entry;
}

void tmpfs_drop_entry(struct node *dir, struct entry *entry)
{
    clear_place(entry->node, entry);
    rb_remove(&dir->by_name, &entry->by_name);
    rb_remove(&dir->by_position, &entry->by_position);
    kfree(entry);
}

/* Whether a name can be added. Locked. */
static int check_new(const struct node *dir, const char *name, size_t length)
{
    if (dir->inode.nr_links == 0)
        return -ENOENT;
    return find_name(dir, name, length) != NULL ? -EEXIST : 0;
}

/* A name for a new node, whose reference it takes over if it works. Locked. */
static int add_new(struct node *dir, const char *name, size_t length, struct node *node)
{
    int error = check_new(dir, name, length);

    if (error != 0)
        return error;
    node->entry = insert(dir, name, length, node);
    if (node->entry == NULL)
        return -ENOSPC;
    node->parent = dir;
    if (inode_is_dir(&node->inode)) {
        inode_get(&dir->inode);
        dir->inode.nr_links++;
    }
    inode_touch_modified(&dir->inode);
    return 0;
}

/* Gives `node`, which is in no folder yet, a name; or drops it. With another reference for *created
 * (NULL: not wanted). */
static int add_or_put(struct inode *dir, const char *name, size_t length, struct node *node,
                      struct inode **created)
{
    int error;

    if (created != NULL)
        inode_get(&node->inode);
    mutex_lock(&dir->lock);
    error = add_new(node_of(dir), name, length, node);
    mutex_unlock(&dir->lock);
    if (error != 0) {
        inode_put(&node->inode);
        if (created != NULL)
            inode_put(&node->inode);
    } else if (created != NULL) {
        *created = &node->inode;
    }
    return error;
}

static int create(struct inode *dir, const char *name, size_t length, uint32_t mode,
                  uint32_t device, struct inode **created)
{
    struct node *node;
    int error = tmpfs_node_create(dir->mount, mode, dir, &node);

    if (error != 0)
        return error;
    node->inode.device = device;
    return add_or_put(dir, name, length, node, created);
}

static int create_symlink(struct inode *dir, const char *name, size_t length, const char *target)
{
    size_t nr_bytes = strlen(target);
    struct node *node;
    int error = tmpfs_node_create(dir->mount, S_IFLNK | 0777, dir, &node);

    if (error != 0)
        return error;
    node->target = kmalloc_user(nr_bytes);
    if (node->target == NULL) {
        inode_put(&node->inode);
        return -ENOSPC;
    }
    memcpy(node->target, target, nr_bytes);
    node->inode.nr_bytes = nr_bytes;
    return add_or_put(dir, name, length, node, NULL);
}

static int create_unnamed(struct inode *dir, uint32_t mode, bool may_get_name,
                          struct inode **created)
{
    struct node *node;
    int error = tmpfs_node_create(dir->mount, mode, dir, &node);

    if (error != 0)
        return error;
    node->inode.nr_links = 0;
    node->may_get_name = may_get_name;
    atomic_fetch_add(&tmpfs_of(dir)->nr_unnamed, 1);
    *created = &node->inode;
    return 0;
}

static int add_link(struct inode *inode, const char *name, size_t length, struct inode *file)
{
    struct node *dir = node_of(inode), *node = node_of(file);
    struct entry *entry = NULL;
    int error;

    inode_get(file);
    mutex_lock(&inode->lock);
    error = check_new(dir, name, length);
    mutex_lock(&file->lock);
    if (error == 0 && file->nr_links >= LINKS_MAX)
        error = -EMLINK;
    if (error == 0 && file->nr_links == 0 && !node->may_get_name)
        error = -ENOENT; /* the last name has just been removed */
    if (error == 0) {
        entry = insert(dir, name, length, node);
        error = entry != NULL ? 0 : -ENOSPC;
    }
    if (error == 0) {
        node->may_get_name = false;
        if (file->nr_links++ == 0)
            atomic_fetch_sub(&tmpfs_of(file)->nr_unnamed, 1);
        inode_touch_changed(file);
        inode_touch_modified(inode);
        if (node->entry == NULL)
            set_place(node, dir, entry);
    }
    mutex_unlock(&file->lock);
    mutex_unlock(&inode->lock);
    if (error != 0)
        inode_put(file);
    return error;
}

/* Takes a link away from what is to be removed from its folder, which is locked. 0 or -errno. */
static int unlink_node(struct node *node, bool is_dir)
{
    int error = 0;

    if (inode_is_dir(&node->inode) != is_dir)
        return is_dir ? -ENOTDIR : -EISDIR;
    mutex_lock(&node->inode.lock);
    if (is_dir && !rb_is_empty(&node->by_name))
        error = -ENOTEMPTY;
    else if (is_dir && node->inode.covered_by != NULL)
        error = -EBUSY;
    if (error == 0) {
        node->inode.nr_links = is_dir ? 0 : node->inode.nr_links - 1;
        inode_touch_changed(&node->inode);
        if (node->inode.nr_links == 0)
            atomic_fetch_add(&tmpfs_of(&node->inode)->nr_unnamed, 1);
    }
    mutex_unlock(&node->inode.lock);
    return error;
}

static int remove_entry(struct inode *inode, const char *name, size_t length, bool is_dir)
{
    struct node *dir = node_of(inode), *gone = NULL;
    struct entry *entry;
    int error = -ENOENT;

    mutex_lock(&inode->lock);
    entry = find_name(dir, name, length);
    if (entry != NULL)
        error = inode_may_remove(inode, &entry->node->inode);
    if (error == 0)
        error = unlink_node(entry->node, is_dir);
    if (error == 0) {
        gone = entry->node;
        tmpfs_drop_entry(dir, entry);
        inode->nr_links -= is_dir;
        inode_touch_modified(inode);
    }
    mutex_unlock(&inode->lock);
    if (gone != NULL)
        inode_put(&gone->inode);
    return error;
}

/* ---- Renaming ------------------------------------------------------------------------------- */

/* What a rename is about. All of it is locked. */
struct renaming {
    struct node *from_dir, *to_dir;
    struct entry *source, *target; /* target: NULL: there is none */
    bool is_exchange;
};

/* Whether `above` is `node` or a folder above it. mount->rename_lock is held, so it stays so. */
static bool is_above(const struct node *above, const struct node *node)
{
    while (node != above && node->parent != node)
        node = node->parent;
    return node == above;
}

static bool is_dir(const struct entry *entry)
{
    return inode_is_dir(&entry->node->inode);
}

/* A folder does not go into itself or below; nor does the folder that it is in go away. */
static int check_loops(const struct renaming *r)
{
    if (r->from_dir == r->to_dir)
        return 0;
    if (is_dir(r->source) && is_above(r->source->node, r->to_dir))
        return -EINVAL;
    if (r->target != NULL && is_dir(r->target) && is_above(r->target->node, r->from_dir))
        return r->is_exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int check_rename(const struct renaming *r, unsigned flags)
{
    int error;

    if (r->source == NULL || r->to_dir->inode.nr_links == 0)
        return -ENOENT;
    if (r->target == NULL && r->is_exchange)
        return -ENOENT;
    if (r->target != NULL && (flags & RENAME_NOREPLACE))
        return -EEXIST;
    error = check_loops(r);
    if (error == 0)
        error = inode_may_remove(&r->from_dir->inode, &r->source->node->inode);
    if (error == 0 && r->target != NULL)
        error = inode_may_remove(&r->to_dir->inode, &r->target->node->inode);
    if (error != 0 || r->target == NULL || r->is_exchange)
        return error;
    if (is_dir(r->source) != is_dir(r->target))
        return is_dir(r->source) ? -ENOTDIR : -EISDIR;
    return 0;
}

/*
 * `node`, which was in `from` as `old`, is now in `to` as `entry`. The reference that a folder has
 * to `from` is the caller's to put.
 */
static void replace_place(struct node *node, struct entry *old, struct node *from, struct node *to,
                          struct entry *entry)
{
    if (node->entry == old)
        set_place(node, to, entry);
    if (inode_is_dir(&node->inode) && from != to) {
        inode_get(&to->inode);
        from->inode.nr_links--;
        to->inode.nr_links++;
    }
    mutex_lock(&node->inode.lock);
    inode_touch_changed(&node->inode);
    mutex_unlock(&node->inode.lock);
}

/* The two names stand for each other's nodes. */
static void exchange(const struct renaming *r)
{
    struct node *moved = r->source->node, *back = r->target->node;

    r->target->node = moved;
    r->source->node = back;
    replace_place(moved, r->source, r->from_dir, r->to_dir, r->target);
    replace_place(back, r->target, r->to_dir, r->from_dir, r->source);
}

/* The source gets the new name. 0, -ENOSPC, -ENOTEMPTY. *gone is what had it, with a reference. */
static int move(const struct renaming *r, const struct dir_name *to, struct node **gone)
{
    struct node *moved = r->source->node;
    struct entry *entry = r->target;

    if (entry != NULL) {
        bool is_folder = is_dir(entry);
        int error = unlink_node(entry->node, is_folder);

        if (error != 0)
            return error;
        *gone = entry->node;
        clear_place(*gone, entry);
        r->to_dir->inode.nr_links -= is_folder;
        entry->node = moved;
    } else {
        entry = insert(r->to_dir, to->text, to->length, moved);
        if (entry == NULL)
            return -ENOSPC;
    }
    replace_place(moved, r->source, r->from_dir, r->to_dir, entry);
    tmpfs_drop_entry(r->from_dir, r->source);
    return 0;
}

/* Both folders' locks, in the order that kernel/vnode.h gives. */
static void lock_both(struct node *a, struct node *b)
{
    bool is_b_first = is_above(b, a) || (!is_above(a, b) && b < a);

    mutex_lock(is_b_first ? &b->inode.lock : &a->inode.lock);
    if (a != b)
        mutex_lock(is_b_first ? &a->inode.lock : &b->inode.lock);
}

/* Both are locked. What is to be put afterwards: *gone, what has lost its name (NULL: nothing). */
static int rename_locked(const struct renaming *r, const struct dir_name *to, unsigned flags,
                         struct node **gone)
{
    int error = check_rename(r, flags);

    /* Two names of one file: both stay (POSIX). */
    if (error != 0 || (r->target != NULL && r->target->node == r->source->node))
        return error;
    if (r->is_exchange)
        exchange(r);
    else
        error = move(r, to, gone);
    if (error == 0) {
        inode_touch_modified(&r->from_dir->inode);
        inode_touch_modified(&r->to_dir->inode);
    }
    return error;
}

static int rename_entry(const struct dir_name *from, const struct dir_name *to, unsigned flags)
{
    struct renaming r = {.from_dir = node_of(from->dir),
                         .to_dir = node_of(to->dir),
                         .is_exchange = flags & RENAME_EXCHANGE};
    bool is_within = r.from_dir == r.to_dir, leaves_from, leaves_to;
    struct node *gone = NULL;
    int error;

    if (is_within)
        mutex_lock(&from->dir->lock);
    else
        lock_both(r.from_dir, r.to_dir);
    r.source = find_name(r.from_dir, from->text, from->length);
    r.target = find_name(r.to_dir, to->text, to->length);
    /* A folder that goes elsewhere has no reference any more to where it was. */
    leaves_from = !is_within && r.source != NULL && is_dir(r.source);
    leaves_to = !is_within && r.is_exchange && r.target != NULL && is_dir(r.target);
    error = rename_locked(&r, to, flags, &gone);
    if (!is_within)
        mutex_unlock(&to->dir->lock);
    mutex_unlock(&from->dir->lock);
    if (gone != NULL)
        inode_put(&gone->inode);
    if (error == 0 && leaves_from)
        inode_put(from->dir);
    if (error == 0 && leaves_to)
        inode_put(to->dir);
    return error;
}

/* ---- What is known about them --------------------------------------------------------------- */

struct inode *tmpfs_parent(struct inode *inode)
{
    irq_state_t irq = spin_lock_irq(&tmpfs_names_lock);
    const struct node *node = node_of(inode);
    struct inode *parent = node->parent != NULL ? inode_get(&node->parent->inode) : NULL;

    spin_unlock_irq(&tmpfs_names_lock, irq);
    return parent;
}

int tmpfs_own_name(struct inode *inode, struct inode *parent, char name[NAME_BYTES_MAX + 1])
{
    const struct node *node = node_of(inode);
    const struct entry *entry = NULL;

    mutex_lock(&parent->lock);
    if (node->parent == node_of(parent))
        entry = node->entry;
    if (entry != NULL) {
        memcpy(name, entry->name, entry->length);
        name[entry->length] = '\0';
    }
    mutex_unlock(&parent->lock);
    return entry != NULL ? 0 : -ENOENT;
}

static void tell(struct dir_entry *out, uint64_t position, const struct inode *inode)
{
    out->position = position + 1;
    out->number = inode->number;
    out->mode = inode->mode;
}

/* "." and "..": what the latter means across a mount is the caller's business. */
static void tell_dots(struct inode *inode, uint64_t position, char name[NAME_BYTES_MAX + 1],
                      struct dir_entry *out)
{
    struct inode *parent = tmpfs_parent(inode);

    strlcpy(name, position == POSITION_SELF ? "." : "..", NAME_BYTES_MAX + 1);
    tell(out, position, position == POSITION_SELF ? inode : parent);
    inode_put(parent);
}

static int next_entry(struct inode *inode, uint64_t position, char name[NAME_BYTES_MAX + 1],
                      struct dir_entry *out)
{
    const struct entry *entry;

    out->name = name;
    if (position < POSITION_FIRST) {
        tell_dots(inode, position, name, out);
        return 1;
    }
    mutex_lock(&inode->lock);
    entry = tmpfs_find_position(node_of(inode), position);
    if (entry != NULL) {
        memcpy(name, entry->name, entry->length);
        name[entry->length] = '\0';
        tell(out, entry->position, &entry->node->inode);
    }
    mutex_unlock(&inode->lock);
    return entry != NULL;
}

const struct inode_ops tmpfs_dir_ops = {
    .lookup = lookup,
    .parent = tmpfs_parent,
    .create = create,
    .symlink = create_symlink,
    .create_unnamed = create_unnamed,
    .link = add_link,
    .remove = remove_entry,
    .rename = rename_entry,
    .own_name = tmpfs_own_name,
    .next_entry = next_entry,
    .free = tmpfs_free,
};
