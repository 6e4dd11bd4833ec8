/*
 * Timers that send signals: setitimer(), and those of timer_create().
 *
 * A timer that is set expires at next_ns, and then every interval_ns. The kernel's timer runs until
 * the next expiry only. When that has come, the signal is posted with a record that the timer owns,
 * and nothing runs any more until the record is taken: then the expiries that have passed meanwhile
 * are counted from the clock, as overruns, and the kernel's timer runs for the next one. So however
 * short an interval is, a program that does not take its signals costs one interrupt. An expiry
 * whose signal is dropped, because it is ignored or pending already, is passed over, and so is what
 * follows within UNTOLD_STEP_NS: nobody misses it, and the CPU has time for something else.
 *
 * Those of CPU time (ITIMER_VIRTUAL, ITIMER_PROF, clocks of processes and LWPs) have their next_ns
 * in that time. The kernel's timer runs for as long as it takes at least, with all CPUs running the
 * process; then the time that was used is looked at, and it runs again for what is left.
 *
 * Those that were set to a calendar time are set anew when that clock is (kernel/realtime.h).
 *
 * The process's lock guards it all. The kernel's timer takes it, so it cannot be cancelled with the
 * lock held: who sets a timer makes is_set false first, which leaves nothing to be done for the
 * others, and holds the mutex, so that there is only one who sets.
 */

#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/mutex.h>
#include <kernel/panic.h>
#include <kernel/realtime.h>
#include <kernel/string.h>
#include <linux/time.h>
#include <mm/slab.h>
#include <proc/process_impl.h>
#include <proc/signal_impl.h>
#include <proc/timers.h>
#include <sched/read.h>
#include <sched/timer.h>

/* How often the time that a process has used is looked at. */
#define CPU_TIME_STEP_NS NSEC_PER_MSEC

/* How soon the next expiry is looked at after one that nobody was told of. */
#define UNTOLD_STEP_NS NSEC_PER_MSEC

struct signal_timer {
    struct list_node link;       /* p  on the process's list, if it is one of timer_create() */
    struct process *process;     /* c */
    struct signal_record record; /* p  on a list while the signal is pending */
    struct timer timer;          /* p  and the mutex to cancel it */
    int id;                      /* c */
    int clock;                   /* c  CLOCK_* */
    int notify;                  /* c  SIGEV_* */
    int tid;                     /* c  SIGEV_THREAD_ID: who gets the signal */
    int cpu_tid;                 /* c  of CLOCK_THREAD_CPUTIME_ID: whose time */
    bool is_running;             /* p  the kernel's timer is, and so the signal is not pending */
    bool is_set;                 /* p */
    bool is_absolute;            /* p  it was set to a time of its clock */
    uint64_t at_boot_ns;         /* p  of CLOCK_REALTIME: what next_ns reckons with */
    struct realtime_follower follower; /* of CLOCK_REALTIME */
    uint64_t next_ns;                  /* p  of the time that it goes by: see now_of() */
    uint64_t interval_ns;              /* p  0: it expires once */
    int nr_overruns;                   /* p  of the signal that was taken last */
};

struct signal_timers {
    struct mutex setting;          /* held while a timer is set, stopped or deleted */
    struct list timers;            /* p */
    int last_id;                   /* p */
    unsigned nr;                   /* p */
    struct signal_timer itimer[3]; /* (their own) by ITIMER_* */
};

/* ---- Running -------------------------------------------------------------------------------- */

static bool is_of_cpu_time(const struct signal_timer *t)
{
    return t->clock == CLOCK_PROCESS_CPUTIME_ID || t->clock == CLOCK_THREAD_CPUTIME_ID;
}

uint64_t signal_used_ns(const struct process *process, int tid)
{
    struct user_lwp *lwp;
    uint64_t used_ns = 0;

    list_for_each_entry (lwp, &process->lwps, link) {
        if (!lwp->is_zombie && (tid == 0 || tid == lwp->tid))
            used_ns += sched_run_ns_of(&lwp->lwp);
    }
    return tid == 0 ? used_ns + process->run_ns : used_ns;
}

/* The time that the timer goes by: of clock_now_ns(), or that its process or LWP has used. Locked.
 */
static uint64_t now_of(const struct signal_timer *t)
{
    return is_of_cpu_time(t) ? signal_used_ns(t->process, t->cpu_tid) : clock_now_ns();
}

static void expired(struct timer *timer);

/*
 * Lets the kernel's timer run for the next expiry, but not end before `earliest_ns`. The signal is
 * not pending. Locked.
 */
