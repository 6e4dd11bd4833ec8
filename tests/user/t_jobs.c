/*
 * Job control: controlling terminals, foreground and background, keys that send signals, and what
 * happens when a session loses its terminal. Each test is a child that leads a session of its own
 * on a pseudo-terminal, whose master this program has: it types, and looks how its children fare.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "pty.h"

#define STOPPED_BY(signal) ((signal) << 8 | 0x7f)
#define CONTINUED          0xffff

static struct pty pty;

/* ---- The session's leader ------------------------------------------------------------------- */

/* In a child: leads a session whose terminal is the slave. */
static void lead_session(void)
{
    signal_handle(SIGHUP, (signal_handler)SIG_IGN, 0);
    if (setsid() < 0 || ioctl(pty.slave, TIOCSCTTY, 0) != 0)
        _exit(2);
}

/* Runs `test` in a session's leader; what it returns is the result. */
static bool in_session(bool (*test)(void))
{
    int status = -1;
    pid_t leader;

    if (!pty_open(&pty))
        return false;
    leader = fork();
    if (leader == 0) {
        lead_session();
        _exit(test() ? CHILD_IS_WELL : 1);
    }
    waitpid(leader, &status, 0);
    pty_close(&pty);
    return KTAP_EQUAL(status, CHILD_IS_WELL << 8);
}

