/*
 * The runtime's own locks. While an LWP holds one, its no-cancel count is not 0: a cancelled LWP
 * that left in the middle would leave a lock locked for ever, or a list half changed. The kernel
 * looks at the count when it is about to end the LWP, and where it holds that off sets
 * is_cancel_pending (abi/thrum.h). Only the LWP itself writes the count, and the kernel looks only
 * while the LWP is not running in user mode, so plain accesses in program order do.
 */

#include <stdatomic.h>

#include <sys/syscall.h>

#include "runtime.h"

static void hold_cancel_off(void)
{
    thread_block()->nr_no_cancel++;
    atomic_signal_fence(memory_order_seq_cst);
}

static void let_cancel_in(void)
{
    struct thrum_block *block = thread_block();

    atomic_signal_fence(memory_order_seq_cst);
    block->nr_no_cancel--;
    atomic_signal_fence(memory_order_seq_cst);
    if (block->nr_no_cancel == 0 && block->is_cancel_pending)
        syscall0(THRUM_SYS_lwp_testcancel);
}

void runtime_lock(thread_mutex_t *lock)
{
    hold_cancel_off();
    thread_mutex_lock(lock);
}

bool runtime_trylock(thread_mutex_t *lock)
{
    hold_cancel_off();
    if (thread_mutex_trylock(lock))
        return true;
    let_cancel_in();
    return false;
}

void runtime_unlock(thread_mutex_t *lock)
{
    thread_mutex_unlock(lock);
    let_cancel_in();
}
