/*
 * kill ends all LWPs of a process, and only of that one. It is called by an LWP that is not the
 * first, while LWPs of its own process run on.
 */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "check.h"
#include "work.h"

static volatile int own_count, is_over;

static void *count_on(void *arg)
{
    while (!is_over) {
        own_count++;
        sleep(1);
    }
    return (void *)7;
}

static void *call_kill(void *arg)
{
    int pid = (int)(long)arg;

    CHECK(kill(pid) == 0);
    return 0;
}

int main(int argc, char *argv[])
{
    thread_t counter, killer;
    int ready[2], pid, count;
    void *value;
    char c;

    CHECK(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        start_busy();
        write(ready[1], "r", 1);
        for (;;)
            sleep(1000);
    }
    CHECK(pid > 0);
    CHECK(thread_create(&counter, count_on, 0) == 0);
    CHECK(read(ready[0], &c, 1) == 1);
    CHECK(thread_create(&killer, call_kill, (void *)(long)pid) == 0);
    CHECK(wait() == pid);
    CHECK(thread_join(killer, 0) == 0);
    CHECK(wait() == -1);
    CHECK(kill(pid) == -1);
    CHECK(beats_have_stopped());

    count = own_count;
    while (own_count == count)
        sleep(1);
    is_over = 1;
    CHECK(thread_join(counter, &value) == 0 && value == (void *)7);
    PASSED("thread_kill");
}
