/* What the architecture's entry code hands up besides system calls (arch/trap.h). */

#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/trap.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/init.h>
#include <kernel/log.h>
#include <kernel/string.h>
#include <kernel/trace.h>
#include <mm/space.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/signal.h>
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

/* What a program hears of an access that space_fault() does not allow. */
static struct trap_fault access_fault(vaddr_t addr, int error)
{
    switch (error) {
    case -EACCES:
        return (struct trap_fault){SIGSEGV, SEGV_ACCERR, "forbidden access", addr, 0, 0};
    case -EFAULT:
        return (struct trap_fault){SIGSEGV, SEGV_MAPERR, "access where nothing is", addr, 0, 0};
    default: /* a file that is mapped there does not reach so far, or cannot be read */
        return (struct trap_fault){SIGBUS, BUS_ADRERR, "access beyond a file", addr, 0, 0};
    }
}

bool trap_page_fault(struct trap_frame *frame, vaddr_t addr, unsigned access,
                     struct trap_fault *fault)
{
    struct process *process = process_current();
    int error;

    user_lwp_current()->nr_faults++;
    trace_event(THRUM_TRACE_FAULT, lwp_current()->trace_id, addr, trap_pc(frame), access);
    error = space_fault(process->space, addr, access);
    if (likely(error == 0))
        return true;
    *fault = access_fault(addr, error);
    if (error != -ENOMEM)
        return false;
    if (process->pid == FIRST_PID)
        return wait_for_memory();
    log_warn("mm: out of memory: %s (pid %d) ends", process->name, process->pid);
    process_end(process, status_of_signal(SIGKILL));
    return trap_is_from_user(frame);
}

void trap_user_fault(struct trap_frame *frame, const struct trap_fault *fault)
{
    struct user_lwp *self = user_lwp_current();
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = fault->signal;
    info.si_code = fault->code;
    info.si_addr = (void *)fault->addr;
    self->signals.fault = *fault;
    if (signal_fault(&info))
        log_info("proc: %s (pid %d, tid %d): %s at pc 0x%lx, address 0x%lx", self->process->name,
                 self->process->pid, self->tid, fault->what, trap_pc(frame), fault->addr);
}

/* Whether the LWP has been cancelled and does not hold it off (abi/thrum.h, struct thrum_block). */
static bool is_cancelled(const struct user_lwp *self)
{
    struct thrum_block block;
    vaddr_t block_at = context_get_tls(&self->lwp.context);
    uint32_t pending = 1;

    if (!atomic_load(&self->is_cancelled))
        return false;
    if (block_at == 0 || user_copy_from(&block, block_at, sizeof(block)) != 0 ||
        block.self != block_at || block.nr_no_cancel == 0)
        return true;
    /* It asks again, by lwp_testcancel(), when it finds this set. */
    return user_copy_to(block_at + offsetof(struct thrum_block, is_cancel_pending), &pending,
                        sizeof(pending)) != 0;
}

/* Whether the LWP may not go back to user mode. Interrupts are on. */
static bool must_leave(const struct user_lwp *self)
{
    const struct user_lwp *exec_by = atomic_load(&self->process->exec_by);

    return self->process->is_ending || (exec_by != NULL && exec_by != self) || is_cancelled(self);
}

/* What clone() has left to the new LWP, since it is the LWP's memory. */
static void store_tid(struct user_lwp *self)
{
    int error = user_copy_to(self->set_tid_address, &self->tid, sizeof(self->tid));

    (void)error; /* as in Linux, a wrong address is not noticed */
    self->set_tid_address = 0;
}

void trap_user_work(struct trap_frame *frame)
{
    struct user_lwp *self = user_lwp_current();

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
    irq_enable();
    if (self->set_tid_address != 0)
        store_tid(self);
    if (must_leave(self))
        user_lwp_exit(THRUM_LWP_CANCELED);
    signal_deliver(frame);
    irq_disable();
}
