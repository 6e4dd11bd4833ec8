/* Files, folders, paths and descriptors. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE         4096l
#define RWF_APPEND   0x10
#define KERNEL_IMAGE 0xffffffff80000000ul
#define BAD_POINTER  ((void *)KERNEL_IMAGE)
#define NR_FILES     500

static char long_name[300], long_path[5000];
static char buffer[3 * PAGE];

/* Whether a call fails with `error`. */
static bool new_file(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
    size_t length = strlen(text);

    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(write(fd, text, length), (long)length) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool file_is(const char *path, const char *text)
{
    int fd = open(path, O_RDONLY);
    ssize_t nr = read(fd, buffer, sizeof(buffer));

    close(fd);
    return KTAP_EQUAL(nr, (long)strlen(text)) && KTAP_TRUE(memcmp(buffer, text, strlen(text)) == 0);
}

static bool file_keeps_contents(void)
{
    return new_file("/tmp/a", "hello") && file_is("/tmp/a", "hello");
}

static bool truncation_empties(void)
{
    return new_file("/tmp/a", "hello") && new_file("/tmp/a", "") && file_is("/tmp/a", "");
}

static bool append_goes_to_the_end(void)
{
    int fd;

    if (!new_file("/tmp/a", "one"))
        return false;
    fd = open("/tmp/a", O_WRONLY | O_APPEND);
    lseek(fd, 0, SEEK_SET);
    write(fd, "two", 3);
    close(fd);
    return file_is("/tmp/a", "onetwo");
}

static bool offset_is_moved(void)
{
    int fd = open("/tmp/a", O_CREAT | O_TRUNC | O_RDWR, 0600);
    bool is_ok = KTAP_EQUAL(write(fd, "0123456789", 10), 10) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 10) && KTAP_EQUAL(lseek(fd, -3, SEEK_END), 7) &&
                 KTAP_EQUAL(read(fd, buffer, 10), 3) && KTAP_EQUAL(read(fd, buffer, 10), 0) &&
                 KTAP_EQUAL(lseek(fd, 2, SEEK_SET), 2) && FAILS(lseek(fd, -1, SEEK_SET), EINVAL) &&
                 FAILS(lseek(fd, 0, 9), EINVAL) && KTAP_EQUAL(pread(fd, buffer, 2, 5), 2) &&
                 KTAP_EQUAL(buffer[0], '5') && KTAP_EQUAL(pwrite(fd, "x", 1, 0), 1) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 2) && FAILS(pread(fd, buffer, 1, -1), EINVAL);

    close(fd);
    return is_ok;
}

static bool hole_is_zeroes(void)
{
    int fd = open("/tmp/sparse", O_CREAT | O_RDWR | O_TRUNC, 0600);
    struct thrum_stat before, after;
    struct stat stat;
    bool is_ok;

    thrum_stat(&before);
    lseek(fd, 1l << 40, SEEK_SET);
    is_ok = KTAP_EQUAL(write(fd, "end", 3), 3);
    thrum_stat(&after);
    memset(buffer, 1, sizeof(buffer));
    is_ok = is_ok && KTAP_EQUAL(pread(fd, buffer, 8, 12345), 8) && KTAP_EQUAL(buffer[3], 0) &&
            KTAP_EQUAL(pread(fd, buffer, 8, 1l << 40), 3) && KTAP_EQUAL(buffer[0], 'e') &&
            KTAP_EQUAL(fstat(fd, &stat), 0) && KTAP_EQUAL(stat.st_size, (1l << 40) + 3) &&
            KTAP_TRUE((long)(before.frames_free - after.frames_free) < 64);
    close(fd);
    return KTAP_EQUAL(unlink("/tmp/sparse"), 0) && is_ok;
}

static bool cut_bytes_come_back_as_zeroes(void)
{
    int fd = open("/tmp/cut", O_CREAT | O_RDWR | O_TRUNC, 0600);
    bool is_ok;

    memset(buffer, 7, sizeof(buffer));
    is_ok = KTAP_EQUAL(write(fd, buffer, sizeof(buffer)), (long)sizeof(buffer)) &&
            KTAP_EQUAL(ftruncate(fd, 10), 0) && KTAP_EQUAL(ftruncate(fd, 2 * PAGE), 0) &&
            KTAP_EQUAL(pread(fd, buffer, sizeof(buffer), 0), 2 * PAGE) &&
            KTAP_EQUAL(buffer[9], 7) && KTAP_EQUAL(buffer[10], 0) && KTAP_EQUAL(buffer[PAGE], 0);
    close(fd);
    unlink("/tmp/cut");
    return is_ok;
}

