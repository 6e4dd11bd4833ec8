/* epoll: what is told and how often, who is woken, epolls in epolls, and files that close. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define CAPACITY    65536
#define BAD_POINTER ((void *)0xffffffff80000000ul)
#define MSEC        1000000l

static int ends[2], epoll;
static char buffer[CAPACITY];

static bool begin(void)
{
    epoll = epoll_create1(0);
    return KTAP_TRUE(epoll >= 0) && KTAP_EQUAL(pipe2(ends, O_NONBLOCK), 0);
}

static bool end(void)
{
    bool is_right = KTAP_EQUAL(close(epoll), 0);

    close(ends[0]);
    close(ends[1]);
    return is_right;
}

static int control(int set, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = (uint64_t)fd << 32 | 5};

    return epoll_ctl(set, operation, fd, &event);
}

/* The events of the one descriptor that is told; 0: none; -n: n of them, or the wrong one. */
static int told(int set, int fd)
{
    struct epoll_event events[4];
    int nr = epoll_wait(set, events, 4, 0);

    if (nr == 0)
        return 0;
    return nr == 1 && events[0].data == ((uint64_t)fd << 32 | 5) ? (int)events[0].events : -1 - nr;
}

static bool levels_are_told_while_they_last(void)
{
    return begin() && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
           KTAP_EQUAL(told(epoll, ends[0]), 0) && KTAP_EQUAL(write(ends[1], "ab", 2), 2) &&
           KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) && KTAP_EQUAL(read(ends[0], buffer, 1), 1) &&
           KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) && KTAP_EQUAL(read(ends[0], buffer, 1), 1) &&
           KTAP_EQUAL(told(epoll, ends[0]), 0) && KTAP_EQUAL(told(epoll, ends[0]), 0) && end();
}

static bool edges_are_told_once(void)
{
    return begin() && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET), 0) &&
           KTAP_EQUAL(told(epoll, ends[0]), 0) && KTAP_EQUAL(write(ends[1], "ab", 2), 2) &&
           KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) && KTAP_EQUAL(told(epoll, ends[0]), 0) &&
           KTAP_EQUAL(read(ends[0], buffer, 1), 1) && KTAP_EQUAL(told(epoll, ends[0]), 0) &&
           KTAP_EQUAL(write(ends[1], "c", 1), 1) && KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) &&
           KTAP_EQUAL(told(epoll, ends[0]), 0) && end();
}

static bool one_shots_are_told_until_rearmed(void)
{
    const uint32_t shot = EPOLLIN | EPOLLONESHOT;

    return begin() && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], shot), 0) &&
           KTAP_EQUAL(write(ends[1], "a", 1), 1) && KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) &&
           KTAP_EQUAL(told(epoll, ends[0]), 0) && KTAP_EQUAL(write(ends[1], "b", 1), 1) &&
           KTAP_EQUAL(told(epoll, ends[0]), 0) &&
           KTAP_EQUAL(control(epoll, EPOLL_CTL_MOD, ends[0], shot), 0) &&
           KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) && KTAP_EQUAL(told(epoll, ends[0]), 0) &&
           end();
}

static bool what_is_ready_when_added_is_told(void)
{
    return begin() && KTAP_EQUAL(write(ends[1], "a", 1), 1) &&
           KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET), 0) &&
           KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) &&
           KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[1], EPOLLOUT | EPOLLET), 0) &&
           KTAP_EQUAL(told(epoll, ends[1]), EPOLLOUT) && KTAP_EQUAL(told(epoll, ends[1]), 0) &&
           KTAP_EQUAL(control(epoll, EPOLL_CTL_MOD, ends[1], EPOLLOUT | EPOLLET), 0) &&
           KTAP_EQUAL(told(epoll, ends[1]), EPOLLOUT) && end();
}

