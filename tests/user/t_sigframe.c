/*
 * What lies on the stack of a signal handler and what comes back from there; what faults a program
 * hears of; and frames that no kernel has made.
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <asm/sigcontext.h>

#include <asm/ucontext.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE        4096ul
#define KERNEL_HALF 0xffff800000000000ul
#define STACK_BYTES 16384

#define FLAGS_TF 0x100ul

/* sigframe_asm.asm */
struct registers {
    uint64_t general[14];
    uint64_t xmm[6];
    uint64_t red_zone[2];
};
void registers_across(const struct registers *before, struct registers *after,
                      const atomic_uint *is_over);
atomic_uint registers_are_loaded;
void sigreturn_to(void *frame);
uint32_t get_mxcsr(void);
void set_mxcsr(uint32_t mxcsr);
void entry(int signal, siginfo_t *info, void *context);
uint64_t entry_sp, entry_args[4];

struct frame {
    uint64_t restorer;
    struct ucontext context;
    siginfo_t info;
};

static siginfo_t last;
static struct ucontext context;
static atomic_uint is_over, nr_calls;
static char signal_stack[STACK_BYTES] __attribute__((aligned(64)));

static void note(int signal, siginfo_t *info, void *at)
{
    (void)signal;
    last = *info;
    memcpy(&context, at, sizeof(context));
    nr_calls++;
}

