/*
 * Does a file system behave as Linux's tmpfs does? A seed makes a long sequence of calls; each is
 * told in a line, with its result and what it read. The same binary tells the same on Linux, or
 * one of the two is wrong:
 *
 *     as_linux record user|root FIRST-SEED LAST-SEED NR-CALLS    on Linux, to a file
 *     as_linux check FILE                                        in Thrum; prints KTAP
 *
 * The calls are made in a tmpfs of their own, which is the root (chroot), by up to three processes
 * that take turns. `user` has no privilege; `root` becomes other users now and then. What is left
 * out is what Linux does not promise, or has changed lately: numbers of inodes, the
 * order of names in a folder, sizes of folders, how much fits into a pipe, O_DIRECT, extended
 * attributes.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
/* musl 1.2.3 lacks these; <linux/fs.h> and <sys/mount.h> cannot both be included. */
#define RWF_HIPRI    1
#define RWF_DSYNC    2
#define RWF_SYNC     4
#define RWF_APPEND   16
#define TEXT_MAX     ((size_t)16 << 20)
#define NR_PROCESSES 3
#define NR_ERA_CALLS 400 /* then all is removed, and begins again */
#define NR_MAPS      4
#define DATA_MAX     ((size_t)64 << 10)
#define LEN(array)   (sizeof(array) / sizeof((array)[0]))

/* What the processes share. Only the one whose turn it is touches it, but for `turn` and `left`. */
struct play {
    uint64_t random;
    _Atomic int turn;
    _Atomic int left; /* calls to be made */
    int line, era;
    bool is_alive[NR_PROCESSES];
    pid_t pid[NR_PROCESSES];
    pid_t ended; /* process 0 has to wait for it */
    bool is_root;
    size_t text_bytes;
    char text[TEXT_MAX];
};

static struct play *play;
static int me; /* which of the processes */
static int era;

static uint8_t *data;    /* DATA_MAX bytes, and behind them nothing is mapped */
static uint8_t *outside; /* there */
static struct {
    uint8_t *at;
    size_t nr_bytes;
    bool is_private; /* then it is left open when changes of the file are seen in it */
} maps[NR_MAPS];

/*
 * Which pages of a file are there is told in every second era only: without mapping files, and
 * without asking for pages, for then it is left open.
 */
static bool are_pages_told(void)
{
    return era % 2 == 1;
}

/* ---- Random numbers, and lines -------------------------------------------------------------- */

static uint64_t next_random(void)
{
    uint64_t z = play->random += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned any(unsigned nr)
{
    return (unsigned)(next_random() >> 11) % nr;
}

static bool chance(unsigned percent)
{
    return any(100) < percent;
}

static __attribute__((format(printf, 1, 2))) void tell(const char *format, ...)
{
    va_list args;
    size_t room = TEXT_MAX - play->text_bytes;

    va_start(args, format);
    int nr = vsnprintf(play->text + play->text_bytes, room, format, args);
    va_end(args);
    if (nr > 0 && (size_t)nr < room)
        play->text_bytes += (size_t)nr;
}

static void end_line(void)
{
    tell("\n");
}

static uint32_t hash(const void *at, size_t nr_bytes, uint32_t start)
{
    const uint8_t *byte = at;
    uint32_t h = start ^ 2166136261;

    for (size_t i = 0; i < nr_bytes; i++)
        h = (h ^ byte[i]) * 16777619;
    return h;
}

/* A call, its result told as a number or as an error. */
#define CALL(number, ...) told_result(syscall(number, __VA_ARGS__))

static long told_result(long result)
{
    if (result == -1)
        tell(" = errno %d", errno);
    else
        tell(" = %ld", result);
    return result;
}

/* As CALL, where only success is of interest. */
#define CALL_OK(number, ...) told_success(syscall(number, __VA_ARGS__))

static bool told_success(long result)
{
    if (result == -1)
        tell(" = errno %d", errno);
    else
        tell(" = ok");
    return result != -1;
}

/* ---- Arguments ------------------------------------------------------------------------------ */

static char long_name[256 + 1], longest_name[255 + 1];

static const char *any_name(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};

    switch (any(40)) {
    case 0:
    case 1:
        return "..";
    case 2:
    case 3:
        return ".";
    case 4:
        return longest_name;
    case 5:
        return chance(30) ? long_name : "...";
    default:
        return names[any(LEN(names))];
    }
}

static char path_space[4][2 * PAGE];

static void tell_path(const char *path)
{
    size_t length = strlen(path);

    if (length < 60)
        tell("\"%s\"", path);
    else
        tell("\"%.12s...%.12s\"(%zu)", path, path + length - 12, length);
}

/* A path, told. Four can be in use at once. */
static const char *any_path(void)
{
    static unsigned next;
    char *path = path_space[next++ % 4];

    *path = '\0';
    if (chance(3)) {
        switch (any(7)) {
        case 0:
            break;
        case 1:
            tell("null");
            return NULL;
        case 2:
            tell("outside");
            return (const char *)outside;
        case 3:
            tell("kernel");
            return (const char *)0xffff800000000000;
        case 4:
            memset(outside - 5, 'a', 5);
            tell("unterminated");
            return (const char *)outside - 5;
        default: {
            unsigned length = PAGE - 3 + any(4);

            for (unsigned i = 0; i + 1 < length; i += 2)
                memcpy(path + i, "./", 3);
            path[length - 1] = 'a';
            path[length] = '\0';
        }
        }
        tell_path(path);
        return path;
    }
    if (chance(8))
        strcat(path, "/");
    for (unsigned nr = chance(55) ? 1 : 1 + any(3); nr > 0; nr--) {
        strcat(path, any_name());
        if (nr > 1)
            strcat(path, chance(5) ? "//" : "/");
    }
    /* What is wrong with a name that is too long is told by itself only. */
    if (chance(6) && strstr(path, long_name) == NULL)
        strcat(path, chance(70) ? "/" : chance(50) ? "/." : "//");
    tell_path(path);
    return path;
}

static bool is_readable(const char *path)
{
    for (unsigned i = 0; i < LEN(path_space); i++)
        if (path == path_space[i])
            return true;
    return false;
}

static int any_fd(void)
{
    static const int odd[] = {-1, 22, 23, 24, 1000, AT_FDCWD, INT32_MAX, INT32_MIN};

    int fd = chance(95) ? (int)any(12) : odd[any(LEN(odd))];

    for (int tries = (int)any(12); tries > 0 && fd >= 0 && fd < 12 && fcntl(fd, F_GETFD) < 0;
         tries--)
        fd = (fd + 1) % 12;
    tell("%d", fd);
    return fd;
}

/* A folder to start from, told. */
static int any_dir(void)
{
    if (!chance(75))
        return any_fd();
    tell("cwd");
    return AT_FDCWD;
}

static size_t any_length(void)
{
    switch (any(8)) {
    case 0:
        return any(3);
    case 1:
        return PAGE - 1 + any(3);
    case 2:
        return (size_t)PAGE * any(5);
    case 3:
        return any(20000);
    case 4:
        return any(40000);
    default:
        return any(600);
    }
}

