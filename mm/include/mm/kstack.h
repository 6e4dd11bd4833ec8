#ifndef MM_KSTACK_H
#define MM_KSTACK_H

/*
 * Kernel stacks, each with an unmapped guard page below: an overflow faults instead of running into
 * a neighbour (mm/kstack.c has the theory).
 */

#include <kernel/types.h>

#ifdef THRUM_DEBUG
#define KSTACK_BYTES 16384ull
#else
#define KSTACK_BYTES 8192ull
#endif

/*
 * A stack of KSTACK_BYTES, charged to the user pool: the address of its upper end, or 0 when memory
 * is out. Any context with no lock of rank LOCK_RANK_KSTACK or above held.
 */
uint64_t kstack_alloc(void);

/* Gives a stack back that no CPU runs on any more. Same context. */
void kstack_free(uint64_t stack_top);

/* Whether `addr` lies in the guard page of a kernel stack. Any context. */
bool kstack_is_guard(vaddr_t addr);

/* How many stacks the common list keeps for reuse; those kept per CPU come on top. Any context. */
unsigned kstack_nr_kept(void);

/* Puts the stacks that the calling CPU keeps on the common list. Interrupts are off. */
void kstack_release_kept(void);

/* Gives the frames of the stacks on the common list back. Interrupts are on, no spinlock is held.
 */
void kstack_reclaim(void);

#endif
