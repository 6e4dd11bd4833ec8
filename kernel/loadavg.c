/*
 * The load average, as 4.4BSD defines it (McKusick, Bostic, Karels, Quarterman, "The Design and
 * Implementation of the 4.4BSD Operating System", section 4.4): every five seconds the number of
 * LWPs that run or are ready is taken, and each average becomes
 *
 *     average * e^(-5 s / its time) + number * (1 - e^(-5 s / its time))
 *
 * in fixed point with 11 bits behind the point, as Linux has it. A timer takes the numbers; nothing
 * else knows of it.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <kernel/clock.h>
#include <kernel/loadavg.h>
#include <sched/read.h>
#include <sched/timer.h>

#define SAMPLE_NS (5 * NSEC_PER_SEC)

/* LOAD_ONE * e^(-5/60), e^(-5/300), e^(-5/900) */
static const uint64_t decay[3] = {1884, 2014, 2037};

static _Atomic uint64_t averages[3]; /* written by the timer only */
static struct timer timer;

unsigned load_nr_runnable(void)
{
    struct thrum_sched_cpu record;
    unsigned nr = 0;

    for (uint64_t cpu = 0; sched_read_cpu(cpu, &record); cpu++)
        nr += record.nr_runnable;
    return nr;
}

static void take_sample(struct timer *self)
{
    uint64_t number = (uint64_t)load_nr_runnable() << LOAD_SHIFT;

    for (unsigned i = 0; i < 3; i++) {
        uint64_t old = atomic_load_explicit(&averages[i], memory_order_relaxed);
        uint64_t sum = old * decay[i] + number * (LOAD_ONE - decay[i]);

        /* Rounded towards the number, so that it is reached. */
        if (number >= old)
            sum += LOAD_ONE - 1;
        atomic_store_explicit(&averages[i], sum >> LOAD_SHIFT, memory_order_relaxed);
    }
    timer_start(self, clock_now_ns() + SAMPLE_NS, take_sample);
}

void load_init(void)
{
    irq_state_t irq = irq_save();

    timer_start(&timer, clock_now_ns() + SAMPLE_NS, take_sample);
    irq_restore(irq);
}

void load_average(uint64_t average[3])
{
    for (unsigned i = 0; i < 3; i++)
        average[i] = atomic_load_explicit(&averages[i], memory_order_relaxed);
}
