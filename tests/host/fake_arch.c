/* The fake machine under the host tests: CPUs, per-CPU variables, physical memory. */

#include <sys/mman.h>

#include "host_test.h"

#include <arch/cpu.h>
#include <arch/mmu.h>
#include <arch/percpu.h>

_Thread_local unsigned fake_cpu;
bool fake_irq_is_off[FAKE_CPUS_MAX];
uintptr_t fake_memory_base;

/* The bounds of the section of per-CPU variables, by the linker; NULL when there are none. */
extern char __start_percpu[] __attribute__((weak));
extern char __stop_percpu[] __attribute__((weak));

void host_reset(void)
{
    fake_cpu = 0;
    memset(fake_irq_is_off, 0, sizeof(fake_irq_is_off));
    if (__start_percpu)
        memset(__start_percpu, 0, (size_t)(__stop_percpu - __start_percpu));
}

void host_set_cpu(unsigned cpu)
{
    assert_true(cpu < CPUS_MAX);
    fake_cpu = cpu;
}

void host_memory_clear(void)
{
    madvise((void *)fake_memory_base, HOST_MEMORY_BYTES, MADV_DONTNEED);
}

__attribute__((constructor)) static void memory_reserve(void)
{
    void *base = mmap(NULL, HOST_MEMORY_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED) {
        perror("host tests: address space for the fake physical memory");
        exit(EXIT_FAILURE);
    }
    madvise(base, HOST_MEMORY_BYTES, MADV_NOHUGEPAGE);
    madvise(base, HOST_MEMORY_BYTES, MADV_DONTDUMP);
    fake_memory_base = (uintptr_t)base;
}
