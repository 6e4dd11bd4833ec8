/*
 * Reporting on processes, to whoever lists them.
 *
 * A report is a copy, made with the locks of the family and of the process held, so that it is of
 * one moment. What is larger than a copy (an address space, a file) is handed out with a reference.
 */

#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <proc/id.h>
#include <proc/process_impl.h>
#include <proc/report.h>
#include <sched/read.h>

/*
 * The process with that number, with its lock and the family's held until let_go(); NULL: there is
 * none, and nothing is held.
 */
static struct process *keep(int pid, irq_state_t *irq)
{
    struct process *process;

    *irq = spin_lock_irq(&family_lock);
    process = id_lookup(pid).process;
    if (process != NULL && process->pid == pid) {
        spin_lock(&process->lock);
        return process;
    }
    spin_unlock_irq(&family_lock, *irq);
    return NULL;
}

static void let_go(struct process *process, irq_state_t irq)
{
    spin_unlock(&process->lock);
    spin_unlock_irq(&family_lock, irq);
}

/* The LWP of that number that has not ended; NULL: none. Locked. */
static struct user_lwp *find_lwp(struct process *process, int tid)
{
    struct user_lwp *lwp;

    list_for_each_entry (lwp, &process->lwps, link) {
        if (lwp->tid == tid && !lwp->is_zombie)
            return lwp;
    }
    return NULL;
}

int process_next(int from)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;
    int least = 0;

    list_for_each_entry (process, &all_processes, all_link) {
        if (process->pid >= from && (least == 0 || process->pid < least))
            least = process->pid;
    }
    spin_unlock_irq(&family_lock, irq);
    return least;
}

int process_next_lwp(int pid, int from)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct user_lwp *lwp;
    int least = 0;

    if (process == NULL)
        return 0;
    list_for_each_entry (lwp, &process->lwps, link) {
        if (!lwp->is_zombie && lwp->tid >= from && (least == 0 || lwp->tid < least))
            least = lwp->tid;
    }
    let_go(process, irq);
    return least;
}

/* How many LWPs there are of processes whose real user that is, but for `except`. */
static uint64_t count_lwps_of(uint32_t uid, const struct process *except)
{
    irq_state_t irq = spin_lock_irq(&family_lock);
    struct process *process;
    uint64_t nr = 0;

    list_for_each_entry (process, &all_processes, all_link) {
        if (process->credentials.uid == uid && process != except)
            nr += __atomic_load_n(&process->nr_live, __ATOMIC_RELAXED);
    }
    spin_unlock_irq(&family_lock, irq);
    return nr;
}

/*
 * Whether the calling process's user has more than RLIMIT_NPROC says, with nr_more of them and
 * without those of the process `except`, unless that is NULL.
 */
static bool has_too_many_lwps(unsigned nr_more, const struct process *except)
{
    struct process *self = process_current();
    uint64_t limit = process_limit(self, RLIMIT_NPROC);
    uint32_t uid = self->credentials.uid;

    return limit != RLIM_INFINITY && uid != 0 && count_lwps_of(uid, except) + nr_more > limit;
}

/*
 * Who asks at the same time as others of his may get one too many, as on Linux. Root has no limit,
 * whoever's process he uses and whoever uses his.
 */
int process_check_nr_lwps(void)
{
    struct process *self = process_current();

    if (!credentials_are_root(&self->credentials) && has_too_many_lwps(1, NULL))
        return -EAGAIN;
    self->has_too_many_lwps = false;
    return 0;
}

/* As on Linux, those whom he gets by that do not count. */
void process_note_user(void)
{
    struct process *self = process_current();

    self->has_too_many_lwps = has_too_many_lwps(0, self);
}

int process_check_exec(void)
{
    struct process *self = process_current();

    if (self->has_too_many_lwps && has_too_many_lwps(0, NULL))
        return -EAGAIN;
    self->has_too_many_lwps = false;
    return 0;
}

/* ---- Usage ---------------------------------------------------------------------------------- */

static void add(struct process_usage *sum, const struct process_usage *more)
{
    sum->run_ns += more->run_ns;
    sum->nr_faults += more->nr_faults;
    sum->nr_waits += more->nr_waits;
    sum->nr_switches += more->nr_switches;
    sum->resident_max = MAX(sum->resident_max, more->resident_max);
}

