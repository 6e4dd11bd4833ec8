/*
 * devpts: the folder of the pseudo-terminals, /dev/pts (devpts in Linux's filesystems/devpts.rst).
 *
 * Nothing is stored: a name is looked up in the table of pseudo-terminals (pty.c), and gets an
 * inode that is made for it and goes with its last reference. So every mount shows the same
 * terminals; there are no private instances. A terminal belongs to who opened its master, or to the
 * group that the option gid= names, until somebody changes that or the mode: what he says, and
 * nothing else, is kept with the terminal, and all inodes of it say the same once refresh() has
 * asked. Times, and the owner of ptmx, are fixed.
 *
 * Options: mode= of the terminals (600), gid= of their group, ptmxmode= of the folder's own ptmx
 * (000).
 */

#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/format.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <mm/slab.h>

#include "tty.h"

#define INODE_ROOT  1
#define INODE_PTMX  2
#define INODE_FIRST 3 /* of pseudo-terminal 0 */

/* Places in the folder: ".", "..", "ptmx", and from here on the terminals. */
enum { POSITION_DOT, POSITION_DOTDOT, POSITION_PTMX, POSITION_FIRST };

#define GID_OF_OPENER UINT32_MAX

/* One mounted. */
struct devpts {
    atomic_uint nr_inodes;         /* that are in use, without the root */
    uint32_t mode, ptmx_mode, gid; /* constant */
};

/* The inode of a pseudo-terminal, or of ptmx. */
struct node {
    struct inode inode;
    uint64_t id; /* constant; as in struct pty_attributes; of ptmx 0 */
};

static const struct inode_ops node_ops, ptmx_ops, root_ops;
static struct file_system devpts_file_system;

/* Shown to nobody: what TIOCGPTPEER opens is of this one. */
static struct devpts hidden = {.mode = 0600, .gid = GID_OF_OPENER};
static struct mount hidden_mount = {.type = &devpts_file_system, .private = &hidden};

static struct node *node_of(const struct inode *inode)
{
    return container_of(inode, struct node, inode);
}

static uint32_t node_mode(const struct devpts *devpts, bool is_ptmx)
{
    return S_IFCHR | (is_ptmx ? devpts->ptmx_mode : devpts->mode);
}

/* Whose the terminal is, as seen in this mount. */
static void set_attributes(struct inode *inode, const struct pty_attributes *attributes)
{
    const struct devpts *devpts = inode->mount->private;

    inode->uid = attributes->uid;
    inode->gid = attributes->gid;
    if (!attributes->has_own_gid && devpts->gid != GID_OF_OPENER)
        inode->gid = devpts->gid;
    if (attributes->mode != 0)
        inode->mode = attributes->mode;
}

/* The inode of a terminal; or of ptmx: `attributes` is NULL. NULL: out of memory. */
static struct inode *make_node(struct mount *mount, int number,
                               const struct pty_attributes *attributes)
{
    struct devpts *devpts = mount->private;
    struct node *node = kmalloc_user(sizeof(*node));
    bool is_ptmx = attributes == NULL;
    struct inode *inode;

    if (node == NULL)
        return NULL;
    node->id = is_ptmx ? 0 : attributes->id;
    inode = &node->inode;
    inode_init(inode, is_ptmx ? &ptmx_ops : &node_ops, mount, node_mode(devpts, is_ptmx), NULL);
    inode->number = (uint64_t)(is_ptmx ? INODE_PTMX : INODE_FIRST + number);
    inode->device = is_ptmx ? DEVICE(PTMX_MAJOR, PTMX_MINOR) : DEVICE(SLAVE_MAJOR, number);
    if (!is_ptmx)
        set_attributes(inode, attributes);
    atomic_fetch_add(&devpts->nr_inodes, 1);
    return inode;
}

static struct inode *free_node(struct inode *inode)
{
    struct devpts *devpts = inode->mount->private;

    kfree(node_of(inode));
    atomic_fetch_sub(&devpts->nr_inodes, 1);
    return NULL;
}

/* A decimal number without leading zeroes, up to PTYS_MAX; -1: it is none. */
static int parse_number(const char *name, size_t length)
{
    int number = 0;

    if (length == 0 || length > 4 || (name[0] == '0' && length > 1))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        number = number * 10 + (name[i] - '0');
    }
    return number < PTYS_MAX ? number : -1;
}

static int lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
    bool is_ptmx = length == 4 && strncmp(name, "ptmx", 4) == 0;
    int number = parse_number(name, length);
    struct pty_attributes attributes;

    if (!is_ptmx && (number < 0 || pty_next(number, &attributes) != number))
        return -ENOENT;
    *found = make_node(dir->mount, number, is_ptmx ? NULL : &attributes);
    return *found != NULL ? 0 : -ENOMEM;
}

static struct inode *parent_of_root(struct inode *inode)
{
    return inode_get(inode);
}

static int no_own_name(struct inode *inode, struct inode *parent, char name[NAME_BYTES_MAX + 1])
{
    (void)inode, (void)parent, (void)name;
    return -ENOENT;
}

static int next_entry(struct inode *dir, uint64_t position, char name[NAME_BYTES_MAX + 1],
                      struct dir_entry *entry)
{
    static const char *const names[] = {".", "..", "ptmx"};
    const struct devpts *devpts = dir->mount->private;
    struct pty_attributes attributes;
    int number;

