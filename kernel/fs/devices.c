/* The devices that are files: /dev/console and /dev/null. Their numbers are Linux's. */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/log.h>
#include <mm/user_copy.h>
#include <sched/sched.h>

/* Interrupts are off while a piece is written, which on a real serial line takes 87 us a byte. */
#define PIECE_BYTES 32

#define DEVICE(major, minor) ((major) << 8 | (minor))

static int64_t console_write_user(struct file *file, vaddr_t from, size_t nr_bytes,
                                  uint64_t *offset)
{
    char piece[PIECE_BYTES];
    size_t done = 0;

    (void)file, (void)offset;
    while (done < nr_bytes) {
        size_t nr = MIN(nr_bytes - done, sizeof(piece));

        if (sched_is_interrupted())
            return done > 0 ? (int64_t)done : -ERESTARTSYS;
        if (user_copy_from(piece, from + done, nr) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        console_write(piece, nr);
        done += nr;
    }
    return (int64_t)done;
}

/* Nothing can be typed: always the end of the file. */
static int64_t read_nothing(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)to, (void)nr_bytes, (void)offset;
    return 0;
}

static int64_t drop(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)from, (void)offset;
    return (int64_t)nr_bytes;
}

static const struct file_ops console_ops = {.read = read_nothing, .write = console_write_user};
static const struct file_ops null_ops = {.is_seekable = true, .read = read_nothing, .write = drop};

const struct file_ops *device_file_ops(uint32_t device)
{
    switch (device) {
    case DEVICE(1, 3):
        return &null_ops;
    case DEVICE(5, 1):
        return &console_ops;
    default:
        return NULL;
    }
}
