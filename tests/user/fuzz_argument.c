/*
 * Arguments of random calls: descriptors of all kinds, pointers that are good, unmapped, unaligned,
 * read-only, near the end of a mapping or in the kernel, sizes small and huge, paths, flags. What a
 * pointer leads to is filled with what the call may want to find there, mostly.
 */

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <thrum.h>
#include <time.h>

#include <sys/socket.h>
#include <sys/syscall.h>

#include "fuzz.h"

#define NSEC_PER_MSEC 1000000ull

#define KERNEL_HALF   0xffff800000000000ul
#define KERNEL_IMAGE  0xffffffff80000000ul
#define NON_CANONICAL 0x0000900000000000ul
#define USER_END      0x7ffffffff000ul

uint64_t random_below(struct chance *chance, uint64_t limit)
{
    uint64_t x = chance->state += 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (x ^ x >> 31) % limit;
}

bool one_in(struct chance *chance, uint64_t limit)
{
    return random_below(chance, limit) == 0;
}

_Atomic int children[8];

static const char *const paths[] = {
    "a",
    "s",
    "b",
    "c",
    "d",
    "d/a",
    "d/b",
    "d/d",
    "a/b",
    "/a",
    "/d/../b",
    "..",
    ".",
    "/",
    "",
    "s",
    "s/a",
    "l/l/l",
    "fifo",
    "sock",
    "dev/null",
    "dev/zero",
    "dev/full",
    "dev/random",
    "dev/ptmx",
    "dev/tty",
    "dev/pts/0",
    "dev/pts/1",
    "proc",
    "proc/self",
    "proc/self/fd",
    "proc/self/maps",
    "proc/self/mem",
    "proc/self/fd/3",
    "proc/self/fd/7",
    "proc/self/exe",
    "proc/self/cwd/a",
    "proc/self/root",
    "proc/self/stat",
    "proc/self/status",
    "proc/self/task",
    "proc/thread-self",
    "proc/1/maps",
    "proc/meminfo",
    "proc/sched",
    "proc/trace",
    "proc/mounts",
    "proc/self/mountinfo",
    "proc/stat",
    "proc/sys/kernel/hostname",
    "proc/self/limits",
    "proc/self/auxv",
    "proc/self/environ",
    "proc/self/cmdline",
    "proc/self/comm",
    "/bin/fuzz",
    "a/../../../..",
    "nothing/here",
    "proc/self/fdinfo/3",
    "proc/kmsg",
    "proc/self/pagemap",
};
static const char *const types[] = {"tmpfs", "proc", "sysfs", "devpts", "devtmpfs", "none"};
static const char *const classes[] = {"mlfq", "rr", "stride", "eevdf", "prio", "edf", "fifo"};

uint64_t any_number(struct chance *chance)
{
    static const uint64_t extremes[] = {
        ~0ul, 0x7ffffffful, 0x80000000ul, 0xfffffffful, 0x7ffffffffffffffful, 1ul << 63, 1ul << 32,
    };

    switch (random_below(chance, 8)) {
    case 0:
        return 1ul << random_below(chance, 32);
    case 1:
        return PICK(chance, extremes);
    case 2:
        return random_below(chance, 300);
    default:
        return random_below(chance, 12);
    }
}

static uint64_t any_size(struct chance *chance)
{
    switch (random_below(chance, 8)) {
    case 0:
        return any_number(chance);
    case 1:
        return random_below(chance, 20 * PAGE);
    case 2:
    case 3:
        return PAGE * random_below(chance, 9);
    case 4:
        return 8;
    default:
        return random_below(chance, 130);
    }
}

static uint64_t any_flags(struct chance *chance)
{
    switch (random_below(chance, 6)) {
    case 1:
        return 1ul << random_below(chance, 32) | 1ul << random_below(chance, 24);
    case 2:
        return random_below(chance, 8);
    case 3:
        return 1ul << random_below(chance, 24);
    default:
        return 0;
    }
}

/* Which descriptors they are, and for which calls they are likely: parts of the names. */
static struct {
    const char *calls[12];
    int first, last;
} favourites[] = {
    [FAVOUR_SOCKETS] = {.calls = {"send", "recv", "accept", "connect", "sock", "listen", "bind",
                                  "peer", "shutdown"}},
    [FAVOUR_EPOLLS] = {.calls = {"epoll"}},
    [FAVOUR_TIMERS] = {.calls = {"timerfd", "eventfd", "signalfd"}},
    [FAVOUR_TERMINALS] = {.calls = {"ioctl"}},
    [FAVOUR_FILES] = {.calls = {"mmap", "trunc", "alloc", "copy_file", "sendfile", "lock",
                                "fadvise", "fcntl", "pread", "pwrite"}},
    [FAVOUR_FOLDERS] = {.calls = {"getdents", "fchdir", "renameat", "linkat"}},
};

