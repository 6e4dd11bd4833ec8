#ifndef ARCH_IMPL_MMU_H
#define ARCH_IMPL_MMU_H

/* The first address of the upper canonical half. */
#define DIRECT_MAP_BASE 0xffff800000000000ull

static inline void mmu_clear_pages(void *at, unsigned long nr_pages)
{
    unsigned long nr_words = nr_pages * (4096 / 8);

    __asm__ volatile("rep stosq" : "+D"(at), "+c"(nr_words) : "a"(0ull) : "memory");
}

#endif
