/* Event counters and timers that are files. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "common.h"
#include "ktap.h"

#define BAD_POINTER ((void *)0xffffffff80000000ul)
#define MSEC        1000000l
#define SEC         1000000000l
#define COUNT_MAX   (UINT64_MAX - 1)

static int fd;

static bool add(uint64_t value)
{
    return write(fd, &value, sizeof(value)) == sizeof(value);
}

/* What is read; -errno. */
static long take(void)
{
    uint64_t value;

    return read(fd, &value, sizeof(value)) == sizeof(value) ? (long)value : -errno;
}

static int events_of(int file)
{
    struct pollfd polled = {.fd = file, .events = POLLIN | POLLOUT};

    return poll(&polled, 1, 0) < 0 ? -1 : polled.revents;
}

static bool counters_add_up(void)
{
    fd = eventfd(3, EFD_NONBLOCK);
    return KTAP_TRUE(fd >= 0) && KTAP_TRUE(add(4)) && KTAP_TRUE(add(0)) && KTAP_EQUAL(take(), 7) &&
           KTAP_EQUAL(take(), -EAGAIN) && KTAP_EQUAL(close(fd), 0);
}

static bool semaphores_give_one(void)
{
    fd = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    return KTAP_EQUAL(take(), 1) && KTAP_TRUE(add(1)) && KTAP_EQUAL(take(), 1) &&
           KTAP_EQUAL(take(), 1) && KTAP_EQUAL(take(), -EAGAIN) && KTAP_EQUAL(close(fd), 0);
}

static bool counters_do_not_overflow(void)
{
    fd = eventfd(0, EFD_NONBLOCK);
    return KTAP_EQUAL(events_of(fd), POLLOUT) && KTAP_TRUE(add(COUNT_MAX - 1)) &&
           KTAP_EQUAL(events_of(fd), POLLIN | POLLOUT) && KTAP_TRUE(!add(2)) &&
           KTAP_EQUAL(errno, EAGAIN) && KTAP_TRUE(add(1)) && KTAP_EQUAL(events_of(fd), POLLIN) &&
           KTAP_TRUE(!add(1)) && KTAP_EQUAL(errno, EAGAIN) && KTAP_TRUE(add(0)) &&
           KTAP_TRUE(!add(UINT64_MAX)) && KTAP_EQUAL(errno, EINVAL) &&
           KTAP_EQUAL(take(), (long)COUNT_MAX) && KTAP_EQUAL(events_of(fd), POLLOUT) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool counters_say_why(void)
{
    uint64_t value[2] = {1, 1};
    struct stat stat;

    fd = eventfd(1, EFD_CLOEXEC);
    return FAILS(eventfd(0, 2), EINVAL) && FAILS(read(fd, value, 7), EINVAL) &&
           FAILS(write(fd, value, 7), EINVAL) && FAILS(write(fd, BAD_POINTER, 8), EFAULT) &&
           KTAP_EQUAL(write(fd, value, 16), 8) && KTAP_EQUAL(read(fd, value, 16), 8) &&
           KTAP_EQUAL(value[0], 2) && KTAP_TRUE(add(1)) &&
           FAILS(read(fd, BAD_POINTER, 8), EFAULT) && FAILS(lseek(fd, 0, SEEK_SET), ESPIPE) &&
           KTAP_EQUAL(fcntl(fd, F_GETFD, 0l), FD_CLOEXEC) && KTAP_EQUAL(fstat(fd, &stat), 0) &&
           KTAP_EQUAL(stat.st_mode, 0600) && KTAP_EQUAL(close(fd), 0);
}

static void *take_one(void *arg)
{
    (void)arg;
    return (void *)take();
}

static void *add_two(void *arg)
{
    (void)arg;
    return (void *)(long)add(2);
}

static bool readers_and_writers_wait(void)
{
    thread_t lwp[3];
    void *result;
    bool is_right = true;

    fd = eventfd(0, EFD_SEMAPHORE);
    for (int i = 0; i < 3; i++) {
        thread_create(&lwp[i], take_one, NULL);
        comes_to_wait(lwp[i]);
    }
    add(3);
    for (int i = 0; i < 3; i++) {
        thread_join(lwp[i], &result);
        is_right = KTAP_EQUAL((long)result, 1) && is_right;
    }
    add(COUNT_MAX);
    thread_create(&lwp[0], add_two, NULL);
    comes_to_wait(lwp[0]);
    is_right = KTAP_EQUAL(take(), 1) && is_right;
    comes_to_wait(lwp[0]);
    is_right = KTAP_EQUAL(take(), 1) && is_right;
    thread_join(lwp[0], &result);
    return KTAP_EQUAL((long)result, 1) && is_right && KTAP_EQUAL(close(fd), 0);
}

static size_t nr_rounds;
static _Atomic long nr_taken;

static void *add_rounds(void *arg)
{
    for (size_t i = 0; i < nr_rounds; i++)
        add(1 + i % 3);
    return arg;
}

static void *take_rounds(void *arg)
{
    long value;

    while ((value = take()) < 1 << 30)
        atomic_fetch_add(&nr_taken, value);
    add((uint64_t)value); /* the next one's end, too */
    return arg;
}

static bool sums_are_exact(void)
{
    thread_t adder[3], taker[3];
    long sum = 0;

    nr_rounds = ktap_times(6000);
    nr_taken = 0;
    fd = eventfd(0, 0);
    for (size_t i = 0; i < nr_rounds; i++)
        sum += 3 * (1 + (long)i % 3);
    for (int i = 0; i < 3; i++) {
        thread_create(&taker[i], take_rounds, NULL);
        thread_create(&adder[i], add_rounds, NULL);
    }
    for (int i = 0; i < 3; i++)
        thread_join(adder[i], NULL);
    while (atomic_load(&nr_taken) < sum)
        yield();
    add(1 << 30);
    for (int i = 0; i < 3; i++)
        thread_join(taker[i], NULL);
    return KTAP_EQUAL(nr_taken, sum) && KTAP_EQUAL(close(fd), 0);
}

/* ---- Timers --------------------------------------------------------------------------------- */

static long now_of(int clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * SEC + now.tv_nsec;
}

static int set(int flags, long value_ns, long interval_ns)
{
    struct itimerspec time = {
        .it_value = {value_ns / SEC, value_ns % SEC},
        .it_interval = {interval_ns / SEC, interval_ns % SEC},
    };

    return timerfd_settime(fd, flags, &time, NULL);
}

static const int clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM,
                             CLOCK_BOOTTIME_ALARM};

