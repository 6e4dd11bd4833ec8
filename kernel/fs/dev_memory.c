/*
 * The devices of major number 1 that have no hardware and no state: null, zero and full, as null(4)
 * and full(4) have them. One can seek on them, to no effect: the offset is always 0.
 */

#include <kernel/device.h>
#include <kernel/errno.h>
#include <linux/fs.h>
#include <mm/user_copy.h>
#include <sched/lwp.h>

/* So many bytes are written to memory between two looks whether somebody ends the reader. */
#define PIECE_BYTES KIB(64)

static int64_t read_nothing(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)to, (void)nr_bytes, (void)offset;
    return 0;
}

static int64_t read_zeroes(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    size_t done = 0;

    (void)file, (void)offset;
    while (done < nr_bytes) {
        size_t nr = MIN(nr_bytes - done, PIECE_BYTES);

        if (user_zero(to + done, nr) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += nr;
        if (atomic_load_explicit(&lwp_current()->interrupt, memory_order_relaxed))
            break;
    }
    return (int64_t)done;
}

static int64_t drop(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)from, (void)offset;
    return (int64_t)nr_bytes;
}

static int64_t refuse(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)from, (void)nr_bytes, (void)offset;
    return -ENOSPC;
}

static int64_t stay_at_start(struct file *file, int64_t offset, int whence)
{
    (void)file, (void)offset, (void)whence;
    return 0;
}

static const struct file_ops null_ops = {
    .is_seekable = true,
    .read = read_nothing,
    .write = drop,
    .seek = stay_at_start,
};
static const struct file_ops zero_ops = {
    .is_seekable = true,
    .read = read_zeroes,
    .write = drop,
    .seek = stay_at_start,
};
static const struct file_ops full_ops = {
    .is_seekable = true,
    .read = read_zeroes,
    .write = refuse,
    .seek = stay_at_start,
};

static const struct device_driver null_driver = {.name = "mem", .ops = &null_ops};
static const struct device_driver zero_driver = {.name = "mem", .ops = &zero_ops};
static const struct device_driver full_driver = {.name = "mem", .ops = &full_ops};

void memory_devices_init(void)
{
    device_register(DEVICE(1, 3), 1, &null_driver);
    device_register(DEVICE(1, 5), 1, &zero_driver);
    device_register(DEVICE(1, 7), 1, &full_driver);
    device_add_node("null", 0666, DEVICE(1, 3));
    device_add_node("zero", 0666, DEVICE(1, 5));
    device_add_node("full", 0666, DEVICE(1, 7));
}
