/*
 * What is mounted where.
 *
 * A file system that is mounted is a tree of inodes of its own, and is mounted once: the folder it
 * covers and its root know each other (inode->covered_by, mount->covers). So an inode alone says
 * where somebody is, without the mount that Linux keeps beside it; the price is that a tree cannot
 * be bound to a second place (MS_BIND), and mounting a kind again makes another tree. A root may be
 * covered in turn: who mounts something on a folder gets on top of what is there.
 *
 * A file system is in use while anybody has a reference to one of its inodes: an open file, a
 * current folder, a mapping, the folder under another mount. umount() asks the file system whether
 * that is so; it refuses, or, if it is to be lazy, takes it out of all paths only. Nobody can come
 * to it any more then who is not in it, so that, once nobody is, that stays so. Such ones are
 * looked at whenever something is mounted or unmounted.
 *
 * mount_lock guards the list and who covers what. The walk looks at inode->covered_by without it
 * first. It is taken with mutexes held, and takes nothing.
 */

#include <kernel/errno.h>
#include <kernel/mount.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <mm/slab.h>

/* What mount() may set, and remount may change. */
#define FLAGS_KEPT (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME)

static struct spinlock mount_lock = SPINLOCK_INIT("mounts", LOCK_RANK_MOUNT);
static struct list mounts = LIST_INIT(mounts); /* mount_lock: in paths, in order of number */
static struct list lazy = LIST_INIT(lazy);     /* mount_lock: in no path, and in use */
static struct mutex change_lock;               /* held during mount() and umount() */
static uint64_t next_number = 1;               /* change_lock */
static struct file_system *types;              /* c after booting */
struct inode *root_inode;

void file_system_register(struct file_system *type)
{
    type->next = types;
    types = type;
}

const struct file_system *file_system_next(const struct file_system *type)
{
    return type != NULL ? type->next : types;
}

static const struct file_system *find_type(const char *name)
{
    const struct file_system *type = types;

    while (type != NULL && strcmp(type->name, name) != 0)
        type = type->next;
    return type;
}

/* ---- For the walk --------------------------------------------------------------------------- */

struct inode *mount_enter_slow(struct inode *dir)
{
    for (;;) {
        irq_state_t irq = spin_lock_irq(&mount_lock);
        const struct mount *mount = dir->covered_by;
        struct inode *root = mount != NULL ? inode_get(mount->root) : NULL;

        spin_unlock_irq(&mount_lock, irq);
        if (root == NULL)
            return dir;
        inode_put(dir);
        dir = root;
    }
}

struct inode *mount_covered(struct inode *root)
{
    struct mount *mount = root->mount;
    struct inode *covered = NULL;
    irq_state_t irq;

    if (root != mount->root)
        return NULL;
    irq = spin_lock_irq(&mount_lock);
    if (mount->covers != NULL)
        covered = inode_get(mount->covers);
    spin_unlock_irq(&mount_lock, irq);
    return covered;
}

/* ---- Mounting ------------------------------------------------------------------------------- */

/* A file system that covers nothing yet. 0 or -errno. change_lock is held. */
static int create(const struct file_system *type, const char *source, unsigned flags,
                  const char *options, struct mount **created)
{
    struct mount *mount = kzalloc_user(sizeof(*mount));
    int error;

    if (mount == NULL)
        return -ENOMEM;
    mount->type = type;
    mount->number = mount->device = next_number;
    atomic_init(&mount->flags, flags & FLAGS_KEPT);
    mutex_init(&mount->rename_lock, "rename");
    strlcpy(mount->source, source, sizeof(mount->source));
    strlcpy(mount->options, options, sizeof(mount->options));
    error = type->mount(mount, options);
    if (error != 0) {
        kfree(mount);
        return error;
    }
    next_number++;
    *created = mount;
    return 0;
}

/* Gives everything back of one that is in no path and not in use. */
static void destroy(struct mount *mount)
{
    mount->type->unmount(mount);
    kfree(mount);
}

static bool is_busy(struct mount *mount)
{
    if (mount->type->is_busy != NULL)
        return mount->type->is_busy(mount);
    return atomic_load(&mount->root->nr_refs) > 1;
}

void mount_init(void)
{
    struct mount *mount;

    mutex_init(&change_lock, "mounting");
    file_system_register(&tmpfs_file_system);
    if (create(&tmpfs_file_system, "tmpfs", 0, "", &mount) != 0)
        panic("mount: no memory for the root");
    list_push_back(&mounts, &mount->link);
    root_inode = mount->root;
}

/*
 * Puts `mount` on folder `dir`, whose reference it takes over if it works. 0, -ENOTDIR, -ENOENT:
 * the folder has been removed, -EBUSY: something is on it already. change_lock is held.
 */
