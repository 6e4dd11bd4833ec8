/*
 * What programs do to memory beside mapping, unmapping and protecting it: moving it, giving its
 * contents up, having it all there. Locks as in mm/space.c.
 *
 * An area that moves takes its pages along: their entries are taken out of the page tables and put
 * in at the new address. Should a table lack there, those that have been moved go back, for which
 * all tables are still there.
 */

#include <arch/mmu.h>
#include <arch/trap.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/file_map.h>
#include <mm/frame.h>
#include <mm/space.h>
#include <mm/tlb.h>

#include "area.h"

/* How near an area that grows downward may come to what is below (Linux: stack_guard_gap). */
#define GROW_GAP_BYTES MIB(1)

/* ---- Moving --------------------------------------------------------------------------------- */

/* Moves the entries of the pages of [from, end) to `to` and up; where they stop lacking a table. */
static vaddr_t move_entries(struct space *space, vaddr_t from, vaddr_t end, vaddr_t to)
{
    struct mmu_page page;
    vaddr_t at = from;

    while ((at = mmu_next_mapped(space->mmu.root, at, end, &page)) < end) {
        if (mmu_map(space->mmu.root, to + (at - from), page.frame, page.prot) != 0)
            return at;
        page = mmu_unmap(space->mmu.root, at);
        at += PAGE_SIZE;
    }
    return end;
}

/* Moves all of [from, from + nr_bytes), or nothing. 0 or -ENOMEM. */
static int move_pages(struct space *space, vaddr_t from, size_t nr_bytes, vaddr_t to)
{
    vaddr_t stopped = move_entries(space, from, from + nr_bytes, to);

    if (stopped != from + nr_bytes &&
        move_entries(space, to, to + (stopped - from), from) != to + (stopped - from))
        panic("pages that go back find their tables");
    tlb_flush_user(&space->mmu, from, from + nr_bytes, false);
    return stopped == from + nr_bytes ? 0 : -ENOMEM;
}

/* The one area that [va, va + nr_bytes) lies in, or NULL. */
static struct area *whole_area(const struct space *space, vaddr_t va, size_t nr_bytes)
{
    struct area *area = area_find(space, va);

    return area != NULL && area->start + area->guard_bytes <= va && va + nr_bytes <= area->end
               ? area
               : NULL;
}

/* A new area at `to` with all that `area` has from `va` on. NULL: out of memory. */
static struct area *copy_area(struct space *space, const struct area *area, vaddr_t va, vaddr_t to,
                              size_t nr_bytes)
{
    struct area *copy = area_add(space, to, to + nr_bytes, area->prot, 0);

    if (copy == NULL)
        return NULL;
    copy->was_touched = area->was_touched;
    if (area->source != NULL)
        source_attach(space, copy, area->source, area->offset + (va - area->start), area);
    return copy;
}

/* Nothing was mapped at [va, va + nr_bytes), and nothing is to be. */
static void remove_again(struct space *space, vaddr_t va, size_t nr_bytes)
{
    int error = area_remove_range(space, va, va + nr_bytes);

    assert(error == 0); /* no area has to be split */
}

/*
 * Moves [va, va + old_bytes) to `to`, where it has new_bytes. With old_bytes 0 the pages stay, and
 * the memory, which is shared, is at both places. 0 or -ENOMEM.
 */
static int move_area(struct space *space, vaddr_t va, size_t old_bytes, vaddr_t to,
                     size_t new_bytes)
{
    struct area *area;

    if (old_bytes != 0) {
        int error = area_split(space, va);

        if (error == 0)
            error = area_split(space, va + old_bytes);
        if (error != 0)
            return error;
    }
    area = area_find(space, va);
    if (copy_area(space, area, va, to, new_bytes) == NULL)
        return -ENOMEM;
    if (move_pages(space, va, MIN(old_bytes, new_bytes), to) != 0) {
        remove_again(space, to, new_bytes);
        return -ENOMEM;
    }
    if (old_bytes != 0)
        remove_again(space, va, old_bytes);
    area_merge_range(space, to, to + new_bytes);
    return 0;
}

