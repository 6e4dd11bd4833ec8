/*
 * Reading and writing files while their pages, or the memory at the other end, come and go.
 *
 * A page of a file that is there is copied without a reference to its frame, with interrupts off
 * (kernel/fs/inode.c): nobody may see, or spoil, what is in a frame that has been cut off a file
 * and belongs to somebody else by now. And where such a copy meets a page of memory that has to be
 * brought in first, it is done another way, of which no program may notice anything.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE       4096l
#define NR_PAGES   8l
#define FILE_BYTES (NR_PAGES * PAGE)
#define FILE_PATH  "/tmp/t_read"
#define READ_WRITE (PROT_READ | PROT_WRITE)

static char bytes[FILE_BYTES], seen[FILE_BYTES];

/* Each place of the file has a byte that those near it do not have. */
static char byte_at(long at)
{
    return (char)(at % 251);
}

static int new_file(void)
{
    int fd = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC, 0600);

    for (long i = 0; i < FILE_BYTES; i++)
        bytes[i] = byte_at(i);
    return pwrite(fd, bytes, FILE_BYTES, 0) == FILE_BYTES ? fd : -1;
}

/* Memory that nobody has touched. */
static char *fresh_pages(long nr)
{
    return mmap(NULL, (size_t)(nr * PAGE), READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Some bytes from some place to a place in a buffer that is fresh, or has been touched. */
static bool is_read_whole(int fd, long nr, long at, long buffer_at, bool is_fresh)
{
    char *buffer = fresh_pages(NR_PAGES);
    bool is_ok = true;

    if (!is_fresh)
        memset(buffer, 0xee, FILE_BYTES);
    is_ok = KTAP_EQUAL(pread(fd, buffer + buffer_at, (size_t)nr, at), nr) &&
            KTAP_EQUAL(memcmp(buffer + buffer_at, bytes + at, (size_t)nr), 0) &&
            KTAP_EQUAL(buffer[buffer_at + nr], is_fresh ? 0 : (char)0xee);
    munmap(buffer, FILE_BYTES);
    return is_ok;
}

static bool any_part_goes_anywhere(void)
{
    static const long places[] = {0, 1, 7, 100, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 3};
    static const long sizes[] = {1, 8, 13, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 5};
    int fd = new_file();
    bool is_ok = KTAP_TRUE(fd >= 0);

    for (size_t i = 0; i < KTAP_LEN(places) && is_ok; i++) {
        for (size_t j = 0; j < KTAP_LEN(sizes) && is_ok; j++)
            is_ok = is_read_whole(fd, sizes[j], places[i], 0, true) &&
                    is_read_whole(fd, sizes[j], places[i], places[j], false) &&
                    is_read_whole(fd, sizes[j], places[i], places[i], true);
    }
    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

/* Pages of memory that are there, and then one that never will be. */
static bool what_fits_is_read_and_written(void)
{
    int fd = new_file();
    char *buffer = fresh_pages(3), *end = buffer + 2 * PAGE;
    bool is_ok = KTAP_EQUAL(munmap(end, PAGE), 0);

    is_ok = is_ok && KTAP_EQUAL(pread(fd, buffer, 3 * PAGE, 0), 2 * PAGE) &&
            KTAP_EQUAL(memcmp(buffer, bytes, 2 * PAGE), 0) &&
            KTAP_EQUAL(pread(fd, end - 10, PAGE, 0), 10) &&
            KTAP_EQUAL(memcmp(end - 10, bytes, 10), 0) && FAILS(pread(fd, end, 1, 0), EFAULT);
    memset(buffer, 'x', 2 * PAGE);
    is_ok = is_ok && KTAP_EQUAL(pwrite(fd, buffer, 3 * PAGE, PAGE), 2 * PAGE) &&
            KTAP_EQUAL(pread(fd, seen, FILE_BYTES, 0), FILE_BYTES) &&
            KTAP_EQUAL(memcmp(seen + PAGE, buffer, 2 * PAGE), 0) &&
            KTAP_EQUAL(memcmp(seen + 3 * PAGE, bytes + 3 * PAGE, PAGE), 0);
    /* A write that fails makes the file no longer, and leaves zeroes behind its end. */
    is_ok = is_ok && KTAP_EQUAL(ftruncate(fd, 10), 0) && FAILS(pwrite(fd, end, PAGE, 0), EFAULT) &&
            KTAP_EQUAL(lseek(fd, 0, SEEK_END), 10) &&
            KTAP_EQUAL(pwrite(fd, end - 100, PAGE, 0), 100) &&
            KTAP_EQUAL(lseek(fd, 0, SEEK_END), 100) && KTAP_EQUAL(ftruncate(fd, PAGE), 0) &&
            KTAP_EQUAL(pread(fd, seen, PAGE, 0), PAGE);
    for (long i = 100; i < PAGE && is_ok; i++)
        is_ok = KTAP_EQUAL(seen[i], 0);
    munmap(buffer, 2 * PAGE);
    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

/* Memory that parent and child share until one of them writes to it. */
static bool reading_does_not_write_to_a_childs_memory(void)
{
    int fd = new_file(), ends[2], status = -1;
    char *buffer = fresh_pages(2), byte;
    pid_t child;
    bool is_ok;

    memset(buffer, 'p', 2 * PAGE);
    is_ok = KTAP_EQUAL(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        close(ends[1]);
        read(ends[0], &byte, 1);
        for (long i = 0; i < 2 * PAGE; i++) {
            if (buffer[i] != 'p')
                _exit(1);
        }
        _exit(CHILD_IS_WELL);
    }
    is_ok = KTAP_EQUAL(pread(fd, buffer + 50, PAGE, 0), PAGE) && is_ok;
    close(ends[0]);
    close(ends[1]);
    waitpid(child, &status, 0);
    is_ok = KTAP_EQUAL(status, CHILD_IS_WELL << 8) && is_ok &&
            KTAP_EQUAL(memcmp(buffer + 50, bytes, PAGE), 0);
    munmap(buffer, 2 * PAGE);
    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

/* The buffer is the file itself, whose pages have to be looked up meanwhile. */
static bool a_file_is_read_into_its_own_memory(void)
{
    int fd = new_file();
    char *map = mmap(NULL, FILE_BYTES, READ_WRITE, MAP_SHARED, fd, 0);
    bool is_ok = KTAP_EQUAL(pread(fd, map + PAGE, PAGE, 0), PAGE) &&
                 KTAP_EQUAL(memcmp(map + PAGE, bytes, PAGE), 0) &&
                 KTAP_EQUAL(pwrite(fd, map + 5 * PAGE, PAGE, 3 * PAGE), PAGE) &&
                 KTAP_EQUAL(memcmp(map + 3 * PAGE, bytes + 5 * PAGE, PAGE), 0) &&
                 KTAP_EQUAL(pwrite(fd, map + 6 * PAGE, PAGE, FILE_BYTES), PAGE) &&
                 KTAP_EQUAL(pread(fd, seen, PAGE, FILE_BYTES), PAGE) &&
                 KTAP_EQUAL(memcmp(seen, bytes + 6 * PAGE, PAGE), 0);

    munmap(map, FILE_BYTES);
    return KTAP_EQUAL(close(fd), 0) && is_ok;
}

/* ---- A file that shrinks and grows under those who read and write it --------------------------
 */

#define NR_COPIERS 3
#define OF_OTHERS  0xee

static int file;
static atomic_bool may_stop;
static atomic_long nr_wrong, nr_copied;

/* Page i is full of this, or has not been written to. */
static char mark_of(long page)
{
    return (char)('a' + page);
}

static bool is_full_of(const char *page, char first, char second)
{
    for (long i = 0; i < PAGE; i++) {
        if (page[i] != first && page[i] != second)
            return false;
    }
    return true;
}

static void *read_and_write(void *arg)
{
    static char buffers[NR_COPIERS][2][PAGE];
    unsigned seed = (unsigned)(uintptr_t)arg;
    char *read_here = buffers[(uintptr_t)arg][0], *written = buffers[(uintptr_t)arg][1];

    while (!atomic_load(&may_stop)) {
        long page = (seed = seed * 1103515245 + 12345) / 65536 % NR_PAGES;
        ssize_t nr = pread(file, read_here, PAGE, page * PAGE);

        if (nr == PAGE && !is_full_of(read_here, mark_of(page), 0))
            atomic_fetch_add(&nr_wrong, 1);
        if (seed / 256 % 2 != 0) {
            memset(written, mark_of(page), PAGE);
            pwrite(file, written, PAGE, page * PAGE);
        }
        atomic_fetch_add(&nr_copied, 1);
    }
    return NULL;
}

/* Takes frames for memory of its own, which nobody else writes to. */
static void *use_frames(void *unused)
{
    while (!atomic_load(&may_stop)) {
        char *pages = fresh_pages(NR_PAGES);

        for (long i = 0; i < NR_PAGES; i++) {
            if (!is_full_of(pages + i * PAGE, 0, 0))
                atomic_fetch_add(&nr_wrong, 1);
            memset(pages + i * PAGE, OF_OTHERS, PAGE);
        }
        for (long i = 0; i < NR_PAGES; i++) {
            if (!is_full_of(pages + i * PAGE, (char)OF_OTHERS, (char)OF_OTHERS))
                atomic_fetch_add(&nr_wrong, 1);
        }
        munmap(pages, FILE_BYTES);
    }
    return unused;
}

static bool has_copied(void *wanted)
{
    return atomic_load(&nr_copied) >= *(long *)wanted;
}

/* Shorter, longer, with holes, and with a page far away, for which the tree of pages grows. */
static bool is_changed(unsigned round)
{
    static const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    long page = round % NR_PAGES;

    switch (round % 4) {
    case 0:
        return KTAP_EQUAL(ftruncate(file, page * PAGE), 0);
    case 1:
        return KTAP_EQUAL(pwrite(file, "x", 1, PAGE * 600 * (1 + page * 600)), 1);
    case 2:
        return KTAP_EQUAL(syscall(__NR_fallocate, file, hole, page * PAGE, 3 * PAGE), 0);
    default:
        return KTAP_EQUAL(ftruncate(file, FILE_BYTES), 0);
    }
}

static bool nobody_sees_the_frames_of_others(void)
{
    thread_t copiers[NR_COPIERS], user;
    long nr_wanted = (long)ktap_times(2000);
    bool is_ok = true;

    file = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (uintptr_t i = 0; i < NR_COPIERS; i++)
        thread_create(&copiers[i], read_and_write, (void *)i);
    thread_create(&user, use_frames, NULL);
    for (unsigned round = 0; round < ktap_times(5000) && is_ok; round++) {
        is_ok = is_changed(round);
        if (round % 16 == 0)
            yield();
    }
    is_ok = KTAP_TRUE(ktap_wait_for(has_copied, &nr_wanted)) && is_ok;
    atomic_store(&may_stop, true);
    for (int i = 0; i < NR_COPIERS; i++)
        thread_join(copiers[i], NULL);
    thread_join(user, NULL);
    return KTAP_EQUAL(nr_wrong, 0) && KTAP_EQUAL(close(file), 0) && is_ok;
}

static void make_and_remove(void)
{
    close(new_file());
    unlink(FILE_PATH);
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(make_and_remove);
}

static const struct ktap_test tests[] = {
    {"any part of a file is read to any place in memory", any_part_goes_anywhere},
    {"what fits is read and written, and the rest is EFAULT", what_fits_is_read_and_written},
    {"reading does not write to what a child shares", reading_does_not_write_to_a_childs_memory},
    {"a file is read into its own memory, and written from it", a_file_is_read_into_its_own_memory},
    {"nobody sees or spoils the frames of others while a file changes",
     nobody_sees_the_frames_of_others},
    {"memory of files comes back", memory_comes_back},
};

int main(void)
{
    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests));
    unlink(FILE_PATH);
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
