/*
 * clone: LWPs as thread libraries make them, processes with and without the parent's memory, the
 * words that get the new number and are cleared, what is refused, and that nothing is left.
 *
 * What a child runs uses syscall6() only: it may share its parent's thread-local storage.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clone_asm.h"
#include "ktap.h"

#define PAGE        4096ul
#define STACK_BYTES 16384
#define KERNEL_HALF 0xffff800000000000ul
#define NOBODY      0x3ffffffe

/* What pthread_create() of musl and glibc asks for. */
#define LWP_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
#define PTHREAD_FLAGS                                                                              \
    (LWP_FLAGS | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED)

static char stack[STACK_BYTES] __attribute__((aligned(16)));
static char *const stack_top = stack + STACK_BYTES;

/* What children store; and the words of numbers. */
static _Atomic long seen, seen_too;
static _Atomic int parent_tid, child_tid;

/* A page that this process shares with children that copy its memory. */
static _Atomic int *shared;

static long call(long number, long a1, long a2, long a3, long a4)
{
    return syscall6(number, a1, a2, a3, a4, 0, 0);
}

/* Waits as pthread_join() does until a word is cleared; whether that came. */
static bool is_cleared(_Atomic int *word)
{
    const struct timespec patience = {.tv_sec = KTAP_PATIENCE_NS / 1000000000};

    for (int value; (value = atomic_load(word)) != 0;)
        if (call(__NR_futex, (long)word, FUTEX_WAIT, value, (long)&patience) == -ETIMEDOUT)
            return KTAP_EQUAL(atomic_load(word), 0);
    return true;
}

/* Starts an LWP, which has to end by itself, and waits for that; its number, or -errno. */
static long run_lwp(uint64_t flags, int (*function)(void *), void *arg)
{
    atomic_store(&child_tid, 1);
    long tid = clone_call(flags | LWP_FLAGS | CLONE_CHILD_CLEARTID, stack_top, (int *)&parent_tid,
                          (int *)&child_tid, (uint64_t)arg, function, arg);
    return tid < 0 || is_cleared(&child_tid) ? tid : -ETIME;
}

static bool child_exits(long pid, int exit_status)
{
    int status = -1;

    return KTAP_TRUE(pid > 0) && KTAP_EQUAL(call(__NR_wait4, pid, (long)&status, 0, 0), pid) &&
           ktap_check_exits(status, exit_status, __FILE__, __LINE__);
}

static bool child_dies(long pid, int signal)
{
    int status = -1;

    return KTAP_TRUE(pid > 0) && KTAP_EQUAL(call(__NR_wait4, pid, (long)&status, 0, 0), pid) &&
           ktap_check_dies(status, signal, __FILE__, __LINE__);
}

/* A child process, on the second stack. */
static long clone_process(uint64_t flags, int (*function)(void *), void *arg)
{
    return clone_call(flags | SIGCHLD, stack_top, (int *)&parent_tid, (int *)&child_tid, 0,
                      function, arg);
}

/* LWPs. */

static int store_place(void *arg)
{
    atomic_store(&seen, (long)&arg);
    atomic_store(&seen_too, (long)arg);
    return 0;
}

static bool lwp_runs_on_its_stack(void)
{
    int word;

    return KTAP_TRUE(run_lwp(0, store_place, &word) > 0) &&
           KTAP_TRUE(seen > (long)stack && seen < (long)stack_top) &&
           KTAP_EQUAL(seen_too, (long)&word);
}

static int store_numbers(void *arg)
{
    (void)arg;
    atomic_store(&seen, call(__NR_getpid, 0, 0, 0, 0));
    atomic_store(&seen_too, call(__NR_gettid, 0, 0, 0, 0));
    return 0;
}

static bool lwp_is_of_this_process(void)
{
    long tid = run_lwp(0, store_numbers, NULL);

    return KTAP_TRUE(tid > 0 && tid != getpid()) && KTAP_EQUAL(seen, getpid()) &&
           KTAP_EQUAL(seen_too, tid);
}

static int store_words(void *arg)
{
    (void)arg;
    atomic_store(&seen, atomic_load(&parent_tid));
    atomic_store(&seen_too, atomic_load(&child_tid));
    return 0;
}

