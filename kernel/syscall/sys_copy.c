/*
 * System calls that copy between files, make room in them, and say how they will be used.
 *
 * A file is read and written by way of user memory, whatever kind it is. So copying maps a buffer
 * into the caller's address space for as long as it takes; a sibling that meddles with it there
 * spoils its own process's copy, as with a buffer of the program's.
 */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/inotify.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <mm/space.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

#define BUFFER_BYTES KIB(64)

static struct fd_table *files(void)
{
    return process_current()->files;
}

/* ---- Copying -------------------------------------------------------------------------------- */

/* One end: a file, and where in it. */
struct place {
    struct file *file;
    int64_t offset;
    bool has_offset; /* it is read and written there; otherwise where the file is */
};

/* Copies what fits into the buffer. Bytes; fewer than nr_bytes if there are no more. */
static int64_t copy_some(struct place *from, struct place *to, vaddr_t buffer, size_t nr_bytes)
{
    int64_t nr = file_read_at(from->file, buffer, MIN(nr_bytes, BUFFER_BYTES), from->offset);

    if (nr <= 0)
        return nr;
    nr = to->has_offset ? file_write_at(to->file, buffer, (size_t)nr, to->offset)
                        : file_write(to->file, buffer, (size_t)nr);
    if (nr > 0) {
        from->offset += nr;
        to->offset += nr;
    }
    return nr;
}

static int64_t copy(struct place *from, struct place *to, size_t nr_bytes)
{
    struct space *space = process_current()->space;
    size_t done = 0;
    int64_t nr = 0, buffer;

    if (nr_bytes == 0)
        return 0;
    buffer = space_map(space, 0, BUFFER_BYTES, AREA_READ | AREA_WRITE, 0, 0);
    if (buffer < 0)
        return buffer;
    while (done < nr_bytes && (nr = copy_some(from, to, (vaddr_t)buffer, nr_bytes - done)) > 0)
        done += (size_t)nr;
    if (space_unmap(space, (vaddr_t)buffer, BUFFER_BYTES) != 0)
        return -ENOMEM;
    return done > 0 ? (int64_t)done : nr;
}

/* The offset that a pointer leads to, or the file's. 0 or -errno. */
static int get_offset(struct place *place, vaddr_t offset_at)
{
    if (offset_at == 0) {
        place->offset = file_seek(place->file, 0, SEEK_CUR);
        return place->offset < 0 ? (int)place->offset : 0;
    }
    place->has_offset = true;
    if (user_copy_from(&place->offset, offset_at, sizeof(place->offset)) != 0)
        return -EFAULT;
    return place->offset < 0 ? -EINVAL : 0;
}

/* What it has become is told, or becomes the file's. */
static int put_offset(const struct place *place, vaddr_t offset_at)
{
    if (offset_at != 0)
        return user_copy_to(offset_at, &place->offset, sizeof(place->offset));
    return file_seek(place->file, place->offset, SEEK_SET) < 0 ? -ESPIPE : 0;
}

/* Either file is NULL if there is none. */
static int64_t send(struct file *to_file, struct file *from_file, vaddr_t offset_at,
                    size_t nr_bytes)
{
    struct place from = {.file = from_file}, to = {.file = to_file};
    int64_t result;

    if (offset_at != 0 && user_copy_from(&from.offset, offset_at, sizeof(from.offset)) != 0)
        return -EFAULT;
    if (from_file == NULL || !file_reads(from_file))
        return -EBADF;
    if (offset_at != 0 && !from_file->ops->is_seekable)
        return -ESPIPE;
    if (from.offset < 0 || nr_bytes > (uint64_t)(INT64_MAX - from.offset))
        return -EINVAL;
    if (to_file == NULL || !file_writes(to_file))
        return -EBADF;
    if (!from_file->ops->is_seekable || from_file->ops->read == NULL ||
        (atomic_load(&to_file->flags) & O_APPEND))
        return -EINVAL;
    result = get_offset(&from, offset_at);
    if (result == 0)
        result = copy(&from, &to, nr_bytes);
    if (result >= 0 && put_offset(&from, offset_at) != 0)
        result = -EFAULT;
    return result;
}

int64_t sys_sendfile(int to_fd, int from_fd, vaddr_t offset_at, size_t nr_bytes)
{
    struct file *from = fd_get(files(), from_fd), *to = fd_get(files(), to_fd);
    int64_t result = send(to, from, offset_at, nr_bytes);

    file_put(from);
    file_put(to);
    return result;
}

/* Whether both may be copied between. 0 or -errno. */
static int check_regular(const struct file *from, const struct file *to)
{
    if (from->ops->getdents != NULL || to->ops->getdents != NULL)
        return -EISDIR;
    if (from->inode == NULL || !inode_is_regular(from->inode) || to->inode == NULL ||
        !inode_is_regular(to->inode))
        return -EINVAL;
    if (!file_reads(from) || !file_writes(to) || (atomic_load(&to->flags) & O_APPEND))
        return -EBADF;
    return 0;
}

