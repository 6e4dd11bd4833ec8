/* Rows about memory: first touches, copies on write, short-lived mappings. */

#include <thrum.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "bench.h"

#define MAPPING_PAGES 256

static char *map(size_t nr_pages)
{
    char *pages = mmap(NULL, nr_pages * BENCH_PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    BENCH_CHECK(pages != MAP_FAILED);
    return pages;
}

static void unmap(char *pages, size_t nr_pages)
{
    BENCH_CHECK(munmap(pages, nr_pages * BENCH_PAGE) == 0);
}

static void write_each(volatile char *pages, size_t nr_pages)
{
    for (size_t i = 0; i < nr_pages; i++)
        pages[i * BENCH_PAGE] = 1;
}

static uint64_t first_touch(unsigned nr_ops)
{
    char *pages = map(nr_ops);
    uint64_t start_ns = monotonic_ns();

    write_each(pages, nr_ops);
    uint64_t taken_ns = monotonic_ns() - start_ns;
    unmap(pages, nr_ops);
    return taken_ns;
}

/* The child sleeps in a read until the pipe is closed, and shares the pages that long. */
static uint64_t copy_on_write(unsigned nr_ops)
{
    int ends[2], status;
    char byte;
    char *pages = map(nr_ops);

    write_each(pages, nr_ops);
    BENCH_CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    BENCH_CHECK(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    uint64_t start_ns = monotonic_ns();
    write_each(pages, nr_ops);
    uint64_t taken_ns = monotonic_ns() - start_ns;
    close(ends[1]);
    BENCH_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(ends[0]);
    unmap(pages, nr_ops);
    return taken_ns;
}

/* An operation is one page. */
static uint64_t map_touch_unmap(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i += MAPPING_PAGES) {
        char *pages = map(MAPPING_PAGES);
        write_each(pages, MAPPING_PAGES);
        unmap(pages, MAPPING_PAGES);
    }
    return monotonic_ns() - start_ns;
}

const struct bench_row memory_rows[] = {
    {"page_fault", 8192, first_touch, BENCH_NS, BENCH_ORDINARY},
    {"cow_fault", 4096, copy_on_write, BENCH_NS, BENCH_ORDINARY},
    {"mmap_touch_munmap", 50 * MAPPING_PAGES, map_touch_unmap, BENCH_NS, BENCH_ORDINARY},
    {0},
};
