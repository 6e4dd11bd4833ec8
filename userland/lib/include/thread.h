#ifndef THREAD_H
#define THREAD_H

/*
 * Threads: each is an LWP of the calling process, and a variable with _Thread_local exists once in
 * each. Functions that return int return 0, or -1 with `errno` set, unless said otherwise.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sys/types.h>

typedef int thread_t;

/*
 * Starts function(arg) as a new thread and stores its number in *thread. EAGAIN: no more LWPs;
 * ENOMEM: no memory.
 */
int thread_create(thread_t *thread, void *(*function)(void *), void *arg);

/*
 * Ends the calling thread only; `value` is what thread_join() gives. Returning from the thread's
 * function does the same. When the last thread has left this way, the process ends with status 0,
 * without exit(): what standard output still buffers is lost.
 */
_Noreturn void thread_exit(void *value);

/*
 * Waits until `thread` has ended, and stores its value in *value unless that is NULL. Any thread of
 * the process may join any other, once. ESRCH: no such thread; EINVAL: detached, or another one
 * is joining it; EDEADLK: the caller itself, or a thread that waits for the caller; EFAULT: bad
 * `value`, and the thread can still be joined.
 */
int thread_join(thread_t thread, void **value);

/* Nobody will join `thread`: it goes away by itself. ESRCH, EINVAL as thread_join(). */
int thread_detach(thread_t thread);

/* What thread_join() gives for a thread that thread_exit_target() has ended. */
#define THREAD_CANCELED ((void *)-1)

/*
 * Ends `thread`, wherever it is: a sleeping one wakes up for it, and one inside the runtime
 * (malloc, printf) comes out of it first. Locks of the program's own that it holds stay locked.
 * Returns at once; thread_join() tells when it is over. 0 also for one that has ended already;
 * ESRCH: no such thread.
 */
int thread_exit_target(thread_t thread);

/* The calling thread's number. */
pid_t gettid(void);

/* Lets others run first. Returns 0. */
int yield(void);

/*
 * Guarantees the calling thread `percent` of one CPU; 0 gives it back. EINVAL outside 0 ... 100;
 * EAGAIN when too much has been promised already: nothing changes then.
 */
int set_cpu_share(int percent);

/* The calling thread's level in the multi-level feedback queue, 0 being the best; -1 outside it. */
int getlev(void);

/*
 * Locks and the like: all zero bytes, or the *_INIT value, is a fresh one, and none needs to be
 * destroyed. They sleep in the kernel, and enter it only when there is something to wait for.
 */

/* Mutual exclusion; not recursive. */
typedef struct {
    _Atomic uint32_t state; /* sync.c has the meaning */
} thread_mutex_t;

#define THREAD_MUTEX_INIT                                                                          \
    {                                                                                              \
        0                                                                                          \
    }

void thread_mutex_lock(thread_mutex_t *mutex);
bool thread_mutex_trylock(thread_mutex_t *mutex); /* whether the caller has it now */
void thread_mutex_unlock(thread_mutex_t *mutex);

/* Condition variable. The waiter tests its condition in a loop: it may also wake for no reason. */
typedef struct {
    _Atomic uint32_t sequence;
    _Atomic uint32_t nr_waiting;
} thread_cond_t;

#define THREAD_COND_INIT                                                                           \
    {                                                                                              \
        0                                                                                          \
    }

void thread_cond_wait(thread_cond_t *cond, thread_mutex_t *mutex);
void thread_cond_signal(thread_cond_t *cond);    /* wakes one waiter, if there is one */
void thread_cond_broadcast(thread_cond_t *cond); /* wakes all */

/* Counting semaphore. */
typedef struct {
    _Atomic uint32_t value;
    _Atomic uint32_t nr_waiting;
} thread_sem_t;

#define THREAD_SEM_INIT(initial)                                                                   \
    {                                                                                              \
        .value = (initial)                                                                         \
    }

void thread_sem_init(thread_sem_t *sem, uint32_t value);
void thread_sem_wait(thread_sem_t *sem);
bool thread_sem_trywait(thread_sem_t *sem); /* whether it was counted down */
void thread_sem_post(thread_sem_t *sem);

/* Barrier: each of nr_threads waits until all have come; then it can be used again. */
typedef struct {
    uint32_t nr_threads;
    _Atomic uint32_t nr_arrived;
    _Atomic uint32_t round;
} thread_barrier_t;

#define THREAD_BARRIER_INIT(threads)                                                               \
    {                                                                                              \
        .nr_threads = (threads)                                                                    \
    }

void thread_barrier_init(thread_barrier_t *barrier, uint32_t nr_threads);
bool thread_barrier_wait(thread_barrier_t *barrier); /* true in exactly one of them */

/* Runs `function` once, however many call; all return after it is done. */
typedef struct {
    _Atomic uint32_t state;
} thread_once_t;

#define THREAD_ONCE_INIT                                                                           \
    {                                                                                              \
        0                                                                                          \
    }

void thread_once(thread_once_t *once, void (*function)(void));

#endif
