/*
 * The protocol by which LWPs of a process come and end, as proc/lwp.c and proc/process.c have it.
 *
 * One process with NR_LWPS places for LWPs, and its parent. In user mode every LWP makes any system
 * call at any time, as often as it likes. So the search sees every program that there is for so
 * many LWPs, and every order of its steps. With -DREUSE a structure that was given back is used
 * again; else each is used once, which makes the search of more LWPs possible. With -DKILL the
 * parent kills the process at some time, and then LWPs may also sleep for what never comes;
 * without it nobody comes to the help of an LWP that was not woken.
 *
 *     here                              there
 *     begin_sleep, end_sleep, wake_all  kernel/sync/waitq.c: waitq_sleep(), waitq_wake_all()
 *     sched_wake, set_interrupt         sched/core.c: sched_wake(), sched_interrupt()
 *     reap, find_cycle, find_zombie     proc/lwp.c: reap(), is_cycle(), reap_one()
 *     process_end                       proc/process.c
 *     proctype lwp                      one LWP; its labels and comments name the functions
 *     proctype parent                   process_kill(), then process_wait()
 *
 * What C does with process->lock held is one atomic sequence here, which `locked` opens; so is what
 * it does with family_lock held. Where waitq_sleep() releases the guard the sequence ends, and the
 * next one is what is done when the guard is held again. A goto from one sequence into another keeps
 * the lock; `skip` between them is where it is released.
 *
 * User mode may make another system call before it notices an interrupt. That is more than the
 * kernel allows, and does no harm. Left out: memory, user stacks, other processes (fork makes a
 * process of its own, with this same protocol), deferred cancellation (an LWP that holds it off is
 * one that has not been cancelled yet), and whether an LWP that can go on does so in the end.
 *
 * What has to be so:
 *   - no wake-up is lost, and nobody waits for ever: there is no state in which nothing can happen,
 *     but the one in which the process has been waited for and every place is unused;
 *   - an LWP is reaped once, after its end (reap); the process becomes a zombie once, when all have
 *     been reaped and all they had was given back (parent), and is not touched afterwards (locked);
 *   - a join returns after the LWP's end, with its value, to the one who claimed it (label `ended`);
 *   - an LWP that is detached does not stay as a zombie, and the counts are right (locked);
 *   - of two execs one wins, and it is alone when it replaces the image (user_lwp_become_first).
 *
 * -DMUTANT=n leaves one essential step out. The search has to find something wrong with each.
 */

#ifndef NR_LWPS
#define NR_LWPS 3
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

#define PID    0 /* the number of the first LWP; the others have 1 to NR_LWPS - 1 */
#define NOBODY 255
#define PARENT NR_LWPS

/* What one may wait for; below these, the end of the LWP in that place. */
#define OTHERS_GONE NR_LWPS
#define CHILD_ENDED (NR_LWPS + 1)
#define SOMETHING   (NR_LWPS + 2) /* a pipe, a futex, a time: whatever is not about LWPs */
#define NOTHING     (NR_LWPS + 3)

/* enum lwp_state. READY and RUNNING are one: spin decides who runs. FREE: no structure; REAPED: no
 * more. */
mtype = { FREE, NEW, READY, BLOCKED, ZOMBIE, REAPED };
#ifdef REUSE
#define FREED FREE
#else
#define FREED REAPED
#endif

/* struct lwp, struct user_lwp and struct waiter. The last place is the parent's. */
mtype state[NR_LWPS + 1] = FREE;
bool interrupt[NR_LWPS + 1];
bool is_interruptible[NR_LWPS + 1];
bool is_woken[NR_LWPS + 1];
byte waits_for[NR_LWPS + 1] = NOTHING;
byte tid[NR_LWPS] = NOBODY; /* NOBODY: not linked to the process */
bool is_detached[NR_LWPS];
bool is_cancelled[NR_LWPS];
bool is_zombie[NR_LWPS];
bool has_kstack[NR_LWPS];
byte value[NR_LWPS];
byte joiner[NR_LWPS] = NOBODY;
byte joining[NR_LWPS] = NOBODY;

/* struct process. */
byte owner[NR_LWPS] = NOBODY; /* proc/id.c: the LWP that has a number */
byte nr_live, nr_present;
bool is_ending, has_space = true, process_is_zombie, process_is_freed;
byte exec_by = NOBODY;

#ifdef KILL
#define MAY_HANG true
#else
#define MAY_HANG false
#endif

