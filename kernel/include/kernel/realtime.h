#ifndef KERNEL_REALTIME_H
#define KERNEL_REALTIME_H

/*
 * Calendar time: nanoseconds since 1970-01-01 00:00 UTC. It is clock_now_ns() and what that was 0
 * at, which is set by who sets the clock (kernel/realtime.c).
 */

#include <kernel/list.h>
#include <kernel/types.h>

uint64_t realtime_at_boot_ns(void);

/* Reads the machine's calendar clock. Once, when clock_now_ns() is up. */
void realtime_init(void);

/* ---- For timers and sleepers that go by calendar time ---------------------------------------- */

/* What is told when the clock is set. */
struct realtime_follower {
    struct list_node link;
    /* realtime_at_boot_ns() is another. May sleep; not called any more after the unfollowing. */
    void (*moved)(struct realtime_follower *follower);
};

/* Both may sleep, and wait for moved() to return: no lock is held that it takes. */
void realtime_follow(struct realtime_follower *follower,
                     void (*moved)(struct realtime_follower *follower));
void realtime_unfollow(struct realtime_follower *follower);

/* Sets the clock: it is `time_ns` now, which is not before the machine was started. May sleep. */
void realtime_set(uint64_t time_ns);

/* Sleeps until the clock says `time_ns`. 0 or -ERESTARTSYS. */
int realtime_sleep_until(uint64_t time_ns) MUST_CHECK;

/* A calendar time on the kernel's clock; what is before the machine was started is 0. */
static inline uint64_t realtime_to_clock_ns(uint64_t time_ns, uint64_t at_boot_ns)
{
    return time_ns > at_boot_ns ? time_ns - at_boot_ns : 0;
}

#endif
