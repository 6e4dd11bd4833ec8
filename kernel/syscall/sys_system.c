/* System calls about the system as a whole, and about what a process is called. */

#include <arch/cpu.h>
#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/loadavg.h>
#include <kernel/mount.h>
#include <kernel/string.h>
#include <kernel/utsname.h>
#include <linux/capability.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/sysinfo.h>
#include <mm/frame.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/report.h>
#include <sched/lwp.h>

#include "sys.h"

int64_t sys_uname(vaddr_t name_at)
{
    struct new_utsname name;

    utsname_get(&name);
    return user_copy_to(name_at, &name, sizeof(name));
}

/* The name that setting it is about: nr_bytes of user memory, without a NUL. 0 or -errno. */
static int read_name(char name[__NEW_UTS_LEN + 1], vaddr_t name_at, int nr_bytes)
{
    if (!credentials_are_root(credentials_current()))
        return -EPERM;
    if (nr_bytes < 0 || nr_bytes > __NEW_UTS_LEN)
        return -EINVAL;
    memset(name, 0, __NEW_UTS_LEN + 1);
    return user_copy_from(name, name_at, (size_t)nr_bytes);
}

int64_t sys_sethostname(vaddr_t name_at, int nr_bytes)
{
    char name[__NEW_UTS_LEN + 1];
    int error = read_name(name, name_at, nr_bytes);

    if (error == 0)
        utsname_set_host(name);
    return error;
}

int64_t sys_setdomainname(vaddr_t name_at, int nr_bytes)
{
    char name[__NEW_UTS_LEN + 1];
    int error = read_name(name, name_at, nr_bytes);

    if (error == 0)
        utsname_set_domain(name);
    return error;
}

int64_t sys_sysinfo(vaddr_t info_at)
{
    struct frame_stats frames = frame_get_stats();
    uint64_t average[3];
    struct sysinfo info;

    memset(&info, 0, sizeof(info));
    load_average(average);
    for (unsigned i = 0; i < 3; i++)
        info.loads[i] = average[i] << (SI_LOAD_SHIFT - LOAD_SHIFT);
    info.uptime = (__kernel_long_t)(clock_now_ns() / NSEC_PER_SEC);
    info.totalram = frames.nr_total * PAGE_SIZE;
    info.freeram = frames.nr_free * PAGE_SIZE;
    info.sharedram = tmpfs_nr_frames() * PAGE_SIZE;
    info.procs = (uint16_t)MIN(atomic_load(&nr_user_lwps), (unsigned)UINT16_MAX);
    info.mem_unit = 1;
    return user_copy_to(info_at, &info, sizeof(info));
}

int64_t sys_getcpu(vaddr_t cpu_at, vaddr_t node_at)
{
    unsigned cpu = cpu_id(), node = 0;

    if (cpu_at != 0 && user_copy_to(cpu_at, &cpu, sizeof(cpu)) != 0)
        return -EFAULT;
    if (node_at != 0 && user_copy_to(node_at, &node, sizeof(node)) != 0)
        return -EFAULT;
    return 0;
}

/* Every program upon glibc asks at its start, and does without. */
int64_t sys_rseq(void)
{
    return -ENOSYS;
}

#define PERSONALITY_ASK 0xffffffffu

/* There is one, PER_LINUX, and one flag of it, which says what is so anyway. */
int64_t sys_personality(unsigned personality)
{
    struct process_settings *settings = &process_current()->settings;
    unsigned old = settings->personality;

    if (personality != PERSONALITY_ASK && personality != PER_LINUX &&
        personality != ADDR_NO_RANDOMIZE)
        return -EINVAL;
    if (personality != PERSONALITY_ASK)
        settings->personality = personality;
    return old;
}

/* ---- prctl() -------------------------------------------------------------------------------- */

#define COMM_BYTES 16 /* as Linux: with the NUL; what is longer is cut */

static int64_t set_name(vaddr_t name_at)
{
    const struct user_lwp *self = user_lwp_current();
    char name[COMM_BYTES];
    int64_t length = user_copy_string(name, name_at, sizeof(name));

    if (length < 0 && length != -ENAMETOOLONG)
        return length;
    name[COMM_BYTES - 1] = '\0';
    return process_set_lwp_name(self->process->pid, self->tid, name);
}

static int64_t get_name(vaddr_t name_at)
{
    char name[COMM_BYTES] = {0};

    strlcpy(name, lwp_current()->name, sizeof(name));
    return user_copy_to(name_at, name, sizeof(name));
}

/* Nothing is inheritable, so nothing can be made ambient, and nothing is. */
static int64_t ambient_capabilities(uint64_t what, uint64_t capability, uint64_t c, uint64_t d)
{
    if (c != 0 || d != 0 || capability > (what == PR_CAP_AMBIENT_CLEAR_ALL ? 0 : CAP_LAST_CAP))
        return -EINVAL;
    switch (what) {
    case PR_CAP_AMBIENT_CLEAR_ALL:
    case PR_CAP_AMBIENT_IS_SET:
    case PR_CAP_AMBIENT_LOWER:
        return 0;
    case PR_CAP_AMBIENT_RAISE:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

static int64_t set_no_new_privileges(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    if (a != 1 || b != 0 || c != 0 || d != 0)
        return -EINVAL;
    process_current()->settings.gains_nothing = true;
    return 0;
}

/* The parent is the process: Linux looks at the thread that has made the child. */
static int64_t set_signal_at_end_of_parent(uint64_t signal)
{
    if (signal > SIGNAL_MAX)
        return -EINVAL;
    process_current()->settings.signal_at_end_of_parent = (int)signal;
    return 0;
}

int64_t sys_prctl(int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const struct process_settings *settings = &process_current()->settings;
    int is_set;

    switch (option) {
    case PR_SET_NAME:
        return set_name(a);
    case PR_GET_NAME:
        return get_name(a);
    case PR_GET_DUMPABLE: /* nobody is ever dumped, and everybody may be */
        return 1;
    case PR_SET_DUMPABLE:
        return a == 1 ? 0 : -EINVAL;
    case PR_SET_NO_NEW_PRIVS:
        return set_no_new_privileges(a, b, c, d);
    case PR_GET_NO_NEW_PRIVS:
        return a == 0 && b == 0 && c == 0 && d == 0 ? settings->gains_nothing : -EINVAL;
    case PR_SET_PDEATHSIG:
        return set_signal_at_end_of_parent(a);
    case PR_GET_PDEATHSIG:
        return user_copy_to(a, &settings->signal_at_end_of_parent, sizeof(int));
    case PR_SET_CHILD_SUBREAPER:
        process_current()->signals.is_heir = a != 0;
        return 0;
    case PR_GET_CHILD_SUBREAPER:
        is_set = process_current()->signals.is_heir;
        return user_copy_to(a, &is_set, sizeof(is_set));
    case PR_CAP_AMBIENT:
        return ambient_capabilities(a, b, c, d);
    case PR_GET_SECCOMP:
    case PR_GET_KEEPCAPS:
    case PR_GET_SECUREBITS:
        return 0;
    case PR_CAPBSET_READ: /* whoever is root has all that there are */
        return a <= CAP_LAST_CAP ? 1 : -EINVAL;
    default:
        return -EINVAL;
    }
}
