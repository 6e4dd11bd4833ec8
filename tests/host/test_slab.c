/*
 * The kernel heap against a model that remembers what is out: every object is filled with a
 * pattern of its own, which must still be there when it is freed, so no two can overlap. Several
 * CPUs allocate and free each other's objects; at the end nothing may be left.
 */

#include "host_test.h"

#include <arch/mmu.h>
#include <arch/percpu.h>
#include <mm/frame.h>
#include <mm/slab.h>

#define OBJECTS_MAX 3000

/* Caches of odd and even sizes, of all alignments, for kernel and users. */
static const struct {
    size_t bytes, align;
    unsigned flags;
} cache_params[] = {
    {1, 0, 0},    {8, 0, SLAB_USER},     {24, 0, 0},   {40, 64, 0},
    {100, 32, 0}, {192, 64, SLAB_USER},  {520, 8, 0},  {1000, 0, SLAB_USER},
    {1400, 0, 0}, {2696, 64, SLAB_USER}, {4095, 1, 0}, {4096, 0, 0},
};

struct object {
    unsigned char *bytes;
    size_t nr_bytes;
    struct slab_cache *cache; /* NULL: of kmalloc */
    unsigned char pattern;
};

static struct slab_cache *test_caches[ARRAY_LEN(cache_params)];
static struct object objects[OBJECTS_MAX];
static size_t nr_objects;
static struct frame_stats at_boot;

/*
 * How a random run goes. Few CPUs and caches work the slabs and depots hard, many the rest.
 */
static unsigned nr_cpus;
static size_t first_cache, nr_caches_used;
static unsigned kmalloc_percent;

static void boot(size_t memory_bytes)
{
    const struct frame_range range = {MIB(1), MIB(1) + memory_bytes};

    host_reset();
    frame_init(&range, 1);
    at_boot = frame_get_stats();
    slab_init();
    for (size_t i = 0; i < ARRAY_LEN(cache_params); i++) {
        test_caches[i] = slab_cache_create("test", cache_params[i].bytes, cache_params[i].align,
                                           cache_params[i].flags);
    }
    nr_objects = 0;
}

static void assert_stats(void)
{
    struct slab_stats stats = slab_get_stats();
    struct frame_stats frames = frame_get_stats();

    assert_int_equal(stats.nr_objects, nr_objects);
    assert_int_equal(stats.nr_frames, frames.nr_total - frames.nr_free);
}

/* After each CPU has drained its magazines all frames are back. */
static void assert_nothing_is_left(void)
{
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        host_set_cpu(cpu);
        slab_reclaim();
    }
    assert_int_equal(slab_get_stats().nr_objects, 0);
    assert_int_equal(slab_get_stats().nr_frames, 0);
    assert_int_equal(frame_get_stats().nr_free, at_boot.nr_free);
    assert_int_equal(frame_get_stats().nr_user, 0);
}

static void note_allocated(struct rng *rng, void *p, size_t nr_bytes, size_t align,
                           struct slab_cache *cache)
{
    struct object *object = &objects[nr_objects++];

    assert_true(IS_ALIGNED((uintptr_t)p, align));
    *object = (struct object){p, nr_bytes, cache, (unsigned char)rng_next(rng)};
    memset(p, object->pattern, nr_bytes);
}

static bool alloc_from_cache(struct rng *rng)
{
    size_t i = (first_cache + rng_below(rng, nr_caches_used)) % ARRAY_LEN(test_caches);
    void *p = slab_alloc(test_caches[i]);

    if (p)
        note_allocated(rng, p, cache_params[i].bytes, MAX(cache_params[i].align, 1u),
                       test_caches[i]);
    return p;
}

/* Sizes spread over the size classes, sometimes several frames. */
static size_t random_size(struct rng *rng)
{
    return rng_one_in(rng, 40) ? rng_between(rng, 2049, 40000)
                               : rng_between(rng, 1, 1ull << rng_between(rng, 3, 11));
}

static bool alloc_bytes(struct rng *rng)
{
    static void *(*const functions[])(size_t) = {kmalloc, kzalloc, kmalloc_user, kzalloc_user};
    size_t which = rng_below(rng, ARRAY_LEN(functions));
    size_t nr_bytes = random_size(rng);
    unsigned char *p = functions[which](nr_bytes);

    if (!p)
        return false;
    for (size_t i = 0; which % 2 == 1 && i < nr_bytes; i++)
        assert_int_equal(p[i], 0);
    note_allocated(rng, p, nr_bytes, nr_bytes >= PAGE_SIZE ? PAGE_SIZE : 16, NULL);
    return true;
}

