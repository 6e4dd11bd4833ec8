/*
 * fork and vfork: what the child has and shares, from which LWP it may be called and beside what,
 * and that nothing is left of children, also of those that could not be made.
 */

#include <errno.h>
#include <signal.h>
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

#define PAGE    4096ul
#define NR_LWPS 8

/* In the child: ends it. */
static _Noreturn void child_ends(bool is_well)
{
    _exit(is_well ? CHILD_IS_WELL : 1);
}

static char *map_pages(size_t nr_pages)
{
    return mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* What the child has. */

static int data_word = 1;

static bool memory_is_copied(void)
{
    int stack_word = 2, *heap_word = malloc(sizeof(*heap_word)), *mapped_word = (int *)map_pages(1);

    data_word = 1, *heap_word = 3, *mapped_word = 4;
    pid_t child = fork();
    if (child == 0)
        child_ends(data_word == 1 && stack_word == 2 && *heap_word == 3 && *mapped_word == 4);
    free(heap_word);
    munmap(mapped_word, PAGE);
    return exits(child, CHILD_IS_WELL);
}

static bool child_writes_for_itself(void)
{
    volatile int stack_word = 2;
    int *heap_word = malloc(sizeof(*heap_word));

    data_word = 1, *heap_word = 3;
    pid_t child = fork();
    if (child == 0) {
        data_word = 10, stack_word = 20, *heap_word = 30;
        child_ends(data_word == 10 && stack_word == 20 && *heap_word == 30);
    }
    bool is_right = exits(child, CHILD_IS_WELL) && KTAP_EQUAL(data_word, 1) &&
                    KTAP_EQUAL(stack_word, 2) && KTAP_EQUAL(*heap_word, 3);
    free(heap_word);
    return is_right;
}

static bool parent_writes_for_itself(void)
{
    volatile int stack_word = 2;

    data_word = 1;
    int has_written[2];
    pipe(has_written);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        child_ends(read(has_written[0], &byte, 1) == 1 && data_word == 1 && stack_word == 2);
    }
    data_word = 10, stack_word = 20;
    write(has_written[1], "x", 1);
    close(has_written[0]);
    close(has_written[1]);
    return exits(child, CHILD_IS_WELL);
}

static bool permissions_are_copied(void)
{
    char *page = map_pages(1);

    *page = 1;
    mprotect(page, PAGE, PROT_READ);
    pid_t child = fork();
    if (child == 0) {
        *(volatile char *)page = 2;
        child_ends(true);
    }
    int status = 0;
    waitpid(child, &status, 0);
    munmap(page, PAGE);
    return ktap_check_dies(status, 11, __FILE__, __LINE__);
}

static bool untouched_pages_are_zero_on_both_sides(void)
{
    char *pages = map_pages(4);

    pages[0] = 1;
    pid_t child = fork();
    if (child == 0) {
        bool is_well = pages[PAGE] == 0 && pages[2 * PAGE] == 0;
        pages[PAGE] = 5;
        child_ends(is_well);
    }
    bool is_right = exits(child, CHILD_IS_WELL) && KTAP_EQUAL(pages[PAGE], 0);
    munmap(pages, 4 * PAGE);
    return is_right;
}

static bool data_segment_grows_for_itself(void)
{
    char *end = sbrk(0);
    pid_t child = fork();

    if (child == 0) {
        char *start = sbrk(PAGE);
        *start = 1;
        child_ends(start == end);
    }
    return exits(child, CHILD_IS_WELL) && KTAP_TRUE(sbrk(0) == (void *)end);
}

static _Thread_local int thread_word = 5;

static bool thread_local_storage_is_copied(void)
{
    thread_word = 6;
    pid_t child = fork();
    if (child == 0) {
        bool is_well = thread_word == 6;
        thread_word = 7;
        errno = 0;
        waitpid(-1, NULL, 0);
        child_ends(is_well && errno == ECHILD);
    }
    return exits(child, CHILD_IS_WELL) && KTAP_EQUAL(thread_word, 6);
}

static bool numbers_are_right(void)
{
    pid_t parent = getpid();
    pid_t child = fork();

    if (child == 0)
        child_ends(getppid() == parent && getpid() != parent && gettid() == getpid());
    return exits(child, CHILD_IS_WELL) && KTAP_EQUAL(getpid(), parent);
}

