/*
 * Futexes between processes: memory that they share, waiting and waking across them, and robust
 * lists, by which the kernel marks the locks of an LWP that has ended.
 */

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"
#include "ktap.h"

#define PAGE        4096ul
#define KERNEL_HALF 0xffff800000000000ul
#define UNMAPPED    0x1000ul
#define NOBODY      0x3ffffffe
#define MSEC_NS     1000000ull

static _Atomic uint32_t word, other_word;

static long futex(const void *at, int operation, long value, long timeout_or_value2,
                  const void *word2, long value3)
{
    return syscall6(__NR_futex, (long)at, operation, value, timeout_or_value2, (long)word2, value3);
}

static long wake(const void *at, long nr)
{
    return futex(at, FUTEX_WAKE_PRIVATE, nr, 0, NULL, 0);
}

/* Memory that processes share. */

static _Atomic uint32_t *shared;

static _Atomic uint32_t *map_shared(size_t nr_pages)
{
    return mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static bool shared_memory_is_shared(void)
{
    _Atomic uint32_t *pages = map_shared(3);

    atomic_store(&pages[0], 1);
    pid_t child = fork();
    if (child == 0) {
        atomic_store(&pages[1024], pages[0] + 1); /* a page that nobody has touched */
        _exit(mprotect((void *)pages, PAGE, PROT_NONE) == 0 &&
                      mprotect((void *)pages, PAGE, PROT_READ | PROT_WRITE) == 0
                  ? (int)atomic_fetch_add(&pages[0], 6) + 6
                  : 99);
    }
    bool is_right = exits(child, 7) && KTAP_EQUAL(pages[1024], 2) && KTAP_EQUAL(pages[0], 7);
    return KTAP_EQUAL(munmap((void *)pages, 3 * PAGE), 0) && is_right;
}

static bool shared_memory_outlives_one_side(void)
{
    _Atomic uint32_t *pages = map_shared(2);

    atomic_store(&pages[0], 3);
    atomic_store(&shared[0], 0);
    pid_t child = fork();
    if (child == 0) {
        while (atomic_load(&shared[0]) == 0)
            yield();
        _exit((int)pages[0] + (int)pages[1024]);
    }
    munmap((void *)pages, 2 * PAGE);
    atomic_store(&shared[0], 1);
    return exits(child, 3);
}

static bool too_much_shared_memory_is_enomem(void)
{
    struct thrum_stat before, after;
    bool is_right = true;

    thrum_stat(&before);
    const uint64_t nr_pages[] = {1ul << 34, before.frames_total + 1};
    for (size_t i = 0; i < KTAP_LEN(nr_pages); i++) {
        void *pages = mmap(NULL, nr_pages[i] * PAGE, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        is_right &= KTAP_TRUE(pages == MAP_FAILED) && KTAP_EQUAL(errno, ENOMEM);
    }
    thrum_stat(&after);
    return is_right && KTAP_TRUE(after.frames_free + 64 >= before.frames_free);
}

/* Waits at `at` in a child until woken; shared[1] counts those that are back. */
static pid_t start_waiting_child(_Atomic uint32_t *at, int operation)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    long result = futex(at, operation, 0, 0, NULL, 0);
    _exit(result == 0 ? 7 : 1);
}

static bool has_shared_waiter(void *arg)
{
    long nr = futex(arg, FUTEX_REQUEUE, 0, INT_MAX, (const void *)&shared[100], 0);

    futex((const void *)&shared[100], FUTEX_REQUEUE, 0, INT_MAX, arg, 0);
    return nr == 1;
}

static bool wake_reaches_other_processes(void)
{
    atomic_store(&shared[0], 0);
    pid_t child = start_waiting_child(&shared[0], FUTEX_WAIT);
    bool is_right = KTAP_TRUE(ktap_wait_for(has_shared_waiter, (void *)&shared[0])) &&
                    KTAP_EQUAL(wake((const void *)&shared[0], 1), 0) &&
                    KTAP_EQUAL(futex((const void *)&shared[1], FUTEX_WAKE, 1, 0, NULL, 0), 0) &&
                    KTAP_EQUAL(futex((const void *)&shared[0], FUTEX_WAKE, 1, 0, NULL, 0), 1);
    return exits(child, 7) && is_right;
}

static bool requeue_reaches_other_processes(void)
{
    atomic_store(&shared[0], 0);
    pid_t child = start_waiting_child(&shared[0], FUTEX_WAIT);
    bool is_right =
        KTAP_TRUE(ktap_wait_for(has_shared_waiter, (void *)&shared[0])) &&
        KTAP_EQUAL(futex((const void *)&shared[0], FUTEX_CMP_REQUEUE, 0, 1, (void *)&shared[2], 0),
                   1) &&
        KTAP_EQUAL(futex((const void *)&shared[0], FUTEX_WAKE, 1, 0, NULL, 0), 0) &&
        KTAP_EQUAL(futex((const void *)&shared[2], FUTEX_WAKE, 1, 0, NULL, 0), 1);
    return exits(child, 7) && is_right;
}

static bool copied_memory_is_not_shared(void)
{
    pid_t child = start_waiting_child(&word, FUTEX_WAIT);

    bool is_right =
        KTAP_TRUE(comes_to_wait(child)) && KTAP_EQUAL(futex(&word, FUTEX_WAKE, 1, 0, NULL, 0), 0);
    syscall6(__NR_kill, child, SIGKILL, 0, 0, 0, 0);
    int status = 0;
    waitpid(child, &status, 0);
    return is_right && ktap_check_dies(status, SIGKILL, __FILE__, __LINE__);
}

static bool killed_waiters_leave_the_queue(void)
{
    atomic_store(&shared[0], 0);
    pid_t child = start_waiting_child(&shared[0], FUTEX_WAIT);
    bool is_right = KTAP_TRUE(ktap_wait_for(has_shared_waiter, (void *)&shared[0]));
    syscall6(__NR_kill, child, SIGKILL, 0, 0, 0, 0);
    waitpid(child, NULL, 0);
    return is_right && KTAP_EQUAL(futex((const void *)&shared[0], FUTEX_WAKE, 1, 0, NULL, 0), 0);
}

/* Robust lists. The owner is a child; its locks are in shared memory. */

struct lock {
    struct robust_list link;
    _Atomic uint32_t word;
    uint32_t padding;
};

struct robust_page {
    struct robust_list_head head;
    struct lock locks[4];
    _Atomic uint32_t is_ready;
};

static struct robust_page *robust;

/* In the owner: a list of the first nr locks, which it holds; the third one has waiters. */
static void hold_locks(size_t nr)
{
    uint32_t tid = (uint32_t)gettid();

    robust->head = (struct robust_list_head){.futex_offset = offsetof(struct lock, word)};
    robust->head.list.next = nr > 0 ? &robust->locks[0].link : &robust->head.list;
    for (size_t i = 0; i < KTAP_LEN(robust->locks); i++) {
        robust->locks[i].link.next = i + 1 < nr ? &robust->locks[i + 1].link : &robust->head.list;
        atomic_store(&robust->locks[i].word, tid | (i == 2 ? FUTEX_WAITERS : 0));
    }
    syscall6(__NR_set_robust_list, (long)&robust->head, sizeof(robust->head), 0, 0, 0, 0);
}

static void run_owner(void (*hold)(void), void (*leave)(void))
{
    memset(robust, 0, sizeof(*robust));
    pid_t child = fork();
    if (child == 0) {
        hold();
        atomic_store(&robust->is_ready, (uint32_t)gettid());
        leave();
        _exit(0);
    }
    while (atomic_load(&robust->is_ready) == 0)
        yield();
    waitpid(child, NULL, 0);
}

static void leave_by_exit(void)
{
    _exit(0);
}

static void leave_by_exec(void)
{
    char *argv[] = {"t_futex", "nothing", NULL};

    syscall6(__NR_execve, (long)ktap_program(), (long)argv, (long)(argv + 2), 0, 0, 0);
}

static void leave_by_crash(void)
{
    *(volatile int *)UNMAPPED = 1;
}

static void wait_to_be_killed(void)
{
    for (;;)
        sleep(1000);
}

static void hold_three(void)
{
    hold_locks(3);
}

static bool locks_are_marked_by(void (*leave)(void))
{
    run_owner(hold_three, leave);
    return KTAP_EQUAL(robust->locks[0].word, FUTEX_OWNER_DIED) &&
           KTAP_EQUAL(robust->locks[1].word, FUTEX_OWNER_DIED) &&
           KTAP_EQUAL(robust->locks[2].word, (uint32_t)(FUTEX_OWNER_DIED | FUTEX_WAITERS)) &&
           KTAP_EQUAL(robust->locks[3].word, robust->is_ready);
}

static bool exit_marks_locks(void)
{
    return locks_are_marked_by(leave_by_exit);
}

static bool exec_marks_locks(void)
{
    return locks_are_marked_by(leave_by_exec);
}

static bool crash_marks_locks(void)
{
    return locks_are_marked_by(leave_by_crash);
}

static bool kill_marks_locks(void)
{
    memset(robust, 0, sizeof(*robust));
    pid_t child = fork();
    if (child == 0) {
        hold_three();
        atomic_store(&robust->is_ready, (uint32_t)gettid());
        wait_to_be_killed();
    }
    while (atomic_load(&robust->is_ready) == 0)
        yield();
    syscall6(__NR_kill, child, SIGKILL, 0, 0, 0, 0);
    waitpid(child, NULL, 0);
    return KTAP_EQUAL(robust->locks[1].word, FUTEX_OWNER_DIED) &&
           KTAP_EQUAL(robust->locks[3].word, (uint32_t)child);
}

static void hold_with_waiters(void)
{
    hold_locks(3);
    while (!has_shared_waiter(&robust->locks[2].word))
        yield();
}

static bool waiter_is_told(void)
{
    memset(robust, 0, sizeof(*robust));
    pid_t owner = fork();
    if (owner == 0) {
        hold_with_waiters();
        _exit(0);
    }
    uint32_t held = (uint32_t)owner | FUTEX_WAITERS;
    while (atomic_load(&robust->locks[2].word) == 0)
        yield();
    const struct timespec patience = {.tv_sec = KTAP_PATIENCE_NS / 1000000000};
    long result = futex(&robust->locks[2].word, FUTEX_WAIT, held, (long)&patience, NULL, 0);
    return exits(owner, 0) && KTAP_EQUAL(result, 0) &&
           KTAP_EQUAL(robust->locks[2].word, (uint32_t)(FUTEX_OWNER_DIED | FUTEX_WAITERS));
}

static void hold_pending(void)
{
    hold_locks(0);
    robust->head.list_op_pending = &robust->locks[3].link;
}

static bool pending_lock_is_marked(void)
{
    run_owner(hold_pending, leave_by_exit);
    return KTAP_EQUAL(robust->locks[3].word, FUTEX_OWNER_DIED) &&
           KTAP_EQUAL(robust->locks[0].word, robust->is_ready);
}

static void hold_of_others(void)
{
    hold_locks(2);
    atomic_store(&robust->locks[0].word, NOBODY);
}

static bool locks_of_others_are_left_alone(void)
{
    run_owner(hold_of_others, leave_by_exit);
    return KTAP_EQUAL(robust->locks[0].word, NOBODY) &&
           KTAP_EQUAL(robust->locks[1].word, FUTEX_OWNER_DIED);
}

static void hold_in_a_circle(void)
{
    hold_locks(2);
    robust->locks[1].link.next = &robust->locks[0].link;
}

static bool circle_ends(void)
{
    run_owner(hold_in_a_circle, leave_by_exit);
    return KTAP_EQUAL(robust->locks[0].word, FUTEX_OWNER_DIED) &&
           KTAP_EQUAL(robust->locks[1].word, FUTEX_OWNER_DIED);
}

static struct lock *many_locks;

static void hold_too_many(void)
{
    hold_locks(0);
    robust->head.list.next = &many_locks[0].link;
    for (size_t i = 0; i <= ROBUST_LIST_LIMIT; i++) {
        many_locks[i].link.next = &many_locks[i + 1].link;
        atomic_store(&many_locks[i].word, (uint32_t)gettid());
    }
    many_locks[ROBUST_LIST_LIMIT].link.next = &robust->head.list;
}

static bool walk_ends_after_2048_locks(void)
{
    size_t nr_bytes = (ROBUST_LIST_LIMIT + 2) * sizeof(struct lock);

    many_locks = (struct lock *)map_shared((nr_bytes + PAGE - 1) / PAGE);
    run_owner(hold_too_many, leave_by_exit);
    bool is_right = KTAP_EQUAL(many_locks[ROBUST_LIST_LIMIT - 1].word, FUTEX_OWNER_DIED) &&
                    KTAP_EQUAL(many_locks[ROBUST_LIST_LIMIT].word, robust->is_ready);
    munmap((void *)many_locks, (nr_bytes + PAGE - 1) / PAGE * PAGE);
    return is_right;
}

/* The list breaks behind the first lock, which is marked all the same. */
static uint64_t wild_address;

static void hold_wild(void)
{
    hold_locks(2);
    robust->locks[0].link.next = (struct robust_list *)wild_address;
    robust->head.list_op_pending = (struct robust_list *)(wild_address + 16);
}

static void hold_wild_head(void)
{
    hold_locks(0);
    syscall6(__NR_set_robust_list, (long)wild_address, sizeof(robust->head), 0, 0, 0, 0);
}

static bool wild_lists_are_harmless(void)
{
    static const uint64_t wild[] = {UNMAPPED, KERNEL_HALF, 1ul << 60, ~0ul - 8, 0x7ffffffff000ul};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(wild); i++) {
        wild_address = wild[i];
        run_owner(hold_wild_head, leave_by_exit);
        run_owner(hold_wild, leave_by_exit);
        is_right &= KTAP_EQUAL(robust->locks[0].word, FUTEX_OWNER_DIED) &&
                    KTAP_EQUAL(robust->locks[1].word, robust->is_ready);
    }
    return is_right;
}

