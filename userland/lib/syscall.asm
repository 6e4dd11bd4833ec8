; What C cannot say about entering the kernel and about the FS register.

bits 64

%define NR_rt_sigreturn 15
%define NR_vfork 58

section .text

; long syscall6(long number, long a1, long a2, long a3, long a4, long a5, long a6)
; The kernel keeps all registers but rax, rcx and r11.
global syscall6
syscall6:
    mov rax, rdi
    mov rdi, rsi
    mov rsi, rdx
    mov rdx, rcx
    mov r10, r8
    mov r8, r9
    mov r9, [rsp + 8]
    syscall
    ret

; long syscall0(long number)
global syscall0
syscall0:
    mov rax, rdi
    syscall
    ret

; pid_t vfork(void)
; The child uses the same stack, and is done with it when the parent goes on. What it pushes there
; must not be needed by the parent: the return address is in a register meanwhile.
extern syscall_result
global vfork
vfork:
    pop rdx
    mov eax, NR_vfork
    syscall
    push rdx
    mov rdi, rax
    jmp syscall_result

; void restore_registers(void): where signal handlers return to, on a stack that the kernel knows.
global restore_registers
restore_registers:
    mov eax, NR_rt_sigreturn
    syscall

; void fs_base_write(uint64_t base): only where the kernel allows the instruction.
global fs_base_write
fs_base_write:
    wrfsbase rdi
    ret

; struct thrum_block *thread_block(void): the block begins with its own address.
global thread_block
thread_block:
    mov rax, [fs:0]
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
