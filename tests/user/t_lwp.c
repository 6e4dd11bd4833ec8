/*
 * LWPs: how they are created, on which stacks; what a process's LWPs share and what each has for
 * itself; many of them. t_join and t_exit have their ends.
 */

#include <errno.h>
#include <stdatomic.h>
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

#include "common.h"
#include "ktap.h"
#include "user_asm.h"

#define KERNEL_HALF   0xffff800000000000ul
#define NON_CANONICAL 0x0000900000000000ul
#define PAGE          4096ul

/* The system calls as they are: -errno on an error. */
static long raw_create(uint64_t entry, uint64_t arg, const struct thrum_lwp_attr *attr)
{
    return syscall6(THRUM_SYS_lwp_create, (long)entry, (long)arg, (long)attr, 0, 0, 0);
}

static long raw_join(long tid, uint64_t value_address)
{
    return syscall6(THRUM_SYS_lwp_join, tid, (long)value_address, 0, 0, 0, 0);
}

/* An LWP that stays until its semaphore is posted. */
static void *wait_for_semaphore(void *sem)
{
    thread_sem_wait(sem);
    return sem;
}

/* Create. */

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

    return KTAP_EQUAL(raw_create((uint64_t)double_it, 0, &attr), -EINVAL);
}

static bool own_stack_that_wraps_is_refused(void)
{
    struct thrum_lwp_attr attr = {
        .size_bytes = sizeof(attr), .stack_low = UINT64_MAX - PAGE, .stack_bytes = 64 << 10};

    return KTAP_EQUAL(raw_create((uint64_t)double_it, 0, &attr), -EINVAL);
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

static bool has_run(void *count)
{
    return atomic_load((_Atomic int *)count) > 0;
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

    return KTAP_TRUE(tid > 0) && KTAP_TRUE(ktap_wait_for(has_run, &born_detached_has_run)) &&
           lwps_come_back_to(nr_lwps);
}

static bool entry_nowhere_is_sigsegv(void)
{
    return KTAP_ROLE_DIES("start-lwp-nowhere", SIGSEGV);
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
    thread_t lwp = start_lwp(own_tid, NULL);
    void *tid = NULL;

    thread_join(lwp, &tid);
    return KTAP_EQUAL((long)tid, lwp);
}

static bool pid_is_the_same_in_all(void)
{
    void *pid = NULL;

    thread_join(start_lwp(own_pid, NULL), &pid);
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
        lwp[i] = start_lwp(check_thread_locals, (void *)(i + 100));
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
    thread_join(NOBODY, NULL);
    return (void *)(intptr_t)errno;
}

static bool errno_is_each_lwps_own(void)
{
    void *error = NULL;

    errno = E2BIG;
    thread_join(start_lwp(fail_a_join, NULL), &error);
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
        lwp[i] = start_lwp(hold_registers, &runs[i]);
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
        lwp[i] = start_lwp(wait_for_semaphore, &gate);
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
            lwp[i] = start_lwp(return_argument, (void *)(i + 1));
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
        lwp[i] = start_lwp(create_and_join_for_a_while, NULL);
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
        nr_wrong += thread_detach(start_lwp(return_argument, NULL)) != 0;
    return KTAP_EQUAL(nr_wrong, 0) && lwps_come_back_to(nr_lwps);
}

/* Needs no memory but the page of its stack that is there from the start. */
static uint64_t sleep_at_once(void)
{
    static const struct timespec long_time = {.tv_sec = 100000};

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

static const struct ktap_test tests[] = {
    {"returning from the entry function is lwp_exit", returning_from_entry_exits},
    {"the entry function gets the second argument of the attributes", entry_gets_second_argument},
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
    {"no LWP of these tests is left", no_lwp_is_left},
};

static const struct ktap_role roles[] = {
    {"start-lwp-nowhere", start_lwp_nowhere},
    {"create-until-it-fails", create_until_it_fails},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
