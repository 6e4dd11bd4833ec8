/*
 * Processes.
 *
 * A process owns an address space and LWPs. Its life:
 *
 *     alive --- process_end(), or the last LWP ends ---> ending --- last LWP gone ---> zombie
 *                                                                       |
 *                                                        process_wait() of the parent: gone
 *
 * Ending is one mechanism for exit_group(), a deadly signal and whatever else ends a process: the
 * flag `is_ending` is set, and every LWP gets lwp->interrupt, which ends interruptible waits and is
 * looked at before user mode is entered. So each LWP ends itself, at a point where it holds nothing.
 *
 * The last LWP to begin its end (nr_live reaches 0) clears up: it waits until the others are off
 * their stacks (nr_present is 1), gives back what nobody joined, the address space, and hands its
 * children to the first process. When it is off its own stack, the process becomes a zombie, and
 * the parent learns of it.
 *
 * Locks: process->lock guards what belongs to one process; family_lock the tree of processes and
 * who is a zombie. family_lock comes first. Nothing of a process is touched after it has become a
 * zombie, except by its parent's process_wait(), which frees it.
 */

#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <proc/id.h>
#include <proc/image.h>
#include <proc/process.h>
#include <sched/sched.h>

#include "process_impl.h"

static struct spinlock family_lock = SPINLOCK_INIT("family", LOCK_RANK_FAMILY);
static struct process *first_process; /* c once it runs; children of ended processes go to it */
static struct slab_cache *process_cache;

atomic_uint nr_processes, nr_user_lwps;

int process_init(unsigned tid_max)
{
    process_cache = slab_cache_create("process", sizeof(struct process), 0, SLAB_USER);
    user_lwp_init();
    space_init();
    return id_init(tid_max);
}

/* A process without LWPs, with an empty address space; NULL: out of memory. */
static struct process *process_create(const char *name)
{
    struct process *process = slab_alloc(process_cache);

    if (process == NULL)
        return NULL;
    memset(process, 0, sizeof(*process));
    process->space = space_create();
    if (process->space == NULL) {
        slab_free(process_cache, process);
        return NULL;
    }
    spin_init(&process->lock, "process", LOCK_RANK_PROCESS);
    list_init(&process->lwps);
    list_init(&process->children);
    list_node_init(&process->sibling_link);
    waitq_init(&process->others_gone);
    waitq_init(&process->child_ended);
    strlcpy(process->name, name, sizeof(process->name));
    atomic_fetch_add(&nr_processes, 1);
    return process;
}

static void process_free(struct process *process)
{
    if (process->space != NULL)
        space_destroy(process->space);
    slab_free(process_cache, process);
    atomic_fetch_sub(&nr_processes, 1);
}

static const char *base_name(const char *path)
{
    const char *base = path;

    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '/')
            base = c + 1;
    }
    return base;
}

static void adopt(struct process *parent, struct process *child)
{
    irq_state_t irq = spin_lock_irq(&family_lock);

    child->parent = parent;
    if (parent != NULL)
        list_push_back(&parent->children, &child->sibling_link);
    else
        first_process = child;
    spin_unlock_irq(&family_lock, irq);
}

int process_spawn(struct process *parent, const char *path, const struct program_args *args)
{
    struct process *process = process_create(base_name(path));
    struct image_start start;
    struct user_lwp *first;
    int error;

    if (process == NULL)
        return -ENOMEM;
    error = image_load(process->space, path, args, &start);
    if (error != 0) {
        process_free(process);
        return error;
    }
    process->exit_stub = start.exit_stub;
    first = user_lwp_create(process, start.pc, start.sp, 0, 0, 0, false, &error);
    if (first == NULL) {
        process_free(process);
        return error;
    }
    process->pid = first->tid;
    adopt(parent, process);
    error = process->pid;
    /* The end of booting: trap_user_work() is to see the first entry into user mode. */
    if (parent == NULL)
        atomic_store(&first->lwp.interrupt, true);
    sched_start(&first->lwp);
    return error;
}

void process_end(struct process *process, int status)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct user_lwp *lwp;

    if (!process->is_ending) {
        process->is_ending = true;
        process->status = status;
        list_for_each_entry(lwp, &process->lwps, link) {
            atomic_store(&lwp->lwp.interrupt, true);
            sched_interrupt(&lwp->lwp);
        }
    }
    spin_unlock_irq(&process->lock, irq);
}

/* Children of a process that ends go to the first process, which waits for whatever comes. */
static void give_children_away(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *child;

    if (process == first_process && !list_is_empty(&process->children))
        log_warn("proc: the first process has ended before its children");
    list_for_each_entry(child, &process->children, sibling_link)
        child->parent = process == first_process ? NULL : first_process;
    if (process == first_process) {
        first_process = NULL;
        list_init(&process->children);
    } else if (first_process != NULL) {
        list_splice_back(&first_process->children, &process->children);
        waitq_wake_all(&first_process->child_ended);
    }
    spin_unlock_irq(&family_lock, irq);
}

void process_clear_up(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);

    process->is_ending = true; /* also when the last LWP left by itself */
    while (process->nr_present > 1) {
        int error = waitq_sleep(&process->others_gone, &process->lock, WAITQ_FOREVER, false);

        assert(error == 0);
    }
    spin_unlock_irq(&process->lock, irq);
    user_lwp_reap_all(process);
    space_destroy(process->space);
    process->space = NULL;
    give_children_away(process);
}

void process_has_gone(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    bool is_first = process->pid == FIRST_PID;

    process->is_zombie = true;
    if (process->parent != NULL)
        waitq_wake_all(&process->parent->child_ended);
    spin_unlock_irq(&family_lock, irq);
    if (is_first)
        panic("the first process has ended (status 0x%x)", (unsigned)process->status);
}

int process_parent_pid(void)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    const struct process *parent = process_current()->parent;
    int pid = parent != NULL ? parent->pid : 0;

    spin_unlock_irq(&family_lock, irq);
    return pid;
}

void process_set_exit_code(int code)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);

    if (!process->is_ending && user_lwp_current()->tid == process->pid)
        process->status = status_of_exit(code);
    spin_unlock_irq(&process->lock, irq);
}

static bool is_wanted(const struct process *child, int pid)
{
    return pid == -1 || child->pid == pid;
}

/* A child that fits, a zombie if there is one; NULL: there is no such child. Locked. */
static struct process *find_child(struct process *process, int pid)
{
    struct process *child, *found = NULL;

    list_for_each_entry(child, &process->children, sibling_link) {
        if (!is_wanted(child, pid))
            continue;
        if (child->is_zombie)
            return child;
        found = child;
    }
    return found;
}

int process_wait(int pid, bool no_hang, int *status, uint64_t *run_ns)
{
    struct process *process = process_current(), *child;
    irq_state_t irq = spin_lock_irq(&family_lock);
    int result = 0;

    for (;;) {
        child = find_child(process, pid);
        if (child == NULL)
            result = -ECHILD;
        if (child == NULL || child->is_zombie || no_hang)
            break;
        result = waitq_sleep(&process->child_ended, &family_lock, WAITQ_FOREVER, true);
        if (result != 0)
            break;
    }
    if (result != 0 || !child->is_zombie) {
        spin_unlock_irq(&family_lock, irq);
        return result;
    }
    list_remove(&child->sibling_link);
    spin_unlock_irq(&family_lock, irq);
    *status = child->status;
    *run_ns = child->run_ns;
    result = child->pid;
    id_free(child->pid);
    process_free(child);
    return result;
}
