; The console's font: GRUB's ascii.pf2, from the distribution. The build says where it is.

%defstr FONT_FILE FONT_PATH

section .rodata align=8

global console_font
global console_font_end

console_font:
    incbin FONT_FILE
console_font_end:
