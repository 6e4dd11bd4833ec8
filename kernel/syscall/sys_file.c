/*
 * System calls about open files and their descriptors.
 *
 * Each gets what its descriptors stand for, asks kernel/fs, and gives it back.
 */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/pipe.h>
#include <linux/close_range.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <linux/uio.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

static struct fd_table *files(void)
{
    return process_current()->files;
}

/* The file that a call is about, from hold() to let_go(). */
struct held_file {
    struct file *file; /* NULL: as fd_get() */
    bool has_ref;
};

static struct held_file hold(int fd)
{
    struct process *process = process_current();

    if (likely(process_has_one_lwp(process)))
        return (struct held_file){fd_look(process->files, fd), false};
    return (struct held_file){fd_get(process->files, fd), true};
}

static void let_go(struct held_file held)
{
    if (held.has_ref)
        file_put(held.file);
}

/* ---- Reading and writing -------------------------------------------------------------------- */

int64_t sys_close(int fd)
{
    return fd_close(files(), fd);
}

int64_t syscall_install(struct file *file, bool close_on_exec)
{
    int fd = fd_reserve(files(), 0, close_on_exec);

    if (fd >= 0)
        fd_install(files(), fd, file);
    else
        file_put(file);
    return fd;
}

/* ---- Reading and writing -------------------------------------------------------------------- */

int64_t sys_read(int fd, vaddr_t to, size_t nr_bytes)
{
    struct held_file held = hold(fd);
    int64_t result;

    if (held.file == NULL)
        return -EBADF;
    result = file_read(held.file, to, nr_bytes);
    let_go(held);
    return result;
}

int64_t sys_write(int fd, vaddr_t from, size_t nr_bytes)
{
    struct held_file held = hold(fd);
    int64_t result;

    if (held.file == NULL)
        return -EBADF;
    result = file_write(held.file, from, nr_bytes);
    let_go(held);
    return result;
}

int64_t sys_pread64(int fd, vaddr_t to, size_t nr_bytes, int64_t offset)
{
    struct held_file held;
    int64_t result;

    if (offset < 0)
        return -EINVAL;
    held = hold(fd);
    if (held.file == NULL)
        return -EBADF;
    result = file_read_at(held.file, to, nr_bytes, offset);
    let_go(held);
    return result;
}

int64_t sys_pwrite64(int fd, vaddr_t from, size_t nr_bytes, int64_t offset)
{
    struct held_file held;
    int64_t result;

    if (offset < 0)
        return -EINVAL;
    held = hold(fd);
    if (held.file == NULL)
        return -EBADF;
    result = file_write_at(held.file, from, nr_bytes, offset);
    let_go(held);
    return result;
}

#define PIECES_AT_ONCE 8

/* The pieces of readv() and its kin, in kernel memory. */
struct pieces {
    struct io_piece few[PIECES_AT_ONCE];
    struct io_piece *all; /* `few`, or memory of their own */
    unsigned nr;
    size_t nr_bytes; /* together */
};

_Static_assert(sizeof(struct io_piece) == sizeof(struct iovec) &&
                   offsetof(struct io_piece, nr_bytes) == offsetof(struct iovec, iov_len),
               "pieces are copied as they are");

static void put_pieces(struct pieces *pieces)
{
    if (pieces->all != pieces->few)
        kfree(pieces->all);
}

/* Together they are cut to what one call moves. 0 or -errno; then nothing is held. */
static int get_pieces(vaddr_t at, int nr, struct pieces *pieces)
{
    const size_t most = (size_t)INT32_MAX & ~(PAGE_SIZE - 1);
    size_t left = most;
    int error = 0;

    if (nr < 0 || nr > UIO_MAXIOV)
        return -EINVAL;
    pieces->nr = (unsigned)nr;
    pieces->all = pieces->few;
    if (nr > PIECES_AT_ONCE)
        pieces->all = kmalloc_user((unsigned)nr * sizeof(struct io_piece));
    if (pieces->all == NULL)
        return -ENOMEM;
    if (user_copy_from(pieces->all, at, (unsigned)nr * sizeof(struct io_piece)) != 0)
        error = -EFAULT;
    for (int i = 0; i < nr && error == 0; i++) {
        if (pieces->all[i].nr_bytes > INT64_MAX)
            error = -EINVAL;
        pieces->all[i].nr_bytes = MIN(pieces->all[i].nr_bytes, left);
        left -= pieces->all[i].nr_bytes;
    }
    pieces->nr_bytes = most - left;
    if (error != 0)
        put_pieces(pieces);
    return error;
}

/* One piece at *at, or where the file is. */
static int64_t transfer_piece(struct file *file, const struct io_piece *piece, bool is_write,
                              const uint64_t *at)
{
    if (at == NULL)
        return is_write ? file_write(file, piece->at, piece->nr_bytes)
                        : file_read(file, piece->at, piece->nr_bytes);
    return is_write ? file_write_at(file, piece->at, piece->nr_bytes, (int64_t)*at)
                    : file_read_at(file, piece->at, piece->nr_bytes, (int64_t)*at);
}

