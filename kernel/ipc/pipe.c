/*
 * Pipes.
 *
 * A pipe is a stream of bytes with two counters: how many were ever written, and how many were ever
 * read. Byte n lives in page n / 4096 modulo the number of pages, which is one more than those of
 * the capacity, since what is stored may begin within a page: so the writer never comes round to
 * the page that is being read. Frames come when they are first written to. They stay for when the
 * writer comes round, and go when the pipe has been emptied and there is no writer that waits for
 * it or has its turn: a stream goes through the same frames all the time, and a pipe that nobody
 * uses has no more than one.
 *
 * Copying touches user memory and may sleep, so it is done without the lock, by one reader and one
 * writer at a time: they take a *turn* (is_busy), copy what the counters allow, and move their
 * counter when the turn ends. Between turns everybody waits under the spinlock, interruptibly. A
 * turn for a few bytes of one page is tried with the lock held: with interrupts off a page that is
 * not there is an error, and then the turn is taken as any other.
 *
 *     a read may have its turn when   nobody reads,  and there are bytes or no writer is left
 *     a write may have its turn when  nobody writes, and there is room for all of it or for
 *                                     PIPE_BUF bytes, or no reader is left
 *
 * So a write of up to PIPE_BUF bytes is one turn, and whole among the others' (POSIX). Each end of
 * a turn wakes at most one reader and one writer, the one that has waited longest, and only when it
 * can go on; who finds that somebody else was faster sleeps again, and is woken by that one's end.
 * With room for less than PIPE_BUF bytes any of the writers may be the one for which it is enough:
 * then all are woken. So they are, at either end, after a turn behind which somebody waits who is
 * non-blocking: he waits for the turn only.
 *
 * A FIFO is a pipe that an inode leads to while files are open on it: any number of either end, or
 * of both. Who opens one end waits for somebody at the other (POSIX); that this one may be gone
 * again by the time he sees it makes no difference, so the number of openings is what is watched.
 * He waits apart from readers and writers, whose wake-ups are for one of them. Who does not wait
 * for a writer remembers how many there had been: poll() tells him of the end when one has come and
 * gone.
 */

#include <arch/mmu.h>
#include <asm/ioctls.h>
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

#include "pipe_impl.h"

#define QUICK_BYTES 256

static struct slab_cache *pipe_cache;
static _Atomic uint64_t next_number = 1;

void pipe_init(void)
{
    pipe_cache = slab_cache_create("pipe", sizeof(struct pipe), 0, SLAB_USER);
}

/* Something has happened that who watches this end, or both, may wait for. Locked. */
static void notify(struct pipe *pipe, struct pipe_end *end)
{
    poll_notify(&end->polled);
    poll_notify(&pipe->both_polled);
}

/* Wakes writers that can go on: there are some. Locked. */
static __attribute__((noinline)) void wake_writers(struct pipe *pipe)
{
    if (pipe->writer.is_busy)
        return;
    if (pipe_can_write(pipe, PIPE_BUF)) {
        waitq_wake_first(&pipe->writer.waiting);
    } else if (pipe_room(pipe) >= pipe->least_needed) {
        pipe->least_needed = PIPE_BUF;
        waitq_wake_all(&pipe->writer.waiting);
    }
}

/* Wakes who can go on. Locked. */
static inline void wake(struct pipe *pipe)
{
    if (!waitq_is_empty(&pipe->reader.waiting) && !pipe->reader.is_busy && pipe_can_read(pipe))
        waitq_wake_first(&pipe->reader.waiting);
    if (unlikely(!waitq_is_empty(&pipe->writer.waiting)))
        wake_writers(pipe);
}

/* A turn is over for which somebody waits who does not wait for more. Locked. */
static void wake_hasty(struct pipe_end *end)
{
    if (likely(!end->has_hasty))
        return;
    end->has_hasty = false;
    waitq_wake_all(&end->waiting);
}

void pipe_wake(struct pipe *pipe)
{
    wake(pipe);
}

paddr_t pipe_make_frame(struct pipe *pipe, uint64_t at)
{
    paddr_t *frame = pipe_frame_slot(pipe, at);

    if (*frame == PADDR_NONE)
        *frame = frame_alloc(FRAME_USER);
    if (*frame == PADDR_NONE) {
        reclaim_all();
        *frame = frame_alloc(FRAME_USER);
    }
    return *frame;
}

/* Whether a transfer is small enough to be done with the lock held. */
static bool is_quick(uint64_t at, size_t nr_bytes)
{
    return nr_bytes <= QUICK_BYTES && at % PAGE_SIZE + nr_bytes <= PAGE_SIZE;
}

