#ifndef KERNEL_DEVFS_H
#define KERNEL_DEVFS_H

/* Makes the kind of file system known that /dev is, and mounts it there. Once, while booting, after
 * the devices have registered. */
void devfs_init(void);

#endif
