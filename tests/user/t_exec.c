/*
 * execve: what the new program finds, from which LWP it may be called and beside what, that a
 * failing one changes nothing, and that nothing is left of the old program. All in children.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define KERNEL_IMAGE 0xffffffff80000000ul
#define NR_SIBLINGS  4
#define MIB          1048576ul

/* A child that runs function(arg), which does not return when all is well. */
static bool child_exits(void (*function)(void *arg), void *arg, int exit_status)
{
    int status = -1;
    pid_t child = start_child(function, arg);

    return KTAP_TRUE(child > 0) && KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, exit_status, __FILE__, __LINE__);
}

static void exec_role(const char *role, const char *argument)
{
    char *argv[] = {"t_exec", (char *)role, (char *)argument, NULL};

    execv(ktap_program(), argv);
}

/* What the new program finds. */

static char *const new_argv[] = {"t_exec", "look-at-arguments", "", "two words", NULL};
static char *const new_envp[] = {"A=1", "EMPTY=", NULL};

static bool has_strings(char *const seen[], char *const want[])
{
    size_t i;

    for (i = 0; want[i]; i++)
        if (!seen[i] || strcmp(seen[i], want[i]) != 0)
            return false;
    return seen[i] == NULL;
}

static int look_at_arguments(int argc, char **argv)
{
    return argc == 4 && has_strings(argv, new_argv) && has_strings(environ, new_envp)
               ? CHILD_IS_WELL
               : 1;
}

static void exec_with_arguments(void *arg)
{
    (void)arg;
    execve(ktap_program(), new_argv, new_envp);
}

static bool arguments_arrive(void)
{
    return child_exits(exec_with_arguments, NULL, CHILD_IS_WELL);
}

static int data_word = 5;

static int look_at_memory(int argc, char **argv)
{
    (void)argc, (void)argv;
    return data_word == 5 ? CHILD_IS_WELL : 1;
}

static void exec_after_writing(void *arg)
{
    (void)arg;
    data_word = 6;
    exec_role("look-at-memory", NULL);
}

static bool memory_is_new(void)
{
    return child_exits(exec_after_writing, NULL, CHILD_IS_WELL);
}

/* argv[2] is the pid that the process had before. */
static int look_at_numbers(int argc, char **argv)
{
    (void)argc;
    return getpid() == atoi(argv[2]) && gettid() == getpid() ? CHILD_IS_WELL : 1;
}

static void exec_for_numbers(void)
{
    char pid[16];

    snprintf(pid, sizeof(pid), "%d", getpid());
    exec_role("look-at-numbers", pid);
}

static void exec_from_first(void *arg)
{
    (void)arg;
    exec_for_numbers();
}

static bool number_stays(void)
{
    return child_exits(exec_from_first, NULL, CHILD_IS_WELL);
}

static void *exec_in_lwp(void *arg)
{
    (void)arg;
    exec_for_numbers();
    _exit(1);
}

static void exec_from_another(void *arg)
{
    thread_t lwp;

    (void)arg;
    thread_create(&lwp, exec_in_lwp, NULL);
    thread_join(lwp, NULL);
}

static bool other_lwp_becomes_the_first(void)
{
    return child_exits(exec_from_another, NULL, CHILD_IS_WELL);
}

static void exec_after_the_first_has_left(void *arg)
{
    thread_t lwp;

    (void)arg;
    thread_create(&lwp, exec_in_lwp, NULL);
    thread_exit(NULL);
}

static bool exec_after_the_first_lwp_has_left(void)
{
    return child_exits(exec_after_the_first_has_left, NULL, CHILD_IS_WELL);
}

static int leave_with_a_value(int argc, char **argv)
{
    (void)argc, (void)argv;
    syscall6(THRUM_SYS_lwp_exit, 9, 0, 0, 0, 0, 0);
    return 1;
}

static void *exec_after_join(void *arg)
{
    thread_join(getpid(), NULL);
    exec_role("leave-with-a-value", NULL);
    _exit(1);
    return arg;
}

static void leave_with_a_code(void *arg)
{
    thread_t lwp;

    (void)arg;
    thread_create(&lwp, exec_after_join, NULL);
    syscall6(__NR_exit, 5, 0, 0, 0, 0, 0);
}

