#ifndef KERNEL_PROCFS_H
#define KERNEL_PROCFS_H

/* Makes procfs and sysfs known, and mounts them on /proc and /sys. Once, while booting, after the
 * initial files are there. */
void procfs_init(void);

#endif
