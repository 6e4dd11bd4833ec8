/*
 * LWPs of user processes: how they come, end, and are joined. Each arrow is one function:
 *
 *              user_lwp_publish()          begin_end()          user_lwp_exited()       reap()
 *     (nobody's) ---------------> alive ---------------> ending --------------> zombie ------> gone
 *
 * While alive it is NEW, READY, RUNNING or BLOCKED as sched/core.c has it (sched/lwp.h shows that
 * machine); sched_exit(), between `ending` and `zombie`, makes it ZOMBIE there. Nothing else ends
 * one: exit, exec, kill and cancel only ask (lwp->interrupt), and the LWP goes to user_lwp_exit()
 * by itself, from trap_user_work().
 *
 * An LWP ends in two steps. It does what needs a context of its own first (giving back its user
 * stack, leaving the address space). Then it leaves its CPU for good; whoever runs next there gives
 * back its kernel stack and makes it a zombie, in user_lwp_exited(). So a zombie is nothing but a
 * structure with a value: whoever joins it can take it away at once.
 *
 * Who reaps: the joiner; user_lwp_exited() itself when the LWP is detached, or the last one of all;
 * user_lwp_detach() a zombie; the process's last LWP, and exec, what nobody joined. An LWP that is
 * being joined (`joiner` is set) belongs to its joiner. All under process->lock, which also keeps
 * LWPs that are looked up by number.
 *
 * The first LWP's number is the process's: it stays taken until the process itself is reaped.
 *
 * tests/model/lwp.pml is this protocol, with that of process.c, for a model checker. Who changes
 * one changes the other.
 */

#include <arch/cpu.h>
#include <arch/mmu.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <kernel/trace.h>
#include <mm/kstack.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/id.h>
#include <proc/process.h>
#include <proc/process_impl.h>
#include <proc/signal.h>
#include <proc/ustack.h>
#include <sched/sched.h>
#include <sched/team.h>

/* Above this many stacks kept for reuse, whoever creates an LWP gives the rest back. */
#define KSTACKS_KEPT_MAX 1024

static struct slab_cache *user_lwp_cache;

void user_lwp_init(void)
{
    user_lwp_cache = slab_cache_create("lwp", sizeof(struct user_lwp), 0, SLAB_USER);
}

/* Gives the structure and the number back. Locked. */
static void reap(struct user_lwp *lwp)
{
    struct process *process = lwp->process;

    list_remove(&lwp->link);
    signal_lwp_free(lwp);
    if (lwp->tid == process->pid)
        id_set_owner(lwp->tid, (struct id_owner){.process = process});
    else
        id_free(lwp->tid);
    slab_free(user_lwp_cache, lwp);
    atomic_fetch_sub(&nr_user_lwps, 1);
}

/* Reaps one LWP that has ended; false: there is none. */
static bool reap_one(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct user_lwp *lwp;
    bool found = false;

    list_for_each_entry (lwp, &process->lwps, link) {
        if (lwp->is_zombie) {
            reap(lwp);
            found = true;
            break;
        }
    }
    spin_unlock_irq(&process->lock, irq);
    return found;
}

/* One at a time: there may be many, and interrupts are off while the lock is held. */
void user_lwp_reap_all(struct process *process)
{
    while (reap_one(process))
        continue;
}

/* Called off the LWP's stack, with interrupts off: see struct lwp_ops. */
static void user_lwp_exited(struct lwp *l)
{
    struct user_lwp *lwp = container_of(l, struct user_lwp, lwp);
    struct process *process = lwp->process;
    bool is_last;

    kstack_free(l->context.stack_top);
    context_destroy(&l->context);
    spin_lock(&process->lock);
    process->run_ns += l->run_ns;
    process->nr_faults += lwp->nr_faults;
    process->nr_waits += l->nr_waits;
    process->nr_switches += l->nr_switches;
    lwp->is_zombie = true;
    is_last = --process->nr_present == 0;
    waitq_wake_all(&lwp->ended);
    if (process->nr_live == 0 || process->exec_by != NULL)
        waitq_wake_all(&process->others_gone);
    if (is_last || (lwp->is_detached && lwp->joiner == NULL))
        reap(lwp);
    spin_unlock(&process->lock);
    if (is_last)
        process_has_gone(process);
}

static const struct lwp_ops user_lwp_ops = {.exited = user_lwp_exited};

struct user_lwp *user_lwp_running(void)
{
    struct lwp *lwp = lwp_current();

