/* Holes in files, room for them, limits, and copying. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE      4096l
#define FILE_PATH "/tmp/sparse"

static char text[3 * PAGE];
static struct stat st;

static int new_file(void)
{
    return open(FILE_PATH, O_CREAT | O_TRUNC | O_RDWR, 0644);
}

static long blocks(int fd)
{
    return fstat(fd, &st) == 0 ? (long)st.st_blocks / 8 : -1;
}

static bool is_filled_with(int byte, size_t from, size_t to)
{
    for (; from < to; from++) {
        if (text[from] != byte)
            return false;
    }
    return true;
}

static bool holes_cost_nothing(void)
{
    int fd = new_file();
    bool is_ok = KTAP_EQUAL(pwrite(fd, "x", 1, 1l << 40), 1) && KTAP_EQUAL(blocks(fd), 1) &&
                 KTAP_EQUAL(st.st_size, (1l << 40) + 1) &&
                 KTAP_EQUAL(pread(fd, text, PAGE, 1l << 30), PAGE) &&
                 KTAP_TRUE(is_filled_with(0, 0, PAGE)) && KTAP_EQUAL(blocks(fd), 1) &&
                 KTAP_EQUAL(ftruncate(fd, 1l << 39), 0) && KTAP_EQUAL(blocks(fd), 0);

    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

static bool data_and_holes_are_found(void)
{
    int fd = new_file();
    bool is_ok =
        KTAP_EQUAL(pwrite(fd, "x", 1, 5 * PAGE + 7), 1) &&
        KTAP_EQUAL(ftruncate(fd, 10 * PAGE), 0) && KTAP_EQUAL(lseek(fd, 0, SEEK_DATA), 5 * PAGE) &&
        KTAP_EQUAL(lseek(fd, 0, SEEK_HOLE), 0) &&
        KTAP_EQUAL(lseek(fd, 5 * PAGE + 9, SEEK_DATA), 5 * PAGE + 9) &&
        KTAP_EQUAL(lseek(fd, 5 * PAGE, SEEK_HOLE), 6 * PAGE) &&
        KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 6 * PAGE) &&
        FAILS(lseek(fd, 6 * PAGE, SEEK_DATA), ENXIO) &&
        FAILS(lseek(fd, 10 * PAGE, SEEK_HOLE), ENXIO) && FAILS(lseek(fd, -1, SEEK_DATA), ENXIO) &&
        KTAP_EQUAL(pwrite(fd, "x", 1, 10 * PAGE - 1), 1) &&
        KTAP_EQUAL(lseek(fd, 9 * PAGE, SEEK_HOLE), 10 * PAGE);

    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

static bool room_is_made(void)
{
    int fd = new_file(), reader = open(FILE_PATH, O_RDONLY);
    bool is_ok =
        KTAP_EQUAL(syscall(__NR_fallocate, fd, 0, PAGE, 2 * PAGE), 0) &&
        KTAP_EQUAL(blocks(fd), 2) && KTAP_EQUAL(st.st_size, 3 * PAGE) &&
        KTAP_EQUAL(syscall(__NR_fallocate, fd, FALLOC_FL_KEEP_SIZE, 8 * PAGE, 1), 0) &&
        KTAP_EQUAL(blocks(fd), 3) && KTAP_EQUAL(st.st_size, 3 * PAGE) &&
        FAILS(syscall(__NR_fallocate, fd, 0, 0, 0), EINVAL) &&
        FAILS(syscall(__NR_fallocate, fd, 0, -1l, 1), EINVAL) &&
        FAILS(syscall(__NR_fallocate, fd, 0, INT64_MAX, 1), EFBIG) &&
        FAILS(syscall(__NR_fallocate, fd, 0, 0, 1l << 44), ENOSPC) && KTAP_EQUAL(blocks(fd), 3) &&
        FAILS(syscall(__NR_fallocate, fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), EOPNOTSUPP) &&
        FAILS(syscall(__NR_fallocate, reader, 0, 0, 1), EBADF);

    return KTAP_EQUAL(close(fd), 0) && KTAP_EQUAL(close(reader), 0) && is_ok;
}

static bool holes_are_made(void)
{
    int fd = new_file(), mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

    memset(text, 'x', sizeof(text));
    bool is_ok = KTAP_EQUAL(write(fd, text, 3 * PAGE), 3 * PAGE) &&
                 KTAP_EQUAL(syscall(__NR_fallocate, fd, mode, PAGE - 10, PAGE + 20), 0) &&
                 KTAP_EQUAL(blocks(fd), 2) && KTAP_EQUAL(st.st_size, 3 * PAGE) &&
                 KTAP_EQUAL(pread(fd, text, 3 * PAGE, 0), 3 * PAGE) &&
                 KTAP_TRUE(is_filled_with('x', 0, PAGE - 10)) &&
                 KTAP_TRUE(is_filled_with(0, PAGE - 10, 2 * PAGE + 10)) &&
                 KTAP_TRUE(is_filled_with('x', 2 * PAGE + 10, 3 * PAGE)) &&
                 KTAP_EQUAL(syscall(__NR_fallocate, fd, mode, 5, 3), 0) &&
                 KTAP_EQUAL(pread(fd, text, 10, 0), 10) && KTAP_TRUE(is_filled_with(0, 5, 8)) &&
                 KTAP_EQUAL(text[4], 'x') && KTAP_EQUAL(text[8], 'x');

    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

static bool full_is_no_harm(void)
{
    int fd = new_file();
    long nr = 0, result;

    memset(text, 'y', PAGE);
    while ((result = write(fd, text, PAGE)) == PAGE)
        nr++;
    bool is_ok = KTAP_TRUE(result < 0) && KTAP_EQUAL(errno, ENOSPC) && KTAP_TRUE(nr > 1000) &&
                 KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_EQUAL(st.st_size, nr * PAGE) &&
                 KTAP_EQUAL(pread(fd, text, PAGE, (nr - 1) * PAGE), PAGE) &&
                 KTAP_TRUE(is_filled_with('y', 0, PAGE)) && KTAP_EQUAL(ftruncate(fd, 0), 0) &&
                 KTAP_EQUAL(write(fd, text, PAGE), PAGE);

    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

/* ---- Several buffers, and no other write between them ---------------------------------------- */

