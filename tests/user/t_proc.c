/*
 * Processes: starting a program and what it finds, files that are no programs, the ways to end and
 * what the parent hears of them.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "user_asm.h"

#define MIB 1048576ul

static long raw_wait4(long pid, int *status, long options)
{
    return syscall6(__NR_wait4, pid, (long)status, options, 0, 0, 0);
}

static long raw_spawn(const char *path, char *const argv[], char *const envp[])
{
    return syscall6(THRUM_SYS_spawn, (long)path, (long)argv, (long)envp, 0, 0, 0);
}

/* Waits for a child that should not be there, so that a failed test does not disturb the next. */
static void forget_child(long pid)
{
    if (pid > 0)
        raw_wait4(pid, NULL, 0);
}

struct process_count {
    uint64_t nr_processes;
};

static bool has_processes(void *arg)
{
    const struct process_count *wanted = arg;
    struct thrum_stat stat;

    return thrum_stat(&stat) == 0 && stat.processes == wanted->nr_processes;
}

static uint64_t count_processes(void)
{
    struct thrum_stat stat = {0};

    thrum_stat(&stat);
    return stat.processes;
}

static bool processes_come_back_to(uint64_t nr_processes)
{
    return KTAP_TRUE(ktap_wait_for(has_processes, &(struct process_count){nr_processes}));
}

/* Ends. */

static int exit_with(int argc, char **argv)
{
    return argc > 2 ? atoi(argv[2]) : 0;
}

static bool status_is(const char *exit_status, int want)
{
    return ktap_check_exits(ktap_role_status("exit-with", exit_status), want, __FILE__, __LINE__);
}

static bool exit_status_arrives(void)
{
    return status_is("0", 0) && status_is("1", 1) && status_is("42", 42) && status_is("255", 255);
}

static bool exit_status_has_eight_bits(void)
{
    return status_is("256", 0) && status_is("-1", 255);
}

/* The roles that a signal ends. */

static int divide_by_zero(int argc, char **argv)
{
    volatile int zero = argc - argc;

    (void)argv;
    return argc / zero;
}

static int divide_overflow(int argc, char **argv)
{
    volatile int minus_one = -1, smallest = INT32_MIN;

    (void)argc, (void)argv;
    return smallest / minus_one;
}

#define INSTRUCTION_ROLE(function)                                                                 \
    static int role_##function(int argc, char **argv)                                              \
    {                                                                                              \
        (void)argc, (void)argv;                                                                    \
        function();                                                                                \
        return 0;                                                                                  \
    }

INSTRUCTION_ROLE(run_ud2)
INSTRUCTION_ROLE(run_hlt)
INSTRUCTION_ROLE(run_cli)
INSTRUCTION_ROLE(run_out)
INSTRUCTION_ROLE(run_rdmsr)
INSTRUCTION_ROLE(run_mov_cr3)
INSTRUCTION_ROLE(run_int3)
INSTRUCTION_ROLE(run_push_nowhere)
INSTRUCTION_ROLE(abort)

struct death {
    const char *role, *what;
    int signal;
    const char *signal_name;
};

static const struct death deaths[] = {
    {"divide-by-zero", "a division by zero", SIGFPE, "SIGFPE"},
    {"divide-overflow", "a quotient that is too large", SIGFPE, "SIGFPE"},
    {"ud2", "an instruction that does not exist", SIGILL, "SIGILL"},
    {"hlt", "halting the CPU", SIGSEGV, "SIGSEGV"},
    {"cli", "disabling interrupts", SIGSEGV, "SIGSEGV"},
    {"out", "writing to an I/O port", SIGSEGV, "SIGSEGV"},
    {"rdmsr", "reading a model-specific register", SIGSEGV, "SIGSEGV"},
    {"mov-cr3", "reading a control register", SIGSEGV, "SIGSEGV"},
    {"int3", "a breakpoint", SIGTRAP, "SIGTRAP"},
};

