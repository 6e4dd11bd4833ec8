/*
 * Open files: what read(), write() and their kin do before and after the file's own functions.
 *
 * A file that can be positioned has one offset for all who share it. Its mutex makes each read and
 * write, with the move of the offset, one step. Streams (pipes, the console) have no offset and
 * take no lock here: reading them may wait for ever.
 */

#include <kernel/epoll.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/file_lock.h>
#include <kernel/inotify.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <mm/slab.h>
#include <mm/user_copy.h>

/* The most that one call moves, as on Linux. */
#define TRANSFER_BYTES_MAX ((size_t)INT32_MAX & ~(PAGE_SIZE - 1))

static struct slab_cache *file_cache;

void file_init(void)
{
    file_cache = slab_cache_create("file", sizeof(struct file), 0, SLAB_USER);
}

struct file *file_create(const struct file_ops *ops, unsigned flags, struct inode *inode,
                         void *private)
{
    struct file *file = slab_alloc(file_cache);

    if (file == NULL)
        return NULL;
    memset(file, 0, sizeof(*file));
    file->ops = ops;
    file->inode = inode;
    file->private = private;
    atomic_init(&file->nr_refs, 1);
    atomic_init(&file->flags, flags);
    mutex_init(&file->offset_lock, "file offset");
    if (inode != NULL && file_writes(file))
        atomic_fetch_add(&inode->mount->nr_writers, 1);
    return file;
}

struct file *file_get(struct file *file)
{
    atomic_fetch_add_explicit(&file->nr_refs, 1, memory_order_relaxed);
    return file;
}

