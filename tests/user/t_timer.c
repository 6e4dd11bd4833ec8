/*
 * Timers that send signals, and sleeps that are interrupted: setitimer, alarm, timer_create,
 * clock_nanosleep.
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/time_types.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

/* The runtime's <time.h> has not all of <linux/time.h>. */
#define ITIMER_REAL     0
#define ITIMER_VIRTUAL  1
#define ITIMER_PROF     2
#define REALTIME        0
#define MONOTONIC       1
#define PROCESS_CPUTIME 2
#define THREAD_CPUTIME  3
#define ABSTIME         1
#define MS              1000000l

static atomic_int nr_calls;
static siginfo_t last;
static atomic_int taker_tid;

static void note(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    last = *info;
    taker_tid = gettid();
    nr_calls++;
}

static void handle(int signal)
{
    nr_calls = 0;
    taker_tid = 0;
    memset(&last, 0, sizeof(last));
    signal_handle(signal, note, SA_RESTART);
}

static uint64_t now_ns(int clock)
{
    struct timespec t;

    syscall6(__NR_clock_gettime, clock, (long)&t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * 1000000000ul + (uint64_t)t.tv_nsec;
}

static struct __kernel_old_itimerval itimer(long value_us, long interval_us)
{
    return (struct __kernel_old_itimerval){
        .it_value = {.tv_sec = value_us / 1000000, .tv_usec = value_us % 1000000},
        .it_interval = {.tv_sec = interval_us / 1000000, .tv_usec = interval_us % 1000000},
    };
}

static long set_itimer(int which, long value_us, long interval_us)
{
    struct __kernel_old_itimerval value = itimer(value_us, interval_us);

    return syscall6(__NR_setitimer, which, (long)&value, 0, 0, 0, 0);
}

static bool have_come(void *nr)
{
    return nr_calls >= *(int *)nr;
}

static bool comes(int nr)
{
    return ktap_wait_for(have_come, &nr);
}

static bool itimer_comes_once(void)
{
    uint64_t begin = now_ns(MONOTONIC);

    handle(SIGALRM);
    bool is_right = KTAP_EQUAL(set_itimer(ITIMER_REAL, 20000, 0), 0) && KTAP_TRUE(comes(1)) &&
                    KTAP_TRUE(now_ns(MONOTONIC) - begin >= 20 * MS) &&
                    KTAP_EQUAL(last.si_signo, SIGALRM) && KTAP_EQUAL(last.si_code, SI_KERNEL);
    sleep_ns(30 * MS);
    return is_right && KTAP_EQUAL(nr_calls, 1);
}

static bool itimer_repeats(void)
{
    struct __kernel_old_itimerval now, none = {0};

    handle(SIGALRM);
    set_itimer(ITIMER_REAL, 1000, 5000);
    bool is_right = KTAP_TRUE(comes(5));
    syscall6(__NR_getitimer, ITIMER_REAL, (long)&now, 0, 0, 0, 0);
    is_right &= KTAP_EQUAL(now.it_interval.tv_usec, 5000) && KTAP_EQUAL(now.it_value.tv_sec, 0) &&
                KTAP_TRUE(now.it_value.tv_usec > 0 && now.it_value.tv_usec <= 5000);
    syscall6(__NR_setitimer, ITIMER_REAL, (long)&none, (long)&now, 0, 0, 0);
    is_right &= KTAP_EQUAL(now.it_interval.tv_usec, 5000);
    int nr = nr_calls;
    sleep_ns(20 * MS);
    syscall6(__NR_getitimer, ITIMER_REAL, (long)&now, 0, 0, 0, 0);
    return is_right && KTAP_EQUAL(nr_calls, nr) && KTAP_EQUAL(now.it_value.tv_usec, 0);
}

/* Seconds that were left of so many, when hardly any has passed. */
static bool is_about(long left, long seconds)
{
    return KTAP_TRUE(left > seconds - 100 && left <= seconds);
}

static bool alarm_says_what_was_left(void)
{
    handle(SIGALRM);
    return KTAP_EQUAL(syscall6(__NR_alarm, 100000, 0, 0, 0, 0, 0), 0) &&
           is_about(syscall6(__NR_alarm, 50000, 0, 0, 0, 0, 0), 100000) &&
           is_about(syscall6(__NR_alarm, 0, 0, 0, 0, 0, 0), 50000) &&
           KTAP_EQUAL(syscall6(__NR_alarm, 0, 0, 0, 0, 0, 0), 0) && KTAP_EQUAL(nr_calls, 0);
}

/* Whether a timer of 20 ms of CPU time has not expired, or with good reason: a CPU that stands
 * still because its host is busy counts for whom it runs. */
static bool is_not_due(uint64_t begin_ns)
{
    return nr_calls == 0 || now_ns(THREAD_CPUTIME) - begin_ns >= 20 * MS;
}

static bool cpu_itimers_count_run_time(void)
{
    static const struct {
        int which, signal;
    } both[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(both); i++) {
        uint64_t begin = now_ns(THREAD_CPUTIME);

        handle(both[i].signal);
        set_itimer(both[i].which, 20000, 0);
        sleep_ns(40 * MS); /* which does not count */
        is_right &= KTAP_TRUE(is_not_due(begin));
        while (nr_calls == 0 && now_ns(THREAD_CPUTIME) - begin < 20000 * MS)
            ;
        is_right &= KTAP_EQUAL(nr_calls, 1) && KTAP_TRUE(now_ns(THREAD_CPUTIME) - begin >= 20 * MS);
    }
    return is_right;
}

static long make_timer(int clock, int notify, int signal, int tid, int *id)
{
    struct sigevent event;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = notify;
    event.sigev_signo = signal;
    event.sigev_value.sival_int = 4711;
    event.sigev_notify_thread_id = tid;
    return syscall6(__NR_timer_create, clock, (long)&event, (long)id, 0, 0, 0);
}

static long set_timer(int id, int flags, long value_ns, long interval_ns)
{
    struct __kernel_itimerspec value = {
        .it_value = {.tv_sec = value_ns / 1000000000, .tv_nsec = value_ns % 1000000000},
        .it_interval = {.tv_sec = interval_ns / 1000000000, .tv_nsec = interval_ns % 1000000000},
    };

    return syscall6(__NR_timer_settime, id, flags, (long)&value, 0, 0, 0);
}

static long delete_timer(int id)
{
    return syscall6(__NR_timer_delete, id, 0, 0, 0, 0, 0);
}

static bool timer_brings_its_value(void)
{
    int id = -1;

    handle(40);
    bool is_right = KTAP_EQUAL(make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &id), 0) &&
                    KTAP_EQUAL(set_timer(id, 0, 5 * MS, 0), 0) && KTAP_TRUE(comes(1)) &&
                    KTAP_EQUAL(last.si_code, SI_TIMER) && KTAP_EQUAL(last.si_tid, id) &&
                    KTAP_EQUAL(last.si_value.sival_int, 4711) && KTAP_EQUAL(last.si_overrun, 0);
    return KTAP_EQUAL(delete_timer(id), 0) && KTAP_EQUAL(delete_timer(id), -EINVAL) && is_right;
}

