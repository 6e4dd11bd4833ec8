/*
 * The system-call boundary: numbers that do not exist, arguments that make no sense, and processor
 * states that a program can bring along. t_pointers has the pointers, t_badargs more of the rest.
 */

#include <errno.h>
#include <signal.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <asm/hwcap2.h>
#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/reboot.h>
<<<<<<< HEAD
=======
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/timex.h>
>>>>>>> 9fadc18 (syscall: adjtimex, clock_adjtime, unshare; limits of files below /proc/sys/fs)
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "ktap.h"
#include "user_asm.h"

#define KERNEL_HALF   0xffff800000000000ul
#define KERNEL_IMAGE  0xffffffff80000000ul
#define NON_CANONICAL 0x0000900000000000ul

#define FLAG_TRAP      0x00000100ul
#define FLAG_DIRECTION 0x00000400ul
#define FLAG_NESTED    0x00004000ul
#define FLAG_ALIGNMENT 0x00040000ul
#define FLAG_ID        0x00200000ul

static uint32_t futex_word;
static const struct timespec no_time;
<<<<<<< HEAD
=======
static const struct itimerspec no_timer;
static const uint64_t no_mask[2];
static const struct thrum_lwp_attr defaults = {.size_bytes = sizeof(defaults)};
static const char line_ends[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";

/* A page after which nothing is mapped, and one that can only be read. */
static char *last_page;
static char *read_only_page;

#ifdef THRUM_SOCKETS
static const struct sockaddr_un an_address = {.sun_family = AF_UNIX, .sun_path = "/no/such"};
static const struct mmsghdr no_message;
static socklen_t address_bytes = sizeof(an_address), option_bytes = 4;
static char socket_buffer[16];
#endif

/* What is open for all tests. */
enum {
    FD_EPOLL = 50,
    FD_TIMER,
    FD_EVENT,
    FD_SOCKET,
    FD_PEER,
    FD_PTY,
    FD_FILE,
    FD_SIGNALS,
    FD_INOTIFY
};

enum direction {
    READS, /* the kernel reads what the pointer points at */
    WRITES,
    READS_STRING,
    READS_STRINGS, /* a list of pointers to strings */
};

/* One pointer argument of one system call, all other arguments being right. */
#define PROGRAM_START 0x400000 /* userland/lib/thrum.ld */

struct pointer_argument {
    const char *name;
    long number;
    long argument[6];
    unsigned index; /* of the pointer among the arguments */
    size_t nr_bytes;
    enum direction direction;
    bool may_be_null;
    bool may_stop_early; /* a count of what could be read is right too */
    const void *content; /* READS: nr_bytes that would be right */
};

static const struct __kernel_timex just_asking; /* modes: 0 */

static const struct pointer_argument pointer_arguments[] = {
    {.name = "rt_sigaction: action",
     .number = __NR_rt_sigaction,
     .argument = {SIGUSR1, 0, 0, 8},
     .index = 1,
     .nr_bytes = 32,
     .direction = READS,
     .may_be_null = true,
     .content = zeroes},
    {.name = "rt_sigaction: old action",
     .number = __NR_rt_sigaction,
     .argument = {SIGUSR1, 0, 0, 8},
     .index = 2,
     .nr_bytes = 32,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "rt_sigprocmask: set",
     .number = __NR_rt_sigprocmask,
     .argument = {0, 0, 0, 8},
     .index = 1,
     .nr_bytes = 8,
     .direction = READS,
     .may_be_null = true,
     .content = zeroes},
    {.name = "rt_sigprocmask: old set",
     .number = __NR_rt_sigprocmask,
     .argument = {0, 0, 0, 8},
     .index = 2,
     .nr_bytes = 8,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "signalfd4: mask",
     .number = __NR_signalfd4,
     .argument = {FD_SIGNALS, 0, 8, 0},
     .index = 1,
     .nr_bytes = 8,
     .direction = READS,
     .content = zeroes},
    {.name = "rt_sigpending: set",
     .number = __NR_rt_sigpending,
     .argument = {0, 8},
     .index = 0,
     .nr_bytes = 8,
     .direction = WRITES},
    {.name = "rt_sigtimedwait: timeout",
     .number = __NR_rt_sigtimedwait,
     .argument = {(long)zeroes, 0, (long)zeroes, 8},
     .index = 2,
     .nr_bytes = 16,
     .direction = READS,
     .may_be_null = true,
     .content = zeroes},
    {.name = "rt_sigtimedwait: set",
     .number = __NR_rt_sigtimedwait,
     .argument = {0, 0, (long)zeroes, 8},
     .index = 0,
     .nr_bytes = 8,
     .direction = READS,
     .content = zeroes},
    {.name = "sigaltstack: stack",
     .number = __NR_sigaltstack,
     .index = 0,
     .nr_bytes = 24,
     .direction = READS,
     .may_be_null = true,
     .content = no_stack},
    {.name = "sigaltstack: old stack",
     .number = __NR_sigaltstack,
     .index = 1,
     .nr_bytes = 24,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "rt_sigqueueinfo: information",
     .number = __NR_rt_sigqueueinfo,
     .argument = {1, SIGWINCH},
     .index = 2,
     .nr_bytes = 128,
     .direction = READS,
     .content = queued_info},
    {.name = "rt_tgsigqueueinfo: information",
     .number = __NR_rt_tgsigqueueinfo,
     .argument = {1, 1, SIGWINCH},
     .index = 3,
     .nr_bytes = 128,
     .direction = READS,
     .content = queued_info},
    {.name = "setitimer: value",
     .number = __NR_setitimer,
     .index = 1,
     .nr_bytes = 32,
     .direction = READS,
     .may_be_null = true,
     .content = zeroes},
    {.name = "setitimer: old value",
     .number = __NR_setitimer,
     .index = 2,
     .nr_bytes = 32,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "getitimer: value",
     .number = __NR_getitimer,
     .index = 1,
     .nr_bytes = 32,
     .direction = WRITES},
    {.name = "timer_settime: value",
     .number = __NR_timer_settime,
     .index = 2,
     .nr_bytes = 32,
     .direction = READS,
     .content = zeroes},
    {.name = "timer_settime: old value",
     .number = __NR_timer_settime,
     .argument = {0, 0, (long)zeroes},
     .index = 3,
     .nr_bytes = 32,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "timer_gettime: value",
     .number = __NR_timer_gettime,
     .index = 1,
     .nr_bytes = 32,
     .direction = WRITES},
    {.name = "trace_read: cursor",
     .number = THRUM_SYS_trace_read,
     .index = 1,
     .nr_bytes = sizeof(struct thrum_trace_cursor),
     .direction = WRITES},
    {.name = "syslog: buffer",
     .number = __NR_syslog,
     .argument = {3, 0, 4096},
     .index = 1,
     .nr_bytes = 4096,
     .direction = WRITES,
     .may_be_null = true, /* EINVAL */
     .may_stop_early = true},
    {.name = "uname: names",
     .number = __NR_uname,
     .index = 0,
     .nr_bytes = 390,
     .direction = WRITES},
    {.name = "sysinfo: information",
     .number = __NR_sysinfo,
     .index = 0,
     .nr_bytes = 112,
     .direction = WRITES},
    {.name = "times: times",
     .number = __NR_times,
     .index = 0,
     .nr_bytes = 32,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "getrusage: usage",
     .number = __NR_getrusage,
     .index = 1,
     .nr_bytes = 144,
     .direction = WRITES},
    {.name = "getrlimit: limit",
     .number = __NR_getrlimit,
     .argument = {7},
     .index = 1,
     .nr_bytes = 16,
     .direction = WRITES},
    {.name = "setrlimit: limit",
     .number = __NR_setrlimit,
     .argument = {4},
     .index = 1,
     .nr_bytes = 16,
     .direction = READS},
    {.name = "prlimit64: new limit",
     .number = __NR_prlimit64,
     .argument = {0, 4},
     .index = 2,
     .nr_bytes = 16,
     .direction = READS,
     .may_be_null = true},
    {.name = "prlimit64: old limit",
     .number = __NR_prlimit64,
     .argument = {0, 4},
     .index = 3,
     .nr_bytes = 16,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "clock_getres: resolution",
     .number = __NR_clock_getres,
     .argument = {1},
     .index = 1,
     .nr_bytes = 16,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "clock_nanosleep: time",
     .number = __NR_clock_nanosleep,
     .argument = {1, 0},
     .index = 2,
     .nr_bytes = 16,
     .direction = READS,
     .content = &no_time},
    {.name = "gettimeofday: time",
     .number = __NR_gettimeofday,
     .index = 0,
     .nr_bytes = 16,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "gettimeofday: zone",
     .number = __NR_gettimeofday,
     .index = 1,
     .nr_bytes = 8,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "time: time",
     .number = __NR_time,
     .index = 0,
     .nr_bytes = 8,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "getcpu: CPU",
     .number = __NR_getcpu,
     .index = 0,
     .nr_bytes = 4,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "getcpu: node",
     .number = __NR_getcpu,
     .index = 1,
     .nr_bytes = 4,
     .direction = WRITES,
     .may_be_null = true},
    {.name = "prctl: name",
     .number = __NR_prctl,
     .argument = {16},
     .index = 1,
     .nr_bytes = 16,
     .direction = WRITES},
    {.name = "prctl: whether it is a subreaper",
     .number = __NR_prctl,
     .argument = {PR_GET_CHILD_SUBREAPER},
     .index = 1,
     .nr_bytes = 4,
     .direction = WRITES},
    {.name = "prctl: signal for the parent's end",
     .number = __NR_prctl,
     .argument = {PR_GET_PDEATHSIG},
     .index = 1,
     .nr_bytes = 4,
     .direction = WRITES},
    {.name = "adjtimex: timex",
     .number = __NR_adjtimex,
     .index = 0,
     .nr_bytes = sizeof(struct __kernel_timex),
     .content = &just_asking,
     .direction = READS},
    {.name = "clock_adjtime: timex",
     .number = __NR_clock_adjtime,
     .argument = {CLOCK_REALTIME},
     .index = 1,
     .nr_bytes = sizeof(struct __kernel_timex),
     .content = &just_asking,
     .direction = READS},
    {.name = "mincore: vector",
     .number = __NR_mincore,
     .argument = {PROGRAM_START, 4096},
     .index = 2,
     .nr_bytes = 1,
     .direction = WRITES},
    {.name = "memfd_create: name",
     .number = __NR_memfd_create,
     .index = 0,
     .direction = READS_STRING},
    {.name = "ioctl: TCGETS",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TCGETS},
     .index = 2,
     .nr_bytes = sizeof(struct termios),
     .direction = WRITES},
    {.name = "ioctl: TCGETS2",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TCGETS2},
     .index = 2,
     .nr_bytes = sizeof(struct termios2),
     .direction = WRITES},
    {.name = "ioctl: TCGETA",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TCGETA},
     .index = 2,
     .nr_bytes = sizeof(struct termio),
     .direction = WRITES},
    {.name = "ioctl: TCSETS",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TCSETS},
     .index = 2,
     .nr_bytes = sizeof(struct termios),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: TCSETS2",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TCSETS2},
     .index = 2,
     .nr_bytes = sizeof(struct termios2),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: TCSETA",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TCSETA},
     .index = 2,
     .nr_bytes = sizeof(struct termio),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: TIOCGWINSZ",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCGWINSZ},
     .index = 2,
     .nr_bytes = sizeof(struct winsize),
     .direction = WRITES},
    {.name = "ioctl: TIOCSWINSZ",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCSWINSZ},
     .index = 2,
     .nr_bytes = sizeof(struct winsize),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: TIOCGPGRP",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCGPGRP},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = WRITES},
    {.name = "ioctl: TIOCOUTQ",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCOUTQ},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = WRITES},
    {.name = "ioctl: TIOCGPTN",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCGPTN},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = WRITES},
    {.name = "ioctl: TIOCSPTLCK",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCSPTLCK},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: TIOCPKT",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCPKT},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: TIOCSETD",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCSETD},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: TIOCSTI",
     .number = __NR_ioctl,
     .argument = {FD_PTY, TIOCSTI},
     .index = 2,
     .nr_bytes = 1,
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: FIONREAD",
     .number = __NR_ioctl,
     .argument = {FD_PTY, FIONREAD},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = WRITES},
    {.name = "ioctl: FIONBIO",
     .number = __NR_ioctl,
     .argument = {FD_PTY, FIONBIO},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = READS,
     .content = &pty_settings},
    {.name = "ioctl: FIONREAD of a file",
     .number = __NR_ioctl,
     .argument = {FD_FILE, FIONREAD},
     .index = 2,
     .nr_bytes = sizeof(int),
     .direction = WRITES},
    {.name = "getrandom: buffer",
     .number = __NR_getrandom,
     .argument = {0, 16},
     .index = 0,
     .nr_bytes = 16,
     .direction = WRITES,
     .may_stop_early = true},
    {.name = "write: buffer",
     .number = __NR_write,
     .argument = {1, 0, 16},
     .index = 1,
     .nr_bytes = 16,
     .direction = READS,
     .may_stop_early = true,
     .content = line_ends},
    {.name = "nanosleep: duration",
     .number = __NR_nanosleep,
     .index = 0,
     .nr_bytes = sizeof(struct timespec),
     .direction = READS,
     .content = &no_time},
    {.name = "clock_gettime: time",
     .number = __NR_clock_gettime,
     .argument = {CLOCK_MONOTONIC},
     .index = 1,
     .nr_bytes = sizeof(struct timespec),
     .direction = WRITES},
    {.name = "futex: word of FUTEX_WAIT",
     .number = __NR_futex,
     .argument = {0, FUTEX_WAIT_PRIVATE, 0, (long)&no_time},
     .index = 0,
     .nr_bytes = sizeof(uint32_t),
     .direction = READS,
     .content = &futex_word},
    {.name = "futex: time-out of FUTEX_WAIT",
     .number = __NR_futex,
     .argument = {(long)&futex_word, FUTEX_WAIT_PRIVATE, 0},
     .index = 3,
     .nr_bytes = sizeof(struct timespec),
     .direction = READS,
     .may_be_null = true,
     .content = &no_time},
