; memcpy, memmove, memset and memcmp. REP MOVSQ and STOSQ are good on every x86-64 CPU and count as
; one instruction for eight bytes under an instruction-counting emulator; the few bytes left over
; go one by one.

section .text

; void *memcpy(void *to, const void *from, size_t nr_bytes)
global memcpy
memcpy:
    mov rax, rdi
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
    rep movsb
    ret

; void *memmove(void *to, const void *from, size_t nr_bytes)
global memmove
memmove:
    mov rax, rdi
    sub rax, rsi
    cmp rax, rdx                        ; `to` inside [from, from + n): copy backwards
    jae memcpy
    mov rax, rdi
    lea rdi, [rdi + rdx - 1]
    lea rsi, [rsi + rdx - 1]
    mov rcx, rdx
    std
    rep movsb
    cld
    ret

; void *memset(void *to, int value, size_t nr_bytes)
global memset
memset:
    mov r8, rdi
    movzx eax, sil
    mov rcx, 0x0101010101010101
    imul rax, rcx
    mov rcx, rdx
    shr rcx, 3
    rep stosq
    mov ecx, edx
    and ecx, 7
    rep stosb
    mov rax, r8
    ret

; int memcmp(const void *a, const void *b, size_t nr_bytes)
global memcmp
memcmp:
    mov rcx, rdx
    xor eax, eax
    test rcx, rcx
    jz .done
    repe cmpsb
    je .done
    movzx eax, byte [rdi - 1]
    movzx ecx, byte [rsi - 1]
    sub eax, ecx
.done:
    ret