void favour(enum favour what, int first, int last)
{
    favourites[what].first = first;
    favourites[what].last = last;
}

static uint64_t any_fd_for(struct chance *chance, const char *name, uint64_t fd)
{
    for (size_t i = 0; i < KTAP_LEN(favourites); i++)
        for (size_t j = 0; favourites[i].calls[j] != NULL; j++)
            if (strstr(name, favourites[i].calls[j]) != NULL && !one_in(chance, 3))
                return (uint64_t)favourites[i].first +
                       random_below(chance,
                                    (uint64_t)(favourites[i].last - favourites[i].first + 1));
    return fd;
}

static uint64_t any_fd(struct chance *chance)
{
    if (one_in(chance, 16))
        return one_in(chance, 2) ? any_number(chance) : (uint64_t)AT_FDCWD;
    return random_below(chance, NR_FDS);
}

/* The caller's own, its children's, or nobody's: nothing else may be hurt. */
uint64_t any_pid(struct chance *chance)
{
    switch (random_below(chance, 8)) {
    case 0:
        return (uint64_t)syscall6(__NR_getpid, 0, 0, 0, 0, 0, 0);
    case 1:
        return (uint64_t)syscall6(__NR_gettid, 0, 0, 0, 0, 0, 0);
    case 2:
        return 0x3ffffffe;
    case 3:
        return 1ul << 31;
    case 4:
        return 0;
    default: {
        int pid = atomic_load(&PICK(chance, children));
        return (uint64_t)(one_in(chance, 8) ? -pid : pid);
    }
    }
}

static uint64_t any_block(struct chance *chance)
{
    return ARENA + BLOCK_BYTES * random_below(chance, NR_PAGES * PAGE / BLOCK_BYTES);
}

uint64_t any_wild_pointer(struct chance *chance)
{
    switch (random_below(chance, 10)) {
    case 0:
        return 0;
    case 1:
        return KERNEL_HALF + any_number(chance);
    case 2:
        return KERNEL_IMAGE + PAGE * random_below(chance, 4096);
    case 3:
        return NON_CANONICAL;
    case 4:
        return USER_END - random_below(chance, 32);
    case 5:
        return ARENA_END - random_below(chance, 64);
    case 6:
        return READ_ONLY + random_below(chance, PAGE);
    case 7:
        return ARENA_END + PAGE;
    case 8:
        return (uint64_t)calls + PAGE * random_below(chance, 16);
    default:
        return any_block(chance) + random_below(chance, BLOCK_BYTES);
    }
}

/* Writes only to the arena's pages that this program can write, as long as no call has changed
 * that. */
static void fill_with_words(struct chance *chance, uint64_t at)
{
    if (at / PAGE == READ_ONLY / PAGE)
        return;
    for (size_t i = 0; i < BLOCK_BYTES / 8; i++) {
        uint64_t word = any_number(chance);

        if (one_in(chance, 4))
            word = one_in(chance, 8) ? any_wild_pointer(chance) : any_block(chance);
        else if (one_in(chance, 3))
            word = any_fd(chance) | any_flags(chance) << 32;
        ((volatile uint64_t *)at)[i] = word;
    }
}

static void fill_with_text(uint64_t at, const char *text)
{
    if (at / PAGE == READ_ONLY / PAGE)
        return;
    for (size_t i = 0; i == 0 || text[i - 1] != '\0'; i++)
        ((volatile char *)at)[i] = text[i];
}

