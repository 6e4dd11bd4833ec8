/* Locks on files: flock(), and those of fcntl(). */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/file_lock.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

/* The bytes that a struct flock means. 0, -EINVAL, -EOVERFLOW. */
static int find_range(struct file *file, const struct flock *lock, struct file_lock_range *range)
{
    int64_t base = 0, first, last;

    switch (lock->l_whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        mutex_lock(&file->offset_lock);
        base = (int64_t)file->offset;
        mutex_unlock(&file->offset_lock);
        break;
    case SEEK_END:
        base = (int64_t)inode_size(file->inode);
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, lock->l_start, &first))
        return -EOVERFLOW;
    if (first < 0)
        return -EINVAL;
    last = INT64_MAX;
    if (lock->l_len > 0 && __builtin_add_overflow(first, lock->l_len - 1, &last))
        return -EOVERFLOW;
    if (lock->l_len < 0) {
        last = first - 1;
        if (__builtin_add_overflow(first, lock->l_len, &first) || first < 0)
            return -EINVAL;
    }
    *range = (struct file_lock_range){(uint64_t)first, (uint64_t)last};
    return 0;
}

/* What is asked for. 0 or -errno. */
static int find_request(struct file *file, const struct flock *lock, bool is_ofd,
                        struct file_lock_request *request)
{
    struct process *process = process_current();
    struct file_lock_range range;
    int error = find_range(file, lock, &range);

    if (error != 0)
        return error;
    *request = (struct file_lock_request){
        .kind = is_ofd ? FILE_LOCK_OPEN : FILE_LOCK_PROCESS,
        .owner = is_ofd ? (const void *)file : process->files,
        .pid = is_ofd ? -1 : process->pid,
        .range = range,
    };
    switch (lock->l_type) {
    case F_RDLCK:
        request->type = FILE_LOCK_SHARED;
        break;
    case F_WRLCK:
        request->type = FILE_LOCK_EXCLUSIVE;
        break;
    case F_UNLCK:
        request->type = FILE_UNLOCK;
        break;
    default:
        return -EINVAL;
    }
    return 0;
}

/* What is in the way, as F_GETLK tells it; F_UNLCK, and the rest as it was: nothing is. */
static void tell(struct flock *lock, const struct file_lock_request *conflict)
{
    if (conflict->type == FILE_UNLOCK) {
        lock->l_type = F_UNLCK;
        return;
    }
    lock->l_type = conflict->type == FILE_LOCK_SHARED ? F_RDLCK : F_WRLCK;
    lock->l_whence = SEEK_SET;
    lock->l_start = (int64_t)conflict->range.first;
    lock->l_len = conflict->range.last == INT64_MAX
                      ? 0
                      : (int64_t)(conflict->range.last - conflict->range.first + 1);
    lock->l_pid = conflict->pid;
}

/* Whether the file is open for what is to be locked. */
static bool may_lock(const struct file *file, enum file_lock_type type)
{
    return (type != FILE_LOCK_SHARED || file_reads(file)) &&
           (type != FILE_LOCK_EXCLUSIVE || file_writes(file));
}

/*
 * A process's locks go when it closes a descriptor of the file. If another LWP did that while this
 * one was setting a lock, it may have come too early for it.
 */
static void drop_if_closed(struct file *file, int fd)
{
    struct fd_table *table = process_current()->files;
    struct file *now = fd_get_any(table, fd);

    if (now != file)
        file_locks_closed(file->inode, table);
    file_put(now);
}

int64_t syscall_lock(struct file *file, int fd, int command, vaddr_t lock_at)
{
    bool is_ofd = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    bool waits = command == F_SETLKW || command == F_OFD_SETLKW, is_question;
    struct file_lock_request request;
    struct flock lock;
    int error;

    if (user_copy_from(&lock, lock_at, sizeof(lock)) != 0)
        return -EFAULT;
    if (file->inode == NULL)
        return -EINVAL;
    is_question = command == F_GETLK || command == F_OFD_GETLK;
    if (is_question && lock.l_type != F_RDLCK && lock.l_type != F_WRLCK)
        return -EINVAL;
    error = find_request(file, &lock, is_ofd, &request);
    if (error != 0)
        return error;
    if (!is_question && !may_lock(file, request.type))
        return -EBADF;
    if (is_ofd && lock.l_pid != 0)
        return -EINVAL;
    if (is_question) {
        file_lock_test(file->inode, &request);
        tell(&lock, &request);
        return user_copy_to(lock_at, &lock, sizeof(lock));
    }
    error = file_lock_set(file->inode, &request, waits);
    if (error == 0 && !is_ofd && request.type != FILE_UNLOCK)
        drop_if_closed(file, fd);
    return error;
}

int64_t sys_flock(int fd, int operation)
{
    struct file_lock_request request = {
        .kind = FILE_LOCK_WHOLE,
        .pid = process_current()->pid,
        .range = {0, INT64_MAX},
    };
    struct file *file;
    int error;

    switch (operation & ~LOCK_NB) {
    case LOCK_SH:
        request.type = FILE_LOCK_SHARED;
        break;
    case LOCK_EX:
        request.type = FILE_LOCK_EXCLUSIVE;
        break;
    case LOCK_UN:
        request.type = FILE_UNLOCK;
        break;
    default:
        return -EINVAL;
    }
    file = fd_get(process_current()->files, fd);
    if (file == NULL)
        return -EBADF;
    request.owner = file;
    error = file->inode != NULL ? file_lock_set(file->inode, &request, !(operation & LOCK_NB))
                                : -EINVAL;
    file_put(file);
    return error;
}