#include "t_syscall_poll.h"
#ifdef THRUM_SOCKETS
#include "t_syscall_socket.h"
#endif
    {.name = "arch_prctl: value of ARCH_GET_FS",
     .number = __NR_arch_prctl,
     .argument = {ARCH_GET_FS},
     .index = 1,
     .nr_bytes = sizeof(uint64_t),
     .direction = WRITES},
    {.name = "lwp_create: attributes",
     .number = THRUM_SYS_lwp_create,
     .argument = {(long)run_ud2},
     .index = 2,
     .nr_bytes = sizeof(struct thrum_lwp_attr),
     .direction = READS,
     .may_be_null = true,
     .content = &defaults},
    {.name = "inotify_add_watch: path",
     .number = __NR_inotify_add_watch,
     .argument = {FD_INOTIFY, 0, 1},
     .index = 1,
     .nr_bytes = 1,
     .direction = READS_STRING},
    {.name = "spawn: path",
     .number = THRUM_SYS_spawn,
     .argument = {0, (long)no_strings, (long)no_strings},
     .index = 0,
     .nr_bytes = 1,
     .direction = READS_STRING},
    {.name = "spawn: arguments",
     .number = THRUM_SYS_spawn,
     .argument = {0, 0, (long)no_strings},
     .index = 1,
     .nr_bytes = sizeof(char *),
     .direction = READS_STRINGS,
     .may_be_null = true},
    {.name = "spawn: environment",
     .number = THRUM_SYS_spawn,
     .argument = {0, (long)no_strings, 0},
     .index = 2,
     .nr_bytes = sizeof(char *),
     .direction = READS_STRINGS,
     .may_be_null = true},
    {.name = "execve: path",
     .number = __NR_execve,
     .argument = {0, (long)no_strings, (long)no_strings},
     .index = 0,
     .nr_bytes = 1,
     .direction = READS_STRING},
    {.name = "execve: arguments",
     .number = __NR_execve,
     .argument = {0, 0, (long)no_strings},
     .index = 1,
     .nr_bytes = sizeof(char *),
     .direction = READS_STRINGS,
     .may_be_null = true},
    {.name = "execve: environment",
     .number = __NR_execve,
     .argument = {0, (long)no_strings, 0},
     .index = 2,
     .nr_bytes = sizeof(char *),
     .direction = READS_STRINGS,
     .may_be_null = true},
