#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t nr_bytes);
void *memmove(void *to, const void *from, size_t nr_bytes);
void *memset(void *to, int value, size_t nr_bytes);
int memcmp(const void *a, const void *b, size_t nr_bytes);
void *memchr(const void *from, int c, size_t nr_bytes);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strcpy(char *restrict to, const char *restrict from);
char *strncpy(char *restrict to, const char *restrict from, size_t size);
char *strcat(char *restrict to, const char *restrict from);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);
size_t strspn(const char *s, const char *set);
size_t strcspn(const char *s, const char *set);

/* A copy in memory of malloc(); NULL when there is none. */
char *strdup(const char *s);

/*
 * Copies as much of `from` as fits in `size` bytes, always NUL-terminated (size > 0).
 * Returns strlen(from): a result >= size means that it was cut.
 */
size_t strlcpy(char *to, const char *from, size_t size);

/* A short text for an errno value; never NULL. */
char *strerror(int error);

#endif
