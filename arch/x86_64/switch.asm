; The switch from one LWP to another, and how a new one starts.
;
; A switch is an ordinary function call for both sides, so only what the System V ABI makes the
; callee keep needs saving, on the stack that is left; then the stack pointer is exchanged.

extern context_started, trap_return

section .text

; void context_switch_stacks(uint64_t *save_rsp, uint64_t new_rsp)
global context_switch_stacks
context_switch_stacks:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, rsi
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

; A new kernel thread: r12 = function, r13 = its argument.
global context_start_kernel
context_start_kernel:
    call context_started
    sti
    mov rdi, r13
    xor ebp, ebp
    call r12
    ud2

; A new user LWP: the frame that takes it to user mode is at the stack pointer.
global context_start_user
context_start_user:
    call context_started
    jmp trap_return
