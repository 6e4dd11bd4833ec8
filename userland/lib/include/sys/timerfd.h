#ifndef SYS_TIMERFD_H
#define SYS_TIMERFD_H

#include <fcntl.h>
#include <linux/time.h>

#define TFD_TIMER_ABSTIME       1
#define TFD_TIMER_CANCEL_ON_SET 2
#define TFD_CLOEXEC             O_CLOEXEC
#define TFD_NONBLOCK            O_NONBLOCK

/* As Linux: a descriptor or 0; -1 with `errno` set. */
int timerfd_create(int clock, int flags);
int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
int timerfd_gettime(int fd, struct itimerspec *value);

#endif