static bool hang_ups_are_told_unasked(void)
{
    bool is_right = begin() && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], 0), 0) &&
                    KTAP_EQUAL(told(epoll, ends[0]), 0);

    close(ends[1]);
    is_right = is_right && KTAP_EQUAL(told(epoll, ends[0]), EPOLLHUP);
    close(ends[0]);
    pipe(ends);
    close(ends[0]);
    return is_right && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[1], EPOLLIN), 0) &&
           KTAP_EQUAL(told(epoll, ends[1]), EPOLLERR) && KTAP_EQUAL(close(epoll), 0) &&
           KTAP_EQUAL(close(ends[1]), 0);
}

static bool items_are_removed(void)
{
    return begin() && KTAP_EQUAL(write(ends[1], "a", 1), 1) &&
           KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
           KTAP_EQUAL(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL), 0) &&
           KTAP_EQUAL(told(epoll, ends[0]), 0) &&
           FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL), ENOENT) &&
           KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
           KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) && end();
}

/* A descriptor's item lives as long as its file, whatever becomes of the number. */
static bool closing_the_file_removes_it(void)
{
    if (!begin() || !KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0))
        return false;
    int copy = dup(ends[0]), old = ends[0];

    write(ends[1], "a", 1);
    close(old);
    bool is_right = KTAP_EQUAL(told(epoll, old), EPOLLIN) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, old, NULL), EBADF);
    close(copy);
    is_right = KTAP_EQUAL(told(epoll, old), 0) && is_right;
    close(ends[1]);
    pipe(ends);
    return is_right && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) && end();
}

static bool copies_are_items_of_their_own(void)
{
    struct epoll_event events[4];

    if (!begin())
        return false;
    int copy = dup(ends[0]);
    bool is_right = KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
                    KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, copy, EPOLLIN), 0) &&
                    KTAP_EQUAL(write(ends[1], "a", 1), 1) &&
                    KTAP_EQUAL(epoll_wait(epoll, events, 4, -1), 2) &&
                    KTAP_EQUAL(epoll_wait(epoll, events, 1, -1), 1);
    close(copy);
    return is_right && end();
}

static bool all_get_their_turn(void)
{
    struct epoll_event event;
    unsigned seen = 0;
    int pipes[8][2];

    if (!begin())
        return false;
    for (int i = 0; i < 8; i++) {
        pipe(pipes[i]);
        write(pipes[i][1], "x", 1);
        event = (struct epoll_event){.events = EPOLLIN, .data = (uint64_t)i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[i][0], &event);
    }
    for (int i = 0; i < 8; i++)
        seen |= epoll_wait(epoll, &event, 1, -1) == 1 ? 1u << event.data : 0;
    for (int i = 0; i < 8; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    return KTAP_EQUAL(seen, 0xff) && KTAP_EQUAL(epoll_wait(epoll, &event, 1, 0), 0) && end();
}

static bool calls_say_why(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int file = open("/t_epoll", O_CREAT | O_RDWR, 0644);

    if (!begin())
        return false;
    bool is_right = FAILS(epoll_create(0), EINVAL) && FAILS(epoll_create(-1), EINVAL) &&
                    FAILS(epoll_create1(1), EINVAL) &&
                    FAILS(epoll_ctl(99, EPOLL_CTL_ADD, 0, &event), EBADF) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, 99, &event), EBADF) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], BAD_POINTER), EFAULT) &&
                    FAILS(epoll_ctl(ends[1], EPOLL_CTL_ADD, ends[0], &event), EINVAL) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event), EINVAL) &&
                    FAILS(epoll_ctl(epoll, 4, ends[0], &event), EINVAL) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event), EPERM) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event), ENOENT) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], &event), ENOENT) &&
                    KTAP_EQUAL(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0) &&
                    FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), EEXIST);
    close(file);
    return is_right && end();
}

