/* System calls as C functions, with what little some of them add. */

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime.h"

#define ERRNO_MAX    4095 /* answers from -ERRNO_MAX to -1 are errors */
#define NSEC_PER_SEC 1000000000ull

_Thread_local int errno;

long syscall_result(long answer)
{
    if (answer < 0 && answer >= -ERRNO_MAX) {
        errno = (int)-answer;
        return -1;
    }
    return answer;
}

long syscall(long number, ...)
{
    long arg[6];
    va_list args;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        arg[i] = va_arg(args, long);
    va_end(args);
    return syscall_result(syscall6(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]));
}

ssize_t write(int fd, const void *from, size_t nr_bytes)
{
    return syscall_result(syscall6(__NR_write, fd, (long)from, (long)nr_bytes, 0, 0, 0));
}

pid_t getpid(void)
{
    return (pid_t)syscall0(__NR_getpid);
}

pid_t gettid(void)
{
    return (pid_t)syscall0(__NR_gettid);
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    return (pid_t)syscall_result(syscall6(__NR_wait4, pid, (long)status, options, 0, 0, 0));
}

pid_t spawn(const char *path, char *const argv[], char *const envp[])
{
    return (pid_t)syscall_result(
        syscall6(THRUM_SYS_spawn, (long)path, (long)argv, (long)envp, 0, 0, 0));
}

int thrum_stat(struct thrum_stat *out)
{
    return (int)syscall_result(syscall6(THRUM_SYS_stat, (long)out, (long)sizeof(*out), 0, 0, 0, 0));
}

int reboot(unsigned command)
{
    return (int)syscall_result(
        syscall6(__NR_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, 0, 0, 0));
}

/* Memory. */

void *mmap(void *address, size_t nr_bytes, int protection, int flags, int fd, off_t offset)
{
    return (void *)syscall_result(
        syscall6(__NR_mmap, (long)address, (long)nr_bytes, protection, flags, fd, offset));
}

int munmap(void *address, size_t nr_bytes)
{
    return (int)syscall_result(syscall6(__NR_munmap, (long)address, (long)nr_bytes, 0, 0, 0, 0));
}

int mprotect(void *address, size_t nr_bytes, int protection)
{
    return (int)syscall_result(
        syscall6(__NR_mprotect, (long)address, (long)nr_bytes, protection, 0, 0, 0));
}

/* The kernel answers with the end as it is then, whether it could set it or not. */
static uintptr_t kernel_brk(uintptr_t end)
{
    return (uintptr_t)syscall6(__NR_brk, (long)end, 0, 0, 0, 0, 0);
}

int brk(void *end)
{
    if (kernel_brk((uintptr_t)end) == (uintptr_t)end)
        return 0;
    errno = ENOMEM;
    return -1;
}

static thread_mutex_t brk_lock;

void sbrk_lock(void)
{
    runtime_lock(&brk_lock);
}

void sbrk_unlock(void)
{
    runtime_unlock(&brk_lock);
}

void *sbrk(intptr_t delta)
{
    sbrk_lock();
    uintptr_t old_end = kernel_brk(0);
    uintptr_t new_end = old_end + (uintptr_t)delta;
    bool is_set = delta == 0 || kernel_brk(new_end) == new_end;
    sbrk_unlock();

    if (is_set)
        return (void *)old_end;
    errno = ENOMEM;
    return (void *)-1;
}

/* Time. */

typedef int read_clock_fn(clockid_t clock, struct timespec *now);

static read_clock_fn find_and_read_clock;
static read_clock_fn *_Atomic read_clock = find_and_read_clock;

static int read_clock_by_call(clockid_t clock, struct timespec *now)
{
    return (int)syscall6(__NR_clock_gettime, clock, (long)now, 0, 0, 0, 0);
}

/* The first time: from then on by the kernel's function that needs no system call, if it has one.
 */
static int find_and_read_clock(clockid_t clock, struct timespec *now)
{
    read_clock_fn *found = (read_clock_fn *)vdso_find("__vdso_clock_gettime");

    if (found == NULL)
        found = read_clock_by_call;
    atomic_store_explicit(&read_clock, found, memory_order_relaxed);
    return found(clock, now);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    return (int)syscall_result(atomic_load_explicit(&read_clock, memory_order_relaxed)(clock, now));
}

int nanosleep(const struct timespec *duration, struct timespec *remaining)
{
    return (int)syscall_result(
        syscall6(__NR_nanosleep, (long)duration, (long)remaining, 0, 0, 0, 0));
}

time_t time(time_t *now)
{
    struct timespec realtime = {0};

    clock_gettime(CLOCK_REALTIME, &realtime);
    if (now)
        *now = realtime.tv_sec;
    return realtime.tv_sec;
}

uint64_t monotonic_ns(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

void sleep_ns(uint64_t duration_ns)
{
    struct timespec duration = {.tv_sec = (time_t)(duration_ns / NSEC_PER_SEC),
                                .tv_nsec = (long)(duration_ns % NSEC_PER_SEC)};

    while (nanosleep(&duration, &duration) != 0 && errno == EINTR)
        ;
}

unsigned sleep(unsigned seconds)
{
    sleep_ns(seconds * NSEC_PER_SEC);
    return 0;
}

int usleep(unsigned microseconds)
{
    sleep_ns(microseconds * 1000ull);
    return 0;
}
