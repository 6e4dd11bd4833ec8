/*
 * schedtop [-b] [-d SECONDS] [-n COUNT] [COMMAND [ARGUMENT...]]: who uses the CPUs.
 *
 * Reads the lists of CPUs and LWPs again and again, and shows what has changed in between: per CPU
 * how busy it was, per LWP its share of a CPU. The picture is drawn in place by control sequences
 * of ECMA-48; with -b each is plain text after the one before. On a terminal `q` and Ctrl-C end it.
 *
 * An LWP that came and went between two readings is not seen, nor is what one did after the last
 * reading before its end: the sum over the LWPs can be less than what the CPUs show.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/wait.h>
#include <thrum/sched.h>

#define STATUS_FAILED     1
#define STATUS_BAD_USAGE  2
#define STATUS_CANNOT_RUN 127 /* as the shell says that it could not start a command */

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MS  1000000ull
#define DELAY_MAX_S  3600u

/* How often we look whether the command has ended. */
#define LOOK_NS (50 * NSEC_PER_MS)

#define ROWS_DEFAULT    24
#define COLUMNS_DEFAULT 80
#define COLUMNS_MAX     256

#define CURSOR_HOME    "\033[H"
#define CURSOR_HIDE    "\033[?25l"
#define CURSOR_SHOW    "\033[?25h"
#define ERASE_ALL      "\033[2J"
#define ERASE_TO_RIGHT "\033[K"
#define ERASE_BELOW    "\033[J"

/* What was read at one moment. */
struct reading {
    uint64_t now_ns;
    struct thrum_sched_cpu *cpus;
    struct thrum_sched_lwp *lwps; /* by tid */
    size_t nr_cpus, nr_lwps;
};

/* What an LWP did between two readings. */
struct row {
    const struct thrum_sched_lwp *lwp;
    uint64_t run_ns, wait_ns, nr_switches, nr_migrations;
};

static struct {
    bool is_batch;
    uint64_t delay_ns;
    unsigned long count; /* 0: without end */
    unsigned rows, columns;
} options = {.delay_ns = NSEC_PER_SEC};

static _Noreturn void fail_usage(const char *why)
{
    fprintf(stderr,
            "schedtop: %s\n"
            "usage: schedtop [-b] [-d SECONDS] [-n COUNT] [COMMAND [ARGUMENT...]]\n"
            "  -b  plain text, one picture after the other\n"
            "  -d  how long to watch for each picture; 1 unless said; 0.1 is the least\n"
            "  -n  how many pictures; without end unless said\n"
            "  COMMAND is started, and schedtop ends with it\n",
            why);
    exit(STATUS_BAD_USAGE);
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "schedtop: %s: %s\n", what, strerror(errno));
    exit(STATUS_FAILED);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static void *read_list(unsigned what, size_t record_bytes, size_t *nr)
{
    void *records = sched_list_all(what, record_bytes, nr);

    if (!records)
        fail("cannot read the scheduler's lists");
    return records;
}

static struct reading take_reading(void)
{
    struct reading r;

    r.cpus = read_list(THRUM_LIST_CPUS, sizeof(*r.cpus), &r.nr_cpus);
    r.lwps = read_list(THRUM_LIST_LWPS, sizeof(*r.lwps), &r.nr_lwps);
    r.now_ns = monotonic_ns();
    return r;
}

static void drop_reading(const struct reading *r)
{
    free(r->cpus);
    free(r->lwps);
}

/* ---- Comparing ------------------------------------------------------------------------------ */

/* A counter's growth; one that has become less is another LWP's, which has got the number. */
static uint64_t growth(uint64_t before, uint64_t now)
{
    return now >= before ? now - before : now;
}

static struct row compare(const struct thrum_sched_lwp *before, const struct thrum_sched_lwp *now)
{
    static const struct thrum_sched_lwp nothing;

    if (!before)
        before = &nothing;
    return (struct row){
        .lwp = now,
        .run_ns = growth(before->run_ns, now->run_ns),
        .wait_ns = growth(before->wait_ns, now->wait_ns),
        .nr_switches = growth(before->nr_switches, now->nr_switches),
        .nr_migrations = growth(before->nr_migrations, now->nr_migrations),
    };
}

static bool comes_first(const struct row *a, const struct row *b)
{
    return a->run_ns != b->run_ns ? a->run_ns > b->run_ns : a->lwp->tid < b->lwp->tid;
}

/* Heap sort: rows[root] sinks to where its children come first. The last to come is on top. */
static void sink(struct row *rows, size_t root, size_t nr)
{
    for (size_t child; (child = 2 * root + 1) < nr; root = child) {
        if (child + 1 < nr && comes_first(&rows[child], &rows[child + 1]))
            child++;
        if (!comes_first(&rows[root], &rows[child]))
            return;
        struct row row = rows[root];
        rows[root] = rows[child];
        rows[child] = row;
    }
}

static void sort_rows(struct row *rows, size_t nr)
{
    for (size_t i = nr / 2; i > 0; i--)
        sink(rows, i - 1, nr);
    for (size_t last = nr; last > 1; last--) {
        struct row row = rows[0];
        rows[0] = rows[last - 1];
        rows[last - 1] = row;
        sink(rows, 0, last - 1);
    }
}

