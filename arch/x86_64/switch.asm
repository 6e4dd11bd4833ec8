; How a new LWP starts: context.c has prepared its stack, and the switch to it returns here.

extern context_started, trap_return

section .text

; A new kernel thread: the function and its argument are on the stack.
global context_start_kernel
context_start_kernel:
    call context_started
    sti
    pop rax
    pop rdi
    xor ebp, ebp
    call rax
    ud2

; A new user LWP: the frame that takes it to user mode is at the stack pointer.
global context_start_user
context_start_user:
    call context_started
    jmp trap_return
