#ifndef KERNEL_ERRNO_H
#define KERNEL_ERRNO_H

/*
 * Error numbers are Linux's, from the distribution's kernel headers. Functions return them negated.
 */

#include <asm-generic/errno.h>

/* Inside the kernel only: never seen by a program (Linux uses the same number for the purpose). */
#define ERESTARTSYS 512 /* interrupted before anything happened: restart after the handler */

#endif