static bool absolute_times_are_of_the_clock(void)
{
    static const int clocks[] = {REALTIME, MONOTONIC};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(clocks); i++) {
        uint64_t at = now_ns(clocks[i]) + 20 * MS;
        int id;

        handle(SIGALRM);
        make_timer(clocks[i], SIGEV_SIGNAL, SIGALRM, 0, &id);
        set_timer(id, ABSTIME, (long)at, 0);
        is_right &= KTAP_TRUE(comes(1)) && KTAP_TRUE(now_ns(clocks[i]) >= at);
        set_timer(id, ABSTIME, 1, 0); /* long ago */
        is_right &= KTAP_TRUE(comes(2));
        delete_timer(id);
    }
    return is_right;
}

static void shift_calendar(long seconds)
{
    uint64_t now = now_ns(REALTIME);
    struct timespec time = {(long)(now / 1000000000) + seconds, (long)(now % 1000000000)};

    syscall6(__NR_clock_settime, REALTIME, (long)&time, 0, 0, 0, 0);
}

static long seconds_left(int id)
{
    struct __kernel_itimerspec left;

    syscall6(__NR_timer_gettime, id, (long)&left, 0, 0, 0, 0);
    return left.it_value.tv_sec;
}

static bool absolute_times_follow_the_calendar(void)
{
    uint64_t at = now_ns(REALTIME) + 5000000 * MS;
    int id;

    handle(SIGALRM);
    make_timer(REALTIME, SIGEV_SIGNAL, SIGALRM, 0, &id);
    set_timer(id, ABSTIME, (long)at, 0);
    shift_calendar(-1000);
    bool is_right = KTAP_TRUE(seconds_left(id) > 5900 && seconds_left(id) <= 6000);
    shift_calendar(3000);
    is_right &= KTAP_TRUE(seconds_left(id) > 2900 && seconds_left(id) <= 3000);
    is_right &= KTAP_EQUAL(nr_calls, 0);
    shift_calendar(4000);
    is_right &= KTAP_TRUE(comes(1));
    shift_calendar(-6000);
    /* A time from now on is none of the calendar. */
    set_timer(id, 0, 5000000 * MS, 0);
    shift_calendar(1000);
    is_right &= KTAP_TRUE(seconds_left(id) > 4900);
    shift_calendar(-1000);
    return KTAP_EQUAL(delete_timer(id), 0) && is_right;
}

