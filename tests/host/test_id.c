/*
 * Numbers of processes and LWPs, against a model: an array of owners, and the rule that the next
 * number is the first free one after the last that was given out.
 */

#include "host_test.h"

#include <errno.h>

#include <mm/slab.h>
#include <proc/id.h>

#define MAX_ID 700 /* the largest `max` in these tests */

/* ---- The heap that the table is made from --------------------------------------------------- */

static void *table; /* of the last id_init(): made once in a kernel's life, never given back */
static unsigned nr_chunks;
static bool memory_is_out;

void *kzalloc(size_t bytes)
{
    free(table);
    table = calloc(1, bytes);
    return table;
}

void *kzalloc_user(size_t bytes)
{
    if (memory_is_out)
        return NULL;
    nr_chunks++;
    return calloc(1, bytes);
}

void kfree(void *p)
{
    if (p)
        nr_chunks--;
    free(p);
}

/* ---- The model ------------------------------------------------------------------------------ */

static struct id_owner model[MAX_ID + 1]; /* process NULL: the number is free */
static unsigned model_max, model_last;

/* Starts again with numbers up to `max`: never fewer than before, and all are free. */
static void start(unsigned max)
{
    assert_true(max >= model_max && max <= MAX_ID);
    assert_int_equal(nr_chunks, 0);
    assert_int_equal(id_init(max), 0);
    model_max = max;
}

/* The number that has to come next; 0: all are taken. */
static unsigned model_next(void)
{
    for (unsigned i = 0; i < model_max; i++) {
        unsigned id = (model_last + i) % model_max + 1;

        if (!model[id].process)
            return id;
    }
    return 0;
}

/* Any two pointers that nobody else has. */
static struct id_owner new_owner(void)
{
    static uintptr_t unique;

    unique += 2;
    return (struct id_owner){(struct process *)unique, (struct user_lwp *)(unique + 1)};
}

static void alloc_one(void)
{
    struct id_owner owner = new_owner();
    unsigned expected = model_next();
    int id = id_alloc(owner);

    if (expected == 0) {
        assert_int_equal(id, -EAGAIN);
        return;
    }
    assert_int_equal(id, expected);
    model[expected] = owner;
    model_last = expected;
}

static void free_one(unsigned id)
{
    id_free((int)id);
    model[id] = (struct id_owner){0};
}

static void free_all(void)
{
    for (unsigned id = 1; id <= model_max; id++)
        if (model[id].process)
            free_one(id);
    assert_int_equal(nr_chunks, 0);
}

