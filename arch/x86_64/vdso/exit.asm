; Where a function that lwp_create() has started returns to (arch/vdso.h).

SYS_LWP_EXIT equ 1025                   ; abi/thrum.h

section .exit progbits alloc exec nowrite align=16
    mov rdi, rax                        ; the function's result is the LWP's value
    mov eax, SYS_LWP_EXIT
    syscall
    ud2
