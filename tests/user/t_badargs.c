/*
 * Arguments that are wrong, call by call: a table of pointers, each of which is tried at every kind
 * of wrong address, and a table of calls with the error that Linux's manual page (for Thrum's own
 * calls, docs/lwps.md) names. t_pointers and t_syscall have the calls that are not here.
 *
 * Descriptors and numbers are known only when the suite runs; the tables name them by constants of
 * enum value, which stand for what values[] has.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/prctl.h>
#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <thrum/sched.h>

#include "ktap.h"

#define PAGE          4096ul
#define KERNEL_HALF   0xffff800000000000ul
#define KERNEL_IMAGE  0xffffffff80100000ul
#define NON_CANONICAL 0x0000900000000000ul
#define USER_END      0x7ffffffff000ul
#define LAST_PAGE     0x20000000ul /* away from where mmap() by itself puts anything */
#define HUGE          (1ul << 62)

#define NAME_OF_256                                                                                \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                             \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                             \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                             \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* Stand-ins; no argument that is meant has such a value. */
enum value {
    FD_FILE = 0x5eed00, /* a regular file, to read and write */
    FD_IN,              /* the same, to read only */
    FD_OUT,             /* the same, to write only */
    FD_DIR,
    FD_READER, /* the ends of a pipe */
    FD_WRITER,
    TID_SELF,
    TID_ZOMBIE,   /* an LWP of this process that has ended */
    TID_DETACHED, /* one that sleeps, and is detached */
    PID_CHILD,    /* a child that sleeps */
    PID_ZOMBIE,   /* a child that has ended */
    NUMBER_FREE,  /* nobody's */
    BUFFER,       /* memory that may be read and written, */
    READ_ONLY,    /* and that may be read only */
    LONG_PATH,    /* of PATH_MAX bytes */
    VALUE_END,
};

static const int queued_info[32] = {[2] = -1}; /* SI_QUEUE */

static long values[VALUE_END - FD_FILE];
static char buffer[PAGE];
static char long_path[PATH_MAX + 1];

static const struct timespec negative = {-1, 0}, too_many_ns = {0, 1000000000},
                             minus_1_ns = {0, -1};
static const struct iovec wild_piece = {(void *)KERNEL_IMAGE, 8};
static const struct iovec huge_piece = {buffer, SIZE_MAX};
static const struct thrum_lwp_attr short_attr = {.size_bytes = 4};
static const struct thrum_lwp_attr long_attr = {.size_bytes = sizeof(struct thrum_lwp_attr) + 8};
static const struct thrum_lwp_attr flag_attr = {.size_bytes = sizeof(flag_attr), .flags = 0x80};
static const struct thrum_lwp_attr small_stack = {.size_bytes = sizeof(small_stack),
                                                  .stack_bytes = 4096};
static const struct thrum_lwp_attr huge_stack = {.size_bytes = sizeof(huge_stack),
                                                 .stack_bytes = HUGE};
static const struct thrum_lwp_attr sizeless_stack = {.size_bytes = sizeof(sizeless_stack),
                                                     .stack_low = LAST_PAGE};
static const struct thrum_lwp_attr kernel_stack = {
    .size_bytes = sizeof(kernel_stack), .stack_low = KERNEL_HALF, .stack_bytes = 65536};
static const struct thrum_lwp_attr kernel_tls = {.size_bytes = sizeof(kernel_tls),
                                                 .tls = KERNEL_HALF};

static long meant(long argument)
{
    return argument >= FD_FILE && argument < VALUE_END ? values[argument - FD_FILE] : argument;
}

static long call(long number, const long a[6])
{
    return syscall6(number, meant(a[0]), meant(a[1]), meant(a[2]), meant(a[3]), meant(a[4]),
                    meant(a[5]));
}

/* ---- Pointers ------------------------------------------------------------------------------- */

enum kind { IN, OUT, PATH };

