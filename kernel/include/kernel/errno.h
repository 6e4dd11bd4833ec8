#ifndef KERNEL_ERRNO_H
#define KERNEL_ERRNO_H

/*
 * Error numbers are Linux's, from the distribution's kernel headers. Functions return them negated.
 */

#include <asm-generic/errno.h>

/*
 * What an interrupted system call returns; the numbers are Linux's. No program sees them: on the
 * way back to user mode (proc/signal.h) the call is made again, or becomes -EINTR. If no handler
 * runs all of them are made again; after a handler:
 */
#define ERESTARTSYS           512 /* made again if the handler has SA_RESTART */
#define ERESTARTNOINTR        513 /* always made again */
#define ERESTARTNOHAND        514 /* never */
#define ERESTART_RESTARTBLOCK 516 /* never; made again, it goes on (signal_restart_by()) */

#endif
