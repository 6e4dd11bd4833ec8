/*
 * The initial files: cpio archives that stay where they are in memory.
 *
 * The first archive is the overlay that `./thrum run --add` passes in (fw_cfg file
 * opt/thrum/overlay.cpio), the second the boot module. A corrupt archive is good up to where it is
 * corrupt.
 */

#include <arch/mmu.h>
#include <drivers/fw_cfg.h>
#include <kernel/bootinfo.h>
#include <kernel/cpio.h>
#include <kernel/errno.h>
#include <kernel/initrd.h>
#include <kernel/log.h>
#include <kernel/string.h>
#include <linux/stat.h>
#include <mm/slab.h>

struct archive {
    const char *name;
    const void *bytes;
    size_t nr_bytes;
};

static struct archive archives[2];
static unsigned nr_archives;

/* Reads the whole archive once and says what is wrong with it. */
static void add_archive(const char *name, const void *bytes, size_t nr_bytes)
{
    struct cpio_reader reader;
    struct cpio_entry entry;
    unsigned nr_entries = 0;
    int result;

    archives[nr_archives++] = (struct archive){name, bytes, nr_bytes};
    cpio_open(&reader, bytes, nr_bytes);
    while ((result = cpio_next(&reader, &entry)) != 0) {
        if (result < 0)
            log_warn("initrd: %s: %s", name, reader.reason);
        else
            nr_entries++;
    }
    log_info("initrd: %s: %u files, %lu KiB", name, nr_entries, nr_bytes >> 10);
}

static void add_overlay(void)
{
    uint16_t selector;
    uint32_t nr_bytes;
    void *bytes;

    if (fw_cfg_find("opt/thrum/overlay.cpio", &selector, &nr_bytes) != 0 || nr_bytes == 0)
        return;
    bytes = kmalloc(nr_bytes);
    if (bytes == NULL) {
        log_warn("initrd: no memory for the overlay of %u bytes", nr_bytes);
    } else if (fw_cfg_read(selector, 0, bytes, nr_bytes) != 0) {
        log_warn("initrd: the overlay cannot be read");
        kfree(bytes);
    } else {
        add_archive("overlay", bytes, nr_bytes);
    }
}

void initrd_init(void)
{
    add_overlay();
    for (size_t i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.modules[i];

        if (strcmp(m->name, "initrd") == 0 && nr_archives < ARRAY_LEN(archives))
            add_archive("module", phys_to_virt(m->range.start), m->range.end - m->range.start);
        else
            log_warn("initrd: boot module '%s' is not used", m->name);
    }
    if (nr_archives == 0)
        log_error("initrd: there is none: the boot loader passed no module called 'initrd'");
}

/* Whether `name` is the path of a folder above `path`. */
static bool is_above(const char *name, const char *path)
{
    size_t length = strlen(name);

    return strncmp(name, path, length) == 0 && path[length] == '/';
}

/* 0, -ENOENT, or -ENOTDIR when something above the path is not a folder. */
static int find_in(const struct archive *archive, const char *path, struct initrd_file *file)
{
    struct cpio_reader reader;
    struct cpio_entry entry;
    int result, found = -ENOENT;

    cpio_open(&reader, archive->bytes, archive->nr_bytes);
    while ((result = cpio_next(&reader, &entry)) != 0) {
        if (result > 0 && strcmp(entry.name, path) == 0) {
            *file = (struct initrd_file){entry.data, entry.nr_bytes, entry.mode};
            found = 0;
        } else if (result > 0 && found != 0 && is_above(entry.name, path) &&
                   (entry.mode & S_IFMT) != S_IFDIR) {
            found = -ENOTDIR;
        }
    }
    return found;
}

int initrd_find(const char *path, struct initrd_file *file)
{
    while (*path == '/')
        path++;
    for (unsigned i = 0; i < nr_archives; i++) {
        int error = find_in(&archives[i], path, file);

        if (error != -ENOENT)
            return error;
    }
    return -ENOENT;
}
