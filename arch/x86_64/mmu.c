/*
 * 4-level page tables (Intel SDM vol. 3A, 4.5).
 *
 * Level 4 is the root, level 1 holds the pages. An entry of level 4, 3 or 2 names a table of the
 * next level, or, at level 2, a 2 MiB page of the direct map. Permissions are decided in the last
 * entry; the ones above allow everything.
 *
 * The kernel half (root entries 256...511) is the same in every address space: all its level-3
 * tables exist before the first address space is made, and the root entries are copied. So a change
 * in the kernel half is seen everywhere at once. The user half belongs to one address space and is
 * changed under that space's lock.
 *
 * A page without any access is an entry that is not present, with a bit of our own (the hardware
 * ignores the others then) and the frame, which is to come back when access is given again.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/mmu.h>
#include <kernel/bootinfo.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/kmap.h>
#include <x86/cpu.h>
#include <x86/regs.h>

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_PWT      (1ull << 3)
#define PTE_PCD      (1ull << 4)
#define PTE_ACCESSED (1ull << 5)
#define PTE_LARGE    (1ull << 7) /* level 2 */
#define PTE_PAT      (1ull << 7) /* level 1 */
#define PTE_GLOBAL   (1ull << 8)
#define PTE_HIDDEN   (1ull << 9) /* not present, but the frame is kept */
#define PTE_NX       (1ull << 63)

/*
 * In the entry of a user table, ignored by the hardware: bit n says that the n-th eighth of the
 * table may have used entries. Set when one is made, and never cleared. So walks pass what is empty
 * without looking at it.
 */
#define PTE_EIGHTH_0 (1ull << 52)
#define PTE_EIGHTHS  (0xffull << 52)

#define PTE_FRAME 0x000ffffffffff000ull

#define ENTRIES         512
#define LARGE_PAGE_SIZE MIB(2)
#define LEAF_SPAN       MIB(2) /* what a level-1 table maps */
#define KERNEL_VMA      0xffffffff80000000ull
#define DIRECT_MAP_BITS 46

#define VGA_MEMORY_START 0xa0000
#define VGA_MEMORY_END   0xc0000

/* Up to this many pages are flushed one by one, beyond it the whole TLB is cheaper. */
#define FLUSH_PAGES_MAX 32

typedef uint64_t pte_t;

static alignas(4096) pte_t kernel_root[ENTRIES];

struct mmu_context mmu_kernel_context;

static PERCPU(struct mmu_context *, loaded_context);
static PERCPU(unsigned, is_lazy);
static PERCPU(uint64_t, loaded_generation); /* of the context, before its root was loaded */

extern char __boot_start[], __boot_end[], __text_start[], __text_end[], __rodata_start[],
    __rodata_end[], __data_start[], __data_end[];

paddr_t mmu_paddr_limit(void)
{
    return 1ull << MIN(x86_features.paddr_bits, (uint8_t)DIRECT_MAP_BITS);
}

static unsigned table_index(vaddr_t va, unsigned level)
{
    return va >> (PAGE_SHIFT + 9 * (level - 1)) & (ENTRIES - 1);
}

static pte_t *table_of(pte_t entry)
{
    return phys_to_virt(entry & PTE_FRAME);
}

static pte_t eighth_of(unsigned index)
{
    return PTE_EIGHTH_0 << (index / (ENTRIES / 8));
}

/* Makes the table of an entry that has none. Whether it has one now. */
static bool make_table(pte_t *entry, bool is_user)
{
    paddr_t frame;

    if (*entry & PTE_PRESENT)
        return true;
    frame = mmu_table_alloc(is_user);
    if (frame == PADDR_NONE)
        return false;
    *entry = frame | PTE_PRESENT | PTE_WRITE | (is_user ? PTE_USER : 0);
    return true;
}

/*
 * The entry of `va` at `level` (in the boot loader's tables as long as there are no others), or
 * NULL when a table above it is missing, or a large page lies there.
 */
static pte_t *find_entry(paddr_t root, vaddr_t va, unsigned level)
{
    pte_t *table = phys_to_virt(root != 0 ? root : x86_read_cr3() & PTE_FRAME);

    for (unsigned l = 4; l > level; l--) {
        pte_t entry = table[table_index(va, l)];

        if ((entry & (PTE_PRESENT | PTE_LARGE)) != PTE_PRESENT)
            return NULL;
        table = table_of(entry);
    }
    return &table[table_index(va, level)];
}

