#ifndef KERNEL_FILE_H
#define KERNEL_FILE_H

/*
 * Open files, and the table of a process that gives them numbers.
 *
 * An open file is what open() or pipe() makes: flags, a position, and what it is open on.
 * Descriptors of any number of processes may refer to it. Whoever uses one has a reference, so it
 * stays while it is in use, whoever closes its descriptor meanwhile.
 */

#include <stdatomic.h>

#include <kernel/mutex.h>
#include <kernel/types.h>
#include <kernel/vnode.h>
#include <linux/fcntl.h>

struct file_ops;
struct epoll_item;
struct poll_watcher;

struct file {
    const struct file_ops *ops; /* constant once it is open */
    atomic_uint nr_refs;
    atomic_uint flags;   /* as open() has them: access mode, O_APPEND, O_NONBLOCK */
    struct inode *inode; /* constant; a reference; NULL: none (pipes) */
    void *private;       /* constant; the ops' own */
    struct epoll_item *_Atomic epoll_items; /* what epolls have of it: kernel/ipc/epoll.c */
    struct mutex offset_lock; /* held during a read, write or seek that uses the offset */
    uint64_t offset;          /* offset_lock */
    unsigned nr_writers_seen; /* constant; of a FIFO that is read: kernel/ipc/pipe.c */
};

/*
 * What a kind of file can do. `offset` is where to read or write, and is moved; NULL where
 * is_seekable is false. The access mode has been checked. All may sleep. Results are a number of
 * bytes or -errno.
 */
struct file_ops {
    bool is_seekable;
    int64_t (*read)(struct file *file, vaddr_t to, size_t nr_bytes,
                    uint64_t *offset); /* NULL: -EISDIR of a folder, else -EINVAL */
    int64_t (*write)(struct file *file, vaddr_t from, size_t nr_bytes,
                     uint64_t *offset); /* NULL: -EINVAL */
    /* The same of several pieces, in one step. NULL: one after the other will do. */
    int64_t (*read_pieces)(struct file *file, const struct io_piece *pieces, unsigned nr,
                           uint64_t *offset);
    int64_t (*write_pieces)(struct file *file, const struct io_piece *pieces, unsigned nr,
                            uint64_t *offset);
    /* Entries of a folder as getdents64() has them. NULL: -ENOTDIR. */
    int64_t (*getdents)(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset);
    /*
     * Which of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR... hold now; a watcher that is not NULL is put
     * on the file's queue under the same lock. NULL: always readable and writable.
     */
    unsigned (*poll)(struct file *file, struct poll_watcher *watcher);
    /* What ioctl() does with this kind of file. NULL: -ENOTTY. */
    int64_t (*ioctl)(struct file *file, unsigned request, uint64_t arg);
    void (*stat)(struct file *file, struct stat *stat); /* NULL: the inode's, or 0600 without */
    /* lseek(), where the usual one will not do; called also if is_seekable is false. */
    int64_t (*seek)(struct file *file, int64_t offset, int whence);
    void (*release)(struct file *file); /* the last reference is gone; NULL: nothing to do */
    /*
     * Of files without an inode: makes `file`, which has its flags and the ops of nobody yet, one
     * more that is open on the same, as open() of /proc/[pid]/fd/N does. 0 or -errno. NULL: -ENXIO.
     */
    int (*open_again)(struct file *from, struct file *file);
};

/* Once, while booting. */
void file_init(void);

/*
 * A new open file with one reference; takes over the caller's reference to `inode` and, if it is
 * for writing, its inode_get_writer(). NULL: out of memory, and the caller keeps them.
 */
struct file *file_create(const struct file_ops *ops, unsigned flags, struct inode *inode,
                         void *private);

/* -EINVAL: flags that open() does not take together. */
int file_check_flags(unsigned flags) MUST_CHECK;

/*
 * open(): `flags`, which file_check_flags() takes, and `mode` as there, the path seen from folder
 * `start`. 0 or -errno.
 */
int file_open(struct inode *start, const char *path, unsigned flags, uint32_t mode,
              struct file **file) MUST_CHECK;

/* The same for an inode that is there, whose permissions have been checked (kernel/fs/open.c). */
int file_open_inode(struct inode *inode, unsigned flags, struct file **file) MUST_CHECK;

struct file *file_get(struct file *file);

/* The last reference is gone: closes the file. For file_put(). */
void file_release(struct file *file);

/* NULL is allowed. May sleep. */
static inline void file_put(struct file *file)
{
    if (file != NULL && atomic_fetch_sub(&file->nr_refs, 1) == 1)
        file_release(file);
}

/* While it is being opened: from now on it has no inode. */
void file_drop_inode(struct file *file);

/* Frees one that could not be opened: its ops are told nothing. */
void file_free(struct file *file);

/* By its access mode. One opened with O_PATH, which fd_get() does not give, can do neither. */
static inline bool file_reads(const struct file *file)
{
    return (atomic_load(&file->flags) & O_ACCMODE) != O_WRONLY;
}

static inline bool file_writes(const struct file *file)
{
    return (atomic_load(&file->flags) & O_ACCMODE) != O_RDONLY;
}

