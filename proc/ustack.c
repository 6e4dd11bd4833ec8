/*
 * User stacks of LWPs.
 *
 * A stack is lazily backed memory with a guard page below. Unmapping one means interrupting every
 * CPU on which the process runs, and LWPs come and go often. So a process keeps stacks of the
 * default size for its next LWPs, and when it has too many it unmaps half of them together.
 */

#include <abi/thrum.h>
#include <kernel/string.h>
#include <proc/ustack.h>

#define DEFAULT_BYTES (THRUM_LWP_STACK_BYTES + PAGE_SIZE)

/* A kept stack of the calling process; 0: it has none. */
static vaddr_t take_kept(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    vaddr_t low = 0;

    if (process->nr_kept_stacks > 0)
        low = process->kept_stacks[--process->nr_kept_stacks];
    spin_unlock_irq(&process->lock, irq);
    return low;
}

int ustack_alloc(size_t nr_bytes, struct ustack *stack)
{
    struct process *process = process_current();
    int64_t va;

    stack->nr_bytes = nr_bytes == 0 ? DEFAULT_BYTES : ROUND_UP(nr_bytes, PAGE_SIZE) + PAGE_SIZE;
    stack->low = stack->nr_bytes == DEFAULT_BYTES ? take_kept(process) : 0;
    if (stack->low != 0)
        return 0;
    va = space_map(process->space, 0, stack->nr_bytes, AREA_READ | AREA_WRITE, 0, PAGE_SIZE);
    if (va < 0)
        return (int)va;
    stack->low = (vaddr_t)va;
    return 0;
}

void ustack_drop(const struct ustack *stack)
{
    space_unmap_stacks(process_current()->space, &stack->low, 1, stack->nr_bytes);
}

void ustack_free(const struct ustack *stack)
{
    struct process *process = process_current();
    vaddr_t surplus[USTACKS_KEPT_MAX / 2];
    unsigned nr_surplus = 0;
    irq_state_t irq;

    if (stack->nr_bytes != DEFAULT_BYTES) {
        ustack_drop(stack);
        return;
    }
    irq = spin_lock_irq(&process->lock);
    if (process->nr_kept_stacks == USTACKS_KEPT_MAX) {
        while (nr_surplus < USTACKS_KEPT_MAX / 2)
            surplus[nr_surplus++] = process->kept_stacks[--process->nr_kept_stacks];
    }
    process->kept_stacks[process->nr_kept_stacks++] = stack->low;
    spin_unlock_irq(&process->lock, irq);
    if (nr_surplus > 0)
        space_unmap_stacks(process->space, surplus, nr_surplus, DEFAULT_BYTES);
}

void ustack_inherit(struct process *child, struct process *parent)
{
    irq_state_t irq = spin_lock_irq(&parent->lock);
    unsigned nr = parent->nr_kept_stacks;

    memcpy(child->kept_stacks, parent->kept_stacks, sizeof(child->kept_stacks));
    spin_unlock_irq(&parent->lock, irq);
    /*
     * The address space was copied at another moment: siblings of the caller may have made or
     * unmapped stacks in between. Only stacks have guards, and those of LWPs that are not copied
     * are free.
     */
    for (unsigned i = 0; i < nr; i++) {
        if (space_has_area(child->space, child->kept_stacks[i], DEFAULT_BYTES, PAGE_SIZE))
            child->kept_stacks[child->nr_kept_stacks++] = child->kept_stacks[i];
    }
}

void ustack_leave_space(struct process *process)
{
    if (!space_is_shared(process->space))
        return;
    space_unmap_stacks(process->space, process->kept_stacks, process->nr_kept_stacks,
                       DEFAULT_BYTES);
    process->nr_kept_stacks = 0;
}
