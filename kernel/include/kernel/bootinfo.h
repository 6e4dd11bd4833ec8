#ifndef KERNEL_BOOTINFO_H
#define KERNEL_BOOTINFO_H

/*
 * What the boot loader and the firmware told us, in a form that does not depend on either. Filled
 * once by the architecture's boot code; read-only afterwards.
 */

#include <kernel/types.h>

#define BOOT_CMDLINE_MAX 2048
#define BOOT_RANGES_MAX  256
#define BOOT_MODULES_MAX 8
#define BOOT_NAME_MAX    32

/* [start, end) */
struct boot_range {
    paddr_t start, end;
};

struct boot_module {
    char name[BOOT_NAME_MAX]; /* its command line's first word */
    struct boot_range range;
};

struct boot_framebuffer {
    enum { BOOT_FB_NONE, BOOT_FB_TEXT, BOOT_FB_RGB } kind;
    paddr_t base;
    uint32_t pitch_bytes, width, height; /* in pixels; in characters when BOOT_FB_TEXT */
    uint8_t bits_per_pixel;
    uint8_t red_shift, red_bits, green_shift, green_bits, blue_shift, blue_bits;
};

struct boot_info {
    char cmdline[BOOT_CMDLINE_MAX];

    /* Usable RAM as the firmware reports it: not yet sorted, aligned or checked. */
    struct boot_range ram[BOOT_RANGES_MAX];
    size_t nr_ram;
    /* What lies over RAM and is not free: firmware tables, the kernel, modules. As above. */
    struct boot_range reserved[BOOT_RANGES_MAX];
    size_t nr_reserved;

    struct boot_module modules[BOOT_MODULES_MAX];
    size_t nr_modules;

    struct boot_framebuffer framebuffer;

    /* The kernel's own ELF symbols and their names, for backtraces; empty: not loaded. */
    struct boot_range symbols, symbol_names;

    paddr_t rsdp; /* physical address of a copy of the ACPI RSDP; 0: none */
    char loader[BOOT_NAME_MAX];
};

extern struct boot_info boot_info;

/* Adds [start, end) to what is reserved. When the table is full, its last range is stretched. */
void boot_info_reserve(struct boot_info *out, paddr_t start, paddr_t end);

/*
 * Multiboot2 (specification 2.0, section 3.6): reads the information structure of total size
 * `nr_bytes` at `info`, whose physical address is `info_paddr`, into `out`. Entries that make no
 * sense are left out with a warning; -EINVAL when the whole is not readable. Pure: touches nothing
 * outside [info, info + nr_bytes).
 */
int multiboot2_parse(const void *info, size_t nr_bytes, paddr_t info_paddr,
                     struct boot_info *out) MUST_CHECK;

/*
 * Sorts, clips to whole pages and merges RAM, and subtracts everything reserved. `out` has room for
 * out_max ranges; returns how many it holds. Ranges that are empty, wrap or end beyond
 * max_paddr are dropped or clipped; of overlapping RAM and reserved memory, reserved wins; what
 * does not fit in `out` is dropped, smallest ranges first. Pure.
 */
size_t physmap_build(const struct boot_range *ram, size_t nr_ram, const struct boot_range *reserved,
                     size_t nr_reserved, paddr_t max_paddr, struct boot_range *out, size_t out_max);

#endif
