/* Rows about files, in tmpfs: a file of 64 KiB, read and written 4 KiB at a time. */

#include <fcntl.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/stat.h>

#include "bench.h"

#define PATH        "/tmp/bench"
#define OTHER_PATH  "/tmp/bench-new"
#define FILE_BLOCKS 16

static char block[BENCH_PAGE];

/* Opens the file, 64 KiB long. */
static int open_file(void)
{
    int fd = open(PATH, O_CREAT | O_RDWR, 0600);

    BENCH_CHECK(fd >= 0);
    memset(block, 1, sizeof(block));
    for (int i = 0; i < FILE_BLOCKS; i++)
        BENCH_CHECK(pwrite(fd, block, sizeof(block), i * BENCH_PAGE) == BENCH_PAGE);
    return fd;
}

static uint64_t open_close(unsigned nr_ops)
{
    close(open_file());
    uint64_t start_ns = monotonic_ns();
    for (unsigned i = 0; i < nr_ops; i++) {
        int fd = open(PATH, O_RDONLY);
        BENCH_CHECK(fd >= 0);
        close(fd);
    }
    return monotonic_ns() - start_ns;
}

static uint64_t stat_path(unsigned nr_ops)
{
    struct stat out;

    close(open_file());
    uint64_t start_ns = monotonic_ns();
    for (unsigned i = 0; i < nr_ops; i++)
        BENCH_CHECK(stat(PATH, &out) == 0);
    return monotonic_ns() - start_ns;
}

static uint64_t stat_fd(unsigned nr_ops)
{
    struct stat out;
    int fd = open_file();
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++)
        BENCH_CHECK(fstat(fd, &out) == 0);
    uint64_t taken_ns = monotonic_ns() - start_ns;
    close(fd);
    return taken_ns;
}

static uint64_t read_blocks(unsigned nr_ops)
{
    int fd = open_file();
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++)
        BENCH_CHECK(pread(fd, block, sizeof(block), i % FILE_BLOCKS * BENCH_PAGE) == BENCH_PAGE);
    uint64_t taken_ns = monotonic_ns() - start_ns;
    close(fd);
    return taken_ns;
}

static uint64_t write_blocks(unsigned nr_ops)
{
    int fd = open_file();
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++)
        BENCH_CHECK(pwrite(fd, block, sizeof(block), i % FILE_BLOCKS * BENCH_PAGE) == BENCH_PAGE);
    uint64_t taken_ns = monotonic_ns() - start_ns;
    close(fd);
    return taken_ns;
}

static uint64_t create_unlink(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++) {
        int fd = open(OTHER_PATH, O_CREAT | O_EXCL | O_WRONLY, 0600);
        BENCH_CHECK(fd >= 0);
        close(fd);
        BENCH_CHECK(unlink(OTHER_PATH) == 0);
    }
    return monotonic_ns() - start_ns;
}

const struct bench_row file_rows[] = {
    {"open_close", 5000, open_close, BENCH_NS, BENCH_ORDINARY},
    {"stat", 5000, stat_path, BENCH_NS, BENCH_ORDINARY},
    {"fstat", 5000, stat_fd, BENCH_NS, BENCH_ORDINARY},
    {"read_4k", 5000, read_blocks, BENCH_NS, BENCH_ORDINARY},
    {"write_4k", 5000, write_blocks, BENCH_NS, BENCH_ORDINARY},
    {"create_close_unlink", 2000, create_unlink, BENCH_NS, BENCH_ORDINARY},
    {0},
};
