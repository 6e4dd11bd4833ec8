/* System calls that map and unmap memory. */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/vnode.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <mm/file_map.h>
#include <mm/frame.h>
#include <mm/space.h>
#include <proc/process.h>

#include "sys.h"

/*
 * Flags of mmap() that mean something here, or that may be given and mean nothing. Others are
 * refused with MAP_SHARED_VALIDATE, and mean nothing without, but for those that change what is
 * mapped.
 */
#define KNOWN_FLAGS                                                                                \
    (MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK |      \
     MAP_POPULATE | MAP_NONBLOCK | MAP_GROWSDOWN | MAP_LOCKED | MAP_DENYWRITE | MAP_EXECUTABLE |   \
     MAP_UNINITIALIZED)
#define REFUSED_FLAGS (MAP_32BIT | MAP_HUGETLB)

#define DEV_ZERO (1u << 8 | 5) /* as Linux numbers /dev/zero */

static bool is_valid_prot(int prot)
{
    return (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) == 0;
}

/* x86 has no memory that can be written or executed but not read. */
static unsigned area_prot(int prot)
{
    return (prot != PROT_NONE ? AREA_READ : 0u) | (prot & PROT_WRITE ? AREA_WRITE : 0u) |
           (prot & PROT_EXEC ? AREA_EXEC : 0u);
}

/* What memory to come is locked with, by mlockall(). */
static unsigned future_locks(void)
{
    return __atomic_load_n(&process_current()->space->future_locks, __ATOMIC_RELAXED);
}

/* Whether the process may have so much more memory, that may be written if is_data. */
static bool is_within_limits(size_t nr_bytes, bool is_data)
{
    const struct process *process = process_current();
    uint64_t max = process_limit(process, RLIMIT_AS);
    uint64_t max_data = is_data ? process_limit(process, RLIMIT_DATA) : RLIM_INFINITY;
    struct space_size size;

    if (likely(max == RLIM_INFINITY && max_data == RLIM_INFINITY))
        return true;
    size = space_size(process->space);
    return nr_bytes <= max && size.nr_bytes <= max - nr_bytes && nr_bytes <= max_data &&
           size.nr_data_bytes <= max_data - nr_bytes;
}

/*
 * Whether so much new memory may be locked, if it is going to be, because `is_wanted` or because
 * mlockall() says so. 0, -EPERM: the caller may lock nothing; -EAGAIN: not so much. The space is
 * not locked from here to the mapping: LWPs that map at once may each be told that there is room
 * for theirs, and together pass RLIMIT_MEMLOCK.
 */
static int check_lock(size_t nr_bytes, bool is_wanted)
{
    if (!is_wanted && future_locks() == 0)
        return 0;
    if (is_wanted && !syscall_may_lock_any())
        return -EPERM;
    return nr_bytes <= USER_END && !syscall_may_lock(ROUND_UP(nr_bytes, PAGE_SIZE)) ? -EAGAIN : 0;
}

/* What mmap() was asked for, but for the file. */
struct request {
    vaddr_t va;
    size_t nr_bytes;
    unsigned prot, flags; /* AREA_*, SPACE_* */
    uint64_t offset;
};

/*
 * Memory that shows no file. To share it, it needs something that has its pages: a file that has no
 * name. There is no such file for what cannot be in memory together.
 */
static int64_t map_anonymous(const struct request *r)
{
    struct space *space = process_current()->space;
    struct inode *inode;
    int64_t result;
    int error;

    if (!(r->prot & AREA_SHARED))
        return space_map(space, r->va, r->nr_bytes, r->prot, r->flags, 0);
    if (r->nr_bytes == 0)
        return -EINVAL;
    if (r->nr_bytes / PAGE_SIZE > frame_get_stats().nr_free)
        return -ENOMEM;
    error = inode_create_unnamed(0600, ROUND_UP(r->nr_bytes, PAGE_SIZE), &inode);
    if (error != 0)
        return -ENOMEM;
    result = inode_map(inode, space, r->va, r->nr_bytes, r->prot, r->flags, 0);
    inode_put(inode);
    return result;
}

static int64_t map_file(struct file *file, struct request *r)
{
    struct inode *inode = file->inode;

    if (atomic_load(&file->flags) & O_PATH)
        return -EBADF;
    if (inode != NULL && inode_is_regular(inode) &&
        r->nr_bytes > INT64_MAX - MIN(r->offset, (uint64_t)INT64_MAX))
        return -EOVERFLOW; /* no file is so large */
    if (!file_reads(file))
        return -EACCES;
    if (r->prot & AREA_SHARED && !file_writes(file)) {
        if (r->prot & AREA_WRITE)
            return -EACCES;
        r->prot |= AREA_NEVER_WRITE;
    }
    if (inode == NULL || (!inode_is_regular(inode) && inode->device != DEV_ZERO))
        return -ENODEV;
    if (!inode_is_regular(inode))
        return map_anonymous(r);
    return inode_map(inode, process_current()->space, r->va, r->nr_bytes, r->prot, r->flags,
                     r->offset);
}

static bool is_open(int fd)
{
    struct file *file = fd_get(process_current()->files, fd);

    file_put(file);
    return file != NULL;
}

