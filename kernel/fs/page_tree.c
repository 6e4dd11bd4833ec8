/*
 * A radix tree of frames: where the pages of a file are.
 *
 * Inner nodes are tables of 512 slots, a frame each. A slot is 0, or the address of a frame with
 * bit 0 set: a table or, on the lowest level, a page. The root is a slot, too, and says besides how
 * high the tree is. A tree of height 0 is one page, number 0; the tree grows a table on top when a
 * larger number is used, so that a small file has no more than it needs, and holes cost nothing.
 * All frames are charged to the user pool.
 *
 * The caller's lock guards the tree, but a page can be used without it by who *holds* the tree: who
 * is counted while interrupts are off. Such a holder may see the tree grow. Each page, table or
 * table on top comes with one store, behind which lie zeroes or what was there before, so the
 * holder finds the old tree or the new one. It never sees anything go: a cut first closes the tree,
 * so that nobody comes to hold it, and waits for those who do. They are not interrupted and do not
 * sleep, so this is as short as waiting for a spinlock. Who finds the tree closed takes the lock,
 * which the one who cuts has.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/mmu.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/frame.h>

#include "page_tree.h"

#define SLOT_BITS  9
#define NR_SLOTS   (1u << SLOT_BITS)
#define IS_PRESENT 1ull

/* Where the root has its height. */
#define HEIGHT_SHIFT 1
#define HEIGHT_MASK  7ull

#define IS_CLOSED 0x80000000u /* tree->nr_holders: no more are let in */

static atomic_size_t nr_frames;

size_t page_tree_nr_frames(void)
{
    return atomic_load(&nr_frames);
}