static bool alloc_something(struct rng *rng)
{
    return rng_below(rng, 100) < kmalloc_percent ? alloc_bytes(rng) : alloc_from_cache(rng);
}

static void free_object(size_t index)
{
    struct object *object = &objects[index];

    if (object->bytes[0] != object->pattern ||
        memcmp(object->bytes, object->bytes + 1, object->nr_bytes - 1) != 0)
        fail_msg("an object of %zu bytes was overwritten", object->nr_bytes);
    if (object->cache)
        slab_free(object->cache, object->bytes);
    else
        kfree(object->bytes);
    *object = objects[--nr_objects];
}

static void free_all(struct rng *rng)
{
    while (nr_objects > 0) {
        host_set_cpu((unsigned)rng_below(rng, nr_cpus));
        free_object(rng_below(rng, nr_objects));
    }
}

static void choose_run(struct rng *rng)
{
    nr_cpus = (unsigned)rng_between(rng, 1, 8);
    first_cache = rng_below(rng, ARRAY_LEN(test_caches));
    nr_caches_used = rng_between(rng, 1, rng_one_in(rng, 2) ? 2 : ARRAY_LEN(test_caches));
    kmalloc_percent = (unsigned)rng_below(rng, 100);
}

static void random_use_by_several_cpus_leaves_nothing(void **state)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct rng rng = {seed};
        unsigned alloc_percent = 60;

        boot(MIB(rng_between(&rng, 1, 12)));
        choose_run(&rng);
        for (int i = 0; i < 6000; i++) {
            if (rng_one_in(&rng, 600))
                alloc_percent = (unsigned)rng_between(&rng, 2, 98);
            host_set_cpu((unsigned)rng_below(&rng, nr_cpus));
            if (rng_below(&rng, 100) < alloc_percent && nr_objects < OBJECTS_MAX)
                alloc_something(&rng);
            else if (nr_objects > 0)
                free_object(rng_below(&rng, nr_objects));
            if (rng_one_in(&rng, 1000))
                slab_reclaim();
            if (rng_one_in(&rng, 50))
                assert_stats();
        }
        free_all(&rng);
        assert_nothing_is_left();
    }
}

static void running_out_of_memory_loses_nothing(void **state)
{
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct rng rng = {seed};

        boot(KIB(4 * rng_between(&rng, 25, 250)));
        choose_run(&rng);
        for (int nr_failures = 0; nr_failures < 20 && nr_objects < OBJECTS_MAX;) {
            host_set_cpu((unsigned)rng_below(&rng, nr_cpus));
            nr_failures += !alloc_something(&rng);
        }
        assert_stats();
        free_all(&rng);
        assert_nothing_is_left();
    }
}

/* What lies unused in the heap is given back before an allocation of another size fails. */
static void free_objects_of_one_size_make_room_for_another(void **state)
{
    static void *small[8192];
    size_t nr = 0;

    boot(MIB(1));
    while ((small[nr] = slab_alloc(test_caches[6])))
        nr++;
    assert_null(kmalloc(KIB(900)));
    while (nr > 0)
        slab_free(test_caches[6], small[--nr]);
    assert_non_null(kmalloc(KIB(900)));
}

static void users_get_null_while_the_kernel_still_gets_memory(void **state)
{
    boot(MIB(4));
    while (kmalloc_user(1024))
        ;
    assert_null(kzalloc_user(9000));
    /* A slab of several frames may not have fitted any more where one frame still would. */
    assert_true(frame_get_stats().nr_free < frame_get_stats().nr_kernel_reserve + 8);
    assert_non_null(kmalloc(1024));
    assert_non_null(kmalloc(9000));
}

static void user_memory_is_charged_and_kernel_memory_is_not(void **state)
{
    void *p;

    boot(MIB(4));
    kmalloc(100);
    kmalloc(10000);
    slab_alloc(test_caches[2]);
    assert_int_equal(frame_get_stats().nr_user, 0);
    p = kmalloc_user(10000);
    assert_int_equal(frame_get_stats().nr_user, 3);
    kmalloc_user(100);
    assert_int_equal(frame_get_stats().nr_user, 4);
    slab_alloc(test_caches[1]);
    assert_int_equal(frame_get_stats().nr_user, 5);
    kfree(p);
    assert_int_equal(frame_get_stats().nr_user, 2);
    kmalloc_user(2 * PAGE_SIZE);
    assert_int_equal(frame_get_stats().nr_user, 4);
}

