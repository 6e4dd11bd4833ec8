/*
 * schedctl and schedtop: what they print, and what they do, through a pipe.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/wait.h>
#include <thrum/sched.h>

#include "common.h"
#include "ktap.h"
#include "pty.h"

#define ARGS_MAX     16
#define OUTPUT_BYTES 65536
#define STATUS_WRONG 1
#define STATUS_USAGE 2
#define STATUS_NONE  127
#define NR_TRIES     10

/* What the last program has printed, on both streams. */
static char output[OUTPUT_BYTES];

/* Runs a command of words with single blanks between; its exit status, -1 if it had none. */
static int run(const char *command)
{
    char words[256], *argv[ARGS_MAX + 1] = {0};
    int ends[2], status, nr_args = 0;
    size_t length = 0;
    ssize_t nr_read;
    pid_t child;

    strlcpy(words, command, sizeof(words));
    for (char *word = words; word && nr_args < ARGS_MAX;) {
        argv[nr_args++] = word;
        word = strchr(word, ' ');
        if (word)
            *word++ = '\0';
    }
    if (pipe(ends) != 0 || (child = fork()) < 0)
        return -1;
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], argv);
        _exit(STATUS_NONE);
    }
    close(ends[1]);
    while ((nr_read = read(ends[0], output + length, OUTPUT_BYTES - 1 - length)) > 0)
        length += (size_t)nr_read;
    output[length] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The same for a command with numbers in it. */
