/*
 * Stress: a tree of processes whose LWPs do at random everything that an LWP can do, most of it to
 * each other. What it can find: a kernel that panics (best in the debug build), that hangs, or that
 * has less at the end than at the start.
 *
 *     t_stress [SEED [ROUNDS]]
 *
 * A round starts some processes and waits until they and all their descendants have gone. In each,
 * one LWP does nothing but end the process after a while: in this crowd some sleep for ever. The
 * seed decides what each LWP does, not when: the same seed is the same crowd, not the same run.
 *
 * A process may exit, fault, or be ended because memory is used up; its end tells nothing. Whoever
 * watches over them asks for no memory once it has begun.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ktap.h"

#define PAGE          4096ul
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull

#define NR_ROUNDS_DEFAULT 20
#define NR_WARM_UP        3
#define NR_PROCESSES      4   /* that a round starts */
#define NR_ACTIONS        200 /* of each LWP */
#define NR_LWPS_MAX       12  /* of each process, more or less */
#define DEPTH_MAX         2   /* of the tree of processes */
#define LIFE_NS           (150 * NSEC_PER_MSEC)
#define HANG_NS           (120 * NSEC_PER_SEC) /* that a round cannot take */
#define SETTLE_NS         (5 * NSEC_PER_MSEC)
#define NR_SETTLES        (KTAP_PATIENCE_NS / SETTLE_NS)
#define NR_TABLES_MAX     4
#define STATUS_EXIT       3

/* ---- A process of the crowd ------------------------------------------------------------------ */

static _Atomic int nr_lwps;
static _Atomic thread_t tids[16];   /* some LWPs of this process, alive or not */
static _Atomic uint32_t futexes[4]; /* words on which they sleep; always 0 */
static _Atomic uint64_t random_state;
static int depth;

