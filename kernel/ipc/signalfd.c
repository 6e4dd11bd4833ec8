/*
 * Signals that are read from a file.
 *
 * The file has a mask and nothing else: who reads takes signals of its own, the LWP's or the
 * process's, and who polls asks for its own. So a file that a child has inherited is about the
 * child's signals there. Whoever polls it is told by the *watch* of the process that it polled for
 * (proc/signal.h); the file keeps those it was polled for, since a watcher may be on a watch's
 * queue for as long as there is the file.
 */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/signalfd.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <kernel/waitq.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/signalfd.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/signal.h>

/* A process that the file was polled for. */
struct polled {
    struct polled *next;
    struct signal_watch *watch;
};

struct signalfd {
    _Atomic signal_set mask;
    struct spinlock lock;
    struct polled *polled; /* lock; only ever added to */
};

static void fill(struct signalfd_siginfo *to, const siginfo_t *from)
{
    memset(to, 0, sizeof(*to));
    to->ssi_signo = (uint32_t)from->si_signo;
    to->ssi_errno = from->si_errno;
    to->ssi_code = from->si_code;
    if (from->si_code == SI_TIMER) {
        to->ssi_tid = (uint32_t)from->si_tid;
        to->ssi_overrun = (uint32_t)from->si_overrun;
        to->ssi_int = from->si_int;
        to->ssi_ptr = (uint64_t)from->si_ptr;
        return;
    }
    if (from->si_code > 0 && (from->si_signo == SIGSEGV || from->si_signo == SIGBUS ||
                              from->si_signo == SIGILL || from->si_signo == SIGFPE)) {
        to->ssi_addr = (uint64_t)from->si_addr;
        return;
    }
    to->ssi_pid = (uint32_t)from->si_pid;
    to->ssi_uid = from->si_uid;
    if (from->si_signo == SIGCHLD && from->si_code > 0) {
        to->ssi_status = from->si_status;
        to->ssi_utime = (uint64_t)from->si_utime;
        to->ssi_stime = (uint64_t)from->si_stime;
    } else if (from->si_code < 0) {
        to->ssi_int = from->si_int;
        to->ssi_ptr = (uint64_t)from->si_ptr;
    }
}

/* As many as there are and have room; waits for the first one only. */
static int64_t signalfd_read(struct file *file, vaddr_t to, size_t nr_bytes, uint64_t *offset)
{
    bool is_nonblocking = atomic_load(&file->flags) & O_NONBLOCK;
    struct signalfd *fd = file->private;
    struct signalfd_siginfo record;
    size_t done = 0;
    siginfo_t info;

    (void)offset;
    if (nr_bytes < sizeof(record))
        return -EINVAL;
    for (; done + sizeof(record) <= nr_bytes; done += sizeof(record)) {
        bool may_wait = done == 0 && !is_nonblocking;
        int signal = signal_wait_for(fd->mask, may_wait ? WAITQ_FOREVER : 0, &info);

        if (signal < 0)
            return done > 0 ? (int64_t)done : signal;
        fill(&record, &info);
        if (user_copy_to(to + done, &record, sizeof(record)) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
    }
    return (int64_t)done;
}

/* Keeps the caller's watch for as long as there is the file. NULL: out of memory. */
static struct signal_watch *keep_watch(struct signalfd *fd)
{
    struct signal_watch *watch = signal_watch_get();
    struct polled *added = kmalloc_user(sizeof(*added)), *p;
    irq_state_t irq;

    if (watch == NULL || added == NULL) {
        signal_watch_put(watch);
        kfree(added);
        return NULL;
    }
    irq = spin_lock_irq(&fd->lock);
    for (p = fd->polled; p != NULL && p->watch != watch; p = p->next)
        continue;
    if (p == NULL) {
        *added = (struct polled){fd->polled, watch};
        fd->polled = added;
    }
    spin_unlock_irq(&fd->lock, irq);
    if (p != NULL) {
        signal_watch_put(watch);
        kfree(added);
    }
    return watch;
}

static unsigned signalfd_poll(struct file *file, struct poll_watcher *watcher)
{
    struct signalfd *fd = file->private;
    struct signal_watch *watch = watcher != NULL ? keep_watch(fd) : NULL;

    if (watcher != NULL && watch == NULL)
        return EPOLLERR;
    return signal_poll(fd->mask, watch, watcher) ? EPOLLIN : 0;
}

static void signalfd_release(struct file *file)
{
    struct signalfd *fd = file->private;
    struct polled *p;

    while ((p = fd->polled) != NULL) {
        fd->polled = p->next;
        signal_watch_put(p->watch);
        kfree(p);
    }
    kfree(fd);
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
};

struct file *signalfd_create(uint64_t mask, unsigned flags)
{
    struct signalfd *fd = kzalloc_user(sizeof(*fd));
    struct file *file = fd != NULL ? file_create(&signalfd_ops, O_RDWR | flags, NULL, fd) : NULL;

    if (file == NULL) {
        kfree(fd);
        return NULL;
    }
    spin_init(&fd->lock, "signalfd", LOCK_RANK_WAIT);
    fd->mask = mask;
    return file;
}

int signalfd_set(struct file *file, uint64_t mask)
{
    if (file->ops != &signalfd_ops)
        return -EINVAL;
    ((struct signalfd *)file->private)->mask = mask;
    signal_watch_changed();
    return 0;
}