/* ---- Reading -------------------------------------------------------------------------------- */

int pipe_sleep_to_read(struct pipe *pipe)
{
    return waitq_sleep(&pipe->reader.waiting, &pipe->lock, WAITQ_FOREVER, true);
}

/*
 * Waits until the caller may have the reader's turn. How many bytes there are, or -errno. Locked.
 */
static ALWAYS_INLINE int64_t wait_to_read(struct file *file, bool never_waits)
{
    struct pipe *pipe = file->private;
    int error = 0;

    while (unlikely(pipe->reader.is_busy || !pipe_can_read(pipe))) {
        if (unlikely(never_waits || pipe_file_is_nonblocking(file))) {
            if (!pipe_can_read(pipe))
                return -EAGAIN;
            pipe->reader.has_hasty = true;
        }
        error = pipe_sleep_to_read(pipe);
        if (error != 0)
            return error;
    }
    return (int64_t)pipe_nr_stored(pipe);
}

/* The pipe is empty, and nobody is about to fill it: the page both ends are in will do. Locked. */
static RARELY_CALLED void free_spares(struct pipe *pipe)
{
    const paddr_t *next = pipe_frame_slot(pipe, pipe->nr_written);

    for (paddr_t *frame = pipe->frames; frame < pipe->frames + PIPE_NR_PAGES; frame++) {
        if (*frame == PADDR_NONE || frame == next)
            continue;
        frame_free(*frame);
        *frame = PADDR_NONE;
    }
    pipe->has_spares = false;
}

/* So many bytes have been read, and the turn is over. Locked. */
static inline void end_read(struct pipe *pipe, size_t nr_bytes)
{
    pipe->has_spares |= pipe->nr_read % PAGE_SIZE + nr_bytes >= PAGE_SIZE;
    pipe->nr_read += nr_bytes;
    if (unlikely(pipe->has_spares) && pipe_nr_stored(pipe) == 0 && pipe->nr_blocked == 0 &&
        !pipe->writer.is_busy)
        free_spares(pipe);
    wake(pipe);
    notify(pipe, &pipe->writer);
}

/* Reads without giving up the lock, which does not wait for a page. False: not done. */
static bool read_quickly(struct pipe *pipe, vaddr_t to, size_t nr_bytes)
{
    uint64_t at = pipe->nr_read;
    paddr_t *frame = pipe_frame_slot(pipe, at);

    if (!is_quick(at, nr_bytes) ||
        user_copy_to(to, (char *)phys_to_virt(*frame) + at % PAGE_SIZE, nr_bytes) != 0)
        return false;
    end_read(pipe, nr_bytes);
    return true;
}

size_t pipe_copy_out(struct pipe *pipe, vaddr_t to, size_t nr_bytes)
{
    size_t done = 0, nr;

    for (; done < nr_bytes; done += nr) {
        uint64_t at = pipe->nr_read + done;
        paddr_t *frame = pipe_frame_slot(pipe, at);

        nr = MIN(nr_bytes - done, PAGE_SIZE - at % PAGE_SIZE);
        if (user_copy_to(to + done, (char *)phys_to_virt(*frame) + at % PAGE_SIZE, nr) != 0)
            break;
    }
    return done;
}

int64_t pipe_take_read_turn(struct file *file, bool never_waits)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    int64_t result = wait_to_read(file, never_waits);

    if (result > 0)
        pipe->reader.is_busy = true;
    else if (result == 0)
        wake(pipe); /* the end of the file is for all */
    spin_unlock_irq(&pipe->lock, irq);
    return result;
}

void pipe_end_read_turn(struct pipe *pipe, size_t nr_bytes)
{
    irq_state_t irq = spin_lock_irq(&pipe->lock);

    pipe->reader.is_busy = false;
    end_read(pipe, nr_bytes);
    wake_hasty(&pipe->reader);
    spin_unlock_irq(&pipe->lock, irq);
}

/* Has the turn. Bytes, or -EFAULT. */
static int64_t read_slowly(struct pipe *pipe, vaddr_t to, size_t nr_bytes)
{
    size_t done = pipe_copy_out(pipe, to, nr_bytes);

    pipe_end_read_turn(pipe, done);
    return done > 0 || nr_bytes == 0 ? (int64_t)done : -EFAULT;
}