/* The old first LWP's exit code is not the new program's. */
static bool exit_code_is_the_new_programs(void)
{
    return child_exits(leave_with_a_code, NULL, 0);
}

static void exec_many_times(void *arg)
{
    (void)arg;
    exec_role("count-down", "20");
}

/* argv[2] is how often exec is still to be called. */
static int count_down(int argc, char **argv)
{
    char rest[16];
    int nr = atoi(argv[2]);

    (void)argc;
    if (nr == 0)
        return CHILD_IS_WELL;
    snprintf(rest, sizeof(rest), "%d", nr - 1);
    exec_role("count-down", rest);
    return 1;
}

static bool exec_after_exec(void)
{
    return child_exits(exec_many_times, NULL, CHILD_IS_WELL);
}

static void search_path(void *arg)
{
    static char path_setting[] = "PATH=/no/such/folder::/test";
    static char *new_environ[] = {path_setting, NULL};
    char *argv[] = {"t_exec", "count-down", "0", NULL};

    environ = new_environ;
    execvp(arg, argv);
    _exit(errno);
}

static bool path_is_searched(void)
{
    return child_exits(search_path, "t_exec", CHILD_IS_WELL) &&
           child_exits(search_path, "t_none", ENOENT) && child_exits(search_path, "", ENOENT);
}

/* Beside other LWPs. */

static void *map_for_ever(void *arg)
{
    for (;;) {
        char *pages = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(pages, 1, 16384);
        munmap(pages, 16384);
    }
    return arg;
}

struct sibling {
    const char *what;
    void *(*function)(void *);
};

static const struct sibling siblings[] = {
    {"compute", compute},
    {"sleep", sleep_for_ever},
    {"wait in futex", wait_in_futex},
    {"join", join_the_first},
    {"have ended and were not joined", return_argument},
    {"map and unmap", map_for_ever},
    {"create LWPs", create_for_ever},
    {"fork", fork_for_ever},
};

static void start_siblings(const struct sibling *sibling)
{
    for (int i = 0; i < NR_SIBLINGS; i++) {
        thread_t lwp;
        thread_create(&lwp, sibling->function, NULL);
    }
    sleep_ns(2000000);
}

static void exec_beside(void *arg)
{
    start_siblings(arg);
    exec_for_numbers();
}

static void exec_from_another_beside(void *arg)
{
    thread_t lwp;

    start_siblings(arg);
    thread_create(&lwp, exec_in_lwp, NULL);
    sleep_for_ever(NULL);
}

static bool exec_ends(const struct sibling *sibling, void (*function)(void *))
{
    size_t nr_rounds = 2 + ktap_times(50);
    struct counts counts;
    bool is_right = true;

    thrum_stat(&counts.wanted);
    for (size_t i = 0; i < nr_rounds && is_right; i++)
        is_right = child_exits(function, (void *)sibling, CHILD_IS_WELL);
    return is_right && KTAP_TRUE(ktap_wait_for(has_counts, &counts));
}

/* Of several LWPs that call exec at once, each names a program of its own. */

static thread_barrier_t start;

static void *exec_together(void *arg)
{
    thread_barrier_wait(&start);
    exec_role("count-down", "0");
    return arg;
}

static void race_for_exec(void *arg)
{
    thread_t lwp;

    (void)arg;
    thread_barrier_init(&start, NR_SIBLINGS);
    for (int i = 1; i < NR_SIBLINGS; i++)
        thread_create(&lwp, exec_together, NULL);
    exec_together(NULL);
}

static bool one_exec_wins(void)
{
    size_t nr_rounds = 5 + ktap_times(100);
    bool is_right = true;

    for (size_t i = 0; i < nr_rounds && is_right; i++)
        is_right = child_exits(race_for_exec, NULL, CHILD_IS_WELL);
    return is_right;
}

static void *exit_together(void *arg)
{
    thread_barrier_wait(&start);
    _exit(CHILD_IS_WELL);
    return arg;
}

static void race_with_exit(void *arg)
{
    thread_t lwp;

    thread_barrier_init(&start, 2);
    thread_create(&lwp, exit_together, NULL);
    exec_together(arg);
}

