/*
 * System calls about users and groups.
 *
 * A process has four numbers of either: real, effective, saved, and the file systems'. On Linux
 * each thread has its own, and a C library makes every thread of a process call; here they are the
 * process's, and calling several times does no harm.
 */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <linux/capability.h>
#include <mm/user_copy.h>
#include <proc/process.h>
#include <proc/report.h>

#include "sys.h"

#define STAYS UINT32_MAX /* -1 as an argument */

enum kind { USERS, GROUPS };

/* The four numbers of one kind. */
struct ids {
    uint32_t real, effective, saved, files;
};

static struct ids get_ids(const struct credentials *c, enum kind kind)
{
    if (kind == USERS)
        return (struct ids){c->uid, c->euid, c->suid, c->fsuid};
    return (struct ids){c->gid, c->egid, c->sgid, c->fsgid};
}

static void put_ids(struct credentials *c, enum kind kind, const struct ids *ids)
{
    if (kind == USERS) {
        c->uid = ids->real;
        c->euid = ids->effective;
        c->suid = ids->saved;
        c->fsuid = ids->files;
    } else {
        c->gid = ids->real;
        c->egid = ids->effective;
        c->sgid = ids->saved;
        c->fsgid = ids->files;
    }
}

/*
 * What a call makes of the numbers; `is_root`: it may do as it likes. 0 or -errno. A spinlock is
 * held.
 */
typedef int (*id_change)(struct ids *ids, bool is_root, const uint32_t wanted[3]);

static int64_t change(enum kind kind, id_change fn, uint32_t a, uint32_t b, uint32_t c)
{
    struct credentials *credentials = credentials_current();
    irq_state_t irq = spin_lock_irq(&credentials->lock);
    struct ids ids = get_ids(credentials, kind), old = ids;
    int error = fn(&ids, credentials_are_root(credentials), (const uint32_t[]){a, b, c});

    if (error == 0) {
        /* As on Linux: who becomes another is not the old parent's to end. */
        if (ids.effective != old.effective || ids.files != old.files)
            process_current()->settings.signal_at_end_of_parent = 0;
        put_ids(credentials, kind, &ids);
    }
    spin_unlock_irq(&credentials->lock, irq);
    if (error == 0 && kind == USERS && ids.real != old.real)
        process_note_user();
    return error;
}

/* ---- The changes ---------------------------------------------------------------------------- */

static int set(struct ids *ids, bool is_root, const uint32_t wanted[3])
{
    uint32_t id = wanted[0];

    if (id == STAYS)
        return -EINVAL;
    if (is_root)
        ids->real = ids->saved = id;
    else if (id != ids->real && id != ids->saved)
        return -EPERM;
    ids->effective = ids->files = id;
    return 0;
}

static int set_two(struct ids *ids, bool is_root, const uint32_t wanted[3])
{
    const struct ids old = *ids;
    uint32_t real = wanted[0], effective = wanted[1];

    if (real != STAYS && !is_root && real != old.real && real != old.effective)
        return -EPERM;
    if (effective != STAYS && !is_root && effective != old.real && effective != old.effective &&
        effective != old.saved)
        return -EPERM;
    if (real != STAYS)
        ids->real = real;
    if (effective != STAYS)
        ids->effective = effective;
    if (real != STAYS || (effective != STAYS && effective != old.real))
        ids->saved = ids->effective;
    ids->files = ids->effective;
    return 0;
}

static int set_three(struct ids *ids, bool is_root, const uint32_t wanted[3])
{
    const struct ids old = *ids;
    uint32_t *numbers[] = {&ids->real, &ids->effective, &ids->saved};

    for (unsigned i = 0; i < 3; i++) {
        if (wanted[i] == STAYS)
            continue;
        if (!is_root && wanted[i] != old.real && wanted[i] != old.effective &&
            wanted[i] != old.saved)
            return -EPERM;
        *numbers[i] = wanted[i];
    }
    ids->files = ids->effective;
    return 0;
}

