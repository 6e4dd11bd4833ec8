#ifndef SYS_AUXV_H
#define SYS_AUXV_H

/* What the kernel tells a program at its start, beside arguments and environment. */

#include <linux/auxvec.h>

/* The value of an AT_* entry; 0 with `errno` ENOENT when the kernel gave none. */
unsigned long getauxval(unsigned long type);

#endif
