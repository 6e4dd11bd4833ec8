/*
 * From a path to an inode.
 *
 * A path is walked part by part, with a reference to one folder at a time and no lock held between
 * two of them. Slashes at the end say that the last part has to be a folder. Who creates or removes
 * something walks up to the last part, and leaves the rest to the folder, which does it atomically.
 */

#include <kernel/errno.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/stat.h>

/* The next part of a path: its length, and what follows it and its slashes. */
static const char *split(const char *path, size_t *length)
{
    const char *end = path;

    while (*end != '\0' && *end != '/')
        end++;
    *length = (size_t)(end - path);
    while (*end == '/')
        end++;
    return end;
}

/* What `last` names in its folder, with a reference. */
static int find_last(const struct path_last *last, struct inode **found)
{
    if (last->length == 0 || path_is_dot(last))
        *found = inode_get(last->dir);
    else if (path_is_dotdot(last))
        *found = last->dir->ops->parent(last->dir);
    else
        return last->dir->ops->lookup(last->dir, last->name, last->length, found);
    return 0;
}

int path_find_parent(struct inode *start, const char *path, struct path_last *last)
{
    struct inode *at = start != NULL && *path != '/' ? start : root_inode;
    int error;

    if (*path == '\0')
        return -ENOENT;
    while (*path == '/')
        path++;
    inode_get(at);
    for (;;) {
        struct inode *next;
        const char *rest;

        *last = (struct path_last){.dir = at, .name = path};
        rest = split(path, &last->length);
        error = !inode_is_dir(at) ? -ENOTDIR : last->length > NAME_BYTES_MAX ? -ENAMETOOLONG : 0;
        if (error == 0 && *rest == '\0') {
            last->has_slash = rest > path && rest[-1] == '/';
            return 0;
        }
        if (error == 0)
            error = find_last(last, &next);
        inode_put(at);
        if (error != 0)
            return error;
        at = next;
        path = rest;
    }
}

int path_find(struct inode *start, const char *path, struct inode **found)
{
    struct path_last last;
    int error = path_find_parent(start, path, &last);

    if (error != 0)
        return error;
    error = find_last(&last, found);
    inode_put(last.dir);
    if (error == 0 && last.has_slash && !inode_is_dir(*found)) {
        inode_put(*found);
        error = -ENOTDIR;
    }
    return error;
}

int path_make(struct inode *start, const char *path, uint32_t mode, uint32_t device)
{
    struct inode *created;
    struct path_last last;
    int error = path_find_parent(start, path, &last);

    if (error != 0)
        return error;
    if (last.length == 0 || path_is_dot(&last) || path_is_dotdot(&last))
        error = -EEXIST;
    else
        error = last.dir->ops->create(last.dir, last.name, last.length, mode, device, &created);
    inode_put(last.dir);
    if (error == 0)
        inode_put(created);
    return error;
}

/* "file/" is no folder, "folder/" is no file, and "none/" is nothing: what unlink() says of them.
 */
static int refuse_slash(const struct path_last *last)
{
    struct inode *inode;
    int error = find_last(last, &inode);

    if (error != 0)
        return error;
    error = inode_is_dir(inode) ? -EISDIR : -ENOTDIR;
    inode_put(inode);
    return error;
}

int path_remove(struct inode *start, const char *path, bool is_dir)
{
    struct path_last last;
    int error = path_find_parent(start, path, &last);

    if (error != 0)
        return error;
    if (last.length == 0)
        error = is_dir ? -EBUSY : -EISDIR;
    else if (path_is_dot(&last))
        error = is_dir ? -EINVAL : -EISDIR;
    else if (path_is_dotdot(&last))
        error = is_dir ? -ENOTEMPTY : -EISDIR;
    else if (last.has_slash && !is_dir)
        error = refuse_slash(&last);
    else
        error = last.dir->ops->remove(last.dir, last.name, last.length, is_dir);
    inode_put(last.dir);
    return error;
}

int64_t path_of_dir(struct inode *dir, char *buffer, size_t nr_bytes)
{
    struct inode *at = inode_get(dir);
    char name[NAME_BYTES_MAX + 1];
    size_t start = nr_bytes - 1;
    int error = 0;

    buffer[start] = '\0';
    while (at != root_inode && error == 0) {
        struct inode *parent = at->ops->parent(at);
        size_t length;

        error = at->ops->own_name(at, name);
        length = error == 0 ? strlen(name) : 0;
        if (error == 0 && length + 1 > start)
            error = -ERANGE;
        if (error == 0) {
            start -= length + 1;
            buffer[start] = '/';
            memcpy(buffer + start + 1, name, length);
        }
        inode_put(at);
        at = parent;
    }
    inode_put(at);
    if (error != 0)
        return error;
    if (buffer[start] == '\0')
        buffer[--start] = '/';
    return (int64_t)start;
}