static int runf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int runf(const char *fmt, ...)
{
    char command[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    return run(command);
}

/* Whether it printed that; if not, a line shows what it did print. */
static bool says(const char *text)
{
    if (strstr(output, text))
        return true;
    ktap_diag("'%s' is not in: %.300s", text, output);
    return false;
}

static size_t count_lines(void)
{
    size_t nr = 0;

    for (const char *c = output; *c; c++)
        nr += *c == '\n';
    return nr;
}

/* The length of the longest line. */
static size_t width(void)
{
    size_t most = 0;

    for (const char *line = output; *line;
         line += strcspn(line, "\n") + (strchr(line, '\n') != 0)) {
        size_t length = strcspn(line, "\n");
        most = length > most ? length : most;
    }
    return most;
}

static void sleep_for_good(void *arg)
{
    sleep_for_ever(arg);
}

/* A child that sleeps by now: what it is told to be, it is at once. */
static pid_t start_sleeper(void)
{
    pid_t child = start_child(sleep_for_good, NULL);

    comes_to_wait(child);
    return child;
}

static void compute_for_good(void *arg)
{
    compute(arg);
}

static bool end_child(pid_t child)
{
    return KTAP_EQUAL(kill(child, SIGKILL), 0) && KTAP_EQUAL(waitpid(child, NULL, 0), child);
}

static bool read_lwp(pid_t tid, struct thrum_sched_lwp *lwp)
{
    return KTAP_EQUAL(sched_list(THRUM_LIST_LWPS, (uint64_t)tid, lwp, 1, sizeof(*lwp)), 1) &&
           KTAP_EQUAL(lwp->tid, tid);
}

/* ---- schedctl -------------------------------------------------------------------------------- */

static bool lists_are_tables(void)
{
    char self[32];
    bool is_right = KTAP_EQUAL(run("schedctl list"), 0) && says("  TID   PID NAME") &&
                    says(" schedctl     running ") && says("\n    1     1 init");

    snprintf(self, sizeof(self), "%5d %5d t_schedtools", getpid(), getpid());
    is_right = says(self) && is_right;
    is_right = KTAP_EQUAL(run("schedctl list cpus"), 0) && says("PROMISED") &&
               KTAP_EQUAL(count_lines(), 1 + ktap_cpus()) && is_right;
    is_right = KTAP_EQUAL(run("schedctl list groups"), 0) && says("the default group") &&
               KTAP_EQUAL(count_lines(), 2) && is_right;
    is_right = KTAP_EQUAL(run("schedctl list classes"), 0) && says("mlfq ") && says("\nrr ") &&
               says("preset process") && is_right;
    return KTAP_EQUAL(run("schedctl list tunables"), 0) && says("INITIAL") && is_right;
}

static bool show_tells_all_about_one(void)
{
    struct thrum_sched_params params;
    char first[64];
    bool is_right = KTAP_EQUAL(sched_get_params(0, &params), 0);

    params.nice = -4;
    is_right = KTAP_EQUAL(sched_set_params(0, &params), 0) &&
               KTAP_EQUAL(runf("schedctl show %d", getpid()), 0) && says("nice       -4\n") &&
               says("scope      system\n") && says("group      0, class ") && says("state      ") &&
               says(", on CPU ") && is_right;
    params.nice = 0;
    snprintf(first, sizeof(first), "LWP        %d of process %d, t_schedtools\n", getpid(),
             getpid());
    return KTAP_EQUAL(sched_set_params(0, &params), 0) && says(first) && is_right;
}

static bool set_changes_what_it_is_told(void)
{
    pid_t child = start_sleeper();
    size_t last_cpu = ktap_cpus() - 1;
    struct thrum_sched_lwp lwp;
    bool is_right =
        KTAP_EQUAL(runf("schedctl set %d nice=7 tickets=250 priority=40 affinity=%zu "
                        "scope=process",
                        child, last_cpu),
                   0) &&
        KTAP_EQUAL(output[0], '\0') && read_lwp(child, &lwp) && KTAP_EQUAL(lwp.params.nice, 7) &&
        KTAP_EQUAL(lwp.params.tickets, 250) && KTAP_EQUAL(lwp.params.priority, 40) &&
        KTAP_EQUAL(lwp.affinity, 1ull << last_cpu) && KTAP_EQUAL(lwp.scope, THRUM_SCOPE_PROCESS);

    is_right =
        KTAP_EQUAL(runf("schedctl set %d runtime=500us deadline=10ms period=1s", child), 0) &&
        KTAP_EQUAL(runf("schedctl show %d", child), 0) &&
        says("runtime    500us in every period of 1s, within 10ms of its start") &&
        says("scope      process") && is_right;
    is_right = KTAP_EQUAL(runf("schedctl set %d affinity=all scope=system nice=0", child), 0) &&
               read_lwp(child, &lwp) &&
               KTAP_EQUAL(__builtin_popcountll(lwp.affinity), ktap_cpus()) &&
               KTAP_EQUAL(lwp.params.tickets, 250) && is_right;
    return end_child(child) && is_right;
}

static bool shares_and_groups_are_given(void)
{
    pid_t child = start_sleeper();
    struct thrum_sched_lwp lwp;
    bool is_right = KTAP_EQUAL(runf("schedctl share %d 15", child), 0) && read_lwp(child, &lwp) &&
                    KTAP_EQUAL(lwp.share_percent, 15) &&
                    KTAP_EQUAL(runf("schedctl set %d share=0", child), 0) &&
                    read_lwp(child, &lwp) && KTAP_EQUAL(lwp.share_percent, 0);

    is_right = KTAP_EQUAL(run("schedctl group create rr 20"), 0) && says("group 1\n") &&
               KTAP_EQUAL(runf("schedctl join %d 1", child), 0) && read_lwp(child, &lwp) &&
               KTAP_EQUAL(lwp.group, 1) && KTAP_EQUAL(run("schedctl list groups"), 0) &&
               says("    1 rr         20 %       1\n") &&
               KTAP_EQUAL(run("schedctl group destroy 1"), STATUS_WRONG) && says("has members") &&
               is_right;
    is_right = KTAP_EQUAL(run("schedctl tune 1.quantum_us=3000"), 0) &&
               KTAP_EQUAL(run("schedctl list tunables"), 0) &&
               says("    1 rr      quantum_us           3000") && is_right;
    is_right = KTAP_EQUAL(runf("schedctl set %d group=0", child), 0) &&
               KTAP_EQUAL(run("schedctl group destroy 1"), 0) && is_right;
    return end_child(child) && is_right;
}

static bool class_is_switched(void)
{
    return KTAP_EQUAL(run("schedctl class rr"), 0) && KTAP_EQUAL(getlev(), -1) &&
           KTAP_EQUAL(run("schedctl list groups"), 0) && says("    0 rr ") &&
           KTAP_EQUAL(run("schedctl class mlfq"), 0) && KTAP_TRUE(getlev() >= 0) &&
           KTAP_EQUAL(run("schedctl preset process"), 0) &&
           KTAP_EQUAL(run("schedctl list tunables"), 0) && says("tick_us             10000") &&
           KTAP_EQUAL(run("schedctl class mlfq"), 0) &&
           KTAP_EQUAL(run("schedctl list tunables"), 0) && says("tick_us              1000");
}

/* A command that fails, how, and the words that say why. */
static const struct {
    const char *command;
    int status;
    const char *text;
} mistakes[] = {
    {"nonsense", STATUS_USAGE, "there is no command 'nonsense'"},
    {"list nonsense", STATUS_USAGE, "there is no list 'nonsense'"},
    {"list cpus groups", STATUS_USAGE, "that is too much: it is 'schedctl list"},
    {"show", STATUS_USAGE, "something is missing: it is 'schedctl show TID"},
    {"show 999999", STATUS_WRONG, "there is no LWP 999999"},
    {"show one", STATUS_USAGE, "'one' is not a whole number"},
    {"show 0", STATUS_USAGE, "TID: 0 is out of range"},
    {"set 2 nice", STATUS_USAGE, "'nice' is no setting"},
    {"set 2 nice=", STATUS_USAGE, "nice: '' is not a whole number"},
    {"set 2 nice=20", STATUS_USAGE, "nice: 20 is out of range; it goes from -20 to 19"},
    {"set 2 colour=red", STATUS_USAGE, "there is no setting 'colour'; there are nice, "},
    {"set 2 priority=64", STATUS_USAGE, "it goes from 0 to 63"},
    {"set 2 tickets=0", STATUS_USAGE, "it goes from 1 to 65536"},
    {"set 2 runtime=5", STATUS_USAGE, "runtime: 5 needs a unit"},
    {"set 2 runtime=5h", STATUS_USAGE, "'h' is not a unit"},
    {"set 2 runtime=-5ms", STATUS_USAGE, "is not a time"},
    {"set 2 period=99999999999999s", STATUS_USAGE, "is too long"},
    {"set 2 runtime=2ms deadline=1ms period=5ms", STATUS_WRONG, "deadline <= period"},
    {"set 2 affinity=", STATUS_USAGE, "is no list of CPUs"},
    {"set 2 affinity=3-1", STATUS_USAGE, "3-1 is no range"},
    {"set 2 affinity=0-64", STATUS_USAGE, "is no list of CPUs"},
    {"set 2 affinity=63", STATUS_WRONG, "none of those CPUs exists"},
    {"set 2 scope=mine", STATUS_USAGE, "neither system nor process"},
    {"set 2 group=16", STATUS_USAGE, "it goes from 0 to 15"},
    {"set 2 group=15", STATUS_WRONG, "there is no group 15"},
    {"set 999999 nice=1", STATUS_WRONG, "there is no LWP 999999"},
    {"share 1 101", STATUS_USAGE, "it goes from 0 to 100"},
    {"share 1 -1", STATUS_USAGE, "it goes from 0 to 100"},
    {"share 2 81", STATUS_WRONG, "no CPU that LWP 2 may run on has 81 % left"},
    {"share 999999 10", STATUS_WRONG, "there is no LWP 999999"},
    {"class nonsense", STATUS_WRONG, "there is no class 'nonsense'; there are "},
    {"group create nonsense 10", STATUS_WRONG, "there is no class 'nonsense'"},
    {"group create rr 81", STATUS_USAGE, "it goes from 1 to 80"},
    {"group create rr", STATUS_USAGE, "group create CLASS PERCENT"},
    {"group destroy 0", STATUS_WRONG, "group 0 is the default group"},
    {"group destroy 9", STATUS_WRONG, "there is no group 9"},
    {"join 2 9", STATUS_WRONG, "there is no group 9"},
    {"tune nonsense=1", STATUS_WRONG, "has no tunable 'nonsense'"},
    {"tune 9.quantum_us=1", STATUS_WRONG, "there is no group 9"},
    {"tune tick_us=0", STATUS_WRONG, "tick_us: 0 is out of range; it goes from 1 to 1000000"},
    {"tune tick_us", STATUS_USAGE, "is not NAME=VALUE"},
    {"preset nonsense", STATUS_WRONG, "no preset 'nonsense'"},
    {"run", STATUS_USAGE, "something is missing"},
    {"run nice=3", STATUS_USAGE, "which command?"},
    {"run nice=3 /bin/nonsense", STATUS_NONE, "cannot run /bin/nonsense: "},
    {"help nonsense", STATUS_USAGE, "there is no help about 'nonsense'"},
};

static bool mistakes_are_explained(void)
{
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(mistakes); i++) {
        bool is_told = KTAP_EQUAL(runf("schedctl %s", mistakes[i].command), mistakes[i].status) &&
                       says("schedctl: ") && says(mistakes[i].text);
        if (!is_told)
            ktap_diag("schedctl %s", mistakes[i].command);
        is_right = is_told && is_right;
    }
    return is_right;
}