static void run_until(struct signal_timer *t, uint64_t earliest_ns)
{
    uint64_t deadline_ns = t->next_ns;

    if (!t->is_set || t->is_running || t->notify == SIGEV_NONE)
        return;
    if (is_of_cpu_time(t)) {
        uint64_t now_ns = now_of(t), left_ns = t->next_ns > now_ns ? t->next_ns - now_ns : 0;

        deadline_ns = clock_now_ns() + MAX(left_ns / nr_cpus_online, CPU_TIME_STEP_NS);
    }
    t->is_running = true;
    timer_start(&t->timer, MAX(deadline_ns, earliest_ns), expired);
}

static void run(struct signal_timer *t)
{
    run_until(t, 0);
}

/* Passes over the expiries up to now. How many. Locked. */
static uint64_t catch_up(struct signal_timer *t)
{
    uint64_t now_ns = now_of(t), nr;

    if (!t->is_set || now_ns < t->next_ns)
        return 0;
    if (t->interval_ns == 0) {
        t->is_set = false;
        return 1;
    }
    nr = (now_ns - t->next_ns) / t->interval_ns + 1;
    t->next_ns += nr * t->interval_ns;
    return nr;
}

static struct user_lwp *find_lwp(const struct process *process, int tid)
{
    struct user_lwp *lwp;

    list_for_each_entry (lwp, &process->lwps, link) {
        if (lwp->tid == tid && !lwp->signals.is_leaving)
            return lwp;
    }
    return NULL;
}

/* Posts the signal; whether it is pending now, or its LWP is gone for good. Locked. */
static bool tell(struct signal_timer *t)
{
    struct user_lwp *lwp = NULL;

    if (t->notify == SIGEV_THREAD_ID) {
        lwp = find_lwp(t->process, t->tid);
        if (lwp == NULL)
            return true;
    }
    return signal_post_record(t->process, lwp, &t->record);
}

static void expired(struct timer *timer)
{
    struct signal_timer *t = container_of(timer, struct signal_timer, timer);
    struct process *process = t->process;
    irq_state_t irq = spin_lock_irq(&process->lock);

    assert(!list_is_linked(&t->record.link)); /* only tell() puts it on a list, below */
    t->is_running = false;
    if (t->is_set && !process->is_ending) {
        if (now_of(t) < t->next_ns) {
            run(t);
        } else if (t->interval_ns == 0) {
            t->is_set = false;
            tell(t);
        } else if (!tell(t)) {
            catch_up(t);
            run_until(t, clock_now_ns() + UNTOLD_STEP_NS);
        }
    }
    spin_unlock_irq(&process->lock, irq);
}

void signal_timer_taken(struct signal_timer *t, siginfo_t *info)
{
    uint64_t nr = catch_up(t);

    /* The expiry that was told is one of them, if the timer was not set anew since. */
    t->nr_overruns = nr > 1 ? (int)MIN(nr - 1, (uint64_t)INT32_MAX) : 0;
    if (info != NULL && info->si_code == SI_TIMER)
        info->si_overrun = t->nr_overruns;
    run(t);
}

/* Nothing expires any more, and no signal is pending. The mutex is held. */
static void stop(struct signal_timer *t)
{
    irq_state_t irq = spin_lock_irq(&t->process->lock);

    t->is_set = false;
    pending_withdraw(&t->record);
    spin_unlock_irq(&t->process->lock, irq);
    timer_cancel(&t->timer);
    t->is_running = false;
}

/* ---- Setting and getting --------------------------------------------------------------------- */

static struct timer_times times_of(const struct signal_timer *t)
{
    struct timer_times times = {.interval_ns = t->interval_ns};
    uint64_t now_ns = now_of(t);

    if (t->is_set && t->next_ns > now_ns)
        times.value_ns = t->next_ns - now_ns;
    else if (t->is_set && t->interval_ns != 0)
        times.value_ns = t->interval_ns - (now_ns - t->next_ns) % t->interval_ns;
    else if (t->is_set && t->notify != SIGEV_NONE)
        times.value_ns = 1; /* it expires right now */
    return times;
}

/* The mutex is held. */
static void set(struct signal_timer *t, const struct timer_times *times, bool is_absolute,
                struct timer_times *old)
{
    struct process *process = t->process;
    irq_state_t irq = spin_lock_irq(&process->lock);

    *old = times_of(t);
    spin_unlock_irq(&process->lock, irq);
    stop(t);
    irq = spin_lock_irq(&process->lock);
    t->interval_ns = times->interval_ns;
    t->nr_overruns = 0;
    if (times->value_ns != 0) {
        t->is_absolute = is_absolute;
        t->at_boot_ns = t->clock == CLOCK_REALTIME ? realtime_at_boot_ns() : 0;
        if (!is_absolute)
            t->next_ns = now_of(t) + times->value_ns;
        else
            t->next_ns = realtime_to_clock_ns(times->value_ns, t->at_boot_ns);
        t->is_set = true;
        run(t);
    }
    spin_unlock_irq(&process->lock, irq);
}

