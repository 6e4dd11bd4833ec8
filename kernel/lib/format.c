/*
 * printf-style formatting (C17, 7.21.6.1) without allocation and without floating point.
 *
 * A conversion is read into a `struct spec`; what it prints is a *body* of known length with a
 * prefix (sign or radix mark), leading zeroes and padding around it, so that one function lays out
 * all of them. Characters go through a function of the caller's, one by one: the log writes to its
 * ring with it, vsnprintf to a buffer.
 *
 * The file belongs to no environment: the native runtime of user programs is built with it too.
 */

#include <kernel/format.h>
#include <kernel/string.h>

/* 64 bits in octal. */
#define DIGITS_MAX 22

enum length { LENGTH_CHAR, LENGTH_SHORT, LENGTH_INT, LENGTH_LONG };

struct output {
    format_put_fn put;
    void *context;
    int nr_chars;
};

/* One conversion: %[flags][width][.precision][length]conversion */
struct spec {
    bool is_left;     /* - */
    bool pads_zeroes; /* 0 */
    bool shows_plus;  /* + */
    bool shows_space; /* space */
    bool shows_radix; /* # */
    int width;
    int precision; /* -1: none given */
    enum length length;
    char conversion;
};

static void put_char(struct output *out, char c)
{
    out->put(c, out->context);
    out->nr_chars++;
}

static void put_repeated(struct output *out, char c, int count)
{
    while (count-- > 0)
        put_char(out, c);
}

static void put_bytes(struct output *out, const char *bytes, int nr_bytes)
{
    for (int i = 0; i < nr_bytes; i++)
        put_char(out, bytes[i]);
}

/* [padding] prefix [zeroes] body [padding] */
static void put_field(struct output *out, const struct spec *spec, const char *prefix,
                      int nr_zeroes, const char *body, int nr_body)
{
    int nr_prefix = (int)strlen(prefix);
    int nr_padding = spec->width - nr_prefix - nr_zeroes - nr_body;

    if (!spec->is_left)
        put_repeated(out, ' ', nr_padding);
    put_bytes(out, prefix, nr_prefix);
    put_repeated(out, '0', nr_zeroes);
    put_bytes(out, body, nr_body);
    if (spec->is_left)
        put_repeated(out, ' ', nr_padding);
}

