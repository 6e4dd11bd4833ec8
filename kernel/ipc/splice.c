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
 */

#include <kernel/errno.h>
#include <proc/signal.h>

#include "pipe_impl.h"

bool pipe_is_reader(const struct file *file)
{
    return pipe_of(file) != NULL && pipe_file_reads(file);
}

bool pipe_is_writer(const struct file *file)
{
    return pipe_of(file) != NULL && pipe_file_writes(file);
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
