#ifndef KERNEL_CREDENTIALS_H
#define KERNEL_CREDENTIALS_H

/*
 * Whose a process is: users and groups. All LWPs of a process have the same ones.
 *
 * Numbers are read singly without the lock; who has to see several of them as they were at one time
 * takes it. Root (0) may do everything; there is no further division into capabilities.
 */

#include <stdatomic.h>

#include <kernel/spinlock.h>
#include <kernel/types.h>

#define GROUPS_MAX 32 /* supplementary groups of a process */

struct credentials {
    struct spinlock lock;
    _Atomic uint32_t uid, euid, suid, fsuid; /* lock to write; real, effective, saved, files' */
    _Atomic uint32_t gid, egid, sgid, fsgid;
    unsigned nr_groups;          /* lock */
    uint32_t groups[GROUPS_MAX]; /* lock */
};

/* Those of root. */
void credentials_init(struct credentials *credentials);

/* A new process has its parent's. `from` may change meanwhile. */
void credentials_copy(struct credentials *to, struct credentials *from);

/* Whether a group is fsgid, or one of the supplementary groups. */
bool credentials_have_group(struct credentials *credentials, uint32_t gid);

/* Whether they may do what only root may. */
static inline bool credentials_are_root(const struct credentials *credentials)
{
    return atomic_load_explicit(&credentials->euid, memory_order_relaxed) == 0;
}

/* Whether they may do what only root may to files. */
static inline bool credentials_are_files_root(const struct credentials *credentials)
{
    return atomic_load_explicit(&credentials->fsuid, memory_order_relaxed) == 0;
}

/*
 * exec() of a program whose mode has S_ISUID or S_ISGID (0 otherwise): effective and saved numbers
 * become the file's. True: the program has got more than its caller has (AT_SECURE).
 */
bool credentials_exec(struct credentials *credentials, uint32_t set_bits, uint32_t uid,
                      uint32_t gid);

/* Whether a signal may be sent (kill(2)); SIGCONT within a session is not seen to here. */
bool credentials_may_signal(struct credentials *sender, struct credentials *target);

/* Supplied by proc/credentials.c: the calling process's; a kernel thread's are root's. */
struct credentials *credentials_current(void);

#endif
