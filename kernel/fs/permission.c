/*
 * Who may do what to an inode.
 *
 * The mode's permissions are looked at as POSIX says: the owner's alone for the owner, else the
 * group's alone for who is in the group, else the others'. Whose fsuid is 0 passes everywhere, but
 * executes only what somebody may execute. What everybody may do is decided without looking whose
 * process it is: that is most of what a path leads through.
 */

#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/inotify.h>
#include <kernel/mount.h>
#include <kernel/vnode.h>
#include <linux/mount.h>
#include <linux/stat.h>

#define ALL_MAY(access) ((access)*0111u)

static bool is_read_only(const struct inode *inode)
{
    return atomic_load_explicit(&inode->mount->flags, memory_order_relaxed) & MS_RDONLY;
}

static bool is_supplementary(struct credentials *credentials, uint32_t gid)
{
    irq_state_t irq = spin_lock_irq(&credentials->lock);
    bool is_found = false;

    for (unsigned i = 0; i < credentials->nr_groups && !is_found; i++)
        is_found = credentials->groups[i] == gid;
    spin_unlock_irq(&credentials->lock, irq);
    return is_found;
}

/* What a mode lets a user do, as its lowest three bits. */
static unsigned allowed(const struct inode *inode, struct credentials *caller, bool as_real)
{
    uint32_t mode = inode->mode, gid = inode->gid;
    uint32_t own_uid = as_real ? caller->uid : caller->fsuid;
    uint32_t own_gid = as_real ? caller->gid : caller->fsgid;

    if (inode->uid == own_uid)
        return mode >> 6 & 7;
    if (own_gid == gid || is_supplementary(caller, gid))
        return mode >> 3 & 7;
    return mode & 7;
}

/* The permissions of the mode alone. */
static int check_mode(const struct inode *inode, unsigned access, bool as_real)
{
    struct credentials *caller = credentials_current();
    uint32_t mode = inode->mode, uid = as_real ? caller->uid : caller->fsuid;

    if (uid == 0)
        return (access & MAY_EXEC) && !inode_is_dir(inode) && (mode & 0111) == 0 ? -EACCES : 0;
    return (access & ~allowed(inode, caller, as_real)) == 0 ? 0 : -EACCES;
}

