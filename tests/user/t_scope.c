/*
 * Contention scope `process`: the LWPs of a process count as one.
 *
 *     t_scope [MILLISECONDS]
 *
 * MILLISECONDS is how long is measured at first.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <thrum/sched.h>

#include "common.h"
#include "ktap.h"

#define NSEC_PER_MSEC 1000000ull
#define NR_LWPS       4
#define NR_CHANGES    100
#define CPUS_MAX      64
#define SHARE         30
#define POINTS        5
#define WINDOWS_MAX   20
#define LOOKS_MAX     20
#define NR_STEPS      2000

static uint64_t duration_ns = 2000 * NSEC_PER_MSEC;

/* A process of LWPs that compute; shared with it. */
struct team {
    int scope;      /* -1: as it is */
    int share;      /* of its first LWP; 0: none */
    size_t nr_lwps; /* beside the first one, which waits for them */
    pid_t pid;
    _Atomic size_t nr_ready;
    _Atomic int stop;
    _Atomic uint64_t nr_rounds[NR_LWPS];
};

static struct team *teams;

static void *compute_in_team(void *arg)
{
    _Atomic uint64_t *nr_rounds = arg;
    struct team *team = &teams[((char *)arg - (char *)teams) / sizeof(*teams)];

    if (nr_rounds == team->nr_rounds && team->share != 0 && set_cpu_share(team->share) != 0)
        _exit(2);
    atomic_fetch_add(&team->nr_ready, 1);
    while (!atomic_load(&team->stop)) {
        for (volatile int i = 0; i < NR_STEPS; i++)
            ;
        atomic_fetch_add(nr_rounds, 1);
    }
    return NULL;
}

static void be_team(void *arg)
{
    struct team *team = arg;
    thread_t lwp[NR_LWPS];

    if (team->scope >= 0 && sched_set_scope(0, team->scope) != 0)
        return;
    for (size_t i = 0; i < team->nr_lwps; i++)
        if (thread_create(&lwp[i], compute_in_team, &team->nr_rounds[i]) != 0)
            return;
    for (size_t i = 0; i < team->nr_lwps; i++)
        if (thread_join(lwp[i], NULL) != 0)
            return;
    _exit(CHILD_IS_WELL);
}

static bool team_is_ready(void *arg)
{
    struct team *team = arg;

    return atomic_load(&team->nr_ready) == team->nr_lwps;
}

static bool start_team(struct team *team, struct team wanted)
{
    *team = wanted;
    team->pid = start_child(be_team, team);
    return KTAP_TRUE(team->pid > 0) && KTAP_TRUE(ktap_wait_for(team_is_ready, team));
}

static bool stop_team(struct team *team)
{
    int status = 0;

    atomic_store(&team->stop, 1);
    return KTAP_EQUAL(waitpid(team->pid, &status, 0), team->pid) &&
           KTAP_EQUAL(status, CHILD_IS_WELL << 8);
}

/* What all LWPs of that process have run, and on how many CPUs they are. */
static uint64_t run_ns_of(pid_t pid, unsigned *nr_cpus)
{
    size_t nr;
    struct thrum_sched_lwp *lwps = sched_list_all(THRUM_LIST_LWPS, sizeof(*lwps), &nr);
    uint64_t run_ns = 0, cpus = 0;

    for (size_t i = 0; i < nr; i++) {
        if (lwps[i].pid != pid)
            continue;
        run_ns += lwps[i].run_ns;
        cpus |= 1ull << lwps[i].cpu % CPUS_MAX;
    }
    free(lwps);
    *nr_cpus = (unsigned)__builtin_popcountll(cpus);
    return run_ns;
}

/* What the first of two teams got of what both got of one CPU since `start_ns`, in percent. */
static int percent_of_first(const uint64_t start_ns[2])
{
    unsigned nr_cpus;
    uint64_t first_ns = run_ns_of(teams[0].pid, &nr_cpus) - start_ns[0],
             second_ns = run_ns_of(teams[1].pid, &nr_cpus) - start_ns[1];

    return (int)(first_ns * 100 / (first_ns + second_ns + 1));
}

/*
 * Whether the first of two teams gets that much of what both get. A virtual CPU whose host is busy
 * stands still for more than a slice at times, which counts for whoever has it: that evens out if
 * one looks for longer, and a share that is wrong does not.
 */
static bool first_gets(int percent)
{
    unsigned nr_cpus;
    uint64_t start_ns[2] = {run_ns_of(teams[0].pid, &nr_cpus), run_ns_of(teams[1].pid, &nr_cpus)};
    int seen = -1;

    for (int i = 0; i < WINDOWS_MAX && abs(seen - percent) > POINTS; i++) {
        sleep_ns(duration_ns);
        seen = percent_of_first(start_ns);
        ktap_diag("the first got %d %% of what both got", seen);
    }
    return KTAP_TRUE(abs(seen - percent) <= POINTS);
}

static uint64_t all_cpus(void)
{
    return ktap_cpus() < CPUS_MAX ? (1ull << ktap_cpus()) - 1 : UINT64_MAX;
}

