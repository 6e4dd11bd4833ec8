#ifndef X86_PIT_H
#define X86_PIT_H

/* The PIT's input clock (IBM PC AT Technical Reference): 14.31818 MHz / 12. Inside arch/x86_64. */
#define PIT_HZ 1193182ull

#endif