int inode_may(struct inode *inode, unsigned access)
{
    unsigned wanted = access & (MAY_READ | MAY_WRITE | MAY_EXEC);
    uint32_t mode = atomic_load_explicit(&inode->mode, memory_order_relaxed);

    /* Devices, FIFOs and sockets are written to without changing the file system. */
    if ((wanted & MAY_WRITE) && is_read_only(inode) &&
        (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
        return -EROFS;
    if (likely((mode & ALL_MAY(wanted)) == ALL_MAY(wanted)))
        return 0;
    return check_mode(inode, wanted, access & MAY_AS_REAL);
}

static bool is_owner(const struct inode *inode)
{
    const struct credentials *caller = credentials_current();

    return caller->fsuid == inode->uid || credentials_are_files_root(caller);
}

int inode_may_own(const struct inode *inode)
{
    if (is_read_only(inode))
        return -EROFS;
    return is_owner(inode) ? 0 : -EPERM;
}

int inode_may_remove(const struct inode *dir, const struct inode *victim)
{
    if ((dir->mode & S_ISVTX) && !is_owner(victim) && !is_owner(dir))
        return -EPERM;
    return victim->covered_by != NULL ? -EBUSY : 0;
}

/* ---- Changing it ---------------------------------------------------------------------------- */

/* Whether the mode and the owner, or the times, can be changed. 0, -EROFS, -EPERM. */
static int check_change(struct inode *inode, bool is_of_times)
{
    if (is_read_only(inode))
        return -EROFS;
    if (!is_of_times && inode->ops->keep_attributes != NULL) {
        inode->ops->refresh(inode);
        return 0;
    }
    return inode->ops->has_fixed_attributes ? -EPERM : 0;
}

/* Those of enum inode_attribute have been changed. Locked. */
static void keep_change(struct inode *inode, unsigned changed)
{
    inode_touch_changed(inode);
    if (inode->ops->keep_attributes != NULL)
        inode->ops->keep_attributes(inode, changed);
}

int inode_change_mode(struct inode *inode, uint32_t mode)
{
    struct credentials *caller = credentials_current();
    int error = check_change(inode, false);

    if (error == 0)
        error = inode_may_own(inode);
    if (error != 0)
        return error;
    mutex_lock(&inode->lock);
    /* Nobody makes a program run as a group that he is not in. */
    if (!credentials_are_files_root(caller) && !credentials_have_group(caller, inode->gid))
        mode &= ~(uint32_t)S_ISGID;
    inode->mode = (inode->mode & S_IFMT) | (mode & 07777);
    keep_change(inode, ATTRIBUTE_MODE);
    mutex_unlock(&inode->lock);
    inotify_happened(inode, IN_ATTRIB);
    return 0;
}

/* What is left of a file's mode when the caller gives it another owner or other contents. */
static uint32_t without_privileges(const struct inode *inode)
{
    struct credentials *caller = credentials_current();
    uint32_t mode = inode->mode;

    if (S_ISDIR(mode))
        return mode;
    if ((mode & S_IXGRP) ||
        !(credentials_are_files_root(caller) || credentials_have_group(caller, inode->gid)))
        mode &= ~(uint32_t)S_ISGID;
    return mode & ~(uint32_t)S_ISUID;
}

/*
 * The owner may give a file to another group that he is in; the rest is root's. Who changes
 * nothing, not even the mode, may. Locked.
 */
static bool may_change_owner(const struct inode *inode, uint32_t uid, uint32_t gid)
{
    struct credentials *caller = credentials_current();

    if (credentials_are_files_root(caller) ||
        (uid == UINT32_MAX && gid == UINT32_MAX && without_privileges(inode) == inode->mode))
        return true;
    if (caller->fsuid != inode->uid || (uid != UINT32_MAX && uid != inode->uid))
        return false;
    return gid == UINT32_MAX || gid == inode->gid || credentials_have_group(caller, gid);
}

/* Locked. */
static void set_owner(struct inode *inode, uint32_t uid, uint32_t gid)
{
    uint32_t old_mode = inode->mode;
    unsigned changed = 0;

    if (uid != UINT32_MAX) {
        inode->uid = uid;
        changed |= ATTRIBUTE_UID;
    }
    if (gid != UINT32_MAX) {
        inode->gid = gid;
        changed |= ATTRIBUTE_GID;
    }
    inode->mode = without_privileges(inode);
    if (inode->mode != old_mode)
        changed |= ATTRIBUTE_MODE;
    keep_change(inode, changed);
}

int inode_change_owner(struct inode *inode, uint32_t uid, uint32_t gid)
{
    int error = check_change(inode, false);

    if (error != 0)
        return error;
    mutex_lock(&inode->lock);
    if (may_change_owner(inode, uid, gid))
        set_owner(inode, uid, gid);
    else
        error = -EPERM;
    mutex_unlock(&inode->lock);
    if (error == 0)
        inotify_happened(inode, IN_ATTRIB);
    return error;
}

int inode_change_times(struct inode *inode, unsigned which, uint64_t accessed_ns,
                       uint64_t modified_ns)
{
    int error = check_change(inode, true);

    if (error == 0 && !is_owner(inode))
        error = which & SET_TO_NOW ? inode_may(inode, MAY_WRITE) : -EPERM;
    if (error != 0)
        return error;
    mutex_lock(&inode->lock);
    if (which & SET_ACCESSED)
        inode->accessed_ns = accessed_ns;
    if (which & SET_MODIFIED)
        inode->modified_ns = modified_ns;
    inode_touch_changed(inode);
    mutex_unlock(&inode->lock);
    which &= SET_ACCESSED | SET_MODIFIED;
    inotify_happened(inode, which == SET_ACCESSED   ? IN_ACCESS
                            : which == SET_MODIFIED ? IN_MODIFY
                                                    : IN_ATTRIB);
    return 0;
}

void inode_drop_privileges(struct inode *inode)
{
    if ((inode->mode & (S_ISUID | S_ISGID)) == 0 ||
        credentials_are_files_root(credentials_current()))
        return;
    mutex_lock(&inode->lock);
    inode->mode = without_privileges(inode);
    mutex_unlock(&inode->lock);
}

/* ---- Credentials ---------------------------------------------------------------------------- */

void credentials_init(struct credentials *credentials)
{
    *credentials = (struct credentials){.nr_groups = 0};
    spin_init(&credentials->lock, "credentials", LOCK_RANK_CREDENTIALS);
}

void credentials_copy(struct credentials *to, struct credentials *from)
{
    irq_state_t irq = spin_lock_irq(&from->lock);

    to->uid = from->uid;
    to->euid = from->euid;
    to->suid = from->suid;
    to->fsuid = from->fsuid;
    to->gid = from->gid;
    to->egid = from->egid;
    to->sgid = from->sgid;
    to->fsgid = from->fsgid;
    to->nr_groups = from->nr_groups;
    for (unsigned i = 0; i < from->nr_groups; i++)
        to->groups[i] = from->groups[i];
    spin_unlock_irq(&from->lock, irq);
}

bool credentials_have_group(struct credentials *credentials, uint32_t gid)
{
    return credentials->fsgid == gid || is_supplementary(credentials, gid);
}

bool credentials_exec(struct credentials *credentials, uint32_t set_bits, uint32_t uid,
                      uint32_t gid)
{
    irq_state_t irq = spin_lock_irq(&credentials->lock);
    bool is_more;

    if (set_bits & S_ISUID)
        credentials->euid = uid;
    if (set_bits & S_ISGID)
        credentials->egid = gid;
    credentials->suid = credentials->fsuid = credentials->euid;
    credentials->sgid = credentials->fsgid = credentials->egid;
    is_more = credentials->euid != credentials->uid || credentials->egid != credentials->gid;
    spin_unlock_irq(&credentials->lock, irq);
    return is_more;
}

bool credentials_may_signal(struct credentials *sender, struct credentials *target)
{
    return sender->euid == 0 || sender->euid == target->uid || sender->euid == target->suid ||
           sender->uid == target->uid || sender->uid == target->suid;
}