/* Whether the next piece would have to wait for something to read. */
static bool has_no_more(struct file *file)
{
    return !file->ops->is_seekable && !(file_poll(file, NULL) & (EPOLLIN | EPOLLHUP));
}

/*
 * One piece after the other, until one is not done whole, or there is nothing more to read now.
 */
static int64_t transfer_pieces(struct file *file, const struct pieces *pieces, bool is_write,
                               int flags, uint64_t *at)
{
    int64_t done = 0, result = 0;

    if (is_write && (flags & RWF_APPEND) && file->ops->write_pieces != NULL)
        return file_append_pieces(file, pieces->all, pieces->nr, at);
    if (is_write && file->ops->write_pieces != NULL)
        return file_write_pieces(file, pieces->all, pieces->nr, at);
    if (!is_write && file->ops->read_pieces != NULL && at == NULL)
        return file->ops->read_pieces(file, pieces->all, pieces->nr, NULL);
    for (unsigned i = 0; i < pieces->nr; i++) {
        if (done > 0 && !is_write && has_no_more(file))
            break;
        result = transfer_piece(file, &pieces->all[i], is_write, at);
        if (result < 0)
            break;
        done += result;
        if (at != NULL)
            *at += (uint64_t)result;
        if ((size_t)result < pieces->all[i].nr_bytes)
            break;
    }
    return done > 0 || result >= 0 ? done : result;
}

/* Flags that change nothing where no data is on its way to anywhere. */
#define RWF_WITHOUT_EFFECT (RWF_HIPRI | RWF_DSYNC | RWF_SYNC)

/* As transfer(), without the pieces. Where there is nothing to be moved, no flag is looked at. */
static int64_t transfer_between(struct file *file, const struct pieces *pieces, bool is_write,
                                int flags, const int64_t *offset)
{
    uint64_t at = offset != NULL ? (uint64_t)*offset : 0;

    if (pieces->nr_bytes == 0)
        return 0;
    if (offset != NULL && pieces->nr_bytes > INT64_MAX - at)
        return -EINVAL;
    if (flags & ~(RWF_WITHOUT_EFFECT | (is_write ? RWF_APPEND : 0)))
        return -EOPNOTSUPP;
    return transfer_pieces(file, pieces, is_write, flags, offset != NULL ? &at : NULL);
}

/* `offset`: where, or NULL: where the file is. */
static int64_t transfer(int fd, vaddr_t pieces_at, int nr_pieces, bool is_write, int flags,
                        const int64_t *offset)
{
    struct held_file held;
    struct pieces pieces;
    int64_t result;

    if (offset != NULL && *offset < 0)
        return -EINVAL;
    held = hold(fd);
    if (held.file == NULL)
        return -EBADF;
    if (offset != NULL && !held.file->ops->is_seekable)
        result = -ESPIPE;
    else
        result = file_may(held.file, is_write);
    if (result == 0)
        result = get_pieces(pieces_at, nr_pieces, &pieces);
    if (result == 0) {
        result = transfer_between(held.file, &pieces, is_write, flags, offset);
        put_pieces(&pieces);
    }
    let_go(held);
    return result;
}

int64_t sys_readv(int fd, vaddr_t pieces_at, int nr_pieces)
{
    return transfer(fd, pieces_at, nr_pieces, false, 0, NULL);
}

int64_t sys_writev(int fd, vaddr_t pieces_at, int nr_pieces)
{
    return transfer(fd, pieces_at, nr_pieces, true, 0, NULL);
}

/* The high half of the offset is for machines where it has two registers. */
int64_t sys_preadv(int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused)
{
    (void)unused;
    return transfer(fd, pieces_at, nr_pieces, false, 0, &offset);
}

int64_t sys_pwritev(int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused)
{
    (void)unused;
    return transfer(fd, pieces_at, nr_pieces, true, 0, &offset);
}

int64_t sys_preadv2(int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused,
                    int flags)
{
    (void)unused;
    return transfer(fd, pieces_at, nr_pieces, false, flags, offset != -1 ? &offset : NULL);
}

int64_t sys_pwritev2(int fd, vaddr_t pieces_at, int nr_pieces, int64_t offset, uint64_t unused,
                     int flags)
{
    (void)unused;
    return transfer(fd, pieces_at, nr_pieces, true, flags, offset != -1 ? &offset : NULL);
}

int64_t sys_lseek(int fd, int64_t offset, int whence)
{
    struct held_file held = hold(fd);
    int64_t result;

    if (held.file == NULL)
        return -EBADF;
    result = file_seek(held.file, offset, whence);
    let_go(held);
    return result;
}

/* ---- Others -----------------------------------------------------------------------------------
 */

int64_t sys_getdents64(int fd, vaddr_t to, unsigned nr_bytes)
{
    struct held_file held = hold(fd);
    int64_t result;

    if (held.file == NULL)
        return -EBADF;
    result = file_getdents(held.file, to, nr_bytes);
    let_go(held);
    return result;
}

