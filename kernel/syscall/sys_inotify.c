/* System calls about watching files. */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/inotify.h>
#include <linux/fcntl.h>
#include <proc/process.h>

#include "sys.h"
#include "sys_path.h"

#define MASK_KNOWN                                                                                 \
    (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW |       \
     IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)

int64_t sys_inotify_init1(unsigned flags)
{
    struct file *file;
    int error;

    if (flags & ~(unsigned)(IN_CLOEXEC | IN_NONBLOCK))
        return -EINVAL;
    error = inotify_create(flags & IN_NONBLOCK, &file);
    return error != 0 ? error : syscall_install(file, flags & IN_CLOEXEC);
}

int64_t sys_inotify_init(void)
{
    return sys_inotify_init1(0);
}

/* What the descriptor stands for, with a reference. 0, -EBADF, -EINVAL. */
static int get_instance(int fd, struct file **file)
{
    *file = fd_get(process_current()->files, fd);
    if (*file == NULL)
        return -EBADF;
    if (inotify_is_instance(*file))
        return 0;
    file_put(*file);
    return -EINVAL;
}

static int add_watch(struct file *file, vaddr_t path_at, uint32_t mask)
{
    struct inode *inode;
    int result =
        user_path_find(AT_FDCWD, path_at, mask & IN_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0, &inode);

    if (result != 0)
        return result;
    result = inode_may(inode, MAY_READ);
    if (result == 0 && (mask & IN_ONLYDIR) && !inode_is_dir(inode))
        result = -ENOTDIR;
    if (result == 0)
        result = inotify_add_watch(file, inode, mask);
    inode_put(inode);
    return result;
}

int64_t sys_inotify_add_watch(int fd, vaddr_t path_at, uint32_t mask)
{
    struct file *file;
    int result;

    if (mask == 0 || mask & ~(uint32_t)MASK_KNOWN ||
        (mask & (IN_MASK_ADD | IN_MASK_CREATE)) == (IN_MASK_ADD | IN_MASK_CREATE))
        return -EINVAL;
    result = get_instance(fd, &file);
    if (result != 0)
        return result;
    result = add_watch(file, path_at, mask);
    file_put(file);
    return result;
}

int64_t sys_inotify_rm_watch(int fd, int watch)
{
    struct file *file;
    int error = get_instance(fd, &file);

    if (error != 0)
        return error;
    error = inotify_remove_watch(file, watch);
    file_put(file);
    return error;
}
