/*
 * thread_exit_target(): what it ends and how soon, what the joiner gets, that the runtime's own
 * locks survive it, and that join reaps LWPs and wait processes whatever ends them.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

static long raw_cancel(long tid)
{
    return syscall6(THRUM_SYS_lwp_cancel, tid, 0, 0, 0, 0, 0);
}

/* Whether `lwp` ends as a cancelled one. */
static bool joins_as_cancelled(thread_t lwp)
{
    void *value = NULL;

    return KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_TRUE(value == THREAD_CANCELED);
}

static bool cancels(thread_t lwp)
{
    return KTAP_EQUAL(thread_exit_target(lwp), 0) && joins_as_cancelled(lwp);
}

/* What LWPs do when they are cancelled. */

static thread_mutex_t held_mutex; /* by the first LWP, for ever */
static thread_t sleeper;

static void *wait_for_mutex(void *arg)
{
    thread_mutex_lock(&held_mutex);
    return arg;
}

static void *join_sleeper(void *arg)
{
    thread_join(sleeper, NULL);
    return arg;
}

static void *yield_for_ever(void *arg)
{
    for (;;)
        yield();
    return arg;
}

/* Whoever has created it may not come to do that. */
static void *detach_itself(void *arg)
{
    thread_detach(gettid());
    return arg;
}

static void *create_detached_for_ever(void *arg)
{
    for (;;) {
        thread_t lwp;
        thread_create(&lwp, detach_itself, NULL);
    }
    return arg;
}

static const struct {
    const char *what;
    void *(*function)(void *);
} victims[] = {
    {"computes", compute},
    {"sleeps", sleep_for_ever},
    {"waits in futex", wait_in_futex},
    {"waits for a mutex", wait_for_mutex},
    {"joins", join_sleeper},
    {"faults pages in", fault_for_ever},
    {"yields", yield_for_ever},
    {"creates LWPs", create_detached_for_ever},
};

/*
 * The time until the cancellation differs from round to round; at first the LWP is just created.
 * What it has created itself is waited for, too: later tests count.
 */
static bool cancel_ends(void *(*function)(void *))
{
    size_t nr_rounds = 4 + ktap_times(100);
    uint64_t nr_lwps = count_lwps();
    bool is_right = true;

    for (size_t i = 0; i < nr_rounds && is_right; i++) {
        thread_t lwp;
        thread_create(&lwp, function, NULL);
        if (i % 4 > 0)
            sleep_ns(i % 4 * 500000);
        is_right = cancels(lwp);
    }
    return lwps_come_back_to(nr_lwps) && is_right;
}

/* Whom. */

static void *cancel_itself(void *arg)
{
    thread_exit_target(gettid());
    return arg;
}

static bool cancel_of_the_caller_does_not_return(void)
{
    thread_t lwp;

    thread_create(&lwp, cancel_itself, NULL);
    return joins_as_cancelled(lwp);
}

static bool is_true(void *arg)
{
    return atomic_load((atomic_bool *)arg);
}

static bool one_that_has_ended_keeps_its_value(void)
{
    thread_t lwp;
    void *value = NULL;

    thread_create(&lwp, return_argument, (void *)5);
    return KTAP_TRUE(comes_to_end(lwp)) && KTAP_EQUAL(raw_cancel(lwp), 0) &&
           KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_EQUAL((long)value, 5);
}

static bool nobody_is_esrch(void)
{
    thread_t lwp;

    thread_create(&lwp, return_argument, NULL);
    thread_join(lwp, NULL);
    return KTAP_EQUAL(raw_cancel(lwp), -ESRCH) && KTAP_EQUAL(raw_cancel(NOBODY), -ESRCH) &&
           KTAP_EQUAL(raw_cancel(0), -ESRCH) && KTAP_EQUAL(raw_cancel(-1), -ESRCH);
}

static bool another_process_is_esrch(void)
{
    pid_t child = fork();

    if (child == 0)
        sleep_for_ever(NULL);
    bool is_right = KTAP_EQUAL(raw_cancel(child), -ESRCH) && KTAP_EQUAL(raw_cancel(1), -ESRCH);
    syscall6(__NR_kill, child, 9, 0, 0, 0, 0);
    waitpid(child, NULL, 0);
    return is_right;
}

