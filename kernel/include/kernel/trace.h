#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

/*
 * The trace: a ring of records on every CPU of who ran, and why (kernel/trace.c has the theory,
 * abi/thrum.h the kinds of events and what their arguments mean). Where nothing is recorded, an
 * event costs one test.
 */

#include <stdatomic.h>

#include <abi/thrum.h>
#include <kernel/types.h>

#define TRACE_BIT(kind) (1u << (kind))

/* Bit n: events of kind n are recorded. Written by trace_set_events() only. */
extern atomic_uint trace_events;

/* Whether some of these events (TRACE_BITs) are recorded. Any context. */
static inline bool trace_is_on(unsigned events)
{
    return unlikely(atomic_load_explicit(&trace_events, memory_order_relaxed) & events);
}

/* Writes a record, if the calling CPU has a ring. Any context; takes no lock. */
void trace_write(enum thrum_trace_kind kind, int tid, uint64_t a, uint64_t b, uint64_t c);

/* The same, if events of that kind are recorded. What the arguments cost is paid only then. */
#define trace_event(kind, tid, a, b, c)                                                            \
    do {                                                                                           \
        if (trace_is_on(TRACE_BIT(kind)))                                                          \
            trace_write((kind), (tid), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c));               \
    } while (0)

/*
 * Changes with every trace_set_events(): who compares with what it saw before
 * (sched/control/watch.c) knows by it whether it has been watching all the time. Never 0 while
 * something is recorded.
 */
unsigned trace_generation(void);

/* Records these events from now on; returns those that were. The rings come first. */
unsigned trace_set_events(unsigned events);

/*
 * Gives CPU `cpu` its ring, which it keeps for ever: `nr_bytes` of zeroes, a multiple of
 * TRACE_SLOT_BYTES and aligned to it. What goes beyond a power of two is not used. Once a CPU.
 */
void trace_give_ring(unsigned cpu, void *memory, size_t nr_bytes);
bool trace_has_ring(unsigned cpu);

#define TRACE_SLOT_BYTES 64

/* The name of a kind of event; "?" of what is none. */
const char *trace_kind_name(unsigned kind);

/*
 * Copies records of one CPU, from cursor->next on, as trace_read() of abi/thrum.h does. Returns how
 * many, at most nr_max; or -EINVAL: the cursor is ahead of the CPU. Any context; takes no lock.
 */
int trace_read(unsigned cpu, struct thrum_trace_cursor *cursor, struct thrum_trace_record *records,
               unsigned nr_max);

/* What there is, for messages: "switch, wake, ..., ". */
#define TRACE_NAME_(number, symbol, name) name ", "
#define TRACE_NAMES                       THRUM_TRACE_KINDS(TRACE_NAME_)

/* Sets *events to those of a list like "switch,wake" or "all"; false: one of them does not exist.
 */
bool trace_parse_events(const char *list, unsigned *events);

/* Ends all recording, and logs the last events of every CPU. For a panic: takes no lock. */
void trace_print_last(void);

#endif