/* The same, making the tables that are missing. NULL: memory is out, or a large page lies there. */
static __attribute__((noinline)) pte_t *create_entry(paddr_t root, vaddr_t va, unsigned level)
{
    pte_t *table = phys_to_virt(root != 0 ? root : x86_read_cr3() & PTE_FRAME);

    for (unsigned l = 4; l > level; l--) {
        pte_t *entry = &table[table_index(va, l)];

        if (!make_table(entry, va < USER_END) || *entry & PTE_LARGE)
            return NULL;
        if (va < USER_END)
            *entry |= eighth_of(table_index(va, l - 1));
        table = table_of(*entry);
    }
    return &table[table_index(va, level)];
}

/* The same for a page of a user half, which has no large pages; its tables are most often there. */
static pte_t *create_user_entry(paddr_t root, vaddr_t va)
{
    pte_t *table = phys_to_virt(root);

    for (unsigned l = 4; l > 1; l--) {
        pte_t *entry = &table[table_index(va, l)];

        if (unlikely(!(*entry & PTE_PRESENT)))
            return create_entry(root, va, 1);
        *entry |= eighth_of(table_index(va, l - 1));
        table = table_of(*entry);
    }
    return &table[table_index(va, 1)];
}

static bool is_mapped(pte_t entry)
{
    return entry & (PTE_PRESENT | PTE_HIDDEN);
}

static pte_t make_entry(paddr_t frame, unsigned prot)
{
    pte_t entry = frame | PTE_PRESENT | PTE_ACCESSED;

    if (prot & MMU_NO_ACCESS)
        return frame | PTE_HIDDEN;

    entry |= prot & MMU_WRITE ? PTE_WRITE : 0;
    entry |= prot & MMU_EXEC ? 0 : PTE_NX;
    entry |= prot & MMU_USER ? PTE_USER : PTE_GLOBAL;
    entry |= prot & MMU_UNCACHED ? PTE_PCD | PTE_PWT : 0;
    entry |= prot & MMU_WRITE_COMBINING ? PTE_PAT : 0;
    return entry;
}

static struct mmu_page read_entry(pte_t entry)
{
    struct mmu_page page = {.frame = PADDR_NONE};

    if (!is_mapped(entry))
        return page;
    page.frame = entry & PTE_FRAME;
    if (entry & PTE_HIDDEN) {
        page.prot = MMU_NO_ACCESS;
        return page;
    }
    page.prot = (entry & PTE_WRITE ? MMU_WRITE : 0) | (entry & PTE_NX ? 0 : MMU_EXEC) |
                (entry & PTE_USER ? MMU_USER : 0);
    return page;
}

int mmu_map(paddr_t root, vaddr_t va, paddr_t frame, unsigned prot)
{
    pte_t *entry = create_entry(root, va, 1);

    if (entry == NULL)
        return -ENOMEM;
    debug_assert(!is_mapped(*entry));
    *entry = make_entry(frame, prot);
    return 0;
}

/* A place is an entry of a lowest table. */
mmu_place *mmu_find_place(paddr_t root, vaddr_t va)
{
    return (mmu_place *)create_user_entry(root, va);
}

struct mmu_page mmu_look(const mmu_place *place)
{
    return read_entry(*(const pte_t *)place);
}

void mmu_fill(mmu_place *place, paddr_t frame, unsigned prot)
{
    pte_t *entry = (pte_t *)place;

    debug_assert(!is_mapped(*entry));
    *entry = make_entry(frame, prot);
}

struct mmu_page mmu_walk(paddr_t root, vaddr_t va)
{
    pte_t *entry = find_entry(root, va, 1);

    if (entry == NULL) {
        entry = find_entry(root, va, 2);
        return read_entry(entry != NULL && *entry & PTE_LARGE ? *entry : 0);
    }
    return read_entry(*entry);
}

void mmu_change(paddr_t root, vaddr_t va, paddr_t frame, unsigned prot)
{
    pte_t *entry = find_entry(root, va, 1);

    assert(entry != NULL && is_mapped(*entry));
    *entry = make_entry(frame, prot);
}

struct mmu_page mmu_unmap(paddr_t root, vaddr_t va)
{
    pte_t *entry = find_entry(root, va, 1);
    struct mmu_page page = read_entry(entry != NULL ? *entry : 0);

    if (entry != NULL)
        *entry = 0;
    return page;
}

/*
 * The index of the first used entry in [i, end) of a table, or `end`. `eighths`: the entry that
 * names the table.
 */
