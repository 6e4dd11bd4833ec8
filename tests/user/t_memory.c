/* Memory of a process: mappings, the data segment, stacks, and what a bad access comes to. */

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ktap.h"

#define PAGE          4096ul
#define USER_END      0x7ffffffff000ul /* the first address that no program can have */
#define KERNEL_HALF   0xffff800000000000ul
#define KERNEL_IMAGE  0xffffffff80000000ul
#define NON_CANONICAL 0x0000900000000000ul
#define MIB           (1ul << 20)
#define GIB           (1ul << 30)

#define READ_WRITE (PROT_READ | PROT_WRITE)

static char *map_pages(size_t nr_pages)
{
    void *pages = mmap(NULL, nr_pages * PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED) {
        perror("# mmap");
        exit(EXIT_FAILURE);
    }
    return pages;
}

static bool is_filled_with(const char *from, char value, size_t nr_bytes)
{
    for (size_t i = 0; i < nr_bytes; i++)
        if (from[i] != value)
            return false;
    return true;
}

/* Mappings. */

static bool fresh_pages_are_zeroed(void)
{
    char *pages = map_pages(16);
    bool is_zeroed = is_filled_with(pages, 0, 16 * PAGE);

    munmap(pages, 16 * PAGE);
    return KTAP_TRUE(is_zeroed);
}

static bool used_frames_come_back_zeroed(void)
{
    bool is_zeroed = true;

    for (int round = 0; round < 8; round++) {
        char *pages = map_pages(32);
        is_zeroed = is_zeroed && is_filled_with(pages, 0, 32 * PAGE);
        memset(pages, 0xa5, 32 * PAGE);
        munmap(pages, 32 * PAGE);
    }
    return KTAP_TRUE(is_zeroed);
}

static bool pages_keep_their_contents(void)
{
    enum { NR_PAGES = 256 };
    char *pages = map_pages(NR_PAGES);
    size_t nr_right = 0;

    for (size_t i = 0; i < NR_PAGES; i++)
        *(size_t *)(pages + i * PAGE) = i * 7919;
    for (size_t i = 0; i < NR_PAGES; i++)
        nr_right += *(size_t *)(pages + i * PAGE) == i * 7919;
    munmap(pages, NR_PAGES * PAGE);
    return KTAP_EQUAL((long)nr_right, NR_PAGES);
}

static bool hole_leaves_both_ends(void)
{
    char *pages = map_pages(3);

    memset(pages, 1, PAGE);
    memset(pages + 2 * PAGE, 3, PAGE);
    munmap(pages + PAGE, PAGE);
    bool is_kept = is_filled_with(pages, 1, PAGE) && is_filled_with(pages + 2 * PAGE, 3, PAGE);
    munmap(pages, 3 * PAGE);
    return KTAP_TRUE(is_kept);
}

static bool unmapping_nothing_succeeds(void)
{
    char *pages = map_pages(2);

    munmap(pages, 2 * PAGE);
    return KTAP_EQUAL(munmap(pages, 2 * PAGE), 0);
}

