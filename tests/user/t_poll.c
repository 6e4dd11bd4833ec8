/* poll(), select() and their kin: what pipes and files tell, waiting, time-outs, and many at once.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define CAPACITY    65536
#define PIPE_BUF    4096
#define BAD_POINTER ((void *)0xffffffff80000000ul)
#define MSEC        1000000l

#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)
#define ALL (IN | OUT | POLLPRI | POLLRDHUP)

static int ends[2];
static char buffer[CAPACITY];

static bool close_both(void)
{
    return KTAP_EQUAL(close(ends[0]), 0) && KTAP_EQUAL(close(ends[1]), 0);
}

/* The events of one descriptor now. */
static int events_of(int fd)
{
    struct pollfd polled = {.fd = fd, .events = ALL, .revents = -1};
    int nr = poll(&polled, 1, 0);

    return nr == (polled.revents != 0) ? polled.revents : -1000 - nr;
}

static long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 * MSEC + now.tv_nsec;
}

static bool pipes_tell_what_can_be_done(void)
{
    pipe2(ends, O_NONBLOCK);
    if (!KTAP_EQUAL(events_of(ends[0]), 0) || !KTAP_EQUAL(events_of(ends[1]), OUT))
        return false;
    write(ends[1], buffer, 1);
    if (!KTAP_EQUAL(events_of(ends[0]), IN))
        return false;
    write(ends[1], buffer, CAPACITY - PIPE_BUF - 1);
    if (!KTAP_EQUAL(events_of(ends[1]), OUT))
        return false;
    write(ends[1], buffer, 1);
    return KTAP_EQUAL(events_of(ends[1]), 0) && KTAP_EQUAL(read(ends[0], buffer, 1), 1) &&
           KTAP_EQUAL(events_of(ends[1]), OUT) && close_both();
}

static bool closed_ends_are_told(void)
{
    pipe(ends);
    write(ends[1], buffer, 1);
    close(ends[1]);
    if (!KTAP_EQUAL(events_of(ends[0]), IN | POLLHUP))
        return false;
    read(ends[0], buffer, 1);
    if (!KTAP_EQUAL(events_of(ends[0]), POLLHUP))
        return false;
    close(ends[0]);
    pipe(ends);
    close(ends[0]);
    return KTAP_EQUAL(events_of(ends[1]), OUT | POLLERR) && KTAP_EQUAL(close(ends[1]), 0);
}

static bool files_are_always_ready(void)
{
    int fd = open("/tmp/t_poll", O_CREAT | O_RDWR, 0644);

    if (fd < 0)
        fd = open("/t_poll", O_CREAT | O_RDWR, 0644);
    return KTAP_TRUE(fd >= 0) && KTAP_EQUAL(events_of(fd), IN | OUT) && KTAP_EQUAL(close(fd), 0);
}

static bool only_what_is_asked_is_told(void)
{
    struct pollfd polled[4];

    pipe(ends);
    write(ends[1], buffer, 1);
    polled[0] = (struct pollfd){.fd = ends[0], .events = POLLIN, .revents = -1};
    polled[1] = (struct pollfd){.fd = ends[1], .events = POLLPRI, .revents = -1};
    polled[2] = (struct pollfd){.fd = -1, .events = ALL, .revents = -1};
    polled[3] = (struct pollfd){.fd = ends[1], .events = POLLWRNORM, .revents = -1};
    return KTAP_EQUAL(poll(polled, 4, -1), 2) && KTAP_EQUAL(polled[0].revents, POLLIN) &&
           KTAP_EQUAL(polled[1].revents, 0) && KTAP_EQUAL(polled[2].revents, 0) &&
           KTAP_EQUAL(polled[3].revents, POLLWRNORM) && KTAP_EQUAL(polled[3].events, POLLWRNORM) &&
           close_both();
}

