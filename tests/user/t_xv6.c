/*
 * Programs in the style of xv6's "LWP" assignments (tests/user/xv6), in the environment of
 * ./thrum cc --xv6. Each judges itself and ends with the line "NAME: passed". Here it is checked
 * that this line comes, that none tells of a failure (a child's may), that the program exits, and
 * that no process and no LWP of it is left.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define FOLDER       "/test/xv6/"
#define OUTPUT       "/tmp/xv6.out"
#define OUTPUT_BYTES 4096

/* Its standard output is OUTPUT, its input, which "calls" reads, is empty; its wait status. */
static int status_of(const char *name)
{
    char path[64];
    char *argv[] = {(char *)name, NULL};
    int status = -1;

    snprintf(path, sizeof(path), FOLDER "%s", name);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(OUTPUT, O_CREAT | O_TRUNC | O_WRONLY, 0666);
        dup2(fd, STDOUT_FILENO);
        close(fd);
        fd = open("/dev/null", O_RDONLY);
        dup2(fd, STDIN_FILENO);
        close(fd);
        execv(path, argv);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return status;
}

/* What it said, each line as a diagnostic if `is_shown`; whether that is how a passed one ends. */
static bool output_is_of_passed(const char *name, bool is_shown)
{
    char output[OUTPUT_BYTES], last[64];
    int fd = open(OUTPUT, O_RDONLY);
    ssize_t nr_bytes = read(fd, output, sizeof(output) - 1);

    close(fd);
    output[nr_bytes > 0 ? nr_bytes : 0] = '\0';
    size_t last_length = (size_t)snprintf(last, sizeof(last), "%s: passed\n", name);
    size_t length = strlen(output);
    bool is_passed = length >= last_length && !strstr(output, "FAILED") &&
                     strcmp(output + length - last_length, last) == 0;

    for (char *line = output, *end; is_shown && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        ktap_diag("%s", line);
    }
    return is_passed;
}

static bool passes(const char *name)
{
    struct counts before;

    thrum_stat(&before.wanted);
    int status = status_of(name);
    bool is_right = ktap_check_exits(status, 0, __FILE__, __LINE__) &&
                    KTAP_TRUE(output_is_of_passed(name, false)) &&
                    KTAP_TRUE(ktap_wait_for(has_counts, &before));
    if (!is_right)
        output_is_of_passed(name, true);
    return is_right;
}

static bool failing_program_is_seen(void)
{
    return KTAP_EQUAL(status_of("fails"), 0) && KTAP_TRUE(!output_is_of_passed("fails", false));
}

static void run_those_that_leave_lwps(void)
{
    passes("kill_leaves_zombies");
    passes("exit_leaves_siblings");
}

static bool frames_come_back(void)
{
    return ktap_leaves_nothing(run_those_that_leave_lwps);
}

static const struct {
    const char *name, *sentence;
} programs[] = {
    {"calls", "xv6's user library is there and does what it should"},
    {"old_habits", "a program with old habits and names of ours runs"},
    {"thread_test", "thread_test: LWPs are created, end, are joined, fork, grow and allocate"},
    {"thread_exec", "thread_exec: exec in one LWP ends the others"},
    {"thread_exit", "thread_exit: exit in one LWP ends the process"},
    {"thread_kill", "thread_kill: kill ends all LWPs of a process"},
    {"stack_freed_twice", "a stack is freed once, at exit or at join"},
    {"wait_reaps_thread", "wait takes no LWP, and join no process"},
    {"size_not_seen", "a new size is seen by all LWPs at once"},
    {"exit_leaves_siblings", "exit of an LWP leaves no siblings"},
    {"kill_leaves_zombies", "kill leaves no zombies"},
    {"other_process_touched", "sbrk and kill in one process do not touch another"},
};

int main(void)
{
    ktap_need_thrum();
    ktap_start(KTAP_LEN(programs) + 2);
    ktap_ok(failing_program_is_seen(), "a program that fails is seen to fail");
    for (size_t i = 0; i < KTAP_LEN(programs); i++)
        ktap_ok(passes(programs[i].name), "%s", programs[i].sentence);
    ktap_ok(frames_come_back(), "frames and heap objects come back");
    return ktap_finish();
}
