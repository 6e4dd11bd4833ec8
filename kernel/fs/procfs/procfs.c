/*
 * procfs: what the kernel knows, as files. docs/procfs.md lists them.
 *
 * Folders are tables of entries, and some have entries called by numbers besides: processes, LWPs,
 * descriptors. Nothing is kept of them: looking a name up makes a *node*, an inode which knows its
 * entry, the numbers that led to it, and its parent, and which goes away with its last reference.
 * So each lookup gives another inode, with the same number; and nothing can be mounted within.
 *
 * A node does not keep the process that it is about. Whoever reads it asks for the process by its
 * number: what is gone gives -ESRCH (a folder of it is empty). Reading a file makes its text
 * (text.c).
 *
 * sysfs is the same machinery over another table: no more than what counting CPUs needs.
 */

#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/mount.h>
#include <kernel/panic.h>
#include <kernel/procfs.h>
#include <kernel/string.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <mm/slab.h>

#include "procfs.h"
#include "tables.h"

/* Positions in a folder: ".", "..", the entries, the numbers. */
enum { POSITION_SELF, POSITION_PARENT, POSITION_FIRST };

#define ROOT_NUMBER 1

static const struct inode_ops dir_ops, file_ops, link_ops, magic_link_ops;
static struct slab_cache *node_cache;

static struct procfs_node *node_of(struct inode *inode)
{
    return container_of(inode, struct procfs_node, inode);
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

/* The number of the inode at this position of a folder: always the same, and hardly another's. */
static uint64_t inode_number(const struct inode *dir, uint64_t position)
{
    /* The finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t n = dir->number * 0x9e3779b97f4a7c15 + position;

    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
    n = (n ^ n >> 27) * 0x94d049bb133111eb;
    return (n ^ n >> 31) >> 1 | 2;
}

static uint32_t mode_of(const struct procfs_entry *entry)
{
    uint32_t type = entry->dir != NULL ? S_IFDIR : entry->readlink != NULL ? S_IFLNK : S_IFREG;

    return type | entry->permissions;
}

static const struct inode_ops *ops_of(const struct procfs_entry *entry)
{
    if (entry->dir != NULL)
        return &dir_ops;
    if (entry->readlink == NULL)
        return &file_ops;
    return entry->follow != NULL ? &magic_link_ops : &link_ops;
}

/* NULL: out of memory. */
static struct procfs_node *node_create(struct mount *mount, const struct procfs_entry *entry)
{
    struct procfs_node *node = slab_alloc(node_cache);

    if (node == NULL)
        return NULL;
    memset(node, 0, sizeof(*node));
    inode_init(&node->inode, ops_of(entry), mount, mode_of(entry), NULL);
    node->entry = entry;
    return node;
}

/* What is about a process is its user's. -ESRCH: it is gone. */
static int take_owner(struct procfs_node *node)
{
    struct process_report report;
    int error = process_report(procfs_pid(node), procfs_tid(node), &report);

    node->inode.uid = report.uid[1];
    node->inode.gid = report.gid[1];
    return error;
}

/* What is at `position` of a folder; `number` is that of a numbered entry, else -1. */
static int make_child(struct procfs_node *dir, const struct procfs_entry *entry, uint64_t position,
                      int number, struct inode **child)
{
    struct procfs_node *node = node_create(dir->inode.mount, entry);

    if (node == NULL)
        return -ENOMEM;
    node->parent = node_of(inode_get(&dir->inode));
    node->inode.number = inode_number(&dir->inode, position);
    memcpy(node->number, dir->number, sizeof(node->number));
    if (number >= 0)
        node->number[dir->entry->dir->number_is] = number;
    if (procfs_pid(node) != 0 && take_owner(node) != 0) {
        inode_put(&node->inode);
        return -ENOENT;
    }
    *child = &node->inode;
    return 0;
}

static struct inode *free_node(struct inode *inode)
{
    struct procfs_node *node = node_of(inode), *parent = node->parent;

    slab_free(node_cache, node);
    return parent != node ? &parent->inode : NULL;
}

/* ---- Folders -------------------------------------------------------------------------------- */

/* A number as it is printed, without zeroes in front; -1: it is none. */
static int parse_number(const char *text, size_t length)
{
    int number = 0;

    if (length == 0 || length > 9 || (text[0] == '0' && length > 1))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = 10 * number + (text[i] - '0');
    }
    return number;
}

static int lookup_number(struct procfs_node *node, const char *name, size_t length,
                         struct inode **found)
{
    const struct procfs_dir *dir = node->entry->dir;
    size_t prefix = strlen(dir->numbered->name);
    int number;

