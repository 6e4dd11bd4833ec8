#ifndef ARCH_IMPL_CONTEXT_H
#define ARCH_IMPL_CONTEXT_H

/* Nothing is switched on the host. */
struct arch_context {
    char unused;
};

#endif
