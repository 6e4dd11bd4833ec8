/*
 * A radix tree of frames: where the pages of a file are.
 *
 * Inner nodes are tables of 512 slots, a frame each. A slot is 0, or the address of a frame with
 * bit 0 set: a table or, on the lowest level, a page. A tree of height 0 is one page, number 0; the
 * tree grows a table on top when a larger number is used, so that a small file has no more than it
 * needs, and holes cost nothing. All frames are charged to the user pool.
 */

#include <stdatomic.h>

#include <arch/mmu.h>
#include <kernel/string.h>
#include <mm/frame.h>

#include "page_tree.h"

#define SLOT_BITS  9
#define NR_SLOTS   (1u << SLOT_BITS)
#define IS_PRESENT 1ull

static atomic_size_t nr_frames;

size_t page_tree_nr_frames(void)
{
    return atomic_load(&nr_frames);
}

static uint64_t *table_of(uint64_t slot)
{
    return phys_to_virt(slot & ~IS_PRESENT);
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

/* Pages may be in use: somebody who reads or writes one has a reference of its own. */
static void free_slot(uint64_t slot)
{
    frame_unref(slot & ~IS_PRESENT);
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
    uint64_t slot = tree->root;

    if (index >= pages_below(tree->height))
        return PADDR_NONE;
    for (unsigned level = tree->height; level > 0 && slot != 0; level--)
        slot = table_of(slot)[index / pages_below(level - 1) % NR_SLOTS];
    return slot != 0 ? slot & ~IS_PRESENT : PADDR_NONE;
}

/* Puts tables on top until page `index` has a place. */
static bool grow(struct page_tree *tree, uint64_t index)
{
    while (index >= pages_below(tree->height)) {
        if (tree->root != 0) {
            uint64_t top = new_slot();

            if (top == 0)
                return false;
            table_of(top)[0] = tree->root;
            tree->root = top;
        }
        tree->height++;
    }
    return true;
}

paddr_t page_tree_make(struct page_tree *tree, uint64_t index)
{
    uint64_t *slot = &tree->root;

    if (!grow(tree, index))
        return PADDR_NONE;
    for (unsigned level = tree->height;; level--) {
        if (*slot == 0) {
            *slot = new_slot();
            tree->nr_pages += *slot != 0 && level == 0;
        }
        if (*slot == 0)
            return PADDR_NONE;
        if (level == 0)
            return *slot & ~IS_PRESENT;
        slot = &table_of(*slot)[index / pages_below(level - 1) % NR_SLOTS];
    }
}

/*
 * Cuts pages first to end - 1 of what is below a slot `level` levels above the pages, where they
 * are counted from 0. Not deep. Returns how many pages there were.
 */
static uint64_t cut(uint64_t *slot, unsigned level, uint64_t first, uint64_t end)
{
    bool is_all = first == 0 && end >= pages_below(level);
    uint64_t nr_pages = level == 0;

    if (*slot == 0 || first >= end)
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
    if (first < pages_below(tree->height))
        tree->nr_pages -= cut(&tree->root, tree->height, first, end);
    if (tree->root == 0)
        tree->height = 0;
}

void page_tree_cut(struct page_tree *tree, uint64_t first)
{
    page_tree_cut_range(tree, first, UINT64_MAX);
}

/* The least page from `from` on below a slot, as cut() counts them; UINT64_MAX: none. */
static uint64_t next_below(uint64_t slot, unsigned level, uint64_t from)
{
    uint64_t each = level > 0 ? pages_below(level - 1) : 0;

    if (slot == 0 || level == 0)
        return slot != 0 ? from : UINT64_MAX;
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
    return index < pages_below(tree->height) ? next_below(tree->root, tree->height, index)
                                             : UINT64_MAX;
}
