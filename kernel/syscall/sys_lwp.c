/* System calls about LWPs and their scheduling. */

#include <arch/program.h>
#include <arch/smp.h>
#include <kernel/errno.h>
#include <kernel/init.h>
#include <kernel/string.h>
#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/slab.h>
#include <mm/space.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <sched/sched.h>

#include "sys.h"

/*
 * Attributes as the program gave them. A shorter structure than ours is of an older program: what is
 * missing is 0. A longer one must have zeroes where we know nothing.
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
    if (attr->stack_low != 0 &&
        (attr->stack_bytes == 0 || attr->stack_low >= USER_END ||
         attr->stack_bytes > USER_END - attr->stack_low))
        return -EINVAL;
    return 0;
}

/* The stack that `attr` asks for: its lower end, and whether it is the kernel's to give back. */
static int make_stack(struct process *process, const struct thrum_lwp_attr *attr, vaddr_t *low,
                      size_t *nr_bytes, bool *is_ours)
{
    int64_t va;

    *is_ours = attr->stack_low == 0;
    *low = attr->stack_low;
    *nr_bytes = attr->stack_bytes;
    if (!*is_ours)
        return 0;
    if (*nr_bytes == 0)
        *nr_bytes = THRUM_LWP_STACK_BYTES;
    *nr_bytes = ROUND_UP(*nr_bytes, PAGE_SIZE);
    va = space_map(process->space, 0, *nr_bytes + PAGE_SIZE, AREA_READ | AREA_WRITE, 0, PAGE_SIZE);
    if (va < 0)
        return (int)va;
    *low = (vaddr_t)va;
    *nr_bytes += PAGE_SIZE;
    return 0;
}

static void drop_stack(struct process *process, vaddr_t low, size_t nr_bytes)
{
    int error = space_unmap(process->space, low, nr_bytes);

    (void)error; /* it can only fail to split an area, and this one ends where it ends */
}

int64_t sys_lwp_create(vaddr_t entry, uint64_t arg, vaddr_t attr_at)
{
    struct process *process = process_current();
    struct thrum_lwp_attr attr;
    struct user_lwp *lwp = NULL;
    size_t stack_bytes;
    vaddr_t stack_low, sp;
    bool is_ours;
    int error = read_attr(attr_at, &attr);

    if (error == 0)
        error = check_attr(&attr);
    if (error == 0 && (entry == 0 || entry >= USER_END))
        error = -EFAULT;
    if (error == 0)
        error = make_stack(process, &attr, &stack_low, &stack_bytes, &is_ours);
    if (error != 0)
        return error;
    sp = trap_call_sp(stack_low + stack_bytes);
    error = user_copy_to(sp, &process->exit_stub, sizeof(process->exit_stub));
    if (error == 0)
        lwp = user_lwp_create(process, entry, sp, arg, attr.arg2, attr.tls, attr.flags & THRUM_LWP_DETACHED,
                              &error);
    if (lwp == NULL) {
        if (is_ours)
            drop_stack(process, stack_low, stack_bytes);
        return error;
    }
    if (is_ours) {
        lwp->stack_low = stack_low;
        lwp->stack_bytes = stack_bytes;
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
    return user_lwp_join(tid, value_at);
}

int64_t sys_lwp_detach(int tid)
{
    return user_lwp_detach(tid);
}

int64_t sys_sched_yield(void)
{
    sched_yield();
    return 0;
}

int64_t sys_sched_set_share(int percent)
{
    return sched_set_share(percent);
}

int64_t sys_sched_getlev(void)
{
    return sched_level();
}

int64_t sys_stat(vaddr_t stat_at, size_t nr_bytes)
{
    struct thrum_stat stat = {.nr_cpus = nr_cpus_online};
    struct frame_stats frames;

    reclaim_all();
    frames = frame_get_stats();
    stat.frames_total = frames.nr_total;
    stat.frames_free = frames.nr_free;
    stat.heap_objects = slab_get_stats().nr_objects;
    stat.processes = atomic_load(&nr_processes);
    stat.lwps = atomic_load(&nr_user_lwps);
    stat.cpu = atomic_load(&lwp_current()->cpu);
    stat.boot_to_user_ns = first_user_instruction_ns;
    return user_copy_to(stat_at, &stat, MIN(nr_bytes, sizeof(stat)));
}
