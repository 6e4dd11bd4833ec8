/*
 * tmpfs: files in memory, the root of all paths.
 *
 * A folder has its entries in two trees: by name, to find one, and by position, a number that an
 * entry gets when it is made and that is never used again. So whoever reads a folder in several
 * steps sees each entry once that was there all the time, whatever comes and goes meanwhile.
 *
 * References: an entry has one to its inode, a folder one to its parent (the root has none to
 * itself). Removing a folder takes away the first, so that both go when nobody uses them.
 *
 * Everything that is about a folder's entries is guarded by the folder's lock; so is `entry` of the
 * folders in it. `parent` never changes. Frames for contents are at most half of what processes
 * may have.
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/rbtree.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/stat.h>
#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/slab.h>

#include "page_tree.h"

/* Positions in a folder: "." and ".." come first. */
enum { POSITION_SELF, POSITION_PARENT, POSITION_FIRST };

struct node;

struct entry {
    struct rb_node by_name, by_position;
    struct node *node; /* a reference */
    uint64_t position;
    uint8_t length;
    char name[];
};

struct node {
    struct inode inode;
    struct page_tree pages; /* of a file: inode.lock */

    /* Of a folder. */
    struct rb_tree by_name, by_position; /* inode.lock */
    uint64_t next_position;              /* inode.lock */
    struct node *parent;                 /* constant; a reference */
    struct entry *entry;                 /* the parent's lock; NULL: removed, or the root */
};

static const struct inode_ops dir_ops, file_ops, device_ops;

static struct slab_cache *node_cache;
static _Atomic uint64_t next_number = 1;
struct inode *root_inode;

static struct node *node_of(struct inode *inode)
{
    return container_of(inode, struct node, inode);
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static const struct inode_ops *ops_for(uint32_t mode)
{
    if (S_ISDIR(mode))
        return &dir_ops;
    return S_ISREG(mode) ? &file_ops : &device_ops;
}

/* A node with one reference, in no folder yet; NULL: out of memory. `parent`: of a folder. */
static struct node *node_create(uint32_t mode, uint32_t device, struct node *parent)
{
    struct node *node = slab_alloc(node_cache);

    if (node == NULL)
        return NULL;
    memset(node, 0, sizeof(*node));
    node->inode.ops = ops_for(mode);
    node->inode.mode = mode;
    node->inode.device = device;
    node->inode.number = atomic_fetch_add(&next_number, 1);
    node->inode.nr_links = S_ISDIR(mode) ? 2 : 1;
    node->inode.modified_ns = inode_time_ns();
    atomic_init(&node->inode.nr_refs, 1);
    mutex_init(&node->inode.lock, "inode");
    mutex_init(&node->inode.write_lock, "inode writers");
    rb_init(&node->by_name);
    rb_init(&node->by_position);
    node->next_position = POSITION_FIRST;
    if (S_ISDIR(mode) && parent != NULL) {
        inode_get(&parent->inode);
        node->parent = parent;
    }
    return node;
}

static struct inode *tmpfs_free(struct inode *inode)
{
    struct node *node = node_of(inode), *parent = node->parent;

    page_tree_cut(&node->pages, 0);
    slab_free(node_cache, node);
    return parent != NULL ? &parent->inode : NULL;
}

void tmpfs_init(void)
{
    struct node *root;

    node_cache = slab_cache_create("inode", sizeof(struct node), 0, SLAB_USER);
    root = node_create(S_IFDIR | 0755, 0, NULL);
    if (root == NULL)
        panic("tmpfs: no memory for the root");
    root->parent = root;
    root_inode = &root->inode;
}

/* ---- Folders -------------------------------------------------------------------------------- */

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

/* The first entry at or behind `position`, or NULL. Locked. */
static struct entry *find_position(const struct node *dir, uint64_t position)
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

static int tmpfs_lookup(struct inode *inode, const char *name, size_t length, struct inode **found)
{
    struct entry *entry;

    mutex_lock(&inode->lock);
    entry = find_name(node_of(inode), name, length);
    if (entry != NULL)
        *found = inode_get(&entry->node->inode);
    mutex_unlock(&inode->lock);
    return entry != NULL ? 0 : -ENOENT;
}

static struct inode *tmpfs_parent(struct inode *inode)
{
    return inode_get(&node_of(inode)->parent->inode);
}

/* A name for `node`, whose reference it takes over if it works. Locked. */
static int add_entry(struct node *dir, const char *name, size_t length, struct node *node)
{
    struct entry *entry;

    if (dir->inode.nr_links == 0)
        return -ENOENT;
    if (find_name(dir, name, length) != NULL)
        return -EEXIST;
    entry = kmalloc_user(sizeof(*entry) + length);
    if (entry == NULL)
        return -ENOSPC;
    entry->node = node;
    entry->length = (uint8_t)length;
    memcpy(entry->name, name, length);
    entry->position = dir->next_position++;
    rb_insert(&dir->by_name, &entry->by_name, name_before);
    rb_insert(&dir->by_position, &entry->by_position, position_before);
    if (inode_is_dir(&node->inode)) {
        node->entry = entry;
        dir->inode.nr_links++;
    }
    dir->inode.modified_ns = inode_time_ns();
    return 0;
}

static int tmpfs_create(struct inode *inode, const char *name, size_t length, uint32_t mode,
                        uint32_t device, struct inode **created)
{
    struct node *node = node_create(mode, device, node_of(inode));
    int error;

    if (node == NULL)
        return -ENOSPC;
    inode_get(&node->inode);
    mutex_lock(&inode->lock);
    error = add_entry(node_of(inode), name, length, node);
    mutex_unlock(&inode->lock);
    if (error == 0) {
        *created = &node->inode;
        return 0;
    }
    inode_put(&node->inode);
    inode_put(&node->inode);
    return error;
}

static int tmpfs_link(struct inode *inode, const char *name, size_t length, struct inode *file)
{
    int error;

    inode_get(file);
    mutex_lock(&inode->lock);
    error = add_entry(node_of(inode), name, length, node_of(file));
    if (error == 0) {
        mutex_lock(&file->lock);
        file->nr_links++;
        mutex_unlock(&file->lock);
    }
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
    if (!is_dir)
        node->inode.nr_links--;
    else if (rb_is_empty(&node->by_name))
        node->inode.nr_links = 0;
    else
        error = -ENOTEMPTY;
    mutex_unlock(&node->inode.lock);
    return error;
}

static int tmpfs_remove(struct inode *inode, const char *name, size_t length, bool is_dir)
{
    struct node *dir = node_of(inode), *gone = NULL;
    struct entry *entry;
    int error = -ENOENT;

    mutex_lock(&inode->lock);
    entry = find_name(dir, name, length);
    if (entry != NULL)
        error = unlink_node(entry->node, is_dir);
    if (error == 0) {
        gone = entry->node;
        gone->entry = NULL;
        rb_remove(&dir->by_name, &entry->by_name);
        rb_remove(&dir->by_position, &entry->by_position);
        kfree(entry);
        inode->nr_links -= is_dir;
        inode->modified_ns = inode_time_ns();
    }
    mutex_unlock(&inode->lock);
    if (gone != NULL)
        inode_put(&gone->inode);
    return error;
}

static int tmpfs_own_name(struct inode *inode, char name[NAME_BYTES_MAX + 1])
{
    struct node *node = node_of(inode);
    const struct entry *entry;

    mutex_lock(&node->parent->inode.lock);
    entry = node->entry;
    if (entry != NULL) {
        memcpy(name, entry->name, entry->length);
        name[entry->length] = '\0';
    }
    mutex_unlock(&node->parent->inode.lock);
    return entry != NULL ? 0 : -ENOENT;
}

static void tell(struct dir_entry *out, uint64_t position, const struct inode *inode)
{
    out->position = position + 1;
    out->number = inode->number;
    out->mode = inode->mode;
}

static int tmpfs_next_entry(struct inode *inode, uint64_t position, char name[NAME_BYTES_MAX + 1],
                            struct dir_entry *out)
{
    struct node *dir = node_of(inode);
    const struct entry *entry = NULL;

