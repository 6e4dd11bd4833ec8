/*
 * The frame allocator and the heap used by several CPUs at the same time: here each is a thread.
 * Memory is so short that they keep stealing from each other's caches. Whatever the interleaving,
 * nobody is given what another has, and at the end nothing is missing.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "host_test.h"

#include <arch/mmu.h>
#include <arch/percpu.h>
#include <kernel/spinlock.h>
#include <mm/frame.h>
#include <mm/slab.h>

#define NR_CPUS   4
#define NR_ROUNDS 300000
#define HELD_MAX  40

static struct slab_cache *cache;
static atomic_uint nr_failures;

/* Instead of the one that takes contention for a deadlock. */
void spin_lock_contended(struct spinlock *lock)
{
    while (!spin_acquire(lock))
        sched_yield();
}

struct held {
    uint64_t *words; /* the first word names the owner */
    enum { FRAME, CONTIG, OBJECT, BYTES } kind;
};

static uint64_t *take(struct rng *rng, int kind)
{
    paddr_t frame;

    switch (kind) {
    case FRAME:
        frame = frame_alloc(0);
        return frame == PADDR_NONE ? NULL : phys_to_virt(frame);
    case CONTIG:
        frame = frame_alloc_contig(2, 2, FRAME_USER);
        return frame == PADDR_NONE ? NULL : phys_to_virt(frame);
    case OBJECT:
        return slab_alloc(cache);
    default:
        return kmalloc(rng_between(rng, 8, 600));
    }
}

static void give_back(struct held *held)
{
    switch (held->kind) {
    case FRAME:
        frame_free(virt_to_phys(held->words));
        break;
    case CONTIG:
        frame_free_contig(virt_to_phys(held->words), 2);
        break;
    case OBJECT:
        slab_free(cache, held->words);
        break;
    default:
        kfree(held->words);
    }
}

static void *act_as_cpu(void *cpu)
{
    struct rng rng = {(uintptr_t)cpu};
    struct held held[HELD_MAX];
    size_t nr_held = 0;

    host_set_cpu((unsigned)(uintptr_t)cpu);
    for (unsigned round = 0; round < NR_ROUNDS || nr_held > 0; round++) {
        if (round < NR_ROUNDS && nr_held < HELD_MAX && !rng_one_in(&rng, 3)) {
            struct held *new = &held[nr_held];

            new->kind = (int)rng_below(&rng, 4);
            new->words = take(&rng, (int)new->kind);
            if (new->words) {
                *new->words = (uintptr_t)cpu << 32 | round;
                held[nr_held++] = *new;
            } else {
                atomic_fetch_add(&nr_failures, 1);
            }
        } else if (nr_held > 0) {
            struct held *old = &held[rng_below(&rng, nr_held)];

            if (*old->words >> 32 != (uintptr_t)cpu)
                panic("memory of CPU %zu was given to another", (uintptr_t)cpu);
            give_back(old);
            *old = held[--nr_held];
        }
    }
    return NULL;
}

static void cpus_at_the_same_time_lose_nothing(void **state)
{
    const struct frame_range range = {MIB(1), MIB(1) + KIB(400)};
    pthread_t threads[NR_CPUS];
    struct frame_stats before;

    host_reset();
    frame_init(&range, 1);
    before = frame_get_stats();
    slab_init();
    cache = slab_cache_create("test", 200, 0, SLAB_USER);
    for (uintptr_t cpu = 0; cpu < NR_CPUS; cpu++)
        assert_int_equal(pthread_create(&threads[cpu], NULL, act_as_cpu, (void *)cpu), 0);
    for (size_t i = 0; i < NR_CPUS; i++)
        pthread_join(threads[i], NULL);
    /* Otherwise memory was not short, and nothing was stolen. */
    assert_true(nr_failures > 0);
    assert_int_equal(slab_get_stats().nr_objects, 0);
    for (unsigned cpu = 0; cpu < NR_CPUS; cpu++) {
        host_set_cpu(cpu);
        slab_reclaim();
    }
    assert_int_equal(frame_get_stats().nr_free, before.nr_total);
    assert_int_equal(frame_get_stats().nr_user, 0);
    assert_int_not_equal(frame_alloc_contig(before.nr_total, 1, 0), PADDR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_at_the_same_time_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
