/*
 * What all inodes have in common, and the contents of regular files.
 *
 * A file system only says which frame holds a page of a file. Copying is done here, directly
 * between the frame and user memory, a page at a time. Mostly the page is there, and the user's as
 * well: then they are copied with interrupts off, and whoever wants to cut the page off the file
 * waits for that moment (page_tree.h). With interrupts off a fault is an error; so what needs one,
 * or a page that has to be made, is copied anew with a reference to the frame, and nothing locked:
 * the fault may want inode->lock for a page of this very file. A page that is cut off meanwhile
 * stays until that copy is done.
 *
 * Writers of a file take turns (write_lock), so that appending is atomic; readers do not wait for
 * them, and may see half of a write. The size grows when the bytes are there.
 */

#include <arch/mmu.h>
#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file_lock.h>
#include <kernel/file.h>
#include <kernel/inotify.h>
#include <kernel/mount.h>
#include <kernel/realtime.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <mm/frame.h>
#include <mm/space.h>
#include <mm/user_copy.h>

#include "page_tree.h"

/* Where bytes come from or go to: user memory, unless `kernel` is set. */
struct place {
    char *kernel;
    vaddr_t user;
};

struct inode *inode_get(struct inode *inode)
{
    atomic_fetch_add_explicit(&inode->nr_refs, 1, memory_order_relaxed);
    return inode;
}

/* Nobody has a reference any more. Apart from inode_put(), which is short without it. */
static __attribute__((noinline)) void free_inode(struct inode *inode)
{
    do {
        if (inotify_is_used())
            inotify_inode_gone(inode);
        if (unlikely(atomic_load(&inode->file_locks) != NULL))
            file_locks_free(inode);
        inode = inode->ops->free(inode);
    } while (inode != NULL && atomic_fetch_sub(&inode->nr_refs, 1) == 1);
}

void inode_put(struct inode *inode)
{
    if (inode != NULL && atomic_fetch_sub(&inode->nr_refs, 1) == 1)
        free_inode(inode);
}

void inode_init(struct inode *inode, const struct inode_ops *ops, struct mount *mount,
                uint32_t mode, const struct inode *dir)
{
    const struct credentials *caller = credentials_current();
    bool is_group_of_dir = dir != NULL && (dir->mode & S_ISGID);

    memset(inode, 0, sizeof(*inode));
    inode->ops = ops;
    inode->mount = mount;
    if (dir != NULL) {
        atomic_init(&inode->uid, caller->fsuid);
        atomic_init(&inode->gid, is_group_of_dir ? dir->gid : caller->fsgid);
    }
    atomic_init(&inode->mode, mode | (is_group_of_dir && S_ISDIR(mode) ? S_ISGID : 0));
    inode->nr_links = S_ISDIR(mode) ? 2 : 1;
    inode->modified_ns = inode->changed_ns = inode_time_ns();
    atomic_init(&inode->accessed_ns, inode->modified_ns);
    atomic_init(&inode->nr_refs, 1);
    mutex_init(&inode->lock, "inode");
    mutex_init(&inode->write_lock, "inode writers");
}

/* ---- Times and sizes ------------------------------------------------------------------------ */

uint64_t inode_time_ns(void)
{
    return realtime_at_boot_ns() + clock_now_ns();
}

void inode_touch_modified(struct inode *inode)
{
    uint64_t now_ns = inode_time_ns();

    __atomic_store_n(&inode->modified_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&inode->changed_ns, now_ns, __ATOMIC_RELAXED);
}

void inode_touch_changed(struct inode *inode)
{
    __atomic_store_n(&inode->changed_ns, inode_time_ns(), __ATOMIC_RELAXED);
}

void inode_touch_accessed(struct inode *inode)
{
    uint64_t accessed_ns = atomic_load_explicit(&inode->accessed_ns, memory_order_relaxed);

    /* Another CPU may change the other two just now: it is one reading more or less. */
    if (accessed_ns > __atomic_load_n(&inode->modified_ns, __ATOMIC_RELAXED) &&
        accessed_ns > __atomic_load_n(&inode->changed_ns, __ATOMIC_RELAXED))
        return;
    if (!(atomic_load(&inode->mount->flags) & (MS_NOATIME | MS_RDONLY)))
        atomic_store_explicit(&inode->accessed_ns, inode_time_ns(), memory_order_relaxed);
}

