#ifndef MM_FILE_MAP_H
#define MM_FILE_MAP_H

/*
 * Memory that shows something, such as a file (mm/file_map.c has the theory), and what programs do
 * to memory beside mapping, unmapping and protecting it. Locks as in mm/space.h.
 */

#include <kernel/types.h>
#include <mm/space.h>

struct area_source;

struct area_source_ops {
    /* One more area, or one less, that needs the source to stay. Neither sleeps for long. */
    void (*get)(struct area_source *source);
    void (*put)(struct area_source *source);

    /*
     * The frame of page `index`, with a reference. PADDR_NONE, only where !is_shared: zeroes. 0,
     * -ENOMEM, or -EIO: there is no such page. An address space is locked.
     */
    int (*page)(struct area_source *source, uint64_t index, bool is_shared, paddr_t *frame);
};

/* Part of what it is about, zeroed at first; `ops` is set before the first use. */
struct area_source {
    const struct area_source_ops *ops;
    struct area *areas; /* sources_lock: those that show it */
    uint64_t nr_cuts;   /* sources_lock */
};

/*
 * As space_map(), showing `source` from byte `offset` (a multiple of the page size) on. With
 * AREA_SHARED what is written goes to the source, else into a copy.
 */
int64_t space_map_source(struct space *space, vaddr_t va, size_t nr_bytes, unsigned prot,
                         unsigned flags, struct area_source *source, uint64_t offset) MUST_CHECK;

/* The first area that ends above `va`. False: there is none. The space is locked. */
struct space_area {
    vaddr_t start, end;
    unsigned prot;
    size_t guard_bytes;
    struct area_source *source; /* stays while the space is locked; NULL: none */
    uint64_t offset;
};

bool space_next_area(struct space *space, vaddr_t va, struct space_area *found);

/*
 * Pages [first, end) of the source have changed their frames or ceased to be: nobody has them
 * mapped any more, or, if is_shared_only, no shared area has; a private one keeps what it has, old
 * frames or copies. One call at a time for each source; no address space is locked.
 */
void source_cut(struct area_source *source, uint64_t first, uint64_t end, bool is_shared_only);

/* Whether somebody may have the source mapped. Any context. */
static inline bool source_is_mapped(const struct area_source *source)
{
    return __atomic_load_n(&source->areas, __ATOMIC_RELAXED) != NULL;
}

/*
 * mremap(): `flags` is SPACE_MOVE and, with it, SPACE_FIXED. The new address, -EINVAL, -EFAULT (not
 * one area), -ENOMEM.
 */
int64_t space_remap(struct space *space, vaddr_t va, size_t old_bytes, size_t new_bytes,
                    unsigned flags, vaddr_t new_va) MUST_CHECK;

/*
 * Forgets the contents of [va, end): fresh ones come. 0; -ENOMEM when not all is mapped, done for
 * the rest; -EINVAL where it shows a source, or is locked, if that may not be.
 */
int space_discard(struct space *space, vaddr_t va, vaddr_t end, bool is_anonymous_only,
                  bool may_be_locked) MUST_CHECK;

/*
 * What a copy of the space has of [va, end): sets and clears AREA_NO_FORK and AREA_WIPE_ON_FORK. 0;
 * -ENOMEM, as above; -EINVAL: AREA_WIPE_ON_FORK where it shows a source.
 */
int space_set_fork(struct space *space, vaddr_t va, vaddr_t end, unsigned set,
                   unsigned clear) MUST_CHECK;

/*
 * Makes all pages of [va, end) present, to be written to where that is both allowed and `needed`
 * (AREA_WRITE and others). 0; -ENOMEM (or not all is mapped); -EACCES: nothing that is needed is
 * allowed; -EIO.
 */
int space_populate(struct space *space, vaddr_t va, vaddr_t end, unsigned needed) MUST_CHECK;

/*
 * Sets a byte for each page from `va` on: 1, it is present, if only in the file that is shown. 0;
 * -ENOMEM when not all is mapped.
 */
int space_find_present(struct space *space, vaddr_t va, unsigned char present[],
                       size_t nr_pages) MUST_CHECK;

/* Whether areas cover all of [va, end). */
bool space_is_covered(struct space *space, vaddr_t va, vaddr_t end);

/*
 * mlock(): [va, end) becomes locked (AREA_LOCKED, with AREA_LOCK_LATER or without), or, with 0, is
 * not any more. 0; -ENOMEM when not all is mapped, or more than nr_bytes_max would be locked in
 * all.
 */
int space_lock(struct space *space, vaddr_t va, vaddr_t end, unsigned locks,
               uint64_t nr_bytes_max) MUST_CHECK;

/*
 * mlockall(): the same for all areas, if is_current, and what areas to come are locked with. 0;
 * -ENOMEM: there are more than nr_bytes_max.
 */
int space_lock_all(struct space *space, bool is_current, unsigned locks, unsigned future_locks,
                   uint64_t nr_bytes_max) MUST_CHECK;

/*
 * How many bytes the areas have; of those that are private and writable, but no stack that grows;
 * and of those that are locked.
 */
struct space_size {
    uint64_t nr_bytes, nr_data_bytes, nr_locked_bytes;
};

struct space_size space_size(struct space *space);

/* ---- Supplied by proc/credentials.c ---------------------------------------------------------- */

/*
 * The caller's limits for memory that grows downward: of an area, of all, and of what is locked. It
 * is called with space->lock held, too: so it neither takes that nor touches user memory.
 */
struct space_limits {
    uint64_t stack, all, locked;
};

struct space_limits space_limits(void);

#endif
