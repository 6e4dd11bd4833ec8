/*
 * System calls about memory that is mapped. Nothing is ever taken out of memory to somewhere else,
 * so what is locked is simply made present, and counted; and most advice has nothing to change.
 */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/fcntl.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <mm/file_map.h>
#include <mm/slab.h>
#include <mm/tlb.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

static struct space *own_space(void)
{
    return process_current()->space;
}

/*
 * The end of the pages at [va, va + nr_bytes); 0 or -EINVAL (not a page's address), or -ENOMEM (no
 * user memory).
 */
static int page_range(vaddr_t va, size_t nr_bytes, vaddr_t *end)
{
    if (!IS_ALIGNED(va, PAGE_SIZE))
        return -EINVAL;
    if (va > USER_END || nr_bytes > USER_END - va)
        return -ENOMEM;
    *end = va + ROUND_UP(nr_bytes, PAGE_SIZE);
    return 0;
}

bool syscall_is_locked(vaddr_t va, vaddr_t end)
{
    struct space *space = own_space();
    struct space_area area;
    bool result = false;

    mutex_lock(&space->lock);
    while (!result && va < end && space_next_area(space, va, &area) && area.start < end) {
        result = area.prot & AREA_LOCKED;
        va = area.end;
    }
    mutex_unlock(&space->lock);
    return result;
}

/* A file's pages are its memory: what was written there is in the file already. */
int64_t sys_msync(vaddr_t va, size_t nr_bytes, int flags)
{
    vaddr_t end;
    int error = page_range(va, nr_bytes, &end);

    if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
        (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    if (error != 0)
        return error;
    if (flags & MS_INVALIDATE && syscall_is_locked(va, end))
        return -EBUSY;
    return space_is_covered(own_space(), va, end) ? 0 : -ENOMEM;
}

void syscall_populate(vaddr_t va, vaddr_t end)
{
    struct space *space = own_space();
    struct space_area area = {.end = va};
    bool is_there = true;

    while (is_there) {
        mutex_lock(&space->lock);
        is_there = space_next_area(space, area.end, &area) && area.start < end;
        mutex_unlock(&space->lock);
        if (is_there && !(area.prot & AREA_LOCK_LATER)) {
            int error = space_populate(space, MAX(area.start, va), MIN(area.end, end), AREA_ACCESS);

            (void)error;
        }
    }
}

/* MADV_POPULATE_READ, MADV_POPULATE_WRITE. */
static int populate_as_advised(vaddr_t va, vaddr_t end, unsigned needed)
{
    int error = space_populate(own_space(), va, end, needed);

    if (error == -EACCES)
        return -EINVAL;
    return error == -EIO ? -EFAULT : error;
}

/*
 * What is shown at `va`, as far as one area and `end` go: *inode with a reference, from *offset on.
 * How many bytes; -ENOMEM: nothing is; -EINVAL: no file's, or locked; -EACCES: not to be written.
 */
static int64_t find_shared_file(vaddr_t va, vaddr_t end, struct inode **inode, uint64_t *offset)
{
    struct space *space = own_space();
    struct space_area area;
    int64_t result = -EINVAL;

    mutex_lock(&space->lock);
    if (!space_next_area(space, va, &area) || area.start > va) {
        result = -ENOMEM;
    } else if (area.source != NULL && !(area.prot & AREA_LOCKED)) {
        if ((area.prot & (AREA_SHARED | AREA_WRITE)) != (AREA_SHARED | AREA_WRITE))
            result = -EACCES;
        else if ((*inode = inode_get_mapped(area.source)) != NULL)
            result = (int64_t)(MIN(area.end, end) - va);
        *offset = area.offset + (va - area.start);
    }
    mutex_unlock(&space->lock);
    return result;
}

/* MADV_REMOVE: the file has holes there. */
static int remove_contents(vaddr_t va, vaddr_t end)
{
    while (va < end) {
        struct inode *inode;
        uint64_t offset;
        int64_t nr_bytes = find_shared_file(va, end, &inode, &offset);

        if (nr_bytes < 0)
            return (int)nr_bytes;
        if (inode->ops->punch != NULL)
            inode_punch(inode, offset, (uint64_t)nr_bytes);
        else
            nr_bytes = -EOPNOTSUPP;
        inode_put(inode);
        if (nr_bytes < 0)
            return (int)nr_bytes;
        va += (uint64_t)nr_bytes;
    }
    return 0;
}

int64_t sys_madvise(vaddr_t va, size_t nr_bytes, int advice)
{
    vaddr_t end;
    int error = page_range(va, nr_bytes, &end);

    if (error != 0)
        return -EINVAL;
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
        return space_is_covered(own_space(), va, end) ? 0 : -ENOMEM;
    case MADV_DONTNEED:
        return space_discard(own_space(), va, end, false, false);
    case MADV_DONTNEED_LOCKED:
        return space_discard(own_space(), va, end, false, true);
    case MADV_FREE:
        return space_discard(own_space(), va, end, true, false);
    case MADV_REMOVE:
        return remove_contents(va, end);
    case MADV_DONTFORK:
        return space_set_fork(own_space(), va, end, AREA_NO_FORK, 0);
    case MADV_DOFORK:
        return space_set_fork(own_space(), va, end, 0, AREA_NO_FORK);
    case MADV_WIPEONFORK:
        return space_set_fork(own_space(), va, end, AREA_WIPE_ON_FORK, 0);
    case MADV_KEEPONFORK:
        return space_set_fork(own_space(), va, end, 0, AREA_WIPE_ON_FORK);
    case MADV_POPULATE_READ:
        return populate_as_advised(va, end, AREA_READ);
    case MADV_POPULATE_WRITE:
        return populate_as_advised(va, end, AREA_WRITE);
    default:
        return -EINVAL;
    }
}

