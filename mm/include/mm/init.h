#ifndef MM_INIT_H
#define MM_INIT_H

#include <kernel/types.h>

/*
 * Makes memory usable, from boot_info: page tables, frames, heap. After it kmap_phys(),
 * frame_alloc() and kmalloc() work. Once, on the boot CPU. Panics when there is too little memory
 * to go on.
 */
void mm_init(void);

#endif
