/* What a process has open, and where it is: fd, fdinfo, exe, cwd, root, and what is mounted. */

#include <asm/stat.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <mm/slab.h>

#include "procfs.h"

/* The path of an inode whose reference is taken over; NULL: -ENOENT. */
static int64_t read_path(struct inode *inode, char *target, size_t nr_bytes)
{
    char *path = inode != NULL ? kmalloc_user(PATH_MAX) : NULL;
    int64_t start;

    if (path == NULL) {
        inode_put(inode);
        return inode != NULL ? -ENOMEM : -ENOENT;
    }
    start = path_of(inode, path, PATH_MAX);
    inode_put(inode);
    if (start >= 0)
        start = procfs_copy_target(target, nr_bytes, path + start);
    else if (start == -ENOENT)
        start = procfs_copy_target(target, nr_bytes, "(deleted)");
    kfree(path);
    return start;
}

static int give(struct inode *inode, struct inode **target)
{
    *target = inode;
    return inode != NULL ? 0 : -ENOENT;
}

PROCFS_READLINK(procfs_readlink_exe)
{
    return read_path(process_get_program(procfs_pid(node)), target, nr_bytes);
}

PROCFS_FOLLOW(procfs_follow_exe)
{
    return give(process_get_program(procfs_pid(node)), target);
}

PROCFS_READLINK(procfs_readlink_cwd)
{
    return read_path(process_get_folder(procfs_pid(node), false), target, nr_bytes);
}

PROCFS_FOLLOW(procfs_follow_cwd)
{
    return give(process_get_folder(procfs_pid(node), false), target);
}

PROCFS_READLINK(procfs_readlink_root)
{
    return read_path(process_get_folder(procfs_pid(node), true), target, nr_bytes);
}

PROCFS_FOLLOW(procfs_follow_root)
{
    return give(process_get_folder(procfs_pid(node), true), target);
}

/* ---- Descriptors ---------------------------------------------------------------------------- */

static int next_fd(const struct procfs_node *dir, int from)
{
    return process_next_fd(procfs_pid(dir), from);
}

static struct file *file_of(const struct procfs_node *node)
{
    return process_get_file(procfs_pid(node), node->number[PROCFS_FD]);
}

/* What has no path is told by its kind and number. */
static int64_t read_kind(struct file *file, char *target, size_t nr_bytes)
{
    struct stat stat;
    char text[48];

    file_stat(file, &stat);
    if (S_ISFIFO(stat.st_mode))
        snprintf(text, sizeof(text), "pipe:[%lu]", stat.st_ino);
    else if (S_ISSOCK(stat.st_mode))
        snprintf(text, sizeof(text), "socket:[%lu]", stat.st_ino);
    else
        snprintf(text, sizeof(text), "anon_inode:[%lu]", stat.st_ino);
    return procfs_copy_target(target, nr_bytes, text);
}

static int64_t readlink_fd(const struct procfs_node *node, char *target, size_t nr_bytes)
{
    struct file *file = file_of(node);
    int64_t result;

    if (file == NULL)
        return -ENOENT;
    if (file->inode != NULL)
        result = read_path(inode_get(file->inode), target, nr_bytes);
    else
        result = read_kind(file, target, nr_bytes);
    file_put(file);
    return result;
}

/*
 * What has no inode gets one here, for as long as somebody needs it: by it stat() sees what the
 * file is, and open() opens it again.
 */
struct stand_in {
    struct inode inode;
    struct file *file;  /* a reference */
    struct inode *root; /* of the mount that it was found in: a reference, which keeps that */
};

static struct stand_in *stand_in_of(struct inode *inode)
{
    return container_of(inode, struct stand_in, inode);
}

/* The new file has no inode either: so it does not keep the old one open. */
static int open_stand_in(struct file *file)
{
    struct file *from = stand_in_of(file->inode)->file;
    int error = from->ops->open_again != NULL ? from->ops->open_again(from, file) : -ENXIO;

    if (error == 0)
        file_drop_inode(file);
    return error;
}

static struct inode *free_stand_in(struct inode *inode)
{
    struct stand_in *stand_in = stand_in_of(inode);
    struct inode *root = stand_in->root;

    file_put(stand_in->file);
    kfree(stand_in);
    return root;
}

static const struct file_ops no_ops;

static const struct inode_ops stand_in_ops = {
    .file_ops = &no_ops,
    .open = open_stand_in,
    .has_fixed_attributes = true,
    .free = free_stand_in,
};

static int make_stand_in(const struct procfs_node *node, struct file *file, struct inode **target)
{
    struct stand_in *stand_in = kmalloc_user(sizeof(*stand_in));
    struct stat stat;

    if (stand_in == NULL)
        return -ENOMEM;
    file_stat(file, &stat);
    inode_init(&stand_in->inode, &stand_in_ops, node->inode.mount, stat.st_mode, NULL);
    stand_in->inode.uid = node->inode.uid;
    stand_in->inode.gid = node->inode.gid;
    stand_in->inode.number = stat.st_ino;
    stand_in->file = file_get(file);
    stand_in->root = inode_get(node->inode.mount->root);
    *target = &stand_in->inode;
    return 0;
}

