#ifndef KERNEL_VNODE_H
#define KERNEL_VNODE_H

/*
 * Inodes, what a file system is made of: folders, regular files and devices, without their names
 * and independent of who has them open; and the way from a path to an inode (kernel/fs/path.c).
 *
 * Whoever keeps a pointer to an inode has a reference. An inode whose links are gone lives until
 * its last reference is given back.
 *
 * Lock order: mount->rename_lock; folders' locks, one before those below it, and two of which
 * neither is below the other by address (only with rename_lock held); locks of other inodes. An
 * inode's write_lock comes before an address space's, which comes before its lock. Neither a
 * folder's lock nor inode->lock is ever held while user memory is touched, or an address space
 * locked.
 */

#include <stdatomic.h>

#include <asm/stat.h>
#include <kernel/mutex.h>
#include <kernel/types.h>
#include <mm/file_map.h>

struct inode_ops;

struct mount;
struct file;
struct file_ops;
struct file_locks;
struct page_tree;

/*
 * Locks: c constant after creation, l lock, w write_lock to change it, and lock to make it smaller,
 * a atomic, la lock to change it, m mount_lock (kernel/fs/mount.c) to change it.
 */
struct inode {
    const struct inode_ops *ops; /* c */
    atomic_uint nr_refs;
    _Atomic uint32_t mode;                 /* la as st_mode: type (c) and permissions */
    _Atomic uint32_t uid, gid;             /* la */
    uint32_t device;                       /* c  as st_rdev, of a device */
    uint64_t number;                       /* c */
    struct mount *mount;                   /* c  the file system that it is of */
    struct mount *_Atomic covered_by;      /* m  what is mounted on this folder; NULL: nothing */
    struct file_locks *_Atomic file_locks; /* a  kernel/fs/locks.c; NULL: there never was one */
    struct mutex lock;
    struct mutex write_lock;      /* held during a whole write or truncation */
    unsigned nr_links;            /* l  0: no path leads here any more */
    uint64_t nr_bytes;            /* w  size of a regular file, length of a symbolic link */
    _Atomic uint64_t accessed_ns; /* a  these three: CLOCK_REALTIME */
    uint64_t modified_ns;         /* l  contents */
    uint64_t changed_ns;          /* l  anything */
    struct page_tree *pages;      /* c  of a regular file: those that are there, to be held */
    struct area_source source;    /* memory that shows a regular file (kernel/fs/mapping.c) */
    atomic_int nr_writers;        /* a  > 0: so many write to it; < 0: so many run it */
    void *endpoint;               /* l  of a FIFO or socket: who is there; NULL: nobody */
};

/* One name in a folder, as next_entry() tells it. */
struct dir_entry {
    uint64_t position; /* the one to ask with for what follows */
    uint64_t number;   /* of the inode */
    uint32_t mode;
    const char *name; /* in a buffer of the caller's */
};

#define NAME_BYTES_MAX 255

enum inode_attribute { ATTRIBUTE_MODE = 1, ATTRIBUTE_UID = 2, ATTRIBUTE_GID = 4 };

/* A name within a folder: `length` bytes without a NUL, never "." or "..". */
struct dir_name {
    struct inode *dir;
    const char *text;
    size_t length;
};

/*
 * What a kind of inode can do. All may sleep; names are `length` bytes without a NUL, never "." or
 * "..". Results are 0 or -errno; an inode that is handed out comes with a reference. Permissions
 * have been checked, except those that depend on what a name stands for (inode_may_remove()).
 */
struct inode_ops {
    /* Folders only; NULL: the inode is no folder. -ENOENT. */
    int (*lookup)(struct inode *dir, const char *name, size_t length, struct inode **found);

