/*
 * Pipes.
 *
 * A pipe is a stream of bytes with two counters: how many were ever written, and how many were ever
 * read. Byte n lives in page n / 4096 modulo the number of pages. There is one page more than the
 * capacity needs, so that the writer never comes round to the page that is being read. Frames come
 * when they are first written to and go when they have been read to their end.
 *
 * Copying touches user memory and may sleep, so it is done without the lock, by one reader and one
 * writer at a time: they take a *turn* (is_busy), copy what the counters allow, and move their
 * counter when the turn ends. Between turns everybody waits under the spinlock, interruptibly.
 *
 *     a read may have its turn when   nobody reads,  and there are bytes or no writer is left
 *     a write may have its turn when  nobody writes, and there is room for all of it or for
 *                                     PIPE_BUF bytes, or no reader is left
 *
 * So a write of up to PIPE_BUF bytes is one turn, and whole among the others' (POSIX). Each end of
 * a turn wakes at most one reader and one writer, the one that has waited longest, and only when it
 * can go on; who finds that somebody else was faster sleeps again, and is woken by that one's end.
 * With room for less than PIPE_BUF bytes any of the writers may be the one for which it is enough:
 * then all are woken.
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/pipe.h>
#include <kernel/poll.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <kernel/waitq.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/signal.h>

#define CAPACITY_BYTES KIB(64)
#define NR_PAGES       (CAPACITY_BYTES / PAGE_SIZE + 1)

struct end {
    bool is_open;
    bool is_busy; /* somebody has the turn */
    struct waitq waiting;
    struct poll_queue polled;
};

struct pipe {
    struct spinlock lock;
    struct end reader, writer;    /* lock */
    uint64_t nr_read, nr_written; /* lock; each is moved by who has its end's turn */
    size_t least_needed;      /* lock; no writer that waits can go on with less room than this */
    paddr_t frames[NR_PAGES]; /* up to byte nr_written the reader's, from there on the writer's */
};

static const struct file_ops reader_ops, writer_ops;
static struct slab_cache *pipe_cache;

void pipe_init(void)
{
    pipe_cache = slab_cache_create("pipe", sizeof(struct pipe), 0, SLAB_USER);
}

static size_t nr_stored(const struct pipe *pipe)
{
    return pipe->nr_written - pipe->nr_read;
}

static size_t room(const struct pipe *pipe)
{
    return CAPACITY_BYTES - nr_stored(pipe);
}

static bool can_read(const struct pipe *pipe)
{
    return nr_stored(pipe) > 0 || !pipe->writer.is_open;
}

static bool can_write(const struct pipe *pipe, size_t nr_bytes)
{
    return room(pipe) >= MIN(nr_bytes, (size_t)PIPE_BUF) || !pipe->reader.is_open;
}

/* Wakes who can go on. Locked. */
static void wake(struct pipe *pipe)
{
    if (!pipe->reader.is_busy && can_read(pipe))
        waitq_wake_first(&pipe->reader.waiting);
    if (pipe->writer.is_busy)
        return;
    if (can_write(pipe, PIPE_BUF)) {
        waitq_wake_first(&pipe->writer.waiting);
    } else if (room(pipe) >= pipe->least_needed) {
        pipe->least_needed = PIPE_BUF;
        waitq_wake_all(&pipe->writer.waiting);
    }
}

/* The place for the frame of byte `at`. */
static paddr_t *frame_slot(struct pipe *pipe, uint64_t at)
{
    return &pipe->frames[at / PAGE_SIZE % NR_PAGES];
}

/* The frame of byte `at`, for writing. PADDR_NONE: out of memory. */
static paddr_t make_frame(struct pipe *pipe, uint64_t at)
{
    paddr_t *frame = frame_slot(pipe, at);

    if (*frame == PADDR_NONE)
        *frame = frame_alloc(FRAME_USER);
    if (*frame == PADDR_NONE) {
        reclaim_all();
        *frame = frame_alloc(FRAME_USER);
    }
    return *frame;
}

