/*
 * From a number to a function.
 *
 * Two tables, Linux's numbers and Thrum's own, are filled from the one list in syscalls.h. Every
 * function is called with all six argument registers: the System V ABI passes each integer argument
 * in its own register, so one that takes fewer does not look at the others. The architecture's
 * entry code calls Linux's by itself (arch/trap.h), which saves a few instructions.
 */

#include <arch/cpu.h>
#include <arch/trap.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <kernel/perturb.h>
#include <kernel/trace.h>
#include <sched/lwp.h>

#include "sys.h"

#define NR_LINUX    512
#define THRUM_FIRST 1024
#define NR_THRUM    32

#define TABLE_SLOT(number) ((number) < THRUM_FIRST ? (number) : NR_LINUX + (number)-THRUM_FIRST)

const trap_syscall_fn trap_syscalls[NR_LINUX + NR_THRUM] = {
#define SYSCALL(number, name, parameters, help) [TABLE_SLOT(number)] = (trap_syscall_fn)sys_##name,
#define SYSCALL_WHOLE(number, name, parameters, help)
#include "syscalls.h"
#undef SYSCALL
#undef SYSCALL_WHOLE
};

/* Those that are not called directly. */
static const trap_syscall_fn whole_syscalls[NR_LINUX] = {
#define SYSCALL(number, name, parameters, help)
#define SYSCALL_WHOLE(number, name, parameters, help) [number] = (trap_syscall_fn)sys_##name,
#include "syscalls.h"
#undef SYSCALL
#undef SYSCALL_WHOLE
};

/* In debug builds, every call is a point for perturbation. */
#ifdef THRUM_DEBUG
#define NR_DIRECT 0
#else
#define NR_DIRECT NR_LINUX
#endif

uint64_t trap_nr_direct = NR_DIRECT;

#define TRACED (TRACE_BIT(THRUM_TRACE_SYSCALL) | TRACE_BIT(THRUM_TRACE_RETURN))

void syscall_trace_changed(void)
{
    __atomic_store_n(&trap_nr_direct, trace_is_on(TRACED) ? 0 : NR_DIRECT, __ATOMIC_RELAXED);
}

/* Bit n: number n has been reported as unknown. */
static _Atomic uint64_t is_reported[(NR_LINUX + NR_THRUM + 63) / 64];

_Static_assert(8 * sizeof(is_reported) >= ARRAY_LEN(trap_syscalls), "a bit for every number");

static unsigned slot_of(uint64_t number)
{
    if (number < NR_LINUX)
        return (unsigned)number;
    if (number >= THRUM_FIRST && number < THRUM_FIRST + NR_THRUM)
        return (unsigned)(NR_LINUX + number - THRUM_FIRST);
    return ARRAY_LEN(trap_syscalls);
}

static int64_t unknown(uint64_t number, unsigned slot)
{
    uint64_t bit = 1ull << slot % 64;

    if (slot < ARRAY_LEN(trap_syscalls) && !(atomic_fetch_or(&is_reported[slot / 64], bit) & bit))
        log_warn("syscall: %s called number %lu, which does not exist", lwp_current()->name,
                 number);
    return -ENOSYS;
}

static inline int64_t call(const struct trap_frame *frame, uint64_t number)
{
    unsigned slot = slot_of(number);

    if (likely(slot < ARRAY_LEN(trap_syscalls) && trap_syscalls[slot] != NULL))
        return trap_call(frame, trap_syscalls[slot]);
    if (slot < NR_LINUX && whole_syscalls[slot] != NULL)
        return trap_call(frame, whole_syscalls[slot]);
    return unknown(number, slot);
}

static __attribute__((noinline)) int64_t call_traced(const struct trap_frame *frame,
                                                     uint64_t number)
{
    int tid = lwp_current()->trace_id;
    int64_t result;

    trace_event(THRUM_TRACE_SYSCALL, tid, number, trap_syscall_argument(frame, 0),
                trap_syscall_argument(frame, 1));
    result = call(frame, number);
    trace_event(THRUM_TRACE_RETURN, tid, number, result, 0);
    return result;
}

void trap_syscall(struct trap_frame *frame)
{
    uint64_t number = trap_syscall_number(frame);
    int64_t result;

    if (trace_is_on(TRACED))
        result = call_traced(frame, number);
    else
        result = call(frame, number);
    trap_set_result(frame, result);
    perturb_point();
}
