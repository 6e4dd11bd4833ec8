/*
 * musl's POSIX threads, as a program that is not written for Thrum uses them: every kind of lock,
 * cancellation, thread-local storage. musl's threads also work where futexes are missing, by
 * spinning: so what waits is checked to sleep, by what /proc says of it.
 *
 * Prints KTAP by itself: tests/user/ktap.c is for the native runtime.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR_THREADS 16
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static long rounds = 2000; /* of each thread */

static bool check(bool is_so, const char *what, int line)
{
    if (!is_so)
        printf("# line %d: not so: %s\n", line, what);
    return is_so;
}

#define CHECK(condition) check((condition), #condition, __LINE__)

static struct timespec after_ms(clockid_t clock, long ms)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* Runs the function in so many threads; each gets its number. Whether all return NULL. */
static bool in_threads(int nr, void *(*function)(void *))
{
    pthread_t threads[64];
    bool ok = true;

    for (int i = 0; i < nr; i++)
        ok = CHECK(pthread_create(&threads[i], NULL, function, (void *)(intptr_t)i) == 0) && ok;
    for (int i = 0; i < nr && ok; i++) {
        void *result = &result;

        ok = CHECK(pthread_join(threads[i], &result) == 0 && result == NULL);
    }
    return ok;
}

/* ---- Mutexes -------------------------------------------------------------------------------- */

static pthread_mutex_t mutex;
static long counter;

static void *count_up(void *unused)
{
    (void)unused;
    for (long i = 0; i < rounds; i++) {
        if (pthread_mutex_lock(&mutex) != 0)
            return &counter;
        counter++;
        if (pthread_mutex_unlock(&mutex) != 0)
            return &counter;
    }
    return NULL;
}

static bool mutex_excludes(int type, int protocol)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type);
    if (!CHECK(pthread_mutexattr_setprotocol(&attr, protocol) == 0))
        return false;
    pthread_mutex_init(&mutex, &attr);
    counter = 0;
    bool ok = in_threads(NR_THREADS, count_up) && CHECK(counter == NR_THREADS * rounds);
    pthread_mutex_destroy(&mutex);
    return ok;
}

static bool normal_mutex_excludes(void)
{
    return mutex_excludes(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE);
}

static bool inheriting_mutex_excludes(void)
{
    return mutex_excludes(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT);
}

static bool recursive_mutex_counts(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&mutex, &attr);
    bool ok = true;
    for (int i = 0; i < 10; i++)
        ok = CHECK(pthread_mutex_lock(&mutex) == 0) && ok;
    for (int i = 0; i < 10; i++)
        ok = CHECK(pthread_mutex_unlock(&mutex) == 0) && ok;
    return CHECK(pthread_mutex_unlock(&mutex) == EPERM) && ok;
}

static bool checking_mutex_finds_deadlock(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &attr);
    return CHECK(pthread_mutex_lock(&mutex) == 0) && CHECK(pthread_mutex_lock(&mutex) == EDEADLK) &&
           CHECK(pthread_mutex_unlock(&mutex) == 0) && CHECK(pthread_mutex_unlock(&mutex) == EPERM);
}

static void *lock_and_leave(void *unused)
{
    (void)unused;
    return pthread_mutex_lock(&mutex) == 0 ? NULL : &mutex;
}

static bool robust_mutex_survives_its_owner(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &attr);
    bool ok = in_threads(1, lock_and_leave) && CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD) &&
              CHECK(pthread_mutex_consistent(&mutex) == 0) &&
              CHECK(pthread_mutex_unlock(&mutex) == 0) && in_threads(1, lock_and_leave) &&
              CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD) &&
              CHECK(pthread_mutex_unlock(&mutex) == 0) &&
              CHECK(pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);
    return ok;
}

/* Between processes, one of which is killed while it has the lock. */
static bool shared_robust_mutex_survives_a_process(void)
{
    pthread_mutex_t *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(shared, &attr);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(shared);
        raise(SIGKILL);
    }
    bool ok =
        CHECK(waitpid(child, NULL, 0) == child) && CHECK(pthread_mutex_lock(shared) == EOWNERDEAD);
    munmap(shared, 4096);
    return ok;
}

/* ---- Waiting: who waits must sleep ---------------------------------------------------------- */

#define NR_WAITERS  8
#define QUIET_MS    20
#define PATIENCE_MS 20000

static pthread_cond_t condition;
static pthread_rwlock_t rwlock;
static pthread_barrier_t barrier;
static sem_t semaphore;
static bool is_open;
static _Atomic pid_t waiters[NR_WAITERS];

