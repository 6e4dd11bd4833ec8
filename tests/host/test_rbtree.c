/*
 * The red-black tree against a sorted array: after every step of thousands of random ones, both
 * hold the same nodes in the same order, the tree obeys the red-black rules, and in an augmented
 * tree every node has the value that its subtree makes.
 */

#include "host_test.h"

#include <kernel/rbtree.h>

#define ITEMS_MAX 200

struct item {
    unsigned key;
    unsigned weight;
    unsigned least_weight; /* in its subtree, where the tree is augmented */
    bool is_in;
    struct rb_node node;
};

struct model {
    struct item *sorted[ITEMS_MAX];
    size_t nr;
};

static bool item_before(const struct rb_node *a, const struct rb_node *b)
{
    return rb_entry(a, const struct item, node)->key < rb_entry(b, const struct item, node)->key;
}

static unsigned least_weight(const struct rb_node *node)
{
    return node ? rb_entry(node, const struct item, node)->least_weight : UINT32_MAX;
}

static unsigned least_weight_by_children(const struct rb_node *node)
{
    unsigned below = MIN(least_weight(node->child[0]), least_weight(node->child[1]));

    return MIN(rb_entry(node, const struct item, node)->weight, below);
}

static void update_least_weight(struct rb_node *node)
{
    rb_entry(node, struct item, node)->least_weight = least_weight_by_children(node);
}

static void model_insert(struct model *model, struct item *item)
{
    size_t at = model->nr++;

    for (; at > 0 && model->sorted[at - 1]->key > item->key; at--)
        model->sorted[at] = model->sorted[at - 1];
    model->sorted[at] = item;
}

static void model_remove(struct model *model, struct item *item)
{
    size_t at = 0;

    while (model->sorted[at] != item)
        at++;
    model->nr--;
    for (; at < model->nr; at++)
        model->sorted[at] = model->sorted[at + 1];
}

/* Checks parent links and rules 3 and 4; returns the number of black nodes on every way down. */
static unsigned assert_red_black(const struct rb_node *node, const struct rb_node *parent)
{
    unsigned nr_black[2];

    if (!node)
        return 0;
    assert_ptr_equal(node->parent, parent);
    for (int side = 0; side < 2; side++) {
        if (node->is_red && node->child[side])
            assert_false(node->child[side]->is_red);
        nr_black[side] = assert_red_black(node->child[side], node);
    }
    assert_int_equal(nr_black[0], nr_black[1]);
    return nr_black[0] + !node->is_red;
}

static void assert_same(const struct rb_tree *tree, const struct model *model)
{
    struct rb_node *node = rb_first(tree);
    struct rb_node *last = NULL;

    if (tree->root)
        assert_false(tree->root->is_red);
    assert_red_black(tree->root, NULL);
    for (size_t i = 0; i < model->nr; i++) {
        assert_ptr_equal(node, &model->sorted[i]->node);
        assert_ptr_equal(rb_prev(node), last);
        last = node;
        node = rb_next(node);
    }
    assert_null(node);
    assert_ptr_equal(rb_last(tree), last);
    assert_int_equal(rb_is_empty(tree), model->nr == 0);
    for (size_t i = 0; tree->update && i < model->nr; i++) {
        node = &model->sorted[i]->node;
        assert_int_equal(least_weight(node), least_weight_by_children(node));
    }
}

/* Few different keys make many equal ones; a bias makes the tree grow full and run empty. */
static void run_random_steps(uint64_t seed)
{
    static struct item items[ITEMS_MAX];
    struct rng rng = {seed};
    struct rb_tree tree;
    struct model model = {.nr = 0};
    size_t nr_items = rng_between(&rng, 1, ITEMS_MAX);
    unsigned nr_keys = (unsigned)rng_between(&rng, 1, 2 * nr_items);
    unsigned insert_percent = 50;

    memset(items, 0, sizeof(items));
    if (seed % 2 == 0)
        rb_init(&tree);
    else
        rb_init_augmented(&tree, update_least_weight);
    for (int step = 0; step < 300; step++) {
        struct item *item = &items[rng_below(&rng, nr_items)];

        if (rng_one_in(&rng, 50))
            insert_percent = (unsigned)rng_between(&rng, 5, 95);
        if (!item->is_in && rng_below(&rng, 100) < insert_percent) {
            item->key = (unsigned)rng_below(&rng, nr_keys);
            item->weight = (unsigned)rng_below(&rng, 1000);
            memset(&item->node, 0xa5, sizeof(item->node));
            rb_insert(&tree, &item->node, item_before);
            model_insert(&model, item);
            item->is_in = true;
        } else if (item->is_in && rng_below(&rng, 100) >= insert_percent) {
            rb_remove(&tree, &item->node);
            model_remove(&model, item);
            item->is_in = false;
        } else {
            continue;
        }
        assert_same(&tree, &model);
    }
}

static void random_steps_agree_with_a_sorted_array(void **state)
{
    for (uint64_t seed = 0; seed < 500; seed++)
        run_random_steps(seed);
}

static void equal_keys_stay_in_the_order_of_insertion(void **state)
{
    struct item items[32];
    struct rb_tree tree;
    struct rb_node *node;

    rb_init(&tree);
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        items[i].key = 7;
        rb_insert(&tree, &items[i].node, item_before);
    }
    node = rb_first(&tree);
    for (size_t i = 0; i < ARRAY_LEN(items); i++, node = rb_next(node))
        assert_ptr_equal(node, &items[i].node);
}

static void an_empty_tree_has_neither_first_nor_last(void **state)
{
    struct rb_tree tree;

    rb_init(&tree);
    assert_true(rb_is_empty(&tree));
    assert_null(rb_first(&tree));
    assert_null(rb_last(&tree));
}

static unsigned height(const struct rb_node *node)
{
    return node ? 1 + MAX(height(node->child[0]), height(node->child[1])) : 0;
}

static void sorted_input_still_gives_a_low_tree(void **state)
{
    static struct item items[4096];
    struct rb_tree tree;

    rb_init(&tree);
    for (unsigned i = 0; i < ARRAY_LEN(items); i++) {
        items[i].key = i;
        rb_insert(&tree, &items[i].node, item_before);
    }
    /* 2 log2(4096 + 1) is a little above 24. */
    assert_true(height(tree.root) <= 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tree_has_neither_first_nor_last),
        cmocka_unit_test(equal_keys_stay_in_the_order_of_insertion),
        cmocka_unit_test(sorted_input_still_gives_a_low_tree),
        cmocka_unit_test(random_steps_agree_with_a_sorted_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