/* As Linux, which says SIGBUS for a stack segment fault; SIGSEGV is as good. */
static bool push_nowhere_ends_the_process(void)
{
    int signal = ktap_role_status("push-nowhere", NULL) & ~0x80;

    return KTAP_TRUE(signal == SIGBUS || signal == SIGSEGV);
}

static bool abort_is_abnormal(void)
{
    return KTAP_ROLE_DIES("abort", SIGABRT);
}

/* What a program finds at its start. */

static char *const layout_argv[] = {"layout", "layout", "", "two words", "\xc3\xa4", NULL};
static char *const layout_envp[] = {"A=1", "EMPTY=", "NO_SIGN", "A=2", NULL};

static bool has_strings(char *const seen[], char *const want[])
{
    size_t i;

    for (i = 0; want[i]; i++)
        if (!seen[i] || strcmp(seen[i], want[i]) != 0)
            return false;
    return seen[i] == NULL;
}

/* Set by play_layout(). */
static int seen_argc;
static char **seen_argv;

static bool argc_counts(void)
{
    return seen_argc == (int)KTAP_LEN(layout_argv) - 1;
}

static bool argv_is_right(void)
{
    /* argv[2] names the property that is looked at. */
    return has_strings(seen_argv + 3, layout_argv + 3) && strcmp(seen_argv[1], "layout") == 0;
}

static bool envp_is_right(void)
{
    return has_strings(environ, layout_envp);
}

static bool envp_follows_argv(void)
{
    return environ == seen_argv + seen_argc + 1;
}

static bool stack_is_aligned(void)
{
    return (uintptr_t)(seen_argv - 1) % 16 == 0;
}

static bool argc_is_below_argv(void)
{
    return *(long *)(seen_argv - 1) == seen_argc;
}

static bool strings_are_above(void)
{
    return seen_argv[0] > (char *)environ && environ[0] > (char *)environ;
}

static bool page_size_is_told(void)
{
    return getauxval(AT_PAGESZ) == 4096;
}

static bool entry_is_told(void)
{
    extern void _start(void);

    return getauxval(AT_ENTRY) == (uintptr_t)_start;
}

static bool program_headers_are_told(void)
{
    const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);

    return headers && getauxval(AT_PHENT) == sizeof(*headers) && getauxval(AT_PHNUM) >= 3 &&
           headers[0].p_type == PT_LOAD;
}

static bool random_bytes_are_told(void)
{
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    unsigned sum = 0;

    for (int i = 0; random && i < 16; i++)
        sum += random[i];
    return sum != 0;
}

static bool file_name_is_told(void)
{
    const char *name = (const char *)getauxval(AT_EXECFN);

    return name && strchr(name, '/');
}

static bool set_ids_are_off(void)
{
    return getauxval(AT_SECURE) == 0;
}

static const struct {
    const char *name, *sentence;
    bool (*is_so)(void);
} layout_checks[] = {
    {"argc", "argc counts the arguments", argc_counts},
    {"argv", "argv holds the arguments, also empty ones and those with blanks", argv_is_right},
    {"envp", "envp holds the environment, whatever it looks like", envp_is_right},
    {"order", "envp follows argv", envp_follows_argv},
    {"aligned", "the first stack pointer is a multiple of 16", stack_is_aligned},
    {"below", "argc is at the first stack pointer", argc_is_below_argv},
    {"strings", "the strings lie above the vectors", strings_are_above},
    {"page-size", "the auxiliary vector tells the page size", page_size_is_told},
    {"entry", "the auxiliary vector tells the entry point", entry_is_told},
    {"headers", "the auxiliary vector tells where the program headers are",
     program_headers_are_told},
    {"random", "the auxiliary vector tells where random bytes are", random_bytes_are_told},
    {"name", "the auxiliary vector tells the program's path", file_name_is_told},
    {"secure", "the auxiliary vector does not call the program privileged", set_ids_are_off},
};

