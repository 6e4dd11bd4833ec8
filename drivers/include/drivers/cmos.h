#ifndef DRIVERS_CMOS_H
#define DRIVERS_CMOS_H

#include <kernel/types.h>

/* The time of the machine's calendar clock, nanoseconds since 1970-01-01 00:00 UTC. While booting.
 */
uint64_t cmos_time_ns(void);

#endif
