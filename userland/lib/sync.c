/*
 * What threads wait with, over futex(2). Each object is a word or two: the uncontended paths are
 * one atomic instruction, and a thread enters the kernel only to sleep, or to wake one that does.
 *
 * The rule that no wake-up is lost rests on is the kernel's: FUTEX_WAIT sleeps only if the word
 * still has the value that the caller saw, tested with the futex's queue locked.
 *
 * The mutex is the third one of U. Drepper, "Futexes Are Tricky" (2011), section 6.
 */

#include <limits.h>
#include <thread.h>

#include <linux/futex.h>
#include <sys/syscall.h>

/* Sleeps while *word is `expected`. May return early: all callers test again. */
static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall6(__NR_futex, (long)word, FUTEX_WAIT_PRIVATE, expected, 0, 0, 0);
}

static void futex_wake(_Atomic uint32_t *word, int nr_threads)
{
    syscall6(__NR_futex, (long)word, FUTEX_WAKE_PRIVATE, nr_threads, 0, 0, 0);
}

enum {
    MUTEX_FREE = 0,
    MUTEX_LOCKED = 1,    /* and nobody sleeps */
    MUTEX_CONTENDED = 2, /* locked, and somebody may sleep */
};

bool thread_mutex_trylock(thread_mutex_t *mutex)
{
    uint32_t seen = MUTEX_FREE;

    return atomic_compare_exchange_strong_explicit(&mutex->state, &seen, MUTEX_LOCKED,
                                                   memory_order_acquire, memory_order_relaxed);
}

/*
 * Whoever has slept takes the lock as MUTEX_CONTENDED: it cannot know that it was the last one. So
 * at worst an unlock wakes nobody.
 */
void thread_mutex_lock(thread_mutex_t *mutex)
{
    if (thread_mutex_trylock(mutex))
        return;
    while (atomic_exchange_explicit(&mutex->state, MUTEX_CONTENDED, memory_order_acquire) !=
           MUTEX_FREE)
        futex_wait(&mutex->state, MUTEX_CONTENDED);
}

void thread_mutex_unlock(thread_mutex_t *mutex)
{
    if (atomic_exchange_explicit(&mutex->state, MUTEX_FREE, memory_order_release) ==
        MUTEX_CONTENDED)
        futex_wake(&mutex->state, 1);
}

/*
 * A waiter sleeps on the sequence number that it saw under the mutex. Any signal after that changes
 * the number, so that the waiter does not fall asleep past it. (It would take 2^32 signals between
 * its unlock and its sleep to fool it.)
 */
void thread_cond_wait(thread_cond_t *cond, thread_mutex_t *mutex)
{
    uint32_t seen = atomic_load(&cond->sequence);

    atomic_fetch_add(&cond->nr_waiting, 1);
    thread_mutex_unlock(mutex);
    futex_wait(&cond->sequence, seen);
    thread_mutex_lock(mutex);
    atomic_fetch_sub(&cond->nr_waiting, 1);
}

static void cond_wake(thread_cond_t *cond, int nr_threads)
{
    atomic_fetch_add(&cond->sequence, 1);
    if (atomic_load(&cond->nr_waiting) > 0)
        futex_wake(&cond->sequence, nr_threads);
}

void thread_cond_signal(thread_cond_t *cond)
{
    cond_wake(cond, 1);
}

void thread_cond_broadcast(thread_cond_t *cond)
{
    cond_wake(cond, INT_MAX);
}

void thread_sem_init(thread_sem_t *sem, uint32_t value)
{
    atomic_init(&sem->value, value);
    atomic_init(&sem->nr_waiting, 0);
}

bool thread_sem_trywait(thread_sem_t *sem)
{
    uint32_t value = atomic_load(&sem->value);

    while (value > 0)
        if (atomic_compare_exchange_weak(&sem->value, &value, value - 1))
            return true;
    return false;
}

/* The waiter announces itself before it looks at the value for the last time, post() after. */
void thread_sem_wait(thread_sem_t *sem)
{
    if (thread_sem_trywait(sem))
        return;
    atomic_fetch_add(&sem->nr_waiting, 1);
    while (!thread_sem_trywait(sem))
        futex_wait(&sem->value, 0);
    atomic_fetch_sub(&sem->nr_waiting, 1);
}

void thread_sem_post(thread_sem_t *sem)
{
    atomic_fetch_add(&sem->value, 1);
    if (atomic_load(&sem->nr_waiting) > 0)
        futex_wake(&sem->value, 1);
}

void thread_barrier_init(thread_barrier_t *barrier, uint32_t nr_threads)
{
    barrier->nr_threads = nr_threads;
    atomic_init(&barrier->nr_arrived, 0);
    atomic_init(&barrier->round, 0);
}

/* The last one to arrive makes the barrier fresh before it lets the others go. */
bool thread_barrier_wait(thread_barrier_t *barrier)
{
    uint32_t round = atomic_load(&barrier->round);

    if (atomic_fetch_add(&barrier->nr_arrived, 1) + 1 == barrier->nr_threads) {
        atomic_store(&barrier->nr_arrived, 0);
        atomic_fetch_add(&barrier->round, 1);
        futex_wake(&barrier->round, INT_MAX);
        return true;
    }
    while (atomic_load(&barrier->round) == round)
        futex_wait(&barrier->round, round);
    return false;
}

enum {
    ONCE_FRESH = 0,
    ONCE_RUNS = 1,
    ONCE_DONE = 2,
};

void thread_once(thread_once_t *once, void (*function)(void))
{
    uint32_t state = ONCE_FRESH;

    if (atomic_compare_exchange_strong(&once->state, &state, ONCE_RUNS)) {
        function();
        atomic_store(&once->state, ONCE_DONE);
        futex_wake(&once->state, INT_MAX);
        return;
    }
    while (atomic_load(&once->state) != ONCE_DONE)
        futex_wait(&once->state, ONCE_RUNS);
}
