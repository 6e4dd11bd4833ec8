/*
 * What a program says about signals: actions, masks, the signal stack, and how new processes and
 * programs come by them.
 *
 * Actions are the process's, in a table that processes made by CLONE_SIGHAND share; it has a lock
 * of its own, below the processes'; which table it is stays while the process's lock is held. The
 * mask and the signal stack are the LWP's. Only the LWP itself changes its mask, with the process's
 * lock held, under which others ask whether it takes a signal.
 */

#include <arch/context.h>
#include <kernel/errno.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <proc/process_impl.h>
#include <proc/signal_impl.h>
#include <sched/sched.h>

struct signal_actions {
    struct spinlock lock;
    atomic_uint nr_users;                     /* a */
    struct signal_action actions[SIGNAL_MAX]; /* lock */
};

static struct slab_cache *actions_cache;

void signal_init(void)
{
    actions_cache = slab_cache_create("actions", sizeof(struct signal_actions), 0, SLAB_USER);
    signal_queue_init();
}

/* ---- Actions -------------------------------------------------------------------------------- */

struct signal_action signal_get_action(const struct process *process, int signal)
{
    struct signal_actions *table = process->signals.actions;
    irq_state_t irq = spin_lock_irq(&table->lock);
    struct signal_action action = table->actions[signal - 1];

    spin_unlock_irq(&table->lock, irq);
    return action;
}

void signal_reset_action(const struct process *process, int signal)
{
    struct signal_actions *table = process->signals.actions;
    irq_state_t irq = spin_lock_irq(&table->lock);

    table->actions[signal - 1].handler = (vaddr_t)SIG_DFL;
    spin_unlock_irq(&table->lock, irq);
}

int signal_set_action(int signal, const struct signal_action *action, struct signal_action *old)
{
    struct process *process = process_current();
    struct signal_actions *table;
    irq_state_t irq;
    bool is_ignored;

    if (signal < 1 || signal > SIGNAL_MAX ||
        (action != NULL && signal_bit(signal) & SIGNALS_UNBLOCKABLE))
        return -EINVAL;
    irq = spin_lock_irq(&process->lock);
    table = process->signals.actions;
    spin_lock(&table->lock);
    if (old != NULL)
        *old = table->actions[signal - 1];
    if (action != NULL) {
        table->actions[signal - 1] = *action;
        table->actions[signal - 1].mask &= ~SIGNALS_UNBLOCKABLE;
    }
    spin_unlock(&table->lock);
    is_ignored =
        action != NULL &&
        (action->handler == (vaddr_t)SIG_IGN ||
         (action->handler == (vaddr_t)SIG_DFL && signal_default(signal) == SIGNAL_IGNORED));
    if (is_ignored)
        pending_drop_everywhere(process, signal_bit(signal));
    spin_unlock_irq(&process->lock, irq);
    return 0;
}

/* ---- Masks ---------------------------------------------------------------------------------- */

signal_set signal_get_mask(void)
{
    return user_lwp_current()->signals.blocked;
}

void signal_set_mask(signal_set mask)
{
    struct user_lwp *self = user_lwp_current();
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    signal_set newly = mask & ~self->signals.blocked;

    self->signals.blocked = mask & ~SIGNALS_UNBLOCKABLE;
    if (process->signals.pending.set & newly)
        signal_pass_on(process, self, newly);
    if (signal_ready(self))
        signal_interrupt(self);
    spin_unlock_irq(&process->lock, irq);
}

void signal_wait_with(signal_set mask)
{
    struct lwp_signals *signals = &user_lwp_current()->signals;

    signals->saved_mask = signals->blocked;
    signals->has_saved_mask = true;
    signal_set_mask(mask);
}

void signal_wait_done(bool is_interrupted)
{
    struct lwp_signals *signals = &user_lwp_current()->signals;

    if (is_interrupted || !signals->has_saved_mask)
        return; /* signal_deliver() has to see which signals the wait let in */
    signals->has_saved_mask = false;
    signal_set_mask(signals->saved_mask);
}

