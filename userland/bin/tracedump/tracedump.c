/*
 * tracedump [-e events] command [argument...]: runs a command, and prints what every CPU did
 * meanwhile (abi/thrum.h, docs/tracing.md).
 *
 * While the command runs, the records of each CPU are collected in memory; they are printed when it
 * has ended, in the order of their times. The collecting itself makes events, too: of those, only
 * the switches are shown.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#define CPUS_MAX          64
#define CHUNK_RECORDS     1024
#define READ_EVERY_NS     5000000ull
#define NSEC_PER_USEC     1000ul
#define USEC_PER_SEC      1000000ul
#define PATH_MAX_BYTES    256
#define STATUS_BAD_USAGE  2
#define STATUS_NO_COMMAND 127

#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct cpu {
    struct thrum_trace_cursor cursor;
    struct thrum_trace_record *records;
    size_t nr_records, nr_room, nr_printed;
};

static struct cpu cpus[CPUS_MAX];
static size_t nr_cpus;
static bool is_memory_short;

static const char *const names[THRUM_TRACE_NR_KINDS] = {
#define NAME(number, symbol, name) [number] = (name),
    THRUM_TRACE_KINDS(NAME)
#undef NAME
};

static _Noreturn void print_help(void)
{
    printf("usage: tracedump [-e events] command [argument...]\n"
           "Runs the command and prints what every CPU did meanwhile: the time in seconds, the\n"
           "CPU, whom it is about (0: an idle CPU, below 0: a kernel thread), and what happened.\n"
           "\n"
           "  -e events   only these, separated by commas; all unless said:\n"
           "             ");
    for (size_t i = 0; i < NR(names); i++)
        printf(" %s", names[i]);
    printf("\n\nExample: tracedump -e switch,wake lwpdemo 4\n");
    exit(EXIT_SUCCESS);
}

/* The events of a list like "switch,wake"; 0: one of them does not exist. */
static unsigned parse_events(const char *list)
{
    unsigned events = 0;

    for (;;) {
        size_t nr_bytes = strcspn(list, ","), kind = 0;

        if (strncmp(list, "all", nr_bytes) == 0 && nr_bytes == 3) {
            events |= THRUM_TRACE_ALL;
        } else {
            while (kind < NR(names) &&
                   (strlen(names[kind]) != nr_bytes || memcmp(names[kind], list, nr_bytes) != 0))
                kind++;
            if (kind == NR(names))
                return 0;
            events |= 1u << kind;
        }
        if (list[nr_bytes] == '\0')
            return events;
        list += nr_bytes + 1;
    }
}

/* ---- Collecting ----------------------------------------------------------------------------- */

static long read_trace(size_t cpu, struct thrum_trace_record *records, size_t nr_max)
{
    return syscall(THRUM_SYS_trace_read, cpu, &cpus[cpu].cursor, records, nr_max);
}

/* Makes room for a chunk; false: there is no memory. */
static bool has_room(struct cpu *cpu)
{
    struct thrum_trace_record *more;

    if (cpu->nr_room - cpu->nr_records >= CHUNK_RECORDS)
        return true;
    more = realloc(cpu->records, (2 * cpu->nr_room + CHUNK_RECORDS) * sizeof(*more));
    if (more == NULL)
        return false;
    cpu->records = more;
    cpu->nr_room = 2 * cpu->nr_room + CHUNK_RECORDS;
    return true;
}

/* Reads what there is by now. */
static void collect(void)
{
    for (size_t i = 0; i < nr_cpus; i++) {
        struct cpu *cpu = &cpus[i];
        long nr = CHUNK_RECORDS;

        while (nr == CHUNK_RECORDS && !is_memory_short) {
            is_memory_short = !has_room(cpu);
            if (is_memory_short)
                break;
            nr = read_trace(i, cpu->records + cpu->nr_records, CHUNK_RECORDS);
            if (nr > 0)
                cpu->nr_records += (size_t)nr;
        }
    }
}

/* ---- Printing ------------------------------------------------------------------------------- */

static const char *word(const char *const *words, size_t nr_words, uint64_t index)
{
    return index < nr_words ? words[index] : "?";
}