#include "t_syscall_files.h"
    {.name = "stat: numbers",
     .number = THRUM_SYS_stat,
     .argument = {0, sizeof(struct thrum_stat)},
     .index = 0,
     .nr_bytes = sizeof(struct thrum_stat),
     .direction = WRITES},
};

enum wildness {
    WILD_NULL,
    WILD_KERNEL_HALF,
    WILD_KERNEL_IMAGE,
    WILD_NON_CANONICAL,
    WILD_LAST_ADDRESS,
    WILD_USER_END,
    WILD_UNMAPPED,
    WILD_STRADDLING,
    WILD_READ_ONLY,
    WILD_INNER, /* a good list of strings, in which one string is a kernel address */
    NR_WILDNESSES,
};

static const char *const wildness_names[] = {
    [WILD_NULL] = "at NULL",
    [WILD_KERNEL_HALF] = "at the kernel's first address",
    [WILD_KERNEL_IMAGE] = "in the kernel's image",
    [WILD_NON_CANONICAL] = "at a non-canonical address",
    [WILD_LAST_ADDRESS] = "at the last address of all",
    [WILD_USER_END] = "across the end of the user half",
    [WILD_UNMAPPED] = "in an unmapped page",
    [WILD_STRADDLING] = "across the end of a mapping",
    [WILD_READ_ONLY] = "in a read-only page",
    [WILD_INNER] = "with a string in the kernel",
};

