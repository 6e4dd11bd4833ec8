/*
 * Signals, stops and ends against everything that an LWP can be in: a process whose LWPs do one
 * thing after the other, by a seed, is stopped, continued, sent signals, and killed in the end.
 * Every call has to come back right, and nothing may be left.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <asm/unistd.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define NR_WORKERS 3
#define TICK_NS    1000000

static const struct timespec tick = {0, TICK_NS};

/* Shared with all processes. */
static struct shared {
    atomic_ulong nr_done, nr_handled;
    atomic_long wrong_result; /* of a call, and which */
    atomic_long wrong_what;
} * shared;

static unsigned long next_random(unsigned long *seed)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407; /* Knuth's MMIX */
    return *seed >> 33;
}

static void handle(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    atomic_fetch_add(&shared->nr_handled, 1);
}

/* What a call may return: a result that is not negative, or one of the errors. */
static void expect(int what, long result, int error, int or_error)
{
    if (result >= 0 || result == -error || result == -or_error)
        return;
    shared->wrong_what = what;
    shared->wrong_result = result;
}

static long call(long number, long a, long b, long c, long d)
{
    return syscall6(number, a, b, c, d, 0, 0);
}

/* ---- What the LWPs do ----------------------------------------------------------------------- */

static void fork_and_wait(unsigned long *seed)
{
    bool is_exec = next_random(seed) % 4 == 0;
    char *argv[] = {"t_storm", "exit", NULL};
    /* Past the library's locks: the child makes no call of it. */
    long pid = call(__NR_clone, SIGCHLD | (is_exec ? CLONE_VFORK : 0), 0, 0, 0), result;

    if (pid == 0) {
        if (is_exec)
            call(__NR_execve, (long)ktap_program(), (long)argv, (long)environ, 0);
        call(__NR_exit, 0, 0, 0, 0);
    }
    expect(__NR_clone, pid, EAGAIN, ENOMEM);
    do {
        result = pid > 0 ? call(__NR_wait4, pid, 0, 0, 0) : 0;
    } while (result == -EINTR);
    if (pid > 0 && result != pid)
        expect(__NR_wait4, result < 0 ? result : -1, 0, 0);
}

static void *sleep_or_end(void *arg)
{
    call(__NR_nanosleep, (long)&tick, 0, 0, 0);
    return arg;
}

static void create_and_join(unsigned long *seed)
{
    thread_t lwp;

    if (thread_create(&lwp, sleep_or_end, NULL) != 0)
        return;
    if (next_random(seed) % 2)
        thread_exit_target(lwp);
    if (thread_join(lwp, NULL) != 0)
        expect(-1, -1, 0, 0);
}

static void wait_for_files(unsigned long *seed)
{
    int event = (int)call(__NR_eventfd2, 0, 0, 0, 0),
        epoll = (int)call(__NR_epoll_create1, 0, 0, 0, 0);
    struct epoll_event wanted = {.events = EPOLLIN}, got;
    struct pollfd polled = {.fd = epoll, .events = POLLIN};
    sigset_t none = 0;

    expect(__NR_epoll_ctl, call(__NR_epoll_ctl, epoll, EPOLL_CTL_ADD, event, (long)&wanted), 0, 0);
    if (next_random(seed) % 2)
        expect(__NR_epoll_wait, call(__NR_epoll_wait, epoll, (long)&got, 1, 1), EINTR, EINTR);
    else
        expect(__NR_ppoll,
               syscall6(__NR_ppoll, (long)&polled, 1, (long)&tick, (long)&none, sizeof(none), 0),
               EINTR, EINTR);
    call(__NR_close, event, 0, 0, 0);
    call(__NR_close, epoll, 0, 0, 0);
}

static void wait_for_signals(unsigned long *seed)
{
    sigset_t set = signal_bit(SIGUSR2) | signal_bit(SIGRTMIN);

    if (next_random(seed) % 2)
        call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&set, 0, sizeof(set));
    expect(__NR_rt_sigtimedwait,
           call(__NR_rt_sigtimedwait, (long)&set, 0, (long)&tick, sizeof(set)), EAGAIN, EINTR);
    call(__NR_rt_sigprocmask, SIG_UNBLOCK, (long)&set, 0, sizeof(set));
}

static void use_a_timer(unsigned long *seed)
{
    struct itimerspec time = {.it_value = {0, TICK_NS / 4}, .it_interval = {0, TICK_NS / 4}};
    struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    int id;

    expect(__NR_timer_create, call(__NR_timer_create, CLOCK_MONOTONIC, (long)&how, (long)&id, 0), 0,
           0);
    expect(__NR_timer_settime, call(__NR_timer_settime, id, 0, (long)&time, 0), 0, 0);
    if (next_random(seed) % 2)
        expect(__NR_nanosleep, call(__NR_nanosleep, (long)&tick, 0, 0, 0), EINTR, EINTR);
    expect(__NR_timer_delete, call(__NR_timer_delete, id, 0, 0, 0), 0, 0);
}

