#ifndef CLONE_ASM_H
#define CLONE_ASM_H

/* clone as the C libraries call it (clone_asm.asm). Nothing here touches `errno`. */

#include <stddef.h>
#include <stdint.h>

/*
 * clone(); the child runs function(arg) on the stack that ends at stack_top (NULL: where the caller
 * is on its own) and calls exit() with the result. Returns in the parent: the number, or -errno.
 */
long clone_call(uint64_t flags, void *stack_top, int *parent_tid, int *child_tid, uint64_t tls,
                int (*function)(void *), void *arg);

/* The same by clone3(). */
long clone3_call(const void *args, size_t nr_bytes, int (*function)(void *), void *arg);

/* The word at the caller's FS base. */
uint64_t fs_first_word(void);

#endif