static void append_lines(void *unused)
{
    int fd = open(FILE_PATH, O_WRONLY | O_APPEND);
    char head[] = "abcdefghij", tail[] = "klmnopqrst\n";
    struct iovec pieces[] = {{head, 10}, {tail, 11}};

    (void)unused;
    for (unsigned i = 0; i < ktap_times(200); i++) {
        if (writev(fd, pieces, 2) != 21)
            _exit(1);
    }
    _exit(CHILD_IS_WELL);
}

static bool appending_is_one_step(void)
{
    int fd = new_file(), status = 0;
    pid_t children[4];
    bool is_ok = true;

    for (int i = 0; i < 4; i++)
        children[i] = start_child(append_lines, NULL);
    for (int i = 0; i < 4; i++) {
        waitpid(children[i], &status, 0);
        is_ok = KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL) && is_ok;
    }
    for (unsigned i = 0; i < 4 * ktap_times(200) && is_ok; i++)
        is_ok = KTAP_EQUAL(read(fd, text, 21), 21) &&
                KTAP_EQUAL(memcmp(text, "abcdefghijklmnopqrst\n", 21), 0);
    return is_ok && KTAP_EQUAL(read(fd, text, 1), 0) && KTAP_EQUAL(close(fd), 0);
}

static bool pieces_at_an_offset(void)
{
    int fd = new_file();
    char a[] = "abc", b[] = "defg";
    struct iovec pieces[] = {{a, 3}, {b, 4}};
    bool is_ok = KTAP_EQUAL(syscall(__NR_pwritev, fd, pieces, 2, 10l, 0), 7) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 0) &&
                 KTAP_EQUAL(syscall(__NR_preadv, fd, pieces, 2, 11l, 0), 6) &&
                 KTAP_EQUAL(memcmp(a, "bcd", 3), 0) && KTAP_EQUAL(memcmp(b, "efg", 3), 0) &&
                 KTAP_EQUAL(syscall(__NR_preadv2, fd, pieces, 1, -1l, 0, 0), 3) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 3) &&
                 FAILS(syscall(__NR_preadv2, fd, pieces, 1, 0l, 0, 0x100), EOPNOTSUPP) &&
                 FAILS(syscall(__NR_preadv, fd, pieces, 2, -1l, 0), EINVAL) &&
                 FAILS(syscall(__NR_preadv, fd, pieces, 1025, 0l, 0), EINVAL) &&
                 FAILS(syscall(__NR_preadv, fd, NULL, 1, 0l, 0), EFAULT);

    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

