/*
 * Processes.
 *
 * A process owns an address space and LWPs. Its life:
 *
 *     alive --- process_end(), or the last LWP ends ---> ending --- last LWP gone ---> zombie
 *                                                                       |
 *                                                        process_wait() of the parent: gone
 *
 * Ending is one mechanism for exit_group(), a deadly signal and whatever else ends a process: the
 * flag `is_ending` is set, and every LWP gets lwp->interrupt, which ends interruptible waits and is
 * looked at before user mode is entered. So each LWP ends itself, at a point where it holds
 * nothing.
 *
 * The last LWP to begin its end (nr_live reaches 0) clears up: it waits until the others are off
 * their stacks (nr_present is 1), gives back what nobody joined, the address space, and hands its
 * children to the nearest process above that asked for orphans, or to the first. When it is off its
 * own stack, the process becomes a zombie, and the parent learns of it.
 *
 * exec uses the same mechanism for the other LWPs: while `exec_by` is set, only that LWP may go
 * back to user mode. It waits for the others to leave as the last LWP of an ending process does,
 * then replaces the address space. If the process is ended meanwhile, exec gives up.
 *
 * Locks: process->lock guards what belongs to one process; family_lock the tree of processes and
 * who is a zombie. family_lock comes first. Nothing of a process is touched after it has become a
 * zombie, except by its parent's process_wait(), which frees it.
 */

#include <arch/context.h>
#include <asm/signal.h>
#include <kernel/clock.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/fcntl.h>
#include <mm/slab.h>
#include <proc/id.h>
#include <proc/image.h>
#include <proc/process.h>
#include <proc/process_impl.h>
#include <proc/signal.h>
#include <proc/ustack.h>
#include <sched/sched.h>
#include <sched/team.h>

struct spinlock family_lock = SPINLOCK_INIT("family", LOCK_RANK_FAMILY);
static struct process *first_process; /* c once it runs; orphans that nobody asked for go to it */
struct list all_processes = LIST_INIT(all_processes);
static struct slab_cache *process_cache;

atomic_uint nr_processes, nr_user_lwps, nr_processes_ever;

int process_init(unsigned tid_max)
{
    process_cache = slab_cache_create("process", sizeof(struct process), 0, SLAB_USER);
    user_lwp_init();
    signal_init();
    space_init();
    return id_init(tid_max);
}

/* A process without address space and LWPs; NULL: out of memory. */
static struct process *process_create(const char *name)
{
    struct process *process = slab_alloc(process_cache);

    if (process == NULL)
        return NULL;
    memset(process, 0, sizeof(*process));
    process->exit_signal = SIGCHLD;
    spin_init(&process->lock, "process", LOCK_RANK_PROCESS);
    list_init(&process->lwps);
    list_init(&process->children);
    list_node_init(&process->sibling_link);
    waitq_init(&process->others_gone);
    waitq_init(&process->child_ended);
    strlcpy(process->name, name, sizeof(process->name));
    process->started_ns = clock_now_ns();
    atomic_fetch_add(&nr_processes, 1);
    atomic_fetch_add_explicit(&nr_processes_ever, 1, memory_order_relaxed);
    return process;
}

/* The process has the space from now on (NULL: none could be had). 0 or -ENOMEM. */
static int give_space(struct process *process, struct space *space)
{
    process->space = space;
    return space != NULL ? 0 : -ENOMEM;
}

struct inode *process_get_cwd(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct inode *dir = inode_get(process->cwd);

    spin_unlock_irq(&process->lock, irq);
    return dir;
}

void process_set_cwd(struct inode *dir)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct inode *old = process->cwd;

    process->cwd = dir;
    spin_unlock_irq(&process->lock, irq);
    inode_put(old);
}

/* The first process has the console as its standard input, output and error. 0 or -errno. */
static int open_console(struct process *process)
{
    struct file *console;
    int error = file_open(NULL, "/dev/console", O_RDWR, 0, &console);

    if (error != 0)
        return error;
    for (int fd = 0; fd < 3 && error == 0; fd++) {
        error = fd_replace(process->files, fd, file_get(console), false);
        if (error != 0)
            file_put(console);
    }
    file_put(console);
    return error;
}

/* A child has what its parent (NULL: the kernel) has open, and its current folder. 0 or -errno. */
static int inherit_files(struct process *child, struct process *parent)
{
    child->cwd = parent != NULL ? process_get_cwd(parent) : inode_get(root_inode);
    process_inherit_credentials(child, parent);
    child->files = parent != NULL ? fd_table_clone(parent->files) : fd_table_create();
    if (child->files == NULL)
        return -ENOMEM;
    return parent != NULL ? 0 : open_console(child);
}

