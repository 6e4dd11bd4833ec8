/*
 * Random system calls: no program may make the kernel panic, hang, or lose what it has lent.
 *
 *     t_fuzz [SEED [ROUNDS [NAME [counts]]]]
 *
 * The list of calls is the kernel's own (syscalls.h). What an argument is follows from its name
 * there (fuzz_list.c, fuzz_argument.c), so a new call takes part by itself. With NAME only calls
 * are made whose name contains it; `all` is all, `each` every one by itself, to find the one that
 * leaks.
 *
 * A round starts some processes of a few LWPs each in a file system of their own (chroot), one half
 * as root, replaces those that end, and after a while kills all processes but init and this one:
 * it is for `--exec`, not for a shell. The seed and the round decide what each LWP does; LWPs that
 * share memory may change it for each other.
 *
 * Left out is what would end the judge: reboot, signals for everybody, chroot to elsewhere. Groups
 * and the class of the default group are put back after each round.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <asm/ioctls.h>
#include <linux/futex.h>
#include <linux/resource.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "fuzz.h"

#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull

#define NR_ROUNDS_DEFAULT 6
#define NR_WARM_UP        2
#define NR_AT_ONCE        5   /* processes */
#define NR_LWPS           3   /* of each */
#define NR_STARTS         30  /* processes that a round starts */
#define NR_MENDS_MAX      100 /* of the memory of each process */
#define HANG_NS           (120 * NSEC_PER_SEC)
#define SETTLE_NS         (5 * NSEC_PER_MSEC)
#define NR_SETTLES        (KTAP_PATIENCE_NS / SETTLE_NS)
#define NR_FRAMES_ODD     64 /* what the caches of several CPUs and kernel stacks may hold more */
#define NR_GROUPS_MAX     64

#define SANDBOX "/tmp/fuzz"

static uint64_t life_ns = 400 * NSEC_PER_MSEC; /* of a round */

/* ---- A process ------------------------------------------------------------------------------- */

static void ignore_signal(int signal)
{
    (void)signal;
}

/* Memory that a call has taken away is given back, unless that happens all the time. */
static void mend_arena(int signal)
{
    static _Atomic int nr_times;

    if (signal != SIGSEGV || atomic_fetch_add(&nr_times, 1) > NR_MENDS_MAX)
        syscall6(__NR_exit_group, 0, 0, 0, 0, 0, 0);
    syscall6(__NR_mmap, ARENA, NR_PAGES * PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    syscall6(__NR_mprotect, READ_ONLY, PAGE, PROT_READ, 0, 0, 0);
}

static void open_everything(void)
{
    struct itimerspec expiry = {.it_interval = {.tv_nsec = 2000000}, .it_value = {.tv_nsec = 1}};
    uint64_t mask = 1ul << (SIGUSR1 - 1);
    int fds[2];

    pipe(fds);
    pipe(fds);
    int first = dup(fds[0]), last = first;
#ifdef THRUM_SOCKETS
    syscall6(__NR_socketpair, AF_UNIX, SOCK_STREAM, 0, (long)fds, 0, 0);
    syscall6(__NR_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, (long)fds, 0, 0);
    int listener = (int)syscall6(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, 0, 0, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "sock"};
    syscall6(__NR_bind, listener, (long)&address, sizeof(address), 0, 0, 0);
    syscall6(__NR_listen, listener, 3, 0, 0, 0, 0);
    last = (int)syscall6(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, 0, 0, 0);
    syscall6(__NR_connect, last, (long)&address, sizeof(address), 0, 0, 0);
#endif
    favour(FAVOUR_SOCKETS, first + 1, last);
    int epoll = epoll_create1(0);
    favour(FAVOUR_EPOLLS, epoll, epoll_create1(0));
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &(struct epoll_event){.events = EPOLLIN});
    first = eventfd(1, 0);
    eventfd(0, EFD_NONBLOCK);
    timerfd_settime(timerfd_create(CLOCK_MONOTONIC, 0), 0, &expiry, NULL);
    last = (int)syscall6(__NR_signalfd4, -1, (long)&mask, 8, 0, 0, 0);
    favour(FAVOUR_TIMERS, first, last);
    int master = open("/dev/ptmx", O_RDWR | O_NONBLOCK);
    int unlocked = 0;
    syscall6(__NR_ioctl, master, TIOCSPTLCK, (long)&unlocked, 0, 0, 0);
    syscall6(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NONBLOCK | O_NOCTTY, 0, 0, 0);
    last = (int)syscall6(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NONBLOCK, 0, 0, 0);
    favour(FAVOUR_TERMINALS, master, last);
    first = open("/a", O_RDWR | O_CREAT, 0666);
    open("/b", O_RDWR | O_CREAT, 0666);
    syscall6(__NR_memfd_create, (long)"m", 0, 0, 0, 0, 0);
    favour(FAVOUR_FILES, first, open("/d/a", O_RDWR | O_CREAT, 0666));
    first = open("/", O_RDONLY | O_DIRECTORY);
    open("/d", O_RDONLY | O_DIRECTORY);
    open("/proc/self", O_RDONLY | O_DIRECTORY);
    favour(FAVOUR_FOLDERS, first, open("/proc/self/task", O_RDONLY));
    open("/fifo", O_RDWR | O_NONBLOCK);
    open("/proc/self/maps", O_RDONLY);
    open("/proc/self/mem", O_RDWR);
    open("/dev/zero", O_RDWR);
    open("/dev/random", O_RDWR);
    open("/a", O_PATH);
}