static bool failed_write_leaves_no_bytes(void)
{
    int fd = open("/tmp/cut", O_CREAT | O_RDWR | O_TRUNC, 0600);
    bool is_ok = FAILS(write(fd, BAD_POINTER, 10), EFAULT) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_END), 0) && KTAP_EQUAL(write(fd, "ab", 2), 2) &&
                 FAILS(pread(fd, BAD_POINTER, 2, 0), EFAULT);

    close(fd);
    unlink("/tmp/cut");
    return is_ok;
}

static bool unlinked_file_lives_on(void)
{
    int fd = open("/tmp/gone", O_CREAT | O_RDWR, 0600);
    struct stat stat;
    bool is_ok = KTAP_EQUAL(write(fd, "text", 4), 4) && KTAP_EQUAL(unlink("/tmp/gone"), 0) &&
                 FAILS(open("/tmp/gone", O_RDONLY), ENOENT) &&
                 KTAP_EQUAL(pread(fd, buffer, 4, 0), 4) && KTAP_EQUAL(fstat(fd, &stat), 0) &&
                 KTAP_EQUAL((long)stat.st_nlink, 0);

    close(fd);
    return is_ok;
}

static bool open_says_why(void)
{
    memset(long_name, 'n', sizeof(long_name) - 1);
    memset(long_path, '/', sizeof(long_path) - 1);
    return new_file("/tmp/a", "") && FAILS(open("/tmp/none", O_RDONLY), ENOENT) &&
           FAILS(open("", O_RDONLY), ENOENT) &&
           FAILS(open("/none/a", O_CREAT | O_RDWR, 0), ENOENT) &&
           FAILS(open("/tmp/a/b", O_RDONLY), ENOTDIR) &&
           FAILS(open("/tmp/a/", O_RDONLY), ENOTDIR) &&
           FAILS(open("/tmp/a", O_DIRECTORY), ENOTDIR) && FAILS(open("/tmp", O_WRONLY), EISDIR) &&
           FAILS(open("/tmp", O_CREAT, 0), EISDIR) && FAILS(open("/tmp/x/", O_CREAT, 0), EISDIR) &&
           FAILS(open("/tmp/a", O_CREAT | O_EXCL, 0), EEXIST) &&
           FAILS(open(long_name, O_RDONLY), ENAMETOOLONG) &&
           FAILS(open(long_path, O_RDONLY), ENAMETOOLONG) &&
           FAILS(open(BAD_POINTER, O_RDONLY), EFAULT) && FAILS(open("/tmp/a", O_ACCMODE), EINVAL) &&
           FAILS(openat(77, "a", O_RDONLY), EBADF);
}

static bool access_mode_counts(void)
{
    int reader = open("/tmp/a", O_RDONLY), writer = open("/tmp/a", O_WRONLY);
    int dir = open("/tmp", O_RDONLY);
    bool is_ok = FAILS(write(reader, "x", 1), EBADF) && FAILS(read(writer, buffer, 1), EBADF) &&
                 FAILS(ftruncate(reader, 0), EINVAL) && FAILS(ftruncate(writer, -1), EINVAL) &&
                 FAILS(read(dir, buffer, 1), EISDIR) &&
                 FAILS(getdents64(reader, buffer, 100), ENOTDIR) &&
                 FAILS(syscall(__NR_ioctl, reader, 0, 0), ENOTTY);

    close(reader);
    close(writer);
    close(dir);
    return is_ok;
}

static bool bad_descriptors_are_refused(void)
{
    static const int bad[] = {-1, 99, 1023, 1024, 1 << 30, -1000};
    struct stat stat;

    for (size_t i = 0; i < KTAP_LEN(bad); i++) {
        int fd = bad[i];

        if (!FAILS(read(fd, buffer, 1), EBADF) || !FAILS(write(fd, buffer, 1), EBADF) ||
            !FAILS(close(fd), EBADF) || !FAILS(lseek(fd, 0, SEEK_SET), EBADF) ||
            !FAILS(fstat(fd, &stat), EBADF) || !FAILS(dup(fd), EBADF) ||
            !FAILS(dup2(fd, 5), EBADF) || !FAILS(dup3(fd, 5, 0), EBADF) ||
            !FAILS(fcntl(fd, F_GETFD, 0l), EBADF) || !FAILS(ftruncate(fd, 0), EBADF) ||
            !FAILS(fchdir(fd), EBADF) || !FAILS(getdents64(fd, buffer, 100), EBADF))
            return false;
    }
    return FAILS(dup2(1, -1), EBADF) && FAILS(dup2(1, 1024), EBADF);
}

