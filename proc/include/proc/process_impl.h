#ifndef PROC_PROCESS_IMPL_H
#define PROC_PROCESS_IMPL_H

/* Within proc/ only. */

#include <proc/process.h>

/* Guards what has the letter f in <proc/process.h>, and this list. */
extern struct spinlock family_lock;
extern struct list all_processes;

/* Whether `pid` means `process`, as process_wait() takes it. The family's lock is held. */
bool process_is_meant(const struct process *process, int pid);

/*
 * Sets the group or session of a process, *name, to `id` (0: none). A number that names one is not
 * given out again. family_lock is held.
 */
void process_set_name(int *name, int id);

/* As process_end(), with process->lock held. */
void process_end_locked(struct process *process, int status);

/* The LWP that runs on this CPU; NULL: none of a process does. Any context. */
struct user_lwp *user_lwp_running(void);

/* What a child has used, and its children, counts among what the parent's have. It has ended. */
void process_inherit_usage(struct process *parent, struct process *child);

/* A process's usage and that of its children. Its lock is held, or it is nobody's any more. */
void process_whole_usage(struct process *process, struct process_usage *usage);

/* It is about to leave its address space. Locked. */
void process_note_resident(struct process *process);

/* Once, while booting. */
void user_lwp_init(void);

/* The caller, the only LWP left, is the first LWP of a new program. The process's lock is held. */
void user_lwp_become_first(struct user_lwp *self);

/* Gives back all LWPs of `process` that have ended; the caller is its last one. */
void user_lwp_reap_all(struct process *process);

/* What the last LWP has to do before it ends; may sleep. Interrupts are on. */
void process_clear_up(struct process *process);

/* The last LWP is off its stack: the process is a zombie now. Interrupts are off, no lock is held.
 */
void process_has_gone(struct process *process);

/* Credentials, root and umask are the parent's, or those of the first process (NULL). */
void process_inherit_credentials(struct process *child, struct process *parent);

#endif
