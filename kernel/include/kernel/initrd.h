#ifndef KERNEL_INITRD_H
#define KERNEL_INITRD_H

/*
 * Fills the root folder: the devices, the files of the boot module, and those of QEMU's overlay,
 * which replace what is there. Warns about what is wrong with an archive. The module's memory is
 * given back. Once, when booting is over; may sleep.
 */
void initrd_unpack(void);

#endif
