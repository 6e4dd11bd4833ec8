/*
 * User address spaces.
 *
 * An area is a range of pages with the same permissions; areas lie in a tree by address and never
 * overlap. Mapping only makes an area. Frames come when a page is touched (space_fault()), zeroed.
 * An area may begin with a guard, pages that are part of it, so that nothing else is mapped there,
 * but never accessible.
 *
 * A frame may be shared between address spaces (its reference count says so). A shared frame is
 * mapped read-only, whatever the area allows; the first write copies it, or, when all others have
 * let go of it, makes the page writable.
 *
 * That is not so in shared areas (AREA_SHARED), whose frames are mapped as the area allows in every
 * space that has them. They come from a source, such as a file (mm/file_map.c), which some private
 * areas show as well.
 *
 * A space may belong to several processes; the last one destroys it.
 *
 * Locking: space->lock, a mutex, guards the areas and the user half of the page tables. It is never
 * held while user memory is touched through user_copy_*, because a fault there takes it.
 *
 * Unmapping, in this order: clear the entries, take out tables that have become empty, flush the
 * TLBs of all CPUs, give the frames back. Frames are collected in batches of a fixed size on the
 * stack, with one flush for each batch.
 */

#include <arch/mmu.h>
#include <arch/trap.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/slab.h>
#include <mm/space.h>
#include <mm/tlb.h>

#include "area.h"

static struct slab_cache *space_cache, *area_cache;

void space_init(void)
{
    space_cache = slab_cache_create("space", sizeof(struct space), 0, SLAB_USER);
    area_cache = slab_cache_create("area", sizeof(struct area), 0, SLAB_USER);
}

/* ---- Areas ---------------------------------------------------------------------------------- */

static struct area *area_of(struct rb_node *node)
{
    return node != NULL ? rb_entry(node, struct area, node) : NULL;
}

struct area *area_next(const struct area *area)
{
    return area_of(rb_next(&area->node));
}

static struct area *area_prev(const struct area *area)
{
    return area_of(rb_prev(&area->node));
}

static bool area_before(const struct rb_node *a, const struct rb_node *b)
{
    return rb_entry(a, struct area, node)->start < rb_entry(b, struct area, node)->start;
}

struct area *area_find(const struct space *space, vaddr_t va)
{
    struct rb_node *node = space->areas.root;
    struct area *found = NULL;

    while (node != NULL) {
        struct area *area = area_of(node);

        if (area->end > va) {
            found = area;
            node = node->child[0];
        } else {
            node = node->child[1];
        }
    }
    return found;
}

struct area *area_add(struct space *space, vaddr_t start, vaddr_t end, unsigned prot,
                      uint32_t guard_bytes)
{
    struct area *area = slab_alloc(area_cache);

    if (area == NULL)
        return NULL;
    *area = (struct area){.start = start, .end = end, .prot = prot, .guard_bytes = guard_bytes};
    rb_insert(&space->areas, &area->node, area_before);
    return area;
}

static void area_remove(struct space *space, struct area *area)
{
    if (space->faulting == area)
        space->faulting = NULL;
    rb_remove(&space->areas, &area->node);
    if (area->source != NULL)
        source_detach(area);
    slab_free(area_cache, area);
}

int area_split(struct space *space, vaddr_t va)
{
    struct area *area = area_find(space, va), *upper;
    uint32_t guard_bytes;

    if (area == NULL || area->start >= va)
        return 0;
    guard_bytes = (uint32_t)MIN((uint64_t)area->guard_bytes, va - area->start);
    upper = area_add(space, va, area->end, area->prot, area->guard_bytes - guard_bytes);
    if (upper == NULL)
        return -ENOMEM;
    area_inherit(space, upper, area);
    area->end = va;
    area->guard_bytes = guard_bytes;
    return 0;
}