/* One CPU allocates what another frees: magazines must not pile up anywhere. */
static void producer_and_consumer_do_not_grow_the_heap(void **state)
{
    void *queue[20];
    size_t nr_frames = 0;

    boot(MIB(4));
    for (int round = 0; round < 5000; round++) {
        host_set_cpu(0);
        for (size_t i = 0; i < ARRAY_LEN(queue); i++)
            assert_non_null(queue[i] = slab_alloc(test_caches[5]));
        host_set_cpu(1);
        for (size_t i = 0; i < ARRAY_LEN(queue); i++)
            slab_free(test_caches[5], queue[i]);
        if (round == 100)
            nr_frames = slab_get_stats().nr_frames;
    }
    assert_int_equal(slab_get_stats().nr_frames, nr_frames);
    assert_true(nr_frames < 20);
}

/* A burst that is freed goes back to the frame allocator but for a few magazines. */
static void a_burst_does_not_stay(void **state)
{
    static void *burst[2000];

    boot(MIB(4));
    for (size_t i = 0; i < ARRAY_LEN(burst); i++)
        assert_non_null(burst[i] = kmalloc(1000));
    assert_true(slab_get_stats().nr_frames > 500);
    for (size_t i = 0; i < ARRAY_LEN(burst); i++)
        kfree(burst[i]);
    assert_true(slab_get_stats().nr_frames < 200);
}

static void odd_requests(void **state)
{
    boot(MIB(4));
    assert_null(kmalloc(0));
    assert_null(kzalloc_user(0));
    assert_null(kmalloc(SIZE_MAX));
    assert_null(kmalloc(SIZE_MAX - 4095));
    assert_null(kmalloc(MIB(5)));
    kfree(NULL);
    assert_nothing_is_left();
}

static void what_is_not_of_the_heap_is_not_freed(void **state)
{
    char *large;
    paddr_t frame;

    boot(MIB(4));
    frame = frame_alloc(0);
    large = kmalloc(10000);
    assert_panics_with("not memory of the heap", kfree(phys_to_virt(frame)));
    assert_panics_with("not memory of the heap", kfree(large + PAGE_SIZE));
    assert_panics(kfree(phys_to_virt(GIB(300))));
    kfree(large);
    assert_panics(kfree(large));
}

static void a_cache_does_not_take_objects_of_another(void **state)
{
    boot(MIB(4));
    assert_panics({
        slab_free(test_caches[3], slab_alloc(test_caches[2]));
        slab_reclaim();
    });
}

#ifdef THRUM_DEBUG

static void debug_a_double_free_panics(void **state)
{
    void *p;

    boot(MIB(4));
    p = slab_alloc(test_caches[4]);
    slab_free(test_caches[4], p);
    assert_panics_with("freed twice", slab_free(test_caches[4], p));
    p = kmalloc(100);
    kfree(p);
    host_set_cpu(1);
    assert_panics_with("freed twice", kfree(p));
}

static void debug_an_overrun_panics(void **state)
{
    char *p;

    boot(MIB(4));
    p = slab_alloc(test_caches[2]);
    p[cache_params[2].bytes] = 0;
    assert_panics_with("overrun", slab_free(test_caches[2], p));
    p = kmalloc(64);
    p[64] = 1;
    assert_panics_with("overrun", kfree(p));
    assert_panics_with("no object", kfree((char *)kmalloc(64) + 8));
}

static void debug_a_write_after_free_panics(void **state)
{
    char *p;

    boot(MIB(4));
    p = slab_alloc(test_caches[4]);
    slab_free(test_caches[4], p);
    p[50] = 0;
    assert_panics_with("after it was freed", slab_alloc(test_caches[4]));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_requests),
        cmocka_unit_test(user_memory_is_charged_and_kernel_memory_is_not),
        cmocka_unit_test(users_get_null_while_the_kernel_still_gets_memory),
        cmocka_unit_test(free_objects_of_one_size_make_room_for_another),
        cmocka_unit_test(producer_and_consumer_do_not_grow_the_heap),
        cmocka_unit_test(a_burst_does_not_stay),
        cmocka_unit_test(what_is_not_of_the_heap_is_not_freed),
        cmocka_unit_test(a_cache_does_not_take_objects_of_another),
#ifdef THRUM_DEBUG
        cmocka_unit_test(debug_a_double_free_panics),
        cmocka_unit_test(debug_an_overrun_panics),
        cmocka_unit_test(debug_a_write_after_free_panics),
#endif
        cmocka_unit_test(running_out_of_memory_loses_nothing),
        cmocka_unit_test(random_use_by_several_cpus_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