static bool exit_beside_exec_ends_the_process(void)
{
    size_t nr_rounds = 5 + ktap_times(100);
    bool is_right = true;

    for (size_t i = 0; i < nr_rounds && is_right; i++)
        is_right = child_exits(race_with_exit, NULL, CHILD_IS_WELL);
    return is_right;
}

/* exec that fails. */

struct failure {
    const char *sentence;
    const char *path;
    long want;
};

static const struct failure failures[] = {
    {"a program that does not exist is ENOENT", "/bin/no-such-program", -ENOENT},
    {"an empty path is ENOENT", "", -ENOENT},
    {"a text is ENOEXEC", "/test/broken/text", -ENOEXEC},
    {"an empty file is ENOEXEC", "/test/broken/empty", -ENOEXEC},
    {"a program for another processor is ENOEXEC", "/test/broken/other-machine", -ENOEXEC},
    {"a program with a segment in the kernel is ENOEXEC", "/test/broken/kernel-address", -ENOEXEC},
    {"a folder is EACCES", "/bin", -EACCES},
    {"a program below a file is ENOTDIR", "/bin/init/x", -ENOTDIR},
    {"a path in the kernel is EFAULT", (const char *)KERNEL_IMAGE, -EFAULT},
};

static long raw_execve(const char *path, char *const argv[], char *const envp[])
{
    return syscall6(__NR_execve, (long)path, (long)argv, (long)envp, 0, 0, 0);
}

static atomic_ulong nr_turns;

static void *count_turns(void *arg)
{
    for (;;)
        atomic_fetch_add(&nr_turns, 1);
    return arg;
}

static void *sleep_and_return(void *arg)
{
    sleep_ns(20000000);
    return arg;
}

static bool has_turned(void *arg)
{
    return atomic_load(&nr_turns) > *(unsigned long *)arg;
}

/* Exits with CHILD_IS_WELL if exec fails as it should, and siblings and memory are as before. */
static void fail_beside_siblings(void *arg)
{
    const struct failure *failure = arg;
    char *argv[] = {"x", NULL};
    thread_t counter, sleeper;
    void *value = NULL;

    data_word = 6;
    thread_create(&counter, count_turns, NULL);
    thread_create(&sleeper, sleep_and_return, (void *)9);
    long answer = raw_execve(failure->path, argv, argv + 1);
    unsigned long turns = atomic_load(&nr_turns);
    bool is_right = KTAP_EQUAL(answer, failure->want) && KTAP_EQUAL(data_word, 6) &&
                    KTAP_TRUE(ktap_wait_for(has_turned, &turns)) &&
                    KTAP_EQUAL(thread_join(sleeper, &value), 0) && KTAP_EQUAL((long)value, 9);
    _exit(is_right ? CHILD_IS_WELL : 1);
}

static void fail_with_long_argument(void *arg)
{
    char *argument = malloc(MIB), *argv[] = {"x", argument, NULL};

    (void)arg;
    memset(argument, 'x', MIB - 1);
    argument[MIB - 1] = '\0';
    _exit(KTAP_EQUAL(raw_execve(ktap_program(), argv, argv + 2), -E2BIG) ? CHILD_IS_WELL : 1);
}

static bool long_argument_is_e2big(void)
{
    return child_exits(fail_with_long_argument, NULL, CHILD_IS_WELL);
}

static void fail_with_wild_arguments(void *arg)
{
    char *argv[] = {"x", (char *)KERNEL_IMAGE, NULL}, *good[] = {"x", NULL};

    (void)arg;
    bool is_right =
        KTAP_EQUAL(raw_execve(ktap_program(), argv, good + 1), -EFAULT) &&
        KTAP_EQUAL(raw_execve(ktap_program(), (char **)KERNEL_IMAGE, good + 1), -EFAULT) &&
        KTAP_EQUAL(raw_execve(ktap_program(), good, argv), -EFAULT);
    _exit(is_right ? CHILD_IS_WELL : 1);
}

static bool wild_arguments_are_efault(void)
{
    return child_exits(fail_with_wild_arguments, NULL, CHILD_IS_WELL);
}

/* What is left. */

static void exec_beside_each(void)
{
    for (size_t i = 0; i < KTAP_LEN(siblings); i++)
        child_exits(exec_beside, (void *)&siblings[i], CHILD_IS_WELL);
}

