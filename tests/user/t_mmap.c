/*
 * Files as memory, and what is done to memory beside mapping and unmapping it.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE       4096ul
#define FILE_PATH  "/tmp/t_mmap"
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS  (MAP_PRIVATE | MAP_ANONYMOUS)

/* A new file of so many pages: each full of 'a', 'b', ... */
static int make_file(size_t nr_pages)
{
    static char page[PAGE];
    int fd = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);

    for (size_t i = 0; i < nr_pages; i++) {
        memset(page, (int)('a' + i), PAGE);
        if (write(fd, page, PAGE) != (ssize_t)PAGE)
            return -1;
    }
    return fd;
}

static char *map(size_t nr_pages, int prot, int flags, int fd)
{
    return mmap(NULL, nr_pages * PAGE, prot, flags, fd, 0);
}

static char *remap(void *at, size_t old_pages, size_t new_pages, int flags, void *to)
{
    return (char *)syscall(__NR_mremap, at, old_pages * PAGE, new_pages * PAGE, flags, to);
}

static int advise(void *at, size_t nr_bytes, int advice)
{
    return (int)syscall(__NR_madvise, at, nr_bytes, advice);
}

static char file_byte(int fd, off_t at)
{
    char c[1];

    return pread(fd, c, 1, at) == 1 ? c[0] : '!';
}

/* Whether `what(memory)` in a child ends it by the signal. */
static bool child_dies(void (*what)(void *arg), void *arg, int signal)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        what(arg);
        _exit(0);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_dies(status, signal, __FILE__, __LINE__);
}

static bool child_is_well(pid_t child)
{
    int status = -1;

    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
}

static void touch(void *at)
{
    *(volatile char *)at;
}

static void write_to(void *at)
{
    *(volatile char *)at = 'W';
}

/* ---- Files ---------------------------------------------------------------------------------- */

static bool private_mapping_shows_the_file(void)
{
    int fd = make_file(3);
    char *m = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, (off_t)PAGE);
    bool ok = KTAP_TRUE(m != MAP_FAILED) && KTAP_EQUAL(m[0], 'b') && KTAP_EQUAL(m[PAGE - 1], 'b') &&
              KTAP_EQUAL(m[PAGE], 'c');

    munmap(m, 2 * PAGE);
    close(fd);
    return ok;
}

static bool private_write_stays_private(void)
{
    int fd = make_file(2);
    char *m = map(2, READ_WRITE, MAP_PRIVATE, fd), *other = map(2, PROT_READ, MAP_PRIVATE, fd);

    touch(m); /* one page that was mapped before, and one that is written to first */
    m[0] = m[PAGE] = 'x';
    bool ok = KTAP_EQUAL(m[0], 'x') && KTAP_EQUAL(m[PAGE], 'x') && KTAP_EQUAL(m[1], 'a') &&
              KTAP_EQUAL(other[0], 'a') && KTAP_EQUAL(file_byte(fd, 0), 'a') &&
              KTAP_EQUAL(file_byte(fd, (off_t)PAGE), 'b');
    munmap(m, 2 * PAGE);
    munmap(other, 2 * PAGE);
    close(fd);
    return ok;
}

static bool shared_mapping_is_the_file(void)
{
    int fd = make_file(1), again = open(FILE_PATH, O_RDONLY);
    char *m = map(1, READ_WRITE, MAP_SHARED, fd), *other = map(1, PROT_READ, MAP_SHARED, again);

    m[5] = 'x';
    bool ok = KTAP_EQUAL(file_byte(fd, 5), 'x') && KTAP_EQUAL(other[5], 'x') &&
              KTAP_EQUAL(pwrite(fd, "y", 1, 6), 1) && KTAP_EQUAL(m[6], 'y') &&
              KTAP_EQUAL(other[6], 'y');
    munmap(m, PAGE);
    munmap(other, PAGE);
    close(fd);
    close(again);
    return ok;
}

static bool children_write_to_the_file(void)
{
    int fd = make_file(2);
    char *m = map(2, READ_WRITE, MAP_SHARED, fd);

    touch(m);
    pid_t child = fork();
    if (child == 0) {
        m[0] = m[PAGE] = 'x'; /* mapped at the fork, and not */
        _exit(CHILD_IS_WELL);
    }
    bool ok = child_is_well(child) && KTAP_EQUAL(m[0], 'x') && KTAP_EQUAL(m[PAGE], 'x') &&
              KTAP_EQUAL(file_byte(fd, (off_t)PAGE), 'x');
    munmap(m, 2 * PAGE);
    close(fd);
    return ok;
}

static bool mapping_outlives_descriptor_and_name(void)
{
    int fd = make_file(1);
    char *m = map(1, READ_WRITE, MAP_SHARED, fd);

    close(fd);
    unlink(FILE_PATH);
    m[1] = 'x';
    bool ok = KTAP_EQUAL(m[0], 'a') && KTAP_EQUAL(m[1], 'x');
    return KTAP_EQUAL(munmap(m, PAGE), 0) && ok;
}

static bool rest_of_the_last_page_is_zero(void)
{
    int fd = make_file(1);
    char *m = map(1, PROT_READ, MAP_SHARED, fd);
    bool ok = KTAP_EQUAL(ftruncate(fd, 10), 0) && KTAP_EQUAL(m[9], 'a') && KTAP_EQUAL(m[10], 0) &&
              KTAP_EQUAL(m[PAGE - 1], 0);

    munmap(m, PAGE);
    close(fd);
    return ok;
}

static bool page_behind_the_end_is_sigbus(void)
{
    int fd = make_file(1);
    char *m = map(2, READ_WRITE, MAP_SHARED, fd), *p = map(2, READ_WRITE, MAP_PRIVATE, fd);
    bool ok = child_dies(touch, m + PAGE, SIGBUS) && child_dies(write_to, m + PAGE, SIGBUS) &&
              child_dies(touch, p + PAGE, SIGBUS) && child_dies(write_to, p + PAGE, SIGBUS);

    munmap(m, 2 * PAGE);
    munmap(p, 2 * PAGE);
    close(fd);
    return ok;
}