static void use_a_pipe(unsigned long *seed)
{
    int ends[2];
    char c = 0;

    expect(__NR_pipe2, call(__NR_pipe2, (long)ends, 0, 0, 0), 0, 0);
    if (next_random(seed) % 2)
        expect(__NR_write, call(__NR_write, ends[1], (long)&c, 1, 0), 0, 0);
    call(__NR_close, ends[1], 0, 0, 0);
    expect(__NR_read, call(__NR_read, ends[0], (long)&c, 1, 0), EINTR, EINTR);
    call(__NR_close, ends[0], 0, 0, 0);
}

static void map_and_touch(unsigned long *seed)
{
    long at =
        syscall6(__NR_mmap, 0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at < 0 && at > -4096)
        return;
    *(volatile char *)(at + (long)(next_random(seed) % 65536)) = 1;
    expect(__NR_munmap, call(__NR_munmap, at, 65536, 0, 0), 0, 0);
}

static void signal_oneself(unsigned long *seed)
{
    expect(__NR_tgkill,
           call(__NR_tgkill, getpid(), gettid(), next_random(seed) % 2 ? SIGUSR1 : SIGUSR2, 0), 0,
           0);
}

static void (*const deeds[])(unsigned long *) = {
    fork_and_wait, create_and_join, wait_for_files, wait_for_signals,
    use_a_timer,   use_a_pipe,      map_and_touch,  signal_oneself,
};

static void *work(void *arg)
{
    unsigned long seed = (unsigned long)arg;

    for (;;) {
        deeds[next_random(&seed) % KTAP_LEN(deeds)](&seed);
        atomic_fetch_add(&shared->nr_done, 1);
    }
}

static void be_busy(void *arg)
{
    unsigned long seed = *(unsigned long *)arg;
    thread_t lwp;

    signal_handle(SIGUSR1, handle, SA_RESTART);
    signal_handle(SIGUSR2, handle, 0);
    signal_handle(SIGRTMIN, handle, SA_NODEFER);
    for (unsigned long i = 1; i < NR_WORKERS; i++)
        thread_create(&lwp, work, (void *)(seed + i));
    work((void *)seed);
}

/* ---- What happens to them ------------------------------------------------------------------- */

static bool has_done_more(void *arg)
{
    return shared->nr_done > *(unsigned long *)arg;
}

/* Waits for the child's end; whether that is by SIGKILL. */
static bool is_killed(pid_t child)
{
    int status = -1;

    kill(child, SIGKILL);
    return KTAP_EQUAL(waitpid(child, &status, WUNTRACED | WCONTINUED), child) &&
           KTAP_EQUAL(status, SIGKILL);
}

/* Everything comes to an end, and goes on until then. */
static bool survives(unsigned long seed)
{
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGRTMIN, SIGSTOP, SIGCONT, SIGTSTP, SIGURG};
    bool is_right = true;
    int status;

    pid_t child = start_child(be_busy, &seed);
    unsigned long before = shared->nr_done;
    ktap_wait_for(has_done_more, &before);
    for (size_t i = 0; i < 60 + ktap_times(200); i++) {
        kill(child, signals[next_random(&seed) % KTAP_LEN(signals)]);
        if (next_random(&seed) % 4 == 0)
            nanosleep(&(struct timespec){0, (long)(next_random(&seed) % TICK_NS)}, NULL);
        if (next_random(&seed) % 8 == 0)
            waitpid(child, &status, WNOHANG | WUNTRACED | WCONTINUED);
    }
    kill(child, SIGCONT);
    before = shared->nr_done;
    is_right = KTAP_TRUE(ktap_wait_for(has_done_more, &before));
    if (next_random(&seed) % 2)
        kill(child, SIGSTOP);
    return is_killed(child) && is_right;
}

static bool storms_are_survived(void)
{
    bool is_right = true;

    for (unsigned long seed = 1; seed <= 3 + ktap_times(10) && is_right; seed++) {
        is_right = survives(seed * 1000);
        if (!KTAP_EQUAL(shared->wrong_result, 0)) {
            ktap_diag("call %ld", (long)shared->wrong_what);
            is_right = false;
        }
        if (!is_right)
            ktap_diag("seed %lu", seed);
    }
    return is_right && KTAP_TRUE(shared->nr_handled > 0);
}

static struct counts at_start;

static bool nothing_is_left(void)
{
    return KTAP_TRUE(ktap_wait_for(has_counts, &at_start));
}

static const struct ktap_test tests[] = {
    {"whatever LWPs do, they stop, go on, take signals, and end", storms_are_survived},
    {"no process and no LWP is left", nothing_is_left},
};

static int just_exit(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static const struct ktap_role roles[] = {{"exit", just_exit}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    thrum_stat(&at_start.wanted);
    return ktap_main(tests, KTAP_LEN(tests));
}