static void set_default(int signal)
{
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

/* Frames. */

static void change_all(int signal, siginfo_t *info, void *at)
{
    note(signal, info, at);
    __builtin_memset(&last, 0, sizeof(last));
    set_mxcsr(0x1f80);
    is_over = 1;
}

static void *signal_the_first(void *arg)
{
    while (!registers_are_loaded)
        yield();
    syscall6(__NR_tgkill, getpid(), getpid(), SIGUSR1, 0, 0, 0);
    return arg;
}

static bool registers_are_kept(void)
{
    struct registers before, after;
    thread_t lwp;
    bool is_right = true;

    for (size_t i = 0; i < sizeof(before) / 8; i++)
        ((uint64_t *)&before)[i] = 0x0101010101010101ul * (i + 1);
    before.red_zone[0] = 1234, before.red_zone[1] = 5678;
    signal_handle(SIGUSR1, change_all, 0);
    for (size_t round = 0; round < ktap_times(20) + 1; round++) {
        memset(&after, 0, sizeof(after));
        is_over = registers_are_loaded = 0;
        thread_create(&lwp, signal_the_first, NULL);
        registers_across(&before, &after, &is_over);
        thread_join(lwp, NULL);
        is_right &= KTAP_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
    }
    return is_right && KTAP_EQUAL(context.uc_mcontext.rax, before.general[0]) &&
           KTAP_EQUAL(context.uc_mcontext.rcx, before.general[2]) &&
           KTAP_EQUAL(context.uc_mcontext.r11, before.general[10]) &&
           KTAP_EQUAL(context.uc_mcontext.r14, before.general[13]);
}

#define NR_SHOTS 150 /* with one CPU each takes a quantum */

static atomic_int nr_shots;

static void count_shot(int signal, siginfo_t *info, void *at)
{
    (void)signal, (void)info, (void)at;
    if (++nr_shots == NR_SHOTS)
        is_over = 1;
}

static void *shoot(void *arg)
{
    for (unsigned i = 0; !is_over; i++) {
        int before = nr_shots;

        syscall6(__NR_tgkill, getpid(), getpid(), SIGUSR1, 0, 0, 0);
        while (nr_shots == before && !is_over)
            yield();
        for (volatile unsigned n = i % 64 * 4; n > 0; n--)
            continue;
    }
    return arg;
}

/* The next signal is sent while the handler of the last one returns. */
static bool registers_are_kept_under_fire(void)
{
    struct registers before, after;
    thread_t lwp;

    for (size_t i = 0; i < sizeof(before) / 8; i++)
        ((uint64_t *)&before)[i] = 0x0101010101010101ul * (i + 1);
    before.red_zone[0] = 1234, before.red_zone[1] = 5678;
    memset(&after, 0, sizeof(after));
    is_over = 0;
    nr_shots = 0;
    signal_handle(SIGUSR1, count_shot, 0);
    thread_create(&lwp, shoot, NULL);
    registers_across(&before, &after, &is_over);
    thread_join(lwp, NULL);
    return KTAP_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
}

static bool stack_is_aligned(void)
{
    memset(entry_args, 0xff, sizeof(entry_args));
    signal_handle(SIGUSR1, entry, 0);
    raise(SIGUSR1);
    const struct frame *frame = (const struct frame *)entry_sp;
    return KTAP_EQUAL(entry_sp % 16, 8) && KTAP_EQUAL(entry_args[0], SIGUSR1) &&
           KTAP_EQUAL(entry_args[1], (long)&frame->info) &&
           KTAP_EQUAL(entry_args[2], (long)&frame->context) && KTAP_EQUAL(entry_args[3], 0);
}

static uint32_t magics[2], mxcsr_in_frame, mxcsr_in_handler;

static void look_at_fpu(int signal, siginfo_t *info, void *at)
{
    const struct ucontext *uc = at;
    const struct _fpstate *fpu = uc->uc_mcontext.fpstate;

    note(signal, info, at);
    mxcsr_in_frame = fpu->mxcsr;
    mxcsr_in_handler = get_mxcsr();
    magics[0] = fpu->sw_reserved.magic1;
    if (uc->uc_flags & UC_FP_XSTATE)
        memcpy(&magics[1],
               (const char *)fpu + fpu->sw_reserved.extended_size - FP_XSTATE_MAGIC2_SIZE, 4);
}

static bool fpu_state_is_marked(void)
{
    signal_handle(SIGUSR1, look_at_fpu, 0);
    memset(magics, 0, sizeof(magics));
    set_mxcsr(0x9f80);
    raise(SIGUSR1);
    uint32_t after = get_mxcsr();
    set_mxcsr(0x1f80);
    bool has_xsave = context.uc_flags & UC_FP_XSTATE;
    return KTAP_EQUAL(mxcsr_in_frame, 0x9f80) && KTAP_EQUAL(mxcsr_in_handler, 0x1f80) &&
           KTAP_EQUAL(after, 0x9f80) && KTAP_EQUAL(magics[0], has_xsave ? FP_XSTATE_MAGIC1 : 0) &&
           KTAP_EQUAL(magics[1], has_xsave ? FP_XSTATE_MAGIC2 : 0) &&
           KTAP_EQUAL((long)context.uc_mcontext.fpstate % 64, 0);
}

static void change_context(int signal, siginfo_t *info, void *at)
{
    struct ucontext *uc = at;

    (void)signal, (void)info;
    uc->uc_mcontext.rax = 4711;
    uc->uc_mcontext.fpstate->mxcsr = 0x5f80;
    uc->uc_sigmask |= signal_bit(SIGHUP);
}

static bool changes_are_taken(void)
{
    sigset_t mask;
    long result;

    signal_handle(SIGUSR1, change_context, 0);
    result = syscall6(__NR_kill, getpid(), SIGUSR1, 0, 0, 0, 0);
    uint32_t mxcsr = get_mxcsr();
    set_mxcsr(0x1f80);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigset_t hup = signal_bit(SIGHUP);
    sigprocmask(SIG_UNBLOCK, &hup, NULL);
    return KTAP_EQUAL(result, 4711) && KTAP_EQUAL(mxcsr, 0x5f80) && KTAP_EQUAL(mask, hup);
}

static void drop_fpu(int signal, siginfo_t *info, void *at)
{
    (void)signal, (void)info;
    ((struct ucontext *)at)->uc_mcontext.fpstate = NULL;
}

static bool no_fpu_state_is_a_clean_one(void)
{
    signal_handle(SIGUSR1, drop_fpu, 0);
    set_mxcsr(0x9f80);
    raise(SIGUSR1);
    return KTAP_EQUAL(get_mxcsr(), 0x1f80);
}

/* The signal stack. */

static stack_t stack_in_handler;
static uintptr_t handler_sp;

static void note_stack(int signal, siginfo_t *info, void *at)
{
    note(signal, info, at);
    handler_sp = (uintptr_t)__builtin_frame_address(0);
    sigaltstack(NULL, &stack_in_handler);
}

static bool is_on_signal_stack(void)
{
    return handler_sp > (uintptr_t)signal_stack &&
           handler_sp < (uintptr_t)signal_stack + STACK_BYTES;
}

static bool signal_stack_is_used(void)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = STACK_BYTES}, now;
    stack_t none = {.ss_flags = SS_DISABLE};
    bool is_right = KTAP_EQUAL(sigaltstack(&stack, NULL), 0);

    signal_handle(SIGUSR1, note_stack, SA_ONSTACK);
    raise(SIGUSR1);
    sigaltstack(NULL, &now);
    is_right &= KTAP_TRUE(is_on_signal_stack()) &&
                KTAP_EQUAL(stack_in_handler.ss_flags, SS_ONSTACK) && KTAP_EQUAL(now.ss_flags, 0) &&
                KTAP_EQUAL(now.ss_size, STACK_BYTES) &&
                KTAP_TRUE(context.uc_stack.ss_sp == signal_stack);
    signal_handle(SIGUSR1, note_stack, 0);
    raise(SIGUSR1);
    is_right &= KTAP_TRUE(!is_on_signal_stack());
    stack.ss_flags = (int)SS_AUTODISARM;
    is_right &= KTAP_EQUAL(sigaltstack(&stack, NULL), 0);
    signal_handle(SIGUSR1, note_stack, SA_ONSTACK);
    raise(SIGUSR1);
    sigaltstack(&none, &now);
    is_right &= KTAP_TRUE(is_on_signal_stack()) &&
                KTAP_EQUAL(stack_in_handler.ss_flags, SS_DISABLE) &&
                KTAP_EQUAL((unsigned)now.ss_flags, SS_AUTODISARM);
    sigaltstack(NULL, &now);
    return is_right && KTAP_EQUAL(now.ss_flags, SS_DISABLE);
}

