#ifndef KERNEL_IPC_PIPE_IMPL_H
#define KERNEL_IPC_PIPE_IMPL_H

/* What pipe.c and splice.c share. pipe.c has the theory. */

#include <kernel/pipe.h>
#include <kernel/poll.h>
#include <kernel/spinlock.h>
#include <kernel/waitq.h>
#include <linux/fcntl.h>
#include <linux/limits.h>

#define PIPE_NR_PAGES (PIPE_BYTES / PAGE_SIZE + 1)

struct pipe_end {
    unsigned nr_open;   /* files; one, unless it is a FIFO */
    unsigned nr_opened; /* how often it has been opened: who waits for that sees it change */
    bool is_busy;       /* somebody has the turn */
    bool has_hasty;     /* who waits may wait for the turn only: without it he is to be told */
    struct waitq waiting;
    struct poll_queue polled;
};

struct pipe {
    struct spinlock lock;
    struct pipe_end reader, writer; /* lock */
    struct poll_queue both_polled;  /* of files that are both */
    uint64_t number;                /* c  st_ino; 0: a FIFO's, whose inode has one */
    uint64_t nr_read, nr_written;   /* lock; each is moved by who has its end's turn */
    struct waitq openers;           /* lock; of a FIFO: they wait for the other end */
    unsigned nr_files;   /* of a FIFO: its inode's lock; files that are or will be open */
    size_t least_needed; /* lock; no writer that waits can go on with less room than this */
    unsigned nr_blocked; /* lock; writers that sleep, or are woken and have not run yet */
    bool has_spares;     /* lock; there may be frames that hold nothing */
    paddr_t frames[PIPE_NR_PAGES]; /* up to byte nr_written the reader's, from there the writer's */
};

static inline size_t pipe_nr_stored(const struct pipe *pipe)
{
    return pipe->nr_written - pipe->nr_read;
}

static inline size_t pipe_room(const struct pipe *pipe)
{
    return PIPE_BYTES - pipe_nr_stored(pipe);
}

/* Whether who has the turn can go on. A write goes on where there is room for PIPE_BUF bytes. */
static inline bool pipe_can_read(const struct pipe *pipe)
{
    return pipe_nr_stored(pipe) > 0 || pipe->writer.nr_open == 0;
}

static inline bool pipe_can_write(const struct pipe *pipe, size_t nr_bytes)
{
    return pipe_room(pipe) >= MIN(nr_bytes, (size_t)PIPE_BUF) || pipe->reader.nr_open == 0;
}

/* The place for the frame of byte `at`. */
static inline paddr_t *pipe_frame_slot(struct pipe *pipe, uint64_t at)
{
    return &pipe->frames[at / PAGE_SIZE % PIPE_NR_PAGES];
}

static inline bool pipe_file_is_nonblocking(const struct file *file)
{
    return atomic_load(&file->flags) & O_NONBLOCK;
}

/* The pipe, or that of the FIFO, that the file is open on; NULL: it is another kind of file. */
struct pipe *pipe_of(const struct file *file);

/*
 * Waits for the reader's turn and takes it: how many bytes there are; or, without it, 0 at the end
 * of the file, -EAGAIN, -ERESTARTSYS.
 */
int64_t pipe_take_read_turn(struct file *file, bool never_waits) MUST_CHECK;

/* Copies bytes from nr_read on. How many; fewer: the rest cannot be written there. Has the turn. */
size_t pipe_copy_out(struct pipe *pipe, vaddr_t to, size_t nr_bytes);

/* So many bytes have been read. */
void pipe_end_read_turn(struct pipe *pipe, size_t nr_bytes);

/*
 * Waits for the writer's turn, and room as a write of nr_bytes needs it, and takes the turn: how
 * much room there is; or, without it, -EAGAIN, -ERESTARTSYS, -EPIPE.
 */
int64_t pipe_take_write_turn(struct file *file, size_t nr_bytes, bool never_waits) MUST_CHECK;

/* Writes nr_bytes, for which there is room, and ends the turn. Bytes, -EFAULT or -ENOMEM. */
int64_t pipe_copy_in(struct pipe *pipe, vaddr_t from, size_t nr_bytes);

/* The frame of byte `at`, for writing. PADDR_NONE: out of memory. Has the turn. */
paddr_t pipe_make_frame(struct pipe *pipe, uint64_t at);

/* So many bytes have been written. */
void pipe_end_write_turn(struct pipe *pipe, size_t nr_bytes);

/*
 * Sleeps until the turn may be had, for who cannot have it now; a writer with so much room. Who is
 * woken takes the turn, or passes it on by pipe_wake(). Who is non-blocking sleeps only while
 * somebody else has the turn, and sets has_hasty before. Locked. 0 or -ERESTARTSYS.
 */
int pipe_sleep_to_read(struct pipe *pipe) MUST_CHECK;
int pipe_sleep_to_write(struct pipe *pipe, size_t needed) MUST_CHECK;

/* Wakes who can go on. Locked. */
void pipe_wake(struct pipe *pipe);

#endif