static int64_t pipe_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    struct pipe *pipe = file->private;
    irq_state_t irq;
    int64_t result;

    (void)offset;
    if (nr_bytes == 0)
        return 0;
    irq = spin_lock_irq(&pipe->lock);
    result = wait_to_read(file, false);
    if (result > 0) {
        nr_bytes = MIN(nr_bytes, (size_t)result);
        result = (int64_t)nr_bytes;
        if (unlikely(!read_quickly(pipe, to, nr_bytes))) {
            pipe->reader.is_busy = true;
            spin_unlock_irq(&pipe->lock, irq);
            return read_slowly(pipe, to, nr_bytes);
        }
    } else if (result == 0) {
        wake(pipe); /* the end of the file is for all */
    }
    spin_unlock_irq(&pipe->lock, irq);
    return result;
}

/* ---- Writing -------------------------------------------------------------------------------- */

int pipe_sleep_to_write(struct pipe *pipe, size_t needed)
{
    int error;

    pipe->least_needed = MIN(pipe->least_needed, needed);
    pipe->nr_blocked++;
    error = waitq_sleep(&pipe->writer.waiting, &pipe->lock, WAITQ_FOREVER, true);
    pipe->nr_blocked--;
    return error;
}

/*
 * Waits until the caller may have the writer's turn for nr_bytes. How much room there is, or
 * -errno. Locked.
 */
static ALWAYS_INLINE int64_t wait_to_write(struct file *file, size_t nr_bytes, bool never_waits)
{
    struct pipe *pipe = file->private;
    size_t needed;
    int error = 0;

    if (likely(!pipe->writer.is_busy && pipe_room(pipe) >= PIPE_BUF && pipe->reader.nr_open > 0))
        return (int64_t)pipe_room(pipe);
    never_waits |= pipe_file_is_nonblocking(file);
    needed = never_waits && nr_bytes > PIPE_BUF ? 1 : nr_bytes;
    while (unlikely(pipe->writer.is_busy || !pipe_can_write(pipe, needed))) {
        if (never_waits) {
            if (!pipe_can_write(pipe, needed))
                return -EAGAIN;
            pipe->writer.has_hasty = true;
        }
        error = pipe_sleep_to_write(pipe, needed);
        if (error != 0)
            return error;
    }
    if (unlikely(pipe->reader.nr_open == 0)) {
        wake(pipe); /* the next one that was waiting for a turn */
        return -EPIPE;
    }
    return (int64_t)pipe_room(pipe);
}

/* So many bytes have been written, and the turn is over. Locked. */
static inline void end_write(struct pipe *pipe, size_t nr_bytes)
{
    pipe->nr_written += nr_bytes;
    wake(pipe);
    notify(pipe, &pipe->reader);
}

/* Where what is written comes from: the rest of a piece, and the pieces behind it. */
struct source {
    const struct io_piece *piece;
    size_t done; /* of that piece */
};

/* The next bytes of a source, at most *nr_bytes, of which it leaves those that are in one piece. */
static vaddr_t next_bytes(struct source *from, size_t *nr_bytes)
{
    while (from->done == from->piece->nr_bytes) {
        from->piece++;
        from->done = 0;
    }
    *nr_bytes = MIN(*nr_bytes, from->piece->nr_bytes - from->done);
    return from->piece->at + from->done;
}

/* As read_quickly(). */
static bool write_quickly(struct pipe *pipe, struct source *from, size_t nr_bytes)
{
    uint64_t at = pipe->nr_written;
    paddr_t *frame = pipe_frame_slot(pipe, at);

    if (!is_quick(at, nr_bytes) || nr_bytes > from->piece->nr_bytes - from->done)
        return false;
    if (*frame == PADDR_NONE)
        *frame = frame_alloc(FRAME_USER);
    if (*frame == PADDR_NONE || user_copy_from((char *)phys_to_virt(*frame) + at % PAGE_SIZE,
                                               from->piece->at + from->done, nr_bytes) != 0)
        return false;
    from->done += nr_bytes;
    end_write(pipe, nr_bytes);
    return true;
}

int64_t pipe_take_write_turn(struct file *file, size_t nr_bytes, bool never_waits)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    int64_t result = wait_to_write(file, nr_bytes, never_waits);

    if (result > 0)
        pipe->writer.is_busy = true;
    spin_unlock_irq(&pipe->lock, irq);
    return result;
}

void pipe_end_write_turn(struct pipe *pipe, size_t nr_bytes)
{
    irq_state_t irq = spin_lock_irq(&pipe->lock);

    pipe->writer.is_busy = false;
    end_write(pipe, nr_bytes);
    wake_hasty(&pipe->writer);
    spin_unlock_irq(&pipe->lock, irq);
}