static bool help_has_topics_with_examples(void)
{
    static const char *const topics[] = {"classes",  "groups",   "shares", "scope",
                                         "settings", "affinity", "edf",    "tunables"};
    bool is_right = KTAP_EQUAL(run("schedctl"), 0) && says("schedctl help TOPIC") &&
                    KTAP_EQUAL(run("schedctl --help"), 0) && KTAP_EQUAL(run("schedctl help"), 0);

    is_right = KTAP_TRUE(width() <= 92) && is_right;
    for (size_t i = 0; i < KTAP_LEN(topics); i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s", topics[i]);
        is_right = says(name) && is_right; /* the page of all pages names it */
    }
    for (size_t i = 0; i < KTAP_LEN(topics); i++)
        is_right = KTAP_EQUAL(runf("schedctl help %s", topics[i]), 0) && says("\n  schedctl ") &&
                   KTAP_TRUE(width() <= 92) && is_right;
    return is_right;
}

/* What `schedctl run` has started: whether it is as it was told. */
static int be_as_told(int argc, char **argv)
{
    struct thrum_sched_params params;
    uint64_t cpus;

    (void)argc;
    (void)argv;
    if (sched_get_params(0, &params) == 0 && params.nice == 5 && params.tickets == 300 &&
        sched_get_cpus(0, &cpus) == 0 && cpus == 1 && getlev() == -1)
        return CHILD_IS_WELL;
    return STATUS_WRONG;
}

