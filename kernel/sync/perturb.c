/* Forced rescheduling (kernel/perturb.h). */

#include <kernel/perturb.h>

#ifdef THRUM_DEBUG

#include <arch/cpu.h>
#include <arch/percpu.h>
#include <kernel/cmdline.h>
#include <kernel/log.h>
#include <sched/sched.h>

static uint64_t seed; /* 0: off */
static PERCPU(uint64_t, random_state);

void perturb_init(void)
{
    cmdline_u64("perturb", 1, UINT32_MAX, &seed);
    if (seed != 0)
        log_info("sched: forced rescheduling, perturb=%lu", seed);
}

/* xorshift64 (Marsaglia 2003, "Xorshift RNGs"). */
static uint64_t next_random(void)
{
    uint64_t x = this_cpu_read(random_state);

    if (x == 0)
        x = seed * 0x9e3779b97f4a7c15 + cpu_id() + 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    this_cpu_write(random_state, x);
    return x;
}

void perturb_point(void)
{
    if (seed == 0 || !irq_is_enabled() || lwp_current() == NULL)
        return;
    cpu_relax();
    if (next_random() >> 61 == 0)
        sched_yield();
}

#endif
