#ifndef KERNEL_VNODE_H
#define KERNEL_VNODE_H

/*
 * Inodes, what a file system is made of: folders, regular files and devices, without their names
 * and independent of who has them open; and the way from a path to an inode (kernel/fs/path.c).
 *
 * Whoever keeps a pointer to an inode has a reference. An inode whose links are gone lives until
 * its last reference is given back.
 *
 * Lock order: a folder's lock before those of what is in it; inode->write_lock before inode->lock;
 * both before an address space's. inode->lock is never held while user memory is touched.
 */

#include <stdatomic.h>

#include <asm/stat.h>
#include <kernel/mutex.h>
#include <kernel/types.h>

struct inode_ops;

/* Locks: c constant after creation, l lock, w write_lock and lock to change it, one to read it. */
struct inode {
    const struct inode_ops *ops; /* c */
    atomic_uint nr_refs;
    uint32_t mode;   /* c  as st_mode: type and permissions */
    uint32_t device; /* c  as st_rdev, of a device */
    uint64_t number; /* c */
    struct mutex lock;
    struct mutex write_lock; /* held during a whole write or truncation */
    unsigned nr_links;       /* l  0: no path leads here any more */
    uint64_t nr_bytes;       /* w  size of a regular file */
    uint64_t modified_ns;    /* l  CLOCK_REALTIME */
};

/* One name in a folder, as next_entry() tells it. */
struct dir_entry {
    uint64_t position; /* the one to ask with for what follows */
    uint64_t number;   /* of the inode */
    uint32_t mode;
    const char *name; /* in a buffer of the caller's */
};

#define NAME_BYTES_MAX 255

/*
 * What a kind of inode can do. All may sleep; names are `length` bytes without a NUL, never "." or
 * "..". Results are 0 or -errno; an inode that is handed out comes with a reference.
 */
struct inode_ops {
    /* Folders only; NULL: the inode is no folder. -ENOENT. */
    int (*lookup)(struct inode *dir, const char *name, size_t length, struct inode **found);

    /* The rest of a folder's. NULL where lookup is NULL. */
    struct inode *(*parent)(struct inode *dir); /* the root's is the root */
    /* -EEXIST; -ENOENT when `dir` has been removed; -ENOSPC. */
    int (*create)(struct inode *dir, const char *name, size_t length, uint32_t mode,
                  uint32_t device, struct inode **created);
    /* One more name for `file`, which is no folder. As create(). */
    int (*link)(struct inode *dir, const char *name, size_t length, struct inode *file);
    /* -ENOENT, -ENOTDIR, -EISDIR, -ENOTEMPTY. */
    int (*remove)(struct inode *dir, const char *name, size_t length, bool is_dir);
    /* The folder's own name in its parent, with a NUL; -ENOENT when it has been removed. */
    int (*own_name)(struct inode *dir, char name[NAME_BYTES_MAX + 1]);
    /*
     * The first entry at or behind `position` (0: the start), "." and ".." included; `name` is
     * where its name goes. 1, or 0 when there is none.
     */
    int (*next_entry)(struct inode *dir, uint64_t position, char name[NAME_BYTES_MAX + 1],
                      struct dir_entry *entry);

    /*
     * The frame of page `index`, with a reference. What is not there is PADDR_NONE, or, with
     * `is_write`, made: zeroes. 0, -ENOSPC or -EFBIG. NULL: not a regular file.
     */
    int (*page)(struct inode *inode, uint64_t index, bool is_write, paddr_t *frame);

    /* Sets the size of a regular file; what is cut off is lost. 0 or -EFBIG. NULL as `page`. */
    int (*resize)(struct inode *inode, uint64_t nr_bytes);

    /* The last reference is gone: frees the inode. Returns one to drop in turn, or NULL. */
    struct inode *(*free)(struct inode *inode);
};

/* One more reference; one less (the last one frees; `inode` may be NULL; may sleep). */
struct inode *inode_get(struct inode *inode);
void inode_put(struct inode *inode);

