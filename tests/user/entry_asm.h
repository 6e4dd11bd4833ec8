#ifndef ENTRY_ASM_H
#define ENTRY_ASM_H

/* A system call with a value in every register (entry_asm.asm). */

#include <stdint.h>

struct entry_registers {
    uint64_t rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15;
    uint64_t rcx, r11, rsp; /* only those after a call mean something */
    uint64_t unused[2];
    uint64_t xmm[16][2];
};

_Static_assert(sizeof(struct entry_registers) == 400, "entry_asm.asm knows this size");

/* What entry_call() loads before SYSCALL, and what it finds after it. */
extern struct {
    struct entry_registers before, after;
} entry_state;

/* 1: where the call returns 0, entry_call() does not return but ends the process. */
extern int entry_child_ends;

void entry_call(void);
void entry_after(void); /* the address behind SYSCALL */

#endif
