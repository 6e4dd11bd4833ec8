#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

/*
 * Futexes: waiting for a word of user memory (Franke, Russell, Kirkwood 2002, "Fuss, Futexes and
 * Furwocks"). `word_at` is a user address, a multiple of 4. Both may sleep.
 */

#include <kernel/types.h>
#include <kernel/waitq.h>

/* Once, while booting. */
void futex_init(void);

/*
 * Sleeps if the word is still `expected`, until futex_wake() or deadline_ns. 0, -EAGAIN (it is
 * not), -ETIMEDOUT, -EINTR, -EFAULT.
 */
int futex_wait(vaddr_t word_at, uint32_t expected, uint64_t deadline_ns) MUST_CHECK;

/* Wakes up to `nr` LWPs that wait at the word; how many. -EFAULT: not a user address. */
int futex_wake(vaddr_t word_at, uint32_t nr) MUST_CHECK;

#endif