signal_set signal_get_pending(void)
{
    struct user_lwp *self = user_lwp_current();
    irq_state_t irq = spin_lock_irq(&self->process->lock);
    signal_set set =
        (self->signals.pending.set | self->process->signals.pending.set) & self->signals.blocked;

    spin_unlock_irq(&self->process->lock, irq);
    return set;
}

/* ---- The signal stack ------------------------------------------------------------------------ */

int signal_set_stack(const struct signal_stack *stack, struct signal_stack *old)
{
    struct user_lwp *self = user_lwp_current();
    struct signal_stack *own = &self->signals.stack;
    vaddr_t sp = trap_sp(context_user_frame(&self->lwp.context));

    if (old != NULL)
        *old = *own;
    if (stack == NULL)
        return 0;
    if (signal_stack_has(own, sp))
        return -EPERM;
    if (stack->nr_bytes != 0 && stack->nr_bytes < MINSIGSTKSZ)
        return -ENOMEM;
    *own = *stack;
    return 0;
}

/* ---- New processes, programs and LWPs -------------------------------------------------------- */

/* A table with one user: the same as `from`, or what is ignored there. NULL: out of memory. */
static struct signal_actions *make_table(struct signal_actions *from, bool only_ignored)
{
    struct signal_actions *table = slab_alloc(actions_cache);
    irq_state_t irq;

    if (table == NULL)
        return NULL;
    spin_init(&table->lock, "signal actions", LOCK_RANK_ACTIONS);
    atomic_init(&table->nr_users, 1);
    if (from != NULL && !only_ignored) {
        irq = spin_lock_irq(&from->lock);
        memcpy(table->actions, from->actions, sizeof(table->actions));
        spin_unlock_irq(&from->lock, irq);
        return table;
    }
    memset(table->actions, 0, sizeof(table->actions));
    if (from != NULL) {
        irq = spin_lock_irq(&from->lock);
        for (unsigned i = 0; i < SIGNAL_MAX; i++) {
            if (from->actions[i].handler == (vaddr_t)SIG_IGN)
                table->actions[i].handler = (vaddr_t)SIG_IGN;
        }
        spin_unlock_irq(&from->lock, irq);
    }
    return table;
}

static void put_table(struct signal_actions *table)
{
    if (table != NULL && atomic_fetch_sub(&table->nr_users, 1) == 1)
        slab_free(actions_cache, table);
}

/* The table of a process, with a reference: another LWP of it may be about to replace it (exec). */
static struct signal_actions *get_table(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct signal_actions *table = process->signals.actions;

    atomic_fetch_add(&table->nr_users, 1);
    spin_unlock_irq(&process->lock, irq);
    return table;
}

static void pending_init(struct pending_signals *pending)
{
    pending->set = 0;
    list_init(&pending->records);
}

/*
 * From now on what `maker` is sent as one of several is noted for the process. -ERESTARTNOINTR: the
 * caller, an LWP of the maker, has something to do before.
 */
static int begin_making(struct process *process, struct process *maker)
{
    struct user_lwp *self = user_lwp_current();
    irq_state_t irq = spin_lock_irq(&maker->lock);
    bool has_work = signal_has_work(self);

    if (has_work) {
        signal_interrupt(self);
    } else {
        process->signals.maker = maker;
        list_push_back(&maker->signals.being_made, &process->signals.made_link);
    }
    spin_unlock_irq(&maker->lock, irq);
    return has_work ? -ERESTARTNOINTR : 0;
}

/* What was sent meanwhile. */
static signal_set end_making(struct process *process)
{
    struct process *maker = process->signals.maker;
    signal_set sent;
    irq_state_t irq;

    if (maker == NULL)
        return 0;
    irq = spin_lock_irq(&maker->lock);
    list_remove(&process->signals.made_link);
    process->signals.maker = NULL;
    sent = process->signals.sent_while_made;
    spin_unlock_irq(&maker->lock, irq);
    return sent;
}