static bool makes_sense(const struct pointer_argument *argument, enum wildness wildness)
{
    switch (wildness) {
    case WILD_NULL:
        return !argument->may_be_null;
    case WILD_READ_ONLY:
        return argument->direction == WRITES;
    case WILD_INNER:
        return argument->direction == READS_STRINGS;
    case WILD_STRADDLING:
    case WILD_USER_END:
        /* A word that is aligned does not straddle anything. */
        return argument->nr_bytes != sizeof(futex_word);
    default:
        return true;
    }
}

/* The first half of what would be right, and then nothing is mapped. */
static uint64_t straddling_pointer(const struct pointer_argument *argument)
{
    static const char *const a_string = "x";
    const void *content = argument->content;
    size_t nr_bytes = argument->nr_bytes / 2;

    memset(last_page, 'x', PAGE);
    if (argument->direction == READS_STRING) {
        nr_bytes = 1;
        content = a_string;
    } else if (argument->direction == READS_STRINGS) {
        nr_bytes = sizeof(a_string);
        content = &a_string;
    }
    char *pointer = last_page + PAGE - nr_bytes;
    if (content)
        memcpy(pointer, content, nr_bytes);
    return (uint64_t)pointer;
}

static uint64_t wild_pointer(const struct pointer_argument *argument, enum wildness wildness)
{
    static const char *strings[] = {"x", (const char *)KERNEL_IMAGE, NULL};

    switch (wildness) {
    case WILD_NULL:
        return 0;
    case WILD_KERNEL_HALF:
        return KERNEL_HALF;
    case WILD_KERNEL_IMAGE:
        return KERNEL_IMAGE + 0x100000;
    case WILD_NON_CANONICAL:
        return NON_CANONICAL;
    case WILD_LAST_ADDRESS:
        return argument->nr_bytes == sizeof(futex_word) ? UINT64_MAX - 3 : UINT64_MAX;
    case WILD_USER_END:
        return USER_END - argument->nr_bytes / 2;
    case WILD_STRADDLING:
        return straddling_pointer(argument);
    case WILD_READ_ONLY:
        return (uint64_t)read_only_page;
    case WILD_INNER:
        return (uint64_t)strings;
    default:
        return (uint64_t)last_page + PAGE;
    }
}

