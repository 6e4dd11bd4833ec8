#ifndef KERNEL_STRING_H
#define KERNEL_STRING_H

/* The parts of <string.h> that the kernel uses, with the C standard's meaning. */

#include <kernel/types.h>

void *memcpy(void *restrict to, const void *restrict from, size_t nr_bytes);
void *memmove(void *to, const void *from, size_t nr_bytes);
void *memset(void *to, int value, size_t nr_bytes);
int memcmp(const void *a, const void *b, size_t nr_bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);

/*
 * Copies as much of `from` as fits in `size` bytes, always NUL-terminated (size > 0).
 * Returns strlen(from): a result >= size means that it was cut.
 */
size_t strlcpy(char *to, const char *from, size_t size);

#endif