static void add_lwp_usage(struct process_usage *usage, struct user_lwp *lwp)
{
    struct thrum_sched_lwp record = {0};

    sched_read_lwp(&lwp->lwp, &record);
    usage->run_ns += record.run_ns;
    usage->nr_switches += record.nr_switches;
    usage->nr_waits += __atomic_load_n(&lwp->lwp.nr_waits, __ATOMIC_RELAXED);
    usage->nr_faults += __atomic_load_n(&lwp->nr_faults, __ATOMIC_RELAXED);
}

/* Locked. */
static uint64_t resident_max(const struct process *process)
{
    uint64_t nr = process->space != NULL ? space_resident_max(process->space) : 0;

    return MAX(nr, process->resident_max);
}

void process_note_resident(struct process *process)
{
    process->resident_max = resident_max(process);
}

/* Locked. */
static void read_usage(struct process *process, struct process_usage *usage)
{
    struct user_lwp *lwp;

    *usage = (struct process_usage){process->run_ns, process->nr_faults, process->nr_waits,
                                    process->nr_switches, resident_max(process)};
    list_for_each_entry (lwp, &process->lwps, link) {
        if (!lwp->is_zombie)
            add_lwp_usage(usage, lwp);
    }
}

void process_usage(struct process *process, struct process_usage *usage)
{
    irq_state_t irq = spin_lock_irq(&process->lock);

    read_usage(process, usage);
    spin_unlock_irq(&process->lock, irq);
}

void process_children_usage(struct process *process, struct process_usage *usage)
{
    irq_state_t irq = spin_lock_irq(&process->lock);

    *usage = process->children_usage;
    spin_unlock_irq(&process->lock, irq);
}

void process_whole_usage(struct process *process, struct process_usage *usage)
{
    read_usage(process, usage);
    add(usage, &process->children_usage);
}

void process_inherit_usage(struct process *parent, struct process *child)
{
    struct process_usage usage;

    process_whole_usage(child, &usage);
    spin_lock(&parent->lock);
    add(&parent->children_usage, &usage);
    spin_unlock(&parent->lock);
}

/* ---- Reports -------------------------------------------------------------------------------- */

static unsigned rank_of_state(enum lwp_state state)
{
    return state == LWP_RUNNING ? 3 : state == LWP_READY ? 2 : state == LWP_BLOCKED ? 1 : 0;
}

void user_lwp_read(struct user_lwp *lwp, struct thrum_sched_lwp *record)
{
    sched_read_lwp(&lwp->lwp, record);
    record->tid = lwp->tid;
    record->pid = lwp->process->pid;
    if (record->state == THRUM_LWP_STATE_ZOMBIE && !lwp->is_zombie)
        record->state = THRUM_LWP_STATE_RUNNING;
}

/* What is the first LWP's, or `only`'s if that is not NULL. Locked. */
static void report_lwps(struct process *process, const struct user_lwp *only,
                        struct process_report *report)
{
    struct user_lwp *lwp;
    bool is_first = true;

    list_for_each_entry (lwp, &process->lwps, link) {
        struct thrum_sched_lwp record = {0};

        if (lwp->is_zombie)
            continue;
        report->nr_lwps++;
        if (only != NULL && lwp != only)
            continue;
        user_lwp_read(lwp, &record);
        if (is_first || rank_of_state(record.state) > rank_of_state(report->state)) {
            report->state = record.state;
            report->cpu = record.cpu;
        }
        if (is_first || lwp->tid == process->pid) {
            strlcpy(report->name, record.name, sizeof(report->name));
            report->nice = record.params.nice;
            report->affinity = record.affinity;
        }
        is_first = false;
    }
}

static void report_credentials(const struct process *process, struct process_report *report)
{
    const struct credentials *c = &process->credentials;
    const uint32_t uid[] = {c->uid, c->euid, c->suid, c->fsuid};
    const uint32_t gid[] = {c->gid, c->egid, c->sgid, c->fsgid};

    memcpy(report->uid, uid, sizeof(uid));
    memcpy(report->gid, gid, sizeof(gid));
    report->nr_groups = MIN(c->nr_groups, GROUPS_MAX);
    memcpy(report->groups, c->groups, sizeof(report->groups));
    report->umask = process->umask;
}

/* `lwp` may be NULL: there is none any more. */
static void report_signals(struct process *process, const struct user_lwp *lwp,
                           struct process_report *report)
{
    report->is_stopped = process->signals.stop_signal != 0;
    report->pending_shared = process->signals.pending.set;
    report->exit_signal = process->exit_signal;
    if (lwp == NULL)
        return;
    report->pending = lwp->signals.pending.set;
    report->blocked = lwp->signals.blocked;
    signal_read_actions(process, &report->ignored, &report->caught);
}

