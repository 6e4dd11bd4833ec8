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

#include <kernel/realtime.h>
#include <kernel/types.h>

struct futex {
    vaddr_t word_at;
    bool is_shared;
};

struct futex_waiter;

/* When a wait is to end. Who waits has it; the rest is for the time of one wait. */
struct futex_deadline {
    uint64_t time_ns; /* clock_now_ns(), or ... */
    bool is_calendar; /* ... a calendar time, which is another clock_now_ns() when that is set */
    bool is_blocked;  /* with the waiter's bucket */
    struct futex_waiter *waiter;
    struct realtime_follower follower;
};

/* All waiters, whatever they wait for. */
#define FUTEX_ANY UINT32_MAX

/* Once, while booting. */
void futex_init(void);

/*
 * Sleeps if the word is still `expected`, until a wake-up with a bit in common with `bits`, or that
 * time. 0, -EAGAIN (it is not), -ETIMEDOUT, -ERESTARTSYS.
 */
int futex_wait(struct futex futex, uint32_t expected, uint32_t bits) MUST_CHECK;
int futex_wait_until(struct futex futex, uint32_t expected, uint32_t bits,
                     struct futex_deadline *until) MUST_CHECK;

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

/*
 * ---- Futexes that inherit priorities (kernel/ipc/futex_pi.c): locks. The word is 0, or the
 * owner's tid, with FUTEX_WAITERS where somebody may wait, and FUTEX_OWNER_DIED.
 *
 * Waits for the lock, which is the caller's then. 0, -EDEADLK: the caller has it, or the owner
 * waits for the caller; -ESRCH: there is no such owner; -EPERM: it is one that cannot have it;
 * -EINVAL: the word is not what it was left as; -ENOMEM, -ETIMEDOUT, -ERESTARTSYS. `until` may be
 * NULL: for ever.
 */
int futex_lock_pi(struct futex futex, struct futex_deadline *until) MUST_CHECK;

/* The same, but -EAGAIN instead of waiting. */
int futex_try_lock_pi(struct futex futex) MUST_CHECK;

/* Gives the lock to the waiter of the highest priority. 0, -EPERM: it is not the caller's, -EINVAL.
 */
int futex_unlock_pi(struct futex futex) MUST_CHECK;

/*
 * Sleeps if the word is still `expected`, until futex_requeue_pi() has moved the caller to the lock
 * `to`, and that is the caller's. 0, -EAGAIN (also when a signal came after it had been moved),
 * -ETIMEDOUT, -ERESTARTNOINTR, or -EINVAL: the same word. `until` may be NULL.
 */
int futex_wait_requeue_pi(struct futex futex, uint32_t expected, struct futex_deadline *until,
                          struct futex to) MUST_CHECK;

/*
 * Gives the lock `to` to the first who waits at `from`, or lets it wait for that, and up to nr_move
 * more. How many; -EAGAIN: the word at `from` is another; -EINVAL: who waits there waits for
 * something else; or as futex_lock_pi().
 */
int futex_requeue_pi(struct futex from, struct futex to, uint32_t nr_move,
                     uint32_t expected) MUST_CHECK;

/*
 * The calling LWP is leaving its address space: PI futexes that others wait for are given on, with
 * FUTEX_OWNER_DIED. It gets no more until it has another.
 */
void futex_pi_leave_space(void);

#endif