/* One area instead of `area` and its right neighbour, where nothing tells them apart. */
static void area_merge_right(struct space *space, struct area *area)
{
    struct area *right = area_next(area);

    if (right == NULL || right->start != area->end || right->prot != area->prot ||
        right->guard_bytes != 0 || area->guard_bytes != 0 || !area_continues(area, right))
        return;
    area->end = right->end;
    area->was_touched |= right->was_touched;
    area->nr_cuts_seen = MIN(area->nr_cuts_seen, right->nr_cuts_seen);
    area_remove(space, right);
}

static void area_merge(struct space *space, struct area *area)
{
    struct area *left = area_prev(area);

    area_merge_right(space, area);
    if (left != NULL)
        area_merge_right(space, left);
}

/*
 * The highest free range of nr_bytes that ends at `limit` or below; 0: there is none. The search
 * walks down from area to area.
 */
static vaddr_t find_free_below(const struct space *space, vaddr_t limit, size_t nr_bytes)
{
    struct area *area = area_find(space, limit - 1);
    vaddr_t end = limit;

    if (area == NULL)
        area = area_of(rb_last(&space->areas));
    for (; area != NULL; area = area_prev(area)) {
        if (area->end <= end && end - area->end >= nr_bytes)
            return end - nr_bytes;
        end = MIN(end, area->start);
    }
    return end >= SPACE_LOWEST + nr_bytes ? end - nr_bytes : 0;
}

static vaddr_t find_free(struct space *space, size_t nr_bytes)
{
    vaddr_t va = find_free_below(space, space->search_from, nr_bytes);

    if (va == 0 && space->search_from != space->highest)
        va = find_free_below(space, space->highest, nr_bytes);
    if (va != 0)
        space->search_from = va;
    return va;
}

/* ---- Pages ---------------------------------------------------------------------------------- */

static unsigned page_prot(unsigned prot)
{
    if ((prot & AREA_ACCESS) == 0)
        return MMU_NO_ACCESS;
    return MMU_USER | (prot & AREA_WRITE ? MMU_WRITE : 0) | (prot & AREA_EXEC ? MMU_EXEC : 0);
}

unsigned area_frame_prot(unsigned prot, paddr_t frame)
{
    unsigned p = page_prot(prot);

    if (prot & AREA_SHARED)
        return p;
    return frame_refs(frame) > 1 ? p & ~(unsigned)MMU_WRITE : p;
}

paddr_t area_user_frame(unsigned flags)
{
    paddr_t frame = frame_alloc(FRAME_USER | flags);

    if (unlikely(frame == PADDR_NONE)) {
        reclaim_all();
        frame = frame_alloc(FRAME_USER | flags);
    }
    return frame;
}

/* Maps a new page of the area, zeroed. */
static int fill_place(mmu_place *place, struct space *space, struct area *area)
{
    paddr_t frame = frame_alloc(FRAME_USER | FRAME_ZERO);

    if (unlikely(frame == PADDR_NONE))
        frame = area_user_frame(FRAME_ZERO); /* after giving back what it can */
    if (unlikely(frame == PADDR_NONE))
        return -ENOMEM;
    area->was_touched = true;
    space->nr_resident++;
    mmu_fill(place, frame, page_prot(area->prot));
    return 0;
}

int area_map_new_page(struct space *space, struct area *area, vaddr_t va)
{
    mmu_place *place = mmu_find_place(space->mmu.root, va);

    return place != NULL ? fill_place(place, space, area) : -ENOMEM;
}

/*
 * What is being unmapped: pages whose entries are cleared and that are still to be flushed and
 * given back, and the tables that have become empty.
 */
struct unmapping {
    struct space *space;
    paddr_t tables; /* for mmu_free_tables() */
    struct mmu_batch pages;
};

static void unmapping_init(struct unmapping *u, struct space *space)
{
    u->space = space;
    u->tables = 0;
    u->pages.low = USER_END;
    u->pages.high = 0;
    u->pages.nr_frames = 0;
}