static void *ask_for_list(void *arg)
{
    struct robust_list_head *head = NULL;
    size_t nr_bytes = 0;
    bool is_right =
        syscall6(__NR_get_robust_list, (long)arg, (long)&head, (long)&nr_bytes, 0, 0, 0) == 0;

    return (void *)(long)(is_right && head == (void *)&shared[200] && nr_bytes == sizeof(*head));
}

static bool list_can_be_asked_for(void)
{
    thread_t lwp;
    void *value = NULL;

    syscall6(__NR_set_robust_list, (long)&shared[200], sizeof(robust->head), 0, 0, 0, 0);
    bool is_right = KTAP_TRUE(ask_for_list(NULL) != NULL);
    thread_create(&lwp, ask_for_list, (void *)(long)gettid());
    thread_join(lwp, &value);
    syscall6(__NR_set_robust_list, 0, sizeof(robust->head), 0, 0, 0, 0);
    return is_right && KTAP_TRUE(value != NULL);
}

/* Wrong arguments. */

static const struct refusal {
    const char *what;
    long number;
    long argument[3];
    long error;
} refusals[] = {
    {"set_robust_list with another size", __NR_set_robust_list, {(long)&word, 8}, -EINVAL},
    {"get_robust_list of nobody",
     __NR_get_robust_list,
     {NOBODY, (long)&word, (long)&other_word},
     -ESRCH},
    {"get_robust_list of -1", __NR_get_robust_list, {-1, (long)&word, (long)&other_word}, -ESRCH},
    {"get_robust_list into nowhere",
     __NR_get_robust_list,
     {0, UNMAPPED, (long)&other_word},
     -EFAULT},
    {"get_robust_list with its size into the kernel",
     __NR_get_robust_list,
     {0, (long)&other_word, (long)KERNEL_HALF},
     -EFAULT},
};

