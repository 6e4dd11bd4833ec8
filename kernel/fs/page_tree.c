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
        if (*slot == 0)
            *slot = new_slot();
        if (*slot == 0)
            return PADDR_NONE;
        if (level == 0)
            return *slot & ~IS_PRESENT;
        slot = &table_of(*slot)[index / pages_below(level - 1) % NR_SLOTS];
    }
}

/* Cuts what is below a slot `level` levels above the pages, which begins at page 0. Not deep. */
static void cut(uint64_t *slot, unsigned level, uint64_t first)
{
    if (*slot == 0)
        return;
    if (level > 0) {
        uint64_t *table = table_of(*slot), each = pages_below(level - 1);

        for (uint64_t i = first / each; i < NR_SLOTS; i++)
            cut(&table[i], level - 1, first > i * each ? first - i * each : 0);
        if (first > 0 && !is_empty(table))
            return;
    } else if (first > 0) {
        return;
    }
    free_slot(*slot);
    *slot = 0;
}

void page_tree_cut(struct page_tree *tree, uint64_t first)
{
    if (first < pages_below(tree->height))
        cut(&tree->root, tree->height, first);
    if (tree->root == 0)
        tree->height = 0;
}