static bool vector_registers_survive(void)
{
    volatile double x = 1.5, y = 2.25;
    double product = x * y;
    pid_t child = fork();

    if (child == 0)
        child_ends(product == 3.375 && x * y == product);
    return exits(child, CHILD_IS_WELL) && KTAP_TRUE(product == 3.375);
}

static void *fork_with_local(void *arg)
{
    volatile long local = (long)arg * 3;

    thread_word = (int)(long)arg;
    pid_t child = fork();
    if (child == 0)
        child_ends(local == (long)arg * 3 && thread_word == (int)(long)arg && gettid() == getpid());
    return (void *)(long)(exits(child, CHILD_IS_WELL) && local == (long)arg * 3);
}

/* Starts nr LWPs with the arguments 1 ... nr; the number of them that return true. */
static long run_lwps(void *(*function)(void *), int nr)
{
    thread_t lwp[NR_LWPS];
    long nr_true = 0;

    for (int i = 0; i < nr; i++)
        thread_create(&lwp[i], function, (void *)(long)(i + 1));
    for (int i = 0; i < nr; i++) {
        void *value = NULL;
        thread_join(lwp[i], &value);
        nr_true += (long)value;
    }
    return nr_true;
}

static bool any_lwp_may_fork(void)
{
    return KTAP_EQUAL(run_lwps(fork_with_local, 1), 1);
}

static bool all_lwps_fork_at_once(void)
{
    return KTAP_EQUAL(run_lwps(fork_with_local, NR_LWPS), NR_LWPS);
}

static atomic_bool must_stop;

static void *count_until_stop(void *arg)
{
    volatile unsigned long *counter = arg;

    while (!atomic_load(&must_stop))
        (*counter)++;
    return (void *)1;
}

static bool child_has_one_lwp(void)
{
    static volatile unsigned long counter;
    thread_t lwp;

    atomic_store(&must_stop, false);
    thread_create(&lwp, count_until_stop, (void *)&counter);
    pid_t child = fork();
    if (child == 0) {
        unsigned long seen = counter;
        sleep_ns(20000000);
        child_ends(seen == counter && thread_join(lwp, NULL) == -1 && errno == ESRCH);
    }
    bool is_right = exits(child, CHILD_IS_WELL);
    atomic_store(&must_stop, true);
    thread_join(lwp, NULL);
    return is_right;
}

/* Creates and joins LWPs, whose stacks are the child's own. */
static bool lwps_work(void)
{
    for (long i = 1; i < 20; i++) {
        thread_t lwp;
        void *value = NULL;
        if (thread_create(&lwp, return_argument, (void *)i) != 0 || thread_join(lwp, &value) != 0 ||
            value != (void *)i)
            return false;
    }
    return true;
}

static bool child_creates_lwps(void)
{
    lwps_work(); /* leaves stacks that the process keeps */
    pid_t child = fork();
    if (child == 0)
        child_ends(lwps_work());
    return exits(child, CHILD_IS_WELL) && KTAP_TRUE(lwps_work());
}

static pid_t fork_generations(int nr)
{
    pid_t child = fork();

    if (child != 0 || nr == 0) {
        if (child == 0)
            child_ends(data_word == 0);
        return child;
    }
    data_word--;
    int status = -1;
    pid_t grandchild = fork_generations(nr - 1);
    waitpid(grandchild, &status, 0);
    _exit(grandchild > 0 ? WEXITSTATUS(status) : 1);
}

static bool generations_follow_each_other(void)
{
    enum { NR_GENERATIONS = 20 };

    data_word = NR_GENERATIONS;
    return exits(fork_generations(NR_GENERATIONS), CHILD_IS_WELL) &&
           KTAP_EQUAL(data_word, NR_GENERATIONS);
}

/* fork beside other LWPs. */

/* A writer's page: each word that it writes it has to read back, whatever fork does to the page. */
struct writer {
    volatile unsigned long *words;
    long is_right;
};

