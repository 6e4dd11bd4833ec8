/*
 * What a process is told to be, and tells of itself: prctl, personality, ioprio, the score of
 * /proc/[pid]/oom_score_adj; and /proc's auxv and locks.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/ioprio.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"
#include "proc_text.h"

#define ALICE       1000
#define BAD_POINTER (-4096l)

static bool become_alice(void)
{
    return KTAP_EQUAL(syscall(__NR_setresuid, ALICE, ALICE, ALICE), 0);
}

/* ---- prctl() -------------------------------------------------------------------------------- */

static int tell(int argc, char **argv)
{
    (void)argc, (void)argv;
    return syscall(__NR_geteuid) == 0                                  ? 2
           : syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? CHILD_IS_WELL
                                                                       : 1;
}

/* The program is root's, and set-user-ID: that counts before, and not afterwards. */
static bool check_privileges(void)
{
    bool ok = become_alice() && KTAP_ROLE_EXITS("tell", 2) &&
              FAILS(syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0), EINVAL) &&
              FAILS(syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL) &&
              FAILS(syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL) &&
              KTAP_EQUAL(syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0) &&
              KTAP_EQUAL(syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);

    return ok && KTAP_ROLE_EXITS("tell", CHILD_IS_WELL) &&
           KTAP_EQUAL(proc_number(proc_read("/proc/self/status"), "NoNewPrivs"), 1);
}

static bool privileges_can_be_renounced(void)
{
    bool ok = KTAP_EQUAL(chmod(ktap_program(), 04755), 0) && holds_in_child(check_privileges);

    return KTAP_EQUAL(chmod(ktap_program(), 0755), 0) && ok;
}

static int ends_of_pipe[2];

/* Its parent ends; it tells by the end of the pipe's writer whether it has, too. */
static void wait_for_the_end(void *arg)
{
    (void)arg;
    syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGTERM);
    if (write(ends_of_pipe[1], "x", 1) == 1)
        for (;;)
            syscall(__NR_pause);
}

static void have_child(void *arg)
{
    char byte;

    (void)arg;
    start_child(wait_for_the_end, NULL);
    _exit(read(ends_of_pipe[0], &byte, 1) == 1 ? 0 : 1);
}

static bool children_hear_of_their_parents_end(void)
{
    int signal = -1;
    char byte;
    bool ok = KTAP_EQUAL(syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGUSR1), 0) &&
              KTAP_EQUAL(syscall(__NR_prctl, PR_GET_PDEATHSIG, &signal), 0) &&
              KTAP_EQUAL(signal, SIGUSR1) &&
              FAILS(syscall(__NR_prctl, PR_GET_PDEATHSIG, BAD_POINTER), EFAULT) &&
              FAILS(syscall(__NR_prctl, PR_SET_PDEATHSIG, 65), EINVAL) &&
              KTAP_EQUAL(syscall(__NR_prctl, PR_SET_PDEATHSIG, 0), 0) &&
              KTAP_EQUAL(pipe(ends_of_pipe), 0);
    pid_t child = start_child(have_child, NULL);

    close(ends_of_pipe[1]);
    ok = KTAP_EQUAL(waitpid(child, NULL, 0), child) && ok;
    ok = KTAP_EQUAL(read(ends_of_pipe[0], &byte, 1), 0) && ok; /* when the grandchild has ended */
    return KTAP_EQUAL(close(ends_of_pipe[0]), 0) && ok;
}

/* ---- Personalities and priorities ------------------------------------------------------------ */

static bool check_personality(void)
{
    return KTAP_EQUAL(syscall(__NR_personality, ADDR_NO_RANDOMIZE), 0) &&
           KTAP_EQUAL(syscall(__NR_personality, 0xffffffffu), ADDR_NO_RANDOMIZE) &&
           KTAP_EQUAL(strcmp(proc_read("/proc/self/personality"), "00040000\n"), 0) &&
           FAILS(syscall(__NR_personality, PER_LINUX32), EINVAL) &&
           KTAP_EQUAL(syscall(__NR_personality, PER_LINUX), ADDR_NO_RANDOMIZE) &&
           KTAP_EQUAL(syscall(__NR_personality, 0xffffffffu), 0);
}

static bool personality_is_remembered(void)
{
    return holds_in_child(check_personality);
}

#define BEST_EFFORT(level) IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, (level))
#define REAL_TIME(level)   IOPRIO_PRIO_VALUE(IOPRIO_CLASS_RT, (level))

