/*
 * The PC's calendar clock (Motorola MC146818A data sheet): 64 bytes behind an index and a data
 * port. It is read twice until both readings agree and no update was going on, a bounded number of
 * times. Hours may be 12 or 24, numbers BCD or binary, as a status register says. Its time is taken
 * for UTC. The century is not in the chip's standard bytes: it is 20. Who sets the clock does not
 * set the chip: the next start has its time again.
 */

#include <arch/io.h>
#include <drivers/cmos.h>
#include <kernel/string.h>

#define PORT_INDEX 0x70
#define PORT_DATA  0x71

enum {
    SECOND = 0,
    MINUTE = 2,
    HOUR = 4,
    DAY = 7,
    MONTH = 8,
    YEAR = 9,
    STATUS_A = 10,
    STATUS_B = 11
};

#define STATUS_A_UPDATING 0x80
#define STATUS_B_24_HOURS 0x02
#define STATUS_B_BINARY   0x04
#define HOUR_PM           0x80

struct reading {
    uint8_t second, minute, hour, day, month, year;
};

static uint8_t cmos_read(uint8_t index)
{
    io_out8(PORT_INDEX, index);
    return io_in8(PORT_DATA);
}

static struct reading read_once(void)
{
    for (unsigned i = 0; i < 10000 && (cmos_read(STATUS_A) & STATUS_A_UPDATING); i++)
        io_delay();
    return (struct reading){cmos_read(SECOND), cmos_read(MINUTE), cmos_read(HOUR),
                            cmos_read(DAY),    cmos_read(MONTH),  cmos_read(YEAR)};
}

static unsigned number(uint8_t value, uint8_t status_b)
{
    return status_b & STATUS_B_BINARY ? value : (value >> 4) * 10u + (value & 15);
}

static unsigned hour_of(uint8_t value, uint8_t status_b)
{
    unsigned hour = number(value & (uint8_t)~HOUR_PM, status_b);

    if (status_b & STATUS_B_24_HOURS)
        return hour;
    return hour % 12 + (value & HOUR_PM ? 12 : 0);
}

/* Days from 1970-01-01 to the given day, by counting leap days; months from March on. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

    return 365ull * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

uint64_t cmos_time_ns(void)
{
    struct reading r = read_once(), again = read_once();
    uint8_t status_b = cmos_read(STATUS_B);
    uint64_t days, seconds;

    for (unsigned i = 0; i < 10 && memcmp(&r, &again, sizeof(r)) != 0; i++) {
        r = again;
        again = read_once();
    }
    days = days_since_1970(2000 + number(r.year, status_b), number(r.month, status_b),
                           number(r.day, status_b));
    seconds = days * 86400 + hour_of(r.hour, status_b) * 3600ull +
              number(r.minute, status_b) * 60ull + number(r.second, status_b);
    return seconds * NSEC_PER_SEC;
}