/* In a child: ends with timers that go by the calendar, which is set all the time. */
static void leave_timers(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int id;

        make_timer(REALTIME, SIGEV_SIGNAL, SIGALRM, 0, &id);
        set_timer(id, ABSTIME, (long)now_ns(REALTIME) + 3000000 * MS, 0);
    }
    _exit(CHILD_IS_WELL);
}

static void *set_calendar(void *is_over)
{
    while (!*(atomic_bool *)is_over)
        shift_calendar(0);
    return NULL;
}

static bool timers_end_while_the_calendar_is_set(void)
{
    atomic_bool is_over = false;
    thread_t setter;
    bool is_right = KTAP_EQUAL(thread_create(&setter, set_calendar, &is_over), 0);

    for (size_t round = 0; is_right && round < ktap_times(300) + 30; round++) {
        int status = -1;
        pid_t child = start_child(leave_timers, NULL);

        is_right = KTAP_EQUAL(waitpid(child, &status, 0), child) &&
                   ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
    }
    is_over = true;
    return KTAP_EQUAL(thread_join(setter, NULL), 0) && is_right;
}

static bool overruns_are_counted(void)
{
    sigset_t set = signal_bit(40);
    int id;

    handle(40);
    make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &id);
    sigprocmask(SIG_BLOCK, &set, NULL);
    set_timer(id, 0, 1 * MS, 1 * MS);
    sleep_ns(50 * MS);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    bool is_right = KTAP_TRUE(comes(1));
    set_timer(id, 0, 0, 0);
    /* Again, to look at one expiry only. */
    sigprocmask(SIG_BLOCK, &set, NULL);
    set_timer(id, 0, 1 * MS, 1 * MS);
    sleep_ns(50 * MS);
    siginfo_t info;
    is_right &= KTAP_EQUAL(sigtimedwait(&set, &info, NULL), 40) &&
                KTAP_TRUE(info.si_overrun >= 40) &&
                KTAP_EQUAL(syscall6(__NR_timer_getoverrun, id, 0, 0, 0, 0, 0), info.si_overrun);
    delete_timer(id);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return is_right;
}

static bool ignored_timer_goes_on(void)
{
    int id;

    sigaction(40, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &id);
    set_timer(id, 0, 1 * MS, 5 * MS);
    sleep_ns(20 * MS);
    handle(40);
    bool is_right = KTAP_TRUE(comes(2));
    delete_timer(id);
    return is_right;
}

