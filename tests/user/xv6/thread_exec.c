/*
 * exec in an LWP that is not the first: the others end, wherever they are, and hello_thread takes
 * the place of the program under the same pid.
 */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "check.h"
#include "work.h"

static void *call_exec(void *arg)
{
    char *no_args[] = {"none", 0};
    char *args[] = {"hello_thread", "from thread_exec", 0};
    int beats;

    CHECK(gettid() != getpid());
    CHECK(exec("no_such_program", no_args) == -1); /* leaves all as it is */
    for (beats = nr_beats(); nr_beats() == beats;)
        sleep(1);
    exec("hello_thread", args);
    printf(1, "FAILED: exec has returned\n");
    exit();
}

int main(int argc, char *argv[])
{
    thread_t thread;
    int pid = fork();

    if (pid == 0) {
        start_busy();
        CHECK(thread_create(&thread, call_exec, 0) == 0);
        thread_join(thread, 0);
        printf(1, "FAILED: the first LWP has outlived exec\n");
        exit();
    }
    CHECK(pid > 0);
    CHECK(wait() == pid);
    CHECK(wait() == -1);
    CHECK(nr_beats() > 0);
    CHECK(beats_have_stopped());
    PASSED("thread_exec");
}
