/* System calls about memory. */

#include <linux/mman.h>
#include <kernel/errno.h>
#include <mm/space.h>
#include <proc/process.h>

#include "sys.h"

/* Flags of mmap() that mean something here, or that may be given and mean nothing. */
#define KNOWN_FLAGS                                                                                \
    (MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK |      \
     MAP_POPULATE | MAP_GROWSDOWN)

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

int64_t sys_mmap(vaddr_t va, size_t nr_bytes, int prot, int flags, int fd, uint64_t offset)
{
    unsigned map_flags = 0, shared = (flags & MAP_TYPE) == MAP_SHARED ? AREA_SHARED : 0;

    (void)fd;
    if ((!shared && (flags & MAP_TYPE) != MAP_PRIVATE) || (flags & ~KNOWN_FLAGS) ||
        !is_valid_prot(prot) || !IS_ALIGNED(offset, PAGE_SIZE))
        return -EINVAL;
    if (!(flags & MAP_ANONYMOUS))
        return -EBADF;
    if (flags & MAP_FIXED_NOREPLACE)
        map_flags = SPACE_EXACT;
    else if (flags & MAP_FIXED)
        map_flags = SPACE_FIXED;
    return space_map(process_current()->space, va, nr_bytes, area_prot(prot) | shared, map_flags,
                     0);
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
    return (int64_t)space_brk(process_current()->space, end);
}