static bool cut_pages_are_sigbus(void)
{
    int fd = make_file(3);
    char *m = map(3, READ_WRITE, MAP_SHARED, fd), *p = map(3, READ_WRITE, MAP_PRIVATE, fd);

    for (size_t i = 0; i < 3; i++)
        m[i * PAGE] = p[i * PAGE] = 'x';
    bool ok = KTAP_EQUAL(ftruncate(fd, (off_t)PAGE), 0) && child_dies(touch, m + PAGE, SIGBUS) &&
              child_dies(touch, p + 2 * PAGE, SIGBUS) && KTAP_EQUAL(m[0], 'x') &&
              KTAP_EQUAL(p[0], 'x');
    /* What grows again is zeroes, and is shared again. */
    ok = ok && KTAP_EQUAL(ftruncate(fd, 3 * (off_t)PAGE), 0) && KTAP_EQUAL(m[PAGE], 0) &&
         KTAP_EQUAL(p[PAGE], 0);
    m[2 * PAGE] = 'y';
    ok = ok && KTAP_EQUAL(file_byte(fd, 2 * (off_t)PAGE), 'y');
    munmap(m, 3 * PAGE);
    munmap(p, 3 * PAGE);
    close(fd);
    return ok;
}

static bool cut_is_seen_by_other_processes(void)
{
    int fd = make_file(2), to_child[2], to_parent[2];
    char *m = map(2, READ_WRITE, MAP_SHARED, fd), c;

    pipe(to_child);
    pipe(to_parent);
    touch(m + PAGE);
    pid_t child = fork();
    if (child == 0) {
        touch(m + PAGE);
        write(to_parent[1], "r", 1);
        read(to_child[0], &c, 1);
        touch(m + PAGE);
        _exit(0);
    }
    int status = -1;
    bool ok = KTAP_EQUAL(read(to_parent[0], &c, 1), 1) && KTAP_EQUAL(ftruncate(fd, 1), 0) &&
              KTAP_EQUAL(write(to_child[1], "g", 1), 1) &&
              KTAP_EQUAL(waitpid(child, &status, 0), child) &&
              ktap_check_dies(status, SIGBUS, __FILE__, __LINE__);
    munmap(m, 2 * PAGE);
    close(fd);
    for (int i = 0; i < 2; i++)
        close(to_child[i]), close(to_parent[i]);
    return ok;
}

static bool hole_becomes_part_of_the_file(void)
{
    int fd = make_file(0);
    bool ok = KTAP_EQUAL(ftruncate(fd, 8 * (off_t)PAGE), 0);
    char *m = map(8, READ_WRITE, MAP_SHARED, fd), *p = map(8, PROT_READ, MAP_PRIVATE, fd);

    ok = ok && KTAP_EQUAL(m[3 * PAGE], 0) && KTAP_EQUAL(p[4 * PAGE], 0);
    m[5 * PAGE] = 'x';
    ok = ok && KTAP_EQUAL(pwrite(fd, "y", 1, 3 * (off_t)PAGE), 1) && KTAP_EQUAL(m[3 * PAGE], 'y') &&
         KTAP_EQUAL(file_byte(fd, 5 * (off_t)PAGE), 'x') && KTAP_EQUAL(p[5 * PAGE], 'x');
    munmap(m, 8 * PAGE);
    munmap(p, 8 * PAGE);
    close(fd);
    return ok;
}

static bool punched_hole_leaves_private_writes(void)
{
    int fd = make_file(2), mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    char *m = map(2, READ_WRITE, MAP_SHARED, fd), *p = map(2, READ_WRITE, MAP_PRIVATE, fd);

    touch(m);
    p[0] = 'x';
    bool ok = KTAP_EQUAL(syscall(__NR_fallocate, fd, mode, 0, 2 * PAGE), 0) &&
              KTAP_EQUAL(m[0], 0) && KTAP_EQUAL(m[PAGE], 0) && KTAP_EQUAL(file_byte(fd, 0), 0) &&
              KTAP_EQUAL(p[0], 'x') && KTAP_EQUAL(p[1], 'a') && KTAP_EQUAL(p[PAGE], 0);
    m[0] = 'y';
    ok = ok && KTAP_EQUAL(file_byte(fd, 0), 'y') && KTAP_EQUAL(p[0], 'x');
    munmap(m, 2 * PAGE);
    munmap(p, 2 * PAGE);
    close(fd);
    return ok;
}

static bool parts_can_be_unmapped_and_protected(void)
{
    int fd = make_file(5);
    char *m = map(5, READ_WRITE, MAP_SHARED, fd);
    bool ok = KTAP_EQUAL(munmap(m + PAGE, PAGE), 0) && child_dies(touch, m + PAGE, SIGSEGV) &&
              KTAP_EQUAL(m[2 * PAGE], 'c') &&
              KTAP_EQUAL(mprotect(m + 3 * PAGE, PAGE, PROT_READ), 0) &&
              child_dies(write_to, m + 3 * PAGE, SIGSEGV) && KTAP_EQUAL(m[3 * PAGE], 'd') &&
              KTAP_EQUAL(mprotect(m + 3 * PAGE, PAGE, READ_WRITE), 0);

    m[3 * PAGE] = m[4 * PAGE] = 'x';
    ok = ok && KTAP_EQUAL(file_byte(fd, 3 * (off_t)PAGE), 'x') &&
         KTAP_EQUAL(file_byte(fd, 4 * (off_t)PAGE), 'x');
    munmap(m, 5 * PAGE);
    close(fd);
    return ok;
}

static bool write_from_a_mapping_of_the_same_file(void)
{
    int fd = make_file(2);
    char *m = map(2, READ_WRITE, MAP_SHARED, fd);
    bool ok = KTAP_EQUAL(pwrite(fd, m + PAGE, PAGE, 0), (long)PAGE) && KTAP_EQUAL(m[7], 'b') &&
              KTAP_EQUAL(pread(fd, m + PAGE, 1, 0), 1);

    munmap(m, 2 * PAGE);
    close(fd);
    return ok;
}

static bool access_modes_are_kept(void)
{
    int fd = make_file(1), reader = open(FILE_PATH, O_RDONLY), writer = open(FILE_PATH, O_WRONLY);
    char *m = map(1, PROT_READ, MAP_SHARED, reader), *p = map(1, READ_WRITE, MAP_PRIVATE, reader);
    bool ok = KTAP_TRUE(map(1, READ_WRITE, MAP_SHARED, reader) == MAP_FAILED && errno == EACCES) &&
              KTAP_TRUE(map(1, PROT_READ, MAP_PRIVATE, writer) == MAP_FAILED && errno == EACCES) &&
              KTAP_TRUE(map(1, PROT_READ, MAP_SHARED, writer) == MAP_FAILED && errno == EACCES) &&
              KTAP_TRUE(m != MAP_FAILED) && KTAP_TRUE(p != MAP_FAILED) &&
              FAILS(mprotect(m, PAGE, READ_WRITE), EACCES) && KTAP_EQUAL(m[0], 'a');

    munmap(m, PAGE);
    munmap(p, PAGE);
    close(fd);
    close(reader);
    close(writer);
    return ok;
}