static bool number_is_stored_for_both(void)
{
    atomic_store(&parent_tid, 0);
    long tid = run_lwp(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, store_words, NULL);
    return KTAP_TRUE(tid > 0) && KTAP_EQUAL(seen, tid) && KTAP_EQUAL(seen_too, tid) &&
           KTAP_EQUAL(parent_tid, tid);
}

static bool number_is_not_stored_unasked(void)
{
    atomic_store(&parent_tid, 77);
    return KTAP_TRUE(run_lwp(0, store_words, NULL) > 0) && KTAP_EQUAL(parent_tid, 77) &&
           KTAP_EQUAL(seen_too, 1);
}

static int store_fs_word(void *arg)
{
    (void)arg;
    atomic_store(&seen, (long)fs_first_word());
    return 0;
}

static bool tls_is_as_given(void)
{
    uint64_t block = 4711;

    return KTAP_TRUE(run_lwp(CLONE_SETTLS, store_fs_word, &block) > 0) && KTAP_EQUAL(seen, 4711);
}

static bool tls_is_the_creators_otherwise(void)
{
    return KTAP_TRUE(run_lwp(0, store_fs_word, NULL) > 0) &&
           KTAP_EQUAL(seen, (long)fs_first_word());
}

static bool vector_registers_are_copied(void)
{
    volatile double x = 1.5;
    double y = x * 2.25;
    long pid = call(__NR_clone, SIGCHLD, 0, 0, 0);

    if (pid == 0)
        call(__NR_exit, y == 3.375 ? 7 : 1, 0, 0, 0);
    return child_exits(pid, 7);
}

static unsigned count_processes(void)
{
    struct thrum_stat stat = {0};

    thrum_stat(&stat);
    return (unsigned)stat.processes;
}

static bool has_as_many_processes(void *arg)
{
    return count_processes() == *(unsigned *)arg;
}

/* Its parent gets no signal, so a plain wait() does not see it; init's has to. */
static bool orphan_without_signal_is_reaped(void)
{
    unsigned before = count_processes();

    for (int ends_first = 0; ends_first < 2; ends_first++) {
        long pid = call(__NR_clone, SIGCHLD, 0, 0, 0);

        if (pid == 0) {
            if (call(__NR_clone, 0, 0, 0, 0) == 0) {
                while (!ends_first && call(__NR_getppid, 0, 0, 0, 0) != 1)
                    call(__NR_sched_yield, 0, 0, 0, 0);
                call(__NR_exit, 0, 0, 0, 0);
            }
            if (ends_first)
                sleep_ns(5000000);
            call(__NR_exit, 7, 0, 0, 0);
        }
        if (!child_exits(pid, 7) || !KTAP_TRUE(ktap_wait_for(has_as_many_processes, &before)))
            return false;
    }
    return true;
}

static int wait_for_go(void *arg)
{
    while (atomic_load((_Atomic long *)arg) == 0)
        call(__NR_sched_yield, 0, 0, 0, 0);
    return 0;
}

static bool lwp_is_born_detached(void)
{
    _Atomic long go = 0;

    atomic_store(&child_tid, 1);
    long tid = clone_call(PTHREAD_FLAGS, stack_top, (int *)&parent_tid, (int *)&child_tid, 0,
                          wait_for_go, (void *)&go);
    long join = call(THRUM_SYS_lwp_join, tid, 0, 0, 0);
    long detach = call(THRUM_SYS_lwp_detach, tid, 0, 0, 0);
    atomic_store(&go, 1);
    return KTAP_TRUE(tid > 0) && is_cleared(&child_tid) && KTAP_EQUAL(join, -EINVAL) &&
           KTAP_EQUAL(detach, -EINVAL);
}

static int leave_by_lwp_exit(void *arg)
{
    call(THRUM_SYS_lwp_exit, (long)arg, 0, 0, 0);
    return 0;
}

static bool lwp_exit_clears_the_word(void)
{
    return KTAP_TRUE(run_lwp(0, leave_by_lwp_exit, NULL) > 0);
}

static int sleep_for_ever(void *arg)
{
    const struct timespec long_time = {.tv_sec = 1000};

    for (;;)
        call(__NR_nanosleep, (long)&long_time, 0, 0, (long)arg);
}

