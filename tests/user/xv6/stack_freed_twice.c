/*
 * The bug: an LWP's stack is freed when it exits and once more when it is joined. By then it may be
 * another LWP's: the second one's locals change under its feet, or it dies.
 */

#include "types.h"
#include "user.h"
#include "check.h"

#define ROUNDS 30
#define WORDS  1000

static volatile int may_look, has_filled;

static void *end_at_once(void *arg)
{
    return arg;
}

static void *keep_locals(void *arg)
{
    volatile long word[WORDS];
    long nr_changed = 0;
    int i;

    for (i = 0; i < WORDS; i++)
        word[i] = (long)arg + i;
    has_filled = 1;
    while (!may_look)
        sleep(1);
    for (i = 0; i < WORDS; i++)
        nr_changed += word[i] != (long)arg + i;
    return (void *)nr_changed;
}

int main(int argc, char *argv[])
{
    thread_t first, second, third;
    void *value;
    int round;

    for (round = 1; round <= ROUNDS; round++) {
        may_look = has_filled = 0;
        CHECK(thread_create(&first, end_at_once, (void *)(long)round) == 0);
        sleep(round % 3); /* it has ended, or is just about to */
        CHECK(thread_create(&second, keep_locals, (void *)(long)round) == 0);
        while (!has_filled)
            yield();
        CHECK(thread_join(first, &value) == 0 && value == (void *)(long)round);
        CHECK(thread_join(first, &value) == -1);
        CHECK(thread_create(&third, end_at_once, 0) == 0); /* on what was freed */
        CHECK(thread_join(third, 0) == 0);
        may_look = 1;
        CHECK(thread_join(second, &value) == 0 && value == 0);
    }
    PASSED("stack_freed_twice");
}
