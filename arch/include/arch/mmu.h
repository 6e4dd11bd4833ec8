#ifndef ARCH_MMU_H
#define ARCH_MMU_H

/*
 * Page tables behind a contract: an address space is named by the physical address of its root
 * table. The kernel half is the same in all of them.
 *
 * Pages are 4 KiB. The caller serialises changes to one address space. None of these functions
 * flushes a TLB: see mmu_flush_*.
 */

#include <kernel/types.h>

/* User addresses are below this. The last page below the hole is never mapped (docs/traps.md). */
#define USER_END 0x00007ffffffff000ull

/*
 * DIRECT_MAP_BASE: all RAM is mapped from here on, physical address p at DIRECT_MAP_BASE + p.
 * void mmu_clear_pages(void *at, size_t nr_pages): zeroes pages of it.
 */
#include <arch_impl/mmu.h>

/* Where the CPU's physical addresses end, or the direct map's room for them. */
paddr_t mmu_paddr_limit(void);

/* What is below is mapped from the first instruction on: by the boot code, until mmu_init(). */
#define MMU_BOOT_REACH GIB(4)

static inline void *phys_to_virt(paddr_t p)
{
    return (void *)(p + DIRECT_MAP_BASE);
}

/* For addresses inside the direct map only. */
static inline paddr_t virt_to_phys(const void *v)
{
    return (paddr_t)v - DIRECT_MAP_BASE;
}

/* Page permissions: every page is readable. */
enum mmu_prot {
    MMU_WRITE = 1,
    MMU_EXEC = 2,
    MMU_USER = 4,
    MMU_UNCACHED = 8,         /* device registers */
    MMU_WRITE_COMBINING = 16, /* framebuffers */
    MMU_NO_ACCESS = 32,       /* alone: the frame is kept, but every access faults */
};

/* A page table entry, as mmu_walk() reports it. */
struct mmu_page {
    paddr_t frame; /* PADDR_NONE: nothing is mapped */
    unsigned prot;
};

/*
 * Replaces the boot loader's tables: the kernel image with the permissions of its parts, and the
 * direct map of `ram`, whose alias of the kernel's code and constants is read-only. Once, on the
 * boot CPU.
 */
struct boot_range;
void mmu_init(const struct boot_range *ram, size_t nr_ram);

/* A new address space with the kernel half in place: its root, or PADDR_NONE when out of memory. */
paddr_t mmu_root_create(void);

/* Gives the tables of the user half and the root back; no page may be mapped any more. */
void mmu_root_destroy(paddr_t root);

/* Maps one page that is not mapped. 0, or -ENOMEM when a table could not be had. */
int mmu_map(paddr_t root, vaddr_t va, paddr_t frame, unsigned prot) MUST_CHECK;

/* What is mapped at the page of `va`. */
struct mmu_page mmu_walk(paddr_t root, vaddr_t va);

/* Changes frame and permissions of a page that is mapped. */
void mmu_change(paddr_t root, vaddr_t va, paddr_t frame, unsigned prot);

/* Unmaps a page; returns what was there. */
struct mmu_page mmu_unmap(paddr_t root, vaddr_t va);

/*
 * The first mapped page in [va, end): its address, with `page` filled; `end` when there is none.
 * Skips what has no tables without looking at each page.
 */
vaddr_t mmu_next_mapped(paddr_t root, vaddr_t va, vaddr_t end, struct mmu_page *page);

/* Pages that have been unmapped and are still to be flushed, in [low, high), and given back. */
#define MMU_BATCH 64

struct mmu_batch {
    vaddr_t low, high;
    unsigned nr_frames;
    paddr_t frames[MMU_BATCH];
};

/*
 * The place of one page of a user half in its tables, for who looks first and maps then. It is good
 * as long as nobody unmaps anything there.
 */
typedef struct mmu_place mmu_place;

/* Makes the tables if need be. NULL: out of memory. */
mmu_place *mmu_find_place(paddr_t root, vaddr_t va);

/* What is mapped there, as mmu_walk(); and maps a frame where nothing is. */
struct mmu_page mmu_look(const mmu_place *place);
void mmu_fill(mmu_place *place, paddr_t frame, unsigned prot);

/*
 * Unmaps the user pages of [va, end), adding them to the batch, until it is full. Returns from
 * where to go on, or `end`. TLBs are the caller's business.
 */
vaddr_t mmu_unmap_batch(paddr_t root, vaddr_t va, vaddr_t end, struct mmu_batch *batch) MUST_CHECK;

/*
 * Maps the user pages of [va, end) of `from` in `to` as well, where nothing is mapped there yet;
 * unless they are to stay writable, neither may write to them from now on. `ref` is told of every
 * frame. How many there are, or -ENOMEM with a part of it done. TLBs are the caller's business.
 */
int64_t mmu_share(paddr_t from, paddr_t to, vaddr_t va, vaddr_t end, bool stays_writable,
                  void (*ref)(paddr_t frame)) MUST_CHECK;

/*
 * Takes out the user tables that map a part of [va, end) and lie wholly in [low, high), where
 * nothing is mapped any more. CPUs may still remember where they were: after the TLB flush,
 * mmu_free_tables() gives them back. Returns what to hand to it, with `chain` (0: none), what an
 * earlier call returned, as its rest.
 */
struct mmu_pruning {
    vaddr_t va, end;
    vaddr_t low, high; /* around them; a table ends at USER_END + PAGE_SIZE at the highest */
};

paddr_t mmu_prune(paddr_t root, const struct mmu_pruning *pruning, paddr_t chain) MUST_CHECK;
void mmu_free_tables(paddr_t chain);

/*
 * An address space as the CPUs see it: its root, and which CPUs have it loaded.
 *
 * A CPU that goes on with a kernel thread keeps the last address space loaded but is *lazy*: it
 * need not be told when mappings change, because it forgets all of them before it uses them again
 * if `generation` has moved on meanwhile.
 */
struct mmu_context {
    paddr_t root;
    _Atomic uint64_t cpus;       /* bit n: CPU n has it loaded, perhaps lazily */
    _Atomic uint64_t generation; /* counts changes that lazy CPUs were not told of */
};

/* The kernel's own: what a CPU runs on that has no user half. */
extern struct mmu_context mmu_kernel_context;

/* The calling CPU's address space from here on. Interrupts are off. */
void mmu_switch(struct mmu_context *to);

/* The calling CPU will not touch user memory until the next mmu_switch(). Interrupts are off. */
void mmu_be_lazy(void);

/* Whether CPU `cpu` is lazy. Any context. */
bool mmu_is_lazy(unsigned cpu);

/* The address space that the calling CPU has loaded. Interrupts are off. */
struct mmu_context *mmu_loaded(void);

/* Forgets what the calling CPU's TLB knows of [va, end), or of everything, kernel half included. */
void mmu_flush_local(vaddr_t va, vaddr_t end);
void mmu_flush_local_all(void);

/*
 * Supplied by mm/: a zeroed frame for a table, PADDR_NONE when out; and it comes back.
 * `is_user`: the table belongs to a user half.
 */
paddr_t mmu_table_alloc(bool is_user);
void mmu_table_free(paddr_t table);

#endif
