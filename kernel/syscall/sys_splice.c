/*
 * System calls that move bytes between a pipe and something else. Linux moves pages; here the bytes
 * are copied: between two pipes at once, between a pipe and another file by way of memory that is
 * mapped into the caller's address space meanwhile, as in sys_copy.c.
 *
 * Nothing is lost on the way: bytes leave a pipe when they have been written elsewhere, and nothing
 * is read for a pipe that has no room. For that long the caller has the turn of the pipe's end
 * (kernel/ipc/splice.c).
 */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/pipe.h>
#include <linux/fcntl.h>
#include <mm/space.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

/* The flags, which are in no header of Linux's ABI: to move pages and to expect more, which are
 * hints; not to wait for a pipe; and to give the memory away. */
#define SPLICE_MOVE        1u
#define SPLICE_NONBLOCKING 2u
#define SPLICE_MORE        4u
#define SPLICE_GIFT        8u
#define SPLICE_ALL         (SPLICE_MOVE | SPLICE_NONBLOCKING | SPLICE_MORE | SPLICE_GIFT)

#define BUFFER_BYTES KIB(64) /* what a pipe holds */

struct splice {
    struct file *from, *to;
    int64_t from_offset, to_offset;
    bool has_from_offset, has_to_offset;
    size_t nr_bytes;
    bool is_nonblocking; /* for pipes */
};

static int64_t pipe_to_file(struct splice *s, vaddr_t buffer)
{
    int64_t nr = pipe_peek(s->from, buffer, s->nr_bytes, s->is_nonblocking), result;

    if (nr <= 0)
        return nr;
    result = s->has_to_offset ? file_write_at(s->to, buffer, (size_t)nr, s->to_offset)
                              : file_write(s->to, buffer, (size_t)nr);
    pipe_end_peek(s->from, result > 0 ? (size_t)result : 0);
    if (result > 0)
        s->to_offset += result;
    return result;
}

static int64_t file_to_pipe(struct splice *s, vaddr_t buffer)
{
    int64_t nr = pipe_make_room(s->to, s->nr_bytes, s->is_nonblocking), result;

    if (nr < 0)
        return nr;
    result = s->has_from_offset ? file_read_at(s->from, buffer, (size_t)nr, s->from_offset)
                                : file_read(s->from, buffer, (size_t)nr);
    nr = pipe_fill(s->to, buffer, result > 0 ? (size_t)result : 0);
    if (result <= 0)
        return result;
    if (nr > 0)
        s->from_offset += nr;
    return nr;
}

/* By way of memory. */
static int64_t transfer(struct splice *s)
{
    struct space *space = process_current()->space;
    int64_t buffer = space_map(space, 0, BUFFER_BYTES, AREA_READ | AREA_WRITE, 0, 0), result;

    if (buffer < 0)
        return buffer;
    s->nr_bytes = MIN(s->nr_bytes, BUFFER_BYTES);
    if (pipe_is_reader(s->from))
        result = pipe_to_file(s, (vaddr_t)buffer);
    else
        result = file_to_pipe(s, (vaddr_t)buffer);
    return space_unmap(space, (vaddr_t)buffer, BUFFER_BYTES) == 0 ? result : -ENOMEM;
}

/* The offset of an end that is no pipe, as it is given. 0 or -errno. */
static int read_offset(const struct file *file, vaddr_t at, int64_t *offset, bool *has_offset)
{
    *has_offset = at != 0;
    if (at == 0)
        return 0;
    if (pipe_is_reader(file) || pipe_is_writer(file))
        return -ESPIPE;
    return user_copy_from(offset, at, sizeof(*offset)) != 0 ? -EFAULT : 0;
}

/* Whether what is to be read can be, and what is to be written. 0 or -errno. */
static int check(const struct splice *s)
{
    bool from_pipe = pipe_is_reader(s->from), to_pipe = pipe_is_writer(s->to);

    if (!file_reads(s->from) || !file_writes(s->to))
        return -EBADF;
    if ((!from_pipe && !to_pipe) || pipe_is_same(s->from, s->to))
        return -EINVAL;
    if ((s->has_from_offset && (s->from_offset < 0 || !s->from->ops->is_seekable)) ||
        (s->has_to_offset && (s->to_offset < 0 || !s->to->ops->is_seekable)))
        return -EINVAL;
    if (!to_pipe && ((atomic_load(&s->to->flags) & O_APPEND) || s->to->ops->write == NULL))
        return -EINVAL;
    return from_pipe || s->from->ops->read != NULL ? 0 : -EINVAL;
}