#define SESSION_TEST(name)                                                                         \
    static bool name##_test(void);                                                                 \
    static bool name(void)                                                                         \
    {                                                                                              \
        return in_session(name##_test);                                                            \
    }                                                                                              \
    static bool name##_test(void)

/* Starts a job: a child in a group of its own, in the foreground or not. It runs `function`. */
static pid_t start_job(void (*function)(void), bool is_foreground)
{
    int ready[2];
    char byte;
    pid_t job;

    pipe(ready);
    job = fork();
    if (job == 0) {
        close(ready[1]);
        signal_handle(SIGHUP, (signal_handler)SIG_DFL, 0);
        read(ready[0], &byte, 1); /* until the leader has arranged all */
        function();
        _exit(1);
    }
    close(ready[0]);
    setpgid(job, job);
    if (is_foreground)
        tcsetpgrp(pty.slave, job);
    write(ready[1], "", 1);
    close(ready[1]);
    return job;
}

/* Takes the terminal back, as a shell does. */
static bool take_terminal(void)
{
    signal_handle(SIGTTOU, (signal_handler)SIG_IGN, 0);
    return KTAP_EQUAL(tcsetpgrp(pty.slave, getpgrp()), 0);
}

static bool job_becomes(pid_t job, int wanted)
{
    int status = -1;

    return KTAP_EQUAL(waitpid(job, &status, WUNTRACED | WCONTINUED), job) &&
           ktap_check_equal(status, wanted, "the job's status", __FILE__, __LINE__);
}

static bool job_ends(pid_t job)
{
    kill(job, SIGKILL);
    return job_becomes(job, SIGKILL);
}

/* ---- What jobs do --------------------------------------------------------------------------- */

static void sleep_on(void)
{
    for (;;)
        usleep(10000);
}

static void compute_on(void)
{
    for (;;)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void read_line(void)
{
    char line[32];

    _exit(read(pty.slave, line, sizeof(line)) == 3 ? CHILD_IS_WELL : 1);
}

static void read_ignoring_ttin(void)
{
    char line[32];

    signal_handle(SIGTTIN, (signal_handler)SIG_IGN, 0);
    _exit(read(pty.slave, line, sizeof(line)) < 0 && errno == EIO ? CHILD_IS_WELL : 1);
}

static void write_line(void)
{
    _exit(write(pty.slave, "x\n", 2) == 2 ? CHILD_IS_WELL : 1);
}

static void set_terminal(void)
{
    struct termios settings;

    tcgetattr(pty.slave, &settings);
    _exit(tcsetattr(pty.slave, TCSANOW, &settings) == 0 ? CHILD_IS_WELL : 1);
}

static void set_terminal_ignoring_ttou(void)
{
    signal_handle(SIGTTOU, (signal_handler)SIG_IGN, 0);
    set_terminal();
}

/* ---- Controlling terminals ------------------------------------------------------------------ */

static void find_none(void *unused)
{
    int number;

    (void)unused;
    setsid();
    _exit(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO &&
                  ioctl(pty.slave, TIOCGPGRP, &number) < 0 && errno == ENOTTY
              ? CHILD_IS_WELL
              : 1);
}

static bool a_session_begins_without_a_terminal(void)
{
    int status = -1;
    bool is_ok = pty_open(&pty);

    waitpid(start_child(find_none, NULL), &status, 0);
    pty_close(&pty);
    return is_ok && KTAP_EQUAL(status, CHILD_IS_WELL << 8);
}

static void open_slave(void *unused)
{
    int fd;

    (void)unused;
    setsid();
    fd = open(pty_path(pty.number), O_RDWR);
    _exit(fd >= 0 && tcgetpgrp(fd) == getpid() && tcgetsid(fd) == getpid() &&
                  open("/dev/tty", O_RDWR) >= 0
              ? CHILD_IS_WELL
              : 1);
}

static bool opening_gives_a_leader_its_terminal(void)
{
    int status = -1;
    bool is_ok = pty_open(&pty);

    waitpid(start_child(open_slave, NULL), &status, 0);
    pty_close(&pty);
    return is_ok && KTAP_EQUAL(status, CHILD_IS_WELL << 8);
}

SESSION_TEST(dev_tty_is_the_sessions_terminal)
{
    int tty = open("/dev/tty", O_RDWR), device = 0;

    return KTAP_TRUE(tty >= 0) && KTAP_EQUAL(write(tty, "me", 2), 2) && pty_shows(&pty, "me") &&
           KTAP_EQUAL(ioctl(tty, TIOCGDEV, &device), 0) &&
           KTAP_EQUAL(device, 136 << 8 | pty.number);
}

static void take_it_too(void *unused)
{
    bool is_refused;

    (void)unused;
    is_refused = ioctl(pty.slave, TIOCSCTTY, 0) < 0 && errno == EPERM; /* no leader */
    setsid();
    is_refused &= ioctl(pty.slave, TIOCSCTTY, 0) < 0 && errno == EPERM; /* it is another's */
    _exit(is_refused && ioctl(pty.slave, TIOCSCTTY, 1) == 0 ? CHILD_IS_WELL : 1);
}

SESSION_TEST(only_a_leader_takes_a_terminal_that_is_free)
{
    int status = -1;

    waitpid(start_child(take_it_too, NULL), &status, 0);
    return KTAP_EQUAL(status, CHILD_IS_WELL << 8) && FAILS(open("/dev/tty", O_RDWR), ENXIO);
}

static void leave_terminal(void *unused)
{
    int tty = open("/dev/tty", O_RDWR);

    (void)unused;
    _exit(tty >= 0 && ioctl(tty, TIOCNOTTY, 0) == 0 && open("/dev/tty", O_RDWR) < 0 &&
                  errno == ENXIO
              ? CHILD_IS_WELL
              : 1);
}

SESSION_TEST(a_process_can_leave_its_terminal)
{
    int status = -1, tty;

    waitpid(start_child(leave_terminal, NULL), &status, 0);
    tty = open("/dev/tty", O_RDWR);
    return KTAP_EQUAL(status, CHILD_IS_WELL << 8) && KTAP_TRUE(tty >= 0) &&
           KTAP_EQUAL(ioctl(tty, TIOCNOTTY, 0), 0) && FAILS(open("/dev/tty", O_RDWR), ENXIO);
}

SESSION_TEST(the_foreground_is_a_group_of_the_session)
{
    return KTAP_EQUAL(tcgetpgrp(pty.slave), getpid()) &&
           KTAP_EQUAL(tcgetpgrp(pty.master), getpid()) && FAILS(tcsetpgrp(pty.slave, -1), EINVAL) &&
           FAILS(tcsetpgrp(pty.slave, NOBODY), ESRCH) && FAILS(tcsetpgrp(pty.slave, 1), EPERM) &&
           KTAP_EQUAL(tcgetsid(pty.slave), getpid());
}

/* As on Linux: a shell may be faster than its child with setpgid(). */
SESSION_TEST(the_foreground_may_become_a_group_that_is_to_come)
{
    pid_t child = fork();
    bool is_ok;

    if (child == 0)
        sleep_on();
    is_ok = KTAP_EQUAL(tcsetpgrp(pty.slave, child), 0) && KTAP_EQUAL(tcgetpgrp(pty.slave), child) &&
            KTAP_EQUAL(setpgid(child, child), 0) && pty_type(&pty, "\x03") &&
            job_becomes(child, SIGINT);
    return take_terminal() && is_ok;
}

/* ---- Keys ----------------------------------------------------------------------------------- */

SESSION_TEST(ctrl_c_ends_the_foreground_only)
{
    pid_t background = start_job(sleep_on, false), job = start_job(sleep_on, true);

    return pty_type(&pty, "\x03") && job_becomes(job, SIGINT) &&
           KTAP_EQUAL(waitpid(background, NULL, WNOHANG), 0) && job_ends(background) &&
           take_terminal();
}

SESSION_TEST(ctrl_c_ends_a_loop)
{
    pid_t job = start_job(compute_on, true);

    return pty_type(&pty, "\x03") && job_becomes(job, SIGINT) && take_terminal();
}

SESSION_TEST(ctrl_backslash_quits)
{
    pid_t job = start_job(sleep_on, true);

    return pty_type(&pty, "\x1c") && KTAP_TRUE(waitpid(job, &(int){0}, 0) == job) &&
           take_terminal();
}

SESSION_TEST(ctrl_z_stops_and_sigcont_continues)
{
    pid_t job = start_job(sleep_on, true);

    return pty_type(&pty, "\x1a") && job_becomes(job, STOPPED_BY(SIGTSTP)) && take_terminal() &&
           KTAP_EQUAL(kill(-job, SIGCONT), 0) && job_becomes(job, CONTINUED) && job_ends(job);
}

static volatile int nr_resized;

static void count_resize(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    nr_resized++;
}

SESSION_TEST(a_new_window_size_is_told_once)
{
    struct winsize size = {30, 90, 0, 0};

    signal_handle(SIGWINCH, count_resize, 0);
    return KTAP_EQUAL(ioctl(pty.master, TIOCSWINSZ, &size), 0) && KTAP_EQUAL(nr_resized, 1) &&
           KTAP_EQUAL(ioctl(pty.master, TIOCSWINSZ, &size), 0) && KTAP_EQUAL(nr_resized, 1);
}

/* ---- The background ------------------------------------------------------------------------- */

SESSION_TEST(who_reads_in_the_background_stops)
{
    pid_t job = start_job(read_line, false);

    return job_becomes(job, STOPPED_BY(SIGTTIN)) && KTAP_EQUAL(tcsetpgrp(pty.slave, job), 0) &&
           KTAP_EQUAL(kill(-job, SIGCONT), 0) && job_becomes(job, CONTINUED) &&
           pty_type(&pty, "ab\n") && job_becomes(job, CHILD_IS_WELL << 8) && take_terminal();
}

static atomic_bool *has_failed; /* shared with the job */

static void *read_for_ever(void *arg)
{
    char byte;

    if (read(pty.slave, &byte, 1) < 0)
        *has_failed = true;
    return arg;
}

static void read_by_several(void)
{
    thread_t lwp;

    for (int i = 0; i < 3; i++)
        thread_create(&lwp, read_for_ever, NULL);
    read_for_ever(NULL);
    sleep_on();
}

/* One of the LWPs takes the signal; none of them sees its call fail. */
SESSION_TEST(several_readers_in_the_background_stop)
{
    bool is_right = true;
    int status = -1;

    has_failed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *has_failed = false;
    pid_t job = start_job(read_by_several, false);
    for (size_t i = 0; i < ktap_times(100) + 5 && is_right; i++)
        is_right = KTAP_EQUAL(waitpid(job, &status, WUNTRACED), job) &&
                   KTAP_EQUAL(status, STOPPED_BY(SIGTTIN)) && KTAP_EQUAL(kill(-job, SIGCONT), 0);
    return KTAP_TRUE(!*has_failed) && job_ends(job) && is_right;
}

SESSION_TEST(who_ignores_sigttin_gets_eio)
{
    return job_becomes(start_job(read_ignoring_ttin, false), CHILD_IS_WELL << 8);
}

SESSION_TEST(the_background_may_write_unless_tostop)
{
    pid_t job;

    if (!job_becomes(start_job(write_line, false), CHILD_IS_WELL << 8) ||
        !pty_local_flags(&pty, 0, TOSTOP))
        return false;
    job = start_job(write_line, false);
    return job_becomes(job, STOPPED_BY(SIGTTOU)) && job_ends(job);
}

SESSION_TEST(the_background_may_not_change_the_terminal)
{
    pid_t job = start_job(set_terminal, false);

    return job_becomes(job, STOPPED_BY(SIGTTOU)) && job_ends(job) &&
           job_becomes(start_job(set_terminal_ignoring_ttou, false), CHILD_IS_WELL << 8);
}

/* ---- The end -------------------------------------------------------------------------------- */

/* A process whose parent has gone, in a group of its own in the background. */
static void become_orphan(int report)
{
    char line[8];
    bool is_refused;

    setpgid(0, 0);
    while (getppid() != 1)
        usleep(1000);
    is_refused = read(pty.slave, line, sizeof(line)) < 0 && errno == EIO;
    write(report, is_refused ? "y" : "n", 1);
    _exit(0);
}

SESSION_TEST(an_orphaned_group_gets_eio)
{
    int report[2], status;
    char answer = '?';
    pid_t parent;

    pipe(report);
    parent = fork();
    if (parent == 0) {
        if (fork() == 0)
            become_orphan(report[1]);
        _exit(0);
    }
    waitpid(parent, &status, 0);
    read(report[0], &answer, 1);
    return KTAP_EQUAL(answer, 'y');
}

static volatile int nr_hang_ups;

static void count_hang_up(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    nr_hang_ups++;
}

SESSION_TEST(the_foreground_is_hung_up_when_the_leader_leaves_the_terminal)
{
    pid_t background, job;

    signal_handle(SIGHUP, (signal_handler)SIG_DFL, 0); /* also for jobs that have not run yet */
    background = start_job(sleep_on, false);
    job = start_job(sleep_on, true);
    signal_handle(SIGHUP, count_hang_up, 0);
    return KTAP_EQUAL(ioctl(pty.slave, TIOCNOTTY, 0), 0) && job_becomes(job, SIGHUP) &&
           KTAP_EQUAL(nr_hang_ups, 0) && KTAP_EQUAL(waitpid(background, NULL, WNOHANG), 0) &&
           job_ends(background);
}

static int hup_ready, hup_report; /* ends of pipes */
static pid_t hup_job;

static void report_hangup(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    write(hup_report, "h", 1);
    _exit(0);
}

static void report_life(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    write(hup_report, "-", 1);
}

static void report_leaders_hangup(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    write(hup_report, "l", 1);
    kill(hup_job, SIGUSR1);
}

static void wait_for_hangup(void)
{
    signal_handle(SIGHUP, report_hangup, 0);
    signal_handle(SIGUSR1, report_life, 0);
    write(hup_ready, "r", 1);
    sleep_on();
}

/* Whether the next report is that. */
static bool reports(int report, char wanted)
{
    char answer = '?';

    return KTAP_EQUAL(read(report, &answer, 1), 1) && KTAP_EQUAL(answer, wanted);
}

/*
 * A leader with a job in the foreground ends; or the master is closed: that is told to the leader,
 * and to the job when the leader has ended.
 */
static bool job_is_hung_up(bool is_leader_to_end)
{
    int ready[2], report[2], leads[2];
    char answer = '?';
    pid_t leader;
    bool is_ok = true;

    if (!pty_open(&pty) || pipe(ready) != 0 || pipe(report) != 0 || pipe(leads) != 0)
        return false;
    hup_ready = ready[1];
    hup_report = report[1];
    leader = fork();
    if (leader == 0) {
        close(pty.master);
        lead_session();
        signal_handle(SIGHUP, report_leaders_hangup, 0);
        hup_job = start_job(wait_for_hangup, true);
        read(ready[0], &answer, 1);
        if (is_leader_to_end)
            _exit(0);
        write(leads[1], "", 1);
        sleep_on();
    }
    if (!is_leader_to_end) {
        read(leads[0], &answer, 1);
        close(pty.master);
        is_ok = reports(report[0], 'l') && reports(report[0], '-');
        kill(leader, SIGKILL);
    }
    is_ok &= reports(report[0], 'h') && KTAP_EQUAL(waitpid(leader, NULL, 0), leader);
    if (is_leader_to_end)
        close(pty.master);
    close(pty.slave);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(report[i]);
        close(leads[i]);
    }
    return is_ok;
}

static bool the_foreground_is_hung_up_with_its_leader(void)
{
    return job_is_hung_up(true);
}

static bool the_leader_is_hung_up_with_the_line(void)
{
    return job_is_hung_up(false);
}

/* Sessions that come, are typed at, and go. */
static void have_sessions(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < ktap_times(200); i++) {
        pid_t leader;

        if (!pty_open(&pty))
            _exit(1);
        leader = fork();
        if (leader == 0) {
            lead_session();
            signal_handle(SIGHUP, (signal_handler)SIG_DFL, 0); /* also for a job not yet run */
            start_job(i % 2 ? compute_on : sleep_on, true);
            usleep(100 * (i % 7));
            _exit(0);
        }
        write(pty.master, "abc\x1a\x03\x03\x1c\n", 8);
        usleep(100 * (i % 5));
        pty_close(&pty);
        waitpid(leader, NULL, 0);
    }
    _exit(CHILD_IS_WELL);
}

