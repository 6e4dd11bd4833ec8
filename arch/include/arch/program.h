#ifndef ARCH_PROGRAM_H
#define ARCH_PROGRAM_H

/* What the architecture contributes to the start of a user program. */

#include <kernel/types.h>

/*
 * Position-independent user code, mapped into every program: at its start, what runs when a
 * function started by lwp_create() returns; it calls lwp_exit() with the function's result.
 */
extern const unsigned char arch_user_stub[];
extern const size_t arch_user_stub_bytes;

/* AT_HWCAP and AT_HWCAP2, as Linux defines them for this architecture. */
uint64_t arch_hwcap(void);
uint64_t arch_hwcap2(void);

#endif