/* Has the turn. Bytes, -EFAULT or -ENOMEM. */
static int64_t write_slowly(struct pipe *pipe, struct source *from, size_t nr_bytes)
{
    int64_t result = 0;
    size_t done = 0;

    while (result == 0 && done < nr_bytes) {
        uint64_t at = pipe->nr_written + done;
        size_t nr = MIN(nr_bytes - done, PAGE_SIZE - at % PAGE_SIZE);
        vaddr_t bytes = next_bytes(from, &nr);
        paddr_t frame = pipe_make_frame(pipe, at);

        if (frame == PADDR_NONE)
            result = -ENOMEM;
        else
            result = user_copy_from((char *)phys_to_virt(frame) + at % PAGE_SIZE, bytes, nr);
        if (result == 0) {
            done += nr;
            from->done += nr;
        }
    }
    pipe_end_write_turn(pipe, done);
    return done > 0 ? (int64_t)done : result;
}

int64_t pipe_copy_in(struct pipe *pipe, vaddr_t from, size_t nr_bytes)
{
    struct io_piece piece = {from, nr_bytes};

    return write_slowly(pipe, &(struct source){&piece, 0}, nr_bytes);
}

/* One turn: writes as much as there is room for. Bytes, or -errno. */
static int64_t write_turn(struct file *file, struct source *from, size_t nr_bytes)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    int64_t result = wait_to_write(file, nr_bytes, false);

    if (result > 0) {
        nr_bytes = MIN(nr_bytes, (size_t)result);
        result = (int64_t)nr_bytes;
        if (unlikely(!write_quickly(pipe, from, nr_bytes))) {
            pipe->writer.is_busy = true;
            spin_unlock_irq(&pipe->lock, irq);
            return write_slowly(pipe, from, nr_bytes);
        }
    }
    spin_unlock_irq(&pipe->lock, irq);
    return result;
}

static int64_t write_all(struct file *file, struct source *from, size_t nr_bytes)
{
    size_t done = 0;

    while (done < nr_bytes) {
        int64_t result = write_turn(file, from, nr_bytes - done);

        if (unlikely(result < 0)) {
            if (result == -EPIPE)
                signal_send_self(SIGPIPE);
            return done > 0 ? (int64_t)done : result;
        }
        done += (size_t)result;
    }
    return (int64_t)done;
}

static int64_t pipe_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    struct io_piece piece = {from, nr_bytes};

    (void)offset;
    return write_all(file, &(struct source){&piece, 0}, nr_bytes);
}

static int64_t pipe_write_pieces(struct file *file, const struct io_piece *pieces, unsigned nr,
                                 uint64_t *offset)
{
    size_t nr_bytes = 0;

    (void)offset;
    for (unsigned i = 0; i < nr; i++)
        nr_bytes += pieces[i].nr_bytes;
    return write_all(file, &(struct source){pieces, 0}, nr_bytes);
}

/* ---- The ends ------------------------------------------------------------------------------- */

static void pipe_free(struct pipe *pipe)
{
    for (unsigned i = 0; i < PIPE_NR_PAGES; i++) {
        if (pipe->frames[i] != PADDR_NONE)
            frame_free(pipe->frames[i]);
    }
    slab_free(pipe_cache, pipe);
}

/* What the file was to the pipe ends; whoever waits at the other end sees it. True: it was the last
 * one. */
static bool leave(struct pipe *pipe, bool is_reader, bool is_writer)
{
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    bool is_last;

    pipe->reader.nr_open -= is_reader;
    pipe->writer.nr_open -= is_writer;
    is_last = pipe->reader.nr_open == 0 && pipe->writer.nr_open == 0;
    waitq_wake_all(&pipe->reader.waiting);
    waitq_wake_all(&pipe->writer.waiting);
    notify(pipe, &pipe->reader);
    notify(pipe, &pipe->writer);
    spin_unlock_irq(&pipe->lock, irq);
    return is_last;
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->private;

    if (leave(pipe, file_reads(file), file_writes(file)))
        pipe_free(pipe);
}

static unsigned poll_reader(struct file *file, struct poll_watcher *watcher)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    unsigned events = pipe_nr_stored(pipe) > 0 ? EPOLLIN | EPOLLRDNORM : 0;

    if (pipe->writer.nr_open == 0 && pipe->writer.nr_opened != file->nr_writers_seen)
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
    unsigned events = pipe_room(pipe) >= PIPE_BUF ? EPOLLOUT | EPOLLWRNORM : 0;

    if (pipe->reader.nr_open == 0)
        events |= EPOLLERR;
    poll_watch(&pipe->writer.polled, watcher);
    spin_unlock_irq(&pipe->lock, irq);
    return events;
}

