#ifndef STDLIB_H
#define STDLIB_H

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1

/* Memory, as C's; any LWP may free what another allocated. NULL with `errno` ENOMEM when there is
 * none. */
void *malloc(size_t nr_bytes);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t nr_bytes);
void free(void *block);

/* Ends the process with all its LWPs: first the functions of atexit(), last one first. */
_Noreturn void exit(int status);
/* 0, or -1 when there are too many. */
int atexit(void (*function)(void));
/* Ends the process at once. */
_Noreturn void _Exit(int status);
/* Ends the process abnormally. */
_Noreturn void abort(void);

int atoi(const char *s);
long strtol(const char *s, char **end, int base);
unsigned long strtoul(const char *s, char **end, int base);
int abs(int n);

extern char **environ;
/* The value of an environment variable; NULL: there is none. */
char *getenv(const char *name);

#endif
