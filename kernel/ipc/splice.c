/*
 * What splice(), tee() and vmsplice() do with pipes.
 *
 * Bytes go on to somewhere else, or come from there, and that may take long: it is another file.
 * They are not to be lost when it fails, nor to come twice. So who moves them has the turn of the
 * pipe's end (pipe.c) all the while: bytes leave a pipe when they have arrived, and are read for it
 * when there is room.
 *
 *     from a pipe     pipe_peek()       bytes, which stay     pipe_end_peek()   takes them out
 *     to a pipe       pipe_make_room()  how many may come     pipe_fill()       puts them in
 *
 * From pipe to pipe they are copied at once (pipe_splice()), and that needs two turns, which nobody
 * takes one by one: who had the one and waited for the other would hold up all that could go on at
 * the first, and two of them each other. So both pipes are locked to look whether both turns may be
 * had. If not, the caller waits at the one that is missing, with neither, and looks again at both.
 * A wake-up at a pipe is for one; who has been woken and goes on to wait at the other pipe passes
 * it on. Of two pipes, the one at the lower address is locked first.
 */

#include <arch/mmu.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <proc/signal.h>

#include "pipe_impl.h"

bool pipe_is_reader(const struct file *file)
{
    return pipe_of(file) != NULL && file_reads(file);
}

bool pipe_is_writer(const struct file *file)
{
    return pipe_of(file) != NULL && file_writes(file);
}

bool pipe_is_same(const struct file *a, const struct file *b)
{
    return pipe_of(a) != NULL && pipe_of(a) == pipe_of(b);
}

int64_t pipe_peek(struct file *file, vaddr_t to, size_t nr_bytes, bool is_nonblocking)
{
    int64_t result = pipe_take_read_turn(file, is_nonblocking);

    if (result <= 0)
        return result;
    nr_bytes = pipe_copy_out(file->private, to, MIN(nr_bytes, (size_t)result));
    if (nr_bytes == 0)
        pipe_end_peek(file, 0);
    return nr_bytes > 0 ? (int64_t)nr_bytes : -EFAULT;
}

void pipe_end_peek(struct file *file, size_t nr_bytes)
{
    pipe_end_read_turn(file->private, nr_bytes);
}

int64_t pipe_make_room(struct file *file, size_t nr_bytes, bool is_nonblocking)
{
    int64_t result = pipe_take_write_turn(file, nr_bytes, is_nonblocking);

    if (result == -EPIPE)
        signal_send_self(SIGPIPE);
    return MIN(result, (int64_t)nr_bytes);
}

int64_t pipe_fill(struct file *file, vaddr_t from, size_t nr_bytes)
{
    return pipe_copy_in(file->private, from, nr_bytes);
}

/* ---- From pipe to pipe ----------------------------------------------------------------------- */

static void lock_two(struct pipe *a, struct pipe *b)
{
    spin_lock(a < b ? &a->lock : &b->lock);
    spin_lock_nested(a < b ? &b->lock : &a->lock);
}

/*
 * At which of the pipes the caller has to wait, before bytes can go from one to the other; NULL: at
 * neither. Both are locked.
 */
static struct pipe *find_obstacle(struct pipe *from, struct pipe *to, size_t needed)
{
    if (to->reader.nr_open == 0)
        return NULL;
    if (from->reader.is_busy || !pipe_can_read(from))
        return from;
    if (pipe_nr_stored(from) > 0 && (to->writer.is_busy || !pipe_can_write(to, needed)))
        return to;
    return NULL;
}

/* Waits there. Both are locked, and are again afterwards. 0 or -ERESTARTSYS. */
static int wait_at(const struct pipe *obstacle, struct pipe *from, struct pipe *to, size_t needed,
                   bool is_nonblocking)
{
    int error;

    if (obstacle == from) {
        pipe_wake(to);
        spin_unlock(&to->lock);
        from->reader.has_hasty |= is_nonblocking;
        error = pipe_sleep_to_read(from);
        spin_unlock(&from->lock);
    } else {
        pipe_wake(from);
        spin_unlock(&from->lock);
        to->writer.has_hasty |= is_nonblocking;
        error = pipe_sleep_to_write(to, needed);
        spin_unlock(&to->lock);
    }
    lock_two(from, to);
    return error;
}

/*
 * Waits for both turns and takes them: how many bytes can go, at most nr_bytes; or, with neither, 0
 * at the end of the file, -EAGAIN, -ERESTARTSYS, -EPIPE. Who does not wait gets by with any room.
 */
static int64_t take_both_turns(struct pipe *from, struct pipe *to, size_t nr_bytes,
                               bool is_nonblocking)
{
    irq_state_t irq = irq_save();
    struct pipe *obstacle;
    int64_t result = 0;

    lock_two(from, to);
    while (result == 0) {
        size_t needed = is_nonblocking ? 1 : MIN(nr_bytes, pipe_nr_stored(from));
        bool is_ready;

        obstacle = find_obstacle(from, to, needed);
        if (obstacle == NULL)
            break;
        is_ready = obstacle == from ? pipe_can_read(from) : pipe_can_write(to, needed);
        result = is_nonblocking && !is_ready ? -EAGAIN
                                             : wait_at(obstacle, from, to, needed, is_nonblocking);
    }
    if (result == 0 && to->reader.nr_open == 0) {
        result = -EPIPE;
    } else if (result == 0) {
        nr_bytes = MIN(nr_bytes, pipe_nr_stored(from));
        result = (int64_t)MIN(nr_bytes, pipe_room(to));
    }
    from->reader.is_busy |= result > 0;
    to->writer.is_busy |= result > 0;
    if (result <= 0) {
        pipe_wake(from);
        pipe_wake(to);
    }
    spin_unlock(&to->lock);
    spin_unlock_irq(&from->lock, irq);
    return result;
}

/* Has both turns. How many; fewer: out of memory. */
static size_t copy_across(struct pipe *from, struct pipe *to, size_t nr_bytes)
{
    size_t done = 0, nr;

    for (; done < nr_bytes; done += nr) {
        uint64_t from_at = from->nr_read + done, to_at = to->nr_written + done;
        paddr_t frame = pipe_make_frame(to, to_at);

        if (frame == PADDR_NONE)
            break;
        nr = MIN(nr_bytes - done, PAGE_SIZE - MAX(from_at % PAGE_SIZE, to_at % PAGE_SIZE));
        memcpy((char *)phys_to_virt(frame) + to_at % PAGE_SIZE,
               (char *)phys_to_virt(*pipe_frame_slot(from, from_at)) + from_at % PAGE_SIZE, nr);
    }
    return done;
}

int64_t pipe_splice(struct file *from_file, struct file *to_file, size_t nr_bytes,
                    bool is_nonblocking, bool is_tee)
{
    struct pipe *from = from_file->private, *to = to_file->private;
    int64_t result;
    size_t done;

    is_nonblocking |= pipe_file_is_nonblocking(from_file) || pipe_file_is_nonblocking(to_file);
    result = take_both_turns(from, to, nr_bytes, is_nonblocking);
    if (result == -EPIPE)
        signal_send_self(SIGPIPE);
    if (result <= 0)
        return result;
    done = copy_across(from, to, (size_t)result);
    pipe_end_write_turn(to, done);
    pipe_end_read_turn(from, is_tee ? 0 : done);
    return done > 0 ? (int64_t)done : -ENOMEM;
}
