/*
 * What LWPs have to be able to do: be created, end and be joined; fork; sbrk; malloc and free.
 * Each test has three LWPs.
 */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "check.h"

#define NR_THREADS 3
#define PAGE       4096
#define ROUNDS     20

static volatile int status;
static char *pages[NR_THREADS][ROUNDS];

/* Creates the LWPs, joins them, and checks that LWP i has left with the value i + 100. */
static void run(void *(*function)(void *))
{
    thread_t thread[NR_THREADS];
    void *value;
    int i;

    for (i = 0; i < NR_THREADS; i++)
        CHECK(thread_create(&thread[i], function, (void *)(long)i) == 0);
    for (i = 0; i < NR_THREADS; i++) {
        CHECK(thread_join(thread[i], &value) == 0);
        CHECK((long)value == i + 100);
    }
}

static void *basic(void *arg)
{
    int self = (int)(long)arg;

    printf(1, "Thread %d start\n", self);
    if (self == 0)
        sleep(10); /* the others end first, and are joined later */
    if (self == 1)
        status = 1;
    printf(1, "Thread %d end\n", self);
    thread_exit((void *)(long)(self + 100));
}

static void *forking(void *arg)
{
    int self = (int)(long)arg, pid;

    pid = fork();
    if (pid == 0) {
        CHECK(gettid() == getpid()); /* the only LWP of its process */
        status = self;               /* its own copy */
        sleep(1);
        CHECK(status == self);
        exit();
    }
    CHECK(pid > 0);
    CHECK(wait() > 0);
    CHECK(status == 50);
    return (void *)(long)(self + 100);
}

static void *growing(void *arg)
{
    int self = (int)(long)arg, i, j;

    for (i = 0; i < ROUNDS; i++) {
        pages[self][i] = sbrk(PAGE);
        CHECK(pages[self][i] != (char *)-1);
        for (j = 0; j < PAGE; j++)
            pages[self][i][j] = self + 1;
    }
    for (i = 0; i < ROUNDS; i++)
        for (j = 0; j < PAGE; j++)
            CHECK(pages[self][i][j] == self + 1);
    return (void *)(long)(self + 100);
}

static void *allocating(void *arg)
{
    int self = (int)(long)arg, i, j;

    for (i = 0; i < 10 * ROUNDS; i++) {
        int size = 16 + (i * 37 + self * 11) % 2000;
        char *block = malloc(size);

        CHECK(block != 0);
        memset(block, self + 1, size);
        if (i % 16 == 0)
            yield();
        for (j = 0; j < size; j++)
            CHECK(block[j] == self + 1);
        free(block);
    }
    return (void *)(long)(self + 100);
}

int main(int argc, char *argv[])
{
    char *end;

    printf(1, "Test 1: create, exit, join\n");
    run(basic);
    CHECK(status == 1);

    printf(1, "Test 2: fork\n");
    status = 50;
    run(forking);
    CHECK(wait() == -1);

    printf(1, "Test 3: sbrk\n");
    end = sbrk(0);
    run(growing);
    CHECK(sbrk(0) == end + NR_THREADS * ROUNDS * PAGE);
    CHECK(sbrk(-NR_THREADS * ROUNDS * PAGE) != (char *)-1);
    CHECK(sbrk(0) == end);

    printf(1, "Test 4: malloc and free\n");
    run(allocating);

    PASSED("thread_test");
}
