/*
 * The frames of a sparse file, against a model: a list of the page numbers that are there. Numbers
 * are chosen around the borders of tables, where a tree grows and where a cut divides it.
 */

#include "host_test.h"

#include <arch/cpu.h>
#include <arch/mmu.h>
#include <mm/frame.h>

#include "page_tree.h"

#define NR_FRAMES  4096
#define PAGES_MAX  200
#define PER_TABLE  512ull
#define LAST_PAGE  (PAGE_TREE_PAGES_MAX - 1)
#define NO_BORDER  7
#define NR_SEEDS   60
#define NR_STEPS   300
#define TABLES_MAX 4 /* above a page */

static struct page_tree tree;
static size_t nr_free_at_first;

struct model_page {
    uint64_t index;
    paddr_t frame;
};

static struct model_page model[PAGES_MAX];
static size_t nr_model;

static void start(void)
{
    struct frame_range range = {0, NR_FRAMES * PAGE_SIZE};

    host_reset();
    host_memory_clear();
    frame_init(&range, 1);
    tree = (struct page_tree){0};
    nr_model = 0;
    nr_free_at_first = frame_get_stats().nr_free;
    assert_int_equal(page_tree_nr_frames(), 0);
}

/* Everything is cut off: nothing is left, of pages or tables. */
static void finish(void)
{
    page_tree_cut(&tree, 0);
    assert_int_equal(page_tree_nr_frames(), 0);
    assert_int_equal(frame_get_stats().nr_free, nr_free_at_first);
}

/* A page is marked with its number at both ends. */
static uint64_t *first_word(paddr_t frame)
{
    return phys_to_virt(frame);
}

static uint64_t *last_word(paddr_t frame)
{
    return first_word(frame) + PAGE_SIZE / sizeof(uint64_t) - 1;
}

static struct model_page *model_find(uint64_t index)
{
    for (size_t i = 0; i < nr_model; i++) {
        if (model[i].index == index)
            return &model[i];
    }
    return NULL;
}

/* Who holds the page finds the same, and nobody holds what is not there. */
static void check_hold(uint64_t index, paddr_t frame)
{
    irq_state_t irq = irq_save();

    assert_true(page_tree_hold(&tree, index) == frame);
    assert_int_equal(tree.nr_holders, frame != PADDR_NONE);
    if (frame != PADDR_NONE)
        page_tree_let_go(&tree);
    irq_restore(irq);
}

static void check_page(uint64_t index)
{
    const struct model_page *page = model_find(index);
    paddr_t frame = page_tree_find(&tree, index);

    check_hold(index, frame);
    if (page == NULL) {
        assert_true(frame == PADDR_NONE);
        return;
    }
    assert_true(frame == page->frame);
    assert_true(*first_word(frame) == index && *last_word(frame) == index);
}

static void make(uint64_t index)
{
    struct model_page *page = model_find(index);
    paddr_t frame = page_tree_make(&tree, index);

    assert_true(frame != PADDR_NONE);
    if (page == NULL) {
        assert_true(*first_word(frame) == 0 && *last_word(frame) == 0);
        *first_word(frame) = *last_word(frame) = index;
        model[nr_model++] = (struct model_page){index, frame};
    }
    check_page(index);
}

/* Pages first to end - 1. */
static void cut_range(uint64_t first, uint64_t end)
{
    size_t nr_left = 0;

    page_tree_cut_range(&tree, first, end);
    for (size_t i = 0; i < nr_model; i++) {
        uint64_t index = model[i].index;

        if (index < first || index >= end)
            model[nr_left++] = model[i];
        else
            assert_true(page_tree_find(&tree, index) == PADDR_NONE);
    }
    nr_model = nr_left;
}

static void cut(uint64_t first)
{
    cut_range(first, UINT64_MAX);
}

/* What comes first from `index` on is what it should be. */
static void check_next(uint64_t index)
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < nr_model; i++) {
        if (model[i].index >= index)
            next = MIN(next, model[i].index);
    }
    assert_true(page_tree_next(&tree, index) == next);
}

/* Every page is where it was; no more tables than the pages can need. */
static void check_all(void)
{
    size_t nr_frames = page_tree_nr_frames();

    for (size_t i = 0; i < nr_model; i++)
        check_page(model[i].index);
    assert_int_equal(tree.nr_pages, nr_model);
    assert_true(nr_frames >= nr_model);
    assert_true(nr_frames <= nr_model * (1 + TABLES_MAX));
    assert_int_equal(frame_get_stats().nr_free, nr_free_at_first - nr_frames);
}

