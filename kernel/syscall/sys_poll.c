/*
 * poll(), select() and their kin.
 *
 * Each call makes one list of what to wait for: a descriptor's file with a reference, the events,
 * and a watcher. Files are asked in order, and watched in the same step, until one is ready: from
 * then on the call will not sleep. Whoever notifies a watcher wakes the caller, who asks all again.
 * A file that somebody closes meanwhile stays until the call ends, and its events still count.
 *
 * Locks: a file's guard, then waiting.lock (LOCK_RANK_POLL), under which the caller sleeps.
 */

#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/poll.h>
#include <kernel/string.h>
#include <kernel/waitq.h>
#include <linux/eventpoll.h>
#include <linux/poll.h>
#include <linux/posix_types.h>
#include <linux/time.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/signal.h>

#include "sys.h"

#define NR_ENTRIES_ON_STACK 6

struct waiting {
    struct spinlock lock;
    struct waitq sleeper;
    bool is_notified; /* lock: a watcher was called since all files were asked */
};

struct entry {
    struct poll_watcher watcher;
    struct waiting *waiting;
    struct file *file; /* a reference; NULL: there is nothing to wait for */
    int fd;
    uint16_t wanted; /* events */
    uint16_t seen;
};

static bool entry_notified(struct poll_watcher *watcher, unsigned events)
{
    struct entry *entry = container_of(watcher, struct entry, watcher);
    struct waiting *waiting = entry->waiting;

    if (!(events & entry->wanted))
        return false;
    spin_lock_nested(&waiting->lock); /* an epoll's guard has the same rank, and comes first */
    waiting->is_notified = true;
    waitq_wake_first(&waiting->sleeper);
    spin_unlock(&waiting->lock);
    return true;
}

/* Room for so many entries: `few`, if they are enough. NULL: out of memory. */
static struct entry *make_entries(struct entry few[NR_ENTRIES_ON_STACK], size_t nr)
{
    return nr <= NR_ENTRIES_ON_STACK ? few : kmalloc_user(nr * sizeof(struct entry));
}

static void put_entries(struct entry *few, struct entry *entries, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        file_put(entries[i].file);
    if (entries != few)
        kfree(entries);
}

static void init_entry(struct entry *entry, int fd, unsigned wanted)
{
    *entry = (struct entry){
        .watcher.notify = entry_notified,
        .file = fd_get(process_current()->files, fd),
        .fd = fd,
        .wanted = (uint16_t)wanted,
    };
}

/* Asks every file, and begins to watch them if `waiting` is given. How many are ready. */
static int64_t ask_all(struct entry *entries, size_t nr, struct waiting *waiting)
{
    int64_t nr_ready = 0;

    for (size_t i = 0; i < nr; i++) {
        struct entry *entry = &entries[i];
        bool is_watched = waiting != NULL && nr_ready == 0;

        if (is_watched)
            entry->waiting = waiting;
        if (entry->file != NULL) {
            entry->seen = (uint16_t)file_poll(entry->file, is_watched ? &entry->watcher : NULL) &
                          entry->wanted;
        }
        nr_ready += entry->seen != 0;
    }
    return nr_ready;
}

/* Sleeps until a watcher is called. 0, -ETIMEDOUT, or -ERESTARTSYS. */
static int sleep(struct waiting *waiting, uint64_t deadline_ns)
{
    irq_state_t irq = spin_lock_irq(&waiting->lock);
    int error = 0;

    while (!waiting->is_notified && error == 0)
        error = waitq_sleep(&waiting->sleeper, &waiting->lock, deadline_ns, true);
    if (waiting->is_notified)
        error = 0;
    waiting->is_notified = false;
    spin_unlock_irq(&waiting->lock, irq);
    return error;
}

/*
 * Waits until one of the entries is ready or the deadline is over (0: does not wait). How many are
 * ready, or -errno.
 */
static int64_t wait_for(struct entry *entries, size_t nr, uint64_t deadline_ns)
{
    struct waiting waiting;
    int64_t nr_ready;
    int error = 0;

    if (deadline_ns == 0)
        return ask_all(entries, nr, NULL);
    waiting.is_notified = false;
    spin_init(&waiting.lock, "poll", LOCK_RANK_POLL);
    waitq_init(&waiting.sleeper);
    nr_ready = ask_all(entries, nr, &waiting);
    while (nr_ready == 0 && error == 0) {
        error = sleep(&waiting, deadline_ns);
        nr_ready = ask_all(entries, nr, NULL);
    }
    for (size_t i = 0; i < nr; i++)
        poll_unwatch(&entries[i].watcher);
    return nr_ready != 0 || error == -ETIMEDOUT ? nr_ready : -ERESTARTNOHAND;
}

