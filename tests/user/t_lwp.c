/*
 * LWPs: create, exit, join, detach and every error of theirs; what a process's LWPs share and what
 * each has for itself; the ends of processes with many of them.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

#include <linux/signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ktap.h"
#include "user_asm.h"

#define KERNEL_HALF   0xffff800000000000ul
#define NON_CANONICAL 0x0000900000000000ul
#define TID_UNKNOWN   0x3ffffffe
#define PAGE          4096ul
#define FOR_EVER_S    100000

/* The system calls as they are: -errno on an error. */
static long raw_create(uint64_t entry, uint64_t arg, const struct thrum_lwp_attr *attr)
{
    return syscall6(THRUM_SYS_lwp_create, (long)entry, (long)arg, (long)attr, 0, 0, 0);
}

static long raw_join(long tid, uint64_t value_address)
{
    return syscall6(THRUM_SYS_lwp_join, tid, (long)value_address, 0, 0, 0, 0);
}

static long raw_detach(long tid)
{
    return syscall6(THRUM_SYS_lwp_detach, tid, 0, 0, 0, 0, 0);
}

static thread_t start(void *(*function)(void *), void *arg)
{
    thread_t lwp;

    if (thread_create(&lwp, function, arg) != 0) {
        perror("# thread_create");
        exit(EXIT_FAILURE);
    }
    return lwp;
}

/* Long enough that an LWP which has nothing left to do but exit, or block, has done it. */
static void let_others_finish(void)
{
    sleep_ns(20000000);
}

static void *return_argument(void *arg)
{
    return arg;
}

static void *exit_with_argument(void *arg)
{
    thread_exit(arg);
}

/* An LWP that stays until its semaphore is posted. */
static void *wait_for_semaphore(void *sem)
{
    thread_sem_wait(sem);
    return sem;
}

static void *sleep_for_ever(void *arg)
{
    sleep(FOR_EVER_S);
    return arg;
}

static void *spin_for_ever(void *arg)
{
    for (;;)
        __builtin_ia32_pause();
    return arg;
}

struct lwps_wanted {
    uint64_t nr_lwps;
};

static bool has_lwps(void *arg)
{
    const struct lwps_wanted *wanted = arg;
    struct thrum_stat stat;

    return thrum_stat(&stat) == 0 && stat.lwps == wanted->nr_lwps;
}

static uint64_t count_lwps(void)
{
    struct thrum_stat stat = {0};

    thrum_stat(&stat);
    return stat.lwps;
}

static bool lwps_come_back_to(uint64_t nr_lwps)
{
    return KTAP_TRUE(ktap_wait_for(has_lwps, &(struct lwps_wanted){nr_lwps}));
}

/* Values. */

static bool returned_value_is_joined(void)
{
    void *value = NULL;

    return KTAP_EQUAL(thread_join(start(return_argument, (void *)0x123456789abcdef0), &value), 0) &&
           KTAP_EQUAL((long)value, 0x123456789abcdef0);
}

static bool exit_value_is_joined(void)
{
    void *value = NULL;

    return KTAP_EQUAL(thread_join(start(exit_with_argument, (void *)77), &value), 0) &&
           KTAP_EQUAL((long)value, 77);
}

static uint64_t double_it(uint64_t arg, uint64_t arg2)
{
    return 2 * arg + arg2;
}

static bool returning_from_entry_exits(void)
{
    uint64_t value = 0;
    long tid = raw_create((uint64_t)double_it, 21, NULL);

    return KTAP_TRUE(tid > 0) && KTAP_EQUAL(raw_join(tid, (uint64_t)&value), 0) &&
           KTAP_EQUAL((long)value, 42);
}

static bool entry_gets_second_argument(void)
{
    struct thrum_lwp_attr attr = {.size_bytes = sizeof(attr), .arg2 = 1000};
    uint64_t value = 0;
    long tid = raw_create((uint64_t)double_it, 21, &attr);

    return KTAP_TRUE(tid > 0) && KTAP_EQUAL(raw_join(tid, (uint64_t)&value), 0) &&
           KTAP_EQUAL((long)value, 1042);
}

static bool join_before_exit(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    thread_sem_t never = THREAD_SEM_INIT(0);
    thread_t lwp = start(wait_for_semaphore, &sem);
    void *value = &never;

    yield();
    thread_sem_post(&sem);
    return KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_TRUE(value == &sem);
}