/* A number near a border of some level, or anywhere. */
static uint64_t some_index(struct rng *rng)
{
    static const uint64_t borders[] = {
        0,
        PER_TABLE,
        2 * PER_TABLE,
        PER_TABLE * PER_TABLE,
        3 * PER_TABLE * PER_TABLE,
        PER_TABLE * PER_TABLE * PER_TABLE,
        LAST_PAGE,
    };
    uint64_t which = rng_below(rng, NO_BORDER + 1), near = rng_below(rng, 6);

    if (which == NO_BORDER)
        return rng_next(rng) % PAGE_TREE_PAGES_MAX;
    return borders[which] < 3 ? near : MIN(borders[which] - 3 + near, LAST_PAGE);
}

static void an_empty_tree_has_no_page(void **state)
{
    start();
    check_page(0);
    check_page(1);
    check_page(LAST_PAGE);
    page_tree_cut(&tree, 5);
    finish();
}

static void a_small_file_needs_no_table(void **state)
{
    start();
    make(0);
    assert_int_equal(page_tree_nr_frames(), 1);
    make(1);
    assert_int_equal(page_tree_nr_frames(), 3);
    finish();
}

static void a_hole_costs_only_the_way_to_the_page(void **state)
{
    start();
    make(LAST_PAGE);
    assert_int_equal(page_tree_nr_frames(), 1 + PAGE_TREE_HEIGHT_MAX);
    check_page(0);
    check_page(LAST_PAGE - 1);
    make(0);
    check_all();
    finish();
}

static void a_cut_frees_what_lies_behind_and_nothing_before(void **state)
{
    start();
    for (uint64_t i = PER_TABLE - 3; i < PER_TABLE + 3; i++)
        make(i);
    cut(PER_TABLE + 1);
    check_all();
    cut(PER_TABLE);
    check_all();
    assert_int_equal(page_tree_nr_frames(), 3 + 2); /* the second table has gone */
    cut(PER_TABLE - 1);
    check_all();
    make(PER_TABLE); /* and comes again, with zeroes */
    finish();
}

static void a_hole_in_the_middle_frees_what_is_there_and_nothing_else(void **state)
{
    start();
    for (uint64_t i = PER_TABLE - 3; i < 2 * PER_TABLE + 3; i += 3)
        make(i);
    cut_range(PER_TABLE - 1, PER_TABLE + 7);
    check_all();
    check_next(PER_TABLE - 1);
    cut_range(PER_TABLE, 2 * PER_TABLE); /* a whole table goes */
    check_all();
    check_next(PER_TABLE);
    cut_range(5, 5);
    check_all();
    finish();
}

static void a_page_in_use_outlives_the_cut(void **state)
{
    paddr_t frame;

    start();
    make(3);
    frame = page_tree_find(&tree, 3);
    frame_ref(frame);
    cut(0);
    assert_int_equal(page_tree_nr_frames(), 0);
    assert_true(*first_word(frame) == 3);
    frame_unref(frame);
    finish();
}

/* Memory runs out at each step of making a page: what is there stays, and nothing is lost. */
static void without_memory_nothing_is_lost(void **state)
{
    static paddr_t hoard[NR_FRAMES];

    for (size_t nr_spare = 0; nr_spare <= PAGE_TREE_HEIGHT_MAX + 1; nr_spare++) {
        size_t nr = 0;
        paddr_t frame;

        start();
        make(0);
        while ((frame = frame_alloc(FRAME_USER)) != PADDR_NONE)
            hoard[nr++] = frame;
        for (size_t i = 0; i < nr_spare; i++)
            frame_free(hoard[--nr]);
        while (page_tree_make(&tree, LAST_PAGE) == PADDR_NONE) {
            check_page(0);
            check_page(LAST_PAGE);
            frame_free(hoard[--nr]);
        }
        check_page(0);
        while (nr > 0)
            frame_free(hoard[--nr]);
        finish();
    }
}

static void any_sequence_of_calls_agrees_with_the_model(void **state)
{
    for (uint64_t seed = 0; seed < NR_SEEDS; seed++) {
        struct rng rng = {seed};

        start();
        for (unsigned step = 0; step < NR_STEPS; step++) {
            uint64_t index = some_index(&rng);

            if (nr_model < PAGES_MAX && rng_below(&rng, 8) != 0)
                make(index);
            else if (rng_below(&rng, 4) == 0)
                cut(index);
            else
                cut_range(index, index + rng_below(&rng, 2 * PER_TABLE));
            check_page(some_index(&rng));
            check_next(some_index(&rng));
        }
        check_all();
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tree_has_no_page),
        cmocka_unit_test(a_small_file_needs_no_table),
        cmocka_unit_test(a_hole_costs_only_the_way_to_the_page),
        cmocka_unit_test(a_cut_frees_what_lies_behind_and_nothing_before),
        cmocka_unit_test(a_hole_in_the_middle_frees_what_is_there_and_nothing_else),
        cmocka_unit_test(a_page_in_use_outlives_the_cut),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(any_sequence_of_calls_agrees_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
