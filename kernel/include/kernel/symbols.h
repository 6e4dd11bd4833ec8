#ifndef KERNEL_SYMBOLS_H
#define KERNEL_SYMBOLS_H

/* Names for addresses in the kernel, for backtraces. */

#include <kernel/types.h>

/*
 * The name of the kernel function that `address` is in, and how far it is from its start; NULL:
 * unknown. Any context, also in a panic: takes no lock and believes no table.
 */
const char *symbol_find(uint64_t address, uint64_t *offset);

#endif
