/* ioctl(): what every file has is done here; all else is its own (struct file_ops). */

#include <asm/ioctls.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <linux/fcntl.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

static int64_t set_nonblocking(struct file *file, vaddr_t from)
{
    int is_on;

    if (user_copy_from(&is_on, from, sizeof(is_on)) != 0)
        return -EFAULT;
    if (is_on)
        atomic_fetch_or(&file->flags, O_NONBLOCK);
    else
        atomic_fetch_and(&file->flags, ~(unsigned)O_NONBLOCK);
    return 0;
}

/* How much is left of a regular file. */
static int64_t bytes_left(struct file *file, vaddr_t to)
{
    uint64_t nr_bytes = inode_size(file->inode), left;
    int number;

    mutex_lock(&file->offset_lock);
    left = nr_bytes - MIN(file->offset, nr_bytes);
    mutex_unlock(&file->offset_lock);
    number = (int)MIN(left, (uint64_t)INT32_MAX);
    return user_copy_to(to, &number, sizeof(number));
}

static int64_t file_ioctl(struct file *file, unsigned request, uint64_t arg)
{
    if (request == FIONBIO)
        return set_nonblocking(file, arg);
    if (request == FIONREAD && file->inode != NULL && inode_is_regular(file->inode))
        return bytes_left(file, arg);
    return file->ops->ioctl != NULL ? file->ops->ioctl(file, request, arg) : -ENOTTY;
}

int64_t sys_ioctl(int fd, unsigned request, uint64_t arg)
{
    struct fd_table *files = process_current()->files;
    struct file *file = fd_get(files, fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    if (atomic_load(&file->flags) & O_PATH)
        result = -EBADF;
    else if (request == FIOCLEX || request == FIONCLEX)
        result = fd_set_close_on_exec(files, fd, request == FIOCLEX);
    else
        result = file_ioctl(file, request, arg);
    file_put(file);
    return result;
}