static void check_lookup(int id)
{
    struct id_owner owner = id_lookup(id), expected = {0};

    if (id >= 1 && (unsigned)id <= model_max)
        expected = model[id];
    assert_ptr_equal(owner.process, expected.process);
    assert_ptr_equal(owner.lwp, expected.lwp);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

/* Around 128, the size of a chunk of the table, and where there is hardly anything. */
static void all_numbers_are_given_out_and_then_it_says_so(void **state)
{
    static const unsigned maxima[] = {1, 2, 126, 127, 128, 129, 256, 300};

    for (unsigned i = 0; i < ARRAY_LEN(maxima); i++) {
        start(maxima[i]);
        for (unsigned n = 0; n < maxima[i]; n++)
            alloc_one();
        assert_int_equal(id_alloc(new_owner()), -EAGAIN);
        for (unsigned id = 1; id <= maxima[i]; id++)
            assert_non_null(id_lookup((int)id).process);
        free_all();
    }
}

static void a_full_table_recovers_with_the_first_number_that_is_freed(void **state)
{
    struct rng rng = {1};

    start(300);
    for (unsigned n = 0; n < 300; n++)
        alloc_one();
    for (unsigned n = 0; n < 2000; n++) {
        unsigned id = (unsigned)rng_between(&rng, 1, 300);

        free_one(id);
        alloc_one();
        assert_int_equal(model_last, id);
        assert_int_equal(id_alloc(new_owner()), -EAGAIN);
    }
    free_all();
}

/* Who keeps a number too long hears "no such process" for as long as can be, not somebody else. */
static void a_freed_number_comes_back_only_after_all_others(void **state)
{
    unsigned first;

    start(300);
    alloc_one();
    first = model_last;
    free_one(first);
    for (unsigned n = 1; n < 300; n++) {
        alloc_one();
        assert_int_not_equal(model_last, first);
        free_one(model_last);
    }
    alloc_one();
    assert_int_equal(model_last, first);
    free_all();
}

static void without_memory_nothing_changes(void **state)
{
    start(300);
    memory_is_out = true;
    for (unsigned n = 0; n < 10; n++)
        assert_int_equal(id_alloc(new_owner()), -ENOMEM);
    memory_is_out = false;
    assert_int_equal(nr_chunks, 0);
    alloc_one();
    free_all();
}

static void numbers_that_cannot_be_have_no_owner(void **state)
{
    static const int ids[] = {0, -1, 301, 384, 100000, INT32_MAX, INT32_MIN};

    start(300);
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
        check_lookup(ids[i]);
}

static void random_step(struct rng *rng)
{
    unsigned id = (unsigned)rng_between(rng, 1, model_max);

    switch (rng_below(rng, 8)) {
    case 0:
    case 1:
    case 2:
        alloc_one();
        break;
    case 3:
    case 4:
        if (model[id].process)
            free_one(id);
        break;
    case 5:
        if (model[id].process) {
            model[id].lwp = NULL; /* the LWP has ended, its process keeps the number */
            id_set_owner((int)id, model[id]);
        }
        break;
    default:
        check_lookup((int)rng_below(rng, model_max + 3));
    }
}

static void any_sequence_of_calls_agrees_with_the_model(void **state)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct rng rng = {seed};

        start((unsigned)(300 + seed * (MAX_ID - 300) / 1000));
        for (unsigned n = 0; n < rng_below(&rng, model_max + 1); n++)
            alloc_one();
        for (unsigned step = 0; step < 1000; step++)
            random_step(&rng);
        for (unsigned id = 0; id <= model_max + 1; id++)
            check_lookup((int)id);
        free_all();
    }
}

/* While it names a group, a number has no owner but is not given out. */
static void a_number_in_use_as_a_name_is_not_given_out(void **state)
{
    struct id_owner owner = {(struct process *)1, NULL};
    int name;

    start(MAX_ID);
    name = id_alloc(owner);
    id_use(name);
    id_use(name);
    id_free(name);
    assert_null(id_lookup(name).process);
    for (unsigned i = 0; i < 2 * MAX_ID; i++) {
        int id = id_alloc(owner);

        assert_true(id > 0 && id != name);
        id_free(id);
    }
    id_unuse(name);
    for (unsigned i = 0; i < 2 * MAX_ID; i++) {
        int id = id_alloc(owner);

        assert_true(id > 0 && id != name);
        id_free(id);
    }
    id_unuse(name);
    assert_int_equal(nr_chunks, 0);
    for (unsigned i = 1; i <= MAX_ID; i++)
        assert_true(id_alloc(owner) > 0);
    assert_int_equal(id_lookup(name).process, owner.process);
    for (unsigned i = 1; i <= MAX_ID; i++)
        id_free((int)i);
}

/* The last test: the panic leaves the table locked. */
static void freeing_a_free_number_is_a_bug(void **state)
{
    start(MAX_ID);
    assert_panics_with("is_taken", id_free(5));
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_numbers_are_given_out_and_then_it_says_so),
        cmocka_unit_test(a_full_table_recovers_with_the_first_number_that_is_freed),
        cmocka_unit_test(a_freed_number_comes_back_only_after_all_others),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(numbers_that_cannot_be_have_no_owner),
        cmocka_unit_test(any_sequence_of_calls_agrees_with_the_model),
        cmocka_unit_test(a_number_in_use_as_a_name_is_not_given_out),
        cmocka_unit_test(freeing_a_free_number_is_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