/* ---- Copying -------------------------------------------------------------------------------- */

static bool sendfile_sends(void)
{
    int fd = new_file(), ends[2], pipe_error = pipe(ends);
    long offset = 1;
    bool is_ok = KTAP_EQUAL(pipe_error, 0) && KTAP_EQUAL(write(fd, "0123456789", 10), 10) &&
                 KTAP_EQUAL(syscall(__NR_sendfile, ends[1], fd, &offset, 4l), 4) &&
                 KTAP_EQUAL(offset, 5) && KTAP_EQUAL(read(ends[0], text, 10), 4) &&
                 KTAP_EQUAL(memcmp(text, "1234", 4), 0) && KTAP_EQUAL(lseek(fd, 7, SEEK_SET), 7) &&
                 KTAP_EQUAL(syscall(__NR_sendfile, ends[1], fd, NULL, 100l), 3) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 10) &&
                 KTAP_EQUAL(syscall(__NR_sendfile, ends[1], fd, NULL, 100l), 0) &&
                 FAILS(syscall(__NR_sendfile, fd, ends[0], NULL, 1l), EINVAL) &&
                 FAILS(syscall(__NR_sendfile, ends[0], fd, NULL, 1l), EBADF) &&
                 FAILS(syscall(__NR_sendfile, ends[1], fd, 1l, 1l), EFAULT);

    return KTAP_EQUAL(close(fd), 0) && KTAP_EQUAL(close(ends[0]), 0) &&
           KTAP_EQUAL(close(ends[1]), 0) && is_ok;
}

static bool ranges_are_copied(void)
{
    int from = new_file(), to = open("/tmp/sparse2", O_CREAT | O_TRUNC | O_RDWR, 0600);
    long at = PAGE;
    bool is_ok;

    memset(text, 'c', 2 * PAGE);
    is_ok = KTAP_EQUAL(write(from, text, 2 * PAGE), 2 * PAGE) &&
            KTAP_EQUAL(syscall(__NR_copy_file_range, from, &at, to, NULL, 3 * PAGE, 0), PAGE) &&
            KTAP_EQUAL(at, 2 * PAGE) && KTAP_EQUAL(lseek(to, 0, SEEK_CUR), PAGE) &&
            KTAP_EQUAL(pread(to, text, PAGE, 0), PAGE) && KTAP_TRUE(is_filled_with('c', 0, PAGE));
    at = 0;
    is_ok = is_ok && FAILS(syscall(__NR_copy_file_range, to, &at, to, &at, 1l, 0), EINVAL) &&
            FAILS(syscall(__NR_copy_file_range, to, &at, from, NULL, 1l, 1), EINVAL);
    at = PAGE; /* the end: nothing that is copied overlaps */
    is_ok = is_ok && KTAP_EQUAL(syscall(__NR_copy_file_range, to, &at, to, NULL, PAGE, 0), 0);
    return KTAP_EQUAL(close(from), 0) && KTAP_EQUAL(close(to), 0) &&
           KTAP_EQUAL(unlink("/tmp/sparse2"), 0) && is_ok;
}

/* ---- Limits --------------------------------------------------------------------------------- */

static bool set_limit(int which, unsigned long limit)
{
    unsigned long both[2] = {limit, limit};

    return KTAP_EQUAL(syscall(__NR_prlimit64, 0, which, both, NULL), 0);
}

static void write_too_much(void *is_held_off)
{
    struct timespec no_time = {0, 0};
    unsigned long signals = 1ul << (SIGXFSZ - 1);
    int fd = new_file();

    memset(text, 'z', PAGE);
    if (is_held_off != NULL)
        syscall(__NR_rt_sigprocmask, SIG_BLOCK, &signals, NULL, sizeof(signals));
    if (!set_limit(RLIMIT_FSIZE, 100) || !KTAP_EQUAL(write(fd, text, 60), 60) ||
        !KTAP_EQUAL(write(fd, text, 60), 40))
        _exit(1);
    if (!FAILS(write(fd, text, 1), EFBIG) || !FAILS(ftruncate(fd, 101), EFBIG) ||
        !FAILS(syscall(__NR_fallocate, fd, 0, 0l, 101l), EFBIG) ||
        !KTAP_EQUAL(pwrite(fd, text, 100, 0), 100) || !KTAP_EQUAL(ftruncate(fd, 50), 0) ||
        !KTAP_EQUAL(syscall(__NR_rt_sigtimedwait, &signals, NULL, &no_time, sizeof(signals)),
                    SIGXFSZ))
        _exit(1);
    _exit(CHILD_IS_WELL);
}

