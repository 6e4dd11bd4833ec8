#ifndef SYS_MOUNT_H
#define SYS_MOUNT_H

#include <linux/mount.h>

#define MNT_FORCE       1
#define MNT_DETACH      2
#define UMOUNT_NOFOLLOW 8

/* As on Linux: 0, or -1 with `errno` set. */
int mount(const char *source, const char *path, const char *type, unsigned long flags,
          const void *options);
int umount(const char *path);
int umount2(const char *path, int flags);

#endif
