/*
 * The protocol by which LWPs are asked to look at signals, and processes stop and go on, as
 * proc/signal/, trap_user_work() and sched/core.c have it.
 *
 * One process with NR_LWPS places for LWPs, and a sender outside of it, which posts at any time and
 * as often as it likes: a signal with a handler, which LWPs may block; one that stops; SIGCONT; and
 * with -DKILL SIGKILL. In user mode an LWP may block the first, let it through,
 * make another LWP, end, or sleep in a system call. So the search sees every order of the steps of
 * every program that there is for so many LWPs. With -DSTOPS nobody sends the first signal or sleeps,
 * which makes the search of more LWPs possible.
 *
 *     here                        there
 *     post, choose, pass_on       proc/signal/send.c: post(), choose(), signal_pass_on()
 *     signal_interrupt            the same: lwp->interrupt first, then sched_interrupt()
 *     sched_wake, sched_block     sched/core.c
 *     stop_begin, settle, go_on   proc/signal/stop.c: signal_stop_begin(), signal_stop_settle(), go_on()
 *     proctype lwp                its labels name the functions: trap_user_work(), take(), ...
 *     proctype interrupts         what the CPUs do by themselves: preempt, and take an IPI
 *
 * process->lock is a variable here (`lock`), since lwp->interrupt is set by who holds it and is
 * cleared by who does not: their steps mix. What C does under a run queue's lock is one step. An
 * LWP is off its CPU when it is blocked, woken or preempted; return_work, the CPU's, is then
 * anybody's, and an IPI that comes there later is not seen by it. Which CPU has it next is no
 * matter: switch_to() sets return_work there, if it has to.
 *
 * Left out: what a handler does; signals to one LWP, by an LWP of the process itself, or by an
 * interrupt on its own CPU; signalfd and sigtimedwait; deadly signals that wait for SIGCONT; orphaned
 * groups; exec and lwp_cancel (lwp.pml has these); and whether one that can go on does so in the end.
 *
 * What has to be so:
 *   - whoever does not run the last instructions of the way to user mode and has been asked
 *     (lwp->interrupt) will notice: return_work is set, an IPI is on its way, somebody is about to
 *     send one, or it is off its CPU (proctype monitor);
 *   - a signal that is pending, and that not every LWP blocks, has been seen by one of those that
 *     do not, or one of them has been asked (monitor);
 *   - a system call that was interrupted does not end before its LWP has looked (has_given_up);
 *   - while a process is stopped, no LWP is in user mode (stopped_is_stopped, monitor);
 *   - nr_to_stop is the number of LWPs that have to come there (locked);
 *   - while there is news of a stop or of a going on, an LWP is about to tell the parent (news that
 *     is replaced before is not told); and nobody sleeps for SIGCONT where it has come, or the process
 *     ends (monitor).
 *
 * -DMUTANT=n leaves one essential step out. The search has to find something wrong with each.
 */

#ifndef NR_LWPS
#define NR_LWPS 2
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

#ifdef STOPS
#define ONLY_STOPS true
#else
#define ONLY_STOPS false
#endif

#define NOBODY  255
#define OUTSIDE NR_LWPS /* the sender, as holder of the lock */

/* An LWP's place in its life, and in the scheduler. */
mtype = { UNUSED, ALIVE, LEAVING, GONE };
mtype = { RUNS, OFF, BLOCKED };
/* What signals->tell_parent may be. */
mtype = { NOTHING, CLD_STOPPED, CLD_CONTINUED };

mtype life[NR_LWPS] = UNUSED;
mtype state[NR_LWPS] = OFF;
bool interrupt[NR_LWPS]; /* lwp->interrupt */
bool return_work[NR_LWPS];
bool has_ipi[NR_LWPS];
bool is_interruptible[NR_LWPS];
bool sleeps_for_resumed[NR_LWPS];
bool blocks[NR_LWPS]; /* the signal that has a handler */
bool must_stop[NR_LWPS];
bool irqs_are_off[NR_LWPS];
bool in_user_mode[NR_LWPS];
bool is_asked[NR_LWPS];   /* signal_stop_begin() has yet to ask it */
bool has_given_up[NR_LWPS]; /* a system call, with a code that user mode must not see */
bool is_looking[NR_LWPS]; /* since it was not asked any more, and before it has seen all */
byte about_to_notify = NOBODY; /* between the two halves of signal_interrupt(); under the lock */