static int cover(struct mount *mount, struct inode *dir)
{
    irq_state_t irq;
    int error = 0;

    if (!inode_is_dir(dir))
        return -ENOTDIR;
    mutex_lock(&dir->lock);
    irq = spin_lock_irq(&mount_lock);
    if (dir->nr_links == 0) {
        error = -ENOENT;
    } else if (dir->covered_by != NULL) {
        error = -EBUSY;
    } else {
        mount->covers = dir;
        dir->covered_by = mount;
    }
    spin_unlock_irq(&mount_lock, irq);
    mutex_unlock(&dir->lock);
    return error;
}

/* Takes it off what it covers, which is what it returns, with the reference. */
static struct inode *uncover(struct mount *mount)
{
    irq_state_t irq = spin_lock_irq(&mount_lock);
    struct inode *dir = mount->covers;

    mount->covers = NULL;
    dir->covered_by = NULL;
    spin_unlock_irq(&mount_lock, irq);
    return dir;
}

static void enlist(struct list *list, struct mount *mount)
{
    irq_state_t irq = spin_lock_irq(&mount_lock);

    list_push_back(list, &mount->link);
    spin_unlock_irq(&mount_lock, irq);
}

static void delist(struct mount *mount)
{
    irq_state_t irq = spin_lock_irq(&mount_lock);

    list_remove(&mount->link);
    spin_unlock_irq(&mount_lock, irq);
}

/* Frees what was unmounted lazily and is not in use any more. change_lock is held. */
static void sweep(void)
{
    struct mount *mount, *next;

    list_for_each_entry_safe (mount, next, &lazy, link) {
        if (is_busy(mount))
            continue;
        delist(mount);
        destroy(mount);
    }
}

int mount_new(struct inode *start, const char *path, const char *type_name, const char *source,
              unsigned flags, const char *options)
{
    const struct file_system *type = find_type(type_name);
    struct mount *mount;
    struct inode *dir;
    int error = type != NULL ? path_find(start, path, &dir) : -ENODEV;

    if (error != 0)
        return error;
    mutex_lock(&change_lock);
    sweep();
    error = inode_is_dir(dir) ? create(type, source, flags, options, &mount) : -ENOTDIR;
    if (error == 0) {
        dir = mount_enter(dir);
        error = cover(mount, dir);
        if (error == 0)
            enlist(&mounts, mount);
        else
            destroy(mount);
    }
    mutex_unlock(&change_lock);
    if (error != 0)
        inode_put(dir);
    return error;
}

/* The mount whose root is at `path`. -EINVAL: that is no root. */
static int find_mount(struct inode *start, const char *path, unsigned flags, struct inode **root)
{
    int error = path_lookup(start, path, flags, root);

    if (error == 0 && *root != (*root)->mount->root) {
        inode_put(*root);
        error = -EINVAL;
    }
    return error;
}

int mount_change(struct inode *start, const char *path, unsigned flags, const char *options)
{
    struct inode *root;
    struct mount *mount;
    int error = find_mount(start, path, 0, &root);

    if (error != 0)
        return error;
    mount = root->mount;
    mutex_lock(&change_lock);
    if (*options != '\0')
        error = mount->type->remount != NULL ? mount->type->remount(mount, options) : -EINVAL;
    if (error == 0) {
        unsigned old = atomic_exchange(&mount->flags, flags & FLAGS_KEPT);

        /* Who opens for writing counts first, and then looks at the flags. */
        if ((flags & MS_RDONLY) && atomic_load(&mount->nr_writers) > 0) {
            atomic_store(&mount->flags, old);
            error = -EBUSY;
        }
    }
    if (error == 0 && *options != '\0') {
        irq_state_t irq = spin_lock_irq(&mount_lock);

        strlcpy(mount->options, options, sizeof(mount->options));
        spin_unlock_irq(&mount_lock, irq);
    }
    mutex_unlock(&change_lock);
    inode_put(root);
    return error;
}

/* Whether `dir` is in `mount`, or in what is mounted in it. */
static bool is_within(struct inode *dir, const struct mount *mount)
{
    struct inode *at = inode_get(dir);
    bool is_found = false;

    while (!is_found) {
        struct inode *covered;

        is_found = at->mount == mount;
        covered = mount_covered(at->mount->root);
        if (covered == NULL)
            break;
        inode_put(at);
        at = covered;
    }
    inode_put(at);
    return is_found;
}

