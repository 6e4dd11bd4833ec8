/*
 * Numbers of processes, LWPs, groups and sessions, when there are few: booted with tid_max=64, so
 * that every number that is free comes round soon.
 */

#include <errno.h>
#include <signal.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define NR_NUMBERS 64
#define NR_ROUNDS  (4 * NR_NUMBERS)

/* A child that runs `function`, if there is one, and sleeps. */
static pid_t start_sleeper(void (*function)(void))
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (function != NULL)
        function();
    for (;;)
        sleep(1000);
}

static bool ends(pid_t child)
{
    return KTAP_EQUAL(kill(child, SIGKILL), 0) && KTAP_EQUAL(waitpid(child, NULL, 0), child);
}

/* Whether one of many children, or of many LWPs, gets that number. */
static bool child_gets(pid_t number)
{
    bool has_it = false;

    for (size_t i = 0; i < NR_ROUNDS && !has_it; i++) {
        pid_t child = fork();

        if (child == 0)
            _exit(0);
        has_it = child == number;
        waitpid(child, NULL, 0);
    }
    return has_it;
}

static bool lwp_gets(pid_t number)
{
    bool has_it = false;

    for (size_t i = 0; i < NR_ROUNDS && !has_it; i++) {
        thread_t lwp;

        if (thread_create(&lwp, return_argument, NULL) != 0)
            return true;
        has_it = (pid_t)lwp == number;
        thread_join(lwp, NULL);
    }
    return has_it;
}

static bool comes_free(void *number)
{
    return child_gets(*(pid_t *)number);
}

static bool number_comes_round(void)
{
    pid_t child = start_sleeper(NULL);

    return ends(child) && KTAP_TRUE(child_gets(child)) && KTAP_TRUE(lwp_gets(child));
}

/* A group of two that loses its leader, and then the other. */
static bool number_of_a_group_stays_taken(void)
{
    pid_t leader = start_sleeper(NULL), member = start_sleeper(NULL);

    setpgid(leader, 0);
    setpgid(member, leader);
    if (!ends(leader) || !KTAP_EQUAL(getpgid(member), leader))
        return false;
    bool is_right = KTAP_TRUE(!child_gets(leader)) && KTAP_TRUE(!lwp_gets(leader)) &&
                    KTAP_EQUAL(kill(leader, 0), -1) && KTAP_EQUAL(errno, ESRCH);
    return ends(member) && is_right && KTAP_TRUE(child_gets(leader));
}

static bool number_is_free_when_the_last_has_left_the_group(void)
{
    pid_t leader = start_sleeper(NULL), member = start_sleeper(NULL);

    setpgid(leader, 0);
    setpgid(member, leader);
    if (!ends(leader))
        return false;
    bool is_right = KTAP_EQUAL(setpgid(member, 0), 0) && KTAP_TRUE(child_gets(leader));
    return ends(member) && is_right;
}

static int session_pipe[2];

/* Begins a session and leaves a child in it, in a group of its own. */
static void lead_session(void)
{
    setsid();
    pid_t member = start_sleeper(NULL);
    setpgid(member, 0);
    write(session_pipe[1], &member, sizeof(member));
}

static bool number_of_a_session_stays_taken(void)
{
    pid_t leader, member = 0;

    pipe(session_pipe);
    leader = start_sleeper(lead_session);
    read(session_pipe[0], &member, sizeof(member));
    close(session_pipe[0]);
    close(session_pipe[1]);
    if (!ends(leader) || !KTAP_EQUAL(getsid(member), leader))
        return false;
    bool is_right = KTAP_TRUE(!child_gets(leader)) && KTAP_TRUE(!lwp_gets(leader));
    kill(member, SIGKILL); /* init waits for it, soon */
    return is_right && KTAP_TRUE(ktap_wait_for(comes_free, &leader));
}

static void *look_for_the_number_of_the_first(void *arg)
{
    (void)arg;
    _exit(thread_join(getpid(), NULL) == 0 && !lwp_gets(getpid()) && !child_gets(getpid())
              ? CHILD_IS_WELL
              : 1);
}

static bool number_of_the_first_lwp_stays_taken(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        thread_t lwp;

        thread_create(&lwp, look_for_the_number_of_the_first, NULL);
        thread_exit(NULL);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
}

static bool too_many_processes_are_eagain(void)
{
    pid_t child[NR_NUMBERS];
    size_t nr = 0;

    while (nr < NR_NUMBERS && (child[nr] = start_sleeper(NULL)) > 0)
        nr++;
    bool is_right =
        KTAP_TRUE(nr > NR_NUMBERS / 2) && KTAP_TRUE(nr < NR_NUMBERS) && KTAP_EQUAL(errno, EAGAIN);
    while (nr > 0)
        is_right = ends(child[--nr]) && is_right;
    return is_right && number_comes_round();
}

static bool too_many_lwps_are_refused(void)
{
    thread_t lwp[NR_NUMBERS];
    size_t nr = 0;

    while (nr < NR_NUMBERS && thread_create(&lwp[nr], sleep_for_ever, NULL) == 0)
        nr++;
    bool is_right = KTAP_TRUE(nr > NR_NUMBERS / 2) && KTAP_TRUE(nr < NR_NUMBERS);
    while (nr > 0) {
        is_right = KTAP_EQUAL(thread_exit_target(lwp[--nr]), 0) && is_right;
        thread_join(lwp[nr], NULL);
    }
    return is_right && number_comes_round();
}

static const struct ktap_test tests[] = {
    {"a number that is free comes round", number_comes_round},
    {"the number of a group that has lost its leader is not used again",
     number_of_a_group_stays_taken},
    {"it is free when the last has left the group",
     number_is_free_when_the_last_has_left_the_group},
    {"the number of a session that has lost its leader is not used again",
     number_of_a_session_stays_taken},
    {"the first LWP's number is not used again while its process is there, also after a join",
     number_of_the_first_lwp_stays_taken},
    {"more processes than numbers are EAGAIN, and nothing is left of it",
     too_many_processes_are_eagain},
    {"more LWPs than numbers are refused, and nothing is left of it", too_many_lwps_are_refused},
};

int main(void)
{
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
