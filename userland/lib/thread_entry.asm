; The first user instructions of an LWP that thread_create() made. Its thread-local storage comes
; from the top of its own stack, so that whatever frees the stack frees it too.

bits 64
default rel

extern thread_run
extern tls_area_bytes
extern tls_init

section .text

; thread_entry(arg, function)
global thread_entry
thread_entry:
    xor ebp, ebp                ; the outermost frame: backtraces end here
    mov rbx, rdi
    mov r12, rsi
    and rsp, -16
    sub rsp, [tls_area_bytes]
    mov rdi, rsp
    call tls_init
    mov rdi, r12
    mov rsi, rbx
    call thread_run             ; does not return

section .note.GNU-stack noalloc noexec nowrite progbits