/* However short the interval is, the kernel does other things than passing over expiries. */
static bool untold_expiries_leave_time(void)
{
    sigset_t set = signal_bit(SIGUSR1);
    bool is_right = true;
    int id;

    sigaction(40, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &id);
    is_right &= KTAP_EQUAL(set_timer(id, 0, 1, 1), 0);
    sleep_ns(5 * MS);
    delete_timer(id);
    /* A standard signal that is pending is not told again. */
    handle(SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    make_timer(MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, &id);
    is_right &= KTAP_EQUAL(set_timer(id, 0, 1, 1), 0);
    sleep_ns(5 * MS);
    delete_timer(id);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return is_right && KTAP_EQUAL(nr_calls, 1);
}

static bool timer_without_signal_only_counts(void)
{
    struct __kernel_itimerspec now;
    int id;

    make_timer(MONOTONIC, SIGEV_NONE, 0, 0, &id);
    set_timer(id, 0, 1000000 * MS, 0);
    bool is_right = KTAP_TRUE(seconds_left(id) > 900 && seconds_left(id) <= 1000);
    set_timer(id, 0, 1 * MS, 0);
    sleep_ns(5 * MS);
    syscall6(__NR_timer_gettime, id, (long)&now, 0, 0, 0, 0);
    return KTAP_EQUAL(delete_timer(id), 0) && is_right && KTAP_EQUAL(now.it_value.tv_nsec, 0);
}

static atomic_bool is_over;

static void *wait_until_over(void *arg)
{
    while (!is_over)
        sleep_ns(1 * MS);
    return arg;
}

static bool timer_may_choose_its_lwp(void)
{
    thread_t lwp;
    int id = -1;

    handle(40);
    is_over = false;
    thread_create(&lwp, wait_until_over, NULL);
    make_timer(MONOTONIC, SIGEV_THREAD_ID, 40, lwp, &id);
    set_timer(id, 0, 1 * MS, 0);
    bool is_right = KTAP_TRUE(comes(1)) && KTAP_EQUAL(taker_tid, lwp);
    set_timer(id, 0, 1 * MS, 1 * MS);
    is_over = true;
    thread_join(lwp, NULL);
    sleep_ns(5 * MS); /* it has nobody to tell now */
    return KTAP_EQUAL(delete_timer(id), 0) && is_right &&
           KTAP_EQUAL(make_timer(MONOTONIC, SIGEV_THREAD_ID, 40, 1, &id), -EINVAL);
}

static bool cpu_timers_count_run_time(void)
{
    int id;
    uint64_t begin = now_ns(THREAD_CPUTIME);

    handle(40);
    bool is_right = KTAP_EQUAL(make_timer(THREAD_CPUTIME, SIGEV_SIGNAL, 40, 0, &id), 0);
    set_timer(id, 0, 20 * MS, 0);
    sleep_ns(40 * MS);
    is_right &= KTAP_TRUE(is_not_due(begin));
    while (nr_calls == 0 && now_ns(THREAD_CPUTIME) - begin < 20000 * MS)
        ;
    is_right &= KTAP_EQUAL(nr_calls, 1);
    delete_timer(id);
    return is_right;
}

/* What happens to timers when the process changes. */

static void be_child(void *arg)
{
    struct __kernel_old_itimerval now;

    (void)arg;
    syscall6(__NR_getitimer, ITIMER_REAL, (long)&now, 0, 0, 0, 0);
    _exit(now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0 && delete_timer(0) == -EINVAL
              ? CHILD_IS_WELL
              : 1);
}

static int after_exec(int argc, char **argv)
{
    struct __kernel_old_itimerval now;

    (void)argc, (void)argv;
    syscall6(__NR_getitimer, ITIMER_REAL, (long)&now, 0, 0, 0, 0);
    return now.it_value.tv_sec > 0 && delete_timer(0) == -EINVAL ? CHILD_IS_WELL : 1;
}

static void exec_with_timers(void *arg)
{
    char *argv[] = {"t_timer", "after-exec", NULL};
    int id;

    (void)arg;
    make_timer(MONOTONIC, SIGEV_SIGNAL, SIGKILL, 0, &id);
    set_timer(id, 0, 1000000 * MS, 0);
    set_itimer(ITIMER_REAL, 1000000000, 0);
    if (id == 0)
        execv(ktap_program(), argv);
}

static bool child_exits_well(void (*function)(void *), void *arg)
{
    return exits(start_child(function, arg), CHILD_IS_WELL);
}

static bool timers_are_not_inherited(void)
{
    bool is_right;
    int id;

    set_itimer(ITIMER_REAL, 1000000000, 0);
    make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &id);
    is_right = child_exits_well(be_child, NULL);
    set_itimer(ITIMER_REAL, 0, 0);
    delete_timer(id);
    return is_right && child_exits_well(exec_with_timers, NULL);
}