static bool waits_say_why(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct stat stat;

    return begin() && KTAP_EQUAL(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0) &&
           FAILS(epoll_wait(99, &event, 1, 0), EBADF) &&
           FAILS(epoll_wait(ends[0], &event, 1, 0), EINVAL) &&
           FAILS(epoll_wait(epoll, &event, 0, 0), EINVAL) &&
           FAILS(epoll_wait(epoll, &event, -1, 0), EINVAL) &&
           FAILS(epoll_wait(epoll, &event, 0x7fffffff, 0), EINVAL) &&
           KTAP_EQUAL(write(ends[1], "a", 1), 1) &&
           FAILS(epoll_wait(epoll, BAD_POINTER, 1, 0), EFAULT) &&
           KTAP_EQUAL(epoll_wait(epoll, &event, 1, 0), 1) &&
           FAILS(read(epoll, buffer, 1), EINVAL) && FAILS(write(epoll, buffer, 1), EINVAL) &&
           FAILS(lseek(epoll, 0, SEEK_SET), ESPIPE) && KTAP_EQUAL(fstat(epoll, &stat), 0) &&
           KTAP_EQUAL(stat.st_mode, 0600) && end();
}

static long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 * MSEC + now.tv_nsec;
}

static bool timeouts_are_not_early(void)
{
    struct timespec time = {0, 25 * MSEC}, wrong = {0, -1};
    struct epoll_event event;
    long since;

    if (!begin() || !KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0))
        return false;
    since = now_ns();
    if (!KTAP_EQUAL(epoll_wait(epoll, &event, 1, 25), 0) ||
        !KTAP_TRUE(now_ns() - since >= 25 * MSEC))
        return false;
    since = now_ns();
    return KTAP_EQUAL(syscall(__NR_epoll_pwait2, epoll, &event, 1, &time, NULL, 8), 0) &&
           KTAP_TRUE(now_ns() - since >= 25 * MSEC) &&
           FAILS((int)syscall(__NR_epoll_pwait2, epoll, &event, 1, &wrong, NULL, 8), EINVAL) &&
           FAILS((int)syscall(__NR_epoll_pwait2, epoll, &event, 1, BAD_POINTER, NULL, 8), EFAULT) &&
           end();
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static atomic_int nr_woken;

static void *wait_once(void *arg)
{
    struct epoll_event event;
    int nr = epoll_wait((int)(long)arg, &event, 1, -1);

    atomic_fetch_add(&nr_woken, 1);
    return (void *)(long)nr;
}

static bool as_many_woken(void *arg)
{
    return atomic_load(&nr_woken) >= *(int *)arg;
}

static void wait_a_little(void)
{
    struct timespec time = {0, 30 * MSEC};

    nanosleep(&time, NULL);
}

/* Every byte is one edge, and wakes one of those who wait. */
static bool an_edge_wakes_one(void)
{
    thread_t lwp[5];
    bool is_right = begin();
    int wanted;

    control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET);
    nr_woken = 0;
    for (size_t i = 0; i < KTAP_LEN(lwp); i++) {
        thread_create(&lwp[i], wait_once, (void *)(long)epoll);
        comes_to_wait(lwp[i]);
    }
    for (wanted = 1; wanted <= 5; wanted++) {
        write(ends[1], "x", 1);
        is_right = KTAP_TRUE(ktap_wait_for(as_many_woken, &wanted)) && is_right;
        wait_a_little();
        is_right = KTAP_EQUAL(nr_woken, wanted) && is_right;
    }
    for (size_t i = 0; i < KTAP_LEN(lwp); i++)
        thread_join(lwp[i], NULL);
    return is_right && end();
}

static bool a_level_wakes_all_in_turn(void)
{
    thread_t lwp[5];
    bool is_right = begin();
    void *result;

    control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN);
    for (size_t i = 0; i < KTAP_LEN(lwp); i++) {
        thread_create(&lwp[i], wait_once, (void *)(long)epoll);
        comes_to_wait(lwp[i]);
    }
    write(ends[1], "x", 1);
    for (size_t i = 0; i < KTAP_LEN(lwp); i++) {
        thread_join(lwp[i], &result);
        is_right = KTAP_EQUAL((long)result, 1) && is_right;
    }
    return is_right && end();
}

