#ifndef MM_KMAP_H
#define MM_KMAP_H

/* Mappings of the kernel's own, outside the direct map; mm/kmap.c. */

#include <kernel/types.h>

/* Where they lie; the kernel stacks have a region of their own (mm/kstack.c). */
#define KMAP_BASE   0xffffc00000000000ull
#define KSTACK_BASE 0xffffd00000000000ull

/*
 * Maps physical memory that the direct map need not hold (device registers, framebuffer, firmware
 * tables), for ever. `base` and `nr_bytes` need no alignment. `prot`: enum mmu_prot. While booting
 * only. Returns where `base` is, or NULL: out of memory, or a range that wraps or that the CPU
 * cannot address (firmware may say anything).
 */
void *kmap_phys(paddr_t base, size_t nr_bytes, unsigned prot);

#endif
