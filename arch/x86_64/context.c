/*
 * What a CPU keeps of an LWP, and the hand-over.
 *
 * A switch leaves one stack for another. The compiler is told that switch_stacks() changes every
 * register, so it saves those that it needs, on the stack that is left; what remains is the frame
 * pointer, and where to go on. A new LWP goes on in switch.asm. (The extended registers: fpu.c.)
 */

#include <arch/context.h>
#include <arch/cpu.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <x86/cpu.h>
#include <x86/fpu.h>
#include <x86/regs.h>

/* What a new LWP's stack begins with: see switch.asm. */
struct start_frame {
    uint64_t go_on_at;
    uint64_t fn, arg; /* of a kernel thread */
};

void context_start_kernel(void);
void context_start_user(void);

static struct slab_cache *fpu_cache;

void context_setup(void)
{
    fpu_cache = slab_cache_create("fpu", x86_features.fpu_area_bytes, 64, SLAB_USER);
}

void context_init_kernel(struct arch_context *context, uint64_t stack_top, void (*fn)(void *),
                         void *arg)
{
    /* Below two words of padding, so that fn starts on an aligned stack. */
    struct start_frame *frame = (struct start_frame *)(stack_top - 16) - 1;

    *frame = (struct start_frame){
        .go_on_at = (uint64_t)context_start_kernel,
        .fn = (uint64_t)fn,
        .arg = (uint64_t)arg,
    };
    *context = (struct arch_context){.rsp = (uint64_t)frame, .stack_top = stack_top};
}

int context_init_user(struct arch_context *context, uint64_t stack_top, uint64_t tls)
{
    uint64_t *go_on_at = (uint64_t *)(stack_top - sizeof(struct trap_frame)) - 1;

    *go_on_at = (uint64_t)context_start_user;
    *context = (struct arch_context){
        .rsp = (uint64_t)go_on_at,
        .stack_top = stack_top,
        .fs_base = tls,
        .fpu = slab_alloc(fpu_cache),
    };
    if (context->fpu == NULL)
        return -ENOMEM;
    x86_fpu_clear(context->fpu);
    return 0;
}

static void write_fs_base(uint64_t base)
{
    if (x86_features.has_fsgsbase)
        x86_write_fs_base(base);
    else
        x86_write_msr(MSR_FS_BASE, base);
}

/* Where user mode cannot change the bases itself, fs_base and gs_base are always right. */
static void save_bases(struct arch_context *context)
{
    if (!x86_features.has_fsgsbase)
        return;
    context->fs_base = x86_read_fs_base();
    context->gs_base = x86_read_user_gs_base();
}

static void load_bases(const struct arch_context *context)
{
    write_fs_base(context->fs_base);
    if (x86_features.has_fsgsbase)
        x86_write_user_gs_base(context->gs_base);
    else
        x86_write_msr(MSR_KERNEL_GS_BASE, context->gs_base);
}

int context_init_copy(struct arch_context *context, uint64_t stack_top,
                      const struct arch_context *self, const uint64_t *sp, const uint64_t *tls)
{
    int error = context_init_user(context, stack_top, 0);
    struct trap_frame *frame = context_user_frame(context);
    irq_state_t irq;

    if (error != 0)
        return error;
    *frame = *((struct trap_frame *)self->stack_top - 1);
    trap_set_result(frame, 0);
    if (sp != NULL)
        frame->rsp = *sp;
    irq = irq_save();
    x86_fpu_save(context->fpu);
    context->fs_base = self->fs_base;
    context->gs_base = self->gs_base;
    save_bases(context);
    irq_restore(irq);
    if (tls != NULL)
        context->fs_base = *tls;
    return 0;
}

void context_restart(struct arch_context *self)
{
    irq_state_t irq = irq_save();

    x86_fpu_clear(self->fpu);
    x86_fpu_load(self->fpu);
    self->fs_base = 0;
    self->gs_base = 0;
    load_bases(self);
    irq_restore(irq);
}

void context_destroy(struct arch_context *context)
{
    if (context->fpu != NULL)
        slab_free(fpu_cache, context->fpu);
    context->fpu = NULL;
}

struct trap_frame *context_user_frame(struct arch_context *context)
{
    return (struct trap_frame *)context->stack_top - 1;
}

void context_set_tls(struct arch_context *context, uint64_t tls)
{
    irq_state_t irq = irq_save();

    context->fs_base = tls;
    write_fs_base(tls);
    irq_restore(irq);
}

uint64_t context_get_tls(const struct arch_context *context)
{
    return x86_features.has_fsgsbase ? x86_read_fs_base() : context->fs_base;
}

/* Kernel threads take part, with bases that nobody uses: that is cheaper than to ask. */
static void switch_bases(struct arch_context *from, const struct arch_context *to)
{
    if (likely(x86_features.has_fsgsbase)) {
        from->fs_base = x86_read_fs_base();
        x86_write_fs_base(to->fs_base);
        from->gs_base = x86_exchange_user_gs_base(to->gs_base);
    } else if (to->fpu != NULL) {
        load_bases(to);
    }
}

static inline void switch_stacks(uint64_t *save_rsp, uint64_t new_rsp)
{
    __asm__ volatile("push %%rbp\n\t"
                     "push $1f\n\t"
                     "mov %%rsp, (%0)\n\t"
                     "mov %1, %%rsp\n\t"
                     "ret\n"
                     "1:\tpop %%rbp"
                     : "+D"(save_rsp), "+S"(new_rsp)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "cc", "memory");
}

/* Part of its caller in a kernel that is linked as a whole: every switch comes through here. */
__attribute__((always_inline)) void context_switch(struct arch_context *from,
                                                   struct arch_context *to)
{
    x86_fpu_switch(from->fpu, to->fpu);
    switch_bases(from, to);
    x86_set_kernel_stack(to->stack_top);
    switch_stacks(&from->rsp, to->rsp);
}

void trap_user_start(struct trap_frame *frame, uint64_t pc, uint64_t sp, uint64_t arg,
                     uint64_t arg2)
{
    *frame = (struct trap_frame){
        .rip = pc,
        .rsp = sp,
        .rdi = arg,
        .rsi = arg2,
        .cs = SELECTOR_USER_CODE,
        .ss = SELECTOR_USER_DATA,
        .rflags = RFLAGS_FIXED | RFLAGS_IF,
    };
}
