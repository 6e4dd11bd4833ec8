; What only assembly can see of a signal handler: every register of the program that it interrupts.

bits 64
section .text

; void registers_across(struct registers *before, struct registers *after, unsigned *is_over)
; Loads registers from *before, sets registers_are_loaded, waits for *is_over in a loop that changes
; none, and stores them: rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r14; xmm0, xmm7 and xmm15; and two
; words of the red zone.
extern registers_are_loaded
global registers_across
registers_across:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rsi
    mov r15, rdx
    mov rax, rdi
    movdqu xmm0, [rax + 112]
    movdqu xmm7, [rax + 128]
    movdqu xmm15, [rax + 144]
    mov rbx, [rax + 8]
    mov rcx, [rax + 16]
    mov rdx, [rax + 24]
    mov rsi, [rax + 32]
    mov rdi, [rax + 40]
    mov rbp, [rax + 48]
    mov r8, [rax + 56]
    mov r9, [rax + 64]
    mov r10, [rax + 72]
    mov r11, [rax + 80]
    mov r12, [rax + 88]
    mov r13, [rax + 96]
    mov r14, [rax + 104]
    mov rax, [rax]
    mov qword [rsp - 8], 1234           ; the red zone
    mov qword [rsp - 128], 5678
    mov dword [rel registers_are_loaded], 1
.wait:
    cmp dword [r15], 0
    je .wait
    mov r15, [rsp]                      ; `after`
    mov [r15], rax
    mov [r15 + 8], rbx
    mov [r15 + 16], rcx
    mov [r15 + 24], rdx
    mov [r15 + 32], rsi
    mov [r15 + 40], rdi
    mov [r15 + 48], rbp
    mov [r15 + 56], r8
    mov [r15 + 64], r9
    mov [r15 + 72], r10
    mov [r15 + 80], r11
    mov [r15 + 88], r12
    mov [r15 + 96], r13
    mov [r15 + 104], r14
    movdqu [r15 + 112], xmm0
    movdqu [r15 + 128], xmm7
    movdqu [r15 + 144], xmm15
    mov rax, [rsp - 8]
    mov [r15 + 160], rax
    mov rax, [rsp - 128]
    mov [r15 + 168], rax
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

; Functions that do one thing that must not be done: NAME, NAME_at the instruction, NAME_after where to
; go on.
%macro function 1
global %1, %1_at, %1_after
%1:
%endmacro

function divide_by_zero
    xor edx, edx
    xor ecx, ecx
    mov eax, 1
divide_by_zero_at:
    div ecx
divide_by_zero_after:
    ret

function undefined
undefined_at:
    ud2
undefined_after:
    ret

function break_here
    int3
break_here_at:
break_here_after:
    ret

function privileged
privileged_at:
    hlt
privileged_after:
    ret

; A selector of the local descriptor table: there is none.
function local_selector
    mov eax, 7
local_selector_at:
    mov es, ax
local_selector_after:
    ret

function not_canonical
    mov rax, 0x8000000000000000
not_canonical_at:
    mov [rax], eax
not_canonical_after:
    ret

function x87_divide
    sub rsp, 8
    fninit
    mov dword [rsp], 0x037b             ; divisions by zero are not masked
    fldcw [rsp]
    fld1
    fldz
    fdivp
x87_divide_at:
    fwait
x87_divide_after:
    add rsp, 8
    fninit
    ret

function single_step
    pushf
    or dword [rsp], 0x100
    popf
    nop
single_step_at:
single_step_after:
    ret

; rdi: an address to read, write or call
function read_there
read_there_at:
    mov eax, [rdi]
read_there_after:
    ret

function write_there
write_there_at:
    mov [rdi], eax
write_there_after:
    ret

; void sigreturn_to(void *frame): rt_sigreturn with the stack pointer where a handler would have it
; What functions keep has values that are known: 0x1111 in rbx to 0x5555 in r15.
global sigreturn_to
sigreturn_to:
    mov rbx, 0x1111
    mov r12, 0x2222
    mov r13, 0x3333
    mov r14, 0x4444
    mov r15, 0x5555
    lea rsp, [rdi + 8]
    mov eax, 15
    syscall
    ud2

; uint32_t get_mxcsr(void), void set_mxcsr(uint32_t), uint64_t get_sp_at_entry(void)
global get_mxcsr, set_mxcsr
get_mxcsr:
    sub rsp, 8
    stmxcsr [rsp]
    mov eax, [rsp]
    add rsp, 8
    ret
set_mxcsr:
    mov [rsp - 8], edi
    ldmxcsr [rsp - 8]
    ret

; void entry(int, siginfo_t *, void *): notes the stack pointer and rdi to rdx as a handler gets them.
extern entry_sp, entry_args
global entry
entry:
    mov [entry_sp], rsp
    mov [entry_args], rdi
    mov [entry_args + 8], rsi
    mov [entry_args + 16], rdx
    mov [entry_args + 24], rax
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
