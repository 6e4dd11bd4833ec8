/* Calls about what is in a file: reading, writing, its length, its copies. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "as_linux.h"

static struct iovec pieces[8];

/* Pieces of `data` with at most DATA_MAX bytes in sum, told. */
static int any_pieces(size_t *nr_bytes)
{
    int nr = (int)any(5);
    size_t at = 0;

    tell("[");
    for (int i = 0; i < nr; i++) {
        size_t length = any_length();
        if (at + length > DATA_MAX)
            length = 0;
        pieces[i] = (struct iovec){data + at, length};
        at += length;
        tell("%zu ", length);
        if (chance(2)) {
            pieces[i].iov_base = any_memory(length);
        } else if (chance(1)) {
            pieces[i].iov_len = (size_t)-5;
            tell("(negative)");
        }
    }
    tell("]");
    *nr_bytes = at;
    if (chance(2)) {
        nr = chance(50) ? -1 : 1025;
        tell(" nr %d", nr);
    }
    return nr;
}

void do_read(void)
{
    long got;
    size_t length = any_length();
    unsigned kind = any(8);
    static const char *const names[] = {"read",  "read",  "read",   "pread",
                                        "pread", "readv", "preadv", "preadv2"};

    memset(data, 0xee, DATA_MAX);
    tell("%s(", names[kind]);
    int fd = any_fd();
    tell(", ");
    if (kind < 5) {
        tell("%zu", length);
        uint8_t *to = any_memory(length);
        if (kind < 3) {
            tell(")");
            got = CALL(SYS_read, fd, to, length);
        } else {
            tell(", ");
            int64_t offset = any_offset();
            tell(")");
            got = CALL(SYS_pread64, fd, to, length, offset);
        }
        if (got > 0 && to != NULL)
            tell(" hash %08x", hash(to, (size_t)got, 0));
        return;
    }
    int nr = any_pieces(&length);
    if (kind == 5) {
        tell(")");
        got = CALL(SYS_readv, fd, pieces, nr);
    } else {
        tell(", ");
        int64_t offset = any_offset();
        if (kind == 6) {
            tell(")");
            got = CALL(SYS_preadv, fd, pieces, nr, offset, 0);
        } else {
            tell(", ");
            unsigned flags = FLAGS(10, RWF_HIPRI, RWF_SYNC, RWF_DSYNC);
            tell(")");
            if (is_dir(fd))
                flags = 0;
            got = CALL(SYS_preadv2, fd, pieces, nr, offset, 0, flags);
        }
    }
    if (got > 0)
        tell(" hash %08x", hash(data, length, 0));
}

void do_write(void)
{
    size_t length = any_length();
    unsigned kind = any(8);
    static const char *const names[] = {"write",  "write",  "write",   "pwrite",
                                        "pwrite", "writev", "pwritev", "pwritev2"};

    tell("%s(", names[kind]);
    int fd = any_fd();
    tell(", ");
    if (is_filled_pipe(fd)) {
        tell(" left out: a pipe with something in it");
        return;
    }
    if (kind < 5) {
        fill(length);
        tell("%zu", length);
        /* A pwrite() behind the end that fails for its memory makes a file longer on Linux 6.18. */
        uint8_t *from = kind < 3 && has_bytes(fd, length) ? any_memory(length) : data;
        if (from != data && from < outside && from > data)
            memset(from, 'x', (size_t)(outside - from));
        if (kind < 3) {
            tell(")");
            CALL(SYS_write, fd, from, length);
        } else {
            tell(", ");
            int64_t offset = any_offset();
            tell(")");
            CALL(SYS_pwrite64, fd, data, length, offset);
        }
        return;
    }
    int nr = any_pieces(&length);
    for (int i = 0; i < nr && i < (int)LEN(pieces); i++)
        if (pieces[i].iov_base < (void *)data || pieces[i].iov_base >= (void *)outside)
            pieces[i].iov_base = data;
    fill(length);
    if (kind == 5) {
        tell(")");
        CALL(SYS_writev, fd, pieces, nr);
        return;
    }
    tell(", ");
    int64_t offset = any_offset();
    if (kind == 6) {
        tell(")");
        CALL(SYS_pwritev, fd, pieces, nr, offset, 0);
    } else {
        tell(", ");
        unsigned flags = FLAGS(15, RWF_HIPRI, RWF_SYNC, RWF_DSYNC, RWF_APPEND);
        tell(")");
        CALL(SYS_pwritev2, fd, pieces, nr, offset, 0, flags);
    }
}

void tell_position(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        tell(" now at %ld of %ld", (long)lseek(fd, 0, SEEK_CUR), (long)st.st_size);
}

void do_seek(void)
{
    struct stat st;

    tell("lseek(");
    int fd = any_fd(), whence = (int)any(chance(5) ? 8 : 5);
    if ((!are_pages_told() && (whence == SEEK_DATA || whence == SEEK_HOLE)) || is_fifo(fd))
        whence = SEEK_SET;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        tell(", 0, 0)"); /* other positions in a folder are the file system's own */
        CALL(SYS_lseek, fd, 0, SEEK_SET);
        return;
    }
    tell(", ");
    int64_t offset = any_offset();
    tell(", %d)", whence);
    if (offset > (int64_t)1 << 60)
        offset = 7;
    CALL(SYS_lseek, fd, offset, whence);
}

