/*
 * System calls about open files and their descriptors.
 *
 * Each gets what its descriptors stand for, with references, asks kernel/fs, and gives the
 * references back.
 */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/pipe.h>
#include <linux/fcntl.h>
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
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file_read(file, to, nr_bytes);
    file_put(file);
    return result;
}

int64_t sys_write(int fd, vaddr_t from, size_t nr_bytes)
{
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file_write(file, from, nr_bytes);
    file_put(file);
    return result;
}

int64_t sys_pread64(int fd, vaddr_t to, size_t nr_bytes, int64_t offset)
{
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file_read_at(file, to, nr_bytes, offset);
    file_put(file);
    return result;
}

int64_t sys_pwrite64(int fd, vaddr_t from, size_t nr_bytes, int64_t offset)
{
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file_write_at(file, from, nr_bytes, offset);
    file_put(file);
    return result;
}

/* Reads or writes one piece after the other, until one is not done whole. */
static int64_t transfer_pieces(int fd, vaddr_t pieces_at, int nr_pieces,
                               int64_t (*transfer)(struct file *, vaddr_t, size_t))
{
    struct file *file = fd_get(files(), fd);
    int64_t done = 0, result = 0;
    struct iovec piece;

    if (file == NULL)
        return -EBADF;
    if (nr_pieces < 0 || nr_pieces > UIO_MAXIOV)
        result = -EINVAL;
    for (int i = 0; i < nr_pieces && result >= 0; i++) {
        if (user_copy_from(&piece, pieces_at + (unsigned)i * sizeof(piece), sizeof(piece)) != 0)
            result = -EFAULT;
        else if (piece.iov_len > INT64_MAX)
            result = -EINVAL;
        else
            result = transfer(file, (vaddr_t)piece.iov_base, piece.iov_len);
        if (result > 0)
            done += result;
        if (result >= 0 && (size_t)result < piece.iov_len)
            break;
    }
    file_put(file);
    return done > 0 || result >= 0 ? done : result;
}

int64_t sys_readv(int fd, vaddr_t pieces_at, int nr_pieces)
{
    return transfer_pieces(fd, pieces_at, nr_pieces, file_read);
}

int64_t sys_writev(int fd, vaddr_t pieces_at, int nr_pieces)
{
    return transfer_pieces(fd, pieces_at, nr_pieces, file_write);
}

int64_t sys_lseek(int fd, int64_t offset, int whence)
{
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file_seek(file, offset, whence);
    file_put(file);
    return result;
}

/* ---- Others -----------------------------------------------------------------------------------
 */

int64_t sys_getdents64(int fd, vaddr_t to, unsigned nr_bytes)
{
    struct file *file = fd_get(files(), fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = file_getdents(file, to, nr_bytes);
    file_put(file);
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

#define CHANGEABLE_FLAGS ((unsigned)(O_APPEND | O_NONBLOCK))

static int64_t set_flags(struct file *file, unsigned flags)
{
    unsigned old = atomic_load(&file->flags);

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

/* Gives both ends of a pipe numbers and tells the program. 0 or -errno; then nothing is open. */
static int install_pipe(struct file *ends[2], vaddr_t fds_at, bool close_on_exec)
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
            fd_install(files(), fds[i], ends[i]);
        else if (fds[i] >= 0)
            fd_cancel(files(), fds[i]);
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
    error = install_pipe(ends, fds_at, flags & O_CLOEXEC);
    if (error != 0) {
        file_put(ends[0]);
        file_put(ends[1]);
    }
    return error;
}

int64_t sys_pipe(vaddr_t fds_at)
{
    return sys_pipe2(fds_at, 0);
}
