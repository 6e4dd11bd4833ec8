/*
 * Futexes that inherit priorities: what becomes of a lock, and of a waiter, when its LWP or process
 * ends or replaces its program.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ktap.h"
#include "pi_lock.h"

#define PAGE    4096ul
#define MSEC_NS 1000000ull

static _Atomic uint32_t word;
static _Atomic uint32_t *shared;

static _Atomic uint32_t may_end;

static void *lock_and_end(void *arg)
{
    lock(arg);
    atomic_store(&may_end, 1);
    while (!has_waiters_bit(arg))
        yield();
    return NULL;
}

static bool lock_of_an_owner_that_ends_is_given_on(void)
{
    struct waiter second = {.word = &word};
    thread_t owner;
    bool is_right;

    atomic_store(&word, 0);
    atomic_store(&may_end, 0);
    thread_create(&owner, lock_and_end, (void *)&word);
    while (atomic_load(&may_end) == 0)
        yield();
    is_right = KTAP_EQUAL(lock(&word), 0) && KTAP_EQUAL(word, tid() | FUTEX_OWNER_DIED);
    thread_join(owner, NULL);
    is_right &= start_waiter(&second) && KTAP_EQUAL(unlock(&word), 0);
    thread_join(second.lwp, NULL);
    return is_right && KTAP_EQUAL(second.word_seen, (uint32_t)second.lwp);
}

static struct {
    struct robust_list_head head;
    struct {
        struct robust_list link;
        _Atomic uint32_t word;
    } lock;
} robust;

/* With the lock on its robust list, whose bit 0 says what kind of lock it is. */
static void *lock_robust_and_end(void *arg)
{
    robust.head.list.next = (void *)((uintptr_t)&robust.lock.link | 1);
    robust.head.futex_offset = offsetof(__typeof__(robust.lock), word);
    robust.head.list_op_pending = NULL;
    robust.lock.link.next = &robust.head.list;
    syscall6(__NR_set_robust_list, (long)&robust.head, sizeof(robust.head), 0, 0, 0, 0);
    lock(&robust.lock.word);
    atomic_store(&may_end, 1);
    while (arg != NULL && !has_waiters_bit((void *)&robust.lock.word))
        yield();
    return NULL;
}

static bool robust_lock_is_left_or_given_on(void)
{
    thread_t owner;
    bool is_right;

    atomic_store(&robust.lock.word, 0);
    thread_create(&owner, lock_robust_and_end, NULL);
    thread_join(owner, NULL);
    is_right = KTAP_EQUAL(robust.lock.word, FUTEX_OWNER_DIED) &&
               KTAP_EQUAL(lock(&robust.lock.word), 0) &&
               KTAP_EQUAL(robust.lock.word, tid() | FUTEX_OWNER_DIED) &&
               KTAP_EQUAL(unlock(&robust.lock.word), 0) && KTAP_EQUAL(robust.lock.word, 0);
    atomic_store(&may_end, 0);
    thread_create(&owner, lock_robust_and_end, &robust);
    while (atomic_load(&may_end) == 0)
        yield();
    is_right &= KTAP_EQUAL(lock(&robust.lock.word), 0) &&
                KTAP_EQUAL(robust.lock.word, tid() | FUTEX_OWNER_DIED) &&
                KTAP_EQUAL(unlock(&robust.lock.word), 0);
    thread_join(owner, NULL);
    return is_right;
}

static bool cancelled_waiter_leaves_the_queue(void)
{
    struct waiter first = {.word = &word}, second = {.word = &word, .keeps = true};
    bool is_right;

    atomic_store(&word, tid());
    is_right = start_waiter(&first) && start_waiter(&second) &&
               KTAP_EQUAL(thread_exit_target(first.lwp), 0);
    thread_join(first.lwp, NULL);
    is_right &= KTAP_EQUAL(unlock(&word), 0) && KTAP_EQUAL(word, (uint32_t)second.lwp);
    thread_join(second.lwp, NULL);
    return is_right && KTAP_EQUAL(second.result, 0);
}

/* Between processes: the child holds shared[0] until somebody waits, and leaves; or waits for ever.
 */
static void hold_in_child(void (*leave)(void))
{
    lock(&shared[0]);
    atomic_store(&shared[1], 1);
    while (leave != NULL && !has_waiters_bit((void *)&shared[0]))
        yield();
    if (leave != NULL)
        leave();
    for (;;)
        sleep(1000);
}

static void leave_by_exec(void)
{
    char *argv[] = {"t_futex_pi", "nothing", NULL};

    syscall6(__NR_execve, (long)ktap_program(), (long)argv, (long)(argv + 2), 0, 0, 0);
}

static void leave_by_exit(void)
{
    _exit(0);
}

static void leave_by_unlock(void)
{
    _exit(unlock(&shared[0]) == 0 ? 0 : 1);
}

static bool is_given_on_by(void (*leave)(void), uint32_t bits)
{
    int status = -1;
    bool is_right;

    atomic_store(&shared[0], 0);
    atomic_store(&shared[1], 0);
    pid_t child = fork();
    if (child == 0)
        hold_in_child(leave);
    while (atomic_load(&shared[1]) == 0)
        yield();
    is_right = KTAP_EQUAL(lock(&shared[0]), 0) && KTAP_EQUAL(shared[0], tid() | bits) &&
               KTAP_EQUAL(unlock(&shared[0]), 0);
    return KTAP_EQUAL(waitpid(child, &status, 0), child) && KTAP_EQUAL(status, 0) && is_right;
}

static bool other_process_gives_it_on(void)
{
    return is_given_on_by(leave_by_unlock, 0) && is_given_on_by(leave_by_exit, FUTEX_OWNER_DIED) &&
           is_given_on_by(leave_by_exec, FUTEX_OWNER_DIED);
}

