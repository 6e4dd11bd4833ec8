/*
 * <string.h>. Plain loops; the compiler turns those over words into vector code. The file is built
 * with -ffreestanding, so that it does not turn memcpy()'s loop into a call of memcpy().
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Eight bytes at any address, of objects of any type. */
typedef uint64_t word_t __attribute__((aligned(1), may_alias));

void *memcpy(void *restrict to, const void *restrict from, size_t nr_bytes)
{
    char *restrict out = to;
    const char *restrict in = from;

    for (; nr_bytes >= sizeof(word_t); nr_bytes -= sizeof(word_t)) {
        *(word_t *)out = *(const word_t *)in;
        out += sizeof(word_t);
        in += sizeof(word_t);
    }
    while (nr_bytes-- > 0)
        *out++ = *in++;
    return to;
}

static void copy_backwards(char *to, const char *from, size_t nr_bytes)
{
    for (; nr_bytes >= sizeof(word_t); nr_bytes -= sizeof(word_t))
        *(word_t *)(to + nr_bytes - sizeof(word_t)) =
            *(const word_t *)(from + nr_bytes - sizeof(word_t));
    while (nr_bytes-- > 0)
        to[nr_bytes] = from[nr_bytes];
}

void *memmove(void *to, const void *from, size_t nr_bytes)
{
    char *out = to;
    const char *in = from;

    if ((uintptr_t)out - (uintptr_t)in < nr_bytes) {
        copy_backwards(out, in, nr_bytes);
        return to;
    }
    for (; nr_bytes >= sizeof(word_t); nr_bytes -= sizeof(word_t)) {
        *(word_t *)out = *(const word_t *)in;
        out += sizeof(word_t);
        in += sizeof(word_t);
    }
    while (nr_bytes-- > 0)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, size_t nr_bytes)
{
    word_t word = 0x0101010101010101ull * (unsigned char)value;
    char *out = to;

    for (; nr_bytes >= sizeof(word_t); nr_bytes -= sizeof(word_t)) {
        *(word_t *)out = word;
        out += sizeof(word_t);
    }
    while (nr_bytes-- > 0)
        *out++ = (char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t nr_bytes)
{
    const unsigned char *left = a, *right = b;

    for (size_t i = 0; i < nr_bytes; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

void *memchr(const void *from, int c, size_t nr_bytes)
{
    const unsigned char *s = from;

    for (size_t i = 0; i < nr_bytes; i++)
        if (s[i] == (unsigned char)c)
            return (void *)&s[i];
    return NULL;
}

size_t strlen(const char *s)
{
    size_t length = 0;

    while (s[length])
        length++;
    return length;
}

size_t strnlen(const char *s, size_t max)
{
    size_t length = 0;

    while (length < max && s[length])
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t max)
{
    for (size_t i = 0; i < max; i++)
        if (a[i] != b[i] || !a[i])
            return (unsigned char)a[i] - (unsigned char)b[i];
    return 0;
}

char *strcpy(char *restrict to, const char *restrict from)
{
    return memcpy(to, from, strlen(from) + 1);
}

char *strncpy(char *restrict to, const char *restrict from, size_t size)
{
    size_t length = strnlen(from, size);

    memcpy(to, from, length);
    memset(to + length, 0, size - length);
    return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strlen(to), from);
    return to;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (!*s)
            return NULL;
    return (char *)s;
}

char *strrchr(const char *s, int c)
{
    for (size_t i = strlen(s) + 1; i > 0; i--)
        if (s[i - 1] == (char)c)
            return (char *)&s[i - 1];
    return NULL;
}

char *strstr(const char *s, const char *what)
{
    size_t length = strlen(what);

    for (;; s++) {
        if (strncmp(s, what, length) == 0)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

/* The length of the part at the start of which each character is in `set`, or each is not. */
static size_t span(const char *s, const char *set, bool is_wanted)
{
    size_t length = 0;

    while (s[length] && (strchr(set, s[length]) != NULL) == is_wanted)
        length++;
    return length;
}

size_t strspn(const char *s, const char *set)
{
    return span(s, set, true);
}

size_t strcspn(const char *s, const char *set)
{
    return span(s, set, false);
}

char *strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = malloc(size);

    return copy ? memcpy(copy, s, size) : NULL;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size > 0) {
        size_t copied = length < size ? length : size - 1;
        memcpy(to, from, copied);
        to[copied] = '\0';
    }
    return length;
}

static const char *const error_texts[] = {
    [0] = "no error",
    [EPERM] = "operation not permitted",
    [ENOENT] = "no such file or directory",
    [ESRCH] = "no such process or thread",
    [EINTR] = "interrupted",
    [EIO] = "input/output error",
    [E2BIG] = "arguments too long",
    [ENOEXEC] = "not a program that can run here",
    [EBADF] = "bad file descriptor",
    [ECHILD] = "no child process",
    [EAGAIN] = "no more of these at the moment",
    [ENOMEM] = "out of memory",
    [EACCES] = "permission denied",
    [EFAULT] = "bad address",
    [EBUSY] = "in use",
    [EEXIST] = "exists already",
    [ENOTDIR] = "not a directory",
    [EISDIR] = "is a directory",
    [EINVAL] = "invalid argument",
    [ENOSPC] = "no space left",
    [ERANGE] = "out of range",
    [EDEADLK] = "would wait for ever",
    [ENAMETOOLONG] = "name too long",
    [ENOSYS] = "no such system call",
    [ETIMEDOUT] = "timed out",
};

char *strerror(int error)
{
    size_t nr_texts = sizeof(error_texts) / sizeof(error_texts[0]);

    if (error < 0 || (size_t)error >= nr_texts || !error_texts[error])
        return "unknown error";
    return (char *)error_texts[error];
}