/* How often the LWP has gone to sleep, if it sleeps now; -1: it does not, or is not there yet. */
static long nr_sleeps(pid_t tid)
{
    char path[64], line[128], state = 0;
    long nr = -1;

    snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        return -1;
    while (fgets(line, sizeof(line), status) != NULL) {
        sscanf(line, "State: %c", &state);
        sscanf(line, "voluntary_ctxt_switches: %ld", &nr);
    }
    fclose(status);
    return state == 'S' ? nr : -1;
}

/* Whether that LWP sleeps, sooner or later, and goes on sleeping. */
static bool sleeps_on(const _Atomic pid_t *tid)
{
    for (int i = 0; i < PATIENCE_MS / QUIET_MS; i++) {
        long before = nr_sleeps(atomic_load(tid));

        usleep(QUIET_MS * 1000);
        if (before >= 0 && nr_sleeps(atomic_load(tid)) == before)
            return true;
    }
    return false;
}

static void note_waiter(void *number)
{
    atomic_store(&waiters[(intptr_t)number], gettid());
}

static void *wait_mutex(void *number)
{
    note_waiter(number);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void *wait_condition(void *number)
{
    note_waiter(number);
    pthread_mutex_lock(&mutex);
    while (!is_open)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void *wait_rwlock(void *number)
{
    note_waiter(number);
    if ((intptr_t)number % 2)
        pthread_rwlock_wrlock(&rwlock);
    else
        pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
    return NULL;
}

static void *wait_semaphore(void *number)
{
    note_waiter(number);
    sem_wait(&semaphore);
    return NULL;
}

static void *wait_barrier(void *number)
{
    note_waiter(number);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* Threads wait, then `open` lets them go. Whether all of them slept. */
static bool waiters_sleep(void *(*wait)(void *), void (*open)(void))
{
    pthread_t threads[NR_WAITERS];
    bool ok = true;

    for (size_t i = 0; i < NR_WAITERS; i++) {
        atomic_store(&waiters[i], 0);
        ok = CHECK(pthread_create(&threads[i], NULL, wait, (void *)(intptr_t)i) == 0) && ok;
    }
    for (size_t i = 0; i < NR_WAITERS; i++)
        ok = CHECK(sleeps_on(&waiters[i])) && ok;
    open();
    for (size_t i = 0; i < NR_WAITERS; i++)
        ok = CHECK(pthread_join(threads[i], NULL) == 0) && ok;
    return ok;
}

static void open_mutex(void)
{
    pthread_mutex_unlock(&mutex);
}

static void open_condition(void)
{
    pthread_mutex_lock(&mutex);
    is_open = true;
    pthread_mutex_unlock(&mutex);
    pthread_cond_broadcast(&condition);
}

static void open_rwlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

static void open_semaphore(void)
{
    for (int i = 0; i < NR_WAITERS; i++)
        sem_post(&semaphore);
}

static void open_barrier(void)
{
    pthread_barrier_wait(&barrier);
}

static bool mutex_waiters_sleep(void)
{
    pthread_mutex_init(&mutex, NULL);
    pthread_mutex_lock(&mutex);
    return waiters_sleep(wait_mutex, open_mutex);
}

static bool condition_waiters_sleep(void)
{
    pthread_mutex_init(&mutex, NULL);
    pthread_cond_init(&condition, NULL);
    is_open = false;
    return waiters_sleep(wait_condition, open_condition);
}

static bool rwlock_waiters_sleep(void)
{
    pthread_rwlock_init(&rwlock, NULL);
    pthread_rwlock_wrlock(&rwlock);
    return waiters_sleep(wait_rwlock, open_rwlock);
}

static bool semaphore_waiters_sleep(void)
{
    sem_init(&semaphore, 0, 0);
    return waiters_sleep(wait_semaphore, open_semaphore);
}

static bool barrier_waiters_sleep(void)
{
    pthread_barrier_init(&barrier, NULL, NR_WAITERS + 1);
    return waiters_sleep(wait_barrier, open_barrier);
}

/* A thread that is joined by the one that it looks at. Its value: not NULL if that one slept. */
static void *watch_joiner(void *joiner)
{
    return sleeps_on(joiner) ? joiner : NULL;
}

static bool joiner_sleeps(void)
{
    _Atomic pid_t self = gettid();
    pthread_t thread;
    void *value = NULL;

    return CHECK(pthread_create(&thread, NULL, watch_joiner, &self) == 0) &&
           CHECK(pthread_join(thread, &value) == 0) && CHECK(value != NULL);
}

static bool waits_end_in_time(void)
{
    struct timespec until = after_ms(CLOCK_REALTIME, 20);

    pthread_mutex_init(&mutex, NULL);
    pthread_cond_init(&condition, NULL);
    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&mutex);
    bool ok = CHECK(pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT) &&
              CHECK(sem_timedwait(&semaphore, &until) == -1 && errno == ETIMEDOUT);
    until = after_ms(CLOCK_REALTIME, 20);
    return CHECK(pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT) && ok;
}

/* ---- Many, together ------------------------------------------------------------------------- */

static int queue[4], nr_queued;
static long nr_taken;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;

static void *produce_or_take(void *number)
{
    bool is_producer = (intptr_t)number % 2;

    for (long i = 0; i < rounds / 4; i++) {
        pthread_mutex_lock(&mutex);
        while (is_producer ? nr_queued == LEN(queue) : nr_queued == 0)
            pthread_cond_wait(is_producer ? &not_full : &not_empty, &mutex);
        if (is_producer)
            queue[nr_queued++] = 1;
        else
            nr_taken += queue[--nr_queued];
        pthread_cond_signal(is_producer ? &not_empty : &not_full);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static bool nothing_is_lost_in_a_queue(void)
{
    pthread_mutex_init(&mutex, NULL);
    nr_taken = 0;
    return in_threads(NR_THREADS, produce_or_take) && CHECK(nr_queued == 0) &&
           CHECK(nr_taken == NR_THREADS / 2 * (rounds / 4));
}

static long shared[2];

static void *read_or_write(void *number)
{
    for (long i = 0; i < rounds; i++) {
        if (((intptr_t)number + i) % 8 == 0) {
            pthread_rwlock_wrlock(&rwlock);
            shared[0]++;
            shared[1]++;
        } else {
            pthread_rwlock_rdlock(&rwlock);
            if (shared[0] != shared[1])
                return &shared;
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return NULL;
}

static bool readers_see_whole_writes(void)
{
    pthread_rwlock_init(&rwlock, NULL);
    return in_threads(NR_THREADS, read_or_write);
}

static _Atomic int nr_serial;

static void *pass_barriers(void *unused)
{
    (void)unused;
    for (long i = 0; i < rounds / 20; i++)
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&nr_serial, 1);
    return NULL;
}

static bool barrier_has_one_serial_thread(void)
{
    pthread_barrier_init(&barrier, NULL, NR_THREADS);
    atomic_store(&nr_serial, 0);
    return in_threads(NR_THREADS, pass_barriers) && CHECK(nr_serial == rounds / 20);
}

/* ---- Threads' own --------------------------------------------------------------------------- */

static _Thread_local long own = 7;
static pthread_key_t key;
static _Atomic int nr_destroyed;

static void destroy(void *value)
{
    if (atomic_fetch_add(&nr_destroyed, 1) % 2 == 0)
        pthread_setspecific(key, value); /* once more */
}

static void *use_own(void *number)
{
    if (own != 7)
        return &key;
    own = (intptr_t)number;
    pthread_setspecific(key, &own);
    sched_yield();
    return own == (intptr_t)number && pthread_getspecific(key) == &own ? NULL : &key;
}

static bool storage_is_each_threads_own(void)
{
    atomic_store(&nr_destroyed, 0);
    return CHECK(pthread_key_create(&key, destroy) == 0) && in_threads(NR_THREADS, use_own) &&
           CHECK(own == 7) && CHECK(nr_destroyed >= NR_THREADS) &&
           CHECK(pthread_key_delete(key) == 0);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic int nr_once;

static void do_once(void)
{
    usleep(10000);
    atomic_fetch_add(&nr_once, 1);
}

static void *call_once(void *unused)
{
    (void)unused;
    pthread_once(&once, do_once);
    return atomic_load(&nr_once) == 1 ? NULL : &once;
}

static bool once_is_once(void)
{
    return in_threads(NR_THREADS, call_once);
}

/* ---- Cancellation --------------------------------------------------------------------------- */

static _Atomic int nr_cleaned;

static void clean(void *unused)
{
    (void)unused;
    atomic_fetch_add(&nr_cleaned, 1);
}

static void *sleep_for_ever(void *unused)
{
    pthread_cleanup_push(clean, NULL);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return unused;
}

static void *wait_for_ever(void *unused)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push((void (*)(void *))pthread_mutex_unlock, &mutex);
    pthread_cleanup_push(clean, NULL);
    for (;;)
        pthread_cond_wait(&condition, &mutex);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return unused;
}

static void *compute_for_ever(void *unused)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL); /* NOLINT(cert-pos47-c): tested */
    pthread_cleanup_push(clean, NULL);
    for (;;)
        ;
    pthread_cleanup_pop(0);
    return unused;
}

static bool cancelled_threads_clean_up(void)
{
    static void *(*const functions[])(void *) = {sleep_for_ever, wait_for_ever, compute_for_ever};
    bool ok = true;

    pthread_mutex_init(&mutex, NULL);
    pthread_cond_init(&condition, NULL);
    atomic_store(&nr_cleaned, 0);
    for (int i = 0; i < 12 && ok; i++) {
        pthread_t thread;
        void *result = NULL;

        ok = CHECK(pthread_create(&thread, NULL, functions[i % 3], NULL) == 0);
        usleep(10000); /* where it is by then does not matter: it is cancelled anywhere */
        ok = ok && CHECK(pthread_cancel(thread) == 0) &&
             CHECK(pthread_join(thread, &result) == 0) && CHECK(result == PTHREAD_CANCELED);
    }
    return ok && CHECK(nr_cleaned >= 8) && CHECK(pthread_mutex_trylock(&mutex) == 0);
}

/* ---- Coming and going ----------------------------------------------------------------------- */

static void *end_at_once(void *unused)
{
    return unused;
}

static bool many_threads_come_and_go(void)
{
    pthread_t thread;
    bool ok = true;

    for (long i = 0; i < rounds && ok; i++)
        ok = CHECK(pthread_create(&thread, NULL, end_at_once, NULL) == 0) &&
             CHECK(pthread_join(thread, NULL) == 0);
    return ok;
}

static _Atomic int nr_detached;

static void *end_detached(void *unused)
{
    atomic_fetch_sub(&nr_detached, 1);
    return unused;
}

static bool detached_threads_end(void)
{
    pthread_attr_t attr;
    bool ok = true;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN * 4);
    for (int i = 0; i < 100 && ok; i++) {
        pthread_t thread;

        atomic_fetch_add(&nr_detached, 1);
        ok = CHECK(pthread_create(&thread, &attr, end_detached, NULL) == 0);
    }
    for (int i = 0; i < PATIENCE_MS / QUIET_MS && atomic_load(&nr_detached) > 0; i++)
        usleep(QUIET_MS * 1000);
    return CHECK(nr_detached == 0) && ok;
}

static void *fork_and_wait(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        int status = -1;
        pid_t child = fork();

        if (child == 0)
            _exit(malloc(1000) != NULL ? 7 : 1);
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 7)
            return &nr_detached;
    }
    return NULL;
}