hidden byte i, count; /* within one step only */

/* ---- Waiting and waking ---------------------------------------------------------------------- */

inline sched_wake(who, only_interruptible)
{
    if
    :: state[who] == BLOCKED && (!only_interruptible || is_interruptible[who]) -> state[who] = READY
    :: else
    fi
}

inline set_interrupt(who)
{
    interrupt[who] = true;
    if
    :: MUTANT != 13 -> sched_wake(who, true)
    :: else
    fi
}

/* Up to where the guard is released. */
inline begin_sleep(who, what, interruptible)
{
    waits_for[who] = what;
    is_woken[who] = false;
    is_interruptible[who] = interruptible;
    if
    :: interruptible && interrupt[who]
    :: else -> state[who] = BLOCKED
    fi
}

/* From where the guard is held again. */
inline end_sleep(who, is_eintr)
{
    is_eintr = !is_woken[who] && is_interruptible[who];
    waits_for[who] = NOTHING;
    is_woken[who] = false;
    is_interruptible[who] = false
}

inline wake_all(what)
{
    for (i : 0 .. NR_LWPS) {
        if
        :: waits_for[i] == what -> waits_for[i] = NOTHING; is_woken[i] = true; sched_wake(i, false)
        :: else
        fi
    }
    i = 0
}

/* ---- LWPs and their process ------------------------------------------------------------------ */

/* process->lock has been taken: what it guards is as it should be. */
inline locked()
{
    d_step {
    assert(!process_is_freed && !process_is_zombie);
    count = 0;
    for (i : 0 .. NR_LWPS - 1) {
        assert(!is_zombie[i] || (state[i] == ZOMBIE && !has_kstack[i] && !is_detached[i]));
        assert(tid[i] == NOBODY || owner[tid[i]] == i);
        count = count + (tid[i] != NOBODY && !is_zombie[i])
    }
    i = 0;
    assert(count == nr_present && nr_live <= nr_present)
    }
}

inline reap(who)
{
    assert(state[who] == ZOMBIE && is_zombie[who] && !has_kstack[who] && owner[tid[who]] == who);
    owner[tid[who]] = NOBODY;
    tid[who] = NOBODY;
    is_zombie[who] = false;
    is_detached[who] = false;
    is_cancelled[who] = false;
    interrupt[who] = false;
    joiner[who] = NOBODY;
    value[who] = 0;
    state[who] = FREED
}

/* Sets `who`; NOBODY: there is none. */
inline find_zombie(who)
{
    who = NOBODY;
    for (i : 0 .. NR_LWPS - 1) {
        if
        :: is_zombie[i] -> who = i
        :: else
        fi
    }
    i = 0
}

inline process_end()
{
    if
    :: is_ending
    :: else ->
        is_ending = true;
        for (i : 0 .. NR_LWPS - 1) {
            if
            :: tid[i] != NOBODY -> set_interrupt(i)
            :: else
            fi
        }
        wake_all(OTHERS_GONE)
    fi
}

/* Whether waiting for `target` would wait for `self`. */
inline find_cycle(target, is_cycle)
{
    i = target;
    do
    :: i == NOBODY || i == self -> break
    :: else -> i = joining[i]
    od;
    is_cycle = (i == self);
    i = 0
}