    /*
     * The folder that the inode's own name is in (the root's is the root). Every folder has it;
     * other kinds may, and NULL is returned when there is none any more.
     */
    struct inode *(*parent)(struct inode *inode);
    /* That name, with a NUL; -ENOENT when it has been removed, or is not in `parent` any more. */
    int (*own_name)(struct inode *inode, struct inode *parent, char name[NAME_BYTES_MAX + 1]);
    /*
     * The first entry at or behind `position` (0: the start), "." and ".." included; `name` is
     * where its name goes. 1, or 0 when there is none. Folders only.
     */
    int (*next_entry)(struct inode *dir, uint64_t position, char name[NAME_BYTES_MAX + 1],
                      struct dir_entry *entry);

    /* The rest of a folder's. NULL: -EPERM. */
    /* -EEXIST; -ENOENT when `dir` has been removed; -ENOSPC. */
    int (*create)(struct inode *dir, const char *name, size_t length, uint32_t mode,
                  uint32_t device, struct inode **created);
    /* The same for a symbolic link to `target`. */
    int (*symlink)(struct inode *dir, const char *name, size_t length, const char *target);
    /* A file without a name, which it may get by link() or not. -ENOSPC. */
    int (*create_unnamed)(struct inode *dir, uint32_t mode, bool may_get_name,
                          struct inode **created);
    /* One more name for `file`, which is no folder. As create(); -ENOENT, -EMLINK. */
    int (*link)(struct inode *dir, const char *name, size_t length, struct inode *file);
    /* -ENOENT, -ENOTDIR, -EISDIR, -ENOTEMPTY, -EBUSY. */
    int (*remove)(struct inode *dir, const char *name, size_t length, bool is_dir);
    /*
     * As renameat2(), within one file system; the caller holds mount->rename_lock if the folders
     * differ. `flags`: RENAME_NOREPLACE or RENAME_EXCHANGE.
     */
    int (*rename)(const struct dir_name *from, const struct dir_name *to, unsigned flags);

    /* Symbolic links only: the target, without a NUL, as much as fits; its length. NULL: no link.
     */
    int64_t (*readlink)(struct inode *link, char *target, size_t nr_bytes);
    /* What a link stands for that is more than a path. NULL: walk what readlink() says. */
    int (*follow)(struct inode *link, struct inode **target);

    /*
     * The frame of page `index`, with a reference. What is not there is PADDR_NONE, or, with
     * `is_write`, made: zeroes. 0, -ENOSPC or -EFBIG. NULL: not a regular file with contents.
     */
    int (*page)(struct inode *inode, uint64_t index, bool is_write, paddr_t *frame);
    /* As page() with is_write, but what is behind the end of the file at that moment is -EIO. */
    int (*shared_page)(struct inode *inode, uint64_t index, paddr_t *frame);
    /* The least number from `index` on of a page that is there; UINT64_MAX: there is none. */
    uint64_t (*next_page)(struct inode *inode, uint64_t index);
    /* How many are there. */
    uint64_t (*nr_pages)(struct inode *inode);

    /* Sets the size of a regular file; what is cut off is lost. 0 or -EFBIG. NULL as `page`. */
    int (*resize)(struct inode *inode, uint64_t nr_bytes);
    /* Makes pages first to end - 1 holes. NULL as `page`. The write lock is held. */
    void (*punch)(struct inode *inode, uint64_t first, uint64_t end);

    /* What an open file of this inode does (kernel/file.h); NULL: what is usual for its type. */
    const struct file_ops *file_ops;
    /* Prepares such a file, which has its ops and its inode. 0 or -errno. NULL: nothing to do. */
    int (*open)(struct file *file);
    /*
     * Brings the fields up to date before stat() looks at them, and with keep_attributes() also
     * before chmod(), chown() and open() do. No lock is held. NULL: they are.
     */
    void (*refresh)(struct inode *inode);
    bool has_fixed_attributes; /* chmod(), chown() and utimensat(): -EPERM */
    /*
     * What `changed` says, as enum inode_attribute, has been changed: keeps that, and nothing else,
     * because it outlives the inode; locked. NULL: the inode keeps it. With it, chmod() and chown()
     * are allowed in any case, and others may have changed any of them since refresh().
     */
    void (*keep_attributes)(struct inode *inode, unsigned changed);