/* Flushes, and gives back. Locked. */
static void unmapping_finish(struct unmapping *u)
{
    struct mmu_batch *pages = &u->pages;

    if (pages->nr_frames > 0 || u->tables != 0)
        tlb_flush_user(&u->space->mmu, pages->low, pages->high, u->tables != 0);
    u->space->nr_resident_max = MAX(u->space->nr_resident_max, u->space->nr_resident);
    u->space->nr_resident -= pages->nr_frames;
    for (unsigned i = 0; i < pages->nr_frames; i++)
        frame_unref(pages->frames[i]);
    mmu_free_tables(u->tables);
    unmapping_init(u, u->space);
}

/* Clears the entries of [va, end). Locked. */
static void unmap_pages(struct unmapping *u, vaddr_t va, vaddr_t end)
{
    while ((va = mmu_unmap_batch(u->space->mmu.root, va, end, &u->pages)) < end)
        unmapping_finish(u);
}

/* What is between the neighbours of an area, whose tables nobody needs when it has gone. */
static struct mmu_pruning surroundings(const struct area *area)
{
    const struct area *below = area_prev(area), *above = area_next(area);

    return (struct mmu_pruning){
        .va = area->start,
        .end = area->end,
        .low = below != NULL ? below->end : 0,
        .high = above != NULL ? above->start : USER_END + PAGE_SIZE,
    };
}

/* Removes [va, end); what is left to do is in `u`. Locked. 0 or -ENOMEM (nothing has changed). */
static int remove_range(struct unmapping *u, vaddr_t va, vaddr_t end)
{
    struct space *space = u->space;
    struct area *area;
    int error = area_split(space, va);

    if (error == 0)
        error = area_split(space, end);
    if (error != 0)
        return error;
    for (area = area_find(space, va); area != NULL && area->start < end;) {
        struct mmu_pruning gap = surroundings(area);
        struct area *next = area_next(area);

        area_remove(space, area);
        /* What follows without a gap goes the same way at once. */
        while (next != NULL && next->start == gap.end && next->start < end) {
            gap.end = next->end;
            area = area_next(next);
            area_remove(space, next);
            next = area;
        }
        gap.high = next != NULL ? next->start : USER_END + PAGE_SIZE;
        unmap_pages(u, gap.va, gap.end);
        u->tables = mmu_prune(space->mmu.root, &gap, u->tables);
        u->pages.low = MIN(u->pages.low, gap.va);
        u->pages.high = MAX(u->pages.high, gap.end);
        area = next;
    }
    if (end > space->search_from && end <= space->highest)
        space->search_from = end;
    return 0;
}

int area_remove_range(struct space *space, vaddr_t va, vaddr_t end)
{
    struct unmapping u;
    int error;

    unmapping_init(&u, space);
    error = remove_range(&u, va, end);
    unmapping_finish(&u);
    return error;
}

void area_discard_pages(struct space *space, vaddr_t va, vaddr_t end)
{
    struct unmapping u;

    unmapping_init(&u, space);
    unmap_pages(&u, va, end);
    unmapping_finish(&u);
}

/* ---- Spaces --------------------------------------------------------------------------------- */

struct space *space_create(void)
{
    static _Atomic uint64_t last_id;
    struct space *space = slab_alloc(space_cache);

    if (space == NULL)
        return NULL;
    memset(space, 0, sizeof(*space));
    space->mmu.root = mmu_root_create();
    if (space->mmu.root == PADDR_NONE) {
        slab_free(space_cache, space);
        return NULL;
    }
    space->id = atomic_fetch_add(&last_id, 1) + 1;
    atomic_init(&space->nr_users, 1);
    mutex_init(&space->lock, "address space");
    rb_init(&space->areas);
    space->highest = space->search_from = SPACE_STACK_TOP - SPACE_STACK_ROOM;
    return space;
}

struct space *space_get(struct space *space)
{
    atomic_fetch_add(&space->nr_users, 1);
    return space;
}