static int64_t copy_range(struct place *from, vaddr_t from_at, struct place *to, vaddr_t to_at,
                          size_t nr_bytes, unsigned flags)
{
    int64_t result = get_offset(from, from_at), size;

    if (result != -EFAULT)
        result = get_offset(to, to_at) == -EFAULT ? -EFAULT : 0;
    if (result == 0 && flags != 0)
        result = -EINVAL;
    if (result == 0)
        result = check_regular(from->file, to->file);
    if (result != 0)
        return result;
    if ((uint64_t)from->offset > UINT64_MAX - nr_bytes ||
        (uint64_t)to->offset > UINT64_MAX - nr_bytes)
        return -EOVERFLOW;
    if (from->offset < 0 || to->offset < 0)
        return -EINVAL;
    if ((uint64_t)to->offset >= FILE_BYTES_MAX)
        return -EFBIG;
    nr_bytes = MIN(nr_bytes, (size_t)INT32_MAX & ~(PAGE_SIZE - 1));
    /* What is not there to be copied cannot overlap. */
    size = (int64_t)inode_size(from->file->inode);
    nr_bytes = MIN(nr_bytes, (size_t)(from->offset < size ? size - from->offset : 0));
    if (from->file->inode == to->file->inode && from->offset < to->offset + (int64_t)nr_bytes &&
        to->offset < from->offset + (int64_t)nr_bytes)
        return -EINVAL;
    to->has_offset = true;
    result = copy(from, to, nr_bytes);
    if (result >= 0 && (put_offset(from, from_at) != 0 || put_offset(to, to_at) != 0))
        result = -EFAULT;
    return result;
}

int64_t sys_copy_file_range(int from_fd, vaddr_t from_offset_at, int to_fd, vaddr_t to_offset_at,
                            size_t nr_bytes, unsigned flags)
{
    struct place from = {.file = fd_get(files(), from_fd)}, to = {.file = fd_get(files(), to_fd)};
    int64_t result = -EBADF;

    if (from.file != NULL && to.file != NULL)
        result = copy_range(&from, from_offset_at, &to, to_offset_at, nr_bytes, flags);
    file_put(from.file);
    file_put(to.file);
    return result;
}

/* ---- Room ----------------------------------------------------------------------------------- */

static int64_t allocate(struct file *file, int mode, int64_t offset, int64_t nr_bytes)
{
    int64_t end;

    if (offset < 0 || nr_bytes <= 0)
        return -EINVAL;
    if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE &&
        mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if (!file_writes(file))
        return -EBADF;
    if (file->inode == NULL || S_ISFIFO(file->inode->mode))
        return -ESPIPE;
    if (inode_is_dir(file->inode))
        return -EISDIR;
    if (!inode_is_regular(file->inode))
        return -ENODEV;
    if (__builtin_add_overflow(offset, nr_bytes, &end))
        return -EFBIG;
    if (file->inode->ops->punch == NULL)
        return -EOPNOTSUPP;
    if (!(mode & FALLOC_FL_PUNCH_HOLE))
        return inode_allocate(file->inode, (uint64_t)offset, (uint64_t)nr_bytes, mode != 0);
    inode_punch(file->inode, (uint64_t)offset, (uint64_t)nr_bytes);
    return 0;
}

int64_t sys_fallocate(int fd, int mode, int64_t offset, int64_t nr_bytes)
{
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = allocate(file, mode, offset, nr_bytes);
    if (result == 0)
        inotify_happened(file->inode, IN_MODIFY);
    file_put(file);
    return result;
}

/* ---- Files are in memory -------------------------------------------------------------------- */

/* Nothing is to be written anywhere; only what cannot be is refused. `refusal` is for pipes. */
static int64_t check_file(int fd, int refusal)
{
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file->inode != NULL && !S_ISFIFO(file->inode->mode) ? 0 : refusal;
    file_put(file);
    return result;
}

int64_t sys_sync(void)
{
    return 0;
}

int64_t sys_fsync(int fd)
{
    return check_file(fd, -EINVAL);
}

int64_t sys_fdatasync(int fd)
{
    return check_file(fd, -EINVAL);
}

int64_t sys_syncfs(int fd)
{
    return check_file(fd, 0);
}

int64_t sys_sync_file_range(int fd, int64_t offset, int64_t nr_bytes, unsigned flags)
{
    int64_t result = check_file(fd, -ESPIPE), end;

    if (result != -EBADF &&
        ((flags & ~(unsigned)(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER)) ||
         offset < 0 || nr_bytes < 0 || __builtin_add_overflow(offset, nr_bytes, &end)))
        result = -EINVAL;
    return result;
}

#define ADVICE_MAX 5 /* POSIX_FADV_NOREUSE */

int64_t sys_fadvise64(int fd, int64_t offset, int64_t nr_bytes, int advice)
{
    int64_t result = check_file(fd, -ESPIPE);

    (void)offset;
    if (result == 0 && (nr_bytes < 0 || advice < 0 || advice > ADVICE_MAX))
        result = -EINVAL;
    return result;
}

int64_t sys_readahead(int fd, int64_t offset, size_t nr_bytes)
{
    struct file *file = fd_get(files(), fd);
    int64_t result = 0;

    (void)offset, (void)nr_bytes;
    if (file == NULL)
        return -EBADF;
    if (!file_reads(file))
        result = -EBADF;
    else if (file->inode == NULL || !inode_is_regular(file->inode))
        result = -EINVAL;
    file_put(file);
    return result;
}
