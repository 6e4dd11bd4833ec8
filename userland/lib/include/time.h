#ifndef TIME_H
#define TIME_H

#include <linux/time.h> /* struct timespec, CLOCK_* */
#include <sys/types.h>

typedef int clockid_t;

/* As POSIX: 0, or -1 with `errno` set. */
int clock_gettime(clockid_t clock, struct timespec *now);
int nanosleep(const struct timespec *duration, struct timespec *remaining);

/* Seconds since 1970; also in *now unless that is NULL. */
time_t time(time_t *now);

#endif