/* O_PATH files are open for nothing, and nobody is told. */
static RARELY_CALLED void tell_closed(struct file *file)
{
    unsigned flags = atomic_load(&file->flags);

    if (file->inode != NULL && !(flags & O_PATH))
        inotify_happened(file->inode, file_writes(file) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

void file_release(struct file *file)
{
    /* Most files are in no epoll, and nobody watches any: one look for both. */
    if (unlikely(((uintptr_t)atomic_load(&file->epoll_items) | atomic_load(&inotify_nr_watches)) !=
                 0)) {
        tell_closed(file);
        if (atomic_load(&file->epoll_items) != NULL)
            epoll_forget(file);
    }
    if (file->ops->release != NULL)
        file->ops->release(file);
    if (file->inode != NULL && atomic_load(&file->inode->file_locks) != NULL)
        file_locks_released(file->inode, file);
    file_free(file);
}

void file_drop_inode(struct file *file)
{
    if (file->inode != NULL && file_writes(file)) {
        atomic_fetch_sub(&file->inode->mount->nr_writers, 1);
        inode_put_writer(file->inode);
    }
    inode_put(file->inode);
    file->inode = NULL;
}

void file_free(struct file *file)
{
    file_drop_inode(file);
    slab_free(file_cache, file);
}

/* ---- Reading and writing -------------------------------------------------------------------- */

/* The contents have been read. */
static void touch_accessed(const struct file *file)
{
    if (!(atomic_load_explicit(&file->flags, memory_order_relaxed) & O_NOATIME))
        inode_touch_accessed(file->inode);
}

static int check_read(const struct file *file)
{
    if (!file_reads(file))
        return -EBADF;
    if (file->ops->read != NULL)
        return 0;
    return file->ops->getdents != NULL ? -EISDIR : -EINVAL;
}

static int check_write(const struct file *file)
{
    if (!file_writes(file))
        return -EBADF;
    return file->ops->write != NULL ? 0 : -EINVAL;
}

int file_may(const struct file *file, bool is_write)
{
    int error = is_write ? check_write(file) : check_read(file);

    return error == -EISDIR ? 0 : error;
}

int64_t file_read(struct file *file, vaddr_t to, size_t nr_bytes)
{
    int64_t result = check_read(file);

    if (result != 0)
        return result;
    nr_bytes = MIN(nr_bytes, TRANSFER_BYTES_MAX);
    if (!file->ops->is_seekable)
        return file->ops->read(file, to, nr_bytes, NULL);
    mutex_lock(&file->offset_lock);
    result = file->ops->read(file, to, nr_bytes, &file->offset);
    mutex_unlock(&file->offset_lock);
    return result;
}

int64_t file_write(struct file *file, vaddr_t from, size_t nr_bytes)
{
    int64_t result = check_write(file);

    if (result != 0)
        return result;
    nr_bytes = MIN(nr_bytes, TRANSFER_BYTES_MAX);
    if (!file->ops->is_seekable)
        return file->ops->write(file, from, nr_bytes, NULL);
    mutex_lock(&file->offset_lock);
    result = file->ops->write(file, from, nr_bytes, &file->offset);
    mutex_unlock(&file->offset_lock);
    return result;
}

int64_t file_write_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                          uint64_t *at)
{
    int64_t result = check_write(file);

    if (result != 0)
        return result;
    if (at != NULL || !file->ops->is_seekable)
        return file->ops->write_pieces(file, pieces, nr, at);
    mutex_lock(&file->offset_lock);
    result = file->ops->write_pieces(file, pieces, nr, &file->offset);
    mutex_unlock(&file->offset_lock);
    return result;
}

static int check_offset(const struct file *file, int64_t offset)
{
    if (offset < 0)
        return -EINVAL;
    return file->ops->is_seekable ? 0 : -ESPIPE;
}

/* No byte is behind the last that an offset can name. */
static bool is_beyond(int64_t offset, size_t nr_bytes)
{
    return nr_bytes > (uint64_t)(INT64_MAX - offset);
}

int64_t file_read_at(struct file *file, vaddr_t to, size_t nr_bytes, int64_t offset)
{
    uint64_t at = (uint64_t)offset;
    int error = check_offset(file, offset);

    if (error == 0)
        error = check_read(file);
    if (error == 0 && is_beyond(offset, nr_bytes))
        error = -EINVAL;
    return error != 0 ? error : file->ops->read(file, to, MIN(nr_bytes, TRANSFER_BYTES_MAX), &at);
}

int64_t file_write_at(struct file *file, vaddr_t from, size_t nr_bytes, int64_t offset)
{
    uint64_t at = (uint64_t)offset;
    int error = check_offset(file, offset);

    if (error == 0)
        error = check_write(file);
    if (error == 0 && is_beyond(offset, nr_bytes))
        error = -EINVAL;
    return error != 0 ? error
                      : file->ops->write(file, from, MIN(nr_bytes, TRANSFER_BYTES_MAX), &at);
}

/* To where a regular file goes on with data, or with a hole; others have data all over. */
static int64_t seek_extent(struct file *file, int64_t offset, int whence)
{
    struct inode *inode = file->inode;
    int64_t result;

    if (offset < 0)
        return -ENXIO;
    if (inode == NULL || inode->ops->next_page == NULL)
        return -EINVAL;
    mutex_lock(&file->offset_lock);
    result = whence == SEEK_DATA ? inode_find_data(inode, (uint64_t)offset)
                                 : inode_find_hole(inode, (uint64_t)offset);
    if (result >= 0)
        file->offset = (uint64_t)result;
    mutex_unlock(&file->offset_lock);
    return result;
}

int64_t file_seek(struct file *file, int64_t offset, int whence)
{
    int64_t base = 0, result;

    if (file->ops->seek != NULL)
        return file->ops->seek(file, offset, whence);
    if (!file->ops->is_seekable)
        return -ESPIPE;
    if (whence == SEEK_DATA || whence == SEEK_HOLE)
        return seek_extent(file, offset, whence);
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
        return -EINVAL;
    mutex_lock(&file->offset_lock);
    if (whence == SEEK_CUR)
        base = (int64_t)file->offset;
    else if (whence == SEEK_END)
        base = (int64_t)inode_size(file->inode);
    if (__builtin_add_overflow(base, offset, &result))
        result = -EOVERFLOW;
    else if (result < 0)
        result = -EINVAL;
    else
        file->offset = (uint64_t)result;
    mutex_unlock(&file->offset_lock);
    return result;
}

int64_t file_getdents(struct file *file, vaddr_t to, size_t nr_bytes)
{
    int64_t result;

    if (file->ops->getdents == NULL)
        return -ENOTDIR;
    if (file->inode->nr_links == 0)
        return -ENOENT; /* it has been removed */
    mutex_lock(&file->offset_lock);
    result = file->ops->getdents(file, to, nr_bytes, &file->offset);
    mutex_unlock(&file->offset_lock);
    if (result >= 0) {
        touch_accessed(file);
        inotify_happened(file->inode, IN_ACCESS);
    }
    return result;
}

void file_stat(struct file *file, struct stat *stat)
{
    if (file->ops->stat != NULL)
        file->ops->stat(file, stat);
    else if (file->inode != NULL)
        inode_stat(file->inode, stat);
    else
        file_stat_anonymous(stat, 0600);
}

void file_stat_anonymous(struct stat *stat, uint32_t mode)
{
    memset(stat, 0, sizeof(*stat));
    stat->st_mode = mode;
    stat->st_nlink = 1;
    stat->st_blksize = PAGE_SIZE;
}

unsigned file_poll(struct file *file, struct poll_watcher *watcher)
{
    if (file->ops->poll == NULL)
        return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
    return file->ops->poll(file, watcher);
}

/* ---- Regular files and folders -------------------------------------------------------------- */

static int64_t regular_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    int64_t result = inode_read(file->inode, to, nr_bytes, *offset);

    if (result > 0) {
        *offset += (uint64_t)result;
        inotify_happened(file->inode, IN_ACCESS);
    }
    if (result >= 0)
        touch_accessed(file);
    return result;
}

