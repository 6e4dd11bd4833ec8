/* System calls about futexes. */

#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/futex.h>
#include <linux/futex.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/signal.h>

#include "sys.h"

/*
 * When a wait ends: FUTEX_WAIT is given how long to wait, FUTEX_LOCK_PI a time of the real-time
 * clock, the others one of the clock that is chosen by FUTEX_CLOCK_REALTIME. 0 or -errno.
 */
static int read_deadline(vaddr_t timeout_at, int operation, struct futex_deadline *until)
{
    int command = operation & FUTEX_CMD_MASK;
    int error = syscall_read_time(timeout_at, &until->time_ns);

    if (error != 0)
        return error;
    if (command == FUTEX_WAIT)
        until->time_ns += clock_now_ns();
    until->is_calendar = operation & FUTEX_CLOCK_REALTIME || command == FUTEX_LOCK_PI;
    return 0;
}

/* args: the futex's address and whether it is shared, what is expected, and the deadline. */
static int64_t wait_on(const uint64_t args[RESTART_ARGS])
{
    struct futex_deadline until = {.time_ns = args[3]};
    int error = futex_wait_until((struct futex){args[0], args[1] != 0}, (uint32_t)args[2],
                                 FUTEX_ANY, &until);

    return error == -ERESTARTSYS ? signal_restart_by(wait_on, args) : error;
}

/* A relative time goes on when the wait was interrupted, it does not begin again. */
static __attribute__((noinline)) int64_t
wait_until(struct futex futex, int operation, uint32_t expected, uint32_t bits, vaddr_t timeout_at)
{
    struct futex_deadline until;
    int error = read_deadline(timeout_at, operation, &until);

    if (error != 0)
        return error;
    if (bits == 0)
        return -EINVAL;
    if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT)
        return wait_on(
            (uint64_t[RESTART_ARGS]){futex.word_at, futex.is_shared, expected, until.time_ns});
    return futex_wait_until(futex, expected, bits, &until);
}

static int64_t wait(struct futex futex, int operation, uint32_t expected, uint32_t bits,
                    vaddr_t timeout_at)
{
    if (timeout_at != 0)
        return wait_until(futex, operation, expected, bits, timeout_at);
    return bits != 0 ? futex_wait(futex, expected, bits) : -EINVAL;
}

static int64_t requeue(struct futex from, struct futex to, uint32_t nr_wake, uint32_t nr_move,
                       const uint32_t *expected)
{
    if ((int32_t)nr_wake < 0 || (int32_t)nr_move < 0 || to.word_at % sizeof(uint32_t) != 0)
        return -EINVAL;
    return futex_requeue(from, to, nr_wake, nr_move, expected);
}

static int64_t lock_pi(struct futex futex, int operation, vaddr_t timeout_at)
{
    struct futex_deadline until;
    int error = timeout_at != 0 ? read_deadline(timeout_at, operation, &until) : 0;

    if (error == 0)
        error = futex_lock_pi(futex, timeout_at != 0 ? &until : NULL);
    return error == -ERESTARTSYS ? -ERESTARTNOINTR : error;
}

static int64_t wait_requeue_pi(struct futex futex, int operation, uint32_t expected,
                               vaddr_t timeout_at, struct futex to)
{
    struct futex_deadline until;
    int error = timeout_at != 0 ? read_deadline(timeout_at, operation, &until) : 0;

    if (error != 0)
        return error;
    if (to.word_at % sizeof(uint32_t) != 0)
        return -EINVAL;
    return futex_wait_requeue_pi(futex, expected, timeout_at != 0 ? &until : NULL, to);
}

/* Linux wants nr_wake to be 1: of waiters for one lock, one can have it. */
static int64_t requeue_pi(struct futex from, struct futex to, uint32_t nr_wake, uint32_t nr_move,
                          uint32_t expected)
{
    if (nr_wake != 1 || (int32_t)nr_move < 0 || to.word_at % sizeof(uint32_t) != 0)
        return -EINVAL;
    return futex_requeue_pi(from, to, nr_move, expected);
}