    /* The last reference is gone: frees the inode. Returns one to drop in turn, or NULL. */
    struct inode *(*free)(struct inode *inode);
};

/*
 * The fields of a new inode, but for its number and device. Its owner is the caller, its group
 * that of `dir` if that says so (NULL: both are root's), S_ISGID of a folder likewise; mode & 07777
 * is taken as it is. One reference; one link, or two of a folder. `memory` need not be cleared.
 */
void inode_init(struct inode *inode, const struct inode_ops *ops, struct mount *mount,
                uint32_t mode, const struct inode *dir);

/* One more reference; one less (the last one frees; `inode` may be NULL; may sleep). */
struct inode *inode_get(struct inode *inode);
void inode_put(struct inode *inode);

static inline bool inode_is_dir(const struct inode *inode)
{
    return inode->ops->lookup != NULL;
}

/* Whether its contents are here, in pages: then it can be read by inode_read(), and mapped. */
static inline bool inode_is_regular(const struct inode *inode)
{
    return inode->ops->page != NULL;
}

static inline bool inode_is_link(const struct inode *inode)
{
    return inode->ops->readlink != NULL;
}

/* What fstat() says. */
void inode_stat(struct inode *inode, struct stat *stat);

/* The size of a regular file; 0 of anything else. */
uint64_t inode_size(const struct inode *inode);

/* CLOCK_REALTIME, for modified_ns. */
uint64_t inode_time_ns(void);

/* The contents, or only something else, have changed just now. Locked. */
void inode_touch_modified(struct inode *inode);
void inode_touch_changed(struct inode *inode);

/*
 * It has been read. As Linux with the option `relatime`, the time is kept only if nobody has read
 * it since it was changed; nothing is said of readings more than a day apart.
 */
void inode_touch_accessed(struct inode *inode);

/* ---- Who may do what (kernel/fs/permission.c) ------------------------------------------------ */

enum inode_access {
    MAY_EXEC = 1, /* of a folder: look names up in it */
    MAY_WRITE = 2,
    MAY_READ = 4,
    MAY_AS_REAL = 8, /* ask for the real user and group, not the effective ones */
};

/* Whether the caller may do all of it. 0, -EACCES, -EROFS. Any context that may sleep. */
int inode_may(struct inode *inode, unsigned access) MUST_CHECK;

/* Whether the caller is the owner, or may act as one. 0, -EPERM, -EROFS. */
int inode_may_own(const struct inode *inode) MUST_CHECK;

/*
 * Whether `victim` may be taken out of `dir`, whose permissions have been checked: it may be in a
 * folder with S_ISVTX, or something may be mounted on it. 0, -EPERM, -EBUSY.
 */
int inode_may_remove(const struct inode *dir, const struct inode *victim) MUST_CHECK;

/* As chmod(), chown() (-1: stays) and utimensat() (UTIME_NOW, UTIME_OMIT have been seen to). */
int inode_change_mode(struct inode *inode, uint32_t mode) MUST_CHECK;
int inode_change_owner(struct inode *inode, uint32_t uid, uint32_t gid) MUST_CHECK;

enum inode_times { SET_ACCESSED = 1, SET_MODIFIED = 2, SET_TO_NOW = 4 };

/* SET_TO_NOW: the times given are the current one, which a writer may set, too. */
int inode_change_times(struct inode *inode, unsigned which, uint64_t accessed_ns,
                       uint64_t modified_ns) MUST_CHECK;

/* Somebody who is not root has written to the file: S_ISUID and S_ISGID go. */
void inode_drop_privileges(struct inode *inode);

/* ---- The contents of regular files (kernel/fs/inode.c) -------------------------------------- */

