/*
 * From the firmware's memory map to a running frame allocator.
 *
 * Page tables need frames before the frame allocator runs, and the allocator's own tables lie in
 * the direct map. So the first tables come from the largest free range that the boot page tables
 * reach (below 4 GiB), from its upper end down; what is left of it goes to the allocator like the
 * rest.
 */

#include <arch/mmu.h>
#include <arch/smp.h>
#include <kernel/bootinfo.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/frame.h>
#include <mm/init.h>
#include <mm/slab.h>

#define LOW_MEMORY_END 0xa0000 /* where the PC's video memory starts */

static struct boot_range ram[BOOT_RANGES_MAX], free_ram[BOOT_RANGES_MAX];
static size_t nr_free;
static struct boot_range *early; /* where early tables come from; NULL: the allocator runs */
static paddr_t low_page = PADDR_NONE;
static bool frames_are_up;

paddr_t smp_low_page(void)
{
    return low_page;
}

/* Takes the last page below 640 KiB away for the start of other CPUs (not page 0: the BIOS's). */
static void take_low_page(void)
{
    for (size_t i = nr_free; i-- > 0;) {
        struct boot_range *r = &free_ram[i];

        if (r->end <= LOW_MEMORY_END && r->start < r->end && r->end > 2 * PAGE_SIZE) {
            r->end -= PAGE_SIZE;
            low_page = r->end;
            return;
        }
    }
}

/* Makes the boot tables' reach a border between ranges. */
static void split_at_reach(void)
{
    for (size_t i = 0; i < nr_free && nr_free < BOOT_RANGES_MAX; i++) {
        struct boot_range *r = &free_ram[i];

        if (r->start >= MMU_BOOT_REACH || r->end <= MMU_BOOT_REACH)
            continue;
        memmove(r + 1, r, (nr_free - i) * sizeof(*r));
        nr_free++;
        r[0].end = MMU_BOOT_REACH;
        r[1].start = MMU_BOOT_REACH;
        return;
    }
}

static void choose_early_range(void)
{
    for (size_t i = 0; i < nr_free; i++) {
        struct boot_range *r = &free_ram[i];

        if (r->end > MMU_BOOT_REACH)
            continue;
        if (early == NULL || r->end - r->start > early->end - early->start)
            early = r;
    }
    if (early == NULL)
        panic("mm: no usable memory below 4 GiB");
}

static paddr_t early_frame(void)
{
    if (early->end - early->start < PAGE_SIZE)
        panic("mm: no memory for the first page tables");
    early->end -= PAGE_SIZE;
    memset(phys_to_virt(early->end), 0, PAGE_SIZE);
    return early->end;
}

paddr_t mmu_table_alloc(bool is_user)
{
    if (!frames_are_up)
        return early_frame();
    return frame_alloc(FRAME_ZERO | (is_user ? FRAME_USER : 0));
}

void mmu_table_free(paddr_t table)
{
    frame_free(table);
}

static void start_frames(void)
{
    static struct frame_range ranges[BOOT_RANGES_MAX];
    size_t nr = 0;

    for (size_t i = 0; i < nr_free; i++) {
        if (free_ram[i].start < free_ram[i].end)
            ranges[nr++] = (struct frame_range){free_ram[i].start, free_ram[i].end};
    }
    frame_init(ranges, nr);
    frames_are_up = true;
}

void mm_init(void)
{
    struct boot_info *bi = &boot_info;
    size_t nr_ram =
        physmap_build(bi->ram, bi->nr_ram, NULL, 0, mmu_paddr_limit(), ram, BOOT_RANGES_MAX);
    struct frame_stats stats;

    nr_free = physmap_build(bi->ram, bi->nr_ram, bi->reserved, bi->nr_reserved, mmu_paddr_limit(),
                            free_ram, BOOT_RANGES_MAX);
    for (size_t i = 0; i < nr_free; i++)
        log_debug("mm: free 0x%010lx ... 0x%010lx", free_ram[i].start, free_ram[i].end);
    take_low_page();
    split_at_reach();
    choose_early_range();
    mmu_init(ram, nr_ram);
    start_frames();
    slab_init();
    stats = frame_get_stats();
    log_info("mm: %lu MiB in %lu ranges, %lu KiB kept for the kernel", stats.nr_total >> 8, nr_free,
             stats.nr_kernel_reserve << 2);
}
