/* mount() and umount2(). */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/mount.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <mm/user_copy.h>

#include "sys.h"
#include "sys_path.h"

/* Flags of umount2(): include/linux/fs.h of Linux, not in its uapi. */
#define MNT_FORCE       1
#define MNT_DETACH      2
#define UMOUNT_NOFOLLOW 8

/* What is done as asked, or makes no difference here: nothing is ever written to a device. */
#define FLAGS_KNOWN                                                                                \
    (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_RELATIME | MS_NODIRATIME |     \
     MS_SILENT | MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME)

/* A string of less than MOUNT_TEXT_MAX bytes; NULL is an empty one. 0, -EFAULT, -EINVAL. */
static int get_text(vaddr_t at, char text[MOUNT_TEXT_MAX])
{
    int64_t length;

    text[0] = '\0';
    if (at == 0)
        return 0;
    length = user_copy_string(text, at, MOUNT_TEXT_MAX);
    if (length == -ENAMETOOLONG)
        return -EINVAL;
    return length < 0 ? (int)length : 0;
}

/* Every mount is as if it were private to where it is: that, and nothing else, can be asked for. */
static int set_propagation(const struct user_path *path, unsigned flags)
{
    struct inode *root;
    int error;

    if (flags & ~(unsigned)(MS_PRIVATE | MS_REC | MS_SILENT))
        return -EINVAL;
    error = path_find(path->start, path->text, &root);
    if (error != 0)
        return error;
    error = root == root->mount->root ? 0 : -EINVAL;
    inode_put(root);
    return error;
}

static int move(vaddr_t source_at, const struct user_path *to)
{
    struct user_path from;
    int error = user_path_get(AT_FDCWD, source_at, &from);

    if (error != 0)
        return error;
    error = mount_move(from.start != NULL ? from.start : to->start, from.text, to->text);
    user_path_put(&from);
    return error;
}

int64_t sys_mount(vaddr_t source_at, vaddr_t path_at, vaddr_t type_at, uint64_t flags,
                  vaddr_t options_at)
{
    char source[MOUNT_TEXT_MAX], type[MOUNT_TEXT_MAX], options[MOUNT_TEXT_MAX];
    unsigned wanted = (unsigned)flags;
    struct user_path path;
    int error;

    if (!credentials_are_root(credentials_current()))
        return -EPERM;
    error = get_text(options_at, options);
    if (error == 0)
        error = user_path_get(AT_FDCWD, path_at, &path);
    if (error != 0)
        return error;
    if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
        wanted &= ~(unsigned)MS_MGC_MSK;
    if (wanted & MS_REMOUNT) {
        error = wanted & ~(unsigned)(FLAGS_KNOWN | MS_REMOUNT)
                    ? -EINVAL
                    : mount_change(path.start, path.text, wanted, options);
    } else if (wanted & (MS_PRIVATE | MS_SHARED | MS_SLAVE | MS_UNBINDABLE)) {
        error = set_propagation(&path, wanted);
    } else if (wanted & MS_MOVE) {
        error = move(source_at, &path);
    } else if (wanted & ~(unsigned)FLAGS_KNOWN) {
        error = -EINVAL;
    } else {
        error = get_text(source_at, source);
        if (error == 0)
            error = type_at != 0 ? get_text(type_at, type) : -EINVAL;
        if (error == 0)
            error = mount_new(path.start, path.text, type, source[0] != '\0' ? source : "none",
                              wanted, options);
    }
    user_path_put(&path);
    return error;
}

int64_t sys_umount2(vaddr_t path_at, unsigned flags)
{
    struct user_path path;
    int error;

    if (flags & ~(unsigned)(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
        return -EINVAL;
    if (!credentials_are_root(credentials_current()))
        return -EPERM;
    error = user_path_get(AT_FDCWD, path_at, &path);
    if (error != 0)
        return error;
    error = mount_remove(path.start, path.text, flags & UMOUNT_NOFOLLOW, flags & MNT_DETACH);
    user_path_put(&path);
    return error;
}
