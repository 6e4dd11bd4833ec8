#ifndef PROC_ID_H
#define PROC_ID_H

/*
 * Numbers of processes and LWPs: one space of numbers for both, system-wide. A number belongs to a
 * process, and to one of its LWPs as long as that exists (proc/id.c). While it names a process
 * group or a session it is not given out, whoever has had it. Any context; locks of smaller rank
 * than LOCK_RANK_ID_TABLE may be held.
 */

#include <kernel/types.h>

struct process;
struct user_lwp;

struct id_owner {
    struct process *process; /* NULL: it belongs to nobody */
    struct user_lwp *lwp;    /* NULL: only the process has the number */
};

/* Numbers go up to `max` (`tid_max=`). Once, while booting. 0 or -ENOMEM. */
int id_init(unsigned max) MUST_CHECK;

/* That max, and the number that was given out last. */
unsigned id_max(void);
unsigned id_last(void);

/* A free number >= 1 for `owner`, or -EAGAIN when all are taken, -ENOMEM. */
int id_alloc(struct id_owner owner) MUST_CHECK;

/*
 * Who has the number. What it returns may be gone at once unless the caller keeps it: holding the
 * process's lock keeps that process's LWPs.
 */
struct id_owner id_lookup(int id);

/* The least number from `from` on that an LWP has; 0: there is none. It may be gone at once. */
int id_next_lwp(int from);

void id_set_owner(int id, struct id_owner owner);

/* The owner is gone. The number is free unless it is in use as a name. */
void id_free(int id);

/* A process's group or session has the number for its name, and has it no longer. */
void id_use(int id);
void id_unuse(int id);

#endif
