#ifndef KERNEL_INOTIFY_H
#define KERNEL_INOTIFY_H

/*
 * Telling programs what happens to files (kernel/fs/inotify.c has the theory). What the file
 * systems call costs a look at one counter while nobody watches anything.
 */

#include <stdatomic.h>

#include <kernel/types.h>
#include <kernel/vnode.h>
#include <linux/inotify.h>

struct file;

/* A file that events can be read from, as inotify_init1(). 0, -EMFILE, -ENOMEM. */
int inotify_create(unsigned flags, struct file **file) MUST_CHECK;

bool inotify_is_instance(const struct file *file);

/*
 * As inotify_add_watch() and inotify_rm_watch(), of such a file: the number of the watch, or
 * -EEXIST, -ENOSPC, -ENOMEM; 0, or -EINVAL: there is no such watch.
 */
int inotify_add_watch(struct file *file, struct inode *inode, uint32_t mask) MUST_CHECK;
int inotify_remove_watch(struct file *file, int number) MUST_CHECK;

extern atomic_uint inotify_nr_watches;

/* Whether anybody watches anything: asked before what follows. */
static inline bool inotify_is_used(void)
{
    return unlikely(atomic_load_explicit(&inotify_nr_watches, memory_order_relaxed) != 0);
}

/*
 * These are told when it has happened, with no lock held, by who has a reference to the inode. All
 * may sleep, but for inotify_inode_gone().
 */

/* To an inode, which its own watchers are told and those of the folder that it is in. */
RARELY_CALLED void inotify_happened_slow(struct inode *inode, uint32_t mask);

static inline void inotify_happened(struct inode *inode, uint32_t mask)
{
    if (inotify_is_used())
        inotify_happened_slow(inode, mask);
}

/* To a name in a folder (IN_CREATE, IN_DELETE); `mask` has IN_ISDIR in it if it is one. */
RARELY_CALLED void inotify_happened_in_slow(struct inode *dir, const char *name, size_t length,
                                            uint32_t mask);

static inline void inotify_happened_in(struct inode *dir, const char *name, size_t length,
                                       uint32_t mask)
{
    if (inotify_is_used())
        inotify_happened_in_slow(dir, name, length, mask);
}

/* To the inode only: IN_ATTRIB, when its links have changed. */
void inotify_happened_to(struct inode *inode, uint32_t mask);

/* `inode` has got another name. */
void inotify_moved(struct inode *inode, const struct dir_name *from, const struct dir_name *to);

/* Nobody has a reference any more: it was removed, or its file system is unmounted. */
void inotify_inode_gone(struct inode *inode);

#endif
