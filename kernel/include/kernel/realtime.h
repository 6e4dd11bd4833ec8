#ifndef KERNEL_REALTIME_H
#define KERNEL_REALTIME_H

/* What clock_now_ns() 0 was in calendar time: nanoseconds since 1970-01-01 00:00 UTC. */

#include <kernel/types.h>

uint64_t realtime_at_boot_ns(void);
void realtime_set_at_boot_ns(uint64_t ns);

/* Reads the machine's calendar clock. Once, when clock_now_ns() is up. */
void realtime_init(void);

#endif