/* When a time-out is over that begins now; 0: at once. */
static uint64_t deadline_after(uint64_t timeout_ns)
{
    return timeout_ns != 0 ? clock_now_ns() + timeout_ns : 0;
}

uint64_t syscall_deadline_ms(int timeout_ms)
{
    if (timeout_ms < 0)
        return WAITQ_FOREVER;
    return deadline_after((uint64_t)timeout_ms * NSEC_PER_MSEC);
}

int syscall_read_timeout(vaddr_t timeout_at, uint64_t *deadline_ns)
{
    uint64_t timeout_ns;
    int error;

    *deadline_ns = WAITQ_FOREVER;
    if (timeout_at == 0)
        return 0;
    error = syscall_read_time(timeout_at, &timeout_ns);
    if (error == 0)
        *deadline_ns = deadline_after(timeout_ns);
    return error;
}

/* How much is left until a deadline. */
static uint64_t rest_of(uint64_t deadline_ns)
{
    uint64_t now_ns = clock_now_ns();

    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

/* ---- poll() --------------------------------------------------------------------------------- */

static int read_entries(struct entry *entries, vaddr_t polled_at, size_t nr)
{
    struct pollfd polled;

    for (size_t i = 0; i < nr; i++) {
        if (user_copy_from(&polled, polled_at + i * sizeof(polled), sizeof(polled)) != 0) {
            memset(&entries[i], 0, (nr - i) * sizeof(entries[i]));
            return -EFAULT;
        }
        init_entry(&entries[i], polled.fd, (uint16_t)polled.events | EPOLLERR | EPOLLHUP);
        if (entries[i].file == NULL && polled.fd >= 0)
            entries[i].seen = POLLNVAL;
    }
    return 0;
}

static int write_results(const struct entry *entries, vaddr_t polled_at, size_t nr)
{
    for (size_t i = 0; i < nr; i++) {
        vaddr_t at = polled_at + i * sizeof(struct pollfd) + offsetof(struct pollfd, revents);

        if (user_copy_to(at, &entries[i].seen, sizeof(entries[i].seen)) != 0)
            return -EFAULT;
    }
    return 0;
}

static int64_t poll_until(vaddr_t polled_at, unsigned nr, uint64_t deadline_ns)
{
    struct entry few[NR_ENTRIES_ON_STACK], *entries;
    int64_t result;

    if (nr > fd_limit())
        return -EINVAL;
    entries = make_entries(few, nr);
    if (entries == NULL)
        return -ENOMEM;
    result = read_entries(entries, polled_at, nr);
    if (result == 0) {
        result = wait_for(entries, nr, deadline_ns);
        if (write_results(entries, polled_at, nr) != 0)
            result = -EFAULT;
    }
    put_entries(few, entries, nr);
    return result;
}

/* poll() after an interruption without handler: the deadline stays. args: see there. */
static int64_t poll_again(const uint64_t args[RESTART_ARGS])
{
    int64_t result = poll_until(args[0], (unsigned)args[1], args[2]);

    return result == -ERESTARTNOHAND ? signal_restart_by(poll_again, args) : result;
}

int64_t sys_poll(vaddr_t polled_at, unsigned nr, int timeout_ms)
{
    uint64_t args[RESTART_ARGS] = {polled_at, nr, syscall_deadline_ms(timeout_ms)};

    return poll_again(args);
}

/*
 * Tells the program how much of its time-out is left, and returns the call's result. As on Linux a
 * place that cannot be written is no error, the events have been taken note of; but an interrupted
 * call cannot be made again then.
 */
static int64_t write_rest(int64_t result, vaddr_t timeout_at, uint64_t deadline_ns)
{
    int error = 0;

    if (timeout_at != 0 && deadline_ns != 0)
        error = syscall_write_time(timeout_at, rest_of(deadline_ns));
    return error != 0 && result == -ERESTARTNOHAND ? -EINTR : result;
}

/* ---- select() ------------------------------------------------------------------------------- */

enum { READ, WRITE, EXCEPT, NR_SETS };

/* What makes a descriptor ready, set by set. */
static const uint16_t set_events[NR_SETS] = {
    [READ] = EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLHUP | EPOLLERR,
    [WRITE] = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLERR,
    [EXCEPT] = EPOLLPRI,
};

#define BITS_PER_WORD 64

/* The sets of a call: `words` has those of READ, then those of WRITE... */
struct sets {
    vaddr_t at[NR_SETS]; /* 0: no descriptors */
    size_t nr_words;     /* of each set */
    uint64_t *words;
};

static uint64_t *word_of(const struct sets *sets, unsigned which, int fd)
{
    return &sets->words[which * sets->nr_words + (unsigned)fd / BITS_PER_WORD];
}

static uint64_t bit_of(int fd)
{
    return UINT64_C(1) << (unsigned)fd % BITS_PER_WORD;
}

static int read_sets(const struct sets *sets)
{
    size_t nr_bytes = sets->nr_words * sizeof(uint64_t);

    memset(sets->words, 0, NR_SETS * nr_bytes);
    for (unsigned i = 0; i < NR_SETS; i++) {
        if (sets->at[i] != 0 && nr_bytes != 0 &&
            user_copy_from(word_of(sets, i, 0), sets->at[i], nr_bytes) != 0)
            return -EFAULT;
    }
    return 0;
}

static int write_sets(const struct sets *sets)
{
    size_t nr_bytes = sets->nr_words * sizeof(uint64_t);

    for (unsigned i = 0; i < NR_SETS; i++) {
        if (sets->at[i] != 0 && nr_bytes != 0 &&
            user_copy_to(sets->at[i], word_of(sets, i, 0), nr_bytes) != 0)
            return -EFAULT;
    }
    return 0;
}

/* What the sets ask of a descriptor. */
static unsigned wanted_of(const struct sets *sets, int fd)
{
    unsigned wanted = 0;

    for (unsigned i = 0; i < NR_SETS; i++)
        wanted |= *word_of(sets, i, fd) & bit_of(fd) ? set_events[i] : 0u;
    return wanted;
}

static size_t count_wanted(const struct sets *sets, int nr_fds)
{
    size_t nr = 0;

    for (int fd = 0; fd < nr_fds; fd++)
        nr += wanted_of(sets, fd) != 0;
    return nr;
}

/* Makes the entries of all descriptors in the sets. 0 or -EBADF. */
static int fill_entries(const struct sets *sets, int nr_fds, struct entry *entries)
{
    size_t nr = 0;
    int error = 0;

    for (int fd = 0; fd < nr_fds; fd++) {
        unsigned wanted = wanted_of(sets, fd);

        if (wanted == 0)
            continue;
        init_entry(&entries[nr], fd, wanted);
        if (entries[nr++].file == NULL)
            error = -EBADF;
    }
    return error;
}

/* Leaves in the sets what is ready; the number of bits. */
static int64_t keep_ready(const struct sets *sets, const struct entry *entries, size_t nr)
{
    int64_t nr_bits = 0;

    for (size_t i = 0; i < nr; i++) {
        for (unsigned which = 0; which < NR_SETS; which++) {
            uint64_t *word = word_of(sets, which, entries[i].fd), bit = bit_of(entries[i].fd);

            if ((*word & bit) && (entries[i].seen & set_events[which]))
                nr_bits++;
            else
                *word &= ~bit;
        }
    }
    return nr_bits;
}

static int64_t select_in(const struct sets *sets, int nr_fds, uint64_t deadline_ns)
{
    struct entry few[NR_ENTRIES_ON_STACK], *entries;
    int64_t result = read_sets(sets);
    size_t nr;

    if (result != 0)
        return result;
    nr = count_wanted(sets, nr_fds);
    entries = make_entries(few, nr);
    if (entries == NULL)
        return -ENOMEM;
    result = fill_entries(sets, nr_fds, entries);
    if (result == 0)
        result = wait_for(entries, nr, deadline_ns);
    if (result >= 0) {
        result = keep_ready(sets, entries, nr);
        if (write_sets(sets) != 0)
            result = -EFAULT;
    }
    put_entries(few, entries, nr);
    return result;
}

/* Descriptors from FDS_MAX on cannot be open: their bits are not looked at, as on Linux. */
static int64_t select_until(int nr_fds, const vaddr_t at[NR_SETS], uint64_t deadline_ns)
{
    struct sets sets = {.at = {at[READ], at[WRITE], at[EXCEPT]}};
    int64_t result;

    if (nr_fds < 0)
        return -EINVAL;
    nr_fds = MIN(nr_fds, FDS_MAX);
    sets.nr_words = ROUND_UP((unsigned)nr_fds, BITS_PER_WORD) / BITS_PER_WORD;
    sets.words = kmalloc_user(MAX(sets.nr_words, 1u) * NR_SETS * sizeof(uint64_t));
    if (sets.words == NULL)
        return -ENOMEM;
    result = select_in(&sets, nr_fds, deadline_ns);
    kfree(sets.words);
    return result;
}

/* As syscall_read_timeout(), of a struct timeval, whose microseconds may be more than a second. */
static int read_timeval(vaddr_t timeout_at, uint64_t *deadline_ns)
{
    const int64_t sec_max = (int64_t)(UINT64_MAX / NSEC_PER_SEC / 8);
    struct __kernel_old_timeval t;

    *deadline_ns = WAITQ_FOREVER;
    if (timeout_at == 0)
        return 0;
    if (user_copy_from(&t, timeout_at, sizeof(t)) != 0)
        return -EFAULT;
    if (t.tv_sec < 0 || t.tv_usec < 0)
        return -EINVAL;
    t.tv_sec = MIN(t.tv_sec, sec_max) + MIN(t.tv_usec / 1000000, sec_max);
    *deadline_ns = deadline_after((uint64_t)t.tv_sec * NSEC_PER_SEC +
                                  (uint64_t)(t.tv_usec % 1000000) * NSEC_PER_USEC);
    return 0;
}

/* As write_rest(). */
static int64_t write_rest_timeval(int64_t result, vaddr_t timeout_at, uint64_t deadline_ns)
{
    uint64_t rest_ns = rest_of(deadline_ns);
    struct __kernel_old_timeval t = {
        .tv_sec = (int64_t)(rest_ns / NSEC_PER_SEC),
        .tv_usec = (int64_t)(rest_ns % NSEC_PER_SEC / NSEC_PER_USEC),
    };

    int error = 0;

    if (timeout_at != 0 && deadline_ns != 0)
        error = user_copy_to(timeout_at, &t, sizeof(t));
    return error != 0 && result == -ERESTARTNOHAND ? -EINTR : result;
}

int64_t sys_select(int nr_fds, vaddr_t read_at, vaddr_t write_at, vaddr_t except_at,
                   vaddr_t timeout_at)
{
    vaddr_t at[NR_SETS] = {read_at, write_at, except_at};
    uint64_t deadline_ns;
    int64_t result = read_timeval(timeout_at, &deadline_ns);

    if (result == 0) {
        result = select_until(nr_fds, at, deadline_ns);
        result = write_rest_timeval(result, timeout_at, deadline_ns);
    }
    return result;
}

/* ---- With a signal mask --------------------------------------------------------------------- */

int syscall_set_mask(vaddr_t mask_at, size_t mask_bytes)
{
    signal_set mask;

    if (mask_at == 0)
        return 0;
    if (mask_bytes != sizeof(mask))
        return -EINVAL;
    if (user_copy_from(&mask, mask_at, sizeof(mask)) != 0)
        return -EFAULT;
    signal_wait_with(mask);
    return 0;
}

int64_t syscall_restore_mask(vaddr_t mask_at, int64_t result)
{
    if (mask_at != 0)
        signal_wait_done(result == -ERESTARTNOHAND || result == -EINTR);
    return result;
}

int64_t sys_ppoll(vaddr_t polled_at, unsigned nr, vaddr_t timeout_at, vaddr_t mask_at,
                  size_t mask_bytes)
{
    uint64_t deadline_ns;
    int64_t result = syscall_read_timeout(timeout_at, &deadline_ns);

    if (result == 0)
        result = syscall_set_mask(mask_at, mask_bytes);
    if (result == 0) {
        result = poll_until(polled_at, nr, deadline_ns);
        result = write_rest(result, timeout_at, deadline_ns);
        result = syscall_restore_mask(mask_at, result);
    }
    return result;
}

/* `mask_at` is where an address and a size are. */
int64_t sys_pselect6(int nr_fds, vaddr_t read_at, vaddr_t write_at, vaddr_t except_at,
                     vaddr_t timeout_at, vaddr_t mask_at)
{
    vaddr_t at[NR_SETS] = {read_at, write_at, except_at};
    struct {
        vaddr_t at;
        size_t nr_bytes;
    } mask = {0};
    uint64_t deadline_ns;
    int64_t result;

    if (mask_at != 0 && user_copy_from(&mask, mask_at, sizeof(mask)) != 0)
        return -EFAULT;
    result = syscall_read_timeout(timeout_at, &deadline_ns);
    if (result == 0)
        result = syscall_set_mask(mask.at, mask.nr_bytes);
    if (result == 0) {
        result = select_until(nr_fds, at, deadline_ns);
        result = write_rest(result, timeout_at, deadline_ns);
        result = syscall_restore_mask(mask.at, result);
    }
    return result;
}