static bool timers_expire_not_early(void)
{
    for (size_t i = 0; i < KTAP_LEN(clocks); i++) {
        int clock = i == 1 || i == 3 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        long since = now_of(clock);

        fd = timerfd_create(clocks[i], 0);
        if (!KTAP_TRUE(fd >= 0) || !KTAP_EQUAL(set(0, 20 * MSEC, 0), 0) || !KTAP_EQUAL(take(), 1) ||
            !KTAP_TRUE(now_of(clock) - since >= 20 * MSEC))
            return false;
        since = now_of(clock);
        if (!KTAP_EQUAL(set(TFD_TIMER_ABSTIME, since + 20 * MSEC, 0), 0) ||
            !KTAP_EQUAL(take(), 1) || !KTAP_TRUE(now_of(clock) - since >= 20 * MSEC))
            return false;
        close(fd);
    }
    return true;
}

static bool the_past_expires_at_once(void)
{
    fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    return KTAP_EQUAL(set(TFD_TIMER_ABSTIME, 1, 0), 0) && KTAP_EQUAL(take(), 1) &&
           KTAP_EQUAL(take(), -EAGAIN) && FAILS(set(8, 1, 0), EINVAL) &&
           KTAP_EQUAL(set(TFD_TIMER_ABSTIME, 1, 0), 0) && KTAP_EQUAL(take(), 1) &&
           KTAP_EQUAL(close(fd), 0);
}

static void shift_calendar(long seconds)
{
    long now = now_of(CLOCK_REALTIME);
    struct timespec time = {now / SEC + seconds, now % SEC};

    syscall6(__NR_clock_settime, CLOCK_REALTIME, (long)&time, 0, 0, 0, 0);
}