static bool cancelled_lwp_clears_the_word(void)
{
    atomic_store(&child_tid, 1);
    long tid = clone_call(LWP_FLAGS | CLONE_CHILD_CLEARTID, stack_top, NULL, (int *)&child_tid, 0,
                          sleep_for_ever, NULL);
    return KTAP_TRUE(tid > 0) && KTAP_EQUAL(call(THRUM_SYS_lwp_cancel, tid, 0, 0, 0), 0) &&
           is_cleared(&child_tid);
}

static int count(void *arg)
{
    atomic_fetch_add((_Atomic long *)arg, 1);
    return 0;
}

static bool many_lwps_at_once(void)
{
    enum { NR_LWPS = 64 };
    static char stacks[NR_LWPS][STACK_BYTES / 4] __attribute__((aligned(16)));
    static _Atomic int words[NR_LWPS];
    _Atomic long counter = 0;
    bool is_right = true;

    for (int i = 0; i < NR_LWPS; i++) {
        atomic_store(&words[i], 1);
        is_right &=
            clone_call(PTHREAD_FLAGS & ~(uint64_t)CLONE_SETTLS, stacks[i + 1], (int *)&parent_tid,
                       (int *)&words[i], 0, count, (void *)&counter) > 0;
    }
    for (int i = 0; i < NR_LWPS; i++)
        is_right &= is_cleared(&words[i]);
    return KTAP_TRUE(is_right) && KTAP_EQUAL(counter, NR_LWPS);
}

/* Processes with a copy of the memory. */

static int change_memory(void *arg)
{
    atomic_store(&seen, (long)arg);
    return atomic_load(&child_tid);
}

static bool process_has_a_copy(void)
{
    atomic_store(&seen, 1);
    atomic_store(&child_tid, 42);
    return child_exits(clone_process(0, change_memory, (void *)2), 42) && KTAP_EQUAL(seen, 1);
}

static int has_own_number(void *arg)
{
    (void)arg;
    return child_tid == call(__NR_getpid, 0, 0, 0, 0) &&
                   child_tid == call(__NR_gettid, 0, 0, 0, 0) && parent_tid == 0
               ? 7
               : 1;
}

static bool numbers_are_stored_on_either_side(void)
{
    atomic_store(&parent_tid, 0);
    atomic_store(&child_tid, 0);
    long pid = clone_process(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
                             has_own_number, NULL);
    return child_exits(pid, 7) && KTAP_EQUAL(parent_tid, pid) && KTAP_EQUAL(child_tid, 0);
}

static bool process_goes_on_where_its_creator_is(void)
{
    volatile int local = 5;
    long pid = call(__NR_clone, SIGCHLD, 0, 0, 0);

    if (pid == 0)
        call(__NR_exit_group, local + 2, 0, 0, 0);
    return child_exits(pid, 7);
}

static int nap(void *arg)
{
    const struct timespec time = {.tv_nsec = 50000000};

    call(__NR_nanosleep, (long)&time, 0, 0, 0);
    atomic_store(&seen, (long)arg);
    shared[0] = (int)(long)arg;
    return 7;
}

static bool vfork_flag_waits_for_a_copy_too(void)
{
    shared[0] = 0;
    atomic_store(&seen, 0);
    long pid = clone_process(CLONE_VFORK, nap, (void *)3);
    return KTAP_EQUAL(shared[0], 3) && child_exits(pid, 7) && KTAP_EQUAL(seen, 0);
}

/* Processes that share the memory. */

static bool process_shares_memory(void)
{
    atomic_store(&seen, 0);
    long pid = clone_process(CLONE_VM, store_numbers, NULL);
    return child_exits(pid, 0) && KTAP_EQUAL(seen, pid) && KTAP_EQUAL(seen_too, pid);
}

static bool posix_spawn_waits_and_shares(void)
{
    atomic_store(&seen, 0);
    long pid = clone_process(CLONE_VM | CLONE_VFORK, nap, (void *)4);
    return KTAP_EQUAL(seen, 4) && child_exits(pid, 7);
}

static bool vfork_shares_memory(void)
{
    volatile int local = 1;
    pid_t pid = vfork();

    if (pid == 0) {
        local = 2;
        _exit(7);
    }
    return child_exits(pid, 7) && KTAP_EQUAL(local, 2);
}

static int map_a_page(void *arg)
{
    (void)arg;
    char *page = (char *)syscall6(__NR_mmap, 0, PAGE, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 9;
    atomic_store(&seen, (long)page);
    return 0;
}

static bool mapping_of_the_child_stays(void)
{
    if (!child_exits(clone_process(CLONE_VM, map_a_page, NULL), 0))
        return false;
    char *page = (char *)seen;
    return KTAP_EQUAL(*page, 9) && KTAP_EQUAL(munmap(page, PAGE), 0);
}

static int exec_role(void *role)
{
    const char *argv[] = {"t_clone", role, NULL};

    call(__NR_execve, (long)ktap_program(), (long)argv, (long)(argv + 2), 0);
    return 99;
}

static int exit_with_9(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 9;
}

static bool exec_leaves_the_parent_its_memory(void)
{
    atomic_store(&seen, 11);
    return child_exits(clone_process(CLONE_VM, exec_role, "exit-with-9"), 9) &&
           KTAP_EQUAL(seen, 11);
}

/* Sets an action and looks at it, many times. */
static int set_actions(void *arg)
{
    struct sigaction action, now;

    for (int i = 0; i < 2000; i++) {
        memset(&action, 0, sizeof(action));
        action.sa_handler = (__sighandler_t)(uintptr_t)(0x1000 + i);
        if (call(__NR_rt_sigaction, SIGUSR2, (long)&action, 0, 8) != 0 ||
            call(__NR_rt_sigaction, SIGUSR2, 0, (long)&now, 8) != 0 ||
            now.sa_handler != action.sa_handler)
            return 1;
        call(__NR_sched_yield, 0, 0, 0, 0);
    }
    return arg == NULL ? 0 : 1;
}

static int wait_for_child(int argc, char **argv)
{
    int status = -1;

    (void)argc, (void)argv;
    return call(__NR_wait4, -1, (long)&status, 0, 0) > 0 && status == 0 ? 9 : 1;
}

static int exec_when_told(void *may_begin)
{
    while (!atomic_load((atomic_bool *)may_begin))
        call(__NR_sched_yield, 0, 0, 0, 0);
    return exec_role("wait-for-child");
}

/* Of two LWPs that call exec at once, one takes the process away from the child's side. */
static int exec_twice_beside_a_child(void)
{
    static char second_stack[STACK_BYTES] __attribute__((aligned(16)));
    static atomic_bool may_begin;

    if (clone_process(CLONE_VM | CLONE_SIGHAND, set_actions, NULL) < 0 ||
        clone_call(LWP_FLAGS, second_stack + STACK_BYTES, NULL, NULL, 0, exec_when_told,
                   &may_begin) < 0)
        return 1;
    atomic_store(&may_begin, true);
    return exec_when_told(&may_begin);
}

static bool shared_actions_outlive_two_execs(void)
{
    bool is_right = true;

    for (size_t round = 0; is_right && round < ktap_times(40) + 10; round++) {
        long child = call(__NR_fork, 0, 0, 0, 0);

        if (child == 0)
            call(__NR_exit_group, exec_twice_beside_a_child(), 0, 0, 0);
        is_right = child_exits(child, 9);
    }
    return is_right;
}

static int exec_nothing(void *arg)
{
    (void)arg;
    return (int)-call(__NR_execve, (long)"/no/such/program", 0, 0, 0);
}

static bool failing_exec_shows_its_error(void)
{
    return child_exits(clone_process(CLONE_VM | CLONE_VFORK, exec_nothing, NULL), ENOENT);
}

/* Whoever ends while others have the memory clears its word. */
static bool word_is_cleared_by(int (*function)(void *), void *arg, int signal)
{
    atomic_store(&child_tid, 0);
    long pid = clone_process(CLONE_VM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, function, arg);
    while (atomic_load(&child_tid) == 0 && signal != 0)
        yield();
    if (signal != 0)
        call(__NR_kill, pid, signal, 0, 0);
    int status;
    return KTAP_TRUE(pid > 0) && KTAP_EQUAL(call(__NR_wait4, pid, (long)&status, 0, 0), pid) &&
           is_cleared(&child_tid);
}

static bool exit_clears_the_word(void)
{
    return word_is_cleared_by(store_place, NULL, 0);
}

static bool exec_clears_the_word(void)
{
    return word_is_cleared_by(exec_role, "exit-with-9", 0);
}

static bool kill_clears_the_word(void)
{
    return word_is_cleared_by(sleep_for_ever, NULL, SIGKILL);
}

static int outlive_the_parent(void *arg)
{
    (void)arg;
    while (shared[1] == 0)
        call(__NR_sched_yield, 0, 0, 0, 0);
    shared[0] = (int)atomic_load(&seen);
    return 0;
}

static int leave_a_child(void *arg)
{
    (void)arg;
    atomic_store(&seen, 23);
    return clone_call(CLONE_VM | SIGCHLD, stack_top, NULL, NULL, 0, outlive_the_parent, NULL) > 0
               ? 7
               : 1;
}

static bool is_23(void *word)
{
    return atomic_load((_Atomic int *)word) == 23;
}

static bool memory_outlives_the_parent(void)
{
    unsigned before = count_processes();

    shared[0] = shared[1] = 0;
    bool is_right = child_exits(clone_call(SIGCHLD, NULL, NULL, NULL, 0, leave_a_child, NULL), 7);
    shared[1] = 1;
    return is_right && KTAP_TRUE(ktap_wait_for(is_23, (void *)shared)) &&
           KTAP_TRUE(ktap_wait_for(has_as_many_processes, &before));
}

static int crash(void *arg)
{
    *(volatile int *)arg = 1;
    return 0;
}

static bool crash_of_the_child_is_its_own(void)
{
    return child_dies(clone_process(CLONE_VM, crash, NULL), SIGSEGV);
}

/* Wrong addresses: as in Linux, the new LWP comes all the same. */

static bool wild_words_are_not_noticed(void)
{
    int *wild[] = {(int *)KERNEL_HALF, (int *)8, (int *)~3ul, (int *)0x0000800000000000ul};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(wild); i++) {
        uint64_t flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
        is_right &=
            child_exits(clone_call(flags, stack_top, wild[i], wild[i], 0, store_numbers, NULL), 0);
        is_right &= child_exits(
            clone_call(flags | CLONE_VM, stack_top, wild[i], wild[i], 0, store_numbers, NULL), 0);
    }
    return is_right;
}