static void be_killed_by_alarm(void *arg)
{
    (void)arg;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    set_itimer(ITIMER_REAL, 1000, 0);
    sleep_for_ever(NULL);
}

static void end_with_timers(void *arg)
{
    int id;

    (void)arg;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    handle(40);
    for (int i = 0; i < 20; i++) {
        make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &id);
        set_timer(id, 0, 1 * MS, 20 * MS + i);
    }
    set_itimer(ITIMER_REAL, 1000, 0);
    sleep_for_ever(NULL);
}

static bool process_ends_by_its_timer(void)
{
    bool is_right = true;

    for (size_t i = 0; i < ktap_times(50) + 1; i++) {
        int status = -1;

        waitpid(start_child(i % 2 != 0 ? end_with_timers : be_killed_by_alarm, NULL), &status, 0);
        is_right &= KTAP_EQUAL(status, SIGALRM);
    }
    return is_right;
}

/* Sleeps. */

static struct timespec rest;
static atomic_long result;

static void *sleep_relative(void *arg)
{
    struct timespec request = {.tv_sec = 1000};

    result = syscall6(__NR_clock_nanosleep, MONOTONIC, 0, (long)&request, (long)&rest, 0, 0);
    return arg;
}

static void *sleep_absolute(void *arg)
{
    struct timespec request = {.tv_sec = 1000 + (long)(now_ns(MONOTONIC) / 1000000000)};

    result = syscall6(__NR_clock_nanosleep, MONOTONIC, ABSTIME, (long)&request, (long)&rest, 0, 0);
    return arg;
}

static bool interrupted_sleeps_tell(void)
{
    thread_t lwp;
    bool is_right;

    handle(SIGUSR1);
    memset(&rest, 0, sizeof(rest));
    thread_create(&lwp, sleep_relative, NULL);
    comes_to_wait(lwp);
    syscall6(__NR_tgkill, getpid(), lwp, SIGUSR1, 0, 0, 0);
    thread_join(lwp, NULL);
    is_right = KTAP_EQUAL(result, -EINTR) && KTAP_TRUE(rest.tv_sec > 900);
    memset(&rest, 0, sizeof(rest));
    thread_create(&lwp, sleep_absolute, NULL);
    comes_to_wait(lwp);
    syscall6(__NR_tgkill, getpid(), lwp, SIGUSR1, 0, 0, 0);
    thread_join(lwp, NULL);
    return is_right && KTAP_EQUAL(result, -EINTR) && KTAP_EQUAL(rest.tv_sec, 0);
}

static bool sleeps_end_in_time(void)
{
    uint64_t begin = now_ns(MONOTONIC), wall = now_ns(REALTIME) + 20 * MS;
    struct timespec at = {.tv_sec = (long)(wall / 1000000000),
                          .tv_nsec = (long)(wall % 1000000000)};
    struct timespec bad = {.tv_nsec = 1000000000};

    return KTAP_EQUAL(syscall6(__NR_clock_nanosleep, REALTIME, ABSTIME, (long)&at, 0, 0, 0), 0) &&
           KTAP_TRUE(now_ns(MONOTONIC) - begin >= 19 * MS) &&
           KTAP_EQUAL(syscall6(__NR_clock_nanosleep, MONOTONIC, 0, (long)&bad, 0, 0, 0), -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_clock_nanosleep, THREAD_CPUTIME, 0, (long)&at, 0, 0, 0),
                      -EINVAL) &&
           KTAP_EQUAL(syscall6(__NR_clock_nanosleep, 77, 0, (long)&at, 0, 0, 0), -EINVAL);
}

