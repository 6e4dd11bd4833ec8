#ifndef KERNEL_DEVICE_H
#define KERNEL_DEVICE_H

/*
 * Character devices: who drives which number, and which nodes of /dev stand for them
 * (kernel/fs/devices.c). Drivers register while booting; from then on nothing changes, so that
 * looking something up takes no lock.
 */

#include <kernel/file.h>
#include <kernel/types.h>

/* A device's number as st_rdev has it: what makedev() of the C library makes. */
#define DEVICE(major, minor)                                                                       \
    ((uint32_t)((minor)&0xff) | (uint32_t)(major) << 8 | ((uint32_t)(minor) & ~0xffu) << 12)

static inline unsigned device_major(uint32_t device)
{
    return device >> 8 & 0xfff;
}

static inline unsigned device_minor(uint32_t device)
{
    return (device & 0xff) | (device >> 12 & ~0xffu);
}

/*
 * How a device is opened. `open` (NULL: nothing more to do) is called with a file that has the
 * driver's ops; it may set file->private, and put other ops in their place. It may sleep. 0, or
 * -errno: the file is given back, without calling `release`.
 */
struct device_driver {
    const char *name; /* as /proc/devices calls its major number */
    const struct file_ops *ops;
    int (*open)(struct file *file, uint32_t device);
};

/*
 * `driver` is responsible for `nr` devices from `first` on, all of one major number. While booting
 * only; panics when somebody else is.
 */
void device_register(uint32_t first, unsigned nr, const struct device_driver *driver);

/* Who drives it; NULL: nobody. Any context. */
const struct device_driver *device_find(uint32_t device);

/* /dev/`name` (not copied) stands for `device`; `permissions` as chmod() has them. While booting.
 */
void device_add_node(const char *name, uint32_t permissions, uint32_t device);

/* What was added, in order. */
struct device_node {
    const char *name;
    uint32_t permissions, device;
};

/* The n-th node, the n-th range of numbers; NULL, or false: there are fewer. Any context. */
const struct device_node *device_node_at(size_t n);
bool device_range_at(size_t n, uint32_t *first, unsigned *nr, const struct device_driver **driver);

/* The drivers in kernel/fs: each registers itself. Once, while booting. */
void memory_devices_init(void);
void random_devices_init(void);

/*
 * Random bytes for user memory (kernel/fs/dev_random.c). How many: fewer when a signal comes after
 * 256 of them, or the memory ends; or -EFAULT. May sleep.
 */
int64_t random_read_user(vaddr_t to, size_t nr_bytes) MUST_CHECK;

#endif