static bool wild_stack_is_sigsegv(void)
{
    bool is_right = true;
    char *wild[] = {(char *)KERNEL_HALF, (char *)0x1000, (char *)0x0000900000000000ul};

    for (size_t i = 0; i < KTAP_LEN(wild); i++)
        is_right &=
            child_dies(clone_call(SIGCHLD, wild[i], NULL, NULL, 0, store_numbers, NULL), SIGSEGV);
    return is_right;
}

/* Refusals. */

static const struct refusal {
    const char *what;
    uint64_t flags, tls;
    long error;
} refusals[] = {
    {"an LWP without CLONE_SIGHAND", LWP_FLAGS & ~(uint64_t)CLONE_SIGHAND, 0, -EINVAL},
    {"an LWP without CLONE_VM", LWP_FLAGS & ~(uint64_t)CLONE_VM, 0, -EINVAL},
    {"an LWP without CLONE_FILES", LWP_FLAGS & ~(uint64_t)CLONE_FILES, 0, -EINVAL},
    {"an LWP without CLONE_FS", LWP_FLAGS & ~(uint64_t)CLONE_FS, 0, -EINVAL},
    {"an LWP with CLONE_VFORK", LWP_FLAGS | CLONE_VFORK, 0, -EINVAL},
    {"an LWP with CLONE_PARENT", LWP_FLAGS | CLONE_PARENT, 0, -EINVAL},
    {"an LWP with CLONE_PIDFD", LWP_FLAGS | CLONE_PIDFD, 0, -EINVAL},
    {"CLONE_SIGHAND without CLONE_VM", CLONE_SIGHAND | SIGCHLD, 0, -EINVAL},
    {"a process with CLONE_FILES", CLONE_FILES | SIGCHLD, 0, -EINVAL},
    {"a process with CLONE_FS", CLONE_FS | SIGCHLD, 0, -EINVAL},
    {"a process with CLONE_PARENT", CLONE_PARENT | SIGCHLD, 0, -EINVAL},
    {"a process with CLONE_PIDFD", CLONE_PIDFD | SIGCHLD, 0, -EINVAL},
    {"a process with CLONE_IO", CLONE_IO | SIGCHLD, 0, -EINVAL},
    {"a new mount namespace", CLONE_NEWNS | SIGCHLD, 0, -EINVAL},
    {"a new control group namespace", CLONE_NEWCGROUP | SIGCHLD, 0, -EINVAL},
    {"a new UTS namespace", CLONE_NEWUTS | SIGCHLD, 0, -EINVAL},
    {"a new IPC namespace", CLONE_NEWIPC | SIGCHLD, 0, -EINVAL},
    {"a new user namespace", CLONE_NEWUSER | SIGCHLD, 0, -EINVAL},
    {"a new pid namespace", CLONE_NEWPID | SIGCHLD, 0, -EINVAL},
    {"a new network namespace", CLONE_NEWNET | SIGCHLD, 0, -EINVAL},
    {"a signal at its end that does not exist", 65, 0, -EINVAL},
    {"a thread pointer in the kernel's half", LWP_FLAGS | CLONE_SETTLS, KERNEL_HALF, -EPERM},
    {"a thread pointer that is not canonical", CLONE_SETTLS | SIGCHLD, 1ul << 60, -EPERM},
};

