/*
 * The stack of a signal handler, as Linux for x86-64 has it (asm/ucontext.h, asm/sigcontext.h):
 *
 *     lower addresses
 *       rt_frame      where the handler returns to, struct ucontext with all registers, siginfo
 *       FPU state     as XSAVE or FXSAVE wrote it; the context points there
 *       red zone      128 bytes below the program's stack pointer are its own
 *     higher addresses
 *
 * XSAVE and XRSTOR work on user memory, and may fault there like a user copy. What comes back has
 * been in the program's hands: XRSTOR refuses states that no XSAVE writes, by a fault that is
 * turned into an error; selectors, addresses and MXCSR are checked here, since they would be
 * believed, or would fault in the kernel on the way out. Flags that user mode may not change are
 * not taken.
 */

#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/mmu.h>
#include <arch/signal.h>
#include <arch/trap.h>
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <mm/user_copy.h>
#include <x86/cpu.h>
#include <x86/fpu.h>
#include <x86/regs.h>

#define RED_ZONE_BYTES    128
#define VECTOR_PAGE_FAULT 14
#define FXSAVE_BYTES      512
#define XHEADER_BYTES     64

/* AC OF DF TF SF ZF AF PF CF RF (Intel SDM vol. 1, 3.4.3). */
#define RFLAGS_OF_PROGRAMS 0x50dd5ull
#define RFLAGS_RF          (1ull << 16)

/* Without DAZ's mask from FXSAVE (SDM vol. 1, 11.6.6) these are the bits; all our CPUs have DAZ. */
#define MXCSR_BITS 0xffffu

struct rt_frame {
    uint64_t restorer;
    struct ucontext context;
    siginfo_t info;
};

/* ---- FPU state in user memory ---------------------------------------------------------------- */

/* One instruction on user memory: 0, or -1 where it faults. */
#define ON_USER_MEMORY(instruction, at)                                                            \
    ({                                                                                             \
        int failed;                                                                                \
        if (x86_features.has_smap)                                                                 \
            __asm__ volatile("stac" ::: "memory");                                                 \
        __asm__ volatile("1: " instruction " (%[user])\n\t"                                        \
                         "xor %[failed], %[failed]\n\t"                                            \
                         "jmp 3f\n"                                                                \
                         "2: mov $-1, %[failed]\n"                                                 \
                         "3:\n\t"                                                                  \
                         ".pushsection .user_copy_fixups, \"a\"\n\t"                               \
                         ".quad 1b, 2b\n\t"                                                        \
                         ".popsection"                                                             \
                         : [failed] "=&r"(failed)                                                  \
                         : [user] "r"(at), "a"((uint32_t)x86_features.xsave_mask),                 \
                           "d"((uint32_t)(x86_features.xsave_mask >> 32))                          \
                         : "memory");                                                              \
        if (x86_features.has_smap)                                                                 \
            __asm__ volatile("clac" ::: "memory");                                                 \
        failed;                                                                                    \
    })

static size_t fpu_bytes(void)
{
    return x86_features.fpu_area_bytes;
}

/* Behind an XSAVE area come the four bytes of FP_XSTATE_MAGIC2. */
static size_t fpu_frame_bytes(void)
{
    return x86_features.has_xsave ? fpu_bytes() + FP_XSTATE_MAGIC2_SIZE : FXSAVE_BYTES;
}

/* 0 or -EFAULT. */
static int save_fpu(vaddr_t at)
{
    const uint32_t magic2 = FP_XSTATE_MAGIC2;
    const struct _fpx_sw_bytes sw = {
        .magic1 = FP_XSTATE_MAGIC1,
        .extended_size = (uint32_t)fpu_frame_bytes(),
        .xfeatures = x86_features.xsave_mask,
        .xstate_size = (uint32_t)fpu_bytes(),
    };

    if (!x86_features.has_xsave)
        return ON_USER_MEMORY("fxsave64", at) != 0 ||
                       user_zero(at + offsetof(struct _fpstate, sw_reserved), sizeof(sw)) != 0
                   ? -EFAULT
                   : 0;
    /* XSAVE leaves the header alone, but for its first word. */
    if (user_zero(at + FXSAVE_BYTES, XHEADER_BYTES) != 0 || ON_USER_MEMORY("xsave64", at) != 0 ||
        user_copy_to(at + offsetof(struct _fpstate, sw_reserved), &sw, sizeof(sw)) != 0 ||
        user_copy_to(at + fpu_bytes(), &magic2, sizeof(magic2)) != 0)
        return -EFAULT;
    return 0;
}