static int64_t pipe_ioctl(struct file *file, unsigned request, uint64_t arg)
{
    struct pipe *pipe = file->private;
    irq_state_t irq;
    int nr_bytes;

    if (request != FIONREAD)
        return -ENOTTY;
    irq = spin_lock_irq(&pipe->lock);
    nr_bytes = (int)pipe_nr_stored(pipe);
    spin_unlock_irq(&pipe->lock, irq);
    return user_copy_to(arg, &nr_bytes, sizeof(nr_bytes));
}

static void pipe_stat(struct file *file, struct stat *stat)
{
    const struct pipe *pipe = file->private;

    file_stat_anonymous(stat, S_IFIFO | 0600);
    stat->st_ino = pipe->number;
}

/* Both ends: no end of it, and nobody's lack of it, is ever seen. */
static unsigned poll_both(struct file *file, struct poll_watcher *watcher)
{
    struct pipe *pipe = file->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    unsigned events = pipe_nr_stored(pipe) > 0 ? EPOLLIN | EPOLLRDNORM : 0;

    if (pipe_room(pipe) >= PIPE_BUF)
        events |= EPOLLOUT | EPOLLWRNORM;
    poll_watch(&pipe->both_polled, watcher);
    spin_unlock_irq(&pipe->lock, irq);
    return events;
}

static int pipe_open_again(struct file *from, struct file *file);

static const struct file_ops pipe_ops[] = {
    [O_RDONLY] = {.read = pipe_read,
                  .poll = poll_reader,
                  .ioctl = pipe_ioctl,
                  .stat = pipe_stat,
                  .release = pipe_release,
                  .open_again = pipe_open_again},
    [O_WRONLY] = {.write = pipe_write,
                  .write_pieces = pipe_write_pieces,
                  .poll = poll_writer,
                  .ioctl = pipe_ioctl,
                  .stat = pipe_stat,
                  .release = pipe_release,
                  .open_again = pipe_open_again},
    [O_RDWR] = {.read = pipe_read,
                .write = pipe_write,
                .write_pieces = pipe_write_pieces,
                .poll = poll_both,
                .ioctl = pipe_ioctl,
                .stat = pipe_stat,
                .release = pipe_release,
                .open_again = pipe_open_again},
};

/* `from` keeps the pipe. Unlike that of a FIFO, nobody waits for the other end. */
static int pipe_open_again(struct file *from, struct file *file)
{
    struct pipe *pipe = from->private;
    irq_state_t irq = spin_lock_irq(&pipe->lock);

    pipe->reader.nr_open += file_reads(file);
    pipe->writer.nr_open += file_writes(file);
    spin_unlock_irq(&pipe->lock, irq);
    file->private = pipe;
    file->ops = &pipe_ops[atomic_load(&file->flags) & O_ACCMODE];
    return 0;
}

/* An empty pipe, open nowhere; NULL: out of memory. */
static struct pipe *create(void)
{
    struct pipe *pipe = slab_alloc(pipe_cache);

    if (pipe == NULL)
        return NULL;
    memset(pipe, 0, sizeof(*pipe));
    spin_init(&pipe->lock, "pipe", LOCK_RANK_WAIT);
    waitq_init(&pipe->reader.waiting);
    waitq_init(&pipe->writer.waiting);
    waitq_init(&pipe->openers);
    poll_queue_init(&pipe->reader.polled, &pipe->lock);
    poll_queue_init(&pipe->writer.polled, &pipe->lock);
    poll_queue_init(&pipe->both_polled, &pipe->lock);
    pipe->least_needed = PIPE_BUF;
    for (unsigned i = 0; i < PIPE_NR_PAGES; i++)
        pipe->frames[i] = PADDR_NONE;
    return pipe;
}

int pipe_create(unsigned flags, struct file **reader, struct file **writer)
{
    struct pipe *pipe = create();

    if (pipe == NULL)
        return -ENOMEM;
    *reader = file_create(&pipe_ops[O_RDONLY], O_RDONLY | flags, NULL, pipe);
    if (*reader == NULL) {
        slab_free(pipe_cache, pipe);
        return -ENOMEM;
    }
    pipe->reader.nr_open = 1;
    pipe->number = atomic_fetch_add_explicit(&next_number, 1, memory_order_relaxed);
    *writer = file_create(&pipe_ops[O_WRONLY], O_WRONLY | flags, NULL, pipe);
    if (*writer == NULL) {
        file_put(*reader);
        return -ENOMEM;
    }
    pipe->writer.nr_open = pipe->writer.nr_opened = 1;
    return 0;
}