static void set_limit(int resource, uint64_t value)
{
    uint64_t limit[2] = {value, value};

    syscall6(__NR_setrlimit, resource, (long)limit, 0, 0, 0, 0);
}

static void *live_as_lwp(void *chance)
{
    live(chance);
    return NULL;
}

static int sandbox_fd; /* its path may lead elsewhere */

static _Noreturn void live_as_process(uint64_t seed)
{
    static struct chance chances[NR_LWPS];
    struct chance chance = {seed};
    const long every_ms[4] = {0, 1000, 0, 1000};

    setsid();
    for (int signal = 1; signal < 65 && one_in(&chance, 2); signal++)
        sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (fchdir(sandbox_fd) != 0 || chroot(".") != 0)
        _exit(EXIT_FAILURE);
    close(sandbox_fd);
    close(0);
    close(1);
    close(2);
    for (int i = 0; i < 3; i++)
        open("/dev/null", O_RDWR);
    mmap((void *)ARENA, NR_PAGES * PAGE, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mprotect((void *)READ_ONLY, PAGE, PROT_READ);
    set_limit(RLIMIT_AS, 24ul << 20);
    set_limit(RLIMIT_FSIZE, 1ul << 20);
    set_limit(RLIMIT_NOFILE, NR_FDS);
    if (one_in(&chance, 2))
        syscall6(__NR_setresuid, 1000, 1000, 1000, 0, 0, 0);
    open_everything();
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = ignore_signal}, NULL);
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = mend_arena}, NULL);
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = ignore_signal, .sa_flags = SA_RESTART},
              NULL);
    syscall6(__NR_setitimer, 0, (long)every_ms, 0, 0, 0, 0);
    for (size_t i = 0; i < NR_LWPS; i++) {
        thread_t lwp;

        chances[i].state = random_below(&chance, ~0ul);
        if (i > 0 && thread_create(&lwp, live_as_lwp, &chances[i]) == 0)
            atomic_store(&children[i], (int)lwp);
    }
    live(&chances[0]);
    _exit(EXIT_SUCCESS);
}

/* ---- The judge ------------------------------------------------------------------------------- */

static _Atomic uint64_t round_began_ns;
static _Atomic size_t nr_round;