static long change_result;

static void change_stack(int signal, siginfo_t *info, void *at)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    (void)signal, (void)info, (void)at;
    change_result = sigaltstack(&none, NULL) < 0 ? errno : 0;
}

static bool signal_stack_is_refused(void)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = STACK_BYTES}, small = stack, odd = stack;
    stack_t none = {.ss_flags = SS_DISABLE};

    small.ss_size = 1024;
    odd.ss_flags = 64;
    bool is_right =
        FAILS(sigaltstack(&small, NULL), ENOMEM) && FAILS(sigaltstack(&odd, NULL), EINVAL);
    sigaltstack(&stack, NULL);
    signal_handle(SIGUSR1, change_stack, SA_ONSTACK);
    raise(SIGUSR1);
    sigaltstack(&none, NULL);
    return is_right && KTAP_EQUAL(change_result, EPERM);
}

static volatile bool is_deep_enough; /* never */

static void recurse(volatile char *from)
{
    volatile char room[1024];

    room[0] = *from;
    if (!is_deep_enough)
        recurse(room);
    room[1] = 1;
}

static void exit_well(int signal, siginfo_t *info, void *at)
{
    (void)signal, (void)info, (void)at;
    _exit(CHILD_IS_WELL);
}

static void overflow(void *arg)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = STACK_BYTES};
    char start = 0;

    (void)arg;
    sigaltstack(&stack, NULL);
    signal_handle(SIGSEGV, exit_well, SA_ONSTACK);
    recurse(&start);
}

static void overflow_without(void *arg)
{
    char start = 0;

    (void)arg;
    signal_handle(SIGSEGV, exit_well, 0);
    recurse(&start);
}

