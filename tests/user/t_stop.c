/*
 * Job control: what stops a process and what lets it go on, what its parent hears of that, and what
 * happens to groups that nobody can continue any more.
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

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "proc_text.h"

#define STOPPED(signal) ((signal) << 8 | 0x7f)
#define CONTINUED       0xffff

/* Shared with the children. */
static struct shared {
    atomic_ulong counts[4];
    atomic_int nr_calls, answer;
    atomic_bool is_ready, may_go;
} * shared;

static siginfo_t last;
static atomic_int nr_sigchld;

static void note_child(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    last = *info;
    nr_sigchld++;
}

static void count_call(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    atomic_fetch_add(&shared->nr_calls, 1);
}

static void reset(void)
{
    memset(shared, 0, sizeof(*shared));
    nr_sigchld = 0;
    memset(&last, 0, sizeof(last));
}

static long raw_waitid(pid_t pid, siginfo_t *info, int options)
{
    memset(info, 0, sizeof(*info));
    return syscall6(__NR_waitid, P_PID, pid, (long)info, options, 0, 0);
}

static void sleep_or_spin(void *arg)
{
    (void)arg;
    shared->is_ready = true;
    sleep_for_ever(NULL);
}

static bool reports(pid_t child, int options, int wanted)
{
    int status = -1;

    return KTAP_EQUAL(waitpid(child, &status, options), child) && KTAP_EQUAL(status, wanted);
}

static bool ends(pid_t child, int signal)
{
    return kill(child, signal) == 0 && reports(child, 0, signal);
}

static pid_t start_ready(void (*function)(void *), void *arg)
{
    shared->is_ready = false;

    pid_t child = start_child(function, arg);
    while (!shared->is_ready)
        yield();
    return child;
}

static bool stops_and_goes_on(void)
{
    int status;

    reset();
    pid_t child = start_ready(sleep_or_spin, NULL);
    bool is_right = KTAP_EQUAL(waitpid(child, &status, WUNTRACED | WCONTINUED | WNOHANG), 0);
    kill(child, SIGSTOP);
    is_right &= reports(child, WUNTRACED, STOPPED(SIGSTOP)) &&
                KTAP_EQUAL(waitpid(child, &status, WUNTRACED | WNOHANG), 0);
    kill(child, SIGCONT);
    is_right &= reports(child, WCONTINUED, CONTINUED) &&
                KTAP_EQUAL(waitpid(child, &status, WCONTINUED | WNOHANG), 0);
    return ends(child, SIGTERM) && is_right;
}

static bool waitid_tells_all(void)
{
    siginfo_t info;

    reset();
    pid_t child = start_ready(sleep_or_spin, NULL);
    kill(child, SIGSTOP);
    bool is_right = true;
    for (int i = 0; i < 3; i++) /* WNOWAIT leaves it, the last one takes it */
        is_right &= KTAP_EQUAL(raw_waitid(child, &info, WSTOPPED | (i < 2 ? WNOWAIT : 0)), 0) &&
                    KTAP_EQUAL(info.si_code, CLD_STOPPED) && KTAP_EQUAL(info.si_pid, child) &&
                    KTAP_EQUAL(info.si_status, SIGSTOP) && KTAP_EQUAL(info.si_signo, SIGCHLD);
    is_right &=
        KTAP_EQUAL(raw_waitid(child, &info, WSTOPPED | WNOHANG), 0) && KTAP_EQUAL(info.si_pid, 0);
    kill(child, SIGCONT);
    is_right &= KTAP_EQUAL(raw_waitid(child, &info, WCONTINUED), 0) &&
                KTAP_EQUAL(info.si_code, CLD_CONTINUED) && KTAP_EQUAL(info.si_status, SIGCONT);
    kill(child, SIGKILL);
    for (int i = 0; i < 2; i++)
        is_right &= KTAP_EQUAL(raw_waitid(child, &info, WEXITED | (i == 0 ? WNOWAIT : 0)), 0) &&
                    KTAP_EQUAL(info.si_code, CLD_KILLED) && KTAP_EQUAL(info.si_status, SIGKILL);
    return is_right && KTAP_EQUAL(raw_waitid(child, &info, WEXITED), -ECHILD);
}