    if (length < prefix || memcmp(name, dir->numbered->name, prefix) != 0)
        return -ENOENT;
    number = parse_number(name + prefix, length - prefix);
    if (number < 0 || dir->next_number(node, number) != number)
        return -ENOENT;
    return make_child(node, dir->numbered, POSITION_FIRST + dir->nr_entries + (unsigned)number,
                      number, found);
}

static int lookup(struct inode *inode, const char *name, size_t length, struct inode **found)
{
    struct procfs_node *node = node_of(inode);
    const struct procfs_dir *dir = node->entry->dir;

    for (size_t i = 0; i < dir->nr_entries; i++) {
        const struct procfs_entry *entry = &dir->entries[i];

        if (strlen(entry->name) == length && memcmp(entry->name, name, length) == 0)
            return make_child(node, entry, POSITION_FIRST + i, -1, found);
    }
    return dir->numbered != NULL ? lookup_number(node, name, length, found) : -ENOENT;
}

static struct inode *parent_of(struct inode *inode)
{
    return inode_get(&node_of(inode)->parent->inode);
}

static int own_name(struct inode *inode, struct inode *parent, char name[NAME_BYTES_MAX + 1])
{
    const struct procfs_node *node = node_of(inode);
    const struct procfs_dir *dir = node->parent->entry->dir;

    (void)parent;
    if (node->parent == node)
        return -ENOENT;
    if (dir->numbered == node->entry)
        snprintf(name, NAME_BYTES_MAX + 1, "%s%d", node->entry->name, node->number[dir->number_is]);
    else
        strlcpy(name, node->entry->name, NAME_BYTES_MAX + 1);
    return 0;
}

/* The first numbered entry at or behind a position that is behind the others. */
static int next_numbered(struct procfs_node *node, uint64_t position, char *name,
                         struct dir_entry *out)
{
    const struct procfs_dir *dir = node->entry->dir;
    uint64_t first = POSITION_FIRST + dir->nr_entries;
    int number;

    if (dir->numbered == NULL || position - first > INT32_MAX)
        return 0;
    number = dir->next_number(node, (int)(position - first));
    if (number < 0)
        return 0;
    out->position = first + (unsigned)number + 1;
    out->number = inode_number(&node->inode, first + (unsigned)number);
    out->mode = mode_of(dir->numbered);
    snprintf(name, NAME_BYTES_MAX + 1, "%s%d", dir->numbered->name, number);
    return 1;
}

static int next_entry(struct inode *inode, uint64_t position, char name[NAME_BYTES_MAX + 1],
                      struct dir_entry *out)
{
    struct procfs_node *node = node_of(inode);
    const struct procfs_dir *dir = node->entry->dir;