/* As read(), write(), lseek(), fstat() and getdents64(). */
int64_t file_read(struct file *file, vaddr_t to, size_t nr_bytes) MUST_CHECK;
int64_t file_write(struct file *file, vaddr_t from, size_t nr_bytes) MUST_CHECK;

/* Whether it is open for reading or writing, as a file of its kind can be, or a folder: 0, -EBADF,
 * -EINVAL. */
int file_may(const struct file *file, bool is_write) MUST_CHECK;

/*
 * Writes several pieces, together below 2 GiB, in one step: at *at, or, if that is NULL, where the
 * file is. Only if ops->write_pieces is not NULL.
 */
int64_t file_write_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                          uint64_t *at) MUST_CHECK;

/* The same, at the end of a regular file; then *at, or where the file is, is behind the pieces. */
int64_t file_append_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                           uint64_t *at) MUST_CHECK;

int64_t file_read_at(struct file *file, vaddr_t to, size_t nr_bytes, int64_t offset) MUST_CHECK;
int64_t file_write_at(struct file *file, vaddr_t from, size_t nr_bytes, int64_t offset) MUST_CHECK;
int64_t file_seek(struct file *file, int64_t offset, int whence) MUST_CHECK;
int64_t file_getdents(struct file *file, vaddr_t to, size_t nr_bytes) MUST_CHECK;
void file_stat(struct file *file, struct stat *stat);

/* For a file without inode: what fstat() says of one with this st_mode. */
void file_stat_anonymous(struct stat *stat, uint32_t mode);

/* As file_ops.poll, for any kind of file. */
unsigned file_poll(struct file *file, struct poll_watcher *watcher);

/* The ops of regular files and folders (kernel/fs/file.c). */
extern const struct file_ops regular_file_ops, dir_file_ops;

/* ---- Descriptor tables (kernel/fs/fdtable.c) ------------------------------------------------ */

#define FDS_MAX 4096 /* of a process, whatever RLIMIT_NOFILE says */

struct fd_table;

/* An empty table; or one with the same files, for fork(). NULL: out of memory. May sleep. */
struct fd_table *fd_table_create(void);
struct fd_table *fd_table_clone(struct fd_table *table);

/* Closes everything and frees the table; NULL is allowed. Nobody uses it any more. May sleep. */
void fd_table_release(struct fd_table *table);

/* exec(): closes what has the close-on-exec bit. May sleep. */
void fd_table_close_on_exec(struct fd_table *table);

/*
 * The file of descriptor `fd` with a reference; NULL: it is not open. With O_PATH it is open for
 * nothing but being a place in paths: only fd_get_any() gives such a file.
 */
struct file *fd_get(struct fd_table *table, int fd) MUST_CHECK;
struct file *fd_get_any(struct fd_table *table, int fd) MUST_CHECK;

/*
 * As fd_get(), without a reference: for an LWP that is the only one of its process, and as long as
 * it closes nothing.
 */
struct file *fd_look(const struct fd_table *table, int fd) MUST_CHECK;

/* The least number from `from` on of a descriptor; -1: there is none. Any context. */
int fd_next(struct fd_table *table, int from) MUST_CHECK;

/*
 * Reserves the lowest free number that is at least `min`: fd_install() makes it a descriptor,
 * fd_cancel() frees it. The number, -EMFILE or -ENOMEM.
 */
int fd_reserve(struct fd_table *table, int min, bool close_on_exec) MUST_CHECK;
void fd_install(struct fd_table *table, int fd, struct file *file); /* takes over the reference */
void fd_cancel(struct fd_table *table, int fd);

/*
 * Makes `fd` refer to `file`, closing what it was before. Takes over the reference if it works. 0,
 * -EBADF (no such number), -EBUSY (another LWP is just opening it), -ENOMEM.
 */
int fd_replace(struct fd_table *table, int fd, struct file *file, bool close_on_exec) MUST_CHECK;

/* Closes the open ones from `first` to `last`, or only sets their close-on-exec bit. */
void fd_close_range(struct fd_table *table, unsigned first, unsigned last, bool only_on_exec);

/* 0 or -EBADF. */
int fd_close(struct fd_table *table, int fd) MUST_CHECK;

/* The close-on-exec bit: 0 or 1, -EBADF; and setting it. */
int fd_get_close_on_exec(struct fd_table *table, int fd) MUST_CHECK;
int fd_set_close_on_exec(struct fd_table *table, int fd, bool close_on_exec) MUST_CHECK;

/* ---- Supplied by proc/credentials.c: the calling process's limits -----------------------------
 */

/* Numbers of descriptors are below this (RLIMIT_NOFILE). */
unsigned fd_limit(void);

/*
 * A file is to be written at `offset`: how much of it may be (RLIMIT_FSIZE). -EFBIG: none, and the
 * caller has been sent SIGXFSZ.
 */
int file_check_limit(uint64_t offset, size_t *nr_bytes) MUST_CHECK;

/* ---- Supplied by kernel/ipc/pipe.c ------------------------------------------------------------
 */

/* The file has a FIFO's inode: gives it its ops. 0, -ENXIO, -ENOMEM, -ERESTARTSYS. May sleep. */
int fifo_open(struct file *file) MUST_CHECK;

#endif