static bool flags_of_no_meaning_are_ignored(void)
{
    char *m = map(1, READ_WRITE, ANONYMOUS | 0x80, -1);
    bool ok = KTAP_TRUE(m != MAP_FAILED);

    munmap(m, PAGE);
    return ok;
}

static bool what_is_no_file_is_refused(void)
{
    int fds[2], dir = open("/tmp", O_RDONLY), fd = make_file(1);

    pipe(fds);
    bool ok =
        KTAP_TRUE(map(1, PROT_READ, MAP_PRIVATE, dir) == MAP_FAILED && errno == ENODEV) &&
        KTAP_TRUE(map(1, PROT_READ, MAP_SHARED, fds[0]) == MAP_FAILED && errno == ENODEV) &&
        KTAP_TRUE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 17) == MAP_FAILED &&
                  errno == EINVAL) &&
        KTAP_TRUE(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL) &&
        KTAP_TRUE(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, -(off_t)PAGE) == MAP_FAILED &&
                  errno == EOVERFLOW) &&
        KTAP_TRUE(map(1, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd) == MAP_FAILED &&
                  errno == EOPNOTSUPP) &&
        KTAP_TRUE(map(1, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1) == MAP_FAILED &&
                  errno == EINVAL);
    close(dir);
    close(fd);
    close(fds[0]);
    close(fds[1]);
    return ok;
}

static bool zero_device_is_memory(void)
{
    int fd = open("/dev/zero", O_RDWR);
    char *m = map(1, READ_WRITE, MAP_SHARED, fd), *p = map(1, READ_WRITE, MAP_PRIVATE, fd);
    pid_t child = fork();

    if (child == 0) {
        bool is_zero = m[0] == 0 && p[0] == 0;
        m[0] = p[0] = 'x';
        _exit(is_zero ? CHILD_IS_WELL : 1);
    }
    bool ok = child_is_well(child) && KTAP_EQUAL(m[0], 'x') && KTAP_EQUAL(p[0], 0);
    munmap(m, PAGE);
    munmap(p, PAGE);
    close(fd);
    return ok;
}

static bool memory_file_is_a_file(void)
{
    int fd = (int)syscall(__NR_memfd_create, "name", MFD_CLOEXEC);
    bool ok = KTAP_TRUE(fd >= 0) && KTAP_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC) &&
              KTAP_EQUAL(write(fd, "hello", 5), 5) && KTAP_EQUAL(ftruncate(fd, (off_t)PAGE), 0);
    char *m = map(1, READ_WRITE, MAP_SHARED, fd);

    ok = ok && KTAP_EQUAL(memcmp(m, "hello", 6), 0);
    m[0] = 'j';
    ok = ok && KTAP_EQUAL(file_byte(fd, 0), 'j') &&
         FAILS(syscall(__NR_memfd_create, "name", 0x100), EINVAL) &&
         FAILS(syscall(__NR_memfd_create, 8, 0), EFAULT);
    munmap(m, PAGE);
    close(fd);
    return ok;
}

/* ---- Moving --------------------------------------------------------------------------------- */

static bool memory_grows_in_place(void)
{
    char *m = map(3, READ_WRITE, ANONYMOUS, -1);

    munmap(m + PAGE, 2 * PAGE);
    m[0] = 'x';
    bool ok = KTAP_TRUE(remap(m, 1, 3, 0, NULL) == m) && KTAP_EQUAL(m[0], 'x') &&
              KTAP_EQUAL(m[2 * PAGE], 0);
    munmap(m, 3 * PAGE);
    return ok;
}

static bool memory_moves_to_grow(void)
{
    char *m = map(3, READ_WRITE, ANONYMOUS, -1);

    m[0] = 'x', m[PAGE] = 'y', m[2 * PAGE] = 'z';
    bool ok = FAILS((long)remap(m, 2, 4, 0, NULL), ENOMEM);
    char *to = remap(m, 2, 4, MREMAP_MAYMOVE, NULL);
    ok = ok && KTAP_TRUE(to != MAP_FAILED && to != m) && KTAP_EQUAL(to[0], 'x') &&
         KTAP_EQUAL(to[PAGE], 'y') && KTAP_EQUAL(to[3 * PAGE], 0) && KTAP_EQUAL(m[2 * PAGE], 'z') &&
         child_dies(touch, m, SIGSEGV);
    munmap(to, 4 * PAGE);
    munmap(m + 2 * PAGE, PAGE);
    return ok;
}

static bool memory_shrinks(void)
{
    char *m = map(3, READ_WRITE, ANONYMOUS, -1);

    m[0] = 'x';
    bool ok = KTAP_TRUE(remap(m, 3, 1, 0, NULL) == m) && KTAP_EQUAL(m[0], 'x') &&
              child_dies(touch, m + PAGE, SIGSEGV);
    munmap(m, PAGE);
    return ok;
}