static bool join_after_exit(void)
{
    thread_t lwp = start(return_argument, (void *)5);
    void *value = NULL;

    let_others_finish();
    return KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_EQUAL((long)value, 5);
}

static bool join_without_value(void)
{
    return KTAP_EQUAL(thread_join(start(return_argument, (void *)5), NULL), 0);
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
    thread_t target = start(return_argument, (void *)99);
    void *value = NULL;

    thread_join(start(join_argument, (void *)(intptr_t)target), &value);
    return KTAP_EQUAL((long)value, 99);
}

/* Join errors. */

static bool join_of_unknown_is_esrch(void)
{
    return KTAP_EQUAL(raw_join(TID_UNKNOWN, 0), -ESRCH) && KTAP_EQUAL(raw_join(0, 0), -ESRCH) &&
           KTAP_EQUAL(raw_join(-1, 0), -ESRCH) && KTAP_EQUAL(raw_join(INT64_MIN, 0), -ESRCH);
}

static bool join_of_other_process_is_esrch(void)
{
    return KTAP_EQUAL(raw_join(1, 0), -ESRCH);
}

static bool second_join_is_esrch(void)
{
    thread_t lwp = start(return_argument, NULL);

    thread_join(lwp, NULL);
    return KTAP_EQUAL(raw_join(lwp, 0), -ESRCH);
}

static bool join_of_self_is_edeadlk(void)
{
    return KTAP_EQUAL(raw_join(gettid(), 0), -EDEADLK);
}

/* Its creator is by then in lwp_join(); where it is late, the answer is the same. */
static void *join_self_while_joined(void *arg)
{
    (void)arg;
    let_others_finish();
    return (void *)raw_join(gettid(), 0);
}

static bool join_of_self_while_joined_is_edeadlk(void)
{
    void *answer = NULL;

    thread_join(start(join_self_while_joined, NULL), &answer);
    return KTAP_EQUAL((long)answer, -EDEADLK);
}

struct joiner {
    _Atomic thread_t target; /* 0: not known yet */
    _Atomic int *nr_returned;
    int error; /* of its join, 0 when that has worked */
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
    thread_t target = start(wait_for_semaphore, &sem);
    _Atomic int nr_returned = 0;
    struct joiner joiners[2] = {{.target = target, .nr_returned = &nr_returned},
                                {.target = target, .nr_returned = &nr_returned}};
    thread_t first = start(join_when_known, &joiners[0]);
    thread_t second = start(join_when_known, &joiners[1]);

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
        lwp[i] = start(join_when_known, &joiners[i]);
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
    thread_t lwp = start(return_argument, (void *)31);
    bool is_right = true;
    void *value = NULL;

    for (size_t i = 0; i < KTAP_LEN(bad); i++)
        is_right = KTAP_EQUAL(raw_join(lwp, bad[i]), -EFAULT) && is_right;
    return is_right && KTAP_EQUAL(thread_join(lwp, &value), 0) && KTAP_EQUAL((long)value, 31);
}

static bool read_only_value_pointer_is_efault(void)
{
    static const uint64_t constant = 12;
    thread_t lwp = start(return_argument, (void *)31);

    let_others_finish();
    return KTAP_EQUAL(raw_join(lwp, (uint64_t)&constant), -EFAULT) &&
           KTAP_EQUAL(thread_join(lwp, NULL), 0);
}

/* Detach. */

static bool detached_goes_away(void)
{
    uint64_t nr_lwps = count_lwps();
    thread_sem_t sem = THREAD_SEM_INIT(0);
    bool is_right = KTAP_EQUAL(thread_detach(start(wait_for_semaphore, &sem)), 0);

    thread_sem_post(&sem);
    return lwps_come_back_to(nr_lwps) && is_right;
}

static bool detach_after_exit_reaps(void)
{
    uint64_t nr_lwps = count_lwps();
    thread_t lwp = start(return_argument, NULL);

    let_others_finish();
    return KTAP_EQUAL(raw_detach(lwp), 0) && KTAP_EQUAL(raw_join(lwp, 0), -ESRCH) &&
           lwps_come_back_to(nr_lwps);
}

static bool join_of_detached_is_einval(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    uint64_t nr_lwps = count_lwps();
    thread_t lwp = start(wait_for_semaphore, &sem);

    thread_detach(lwp);
    bool is_right = KTAP_EQUAL(raw_join(lwp, 0), -EINVAL);
    thread_sem_post(&sem);
    return lwps_come_back_to(nr_lwps) && is_right;
}

