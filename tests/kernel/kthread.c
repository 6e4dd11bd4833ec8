/* Kernel threads, and what they wait with: semaphores, mutexes, condition variables. */

#include <stdatomic.h>

#include <arch/smp.h>
#include <kernel/clock.h>
#include <kernel/condition.h>
#include <kernel/errno.h>
#include <kernel/mutex.h>
#include <kernel/semaphore.h>
#include <kernel/string.h>
#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/slab.h>
#include <sched/kthread.h>
#include <sched/sched.h>

#include "ktap.h"

#define PATIENCE_NS (20000 * NSEC_PER_MSEC)
#define CROWD       64

static struct kthread *start(kthread_fn fn, void *arg)
{
    struct kthread *thread = kthread_create("test", KTHREAD_PRIORITY_DEFAULT, fn, arg);

    assert(thread != NULL);
    return thread;
}

static struct kthread *start_number(kthread_fn fn, uintptr_t number)
{
    return start(fn, (void *)number);
}

/* Sleeps until the counter is there; whether that came in time. */
static bool wait_for_count(const atomic_uint *count, unsigned wanted)
{
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

    while (atomic_load(count) != wanted && clock_now_ns() < deadline_ns)
        kthread_sleep_ns(NSEC_PER_MSEC);
    return KTAP_EQUAL(atomic_load(count), wanted);
}

/* ---- Create, exit, join -----------------------------------------------------------------------
 */

static uint64_t give_back(void *arg)
{
    return (uintptr_t)arg;
}

static uint64_t exit_with(void *arg)
{
    kthread_exit((uintptr_t)arg);
}

static uint64_t sleep_and_give_back(void *arg)
{
    kthread_sleep_ns(20 * NSEC_PER_MSEC);
    return (uintptr_t)arg;
}

static bool value_of_return_reaches_joiner(void)
{
    return KTAP_EQUAL(kthread_join(start_number(give_back, 42)), 42) &&
           KTAP_EQUAL(kthread_join(start_number(give_back, UINTPTR_MAX)), UINT64_MAX);
}

static bool value_of_exit_reaches_joiner(void)
{
    return KTAP_EQUAL(kthread_join(start_number(exit_with, 7)), 7);
}

static bool join_waits_for_the_end(void)
{
    uint64_t before_ns = clock_now_ns();

    return KTAP_EQUAL(kthread_join(start_number(sleep_and_give_back, 1)), 1) &&
           KTAP_TRUE(clock_now_ns() - before_ns >= 20 * NSEC_PER_MSEC);
}

static bool join_after_the_end_gets_the_value(void)
{
    unsigned nr_before = atomic_load(&nr_kthreads);
    struct kthread *thread = start_number(give_back, 5);

    return wait_for_count(&nr_kthreads, nr_before) && KTAP_EQUAL(kthread_join(thread), 5);
}

static uint64_t join_other(void *other)
{
    return kthread_join(other) + 1;
}

static bool any_thread_joins_any_other(void)
{
    struct kthread *last = start_number(sleep_and_give_back, 0);

    for (int i = 0; i < 10; i++)
        last = start(join_other, last);
    return KTAP_EQUAL(kthread_join(last), 10);
}

static uint64_t check_self(void *arg)
{
    const struct lwp *self = lwp_current();

    (void)arg;
    return strcmp(self->name, "somebody") == 0 ? self->own.entity.params.priority : UINT64_MAX;
}

static bool name_and_priority_are_the_creators_wish(void)
{
    static const int priorities[] = {KTHREAD_PRIORITY_MIN, 17, KTHREAD_PRIORITY_MAX};

    for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
        struct kthread *thread = kthread_create("somebody", priorities[i], check_self, NULL);

        assert(thread != NULL);
        if (!KTAP_EQUAL(kthread_join(thread), priorities[i]))
            return false;
    }
    return true;
}

static bool each_of_a_crowd_is_joined_once(void)
{
    static struct kthread *crowd[CROWD];
    size_t nr_rounds = ktap_times(200);

    for (size_t round = 0; round < nr_rounds; round++) {
        for (size_t i = 0; i < CROWD; i++)
            crowd[i] = start_number(give_back, round + i);
        for (size_t i = CROWD; i-- > 0;) {
            if (!KTAP_EQUAL(kthread_join(crowd[i]), round + i))
                return false;
        }
    }
    return true;
}

static atomic_uint nr_done;