static int64_t any_offset(void)
{
    static const int64_t odd[] = {
        -1, INT64_MIN, INT64_MAX, (int64_t)1 << 31, (int64_t)1 << 32, (int64_t)1 << 40, -PAGE};
    int64_t offset;

    switch (any(16)) {
    case 0:
        offset = odd[any(LEN(odd))];
        break;
    case 1:
    case 2:
        offset = (int64_t)PAGE * any(12);
        break;
    case 3:
    case 4:
        offset = (int64_t)PAGE * any(12) - 1 + any(3);
        break;
    case 5:
        offset = any(200000);
        break;
    case 6:
    case 7:
        offset = 0;
        break;
    default:
        offset = any(9000);
    }
    tell("%ld", (long)offset);
    return offset;
}

/* Where to read to or write from, for `nr_bytes` of at most DATA_MAX. */
static uint8_t *any_memory(size_t nr_bytes)
{
    if (!chance(4))
        return data;
    switch (any(3)) {
    case 0:
        tell("(null)");
        return NULL;
    case 1:
        tell("(outside)");
        return outside;
    default: {
        size_t inside = nr_bytes > 0 ? any((unsigned)nr_bytes) : 0;
        tell("(%zu inside)", inside);
        return outside - inside;
    }
    }
}

static void fill(size_t nr_bytes)
{
    uint64_t word = next_random() | 1;

    for (size_t i = 0; i < nr_bytes && i < DATA_MAX; i++)
        data[i] = (uint8_t)((word * (i + 1)) >> 17) | 1;
}

static mode_t any_mode(void)
{
    static const mode_t usual[] = {0755, 0644, 0777, 0700, 0666, 01777, 02775};
    mode_t mode = chance(85) ? usual[any(LEN(usual))] : any(010000);

    /* What others may do with files and links in such a folder is a setting, too. */
    if (play->is_root && (mode & S_ISVTX))
        mode &= ~022u;
    if (chance(2))
        mode |= 0x70000000 | S_IFDIR;
    tell("0%o", mode);
    return mode;
}

static int any_id(void)
{
    static const int ids[] = {0, 1000, 1001, 1002};
    int id;

    if (chance(30)) {
        tell("-1");
        return -1;
    }
    if (!play->is_root) {
        tell("own");
        return (int)getuid();
    }
    id = ids[any(LEN(ids))];
    tell("%d", id);
    return id;
}

/* Flags of a call: each of `known` in `percent` of all cases; seldom others. */
static unsigned any_flags(const unsigned *known, unsigned nr, unsigned percent)
{
    unsigned flags = 0;

    for (unsigned i = 0; i < nr; i++)
        if (chance(percent))
            flags |= known[i];
    if (chance(1))
        flags |= 1U << 30;
    tell("0x%x", flags);
    return flags;
}

#define FLAGS(percent, ...)                                                                        \
    any_flags((const unsigned[]){__VA_ARGS__}, LEN(((const unsigned[]){__VA_ARGS__})), percent)