static bool closed_descriptors_are_told(void)
{
    struct pollfd polled[2] = {{.fd = 99, .events = 0}, {.fd = 1000000, .events = POLLIN}};

    return KTAP_EQUAL(poll(polled, 2, -1), 2) && KTAP_EQUAL(polled[0].revents, POLLNVAL) &&
           KTAP_EQUAL(polled[1].revents, POLLNVAL);
}

static bool poll_says_why(void)
{
    struct timespec wrong[] = {{-1, 0}, {0, -1}, {0, 1000 * MSEC}};
    struct pollfd polled = {.fd = 1};
    bool is_right = FAILS(poll(BAD_POINTER, 1, 0), EFAULT) &&
                    FAILS(poll(&polled, 1025, 0), EINVAL) &&
                    FAILS(poll(&polled, 1ul << 31, 0), EINVAL);

    for (size_t i = 0; i < KTAP_LEN(wrong); i++)
        is_right = FAILS(ppoll(&polled, 1, &wrong[i], NULL), EINVAL) && is_right;
    return is_right && KTAP_EQUAL(poll(NULL, 0, 0), 0);
}

/* How long a call took, and that it was not less than `least_ms`. */
static bool took(long since_ns, long least_ms)
{
    long ms = (now_ns() - since_ns) / MSEC;

    if (ms < least_ms)
        ktap_diag("after %ld ms", ms);
    return KTAP_TRUE(ms >= least_ms);
}

static bool timeouts_are_not_early(void)
{
    struct timespec time = {0, 25 * MSEC};
    struct timeval tv = {0, 25000};
    fd_set set;
    long since;

    pipe(ends);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct pollfd polled = {.fd = ends[0], .events = POLLIN, .revents = -1};
    since = now_ns();
    if (!KTAP_EQUAL(poll(&polled, 1, 25), 0) || !took(since, 25) || !KTAP_EQUAL(polled.revents, 0))
        return false;
    since = now_ns();
    if (!KTAP_EQUAL(poll(NULL, 0, 25), 0) || !took(since, 25))
        return false;
    since = now_ns();
    if (!KTAP_EQUAL(ppoll(&polled, 1, &time, NULL), 0) || !took(since, 25))
        return false;
    since = now_ns();
    return KTAP_EQUAL(select(ends[0] + 1, &set, NULL, NULL, &tv), 0) && took(since, 25) &&
           KTAP_EQUAL(FD_ISSET(ends[0], &set), 0) && close_both();
}

static bool the_rest_of_the_time_is_told(void)
{
    struct timespec time = {1000, 0};
    struct timeval tv = {999, 1000000};
    fd_set set;

    pipe(ends);
    FD_ZERO(&set);
    FD_SET(ends[1], &set);
    struct pollfd polled = {.fd = ends[1], .events = POLLOUT};
    long nr = syscall(__NR_ppoll, &polled, 1, &time, NULL, 8);
    return KTAP_EQUAL(nr, 1) && KTAP_TRUE(time.tv_sec < 1000 && time.tv_sec > 900) &&
           KTAP_EQUAL(select(ends[1] + 1, NULL, &set, NULL, &tv), 1) &&
           KTAP_TRUE(tv.tv_sec < 1000 && tv.tv_sec > 900) && close_both();
}

static bool sets_keep_what_is_ready(void)
{
    struct timeval none = {0, 0};
    int other[2];
    fd_set in, out, except;

    pipe(ends);
    pipe(other);
    write(ends[1], buffer, 1);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    FD_SET(other[0], &in);
    FD_ZERO(&out);
    FD_SET(other[1], &out);
    FD_SET(other[0], &out);
    FD_ZERO(&except);
    FD_SET(ends[0], &except);
    bool is_right = KTAP_EQUAL(select(other[1] + 1, &in, &out, &except, &none), 2) &&
                    KTAP_TRUE(FD_ISSET(ends[0], &in)) && KTAP_TRUE(!FD_ISSET(other[0], &in)) &&
                    KTAP_TRUE(FD_ISSET(other[1], &out)) && KTAP_TRUE(!FD_ISSET(other[0], &out)) &&
                    KTAP_TRUE(!FD_ISSET(ends[0], &except));
    close(other[0]);
    close(other[1]);
    return is_right && close_both();
}

