/* Calls and waiters (pi_lock.h). */

#include "pi_lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "ktap.h"

long futex(const void *at, int operation, long value, const void *timeout, const void *word2,
           long value3)
{
    return syscall6(__NR_futex, (long)at, operation, value, (long)timeout, (long)word2, value3);
}

long lock(_Atomic uint32_t *at)
{
    return futex((const void *)at, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
}

long try_lock(_Atomic uint32_t *at)
{
    return futex((const void *)at, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
}

long unlock(_Atomic uint32_t *at)
{
    return futex((const void *)at, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
}

uint32_t tid(void)
{
    return (uint32_t)gettid();
}

_Atomic int last_place;

void *wait_for_lock(void *arg)
{
    struct waiter *self = arg;

    if (self->held != NULL)
        lock(self->held);
    self->result = futex((const void *)self->word, self->operation, 0, self->deadline, NULL, 0);
    self->word_seen = atomic_load(self->word);
    atomic_store(&self->place, atomic_fetch_add(&last_place, 1) + 1);
    if (self->result == 0 && !self->keeps)
        unlock(self->word);
    if (self->held != NULL)
        unlock(self->held);
    return NULL;
}

bool has_waiters_bit(void *arg)
{
    return atomic_load((_Atomic uint32_t *)arg) & FUTEX_WAITERS;
}

bool start_waiter(struct waiter *waiter)
{
    if (waiter->operation == 0)
        waiter->operation = FUTEX_LOCK_PI;
    atomic_fetch_and(waiter->word, ~FUTEX_WAITERS);
    return KTAP_EQUAL(thread_create(&waiter->lwp, wait_for_lock, waiter), 0) &&
           KTAP_TRUE(ktap_wait_for(has_waiters_bit, (void *)waiter->word));
}
