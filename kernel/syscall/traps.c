/* What the architecture's entry code hands up besides system calls (arch/trap.h). */

#include <arch/cpu.h>
#include <arch/trap.h>
#include <abi/thrum.h>
#include <asm/signal.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/init.h>
#include <kernel/log.h>
#include <mm/space.h>
#include <proc/process.h>
#include <sched/sched.h>

uint64_t first_user_instruction_ns;

bool trap_page_fault(struct trap_frame *frame, vaddr_t addr, unsigned access)
{
    int error = space_fault(process_current()->space, addr, access);

    if (error == -ENOMEM && trap_is_from_user(frame)) {
        log_warn("mm: out of memory: %s (pid %d) ends", process_current()->name,
                 process_current()->pid);
        process_end(process_current(), status_of_signal(SIGKILL));
        return true;
    }
    return error == 0;
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
        user_lwp_exit(THRUM_LWP_CANCELED);
    }
}
