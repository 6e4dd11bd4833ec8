#ifndef MM_RECLAIM_H
#define MM_RECLAIM_H

/*
 * Gives back what the kernel only keeps to be faster next time, on every CPU: kernel stacks, free
 * objects of the heap. When memory is short, and before memory is counted. Interrupts are on, no
 * spinlock is held; waits for the other CPUs.
 */
void reclaim_all(void);

/* Another CPU sent IPI_RECLAIM. Interrupts are off. */
void reclaim_serve_request(void);

#endif
