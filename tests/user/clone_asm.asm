; clone from C: the child cannot return to a function whose frame is on the parent's stack.
; clone_asm.h says what each function is for.

bits 64
default rel

%define NR_clone  56
%define NR_exit   60
%define NR_clone3 435

section .text

; The kernel keeps all registers but rax, rcx and r11, in the child too: rbx and r9 hold what it
; runs.
child:
    xor ebp, ebp
    and rsp, -16
    mov rdi, rbx
    call r9
    mov edi, eax
    mov eax, NR_exit
    syscall
    ud2

; clone_call(flags, stack_top, parent_tid, child_tid, tls, function, arg)
global clone_call
clone_call:
    push rbx
    mov rbx, [rsp + 16]
    mov r10, rcx
    mov eax, NR_clone
    syscall
    test rax, rax
    jz child
    pop rbx
    ret

; clone3_call(args, nr_bytes, function, arg)
global clone3_call
clone3_call:
    push rbx
    mov rbx, rcx
    mov r9, rdx
    mov eax, NR_clone3
    syscall
    test rax, rax
    jz child
    pop rbx
    ret

global fs_first_word
fs_first_word:
    mov rax, [fs:0]
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
