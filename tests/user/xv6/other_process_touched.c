/*
 * The bug: what is meant for the LWPs of one process reaches another one, because both descend from
 * one parent, or share its page table's size: sbrk() in a child changes the parent, and kill() or
 * exit() of one child ends its sibling.
 */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "check.h"
#include "work.h"

#define PAGE 4096

static volatile int count;

static void *count_on(void *arg)
{
    for (;;) {
        count++;
        sleep(1);
    }
}

/* In a child: grows by some pages, tells so, and does what comes. */
static void grow_in_lwps(int ready)
{
    char *end = sbrk(0);
    thread_t thread;

    CHECK(thread_create(&thread, count_on, 0) == 0);
    CHECK(sbrk(8 * PAGE) == end);
    memset(end, 0xaa, 8 * PAGE);
    while (count < 3)
        sleep(1);
    write(ready, "r", 1);
    for (;;)
        sleep(1000);
}

int main(int argc, char *argv[])
{
    char *page = sbrk(PAGE), *end = sbrk(0), c;
    int ready[2], killed, exiting, seen;
    thread_t thread;

    memset(page, 0x55, PAGE);
    CHECK(pipe(ready) == 0);
    CHECK(thread_create(&thread, count_on, 0) == 0);

    killed = fork();
    if (killed == 0) {
        count = 0;
        start_busy();
        grow_in_lwps(ready[1]);
    }
    exiting = fork();
    if (exiting == 0) {
        count = 0;
        CHECK(read(ready[0], &c, 1) == 1); /* the other one is ready */
        CHECK(kill(killed) == 0);
        CHECK(sbrk(PAGE) == end);
        CHECK(sbrk(-PAGE) == end + PAGE);
        sleep(2); /* and this one lives on */
        write(ready[1], "e", 1);
        exit();
    }
    CHECK(killed > 0 && exiting > 0);
    seen = wait(); /* either may be over first */
    CHECK(seen == killed || seen == exiting);
    CHECK(wait() == killed + exiting - seen);
    close(ready[1]);
    CHECK(read(ready[0], &c, 1) == 1 && c == 'e');

    CHECK(sbrk(0) == end);
    for (seen = 0; seen < PAGE; seen++)
        CHECK(page[seen] == 0x55);
    for (seen = count; count == seen;)
        sleep(1); /* the LWP here lives on */
    CHECK(thread_exit_target(thread) == 0);
    CHECK(thread_join(thread, 0) == 0);
    CHECK(beats_have_stopped());
    PASSED("other_process_touched");
}