static uint64_t count_me(void *arg)
{
    atomic_fetch_add(&nr_done, 1);
    return (uintptr_t)arg;
}

/* What is in use, when nothing is kept for reuse. */
struct usage {
    size_t frames_free, heap_objects;
    unsigned nr_kthreads;
};

static struct usage measure(void)
{
    struct slab_stats heap;

    reclaim_all();
    heap = slab_get_stats();
    return (struct usage){frame_get_stats().nr_free + heap.nr_frames, heap.nr_objects,
                          atomic_load(&nr_kthreads)};
}

static bool is_same_usage(struct usage seen, struct usage want)
{
    return KTAP_EQUAL(seen.heap_objects, want.heap_objects) &&
           KTAP_EQUAL(seen.frames_free, want.frames_free) &&
           KTAP_EQUAL(seen.nr_kthreads, want.nr_kthreads);
}

/* A detached thread's last piece goes a moment after it is counted as ended. */
static bool objects_come_back(struct usage before)
{
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

    while (measure().heap_objects != before.heap_objects && clock_now_ns() < deadline_ns)
        kthread_sleep_ns(NSEC_PER_MSEC);
    return KTAP_EQUAL(measure().heap_objects, before.heap_objects);
}

static bool detached_threads_end_by_themselves(void)
{
    struct usage before = measure();

    atomic_store(&nr_done, 0);
    for (int i = 0; i < CROWD; i++) {
        struct kthread *thread = start_number(count_me, 0);

        /* Some before they have run, some after their end, some meanwhile. */
        if (i % 2 == 0)
            sched_yield();
        kthread_detach(thread);
    }
    return wait_for_count(&nr_done, CROWD) && wait_for_count(&nr_kthreads, before.nr_kthreads) &&
           objects_come_back(before);
}

static uint64_t wait_for_go(void *go)
{
    semaphore_down(go);
    return 0;
}

/* More threads at once than any test has: page tables of the kernel half, once made, stay. */
static void fill_page_tables(void)
{
    static struct kthread *waiting[8 * CROWD];
    static struct semaphore go;

    semaphore_init(&go, "go", 0);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        waiting[i] = start(wait_for_go, &go);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        semaphore_up(&go);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        kthread_join(waiting[i]);
}

static bool stacks_and_objects_come_back(void)
{
    struct usage before;

    fill_page_tables();
    before = measure();
    return each_of_a_crowd_is_joined_once() && is_same_usage(measure(), before);
}

static bool detached_threads_leave_nothing(void)
{
    struct usage before = measure();

    return detached_threads_end_by_themselves() && is_same_usage(measure(), before);
}

/* ---- Sleeping ---------------------------------------------------------------------------------
 */

#define NR_SLEEPERS 8

static atomic_uint nr_awake;

static uint64_t first_wake_ns, wake_step_ns;

/* Sleeps until the time of its number; its value is when it came, compared to the others. */
static uint64_t sleep_by_number(void *arg)
{
    uint64_t wake_ns = first_wake_ns + (uintptr_t)arg * wake_step_ns;
    uint64_t now_ns = clock_now_ns();

    kthread_sleep_ns(wake_ns > now_ns ? wake_ns - now_ns : 0);
    if (clock_now_ns() < wake_ns)
        return UINT64_MAX;
    return atomic_fetch_add(&nr_awake, 1);
}

/*
 * How many of the sleepers came when it was their turn. All are on one CPU: of several, any may be
 * late.
 */
static size_t nr_sleepers_in_order(bool *is_one_early)
{
    struct kthread *sleepers[NR_SLEEPERS];
    uint64_t affinity = lwp_current()->own.affinity;
    size_t nr_in_order = 0;

    atomic_store(&nr_awake, 0);
    first_wake_ns = clock_now_ns() + 20 * wake_step_ns;
    lwp_current()->own.affinity = 1;
    for (size_t i = NR_SLEEPERS; i-- > 0;)
        sleepers[i] = start_number(sleep_by_number, i);
    lwp_current()->own.affinity = affinity;
    for (size_t i = 0; i < NR_SLEEPERS; i++) {
        uint64_t place = kthread_join(sleepers[i]);

        *is_one_early |= place == UINT64_MAX;
        nr_in_order += place == i;
    }
    return nr_in_order;
}

/*
 * When the machine stands still for longer than lies between two of them, both wake at once, and
 * the scheduler may let either go first: so not every try counts, and from one to the next there is
 * more time.
 */