/* One row for each LWP of `now`, who ran most first; in memory of malloc(). */
static struct row *make_rows(const struct reading *before, const struct reading *now)
{
    struct row *rows = calloc(now->nr_lwps + 1, sizeof(*rows));

    if (!rows)
        fail("cannot compare");
    for (size_t i = 0, j = 0; i < now->nr_lwps; i++) {
        while (j < before->nr_lwps && before->lwps[j].tid < now->lwps[i].tid)
            j++;
        bool is_known = j < before->nr_lwps && before->lwps[j].tid == now->lwps[i].tid;
        rows[i] = compare(is_known ? &before->lwps[j] : NULL, &now->lwps[i]);
    }
    sort_rows(rows, now->nr_lwps);
    return rows;
}

/* ---- Showing -------------------------------------------------------------------------------- */

static unsigned nr_lines;

/* One line, as far as it fits on the screen. */
static void line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void line(const char *fmt, ...)
{
    char text[COLUMNS_MAX + 1];
    va_list args;

    /* The last line has no end: the picture would move up. */
    if (!options.is_batch && nr_lines >= options.rows - 1)
        return;
    va_start(args, fmt);
    vsnprintf(text, options.is_batch ? sizeof(text) : options.columns + 1, fmt, args);
    va_end(args);
    printf("%s%s\n", text, options.is_batch ? "" : ERASE_TO_RIGHT);
    nr_lines++;
}

/* Tenths of a percent. */
static unsigned long per_mille(uint64_t part_ns, uint64_t whole_ns)
{
    return whole_ns == 0 ? 0 : (unsigned long)(part_ns * 1000 / whole_ns);
}

static unsigned long per_second(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 ? 0 : (unsigned long)(count * NSEC_PER_SEC / elapsed_ns);
}

static void show_cpu(const struct thrum_sched_cpu *before, const struct thrum_sched_cpu *now)
{
    uint64_t elapsed_ns = now->now_ns - before->now_ns;
    uint64_t idle_ns = growth(before->idle_ns, now->idle_ns);
    unsigned long busy = per_mille(elapsed_ns > idle_ns ? elapsed_ns - idle_ns : 0, elapsed_ns);

    line("%5u %4lu.%lu %%%9u %6u %%%11lu", now->cpu, busy / 10, busy % 10, now->nr_runnable,
         now->promised_percent,
         per_second(growth(before->nr_switches, now->nr_switches), elapsed_ns));
}

/* New, waiting for a CPU, running, blocked, zombie. */
static char state_letter(uint32_t state)
{
    static const char letters[] = "NWRBZ";

    return state < sizeof(letters) - 1 ? letters[state] : '?';
}

/* Level, or else pass, in at most 12 characters. */
static void format_place(char place[24], const struct thrum_sched_lwp *lwp)
{
    if (lwp->level >= 0)
        snprintf(place, 24, "level %d", lwp->level);
    else if (lwp->pass > 0)
        snprintf(place, 24, "%lu", (unsigned long)lwp->pass);
    else
        strlcpy(place, "-", 24);
}

static void show_row(const struct row *row, uint64_t elapsed_ns)
{
    const struct thrum_sched_lwp *l = row->lwp;
    unsigned long run = per_mille(row->run_ns, elapsed_ns);
    unsigned long wait = per_mille(row->wait_ns, elapsed_ns);
    char place[24], share[8] = "-";

    format_place(place, l);
    if (l->share_percent > 0)
        snprintf(share, sizeof(share), "%u%%", l->share_percent);
    line("%5d %5d %-12.12s %c %3u %3lu.%lu %3lu.%lu %5s %-7.7s %12.12s %5lu %4lu", l->tid, l->pid,
         l->name, state_letter(l->state), l->cpu, run / 10, run % 10, wait / 10, wait % 10, share,
         l->class[0] ? l->class : "-", place, per_second(row->nr_switches, elapsed_ns),
         per_second(row->nr_migrations, elapsed_ns));
}

static void show(const struct reading *before, const struct reading *now)
{
    uint64_t elapsed_ns = now->now_ns - before->now_ns;
    struct row *rows = make_rows(before, now);
    unsigned nr_runnable = 0;

    nr_lines = 0;
    if (!options.is_batch)
        fputs(CURSOR_HOME, stdout);
    for (size_t i = 0; i < now->nr_cpus; i++)
        nr_runnable += now->cpus[i].nr_runnable;
    line("%zu CPUs, %zu LWPs, %u of them runnable; in the last %lu ms:", now->nr_cpus, now->nr_lwps,
         nr_runnable, (unsigned long)(elapsed_ns / NSEC_PER_MS));
    line("  CPU   BUSY   RUNNABLE PROMISED SWITCHES/s");
    for (size_t i = 0; i < now->nr_cpus && i < before->nr_cpus; i++)
        show_cpu(&before->cpus[i], &now->cpus[i]);
    line("%s", "");
    line("  TID   PID NAME         S CPU  CPU%% WAIT%% SHARE CLASS   LEVEL or PASS SW/s MG/s");
    for (size_t i = 0; i < now->nr_lwps; i++)
        show_row(&rows[i], elapsed_ns);
    if (options.is_batch)
        putchar('\n');
    else
        fputs(ERASE_BELOW, stdout);
    fflush(stdout);
    free(rows);
}