/* The end of the other side makes a reader ready, and a writer; a hang-up alone makes no writer so.
 */
static bool sets_have_ends_that_closed(void)
{
    struct timeval none = {0, 0};
    fd_set in, out;
    int reader, writer;

    pipe(ends);
    reader = ends[0];
    close(ends[1]);
    pipe(ends);
    writer = ends[1];
    close(ends[0]);
    FD_ZERO(&in);
    FD_SET(reader, &in);
    FD_SET(writer, &in);
    FD_ZERO(&out);
    FD_SET(reader, &out);
    FD_SET(writer, &out);
    bool is_right = KTAP_EQUAL(select(16, &in, &out, NULL, &none), 3) &&
                    KTAP_TRUE(FD_ISSET(reader, &in)) && KTAP_TRUE(FD_ISSET(writer, &in)) &&
                    KTAP_TRUE(!FD_ISSET(reader, &out)) && KTAP_TRUE(FD_ISSET(writer, &out));
    close(reader);
    close(writer);
    return is_right;
}

static bool select_says_why(void)
{
    struct timeval none = {0, 0}, wrong[] = {{-1, 0}, {0, -1}};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(900, &set);
    return FAILS(select(-1, NULL, NULL, NULL, &none), EINVAL) &&
           FAILS(select(901, &set, NULL, NULL, &none), EBADF) &&
           FAILS(select(901, NULL, NULL, &set, NULL), EBADF) &&
           KTAP_EQUAL(select(900, &set, NULL, NULL, &none), 0) &&
           FAILS(select(10, BAD_POINTER, NULL, NULL, &none), EFAULT) &&
           FAILS(select(10, NULL, NULL, NULL, BAD_POINTER), EFAULT) &&
           FAILS(select(0, NULL, NULL, NULL, &wrong[0]), EINVAL) &&
           FAILS(select(0, NULL, NULL, NULL, &wrong[1]), EINVAL) &&
           KTAP_EQUAL(select(0, BAD_POINTER, NULL, NULL, &none), 0);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static void *poll_reader(void *arg)
{
    struct pollfd polled[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = -1}};
    int nr = poll(polled, 2, -1);

    (void)arg;
    return (void *)(long)(nr * 1000 + polled[0].revents);
}

static void *poll_writer(void *arg)
{
    struct pollfd polled = {.fd = ends[1], .events = POLLOUT};
    int nr = poll(&polled, 1, -1);

    (void)arg;
    return (void *)(long)(nr * 1000 + polled.revents);
}

static void *select_reader(void *arg)
{
    fd_set set;

    (void)arg;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    int nr = select(ends[0] + 1, &set, NULL, NULL, NULL);
    return (void *)(long)(nr * 1000 + FD_ISSET(ends[0], &set));
}

static bool who_waits_is_woken(void)
{
    thread_t lwp[6];
    void *result;
    bool is_right = true;

    pipe(ends);
    for (size_t i = 0; i < KTAP_LEN(lwp); i++) {
        thread_create(&lwp[i], i % 2 == 0 ? poll_reader : select_reader, NULL);
        comes_to_wait(lwp[i]);
    }
    write(ends[1], buffer, 1);
    for (size_t i = 0; i < KTAP_LEN(lwp); i++) {
        thread_join(lwp[i], &result);
        is_right = KTAP_EQUAL((long)result, 1001) && is_right; /* POLLIN, or a bit */
    }
    return is_right && close_both();
}

