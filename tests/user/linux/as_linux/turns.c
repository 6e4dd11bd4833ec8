/* The processes, which take turns, and the table of the calls that they make. */

#define _GNU_SOURCE

#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "as_linux.h"

#define NR_ERA_CALLS 400 /* then all is removed, and begins again */

static int me; /* which of the processes */
static int era;

bool are_pages_told(void)
{
    return era % 2 == 1;
}

static const struct {
    void (*call)(void);
    unsigned weight;
} calls[] = {
    {do_open, 40},   {do_close, 14},   {do_close_range, 1}, {do_dup, 5},      {do_fcntl, 8},
    {do_read, 22},   {do_write, 28},   {do_seek, 10},       {do_truncate, 8}, {do_fallocate, 7},
    {do_copy, 8},    {do_splice, 5},   {do_sync, 2},        {do_mkdir, 12},   {do_remove, 12},
    {do_rename, 14}, {do_link, 14},    {do_readlink, 5},    {do_mknod, 4},    {do_chdir, 5},
    {do_getcwd, 3},  {do_setuid, 3},   {do_stat, 8},        {do_chmod, 5},    {do_chown, 3},
    {do_access, 5},  {do_utimens, 4},  {do_statfs, 1},      {do_times, 1},    {do_lock, 12},
    {do_map, 35},    {do_getdents, 5},
};

static void do_fork(void)
{
    int other = 1;

    while (other < NR_PROCESSES && play->is_alive[other])
        other++;
    if (me != 0 || other == NR_PROCESSES)
        return;
    tell("process %d begins\n", other);
    play->is_alive[other] = true;
    pid_t pid = fork();
    if (pid == 0) {
        me = other;
        play_turns();
        _exit(0);
    }
    play->pid[other] = pid;
}

static void do_one(void)
{
    unsigned sum = 0, chosen;

    for (unsigned i = 0; i < LEN(calls); i++)
        sum += calls[i].weight;
    chosen = any(sum);
    tell("%d:%d ", play->line++, me);
    for (unsigned i = 0; i < LEN(calls); i++) {
        if (chosen < calls[i].weight) {
            calls[i].call();
            break;
        }
        chosen -= calls[i].weight;
    }
    tell("\n");
}

static int next_turn(void)
{
    int next = me;

    if (!chance(40))
        return me;
    do
        next = (next + 1) % NR_PROCESSES;
    while (!play->is_alive[next]);
    return next;
}

/* Another era begins for the process: it has no file. */
static void let_go(void)
{
    syscall(SYS_setresuid, -1, getuid(), -1);
    syscall(SYS_close_range, 0, ~0U, 0);
    unmap_all();
    chmod("/", 0777);
    chdir("/");
}

void play_turns(void)
{
    while (atomic_load(&play->left) > 0) {
        if (atomic_load(&play->turn) != me) {
            sched_yield();
            continue;
        }
        if (atomic_load(&play->left) == 0)
            break; /* the last call was made between the two looks */
        if (play->ended != 0) {
            waitpid(play->ended, NULL, 0);
            play->ended = 0;
        }
        if (play->line % 100 == 99)
            list_all();
        if (play->line / NR_ERA_CALLS != era) {
            era = play->line / NR_ERA_CALLS;
            let_go();
            if (play->era != era)
                remove_all();
            play->era = era;
        }
        do_one();
        if (chance(1))
            do_fork();
        if (me != 0 && chance(1)) {
            tell("process %d ends\n", me);
            play->is_alive[me] = false;
            play->ended = getpid();
            atomic_store(&play->turn, 0);
            _exit(0);
        }
        int next = next_turn();
        atomic_fetch_sub(&play->left, 1);
        atomic_store(&play->turn, next);
    }
}