/* The clock of a timer of CLOCK_REALTIME was set. */
static void clock_moved(struct realtime_follower *follower)
{
    struct signal_timer *t = container_of(follower, struct signal_timer, follower);
    struct process *process = t->process;
    struct mutex *setting = &process->signals.timers->setting;
    irq_state_t irq;
    bool is_moved;

    mutex_lock(setting);
    irq = spin_lock_irq(&process->lock);
    is_moved = t->is_set && t->is_absolute;
    if (is_moved)
        t->is_set = false; /* until the kernel's timer has stopped */
    spin_unlock_irq(&process->lock, irq);
    if (is_moved) {
        uint64_t at_boot_ns = realtime_at_boot_ns();

        timer_cancel(&t->timer);
        irq = spin_lock_irq(&process->lock);
        t->is_set = true;
        t->is_running = false;
        t->next_ns = realtime_to_clock_ns(t->next_ns + t->at_boot_ns, at_boot_ns);
        t->at_boot_ns = at_boot_ns;
        if (!list_is_linked(&t->record.link)) /* otherwise it runs on when the signal is taken */
            run(t);
        spin_unlock_irq(&process->lock, irq);
    }
    mutex_unlock(setting);
}

/* ---- The timers of a process ------------------------------------------------------------------
 */

static void init_timer(struct signal_timer *t, struct process *process, int clock, int signal,
                       int code)
{
    memset(t, 0, sizeof(*t));
    t->process = process;
    t->clock = clock;
    t->notify = SIGEV_SIGNAL;
    t->record.timer = t;
    t->record.info.si_signo = signal;
    t->record.info.si_code = code;
    list_node_init(&t->record.link);
}

/* The calling process's; made when they are first needed. NULL: out of memory. */
static struct signal_timers *own_timers(void)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct signal_timers *timers = process->signals.timers, *made;

    spin_unlock_irq(&process->lock, irq);
    if (timers != NULL)
        return timers;
    made = kzalloc_user(sizeof(*made));
    if (made == NULL)
        return NULL;
    mutex_init(&made->setting, "timers of signals");
    list_init(&made->timers);
    init_timer(&made->itimer[ITIMER_REAL], process, CLOCK_MONOTONIC, SIGALRM, SI_KERNEL);
    init_timer(&made->itimer[ITIMER_VIRTUAL], process, CLOCK_PROCESS_CPUTIME_ID, SIGVTALRM,
               SI_KERNEL);
    init_timer(&made->itimer[ITIMER_PROF], process, CLOCK_PROCESS_CPUTIME_ID, SIGPROF, SI_KERNEL);
    irq = spin_lock_irq(&process->lock);
    timers = process->signals.timers;
    if (timers == NULL)
        timers = process->signals.timers = made;
    spin_unlock_irq(&process->lock, irq);
    if (timers != made)
        kfree(made);
    return timers;
}

int signal_set_itimer(int which, const struct timer_times *times, struct timer_times *old)
{
    struct signal_timers *timers;
    struct signal_timer *t;
    irq_state_t irq;

    if (which != ITIMER_REAL && which != ITIMER_VIRTUAL && which != ITIMER_PROF)
        return -EINVAL;
    timers = own_timers();
    if (timers == NULL)
        return -ENOMEM;
    t = &timers->itimer[which];
    mutex_lock(&timers->setting);
    if (times != NULL) {
        set(t, times, false, old);
    } else {
        irq = spin_lock_irq(&t->process->lock);
        *old = times_of(t);
        spin_unlock_irq(&t->process->lock, irq);
    }
    mutex_unlock(&timers->setting);
    return 0;
}

/* The calling process's timer with this number; NULL: there is none. The mutex is held. */
static struct signal_timer *find(struct signal_timers *timers, int id)
{
    struct signal_timer *t;

    list_for_each_entry (t, &timers->timers, link) {
        if (t->id == id)
            return t;
    }
    return NULL;
}

static bool is_sane(const struct signal_timer_attr *attr)
{
    bool has_signal = attr->signal >= 1 && attr->signal <= SIGNAL_MAX, is_there;
    struct process *process = process_current();
    irq_state_t irq;

    switch (attr->clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        break;
    default:
        return false;
    }
    switch (attr->notify) {
    case SIGEV_NONE:
        return true;
    case SIGEV_SIGNAL:
        return has_signal;
    case SIGEV_THREAD_ID:
        irq = spin_lock_irq(&process->lock);
        is_there = find_lwp(process, attr->tid) != NULL;
        spin_unlock_irq(&process->lock, irq);
        return has_signal && is_there;
    default:
        return false;
    }
}

