/* Numbers from text, and the environment. */

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NOT_A_DIGIT 99

static int digit_value(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    if (isalpha((unsigned char)c))
        return tolower((unsigned char)c) - 'a' + 10;
    return NOT_A_DIGIT;
}

struct number {
    const char *end; /* after the last digit; the start of the text when there is no number */
    unsigned long magnitude;
    bool is_negative;
    bool is_too_large; /* for unsigned long */
};

static bool has_hex_prefix(const char *s)
{
    return s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2]);
}

/* What strtol() and strtoul() have in common; see the C standard, 7.22.1.4. */
static struct number parse_number(const char *text, int base)
{
    struct number number = {.end = text};
    const char *s = text;

    while (isspace((unsigned char)*s))
        s++;
    if (*s == '+' || *s == '-')
        number.is_negative = *s++ == '-';

    if ((base == 0 || base == 16) && has_hex_prefix(s)) {
        base = 16;
        s += 2;
    } else if (base == 0) {
        base = *s == '0' ? 8 : 10;
    }

    for (; digit_value(*s) < base; number.end = ++s) {
        unsigned long shifted;
        bool is_over = __builtin_mul_overflow(number.magnitude, (unsigned long)base, &shifted);
        is_over |=
            __builtin_add_overflow(shifted, (unsigned long)digit_value(*s), &number.magnitude);
        number.is_too_large |= is_over;
    }
    return number;
}

long strtol(const char *s, char **end, int base)
{
    struct number number = parse_number(s, base);
    unsigned long limit = number.is_negative ? -(unsigned long)LONG_MIN : (unsigned long)LONG_MAX;

    if (end)
        *end = (char *)number.end;
    if (number.is_too_large || number.magnitude > limit) {
        errno = ERANGE;
        return number.is_negative ? LONG_MIN : LONG_MAX;
    }
    return (long)(number.is_negative ? -number.magnitude : number.magnitude);
}

unsigned long strtoul(const char *s, char **end, int base)
{
    struct number number = parse_number(s, base);

    if (end)
        *end = (char *)number.end;
    if (number.is_too_large) {
        errno = ERANGE;
        return ULONG_MAX;
    }
    return number.is_negative ? -number.magnitude : number.magnitude;
}

int atoi(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

int abs(int n)
{
    return n < 0 ? -n : n;
}

char *getenv(const char *name)
{
    size_t length = strlen(name);

    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, name, length) == 0 && (*variable)[length] == '=')
            return *variable + length + 1;
    return NULL;
}