static bool sleepers_wake_in_the_order_of_their_times(void)
{
    bool is_one_early = false;
    size_t nr_in_order = 0;

    wake_step_ns = 10 * NSEC_PER_MSEC;
    while (nr_in_order < NR_SLEEPERS && wake_step_ns < NSEC_PER_SEC) {
        nr_in_order = nr_sleepers_in_order(&is_one_early);
        wake_step_ns += wake_step_ns / 2;
    }
    return KTAP_EQUAL(nr_in_order, NR_SLEEPERS) && KTAP_EQUAL(is_one_early, false);
}

static bool sleep_of_nothing_returns(void)
{
    kthread_sleep_ns(0);
    return true;
}

/* ---- Semaphores -------------------------------------------------------------------------------
 */

struct table {
    struct semaphore ping, pong;
    size_t nr_rounds;
    size_t nr_hits; /* who has the ball */
};

static uint64_t return_the_ball(void *arg)
{
    struct table *table = arg;

    for (size_t i = 0; i < table->nr_rounds; i++) {
        semaphore_down(&table->ping);
        table->nr_hits++;
        semaphore_up(&table->pong);
    }
    return 0;
}

static bool two_threads_take_turns(void)
{
    struct table table = {.nr_rounds = ktap_times(20000)};
    struct kthread *other;
    bool is_right = true;

    semaphore_init(&table.ping, "ping", 0);
    semaphore_init(&table.pong, "pong", 0);
    other = start(return_the_ball, &table);
    for (size_t i = 0; i < table.nr_rounds; i++) {
        size_t nr_before = table.nr_hits++;

        semaphore_up(&table.ping);
        semaphore_down(&table.pong);
        is_right &= table.nr_hits == nr_before + 2;
    }
    kthread_join(other);
    return KTAP_TRUE(is_right) && KTAP_EQUAL(table.nr_hits, 2 * table.nr_rounds);
}

static bool try_down_takes_what_is_there(void)
{
    struct semaphore semaphore;

    semaphore_init(&semaphore, "test", 2);
    if (!KTAP_TRUE(semaphore_try_down(&semaphore)) || !KTAP_TRUE(semaphore_try_down(&semaphore)) ||
        !KTAP_TRUE(!semaphore_try_down(&semaphore)))
        return false;
    semaphore_up(&semaphore);
    return KTAP_TRUE(semaphore_try_down(&semaphore)) && KTAP_TRUE(!semaphore_try_down(&semaphore));
}

#define NR_SEATS 3

struct room {
    struct semaphore seats;
    atomic_uint nr_inside, nr_inside_max;
};

/* The first to come stay until all seats are taken. */
static uint64_t visit(void *arg)
{
    struct room *room = arg;
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

    for (int i = 0; i < 10; i++) {
        unsigned nr, max;

        semaphore_down(&room->seats);
        nr = atomic_fetch_add(&room->nr_inside, 1) + 1;
        max = atomic_load(&room->nr_inside_max);
        while (nr > max && !atomic_compare_exchange_weak(&room->nr_inside_max, &max, nr))
            continue;
        do {
            kthread_sleep_ns(100000);
        } while (atomic_load(&room->nr_inside_max) < NR_SEATS && clock_now_ns() < deadline_ns);
        atomic_fetch_sub(&room->nr_inside, 1);
        semaphore_up(&room->seats);
    }
    return 0;
}

static bool as_many_enter_as_the_count_lets(void)
{
    static struct room room;
    struct kthread *guests[12];

    semaphore_init(&room.seats, "seats", NR_SEATS);
    atomic_store(&room.nr_inside_max, 0);
    for (size_t i = 0; i < ARRAY_LEN(guests); i++)
        guests[i] = start(visit, &room);
    for (size_t i = 0; i < ARRAY_LEN(guests); i++)
        kthread_join(guests[i]);
    return KTAP_EQUAL(atomic_load(&room.nr_inside_max), NR_SEATS) &&
           KTAP_EQUAL(room.seats.value, NR_SEATS);
}

static struct semaphore queue_semaphore;

static uint64_t queue_up(void *arg)
{
    (void)arg;
    atomic_fetch_add(&nr_done, 1);
    semaphore_down(&queue_semaphore);
    return atomic_fetch_add(&nr_awake, 1);
}

