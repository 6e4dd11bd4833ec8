/* System calls about LWPs. */

#include <arch/smp.h>
#include <arch/vdso.h>
#include <kernel/errno.h>
#include <kernel/init.h>
#include <kernel/string.h>
#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/slab.h>
#include <mm/space.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/report.h>
#include <proc/ustack.h>
#include <sched/kthread.h>
#include <sched/sched.h>

#include "sys.h"

/*
 * Attributes as the program gave them. A shorter structure than ours is of an older program: what
 * is missing is 0. A longer one, of a newer program, asks for what we do not have: -EINVAL.
 */
static int read_attr(vaddr_t attr_at, struct thrum_lwp_attr *attr)
{
    uint32_t size;

    memset(attr, 0, sizeof(*attr));
    if (attr_at == 0)
        return 0;
    if (user_copy_from(&size, attr_at, sizeof(size)) != 0)
        return -EFAULT;
    if (size < 2 * sizeof(uint32_t) || size > sizeof(*attr))
        return -EINVAL;
    return user_copy_from(attr, attr_at, size);
}

static int check_attr(const struct thrum_lwp_attr *attr)
{
    if (attr->flags & ~THRUM_LWP_DETACHED || attr->tls >= USER_END)
        return -EINVAL;
    if (attr->stack_bytes != 0 && (attr->stack_bytes < THRUM_LWP_STACK_BYTES_MIN ||
                                   attr->stack_bytes > THRUM_LWP_STACK_BYTES_MAX))
        return -EINVAL;
    if (attr->stack_low != 0 && (attr->stack_bytes == 0 || attr->stack_low >= USER_END ||
                                 attr->stack_bytes > USER_END - attr->stack_low))
        return -EINVAL;
    return 0;
}

/*
 * Where an LWP with these attributes starts: its stack pointer, below which the address is stored
 * to which its function returns. `stack` is the kernel's own, if it makes one. 0 or -errno.
 */
static int prepare_stack(const struct thrum_lwp_attr *attr, struct ustack *stack, vaddr_t *sp)
{
    struct space *space = process_current()->space;
    const vaddr_t exit_va = space->vdso + arch_vdso_exit_offset();
    int error;

    *stack = (struct ustack){0};
    if (attr->stack_low != 0) {
        *sp = trap_call_sp(attr->stack_low + attr->stack_bytes);
        return user_copy_to(*sp, &exit_va, sizeof(exit_va));
    }
    /* A kept stack that the program has unmapped or protected is no stack any more: take the next.
     */
    for (unsigned i = 0; i <= USTACKS_KEPT_MAX; i++) {
        error = ustack_alloc(attr->stack_bytes, stack);
        if (error != 0)
            return error;
        *sp = trap_call_sp(stack->low + stack->nr_bytes);
        error = space_fault(space, *sp, TRAP_ACCESS_WRITE);
        if (error == -ENOMEM) {
            ustack_drop(stack);
            return error;
        }
        error = user_copy_to(*sp, &exit_va, sizeof(exit_va));
        if (error == 0)
            return 0;
        ustack_drop(stack);
    }
    return -ENOMEM;
}

int64_t sys_lwp_create(vaddr_t entry, uint64_t arg, vaddr_t attr_at)
{
    struct thrum_lwp_attr attr;
    struct user_lwp *lwp;
    struct lwp_start start;
    int error = read_attr(attr_at, &attr);

    if (error == 0)
        error = check_attr(&attr);
    if (error == 0 && (entry == 0 || entry >= USER_END))
        error = -EFAULT;
    if (error == 0)
        error = process_check_nr_lwps();
    if (error != 0)
        return error;
    start = (struct lwp_start){
        .pc = entry,
        .args = {arg, attr.arg2},
        .tls = attr.tls,
        .is_detached = attr.flags & THRUM_LWP_DETACHED,
    };
    error = prepare_stack(&attr, &start.stack, &start.sp);
    if (error != 0)
        return error;
    lwp = user_lwp_create(process_current(), &start, &error);
    if (lwp == NULL) {
        if (start.stack.low != 0)
            ustack_free(&start.stack);
        return error;
    }
    error = lwp->tid;
    sched_start(&lwp->lwp);
    return error;
}

int64_t sys_lwp_exit(uint64_t value)
{
    user_lwp_exit(value);
}

int64_t sys_lwp_join(int tid, vaddr_t value_at)
{
    int error = user_lwp_join(tid, value_at);

    return error == -ERESTARTSYS ? -ERESTARTNOINTR : error; /* as pthread_join() in POSIX */
}

int64_t sys_lwp_detach(int tid)
{
    return user_lwp_detach(tid);
}

int64_t sys_lwp_cancel(int tid)
{
    return user_lwp_cancel(tid);
}

/* The check is made on the way back to user mode. */
int64_t sys_lwp_testcancel(void)
{
    struct user_lwp *self = user_lwp_current();

    if (atomic_load(&self->is_cancelled)) {
        atomic_store(&self->lwp.interrupt, true);
        this_cpu_write(return_work, 1);
    }
    return 0;
}

int64_t sys_thrum_stat(vaddr_t stat_at, size_t nr_bytes)
{
    struct thrum_stat stat = {.nr_cpus = nr_cpus_online};
    struct frame_stats frames;
    struct slab_stats heap;

    reclaim_all();
    frames = frame_get_stats();
    heap = slab_get_stats();
    stat.frames_total = frames.nr_total;
    stat.frames_free = frames.nr_free + heap.nr_frames;
    stat.heap_objects = heap.nr_objects;
    stat.heap_frames = heap.nr_frames;
    stat.processes = atomic_load(&nr_processes);
    stat.lwps = atomic_load(&nr_user_lwps);
    stat.kernel_threads = atomic_load(&nr_kthreads);
    stat.cpu = atomic_load(&lwp_current()->unit->cpu);
    stat.boot_to_user_ns = first_user_instruction_ns;
    return user_copy_to(stat_at, &stat, MIN(nr_bytes, sizeof(stat)));
}
