/* exit in an LWP ends the whole process, wherever its other LWPs are. */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "check.h"
#include "work.h"

static void *call_exit(void *arg)
{
    printf(1, "Exiting...\n");
    exit();
}

int main(int argc, char *argv[])
{
    thread_t thread;
    int pid = fork();

    if (pid == 0) {
        start_busy();
        CHECK(thread_create(&thread, call_exit, 0) == 0);
        for (;;)
            sleep(1000);
    }
    CHECK(pid > 0);
    CHECK(wait() == pid);
    CHECK(wait() == -1);
    CHECK(nr_beats() > 0);
    CHECK(beats_have_stopped());
    PASSED("thread_exit");
}