/* Every LWP counts for itself. */
static void *count_for_ever(void *arg)
{
    atomic_ulong *count = arg;

    for (;;)
        atomic_fetch_add(count, 1);
    return NULL;
}

static void count_with_all(void *arg)
{
    thread_t lwp;

    for (int i = 1; i < 4; i++)
        thread_create(&lwp, count_for_ever, &shared->counts[i]);
    shared->is_ready = true;
    count_for_ever(&shared->counts[0]);
    (void)arg;
}

static bool are_counting(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        if (shared->counts[i] == 0)
            return false;
    }
    return true;
}

static bool all_lwps_stop(void)
{
    unsigned long before[4];
    bool is_right = true;

    reset();
    pid_t child = start_ready(count_with_all, NULL);
    for (size_t round = 0; round < ktap_times(50) + 1 && is_right; round++) {
        for (int i = 0; i < 4; i++)
            shared->counts[i] = 0;
        is_right &= KTAP_TRUE(ktap_wait_for(are_counting, NULL));
        kill(child, SIGSTOP);
        is_right &= reports(child, WUNTRACED, STOPPED(SIGSTOP));
        for (int i = 0; i < 4; i++)
            before[i] = shared->counts[i];
        sleep_ns(2000000);
        for (int i = 0; i < 4; i++)
            is_right &= KTAP_EQUAL(shared->counts[i], before[i]);
        kill(child, SIGCONT);
    }
    return ends(child, SIGKILL) && is_right;
}

static bool has_sigchld(void *nr)
{
    return nr_sigchld == *(int *)nr;
}

static bool comes_sigchld(int nr)
{
    return KTAP_TRUE(ktap_wait_for(has_sigchld, &nr));
}

/* The child itself tells its parent of a stop: wait() may have reported that before. */
static bool parent_hears(void)
{
    reset();
    signal_handle(SIGCHLD, note_child, SA_RESTART);
    pid_t child = start_ready(sleep_or_spin, NULL);
    kill(child, SIGSTOP);
    bool is_right = reports(child, WUNTRACED, STOPPED(SIGSTOP)) && comes_sigchld(1) &&
                    KTAP_EQUAL(last.si_code, CLD_STOPPED) && KTAP_EQUAL(last.si_pid, child) &&
                    KTAP_EQUAL(last.si_status, SIGSTOP);
    kill(child, SIGCONT);
    is_right &= reports(child, WCONTINUED, CONTINUED) && comes_sigchld(2) &&
                KTAP_EQUAL(last.si_code, CLD_CONTINUED) && KTAP_EQUAL(last.si_status, SIGCONT);
    signal_handle(SIGCHLD, note_child, SA_RESTART | SA_NOCLDSTOP);
    kill(child, SIGSTOP);
    is_right &= reports(child, WUNTRACED, STOPPED(SIGSTOP)) && KTAP_EQUAL(nr_sigchld, 2);
    is_right &=
        ends(child, SIGKILL) && KTAP_EQUAL(nr_sigchld, 3) && KTAP_EQUAL(last.si_code, CLD_KILLED);
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    return is_right;
}

static bool stopped_process_can_be_killed(void)
{
    reset();
    pid_t child = start_ready(count_with_all, NULL);
    kill(child, SIGSTOP);
    bool is_right = reports(child, WUNTRACED, STOPPED(SIGSTOP));
    kill(child, SIGKILL);
    return reports(child, 0, SIGKILL) && is_right;
}

static void handle_term(void *arg)
{
    signal_handle(SIGTERM, count_call, SA_RESTART);
    signal_handle(SIGCONT, count_call, SA_RESTART);
    sleep_or_spin(arg);
}