/* What may not be leaves all as it was, and is no error. */
static int set_files(struct ids *ids, bool is_root, const uint32_t wanted[3])
{
    uint32_t id = wanted[0];

    if (id != STAYS && (is_root || id == ids->real || id == ids->effective || id == ids->saved))
        ids->files = id;
    return 0;
}

int64_t sys_setuid(uint32_t uid)
{
    return change(USERS, set, uid, 0, 0);
}

int64_t sys_setgid(uint32_t gid)
{
    return change(GROUPS, set, gid, 0, 0);
}

int64_t sys_setreuid(uint32_t uid, uint32_t euid)
{
    return change(USERS, set_two, uid, euid, 0);
}

int64_t sys_setregid(uint32_t gid, uint32_t egid)
{
    return change(GROUPS, set_two, gid, egid, 0);
}

int64_t sys_setresuid(uint32_t uid, uint32_t euid, uint32_t suid)
{
    return change(USERS, set_three, uid, euid, suid);
}

int64_t sys_setresgid(uint32_t gid, uint32_t egid, uint32_t sgid)
{
    return change(GROUPS, set_three, gid, egid, sgid);
}

int64_t sys_setfsuid(uint32_t uid)
{
    uint32_t old = credentials_current()->fsuid;

    (void)change(USERS, set_files, uid, 0, 0);
    return old;
}

int64_t sys_setfsgid(uint32_t gid)
{
    uint32_t old = credentials_current()->fsgid;

    (void)change(GROUPS, set_files, gid, 0, 0);
    return old;
}

/* ---- Asking --------------------------------------------------------------------------------- */

int64_t sys_getuid(void)
{
    return credentials_current()->uid;
}

int64_t sys_geteuid(void)
{
    return credentials_current()->euid;
}

int64_t sys_getgid(void)
{
    return credentials_current()->gid;
}

int64_t sys_getegid(void)
{
    return credentials_current()->egid;
}

static int64_t tell_three(enum kind kind, vaddr_t real_at, vaddr_t effective_at, vaddr_t saved_at)
{
    struct credentials *credentials = credentials_current();
    irq_state_t irq = spin_lock_irq(&credentials->lock);
    struct ids ids = get_ids(credentials, kind);

    spin_unlock_irq(&credentials->lock, irq);
    if (user_copy_to(real_at, &ids.real, sizeof(ids.real)) != 0 ||
        user_copy_to(effective_at, &ids.effective, sizeof(ids.effective)) != 0 ||
        user_copy_to(saved_at, &ids.saved, sizeof(ids.saved)) != 0)
        return -EFAULT;
    return 0;
}

int64_t sys_getresuid(vaddr_t uid_at, vaddr_t euid_at, vaddr_t suid_at)
{
    return tell_three(USERS, uid_at, euid_at, suid_at);
}

int64_t sys_getresgid(vaddr_t gid_at, vaddr_t egid_at, vaddr_t sgid_at)
{
    return tell_three(GROUPS, gid_at, egid_at, sgid_at);
}

/* ---- Supplementary groups ------------------------------------------------------------------- */

int64_t sys_getgroups(int nr_max, vaddr_t groups_at)
{
    struct credentials *credentials = credentials_current();
    uint32_t groups[GROUPS_MAX];
    unsigned nr;
    irq_state_t irq = spin_lock_irq(&credentials->lock);

    nr = credentials->nr_groups;
    for (unsigned i = 0; i < nr; i++)
        groups[i] = credentials->groups[i];
    spin_unlock_irq(&credentials->lock, irq);
    if (nr_max < 0 || (nr_max > 0 && (unsigned)nr_max < nr))
        return -EINVAL;
    if (nr_max > 0 && user_copy_to(groups_at, groups, nr * sizeof(groups[0])) != 0)
        return -EFAULT;
    return nr;
}