static bool is_refused(const struct refusal *refusal)
{
    int word = 77;
    long result =
        clone_call(refusal->flags, stack_top, &word, &word, refusal->tls, store_numbers, NULL);

    return KTAP_EQUAL(result, refusal->error) && KTAP_EQUAL(word, 77) &&
           KTAP_EQUAL(call(__NR_wait4, -1, 0, 1, 0), -ECHILD);
}

/* clone3 */

static bool clone3_makes_an_lwp(void)
{
    uint64_t block = 4712;
    struct clone_args args = {
        .flags = PTHREAD_FLAGS & ~(uint64_t)CLONE_DETACHED,
        .child_tid = (uint64_t)&child_tid,
        .parent_tid = (uint64_t)&parent_tid,
        .stack = (uint64_t)stack,
        .stack_size = STACK_BYTES,
        .tls = (uint64_t)&block,
    };

    atomic_store(&child_tid, 1);
    long tid = clone3_call(&args, sizeof(args), store_fs_word, NULL);
    return KTAP_TRUE(tid > 0) && is_cleared(&child_tid) && KTAP_EQUAL(parent_tid, tid) &&
           KTAP_EQUAL(seen, 4712);
}

static bool clone3_makes_a_process(void)
{
    struct clone_args args = {.exit_signal = SIGCHLD};

    return child_exits(clone3_call(&args, CLONE_ARGS_SIZE_VER0, exec_role, "exit-with-9"), 9);
}

static bool clone3_refuses(void)
{
    static char longer[2 * PAGE];
    struct clone_args good = {.exit_signal = SIGCHLD}, args = good;
    bool is_right = KTAP_EQUAL(clone3_call(&good, 8, store_numbers, NULL), -EINVAL) &&
                    KTAP_EQUAL(clone3_call(&good, 2 * PAGE, store_numbers, NULL), -E2BIG) &&
                    KTAP_EQUAL(clone3_call((void *)KERNEL_HALF, 64, store_numbers, NULL), -EFAULT);

    memcpy(longer, &good, sizeof(good));
    longer[sizeof(good) + 5] = 1;
    is_right &= KTAP_EQUAL(clone3_call(longer, sizeof(good) + 8, store_numbers, NULL), -E2BIG);
    args.flags = CLONE_DETACHED;
    is_right &= KTAP_EQUAL(clone3_call(&args, sizeof(args), store_numbers, NULL), -EINVAL);
    args = good, args.flags = 1ull << 33;
    is_right &= KTAP_EQUAL(clone3_call(&args, sizeof(args), store_numbers, NULL), -EINVAL);
    args = good, args.set_tid_size = 1;
    is_right &= KTAP_EQUAL(clone3_call(&args, sizeof(args), store_numbers, NULL), -EINVAL);
    args = good, args.stack = (uint64_t)stack;
    is_right &= KTAP_EQUAL(clone3_call(&args, sizeof(args), store_numbers, NULL), -EINVAL);
    args = good, args.flags = LWP_FLAGS;
    is_right &= KTAP_EQUAL(clone3_call(&args, sizeof(args), store_numbers, NULL), -EINVAL);
    return is_right && KTAP_EQUAL(call(__NR_wait4, -1, 0, 1, 0), -ECHILD);
}

