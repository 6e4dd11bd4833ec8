/*
 * What compilers of the time took: definitions without a type, parameters in the old style, calls
 * of what is declared later, numbers for pointers and back, functions that return nothing. And a
 * program may use names of ours that user.h does not have, or have its own malloc().
 */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fs.h"
#include "fcntl.h"
#include "syscall.h"
#include "traps.h"
#include "memlayout.h"
#include "param.h"
#include "mmu.h"
#include "check.h"

static count;
int errno = 5, environ = 6, stdout = 7;
char own_heap[PGSIZE];

sum(a, b) int a;
int b;
{
    return a + b;
}

puts(s) char *s;
{
    printf(1, "%s\n", s);
}

/* Ours in place of the library's. */
void *malloc(uint nr_bytes)
{
    return own_heap;
}

int spawn(int a)
{
    count += a;
}

void *work(void *arg)
{
    later(arg);
    thread_exit((int)arg + 1);
}

main(argc, argv) int argc;
char **argv;
{
    thread_t thread;
    int *value;
    char *bytes = sbrk(PGSIZE);
    uint address = bytes;

    CHECK(thread_create(&thread, work, 41) == 0);
    CHECK(thread_join(thread, &value) == 0);
    CHECK(value == 42);
    CHECK((char *)address == bytes); /* the heap is low enough to be an int */
    spawn(sum(1, 2));
    CHECK(count == 3 + 41);
    CHECK(malloc(5) == own_heap);
    CHECK(errno == 5 && environ == 6 && stdout == 7);
    CHECK(PGROUNDUP(5) == PGSIZE && NPROC == 64 && BSIZE == 512);
    puts("old_habits: passed");
}

later(n)
{
    count += n;
}