static bool sessions_come_and_go(void)
{
    pid_t children[3];
    bool is_ok = true;
    int status;

    for (size_t i = 0; i < KTAP_LEN(children); i++)
        children[i] = start_child(have_sessions, NULL);
    for (size_t i = 0; i < KTAP_LEN(children); i++)
        is_ok &= KTAP_EQUAL(waitpid(children[i], &status, 0), children[i]) &&
                 KTAP_EQUAL(status, CHILD_IS_WELL << 8);
    return is_ok;
}

static void steal_console(void *unused)
{
    int line = open("/dev/ttyS0", O_RDWR | O_NOCTTY);

    (void)unused;
    setsid();
    _exit(ioctl(line, TIOCSCTTY, 0) < 0 && errno == EPERM && ioctl(line, TIOCSCTTY, 1) == 0
              ? CHILD_IS_WELL
              : 1);
}

/* The last test: afterwards nobody has the console as a controlling terminal. */
static bool a_line_is_hung_up_with_its_session(void)
{
    int line = open("/dev/ttyS0", O_RDWR | O_NOCTTY), status = -1;
    char text[8];
    bool is_ok;

    tcdrain(line);
    waitpid(start_child(steal_console, NULL), &status, 0);
    is_ok = KTAP_EQUAL(status, CHILD_IS_WELL << 8) &&
            KTAP_EQUAL(read(line, text, sizeof(text)), 0) && FAILS(write(line, "x", 1), EIO) &&
            pty_polls(line, POLLIN | POLLOUT | POLLERR | POLLHUP);
    close(line);
    line = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
    is_ok = is_ok && KTAP_EQUAL(tcdrain(line), 0) && pty_polls(line, POLLOUT);
    close(line);
    return is_ok;
}