static bool size_is_limited(void)
{
    int status = 0;
    pid_t child = start_child(write_too_much, &status);
    bool is_ok = KTAP_EQUAL(waitpid(child, &status, 0), child) &&
                 KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL);

    child = start_child(write_too_much, NULL);
    return is_ok && KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           KTAP_TRUE(WIFSIGNALED(status)) && KTAP_EQUAL(WTERMSIG(status), SIGXFSZ) &&
           KTAP_EQUAL(stat(FILE_PATH, &st), 0) && KTAP_EQUAL(st.st_size, 100);
}

static void open_too_many(void *unused)
{
    int fd = open("/", O_RDONLY), ends[2];

    (void)unused;
    dup2(fd, 20);
    if (set_limit(RLIMIT_NOFILE, 10) && KTAP_EQUAL(fcntl(20, F_GETFD), 0) &&
        FAILS(dup2(fd, 10), EBADF) && FAILS(fcntl(fd, F_DUPFD, 10), EINVAL) &&
        KTAP_EQUAL(dup2(fd, 9), 9)) {
        while ((fd = dup(fd)) >= 0)
            ;
        if (KTAP_EQUAL(errno, EMFILE) && FAILS(open("/", O_RDONLY), EMFILE) &&
            FAILS(pipe(ends), EMFILE) && KTAP_EQUAL(close(9), 0) && FAILS(pipe(ends), EMFILE) &&
            KTAP_EQUAL(open("/", O_RDONLY), 9))
            _exit(CHILD_IS_WELL);
    }
    _exit(1);
}

static bool descriptors_are_limited(void)
{
    int status = 0;
    pid_t child = start_child(open_too_many, NULL);

    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           KTAP_EQUAL(WEXITSTATUS(status), CHILD_IS_WELL);
}

/* ---- Others --------------------------------------------------------------------------------- */

static bool descriptors_close_in_ranges(void)
{
    int fd = open("/", O_RDONLY);

    dup2(fd, 200);
    dup2(fd, 201);
    dup2(fd, 300);
    return KTAP_EQUAL(syscall(__NR_close_range, 200, 250, CLOSE_RANGE_CLOEXEC), 0) &&
           KTAP_EQUAL(fcntl(201, F_GETFD), FD_CLOEXEC) &&
           KTAP_EQUAL(syscall(__NR_close_range, 200, ~0u, 0), 0) && FAILS(close(200), EBADF) &&
           FAILS(close(201), EBADF) && FAILS(close(300), EBADF) && KTAP_EQUAL(close(fd), 0) &&
           FAILS(syscall(__NR_close_range, 5, 4, 0), EINVAL) &&
           FAILS(syscall(__NR_close_range, 5, 6, 8), EINVAL);
}

