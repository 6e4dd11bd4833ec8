#ifndef ARCH_PROGRAM_H
#define ARCH_PROGRAM_H

/* What the architecture contributes to the start of a user program. */

#include <kernel/types.h>

/* AT_HWCAP and AT_HWCAP2, as Linux defines them for this architecture. */
uint64_t arch_hwcap(void);
uint64_t arch_hwcap2(void);

#endif