static bool ends_with(void (*function)(void *), void *arg, int wanted)
{
    int status = -1;
    pid_t child = start_child(function, arg);

    return KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_EQUAL(status, wanted);
}

static bool overflow_is_handled(void)
{
    return ends_with(overflow, NULL, CHILD_IS_WELL << 8) &&
           ends_with(overflow_without, NULL, SIGSEGV);
}

/* Faults. */

#define FUNCTION(name) extern void name(uintptr_t), name##_at(void), name##_after(void)
FUNCTION(divide_by_zero);
FUNCTION(undefined);
FUNCTION(break_here);
FUNCTION(privileged);
FUNCTION(not_canonical);
FUNCTION(local_selector);
FUNCTION(x87_divide);
FUNCTION(single_step);
FUNCTION(read_there);
FUNCTION(write_there);

static uintptr_t go_on_at;

static void note_and_go_on(int signal, siginfo_t *info, void *at)
{
    struct ucontext *uc = at;

    note(signal, info, at);
    uc->uc_mcontext.rip = go_on_at;
    uc->uc_mcontext.eflags &= ~FLAGS_TF;
    uc->uc_mcontext.fpstate = NULL;
}

struct fault {
    const char *what;
    void (*function)(uintptr_t);
    void (*at)(void), (*after)(void);
    int signal, code, trap;
    bool has_pc; /* si_addr is the instruction's address */
};

#define FAULT(name) name, name##_at, name##_after

static const struct fault faults[] = {
    {"a division by zero", FAULT(divide_by_zero), SIGFPE, FPE_INTDIV, 0, true},
    {"an undefined instruction", FAULT(undefined), SIGILL, ILL_ILLOPN, 6, true},
    {"a breakpoint", FAULT(break_here), SIGTRAP, SI_KERNEL, 3, false},
    {"a privileged instruction", FAULT(privileged), SIGSEGV, SI_KERNEL, 13, false},
    {"an address that is not canonical", FAULT(not_canonical), SIGSEGV, SI_KERNEL, 13, false},
    {"a selector of no table", FAULT(local_selector), SIGSEGV, SI_KERNEL, 13, false},
    {"an x87 division by zero", FAULT(x87_divide), SIGFPE, FPE_FLTDIV, 16, true},
    {"a single step", FAULT(single_step), SIGTRAP, TRAP_TRACE, 1, false},
};

static bool fault_is_told(const struct fault *fault)
{
    memset(&last, 0, sizeof(last));
    nr_calls = 0;
    go_on_at = (uintptr_t)fault->after;
    signal_handle(fault->signal, note_and_go_on, 0);
    fault->function(0);
    set_default(fault->signal);
    return KTAP_EQUAL(nr_calls, 1) && KTAP_EQUAL(last.si_signo, fault->signal) &&
           KTAP_EQUAL(last.si_code, fault->code) &&
           KTAP_EQUAL(context.uc_mcontext.trapno, fault->trap) &&
           (!fault->has_pc || (KTAP_EQUAL((long)last.si_addr, (long)fault->at) &&
                               KTAP_EQUAL(context.uc_mcontext.rip, (long)fault->at)));
}

static bool access_is_told(void (*function)(uintptr_t), void (*after)(void), uintptr_t address,
                           int code)
{
    memset(&last, 0, sizeof(last));
    nr_calls = 0;
    go_on_at = (uintptr_t)after;
    function(address);
    return KTAP_EQUAL(nr_calls, 1) && KTAP_EQUAL(last.si_code, code) &&
           KTAP_EQUAL((long)last.si_addr, (long)address) &&
           KTAP_EQUAL(context.uc_mcontext.cr2, (long)address) &&
           KTAP_EQUAL(context.uc_mcontext.trapno, 14);
}

static bool accesses_are_told(void)
{
    char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool is_right;

    signal_handle(SIGSEGV, note_and_go_on, 0);
    is_right = access_is_told(read_there, read_there_after, 0x10, SEGV_MAPERR) &&
               access_is_told(write_there, write_there_after, 0x10, SEGV_MAPERR) &&
               access_is_told(write_there, write_there_after, (uintptr_t)page + 8, SEGV_ACCERR) &&
               access_is_told(read_there, read_there_after, (uintptr_t)none, SEGV_ACCERR) &&
               access_is_told(read_there, read_there_after, KERNEL_HALF, SEGV_MAPERR);
    munmap(page, PAGE);
    is_right &= access_is_told(read_there, read_there_after, (uintptr_t)page, SEGV_MAPERR);
    munmap(none, PAGE);
    set_default(SIGSEGV);
    return is_right;
}

struct blocked_fault {
    void (*function)(uintptr_t);
    int signal;
    bool is_blocked, is_ignored;
};

static void fault_unhandled(void *arg)
{
    const struct blocked_fault *fault = arg;
    sigset_t set = signal_bit(fault->signal);

    if (fault->is_ignored)
        sigaction(fault->signal, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    else
        signal_handle(fault->signal, exit_well, 0);
    if (fault->is_blocked)
        sigprocmask(SIG_BLOCK, &set, NULL);
    fault->function(0);
    _exit(1);
}

static bool faults_cannot_be_held_off(void)
{
    struct blocked_fault all[] = {
        {divide_by_zero, SIGFPE, true, false}, {divide_by_zero, SIGFPE, false, true},
        {read_there, SIGSEGV, true, false},    {read_there, SIGSEGV, false, true},
        {undefined, SIGILL, true, true},
    };
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(all); i++)
        is_right &= ends_with(fault_unhandled, &all[i], all[i].signal);
    return is_right;
}

/* Frames that the kernel must not believe. */

static struct frame good;
static char fpu_area[8192] __attribute__((aligned(64)));
static size_t nr_fpu_bytes;

static void copy_frame(int signal, siginfo_t *info, void *at)
{
    const struct frame *frame =
        (const struct frame *)((char *)at - offsetof(struct frame, context));
    const struct _fpstate *fpu = frame->context.uc_mcontext.fpstate;

    (void)signal, (void)info;
    nr_fpu_bytes = frame->context.uc_flags & UC_FP_XSTATE ? fpu->sw_reserved.extended_size : 512;
    memcpy(&good, frame, sizeof(good));
    memcpy(fpu_area, fpu, nr_fpu_bytes);
}

static void exit_directly(void)
{
    syscall6(__NR_exit_group, CHILD_IS_WELL, 0, 0, 0, 0, 0);
}

struct hostile {
    const char *what;
    void (*spoil)(struct frame *frame);
    int status;
};

/* In a child: a frame that goes to exit_directly(), but for what is wrong with it. */
static void return_to_frame(void *arg)
{
    static char stack[STACK_BYTES] __attribute__((aligned(16)));
    static struct frame frame __attribute__((aligned(16)));
    const struct hostile *hostile = arg;

    signal_handle(SIGUSR1, copy_frame, 0);
    raise(SIGUSR1);
    frame = good;
    frame.context.uc_mcontext.rip = (uint64_t)exit_directly;
    frame.context.uc_mcontext.rsp = (uint64_t)stack + STACK_BYTES - 8;
    frame.context.uc_mcontext.fpstate = (struct _fpstate *)fpu_area;
    hostile->spoil(&frame);
    sigreturn_to(&frame);
}

