#ifndef ARCH_IMPL_TRAP_H
#define ARCH_IMPL_TRAP_H

/* The registers as trap_entry.asm and syscall_entry.asm push them: the last pushed first. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx;
    uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector;     /* TRAP_VECTOR_SYSCALL for a system call */
    uint64_t error_code; /* the system call's number for a system call */
    uint64_t rip, cs, rflags, rsp, ss;
};

#define TRAP_VECTOR_SYSCALL 0x100
#define TRAP_VECTOR_NONE    0x101 /* the frame is not what the entry made any more */

static inline bool trap_is_from_user(const struct trap_frame *frame)
{
    return frame->cs & 3;
}

static inline uint64_t trap_pc(const struct trap_frame *frame)
{
    return frame->rip;
}

static inline uint64_t trap_sp(const struct trap_frame *frame)
{
    return frame->rsp;
}

static inline uint64_t trap_fp(const struct trap_frame *frame)
{
    return frame->rbp;
}

static inline uint64_t trap_syscall_number(const struct trap_frame *frame)
{
    return frame->error_code;
}

/* Whether the frame is that of a system call. */
static inline bool trap_is_syscall(const struct trap_frame *frame)
{
    return frame->vector == TRAP_VECTOR_SYSCALL;
}

static inline int64_t trap_result(const struct trap_frame *frame)
{
    return (int64_t)frame->rax;
}

static inline void trap_set_result(struct trap_frame *frame, int64_t value)
{
    frame->rax = (uint64_t)value;
}

/* From now on it is just registers. */
static inline void trap_forget_syscall(struct trap_frame *frame)
{
    frame->vector = TRAP_VECTOR_NONE;
}

/* Back in user mode, the instruction makes the system call `number` with the same arguments. */
static inline void trap_restart_syscall(struct trap_frame *frame, uint64_t number)
{
    frame->rax = number;
    frame->rip -= 2; /* the length of SYSCALL */
}

/* Argument number `index`, which is 0 or 1. */
static inline uint64_t trap_syscall_argument(const struct trap_frame *frame, unsigned index)
{
    return index == 0 ? frame->rdi : frame->rsi;
}

/* Calls a function of six arguments with the argument registers of a system call. */
static inline int64_t trap_call(const struct trap_frame *frame,
                                int64_t (*fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                              uint64_t))
{
    return fn(frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8, frame->r9);
}

/* Where the stack pointer is when a function begins whose return address is topmost on a stack. */
static inline vaddr_t trap_call_sp(vaddr_t stack_top)
{
    return ROUND_DOWN(stack_top, 16ull) - 8;
}

void trap_user_start(struct trap_frame *frame, uint64_t pc, uint64_t sp, uint64_t arg,
                     uint64_t arg2);

#endif