static void *write_and_read_back(void *arg)
{
    struct writer *writer = arg;

    writer->is_right = 1;
    for (unsigned long round = 1; !atomic_load(&must_stop); round++) {
        for (size_t i = 0; i < PAGE / 8; i += 64)
            writer->words[i] = round;
        for (size_t i = 0; i < PAGE / 8; i += 64)
            writer->is_right &= writer->words[i] == round;
    }
    return NULL;
}

/* Each child looks whether the pages that it was given ever change under it. */
static bool pages_stand_still(const struct writer *writers, size_t nr)
{
    unsigned long seen[NR_LWPS];

    for (size_t i = 0; i < nr; i++)
        seen[i] = writers[i].words[0];
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < nr; i++)
            if (writers[i].words[0] != seen[i])
                return false;
        yield();
    }
    for (size_t i = 0; i < nr; i++)
        writers[i].words[0] = 0; /* the parent's writer must not see it */
    return true;
}

static bool writers_on_every_cpu_write_to_their_own_pages(void)
{
    size_t nr = ktap_cpus() < NR_LWPS ? ktap_cpus() : NR_LWPS, nr_rounds = 10 + ktap_times(200);
    struct writer writers[NR_LWPS];
    thread_t lwp[NR_LWPS];
    bool is_right = true;

    atomic_store(&must_stop, false);
    for (size_t i = 0; i < nr; i++) {
        writers[i].words = (unsigned long *)map_pages(1);
        thread_create(&lwp[i], write_and_read_back, &writers[i]);
    }
    for (size_t round = 0; round < nr_rounds && is_right; round++) {
        pid_t child = fork();
        if (child == 0)
            child_ends(pages_stand_still(writers, nr));
        is_right = exits(child, CHILD_IS_WELL);
    }
    atomic_store(&must_stop, true);
    for (size_t i = 0; i < nr; i++) {
        thread_join(lwp[i], NULL);
        is_right &= KTAP_TRUE(writers[i].is_right);
        munmap((void *)writers[i].words, PAGE);
    }
    return is_right;
}

static void *map_and_unmap(void *arg)
{
    long is_right = 1;

    while (!atomic_load(&must_stop)) {
        char *pages = map_pages(8);
        if (pages == MAP_FAILED)
            continue;
        memset(pages, (int)(long)arg, 8 * PAGE);
        is_right &= pages[7 * PAGE] == (char)(long)arg;
        munmap(pages + 2 * PAGE, PAGE);
        munmap(pages, 8 * PAGE);
    }
    return (void *)is_right;
}

static void *allocate_and_print(void *arg)
{
    char line[64];

    while (!atomic_load(&must_stop)) {
        char *block = malloc(100);
        snprintf(line, sizeof(line), "%ld", (long)arg);
        fputs("", stdout);
        free(block);
    }
    return (void *)1;
}

/* Forks while siblings run `function`; each child has to answer is_well(). */
static bool fork_beside(void *(*function)(void *), bool (*is_well)(void))
{
    enum { NR_SIBLINGS = 3 };
    size_t nr_rounds = 10 + ktap_times(100);
    thread_t lwp[NR_SIBLINGS];
    bool is_right = true;

    atomic_store(&must_stop, false);
    for (long i = 0; i < NR_SIBLINGS; i++)
        thread_create(&lwp[i], function, (void *)(i + 1));
    for (size_t round = 0; round < nr_rounds && is_right; round++) {
        pid_t child = fork();
        if (child == 0)
            child_ends(is_well());
        is_right = exits(child, CHILD_IS_WELL);
    }
    atomic_store(&must_stop, true);
    for (int i = 0; i < NR_SIBLINGS; i++) {
        void *value = NULL;
        thread_join(lwp[i], &value);
        is_right &= KTAP_EQUAL((long)value, 1);
    }
    return is_right;
}

static bool memory_works(void)
{
    char *pages = map_pages(8);

    memset(pages, 1, 8 * PAGE);
    return munmap(pages, 8 * PAGE) == 0;
}

static bool runtime_works(void)
{
    void *block = malloc(100);

    fputs("", stdout);
    fputs("", stderr);
    free(block);
    return block != NULL && sbrk(0) != (void *)-1 && atexit(NULL) == 0;
}

static bool siblings_map_and_unmap(void)
{
    return fork_beside(map_and_unmap, memory_works);
}

