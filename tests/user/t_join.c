/*
 * Who gets an LWP's value, and when its remains go: join and detach, and every error of theirs.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "common.h"
#include "ktap.h"

#define KERNEL_HALF   0xffff800000000000ul
#define NON_CANONICAL 0x0000900000000000ul

/* The system calls as they are: -errno on an error. */
static long raw_join(long tid, uint64_t value_address)
{
    return syscall6(THRUM_SYS_lwp_join, tid, (long)value_address, 0, 0, 0, 0);
}

static long raw_detach(long tid)
{
    return syscall6(THRUM_SYS_lwp_detach, tid, 0, 0, 0, 0, 0);
}

/* An LWP that stays until its semaphore is posted. */
static void *wait_for_semaphore(void *sem)
{
    thread_sem_wait(sem);
    return sem;
}

static void *exit_with_argument(void *arg)
{
    thread_exit(arg);
}

/* Values. */

static bool returned_value_is_joined(void)
{
    void *value = NULL;

    return KTAP_EQUAL(thread_join(start_lwp(return_argument, (void *)0x123456789abcdef0), &value),
                      0) &&
           KTAP_EQUAL((long)value, 0x123456789abcdef0);
}

static bool exit_value_is_joined(void)
{
    void *value = NULL;

    return KTAP_EQUAL(thread_join(start_lwp(exit_with_argument, (void *)77), &value), 0) &&
           KTAP_EQUAL((long)value, 77);
}

static void *end_when_the_first_waits(void *arg)
{
    comes_to_wait(getpid());
    return arg;
}

static bool join_before_exit(void)
{
    void *value = NULL;

    return KTAP_EQUAL(thread_join(start_lwp(end_when_the_first_waits, (void *)5), &value), 0) &&
           KTAP_EQUAL((long)value, 5);
}

static bool join_after_exit(void)
{
    thread_t lwp = start_lwp(return_argument, (void *)5);
    void *value = NULL;

    return KTAP_TRUE(comes_to_end(lwp)) && KTAP_EQUAL(thread_join(lwp, &value), 0) &&
           KTAP_EQUAL((long)value, 5);
}

/* An LWP whose state is ZOMBIE is one for every call, also while its CPU is held up on its way. */
static bool who_is_told_to_have_ended_has(void)
{
    bool is_ok = true;

    for (size_t i = 0; is_ok && i < ktap_times(2000) + 100; i++) {
        uint64_t give_up_ns = monotonic_ns() + KTAP_PATIENCE_NS;
        thread_t lwp = start_lwp(return_argument, NULL);

        while (!is_in_state(lwp, THRUM_LWP_STATE_ZOMBIE) && monotonic_ns() < give_up_ns)
            yield();
        is_ok = KTAP_EQUAL(raw_detach(lwp), 0) && KTAP_EQUAL(raw_detach(lwp), -ESRCH);
    }
    return is_ok;
}

static bool join_without_value(void)
{
    return KTAP_EQUAL(thread_join(start_lwp(return_argument, (void *)5), NULL), 0);
}

static void *join_argument(void *arg)
{
    void *value = NULL;

    if (thread_join((thread_t)(intptr_t)arg, &value) != 0)
        return (void *)(intptr_t)-errno;
    return value;
}

static bool any_lwp_joins_any_other(void)
{
    thread_t target = start_lwp(return_argument, (void *)99);
    void *value = NULL;

    thread_join(start_lwp(join_argument, (void *)(intptr_t)target), &value);
    return KTAP_EQUAL((long)value, 99);
}

/* Join errors. */

static bool join_of_unknown_is_esrch(void)
{
    return KTAP_EQUAL(raw_join(NOBODY, 0), -ESRCH) && KTAP_EQUAL(raw_join(0, 0), -ESRCH) &&
           KTAP_EQUAL(raw_join(-1, 0), -ESRCH) && KTAP_EQUAL(raw_join(INT64_MIN, 0), -ESRCH);
}

static bool join_of_other_process_is_esrch(void)
{
    return KTAP_EQUAL(raw_join(1, 0), -ESRCH);
}

static bool second_join_is_esrch(void)
{
    thread_t lwp = start_lwp(return_argument, NULL);

    thread_join(lwp, NULL);
    return KTAP_EQUAL(raw_join(lwp, 0), -ESRCH);
}

static bool join_of_self_is_edeadlk(void)
{
    return KTAP_EQUAL(raw_join(gettid(), 0), -EDEADLK);
}

static void *join_self_while_joined(void *arg)
{
    (void)arg;
    comes_to_wait(getpid());
    return (void *)raw_join(gettid(), 0);
}

static bool join_of_self_while_joined_is_edeadlk(void)
{
    void *answer = NULL;

    thread_join(start_lwp(join_self_while_joined, NULL), &answer);
    return KTAP_EQUAL((long)answer, -EDEADLK);
}