byte lock = NOBODY; /* process->lock: who has it */
bool is_pending, is_stop_pending;
bool is_ending, may_stop, is_stopping; /* stop_signal != 0 */
byte nr_to_stop;
mtype tell_parent = NOTHING;

hidden byte i, count; /* within one step only */

/* ---- The scheduler ------------------------------------------------------------------------------ */

/* Each of these is one step: the run queue's lock is held. */

inline sched_wake(who, only_interruptible, was_woken)
{
    was_woken = false;
    if
    :: state[who] == BLOCKED && (!only_interruptible || is_interruptible[who]) ->
        state[who] = OFF;
        is_interruptible[who] = false;
        has_given_up[who] = only_interruptible;
        was_woken = true
    :: else
    fi
}

/* The second half of signal_interrupt(). */
inline sched_interrupt(who, was_woken)
{
    sched_wake(who, true, was_woken);
    if
    :: was_woken || state[who] != RUNS
    :: else -> has_ipi[who] = true
    fi;
    was_woken = false
}

/* It goes on: switch_to(). */
inline switch_to(who)
{
    state[who] = RUNS;
    has_ipi[who] = false;
    return_work[who] = interrupt[who] && MUTANT != 5
}

inline sched_block(who, interruptible)
{
    if
    :: interruptible && interrupt[who] ->
        return_work[who] = return_work[who] || MUTANT != 4;
        has_given_up[who] = true
    :: else -> state[who] = BLOCKED; is_interruptible[who] = interruptible
    fi
}

/* waitq_wake_all(&signals->resumed) */
inline wake_resumed()
{
    for (i : 0 .. NR_LWPS - 1) {
        if
        :: sleeps_for_resumed[i] ->
            sleeps_for_resumed[i] = false;
            if
            :: state[i] == BLOCKED -> state[i] = OFF
            :: else
            fi
        :: else
        fi
    }
    i = 0
}

/* ---- Under process->lock ------------------------------------------------------------------------ */

inline locked()
{
    d_step {
        count = 0;
        for (i : 0 .. NR_LWPS - 1) {
            count = count + must_stop[i];
            assert(!must_stop[i] || (is_stopping && life[i] == ALIVE))
        }
        i = 0;
        assert(count == nr_to_stop);
        count = 0
    }
}

/* Opens an atomic sequence: what is done until others are asked, or the lock released, is one step. */
inline acquire(who)
{
    lock == NOBODY -> lock = who; locked()
}

inline release()
{
    locked();
    lock = NOBODY
}

/* By somebody else than `who`, with the lock: two steps, and others' between them. */
inline signal_interrupt(who, was_set)
{
    atomic {
        was_set = interrupt[who];
        interrupt[who] = true;
        if
        :: !was_set && MUTANT != 6 -> about_to_notify = who
        :: else
        fi;
        was_set = false
    };
    atomic {
        if
        :: about_to_notify != NOBODY -> sched_interrupt(about_to_notify, was_set)
        :: else
        fi;
        about_to_notify = NOBODY
    }
}

/* An LWP that takes it, any of them; NOBODY: there is none. */
inline choose(but, signal_may_be_blocked, taker)
{
    taker = NOBODY;
    for (i : 0 .. NR_LWPS - 1) {
        if
        :: i != but && life[i] == ALIVE && !(signal_may_be_blocked && blocks[i]) ->
            if
            :: taker = i
            :: taker != NOBODY /* the one before it stays */
            fi
        :: else
        fi
    }
    i = 0
}

/* stopped() */
inline stopped()
{
    tell_parent = CLD_STOPPED;
    if
    :: MUTANT != 7 -> wake_resumed()
    :: else
    fi
}

/* signal_stop_settle() */
inline settle(who)
{
    if
    :: must_stop[who] ->
        must_stop[who] = false;
        nr_to_stop--;
        if
        :: nr_to_stop == 0 -> stopped(); stopped_is_stopped()
        :: else
        fi
    :: else
    fi
}

