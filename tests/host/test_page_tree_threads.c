/*
 * A tree of pages that some CPUs read by holding it, while another adds pages and cuts them off:
 * here each CPU is a thread. What a holder finds is the page that it asked for, and stays that page
 * until it lets go, whatever becomes of frames that have been cut off.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "host_test.h"

#include <arch/cpu.h>
#include <arch/mmu.h>
#include <kernel/spinlock.h>
#include <mm/frame.h>

#include "page_tree.h"

#define NR_FRAMES  256
#define NR_HOLDERS 3
#define NR_ROUNDS  20000
#define NR_LOOKS   16
#define OF_OTHERS  UINT64_MAX

/* Around the borders of tables, so that the tree grows and shrinks. */
static const uint64_t indices[] = {0, 1, 2, 511, 512, 513, 512 * 512 - 1, 512 * 512};

static struct page_tree tree;
static atomic_bool has_ended;
static atomic_ulong nr_held;

/* Instead of the one that takes contention for a deadlock. */
void spin_lock_contended(struct spinlock *lock)
{
    while (!spin_acquire(lock))
        sched_yield();
}

static _Atomic uint64_t *first_word(paddr_t frame)
{
    return phys_to_virt(frame);
}

static uint64_t some_index(struct rng *rng)
{
    return indices[rng_below(rng, ARRAY_LEN(indices))];
}

/* A page holds its number, or is new. */
static void look(uint64_t index)
{
    irq_state_t irq = irq_save();
    paddr_t frame = page_tree_hold(&tree, index);

    for (int i = 0; i < NR_LOOKS && frame != PADDR_NONE; i++) {
        uint64_t word = atomic_load(first_word(frame));

        if (word != 0 && word != index + 1)
            panic("page %lu holds %#lx", index, word);
    }
    if (frame != PADDR_NONE) {
        page_tree_let_go(&tree);
        atomic_fetch_add(&nr_held, 1);
    }
    irq_restore(irq);
}

static void *hold_pages(void *cpu)
{
    struct rng rng = {(uintptr_t)cpu};

    host_set_cpu((unsigned)(uintptr_t)cpu);
    while (!atomic_load(&has_ended))
        look(some_index(&rng));
    return NULL;
}

/* Takes the frames that are free, and spoils them. */
static void use_free_frames(void)
{
    paddr_t frames[NR_FRAMES];
    size_t nr = 0;

    while (nr < 40 && (frames[nr] = frame_alloc(0)) != PADDR_NONE)
        atomic_store(first_word(frames[nr++]), OF_OTHERS);
    while (nr > 0)
        frame_free(frames[--nr]);
}

static void change(struct rng *rng)
{
    uint64_t index = some_index(rng);

    if (rng_below(rng, 3) != 0) {
        atomic_store(first_word(page_tree_make(&tree, index)), index + 1);
        return;
    }
    if (rng_below(rng, 2) != 0)
        page_tree_cut(&tree, index);
    else
        page_tree_cut_range(&tree, index, index + 2);
    use_free_frames();
}

static void holders_see_pages_and_nothing_else(void **state)
{
    const struct frame_range range = {0, NR_FRAMES * PAGE_SIZE};
    pthread_t threads[NR_HOLDERS];
    struct rng rng = {1};
    size_t nr_free;

    host_reset();
    frame_init(&range, 1);
    nr_free = frame_get_stats().nr_free;
    for (uintptr_t i = 0; i < NR_HOLDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_pages, (void *)(i + 1)), 0);
    for (unsigned round = 0; round < NR_ROUNDS || atomic_load(&nr_held) < NR_ROUNDS; round++)
        change(&rng);
    atomic_store(&has_ended, true);
    for (size_t i = 0; i < NR_HOLDERS; i++)
        pthread_join(threads[i], NULL);
    page_tree_cut(&tree, 0);
    assert_int_equal(frame_get_stats().nr_free, nr_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holders_see_pages_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