static bool timers_follow_the_calendar(void)
{
    struct itimerspec left;
    thread_t lwp;
    void *result;
    bool is_right;

    fd = timerfd_create(CLOCK_REALTIME, 0);
    set(TFD_TIMER_ABSTIME, now_of(CLOCK_REALTIME) + 5000 * SEC, 1000 * SEC);
    thread_create(&lwp, take_one, NULL);
    comes_to_wait(lwp);
    shift_calendar(-1000);
    is_right = KTAP_EQUAL(timerfd_gettime(fd, &left), 0) &&
               KTAP_TRUE(left.it_value.tv_sec > 5900 && left.it_value.tv_sec <= 6000);
    comes_to_wait(lwp);
    shift_calendar(6000 + 2500); /* two more have passed */
    thread_join(lwp, &result);
    is_right = KTAP_EQUAL((long)result, 3) && is_right;
    shift_calendar(-7500);
    /* A time from now on is none of the calendar. */
    set(0, 5000 * SEC, 0);
    shift_calendar(4000);
    is_right = KTAP_EQUAL(timerfd_gettime(fd, &left), 0) &&
               KTAP_TRUE(left.it_value.tv_sec > 4900) && is_right;
    shift_calendar(-4000);
    return KTAP_EQUAL(close(fd), 0) && is_right;
}

static bool who_reads_is_told_that_the_clock_was_set(void)
{
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    struct pollfd polled = {.events = POLLIN};
    thread_t lwp;
    void *result;
    bool is_right;

    fd = polled.fd = timerfd_create(CLOCK_REALTIME, 0);
    set(flags, now_of(CLOCK_REALTIME) + 5000 * SEC, 0);
    is_right = KTAP_EQUAL(poll(&polled, 1, 0), 0);
    thread_create(&lwp, take_one, NULL);
    comes_to_wait(lwp);
    shift_calendar(1000);
    thread_join(lwp, &result);
    is_right =
        KTAP_EQUAL((long)result, -ECANCELED) && KTAP_EQUAL(poll(&polled, 1, 0), 0) && is_right;
    shift_calendar(-1000);
    is_right = KTAP_EQUAL(poll(&polled, 1, 0), 1) && is_right;
    /* Setting it tells as well, and sets it. */
    is_right = FAILS(set(flags, now_of(CLOCK_REALTIME), 0), ECANCELED) && KTAP_EQUAL(take(), 1) &&
               KTAP_EQUAL(set(flags, now_of(CLOCK_REALTIME) + 5000 * SEC, 0), 0) && is_right;
    shift_calendar(1000);
    is_right = KTAP_EQUAL(set(TFD_TIMER_ABSTIME, 1, 0), 0) && KTAP_EQUAL(take(), 1) && is_right;
    shift_calendar(-1000);
    return KTAP_EQUAL(poll(&polled, 1, 0), 0) && KTAP_EQUAL(close(fd), 0) && is_right;
}

static bool other_timers_are_not_cancelled(void)
{
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    bool is_right = true;

    for (int i = 0; i < 2; i++) {
        fd = timerfd_create(i == 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME, TFD_NONBLOCK);
        if (i == 0)
            set(flags, now_of(CLOCK_MONOTONIC) + 5000 * SEC, 0);
        else
            set(TFD_TIMER_CANCEL_ON_SET, 5000 * SEC, 0);
        shift_calendar(i == 0 ? 1000 : -1000);
        is_right = KTAP_EQUAL(take(), -EAGAIN) && KTAP_EQUAL(close(fd), 0) && is_right;
    }
    return is_right;
}

static bool intervals_are_counted(void)
{
    long since, nr = 0, passed;

    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    since = now_of(CLOCK_MONOTONIC);
    set(0, 5 * MSEC, 5 * MSEC);
    while (nr < 10)
        nr += take();
    passed = now_of(CLOCK_MONOTONIC) - since;
    if (!KTAP_TRUE(passed >= nr * 5 * MSEC))
        return false;
    struct timespec pause = {0, 30 * MSEC};
    nanosleep(&pause, NULL);
    nr = take();
    return KTAP_TRUE(nr >= 5) && KTAP_EQUAL(close(fd), 0);
}

