#ifndef SCHED_TEAM_H
#define SCHED_TEAM_H

/*
 * Teams: the LWPs of a process of contention scope `process` (POSIX's word) share one entity, so
 * one quantum, one allotment and one share, and take turns in it by rr. A team is on one CPU at a
 * time and moves as a whole.
 */

#include <sched/lwp.h>

struct sched_team;

/* A team without LWPs that begins where the caller is, with its attributes; NULL: out of memory. */
struct sched_team *sched_team_new(void);

/* The team, which has no LWPs, asks for what the LWP does, and begins where that is. */
void sched_team_be_like(struct sched_team *team, struct lwp *lwp);

/* Gives back the team's share or what it was promised. */
void sched_team_give_back(struct sched_team *team);

/* The process has ended, or is about to, by its last LWP: what the team was promised is given back,
 * and it claims nothing more. */
void sched_team_close(struct sched_team *team);

/* No LWP belongs to it any more. NULL is harmless. */
void sched_team_free(struct sched_team *team);

/*
 * The LWP becomes one of the team, and gives back its share or what it was promised, or (NULL) goes
 * on alone, with what the team asks for but without its share or promise. Any state; the caller
 * keeps it from going away. An LWP is of one team only in its life. May be called with locks below
 * LOCK_RANK_SCHED_CONTROL held.
 */
void sched_lwp_set_team(struct lwp *lwp, struct sched_team *team);

/* What new processes begin with: whether they are teams. Set by presets. */
extern bool sched_new_processes_are_teams;

static inline bool unit_is_team(const struct sched_unit *unit)
{
    return unit->entity.group != NULL;
}

/* Whether it is a team that has been closed. sched_control_lock is held. */
bool unit_is_closed(const struct sched_unit *unit);

#endif
