/*
 * What an LWP that ends, or replaces its program, owes to others in the memory that it leaves.
 *
 * Robust locks: the program keeps a list of the locks that the LWP holds (struct robust_list_head
 * in linux/futex.h), and the kernel looks at it only now. Each word on it that still holds the
 * LWP's number gets FUTEX_OWNER_DIED instead, and one waiter is woken, who finds that out. The list
 * is the program's: it may be of any length, lead anywhere or in a circle. The walk ends at the
 * first address that cannot be read, or after ROBUST_LIST_LIMIT locks.
 *
 * Locks that inherit priorities (futex_pi.c) are only marked: they are given on, whether they are
 * on the list or not, by what the kernel knows of them.
 *
 * Then the word of set_tid_address() is cleared, which is how thread libraries join; but only if
 * somebody else is in the address space to see it, as Linux does.
 */

#include <kernel/errno.h>
#include <kernel/futex.h>
#include <linux/futex.h>
#include <mm/user_copy.h>
#include <proc/process.h>

static void wake_one(vaddr_t word_at)
{
    int nr_woken = futex_wake((struct futex){word_at, true}, 1, FUTEX_ANY);

    (void)nr_woken;
}

/*
 * Marks one lock as left behind. `is_pending`: the LWP was just taking or leaving it, so it may
 * have let go of the lock without having woken anybody. False: the word cannot be accessed.
 */
static bool mark_lock(vaddr_t word_at, bool is_pi, bool is_pending)
{
    uint32_t tid = (uint32_t)user_lwp_current()->tid, word;
    int error;

    if (word_at % sizeof(word) != 0 || user_load(&word, word_at) != 0)
        return false;
    do {
        if (is_pending && !is_pi && word == 0) {
            wake_one(word_at);
            return true;
        }
        if ((word & FUTEX_TID_MASK) != tid)
            return true;
        error = user_compare_exchange(word_at, &word, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
    } while (error == -EAGAIN);
    if (error == 0 && !is_pi && word & FUTEX_WAITERS)
        wake_one(word_at);
    return error == 0;
}

/* An address on the list; bit 0 says that the lock inherits priorities. */
struct entry {
    vaddr_t at;
    bool is_pi;
};

static bool read_entry(vaddr_t from, struct entry *entry)
{
    vaddr_t value;

    if (user_copy_from(&value, from, sizeof(value)) != 0)
        return false;
    *entry = (struct entry){value & ~1ull, value & 1};
    return true;
}

static void mark_locks(vaddr_t head_at)
{
    struct entry entry, pending, next = {0};
    int64_t offset;

    if (!read_entry(head_at + offsetof(struct robust_list_head, list.next), &entry) ||
        user_copy_from(&offset, head_at + offsetof(struct robust_list_head, futex_offset),
                       sizeof(offset)) != 0 ||
        !read_entry(head_at + offsetof(struct robust_list_head, list_op_pending), &pending))
        return;
    for (unsigned nr = 0; entry.at != head_at && nr < ROBUST_LIST_LIMIT; nr++) {
        /* The next one first: who is woken may take this lock, and its place on the list. */
        bool has_next = read_entry(entry.at + offsetof(struct robust_list, next), &next);

        if (entry.at != pending.at && !mark_lock(entry.at + (uint64_t)offset, entry.is_pi, false))
            return;
        if (!has_next)
            return;
        entry = next;
    }
    if (pending.at != 0)
        mark_lock(pending.at + (uint64_t)offset, pending.is_pi, true);
}

static bool is_alone(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    bool is = process->nr_live == 1;

    spin_unlock_irq(&process->lock, irq);
    return is && !space_is_shared(process->space);
}

void user_lwp_leaves_space(void)
{
    struct user_lwp *self = user_lwp_current();
    vaddr_t word_at = self->clear_tid_address, head_at = atomic_load(&self->robust_list);
    const uint32_t zero = 0;

    if (head_at != 0)
        mark_locks(head_at);
    futex_pi_leave_space();
    if (word_at != 0 && !is_alone(self->process) && user_copy_to(word_at, &zero, sizeof(zero)) == 0)
        wake_one(word_at);
}