inline stopped_is_stopped()
{
    for (i : 0 .. NR_LWPS - 1) {
        assert(!in_user_mode[i])
    }
    i = 0
}

inline go_on()
{
    if
    :: is_stopping ->
        tell_parent = (nr_to_stop == 0 -> CLD_CONTINUED : NOTHING);
        is_stopping = false;
        nr_to_stop = 0;
        for (i : 0 .. NR_LWPS - 1) {
            must_stop[i] = must_stop[i] && MUTANT == 8
        }
        i = 0;
        wake_resumed()
    :: else
    fi
}

/* process_end_locked(). Who is asked by it is so at once: lwp.pml has this in detail. */
inline process_end()
{
    is_ending = true;
    for (i : 0 .. NR_LWPS - 1) {
        if
        :: life[i] == ALIVE ->
            interrupt[i] = true;
            has_ipi[i] = has_ipi[i] || state[i] == RUNS;
            if
            :: state[i] == BLOCKED && is_interruptible[i] -> state[i] = OFF; has_given_up[i] = true
            :: else
            fi
        :: else
        fi
    }
    i = 0;
    wake_resumed()
}

/* ---- An LWP --------------------------------------------------------------------------------------- */

/* Interrupts may have come in, and somebody else have had the CPU, wherever this stands. */
#define ON_CPU(who) (state[who] == RUNS)