void space_put(struct space *space)
{
    int error;

    if (atomic_fetch_sub(&space->nr_users, 1) > 1)
        return;
    tlb_drop_context(&space->mmu);
    error = area_remove_range(space, 0, USER_END);
    assert(error == 0); /* no area had to be split */
    mmu_root_destroy(space->mmu.root);
    slab_free(space_cache, space);
}

/*
 * Copies areas and shares their pages, which neither may write to without a fault, unless they are
 * shared memory. Both are locked, and `from` is to be flushed afterwards. 0 or -ENOMEM.
 */
static int clone_areas(struct space *from, struct space *to)
{
    for (struct rb_node *node = rb_first(&from->areas); node != NULL; node = rb_next(node)) {
        const struct area *area = area_of(node);
        struct area *copy;
        int64_t nr_shared;

        if (area->prot & AREA_NO_FORK)
            continue;
        copy = area_add(to, area->start, area->end, area->prot & ~AREA_LOCKS, area->guard_bytes);
        if (copy == NULL)
            return -ENOMEM;
        area_inherit(to, copy, area);
        if (area->prot & AREA_WIPE_ON_FORK || !area->was_touched)
            continue;
        nr_shared = mmu_share(from->mmu.root, to->mmu.root, area->start, area->end,
                              area->prot & AREA_SHARED, frame_ref);
        if (nr_shared < 0)
            return (int)nr_shared;
        to->nr_resident += (size_t)nr_shared;
    }
    return 0;
}

struct space *space_clone(struct space *from)
{
    struct space *to = space_create();
    int error;

    if (to == NULL)
        return NULL;
    mutex_lock(&from->lock);
    mutex_lock(&to->lock); /* source_cut() finds areas as they come, and waits until all have */
    to->highest = from->highest;
    to->search_from = from->search_from;
    to->vdso = from->vdso;
    to->brk_start = from->brk_start;
    to->brk_end = from->brk_end;
    error = clone_areas(from, to);
    mutex_unlock(&to->lock);
    /* Pages of `from` that were writable are not any more, also if the copy failed half-way. */
    tlb_flush_user(&from->mmu, 0, USER_END, false);
    mutex_unlock(&from->lock);
    if (error == 0)
        return to;
    space_put(to);
    return NULL;
}

bool area_is_user_range(vaddr_t va, size_t nr_bytes)
{
    return va >= SPACE_LOWEST && va < USER_END && nr_bytes <= USER_END - va;
}

int64_t area_choose_address(struct space *space, vaddr_t va, size_t nr_bytes, unsigned flags)
{
    struct area *area;
    int error;

    if (flags & (SPACE_FIXED | SPACE_EXACT)) {
        if (!IS_ALIGNED(va, PAGE_SIZE))
            return -EINVAL;
        if (!area_is_user_range(va, nr_bytes))
            return -ENOMEM;
        area = area_find(space, va);
        if (area == NULL || area->start >= va + nr_bytes)
            return (int64_t)va;
        if (flags & SPACE_EXACT)
            return -EEXIST;
        error = area_remove_range(space, va, va + nr_bytes);
        return error != 0 ? error : (int64_t)va;
    }
    va = ROUND_DOWN(va, PAGE_SIZE);
    if (area_is_user_range(va, nr_bytes)) {
        area = area_find(space, va);
        if (area == NULL || area->start >= va + nr_bytes)
            return (int64_t)va;
    }
    va = find_free(space, nr_bytes);
    return va != 0 ? (int64_t)va : -ENOMEM;
}

int64_t space_map(struct space *space, vaddr_t va, size_t nr_bytes, unsigned prot, unsigned flags,
                  size_t guard_bytes)
{
    struct area *area;
    int64_t start;

    if (nr_bytes == 0)
        return -EINVAL;
    if (nr_bytes > USER_END)
        return -ENOMEM;
    nr_bytes = ROUND_UP(nr_bytes, PAGE_SIZE);
    mutex_lock(&space->lock);
    start = area_choose_address(space, va, nr_bytes, flags);
    if (start >= 0) {
        if (flags & SPACE_ASKED)
            prot |= space->future_locks;
        area =
            area_add(space, (vaddr_t)start, (vaddr_t)start + nr_bytes, prot, (uint32_t)guard_bytes);
        if (area == NULL)
            start = -ENOMEM;
        else
            area_merge(space, area);
    }
    mutex_unlock(&space->lock);
    return start;
}

