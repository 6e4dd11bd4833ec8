#ifndef ARCH_IMPL_TRAP_H
#define ARCH_IMPL_TRAP_H

/* The kernel is not entered on the host, but by calls. */

#endif
