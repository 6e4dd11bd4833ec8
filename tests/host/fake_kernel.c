/*
 * The parts of the kernel that sources under test call and that the host stands in for: panic, the
 * log, waiting for spinlocks, and what the C library lacks. All are weak: a test may bring the
 * kernel's own.
 */

#include "host_test.h"

#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>

#define WEAK __attribute__((weak))

jmp_buf host_panic_jump;
static bool panic_is_expected;
static char panic_message[512];

void host_panic_expect(void)
{
    panic_is_expected = true;
}

void host_panic_unexpect(void)
{
    panic_is_expected = false;
}

const char *host_panic_message(void)
{
    return panic_message;
}

static NORETURN void panic_with_message(void)
{
    if (panic_is_expected) {
        panic_is_expected = false;
        longjmp(host_panic_jump, 1);
    }
    fail_msg("panic: %s", panic_message);
    abort();
}

WEAK NORETURN void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(panic_message, sizeof(panic_message), fmt, args);
    va_end(args);
    panic_with_message();
}

WEAK NORETURN void panic_at(const struct trap_frame *frame, const char *fmt, ...)
{
    va_list args;

    (void)frame;
    va_start(args, fmt);
    vsnprintf(panic_message, sizeof(panic_message), fmt, args);
    va_end(args);
    panic_with_message();
}

WEAK void log_write(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    va_list args;

    if (!getenv("HOST_TEST_LOG"))
        return;
    fprintf(stderr, "[%s] ", names[level]);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

/*
 * Where one thread plays all CPUs, a lock that is taken is never given back while somebody waits
 * for it: contention is a deadlock. (A test with threads has a function that waits.)
 */
WEAK void spin_lock_contended(struct spinlock *lock)
{
    panic("deadlock: CPU %u waits for lock %s of CPU %u", cpu_id(), lock->name,
          atomic_load(&lock->owner) - 1);
}

/* glibc has it from 2.38 on only. */
WEAK size_t strlcpy(char *to, const char *from, size_t size)
{
    int length = snprintf(to, size, "%s", from);

    return (size_t)length;
}

#ifdef THRUM_DEBUG
/* There is no scheduler here that could be disturbed. */
void perturb_point(void)
{
}
#endif
