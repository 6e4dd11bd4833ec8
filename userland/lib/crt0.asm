; The first user instructions of a program. The kernel lays the stack out as Linux does: argc at
; rsp, which is a multiple of 16, then argv, envp and the auxiliary vector.

bits 64
default rel

extern start_read_stack
extern start_main
extern tls_area_bytes
extern tls_init

section .text

global _start
_start:
    xor ebp, ebp                ; the outermost frame: backtraces end here
    mov rbx, rsp
    mov rdi, rsp
    and rsp, -16
    call start_read_stack       ; after which tls_area_bytes is known
    sub rsp, [tls_area_bytes]   ; thread-local storage of the first LWP
    mov rdi, rsp
    call tls_init
    mov rdi, rbx
    call start_main             ; does not return

section .note.GNU-stack noalloc noexec nowrite progbits
