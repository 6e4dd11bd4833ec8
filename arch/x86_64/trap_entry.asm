; Every entry by exception or interrupt, and the way back.
;
; A stub per vector pushes what the CPU did not (an error code of 0, the vector) and the common
; code completes struct trap_frame (arch_impl/trap.h). There are three kinds:
;
;   exceptions      run on the LWP's kernel stack. From user mode, SWAPGS first.
;   interrupts      the same, but the handler runs on the CPU's interrupt stack. When it is done the
;                   CPU is back on the LWP's stack, where it may be preempted.
;   IST exceptions  (double fault, NMI, machine check, debug) strike anywhere, also between SWAPGS
;                   and the kernel's first own instruction, and user mode may have given GS any
;                   base. So they neither look at the privilege level nor at the sign of GS: they
;                   take the CPU's base from the top of their own stack, and put back on leaving
;                   exactly what was there.

extern trap_exception, trap_interrupt, trap_ist
extern irq_preempt, trap_user_work
extern irq_stack_top, return_work, x86_features

MSR_GS_BASE equ 0xc0000101

%macro push_registers 0
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
%endmacro

%macro pop_registers 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
%endmacro

; With SMAP, an interrupted user copy leaves user memory open: close it for the handler. (IRET opens
; it again with the flags of the copy.)
%macro close_user 0
    cmp byte [x86_features + 1], 0      ; has_smap
    je %%no_smap
    clac
%%no_smap:
%endmacro

FRAME_CS equ 15 * 8 + 2 * 8 + 8

section .text

%assign vector 0
%rep 256
stub_ %+ vector:
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21 || vector = 29 || vector = 30
%else
    push 0
%endif
    push vector
%if vector = 1 || vector = 2 || vector = 8 || vector = 18
    jmp ist_entry
%elif vector < 32
    jmp exception_entry
%else
    jmp interrupt_entry
%endif
%assign vector vector + 1
%endrep

exception_entry:
    push_registers
    cld
    close_user
    test byte [rsp + FRAME_CS], 3
    jz .from_kernel
    swapgs
.from_kernel:
    mov rdi, rsp
    xor ebp, ebp
    call trap_exception
    jmp trap_return

interrupt_entry:
    push_registers
    cld
    close_user
    test byte [rsp + FRAME_CS], 3
    jz .from_kernel
    swapgs
.from_kernel:
    mov rbx, rsp
    mov rdi, rsp
    mov rsp, [gs:irq_stack_top]
    push rbx                            ; a frame link for backtraces, and alignment
    push 0
    xor ebp, ebp
    call trap_interrupt
    mov rsp, rbx
    test byte [rsp + FRAME_CS], 3
    jnz trap_return
    call irq_preempt
    jmp trap_return

; Back to whatever was interrupted; the frame is at rsp. Also where a new LWP's life begins.
global trap_return
trap_return:
    cli
    test byte [rsp + FRAME_CS], 3
    jz .to_kernel
    cmp dword [gs:return_work], 0
    jne .work
    swapgs
.to_kernel:
    pop_registers
    add rsp, 16
    iretq
.work:
    mov rdi, rsp
    call trap_user_work
    jmp trap_return

ist_entry:
    push_registers
    cld
    mov ecx, MSR_GS_BASE
    rdmsr
    shl rdx, 32
    or rax, rdx
    mov r12, rax                        ; what to put back
    ; The frame is the first thing on the stack: the CPU's GS base lies right above it.
    mov eax, [rsp + FRAME_CS + 32]
    mov edx, [rsp + FRAME_CS + 36]
    wrmsr
    mov rdi, rsp
    xor ebp, ebp
    call trap_ist
    mov rax, r12
    mov rdx, r12
    shr rdx, 32
    mov ecx, MSR_GS_BASE
    wrmsr
    pop_registers
    add rsp, 16
    iretq

section .rodata
global trap_stubs
trap_stubs:
%assign vector 0
%rep 256
    dq stub_ %+ vector
%assign vector vector + 1
%endrep