static bool second_detach_is_einval(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    uint64_t nr_lwps = count_lwps();
    thread_t lwp = start(wait_for_semaphore, &sem);

    thread_detach(lwp);
    bool is_right = KTAP_EQUAL(raw_detach(lwp), -EINVAL);
    thread_sem_post(&sem);
    return lwps_come_back_to(nr_lwps) && is_right;
}

static bool detach_of_unknown_is_esrch(void)
{
    return KTAP_EQUAL(raw_detach(TID_UNKNOWN), -ESRCH) && KTAP_EQUAL(raw_detach(0), -ESRCH) &&
           KTAP_EQUAL(raw_detach(-1), -ESRCH) && KTAP_EQUAL(raw_detach(1), -ESRCH);
}

static bool detach_while_joined_is_einval(void)
{
    thread_sem_t sem = THREAD_SEM_INIT(0);
    thread_t target = start(wait_for_semaphore, &sem);
    thread_t joiner = start(join_argument, (void *)(intptr_t)target);
    void *value = NULL;

    let_others_finish();
    bool is_right = KTAP_EQUAL(raw_detach(target), -EINVAL);
    thread_sem_post(&sem);
    thread_join(joiner, &value);
    return is_right && KTAP_TRUE(value == &sem);
}

static _Atomic int born_detached_has_run;

static uint64_t note_that_it_runs(void)
{
    atomic_fetch_add(&born_detached_has_run, 1);
    return 0;
}

static bool born_detached_goes_away(void)
{
    struct thrum_lwp_attr attr = {.size_bytes = sizeof(attr), .flags = THRUM_LWP_DETACHED};
    uint64_t nr_lwps = count_lwps();
    long tid = raw_create((uint64_t)note_that_it_runs, 0, &attr);

    return KTAP_TRUE(tid > 0) &&
           KTAP_TRUE(ktap_wait_for(some_have_returned, &born_detached_has_run)) &&
           lwps_come_back_to(nr_lwps);
}

/* Create. */

static bool bad_attributes_are_einval(void)
{
    static const struct thrum_lwp_attr bad[] = {
        {.size_bytes = 0},
        {.size_bytes = 1u << 30},
        {.size_bytes = sizeof(bad[0]), .flags = 0x80000000},
        {.size_bytes = sizeof(bad[0]), .stack_bytes = 1},
        {.size_bytes = sizeof(bad[0]), .stack_bytes = THRUM_LWP_STACK_BYTES_MIN - 1},
        {.size_bytes = sizeof(bad[0]), .stack_bytes = THRUM_LWP_STACK_BYTES_MAX + 1},
        {.size_bytes = sizeof(bad[0]), .stack_bytes = UINT64_MAX},
        {.size_bytes = sizeof(bad[0]), .tls = KERNEL_HALF},
        {.size_bytes = sizeof(bad[0]), .tls = NON_CANONICAL},
    };
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(bad); i++)
        if (!KTAP_EQUAL(raw_create((uint64_t)double_it, 0, &bad[i]), -EINVAL)) {
            ktap_diag("with attributes %zu", i);
            is_right = false;
        }
    return is_right;
}

static bool own_stack_of_the_kernel_is_refused(void)
{
    struct thrum_lwp_attr attr = {
        .size_bytes = sizeof(attr), .stack_low = KERNEL_HALF, .stack_bytes = 64 << 10};
    long answer = raw_create((uint64_t)double_it, 0, &attr);

    return KTAP_TRUE(answer == -EINVAL || answer == -EFAULT);
}

static bool own_stack_that_wraps_is_refused(void)
{
    struct thrum_lwp_attr attr = {
        .size_bytes = sizeof(attr), .stack_low = UINT64_MAX - PAGE, .stack_bytes = 64 << 10};
    long answer = raw_create((uint64_t)double_it, 0, &attr);

    return KTAP_TRUE(answer == -EINVAL || answer == -EFAULT);
}

static bool bad_attribute_pointers_are_efault(void)
{
    static const uint64_t bad[] = {KERNEL_HALF, NON_CANONICAL, 8, UINT64_MAX - 7};
    bool is_right = true;

    for (size_t i = 0; i < KTAP_LEN(bad); i++)
        is_right =
            KTAP_EQUAL(raw_create((uint64_t)double_it, 0, (const struct thrum_lwp_attr *)bad[i]),
                       -EFAULT) &&
            is_right;
    return is_right;
}