static bool run_starts_a_program_with_settings(void)
{
    return KTAP_EQUAL(runf("schedctl run nice=5 tickets=300 affinity=0 share=10 %s as-told",
                           ktap_program()),
                      CHILD_IS_WELL) &&
           KTAP_EQUAL(run("schedctl run schedctl list cpus"), 0) && says("     0 % ");
}

/* ---- schedtop -------------------------------------------------------------------------------- */

/* Whether the child is first in the second of two tables. */
static bool is_shown_first(pid_t child)
{
    char row[32];
    const char *table, *again;

    if (!KTAP_EQUAL(run("schedtop -b -n 2 -d 0.4"), 0) || !says(" LWPs, ") ||
        !says("  CPU   BUSY") || !KTAP_TRUE(!strchr(output, '\033')) || !KTAP_TRUE(width() <= 80))
        return false;
    table = strstr(output, "  TID   PID");
    again = table ? strstr(table + 1, "  TID   PID") : NULL;
    snprintf(row, sizeof(row), "\n%5d %5d t_schedtools", child, child);
    if (again && strncmp(strchr(again, '\n'), row, strlen(row)) == 0)
        return true;
    ktap_diag("LWP %d is not the first in: %s", child, again ? again : output);
    return false;
}

/* A CPU that stands still because its host is busy has not always that LWP run. */
static bool batch_shows_who_computes(void)
{
    pid_t child = start_child(compute_for_good, NULL);
    bool is_shown = false;

    for (int i = 0; i < NR_TRIES && !is_shown; i++)
        is_shown = is_shown_first(child);
    return end_child(child) && KTAP_TRUE(is_shown);
}

static int exit_soon(int argc, char **argv)
{
    (void)argc;
    sleep_ns(strtoul(argv[2], NULL, 10) * 1000000);
    return CHILD_IS_WELL;
}