static bool room_wakes_a_writer(void)
{
    thread_t lwp;
    void *result;

    pipe(ends);
    write(ends[1], buffer, CAPACITY);
    thread_create(&lwp, poll_writer, NULL);
    comes_to_wait(lwp);
    read(ends[0], buffer, PIPE_BUF);
    thread_join(lwp, &result);
    return KTAP_EQUAL((long)result, 1000 + POLLOUT) && close_both();
}

static bool the_end_of_the_other_side_wakes(void)
{
    thread_t lwp;
    void *result;

    pipe(ends);
    thread_create(&lwp, poll_reader, NULL);
    comes_to_wait(lwp);
    close(ends[1]);
    thread_join(lwp, &result);
    if (!KTAP_EQUAL((long)result, 1000 + POLLHUP))
        return false;
    close(ends[0]);
    pipe(ends);
    write(ends[1], buffer, CAPACITY);
    thread_create(&lwp, poll_writer, NULL);
    comes_to_wait(lwp);
    close(ends[0]);
    thread_join(lwp, &result);
    return KTAP_EQUAL((long)result, 1000 + POLLERR) && KTAP_EQUAL(close(ends[1]), 0);
}

/* What is waited for is the file, not its number. */
static bool closing_a_polled_descriptor_disturbs_nobody(void)
{
    thread_t lwp;
    void *result;

    pipe(ends);
    thread_create(&lwp, poll_reader, NULL);
    comes_to_wait(lwp);
    close(ends[0]);
    bool is_right = KTAP_EQUAL(write(ends[1], buffer, 1), 1);
    thread_join(lwp, &result);
    return is_right && KTAP_EQUAL((long)result, 1000 + POLLIN) && KTAP_EQUAL(close(ends[1]), 0);
}

#define NR_MANY 900

static bool many_descriptors_work(void)
{
    static struct pollfd polled[NR_MANY];
    fd_set set;

    FD_ZERO(&set);
    pipe(ends);
    for (int i = 0; i < NR_MANY; i++) {
        polled[i] = (struct pollfd){.fd = dup(ends[0]), .events = POLLIN};
        FD_SET(polled[i].fd, &set);
    }
    struct timeval tv = {0, 1000};
    bool is_right = KTAP_EQUAL(poll(polled, NR_MANY, 1), 0);
    write(ends[1], buffer, 1);
    is_right = KTAP_EQUAL(poll(polled, NR_MANY, -1), NR_MANY) &&
               KTAP_EQUAL(polled[NR_MANY - 1].revents, POLLIN) &&
               KTAP_EQUAL(select(1024, &set, NULL, NULL, &tv), NR_MANY) && is_right;
    for (int i = 0; i < NR_MANY; i++)
        close(polled[i].fd);
    return is_right && close_both();
}

/* ---- Many at once --------------------------------------------------------------------------- */

#define NR_PIPES 8

static int pipes[NR_PIPES][2];
static _Atomic long nr_read;
static size_t nr_rounds;

static void *write_rounds(void *arg)
{
    uintptr_t first = (uintptr_t)arg;

    for (size_t round = 0; round < nr_rounds; round++) {
        if (write(pipes[(first + round) % NR_PIPES][1], "x", 1) != 1)
            atomic_fetch_add(&nr_read, 1000000);
    }
    return NULL;
}

/* Reads whatever there is, until every pipe is at its end. */
static void *read_rounds(void *arg)
{
    struct pollfd polled[NR_PIPES];
    int nr_left = NR_PIPES;
    char bytes[16];

    for (int i = 0; i < NR_PIPES; i++)
        polled[i] = (struct pollfd){.fd = pipes[i][0], .events = POLLIN};
    while (nr_left > 0) {
        int nr = poll(polled, NR_PIPES, -1);

        for (int i = 0; i < NR_PIPES; i++) {
            if (polled[i].revents == 0)
                continue;
            nr--;
            ssize_t got = read(polled[i].fd, bytes, sizeof(bytes));
            if (got > 0) {
                atomic_fetch_add(&nr_read, got);
            } else if (got == 0) {
                polled[i].fd = -1;
                nr_left--;
            }
        }
        if (nr != 0)
            return (void *)1;
    }
    return arg;
}