static bool fixed_mapping_fills_hole(void)
{
    char *pages = map_pages(3);

    munmap(pages + PAGE, PAGE);
    void *filled =
        mmap(pages + PAGE, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    bool is_right = KTAP_TRUE(filled == pages + PAGE) && is_filled_with(filled, 0, PAGE);
    munmap(pages, 3 * PAGE);
    return is_right;
}

static bool fixed_mapping_replaces(void)
{
    char *pages = map_pages(3);

    memset(pages, 5, 3 * PAGE);
    mmap(pages + PAGE, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    bool is_right = is_filled_with(pages, 5, PAGE) && is_filled_with(pages + PAGE, 0, PAGE) &&
                    is_filled_with(pages + 2 * PAGE, 5, PAGE);
    munmap(pages, 3 * PAGE);
    return KTAP_TRUE(is_right);
}

static bool mappings_do_not_overlap(void)
{
    enum { NR_MAPPINGS = 64 };
    char *mapping[NR_MAPPINGS];
    size_t nr_right = 0;

    for (size_t i = 0; i < NR_MAPPINGS; i++) {
        mapping[i] = map_pages(1 + i % 5);
        memset(mapping[i], (int)i + 1, (1 + i % 5) * PAGE);
    }
    for (size_t i = 0; i < NR_MAPPINGS; i++) {
        nr_right += is_filled_with(mapping[i], (char)(i + 1), (1 + i % 5) * PAGE);
        munmap(mapping[i], (1 + i % 5) * PAGE);
    }
    return KTAP_EQUAL((long)nr_right, NR_MAPPINGS);
}

static bool untouched_pages_cost_nothing(void)
{
    enum { NR_TOUCHED = 16, FRAMES_MAX = 3 * NR_TOUCHED };
    struct thrum_stat before, after;
    void *memory = mmap(NULL, GIB, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (!KTAP_TRUE(memory != MAP_FAILED))
        return false;
    thrum_stat(&before);
    for (size_t i = 0; i < NR_TOUCHED; i++)
        ((char *)memory)[i * GIB / NR_TOUCHED] = 1;
    thrum_stat(&after);
    munmap(memory, GIB);
    /* A frame for each page that was touched, and page tables above it. */
    return KTAP_TRUE((long)(before.frames_free - after.frames_free) <= FRAMES_MAX);
}

struct frames_wanted {
    uint64_t nr_free;
};

static bool has_frames(void *arg)
{
    const struct frames_wanted *wanted = arg;
    struct thrum_stat stat;

    return thrum_stat(&stat) == 0 && stat.frames_free >= wanted->nr_free;
}

static bool unmapping_gives_frames_back(void)
{
    enum { NR_PAGES = 512 };
    struct thrum_stat before;

    munmap(map_pages(NR_PAGES), NR_PAGES * PAGE);
    thrum_stat(&before);
    for (int round = 0; round < 4; round++) {
        char *pages = map_pages(NR_PAGES);
        memset(pages, 1, NR_PAGES * PAGE);
        munmap(pages, NR_PAGES * PAGE);
    }
    return KTAP_TRUE(ktap_wait_for(has_frames, &(struct frames_wanted){before.frames_free}));
}

struct mapping_case {
    const char *sentence;
    uint64_t address, nr_bytes;
    int protection, flags, fd;
    long want;
};

static const struct mapping_case mapping_cases[] = {
    {"mmap of no bytes is EINVAL", 0, 0, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, -EINVAL},
    {"mmap neither private nor shared is EINVAL", 0, PAGE, READ_WRITE, MAP_ANONYMOUS, -1, -EINVAL},
    {"mmap at a fixed address that is not a page's is EINVAL", 0x10000001, PAGE, READ_WRITE,
     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, -EINVAL},
    {"mmap at a fixed address of the kernel is ENOMEM", KERNEL_HALF, PAGE, READ_WRITE,
     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, -ENOMEM},
    {"mmap of the last page of the user half is ENOMEM", USER_END, PAGE, READ_WRITE,
     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, -ENOMEM},
    {"mmap at a fixed address beyond the user half's end is ENOMEM", USER_END - PAGE, 2 * PAGE,
     READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, -ENOMEM},
    {"mmap of more than the user half is ENOMEM", 0, USER_END + PAGE, READ_WRITE,
     MAP_PRIVATE | MAP_ANONYMOUS, -1, -ENOMEM},
    {"mmap of so many bytes that rounding up wraps is ENOMEM", 0, ULONG_MAX, READ_WRITE,
     MAP_PRIVATE | MAP_ANONYMOUS, -1, -ENOMEM},
    {"mmap of a file that is not open is EBADF", 0, PAGE, READ_WRITE, MAP_PRIVATE, 99, -EBADF},
};

static bool mapping_is_refused(const struct mapping_case *row)
{
    long answer = syscall6(__NR_mmap, (long)row->address, (long)row->nr_bytes, row->protection,
                           row->flags, row->fd, 0);

    return KTAP_EQUAL(answer, row->want);
}

static bool hint_is_only_a_hint(void)
{
    char *pages = map_pages(1);

    pages[0] = 42;
    char *other = mmap(pages, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool is_right = other != MAP_FAILED && other != pages && pages[0] == 42;
    munmap(pages, PAGE);
    munmap(other, PAGE);
    return KTAP_TRUE(is_right);
}

static bool munmap_checks_its_arguments(void)
{
    char *pages = map_pages(1);
    bool is_right =
        KTAP_EQUAL(syscall6(__NR_munmap, (long)pages + 1, PAGE, 0, 0, 0, 0), -EINVAL) &&
        KTAP_EQUAL(syscall6(__NR_munmap, (long)pages, 0, 0, 0, 0, 0), -EINVAL) &&
        KTAP_EQUAL(syscall6(__NR_munmap, (long)KERNEL_HALF, PAGE, 0, 0, 0, 0), -EINVAL) &&
        KTAP_EQUAL(syscall6(__NR_munmap, (long)pages, -1, 0, 0, 0, 0), -EINVAL);

    pages[0] = 1; /* still there */
    munmap(pages, PAGE);
    return is_right;
}

/* Protection. */

static bool protection_can_be_taken_and_given(void)
{
    char *pages = map_pages(1);

    pages[0] = 7;
    if (mprotect(pages, PAGE, PROT_READ) != 0)
        return errno == ENOSYS ? ktap_skip("no mprotect") : KTAP_EQUAL(errno, 0);
    bool is_kept = pages[0] == 7;
    mprotect(pages, PAGE, READ_WRITE);
    pages[0] = 8;
    is_kept = is_kept && pages[0] == 8;
    munmap(pages, PAGE);
    return KTAP_TRUE(is_kept);
}

static bool mprotect_checks_its_arguments(void)
{
    char *pages = map_pages(2);

    if (syscall6(__NR_mprotect, (long)pages, PAGE, READ_WRITE, 0, 0, 0) == -ENOSYS)
        return ktap_skip("no mprotect");
    munmap(pages + PAGE, PAGE);
    bool is_right =
        KTAP_EQUAL(syscall6(__NR_mprotect, (long)pages + 1, PAGE, PROT_READ, 0, 0, 0), -EINVAL) &&
        KTAP_EQUAL(syscall6(__NR_mprotect, (long)pages, PAGE, 0x10000, 0, 0, 0), -EINVAL) &&
        KTAP_EQUAL(syscall6(__NR_mprotect, (long)pages + PAGE, PAGE, PROT_READ, 0, 0, 0), -ENOMEM);
    munmap(pages, PAGE);
    return is_right;
}

/* The data segment. */

static bool sbrk_grows_zeroed(void)
{
    enum { NR_BYTES = 100000 };
    char *start = sbrk(NR_BYTES);

    if (!KTAP_TRUE(start != (void *)-1))
        return false;
    bool is_zeroed = is_filled_with(start, 0, NR_BYTES);
    memset(start, 1, NR_BYTES);
    sbrk(-NR_BYTES);
    return KTAP_TRUE(is_zeroed);
}

static bool sbrk_regrows_zeroed(void)
{
    char *start = sbrk(16 * PAGE);

    memset(start, 9, 16 * PAGE);
    sbrk(-12 * (intptr_t)PAGE);
    sbrk(12 * PAGE);
    /* A whole page below the new end is certainly fresh. */
    bool is_right =
        is_filled_with(start, 9, 3 * PAGE) && is_filled_with(start + 6 * PAGE, 0, 10 * PAGE);
    sbrk(-16 * (intptr_t)PAGE);
    return KTAP_TRUE(is_right);
}

static bool brk_refuses_what_it_cannot_do(void)
{
    uintptr_t end = (uintptr_t)sbrk(0);
    bool is_right = KTAP_EQUAL(syscall6(__NR_brk, 0x1000, 0, 0, 0, 0, 0), (long)end) &&
                    KTAP_EQUAL(syscall6(__NR_brk, (long)KERNEL_HALF, 0, 0, 0, 0, 0), (long)end) &&
                    KTAP_EQUAL(syscall6(__NR_brk, (long)USER_END, 0, 0, 0, 0, 0), (long)end);

    return is_right && KTAP_TRUE((uintptr_t)sbrk(0) == end);
}

static bool brk_stops_at_a_mapping(void)
{
    uintptr_t end = (uintptr_t)sbrk(0);
    uintptr_t wall = (end + 8 * PAGE) & -PAGE;
    void *mapping =
        mmap((void *)wall, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    bool is_right = KTAP_TRUE(mapping == (void *)wall) &&
                    KTAP_EQUAL(syscall6(__NR_brk, (long)(wall + PAGE), 0, 0, 0, 0, 0), (long)end);

    munmap(mapping, PAGE);
    return is_right;
}

/* Stacks. */

static size_t use_stack(size_t nr_bytes);

/* Through a pointer that the compiler cannot follow, so that it makes no loop of the recursion. */
static size_t (*volatile use_more_stack)(size_t nr_bytes) = use_stack;

/* Uses about `nr_bytes` of stack; returns the number of calls. */
static size_t use_stack(size_t nr_bytes)
{
    volatile char block[1024];

    block[0] = 1;
    if (nr_bytes <= sizeof(block))
        return (size_t)block[0];
    return use_more_stack(nr_bytes - sizeof(block)) + (size_t)block[0];
}

static bool first_stack_grows(void)
{
    return KTAP_TRUE(use_stack(512 << 10) > 0);
}

static void *use_200_kib(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)(use_stack(200 << 10) > 0);
}

static bool lwp_stack_grows(void)
{
    thread_t lwp;
    void *value = NULL;

    return KTAP_EQUAL(thread_create(&lwp, use_200_kib, NULL), 0) &&
           KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_EQUAL((long)value, 1);
}

static int overflow_first_stack(int argc, char **argv)
{
    (void)argv;
    return use_stack(SIZE_MAX) == (size_t)argc;
}

static void *overflow_lwp(void *arg)
{
    return (void *)use_stack((size_t)arg);
}

static int overflow_lwp_stack(int argc, char **argv)
{
    thread_t lwp;

    (void)argc, (void)argv;
    thread_create(&lwp, overflow_lwp, (void *)SIZE_MAX);
    thread_join(lwp, NULL);
    return 0;
}

/* Faults. Each of these roles is ended by a signal. */

static void read_at(uintptr_t address)
{
    *(volatile char *)address;
}

static void write_at(uintptr_t address)
{
    *(volatile char *)address = 1;
}

static int read_null(int argc, char **argv)
{
    (void)argc, (void)argv;
    read_at(0);
    return 0;
}

static int write_null(int argc, char **argv)
{
    (void)argc, (void)argv;
    write_at(8);
    return 0;
}

static int read_kernel(int argc, char **argv)
{
    (void)argc, (void)argv;
    read_at(KERNEL_IMAGE + MIB);
    return 0;
}

static int write_kernel(int argc, char **argv)
{
    (void)argc, (void)argv;
    write_at(KERNEL_HALF + MIB);
    return 0;
}

static int read_non_canonical(int argc, char **argv)
{
    (void)argc, (void)argv;
    read_at(NON_CANONICAL);
    return 0;
}

static int write_code(int argc, char **argv)
{
    (void)argc, (void)argv;
    write_at((uintptr_t)write_code);
    return 0;
}

static int write_constant(int argc, char **argv)
{
    static const char constant[] = "read-only";

    (void)argc, (void)argv;
    write_at((uintptr_t)constant);
    return 0;
}

static int run_data(int argc, char **argv)
{
    static unsigned char code[] = {0xc3}; /* ret */

    (void)argc, (void)argv;
    ((void (*)(void))(uintptr_t)code)();
    return 0;
}

static int run_stack(int argc, char **argv)
{
    volatile unsigned char code[] = {0xc3};

    (void)argc, (void)argv;
    ((void (*)(void))(uintptr_t)code)();
    return 0;
}

static int run_kernel(int argc, char **argv)
{
    (void)argc, (void)argv;
    ((void (*)(void))KERNEL_IMAGE)();
    return 0;
}

static int run_non_canonical(int argc, char **argv)
{
    (void)argc, (void)argv;
    ((void (*)(void))NON_CANONICAL)();
    return 0;
}

static int read_unmapped(int argc, char **argv)
{
    char *pages = map_pages(1);

    (void)argc, (void)argv;
    pages[0] = 1;
    munmap(pages, PAGE);
    read_at((uintptr_t)pages);
    return 0;
}

static int read_hole(int argc, char **argv)
{
    char *pages = map_pages(3);

    (void)argc, (void)argv;
    memset(pages, 1, 3 * PAGE);
    munmap(pages + PAGE, PAGE);
    read_at((uintptr_t)pages + PAGE);
    return 0;
}

static int read_past_the_end(int argc, char **argv)
{
    char *pages = map_pages(2);

    (void)argc, (void)argv;
    munmap(pages + PAGE, PAGE);
    read_at((uintptr_t)pages + PAGE - 1);
    *(volatile uint16_t *)(pages + PAGE - 1);
    return 0;
}

static int write_read_only(int argc, char **argv)
{
    void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)argc, (void)argv;
    read_at((uintptr_t)page);
    write_at((uintptr_t)page);
    return 0;
}

static int read_no_access(int argc, char **argv)
{
    void *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)argc, (void)argv;
    read_at((uintptr_t)page);
    return 0;
}

static int read_above_brk(int argc, char **argv)
{
    char *start = sbrk(4 * PAGE);

    (void)argc, (void)argv;
    memset(start, 1, 4 * PAGE);
    sbrk(-4 * (intptr_t)PAGE);
    read_at((uintptr_t)start + 2 * PAGE);
    return 0;
}

/* One LWP takes away what another one, on another CPU where there is one, has in its TLB. */
static _Atomic int stale_state;
static char *stale_page;

static void *touch_after_unmap(void *arg)
{
    (void)arg;
    stale_page[0] = 1;
    atomic_store(&stale_state, 1);
    while (atomic_load(&stale_state) != 2)
        __builtin_ia32_pause();
    stale_page[0] = 2;
    return NULL;
}

static int touch_stale_mapping(int argc, char **argv)
{
    thread_t lwp;

    (void)argc, (void)argv;
    stale_page = map_pages(1);
    thread_create(&lwp, touch_after_unmap, NULL);
    while (atomic_load(&stale_state) != 1)
        yield();
    munmap(stale_page, PAGE);
    atomic_store(&stale_state, 2);
    thread_join(lwp, NULL);
    return 0;
}

/* Every frame there is. */
static int eat_memory(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (;;) {
        char *memory = mmap(NULL, MIB, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return errno == ENOMEM ? ENOMEM : 0;
        for (size_t i = 0; i < MIB; i += PAGE)
            memory[i] = 1;
    }
}

static bool memory_comes_back_after_the_last_frame(void)
{
    enum { FRAMES_MAX = 256 << 10 }; /* 1 GiB: more would take too long */
    struct thrum_stat before;

    if (!KTAP_ROLE_EXITS("nothing", 0))
        return false;
    thrum_stat(&before);
    if (before.frames_free > FRAMES_MAX)
        return ktap_skip("too much memory to use it up");
    int status = ktap_role_status("eat-memory", NULL);
    bool is_right = KTAP_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == ENOMEM);
    return is_right &&
           KTAP_TRUE(ktap_wait_for(has_frames, &(struct frames_wanted){before.frames_free}));
}

static int do_nothing(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

/* Several LWPs at once. */

static void *map_fill_check(void *arg)
{
    size_t nr_rounds = ktap_times(400);
    size_t nr_wrong = 0;

    for (size_t i = 0; i < nr_rounds; i++) {
        char *pages = map_pages(3);
        memset(pages, (int)(uintptr_t)arg, 3 * PAGE);
        yield();
        nr_wrong += !is_filled_with(pages, (char)(uintptr_t)arg, 3 * PAGE);
        munmap(pages, 3 * PAGE);
    }
    return (void *)nr_wrong;
}

static bool lwps_map_without_overlap(void)
{
    enum { NR_LWPS = 4 };
    thread_t lwp[NR_LWPS];
    long nr_wrong = 0;

    for (uintptr_t i = 0; i < NR_LWPS; i++)
        thread_create(&lwp[i], map_fill_check, (void *)(i + 1));
    for (size_t i = 0; i < NR_LWPS; i++) {
        void *value = NULL;
        nr_wrong += thread_join(lwp[i], &value) != 0 || value != NULL;
    }
    return KTAP_EQUAL(nr_wrong, 0);
}

static void *grow_fill_check(void *arg)
{
    size_t nr_rounds = ktap_times(400);
    size_t nr_wrong = 0;

    for (size_t i = 0; i < nr_rounds; i++) {
        char *bytes = sbrk(64);
        memset(bytes, (int)(uintptr_t)arg, 64);
        yield();
        nr_wrong += !is_filled_with(bytes, (char)(uintptr_t)arg, 64);
    }
    return (void *)nr_wrong;
}

static bool lwps_sbrk_without_overlap(void)
{
    enum { NR_LWPS = 4 };
    thread_t lwp[NR_LWPS];
    long nr_wrong = 0;

    for (uintptr_t i = 0; i < NR_LWPS; i++)
        thread_create(&lwp[i], grow_fill_check, (void *)(i + 1));
    for (size_t i = 0; i < NR_LWPS; i++) {
        void *value = NULL;
        nr_wrong += thread_join(lwp[i], &value) != 0 || value != NULL;
    }
    return KTAP_EQUAL(nr_wrong, 0);
}

static const struct ktap_test tests[] = {
    {"fresh pages are zeroed", fresh_pages_are_zeroed},
    {"frames that were used come back zeroed", used_frames_come_back_zeroed},
    {"every page keeps its own contents", pages_keep_their_contents},
    {"unmapping the middle leaves both ends", hole_leaves_both_ends},
    {"unmapping what is not mapped succeeds", unmapping_nothing_succeeds},
    {"a fixed mapping fills a hole", fixed_mapping_fills_hole},
    {"a fixed mapping replaces what was there", fixed_mapping_replaces},
    {"many mappings do not overlap", mappings_do_not_overlap},
    {"an address that is taken is only a hint", hint_is_only_a_hint},
    {"pages of a large mapping cost nothing until they are touched", untouched_pages_cost_nothing},
    {"unmapping gives the frames back", unmapping_gives_frames_back},
    {"munmap with bad arguments is EINVAL and unmaps nothing", munmap_checks_its_arguments},
    {"protection can be taken away and given back", protection_can_be_taken_and_given},
    {"mprotect with bad arguments is EINVAL, of a hole ENOMEM", mprotect_checks_its_arguments},
    {"the data segment grows with zeroed pages", sbrk_grows_zeroed},
    {"the data segment shrinks and grows with zeroed pages again", sbrk_regrows_zeroed},
    {"brk refuses an end that cannot be and changes nothing", brk_refuses_what_it_cannot_do},
    {"the data segment stops at a mapping", brk_stops_at_a_mapping},
    {"the first LWP's stack grows on demand", first_stack_grows},
    {"an LWP's stack grows on demand", lwp_stack_grows},
    {"memory comes back after a process has used up every frame",
     memory_comes_back_after_the_last_frame},
    {"LWPs that map and unmap at once do not get the same pages", lwps_map_without_overlap},
    {"LWPs that call sbrk at once do not get the same bytes", lwps_sbrk_without_overlap},
};

static const struct ktap_role roles[] = {
    {"nothing", do_nothing},
    {"eat-memory", eat_memory},
    {"overflow-first-stack", overflow_first_stack},
    {"overflow-lwp-stack", overflow_lwp_stack},
    {"read-null", read_null},
    {"write-null", write_null},
    {"read-kernel", read_kernel},
    {"write-kernel", write_kernel},
    {"read-non-canonical", read_non_canonical},
    {"write-code", write_code},
    {"write-constant", write_constant},
    {"run-data", run_data},
    {"run-stack", run_stack},
    {"run-kernel", run_kernel},
    {"run-non-canonical", run_non_canonical},
    {"read-unmapped", read_unmapped},
    {"read-hole", read_hole},
    {"read-past-the-end", read_past_the_end},
    {"write-read-only", write_read_only},
    {"read-no-access", read_no_access},
    {"read-above-brk", read_above_brk},
    {"touch-stale-mapping", touch_stale_mapping},
};

/* The roles that SIGSEGV ends, and what they do. */
static const struct {
    const char *role, *what;
} faults[] = {
    {"overflow-first-stack", "an endless recursion of the first LWP"},
    {"overflow-lwp-stack", "an endless recursion of another LWP"},
    {"read-null", "reading through a NULL pointer"},
    {"write-null", "writing through a NULL pointer"},
    {"read-kernel", "reading the kernel's memory"},
    {"write-kernel", "writing the kernel's memory"},
    {"read-non-canonical", "reading at a non-canonical address"},
    {"write-code", "writing the program's code"},
    {"write-constant", "writing the program's constants"},
    {"run-data", "running data"},
    {"run-stack", "running the stack"},
    {"run-kernel", "jumping into the kernel"},
    {"run-non-canonical", "jumping to a non-canonical address"},
    {"read-unmapped", "reading what was unmapped"},
    {"read-hole", "reading in a hole of a mapping"},
    {"read-past-the-end", "reading across the end of a mapping"},
    {"write-read-only", "writing a read-only mapping"},
    {"read-no-access", "reading a mapping without access"},
    {"read-above-brk", "reading above the end of the data segment"},
    {"touch-stale-mapping", "touching a page that another LWP has just unmapped"},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(mapping_cases) + KTAP_LEN(faults));
    ktap_run(tests, KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(mapping_cases); i++)
        ktap_ok(mapping_is_refused(&mapping_cases[i]), "%s", mapping_cases[i].sentence);
    for (size_t i = 0; i < KTAP_LEN(faults); i++)
        ktap_ok(KTAP_ROLE_DIES(faults[i].role, SIGSEGV), "%s is SIGSEGV", faults[i].what);
    return ktap_finish();
}