    entry->name = name;
    entry->position = position + 1;
    if (position < POSITION_FIRST) {
        strlcpy(name, names[position], NAME_BYTES_MAX + 1);
        entry->number = position == POSITION_PTMX ? INODE_PTMX : INODE_ROOT;
        entry->mode = position == POSITION_PTMX ? node_mode(devpts, true) : (uint32_t)dir->mode;
        return 1;
    }
    position -= POSITION_FIRST;
    number = position < PTYS_MAX ? pty_next((int)position, &attributes) : -1;
    if (number < 0)
        return 0;
    snprintf(name, NAME_BYTES_MAX + 1, "%d", number);
    entry->number = (uint64_t)number + INODE_FIRST;
    entry->mode = attributes.mode != 0 ? attributes.mode : node_mode(devpts, false);
    entry->position = (uint64_t)number + POSITION_FIRST + 1;
    return 1;
}

static struct inode *free_root(struct inode *inode)
{
    kfree(inode);
    return NULL;
}

static int number_of(const struct inode *inode)
{
    return (int)(inode->number - INODE_FIRST);
}

static void keep_attributes(struct inode *inode, unsigned changed)
{
    pty_set_attributes(
        number_of(inode),
        &(struct pty_attributes){
            .id = node_of(inode)->id, .uid = inode->uid, .gid = inode->gid, .mode = inode->mode},
        changed);
}

/*
 * Another inode of the terminal may have been changed. Once that is gone there is nobody to ask.
 * What is changed here meanwhile is not overwritten by what was read before.
 */
static void refresh(struct inode *inode)
{
    struct pty_attributes attributes;

    mutex_lock(&inode->lock);
    if (pty_next(number_of(inode), &attributes) == number_of(inode) &&
        attributes.id == node_of(inode)->id)
        set_attributes(inode, &attributes);
    mutex_unlock(&inode->lock);
}

static const struct inode_ops node_ops = {
    .refresh = refresh,
    .has_fixed_attributes = true,
    .keep_attributes = keep_attributes,
    .free = free_node,
};

static const struct inode_ops ptmx_ops = {.has_fixed_attributes = true, .free = free_node};

static const struct inode_ops root_ops = {
    .lookup = lookup,
    .parent = parent_of_root,
    .own_name = no_own_name,
    .next_entry = next_entry,
    .has_fixed_attributes = true,
    .free = free_root,
};

/* ---- Mounting ------------------------------------------------------------------------------- */

/* Reads "KEY=NUMBER" at *text, if that is the key. False: another key, or no number. */
static bool read_option(const char **text, const char *key, unsigned base, uint32_t *value)
{
    const char *c = *text + strlen(key);
    uint64_t number = 0;

    if (strncmp(*text, key, strlen(key)) != 0 || *c < '0' || *c >= (char)('0' + base))
        return false;
    for (; *c >= '0' && *c < (char)('0' + base) && number < UINT32_MAX; c++)
        number = number * base + (uint64_t)(*c - '0');
    if (number >= UINT32_MAX || (*c != '\0' && *c != ','))
        return false;
    *value = (uint32_t)number;
    *text = c + (*c == ',');
    return true;
}

static int mount_devpts(struct mount *mount, const char *options)
{
    struct devpts read = {.mode = 0600, .gid = GID_OF_OPENER}, *devpts;

    while (*options != '\0') {
        if (!read_option(&options, "mode=", 8, &read.mode) &&
            !read_option(&options, "ptmxmode=", 8, &read.ptmx_mode) &&
            !read_option(&options, "gid=", 10, &read.gid))
            return -EINVAL;
    }
    if (read.mode > 0777 || read.ptmx_mode > 0777)
        return -EINVAL;
    devpts = kzalloc_user(sizeof(*devpts));
    mount->root = kmalloc_user(sizeof(*mount->root));
    if (devpts == NULL || mount->root == NULL) {
        kfree(devpts);
        kfree(mount->root);
        mount->root = NULL;
        return -ENOMEM;
    }
    devpts->mode = read.mode;
    devpts->ptmx_mode = read.ptmx_mode;
    devpts->gid = read.gid;
    mount->private = devpts;
    inode_init(mount->root, &root_ops, mount, S_IFDIR | 0755, NULL);
    mount->root->number = INODE_ROOT;
    return 0;
}

static bool is_busy(struct mount *mount)
{
    const struct devpts *devpts = mount->private;

    return atomic_load(&devpts->nr_inodes) > 0 || atomic_load(&mount->root->nr_refs) > 1;
}

static void unmount(struct mount *mount)
{
    inode_put(mount->root);
    kfree(mount->private);
}

static struct file_system devpts_file_system = {
    .name = "devpts",
    .mount = mount_devpts,
    .is_busy = is_busy,
    .unmount = unmount,
    .magic = DEVPTS_SUPER_MAGIC,
};

void devpts_init(void)
{
    file_system_register(&devpts_file_system);
}

bool devpts_is_of(const struct inode *inode, uint64_t id)
{
    return inode->ops != &node_ops || node_of(inode)->id == id;
}

int devpts_open(int number, unsigned flags, struct file **file)
{
    struct pty_attributes attributes;
    struct inode *inode;
    int error;

    if (pty_next(number, &attributes) != number)
        return -EIO;
    inode = make_node(&hidden_mount, number, &attributes);
    if (inode == NULL)
        return -ENOMEM;
    error = file_open_inode(inode, flags, file);
    inode_put(inode);
    return error;
}