static bool no_event_is_lost(void)
{
    thread_t writer[3], reader[3];
    void *result;
    bool is_right = true;

    nr_rounds = ktap_times(6000);
    nr_read = 0;
    for (int i = 0; i < NR_PIPES; i++) {
        pipe2(pipes[i], O_NONBLOCK);
        fcntl(pipes[i][1], F_SETFL, 0l);
    }
    for (uintptr_t i = 0; i < 3; i++) {
        thread_create(&reader[i], read_rounds, NULL);
        thread_create(&writer[i], write_rounds, (void *)i);
    }
    for (int i = 0; i < 3; i++)
        thread_join(writer[i], NULL);
    for (int i = 0; i < NR_PIPES; i++)
        close(pipes[i][1]);
    for (int i = 0; i < 3; i++) {
        thread_join(reader[i], &result);
        is_right = KTAP_EQUAL((long)result, 0) && is_right;
    }
    for (int i = 0; i < NR_PIPES; i++)
        close(pipes[i][0]);
    return KTAP_EQUAL(nr_read, 3 * (long)nr_rounds) && is_right;
}

static int exit_while_polling(int argc, char **argv)
{
    thread_t lwp;

    (void)argc, (void)argv;
    pipe(ends);
    for (int i = 0; i < 4; i++) {
        thread_create(&lwp, i % 2 == 0 ? poll_reader : select_reader, NULL);
        comes_to_wait(lwp);
    }
    return 3;
}

static bool who_polls_ends_with_the_process(void)
{
    return KTAP_ROLE_EXITS("exit-while-polling", 3);
}

static void poll_for_ever(void *arg)
{
    (void)arg;
    poll(NULL, 0, -1);
}

static bool who_polls_can_be_killed(void)
{
    int status = -1;
    pid_t child = start_child(poll_for_ever, NULL);

    comes_to_wait(child);
    kill(child, SIGKILL);
    return KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_EQUAL(status, SIGKILL);
}

/* ---- Signals -------------------------------------------------------------------------------- */

static atomic_int nr_handled;

static void count(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    nr_handled++;
}

static bool is_blocked(int signal)
{
    sigset_t mask;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    return mask & signal_bit(signal);
}

/* A signal that is blocked comes through during the call only, and not if something is ready. */
static bool masks_are_for_the_call(void)
{
    sigset_t blocked = signal_bit(SIGUSR1), none = 0;
    struct timespec time = {1000, 0};
    struct epoll_event event;
    struct {
        const sigset_t *mask;
        size_t nr_bytes;
    } mask = {&none, 8};
    int epoll = epoll_create1(0);

    pipe(ends);
    nr_handled = 0;
    signal_handle(SIGUSR1, count, SA_RESTART);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    struct pollfd polled = {.fd = ends[1], .events = POLLOUT};
    raise(SIGUSR1);
    bool is_right = KTAP_EQUAL(ppoll(&polled, 1, NULL, &none), 1) && KTAP_EQUAL(nr_handled, 0);
    polled.fd = ends[0];
    is_right = FAILS(ppoll(&polled, 1, NULL, &none), EINTR) && KTAP_EQUAL(nr_handled, 1) &&
               KTAP_TRUE(is_blocked(SIGUSR1)) && is_right;
    raise(SIGUSR1);
    is_right = FAILS((int)syscall(__NR_pselect6, 0, NULL, NULL, NULL, &time, &mask), EINTR) &&
               KTAP_EQUAL(nr_handled, 2) && KTAP_TRUE(is_blocked(SIGUSR1)) && is_right;
    raise(SIGUSR1);
    is_right = FAILS((int)syscall(__NR_epoll_pwait, epoll, &event, 1, -1, &none, 8l), EINTR) &&
               KTAP_EQUAL(nr_handled, 3) && KTAP_TRUE(is_blocked(SIGUSR1)) && is_right;
    is_right = FAILS((int)syscall(__NR_ppoll, &polled, 1, &time, &none, 7l), EINVAL) &&
               KTAP_EQUAL(poll(&polled, 1, 1), 0) && is_right;
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    close(epoll);
    return close_both() && is_right;
}

