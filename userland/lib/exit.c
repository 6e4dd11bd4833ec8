/* The ends of a process: in order, at once, and because something is wrong. */

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <thread.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "runtime.h"

#define ATEXIT_MAX 64

static thread_mutex_t atexit_lock;
static void (*atexit_functions[ATEXIT_MAX])(void);
static size_t nr_atexit;

/* From the linker script. */
extern void (*const __fini_array_start[])(void);
extern void (*const __fini_array_end[])(void);

void exit_lock(void)
{
    runtime_lock(&atexit_lock);
}

void exit_unlock(void)
{
    runtime_unlock(&atexit_lock);
}

int atexit(void (*function)(void))
{
    int result = -1;

    runtime_lock(&atexit_lock);
    if (nr_atexit < ATEXIT_MAX) {
        atexit_functions[nr_atexit++] = function;
        result = 0;
    }
    runtime_unlock(&atexit_lock);
    return result;
}

/* The last function that was handed in and has not run yet; NULL: none is left. */
static void (*atexit_take(void))(void)
{
    void (*function)(void) = NULL;

    runtime_lock(&atexit_lock);
    if (nr_atexit > 0)
        function = atexit_functions[--nr_atexit];
    runtime_unlock(&atexit_lock);
    return function;
}

void exit(int status)
{
    void (*function)(void);

    while ((function = atexit_take()) != NULL)
        function();
    for (void (*const *last)(void) = __fini_array_end; last > __fini_array_start; last--)
        last[-1]();
    stdio_flush_all();
    _exit(status);
}

void _exit(int status)
{
    for (;;)
        syscall6(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

void _Exit(int status)
{
    _exit(status);
}

/* The first process cannot be killed: the illegal instruction ends it. */
void abort(void)
{
    kill(getpid(), SIGABRT);
    __builtin_trap();
}

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