static bool twice_is_as_good_as_once(void)
{
    thread_t lwp;

    thread_create(&lwp, sleep_for_ever, NULL);
    return KTAP_EQUAL(raw_cancel(lwp), 0) && KTAP_EQUAL(raw_cancel(lwp), 0) &&
           joins_as_cancelled(lwp);
}

static bool detached_one_goes_away(void)
{
    struct counts counts;
    thread_t lwp;

    thrum_stat(&counts.wanted);
    thread_create(&lwp, sleep_for_ever, NULL);
    thread_detach(lwp);
    return KTAP_EQUAL(raw_cancel(lwp), 0) && KTAP_TRUE(ktap_wait_for(has_counts, &counts));
}

static void *cancel_target(void *arg)
{
    return (void *)(long)thread_exit_target((thread_t)(long)arg);
}

/* In a child: another LWP cancels the first, the last one's end is the process's. */
static bool first_lwp_can_be_cancelled(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        thread_t lwp;
        thread_create(&lwp, cancel_target, (void *)(long)getpid());
        sleep_for_ever(NULL);
    }
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, 0, __FILE__, __LINE__);
}

static void *join_target(void *arg)
{
    void *value = NULL;

    thread_join((thread_t)(long)arg, &value);
    return value;
}

static bool one_that_is_being_joined_wakes_its_joiner(void)
{
    thread_t target, joiner;
    void *value = NULL;

    thread_create(&target, sleep_for_ever, NULL);
    thread_create(&joiner, join_target, (void *)(long)target);
    return KTAP_TRUE(comes_to_wait(joiner)) && KTAP_EQUAL(raw_cancel(target), 0) &&
           KTAP_EQUAL(thread_join(joiner, &value), 0) && KTAP_TRUE(value == THREAD_CANCELED);
}

/* The target of a joiner that was cancelled can be joined by somebody else. */
static bool cancelled_joiner_gives_its_target_back(void)
{
    thread_t target, joiner;

    thread_create(&target, sleep_for_ever, NULL);
    thread_create(&joiner, join_target, (void *)(long)target);
    return KTAP_TRUE(comes_to_wait(joiner)) && cancels(joiner) && cancels(target);
}

/* The runtime's locks. */

static void *allocate_for_ever(void *arg)
{
    for (;;) {
        void *block = malloc(100);
        free(block);
    }
    return arg;
}

static void *print_for_ever(void *arg)
{
    for (;;)
        fputs("", stdout), fputs("", stderr);
    return arg;
}

static void *sbrk_for_ever(void *arg)
{
    for (;;)
        sbrk(0);
    return arg;
}

static void *fork_by_library_for_ever(void *arg)
{
    for (;;) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        waitpid(child, NULL, 0);
    }
    return arg;
}

static bool runtime_survives(void *(*function)(void *))
{
    enum { NR_VICTIMS = 3 };
    size_t nr_rounds = 10 + ktap_times(50);
    bool is_right = true;

    for (size_t i = 0; i < nr_rounds && is_right; i++) {
        thread_t lwp[NR_VICTIMS];
        for (int k = 0; k < NR_VICTIMS; k++)
            thread_create(&lwp[k], function, NULL);
        sleep_ns(i % 8 * 150000);
        for (int k = 0; k < NR_VICTIMS; k++)
            is_right &= cancels(lwp[k]);
        free(malloc(100));
        fputs("", stdout);
        fputs("", stderr);
        sbrk(0);
    }
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return is_right;
}

static bool malloc_survives(void)
{
    return runtime_survives(allocate_for_ever);
}

static bool stdio_survives(void)
{
    return runtime_survives(print_for_ever);
}

static bool sbrk_survives(void)
{
    return runtime_survives(sbrk_for_ever);
}

static bool fork_survives(void)
{
    return runtime_survives(fork_by_library_for_ever);
}

/* By hand what the runtime does: the LWP goes on while its count is not 0. */
static atomic_bool may_go_on, has_gone_on;

static struct thrum_block *own_block(void)
{
    struct thrum_block *block;

    syscall6(__NR_arch_prctl, 0x1003, (long)&block, 0, 0, 0, 0); /* ARCH_GET_FS */
    return block;
}