static bool runtime_locks_are_free_in_the_child(void)
{
    return fork_beside(allocate_and_print, runtime_works);
}

static void *create_and_join_until_stop(void *arg)
{
    (void)arg;
    while (!atomic_load(&must_stop))
        lwps_work();
    return (void *)1;
}

static bool siblings_create_and_join(void)
{
    return fork_beside(create_and_join_until_stop, lwps_work);
}

/* What is left. */

static void fork_and_write(void)
{
    enum { NR_PAGES = 64 };
    char *pages = map_pages(NR_PAGES);

    memset(pages, 1, NR_PAGES * PAGE);
    pid_t child = fork();
    memset(pages, 2, NR_PAGES * PAGE / 2);
    if (child == 0)
        _exit(0);
    munmap(pages, NR_PAGES * PAGE);
    waitpid(child, NULL, 0);
}

static bool frames_come_back(void)
{
    return ktap_leaves_nothing(fork_and_write);
}

/*
 * In a child, whose memory goes with it: children that only sleep are made until there is no memory
 * for another one. Page tables of a sparse mapping make each of them large.
 */
static int fork_until_full(int argc, char **argv)
{
    enum { NR_SPARSE = 400, NR_CHILDREN_MAX = 5000, SPARSE_BYTES = 2 << 20 };
    char *sparse = mmap((void *)0x100000000, (size_t)NR_SPARSE * SPARSE_BYTES,
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int nr_children = 0, error = 0;
    static pid_t children[NR_CHILDREN_MAX];

    (void)argc, (void)argv;
    for (size_t i = 0; i < NR_SPARSE; i++)
        sparse[i * SPARSE_BYTES] = 1;
    while (error == 0 && nr_children < NR_CHILDREN_MAX) {
        long child = syscall6(__NR_fork, 0, 0, 0, 0, 0, 0);
        if (child == 0)
            for (;;)
                sleep(1000);
        if (child < 0)
            error = (int)-child;
        else
            children[nr_children++] = (pid_t)child;
    }
    for (int i = 0; i < nr_children; i++)
        syscall6(__NR_kill, children[i], 9, 0, 0, 0, 0);
    for (int i = 0; i < nr_children; i++)
        syscall6(__NR_wait4, children[i], 0, 0, 0, 0, 0);
    return error;
}

static bool full_memory_is_enomem(void)
{
    struct counts counts;
    struct thrum_stat after;

    thrum_stat(&counts.wanted);
    if (!KTAP_ROLE_EXITS("fork-until-full", ENOMEM) || !ktap_wait_for(has_counts, &counts))
        return false;
    thrum_stat(&after);
    return KTAP_TRUE(after.frames_free + 256 >= counts.wanted.frames_free);
}

static bool many_children_are_alive_at_once(void)
{
    enum { NR_CHILDREN = 50 };
    pid_t children[NR_CHILDREN];
    long nr_right = 0;

    for (int i = 0; i < NR_CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            sleep_ns(30000000);
            _exit(i);
        }
    }
    for (int i = 0; i < NR_CHILDREN; i++) {
        int status = -1;
        nr_right += waitpid(children[i], &status, 0) == children[i] && WEXITSTATUS(status) == i;
    }
    return KTAP_EQUAL(nr_right, NR_CHILDREN);
}

static int exit_from_another_lwp(int argc, char **argv)
{
    (void)argc, (void)argv;
    if (fork() == 0) {
        sleep_ns(30000000);
        _exit(0);
    }
    thread_t lwp;
    thread_create(&lwp, (void *(*)(void *))(uintptr_t)_exit, (void *)21);
    for (;;)
        sleep(1000);
}

static bool process_with_children_exits_from_any_lwp(void)
{
    struct counts counts;

    thrum_stat(&counts.wanted);
    return KTAP_ROLE_EXITS("exit-from-another-lwp", 21) &&
           KTAP_TRUE(ktap_wait_for(has_counts, &counts));
}

/* vfork */

static bool vfork_waits_for_the_end(void)
{
    uint64_t start_ns = monotonic_ns();
    pid_t child = vfork();

    if (child == 0) {
        sleep_ns(50000000);
        _exit(CHILD_IS_WELL);
    }
    bool has_waited = KTAP_TRUE(monotonic_ns() - start_ns >= 50000000);
    return exits(child, CHILD_IS_WELL) && has_waited;
}