int process_report(int pid, int tid, struct process_report *report)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct user_lwp *only = process != NULL && tid != 0 ? find_lwp(process, tid) : NULL;

    memset(report, 0, sizeof(*report));
    if (process == NULL || (tid != 0 && only == NULL)) {
        if (process != NULL)
            let_go(process, irq);
        return -ESRCH;
    }
    report->pid = pid;
    report->parent = process->parent != NULL ? process->parent->pid : 0;
    report->group = process->group;
    report->session = process->session;
    report->status = process->status;
    report->started_ns = only != NULL ? only->started_ns : process->started_ns;
    report->state = process->is_zombie ? LWP_ZOMBIE : LWP_RUNNING;
    strlcpy(report->name, process->name, sizeof(report->name));
    report->args = process->image.args;
    report->environment = process->image.environment;
    report->strings_end = process->image.strings_end;
    report->auxv = process->image.auxv;
    report->auxv_end = process->image.auxv_end;
    report->settings = process->settings;
    report->children = process->children_usage;
    report_lwps(process, only, report);
    report_signals(process, only != NULL ? only : find_lwp(process, pid), report);
    process_terminal_of_session(process->session, &report->terminal, &report->terminal_group);
    report_credentials(process, report);
    report->space_resident_max = process->space != NULL ? space_resident_max(process->space) : 0;
    if (only != NULL)
        add_lwp_usage(&report->usage, only);
    else
        read_usage(process, &report->usage);
    let_go(process, irq);
    return 0;
}

int process_read_limits(int pid, struct rlimit limits[])
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);

    if (process == NULL)
        return -ESRCH;
    memcpy(limits, process->limits, sizeof(process->limits));
    let_go(process, irq);
    return 0;
}

int process_read_lwp(int pid, int tid, struct thrum_sched_lwp *record)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct user_lwp *lwp = process != NULL ? find_lwp(process, tid) : NULL;

    if (lwp != NULL) {
        memset(record, 0, sizeof(*record));
        user_lwp_read(lwp, record);
    }
    if (process != NULL)
        let_go(process, irq);
    return lwp != NULL ? 0 : -ESRCH;
}

int process_set_lwp_name(int pid, int tid, const char *name)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct user_lwp *lwp = process != NULL ? find_lwp(process, tid) : NULL;

    if (lwp != NULL)
        strlcpy(lwp->lwp.name, name, sizeof(lwp->lwp.name));
    if (lwp != NULL && tid == pid)
        strlcpy(process->name, name, sizeof(process->name));
    if (process != NULL)
        let_go(process, irq);
    return lwp != NULL ? 0 : -ESRCH;
}

int process_set_oom_score_adj(int pid, int score)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    int error = 0;

    if (process == NULL)
        return -ESRCH;
    if (score < process->settings.oom_score_adj && !credentials_are_root(credentials_current()))
        error = -EACCES;
    else
        process->settings.oom_score_adj = (int16_t)score;
    let_go(process, irq);
    return error;
}

/* ---- References ----------------------------------------------------------------------------- */

struct space *process_get_space(int pid)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct space *space = NULL;

    if (process == NULL)
        return NULL;
    if (process->space != NULL)
        space = space_get(process->space);
    let_go(process, irq);
    return space;
}

struct file *process_get_file(int pid, int fd)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct file *file = NULL;

    if (process == NULL)
        return NULL;
    if (process->files != NULL)
        file = fd_get_any(process->files, fd);
    let_go(process, irq);
    return file;
}

int process_next_fd(int pid, int fd)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    int next = -1;

    if (process == NULL)
        return -1;
    if (process->files != NULL)
        next = fd_next(process->files, fd);
    let_go(process, irq);
    return next;
}

struct inode *process_get_program(int pid)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct inode *inode = NULL;

    if (process == NULL)
        return NULL;
    if (process->image.file != NULL)
        inode = inode_get(process->image.file);
    let_go(process, irq);
    return inode;
}

struct inode *process_get_folder(int pid, bool is_root)
{
    irq_state_t irq;
    struct process *process = keep(pid, &irq);
    struct inode *inode = NULL;

    if (process == NULL)
        return NULL;
    if (process->cwd != NULL)
        inode = !is_root                ? process->cwd
                : process->root != NULL ? atomic_load(&process->root)
                                        : root_inode;
    if (inode != NULL)
        inode_get(inode);
    let_go(process, irq);
    return inode;
}