static void *hold_cancel_off(void *arg)
{
    volatile struct thrum_block *block = own_block();

    block->nr_no_cancel++;
    atomic_store((atomic_bool *)arg, true);
    while (!atomic_load(&may_go_on)) {
        if (block->is_cancel_pending)
            atomic_store(&has_gone_on, true);
        yield();
    }
    block->nr_no_cancel--;
    syscall6(THRUM_SYS_lwp_testcancel, 0, 0, 0, 0, 0, 0);
    return NULL;
}

static bool count_holds_cancel_off(void)
{
    atomic_bool is_ready = false;
    thread_t lwp;

    atomic_store(&may_go_on, false);
    atomic_store(&has_gone_on, false);
    thread_create(&lwp, hold_cancel_off, &is_ready);
    ktap_wait_for(is_true, &is_ready);
    raw_cancel(lwp);
    bool goes_on = KTAP_TRUE(ktap_wait_for(is_true, &has_gone_on));
    atomic_store(&may_go_on, true);
    return joins_as_cancelled(lwp) && goes_on;
}

static bool testcancel_returns_unless_cancelled(void)
{
    return KTAP_EQUAL(syscall6(THRUM_SYS_lwp_testcancel, 0, 0, 0, 0, 0, 0), 0);
}

/* Waiting and joining. */

static bool wait_does_not_reap_cancelled_lwps(void)
{
    thread_t lwp;

    thread_create(&lwp, sleep_for_ever, NULL);
    raw_cancel(lwp);
    return KTAP_EQUAL(waitpid(-1, NULL, 0), -1) && KTAP_EQUAL(errno, ECHILD) &&
           KTAP_EQUAL(waitpid(lwp, NULL, 0), -1) && joins_as_cancelled(lwp);
}

static bool join_does_not_reap_processes(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(CHILD_IS_WELL);
    return KTAP_EQUAL(thread_join(child, NULL), -1) && KTAP_EQUAL(errno, ESRCH) &&
           KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_exits(status, CHILD_IS_WELL, __FILE__, __LINE__);
}

static void create_and_cancel(void)
{
    enum { NR_LWPS = 30 };
    thread_t lwp[NR_LWPS];

    for (int i = 0; i < NR_LWPS; i++)
        thread_create(&lwp[i], i % 2 ? sleep_for_ever : yield_for_ever, NULL);
    for (int i = 0; i < NR_LWPS; i++)
        raw_cancel(lwp[i]);
    for (int i = 0; i < NR_LWPS; i++)
        thread_join(lwp[i], NULL);
}

static bool stacks_come_back(void)
{
    return ktap_leaves_nothing(create_and_cancel);
}

static const struct ktap_test tests[] = {
    {"an LWP that cancels itself does not go on", cancel_of_the_caller_does_not_return},
    {"one that has ended keeps its value", one_that_has_ended_keeps_its_value},
    {"cancelling nobody is ESRCH", nobody_is_esrch},
    {"cancelling an LWP of another process is ESRCH", another_process_is_esrch},
    {"cancelling twice is as good as once", twice_is_as_good_as_once},
    {"a detached LWP that is cancelled goes away", detached_one_goes_away},
    {"the first LWP can be cancelled", first_lwp_can_be_cancelled},
    {"the joiner of one that is cancelled wakes up", one_that_is_being_joined_wakes_its_joiner},
    {"a cancelled joiner's target can be joined by another",
     cancelled_joiner_gives_its_target_back},
    {"malloc works after LWPs in it were cancelled", malloc_survives},
    {"printing works after LWPs in it were cancelled", stdio_survives},
    {"sbrk works after LWPs in it were cancelled", sbrk_survives},
    {"fork works after LWPs in it were cancelled", fork_survives},
    {"the no-cancel count holds cancellation off", count_holds_cancel_off},
    {"testcancel returns where nobody has cancelled", testcancel_returns_unless_cancelled},
    {"wait does not reap cancelled LWPs", wait_does_not_reap_cancelled_lwps},
    {"join does not reap processes", join_does_not_reap_processes},
    {"stacks of cancelled LWPs come back", stacks_come_back},
};

int main(void)
{
    ktap_need_thrum();
    thread_mutex_lock(&held_mutex);
    thread_create(&sleeper, sleep_for_ever, NULL);
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(victims));
    for (size_t i = 0; i < KTAP_LEN(victims); i++)
        ktap_ok(cancel_ends(victims[i].function), "cancelling ends an LWP that %s",
                victims[i].what);
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