static unsigned next_used(pte_t eighths, const pte_t *table, unsigned i, unsigned end)
{
    if (i < end && table[i] != 0)
        return i;
    while (i < end) {
        unsigned stop = MIN(end, (unsigned)ROUND_DOWN(i, ENTRIES / 8) + ENTRIES / 8);

        if (eighths & eighth_of(stop - 1)) {
            while (i + 4 <= stop && (table[i] | table[i + 1] | table[i + 2] | table[i + 3]) == 0)
                i += 4;
            for (; i < stop; i++) {
                if (table[i] != 0)
                    return i;
            }
        }
        i = stop;
    }
    return end;
}

/* The index behind the last entry of a table of this level that maps a part of [va, end). */
static unsigned index_end(vaddr_t va, vaddr_t end, unsigned level)
{
    unsigned shift = PAGE_SHIFT + 9 * (level - 1);

    return (unsigned)MIN((uint64_t)ENTRIES,
                         table_index(va, level) + ((end - 1) >> shift) - (va >> shift) + 1);
}

/* The part of a level-1 table that maps the beginning of a range. */
struct leaf {
    pte_t *table;
    pte_t eighths;
    vaddr_t base; /* what the table's first entry maps */
    unsigned first, behind;
};

/* The first level-1 table that maps a part of [va, end) where something may be mapped. */
static bool find_leaf(paddr_t root, vaddr_t va, vaddr_t end, struct leaf *leaf)
{
    pte_t *table = phys_to_virt(root), eighths = PTE_EIGHTHS;
    unsigned level = 4;

    while (va < end) {
        uint64_t span = PAGE_SIZE << (9 * (level - 1));
        unsigned first = table_index(va, level), behind = index_end(va, end, level), i;

        if (level == 1) {
            *leaf = (struct leaf){table, eighths, va - first * PAGE_SIZE, first, behind};
            return true;
        }
        i = next_used(eighths, table, first, behind);
        if (i > first)
            va = ROUND_DOWN(va, span) + (i - first) * span;
        eighths = i < behind ? table[i] : PTE_EIGHTHS;
        table = i < behind ? table_of(table[i]) : phys_to_virt(root);
        level = i < behind ? level - 1 : 4;
    }
    return false;
}

static unsigned leaf_next(const struct leaf *leaf, unsigned i)
{
    return next_used(leaf->eighths, leaf->table, i, leaf->behind);
}

static vaddr_t leaf_va(const struct leaf *leaf, unsigned i)
{
    return leaf->base + i * PAGE_SIZE;
}

vaddr_t mmu_next_mapped(paddr_t root, vaddr_t va, vaddr_t end, struct mmu_page *page)
{
    struct leaf leaf;

    for (; find_leaf(root, va, end, &leaf); va = leaf_va(&leaf, leaf.behind)) {
        unsigned i = leaf_next(&leaf, leaf.first);

        if (i < leaf.behind) {
            *page = read_entry(leaf.table[i]);
            return leaf_va(&leaf, i);
        }
    }
    return end;
}

vaddr_t mmu_unmap_batch(paddr_t root, vaddr_t va, vaddr_t end, struct mmu_batch *batch)
{
    struct leaf leaf;

    for (; find_leaf(root, va, end, &leaf); va = leaf_va(&leaf, leaf.behind)) {
        for (unsigned i = leaf_next(&leaf, leaf.first); i < leaf.behind;
             i = leaf_next(&leaf, i + 1)) {
            vaddr_t page = leaf_va(&leaf, i);

            if (batch->nr_frames == MMU_BATCH)
                return page;
            batch->low = MIN(batch->low, page);
            batch->high = MAX(batch->high, page + PAGE_SIZE);
            batch->frames[batch->nr_frames++] = leaf.table[i] & PTE_FRAME;
            leaf.table[i] = 0;
        }
    }
    return end;
}

/* The level-1 table of `to` that maps what `leaf` does; NULL: memory is out. */
static pte_t *twin_of(const struct leaf *leaf, paddr_t to)
{
    pte_t *entry = create_entry(to, leaf->base, 2);

    if (entry == NULL || !make_table(entry, true))
        return NULL;
    *entry |= leaf->eighths & PTE_EIGHTHS;
    return table_of(*entry);
}