int64_t space_map_frame(struct space *space, paddr_t frame, unsigned prot)
{
    int64_t va = space_map(space, 0, PAGE_SIZE, prot, 0, 0);
    int error;

    if (va < 0)
        return va;
    mutex_lock(&space->lock);
    area_find(space, (vaddr_t)va)->was_touched = true;
    frame_ref(frame);
    error = mmu_map(space->mmu.root, (vaddr_t)va, frame, area_frame_prot(prot, frame));
    if (error != 0)
        frame_unref(frame);
    else
        space->nr_resident++;
    mutex_unlock(&space->lock);
    return error != 0 ? error : va;
}

void space_unmap_stacks(struct space *space, const vaddr_t low[], unsigned nr, size_t nr_bytes)
{
    struct unmapping u;

    mutex_lock(&space->lock);
    unmapping_init(&u, space);
    for (unsigned i = 0; i < nr; i++) {
        /* Out of memory for splitting an area: the program changed it. Then it stays. */
        int error = remove_range(&u, low[i], low[i] + nr_bytes);

        (void)error;
    }
    unmapping_finish(&u);
    mutex_unlock(&space->lock);
}

bool space_has_area(struct space *space, vaddr_t low, size_t nr_bytes, size_t guard_bytes)
{
    const struct area *area;
    bool is_there;

    mutex_lock(&space->lock);
    area = area_find(space, low);
    is_there = area != NULL && area->start == low && area->end == low + nr_bytes &&
               area->guard_bytes == guard_bytes;
    mutex_unlock(&space->lock);
    return is_there;
}

int space_unmap(struct space *space, vaddr_t va, size_t nr_bytes)
{
    int error;

    if (!IS_ALIGNED(va, PAGE_SIZE) || nr_bytes == 0 || va >= USER_END || nr_bytes > USER_END - va)
        return -EINVAL;
    mutex_lock(&space->lock);
    error = area_remove_range(space, va, va + ROUND_UP(nr_bytes, PAGE_SIZE));
    mutex_unlock(&space->lock);
    return error;
}

bool area_is_covered(const struct space *space, vaddr_t va, vaddr_t end)
{
    for (struct area *area = area_find(space, va); va < end; area = area_next(area)) {
        if (area == NULL || area->start > va)
            return false;
        va = area->end;
    }
    return true;
}

/* Gives the mapped pages of [va, end) their area's permissions. Locked. */
static void protect_pages(struct space *space, vaddr_t va, vaddr_t end, unsigned prot)
{
    struct mmu_page page;
    vaddr_t first = mmu_next_mapped(space->mmu.root, va, end, &page);

    for (vaddr_t at = first; at < end;
         at = mmu_next_mapped(space->mmu.root, at + PAGE_SIZE, end, &page)) {
        mmu_change(space->mmu.root, at, page.frame, area_frame_prot(prot, page.frame));
    }
    if (first < end)
        tlb_flush_user(&space->mmu, first, end, false);
}

void area_merge_range(struct space *space, vaddr_t va, vaddr_t end)
{
    struct area *area = area_find(space, va - 1);

    while (area != NULL && area->start < end) {
        vaddr_t old_end = area->end;

        area_merge_right(space, area);
        if (area->end == old_end)
            area = area_next(area);
    }
}