static void fill(struct chance *chance, const char *name, uint64_t at)
{
    volatile uint64_t *words = (volatile uint64_t *)at;
    bool is_time = strstr(name, "time") != NULL || strstr(name, "request") != NULL ||
                   strstr(name, "value") != NULL || strstr(name, "interval") != NULL;

    if (one_in(chance, 3))
        return; /* what is there */
    fill_with_words(chance, at);
    if (at / PAGE == READ_ONLY / PAGE || one_in(chance, 8))
        return;
    if (is_time) { /* a timespec, or an itimerspec; short */
        words[0] = words[2] = 0;
        words[1] = random_below(chance, 3 * NSEC_PER_MSEC);
        words[3] = random_below(chance, 3 * NSEC_PER_MSEC);
    } else if (strcmp(name, "address_at") == 0) {
        struct sockaddr_un *address = (struct sockaddr_un *)at;
        address->sun_family = AF_UNIX;
        fill_with_text(at + 2, one_in(chance, 2) ? "sock" : "a");
        if (one_in(chance, 2))
            address->sun_path[0] = '\0';
    } else if (strcmp(name, "nr_bytes_at") == 0) {
        words[0] = random_below(chance, 200);
    } else if (strcmp(name, "pieces_at") == 0) {
        for (size_t i = 0; i < 8; i++) {
            words[2 * i] = any_block(chance);
            words[2 * i + 1] = random_below(chance, 3000);
        }
    } else if (strcmp(name, "header_at") == 0 || strcmp(name, "messages_at") == 0) {
        words[0] = one_in(chance, 2) ? 0 : any_block(chance);
        words[1] = random_below(chance, 110);
        words[2] = any_block(chance); /* pieces: what is there */
        words[3] = random_below(chance, 4);
        words[4] = at + 128;
        words[5] = random_below(chance, 64);
        words[6] = 0;
        words[16] = 16 + 4 * random_below(chance, 4);
        words[17] = SOL_SOCKET | 1ul << 32; /* SCM_RIGHTS */
        words[18] = any_fd(chance) | any_fd(chance) << 32;
    } else if (strcmp(name, "type_at") == 0) {
        fill_with_text(at, PICK(chance, types));
    } else if (strcmp(name, "class_at") == 0) {
        fill_with_text(at, PICK(chance, classes));
    } else if (strcmp(name, "limit_at") == 0 || strcmp(name, "new_at") == 0) {
        words[0] = random_below(chance, 1ul << 22);
        words[1] = random_below(chance, 1ul << 23);
    } else if (strcmp(name, "argv_at") == 0 || strcmp(name, "envp_at") == 0) {
        words[0] = any_block(chance);
        words[random_below(chance, 6)] = 0;
        words[6] = 0;
    } else if (strcmp(name, "action_at") == 0) {
        words[0] = random_below(chance, 2);
    }
}

static uint64_t any_pointer(struct chance *chance, const char *name)
{
    uint64_t at = any_block(chance);

    if (one_in(chance, 8))
        return any_wild_pointer(chance);
    if (one_in(chance, 4))
        return 0;
    fill(chance, name, at);
    return at;
}

static uint64_t any_path(struct chance *chance)
{
    uint64_t at = any_block(chance);

    if (one_in(chance, 20))
        return any_wild_pointer(chance);
    fill_with_text(at, one_in(chance, 3) ? PICK(chance, paths) : paths[random_below(chance, 10)]);
    return at;
}

static uint64_t any_pages(struct chance *chance)
{
    if (one_in(chance, 40))
        return any_wild_pointer(chance) & ~(PAGE - 1);
    if (one_in(chance, 40))
        return any_block(chance);
    return ARENA + PAGE * random_below(chance, NR_PAGES + 16);
}

static uint64_t any_of(struct chance *chance, enum kind kind, const char *name)
{
    switch (kind) {
    case KIND_NONE:
        return 0;
    case KIND_FD:
        return any_fd(chance);
    case KIND_DIR_FD:
        return one_in(chance, 2) ? any_fd(chance) : (uint64_t)AT_FDCWD;
    case KIND_SET_BYTES:
        return one_in(chance, 16) ? any_number(chance) : 8;
    case KIND_ZERO:
        return one_in(chance, 16) ? any_number(chance) : 0;
    case KIND_ONE:
        return one_in(chance, 16) ? any_number(chance) : 1;
    case KIND_PATH:
        return any_path(chance);
    case KIND_POINTER:
        return any_pointer(chance, name);
    case KIND_SIZE:
        return any_size(chance);
    case KIND_PAGES:
        return any_pages(chance);
    case KIND_PID:
        return any_pid(chance);
    case KIND_SIGNAL:
        return random_below(chance, 67);
    case KIND_TIME:
        return random_below(chance, 4);
    case KIND_FLAGS:
        return any_flags(chance);
    case KIND_NUMBER:
        break;
    }
    return any_number(chance);
}

uint64_t any_argument(struct chance *chance, const struct call *call, size_t nr)
{
    uint64_t argument = any_of(chance, call->kinds[nr], call->parameter_names[nr]);

    if (call->kinds[nr] == KIND_FD && (nr == 0 || one_in(chance, 2)))
        return any_fd_for(chance, call->name, argument);
    return argument;
}
