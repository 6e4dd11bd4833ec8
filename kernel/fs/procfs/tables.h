#ifndef KERNEL_FS_PROCFS_TABLES_H
#define KERNEL_FS_PROCFS_TABLES_H

/* The roots: /proc (system.c) and /sys (sys.c). */

#include "procfs.h"

extern const struct procfs_entry procfs_root_entry, sysfs_root_entry;

#endif
