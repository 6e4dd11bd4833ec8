#ifndef STDIO_H
#define STDIO_H

/*
 * Output. Standard output is buffered up to the end of a line, standard error up to the end of the
 * call. A stream is locked for the length of one call, so what one printf() prints stays together.
 * No floating point.
 */

#include <stdarg.h>
#include <stddef.h>

#define EOF (-1)

typedef struct stdio_stream FILE;

extern FILE *const stdout;
extern FILE *const stderr;
#define stdout stdout
#define stderr stderr

/* As C's (dprintf: as POSIX): the number of characters, or EOF when they could not be written. */
int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE *stream, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int dprintf(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int vprintf(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));
int vfprintf(FILE *stream, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
int vdprintf(int fd, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

int snprintf(char *to, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t size, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

int puts(const char *s);
int putchar(int c);
int fputs(const char *s, FILE *stream);
int fputc(int c, FILE *stream);
size_t fwrite(const void *from, size_t size, size_t count, FILE *stream);

/* Writes out what is buffered; NULL: of all streams. 0, or EOF. */
int fflush(FILE *stream);

/* "what: text of errno" on standard error. */
void perror(const char *what);

/* As POSIX and Linux: 0, or -1 with `errno` set. */
int rename(const char *from, const char *to);
int renameat(int from_fd, const char *from, int to_fd, const char *to);
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2

#endif