uint64_t inode_size(const struct inode *inode)
{
    return __atomic_load_n(&inode->nr_bytes, __ATOMIC_ACQUIRE);
}

void inode_stat(struct inode *inode, struct stat *stat)
{
    uint64_t accessed_ns, modified_ns, changed_ns;

    if (inode->ops->refresh != NULL)
        inode->ops->refresh(inode);
    accessed_ns = inode->accessed_ns;
    memset(stat, 0, sizeof(*stat));
    stat->st_dev = inode->mount->device;
    stat->st_ino = inode->number;
    stat->st_rdev = inode->device;
    stat->st_blksize = PAGE_SIZE;
    mutex_lock(&inode->lock);
    stat->st_mode = inode->mode;
    stat->st_uid = inode->uid;
    stat->st_gid = inode->gid;
    stat->st_nlink = inode->nr_links;
    stat->st_size = (__kernel_long_t)inode->nr_bytes;
    modified_ns = inode->modified_ns;
    changed_ns = inode->changed_ns;
    if (inode->ops->nr_pages != NULL)
        stat->st_blocks = (__kernel_long_t)(inode->ops->nr_pages(inode) * (PAGE_SIZE / 512));
    mutex_unlock(&inode->lock);
    stat->st_atime = accessed_ns / NSEC_PER_SEC;
    stat->st_atime_nsec = accessed_ns % NSEC_PER_SEC;
    stat->st_mtime = modified_ns / NSEC_PER_SEC;
    stat->st_mtime_nsec = modified_ns % NSEC_PER_SEC;
    stat->st_ctime = changed_ns / NSEC_PER_SEC;
    stat->st_ctime_nsec = changed_ns % NSEC_PER_SEC;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Where the byte at `offset` of a file is, in the frame of its page. */
static char *byte_of(paddr_t frame, uint64_t offset)
{
    return (char *)phys_to_virt(frame) + offset % PAGE_SIZE;
}

static int copy_out(struct place to, size_t done, const char *from, size_t nr)
{
    if (to.kernel == NULL)
        return user_copy_to(to.user + done, from, nr);
    memcpy(to.kernel + done, from, nr);
    return 0;
}

static int copy_in(char *to, struct place from, size_t done, size_t nr)
{
    if (from.kernel == NULL)
        return user_copy_from(to, from.user + done, nr);
    memcpy(to, from.kernel + done, nr);
    return 0;
}

static int clear_out(struct place to, size_t done, size_t nr)
{
    if (to.kernel == NULL)
        return user_zero(to.user + done, nr);
    memset(to.kernel + done, 0, nr);
    return 0;
}

/* How many of nr_bytes at `offset` of a file are in the page where they begin. */
static size_t piece_bytes(size_t nr_bytes, uint64_t offset)
{
    return MIN(nr_bytes, PAGE_SIZE - offset % PAGE_SIZE);
}

/*
 * Copies page by page from the file, or into it, as long as that is possible without waiting. How
 * many bytes; there may be more behind them.
 */
static ALWAYS_INLINE size_t copy_quickly(struct inode *inode, struct place other, size_t nr_bytes,
                                         uint64_t offset, bool is_write)
{
    size_t done = 0;

    while (done < nr_bytes) {
        uint64_t at = offset + done;
        size_t nr = piece_bytes(nr_bytes - done, at);
        irq_state_t irq = irq_save();
        paddr_t frame = page_tree_hold(inode->pages, at / PAGE_SIZE);
        int error = -ENOENT;

        if (frame != PADDR_NONE) {
            error = is_write ? copy_in(byte_of(frame, at), other, done, nr)
                             : copy_out(other, done, byte_of(frame, at), nr);
            page_tree_let_go(inode->pages);
        }
        irq_restore(irq);
        if (error != 0)
            break;
        done += nr;
    }
    return done;
}

/* Bytes of one page: nr of them, which do not cross its end, at `offset` of the file. */
static int read_piece(struct inode *inode, struct place to, size_t done, uint64_t offset, size_t nr)
{
    paddr_t frame;
    int error = inode->ops->page(inode, offset / PAGE_SIZE, false, &frame);

    if (error != 0)
        return error;
    if (frame == PADDR_NONE)
        return clear_out(to, done, nr);
    error = copy_out(to, done, byte_of(frame, offset), nr);
    frame_unref(frame);
    return error;
}

/*
 * How many of the nr bytes of a piece are in the page of user memory where they begin: what can be
 * copied where the next page cannot be touched.
 */
static size_t first_user_page_bytes(struct place other, size_t done, size_t nr)
{
    return other.kernel != NULL ? nr : piece_bytes(nr, other.user + done);
}

/* What follows the first `done` bytes, however long it takes. All bytes, or -errno for none. */
static __attribute__((noinline)) int64_t read_rest(struct inode *inode, struct place to,
                                                   size_t nr_bytes, uint64_t offset, size_t done)
{
    while (done < nr_bytes) {
        size_t nr = piece_bytes(nr_bytes - done, offset + done);
        int error = read_piece(inode, to, done, offset + done, nr);

        if (error == -EFAULT && first_user_page_bytes(to, done, nr) < nr) {
            nr = first_user_page_bytes(to, done, nr);
            error = read_piece(inode, to, done, offset + done, nr);
        }
        if (error != 0)
            return done > 0 ? (int64_t)done : error;
        done += nr;
    }
    return (int64_t)done;
}

static int64_t read_to(struct inode *inode, struct place to, size_t nr_bytes, uint64_t offset)
{
    uint64_t size = inode_size(inode);
    size_t done;

    if (offset >= size)
        return 0;
    nr_bytes = MIN(nr_bytes, size - offset);
    done = copy_quickly(inode, to, nr_bytes, offset, false);
    return likely(done == nr_bytes) ? (int64_t)done : read_rest(inode, to, nr_bytes, offset, done);
}

int64_t inode_read(struct inode *inode, vaddr_t to, size_t nr_bytes, uint64_t offset)
{
    return read_to(inode, (struct place){.user = to}, nr_bytes, offset);
}

int64_t inode_read_kernel(struct inode *inode, void *to, size_t nr_bytes, uint64_t offset)
{
    return read_to(inode, (struct place){.kernel = to}, nr_bytes, offset);
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* The size is now at least `end`. The write lock is held. */
static void written_up_to(struct inode *inode, uint64_t end)
{
    if (end > inode->nr_bytes)
        __atomic_store_n(&inode->nr_bytes, end, __ATOMIC_RELEASE);
    inode_touch_modified(inode);
}

/* As read_piece(). Behind the end of the file a page is zeroes, also after a copy that failed. */
static int write_piece(struct inode *inode, struct place from, size_t done, uint64_t offset,
                       size_t nr)
{
    paddr_t frame;
    int error = inode->ops->page(inode, offset / PAGE_SIZE, true, &frame);

    if (error != 0)
        return error;
    error = copy_in(byte_of(frame, offset), from, done, nr);
    if (error != 0 && inode->nr_bytes < offset + nr) {
        uint64_t first = MAX(inode->nr_bytes, offset);

        memset(byte_of(frame, first), 0, offset + nr - first);
    }
    frame_unref(frame);
    return error;
}

/* As read_rest(). The write lock is held. */
static __attribute__((noinline)) int64_t write_rest(struct inode *inode, struct place from,
                                                    size_t nr_bytes, uint64_t offset, size_t done)
{
    while (done < nr_bytes) {
        size_t nr = piece_bytes(nr_bytes - done, offset + done);
        int error = write_piece(inode, from, done, offset + done, nr);

        if (error == -EFAULT && first_user_page_bytes(from, done, nr) < nr) {
            nr = first_user_page_bytes(from, done, nr);
            error = write_piece(inode, from, done, offset + done, nr);
        }
        if (error != 0)
            return done > 0 ? (int64_t)done : error;
        done += nr;
        written_up_to(inode, offset + done);
    }
    return (int64_t)done;
}

/* The write lock is held. */
static int64_t write_from(struct inode *inode, struct place from, size_t nr_bytes, uint64_t offset)
{
    size_t done;

    if (nr_bytes > 0 && offset >= FILE_BYTES_MAX)
        return -EFBIG;
    nr_bytes = MIN(nr_bytes, FILE_BYTES_MAX - offset);
    done = copy_quickly(inode, from, nr_bytes, offset, true);
    if (done > 0)
        written_up_to(inode, offset + done);
    return done == nr_bytes ? (int64_t)done : write_rest(inode, from, nr_bytes, offset, done);
}

/* Within the limit of the caller's, which is one of sizes: what is there can be written anew. */
static int64_t write_piece_of_user(struct inode *inode, struct io_piece piece, uint64_t offset)
{
    int error = 0;

    if (piece.nr_bytes > 0 && offset + piece.nr_bytes > inode->nr_bytes)
        error = file_check_limit(offset, &piece.nr_bytes);
    return error != 0 ? error
                      : write_from(inode, (struct place){.user = piece.at}, piece.nr_bytes, offset);
}

/* What few writes need: the file loses privileges, or somebody watches something. */
static RARELY_CALLED void after_write(struct inode *inode, size_t done)
{
    if (done == 0)
        return;
    inode_drop_privileges(inode);
    inotify_happened(inode, IN_MODIFY);
}

int64_t inode_write_pieces(struct inode *inode, const struct io_piece *pieces, unsigned nr,
                           uint64_t *offset, bool is_append)
{
    int64_t result = 0;
    size_t done = 0;

    mutex_lock(&inode->write_lock);
    if (is_append)
        *offset = inode->nr_bytes;
    for (unsigned i = 0; i < nr; i++) {
        result = write_piece_of_user(inode, pieces[i], *offset + done);
        if (result < 0)
            break;
        done += (size_t)result;
        if ((size_t)result < pieces[i].nr_bytes)
            break;
    }
    mutex_unlock(&inode->write_lock);
    if (unlikely(((inode->mode & (S_ISUID | S_ISGID)) | atomic_load(&inotify_nr_watches)) != 0))
        after_write(inode, done);
    return done > 0 || result >= 0 ? (int64_t)done : result;
}

int64_t inode_write_kernel(struct inode *inode, const void *from, size_t nr_bytes, uint64_t offset)
{
    int64_t result;

    mutex_lock(&inode->write_lock);
    result = write_from(inode, (struct place){.kernel = (char *)from}, nr_bytes, offset);
    mutex_unlock(&inode->write_lock);
    return result;
}

/* Adds `step`, 1 or -1, unless the count is on the other side of 0. */
static int count_writer(struct inode *inode, int step)
{
    int seen = atomic_load(&inode->nr_writers);

    do {
        if (seen * step < 0)
            return -ETXTBSY;
    } while (!atomic_compare_exchange_weak(&inode->nr_writers, &seen, seen + step));
    return 0;
}

int inode_get_writer(struct inode *inode)
{
    return count_writer(inode, 1);
}

void inode_put_writer(struct inode *inode)
{
    atomic_fetch_sub(&inode->nr_writers, 1);
}

int inode_get_runner(struct inode *inode)
{
    return count_writer(inode, -1);
}

void inode_add_runner(struct inode *inode)
{
    atomic_fetch_sub(&inode->nr_writers, 1);
}

void inode_put_runner(struct inode *inode)
{
    atomic_fetch_add(&inode->nr_writers, 1);
}

int inode_truncate(struct inode *inode, uint64_t nr_bytes)
{
    bool is_shorter;
    size_t one = 1;
    int error;

    if (!inode_is_regular(inode))
        return -EINVAL;
    if (nr_bytes > FILE_BYTES_MAX)
        return -EFBIG;
    error = inode_get_writer(inode);
    if (error != 0)
        return error;
    mutex_lock(&inode->write_lock);
    is_shorter = nr_bytes < inode->nr_bytes;
    error = nr_bytes > inode->nr_bytes ? file_check_limit(nr_bytes - 1, &one) : 0;
    if (error == 0)
        error = inode->ops->resize(inode, nr_bytes);
    if (error == 0 && is_shorter)
        inode_unmap(inode, ROUND_UP(nr_bytes, PAGE_SIZE) / PAGE_SIZE, UINT64_MAX, false);
    mutex_unlock(&inode->write_lock);
    inode_put_writer(inode);
    if (error == 0) {
        inode_drop_privileges(inode);
        inotify_happened(inode, IN_MODIFY);
    }
    return error;
}