/* It is on no list, and the mutex is not held. */
static void free_timer(struct signal_timer *t)
{
    if (t->clock == CLOCK_REALTIME)
        realtime_unfollow(&t->follower);
    kfree(t);
}

int signal_timer_create(const struct signal_timer_attr *attr)
{
    struct signal_timers *timers;
    struct signal_timer *t;
    int id = -EAGAIN;

    if (!is_sane(attr))
        return -EINVAL;
    timers = own_timers();
    t = kmalloc_user(sizeof(*t));
    if (timers == NULL || t == NULL) {
        kfree(t);
        return -EAGAIN;
    }
    init_timer(t, process_current(), attr->clock, attr->signal, SI_TIMER);
    t->notify = attr->notify;
    t->tid = attr->tid;
    t->cpu_tid = attr->clock == CLOCK_THREAD_CPUTIME_ID ? user_lwp_current()->tid : 0;
    if (t->clock == CLOCK_REALTIME)
        realtime_follow(&t->follower, clock_moved); /* which takes the mutex */
    mutex_lock(&timers->setting);
    if (timers->nr < process_limit(process_current(), RLIMIT_SIGPENDING)) {
        do {
            id = timers->last_id;
            timers->last_id = id == INT32_MAX ? 0 : id + 1;
        } while (find(timers, id) != NULL);
        t->id = id;
        t->record.info.si_tid = id;
        t->record.info.si_value = attr->has_value ? attr->value : (sigval_t){.sival_int = id};
        list_push_back(&timers->timers, &t->link);
        timers->nr++;
    }
    mutex_unlock(&timers->setting);
    if (id < 0)
        free_timer(t);
    return id;
}

/* What is done to a timer, under the mutex: `what` says what. 0, or -EINVAL: there is no such. */
static int with_timer(int id, void (*what)(struct signal_timers *, struct signal_timer *, void *),
                      void *arg)
{
    struct signal_timers *timers = own_timers();
    struct signal_timer *t;

    if (timers == NULL)
        return -EINVAL;
    mutex_lock(&timers->setting);
    t = find(timers, id);
    if (t != NULL)
        what(timers, t, arg);
    mutex_unlock(&timers->setting);
    return t != NULL ? 0 : -EINVAL;
}

struct set_request {
    const struct timer_times *times;
    bool is_absolute;
    struct timer_times *old;
};

static void set_one(struct signal_timers *timers, struct signal_timer *t, void *arg)
{
    const struct set_request *request = arg;

    (void)timers;
    set(t, request->times, request->is_absolute, request->old);
}

int signal_timer_set(int id, const struct timer_times *times, bool is_absolute,
                     struct timer_times *old)
{
    return with_timer(id, set_one, &(struct set_request){times, is_absolute, old});
}

static void get_one(struct signal_timers *timers, struct signal_timer *t, void *arg)
{
    irq_state_t irq = spin_lock_irq(&t->process->lock);

    (void)timers;
    *(struct timer_times *)arg = times_of(t);
    spin_unlock_irq(&t->process->lock, irq);
}

int signal_timer_get(int id, struct timer_times *times)
{
    return with_timer(id, get_one, times);
}

static void get_overruns(struct signal_timers *timers, struct signal_timer *t, void *arg)
{
    irq_state_t irq = spin_lock_irq(&t->process->lock);

    (void)timers;
    *(int *)arg = t->nr_overruns;
    spin_unlock_irq(&t->process->lock, irq);
}

int signal_timer_overruns(int id)
{
    int nr, error = with_timer(id, get_overruns, &nr);

    return error != 0 ? error : nr;
}

/* *arg is what is to be freed. */
static void delete_one(struct signal_timers *timers, struct signal_timer *t, void *arg)
{
    stop(t);
    list_remove(&t->link);
    timers->nr--;
    *(struct signal_timer **)arg = t;
}

int signal_timer_delete(int id)
{
    struct signal_timer *t;
    int error = with_timer(id, delete_one, &t);

    if (error == 0)
        free_timer(t);
    return error;
}

void signal_timers_exec(struct process *process)
{
    struct signal_timers *timers = process->signals.timers;
    struct signal_timer *t, *next;

    if (timers == NULL)
        return;
    list_for_each_entry_safe (t, next, &timers->timers, link) {
        mutex_lock(&timers->setting); /* clock_moved() would set it again */
        delete_one(timers, t, &t);
        mutex_unlock(&timers->setting);
        free_timer(t);
    }
}

void signal_timers_free(struct process *process)
{
    struct signal_timers *timers = process->signals.timers;

    signal_cpu_limit_forget(process);
    if (timers == NULL)
        return;
    signal_timers_exec(process);
    for (unsigned i = 0; i < ARRAY_LEN(timers->itimer); i++)
        stop(&timers->itimer[i]);
    process->signals.timers = NULL;
    kfree(timers);
}