static bool entry_of_the_kernel_is_efault(void)
{
    return KTAP_EQUAL(raw_create(KERNEL_HALF, 0, NULL), -EFAULT) &&
           KTAP_EQUAL(raw_create(NON_CANONICAL, 0, NULL), -EFAULT) &&
           KTAP_EQUAL(raw_create(UINT64_MAX, 0, NULL), -EFAULT);
}

static int start_lwp_nowhere(int argc, char **argv)
{
    (void)argc, (void)argv;
    long tid = raw_create(0x10, 0, NULL);
    return raw_join(tid, 0) == 0 ? 0 : 1;
}

static void fail_to_create(void)
{
    struct thrum_lwp_attr bad = {.size_bytes = sizeof(bad), .flags = 0x80000000};

    for (int i = 0; i < 100; i++) {
        raw_create((uint64_t)double_it, 0, &bad);
        raw_create(KERNEL_HALF, 0, NULL);
        raw_create((uint64_t)double_it, 0, (const struct thrum_lwp_attr *)8);
    }
}

static bool failed_creates_leave_nothing(void)
{
    return ktap_leaves_nothing(fail_to_create);
}

static uint64_t address_on_stack(void)
{
    return (uint64_t)__builtin_frame_address(0);
}

static bool own_stack_is_used_and_kept(void)
{
    enum { STACK_BYTES = 64 << 10 };
    char *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct thrum_lwp_attr attr = {
        .size_bytes = sizeof(attr), .stack_low = (uint64_t)stack, .stack_bytes = STACK_BYTES};
    uint64_t where = 0;

    raw_join(raw_create((uint64_t)address_on_stack, 0, &attr), (uint64_t)&where);
    stack[0] = stack[STACK_BYTES - 1] = 1; /* still mapped */
    munmap(stack, STACK_BYTES);
    return KTAP_TRUE(where >= (uint64_t)stack && where < (uint64_t)stack + STACK_BYTES);
}

static uint64_t fill_stack_of_a_mebibyte(void)
{
    volatile char block[900 << 10];

    for (size_t i = 0; i < sizeof(block); i += PAGE)
        block[i] = 1;
    return (uint64_t)block[0];
}

static bool stack_size_is_honoured(void)
{
    struct thrum_lwp_attr attr = {.size_bytes = sizeof(attr), .stack_bytes = 1 << 20};
    uint64_t value = 0;

    raw_join(raw_create((uint64_t)fill_stack_of_a_mebibyte, 0, &attr), (uint64_t)&value);
    return KTAP_EQUAL((long)value, 1);
}

static bool entry_has_an_aligned_stack(void)
{
    uint64_t frame = 1;

    raw_join(raw_create((uint64_t)address_on_stack, 0, NULL), (uint64_t)&frame);
    return KTAP_EQUAL((long)(frame % 16), 0);
}

/* What is shared and what is not. */

static void *own_tid(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)gettid();
}

static void *own_pid(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)getpid();
}

static bool first_lwp_has_the_pid(void)
{
    return KTAP_EQUAL(gettid(), getpid());
}

static bool create_returns_the_tid(void)
{
    thread_t lwp = start(own_tid, NULL);
    void *tid = NULL;

    thread_join(lwp, &tid);
    return KTAP_EQUAL((long)tid, lwp);
}

static bool pid_is_the_same_in_all(void)
{
    void *pid = NULL;

    thread_join(start(own_pid, NULL), &pid);
    return KTAP_EQUAL((long)pid, getpid());
}

static _Thread_local int initialised = 1234;
static _Thread_local long zeroed[20];
static _Thread_local char aligned_byte __attribute__((aligned(64)));

static void *check_thread_locals(void *arg)
{
    long mark = (long)arg;
    bool is_right = initialised == 1234;

    for (size_t i = 0; i < KTAP_LEN(zeroed); i++) {
        is_right = is_right && zeroed[i] == 0;
        zeroed[i] = mark;
    }
    initialised = (int)mark;
    for (int i = 0; i < 20; i++)
        yield();
    for (size_t i = 0; i < KTAP_LEN(zeroed); i++)
        is_right = is_right && zeroed[i] == mark;
    is_right = is_right && initialised == mark && (uintptr_t)&aligned_byte % 64 == 0;
    return (void *)(uintptr_t)is_right;
}

static bool thread_locals_are_distinct(void)
{
    enum { NR_LWPS = 8 };
    thread_t lwp[NR_LWPS];
    int nr_right = 0;

    initialised = 1;
    for (long i = 0; i < NR_LWPS; i++)
        lwp[i] = start(check_thread_locals, (void *)(i + 100));
    for (int i = 0; i < NR_LWPS; i++) {
        void *is_right = NULL;
        thread_join(lwp[i], &is_right);
        nr_right += is_right != NULL;
    }
    return KTAP_EQUAL(nr_right, NR_LWPS) && KTAP_EQUAL(initialised, 1);
}

