/*
 * The end. The first CPU that panics prints; the others are stopped and say where they were. The
 * front door learns of it by the last marker.
 */

#include <stdatomic.h>

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/trap.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/trace.h>
#include <sched/lwp.h>

#define NOBODY (~0u)

static atomic_uint panicking_cpu = NOBODY;

static NORETURN void die(const struct trap_frame *frame, const char *fmt, va_list args)
{
    char text[LOG_LINE_MAX];
    unsigned first = NOBODY;

    irq_disable();
    if (!atomic_compare_exchange_strong(&panicking_cpu, &first, cpu_id())) {
        /* What it wanted to print was broken as well: the front door is told all the same. */
        if (first == cpu_id())
            console_marker("panic", "1");
        cpu_halt_forever();
    }
    console_break_locks();
    vsnprintf(text, sizeof(text), fmt, args);
    log_error("PANIC on CPU %u in %s: %s", cpu_id(),
              lwp_current() != NULL ? lwp_current()->name : "boot code", text);
    if (frame != NULL)
        trap_print(frame);
    else
        trap_print_backtrace((uint64_t)__builtin_frame_address(0));
    irq_stop_others(true);
    trace_print_last();
    console_marker("panic", "1");
    cpu_halt_forever();
}

void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    die(NULL, fmt, args);
}

void panic_at(const struct trap_frame *frame, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    die(frame, fmt, args);
}
