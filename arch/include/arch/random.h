#ifndef ARCH_RANDOM_H
#define ARCH_RANDOM_H

/* What the machine has that cannot be foretold. Any context. */

#include <kernel/types.h>

/* A word from the CPU's own generator; false: it has none, or that has nothing to give now. */
bool arch_random_word(uint64_t *word);

/* A counter of the CPU's that runs as fast as it does. */
uint64_t arch_cycles(void);

#endif
