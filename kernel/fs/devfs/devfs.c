/*
 * devtmpfs: what is mounted on /dev.
 *
 * It is a tmpfs that begins with a node for every device that has registered, with folders for
 * other file systems to be mounted on, and with links to what a process has open. From then on it
 * is as any tmpfs: who may, makes, removes and renames what he likes. Mounted again, it is another
 * one, which begins anew. The kernel mounts it before the first program runs, which gets
 * /dev/console from there.
 */

#include <kernel/device.h>
#include <kernel/devfs.h>
#include <kernel/format.h>
#include <kernel/log.h>
#include <kernel/mount.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <linux/mount.h>
#include <linux/stat.h>

#define MODE_OPTION "mode=0755,"

static struct file_system devfs;

static int add(struct inode *root, const char *name, uint32_t mode, uint32_t device)
{
    struct inode *created;
    int error = root->ops->create(root, name, strlen(name), mode, device, &created);

    if (error == 0)
        inode_put(created);
    return error;
}

static int add_folders(struct inode *root)
{
    int error = add(root, "pts", S_IFDIR | 0755, 0);

    return error != 0 ? error : add(root, "shm", S_IFDIR | S_ISVTX | 0777, 0);
}

static int add_links(struct inode *root)
{
    static const char *const links[][2] = {
        {"fd", "/proc/self/fd"},
        {"stdin", "/proc/self/fd/0"},
        {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"},
    };
    int error = 0;

    for (size_t i = 0; i < ARRAY_LEN(links) && error == 0; i++)
        error = root->ops->symlink(root, links[i][0], strlen(links[i][0]), links[i][1]);
    return error;
}

static int add_devices(struct inode *root)
{
    const struct device_node *node;
    int error = 0;

    for (size_t i = 0; error == 0 && (node = device_node_at(i)) != NULL; i++)
        error = add(root, node->name, S_IFCHR | node->permissions, node->device);
    return error;
}

/* Options are a tmpfs's, whose own mode would let everybody write. */
static int mount_devfs(struct mount *mount, const char *options)
{
    char with_mode[sizeof(MODE_OPTION) + MOUNT_TEXT_MAX];
    int error;

    snprintf(with_mode, sizeof(with_mode), "%s%s", MODE_OPTION, options);
    error = tmpfs_file_system.mount(mount, with_mode);
    if (error != 0)
        return error;
    error = add_devices(mount->root);
    if (error == 0)
        error = add_folders(mount->root);
    if (error == 0)
        error = add_links(mount->root);
    if (error != 0)
        tmpfs_file_system.unmount(mount);
    return error;
}

void devfs_init(void)
{
    devfs = tmpfs_file_system;
    devfs.name = "devtmpfs";
    devfs.mount = mount_devfs;
    file_system_register(&devfs);
    if (path_make(NULL, "/dev", S_IFDIR | 0755, 0) != 0 ||
        mount_new(NULL, "/dev", "devtmpfs", "devtmpfs", 0, "") != 0)
        panic("devfs: no memory for /dev");
    if (mount_new(NULL, "/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC,
                  "mode=620,gid=5,ptmxmode=666") != 0)
        log_error("devfs: /dev/pts cannot be mounted");
}
