/* Random numbers, and what is told. */

#define _GNU_SOURCE

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "as_linux.h"

uint64_t next_random(void)
{
    uint64_t z = play->random += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

unsigned any(unsigned nr)
{
    return (unsigned)(next_random() >> 11) % nr;
}

bool chance(unsigned percent)
{
    return any(100) < percent;
}

void tell(const char *format, ...)
{
    va_list args;
    size_t room = TEXT_MAX - play->text_bytes;

    va_start(args, format);
    int nr = vsnprintf(play->text + play->text_bytes, room, format, args);
    va_end(args);
    if (nr > 0 && (size_t)nr < room)
        play->text_bytes += (size_t)nr;
}

uint32_t hash(const void *at, size_t nr_bytes, uint32_t start)
{
    const uint8_t *byte = at;
    uint32_t h = start ^ 2166136261;

    for (size_t i = 0; i < nr_bytes; i++)
        h = (h ^ byte[i]) * 16777619;
    return h;
}

long told_result(long result)
{
    if (result == -1)
        tell(" = errno %d", errno);
    else
        tell(" = %ld", result);
    return result;
}

bool told_success(long result)
{
    if (result == -1)
        tell(" = errno %d", errno);
    else
        tell(" = ok");
    return result != -1;
}

void tell_path(const char *path)
{
    size_t length = strlen(path);

    if (length < 60)
        tell("\"%s\"", path);
    else
        tell("\"%.12s...%.12s\"(%zu)", path, path + length - 12, length);
}
