/* What the architecture's entry code hands up besides system calls (arch/trap.h). */

#include <arch/cpu.h>
#include <arch/trap.h>
#include <asm/signal.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/init.h>
#include <kernel/log.h>
#include <mm/space.h>
#include <proc/process.h>
#include <sched/sched.h>

#include "sys.h"

#define MEMORY_RETRY_NS (10 * NSEC_PER_MSEC)

uint64_t first_user_instruction_ns;

/* The first process cannot be ended: it tries again until somebody else has given memory back. */
static bool wait_for_memory(void)
{
    int error = sched_sleep_until(clock_now_ns() + MEMORY_RETRY_NS);

    (void)error; /* interrupted or not, it tries again */
    return true;
}

bool trap_page_fault(struct trap_frame *frame, vaddr_t addr, unsigned access)
{
    struct process *process = process_current();
    int error = space_fault(process->space, addr, access);

    if (error != -ENOMEM)
        return error == 0;
    if (process->pid == FIRST_PID)
        return wait_for_memory();
    log_warn("mm: out of memory: %s (pid %d) ends", process->name, process->pid);
    process_end(process, status_of_signal(SIGKILL));
    return trap_is_from_user(frame);
}

void trap_user_fault(struct trap_frame *frame, int signal, const char *what, vaddr_t addr)
{
    struct user_lwp *self = user_lwp_current();

    log_info("proc: %s (pid %d, tid %d): %s at pc 0x%lx, address 0x%lx", self->process->name,
             self->process->pid, self->tid, what, trap_pc(frame), addr);
    process_end(self->process, status_of_signal(signal));
}

void trap_user_work(struct trap_frame *frame)
{
    struct user_lwp *self = user_lwp_current();

    (void)frame;
    if (first_user_instruction_ns == 0) {
        first_user_instruction_ns = clock_now_ns();
        log_info("init: user mode %lu us after the kernel's first instruction",
                 first_user_instruction_ns / NSEC_PER_USEC);
    }
    this_cpu_write(return_work, 0);
    sched_preempt();
    if (!atomic_load_explicit(&self->lwp.interrupt, memory_order_acquire))
        return;
    atomic_store(&self->lwp.interrupt, false);
    if (self->process->is_ending) {
        irq_enable();
        syscall_leave(THRUM_LWP_CANCELED);
    }
}
