/*
 * From a path to an inode.
 *
 * A path is walked part by part, with a reference to one folder at a time and no lock held between
 * two of them. Slashes at the end say that the last part has to be a folder. Who creates or removes
 * something walks up to the last part, and leaves the rest to the folder, which does it atomically.
 *
 * A symbolic link is followed by going on, in the folder that it is in, with its target and what
 * follows it in the path, put together in memory of their own. So the walk needs no recursion, and
 * a link at the end, with the slashes behind it, is like any other. 40 links in all end it.
 *
 * A folder that something is mounted on is left for that one's root when it is entered by its name;
 * ".." of such a root leads to what is above the folder. The caller's root is where ".." stays.
 *
 * A folder that is removed while somebody walks through it is empty, and nothing can be created in
 * it: -ENOENT, if there is a part left.
 */

#include <kernel/errno.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <mm/slab.h>

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

/* The folder above `at`, within the caller's root. */
static struct inode *find_above(const struct path_last *walk, struct inode *at)
{
    struct inode *here = inode_get(at), *above;

    while (here != walk->root && (above = mount_covered(here)) != NULL) {
        inode_put(here);
        here = above;
    }
    if (here == walk->root)
        return here;
    above = here->ops->parent(here);
    inode_put(here);
    return mount_enter(above);
}

/* What a part of the walk names in its folder. */
static int find_part(const struct path_last *walk, struct inode **found)
{
    struct inode *dir = walk->dir;
    int error = 0;

    if (walk->length == 0 || path_is_dot(walk)) {
        *found = inode_get(dir);
    } else if (path_is_dotdot(walk)) {
        *found = find_above(walk, dir);
    } else {
        error = dir->ops->lookup(dir, walk->name, walk->length, found);
        if (error == 0)
            *found = mount_enter(*found);
    }
    return error;
}

/* The target of `link`, a slash, if one follows it, and `rest`, in new memory for the walk. */
static int put_together(struct path_last *walk, struct inode *link, bool has_slash,
                        const char *rest)
{
    size_t rest_bytes = strlen(rest) + 1;
    char *text = kmalloc_user(PATH_MAX + rest_bytes + 1);
    int64_t length;

    if (text == NULL)
        return -ENOMEM;
    length = link->ops->readlink(link, text, PATH_MAX);
    if (length <= 0 || length >= PATH_MAX) {
        kfree(text);
        return length < 0 ? (int)length : length == 0 ? -ENOENT : -ENAMETOOLONG;
    }
    if (has_slash)
        text[length++] = '/';
    memcpy(text + length, rest, rest_bytes);
    kfree(walk->text);
    walk->text = text;
    return 0;
}

/* Goes on from `dir`, whose reference it takes over. */
static void move_to(struct path_last *walk, struct inode *dir)
{
    inode_put(walk->dir);
    walk->dir = dir;
}

/*
 * Follows `link`, the part in hand, behind which come a slash and `rest`; takes over its reference.
 * *path is where to go on, and NULL if *found is all there is.
 */
static int follow(struct path_last *walk, struct inode *link, bool has_slash, const char *rest,
                  const char **path, struct inode **found)
{
    int error = walk->nr_links++ < LINKS_FOLLOWED_MAX ? 0 : -ELOOP;

    *path = NULL;
    if (error == 0 && link->ops->follow != NULL) {
        error = link->ops->follow(link, found);
    } else if (error == 0) {
        error = put_together(walk, link, has_slash, rest);
        *path = walk->text;
    }
    inode_put(link);
    if (error == 0 && *path != NULL && **path == '/')
        move_to(walk, inode_get(walk->root));
    return error;
}

/* Whether the caller may look names up in what the walk is at. */
static int check_search(const struct path_last *walk)
{
    if (!inode_is_dir(walk->dir))
        return -ENOTDIR;
    return inode_may(walk->dir, MAY_EXEC | (walk->flags & PATH_AS_REAL ? MAY_AS_REAL : 0));
}

/* Walks `path` from walk->dir up to its last part. On failure walk->dir is still held. */
static int walk_on(struct path_last *walk, const char *path)
{
    for (;;) {
        struct inode *next;
        const char *rest;
        int error;

        while (*path == '/')
            path++;
        walk->name = path;
        rest = split(path, &walk->length);
        error = walk->length > 0 ? check_search(walk) : 0; /* "/" names nothing in its folder */
        if (error == 0 && walk->length > NAME_BYTES_MAX)
            error = -ENAMETOOLONG;
        if (error != 0)
            return error;
        if (*rest == '\0') {
            walk->has_slash = rest > path && rest[-1] == '/';
            return 0;
        }
        error = find_part(walk, &next);
        if (error == 0 && inode_is_link(next)) {
            error = follow(walk, next, true, rest, &path, &next);
            if (error == 0 && path != NULL)
                continue;
        }
        if (error != 0)
            return error;
        move_to(walk, next);
        path = rest;
    }
}

