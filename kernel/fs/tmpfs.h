#ifndef KERNEL_FS_TMPFS_H
#define KERNEL_FS_TMPFS_H

/* What the two halves of tmpfs share: kernel/fs/tmpfs.c has the theory. */

#include <kernel/mount.h>
#include <kernel/rbtree.h>
#include <kernel/spinlock.h>
#include <kernel/vnode.h>

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
    struct page_tree pages; /* of a file: inode.lock, or held */
    char *target;           /* of a symbolic link: constant, without a NUL */
    bool may_get_name;      /* inode.lock: it has never had one */

    /* Of a folder. */
    struct rb_tree by_name, by_position; /* inode.lock */
    uint64_t next_position;              /* inode.lock */

    /* Where it is: `entry` is a name of its in `parent`. Locks: `parent`'s, and tmpfs_names_lock.
     */
    struct node *parent; /* of a folder: always there, a reference; else NULL without `entry` */
    struct entry *entry; /* NULL: removed, or the root, or another name is left */
};

/* One that is mounted. 0: no limit of its own. */
struct tmpfs {
    atomic_ulong nr_nodes, nr_pages;
    atomic_ulong nr_nodes_max, nr_pages_max;
    atomic_ulong nr_unnamed; /* nodes that have lost all their names, and are in use */
};

static inline struct node *node_of(struct inode *inode)
{
    return container_of(inode, struct node, inode);
}

static inline struct tmpfs *tmpfs_of(const struct inode *inode)
{
    return inode->mount->private;
}

/* A node with one reference, in no folder yet. -ENOSPC. `dir`: as inode_init(). */
int tmpfs_node_create(struct mount *mount, uint32_t mode, struct inode *dir, struct node **node);

/* Of any node. */
struct inode *tmpfs_free(struct inode *inode);
struct inode *tmpfs_parent(struct inode *inode);
int tmpfs_own_name(struct inode *inode, struct inode *parent, char name[NAME_BYTES_MAX + 1]);

/* tmpfs_dir.c */
extern const struct inode_ops tmpfs_dir_ops;
extern struct spinlock tmpfs_names_lock;

/* Where a folder goes on: the first entry at or behind `position`, or NULL. Locked. */
struct entry *tmpfs_find_position(const struct node *dir, uint64_t position);

/* Takes an entry out of its folder and frees it; its node's reference is the caller's. Locked. */
void tmpfs_drop_entry(struct node *dir, struct entry *entry);

#endif