int64_t mmu_share(paddr_t from, paddr_t to, vaddr_t va, vaddr_t end, bool stays_writable,
                  void (*ref)(paddr_t frame))
{
    pte_t kept = stays_writable ? ~0ull : ~PTE_WRITE;
    int64_t nr_shared = 0;
    struct leaf leaf;

    for (; find_leaf(from, va, end, &leaf); va = leaf_va(&leaf, leaf.behind)) {
        unsigned i = leaf_next(&leaf, leaf.first);
        pte_t *twin = i < leaf.behind ? twin_of(&leaf, to) : NULL;

        if (i < leaf.behind && twin == NULL)
            return -ENOMEM;
        for (; i < leaf.behind; i = leaf_next(&leaf, i + 1)) {
            pte_t entry = leaf.table[i] & kept;

            ref(entry & PTE_FRAME);
            if (leaf.table[i] & ~kept)
                leaf.table[i] = entry;
            twin[i] = entry;
            nr_shared++;
        }
    }
    return nr_shared;
}

/*
 * Of the tables below `table`, which `eighths` names, is of level `level` and maps from `base`,
 * takes out those that map a part of [va, end) and lie wholly in [low, high). They are put in front
 * of `chain`, linked through their first words: as table entries those are "not present", so a CPU
 * that still walks through one finds nothing.
 */
static paddr_t prune(pte_t eighths, pte_t *table, unsigned level, vaddr_t base,
                     const struct mmu_pruning *p, paddr_t chain)
{
    uint64_t span = PAGE_SIZE << (9 * (level - 1));
    vaddr_t va = MAX(p->va, base), end = MIN(p->end, base + span * ENTRIES);
    unsigned behind = index_end(va, end, level);

    for (unsigned i = next_used(eighths, table, table_index(va, level), behind); i < behind;
         i = next_used(eighths, table, i + 1, behind)) {
        vaddr_t start = base + i * span;

        if (level > 2)
            chain = prune(table[i], table_of(table[i]), level - 1, start, p, chain);
        if (start >= p->low && start + span <= p->high) {
            paddr_t frame = table[i] & PTE_FRAME;

            table[i] = 0;
            *(paddr_t *)phys_to_virt(frame) = chain;
            chain = frame;
        }
    }
    return chain;
}

paddr_t mmu_prune(paddr_t root, const struct mmu_pruning *p, paddr_t chain)
{
    /* The first level-1 table that may go: where there is none, no larger one can either. */
    vaddr_t start = MAX(ROUND_DOWN(p->va, LEAF_SPAN), ROUND_UP(p->low, LEAF_SPAN));

    if (start >= p->end || start + LEAF_SPAN > p->high)
        return chain;
    return prune(PTE_EIGHTHS, phys_to_virt(root), 4, 0, p, chain);
}

void mmu_free_tables(paddr_t chain)
{
    while (chain != 0) {
        paddr_t next = *(paddr_t *)phys_to_virt(chain);

        mmu_table_free(chain);
        chain = next;
    }
}

paddr_t mmu_root_create(void)
{
    paddr_t root = mmu_table_alloc(true);

    if (root != PADDR_NONE)
        memcpy((pte_t *)phys_to_virt(root) + ENTRIES / 2, kernel_root + ENTRIES / 2,
               sizeof(kernel_root) / 2);
    return root;
}

void mmu_root_destroy(paddr_t root)
{
    const struct mmu_pruning all = {0, USER_END, 0, USER_END + PAGE_SIZE};

    mmu_free_tables(mmu_prune(root, &all, 0));
    mmu_table_free(root);
}

struct mmu_context *mmu_loaded(void)
{
    return this_cpu_read(loaded_context);
}

void mmu_switch(struct mmu_context *to)
{
    struct mmu_context *from = this_cpu_read(loaded_context);
    uint64_t self;

    if (unlikely(this_cpu_read(is_lazy))) {
        /* Whoever changes mappings adds to the generation first and then looks who is lazy. */
        __atomic_store_n(this_cpu_ptr(is_lazy), 0, __ATOMIC_SEQ_CST);
        if (from == to && atomic_load(&to->generation) != this_cpu_read(loaded_generation)) {
            this_cpu_write(loaded_generation, atomic_load(&to->generation));
            x86_write_cr3(to->root);
        }
    }
    if (from == to)
        return;
    /* In the set before the first entry can get into the TLB, and out of the other after the last.
     */
    self = 1ull << cpu_id();
    atomic_fetch_or(&to->cpus, self);
    this_cpu_write(loaded_context, to);
    this_cpu_write(loaded_generation, atomic_load(&to->generation));
    x86_write_cr3(to->root);
    if (from != NULL)
        atomic_fetch_and(&from->cpus, ~self);
}

void mmu_be_lazy(void)
{
    __atomic_store_n(this_cpu_ptr(is_lazy), 1, __ATOMIC_SEQ_CST);
}