/* ---- Descriptors ---------------------------------------------------------------------------- */

/* The lowest free number from `min` on, for what `fd` refers to. */
static int64_t duplicate(int fd, int min, bool close_on_exec)
{
    struct file *file = fd_get_any(files(), fd);
    int new_fd;

    if (file == NULL)
        return -EBADF;
    new_fd = fd_reserve(files(), min, close_on_exec);
    if (new_fd >= 0)
        fd_install(files(), new_fd, file);
    else
        file_put(file);
    return new_fd;
}

int64_t sys_close_range(unsigned first, unsigned last, unsigned flags)
{
    if (first > last || (flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
        return -EINVAL;
    /* No other process has the table: there is nothing to unshare. */
    fd_close_range(files(), first, last, flags & CLOSE_RANGE_CLOEXEC);
    return 0;
}

int64_t sys_dup(int fd)
{
    return duplicate(fd, 0, false);
}

int64_t sys_dup3(int fd, int new_fd, unsigned flags)
{
    struct file *file;
    int error;

    if (fd == new_fd || (flags & ~(unsigned)O_CLOEXEC))
        return -EINVAL;
    file = fd_get_any(files(), fd);
    if (file == NULL)
        return -EBADF;
    error = fd_replace(files(), new_fd, file, flags & O_CLOEXEC);
    if (error != 0)
        file_put(file);
    return error != 0 ? error : new_fd;
}

int64_t sys_dup2(int fd, int new_fd)
{
    struct file *file;

    if (fd != new_fd)
        return sys_dup3(fd, new_fd, 0);
    file = fd_get_any(files(), fd);
    file_put(file);
    return file != NULL ? fd : -EBADF;
}

#define CHANGEABLE_FLAGS ((unsigned)(O_APPEND | O_NONBLOCK | O_NOATIME))

static int64_t set_flags(struct file *file, unsigned flags)
{
    unsigned old = atomic_load(&file->flags);

    if ((flags & O_NOATIME) && !(old & O_NOATIME) && file->inode != NULL &&
        inode_may_own(file->inode) == -EPERM)
        return -EPERM;
    while (!atomic_compare_exchange_weak(&file->flags, &old,
                                         (old & ~CHANGEABLE_FLAGS) | (flags & CHANGEABLE_FLAGS)))
        ;
    return 0;
}

/* With O_PATH a file is there to be asked and duplicated, no more. */
static bool is_for_paths(int command)
{
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC || command == F_GETFD ||
           command == F_SETFD || command == F_GETFL;
}

int64_t sys_fcntl(int fd, int command, uint64_t arg)
{
    struct file *file = is_for_paths(command) ? fd_get_any(files(), fd) : fd_get(files(), fd);
    int64_t result = -EINVAL;

    if (file == NULL)
        return -EBADF;
    switch (command) {
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        result = syscall_lock(file, fd, command, arg);
        break;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (arg < fd_limit())
            result = duplicate(fd, (int)arg, command == F_DUPFD_CLOEXEC);
        break;
    case F_GETFD:
        result = fd_get_close_on_exec(files(), fd);
        break;
    case F_SETFD:
        result = fd_set_close_on_exec(files(), fd, arg & FD_CLOEXEC);
        break;
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
        result = pipe_set_capacity(file, command == F_SETPIPE_SZ ? arg : 0);
        break;
    case F_GETFL:
        result = atomic_load(&file->flags);
        break;
    case F_SETFL:
        result = set_flags(file, (unsigned)arg);
        break;
    }
    file_put(file);
    return result;
}

/* As syscall_install_pair(); on failure the references stay the caller's. */
static int install_pair(struct file *pair[2], vaddr_t fds_at, bool close_on_exec)
{
    int fds[2], error = 0;

    fds[0] = fd_reserve(files(), 0, close_on_exec);
    if (fds[0] < 0)
        return fds[0];
    fds[1] = fd_reserve(files(), 0, close_on_exec);
    if (fds[1] < 0)
        error = fds[1];
    else
        error = user_copy_to(fds_at, fds, sizeof(fds));
    for (int i = 0; i < 2; i++) {
        if (error == 0)
            fd_install(files(), fds[i], pair[i]);
        else if (fds[i] >= 0)
            fd_cancel(files(), fds[i]);
    }
    return error;
}

int64_t syscall_install_pair(struct file *pair[2], vaddr_t fds_at, bool close_on_exec)
{
    int error = install_pair(pair, fds_at, close_on_exec);

    if (error != 0) {
        file_put(pair[0]);
        file_put(pair[1]);
    }
    return error;
}

int64_t sys_pipe2(vaddr_t fds_at, unsigned flags)
{
    struct file *ends[2];
    int error;

    if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    error = pipe_create(flags & O_NONBLOCK, &ends[0], &ends[1]);
    if (error != 0)
        return error;
    return syscall_install_pair(ends, fds_at, flags & O_CLOEXEC);
}

int64_t sys_pipe(vaddr_t fds_at)
{
    return sys_pipe2(fds_at, 0);
}