static bool is_dir(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * Whether a write of so many bytes stays within the file. Where it does not, and the memory that
 * they are in cannot be read, some versions of Linux make the file longer all the same.
 */
static bool has_bytes(int fd, size_t nr_bytes)
{
    struct stat st;
    off_t at = lseek(fd, 0, SEEK_CUR);

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !are_pages_told() && at >= 0 &&
           at <= st.st_size && (off_t)nr_bytes <= st.st_size - at &&
           (fcntl(fd, F_GETFL) & O_APPEND) == 0;
}

static bool is_fifo(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* How much fits into a pipe depends on how it was filled: only an empty one is written to. */
static bool is_filled_pipe(int fd)
{
    int nr = 0;

    return is_fifo(fd) && (ioctl(fd, FIONREAD, &nr) != 0 || nr > 0);
}

/* ---- Opening, closing, descriptors ---------------------------------------------------------- */

static void tell_fd(int fd)
{
    int flags = fcntl(fd, F_GETFL), on_exec = fcntl(fd, F_GETFD);

    if (flags != -1)
        tell(" flags 0%o", flags & ~0100000);
    tell(" fd flags %d", on_exec);
}

static void do_open(void)
{
    static const struct {
        int flag;
        unsigned percent;
    } choices[] = {
        {O_CREAT, 45},   {O_EXCL, 10}, {O_TRUNC, 12},  {O_APPEND, 12},   {O_DIRECTORY, 8},
        {O_NOFOLLOW, 8}, {O_PATH, 5},  {O_TMPFILE, 4}, {O_CLOEXEC, 10},  {O_NOCTTY, 3},
        {O_SYNC, 3},     {O_DSYNC, 3}, {O_NOATIME, 3}, {O_LARGEFILE, 3},
    };
    int flags = chance(60) ? O_RDWR : (int)any(3), fd;

    for (unsigned i = 0; i < LEN(choices); i++)
        if (chance(choices[i].percent))
            flags |= choices[i].flag;
    flags |= O_NONBLOCK;
    bool has_dir = chance(30), is_creat = chance(2);
    tell("%s(", is_creat ? "creat" : has_dir ? "openat" : "open");
    int dir = has_dir && !is_creat ? any_dir() : AT_FDCWD;
    const char *path = any_path();
    if (!is_creat)
        tell(", 0%o, ", flags);
    mode_t mode = any_mode();
    tell(")");
    if (is_creat) {
        struct stat st;
        if (is_readable(path) && stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) {
            tell(" left out: a FIFO");
            return;
        }
        fd = (int)CALL(SYS_creat, path, mode);
    } else if (has_dir) {
        fd = (int)CALL(SYS_openat, dir, path, flags, mode);
    } else {
        fd = (int)CALL(SYS_open, path, flags, mode);
    }
    if (fd >= 0)
        tell_fd(fd);
}

static void do_close(void)
{
    tell("close(");
    int fd = any_fd();
    tell(")");
    CALL(SYS_close, fd);
}

static void do_close_range(void)
{
    unsigned first = 3 + any(12), last = first + any(3) - (chance(10) ? 2 : 0);

    tell("close_range(%u, %u, ", first, last);
    unsigned flags = FLAGS(20, 4 /* CLOSE_RANGE_CLOEXEC */);
    tell(")");
    CALL(SYS_close_range, first, last, flags);
}

static void do_dup(void)
{
    int from, to;

    switch (any(3)) {
    case 0:
        tell("dup(");
        from = any_fd();
        tell(")");
        CALL(SYS_dup, from);
        break;
    case 1:
        tell("dup2(");
        from = any_fd();
        tell(", ");
        to = any_fd();
        tell(")");
        CALL(SYS_dup2, from, to);
        break;
    default:
        tell("dup3(");
        from = any_fd();
        tell(", ");
        to = any_fd();
        tell(", ");
        unsigned flags = FLAGS(30, O_CLOEXEC);
        tell(")");
        CALL(SYS_dup3, from, to, flags);
    }
}

static void do_fcntl(void)
{
    tell("fcntl(");
    int fd = any_fd();
    tell(", ");
    switch (any(6)) {
    case 0:
        tell("F_GETFL)");
        CALL(SYS_fcntl, fd, F_GETFL, 0);
        return;
    case 1: {
        tell("F_SETFL, ");
        unsigned flags = FLAGS(15, O_APPEND, O_NOATIME, O_SYNC, O_TRUNC, O_RDWR, O_CREAT);
        tell(")");
        CALL(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
        if (fcntl(fd, F_GETFL) != -1)
            tell_fd(fd);
        return;
    }
    case 2: {
        unsigned flags = any(4);
        tell("F_SETFD, %u)", flags);
        CALL(SYS_fcntl, fd, F_SETFD, flags);
        return;
    }
    case 3:
        tell("F_GETFD)");
        CALL(SYS_fcntl, fd, F_GETFD, 0);
        return;
    case 4: {
        int least = (int)any(28) - 1, command = chance(50) ? F_DUPFD : F_DUPFD_CLOEXEC;
        tell("F_DUPFD %d, %d)", command, least);
        CALL(SYS_fcntl, fd, command, least);
        return;
    }
    default: {
        int command = (int)any(1100) + 2000; /* none, or leases and seals */
        if (command >= 1024)
            command = 99;
        tell("%d)", command);
        CALL(SYS_fcntl, fd, command, 0);
    }
    }
}

/* ---- Reading and writing -------------------------------------------------------------------- */

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

static void do_read(void)
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

static void do_write(void)
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
        uint8_t *from = has_bytes(fd, length) ? any_memory(length) : data;
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

static void tell_position(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        tell(" now at %ld of %ld", (long)lseek(fd, 0, SEEK_CUR), (long)st.st_size);
}

static void do_seek(void)
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

static void do_truncate(void)
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

static void do_fallocate(void)
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

static void do_copy(void)
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
static void do_splice(void)
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

static void do_sync(void)
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

/* ---- Names ---------------------------------------------------------------------------------- */

static void do_mkdir(void)
{
    if (chance(70)) {
        tell("mkdir(");
        const char *path = any_path();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        CALL(SYS_mkdir, path, mode);
    } else {
        tell("mkdirat(");
        int dir = any_dir();
        tell(" ");
        const char *path = any_path();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        CALL(SYS_mkdirat, dir, path, mode);
    }
}

static void do_remove(void)
{
    const char *path;

    switch (any(4)) {
    case 0:
        tell("rmdir(");
        path = any_path();
        tell(")");
        CALL(SYS_rmdir, path);
        break;
    case 1:
        tell("unlink(");
        path = any_path();
        tell(")");
        CALL(SYS_unlink, path);
        break;
    default:
        tell("unlinkat(");
        int dir = any_dir();
        tell(" ");
        path = any_path();
        tell(", ");
        unsigned flags = FLAGS(40, AT_REMOVEDIR);
        tell(")");
        CALL(SYS_unlinkat, dir, path, flags);
    }
}

static void do_rename(void)
{
    bool has_long_name;

    tell("renameat2(");
    int from_dir = any_dir();
    tell(" ");
    const char *from = any_path();
    tell(", ");
    int to_dir = any_dir();
    tell(" ");
    const char *to = any_path();
    tell(", ");
    unsigned flags = FLAGS(20, 1 /* RENAME_NOREPLACE */, 2 /* RENAME_EXCHANGE */);
    tell(")");
    /* Whether another error comes first depends on when names are looked at. */
    has_long_name = (is_readable(from) && strstr(from, long_name) != NULL) ||
                    (is_readable(to) && strstr(to, long_name) != NULL);
    if (has_long_name)
        tell(" left out");
    else if (flags == 0 && chance(30))
        CALL(SYS_renameat, from_dir, from, to_dir, to);
    else
        CALL(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

static void do_link(void)
{
    const char *from, *to;
    unsigned kind = any(4);

    /* Whether one may make links to what others own is a setting. */
    if (play->is_root && geteuid() != 0)
        kind = 3;
    switch (kind) {
    case 0:
        tell("link(");
        from = any_path();
        tell(", ");
        to = any_path();
        tell(")");
        CALL(SYS_link, from, to);
        break;
    case 1: {
        tell("linkat(");
        int from_dir = any_dir();
        tell(" ");
        from = any_path();
        tell(", ");
        int to_dir = any_dir();
        tell(" ");
        to = any_path();
        tell(", ");
        unsigned flags = FLAGS(30, AT_SYMLINK_FOLLOW);
        tell(")");
        CALL(SYS_linkat, from_dir, from, to_dir, to, flags);
        break;
    }
    case 2: {
        if (geteuid() != 0)
            break; /* whether everybody may do that has changed */
        tell("linkat(");
        int fd = any_fd();
        tell(" \"\", cwd ");
        to = any_path();
        tell(", AT_EMPTY_PATH)");
        CALL(SYS_linkat, fd, "", AT_FDCWD, to, AT_EMPTY_PATH);
        break;
    }
    default:
        tell("symlink(");
        from = any_path();
        tell(", ");
        to = any_path();
        tell(")");
        CALL(SYS_symlink, from, to);
    }
}

static void do_readlink(void)
{
    static const int sizes[] = {DATA_MAX, DATA_MAX, DATA_MAX, 0, 1, 3, -1};
    int size = sizes[any(LEN(sizes))];

    tell("readlinkat(");
    int dir = any_dir();
    tell(" ");
    const char *path = any_path();
    tell(", %d", size);
    uint8_t *to = any_memory(3);
    tell(")");
    long got = CALL(SYS_readlinkat, dir, path, to, size);
    if (got > 0)
        tell(" hash %08x", hash(to, (size_t)got, 0));
}

static void do_mknod(void)
{
    static const mode_t types[] = {S_IFIFO, S_IFIFO, S_IFIFO,  S_IFREG, 0,
                                   S_IFDIR, S_IFLNK, S_IFSOCK, S_IFCHR, 0170000};
    mode_t type = types[any(LEN(types))];

    tell("mknodat(");
    int dir = any_dir();
    tell(" ");
    const char *path = any_path();
    tell(", 0%o ", type);
    mode_t mode = any_mode() & 07777;
    tell(")");
    CALL(SYS_mknodat, dir, path, type | mode, makedev(77, 3));
}

static void do_chdir(void)
{
    if (chance(50)) {
        tell("chdir(");
        const char *path = any_path();
        tell(")");
        CALL(SYS_chdir, path);
    } else if (chance(40)) {
        tell("fchdir(");
        int fd = any_fd();
        tell(")");
        CALL(SYS_fchdir, fd);
    } else {
        tell("chdir(\"/\")");
        CALL(SYS_chdir, "/");
    }
}

static void do_getcwd(void)
{
    size_t size = chance(60) ? DATA_MAX : any(8);

    tell("getcwd(%zu", size);
    uint8_t *to = any_memory(size);
    tell(")");
    long got = CALL(SYS_getcwd, to, size);
    if (got > 0 && to != NULL) {
        tell(" ");
        tell_path((const char *)to);
    }
}

static void do_umask(void)
{
    static const unsigned masks[] = {022, 022, 0, 077, 027, 0777777};
    unsigned mask = masks[any(LEN(masks))];

    if (mask > 0777 && chance(90))
        mask = 0;
    tell("umask(0%o)", mask);
    CALL(SYS_umask, mask);
}

/* ---- Attributes ----------------------------------------------------------------------------- */

static void tell_id(unsigned id)
{
    if (!play->is_root && id == getuid())
        tell(" own");
    else
        tell(" %u", id);
}

static void tell_stat(const struct stat *st)
{
    tell(" 0%o links %lu owner", st->st_mode, (unsigned long)st->st_nlink);
    tell_id(st->st_uid);
    if (play->is_root)
        tell(" %u", st->st_gid);
    if (!S_ISDIR(st->st_mode))
        tell(" size %ld", (long)st->st_size);
    if (S_ISREG(st->st_mode) && are_pages_told())
        tell(" blocks %ld", (long)st->st_blocks);
    if (st->st_rdev != 0)
        tell(" device %lx", (unsigned long)st->st_rdev);
}

static void do_stat(void)
{
    struct stat st;
    uint32_t statx_at[64];
    const char *path;

    switch (any(5)) {
    case 0:
        tell("stat(");
        path = any_path();
        tell(")");
        if (CALL_OK(SYS_stat, path, &st))
            tell_stat(&st);
        break;
    case 1:
        tell("lstat(");
        path = any_path();
        tell(")");
        if (CALL_OK(SYS_lstat, path, &st))
            tell_stat(&st);
        break;
    case 2: {
        tell("fstat(");
        int fd = any_fd();
        tell(")");
        if (CALL_OK(SYS_fstat, fd, &st))
            tell_stat(&st);
        break;
    }
    case 3: {
        tell("newfstatat(");
        int dir = any_dir();
        tell(" ");
        path = any_path();
        tell(", ");
        unsigned flags = FLAGS(25, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT);
        tell(")");
        if (path == NULL)
            flags &= ~(unsigned)AT_EMPTY_PATH; /* is allowed since Linux 6.11 */
        if (CALL_OK(SYS_newfstatat, dir, path, &st, flags))
            tell_stat(&st);
        break;
    }
    default: {
        tell("statx(");
        int dir = any_dir();
        tell(" ");
        path = any_path();
        tell(", ");
        unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH,
                               0x2000 /* AT_STATX_FORCE_SYNC */, 0x4000 /* AT_STATX_DONT_SYNC */);
        tell(")");
        if (path == NULL)
            flags &= ~(unsigned)AT_EMPTY_PATH;
        if (CALL_OK(SYS_statx, dir, path, flags, chance(3) ? 0x80000000 : 0x7ff, statx_at))
            tell(" mask %x block %u links %u mode 0%o", statx_at[0] & 0x7ff, statx_at[1],
                 statx_at[4], statx_at[7] & 0xffff);
    }
    }
}

static void do_chmod(void)
{
    if (chance(40)) {
        tell("fchmod(");
        int fd = any_fd();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        CALL(SYS_fchmod, fd, mode);
    } else {
        tell("fchmodat(");
        int dir = any_dir();
        tell(" ");
        const char *path = any_path();
        tell(", ");
        mode_t mode = any_mode();
        tell(")");
        if (chance(50))
            CALL(SYS_fchmodat, dir, path, mode);
        else
            CALL(452 /* fchmodat2 */, dir, path, mode, chance(20) ? AT_SYMLINK_NOFOLLOW : 0);
    }
}

static void do_chown(void)
{
    if (chance(40)) {
        tell("fchown(");
        int fd = any_fd();
        tell(", ");
        int uid = any_id();
        tell(", ");
        int gid = any_id();
        tell(")");
        CALL(SYS_fchown, fd, uid, gid);
    } else {
        tell("fchownat(");
        int dir = any_dir();
        tell(" ");
        const char *path = any_path();
        tell(", ");
        int uid = any_id();
        tell(", ");
        int gid = any_id();
        tell(", ");
        unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH);
        tell(")");
        CALL(SYS_fchownat, dir, path, uid, gid, flags);
    }
}

static void do_access(void)
{
    tell("faccessat2(");
    int dir = any_dir();
    tell(" ");
    const char *path = any_path();
    int mode = (int)any(chance(5) ? 20 : 8);
    tell(", %d, ", mode);
    unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EACCESS, AT_EMPTY_PATH);
    tell(")");
    if (flags == 0 && chance(50))
        CALL(SYS_faccessat, dir, path, mode);
    else
        CALL(439 /* faccessat2 */, dir, path, mode, flags);
}

static void do_utimens(void)
{
    struct timespec times[2];
    static const long nanoseconds[] = {0, 0, 5, UTIME_OMIT, UTIME_NOW, 999999999, 1000000000, -1};

    tell("utimensat(");
    int dir = any_dir();
    tell(" ");
    const char *path = chance(15) ? NULL : any_path();
    for (int i = 0; i < 2; i++) {
        times[i].tv_sec = any(2000000000);
        times[i].tv_nsec = nanoseconds[any(LEN(nanoseconds))];
        tell(", %ld.%ld", (long)times[i].tv_sec, times[i].tv_nsec);
    }
    tell(", ");
    unsigned flags = FLAGS(20, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH);
    bool is_now = chance(20), is_bad = chance(3);
    tell(" %d %d)", is_now, is_bad);
    CALL(SYS_utimensat, dir, path, is_bad ? (void *)outside : is_now ? NULL : (void *)times, flags);
    struct stat st;
    if (is_readable(path) && stat(path, &st) == 0) {
        for (int i = 0; i < 2; i++) {
            const struct timespec *t = i == 0 ? &st.st_atim : &st.st_mtim;
            if (t->tv_sec == times[i].tv_sec)
                tell(" set %ld", t->tv_nsec);
        }
    }
}

static void do_statfs(void)
{
    struct {
        long type, block, blocks, free, available, files, free_files, id, name, fragment, flags,
            spare[4];
    } fs;

    tell("statfs(");
    const char *path = any_path();
    tell(")");
    if (CALL_OK(SYS_statfs, path, &fs))
        tell(" %lx %ld %ld %ld %ld", fs.type, fs.block, fs.blocks, fs.name, fs.fragment);
}

static void do_setuid(void)
{
    static const int ids[] = {0, 0, 1000, 1001};
    int uid = ids[any(LEN(ids))], gid = ids[any(LEN(ids))];

    if (!play->is_root || !chance(40)) {
        do_umask();
        return;
    }
    syscall(SYS_setresuid, -1, 0, -1);
    tell("be user %d of %d", uid, gid);
    CALL(SYS_setresgid, -1, gid, -1);
    CALL(SYS_setresuid, -1, uid, -1);
}

/* Which times change, of a file, its folder, and another. */
static void do_times(void)
{
    static const char *const what[] = {
        "read",          "write",    "truncate",     "chmod",           "link",
        "rename",        "unlink",   "readdir",      "nothing written", "open",
        "open trunc",    "symlink",  "mkdir",        "rmdir",           "chown",
        "rename over",   "punch",    "read nothing", "readlink",        "truncate same",
        "append splice", "exchange", "unlink other", "sendfile",        "copy",
        "mknod"};
    static const char *const names[] = {"", "t", "t/x", "t/y", "t/d", "t/s"};
    const struct timespec old[2] = {{1000000000, 7}, {1000000000, 7}},
                          read[2] = {{0, UTIME_NOW}, {1000000000, 7}};
    struct stat before[LEN(names)], after;
    const struct timespec delay = {0, 12000000};
    unsigned kind = any(LEN(what));
    bool is_read = chance(25);
    int cwd = open(".", O_RDONLY), base, fd;

    tell("times of %s%s", what[kind], is_read ? ", read before" : "");
    if (cwd < 0 || chdir("/") != 0) {
        tell(" not possible");
        close(cwd);
        return;
    }
    syscall(SYS_setresuid, -1, getuid(), -1);
    mode_t mask = umask(0);
    base = open("/", O_RDONLY);
    mkdir("t", 0777);
    mkdir("t/d", 0777);
    symlink("x", "t/s");
    fd = open("t/x", O_RDWR | O_CREAT, 0666);
    ftruncate(fd, 0);
    pwrite(fd, "0123456789", 10, 0);
    close(open("t/y", O_RDWR | O_CREAT, 0666));
    for (unsigned i = 1; i < LEN(names); i++)
        utimensat(base, names[i], is_read ? read : old, AT_SYMLINK_NOFOLLOW);
    for (unsigned i = 0; i < LEN(names); i++)
        fstatat(base, names[i], &before[i], AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
    int pinned[LEN(names)];
    for (unsigned i = 0; i < LEN(names); i++)
        pinned[i] = i == 0 ? base : openat(base, names[i], O_PATH | O_NOFOLLOW);
    nanosleep(&delay, NULL);
    switch (kind) {
    case 0:
        syscall(SYS_pread64, fd, data, 5, 0);
        break;
    case 1:
        write(fd, "x", 1);
        break;
    case 2:
        ftruncate(fd, 3);
        break;
    case 3:
        fchmod(fd, 0600);
        break;
    case 4:
        link("t/x", "t/z");
        break;
    case 5:
        rename("t/x", "t/z");
        break;
    case 6:
        unlink("t/x");
        break;
    case 7: {
        int dir = open("t", O_RDONLY);
        syscall(SYS_getdents64, dir, data, 4096);
        close(dir);
        break;
    }
    case 8:
        write(fd, "x", 0);
        break;
    case 9:
        close(open("t/x", O_RDWR | O_CREAT, 0666));
        break;
    case 10:
        close(open("t/x", O_RDWR | O_TRUNC));
        break;
    case 11:
        symlink("q", "t/z");
        break;
    case 12:
        mkdir("t/z", 0777);
        break;
    case 13:
        rmdir("t/d");
        break;
    case 14:
        chown("t/x", getuid(), (gid_t)-1);
        break;
    case 15:
        rename("t/y", "t/x");
        break;
    case 16:
        syscall(SYS_fallocate, fd, 3, 0, 4096);
        break;
    case 17:
        pread(fd, data, 5, 100);
        break;
    case 18:
        readlink("t/s", (char *)data, 10);
        break;
    case 19:
        ftruncate(fd, 10);
        break;
    case 20: {
        int p[2];
        pipe(p);
        write(p[1], "abc", 3);
        syscall(SYS_splice, p[0], NULL, fd, NULL, 3, 0);
        close(p[0]);
        close(p[1]);
        break;
    }
    case 21:
        syscall(SYS_renameat2, AT_FDCWD, "t/x", AT_FDCWD, "t/d", 2);
        break;
    case 22:
        link("t/x", "t/z");
        for (unsigned i = 0; i < LEN(names); i++)
            fstat(pinned[i], &before[i]);
        nanosleep(&delay, NULL);
        unlink("t/z");
        break;
    case 23: {
        int to = open("t/y", O_RDWR);
        lseek(fd, 0, SEEK_SET);
        syscall(SYS_sendfile, to, fd, NULL, 5);
        close(to);
        break;
    }
    case 24: {
        int to = open("t/y", O_RDWR);
        int64_t zero = 0;
        syscall(SYS_copy_file_range, fd, &zero, to, NULL, 5, 0);
        close(to);
        break;
    }
    default:
        mknod("t/z", S_IFIFO | 0600, 0);
    }
    for (unsigned i = 1; i < LEN(names); i++) {
        if (fstat(pinned[i], &after) != 0)
            continue;
        tell(" %s", names[i]);
        if (memcmp(&after.st_atim, &before[i].st_atim, sizeof(after.st_atim)) != 0)
            tell(":atime");
        if (memcmp(&after.st_mtim, &before[i].st_mtim, sizeof(after.st_mtim)) != 0)
            tell(":mtime");
        if (memcmp(&after.st_ctim, &before[i].st_ctim, sizeof(after.st_ctim)) != 0)
            tell(":ctime");
    }
    close(fd);
    for (unsigned i = 0; i < LEN(names); i++)
        close(pinned[i]);
    unlink("t/z");
    rmdir("t/z");
    umask(mask);
    fchdir(cwd);
    close(cwd);
}

/* ---- Locks ---------------------------------------------------------------------------------- */

static int process_of(pid_t pid)
{
    for (int i = 0; i < NR_PROCESSES; i++)
        if (play->pid[i] == pid)
            return i;
    return (int)pid == -1 ? -1 : 99;
}

static void do_lock(void)
{
    static const int commands[] = {F_SETLK, F_SETLK, F_GETLK, F_OFD_SETLK, F_OFD_GETLK};
    struct flock lock;

    /* As long as a file is mapped, it may keep the locks that it was opened for. */
    if (are_pages_told() && chance(20)) {
        static const int operations[] = {LOCK_SH, LOCK_EX, LOCK_UN, 0, LOCK_SH | LOCK_EX};
        int operation = operations[any(LEN(operations))] | LOCK_NB;
        tell("flock(");
        int fd = any_fd();
        tell(", %d)", operation);
        CALL(SYS_flock, fd, operation);
        return;
    }
    int command = commands[any(are_pages_told() ? LEN(commands) : 3)];
    tell("fcntl(");
    int fd = any_fd();
    memset(&lock, 0, sizeof(lock));
    lock.l_type = (short)any(chance(3) ? 5 : 3);
    if (command == F_OFD_GETLK && lock.l_type == F_UNLCK)
        lock.l_type = F_RDLCK; /* that asks for the locks of one's own, since Linux 6.5 */
    lock.l_whence = (short)any(chance(3) ? 5 : 3);
    if (is_dir(fd) && lock.l_whence == SEEK_END)
        lock.l_whence = SEEK_SET;
    tell(", lock %d, %d, %d, ", command, lock.l_type, lock.l_whence);
    lock.l_start = any_offset();
    tell(", ");
    lock.l_len = chance(30) ? -(int64_t)any(9000) : chance(30) ? 0 : (int64_t)any(9000);
    lock.l_pid = chance(2) ? 1 : 0;
    tell("%ld, %d)", (long)lock.l_len, lock.l_pid);
    if (CALL_OK(SYS_fcntl, fd, command, chance(2) ? (void *)outside : &lock) &&
        (command == F_GETLK || command == F_OFD_GETLK)) {
        tell(" type %d", lock.l_type);
        if (lock.l_type != F_UNLCK)
            tell(" whence %d %ld %ld process %d", lock.l_whence, (long)lock.l_start,
                 (long)lock.l_len, process_of(lock.l_pid));
    }
}

/* ---- Mapping -------------------------------------------------------------------------------- */

static sigjmp_buf from_fault;
static volatile int fault_signal, fault_code;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    fault_signal = signal;
    fault_code = info->si_code;
    siglongjmp(from_fault, 1);
}

static void do_touch(unsigned slot)
{
    size_t at = any((unsigned)maps[slot].nr_bytes);
    volatile uint8_t *byte = maps[slot].at + at;
    bool is_write = chance(50);
    uint8_t value = (uint8_t)any(256);

    tell("%s map %u at %zu", is_write ? "write" : "read", slot, at);
    if (sigsetjmp(from_fault, 1) != 0) {
        tell(" = signal %d code %d", fault_signal, fault_code);
        return;
    }
    if (is_write)
        *byte = value;
    else
        tell(" = %d", maps[slot].is_private ? *byte * 0 : *byte);
    if (is_write)
        tell(" = ok");
}

static void do_map(void)
{
    unsigned slot = any(NR_MAPS);
    size_t at;

    if (are_pages_told()) {
        tell("no mapping");
        return;
    }
    if (maps[slot].at == NULL) {
        static const int kinds[] = {MAP_SHARED, MAP_SHARED, MAP_PRIVATE, MAP_PRIVATE, 3, 0};
        int prot = chance(70) ? PROT_READ | PROT_WRITE : (int)any(8);
        int kind = kinds[any(LEN(kinds))];
        size_t length = chance(5) ? 0 : 1 + any(5 * PAGE);

        tell("mmap(%zu, %d, %d, ", length, prot, kind);
        int fd = any_fd();
        tell(", ");
        int64_t offset = chance(60) || kind == 0 ? 0 : any_offset();
        if (offset < 0)
            offset = 1;
        tell(")");
        void *map = (void *)syscall(SYS_mmap, NULL, length, prot, kind, fd, offset);
        if (map == MAP_FAILED) {
            tell(" = errno %d", errno);
            return;
        }
        tell(" = map %u", slot);
        maps[slot].at = map;
        maps[slot].nr_bytes = length;
        maps[slot].is_private = kind == MAP_PRIVATE;
        return;
    }
    switch (any(14)) {
    case 0:
        tell("munmap(map %u)", slot);
        CALL(SYS_munmap, maps[slot].at, maps[slot].nr_bytes);
        maps[slot].at = NULL;
        return;
    case 1: {
        int prot = (int)any(4);
        tell("mprotect(map %u, %d)", slot, prot);
        CALL(SYS_mprotect, maps[slot].at, maps[slot].nr_bytes, prot);
        return;
    }
    case 2: {
        int flags = (int)any(8);
        tell("msync(map %u, %d)", slot, flags);
        CALL(SYS_msync, maps[slot].at, maps[slot].nr_bytes, flags);
        return;
    }
    case 3: {
        size_t length = 1 + any(6 * PAGE);
        tell("mremap(map %u, %zu)", slot, length);
        void *map =
            (void *)syscall(SYS_mremap, maps[slot].at, maps[slot].nr_bytes, length, MREMAP_MAYMOVE);
        if (map == MAP_FAILED) {
            tell(" = errno %d", errno);
        } else {
            tell(" = ok");
            maps[slot].at = map;
            maps[slot].nr_bytes = length;
        }
        return;
    }
    case 4: {
        static const int advices[] = {MADV_NORMAL, MADV_DONTNEED, MADV_WILLNEED, MADV_DONTNEED};
        int advice = advices[any(LEN(advices))];
        tell("madvise(map %u, %d)", slot, advice);
        CALL(SYS_madvise, maps[slot].at, maps[slot].nr_bytes, advice);
        return;
    }
    case 5: {
        size_t length = any((unsigned)maps[slot].nr_bytes + 1);
        tell("write(");
        int fd = any_fd();
        tell(", map %u, %zu)", slot, length);
        if (is_filled_pipe(fd) || !has_bytes(fd, length) || maps[slot].is_private)
            return;
        CALL(SYS_write, fd, maps[slot].at, length);
        return;
    }
    case 6: {
        size_t length = any((unsigned)maps[slot].nr_bytes + 1);
        tell("pread(");
        int fd = any_fd();
        tell(", map %u, %zu, 0)", slot, length);
        CALL(SYS_pread64, fd, maps[slot].at, length, 0);
        return;
    }
    case 7:
        at = maps[slot].nr_bytes;
        tell("hash of map %u", slot);
        if (sigsetjmp(from_fault, 1) != 0)
            tell(" = signal %d code %d", fault_signal, fault_code);
        else
            tell(" = %08x", hash(maps[slot].at, at, 0) * !maps[slot].is_private);
        return;
    default:
        do_touch(slot);
    }
}

/* ---- Listings ------------------------------------------------------------------------------- */

struct entry {
    char name[256];
    uint8_t type;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* All names in an open folder but "." and "..", sorted; *nr of them. The caller frees. */
static struct entry *list_dir(int fd, unsigned nr_bytes, size_t *nr, int *error)
{
    static char buffer[32768];
    size_t room = 64;
    struct entry *entries = malloc(room * sizeof(*entries));
    long got;

    *nr = 0;
    *error = 0;
    while ((got = syscall(SYS_getdents64, fd, buffer, nr_bytes)) > 0) {
        for (long at = 0; at < got;) {
            const struct dirent *entry = (const void *)(buffer + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            if (*nr == room) {
                room *= 2;
                entries = realloc(entries, room * sizeof(*entries));
            }
            strcpy(entries[*nr].name, entry->d_name);
            entries[(*nr)++].type = entry->d_type;
        }
    }
    if (got < 0)
        *error = errno;
    qsort(entries, *nr, sizeof(*entries), by_name);
    return entries;
}

static void do_getdents(void)
{
    static const unsigned sizes[] = {32768, 32768, 300, 290, 0, 20};
    unsigned size = sizes[any(LEN(sizes))];
    size_t nr;
    int error;

    tell("getdents64(");
    int fd = any_fd();
    tell(", %u)", size);
    lseek(fd, 0, SEEK_SET); /* whether names that are made meanwhile are listed is left open */
    if (size < 30) {
        CALL_OK(SYS_getdents64, fd, data, size);
        return;
    }
    struct entry *entries = list_dir(fd, size, &nr, &error);
    tell(" = errno %d", error);
    for (size_t i = 0; i < nr; i++)
        tell(" %.20s:%d", entries[i].name, entries[i].type);
    free(entries);
}

/* What is in a file: where it is not all zeros. Holes and pages of zeros are the same. */
static void tell_contents(int fd, off_t size)
{
    static uint8_t page[PAGE];
    uint32_t h = 0;

    for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0; at = lseek(fd, at, SEEK_DATA)) {
        long got = pread(fd, page, PAGE, at);
        if (got <= 0)
            break;
        if (memcmp(page, page + 1, (size_t)got - 1) != 0 || page[0] != 0)
            h = hash(page, (size_t)got, h ^ (uint32_t)(at / PAGE));
        at += got;
    }
    tell(" of %ld hash %08x", (long)size, h);
}

static struct {
    ino_t number;
    unsigned name;
} seen[4096];
static unsigned nr_seen, nr_names;

/* Which name in the listing was the first of this inode. */
static unsigned first_name(ino_t number)
{
    nr_names++;
    for (unsigned i = 0; i < nr_seen; i++)
        if (seen[i].number == number)
            return seen[i].name;
    if (nr_seen < LEN(seen)) {
        seen[nr_seen].number = number;
        seen[nr_seen++].name = nr_names;
    }
    return nr_names;
}

static void list_below(int dir, unsigned depth)
{
    size_t nr;
    int error;
    struct entry *entries = list_dir(dir, 32768, &nr, &error);

    if (error != 0)
        tell("   list errno %d\n", error);
    for (size_t i = 0; i < nr; i++) {
        struct stat st;
        const char *name = entries[i].name;

        tell("   %*s%.20s type %d", (int)depth * 2, "", name, entries[i].type);
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            tell(" errno %d\n", errno);
            continue;
        }
        tell_stat(&st);
        tell(" inode %u", first_name(st.st_ino));
        int fd = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)
                     ? openat(dir, name, O_RDONLY | O_NOFOLLOW)
                     : -2;
        if (fd == -1)
            tell(" open errno %d", errno);
        if (S_ISLNK(st.st_mode)) {
            char target[PAGE];
            long got = readlinkat(dir, name, target, sizeof(target) - 1);
            if (got > 0) {
                target[got] = '\0';
                tell(" -> ");
                tell_path(target);
            }
        }
        if (S_ISREG(st.st_mode) && fd >= 0)
            tell_contents(fd, st.st_size);
        tell("\n");
        if (S_ISDIR(st.st_mode) && fd >= 0)
            list_below(fd, depth + 1);
        if (fd >= 0)
            close(fd);
    }
    free(entries);
}

static void list_all(void)
{
    int root = open("/", O_RDONLY | O_DIRECTORY);

    tell("listing, root %d\n", root < 0 ? -errno : 0);
    nr_seen = nr_names = 0;
    if (root >= 0)
        list_below(root, 0);
    close(root);
    for (int fd = 0; fd < 24; fd++) {
        struct stat st;
        if (fcntl(fd, F_GETFD) < 0)
            continue;
        tell("   %d:", fd);
        if (fstat(fd, &st) != 0) {
            tell(" errno %d\n", errno);
            continue;
        }
        tell_stat(&st);
        tell_fd(fd);
        tell_position(fd);
        if (S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH)) == O_RDWR) {
            off_t at = lseek(fd, 0, SEEK_CUR);
            tell_contents(fd, st.st_size);
            lseek(fd, at, SEEK_SET);
        }
        tell("\n");
    }
}

