/*
 * tmpfs: files in memory; the root of all paths is one.
 *
 * A folder has its entries in two trees: by name, to find one, and by position, a number that an
 * entry gets when it is made and that is never used again. So whoever reads a folder in several
 * steps sees each entry once that was there all the time, whatever comes and goes meanwhile.
 *
 * References: an entry has one to its node, a folder one to its parent (the root has none to
 * itself). Removing a folder takes away the first, so that both go when nobody uses them. What
 * nr_refs says beyond these is somebody's use of the node, which is how umount() knows.
 *
 * Everything that is about a folder's entries is guarded by the folder's lock. A node also knows a
 * name of its own, from which paths are made: `parent` and `entry` change with the lock of that
 * folder, and with tmpfs_names_lock, under which others find the folder.
 *
 * Frames for contents are at most half of what processes may have, of all tmpfs together; each may
 * have a limit of its own (options size= and nr_inodes=).
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/slab.h>

#include "tmpfs.h"

static const struct inode_ops file_ops, link_ops, special_ops;

static struct slab_cache *node_cache;
static _Atomic uint64_t next_number = 1;

/* ---- Nodes ---------------------------------------------------------------------------------- */

static const struct inode_ops *ops_for(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return &tmpfs_dir_ops;
    case S_IFREG:
        return &file_ops;
    case S_IFLNK:
        return &link_ops;
    default:
        return &special_ops;
    }
}

/* Takes one more of what has a limit; false: there is none. */
static bool charge(atomic_ulong *nr, const atomic_ulong *nr_max)
{
    unsigned long max = atomic_load_explicit(nr_max, memory_order_relaxed);

    if (atomic_fetch_add(nr, 1) < max || max == 0)
        return true;
    atomic_fetch_sub(nr, 1);
    return false;
}

int tmpfs_node_create(struct mount *mount, uint32_t mode, struct inode *dir, struct node **created)
{
    struct tmpfs *tmpfs = mount->private;
    struct node *node = NULL;

    if (charge(&tmpfs->nr_nodes, &tmpfs->nr_nodes_max)) {
        node = slab_alloc(node_cache);
        if (node == NULL)
            atomic_fetch_sub(&tmpfs->nr_nodes, 1);
    }
    if (node == NULL)
        return -ENOSPC;
    inode_init(&node->inode, ops_for(mode), mount, mode, dir);
    node->inode.number = atomic_fetch_add_explicit(&next_number, 1, memory_order_relaxed);
    node->pages = (struct page_tree){0};
    node->inode.pages = &node->pages;
    node->target = NULL;
    node->may_get_name = false;
    rb_init(&node->by_name);
    rb_init(&node->by_position);
    node->next_position = POSITION_FIRST;
    node->parent = NULL;
    node->entry = NULL;
    *created = node;
    return 0;
}

struct inode *tmpfs_free(struct inode *inode)
{
    struct node *node = node_of(inode), *parent = inode_is_dir(inode) ? node->parent : NULL;
    struct tmpfs *tmpfs = tmpfs_of(inode);

