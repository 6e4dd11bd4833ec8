/* /dev/console: what is written goes to every console sink. Nothing can be typed. */

#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/log.h>
#include <mm/user_copy.h>
#include <sched/sched.h>

/* Interrupts are off while a piece is written, which on a real serial line takes 87 us a byte. */
#define PIECE_BYTES 32

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

/* Always the end of the file. */
static int64_t console_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)to, (void)nr_bytes, (void)offset;
    return 0;
}

static const struct file_ops console_ops = {.read = console_read, .write = console_write_user};
static const struct device_driver console_driver = {.name = "/dev/console", .ops = &console_ops};

void console_device_init(void)
{
    device_register(DEVICE(5, 1), 1, &console_driver);
    device_add_node("console", 0600, DEVICE(5, 1));
}