int64_t sys_setgroups(int nr, vaddr_t groups_at)
{
    struct credentials *credentials = credentials_current();
    uint32_t groups[GROUPS_MAX];
    irq_state_t irq;

    if (!credentials_are_root(credentials))
        return -EPERM;
    if (nr < 0 || nr > GROUPS_MAX)
        return -EINVAL;
    if (user_copy_from(groups, groups_at, (unsigned)nr * sizeof(groups[0])) != 0)
        return -EFAULT;
    irq = spin_lock_irq(&credentials->lock);
    credentials->nr_groups = (unsigned)nr;
    for (int i = 0; i < nr; i++)
        credentials->groups[i] = groups[i];
    spin_unlock_irq(&credentials->lock, irq);
    return 0;
}

/* ---- Capabilities: root has all of them, others none ----------------------------------------- */

#define ALL_CAPABILITIES ((1ull << (CAP_LAST_CAP + 1)) - 1)

struct capabilities {
    uint64_t effective, permitted;
};

static int get_capabilities(struct process *process, void *result)
{
    const struct credentials *c = &process->credentials;
    bool can_be_root = c->uid == 0 || c->euid == 0 || c->suid == 0;

    *(struct capabilities *)result = (struct capabilities){
        .effective = c->euid == 0 ? ALL_CAPABILITIES : 0,
        .permitted = can_be_root ? ALL_CAPABILITIES : 0,
    };
    return 0;
}

/* The header, and how many structures of data there are. Of another version Linux tells its own. */
static int read_header(vaddr_t header_at, struct __user_cap_header_struct *header, unsigned *nr)
{
    if (user_copy_from(header, header_at, sizeof(*header)) != 0)
        return -EFAULT;
    switch (header->version) {
    case _LINUX_CAPABILITY_VERSION_1:
        *nr = _LINUX_CAPABILITY_U32S_1;
        return 0;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3:
        *nr = _LINUX_CAPABILITY_U32S_3;
        return 0;
    default:
        header->version = _LINUX_CAPABILITY_VERSION_3;
        return user_copy_to(header_at, header, sizeof(*header)) != 0 ? -EFAULT : -EINVAL;
    }
}

int64_t sys_capget(vaddr_t header_at, vaddr_t data_at)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    struct capabilities has;
    unsigned nr;
    int error = read_header(header_at, &header, &nr);

    if (error == -EINVAL && data_at == 0)
        return 0; /* that is how to ask for the version */
    if (error != 0)
        return error;
    if (header.pid < 0)
        return -EINVAL;
    error = process_visit(header.pid, get_capabilities, &has);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < nr; i++)
        data[i] = (struct __user_cap_data_struct){.effective = (uint32_t)(has.effective >> 32 * i),
                                                  .permitted = (uint32_t)(has.permitted >> 32 * i)};
    return user_copy_to(data_at, data, nr * sizeof(data[0]));
}

/* They follow from the user: they can be set to nothing but what they are. */
int64_t sys_capset(vaddr_t header_at, vaddr_t data_at)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct capabilities has, wanted = {0};
    uint64_t inheritable = 0;
    unsigned nr;
    int error = read_header(header_at, &header, &nr);

    if (error != 0)
        return error;
    if (user_copy_from(data, data_at, nr * sizeof(data[0])) != 0)
        return -EFAULT;
    if (header.pid != 0 && header.pid != process_current()->pid)
        return -EPERM;
    for (unsigned i = 0; i < nr; i++) {
        wanted.effective |= (uint64_t)data[i].effective << 32 * i;
        wanted.permitted |= (uint64_t)data[i].permitted << 32 * i;
        inheritable |= (uint64_t)data[i].inheritable << 32 * i;
    }
    (void)get_capabilities(process_current(), &has);
    return wanted.effective == has.effective && wanted.permitted == has.permitted &&
                   inheritable == 0
               ? 0
               : -EPERM;
}
