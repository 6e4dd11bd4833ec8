/*
 * open(): from a path to an open file.
 *
 * The walk ends at an inode that is there, or, with O_CREAT, at the folder where one is made: of
 * several who create a name at once one makes it, and the others find it. Who makes a file may do
 * with it what the flags say, whatever its mode.
 */

#include <kernel/credentials.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/inotify.h>
#include <kernel/mount.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>

/* What fcntl() can see later, beside the access mode. O_SYNC has O_DSYNC in it. */
#define FLAGS_KEPT                                                                                 \
    (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_NOATIME | O_DIRECTORY | O_NOFOLLOW | O_PATH |  \
     O_LARGEFILE | __O_TMPFILE)

/* With O_PATH nothing else counts. */
#define FLAGS_WITH_PATH (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const struct file_ops path_ops, fifo_ops; /* can do nothing */

static bool wants_write(unsigned flags)
{
    return (flags & O_ACCMODE) != O_RDONLY;
}

static bool is_read_only(const struct inode *inode)
{
    return atomic_load(&inode->mount->flags) & MS_RDONLY;
}

/* A file in the folder at the end of the walk. 1: it is new; -EEXIST: another was faster. */
static int create(const struct path_last *last, uint32_t mode, struct inode **inode)
{
    struct inode *dir = last->dir;
    int error;

    if (last->has_slash)
        return -EISDIR;
    if (dir->nr_links == 0)
        return -ENOENT; /* it has been removed */
    error = inode_may(dir, MAY_WRITE | MAY_EXEC);
    if (error == 0 && dir->ops->create == NULL)
        error = -EPERM;
    if (error == 0)
        error = dir->ops->create(dir, last->name, last->length,
                                 S_IFREG | (mode & 07777 & ~path_umask()), 0, inode);
    return error == 0 ? 1 : error;
}

/* The inode at the end of the walk; made, if the flags say so: 1. */
static int find_or_create(struct path_last *last, unsigned flags, uint32_t mode,
                          struct inode **inode)
{
    int error;

    do {
        if ((flags & O_CREAT) && last->has_slash && !path_is_dots(last))
            return -EISDIR;
        error = path_find_last(last, inode);
        if (error == 0 && last->has_slash && !inode_is_dir(*inode)) {
            inode_put(*inode);
            return flags & O_CREAT ? -EISDIR : -ENOTDIR;
        }
        if (error == -ELOOP && (flags & O_CREAT) && last->has_slash)
            return -EISDIR;
        if (error != -ENOENT || !(flags & O_CREAT) || last->name == NULL)
            return error;
        error = create(last, mode, inode);
    } while (error == -EEXIST);
    return error;
}

/* Whether what is there may be opened like that. */
static int check_open(struct inode *inode, unsigned flags)
{
    unsigned access = (flags & O_ACCMODE) == O_WRONLY ? 0 : MAY_READ;
    int error;

    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if ((flags & O_DIRECTORY) && !inode_is_dir(inode))
        return -ENOTDIR;
    if (flags & O_PATH)
        return 0;
    if (inode_is_link(inode))
        return -ELOOP;
    if (inode_is_dir(inode) && (wants_write(flags) || (flags & (O_CREAT | O_TRUNC))))
        return -EISDIR;
    if (wants_write(flags) || (flags & O_TRUNC))
        access |= MAY_WRITE;
    /* O_PATH may have kept an inode of what is somebody else's by now. */
    if (inode->ops->keep_attributes != NULL)
        inode->ops->refresh(inode);
    error = inode_may(inode, access);
    if (error == 0 && (flags & O_NOATIME) && inode_may_own(inode) == -EPERM)
        error = -EPERM;
    return error;
}

/* What a file of this inode does; NULL with *error set: it cannot be opened. */
static const struct file_ops *ops_of(const struct inode *inode, unsigned flags,
                                     const struct device_driver **driver, int *error)
{
    *error = -ENXIO;
    *driver = NULL;
    if (flags & O_PATH)
        return &path_ops;
    if (inode->ops->file_ops != NULL)
        return inode->ops->file_ops;
    if (inode_is_dir(inode))
        return &dir_file_ops;
    if (inode_is_regular(inode))
        return &regular_file_ops;
    if (S_ISFIFO(inode->mode))
        return &fifo_ops; /* fifo_open() sets others */
    if (!S_ISCHR(inode->mode))
        return NULL;
    *error = atomic_load(&inode->mount->flags) & MS_NODEV ? -EACCES : -ENXIO;
    if (*error == -ENXIO)
        *driver = device_find(inode->device);
    return *driver != NULL ? (*driver)->ops : NULL;
}

