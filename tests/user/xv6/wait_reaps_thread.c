/*
 * The bug: wait() takes an LWP that has ended for a child. It returns a tid, and the join that
 * follows never comes back; or wait() sleeps for ever because LWPs count as children.
 */

#include "types.h"
#include "user.h"
#include "check.h"

#define NR_THREADS 4

static volatile int may_end;

static void *end_at_once(void *arg)
{
    return arg;
}

static void *end_later(void *arg)
{
    while (!may_end)
        sleep(1);
    return arg;
}

static void *call_wait(void *arg)
{
    return (void *)(long)wait();
}

int main(int argc, char *argv[])
{
    thread_t ended[NR_THREADS], alive, waiter;
    void *value;
    int pid, i;

    for (i = 0; i < NR_THREADS; i++)
        CHECK(thread_create(&ended[i], end_at_once, (void *)(long)i) == 0);
    CHECK(thread_create(&alive, end_later, (void *)100) == 0);
    sleep(5);
    CHECK(wait() == -1); /* there are LWPs, but no child */

    pid = fork();
    if (pid == 0) {
        CHECK(thread_join(ended[0], 0) == -1); /* the parent's */
        CHECK(wait() == -1);
        exit();
    }
    CHECK(pid > 0);
    CHECK(thread_join(pid, 0) == -1); /* a process is no LWP */
    CHECK(wait() == pid);

    /* An LWP waits for a child that another one has forked. */
    pid = fork();
    if (pid == 0) {
        sleep(3);
        exit();
    }
    CHECK(pid > 0);
    CHECK(thread_create(&waiter, call_wait, 0) == 0);
    CHECK(thread_join(waiter, &value) == 0 && value == (void *)(long)pid);
    CHECK(wait() == -1);

    may_end = 1;
    for (i = 0; i < NR_THREADS; i++)
        CHECK(thread_join(ended[i], &value) == 0 && value == (void *)(long)i);
    CHECK(thread_join(alive, &value) == 0 && value == (void *)100);
    PASSED("wait_reaps_thread");
}