struct joiner {
    _Atomic int *nr_returned;
    _Atomic thread_t target; /* 0: not known yet */
    int error;               /* of its join, 0 when that has worked */
};

static void *join_when_known(void *arg)
{
    struct joiner *joiner = arg;

    while (atomic_load(&joiner->target) == 0)
        yield();
    joiner->error = -(int)raw_join(atomic_load(&joiner->target), 0);
    atomic_fetch_add(joiner->nr_returned, 1);
    return NULL;
}

static bool some_have_returned(void *arg)
{
    return atomic_load((_Atomic int *)arg) > 0;
}

static bool second_joiner_gets_einval(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    thread_t target = start_lwp(wait_for_semaphore, &sem);
    _Atomic int nr_returned = 0;
    struct joiner joiners[2] = {{.target = target, .nr_returned = &nr_returned},
                                {.target = target, .nr_returned = &nr_returned}};
    thread_t first = start_lwp(join_when_known, &joiners[0]);
    thread_t second = start_lwp(join_when_known, &joiners[1]);

    bool has_loser = ktap_wait_for(some_have_returned, &nr_returned);
    thread_sem_post(&sem);
    thread_join(first, NULL);
    thread_join(second, NULL);
    return KTAP_TRUE(has_loser) && KTAP_EQUAL(joiners[0].error + joiners[1].error, EINVAL) &&
           KTAP_TRUE(joiners[0].error == 0 || joiners[1].error == 0);
}

struct returned_wanted {
    _Atomic int nr_returned;
    int nr_wanted;
};

static bool all_have_returned(void *arg)
{
    struct returned_wanted *wanted = arg;

    return atomic_load(&wanted->nr_returned) == wanted->nr_wanted;
}

/* Each of nr_lwps (at most 8) joins the next one, the last one the first one. */
static bool cycle_breaks_once(int nr_lwps)
{
    struct returned_wanted returned = {.nr_wanted = nr_lwps};
    struct joiner joiners[8];
    thread_t lwp[8];
    int nr_deadlocks = 0, nr_joined = 0;

    for (int i = 0; i < nr_lwps; i++) {
        joiners[i] = (struct joiner){.nr_returned = &returned.nr_returned};
        lwp[i] = start_lwp(join_when_known, &joiners[i]);
    }
    for (int i = 0; i < nr_lwps; i++)
        atomic_store(&joiners[i].target, lwp[(i + 1) % nr_lwps]);
    if (!KTAP_TRUE(ktap_wait_for(all_have_returned, &returned)))
        exit(EXIT_FAILURE); /* their stacks point into ours */

    for (int i = 0; i < nr_lwps; i++) {
        nr_deadlocks += joiners[i].error == EDEADLK;
        nr_joined += joiners[i].error == 0;
        raw_join(lwp[i], 0); /* one of them is left */
    }
    return KTAP_EQUAL(nr_deadlocks, 1) && KTAP_EQUAL(nr_joined, nr_lwps - 1);
}

static bool cycle_of_two_is_edeadlk(void)
{
    return cycle_breaks_once(2);
}

static bool cycle_of_five_is_edeadlk(void)
{
    return cycle_breaks_once(5);
}

static bool bad_value_pointer_is_efault(void)
{
    static const uint64_t bad[] = {KERNEL_HALF, NON_CANONICAL, 8, UINT64_MAX - 7};
    thread_t lwp = start_lwp(return_argument, (void *)31);
    bool is_right = true;
    void *value = NULL;

    for (size_t i = 0; i < KTAP_LEN(bad); i++)
        is_right = KTAP_EQUAL(raw_join(lwp, bad[i]), -EFAULT) && is_right;
    return is_right && KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_EQUAL((long)value, 31);
}

static bool read_only_value_pointer_is_efault(void)
{
    static const uint64_t constant = 12;
    thread_t lwp = start_lwp(return_argument, (void *)31);

    return KTAP_TRUE(comes_to_end(lwp)) &&
           KTAP_EQUAL(raw_join(lwp, (uint64_t)&constant), -EFAULT) &&
           KTAP_EQUAL(thread_join(lwp, NULL), 0);
}

static _Atomic int creator_is_joined_error = -1;

static void *join_creator(void *arg)
{
    creator_is_joined_error = -(int)raw_join((long)arg, 0);
    return NULL;
}

/* Whoever comes second hears of the deadlock. */
static int join_each_other(int argc, char **argv)
{
    (void)argc, (void)argv;
    int error = -(int)raw_join(start_lwp(join_creator, (void *)(intptr_t)gettid()), 0);
    if (error == EDEADLK)
        return 0;
    return error == 0 && creator_is_joined_error == EDEADLK ? 0 : 1;
}

