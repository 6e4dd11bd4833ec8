/*
 * Exceptions and interrupts, from the entry code's call to whoever handles them.
 *
 * An exception in user mode is the program's fault: it goes up as a signal. A page fault in the
 * kernel is one of three things: a user copy touching memory that is not there yet (handled like a
 * fault of the program, then tried again), a user copy with a bad address (user_copy.asm's fix-up),
 * or a bug. Every other exception in the kernel is a bug, except a general protection fault in a
 * user copy: a non-canonical address.
 */

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/mmu.h>
#include <arch/trap.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/symbols.h>
#include <mm/kstack.h>
#include <x86/apic.h>
#include <x86/cpu.h>
#include <x86/fpu.h>
#include <x86/regs.h>

enum vector {
    VECTOR_DIVIDE = 0,
    VECTOR_DEBUG = 1,
    VECTOR_NMI = 2,
    VECTOR_BREAKPOINT = 3,
    VECTOR_OVERFLOW = 4,
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_GENERAL_PROTECTION = 13,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_ALIGNMENT = 17,
    VECTOR_MACHINE_CHECK = 18,
    VECTOR_SIMD = 19,
    NR_EXCEPTIONS = 32,
};

/* Page fault error code (Intel SDM vol. 3A, 4.7). */
enum { PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_RESERVED = 8, PF_EXEC = 16 };

_Static_assert(TRAP_ACCESS_PRESENT == PF_PRESENT && TRAP_ACCESS_WRITE == PF_WRITE &&
                   TRAP_ACCESS_EXEC == PF_EXEC,
               "the error code is handed on as it is");

/* What a program gets for it: SI_KERNEL where Linux says no more. */
struct exception {
    const char *name;
    int signal, code;
};

static const struct exception exceptions[NR_EXCEPTIONS] = {
    [0] = {"divide error", SIGFPE, FPE_INTDIV},
    [1] = {"debug exception", SIGTRAP, TRAP_TRACE},
    [2] = {"non-maskable interrupt", 0, 0},
    [3] = {"breakpoint", SIGTRAP, SI_KERNEL},
    [4] = {"overflow", SIGSEGV, SI_KERNEL},
    [5] = {"bound range exceeded", SIGSEGV, SI_KERNEL},
    [6] = {"invalid opcode", SIGILL, ILL_ILLOPN},
    [7] = {"device not available", SIGFPE, SI_KERNEL},
    [8] = {"double fault", 0, 0},
    [9] = {"coprocessor segment overrun", SIGFPE, SI_KERNEL},
    [10] = {"invalid TSS", SIGSEGV, SI_KERNEL},
    [11] = {"segment not present", SIGBUS, SI_KERNEL},
    [12] = {"stack-segment fault", SIGBUS, SI_KERNEL},
    [13] = {"general protection fault", SIGSEGV, SI_KERNEL},
    [16] = {"x87 floating-point error", SIGFPE, 0},
    [17] = {"alignment check", SIGBUS, BUS_ADRALN},
    [18] = {"machine check", 0, 0},
    [19] = {"SIMD floating-point error", SIGFPE, 0},
    [20] = {"virtualization exception", SIGSEGV, SI_KERNEL},
    [21] = {"control protection exception", SIGSEGV, SI_KERNEL},
};

struct idt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "Intel SDM vol. 3A, figure 6-8");

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3      0x60

static struct idt_gate idt[256];

extern const uint64_t trap_stubs[256]; /* trap_entry.asm */

struct user_copy_fixup {
    uint64_t instruction, go_on;
};
extern const struct user_copy_fixup __user_copy_fixups_start[], __user_copy_fixups_end[];

/* Called from trap_entry.asm. */
void trap_exception(struct trap_frame *frame);
void trap_interrupt(struct trap_frame *frame);
void trap_ist(struct trap_frame *frame);

void x86_idt_init(void)
{
    static const uint8_t ist_of[NR_EXCEPTIONS] = {
        [VECTOR_DOUBLE_FAULT] = 1,
        [VECTOR_NMI] = 2,
        [VECTOR_MACHINE_CHECK] = 3,
        [VECTOR_DEBUG] = 4,
    };

    for (unsigned i = 0; i < ARRAY_LEN(idt); i++) {
        idt[i] = (struct idt_gate){
            .offset_low = (uint16_t)trap_stubs[i],
            .selector = SELECTOR_KERNEL_CODE,
            .ist = i < NR_EXCEPTIONS ? ist_of[i] : 0,
            .type = GATE_INTERRUPT,
            .offset_middle = (uint16_t)(trap_stubs[i] >> 16),
            .offset_high = (uint32_t)(trap_stubs[i] >> 32),
        };
    }
    idt[VECTOR_BREAKPOINT].type |= GATE_DPL3;
    idt[VECTOR_OVERFLOW].type |= GATE_DPL3;
}

void x86_idt_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lidt %0" ::"m"(pointer));
}

static const char *exception_name(const struct trap_frame *frame)
{
    const char *name = exceptions[frame->vector].name;

    return name != NULL ? name : "reserved exception";
}

/* Goes on behind the faulting instruction of a user copy; whether the frame was in one. */
static bool user_copy_recover(struct trap_frame *frame)
{
    for (const struct user_copy_fixup *f = __user_copy_fixups_start; f < __user_copy_fixups_end;
         f++) {
        if (f->instruction == frame->rip) {
            frame->rip = f->go_on;
            return true;
        }
    }
    return false;
}

static bool is_in_user_copy(const struct trap_frame *frame)
{
    struct trap_frame copy = *frame;

    return user_copy_recover(&copy);
}