/* Who writes nothing stays where he is, also at the end of the file. */
static int64_t write_regular(struct file *file, const struct io_piece *pieces, unsigned nr,
                             uint64_t *offset, bool is_append)
{
    uint64_t at = *offset;
    int64_t result = inode_write_pieces(file->inode, pieces, nr, &at, is_append);

    if (result > 0)
        *offset = at + (uint64_t)result;
    return result;
}

static int64_t regular_write_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                                    uint64_t *offset)
{
    return write_regular(file, pieces, nr, offset, atomic_load(&file->flags) & O_APPEND);
}

static int64_t regular_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    return regular_write_pieces(file, &(struct io_piece){from, nr_bytes}, 1, offset);
}

int64_t file_append_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                           uint64_t *at)
{
    int64_t result = check_write(file);

    if (result != 0)
        return result;
    if (file->ops != &regular_file_ops)
        return file_write_pieces(file, pieces, nr, at);
    if (at != NULL)
        return write_regular(file, pieces, nr, at, true);
    mutex_lock(&file->offset_lock);
    result = write_regular(file, pieces, nr, &file->offset, true);
    mutex_unlock(&file->offset_lock);
    return result;
}

/* Linux's struct linux_dirent64, with room for the longest name. */
struct dirent_record {
    uint64_t number;
    int64_t next_offset;
    uint16_t record_bytes;
    uint8_t type;
    char name[NAME_BYTES_MAX + 1];
};

#define DIRENT_HEAD_BYTES offsetof(struct dirent_record, name)

static int64_t dir_getdents(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct dirent_record record;
    struct dir_entry entry;
    size_t done = 0;

    while (file->inode->ops->next_entry(file->inode, *offset, record.name, &entry) != 0) {
        size_t nr = DIRENT_HEAD_BYTES + strlen(record.name) + 1, padded = ROUND_UP(nr, 8);

        if (padded > nr_bytes - done)
            return done > 0 ? (int64_t)done : -EINVAL;
        record.number = entry.number;
        record.next_offset = (int64_t)entry.position;
        record.record_bytes = (uint16_t)padded;
        record.type = (uint8_t)((entry.mode & S_IFMT) >> 12);
        memset((char *)&record + nr, 0, MIN(padded, sizeof(record)) - nr);
        if (user_copy_to(to + done, &record, MIN(padded, sizeof(record))) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += padded;
        *offset = entry.position;
    }
    return (int64_t)done;
}

const struct file_ops regular_file_ops = {
    .is_seekable = true,
    .read = regular_read,
    .write = regular_write,
    .write_pieces = regular_write_pieces,
};

const struct file_ops dir_file_ops = {
    .is_seekable = true,
    .getdents = dir_getdents,
};