static bool exclusive_epolls_are_woken_one_by_one(void)
{
    thread_t lwp[4];
    int sets[4];
    bool is_right = begin();
    int wanted;

    nr_woken = 0;
    for (int i = 0; i < 4; i++) {
        sets[i] = epoll_create1(EPOLL_CLOEXEC);
        is_right =
            KTAP_EQUAL(control(sets[i], EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET | EPOLLEXCLUSIVE),
                       0) &&
            is_right;
        thread_create(&lwp[i], wait_once, (void *)(long)sets[i]);
        comes_to_wait(lwp[i]);
    }
    for (wanted = 1; wanted <= 4; wanted++) {
        write(ends[1], "x", 1);
        is_right = KTAP_TRUE(ktap_wait_for(as_many_woken, &wanted)) && is_right;
        wait_a_little();
        is_right = KTAP_EQUAL(nr_woken, wanted) && is_right;
    }
    is_right = FAILS(control(sets[0], EPOLL_CTL_MOD, ends[0], EPOLLIN), EINVAL) && is_right;
    is_right =
        FAILS(control(sets[0], EPOLL_CTL_ADD, epoll, EPOLLIN | EPOLLEXCLUSIVE), EINVAL) && is_right;
    is_right =
        FAILS(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLONESHOT | EPOLLEXCLUSIVE), EINVAL) &&
        is_right;
    is_right = KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
               FAILS(control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLEXCLUSIVE), EINVAL) &&
               is_right;
    for (int i = 0; i < 4; i++) {
        thread_join(lwp[i], NULL);
        close(sets[i]);
    }
    return is_right && end();
}

static bool what_is_added_wakes_who_waits(void)
{
    thread_t lwp;
    void *result;

    if (!begin())
        return false;
    write(ends[1], "x", 1);
    thread_create(&lwp, wait_once, (void *)(long)epoll);
    comes_to_wait(lwp);
    control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN);
    thread_join(lwp, &result);
    return KTAP_EQUAL((long)result, 1) && end();
}

/* ---- Epolls in epolls ----------------------------------------------------------------------- */

static int events_of(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLOUT};

    return poll(&polled, 1, 0) < 0 ? -1 : polled.revents;
}

static bool an_epoll_can_be_watched(void)
{
    thread_t lwp;
    void *result;
    int outer = epoll_create(1);
    bool is_right = begin() && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
                    KTAP_EQUAL(control(outer, EPOLL_CTL_ADD, epoll, EPOLLIN), 0) &&
                    KTAP_EQUAL(events_of(outer), 0) && KTAP_EQUAL(told(outer, epoll), 0);

    thread_create(&lwp, wait_once, (void *)(long)outer);
    comes_to_wait(lwp);
    write(ends[1], "x", 1);
    thread_join(lwp, &result);
    is_right = KTAP_EQUAL((long)result, 1) && KTAP_EQUAL(events_of(epoll), POLLIN) &&
               KTAP_EQUAL(events_of(outer), POLLIN) && KTAP_EQUAL(told(outer, epoll), EPOLLIN) &&
               KTAP_EQUAL(told(epoll, ends[0]), EPOLLIN) && is_right;
    read(ends[0], buffer, 1);
    is_right = KTAP_EQUAL(told(outer, epoll), 0) && KTAP_EQUAL(events_of(epoll), 0) &&
               KTAP_EQUAL(events_of(outer), 0) && is_right;
    /* An edge of the inner one is one for the outer one, too. */
    is_right = KTAP_EQUAL(control(outer, EPOLL_CTL_MOD, epoll, EPOLLIN | EPOLLET), 0) &&
               KTAP_EQUAL(write(ends[1], "x", 1), 1) && KTAP_EQUAL(told(outer, epoll), EPOLLIN) &&
               KTAP_EQUAL(told(outer, epoll), 0) && KTAP_EQUAL(write(ends[1], "x", 1), 1) &&
               KTAP_EQUAL(told(outer, epoll), EPOLLIN) && is_right;
    close(outer);
    return is_right && end();
}