/* One pointer argument: which one it is, and what the kernel does with it. */
struct pointer {
    const char *name;
    long number;
    long argument[6];
    unsigned index;
    enum kind kind;
    bool may_be_null;
};

static const struct pointer pointers[] = {
    {"read: buffer", __NR_read, {FD_FILE, 0, 8}, 1, OUT, false},
    {"pread64: buffer", __NR_pread64, {FD_FILE, 0, 8, 0}, 1, OUT, false},
    {"write: buffer of a file", __NR_write, {FD_FILE, 0, 8}, 1, IN, false},
    {"write: buffer of a pipe", __NR_write, {FD_WRITER, 0, 8}, 1, IN, false},
    {"pwrite64: buffer", __NR_pwrite64, {FD_FILE, 0, 8, 0}, 1, IN, false},
    {"readv: pieces", __NR_readv, {FD_FILE, 0, 1}, 1, IN, false},
    {"writev: pieces", __NR_writev, {FD_FILE, 0, 1}, 1, IN, false},
    {"open: path", __NR_open, {0, O_RDONLY}, 0, PATH, false},
    {"openat: path", __NR_openat, {AT_FDCWD, 0, O_RDONLY}, 1, PATH, false},
    {"stat: path", __NR_stat, {0, BUFFER}, 0, PATH, false},
    {"stat: result", __NR_stat, {(long)"/", 0}, 1, OUT, false},
    {"lstat: path", __NR_lstat, {0, BUFFER}, 0, PATH, false},
    {"lstat: result", __NR_lstat, {(long)"/", 0}, 1, OUT, false},
    {"fstat: result", __NR_fstat, {FD_FILE, 0}, 1, OUT, false},
    {"newfstatat: path", __NR_newfstatat, {AT_FDCWD, 0, BUFFER}, 1, PATH, false},
    {"newfstatat: result", __NR_newfstatat, {AT_FDCWD, (long)"/", 0}, 2, OUT, false},
    {"pipe: descriptors", __NR_pipe, {0}, 0, OUT, false},
    {"pipe2: descriptors", __NR_pipe2, {0, O_CLOEXEC}, 0, OUT, false},
    {"getdents64: buffer", __NR_getdents64, {FD_DIR, 0, 1024}, 1, OUT, false},
    {"getcwd: buffer", __NR_getcwd, {0, 64}, 0, OUT, false},
    {"chdir: path", __NR_chdir, {0}, 0, PATH, false},
    {"mkdir: path", __NR_mkdir, {0, 0755}, 0, PATH, false},
    {"mkdirat: path", __NR_mkdirat, {AT_FDCWD, 0, 0755}, 1, PATH, false},
    {"rmdir: path", __NR_rmdir, {0}, 0, PATH, false},
    {"unlink: path", __NR_unlink, {0}, 0, PATH, false},
    {"unlinkat: path", __NR_unlinkat, {AT_FDCWD, 0, 0}, 1, PATH, false},
    {"waitid: result", __NR_waitid, {P_PID, PID_ZOMBIE, 0, WEXITED | WNOWAIT}, 2, OUT, true},
    {"waitid: usage", __NR_waitid, {P_PID, PID_ZOMBIE, 0, WEXITED | WNOWAIT, 0}, 4, OUT, true},
    {"lwp_join: value", THRUM_SYS_lwp_join, {TID_ZOMBIE, 0}, 1, OUT, true},
    {"sched_setscheduler: priority", __NR_sched_setscheduler, {0, SCHED_NORMAL, 0}, 2, IN, true},
    {"sched_setparam: priority", __NR_sched_setparam, {0}, 1, IN, true},
    {"sched_getparam: priority", __NR_sched_getparam, {0}, 1, OUT, true},
    {"sched_rr_get_interval: interval", __NR_sched_rr_get_interval, {0}, 1, OUT, false},
    {"sched_setattr: attributes", __NR_sched_setattr, {0}, 1, IN, true},
    {"sched_getattr: attributes", __NR_sched_getattr, {0, 0, 48}, 1, OUT, true},
    {"sched_setaffinity: CPUs", __NR_sched_setaffinity, {0, 8}, 2, IN, false},
    {"sched_getaffinity: CPUs", __NR_sched_getaffinity, {0, 8}, 2, OUT, false},
    {"sched_group_create: class", THRUM_SYS_sched_group_create, {0, 10}, 0, PATH, false},
    {"sched_set_class: class", THRUM_SYS_sched_set_class, {0}, 0, PATH, false},
    {"sched_tune: name", THRUM_SYS_sched_tune, {0, 0, 1}, 1, PATH, false},
    {"sched_use_preset: name", THRUM_SYS_sched_use_preset, {0}, 1, PATH, false},
    {"sched_set_params: parameters", THRUM_SYS_sched_set_params, {0}, 1, IN, false},
    {"sched_get_params: parameters", THRUM_SYS_sched_get_params, {0}, 1, OUT, false},
    {"sched_list: LWPs", THRUM_SYS_sched_list, {THRUM_LIST_LWPS, 0, 0, 1, 8}, 2, OUT, false},
    {"sched_list: CPUs", THRUM_SYS_sched_list, {THRUM_LIST_CPUS, 0, 0, 1, 8}, 2, OUT, false},
    {"sched_list: tunables",
     THRUM_SYS_sched_list,
     {THRUM_LIST_TUNABLES, 0, 0, 1, 64},
     2,
     OUT,
     false},
};

