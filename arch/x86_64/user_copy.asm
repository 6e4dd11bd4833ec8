; Copies between kernel and user memory that survive a bad user address.
;
; Each instruction that touches user memory has an entry in the section user_copy_fixups: the
; address of the instruction and where to go on when it faults for good. On the way back rcx still
; holds what is left to do, so the functions return the number of bytes not copied. Under SMAP, user
; memory can be touched between STAC and CLAC only; both are replaced by jumps over them where the
; CPU has no SMAP.

extern x86_features                     ; its second byte: has_smap

section .text

%macro open_user 0
    cmp byte [x86_features + 1], 0
    je %%no_smap
    stac
%%no_smap:
%endmacro

%macro close_user 0
    cmp byte [x86_features + 1], 0
    je %%no_smap
    clac
%%no_smap:
%endmacro

%macro may_fault 2                      ; instruction label, fix-up label
[section .user_copy_fixups]
    dq %1, %2
__SECT__
%endmacro

; size_t user_copy_raw(void *to, const void *from, size_t nr_bytes): bytes not copied
global user_copy_raw
user_copy_raw:
    open_user
    mov rcx, rdx
    shr rcx, 3
    and edx, 7
.words:
    rep movsq
    mov ecx, edx
.bytes:
    rep movsb
.done:
    close_user
    mov rax, rcx
    ret
.words_faulted:
    lea rcx, [rdx + rcx * 8]
    jmp .done
    may_fault .words, .words_faulted
    may_fault .bytes, .done

; size_t user_zero_raw(void *to, size_t nr_bytes): bytes not cleared
global user_zero_raw
user_zero_raw:
    open_user
    xor eax, eax
    mov rcx, rsi
    shr rcx, 3
    and esi, 7
.words:
    rep stosq
    mov ecx, esi
.bytes:
    rep stosb
.done:
    close_user
    mov rax, rcx
    ret
.words_faulted:
    lea rcx, [rsi + rcx * 8]
    jmp .done
    may_fault .words, .words_faulted
    may_fault .bytes, .done

; int64_t user_string_raw(char *to, const char *from, size_t size): length with the NUL, at most
; size; size + 1 when there is no NUL in it; -1 on a fault
global user_string_raw
user_string_raw:
    open_user
    xor ecx, ecx
.next:
    cmp rcx, rdx
    je .too_long
.load:
    mov al, [rsi + rcx]
    mov [rdi + rcx], al
    inc rcx
    test al, al
    jnz .next
    close_user
    mov rax, rcx
    ret
.too_long:
    close_user
    lea rax, [rdx + 1]
    ret
.faulted:
    close_user
    mov rax, -1
    ret
    may_fault .load, .faulted

; int user_load_raw(uint32_t *value, const uint32_t *from)
global user_load_raw
user_load_raw:
    open_user
.load:
    mov eax, [rsi]
    close_user
    mov [rdi], eax
    xor eax, eax
    ret
.faulted:
    close_user
    mov eax, -1
    ret
    may_fault .load, .faulted

; int user_compare_exchange_raw(uint32_t *at, uint32_t *expected, uint32_t desired)
global user_compare_exchange_raw
user_compare_exchange_raw:
    open_user
    mov eax, [rsi]
.exchange:
    lock cmpxchg [rdi], edx
    sete cl
    close_user
    mov [rsi], eax
    movzx eax, cl
    ret
.faulted:
    close_user
    mov eax, -1
    ret
    may_fault .exchange, .faulted