static void spoil_nothing(struct frame *f)
{
    (void)f;
}
static void spoil_rip(struct frame *f)
{
    f->context.uc_mcontext.rip = 0x0000800000000000ul;
}
static void spoil_rip_far(struct frame *f)
{
    f->context.uc_mcontext.rip = 0x8000000000000000ul;
}
static void spoil_rip_kernel(struct frame *f)
{
    f->context.uc_mcontext.rip = 0xffffffff80100000ul;
}
static void spoil_rsp(struct frame *f)
{
    f->context.uc_mcontext.rsp = 0x8000000000000000ul;
}
static void spoil_cs(struct frame *f)
{
    f->context.uc_mcontext.cs = 8;
}
static void spoil_cs_null(struct frame *f)
{
    f->context.uc_mcontext.cs = 0;
}
static void spoil_ss(struct frame *f)
{
    f->context.uc_mcontext.ss = 0x28;
}
static void spoil_flags(struct frame *f)
{
    f->context.uc_mcontext.eflags = ~FLAGS_TF & 0x3f7fd7; /* IOPL, VM, no IF ... */
}
static void spoil_fpstate(struct frame *f)
{
    f->context.uc_mcontext.fpstate = (struct _fpstate *)KERNEL_HALF;
}
static void spoil_fpstate_far(struct frame *f)
{
    f->context.uc_mcontext.fpstate = (struct _fpstate *)0x8000000000000000ul;
}
static void spoil_alignment(struct frame *f)
{
    f->context.uc_mcontext.fpstate = (struct _fpstate *)(fpu_area + 1);
}
static void spoil_mxcsr(struct frame *f)
{
    f->context.uc_mcontext.fpstate->mxcsr = 0xffff0000;
}
static void spoil_xstate_bv(struct frame *f)
{
    if (f->context.uc_flags & UC_FP_XSTATE)
        memset(fpu_area + 512, 0xff, 8);
    else
        f->context.uc_mcontext.rip = 0;
}
static void spoil_xcomp_bv(struct frame *f)
{
    if (f->context.uc_flags & UC_FP_XSTATE)
        memset(fpu_area + 520, 0xff, 8);
    else
        f->context.uc_mcontext.rip = 0;
}
static void spoil_magic(struct frame *f)
{
    f->context.uc_mcontext.fpstate->sw_reserved.magic1 = 0;
}
static void spoil_size(struct frame *f)
{
    f->context.uc_mcontext.fpstate->sw_reserved.extended_size = 0xffffffff;
    f->context.uc_mcontext.fpstate->sw_reserved.xstate_size = 0xfffffff0;
}
static void spoil_stack(struct frame *f)
{
    f->context.uc_stack.ss_sp = (void *)KERNEL_HALF;
    f->context.uc_stack.ss_size = ~0ul;
    f->context.uc_stack.ss_flags = 0;
}
static void spoil_mask(struct frame *f)
{
    f->context.uc_sigmask = ~0ul;
}

#define IS_WELL (CHILD_IS_WELL << 8)

static const struct hostile hostiles[] = {
    {"nothing wrong goes on there", spoil_nothing, IS_WELL},
    {"an address beyond user memory is SIGSEGV", spoil_rip, SIGSEGV},
    {"an address that is not canonical is SIGSEGV", spoil_rip_far, SIGSEGV},
    {"an address in the kernel is SIGSEGV", spoil_rip_kernel, SIGSEGV},
    {"a stack pointer that is not canonical is SIGBUS or SIGSEGV", spoil_rsp, -1},
    {"the kernel's code selector is SIGSEGV", spoil_cs, SIGSEGV},
    {"no code selector is SIGSEGV", spoil_cs_null, SIGSEGV},
    {"a wrong stack selector is SIGSEGV", spoil_ss, SIGSEGV},
    {"flags of the kernel has them ignored", spoil_flags, IS_WELL},
    {"FPU state in the kernel is SIGSEGV", spoil_fpstate, SIGSEGV},
    {"FPU state at no address is SIGSEGV", spoil_fpstate_far, SIGSEGV},
    {"FPU state at an odd address is SIGSEGV", spoil_alignment, SIGSEGV},
    {"bits of MXCSR that do not exist is SIGSEGV", spoil_mxcsr, SIGSEGV},
    {"FPU components that do not exist is SIGSEGV", spoil_xstate_bv, SIGSEGV},
    {"a compacted FPU state is SIGSEGV", spoil_xcomp_bv, SIGSEGV},
    {"FPU state without its mark loads what it has", spoil_magic, IS_WELL},
    {"FPU state of a wrong size loads what is sure", spoil_size, IS_WELL},
    {"a signal stack in the kernel goes on", spoil_stack, IS_WELL},
    {"all signals blocked goes on", spoil_mask, IS_WELL},
};

