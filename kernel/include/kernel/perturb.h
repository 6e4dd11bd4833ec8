#ifndef KERNEL_PERTURB_H
#define KERNEL_PERTURB_H

/*
 * Forced rescheduling (debug builds, `perturb=SEED` on the command line): at the points where a
 * pre-emption is possible but rare, the caller gives up the CPU with a chance of one in eight. The
 * choices follow from the seed, so under an emulator that counts instructions an interleaving comes
 * back.
 */

#include <kernel/types.h>

#ifdef THRUM_DEBUG
/* Reads the command line. Once, while booting. */
void perturb_init(void);

/* May reschedule, if interrupts are on. Any context. */
void perturb_point(void);
#else
static inline void perturb_init(void)
{
}
static inline void perturb_point(void)
{
}
#endif

#endif
