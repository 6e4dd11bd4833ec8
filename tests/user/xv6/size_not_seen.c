/*
 * The bug: the size of the memory is kept for each LWP. After sbrk() in one, the others have the
 * old size: they fault on what is there, hand the same memory out again, or still write to what is
 * gone.
 */

#include "types.h"
#include "user.h"
#include "check.h"

#define NR_THREADS 3
#define ROUNDS     20
#define PAGE       4096

static char *volatile page; /* what the first LWP has just got */
static volatile int round;
static volatile int nr_seen[NR_THREADS];

/* Waits on its CPU, so that its mappings are those of before, and then uses the new page. */
static void *use_at_once(void *arg)
{
    int self = (int)(long)arg, mine;

    for (mine = 1; mine <= ROUNDS; mine++) {
        while (round != mine)
            yield();
        CHECK(sbrk(0) == page + PAGE);
        CHECK(page[self] == 0); /* new memory, not that of the round before */
        page[self] = mine;
        nr_seen[self] = mine;
    }
    return 0;
}

int main(int argc, char *argv[])
{
    thread_t thread[NR_THREADS];
    int i, mine;

    for (i = 0; i < NR_THREADS; i++)
        CHECK(thread_create(&thread[i], use_at_once, (void *)(long)i) == 0);
    for (mine = 1; mine <= ROUNDS; mine++) {
        page = sbrk(PAGE);
        CHECK(page != (char *)-1);
        round = mine;
        for (i = 0; i < NR_THREADS; i++) {
            while (nr_seen[i] != mine)
                yield();
            CHECK(page[i] == mine);
        }
        CHECK(sbrk(-PAGE) == page + PAGE);
    }
    for (i = 0; i < NR_THREADS; i++)
        CHECK(thread_join(thread[i], 0) == 0);
    PASSED("size_not_seen");
}