static bool signals_wait_until_it_goes_on(void)
{
    reset();
    pid_t child = start_ready(handle_term, NULL);
    kill(child, SIGSTOP);
    bool is_right = reports(child, WUNTRACED, STOPPED(SIGSTOP));
    kill(child, SIGTERM);
    sleep_ns(2000000);
    is_right &= KTAP_EQUAL(shared->nr_calls, 0);
    kill(child, SIGCONT);
    while (shared->nr_calls < 2)
        yield();
    return ends(child, SIGKILL) && is_right;
}

static bool deadly_signals_wait_too(void)
{
    reset();
    pid_t child = start_ready(count_with_all, NULL);
    kill(child, SIGSTOP);
    bool is_right = reports(child, WUNTRACED, STOPPED(SIGSTOP));
    kill(child, SIGTERM);
    const char *status = proc_read_of(child, "status");
    is_right &= KTAP_TRUE(status != NULL && strstr(status, "State:\tT") != NULL) &&
                KTAP_TRUE(strstr(status, "ShdPnd:\t0000000000004000") != NULL);
    kill(child, SIGCONT);
    return reports(child, 0, SIGTERM) && is_right;
}

static void block_both(void *arg)
{
    sigset_t set = signal_bit(SIGCONT) | signal_bit(SIGTSTP);

    sigprocmask(SIG_BLOCK, &set, NULL);
    sleep_or_spin(arg);
}

static bool cont_works_though_blocked(void)
{
    reset();
    pid_t child = start_ready(block_both, NULL);
    kill(child, SIGSTOP);
    bool is_right = reports(child, WUNTRACED, STOPPED(SIGSTOP));
    kill(child, SIGCONT);
    is_right &= reports(child, WCONTINUED, CONTINUED);
    return ends(child, SIGKILL) && is_right;
}

static bool stop_and_cont_cancel_each_other(void)
{
    sigset_t set = signal_bit(SIGCONT) | signal_bit(SIGTSTP), now = 0;
    bool is_right;

    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTSTP), kill(getpid(), SIGTSTP);
    raise(SIGCONT);
    sigpending(&now);
    is_right = KTAP_EQUAL(now, signal_bit(SIGCONT));
    kill(getpid(), SIGTSTP);
    sigpending(&now);
    is_right &= KTAP_EQUAL(now, signal_bit(SIGTSTP));
    kill(getpid(), SIGCONT);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    sigpending(&now);
    return is_right && KTAP_EQUAL(now, 0);
}

static void sleep_for_a_while(void *ns)
{
    uint64_t time_ns = *(uint64_t *)ns;
    struct timespec request = {(time_t)(time_ns / 1000000000), (long)(time_ns % 1000000000)};

    shared->is_ready = true;
    _exit(syscall6(__NR_nanosleep, (long)&request, 0, 0, 0, 0, 0) == 0 ? CHILD_IS_WELL : 1);
}

/* When the machine is slow, the sleep may be over before the stop: then once more, with twice the
 * time. */
static bool sleep_goes_on(void)
{
    bool is_right = true, has_stopped = false;

    for (uint64_t time_ns = 200000000; is_right && !has_stopped && time_ns < KTAP_PATIENCE_NS;
         time_ns *= 2) {
        uint64_t since_ns = monotonic_ns();
        int status = -1;

        reset();
        pid_t child = start_ready(sleep_for_a_while, &time_ns);
        kill(child, SIGSTOP);
        is_right = KTAP_EQUAL(waitpid(child, &status, WUNTRACED), child);
        has_stopped = status == STOPPED(SIGSTOP);
        if (has_stopped) {
            sleep_ns(time_ns / 10);
            kill(child, SIGCONT);
            is_right = is_right && KTAP_EQUAL(waitpid(child, &status, 0), child);
        }
        is_right = is_right && KTAP_EQUAL(status, CHILD_IS_WELL << 8) &&
                   KTAP_TRUE(monotonic_ns() - since_ns >= time_ns);
    }
    return KTAP_TRUE(has_stopped) && is_right;
}

static int pipe_ends[2];

static void read_pipe(void *arg)
{
    char c;

    (void)arg;
    shared->is_ready = true;
    _exit(syscall6(__NR_read, pipe_ends[0], (long)&c, 1, 0, 0, 0) == 1 ? CHILD_IS_WELL : 1);
}