/* It shows nothing if the command has ended before the first picture: so one that takes longer. */
static bool schedtop_ends_with_its_command(void)
{
    bool is_right = true, is_shown = false;

    for (unsigned ms = 300; ms < 10000 && is_right && !is_shown; ms *= 2) {
        is_right = KTAP_EQUAL(runf("schedtop -b -d 0.1 %s exit-soon %u", ktap_program(), ms),
                              CHILD_IS_WELL);
        is_shown = strstr(output, "  CPU   BUSY") != NULL;
    }
    return KTAP_TRUE(is_shown) && KTAP_EQUAL(run("schedtop -b /bin/nonsense"), STATUS_NONE) &&
           says("cannot run") && is_right;
}

/* Twice from the upper left corner, and no more lines than there are. */
static bool live_picture_is_drawn_in_place(void)
{
    size_t nr_homes = 0;

    if (!KTAP_EQUAL(run("schedtop -n 2 -d 0.1"), 0))
        return false;
    for (const char *at = output; (at = strstr(at, "\033[H")); at++)
        nr_homes++;
    return KTAP_EQUAL(nr_homes, 2) && says("\033[?25l") && says("\033[K\n") && says("\033[J") &&
           says("\033[?25h") && KTAP_TRUE(count_lines() <= 2 * 23);
}

/* On a terminal of its own. */
static void run_on_terminal(void *arg)
{
    const struct pty *pty = arg;
    char *argv[] = {(char *)"schedtop", (char *)"-d", (char *)"30", NULL}, *none[] = {NULL};

    if (setsid() > 0 && open(pty_path(pty->number), O_RDWR) >= 0 && dup2(pty->slave, 0) == 0 &&
        dup2(pty->slave, 1) == 1)
        execve("/bin/schedtop", argv, none);
}

static bool takes_keys_at_once(void *arg)
{
    const struct pty *pty = arg;
    struct termios settings;

    pty_skip_output(arg);
    return tcgetattr(pty->slave, &settings) == 0 && (settings.c_lflag & ICANON) == 0;
}

static bool keys_end_it(void)
{
    static const char *const keys[] = {"xq", "\003"};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(keys); i++) {
        struct pty pty;
        struct termios settings;
        int status = -1;

        if (!pty_open(&pty))
            return false;
        pid_t child = start_child(run_on_terminal, &pty);
        is_right =
            KTAP_TRUE(ktap_wait_for(takes_keys_at_once, &pty)) && pty_type(&pty, keys[i]) &&
            KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_EQUAL(status, 0) &&
            KTAP_EQUAL(tcgetattr(pty.slave, &settings), 0) &&
            KTAP_TRUE((settings.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG)) &&
            is_right;
        pty_close(&pty);
    }
    return is_right;
}

static bool wrong_options_are_explained(void)
{
    static const char *const commands[] = {
        "-x",    "-n",      "-n 0",    "-n -1", "-n 1x",   "-d",   "-d 0",
        "-d -1", "-d 0.05", "-d 1.55", "-d x",  "-d 3601", "-d .", "-d 99999999999999999999"};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(commands); i++)
        is_right = KTAP_EQUAL(runf("schedtop %s", commands[i]), STATUS_USAGE) &&
                   says("usage: schedtop") && is_right;
    return is_right;
}

static const struct ktap_test tests[] = {
    {"schedctl lists LWPs, CPUs, groups, classes and tunables", lists_are_tables},
    {"schedctl show tells all about an LWP", show_tells_all_about_one},
    {"schedctl set changes what it is told, and nothing else", set_changes_what_it_is_told},
    {"schedctl gives shares, and makes and ends groups", shares_and_groups_are_given},
    {"schedctl goes over to another class, and uses presets", class_is_switched},
    {"schedctl says in words what is wrong", mistakes_are_explained},
    {"schedctl help has topics, with examples", help_has_topics_with_examples},
    {"schedctl run starts a program with settings", run_starts_a_program_with_settings},
    {"schedtop shows who computes", batch_shows_who_computes},
    {"schedtop ends with the command that it has started", schedtop_ends_with_its_command},
    {"schedtop draws in place", live_picture_is_drawn_in_place},
    {"q and Ctrl-C end schedtop", keys_end_it},
    {"schedtop explains its options", wrong_options_are_explained},
};

static const struct ktap_role roles[] = {
    {"as-told", be_as_told},
    {"exit-soon", exit_soon},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    return ktap_main(tests, KTAP_LEN(tests));
}