static int64_t map_fd(int fd, struct request *r)
{
    struct file *file = fd_get(process_current()->files, fd);
    int64_t result;

    if (file == NULL)
        return -EBADF;
    result = map_file(file, r);
    file_put(file);
    return result;
}

/* 0, -EINVAL or -EOPNOTSUPP. */
static int check_flags(size_t nr_bytes, int prot, int flags, uint64_t offset)
{
    int type = flags & MAP_TYPE;

    if ((type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE) ||
        nr_bytes == 0 || !is_valid_prot(prot) || !IS_ALIGNED(offset, PAGE_SIZE))
        return -EINVAL;
    if (type == MAP_SHARED_VALIDATE && flags & MAP_ANONYMOUS)
        return -EINVAL;
    if (type == MAP_SHARED_VALIDATE && flags & ~KNOWN_FLAGS)
        return -EOPNOTSUPP;
    if (flags & REFUSED_FLAGS)
        return -EINVAL;
    if ((flags & MAP_GROWSDOWN) && (type != MAP_PRIVATE || !(flags & MAP_ANONYMOUS)))
        return -EINVAL;
    return 0;
}

int64_t sys_mmap(vaddr_t va, size_t nr_bytes, int prot, int flags, int fd, uint64_t offset)
{
    struct request r = {.va = va, .nr_bytes = nr_bytes, .prot = area_prot(prot), .offset = offset};
    int type = flags & MAP_TYPE;
    int64_t result;
    int error;

    result = check_flags(nr_bytes, prot, flags, offset);
    if (result != 0)
        return (flags & MAP_ANONYMOUS) || !IS_ALIGNED(offset, PAGE_SIZE) || is_open(fd) ? result
                                                                                        : -EBADF;
    if (type != MAP_PRIVATE)
        r.prot |= AREA_SHARED;
    if (flags & MAP_GROWSDOWN)
        r.prot |= AREA_GROWS;
    error = check_lock(nr_bytes, flags & MAP_LOCKED);
    if (error != 0)
        return error;
    if (flags & MAP_LOCKED)
        r.prot |= AREA_LOCKED;
    if (!is_within_limits(nr_bytes, (prot & PROT_WRITE) && type == MAP_PRIVATE))
        return -ENOMEM;
    r.flags = SPACE_ASKED;
    if (flags & MAP_FIXED_NOREPLACE)
        r.flags |= SPACE_EXACT;
    else if (flags & MAP_FIXED)
        r.flags |= SPACE_FIXED;
    result = flags & MAP_ANONYMOUS ? map_anonymous(&r) : map_fd(fd, &r);
    if (result >= 0 && (flags & MAP_LOCKED || future_locks() == AREA_LOCKED ||
                        (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE))
        syscall_populate((vaddr_t)result, (vaddr_t)result + ROUND_UP(nr_bytes, PAGE_SIZE));
    return result;
}

int64_t sys_mprotect(vaddr_t va, size_t nr_bytes, int prot)
{
    if (!is_valid_prot(prot))
        return -EINVAL;
    return space_protect(process_current()->space, va, nr_bytes, area_prot(prot));
}

int64_t sys_munmap(vaddr_t va, size_t nr_bytes)
{
    return space_unmap(process_current()->space, va, nr_bytes);
}

int64_t sys_brk(vaddr_t end)
{
    struct space *space = process_current()->space;
    vaddr_t now = space_brk(space, 0); /* where it is */

    if (end > now && (!is_within_limits(end - now, true) ||
                      check_lock(ROUND_UP(end, PAGE_SIZE) - ROUND_UP(now, PAGE_SIZE), false) != 0))
        return (int64_t)now;
    end = space_brk(space, end);
    if (end > now && future_locks() == AREA_LOCKED)
        syscall_populate(ROUND_UP(now, PAGE_SIZE), ROUND_UP(end, PAGE_SIZE));
    return (int64_t)end;
}

int64_t sys_mremap(vaddr_t va, size_t old_bytes, size_t new_bytes, unsigned flags, vaddr_t new_va)
{
    bool grows_locked = false;
    int64_t result;

    if (flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED) ||
        (flags & (MREMAP_MAYMOVE | MREMAP_FIXED)) == MREMAP_FIXED)
        return -EINVAL;
    if (new_bytes > old_bytes) {
        /* As with check_lock(), others that map at once are not seen. */
        grows_locked = syscall_is_locked(va, va + 1);
        if (grows_locked && new_bytes <= USER_END &&
            !syscall_may_lock(ROUND_UP(new_bytes, PAGE_SIZE) - ROUND_UP(old_bytes, PAGE_SIZE)))
            return -EAGAIN;
        if (!is_within_limits(new_bytes - old_bytes, false))
            return -ENOMEM;
    }
    result = space_remap(process_current()->space, va, old_bytes, new_bytes,
                         (flags & MREMAP_MAYMOVE ? SPACE_MOVE : 0u) |
                             (flags & MREMAP_FIXED ? SPACE_FIXED : 0u),
                         new_va);
    if (result >= 0 && grows_locked)
        syscall_populate((vaddr_t)result + ROUND_UP(old_bytes, PAGE_SIZE),
                         (vaddr_t)result + ROUND_UP(new_bytes, PAGE_SIZE));
    return result;
}