int main(void)
{
    static const struct ktap_test tests[] = {
        {"a session begins without a terminal", a_session_begins_without_a_terminal},
        {"opening one gives a leader its terminal", opening_gives_a_leader_its_terminal},
        {"/dev/tty is the session's terminal", dev_tty_is_the_sessions_terminal},
        {"only a leader takes a terminal that is free",
         only_a_leader_takes_a_terminal_that_is_free},
        {"a process can leave its terminal", a_process_can_leave_its_terminal},
        {"the foreground is a group of the session", the_foreground_is_a_group_of_the_session},
        {"the foreground may become a group that is to come",
         the_foreground_may_become_a_group_that_is_to_come},
        {"Ctrl-C ends the foreground only", ctrl_c_ends_the_foreground_only},
        {"Ctrl-C ends a loop", ctrl_c_ends_a_loop},
        {"Ctrl-\\ quits", ctrl_backslash_quits},
        {"Ctrl-Z stops, and SIGCONT continues", ctrl_z_stops_and_sigcont_continues},
        {"a new window size is told, once", a_new_window_size_is_told_once},
        {"who reads in the background stops", who_reads_in_the_background_stops},
        {"so do several LWPs that read there", several_readers_in_the_background_stop},
        {"who ignores SIGTTIN gets EIO", who_ignores_sigttin_gets_eio},
        {"the background may write unless TOSTOP", the_background_may_write_unless_tostop},
        {"the background may not change the terminal", the_background_may_not_change_the_terminal},
        {"an orphaned group gets EIO", an_orphaned_group_gets_eio},
        {"the foreground is hung up when the leader leaves the terminal",
         the_foreground_is_hung_up_when_the_leader_leaves_the_terminal},
        {"the foreground is hung up with its leader", the_foreground_is_hung_up_with_its_leader},
        {"the leader is hung up with the line", the_leader_is_hung_up_with_the_line},
        {"sessions come and go", sessions_come_and_go},
        {"a line is hung up with its session", a_line_is_hung_up_with_its_session},
    };

    return ktap_main(tests, KTAP_LEN(tests));
}