void do_truncate(void)
{
    if (chance(70)) {
        tell("ftruncate(");
        int fd = any_fd();
        tell(", ");
        int64_t size = any_offset();
        tell(")");
        if (size < (int64_t)1 << 47)
            CALL(SYS_ftruncate, fd, size);
    } else {
        tell("truncate(");
        const char *path = any_path();
        tell(", ");
        int64_t size = any_offset();
        tell(")");
        if (size < (int64_t)1 << 47)
            CALL(SYS_truncate, path, size);
    }
}

void do_fallocate(void)
{
    tell("fallocate(");
    int fd = any_fd();
    tell(", ");
    unsigned flags = FLAGS(35, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE);
    if (are_pages_told())
        flags = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
    tell(", ");
    int64_t offset = any_offset();
    tell(", ");
    int64_t length = chance(10) ? any_offset() : (int64_t)any_length();
    tell(" %ld)", (long)length);
    CALL(SYS_fallocate, fd, flags, offset, length);
    tell_position(fd);
}

/* An offset by pointer, for calls that take one: NULL, or *space. */
static int64_t *any_offset_pointer(int64_t *space)
{
    if (chance(50)) {
        tell("null");
        return NULL;
    }
    if (chance(3)) {
        tell("outside");
        return (int64_t *)outside;
    }
    *space = any_offset();
    return space;
}

static void tell_offset(const int64_t *at, const int64_t *space)
{
    if (at == space)
        tell(" offset %ld", (long)*space);
}

static bool is_same_file(int a, int b)
{
    struct stat a_stat, b_stat;

    return fstat(a, &a_stat) == 0 && fstat(b, &b_stat) == 0 && a_stat.st_ino == b_stat.st_ino;
}

void do_copy(void)
{
    int64_t from_offset = 0, to_offset = 0;
    bool is_sendfile = chance(50);
    size_t length = any_length();

    tell("%s(", is_sendfile ? "sendfile" : "copy_file_range");
    int from = any_fd();
    tell(" ");
    int64_t *from_at = any_offset_pointer(&from_offset), *to_at = NULL;
    tell(", ");
    int to = any_fd();
    if (is_filled_pipe(to) || (is_fifo(from) && is_fifo(to)) ||
        (is_sendfile && is_same_file(from, to))) {
        tell(" left out");
        return;
    }
    if (!is_sendfile) {
        tell(" ");
        to_at = any_offset_pointer(&to_offset);
    }
    tell(", %zu)", length);
    if (is_sendfile)
        CALL(SYS_sendfile, to, from, from_at, length);
    else
        CALL(SYS_copy_file_range, from, from_at, to, to_at, length, chance(3) ? 1 : 0);
    tell_offset(from_at, &from_offset);
    tell_offset(to_at, &to_offset);
    tell_position(from);
    tell_position(to);
}

/* From a file into a new pipe, or out of it into one. */
void do_splice(void)
{
    int fds[2];
    int64_t offset = 0;
    size_t length = any_length() % 20000;
    bool is_out = chance(50);

    tell("splice(");
    int fd = any_fd();
    tell(" ");
    int64_t *at = any_offset_pointer(&offset);
    tell(", %s, %zu)", is_out ? "from a pipe" : "to a pipe", length);
    if (is_filled_pipe(fd) || !CALL_OK(SYS_pipe2, fds, O_NONBLOCK))
        return;
    if (is_out) {
        size_t nr = any_length() % 20000;
        fill(nr);
        tell(" with %ld", (long)write(fds[1], data, nr));
        CALL(SYS_splice, fds[0], NULL, fd, at, length, 2 /* SPLICE_F_NONBLOCK */);
    } else {
        CALL(SYS_splice, fd, at, fds[1], NULL, length, 2 /* SPLICE_F_NONBLOCK */);
    }
    long rest = read(fds[0], data, DATA_MAX);
    if (rest > 0)
        tell(" and %ld, hash %08x", rest, hash(data, (size_t)rest, 0));
    tell_offset(at, &offset);
    tell_position(fd);
    close(fds[0]);
    close(fds[1]);
}

void do_sync(void)
{
    int fd;

    switch (any(5)) {
    case 0:
        tell("fsync(");
        fd = any_fd();
        tell(")");
        CALL(SYS_fsync, fd);
        break;
    case 1:
        tell("fdatasync(");
        fd = any_fd();
        tell(")");
        CALL(SYS_fdatasync, fd);
        break;
    case 2:
        tell("sync_file_range(");
        fd = any_fd();
        tell(", ");
        int64_t offset = any_offset();
        tell(", ");
        int64_t length = any_offset();
        tell(", ");
        unsigned flags = FLAGS(30, 1, 2, 4);
        tell(")");
        CALL(SYS_sync_file_range, fd, offset, length, flags);
        break;
    case 3: {
        tell("fadvise64(");
        fd = any_fd();
        tell(", ");
        offset = any_offset();
        tell(", ");
        length = any_offset();
        int advice = (int)any(8);
        tell(", %d)", advice);
        CALL(SYS_fadvise64, fd, offset, length, advice);
        break;
    }
    default:
        tell("syncfs(");
        fd = any_fd();
        tell(")");
        CALL(SYS_syncfs, fd);
    }
}