static void *fail_a_join(void *arg)
{
    (void)arg;
    thread_join(TID_UNKNOWN, NULL);
    return (void *)(intptr_t)errno;
}

static bool errno_is_each_lwps_own(void)
{
    void *error = NULL;

    errno = E2BIG;
    thread_join(start(fail_a_join, NULL), &error);
    return KTAP_EQUAL((long)error, ESRCH) && KTAP_EQUAL(errno, E2BIG);
}

/* Registers. */

struct register_run {
    struct register_image images[2];
    uint64_t nr_rounds;
    enum register_use use;
};

static void fill_image(struct register_image *image, unsigned seed)
{
    for (size_t i = 0; i < sizeof(image->vector); i++)
        (&image->vector[0][0])[i] = (uint8_t)(seed * 31 + i);
    for (size_t i = 0; i < KTAP_LEN(image->x87); i++) {
        /* 1.xxx times 2 to the seed: a normal number of ten bytes. */
        uint64_t significand = (1ull << 63) | (seed * 1000 + i);
        uint16_t exponent = (uint16_t)(16383 + seed);
        memcpy(image->x87[i], &significand, sizeof(significand));
        memcpy(image->x87[i] + sizeof(significand), &exponent, sizeof(exponent));
    }
    for (size_t i = 0; i < KTAP_LEN(image->general); i++)
        image->general[i] = seed * 0x1000000001ull + i;
    image->mxcsr = 0x1f80 | (seed & 3) << 13; /* masked; rounding */
    image->x87_control = (uint16_t)(0x037f | (seed & 3) << 10);
}

static void *hold_registers(void *arg)
{
    struct register_run *run = arg;
    bool has_avx = cpu_has_avx();

    registers_run(run->images, run->nr_rounds, run->use, has_avx);
    if (!has_avx)
        for (size_t i = 0; i < KTAP_LEN(run->images[0].vector); i++)
            memcpy(run->images[1].vector[i] + 16, run->images[0].vector[i] + 16, 16);
    return NULL;
}

/* Several LWPs a CPU hold different patterns; how many of them found theirs changed. */
static long count_changed_registers(enum register_use use, uint64_t nr_rounds)
{
    size_t nr_lwps = 3 * ktap_cpus();
    struct register_run *runs = calloc(nr_lwps, sizeof(*runs));
    thread_t *lwp = calloc(nr_lwps, sizeof(*lwp));
    long nr_changed = 0;

    for (size_t i = 0; i < nr_lwps; i++) {
        fill_image(&runs[i].images[0], (unsigned)i + 1);
        runs[i].nr_rounds = nr_rounds;
        runs[i].use = use;
        lwp[i] = start(hold_registers, &runs[i]);
    }
    for (size_t i = 0; i < nr_lwps; i++) {
        thread_join(lwp[i], NULL);
        nr_changed +=
            memcmp(&runs[i].images[0], &runs[i].images[1], sizeof(runs[i].images[0])) != 0;
    }
    free(lwp);
    free(runs);
    return nr_changed;
}

static bool registers_survive_system_calls(void)
{
    return KTAP_EQUAL(count_changed_registers(REGISTERS_YIELD, 50 + ktap_times(2000)), 0);
}

static bool registers_survive_preemption(void)
{
    /* Longer than a time slice: 20 million instructions. */
    return KTAP_EQUAL(count_changed_registers(REGISTERS_SPIN, 1000), 0);
}

/* Many. */

static bool a_thousand_live_at_once(void)
{
    enum { NR_LWPS = 1000, FRAMES_PER_LWP = 16 };
    static thread_t lwp[NR_LWPS];
    thread_sem_t gate = THREAD_SEM_INIT(0);
    struct thrum_stat stat;
    long nr_right = 0;

    thrum_stat(&stat);
    long nr_lwps = (long)(stat.frames_free / FRAMES_PER_LWP);
    if (nr_lwps > NR_LWPS)
        nr_lwps = NR_LWPS;

    for (long i = 0; i < nr_lwps; i++)
        lwp[i] = start(wait_for_semaphore, &gate);
    bool are_alive = KTAP_EQUAL((long)count_lwps(), (long)stat.lwps + nr_lwps);
    for (long i = 0; i < nr_lwps; i++)
        thread_sem_post(&gate);
    for (long i = 0; i < nr_lwps; i++) {
        void *value = NULL;
        nr_right += thread_join(lwp[i], &value) == 0 && value == &gate;
    }
    return KTAP_EQUAL(nr_right, nr_lwps) && are_alive;
}

