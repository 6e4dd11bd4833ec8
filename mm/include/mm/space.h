#ifndef MM_SPACE_H
#define MM_SPACE_H

/*
 * User address spaces: areas of virtual memory, backed by frames on demand (mm/space.c has the
 * theory). Functions that take a space lock it, may sleep, and need interrupts on, unless they say
 * otherwise. Addresses and sizes are in bytes.
 */

#include <stdatomic.h>

#include <arch/mmu.h>
#include <kernel/mutex.h>
#include <kernel/rbtree.h>
#include <kernel/types.h>

enum area_prot {
    AREA_READ = 1,
    AREA_WRITE = 2,
    AREA_EXEC = 4,
    AREA_ACCESS = 7,
    AREA_SHARED = 8, /* space_map_source() only: a copy of the address space has the same memory */
    AREA_NEVER_WRITE = 16,   /* space_protect() may not allow it */
    AREA_GROWS = 32,         /* downward, when what is just below is touched */
    AREA_NO_FORK = 64,       /* a copy of the address space lacks it ... */
    AREA_WIPE_ON_FORK = 128, /* ... or has fresh memory there */
    AREA_LOCKED = 256,       /* mlock(): it counts; a copy of the address space is not locked */
    AREA_LOCK_LATER = 512,   /* the same, and nobody has made it present */
};

enum space_map_flags {
    SPACE_FIXED = 1, /* exactly at `va`; what is there goes away */
    SPACE_EXACT = 2, /* exactly at `va`; -EEXIST when something is there */
    SPACE_MOVE = 4,  /* space_remap() only: may be elsewhere */
    SPACE_ASKED = 8, /* the program asked for it: future_locks go for it */
};

struct area;

struct space {
    struct mmu_context mmu;
    uint64_t id;          /* c; never that of another space */
    atomic_uint nr_users; /* processes that have it */
    struct mutex lock;
    struct rb_tree areas;   /* lock; by address, never overlapping */
    struct area *faulting;  /* lock; where the last fault was, or NULL */
    vaddr_t highest;        /* c once the program is loaded: below this is room for memory ... */
    vaddr_t search_from;    /* lock; ... and below this to look for free addresses first */
    vaddr_t vdso;           /* c once the program is loaded: the page of arch/vdso.h */
    vaddr_t brk_start;      /* c once the program is loaded */
    vaddr_t brk_end;        /* lock */
    unsigned future_locks;  /* lock to write; AREA_LOCKED and the like, of areas to be asked for */
    size_t nr_resident;     /* lock; pages that are mapped; and */
    size_t nr_resident_max; /* lock; the most that were when some were unmapped */
};

/*
 * The top of the first LWP's stack; the size that it may grow to, unless RLIMIT_STACK says
 * otherwise; what is left to it at the least, as on Linux; and the lowest address used.
 */
#define SPACE_STACK_TOP   (USER_END - PAGE_SIZE)
#define SPACE_STACK_BYTES MIB(8)
#define SPACE_STACK_ROOM  MIB(128)
#define SPACE_LOWEST      0x10000ull

/* Once, while booting. */
void space_init(void);

/* An empty address space, or NULL when out of memory. */
struct space *space_create(void);

/*
 * A copy of `from`, whose frames both share until one of them writes. NULL: out of memory. Locks
 * `from`.
 */
struct space *space_clone(struct space *from);

/* One more user of the space; returns it. */
struct space *space_get(struct space *space);

/* One user less, whose LWPs do not use it any more. The last one gives everything back. */
void space_put(struct space *space);

/* The most pages that were mapped at once since the space was made. Needs no lock. */
static inline size_t space_resident_max(const struct space *space)
{
    size_t nr = __atomic_load_n(&space->nr_resident, __ATOMIC_RELAXED);
    size_t nr_max = __atomic_load_n(&space->nr_resident_max, __ATOMIC_RELAXED);

    return MAX(nr, nr_max);
}

/* Whether it has several users; the caller is one. */
static inline bool space_is_shared(const struct space *space)
{
    return atomic_load(&space->nr_users) > 1;
}

/*
 * Maps nr_bytes (rounded up to pages) of zeroes. `va`: where (flags), or a hint, 0: anywhere. The
 * lowest guard_bytes of it are never accessible. Returns the address, or -EINVAL (unaligned fixed
 * address, 0 bytes), -ENOMEM (no room, not user memory, out of memory), -EEXIST.
 */
int64_t space_map(struct space *space, vaddr_t va, size_t nr_bytes, unsigned prot, unsigned flags,
                  size_t guard_bytes) MUST_CHECK;

/*
 * The frame at `va` if it is AREA_SHARED memory, which the caller gives back by frame_unref();
 * otherwise PADDR_NONE.
 */
paddr_t space_shared_frame(struct space *space, vaddr_t va);

/* Unmaps; what is not mapped does not matter. 0, -EINVAL or -ENOMEM. */
int space_unmap(struct space *space, vaddr_t va, size_t nr_bytes) MUST_CHECK;

/*
 * Unmaps `nr` ranges of nr_bytes (whole pages) each that space_map() chose, with one TLB flush for
 * many.
 */
void space_unmap_stacks(struct space *space, const vaddr_t low[], unsigned nr, size_t nr_bytes);

/* Whether exactly [low, low + nr_bytes) is one area with guard_bytes of guard. */
bool space_has_area(struct space *space, vaddr_t low, size_t nr_bytes, size_t guard_bytes);

/* Changes permissions of mapped memory. 0, -EINVAL, -EACCES; -ENOMEM when not all of it is mapped.
 */
int space_protect(struct space *space, vaddr_t va, size_t nr_bytes, unsigned prot) MUST_CHECK;

/* Moves the end of the heap; returns the new end, or the old one when that cannot be. */
vaddr_t space_brk(struct space *space, vaddr_t new_end);

/*
 * Makes the page of `addr` accessible for `access` (enum trap_access), if the program may do that.
 * 0: try again; -EFAULT: it may not; -EIO: the file that is mapped there has no such page; -ENOMEM.
 */
int space_fault(struct space *space, vaddr_t addr, unsigned access) MUST_CHECK;

/*
 * Copies into mapped memory of any space, whatever its permissions: for loaders. 0, -EFAULT (not
 * mapped), -ENOMEM.
 */
int space_write(struct space *space, vaddr_t va, const void *from, size_t nr_bytes) MUST_CHECK;

/* Maps one frame, sharing it (its reference count is raised), at an address of the kernel's choice.
 */
int64_t space_map_frame(struct space *space, paddr_t frame, unsigned prot) MUST_CHECK;

#endif
