/*
 * The bug: after kill() the process goes, but LWPs of it that had ended, slept, or waited in a join
 * stay in the table for ever. xv6's table has 64 places; here t_xv6 counts.
 */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "check.h"
#include "work.h"

#define ROUNDS   8
#define NR_ENDED 8

static void *end_at_once(void *arg)
{
    return arg;
}

int main(int argc, char *argv[])
{
    thread_t thread;
    int ready[2], round, pid, i;
    char c;

    CHECK(pipe(ready) == 0);
    for (round = 0; round < ROUNDS; round++) {
        pid = fork();
        if (pid == 0) {
            for (i = 0; i < NR_ENDED; i++)
                CHECK(thread_create(&thread, end_at_once, 0) == 0); /* and nobody joins it */
            start_busy();
            write(ready[1], "r", 1);
            if (round % 2 == 0)
                thread_exit(0);
            for (;;)
                yield();
        }
        CHECK(pid > 0);
        CHECK(read(ready[0], &c, 1) == 1);
        CHECK(kill(pid) == 0);
        CHECK(wait() == pid);
        CHECK(kill(pid) == -1);
        CHECK(wait() == -1);
    }
    PASSED("kill_leaves_zombies");
}
