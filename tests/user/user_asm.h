#ifndef USER_ASM_H
#define USER_ASM_H

/* What the tests do that C has no words for (user_asm.asm). */

#include <stdbool.h>
#include <stdint.h>

/* The registers that a system call, and even more so a pre-emption, has to keep. */
struct register_image {
    uint8_t vector[16][32]; /* YMM0 ... 15; the lower halves are XMM0 ... 15 */
    uint8_t x87[8][16];     /* ST0 ... 7, ten bytes each */
    uint64_t general[12];   /* RBX RBP R12 R13 R14 R15 RDX RSI RDI R8 R9 R10 */
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t padding;
    uint8_t more_padding[24];
};

_Static_assert(sizeof(struct register_image) == 768, "user_asm.asm knows this size");

enum register_use {
    REGISTERS_YIELD = 0, /* calls sched_yield() in every round */
    REGISTERS_SPIN = 1,  /* stays in user mode: some microseconds a round */
};

/*
 * Loads the registers from images[0], runs for nr_rounds, and stores what they hold then in
 * images[1]. Without AVX only the lower halves of the vectors are used.
 */
void registers_run(struct register_image images[2], uint64_t nr_rounds, enum register_use use,
                   bool has_avx);

/* Whether CPU and kernel let programs use AVX. */
bool cpu_has_avx(void);

/* Makes a system call with these bits set in RFLAGS; the answer of the kernel. */
long syscall_with_flags(uint64_t flags, long number, long a1, long a2, long a3);

/* Calls getpid() with this stack pointer. */
long getpid_with_stack(uint64_t stack_pointer);

/* Sets the GS base by WRGSBASE. */
void gs_base_write(uint64_t base);

/* Each one executes the instruction after which it is named. */
void run_hlt(void);
void run_cli(void);
void run_out(void);
void run_rdmsr(void);
void run_mov_cr3(void);
void run_int3(void);
void run_ud2(void);

/* Pushes with a non-canonical stack pointer. */
void run_push_nowhere(void);

#endif