    return lwp->ops == &user_lwp_ops ? container_of(lwp, struct user_lwp, lwp) : NULL;
}

/* Kernel stack and registers. 0 or -ENOMEM. */
static int init_context(struct user_lwp *lwp, const struct lwp_start *start)
{
    struct arch_context *context = &lwp->lwp.context;
    uint64_t stack_top = kstack_alloc();
    int error;

    if (stack_top == 0)
        return -ENOMEM;
    if (start->is_copy)
        error = context_init_copy(context, stack_top, &lwp_current()->context,
                                  start->sp != 0 ? &start->sp : NULL,
                                  start->has_tls ? &start->tls : NULL);
    else
        error = context_init_user(context, stack_top, start->tls);
    if (error == 0 && !start->is_copy)
        trap_user_start(context_user_frame(context), start->pc, start->sp, start->args[0],
                        start->args[1]);
    if (error != 0)
        kstack_free(stack_top);
    return error;
}

/* Makes the LWP part of its process, with a number. 0, -EAGAIN or -ENOMEM. */
static int link_to_process(struct user_lwp *lwp)
{
    struct process *process = lwp->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    int tid = -EAGAIN;

    if (!process->is_ending && process->exec_by == NULL)
        tid = id_alloc((struct id_owner){process, lwp});
    if (tid >= 0) {
        lwp->tid = lwp->lwp.trace_id = tid;
        list_push_back(&process->lwps, &lwp->link);
        if (process->is_team)
            sched_lwp_set_team(&lwp->lwp, process->team);
        signal_lwp_link(lwp);
        process->nr_live++;
        process->nr_present++;
        atomic_fetch_add(&nr_user_lwps, 1);
    }
    spin_unlock_irq(&process->lock, irq);
    return tid < 0 ? tid : 0;
}

/* The structure, not yet known to anybody; NULL: out of memory. */
static struct user_lwp *user_lwp_alloc(struct process *process, const struct lwp_start *start)
{
    struct user_lwp *lwp;

    if (kstack_nr_kept() > KSTACKS_KEPT_MAX)
        kstack_reclaim();
    lwp = slab_alloc(user_lwp_cache);
    if (lwp == NULL)
        return NULL;
    memset((char *)lwp + sizeof(lwp->lwp), 0, sizeof(*lwp) - sizeof(lwp->lwp));
    sched_lwp_init(&lwp->lwp, process->name, &user_lwp_ops);
    lwp->lwp.mmu = &process->space->mmu;
    lwp->process = process;
    signal_lwp_init(lwp, user_lwp_running());
    lwp->started_ns = clock_now_ns();
    lwp->is_detached = start->is_detached;
    lwp->stack = start->stack;
    lwp->clear_tid_address = start->clear_tid_address;
    lwp->set_tid_address = start->child_tid_at;
    if (lwp->set_tid_address != 0)
        atomic_store(&lwp->lwp.interrupt, true); /* trap_user_work() is to see to it */
    waitq_init(&lwp->ended);
    return lwp;
}

/* Makes a new LWP, which has its context, part of its process; on failure it is gone. */
static int user_lwp_publish(struct user_lwp *lwp)
{
    int error = link_to_process(lwp);

    if (error == 0)
        return 0;
    kstack_free(lwp->lwp.context.stack_top);
    context_destroy(&lwp->lwp.context);
    slab_free(user_lwp_cache, lwp);
    return error;
}

struct user_lwp *user_lwp_create(struct process *process, const struct lwp_start *start, int *error)
{
    struct user_lwp *lwp = user_lwp_alloc(process, start);

    *error = -ENOMEM;
    if (lwp == NULL)
        return NULL;
    *error = init_context(lwp, start);
    if (*error != 0) {
        slab_free(user_lwp_cache, lwp);
        return NULL;
    }
    *error = user_lwp_publish(lwp);
    if (*error != 0)
        return NULL;
    trace_event(THRUM_TRACE_CREATE, lwp->tid, lwp_current()->trace_id,
                process->pid != 0 ? process->pid : lwp->tid, 0);
    if (start->parent_tid_at != 0) {
        int stored = user_copy_to(start->parent_tid_at, &lwp->tid, sizeof(lwp->tid));

        (void)stored; /* it is too late to fail: as in Linux, a wrong address is not noticed */
    }
    return lwp;
}

/* The caller does not need its address space any more. */
static void leave_space(struct lwp *lwp)
{
    irq_disable();
    lwp->mmu = NULL;
    mmu_switch(&mmu_kernel_context);
    irq_enable();
}

