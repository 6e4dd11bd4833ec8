#ifndef KERNEL_FS_PAGE_TREE_H
#define KERNEL_FS_PAGE_TREE_H

/*
 * The frames of a sparse file, by page number; kernel/fs/page_tree.c has the theory. The caller
 * locks, unless it is said that it need not.
 */

#include <stdatomic.h>

#include <kernel/types.h>

#define PAGE_TREE_HEIGHT_MAX 4

/* Page numbers are below this. */
#define PAGE_TREE_PAGES_MAX (1ull << 9 * PAGE_TREE_HEIGHT_MAX)

struct page_tree {
    uint64_t root; /* a slot, with the height: see page_tree.c */
    uint64_t nr_pages;
    atomic_uint nr_holders; /* and a bit that keeps others out */
};

/* The frame of page `index`, or PADDR_NONE. */
paddr_t page_tree_find(const struct page_tree *tree, uint64_t index);

/*
 * The same, without the lock: the frame is the page until page_tree_let_go(). Interrupts are off
 * until then, and nothing sleeps. PADDR_NONE also if pages are being cut just now; nothing is held
 * then.
 */
paddr_t page_tree_hold(struct page_tree *tree, uint64_t index);

static inline void page_tree_let_go(struct page_tree *tree)
{
    atomic_fetch_sub_explicit(&tree->nr_holders, 1, memory_order_release);
}

/* As page_tree_find(); a page that is not there is made, of zeroes. PADDR_NONE: out of memory. */
paddr_t page_tree_make(struct page_tree *tree, uint64_t index);

/*
 * Frees the pages from number `first` on, up to end - 1, and the tables that become empty. Waits
 * for holders.
 */
void page_tree_cut(struct page_tree *tree, uint64_t first);
void page_tree_cut_range(struct page_tree *tree, uint64_t first, uint64_t end);

/* The least number from `index` on of a page that is there; UINT64_MAX: there is none. */
uint64_t page_tree_next(const struct page_tree *tree, uint64_t index);

/* Frames that all trees together hold, tables included. */
size_t page_tree_nr_frames(void);

#endif