static bool hostile_is_survived(const struct hostile *hostile)
{
    int status = -1;
    pid_t child = start_child(return_to_frame, (void *)hostile);

    waitpid(child, &status, 0);
    if (hostile->status < 0)
        return KTAP_TRUE(status == SIGSEGV || status == SIGBUS);
    return KTAP_EQUAL(status, hostile->status);
}

static void sigreturn_at(void *where)
{
    sigreturn_to(where);
}

static void check_kept(int signal, siginfo_t *info, void *at)
{
    const struct sigcontext *c = &((struct ucontext *)at)->uc_mcontext;

    (void)signal, (void)info;
    if (c->rbx == 0x1111 && c->r12 == 0x2222 && c->r13 == 0x3333 && c->r14 == 0x4444 &&
        c->r15 == 0x5555 && c->rsp == 0x1008)
        exit_directly();
    _exit(1);
}

/* The handler of the fault sees the registers that there were, and nothing of the kernel's. */
static void sigreturn_and_look(void *where)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};

    sigaltstack(&stack, NULL);
    signal_handle(SIGSEGV, check_kept, SA_ONSTACK);
    sigreturn_to(where);
}

static void use_handler(void *where)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = (__sighandler_t)where;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

static void use_no_restorer(void *arg)
{
    struct sigaction action;

    (void)arg;
    memset(&action, 0, sizeof(action));
    action.sa_handler = (__sighandler_t)(void *)exit_well;
    syscall6(__NR_rt_sigaction, SIGUSR1, (long)&action, 0, 8, 0, 0);
    raise(SIGUSR1);
}

static bool wild_addresses_are_survived(void)
{
    return ends_with(sigreturn_at, (void *)0x1000, SIGSEGV) &&
           ends_with(sigreturn_and_look, (void *)0x1000, IS_WELL) &&
           ends_with(sigreturn_at, (void *)KERNEL_HALF, SIGSEGV) &&
           ends_with(sigreturn_at, (void *)0x8000000000000000ul, SIGSEGV) &&
           ends_with(use_handler, (void *)0x1000, SIGSEGV) &&
           ends_with(use_handler, (void *)KERNEL_HALF, SIGSEGV) &&
           ends_with(use_handler, (void *)0x8000000000000000ul, SIGSEGV) &&
           ends_with(use_no_restorer, NULL, SIGSEGV);
}

static const struct ktap_test tests[] = {
    {"all registers and the red zone are kept across a handler", registers_are_kept},
    {"also when signals come one after the other", registers_are_kept_under_fire},
    {"a handler finds an aligned stack and its arguments", stack_is_aligned},
    {"the FPU state is in the frame, marked, and a handler starts with a clean one",
     fpu_state_is_marked},
    {"what a handler changes in its context is taken", changes_are_taken},
    {"no FPU state means a clean one", no_fpu_state_is_a_clean_one},
    {"SA_ONSTACK uses the signal stack", signal_stack_is_used},
    {"a signal stack is refused that cannot be", signal_stack_is_refused},
    {"a stack overflow is handled there, and otherwise ends the program", overflow_is_handled},
    {"accesses to memory are told, with their address", accesses_are_told},
    {"faults cannot be blocked or ignored", faults_cannot_be_held_off},
    {"wild addresses of frames and handlers end the program only", wild_addresses_are_survived},
};

int main(void)
{
    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(faults) + KTAP_LEN(hostiles));
    ktap_run(tests, KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(faults); i++)
        ktap_ok(fault_is_told(&faults[i]), "a handler is told of %s", faults[i].what);
    for (size_t i = 0; i < KTAP_LEN(hostiles); i++)
        ktap_ok(hostile_is_survived(&hostiles[i]), "a frame with %s", hostiles[i].what);
    return ktap_finish();
}
