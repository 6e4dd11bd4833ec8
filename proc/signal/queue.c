/*
 * Signals that have been sent and not been taken: a set, and what is known about each in a list.
 *
 * A standard signal is in the set once, however often it was sent. A real-time signal is queued: in
 * the list as often as it was sent, and in the set while it is in the list. A record is memory that
 * anybody can make the kernel allocate, so a process has at most as many as RLIMIT_SIGPENDING says;
 * what the kernel itself sends, and standard signals, come all the same, if need be without a
 * record. The process's lock guards all of it.
 */

#include <kernel/errno.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <proc/signal_impl.h>

/* Those that say what the LWP itself has just done: they come first, as in Linux. */
#define SIGNALS_OF_FAULTS                                                                          \
    (signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGTRAP) |         \
     signal_bit(SIGFPE) | signal_bit(SIGSYS))

static struct slab_cache *record_cache;

void signal_queue_init(void)
{
    record_cache = slab_cache_create("signal", sizeof(struct signal_record), 0, SLAB_USER);
}

static struct signal_record *record_alloc(struct process *process, const siginfo_t *info)
{
    bool is_limited = info->si_signo >= SIGNAL_REALTIME_FIRST || info->si_code < 0;
    struct signal_record *record = NULL;

    if (!is_limited ||
        atomic_load(&process->signals.nr_queued) < process_limit(process, RLIMIT_SIGPENDING))
        record = slab_alloc(record_cache);
    if (record == NULL)
        return NULL;
    atomic_fetch_add(&process->signals.nr_queued, 1);
    record->info = *info;
    record->timer = NULL;
    return record;
}

void pending_add_record(struct pending_signals *pending, struct signal_record *record)
{
    record->pending = pending;
    list_push_back(&pending->records, &record->link);
    pending->set |= signal_bit(record->info.si_signo);
}

int pending_add(struct process *process, struct pending_signals *pending, const siginfo_t *info)
{
    struct signal_record *record = record_alloc(process, info);

    if (record != NULL)
        pending_add_record(pending, record);
    else if (info->si_signo >= SIGNAL_REALTIME_FIRST && info->si_code < 0 &&
             info->si_code != SI_TKILL)
        return -EAGAIN;
    else
        pending->set |= signal_bit(info->si_signo);
    return 0;
}

/* The record is off its list; *info, unless it is NULL, is what was in it. */
static void record_done(struct process *process, struct signal_record *record, siginfo_t *info)
{
    if (record->timer != NULL) {
        list_node_init(&record->link);
        signal_timer_taken(record->timer, info);
        return;
    }
    slab_free(record_cache, record);
    atomic_fetch_sub(&process->signals.nr_queued, 1);
}

static struct signal_record *find(const struct pending_signals *pending, int signal)
{
    struct signal_record *record;

    list_for_each_entry (record, &pending->records, link) {
        if (record->info.si_signo == signal)
            return record;
    }
    return NULL;
}

int pending_take(struct process *process, struct pending_signals *pending, signal_set set,
                 siginfo_t *info)
{
    struct signal_record *record;
    int signal;

    set &= pending->set;
    if (set == 0)
        return 0;
    if (set & SIGNALS_OF_FAULTS)
        set &= SIGNALS_OF_FAULTS;
    signal = __builtin_ctzll(set) + 1;
    record = find(pending, signal);
    if (record != NULL) {
        *info = record->info;
        list_remove(&record->link);
        record_done(process, record, info);
    } else {
        memset(info, 0, sizeof(*info));
        info->si_signo = signal;
    }
    if (signal < SIGNAL_REALTIME_FIRST || find(pending, signal) == NULL)
        pending->set &= ~signal_bit(signal);
    return signal;
}

void pending_withdraw(struct signal_record *record)
{
    if (!list_is_linked(&record->link))
        return;
    list_remove(&record->link);
    list_node_init(&record->link);
    if (find(record->pending, record->info.si_signo) == NULL)
        record->pending->set &= ~signal_bit(record->info.si_signo);
}

void pending_drop(struct process *process, struct pending_signals *pending, signal_set set)
{
    struct signal_record *record, *next;

    if (!(pending->set & set))
        return;
    pending->set &= ~set;
    list_for_each_entry_safe (record, next, &pending->records, link) {
        if (signal_bit(record->info.si_signo) & set) {
            list_remove(&record->link);
            record_done(process, record, NULL);
        }
    }
}

void pending_drop_everywhere(struct process *process, signal_set set)
{
    struct user_lwp *lwp;

    pending_drop(process, &process->signals.pending, set);
    list_for_each_entry (lwp, &process->lwps, link)
        pending_drop(process, &lwp->signals.pending, set);
}