static bool is_refused(const struct refusal *r)
{
    const long *a = r->argument;

    return KTAP_EQUAL(syscall6(r->number, a[0], a[1], a[2], 0, 0, 0), r->error);
}

/* What is left. */

static void share_and_leave(void)
{
    requeue_reaches_other_processes();
    killed_waiters_leave_the_queue();
    shared_memory_is_shared();
    locks_are_marked_by(leave_by_exec);
}

static bool nothing_is_left(void)
{
    return ktap_leaves_nothing(share_and_leave);
}

static const struct ktap_test tests[] = {
    {"shared memory is the same on both sides of a fork", shared_memory_is_shared},
    {"shared memory outlives being unmapped by one side", shared_memory_outlives_one_side},
    {"more shared memory than there is is ENOMEM", too_much_shared_memory_is_enomem},
    {"a wake-up reaches other processes in shared memory, not for private calls",
     wake_reaches_other_processes},
    {"requeue moves waiters of other processes", requeue_reaches_other_processes},
    {"memory that was copied by fork has waiters of its own", copied_memory_is_not_shared},
    {"a waiter that is killed leaves the queue", killed_waiters_leave_the_queue},
    {"exit marks the locks on the robust list", exit_marks_locks},
    {"so does exec", exec_marks_locks},
    {"so does a crash", crash_marks_locks},
    {"so does kill", kill_marks_locks},
    {"a waiter of another process is woken when the owner dies", waiter_is_told},
    {"the lock that the owner was just taking is marked", pending_lock_is_marked},
    {"locks that others own are left alone", locks_of_others_are_left_alone},
    {"a list in a circle ends", circle_ends},
    {"the walk ends after 2048 locks", walk_ends_after_2048_locks},
    {"lists that lead to wild addresses are harmless", wild_lists_are_harmless},
    {"every LWP's list can be asked for", list_can_be_asked_for},
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
    shared = map_shared(1);
    robust = (struct robust_page *)map_shared(1);
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(refusals) + 1);
    ktap_run(tests, KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(refusals); i++)
        ktap_ok(is_refused(&refusals[i]), "%s is refused", refusals[i].what);
    ktap_run(&last_test, 1);
    return ktap_finish();
}
