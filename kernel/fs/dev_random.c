/*
 * /dev/random and /dev/urandom, which are the same (random(4)): the generator is seeded before any
 * program runs, so neither ever waits. What is written is stirred in. Seeking has no effect.
 */

#include <kernel/credentials.h>
#include <kernel/device.h>
#include <kernel/errno.h>
#include <kernel/random.h>
#include <linux/random.h>
#include <mm/user_copy.h>
#include <sched/lwp.h>

/* A request of up to so many bytes is done whole, whatever signal comes (getrandom(2)). */
#define WHOLE_BYTES 256

int64_t random_read_user(vaddr_t to, size_t nr_bytes)
{
    uint8_t block[CHACHA20_BLOCK_BYTES];
    struct random_stream stream;
    size_t done = 0;
    int error = 0;

    random_stream_start(&stream);
    while (done < nr_bytes && error == 0) {
        size_t nr = MIN(nr_bytes - done, sizeof(block));

        if (done >= WHOLE_BYTES &&
            atomic_load_explicit(&lwp_current()->interrupt, memory_order_relaxed))
            break;
        random_stream_next(&stream, block);
        error = user_copy_to(to + done, block, nr);
        if (error == 0)
            done += nr;
    }
    random_stream_end(&stream);
    return done > 0 || error == 0 ? (int64_t)done : error;
}

static int64_t device_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    (void)file, (void)offset;
    return random_read_user(to, nr_bytes);
}

static int64_t device_write(struct file *file, vaddr_t from, size_t nr_bytes, uint64_t *offset)
{
    uint8_t piece[CHACHA20_BLOCK_BYTES];
    size_t done = 0;

    (void)file, (void)offset;
    while (done < nr_bytes) {
        size_t nr = MIN(nr_bytes - done, sizeof(piece));

        if (atomic_load_explicit(&lwp_current()->interrupt, memory_order_relaxed) && done > 0)
            break;
        if (user_copy_from(piece, from + done, nr) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        random_stir(piece, nr);
        done += nr;
    }
    return (int64_t)done;
}

/* What RNDADDENTROPY brings: this, and the bytes. */
struct contribution {
    int nr_bits; /* how hard it is to foretell, says who brings it */
    int nr_bytes;
};

/* The bits that are claimed make no difference: the generator does without them. */
static int64_t contribute(vaddr_t at)
{
    struct contribution head;
    int64_t done;

    if (user_copy_from(&head, at, sizeof(head)) != 0)
        return -EFAULT;
    if (head.nr_bits < 0 || head.nr_bytes < 0)
        return -EINVAL;
    done = device_write(NULL, at + sizeof(head), (size_t)head.nr_bytes, NULL);
    return done < 0 ? done : 0;
}

static int64_t device_ioctl(struct file *file, unsigned request, uint64_t arg)
{
    int nr_bits = 8 * CHACHA20_KEY_BYTES;

    (void)file;
    if (request == RNDGETENTCNT)
        return user_copy_to(arg, &nr_bits, sizeof(nr_bits));
    if (request != RNDADDENTROPY && request != RNDRESEEDCRNG)
        return -EINVAL;
    if (!credentials_are_root(credentials_current()))
        return -EPERM;
    if (request == RNDADDENTROPY)
        return contribute(arg);
    random_reseed();
    return 0;
}

static int64_t device_seek(struct file *file, int64_t offset, int whence)
{
    (void)file, (void)offset, (void)whence;
    return 0;
}

static const struct file_ops random_ops = {
    .is_seekable = true,
    .read = device_read,
    .write = device_write,
    .seek = device_seek,
    .ioctl = device_ioctl,
};
static const struct device_driver random_driver = {.name = "mem", .ops = &random_ops};

void random_devices_init(void)
{
    device_register(DEVICE(1, 8), 2, &random_driver);
    device_add_node("random", 0666, DEVICE(1, 8));
    device_add_node("urandom", 0666, DEVICE(1, 9));
}