proctype lwp(byte self)
{
    byte other = NOBODY;
    bool was_set = false;

end_unused:
    life[self] == ALIVE; /* sched_start() */
    goto on_the_way;

user_mode:
    atomic {
        ON_CPU(self) ->
        if
        :: return_work[self] /* an interrupt has set it, and ends like a system call */
        :: !return_work[self] && !ONLY_STOPS -> goto set_mask
        :: !return_work[self] -> goto create
        :: !return_work[self] && !ONLY_STOPS -> goto sleep
        :: !return_work[self] -> goto leave
        fi
    };

on_the_way: /* interrupts are off: the end of a system call, or of an interrupt */
    atomic { ON_CPU(self) -> in_user_mode[self] = false; irqs_are_off[self] = true };
look_at_return_work:
    atomic {
        if
        :: return_work[self] -> return_work[self] = false
        :: else ->
            assert(!has_given_up[self]);
            irqs_are_off[self] = false;
            in_user_mode[self] = true;
            goto user_mode
        fi
    };
    if /* sched_preempt() */
    :: atomic { state[self] = OFF; has_ipi[self] = false; return_work[self] = false };
       ON_CPU(self)
    :: skip
    fi;
    atomic {
        if
        :: !interrupt[self] -> goto look_at_return_work
        :: interrupt[self] && MUTANT != 1 -> interrupt[self] = false; is_looking[self] = true
        :: interrupt[self] && MUTANT == 1 -> is_looking[self] = true /* cleared when all is done */
        fi
    };
    irqs_are_off[self] = false;
    ON_CPU(self);

take:
    atomic { /* signal_has_work(), without the lock */
        if
        :: is_ending || is_stopping || is_stop_pending || (is_pending && !blocks[self]) ||
           tell_parent != NOTHING
        :: else -> goto seen_all
        fi
    };
    atomic {
        acquire(self);
look_again:
        if
        :: is_ending -> release(); goto leave
        :: !is_ending && (is_stopping || tell_parent != NOTHING) -> goto stop_here
        :: else
        fi;
        if
        :: is_pending && !blocks[self] -> is_pending = false; goto look_again /* its handler runs */
        :: !(is_pending && !blocks[self]) && is_stop_pending ->
            is_stop_pending = false;
            may_stop = true;
            if
            :: release(); goto ask_for_orphans
            :: goto stop_by
            fi
        :: else -> release(); goto seen_all
        fi
    };
seen_all:
    atomic { /* finish_system_call() */
        has_given_up[self] = false;
        is_looking[self] = false;
        interrupt[self] = interrupt[self] && MUTANT != 1
    };
    goto on_the_way;

ask_for_orphans:
    skip;
    atomic {
        acquire(self);
stop_by:
        if
        :: !may_stop || is_ending || is_stopping -> goto look_again
        :: else -> is_stopping = true
        fi;
        for (i : 0 .. NR_LWPS - 1) { /* signal_stop_begin() */
            if
            :: life[i] == ALIVE ->
                must_stop[i] = true;
                nr_to_stop++;
                is_asked[i] = true
            :: else
            fi
        }
        i = 0;
        other = 0
    };
    do
    :: other == NR_LWPS -> break
    :: other < NR_LWPS && !is_asked[other] -> other++
    :: other < NR_LWPS && is_asked[other] ->
        if
        :: other != self -> signal_interrupt(other, was_set)
        :: else -> atomic { interrupt[self] = true; return_work[self] = true }
        fi;
        atomic { is_asked[other] = false; other++ }
    od;
    atomic { other = NOBODY; goto look_again };

    atomic {
        false; /* only by goto */
stop_here:
        if
        :: is_ending -> goto look_again
        :: else
        fi;
        settle(self);
        if
        :: tell_parent != NOTHING -> release(); goto tell
        :: tell_parent == NOTHING && is_stopping ->
            sleeps_for_resumed[self] = true;
            sched_block(self, false);
            release();
            goto stopped_now
        :: else -> goto look_again
        fi
    };
tell: /* signal_tell_parent(), with the locks of both in turn */
    ON_CPU(self);
    atomic { lock == NOBODY -> tell_parent = NOTHING };
stopped_now:
    ON_CPU(self);
    atomic { acquire(self); goto stop_here };

set_mask: /* signal_set_mask() */
    in_user_mode[self] = false;
    atomic {
        acquire(self);
        blocks[self] = !blocks[self];
        if
        :: !(blocks[self] && is_pending) || MUTANT == 2
        :: else -> choose(self, true, other)
        fi
    };
    if
    :: other != NOBODY -> signal_interrupt(other, was_set); other = NOBODY
    :: else
    fi;
    atomic {
        if
        :: (is_pending && !blocks[self]) || is_stop_pending ->
            interrupt[self] = true;
            return_work[self] = true
        :: else
        fi;
        release()
    };
    goto on_the_way;

create: /* user_lwp_create() */
    in_user_mode[self] = false;
    atomic {
        acquire(self);
        for (i : 0 .. NR_LWPS - 1) {
            if
            :: life[i] == UNUSED && !is_ending && other == NOBODY -> other = i
            :: else
            fi
        }
        i = 0;
        if
        :: other != NOBODY ->
            blocks[other] = blocks[self];
            if
            :: is_stopping -> /* signal_lwp_link() */
                must_stop[other] = true;
                nr_to_stop++;
                interrupt[other] = true
            :: else
            fi;
            life[other] = ALIVE
        :: else
        fi;
        other = NOBODY;
        release()
    };
    goto on_the_way;

sleep: /* in a system call; what it waits for may come, or not, but where that cannot be interrupted */
    atomic {
        in_user_mode[self] = false;
        if
        :: true -> sched_block(self, true)
        :: true -> sched_block(self, false)
        fi
    };
    goto on_the_way;

leave: /* user_lwp_exit(), signal_lwp_leaves() */
    atomic { in_user_mode[self] = false; ON_CPU(self) };
    atomic {
        acquire(self);
        life[self] = LEAVING;
        is_looking[self] = false;
        settle(self);
        if
        :: is_pending && !blocks[self] && MUTANT != 3 -> choose(self, true, other)
        :: else
        fi
    };
    if
    :: other != NOBODY -> signal_interrupt(other, was_set)
    :: else
    fi;
    atomic {
        other = NOBODY;
        if
        :: is_stop_pending && MUTANT != 3 -> choose(self, false, other)
        :: else
        fi
    };
    if
    :: other != NOBODY -> signal_interrupt(other, was_set)
    :: else
    fi;
    atomic {
        life[self] = GONE;
        release();
        other = NOBODY; /* what nobody looks at any more makes no states */
        state[self] = OFF;
        interrupt[self] = false;
        return_work[self] = false;
        has_ipi[self] = false;
        has_given_up[self] = false;
        blocks[self] = false;
        irqs_are_off[self] = false
    };
end_gone:
    false
}