static bool is_efault(const struct pointer_argument *argument, enum wildness wildness)
{
    long a[6];

    memcpy(a, argument->argument, sizeof(a));
    if (argument->number == THRUM_SYS_spawn || argument->number == __NR_execve)
        a[0] = (long)ktap_program(); /* the address is not a constant */
    a[argument->index] = (long)wild_pointer(argument, wildness);
    long answer = syscall6(argument->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (argument->may_stop_early && answer > 0 && answer < (long)argument->nr_bytes)
        return true;
    return KTAP_EQUAL(answer, -EFAULT);
}

static size_t check_pointer_arguments(bool is_dry_run)
{
    size_t nr_checks = 0;

    for (size_t i = 0; i < KTAP_LEN(pointer_arguments); i++) {
        const struct pointer_argument *argument = &pointer_arguments[i];
        for (unsigned wildness = 0; wildness < NR_WILDNESSES; wildness++) {
            if (!makes_sense(argument, wildness))
                continue;
            nr_checks++;
            if (!is_dry_run)
                ktap_ok(is_efault(argument, wildness), "%s %s is EFAULT", argument->name,
                        wildness_names[wildness]);
        }
    }
    return nr_checks;
}
>>>>>>> 9fadc18 (syscall: adjtimex, clock_adjtime, unshare; limits of files below /proc/sys/fs)

/* A system call with arguments that make no sense, and what it answers. */
struct refused_call {
    const char *sentence;
    long number;
    long argument[6];
    long want;
};

static const struct refused_call refused_calls[] = {
    {"number 423, of no call, is ENOSYS", 423, {0}, -ENOSYS},
    {"number 1023 is ENOSYS", 1023, {0}, -ENOSYS},
    {"number 1036, between Thrum's own, is ENOSYS", 1036, {0}, -ENOSYS},
    {"number 4096 is ENOSYS", 4096, {0}, -ENOSYS},
    {"number 0x40000027, of the x32 kind, is ENOSYS", 0x40000027, {0}, -ENOSYS},
    {"number 0x7fffffff is ENOSYS", 0x7fffffff, {0}, -ENOSYS},
    {"number -1 is ENOSYS", -1, {0}, -ENOSYS},
    {"the smallest number of all is ENOSYS", INT32_MIN, {0}, -ENOSYS},
    {"write to a descriptor that is not open is EBADF", __NR_write, {99, (long)"x", 1}, -EBADF},
    {"write to descriptor -1 is EBADF", __NR_write, {-1, (long)"x", 1}, -EBADF},
    {"write of nothing writes nothing", __NR_write, {1, (long)"x", 0}, 0},
    {"futex on a word that is not aligned is EINVAL",
     __NR_futex,
     {(long)&futex_word + 1, FUTEX_WAIT_PRIVATE, 0, (long)&no_time},
     -EINVAL},
    {"futex wait for another value is EAGAIN",
     __NR_futex,
     {(long)&futex_word, FUTEX_WAIT_PRIVATE, 1},
     -EAGAIN},
    {"futex wait without time is ETIMEDOUT",
     __NR_futex,
     {(long)&futex_word, FUTEX_WAIT_PRIVATE, 0, (long)&no_time},
     -ETIMEDOUT},
    {"futex wake of nobody is 0", __NR_futex, {(long)&futex_word, FUTEX_WAKE_PRIVATE, 5}, 0},
    {"futex with an unknown operation is ENOSYS", __NR_futex, {(long)&futex_word, 0x7f}, -ENOSYS},
    {"an FS base in the kernel's half is EPERM",
     __NR_arch_prctl,
     {ARCH_SET_FS, (long)KERNEL_HALF},
     -EPERM},
    {"an FS base that is not canonical is EPERM",
     __NR_arch_prctl,
     {ARCH_SET_FS, NON_CANONICAL},
     -EPERM},
    {"arch_prctl with an unknown code is EINVAL", __NR_arch_prctl, {0x9999}, -EINVAL},
    {"reboot without its magic numbers is EINVAL",
     __NR_reboot,
     {(long)LINUX_REBOOT_MAGIC1, 1, LINUX_REBOOT_CMD_HALT},
     -EINVAL},
    {"reboot with an unknown command is EINVAL",
     __NR_reboot,
     {(long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 7},
     -EINVAL},
};

static bool is_refused(const struct refused_call *call)
{
    const long *a = call->argument;

    return KTAP_EQUAL(syscall6(call->number, a[0], a[1], a[2], a[3], a[4], a[5]), call->want);
}

/* Processor states. */

static bool get_fs_tells_the_thread_pointer(void)
{
    uint64_t base = 0;

    syscall6(__NR_arch_prctl, ARCH_GET_FS, (long)&base, 0, 0, 0, 0);
    return KTAP_TRUE(base == *(uint64_t *)base);
}

static bool flags_do_not_disturb(void)
{
    static const uint64_t flags[] = {FLAG_DIRECTION, FLAG_NESTED, FLAG_ALIGNMENT, FLAG_ID,
                                     FLAG_DIRECTION | FLAG_NESTED | FLAG_ALIGNMENT | FLAG_ID};
    struct thrum_stat stat;
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(flags); i++)
        is_right =
            KTAP_EQUAL(syscall_with_flags(flags[i], __NR_getpid, 0, 0, 0), getpid()) &&
            KTAP_EQUAL(syscall_with_flags(flags[i], THRUM_SYS_stat, (long)&stat, sizeof(stat), 0),
                       0) &&
            is_right;
    return is_right;
}

static bool flags_may_sleep(void)
{
    static const struct timespec a_moment = {0, 2000000};

    return KTAP_EQUAL(syscall_with_flags(FLAG_DIRECTION | FLAG_NESTED | FLAG_ALIGNMENT,
                                         __NR_nanosleep, (long)&a_moment, 0, 0),
                      0);
}

static bool stack_pointer_does_not_matter(void)
{
    static const uint64_t stack_pointers[] = {0, 1, KERNEL_IMAGE + 0x1000, NON_CANONICAL,
                                              UINT64_MAX};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(stack_pointers); i++)
        is_right = KTAP_EQUAL(getpid_with_stack(stack_pointers[i]), getpid()) && is_right;
    return is_right;
}

