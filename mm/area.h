#ifndef MM_AREA_H
#define MM_AREA_H

/* What mm/space.c and mm/file_map*.c know together: areas, and pages that are being unmapped. */

#include <arch/mmu.h>
#include <kernel/rbtree.h>
#include <kernel/types.h>
#include <mm/space.h>

struct area {
    struct rb_node node;
    vaddr_t start, end;
    unsigned prot;
    uint32_t guard_bytes; /* at the lower end */
    bool was_touched;     /* false: no page of it is mapped, nor was since it was made */

    /* What the pages come from (mm/file_map.c); NULL: fresh memory, and the rest means nothing. */
    struct area_source *source;
    uint64_t offset; /* of the source, in bytes, at `start` */
    struct space *space;
    struct area *next, **link; /* sources_lock: the source's areas; what points to this one */
    uint64_t nr_cuts_seen;     /* of source->nr_cuts: the last one that has been made here */
};

#define AREA_LOCKS ((unsigned)(AREA_LOCKED | AREA_LOCK_LATER))

/* All of these with space->lock held. */

struct area *area_next(const struct area *area);

/* The first area that ends above `va`; NULL: none. */
struct area *area_find(const struct space *space, vaddr_t va);

/* A new area where nothing is; NULL: out of memory. */
struct area *area_add(struct space *space, vaddr_t start, vaddr_t end, unsigned prot,
                      uint32_t guard_bytes);

/*
 * Makes `va` a border between areas, so that what lies on either side can be treated on its own.
 * 0 or -ENOMEM.
 */
int area_split(struct space *space, vaddr_t va) MUST_CHECK;

/* Merges what can be merged from the area before `va` up to the one behind `end`. */
void area_merge_range(struct space *space, vaddr_t va, vaddr_t end);

/* Where a new area of nr_bytes is to go, as space_map(). The address or -errno. */
int64_t area_choose_address(struct space *space, vaddr_t va, size_t nr_bytes,
                            unsigned flags) MUST_CHECK;

/* Whether [va, va + nr_bytes) can be user memory; and whether areas cover all of [va, end). */
bool area_is_user_range(vaddr_t va, size_t nr_bytes);
bool area_is_covered(const struct space *space, vaddr_t va, vaddr_t end);

/* The permissions in the page tables, for a frame that may be shared. */
unsigned area_frame_prot(unsigned prot, paddr_t frame);

/* A frame for a process, after giving back what the kernel only keeps for later; or PADDR_NONE. */
paddr_t area_user_frame(unsigned flags);

/* Maps a frame of zeroes at `va`, where none is. 0 or -ENOMEM. */
int area_map_new_page(struct space *space, struct area *area, vaddr_t va) MUST_CHECK;

/* Takes areas and pages of [va, end) away. 0 or -ENOMEM (nothing has changed). */
int area_remove_range(struct space *space, vaddr_t va, vaddr_t end) MUST_CHECK;

/* Takes the pages of [va, end) away and leaves the areas. */
void area_discard_pages(struct space *space, vaddr_t va, vaddr_t end);

/* ---- Sources: mm/file_map.c ------------------------------------------------------------------ */

/*
 * The area shows a source from `offset` on; it has a reference to it from now on. `from`: the area
 * whose pages it gets; NULL: it has none yet.
 */
void source_attach(struct space *space, struct area *area, struct area_source *source,
                   uint64_t offset, const struct area *from);
void source_detach(struct area *area);

/* A new part of what `from` has been: shows the same, as far as there is a source. */
static inline void area_inherit(struct space *space, struct area *area, const struct area *from)
{
    area->was_touched = from->was_touched;
    if (from->source != NULL)
        source_attach(space, area, from->source, from->offset + area->start - from->start, from);
}

/* Whether `right`, which follows `area`, shows what follows there. */
static inline bool area_continues(const struct area *area, const struct area *right)
{
    return area->source == right->source &&
           (area->source == NULL || area->offset + area->end - area->start == right->offset);
}

/* Maps the page at `va`, where none is mapped. 0, -ENOMEM, or -EIO: the source has no such page. */
int source_map_page(struct space *space, struct area *area, vaddr_t va, bool is_write) MUST_CHECK;

/* `area` is the one above `va`: makes it reach there, if it grows downward. 0 or -EFAULT. */
int area_grow_down(struct space *space, struct area *area, vaddr_t va) MUST_CHECK;

#endif
