/*
 * Making, removing and changing names.
 *
 * Each walks up to the last part of its paths, looks whether the caller may do it, and leaves the
 * rest to the folder, which does it in one step. What is refused for what a name stands for, such
 * as slashes behind a file's, is decided a moment before: whoever changes the names meanwhile may
 * as well have done it after.
 */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/inotify.h>
#include <kernel/mount.h>
#include <kernel/vnode.h>
#include <linux/fs.h>
#include <linux/stat.h>

/* Whether names in `dir` may be made, removed and changed; in one that is removed nobody can. */
static int check_dir(struct inode *dir)
{
    if (dir->nr_links == 0)
        return -ENOENT;
    return inode_may(dir, MAY_WRITE | MAY_EXEC);
}

/* What is at the end of a walk, itself; for no "." or "..". */
static int find_itself(const struct path_last *last, struct inode **found)
{
    return last->dir->ops->lookup(last->dir, last->name, last->length, found);
}

/*
 * Where a new name goes, and that it may. -EEXIST, -ENOENT (slashes behind what is to be no
 * folder), -EACCES, -EROFS; then nothing is held.
 */
static int find_new(struct inode *start, const char *path, bool is_dir, struct path_last *last)
{
    struct inode *there;
    int error = path_find_parent(start, path, PATH_NO_FOLLOW, last);

    if (error != 0)
        return error;
    if (path_is_dots(last)) {
        error = -EEXIST;
    } else {
        error = find_itself(last, &there);
        if (error == 0) {
            inode_put(there);
            error = -EEXIST;
        } else if (error == -ENOENT && (is_dir || !last->has_slash)) {
            error = check_dir(last->dir);
        }
    }
    if (error != 0)
        path_put_last(last);
    return error;
}

static void tell_made(const struct path_last *last, uint32_t dir_bit)
{
    inotify_happened_in(last->dir, last->name, last->length, IN_CREATE | dir_bit);
}

int path_make(struct inode *start, const char *path, uint32_t mode, uint32_t device)
{
    struct inode *created;
    struct path_last last;
    int error = find_new(start, path, S_ISDIR(mode), &last);

    if (error != 0)
        return error;
    if (last.dir->ops->create == NULL ||
        ((S_ISCHR(mode) || S_ISBLK(mode)) && !credentials_are_root(credentials_current())))
        error = -EPERM;
    else
        error = last.dir->ops->create(last.dir, last.name, last.length, mode & ~path_umask(),
                                      device, &created);
    if (error == 0) {
        tell_made(&last, S_ISDIR(mode) ? IN_ISDIR : 0);
        inode_put(created);
    }
    path_put_last(&last);
    return error;
}

int path_symlink(const char *target, struct inode *start, const char *path)
{
    struct path_last last;
    int error = *target == '\0' ? -ENOENT : find_new(start, path, false, &last);

    if (error != 0)
        return error;
    if (last.dir->ops->symlink == NULL)
        error = -EPERM;
    else
        error = last.dir->ops->symlink(last.dir, last.name, last.length, target);
    if (error == 0)
        tell_made(&last, 0);
    path_put_last(&last);
    return error;
}

int path_link(struct inode *file, struct inode *start, const char *path)
{
    struct path_last last;
    int error = find_new(start, path, false, &last);

    if (error != 0)
        return error;
    if (last.dir->mount != file->mount)
        error = -EXDEV;
    else if (inode_is_dir(file) || last.dir->ops->link == NULL)
        error = -EPERM;
    else
        error = last.dir->ops->link(last.dir, last.name, last.length, file);
    if (error == 0 && inotify_is_used()) {
        inotify_happened_to(file, IN_ATTRIB);
        tell_made(&last, 0);
    }
    path_put_last(&last);
    return error;
}

/* ---- Removing ------------------------------------------------------------------------------- */

/* "file/" is no folder, "folder/" is no file, and "none/" is nothing: what unlink() says of them.
 */
static int refuse_slash(const struct path_last *last)
{
    struct inode *inode;
    int error = find_itself(last, &inode);

    if (error != 0)
        return error;
    error = inode_is_dir(inode) ? -EISDIR : -ENOTDIR;
    inode_put(inode);
    return error;
}

/* What is not there cannot be removed, whether or not the caller may. */
static int refuse(const struct path_last *last, int error)
{
    struct inode *inode;
    int missing = find_itself(last, &inode);

    if (missing != 0)
        return missing;
    inode_put(inode);
    return error;
}

/* As ops->remove(), and those who watch are told. */
static __attribute__((noinline)) int remove_and_tell(const struct path_last *last, bool is_dir)
{
    struct inode *gone;
    int error = find_itself(last, &gone);

    if (error != 0)
        return error;
    error = last->dir->ops->remove(last->dir, last->name, last->length, is_dir);
    if (error == 0) {
        if (!is_dir)
            inotify_happened_to(gone, IN_ATTRIB);
        inotify_happened_in(last->dir, last->name, last->length,
                            IN_DELETE | (is_dir ? IN_ISDIR : 0));
    }
    inode_put(gone);
    return error;
}

