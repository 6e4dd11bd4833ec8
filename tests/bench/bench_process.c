/* Rows about processes: fork, exec, pipes, and the cheapest system call. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

#define BLOCK_BYTES (64u << 10)

static uint64_t null_call(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++)
        syscall6(__NR_getppid, 0, 0, 0, 0, 0, 0);
    return monotonic_ns() - start_ns;
}

static unsigned nr_signals;

static void count_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    nr_signals++;
}

static uint64_t signal_to_self(unsigned nr_ops)
{
    pid_t pid = getpid();
    uint64_t start_ns;

    BENCH_CHECK(signal_handle(SIGUSR1, count_signal, 0) == 0);
    nr_signals = 0;
    start_ns = monotonic_ns();
    for (unsigned i = 0; i < nr_ops; i++)
        syscall6(__NR_kill, pid, SIGUSR1, 0, 0, 0, 0);
    start_ns = monotonic_ns() - start_ns;
    BENCH_CHECK(nr_signals == nr_ops);
    return start_ns;
}

static void await(pid_t pid)
{
    int status;

    BENCH_CHECK(pid > 0);
    BENCH_CHECK(waitpid(pid, &status, 0) == pid);
    BENCH_CHECK(status == 0);
}

static uint64_t fork_exit_wait(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        await(pid);
    }
    return monotonic_ns() - start_ns;
}

static char *const return_argv[] = {"bench", BENCH_RETURN, NULL};
static char *const no_environment[] = {NULL};

static uint64_t fork_exec_wait(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execve(BENCH_PATH, return_argv, no_environment);
            _exit(1);
        }
        await(pid);
    }
    return monotonic_ns() - start_ns;
}

static uint64_t vfork_exec_wait(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execve(BENCH_PATH, return_argv, no_environment);
            _exit(1);
        }
        await(pid);
    }
    return monotonic_ns() - start_ns;
}

static uint64_t spawn_wait(unsigned nr_ops)
{
    uint64_t start_ns = monotonic_ns();

    for (unsigned i = 0; i < nr_ops; i++)
        await(spawn(BENCH_PATH, return_argv, no_environment));
    return monotonic_ns() - start_ns;
}

static void run_chain(unsigned nr_left, const char *start_ns, const char *fd)
{
    char left[16];
    char *argv[] = {BENCH_PATH, BENCH_EXEC_CHAIN, left, (char *)start_ns, (char *)fd, NULL};

    snprintf(left, sizeof(left), "%u", nr_left);
    execve(BENCH_PATH, argv, no_environment);
    bench_die("execve");
}

void bench_exec_chain(char *const argv[])
{
    unsigned nr_left = (unsigned)strtoul(argv[2], NULL, 10);

    if (nr_left > 0)
        run_chain(nr_left - 1, argv[3], argv[4]);
    uint64_t taken_ns = monotonic_ns() - strtoul(argv[3], NULL, 10);
    BENCH_CHECK(write(atoi(argv[4]), &taken_ns, sizeof(taken_ns)) == sizeof(taken_ns));
    _exit(0);
}

/* One process runs the program again and again: exec without fork, exit and wait. */
static uint64_t exec_chain(unsigned nr_ops)
{
    int ends[2];
    uint64_t taken_ns;

    BENCH_CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char start_ns[24], fd[12];
        snprintf(fd, sizeof(fd), "%d", ends[1]);
        snprintf(start_ns, sizeof(start_ns), "%lu", monotonic_ns());
        run_chain(nr_ops - 1, start_ns, fd);
    }
    await(pid);
    BENCH_CHECK(read(ends[0], &taken_ns, sizeof(taken_ns)) == sizeof(taken_ns));
    close(ends[0]);
    close(ends[1]);
    return taken_ns;
}

static uint64_t pipe_ping_pong(unsigned nr_ops)
{
    int there[2], back[2];
    char byte = 0;

    BENCH_CHECK(pipe(there) == 0 && pipe(back) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (unsigned i = 0; i < nr_ops; i++)
            BENCH_CHECK(read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1);
        _exit(0);
    }
    uint64_t start_ns = monotonic_ns();
    for (unsigned i = 0; i < nr_ops; i++)
        BENCH_CHECK(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1);
    uint64_t taken_ns = monotonic_ns() - start_ns;
    await(pid);
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
    return taken_ns;
}

/* An operation is one byte; the reader takes as much at a time as it can get. */
static uint64_t pipe_bandwidth(unsigned nr_ops)
{
    static char block[BLOCK_BYTES];
    int ends[2];

    BENCH_CHECK(pipe(ends) == 0);
    memset(block, 1, sizeof(block));
    uint64_t start_ns = monotonic_ns();
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        for (unsigned nr_sent = 0; nr_sent < nr_ops; nr_sent += BLOCK_BYTES)
            BENCH_CHECK(write(ends[1], block, BLOCK_BYTES) == BLOCK_BYTES);
        _exit(0);
    }
    close(ends[1]);
    while (read(ends[0], block, BLOCK_BYTES) > 0)
        ;
    await(pid);
    uint64_t taken_ns = monotonic_ns() - start_ns;
    close(ends[0]);
    return taken_ns;
}

const struct bench_row process_rows[] = {
    {"null_call", 50000, null_call, BENCH_NS, BENCH_ORDINARY},
    {"signal_to_self", 10000, signal_to_self, BENCH_NS, BENCH_ORDINARY},
    {"fork_exit_wait", 200, fork_exit_wait, BENCH_NS, BENCH_ORDINARY},
    {"fork_exec_wait", 100, fork_exec_wait, BENCH_NS, BENCH_ORDINARY},
    {"vfork_exec_wait", 100, vfork_exec_wait, BENCH_NS, BENCH_ORDINARY},
    {"spawn_wait", 100, spawn_wait, BENCH_NS, BENCH_ORDINARY},
    {"exec", 100, exec_chain, BENCH_NS, BENCH_ORDINARY},
    {"pipe_ping_pong", 3000, pipe_ping_pong, BENCH_NS, BENCH_ORDINARY},
    {"pipe_bandwidth", 50 * 16 * BLOCK_BYTES, pipe_bandwidth, BENCH_MB_S, BENCH_ORDINARY},
    {0},
};