/* A timer that nobody can follow does not stop the machine. */
static bool the_shortest_interval_works(void)
{
    long nr = 0;

    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    set(0, 1, 1);
    for (int i = 0; i < 100; i++)
        nr += take();
    return KTAP_TRUE(nr >= 100) && KTAP_EQUAL(set(0, 0, 0), 0) && KTAP_EQUAL(close(fd), 0);
}

static bool what_is_left_is_told(void)
{
    struct itimerspec time = {.it_value = {100, 0}, .it_interval = {7, 5}}, old;

    fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    return KTAP_EQUAL(timerfd_gettime(fd, &old), 0) && KTAP_EQUAL(old.it_value.tv_sec, 0) &&
           KTAP_EQUAL(old.it_value.tv_nsec, 0) &&
           KTAP_EQUAL(timerfd_settime(fd, 0, &time, &old), 0) &&
           KTAP_EQUAL(old.it_value.tv_sec, 0) && KTAP_EQUAL(timerfd_gettime(fd, &old), 0) &&
           KTAP_TRUE(old.it_value.tv_sec < 100 && old.it_value.tv_sec > 70) &&
           KTAP_EQUAL(old.it_interval.tv_sec, 7) && KTAP_EQUAL(old.it_interval.tv_nsec, 5) &&
           KTAP_EQUAL(set(0, 0, 0), 0) && KTAP_EQUAL(timerfd_gettime(fd, &old), 0) &&
           KTAP_EQUAL(old.it_value.tv_sec, 0) && KTAP_EQUAL(take(), -EAGAIN) &&
           KTAP_EQUAL(close(fd), 0);
}

