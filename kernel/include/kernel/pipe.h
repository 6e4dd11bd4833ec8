#ifndef KERNEL_PIPE_H
#define KERNEL_PIPE_H

/* Pipes; kernel/ipc/pipe.c has the theory. */

#include <kernel/file.h>

#define PIPE_BYTES KIB(64) /* how many a pipe holds */

/* Once, while booting. */
void pipe_init(void);

/*
 * A new pipe: its two ends, open files with one reference each. `flags`: O_NONBLOCK or 0. 0 or
 * -ENOMEM.
 */
int pipe_create(unsigned flags, struct file **reader, struct file **writer) MUST_CHECK;

/*
 * How many bytes a pipe holds, which is to be at least nr_bytes (fcntl(), F_SETPIPE_SZ); it is
 * always the same. -EPERM: that is less; -EBADF: no pipe.
 */
int64_t pipe_set_capacity(const struct file *file, uint64_t nr_bytes) MUST_CHECK;

/* ---- For splice() and its kin ---------------------------------------------------------------- */

/* Whether the file is a pipe, or a FIFO, that is open for reading, or for writing. */
bool pipe_is_reader(const struct file *file);
bool pipe_is_writer(const struct file *file);

/* Whether both are of one pipe. */
bool pipe_is_same(const struct file *a, const struct file *b);

/*
 * Waits for bytes and copies up to nr_bytes of them, which stay in the pipe: their number, for
 * which the caller has the reader's turn until pipe_end_peek(); or 0 at the end of the file,
 * -EAGAIN, -ERESTARTSYS, -EFAULT, without the turn.
 */
int64_t pipe_peek(struct file *file, vaddr_t to, size_t nr_bytes, bool is_nonblocking) MUST_CHECK;

/* Takes nr_bytes of them out. */
void pipe_end_peek(struct file *file, size_t nr_bytes);

/*
 * Waits for room: how much there is, at most nr_bytes, for which the caller has the writer's turn
 * until pipe_fill(); or, without it, -EAGAIN, -ERESTARTSYS, or -EPIPE, for which the caller has got
 * its signal.
 */
int64_t pipe_make_room(struct file *file, size_t nr_bytes, bool is_nonblocking) MUST_CHECK;

/* Writes nr_bytes, for which there is room; 0: gives up the turn. Bytes, -EFAULT, -ENOMEM. */
int64_t pipe_fill(struct file *file, vaddr_t from, size_t nr_bytes);

/*
 * Moves up to nr_bytes from one pipe to another, or copies them (is_tee): waits until there are
 * some, and room for them. It does not wait if either file is non-blocking, either. Bytes, 0 at the
 * end of the file, -EAGAIN, -ERESTARTSYS, -ENOMEM, or -EPIPE, for which the caller has got its
 * signal.
 */
int64_t pipe_splice(struct file *from_file, struct file *to_file, size_t nr_bytes,
                    bool is_nonblocking, bool is_tee) MUST_CHECK;

#endif