    out->name = name;
    mutex_lock(&inode->lock);
    if (position < POSITION_FIRST) {
        strlcpy(name, position == POSITION_SELF ? "." : "..", NAME_BYTES_MAX + 1);
        tell(out, position, position == POSITION_SELF ? inode : &dir->parent->inode);
    } else {
        entry = find_position(dir, position);
    }
    if (entry != NULL) {
        memcpy(name, entry->name, entry->length);
        name[entry->length] = '\0';
        tell(out, entry->position, &entry->node->inode);
    }
    mutex_unlock(&inode->lock);
    return position < POSITION_FIRST || entry != NULL;
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* Locked. */
static int make_page(struct node *node, uint64_t index, paddr_t *frame)
{
    if (index >= PAGE_TREE_PAGES_MAX)
        return -EFBIG;
    if (page_tree_nr_frames() >= frame_get_stats().nr_user_max / 2)
        return -ENOSPC;
    *frame = page_tree_make(&node->pages, index);
    if (*frame == PADDR_NONE) {
        reclaim_all();
        *frame = page_tree_make(&node->pages, index);
    }
    return *frame != PADDR_NONE ? 0 : -ENOSPC;
}

static int tmpfs_page(struct inode *inode, uint64_t index, bool is_write, paddr_t *frame)
{
    struct node *node = node_of(inode);
    int error = 0;

    mutex_lock(&inode->lock);
    *frame = page_tree_find(&node->pages, index);
    if (*frame == PADDR_NONE && is_write)
        error = make_page(node, index, frame);
    if (*frame != PADDR_NONE)
        frame_ref(*frame);
    mutex_unlock(&inode->lock);
    return error;
}

/* What is cut off the last page must be zeroes when the file grows again. */
static void clear_tail(const struct node *node, uint64_t nr_bytes)
{
    paddr_t frame = page_tree_find(&node->pages, nr_bytes / PAGE_SIZE);

    if (frame != PADDR_NONE)
        memset((char *)phys_to_virt(frame) + nr_bytes % PAGE_SIZE, 0,
               PAGE_SIZE - nr_bytes % PAGE_SIZE);
}

static int tmpfs_resize(struct inode *inode, uint64_t nr_bytes)
{
    struct node *node = node_of(inode);

    mutex_lock(&inode->lock);
    if (nr_bytes < inode->nr_bytes) {
        page_tree_cut(&node->pages, ROUND_UP(nr_bytes, PAGE_SIZE) / PAGE_SIZE);
        if (!IS_ALIGNED(nr_bytes, PAGE_SIZE))
            clear_tail(node, nr_bytes);
    }
    inode->nr_bytes = nr_bytes;
    inode->modified_ns = inode_time_ns();
    mutex_unlock(&inode->lock);
    return 0;
}

static const struct inode_ops dir_ops = {
    .lookup = tmpfs_lookup,
    .parent = tmpfs_parent,
    .create = tmpfs_create,
    .link = tmpfs_link,
    .remove = tmpfs_remove,
    .own_name = tmpfs_own_name,
    .next_entry = tmpfs_next_entry,
    .free = tmpfs_free,
};

static const struct inode_ops file_ops = {
    .page = tmpfs_page,
    .resize = tmpfs_resize,
    .free = tmpfs_free,
};

static const struct inode_ops device_ops = {
    .free = tmpfs_free,
};