static bool folders_come_and_go(void)
{
    return KTAP_EQUAL(mkdir("/tmp/d", 0755), 0) && FAILS(mkdir("/tmp/d", 0755), EEXIST) &&
           KTAP_EQUAL(mkdir("/tmp/d/e/", 0755), 0) && FAILS(rmdir("/tmp/d"), ENOTEMPTY) &&
           FAILS(unlink("/tmp/d"), EISDIR) && new_file("/tmp/d/f", "") &&
           FAILS(rmdir("/tmp/d/f"), ENOTDIR) && FAILS(unlink("/tmp/d/f/"), ENOTDIR) &&
           KTAP_EQUAL(unlink("/tmp/d/./e/../f"), 0) && FAILS(rmdir("/tmp/d/e/."), EINVAL) &&
           FAILS(rmdir("/tmp/d/e/.."), ENOTEMPTY) && FAILS(rmdir("/"), EBUSY) &&
           FAILS(mkdir("/", 0), EEXIST) && FAILS(mkdir("/none/x", 0), ENOENT) &&
           KTAP_EQUAL(rmdir("/tmp/d/e"), 0) && KTAP_EQUAL(rmdir("/tmp/d"), 0) &&
           FAILS(rmdir("/tmp/d"), ENOENT);
}

static bool current_folder_is_followed(void)
{
    char path[64];
    bool is_ok = KTAP_EQUAL(mkdir("/tmp/d", 0755), 0) && KTAP_EQUAL(mkdir("/tmp/d/e", 0755), 0) &&
                 KTAP_EQUAL(chdir("/tmp/d"), 0) && KTAP_EQUAL(chdir("e"), 0) &&
                 KTAP_TRUE(getcwd(path, sizeof(path)) && strcmp(path, "/tmp/d/e") == 0) &&
                 FAILS(getcwd(path, 8) ? 0 : -1, ERANGE) && new_file("f", "in") &&
                 file_is("/tmp/d/e/f", "in") && KTAP_EQUAL(unlink("../e/f"), 0) &&
                 KTAP_EQUAL(rmdir("/tmp/d/e"), 0) &&
                 FAILS(getcwd(path, sizeof(path)) ? 0 : -1, ENOENT) &&
                 FAILS(open("f", O_CREAT, 0), ENOENT) && KTAP_EQUAL(chdir(".."), 0) &&
                 KTAP_TRUE(getcwd(path, sizeof(path)) && strcmp(path, "/tmp/d") == 0) &&
                 FAILS(chdir("/bin/init"), ENOTDIR);

    return KTAP_EQUAL(chdir("/../.."), 0) &&
           KTAP_TRUE(getcwd(path, sizeof(path)) && strcmp(path, "/") == 0) &&
           KTAP_EQUAL(rmdir("/tmp/d"), 0) && is_ok;
}

static bool listing_is_complete(void)
{
    static bool is_seen[NR_FILES];
    char path[40];
    int nr_seen = 0, nr_dots = 0, fd;
    ssize_t nr;

    mkdir("/tmp/many", 0755);
    for (int i = 0; i < NR_FILES; i++) {
        snprintf(path, sizeof(path), "/tmp/many/file-%03d", i);
        if (!new_file(path, path))
            return false;
    }
    fd = open("/tmp/many", O_RDONLY | O_DIRECTORY);
    while ((nr = getdents64(fd, buffer, 1000)) > 0) {
        for (ssize_t at = 0; at < nr; at += ((struct dirent *)(buffer + at))->d_reclen) {
            const struct dirent *entry = (struct dirent *)(buffer + at);
            const char *n = entry->d_name;

            if (entry->d_type == DT_DIR) {
                nr_dots++;
                continue;
            }
            is_seen[(n[5] - '0') * 100 + (n[6] - '0') * 10 + n[7] - '0'] = true;
            nr_seen++;
            snprintf(path, sizeof(path), "/tmp/many/%s", n);
            unlink(path); /* what is removed meanwhile does not disturb */
        }
    }
    for (int i = 0; i < NR_FILES; i++)
        nr_seen -= is_seen[i];
    lseek(fd, 0, SEEK_SET);
    return KTAP_EQUAL(nr, 0) && KTAP_EQUAL(nr_seen, 0) && KTAP_EQUAL(nr_dots, 2) &&
           FAILS(getdents64(fd, buffer, 8), EINVAL) &&
           FAILS(getdents64(fd, BAD_POINTER, 1000), EFAULT) && KTAP_EQUAL(close(fd), 0) &&
           KTAP_EQUAL(rmdir("/tmp/many"), 0);
}