    out->name = name;
    if (position >= POSITION_FIRST + dir->nr_entries)
        return next_numbered(node, position, name, out);
    out->position = position + 1;
    if (position < POSITION_FIRST) {
        strlcpy(name, position == POSITION_SELF ? "." : "..", NAME_BYTES_MAX + 1);
        out->number = position == POSITION_SELF ? inode->number : node->parent->inode.number;
        out->mode = S_IFDIR;
        return 1;
    }
    strlcpy(name, dir->entries[position - POSITION_FIRST].name, NAME_BYTES_MAX + 1);
    out->number = inode_number(inode, position);
    out->mode = mode_of(&dir->entries[position - POSITION_FIRST]);
    return 1;
}

/* ---- Links and files ------------------------------------------------------------------------ */

static int check_private(const struct procfs_node *node)
{
    return node->entry->is_private ? procfs_may_look(procfs_pid(node)) : 0;
}

static int64_t read_link(struct inode *inode, char *target, size_t nr_bytes)
{
    const struct procfs_node *node = node_of(inode);
    int error = check_private(node);

    return error != 0 ? error : node->entry->readlink(node, target, nr_bytes);
}

static int follow_link(struct inode *inode, struct inode **target)
{
    const struct procfs_node *node = node_of(inode);
    int error = check_private(node);

    return error != 0 ? error : node->entry->follow(node, target);
}

static int open_file(struct file *file)
{
    const struct procfs_node *node = node_of(file->inode);
    int error = check_private(node);

    if (error == 0 && node->entry->file_ops != NULL)
        file->ops = node->entry->file_ops;
    if (error == 0 && node->entry->open != NULL)
        error = node->entry->open(file);
    return error;
}

static const struct inode_ops dir_ops = {
    .lookup = lookup,
    .parent = parent_of,
    .own_name = own_name,
    .next_entry = next_entry,
    .has_fixed_attributes = true,
    .free = free_node,
};

static const struct inode_ops file_ops = {
    .parent = parent_of,
    .own_name = own_name,
    .file_ops = &procfs_text_ops,
    .open = open_file,
    .has_fixed_attributes = true,
    .free = free_node,
};

static const struct inode_ops link_ops = {
    .parent = parent_of,
    .own_name = own_name,
    .readlink = read_link,
    .has_fixed_attributes = true,
    .free = free_node,
};

/* Links that are more than a path. */
static const struct inode_ops magic_link_ops = {
    .parent = parent_of,
    .own_name = own_name,
    .readlink = read_link,
    .follow = follow_link,
    .has_fixed_attributes = true,
    .free = free_node,
};

/* ---- Mounting ------------------------------------------------------------------------------- */

static int mount_table(struct mount *mount, const char *options,
                       const struct procfs_entry *root_entry)
{
    struct procfs_node *root;

    if (*options != '\0')
        return -EINVAL;
    root = node_create(mount, root_entry);
    if (root == NULL)
        return -ENOMEM;
    root->parent = root;
    root->inode.number = ROOT_NUMBER;
    mount->root = &root->inode;
    return 0;
}

static int mount_procfs(struct mount *mount, const char *options)
{
    return mount_table(mount, options, &procfs_root_entry);
}

static int mount_sysfs(struct mount *mount, const char *options)
{
    return mount_table(mount, options, &sysfs_root_entry);
}

static void unmount(struct mount *mount)
{
    inode_put(mount->root);
}

static struct file_system procfs = {
    .name = "proc",
    .mount = mount_procfs,
    .unmount = unmount,
    .magic = PROC_SUPER_MAGIC,
};

static struct file_system sysfs = {
    .name = "sysfs",
    .mount = mount_sysfs,
    .unmount = unmount,
    .magic = SYSFS_MAGIC,
};

static void mount_on(const char *path, const char *name)
{
    int error = path_make(NULL, path, S_IFDIR | 0555, 0);

    if (error == 0 || error == -EEXIST)
        error = mount_new(NULL, path, name, name, MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
    if (error != 0)
        panic("procfs: no memory for %s", path);
}

void procfs_init(void)
{
    node_cache = slab_cache_create("procfs node", sizeof(struct procfs_node), 0, SLAB_USER);
    file_system_register(&procfs);
    file_system_register(&sysfs);
    mount_on("/proc", "proc");
    mount_on("/sys", "sysfs");
}