static size_t nr_waiting_in_queue(void)
{
    irq_state_t irq = spin_lock_irq(&queue_semaphore.guard);
    size_t nr = 0;

    for (const struct list_node *node = queue_semaphore.waiters.waiters.head.next;
         node != &queue_semaphore.waiters.waiters.head; node = node->next)
        nr++;
    spin_unlock_irq(&queue_semaphore.guard, irq);
    return nr;
}

static bool first_come_is_first_served(void)
{
    struct kthread *waiting[8];
    uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
    bool is_right = true;

    semaphore_init(&queue_semaphore, "queue", 0);
    atomic_store(&nr_awake, 0);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        waiting[i] = start(queue_up, NULL);
        while (nr_waiting_in_queue() != i + 1 && clock_now_ns() < deadline_ns)
            kthread_sleep_ns(100000);
    }
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        semaphore_up(&queue_semaphore);
        is_right &= KTAP_EQUAL(kthread_join(waiting[i]), i);
        is_right &= KTAP_TRUE(!semaphore_try_down(&queue_semaphore));
    }
    return is_right;
}

/* ---- Mutexes ----------------------------------------------------------------------------------
 */

#define NR_RACERS 8

struct race {
    struct mutex mutex;
    size_t nr_rounds;
    uint64_t count; /* mutex; written in two steps, so that others in between would be seen */
};

static uint64_t count_with_lock(void *arg)
{
    struct race *race = arg;
    uint64_t nr_at_first_try = 0;

    for (size_t i = 0; i < race->nr_rounds; i++) {
        uint64_t seen;

        if (i % 4 == 0 && mutex_try_lock(&race->mutex))
            nr_at_first_try++;
        else
            mutex_lock(&race->mutex);
        seen = race->count;
        if (i % 64 == 0)
            sched_yield();
        __atomic_store_n(&race->count, seen + 1, __ATOMIC_RELAXED);
        mutex_unlock(&race->mutex);
    }
    return nr_at_first_try;
}

static bool count_under_a_mutex_is_exact(void)
{
    static struct race race;
    struct kthread *racers[NR_RACERS];

    mutex_init(&race.mutex, "race");
    race.nr_rounds = ktap_times(20000);
    race.count = 0;
    for (size_t i = 0; i < NR_RACERS; i++)
        racers[i] = start(count_with_lock, &race);
    for (size_t i = 0; i < NR_RACERS; i++)
        kthread_join(racers[i]);
    return KTAP_EQUAL(race.count, NR_RACERS * race.nr_rounds);
}

static uint64_t try_lock(void *mutex)
{
    if (!mutex_try_lock(mutex))
        return false;
    mutex_unlock(mutex);
    return true;
}

static bool try_lock_takes_a_free_mutex_only(void)
{
    struct mutex mutex;
    bool is_right;

    mutex_init(&mutex, "test");
    mutex_lock(&mutex);
    is_right = KTAP_EQUAL(kthread_join(start(try_lock, &mutex)), false);
    mutex_unlock(&mutex);
    is_right &= KTAP_EQUAL(kthread_join(start(try_lock, &mutex)), true);
    is_right &= KTAP_TRUE(mutex_try_lock(&mutex)) && KTAP_TRUE(mutex_is_held(&mutex));
    mutex_unlock(&mutex);
    return is_right && KTAP_TRUE(!mutex_is_held(&mutex));
}

/* ---- Condition variables ----------------------------------------------------------------------
 */

#define NR_SLOTS 4

struct buffer {
    struct mutex mutex;
    struct condition has_room, has_data;
    size_t items[NR_SLOTS];
    size_t nr_put, nr_taken; /* mutex */
    size_t nr_items;         /* a producer's */
};

static void put(struct buffer *buffer, size_t item)
{
    mutex_lock(&buffer->mutex);
    while (buffer->nr_put - buffer->nr_taken == NR_SLOTS)
        condition_wait(&buffer->has_room, &buffer->mutex);
    buffer->items[buffer->nr_put++ % NR_SLOTS] = item;
    condition_signal(&buffer->has_data);
    mutex_unlock(&buffer->mutex);
}

static size_t take(struct buffer *buffer)
{
    size_t item;

    mutex_lock(&buffer->mutex);
    while (buffer->nr_put == buffer->nr_taken)
        condition_wait(&buffer->has_data, &buffer->mutex);
    item = buffer->items[buffer->nr_taken++ % NR_SLOTS];
    condition_signal(&buffer->has_room);
    mutex_unlock(&buffer->mutex);
    return item;
}