static void print_arguments(const struct thrum_trace_record *record)
{
    static const char *const leaves[] = {
        [THRUM_SWITCH_IDLE] = "from idle",   [THRUM_SWITCH_PREEMPTED] = "preempted",
        [THRUM_SWITCH_SLICE] = "slice over", [THRUM_SWITCH_YIELD] = "yield",
        [THRUM_SWITCH_BLOCKED] = "blocked",  [THRUM_SWITCH_EXIT] = "exit",
    };
    static const char *const wakes[] = {
        [THRUM_WAKE_EVENT] = "event",
        [THRUM_WAKE_TIMEOUT] = "time-out",
        [THRUM_WAKE_INTERRUPT] = "interrupted",
        [THRUM_WAKE_NEW] = "new",
    };
    const uint64_t *a = record->argument;

    switch (record->kind) {
    case THRUM_TRACE_SWITCH:
        printf("to %ld, %s", (long)a[0], word(leaves, NR(leaves), a[1]));
        break;
    case THRUM_TRACE_WAKE:
        printf("on CPU %ld, %s, by %ld", (long)a[0], word(wakes, NR(wakes), a[1]), (long)a[2]);
        break;
    case THRUM_TRACE_MIGRATE:
        printf("CPU %ld to %ld", (long)a[0], (long)a[1]);
        break;
    case THRUM_TRACE_CREATE:
        printf("by %ld, in process %ld", (long)a[0], (long)a[1]);
        break;
    case THRUM_TRACE_EXIT:
        printf("of process %ld, value 0x%lx", (long)a[0], a[1]);
        break;
    case THRUM_TRACE_LEVEL:
    case THRUM_TRACE_BOOST:
        printf("%ld to %ld", (long)a[0], (long)a[1]);
        break;
    case THRUM_TRACE_CLASS:
        printf("%.16s", (const char *)a);
        break;
    case THRUM_TRACE_SYSCALL:
        printf("%ld (0x%lx, 0x%lx, ...)", (long)a[0], a[1], a[2]);
        break;
    case THRUM_TRACE_RETURN:
        printf("%ld = %ld", (long)a[0], (long)a[1]);
        break;
    case THRUM_TRACE_FAULT:
        printf("%s 0x%lx%s, pc 0x%lx",
               a[2] & THRUM_FAULT_EXEC    ? "execute"
               : a[2] & THRUM_FAULT_WRITE ? "write"
                                          : "read",
               a[0], a[2] & THRUM_FAULT_PRESENT ? ", not permitted" : "", a[1]);
        break;
    default:
        break;
    }
}

static void print_record(const struct thrum_trace_record *record)
{
    uint64_t us = record->time_ns / NSEC_PER_USEC;

    printf("%5lu.%06lu  cpu %-2u  %6d  %-8s", us / USEC_PER_SEC, us % USEC_PER_SEC, record->cpu,
           record->tid, word(names, NR(names), record->kind));
    print_arguments(record);
    putchar('\n');
}

/* The oldest record that has not been printed; NULL: there is none. */
static const struct thrum_trace_record *take_oldest(void)
{
    const struct thrum_trace_record *oldest = NULL;
    struct cpu *of = NULL;

    for (size_t i = 0; i < nr_cpus; i++) {
        struct cpu *cpu = &cpus[i];

        if (cpu->nr_printed < cpu->nr_records &&
            (oldest == NULL || cpu->records[cpu->nr_printed].time_ns < oldest->time_ns)) {
            of = cpu;
            oldest = &cpu->records[cpu->nr_printed];
        }
    }
    if (of != NULL)
        of->nr_printed++;
    return oldest;
}

static void print_all(void)
{
    const struct thrum_trace_record *record;
    uint64_t nr_lost = 0;
    pid_t self = getpid();

    while ((record = take_oldest()) != NULL) {
        if (record->tid != self || record->kind == THRUM_TRACE_SWITCH)
            print_record(record);
    }
    for (size_t i = 0; i < nr_cpus; i++)
        nr_lost += cpus[i].cursor.nr_lost;
    fflush(stdout);
    if (nr_lost > 0)
        fprintf(stderr,
                "tracedump: %lu records were lost: take fewer events (-e), or boot with larger "
                "rings (trace_kib=)\n",
                nr_lost);
    if (is_memory_short)
        fprintf(stderr, "tracedump: out of memory: the end is missing\n");
}

/* ---- The command ---------------------------------------------------------------------------- */

/* Starts the command; a name without "/" is one of /bin. */
static pid_t start_command(char **argv)
{
    char path[PATH_MAX_BYTES];
    bool has_folder = strchr(argv[0], '/') != NULL;

    if (snprintf(path, sizeof(path), "%s%s", has_folder ? "" : "/bin/", argv[0]) >=
        (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return spawn(path, argv, environ);
}

/* Runs the command with `events` switched on; its exit status as a shell gives it. */
static int run(unsigned events, char **argv)
{
    struct thrum_stat stat = {0};
    int status = 0, error;
    long before;
    pid_t pid;

    thrum_stat(&stat);
    nr_cpus = stat.nr_cpus;
    for (size_t i = 0; i < nr_cpus; i++) {
        cpus[i].cursor.next = THRUM_TRACE_NOW;
        read_trace(i, NULL, 0);
    }
    before = syscall(THRUM_SYS_trace_control, THRUM_TRACE_SET, events);
    if (before < 0) {
        perror("tracedump: trace_control");
        return EXIT_FAILURE;
    }
    pid = start_command(argv);
    error = errno;
    while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        collect();
        sleep_ns(READ_EVERY_NS);
    }
    syscall(THRUM_SYS_trace_control, THRUM_TRACE_SET, before);
    if (pid < 0) {
        fprintf(stderr, "tracedump: %s: %s\n", argv[0], strerror(error));
        return STATUS_NO_COMMAND;
    }
    collect();
    print_all();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    unsigned events = THRUM_TRACE_ALL;
    int next = 1;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        print_help();
    if (argc > 2 && strcmp(argv[1], "-e") == 0) {
        events = parse_events(argv[2]);
        next = 3;
    }
    if (events == 0) {
        fprintf(stderr, "tracedump: -e %s: no such event; --help lists them\n", argv[2]);
        return STATUS_BAD_USAGE;
    }
    if (next >= argc || argv[next][0] == '-') {
        fprintf(stderr, "usage: tracedump [-e events] command [argument...] (--help tells more)\n");
        return STATUS_BAD_USAGE;
    }
    return run(events, &argv[next]);
}
