; From the boot loader to C.
;
; A multiboot2 loader enters boot_entry32 in 32-bit protected mode, paging off (Multiboot2
; specification 2.0, 3.3): eax = magic, ebx = physical address of the boot information. This code
; checks that the CPU has what the kernel needs, and says so in plain words on the serial line and
; the screen when it has not; builds temporary page tables; and calls arch_boot() in the higher half.
;
; The temporary tables already keep W^X:
;     0xffffffff80000000  the kernel image, 4 KiB pages: code r-x, constants r--, data rw-
;     0xffff800000000000  the first 4 GiB of physical memory, rw- (2 MiB pages above 8 MiB), but for
;                         the image's code and constants: r--
;     the pages of this section, identity-mapped, r-x, for the few instructions around the switch

KERNEL_VMA  equ 0xffffffff80000000
COM1        equ 0x3f8
VGA_TEXT    equ 0xb8000

PTE_P       equ 1 << 0
PTE_W       equ 1 << 1
PTE_PS      equ 1 << 7
PTE_NX_HIGH equ 1 << 31                 ; bit 63, in the upper half of an entry

extern arch_boot
extern __boot_start, __boot_end
extern __text_start, __text_end, __rodata_start, __rodata_end, __data_start, __data_end

; ---------------------------------------------------------------------------------------------
section .multiboot2 progbits alloc noexec nowrite align=8

header:
    dd 0xe85250d6                       ; magic
    dd 0                                ; architecture: i386 protected mode
    dd header_end - header
    dd -(0xe85250d6 + (header_end - header))

    align 8                             ; framebuffer, optional: any size, 32 bits a pixel
    dw 5, 1
    dd 20
    dd 0, 0, 32
    align 8                             ; modules start on a page
    dw 6, 1
    dd 8
    align 8                             ; end
    dw 0, 0
    dd 8
header_end:

; ---------------------------------------------------------------------------------------------
section .boot progbits alloc exec nowrite align=4096
bits 32

global boot_entry32
boot_entry32:
    cli
    cld
    mov esp, boot_stack_top - KERNEL_VMA
    mov edi, eax                        ; the magic
    mov ebp, ebx                        ; the boot information
    rdtsc
    mov [boot_tsc - KERNEL_VMA], eax
    mov [boot_tsc - KERNEL_VMA + 4], edx

    cmp edi, 0x36d76289
    mov esi, refuse_loader
    jne refuse

    ; CPUID exists when the ID flag (bit 21) can be changed.
    pushfd
    pop eax
    mov ecx, eax
    xor eax, 1 << 21
    push eax
    popfd
    pushfd
    pop eax
    push ecx
    popfd
    cmp eax, ecx
    mov esi, refuse_long_mode
    je refuse

    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    mov esi, refuse_long_mode
    jb refuse
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jnc refuse
    bt edx, 20
    mov esi, refuse_nx
    jnc refuse

    ; The first 8 MiB, a 4 KiB page each: rw-, but for the kernel image's parts. These tables serve
    ; both the image's addresses and the direct map, so that no alias of code can be written.
    xor eax, eax
    mov edx, 8 << 20
    mov ebx, PTE_P | PTE_W
    mov ecx, PTE_NX_HIGH
    call map_image
    mov eax, __boot_start
    mov edx, __boot_end
    mov ebx, PTE_P
    call map_image
    mov eax, __text_start - KERNEL_VMA
    mov edx, __text_end - KERNEL_VMA
    mov ebx, PTE_P
    xor ecx, ecx
    call map_image
    mov eax, __rodata_start - KERNEL_VMA
    mov edx, __rodata_end - KERNEL_VMA
    mov ecx, PTE_NX_HIGH
    call map_image
    mov eax, __data_start - KERNEL_VMA
    mov edx, __data_end - KERNEL_VMA
    mov ebx, PTE_P | PTE_W
    call map_image

    ; The identity-mapped pages of this section.
    mov eax, __boot_start
.identity:
    mov ecx, eax
    shr ecx, 12
    mov edx, eax
    or edx, PTE_P
    mov [identity_pt - KERNEL_VMA + ecx * 8], edx
    add eax, 4096
    cmp eax, __boot_end
    jb .identity

    ; The first 4 GiB.
    xor ecx, ecx
.direct:
    mov eax, ecx
    shl eax, 21
    or eax, PTE_P | PTE_W | PTE_PS
    mov [direct_pd - KERNEL_VMA + ecx * 8], eax
    mov dword [direct_pd - KERNEL_VMA + ecx * 8 + 4], PTE_NX_HIGH
    inc ecx
    cmp ecx, 4 * 512
    jb .direct
%assign i 0
%rep 4
    mov dword [direct_pd - KERNEL_VMA + i * 8], image_pt - KERNEL_VMA + i * 4096 + (PTE_P | PTE_W)
%assign i i + 1
%endrep

    ; The upper levels; permissions are decided below them.
%macro link_table 3                     ; table, index, lower table
    mov dword [%1 - KERNEL_VMA + (%2) * 8], %3 - KERNEL_VMA + (PTE_P | PTE_W)