static uint64_t produce(void *arg)
{
    struct buffer *buffer = arg;

    for (size_t i = 1; i <= buffer->nr_items; i++)
        put(buffer, i);
    return 0;
}

/* Takes until it finds a 0; its value is the sum. */
static uint64_t consume(void *arg)
{
    uint64_t sum = 0;
    size_t item;

    while ((item = take(arg)) != 0)
        sum += item;
    return sum;
}

static bool each_item_through_a_buffer_arrives_once(void)
{
    static struct buffer buffer;
    struct kthread *producers[3], *consumers[3];
    uint64_t sum = 0;

    memset(&buffer, 0, sizeof(buffer));
    mutex_init(&buffer.mutex, "buffer");
    condition_init(&buffer.has_room, "room");
    condition_init(&buffer.has_data, "data");
    buffer.nr_items = ktap_times(5000);
    for (size_t i = 0; i < ARRAY_LEN(producers); i++) {
        producers[i] = start(produce, &buffer);
        consumers[i] = start(consume, &buffer);
    }
    for (size_t i = 0; i < ARRAY_LEN(producers); i++)
        kthread_join(producers[i]);
    for (size_t i = 0; i < ARRAY_LEN(consumers); i++)
        put(&buffer, 0);
    for (size_t i = 0; i < ARRAY_LEN(consumers); i++)
        sum += kthread_join(consumers[i]);
    return KTAP_EQUAL(sum, ARRAY_LEN(producers) * buffer.nr_items * (buffer.nr_items + 1) / 2) &&
           KTAP_EQUAL(buffer.nr_put, buffer.nr_taken);
}

struct gate {
    struct mutex mutex;
    struct condition opened;
    unsigned nr_waiting; /* mutex; from here on */
    unsigned nr_may_pass;
    uint64_t deadline_ns; /* of who waits for a limited time */
};

static void gate_init(struct gate *gate)
{
    memset(gate, 0, sizeof(*gate));
    mutex_init(&gate->mutex, "gate");
    condition_init(&gate->opened, "gate");
}

static uint64_t pass(void *arg)
{
    struct gate *gate = arg;

    mutex_lock(&gate->mutex);
    gate->nr_waiting++;
    while (gate->nr_may_pass == 0)
        condition_wait(&gate->opened, &gate->mutex);
    gate->nr_may_pass--;
    gate->nr_waiting--;
    mutex_unlock(&gate->mutex);
    atomic_fetch_add(&nr_done, 1);
    return 0;
}

/* With the mutex, once so many wait. Only a thread on the list has given the mutex up. */
static void lock_when_waiting(struct gate *gate, unsigned nr)
{
    mutex_lock(&gate->mutex);
    while (gate->nr_waiting != nr) {
        mutex_unlock(&gate->mutex);
        kthread_sleep_ns(100000);
        mutex_lock(&gate->mutex);
    }
}

static bool broadcast_wakes_all_and_signal_one(void)
{
    static struct gate gate;
    struct kthread *crowd[16];
    bool is_right;

    gate_init(&gate);
    atomic_store(&nr_done, 0);
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
        crowd[i] = start(pass, &gate);
    lock_when_waiting(&gate, ARRAY_LEN(crowd));
    /* All may go, but only one is told. */
    gate.nr_may_pass = ARRAY_LEN(crowd);
    condition_signal(&gate.opened);
    mutex_unlock(&gate.mutex);
    is_right = wait_for_count(&nr_done, 1);
    kthread_sleep_ns(10 * NSEC_PER_MSEC);
    is_right &= wait_for_count(&nr_done, 1);
    mutex_lock(&gate.mutex);
    condition_broadcast(&gate.opened);
    mutex_unlock(&gate.mutex);
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
        kthread_join(crowd[i]);
    return is_right && KTAP_EQUAL(atomic_load(&nr_done), ARRAY_LEN(crowd));
}

static bool timed_wait_times_out_with_the_mutex(void)
{
    static struct gate gate;
    uint64_t deadline_ns = clock_now_ns() + 20 * NSEC_PER_MSEC;
    bool is_right;

    gate_init(&gate);
    mutex_lock(&gate.mutex);
    is_right =
        KTAP_EQUAL(condition_wait_until(&gate.opened, &gate.mutex, deadline_ns), -ETIMEDOUT) &&
        KTAP_TRUE(clock_now_ns() >= deadline_ns) && KTAP_TRUE(mutex_is_held(&gate.mutex)) &&
        KTAP_EQUAL(condition_wait_until(&gate.opened, &gate.mutex, 0), -ETIMEDOUT);
    mutex_unlock(&gate.mutex);
    return is_right;
}

/* Once woken in time, passes; whether it was. */
static uint64_t pass_in_time(void *arg)
{
    struct gate *gate = arg;
    bool is_woken;

    mutex_lock(&gate->mutex);
    gate->nr_waiting++;
    is_woken = condition_wait_until(&gate->opened, &gate->mutex, gate->deadline_ns) == 0;
    gate->nr_waiting--;
    gate->nr_may_pass -= is_woken;
    mutex_unlock(&gate->mutex);
    return is_woken;
}

static void let_one_pass(struct gate *gate)
{
    mutex_lock(&gate->mutex);
    gate->nr_may_pass++;
    condition_signal(&gate->opened);
    mutex_unlock(&gate->mutex);
}

/*
 * Two wait, the first of them with a time limit that is over just when one is let in: if that one
 * is not the first, it has to be the second, or this never ends.
 */
static bool no_signal_is_lost_to_a_timeout(void)
{
    static struct gate gate;
    size_t nr_rounds = ktap_times(500), nr_in_time = 0;

    gate_init(&gate);
    for (size_t round = 0; round < nr_rounds; round++) {
        struct kthread *hasty, *patient;

        gate.deadline_ns = clock_now_ns() + 3 * NSEC_PER_MSEC;
        hasty = start(pass_in_time, &gate);
        mutex_lock(&gate.mutex);
        while (gate.nr_waiting == 0 && clock_now_ns() < gate.deadline_ns) {
            mutex_unlock(&gate.mutex);
            sched_yield();
            mutex_lock(&gate.mutex);
        }
        mutex_unlock(&gate.mutex);
        patient = start(pass, &gate);
        if (sched_sleep_until(gate.deadline_ns - (round % 8) * 5000) != 0)
            return false;
        let_one_pass(&gate);
        if (kthread_join(hasty)) {
            nr_in_time++;
            let_one_pass(&gate);
        }
        kthread_join(patient);
        if (!KTAP_EQUAL(gate.nr_may_pass, 0) || !KTAP_EQUAL(gate.nr_waiting, 0))
            return false;
    }
    ktap_diag("%zu of %zu were woken in time", nr_in_time, nr_rounds);
    return true;
}

static const struct ktap_test tests[] = {
    {"a joiner gets what the thread's function returned", value_of_return_reaches_joiner},
    {"a joiner gets what the thread left with", value_of_exit_reaches_joiner},
    {"a join before the end waits for it", join_waits_for_the_end},
    {"a join after the end gets the value", join_after_the_end_gets_the_value},
    {"any thread joins any other", any_thread_joins_any_other},
    {"a thread has its creator's name and priority for it",
     name_and_priority_are_the_creators_wish},
    {"each of a crowd is joined, with its own value", each_of_a_crowd_is_joined_once},
    {"detached threads run and end by themselves", detached_threads_end_by_themselves},
    {"stacks and objects of joined threads come back", stacks_and_objects_come_back},
    {"detached threads leave nothing behind", detached_threads_leave_nothing},
    {"sleepers wake in the order of their times, none early",
     sleepers_wake_in_the_order_of_their_times},
    {"a sleep of no time returns", sleep_of_nothing_returns},
    {"two threads with two semaphores take turns", two_threads_take_turns},
    {"a semaphore's try takes what is there and no more", try_down_takes_what_is_there},
    {"a semaphore lets as many in as it counts", as_many_enter_as_the_count_lets},
    {"a semaphore serves who came first", first_come_is_first_served},
    {"a count under a mutex is exact", count_under_a_mutex_is_exact},
    {"a mutex's try takes it only when it is free", try_lock_takes_a_free_mutex_only},
    {"each item through a bounded buffer arrives once", each_item_through_a_buffer_arrives_once},
    {"a signal wakes one, a broadcast all", broadcast_wakes_all_and_signal_one},
    {"a timed wait times out and has the mutex", timed_wait_times_out_with_the_mutex},
    {"no signal is lost to a time-out", no_signal_is_lost_to_a_timeout},
};

static bool run(void)
{
    return ktap_run(tests, ARRAY_LEN(tests));
}

static const struct kernel_test_suite kthread = {.name = "kthread", .run = run};
KERNEL_TEST_REGISTER(kthread);
