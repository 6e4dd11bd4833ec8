#ifndef X86_FPU_H
#define X86_FPU_H

/* Areas are x86_features.fpu_area_bytes long, at multiples of 64. Inside arch/x86_64 only. */

void x86_fpu_save(void *area);
void x86_fpu_load(const void *area);
/* Saves and loads at once; NULL: that side has none. */
void x86_fpu_switch(void *from, const void *to);

/* Why the running program's x87 or SSE unit raised an exception: FPE_* (signal.c). */
int x86_fpu_exception_code(bool is_simd);

void x86_fpu_clear(void *area); /* the state in which a program starts */

#endif