static void *poll_once(void *arg)
{
    struct pollfd polled = {.fd = (int)(long)arg, .events = POLLIN};

    return (void *)(long)poll(&polled, 1, -1);
}

/* Whoever sleeps in poll() on an epoll, also one in another, is woken. */
static bool a_sleeper_in_poll_is_woken(void)
{
    int outer = epoll_create(1);
    bool is_right = begin() && KTAP_EQUAL(control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
                    KTAP_EQUAL(control(outer, EPOLL_CTL_ADD, epoll, EPOLLIN), 0);

    for (int i = 0; i < 2 && is_right; i++) {
        thread_t lwp;
        void *result = NULL;

        thread_create(&lwp, poll_once, (void *)(long)(i == 0 ? epoll : outer));
        comes_to_wait(lwp);
        write(ends[1], "x", 1);
        thread_join(lwp, &result);
        is_right = KTAP_EQUAL((long)result, 1) && KTAP_EQUAL(read(ends[0], buffer, 1), 1);
    }
    close(outer);
    return is_right && end();
}

static bool circles_are_refused(void)
{
    int sets[3];
    bool is_right = true;

    for (int i = 0; i < 3; i++)
        sets[i] = epoll_create1(0);
    is_right = KTAP_EQUAL(control(sets[0], EPOLL_CTL_ADD, sets[1], EPOLLIN), 0) &&
               KTAP_EQUAL(control(sets[1], EPOLL_CTL_ADD, sets[2], EPOLLIN), 0) &&
               FAILS(control(sets[1], EPOLL_CTL_ADD, sets[0], EPOLLIN), ELOOP) &&
               FAILS(control(sets[2], EPOLL_CTL_ADD, sets[0], EPOLLIN), ELOOP) &&
               KTAP_EQUAL(control(sets[0], EPOLL_CTL_ADD, sets[2], EPOLLIN), 0) &&
               KTAP_EQUAL(epoll_ctl(sets[1], EPOLL_CTL_DEL, sets[2], NULL), 0) &&
               KTAP_EQUAL(control(sets[2], EPOLL_CTL_ADD, sets[1], EPOLLIN), 0);
    for (int i = 0; i < 3; i++)
        close(sets[i]);
    return is_right;
}

/* Five are a chain; a sixth is refused at either end, and where two chains would meet. */
static bool long_chains_are_refused(void)
{
    int sets[8];
    bool is_right = begin();

    for (int i = 0; i < 8; i++)
        sets[i] = epoll_create1(0);
    for (int i = 0; i < 4; i++)
        is_right = KTAP_EQUAL(control(sets[i], EPOLL_CTL_ADD, sets[i + 1], EPOLLIN), 0) && is_right;
    is_right = FAILS(control(sets[4], EPOLL_CTL_ADD, sets[5], EPOLLIN), ELOOP) &&
               FAILS(control(sets[5], EPOLL_CTL_ADD, sets[0], EPOLLIN), ELOOP) &&
               KTAP_EQUAL(control(sets[6], EPOLL_CTL_ADD, sets[7], EPOLLIN), 0) &&
               FAILS(control(sets[3], EPOLL_CTL_ADD, sets[6], EPOLLIN), ELOOP) &&
               KTAP_EQUAL(control(sets[2], EPOLL_CTL_ADD, sets[6], EPOLLIN), 0) && is_right;
    is_right = KTAP_EQUAL(control(sets[4], EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
               KTAP_EQUAL(control(sets[7], EPOLL_CTL_ADD, ends[0], EPOLLIN), 0) &&
               KTAP_EQUAL(write(ends[1], "x", 1), 1) && KTAP_EQUAL(events_of(sets[0]), POLLIN) &&
               KTAP_EQUAL(told(sets[0], sets[1]), EPOLLIN) && is_right;
    for (int i = 0; i < 8; i++)
        close(sets[i]);
    return is_right && end();
}

/* ---- Many at once --------------------------------------------------------------------------- */

#define NR_PIPES 8

static int pipes[NR_PIPES][2];
static _Atomic long nr_read, nr_wrong;
static size_t nr_rounds;

static void *write_rounds(void *arg)
{
    uintptr_t first = (uintptr_t)arg;

    for (size_t round = 0; round < nr_rounds; round++) {
        if (write(pipes[(first + round) % NR_PIPES][1], "x", 1) != 1)
            nr_wrong++;
    }
    return NULL;
}

/* With one-shot edges: until everything has been read. */
static void *collect_rounds(void *arg)
{
    struct epoll_event events[3];
    char bytes[16];

    for (;;) {
        int nr = epoll_wait(epoll, events, 3, -1);

        if (nr < 0)
            nr_wrong++;
        for (int i = 0; i < nr; i++) {
            int fd = (int)(events[i].data >> 32);
            ssize_t got;

            if (events[i].data == UINT64_MAX)
                return arg;
            while ((got = read(fd, bytes, sizeof(bytes))) > 0)
                atomic_fetch_add(&nr_read, got);
            if (control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET | EPOLLONESHOT) != 0)
                nr_wrong++;
        }
    }
}

static bool all_is_read(void *arg)
{
    (void)arg;
    return atomic_load(&nr_read) == 3 * (long)nr_rounds;
}

static bool no_event_is_lost(void)
{
    struct epoll_event stop = {.events = EPOLLIN, .data = UINT64_MAX};
    thread_t writer[3], collector[4];
    bool is_right = begin();

    nr_rounds = ktap_times(5000);
    nr_read = nr_wrong = 0;
    for (int i = 0; i < NR_PIPES; i++) {
        pipe2(pipes[i], O_NONBLOCK);
        fcntl(pipes[i][1], F_SETFL, 0l);
        control(epoll, EPOLL_CTL_ADD, pipes[i][0], EPOLLIN | EPOLLET | EPOLLONESHOT);
    }
    for (uintptr_t i = 0; i < 4; i++)
        thread_create(&collector[i], collect_rounds, NULL);
    for (uintptr_t i = 0; i < 3; i++)
        thread_create(&writer[i], write_rounds, (void *)i);
    for (int i = 0; i < 3; i++)
        thread_join(writer[i], NULL);
    is_right = KTAP_TRUE(ktap_wait_for(all_is_read, NULL)) && is_right;
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &stop);
    write(ends[1], "x", 1);
    for (int i = 0; i < 4; i++)
        thread_join(collector[i], NULL);
    for (int i = 0; i < NR_PIPES; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    return KTAP_EQUAL(nr_wrong, 0) && is_right && end();
}

static atomic_bool is_over;

static void *collect_until_over(void *arg)
{
    struct epoll_event events[4];

    while (!atomic_load(&is_over)) {
        if (epoll_wait((int)(long)arg, events, 4, 1) < 0)
            nr_wrong++;
    }
    return NULL;
}

static void *make_files(void *arg)
{
    for (size_t round = 0; round < nr_rounds; round++) {
        int fds[2];

        pipe(fds);
        if (control((int)(long)arg, EPOLL_CTL_ADD, fds[0], EPOLLIN) != 0 ||
            control(epoll, EPOLL_CTL_ADD, fds[0], EPOLLIN | EPOLLET) != 0)
            nr_wrong++;
        write(fds[1], "x", 1);
        close(fds[round % 2]);
        close(fds[(round + 1) % 2]);
    }
    return NULL;
}

static void *make_epolls(void *arg)
{
    for (size_t round = 0; round < nr_rounds; round++) {
        int set = epoll_create1(0);

        if (control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN) != 0 ||
            control((int)(long)arg, EPOLL_CTL_ADD, set, EPOLLIN) != 0)
            nr_wrong++;
        close(set);
    }
    return NULL;
}

/* Files and epolls close while their events are collected. */
static bool files_may_close_at_any_time(void)
{
    thread_t collector[2], maker[4];
    int other = epoll_create1(0);
    bool is_right = begin();

    nr_rounds = ktap_times(2000);
    nr_wrong = 0;
    is_over = false;
    write(ends[1], "x", 1);
    thread_create(&collector[0], collect_until_over, (void *)(long)epoll);
    thread_create(&collector[1], collect_until_over, (void *)(long)other);
    for (int i = 0; i < 4; i++)
        thread_create(&maker[i], i % 2 == 0 ? make_files : make_epolls, (void *)(long)other);
    for (int i = 0; i < 4; i++)
        thread_join(maker[i], NULL);
    is_over = true;
    for (int i = 0; i < 2; i++)
        thread_join(collector[i], NULL);
    close(other);
    return KTAP_EQUAL(nr_wrong, 0) && is_right && end();
}

static int exit_while_waiting(int argc, char **argv)
{
    thread_t lwp;

    (void)argc, (void)argv;
    begin();
    for (int i = 0; i < 3; i++) {
        thread_create(&lwp, wait_once, (void *)(long)epoll);
        comes_to_wait(lwp);
    }
    return 3;
}

static bool who_waits_ends_with_the_process(void)
{
    return KTAP_ROLE_EXITS("exit-while-waiting", 3);
}

static void begin_and_end(void)
{
    for (int i = 0; i < 20; i++) {
        begin();
        control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN);
        control(epoll, EPOLL_CTL_ADD, ends[1], EPOLLOUT);
        if (i % 2 == 0) {
            close(ends[0]);
            close(ends[1]);
        }
        end();
    }
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(begin_and_end);
}