static long create_and_join_rounds(size_t nr_rounds)
{
    enum { NR_LWPS = 10 };
    thread_t lwp[NR_LWPS];
    long nr_wrong = 0;

    for (size_t round = 0; round < nr_rounds; round++) {
        for (long i = 0; i < NR_LWPS; i++)
            lwp[i] = start(return_argument, (void *)(i + 1));
        for (long i = 0; i < NR_LWPS; i++) {
            void *value = NULL;
            nr_wrong += thread_join(lwp[i], &value) != 0 || (long)value != i + 1;
        }
    }
    return nr_wrong;
}

static bool stacks_are_reused(void)
{
    struct thrum_stat before, after;

    create_and_join_rounds(20);
    thrum_stat(&before);
    long nr_wrong = create_and_join_rounds(ktap_times(2000));
    thrum_stat(&after);
    /* What caches of several CPUs hold may differ a little; a leak would be thousands. */
    long nr_lost = (long)before.frames_free - (long)after.frames_free;
    return KTAP_EQUAL(nr_wrong, 0) && KTAP_TRUE(nr_lost < 64);
}

static void *create_and_join_for_a_while(void *arg)
{
    (void)arg;
    return (void *)create_and_join_rounds(ktap_times(200));
}

static bool lwps_create_lwps_at_once(void)
{
    enum { NR_LWPS = 4 };
    thread_t lwp[NR_LWPS];
    long nr_wrong = 0;

    for (int i = 0; i < NR_LWPS; i++)
        lwp[i] = start(create_and_join_for_a_while, NULL);
    for (int i = 0; i < NR_LWPS; i++) {
        void *value = NULL;
        thread_join(lwp[i], &value);
        nr_wrong += (long)value;
    }
    return KTAP_EQUAL(nr_wrong, 0);
}

static bool detach_races_with_exit(void)
{
    uint64_t nr_lwps = count_lwps();
    size_t nr_rounds = ktap_times(2000);
    long nr_wrong = 0;

    for (size_t i = 0; i < nr_rounds; i++)
        nr_wrong += thread_detach(start(return_argument, NULL)) != 0;
    return KTAP_EQUAL(nr_wrong, 0) && lwps_come_back_to(nr_lwps);
}

/* Needs no memory but the page of its stack that is there from the start. */
static uint64_t sleep_at_once(void)
{
    static const struct timespec long_time = {.tv_sec = FOR_EVER_S};

    return (uint64_t)syscall6(__NR_nanosleep, (long)&long_time, 0, 0, 0, 0, 0);
}

