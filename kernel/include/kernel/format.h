#ifndef KERNEL_FORMAT_H
#define KERNEL_FORMAT_H

/*
 * printf-style formatting without allocation, for the kernel and the native runtime.
 *
 * Conversions: %d %i %u %x %X %o %c %s %p %%, the flags - 0 + # and space, a width and a precision
 * (also *), the lengths hh h l ll z t j. No floating point.
 */

#include <stdarg.h>

#include <kernel/types.h>

/* Called for each character of the output, in order. */
typedef void (*format_put_fn)(char c, void *context);

/* Formats through `put`; returns the number of characters. */
int format_to(format_put_fn put, void *context, const char *fmt, va_list args) PRINTF_LIKE(3, 0);

/*
 * As C's: at most `size` bytes with the NUL, which is always there when size > 0; the result is the
 * length that the whole output would have had.
 */
int vsnprintf(char *to, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
int snprintf(char *to, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
