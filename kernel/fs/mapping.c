/*
 * Files as memory: a regular file is a source of pages for areas (mm/file_map.c), and files that
 * are only memory.
 *
 * A page that a shared area touches is the file's own frame, and is made if the file has a hole
 * there, so that read() and write() see the same bytes. Who only reads a hole privately gets zeroes
 * of its own.
 *
 * Locks: the address space is locked when a page is asked for, so inode->lock comes after it, and
 * write_lock before it: a write() may fault, and a truncation unmaps. A page is asked for and
 * mapped with the space locked all the time, and a file gets its new size before what is cut off is
 * unmapped: a fault either sees the new size, or what it maps is unmapped afterwards. What a fault
 * adds to a file it adds within the size, with the inode locked.
 */

#include <kernel/errno.h>
#include <kernel/vnode.h>
#include <linux/stat.h>
#include <mm/frame.h>

static struct inode *inode_of(struct area_source *source)
{
    return container_of(source, struct inode, source);
}

static void get_source(struct area_source *source)
{
    inode_get(inode_of(source));
}

static void put_source(struct area_source *source)
{
    inode_put(inode_of(source));
}

static int find_page(struct area_source *source, uint64_t index, bool is_shared, paddr_t *frame)
{
    struct inode *inode = inode_of(source);
    int error;

    if (index >= ROUND_UP(inode_size(inode), PAGE_SIZE) / PAGE_SIZE)
        return -EIO;
    error = is_shared ? inode->ops->shared_page(inode, index, frame)
                      : inode->ops->page(inode, index, false, frame);
    return error == 0 ? 0 : -EIO; /* no room for one more page: as Linux's tmpfs, a SIGBUS */
}

static const struct area_source_ops inode_source_ops = {
    .get = get_source, .put = put_source, .page = find_page};

struct inode *inode_get_mapped(struct area_source *source)
{
    return source->ops == &inode_source_ops ? inode_get(inode_of(source)) : NULL;
}

int64_t inode_map(struct inode *inode, struct space *space, vaddr_t va, size_t nr_bytes,
                  unsigned prot, unsigned flags, uint64_t offset)
{
    inode->source.ops = &inode_source_ops;
    return space_map_source(space, va, nr_bytes, prot, flags, &inode->source, offset);
}

void inode_unmap(struct inode *inode, uint64_t first, uint64_t end, bool is_shared_only)
{
    if (source_is_mapped(&inode->source))
        source_cut(&inode->source, first, end, is_shared_only);
}

int inode_create_unnamed(uint32_t mode, uint64_t nr_bytes, struct inode **created)
{
    int error = root_inode->ops->create_unnamed(root_inode, S_IFREG | mode, false, created);

    if (error != 0)
        return error;
    error = inode_truncate(*created, nr_bytes);
    if (error != 0)
        inode_put(*created);
    return error;
}