static bool read_goes_on(void)
{
    reset();
    pipe(pipe_ends);
    pid_t child = start_ready(read_pipe, NULL);
    comes_to_wait(child);
    kill(child, SIGSTOP);
    bool is_right = reports(child, WUNTRACED, STOPPED(SIGSTOP));
    kill(child, SIGCONT);
    is_right &= reports(child, WCONTINUED, CONTINUED);
    write(pipe_ends[1], "x", 1);
    is_right &= reports(child, 0, CHILD_IS_WELL << 8);
    close(pipe_ends[0]), close(pipe_ends[1]);
    return is_right;
}

/* Terminal stop signals: only where somebody could continue the process. */

static void raise_in_own_group(void *arg)
{
    syscall6(__NR_setpgid, 0, 0, 0, 0, 0, 0);
    raise(*(int *)arg);
    _exit(CHILD_IS_WELL);
}

static bool terminal_signals_stop(void)
{
    int signals[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(signals); i++) {
        pid_t child = start_child(raise_in_own_group, &signals[i]);

        is_right &= reports(child, WUNTRACED, STOPPED(signals[i]));
        kill(child, SIGCONT);
        is_right &= reports(child, 0, CHILD_IS_WELL << 8);
    }
    return is_right;
}

static void raise_in_own_session(void *arg)
{
    syscall6(__NR_setsid, 0, 0, 0, 0, 0, 0);
    raise(*(int *)arg);
    _exit(CHILD_IS_WELL);
}

static bool orphans_are_not_stopped_by_them(void)
{
    int signals[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(signals); i++)
        is_right &=
            reports(start_child(raise_in_own_session, &signals[i]), WUNTRACED, CHILD_IS_WELL << 8);
    return is_right;
}

static void be_orphan(void *arg)
{
    (void)arg;
    syscall6(__NR_setpgid, 0, 0, 0, 0, 0, 0);
    signal_handle(SIGHUP, count_call, SA_RESTART);
    signal_handle(SIGCONT, count_call, SA_RESTART);
    shared->is_ready = true;
    raise(SIGSTOP);
    shared->answer = shared->nr_calls;
    _exit(0);
}

/* A shell: its child's group is orphaned when it ends. */
static void end_as_shell(void *arg)
{
    int status;

    (void)arg;
    syscall6(__NR_setsid, 0, 0, 0, 0, 0, 0);
    pid_t child = start_child(be_orphan, NULL);
    waitpid(child, &status, WUNTRACED);
    _exit(status == STOPPED(SIGSTOP) ? CHILD_IS_WELL : 1);
}

static bool has_answer(void *arg)
{
    (void)arg;
    return shared->answer != 0;
}

static bool orphans_are_told(void)
{
    reset();
    bool is_right = reports(start_child(end_as_shell, NULL), 0, CHILD_IS_WELL << 8);
    return KTAP_TRUE(ktap_wait_for(has_answer, NULL)) && KTAP_EQUAL(shared->answer, 2) && is_right;
}

/* Stopping against everything else. */

static void vfork_and_wait(void *arg)
{
    (void)arg;
    if (vfork() == 0) {
        shared->is_ready = true;
        while (!shared->may_go)
            sleep_ns(1000000);
        _exit(0);
    }
    _exit(CHILD_IS_WELL);
}

static bool vfork_is_not_interrupted(void)
{
    int status;

    reset();
    pid_t child = start_ready(vfork_and_wait, NULL);
    kill(child, SIGSTOP);
    sleep_ns(5000000);
    bool is_right = KTAP_EQUAL(waitpid(child, &status, WUNTRACED | WNOHANG), 0);
    shared->may_go = true;
    is_right &= reports(child, WUNTRACED, STOPPED(SIGSTOP));
    kill(child, SIGCONT);
    return reports(child, 0, CHILD_IS_WELL << 8) && is_right;
}

