/*
 * Where a file has data, and where it has holes: making room, making holes, finding either.
 *
 * A hole is pages that are not there, and reads as zeroes. It is known by pages, so what is called
 * data may be zeroes, too. Making room and holes excludes writing and truncation (write_lock).
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/fs.h>
#include <mm/frame.h>

/* ---- Room ----------------------------------------------------------------------------------- */

/* How many pages of [first, end) are not there. */
static uint64_t count_missing(struct inode *inode, uint64_t first, uint64_t end)
{
    uint64_t nr_missing = end - first;

    while ((first = inode->ops->next_page(inode, first)) < end) {
        nr_missing--;
        first++;
    }
    return nr_missing;
}

/* Makes what is missing. It is asked first whether there is room, so that it seldom fails half way;
 * pages made in vain are zeroes that nobody sees. */
static int make_pages(struct inode *inode, uint64_t first, uint64_t end)
{
    struct statfs room;

    mount_statfs(inode->mount, &room);
    if (count_missing(inode, first, end) > (uint64_t)room.f_bfree)
        return -ENOSPC;
    for (; first < end; first++) {
        paddr_t frame;
        int error = inode->ops->page(inode, first, true, &frame);

        if (error != 0)
            return error;
        frame_unref(frame);
    }
    return 0;
}

int inode_allocate(struct inode *inode, uint64_t offset, uint64_t nr_bytes, bool keeps_size)
{
    uint64_t end = offset + nr_bytes;
    size_t one = 1;
    int error = 0;

    if (end > FILE_BYTES_MAX)
        return -EFBIG;
    mutex_lock(&inode->write_lock);
    if (end > inode->nr_bytes && !keeps_size)
        error = file_check_limit(end - 1, &one);
    if (error == 0)
        error = make_pages(inode, offset / PAGE_SIZE, ROUND_UP(end, PAGE_SIZE) / PAGE_SIZE);
    if (error == 0 && end > inode->nr_bytes && !keeps_size)
        error = inode->ops->resize(inode, end);
    mutex_unlock(&inode->write_lock);
    if (error == 0)
        inode_drop_privileges(inode);
    return error;
}

/* ---- Holes ---------------------------------------------------------------------------------- */

/* Bytes of one page become zeroes, if it is there. */
static void clear_part(struct inode *inode, uint64_t offset, uint64_t nr_bytes)
{
    paddr_t frame;

    if (nr_bytes == 0 || inode->ops->page(inode, offset / PAGE_SIZE, false, &frame) != 0 ||
        frame == PADDR_NONE)
        return;
    memset((char *)phys_to_virt(frame) + offset % PAGE_SIZE, 0, nr_bytes);
    frame_unref(frame);
}

void inode_punch(struct inode *inode, uint64_t offset, uint64_t nr_bytes)
{
    uint64_t end = MIN(offset + nr_bytes, FILE_BYTES_MAX);
    uint64_t first = ROUND_UP(offset, PAGE_SIZE), last = ROUND_DOWN(end, PAGE_SIZE);

    if (offset >= end)
        return;
    mutex_lock(&inode->write_lock);
    if (first > last) {
        clear_part(inode, offset, end - offset);
    } else {
        clear_part(inode, offset, first - offset);
        clear_part(inode, last, end - last);
        inode->ops->punch(inode, first / PAGE_SIZE, last / PAGE_SIZE);
        /* What was written to private mappings stays theirs. */
        inode_unmap(inode, first / PAGE_SIZE, last / PAGE_SIZE, true);
    }
    mutex_lock(&inode->lock);
    inode_touch_modified(inode);
    mutex_unlock(&inode->lock);
    mutex_unlock(&inode->write_lock);
    inode_drop_privileges(inode);
}

/* ---- Finding them --------------------------------------------------------------------------- */

int64_t inode_find_data(struct inode *inode, uint64_t offset)
{
    uint64_t size = inode_size(inode), page;

    if (offset >= size)
        return -ENXIO;
    page = inode->ops->next_page(inode, offset / PAGE_SIZE);
    if (page >= ROUND_UP(size, PAGE_SIZE) / PAGE_SIZE)
        return -ENXIO;
    return (int64_t)MAX(offset, page * PAGE_SIZE);
}

int64_t inode_find_hole(struct inode *inode, uint64_t offset)
{
    uint64_t size = inode_size(inode), page = offset / PAGE_SIZE;

    if (offset >= size)
        return -ENXIO;
    while (page * PAGE_SIZE < size && inode->ops->next_page(inode, page) == page)
        page++;
    offset = MAX(offset, page * PAGE_SIZE);
    return (int64_t)MIN(offset, size);
}
