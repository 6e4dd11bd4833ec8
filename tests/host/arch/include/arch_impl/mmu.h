#ifndef ARCH_IMPL_MMU_H
#define ARCH_IMPL_MMU_H

/*
 * The fake machine's physical memory: HOST_MEMORY_BYTES of address space, of which the host only
 * spends what is touched.
 */

#define HOST_MEMORY_BYTES (1ull << 41)

extern uintptr_t fake_memory_base;

#define DIRECT_MAP_BASE fake_memory_base

static inline void mmu_clear_pages(void *at, size_t nr_pages)
{
    __builtin_memset(at, 0, nr_pages * 4096);
}

#endif
