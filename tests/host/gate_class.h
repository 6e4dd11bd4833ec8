#ifndef GATE_CLASS_H
#define GATE_CLASS_H

/*
 * `gate`: a class for tests of throttling. In each period, counted from time 0, it lets its
 * entities run for a while, in the order of their coming, and then nobody until the next period.
 * It is linked into these tests only.
 */

#include <sched/class.h>

/* Its tunables; `lie` is an enum gate_lie. */
enum gate_tunable { GATE_PERIOD_US, GATE_OPEN_US, GATE_LIE };

/* What it says to be its next event while it is closed. */
enum gate_lie { GATE_HONEST, GATE_SAYS_NEVER, GATE_SAYS_NOW, GATE_SAYS_BEFORE };

#endif