/* The last two only where they are wrong. */
static const struct place {
    const char *name;
    unsigned long address;
} places[] = {
    {"at NULL", 0},
    {"in the first page", 8},
    {"at the kernel's first address", KERNEL_HALF},
    {"in the kernel's image", KERNEL_IMAGE},
    {"at a non-canonical address", NON_CANONICAL},
    {"at the end of the user half", USER_END},
    {"at the last address of all", UINT64_MAX},
    {"in an unmapped page", LAST_PAGE + PAGE},
    {"not aligned, across the end of a mapping", LAST_PAGE + PAGE - 3},
    {"in a read-only page", READ_ONLY},
};

static bool is_wrong(const struct pointer *p, const struct place *place)
{
    if (place->address == 0)
        return !p->may_be_null;
    return place->address != READ_ONLY || p->kind == OUT;
}

/* Of bytes that are moved one after the other, those that could be moved count. */
static bool may_stop_early(const struct pointer *p)
{
    return p->number == __NR_read || p->number == __NR_pread64 || p->number == __NR_write ||
           p->number == __NR_pwrite64 || p->number == __NR_getcwd;
}

static bool is_efault(const struct pointer *p, const struct place *place)
{
    long a[6], answer;

    memcpy(a, p->argument, sizeof(a));
    a[p->index] = (long)place->address;
    memset((void *)LAST_PAGE, 'x', PAGE); /* a path there has no end */
    syscall6(__NR_lseek, values[0], 0, SEEK_SET, 0, 0, 0);
    answer = call(p->number, a);
    if (place->address == LAST_PAGE + PAGE - 3 && may_stop_early(p) && answer > 0 && answer <= 3)
        return true;
    return KTAP_EQUAL(answer, -EFAULT);
}

/* ---- Everything else ------------------------------------------------------------------------ */

struct refused {
    const char *sentence;
    long number;
    long argument[6];
    long want;
};

static void *return_argument(void *arg)
{
    return arg;
}

static const struct refused calls[] = {
#include "t_badargs_table.h"
#include "t_badargs_poll.h"
/* Two files, of a size that can be looked through. */
#include "t_badargs_sched.h"
};

/* ---- The suite ------------------------------------------------------------------------------ */

static void make_all_calls(void)
{
    for (size_t i = 0; i < KTAP_LEN(calls); i++)
        call(calls[i].number, calls[i].argument);
    for (size_t i = 0; i < KTAP_LEN(pointers); i++)
        is_efault(&pointers[i], &places[3]);
}