/* ---- FIFOs ---------------------------------------------------------------------------------- */

/* The pipe of a FIFO, which is there as long as anybody has it open, or is about to. */
static struct pipe *fifo_get(struct inode *inode)
{
    struct pipe *pipe;

    mutex_lock(&inode->lock);
    if (inode->endpoint == NULL)
        inode->endpoint = create();
    pipe = inode->endpoint;
    if (pipe != NULL)
        pipe->nr_files++;
    mutex_unlock(&inode->lock);
    return pipe;
}

static void fifo_put(struct inode *inode, struct pipe *pipe)
{
    bool is_last;

    mutex_lock(&inode->lock);
    is_last = --pipe->nr_files == 0;
    if (is_last)
        inode->endpoint = NULL;
    mutex_unlock(&inode->lock);
    if (is_last)
        pipe_free(pipe);
}

static void fifo_release(struct file *file)
{
    (void)leave(file->private, file_reads(file), file_writes(file));
    fifo_put(file->inode, file->private);
}

/*
 * Counts the file in, and waits until the other end has been opened too, unless it is open, or
 * nobody is to wait. 0, -ENXIO (O_WRONLY, and nobody reads), -ERESTARTSYS.
 */
static int fifo_join(struct pipe *pipe, struct file *file)
{
    bool reads = file_reads(file), writes = file_writes(file);
    struct pipe_end *other = reads ? &pipe->writer : &pipe->reader;
    irq_state_t irq = spin_lock_irq(&pipe->lock);
    unsigned nr_opened = other->nr_opened;
    int error = 0;

    if (!reads && pipe_file_is_nonblocking(file) && pipe->reader.nr_open == 0)
        error = -ENXIO;
    if (error == 0) {
        pipe->reader.nr_open += reads;
        pipe->reader.nr_opened += reads;
        pipe->writer.nr_open += writes;
        pipe->writer.nr_opened += writes;
        waitq_wake_all(&pipe->openers);
        if (pipe->writer.nr_open == 0 && pipe_file_is_nonblocking(file))
            file->nr_writers_seen = pipe->writer.nr_opened;
        while (error == 0 && !(reads && writes) && !pipe_file_is_nonblocking(file) &&
               other->nr_open == 0 && other->nr_opened == nr_opened)
            error = waitq_sleep(&pipe->openers, &pipe->lock, WAITQ_FOREVER, true);
        if (error != 0) {
            pipe->reader.nr_open -= reads;
            pipe->writer.nr_open -= writes;
        }
    }
    spin_unlock_irq(&pipe->lock, irq);
    return error;
}

static const struct file_ops fifo_ops[] = {
    [O_RDONLY] = {.read = pipe_read,
                  .poll = poll_reader,
                  .ioctl = pipe_ioctl,
                  .release = fifo_release},
    [O_WRONLY] = {.write = pipe_write,
                  .write_pieces = pipe_write_pieces,
                  .poll = poll_writer,
                  .ioctl = pipe_ioctl,
                  .release = fifo_release},
    [O_RDWR] = {.read = pipe_read,
                .write = pipe_write,
                .write_pieces = pipe_write_pieces,
                .poll = poll_both,
                .ioctl = pipe_ioctl,
                .release = fifo_release},
};

int fifo_open(struct file *file)
{
    struct pipe *pipe = fifo_get(file->inode);
    int error;

    if (pipe == NULL)
        return -ENOMEM;
    error = fifo_join(pipe, file);
    if (error != 0) {
        fifo_put(file->inode, pipe);
        return error;
    }
    file->private = pipe;
    file->ops = &fifo_ops[atomic_load(&file->flags) & O_ACCMODE];
    return 0;
}

struct pipe *pipe_of(const struct file *file)
{
    bool is_pipe = file->ops->release == pipe_release || file->ops->release == fifo_release;

    return is_pipe ? file->private : NULL;
}

int64_t pipe_set_capacity(const struct file *file, uint64_t nr_bytes)
{
    if (pipe_of(file) == NULL)
        return -EBADF;
    return nr_bytes <= PIPE_BYTES ? (int64_t)PIPE_BYTES : -EPERM;
}