static bool memory_moves_to_a_place(void)
{
    char *m = map(2, READ_WRITE, ANONYMOUS, -1), *to = map(2, READ_WRITE, ANONYMOUS, -1);

    m[PAGE] = 'x', to[0] = 'y';
    bool ok = KTAP_TRUE(remap(m, 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to) &&
              KTAP_EQUAL(to[0], 0) && KTAP_EQUAL(to[PAGE], 'x') && child_dies(touch, m, SIGSEGV);
    munmap(to, 2 * PAGE);
    return ok;
}

static bool moved_file_stays_itself(void)
{
    int fd = make_file(4);
    char *m = map(4, READ_WRITE, MAP_SHARED, fd);
    char *to = remap(m + PAGE, 2, 3, MREMAP_MAYMOVE, NULL);
    bool ok = KTAP_TRUE(to != MAP_FAILED) && KTAP_EQUAL(to[0], 'b') && KTAP_EQUAL(to[PAGE], 'c') &&
              KTAP_EQUAL(to[2 * PAGE], 'd') && KTAP_EQUAL(m[3 * PAGE], 'd');
    char *second = remap(to, 0, 1, MREMAP_MAYMOVE, NULL);

    to[1] = 'x';
    ok = ok && KTAP_TRUE(second != MAP_FAILED && second != to) && KTAP_EQUAL(second[1], 'x') &&
         KTAP_EQUAL(file_byte(fd, (off_t)PAGE + 1), 'x');
    munmap(m, 4 * PAGE);
    munmap(to, 3 * PAGE);
    munmap(second, PAGE);
    close(fd);
    return ok;
}

static bool shared_memory_grows_as_its_file(void)
{
    char *m = map(1, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    char *to = remap(m, 1, 2, MREMAP_MAYMOVE, NULL);

    to[0] = 'x';
    bool ok = KTAP_TRUE(to != MAP_FAILED) && child_dies(touch, to + PAGE, SIGBUS);
    munmap(to, 2 * PAGE);
    return ok;
}

/* Linux looks at the first page only. */
static bool mremap_shortens_across_areas(void)
{
    char *m = map(4, READ_WRITE, ANONYMOUS, -1);
    bool ok = KTAP_EQUAL(mprotect(m + PAGE, PAGE, PROT_READ), 0) &&
              KTAP_TRUE(remap(m, 4, 4, 0, NULL) == m) &&
              KTAP_EQUAL(munmap(m + 2 * PAGE, PAGE), 0) &&
              KTAP_TRUE(remap(m, 4, 1, 0, NULL) == m) && child_dies(touch, m + PAGE, SIGSEGV) &&
              child_dies(touch, m + 3 * PAGE, SIGSEGV);

    m[0] = 'x';
    munmap(m, PAGE);
    return ok;
}

static bool mremap_checks_its_arguments(void)
{
    char *m = map(3, READ_WRITE, ANONYMOUS, -1);

    munmap(m + 2 * PAGE, PAGE);
    bool ok = FAILS((long)remap(m + 1, 1, 1, 0, NULL), EINVAL) &&
              FAILS((long)remap(m, 1, 0, 0, NULL), EINVAL) &&
              FAILS((long)remap(m, 1, 1, 64, NULL), EINVAL) &&
              FAILS((long)remap(m, 1, 1, MREMAP_FIXED, m), EINVAL) &&
              FAILS((long)remap(m, 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED, m + PAGE), EINVAL) &&
              FAILS((long)remap(m, 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED, m + 7), EINVAL) &&
              FAILS((long)remap(m, 3, 4, MREMAP_MAYMOVE, NULL), EFAULT) &&
              FAILS((long)remap(m + 2 * PAGE, 1, 1, 0, NULL), EFAULT) &&
              FAILS((long)remap(m, 0, 1, MREMAP_MAYMOVE, NULL), EINVAL) &&
              FAILS((long)remap(m, 1, 1ul << 36, MREMAP_MAYMOVE, NULL), ENOMEM);
    munmap(m, 2 * PAGE);
    return ok;
}

/* ---- Advice, presence ----------------------------------------------------------------------- */

static bool contents_of_a_file_can_be_removed(void)
{
    int fd = make_file(4);
    char *s = map(4, READ_WRITE, MAP_SHARED, fd), *p = map(1, READ_WRITE, MAP_PRIVATE, fd),
         *constant = map(1, PROT_READ, MAP_SHARED, fd), *m = map(1, READ_WRITE, ANONYMOUS, -1),
         *shared = map(2, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1), byte = 'x';
    struct stat before, after;

    s[0] = s[3 * PAGE] = shared[0] = shared[PAGE] = 'x';
    bool ok = KTAP_EQUAL(fstat(fd, &before), 0) &&
              KTAP_EQUAL(advise(s + PAGE, 2 * PAGE, MADV_REMOVE), 0) &&
              KTAP_EQUAL(fstat(fd, &after), 0) && KTAP_EQUAL(after.st_size, before.st_size) &&
              KTAP_EQUAL(after.st_blocks, before.st_blocks - 16) && KTAP_EQUAL(s[0], 'x') &&
              KTAP_EQUAL(s[PAGE], 0) && KTAP_EQUAL(s[3 * PAGE], 'x') &&
              KTAP_EQUAL(pread(fd, &byte, 1, 2 * PAGE), 1) && KTAP_EQUAL(byte, 0) &&
              KTAP_EQUAL(advise(shared, PAGE, MADV_REMOVE), 0) && KTAP_EQUAL(shared[0], 0) &&
              KTAP_EQUAL(shared[PAGE], 'x') && FAILS(advise(p, PAGE, MADV_REMOVE), EACCES) &&
              FAILS(advise(constant, PAGE, MADV_REMOVE), EACCES) &&
              FAILS(advise(m, PAGE, MADV_REMOVE), EINVAL) &&
              KTAP_EQUAL(syscall(__NR_mlock, s, PAGE), 0) &&
              FAILS(advise(s, PAGE, MADV_REMOVE), EINVAL) && KTAP_EQUAL(s[0], 'x');

    munmap(m, PAGE);
    ok = ok && FAILS(advise(m, PAGE, MADV_REMOVE), ENOMEM);
    munmap(s, 4 * PAGE);
    munmap(p, PAGE);
    munmap(constant, PAGE);
    munmap(shared, 2 * PAGE);
    close(fd);
    return ok;
}

static bool contents_can_be_given_up(void)
{
    int fd = make_file(1);
    char *m = map(2, READ_WRITE, ANONYMOUS, -1), *p = map(1, READ_WRITE, MAP_PRIVATE, fd),
         *s = map(1, READ_WRITE, MAP_SHARED, fd);

    m[0] = m[PAGE] = p[0] = s[1] = 'x';
    bool ok = KTAP_EQUAL(advise(m, PAGE, MADV_DONTNEED), 0) && KTAP_EQUAL(m[0], 0) &&
              KTAP_EQUAL(m[PAGE], 'x') && KTAP_EQUAL(advise(p, PAGE, MADV_DONTNEED), 0) &&
              KTAP_EQUAL(p[0], 'a') && KTAP_EQUAL(advise(s, PAGE, MADV_DONTNEED), 0) &&
              KTAP_EQUAL(s[1], 'x') && FAILS(advise(p, PAGE, MADV_FREE), EINVAL) &&
              KTAP_EQUAL(advise(m, PAGE, MADV_FREE), 0) && FAILS(advise(m, PAGE, 99), EINVAL) &&
              FAILS(advise(m + 1, PAGE, MADV_DONTNEED), EINVAL) &&
              KTAP_EQUAL(advise(m, 2 * PAGE, MADV_SEQUENTIAL), 0);

    munmap(m + PAGE, PAGE);
    ok = ok && FAILS(advise(m, 2 * PAGE, MADV_DONTNEED), ENOMEM) &&
         FAILS(advise(m, 2 * PAGE, MADV_NORMAL), ENOMEM);
    munmap(m, PAGE);
    munmap(p, PAGE);
    munmap(s, PAGE);
    close(fd);
    return ok;
}

static bool fork_can_leave_memory_out(void)
{
    char *m = map(3, READ_WRITE, ANONYMOUS, -1);

    m[0] = m[PAGE] = m[2 * PAGE] = 'x';
    bool ok = KTAP_EQUAL(advise(m, PAGE, MADV_WIPEONFORK), 0) &&
              KTAP_EQUAL(advise(m + 2 * PAGE, PAGE, MADV_DONTFORK), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(m[0] == 0 && m[PAGE] == 'x' ? CHILD_IS_WELL : 1);
    ok = child_is_well(child) && ok && child_dies(touch, m + 2 * PAGE, SIGSEGV) &&
         KTAP_EQUAL(advise(m, PAGE, MADV_KEEPONFORK), 0) &&
         KTAP_EQUAL(advise(m + 2 * PAGE, PAGE, MADV_DOFORK), 0);
    child = fork();
    if (child == 0)
        _exit(m[0] == 'x' && m[2 * PAGE] == 'x' ? CHILD_IS_WELL : 1);
    ok = child_is_well(child) && ok;
    munmap(m, 3 * PAGE);
    return ok;
}

static bool advice_skips_holes(void)
{
    int fd = make_file(1);
    char *m = map(4, READ_WRITE, ANONYMOUS, -1);

    m[0] = m[2 * PAGE] = 'x';
    munmap(m + PAGE, PAGE);
    bool ok = FAILS(advise(m, 4 * PAGE, MADV_DONTFORK), ENOMEM) && child_dies(touch, m, SIGSEGV) &&
              child_dies(touch, m + 2 * PAGE, SIGSEGV) &&
              FAILS(advise(m, 4 * PAGE, MADV_DOFORK), ENOMEM) &&
              KTAP_TRUE(mmap(m + 3 * PAGE, PAGE, READ_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
                        m + 3 * PAGE) &&
              FAILS(advise(m, 4 * PAGE, MADV_WIPEONFORK), EINVAL) &&
              KTAP_EQUAL(advise(m + 3 * PAGE, 0, MADV_WIPEONFORK), 0);

    munmap(m, 4 * PAGE);
    close(fd);
    return ok;
}

static long nr_present(char *m, size_t nr_pages)
{
    unsigned char present[64] = {0};
    long nr = 0;

    if (syscall(__NR_mincore, m, nr_pages * PAGE, present) != 0)
        return -errno;
    for (size_t i = 0; i < nr_pages; i++)
        nr += present[i];
    return nr;
}

static bool pages_of_files_are_present(void)
{
    int fd = make_file(2);
    char *p = map(3, READ_WRITE, MAP_PRIVATE, fd), *s = map(3, READ_WRITE, MAP_SHARED, fd);
    bool ok = KTAP_EQUAL(nr_present(p, 3), 2) && KTAP_EQUAL(nr_present(s, 3), 2) &&
              KTAP_EQUAL(ftruncate(fd, 3 * PAGE), 0) && KTAP_EQUAL(nr_present(s, 3), 2);

    s[2 * PAGE] = 'x';
    ok = ok && KTAP_EQUAL(nr_present(s, 3), 3) && KTAP_EQUAL(nr_present(p, 3), 3);
    munmap(p, 3 * PAGE);
    munmap(s, 3 * PAGE);
    close(fd);
    return ok;
}

static bool populating_needs_the_right(void)
{
    int fd = make_file(1);
    char *m = map(2, READ_WRITE, MAP_PRIVATE, fd), *r = map(1, PROT_READ, ANONYMOUS, -1),
         *n = map(1, PROT_NONE, ANONYMOUS, -1);
    bool ok = KTAP_EQUAL(advise(m, PAGE, MADV_POPULATE_READ), 0) &&
              KTAP_EQUAL(pwrite(fd, "x", 1, 0), 1) && KTAP_EQUAL(m[0], 'x') &&
              KTAP_EQUAL(advise(m, PAGE, MADV_POPULATE_WRITE), 0) &&
              KTAP_EQUAL(pwrite(fd, "y", 1, 0), 1) && KTAP_EQUAL(m[0], 'x') &&
              FAILS(advise(m, 2 * PAGE, MADV_POPULATE_READ), EFAULT) &&
              KTAP_EQUAL(advise(r, PAGE, MADV_POPULATE_READ), 0) &&
              FAILS(advise(r, PAGE, MADV_POPULATE_WRITE), EINVAL) &&
              FAILS(advise(n, PAGE, MADV_POPULATE_READ), EINVAL) &&
              FAILS(syscall(__NR_mlock, n, PAGE), ENOMEM);

    munmap(m, 2 * PAGE);
    munmap(r, PAGE);
    munmap(n, PAGE);
    close(fd);
    return ok;
}

static bool pages_become_present(void)
{
    char *m = map(4, READ_WRITE, ANONYMOUS, -1),
         *p = map(4, READ_WRITE, ANONYMOUS | MAP_POPULATE, -1);

    m[PAGE] = 'x';
    bool ok = KTAP_EQUAL(nr_present(m, 4), 1) && KTAP_EQUAL(nr_present(p, 4), 4) &&
              KTAP_EQUAL(syscall(__NR_mlock, m + 2 * PAGE, PAGE), 0) &&
              KTAP_EQUAL(nr_present(m, 4), 2) && KTAP_EQUAL(syscall(__NR_mlock2, m, PAGE, 1), 0) &&
              KTAP_EQUAL(nr_present(m, 4), 2) &&
              KTAP_EQUAL(syscall(__NR_munlock, m, 4 * PAGE), 0) &&
              KTAP_EQUAL(advise(m, 4 * PAGE, MADV_POPULATE_WRITE), 0) &&
              KTAP_EQUAL(nr_present(m, 4), 4) && KTAP_EQUAL(syscall(__NR_mlockall, 3), 0) &&
              KTAP_EQUAL(syscall(__NR_munlockall), 0);

    munmap(m + PAGE, PAGE);
    ok = ok && KTAP_EQUAL(nr_present(m, 4), -ENOMEM) && KTAP_EQUAL(nr_present(m + 1, 1), -EINVAL) &&
         FAILS(syscall(__NR_mlock, m, 4 * PAGE), ENOMEM) &&
         FAILS(syscall(__NR_munlock, m, 4 * PAGE), ENOMEM) &&
         FAILS(syscall(__NR_mlockall, 0), EINVAL) && FAILS(syscall(__NR_mlock2, m, 1, 8), EINVAL);
    munmap(m, 4 * PAGE);
    munmap(p, 4 * PAGE);
    return ok;
}

/* MCL_FUTURE, _ONFAULT: 2, 4. As on Linux, MAP_POPULATE changes nothing for that. */
static bool memory_locked_on_fault_comes_when_touched(void)
{
    char *m = map(2, READ_WRITE, ANONYMOUS, -1), *grown, *p;
    bool ok = KTAP_EQUAL(syscall(__NR_mlock2, m, 2 * PAGE, 1), 0);

    grown = remap(m, 2, 4, MREMAP_MAYMOVE, NULL);
    ok = KTAP_EQUAL(nr_present(grown, 4), 0) && KTAP_EQUAL(munmap(grown, 4 * PAGE), 0) &&
         KTAP_EQUAL(syscall(__NR_mlockall, 2 | 4), 0) && ok;
    p = map(2, READ_WRITE, ANONYMOUS | MAP_POPULATE, -1);
    ok = KTAP_EQUAL(nr_present(p, 2), 0) && KTAP_EQUAL(syscall(__NR_munlockall), 0) &&
         KTAP_EQUAL(munmap(p, 2 * PAGE), 0) && ok;
    return ok;
}

static bool locked_memory_that_grows_is_present_there(void)
{
    char *m = map(4, READ_WRITE, ANONYMOUS, -1), *grown;
    bool ok = KTAP_EQUAL(syscall(__NR_mlock, m, 4 * PAGE), 0) &&
              KTAP_EQUAL(advise(m, PAGE, MADV_DONTNEED_LOCKED), 0);

    grown = remap(m, 4, 6, MREMAP_MAYMOVE, NULL);
    return KTAP_EQUAL(nr_present(grown, 1), 0) && KTAP_EQUAL(nr_present(grown + PAGE, 5), 5) &&
           KTAP_EQUAL(munmap(grown, 6 * PAGE), 0) && ok;
}

static bool msync_checks_its_arguments(void)
{
    int fd = make_file(2);
    char *m = map(2, READ_WRITE, MAP_SHARED, fd);
    bool ok = KTAP_EQUAL(syscall(__NR_msync, m, 2 * PAGE, 4), 0) &&
              KTAP_EQUAL(syscall(__NR_msync, m, 2 * PAGE, 1), 0) &&
              FAILS(syscall(__NR_msync, m, PAGE, 5), EINVAL) &&
              FAILS(syscall(__NR_msync, m, PAGE, 8), EINVAL) &&
              FAILS(syscall(__NR_msync, m + 1, PAGE, 4), EINVAL);

    munmap(m + PAGE, PAGE);
    ok = ok && FAILS(syscall(__NR_msync, m, 2 * PAGE, 4), ENOMEM);
    munmap(m, PAGE);
    close(fd);
    return ok;
}

/* Linux comes upon a locked area before it tells of the holes that it has passed. */
static bool msync_does_not_invalidate_what_is_locked(void)
{
    int fd = make_file(4);
    char *m = map(4, READ_WRITE, MAP_SHARED, fd);
    bool ok = KTAP_EQUAL(syscall(__NR_msync, m, 4 * PAGE, MS_INVALIDATE), 0) &&
              KTAP_EQUAL(syscall(__NR_mlock, m + 2 * PAGE, PAGE), 0) &&
              FAILS(syscall(__NR_msync, m, 4 * PAGE, MS_INVALIDATE), EBUSY) &&
              FAILS(syscall(__NR_msync, m + 2 * PAGE, 1, MS_INVALIDATE | MS_SYNC), EBUSY) &&
              KTAP_EQUAL(syscall(__NR_msync, m + 2 * PAGE, 0, MS_INVALIDATE), 0) &&
              KTAP_EQUAL(syscall(__NR_msync, m, 2 * PAGE, MS_INVALIDATE), 0) &&
              KTAP_EQUAL(syscall(__NR_msync, m + 3 * PAGE, PAGE, MS_INVALIDATE), 0) &&
              KTAP_EQUAL(syscall(__NR_msync, m, 4 * PAGE, MS_SYNC), 0) &&
              KTAP_EQUAL(munmap(m + PAGE, PAGE), 0) &&
              FAILS(syscall(__NR_msync, m, 2 * PAGE, MS_INVALIDATE), ENOMEM) &&
              FAILS(syscall(__NR_msync, m, 4 * PAGE, MS_INVALIDATE), EBUSY) &&
              KTAP_EQUAL(syscall(__NR_munlock, m + 2 * PAGE, PAGE), 0) &&
              KTAP_EQUAL(syscall(__NR_msync, m + 2 * PAGE, 2 * PAGE, MS_INVALIDATE), 0);

    munmap(m, 4 * PAGE);
    close(fd);
    return ok;
}

static bool area_grows_downward(void)
{
    char *base = map(1024, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1);
    char *top = base + 1024 * PAGE;

    munmap(base, 1024 * PAGE);
    char *m = mmap(top - PAGE, PAGE, READ_WRITE, ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    bool ok = KTAP_TRUE(m == top - PAGE);
    for (size_t i = 0; i < 16 && ok; i++)
        m[-(long)(i * PAGE) - 1] = 'x';
    /* It keeps its distance from what is below. */
    char *below = mmap(base, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
    ok = ok && KTAP_EQUAL(m[-1], 'x') && KTAP_TRUE(below == base) &&
         child_dies(touch, base + 100 * PAGE, SIGSEGV) && KTAP_EQUAL(base[512 * PAGE], 0);
    munmap(base, 1024 * PAGE);
    return ok;
}

/* Areas that were touched and areas that were not become one, are parted, and move. */
static bool protection_reaches_every_page(void)
{
    char *m = map(4, READ_WRITE, ANONYMOUS, -1), *moved;
    bool ok;

    m[3 * PAGE] = 'x';
    munmap(m, 2 * PAGE);
    ok = KTAP_TRUE(mmap(m, 2 * PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0) == m) &&
         KTAP_EQUAL(mprotect(m, 4 * PAGE, PROT_READ), 0) && KTAP_EQUAL(m[3 * PAGE], 'x') &&
         child_dies(write_to, m + 3 * PAGE, SIGSEGV) && child_dies(write_to, m, SIGSEGV) &&
         KTAP_EQUAL(mprotect(m, PAGE, PROT_NONE), 0) && child_dies(touch, m, SIGSEGV) &&
         KTAP_EQUAL(mprotect(m + PAGE, 3 * PAGE, READ_WRITE), 0);
    m[3 * PAGE] = 'y';
    moved = remap(m + PAGE, 3, 9, MREMAP_MAYMOVE, NULL);
    ok = KTAP_EQUAL(mprotect(moved, 9 * PAGE, PROT_READ), 0) && KTAP_EQUAL(moved[2 * PAGE], 'y') &&
         child_dies(write_to, moved + 2 * PAGE, SIGSEGV) &&
         KTAP_EQUAL(mprotect(moved + 2 * PAGE, PAGE, PROT_NONE), 0) &&
         child_dies(touch, moved + 2 * PAGE, SIGSEGV) && ok;
    munmap(m, PAGE);
    munmap(moved, 9 * PAGE);
    return ok;
}

static bool written_code_can_be_run(void)
{
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    char *m = map(1, READ_WRITE, ANONYMOUS, -1);
    int (*function)(void) = (int (*)(void))(void *)m;

    memcpy(m, code, sizeof(code));
    bool ok = KTAP_EQUAL(mprotect(m, PAGE, PROT_READ | PROT_EXEC), 0) && KTAP_EQUAL(function(), 42);
    munmap(m, PAGE);
    return ok;
}

static bool protection_keys_are_refused(void)
{
    char *m = map(1, READ_WRITE, ANONYMOUS, -1);
    bool ok = FAILS(syscall(__NR_pkey_alloc, 0, 0), ENOSPC) &&
              FAILS(syscall(__NR_pkey_alloc, 1, 0), EINVAL) &&
              FAILS(syscall(__NR_pkey_free, 1), EINVAL) &&
              FAILS(syscall(__NR_pkey_mprotect, m, PAGE, PROT_READ, 1), EINVAL) &&
              KTAP_EQUAL(syscall(__NR_pkey_mprotect, m, PAGE, PROT_READ, -1), 0);

    munmap(m, PAGE);
    return ok;
}

/* ---- Barriers ------------------------------------------------------------------------------- */

/*
 * Dekker's protocol, whose two sides may only both go on if a write is delayed beyond a read. One
 * side has a compiler barrier instead of a fence, and the other makes up for it.
 */
static _Atomic int wants[2], may_stop;
static _Atomic long rounds[2];

static void *fast_side(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&may_stop, memory_order_relaxed)) {
        atomic_store_explicit(&wants[0], 1, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        if (!atomic_load_explicit(&wants[1], memory_order_relaxed))
            atomic_fetch_add_explicit(&rounds[0], 1, memory_order_relaxed);
        atomic_store_explicit(&wants[0], 0, memory_order_release);
    }
    return NULL;
}

static bool barrier_reaches_other_cpus(void)
{
    thread_t thread = 0;
    long known = syscall(__NR_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    bool ok =
        KTAP_TRUE(known & MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
        KTAP_EQUAL(syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0), 0) &&
        FAILS(syscall(__NR_membarrier, 1 << 20, 0, 0), EINVAL) &&
        FAILS(syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 1, 0), EINVAL);

    atomic_store(&may_stop, 0);
    ok = ok && KTAP_EQUAL(thread_create(&thread, fast_side, NULL), 0);
    for (size_t i = 0; ok && i < ktap_times(1000); i++) {
        long before;

        atomic_store_explicit(&wants[1], 1, memory_order_relaxed);
        ok = KTAP_EQUAL(syscall(__NR_membarrier,
                                i & 1 ? MEMBARRIER_CMD_PRIVATE_EXPEDITED : MEMBARRIER_CMD_GLOBAL, 0,
                                0),
                        0);
        while (atomic_load(&wants[0]) != 0)
            syscall(__NR_sched_yield);
        before = atomic_load(&rounds[0]);
        for (volatile int j = 0; j < 100; j++)
            ;
        ok = ok && KTAP_EQUAL(atomic_load(&rounds[0]), before);
        atomic_store(&wants[1], 0);
    }
    atomic_store(&may_stop, 1);
    return (thread == 0 || KTAP_EQUAL(thread_join(thread, NULL), 0)) && ok;
}

/* ---- All at once ---------------------------------------------------------------------------- */

static void map_and_touch(void *arg)
{
    int fd = open(FILE_PATH, O_RDWR);

    (void)arg;
    for (;;) {
        char *m = map(4, READ_WRITE, MAP_SHARED, fd), *p = map(4, READ_WRITE, MAP_PRIVATE, fd);

        for (size_t i = 0; i < 4; i++)
            m[i * PAGE]++, p[i * PAGE]++;
        m = remap(m, 4, 5, MREMAP_MAYMOVE, NULL);
        munmap(m, 5 * PAGE);
        munmap(p, 4 * PAGE);
    }
}

/* Children map the file and end by SIGBUS, sooner or later, because the parent cuts it. */
static bool cuts_and_mappings_at_once(void)
{
    int fd = make_file(4);
    bool ok = true;

    for (size_t round = 0; ok && round < ktap_times(200); round++) {
        pid_t children[3];
        struct stat stat;
        int status = -1;

        for (size_t i = 0; i < 3; i++)
            children[i] = start_child(map_and_touch, NULL);
        for (int cut = 0; cut < 5; cut++) {
            ok = ok && KTAP_EQUAL(ftruncate(fd, 1), 0);
            ok = ok && KTAP_EQUAL(ftruncate(fd, 4 * (off_t)PAGE), 0);
        }
        ok = ok && KTAP_EQUAL(ftruncate(fd, 1), 0);
        for (size_t i = 0; i < 3; i++)
            ok = KTAP_EQUAL(waitpid(children[i], &status, 0), children[i]) &&
                 ktap_check_dies(status, SIGBUS, __FILE__, __LINE__) && ok;
        /* No fault has come too late and put a page behind the end. */
        ok = KTAP_EQUAL(fstat(fd, &stat), 0) && KTAP_TRUE(stat.st_blocks <= 8) && ok;
        ftruncate(fd, 4 * (off_t)PAGE);
    }
    close(fd);
    unlink(FILE_PATH);
    return ok;
}

/* At any moment the file is mapped, for a short time only. */
static void map_again_and_again(void *arg)
{
    int fd = open(FILE_PATH, O_RDWR);
    char *old = map(1, PROT_READ, MAP_SHARED, fd);

    (void)arg;
    for (;;) {
        char *new = map(1, PROT_READ, MAP_SHARED, fd);

        munmap(old, PAGE);
        old = new;
    }
}

static bool cuts_end_while_others_map(void)
{
    int fd = make_file(1), status = -1;
    pid_t children[3];
    bool ok = true;

    for (size_t i = 0; i < 3; i++)
        children[i] = start_child(map_again_and_again, NULL);
    for (size_t round = 0; ok && round < ktap_times(100) + 10; round++)
        ok = KTAP_EQUAL(ftruncate(fd, 1), 0) && KTAP_EQUAL(ftruncate(fd, 0), 0);
    for (size_t i = 0; i < 3; i++) {
        kill(children[i], SIGKILL);
        ok = KTAP_EQUAL(waitpid(children[i], &status, 0), children[i]) && ok;
    }
    close(fd);
    unlink(FILE_PATH);
    return ok;
}

#define NR_CUT_MAPPINGS 8

static struct cut {
    atomic_bool is_wanted, is_done, is_over; /* shared with children */
} * cut;

static void *cut_when_asked(void *fd)
{
    for (size_t round = 0; !cut->is_over; round++) {
        while (!cut->is_wanted && !cut->is_over)
            syscall(__NR_sched_yield);
        for (volatile size_t i = round * 7919 % 5000; i > 0; i--)
            continue;
        syscall(__NR_ftruncate, *(int *)fd, 0);
        cut->is_wanted = false;
        cut->is_done = true;
    }
    return NULL;
}

/* In a child: whether no page of the mappings is there, once the file has been cut. */
static bool all_is_cut(char *const mappings[])
{
    int pipe_fds[2];

    while (!cut->is_done)
        syscall(__NR_sched_yield);
    if (pipe(pipe_fds) != 0)
        return false;
    for (size_t i = 0; i < NR_CUT_MAPPINGS; i++) {
        if (write(pipe_fds[1], mappings[i], 1) >= 0 || errno != EFAULT)
            return false;
    }
    return true;
}

static bool fork_sees_a_cut_beside_it(void)
{
    int fd = make_file(1);
    char *mappings[NR_CUT_MAPPINGS];
    thread_t cutter;
    bool ok = true;

    cut = (struct cut *)map(1, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    for (size_t i = 0; i < NR_CUT_MAPPINGS; i++)
        mappings[i] = map(1, READ_WRITE, MAP_SHARED, fd);
    ok = KTAP_EQUAL(thread_create(&cutter, cut_when_asked, &fd), 0);
    for (size_t round = 0; ok && round < ktap_times(500) + 50; round++) {
        ok = KTAP_EQUAL(ftruncate(fd, (off_t)PAGE), 0);
        for (size_t i = 0; i < NR_CUT_MAPPINGS; i++)
            mappings[i][0] = 'x';
        cut->is_done = false;
        cut->is_wanted = true;
        pid_t child = fork();
        if (child == 0)
            _exit(all_is_cut(mappings) ? CHILD_IS_WELL : 1);
        ok = child_is_well(child) && ok;
        while (!cut->is_done)
            syscall(__NR_sched_yield);
    }
    cut->is_over = true;
    ok = KTAP_EQUAL(thread_join(cutter, NULL), 0) && ok;
    for (size_t i = 0; i < NR_CUT_MAPPINGS; i++)
        munmap(mappings[i], PAGE);
    munmap(cut, PAGE);
    close(fd);
    unlink(FILE_PATH);
    return ok;
}

static const struct ktap_test tests[] = {
    {"a private mapping shows the file from its offset on", private_mapping_shows_the_file},
    {"what is written to a private mapping is nobody else's", private_write_stays_private},
    {"a shared mapping, read() and write() have the same bytes", shared_mapping_is_the_file},
    {"what a child writes to a shared mapping is in the file", children_write_to_the_file},
    {"a mapping outlives descriptor and name", mapping_outlives_descriptor_and_name},
    {"behind the end of the file the page is zero", rest_of_the_last_page_is_zero},
    {"a page behind the end of the file is SIGBUS", page_behind_the_end_is_sigbus},
    {"pages that are cut off are SIGBUS, and zeroes later", cut_pages_are_sigbus},
    {"another process sees the cut", cut_is_seen_by_other_processes},
    {"a hole that is touched becomes part of the file", hole_becomes_part_of_the_file},
    {"a hole that is punched leaves what was written privately",
     punched_hole_leaves_private_writes},
    {"parts can be unmapped and protected", parts_can_be_unmapped_and_protected},
    {"a file can be written from its own mapping", write_from_a_mapping_of_the_same_file},
    {"the descriptor's access mode bounds the mapping's", access_modes_are_kept},
    {"flags of mmap that mean nothing are ignored", flags_of_no_meaning_are_ignored},
    {"what is no file is ENODEV, what is no page EINVAL", what_is_no_file_is_refused},
    {"/dev/zero is memory", zero_device_is_memory},
    {"memfd_create makes a file", memory_file_is_a_file},
    {"memory grows where there is room", memory_grows_in_place},
    {"memory moves to grow, with its pages", memory_moves_to_grow},
    {"memory shrinks", memory_shrinks},
    {"memory moves to a place, in place of what is there", memory_moves_to_a_place},
    {"a mapping of a file that moves shows the same", moved_file_stays_itself},
    {"shared memory that grows has SIGBUS behind its end", shared_memory_grows_as_its_file},
    {"mremap makes shorter what is several areas", mremap_shortens_across_areas},
    {"mremap refuses what makes no sense", mremap_checks_its_arguments},
    {"contents can be given up", contents_can_be_given_up},
    {"contents of a file can be removed through a mapping", contents_of_a_file_can_be_removed},
    {"fork can leave memory out", fork_can_leave_memory_out},
    {"advice is taken by what is mapped between holes", advice_skips_holes},
    {"pages become present when asked", pages_become_present},
    {"pages of files are present", pages_of_files_are_present},
    {"populating needs the right to read or write", populating_needs_the_right},
    {"msync refuses what makes no sense", msync_checks_its_arguments},
    {"memory locked on fault comes when it is touched", memory_locked_on_fault_comes_when_touched},
    {"locked memory that grows is present there", locked_memory_that_grows_is_present_there},
    {"msync does not invalidate what is locked", msync_does_not_invalidate_what_is_locked},
    {"a mapping with MAP_GROWSDOWN grows downward", area_grows_downward},
    {"a protection reaches every page", protection_reaches_every_page},
    {"code that was written can be run", written_code_can_be_run},
    {"there are no protection keys", protection_keys_are_refused},
    {"a barrier reaches the other CPUs", barrier_reaches_other_cpus},
    {"files are cut while they are mapped, touched, moved", cuts_and_mappings_at_once},
    {"a cut ends while others map the file anew", cuts_end_while_others_map},
    {"a child has nothing of a file that is cut beside the fork", fork_sees_a_cut_beside_it},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