static void inherit_image(struct process *child, struct process *parent)
{
    irq_state_t irq = spin_lock_irq(&parent->lock);

    child->image = parent->image;
    if (child->image.file != NULL)
        inode_add_runner(inode_get(child->image.file));
    spin_unlock_irq(&parent->lock, irq);
}

/* A child's contention scope is its parent's (NULL: the kernel). 0 or -ENOMEM. */
static int inherit_scope(struct process *child, const struct process *parent)
{
    if (!sched_new_processes_are_teams && (parent == NULL || !parent->is_team))
        return 0;
    child->team = sched_team_new();
    child->is_team = child->team != NULL;
    return child->is_team ? 0 : -ENOMEM;
}

void process_set_team(struct process *process, struct sched_team **team)
{
    bool is_team = *team != NULL;
    struct user_lwp *lwp;

    if (process->is_team == is_team)
        return;
    process->is_team = is_team;
    if (is_team && process->team == NULL) {
        process->team = *team;
        *team = NULL;
    }
    if (is_team && !list_is_empty(&process->lwps))
        sched_team_be_like(process->team,
                           &list_first_entry(&process->lwps, struct user_lwp, link)->lwp);
    if (!is_team)
        sched_team_give_back(process->team);
    list_for_each_entry (lwp, &process->lwps, link)
        sched_lwp_set_team(&lwp->lwp, is_team ? process->team : NULL);
}

/* Others may be looking: what they find is there, or is not. */
static void release_files(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct fd_table *files = process->files;
    struct inode *cwd = process->cwd, *root = process->root, *program = process->image.file;

    process->files = NULL;
    process->cwd = NULL;
    process->root = NULL;
    process->image.file = NULL;
    spin_unlock_irq(&process->lock, irq);
    fd_table_release(files);
    inode_put(cwd);
    inode_put(root);
    image_put_file(program);
}

static void process_free(struct process *process)
{
    release_files(process);
    signal_process_free(process);
    if (process->space != NULL)
        space_put(process->space);
    sched_team_free(process->team);
    slab_free(process_cache, process);
    atomic_fetch_sub(&nr_processes, 1);
}

static const char *base_name(const char *path)
{
    const char *base = path;

    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '/')
            base = c + 1;
    }
    return base;
}

void process_set_name(int *name, int id)
{
    if (id != 0)
        id_use(id);
    if (*name != 0)
        id_unuse(*name);
    *name = id;
}

/* Makes `child` part of the family, from when on it can be found by its number. */
static void adopt(struct process *parent, struct process *child, int pid)
{
    irq_state_t irq = spin_lock_irq(&family_lock);

    child->pid = pid;
    list_push_back(&all_processes, &child->all_link);
    child->parent = parent;
    process_set_name(&child->group, parent != NULL ? parent->group : child->pid);
    process_set_name(&child->session, parent != NULL ? parent->session : child->pid);
    atomic_init(&child->has_left_terminal, parent != NULL && parent->has_left_terminal);
    if (parent != NULL)
        list_push_back(&parent->children, &child->sibling_link);
    else
        first_process = child;
    /* A signal that ends the parent's group came before the child was in it: as if it had been. */
    if (parent != NULL && parent->is_ending && (parent->status & 0x7f) != 0)
        process_end(child, parent->status);
    signal_process_adopted(child);
    spin_unlock_irq(&family_lock, irq);
}

int process_spawn(struct process *parent, const char *path, const struct program_args *args)
{
    struct process *process = process_create(base_name(path));
    struct image_start start;
    struct user_lwp *first;
    int error;

    if (process == NULL)
        return -ENOMEM;
    error = signal_process_init(process, parent, SIGNAL_INHERIT_IGNORED);
    if (error == 0)
        error = give_space(process, space_create());
    if (error == 0)
        error = inherit_scope(process, parent);
    if (error == 0)
        error = inherit_files(process, parent);
    if (error == 0)
        error = image_load(process->space, process->cwd, path, args, &start);
    if (error != 0) {
        process_free(process);
        return error;
    }
    (void)credentials_exec(&process->credentials, start.set_bits, start.uid, start.gid);
    fd_table_close_on_exec(process->files);
    process->image = start.image;
    first = user_lwp_create(process, &(struct lwp_start){.pc = start.pc, .sp = start.sp}, &error);
    if (first == NULL) {
        process_free(process);
        return error;
    }
    error = first->tid;
    adopt(parent, process, first->tid);
    /* The end of booting: trap_user_work() is to see the first entry into user mode. */
    if (parent == NULL)
        atomic_store(&first->lwp.interrupt, true);
    sched_start(&first->lwp);
    return error;
}

