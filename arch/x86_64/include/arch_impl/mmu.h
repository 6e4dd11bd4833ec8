#ifndef ARCH_IMPL_MMU_H
#define ARCH_IMPL_MMU_H

/* The first address of the upper canonical half. */
#define DIRECT_MAP_BASE 0xffff800000000000ull

#endif
