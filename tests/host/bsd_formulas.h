#ifndef BSD_FORMULAS_H
#define BSD_FORMULAS_H

/* What the tests of the class `bsd` have in common; and its formulas, here in floating point. */

#include "sched_driver.h"

/* Its load_avg and recent_cpu are nobody else's business, and yet what the figures are about. */
#include "../../sched/classes/bsd.c"

#include <math.h>

#define MS  NSEC_PER_MSEC
#define SEC NSEC_PER_SEC

/* When a test's time begins: at a whole second. */
#define START_NS (1000 * SEC)

static inline struct driver_queue *new_queue(void)
{
    driver_reset(0);
    driver_now_ns = START_NS;
    return driver_queue_new(driver_class("bsd"));
}

static inline struct driver_entity *spawn(struct driver_queue *dq, int nice)
{
    return driver_spawn_params(dq, &(struct sched_params){.tickets = 1, .nice = (int8_t)nice});
}

static inline void set_nice(struct driver_entity *de, int nice)
{
    struct sched_params params = de->entity.params;

    params.nice = (int8_t)nice;
    driver_set_params(de, &params);
}

static inline double load_avg(const struct driver_queue *dq)
{
    return (double)queue_of(&dq->q)->load_avg / ONE;
}

static inline double recent_cpu(const struct driver_entity *de)
{
    return (double)state_of(&de->entity)->recent_cpu / ONE;
}

static inline int level(const struct driver_entity *de)
{
    return (int)state_of(&de->entity)->level;
}

static inline void assert_near(double value, double expected, double margin)
{
    if (fabs(value - expected) > margin)
        fail_msg("%f, but should be within %f of %f", value, margin, expected);
}

/* ---- The formulas, in floating point ----------------------------------------------------- */

static inline double reference_load(double load, unsigned nr_ready)
{
    return load * 59 / 60 + nr_ready / 60.0;
}

static inline double reference_decay(double recent, double load, int nice)
{
    return recent * (2 * load) / (2 * load + 1) + nice;
}

static inline int reference_level(double recent, int nice)
{
    int value = (int)(63 - recent / 4 - nice * 2);

    return MAX(MIN(value, 63), 0);
}

#endif