    atomic_fetch_sub(&tmpfs->nr_pages, node->pages.nr_pages);
    page_tree_cut(&node->pages, 0);
    kfree(node->target);
    if (inode->nr_links == 0)
        atomic_fetch_sub(&tmpfs->nr_unnamed, 1);
    slab_free(node_cache, node);
    atomic_fetch_sub(&tmpfs->nr_nodes, 1);
    return parent != NULL && parent != node ? &parent->inode : NULL;
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* Makes page `index`, if there may be one more. Locked. */
static int make_page(struct node *node, uint64_t index, paddr_t *frame)
{
    struct tmpfs *tmpfs = tmpfs_of(&node->inode);

    if (index >= PAGE_TREE_PAGES_MAX)
        return -EFBIG;
    if (page_tree_nr_frames() >= frame_get_stats().nr_user_max / 2 ||
        !charge(&tmpfs->nr_pages, &tmpfs->nr_pages_max))
        return -ENOSPC;
    *frame = page_tree_make(&node->pages, index);
    if (*frame == PADDR_NONE) {
        reclaim_all();
        *frame = page_tree_make(&node->pages, index);
    }
    if (*frame != PADDR_NONE)
        return 0;
    atomic_fetch_sub(&tmpfs->nr_pages, 1);
    return -ENOSPC;
}

/* Locked. */
static int find_or_make_page(struct node *node, uint64_t index, bool is_write, paddr_t *frame)
{
    int error = 0;

    *frame = page_tree_find(&node->pages, index);
    if (*frame == PADDR_NONE && is_write)
        error = make_page(node, index, frame);
    if (*frame != PADDR_NONE)
        frame_ref(*frame);
    return error;
}

static int get_page(struct inode *inode, uint64_t index, bool is_write, paddr_t *frame)
{
    int error;

    mutex_lock(&inode->lock);
    error = find_or_make_page(node_of(inode), index, is_write, frame);
    mutex_unlock(&inode->lock);
    return error;
}

static int get_shared_page(struct inode *inode, uint64_t index, paddr_t *frame)
{
    int error = -EIO;

    mutex_lock(&inode->lock);
    if (index < ROUND_UP(inode->nr_bytes, PAGE_SIZE) / PAGE_SIZE)
        error = find_or_make_page(node_of(inode), index, true, frame);
    mutex_unlock(&inode->lock);
    return error;
}

static uint64_t next_page(struct inode *inode, uint64_t index)
{
    uint64_t next;

    mutex_lock(&inode->lock);
    next = page_tree_next(&node_of(inode)->pages, index);
    mutex_unlock(&inode->lock);
    return next;
}

/* Locked. */
static uint64_t nr_pages(struct inode *inode)
{
    return node_of(inode)->pages.nr_pages;
}

/* What is cut off the last page must be zeroes when the file grows again. */
static void clear_tail(const struct node *node, uint64_t nr_bytes)
{
    paddr_t frame = page_tree_find(&node->pages, nr_bytes / PAGE_SIZE);

    if (frame != PADDR_NONE)
        memset((char *)phys_to_virt(frame) + nr_bytes % PAGE_SIZE, 0,
               PAGE_SIZE - nr_bytes % PAGE_SIZE);
}

/* Makes pages first to end - 1 holes. Locked. */
static void cut_pages(struct node *node, uint64_t first, uint64_t end)
{
    uint64_t nr_before = node->pages.nr_pages;

    page_tree_cut_range(&node->pages, first, end);
    atomic_fetch_sub(&tmpfs_of(&node->inode)->nr_pages, nr_before - node->pages.nr_pages);
}

static int resize(struct inode *inode, uint64_t nr_bytes)
{
    struct node *node = node_of(inode);

    mutex_lock(&inode->lock);
    if (nr_bytes < inode->nr_bytes) {
        cut_pages(node, ROUND_UP(nr_bytes, PAGE_SIZE) / PAGE_SIZE, UINT64_MAX);
        if (!IS_ALIGNED(nr_bytes, PAGE_SIZE))
            clear_tail(node, nr_bytes);
    }
    inode->nr_bytes = nr_bytes;
    inode_touch_modified(inode);
    mutex_unlock(&inode->lock);
    return 0;
}

static void punch(struct inode *inode, uint64_t first, uint64_t end)
{
    mutex_lock(&inode->lock);
    cut_pages(node_of(inode), first, end);
    mutex_unlock(&inode->lock);
}

static int64_t read_link(struct inode *inode, char *target, size_t nr_bytes)
{
    nr_bytes = MIN(nr_bytes, inode->nr_bytes);
    memcpy(target, node_of(inode)->target, nr_bytes);
    return (int64_t)nr_bytes;
}

static const struct inode_ops file_ops = {
    .parent = tmpfs_parent,
    .own_name = tmpfs_own_name,
    .page = get_page,
    .shared_page = get_shared_page,
    .next_page = next_page,
    .nr_pages = nr_pages,
    .resize = resize,
    .punch = punch,
    .free = tmpfs_free,
};

static const struct inode_ops link_ops = {
    .parent = tmpfs_parent,
    .own_name = tmpfs_own_name,
    .readlink = read_link,
    .free = tmpfs_free,
};

/* Devices, FIFOs and sockets. */
static const struct inode_ops special_ops = {
    .parent = tmpfs_parent,
    .own_name = tmpfs_own_name,
    .free = tmpfs_free,
};

/* ---- Mounting ------------------------------------------------------------------------------- */

struct options {
    uint64_t nr_bytes, nr_nodes, mode, uid, gid;
};

/* Reads a number, octal if `base` is 8, and what may follow that of bytes. False: it is none. */
static bool read_number(const char **at, unsigned base, uint64_t *number)
{
    static const char suffixes[] = "kmg";
    const char *c = *at;

    *number = 0;
    if (*c < '0' || *c > '9')
        return false;
    for (; *c >= '0' && *c < (char)('0' + base); c++) {
        if (*number > (UINT64_MAX - base) / base)
            return false;
        *number = *number * base + (uint64_t)(*c - '0');
    }
    for (unsigned i = 0; base == 10 && suffixes[i] != '\0'; i++) {
        if ((*c | 0x20) != suffixes[i])
            continue;
        if (*number > UINT64_MAX >> 10 * (i + 1))
            return false;
        *number <<= 10 * (i + 1);
        c++;
        break;
    }
    *at = c;
    return *c == '\0' || *c == ',';
}

/* Options are separated by commas. Those not given stay as they are in *options. */
static int parse(const char *text, struct options *options)
{
    const struct {
        const char *name;
        unsigned base;
        uint64_t *value;
    } known[] = {
        {"size=", 10, &options->nr_bytes}, {"nr_inodes=", 10, &options->nr_nodes},
        {"mode=", 8, &options->mode},      {"uid=", 10, &options->uid},
        {"gid=", 10, &options->gid},
    };

    while (*text != '\0') {
        size_t i = 0;

        while (i < ARRAY_LEN(known) && strncmp(text, known[i].name, strlen(known[i].name)) != 0)
            i++;
        if (i == ARRAY_LEN(known))
            return -EINVAL;
        text += strlen(known[i].name);
        if (!read_number(&text, known[i].base, known[i].value))
            return -EINVAL;
        text += *text == ',';
    }
    return options->mode <= 07777 && options->uid < UINT32_MAX && options->gid < UINT32_MAX
               ? 0
               : -EINVAL;
}

static int mount_tmpfs(struct mount *mount, const char *text)
{
    struct options options = {.mode = mount->number == 1 ? 0755 : 01777};
    struct tmpfs *tmpfs;
    struct node *root;
    int error = parse(text, &options);

    if (error != 0)
        return error;
    if (node_cache == NULL)
        node_cache = slab_cache_create("inode", sizeof(struct node), 0, SLAB_USER);
    tmpfs = kzalloc_user(sizeof(*tmpfs));
    if (tmpfs == NULL)
        return -ENOMEM;
    atomic_init(&tmpfs->nr_pages_max, ROUND_UP(options.nr_bytes, PAGE_SIZE) / PAGE_SIZE);
    atomic_init(&tmpfs->nr_nodes_max, options.nr_nodes);
    mount->private = tmpfs;
    error = tmpfs_node_create(mount, S_IFDIR | (uint32_t)options.mode, NULL, &root);
    if (error != 0) {
        kfree(tmpfs);
        return error;
    }
    root->inode.uid = (uint32_t)options.uid;
    root->inode.gid = (uint32_t)options.gid;
    root->parent = root;
    mount->root = &root->inode;
    return 0;
}

static int remount_tmpfs(struct mount *mount, const char *text)
{
    struct tmpfs *tmpfs = mount->private;
    struct options options = {
        .nr_bytes = atomic_load(&tmpfs->nr_pages_max) * PAGE_SIZE,
        .nr_nodes = atomic_load(&tmpfs->nr_nodes_max),
    };
    uint64_t nr_pages_max;
    int error = parse(text, &options);

    if (error != 0)
        return error;
    nr_pages_max = ROUND_UP(options.nr_bytes, PAGE_SIZE) / PAGE_SIZE;
    if ((nr_pages_max != 0 && nr_pages_max < atomic_load(&tmpfs->nr_pages)) ||
        (options.nr_nodes != 0 && options.nr_nodes < atomic_load(&tmpfs->nr_nodes)))
        return -EINVAL;
    atomic_store(&tmpfs->nr_pages_max, nr_pages_max);
    atomic_store(&tmpfs->nr_nodes_max, options.nr_nodes);
    return 0;
}

/*
 * The references that tmpfs itself has to a node: its entries'; of a folder, those of the folders
 * in it; of the root, the mount's.
 */
static unsigned nr_own_refs(const struct node *node)
{
    unsigned nr_links = node->inode.nr_links;

    return inode_is_dir(&node->inode) ? nr_links - 2 + 1 : nr_links;
}

/* A walk through all folders; mount->rename_lock is held. */
struct tour {
    struct node *dir;  /* a reference of the tour's, made after looking at it */
    uint64_t position; /* where to go on in it */
};

static void go_to(struct tour *tour, struct node *dir, uint64_t position)
{
    inode_get(&dir->inode);
    inode_put(&tour->dir->inode);
    tour->dir = dir;
    tour->position = position;
}

/* The next entry of the folder is in use, or is a folder, which is where to go on. False: it was
 * the last one. */
static bool look_at_next(struct tour *tour, bool *is_busy)
{
    struct node *dir = tour->dir, *below = NULL;
    const struct entry *entry;

    mutex_lock(&dir->inode.lock);
    entry = tmpfs_find_position(dir, tour->position);
    if (entry != NULL) {
        tour->position = entry->position + 1;
        *is_busy = atomic_load(&entry->node->inode.nr_refs) > nr_own_refs(entry->node);
        if (!*is_busy && inode_is_dir(&entry->node->inode)) {
            below = entry->node;
            inode_get(&below->inode);
        }
    }
    mutex_unlock(&dir->inode.lock);
    if (below != NULL) {
        go_to(tour, below, POSITION_FIRST);
        inode_put(&below->inode);
    }
    return entry != NULL;
}

/* Back to the folder above; who removes this one just now uses it. */
static void go_up(struct tour *tour, bool *is_busy)
{
    struct node *parent = tour->dir->parent;
    uint64_t position = 0;

    mutex_lock(&parent->inode.lock);
    if (tour->dir->entry != NULL)
        position = tour->dir->entry->position + 1;
    mutex_unlock(&parent->inode.lock);
    *is_busy = position == 0;
    go_to(tour, parent, position);
}

static bool is_tmpfs_busy(struct mount *mount)
{
    struct tmpfs *tmpfs = mount->private;
    struct node *root = node_of(mount->root);
    struct tour tour = {root, POSITION_FIRST};
    bool is_busy = atomic_load(&mount->root->nr_refs) > nr_own_refs(root) ||
                   atomic_load(&tmpfs->nr_unnamed) > 0;

    inode_get(mount->root);
    mutex_lock(&mount->rename_lock);
    while (!is_busy) {
        if (look_at_next(&tour, &is_busy))
            continue;
        if (tour.dir == root)
            break;
        go_up(&tour, &is_busy);
    }
    mutex_unlock(&mount->rename_lock);
    inode_put(&tour.dir->inode);
    return is_busy;
}

/* Removes everything, the deepest first. */
static void unmount_tmpfs(struct mount *mount)
{
    struct node *dir = node_of(mount->root);

    for (;;) {
        struct entry *entry;
        struct node *node;

        mutex_lock(&dir->inode.lock);
        entry = tmpfs_find_position(dir, POSITION_FIRST);
        node = entry != NULL ? entry->node : NULL;
        if (node != NULL && (!inode_is_dir(&node->inode) || rb_is_empty(&node->by_name)))
            tmpfs_drop_entry(dir, entry);
        else
            entry = NULL;
        mutex_unlock(&dir->inode.lock);
        if (entry != NULL)
            inode_put(&node->inode);
        else if (node != NULL)
            dir = node;
        else if (&dir->inode == mount->root)
            break;
        else
            dir = dir->parent;
    }
    inode_put(mount->root);
    kfree(mount->private);
}

static void statfs_tmpfs(struct mount *mount, struct statfs *statfs)
{
    const struct tmpfs *tmpfs = mount->private;
    uint64_t nr_max = frame_get_stats().nr_user_max / 2, nr_used = page_tree_nr_frames();
    uint64_t own_max = atomic_load(&tmpfs->nr_pages_max), own = atomic_load(&tmpfs->nr_pages);
    uint64_t nr_free = nr_max > nr_used ? nr_max - nr_used : 0;

    if (own_max != 0 && own_max - own < nr_free)
        nr_free = own_max - own;
    statfs->f_blocks = (__statfs_word)(own_max != 0 ? MIN(own_max, nr_max) : own + nr_free);
    statfs->f_bfree = statfs->f_bavail = (__statfs_word)nr_free;
    statfs->f_files = (__statfs_word)atomic_load(&tmpfs->nr_nodes_max);
    if (statfs->f_files != 0)
        statfs->f_ffree = statfs->f_files - (__statfs_word)atomic_load(&tmpfs->nr_nodes);
}

size_t tmpfs_nr_frames(void)
{
    return page_tree_nr_frames();
}

struct file_system tmpfs_file_system = {
    .name = "tmpfs",
    .mount = mount_tmpfs,
    .remount = remount_tmpfs,
    .is_busy = is_tmpfs_busy,
    .unmount = unmount_tmpfs,
    .statfs = statfs_tmpfs,
    .magic = TMPFS_MAGIC,
};
