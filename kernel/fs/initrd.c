/*
 * The initial files.
 *
 * They come in cpio archives: the boot module, and the overlay that `./thrum run --add` passes in
 * (fw_cfg file opt/thrum/overlay.cpio). Unpacking goes from the front to the end, and the frames of
 * the module are given back as it goes, so that no more than one file is in memory twice. A corrupt
 * archive is good up to where it is corrupt.
 */

#include <arch/mmu.h>
#include <drivers/fw_cfg.h>
#include <kernel/bootinfo.h>
#include <kernel/cpio.h>
#include <kernel/errno.h>
#include <kernel/initrd.h>
#include <kernel/log.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <mm/frame.h>
#include <mm/slab.h>

#define DIR_MODE (S_IFDIR | 0755)

/* An archive's memory that is given back. */
struct used_memory {
    paddr_t start; /* up to here it has been */
    paddr_t end;
};

/* Gives back the whole pages below `up_to`. */
static void give_back(struct used_memory *memory, paddr_t up_to)
{
    paddr_t end = ROUND_DOWN(MIN(up_to, memory->end), PAGE_SIZE);

    if (end <= memory->start)
        return;
    frame_add_range(memory->start, end);
    memory->start = end;
}

/* Creates the folders above `path`, where they lack. 0 or -errno. */
static int make_parents(const char *path)
{
    char parent[PATH_MAX / 8];
    const char *slash = strchr(path, '/');

    for (; slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path);
        int error;

        if (length >= sizeof(parent))
            return -ENAMETOOLONG;
        memcpy(parent, path, length);
        parent[length] = '\0';
        error = path_make(NULL, parent, DIR_MODE, 0);
        if (error != 0 && error != -EEXIST)
            return error;
    }
    return 0;
}

/* A file of the archive that is being unpacked and that has several names. */
struct linked_file {
    struct linked_file *next;
    uint32_t number, fs_major, fs_minor;
    struct inode *inode; /* a reference */
};

static struct linked_file *linked_files;

static struct inode *find_linked(const struct cpio_entry *entry)
{
    for (struct linked_file *file = linked_files; file != NULL; file = file->next) {
        if (file->number == entry->inode && file->fs_major == entry->fs_major &&
            file->fs_minor == entry->fs_minor)
            return inode_get(file->inode);
    }
    return NULL;
}

static int remember_linked(const struct cpio_entry *entry, struct inode *inode)
{
    struct linked_file *file = kmalloc(sizeof(*file));

    if (file == NULL)
        return -ENOSPC;
    *file = (struct linked_file){linked_files, entry->inode, entry->fs_major, entry->fs_minor,
                                 inode_get(inode)};
    linked_files = file;
    return 0;
}

static void forget_linked(void)
{
    while (linked_files != NULL) {
        struct linked_file *file = linked_files;

        linked_files = file->next;
        inode_put(file->inode);
        kfree(file);
    }
}

/* Makes the entry's name; of a file that has another name already, or of a new one. 0 or -errno. */
static int make_name(const struct cpio_entry *entry, struct inode **file)
{
    struct path_last last;
    int error = path_find_parent(NULL, entry->name, PATH_NO_FOLLOW, &last);

    if (error != 0)
        return error;
    *file = entry->nr_links > 1 ? find_linked(entry) : NULL;
    if (*file != NULL) {
        error = last.dir->ops->link(last.dir, last.name, last.length, *file);
        if (error != 0)
            inode_put(*file);
    } else {
        error = last.dir->ops->create(last.dir, last.name, last.length,
                                      S_IFREG | (entry->mode & 07777), 0, file);
        if (error == 0 && entry->nr_links > 1 && remember_linked(entry, *file) != 0) {
            inode_put(*file);
            error = -ENOSPC;
        }
    }
    path_put_last(&last);
    return error;
}

/* A regular file, in place of what else was there. The last one of its names has the data. */
static int unpack_file(const struct cpio_entry *entry)
{
    struct inode *file;
    int64_t result;
    int error = path_remove(NULL, entry->name, false);

    if (error != 0 && error != -ENOENT)
        return error;
    error = make_name(entry, &file);
    if (error != 0)
        return error;
    result = inode_write_kernel(file, entry->data, entry->nr_bytes, 0);
    inode_put(file);
    if (result < 0)
        return (int)result;
    return (size_t)result == entry->nr_bytes ? 0 : -ENOSPC;
}