/*
 * Reads up to nr_bytes at `offset` into user memory, or into the kernel's. Bytes read, fewer at the
 * end of the file; -EFAULT when there are none for that reason.
 */
int64_t inode_read(struct inode *inode, vaddr_t to, size_t nr_bytes, uint64_t offset) MUST_CHECK;
int64_t inode_read_kernel(struct inode *inode, void *to, size_t nr_bytes,
                          uint64_t offset) MUST_CHECK;

/* Pieces of user memory. */
struct io_piece {
    vaddr_t at;
    size_t nr_bytes;
};

/*
 * Writes the pieces one after the other, with no other write in between, at *offset, or, if
 * is_append, at the end, of which *offset tells; makes the file longer as needed. Bytes written, or
 * -EFAULT, -ENOSPC, -EFBIG when there are none for that reason.
 */
int64_t inode_write_pieces(struct inode *inode, const struct io_piece *pieces, unsigned nr,
                           uint64_t *offset, bool is_append) MUST_CHECK;
int64_t inode_write_kernel(struct inode *inode, const void *from, size_t nr_bytes,
                           uint64_t offset) MUST_CHECK;

/*
 * A regular file is written to, or a program runs from it, whose memory shows the file: not both.
 * 0 or -ETXTBSY; each ends with its put. Any context.
 */
int inode_get_writer(struct inode *inode) MUST_CHECK;
void inode_put_writer(struct inode *inode);
int inode_get_runner(struct inode *inode) MUST_CHECK;
void inode_put_runner(struct inode *inode);

/* One more that runs it, where there is one. */
void inode_add_runner(struct inode *inode);

/* Sets the size. 0, -EINVAL (no regular file), -EFBIG, -ETXTBSY. */
int inode_truncate(struct inode *inode, uint64_t nr_bytes) MUST_CHECK;

/* Of regular files (kernel/fs/extents.c); sizes and offsets need not be those of pages. */

#define FILE_BYTES_MAX (1ull << 48)

/* Makes sure that writing there does not fail for lack of room. 0, -ENOSPC, -EFBIG. */
int inode_allocate(struct inode *inode, uint64_t offset, uint64_t nr_bytes,
                   bool keeps_size) MUST_CHECK;

/* Makes it zeroes, and holes as far as possible. ops->punch is not NULL. */
void inode_punch(struct inode *inode, uint64_t offset, uint64_t nr_bytes);

/* As SEEK_DATA and SEEK_HOLE: the offset, or -ENXIO. */
int64_t inode_find_data(struct inode *inode, uint64_t offset) MUST_CHECK;
int64_t inode_find_hole(struct inode *inode, uint64_t offset) MUST_CHECK;

/*
 * Maps a regular file, as space_map_source(). Files that get shorter, or lose pages, unmap pages
 * [first, end) wherever they are mapped (source_cut(); with write_lock held, after the change).
 */
int64_t inode_map(struct inode *inode, struct space *space, vaddr_t va, size_t nr_bytes,
                  unsigned prot, unsigned flags, uint64_t offset) MUST_CHECK;
void inode_unmap(struct inode *inode, uint64_t first, uint64_t end, bool is_shared_only);

/* The inode behind a source, with a reference; NULL: it is no file. The space is locked. */
struct inode *inode_get_mapped(struct area_source *source);

/* A regular file without a name, of nr_bytes zeroes, in the root of all. 0, -ENOSPC, -EFBIG. */
int inode_create_unnamed(uint32_t mode, uint64_t nr_bytes, struct inode **created) MUST_CHECK;

extern struct inode *root_inode; /* the first root: a tmpfs; c once it runs */

/* ---- Paths (kernel/fs/path.c) ---------------------------------------------------------------- */

#define LINKS_FOLLOWED_MAX 40 /* in one path, as on Linux */

enum path_flags {
    PATH_NO_FOLLOW = 1,      /* a symbolic link at the end is meant itself */
    PATH_AS_REAL = 2,        /* search permission is the real user's (access()) */
    PATH_EMPTY_IS_START = 4, /* an empty path is the folder it is seen from (AT_EMPTY_PATH) */
};