%endmacro
    link_table boot_pml4, 0, identity_pdpt
    link_table identity_pdpt, 0, identity_pd
    link_table identity_pd, 0, identity_pt
    link_table boot_pml4, 256, direct_pdpt
    link_table direct_pdpt, 0, direct_pd
    link_table direct_pdpt, 1, direct_pd + 0x1000
    link_table direct_pdpt, 2, direct_pd + 0x2000
    link_table direct_pdpt, 3, direct_pd + 0x3000
    link_table boot_pml4, 511, image_pdpt
    link_table image_pdpt, 510, image_pd
    link_table image_pd, 0, image_pt
    link_table image_pd, 1, image_pt + 0x1000
    link_table image_pd, 2, image_pt + 0x2000
    link_table image_pd, 3, image_pt + 0x3000

    mov eax, 1 << 5                     ; PAE, and nothing that the loader may have left
    mov cr4, eax
    mov eax, boot_pml4 - KERNEL_VMA
    mov cr3, eax
    mov ecx, 0xc0000080                 ; EFER: LME, NXE
    rdmsr
    or eax, (1 << 8) | (1 << 11)
    wrmsr
    mov eax, cr0
    or eax, (1 << 31) | (1 << 16)       ; PG, WP
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    jmp 8:boot_entry64

; Maps the image pages eax ... edx (physical, aligned) with the flags ebx (low), ecx (high).
map_image:
    cmp eax, edx
    jae .done
    mov esi, eax
    shr esi, 12
    mov edi, eax
    or edi, ebx
    mov [image_pt - KERNEL_VMA + esi * 8], edi
    mov [image_pt - KERNEL_VMA + esi * 8 + 4], ecx
    add eax, 4096
    jmp map_image
.done:
    ret

; Says why this machine will not do (esi: text), on the VGA text screen and on COM1; stops. The
; marker, from which others learn that all has been said, is the last.
refuse:
    mov ebp, esi
    mov edi, VGA_TEXT
    mov ecx, 80 * 25
    mov ax, 0x0720
    rep stosw
    mov edi, VGA_TEXT
    mov esi, refuse_prefix
    call vga_puts
    mov esi, ebp
    call vga_puts

    mov dx, COM1 + 1                    ; no interrupts; 115200 8N1; FIFO on
    xor eax, eax
    out dx, al
    mov dx, COM1 + 3
    mov al, 0x80
    out dx, al
    mov dx, COM1
    mov al, 1
    out dx, al
    inc dx
    xor eax, eax
    out dx, al
    mov dx, COM1 + 3
    mov al, 3
    out dx, al
    mov dx, COM1 + 2
    mov al, 7
    out dx, al

    mov esi, refuse_prefix
    call serial_puts
    mov esi, ebp
    call serial_puts
    mov esi, refuse_marker_start
    call serial_puts
    mov esi, ebp
    call serial_puts
    mov esi, refuse_marker_end
    call serial_puts
.stop:
    hlt
    jmp .stop

serial_puts:
    mov cl, [esi]
    test cl, cl
    jz .done
    mov ebx, 100000                     ; an absent UART never gets ready
.wait:
    mov dx, COM1 + 5
    in al, dx
    test al, 0x20
    jnz .ready
    dec ebx
    jnz .wait
.ready:
    mov dx, COM1
    mov al, cl
    out dx, al
    inc esi
    jmp serial_puts
.done:
    ret

vga_puts:
    mov ah, 0x0f
.next:
    lodsb
    test al, al
    jz .done
    stosw
    jmp .next
.done:
    ret

bits 64
boot_entry64:
    mov ax, 16
    mov ss, ax
    mov ds, ax
    mov es, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov rax, boot_entry_high
    jmp rax

    align 8
boot_gdt:
    dq 0
    dq 0x00af9b000000ffff               ; 8: 64-bit code; accessed: the CPU need not write here
    dq 0x00cf93000000ffff               ; 16: data
boot_gdt_pointer:
    dw $ - boot_gdt - 1
    dd boot_gdt

refuse_prefix:       db "Thrum cannot run here: ", 0
refuse_loader:       db "it must be started by a multiboot2 boot loader", 0
refuse_long_mode:    db "this CPU has no 64-bit long mode", 0
refuse_nx:           db "this CPU cannot protect memory from execution (no NX bit)", 0
refuse_marker_start: db 13, 10, 27, "_thrum:refused=", 0
refuse_marker_end:   db 27, "\", 0

; ---------------------------------------------------------------------------------------------
section .text
boot_entry_high:
    mov rsp, boot_stack_top
    ; GS base 0: the boot CPU keeps the original of the per-CPU data.
    mov ecx, 0xc0000101
    xor eax, eax
    xor edx, edx
    wrmsr
    xor edi, edi
    mov edi, ebp                        ; physical address of the boot information
    xor ebp, ebp                        ; ends backtraces
    call arch_boot
    ud2

; ---------------------------------------------------------------------------------------------
section .data
global boot_tsc
boot_tsc: dq 0                          ; the time stamp at the first instruction

section .bss nobits alloc noexec write align=4096
boot_pml4:     resb 4096
identity_pdpt: resb 4096
identity_pd:   resb 4096
identity_pt:   resb 4096
direct_pdpt:   resb 4096
direct_pd:     resb 4 * 4096
image_pdpt:    resb 4096
image_pd:      resb 4096
image_pt:      resb 4 * 4096

global boot_stack, boot_stack_top
boot_stack:    resb 16384
boot_stack_top:
