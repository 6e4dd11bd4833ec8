/* What a kernel thread must not do: each suite here ends in a panic (tests/qemu/cases.cmake). */

#include <kernel/condition.h>
#include <kernel/mutex.h>
#include <kernel/semaphore.h>
#include <sched/kthread.h>

#include "ktap.h"

static struct kthread *thread;
static struct semaphore go;
static struct mutex mutex;
static struct condition condition;

static uint64_t wait_for_go(void *arg)
{
    (void)arg;
    semaphore_down(&go);
    return 0;
}

static uint64_t join_oneself(void *arg)
{
    (void)arg;
    semaphore_down(&go);
    return kthread_join(thread);
}

static bool start_and_let_go(kthread_fn fn)
{
    semaphore_init(&go, "go", 0);
    thread = kthread_create("misuse", KTHREAD_PRIORITY_DEFAULT, fn, NULL);
    return thread != NULL;
}

static bool run_join_self(void)
{
    if (!start_and_let_go(join_oneself))
        return false;
    semaphore_up(&go);
    kthread_sleep_ns(UINT64_MAX);
    return false;
}

static uint64_t join_it(void *arg)
{
    (void)arg;
    return kthread_join(thread);
}

static bool run_join_twice(void)
{
    struct kthread *joiner;

    if (!start_and_let_go(wait_for_go))
        return false;
    joiner = kthread_create("joiner", KTHREAD_PRIORITY_DEFAULT, join_it, NULL);
    if (joiner == NULL)
        return false;
    kthread_sleep_ns(50 * NSEC_PER_MSEC);
    kthread_join(thread);
    return false;
}

static bool run_join_detached(void)
{
    if (!start_and_let_go(wait_for_go))
        return false;
    kthread_detach(thread);
    kthread_join(thread);
    return false;
}

static bool run_priority(void)
{
    return kthread_create("misuse", KTHREAD_PRIORITY_MAX + 1, wait_for_go, NULL) != NULL;
}

static bool run_unlock(void)
{
    mutex_init(&mutex, "test");
    mutex_unlock(&mutex);
    return false;
}

static bool run_try_own(void)
{
    mutex_init(&mutex, "test");
    mutex_lock(&mutex);
    return mutex_try_lock(&mutex);
}

static bool run_wait_unlocked(void)
{
    mutex_init(&mutex, "test");
    condition_init(&condition, "test");
    condition_wait(&condition, &mutex);
    return false;
}

static struct mutex other_mutex;

static uint64_t take_both(void *arg)
{
    (void)arg;
    mutex_lock(&other_mutex);
    semaphore_up(&go);
    mutex_lock(&mutex);
    return 0;
}

static bool run_circle(void)
{
    mutex_init(&mutex, "test");
    mutex_init(&other_mutex, "other");
    mutex_lock(&mutex);
    if (!start_and_let_go(take_both))
        return false;
    semaphore_down(&go);
    mutex_lock(&other_mutex);
    return false;
}

static bool run_down_in_spinlock(void)
{
    semaphore_init(&go, "go", 1);
    spin_lock_irq(&go.guard);
    semaphore_down(&go);
    return false;
}

#define MISUSE(symbol, text)                                                                       \
    static const struct kernel_test_suite symbol = {.name = (text), .run = run_##symbol};          \
    KERNEL_TEST_REGISTER(symbol)

MISUSE(join_self, "misuse.join_self");
MISUSE(join_twice, "misuse.join_twice");
MISUSE(join_detached, "misuse.join_detached");
MISUSE(priority, "misuse.priority");
MISUSE(unlock, "misuse.unlock");
MISUSE(try_own, "misuse.try_own");
MISUSE(wait_unlocked, "misuse.wait_unlocked");
MISUSE(circle, "misuse.circle");
MISUSE(down_in_spinlock, "misuse.down_in_spinlock");