/*
 * The inode at `path`, seen from folder `start` (NULL: the root), with a reference. 0, -ENOENT,
 * -ENOTDIR, -ENAMETOOLONG, -ELOOP, -EACCES, -ENOMEM.
 */
int path_lookup(struct inode *start, const char *path, unsigned flags,
                struct inode **found) MUST_CHECK;

/* The same, following links. */
int path_find(struct inode *start, const char *path, struct inode **found) MUST_CHECK;

/* The last part of a path, and the folder that it is or would be in. path_put_last() ends its use.
 */
struct path_last {
    struct inode *dir; /* with a reference */
    const char *name;  /* not NUL-terminated; NULL: see path_find_last() */
    size_t length;     /* 0: the path is the root */
    bool has_slash;    /* slashes follow: it must be a folder */
    /* path.c's own: */
    unsigned flags;
    unsigned nr_links;  /* followed so far */
    char *text;         /* where `name` is, once a link has been followed; NULL: in the path */
    struct inode *root; /* the caller's; with a reference if it is not root_inode */
};

/* As path_lookup(), up to the last part, which may be "." or "..". On failure nothing is held. */
int path_find_parent(struct inode *start, const char *path, unsigned flags,
                     struct path_last *last) MUST_CHECK;

/*
 * What `last` stands for, which changes when that is a link that is followed. As path_lookup();
 * after -ENOENT `last` says where it would be, or has no name: a folder on the way is missing.
 */
int path_find_last(struct path_last *last, struct inode **found) MUST_CHECK;

void path_put_last(struct path_last *last);

static inline bool path_is_dot(const struct path_last *last)
{
    return last->length == 1 && last->name[0] == '.';
}

static inline bool path_is_dotdot(const struct path_last *last)
{
    return last->length == 2 && last->name[0] == '.' && last->name[1] == '.';
}

/* Whether it is no name: "/", "." or "..". */
static inline bool path_is_dots(const struct path_last *last)
{
    return last->length == 0 || path_is_dot(last) || path_is_dotdot(last);
}

/*
 * The path of an inode from the caller's root, ending at the end of `buffer`: where it starts.
 * -ENOENT (removed, or of a kind that does not know its name), -ERANGE (too long). What is not
 * below the root has "(unreachable)" in front.
 */
int64_t path_of(struct inode *inode, char *buffer, size_t nr_bytes) MUST_CHECK;

/* ---- Names (kernel/fs/names.c): what the system calls of the same names do --------------------
 */

/* Creates a folder, a regular file, a device, a FIFO or a socket: mkdir() and mknod(). */
int path_make(struct inode *start, const char *path, uint32_t mode, uint32_t device) MUST_CHECK;

/* As rmdir() (is_dir) and unlink(). */
int path_remove(struct inode *start, const char *path, bool is_dir) MUST_CHECK;

int path_symlink(const char *target, struct inode *start, const char *path) MUST_CHECK;

/* A further name for `file`. */
int path_link(struct inode *file, struct inode *start, const char *path) MUST_CHECK;

/* As renameat2(). The caller has checked `flags`: none, RENAME_NOREPLACE or RENAME_EXCHANGE. */
int path_rename(struct inode *from_start, const char *from, struct inode *to_start, const char *to,
                unsigned flags) MUST_CHECK;

static inline void path_put_root(struct inode *root)
{
    if (root != root_inode)
        inode_put(root);
}

/* ---- Supplied by proc/credentials.c -----------------------------------------------------------
 */

/*
 * The calling process's root: root_inode, which is there for ever and is handed out without a
 * reference, or what chroot() has made it, with one. path_put_root() puts either.
 */
struct inode *path_root(void);

/* Permissions that the calling process takes away from what it creates. */
uint32_t path_umask(void);

#endif
