#ifndef COMMON_H
#define COMMON_H

/* What several suites of processes, LWPs and files do. */

#include <errno.h>
#include <stdbool.h>
#include <thread.h>
#include <thrum.h>

#include <sys/types.h>

#include "ktap.h"

/* The exit status of a child that has found all as it should be. */
#define CHILD_IS_WELL 7

/* A number that no process and no LWP has. */
#define NOBODY 0x3ffffffe

/* A child that runs function(arg), and exits with status 1 if that returns. */
pid_t start_child(void (*function)(void *arg), void *arg);

/* Waits for a child: whether it was made and exits so, or is ended by that signal. */
bool exits(pid_t child, int exit_status);
bool dies(pid_t child, int signal);

/* Whether the check is right in a child: what it changes does not come back. */
bool holds_in_child(bool (*check)(void));

/* For ktap_wait_for(): whether there are as many processes and LWPs as `wanted` says. */
struct counts {
    struct thrum_stat wanted;
};
bool has_counts(void *counts);

/* Whether a function of the library failed, with errno set to `error`. */
#define FAILS(call, error)                                                                         \
    ktap_check_equal((call) < 0 ? errno : 0, (error), #call, __FILE__, __LINE__)

/* A new LWP of this process; where there is none to be had, the suite ends. */
thread_t start_lwp(void *(*function)(void *arg), void *arg);

/*
 * Waits until the LWP waits for something that a signal would end; whether it has come to that in
 * time. It does not, where it only waits for a lock of the kernel that another LWP of its process
 * holds on a CPU that stands still.
 */
bool comes_to_wait(pid_t tid);

/* Whether it does so now. */
bool is_in_wait(pid_t tid);

/* Whether the LWP is in that THRUM_LWP_STATE_* now. */
bool is_in_state(pid_t tid, unsigned state);

/* The same for its end: it is there to be joined. */
bool comes_to_end(pid_t tid);

/* Waits for the end of a child, which is left to be waited for; whether that has come. */
bool child_comes_to_end(pid_t pid);

/* LWPs there are, of all processes; whether they become that many in time. */
uint64_t count_lwps(void);
bool lwps_come_back_to(uint64_t nr_lwps);

/* A test: there are the suite and init, with one LWP each. */
bool no_lwp_is_left(void);

/* What LWPs do while something happens to them. All but the first two go on for ever. */
void *return_argument(void *arg);
void *join_the_first(void *arg);
void *compute(void *arg);
void *sleep_for_ever(void *arg);
void *wait_in_futex(void *arg);
void *fault_for_ever(void *arg);
void *create_for_ever(void *arg);
void *fork_for_ever(void *arg); /* past the library's locks */

#endif
