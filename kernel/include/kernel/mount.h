#ifndef KERNEL_MOUNT_H
#define KERNEL_MOUNT_H

/*
 * File systems, and where they are mounted (kernel/fs/mount.c has the theory).
 */

#include <asm/statfs.h>
#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/types.h>
#include <kernel/vnode.h>

struct mount;

/* A kind of file system. May sleep. */
struct file_system {
    const char *name; /* as mount() and /proc/filesystems have it */
    /*
     * Makes mount->root, with one reference, and sets mount->private. `options` is what mount()
     * was given, "" at least. 0, -EINVAL (an option that it does not know), -ENOMEM.
     */
    int (*mount)(struct mount *mount, const char *options);
    /* New options for one that is mounted (MS_REMOUNT). NULL: it has none that can change. */
    int (*remount)(struct mount *mount, const char *options);
    /*
     * Whether anybody has a reference to an inode of it, apart from those that its inodes have to
     * each other and mount->root. NULL: only the root's references count.
     */
    bool (*is_busy)(struct mount *mount);
    /* Nobody uses it, or ever will: drops mount->root and frees what is left. */
    void (*unmount)(struct mount *mount);
    /* What statfs() says, beside the type, flags and f_fsid. NULL: nothing. */
    void (*statfs)(struct mount *mount, struct statfs *statfs);
    uint32_t magic;           /* f_type */
    bool has_device;          /* /proc/filesystems says "nodev" of those without */
    struct file_system *next; /* mount.c's */
};

#define MOUNT_TEXT_MAX 64

/* Locks: c constant once it is mounted, a atomic, m mount_lock. */
struct mount {
    const struct file_system *type; /* c */
    struct inode *root;             /* c  a reference */
    void *private;                  /* c  the file system's own */
    uint64_t device;                /* c  st_dev of its inodes */
    atomic_uint flags;              /* a  MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME */
    atomic_uint nr_writers;         /* a  files open for writing */
    struct mutex rename_lock;       /* held while a name moves to another folder */
    struct inode *covers;           /* m  a reference; NULL: on nothing */
    uint64_t number;                /* c  in the order of mounting */
    struct list_node link;          /* m */
    char source[MOUNT_TEXT_MAX];    /* c  what mount() was given */
    char options[MOUNT_TEXT_MAX];   /* m  the same */
};

/* Makes a kind known. Once for each, while booting. */
void file_system_register(struct file_system *type);

/* The one after `type` (NULL: the first); NULL: there are no more. */
const struct file_system *file_system_next(const struct file_system *type);

/* The root of all: a tmpfs. Once, while booting; panics when out of memory. */
void mount_init(void);

/* Frames that all files of tmpfs have. */
size_t tmpfs_nr_frames(void);

/* The kind that is always there. */
extern struct file_system tmpfs_file_system;

/*
 * mount() of a new file system: `type` on the folder at `path` seen from `start`. 0, -ENODEV, what
 * path_find() and type->mount() say, -ENOTDIR, -ENOMEM.
 */
int mount_new(struct inode *start, const char *path, const char *type, const char *source,
              unsigned flags, const char *options) MUST_CHECK;

/* MS_REMOUNT and MS_MOVE. -EINVAL: nothing is mounted there. -EBUSY: files are open for writing. */
int mount_change(struct inode *start, const char *path, unsigned flags,
                 const char *options) MUST_CHECK;
int mount_move(struct inode *start, const char *from, const char *to) MUST_CHECK;

/*
 * umount2(). -EINVAL: nothing is mounted there, or it is the root of all; -EBUSY: it is in use, or
 * something is mounted below it, and `is_lazy` is false. What is in use is freed later, when
 * something is mounted or unmounted.
 */
int mount_remove(struct inode *start, const char *path, bool no_follow, bool is_lazy) MUST_CHECK;

/* For the walk: what is mounted on `dir`, or `dir`; takes over its reference, gives one. */
struct inode *mount_enter_slow(struct inode *dir);

static inline struct inode *mount_enter(struct inode *dir)
{
    return unlikely(atomic_load_explicit(&dir->covered_by, memory_order_relaxed) != NULL)
               ? mount_enter_slow(dir)
               : dir;
}

/*
 * The folder that `root` is mounted on, with a reference; NULL: it is no file system's root, or is
 * mounted on nothing.
 */
struct inode *mount_covered(struct inode *root);

/* What /proc/mounts says of one. */
struct mount_info {
    uint64_t number;
    uint64_t parent; /* number of what it is mounted in; 0: nothing */
    uint64_t device;
    unsigned flags;
    const struct file_system *type;
    char source[MOUNT_TEXT_MAX], options[MOUNT_TEXT_MAX];
};

/*
 * The first whose number is above `after` (0: the first of all) and that can be reached from the
 * caller's root. `path` (at least PATH_MAX bytes): where it is mounted, *at is where in that buffer
 * it starts. False: there is none. May sleep.
 */
bool mount_next(uint64_t after, struct mount_info *info, char *path, size_t nr_bytes, size_t *at);

/* What statfs() says of the file system that an inode is of. */
void mount_statfs(struct mount *mount, struct statfs *statfs);

#endif
