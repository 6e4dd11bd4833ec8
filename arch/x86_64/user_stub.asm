; User code that the kernel lends to every program (arch/program.h).

SYS_LWP_EXIT equ 1025                   ; abi/thrum.h

section .rodata
global arch_user_stub, arch_user_stub_bytes
arch_user_stub:
    mov rdi, rax                        ; the function's result is the LWP's value
    mov eax, SYS_LWP_EXIT
    syscall
    ud2
arch_user_stub_end:

align 8
arch_user_stub_bytes: dq arch_user_stub_end - arch_user_stub
