/*
 * The bug: exit() ends the LWP that calls it and leaves the others, which go on in a process that
 * its parent has been told is gone. Each round, LWPs are just being created, end, and are joined
 * while one of them calls exit().
 */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "check.h"
#include "work.h"

#define ROUNDS     8
#define NR_CREATED 6

static void *end_at_once(void *arg)
{
    return arg;
}

static void *create_and_join(void *arg)
{
    thread_t thread;

    for (;;)
        if (thread_create(&thread, end_at_once, 0) == 0)
            thread_join(thread, 0);
}

static void *exit_soon(void *arg)
{
    int i;

    for (i = 0; i < (int)(long)arg; i++)
        yield();
    exit();
}

int main(int argc, char *argv[])
{
    thread_t thread;
    int round, pid, i;

    for (round = 0; round < ROUNDS; round++) {
        pid = fork();
        if (pid == 0) {
            if (round == 0)
                start_busy();
            for (i = 0; i < NR_CREATED; i++)
                thread_create(&thread, i == 2 ? exit_soon : create_and_join, (void *)(long)round);
            thread_exit(0); /* the first LWP need not be there */
        }
        CHECK(pid > 0);
        CHECK(wait() == pid);
        CHECK(kill(pid) == -1);
    }
    CHECK(nr_beats() > 0);
    CHECK(beats_have_stopped());
    PASSED("exit_leaves_siblings");
}