static bool gs_base_does_not_matter(void)
{
    static const uint64_t bases[] = {KERNEL_HALF, KERNEL_IMAGE, 8, UINT64_MAX, 0};
    bool is_right = true;

    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        return ktap_skip("no FSGSBASE");
    for (size_t i = 0; i < KTAP_LEN(bases); i++) {
        gs_base_write(bases[i]);
        sleep_ns(1000000);
        is_right = KTAP_EQUAL(syscall6(__NR_getpid, 0, 0, 0, 0, 0, 0), getpid()) && is_right;
    }
    return is_right;
}

static int trap_in_system_call(int argc, char **argv)
{
    (void)argc, (void)argv;
    syscall_with_flags(FLAG_TRAP, __NR_getpid, 0, 0, 0);
    return 0;
}

static int fault_with_kernel_gs(int argc, char **argv)
{
    (void)argc, (void)argv;
    gs_base_write(KERNEL_HALF + 0x1000);
    run_ud2();
    return 0;
}

static bool single_step_ends_the_process(void)
{
    return KTAP_ROLE_DIES("trap-in-system-call", SIGTRAP);
}

static bool fault_with_kernel_gs_ends_the_process(void)
{
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        return ktap_skip("no FSGSBASE");
    return KTAP_ROLE_DIES("fault-with-kernel-gs", SIGILL);
}

static const struct ktap_test tests[] = {
    {"arch_prctl tells the FS base", get_fs_tells_the_thread_pointer},
    {"flags that a program sets do not disturb the kernel", flags_do_not_disturb},
    {"flags that a program sets do not disturb a switch", flags_may_sleep},
    {"a system call does not need a stack pointer", stack_pointer_does_not_matter},
    {"a system call does not need the GS base", gs_base_does_not_matter},
    {"a single step across a system call is SIGTRAP", single_step_ends_the_process},
    {"a fault with the GS base in the kernel is an ordinary fault",
     fault_with_kernel_gs_ends_the_process},
};

static const struct ktap_role roles[] = {
    {"trap-in-system-call", trap_in_system_call},
    {"fault-with-kernel-gs", fault_with_kernel_gs},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(refused_calls) + KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(refused_calls); i++)
        ktap_ok(is_refused(&refused_calls[i]), "%s", refused_calls[i].sentence);
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
