/* Numbers, times and sets of CPUs: from text and to text. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schedctl.h"

#define CPUS_MAX 64

int64_t parse_number(const char *text, const char *what, int64_t min, int64_t max)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end != '\0')
        fail_usage("%s: '%s' is not a whole number", what, text);
    if (errno != 0 || value < min || value > max)
        fail_usage("%s: %s is out of range; it goes from %ld to %ld", what, text, (long)min,
                   (long)max);
    return value;
}

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};

#define NR_UNITS (sizeof(units) / sizeof(units[0]))

uint64_t parse_time_ns(const char *text, const char *what)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (end == text || *text == '-' || errno != 0)
        fail_usage("%s: '%s' is not a time; write it like 500us or 10ms", what, text);
    if (value == 0 && *end == '\0')
        return 0;
    for (size_t i = 0; i < NR_UNITS; i++) {
        if (strcmp(end, units[i].name) == 0) {
            if (value > UINT64_MAX / units[i].ns)
                fail_usage("%s: %s is too long", what, text);
            return value * units[i].ns;
        }
    }
    if (*end == '\0')
        fail_usage("%s: %s needs a unit: ns, us, ms or s", what, text);
    fail_usage("%s: '%s' is not a unit; there are ns, us, ms and s", what, end);
}

/* In the largest unit that leaves a whole number. */
void format_time(char *to, uint64_t ns)
{
    size_t i = NR_UNITS - 1;

    while (ns % units[i].ns != 0)
        i--;
    if (ns == 0)
        strlcpy(to, "0", TIME_TEXT_BYTES);
    else
        snprintf(to, TIME_TEXT_BYTES, "%lu%s", (unsigned long)(ns / units[i].ns), units[i].name);
}

/* A CPU's number at *text, which is moved behind it. */
static unsigned parse_cpu(const char **text, const char *all)
{
    char *end;
    unsigned long cpu = strtoul(*text, &end, 10);

    if (end == *text || **text == '-' || cpu >= CPUS_MAX)
        fail_usage("affinity: '%s' is no list of CPUs; write it like 0,2-3, or all", all);
    *text = end;
    return (unsigned)cpu;
}

uint64_t parse_cpus(const char *text)
{
    const char *all = text;
    uint64_t cpus = 0;

    if (strcmp(text, "all") == 0)
        return UINT64_MAX;
    for (;;) {
        unsigned first = parse_cpu(&text, all), last = first;
        if (*text == '-') {
            text++;
            last = parse_cpu(&text, all);
        }
        if (last < first)
            fail_usage("affinity: %u-%u is no range", first, last);
        for (unsigned cpu = first; cpu <= last; cpu++)
            cpus |= 1ull << cpu;
        if (*text == '\0')
            return cpus;
        if (*text++ != ',')
            fail_usage("affinity: '%s' is no list of CPUs; write it like 0,2-3, or all", all);
    }
}

static bool has_cpu(uint64_t cpus, unsigned cpu)
{
    return cpu < CPUS_MAX && (cpus >> cpu & 1);
}

void format_cpus(char *to, uint64_t cpus)
{
    size_t length = 0;

    to[0] = '\0';
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        unsigned first = cpu;

        if (!has_cpu(cpus, cpu))
            continue;
        while (has_cpu(cpus, cpu + 1))
            cpu++;
        length += (size_t)snprintf(to + length, CPUS_TEXT_BYTES - length, "%s%u",
                                   length > 0 ? "," : "", first);
        if (cpu > first)
            length += (size_t)snprintf(to + length, CPUS_TEXT_BYTES - length, "-%u", cpu);
    }
}