static bool frames_come_back(void)
{
    return ktap_leaves_nothing(exec_beside_each);
}

/* argv[2] is the child that the process had before exec. */
static int wait_for_old_child(int argc, char **argv)
{
    int status = -1;

    (void)argc;
    return waitpid(atoi(argv[2]), &status, 0) > 0 && WEXITSTATUS(status) == 3 ? CHILD_IS_WELL : 1;
}

static void exec_with_child(void *arg)
{
    char number[16];
    pid_t child = fork();

    (void)arg;
    if (child == 0) {
        sleep_ns(20000000);
        _exit(3);
    }
    snprintf(number, sizeof(number), "%d", child);
    exec_role("wait-for-old-child", number);
}

static bool children_stay(void)
{
    return child_exits(exec_with_child, NULL, CHILD_IS_WELL);
}

static bool exec_in_vfork_child(void)
{
    int status = -1;
    pid_t child = vfork();

    if (child == 0) {
        exec_role("count-down", "3");
        _exit(1);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
}

/* A program that runs is not written to, and one that is being written does not run. */

static bool running_program_is_not_written(void)
{
    return FAILS(open(ktap_program(), O_WRONLY), ETXTBSY) &&
           FAILS(open(ktap_program(), O_RDONLY | O_TRUNC), ETXTBSY) &&
           FAILS(truncate(ktap_program(), 0), ETXTBSY);
}

static bool open_for_writing_does_not_run(void)
{
    char *const argv[] = {"text", NULL};
    int fd = open("/tmp/t_exec", O_WRONLY | O_CREAT, 0755);
    bool refused =
        KTAP_TRUE(fd >= 0) && KTAP_EQUAL(raw_execve("/tmp/t_exec", argv, argv), -ETXTBSY);

    close(fd);
    refused = refused && KTAP_EQUAL(raw_execve("/tmp/t_exec", argv, argv), -ENOEXEC);
    return KTAP_EQUAL(unlink("/tmp/t_exec"), 0) && refused;
}

static const struct ktap_test tests[] = {
    {"the new program finds its arguments and its environment", arguments_arrive},
    {"the new program finds its memory new", memory_is_new},
    {"the process keeps its number", number_stays},
    {"another LWP that calls exec becomes the first", other_lwp_becomes_the_first},
    {"exec works after the first LWP has left", exec_after_the_first_lwp_has_left},
    {"the exit code of an LWP before exec is not the new program's", exit_code_is_the_new_programs},
    {"a program that was started by exec calls exec", exec_after_exec},
    {"execvp looks in the folders of PATH", path_is_searched},
    {"of several LWPs that call exec at once one wins", one_exec_wins},
    {"exit beside exec ends the process", exit_beside_exec_ends_the_process},
    {"an argument that is too long is E2BIG", long_argument_is_e2big},
    {"wild pointers among the arguments are EFAULT", wild_arguments_are_efault},
    {"the new program waits for the old one's children", children_stay},
    {"exec in a child of vfork works", exec_in_vfork_child},
    {"the frames of the old program come back", frames_come_back},
    {"a program that runs cannot be written to", running_program_is_not_written},
    {"a program that is open for writing cannot be run", open_for_writing_does_not_run},
};

static const struct ktap_role roles[] = {
    {"leave-with-a-value", leave_with_a_value},
    {"look-at-arguments", look_at_arguments},
    {"look-at-memory", look_at_memory},
    {"look-at-numbers", look_at_numbers},
    {"count-down", count_down},
    {"wait-for-old-child", wait_for_old_child},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(failures) + 2 * KTAP_LEN(siblings));
    for (size_t i = 0; i < KTAP_LEN(failures); i++)
        ktap_ok(child_exits(fail_beside_siblings, (void *)&failures[i], CHILD_IS_WELL),
                "exec: %s, and nothing has changed", failures[i].sentence);
    for (size_t i = 0; i < KTAP_LEN(siblings); i++) {
        ktap_ok(exec_ends(&siblings[i], exec_beside), "exec ends siblings that %s",
                siblings[i].what);
        ktap_ok(exec_ends(&siblings[i], exec_from_another_beside),
                "exec from another LWP ends siblings that %s", siblings[i].what);
    }
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