/* Makes the area that ends at `end` longer where it is. 0; -ENOMEM: something is there. */
static int grow_in_place(struct space *space, struct area *area, vaddr_t end, vaddr_t new_end)
{
    struct area *above = area_next(area);

    if (area->end != end || new_end > USER_END || (above != NULL && above->start < new_end))
        return -ENOMEM;
    area->end = new_end;
    area_merge_range(space, end, new_end);
    return 0;
}

static int64_t remap_fixed(struct space *space, vaddr_t va, size_t old_bytes, size_t new_bytes,
                           vaddr_t to)
{
    int error;

    if (!IS_ALIGNED(to, PAGE_SIZE) || !area_is_user_range(to, new_bytes) ||
        (to < va + MAX(old_bytes, PAGE_SIZE) && va < to + new_bytes))
        return -EINVAL;
    error = area_remove_range(space, to, to + new_bytes);
    if (error == 0)
        error = move_area(space, va, old_bytes, to, new_bytes);
    return error != 0 ? error : (int64_t)to;
}

static int64_t remap(struct space *space, vaddr_t va, size_t old_bytes, size_t new_bytes,
                     unsigned flags, vaddr_t new_va)
{
    struct area *area = whole_area(space, va, 0);
    int64_t to;
    int error;

    if (area == NULL)
        return -EFAULT;
    /* Where nothing moves or grows, several areas, and holes, may follow. */
    if (new_bytes <= old_bytes && !(flags & SPACE_FIXED)) {
        error =
            new_bytes < old_bytes ? area_remove_range(space, va + new_bytes, va + old_bytes) : 0;
        return error != 0 ? error : (int64_t)va;
    }
    if (whole_area(space, va, old_bytes) == NULL)
        return -EFAULT;
    if (old_bytes == 0 && !(area->prot & AREA_SHARED))
        return -EINVAL;
    if (flags & SPACE_FIXED)
        return remap_fixed(space, va, old_bytes, new_bytes, new_va);
    if (old_bytes != 0 && grow_in_place(space, area, va + old_bytes, va + new_bytes) == 0)
        return (int64_t)va;
    if (!(flags & SPACE_MOVE))
        return -ENOMEM;
    to = area_choose_address(space, 0, new_bytes, 0);
    if (to < 0)
        return to;
    error = move_area(space, va, old_bytes, (vaddr_t)to, new_bytes);
    return error != 0 ? error : to;
}

