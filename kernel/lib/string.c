/*
 * Strings in plain C. The functions that move whole blocks (memcpy, memmove, memset, memcmp) are
 * the architecture's: the compiler calls them by itself, and hardware has fast ways to do them.
 */

#include <kernel/string.h>

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
    for (size_t i = 0; i < max; i++) {
        unsigned char left = (unsigned char)a[i];
        unsigned char right = (unsigned char)b[i];

        if (left != right)
            return left - right;
        if (!left)
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++) {
        if (!*s)
            return NULL;
    }
    return (char *)s;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);
    size_t nr_copied = MIN(length, size - 1);

    memcpy(to, from, nr_copied);
    to[nr_copied] = '\0';
    return length;
}