static bool is_nonblocking(const struct file *file)
{
    return atomic_load(&file->flags) & O_NONBLOCK;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Waits for the reader's turn. How many bytes there are, or -errno. */
static int64_t begin_read(struct file *file)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    int64_t result = 0;

    while (result == 0 && (pipe->reader.is_busy || !can_read(pipe))) {
        if (!can_read(pipe) && is_nonblocking(file))
            result = -EAGAIN;
        else
            result = waitq_sleep(&pipe->reader.waiting, &pipe->lock, WAITQ_FOREVER, true);
    }
    if (result == 0) {
        pipe->reader.is_busy = true;
        result = (int64_t)nr_stored(pipe);
    }
    spin_unlock_irq(&pipe->lock, irq);
    return result;
}

static void end_read(struct pipe *pipe, size_t nr_bytes)
{
    irq_state_t irq = spin_lock_irq(&pipe->lock);

    pipe->reader.is_busy = false;
    pipe->nr_read += nr_bytes;
    wake(pipe);
    if (room(pipe) >= PIPE_BUF)
        poll_notify(&pipe->writer.polled);
    spin_unlock_irq(&pipe->lock, irq);
}

static int64_t pipe_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct pipe *pipe = file->private;
    size_t done = 0, nr = 0;
    int64_t nr_there;

    (void)offset;
    if (nr_bytes == 0)
        return 0;
    nr_there = begin_read(file);
    if (nr_there < 0)
        return nr_there;
    nr_bytes = MIN(nr_bytes, (size_t)nr_there);
    for (; done < nr_bytes; done += nr) {
        uint64_t at = pipe->nr_read + done;
        paddr_t *frame = frame_slot(pipe, at);

        nr = MIN(nr_bytes - done, PAGE_SIZE - at % PAGE_SIZE);
        if (user_copy_to(to + done, (char *)phys_to_virt(*frame) + at % PAGE_SIZE, nr) != 0)
            break;
        if ((at + nr) % PAGE_SIZE == 0) {
            frame_free(*frame);
            *frame = PADDR_NONE;
        }
    }
    end_read(pipe, done);
    return done > 0 || nr_bytes == 0 ? (int64_t)done : -EFAULT;
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Waits for the writer's turn for nr_bytes. How much room there is, or -errno. */
static int64_t begin_write(struct file *file, size_t nr_bytes)
{
    struct pipe *pipe = file->private;
    size_t needed = is_nonblocking(file) && nr_bytes > PIPE_BUF ? 1 : nr_bytes;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    int64_t result = 0;

    while (result == 0 && (pipe->writer.is_busy || !can_write(pipe, needed))) {
        if (!can_write(pipe, needed) && is_nonblocking(file)) {
            result = -EAGAIN;
        } else {
            pipe->least_needed = MIN(pipe->least_needed, needed);
            result = waitq_sleep(&pipe->writer.waiting, &pipe->lock, WAITQ_FOREVER, true);
        }
    }
    if (result == 0 && !pipe->reader.is_open) {
        result = -EPIPE;
        wake(pipe); /* the next one that was waiting for a turn */
    } else if (result == 0) {
        pipe->writer.is_busy = true;
        result = (int64_t)room(pipe);
    }
    spin_unlock_irq(&pipe->lock, irq);
    return result;
}

static void end_write(struct pipe *pipe, size_t nr_bytes)
{
    irq_state_t irq = spin_lock_irq(&pipe->lock);

    pipe->writer.is_busy = false;
    pipe->nr_written += nr_bytes;
    wake(pipe);
    poll_notify(&pipe->reader.polled);
    spin_unlock_irq(&pipe->lock, irq);
}

/* One turn: writes as much as there is room for. Bytes, or -errno. */
static int64_t write_turn(struct file *file, vaddr_t from, size_t nr_bytes)
{
    struct pipe *pipe = file->private;
    int64_t result = begin_write(file, nr_bytes);
    size_t done = 0;

    if (result < 0)
        return result;
    nr_bytes = MIN(nr_bytes, (size_t)result);
    for (result = 0; result == 0 && done < nr_bytes;) {
        uint64_t at = pipe->nr_written + done;
        size_t nr = MIN(nr_bytes - done, PAGE_SIZE - at % PAGE_SIZE);
        paddr_t frame = make_frame(pipe, at);

        if (frame == PADDR_NONE)
            result = -ENOMEM;
        else
            result = user_copy_from((char *)phys_to_virt(frame) + at % PAGE_SIZE, from + done, nr);
        if (result == 0)
            done += nr;
    }
    end_write(pipe, done);
    return done > 0 ? (int64_t)done : result;
}