/* Both teams are on CPU 0; the second has one LWP and scope `system`. */
static bool gets_beside_one(struct team wanted, int percent)
{
    bool is_right = KTAP_EQUAL(sched_set_cpus(0, 1), 0) && start_team(&teams[0], wanted) &&
                    start_team(&teams[1], (struct team){.scope = THRUM_SCOPE_SYSTEM, .nr_lwps = 1});

    is_right = is_right && first_gets(percent);
    return stop_team(&teams[0]) && stop_team(&teams[1]) &&
           KTAP_EQUAL(sched_set_cpus(0, all_cpus()), 0) && is_right;
}

static bool process_of_many_gets_what_one_gets(void)
{
    return gets_beside_one((struct team){.scope = THRUM_SCOPE_PROCESS, .nr_lwps = NR_LWPS}, 50);
}

/* What the test before this one is to be compared with. */
static bool lwps_on_their_own_get_more(void)
{
    return gets_beside_one((struct team){.scope = THRUM_SCOPE_SYSTEM, .nr_lwps = NR_LWPS},
                           100 * NR_LWPS / (NR_LWPS + 1));
}

static bool share_is_the_processs(void)
{
    return gets_beside_one(
        (struct team){.scope = THRUM_SCOPE_PROCESS, .nr_lwps = NR_LWPS, .share = SHARE}, SHARE);
}

static bool all_get_turns(struct team *team)
{
    uint64_t before[NR_LWPS];
    bool is_right = true;

    for (size_t i = 0; i < NR_LWPS; i++)
        before[i] = atomic_load(&team->nr_rounds[i]);
    for (size_t i = 0; i < NR_LWPS; i++) {
        uint64_t deadline_ns = monotonic_ns() + KTAP_PATIENCE_NS;
        while (atomic_load(&team->nr_rounds[i]) < before[i] + 2 && monotonic_ns() < deadline_ns)
            sleep_ns(NSEC_PER_MSEC);
        is_right = KTAP_TRUE(atomic_load(&team->nr_rounds[i]) >= before[i] + 2) && is_right;
    }
    return is_right;
}

static bool is_on_one_cpu_at_a_time(void)
{
    unsigned nr_cpus = 0;
    bool is_right =
        start_team(&teams[0], (struct team){.scope = THRUM_SCOPE_PROCESS, .nr_lwps = NR_LWPS});
    uint64_t start_ns = monotonic_ns(), start_run_ns = run_ns_of(teams[0].pid, &nr_cpus);

    sleep_ns(duration_ns / 2);
    uint64_t run_ns = run_ns_of(teams[0].pid, &nr_cpus) - start_run_ns;
    uint64_t all_ns = monotonic_ns() - start_ns;
    /* It may go to another CPU between the look at one LWP and that at the next. */
    for (int i = 0; i < LOOKS_MAX && nr_cpus != 1; i++)
        run_ns_of(teams[0].pid, &nr_cpus);
    is_right = all_get_turns(&teams[0]) && is_right;
    return stop_team(&teams[0]) && KTAP_EQUAL(nr_cpus, 1) && KTAP_TRUE(run_ns <= all_ns) &&
           is_right;
}

static bool scope_changes_under_load(void)
{
    bool is_right =
        start_team(&teams[0], (struct team){.scope = THRUM_SCOPE_SYSTEM, .nr_lwps = NR_LWPS});

    for (int i = 0; i < NR_CHANGES; i++) {
        is_right = KTAP_EQUAL(sched_set_scope(teams[0].pid, i % 2 == 0 ? THRUM_SCOPE_PROCESS
                                                                       : THRUM_SCOPE_SYSTEM),
                              0) &&
                   is_right;
        sleep_ns((uint64_t)(i % 5) * NSEC_PER_MSEC);
    }
    is_right = all_get_turns(&teams[0]) && is_right;
    return stop_team(&teams[0]) && is_right;
}

static void have_scope_process(void *arg)
{
    struct thrum_sched_lwp lwp;

    if (sched_list(THRUM_LIST_LWPS, (uint64_t)getpid(), &lwp, 1, sizeof(lwp)) == 1 &&
        lwp.pid == getpid() && lwp.scope == THRUM_SCOPE_PROCESS)
        _exit(CHILD_IS_WELL);
    (void)arg;
}

static bool fork_inherits_scope(void)
{
    int status = 0;
    bool is_right = KTAP_EQUAL(sched_set_scope(0, THRUM_SCOPE_PROCESS), 0);

    waitpid(start_child(have_scope_process, NULL), &status, 0);
    return KTAP_EQUAL(sched_set_scope(0, THRUM_SCOPE_SYSTEM), 0) &&
           KTAP_EQUAL(status, CHILD_IS_WELL << 8) && is_right;
}

static const struct ktap_test tests[] = {
    {"a process of scope process gets half beside a process of one",
     process_of_many_gets_what_one_gets},
    {"one of scope system gets as much for each LWP", lwps_on_their_own_get_more},
    {"the share of one LWP of scope process is that of all", share_is_the_processs},
    {"a process of scope process is on one CPU at a time", is_on_one_cpu_at_a_time},
    {"the scope changes 100 times under load, and nobody is lost", scope_changes_under_load},
    {"a forked child inherits the scope", fork_inherits_scope},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        duration_ns = strtoul(argv[1], NULL, 10) * NSEC_PER_MSEC;
    teams =
        mmap(NULL, 2 * sizeof(*teams), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ktap_start(KTAP_LEN(tests));
    if (teams == MAP_FAILED)
        return 1;
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