static void remove_below(int dir)
{
    size_t nr;
    int error;
    struct entry *entries = list_dir(dir, 32768, &nr, &error);

    for (size_t i = 0; i < nr; i++) {
        const char *name = entries[i].name;
        if (unlinkat(dir, name, 0) == 0)
            continue;
        fchmodat(dir, name, 0700, 0);
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (fd >= 0) {
            remove_below(fd);
            close(fd);
        }
        unlinkat(dir, name, AT_REMOVEDIR);
    }
    free(entries);
}

/* Another era begins for the process: it has no file. */
static void let_go(void)
{
    syscall(SYS_setresuid, -1, getuid(), -1);
    syscall(SYS_close_range, 0, ~0U, 0);
    for (unsigned i = 0; i < NR_MAPS; i++) {
        if (maps[i].at != NULL)
            munmap(maps[i].at, maps[i].nr_bytes);
        maps[i].at = NULL;
    }
    chmod("/", 0777);
    chdir("/");
}

/* The first process of an era removes all names. */
static void remove_all(void)
{
    int root = open("/", O_RDONLY | O_DIRECTORY);
    remove_below(root);
    close(root);
    tell("removed all\n");
}

/* ---- The processes -------------------------------------------------------------------------- */

static const struct {
    void (*call)(void);
    unsigned weight;
} calls[] = {
    {do_open, 40},   {do_close, 14},   {do_close_range, 1}, {do_dup, 5},      {do_fcntl, 8},
    {do_read, 22},   {do_write, 28},   {do_seek, 10},       {do_truncate, 8}, {do_fallocate, 7},
    {do_copy, 8},    {do_splice, 5},   {do_sync, 2},        {do_mkdir, 12},   {do_remove, 12},
    {do_rename, 14}, {do_link, 14},    {do_readlink, 5},    {do_mknod, 4},    {do_chdir, 5},
    {do_getcwd, 3},  {do_setuid, 3},   {do_stat, 8},        {do_chmod, 5},    {do_chown, 3},
    {do_access, 5},  {do_utimens, 4},  {do_statfs, 1},      {do_times, 1},    {do_lock, 12},
    {do_map, 35},    {do_getdents, 5},
};