static int protect_range(struct space *space, vaddr_t va, vaddr_t end, unsigned prot)
{
    struct area *area;
    int error;

    if (!area_is_covered(space, va, end))
        return -ENOMEM;
    for (area = area_find(space, va); area != NULL && area->start < end; area = area_next(area)) {
        if (prot & AREA_WRITE && area->prot & AREA_NEVER_WRITE)
            return -EACCES;
    }
    error = area_split(space, va);
    if (error == 0)
        error = area_split(space, end);
    if (error != 0)
        return error;
    for (area = area_find(space, va); area != NULL && area->start < end; area = area_next(area)) {
        area->prot = prot | (area->prot & ~(unsigned)AREA_ACCESS);
        debug_assert(area->was_touched || mmu_next_mapped(space->mmu.root, area->start, area->end,
                                                          &(struct mmu_page){0}) == area->end);
        if (area->was_touched)
            protect_pages(space, area->start, area->end, area->prot);
    }
    area_merge_range(space, va, end);
    return 0;
}

int space_protect(struct space *space, vaddr_t va, size_t nr_bytes, unsigned prot)
{
    int error;

    if (!IS_ALIGNED(va, PAGE_SIZE))
        return -EINVAL;
    if (nr_bytes == 0)
        return 0;
    if (va >= USER_END || nr_bytes > USER_END - va)
        return -ENOMEM;
    mutex_lock(&space->lock);
    error = protect_range(space, va, va + ROUND_UP(nr_bytes, PAGE_SIZE), prot);
    mutex_unlock(&space->lock);
    return error;
}

/* Makes the heap's area end at `end` instead of `old_end`, both whole pages. Locked. */
static int resize_heap(struct space *space, vaddr_t old_end, vaddr_t end)
{
    struct area *next, *area;

    if (end < old_end)
        return area_remove_range(space, end, old_end);
    if (end == old_end)
        return 0;
    next = area_find(space, old_end);
    /* A page stays free between the heap and what follows. */
    if (next != NULL && next->start < end + PAGE_SIZE)
        return -ENOMEM;
    area = area_add(space, old_end, end, AREA_READ | AREA_WRITE | space->future_locks, 0);
    if (area == NULL)
        return -ENOMEM;
    area_merge(space, area);
    return 0;
}

vaddr_t space_brk(struct space *space, vaddr_t new_end)
{
    vaddr_t result;

    mutex_lock(&space->lock);
    if (new_end >= space->brk_start && new_end < USER_END &&
        resize_heap(space, ROUND_UP(space->brk_end, PAGE_SIZE), ROUND_UP(new_end, PAGE_SIZE)) == 0)
        space->brk_end = new_end;
    result = space->brk_end;
    mutex_unlock(&space->lock);
    return result;
}

/* ---- Faults --------------------------------------------------------------------------------- */

/* The page is mapped and shared, or was: gives the space a writable page of its own. */
static int unshare_page(struct space *space, const struct area *area, vaddr_t va, paddr_t frame)
{
    paddr_t copy = frame;

    if (frame_refs(frame) > 1) {
        copy = area_user_frame(0);
        if (copy == PADDR_NONE)
            return -ENOMEM;
        memcpy(phys_to_virt(copy), phys_to_virt(frame), PAGE_SIZE);
    }
    mmu_change(space->mmu.root, va, copy, page_prot(area->prot));
    /*
     * Where only the right to write is new, a CPU that does not know of it yet has one fault more,
     * which drops what it knew (Intel SDM vol. 3A, 4.10.4.1 and 4.10.4.3).
     */
    if (copy != frame) {
        tlb_flush_user(&space->mmu, va, va + PAGE_SIZE, false);
        frame_unref(frame);
    }
    return 0;
}

/*
 * The area that `va` is in, after it has grown down to there if it does; most often the one of the
 * last fault. NULL: none.
 */
static struct area *area_find_faulting(struct space *space, vaddr_t va)
{
    struct area *area = space->faulting;

    if (likely(area != NULL && area->start <= va && va < area->end))
        return area;
    area = area_find(space, va);
    if (area == NULL ||
        (area->start > va && (!(area->prot & AREA_GROWS) || area_grow_down(space, area, va) != 0)))
        return NULL;
    space->faulting = area;
    return area;
}

