; The vDSO as it is linked (vdso/), one page.

section .rodata
align 16
global vdso_image
vdso_image:
    incbin "vdso.so"
    times 4096 - ($ - vdso_image) db 0  ; negative, which is an error, if it does not fit