#define PRESENT_BATCH 256

int64_t sys_mincore(vaddr_t va, size_t nr_bytes, vaddr_t present_at)
{
    unsigned char present[PRESENT_BATCH];
    vaddr_t end;
    int error = page_range(va, nr_bytes, &end);

    while (error == 0 && va < end) {
        size_t nr = MIN((end - va) / PAGE_SIZE, (size_t)PRESENT_BATCH);

        error = space_find_present(own_space(), va, present, nr);
        if (error == 0)
            error = user_copy_to(present_at, present, nr);
        va += nr * PAGE_SIZE;
        present_at += nr;
    }
    return error;
}

/* ---- Locking -------------------------------------------------------------------------------- */

/* How much the caller may have locked: RLIMIT_MEMLOCK, which does not bound root. */
static uint64_t lock_limit(void)
{
    if (credentials_are_root(credentials_current()))
        return RLIM_INFINITY;
    return process_limit(process_current(), RLIMIT_MEMLOCK);
}

bool syscall_may_lock(size_t nr_bytes)
{
    uint64_t limit = lock_limit();

    return limit == RLIM_INFINITY ||
           (nr_bytes <= limit && space_size(own_space()).nr_locked_bytes <= limit - nr_bytes);
}

bool syscall_may_lock_any(void)
{
    return lock_limit() != 0;
}

/* With `locks` 0 it is not locked any more. */
static int lock_range(vaddr_t va, size_t nr_bytes, unsigned locks)
{
    size_t nr_covered = nr_bytes + va % PAGE_SIZE;
    vaddr_t start = ROUND_DOWN(va, PAGE_SIZE), end;
    int error = nr_covered < nr_bytes ? -EINVAL : page_range(start, nr_covered, &end);

    if (error != 0 || start == end)
        return error;
    error = space_lock(own_space(), start, end, locks, lock_limit());
    if (error == 0 && locks == AREA_LOCKED)
        error = space_populate(own_space(), start, end, AREA_ACCESS);
    return error == -EIO || error == -EACCES ? -ENOMEM : error;
}

int64_t sys_mlock(vaddr_t va, size_t nr_bytes)
{
    return syscall_may_lock_any() ? lock_range(va, nr_bytes, AREA_LOCKED) : -EPERM;
}

int64_t sys_mlock2(vaddr_t va, size_t nr_bytes, int flags)
{
    if (flags & ~MLOCK_ONFAULT)
        return -EINVAL;
    if (!syscall_may_lock_any())
        return -EPERM;
    return lock_range(va, nr_bytes,
                      flags & MLOCK_ONFAULT ? AREA_LOCKED | AREA_LOCK_LATER : AREA_LOCKED);
}

int64_t sys_munlock(vaddr_t va, size_t nr_bytes)
{
    return lock_range(va, nr_bytes, 0);
}

int64_t sys_mlockall(int flags)
{
    unsigned locks = flags & MCL_ONFAULT ? AREA_LOCKED | AREA_LOCK_LATER : AREA_LOCKED;
    int error;

    if (flags == 0 || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
        return -EINVAL;
    if (!syscall_may_lock_any())
        return -EPERM;
    error = space_lock_all(own_space(), flags & MCL_CURRENT, locks, flags & MCL_FUTURE ? locks : 0,
                           lock_limit());
    if (error == 0 && flags & MCL_CURRENT && !(flags & MCL_ONFAULT))
        syscall_populate(0, USER_END);
    return error;
}

int64_t sys_munlockall(void)
{
    return space_lock_all(own_space(), true, 0, 0, RLIM_INFINITY);
}

/* ---- Barriers ------------------------------------------------------------------------------- */

#define NEVER_MAPPED USER_END /* the last page below the hole */

#define MEMBARRIER_KNOWN                                                                           \
    (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |                                     \
     MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |                 \
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |      \
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)

/*
 * Other CPUs pass a barrier when they serve a request to flush their TLBs, for which the caller
 * waits: they are interrupted, and go back by IRET, which also makes them fetch instructions anew.
 * A CPU that is not asked, because it has the address space no longer, has switched since. The page
 * that is flushed is never mapped. Nobody has to register: there is nothing to prepare.
 */
int64_t sys_membarrier(int command, unsigned flags, int cpu)
{
    (void)cpu; /* for a flag that restartable sequences have */
    if (flags != 0)
        return -EINVAL;
    switch (command) {
    case MEMBARRIER_CMD_QUERY:
        return MEMBARRIER_KNOWN;
    case MEMBARRIER_CMD_GLOBAL:
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        atomic_thread_fence(memory_order_seq_cst);
        tlb_flush_kernel(NEVER_MAPPED, NEVER_MAPPED + PAGE_SIZE);
        return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
        atomic_thread_fence(memory_order_seq_cst);
        tlb_flush_user(&own_space()->mmu, NEVER_MAPPED, NEVER_MAPPED + PAGE_SIZE, false);
        return 0;
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
        return 0;
    default:
        return -EINVAL;
    }
}

/* ---- Memory that is a file ------------------------------------------------------------------ */

#define MEMFD_NAME_BYTES 249 /* as Linux: NAME_MAX less "memfd:" */

int64_t sys_memfd_create(vaddr_t name_at, unsigned flags)
{
    char name[MEMFD_NAME_BYTES + 1];
    struct inode *inode;
    struct file *file;
    int64_t length;
    int error;

    if (flags & ~MFD_CLOEXEC) /* there are no seals, and no huge pages */
        return -EINVAL;
    length = user_copy_string(name, name_at, sizeof(name));
    if (length < 0)
        return length == -ENAMETOOLONG ? -EINVAL : length;
    error = inode_create_unnamed(0777, 0, &inode);
    if (error != 0)
        return error;
    error = file_open_inode(inode, O_RDWR | O_LARGEFILE, &file);
    inode_put(inode);
    if (error != 0)
        return error;
    return syscall_install(file, flags & MFD_CLOEXEC);
}

/* ---- Protection keys: the processor's part in it is left alone ------------------------------- */

int64_t sys_pkey_mprotect(vaddr_t va, size_t nr_bytes, int prot, int key)
{
    return key == -1 ? sys_mprotect(va, nr_bytes, prot) : -EINVAL;
}

int64_t sys_pkey_alloc(unsigned flags, unsigned rights)
{
    return flags != 0 || rights & ~(unsigned)PKEY_ACCESS_MASK ? -EINVAL : -ENOSPC;
}

int64_t sys_pkey_free(int key)
{
    (void)key;
    return -EINVAL;
}