bool mmu_is_lazy(unsigned cpu)
{
    return __atomic_load_n(cpu_ptr(is_lazy, cpu), __ATOMIC_SEQ_CST);
}

void mmu_flush_local(vaddr_t va, vaddr_t end)
{
    if (end - va > FLUSH_PAGES_MAX * PAGE_SIZE) {
        if (va >= DIRECT_MAP_BASE)
            mmu_flush_local_all();
        else
            x86_write_cr3(x86_read_cr3());
        return;
    }
    for (; va < end; va += PAGE_SIZE)
        __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* Global pages go too when CR4.PGE changes (Intel SDM vol. 3A, 4.10.4.1). */
void mmu_flush_local_all(void)
{
    uint64_t cr4 = x86_read_cr4();

    x86_write_cr4(cr4 & ~CR4_PGE);
    x86_write_cr4(cr4);
}

static void map_while_booting(vaddr_t va, paddr_t frame, unsigned prot)
{
    pte_t *entry = create_entry((paddr_t)kernel_root - KERNEL_VMA, va, 1);

    assert(entry != NULL);
    *entry = make_entry(frame, prot);
}

static void map_image_part(const char *start, const char *end, unsigned prot)
{
    for (vaddr_t va = (vaddr_t)start; va < (vaddr_t)end; va += PAGE_SIZE)
        map_while_booting(va, va - KERNEL_VMA, prot);
}

/* The direct map's view of a frame that also holds kernel code or constants is read-only. */
static unsigned direct_map_prot(paddr_t frame)
{
    paddr_t image = (paddr_t)__boot_start, data = (paddr_t)__data_start - KERNEL_VMA;

    return frame >= image && frame < data ? 0 : MMU_WRITE;
}

static void map_direct_range(paddr_t start, paddr_t end)
{
    paddr_t image = (paddr_t)__boot_start, data = (paddr_t)__data_start - KERNEL_VMA;
    paddr_t p = start;

    while (p < end) {
        bool has_image = p < data && p + LARGE_PAGE_SIZE > image;

        if (IS_ALIGNED(p, LARGE_PAGE_SIZE) && end - p >= LARGE_PAGE_SIZE && !has_image) {
            pte_t *entry = create_entry((paddr_t)kernel_root - KERNEL_VMA, DIRECT_MAP_BASE + p, 2);

            assert(entry != NULL);
            *entry = make_entry(p, MMU_WRITE) | PTE_LARGE;
            p += LARGE_PAGE_SIZE;
        } else {
            map_while_booting(DIRECT_MAP_BASE + p, p, direct_map_prot(p));
            p += PAGE_SIZE;
        }
    }
}

/* Every root entry of the kernel half that can come into use gets its level-3 table now. */
static void make_kernel_tables(void)
{
    static const vaddr_t regions[] = {KMAP_BASE, KSTACK_BASE};

    for (unsigned i = 0; i < ARRAY_LEN(regions); i++) {
        pte_t *entry = create_entry((paddr_t)kernel_root - KERNEL_VMA, regions[i], 3);

        assert(entry != NULL);
    }
}

static void map_early_framebuffer(void)
{
    const struct boot_framebuffer *fb = &boot_info.framebuffer;
    paddr_t end = fb->base + (uint64_t)fb->pitch_bytes * fb->height;

    if (fb->kind != BOOT_FB_RGB || end > MMU_BOOT_REACH)
        return;
    for (paddr_t p = ROUND_DOWN(fb->base, PAGE_SIZE); p < end; p += PAGE_SIZE)
        map_while_booting(DIRECT_MAP_BASE + p, p, MMU_WRITE | MMU_WRITE_COMBINING);
}

void mmu_init(const struct boot_range *ram, size_t nr_ram)
{
    map_image_part(__text_start, __text_end, MMU_EXEC);
    map_image_part(__rodata_start, __rodata_end, 0);
    map_image_part(__data_start, __data_end, MMU_WRITE);
    for (size_t i = 0; i < nr_ram; i++)
        map_direct_range(ram[i].start, ram[i].end);
    /* The early console goes on writing to the text screen where it found it. */
    for (paddr_t p = VGA_MEMORY_START; p < VGA_MEMORY_END; p += PAGE_SIZE)
        map_while_booting(DIRECT_MAP_BASE + p, p, MMU_WRITE | MMU_UNCACHED);
    map_early_framebuffer();
    make_kernel_tables();

    mmu_kernel_context.root = (paddr_t)kernel_root - KERNEL_VMA;
    mmu_switch(&mmu_kernel_context);
    mmu_flush_local_all();
}