static uint64_t load_slot(const uint64_t *slot)
{
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static void store_slot(uint64_t *slot, uint64_t value)
{
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
}

static paddr_t frame_of(uint64_t slot)
{
    return ROUND_DOWN(slot, PAGE_SIZE);
}

static uint64_t *table_of(uint64_t slot)
{
    return phys_to_virt(frame_of(slot));
}

/* How many levels of tables are above the pages. */
static unsigned height_of(uint64_t root)
{
    return root >> HEIGHT_SHIFT & HEIGHT_MASK;
}

/* How many pages one slot stands for that is `level` levels above the pages. */
static uint64_t pages_below(unsigned level)
{
    return 1ull << SLOT_BITS * level;
}

static uint64_t new_slot(void)
{
    paddr_t frame = frame_alloc(FRAME_USER | FRAME_ZERO);

    if (frame == PADDR_NONE)
        return 0;
    atomic_fetch_add(&nr_frames, 1);
    return frame | IS_PRESENT;
}

/* Pages may be in use: somebody who maps one, or copies it, has a reference of its own. */
static void free_slot(uint64_t slot)
{
    frame_unref(frame_of(slot));
    atomic_fetch_sub(&nr_frames, 1);
}

static bool is_empty(const uint64_t *table)
{
    for (unsigned i = 0; i < NR_SLOTS; i++) {
        if (table[i] != 0)
            return false;
    }
    return true;
}

paddr_t page_tree_find(const struct page_tree *tree, uint64_t index)
{
    uint64_t slot = load_slot(&tree->root);
    unsigned level = height_of(slot);

    if (index >= pages_below(level))
        return PADDR_NONE;
    for (; level > 0 && slot & IS_PRESENT; level--)
        slot = load_slot(&table_of(slot)[index / pages_below(level - 1) % NR_SLOTS]);
    return slot & IS_PRESENT ? frame_of(slot) : PADDR_NONE;
}

/* Puts tables on top until page `index` has a place. */
static bool grow(struct page_tree *tree, uint64_t index)
{
    while (index >= pages_below(height_of(tree->root))) {
        uint64_t root = tree->root, top = 0;

        if (root & IS_PRESENT) {
            top = new_slot();
            if (top == 0)
                return false;
            table_of(top)[0] = frame_of(root) | IS_PRESENT;
        }
        store_slot(&tree->root, top | (uint64_t)(height_of(root) + 1) << HEIGHT_SHIFT);
    }
    return true;
}

paddr_t page_tree_make(struct page_tree *tree, uint64_t index)
{
    uint64_t *slot = &tree->root;

    if (!grow(tree, index))
        return PADDR_NONE;
    for (unsigned level = height_of(tree->root);; level--) {
        if (!(*slot & IS_PRESENT)) {
            uint64_t new = new_slot();

            if (new == 0)
                return PADDR_NONE;
            store_slot(slot, *slot | new);
            tree->nr_pages += level == 0;
        }
        if (level == 0)
            return frame_of(*slot);
        slot = &table_of(*slot)[index / pages_below(level - 1) % NR_SLOTS];
    }
}

/* ---- Holding -------------------------------------------------------------------------------- */

paddr_t page_tree_hold(struct page_tree *tree, uint64_t index)
{
    paddr_t frame = PADDR_NONE;

    debug_assert(!irq_is_enabled());
    if (likely(!(atomic_fetch_add(&tree->nr_holders, 1) & IS_CLOSED)))
        frame = page_tree_find(tree, index);
    if (unlikely(frame == PADDR_NONE))
        page_tree_let_go(tree);
    return frame;
}

/* From here until open_again() nobody holds the tree. */
static void close(struct page_tree *tree)
{
    atomic_fetch_or(&tree->nr_holders, IS_CLOSED);
    while (atomic_load(&tree->nr_holders) != IS_CLOSED)
        cpu_relax();
}

static void open_again(struct page_tree *tree)
{
    atomic_fetch_and(&tree->nr_holders, ~IS_CLOSED);
}

/* ---- Cutting -------------------------------------------------------------------------------- */

/*
 * Cuts pages first to end - 1 of what is below a slot `level` levels above the pages, where they
 * are counted from 0. Not deep. Returns how many pages there were.
 */
static uint64_t cut(uint64_t *slot, unsigned level, uint64_t first, uint64_t end)
{
    bool is_all = first == 0 && end >= pages_below(level);
    uint64_t nr_pages = level == 0;

    if (!(*slot & IS_PRESENT) || first >= end)
        return 0;
    if (level > 0) {
        uint64_t *table = table_of(*slot), each = pages_below(level - 1);

        for (uint64_t i = first / each; i < NR_SLOTS && i * each < end; i++)
            nr_pages +=
                cut(&table[i], level - 1, first > i * each ? first - i * each : 0, end - i * each);
        if (!is_all && !is_empty(table))
            return nr_pages;
    }
    free_slot(*slot);
    *slot = 0;
    return nr_pages;
}

void page_tree_cut_range(struct page_tree *tree, uint64_t first, uint64_t end)
{
    unsigned height = height_of(tree->root);

    if (tree->root == 0 || first >= pages_below(height))
        return;
    close(tree);
    tree->nr_pages -= cut(&tree->root, height, first, end);
    if (!(tree->root & IS_PRESENT))
        tree->root = 0;
    open_again(tree);
}

void page_tree_cut(struct page_tree *tree, uint64_t first)
{
    page_tree_cut_range(tree, first, UINT64_MAX);
}

/* ---- Looking for pages ---------------------------------------------------------------------- */

/* The least page from `from` on below a slot, as cut() counts them; UINT64_MAX: none. */
static uint64_t next_below(uint64_t slot, unsigned level, uint64_t from)
{
    uint64_t each = level > 0 ? pages_below(level - 1) : 0;

    if (!(slot & IS_PRESENT) || level == 0)
        return slot & IS_PRESENT ? from : UINT64_MAX;
    for (uint64_t i = from / each; i < NR_SLOTS; i++) {
        uint64_t found =
            next_below(table_of(slot)[i], level - 1, from > i * each ? from - i * each : 0);

        if (found != UINT64_MAX)
            return i * each + found;
    }
    return UINT64_MAX;
}

uint64_t page_tree_next(const struct page_tree *tree, uint64_t index)
{
    unsigned height = height_of(tree->root);

    return index < pages_below(height) ? next_below(tree->root, height, index) : UINT64_MAX;
}
