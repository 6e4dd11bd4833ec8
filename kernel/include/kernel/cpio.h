#ifndef KERNEL_CPIO_H
#define KERNEL_CPIO_H

/*
 * Reading cpio archives in the "newc" format, as initial RAM disks have it. Pure: nothing is
 * copied; names and data point into the archive.
 */

#include <kernel/types.h>

struct cpio_reader {
    const uint8_t *bytes;
    size_t nr_bytes;
    size_t position;      /* of the next header */
    size_t archive_start; /* what headers and data are aligned to */
    bool is_open;         /* inside an archive whose trailer is still to come */
    const char *reason;   /* why cpio_next() said -EINVAL */
};

struct cpio_entry {
    const char *name; /* relative; "." is the root */
    uint32_t mode;    /* as st_mode */
    uint32_t uid, gid;
    uint32_t mtime_s;
    uint32_t inode, nr_links;    /* hard links: same inode, and only the last one has the data */
    uint32_t fs_major, fs_minor; /* the file system on which `inode` is a number */
    uint32_t device_major, device_minor; /* of a device node */
    const void *data;                    /* of a file; a symbolic link's target, without a NUL */
    size_t nr_bytes;
};

void cpio_open(struct cpio_reader *reader, const void *bytes, size_t nr_bytes);

/*
 * The next entry: 1; 0 at the end. Archives may follow each other, with zeroes between.
 *
 * -EINVAL: reader->reason says what is wrong. When it is only the entry's name (it has ".." in it),
 * the next call goes on behind that entry; when the archive is corrupt, the next call returns 0.
 */
int cpio_next(struct cpio_reader *reader, struct cpio_entry *entry) MUST_CHECK;

#endif