/* The lowest descriptor that is free. */
static int next_fd(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

static bool counts_stay(void)
{
    int fd_before = next_fd();

    return ktap_leaves_nothing(make_all_calls) && KTAP_EQUAL(next_fd(), fd_before);
}

static void *sleep_for_ever(void *arg)
{
    sleep(100000);
    return arg;
}

/* The LWP and the child. */
static bool have_ended(void *unused)
{
    static char info[128];
    struct thrum_sched_lwp lwp;

    (void)unused;
    return sched_list(THRUM_LIST_LWPS, (uint64_t)meant(TID_ZOMBIE), &lwp, 1, sizeof(lwp)) == 1 &&
           lwp.tid == (int32_t)meant(TID_ZOMBIE) && lwp.state == THRUM_LWP_STATE_ZOMBIE &&
           syscall6(__NR_waitid, P_PID, meant(PID_ZOMBIE), (long)info, WEXITED | WNOWAIT, 0, 0) ==
               0;
}

static void set(enum value which, long value)
{
    values[which - FD_FILE] = value;
}

static void prepare(void)
{
    static const char text[] = "some bytes that can be read";
    thread_t zombie, detached;
    int ends[2], fd;
    pid_t child;

    fd = open("/badargs", O_RDWR | O_CREAT | O_TRUNC, 0644);
    (void)!write(fd, text, sizeof(text));
    set(FD_FILE, fd);
    set(FD_IN, open("/badargs", O_RDONLY));
    set(FD_OUT, open("/badargs", O_WRONLY));
    set(FD_DIR, open("/test", O_RDONLY));
    (void)!pipe(ends);
    set(FD_READER, ends[0]);
    set(FD_WRITER, ends[1]);
    set(TID_SELF, gettid());
    thread_create(&zombie, return_argument, NULL);
    set(TID_ZOMBIE, (long)zombie);
    thread_create(&detached, sleep_for_ever, NULL);
    thread_detach(detached);
    set(TID_DETACHED, (long)detached);
    child = fork();
    if (child == 0)
        sleep_for_ever(NULL);
    set(PID_CHILD, child);
    child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    set(NUMBER_FREE, child);
    child = fork();
    if (child == 0)
        _exit(0);
    set(PID_ZOMBIE, child);
    set(BUFFER, (long)buffer);
    set(READ_ONLY, (long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(long_path, 'x', PATH_MAX);
    for (int i = 0; i < PATH_MAX; i += 100)
        long_path[i] = '/';
    set(LONG_PATH, (long)long_path);
    mmap((void *)LAST_PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
         -1, 0);
    ktap_wait_for(have_ended, NULL);
}

static size_t check_pointers(bool is_dry_run)
{
    size_t nr = 0;

    for (size_t i = 0; i < KTAP_LEN(pointers); i++) {
        for (size_t k = 0; k < KTAP_LEN(places); k++) {
            if (!is_wrong(&pointers[i], &places[k]))
                continue;
            nr++;
            if (!is_dry_run)
                ktap_ok(is_efault(&pointers[i], &places[k]), "%s %s is EFAULT", pointers[i].name,
                        places[k].name);
        }
    }
    return nr;
}

int main(void)
{
    ktap_need_thrum();
    prepare();
    ktap_start(check_pointers(true) + KTAP_LEN(calls) + 2);
    check_pointers(false);
    for (size_t i = 0; i < KTAP_LEN(calls); i++)
        ktap_ok(KTAP_EQUAL(call(calls[i].number, calls[i].argument), calls[i].want), "%s",
                calls[i].sentence);
    ktap_ok(counts_stay(), "calls with wrong arguments leave nothing behind");
    ktap_ok(
        KTAP_EQUAL(syscall6(THRUM_SYS_lwp_join, values[TID_ZOMBIE - FD_FILE], 0, 0, 0, 0, 0), 0),
        "an LWP whose value could not be stored can still be joined");
    kill((pid_t)values[PID_CHILD - FD_FILE], SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
    unlink("/badargs");
    return ktap_finish();
}
