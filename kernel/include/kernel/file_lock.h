#ifndef KERNEL_FILE_LOCK_H
#define KERNEL_FILE_LOCK_H

/*
 * Locks that programs put on files: those of fcntl(), on ranges of bytes, and those of flock().
 * They keep nobody from reading or writing (kernel/fs/locks.c has the theory).
 */

#include <kernel/types.h>
#include <kernel/vnode.h>

struct fd_table;
struct file;

enum file_lock_type { FILE_UNLOCK, FILE_LOCK_SHARED, FILE_LOCK_EXCLUSIVE };

enum file_lock_kind {
    FILE_LOCK_PROCESS, /* F_SETLK: of a process, that is, its descriptor table */
    FILE_LOCK_OPEN,    /* F_OFD_SETLK: of an open file */
    FILE_LOCK_WHOLE,   /* flock(): of an open file, and apart from the others */
};

struct file_lock_range {
    uint64_t first, last; /* both included; last is INT64_MAX for "up to the end, wherever" */
};

/* A lock: what is asked for, or what is in the way. */
struct file_lock_request {
    enum file_lock_kind kind;
    enum file_lock_type type;
    const void *owner; /* struct fd_table or struct file */
    int pid;           /* of the process, for F_GETLK */
    struct file_lock_range range;
};

/*
 * Sets a lock, changes it or takes it away. 0; -EAGAIN: others are in the way; with `waits`,
 * -EDEADLK (they wait for the caller) or -ERESTARTSYS; -ENOLCK: out of memory. May sleep.
 */
int file_lock_set(struct inode *inode, const struct file_lock_request *request,
                  bool waits) MUST_CHECK;

/* What would be in the way of a lock, or FILE_UNLOCK in request->type. */
void file_lock_test(struct inode *inode, struct file_lock_request *request);

/* A process has closed a descriptor of the inode: its locks go. */
void file_locks_closed(struct inode *inode, const struct fd_table *table);

/* Nobody has the open file any more. */
void file_locks_released(struct inode *inode, const struct file *file);

/* The inode, which has inode->file_locks, is going. */
void file_locks_free(struct inode *inode);

/* The n-th of all locks, in no order, for /proc/locks; false: there are fewer. */
bool file_lock_at(size_t n, struct file_lock_request *lock, uint64_t *device, uint64_t *inode);

#endif