static bool check_io_priority(void)
{
    pid_t parent = getppid();
    bool ok = KTAP_EQUAL(syscall(__NR_ioprio_get, IOPRIO_WHO_PROCESS, 0), 0) &&
              KTAP_EQUAL(syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, BEST_EFFORT(3)), 0) &&
              KTAP_EQUAL(syscall(__NR_ioprio_get, IOPRIO_WHO_PROCESS, getpid()), BEST_EFFORT(3)) &&
              KTAP_EQUAL(syscall(__NR_setpgid, 0, 0), 0) &&
              KTAP_EQUAL(syscall(__NR_ioprio_set, IOPRIO_WHO_PGRP, 0, REAL_TIME(2)), 0) &&
              KTAP_EQUAL(syscall(__NR_ioprio_get, IOPRIO_WHO_PGRP, getpid()), REAL_TIME(2)) &&
              become_alice() &&
              KTAP_EQUAL(syscall(__NR_ioprio_get, IOPRIO_WHO_USER, 0), REAL_TIME(2)) &&
              KTAP_EQUAL(syscall(__NR_ioprio_get, IOPRIO_WHO_USER, ALICE), REAL_TIME(2)) &&
              FAILS(syscall(__NR_ioprio_get, IOPRIO_WHO_USER, 4711), ESRCH) &&
              FAILS(syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, REAL_TIME(2)), EPERM) &&
              FAILS(syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, parent, BEST_EFFORT(2)), EPERM) &&
              KTAP_EQUAL(syscall(__NR_ioprio_set, IOPRIO_WHO_USER, 0,
                                 IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)),
                         0);

    return ok && FAILS(syscall(__NR_ioprio_get, 0, 0), EINVAL) &&
           FAILS(syscall(__NR_ioprio_get, IOPRIO_WHO_PROCESS, NOBODY), ESRCH) &&
           FAILS(syscall(__NR_ioprio_get, IOPRIO_WHO_PGRP, NOBODY), ESRCH) &&
           FAILS(syscall(__NR_ioprio_set, 4, 0, BEST_EFFORT(1)), EINVAL) &&
           FAILS(syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, NOBODY, BEST_EFFORT(1)), ESRCH) &&
           FAILS(syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, BEST_EFFORT(8)), EINVAL) &&
           FAILS(syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, 1), EINVAL) &&
           FAILS(syscall(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, 7 << IOPRIO_CLASS_SHIFT), EINVAL);
}

static bool io_priority_is_remembered(void)
{
    return holds_in_child(check_io_priority);
}

/* Of users: theirs, and nobody else's. */
static pid_t alices;

static void be_alice(void *arg)
{
    (void)arg;
    if (syscall(__NR_setresuid, ALICE, ALICE, ALICE) == 0 && write(ends_of_pipe[1], "x", 1) == 1)
        for (;;)
            syscall(__NR_pause);
}

static long nice_of(pid_t pid)
{
    return 20 - syscall(__NR_getpriority, 0 /* PRIO_PROCESS */, pid);
}

static bool check_nice(void)
{
    char byte;
    bool ok = KTAP_EQUAL(pipe(ends_of_pipe), 0);

    alices = start_child(be_alice, NULL);
    ok = KTAP_EQUAL(read(ends_of_pipe[0], &byte, 1), 1) &&
         KTAP_EQUAL(syscall(__NR_setpriority, 2 /* PRIO_USER */, ALICE, 5), 0) &&
         KTAP_EQUAL(nice_of(alices), 5) && KTAP_EQUAL(nice_of(0), 0) &&
         KTAP_EQUAL(syscall(__NR_getpriority, 2, ALICE), 15) &&
         FAILS(syscall(__NR_getpriority, 2, 4711), ESRCH) &&
         FAILS(syscall(__NR_setpriority, 2, 4711, 1), ESRCH) && become_alice() &&
         KTAP_EQUAL(syscall(__NR_setpriority, 2, 0, 7), 0) && KTAP_EQUAL(nice_of(alices), 7) &&
         KTAP_EQUAL(nice_of(0), 7) && KTAP_EQUAL(nice_of(getppid()), 0) && ok;
    return KTAP_EQUAL(kill(alices, SIGKILL), 0) && KTAP_EQUAL(waitpid(alices, NULL, 0), alices) &&
           ok;
}

static bool users_have_their_own_nice(void)
{
    return holds_in_child(check_nice);
}

/* ---- /proc ---------------------------------------------------------------------------------- */

static bool write_score(const char *text)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (long)strlen(text);
    int error = errno;

    close(fd);
    errno = error;
    return ok;
}