static void play_turns(void);

static void do_fork(void)
{
    int other = 1;

    while (other < NR_PROCESSES && play->is_alive[other])
        other++;
    if (me != 0 || other == NR_PROCESSES)
        return;
    tell("process %d begins\n", other);
    play->is_alive[other] = true;
    pid_t pid = fork();
    if (pid == 0) {
        me = other;
        play_turns();
        _exit(0);
    }
    play->pid[other] = pid;
}

static void do_one(void)
{
    unsigned sum = 0, chosen;

    for (unsigned i = 0; i < LEN(calls); i++)
        sum += calls[i].weight;
    chosen = any(sum);
    tell("%d:%d ", play->line++, me);
    for (unsigned i = 0; i < LEN(calls); i++) {
        if (chosen < calls[i].weight) {
            calls[i].call();
            break;
        }
        chosen -= calls[i].weight;
    }
    end_line();
}

static int next_turn(void)
{
    int next = me;

    if (!chance(40))
        return me;
    do
        next = (next + 1) % NR_PROCESSES;
    while (!play->is_alive[next]);
    return next;
}

static void play_turns(void)
{
    while (atomic_load(&play->left) > 0) {
        if (atomic_load(&play->turn) != me) {
            sched_yield();
            continue;
        }
        if (atomic_load(&play->left) == 0)
            break; /* the last call was made between the two looks */
        if (play->ended != 0) {
            waitpid(play->ended, NULL, 0);
            play->ended = 0;
        }
        if (play->line % 100 == 99)
            list_all();
        if (play->line / NR_ERA_CALLS != era) {
            era = play->line / NR_ERA_CALLS;
            let_go();
            if (play->era != era)
                remove_all();
            play->era = era;
        }
        do_one();
        if (chance(1))
            do_fork();
        if (me != 0 && chance(1)) {
            tell("process %d ends\n", me);
            play->is_alive[me] = false;
            play->ended = getpid();
            atomic_store(&play->turn, 0);
            _exit(0);
        }
        int next = next_turn();
        atomic_fetch_sub(&play->left, 1);
        atomic_store(&play->turn, next);
    }
}