/* Exits with 0 when the property that argv[2] names is there. */
static int play_layout(int argc, char **argv)
{
    seen_argc = argc;
    seen_argv = argv;
    for (size_t i = 0; i < KTAP_LEN(layout_checks); i++)
        if (strcmp(layout_checks[i].name, argv[2]) == 0)
            return layout_checks[i].is_so() ? 0 : 1;
    return 2;
}

static bool layout_is_right(const char *property)
{
    char *argv[KTAP_LEN(layout_argv)];
    int status = -1;

    memcpy(argv, layout_argv, sizeof(argv));
    argv[2] = (char *)property;
    pid_t pid = spawn(ktap_program(), argv, layout_envp);
    raw_wait4(pid, &status, 0);
    return ktap_check_exits(status, 0, __FILE__, __LINE__);
}

static int count_arguments(int argc, char **argv)
{
    (void)argv;
    return argc % 251;
}

static bool many_arguments_arrive(void)
{
    enum { NR_ARGUMENTS = 1000 };
    static char *argv[NR_ARGUMENTS + 1];
    int status = -1;

    for (int i = 0; i < NR_ARGUMENTS; i++)
        argv[i] = "count-arguments";
    pid_t pid = spawn(ktap_program(), argv, argv + NR_ARGUMENTS);
    raw_wait4(pid, &status, 0);
    return ktap_check_exits(status, NR_ARGUMENTS % 251, __FILE__, __LINE__);
}

/* What cannot be started. */

struct bad_path {
    const char *path;
    long want;
    const char *sentence;
};

static const struct bad_path bad_paths[] = {
    {"/bin/no-such-program", -ENOENT, "a program that does not exist is ENOENT"},
    {"/no/such/folder", -ENOENT, "a program in a folder that does not exist is ENOENT"},
    {"", -ENOENT, "a program with an empty path is ENOENT"},
    {"/bin", -EACCES, "a folder as a program is EACCES"},
    {"/bin/init/x", -ENOTDIR, "a program below a file is ENOTDIR"},
};

static bool path_is_refused(const struct bad_path *row)
{
    char *argv[] = {"x", NULL};
    long pid = raw_spawn(row->path, argv, argv + 1);

    forget_child(pid);
    return KTAP_EQUAL(pid, row->want);
}

static bool long_path_is_refused(void)
{
    enum { PATH_BYTES = 8000 };
    static char path[PATH_BYTES];
    char *argv[] = {"x", NULL};

    memset(path, '/', PATH_BYTES - 1);
    return KTAP_EQUAL(raw_spawn(path, argv, argv + 1), -ENAMETOOLONG);
}

static bool long_argument_is_refused(void)
{
    char *argument = malloc(MIB);

    memset(argument, 'x', MIB - 1);
    argument[MIB - 1] = '\0';
    char *argv[] = {"x", argument, NULL};
    long pid = raw_spawn(ktap_program(), argv, argv + 2);
    free(argument);
    forget_child(pid);
    return KTAP_EQUAL(pid, -E2BIG);
}

static bool too_many_arguments_are_refused(void)
{
    enum { NR_ARGUMENTS = 256 << 10 };
    char **argv = calloc(NR_ARGUMENTS + 1, sizeof(*argv));

    for (size_t i = 0; i < NR_ARGUMENTS; i++)
        argv[i] = "1234567";
    long pid = raw_spawn(ktap_program(), argv, argv + NR_ARGUMENTS);
    free(argv);
    forget_child(pid);
    return KTAP_EQUAL(pid, -E2BIG);
}

