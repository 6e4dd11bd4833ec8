#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

/*
 * Futexes: waiting for a word of user memory (Franke, Russell, Kirkwood 2002, "Fuss, Futexes and
 * Furwocks"). `word_at` is a user address, a multiple of 4. All of them may sleep, and return
 * -EFAULT for an address that is wrong.
 *
 * In memory of one address space only it does not matter whether a call `is_shared`. In shared
 * memory (AREA_SHARED) calls that are find whoever waits for the same memory, in whatever process;
 * those that are not find only each other, within their own address space.
 */

#include <kernel/types.h>

struct futex {
    vaddr_t word_at;
    bool is_shared;
};

/* All waiters, whatever they wait for. */
#define FUTEX_ANY UINT32_MAX

/* Once, while booting. */
void futex_init(void);

/*
 * Sleeps if the word is still `expected`, until a wake-up with a bit in common with `bits`, or
 * deadline_ns (clock_now_ns(); WAITQ_FOREVER). 0, -EAGAIN (it is not), -ETIMEDOUT, -EINTR.
 */
int futex_wait(struct futex futex, uint32_t expected, uint32_t bits,
               uint64_t deadline_ns) MUST_CHECK;

/* Wakes up to `nr` LWPs that wait at the word for one of these bits, oldest first; how many. */
int futex_wake(struct futex futex, uint32_t nr, uint32_t bits) MUST_CHECK;

/*
 * Wakes up to nr_wake LWPs that wait at `from`, and lets up to nr_move more wait at `to` instead.
 * How many were woken or moved. If `expected` is not NULL: -EAGAIN when the word at `from` is
 * another.
 */
int futex_requeue(struct futex from, struct futex to, uint32_t nr_wake, uint32_t nr_move,
                  const uint32_t *expected) MUST_CHECK;

/*
 * Changes the word at `to` as `operation` says (FUTEX_OP() in linux/futex.h), wakes up to nr_wake
 * at `from` and, if the old word compares as it says, up to nr_wake_to at `to`. How many were
 * woken; -ENOSYS: no such operation.
 */
int futex_wake_op(struct futex from, struct futex to, uint32_t nr_wake, uint32_t nr_wake_to,
                  uint32_t operation) MUST_CHECK;

#endif