/* ---- A world of its own --------------------------------------------------------------------- */

static bool is_thrum(void)
{
    struct utsname name;

    return uname(&name) == 0 && strstr(name.version, "Thrum") != NULL;
}

/* Whether this is a Linux as old as the one that this program was made with, or newer. */
static bool is_known_linux(void)
{
    struct utsname name;
    int major = 0, minor = 0;

    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           major * 100 + minor >= 618;
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (long)strlen(text);

    close(fd);
    return is_written;
}

/* Privilege within a namespace of the caller's own, where it has none. */
static bool become_root_of_nothing(void)
{
    unsigned uid = getuid(), gid = getgid();
    char map[64];

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    snprintf(map, sizeof(map), "%u %u 1", uid, uid);
    if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof(map), "%u %u 1", gid, gid);
    return write_file("/proc/self/gid_map", map);
}

static bool drop_privilege(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};

    if (getuid() != 0)
        return syscall(SYS_capset, &header, none) == 0;
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, 1000, 1000, 1000) == 0 &&
           syscall(SYS_setresuid, 1000, 1000, 1000) == 0;
}

/* NULL, or what is not possible here. */
static const char *enter_world(const char *folder, bool is_root)
{
    const char *options = "size=8m,nr_inodes=4096,mode=777,huge=never";

    if (!is_thrum()) {
        if (!is_known_linux())
            return "Linux is older than 6.18, which this was made with";
        if (getuid() == 0 ? unshare(CLONE_NEWNS) != 0 : is_root || !become_root_of_nothing())
            return "this needs root, or user namespaces";
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
            return "no mount namespace";
    }
    if (mount("none", folder, "tmpfs", 0, options) != 0 &&
        mount("none", folder, "tmpfs", 0, "size=8m,nr_inodes=4096,mode=777") != 0)
        return "tmpfs cannot be mounted";
    if (chdir(folder) != 0 || mkdir("world", 0777) != 0 || chmod("world", 0777) != 0)
        return "no folder";
    if (!is_root && getuid() == 0 && chown("world", 1000, 1000) != 0)
        return "no chown";
    if (chdir("world") != 0 || chroot(".") != 0)
        return "no chroot";
    if (!is_root && !drop_privilege())
        return "privilege cannot be dropped";
    return NULL;
}

