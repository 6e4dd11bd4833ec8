/* System calls of the trace (kernel/trace.c), and its options on the command line. */

#include <arch/smp.h>
#include <arch/trap.h>
#include <kernel/cmdline.h>
#include <kernel/errno.h>
#include <kernel/init.h>
#include <kernel/log.h>
#include <kernel/mutex.h>
#include <kernel/trace.h>
#include <mm/slab.h>
#include <mm/user_copy.h>

#include "sys.h"

#define RING_KIB_DEFAULT 256
#define RING_KIB_MIN     4
#define RING_KIB_MAX     65536
#define RECORDS_AT_ONCE  12   /* on the kernel stack */
#define READ_MAX         4096 /* in one call, which nothing interrupts */

_Static_assert(THRUM_FAULT_WRITE == TRAP_ACCESS_WRITE && THRUM_FAULT_EXEC == TRAP_ACCESS_EXEC &&
                   THRUM_FAULT_PRESENT == TRAP_ACCESS_PRESENT,
               "the accesses of the ABI");

static uint64_t ring_kib = RING_KIB_DEFAULT;
static struct mutex control; /* who makes rings, and says what is recorded */

/* Rings for all CPUs that have none. 0 or -ENOMEM: those that were made stay. Locked. */
static int make_rings(void)
{
    for (unsigned cpu = 0; cpu < nr_cpus_online; cpu++) {
        void *memory;

        if (trace_has_ring(cpu))
            continue;
        memory = kzalloc_user(ring_kib * KIB(1));
        if (memory == NULL)
            return -ENOMEM;
        trace_give_ring(cpu, memory, ring_kib * KIB(1));
    }
    return 0;
}

static int64_t set_events(unsigned events)
{
    int64_t result = 0;

    mutex_lock(&control);
    if (events != 0)
        result = make_rings();
    if (result == 0)
        result = trace_set_events(events);
    syscall_trace_changed();
    mutex_unlock(&control);
    return result;
}

void trace_apply_options(void)
{
    const char *wanted = cmdline_get("trace");
    unsigned events;

    mutex_init(&control, "trace");
    cmdline_u64("trace_kib", RING_KIB_MIN, RING_KIB_MAX, &ring_kib);
    if (wanted == NULL)
        return;
    if (!trace_parse_events(wanted, &events))
        log_warn("cmdline: trace=%s: there are " TRACE_NAMES "and all", wanted);
    else if (make_rings() != 0)
        log_warn("cmdline: trace=%s: no memory for rings of %lu KiB", wanted, ring_kib);
    else
        trace_set_events(events);
    syscall_trace_changed();
}

int64_t sys_trace_control(int operation, uint64_t events)
{
    if (operation == THRUM_TRACE_GET)
        return atomic_load(&trace_events);
    if (operation != THRUM_TRACE_SET || (events & ~(uint64_t)THRUM_TRACE_ALL) != 0)
        return -EINVAL;
    return set_events((unsigned)events);
}

int64_t sys_trace_read(unsigned cpu, vaddr_t cursor_at, vaddr_t records_at, size_t nr_max)
{
    struct thrum_trace_record records[RECORDS_AT_ONCE];
    struct thrum_trace_cursor cursor;
    size_t nr_read = 0;
    int nr;

    if (cpu >= nr_cpus_online)
        return -EINVAL;
    if (user_copy_from(&cursor, cursor_at, sizeof(cursor)) != 0)
        return -EFAULT;
    nr_max = MIN(nr_max, READ_MAX);
    do {
        nr = trace_read(cpu, &cursor, records, (unsigned)MIN(nr_max - nr_read, RECORDS_AT_ONCE));
        if (nr < 0)
            return nr;
        if (user_copy_to(records_at + nr_read * sizeof(records[0]), records,
                         (size_t)nr * sizeof(records[0])) != 0)
            return -EFAULT;
        nr_read += (size_t)nr;
    } while (nr == RECORDS_AT_ONCE && nr_read < nr_max);
    if (user_copy_to(cursor_at, &cursor, sizeof(cursor)) != 0)
        return -EFAULT;
    return (int64_t)nr_read;
}
