/* Mappings of the kernel's own: handed out upwards from KMAP_BASE and never taken back. */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/spinlock.h>
#include <mm/kmap.h>

static struct spinlock kmap_lock = SPINLOCK_INIT("kmap", LOCK_RANK_KMAP);
static vaddr_t next_va = KMAP_BASE; /* kmap_lock */

void *kmap_phys(paddr_t base, size_t nr_bytes, unsigned prot)
{
    paddr_t first = ROUND_DOWN(base, PAGE_SIZE);
    size_t nr_pages = (base - first + nr_bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
    irq_state_t irq;
    vaddr_t va;

    if (nr_bytes == 0 || base + nr_bytes < base || base + nr_bytes > mmu_paddr_limit())
        return NULL;
    irq = spin_lock_irq(&kmap_lock);
    va = next_va;
    next_va += (nr_pages + 1) * PAGE_SIZE; /* a page between two mappings stays free */
    for (size_t i = 0; i < nr_pages; i++) {
        if (mmu_map(mmu_kernel_context.root, va + i * PAGE_SIZE, first + i * PAGE_SIZE, prot) !=
            0) {
            spin_unlock_irq(&kmap_lock, irq);
            return NULL;
        }
    }
    spin_unlock_irq(&kmap_lock, irq);
    return (void *)(va + (base - first));
}