int64_t space_remap(struct space *space, vaddr_t va, size_t old_bytes, size_t new_bytes,
                    unsigned flags, vaddr_t new_va)
{
    int64_t result;

    if (!IS_ALIGNED(va, PAGE_SIZE) || new_bytes == 0)
        return -EINVAL;
    if (va >= USER_END || old_bytes > USER_END - va)
        return -EFAULT;
    if (new_bytes > USER_END)
        return -ENOMEM;
    mutex_lock(&space->lock);
    result = remap(space, va, ROUND_UP(old_bytes, PAGE_SIZE), ROUND_UP(new_bytes, PAGE_SIZE), flags,
                   new_va);
    mutex_unlock(&space->lock);
    return result;
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

/* How much of [va, end) is locked. Locked. */
static uint64_t nr_locked_bytes(const struct space *space, vaddr_t va, vaddr_t end)
{
    const struct area *area = area_find(space, va);
    uint64_t nr = 0;

    for (; area != NULL && area->start < end; area = area_next(area)) {
        if (area->prot & AREA_LOCKED)
            nr += MIN(area->end, end) - MAX(area->start, va);
    }
    return nr;
}

/* Locked. */
static struct space_size add_sizes(const struct space *space)
{
    struct space_size size = {.nr_locked_bytes = nr_locked_bytes(space, 0, USER_END)};

    for (struct area *area = area_find(space, 0); area != NULL; area = area_next(area)) {
        size.nr_bytes += area->end - area->start;
        if ((area->prot & (AREA_WRITE | AREA_SHARED | AREA_GROWS)) == AREA_WRITE)
            size.nr_data_bytes += area->end - area->start;
    }
    return size;
}

struct space_size space_size(struct space *space)
{
    struct space_size size;

    mutex_lock(&space->lock);
    size = add_sizes(space);
    mutex_unlock(&space->lock);
    return size;
}

/* ---- Areas that grow downward --------------------------------------------------------------- */

/* Whether so much more in that area is within the caller's limits. Locked. */
static bool may_grow(const struct space *space, const struct area *area, uint64_t nr_more)
{
    struct space_limits limits = space_limits();
    bool is_locked = area->prot & AREA_LOCKED;
    struct space_size size;

    if (area->end - area->start + nr_more > limits.stack)
        return false;
    if (likely(limits.all == UINT64_MAX && !is_locked))
        return true;
    size = add_sizes(space);
    return size.nr_bytes + nr_more <= limits.all &&
           (!is_locked || size.nr_locked_bytes + nr_more <= limits.locked);
}

int area_grow_down(struct space *space, struct area *area, vaddr_t va)
{
    struct area *below = area_find(space, va > GROW_GAP_BYTES ? va - GROW_GAP_BYTES : 0);

    if (va < SPACE_LOWEST || below != area || !may_grow(space, area, area->start - va))
        return -EFAULT;
    area->start = va;
    return 0;
}

/* ---- Contents ------------------------------------------------------------------------------- */

/*
 * 0; -EINVAL: an area of [va, end) has a source, if must_be_anonymous, or a flag of `without`;
 * -ENOMEM: areas do not cover all of it. Locked.
 */
static int check_range(const struct space *space, vaddr_t va, vaddr_t end, bool must_be_anonymous,
                       unsigned without)
{
    struct area *area = va < end ? area_find(space, va) : NULL;

    for (; area != NULL && area->start < end; area = area_next(area)) {
        if ((must_be_anonymous && area->source != NULL) || area->prot & without)
            return -EINVAL;
    }
    return area_is_covered(space, va, end) ? 0 : -ENOMEM;
}

int space_discard(struct space *space, vaddr_t va, vaddr_t end, bool is_anonymous_only,
                  bool may_be_locked)
{
    int error;

    mutex_lock(&space->lock);
    error = check_range(space, va, end, is_anonymous_only, may_be_locked ? 0 : AREA_LOCKED);
    if (error != -EINVAL)
        area_discard_pages(space, va, end); /* what is shared is still in its source */
    mutex_unlock(&space->lock);
    return error;
}

/* Clears and sets flags of what is mapped of [va, end). Locked. 0 or -ENOMEM. */
static int change_flags(struct space *space, vaddr_t va, vaddr_t end, unsigned clear, unsigned set)
{
    struct area *area;
    int error = area_split(space, va);

    if (error == 0)
        error = area_split(space, end);
    if (error != 0)
        return error;
    for (area = area_find(space, va); area != NULL && area->start < end; area = area_next(area))
        area->prot = (area->prot & ~clear) | set;
    area_merge_range(space, MAX(va, SPACE_LOWEST), end);
    return 0;
}

int space_set_fork(struct space *space, vaddr_t va, vaddr_t end, unsigned set, unsigned clear)
{
    int error, result;

    mutex_lock(&space->lock);
    result = check_range(space, va, end, set == AREA_WIPE_ON_FORK, 0);
    error = result == -EINVAL ? result : change_flags(space, va, end, clear, set);
    mutex_unlock(&space->lock);
    return error != 0 ? error : result;
}

int space_lock(struct space *space, vaddr_t va, vaddr_t end, unsigned locks, uint64_t nr_bytes_max)
{
    uint64_t nr_others;
    int error;

    mutex_lock(&space->lock);
    nr_others = nr_locked_bytes(space, 0, USER_END) - nr_locked_bytes(space, va, end);
    error = check_range(space, va, end, false, 0);
    if (locks != 0 && (nr_others > nr_bytes_max || end - va > nr_bytes_max - nr_others))
        error = -ENOMEM;
    if (error == 0)
        error = change_flags(space, va, end, AREA_LOCKS, locks);
    mutex_unlock(&space->lock);
    return error;
}

int space_lock_all(struct space *space, bool is_current, unsigned locks, unsigned future_locks,
                   uint64_t nr_bytes_max)
{
    struct area *area;
    int error;

    mutex_lock(&space->lock);
    error = is_current && add_sizes(space).nr_bytes > nr_bytes_max ? -ENOMEM : 0;
    if (error == 0) {
        __atomic_store_n(&space->future_locks, future_locks, __ATOMIC_RELAXED);
        area = is_current ? area_find(space, 0) : NULL;
        for (; area != NULL; area = area_next(area))
            area->prot = (area->prot & ~AREA_LOCKS) | locks;
        if (is_current)
            area_merge_range(space, SPACE_LOWEST, USER_END);
    }
    mutex_unlock(&space->lock);
    return error;
}

int space_populate(struct space *space, vaddr_t va, vaddr_t end, unsigned needed)
{
    int error = 0;

    while (va < end && error == 0) {
        const struct area *area;
        vaddr_t area_end = 0;
        unsigned prot = 0;

        mutex_lock(&space->lock);
        area = area_find(space, va);
        if (area != NULL && area->start <= va) {
            va = MAX(va, area->start + area->guard_bytes);
            area_end = MIN(end, area->end);
            prot = area->prot;
        }
        mutex_unlock(&space->lock);
        if (area_end == 0)
            return -ENOMEM;
        if (!(prot & needed))
            return -EACCES;
        for (; va < area_end && error == 0; va += PAGE_SIZE)
            error = space_fault(space, va, prot & needed & AREA_WRITE ? TRAP_ACCESS_WRITE : 0);
    }
    return error;
}

/* Whether the page is mapped, or is in the source that the area shows. Locked. */
static bool is_present(const struct space *space, const struct area *area, vaddr_t va)
{
    paddr_t frame = mmu_walk(space->mmu.root, va).frame;
    uint64_t index;

    if (frame != PADDR_NONE || area->source == NULL)
        return frame != PADDR_NONE;
    index = (area->offset + (va - area->start)) / PAGE_SIZE;
    if (area->source->ops->page(area->source, index, false, &frame) != 0 || frame == PADDR_NONE)
        return false;
    frame_unref(frame);
    return true;
}

int space_find_present(struct space *space, vaddr_t va, unsigned char present[], size_t nr_pages)
{
    vaddr_t end = va + nr_pages * PAGE_SIZE;
    int error;

    memset(present, 0, nr_pages);
    mutex_lock(&space->lock);
    error = area_is_covered(space, va, end) ? 0 : -ENOMEM;
    for (size_t i = 0; i < nr_pages && error == 0; i++)
        present[i] = is_present(space, area_find(space, va + i * PAGE_SIZE), va + i * PAGE_SIZE);
    mutex_unlock(&space->lock);
    return error;
}

bool space_is_covered(struct space *space, vaddr_t va, vaddr_t end)
{
    bool is_covered;

    mutex_lock(&space->lock);
    is_covered = area_is_covered(space, va, end);
    mutex_unlock(&space->lock);
    return is_covered;
}

/* ---- Looking -------------------------------------------------------------------------------- */

bool space_next_area(struct space *space, vaddr_t va, struct space_area *found)
{
    const struct area *area = area_find(space, va);

    if (area != NULL)
        *found = (struct space_area){.start = area->start,
                                     .end = area->end,
                                     .prot = area->prot,
                                     .guard_bytes = area->guard_bytes,
                                     .source = area->source,
                                     .offset = area->offset};
    return area != NULL;
}