static bool duplicates_share_the_offset(void)
{
    int fd = open("/tmp/a", O_CREAT | O_TRUNC | O_RDWR, 0600), copy = dup(fd);
    bool is_ok = KTAP_EQUAL(write(fd, "abc", 3), 3) && KTAP_EQUAL(lseek(copy, 0, SEEK_CUR), 3) &&
                 KTAP_EQUAL(dup2(fd, 40), 40) && KTAP_EQUAL(close(fd), 0) &&
                 KTAP_EQUAL(write(40, "d", 1), 1) && KTAP_EQUAL(lseek(copy, 0, SEEK_CUR), 4) &&
                 KTAP_EQUAL(dup2(40, 40), 40) && FAILS(dup3(40, 40, 0), EINVAL) &&
                 FAILS(dup3(40, 41, 1), EINVAL) && KTAP_EQUAL(fcntl(40, F_DUPFD, 50l), 50) &&
                 FAILS(fcntl(40, F_DUPFD, 1024l), EINVAL) && KTAP_EQUAL(close(50), 0);

    close(40);
    close(copy);
    return is_ok;
}

static bool lowest_number_is_taken(void)
{
    int a = open("/tmp/a", O_RDONLY), b = open("/tmp/a", O_RDONLY), c;

    close(a);
    c = open("/tmp/a", O_RDONLY);
    close(b);
    close(c);
    return KTAP_EQUAL(c, a);
}

static bool table_has_an_end(void)
{
    int fds[1024], nr = 0;
    bool is_ok;

    while (nr < 1024 && (fds[nr] = open("/dev/null", O_RDWR)) >= 0)
        nr++;
    is_ok = KTAP_EQUAL(errno, EMFILE) && KTAP_EQUAL(nr, 1021) && KTAP_EQUAL(fds[nr - 1], 1023) &&
            FAILS(open("/tmp/not-made", O_CREAT | O_RDWR, 0), EMFILE) &&
            FAILS(pipe(fds + 1000), EMFILE);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    return FAILS(open("/tmp/not-made", O_RDONLY), ENOENT) && is_ok;
}

static bool flags_can_be_read_and_set(void)
{
    int fd = open("/tmp/a", O_RDWR | O_CLOEXEC | O_APPEND);
    bool is_ok =
        KTAP_EQUAL(fcntl(fd, F_GETFD, 0l), FD_CLOEXEC) && KTAP_EQUAL(fcntl(fd, F_SETFD, 0l), 0) &&
        KTAP_EQUAL(fcntl(fd, F_GETFD, 0l), 0) &&
        KTAP_EQUAL(fcntl(fd, F_GETFL, 0l), O_RDWR | O_APPEND | O_LARGEFILE) &&
        KTAP_EQUAL(fcntl(fd, F_SETFL, (long)(O_NONBLOCK | O_NOATIME | O_TRUNC)), 0) &&
        KTAP_EQUAL(fcntl(fd, F_GETFL, 0l), O_RDWR | O_NONBLOCK | O_NOATIME | O_LARGEFILE) &&
        FAILS(fcntl(fd, 9999, 0l), EINVAL);

    close(fd);
    return is_ok;
}

/* Who appends nothing stays where he is; RWF_APPEND appends whatever the offset. */
static bool appending_moves_what_it_should(void)
{
    struct iovec piece = {"cd", 2};
    int fd = open("/tmp/a", O_CREAT | O_TRUNC | O_RDWR | O_APPEND, 0600);
    bool is_ok = KTAP_EQUAL(write(fd, "ab", 2), 2) && KTAP_EQUAL(lseek(fd, 1, SEEK_SET), 1) &&
                 KTAP_EQUAL(write(fd, "", 0), 0) && FAILS(write(fd, BAD_POINTER, 1), EFAULT) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 1) && KTAP_EQUAL(fcntl(fd, F_SETFL, 0l), 0) &&
                 KTAP_EQUAL(syscall(__NR_pwritev2, fd, &piece, 1, 0l, 0l, RWF_APPEND), 2) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 1) &&
                 KTAP_EQUAL(syscall(__NR_pwritev2, fd, &piece, 1, -1l, 0l, RWF_APPEND), 2) &&
                 KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 6) && KTAP_EQUAL(close(fd), 0);

    return file_is("/tmp/a", "abcdcd") && is_ok;
}