static int sleep_on(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (;;)
        sleep(1000);
}

static bool vfork_waits_for_exec(void)
{
    static volatile bool comes_to_exec;
    char *argv[] = {"t_fork", "sleep-on", NULL};
    int status = -1;
    pid_t child = vfork();

    if (child == 0) {
        sleep_ns(20000000); /* the caller would go on */
        comes_to_exec = true;
        execv(ktap_program(), argv);
        _exit(1);
    }
    bool is_running = KTAP_TRUE(comes_to_exec) && KTAP_EQUAL(waitpid(child, NULL, WNOHANG), 0);
    kill(child, SIGKILL);
    return KTAP_EQUAL(waitpid(child, &status, 0), child) &&
           ktap_check_dies(status, SIGKILL, __FILE__, __LINE__) && is_running;
}

static void *stay_in_vfork_child(void *may_end)
{
    pid_t child = vfork();

    if (child == 0) {
        while (!atomic_load((atomic_bool *)may_end))
            sleep_ns(1000000);
        _exit(CHILD_IS_WELL);
    }
    return (void *)(long)exits(child, CHILD_IS_WELL);
}

static bool vfork_stops_the_caller_only(void)
{
    atomic_bool may_end = false;
    thread_t lwp;
    void *value = NULL;
    struct counts counts;

    thrum_stat(&counts.wanted);
    counts.wanted.processes++;
    counts.wanted.lwps += 2;
    thread_create(&lwp, stay_in_vfork_child, &may_end);
    bool is_right = KTAP_TRUE(ktap_wait_for(has_counts, &counts));
    free(malloc(100));
    atomic_store(&may_end, true);
    thread_join(lwp, &value);
    return KTAP_EQUAL((long)value, 1) && is_right;
}

static const struct ktap_test tests[] = {
    {"a child has its parent's memory", memory_is_copied},
    {"what the child writes the parent does not see", child_writes_for_itself},
    {"what the parent writes the child does not see", parent_writes_for_itself},
    {"a page that can only be read is one in the child too", permissions_are_copied},
    {"pages nobody has touched are zero on both sides", untouched_pages_are_zero_on_both_sides},
    {"the data segment grows on one side only", data_segment_grows_for_itself},
    {"thread-local storage is copied, and errno is the child's own",
     thread_local_storage_is_copied},
    {"the child has a number of its own, and a parent", numbers_are_right},
    {"floating-point values survive", vector_registers_survive},
    {"any LWP may fork, and goes on in the child on its own stack", any_lwp_may_fork},
    {"all LWPs may fork at once", all_lwps_fork_at_once},
    {"the child has one LWP", child_has_one_lwp},
    {"the child creates and joins LWPs", child_creates_lwps},
    {"a child of a child of a child may fork", generations_follow_each_other},
    {"fifty children are alive at once", many_children_are_alive_at_once},
    {"LWPs that write on every CPU while one forks find what they wrote",
     writers_on_every_cpu_write_to_their_own_pages},
    {"siblings map and unmap while one forks", siblings_map_and_unmap},
    {"the runtime's locks are free in the child, whoever held them",
     runtime_locks_are_free_in_the_child},
    {"siblings create and join LWPs while one forks", siblings_create_and_join},
    {"frames that were shared come back", frames_come_back},
    {"fork in full memory is ENOMEM, and all comes back", full_memory_is_enomem},
    {"a process that has children exits from any LWP", process_with_children_exits_from_any_lwp},
    {"vfork waits for the child's end", vfork_waits_for_the_end},
    {"vfork waits for the child's exec, not for its end", vfork_waits_for_exec},
    {"vfork makes only the caller wait", vfork_stops_the_caller_only},
};

static const struct ktap_role roles[] = {
    {"fork-until-full", fork_until_full},
    {"exit-from-another-lwp", exit_from_another_lwp},
    {"sleep-on", sleep_on},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return ktap_play_role(roles, KTAP_LEN(roles), argc, argv);

    ktap_need_thrum();
    return ktap_main(tests, KTAP_LEN(tests));
}
