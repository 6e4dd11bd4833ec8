/*
 * What file systems and system calls ask about the calling process: whose it is, its root, its
 * umask, its limits. A kernel thread is root's, and has no limits.
 */

#include <kernel/credentials.h>
#include <asm/signal.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <mm/file_map.h>
#include <proc/process.h>
#include <proc/process_impl.h>
#include <proc/signal.h>

static struct credentials kernel_credentials = {
    .lock = SPINLOCK_INIT("credentials", LOCK_RANK_CREDENTIALS)};

/* The calling LWP's process; NULL: it is a kernel thread. */
static struct process *caller(void)
{
    return lwp_current() != NULL && lwp_current()->mmu != NULL ? process_current() : NULL;
}

struct credentials *credentials_current(void)
{
    struct process *process = caller();

    return process != NULL ? &process->credentials : &kernel_credentials;
}

struct inode *path_root(void)
{
    struct process *process = caller();
    struct inode *root;
    irq_state_t irq;

    if (process == NULL || atomic_load(&process->root) == NULL)
        return root_inode;
    irq = spin_lock_irq(&process->lock);
    root = inode_get(process->root);
    spin_unlock_irq(&process->lock, irq);
    return root;
}

void process_set_root(struct inode *dir)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct inode *old = process->root;

    process->root = dir;
    spin_unlock_irq(&process->lock, irq);
    inode_put(old);
}

/* Those of the first process: what Linux starts with, as far as it is enforced here. */
static void init_limits(struct rlimit limits[RLIM_NLIMITS])
{
    for (unsigned i = 0; i < RLIM_NLIMITS; i++)
        limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    limits[RLIMIT_STACK].rlim_cur = SPACE_STACK_BYTES;
    limits[RLIMIT_CORE].rlim_cur = 0;
    limits[RLIMIT_MEMLOCK] = (struct rlimit){MIB(8), MIB(8)};
    limits[RLIMIT_SIGPENDING] = (struct rlimit){SIGNALS_QUEUED_MAX, SIGNALS_QUEUED_MAX};
    limits[RLIMIT_NOFILE] = (struct rlimit){1024, FDS_MAX};
    limits[RLIMIT_NICE] = limits[RLIMIT_RTPRIO] = (struct rlimit){0, 0};
}

void process_inherit_credentials(struct process *child, struct process *parent)
{
    irq_state_t irq;

    credentials_init(&child->credentials);
    atomic_init(&child->umask, 022);
    if (parent == NULL) {
        init_limits(child->limits);
        return;
    }
    credentials_copy(&child->credentials, &parent->credentials);
    child->umask = parent->umask;
    irq = spin_lock_irq(&parent->lock);
    if (parent->root != NULL)
        child->root = inode_get(parent->root);
    memcpy(child->limits, parent->limits, sizeof(child->limits));
    process_inherit_settings(child, parent);
    spin_unlock_irq(&parent->lock, irq);
    irq = spin_lock_irq(&child->lock);
    signal_cpu_limit_watch(child);
    spin_unlock_irq(&child->lock, irq);
}

uint32_t path_umask(void)
{
    struct process *process = caller();

    return process != NULL ? atomic_load_explicit(&process->umask, memory_order_relaxed) : 0;
}

unsigned fd_limit(void)
{
    struct process *process = caller();

    return process != NULL ? (unsigned)MIN(process_limit(process, RLIMIT_NOFILE), (uint64_t)FDS_MAX)
                           : FDS_MAX;
}

struct space_limits space_limits(void)
{
    const struct process *process = caller();

    if (process == NULL)
        return (struct space_limits){SPACE_STACK_BYTES, RLIM_INFINITY, RLIM_INFINITY};
    return (struct space_limits){
        .stack = process_limit(process, RLIMIT_STACK),
        .all = process_limit(process, RLIMIT_AS),
        .locked = credentials_are_root(&process->credentials)
                      ? RLIM_INFINITY
                      : process_limit(process, RLIMIT_MEMLOCK),
    };
}

int file_check_limit(uint64_t offset, size_t *nr_bytes)
{
    struct process *process = caller();
    uint64_t limit = process != NULL ? process_limit(process, RLIMIT_FSIZE) : RLIM_INFINITY;

    if (offset < limit) {
        *nr_bytes = MIN(*nr_bytes, limit - offset);
        return 0;
    }
    signal_send_self(SIGXFSZ);
    return -EFBIG;
}