static const struct ktap_test tests[] = {
    {"a level is told as long as it lasts", levels_are_told_while_they_last},
    {"an edge is told once", edges_are_told_once},
    {"a one-shot item is told once until it is armed again", one_shots_are_told_until_rearmed},
    {"what is ready when it is added or changed is told", what_is_ready_when_added_is_told},
    {"hang-ups and errors are told unasked", hang_ups_are_told_unasked},
    {"what is removed is not told any more", items_are_removed},
    {"the end of a file removes its items, the end of a descriptor does not",
     closing_the_file_removes_it},
    {"copies of a descriptor are items of their own", copies_are_items_of_their_own},
    {"eight that are ready get their turn one after the other", all_get_their_turn},
    {"epoll_create and epoll_ctl say why they fail", calls_say_why},
    {"epoll_wait and what is no call of epolls say why they fail", waits_say_why},
    {"no time-out ends early", timeouts_are_not_early},
    {"an edge wakes one of five who wait", an_edge_wakes_one},
    {"a level wakes all who wait, one after the other", a_level_wakes_all_in_turn},
    {"of exclusive epolls one is woken", exclusive_epolls_are_woken_one_by_one},
    {"what is added ready wakes who waits", what_is_added_wakes_who_waits},
    {"an epoll can be in an epoll", an_epoll_can_be_watched},
    {"who sleeps in poll() on an epoll is woken", a_sleeper_in_poll_is_woken},
    {"circles of epolls are ELOOP", circles_are_refused},
    {"chains of more than five epolls are ELOOP", long_chains_are_refused},
    {"four collectors of one-shot edges miss nothing", no_event_is_lost},
    {"files and epolls close while events are collected", files_may_close_at_any_time},
    {"LWPs that wait end with their process", who_waits_ends_with_the_process},
    {"memory comes back", memory_comes_back},
};

static const struct ktap_role roles[] = {{"exit-while-waiting", exit_while_waiting}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
