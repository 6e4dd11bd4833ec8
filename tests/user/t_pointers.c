/*
 * Wild pointers: every pointer that a system call takes is tried with every kind of wrong address.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/timex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "ktap.h"
#include "user_asm.h"

#define PAGE          4096ul
#define KERNEL_HALF   0xffff800000000000ul
#define KERNEL_IMAGE  0xffffffff80000000ul
#define NON_CANONICAL 0x0000900000000000ul
#define USER_END      0x7ffffffff000ul
#define LAST_PAGE     0x20000000ul /* away from where mmap() by itself puts anything */
#define PROGRAM_START 0x400000ul   /* userland/lib/thrum.ld */

static const char *const no_strings[] = {NULL};
static uint32_t futex_word;
static uint64_t a_register;
static char buffer[512];
static const char zeroes[256];
static const uint32_t no_stack[6] = {[2] = 2}; /* SS_DISABLE */
static const int queued_info[32] = {[2] = -1}; /* SI_QUEUE */
static const struct termios2 pty_settings;     /* all off; also anything else that is 0 */
static const struct timespec no_time;
static const struct itimerspec no_timer;
static const struct __kernel_timex just_asking;
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
    FD_INOTIFY,
    FD_PIPE
};

enum direction {
    READS, /* the kernel reads what the pointer points at */
    WRITES,
    READS_STRING,
    READS_STRINGS, /* a list of pointers to strings */
};

/* One pointer argument of one system call, all other arguments being right. */
struct pointer_argument {
    unsigned index; /* of the pointer among the arguments */
    const char *name;
    long number;
    long argument[6];
    size_t nr_bytes;
    enum direction direction;
    bool may_be_null;
    bool may_stop_early; /* a count of what could be read is right too */
    const void *content; /* READS: nr_bytes that would be right */
};

/* The words of the table. First the call, what the argument is, and the arguments. */
#define CALL(call, what, ...)                                                                      \
    .name = #call ": " what, .number = __NR_##call, .argument = {__VA_ARGS__}
#define OWN_CALL(call, what, ...)                                                                  \
    .name = #call ": " what, .number = THRUM_SYS_##call, .argument = {__VA_ARGS__}

/* Then what the pointer points at. */
#define READ(bytes, right) .nr_bytes = (bytes), .direction = READS, .content = (right)
#define WRITTEN(bytes)     .nr_bytes = (bytes), .direction = WRITES
#define STRING             .nr_bytes = 1, .direction = READS_STRING
#define STRINGS            .nr_bytes = sizeof(char *), .direction = READS_STRINGS

/* And what else is no error. */
#define OR_NULL .may_be_null = true
#define OR_LESS .may_stop_early = true