static bool begin_end(struct user_lwp *self, uint64_t value)
{
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    bool is_last;

    self->value = value;
    signal_lwp_leaves(self);
    is_last = --process->nr_live == 0;
    spin_unlock_irq(&process->lock, irq);
    return is_last;
}

void user_lwp_exit(uint64_t value)
{
    struct user_lwp *self = user_lwp_current();
    struct process *process = self->process;

    user_lwp_leaves_space();
    if (self->stack.low != 0 && !process->is_ending)
        ustack_free(&self->stack);
    leave_space(&self->lwp);
    if (begin_end(self, value))
        process_clear_up(process);
    trace_event(THRUM_TRACE_EXIT, self->tid, process->pid, value, 0);
    sched_exit();
}

void user_lwp_become_first(struct user_lwp *self)
{
    struct process *process = self->process;

    if (self->tid != process->pid) {
        id_free(self->tid);
        self->tid = self->lwp.trace_id = process->pid;
        id_set_owner(process->pid, (struct id_owner){process, self});
    }
    self->is_detached = false;
    self->is_cancelled = false;
    self->stack = (struct ustack){0};
    self->clear_tid_address = 0;
    self->set_tid_address = 0;
    atomic_store(&self->robust_list, 0);
    atomic_store(&self->gets_no_pi_locks, false);
}

/* Whether waiting for `target` would wait for the caller itself. Locked. */
static bool is_cycle(const struct user_lwp *self, const struct user_lwp *target)
{
    for (const struct user_lwp *l = target; l != NULL; l = l->joining) {
        if (l == self)
            return true;
    }
    return false;
}

/* The LWP of the calling process with this number; NULL: there is none. Locked. */
static struct user_lwp *find_sibling(const struct process *process, int tid)
{
    struct id_owner owner = id_lookup(tid);

    return owner.process == process ? owner.lwp : NULL;
}

/* Waits until `target`, which the caller has claimed, has ended. Locked. 0 or -ERESTARTSYS. */
static int wait_for_end(struct user_lwp *self, struct user_lwp *target)
{
    int error = 0;

    self->joining = target;
    while (!target->is_zombie && error == 0)
        error = waitq_sleep(&target->ended, &target->process->lock, WAITQ_FOREVER, true);
    self->joining = NULL;
    return error;
}

/* Makes the caller the joiner of `tid`. Locked. 0, or the error that lwp_join() reports. */
static int claim(struct user_lwp *self, int tid, struct user_lwp **target)
{
    *target = find_sibling(self->process, tid);
    if (*target == NULL)
        return -ESRCH;
    if ((*target)->is_detached)
        return -EINVAL;
    if (is_cycle(self, *target))
        return -EDEADLK;
    if ((*target)->joiner != NULL)
        return -EINVAL;
    (*target)->joiner = self;
    return 0;
}

int user_lwp_join(int tid, vaddr_t value_at)
{
    struct user_lwp *self = user_lwp_current(), *target;
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    int error = claim(self, tid, &target);
    uint64_t value;

    if (error != 0) {
        spin_unlock_irq(&process->lock, irq);
        return error;
    }
    error = wait_for_end(self, target);
    value = target->value;
    if (error == 0 && value_at != 0) {
        /* Nobody else can take the target away meanwhile: it has a joiner. */
        spin_unlock_irq(&process->lock, irq);
        error = user_copy_to(value_at, &value, sizeof(value));
        irq = spin_lock_irq(&process->lock);
    }
    if (error == 0)
        reap(target);
    else
        target->joiner = NULL;
    spin_unlock_irq(&process->lock, irq);
    return error;
}

int user_lwp_detach(int tid)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct user_lwp *target = find_sibling(process, tid);
    int error = 0;

    if (target == NULL)
        error = -ESRCH;
    else if (target->is_detached || target->joiner != NULL)
        error = -EINVAL;
    else if (target->is_zombie)
        reap(target);
    else
        target->is_detached = true;
    spin_unlock_irq(&process->lock, irq);
    return error;
}

int user_lwp_cancel(int tid)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct user_lwp *target = find_sibling(process, tid);

    if (target != NULL && !target->is_zombie) {
        atomic_store(&target->is_cancelled, true);
        signal_interrupt(target);
    }
    spin_unlock_irq(&process->lock, irq);
    return target != NULL ? 0 : -ESRCH;
}