static bool is_allowed(const struct area *area, unsigned access)
{
    if (access & TRAP_ACCESS_WRITE)
        return area->prot & AREA_WRITE;
    if (access & TRAP_ACCESS_EXEC)
        return area->prot & AREA_EXEC;
    return area->prot & AREA_ACCESS;
}

/* Makes the page of `addr` accessible. Locked. */
static ALWAYS_INLINE int make_accessible(struct space *space, struct area *area, vaddr_t va,
                                         bool is_write)
{
    mmu_place *place = mmu_find_place(space->mmu.root, va);
    struct mmu_page page;

    if (place == NULL)
        return -ENOMEM;
    page = mmu_look(place);
    if (likely(page.frame == PADDR_NONE))
        return likely(area->source == NULL) ? fill_place(place, space, area)
                                            : source_map_page(space, area, va, is_write);
    if (is_write && !(page.prot & MMU_WRITE))
        return unshare_page(space, area, va, page.frame);
    /* Another LWP was faster, or this CPU's TLB is behind. */
    mmu_flush_local(va, va + PAGE_SIZE);
    return 0;
}

int space_fault(struct space *space, vaddr_t addr, unsigned access)
{
    vaddr_t va = ROUND_DOWN(addr, PAGE_SIZE);
    struct area *area;
    int error = -EFAULT;

    mutex_lock(&space->lock);
    area = area_find_faulting(space, va);
    if (area != NULL && area->start + area->guard_bytes <= va)
        error = is_allowed(area, access)
                    ? make_accessible(space, area, va, access & TRAP_ACCESS_WRITE)
                    : -EACCES;
    mutex_unlock(&space->lock);
    return error;
}

paddr_t space_shared_frame(struct space *space, vaddr_t va)
{
    paddr_t frame = PADDR_NONE;
    struct area *area;

    mutex_lock(&space->lock);
    area = area_find(space, va);
    if (area != NULL && area->start <= va && area->prot & AREA_SHARED) {
        va = ROUND_DOWN(va, PAGE_SIZE);
        frame = mmu_walk(space->mmu.root, va).frame;
        if (frame == PADDR_NONE && make_accessible(space, area, va, false) == 0)
            frame = mmu_walk(space->mmu.root, va).frame;
        if (frame != PADDR_NONE)
            frame_ref(frame);
    }
    mutex_unlock(&space->lock);
    return frame;
}

/* The frame behind `va`, the space's own, whatever the area allows. Locked. */
static int writable_frame(struct space *space, vaddr_t va, paddr_t *frame)
{
    struct area *area = area_find(space, va);
    int error;

    if (area == NULL || area->start + area->guard_bytes > va)
        return -EFAULT;
    *frame = mmu_walk(space->mmu.root, va).frame;
    if (*frame != PADDR_NONE && frame_refs(*frame) == 1)
        return 0;
    if (*frame != PADDR_NONE)
        error = unshare_page(space, area, va, *frame);
    else if (area->source != NULL)
        error = source_map_page(space, area, va, true);
    else
        error = area_map_new_page(space, area, va);
    *frame = mmu_walk(space->mmu.root, va).frame;
    return error;
}

int space_write(struct space *space, vaddr_t va, const void *from, size_t nr_bytes)
{
    const unsigned char *bytes = from;
    int error = 0;

    if (!area_is_user_range(va, nr_bytes))
        return -EFAULT;
    mutex_lock(&space->lock);
    while (nr_bytes > 0 && error == 0) {
        size_t offset = va & (PAGE_SIZE - 1), nr = MIN(nr_bytes, PAGE_SIZE - offset);
        paddr_t frame;

        error = writable_frame(space, va - offset, &frame);
        if (error == 0)
            memcpy((char *)phys_to_virt(frame) + offset, bytes, nr);
        va += nr;
        bytes += nr;
        nr_bytes -= nr;
    }
    mutex_unlock(&space->lock);
    return error;
}