/* Whether an operation takes a time of a clock that the caller chooses. */
static bool may_choose_clock(int command)
{
    return command == FUTEX_WAIT_BITSET || command == FUTEX_WAIT_REQUEUE_PI ||
           command == FUTEX_LOCK_PI2;
}

/* What is neither waiting for a word nor waking who waits for it. */
static __attribute__((noinline)) int64_t do_more(struct futex futex, struct futex futex2,
                                                 int operation, uint32_t value,
                                                 uint64_t timeout_at_or_value2, uint32_t value3)
{
    uint32_t value2 = (uint32_t)timeout_at_or_value2;

    switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_REQUEUE:
        return requeue(futex, futex2, value, value2, NULL);
    case FUTEX_CMP_REQUEUE:
        return requeue(futex, futex2, value, value2, &value3);
    case FUTEX_WAKE_OP:
        if (futex2.word_at % sizeof(uint32_t) != 0)
            return -EINVAL;
        return futex_wake_op(futex, futex2, value, value2, value3);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return lock_pi(futex, operation, timeout_at_or_value2);
    case FUTEX_TRYLOCK_PI:
        return futex_try_lock_pi(futex);
    case FUTEX_UNLOCK_PI:
        return futex_unlock_pi(futex);
    case FUTEX_WAIT_REQUEUE_PI:
        return wait_requeue_pi(futex, operation, value, timeout_at_or_value2, futex2);
    case FUTEX_CMP_REQUEUE_PI:
        return requeue_pi(futex, futex2, value, value2, value3);
    default:
        return -ENOSYS;
    }
}

int64_t sys_futex(vaddr_t word_at, int operation, uint32_t value, uint64_t timeout_at_or_value2,
                  vaddr_t word2_at, uint32_t value3)
{
    bool is_shared = !(operation & FUTEX_PRIVATE_FLAG);
    struct futex futex = {word_at, is_shared}, futex2 = {word2_at, is_shared};
    int command = operation & FUTEX_CMD_MASK;

    if (operation & FUTEX_CLOCK_REALTIME && !may_choose_clock(command))
        return -ENOSYS;
    if (word_at % sizeof(uint32_t) != 0)
        return -EINVAL;
    switch (command) {
    case FUTEX_WAIT:
        return wait(futex, operation, value, FUTEX_ANY, timeout_at_or_value2);
    case FUTEX_WAIT_BITSET:
        return wait(futex, operation, value, value3, timeout_at_or_value2);
    case FUTEX_WAKE:
        return futex_wake(futex, value, FUTEX_ANY);
    case FUTEX_WAKE_BITSET:
        return value3 != 0 ? futex_wake(futex, value, value3) : -EINVAL;
    default:
        return do_more(futex, futex2, operation, value, timeout_at_or_value2, value3);
    }
}

int64_t sys_set_robust_list(vaddr_t head_at, size_t nr_bytes)
{
    if (nr_bytes != sizeof(struct robust_list_head))
        return -EINVAL;
    atomic_store(&user_lwp_current()->robust_list, head_at);
    return 0;
}

static int visit_robust_list(struct user_lwp *lwp, void *head)
{
    *(vaddr_t *)head = atomic_load(&lwp->robust_list);
    return 0;
}

int64_t sys_get_robust_list(int tid, vaddr_t head_at, vaddr_t nr_bytes_at)
{
    const size_t nr_bytes = sizeof(struct robust_list_head);
    vaddr_t head;
    int error = user_lwp_visit(tid, VISIT_ENDED, visit_robust_list, &head);

    if (error == 0)
        error = user_copy_to(nr_bytes_at, &nr_bytes, sizeof(nr_bytes));
    return error != 0 ? error : user_copy_to(head_at, &head, sizeof(head));
}