/* change_lock is held. */
static int move(struct mount *mount, struct inode *to)
{
    struct inode *from;
    int error;

    if (mount->covers == NULL)
        return -EINVAL;
    if (!inode_is_dir(to))
        return -ENOTDIR;
    if (is_within(to, mount))
        return -ELOOP;
    inode_get(to);
    from = uncover(mount);
    error = cover(mount, to);
    if (error == 0) {
        inode_put(from);
        return 0;
    }
    inode_put(to);
    if (cover(mount, from) != 0) {
        /* It was removed in that moment: the file system is in no path, as after MNT_DETACH. */
        delist(mount);
        enlist(&lazy, mount);
        inode_put(from);
    }
    return error;
}

int mount_move(struct inode *start, const char *from, const char *to)
{
    struct inode *root, *dir;
    int error = find_mount(start, from, 0, &root);

    if (error != 0)
        return error;
    error = path_find(start, to, &dir);
    if (error == 0) {
        mutex_lock(&change_lock);
        error = move(root->mount, dir);
        mutex_unlock(&change_lock);
        inode_put(dir);
    }
    inode_put(root);
    return error;
}

/* ---- Unmounting ----------------------------------------------------------------------------- */

/* Whether something is mounted in it. change_lock is held. */
static bool has_mounts(const struct mount *parent)
{
    const struct mount *mount;

    list_for_each_entry (mount, &mounts, link) {
        if (mount->covers != NULL && mount->covers->mount == parent)
            return true;
    }
    return false;
}

/* Takes one file system out of all paths. change_lock is held. */
static void detach(struct mount *mount)
{
    inode_put(uncover(mount));
    delist(mount);
    enlist(&lazy, mount);
}

/* One that is mounted in a file system that is in no path; NULL: there is none. As detach(). */
static struct mount *find_unreachable(void)
{
    struct mount *mount;

    list_for_each_entry (mount, &mounts, link) {
        const struct mount *outer = mount->covers != NULL ? mount->covers->mount : NULL;

        if (outer != NULL && outer->covers == NULL && outer->root != root_inode)
            return mount;
    }
    return NULL;
}

int mount_remove(struct inode *start, const char *path, bool no_follow, bool is_lazy)
{
    struct mount *mount;
    struct inode *root;
    int error = find_mount(start, path, no_follow ? PATH_NO_FOLLOW : 0, &root);

    if (error != 0)
        return error;
    mount = root->mount;
    mutex_lock(&change_lock);
    inode_put(root); /* the mount's own keeps it while it is on the list, and change_lock is held */
    if (mount->covers == NULL)
        error = -EINVAL;
    else if (!is_lazy && (has_mounts(mount) || is_busy(mount)))
        error = -EBUSY;
    else
        detach(mount);
    while (error == 0 && (mount = find_unreachable()) != NULL)
        detach(mount);
    sweep();
    mutex_unlock(&change_lock);
    return error;
}

/* ---- What is known about them --------------------------------------------------------------- */

/* The first above `after`, with a reference to its root. */
static struct inode *find_next(uint64_t after, struct mount_info *info)
{
    irq_state_t irq = spin_lock_irq(&mount_lock);
    struct inode *root = NULL;
    const struct mount *mount, *next = NULL;

    list_for_each_entry (mount, &mounts, link) {
        if (mount->number > after && (next == NULL || mount->number < next->number))
            next = mount;
    }
    if (next != NULL) {
        root = inode_get(next->root);
        info->number = next->number;
        info->parent = next->covers != NULL ? next->covers->mount->number : 0;
        info->device = next->device;
        info->flags = atomic_load(&next->flags);
        info->type = next->type;
        memcpy(info->source, next->source, sizeof(info->source));
        memcpy(info->options, next->options, sizeof(info->options));
    }
    spin_unlock_irq(&mount_lock, irq);
    return root;
}

bool mount_next(uint64_t after, struct mount_info *info, char *path, size_t nr_bytes, size_t *at)
{
    struct inode *root;

    while ((root = find_next(after, info)) != NULL) {
        int64_t start = path_of(root, path, nr_bytes);

        inode_put(root);
        if (start >= 0 && path[start] == '/') {
            *at = (size_t)start;
            return true;
        }
        after = info->number;
    }
    return false;
}

void mount_statfs(struct mount *mount, struct statfs *statfs)
{
    unsigned flags = atomic_load(&mount->flags);

    memset(statfs, 0, sizeof(*statfs));
    statfs->f_type = mount->type->magic;
    statfs->f_bsize = statfs->f_frsize = PAGE_SIZE;
    statfs->f_namelen = NAME_BYTES_MAX;
    statfs->f_fsid.val[0] = (int)mount->device;
    /* ST_VALID says that the flags mean something; ST_RDONLY to ST_NOEXEC are MS_RDONLY ... */
    statfs->f_flags = 0x20 | (flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME));
    if (mount->type->statfs != NULL)
        mount->type->statfs(mount, statfs);
}