static bool files_without_names(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(fstat(fd, &st), 0) &&
           KTAP_EQUAL((long)st.st_nlink, 0) && KTAP_EQUAL(write(fd, "x", 1), 1) &&
           KTAP_EQUAL(linkat(fd, "", AT_FDCWD, "/tmp/named", AT_EMPTY_PATH), 0) &&
           KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_EQUAL((long)st.st_nlink, 1) &&
           KTAP_EQUAL(unlink("/tmp/named"), 0) &&
           FAILS(linkat(fd, "", AT_FDCWD, "/tmp/named", AT_EMPTY_PATH), ENOENT) &&
           KTAP_EQUAL(close(fd), 0) &&
           KTAP_TRUE((fd = open("/tmp", O_TMPFILE | O_EXCL | O_WRONLY, 0600)) >= 0) &&
           FAILS(linkat(fd, "", AT_FDCWD, "/tmp/named", AT_EMPTY_PATH), ENOENT) &&
           KTAP_EQUAL(close(fd), 0) && FAILS(open("/tmp", O_TMPFILE | O_RDONLY, 0600), EINVAL) &&
           FAILS(open(FILE_PATH, O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

static bool paths_only(void)
{
    int fd = open(FILE_PATH, O_PATH | O_RDWR), dir = open("/tmp", O_PATH | O_DIRECTORY), other;

    if (!KTAP_TRUE(fd >= 0) || !KTAP_TRUE(dir >= 0))
        return false;
    other = openat(dir, "sparse", O_RDONLY);
    return KTAP_TRUE(other >= 0) && KTAP_EQUAL(close(other), 0) &&
           FAILS(read(fd, text, 1), EBADF) && FAILS(ftruncate(fd, 0), EBADF) &&
           FAILS(fchmod(fd, 0600), EBADF) && FAILS(lseek(fd, 0, SEEK_SET), EBADF) &&
           FAILS(fcntl(fd, F_SETFL, 0), EBADF) && KTAP_EQUAL(fcntl(fd, F_GETFL), O_PATH) &&
           KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_EQUAL(close(fd), 0) && KTAP_EQUAL(close(dir), 0);
}

static bool nothing_to_sync(void)
{
    int fd = new_file(), ends[2], pipe_error = pipe(ends);

    return KTAP_EQUAL(pipe_error, 0) && KTAP_EQUAL(syscall(__NR_sync), 0) &&
           KTAP_EQUAL(syscall(__NR_fsync, fd), 0) && KTAP_EQUAL(syscall(__NR_fdatasync, fd), 0) &&
           KTAP_EQUAL(syscall(__NR_syncfs, fd), 0) && FAILS(syscall(__NR_fsync, ends[0]), EINVAL) &&
           FAILS(syscall(__NR_fsync, 99), EBADF) &&
           FAILS(syscall(__NR_sync_file_range, fd, 0l, 0l, 8), EINVAL) &&
           KTAP_EQUAL(syscall(__NR_fadvise64, fd, 0l, 0l, 3), 0) &&
           FAILS(syscall(__NR_fadvise64, fd, 0l, 0l, 6), EINVAL) &&
           FAILS(syscall(__NR_fadvise64, ends[0], 0l, 0l, 0), ESPIPE) &&
           KTAP_EQUAL(syscall(__NR_readahead, fd, 0l, 10l), 0) &&
           FAILS(syscall(__NR_readahead, ends[0], 0l, 10l), EINVAL) &&
           KTAP_EQUAL(fcntl(ends[0], F_GETPIPE_SZ), 65536) &&
           KTAP_EQUAL(fcntl(ends[1], F_SETPIPE_SZ, 4096), 65536) &&
           FAILS(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), EPERM) &&
           FAILS(fcntl(fd, F_GETPIPE_SZ), EBADF) && KTAP_EQUAL(close(fd), 0) &&
           KTAP_EQUAL(close(ends[0]), 0) && KTAP_EQUAL(close(ends[1]), 0);
}

static const struct ktap_test tests[] = {
    {"holes cost nothing and read as zeroes", holes_cost_nothing},
    {"SEEK_DATA and SEEK_HOLE find what is there", data_and_holes_are_found},
    {"fallocate makes room, and changes nothing when there is none", room_is_made},
    {"a hole punched is zeroes, and gives its pages back", holes_are_made},
    {"a full file system keeps what was written, and goes on when there is room", full_is_no_harm},
    {"an append of several buffers is one step", appending_is_one_step},
    {"preadv and pwritev do not move the offset", pieces_at_an_offset},
    {"sendfile sends to a pipe", sendfile_sends},
    {"copy_file_range copies", ranges_are_copied},
    {"RLIMIT_FSIZE is EFBIG and SIGXFSZ", size_is_limited},
    {"RLIMIT_NOFILE is EMFILE, and spares what is open", descriptors_are_limited},
    {"close_range closes, or sets the bit", descriptors_close_in_ranges},
    {"O_TMPFILE makes files that have no name until they get one", files_without_names},
    {"O_PATH is good for paths only", paths_only},
    {"there is nothing to sync, and it is said of what", nothing_to_sync},
};

int main(void)
{
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    unlink(FILE_PATH);
    return ktap_finish();
}
