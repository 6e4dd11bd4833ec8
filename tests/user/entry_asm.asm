; A system call with a value in every register (entry_asm.h).

bits 64
default rel

%define NR_exit 60

%define AFTER 400                       ; sizeof(struct entry_registers)

section .bss
alignb 16
global entry_state, entry_child_ends
entry_state:
    resb 2 * AFTER
entry_child_ends:
    resd 1
kept:
    resq 8

section .text

; The general registers but rsp and rcx, in the order of struct entry_registers.
%macro for_general 1
    %1 0, rax
    %1 1, rbx
    %1 2, rdx
    %1 3, rsi
    %1 4, rdi
    %1 5, rbp
    %1 6, r8
    %1 7, r9
    %1 8, r10
    %1 9, r12
    %1 10, r13
    %1 11, r14
    %1 12, r15
%endmacro

%macro load 2
    mov %2, [entry_state + %1 * 8]
%endmacro

%macro store 2
    mov [entry_state + AFTER + %1 * 8], %2
%endmacro

; void entry_call(void)
global entry_call, entry_after
entry_call:
    mov [kept], rbx
    mov [kept + 8], rbp
    mov [kept + 16], r12
    mov [kept + 24], r13
    mov [kept + 32], r14
    mov [kept + 40], r15
%assign i 0
%rep 16
    movdqu xmm%+i, [entry_state + 144 + i * 16]
%assign i i + 1
%endrep
    for_general load
    syscall
entry_after:
    for_general store
    mov [entry_state + AFTER + 13 * 8], rcx
    mov [entry_state + AFTER + 14 * 8], r11
    mov rcx, rsp
    mov [entry_state + AFTER + 15 * 8], rcx
%assign i 0
%rep 16
    movdqu [entry_state + AFTER + 144 + i * 16], xmm%+i
%assign i i + 1
%endrep
    test rax, rax
    jnz .return
    cmp dword [entry_child_ends], 0
    je .return
    xor edi, edi                        ; a child on its parent's stack
    mov eax, NR_exit
    syscall
.return:
    mov rbx, [kept]
    mov rbp, [kept + 8]
    mov r12, [kept + 16]
    mov r13, [kept + 24]
    mov r14, [kept + 32]
    mov r15, [kept + 40]
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