static int64_t splice(struct splice *s, vaddr_t from_offset_at, vaddr_t to_offset_at)
{
    int64_t result = read_offset(s->from, from_offset_at, &s->from_offset, &s->has_from_offset);

    if (result == 0)
        result = read_offset(s->to, to_offset_at, &s->to_offset, &s->has_to_offset);
    if (result == 0)
        result = check(s);
    if (result == 0 && pipe_is_reader(s->from) && pipe_is_writer(s->to))
        result = pipe_splice(s->from, s->to, s->nr_bytes, s->is_nonblocking, false);
    else if (result == 0)
        result = transfer(s);
    if (result > 0 && s->has_from_offset &&
        user_copy_to(from_offset_at, &s->from_offset, sizeof(s->from_offset)) != 0)
        return -EFAULT;
    if (result > 0 && s->has_to_offset &&
        user_copy_to(to_offset_at, &s->to_offset, sizeof(s->to_offset)) != 0)
        return -EFAULT;
    return result;
}

int64_t sys_splice(int from_fd, vaddr_t from_offset_at, int to_fd, vaddr_t to_offset_at,
                   size_t nr_bytes, unsigned flags)
{
    struct fd_table *files = process_current()->files;
    struct splice s = {.nr_bytes = nr_bytes, .is_nonblocking = flags & SPLICE_NONBLOCKING};
    int64_t result = -EBADF;

    if (nr_bytes == 0)
        return 0;
    if (flags & ~SPLICE_ALL)
        return -EINVAL;
    s.from = fd_get(files, from_fd);
    s.to = fd_get(files, to_fd);
    if (s.from != NULL && s.to != NULL)
        result = splice(&s, from_offset_at, to_offset_at);
    file_put(s.from);
    file_put(s.to);
    return result;
}

int64_t sys_tee(int from_fd, int to_fd, size_t nr_bytes, unsigned flags)
{
    struct fd_table *files = process_current()->files;
    struct splice s = {.nr_bytes = nr_bytes, .is_nonblocking = flags & SPLICE_NONBLOCKING};
    int64_t result = -EBADF;

    if (flags & ~SPLICE_ALL)
        return -EINVAL;
    if (nr_bytes == 0)
        return 0;
    s.from = fd_get(files, from_fd);
    s.to = fd_get(files, to_fd);
    if (s.from != NULL && s.to != NULL)
        result = check(&s);
    if (result == 0 && !(pipe_is_reader(s.from) && pipe_is_writer(s.to)))
        result = -EINVAL;
    if (result == 0)
        result = pipe_splice(s.from, s.to, nr_bytes, s.is_nonblocking, true);
    file_put(s.from);
    file_put(s.to);
    return result;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* One piece of memory, into the pipe or out of it. Bytes, fewer when it is full or empty. */
static int64_t move_piece(struct file *file, const struct io_piece *piece, bool is_nonblocking)
{
    int64_t nr;

    if (!pipe_is_writer(file)) {
        nr = pipe_peek(file, piece->at, piece->nr_bytes, is_nonblocking);
        if (nr > 0)
            pipe_end_peek(file, (size_t)nr);
        return nr;
    }
    nr = pipe_make_room(file, piece->nr_bytes, is_nonblocking);
    return nr > 0 ? pipe_fill(file, piece->at, (size_t)nr) : nr;
}

/* Only the first byte is waited for. */
static int64_t move_pieces(struct file *file, vaddr_t pieces_at, size_t nr, bool is_nonblocking)
{
    int64_t done = 0;

    for (size_t i = 0; i < nr; i++) {
        struct io_piece piece;
        int64_t result;

        if (user_copy_from(&piece, pieces_at + i * sizeof(piece), sizeof(piece)) != 0)
            return done > 0 ? done : -EFAULT;
        if (piece.nr_bytes > INT64_MAX)
            return done > 0 ? done : -EINVAL;
        while (piece.nr_bytes > 0) {
            result = move_piece(file, &piece, is_nonblocking || done > 0);
            if (result <= 0)
                return done > 0 ? done : result;
            done += result;
            piece.at += (vaddr_t)result;
            piece.nr_bytes -= (size_t)result;
        }
    }
    return done;
}

#define PIECES_MAX 1024 /* UIO_MAXIOV */

int64_t sys_vmsplice(int fd, vaddr_t pieces_at, size_t nr_pieces, unsigned flags)
{
    struct file *file;
    int64_t result = -EBADF;

    if (flags & ~SPLICE_ALL)
        return -EINVAL;
    file = fd_get(process_current()->files, fd);
    if (file == NULL)
        return -EBADF;
    if (nr_pieces > PIECES_MAX)
        result = -EINVAL;
    else if (pipe_is_reader(file) || pipe_is_writer(file))
        result = move_pieces(file, pieces_at, nr_pieces, flags & SPLICE_NONBLOCKING);
    file_put(file);
    return result;
}
