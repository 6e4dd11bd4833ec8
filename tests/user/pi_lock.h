#ifndef PI_LOCK_H
#define PI_LOCK_H

/* What the suites of futexes that inherit priorities share: their calls, and LWPs that wait. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <thread.h>
#include <time.h>

long futex(const void *at, int operation, long value, const void *timeout, const void *word2,
           long value3);
long lock(_Atomic uint32_t *at);
long try_lock(_Atomic uint32_t *at);
long unlock(_Atomic uint32_t *at);

/* The caller's number, as it is in a word. */
uint32_t tid(void);

/* One LWP that takes a lock. All but `word` may be 0. */
struct waiter {
    thread_t lwp;
    _Atomic uint32_t *word;
    _Atomic uint32_t *held; /* what it locks first, and unlocks last; NULL: nothing */
    int operation;          /* 0: FUTEX_LOCK_PI */
    const struct timespec *deadline;
    bool keeps;        /* it ends with the lock */
    _Atomic int place; /* 0, or when it had the lock: 1 is first */
    uint32_t word_seen;
    long result;
};

/* The place of who was served last. */
extern _Atomic int last_place;

/* A thread: waits as `arg`, a struct waiter, says. */
void *wait_for_lock(void *arg);

/* For ktap_wait_for(): whether the word has FUTEX_WAITERS. */
bool has_waiters_bit(void *at);

/*
 * Starts an LWP; whether it waits by now. Each sets FUTEX_WAITERS anew, so only the kernel may
 * leave the lock meanwhile.
 */
bool start_waiter(struct waiter *waiter);

#endif
