#ifndef MM_TLB_H
#define MM_TLB_H

/*
 * Making every CPU forget what its TLB knows of pages whose mapping has changed; mm/tlb.c.
 *
 * Callers hold no spinlock and have interrupts on: the call waits for other CPUs. Frames that were
 * mapped are freed after it, not before.
 */

#include <arch/mmu.h>

/*
 * Pages [va, end) of a user half. With `even_lazy`, lazy CPUs are told, too: needed before page
 * tables are freed, through which a CPU may walk speculatively even when it is lazy.
 */
void tlb_flush_user(struct mmu_context *context, vaddr_t va, vaddr_t end, bool even_lazy);

/* Pages [va, end) of the kernel half. */
void tlb_flush_kernel(vaddr_t va, vaddr_t end);

/* No CPU has `context` loaded afterwards; none of its LWPs may run any more. */
void tlb_drop_context(struct mmu_context *context);

/* Another CPU sent IPI_TLB. Interrupts are off. */
void tlb_serve_requests(void);

#endif