static void be_busy(void *arg)
{
    void *(*const what[])(void *) = {compute,         sleep_for_ever, wait_in_futex,
                                     create_for_ever, fork_for_ever,  fault_for_ever};
    thread_t lwp;

    thread_create(&lwp, what[*(size_t *)arg], NULL);
    shared->is_ready = true;
    sleep_for_ever(NULL);
}

/* In whatever it does, it stops, goes on, and ends. */
static bool busy_processes_stop(void)
{
    bool is_right = true;

    for (size_t what = 0; what < 6; what++) {
        reset();
        pid_t child = start_ready(be_busy, &what);

        for (size_t i = 0; i < ktap_times(20) + 1 && is_right; i++) {
            kill(child, SIGSTOP);
            is_right &= reports(child, WUNTRACED, STOPPED(SIGSTOP));
            kill(child, SIGCONT);
            is_right &= reports(child, WCONTINUED, CONTINUED);
        }
        if (what % 2 == 0)
            kill(child, SIGSTOP);
        is_right &= ends(child, SIGKILL);
    }
    return is_right;
}

static int exit_after_exec(int argc, char **argv)
{
    (void)argc, (void)argv;
    shared->is_ready = true;
    sleep_ns(1000000);
    return CHILD_IS_WELL;
}

/* Nothing is left to be said of a process that has been killed but that. */
static bool a_killed_child_has_no_other_news(void)
{
    bool is_right = true;
    siginfo_t info;

    for (int i = 0; i < 2; i++) {
        reset();
        pid_t child = start_ready(sleep_or_spin, NULL);
        kill(child, SIGSTOP);
        is_right &= KTAP_EQUAL(raw_waitid(child, &info, WSTOPPED | WNOWAIT), 0);
        if (i == 1)
            kill(child, SIGCONT);
        kill(child, SIGKILL);
        is_right &= reports(child, WUNTRACED | WCONTINUED, SIGKILL);
    }
    return is_right;
}

static void exec_with_siblings(void *arg)
{
    char *argv[] = {"t_stop", "exit-with-7", NULL};
    thread_t lwp;

    (void)arg;
    for (int i = 0; i < 3; i++)
        thread_create(&lwp, compute, NULL);
    shared->is_ready = true;
    execv(ktap_program(), argv);
}

static bool exec_and_exit_get_through(void)
{
    bool is_right = true;

    for (size_t i = 0; i < ktap_times(50) + 2 && is_right; i++) {
        int status = -1;

        reset();
        pid_t child = start_ready(exec_with_siblings, NULL);
        kill(child, SIGSTOP);
        kill(child, SIGCONT);
        kill(child, SIGSTOP);
        is_right &= KTAP_EQUAL(waitpid(child, &status, WUNTRACED), child);
        if (status == STOPPED(SIGSTOP)) {
            kill(child, SIGCONT);
            is_right &= reports(child, 0, CHILD_IS_WELL << 8);
        } else {
            is_right &= KTAP_EQUAL(status, CHILD_IS_WELL << 8);
        }
    }
    return is_right;
}

static struct counts at_start;

static bool nothing_is_left(void)
{
    return KTAP_TRUE(ktap_wait_for(has_counts, &at_start));
}

/* ---- Signals to a group that is about to have one more ----------------------------------------
 */

static void join_own_group(void)
{
    syscall6(__NR_setpgid, 0, 0, 0, 0, 0, 0);
    shared->is_ready = true;
}

/* Waits until a child, the first of its group, is ready, and then for a time that varies. */
static void wait_for_group(size_t round)
{
    while (!shared->is_ready)
        yield();
    for (volatile size_t i = round * 7919 % 20000; i > 0; i--)
        continue;
}

static atomic_bool has_come;

static void note_that_it_came(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    has_come = true;
}

static void wait_until_it_came(void)
{
    while (!has_come)
        sleep_ns(1000000);
}