/* The state in which a handler starts, and a program that says it has none. */
static void clear_fpu(void)
{
    static _Alignas(64) struct {
        uint16_t fcw;
        uint16_t unused[11];
        uint32_t mxcsr;
        uint8_t rest[FXSAVE_BYTES - 28 + XHEADER_BYTES];
    } initial = {.fcw = 0x037f, .mxcsr = 0x1f80}; /* as in fpu.c */

    x86_fpu_load(&initial);
}

/* Whether there is a whole XSAVE area with its marks; otherwise only what FXSAVE knows is taken. */
static bool is_xsave_area(const struct _fpx_sw_bytes *sw, vaddr_t at)
{
    uint32_t magic2;

    return sw->magic1 == FP_XSTATE_MAGIC1 && sw->xstate_size == fpu_bytes() &&
           sw->extended_size == fpu_frame_bytes() &&
           user_copy_from(&magic2, at + fpu_bytes(), sizeof(magic2)) == 0 &&
           magic2 == FP_XSTATE_MAGIC2;
}

/* 0 or -EFAULT. */
static int load_fpu(vaddr_t at)
{
    struct _fpx_sw_bytes sw;
    uint32_t mxcsr;

    if (at == 0) {
        clear_fpu();
        return 0;
    }
    if (at % 16 != 0 || user_load(&mxcsr, at + offsetof(struct _fpstate, mxcsr)) != 0 ||
        mxcsr & ~MXCSR_BITS)
        return -EFAULT;
    if (x86_features.has_xsave) {
        if (user_copy_from(&sw, at + offsetof(struct _fpstate, sw_reserved), sizeof(sw)) != 0)
            return -EFAULT;
        if (is_xsave_area(&sw, at))
            return ON_USER_MEMORY("xrstor64", at) != 0 ? -EFAULT : 0;
        clear_fpu();
    }
    return ON_USER_MEMORY("fxrstor64", at) != 0 ? -EFAULT : 0;
}

/* ---- Frames --------------------------------------------------------------------------------- */

static void save_registers(struct sigcontext *to, const struct trap_frame *f,
                           const struct trap_fault *fault)
{
    to->r8 = f->r8;
    to->r9 = f->r9;
    to->r10 = f->r10;
    to->r11 = f->r11;
    to->r12 = f->r12;
    to->r13 = f->r13;
    to->r14 = f->r14;
    to->r15 = f->r15;
    to->rdi = f->rdi;
    to->rsi = f->rsi;
    to->rbp = f->rbp;
    to->rbx = f->rbx;
    to->rdx = f->rdx;
    to->rax = f->rax;
    to->rcx = f->rcx;
    to->rsp = f->rsp;
    to->rip = f->rip;
    to->eflags = f->rflags;
    to->cs = (uint16_t)f->cs;
    to->ss = (uint16_t)f->ss;
    to->trapno = fault->number;
    to->err = fault->error;
    to->cr2 = fault->number == VECTOR_PAGE_FAULT ? fault->addr : 0;
}

static void load_registers(struct trap_frame *f, const struct sigcontext *from)
{
    f->r8 = from->r8;
    f->r9 = from->r9;
    f->r10 = from->r10;
    f->r11 = from->r11;
    f->r12 = from->r12;
    f->r13 = from->r13;
    f->r14 = from->r14;
    f->r15 = from->r15;
    f->rdi = from->rdi;
    f->rsi = from->rsi;
    f->rbp = from->rbp;
    f->rbx = from->rbx;
    f->rdx = from->rdx;
    f->rax = from->rax;
    f->rcx = from->rcx;
    f->rsp = from->rsp;
    f->rip = from->rip;
    f->rflags = (f->rflags & ~RFLAGS_OF_PROGRAMS) | (from->eflags & RFLAGS_OF_PROGRAMS);
    f->cs = SELECTOR_USER_CODE;
    f->ss = SELECTOR_USER_DATA;
}

/* Where the handler's frames begin, downwards. 0: the signal stack is used up. */
static vaddr_t top_of_frames(const struct trap_frame *f, const struct signal_call *call)
{
    const struct signal_stack *stack = call->stack;
    size_t needed = fpu_frame_bytes() + 64 + sizeof(struct rt_frame) + 16;
    vaddr_t sp = f->rsp - RED_ZONE_BYTES;

    if (signal_stack_has(stack, f->rsp))
        return sp - needed > stack->base && sp > needed ? sp : 0;
    if (!call->switches_stack)
        return sp;
    return stack->nr_bytes >= needed ? stack->base + stack->nr_bytes : 0;
}