static bool check_score(void)
{
    bool ok = KTAP_EQUAL(strcmp(proc_read("/proc/self/oom_score_adj"), "0\n"), 0) &&
              KTAP_TRUE(write_score("-500\n")) &&
              KTAP_EQUAL(strcmp(proc_read("/proc/self/oom_score_adj"), "-500\n"), 0) &&
              KTAP_EQUAL(strcmp(proc_read("/proc/self/oom_score"), "0\n"), 0) &&
              KTAP_TRUE(write_score("1000")) &&
              KTAP_TRUE(strtol(proc_read("/proc/self/oom_score"), NULL, 10) >= 1000) &&
              KTAP_TRUE(!write_score("1001") && errno == EINVAL) &&
              KTAP_TRUE(!write_score("x") && errno == EINVAL) &&
              KTAP_TRUE(!write_score("-") && errno == EINVAL);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);

    /* What is open already, so that only the number is refused. */
    ok = ok && become_alice() && FAILS(write(fd, "900", 3), EACCES) &&
         KTAP_EQUAL(write(fd, "1000", 4), 4);
    close(fd);
    return ok;
}

static bool score_is_remembered(void)
{
    return holds_in_child(check_score);
}

static bool auxv_is_what_the_program_got(void)
{
    unsigned long aux[64];
    int fd = open("/proc/self/auxv", O_RDONLY);
    long nr = read(fd, aux, sizeof(aux));
    bool ok = KTAP_TRUE(nr > 64 && nr % 16 == 0) && KTAP_EQUAL((long)aux[nr / 8 - 2], AT_NULL);

    close(fd);
    for (long i = 0; i < nr / 8 && ok; i += 2) {
        if (aux[i] != AT_NULL)
            ok = KTAP_EQUAL((long)getauxval(aux[i]), (long)aux[i + 1]);
    }
    return ok && KTAP_EQUAL(strcmp(proc_read("/proc/self/wchan"), "0"), 0);
}

static bool locks_are_listed(void)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct flock some = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    int fd = open("/tmp/locks", O_CREAT | O_RDWR, 0644);
    struct stat st;
    char line[100];
    bool ok = KTAP_EQUAL(fstat(fd, &st), 0) && KTAP_EQUAL(fcntl(fd, F_SETLK, &all), 0);

    snprintf(line, sizeof(line), "1: POSIX  ADVISORY  WRITE %d ", getpid());
    ok = KTAP_TRUE(proc_has_line(proc_read("/proc/locks"), line)) && ok;
    snprintf(line, sizeof(line), ":%lu 0 EOF\n", (unsigned long)st.st_ino);
    ok = KTAP_TRUE(strstr(proc_read("/proc/locks"), line) != NULL) && ok;
    all.l_type = F_UNLCK;
    ok = KTAP_EQUAL(fcntl(fd, F_SETLK, &all), 0) && KTAP_EQUAL(fcntl(fd, F_OFD_SETLK, &some), 0) &&
         KTAP_TRUE(proc_has_line(proc_read("/proc/locks"), "1: OFDLCK ADVISORY  READ  -1 ")) &&
         KTAP_TRUE(strstr(proc_read("/proc/locks"), " 10 14\n") != NULL) && ok;
    close(fd);
    return KTAP_EQUAL(unlink("/tmp/locks"), 0) &&
           KTAP_EQUAL((long)strlen(proc_read("/proc/locks")), 0) && ok;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static void end_at_once(void *arg)
{
    (void)arg;
}

/* No child is in the first process's group: it is a group as others. */
static bool group_1_can_be_waited_for(void)
{
    siginfo_t info;
    pid_t child = start_child(end_at_once, NULL);
    bool ok = FAILS(syscall(__NR_waitid, P_PGID, 1, &info, WEXITED | WNOHANG, 0), ECHILD) &&
              FAILS(syscall(__NR_waitid, P_PGID, -1, &info, WEXITED | WNOHANG, 0), EINVAL) &&
              FAILS(syscall(__NR_waitid, P_PID, 0, &info, WEXITED | WNOHANG, 0), EINVAL) &&
              FAILS(syscall(__NR_waitid, 9, 0, &info, WEXITED | WNOHANG, 0), EINVAL);

    return KTAP_EQUAL(waitpid(child, NULL, 0), child) && ok;
}

static const struct ktap_test tests[] = {
    {"privileges can be renounced, for good", privileges_can_be_renounced},
    {"children may hear of their parent's end", children_hear_of_their_parents_end},
    {"a personality is remembered", personality_is_remembered},
    {"a priority for disks is remembered", io_priority_is_remembered},
    {"what a user's processes get, no other's do", users_have_their_own_nice},
    {"a score is remembered", score_is_remembered},
    {"auxv is what the program got", auxv_is_what_the_program_got},
    {"locks are listed", locks_are_listed},
    {"group 1 can be waited for as any other", group_1_can_be_waited_for},
};

static const struct ktap_role roles[] = {{"tell", tell}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);
    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