static void fork_and_wait_for_signal(void *arg)
{
    int status = -1;
    pid_t child;

    (void)arg;
    signal_handle(SIGUSR1, note_that_it_came, 0);
    join_own_group();
    child = fork();
    wait_until_it_came();
    if (child == 0)
        _exit(CHILD_IS_WELL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(status >> 8 & 0xff);
}

struct awaited {
    pid_t pid;
    int status;
};

static bool has_ended(void *arg)
{
    struct awaited *child = arg;

    return waitpid(child->pid, &child->status, WNOHANG) == child->pid;
}

static bool group_signal_reaches_new_children(void)
{
    bool is_right = true;

    for (size_t round = 0; is_right && round < ktap_times(500) + 50; round++) {
        struct awaited child = {0, -1};

        reset();
        child.pid = start_child(fork_and_wait_for_signal, NULL);
        wait_for_group(round);
        is_right = KTAP_EQUAL(kill(-child.pid, SIGUSR1), 0) &&
                   KTAP_TRUE(ktap_wait_for(has_ended, &child)) &&
                   KTAP_EQUAL(child.status, CHILD_IS_WELL << 8);
        if (child.status < 0) {
            kill(-child.pid, SIGKILL);
            waitpid(child.pid, NULL, 0);
        }
    }
    return is_right;
}

static void fork_busy_children(void *arg)
{
    (void)arg;
    join_own_group();
    for (;;) {
        pid_t child = fork();

        while (child == 0)
            atomic_fetch_add(&shared->counts[0], 1);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

/* Whether nobody has counted for a while. */
static bool is_quiet(void *arg)
{
    unsigned long before = shared->counts[0];

    (void)arg;
    sleep_ns(10000000);
    return shared->counts[0] == before;
}

static bool group_stop_reaches_new_children(void)
{
    pid_t child;
    bool is_right = true;

    reset();
    child = start_child(fork_busy_children, NULL);
    for (size_t round = 0; is_right && round < 50; round++) {
        wait_for_group(round);
        is_right = KTAP_EQUAL(kill(-child, SIGSTOP), 0) &&
                   reports(child, WUNTRACED, STOPPED(SIGSTOP)) &&
                   KTAP_TRUE(ktap_wait_for(is_quiet, NULL)) && KTAP_EQUAL(kill(-child, SIGCONT), 0);
    }
    kill(-child, SIGKILL);
    return reports(child, 0, SIGKILL) && is_right;
}

static const struct ktap_test tests[] = {
    {"SIGSTOP stops a process, SIGCONT lets it go on, and wait reports each once",
     stops_and_goes_on},
    {"waitid tells all about a child, and leaves it with WNOWAIT", waitid_tells_all},
    {"when a process is stopped, none of its LWPs runs", all_lwps_stop},
    {"the parent gets SIGCHLD for that, unless it has SA_NOCLDSTOP", parent_hears},
    {"a stopped process can be killed", stopped_process_can_be_killed},
    {"signals wait until a stopped process goes on", signals_wait_until_it_goes_on},
    {"so do those that end it", deadly_signals_wait_too},
    {"SIGCONT works though it is blocked", cont_works_though_blocked},
    {"stop signals and SIGCONT cancel each other", stop_and_cont_cancel_each_other},
    {"a sleep that was stopped goes on with the time that is left", sleep_goes_on},
    {"a read that was stopped goes on", read_goes_on},
    {"SIGTSTP, SIGTTIN and SIGTTOU stop", terminal_signals_stop},
    {"but not where nobody could continue the process", orphans_are_not_stopped_by_them},
    {"a stopped group gets SIGHUP and SIGCONT when it becomes orphaned", orphans_are_told},
    {"who waits in vfork stops when that is over", vfork_is_not_interrupted},
    {"busy processes stop, go on and end", busy_processes_stop},
    {"of a child that has been killed wait reports nothing else", a_killed_child_has_no_other_news},
    {"exec and exit get through between stops", exec_and_exit_get_through},
    {"a signal to a group reaches a child that is being made", group_signal_reaches_new_children},
    {"so does one that stops it", group_stop_reaches_new_children},
    {"no process and no LWP is left", nothing_is_left},
};

static const struct ktap_role roles[] = {{"exit-with-7", exit_after_exec}};

int main(int argc, char **argv)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    thrum_stat(&at_start.wanted);
    return ktap_main(tests, KTAP_LEN(tests));
}
