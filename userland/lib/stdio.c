/*
 * Output streams. A stream collects characters in its buffer, and writes them out when the buffer
 * is full, and at the end of a call: standard output if a line has ended, standard error always.
 * So a short message is one write(), and messages of several LWPs do not run into each other.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <thread.h>
#include <unistd.h>

#include <kernel/format.h>

#include "runtime.h"

#define BUFFER_BYTES 1024

/* Lock key: (l) the stream's lock, (c) constant. */
struct stdio_stream {
    thread_mutex_t lock;
    int fd;                    /* (c) */
    bool is_line_buffered;     /* (c) else nothing stays in the buffer after a call */
    bool has_line_end;         /* (l) in the buffer */
    bool has_error;            /* (l) since the call began */
    size_t nr_bytes;           /* (l) in the buffer */
    char buffer[BUFFER_BYTES]; /* (l) */
};

static FILE stdout_stream = {.fd = STDOUT_FILENO, .is_line_buffered = true};
static FILE stderr_stream = {.fd = STDERR_FILENO};

FILE *const stdout = &stdout_stream;
FILE *const stderr = &stderr_stream;

void stdio_lock(void)
{
    runtime_lock(&stdout->lock);
    runtime_lock(&stderr->lock);
}

void stdio_unlock(void)
{
    runtime_unlock(&stderr->lock);
    runtime_unlock(&stdout->lock);
}

static bool write_all(int fd, const char *from, size_t nr_bytes)
{
    while (nr_bytes > 0) {
        ssize_t written = write(fd, from, nr_bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        from += written;
        nr_bytes -= (size_t)written;
    }
    return true;
}

/* What cannot be written is dropped. */
static void stream_flush(FILE *stream)
{
    if (!write_all(stream->fd, stream->buffer, stream->nr_bytes))
        stream->has_error = true;
    stream->nr_bytes = 0;
    stream->has_line_end = false;
}

/* A format_put_fn. */
static void stream_put(char c, void *context)
{
    FILE *stream = context;

    stream->buffer[stream->nr_bytes++] = c;
    if (c == '\n')
        stream->has_line_end = true;
    if (stream->nr_bytes == BUFFER_BYTES)
        stream_flush(stream);
}

static void stream_begin(FILE *stream)
{
    runtime_lock(&stream->lock);
    stream->has_error = false;
}

/* Ends what stream_begin() began; returns `result`, or EOF where a write has failed. */
static int stream_end(FILE *stream, int result)
{
    if (!stream->is_line_buffered || stream->has_line_end)
        stream_flush(stream);
    if (stream->has_error)
        result = EOF;
    runtime_unlock(&stream->lock);
    return result;
}

int vfprintf(FILE *stream, const char *fmt, va_list args)
{
    stream_begin(stream);
    int nr_chars = format_to(stream_put, stream, fmt, args);
    return stream_end(stream, nr_chars);
}

int vprintf(const char *fmt, va_list args)
{
    return vfprintf(stdout, fmt, args);
}

int vdprintf(int fd, const char *fmt, va_list args)
{
    FILE stream = {.fd = fd};

    return vfprintf(&stream, fmt, args);
}

int printf(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int result = vprintf(fmt, args);
    va_end(args);
    return result;
}

int fprintf(FILE *stream, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int result = vfprintf(stream, fmt, args);
    va_end(args);
    return result;
}

int dprintf(int fd, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int result = vdprintf(fd, fmt, args);
    va_end(args);
    return result;
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *stream)
{
    const char *bytes = from;

    stream_begin(stream);
    for (size_t i = 0; i < size * count; i++)
        stream_put(bytes[i], stream);
    return stream_end(stream, 0) == 0 ? count : 0;
}

int fputs(const char *s, FILE *stream)
{
    stream_begin(stream);
    while (*s)
        stream_put(*s++, stream);
    return stream_end(stream, 0);
}

int puts(const char *s)
{
    stream_begin(stdout);
    while (*s)
        stream_put(*s++, stdout);
    stream_put('\n', stdout);
    return stream_end(stdout, 0);
}

int fputc(int c, FILE *stream)
{
    stream_begin(stream);
    stream_put((char)c, stream);
    return stream_end(stream, (unsigned char)c);
}

int putchar(int c)
{
    return fputc(c, stdout);
}

int fflush(FILE *stream)
{
    if (!stream)
        stream = stdout; /* nothing stays in the others */
    stream_begin(stream);
    stream_flush(stream);
    return stream_end(stream, 0);
}

/*
 * The process is about to end. A line that another LWP is just printing may be held up for ever
 * (its LWP may wait for us), so that is no reason to wait.
 */
void stdio_flush_all(void)
{
    if (!runtime_trylock(&stdout->lock))
        return;
    stream_flush(stdout);
    runtime_unlock(&stdout->lock);
}

void perror(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
}