/* As file_open_inode(); takes over the reference to the inode, whether or not it works. */
static int open_inode(struct inode *inode, unsigned flags, struct file **file)
{
    const struct device_driver *driver;
    int error;
    const struct file_ops *ops = ops_of(inode, flags, &driver, &error);

    if (ops != NULL)
        error = wants_write(flags) ? inode_get_writer(inode) : 0;
    if (error != 0) {
        inode_put(inode);
        return error;
    }
    *file = file_create(ops, flags & (FLAGS_KEPT | O_NOCTTY), inode, NULL);
    if (*file == NULL) {
        if (wants_write(flags))
            inode_put_writer(inode);
        inode_put(inode);
        return -ENOMEM;
    }
    /* It may have been remounted since the permissions were looked at: now it is counted. */
    if (wants_write(flags) && inode_is_regular(inode) && is_read_only(inode))
        error = -EROFS;
    else if (ops == &fifo_ops)
        error = fifo_open(*file);
    else if (driver != NULL && driver->open != NULL)
        error = driver->open(*file, inode->device);
    else if (inode->ops->open != NULL && !(flags & O_PATH))
        error = inode->ops->open(*file);
    atomic_fetch_and(&(*file)->flags, ~(unsigned)O_NOCTTY); /* it is for who opens */
    if (error != 0)
        file_free(*file);
    return error;
}

int file_open_inode(struct inode *inode, unsigned flags, struct file **file)
{
    return open_inode(inode_get(inode), flags, file);
}

/* A file without a name in the folder at the end of the walk. */
static int open_unnamed(struct path_last *last, unsigned flags, uint32_t mode, struct file **file)
{
    struct inode *dir, *inode;
    int error = path_find_last(last, &dir);

    if (error != 0)
        return error;
    if (!inode_is_dir(dir))
        error = -ENOTDIR;
    else if (dir->ops->create_unnamed == NULL)
        error = -EOPNOTSUPP;
    else
        error = inode_may(dir, MAY_WRITE | MAY_EXEC);
    if (error == 0)
        error = dir->ops->create_unnamed(dir, S_IFREG | (mode & 07777 & ~path_umask()),
                                         !(flags & O_EXCL), &inode);
    inode_put(dir);
    if (error != 0)
        return error;
    return open_inode(inode, flags, file);
}

static RARELY_CALLED void tell_opened(const struct path_last *last, struct file *file, bool is_new)
{
    if (is_new)
        inotify_happened_in(last->dir, last->name, last->length, IN_CREATE);
    if (file->inode != NULL && !(atomic_load(&file->flags) & O_PATH))
        inotify_happened(file->inode, IN_OPEN);
}

static int open_last(struct path_last *last, unsigned flags, uint32_t mode, struct file **file)
{
    struct inode *inode;
    int found = find_or_create(last, flags, mode, &inode);
    int error = found == 1 ? 0 : found;

    if (error != 0)
        return error;
    if (found == 0)
        error = check_open(inode, flags);
    if (error != 0) {
        inode_put(inode);
        return error;
    }
    error = open_inode(inode, flags, file);
    if (error != 0)
        return error;
    inode = (*file)->inode; /* another, perhaps: the reference to the first is handed on */
    if (found == 0 && (flags & O_TRUNC) && inode != NULL && inode_is_regular(inode)) {
        error = inode_truncate(inode, 0);
        if (error != 0)
            file_put(*file);
    }
    if (inotify_is_used() && error == 0)
        tell_opened(last, *file, found == 1);
    return error;
}

int file_check_flags(unsigned flags)
{
    if (flags & O_PATH)
        flags &= FLAGS_WITH_PATH;
    if ((flags & O_ACCMODE) == O_ACCMODE || (flags & O_DIRECT) ||
        (flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        return -EINVAL;
    if ((flags & __O_TMPFILE) && (!(flags & O_DIRECTORY) || !wants_write(flags)))
        return -EINVAL;
    return 0;
}

int file_open(struct inode *start, const char *path, unsigned flags, uint32_t mode,
              struct file **file)
{
    struct path_last last;
    unsigned walk;
    int error;

    if (flags & O_PATH)
        flags &= FLAGS_WITH_PATH;
    else
        flags |= O_LARGEFILE; /* as F_GETFL tells it where all files may be large */
    walk = (flags & O_NOFOLLOW) || ((flags & O_CREAT) && (flags & O_EXCL)) ? PATH_NO_FOLLOW : 0;
    error = path_find_parent(start, path, walk, &last);
    if (error != 0)
        return error;
    if (flags & __O_TMPFILE)
        error = open_unnamed(&last, flags, mode, file);
    else
        error = open_last(&last, flags, mode, file);
    path_put_last(&last);
    return error;
}