/* Files of broken.asm in /test/broken. */
static const struct {
    const char *name, *what;
} broken_files[] = {
    {"empty", "an empty file"},
    {"text", "a text"},
    {"short-header", "half an ELF header"},
    {"bad-magic", "an ELF header with a wrong magic number"},
    {"class-32", "a 32-bit program"},
    {"big-endian", "a big-endian program"},
    {"bad-version", "an unknown version of ELF"},
    {"other-machine", "a program for another processor"},
    {"object-file", "an object file"},
    {"no-segments", "a program without program headers"},
    {"nothing-to-load", "a program without a loadable segment"},
    {"bad-header-size", "program headers of a wrong size"},
    {"headers-outside", "program headers beyond the end of the file"},
    {"headers-wrap", "program headers whose offset wraps"},
    {"segment-outside", "a segment beyond the end of the file"},
    {"segment-wraps", "a segment whose offset wraps"},
    {"more-in-file", "a segment with more bytes in the file than in memory"},
    {"kernel-address", "a segment at a kernel address"},
    {"across-the-end", "a segment across the end of the user half"},
    {"address-wraps", "a segment whose address wraps"},
    {"misaligned", "a segment whose address and offset do not agree"},
    {"kernel-entry", "an entry point in the kernel"},
};

static bool broken_file_is_refused(const char *name)
{
    char path[64];
    char *argv[] = {path, NULL};

    snprintf(path, sizeof(path), "/test/broken/%s", name);
    long pid = raw_spawn(path, argv, argv + 1);
    forget_child(pid);
    return KTAP_EQUAL(pid, -ENOEXEC);
}

static bool file_runs(const char *path)
{
    int status = -1;
    char *argv[] = {NULL};
    long pid = raw_spawn(path, argv, argv);

    raw_wait4(pid, &status, 0);
    return KTAP_TRUE(pid > 0) && ktap_check_exits(status, 7, __FILE__, __LINE__);
}

static bool good_file_runs(void)
{
    return file_runs("/test/broken/good");
}

static bool position_independent_file_runs(void)
{
    return file_runs("/test/broken/position-independent");
}

static bool huge_segment_is_refused(void)
{
    char *argv[] = {"huge", NULL};
    long pid = raw_spawn("/test/broken/huge", argv, argv + 1);

    forget_child(pid);
    return KTAP_TRUE(pid == -ENOMEM || pid == -ENOEXEC);
}

static void start_broken_files(void)
{
    for (size_t i = 0; i < KTAP_LEN(broken_files); i++) {
        char path[64];
        char *argv[] = {path, NULL};
        snprintf(path, sizeof(path), "/test/broken/%s", broken_files[i].name);
        forget_child(raw_spawn(path, argv, argv + 1));
    }
}

static bool failed_starts_leave_nothing(void)
{
    return ktap_leaves_nothing(start_broken_files);
}

/* Waiting. */

static bool wait_without_children_is_echild(void)
{
    return KTAP_EQUAL(raw_wait4(-1, NULL, 0), -ECHILD);
}

static bool wait_for_somebody_elses_child_is_echild(void)
{
    return KTAP_EQUAL(raw_wait4(1, NULL, 0), -ECHILD) &&
           KTAP_EQUAL(raw_wait4(0x3ffffffe, NULL, 0), -ECHILD) &&
           KTAP_EQUAL(raw_wait4(getpid(), NULL, 0), -ECHILD);
}

static bool wait_checks_its_options(void)
{
    return KTAP_EQUAL(raw_wait4(-1, NULL, 0x00100000), -EINVAL);
}

static int sleep_a_little(int argc, char **argv)
{
    (void)argc, (void)argv;
    sleep_ns(50000000);
    return 0;
}

static int sleep_on(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (;;)
        sleep(1000);
}

static bool wait_without_hanging_returns_0(void)
{
    pid_t child = ktap_spawn_role("sleep-on", NULL);
    bool is_right = KTAP_EQUAL(raw_wait4(child, NULL, WNOHANG), 0);

    kill(child, SIGKILL);
    forget_child(child);
    return is_right;
}