static inline bool inode_is_dir(const struct inode *inode)
{
    return inode->ops->lookup != NULL;
}

static inline bool inode_is_regular(const struct inode *inode)
{
    return inode->ops->page != NULL;
}

/* What fstat() says. */
void inode_stat(struct inode *inode, struct stat *stat);

/* The size of a regular file; 0 of anything else. */
uint64_t inode_size(struct inode *inode);

/* CLOCK_REALTIME, for modified_ns. */
uint64_t inode_time_ns(void);

/* ---- The contents of regular files (kernel/fs/inode.c) -------------------------------------- */

/*
 * Reads up to nr_bytes at `offset` into user memory, or into the kernel's. Bytes read, fewer at the
 * end of the file; -EFAULT when there are none for that reason.
 */
int64_t inode_read(struct inode *inode, vaddr_t to, size_t nr_bytes, uint64_t offset) MUST_CHECK;
int64_t inode_read_kernel(struct inode *inode, void *to, size_t nr_bytes,
                          uint64_t offset) MUST_CHECK;

/*
 * Writes at *offset, or, if is_append, at the end, of which *offset tells; makes the file longer as
 * needed. Bytes written, or -EFAULT, -ENOSPC, -EFBIG when there are none for that reason.
 */
int64_t inode_write(struct inode *inode, vaddr_t from, size_t nr_bytes, uint64_t *offset,
                    bool is_append) MUST_CHECK;
int64_t inode_write_kernel(struct inode *inode, const void *from, size_t nr_bytes,
                           uint64_t offset) MUST_CHECK;

/* Sets the size. 0, -EINVAL (no regular file), -EFBIG. */
int inode_truncate(struct inode *inode, uint64_t nr_bytes) MUST_CHECK;

/*
 * Copies part of a file into mapped memory of `space`, page by page, as space_write(). 0, or what
 * that says; -ENOEXEC when the file ends before.
 */
struct space;
int inode_read_into(struct inode *inode, uint64_t offset, struct space *space, vaddr_t va,
                    size_t nr_bytes) MUST_CHECK;

/* ---- Paths ---------------------------------------------------------------------------------- */

/*
 * The inode at `path`, seen from folder `start` (NULL: the root), with a reference. 0, -ENOENT,
 * -ENOTDIR, -ENAMETOOLONG.
 */
int path_find(struct inode *start, const char *path, struct inode **found) MUST_CHECK;

/* The last part of a path, and the folder that it is or would be in. */
struct path_last {
    struct inode *dir; /* with a reference */
    const char *name;  /* in the path; not NUL-terminated */
    size_t length;     /* 0: the path is the root */
    bool has_slash;    /* slashes follow: it must be a folder */
};

/* As path_find(), up to the last part, which may be "." or "..". */
int path_find_parent(struct inode *start, const char *path, struct path_last *last) MUST_CHECK;

static inline bool path_is_dot(const struct path_last *last)
{
    return last->length == 1 && last->name[0] == '.';
}

static inline bool path_is_dotdot(const struct path_last *last)
{
    return last->length == 2 && last->name[0] == '.' && last->name[1] == '.';
}

/* Creates a folder or a device. As mkdir() and mknod(). */
int path_make(struct inode *start, const char *path, uint32_t mode, uint32_t device) MUST_CHECK;

/* As rmdir() (is_dir) and unlink(). */
int path_remove(struct inode *start, const char *path, bool is_dir) MUST_CHECK;

/*
 * The path of folder `dir` from the root, ending at the end of `buffer`: where it starts, or
 * -ENOENT (removed), -ERANGE (too long).
 */
int64_t path_of_dir(struct inode *dir, char *buffer, size_t nr_bytes) MUST_CHECK;

/* ---- The root: tmpfs ------------------------------------------------------------------------ */

/* Once, while booting; panics when out of memory. Any context. */
void tmpfs_init(void);

extern struct inode *root_inode; /* c once it runs */

#endif
