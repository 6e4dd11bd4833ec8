#ifndef ARCH_IMPL_CONTEXT_H
#define ARCH_IMPL_CONTEXT_H

struct arch_context {
    uint64_t rsp;       /* while not running: the saved kernel stack pointer */
    uint64_t stack_top; /* of the kernel stack */
    uint64_t fs_base;   /* user mode's, while not running */
    uint64_t gs_base;
    void *fpu; /* save area of the extended registers; NULL: a kernel thread */
};

#endif