static int follow_fd(const struct procfs_node *node, struct inode **target)
{
    struct file *file = file_of(node);
    int error;

    if (file == NULL)
        return -ENOENT;
    if (file->inode != NULL)
        error = give(inode_get(file->inode), target);
    else
        error = make_stand_in(node, file, target);
    file_put(file);
    return error;
}

static int show_fdinfo(struct procfs_text *text, const struct procfs_node *node)
{
    struct file *file = file_of(node);
    struct stat stat;

    if (file == NULL)
        return -ENOENT;
    file_stat(file, &stat);
    procfs_print(text, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%lu\nino:\t%lu\n",
                 __atomic_load_n(&file->offset, __ATOMIC_RELAXED), atomic_load(&file->flags),
                 file->inode != NULL && file->inode->mount != NULL ? file->inode->mount->number : 0,
                 stat.st_ino);
    file_put(file);
    return 0;
}

static const struct procfs_entry fd_entry = {
    .name = "",
    .permissions = 0777,
    .is_private = true,
    .readlink = readlink_fd,
    .follow = follow_fd,
};
static const struct procfs_entry fdinfo_entry = {
    .name = "",
    .permissions = 0444,
    .is_private = true,
    .show = show_fdinfo,
};

const struct procfs_dir procfs_fd_dir = {
    .numbered = &fd_entry,
    .number_is = PROCFS_FD,
    .next_number = next_fd,
};
const struct procfs_dir procfs_fdinfo_dir = {
    .numbered = &fdinfo_entry,
    .number_is = PROCFS_FD,
    .next_number = next_fd,
};

/* ---- Mounts --------------------------------------------------------------------------------- */

/* Blanks and the like would look as if the field ended: "\040" (getmntent(3)). */
static void show_field(struct procfs_text *text, const char *field)
{
    for (; *field != '\0'; field++) {
        if (*field == ' ' || *field == '\t' || *field == '\n' || *field == '\\')
            procfs_print(text, "\\%03o", (unsigned)*field);
        else
            procfs_append(text, field, 1);
    }
}

static void show_flags(struct procfs_text *text, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {MS_NOSUID, ",nosuid"},
        {MS_NODEV, ",nodev"},
        {MS_NOEXEC, ",noexec"},
        {MS_NOATIME, ",noatime"},
    };

    procfs_print(text, flags & MS_RDONLY ? "ro" : "rw");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (flags & names[i].flag)
            procfs_print(text, "%s", names[i].name);
    }
    if (!(flags & MS_NOATIME))
        procfs_print(text, ",relatime");
}

static void show_mount(struct procfs_text *text, const struct mount_info *info, const char *path)
{
    show_field(text, info->source);
    procfs_print(text, " ");
    show_field(text, path);
    procfs_print(text, " %s ", info->type->name);
    show_flags(text, info->flags);
    if (info->options[0] != '\0')
        procfs_print(text, ",%s", info->options);
    procfs_print(text, " 0 0\n");
}

static void show_mount_info(struct procfs_text *text, const struct mount_info *info,
                            const char *path)
{
    procfs_print(text, "%lu %lu %u:%u / ", info->number, info->parent,
                 device_major((uint32_t)info->device), device_minor((uint32_t)info->device));
    show_field(text, path);
    procfs_print(text, " ");
    show_flags(text, info->flags);
    procfs_print(text, " - %s ", info->type->name);
    show_field(text, info->source);
    procfs_print(text, info->flags & MS_RDONLY ? " ro" : " rw");
    if (info->options[0] != '\0')
        procfs_print(text, ",%s", info->options);
    procfs_print(text, "\n");
}

/* What the reader can come to: whose mounts file it is makes no difference, nor does its root. */
static int show_all(struct procfs_text *text,
                    void (*show)(struct procfs_text *, const struct mount_info *, const char *))
{
    struct mount_info *info = kmalloc_user(sizeof(*info));
    char *path = kmalloc_user(PATH_MAX);
    uint64_t after = 0;
    size_t at;

    if (info != NULL && path != NULL) {
        while (mount_next(after, info, path, PATH_MAX, &at)) {
            show(text, info, path + at);
            after = info->number;
        }
    }
    kfree(path);
    kfree(info);
    return info != NULL && path != NULL ? 0 : -ENOMEM;
}

int procfs_show_mounts(struct procfs_text *text, const struct procfs_node *node)
{
    (void)node;
    return show_all(text, show_mount);
}

int procfs_show_mountinfo(struct procfs_text *text, const struct procfs_node *node)
{
    (void)node;
    return show_all(text, show_mount_info);
}
