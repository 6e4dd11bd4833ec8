; Where an application processor starts: in real mode, at the beginning of a page below 1 MiB to
; which this code was copied (Intel SDM vol. 3A, 8.4). It finds the page by its code segment, goes to
; long mode on the kernel's page tables, looks up its APIC ID for its stack, and calls C.
;
; The page is identity-mapped in the tables that `trampoline_root` names, for the few instructions
; between switching paging on and jumping to the kernel's half.

extern x86_ap_main

TRAMPOLINE_EFER equ (1 << 8) | (1 << 11)   ; LME, NXE

section .rodata
align 8
bits 16
global trampoline_start, trampoline_end, trampoline_root, trampoline_slots
trampoline_start:
    cli
    cld
    mov ax, cs
    mov ds, ax
    xor ebx, ebx
    mov bx, ax
    shl ebx, 4                          ; where the page is
    lea eax, [ebx + gdt - trampoline_start]
    mov [gdt_pointer - trampoline_start + 2], eax
    lea eax, [ebx + long_mode - trampoline_start]
    mov [far_pointer - trampoline_start], eax

    mov eax, (1 << 5) | (1 << 7)        ; PAE, PGE
    mov cr4, eax
    mov eax, [trampoline_root - trampoline_start]
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, TRAMPOLINE_EFER
    wrmsr
    mov eax, (1 << 31) | (1 << 16) | 1  ; PG, WP, PE: straight to long mode
    mov cr0, eax
    lgdt [gdt_pointer - trampoline_start]
    jmp far dword [far_pointer - trampoline_start]

bits 64
long_mode:
    mov eax, 1                          ; CPUID leaf 1: the APIC ID in ebx 31...24
    cpuid
    shr ebx, 24
    mov rsi, [rel trampoline_slots]
.find:                                  ; { uint64_t apic_id, stack_top }, ended by a stack of 0
    mov rax, [rsi + 8]
    test rax, rax
    jz .nobody
    cmp [rsi], rbx
    je .found
    add rsi, 16
    jmp .find
.found:
    mov rsp, rax
    mov rdi, rsi
    xor ebp, ebp
    mov rax, x86_ap_main
    call rax
.nobody:
    cli
    hlt
    jmp .nobody

align 8
gdt:
    dq 0
    dq 0x00af9b000000ffff
    dq 0x00cf93000000ffff
gdt_pointer:
    dw gdt_pointer - gdt - 1
    dd 0
align 4
far_pointer:
    dd 0
    dw 8
align 8
trampoline_root:  dd 0                  ; below 4 GiB
                  dd 0
trampoline_slots: dq 0
trampoline_end:
