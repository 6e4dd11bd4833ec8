/* System calls about names: opening, making, removing and changing them, and where a process is. */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"
#include "sys_path.h"

static struct fd_table *files(void)
{
    return process_current()->files;
}

/* ---- Paths ---------------------------------------------------------------------------------- */

/* 0, or -EBADF, -ENOTDIR. */
static int find_start(int dir_fd, bool must_be_dir, struct inode **start)
{
    struct file *file;
    int error = 0;

    if (dir_fd == AT_FDCWD) {
        *start = process_get_cwd(process_current());
        return 0;
    }
    file = fd_get_any(files(), dir_fd);
    if (file == NULL)
        return -EBADF;
    if (file->inode == NULL || (must_be_dir && !inode_is_dir(file->inode)))
        error = -ENOTDIR;
    else
        *start = inode_get(file->inode);
    file_put(file);
    return error;
}

static void free_text(const struct user_path *path)
{
    if (path->text != path->short_text)
        kfree(path->text);
}

int user_path_get_or_empty(int dir_fd, vaddr_t path_at, bool may_be_empty, struct user_path *path)
{
    int64_t length;
    int error = 0;

    path->start = NULL;
    path->text = path->short_text;
    length = user_copy_string(path->short_text, path_at, sizeof(path->short_text));
    if (length == -ENAMETOOLONG) {
        path->text = kmalloc_user(PATH_MAX);
        if (path->text == NULL)
            return -ENOMEM;
        length = user_copy_string(path->text, path_at, PATH_MAX);
    }
    if (length < 0)
        error = (int)length;
    else if (path->text[0] == '\0' && !may_be_empty)
        error = -ENOENT;
    else if (path->text[0] != '/')
        error = find_start(dir_fd, path->text[0] != '\0', &path->start);
    if (error != 0)
        free_text(path);
    return error;
}

int user_path_get(int dir_fd, vaddr_t path_at, struct user_path *path)
{
    return user_path_get_or_empty(dir_fd, path_at, false, path);
}

void user_path_put(struct user_path *path)
{
    inode_put(path->start);
    free_text(path);
}

bool user_path_is_empty(vaddr_t path_at)
{
    char first;

    return user_copy_from(&first, path_at, 1) == 0 && first == '\0';
}

int user_path_find(int dir_fd, vaddr_t path_at, unsigned flags, struct inode **found)
{
    unsigned walk = (flags & AT_SYMLINK_NOFOLLOW ? PATH_NO_FOLLOW : 0) |
                    (flags & AT_EMPTY_PATH ? PATH_EMPTY_IS_START : 0);
    struct user_path path;
    int error = user_path_get_or_empty(dir_fd, path_at, flags & AT_EMPTY_PATH, &path);

    if (error != 0)
        return error;
    error = path_lookup(path.start, path.text, walk, found);
    user_path_put(&path);
    return error;
}

/* ---- Opening -------------------------------------------------------------------------------- */

int64_t sys_openat(int dir_fd, vaddr_t path_at, unsigned flags, uint32_t mode)
{
    struct user_path path;
    struct file *file;
    int fd, error = file_check_flags(flags);

    if (error == 0)
        error = user_path_get(dir_fd, path_at, &path);
    if (error != 0)
        return error;
    fd = fd_reserve(files(), 0, flags & O_CLOEXEC);
    if (fd >= 0) {
        error = file_open(path.start, path.text, flags, mode, &file);
        if (error == 0)
            fd_install(files(), fd, file);
        else
            fd_cancel(files(), fd);
    }
    user_path_put(&path);
    return error != 0 ? error : fd;
}

int64_t sys_open(vaddr_t path_at, unsigned flags, uint32_t mode)
{
    return sys_openat(AT_FDCWD, path_at, flags, mode);
}

int64_t sys_creat(vaddr_t path_at, uint32_t mode)
{
    return sys_openat(AT_FDCWD, path_at, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* ---- Making and removing -------------------------------------------------------------------- */

int64_t sys_mkdirat(int dir_fd, vaddr_t path_at, uint32_t mode)
{
    struct user_path path;
    int error = user_path_get(dir_fd, path_at, &path);

    if (error != 0)
        return error;
    error = path_make(path.start, path.text, S_IFDIR | (mode & 01777), 0);
    user_path_put(&path);
    return error;
}

int64_t sys_mkdir(vaddr_t path_at, uint32_t mode)
{
    return sys_mkdirat(AT_FDCWD, path_at, mode);
}

/* What mknod() may make. */
static int check_node(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
        return 0;
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

int64_t sys_mknodat(int dir_fd, vaddr_t path_at, uint32_t mode, unsigned device)
{
    bool is_device = S_ISCHR(mode) || S_ISBLK(mode);
    struct user_path path;
    int error = check_node(mode);

    if (error == 0)
        error = user_path_get(dir_fd, path_at, &path);
    if (error != 0)
        return error;
    if ((mode & S_IFMT) == 0)
        mode |= S_IFREG;
    error = path_make(path.start, path.text, mode & (S_IFMT | 07777), is_device ? device : 0);
    user_path_put(&path);
    return error;
}

int64_t sys_mknod(vaddr_t path_at, uint32_t mode, unsigned device)
{
    return sys_mknodat(AT_FDCWD, path_at, mode, device);
}

int64_t sys_unlinkat(int dir_fd, vaddr_t path_at, int flags)
{
    struct user_path path;
    int error;

    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    error = user_path_get(dir_fd, path_at, &path);
    if (error != 0)
        return error;
    error = path_remove(path.start, path.text, flags & AT_REMOVEDIR);
    user_path_put(&path);
    return error;
}

int64_t sys_rmdir(vaddr_t path_at)
{
    return sys_unlinkat(AT_FDCWD, path_at, AT_REMOVEDIR);
}

int64_t sys_unlink(vaddr_t path_at)
{
    return sys_unlinkat(AT_FDCWD, path_at, 0);
}

/* ---- Links and other names ------------------------------------------------------------------ */

int64_t sys_symlinkat(vaddr_t target_at, int dir_fd, vaddr_t path_at)
{
    struct user_path target, path;
    int error = user_path_get(AT_FDCWD, target_at, &target);

    if (error != 0)
        return error;
    error = user_path_get(dir_fd, path_at, &path);
    if (error == 0) {
        error = path_symlink(target.text, path.start, path.text);
        user_path_put(&path);
    }
    user_path_put(&target);
    return error;
}

int64_t sys_symlink(vaddr_t target_at, vaddr_t path_at)
{
    return sys_symlinkat(target_at, AT_FDCWD, path_at);
}

int64_t sys_readlinkat(int dir_fd, vaddr_t path_at, vaddr_t to, int nr_bytes)
{
    struct inode *link;
    char *target;
    int64_t result;

    if (nr_bytes <= 0)
        return -EINVAL;
    result = user_path_find(dir_fd, path_at, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &link);
    if (result != 0)
        return result;
    target = kmalloc_user(PATH_MAX);
    if (target == NULL)
        result = -ENOMEM;
    else if (!inode_is_link(link))
        result = user_path_is_empty(path_at) ? -ENOENT : -EINVAL;
    else
        result = link->ops->readlink(link, target, MIN((size_t)nr_bytes, (size_t)PATH_MAX));
    if (result > 0)
        inode_touch_accessed(link);
    inode_put(link);
    if (result > 0 && user_copy_to(to, target, (size_t)result) != 0)
        result = -EFAULT;
    kfree(target);
    return result;
}

int64_t sys_readlink(vaddr_t path_at, vaddr_t to, int nr_bytes)
{
    return sys_readlinkat(AT_FDCWD, path_at, to, nr_bytes);
}

int64_t sys_linkat(int from_fd, vaddr_t from_at, int to_fd, vaddr_t to_at, int flags)
{
    struct user_path path;
    struct inode *file;
    int error;

    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    /* A descriptor of what has no path is not for everybody to give one. */
    if ((flags & AT_EMPTY_PATH) && !credentials_are_root(credentials_current()))
        return -ENOENT;
    error = user_path_find(
        from_fd, from_at,
        (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW), &file);
    if (error != 0)
        return error;
    error = user_path_get(to_fd, to_at, &path);
    if (error == 0) {
        error = path_link(file, path.start, path.text);
        user_path_put(&path);
    }
    inode_put(file);
    return error;
}

int64_t sys_link(vaddr_t from_at, vaddr_t to_at)
{
    return sys_linkat(AT_FDCWD, from_at, AT_FDCWD, to_at, 0);
}

/* Whether the folder that the last part of a path is in can be found. */
static int check_parent(const struct user_path *path)
{
    struct path_last last;
    int error = path_find_parent(path->start, path->text, PATH_NO_FOLLOW, &last);

    if (error == 0)
        path_put_last(&last);
    return error;
}

int64_t sys_renameat2(int from_fd, vaddr_t from_at, int to_fd, vaddr_t to_at, unsigned flags)
{
    struct user_path from, to;
    int error;

    if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    error = user_path_get(from_fd, from_at, &from);
    if (error != 0)
        return error;
    error = user_path_get(to_fd, to_at, &to);
    if (error == 0) {
        error = path_rename(from.start, from.text, to.start, to.text, flags);
        user_path_put(&to);
    } else {
        int from_error = check_parent(&from); /* what is wrong with the first path is told first */

        error = from_error != 0 ? from_error : error;
    }
    user_path_put(&from);
    return error;
}

int64_t sys_renameat(int from_fd, vaddr_t from_at, int to_fd, vaddr_t to_at)
{
    return sys_renameat2(from_fd, from_at, to_fd, to_at, 0);
}

int64_t sys_rename(vaddr_t from_at, vaddr_t to_at)
{
    return sys_renameat2(AT_FDCWD, from_at, AT_FDCWD, to_at, 0);
}

/* ---- Where the process is ------------------------------------------------------------------- */

/* A folder that the caller may enter; takes over the reference if it may not. */
static int check_enter(struct inode *dir)
{
    int error = inode_is_dir(dir) ? inode_may(dir, MAY_EXEC) : -ENOTDIR;

    if (error != 0)
        inode_put(dir);
    return error;
}

int64_t sys_chdir(vaddr_t path_at)
{
    struct inode *dir;
    int error = user_path_find(AT_FDCWD, path_at, 0, &dir);

    if (error == 0)
        error = check_enter(dir);
    if (error == 0)
        process_set_cwd(dir);
    return error;
}

int64_t sys_fchdir(int fd)
{
    struct inode *dir;
    int error = fd == AT_FDCWD ? -EBADF : find_start(fd, true, &dir);

    if (error == 0)
        error = check_enter(dir);
    if (error == 0)
        process_set_cwd(dir);
    return error;
}

int64_t sys_chroot(vaddr_t path_at)
{
    struct inode *dir;
    int error = user_path_find(AT_FDCWD, path_at, 0, &dir);

    if (error == 0)
        error = check_enter(dir);
    if (error != 0)
        return error;
    if (!credentials_are_root(credentials_current())) {
        inode_put(dir);
        return -EPERM;
    }
    process_set_root(dir);
    return 0;
}

int64_t sys_umask(uint32_t mask)
{
    return atomic_exchange(&process_current()->umask, mask & 0777);
}

int64_t sys_getcwd(vaddr_t to, size_t nr_bytes)
{
    struct inode *dir = process_get_cwd(process_current());
    char *path = kmalloc_user(PATH_MAX);
    int64_t start = -ENOMEM, result;

    if (path != NULL)
        start = path_of(dir, path, PATH_MAX);
    inode_put(dir);
    if (start == -ERANGE)
        start = -ENAMETOOLONG;
    result = start < 0 ? start : PATH_MAX - start;
    if (result > 0 && (size_t)result > nr_bytes)
        result = -ERANGE;
    if (result > 0 && user_copy_to(to, path + start, (size_t)result) != 0)
        result = -EFAULT;
    kfree(path);
    return result;
}