static bool wrong_is_refused(void)
{
    struct __kernel_old_itimerval bad = itimer(0, 0);
    bool is_right;
    int id;

    bad.it_value.tv_usec = 1000000;
    is_right = KTAP_EQUAL(syscall6(__NR_setitimer, ITIMER_REAL, (long)&bad, 0, 0, 0, 0), -EINVAL) &&
               KTAP_EQUAL(set_itimer(3, 0, 0), -EINVAL) &&
               KTAP_EQUAL(make_timer(77, SIGEV_SIGNAL, 40, 0, &id), -EINVAL) &&
               KTAP_EQUAL(make_timer(MONOTONIC, SIGEV_SIGNAL, 65, 0, &id), -EINVAL) &&
               KTAP_EQUAL(make_timer(MONOTONIC, SIGEV_SIGNAL, 0, 0, &id), -EINVAL) &&
               KTAP_EQUAL(make_timer(MONOTONIC, SIGEV_THREAD, 40, 0, &id), -EINVAL) &&
               KTAP_EQUAL(set_timer(NOBODY, 0, 1, 0), -EINVAL) &&
               KTAP_EQUAL(syscall6(__NR_timer_gettime, NOBODY, (long)&bad, 0, 0, 0, 0), -EINVAL) &&
               KTAP_EQUAL(syscall6(__NR_timer_getoverrun, NOBODY, 0, 0, 0, 0, 0), -EINVAL);
    make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &id);
    is_right &= KTAP_EQUAL(set_timer(id, 0, -1, 0), -EINVAL) &&
                KTAP_EQUAL(set_timer(id, 0, 1, -1000000000), -EINVAL);
    return KTAP_EQUAL(delete_timer(id), 0) && is_right;
}

static bool timers_are_limited(void)
{
    static int ids[4096];
    int nr = 0;
    long error = 0;

    while (nr < 4096 && (error = make_timer(MONOTONIC, SIGEV_SIGNAL, 40, 0, &ids[nr])) == 0)
        nr++;
    for (int i = 0; i < nr; i++)
        delete_timer(ids[i]);
    return KTAP_EQUAL(error, -EAGAIN) && KTAP_TRUE(nr >= 32);
}

static const struct ktap_test tests[] = {
    {"setitimer sends SIGALRM once", itimer_comes_once},
    {"or again and again, until it is set to nothing", itimer_repeats},
    {"alarm says how many seconds were left", alarm_says_what_was_left},
    {"ITIMER_VIRTUAL and ITIMER_PROF count the time that was run", cpu_itimers_count_run_time},
    {"a timer's signal brings its value and its number", timer_brings_its_value},
    {"absolute times are of the timer's clock", absolute_times_are_of_the_clock},
    {"absolute times follow the calendar", absolute_times_follow_the_calendar},
    {"timers end while the calendar is set", timers_end_while_the_calendar_is_set},
    {"expiries that nobody has taken are counted", overruns_are_counted},
    {"a timer whose signal is ignored goes on", ignored_timer_goes_on},
    {"expiries that nobody is told leave time for others", untold_expiries_leave_time},
    {"a timer without a signal only counts", timer_without_signal_only_counts},
    {"a timer may choose the LWP that gets its signal", timer_may_choose_its_lwp},
    {"timers of CPU time count the time that was run", cpu_timers_count_run_time},
    {"fork leaves all timers behind, exec those of timer_create", timers_are_not_inherited},
    {"a process with timers ends by one", process_ends_by_its_timer},
    {"interrupted sleeps fail, and a relative one says what is left", interrupted_sleeps_tell},
    {"sleeps end in time, of each clock", sleeps_end_in_time},
    {"what makes no sense is refused", wrong_is_refused},
    {"there is a limit to the number of timers", timers_are_limited},
};

static const struct ktap_role roles[] = {{"after-exec", after_exec}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