void process_end_locked(struct process *process, int status)
{
    struct user_lwp *lwp;

    if (process->is_ending)
        return;
    process->is_ending = true;
    process->status = status;
    list_for_each_entry (lwp, &process->lwps, link)
        signal_interrupt(lwp);
    waitq_wake_all(&process->others_gone); /* exec waits there, and gives up now */
    waitq_wake_all(&process->signals.resumed);
}

void process_end(struct process *process, int status)
{
    irq_state_t irq = spin_lock_irq(&process->lock);

    process_end_locked(process, status);
    spin_unlock_irq(&process->lock, irq);
}

/* Children of a process that ends go to the nearest one above that asked for them, or to the first.
 */
static void give_children_away(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *heir;

    if (process == first_process && !list_is_empty(&process->children))
        log_warn("proc: the first process has ended before its children");
    process_tell_children_of_end(process);
    heir = signal_parent_ends(process, first_process);
    if (process == first_process) {
        first_process = NULL;
        list_init(&process->children);
    } else if (heir != NULL) {
        list_splice_back(&heir->children, &process->children);
        waitq_wake_all(&heir->child_ended);
    }
    spin_unlock_irq(&family_lock, irq);
}

void process_clear_up(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct space *space;

    process->is_ending = true; /* also when the last LWP left by itself */
    signal_process_gone(process);
    while (process->nr_present > 1) {
        int error = waitq_sleep(&process->others_gone, &process->lock, WAITQ_FOREVER, false);

        assert(error == 0);
    }
    spin_unlock_irq(&process->lock, irq);
    user_lwp_reap_all(process);
    signal_timers_free(process);
    if (process->team != NULL)
        sched_team_close(process->team);
    release_files(process);
    if (process->session == process->pid)
        process_session_ends(process->session);
    ustack_leave_space(process);
    irq = spin_lock_irq(&process->lock);
    space = process->space;
    process_note_resident(process);
    process->space = NULL;
    spin_unlock_irq(&process->lock, irq);
    space_put(space);
    give_children_away(process);
}

/* Nothing is left that anybody could look for. The family is locked. */
static void forget(struct process *process)
{
    list_remove(&process->sibling_link);
    list_remove(&process->all_link);
    process_set_name(&process->group, 0);
    process_set_name(&process->session, 0);
    id_free(process->pid);
}

/* The child does not use its creator's memory any more. The family is locked. */
static void let_creator_go(struct process *child)
{
    struct user_lwp *creator = child->creator_in_vfork;

    if (creator == NULL)
        return;
    child->creator_in_vfork = NULL;
    spin_lock(&creator->process->lock);
    creator->is_in_vfork = false;
    waitq_wake_all(&creator->process->signals.resumed);
    spin_unlock(&creator->process->lock);
}

void process_has_gone(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    bool is_first = process->pid == FIRST_PID, is_unwanted;

    process->is_zombie = true;
    let_creator_go(process);
    is_unwanted = signal_parent_of_end(process);
    if (is_unwanted)
        forget(process);
    spin_unlock_irq(&family_lock, irq);
    if (is_first)
        panic("the first process has ended (status 0x%x)", (unsigned)process->status);
    if (is_unwanted)
        process_free(process);
}

int process_parent_pid(void)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    const struct process *parent = process_current()->parent;
    int pid = parent != NULL ? parent->pid : 0;

    spin_unlock_irq(&family_lock, irq);
    return pid;
}

void process_set_exit_code(int code)
{
    struct process *process = process_current();
    irq_state_t irq = spin_lock_irq(&process->lock);

    if (!process->is_ending && user_lwp_current()->tid == process->pid)
        process->status = status_of_exit(code);
    spin_unlock_irq(&process->lock, irq);
}

bool process_is_meant(const struct process *process, int pid)
{
    if (pid > 0)
        return process->pid == pid;
    if (pid == PROCESS_ANY)
        return true;
    return process->group == (pid == 0 ? process_current()->group : -pid);
}

