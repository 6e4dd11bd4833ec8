/*
 * Areas that show something: a file, for whoever maps one. What is below the file systems knows
 * them as a *source*, which gives the frame of a page when it is asked (struct area_source_ops).
 *
 * In a shared area the source's own frames are mapped, as the area allows: what is written there is
 * in the source, for all to see. In a private one they are mapped read-only; the source has a
 * reference to each, so that the page counts as shared and the first write copies it, as after a
 * fork (mm/space.c).
 *
 * The other way round, a source has a list of the areas that show it. When pages of it go away,
 * because a file gets shorter, source_cut() unmaps them everywhere, and who touches them then asks
 * the source anew, which says that there is no such page.
 *
 * Locks: a page is asked for with the address space locked, so an inode's lock comes after that of
 * a space. sources_lock guards the lists of areas of all sources: an area is put in and taken out
 * with its space locked, sources_lock inside. Cutting needs it the other way round, and so goes
 * from space to space: it finds an area in which this cut has not been made, makes sure that the
 * space stays, lets go of sources_lock, and then locks the space and cuts all areas there. An area
 * that comes meanwhile with pages of another one is as far as that; a new one is touched after the
 * source has become shorter, and counts as cut: so nobody can keep a cut from ending by mapping the
 * source again and again.
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <mm/file_map.h>
#include <mm/frame.h>
#include <mm/space.h>

#include "area.h"

static struct spinlock sources_lock = SPINLOCK_INIT("area sources", LOCK_RANK_SOURCES);

/* ---- Which areas show a source -------------------------------------------------------------- */

void source_attach(struct space *space, struct area *area, struct area_source *source,
                   uint64_t offset, const struct area *from)
{
    irq_state_t irq;

    source->ops->get(source);
    area->source = source;
    area->offset = offset;
    area->space = space;
    irq = spin_lock_irq(&sources_lock);
    area->nr_cuts_seen = from != NULL ? from->nr_cuts_seen : source->nr_cuts;
    area->next = source->areas;
    area->link = &source->areas;
    if (area->next != NULL)
        area->next->link = &area->next;
    __atomic_store_n(&source->areas, area, __ATOMIC_RELAXED);
    spin_unlock_irq(&sources_lock, irq);
}

void source_detach(struct area *area)
{
    struct area_source *source = area->source;
    irq_state_t irq = spin_lock_irq(&sources_lock);

    __atomic_store_n(area->link, area->next, __ATOMIC_RELAXED);
    if (area->next != NULL)
        area->next->link = area->link;
    spin_unlock_irq(&sources_lock, irq);
    area->source = NULL;
    source->ops->put(source);
}

int64_t space_map_source(struct space *space, vaddr_t va, size_t nr_bytes, unsigned prot,
                         unsigned flags, struct area_source *source, uint64_t offset)
{
    struct area *area;
    int64_t start;

    if (nr_bytes == 0)
        return -EINVAL;
    if (nr_bytes > USER_END)
        return -ENOMEM;
    nr_bytes = ROUND_UP(nr_bytes, PAGE_SIZE);
    if (offset + nr_bytes < offset)
        return -EOVERFLOW;
    mutex_lock(&space->lock);
    start = area_choose_address(space, va, nr_bytes, flags);
    if (start >= 0) {
        if (flags & SPACE_ASKED)
            prot |= space->future_locks;
        area = area_add(space, (vaddr_t)start, (vaddr_t)start + nr_bytes, prot, 0);
        if (area != NULL) {
            source_attach(space, area, source, offset, NULL);
            area_merge_range(space, (vaddr_t)start, (vaddr_t)start + nr_bytes);
        } else {
            start = -ENOMEM;
        }
    }
    mutex_unlock(&space->lock);
    return start;
}

/* ---- Pages ---------------------------------------------------------------------------------- */

/* The frame for a write to a private area: a copy of `frame`, whose reference it takes. */
static paddr_t copy_of(paddr_t frame)
{
    paddr_t copy = area_user_frame(0);

    if (copy != PADDR_NONE)
        memcpy(phys_to_virt(copy), phys_to_virt(frame), PAGE_SIZE);
    frame_unref(frame);
    return copy;
}

int source_map_page(struct space *space, struct area *area, vaddr_t va, bool is_write)
{
    struct area_source *source = area->source;
    uint64_t index = (area->offset + (va - area->start)) / PAGE_SIZE;
    bool is_shared = area->prot & AREA_SHARED;
    paddr_t frame;
    int error = source->ops->page(source, index, is_shared, &frame);

    if (error != 0)
        return error;
    if (frame == PADDR_NONE)
        return area_map_new_page(space, area, va);
    if (is_write && !is_shared)
        frame = copy_of(frame);
    if (frame == PADDR_NONE)
        return -ENOMEM;
    area->was_touched = true;
    error = mmu_map(space->mmu.root, va, frame, area_frame_prot(area->prot, frame));
    if (error != 0)
        frame_unref(frame);
    else
        space->nr_resident++;
    return error;
}

/* ---- Cutting -------------------------------------------------------------------------------- */

/* One more user of the space, unless it has none, and is on its way out. */
static bool get_living(struct space *space)
{
    unsigned nr_users = atomic_load(&space->nr_users);

    while (nr_users != 0) {
        if (atomic_compare_exchange_weak(&space->nr_users, &nr_users, nr_users + 1))
            return true;
    }
    return false;
}

/* A space that has areas of the source not seen in this cut; NULL: none. One more user of it. */
static struct space *next_space(struct area_source *source)
{
    irq_state_t irq = spin_lock_irq(&sources_lock);
    struct area *area = source->areas;
    struct space *space = NULL;

    while (area != NULL && (area->nr_cuts_seen == source->nr_cuts || !get_living(area->space)))
        area = area->next;
    if (area != NULL)
        space = area->space; /* which stays, but the area may be gone at once */
    spin_unlock_irq(&sources_lock, irq);
    return space;
}

/* Unmaps what the area shows of pages [first, end). Its space is locked. */
static void cut_area(struct area *area, uint64_t first, uint64_t end)
{
    uint64_t low = area->offset / PAGE_SIZE;
    uint64_t high = low + (area->end - area->start) / PAGE_SIZE;

    first = MAX(first, low);
    end = MIN(end, high);
    if (first < end)
        area_discard_pages(area->space, area->start + (first - low) * PAGE_SIZE,
                           area->start + (end - low) * PAGE_SIZE);
}

void source_cut(struct area_source *source, uint64_t first, uint64_t end, bool is_shared_only)
{
    struct space *space;
    irq_state_t irq = spin_lock_irq(&sources_lock);

    source->nr_cuts++;
    spin_unlock_irq(&sources_lock, irq);
    while ((space = next_space(source)) != NULL) {
        mutex_lock(&space->lock);
        for (struct area *area = area_find(space, 0); area != NULL; area = area_next(area)) {
            if (area->source != source)
                continue;
            area->nr_cuts_seen = source->nr_cuts;
            if (area->prot & AREA_SHARED || !is_shared_only)
                cut_area(area, first, end);
        }
        mutex_unlock(&space->lock);
        space_put(space);
    }
}
