#ifndef KERNEL_FS_PAGE_TREE_H
#define KERNEL_FS_PAGE_TREE_H

/* The frames of a sparse file, by page number; kernel/fs/page_tree.c. The caller locks. */

#include <kernel/types.h>

#define PAGE_TREE_HEIGHT_MAX 4

/* Page numbers are below this. */
#define PAGE_TREE_PAGES_MAX (1ull << 9 * PAGE_TREE_HEIGHT_MAX)

struct page_tree {
    uint64_t root;   /* a slot: see page_tree.c */
    unsigned height; /* levels of tables above the pages */
    uint64_t nr_pages;
};

/* The frame of page `index`, or PADDR_NONE. */
paddr_t page_tree_find(const struct page_tree *tree, uint64_t index);

/* The same; a page that is not there is made, of zeroes. PADDR_NONE: out of memory. */
paddr_t page_tree_make(struct page_tree *tree, uint64_t index);

/* Frees the pages from number `first` on, up to end - 1, and the tables that become empty. */
void page_tree_cut(struct page_tree *tree, uint64_t first);
void page_tree_cut_range(struct page_tree *tree, uint64_t first, uint64_t end);

/* The least number from `index` on of a page that is there; UINT64_MAX: there is none. */
uint64_t page_tree_next(const struct page_tree *tree, uint64_t index);

/* Frames that all trees together hold, tables included. */
size_t page_tree_nr_frames(void);

#endif