static pid_t main_tid;

static void *interrupt_main(void *arg)
{
    struct timespec time = {0, 10 * MSEC};

    for (int i = 0; i < 3; i++) {
        comes_to_wait(main_tid);
        nanosleep(&time, NULL);
        syscall(__NR_tgkill, getpid(), main_tid, SIGUSR1);
    }
    return arg;
}

/* A handler ends a wait, SA_RESTART or not. */
static bool handlers_end_waits(void)
{
    struct timeval tv = {1000, 0};
    struct pollfd polled;
    thread_t lwp;
    fd_set set;

    pipe(ends);
    nr_handled = 0;
    main_tid = gettid();
    signal_handle(SIGUSR1, count, SA_RESTART);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    polled = (struct pollfd){.fd = ends[0], .events = POLLIN};
    thread_create(&lwp, interrupt_main, NULL);
    bool is_right = FAILS(poll(&polled, 1, -1), EINTR) && KTAP_EQUAL(nr_handled, 1) &&
                    FAILS(poll(&polled, 1, 1000000), EINTR) && KTAP_EQUAL(nr_handled, 2) &&
                    FAILS(select(ends[0] + 1, &set, NULL, NULL, &tv), EINTR) &&
                    KTAP_EQUAL(nr_handled, 3) && KTAP_TRUE(tv.tv_sec < 1000);
    thread_join(lwp, NULL);
    return close_both() && is_right;
}

static void poll_and_be_woken(void)
{
    many_descriptors_work();
    who_waits_is_woken();
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(poll_and_be_woken);
}

static const struct ktap_test tests[] = {
    {"poll tells when a pipe has bytes, and when it has room for PIPE_BUF",
     pipes_tell_what_can_be_done},
    {"poll tells POLLHUP of a pipe without writer, POLLERR of one without reader",
     closed_ends_are_told},
    {"a regular file is always ready", files_are_always_ready},
    {"poll tells what was asked only, and nothing of a negative descriptor",
     only_what_is_asked_is_told},
    {"poll tells POLLNVAL of a closed descriptor at once", closed_descriptors_are_told},
    {"poll says why it fails", poll_says_why},
    {"no time-out ends early", timeouts_are_not_early},
    {"ppoll and select tell what is left of the time", the_rest_of_the_time_is_told},
    {"select leaves in each set what is ready", sets_keep_what_is_ready},
    {"select knows ends that are closed", sets_have_ends_that_closed},
    {"select says why it fails", select_says_why},
    {"everybody who waits for a pipe's bytes is woken by them", who_waits_is_woken},
    {"room wakes who waits to write", room_wakes_a_writer},
    {"the end of the other side wakes who waits", the_end_of_the_other_side_wakes},
    {"closing a descriptor does not disturb who waits for its file",
     closing_a_polled_descriptor_disturbs_nobody},
    {"900 descriptors can be waited for", many_descriptors_work},
    {"three readers of eight pipes miss nothing of three writers", no_event_is_lost},
    {"LWPs that wait in poll and select end with their process", who_polls_ends_with_the_process},
    {"a process that waits in poll can be killed", who_polls_can_be_killed},
    {"ppoll, pselect6 and epoll_pwait have a mask of their own", masks_are_for_the_call},
    {"a handler ends a wait", handlers_end_waits},
    {"memory comes back", memory_comes_back},
};

static const struct ktap_role roles[] = {{"exit-while-polling", exit_while_polling}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
