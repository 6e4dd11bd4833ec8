/*
 * Many LWPs, many processes, many rounds: what is lost or slow once in thousands shows here.
 *
 *     t_many [ROUNDS [PROCESSES [LWPS]]]
 *
 * ROUNDS times ten LWPs are created and joined; PROCESSES with 16 LWPs each, and LWPS in one
 * process, are alive at once. How many fit is the case's business (tests/qemu/cases.cmake): too
 * little memory is a failure here.
 */

#include <stdio.h>
#include <stdlib.h>
#include <thread.h>
#include <unistd.h>

#include <sys/wait.h>

#include "common.h"

#define NR_LWPS_EACH  16
#define NR_AT_ONCE    10
#define NR_LWPS_MAX   100000
#define NR_CHILD_MAX  1000
#define NR_FRAMES_ODD 64 /* what the caches of several CPUs may hold more or less */

static long nr_rounds = 1000, nr_children = 50, nr_lwps = 1000;

static long create_and_join(long nr)
{
    static thread_t lwp[NR_AT_ONCE];
    long nr_wrong = 0;

    for (long round = 0; round < nr; round++) {
        for (long i = 0; i < NR_AT_ONCE; i++)
            nr_wrong += thread_create(&lwp[i], return_argument, (void *)(round + i)) != 0;
        for (long i = 0; i < NR_AT_ONCE; i++) {
            void *value = NULL;
            nr_wrong += thread_join(lwp[i], &value) != 0 || (long)value != round + i;
        }
    }
    return nr_wrong;
}

/* What came back last may be on its way from another CPU. */
static bool frames_are_back(void *before)
{
    struct thrum_stat now;

    thrum_stat(&now);
    return now.frames_free + NR_FRAMES_ODD > ((const struct thrum_stat *)before)->frames_free;
}

static bool rounds_lose_nothing(void)
{
    struct thrum_stat before, after;

    create_and_join(20); /* fills the caches */
    thrum_stat(&before);
    long nr_wrong = create_and_join(nr_rounds);
    thrum_stat(&after);
    return KTAP_EQUAL(nr_wrong, 0) && KTAP_TRUE(ktap_wait_for(frames_are_back, &before)) &&
           KTAP_EQUAL((long)after.lwps, (long)before.lwps);
}

static void *wait_at_gate(void *gate)
{
    thread_sem_wait(gate);
    return gate;
}

static bool lwps_live_at_once(void)
{
    static thread_t lwp[NR_LWPS_MAX];
    thread_sem_t gate = THREAD_SEM_INIT(0);
    struct thrum_stat before, during;
    struct counts all_gone;
    long nr_made = 0, nr_right = 0;

    thrum_stat(&before);
    while (nr_made < nr_lwps && thread_create(&lwp[nr_made], wait_at_gate, &gate) == 0)
        nr_made++;
    thrum_stat(&during);
    for (long i = 0; i < nr_made; i++)
        thread_sem_post(&gate);
    for (long i = 0; i < nr_made; i++) {
        void *value = NULL;
        nr_right += thread_join(lwp[i], &value) == 0 && value == &gate;
    }
    all_gone.wanted = before;
    ktap_diag("%ld LWPs took %ld frames", nr_made,
              (long)before.frames_free - (long)during.frames_free);
    return KTAP_EQUAL(nr_made, nr_lwps) && KTAP_EQUAL(nr_right, nr_made) &&
           KTAP_EQUAL((long)during.lwps, (long)before.lwps + nr_made) &&
           KTAP_TRUE(has_counts(&all_gone));
}

/* A child: its LWPs wait; when the pipe's other end is closed, it exits under them. */
static void hold_lwps(void *arg)
{
    const int *ends = arg;
    static thread_sem_t gate = THREAD_SEM_INIT(0);
    thread_t lwp;
    char byte;

    close(ends[1]);
    for (int i = 1; i < NR_LWPS_EACH; i++) {
        if (thread_create(&lwp, wait_at_gate, &gate) != 0)
            _exit(1);
    }
    _exit(read(ends[0], &byte, 1) == 0 ? CHILD_IS_WELL : 1);
}

static bool processes_live_at_once(void)
{
    static pid_t child[NR_CHILD_MAX];
    struct counts all_there, all_gone;
    long nr_right = 0;
    int ends[2];

    if (!KTAP_EQUAL(pipe(ends), 0))
        return false;
    thrum_stat(&all_gone.wanted);
    all_there.wanted = all_gone.wanted;
    for (long i = 0; i < nr_children; i++)
        child[i] = start_child(hold_lwps, ends);
    all_there.wanted.processes += (uint64_t)nr_children;
    all_there.wanted.lwps += (uint64_t)(nr_children * NR_LWPS_EACH);
    bool are_alive = KTAP_TRUE(ktap_wait_for(has_counts, &all_there));
    close(ends[1]);
    for (long i = 0; i < nr_children; i++) {
        int status;
        nr_right += waitpid(child[i], &status, 0) == child[i] && WIFEXITED(status) &&
                    WEXITSTATUS(status) == CHILD_IS_WELL;
    }
    close(ends[0]);
    return are_alive && KTAP_EQUAL(nr_right, nr_children) && KTAP_TRUE(has_counts(&all_gone));
}

static const struct ktap_test tests[] = {
    {"rounds of ten creates and joins lose nothing", rounds_lose_nothing},
    {"many LWPs of one process live at once", lwps_live_at_once},
    {"many processes of sixteen LWPs live at once", processes_live_at_once},
};

static long number(const char *text, long max)
{
    long n = strtol(text, NULL, 10);

    return n < max ? n : max;
}

int main(int argc, char **argv)
{
    ktap_need_thrum();
    if (argc > 1)
        nr_rounds = strtol(argv[1], NULL, 10);
    if (argc > 2)
        nr_children = number(argv[2], NR_CHILD_MAX);
    if (argc > 3)
        nr_lwps = number(argv[3], NR_LWPS_MAX);
    return ktap_main(tests, KTAP_LEN(tests));
}