/* SplitMix64: G. Steele et al., "Fast Splittable Pseudorandom Number Generators" (2014). */
static uint64_t random_below(uint64_t limit)
{
    uint64_t x = atomic_fetch_add(&random_state, 0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (x ^ x >> 31) % limit;
}

static bool one_in(uint64_t limit)
{
    return random_below(limit) == 0;
}

static _Atomic thread_t *any_tid(void)
{
    return &tids[random_below(KTAP_LEN(tids))];
}

static _Atomic uint32_t *any_futex(void)
{
    return &futexes[random_below(KTAP_LEN(futexes))];
}

static void *live(void *unused);

static void create_lwp(void)
{
    thread_t lwp;

    if (atomic_load(&nr_lwps) >= NR_LWPS_MAX || thread_create(&lwp, live, NULL) != 0)
        return;
    atomic_fetch_add(&nr_lwps, 1);
    atomic_store(any_tid(), lwp);
}

static void join_lwp(void)
{
    void *value;

    thread_join(atomic_load(any_tid()), one_in(2) ? &value : NULL);
}

static void join_lwp_with_bad_pointer(void)
{
    thread_join(atomic_load(any_tid()), (void **)8);
}

static void detach_lwp(void)
{
    thread_detach(atomic_load(any_tid()));
}

static void sleep_shortly(void)
{
    sleep_ns(random_below(300000));
}

static void wait_on_futex(void)
{
    struct timespec limit = {.tv_nsec = (long)random_below(2000000)};

    syscall6(__NR_futex, (long)any_futex(), FUTEX_WAIT, 0, one_in(2) ? (long)&limit : 0, 0, 0);
}

static void wake_futex(void)
{
    syscall6(__NR_futex, (long)any_futex(), FUTEX_WAKE, (long)random_below(3), 0, 0, 0);
}

static void map_and_unmap(void)
{
    size_t nr_pages = 1 + random_below(40);
    char *pages =
        mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return;
    pages[0] = pages[nr_pages * PAGE - 1] = 1;
    mprotect(pages, (nr_pages + 1) / 2 * PAGE, PROT_READ);
    munmap(pages, nr_pages * PAGE);
}

static void change_share(void)
{
    set_cpu_share((int)random_below(40));
}

static void give_share_back(void)
{
    set_cpu_share(0);
}

static void yield_cpu(void)
{
    yield();
}

/* Starts a process at this depth of the tree; false: there is no memory for it. */
static bool spawn_process(int at_depth, uint64_t seed)
{
    char depth_text[4], seed_text[24];
    char *argv[] = {(char *)ktap_program(), "live", depth_text, seed_text, NULL};

    snprintf(depth_text, sizeof(depth_text), "%d", at_depth);
    snprintf(seed_text, sizeof(seed_text), "%lu", seed);
    return spawn(argv[0], argv, environ) > 0;
}

static void spawn_child(void)
{
    if (depth < DEPTH_MAX && one_in(8))
        spawn_process(depth + 1, random_below(UINT64_MAX));
}

static void wait_for_child(void)
{
    int status;

    waitpid(-1, &status, one_in(2) ? WNOHANG : 0);
}

static void leave(void)
{
    if (!one_in(12))
        return;
    atomic_fetch_sub(&nr_lwps, 1);
    thread_exit((void *)random_below(UINT64_MAX));
}

static void end_process(void)
{
    if (one_in(80))
        _exit(STATUS_EXIT);
    if (one_in(80))
        *(volatile int *)8 = 1;
}

static void (*const actions[])(void) = {
    create_lwp,  create_lwp,    join_lwp,       join_lwp_with_bad_pointer,
    detach_lwp,  sleep_shortly, wait_on_futex,  wake_futex,
    wake_futex,  map_and_unmap, change_share,   give_share_back,
    yield_cpu,   spawn_child,   wait_for_child, leave,
    end_process,
};

static void *live(void *unused)
{
    for (int i = 0; i < NR_ACTIONS; i++)
        actions[random_below(KTAP_LEN(actions))]();
    atomic_fetch_sub(&nr_lwps, 1);
    return unused;
}

static void *end_process_in_time(void *unused)
{
    sleep_ns(LIFE_NS);
    _exit(EXIT_SUCCESS);
    return unused;
}

/* argv: program, role, depth, seed. */
static int live_as_process(int argc, char **argv)
{
    thread_t lwp;

    if (argc != 4)
        return EXIT_FAILURE;
    depth = atoi(argv[2]);
    atomic_store(&random_state, strtoul(argv[3], NULL, 10));
    if (thread_create(&lwp, end_process_in_time, NULL) != 0)
        return EXIT_FAILURE;
    atomic_store(&nr_lwps, 1);
    live(NULL);
    /* One time in two the process goes on as long as its other LWPs do. */
    if (one_in(2))
        thread_exit(NULL);
    return EXIT_SUCCESS;
}

/* ---- Who watches over them ------------------------------------------------------------------- */

static _Atomic uint64_t round_began_ns;
static _Atomic size_t nr_round;

static void *bail_out_of_a_hang(void *unused)
{
    for (;;) {
        sleep_ns(NSEC_PER_SEC);
        if (monotonic_ns() - atomic_load(&round_began_ns) < HANG_NS)
            continue;
        printf("Bail out! Round %zu hangs.\n", atomic_load(&nr_round));
        exit(EXIT_FAILURE);
    }
    return unused;
}

/* But for the page tables of kernel stacks: there are as many as the largest crowd has needed. */
static bool has_come_back(const struct thrum_stat *before, const struct thrum_stat *now)
{
    return now->frames_free + NR_TABLES_MAX >= before->frames_free &&
           now->heap_objects == before->heap_objects && now->processes == before->processes &&
           now->lwps == before->lwps;
}

/* Whether the counts come to be these: what has ended is cleared up soon, not at once. */
static bool counts_come_back_to(const struct thrum_stat *before, struct thrum_stat *now)
{
    for (size_t i = 0; i < NR_SETTLES; i++) {
        thrum_stat(now);
        if (has_come_back(before, now))
            return true;
        sleep_ns(SETTLE_NS);
    }
    return false;
}

static void wait_for_orphans(uint64_t nr_processes)
{
    struct thrum_stat stat;

    for (;;) {
        thrum_stat(&stat);
        if (stat.processes <= nr_processes)
            return;
        sleep_ns(SETTLE_NS);
    }
}

static void run_rounds(size_t nr_rounds, uint64_t seed)
{
    struct thrum_stat before;
    int status;

    thrum_stat(&before);
    for (size_t round = 0; round < nr_rounds; round++) {
        atomic_store(&nr_round, round);
        atomic_store(&round_began_ns, monotonic_ns());
        for (size_t i = 0; i < NR_PROCESSES; i++)
            spawn_process(0, seed * 1000000 + round * NR_PROCESSES + i);
        while (wait(&status) > 0)
            continue;
        wait_for_orphans(before.processes);
    }
}

static bool everything_has_come_back(const struct thrum_stat *before)
{
    struct thrum_stat now;

    if (counts_come_back_to(before, &now))
        return true;
    ktap_diag("lost: %ld frames, %ld heap objects, %ld processes, %ld LWPs",
              (long)(before->frames_free - now.frames_free),
              (long)(now.heap_objects - before->heap_objects),
              (long)(now.processes - before->processes), (long)(now.lwps - before->lwps));
    return false;
}

/* As much as can be promised at all. */
static bool shares_have_come_back(void)
{
    bool is_right = KTAP_EQUAL(set_cpu_share(80), 0);

    set_cpu_share(0);
    return is_right;
}

static const struct ktap_role roles[] = {
    {"live", live_as_process},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], roles[0].name) == 0)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    uint64_t seed = argc > 1 ? strtoul(argv[1], NULL, 10) : monotonic_ns();
    size_t nr_rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : NR_ROUNDS_DEFAULT;
    struct thrum_stat before;
    thread_t watchdog;

    ktap_need_thrum();
    ktap_start(3);
    ktap_diag("seed %lu, %zu rounds", seed, nr_rounds);
    atomic_store(&round_began_ns, monotonic_ns());
    ktap_ok(thread_create(&watchdog, bail_out_of_a_hang, NULL) == 0, "the watchdog runs");
    run_rounds(NR_WARM_UP, ~seed);
    thrum_stat(&before);
    run_rounds(nr_rounds, seed);
    atomic_store(&round_began_ns, monotonic_ns());
    ktap_ok(everything_has_come_back(&before), "everything has come back");
    ktap_ok(shares_have_come_back(), "every share has come back");
    return ktap_finish();
}
