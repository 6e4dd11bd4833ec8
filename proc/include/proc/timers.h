#ifndef PROC_TIMERS_H
#define PROC_TIMERS_H

/*
 * Timers of the calling process that send signals (proc/signal/timers.c): those of setitimer(), and
 * those of timer_create(), which have numbers. All functions may sleep.
 */

#include <asm/siginfo.h>
#include <kernel/types.h>

struct timer_times {
    uint64_t value_ns; /* until it expires, 0: it is not set; or, to set it, at which time */
    uint64_t interval_ns;
};

/* Sets ITIMER_REAL, ITIMER_VIRTUAL or ITIMER_PROF, unless `times` is NULL. 0, -EINVAL, -ENOMEM. */
int signal_set_itimer(int which, const struct timer_times *times,
                      struct timer_times *old) MUST_CHECK;

struct signal_timer_attr {
    int clock;  /* CLOCK_* */
    int notify; /* SIGEV_NONE, _SIGNAL, _THREAD_ID */
    int signal;
    int tid;
    bool has_value; /* otherwise the value is the timer's number */
    sigval_t value;
};

/* The new timer's number, -EINVAL, -EAGAIN. */
int signal_timer_create(const struct signal_timer_attr *attr) MUST_CHECK;

/* -EINVAL: there is no such timer. */
int signal_timer_set(int id, const struct timer_times *times, bool is_absolute,
                     struct timer_times *old) MUST_CHECK;
int signal_timer_get(int id, struct timer_times *times) MUST_CHECK;
int signal_timer_overruns(int id) MUST_CHECK;
int signal_timer_delete(int id) MUST_CHECK;

#endif
