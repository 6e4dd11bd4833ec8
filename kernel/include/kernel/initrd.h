#ifndef KERNEL_INITRD_H
#define KERNEL_INITRD_H

/* The files that came with the kernel: the boot module, and QEMU's overlay before it. Read-only. */

#include <kernel/types.h>

struct initrd_file {
    const void *data;
    size_t nr_bytes;
    uint32_t mode; /* as st_mode */
};

/* Finds the archives, and checks them once, with a warning about what is wrong. While booting. */
void initrd_init(void);

/*
 * The file at an absolute path. A later entry of the same name counts, and the overlay before the
 * module. 0, -ENOENT or -ENOTDIR.
 */
int initrd_find(const char *path, struct initrd_file *file) MUST_CHECK;

#endif