static bool pieces_are_read_and_written(void)
{
    char a[2], b[4];
    struct iovec out[] = {{"ab", 2}, {NULL, 0}, {"cd", 2}}, in[] = {{a, 2}, {b, 4}};
    int fd = open("/tmp/a", O_CREAT | O_TRUNC | O_RDWR, 0600);
    bool is_ok = KTAP_EQUAL(writev(fd, out, 3), 4) && KTAP_EQUAL(lseek(fd, 0, SEEK_SET), 0) &&
                 KTAP_EQUAL(readv(fd, in, 2), 4) && KTAP_EQUAL(a[1], 'b') &&
                 KTAP_EQUAL(b[1], 'd') && FAILS(readv(fd, in, -1), EINVAL) &&
                 FAILS(readv(fd, in, 1025), EINVAL) && FAILS(writev(fd, BAD_POINTER, 1), EFAULT) &&
                 KTAP_EQUAL(readv(fd, in, 0), 0);

    close(fd);
    return is_ok;
}

static bool devices_work(void)
{
    int fd = open("/dev/null", O_RDWR);
    struct stat stat;
    bool is_ok = KTAP_EQUAL(write(fd, "abc", 3), 3) && KTAP_EQUAL(read(fd, buffer, 3), 0) &&
                 KTAP_EQUAL(fstat(0, &stat), 0) && KTAP_TRUE(S_ISCHR(stat.st_mode)) &&
                 KTAP_EQUAL((long)stat.st_rdev, 0x501) && FAILS(lseek(1, 0, SEEK_SET), ESPIPE);

    close(fd);
    return is_ok;
}

static bool stat_tells(void)
{
    struct stat a, b;

    return new_file("/tmp/a", "12345") && KTAP_EQUAL(stat("/tmp/a", &a), 0) &&
           KTAP_TRUE(S_ISREG(a.st_mode)) && KTAP_EQUAL(a.st_size, 5) &&
           KTAP_EQUAL((long)a.st_nlink, 1) && KTAP_EQUAL(stat("/tmp/../tmp/a", &b), 0) &&
           KTAP_TRUE(a.st_ino == b.st_ino) && FAILS(stat("/none", &a), ENOENT) &&
           FAILS(stat("/tmp/a", BAD_POINTER), EFAULT) && FAILS(fstatat(1, "a", &a, 0), ENOTDIR) &&
           FAILS(fstatat(1, "a", &a, AT_EMPTY_PATH), ENOTDIR) &&
           KTAP_EQUAL(fstatat(1, "", &a, AT_EMPTY_PATH), 0) && KTAP_TRUE(S_ISCHR(a.st_mode)) &&
           KTAP_EQUAL(fstatat(AT_FDCWD, "", &a, AT_EMPTY_PATH), 0) &&
           KTAP_TRUE(S_ISDIR(a.st_mode)) && FAILS(fstatat(AT_FDCWD, "", &a, 0), ENOENT) &&
           FAILS(fstatat(99, "", &a, AT_EMPTY_PATH), EBADF) &&
           FAILS(fstatat(AT_FDCWD, "/tmp/a", &a, 1), EINVAL);
}

static bool fork_shares_the_offset(void)
{
    int fd = open("/tmp/a", O_CREAT | O_TRUNC | O_RDWR, 0600), status = -1;
    pid_t child = fork();

    if (child == 0) {
        write(fd, "child", 5);
        chdir("/tmp");
        _exit(close(fd));
    }
    waitpid(child, &status, 0);
    bool is_ok = KTAP_EQUAL(status, 0) && KTAP_EQUAL(lseek(fd, 0, SEEK_CUR), 5) &&
                 KTAP_TRUE(getcwd(buffer, 10) && strcmp(buffer, "/") == 0);

    close(fd);
    return is_ok;
}

static bool spawn_closes_what_it_should(void)
{
    int kept = open("/tmp/a", O_RDONLY), dropped = open("/tmp/a", O_RDONLY | O_CLOEXEC);
    bool is_ok = KTAP_EQUAL(kept, 3) && KTAP_EQUAL(dropped, 4) && KTAP_ROLE_EXITS("look-at-fds", 0);

    close(kept);
    close(dropped);
    return is_ok;
}

static int look_at_fds(int argc, char **argv)
{
    (void)argc, (void)argv;
    return fcntl(3, F_GETFD, 0l) == 0 && fcntl(4, F_GETFD, 0l) < 0 ? 0 : 1;
}

static void *append_lines(void *arg)
{
    int fd = open("/tmp/log", O_WRONLY | O_APPEND);

    for (int i = 0; i < 100; i++)
        write(fd, arg, 8);
    close(fd);
    return NULL;
}

static bool appends_do_not_mix(void)
{
    static char lines[][9] = {"aaaaaaa\n", "bbbbbbb\n", "ccccccc\n", "ddddddd\n"};
    thread_t lwp[4];
    int fd;
    bool is_ok = new_file("/tmp/log", "");

    for (int i = 0; i < 4; i++)
        thread_create(&lwp[i], append_lines, lines[i]);
    for (int i = 0; i < 4; i++)
        thread_join(lwp[i], NULL);
    fd = open("/tmp/log", O_RDONLY);
    is_ok = is_ok && KTAP_EQUAL(read(fd, buffer, sizeof(buffer)), 3200);
    for (int at = 0; is_ok && at < 3200; at += 8)
        is_ok = memcmp(buffer + at, lines[buffer[at] - 'a'], 8) == 0;
    close(fd);
    unlink("/tmp/log");
    return KTAP_TRUE(is_ok);
}

static void fill_and_unlink(void)
{
    int fd = open("/tmp/big", O_CREAT | O_RDWR, 0600);

    for (long i = 0; i < 2000; i++)
        write(fd, buffer, PAGE);
    pwrite(fd, "x", 1, 1l << 45);
    unlink("/tmp/big");
    close(fd);
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(fill_and_unlink);
}

static bool full_is_an_error(void)
{
    int fd = open("/tmp/big", O_CREAT | O_RDWR, 0600);
    ssize_t nr;

    while ((nr = write(fd, buffer, sizeof(buffer))) == (ssize_t)sizeof(buffer))
        ;
    bool is_ok =
        nr >= 0 ? FAILS(write(fd, buffer, sizeof(buffer)), ENOSPC) : KTAP_EQUAL(errno, ENOSPC);

    close(fd);
    unlink("/tmp/big");
    return new_file("/tmp/a", "again") && is_ok;
}

static const struct ktap_test tests[] = {
    {"a file keeps what is written to it", file_keeps_contents},
    {"O_TRUNC empties a file", truncation_empties},
    {"O_APPEND writes to the end", append_goes_to_the_end},
    {"appending nothing moves nothing, and RWF_APPEND appends", appending_moves_what_it_should},
    {"reads, writes and lseek move the offset, pread and pwrite do not", offset_is_moved},
    {"a hole is zeroes and costs nothing", hole_is_zeroes},
    {"what was cut off comes back as zeroes", cut_bytes_come_back_as_zeroes},
    {"a transfer with a bad pointer is EFAULT", failed_write_leaves_no_bytes},
    {"an unlinked file lives until it is closed", unlinked_file_lives_on},
    {"open says why it does not work", open_says_why},
    {"the access mode counts", access_mode_counts},
    {"descriptors that are not open are EBADF", bad_descriptors_are_refused},
    {"folders are made and removed, and the errors are right", folders_come_and_go},
    {"the current folder is followed, also when it is removed", current_folder_is_followed},
    {"a listing has every file once while they are removed", listing_is_complete},
    {"duplicates share the offset", duplicates_share_the_offset},
    {"the lowest free number is taken", lowest_number_is_taken},
    {"a process has 1024 descriptors at most", table_has_an_end},
    {"fcntl reads and sets flags", flags_can_be_read_and_set},
    {"readv and writev take pieces", pieces_are_read_and_written},
    {"/dev/null and /dev/console are devices", devices_work},
    {"stat tells type, size, links and identity", stat_tells},
    {"parent and child of a fork share offsets, not the current folder", fork_shares_the_offset},
    {"a new program has what is not close-on-exec", spawn_closes_what_it_should},
    {"appends of four LWPs do not mix", appends_do_not_mix},
    {"memory of a removed file comes back", memory_comes_back},
    {"a full file system is ENOSPC, and usable again", full_is_an_error},
};

static const struct ktap_role roles[] = {{"look-at-fds", look_at_fds}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