/* The contents are its target, without a NUL. */
static int unpack_link(const struct cpio_entry *entry)
{
    char *target = kmalloc(entry->nr_bytes + 1);
    int error;

    if (target == NULL)
        return -ENOSPC;
    memcpy(target, entry->data, entry->nr_bytes);
    target[entry->nr_bytes] = '\0';
    error = path_remove(NULL, entry->name, false);
    if (error == 0 || error == -ENOENT)
        error = path_symlink(target, NULL, entry->name);
    kfree(target);
    return error;
}

static int unpack_entry(const struct cpio_entry *entry)
{
    int error;

    if (strcmp(entry->name, ".") == 0)
        return 0;
    error = make_parents(entry->name);
    if (error != 0)
        return error;
    if (S_ISREG(entry->mode))
        return unpack_file(entry);
    if (S_ISDIR(entry->mode)) {
        error = path_make(NULL, entry->name, entry->mode & (S_IFMT | 07777), 0);
        return error == -EEXIST ? 0 : error;
    }
    if (S_ISCHR(entry->mode)) {
        error = path_make(NULL, entry->name, entry->mode & (S_IFMT | 07777),
                          entry->device_major << 8 | entry->device_minor);
        return error == -EEXIST ? 0 : error;
    }
    if (S_ISLNK(entry->mode))
        return unpack_link(entry);
    return -EOPNOTSUPP;
}

static const char *reason(int error)
{
    switch (error) {
    case -ENOSPC:
        return "out of memory";
    case -EISDIR:
        return "there is a folder of that name";
    case -ENOTDIR:
        return "a part of the path is no folder";
    case -ENAMETOOLONG:
        return "the name is too long";
    case -EOPNOTSUPP:
        return "neither a file, a folder, a device nor a link";
    default:
        return "error";
    }
}

/* `memory` is that of the archive, if it is to be given back; else NULL. */
static void unpack(const char *name, const char *bytes, size_t nr_bytes, struct used_memory *memory)
{
    struct cpio_reader reader;
    struct cpio_entry entry;
    unsigned nr_entries = 0;
    int result;

    cpio_open(&reader, bytes, nr_bytes);
    while ((result = cpio_next(&reader, &entry)) != 0) {
        int error = result > 0 ? unpack_entry(&entry) : 0;

        if (result < 0)
            log_warn("initrd: %s: %s", name, reader.reason);
        else if (error != 0)
            log_warn("initrd: %s: %s is left out: %s", name, entry.name, reason(error));
        else
            nr_entries++;
        if (!reader.is_open) /* the next archive numbers its files anew */
            forget_linked();
        if (memory != NULL)
            give_back(memory, virt_to_phys(bytes + reader.position));
    }
    forget_linked();
    if (memory != NULL)
        give_back(memory, memory->end);
    log_info("initrd: %s: %u files, %lu KiB", name, nr_entries, nr_bytes >> 10);
}

static void unpack_overlay(void)
{
    uint16_t selector;
    uint32_t nr_bytes;
    void *bytes;

    if (fw_cfg_find("opt/thrum/overlay.cpio", &selector, &nr_bytes) != 0 || nr_bytes == 0)
        return;
    bytes = kmalloc(nr_bytes);
    if (bytes == NULL)
        log_warn("initrd: no memory for the overlay of %u bytes", nr_bytes);
    else if (fw_cfg_read(selector, 0, bytes, nr_bytes) != 0)
        log_warn("initrd: the overlay cannot be read");
    else
        unpack("overlay", bytes, nr_bytes, NULL);
    kfree(bytes);
}

void initrd_unpack(void)
{
    bool is_there = false;

    if (path_make(NULL, "/tmp", S_IFDIR | S_ISVTX | 0777, 0) != 0)
        log_error("initrd: /tmp cannot be made");
    for (size_t i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.modules[i];
        struct used_memory memory = {ROUND_UP(m->range.start, PAGE_SIZE),
                                     MIN(m->range.end, frame_span_end())};

        if (strcmp(m->name, "initrd") == 0 && !is_there) {
            is_there = true;
            unpack("module", phys_to_virt(m->range.start), m->range.end - m->range.start, &memory);
        } else {
            log_warn("initrd: boot module '%s' is not used", m->name);
        }
    }
    if (!is_there)
        log_error("initrd: there is none: the boot loader passed no module called 'initrd'");
    unpack_overlay();
}
