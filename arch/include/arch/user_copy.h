#ifndef ARCH_USER_COPY_H
#define ARCH_USER_COPY_H

/*
 * Copies that survive faults, for mm/user_copy.c, which checks the addresses first. The user side
 * may run into the kernel's half only by going on from the last user page, which is never mapped.
 */

#include <kernel/types.h>

/* Returns how many bytes were not copied, or not cleared. */
size_t user_copy_raw(void *to, const void *from, size_t nr_bytes);
size_t user_zero_raw(void *to, size_t nr_bytes);

/* Length with the NUL, at most `size`; size + 1 when there is no NUL in it; -1 on a fault. */
int64_t user_string_raw(char *to, const char *from, size_t size);

/* The value of a word, all of it of one moment. 0, or -1: a fault. */
int user_load_raw(uint32_t *value, const uint32_t *from);

/*
 * Sets *at to `desired` if it is *expected, at once for all CPUs. 1: done; 0: it is not, and
 * *expected is what it is; -1: a fault.
 */
int user_compare_exchange_raw(uint32_t *at, uint32_t *expected, uint32_t desired);

#endif