/* What is left. */

static void everything_once(void)
{
    lwp_runs_on_its_stack();
    process_has_a_copy();
    process_shares_memory();
    exec_leaves_the_parent_its_memory();
    kill_clears_the_word();
    for (size_t i = 0; i < KTAP_LEN(refusals); i++)
        is_refused(&refusals[i]);
}

static bool nothing_is_left(void)
{
    return ktap_leaves_nothing(everything_once);
}

static const struct ktap_test tests[] = {
    {"an LWP made by clone runs on the stack that it is given", lwp_runs_on_its_stack},
    {"it belongs to the process, and has the number that clone returned", lwp_is_of_this_process},
    {"its number is stored before creator and LWP go on", number_is_stored_for_both},
    {"its number is stored only where that was asked for", number_is_not_stored_unasked},
    {"its thread pointer is the one that it is given", tls_is_as_given},
    {"without one it has its creator's", tls_is_the_creators_otherwise},
    {"vector registers are copied", vector_registers_are_copied},
    {"an LWP made by clone is detached", lwp_is_born_detached},
    {"lwp_exit clears its word and wakes who waits for that", lwp_exit_clears_the_word},
    {"so does being cancelled", cancelled_lwp_clears_the_word},
    {"64 LWPs at once: all run, all words are cleared", many_lwps_at_once},
    {"a process made by clone has a copy of the memory", process_has_a_copy},
    {"numbers are stored in the memory of either side", numbers_are_stored_on_either_side},
    {"without a stack it goes on upon a copy of its creator's",
     process_goes_on_where_its_creator_is},
    {"CLONE_VFORK waits for a child with a copy too", vfork_flag_waits_for_a_copy_too},
    {"CLONE_VM: the child is another process in the same memory", process_shares_memory},
    {"CLONE_VM | CLONE_VFORK: the parent goes on when the child is done",
     posix_spawn_waits_and_shares},
    {"vfork shares the memory", vfork_shares_memory},
    {"what such a child maps stays when it has ended", mapping_of_the_child_stays},
    {"its exec leaves the parent its memory", exec_leaves_the_parent_its_memory},
    {"actions that it shares outlive two execs of the parent", shared_actions_outlive_two_execs},
    {"its exec can fail and it goes on", failing_exec_shows_its_error},
    {"its exit clears its word", exit_clears_the_word},
    {"its exec clears its word", exec_clears_the_word},
    {"its being killed clears its word", kill_clears_the_word},
    {"the memory lives on when the parent has ended", memory_outlives_the_parent},
    {"its crash does not end the parent", crash_of_the_child_is_its_own},
    {"the first process reaps one whose end was to be no signal", orphan_without_signal_is_reaped},
    {"wild addresses for numbers are not noticed", wild_words_are_not_noticed},
    {"a wild stack ends the child", wild_stack_is_sigsegv},
    {"clone3 makes an LWP", clone3_makes_an_lwp},
    {"clone3 makes a process, from the oldest structure too", clone3_makes_a_process},
    {"clone3 refuses sizes, flags and fields that mean nothing here", clone3_refuses},
};

static const struct ktap_test last_test = {"frames, heap, LWPs and processes are as before",
                                           nothing_is_left};

static const struct ktap_role roles[] = {{"exit-with-9", exit_with_9},
                                         {"wait-for-child", wait_for_child}};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ktap_start(KTAP_LEN(tests) + KTAP_LEN(refusals) + 1);
    ktap_run(tests, KTAP_LEN(tests));
    for (size_t i = 0; i < KTAP_LEN(refusals); i++)
        ktap_ok(is_refused(&refusals[i]), "clone refuses %s", refusals[i].what);
    ktap_run(&last_test, 1);
    return ktap_finish();
}