static bool killed_process_gives_it_on(void)
{
    struct waiter waiter = {.word = &shared[0]};
    bool is_right;

    atomic_store(&shared[0], 0);
    atomic_store(&shared[1], 0);
    pid_t child = fork();
    if (child == 0)
        hold_in_child(NULL);
    while (atomic_load(&shared[1]) == 0)
        yield();
    is_right = start_waiter(&waiter);
    syscall6(__NR_kill, child, SIGKILL, 0, 0, 0, 0);
    thread_join(waiter.lwp, NULL);
    waitpid(child, NULL, 0);
    return is_right && KTAP_EQUAL(waiter.result, 0) &&
           KTAP_EQUAL(waiter.word_seen, (uint32_t)waiter.lwp | FUTEX_OWNER_DIED) &&
           KTAP_EQUAL(shared[0], 0);
}

/* Its owner unmaps the lock, and ends: the waiter has a lock that nobody can see any more. */
static void *lock_and_unmap(void *arg)
{
    lock(arg);
    atomic_store(&may_end, 1);
    while (!has_waiters_bit(arg))
        yield();
    munmap(arg, PAGE);
    return NULL;
}

static void *wait_only(void *arg)
{
    return (void *)lock(arg);
}

static bool lock_that_is_unmapped_is_given_on(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    thread_t owner, waiter;
    void *result = NULL;

    atomic_store(&may_end, 0);
    thread_create(&owner, lock_and_unmap, page);
    while (atomic_load(&may_end) == 0)
        yield();
    thread_create(&waiter, wait_only, page);
    thread_join(owner, NULL);
    thread_join(waiter, &result);
    return KTAP_EQUAL((long)result, 0);
}

/* ---- A crowd -------------------------------------------------------------------------------- */

#define NR_WORDS 3
#define NR_CROWD 8

static _Atomic uint32_t words[NR_WORDS];
static _Atomic bool crowd_may_go;

/* Until it is told to stop, or ended: takes locks in any order, some for a short time only. */
static void *be_in_crowd(void *arg)
{
    uint64_t seed = (uintptr_t)arg + 1;

    while (!atomic_load(&crowd_may_go)) {
        const struct timespec past = {0};
        _Atomic uint32_t *first, *second;
        uint32_t dead;

        seed = seed * 6364136223846793005 + 1442695040888963407; /* Knuth's MMIX */
        first = &words[(seed >> 40) % NR_WORDS];
        second = &words[(seed >> 50) % NR_WORDS];
        dead = atomic_load(first);
        switch (futex((void *)first, FUTEX_LOCK_PI2, 0, seed >> 63 ? &past : NULL, NULL, 0)) {
        case 0:
            if (lock(second) == 0)
                unlock(second);
            unlock(first);
            break;
        case -ESRCH: /* its owner was ended while nobody waited */
            atomic_compare_exchange_strong(first, &dead, 0);
            break;
        default:
            break;
        }
    }
    return NULL;
}

static bool crowd_that_is_ended_leaves_locks_that_work(void)
{
    thread_t lwps[NR_CROWD];
    bool is_right = true;

    atomic_store(&crowd_may_go, false);
    for (int i = 0; i < NR_WORDS; i++)
        atomic_store(&words[i], 0);
    for (uintptr_t i = 0; i < NR_CROWD; i++)
        thread_create(&lwps[i], be_in_crowd, (void *)i);
    for (uintptr_t i = 0; i < ktap_times(400); i++) {
        for (int k = 0; k < 5; k++)
            yield();
        is_right &= KTAP_EQUAL(thread_exit_target(lwps[i % NR_CROWD]), 0);
        thread_join(lwps[i % NR_CROWD], NULL);
        thread_create(&lwps[i % NR_CROWD], be_in_crowd, (void *)(i + NR_CROWD));
    }
    atomic_store(&crowd_may_go, true);
    for (int i = 0; i < NR_CROWD; i++)
        thread_join(lwps[i], NULL);
    for (int i = 0; i < NR_WORDS; i++) {
        long result = lock(&words[i]);

        if (result == 0)
            is_right &= KTAP_EQUAL(unlock(&words[i]), 0) && KTAP_EQUAL(words[i], 0);
        else
            is_right &= KTAP_EQUAL(result, -ESRCH);
    }
    return is_right;
}

/* ---- What is left --------------------------------------------------------------------------- */

static void end_in_many_ways(void)
{
    cancelled_waiter_leaves_the_queue();
    killed_process_gives_it_on();
    lock_that_is_unmapped_is_given_on();
    crowd_that_is_ended_leaves_locks_that_work();
}

static bool nothing_is_left(void)
{
    return ktap_leaves_nothing(end_in_many_ways);
}

static const struct ktap_test tests[] = {
    {"the lock of an owner that ends is given on", lock_of_an_owner_that_ends_is_given_on},
    {"a robust lock is left, or given on", robust_lock_is_left_or_given_on},
    {"a cancelled waiter leaves the queue", cancelled_waiter_leaves_the_queue},
    {"another process gives it on by unlock, exit and exec", other_process_gives_it_on},
    {"one that is killed, too", killed_process_gives_it_on},
    {"so is one that is unmapped", lock_that_is_unmapped_is_given_on},
    {"a crowd that is ended one by one leaves locks that work",
     crowd_that_is_ended_leaves_locks_that_work},
};

static const struct ktap_test last_test = {"frames, heap, LWPs and processes are as before",
                                           nothing_is_left};

static int do_nothing(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static const struct ktap_role roles[] = {{"nothing", do_nothing}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ktap_start(KTAP_LEN(tests) + 1);
    ktap_run(tests, KTAP_LEN(tests));
    ktap_run(&last_test, 1);
    return ktap_finish();
}