static void put_number(struct output *out, const struct spec *spec, const char *prefix,
                       uint64_t value, unsigned base)
{
    const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char body[DIGITS_MAX];
    int start = DIGITS_MAX;
    int nr_digits, nr_zeroes;

    for (; value; value /= base)
        body[--start] = digits[value % base];
    nr_digits = DIGITS_MAX - start;

    /* The precision is the least number of digits: 1 unless given, so that 0 prints as "0". */
    nr_zeroes = (spec->precision < 0 ? 1 : spec->precision) - nr_digits;
    if (spec->precision < 0 && spec->pads_zeroes && !spec->is_left)
        nr_zeroes = MAX(nr_zeroes, spec->width - (int)strlen(prefix) - nr_digits);
    if (spec->shows_radix && spec->conversion == 'o')
        nr_zeroes = MAX(nr_zeroes, 1);
    put_field(out, spec, prefix, MAX(nr_zeroes, 0), body + start, nr_digits);
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
    const char *prefix = "";

    if (value < 0)
        prefix = "-";
    else if (spec->shows_plus)
        prefix = "+";
    else if (spec->shows_space)
        prefix = " ";
    put_number(out, spec, prefix, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void put_hex(struct output *out, const struct spec *spec, uint64_t value)
{
    const char *prefix = "";

    if (spec->shows_radix && value)
        prefix = spec->conversion == 'X' ? "0X" : "0x";
    put_number(out, spec, prefix, value, 16);
}

static void put_string(struct output *out, const struct spec *spec, const char *s)
{
    if (!s)
        s = "(null)";
    put_field(out, spec, "", 0, s,
              (int)(spec->precision < 0 ? strlen(s) : strnlen(s, (size_t)spec->precision)));
}

/* Arguments narrower than int arrive as int (C17, 6.5.2.2): the length cuts them down again. */
static int64_t signed_argument(enum length length, va_list *args)
{
    switch (length) {
    case LENGTH_CHAR:
        return (signed char)va_arg(*args, int);
    case LENGTH_SHORT:
        return (short)va_arg(*args, int);
    case LENGTH_INT:
        return va_arg(*args, int);
    default:
        return va_arg(*args, long);
    }
}

static uint64_t unsigned_argument(enum length length, va_list *args)
{
    switch (length) {
    case LENGTH_CHAR:
        return (unsigned char)va_arg(*args, unsigned);
    case LENGTH_SHORT:
        return (unsigned short)va_arg(*args, unsigned);
    case LENGTH_INT:
        return va_arg(*args, unsigned);
    default:
        return va_arg(*args, unsigned long);
    }
}

static const char *parse_flags(const char *fmt, struct spec *spec)
{
    for (;; fmt++) {
        switch (*fmt) {
        case '-':
            spec->is_left = true;
            break;
        case '0':
            spec->pads_zeroes = true;
            break;
        case '+':
            spec->shows_plus = true;
            break;
        case ' ':
            spec->shows_space = true;
            break;
        case '#':
            spec->shows_radix = true;
            break;
        default:
            return fmt;
        }
    }
}

/* A number, or * for an int argument. */
static const char *parse_number(const char *fmt, int *number, va_list *args)
{
    if (*fmt == '*') {
        *number = va_arg(*args, int);
        return fmt + 1;
    }
    for (*number = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
        *number = *number * 10 + (*fmt - '0');
    return fmt;
}

static const char *parse_length(const char *fmt, enum length *length)
{
    switch (*fmt) {
    case 'h':
        *length = fmt[1] == 'h' ? LENGTH_CHAR : LENGTH_SHORT;
        return fmt + (fmt[1] == 'h' ? 2 : 1);
    case 'l':
        *length = LENGTH_LONG;
        return fmt + (fmt[1] == 'l' ? 2 : 1);
    case 'z':
    case 't':
    case 'j':
        *length = LENGTH_LONG;
        return fmt + 1;
    default:
        *length = LENGTH_INT;
        return fmt;
    }
}

_Static_assert(sizeof(long) == sizeof(long long) && sizeof(long) == sizeof(size_t) &&
                   sizeof(long) == sizeof(ptrdiff_t) && sizeof(long) == sizeof(intmax_t),
               "LENGTH_LONG stands for l, ll, z, t and j");

/* Reads what follows a %, through the conversion's letter. */
static const char *parse_spec(const char *fmt, struct spec *spec, va_list *args)
{
    *spec = (struct spec){.precision = -1};
    fmt = parse_flags(fmt, spec);
    fmt = parse_number(fmt, &spec->width, args);
    if (spec->width < 0) {
        spec->is_left = true;
        spec->width = -spec->width;
    }
    if (*fmt == '.')
        fmt = parse_number(fmt + 1, &spec->precision, args);
    fmt = parse_length(fmt, &spec->length);
    spec->conversion = *fmt;
    return *fmt ? fmt + 1 : fmt;
}

static void put_conversion(struct output *out, struct spec *spec, va_list *args)
{
    char c;

    switch (spec->conversion) {
    case 'd':
    case 'i':
        put_signed(out, spec, signed_argument(spec->length, args));
        break;
    case 'u':
        put_number(out, spec, "", unsigned_argument(spec->length, args), 10);
        break;
    case 'o':
        put_number(out, spec, "", unsigned_argument(spec->length, args), 8);
        break;
    case 'x':
    case 'X':
        put_hex(out, spec, unsigned_argument(spec->length, args));
        break;
    case 'p':
        put_number(out, spec, "0x", (uintptr_t)va_arg(*args, void *), 16);
        break;
    case 's':
        put_string(out, spec, va_arg(*args, const char *));
        break;
    case 'c':
        c = (char)va_arg(*args, int);
        put_field(out, spec, "", 0, &c, 1);
        break;
    case '%':
        put_char(out, '%');
        break;
    default: /* A mistake: shown, so that it is found. */
        put_char(out, '%');
        if (spec->conversion)
            put_char(out, spec->conversion);
    }
}

int format_to(format_put_fn put, void *context, const char *fmt, va_list args)
{
    struct output out = {.put = put, .context = context};
    struct spec spec;
    va_list rest; /* a copy, because the address of a va_list parameter has another type */

    va_copy(rest, args);
    while (*fmt) {
        if (*fmt != '%') {
            put_char(&out, *fmt++);
            continue;
        }
        fmt = parse_spec(fmt + 1, &spec, &rest);
        put_conversion(&out, &spec, &rest);
    }
    va_end(rest);
    return out.nr_chars;
}

struct buffer {
    char *next, *last; /* `last` is kept for the NUL */
};

static void put_to_buffer(char c, void *context)
{
    struct buffer *buffer = context;

    if (buffer->next < buffer->last)
        *buffer->next++ = c;
}

static void put_nowhere(char c, void *context)
{
    (void)c;
    (void)context;
}

int vsnprintf(char *to, size_t size, const char *fmt, va_list args)
{
    struct buffer buffer;
    int nr_chars;

    if (size == 0)
        return format_to(put_nowhere, NULL, fmt, args);
    buffer = (struct buffer){.next = to, .last = to + size - 1};
    nr_chars = format_to(put_to_buffer, &buffer, fmt, args);
    *buffer.next = '\0';
    return nr_chars;
}

int snprintf(char *to, size_t size, const char *fmt, ...)
{
    va_list args;
    int nr_chars;

    va_start(args, fmt);
    nr_chars = vsnprintf(to, size, fmt, args);
    va_end(args);
    return nr_chars;
}