static int64_t pipe_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    size_t done = 0;

    (void)offset;
    while (done < nr_bytes) {
        int64_t result = write_turn(file, from + done, nr_bytes - done);

        if (result == -EPIPE)
            signal_send_self(SIGPIPE);
        if (result < 0)
            return done > 0 ? (int64_t)done : result;
        done += (size_t)result;
    }
    return (int64_t)done;
}

/* ---- The ends ------------------------------------------------------------------------------- */

/* The last descriptor of an end is gone: whoever waits at the other end sees it. */
static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->private;
    struct end *end = file->ops == &reader_ops ? &pipe->reader : &pipe->writer;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    bool is_last;

    end->is_open = false;
    is_last = !pipe->reader.is_open && !pipe->writer.is_open;
    waitq_wake_all(&pipe->reader.waiting);
    waitq_wake_all(&pipe->writer.waiting);
    poll_notify(&pipe->reader.polled);
    poll_notify(&pipe->writer.polled);
    spin_unlock_irq(&pipe->lock, irq);
    if (!is_last)
        return;
    for (unsigned i = 0; i < NR_PAGES; i++) {
        if (pipe->frames[i] != PADDR_NONE)
            frame_free(pipe->frames[i]);
    }
    slab_free(pipe_cache, pipe);
}

static unsigned poll_reader(struct file *file, struct poll_watcher *watcher)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    unsigned events = nr_stored(pipe) > 0 ? EPOLLIN | EPOLLRDNORM : 0;

    if (!pipe->writer.is_open)
        events |= EPOLLHUP;
    poll_watch(&pipe->reader.polled, watcher);
    spin_unlock_irq(&pipe->lock, irq);
    return events;
}

/* Room for less than PIPE_BUF bytes is none: a write of that many would wait. */
static unsigned poll_writer(struct file *file, struct poll_watcher *watcher)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    unsigned events = room(pipe) >= PIPE_BUF ? EPOLLOUT | EPOLLWRNORM : 0;

    if (!pipe->reader.is_open)
        events |= EPOLLERR;
    poll_watch(&pipe->writer.polled, watcher);
    spin_unlock_irq(&pipe->lock, irq);
    return events;
}

static void pipe_stat(struct file *file, struct stat *stat)
{
    (void)file;
    file_stat_anonymous(stat, S_IFIFO | 0600);
}

static const struct file_ops reader_ops = {
    .read = pipe_read,
    .poll = poll_reader,
    .stat = pipe_stat,
    .release = pipe_release,
};

static const struct file_ops writer_ops = {
    .write = pipe_write,
    .poll = poll_writer,
    .stat = pipe_stat,
    .release = pipe_release,
};

int pipe_create(unsigned flags, struct file **reader, struct file **writer)
{
    struct pipe *pipe = slab_alloc(pipe_cache);

    if (pipe == NULL)
        return -ENOMEM;
    memset(pipe, 0, sizeof(*pipe));
    spin_init(&pipe->lock, "pipe", LOCK_RANK_WAIT);
    waitq_init(&pipe->reader.waiting);
    waitq_init(&pipe->writer.waiting);
    poll_queue_init(&pipe->reader.polled, &pipe->lock);
    poll_queue_init(&pipe->writer.polled, &pipe->lock);
    pipe->least_needed = PIPE_BUF;
    for (unsigned i = 0; i < NR_PAGES; i++)
        pipe->frames[i] = PADDR_NONE;
    *reader = file_create(&reader_ops, O_RDONLY | flags, NULL, pipe);
    if (*reader == NULL) {
        slab_free(pipe_cache, pipe);
        return -ENOMEM;
    }
    pipe->reader.is_open = true;
    *writer = file_create(&writer_ops, O_WRONLY | flags, NULL, pipe);
    if (*writer == NULL) {
        file_put(*reader);
        return -ENOMEM;
    }
    pipe->writer.is_open = true;
    return 0;
}