int signal_frame_push(struct trap_frame *f, const struct signal_call *call)
{
    vaddr_t top = top_of_frames(f, call), fpu_at, frame_at;
    struct rt_frame frame;

    fpu_at = ROUND_DOWN(top - fpu_frame_bytes(), 64ull);
    frame_at = ROUND_DOWN(fpu_at - sizeof(frame), 16ull) - 8;
    if (top == 0 || top >= USER_END || frame_at >= top || call->handler >= USER_END ||
        call->restorer == 0)
        return -EFAULT;
    if (save_fpu(fpu_at) != 0)
        return -EFAULT;
    memset(&frame.context, 0, sizeof(frame.context));
    frame.restorer = call->restorer;
    frame.info = *call->info;
    frame.context.uc_flags =
        UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (x86_features.has_xsave ? UC_FP_XSTATE : 0u);
    frame.context.uc_stack.ss_sp = (void *)call->stack->base;
    frame.context.uc_stack.ss_size = call->stack->nr_bytes;
    frame.context.uc_stack.ss_flags = (int)signal_stack_flags(call->stack, f->rsp);
    frame.context.uc_sigmask = call->mask;
    save_registers(&frame.context.uc_mcontext, f, call->fault);
    frame.context.uc_mcontext.oldmask = call->mask;
    frame.context.uc_mcontext.fpstate = (struct _fpstate *)fpu_at;
    if (user_copy_to(frame_at, &frame, sizeof(frame)) != 0)
        return -EFAULT;
    f->rdi = (uint64_t)call->signal;
    f->rsi = frame_at + offsetof(struct rt_frame, info);
    f->rdx = frame_at + offsetof(struct rt_frame, context);
    f->rax = 0; /* no floating-point arguments, for handlers with no prototype */
    f->rip = call->handler;
    f->rsp = frame_at;
    f->rflags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
    clear_fpu();
    return 0;
}

int signal_frame_pop(struct trap_frame *f, signal_set *mask, struct signal_stack *stack)
{
    vaddr_t frame_at = f->rsp - sizeof(uint64_t); /* the handler's return has taken one word */
    const struct sigcontext *from;
    struct ucontext context;

    if (user_copy_from(&context, frame_at + offsetof(struct rt_frame, context), sizeof(context)) !=
        0)
        return -EFAULT;
    from = &context.uc_mcontext;
    if (from->rip >= USER_END || (from->cs | 3) != SELECTOR_USER_CODE ||
        (context.uc_flags & UC_STRICT_RESTORE_SS && (from->ss | 3) != SELECTOR_USER_DATA))
        return -EFAULT;
    if (load_fpu((vaddr_t)from->fpstate) != 0)
        return -EFAULT;
    load_registers(f, from);
    *mask = context.uc_sigmask;
    *stack = (struct signal_stack){
        .base = (vaddr_t)context.uc_stack.ss_sp,
        .nr_bytes = context.uc_stack.ss_flags & SS_DISABLE ? 0 : context.uc_stack.ss_size,
        .flags = (unsigned)context.uc_stack.ss_flags & SS_AUTODISARM,
    };
    return 0;
}

/*
 * What is raised and not masked. The order is Linux's: a stack fault comes with `invalid`. (Intel
 * SDM vol. 1, 8.1.3 and 10.2.3: both units have the flags in the same places.)
 */
int x86_fpu_exception_code(bool is_simd)
{
    enum { INVALID = 1, DENORMAL = 2, ZERO_DIVIDE = 4, OVERFLOW = 8, UNDERFLOW = 16, INEXACT = 32 };
    unsigned raised;

    if (is_simd) {
        uint32_t mxcsr;

        __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
        raised = mxcsr & ~(mxcsr >> 7);
    } else {
        uint16_t control, status;

        __asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(control), "=m"(status));
        raised = status & ~(unsigned)control;
    }
    if (raised & INVALID)
        return FPE_FLTINV;
    if (raised & ZERO_DIVIDE)
        return FPE_FLTDIV;
    if (raised & OVERFLOW)
        return FPE_FLTOVF;
    if (raised & (UNDERFLOW | DENORMAL))
        return FPE_FLTUND;
    return raised & INEXACT ? FPE_FLTRES : SI_KERNEL;
}
