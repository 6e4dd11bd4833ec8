#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

/*
 * Timers: a function to be called at a time. Each CPU has its own, ordered by deadline; the
 * hardware is armed for the first of them and for the end of the running LWP's slice, whichever
 * comes first, and for nothing when there is neither.
 */

#include <kernel/rbtree.h>
#include <kernel/types.h>

struct timer;

/*
 * Called by the timer interrupt with no lock held: may wake LWPs, take any spinlock, and arm the
 * timer again. The timer has been taken off; it stays until timer_cancel() says that it may go.
 */
typedef void (*timer_fn)(struct timer *timer);

struct timer {
    struct rb_node node;
    uint64_t deadline_ns;
    timer_fn fn;
    unsigned cpu;
    bool is_armed;
};

/* Arms a timer that is not armed, on the calling CPU. Interrupts are off. */
void timer_start(struct timer *timer, uint64_t deadline_ns, timer_fn fn);

/*
 * Disarms it if it is armed, and waits for its function if that is running on another CPU: so
 * nothing is held that the function takes, and the caller is not that function. Afterwards it is
 * not running and will not.
 */
void timer_cancel(struct timer *timer);

/* For the scheduler: the hardware is to fire at `deadline_ns` at the latest. Interrupts are off. */
void timer_want(uint64_t deadline_ns);

/* For the scheduler: prepares the calling CPU's timers. Interrupts are off. */
void timer_init_cpu(void);

#endif