/* Whether there is something to say about the child that wait4() asks for. Locked. */
static bool has_news(struct process *child, unsigned flags, struct process_wait_info *info)
{
    struct process_signals *signals = &child->signals;

    if (child->is_zombie) {
        bool is_exit = (child->status & 0x7f) == 0;

        info->status = child->status;
        info->code = is_exit ? CLD_EXITED : CLD_KILLED;
        process_whole_usage(child, &info->usage);
        return flags & PROCESS_WAIT_END;
    }
    spin_lock(&child->lock);
    info->code = 0;
    if (child->is_ending) {
        /* Its end is all that is still to be said, as soon as it is a zombie. */
    } else if (flags & PROCESS_WAIT_STOP && signals->stop_is_news) {
        info->status = status_of_stop(signals->stop_signal);
        info->code = CLD_STOPPED;
        signals->stop_is_news = flags & PROCESS_WAIT_NO_REAP;
    } else if (flags & PROCESS_WAIT_CONTINUE && signals->continue_is_news) {
        info->status = STATUS_CONTINUED;
        info->code = CLD_CONTINUED;
        signals->continue_is_news = flags & PROCESS_WAIT_NO_REAP;
    }
    if (info->code != 0)
        process_whole_usage(child, &info->usage);
    spin_unlock(&child->lock);
    return info->code != 0;
}

/* The first child about which there is something to say, *is_there: whether one fits. Locked. */
static struct process *find_child(struct process *process, int pid, unsigned flags,
                                  struct process_wait_info *info, bool *is_there)
{
    struct process *child;

    *is_there = false;
    list_for_each_entry (child, &process->children, sibling_link) {
        if (!process_is_meant(child, pid) ||
            (!(flags & PROCESS_WAIT_ANY_SIGNAL) &&
             (child->exit_signal != SIGCHLD) != !!(flags & PROCESS_WAIT_CLONES)))
            continue;
        if (has_news(child, flags, info))
            return child;
        /* A zombie that nobody asks for will never have anything else to say. */
        *is_there |= !child->is_zombie || flags & PROCESS_WAIT_END;
    }
    return NULL;
}

int process_wait(int pid, unsigned flags, struct process_wait_info *info)
{
    struct process *self = process_current(), *child;
    irq_state_t irq = spin_lock_irq(&family_lock);
    bool is_there;
    int result = 0;

    while ((child = find_child(self, pid, flags, info, &is_there)) == NULL && result == 0) {
        if (!is_there)
            result = -ECHILD;
        else if (flags & PROCESS_WAIT_NO_HANG)
            break;
        else
            result = waitq_sleep(&self->child_ended, &family_lock, WAITQ_FOREVER, true);
    }
    if (child == NULL) {
        spin_unlock_irq(&family_lock, irq);
        return result;
    }
    result = child->pid;
    if (!child->is_zombie || flags & PROCESS_WAIT_NO_REAP) {
        spin_unlock_irq(&family_lock, irq);
        return result;
    }
    process_inherit_usage(process_current(), child);
    forget(child);
    spin_unlock_irq(&family_lock, irq);
    process_free(child);
    return result;
}

/* ---- fork ----------------------------------------------------------------------------------- */

/*
 * Waits until the child has called exec or ended. Meanwhile it uses the caller's memory, so nothing
 * but the caller's own end interrupts that.
 */
static void wait_for_new_start(struct user_lwp *self, struct process *child)
{
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct user_lwp *exec_by = atomic_load(&process->exec_by);

    while (self->is_in_vfork && !process->is_ending && (exec_by == NULL || exec_by == self)) {
        int error = waitq_sleep(&process->signals.resumed, &process->lock, WAITQ_FOREVER, false);

        assert(error == 0);
        exec_by = atomic_load(&process->exec_by);
    }
    spin_unlock_irq(&process->lock, irq);
    irq = spin_lock_irq(&family_lock);
    if (self->is_in_vfork) /* so the child is still there */
        child->creator_in_vfork = NULL;
    self->is_in_vfork = false;
    spin_unlock_irq(&family_lock, irq);
}

static enum signal_inherit actions_of_child(unsigned flags)
{
    if (flags & PROCESS_FORK_SHARE_ACTIONS)
        return SIGNAL_INHERIT_SHARE;
    return flags & PROCESS_FORK_CLEAR_ACTIONS ? SIGNAL_INHERIT_IGNORED : SIGNAL_INHERIT_COPY;
}

