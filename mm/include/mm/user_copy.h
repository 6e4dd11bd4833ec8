#ifndef MM_USER_COPY_H
#define MM_USER_COPY_H

/*
 * The only way in which the kernel touches user memory: of the calling LWP's process. Pages that
 * are not there yet are brought in; a bad address is -EFAULT, and part of the copy may have been
 * done. These functions may sleep: no spinlock and no address space's lock is held. With interrupts
 * off they do not: a page that is not there is -EFAULT then, too.
 */

#include <kernel/types.h>

int user_copy_from(void *to, vaddr_t from, size_t nr_bytes) MUST_CHECK;
int user_copy_to(vaddr_t to, const void *from, size_t nr_bytes) MUST_CHECK;
int user_zero(vaddr_t to, size_t nr_bytes) MUST_CHECK;

/*
 * Reads the word at `from`, a multiple of 4, which others may be changing: all of it is of one
 * moment, which user_copy_from() does not promise. 0 or -EFAULT.
 */
int user_load(uint32_t *value, vaddr_t from) MUST_CHECK;

/*
 * Sets the word at `at`, a multiple of 4, to `desired` if it is *expected, at once for all CPUs. 0;
 * -EAGAIN: it is not, and *expected is what it is; -EFAULT: it cannot be written.
 */
int user_compare_exchange(vaddr_t at, uint32_t *expected, uint32_t desired) MUST_CHECK;

/*
 * A string with its NUL, of at most `size` bytes in all. Returns its length without the NUL,
 * -EFAULT, or -ENAMETOOLONG.
 */
int64_t user_copy_string(char *to, vaddr_t from, size_t size) MUST_CHECK;

#endif