static bool timers_say_why(void)
{
    struct itimerspec wrong[] = {{.it_value = {0, -1}},
                                 {.it_value = {0, SEC}},
                                 {.it_value = {-1, 0}},
                                 {.it_value = {1, 0}, .it_interval = {0, SEC}},
                                 {.it_value = {1, 0}, .it_interval = {-1, 0}}};
    struct itimerspec time = {.it_value = {1, 0}};
    int other = eventfd(0, 0);
    bool is_right = FAILS(timerfd_create(CLOCK_THREAD_CPUTIME_ID, 0), EINVAL) &&
                    FAILS(timerfd_create(-1, 0), EINVAL) &&
                    FAILS(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
    uint64_t value;

    fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    for (size_t i = 0; i < KTAP_LEN(wrong); i++)
        is_right = FAILS(timerfd_settime(fd, 0, &wrong[i], NULL), EINVAL) && is_right;
    is_right = FAILS(timerfd_settime(fd, 4, &time, NULL), EINVAL) &&
               FAILS(timerfd_settime(99, 0, &time, NULL), EBADF) &&
               FAILS(timerfd_settime(other, 0, &time, NULL), EINVAL) &&
               FAILS(timerfd_settime(fd, 0, BAD_POINTER, NULL), EFAULT) &&
               FAILS(timerfd_settime(fd, 0, &time, BAD_POINTER), EFAULT) &&
               FAILS(timerfd_gettime(99, &time), EBADF) &&
               FAILS(timerfd_gettime(other, &time), EINVAL) &&
               FAILS(timerfd_gettime(fd, BAD_POINTER), EFAULT) &&
               FAILS(read(fd, &value, 7), EINVAL) && FAILS(write(fd, &value, 8), EINVAL) &&
               KTAP_EQUAL(fcntl(fd, F_GETFD, 0l), FD_CLOEXEC) && is_right;
    close(other);
    return KTAP_EQUAL(close(fd), 0) && is_right;
}

static bool timers_can_be_polled(void)
{
    struct pollfd polled;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int epoll = epoll_create1(0);
    bool is_right;

    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    polled = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
    is_right = KTAP_EQUAL(poll(&polled, 1, 0), 0);
    set(0, 10 * MSEC, 10 * MSEC);
    is_right = KTAP_EQUAL(poll(&polled, 1, -1), 1) && KTAP_EQUAL(polled.revents, POLLIN) &&
               KTAP_EQUAL(epoll_wait(epoll, &event, 1, -1), 1) && KTAP_TRUE(take() >= 1) &&
               KTAP_EQUAL(epoll_wait(epoll, &event, 1, -1), 1) &&
               KTAP_EQUAL(poll(&polled, 1, -1), 1) && is_right;
    close(epoll);
    return is_right && KTAP_EQUAL(close(fd), 0);
}

static bool setting_does_not_wake_who_waits(void)
{
    thread_t lwp;
    void *result;

    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    thread_create(&lwp, take_one, NULL);
    comes_to_wait(lwp);
    set(0, 1000 * SEC, 0);
    comes_to_wait(lwp);
    set(0, 1, 0);
    thread_join(lwp, &result);
    return KTAP_EQUAL((long)result, 1) && KTAP_EQUAL(close(fd), 0);
}

static atomic_bool is_over;
static _Atomic long nr_wrong;

static void *set_rounds(void *arg)
{
    for (size_t i = 0; i < nr_rounds; i++) {
        if (set(0, 1 + (long)i % 3 * 10000, (long)i % 7 * 1000) != 0)
            nr_wrong++;
    }
    return arg;
}

static void *take_until_over(void *arg)
{
    while (!atomic_load(&is_over)) {
        long nr = take();

        if (nr < 1 && nr != -EAGAIN)
            nr_wrong++;
    }
    return arg;
}

static bool a_timer_may_be_set_at_any_time(void)
{
    thread_t setter[3], taker[2];

    nr_rounds = ktap_times(4000);
    is_over = false;
    nr_wrong = 0;
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    for (int i = 0; i < 2; i++)
        thread_create(&taker[i], take_until_over, NULL);
    for (int i = 0; i < 3; i++)
        thread_create(&setter[i], set_rounds, NULL);
    for (int i = 0; i < 3; i++)
        thread_join(setter[i], NULL);
    is_over = true;
    for (int i = 0; i < 2; i++)
        thread_join(taker[i], NULL);
    set(0, 1, 0);
    fcntl(fd, F_SETFL, 0l);
    return KTAP_EQUAL(nr_wrong, 0) && KTAP_EQUAL(take(), 1) && KTAP_EQUAL(close(fd), 0);
}

static void open_and_close(void)
{
    for (int i = 0; i < 20; i++) {
        fd = timerfd_create(CLOCK_MONOTONIC, 0);
        set(0, i % 2 == 0 ? 1 : SEC, 1000);
        close(fd);
        close(eventfd(1, 0));
    }
}

static bool memory_comes_back(void)
{
    return ktap_leaves_nothing(open_and_close);
}

static const struct ktap_test tests[] = {
    {"a counter gives the sum and is 0", counters_add_up},
    {"a semaphore gives one at a time", semaphores_give_one},
    {"a counter does not overflow", counters_do_not_overflow},
    {"counters say why they fail", counters_say_why},
    {"readers wait for a count, writers for room", readers_and_writers_wait},
    {"three readers get all that three writers add", sums_are_exact},
    {"timers of every clock expire, and not early", timers_expire_not_early},
    {"a time that is past expires at once", the_past_expires_at_once},
    {"timers follow the calendar", timers_follow_the_calendar},
    {"who reads is told that the clock was set", who_reads_is_told_that_the_clock_was_set},
    {"timers of other kinds are not cancelled", other_timers_are_not_cancelled},
    {"intervals are counted while nobody reads", intervals_are_counted},
    {"an interval of a nanosecond works", the_shortest_interval_works},
    {"what is left of a timer is told", what_is_left_is_told},
    {"timers say why they fail", timers_say_why},
    {"a timer can be polled", timers_can_be_polled},
    {"setting a timer does not wake who waits", setting_does_not_wake_who_waits},
    {"a timer may be set while it expires and is read", a_timer_may_be_set_at_any_time},
    {"memory comes back", memory_comes_back},
};

int main(void)
{
    return ktap_main(tests, KTAP_LEN(tests));
}