static NORETURN void kernel_page_fault(const struct trap_frame *frame, vaddr_t addr)
{
    const char *what = frame->error_code & PF_EXEC    ? "execution of"
                       : frame->error_code & PF_WRITE ? "write to"
                                                      : "read of";

    if (kstack_is_guard(addr))
        panic_at(frame, "kernel stack overflow (guard page 0x%016lx)", addr);
    panic_at(frame, "page fault: %s 0x%016lx%s", what, addr,
             frame->error_code & PF_PRESENT ? " (no permission)" : "");
}

static ALWAYS_INLINE void page_fault(struct trap_frame *frame)
{
    vaddr_t addr = x86_read_cr2();
    bool from_user = trap_is_from_user(frame);
    struct trap_fault fault;
    unsigned access;

    if (frame->error_code & PF_RESERVED)
        panic_at(frame, "page fault: reserved bit set in the page tables for 0x%016lx", addr);
    if (!from_user && (addr >= USER_END || !is_in_user_copy(frame))) {
        if (user_copy_recover(frame))
            return;
        kernel_page_fault(frame, addr);
    }
    /* A user copy that was started with interrupts off does not want to wait for its page. */
    if (!from_user && !(frame->rflags & RFLAGS_IF)) {
        user_copy_recover(frame);
        return;
    }
    irq_enable();

    access = frame->error_code & (PF_PRESENT | PF_WRITE | PF_EXEC); /* enum trap_access */
    if (trap_page_fault(frame, addr, access, &fault))
        return;
    fault.number = VECTOR_PAGE_FAULT;
    fault.error = frame->error_code;
    if (from_user)
        trap_user_fault(frame, &fault);
    else
        user_copy_recover(frame);
}

/* An exception of user mode, other than a page fault. */
static void user_exception(struct trap_frame *frame)
{
    const struct exception *e = &exceptions[frame->vector];
    struct trap_fault fault = {e->signal, e->code,       exception_name(frame),
                               0,         frame->vector, frame->error_code};

    if (e->signal == 0) {
        fault.signal = SIGSEGV;
        fault.code = SI_KERNEL;
    }
    if (e->signal == SIGFPE && e->code == 0)
        fault.code = x86_fpu_exception_code(frame->vector == VECTOR_SIMD);
    if (fault.code != SI_KERNEL && frame->vector != VECTOR_ALIGNMENT)
        fault.addr = frame->rip;
    trap_user_fault(frame, &fault);
}

static __attribute__((noinline)) void other_exception(struct trap_frame *frame)
{
    if (trap_is_from_user(frame)) {
        irq_enable();
        user_exception(frame);
    } else if (frame->vector != VECTOR_GENERAL_PROTECTION || !user_copy_recover(frame)) {
        panic_at(frame, "%s (error code 0x%lx)", exception_name(frame), frame->error_code);
    }
}

void trap_exception(struct trap_frame *frame)
{
    if (likely(frame->vector == VECTOR_PAGE_FAULT))
        page_fault(frame);
    else
        other_exception(frame);
}

/*
 * Double fault, NMI, machine check and debug exception, on stacks of their own. The CPU's
 * interrupts stay off, so a debug exception of user mode is handed on by an interrupt that comes
 * right after the return.
 */
void trap_ist(struct trap_frame *frame)
{
    switch (frame->vector) {
    case VECTOR_NMI:
        apic_nmi_received(frame);
        return;
    case VECTOR_DEBUG:
        if (!trap_is_from_user(frame))
            panic_at(frame, "debug exception in the kernel");
        user_exception(frame);
        irq_send_ipi(cpu_id(), IPI_RESCHEDULE);
        return;
    case VECTOR_DOUBLE_FAULT:
        if (kstack_is_guard(frame->rsp - 1) || kstack_is_guard(x86_read_cr2()))
            panic_at(frame, "kernel stack overflow (double fault)");
        panic_at(frame, "double fault");
    default:
        panic_at(frame, "%s", exception_name(frame));
    }
}

void trap_interrupt(struct trap_frame *frame)
{
    apic_interrupt((unsigned)frame->vector);
}

static void print_place(const char *what, uint64_t pc)
{
    uint64_t offset;
    const char *name = symbol_find(pc, &offset);

    if (name != NULL)
        log_error("  %s %016lx %s+0x%lx", what, pc, name, offset);
    else
        log_error("  %s %016lx", what, pc);
}

void trap_print(const struct trap_frame *f)
{
    log_error("  rip %016lx  rsp %016lx  rflags %08lx  cs %02lx  cr2 %016lx", f->rip, f->rsp,
              f->rflags, f->cs, x86_read_cr2());
    log_error("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    log_error("  rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx", f->rsi, f->rdi, f->rbp, f->r8);
    log_error("  r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx", f->r9, f->r10, f->r11, f->r12);
    log_error("  r13 %016lx  r14 %016lx  r15 %016lx  cr3 %016lx", f->r13, f->r14, f->r15,
              x86_read_cr3());
    if (!trap_is_from_user(f)) {
        print_place("at", f->rip);
        trap_print_backtrace(f->rbp);
    }
}

/* Frame pointers make a linked list: [rbp] is the caller's, [rbp + 8] the return address. */
void trap_print_backtrace(uint64_t fp)
{
    for (unsigned depth = 0; depth < 32; depth++) {
        const uint64_t *frame = (const uint64_t *)fp;

        if (!IS_ALIGNED(fp, 8) || fp < DIRECT_MAP_BASE ||
            mmu_walk(mmu_kernel_context.root, fp).frame == PADDR_NONE ||
            mmu_walk(mmu_kernel_context.root, fp + 8).frame == PADDR_NONE || frame[1] == 0)
            return;
        print_place("by", frame[1] - 1); /* inside the call, which may end its function */
        if (frame[0] <= fp)
            return;
        fp = frame[0];
    }
}