int signal_process_init(struct process *process, struct process *parent, enum signal_inherit how)
{
    struct process_signals *signals = &process->signals;
    int error = parent != NULL ? begin_making(process, parent) : 0;
    struct signal_actions *from;

    pending_init(&signals->pending);
    waitq_init(&signals->arrived);
    waitq_init(&signals->resumed);
    list_init(&signals->being_made);
    if (error != 0)
        return error;
    from = parent != NULL ? get_table(parent) : NULL;
    if (from != NULL && how == SIGNAL_INHERIT_SHARE) {
        signals->actions = from;
    } else {
        signals->actions = make_table(from, how == SIGNAL_INHERIT_IGNORED);
        put_table(from);
    }
    return signals->actions != NULL ? 0 : -ENOMEM;
}

void signal_process_adopted(struct process *process)
{
    signal_set sent = end_making(process);

    spin_lock(&process->lock);
    for (; sent != 0; sent &= sent - 1) {
        siginfo_t info;

        memset(&info, 0, sizeof(info)); /* from nobody, as in Linux */
        info.si_signo = __builtin_ctzll(sent) + 1;
        signal_post(process, NULL, &info);
    }
    spin_unlock(&process->lock);
}

void signal_process_free(struct process *process)
{
    (void)end_making(process);
    signal_cpu_limit_forget(process);
    pending_drop(process, &process->signals.pending, ~0ull);
    put_table(process->signals.actions);
    signal_watch_put(process->signals.watch);
    process->signals.actions = NULL;
}

int signal_exec_prepare(struct process *process)
{
    struct signal_actions *from = get_table(process), *own, *old;
    bool is_shared = atomic_load(&from->nr_users) > 2; /* by more than the process and this LWP */
    irq_state_t irq;

    own = is_shared ? make_table(from, false) : NULL;
    put_table(from);
    if (own == NULL)
        return is_shared ? -ENOMEM : 0;
    /* Another LWP that calls exec may have replaced it meanwhile. */
    irq = spin_lock_irq(&process->lock);
    old = process->signals.actions;
    process->signals.actions = own;
    spin_unlock_irq(&process->lock, irq);
    put_table(old);
    return 0;
}

void signal_exec(struct user_lwp *self)
{
    struct signal_actions *table = self->process->signals.actions;
    irq_state_t irq = spin_lock_irq(&table->lock);

    for (unsigned i = 0; i < SIGNAL_MAX; i++) {
        bool is_ignored = table->actions[i].handler == (vaddr_t)SIG_IGN;

        table->actions[i] = (struct signal_action){
            .handler = is_ignored ? (vaddr_t)SIG_IGN : (vaddr_t)SIG_DFL,
        };
    }
    spin_unlock_irq(&table->lock, irq);
    self->signals.stack = (struct signal_stack){0};
    self->signals.has_saved_mask = false;
    self->restart.fn = NULL;
}

void signal_lwp_init(struct user_lwp *lwp, const struct user_lwp *creator)
{
    pending_init(&lwp->signals.pending);
    if (creator != NULL)
        lwp->signals.blocked = creator->signals.blocked;
}

/* One that is made while its process comes to a stop has to stop, too. */
void signal_lwp_link(struct user_lwp *lwp)
{
    struct process_signals *signals = &lwp->process->signals;

    if (signals->stop_signal == 0)
        return;
    lwp->signals.must_stop = true;
    signals->nr_to_stop++;
    atomic_store(&lwp->lwp.interrupt, true);
}

void signal_lwp_leaves(struct user_lwp *lwp)
{
    lwp->signals.is_leaving = true;
    signal_stop_settle(lwp);
    signal_pass_on(lwp->process, lwp, ~lwp->signals.blocked);
}

void signal_lwp_free(struct user_lwp *lwp)
{
    pending_drop(lwp->process, &lwp->signals.pending, ~0ull);
}

void signal_read_actions(struct process *process, signal_set *ignored, signal_set *caught)
{
    struct signal_actions *actions = process->signals.actions;

    spin_lock(&actions->lock);
    for (int signal = 1; signal <= SIGNAL_MAX; signal++) {
        vaddr_t handler = actions->actions[signal - 1].handler;

        if (handler == (vaddr_t)SIG_IGN)
            *ignored |= signal_bit(signal);
        else if (handler != (vaddr_t)SIG_DFL)
            *caught |= signal_bit(signal);
    }
    spin_unlock(&actions->lock);
}