/* The whole play, in a child. What it tells is in play->text, or its complaint in *reason. */
static void run_play(const char *folder, bool is_root, uint64_t seed, int nr_calls)
{
    const struct rlimit files = {24, 24};
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    const char *reason = enter_world(folder, is_root);

    if (reason != NULL) {
        play->text_bytes = 0;
        tell("# SKIP %s (%s)\n", reason, strerror(errno));
        _exit(0);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    syscall(SYS_close_range, 0, ~0U, 0);
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGBUS, &fault, NULL);
    sigaction(SIGSEGV, &fault, NULL);
    umask(022);
    memset(long_name, 'n', sizeof(long_name) - 1);
    memset(longest_name, 'n', sizeof(longest_name) - 1);
    data = mmap(NULL, DATA_MAX + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    outside = data + DATA_MAX;
    mprotect(outside, PAGE, PROT_NONE);
    play->random = seed;
    play->is_root = is_root;
    play->is_alive[0] = true;
    play->pid[0] = getpid();
    atomic_store(&play->left, nr_calls);
    alarm(300);
    play_turns();
    while (waitpid(-1, NULL, 0) > 0)
        ;
    list_all();
    _exit(0);
}

static void tell_seed(bool is_root, uint64_t seed, int nr_calls)
{
    char folder[] = "/tmp/as_linux.XXXXXX";
    int status;

    memset(play, 0, offsetof(struct play, text));
    if (mkdtemp(folder) == NULL) {
        tell("# SKIP no folder %s\n", folder);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        run_play(folder, is_root, seed, nr_calls);
    waitpid(pid, &status, 0);
    if (status != 0)
        tell("ended with status %d\n", status);
    if (is_thrum())
        umount2(folder, MNT_DETACH);
    rmdir(folder);
}

static int record(char **argv)
{
    bool is_root = strcmp(argv[0], "root") == 0;
    unsigned long last = strtoul(argv[2], NULL, 0);

    for (unsigned long seed = strtoul(argv[1], NULL, 0); seed <= last; seed++) {
        tell_seed(is_root, seed, atoi(argv[3]));
        if (strncmp(play->text, "# SKIP", 6) != 0)
            printf("## %d %lu %s\n", is_root, seed, argv[3]);
        fwrite(play->text, 1, play->text_bytes, stdout);
    }
    return 0;
}

/* ---- Comparing ------------------------------------------------------------------------------ */

#define NR_LINES_SHOWN 12

/* Lines [from, to) of a text that begins at `at`. */
static void show_lines(const char *what, const char *at, int from, int to)
{
    for (int i = 0; i < to && *at != '\0'; i++) {
        int length = (int)strcspn(at, "\n");
        if (i >= from)
            printf("# %s %.*s\n", what, length > 700 ? 700 : length, at);
        at += length + (at[length] == '\n');
    }
}

/* The length of the line at `at`. */
static size_t line_length(const char *at)
{
    return strcspn(at, "\n");
}

/* Whether two lines are of one call that failed, each time with another error. */
static bool is_other_error(const char *a, const char *b)
{
    const char *a_error = memmem(a, line_length(a), " = errno ", 9);
    const char *b_error = memmem(b, line_length(b), " = errno ", 9);

    return a_error != NULL && b_error != NULL && a_error - a == b_error - b &&
           memcmp(a, b, (size_t)(a_error - a)) == 0;
}

/* Whether two texts are the same; says where they are not, up to where they go different ways. */
static bool compare(const char *expected, const char *told)
{
    const char *start = expected;
    bool is_same = true;

    for (int line = 0; *expected != '\0' || *told != '\0'; line++) {
        size_t length = line_length(expected), told_length = line_length(told);

        if (length != told_length || memcmp(expected, told, length) != 0) {
            bool is_end = !is_other_error(expected, told);
            is_same = false;
            if (is_end)
                show_lines("    ", start, line - NR_LINES_SHOWN, line);
            show_lines("want", expected, 0, 1);
            show_lines("got ", told, 0, 1);
            if (is_end)
                break;
        }
        expected += length + (expected[length] == '\n');
        told += told_length + (told[told_length] == '\n');
    }
    return is_same;
}

static char *read_whole(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) != 0)
        return NULL;
    char *text = malloc((size_t)st.st_size + 1);
    for (off_t got = 0; got < st.st_size;) {
        long nr = read(fd, text + got, (size_t)(st.st_size - got));
        if (nr <= 0)
            return NULL;
        got += nr;
    }
    text[st.st_size] = '\0';
    close(fd);
    return text;
}

