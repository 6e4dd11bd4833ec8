; The SYSCALL instruction: the fast way into the kernel.
;
; The CPU has put the return address in rcx and the flags in r11, cleared the flags named in SFMASK
; (interrupts are off), and changed nothing else: rsp is still user mode's. Everything is saved in
; one struct trap_frame, as by a trap, so that the rest of the kernel knows one kind of entry only.
;
; SYSRET with a non-canonical return address faults in the kernel on Intel CPUs, on the user's
; stack. The highest user page is never mapped, so a system call cannot end beyond USER_END; but the
; frame may have been changed, so the address is checked and IRET taken when it is not below.
;
; Functions in C keep rbx, rbp and r12 to r15, so a system call does not need to save them: they get
; into the frame only where somebody looks at all of it (fork and its kin are not called directly), or
; where the way back is the long one. rbp is saved for its own use, the end of backtraces. Whoever
; replaces the frame (exec, the return from a signal handler) makes the vector another one and sees to
; it that return_work is set.
;
; The arguments are in the registers in which a C function expects them, but for the fourth, so most
; system calls are functions that can be called at once.

extern trap_syscall, trap_syscalls, trap_nr_direct, trap_user_work, trap_return
extern kernel_stack_top, return_work, syscall_user_rsp

SELECTOR_USER_DATA   equ 0x1b
SELECTOR_USER_CODE   equ 0x23
TRAP_VECTOR_SYSCALL  equ 0x100
FRAME_R15            equ 0 * 8
FRAME_R14            equ 1 * 8
FRAME_R13            equ 2 * 8
FRAME_R12            equ 3 * 8
FRAME_RBP            equ 4 * 8
FRAME_RBX            equ 5 * 8
FRAME_RAX            equ 10 * 8
FRAME_VECTOR         equ 15 * 8
FRAME_RIP            equ 17 * 8
FRAME_RFLAGS         equ 19 * 8

; Completes the frame at rsp by the registers that are still user mode's, since C functions keep them.
%macro save_kept 0
    mov [rsp + FRAME_RBX], rbx
    mov [rsp + FRAME_R12], r12
    mov [rsp + FRAME_R13], r13
    mov [rsp + FRAME_R14], r14
    mov [rsp + FRAME_R15], r15
%endmacro

section .text
global syscall_entry
syscall_entry:
    swapgs
    mov [gs:syscall_user_rsp], rsp
    mov rsp, [gs:kernel_stack_top]
    push SELECTOR_USER_DATA
    push qword [gs:syscall_user_rsp]
    push r11
    push SELECTOR_USER_CODE
    push rcx
    push rax                            ; error_code: the number
    push TRAP_VECTOR_SYSCALL
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    sub rsp, 6 * 8                      ; what C functions keep: save_kept
    mov [rsp + FRAME_RBP], rbp
    sti
    xor ebp, ebp
    cmp rax, [trap_nr_direct]
    jae .any
    mov rax, [trap_syscalls + rax * 8]
    test rax, rax
    jz .any
    mov rcx, r10
    call rax
    mov [rsp + FRAME_RAX], rax
.done:
    cli
    cmp dword [gs:return_work], 0
    jne .work
    mov rcx, [rsp + FRAME_RIP]
    mov r11, [rsp + FRAME_RFLAGS]
    mov rax, rcx
    shr rax, 47
    jnz .slow                           ; not a user address
    test r11d, 1 << 8                   ; single-stepping: IRET keeps the trap where it belongs
    jnz .slow
    mov rbp, [rsp + FRAME_RBP]
    add rsp, 7 * 8                      ; what C functions have kept, and r11
    pop r10
    pop r9
    pop r8
    pop rax
    add rsp, 8                          ; rcx
    pop rdx
    pop rsi
    pop rdi
    mov rsp, [rsp + 5 * 8]
    swapgs
    o64 sysret
.any:
    save_kept
    mov rdi, rsp
    call trap_syscall
    jmp .done
.slow:
    save_kept
    jmp trap_return
.work:
    cmp qword [rsp + FRAME_VECTOR], TRAP_VECTOR_SYSCALL
    jne .replaced                       ; by exec, or on the return from a signal handler
    save_kept
.replaced:
    mov rdi, rsp
    call trap_user_work
    jmp trap_return                     ; the frame may be another now: IRET loads all of it