/* Who has not ended, and in which call it is. */
static void show_processes(void)
{
    static const char *const files[] = {"stat", "syscall", "wchan"};

    for (int pid = 1; pid < 5000; pid++)
        for (size_t i = 0; i < KTAP_LEN(files); i++) {
            char path[40], text[200];
            snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
            int fd = open(path, O_RDONLY);
            ssize_t nr_bytes = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
            if (nr_bytes > 0) {
                text[nr_bytes] = '\0';
                ktap_diag("%s: %s", path, text);
            }
            close(fd);
        }
}

static void *bail_out_of_a_hang(void *unused)
{
    for (;;) {
        sleep_ns(NSEC_PER_SEC);
        if (monotonic_ns() - atomic_load(&round_began_ns) < HANG_NS)
            continue;
        show_processes();
        printf("Bail out! Round %zu hangs.\n", atomic_load(&nr_round));
        exit(EXIT_FAILURE);
    }
    return unused;
}

static void build_sandbox(void)
{
    mkdir(SANDBOX, 0777);
    mount("none", SANDBOX, "tmpfs", 0, NULL);
    chmod(SANDBOX, 0777);
    sandbox_fd = open(SANDBOX, O_RDONLY | O_DIRECTORY);
    mkdir(SANDBOX "/d", 0777);
    chmod(SANDBOX "/d", 0777);
    mkdir(SANDBOX "/inside", 0755);
    mkdir(SANDBOX "/dev", 0755);
    mkdir(SANDBOX "/dev/pts", 0755);
    mkdir(SANDBOX "/proc", 0755);
    mount("none", SANDBOX "/dev/pts", "devpts", 0, NULL);
    mount("none", SANDBOX "/proc", "proc", 0, NULL);
    mknod(SANDBOX "/dev/null", S_IFCHR | 0666, 0x103);
    mknod(SANDBOX "/dev/zero", S_IFCHR | 0666, 0x105);
    mknod(SANDBOX "/dev/full", S_IFCHR | 0666, 0x107);
    mknod(SANDBOX "/dev/random", S_IFCHR | 0666, 0x108);
    mknod(SANDBOX "/dev/tty", S_IFCHR | 0666, 0x500);
    mknod(SANDBOX "/dev/ptmx", S_IFCHR | 0666, 0x502);
    mknod(SANDBOX "/fifo", S_IFIFO | 0666, 0);
    syscall6(__NR_symlink, (long)"d", (long)SANDBOX "/s", 0, 0, 0, 0);
    syscall6(__NR_symlink, (long)".", (long)SANDBOX "/l", 0, 0, 0, 0);
}

/*
 * Mounts may lie upon each other, and below each other. What was taken out of all paths while it
 * was in use is looked at when something is mounted.
 */
static void remove_sandbox(void)
{
    close(sandbox_fd);
    mount("none", SANDBOX, "tmpfs", 0, NULL);
    for (int i = 0; i < 100 && umount2(SANDBOX, MNT_DETACH) == 0; i++)
        continue;
    rmdir(SANDBOX);
}

static void put_scheduling_back(void)
{
    for (int group = 1; group < NR_GROUPS_MAX; group++)
        syscall6(THRUM_SYS_sched_group_destroy, group, 0, 0, 0, 0, 0);
    syscall6(THRUM_SYS_sched_set_class, (long)"mlfq", 0, 0, 0, 0, 0);
    syscall6(THRUM_SYS_trace_control, THRUM_TRACE_SET, 0, 0, 0, 0, 0);
}

static void start_process(uint64_t seed)
{
    if (fork() == 0)
        live_as_process(seed);
}

static void run_round(uint64_t seed)
{
    uint64_t end_ns = monotonic_ns() + life_ns;
    size_t nr_started = 0;

    build_sandbox();
    while (nr_started < NR_AT_ONCE)
        start_process(seed * NR_STARTS + nr_started++);
    while (monotonic_ns() < end_ns) {
        if (waitpid(-1, NULL, WNOHANG) <= 0)
            sleep_ns(SETTLE_NS);
        else if (nr_started < NR_STARTS)
            start_process(seed * NR_STARTS + nr_started++);
    }
}