static const struct pointer_argument pointer_arguments[] = {
    /* Signals, times, numbers, terminals. */
    {.index = 1, CALL(rt_sigaction, "action", SIGUSR1, 0, 0, 8), READ(32, zeroes), OR_NULL},
    {.index = 2, CALL(rt_sigaction, "old action", SIGUSR1, 0, 0, 8), WRITTEN(32), OR_NULL},
    {.index = 1, CALL(rt_sigprocmask, "set", 0, 0, 0, 8), READ(8, zeroes), OR_NULL},
    {.index = 2, CALL(rt_sigprocmask, "old set", 0, 0, 0, 8), WRITTEN(8), OR_NULL},
    {.index = 1, CALL(signalfd4, "mask", FD_SIGNALS, 0, 8, 0), READ(8, zeroes)},
    {.index = 0, CALL(rt_sigpending, "set", 0, 8), WRITTEN(8)},
    {.index = 2,
     CALL(rt_sigtimedwait, "timeout", (long)zeroes, 0, (long)zeroes, 8),
     READ(16, zeroes),
     OR_NULL},
    {.index = 0, CALL(rt_sigtimedwait, "set", 0, 0, (long)zeroes, 8), READ(8, zeroes)},
    {.index = 0, CALL(sigaltstack, "stack"), READ(24, no_stack), OR_NULL},
    {.index = 1, CALL(sigaltstack, "old stack"), WRITTEN(24), OR_NULL},
    {.index = 2, CALL(rt_sigqueueinfo, "information", 1, SIGWINCH), READ(128, queued_info)},
    {.index = 3, CALL(rt_tgsigqueueinfo, "information", 1, 1, SIGWINCH), READ(128, queued_info)},
    {.index = 1, CALL(setitimer, "value"), READ(32, zeroes), OR_NULL},
    {.index = 2, CALL(setitimer, "old value"), WRITTEN(32), OR_NULL},
    {.index = 1, CALL(getitimer, "value"), WRITTEN(32)},
    {.index = 2, CALL(timer_settime, "value"), READ(32, zeroes)},
    {.index = 3, CALL(timer_settime, "old value", 0, 0, (long)zeroes), WRITTEN(32), OR_NULL},
    {.index = 1, CALL(timer_gettime, "value"), WRITTEN(32)},
    {.index = 1, OWN_CALL(trace_read, "cursor"), WRITTEN(sizeof(struct thrum_trace_cursor))},
    {.index = 1, CALL(syslog, "buffer", 3, 0, 4096), WRITTEN(4096), OR_NULL, OR_LESS},
    {.index = 0, CALL(uname, "names"), WRITTEN(390)},
    {.index = 0, CALL(sysinfo, "information"), WRITTEN(112)},
    {.index = 0, CALL(times, "times"), WRITTEN(32), OR_NULL},
    {.index = 1, CALL(getrusage, "usage"), WRITTEN(144)},
    {.index = 1, CALL(getrlimit, "limit", 7), WRITTEN(16)},
    {.index = 1, CALL(setrlimit, "limit", 4), READ(16, NULL)},
    {.index = 2, CALL(prlimit64, "new limit", 0, 4), READ(16, NULL), OR_NULL},
    {.index = 3, CALL(prlimit64, "old limit", 0, 4), WRITTEN(16), OR_NULL},
    {.index = 1, CALL(clock_getres, "resolution", 1), WRITTEN(16), OR_NULL},
    {.index = 2, CALL(clock_nanosleep, "time", 1, 0), READ(16, &no_time)},
    {.index = 0, CALL(gettimeofday, "time"), WRITTEN(16), OR_NULL},
    {.index = 1, CALL(gettimeofday, "zone"), WRITTEN(8), OR_NULL},
    {.index = 0, CALL(time, "time"), WRITTEN(8), OR_NULL},
    {.index = 0, CALL(getcpu, "CPU"), WRITTEN(4), OR_NULL},
    {.index = 1, CALL(getcpu, "node"), WRITTEN(4), OR_NULL},
    {.index = 1, CALL(prctl, "name", 16), WRITTEN(16)},
    {.index = 1, CALL(prctl, "subreaper", PR_GET_CHILD_SUBREAPER), WRITTEN(4)},
    {.index = 1, CALL(prctl, "signal of death", PR_GET_PDEATHSIG), WRITTEN(4)},
    {.index = 0, CALL(adjtimex, "timex"), READ(sizeof(just_asking), &just_asking)},
    {.index = 1,
     CALL(clock_adjtime, "timex", CLOCK_REALTIME),
     READ(sizeof(just_asking), &just_asking)},
    {.index = 2, CALL(mincore, "vector", PROGRAM_START, 4096), WRITTEN(1)},
    {.index = 0, CALL(memfd_create, "name"), STRING},
    {.index = 2, CALL(ioctl, "TCGETS", FD_PTY, TCGETS), WRITTEN(sizeof(struct termios))},
    {.index = 2, CALL(ioctl, "TCGETS2", FD_PTY, TCGETS2), WRITTEN(sizeof(struct termios2))},
    {.index = 2, CALL(ioctl, "TCGETA", FD_PTY, TCGETA), WRITTEN(sizeof(struct termio))},
    {.index = 2,
     CALL(ioctl, "TCSETS", FD_PTY, TCSETS),
     READ(sizeof(struct termios), &pty_settings)},
    {.index = 2,
     CALL(ioctl, "TCSETS2", FD_PTY, TCSETS2),
     READ(sizeof(struct termios2), &pty_settings)},
    {.index = 2, CALL(ioctl, "TCSETA", FD_PTY, TCSETA), READ(sizeof(struct termio), &pty_settings)},
    {.index = 2, CALL(ioctl, "TIOCGWINSZ", FD_PTY, TIOCGWINSZ), WRITTEN(sizeof(struct winsize))},
    {.index = 2,
     CALL(ioctl, "TIOCSWINSZ", FD_PTY, TIOCSWINSZ),
     READ(sizeof(struct winsize), &pty_settings)},
    {.index = 2, CALL(ioctl, "TIOCGPGRP", FD_PTY, TIOCGPGRP), WRITTEN(sizeof(int))},
    {.index = 2, CALL(ioctl, "TIOCOUTQ", FD_PTY, TIOCOUTQ), WRITTEN(sizeof(int))},
    {.index = 2, CALL(ioctl, "TIOCGPTN", FD_PTY, TIOCGPTN), WRITTEN(sizeof(int))},
    {.index = 2, CALL(ioctl, "TIOCSPTLCK", FD_PTY, TIOCSPTLCK), READ(sizeof(int), &pty_settings)},
    {.index = 2, CALL(ioctl, "TIOCPKT", FD_PTY, TIOCPKT), READ(sizeof(int), &pty_settings)},
    {.index = 2, CALL(ioctl, "TIOCSETD", FD_PTY, TIOCSETD), READ(sizeof(int), &pty_settings)},
    {.index = 2, CALL(ioctl, "TIOCSTI", FD_PTY, TIOCSTI), READ(1, &pty_settings)},
    {.index = 2, CALL(ioctl, "FIONREAD", FD_PTY, FIONREAD), WRITTEN(sizeof(int))},
    {.index = 2, CALL(ioctl, "FIONBIO", FD_PTY, FIONBIO), READ(sizeof(int), &pty_settings)},
    {.index = 2, CALL(ioctl, "FIONREAD of a file", FD_FILE, FIONREAD), WRITTEN(sizeof(int))},
    {.index = 0, CALL(getrandom, "buffer", 0, 16), WRITTEN(16), OR_LESS},
    {.index = 1, CALL(write, "buffer", 1, 0, 16), READ(16, line_ends), OR_LESS},
    {.index = 0, CALL(nanosleep, "duration"), READ(sizeof(struct timespec), &no_time)},
    {.index = 1, CALL(clock_gettime, "time", CLOCK_MONOTONIC), WRITTEN(sizeof(struct timespec))},
    {.index = 0,
     CALL(futex, "word of FUTEX_WAIT", 0, FUTEX_WAIT_PRIVATE, 0, (long)&no_time),
     READ(sizeof(uint32_t), &futex_word)},
    {.index = 3,
     CALL(futex, "time-out of FUTEX_WAIT", (long)&futex_word, FUTEX_WAIT_PRIVATE, 0),
     READ(sizeof(struct timespec), &no_time),
     OR_NULL},

    /* LWPs and programs. */
    {.index = 1, CALL(arch_prctl, "value of ARCH_GET_FS", ARCH_GET_FS), WRITTEN(sizeof(uint64_t))},
    {.index = 2,
     OWN_CALL(lwp_create, "attributes", (long)run_ud2),
     READ(sizeof(struct thrum_lwp_attr), &defaults),
     OR_NULL},
    {.index = 0, OWN_CALL(spawn, "path", 0, (long)no_strings, (long)no_strings), STRING},
    {.index = 1, OWN_CALL(spawn, "arguments", 0, 0, (long)no_strings), STRINGS, OR_NULL},
    {.index = 2, OWN_CALL(spawn, "environment", 0, (long)no_strings, 0), STRINGS, OR_NULL},
    {.index = 0, CALL(execve, "path", 0, (long)no_strings, (long)no_strings), STRING},
    {.index = 1, CALL(execve, "arguments", 0, 0, (long)no_strings), STRINGS, OR_NULL},
    {.index = 2, CALL(execve, "environment", 0, (long)no_strings, 0), STRINGS, OR_NULL},
    {.index = 0,
     OWN_CALL(stat, "numbers", 0, sizeof(struct thrum_stat)),
     WRITTEN(sizeof(struct thrum_stat))},

    /* Waiting for files. */
    {.index = 0, CALL(poll, "descriptors", 0, 1, 0), WRITTEN(sizeof(struct pollfd))},
    {.index = 0, CALL(ppoll, "descriptors", 0, 1, (long)&no_time), WRITTEN(sizeof(struct pollfd))},
    {.index = 2,
     CALL(ppoll, "time-out", 0, 0, 0),
     READ(sizeof(struct timespec), &no_time),
     OR_NULL},
    {.index = 1, CALL(select, "set to read", 8, 0, 0, 0, (long)&no_time), WRITTEN(8), OR_NULL},
    {.index = 2, CALL(select, "set to write", 8, 0, 0, 0, (long)&no_time), WRITTEN(8), OR_NULL},
    {.index = 3,
     CALL(select, "set of exceptions", 8, 0, 0, 0, (long)&no_time),
     WRITTEN(8),
     OR_NULL},
    {.index = 4, CALL(select, "time-out"), READ(sizeof(struct timeval), &no_time), OR_NULL},
    {.index = 1, CALL(pselect6, "set to read", 8, 0, 0, 0, (long)&no_time), WRITTEN(8), OR_NULL},
    {.index = 4, CALL(pselect6, "time-out"), READ(sizeof(struct timespec), &no_time), OR_NULL},
    {.index = 5, CALL(pselect6, "mask", 0, 0, 0, 0, (long)&no_time), READ(16, no_mask), OR_NULL},
    {.index = 3,
     CALL(epoll_ctl, "event", FD_EPOLL, EPOLL_CTL_MOD, FD_TIMER),
     READ(sizeof(struct epoll_event), &no_mask)},
    {.index = 1,
     CALL(epoll_wait, "events", FD_EPOLL, 0, 1, 0),
     WRITTEN(sizeof(struct epoll_event))},
    {.index = 1,
     CALL(epoll_pwait, "events", FD_EPOLL, 0, 1, 0),
     WRITTEN(sizeof(struct epoll_event))},
    {.index = 1,
     CALL(epoll_pwait2, "events", FD_EPOLL, 0, 1, (long)&no_time),
     WRITTEN(sizeof(struct epoll_event))},
    {.index = 3,
     CALL(epoll_pwait2, "time-out", FD_EPOLL, (long)&a_register, 1),
     READ(sizeof(struct timespec), &no_time),
     OR_NULL},
    {.index = 2,
     CALL(timerfd_settime, "time", FD_TIMER, 0),
     READ(sizeof(struct itimerspec), &no_timer)},
    {.index = 3,
     CALL(timerfd_settime, "old time", FD_TIMER, 0, (long)&no_timer),
     WRITTEN(sizeof(struct itimerspec)),
     OR_NULL},
    {.index = 1, CALL(timerfd_gettime, "time", FD_TIMER), WRITTEN(sizeof(struct itimerspec))},
    {.index = 3, CALL(ppoll, "mask", 0, 0, (long)&no_time, 0, 8), READ(8, no_mask), OR_NULL},
    {.index = 4,
     CALL(epoll_pwait, "mask", FD_EPOLL, (long)&a_register, 1, 0, 0, 8),
     READ(8, no_mask),
     OR_NULL},
    {.index = 4,
     CALL(epoll_pwait2, "mask", FD_EPOLL, (long)&a_register, 1, (long)&no_time, 0, 8),
     READ(8, no_mask),
     OR_NULL},

    /* Files and users. */
    {.index = 1,
     CALL(splice, "offset of what is read", FD_FILE, 0, FD_PIPE, 0, 1, 2),
     READ(8, zeroes),
     OR_NULL},
    {.index = 1, CALL(vmsplice, "pieces", FD_PIPE, 0, 1, 2), READ(16, zeroes)},
    {.index = 1, CALL(inotify_add_watch, "path", FD_INOTIFY, 0, 1), STRING},
    {.index = 0, CALL(creat, "path", 0, 0600), STRING},
    {.index = 0, CALL(chroot, "path", 0), STRING},
    {.index = 0, CALL(mknod, "path", 0, 0100600), STRING},
    {.index = 1, CALL(mknodat, "path", AT_FDCWD, 0, 0100600), STRING},
    {.index = 0, CALL(readlink, "path", 0, (long)buffer, 10), STRING},
    {.index = 1, CALL(readlinkat, "path", AT_FDCWD, 0, (long)buffer, 10), STRING},
    {.index = 0, CALL(symlink, "target", 0, (long)"/tmp/x"), STRING},
    {.index = 1, CALL(symlink, "path", (long)"x", 0), STRING},
    {.index = 2, CALL(symlinkat, "path", (long)"x", AT_FDCWD, 0), STRING},
    {.index = 0, CALL(link, "path", 0, (long)"/tmp/x"), STRING},
    {.index = 1, CALL(link, "new path", (long)"/bin/init", 0), STRING},
    {.index = 1, CALL(linkat, "path", AT_FDCWD, 0, AT_FDCWD, (long)"/tmp/x"), STRING},
    {.index = 0, CALL(rename, "path", 0, (long)"/tmp/x"), STRING},
    {.index = 1, CALL(rename, "new path", (long)"/tmp/none", 0), STRING},
    {.index = 1, CALL(renameat, "new path", AT_FDCWD, 0, AT_FDCWD, (long)"x"), STRING},
    {.index = 3, CALL(renameat2, "new path", AT_FDCWD, (long)"x", AT_FDCWD, 0), STRING},
    {.index = 1, CALL(mount, "path", (long)"x", 0, (long)"tmpfs"), STRING},
    {.index = 0, CALL(mount, "source", 0, (long)"/tmp", (long)"none"), STRING, OR_NULL},
    {.index = 2, CALL(mount, "type", (long)"x", (long)"/tmp", 0), STRING, OR_NULL},
    {.index = 4,
     CALL(mount, "options", (long)"x", (long)"/tmp", (long)"none", 0, 0),
     STRING,
     OR_NULL},
    {.index = 0, CALL(umount2, "path", 0, 0), STRING},
    {.index = 0, CALL(statfs, "path", 0, (long)buffer), STRING},
    {.index = 0, CALL(access, "path", 0, 0), STRING},
    {.index = 1, CALL(faccessat, "path", AT_FDCWD, 0, 0), STRING},
    {.index = 1, CALL(faccessat2, "path", AT_FDCWD, 0, 0, 0), STRING},
    {.index = 0, CALL(chmod, "path", 0, 0600), STRING},
    {.index = 1, CALL(fchmodat, "path", AT_FDCWD, 0, 0600), STRING},
    {.index = 0, CALL(chown, "path", 0, -1, -1), STRING},
    {.index = 0, CALL(lchown, "path", 0, -1, -1), STRING},
    {.index = 1, CALL(fchownat, "path", AT_FDCWD, 0, -1, -1, 0), STRING},
    {.index = 1, CALL(utimensat, "path", AT_FDCWD, 0, 0, 0), STRING, OR_NULL},
    {.index = 1, CALL(futimesat, "path", AT_FDCWD, 0, 0), STRING},
    {.index = 0, CALL(utimes, "path", 0, 0), STRING},
    {.index = 0, CALL(utime, "path", 0, 0), STRING},
    {.index = 0, CALL(truncate, "path", 0, 0), STRING},
    {.index = 1, CALL(statx, "path", AT_FDCWD, 0, 0, 0, (long)buffer), STRING},
    {.index = 1, CALL(statfs, "result 1", (long)"/", 0), WRITTEN(sizeof(struct statfs))},
    {.index = 1, CALL(fstatfs, "result 1", 1, 0), WRITTEN(sizeof(struct statfs))},
    {.index = 4,
     CALL(statx, "result 4", AT_FDCWD, (long)"/", 0, 0, 0),
     WRITTEN(sizeof(struct statx))},
    {.index = 0, CALL(getresuid, "result 0", 0, (long)buffer, (long)buffer), WRITTEN(4)},
    {.index = 1, CALL(getresuid, "result 1", (long)buffer, 0, (long)buffer), WRITTEN(4)},
    {.index = 2, CALL(getresuid, "result 2", (long)buffer, (long)buffer, 0), WRITTEN(4)},
    {.index = 0, CALL(getresgid, "result 0", 0, (long)buffer, (long)buffer), WRITTEN(4)},
    {.index = 1, CALL(getresgid, "result 1", (long)buffer, 0, (long)buffer), WRITTEN(4)},
    {.index = 2, CALL(getresgid, "result 2", (long)buffer, (long)buffer, 0), WRITTEN(4)},
    {.index = 2,
     CALL(utimensat, "times", AT_FDCWD, (long)"/tmp", 0),
     READ(2 * sizeof(struct timespec), zeroes),
     OR_NULL},
    {.index = 1,
     CALL(utimes, "times", (long)"/tmp", 0),
     READ(2 * sizeof(struct timespec), zeroes),
     OR_NULL},
    {.index = 2,
     CALL(futimesat, "times", AT_FDCWD, (long)"/tmp", 0),
     READ(2 * sizeof(struct timespec), zeroes),
     OR_NULL},
    {.index = 1, CALL(utime, "times", (long)"/tmp", 0), READ(2 * sizeof(long), zeroes), OR_NULL},
    {.index = 2, CALL(fcntl, "F_SETLK", 0, F_SETLK, 0), READ(sizeof(struct flock), zeroes)},
    {.index = 1, CALL(setgroups, "groups", 4, 0), READ(4 * sizeof(int), zeroes)},
    {.index = 0, CALL(capget, "header", 0, (long)buffer), READ(8, zeroes)},
    {.index = 0, CALL(capset, "header", 0, (long)buffer), READ(8, zeroes)},

#ifdef THRUM_SOCKETS
    {.index = 3, CALL(socketpair, "descriptors", AF_UNIX, SOCK_STREAM, 0), WRITTEN(8)},
    {.index = 1,
     CALL(bind, "address", FD_SOCKET, 0, sizeof(an_address)),
     READ(sizeof(an_address), &an_address)},
    {.index = 1,
     CALL(connect, "address", FD_SOCKET, 0, sizeof(an_address)),
     READ(sizeof(an_address), &an_address)},
    {.index = 1, CALL(getsockname, "address", FD_SOCKET, 0, (long)&address_bytes), WRITTEN(2)},
    {.index = 2, CALL(getsockname, "length", FD_SOCKET, (long)socket_buffer), WRITTEN(4)},
    {.index = 1, CALL(getpeername, "address", FD_SOCKET, 0, (long)&address_bytes), WRITTEN(2)},
    {.index = 3,
     CALL(setsockopt, "value", FD_SOCKET, SOL_SOCKET, SO_PASSCRED, 0, 4),
     READ(4, no_mask)},
    {.index = 3,
     CALL(getsockopt, "value", FD_SOCKET, SOL_SOCKET, SO_TYPE, 0, (long)&option_bytes),
     WRITTEN(4)},
    {.index = 4,
     CALL(getsockopt, "length", FD_SOCKET, SOL_SOCKET, SO_TYPE, (long)socket_buffer),
     WRITTEN(4)},
    {.index = 1, CALL(sendto, "buffer", FD_SOCKET, 0, 16, MSG_DONTWAIT), READ(16, no_mask)},
    {.index = 4,
     CALL(sendto, "address", FD_SOCKET, (long)socket_buffer, 1, MSG_DONTWAIT, 0,
          sizeof(an_address)),
     READ(sizeof(an_address), &an_address),
     OR_NULL},
    {.index = 1, CALL(recvfrom, "buffer", FD_SOCKET, 0, 16, MSG_PEEK | MSG_DONTWAIT), WRITTEN(16)},
    {.index = 5,
     CALL(recvfrom, "length of the address", FD_SOCKET, (long)socket_buffer, 16,
          MSG_PEEK | MSG_DONTWAIT, (long)socket_buffer),
     WRITTEN(4)},
    {.index = 1,
     CALL(sendmsg, "header", FD_SOCKET, 0, MSG_DONTWAIT),
     READ(sizeof(struct msghdr), &no_message)},
    {.index = 1,
     CALL(recvmsg, "header", FD_SOCKET, 0, MSG_PEEK | MSG_DONTWAIT),
     WRITTEN(sizeof(struct msghdr))},
    {.index = 1,
     CALL(sendmmsg, "headers", FD_SOCKET, 0, 1, MSG_DONTWAIT),
     READ(sizeof(struct mmsghdr), &no_message)},
    {.index = 1,
     CALL(recvmmsg, "headers", FD_SOCKET, 0, 1, MSG_PEEK | MSG_DONTWAIT),
     WRITTEN(sizeof(struct mmsghdr))},
    {.index = 4,
     CALL(recvmmsg, "time-out", FD_SOCKET, 0, 0, MSG_DONTWAIT),
     READ(sizeof(struct timespec), &no_time),
     OR_NULL},
#endif
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

static bool stat_writes_no_more_than_asked(void)
{
    uint64_t words[4];

    memset(words, 0xee, sizeof(words));
    long answer = syscall6(THRUM_SYS_stat, (long)words, 2 * sizeof(uint64_t), 0, 0, 0, 0);
    return KTAP_EQUAL(answer, 0) &&
           KTAP_TRUE(words[2] == 0xeeeeeeeeeeeeeeee && words[3] == 0xeeeeeeeeeeeeeeee);
}

static int exit_at_once(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static bool wait4_with_a_bad_status_pointer_is_efault(void)
{
    pid_t child = ktap_spawn_role("exit-at-once", NULL);
    bool is_right =
        KTAP_TRUE(child > 0) &&
        KTAP_EQUAL(syscall6(__NR_wait4, child, (long)KERNEL_IMAGE, 0, 0, 0, 0), -EFAULT);

    /* Whether the child has been reaped is left open, as in Linux's manual. */
    waitpid(child, NULL, 0);
    return is_right;
}

static void try_addresses_of_the_kernel(void)
{
    for (size_t i = 0; i < KTAP_LEN(pointer_arguments); i++)
        if (pointer_arguments[i].number != __NR_write)
            is_efault(&pointer_arguments[i], WILD_KERNEL_IMAGE);
}

static bool nothing_is_left_behind(void)
{
    return ktap_leaves_nothing(try_addresses_of_the_kernel);
}

static const struct ktap_test tests[] = {
    {"stat writes no more than the program asked for", stat_writes_no_more_than_asked},
    {"wait4 with a status pointer into the kernel is EFAULT",
     wait4_with_a_bad_status_pointer_is_efault},
    {"calls with wild pointers leave nothing behind", nothing_is_left_behind},
};

static const struct ktap_role roles[] = {
    {"exit-at-once", exit_at_once},
};

/* An epoll that has something to tell. */
static void open_files(void)
{
    struct epoll_event event = {0}, writable = {.events = EPOLLOUT};
    int pipe_ends[2];

    dup2(epoll_create1(0), FD_EPOLL);
    dup2(timerfd_create(CLOCK_MONOTONIC, 0), FD_TIMER);
    dup2(eventfd(0, 0), FD_EVENT);
    dup2(open("/dev/ptmx", O_RDWR | O_NOCTTY), FD_PTY);
    dup2(open("/test/t_pointers", O_RDONLY), FD_FILE);
    dup2((int)syscall6(__NR_signalfd4, -1, (long)zeroes, 8, 0, 0, 0), FD_SIGNALS);
    dup2((int)syscall6(__NR_inotify_init1, 0, 0, 0, 0, 0, 0), FD_INOTIFY);
    if (pipe(pipe_ends) == 0)
        dup2(pipe_ends[1], FD_PIPE);
    epoll_ctl(FD_EPOLL, EPOLL_CTL_ADD, FD_TIMER, &event);
    epoll_ctl(FD_EPOLL, EPOLL_CTL_ADD, FD_EVENT, &writable);
#ifdef THRUM_SOCKETS
    int pair[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    dup2(pair[0], FD_SOCKET);
    dup2(pair[1], FD_PEER);
    write(FD_PEER, socket_buffer, sizeof(socket_buffer));
#endif
}

/* Timer 0. */
static void make_timer(void)
{
    int id;

    syscall6(__NR_timer_create, CLOCK_MONOTONIC, 0, (long)&id, 0, 0, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    open_files();
    make_timer();
    last_page = mmap((void *)LAST_PAGE, PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    read_only_page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ktap_start(check_pointer_arguments(true) + KTAP_LEN(tests));
    check_pointer_arguments(false);
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