static int check(const char *path)
{
    char *text = read_whole(path);
    int nr = 0, nr_failed = 0;

    if (text == NULL) {
        printf("Bail out! %s cannot be read\n", path);
        return 1;
    }
    printf("KTAP version 1\n");
    if (strncmp(text, "# SKIP", 6) == 0) {
        printf("1..0 %s\n", text);
        return 0;
    }
    for (char *at = strstr(text, "## "); at != NULL; at = strstr(at + 1, "\n## "))
        nr++;
    printf("1..%d\n", nr);
    nr = 0;
    for (char *at = text; at != NULL && *at != '\0';) {
        int is_root, nr_calls;
        unsigned long seed;
        char *end = strstr(at, "\n## ");
        if (sscanf(at, "## %d %lu %d", &is_root, &seed, &nr_calls) != 3)
            break;
        if (end != NULL)
            end[1] = '\0';
        tell_seed(is_root, seed, nr_calls);
        play->text[play->text_bytes] = '\0';
        bool is_same = compare(strchr(at, '\n') + 1, play->text);
        printf("%sok %d %d calls of seed %lu as %s are told as on Linux\n", is_same ? "" : "not ",
               ++nr, nr_calls, seed, is_root ? "root" : "a user");
        fflush(stdout);
        nr_failed += !is_same;
        if (end == NULL)
            break;
        at = end + 1;
        *at = '#';
    }
    printf("# %d passed, %d failed\n", nr - nr_failed, nr_failed);
    return nr_failed != 0;
}

int main(int argc, char **argv)
{
    play = mmap(NULL, sizeof(*play), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (play == MAP_FAILED)
        return 1;
    if (argc == 6 && strcmp(argv[1], "record") == 0)
        return record(argv + 2);
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check(argv[2]);
    fprintf(stderr,
            "as_linux record user|root FIRST-SEED LAST-SEED NR-CALLS; as_linux check FILE\n");
    return 2;
}