static bool wait_takes_the_child_it_names(void)
{
    pid_t first = ktap_spawn_role("exit-with", "1");
    pid_t second = ktap_spawn_role("exit-with", "2");
    int second_status = 0, first_status = 0;
    bool is_right = KTAP_EQUAL(raw_wait4(second, &second_status, 0), second) &&
                    KTAP_EQUAL(raw_wait4(first, &first_status, 0), first);

    return is_right && KTAP_EQUAL(WEXITSTATUS(first_status), 1) &&
           KTAP_EQUAL(WEXITSTATUS(second_status), 2);
}

static bool child_is_reaped_once(void)
{
    pid_t child = ktap_spawn_role("exit-with", "1");

    raw_wait4(child, NULL, 0);
    return KTAP_EQUAL(raw_wait4(child, NULL, 0), -ECHILD);
}

static bool wait_after_the_end_gets_the_status(void)
{
    pid_t child = ktap_spawn_role("exit-with", "9");
    int status = 0;

    return KTAP_TRUE(child_comes_to_end(child)) &&
           KTAP_EQUAL(raw_wait4(child, &status, 0), child) && KTAP_EQUAL(WEXITSTATUS(status), 9);
}

static void *spawn_a_child(void *arg)
{
    return (void *)(intptr_t)ktap_spawn_role("exit-with", arg);
}

static bool children_are_the_processes_not_the_lwps(void)
{
    thread_t lwp;
    void *child = NULL;
    int status = 0;

    thread_create(&lwp, spawn_a_child, "12");
    thread_join(lwp, &child);
    return KTAP_EQUAL(raw_wait4((long)child, &status, 0), (long)child) &&
           KTAP_EQUAL(WEXITSTATUS(status), 12);
}

static void *wait_for_any(void *arg)
{
    (void)arg;
    int status = 0;
    raw_wait4(-1, &status, 0);
    return (void *)(intptr_t)WEXITSTATUS(status);
}

static bool any_lwp_may_wait(void)
{
    thread_t lwp;
    void *exit_status = NULL;

    ktap_spawn_role("exit-with", "13");
    thread_create(&lwp, wait_for_any, NULL);
    thread_join(lwp, &exit_status);
    return KTAP_EQUAL((long)exit_status, 13);
}

static bool wait_does_not_reap_lwps(void)
{
    thread_t lwp;
    void *value = NULL;

    thread_create(&lwp, return_argument, (void *)3);
    return KTAP_EQUAL(raw_wait4(-1, NULL, 0), -ECHILD) &&
           KTAP_EQUAL(raw_wait4(lwp, NULL, 0), -ECHILD) &&
           KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_EQUAL((long)value, 3);
}

static int leave_orphans(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 5; i++)
        ktap_spawn_role(i % 2 ? "sleep-a-little" : "exit-with", NULL);
    return 0;
}

static bool orphans_are_reaped(void)
{
    uint64_t nr_processes = count_processes();

    return KTAP_ROLE_EXITS("leave-orphans", 0) && processes_come_back_to(nr_processes) &&
           KTAP_EQUAL(raw_wait4(-1, NULL, 0), -ECHILD);
}

static bool many_children_are_reaped(void)
{
    enum { NR_CHILDREN_MAX = 50, FRAMES_PER_CHILD = 64 };
    uint64_t nr_processes = count_processes();
    struct thrum_stat stat;
    long nr_right = 0;

    thrum_stat(&stat);
    long nr_children = (long)(stat.frames_free / FRAMES_PER_CHILD);
    if (nr_children > NR_CHILDREN_MAX)
        nr_children = NR_CHILDREN_MAX;
    for (long i = 0; i < nr_children; i++)
        ktap_spawn_role("sleep-a-little", NULL);
    for (long i = 0; i < nr_children; i++)
        nr_right += raw_wait4(-1, NULL, 0) > 0;
    return KTAP_EQUAL(nr_right, nr_children) && processes_come_back_to(nr_processes);
}

static bool processes_have_memory_of_their_own(void)
{
    static int variable = 5;
    int *mapped = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    variable = 6;
    *mapped = 7;
    bool is_right =
        KTAP_ROLE_EXITS("write-memory", 0) && KTAP_EQUAL(variable, 6) && KTAP_EQUAL(*mapped, 7);
    munmap(mapped, 4096);
    return is_right;
}