/* ---- The rest of the world ------------------------------------------------------------------------ */

proctype sender()
{
    byte taker = NOBODY;
    bool was_set = false;

end_sender:
    atomic {
        !is_ending && lock == NOBODY -> lock = OUTSIDE; locked();
        if
        :: !is_pending && !ONLY_STOPS -> /* one with a handler */
            choose(NOBODY, true, taker);
            is_pending = true
        :: !is_stop_pending -> /* SIGTSTP */
            choose(NOBODY, false, taker);
            is_stop_pending = true
        :: is_stopping || is_stop_pending || may_stop -> /* SIGCONT */
            is_stop_pending = false;
            may_stop = false;
            go_on()
#ifdef KILL
        :: process_end()
#endif
        fi
    };
    if
    :: taker != NOBODY -> signal_interrupt(taker, was_set); taker = NOBODY
    :: else
    fi;
    atomic { release(); goto end_sender }
}

/* What happens to LWPs without their doing. Under the lock nothing does: interrupts are off. */
proctype interrupts(byte who)
{
end_interrupts:
    do
    :: atomic { has_ipi[who] && state[who] == RUNS && !irqs_are_off[who] && lock != who ->
           has_ipi[who] = false; return_work[who] = true }
    :: atomic { state[who] == RUNS && !irqs_are_off[who] && lock != who && life[who] == ALIVE ->
           state[who] = OFF; has_ipi[who] = false; return_work[who] = false }
    :: atomic { state[who] == OFF && life[who] == ALIVE -> switch_to(who) }
    :: atomic { state[who] == BLOCKED && !sleeps_for_resumed[who] && life[who] == ALIVE ->
           state[who] = OFF; is_interruptible[who] = false } /* what it waits for has come */
    od
}

/* On its last instructions before user mode, nobody interrupts it: what comes then is seen after. */
#define WILL_NOTICE(who) (!interrupt[who] || life[who] != ALIVE || state[who] != RUNS || \
    return_work[who] || has_ipi[who] || about_to_notify == who || is_looking[who] || \
    irqs_are_off[who])
#define SEES(who) (life[who] == ALIVE && (interrupt[who] || is_looking[who]))

/* Of three LWPs; where there are fewer, one is asked about twice. */
#define FIRST 0
#define OTHER (NR_LWPS / 2)
#define LAST  (NR_LWPS - 1)
#define SOME(what) (what(FIRST) || what(OTHER) || what(LAST))

#define FORGETS(who)   (!WILL_NOTICE(who))
#define LIVES(who)     (life[who] == ALIVE)
#define MAY_TAKE(who)  (life[who] == ALIVE && !blocks[who])
#define WILL_TAKE(who) (SEES(who) && !blocks[who])
#define STAYS(who)     sleeps_for_resumed[who]
#define TELLS(who)     (SEES(who) && !sleeps_for_resumed[who])
#define USES_CPU(who)  in_user_mode[who]

proctype monitor()
{
end_monitor:
    if
    :: atomic { SOME(FORGETS) -> assert(false) }
    :: atomic { lock == NOBODY && !is_ending && is_pending && SOME(MAY_TAKE) && !SOME(WILL_TAKE) ->
           assert(false) }
    :: atomic { lock == NOBODY && !is_ending && is_stop_pending && SOME(LIVES) && !SOME(SEES) ->
           assert(false) }
    :: atomic { lock == NOBODY && !is_ending && tell_parent != NOTHING && SOME(LIVES) &&
           !SOME(TELLS) -> assert(false) }
    :: atomic { lock == NOBODY && is_stopping && nr_to_stop == 0 && SOME(USES_CPU) ->
           assert(false) }
    :: atomic { lock == NOBODY && (is_ending || !is_stopping) && SOME(STAYS) ->
           assert(false) }
    fi
}

init {
    atomic {
        life[0] = ALIVE;
        for (i : 0 .. NR_LWPS - 1) {
            run lwp(i);
            run interrupts(i)
        }
        i = 0;
        run sender();
        run monitor()
    }
}