int process_fork(const struct lwp_start *start, unsigned flags, int exit_signal)
{
    struct user_lwp *self = user_lwp_current();
    struct process *parent = self->process;
    bool shares = flags & PROCESS_FORK_SHARE_SPACE;
    struct process *child = process_create(parent->name);
    struct user_lwp *first;
    int error, pid;

    if (child == NULL)
        return -ENOMEM;
    child->exit_signal = exit_signal;
    error = signal_process_init(child, parent, actions_of_child(flags));
    if (error == 0)
        error = give_space(child, shares ? space_get(parent->space) : space_clone(parent->space));
    inherit_image(child, parent);
    if (error == 0 && !shares)
        ustack_inherit(child, parent);
    if (error == 0)
        error = inherit_scope(child, parent);
    if (error == 0)
        error = inherit_files(child, parent);
    first = error == 0 ? user_lwp_create(child, start, &error) : NULL;
    if (first == NULL) {
        process_free(child);
        return error;
    }
    pid = first->tid;
    if (!shares || flags & PROCESS_FORK_WAIT)
        first->signals.stack = self->signals.stack;
    if (flags & PROCESS_FORK_WAIT) {
        child->creator_in_vfork = self;
        self->is_in_vfork = true;
    }
    adopt(parent, child, pid);
    sched_start(&first->lwp);
    if (flags & PROCESS_FORK_WAIT)
        wait_for_new_start(self, child);
    return pid;
}

/* ---- exec ----------------------------------------------------------------------------------- */

/* Makes the caller the only LWP. 0, or -EINTR: the process is ending, or another LWP was first. */
static int end_siblings(struct user_lwp *self)
{
    struct process *process = self->process;
    irq_state_t irq = spin_lock_irq(&process->lock);
    struct user_lwp *lwp;
    int error = process->is_ending || process->exec_by != NULL ? -EINTR : 0;

    if (error != 0) {
        spin_unlock_irq(&process->lock, irq);
        return error;
    }
    process->exec_by = self;
    list_for_each_entry (lwp, &process->lwps, link) {
        if (lwp != self)
            signal_interrupt(lwp);
    }
    waitq_wake_all(&process->signals.resumed);
    while (process->nr_present > 1 && !process->is_ending)
        error = waitq_sleep(&process->others_gone, &process->lock, WAITQ_FOREVER, false);
    if (process->is_ending) {
        process->exec_by = NULL;
        error = -EINTR;
    } else {
        process->status = 0; /* the exit code of a first LWP that has left is the old program's */
    }
    spin_unlock_irq(&process->lock, irq);
    return error;
}

/* The point of no return: the caller, alone, leaves the old image for the new. */
static void replace_image(struct user_lwp *self, struct space *space, const char *name,
                          const struct image_start *start)
{
    struct process *process = self->process;
    struct space *old = process->space;
    struct inode *old_file;
    irq_state_t irq;

    user_lwp_leaves_space();
    if (self->stack.low != 0)
        ustack_free(&self->stack);
    ustack_leave_space(process);
    user_lwp_reap_all(process);
    signal_exec(self);
    irq = spin_lock_irq(&process->lock);
    user_lwp_become_first(self);
    process_note_resident(process);
    process->space = space;
    old_file = process->image.file;
    process->image = start->image;
    process->nr_kept_stacks = 0;
    strlcpy(process->name, name, sizeof(process->name));
    strlcpy(self->lwp.name, name, sizeof(self->lwp.name));
    self->lwp.mmu = &space->mmu;
    mmu_switch(&space->mmu);
    process->exec_by = NULL;
    spin_unlock_irq(&process->lock, irq);
    space_put(old);
    image_put_file(old_file);
    context_restart(&self->lwp.context);
    trap_user_start(context_user_frame(&self->lwp.context), start->pc, start->sp, 0, 0);
    irq = irq_save();
    signal_interrupt(self); /* the new frame is loaded by trap_user_work()'s way to user mode */
    irq_restore(irq);
}

static void tell_parent_of_new_start(struct process *process)
{
    irq_state_t irq = spin_lock_irq(&family_lock);

    process->has_started_anew = true;
    process->exit_signal = SIGCHLD;
    let_creator_go(process);
    spin_unlock_irq(&family_lock, irq);
}

int process_exec(const char *path, const struct program_args *args)
{
    struct user_lwp *self = user_lwp_current();
    struct space *space = space_create();
    struct image_start start;
    struct inode *cwd;
    int error;

    if (space == NULL)
        return -ENOMEM;
    cwd = process_get_cwd(self->process);
    error = image_load(space, cwd, path, args, &start);
    inode_put(cwd);
    if (error == 0)
        error = signal_exec_prepare(self->process);
    if (error == 0)
        error = end_siblings(self);
    if (error != 0) {
        image_put_file(start.image.file);
        space_put(space);
        return error;
    }
    fd_table_close_on_exec(self->process->files);
    (void)credentials_exec(&self->process->credentials, start.set_bits, start.uid, start.gid);
    signal_timers_exec(self->process);
    replace_image(self, space, base_name(path), &start);
    tell_parent_of_new_start(self->process);
    return 0;
}