static int write_memory(int argc, char **argv)
{
    int *mapped = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    (void)argc, (void)argv;
    if (*mapped != 0)
        return 1;
    *mapped = 99;
    return 0;
}

static const struct ktap_test tests[] = {
    {"the parent hears the exit status", exit_status_arrives},
    {"of an exit status eight bits count", exit_status_has_eight_bits},
    {"a push to a non-canonical address ends the process", push_nowhere_ends_the_process},
    {"abort ends the process by SIGABRT", abort_is_abnormal},
    {"a thousand arguments arrive", many_arguments_arrive},
    {"the program from which the broken ones are made runs, without arguments", good_file_runs},
    {"and so it does where it is position-independent", position_independent_file_runs},
    {"a path that is too long is ENAMETOOLONG", long_path_is_refused},
    {"an argument that is too long is E2BIG", long_argument_is_refused},
    {"too many arguments are E2BIG", too_many_arguments_are_refused},
    {"a segment that is too large is refused", huge_segment_is_refused},
    {"programs that could not be started leave nothing behind", failed_starts_leave_nothing},
    {"wait without children is ECHILD", wait_without_children_is_echild},
    {"wait for somebody else's child is ECHILD", wait_for_somebody_elses_child_is_echild},
    {"wait with unknown options is EINVAL", wait_checks_its_options},
    {"wait with WNOHANG returns 0 while the child runs", wait_without_hanging_returns_0},
    {"wait takes the child that it names", wait_takes_the_child_it_names},
    {"a child is reaped once", child_is_reaped_once},
    {"wait after the child's end gets the status", wait_after_the_end_gets_the_status},
    {"a child outlives the LWP that started it", children_are_the_processes_not_the_lwps},
    {"any LWP may wait for any child", any_lwp_may_wait},
    {"wait does not reap LWPs", wait_does_not_reap_lwps},
    {"orphans go to init, which reaps them", orphans_are_reaped},
    {"many children at once are reaped", many_children_are_reaped},
    {"the memory of one process is not that of another", processes_have_memory_of_their_own},
};

static const struct ktap_role roles[] = {
    {"exit-with", exit_with},
    {"layout", play_layout},
    {"count-arguments", count_arguments},
    {"sleep-a-little", sleep_a_little},
    {"sleep-on", sleep_on},
    {"leave-orphans", leave_orphans},
    {"write-memory", write_memory},
    {"divide-by-zero", divide_by_zero},
    {"divide-overflow", divide_overflow},
    {"ud2", role_run_ud2},
    {"hlt", role_run_hlt},
    {"cli", role_run_cli},
    {"out", role_run_out},
    {"rdmsr", role_run_rdmsr},
    {"mov-cr3", role_run_mov_cr3},
    {"int3", role_run_int3},
    {"push-nowhere", role_run_push_nowhere},
    {"abort", role_abort},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(deaths) + KTAP_LEN(layout_checks) + KTAP_LEN(bad_paths) +
               KTAP_LEN(broken_files));
    for (size_t i = 0; i < KTAP_LEN(layout_checks); i++)
        ktap_ok(layout_is_right(layout_checks[i].name), "%s", layout_checks[i].sentence);
    for (size_t i = 0; i < KTAP_LEN(deaths); i++)
        ktap_ok(KTAP_ROLE_DIES(deaths[i].role, deaths[i].signal), "%s is %s", deaths[i].what,
                deaths[i].signal_name);
    for (size_t i = 0; i < KTAP_LEN(bad_paths); i++)
        ktap_ok(path_is_refused(&bad_paths[i]), "%s", bad_paths[i].sentence);
    for (size_t i = 0; i < KTAP_LEN(broken_files); i++)
        ktap_ok(broken_file_is_refused(broken_files[i].name), "%s is ENOEXEC",
                broken_files[i].what);
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