proctype lwp(byte self)
{
    byte target = NOBODY;
    byte number = 0;
    bool failed = false, is_last = false;

end_unused:
    state[self] == READY; /* sched_start() */

user_mode:
    skip;
    atomic {
        if
        :: interrupt[self] -> goto trap_user_work
        :: goto user_lwp_create
        :: goto user_lwp_join
        :: goto user_lwp_detach
        :: goto user_lwp_cancel
        :: goto end_siblings /* exec */
        :: goto sys_exit_group
        :: MAY_HANG -> goto sleep
        :: goto user_lwp_exit
        fi
    };

trap_user_work:
    atomic {
        if
        :: MUTANT != 1 -> interrupt[self] = false
        :: else /* the flag goes after the look, and with it what came between */
        fi
    };
    atomic {
        if
        :: is_ending || (exec_by != NOBODY && exec_by != self) || is_cancelled[self] ->
            goto leave
        :: else
        fi
    };
    atomic {
        if
        :: MUTANT == 1 -> interrupt[self] = false
        :: else
        fi;
        goto user_mode
    };
leave:
    skip;
    goto user_lwp_exit;

sleep: /* interruptibly, in any other system call */
    atomic { begin_sleep(self, SOMETHING, true) };
    atomic { state[self] == READY -> end_sleep(self, failed); failed = false; goto user_mode };

sys_exit_group:
    atomic { locked(); process_end(); goto user_mode };

user_lwp_create:
    atomic { /* user_lwp_alloc(): no lock, but a structure of its own */
        for (i : 0 .. NR_LWPS - 1) {
            if
            :: state[i] == FREE && target == NOBODY -> target = i
            :: else
            fi
        }
        i = 0;
        if
        :: target == NOBODY -> goto user_mode /* -ENOMEM */
        :: else -> state[target] = NEW; has_kstack[target] = true
        fi
    };
    atomic { /* link_to_process() */
        locked();
        number = 1;
        do
        :: number < NR_LWPS && owner[number] != NOBODY -> number++
        :: else -> break
        od;
        if
        :: number == NR_LWPS || is_ending || (exec_by != NOBODY && MUTANT != 2) ->
            has_kstack[target] = false; /* user_lwp_publish() */
            state[target] = FREE;
            target = NOBODY;
            number = 0;
            goto user_mode
        :: else ->
            owner[number] = target;
            tid[target] = number;
            number = 0;
            nr_live++;
            nr_present++;
            if
            :: is_detached[target] = true
            :: skip
            fi
        fi
    };
    atomic { state[target] = READY; target = NOBODY; goto user_mode }; /* sched_start() */

user_lwp_join:
    atomic {
        locked();
        select(number : 0 .. NR_LWPS - 1);
        target = owner[number]; /* claim() */
        number = 0;
        if
        :: target == NOBODY || is_detached[target] -> target = NOBODY; goto user_mode
        :: else
        fi;
        find_cycle(target, failed);
        if
        :: failed || joiner[target] != NOBODY ->
            target = NOBODY;
            failed = false;
            goto user_mode
        :: else -> joiner[target] = self; joining[self] = target
        fi;
wait_for_end:
        if
        :: is_zombie[target] || failed -> goto ended
        :: else ->
            if
            :: MUTANT == 3 -> goto sleep_without_guard
            :: else -> begin_sleep(self, target, true); goto sleeping
            fi
        fi
    };
sleep_without_guard: /* the lock was released too early */
    skip;
    atomic { begin_sleep(self, target, true) };
sleeping:
    atomic {
        state[self] == READY -> end_sleep(self, failed);
        if
        :: MUTANT == 4 -> failed = false /* whoever goes on takes the LWP for ended */
        :: else -> goto wait_for_end
        fi;
ended:
        joining[self] = NOBODY;
        assert(joiner[target] == self);
        if
        :: !failed ->
            assert(is_zombie[target] && value[target] == target + 1);
            failed = true /* user_copy_to(), without the lock */
        :: !failed -> assert(is_zombie[target] && value[target] == target + 1)
        :: else
        fi
    };
    atomic {
        locked();
        assert(joiner[target] == self);
        if
        :: !failed -> reap(target)
        :: failed && MUTANT != 5 -> joiner[target] = NOBODY
        :: failed && MUTANT == 5 /* the claim stays */
        fi;
        target = NOBODY;
        failed = false;
        goto user_mode
    };

user_lwp_detach:
    atomic {
        locked();
        select(number : 0 .. NR_LWPS - 1);
        target = owner[number];
        number = 0;
        if
        :: target == NOBODY
        :: target != NOBODY && (is_detached[target] || (joiner[target] != NOBODY && MUTANT != 6))
        :: else ->
            if
            :: is_zombie[target] && MUTANT != 7 -> reap(target)
            :: else -> is_detached[target] = true
            fi
        fi;
        target = NOBODY;
        goto user_mode
    };

user_lwp_cancel:
    atomic {
        locked();
        select(number : 0 .. NR_LWPS - 1);
        target = owner[number];
        number = 0;
        if
        :: target != NOBODY && !is_zombie[target] ->
            is_cancelled[target] = true;
            set_interrupt(target)
        :: else
        fi;
        target = NOBODY;
        goto user_mode
    };

end_siblings:
    atomic {
        locked();
        if
        :: is_ending || (exec_by != NOBODY && MUTANT != 8) -> goto user_mode
        :: else -> exec_by = self
        fi;
        for (i : 0 .. NR_LWPS - 1) {
            if
            :: tid[i] != NOBODY && i != self -> set_interrupt(i)
            :: else
            fi
        }
        i = 0;
wait_for_siblings:
        if
        :: is_ending -> exec_by = NOBODY; goto user_mode
        :: !is_ending && nr_present > 1 -> begin_sleep(self, OTHERS_GONE, false)
        :: else -> goto replace_image
        fi
    };
    atomic { state[self] == READY -> end_sleep(self, failed); goto wait_for_siblings };

replace_image:
    skip;
    atomic { /* user_lwp_reap_all() */
        locked();
        find_zombie(target);
        if
        :: target != NOBODY ->
            assert(joiner[target] == NOBODY);
            reap(target);
            target = NOBODY;
            goto replace_image
        :: else
        fi
    };
    atomic { /* user_lwp_become_first() */
        locked();
        assert(exec_by == self && nr_live == 1 && nr_present == 1 && has_space);
        owner[tid[self]] = NOBODY;
        tid[self] = PID;
        owner[PID] = self;
        is_detached[self] = false;
        is_cancelled[self] = false;
        exec_by = NOBODY;
        goto user_mode
    };

user_lwp_exit:
    atomic { /* begin_end() */
        locked();
        value[self] = self + 1;
        nr_live--;
        if
        :: nr_live > 0 -> goto off_the_stack
        :: else
        fi
    };
    atomic { /* process_clear_up() */
        locked();
        is_ending = true;
wait_for_others:
        if
        :: nr_present > 1 && MUTANT != 9 -> begin_sleep(self, OTHERS_GONE, false)
        :: else -> goto clear_up
        fi
    };
    atomic { state[self] == READY -> end_sleep(self, failed); goto wait_for_others };
clear_up:
    skip;
    atomic { /* user_lwp_reap_all() */
        locked();
        find_zombie(target);
        if
        :: target != NOBODY ->
            assert(joiner[target] == NOBODY);
            reap(target);
            target = NOBODY;
            goto clear_up
        :: else -> assert(has_space); has_space = false
        fi
    };

off_the_stack:
    skip;
    atomic { assert(state[self] == READY && has_kstack[self]); state[self] = ZOMBIE }; /* sched_exit() */
    atomic { /* user_lwp_exited(), done by whoever has the CPU next */
        locked();
        has_kstack[self] = false;
        if
        :: MUTANT == 10 -> wake_all(self) /* the joiner is woken, and the lock released, too early */
        :: else -> goto exited
        fi
    };
    atomic {
        locked();
exited:
        is_zombie[self] = true;
        nr_present--;
        is_last = (nr_present == 0);
        if
        :: MUTANT != 10 -> wake_all(self)
        :: else
        fi;
        if
        :: nr_live == 0 || (exec_by != NOBODY && MUTANT != 11) -> wake_all(OTHERS_GONE)
        :: else
        fi;
        if
        :: (is_last && MUTANT != 12) || (is_detached[self] && joiner[self] == NOBODY) -> reap(self)
        :: else
        fi;
        if
        :: is_last -> goto process_has_gone
        :: else -> goto end_unused
        fi
    };

process_has_gone:
    skip;
    atomic {
        assert(!process_is_zombie && !process_is_freed);
        is_last = false;
        process_is_zombie = true;
        wake_all(CHILD_ENDED);
        goto end_unused
    }
}

/* One that waits, and may kill before. */
proctype parent()
{
    bool unused = false;

#ifdef KILL
    atomic { /* process_kill() */
        if
        :: process_is_zombie
        :: else -> process_end()
        fi
    };
#endif
look:
    atomic { /* process_wait() */
        if
        :: !process_is_zombie -> begin_sleep(PARENT, CHILD_ENDED, true)
        :: else -> goto reap_process
        fi
    };
    atomic { state[PARENT] == READY -> end_sleep(PARENT, unused); unused = false; goto look };
reap_process:
    atomic {
        assert(nr_live == 0 && nr_present == 0 && is_ending && !has_space);
        for (i : 0 .. NR_LWPS - 1) {
            assert((state[i] == FREE || state[i] == REAPED) && tid[i] == NOBODY && owner[i] == NOBODY && !has_kstack[i])
        }
        i = 0;
        process_is_freed = true
    }
}

init
{
    atomic { /* process_spawn() */
        state[PARENT] = READY;
        for (i : 0 .. NR_LWPS - 1) {
            run lwp(i)
        }
        i = 0;
        tid[0] = PID;
        owner[PID] = 0;
        has_kstack[0] = true;
        nr_live = 1;
        nr_present = 1;
        run parent();
        state[0] = READY
    }
}
