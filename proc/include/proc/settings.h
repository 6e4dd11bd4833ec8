#ifndef PROC_SETTINGS_H
#define PROC_SETTINGS_H

/*
 * What a process is told to be, and its children are, too: prctl(), personality(), ioprio_set() and
 * /proc (proc/settings.c). Each number is read and written at once, by anybody who may.
 */

#include <kernel/types.h>

struct process;

struct process_settings {
    bool gains_nothing;          /* PR_SET_NO_NEW_PRIVS: exec heeds no S_ISUID and S_ISGID */
    uint16_t io_priority;        /* ioprio_set(); nothing is waited for, so it means nothing */
    int16_t oom_score_adj;       /* so does this: who touches too much is ended */
    uint32_t personality;        /* the flags; addresses are never random */
    int signal_at_end_of_parent; /* PR_SET_PDEATHSIG; 0: none. Not inherited */
};

void process_inherit_settings(struct process *child, const struct process *parent);

/* The process ends: its children get the signals that they have asked for. The family is locked. */
void process_tell_children_of_end(struct process *process);

/* Whether exec() by the caller, which may be a kernel thread, is to give nothing more. */
bool process_gains_nothing(void);

/* Of any process. 0, -EACCES: only root may lower it, -ESRCH. */
int process_set_oom_score_adj(int pid, int score) MUST_CHECK;

#endif