static int remove_last(const struct path_last *last, bool is_dir)
{
    int error;

    if (last->length == 0)
        return is_dir ? -EBUSY : -EISDIR;
    if (path_is_dot(last))
        return is_dir ? -EINVAL : -EISDIR;
    if (path_is_dotdot(last))
        return is_dir ? -ENOTEMPTY : -EISDIR;
    if (last->has_slash && !is_dir)
        return refuse_slash(last);
    error = check_dir(last->dir);
    if (error == 0 && last->dir->ops->remove == NULL)
        error = -EPERM;
    if (error != 0)
        return refuse(last, error);
    if (inotify_is_used())
        return remove_and_tell(last, is_dir);
    return last->dir->ops->remove(last->dir, last->name, last->length, is_dir);
}

int path_remove(struct inode *start, const char *path, bool is_dir)
{
    struct path_last last;
    int error = path_find_parent(start, path, PATH_NO_FOLLOW, &last);

    if (error != 0)
        return error;
    error = remove_last(&last, is_dir);
    path_put_last(&last);
    return error;
}

/* ---- Renaming ------------------------------------------------------------------------------- */

/* What a name stands for; NULL: nothing. 0 or -errno, and then nothing is held. */
static int find_or_null(const struct path_last *last, struct inode **found)
{
    int error = find_itself(last, found);

    if (error != 0)
        *found = NULL;
    return error == -ENOENT ? 0 : error;
}

/*
 * Whether `moved` may get the name of `other` (NULL: nobody's), and, if they are exchanged, the
 * other way round. 0, -errno; 1: they are the same file, and nothing is to be done.
 */
static int check_rename(const struct path_last *from, const struct inode *moved,
                        const struct path_last *to, const struct inode *other, unsigned flags)
{
    bool is_exchange = flags & RENAME_EXCHANGE;

    if (moved == NULL || (other == NULL && is_exchange))
        return -ENOENT;
    if (other != NULL && (flags & RENAME_NOREPLACE))
        return -EEXIST;
    /* Slashes may follow a folder's name only. */
    if (is_exchange && to->has_slash && !inode_is_dir(other))
        return -ENOTDIR;
    if (!inode_is_dir(moved) && (from->has_slash || (to->has_slash && !is_exchange)))
        return -ENOTDIR;
    return moved == other;
}

/* A folder that goes elsewhere has its ".." changed, for which it must be writable. */
static int check_moved(struct inode *inode)
{
    return inode_is_dir(inode) ? inode_may(inode, MAY_WRITE) : 0;
}

static int rename_names(const struct dir_name *old, const struct dir_name *new, unsigned flags)
{
    int error;

    if (old->dir == new->dir)
        return old->dir->ops->rename(old, new, flags);
    mutex_lock(&old->dir->mount->rename_lock);
    error = old->dir->ops->rename(old, new, flags);
    mutex_unlock(&old->dir->mount->rename_lock);
    return error;
}

/* Those who watch are told. */
static RARELY_CALLED void tell_renamed(const struct dir_name *old, struct inode *moved,
                                       const struct dir_name *new, struct inode *other,
                                       unsigned flags)
{
    inotify_moved(moved, old, new);
    if (other != NULL && (flags & RENAME_EXCHANGE))
        inotify_moved(other, new, old);
    else if (other != NULL && !inode_is_dir(other))
        inotify_happened_to(other, IN_ATTRIB);
}

/* As rename_last(), for what stands at both names. */
static int rename_found(const struct path_last *from, struct inode *moved,
                        const struct path_last *to, struct inode *other, unsigned flags)
{
    const struct dir_name old = {from->dir, from->name, from->length};
    const struct dir_name new = {to->dir, to->name, to->length};
    int error = check_rename(from, moved, to, other, flags);

    if (error != 0)
        return MIN(error, 0);
    error = check_dir(from->dir);
    if (error == 0)
        error = check_dir(to->dir);
    if (error == 0 && from->dir != to->dir)
        error = check_moved(moved);
    if (error == 0 && from->dir != to->dir && (flags & RENAME_EXCHANGE))
        error = check_moved(other);
    if (error == 0 && from->dir->ops->rename == NULL)
        error = -EPERM;
    if (error == 0)
        error = rename_names(&old, &new, flags);
    if (error == 0 && inotify_is_used())
        tell_renamed(&old, moved, &new, other, flags);
    return error;
}

static int rename_last(const struct path_last *from, const struct path_last *to, unsigned flags)
{
    struct inode *moved, *other = NULL;
    int error;

    if (from->dir->mount != to->dir->mount)
        return -EXDEV;
    if (path_is_dots(from))
        return -EBUSY;
    if (path_is_dots(to))
        return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    error = find_or_null(from, &moved);
    if (error == 0)
        error = find_or_null(to, &other);
    if (error == 0)
        error = rename_found(from, moved, to, other, flags);
    inode_put(moved);
    inode_put(other);
    return error;
}

int path_rename(struct inode *from_start, const char *from, struct inode *to_start, const char *to,
                unsigned flags)
{
    struct path_last old, new;
    int error;

    error = path_find_parent(from_start, from, PATH_NO_FOLLOW, &old);
    if (error != 0)
        return error;
    error = path_find_parent(to_start, to, PATH_NO_FOLLOW, &new);
    if (error == 0) {
        error = rename_last(&old, &new, flags);
        path_put_last(&new);
    }
    path_put_last(&old);
    return error;
}