static bool first_lwp_is_no_exception_to_edeadlk(void)
{
    return KTAP_ROLE_EXITS("join-each-other", 0);
}

/* Detach. */

static bool detached_goes_away(void)
{
    uint64_t nr_lwps = count_lwps();
    thread_sem_t sem = THREAD_SEM_INIT(0);
    bool is_right = KTAP_EQUAL(thread_detach(start_lwp(wait_for_semaphore, &sem)), 0);

    thread_sem_post(&sem);
    return lwps_come_back_to(nr_lwps) && is_right;
}

static bool detach_after_exit_reaps(void)
{
    uint64_t nr_lwps = count_lwps();
    thread_t lwp = start_lwp(return_argument, NULL);

    return KTAP_TRUE(comes_to_end(lwp)) && KTAP_EQUAL(raw_detach(lwp), 0) &&
           KTAP_EQUAL(raw_join(lwp, 0), -ESRCH) && lwps_come_back_to(nr_lwps);
}

static bool join_of_detached_is_einval(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    uint64_t nr_lwps = count_lwps();
    thread_t lwp = start_lwp(wait_for_semaphore, &sem);

    thread_detach(lwp);
    bool is_right = KTAP_EQUAL(raw_join(lwp, 0), -EINVAL);
    thread_sem_post(&sem);
    return lwps_come_back_to(nr_lwps) && is_right;
}

static bool second_detach_is_einval(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    uint64_t nr_lwps = count_lwps();
    thread_t lwp = start_lwp(wait_for_semaphore, &sem);

    thread_detach(lwp);
    bool is_right = KTAP_EQUAL(raw_detach(lwp), -EINVAL);
    thread_sem_post(&sem);
    return lwps_come_back_to(nr_lwps) && is_right;
}

static bool detach_of_unknown_is_esrch(void)
{
    return KTAP_EQUAL(raw_detach(NOBODY), -ESRCH) && KTAP_EQUAL(raw_detach(0), -ESRCH) &&
           KTAP_EQUAL(raw_detach(-1), -ESRCH) && KTAP_EQUAL(raw_detach(1), -ESRCH);
}

static bool detach_while_joined_is_einval(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    thread_t target = start_lwp(wait_for_semaphore, &sem);
    thread_t joiner = start_lwp(join_argument, (void *)(intptr_t)target);
    void *value = NULL;

    bool is_right = KTAP_TRUE(comes_to_wait(joiner)) && KTAP_EQUAL(raw_detach(target), -EINVAL);
    thread_sem_post(&sem);
    thread_join(joiner, &value);
    return is_right && KTAP_TRUE(value == &sem);
}

static const struct ktap_test tests[] = {
    {"a joiner gets all 64 bits of the value that was returned", returned_value_is_joined},
    {"a joiner gets the value of thread_exit", exit_value_is_joined},
    {"a join may come before the exit", join_before_exit},
    {"a join may come after the exit", join_after_exit},
    {"an LWP that is told to have ended can be reaped", who_is_told_to_have_ended_has},
    {"a joiner need not take the value", join_without_value},
    {"any LWP joins any other", any_lwp_joins_any_other},
    {"a join of an unknown number is ESRCH", join_of_unknown_is_esrch},
    {"a join of another process's LWP is ESRCH", join_of_other_process_is_esrch},
    {"a second join is ESRCH", second_join_is_esrch},
    {"of two joiners one gets the value and one EINVAL", second_joiner_gets_einval},
    {"a join of oneself is EDEADLK", join_of_self_is_edeadlk},
    {"a join of oneself is EDEADLK also while one is being joined",
     join_of_self_while_joined_is_edeadlk},
    {"a cycle of two joins is EDEADLK for one of them", cycle_of_two_is_edeadlk},
    {"a cycle of five joins is EDEADLK for one of them", cycle_of_five_is_edeadlk},
    {"a cycle with the first LWP is EDEADLK", first_lwp_is_no_exception_to_edeadlk},
    {"a join with a bad value pointer is EFAULT and the LWP stays joinable",
     bad_value_pointer_is_efault},
    {"a join with a read-only value pointer is EFAULT and the zombie stays joinable",
     read_only_value_pointer_is_efault},
    {"a detached LWP goes away by itself", detached_goes_away},
    {"detaching an LWP that has ended reaps it", detach_after_exit_reaps},
    {"a join of a detached LWP is EINVAL", join_of_detached_is_einval},
    {"a second detach is EINVAL", second_detach_is_einval},
    {"a detach of an unknown number is ESRCH", detach_of_unknown_is_esrch},
    {"a detach of an LWP that is being joined is EINVAL", detach_while_joined_is_einval},
    {"no LWP of these tests is left", no_lwp_is_left},
};

static const struct ktap_role roles[] = {
    {"join-each-other", join_each_other},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