/* ---- The command and the time --------------------------------------------------------------- */

static pid_t start_command(char *const argv[])
{
    pid_t child = fork();

    if (child < 0)
        fail("cannot start the command");
    if (child == 0) {
        execvp(argv[0], argv);
        fprintf(stderr, "schedtop: cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(STATUS_CANNOT_RUN);
    }
    return child;
}

/* ---- Keys ----------------------------------------------------------------------------------- */

#define KEY_CTRL_C 3

static struct termios settings_before;
static bool has_keys; /* the terminal gives each key at once */

/* The terminal is only ours if we are in its foreground. */
static void take_keys(void)
{
    struct termios settings;

    if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &settings_before) != 0)
        return;
    settings = settings_before;
    settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    has_keys = tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0;
}

static void give_keys_back(void)
{
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings_before);
}

static bool is_end_wanted(void)
{
    char key;

    while (has_keys && read(STDIN_FILENO, &key, 1) == 1) {
        if (key == 'q' || key == KEY_CTRL_C)
            return true;
    }
    return false;
}

/* ---- Watching ------------------------------------------------------------------------------- */

/* Sleeps until then, or until the command (0: there is none) has ended, or
 * a key says so; whether it is over. */
static bool wait_until(uint64_t then_ns, pid_t command, int *status)
{
    for (uint64_t now_ns; (now_ns = monotonic_ns()) < then_ns;) {
        if (command != 0 && waitpid(command, status, WNOHANG) == command)
            return true;
        if (is_end_wanted())
            return true;
        sleep_ns(then_ns - now_ns < LOOK_NS ? then_ns - now_ns : LOOK_NS);
    }
    return false;
}

/* Until the command ends, or there have been as many pictures as wanted. Our exit status. */
static int watch(pid_t command)
{
    struct reading before = take_reading();
    uint64_t then_ns = before.now_ns;
    int status = 0;

    for (unsigned long i = 0; options.count == 0 || i < options.count; i++) {
        then_ns += options.delay_ns;
        if (wait_until(then_ns, command, &status))
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        struct reading now = take_reading();
        show(&before, &now);
        drop_reading(&before);
        before = now;
    }
    return 0;
}

/* ---- Options -------------------------------------------------------------------------------- */

static unsigned long parse_count(const char *text)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || *text == '-' || count == 0)
        fail_usage("-n wants a number of pictures, at least 1");
    return count;
}

/* Seconds, with at most one digit after the point. */
static uint64_t parse_delay_ns(const char *text)
{
    static const char why[] = "-d wants seconds, from 0.1 to 3600";
    char *end;
    unsigned long tenths = strtoul(text, &end, 10) * 10;

    if (end == text || *text == '-' || tenths > 10ul * DELAY_MAX_S)
        fail_usage(why);
    if (end[0] == '.' && end[1] >= '0' && end[1] <= '9') {
        tenths += (unsigned long)(end[1] - '0');
        end += 2;
    }
    if (*end != '\0' || tenths == 0)
        fail_usage(why);
    return tenths * (NSEC_PER_SEC / 10);
}

/* A size of the screen, as the environment has it. */
static unsigned screen_size(const char *variable, unsigned usual, unsigned max)
{
    const char *text = getenv(variable);
    int size = text ? atoi(text) : 0;

    if (size < 2)
        return usual;
    return (unsigned)size < max ? (unsigned)size : max;
}

/* The index of the command's first word in argv. */
static int parse_options(int argc, char **argv)
{
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        bool is_last = i + 1 == argc;
        if (strcmp(argv[i], "-b") == 0)
            options.is_batch = true;
        else if (strcmp(argv[i], "-n") == 0 && !is_last)
            options.count = parse_count(argv[++i]);
        else if (strcmp(argv[i], "-d") == 0 && !is_last)
            options.delay_ns = parse_delay_ns(argv[++i]);
        else
            fail_usage("options are -b, -d SECONDS and -n COUNT");
    }
    options.rows = screen_size("LINES", ROWS_DEFAULT, UINT16_MAX);
    options.columns = screen_size("COLUMNS", COLUMNS_DEFAULT, COLUMNS_MAX);
    return i;
}

int main(int argc, char **argv)
{
    int first = parse_options(argc, argv);
    pid_t command = first < argc ? start_command(argv + first) : 0;
    int status;

    if (!options.is_batch) {
        fputs(CURSOR_HIDE ERASE_ALL, stdout);
        if (command == 0)
            take_keys(); /* otherwise they are the command's */
    }
    status = watch(command);
    give_keys_back();
    if (!options.is_batch)
        fputs(CURSOR_SHOW, stdout);
    return status;
}
