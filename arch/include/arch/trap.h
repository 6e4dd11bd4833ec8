#ifndef ARCH_TRAP_H
#define ARCH_TRAP_H

/*
 * Where the CPU enters the kernel other than by a call. The architecture saves the registers,
 * decodes what happened, and calls one of the functions at the end, which the kernel supplies.
 *
 * arch_impl/trap.h defines struct trap_frame, the saved registers, and
 *     bool trap_is_from_user(const struct trap_frame *)
 *     uint64_t trap_pc(frame), trap_sp(frame), trap_fp(frame)     program counter, stack, frame
 *     uint64_t trap_syscall_number(frame)
 *     uint64_t trap_syscall_argument(frame, index)                argument 0 or 1
 *     int64_t trap_call(frame, fn)                                fn(the six arguments)
 *     vaddr_t trap_call_sp(stack_top)      stack pointer at a function's start; the return address
 *                                                                 is there
 *     bool trap_is_syscall(frame)                                 whether a system call made it
 *     int64_t trap_result(frame)                                  what the system call returns
 *     void trap_set_result(frame, value)
 *     void trap_restart_syscall(frame, number)                    user mode makes the call again
 *     void trap_forget_syscall(frame)                             it is not one any more
 *     void trap_user_start(frame, pc, sp, arg, arg2)              a clean frame for user mode
 */

#include <arch/percpu.h>
#include <kernel/types.h>

struct trap_frame;

#include <arch_impl/trap.h>

/* What a memory access that faulted tried to do; the values are those of x86's error code. */
enum trap_access {
    TRAP_ACCESS_PRESENT = 1, /* the page was there: it lacks the permission */
    TRAP_ACCESS_WRITE = 2,
    TRAP_ACCESS_EXEC = 16,
};

/* Prints the registers of `frame` and the call chain that starts there to the log. */
void trap_print(const struct trap_frame *frame);

/* Prints the call chain of the caller. */
void trap_print_backtrace(uint64_t frame_pointer);

/* ---- Supplied by the kernel (kernel/syscall/) --------------------------------------------- */

/* A system call. Interrupts are on. */
void trap_syscall(struct trap_frame *frame);

/*
 * A number below trap_nr_direct, which may change at any time, needs no trap_syscall() if there is
 * a function for it here: that is called with the six arguments, and returns the result. It cannot
 * count on all of the caller's registers being in the frame: one that needs them is not here.
 */
typedef int64_t (*trap_syscall_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
extern const trap_syscall_fn trap_syscalls[];
extern uint64_t trap_nr_direct;

/*
 * User code did something that it must not: `signal` and `code` are Linux's numbers (si_code),
 * `what` names the exception, `addr` is the address that is to blame.
 */
struct trap_fault {
    int signal, code;
    const char *what;
    vaddr_t addr;
    uint64_t number, error; /* as the CPU has them: for the handler's context */
};

/*
 * User memory at `addr` was touched, by user code or by a user copy of the kernel; `access` is a
 * set of enum trap_access. Interrupts are on. Whether the access can be tried again; if not, *fault
 * says why.
 */
bool trap_page_fault(struct trap_frame *frame, vaddr_t addr, unsigned access,
                     struct trap_fault *fault);

/* Interrupts are on, unless the CPU could not let them be. */
void trap_user_fault(struct trap_frame *frame, const struct trap_fault *fault);

/* Not zero: trap_user_work() has something to do before this CPU returns to user mode. */
DECLARE_PERCPU(unsigned, return_work);

/*
 * The last stop before user mode, called with interrupts off while return_work is set; returns with
 * interrupts off. May not return at all.
 */
void trap_user_work(struct trap_frame *frame);

#endif