/* argv[2]: how many pages to use before. */
static int create_until_it_fails(int argc, char **argv)
{
    size_t nr_pages = argc > 2 ? (size_t)atoi(argv[2]) : 0;
    char *pages = mmap(NULL, (nr_pages + 1) * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long answer;

    for (size_t i = 0; i < nr_pages; i++)
        pages[i * PAGE] = 1;
    do
        answer = raw_create((uint64_t)sleep_at_once, 0, NULL);
    while (answer > 0);
    return (int)-answer;
}

static bool lwps_beyond_memory_are_enomem(void)
{
    enum { FRAMES_MAX = 32 << 10 }; /* 128 MiB: more would take too long */
    struct thrum_stat stat;

    thrum_stat(&stat);
    if (stat.frames_free > FRAMES_MAX)
        return ktap_skip("too much memory to use it up");
    /* An LWP needs several frames. The last one is missed by another part of it each time. */
    static const char *const nr_pages_before[] = {"0", "1", "2", "3", "4"};
    bool is_right = true;
    for (size_t i = 0; i < KTAP_LEN(nr_pages_before); i++) {
        int status = ktap_role_status("create-until-it-fails", nr_pages_before[i]);
        is_right = ktap_check_exits(status, ENOMEM, __FILE__, __LINE__) &&
                   lwps_come_back_to(stat.lwps) && is_right;
    }
    return is_right;
}

/* The end of a process. */

static void *exit_process(void *arg)
{
    exit((int)(intptr_t)arg);
}

static int leave_first(int argc, char **argv)
{
    (void)argc, (void)argv;
    start(exit_process, (void *)7);
    thread_exit(NULL);
}

static void *join_then_exit(void *arg)
{
    void *value = NULL;

    if (thread_join((thread_t)(intptr_t)arg, &value) != 0)
        exit(errno);
    exit((int)(intptr_t)value);
}

static int leave_and_be_joined(int argc, char **argv)
{
    (void)argc, (void)argv;
    start(join_then_exit, (void *)(intptr_t)gettid());
    thread_exit((void *)55);
}

static int leave_one_by_one(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (intptr_t i = 0; i < 8; i++)
        start(return_argument, (void *)(i + 1));
    thread_exit((void *)9);
}

static void *map_for_ever(void *arg)
{
    for (;;) {
        char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
        munmap(page, PAGE);
    }
    return arg;
}

static void *create_for_ever(void *arg)
{
    thread_t lwp;

    for (;;)
        if (thread_create(&lwp, return_argument, NULL) == 0)
            thread_join(lwp, NULL);
    return arg;
}

/* LWPs in every state there is. */
static void start_busy_siblings(void)
{
    static thread_sem_t never;
    thread_t sleeper = start(sleep_for_ever, NULL);

    start(join_argument, (void *)(intptr_t)sleeper);
    start(wait_for_semaphore, &never);
    start(return_argument, NULL); /* a zombie */
    start(map_for_ever, NULL);
    start(create_for_ever, NULL);
    for (size_t i = 0; i < ktap_cpus(); i++)
        start(spin_for_ever, NULL);
    let_others_finish();
}

static int exit_with_siblings(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_busy_siblings();
    return 3;
}

static int exit_from_another(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_busy_siblings();
    thread_join(start(exit_process, (void *)4), NULL);
    return 5;
}

static void *fault(void *arg)
{
    *(volatile int *)arg = 1;
    return NULL;
}

static int fault_with_siblings(int argc, char **argv)
{
    (void)argc, (void)argv;
    start_busy_siblings();
    thread_join(start(fault, NULL), NULL);
    return 5;
}

/* More than could be written while anybody waits. Lazily backed: it costs what has been written. */
static void *write_for_ages(void *has_begun)
{
    enum { NR_BYTES = 256 << 20 };
    char *zeroes = mmap(NULL, NR_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    atomic_store((_Atomic int *)has_begun, 1);
    write(STDOUT_FILENO, zeroes, NR_BYTES);
    return NULL;
}

static int exit_during_write(int argc, char **argv)
{
    static _Atomic int has_begun;

    (void)argc, (void)argv;
    start(write_for_ages, &has_begun);
    while (!atomic_load(&has_begun))
        yield();
    return 8;
}

static int exit_all_at_once(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (intptr_t i = 0; i < 16; i++)
        start(exit_process, (void *)6);
    thread_exit(NULL);
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
    int error = -(int)raw_join(start(join_creator, (void *)(intptr_t)gettid()), 0);
    if (error == EDEADLK)
        return 0;
    return error == 0 && creator_is_joined_error == EDEADLK ? 0 : 1;
}

static bool first_lwp_may_leave_first(void)
{
    return KTAP_ROLE_EXITS("leave-first", 7);
}

static bool first_lwp_can_be_joined(void)
{
    return KTAP_ROLE_EXITS("leave-and-be-joined", 55);
}

static bool last_lwp_ends_the_process(void)
{
    return KTAP_ROLE_EXITS("leave-one-by-one", 0);
}

static bool first_lwp_is_no_exception_to_edeadlk(void)
{
    return KTAP_ROLE_EXITS("join-each-other", 0);
}

static bool exit_ends_all(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_EXITS("exit-with-siblings", 3) && lwps_come_back_to(nr_lwps);
}

static bool exit_of_another_ends_all(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_EXITS("exit-from-another", 4) && lwps_come_back_to(nr_lwps);
}

struct child {
    pid_t pid;
    int status;
};

static bool child_has_ended(void *arg)
{
    struct child *child = arg;

    return waitpid(child->pid, &child->status, WNOHANG) == child->pid;
}

static bool exit_ends_a_long_write(void)
{
    struct child child = {.pid = ktap_spawn_role("exit-during-write", NULL)};
    bool has_ended = ktap_wait_for(child_has_ended, &child);

    ktap_diag("some zero bytes have been written"); /* ends their line */
    return KTAP_TRUE(has_ended) && ktap_check_exits(child.status, 8, __FILE__, __LINE__);
}

static bool exit_of_all_at_once_is_one_exit(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_EXITS("exit-all-at-once", 6) && lwps_come_back_to(nr_lwps);
}

static bool fault_ends_all(void)
{
    uint64_t nr_lwps = count_lwps();

    return KTAP_ROLE_DIES("fault-with-siblings", SIGSEGV) && lwps_come_back_to(nr_lwps);
}

static bool entry_nowhere_is_sigsegv(void)
{
    return KTAP_ROLE_DIES("start-lwp-nowhere", SIGSEGV);
}

static bool tests_leave_one_lwp(void)
{
    /* The suite and init. */
    return lwps_come_back_to(2);
}

static const struct ktap_test tests[] = {
    {"a joiner gets all 64 bits of the value that was returned", returned_value_is_joined},
    {"a joiner gets the value of thread_exit", exit_value_is_joined},
    {"returning from the entry function is lwp_exit", returning_from_entry_exits},
    {"the entry function gets the second argument of the attributes", entry_gets_second_argument},
    {"a join may come before the exit", join_before_exit},
    {"a join may come after the exit", join_after_exit},
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
    {"an LWP that was born detached goes away by itself", born_detached_goes_away},
    {"attributes that make no sense are EINVAL", bad_attributes_are_einval},
    {"a stack in the kernel's half is refused", own_stack_of_the_kernel_is_refused},
    {"a stack that wraps around is refused", own_stack_that_wraps_is_refused},
    {"a bad attribute pointer is EFAULT", bad_attribute_pointers_are_efault},
    {"an entry that is no user address is EFAULT", entry_of_the_kernel_is_efault},
    {"an entry where nothing is mapped is SIGSEGV", entry_nowhere_is_sigsegv},
    {"creates that failed leave nothing behind", failed_creates_leave_nothing},
    {"an LWP runs on the stack that it was given, which stays mapped", own_stack_is_used_and_kept},
    {"a stack has the size that was asked for", stack_size_is_honoured},
    {"the entry function finds its stack aligned as after a call", entry_has_an_aligned_stack},
    {"the first LWP's number is that of the process", first_lwp_has_the_pid},
    {"an LWP's number is what its creator was told", create_returns_the_tid},
    {"the process number is the same in all LWPs", pid_is_the_same_in_all},
    {"thread-local variables are initialised, aligned and distinct", thread_locals_are_distinct},
    {"each LWP has an errno of its own", errno_is_each_lwps_own},
    {"general, x87, SSE and AVX registers survive system calls", registers_survive_system_calls},
    {"general, x87, SSE and AVX registers survive pre-emption", registers_survive_preemption},
    {"a thousand LWPs (fewer where memory is short) live at once", a_thousand_live_at_once},
    {"stacks are reused over thousands of creates and joins", stacks_are_reused},
    {"LWPs that create and join LWPs at once do not disturb each other", lwps_create_lwps_at_once},
    {"a detach may race with the exit", detach_races_with_exit},
    {"LWPs are ENOMEM when memory is used up, and everything comes back",
     lwps_beyond_memory_are_enomem},
    {"the first LWP may leave before the others", first_lwp_may_leave_first},
    {"the first LWP can be joined", first_lwp_can_be_joined},
    {"the process ends with status 0 when the last LWP leaves", last_lwp_ends_the_process},
    {"exit ends siblings that run, sleep, join, wait, map and create", exit_ends_all},
    {"exit from another LWP ends the process", exit_of_another_ends_all},
    {"exit ends a sibling in the middle of a long write", exit_ends_a_long_write},
    {"an exit from all LWPs at once is one exit", exit_of_all_at_once_is_one_exit},
    {"a fault in one LWP ends the process", fault_ends_all},
    {"no LWP of these tests is left", tests_leave_one_lwp},
};

static const struct ktap_role roles[] = {
    {"start-lwp-nowhere", start_lwp_nowhere},
    {"create-until-it-fails", create_until_it_fails},
    {"leave-first", leave_first},
    {"leave-and-be-joined", leave_and_be_joined},
    {"leave-one-by-one", leave_one_by_one},
    {"exit-with-siblings", exit_with_siblings},
    {"exit-from-another", exit_from_another},
    {"exit-during-write", exit_during_write},
    {"exit-all-at-once", exit_all_at_once},
    {"fault-with-siblings", fault_with_siblings},
    {"join-each-other", join_each_other},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    ktap_start(KTAP_LEN(tests));
    ktap_run(tests, KTAP_LEN(tests));
    return ktap_finish();
}