static void end_round(uint64_t nr_processes)
{
    struct thrum_stat stat;

    do {
        kill(-1, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        sleep_ns(SETTLE_NS);
        thrum_stat(&stat);
    } while (stat.processes > nr_processes);
    remove_sandbox();
    put_scheduling_back();
}

static void run_rounds(size_t nr_rounds, uint64_t seed)
{
    struct thrum_stat stat;

    thrum_stat(&stat);
    for (size_t round = 0; round < nr_rounds; round++) {
        atomic_store(&nr_round, round);
        atomic_store(&round_began_ns, monotonic_ns());
        run_round(seed + round);
        end_round(stat.processes);
    }
}

static bool has_come_back(const struct thrum_stat *before, const struct thrum_stat *now)
{
    return now->frames_free + NR_FRAMES_ODD >= before->frames_free &&
           now->heap_objects <= before->heap_objects && now->processes == before->processes &&
           now->lwps == before->lwps;
}

static bool everything_has_come_back(const struct thrum_stat *before)
{
    struct thrum_stat now;

    for (size_t i = 0; i < NR_SETTLES; i++) {
        thrum_stat(&now);
        if (has_come_back(before, &now))
            return true;
        sleep_ns(SETTLE_NS);
    }
    ktap_diag("lost: %ld frames, %ld heap objects, %ld processes, %ld LWPs",
              (long)(before->frames_free - now.frames_free),
              (long)(now.heap_objects - before->heap_objects),
              (long)(now.processes - before->processes), (long)(now.lwps - before->lwps));
    return false;
}

/* Each call by itself, so that it is seen which one loses something. */
static bool each_gives_back(uint64_t seed, size_t nr_rounds)
{
    bool is_right = true;

    life_ns /= 8;
    for (const struct call *call = calls; call < calls + nr_calls; call++) {
        struct thrum_stat before;

        read_list(call->name);
        run_rounds(1, seed + 1000);
        thrum_stat(&before);
        run_rounds(nr_rounds, seed);
        if (everything_has_come_back(&before))
            continue;
        ktap_diag("by calls of %s", call->name);
        is_right = false;
    }
    return is_right;
}

static bool all_give_back(uint64_t seed, size_t nr_rounds, const char *only)
{
    struct thrum_stat before;

    read_list(only);
    run_rounds(NR_WARM_UP, seed + 1000000);
    thrum_stat(&before);
    run_rounds(nr_rounds, seed);
    return everything_has_come_back(&before);
}

static void show_counters(void)
{
    for (size_t nr = 0; nr < nr_calls && nr < NR_COUNTED_MAX; nr++)
        ktap_diag("%s: %u failed, %u succeeded", calls[nr].name, counters->nr_of[nr][0],
                  counters->nr_of[nr][1]);
}

static void ignore_all_signals(void)
{
    for (int signal = 1; signal < 65; signal++)
        if (signal != SIGCHLD)
            sigaction(signal, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoul(argv[1], NULL, 10) : monotonic_ns();
    size_t nr_rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : NR_ROUNDS_DEFAULT;
    const char *name = argc > 3 ? argv[3] : "all";
    thread_t watchdog;

    if (access("/inside", F_OK) == 0)
        return EXIT_SUCCESS; /* one of the random processes has called exec */
    ktap_need_thrum();
    ktap_start(2);
    ktap_diag("seed %lu, %zu rounds", seed, nr_rounds);
    counters =
        mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ignore_all_signals();
    atomic_store(&round_began_ns, monotonic_ns());
    ktap_ok(thread_create(&watchdog, bail_out_of_a_hang, NULL) == 0, "the watchdog runs");
    syscall6(THRUM_SYS_trace_control, THRUM_TRACE_SET, 1, 0, 0, 0, 0); /* its memory stays */
    ktap_ok(strcmp(name, "each") == 0
                ? each_gives_back(seed, nr_rounds)
                : all_give_back(seed, nr_rounds, strcmp(name, "all") == 0 ? NULL : name),
            "everything has come back");
    ktap_diag("%lu calls", counters->nr_calls);
    if (argc > 4)
        show_counters();
    return ktap_finish();
}