static bool threads_may_fork(void)
{
    return in_threads(4, fork_and_wait);
}

static const struct {
    const char *sentence;
    bool (*run)(void);
} tests[] = {
    {"a mutex excludes", normal_mutex_excludes},
    {"a mutex that inherits priorities excludes", inheriting_mutex_excludes},
    {"a recursive mutex counts", recursive_mutex_counts},
    {"an error-checking mutex finds a deadlock", checking_mutex_finds_deadlock},
    {"a robust mutex survives its owner", robust_mutex_survives_its_owner},
    {"a shared robust mutex survives a process", shared_robust_mutex_survives_a_process},
    {"who waits for a mutex sleeps", mutex_waiters_sleep},
    {"who waits for a condition sleeps", condition_waiters_sleep},
    {"who waits for a read-write lock sleeps", rwlock_waiters_sleep},
    {"who waits for a semaphore sleeps", semaphore_waiters_sleep},
    {"who waits at a barrier sleeps", barrier_waiters_sleep},
    {"who joins sleeps", joiner_sleeps},
    {"waits end in time", waits_end_in_time},
    {"nothing is lost in a queue", nothing_is_lost_in_a_queue},
    {"readers see whole writes", readers_see_whole_writes},
    {"a barrier has one serial thread each time", barrier_has_one_serial_thread},
    {"storage is each thread's own, and destroyed", storage_is_each_threads_own},
    {"once is once", once_is_once},
    {"threads that are cancelled clean up", cancelled_threads_clean_up},
    {"many threads come and go", many_threads_come_and_go},
    {"detached threads end", detached_threads_end},
    {"threads may fork", threads_may_fork},
};

int main(void)
{
    size_t nr_failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
        rounds /= 10; /* an emulator takes milliseconds from CPU to CPU */
    printf("KTAP version 1\n1..%zu\n", LEN(tests));
    for (size_t i = 0; i < LEN(tests); i++) {
        bool ok = tests[i].run();

        nr_failed += !ok;
        printf("%s %zu %s\n", ok ? "ok" : "not ok", i + 1, tests[i].sentence);
    }
    return nr_failed == 0 ? 0 : 1;
}
