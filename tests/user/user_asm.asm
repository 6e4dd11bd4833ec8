; What the tests do that C has no words for; user_asm.h says what each function is for.

bits 64
default rel

%define NR_sched_yield 24
%define NR_getpid      39

%define IMAGE_X87     512
%define IMAGE_GENERAL 640
%define IMAGE_MXCSR   736
%define IMAGE_CONTROL 740
%define IMAGE_BYTES   768

%define SPIN_STEPS 10000

section .text

; The registers in the order of struct register_image.general; `%1` holds the image's address.
%macro load_general 1
    mov rbx, [%1 + IMAGE_GENERAL]
    mov rbp, [%1 + IMAGE_GENERAL + 8]
    mov r12, [%1 + IMAGE_GENERAL + 16]
    mov r13, [%1 + IMAGE_GENERAL + 24]
    mov r14, [%1 + IMAGE_GENERAL + 32]
    mov r15, [%1 + IMAGE_GENERAL + 40]
    mov rdx, [%1 + IMAGE_GENERAL + 48]
    mov rsi, [%1 + IMAGE_GENERAL + 56]
    mov r8,  [%1 + IMAGE_GENERAL + 72]
    mov r9,  [%1 + IMAGE_GENERAL + 80]
    mov r10, [%1 + IMAGE_GENERAL + 88]
    mov rdi, [%1 + IMAGE_GENERAL + 64]  ; last: it may be the base register
%endmacro

%macro store_general 1
    mov [%1 + IMAGE_GENERAL], rbx
    mov [%1 + IMAGE_GENERAL + 8], rbp
    mov [%1 + IMAGE_GENERAL + 16], r12
    mov [%1 + IMAGE_GENERAL + 24], r13
    mov [%1 + IMAGE_GENERAL + 32], r14
    mov [%1 + IMAGE_GENERAL + 40], r15
    mov [%1 + IMAGE_GENERAL + 48], rdx
    mov [%1 + IMAGE_GENERAL + 56], rsi
    mov [%1 + IMAGE_GENERAL + 64], rdi
    mov [%1 + IMAGE_GENERAL + 72], r8
    mov [%1 + IMAGE_GENERAL + 80], r9
    mov [%1 + IMAGE_GENERAL + 88], r10
%endmacro

; registers_run(images, nr_rounds, use, has_avx)
;
; While the registers hold the pattern, all else is on the stack:
%define LOCAL_ROUNDS 0
%define LOCAL_USE    8
%define LOCAL_AVX    16
%define LOCAL_IMAGES 24
%define LOCAL_MXCSR  32
%define LOCAL_BYTES  40

global registers_run
registers_run:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    sub rsp, LOCAL_BYTES
    mov [rsp + LOCAL_ROUNDS], rsi
    mov [rsp + LOCAL_USE], edx
    movzx ecx, cl
    mov [rsp + LOCAL_AVX], ecx
    mov [rsp + LOCAL_IMAGES], rdi
    stmxcsr [rsp + LOCAL_MXCSR]

    cmp dword [rsp + LOCAL_AVX], 0
    je .load_sse
%assign i 0
%rep 16
    vmovdqu ymm%+i, [rdi + i * 32]
%assign i i + 1
%endrep
    jmp .load_x87
.load_sse:
%assign i 0
%rep 16
    movdqu xmm%+i, [rdi + i * 32]
%assign i i + 1
%endrep

.load_x87:
    fninit
%assign i 7
%rep 8
    fld tword [rdi + IMAGE_X87 + i * 16]
%assign i i - 1
%endrep
    fldcw [rdi + IMAGE_CONTROL]
    ldmxcsr [rdi + IMAGE_MXCSR]
    load_general rdi

.round:
    cmp dword [rsp + LOCAL_USE], 0
    jne .spin
    mov eax, NR_sched_yield
    syscall
    jmp .next
.spin:
    mov ecx, SPIN_STEPS
.step:
    dec ecx
    jnz .step
.next:
    dec qword [rsp + LOCAL_ROUNDS]
    jnz .round

    mov rax, [rsp + LOCAL_IMAGES]
    add rax, IMAGE_BYTES
    store_general rax
    stmxcsr [rax + IMAGE_MXCSR]
    fnstcw [rax + IMAGE_CONTROL]
%assign i 0
%rep 8
    fstp tword [rax + IMAGE_X87 + i * 16]
%assign i i + 1
%endrep
    fninit
    ldmxcsr [rsp + LOCAL_MXCSR]

    cmp dword [rsp + LOCAL_AVX], 0
    je .store_sse
%assign i 0
%rep 16
    vmovdqu [rax + i * 32], ymm%+i
%assign i i + 1
%endrep
    vzeroupper
    jmp .done
.store_sse:
%assign i 0
%rep 16
    movdqu [rax + i * 32], xmm%+i
%assign i i + 1
%endrep

.done:
    add rsp, LOCAL_BYTES
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

%define CPUID1_ECX_OSXSAVE_AVX (1 << 27 | 1 << 28)
%define XCR0_SSE_AVX           6

global cpu_has_avx
cpu_has_avx:
    push rbx
    mov eax, 1
    cpuid
    and ecx, CPUID1_ECX_OSXSAVE_AVX
    cmp ecx, CPUID1_ECX_OSXSAVE_AVX
    jne .no
    xor ecx, ecx
    xgetbv
    and eax, XCR0_SSE_AVX
    cmp eax, XCR0_SSE_AVX
.no:
    sete al
    pop rbx
    ret

; syscall_with_flags(flags, number, a1, a2, a3)
global syscall_with_flags
syscall_with_flags:
    mov rax, rsi
    mov r9, rdi
    mov rdi, rdx
    mov rsi, rcx
    mov rdx, r8
    pushfq
    pushfq
    or [rsp], r9
    popfq
    syscall
    popfq
    ret

; getpid_with_stack(stack_pointer)
global getpid_with_stack
getpid_with_stack:
    push rbx
    mov rbx, rsp
    mov rsp, rdi
    mov eax, NR_getpid
    syscall
    mov rsp, rbx
    pop rbx
    ret

global gs_base_write
gs_base_write:
    wrgsbase rdi
    ret

global run_hlt
run_hlt:
    hlt
    ret

global run_cli
run_cli:
    cli
    ret

global run_out
run_out:
    mov dx, 0x80
    out dx, al
    ret

global run_rdmsr
run_rdmsr:
    mov ecx, 0xc0000080
    rdmsr
    ret

global run_mov_cr3
run_mov_cr3:
    mov rax, cr3
    mov cr3, rax
    ret

global run_int3
run_int3:
    int3
    ret

global run_ud2
run_ud2:
    ud2

global run_push_nowhere
run_push_nowhere:
    mov rsp, 0x0000900000000000
    push rax
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
