/*
 * User code: what programs call instead of system calls to know the time and the CPU (vdso(7) names
 * the functions). The answers are those of the calls (kernel/syscall/sys_clock.c); a wrong pointer
 * is the caller's fault, in both senses.
 *
 * Nothing outside the page may be referred to. The kernel writes to `vdso_times`; the counters of
 * all CPUs run in step (arch/x86_64/clock.c), so that it does not matter where a program runs.
 */

#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/unistd.h>
#include <x86/vdso.h>

/* Bits of clocks that can be told here. */
#define REALTIME_CLOCKS (1u << CLOCK_REALTIME | 1u << CLOCK_REALTIME_COARSE | 1u << CLOCK_TAI)
#define MONOTONIC_CLOCKS                                                                           \
    (1u << CLOCK_MONOTONIC | 1u << CLOCK_MONOTONIC_RAW | 1u << CLOCK_MONOTONIC_COARSE |            \
     1u << CLOCK_BOOTTIME)

struct vdso_times vdso_times __attribute__((section(".times"), visibility("hidden")));

int __vdso_clock_gettime(int clock, struct __kernel_timespec *now);
int __vdso_gettimeofday(struct __kernel_old_timeval *now, struct timezone *zone);
__kernel_old_time_t __vdso_time(__kernel_old_time_t *now);
int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

/* The fence: what the program did before has been done when the counter is read. */
static inline uint64_t monotonic_ns(void)
{
    uint64_t tsc;

    __builtin_ia32_lfence();
    tsc = __builtin_ia32_rdtsc() - vdso_times.boot_tsc;
    return (uint64_t)((unsigned __int128)tsc * vdso_times.mult_q32 >> 32);
}

static inline uint64_t realtime_ns(void)
{
    return atomic_load_explicit(&vdso_times.realtime_at_boot_ns, memory_order_relaxed) +
           monotonic_ns();
}

static long call_kernel(long number, long arg0, long arg1)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(arg0), "S"(arg1)
                     : "rcx", "r11", "memory");
    return result;
}

int __vdso_clock_gettime(int clock, struct __kernel_timespec *now)
{
    unsigned bit = (unsigned)clock < 32 ? 1u << clock : 0;
    uint64_t ns;

    if (bit & MONOTONIC_CLOCKS)
        ns = monotonic_ns();
    else if (bit & REALTIME_CLOCKS)
        ns = realtime_ns();
    else
        return (int)call_kernel(__NR_clock_gettime, clock, (long)now);
    now->tv_sec = (int64_t)(ns / NSEC_PER_SEC);
    now->tv_nsec = (int64_t)(ns % NSEC_PER_SEC);
    return 0;
}

int __vdso_gettimeofday(struct __kernel_old_timeval *now, struct timezone *zone)
{
    if (now != NULL) {
        uint64_t ns = realtime_ns();

        now->tv_sec = (__kernel_long_t)(ns / NSEC_PER_SEC);
        now->tv_usec = (__kernel_long_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
    }
    if (zone != NULL) /* there is none but UTC */
        *zone = (struct timezone){0, 0};
    return 0;
}

__kernel_old_time_t __vdso_time(__kernel_old_time_t *now)
{
    __kernel_old_time_t seconds = (__kernel_old_time_t)(realtime_ns() / NSEC_PER_SEC);

    if (now != NULL)
        *now = seconds;
    return seconds;
}

int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    unsigned number;

    (void)unused; /* as Linux does since 2.6.24 */
    __asm__ volatile("lsl %1, %0" : "=r"(number) : "r"(SELECTOR_CPU_NUMBER) : "cc");
    if (cpu != NULL)
        *cpu = number;
    if (node != NULL)
        *node = 0;
    return 0;
}