void path_put_last(struct path_last *last)
{
    inode_put(last->dir);
    path_put_root(last->root);
    if (last->text != NULL)
        kfree(last->text);
}

int path_find_parent(struct inode *start, const char *path, unsigned flags, struct path_last *last)
{
    int error;

    *last = (struct path_last){.root = path_root(), .flags = flags};
    last->dir = inode_get(start != NULL && *path != '/' ? start : last->root);
    error = *path == '\0' ? -ENOENT : walk_on(last, path);
    if (error != 0)
        path_put_last(last);
    return error;
}

int path_find_last(struct path_last *last, struct inode **found)
{
    for (;;) {
        const char *path;
        int error = find_part(last, found);

        if (error != 0 || !inode_is_link(*found) ||
            ((last->flags & PATH_NO_FOLLOW) && !last->has_slash))
            return error;
        error = follow(last, *found, last->has_slash, "", &path, found);
        if (error == 0 && path == NULL)
            return 0;
        if (error == 0)
            error = walk_on(last, path);
        if (error != 0) {
            last->name = NULL;
            return error;
        }
    }
}

int path_lookup(struct inode *start, const char *path, unsigned flags, struct inode **found)
{
    struct path_last last;
    int error;

    if ((flags & PATH_EMPTY_IS_START) && *path == '\0' && start != NULL) {
        *found = inode_get(start);
        return 0;
    }
    error = path_find_parent(start, path, flags, &last);
    if (error != 0)
        return error;
    error = path_find_last(&last, found);
    if (error == 0 && last.has_slash && !inode_is_dir(*found)) {
        inode_put(*found);
        error = -ENOTDIR;
    }
    path_put_last(&last);
    return error;
}

int path_find(struct inode *start, const char *path, struct inode **found)
{
    return path_lookup(start, path, 0, found);
}

/* ---- And back ------------------------------------------------------------------------------- */

/* Puts `text` in front of what begins at *start of the buffer. 0 or -ERANGE. */
static int prepend(char *buffer, size_t *start, const char *text)
{
    size_t length = strlen(text);

    if (length > *start)
        return -ERANGE;
    *start -= length;
    memcpy(buffer + *start, text, length);
    return 0;
}

/*
 * One step up from *at: its name is put in front, and it becomes the folder above. The name and the
 * folder belong together, whatever is renamed meanwhile.
 */
static int step_up(struct inode **at, char *buffer, size_t *start, char name[NAME_BYTES_MAX + 1])
{
    struct inode *parent = (*at)->ops->parent != NULL ? (*at)->ops->parent(*at) : NULL;
    int error;

    if (parent == NULL)
        return -ENOENT;
    error = (*at)->ops->own_name(*at, parent, name);
    if (error == 0)
        error = prepend(buffer, start, name);
    if (error == 0)
        error = prepend(buffer, start, "/");
    inode_put(*at);
    *at = parent;
    return error;
}

/* Walks up to `root` or to the root of all; then *is_whole is false. */
static int climb(struct inode **at, const struct inode *root, char *buffer, size_t *start,
                 bool *is_whole)
{
    char *name = kmalloc_user(NAME_BYTES_MAX + 1);
    int error = name != NULL ? 0 : -ENOMEM;

    *is_whole = true;
    while (error == 0 && *at != root) {
        struct mount *mount = (*at)->mount;

        if (*at == mount->root) {
            struct inode *above = mount_covered(*at);

            *is_whole = above != NULL;
            if (above == NULL)
                break;
            inode_put(*at);
            *at = above;
            continue;
        }
        mutex_lock(&mount->rename_lock);
        while (error == 0 && *at != root && *at != mount->root)
            error = step_up(at, buffer, start, name);
        mutex_unlock(&mount->rename_lock);
    }
    kfree(name);
    return error;
}

int64_t path_of(struct inode *inode, char *buffer, size_t nr_bytes)
{
    struct inode *at = inode_get(inode), *root = path_root();
    size_t start = nr_bytes - 1;
    bool is_whole;
    int error;

    buffer[start] = '\0';
    error = climb(&at, root, buffer, &start, &is_whole);
    if (error == 0 && buffer[start] == '\0')
        error = prepend(buffer, &start, "/");
    if (error == 0 && !is_whole)
        error = prepend(buffer, &start, "(unreachable)");
    inode_put(at);
    path_put_root(root);
    return error != 0 ? error : (int64_t)start;
}
