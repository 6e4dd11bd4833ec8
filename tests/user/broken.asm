; A small program that exits with status 7, written out by hand as an ELF file (nasm -f bin). Each
; field can be given another value on nasm's command line (-Dwith_p_memsz=1), which makes a program
; that the kernel has to refuse.

bits 64

%define BASE 0x400000

; field name, value that is right
%macro field 2
  %ifdef with_%1
    %define %1 with_%1
  %else
    %define %1 %2
  %endif
%endmacro

field magic,       0x464c457f
field ei_class,    2                            ; ELFCLASS64
field ei_data,     1                            ; ELFDATA2LSB
field ei_version,  1
field e_type,      2                            ; ET_EXEC
field e_machine,   62                           ; EM_X86_64
field e_entry,     BASE + code - file_start
field e_phoff,     program_header - file_start
field e_phentsize, 56
field e_phnum,     1
field p_type,      1                            ; PT_LOAD
field p_offset,    0
field p_vaddr,     BASE
field p_filesz,    file_end - file_start
field p_memsz,     file_end - file_start

file_start:
    dd magic
    db ei_class, ei_data, ei_version, 0
    dq 0
    dw e_type, e_machine
    dd 1                        ; e_version
%ifndef half_a_header
    dq e_entry
    dq e_phoff
    dq 0                        ; e_shoff
    dd 0                        ; e_flags
    dw 64                       ; e_ehsize
    dw e_phentsize, e_phnum
    dw 0, 0, 0                  ; no sections

program_header:
    dd p_type
    dd 5                        ; PF_R | PF_X
    dq p_offset
    dq p_vaddr
    dq 0                        ; p_paddr
    dq p_filesz
    dq p_memsz
    dq 0x1000                   ; p_align

code:
    mov eax, 231                ; exit_group(7)
    mov edi, 7
    syscall
file_end:
%endif
